//! Templates: the place where what is handed to a render call is to be followed into the template.
//!
//! Nothing is followed yet: the engine is not given the templates of the project.

use pyward_ir::{Span, Symbol};

use super::Interp;
use super::call::CallArgs;
use crate::models::Entry;
use crate::value::Value;

impl Interp<'_> {
    pub(super) fn check_templates(
        &mut self,
        _entry: &Entry,
        _receiver: Option<&Value>,
        _call: &CallArgs,
        _span: Span,
        _what: Symbol,
    ) {
    }
}

//! Templates: what is handed to a render call is followed into the template.

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

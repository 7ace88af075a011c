//! Reads templates: what they output, where in the HTML it stands, and how it is escaped.
//!
//! Jinja2, Django, Mako and Tornado templates become one model, a [`Template`]. Its
//! [`Interpolation`]s name the variables that reach the output ([`Use`]), the place in the HTML
//! ([`HtmlContext`]) and the state of auto-escaping; [`Interpolation::exposure`] says whether the
//! escaping covers that place. A [`Library`] follows variables through inheritance, includes
//! and macros.
//!
//! ```
//! use pyward_templates::{Dialect, Exposure, parse};
//!
//! let template = parse("<a href=\"{{ user.site }}\">{{ user.name }}</a>", Dialect::Jinja2);
//! let [site, name] = template.interpolations.as_slice() else { panic!() };
//! // Escaping does not keep `javascript:` out of an address.
//! assert_eq!(site.exposure(&site.uses[0], true), Some(Exposure::ScriptUrl));
//! assert_eq!(name.exposure(&name.uses[0], true), None);
//! assert_eq!(name.exposure(&name.uses[0], false), Some(Exposure::Unescaped));
//! ```
//!
//! The reader never fails: what it does not understand is passed over, with a
//! [`Diagnostic`] where that matters. Jinja2 parsers such as minijinja's stop at the first
//! extension tag they do not know, which most applications have.

mod expr;
mod flow;
mod html;
mod library;
mod model;
mod read;
mod scan;
mod scripts;
mod token;

pub use expr::{Arguments, Expr};
pub use flow::{Handling, MacroCall, Root, Step, Use};
pub use html::{CleartextUrl, Form, HtmlContext};
pub use library::{Escaping, Exposed, Library, Reached};
pub use model::{
    Autoescape, Diagnostic, Dialect, Exposure, Import, Include, Interpolation, Invocation, Loop,
    Macro, Set, Template, autoescape_default,
};

/// Reads a template. Never panics; takes linear time.
#[must_use]
pub fn parse(source: &str, dialect: Dialect) -> Template {
    read::read(source, dialect)
}

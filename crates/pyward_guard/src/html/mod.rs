//! HTML output: escaping by context, sanitising by allow-list, and the context tracker that templates use.
//!
//! Protects against cross-site scripting (CWE-79, CWE-80, CWE-83, CWE-84, CWE-87) and CSS injection.

mod bounds;
mod context;
mod escape;
mod sanitize;
mod script;
mod style;

pub use context::{Context, Tracker};
pub use escape::{
    allowed_url, attribute, css_string, escape, escape_into, first_special, script_json,
    script_string, url_component,
};
pub use sanitize::{Policy, Preset, RelativeUrls, Sanitizer};
pub use style::filter_style;

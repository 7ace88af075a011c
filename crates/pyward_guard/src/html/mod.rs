//! HTML output: escaping by context, sanitising by allow-list, and the context tracker that templates use.
//!
//! Protects against cross-site scripting (CWE-79, CWE-80, CWE-83, CWE-84, CWE-87) and CSS injection.
//!
//! ```
//! use pyward_guard::html::{Policy, Preset, Sanitizer, allowed_url, escape, script_json};
//! assert_eq!(escape("<b>Tom & Ada</b>"), "&lt;b&gt;Tom &amp; Ada&lt;/b&gt;");
//! assert!(allowed_url("javascript:alert(1)", &["https"], false).is_err());
//! assert!(!script_json(r#""</script>""#)?.contains('<'));
//! let comments = Sanitizer::new(&Policy::preset(Preset::Comment))?;
//! assert_eq!(comments.clean("<p onclick=x>Hi<script>alert(1)</script></p>")?, "<p>Hi</p>");
//! # Ok::<(), pyward_guard::Error>(())
//! ```

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

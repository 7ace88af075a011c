//! Response headers, host and origin checks, and CSRF tokens.
//!
//! Protects against cross-site scripting as second line (CWE-79), clickjacking (CWE-1021), cross-site request forgery
//! (CWE-352) and host header attacks (CWE-644). ASVS 5.0: v5.0.0-3.4.3, v5.0.0-3.5.1, v5.0.0-3.5.3.
//!
//! ```
//! use pyward_guard::headers::{Csp, Csrf, HostList};
//! let policy = |source: &str| [("script-src".to_owned(), vec![source.to_owned()])];
//! assert_eq!(Csp::new(&policy("'self'"), false)?.header(""), "script-src 'self'");
//! assert!(Csp::new(&policy("'unsafe-inline'"), false).is_err());
//! let hosts = HostList::new(&["shop.example".to_owned()])?;
//! assert!(hosts.allows("shop.example") && !hosts.allows("evil.example"));
//! let csrf = Csrf::new(vec![vec![7; 32]], 3600)?;
//! let token = csrf.issue(b"session of ada", 1000)?;
//! assert!(csrf.verify(b"session of ada", &token, 1001).is_ok());
//! assert!(csrf.verify(b"session of eve", &token, 1001).is_err());
//! # Ok::<(), pyward_guard::Error>(())
//! ```

mod csp;
mod csrf;
mod origin;

pub use csp::{Csp, nonce};
pub use csrf::{Csrf, CsrfError};
pub use origin::{HostList, OriginVerdict, RequestOrigin, judge_origin, origin_of};

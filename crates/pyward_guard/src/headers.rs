//! Response headers, host and origin checks, and CSRF tokens.
//!
//! Protects against cross-site scripting as second line (CWE-79), clickjacking (CWE-1021), cross-site request forgery
//! (CWE-352) and host header attacks (CWE-644). ASVS 5.0: v5.0.0-3.4.3, v5.0.0-3.5.1, v5.0.0-3.5.3.

mod csp;
mod csrf;
mod origin;

pub use csp::{Csp, nonce};
pub use csrf::{Csrf, CsrfError};
pub use origin::{HostList, OriginVerdict, RequestOrigin, judge_origin, origin_of};

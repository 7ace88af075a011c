//! Validators by allow-list: each takes text, checks its whole, and gives its canonical form. Linear time, bounded
//! size, messages without the value. Protects against improper input validation (CWE-20, CWE-1287, CWE-1333).
//!
//! ```
//! use pyward_guard::validate::{UrlRules, email, iban, pattern, url};
//! assert_eq!(email("Ada@Example.ORG")?, "Ada@example.org");
//! assert!(email("ada@example.org\nBcc: all@example.org").is_err());
//! assert_eq!(iban("de89 3704 0044 0532 0130 00")?, "DE89370400440532013000");
//! assert!(url("javascript:alert(1)", &UrlRules::default()).is_err());
//! // The whole text, not just a part of it.
//! assert!(!pattern("[0-9]{4}", 64)?.matches("1234; rm"));
//! # Ok::<(), pyward_guard::Error>(())
//! ```

mod banking;
mod json;
mod network;
mod region;
mod text;

pub use banking::{CardNetwork, card_number, iban};
pub use json::{Json, JsonLimits, parse_json};
pub use network::{UrlRules, cidr, email, ip_address, url};
pub use region::{colour, country, locale, phone};
pub use text::{
    Pattern, TextRules, confusable_skeleton, pattern, plain_text, slug, user_name, uuid,
};

use crate::{Error, Result};

/// Error of a validator: says what is wrong, never what the value was.
fn wrong<T>(what: &str) -> Result<T> {
    Err(Error::InvalidInput(what.to_owned()))
}

fn bounded(value: &str, max_bytes: usize, what: &str) -> Result<()> {
    if value.len() > max_bytes {
        Err(Error::InvalidInput(format!(
            "{what} is longer than {max_bytes} bytes"
        )))
    } else {
        Ok(())
    }
}

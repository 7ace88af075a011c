//! Masks and pseudonyms of personal data (GDPR articles 4(5) and 25, PCI DSS 3.4). Protects against CWE-359.
//!
//! ```
//! use pyward_guard::privacy::{mask_card, mask_email, pseudonym};
//! assert_eq!(mask_email("ada@example.org"), "a***@example.org");
//! assert_eq!(mask_card("4111 1111 1111 1111"), "**** **** **** 1111");
//! let key = b"a key of at least 16 bytes";
//! let visitor = pseudonym(key, "statistics", "ada")?;
//! assert_eq!(pseudonym(key, "statistics", "ada")?, visitor);
//! assert_ne!(pseudonym(key, "support", "ada")?, visitor);
//! assert!(pseudonym(b"short", "statistics", "ada").is_err());
//! # Ok::<(), pyward_guard::Error>(())
//! ```

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{Error, Result};

const DOT: char = '*';

fn stars(count: usize) -> String {
    // The length of a secret is a hint too: never more or fewer than this range shows.
    std::iter::repeat_n(DOT, count.clamp(3, 12)).collect()
}

/// Keeps the last `keep` characters, at most a quarter of the text.
#[must_use]
pub fn mask_text(value: &str, keep: usize) -> String {
    let count = value.chars().count();
    let keep = keep.min(count / 4);
    let tail: String = value.chars().skip(count - keep).collect();
    format!("{}{tail}", stars(count - keep))
}

/// `a***@example.org`: first character and the host; hosts stay, since they are seldom personal.
#[must_use]
pub fn mask_email(value: &str) -> String {
    match value.rsplit_once('@') {
        Some((local, host)) if !local.is_empty() && is_host(host) => {
            let first: String = if local.chars().count() > 2 {
                local.chars().take(1).collect()
            } else {
                String::new()
            };
            format!("{first}***@{host}")
        }
        _ => stars(3),
    }
}

/// Anything else behind an `@` may be part of a password or a sentence.
fn is_host(text: &str) -> bool {
    text.contains('.')
        && text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        })
}

/// Keeps the last four digits, and the shape of a card number (PCI DSS 3.4.1 allows the last four).
#[must_use]
pub fn mask_card(value: &str) -> String {
    mask_digits(value, 4, 12)
}

/// Keeps the last two digits of a phone number, and its shape.
#[must_use]
pub fn mask_phone(value: &str) -> String {
    mask_digits(value, 2, 7)
}

fn mask_digits(value: &str, keep: usize, least: usize) -> String {
    let digits = value.chars().filter(char::is_ascii_digit).count();
    if digits < least {
        return stars(3);
    }
    let mut left = digits;
    value
        .chars()
        .filter(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '+' | '(' | ')' | '/' | '.'))
        .take(40)
        .map(|c| {
            if !c.is_ascii_digit() {
                return c;
            }
            left -= 1;
            if left < keep { c } else { DOT }
        })
        .collect()
}

/// Country and last four characters of an IBAN.
#[must_use]
pub fn mask_iban(value: &str) -> String {
    let compact: Vec<char> = value.chars().filter(char::is_ascii_alphanumeric).collect();
    if compact.len() < 15 {
        return stars(3);
    }
    let (first, last): (String, String) = (
        compact[..2].iter().collect(),
        compact[compact.len() - 4..].iter().collect(),
    );
    format!("{first}** **** {last}")
}

/// First letter of each word of a name, for five words at most.
#[must_use]
pub fn mask_name(value: &str) -> String {
    let words: Vec<String> = value
        .split_whitespace()
        .take(5)
        .filter_map(|w| w.chars().next())
        .map(|c| format!("{c}***"))
        .collect();
    if words.is_empty() {
        stars(3)
    } else {
        words.join(" ")
    }
}

/// The network an address is in: /24 of IPv4, /48 of IPv6.
#[must_use]
pub fn mask_ip(value: &str) -> String {
    match value.trim().parse() {
        Ok(std::net::IpAddr::V4(v4)) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0")
        }
        Ok(std::net::IpAddr::V6(v6)) => {
            let s = v6.segments();
            std::net::Ipv6Addr::new(s[0], s[1], s[2], 0, 0, 0, 0, 0).to_string()
        }
        Err(_) => stars(3),
    }
}

/// The pseudonym of a value: the same for the same key, purpose and value, and nothing else to be learnt without the key
/// (HMAC-SHA-256 cut to 130 bits, 26 characters of base 32 in lower case). `key` has at least 16 bytes.
///
/// # Errors
/// [`Error::InvalidInput`] for a shorter key.
pub fn pseudonym(key: &[u8], purpose: &str, value: &str) -> Result<String> {
    if key.len() < 16 {
        return Err(Error::InvalidInput("the key has at least 16 bytes".into()));
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|_| Error::InvalidInput("the key cannot be used".into()))?;
    mac.update(b"pyward-pseudonym-1");
    mac.update(&(purpose.len() as u64).to_be_bytes());
    mac.update(purpose.as_bytes());
    mac.update(value.as_bytes());
    let digest = mac.finalize().into_bytes();
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut out = String::with_capacity(52);
    let (mut bits, mut held) = (0_u32, 0);
    for &byte in digest.iter() {
        bits = (bits << 8) | u32::from(byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            out.push(ALPHABET[((bits >> held) & 31) as usize] as char);
        }
        bits &= (1 << held) - 1;
    }
    out.truncate(26);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn masks() {
        assert_eq!(mask_email("ada@example.org"), "a***@example.org");
        assert_eq!(mask_email("a@example.org"), "***@example.org");
        assert_eq!(mask_card("4111 1111 1111 1234"), "**** **** **** 1234");
        assert_eq!(mask_phone("+49 30 1234567"), "+** ** *****67");
        assert_eq!(mask_iban("DE89 3704 0044 0532 0130 00"), "DE** **** 3000");
        assert_eq!(mask_name("Ada Lovelace"), "A*** L***");
        assert_eq!(mask_ip("192.0.2.77"), "192.0.2.0");
        assert_eq!(mask_ip("2001:db8:1:2::3"), "2001:db8:1::");
        assert_eq!(mask_text("secret-value-1234", 4), "************1234");
        assert_eq!(mask_text("abc", 4), "***");
    }

    #[test]
    fn pseudonyms() {
        let key = [7; 16];
        let a = pseudonym(&key, "user", "ada").unwrap();
        assert_eq!(a.len(), 26);
        assert_eq!(a, pseudonym(&key, "user", "ada").unwrap());
        assert_ne!(a, pseudonym(&key, "order", "ada").unwrap());
        assert_ne!(a, pseudonym(&[8; 16], "user", "ada").unwrap());
        assert_ne!(
            pseudonym(&key, "ab", "c").unwrap(),
            pseudonym(&key, "a", "bc").unwrap()
        );
        assert!(pseudonym(&[0; 15], "user", "ada").is_err());
    }

    proptest! {
        #[test]
        fn any_text(value in any::<String>(), keep in 0_usize..50) {
            for mask in [mask_email, mask_card, mask_phone, mask_iban, mask_name, mask_ip] {
                let _ = mask(&value);
            }
            prop_assert!(mask_text(&value, keep).contains("***"));
        }

        #[test]
        fn masked_digits_are_few(number in "[0-9]{12,19}") {
            prop_assert_eq!(mask_card(&number).chars().filter(char::is_ascii_digit).count(), 4);
            prop_assert_eq!(mask_phone(&number).chars().filter(char::is_ascii_digit).count(), 2);
        }
    }
}

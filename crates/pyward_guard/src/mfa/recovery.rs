//! Recovery codes: shown once, stored hashed, used once.
//!
//! A code has 80 random bits and is stored under Argon2id; the codes of one set share a salt, so that checking one code
//! costs one computation whatever the size of the set. CWE-308, CWE-256; ASVS 5.0: v5.0.0-6.5.1, v5.0.0-6.5.2.

use aws_lc_rs::constant_time;
use zeroize::Zeroizing;

use crate::encoding::{b64_decode, b64_nopad};
use crate::passwords::raw_argon2id;
use crate::{Error, Result, random};

/// Letters and digits without those that look alike: 5 bits each.
const ALPHABET: &str = "23456789abcdefghijkmnpqrstuvwxyz";
const LEN: usize = 16;
const PREFIX: &str = "$recovery-argon2id$1$";

/// What the user types, brought to the form that is hashed.
fn normal(code: &str) -> Zeroizing<String> {
    Zeroizing::new(
        code.chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .flat_map(char::to_lowercase)
            .take(64)
            .collect(),
    )
}

/// New codes in groups of four, and what to store for each, in the same order.
///
/// # Errors
/// [`Error::InvalidInput`] for a number outside 1 to 50.
pub fn generate(count: usize) -> Result<(Vec<Zeroizing<String>>, Vec<String>)> {
    if !(1..=50).contains(&count) {
        return Err(Error::InvalidInput(
            "1 to 50 recovery codes are made at a time".into(),
        ));
    }
    let salt: [u8; 16] = random::array()?;
    let mut codes = Vec::with_capacity(count);
    let mut stored = Vec::with_capacity(count);
    for _ in 0..count {
        let code = Zeroizing::new(random::string(LEN, ALPHABET)?);
        let mut hash = [0; 32];
        raw_argon2id(code.as_bytes(), &salt, &mut hash)?;
        stored.push(format!("{PREFIX}{}${}", b64_nopad(salt), b64_nopad(hash)));
        let mut shown = Zeroizing::new(String::with_capacity(LEN + LEN / 4));
        for (i, letter) in code.chars().enumerate() {
            if i > 0 && i % 4 == 0 {
                shown.push('-');
            }
            shown.push(letter);
        }
        codes.push(shown);
    }
    Ok((codes, stored))
}

/// The index of the stored text that belongs to the code: delete it in the same transaction, as a code is used once.
///
/// # Errors
/// [`Error::VerificationFailed`] for a wrong code, [`Error::InvalidInput`] for malformed stored texts or over 50.
pub fn verify(code: &str, stored: &[&str]) -> Result<usize> {
    if stored.len() > 50 {
        return Err(Error::InvalidInput("more than 50 recovery codes".into()));
    }
    let malformed = || Error::InvalidInput("a stored recovery code is malformed".into());
    let code = normal(code);
    let mut computed: Option<(&str, [u8; 32])> = None;
    let mut found = None;
    for (i, text) in stored.iter().enumerate() {
        let (salt, hash) = text
            .strip_prefix(PREFIX)
            .and_then(|t| t.split_once('$'))
            .ok_or_else(malformed)?;
        let hash = b64_decode(hash).ok_or_else(malformed)?;
        let own = match computed {
            Some((s, own)) if s == salt => own,
            _ => {
                let bytes = b64_decode(salt)
                    .filter(|s| s.len() == 16)
                    .ok_or_else(malformed)?;
                let mut own = [0; 32];
                raw_argon2id(code.as_bytes(), &bytes, &mut own)?;
                computed = Some((salt, own));
                own
            }
        };
        if constant_time::verify_slices_are_equal(&own, &hash).is_ok() && found.is_none() {
            found = Some(i);
        }
    }
    found.ok_or(Error::VerificationFailed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_used_by_index() {
        let (codes, stored) = generate(5).unwrap();
        let texts: Vec<&str> = stored.iter().map(String::as_str).collect();
        assert_eq!((codes[3].len(), codes[3].capacity()), (19, 20));
        assert_eq!(verify(&codes[3], &texts).unwrap(), 3);
        assert_eq!(
            verify(&codes[0].to_uppercase().replace('-', " "), &texts).unwrap(),
            0
        );
        assert!(matches!(
            verify("aaaa-aaaa-aaaa-aaaa", &texts),
            Err(Error::VerificationFailed)
        ));
        assert!(matches!(
            verify(&codes[0], &texts[1..]),
            Err(Error::VerificationFailed)
        ));
        assert!(
            verify(&codes[0], &[]).is_err()
                && verify(&codes[0], &["x"]).is_err()
                && generate(0).is_err()
        );
        assert!(
            !stored
                .iter()
                .any(|s| s.contains(&codes[0].replace('-', "")))
        );
    }
}

//! Random values for secrets, from the operating system's generator through AWS-LC.
//!
//! CWE-330, CWE-338; ASVS 5.0: v5.0.0-11.5.1 (at least 128 bits of entropy).

use crate::encoding::b64url;
use crate::{Error, Result};

/// Least number of bytes of a token: 128 bits of entropy.
pub const MIN_TOKEN_BYTES: usize = 16;

/// Fills `out` with random bytes.
///
/// # Errors
/// [`Error::Unsupported`] when the operating system gives no randomness.
pub fn fill(out: &mut [u8]) -> Result<()> {
    aws_lc_rs::rand::fill(out)
        .map_err(|_| Error::Unsupported("the operating system gives no randomness".into()))
}

/// An array of random bytes.
///
/// # Errors
/// As [`fill`].
pub fn array<const N: usize>() -> Result<[u8; N]> {
    let mut out = [0; N];
    fill(&mut out)?;
    Ok(out)
}

/// `n` random bytes.
///
/// # Errors
/// As [`fill`].
pub fn bytes(n: usize) -> Result<Vec<u8>> {
    let mut out = vec![0; n];
    fill(&mut out)?;
    Ok(out)
}

/// A URL-safe token of `nbytes` random bytes (43 characters for 32 bytes).
///
/// # Errors
/// [`Error::InvalidInput`] below 16 or above 1024 bytes.
pub fn token(nbytes: usize) -> Result<String> {
    if !(MIN_TOKEN_BYTES..=1024).contains(&nbytes) {
        return Err(Error::InvalidInput(format!(
            "a token has 16 to 1024 random bytes, not {nbytes}"
        )));
    }
    Ok(b64url(bytes(nbytes)?))
}

/// A number below `bound`, each equally likely.
///
/// # Errors
/// [`Error::InvalidInput`] when `bound` is zero.
pub fn below(bound: u32) -> Result<u32> {
    if bound == 0 {
        return Err(Error::InvalidInput("the bound must be positive".into()));
    }
    // Rejection sampling: values in the incomplete last block would make low results likelier.
    let limit = u32::MAX - (u32::MAX % bound + 1) % bound;
    loop {
        let value = u32::from_le_bytes(array()?);
        if value <= limit {
            return Ok(value % bound);
        }
    }
}

/// `length` characters (1 to 65536) drawn uniformly from `alphabet` (distinct characters, 2 to 256 of them).
///
/// # Errors
/// [`Error::InvalidInput`] for another length, and for an alphabet with repeated characters or out of that range.
pub fn string(length: usize, alphabet: &str) -> Result<String> {
    if !(1..=65_536).contains(&length) {
        return Err(Error::InvalidInput(
            "the length is 1 to 65536 characters".into(),
        ));
    }
    let letters: Vec<char> = alphabet.chars().collect();
    let mut seen = letters.clone();
    seen.sort_unstable();
    seen.dedup();
    if letters.len() != seen.len() || !(2..=256).contains(&letters.len()) {
        return Err(Error::InvalidInput(
            "the alphabet must have 2 to 256 different characters".into(),
        ));
    }
    // In one piece: text that grows leaves copies of a password's beginning behind.
    let widest = letters.iter().map(|c| c.len_utf8()).max().unwrap_or(1);
    let mut out = String::with_capacity(length * widest);
    for _ in 0..length {
        out.push(letters[below(letters.len() as u32)? as usize]);
    }
    Ok(out)
}

/// Shuffles in place (Fisher-Yates).
///
/// # Errors
/// As [`fill`].
pub fn shuffle<T>(items: &mut [T]) -> Result<()> {
    for i in (1..items.len()).rev() {
        items.swap(i, below(i as u32 + 1)? as usize);
    }
    Ok(())
}

/// A version 7 UUID (RFC 9562): sortable by time, 74 random bits. Not a secret.
///
/// # Errors
/// As [`fill`].
pub fn uuid7(unix_millis: u64) -> Result<[u8; 16]> {
    let mut id: [u8; 16] = array()?;
    id[..6].copy_from_slice(&unix_millis.to_be_bytes()[2..]);
    id[6] = 0x70 | (id[6] & 0x0f);
    id[8] = 0x80 | (id[8] & 0x3f);
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_enough() {
        let mut counts = [0u32; 10];
        for _ in 0..20_000 {
            counts[below(10).unwrap() as usize] += 1;
        }
        // 2000 expected; six standard deviations are about 255.
        assert!(
            counts.iter().all(|c| (1745..2255).contains(c)),
            "{counts:?}"
        );
        assert_eq!(below(1).unwrap(), 0);
        assert!(below(0).is_err());
    }

    #[test]
    fn tokens_differ_and_are_bounded() {
        assert_ne!(token(16).unwrap(), token(16).unwrap());
        assert_eq!(token(32).unwrap().len(), 43);
        assert!(token(15).is_err() && token(1025).is_err());
        assert!(string(4, "aab").is_err());
        assert_eq!(string(12, "01").unwrap().len(), 12);
        assert_eq!(string(100, "01").unwrap().capacity(), 100);
    }

    #[test]
    fn uuid7_layout() {
        let id = uuid7(0x0123_4567_89ab).unwrap();
        assert_eq!(id[..6], [0x01, 0x23, 0x45, 0x67, 0x89, 0xab]);
        assert_eq!(id[6] >> 4, 7);
        assert_eq!(id[8] >> 6, 2);
    }
}

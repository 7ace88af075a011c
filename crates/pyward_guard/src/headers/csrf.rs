//! CSRF tokens: stateless, bound to a session, fresh for every form.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{Error, Result};

const NONCE: usize = 16;
const TAG: usize = 32;
const LENGTH: usize = 8 + NONCE + TAG;
/// Characters of a token.
const CHARS: usize = (LENGTH * 4).div_ceil(3);
/// A token from a clock this much ahead is still taken.
const SKEW: u64 = 60;

/// Issues and checks tokens. The first key signs, all keys verify, so keys can be rotated.
///
/// A token is a time, a nonce, and an HMAC-SHA-256 over both and the session it belongs to: every page gets another
/// text, so compression gives nothing away (BREACH), and a token of one session is worth nothing in another.
pub struct Csrf {
    keys: Vec<Zeroizing<Vec<u8>>>,
    max_age: u64,
}

/// Why a token was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CsrfError {
    /// There was none.
    Missing,
    /// Not a token of this application and session.
    Invalid,
    /// Past its time limit: show the form again.
    Expired,
}

impl Csrf {
    /// Tokens that are good for `max_age` seconds.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] without keys, or for a key under 32 bytes.
    pub fn new(keys: Vec<Vec<u8>>, max_age: u64) -> Result<Self> {
        let keys: Vec<_> = keys.into_iter().map(Zeroizing::new).collect();
        if keys.is_empty() || keys.iter().any(|key| key.len() < 32) {
            return Err(Error::InvalidInput(
                "CSRF protection needs keys of at least 32 bytes".into(),
            ));
        }
        Ok(Self { keys, max_age })
    }

    fn mac(key: &[u8], head: &[u8], binding: &[u8]) -> Result<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key)
            .map_err(|_| Error::InvalidInput("CSRF key".into()))?;
        mac.update(b"pyward-guard csrf 1\0");
        mac.update(head);
        mac.update(binding);
        Ok(mac)
    }

    /// A token for the session that `binding` stands for, at `now` seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the operating system has no randomness to give.
    pub fn issue(&self, binding: &[u8], now: u64) -> Result<String> {
        let mut token = [0; LENGTH];
        token[..8].copy_from_slice(&now.to_be_bytes());
        crate::random::fill(&mut token[8..8 + NONCE])?;
        let tag = Self::mac(&self.keys[0], &token[..8 + NONCE], binding)?
            .finalize()
            .into_bytes();
        token[8 + NONCE..].copy_from_slice(&tag);
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    /// Checks a token that came back.
    ///
    /// # Errors
    /// [`CsrfError`] when it is missing, not of this session, or too old.
    pub fn verify(
        &self,
        binding: &[u8],
        token: &str,
        now: u64,
    ) -> std::result::Result<(), CsrfError> {
        if token.is_empty() {
            return Err(CsrfError::Missing);
        }
        let mut raw = [0; LENGTH];
        if token.len() != CHARS || URL_SAFE_NO_PAD.decode_slice(token, &mut raw) != Ok(LENGTH) {
            return Err(CsrfError::Invalid);
        }
        let (head, tag) = raw.split_at(8 + NONCE);
        let genuine = self.keys.iter().any(|key| {
            Self::mac(key, head, binding).is_ok_and(|mac| mac.verify_slice(tag).is_ok())
        });
        if !genuine {
            return Err(CsrfError::Invalid);
        }
        let mut time = [0; 8];
        time.copy_from_slice(&head[..8]);
        let issued = u64::from_be_bytes(time);
        if now.saturating_sub(issued) > self.max_age || issued > now.saturating_add(SKEW) {
            return Err(CsrfError::Expired);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn csrf(keys: &[u8]) -> Csrf {
        Csrf::new(keys.iter().map(|key| vec![*key; 32]).collect(), 100).unwrap()
    }

    #[test]
    fn tokens_belong_to_a_session_and_age() {
        let csrf = csrf(&[1]);
        let token = csrf.issue(b"session", 1000).unwrap();
        assert_ne!(token, csrf.issue(b"session", 1000).unwrap());
        assert_eq!(csrf.verify(b"session", &token, 1100), Ok(()));
        assert_eq!(
            csrf.verify(b"session", &token, 1101),
            Err(CsrfError::Expired)
        );
        assert_eq!(
            csrf.verify(b"session", &token, 939),
            Err(CsrfError::Expired)
        );
        assert_eq!(csrf.verify(b"other", &token, 1000), Err(CsrfError::Invalid));
        assert_eq!(csrf.verify(b"session", "", 1000), Err(CsrfError::Missing));
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(
                csrf.verify(b"session", std::str::from_utf8(&bytes).unwrap(), 1000)
                    .is_err(),
                "{at}"
            );
        }
    }

    #[test]
    fn keys_rotate() {
        let token = csrf(&[1]).issue(b"s", 0).unwrap();
        assert_eq!(csrf(&[2, 1]).verify(b"s", &token, 0), Ok(()));
        assert_eq!(csrf(&[2]).verify(b"s", &token, 0), Err(CsrfError::Invalid));
        assert!(Csrf::new(vec![], 1).is_err() && Csrf::new(vec![vec![1; 31]], 1).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_refused(text in "\\PC{0,90}|[A-Za-z0-9_-]{75}") {
            prop_assert!(csrf(&[1]).verify(b"s", &text, 0).is_err());
        }
    }
}

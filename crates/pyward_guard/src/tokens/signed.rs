//! Signed, purpose-bound, expiring tokens under a key set.
//!
//! `base64url(frame) "." base64url(HMAC-SHA256)` with `frame = 01 | key id (4) | issued, ms (8) | lifetime, s (4) |
//! payload`. The MAC key is derived from the key set's key and the purpose by HKDF-SHA256, so that a token made for one
//! purpose never verifies for another. The payload is signed, not encrypted.
//! CWE-345, CWE-347, CWE-613; ASVS 5.0: v5.0.0-9.1.1, v5.0.0-9.2.1.

use std::sync::{Arc, RwLock};

use aws_lc_rs::{hkdf, hmac};

use super::MAX_TOKEN_LEN;
use crate::crypto::{KeyKind, KeySet, KeyStatus};
use crate::encoding::{b64url, b64url_decode, b64url_into, hex};
use crate::{Error, Result};

const HEADER_LEN: usize = 17;
const VERSION: u8 = 1;

/// Issues and verifies the tokens of one purpose.
pub struct TokenSigner {
    keys: Arc<KeySet>,
    purpose: String,
    derived: RwLock<Derived>,
}

/// MAC keys of the enabled keys for the purpose, as of a generation of the key set.
struct Derived {
    generation: u64,
    primary: u32,
    keys: Vec<(u32, hmac::Key)>,
}

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The signed bytes.
    pub payload: Vec<u8>,
    /// When the token was issued, in milliseconds since 1970.
    pub issued_ms: u64,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: u64,
    /// Names the token in lists of used or revoked ones.
    pub token_id: String,
}

fn derive(keys: &KeySet, purpose: &str) -> Result<Derived> {
    let generation = keys.generation();
    keys.read(|k| {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"pyward_guard signed token 1");
        let mut derived = Derived {
            generation,
            primary: k.primary()?.id,
            keys: Vec::new(),
        };
        for entry in k.entries.iter().filter(|e| e.status == KeyStatus::Enabled) {
            let prk = salt.extract(&entry.material);
            let info = [purpose.as_bytes()];
            let key = prk
                .expand(&info, hmac::HMAC_SHA256)
                .map_err(|_| Error::InvalidInput("the purpose is too long".into()))?;
            derived.keys.push((entry.id, key.into()));
        }
        Ok(derived)
    })
}

impl TokenSigner {
    /// Tokens for `purpose` ("password-reset", "email-confirmation", ...) under a key set of the kind
    /// [`KeyKind::Mac`].
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an empty purpose, one over 200 bytes, or another kind of key set.
    pub fn new(keys: Arc<KeySet>, purpose: &str) -> Result<Self> {
        keys.expect(KeyKind::Mac)?;
        if purpose.is_empty() || purpose.len() > 200 {
            return Err(Error::InvalidInput(
                "the purpose of a token has 1 to 200 bytes".into(),
            ));
        }
        let derived = RwLock::new(derive(&keys, purpose)?);
        Ok(Self {
            keys,
            purpose: purpose.to_owned(),
            derived,
        })
    }

    /// What the tokens are for.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    fn with_keys<T>(&self, f: impl FnOnce(&Derived) -> Result<T>) -> Result<T> {
        {
            let derived = self
                .derived
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if derived.generation == self.keys.generation() {
                return f(&derived);
            }
        }
        let fresh = derive(&self.keys, &self.purpose)?;
        let mut derived = self
            .derived
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *derived = fresh;
        f(&derived)
    }

    /// Issues a token over `payload`, valid for `lifetime_s` seconds from `now_ms` (milliseconds since 1970).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a zero lifetime or a payload over 32 KiB.
    pub fn issue(&self, payload: &[u8], lifetime_s: u32, now_ms: u64) -> Result<String> {
        if lifetime_s == 0 {
            return Err(Error::InvalidInput("the lifetime must be positive".into()));
        }
        if payload.len() > MAX_TOKEN_LEN / 2 {
            return Err(Error::InvalidInput(
                "the payload of a token has at most 32 KiB".into(),
            ));
        }
        self.with_keys(|derived| {
            let mut frame = Vec::with_capacity(HEADER_LEN + payload.len());
            frame.push(VERSION);
            frame.extend(derived.primary.to_be_bytes());
            frame.extend(now_ms.to_be_bytes());
            frame.extend(lifetime_s.to_be_bytes());
            frame.extend(payload);
            let key = derived
                .keys
                .iter()
                .find(|k| k.0 == derived.primary)
                .ok_or(Error::UnknownKey)?;
            let tag = hmac::sign(&key.1, &frame);
            let mut token = String::with_capacity(frame.len() * 4 / 3 + 48);
            b64url_into(&frame, &mut token);
            token.push('.');
            b64url_into(tag.as_ref(), &mut token);
            Ok(token)
        })
    }

    /// Verifies a token: signature first, then its age. `max_age_s` shortens the lifetime the token was issued with.
    ///
    /// # Errors
    /// [`Error::NotVerified`], [`Error::UnknownKey`], or [`Error::Expired`] for a genuine token past its time.
    pub fn verify(&self, token: &str, max_age_s: Option<u32>, now_ms: u64) -> Result<Verified> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(Error::NotVerified("the token is too long"));
        }
        let (frame, tag) = token
            .split_once('.')
            .ok_or(Error::NotVerified("malformed token"))?;
        let (mut frame, tag) = (b64url_decode(frame)?, b64url_decode(tag)?);
        let (header, _) = frame
            .split_first_chunk::<HEADER_LEN>()
            .ok_or(Error::NotVerified("malformed token"))?;
        let header = *header;
        if header[0] != VERSION {
            return Err(Error::NotVerified("unknown token version"));
        }
        let id = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
        self.with_keys(|derived| {
            let key = derived
                .keys
                .iter()
                .find(|k| k.0 == id)
                .ok_or(Error::UnknownKey)?;
            hmac::verify(&key.1, &frame, &tag).map_err(|_| Error::NotVerified("wrong signature"))
        })?;
        let mut word = [0; 8];
        word.copy_from_slice(&header[5..13]);
        let issued_ms = u64::from_be_bytes(word);
        let mut lifetime = u32::from_be_bytes([header[13], header[14], header[15], header[16]]);
        if let Some(max) = max_age_s {
            lifetime = lifetime.min(max);
        }
        let expires_ms = issued_ms.saturating_add(u64::from(lifetime) * 1000);
        if now_ms >= expires_ms {
            return Err(Error::Expired);
        }
        // A minute of difference between the clocks of servers is normal, more is not.
        if issued_ms > now_ms.saturating_add(60_000) {
            return Err(Error::NotVerified("issued in the future"));
        }
        frame.drain(..HEADER_LEN);
        Ok(Verified {
            payload: frame,
            issued_ms,
            expires_ms,
            token_id: hex(&tag[..16]),
        })
    }
}

/// The secret and the stored form of a one-time token that is looked up in a database: (token, SHA-256 of it in hex).
/// The table holds the hash, so that reading the table gives no usable token (ASVS 5.0: v5.0.0-11.4.1).
///
/// # Errors
/// [`Error::Unsupported`] without randomness.
pub fn lookup_token() -> Result<(String, String)> {
    let token = crate::random::token(32)?;
    let hash = lookup_hash(&token);
    Ok((token, hash))
}

/// The stored form of a token made by [`lookup_token`].
#[must_use]
pub fn lookup_hash(token: &str) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes()).as_ref())
}

/// A short check value of bytes for file names and caches: not a signature.
#[must_use]
pub fn fingerprint(data: &[u8]) -> String {
    b64url(&aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data).as_ref()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(purpose: &str) -> TokenSigner {
        let keys = KeySet::from_secrets(KeyKind::Mac, &[&[1; 32], &[2; 32]]).unwrap();
        TokenSigner::new(Arc::new(keys), purpose).unwrap()
    }

    #[test]
    fn life_of_a_token() {
        let s = signer("reset");
        let token = s.issue(b"user 7", 60, 1_000_000).unwrap();
        let verified = s.verify(&token, None, 1_059_999).unwrap();
        assert_eq!(verified.payload, b"user 7");
        assert_eq!(
            (verified.issued_ms, verified.expires_ms),
            (1_000_000, 1_060_000)
        );
        assert!(matches!(
            s.verify(&token, None, 1_060_000),
            Err(Error::Expired)
        ));
        assert!(matches!(
            s.verify(&token, Some(10), 1_010_000),
            Err(Error::Expired)
        ));
        assert!(
            matches!(s.verify(&token, None, 900_000), Err(Error::NotVerified(_))),
            "from the future"
        );
        assert!(matches!(
            signer("confirm").verify(&token, None, 1_000_001),
            Err(Error::NotVerified(_))
        ));
    }

    #[test]
    fn every_changed_character_is_seen() {
        let s = signer("reset");
        let token = s.issue(b"user 7", 60, 1_000_000).unwrap();
        for i in 0..token.len() {
            for replacement in ['A', 'B', '.', '='] {
                let mut bad = token.clone();
                bad.replace_range(i..=i, &replacement.to_string());
                assert!(
                    bad == token || s.verify(&bad, None, 1_000_001).is_err(),
                    "{bad}"
                );
            }
        }
    }

    #[test]
    fn rotation_reaches_the_signer() {
        let keys = Arc::new(KeySet::generate(KeyKind::Mac).unwrap());
        let s = TokenSigner::new(keys.clone(), "reset").unwrap();
        let old = keys.primary_id();
        let token = s.issue(b"x", 60, 5).unwrap();
        keys.rotate().unwrap();
        assert!(s.verify(&token, None, 6).is_ok());
        let newer = s.issue(b"x", 60, 5).unwrap();
        keys.destroy(old).unwrap();
        assert!(matches!(s.verify(&token, None, 6), Err(Error::UnknownKey)));
        assert!(s.verify(&newer, None, 6).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_refused(text in ".{0,200}") {
            proptest::prop_assert!(signer("reset").verify(&text, None, 0).is_err());
        }
    }
}

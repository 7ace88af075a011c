//! Reading of tokens written by the Python package itsdangerous, for a change-over without invalidating them.
//!
//! Writing is left out on purpose: new tokens are [`super::signed`] ones. The package's default digest is SHA-1, which
//! is still sound inside HMAC but no choice for anything new (ASVS 5.0: v5.0.0-11.4.1).

use std::io::Read as _;

use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

use super::MAX_TOKEN_LEN;
use crate::encoding::b64url_decode;
use crate::{Error, Result};

/// Hash function of the signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// SHA-1, the package's default.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Digest {
    /// Finds a digest by its `hashlib` name.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for another name.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "sha1" => Ok(Self::Sha1),
            "sha256" => Ok(Self::Sha256),
            "sha384" => Ok(Self::Sha384),
            "sha512" => Ok(Self::Sha512),
            _ => Err(Error::InvalidInput(
                "the digest is sha1, sha256, sha384 or sha512".into(),
            )),
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn hash(self, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        let mut context = digest::Context::new(self.hmac().digest_algorithm());
        for part in parts {
            context.update(part);
        }
        Zeroizing::new(context.finish().as_ref().to_vec())
    }
}

/// How the signing key comes from secret and salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyDerivation {
    /// Hash of salt, the word `signer` and the secret: the package's default.
    DjangoConcat,
    /// Hash of salt and secret.
    Concat,
    /// HMAC of the salt under the secret: what Flask sessions use.
    Hmac,
    /// The secret itself.
    None,
}

impl KeyDerivation {
    /// Finds a derivation by the package's name for it.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for another name.
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "django-concat" => Ok(Self::DjangoConcat),
            "concat" => Ok(Self::Concat),
            "hmac" => Ok(Self::Hmac),
            "none" => Ok(Self::None),
            _ => Err(Error::InvalidInput(
                "the key derivation is django-concat, concat, hmac or none".into(),
            )),
        }
    }
}

/// Verifies tokens of `URLSafeSerializer` and `URLSafeTimedSerializer`.
pub struct Reader {
    keys: Vec<hmac::Key>,
    max_payload: usize,
}

/// A verified token's payload (JSON text) and, for timed tokens, when it was signed in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The payload, decompressed.
    pub payload: Vec<u8>,
    /// Signing time of a timed token.
    pub signed_at: Option<u64>,
}

impl Reader {
    /// A reader for the given secrets (all are tried), salt, digest and key derivation. Payloads may have up to
    /// `max_payload` bytes after decompression.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for no or more than 64 secrets, or an empty one.
    pub fn new(
        secrets: &[&[u8]],
        salt: &[u8],
        digest: Digest,
        derivation: KeyDerivation,
        max_payload: usize,
    ) -> Result<Self> {
        if secrets.is_empty() || secrets.len() > 64 || secrets.iter().any(|s| s.is_empty()) {
            return Err(Error::InvalidInput(
                "1 to 64 secrets are needed, none of them empty".into(),
            ));
        }
        let keys = secrets
            .iter()
            .map(|secret| {
                let key = match derivation {
                    KeyDerivation::DjangoConcat => digest.hash(&[salt, b"signer", secret]),
                    KeyDerivation::Concat => digest.hash(&[salt, secret]),
                    KeyDerivation::Hmac => Zeroizing::new(
                        hmac::sign(&hmac::Key::new(digest.hmac(), secret), salt)
                            .as_ref()
                            .to_vec(),
                    ),
                    KeyDerivation::None => Zeroizing::new(secret.to_vec()),
                };
                hmac::Key::new(digest.hmac(), &key)
            })
            .collect();
        Ok(Self { keys, max_payload })
    }

    fn check<'t>(&self, token: &'t str) -> Result<&'t str> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(Error::NotVerified("the token is too long"));
        }
        let (signed, signature) = token
            .rsplit_once('.')
            .ok_or(Error::NotVerified("malformed token"))?;
        let signature = b64url_decode(signature)?;
        if self
            .keys
            .iter()
            .any(|key| hmac::verify(key, signed.as_bytes(), &signature).is_ok())
        {
            return Ok(signed);
        }
        Err(Error::NotVerified("wrong signature"))
    }

    /// Verifies a token of `URLSafeSerializer` (no time in it).
    ///
    /// # Errors
    /// [`Error::NotVerified`].
    pub fn verify(&self, token: &str) -> Result<Verified> {
        let payload = self.payload(self.check(token)?)?;
        Ok(Verified {
            payload,
            signed_at: None,
        })
    }

    /// Verifies a token of `URLSafeTimedSerializer` no older than `max_age_s` seconds at `now_s`.
    ///
    /// # Errors
    /// [`Error::NotVerified`] or [`Error::Expired`].
    pub fn verify_timed(&self, token: &str, max_age_s: u64, now_s: u64) -> Result<Verified> {
        let (payload, time) = self
            .check(token)?
            .rsplit_once('.')
            .ok_or(Error::NotVerified("no time in the token"))?;
        let time = b64url_decode(time)?;
        if time.len() > 8 {
            return Err(Error::NotVerified("malformed time"));
        }
        let signed_at = time.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
        // The package treats a time in the future like an old one; a minute between clocks is let through here.
        if now_s.saturating_sub(signed_at) > max_age_s || signed_at > now_s.saturating_add(60) {
            return Err(Error::Expired);
        }
        Ok(Verified {
            payload: self.payload(payload)?,
            signed_at: Some(signed_at),
        })
    }

    fn payload(&self, text: &str) -> Result<Vec<u8>> {
        let compressed = text.strip_prefix('.');
        let raw = b64url_decode(compressed.unwrap_or(text))?;
        if compressed.is_none() {
            return if raw.len() > self.max_payload {
                Err(Error::NotVerified("the payload is too large"))
            } else {
                Ok(raw)
            };
        }
        let mut out = Vec::new();
        flate2::read::ZlibDecoder::new(&raw[..])
            .take(self.max_payload as u64 + 1)
            .read_to_end(&mut out)
            .map_err(|_| Error::NotVerified("malformed compression"))?;
        if out.len() > self.max_payload {
            return Err(Error::NotVerified("the payload is too large"));
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> Reader {
        Reader::new(
            &[b"new secret", b"secret key"],
            b"itsdangerous",
            Digest::Sha1,
            KeyDerivation::DjangoConcat,
            1 << 16,
        )
        .unwrap()
    }

    /// Written by itsdangerous 2.2.0 with the secret "secret key", the timed ones at 1 700 000 000.
    #[test]
    fn known_answers() {
        let r = reader();
        let plain = r
            .verify("eyJ1c2VyIjo3fQ.pLgDPQ2eVD6kEdUxGlfvhH6ITu4")
            .unwrap();
        assert_eq!(plain.payload, br#"{"user":7}"#);
        assert!(
            r.verify("eyJ1c2VyIjo4fQ.pLgDPQ2eVD6kEdUxGlfvhH6ITu4")
                .is_err()
        );
        let timed = "eyJ1c2VyIjo3fQ.ZVPxAA.f0E2s7nZbXX3bdOEVVaDaBtoifg";
        assert_eq!(
            r.verify_timed(timed, 60, 1_700_000_060).unwrap().signed_at,
            Some(1_700_000_000)
        );
        assert!(matches!(
            r.verify_timed(timed, 60, 1_700_000_061),
            Err(Error::Expired)
        ));
        assert!(matches!(
            r.verify_timed(timed, 60, 1_699_999_000),
            Err(Error::Expired)
        ));
        let compressed = ".eJxTSqQDUAIArdsmKQ.ZVPxAA.7EwT5EJY9_96IF6LL5VtSvte0z0";
        assert_eq!(
            r.verify_timed(compressed, 60, 1_700_000_000)
                .unwrap()
                .payload
                .len(),
            102
        );
    }

    #[test]
    fn decompression_is_bounded() {
        let r = Reader::new(
            &[b"secret key"],
            b"itsdangerous",
            Digest::Sha1,
            KeyDerivation::DjangoConcat,
            101,
        )
        .unwrap();
        let compressed = ".eJxTSqQDUAIArdsmKQ.ZVPxAA.7EwT5EJY9_96IF6LL5VtSvte0z0";
        assert!(matches!(
            r.verify_timed(compressed, 60, 1_700_000_000),
            Err(Error::NotVerified("the payload is too large"))
        ));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_refused(text in ".{0,200}") {
            proptest::prop_assert!(reader().verify(&text).is_err());
            proptest::prop_assert!(reader().verify_timed(&text, 10, 10).is_err());
        }
    }
}

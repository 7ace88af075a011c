//! Tokens of the Python package itsdangerous, read and written, for a change-over in steps.
//!
//! New tokens that only this kit reads are [`super::signed`] ones. The package's default digest is SHA-1, which is still
//! sound inside HMAC but no choice for anything new (ASVS 5.0: v5.0.0-11.4.1), so that [`Writer::new`] refuses it.

use std::io::{Read as _, Write as _};

use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

use super::MAX_TOKEN_LEN;
use crate::encoding::{b64url, b64url_decode};
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

/// Most secrets that are tried.
const MAX_SECRETS: usize = 64;

/// Fewest bytes of a secret that signs, as in [`crate::crypto::KeySet`].
const MIN_SECRET_LEN: usize = 32;

fn derive(secret: &[u8], salt: &[u8], digest: Digest, derivation: KeyDerivation) -> hmac::Key {
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
}

fn check_secrets(secrets: &[&[u8]]) -> Result<()> {
    if secrets.is_empty() || secrets.len() > MAX_SECRETS || secrets.iter().any(|s| s.is_empty()) {
        return Err(Error::InvalidInput(
            "1 to 64 secrets are needed, none of them empty".into(),
        ));
    }
    Ok(())
}

/// Splits at the last separator.
fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memrchr(b'.', text)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Verifies what `URLSafeSerializer`, `URLSafeTimedSerializer`, `Signer` and `TimestampSigner` wrote.
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
        check_secrets(secrets)?;
        let keys = secrets
            .iter()
            .map(|secret| derive(secret, salt, digest, derivation))
            .collect();
        Ok(Self { keys, max_payload })
    }

    /// The value that `Signer` signed.
    ///
    /// # Errors
    /// [`Error::NotVerified`].
    pub fn unsign<'t>(&self, signed: &'t [u8]) -> Result<&'t [u8]> {
        if signed.len() > MAX_TOKEN_LEN {
            return Err(Error::NotVerified("the token is too long"));
        }
        let (value, signature) = split(signed).ok_or(Error::NotVerified("malformed token"))?;
        let signature = b64url_decode(signature)?;
        if self
            .keys
            .iter()
            .any(|key| hmac::verify(key, value, &signature).is_ok())
        {
            return Ok(value);
        }
        Err(Error::NotVerified("wrong signature"))
    }

    /// The value that `TimestampSigner` signed at most `max_age_s` seconds before `now_s`, and when it did.
    ///
    /// # Errors
    /// [`Error::NotVerified`] or [`Error::Expired`].
    pub fn unsign_timed<'t>(
        &self,
        signed: &'t [u8],
        max_age_s: u64,
        now_s: u64,
    ) -> Result<(&'t [u8], u64)> {
        let (value, time) =
            split(self.unsign(signed)?).ok_or(Error::NotVerified("no time in the token"))?;
        let time = b64url_decode(time)?;
        if time.len() > 8 {
            return Err(Error::NotVerified("malformed time"));
        }
        let signed_at = time.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
        // The package treats a time in the future like an old one; a minute between clocks is let through here.
        if now_s.saturating_sub(signed_at) > max_age_s || signed_at > now_s.saturating_add(60) {
            return Err(Error::Expired);
        }
        Ok((value, signed_at))
    }

    /// Verifies a token of `URLSafeSerializer` (no time in it).
    ///
    /// # Errors
    /// [`Error::NotVerified`].
    pub fn verify(&self, token: &str) -> Result<Verified> {
        let payload = self.payload(self.unsign(token.as_bytes())?)?;
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
        let (payload, signed_at) = self.unsign_timed(token.as_bytes(), max_age_s, now_s)?;
        Ok(Verified {
            payload: self.payload(payload)?,
            signed_at: Some(signed_at),
        })
    }

    fn payload(&self, text: &[u8]) -> Result<Vec<u8>> {
        let compressed = text.strip_prefix(b".");
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

/// Writes what `URLSafeSerializer`, `URLSafeTimedSerializer`, `Signer` and `TimestampSigner` accept.
pub struct Writer {
    key: hmac::Key,
}

impl Writer {
    /// A writer that signs with the last of the secrets, which the package lists from the oldest to the newest. The
    /// digest is of the SHA-2 family, the derivation [`KeyDerivation::Hmac`], and the secret has at least 32 bytes.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for anything else.
    pub fn new(
        secrets: &[&[u8]],
        salt: &[u8],
        digest: Digest,
        derivation: KeyDerivation,
    ) -> Result<Self> {
        if digest == Digest::Sha1 {
            return Err(Error::InvalidInput(
                "new tokens are not signed with SHA-1 (CWE-328): choose sha256 and set digest_method on the side of \
                 itsdangerous, or insecure_legacy_options"
                    .into(),
            ));
        }
        if derivation != KeyDerivation::Hmac {
            return Err(Error::InvalidInput(
                "new tokens have the key derivation hmac, as the others do not keep secret and salt apart: set \
                 key_derivation on the side of itsdangerous, or insecure_legacy_options"
                    .into(),
            ));
        }
        if secrets.last().is_some_and(|s| s.len() < MIN_SECRET_LEN) {
            return Err(Error::InvalidInput(
                "the newest secret has less than 32 bytes (CWE-326): add a new one, or insecure_legacy_options"
                    .into(),
            ));
        }
        Self::insecure_legacy_options(secrets, salt, digest, derivation)
    }

    /// Like [`Self::new`], with every digest, derivation and length of the secret that the package takes.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for no or more than 64 secrets, or an empty one.
    pub fn insecure_legacy_options(
        secrets: &[&[u8]],
        salt: &[u8],
        digest: Digest,
        derivation: KeyDerivation,
    ) -> Result<Self> {
        check_secrets(secrets)?;
        let newest = secrets.last().copied().unwrap_or_default();
        Ok(Self {
            key: derive(newest, salt, digest, derivation),
        })
    }

    /// Signs a value as `Signer` does.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the result would be longer than 64 KiB.
    pub fn sign(&self, value: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(value.len() + 96);
        out.extend(value);
        self.finish(out)
    }

    /// Signs a value as `TimestampSigner` does at `now_s` seconds since 1970.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the result would be longer than 64 KiB.
    pub fn sign_timed(&self, value: &[u8], now_s: u64) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(value.len() + 112);
        out.extend(value);
        self.finish(timed(out, now_s))
    }

    /// A token of `URLSafeSerializer` over JSON text, compressed when that makes it shorter.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the token would be longer than 64 KiB.
    pub fn issue(&self, payload: &[u8]) -> Result<String> {
        text(self.finish(encoded(payload)?)?)
    }

    /// A token of `URLSafeTimedSerializer` over JSON text.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the token would be longer than 64 KiB.
    pub fn issue_timed(&self, payload: &[u8], now_s: u64) -> Result<String> {
        text(self.finish(timed(encoded(payload)?, now_s))?)
    }

    fn finish(&self, mut out: Vec<u8>) -> Result<Vec<u8>> {
        let signature = b64url(hmac::sign(&self.key, &out));
        out.push(b'.');
        out.extend(signature.as_bytes());
        if out.len() > MAX_TOKEN_LEN {
            return Err(Error::InvalidInput(
                "the token would be longer than 64 KiB".into(),
            ));
        }
        Ok(out)
    }
}

fn timed(mut out: Vec<u8>, now_s: u64) -> Vec<u8> {
    let time = now_s.to_be_bytes();
    let start = time.iter().take_while(|b| **b == 0).count();
    out.push(b'.');
    out.extend(b64url(&time[start..]).as_bytes());
    out
}

fn encoded(payload: &[u8]) -> Result<Vec<u8>> {
    // Level 6 is the package's, which compresses whatever becomes more than a byte shorter.
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(payload)?;
    let compressed = encoder.finish()?;
    Ok(if compressed.len() + 1 < payload.len() {
        format!(".{}", b64url(compressed))
    } else {
        b64url(payload)
    }
    .into_bytes())
}

fn text(token: Vec<u8>) -> Result<String> {
    String::from_utf8(token).map_err(|_| Error::InvalidInput("the token is no text".into()))
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

    fn writer() -> Writer {
        Writer::insecure_legacy_options(
            &[b"old secret", b"secret key"],
            b"itsdangerous",
            Digest::Sha1,
            KeyDerivation::DjangoConcat,
        )
        .unwrap()
    }

    /// The tokens of `known_answers`, and of the package's `Signer` with the same salt.
    #[test]
    fn writes_what_the_package_writes() {
        let w = writer();
        assert_eq!(
            w.issue(br#"{"user":7}"#).unwrap(),
            "eyJ1c2VyIjo3fQ.pLgDPQ2eVD6kEdUxGlfvhH6ITu4"
        );
        assert_eq!(
            w.issue_timed(br#"{"user":7}"#, 1_700_000_000).unwrap(),
            "eyJ1c2VyIjo3fQ.ZVPxAA.f0E2s7nZbXX3bdOEVVaDaBtoifg"
        );
        let long = format!("\"{}\"", "a".repeat(100));
        assert!(w.issue(long.as_bytes()).unwrap().starts_with(".eJ"));
        assert_eq!(
            w.sign(b"eyJ1c2VyIjo3fQ").unwrap(),
            b"eyJ1c2VyIjo3fQ.pLgDPQ2eVD6kEdUxGlfvhH6ITu4"
        );
    }

    #[test]
    fn new_tokens_are_not_weak() {
        let long: &[u8] = &[7; 32];
        for (secret, digest, derivation, word) in [
            (long, Digest::Sha1, KeyDerivation::Hmac, "SHA-1"),
            (long, Digest::Sha256, KeyDerivation::DjangoConcat, "hmac"),
            (long, Digest::Sha256, KeyDerivation::Concat, "hmac"),
            (long, Digest::Sha256, KeyDerivation::None, "hmac"),
            (&long[1..], Digest::Sha256, KeyDerivation::Hmac, "32 bytes"),
            (b"", Digest::Sha256, KeyDerivation::Hmac, "32 bytes"),
        ] {
            let error = Writer::new(&[long, secret], b"s", digest, derivation)
                .err()
                .unwrap();
            assert!(error.to_string().contains(word), "{error}");
        }
        assert!(Writer::new(&[], b"s", Digest::Sha256, KeyDerivation::Hmac).is_err());
        assert!(Writer::new(&[b"old", long], b"s", Digest::Sha384, KeyDerivation::Hmac).is_ok());
        let w = writer();
        assert!(w.sign(&[b'a'; MAX_TOKEN_LEN]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(value: Vec<u8>, again in 0..40usize, now in 0..u64::MAX - 1) {
            let (w, r) = (writer(), reader());
            let value = value.repeat(again + 1);
            proptest::prop_assert_eq!(r.verify(&w.issue(&value).unwrap()).unwrap().payload, &value[..]);
            let signed = w.sign(&value).unwrap();
            proptest::prop_assert_eq!(r.unsign(&signed).unwrap(), &value[..]);
            let timed = r.verify_timed(&w.issue_timed(&value, now).unwrap(), 0, now).unwrap();
            proptest::prop_assert_eq!((&timed.payload, timed.signed_at), (&value, Some(now)));
            let signed = w.sign_timed(&value, now).unwrap();
            proptest::prop_assert_eq!(r.unsign_timed(&signed, 0, now).unwrap(), (&value[..], now));
            proptest::prop_assert!(r.unsign_timed(&signed, 1, now + 2).is_err());
        }

        #[test]
        fn any_text_is_refused(text in ".{0,200}") {
            proptest::prop_assert!(reader().verify(&text).is_err());
            proptest::prop_assert!(reader().verify_timed(&text, 10, 10).is_err());
            proptest::prop_assert!(reader().unsign_timed(text.as_bytes(), 10, 10).is_err());
        }
    }
}

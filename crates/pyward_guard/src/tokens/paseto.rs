//! PASETO version 4 tokens: `v4.local` (encrypted) and `v4.public` (signed), over the `pasetors` crate.
//!
//! The version fixes the algorithms, so there is nothing for a token to choose (CWE-347).

use pasetors::keys::{
    AsymmetricKeyPair, AsymmetricPublicKey, AsymmetricSecretKey, Generate as _, SymmetricKey,
};
use pasetors::token::UntrustedToken;
use pasetors::version4::{LocalToken, PublicToken, V4};
use pasetors::{Local, Public};
use zeroize::Zeroizing;

use super::MAX_TOKEN_LEN;
use crate::{Error, Result, random};

/// Payload and footer of a verified token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The message, JSON in every token of the specification.
    pub payload: Vec<u8>,
    /// The footer, authenticated too.
    pub footer: Vec<u8>,
}

fn check_len(token: &str) -> Result<()> {
    if token.len() > MAX_TOKEN_LEN {
        return Err(Error::NotVerified("the token is too long"));
    }
    Ok(())
}

fn check_payload(payload: &[u8], footer: &[u8]) -> Result<()> {
    if payload.is_empty() || payload.len() + footer.len() > MAX_TOKEN_LEN / 2 {
        return Err(Error::InvalidInput(
            "a token has a payload, and at most 32 KiB with its footer".into(),
        ));
    }
    Ok(())
}

/// A key for `v4.local` tokens: encrypted and authenticated with one shared secret of 32 bytes.
pub struct LocalKey(SymmetricKey<V4>);

impl LocalKey {
    /// Uses 32 secret bytes.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for another length.
    pub fn new(secret: &[u8]) -> Result<Self> {
        SymmetricKey::from(secret)
            .map(Self)
            .map_err(|_| Error::InvalidInput("a v4.local key has 32 bytes".into()))
    }

    /// Encrypts. The footer is readable; `implicit` is authenticated but not part of the token.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an empty or too long payload.
    pub fn encrypt(&self, payload: &[u8], footer: &[u8], implicit: &[u8]) -> Result<String> {
        check_payload(payload, footer)?;
        LocalToken::encrypt(&self.0, payload, Some(footer), Some(implicit))
            .map_err(|_| Error::Unsupported("encryption failed".into()))
    }

    /// Verifies and decrypts.
    ///
    /// # Errors
    /// [`Error::NotVerified`].
    pub fn decrypt(&self, token: &str, implicit: &[u8]) -> Result<Verified> {
        check_len(token)?;
        let untrusted = UntrustedToken::<Local, V4>::try_from(token)
            .map_err(|_| Error::NotVerified("malformed token"))?;
        let trusted = LocalToken::decrypt(&self.0, &untrusted, None, Some(implicit))
            .map_err(|_| Error::NotVerified("wrong key or changed token"))?;
        Ok(Verified {
            payload: trusted.payload().as_bytes().to_vec(),
            footer: trusted.footer().to_vec(),
        })
    }
}

/// A new pair for `v4.public` tokens: (secret key of 64 bytes, public key of 32 bytes).
///
/// # Errors
/// [`Error::Unsupported`] without randomness.
pub fn generate_pair() -> Result<(Zeroizing<Vec<u8>>, Vec<u8>)> {
    let pair = AsymmetricKeyPair::<V4>::generate()
        .map_err(|_| Error::Unsupported("key generation failed".into()))?;
    Ok((
        Zeroizing::new(pair.secret.as_bytes().to_vec()),
        pair.public.as_bytes().to_vec(),
    ))
}

/// A new secret for `v4.local` tokens.
///
/// # Errors
/// [`Error::Unsupported`] without randomness.
pub fn generate_secret() -> Result<Zeroizing<Vec<u8>>> {
    Ok(Zeroizing::new(random::bytes(32)?))
}

/// Signs `v4.public` tokens with an Ed25519 key of 64 bytes (seed and public key).
pub struct SecretKey(AsymmetricSecretKey<V4>);

impl SecretKey {
    /// Uses a secret key.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for another length or halves that do not belong together.
    pub fn new(key: &[u8]) -> Result<Self> {
        let unusable =
            || Error::InvalidInput("a v4.public secret key has 64 matching bytes".into());
        // The crate below panics on an all-zero seed, so the halves are compared here first.
        let (seed, public) = key.split_at_checked(32).ok_or_else(unusable)?;
        aws_lc_rs::signature::Ed25519KeyPair::from_seed_and_public_key(seed, public)
            .map_err(|_| unusable())?;
        if seed.iter().all(|b| *b == 0) {
            return Err(unusable());
        }
        AsymmetricSecretKey::from(key)
            .map(Self)
            .map_err(|_| unusable())
    }

    /// Signs.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an empty or too long payload.
    pub fn sign(&self, payload: &[u8], footer: &[u8], implicit: &[u8]) -> Result<String> {
        check_payload(payload, footer)?;
        PublicToken::sign(&self.0, payload, Some(footer), Some(implicit))
            .map_err(|_| Error::Unsupported("signing failed".into()))
    }
}

/// Verifies `v4.public` tokens with an Ed25519 public key of 32 bytes.
pub struct PublicKey(AsymmetricPublicKey<V4>);

impl PublicKey {
    /// Uses a public key.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for another length, or a point of small order.
    pub fn new(key: &[u8]) -> Result<Self> {
        if super::is_small_order(key) {
            return Err(Error::InvalidInput(
                "under this public key any message has a signature".into(),
            ));
        }
        AsymmetricPublicKey::from(key)
            .map(Self)
            .map_err(|_| Error::InvalidInput("a v4.public public key has 32 bytes".into()))
    }

    /// Verifies.
    ///
    /// # Errors
    /// [`Error::NotVerified`].
    pub fn verify(&self, token: &str, implicit: &[u8]) -> Result<Verified> {
        check_len(token)?;
        let untrusted = UntrustedToken::<Public, V4>::try_from(token)
            .map_err(|_| Error::NotVerified("malformed token"))?;
        let trusted = PublicToken::verify(&self.0, &untrusted, None, Some(implicit))
            .map_err(|_| Error::NotVerified("wrong key or changed token"))?;
        Ok(Verified {
            payload: trusted.payload().as_bytes().to_vec(),
            footer: trusted.footer().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        let local = LocalKey::new(&generate_secret().unwrap()).unwrap();
        let token = local.encrypt(b"{}", b"kid", b"tenant").unwrap();
        assert_eq!(
            local.decrypt(&token, b"tenant").unwrap(),
            Verified {
                payload: b"{}".to_vec(),
                footer: b"kid".to_vec()
            }
        );
        assert!(local.decrypt(&token, b"other").is_err());

        let (secret, public) = generate_pair().unwrap();
        let token = SecretKey::new(&secret)
            .unwrap()
            .sign(b"{}", b"", b"")
            .unwrap();
        let public = PublicKey::new(&public).unwrap();
        assert_eq!(public.verify(&token, b"").unwrap().payload, b"{}");
        assert!(
            local.decrypt(&token, b"").is_err()
                && public.verify(&token[..token.len() - 1], b"").is_err()
        );
        assert!(LocalKey::new(&[0; 31]).is_err() && SecretKey::new(&[0; 64]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_refused(text in "(v4\\.(local|public)\\.)?[A-Za-z0-9_.-]{0,200}") {
            let local = LocalKey::new(&[1; 32]).unwrap();
            proptest::prop_assert!(local.decrypt(&text, b"").is_err());
        }
    }
}

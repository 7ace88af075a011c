//! Keys made ready to verify and to sign with one algorithm.

use aws_lc_rs::signature::{self, ParsedPublicKey, UnparsedPublicKey};
use aws_lc_rs::{hmac, rsa};

use super::super::Algorithm;
use super::{Curve, Jwk, Material, bad};
use crate::{Error, Result};

/// A key prepared for verification.
#[allow(
    clippy::large_enum_variant,
    reason = "keys are few and live long; boxing costs a look-up for each token"
)]
pub(crate) enum VerifyingKey {
    Hmac(hmac::Key),
    Public(ParsedPublicKey),
}

impl VerifyingKey {
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

/// A key prepared for signing.
#[allow(
    clippy::large_enum_variant,
    reason = "keys are few and live long; boxing costs a look-up for each token"
)]
pub(crate) enum SigningKey {
    Hmac(hmac::Key),
    Rsa(rsa::KeyPair, &'static dyn signature::RsaEncoding),
    Ec(signature::EcdsaKeyPair),
    Ed(signature::Ed25519KeyPair),
}

impl SigningKey {
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let failed = |_| Error::Unsupported("signing failed".into());
        let random = aws_lc_rs::rand::SystemRandom::new();
        Ok(match self {
            Self::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
            Self::Rsa(pair, encoding) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut out)
                    .map_err(failed)?;
                out
            }
            Self::Ec(pair) => pair
                .sign(&random, message)
                .map_err(failed)?
                .as_ref()
                .to_vec(),
            Self::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        })
    }
}

impl Jwk {
    /// Whether the key may be used with the algorithm: by its type, and by what it says about itself.
    #[must_use]
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm as A;
        if self.key_use.as_deref().is_some_and(|u| u != "sig")
            || !self.permits(&["sign", "verify"])
            || self
                .alg
                .as_deref()
                .is_some_and(|a| Algorithm::lookup(a) != Some(algorithm))
        {
            return false;
        }
        matches!(
            (&self.material, algorithm),
            (Material::Oct(_), A::Hs256 | A::Hs384 | A::Hs512)
                | (
                    Material::Rsa { .. },
                    A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512
                )
                | (
                    Material::Ec {
                        curve: Curve::P256,
                        ..
                    },
                    A::Es256
                )
                | (
                    Material::Ec {
                        curve: Curve::P384,
                        ..
                    },
                    A::Es384
                )
                | (
                    Material::Ec {
                        curve: Curve::P521,
                        ..
                    },
                    A::Es512
                )
                | (Material::Ed25519 { .. }, A::EdDsa)
        )
    }

    fn hmac_key(&self, algorithm: Algorithm) -> Result<hmac::Key> {
        let hash = match algorithm {
            Algorithm::Hs256 => hmac::HMAC_SHA256,
            Algorithm::Hs384 => hmac::HMAC_SHA384,
            _ => hmac::HMAC_SHA512,
        };
        match &self.material {
            Material::Oct(k) if k.len() >= hash.tag_len() => Ok(hmac::Key::new(hash, k)),
            Material::Oct(_) => Err(bad(&format!(
                "{} needs a secret of at least {} bytes (RFC 7518 section 3.2)",
                algorithm.name(),
                hash.tag_len()
            ))),
            _ => Err(misfit(algorithm)),
        }
    }

    /// The key ready to verify with an algorithm.
    pub(crate) fn verifying(&self, algorithm: Algorithm) -> Result<VerifyingKey> {
        use Algorithm as A;
        if !self.fits(algorithm) {
            return Err(misfit(algorithm));
        }
        let parsed = match (&self.material, algorithm) {
            (Material::Oct(_), _) => return Ok(VerifyingKey::Hmac(self.hmac_key(algorithm)?)),
            (Material::Rsa { n, e, .. }, _) => {
                let parameters = match algorithm {
                    A::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                    A::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                    A::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                    A::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
                    A::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
                    _ => &signature::RSA_PSS_2048_8192_SHA512,
                };
                rsa::PublicKeyComponents { n, e }.to_parsed_public_key(parameters)
            }
            (Material::Ec { .. }, A::Es256) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, self.point()).parse()
            }
            (Material::Ec { .. }, A::Es384) => {
                UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, self.point()).parse()
            }
            (Material::Ec { .. }, _) => {
                UnparsedPublicKey::new(&signature::ECDSA_P521_SHA512_FIXED, self.point()).parse()
            }
            (Material::Ed25519 { x, .. } | Material::X25519 { x, .. }, _) => {
                UnparsedPublicKey::new(&signature::ED25519, x).parse()
            }
        };
        parsed
            .map(VerifyingKey::Public)
            .map_err(|_| bad("it is not a valid public key"))
    }

    /// The key ready to sign with an algorithm.
    pub(crate) fn signing(&self, algorithm: Algorithm) -> Result<SigningKey> {
        use Algorithm as A;
        if !self.fits(algorithm) || !self.permits(&["sign"]) {
            return Err(misfit(algorithm));
        }
        match &self.material {
            Material::Oct(_) => Ok(SigningKey::Hmac(self.hmac_key(algorithm)?)),
            Material::Rsa { .. } => {
                let encoding: &'static dyn signature::RsaEncoding = match algorithm {
                    A::Rs256 => &signature::RSA_PKCS1_SHA256,
                    A::Rs384 => &signature::RSA_PKCS1_SHA384,
                    A::Rs512 => &signature::RSA_PKCS1_SHA512,
                    A::Ps256 => &signature::RSA_PSS_SHA256,
                    A::Ps384 => &signature::RSA_PSS_SHA384,
                    _ => &signature::RSA_PSS_SHA512,
                };
                Ok(SigningKey::Rsa(self.rsa_pair()?, encoding))
            }
            Material::Ec {
                curve, d: Some(d), ..
            } => {
                let parameters = match curve {
                    Curve::P256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
                    Curve::P384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
                    Curve::P521 => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
                };
                signature::EcdsaKeyPair::from_private_key_and_public_key(
                    parameters,
                    d,
                    &self.point(),
                )
                .map(SigningKey::Ec)
                .map_err(|_| bad("private and public part do not belong together"))
            }
            Material::Ed25519 { x, d: Some(d) } => {
                signature::Ed25519KeyPair::from_seed_and_public_key(d, x)
                    .map(SigningKey::Ed)
                    .map_err(|_| bad("private and public part do not belong together"))
            }
            _ => Err(bad("it has no private part to sign with")),
        }
    }
}

fn misfit(algorithm: Algorithm) -> Error {
    bad(&format!("it is not for the algorithm {}", algorithm.name()))
}

//! JSON object signing and encryption: JWK (RFC 7517), JWS (RFC 7515), JWE (RFC 7516), JWT (RFC 7519), with the
//! advice of RFC 8725 built in. The algorithm is always the verifier's choice, never the token's.

pub mod jwe;
pub mod jwk;
pub mod jwt;
mod pem;
#[cfg(test)]
mod tests;

pub use jwk::{Jwk, JwkSet};

use crate::{Error, Result};

/// A JWS signature algorithm (RFC 7518 section 3, RFC 8037). `none` is not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

impl Algorithm {
    const NAMES: [(&'static str, Self); 13] = [
        ("HS256", Self::Hs256),
        ("HS384", Self::Hs384),
        ("HS512", Self::Hs512),
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("ES512", Self::Es512),
        ("EdDSA", Self::EdDsa),
    ];

    /// The registered name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|n| n.1 == self).map_or("", |n| n.0)
    }

    /// Finds an algorithm by its registered name; `Ed25519` (RFC 9864) is another name of `EdDSA`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for any other name, `none` included.
    pub fn from_name(name: &str) -> Result<Self> {
        Self::lookup(name).ok_or_else(|| {
            Error::InvalidInput(format!(
                "not a signature algorithm of this kit: {name:.20?}"
            ))
        })
    }

    pub(crate) fn lookup(name: &str) -> Option<Self> {
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        Self::NAMES.iter().find(|n| n.0 == name).map(|n| n.1)
    }

    /// Whether the key is a shared secret.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}

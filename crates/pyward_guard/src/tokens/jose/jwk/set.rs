//! Sets of keys (JWKS, RFC 7517 section 5).

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Jwk, MAX_DOCUMENT, MAX_KEYS};
use crate::{Error, Result};

/// A set of keys, as providers publish them.
#[derive(Clone, Debug, Default)]
pub struct JwkSet {
    /// The usable keys.
    pub keys: Vec<Jwk>,
}

impl JwkSet {
    /// Reads a JWKS document. Keys of unknown types or algorithms are left out (RFC 7517 section 5).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the document is malformed, over 1 MiB, or has more than 256 keys.
    pub fn from_json(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let malformed = || Error::InvalidInput("not a JSON web key set".into());
        if text.len() > MAX_DOCUMENT {
            return Err(Error::InvalidInput("the key set is over 1 MiB".into()));
        }
        let document: Document = serde_json::from_str(text).map_err(|_| malformed())?;
        if document.keys.len() > MAX_KEYS {
            return Err(Error::InvalidInput(format!(
                "the key set has more than {MAX_KEYS} keys"
            )));
        }
        let usable = |value| {
            serde_json::from_value(value)
                .ok()
                .and_then(|raw| Jwk::from_raw(&Zeroizing::new(raw)).ok())
        };
        Ok(Self {
            keys: document.keys.into_iter().filter_map(usable).collect(),
        })
    }

    /// The public keys as a JWKS document to publish. Shared secrets are left out.
    #[must_use]
    pub fn to_public_json(&self) -> String {
        let keys: Vec<String> = self
            .keys
            .iter()
            .filter_map(|k| k.to_public().ok())
            .map(|k| k.to_json().to_string())
            .collect();
        format!("{{\"keys\":[{}]}}", keys.join(","))
    }
}

//! Issue and verify JSON web tokens (RFC 7519) in the compact JWS form.
//!
//! CWE-347, CWE-345, CWE-613; ASVS 5.0: v5.0.0-9.1.1, v5.0.0-9.1.2, v5.0.0-9.1.3, v5.0.0-9.2.1, v5.0.0-9.2.2,
//! v5.0.0-9.2.3, v5.0.0-9.2.4.
//!
//! ```
//! use pyward_guard::tokens::jose::jwt::{Policy, Signer, Verifier};
//! use pyward_guard::tokens::jose::{Algorithm, Jwk};
//! let key = Jwk::generate("ES256")?;
//! let token = Signer::new(&key, Algorithm::Es256, "JWT")?.sign(br#"{"sub": "7", "aud": "shop", "exp": 2000}"#)?;
//! let policy = Policy { audiences: Some(vec!["shop".into()]), ..Policy::new([Algorithm::Es256]) };
//! let verifier = Verifier::new(policy.clone(), &[key.to_public()?])?;
//! assert!(verifier.verify(&token, 1000.0).is_ok());
//! assert!(verifier.verify(&token, 3000.0).is_err());
//! // A shared secret and a public key do not go together: the one could be taken for the other.
//! let mixed = Policy { algorithms: vec![Algorithm::Hs256, Algorithm::Es256], ..policy };
//! assert!(Verifier::new(mixed, &[key]).is_err());
//! # Ok::<(), pyward_guard::Error>(())
//! ```

#![allow(
    clippy::neg_cmp_op_on_partial_ord,
    reason = "not-a-number must be refused too"
)]

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{IgnoredAny, SeqAccess, Visitor};

use super::jwk::{Jwk, SigningKey, VerifyingKey};
use super::{super::MAX_TOKEN_LEN, Algorithm};
use crate::encoding::{b64url_decode, b64url_into};
use crate::{Error, Result};

/// Most keys that are tried for a token without a key id.
const MAX_TRIED: usize = 8;

/// Signs tokens with one key and one algorithm.
pub struct Signer {
    key: SigningKey,
    algorithm: Algorithm,
    /// The encoded header with its final dot.
    header: String,
}

impl Signer {
    /// A signer whose tokens have the header type `typ` ("JWT", "at+jwt", ...).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when the key has no private part or does not fit the algorithm.
    pub fn new(key: &Jwk, algorithm: Algorithm, typ: &str) -> Result<Self> {
        let mut header = serde_json::json!({"alg": algorithm.name(), "typ": typ});
        if let Some(kid) = &key.kid {
            header["kid"] = kid.as_str().into();
        }
        let mut encoded = String::new();
        b64url_into(header.to_string(), &mut encoded);
        encoded.push('.');
        Ok(Self {
            key: key.signing(algorithm)?,
            algorithm,
            header: encoded,
        })
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Signs a payload as it is.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a payload that would make too long a token.
    pub fn sign(&self, payload: &[u8]) -> Result<String> {
        if payload.len() > MAX_TOKEN_LEN / 2 {
            return Err(Error::InvalidInput(
                "the payload of a token has at most 32 KiB".into(),
            ));
        }
        let mut token = String::with_capacity(self.header.len() + payload.len() * 4 / 3 + 96);
        token.push_str(&self.header);
        b64url_into(payload, &mut token);
        let signature = self.key.sign(token.as_bytes())?;
        token.push('.');
        b64url_into(&signature, &mut token);
        Ok(token)
    }
}

/// What a token must say to be accepted.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Accepted algorithms; a token with another is refused whatever its signature.
    pub algorithms: Vec<Algorithm>,
    /// Accepted issuers; none: not checked.
    pub issuers: Option<Vec<String>>,
    /// Names of this recipient; none: tokens with an audience are refused (RFC 7519 section 4.1.3).
    pub audiences: Option<Vec<String>>,
    /// Claims that must be there.
    pub required: Vec<String>,
    /// The header's type, compared as RFC 7515 section 4.1.9 says; none: not checked.
    pub typ: Option<String>,
    /// Tolerated difference between clocks, seconds.
    pub clock_skew: f64,
    /// Longest time since `iat`, seconds; needs `iat`.
    pub max_age: Option<f64>,
    /// Expected subject; none: not checked.
    pub subject: Option<String>,
}

impl Policy {
    /// Tokens that end, signed with one of `algorithms`, for nobody in particular; clocks may differ by 30 seconds.
    #[must_use]
    pub fn new(algorithms: impl Into<Vec<Algorithm>>) -> Self {
        Self {
            algorithms: algorithms.into(),
            issuers: None,
            audiences: None,
            required: vec!["exp".into()],
            typ: None,
            clock_skew: 30.0,
            max_age: None,
            subject: None,
        }
    }
}

/// Verifies tokens against a policy with a set of keys.
pub struct Verifier {
    policy: Policy,
    keys: Vec<Key>,
}

struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    key: VerifyingKey,
}

/// A verified token.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The header, JSON.
    pub header: Vec<u8>,
    /// The payload as it was signed; JSON when its claims were checked.
    pub payload: Vec<u8>,
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(default, borrow)]
    kid: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    typ: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
    #[serde(default, deserialize_with = "present")]
    b64: bool,
}

/// True for a member that is there, whatever its value: `null`, too.
fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// The text of a JSON object: serde would read structs from arrays, too, and skip over what is not UTF-8.
fn object(json: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(json).ok()?;
    text.trim_start_matches([' ', '\t', '\n', '\r'])
        .starts_with('{')
        .then_some(text)
}

/// The registered claims; a claim given twice is an error.
#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(default, borrow)]
    iss: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    sub: Option<Cow<'a, str>>,
    #[serde(default)]
    aud: Option<Audience>,
    #[serde(default)]
    exp: Option<f64>,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    iat: Option<f64>,
    #[serde(default)]
    jti: Option<IgnoredAny>,
}

/// One string or a list of them.
struct Audience(Vec<String>);

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Audience;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }
            fn visit_str<E>(self, v: &str) -> std::result::Result<Audience, E> {
                Ok(Audience(vec![v.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> std::result::Result<Audience, A::Error> {
                let mut all = Vec::new();
                while let Some(v) = seq.next_element()? {
                    all.push(v);
                }
                Ok(Audience(all))
            }
        }
        deserializer.deserialize_any(V)
    }
}

fn refuse<T>(why: &'static str) -> Result<T> {
    Err(Error::NotVerified(why))
}

/// RFC 7515 section 4.1.9: `application/` may be left out; media types ignore case.
fn same_type(a: &str, b: &str) -> bool {
    let short = |t: &str| {
        let t = t.to_ascii_lowercase();
        t.strip_prefix("application/")
            .map(str::to_owned)
            .unwrap_or(t)
    };
    short(a) == short(b)
}

impl Verifier {
    /// A verifier for a policy and keys. Keys that fit none of the algorithms are left out.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for no algorithm, algorithms of both shared secrets and public keys, a negative time, or
    /// a weak key.
    pub fn new(policy: Policy, keys: &[Jwk]) -> Result<Self> {
        let symmetric = policy
            .algorithms
            .iter()
            .filter(|a| a.is_symmetric())
            .count();
        if policy.algorithms.is_empty() {
            return Err(Error::InvalidInput("name the algorithms to accept".into()));
        }
        if symmetric != 0 && symmetric != policy.algorithms.len() {
            return Err(Error::InvalidInput(
                "HMAC and public-key algorithms cannot be accepted by one verifier".into(),
            ));
        }
        if !(0.0..=3600.0).contains(&policy.clock_skew)
            || policy.max_age.is_some_and(|a| !(a > 0.0))
        {
            return Err(Error::InvalidInput(
                "clock skew is 0 to 3600 seconds, the largest age positive".into(),
            ));
        }
        let mut verifier = Self {
            policy,
            keys: Vec::new(),
        };
        verifier.set_keys(keys)?;
        Ok(verifier)
    }

    /// Replaces the keys, for instance by a set that was fetched again.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a weak key.
    pub fn set_keys(&mut self, keys: &[Jwk]) -> Result<()> {
        let mut prepared = Vec::new();
        for key in keys {
            for algorithm in &self.policy.algorithms {
                if key.fits(*algorithm) {
                    prepared.push(Key {
                        kid: key.kid.clone(),
                        algorithm: *algorithm,
                        key: key.verifying(*algorithm)?,
                    });
                }
            }
        }
        self.keys = prepared;
        Ok(())
    }

    /// Whether any signature here takes long enough to let other threads run meanwhile.
    #[must_use]
    pub fn is_asymmetric(&self) -> bool {
        self.policy.algorithms.iter().any(|a| !a.is_symmetric())
    }

    /// Verifies a token at `now` (seconds since 1970): form, algorithm, signature, then claims.
    ///
    /// # Errors
    /// [`Error::NotVerified`] with the reason, [`Error::UnknownKey`] when no key has the token's key id,
    /// [`Error::Expired`].
    pub fn verify(&self, token: &str, now: f64) -> Result<Verified> {
        let (header, payload) = self.verify_signature(token)?;
        self.check_claims(&payload, now)?;
        Ok(Verified { header, payload })
    }

    /// Verifies form, algorithm and signature of a token whose payload is not a set of claims (JWS, RFC 7515).
    ///
    /// A token that calls itself a JWT is refused unless the policy's type does too: its claims would go unchecked.
    ///
    /// # Errors
    /// [`Error::NotVerified`] with the reason, [`Error::UnknownKey`].
    pub fn verify_payload(&self, token: &str) -> Result<Verified> {
        let (header, payload) = self.verify_signature(token)?;
        let typed: Header<'_> = object(&header)
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or(Error::NotVerified("malformed header"))?;
        let is_jwt =
            |typ: &str| same_type(typ, "JWT") || typ.to_ascii_lowercase().ends_with("+jwt");
        if self.policy.typ.is_none() && typed.typ.as_deref().is_some_and(is_jwt) {
            return refuse("the claims of a JWT must be checked");
        }
        Ok(Verified { header, payload })
    }

    fn verify_signature(&self, token: &str) -> Result<(Vec<u8>, Vec<u8>)> {
        if token.len() > MAX_TOKEN_LEN {
            return refuse("the token is too long");
        }
        let (signed, signature) = token
            .rsplit_once('.')
            .ok_or(Error::NotVerified("malformed token"))?;
        let (header64, payload64) = signed
            .split_once('.')
            .ok_or(Error::NotVerified("malformed token"))?;
        if payload64.contains('.') {
            return refuse("malformed token");
        }
        let header_json = b64url_decode(header64)?;
        let header: Header<'_> = object(&header_json)
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or(Error::NotVerified("malformed header"))?;
        if header.crit || header.b64 {
            return refuse("the token uses a critical extension");
        }
        let algorithm = Algorithm::lookup(&header.alg)
            .filter(|a| self.policy.algorithms.contains(a))
            .ok_or(Error::NotVerified("the algorithm is not accepted"))?;
        if let Some(want) = &self.policy.typ
            && !header.typ.as_deref().is_some_and(|t| same_type(t, want))
        {
            return refuse("wrong token type");
        }
        let signature = b64url_decode(signature)?;
        let mut candidates = self
            .keys
            .iter()
            .filter(|k| k.algorithm == algorithm)
            .collect::<Vec<_>>();
        if let Some(kid) = header.kid.as_deref() {
            // A key without an id may stand for any id; one with another id may not.
            candidates.retain(|k| k.kid.as_deref().is_none_or(|own| own == kid));
        }
        if candidates.is_empty() {
            return Err(Error::UnknownKey);
        }
        if !candidates
            .iter()
            .take(MAX_TRIED)
            .any(|k| k.key.verify(signed.as_bytes(), &signature))
        {
            return refuse("wrong signature");
        }
        let payload = b64url_decode(payload64)?;
        Ok((header_json, payload))
    }

    fn check_claims(&self, payload: &[u8], now: f64) -> Result<()> {
        let p = &self.policy;
        // Not a number is neither before nor after anything.
        if !now.is_finite() {
            return Err(Error::InvalidInput("now is a number of seconds".into()));
        }
        let claims: Claims<'_> = object(payload)
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or(Error::NotVerified("malformed claims"))?;
        let finite = |t: Option<f64>| t.is_none_or(f64::is_finite);
        if !finite(claims.exp) || !finite(claims.nbf) || !finite(claims.iat) {
            return refuse("malformed claims");
        }
        let mut others: Option<HashSet<String>> = None;
        for name in &p.required {
            let there = match name.as_str() {
                "iss" => claims.iss.is_some(),
                "sub" => claims.sub.is_some(),
                "aud" => claims.aud.is_some(),
                "exp" => claims.exp.is_some(),
                "nbf" => claims.nbf.is_some(),
                "iat" => claims.iat.is_some(),
                "jti" => claims.jti.is_some(),
                other => {
                    if others.is_none() {
                        let map: std::collections::HashMap<String, Option<IgnoredAny>> =
                            serde_json::from_slice(payload)
                                .map_err(|_| Error::NotVerified("malformed claims"))?;
                        others = Some(
                            map.into_iter()
                                .filter(|e| e.1.is_some())
                                .map(|e| e.0)
                                .collect(),
                        );
                    }
                    others.as_ref().is_some_and(|o| o.contains(other))
                }
            };
            if !there {
                return refuse("a required claim is missing");
            }
        }
        if claims.exp.is_some_and(|exp| now >= exp + p.clock_skew) {
            return Err(Error::Expired);
        }
        if claims.nbf.is_some_and(|nbf| now < nbf - p.clock_skew) {
            return refuse("not valid yet");
        }
        if claims.iat.is_some_and(|iat| now < iat - p.clock_skew) {
            return refuse("issued in the future");
        }
        if let Some(max_age) = p.max_age {
            match claims.iat {
                None => return refuse("a required claim is missing"),
                Some(iat) if now - iat > max_age + p.clock_skew => return Err(Error::Expired),
                Some(_) => {}
            }
        }
        if let Some(issuers) = &p.issuers
            && !claims
                .iss
                .as_deref()
                .is_some_and(|iss| issuers.iter().any(|i| i == iss))
        {
            return refuse("wrong issuer");
        }
        if let Some(subject) = &p.subject
            && claims.sub.as_deref() != Some(subject)
        {
            return refuse("wrong subject");
        }
        match (&p.audiences, &claims.aud) {
            (None, None) => {}
            (Some(own), Some(aud)) if aud.0.iter().any(|a| own.contains(a)) => {}
            _ => return refuse("wrong audience"),
        }
        Ok(())
    }
}

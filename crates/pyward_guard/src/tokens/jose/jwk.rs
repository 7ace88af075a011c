//! JSON web keys and sets of them.

use std::fmt;

use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::signature::{self, KeyPair as _};
use aws_lc_rs::{agreement, digest, rsa};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Algorithm;
use crate::encoding::{b64url, b64url_decode, secret_json};
use crate::{Error, Result, random};

mod prepared;
mod set;

pub(crate) use prepared::{SigningKey, VerifyingKey};
pub use set::JwkSet;

/// Most keys of a set that are kept, and the longest document that is read.
pub const MAX_KEYS: usize = 256;
const MAX_DOCUMENT: usize = 1 << 20;

pub(crate) type Secret = Zeroizing<Vec<u8>>;

/// A NIST curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(crate) const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    pub(crate) fn len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    pub(crate) fn agreement(self) -> &'static agreement::Algorithm {
        match self {
            Self::P256 => &agreement::ECDH_P256,
            Self::P384 => &agreement::ECDH_P384,
            Self::P521 => &agreement::ECDH_P521,
        }
    }
}

/// Private part of an RSA key; all numbers big-endian.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct RsaPrivate {
    pub(crate) d: Vec<u8>,
    pub(crate) p: Vec<u8>,
    pub(crate) q: Vec<u8>,
    pub(crate) dp: Vec<u8>,
    pub(crate) dq: Vec<u8>,
    pub(crate) qi: Vec<u8>,
}

/// Key material by type.
#[derive(Clone)]
pub(crate) enum Material {
    Oct(Secret),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
        private: Option<Box<RsaPrivate>>,
    },
    Ec {
        curve: Curve,
        x: Vec<u8>,
        y: Vec<u8>,
        d: Option<Secret>,
    },
    Ed25519 {
        x: Vec<u8>,
        d: Option<Secret>,
    },
    X25519 {
        x: Vec<u8>,
        d: Option<Secret>,
    },
}

/// A key with its id, its use and its algorithm.
#[derive(Clone)]
pub struct Jwk {
    /// Names the key in token headers.
    pub kid: Option<String>,
    /// The one algorithm the key is for, when it says so.
    pub alg: Option<String>,
    /// `sig` or `enc`, when it says so.
    pub key_use: Option<String>,
    /// What the key may do (RFC 7517 section 4.3), when it says so; never empty.
    pub key_ops: Option<Vec<String>>,
    pub(crate) material: Material,
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwk")
            .field("kty", &self.kty())
            .field("kid", &self.kid)
            .field("alg", &self.alg)
            .field("private", &self.is_private())
            .finish()
    }
}

/// The JSON members; held in `Zeroizing`.
#[derive(Default, Serialize, Deserialize, Zeroize)]
#[serde(default)]
struct Raw {
    kty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    key_use: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_ops: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    q: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dq: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qi: Option<String>,
    #[serde(skip_serializing)]
    #[zeroize(skip)]
    oth: Option<serde_json::Value>,
}

fn bad(what: &str) -> Error {
    Error::InvalidInput(format!("the key is not usable: {what}"))
}

fn member(value: Option<&String>, name: &str) -> Result<Vec<u8>> {
    let text = value.ok_or_else(|| bad(&format!("the member {name} is missing")))?;
    b64url_decode(text).map_err(|_| bad(&format!("the member {name} is not base64url")))
}

fn secret(value: Option<&String>, name: &str) -> Result<Option<Secret>> {
    value
        .map(|_| member(value, name).map(Zeroizing::new))
        .transpose()
}

/// Without leading zero bytes, as AWS-LC wants the public numbers.
fn trimmed(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|b| **b == 0).count();
    number.drain(..zeros);
    number
}

/// A private number with as many leading zero bytes as make `len` bytes.
fn padded(number: &[u8], len: usize) -> Result<Secret> {
    let zeros = number.iter().take_while(|b| **b == 0).count();
    let number = &number[zeros..];
    let missing = len
        .checked_sub(number.len())
        .ok_or_else(|| bad("a coordinate is too long"))?;
    let mut out = Zeroizing::new(vec![0; len]);
    out[missing..].copy_from_slice(number);
    Ok(out)
}

impl Jwk {
    /// Checks that the parts of a key fit together, so that errors show where a key is loaded and not where it is used.
    pub(crate) fn new(material: Material) -> Result<Self> {
        let key = Self {
            kid: None,
            alg: None,
            key_use: None,
            key_ops: None,
            material,
        };
        match &key.material {
            Material::Oct(k) if k.is_empty() => return Err(bad("the secret is empty")),
            Material::Oct(k) if looks_like_public_key(k) => {
                return Err(bad("a PEM or SSH key is given as a shared secret"));
            }
            Material::Oct(_) => {}
            Material::Rsa { n, e, .. } => {
                // Even numbers are no RSA keys, and with an exponent of 1 everyone can sign.
                let odd = |number: &[u8]| number.last().is_some_and(|b| b & 1 == 1);
                if !odd(n) || !odd(e) || e[..] == [1] || e.len() > 8 {
                    return Err(bad("its modulus or exponent is none of RSA"));
                }
                if !(256..=1024).contains(&n.len()) || n.len() == 256 && n[0] < 0x80 {
                    return Err(bad("RSA keys have 2048 to 8192 bits"));
                }
                key.verifying(Algorithm::Rs256)?;
                if key.is_private() {
                    key.rsa_pair()?;
                }
            }
            Material::Ec { curve, x, y, d } => {
                if x.len() != curve.len() || y.len() != curve.len() {
                    return Err(bad("a coordinate has the wrong length"));
                }
                key.verifying(match curve {
                    Curve::P256 => Algorithm::Es256,
                    Curve::P384 => Algorithm::Es384,
                    Curve::P521 => Algorithm::Es512,
                })?;
                if let Some(d) = d
                    && ec_public(*curve, d)? != key.point()
                {
                    return Err(bad("private and public part do not belong together"));
                }
            }
            Material::Ed25519 { x, d } => {
                if super::super::is_small_order(x) {
                    return Err(bad("under it any message has a signature"));
                }
                key.verifying(Algorithm::EdDsa)?;
                if let Some(d) = d {
                    signature::Ed25519KeyPair::from_seed_and_public_key(d, x)
                        .map_err(|_| bad("private and public part do not belong together"))?;
                }
            }
            Material::X25519 { x, d } => {
                if x.len() != 32 {
                    return Err(bad("an X25519 key has 32 bytes"));
                }
                if let Some(d) = d
                    && x25519_public(d)? != *x
                {
                    return Err(bad("private and public part do not belong together"));
                }
            }
        }
        Ok(key)
    }

    /// A shared secret for HMAC or symmetric encryption.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an empty secret, or a public key given as one (algorithm confusion, CWE-347).
    pub fn from_secret(secret: &[u8]) -> Result<Self> {
        Self::new(Material::Oct(Zeroizing::new(secret.to_vec())))
    }

    /// Reads one JSON web key.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for malformed, weak, inconsistent or unsupported keys.
    pub fn from_json(text: &str) -> Result<Self> {
        if text.len() > MAX_DOCUMENT {
            return Err(bad("the document is too large"));
        }
        let raw = serde_json::from_str(text)
            .map_err(|_| bad("it is not a JSON object with string members"))?;
        Self::from_raw(&Zeroizing::new(raw))
    }

    fn from_raw(raw: &Raw) -> Result<Self> {
        let material = match (raw.kty.as_str(), raw.crv.as_deref()) {
            ("oct", _) => Material::Oct(Zeroizing::new(member(raw.k.as_ref(), "k")?)),
            ("RSA", _) => {
                if raw.oth.is_some() {
                    return Err(bad("RSA keys of more than two primes are not supported"));
                }
                let private = match &raw.d {
                    None => None,
                    Some(_) => Some(Box::new(RsaPrivate {
                        d: member(raw.d.as_ref(), "d")?,
                        p: member(raw.p.as_ref(), "p")?,
                        q: member(raw.q.as_ref(), "q")?,
                        dp: member(raw.dp.as_ref(), "dp")?,
                        dq: member(raw.dq.as_ref(), "dq")?,
                        qi: member(raw.qi.as_ref(), "qi")?,
                    })),
                };
                Material::Rsa {
                    n: trimmed(member(raw.n.as_ref(), "n")?),
                    e: trimmed(member(raw.e.as_ref(), "e")?),
                    private,
                }
            }
            ("EC", Some(crv)) => {
                let curve = Curve::ALL
                    .into_iter()
                    .find(|c| c.name() == crv)
                    .ok_or_else(|| bad("unknown curve"))?;
                Material::Ec {
                    curve,
                    x: member(raw.x.as_ref(), "x")?,
                    y: member(raw.y.as_ref(), "y")?,
                    d: secret(raw.d.as_ref(), "d")?,
                }
            }
            ("OKP", Some("Ed25519")) => Material::Ed25519 {
                x: member(raw.x.as_ref(), "x")?,
                d: secret(raw.d.as_ref(), "d")?,
            },
            ("OKP", Some("X25519")) => Material::X25519 {
                x: member(raw.x.as_ref(), "x")?,
                d: secret(raw.d.as_ref(), "d")?,
            },
            _ => return Err(bad("unknown key type or curve")),
        };
        let mut key = Self::new(material)?;
        key.kid.clone_from(&raw.kid);
        key.alg.clone_from(&raw.alg);
        key.key_use.clone_from(&raw.key_use);
        // Public keys for key agreement are exported with an empty list.
        key.key_ops = raw.key_ops.clone().filter(|ops| !ops.is_empty());
        Ok(key)
    }

    /// Makes a new key for a signature algorithm, or for key agreement with `ECDH-ES` (X25519), with its thumbprint as
    /// key id. RSA keys have 3072 bits.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for another algorithm.
    pub fn generate(algorithm: &str) -> Result<Self> {
        let failed = |_| Error::Unsupported("key generation failed".into());
        let mut key = if algorithm == "ECDH-ES" {
            let d = Zeroizing::new(random::bytes(32)?);
            Self::new(Material::X25519 {
                x: x25519_public(&d)?,
                d: Some(d),
            })?
        } else {
            match Algorithm::from_name(algorithm)? {
                Algorithm::Hs256 => Self::from_secret(&Zeroizing::new(random::bytes(32)?))?,
                Algorithm::Hs384 => Self::from_secret(&Zeroizing::new(random::bytes(48)?))?,
                Algorithm::Hs512 => Self::from_secret(&Zeroizing::new(random::bytes(64)?))?,
                Algorithm::EdDsa => {
                    let d = Zeroizing::new(random::bytes(32)?);
                    let pair = signature::Ed25519KeyPair::from_seed_unchecked(&d)
                        .map_err(|_| bad("seed"))?;
                    Self::new(Material::Ed25519 {
                        x: pair.public_key().as_ref().to_vec(),
                        d: Some(d),
                    })?
                }
                Algorithm::Es256 => Self::generate_ec(Curve::P256)?,
                Algorithm::Es384 => Self::generate_ec(Curve::P384)?,
                Algorithm::Es512 => Self::generate_ec(Curve::P521)?,
                _ => {
                    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
                    let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa3072).map_err(failed)?;
                    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                    Self::from_pkcs8(der.as_ref())?
                }
            }
        };
        key.alg = Some(algorithm.to_owned());
        key.key_use = Some(if algorithm == "ECDH-ES" { "enc" } else { "sig" }.to_owned());
        key.kid = Some(key.thumbprint());
        Ok(key)
    }

    fn generate_ec(curve: Curve) -> Result<Self> {
        let private = agreement::PrivateKey::generate(curve.agreement())
            .map_err(|_| Error::Unsupported("key generation failed".into()))?;
        let d: aws_lc_rs::encoding::EcPrivateKeyBin<'_> = private
            .as_be_bytes()
            .map_err(|_| Error::Unsupported("key generation failed".into()))?;
        Self::from_ec_private(curve, d.as_ref())
    }

    pub(super) fn from_ec_private(curve: Curve, d: &[u8]) -> Result<Self> {
        let d = padded(d, curve.len())?;
        let point = ec_public(curve, &d)?;
        let (x, y) = point[1..].split_at(curve.len());
        Self::new(Material::Ec {
            curve,
            x: x.to_vec(),
            y: y.to_vec(),
            d: Some(d),
        })
    }

    /// The key type: `oct`, `RSA`, `EC` or `OKP`.
    #[must_use]
    pub fn kty(&self) -> &'static str {
        match self.material {
            Material::Oct(_) => "oct",
            Material::Rsa { .. } => "RSA",
            Material::Ec { .. } => "EC",
            Material::Ed25519 { .. } | Material::X25519 { .. } => "OKP",
        }
    }

    /// Whether the key holds a private part or is a shared secret.
    #[must_use]
    pub fn is_private(&self) -> bool {
        match &self.material {
            Material::Oct(_) => true,
            Material::Rsa { private, .. } => private.is_some(),
            Material::Ec { d, .. } | Material::Ed25519 { d, .. } | Material::X25519 { d, .. } => {
                d.is_some()
            }
        }
    }

    /// Whether the key says nothing about its operations, or names one of these.
    pub(crate) fn permits(&self, operations: &[&str]) -> bool {
        self.key_ops
            .as_ref()
            .is_none_or(|own| own.iter().any(|o| operations.contains(&o.as_str())))
    }

    /// The key without its private part.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a shared secret, which has no public part.
    pub fn to_public(&self) -> Result<Self> {
        let mut key = self.clone();
        match &mut key.material {
            Material::Oct(_) => return Err(bad("a shared secret has no public part")),
            Material::Rsa { private, .. } => *private = None,
            Material::Ec { d, .. } | Material::Ed25519 { d, .. } | Material::X25519 { d, .. } => {
                *d = None
            }
        }
        let public = |operation: &String| match operation.as_str() {
            "sign" | "verify" => Some("verify".to_owned()),
            "decrypt" | "encrypt" => Some("encrypt".to_owned()),
            "unwrapKey" | "wrapKey" => Some("wrapKey".to_owned()),
            _ => None,
        };
        key.key_ops = key
            .key_ops
            .map(|own| own.iter().filter_map(public).collect::<Vec<_>>())
            .filter(|own| !own.is_empty());
        Ok(key)
    }

    fn raw(&self) -> Zeroizing<Raw> {
        let text = |bytes: &Vec<u8>| Some(b64url(bytes));
        let hidden = |d: &Option<Secret>| d.as_ref().map(|d| b64url(&**d));
        let mut raw = Zeroizing::new(Raw {
            kty: self.kty().to_owned(),
            kid: self.kid.clone(),
            alg: self.alg.clone(),
            key_use: self.key_use.clone(),
            key_ops: self.key_ops.clone(),
            ..Raw::default()
        });
        match &self.material {
            Material::Oct(k) => raw.k = Some(b64url(&**k)),
            Material::Rsa { n, e, private } => {
                raw.n = text(n);
                raw.e = text(e);
                if let Some(r) = private {
                    (raw.d, raw.p, raw.q) = (text(&r.d), text(&r.p), text(&r.q));
                    (raw.dp, raw.dq, raw.qi) = (text(&r.dp), text(&r.dq), text(&r.qi));
                }
            }
            Material::Ec { curve, x, y, d } => {
                (raw.crv, raw.x, raw.y, raw.d) =
                    (Some(curve.name().into()), text(x), text(y), hidden(d));
            }
            Material::Ed25519 { x, d } => {
                (raw.crv, raw.x, raw.d) = (Some("Ed25519".into()), text(x), hidden(d))
            }
            Material::X25519 { x, d } => {
                (raw.crv, raw.x, raw.d) = (Some("X25519".into()), text(x), hidden(d))
            }
        }
        raw
    }

    /// The key as JSON, with the private part if it has one.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        secret_json(&*self.raw())
    }

    /// The SHA-256 thumbprint of RFC 7638, base64url.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let raw = self.raw();
        let get = |v: &Option<String>| Zeroizing::new(v.clone().unwrap_or_default());
        let text = Zeroizing::new(match &self.material {
            Material::Oct(_) => format!(r#"{{"k":"{}","kty":"oct"}}"#, *get(&raw.k)),
            Material::Rsa { .. } => format!(
                r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
                *get(&raw.e),
                *get(&raw.n)
            ),
            Material::Ec { .. } => {
                format!(
                    r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
                    *get(&raw.crv),
                    *get(&raw.x),
                    *get(&raw.y)
                )
            }
            Material::Ed25519 { .. } | Material::X25519 { .. } => {
                format!(
                    r#"{{"crv":"{}","kty":"OKP","x":"{}"}}"#,
                    *get(&raw.crv),
                    *get(&raw.x)
                )
            }
        });
        b64url(digest::digest(&digest::SHA256, text.as_bytes()))
    }

    /// The uncompressed point of an EC key.
    pub(crate) fn point(&self) -> Vec<u8> {
        match &self.material {
            Material::Ec { x, y, .. } => [&[4], x.as_slice(), y.as_slice()].concat(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn rsa_pair(&self) -> Result<rsa::KeyPair> {
        let Material::Rsa {
            n,
            e,
            private: Some(r),
        } = &self.material
        else {
            return Err(bad("it is no private RSA key"));
        };
        rsa::KeyPair::from_components(&rsa::KeyPairComponents::<&[u8]> {
            public_key: rsa::PublicKeyComponents { n, e },
            d: &r.d,
            p: &r.p,
            q: &r.q,
            dP: &r.dp,
            dQ: &r.dq,
            qInv: &r.qi,
        })
        .map_err(|_| bad("the RSA numbers do not belong together"))
    }
}

/// A public key as an HMAC secret is the mark of algorithm confusion: everyone knows that "secret".
fn looks_like_public_key(secret: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&secret[..secret.len().min(64)]);
    let text = text.trim_start();
    text.starts_with("-----BEGIN ") || text.starts_with("ssh-") || text.starts_with("ecdsa-sha2-")
}

fn public_of(algorithm: &'static agreement::Algorithm, d: &[u8]) -> Result<Vec<u8>> {
    let wrong = || bad("the private number");
    let private = agreement::PrivateKey::from_private_key(algorithm, d).map_err(|_| wrong())?;
    let public = private.compute_public_key().map_err(|_| wrong())?;
    Ok(public.as_ref().to_vec())
}

fn ec_public(curve: Curve, d: &[u8]) -> Result<Vec<u8>> {
    public_of(curve.agreement(), d)
}

pub(crate) fn x25519_public(d: &[u8]) -> Result<Vec<u8>> {
    public_of(&agreement::X25519, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_parts_are_written_once() {
        let d: Secret = padded(&[0, 0, 0, 5, 6], 4).unwrap();
        assert_eq!(*d, [0, 0, 5, 6]);
        assert!(padded(&[1, 2, 3, 4, 5], 4).is_err());
        for algorithm in ["HS256", "ES512", "EdDSA", "RS256"] {
            let json = Jwk::generate(algorithm).unwrap().to_json();
            assert_eq!(json.capacity(), json.len(), "{algorithm}");
        }
    }
}

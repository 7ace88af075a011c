//! JSON web keys and sets of them.

use std::fmt;

use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::signature::{self, KeyPair as _, ParsedPublicKey, UnparsedPublicKey};
use aws_lc_rs::{agreement, digest, hmac, rsa};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Algorithm;
use crate::encoding::{b64url, b64url_decode};
use crate::{Error, Result, random};

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

fn padded(number: &[u8], len: usize) -> Result<Vec<u8>> {
    let number = trimmed(number.to_vec());
    let missing = len
        .checked_sub(number.len())
        .ok_or_else(|| bad("a coordinate is too long"))?;
    let mut out = vec![0; missing];
    out.extend(number);
    Ok(out)
}

impl Jwk {
    /// Checks that the parts of a key fit together, so that errors show where a key is loaded and not where it is used.
    pub(crate) fn new(material: Material) -> Result<Self> {
        let key = Self {
            kid: None,
            alg: None,
            key_use: None,
            material,
        };
        match &key.material {
            Material::Oct(k) if k.is_empty() => return Err(bad("the secret is empty")),
            Material::Oct(k) if looks_like_public_key(k) => {
                return Err(bad("a PEM or SSH key is given as a shared secret"));
            }
            Material::Oct(_) => {}
            Material::Rsa { n, .. } => {
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
        let d = Zeroizing::new(padded(d, curve.len())?);
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
        Zeroizing::new(serde_json::to_string(&*self.raw()).unwrap_or_default())
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

    /// Whether the key may be used with the algorithm: by its type, and by what it says about itself.
    #[must_use]
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm as A;
        if self.key_use.as_deref().is_some_and(|u| u != "sig")
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
        if !self.fits(algorithm) {
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

/// A public key as an HMAC secret is the mark of algorithm confusion: everyone knows that "secret".
fn looks_like_public_key(secret: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&secret[..secret.len().min(64)]);
    let text = text.trim_start();
    text.starts_with("-----BEGIN ") || text.starts_with("ssh-") || text.starts_with("ecdsa-sha2-")
}

fn ec_public(curve: Curve, d: &[u8]) -> Result<Vec<u8>> {
    let private = agreement::PrivateKey::from_private_key(curve.agreement(), d)
        .map_err(|_| bad("the private number"))?;
    Ok(private
        .compute_public_key()
        .map_err(|_| bad("the private number"))?
        .as_ref()
        .to_vec())
}

pub(crate) fn x25519_public(d: &[u8]) -> Result<Vec<u8>> {
    let private = agreement::PrivateKey::from_private_key(&agreement::X25519, d)
        .map_err(|_| bad("the private number"))?;
    Ok(private
        .compute_public_key()
        .map_err(|_| bad("the private number"))?
        .as_ref()
        .to_vec())
}

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

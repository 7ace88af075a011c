//! Keys in PEM and DER: SubjectPublicKeyInfo, PKCS#8, PKCS#1 and SEC 1.

use der::asn1::{BitStringRef, ObjectIdentifier, UintRef};
use der::{AnyRef, Decode as _, Encode as _};
use pkcs8::spki::{AlgorithmIdentifier, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

use super::jwk::{Curve, Jwk, Material, RsaPrivate};
use crate::{Error, Result};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");

fn curve_oid(curve: Curve) -> ObjectIdentifier {
    match curve {
        Curve::P256 => ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
        Curve::P384 => ObjectIdentifier::new_unwrap("1.3.132.0.34"),
        Curve::P521 => ObjectIdentifier::new_unwrap("1.3.132.0.35"),
    }
}

fn curve_of(oid: ObjectIdentifier) -> Result<Curve> {
    Curve::ALL
        .into_iter()
        .find(|c| curve_oid(*c) == oid)
        .ok_or_else(|| malformed("unknown curve"))
}

fn malformed(what: &str) -> Error {
    Error::InvalidInput(format!("the key file is not usable: {what}"))
}

fn der_error(_: impl std::fmt::Debug) -> Error {
    malformed("malformed DER")
}

impl Jwk {
    /// Reads a public or private key from PEM. Encrypted keys are refused: decrypt them first.
    ///
    /// # Errors
    /// [`Error::InvalidInput`].
    pub fn from_pem(text: &str) -> Result<Self> {
        if text.len() > 64 * 1024 {
            return Err(malformed("it is too large"));
        }
        let (label, data) =
            der::pem::decode_vec(text.trim().as_bytes()).map_err(|_| malformed("malformed PEM"))?;
        let data = Zeroizing::new(data);
        match label {
            "PUBLIC KEY" => Self::from_spki(&data),
            "PRIVATE KEY" => Self::from_pkcs8(&data),
            "RSA PRIVATE KEY" => Self::from_pkcs1(&data),
            "RSA PUBLIC KEY" => rsa_public(&data),
            "EC PRIVATE KEY" => {
                let key = sec1::EcPrivateKey::from_der(&data).map_err(der_error)?;
                let oid = key.parameters.as_ref().and_then(|p| p.named_curve());
                Self::from_ec_private(
                    curve_of(oid.ok_or_else(|| malformed("no curve"))?)?,
                    key.private_key,
                )
            }
            "ENCRYPTED PRIVATE KEY" => Err(malformed("it is encrypted")),
            _ => Err(malformed("unknown PEM label")),
        }
    }

    /// Reads a DER-encoded SubjectPublicKeyInfo (RFC 5280).
    ///
    /// # Errors
    /// [`Error::InvalidInput`].
    pub fn from_spki(data: &[u8]) -> Result<Self> {
        let info = SubjectPublicKeyInfoRef::try_from(data).map_err(der_error)?;
        let key = info
            .subject_public_key
            .as_bytes()
            .ok_or_else(|| malformed("unused bits"))?;
        match info.algorithm.oid {
            RSA => rsa_public(key),
            EC => {
                let curve = curve_of(info.algorithm.parameters_oid().map_err(der_error)?)?;
                if key.first() != Some(&4) || key.len() != 1 + 2 * curve.len() {
                    return Err(malformed("the point is not in uncompressed form"));
                }
                let (x, y) = key[1..].split_at(curve.len());
                Self::new(Material::Ec {
                    curve,
                    x: x.to_vec(),
                    y: y.to_vec(),
                    d: None,
                })
            }
            ED25519 => Self::new(Material::Ed25519 {
                x: key.to_vec(),
                d: None,
            }),
            X25519 => Self::new(Material::X25519 {
                x: key.to_vec(),
                d: None,
            }),
            _ => Err(malformed("unknown key type")),
        }
    }

    /// Reads a DER-encoded PKCS#8 private key (RFC 5958).
    ///
    /// # Errors
    /// [`Error::InvalidInput`].
    pub fn from_pkcs8(data: &[u8]) -> Result<Self> {
        let info = pkcs8::PrivateKeyInfoRef::try_from(data).map_err(der_error)?;
        let key = info.private_key.as_bytes();
        // RFC 8410: the seed is itself wrapped in an OCTET STRING.
        let seed = || match key {
            [4, 32, seed @ ..] if seed.len() == 32 => Ok(Zeroizing::new(seed.to_vec())),
            _ => Err(malformed("malformed seed")),
        };
        match info.algorithm.oid {
            RSA => Self::from_pkcs1(key),
            EC => {
                let curve = curve_of(info.algorithm.parameters_oid().map_err(der_error)?)?;
                Self::from_ec_private(
                    curve,
                    sec1::EcPrivateKey::from_der(key)
                        .map_err(der_error)?
                        .private_key,
                )
            }
            ED25519 => {
                use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
                let d = seed()?;
                let pair = Ed25519KeyPair::from_seed_unchecked(&d)
                    .map_err(|_| malformed("malformed seed"))?;
                Self::new(Material::Ed25519 {
                    x: pair.public_key().as_ref().to_vec(),
                    d: Some(d),
                })
            }
            X25519 => {
                let d = seed()?;
                Self::new(Material::X25519 {
                    x: super::jwk::x25519_public(&d)?,
                    d: Some(d),
                })
            }
            _ => Err(malformed("unknown key type")),
        }
    }

    fn from_pkcs1(data: &[u8]) -> Result<Self> {
        let key = pkcs1::RsaPrivateKeyRef::from_der(data).map_err(der_error)?;
        let bytes = |n: &UintRef<'_>| n.as_bytes().to_vec();
        Self::new(Material::Rsa {
            n: bytes(&key.modulus),
            e: bytes(&key.public_exponent),
            private: Some(Box::new(RsaPrivate {
                d: bytes(&key.private_exponent),
                p: bytes(&key.prime1),
                q: bytes(&key.prime2),
                dp: bytes(&key.exponent1),
                dq: bytes(&key.exponent2),
                qi: bytes(&key.coefficient),
            })),
        })
    }

    /// The public part as a DER-encoded SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a shared secret.
    pub fn to_spki(&self) -> Result<Vec<u8>> {
        let (oid, parameters, key) = match &self.material {
            Material::Oct(_) => return Err(malformed("a shared secret has no public part")),
            Material::Rsa { n, e, .. } => {
                let key = pkcs1::RsaPublicKeyRef {
                    modulus: UintRef::new(n).map_err(der_error)?,
                    public_exponent: UintRef::new(e).map_err(der_error)?,
                };
                (RSA, Some(AnyRef::NULL), key.to_der().map_err(der_error)?)
            }
            Material::Ec { curve, .. } => {
                let oid = curve_oid(*curve);
                return spki(EC, Some(AnyRef::from(&oid)), &self.point());
            }
            Material::Ed25519 { x, .. } => (ED25519, None, x.clone()),
            Material::X25519 { x, .. } => (X25519, None, x.clone()),
        };
        spki(oid, parameters, &key)
    }

    /// The public part as PEM.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a shared secret.
    pub fn to_public_pem(&self) -> Result<String> {
        der::pem::encode_string("PUBLIC KEY", der::pem::LineEnding::LF, &self.to_spki()?)
            .map_err(der_error)
    }
}

fn spki(oid: ObjectIdentifier, parameters: Option<AnyRef<'_>>, key: &[u8]) -> Result<Vec<u8>> {
    SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifier { oid, parameters },
        subject_public_key: BitStringRef::from_bytes(key).map_err(der_error)?,
    }
    .to_der()
    .map_err(der_error)
}

fn rsa_public(data: &[u8]) -> Result<Jwk> {
    let key = pkcs1::RsaPublicKeyRef::from_der(data).map_err(der_error)?;
    Jwk::new(Material::Rsa {
        n: key.modulus.as_bytes().to_vec(),
        e: key.public_exponent.as_bytes().to_vec(),
        private: None,
    })
}

//! Encrypted tokens (JWE, RFC 7516) in the compact form.
//!
//! Key management: `dir`, `A128KW`, `A256KW`, `RSA-OAEP`, `RSA-OAEP-256`, `ECDH-ES`, `ECDH-ES+A128KW`,
//! `ECDH-ES+A256KW`. Left out on purpose: `RSA1_5` (padding oracles), `PBES2` (the sender sets the cost), `zip`
//! (decompression bombs, and it tells about the plaintext). ASVS 5.0: v5.0.0-9.1.2, v5.0.0-11.3.1. CWE-327.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    self, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrap as _};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::{agreement, constant_time, digest, hmac, iv};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::super::MAX_TOKEN_LEN;
use super::jwk::{Curve, Jwk, Material, Secret};
use crate::encoding::{b64url, b64url_decode};
use crate::{Error, Result, random};

const ALGORITHMS: [&str; 8] = [
    "dir",
    "A128KW",
    "A256KW",
    "RSA-OAEP",
    "RSA-OAEP-256",
    "ECDH-ES",
    "ECDH-ES+A128KW",
    "ECDH-ES+A256KW",
];

/// Content encryption.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Enc {
    A128Gcm,
    A256Gcm,
    A128CbcHs256,
    A256CbcHs512,
}

impl Enc {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "A128GCM" => Self::A128Gcm,
            "A256GCM" => Self::A256Gcm,
            "A128CBC-HS256" => Self::A128CbcHs256,
            "A256CBC-HS512" => Self::A256CbcHs512,
            _ => return None,
        })
    }

    fn key_len(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::A256Gcm | Self::A128CbcHs256 => 32,
            Self::A256CbcHs512 => 64,
        }
    }

    fn gcm(self, key: &[u8]) -> Result<LessSafeKey> {
        let algorithm = if self == Self::A128Gcm {
            &aead::AES_128_GCM
        } else {
            &aead::AES_256_GCM
        };
        UnboundKey::new(algorithm, key)
            .map(LessSafeKey::new)
            .map_err(|_| Error::VerificationFailed)
    }

    fn is_gcm(self) -> bool {
        matches!(self, Self::A128Gcm | Self::A256Gcm)
    }

    /// RFC 7518 section 5.2.2: the first half of HMAC(AAD | IV | ciphertext | bit length of AAD).
    fn cbc_tag(self, mac_key: &[u8], aad: &[u8], iv: &[u8], ciphertext: &[u8]) -> Vec<u8> {
        let hash = if self == Self::A128CbcHs256 {
            hmac::HMAC_SHA256
        } else {
            hmac::HMAC_SHA512
        };
        let mut context = hmac::Context::with_key(&hmac::Key::new(hash, mac_key));
        for part in [aad, iv, ciphertext, &(aad.len() as u64 * 8).to_be_bytes()] {
            context.update(part);
        }
        let tag = context.sign();
        tag.as_ref()[..tag.as_ref().len() / 2].to_vec()
    }

    fn cbc_key(self, key: &[u8]) -> Result<UnboundCipherKey> {
        let algorithm = if self == Self::A128CbcHs256 {
            &cipher::AES_128
        } else {
            &cipher::AES_256
        };
        UnboundCipherKey::new(algorithm, key).map_err(|_| Error::VerificationFailed)
    }

    /// (IV, ciphertext, tag)
    fn seal(self, key: &[u8], aad: &[u8], plaintext: &[u8]) -> Result<(Vec<u8>, Vec<u8>, Vec<u8>)> {
        let failed = |_| Error::Unsupported("encryption failed".into());
        let mut data = plaintext.to_vec();
        if self.is_gcm() {
            let nonce: [u8; 12] = random::array()?;
            let tag = self
                .gcm(key)?
                .seal_in_place_separate_tag(
                    Nonce::assume_unique_for_key(nonce),
                    Aad::from(aad),
                    &mut data,
                )
                .map_err(failed)?;
            return Ok((nonce.to_vec(), data, tag.as_ref().to_vec()));
        }
        let (mac_key, enc_key) = key.split_at(key.len() / 2);
        let iv: [u8; 16] = random::array()?;
        PaddedBlockEncryptingKey::cbc_pkcs7(self.cbc_key(enc_key)?)
            .and_then(|k| {
                k.less_safe_encrypt(
                    &mut data,
                    cipher::EncryptionContext::Iv128(iv::FixedLength::from(iv)),
                )
            })
            .map_err(failed)?;
        let tag = self.cbc_tag(mac_key, aad, &iv, &data);
        Ok((iv.to_vec(), data, tag))
    }

    fn open(
        self,
        key: &[u8],
        aad: &[u8],
        iv: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Result<Secret> {
        if key.len() != self.key_len() {
            return Err(Error::VerificationFailed);
        }
        if self.is_gcm() {
            let nonce =
                Nonce::try_assume_unique_for_key(iv).map_err(|_| Error::VerificationFailed)?;
            let mut out = Zeroizing::new(vec![0; ciphertext.len()]);
            self.gcm(key)?
                .open_separate_gather(nonce, Aad::from(aad), ciphertext, tag, &mut out)
                .map_err(|_| Error::VerificationFailed)?;
            return Ok(out);
        }
        let (mac_key, enc_key) = key.split_at(key.len() / 2);
        let iv: [u8; 16] = iv.try_into().map_err(|_| Error::VerificationFailed)?;
        constant_time::verify_slices_are_equal(&self.cbc_tag(mac_key, aad, &iv, ciphertext), tag)
            .map_err(|_| Error::VerificationFailed)?;
        let mut data = Zeroizing::new(ciphertext.to_vec());
        let plain = PaddedBlockDecryptingKey::cbc_pkcs7(self.cbc_key(enc_key)?)
            .and_then(|k| {
                k.decrypt(
                    &mut data,
                    cipher::DecryptionContext::Iv128(iv::FixedLength::from(iv)),
                )
                .map(|p| p.len())
            })
            .map_err(|_| Error::VerificationFailed)?;
        data.truncate(plain);
        Ok(data)
    }
}

fn wrong_key() -> Error {
    Error::InvalidInput("the key does not fit the key management algorithm".into())
}

fn enc_from(name: &str) -> Result<Enc> {
    Enc::from_name(name).ok_or_else(|| {
        Error::InvalidInput("enc is A128GCM, A256GCM, A128CBC-HS256 or A256CBC-HS512".into())
    })
}

fn kek(algorithm: &str, key: &[u8]) -> Result<AesKek> {
    let cipher = if algorithm.ends_with("A128KW") {
        &AES_128
    } else {
        &AES_256
    };
    AesKek::new(cipher, key).map_err(|_| wrong_key())
}

pub(super) fn wrap(algorithm: &str, key: &[u8], cek: &[u8]) -> Result<Vec<u8>> {
    let mut out = vec![0; cek.len() + 8];
    let n = kek(algorithm, key)?
        .wrap(cek, &mut out)
        .map_err(|_| wrong_key())?
        .len();
    out.truncate(n);
    Ok(out)
}

pub(super) fn unwrap(algorithm: &str, key: &[u8], wrapped: &[u8]) -> Result<Secret> {
    if wrapped.len() < 24 || wrapped.len() > 128 {
        return Err(Error::VerificationFailed);
    }
    let mut out = Zeroizing::new(vec![0; wrapped.len()]);
    let n = kek(algorithm, key)?
        .unwrap(wrapped, &mut out)
        .map_err(|_| Error::VerificationFailed)?
        .len();
    out.truncate(n);
    Ok(out)
}

/// RFC 7518 section 4.6.2: Concat KDF with SHA-256.
fn concat_kdf(shared: &[u8], id: &str, apu: &[u8], apv: &[u8], len: usize) -> Secret {
    let mut out = Zeroizing::new(Vec::new());
    let mut counter = 1u32;
    while out.len() < len {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&counter.to_be_bytes());
        hash.update(shared);
        for part in [id.as_bytes(), apu, apv] {
            hash.update(&(part.len() as u32).to_be_bytes());
            hash.update(part);
        }
        hash.update(&(len as u32 * 8).to_be_bytes());
        out.extend_from_slice(hash.finish().as_ref());
        counter += 1;
    }
    out.truncate(len);
    out
}

/// The derived key of an ECDH-ES algorithm: the content key itself, or the key that wraps it.
pub(super) fn agree(
    private: &Jwk,
    public: &Jwk,
    algorithm: &str,
    enc_name: &str,
    enc: Enc,
    apu: &[u8],
    apv: &[u8],
) -> Result<Secret> {
    let (id, len) = match algorithm {
        "ECDH-ES" => (enc_name, enc.key_len()),
        "ECDH-ES+A128KW" => (algorithm, 16),
        _ => (algorithm, 32),
    };
    let kdf = |shared: &[u8]| Ok(concat_kdf(shared, id, apu, apv, len));
    match (&private.material, &public.material) {
        (
            Material::Ec {
                curve, d: Some(d), ..
            },
            Material::Ec { curve: other, .. },
        ) if curve == other => {
            let key = agreement::PrivateKey::from_private_key(curve.agreement(), d)
                .map_err(|_| wrong_key())?;
            let peer = agreement::UnparsedPublicKey::new(curve.agreement(), public.point());
            agreement::agree(&key, peer, Error::VerificationFailed, kdf)
        }
        (Material::X25519 { d: Some(d), .. }, Material::X25519 { x, .. }) => {
            let key = agreement::PrivateKey::from_private_key(&agreement::X25519, d)
                .map_err(|_| wrong_key())?;
            agreement::agree(
                &key,
                agreement::UnparsedPublicKey::new(&agreement::X25519, x),
                Error::VerificationFailed,
                kdf,
            )
        }
        _ => Err(wrong_key()),
    }
}

/// Whether the key is for this kind of encryption, by what it says about itself.
fn fits(key: &Jwk, algorithm: &str, enc_name: &str) -> bool {
    const OPERATIONS: [&str; 6] = [
        "encrypt",
        "decrypt",
        "wrapKey",
        "unwrapKey",
        "deriveKey",
        "deriveBits",
    ];
    let own_algorithm = match key.alg.as_deref() {
        None => true,
        Some(own) if own.starts_with("ECDH-ES") => algorithm.starts_with("ECDH-ES"),
        Some(own) => own == algorithm || algorithm == "dir" && own == enc_name,
    };
    own_algorithm && key.key_use.as_deref().is_none_or(|u| u == "enc") && key.permits(&OPERATIONS)
}

fn symmetric(key: &Jwk, len: usize) -> Result<&[u8]> {
    match &key.material {
        Material::Oct(k) if k.len() == len => Ok(k),
        Material::Oct(k) => Err(Error::InvalidInput(format!(
            "the algorithm needs a key of {len} bytes, not {}",
            k.len()
        ))),
        _ => Err(wrong_key()),
    }
}

/// Encrypts `plaintext` for `key`.
///
/// # Errors
/// [`Error::InvalidInput`] for an unknown algorithm or a key that does not fit it.
pub fn encrypt(
    key: &Jwk,
    algorithm: &str,
    enc_name: &str,
    typ: Option<&str>,
    plaintext: &[u8],
) -> Result<String> {
    let enc = enc_from(enc_name)?;
    if plaintext.len() > MAX_TOKEN_LEN / 2 {
        return Err(Error::InvalidInput(
            "the payload of a token has at most 32 KiB".into(),
        ));
    }
    if !fits(key, algorithm, enc_name) {
        return Err(Error::InvalidInput(
            "the key is not for this encryption".into(),
        ));
    }
    let mut header = Map::new();
    header.insert("alg".into(), algorithm.into());
    header.insert("enc".into(), enc_name.into());
    if let Some(kid) = &key.kid {
        header.insert("kid".into(), kid.as_str().into());
    }
    if let Some(typ) = typ {
        header.insert("typ".into(), typ.into());
    }
    let fresh = || random::bytes(enc.key_len()).map(Zeroizing::new);
    let (cek, wrapped) = match algorithm {
        "dir" => (
            Zeroizing::new(symmetric(key, enc.key_len())?.to_vec()),
            Vec::new(),
        ),
        "A128KW" | "A256KW" => {
            let cek = fresh()?;
            let wrapped = wrap(
                algorithm,
                symmetric(key, if algorithm == "A128KW" { 16 } else { 32 })?,
                &cek,
            )?;
            (cek, wrapped)
        }
        "RSA-OAEP" | "RSA-OAEP-256" => {
            let cek = fresh()?;
            let Material::Rsa { .. } = key.material else {
                return Err(wrong_key());
            };
            let public = PublicEncryptingKey::from_der(&key.to_spki()?)
                .and_then(|k| OaepPublicEncryptingKey::new(k).map_err(Into::into))
                .map_err(|_| wrong_key())?;
            let oaep = if algorithm == "RSA-OAEP" {
                &OAEP_SHA1_MGF1SHA1
            } else {
                &OAEP_SHA256_MGF1SHA256
            };
            let mut out = vec![0; public.ciphertext_size()];
            public
                .encrypt(oaep, &cek, &mut out, None)
                .map_err(|_| wrong_key())?;
            (cek, out)
        }
        "ECDH-ES" | "ECDH-ES+A128KW" | "ECDH-ES+A256KW" => {
            let ephemeral = match &key.material {
                Material::Ec {
                    curve: Curve::P256, ..
                } => Jwk::generate("ES256")?,
                Material::Ec {
                    curve: Curve::P384, ..
                } => Jwk::generate("ES384")?,
                Material::Ec {
                    curve: Curve::P521, ..
                } => Jwk::generate("ES512")?,
                Material::X25519 { .. } => Jwk::generate("ECDH-ES")?,
                _ => return Err(wrong_key()),
            };
            let mut epk = ephemeral.to_public()?;
            (epk.kid, epk.alg, epk.key_use) = (None, None, None);
            let epk = serde_json::from_str(&epk.to_json()).map_err(|_| wrong_key())?;
            header.insert("epk".into(), epk);
            let derived = agree(&ephemeral, key, algorithm, enc_name, enc, b"", b"")?;
            if algorithm == "ECDH-ES" {
                (derived, Vec::new())
            } else {
                let cek = fresh()?;
                let wrapped = wrap(algorithm, &derived, &cek)?;
                (cek, wrapped)
            }
        }
        _ => {
            return Err(Error::InvalidInput(format!(
                "alg is one of {}",
                ALGORITHMS.join(", ")
            )));
        }
    };
    let header = b64url(Value::Object(header).to_string());
    let (iv, ciphertext, tag) = enc.seal(&cek, header.as_bytes(), plaintext)?;
    Ok([
        header,
        b64url(wrapped),
        b64url(iv),
        b64url(ciphertext),
        b64url(tag),
    ]
    .join("."))
}

/// Decrypts JWE tokens of the named algorithms.
pub struct Decrypter {
    keys: Vec<Jwk>,
    algorithms: Vec<String>,
    encs: Vec<String>,
}

/// A decrypted token.
#[derive(Debug, Clone)]
pub struct Decrypted {
    /// The protected header, JSON.
    pub header: Vec<u8>,
    /// The plaintext.
    pub plaintext: Secret,
}

impl Decrypter {
    /// Accepts only the named key management and content encryption algorithms.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for no or an unknown algorithm.
    pub fn new(keys: Vec<Jwk>, algorithms: Vec<String>, encs: Vec<String>) -> Result<Self> {
        if algorithms.is_empty() || encs.is_empty() {
            return Err(Error::InvalidInput("name the algorithms to accept".into()));
        }
        if algorithms.iter().any(|a| !ALGORITHMS.contains(&a.as_str())) {
            return Err(Error::InvalidInput(format!(
                "alg is one of {}",
                ALGORITHMS.join(", ")
            )));
        }
        for enc in &encs {
            enc_from(enc)?;
        }
        Ok(Self {
            keys,
            algorithms,
            encs,
        })
    }

    /// Decrypts a token.
    ///
    /// # Errors
    /// [`Error::NotVerified`] for what the header shows, [`Error::UnknownKey`], and [`Error::VerificationFailed`]
    /// for everything after, without telling which step failed.
    pub fn decrypt(&self, token: &str) -> Result<Decrypted> {
        if token.len() > MAX_TOKEN_LEN * 2 {
            return Err(Error::NotVerified("the token is too long"));
        }
        let parts: Vec<&str> = token.split('.').take(6).collect();
        let [header64, wrapped, iv, ciphertext, tag] = parts[..] else {
            return Err(Error::NotVerified("malformed token"));
        };
        let header_json = b64url_decode(header64)?;
        let header: Map<String, Value> = serde_json::from_slice(&header_json)
            .map_err(|_| Error::NotVerified("malformed header"))?;
        if header.contains_key("crit") || header.contains_key("zip") {
            return Err(Error::NotVerified(
                "the token uses an extension that is not accepted",
            ));
        }
        let text = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default();
        let (algorithm, enc_name) = (text("alg"), text("enc"));
        if !self.algorithms.iter().any(|a| a == algorithm)
            || !self.encs.iter().any(|e| e == enc_name)
        {
            return Err(Error::NotVerified("the algorithm is not accepted"));
        }
        let enc = enc_from(enc_name)?;
        let (wrapped, iv) = (b64url_decode(wrapped)?, b64url_decode(iv)?);
        let (ciphertext, tag) = (b64url_decode(ciphertext)?, b64url_decode(tag)?);
        let kid = header.get("kid").and_then(Value::as_str);
        let mut tried = 0;
        for key in &self.keys {
            if kid.is_some_and(|kid| key.kid.as_deref().is_some_and(|own| own != kid))
                || !fits(key, algorithm, enc_name)
            {
                continue;
            }
            tried += 1;
            if tried > 8 {
                break;
            }
            let opened = content_key(key, algorithm, enc_name, enc, &header, &wrapped)
                .and_then(|cek| enc.open(&cek, header64.as_bytes(), &iv, &ciphertext, &tag));
            if let Ok(plaintext) = opened {
                return Ok(Decrypted {
                    header: header_json,
                    plaintext,
                });
            }
        }
        Err(if tried == 0 {
            Error::UnknownKey
        } else {
            Error::VerificationFailed
        })
    }
}

fn content_key(
    key: &Jwk,
    algorithm: &str,
    enc_name: &str,
    enc: Enc,
    header: &Map<String, Value>,
    wrapped: &[u8],
) -> Result<Secret> {
    match algorithm {
        "dir" if wrapped.is_empty() => Ok(Zeroizing::new(symmetric(key, enc.key_len())?.to_vec())),
        "A128KW" => unwrap(algorithm, symmetric(key, 16)?, wrapped),
        "A256KW" => unwrap(algorithm, symmetric(key, 32)?, wrapped),
        "RSA-OAEP" | "RSA-OAEP-256" => {
            let pair = key.rsa_pair()?;
            let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| wrong_key())?;
            let private = PrivateDecryptingKey::from_pkcs8(der.as_ref())
                .map_err(|_| wrong_key())
                .and_then(|k| OaepPrivateDecryptingKey::new(k).map_err(|_| wrong_key()))?;
            let oaep = if algorithm == "RSA-OAEP" {
                &OAEP_SHA1_MGF1SHA1
            } else {
                &OAEP_SHA256_MGF1SHA256
            };
            let mut out = Zeroizing::new(vec![0; private.key_size_bytes()]);
            // RFC 7516 section 11.5: on failure go on with a random key, so that timing does not tell.
            let n = match private.decrypt(oaep, wrapped, &mut out, None) {
                Ok(cek) if cek.len() == enc.key_len() => cek.len(),
                _ => {
                    let n = enc.key_len();
                    out.resize(n, 0);
                    random::fill(&mut out)?;
                    n
                }
            };
            out.truncate(n);
            Ok(out)
        }
        "ECDH-ES" | "ECDH-ES+A128KW" | "ECDH-ES+A256KW" => {
            let epk = header.get("epk").ok_or(Error::VerificationFailed)?;
            // Reading the key checks that the point is on the curve (invalid curve attacks).
            let epk = Jwk::from_json(&epk.to_string()).map_err(|_| Error::VerificationFailed)?;
            let party = |name: &str| match header.get(name) {
                None => Ok(Vec::new()),
                Some(Value::String(s)) if s.len() <= 1024 => b64url_decode(s),
                Some(_) => Err(Error::VerificationFailed),
            };
            let derived = agree(
                key,
                &epk,
                algorithm,
                enc_name,
                enc,
                &party("apu")?,
                &party("apv")?,
            )?;
            if algorithm == "ECDH-ES" {
                if wrapped.is_empty() {
                    Ok(derived)
                } else {
                    Err(Error::VerificationFailed)
                }
            } else {
                unwrap(algorithm, &derived, wrapped)
            }
        }
        _ => Err(Error::VerificationFailed),
    }
}

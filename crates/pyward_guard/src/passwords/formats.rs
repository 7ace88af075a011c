//! The texts that password hashes are stored as: PHC strings, modular crypt, passlib, Django, Werkzeug.

use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::foreign;
use super::kdf::{self, Argon2Kind, Prf, too_costly};
use super::{BCRYPT_MAX_LEN, LongBcrypt, Scheme};
use crate::encoding::{b64, b64_decode, b64_nopad, hex, hex_decode};
use crate::{Error, Result};

/// Longest stored text that is looked at.
const MAX_TEXT: usize = 1024;
/// Rounds of a SHA-crypt text that does not say.
const SHA_CRYPT_ROUNDS: u32 = 5000;

/// bcrypt's alphabet; some writers leave stray bits in the last character of the salt.
const BCRYPT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

pub(super) fn bcrypt_b64(data: &[u8]) -> String {
    BCRYPT.encode(data)
}

pub(super) fn malformed() -> Error {
    Error::InvalidInput("the stored password hash is malformed or of an unknown format".into())
}

pub(super) fn argon2_text(m: u32, t: u32, p: u32, salt: &[u8], hash: &[u8]) -> String {
    format!(
        "$argon2id$v=19$m={m},t={t},p={p}${}${}",
        b64_nopad(salt),
        b64_nopad(hash)
    )
}

pub(super) fn bcrypt_text(cost: u32, salt: &[u8], digest: &[u8]) -> String {
    format!("$2b${cost:02}${}{}", bcrypt_b64(salt), bcrypt_b64(digest))
}

pub(super) fn scrypt_text(log_n: u8, r: u32, p: u32, salt: &[u8], hash: &[u8]) -> String {
    format!(
        "$scrypt$ln={log_n},r={r},p={p}${}${}",
        b64_nopad(salt),
        b64_nopad(hash)
    )
}

/// passlib's `bcrypt-sha256` version 2: the password's HMAC under the salt's text, in base64.
pub(super) fn passlib_v2_key(salt_text: &str, password: &[u8]) -> Zeroizing<Vec<u8>> {
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, salt_text.as_bytes()),
        password,
    );
    Zeroizing::new(b64(tag.as_ref()).into_bytes())
}

/// What happens to the password before bcrypt sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PreHash {
    None,
    /// Django: hexadecimal SHA-256.
    DjangoHex,
    /// passlib, version 1: base64 of SHA-256.
    PasslibV1,
    /// passlib, version 2: base64 of HMAC-SHA-256 under the salt.
    PasslibV2,
}

/// A parsed stored hash.
pub(super) enum Stored<'a> {
    Argon2 {
        kind: Argon2Kind,
        version: u32,
        m: u32,
        t: u32,
        p: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Bcrypt {
        cost: u32,
        salt: [u8; 16],
        salt_text: &'a str,
        hash: Vec<u8>,
        pre: PreHash,
        ident: &'a str,
    },
    Scrypt {
        log_n: u8,
        r: u32,
        p: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
        phc: bool,
    },
    Pbkdf2 {
        prf: Prf,
        rounds: NonZeroU32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    ShaCrypt {
        text: &'a str,
        rounds: u32,
    },
}

pub(super) fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    // No sign, no blanks: `str::parse` would take "+5".
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(malformed());
    }
    text.parse().map_err(|_| malformed())
}

/// The values of `names` in "a=1,b=2", in this order.
fn parameters<const N: usize>(text: &str, names: [&str; N]) -> Result<[u32; N]> {
    let mut values = [0; N];
    let mut parts = text.split(',');
    for (name, value) in names.iter().zip(&mut values) {
        let part = parts
            .next()
            .and_then(|p| p.split_once('='))
            .filter(|p| p.0 == *name)
            .ok_or_else(malformed)?;
        *value = number(part.1)?;
    }
    if parts.next().is_some() {
        Err(malformed())
    } else {
        Ok(values)
    }
}

fn decode(text: &str) -> Result<Vec<u8>> {
    b64_decode(text)
        .filter(|b| !b.is_empty())
        .ok_or_else(malformed)
}

/// passlib's variant: a dot for the plus sign.
pub(super) fn decode_ab64(text: &str) -> Result<Vec<u8>> {
    decode(&text.replace('.', "+"))
}

/// A salt in passlib's base64, which may be empty.
pub(super) fn decode_salt(text: &str) -> Result<Vec<u8>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    decode_ab64(text)
}

pub(super) fn prf(name: &str) -> Result<Prf> {
    match name {
        "sha1" => Ok(Prf::Sha1),
        "sha256" => Ok(Prf::Sha256),
        "sha512" => Ok(Prf::Sha512),
        _ => Err(malformed()),
    }
}

impl<'a> Stored<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self> {
        if text.len() > MAX_TEXT {
            return Err(malformed());
        }
        let text = text.strip_prefix("{CRYPT}").unwrap_or(text);
        let parsed = match text.strip_prefix('$') {
            None if text.starts_with('{') || text.starts_with("grub.") => foreign::parse(text),
            Some(rest) => Self::parse_crypt(text, &rest.split('$').collect::<Vec<_>>()),
            None => Self::parse_named(text),
        }?;
        parsed.check_cost()?;
        Ok(parsed)
    }

    /// `$scheme$...`: PHC strings, modular crypt, passlib.
    fn parse_crypt(text: &'a str, fields: &[&'a str]) -> Result<Self> {
        match *fields {
            [name @ ("argon2id" | "argon2i" | "argon2d"), ref rest @ ..] => {
                let (version, rest) = match rest {
                    [v, rest @ ..] if v.starts_with("v=") => (number(&v[2..])?, rest),
                    rest => (16, rest),
                };
                let [params, salt, hash] = rest else {
                    return Err(malformed());
                };
                let [m, t, p] = parameters(params, ["m", "t", "p"])?;
                let kind = match name {
                    "argon2id" => Argon2Kind::Id,
                    "argon2i" => Argon2Kind::I,
                    _ => Argon2Kind::D,
                };
                Ok(Self::Argon2 {
                    kind,
                    version,
                    m,
                    t,
                    p,
                    salt: decode(salt)?,
                    hash: decode(hash)?,
                })
            }
            [ident @ ("2a" | "2b" | "2y"), cost, rest] => {
                Self::bcrypt(ident, cost, rest, PreHash::None)
            }
            ["bcrypt-sha256", params, salt, hash] => {
                let (ident, cost, pre) = match params.strip_prefix("v=2,") {
                    Some(rest) => {
                        let (ident, cost) = rest
                            .strip_prefix("t=")
                            .and_then(|r| r.split_once(",r="))
                            .ok_or_else(malformed)?;
                        (ident, cost, PreHash::PasslibV2)
                    }
                    None => {
                        let (ident, cost) = params.split_once(',').ok_or_else(malformed)?;
                        (ident, cost, PreHash::PasslibV1)
                    }
                };
                if !["2a", "2b", "2y"].contains(&ident) {
                    return Err(malformed());
                }
                Self::bcrypt_parts(ident, cost, salt, hash, pre)
            }
            ["scrypt", params, salt, hash] => {
                let [log_n, r, p] = parameters(params, ["ln", "r", "p"])?;
                let log_n = u8::try_from(log_n).map_err(|_| malformed())?;
                Ok(Self::Scrypt {
                    log_n,
                    r,
                    p,
                    salt: decode(salt)?,
                    hash: decode(hash)?,
                    phc: true,
                })
            }
            [
                name @ ("pbkdf2-sha1" | "pbkdf2" | "pbkdf2-sha256" | "pbkdf2-sha512"),
                rounds,
                salt,
                hash,
            ] => Ok(Self::Pbkdf2 {
                prf: name.strip_prefix("pbkdf2-").map_or(Ok(Prf::Sha1), prf)?,
                rounds: number(match rounds.strip_prefix("i=") {
                    // The PHC string format writes the length of the hash, too.
                    Some(rest) => rest.split_once(",l=").map_or(rest, |(rounds, _)| rounds),
                    None => rounds,
                })?,
                salt: decode_salt(salt)?,
                hash: decode_ab64(hash)?,
            }),
            ["5" | "6", first, ..] if (3..=4).contains(&fields.len()) => Ok(Self::ShaCrypt {
                text,
                rounds: first
                    .strip_prefix("rounds=")
                    .map_or(Ok(SHA_CRYPT_ROUNDS), number)?,
            }),
            _ => foreign::parse_crypt(text, fields),
        }
    }

    /// Texts without a dollar sign in front: Django and Werkzeug.
    fn parse_named(text: &'a str) -> Result<Self> {
        let (name, rest) = text.split_once('$').ok_or_else(malformed)?;
        let fields: Vec<&str> = rest.split('$').collect();
        match (name, &fields[..]) {
            ("argon2", ["argon2id" | "argon2i" | "argon2d", ..]) => {
                Self::parse_crypt(&text["argon2".len()..], &fields)
            }
            ("bcrypt" | "bcrypt_sha256", ["", ident @ ("2a" | "2b" | "2y"), cost, rest]) => {
                Self::bcrypt(
                    ident,
                    cost,
                    rest,
                    if name == "bcrypt" {
                        PreHash::None
                    } else {
                        PreHash::DjangoHex
                    },
                )
            }
            ("pbkdf2_sha256" | "pbkdf2_sha1" | "pbkdf2_sha512", [rounds, salt, hash]) => {
                Ok(Self::Pbkdf2 {
                    prf: prf(&name[7..])?,
                    rounds: number(rounds)?,
                    salt: salt.as_bytes().to_vec(),
                    hash: decode(hash)?,
                })
            }
            ("scrypt", [n, salt, r, p, hash]) => Self::scrypt(n, r, p, salt, decode(hash)?),
            (method, [salt, hash]) => {
                let parts: Vec<&str> = method.split(':').collect();
                let hash = hex_decode(hash)
                    .filter(|h| !h.is_empty())
                    .ok_or_else(malformed)?;
                match parts[..] {
                    ["pbkdf2", name, rounds] => Ok(Self::Pbkdf2 {
                        prf: prf(name)?,
                        rounds: number(rounds)?,
                        salt: salt.as_bytes().to_vec(),
                        hash,
                    }),
                    ["scrypt", n, r, p] => Self::scrypt(n, r, p, salt, hash),
                    _ => Err(malformed()),
                }
            }
            _ => Err(malformed()),
        }
    }

    fn scrypt(n: &str, r: &str, p: &str, salt: &str, hash: Vec<u8>) -> Result<Self> {
        let n: u32 = number(n)?;
        if !n.is_power_of_two() {
            return Err(malformed());
        }
        let log_n = n.trailing_zeros() as u8;
        Ok(Self::Scrypt {
            log_n,
            r: number(r)?,
            p: number(p)?,
            salt: salt.as_bytes().to_vec(),
            hash,
            phc: false,
        })
    }

    fn bcrypt(ident: &'a str, cost: &str, rest: &'a str, pre: PreHash) -> Result<Self> {
        if !rest.is_ascii() || rest.len() != 53 {
            return Err(malformed());
        }
        Self::bcrypt_parts(ident, cost, &rest[..22], &rest[22..], pre)
    }

    fn bcrypt_parts(
        ident: &'a str,
        cost: &str,
        salt_text: &'a str,
        hash: &str,
        pre: PreHash,
    ) -> Result<Self> {
        let salt: [u8; 16] = BCRYPT
            .decode(salt_text)
            .ok()
            .and_then(|s| s.try_into().ok())
            .ok_or_else(malformed)?;
        let hash = BCRYPT
            .decode(hash)
            .ok()
            .filter(|h| h.len() == 23)
            .ok_or_else(malformed)?;
        Ok(Self::Bcrypt {
            cost: number(cost)?,
            salt,
            salt_text,
            hash,
            pre,
            ident,
        })
    }

    /// Bounds what one verification may cost: 1 GiB and some ten seconds.
    fn check_cost(&self) -> Result<()> {
        let good = match *self {
            Self::Argon2 {
                version,
                m,
                t,
                p,
                ref salt,
                ref hash,
                ..
            } => {
                matches!(version, 16 | 19)
                    && kdf::argon2_is_bounded(m, t, p)
                    && salt.len() >= 8
                    && (16..=128).contains(&hash.len())
            }
            Self::Bcrypt { cost, .. } => kdf::bcrypt_is_bounded(cost),
            Self::Scrypt {
                log_n,
                r,
                p,
                ref hash,
                ..
            } => kdf::scrypt_is_bounded(log_n, r, p) && (16..=128).contains(&hash.len()),
            Self::Pbkdf2 {
                prf,
                rounds,
                ref hash,
                ..
            } => {
                kdf::pbkdf2_is_bounded(prf, rounds, hash.len()) && (16..=128).contains(&hash.len())
            }
            Self::ShaCrypt { rounds, .. } => rounds <= 5_000_000,
        };
        if good { Ok(()) } else { Err(too_costly()) }
    }

    pub(super) fn memory_kib(&self) -> u64 {
        match *self {
            Self::Argon2 { m, .. } => u64::from(m),
            Self::Scrypt { log_n, r, .. } => (u64::from(r) << log_n) / 8,
            _ => 5,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Argon2 {
                kind: Argon2Kind::Id,
                ..
            } => "argon2id",
            Self::Argon2 {
                kind: Argon2Kind::I,
                ..
            } => "argon2i",
            Self::Argon2 {
                kind: Argon2Kind::D,
                ..
            } => "argon2d",
            Self::Bcrypt {
                pre: PreHash::None, ..
            } => "bcrypt",
            Self::Bcrypt { .. } => "bcrypt-sha256",
            Self::Scrypt { .. } => "scrypt",
            Self::Pbkdf2 { .. } => "pbkdf2",
            Self::ShaCrypt { text, .. } if text.starts_with("$5") => "sha256-crypt",
            Self::ShaCrypt { .. } => "sha512-crypt",
        }
    }

    /// (the password is right, bcrypt did not look at all of it)
    pub(super) fn check(&self, password: &[u8]) -> Result<(bool, bool)> {
        let equal = |a: &[u8], b: &[u8]| constant_time::verify_slices_are_equal(a, b).is_ok();
        match self {
            Self::Argon2 {
                kind,
                version,
                m,
                t,
                p,
                salt,
                hash,
            } => {
                let mut out = Zeroizing::new(vec![0; hash.len()]);
                kdf::argon2(*kind, *version, *m, *t, *p, password, salt, &mut out)?;
                Ok((equal(&out, hash), false))
            }
            Self::Bcrypt {
                cost,
                salt,
                salt_text,
                hash,
                pre,
                ..
            } => {
                let sha256 = || digest::digest(&digest::SHA256, password);
                let key = match pre {
                    PreHash::None => Zeroizing::new(password.to_vec()),
                    PreHash::DjangoHex => Zeroizing::new(hex(sha256().as_ref()).into_bytes()),
                    PreHash::PasslibV1 => Zeroizing::new(b64(sha256()).into_bytes()),
                    PreHash::PasslibV2 => passlib_v2_key(salt_text, password),
                };
                Ok((
                    equal(&kdf::bcrypt(*cost, salt, &key), hash),
                    key.len() > BCRYPT_MAX_LEN,
                ))
            }
            Self::Scrypt {
                log_n,
                r,
                p,
                salt,
                hash,
                ..
            } => {
                let mut out = Zeroizing::new(vec![0; hash.len()]);
                kdf::scrypt(*log_n, *r, *p, password, salt, &mut out)?;
                Ok((equal(&out, hash), false))
            }
            Self::Pbkdf2 {
                prf,
                rounds,
                salt,
                hash,
            } => {
                let mut out = Zeroizing::new(vec![0; hash.len()]);
                kdf::pbkdf2(*prf, *rounds, password, salt, &mut out);
                Ok((equal(&out, hash), false))
            }
            // As with passwords over the limit for all: nobody signs in with one that costs minutes to check.
            Self::ShaCrypt { rounds, .. }
                if !kdf::sha_crypt_is_bounded(*rounds, password.len()) =>
            {
                Ok((false, false))
            }
            Self::ShaCrypt { text, .. } => {
                use sha_crypt::PasswordVerifier as _;
                use sha_crypt::password_hash::Error as HashError;
                let hash = sha_crypt::PasswordHashRef::new(text).map_err(|_| malformed())?;
                match sha_crypt::ShaCrypt::default().verify_password(password, hash) {
                    Ok(()) => Ok((true, false)),
                    Err(HashError::PasswordInvalid) => Ok((false, false)),
                    Err(_) => Err(malformed()),
                }
            }
        }
    }

    /// Whether the hash is what the scheme would make today.
    pub(super) fn is_current(&self, scheme: Scheme, long_bcrypt: LongBcrypt) -> bool {
        match (self, scheme) {
            (
                Self::Argon2 {
                    kind: Argon2Kind::Id,
                    version: 19,
                    m,
                    t,
                    p,
                    salt,
                    hash,
                },
                Scheme::Argon2id {
                    memory_kib,
                    time_cost,
                    parallelism,
                },
            ) => {
                (*m, *t, *p) == (memory_kib, time_cost, parallelism)
                    && salt.len() >= 16
                    && hash.len() >= 32
            }
            (
                Self::Bcrypt {
                    cost, pre, ident, ..
                },
                Scheme::Bcrypt { cost: wanted },
            ) => {
                let form = match long_bcrypt {
                    LongBcrypt::Refuse => PreHash::None,
                    LongBcrypt::PreHash => PreHash::PasslibV2,
                };
                *cost == wanted && *pre == form && *ident == "2b"
            }
            (
                Self::Scrypt {
                    log_n,
                    r,
                    p,
                    salt,
                    hash,
                    phc: true,
                },
                Scheme::Scrypt {
                    log_n: ln,
                    r: wr,
                    p: wp,
                },
            ) => (*log_n, *r, *p) == (ln, wr, wp) && salt.len() >= 16 && hash.len() >= 32,
            _ => false,
        }
    }
}

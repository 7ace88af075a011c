//! The key derivation functions, with bounds on what a stored hash may ask for.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use zeroize::Zeroizing;

use super::BCRYPT_MAX_LEN;
use crate::{Error, Result};

/// Argon2's variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Argon2Kind {
    D,
    I,
    Id,
}

/// PBKDF2's hash functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prf {
    Sha1,
    Sha256,
    Sha512,
}

pub(super) fn too_costly() -> Error {
    Error::InvalidInput("the stored hash asks for unreasonable work".into())
}

#[allow(clippy::too_many_arguments)]
pub(super) fn argon2(
    kind: Argon2Kind,
    version: u32,
    memory_kib: u32,
    time_cost: u32,
    parallelism: u32,
    password: &[u8],
    salt: &[u8],
    out: &mut [u8],
) -> Result<()> {
    let unusable = |_| Error::InvalidInput("the parameters of Argon2 are unusable".into());
    let algorithm = match kind {
        Argon2Kind::D => argon2::Algorithm::Argon2d,
        Argon2Kind::I => argon2::Algorithm::Argon2i,
        Argon2Kind::Id => argon2::Algorithm::Argon2id,
    };
    let version = argon2::Version::try_from(version).map_err(unusable)?;
    let params = argon2::Params::new(memory_kib, time_cost, parallelism, Some(out.len()))
        .map_err(unusable)?;
    argon2::Argon2::new(algorithm, version, params)
        .hash_password_into(password, salt, out)
        .map_err(unusable)
}

/// The 23 bytes of bcrypt that are stored; what follows the first 72 bytes of the password is not looked at.
pub(super) fn bcrypt(cost: u32, salt: &[u8; 16], password: &[u8]) -> [u8; 23] {
    let mut key = Zeroizing::new(Vec::with_capacity(password.len() + 1));
    key.extend_from_slice(password);
    key.push(0);
    key.truncate(BCRYPT_MAX_LEN);
    let digest = ::bcrypt::bcrypt(cost, *salt, &key);
    let mut out = [0; 23];
    out.copy_from_slice(&digest[..23]);
    out
}

pub(super) fn scrypt(
    log_n: u8,
    r: u32,
    p: u32,
    password: &[u8],
    salt: &[u8],
    out: &mut [u8],
) -> Result<()> {
    let unusable = || Error::InvalidInput("the parameters of scrypt are unusable".into());
    let params = ::scrypt::Params::new(log_n, r, p).map_err(|_| unusable())?;
    ::scrypt::scrypt(password, salt, &params, out).map_err(|_| unusable())
}

pub(super) fn pbkdf2(prf: Prf, rounds: NonZeroU32, password: &[u8], salt: &[u8], out: &mut [u8]) {
    let algorithm = match prf {
        Prf::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        Prf::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        Prf::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
    };
    pbkdf2::derive(algorithm, rounds, salt, password, out);
}

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

/// Most costly parameters that are computed, whether a stored hash or a caller asks for them: what is hashed can be
/// verified. 1 GiB and some ten seconds on a common server.
pub(super) fn argon2_is_bounded(memory_kib: u32, time_cost: u32, parallelism: u32) -> bool {
    (8..=1 << 20).contains(&memory_kib)
        && (1..=argon2_most_time(memory_kib)).contains(&time_cost)
        && (1..=64).contains(&parallelism)
}

/// Most passes over an amount of memory: 16 GiB written in all.
pub(super) fn argon2_most_time(memory_kib: u32) -> u32 {
    ((1 << 24) / memory_kib.max(1)).min(4096)
}

pub(super) fn bcrypt_is_bounded(cost: u32) -> bool {
    (4..=18).contains(&cost)
}

pub(super) fn scrypt_is_bounded(log_n: u8, r: u32, p: u32) -> bool {
    (1..=24).contains(&log_n)
        && (1..=64).contains(&r)
        && (1..=64).contains(&p)
        && u64::from(r) << log_n <= 1 << 23
        && u64::from(r * p) << log_n <= 1 << 25
}

/// PBKDF2 computes every block of its output anew.
pub(super) fn pbkdf2_is_bounded(prf: Prf, rounds: NonZeroU32, length: usize) -> bool {
    let block = match prf {
        Prf::Sha1 => 20,
        Prf::Sha256 => 32,
        Prf::Sha512 => 64,
    };
    u64::from(rounds.get()) * length.div_ceil(block) as u64 <= 20_000_000
}

/// SHA-crypt hashes the password in every round, so that long ones multiply its cost.
pub(super) fn sha_crypt_is_bounded(rounds: u32, password: usize) -> bool {
    u64::from(rounds) * (password as u64 + 64) <= 1 << 30
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

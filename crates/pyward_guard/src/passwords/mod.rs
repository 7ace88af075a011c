//! Password hashing: Argon2id by default, bcrypt and scrypt, and the verification of what other libraries stored.
//!
//! CWE-256, CWE-916, CWE-759, CWE-204 (user enumeration); ASVS 5.0: v5.0.0-11.4.2, v5.0.0-6.2.8, v5.0.0-6.3.8.
//! Parameters: OWASP Password Storage Cheat Sheet, RFC 9106.
//!
//! ```
//! use pyward_guard::passwords::{Gate, Hasher, LongBcrypt, Scheme};
//! // At most 4 hashes at a time, and 256 MiB for all of them.
//! let gate = Gate::new(4, 256 << 10);
//! let hasher = Hasher::new(Scheme::ARGON2ID, LongBcrypt::Refuse, vec![], gate)?;
//! let stored = hasher.hash(b"correct horse")?;
//! assert!(hasher.verify(b"correct horse", Some(&stored))?.ok);
//! assert!(!hasher.verify(b"wrong horse", Some(&stored))?.ok);
//! // An unknown user takes as long as a wrong password.
//! assert!(!hasher.verify(b"correct horse", None)?.ok);
//! let weak = Scheme::Argon2id { memory_kib: 1024, time_cost: 1, parallelism: 1 };
//! assert!(Hasher::new(weak, LongBcrypt::Refuse, vec![], Gate::new(4, 256 << 10)).is_err());
//! # Ok::<(), pyward_guard::Error>(())
//! ```

mod breach;
mod foreign;
mod formats;
mod gate;
mod generate;
mod kdf;
mod strength;

use std::sync::LazyLock;
use std::time::Instant;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

pub use breach::{BreachFile, BreachRanges, CommonPasswords, range_count, sha1_hex};
pub use gate::Gate;
pub use generate::{Generated, Passphrase, characters, passphrase};
pub use strength::{Strength, strength};

use crate::encoding::b64;
use crate::{Error, Result, random};
use formats::Stored;

/// Longest password that is hashed, in bytes: enough for any passphrase, too short to be a burden.
pub const MAX_PASSWORD_LEN: usize = 4096;
/// What bcrypt looks at, in bytes.
pub const BCRYPT_MAX_LEN: usize = 72;

const PEPPER_PREFIX: &str = "$pepper-hmac-sha256$k=";

/// How new passwords are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Argon2id (RFC 9106), version 19.
    Argon2id {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over the memory.
        time_cost: u32,
        /// Lanes.
        parallelism: u32,
    },
    /// bcrypt, format `$2b$`.
    Bcrypt {
        /// Base-2 logarithm of the rounds.
        cost: u32,
    },
    /// scrypt (RFC 7914).
    Scrypt {
        /// Base-2 logarithm of N.
        log_n: u8,
        /// Block size.
        r: u32,
        /// Parallelism.
        p: u32,
    },
}

impl Scheme {
    /// Argon2id with 19 MiB, 2 passes, 1 lane: the OWASP recommendation.
    pub const ARGON2ID: Self = Self::Argon2id {
        memory_kib: 19456,
        time_cost: 2,
        parallelism: 1,
    };
    /// bcrypt with 2^12 rounds.
    pub const BCRYPT: Self = Self::Bcrypt { cost: 12 };
    /// scrypt with N = 2^17, r = 8, p = 1: 128 MiB.
    pub const SCRYPT: Self = Self::Scrypt {
        log_n: 17,
        r: 8,
        p: 1,
    };

    /// The name used in interfaces.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Argon2id { .. } => "argon2id",
            Self::Bcrypt { .. } => "bcrypt",
            Self::Scrypt { .. } => "scrypt",
        }
    }

    /// Refuses parameters below the minimum of the OWASP cheat sheet and beyond what a server should spend.
    fn check(self) -> Result<()> {
        let refuse = |text: &str| Err(Error::InvalidInput(text.to_owned()));
        match self {
            Self::Argon2id {
                memory_kib,
                time_cost,
                parallelism,
            } => {
                if time_cost < argon2_minimum_time(memory_kib).unwrap_or(u32::MAX) {
                    return refuse(
                        "Argon2id is below the OWASP minimum: 46 MiB with 1 pass, 19 with 2, 12 with 3, 9 with 4, 7 with 5",
                    );
                }
                if !kdf::argon2_is_bounded(memory_kib, time_cost, parallelism) {
                    return refuse(
                        "Argon2id takes up to 1 GiB, 16 GiB over all passes, and 1 to 64 lanes",
                    );
                }
            }
            Self::Bcrypt { cost } => {
                if !(10..=18).contains(&cost) {
                    return refuse("the cost of bcrypt is 10 to 18");
                }
            }
            Self::Scrypt { log_n, r, p } => {
                let minimum = match log_n {
                    17..=20 => 1,
                    16 => 2,
                    15 => 3,
                    14 => 5,
                    13 => 10,
                    _ => return refuse("N of scrypt is 2^13 to 2^20"),
                };
                if r < 8 || p < minimum {
                    return refuse(
                        "scrypt is below the OWASP minimum: r = 8 and p = 1 with N = 2^17, 2 with 2^16, 3 with 2^15, 5 with 2^14, 10 with 2^13",
                    );
                }
                if !kdf::scrypt_is_bounded(log_n, r, p) {
                    return refuse("scrypt takes up to 1 GiB, and 4 GiB over all p");
                }
            }
        }
        Ok(())
    }

    /// Memory of one computation in KiB.
    fn memory_kib(self) -> u64 {
        match self {
            Self::Argon2id { memory_kib, .. } => u64::from(memory_kib),
            Self::Bcrypt { .. } => 5,
            Self::Scrypt { log_n, r, .. } => (u64::from(r) << log_n) / 8,
        }
    }
}

/// Least passes of the OWASP cheat sheet for an amount of memory.
fn argon2_minimum_time(memory_kib: u32) -> Option<u32> {
    Some(match memory_kib {
        47104.. => 1,
        19456.. => 2,
        12288.. => 3,
        9216.. => 4,
        7168.. => 5,
        _ => return None,
    })
}

/// What bcrypt does with passwords of more than 72 bytes, which it would cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongBcrypt {
    /// Refuses to hash them.
    Refuse,
    /// Hashes all passwords with HMAC-SHA-256 first (passlib's `bcrypt-sha256` format, version 2).
    PreHash,
}

/// A secret mixed into every password, kept outside the database.
pub struct Pepper {
    /// Names the pepper in the stored hashes.
    pub id: String,
    /// The secret, at least 16 bytes.
    pub secret: Zeroizing<Vec<u8>>,
}

/// Outcome of a verification.
#[must_use = "the password is right only when `ok` says so"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verification {
    /// The password is right.
    pub ok: bool,
    /// The password is right and should be hashed again: weaker or other parameters, scheme or pepper.
    pub needs_rehash: bool,
    /// How the stored hash was made.
    pub scheme: &'static str,
    /// bcrypt looked at the first 72 bytes of the password only.
    pub truncated: bool,
}

/// Hashes and verifies passwords.
pub struct Hasher {
    scheme: Scheme,
    long_bcrypt: LongBcrypt,
    peppers: Vec<Pepper>,
    gate: Gate,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<&str> = self.peppers.iter().map(|p| p.id.as_str()).collect();
        f.debug_struct("Hasher")
            .field("scheme", &self.scheme)
            .field("peppers", &ids)
            .finish_non_exhaustive()
    }
}

impl Hasher {
    /// A hasher; the first pepper is used for new hashes, the others verify old ones.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for parameters below the OWASP minimum or beyond what the gate lets through, malformed
    /// pepper ids or short peppers.
    pub fn new(
        scheme: Scheme,
        long_bcrypt: LongBcrypt,
        peppers: Vec<Pepper>,
        gate: Gate,
    ) -> Result<Self> {
        scheme.check()?;
        if scheme.memory_kib() > gate.max_memory_kib() {
            return Err(Error::InvalidInput(
                "one hash takes more memory than all together may".into(),
            ));
        }
        for (i, pepper) in peppers.iter().enumerate() {
            let id = &pepper.id;
            if id.is_empty()
                || id.len() > 32
                || !id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            {
                return Err(Error::InvalidInput(
                    "a pepper id has 1 to 32 letters, digits, - _ or .".into(),
                ));
            }
            if pepper.secret.len() < 16 {
                return Err(Error::InvalidInput("a pepper has at least 16 bytes".into()));
            }
            if peppers[..i].iter().any(|p| p.id == *id) {
                return Err(Error::InvalidInput("two peppers have the same id".into()));
            }
        }
        Ok(Self {
            scheme,
            long_bcrypt,
            peppers,
            gate,
        })
    }

    /// How new passwords are hashed.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    fn pepper(secret: &[u8], password: &[u8]) -> Zeroizing<Vec<u8>> {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), password);
        Zeroizing::new(b64(tag.as_ref()).into_bytes())
    }

    /// Hashes a password with a fresh salt: a PHC string, with the pepper's id in front if there is one.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an empty password, one over 4096 bytes, or one that bcrypt would cut off or end
    /// early.
    pub fn hash(&self, password: &[u8]) -> Result<String> {
        if password.is_empty() {
            return Err(Error::InvalidInput("the password is empty".into()));
        }
        if password.len() > MAX_PASSWORD_LEN {
            return Err(Error::InvalidInput(format!(
                "the password is over {MAX_PASSWORD_LEN} bytes"
            )));
        }
        match self.peppers.first() {
            Some(pepper) => {
                let inner = self.hash_plain(&Self::pepper(&pepper.secret, password))?;
                Ok(format!("{PEPPER_PREFIX}{}{inner}", pepper.id))
            }
            None => self.hash_plain(password),
        }
    }

    fn hash_plain(&self, password: &[u8]) -> Result<String> {
        let salt: [u8; 16] = random::array()?;
        let _turn = self.gate.enter(self.scheme.memory_kib());
        match self.scheme {
            Scheme::Argon2id { memory_kib, time_cost, parallelism } => {
                let mut out = Zeroizing::new([0; 32]);
                kdf::argon2(kdf::Argon2Kind::Id, 19, memory_kib, time_cost, parallelism, password, &salt, &mut *out)?;
                Ok(formats::argon2_text(memory_kib, time_cost, parallelism, &salt, &*out))
            }
            Scheme::Bcrypt { cost } => match self.long_bcrypt {
                LongBcrypt::Refuse if password.len() > BCRYPT_MAX_LEN => Err(Error::InvalidInput(
                    "bcrypt would ignore what follows the first 72 bytes of the password: use argon2id, or pre-hashing".into(),
                )),
                LongBcrypt::Refuse if password.contains(&0) => {
                    Err(Error::InvalidInput("bcrypt ends a password at its first NUL byte".into()))
                }
                LongBcrypt::Refuse => Ok(formats::bcrypt_text(cost, &salt, &kdf::bcrypt(cost, &salt, password))),
                LongBcrypt::PreHash => {
                    let salt_text = formats::bcrypt_b64(&salt);
                    let key = formats::passlib_v2_key(&salt_text, password);
                    let digest = formats::bcrypt_b64(&kdf::bcrypt(cost, &salt, &key));
                    Ok(format!("$bcrypt-sha256$v=2,t=2b,r={cost}${salt_text}${digest}"))
                }
            },
            Scheme::Scrypt { log_n, r, p } => {
                let mut out = Zeroizing::new([0; 32]);
                kdf::scrypt(log_n, r, p, password, &salt, &mut *out)?;
                Ok(formats::scrypt_text(log_n, r, p, &salt, &*out))
            }
        }
    }

    /// Verifies a password against a stored hash of any supported format. Without one (no such user) the same work
    /// is done and the answer is no, so that the time does not tell whether the user exists (CWE-204). The same goes
    /// for the marks of accounts without a password: what begins with `!` (Django, Unix) or `*` (Unix).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a malformed, unknown or unreasonably costly hash (more memory than the gate lets
    /// through, too), [`Error::UnknownKey`] for a pepper that is not configured. A wrong password is no error.
    pub fn verify(&self, password: &[u8], stored: Option<&str>) -> Result<Verification> {
        let no = Verification {
            ok: false,
            needs_rehash: false,
            scheme: self.scheme.name(),
            truncated: false,
        };
        if password.len() > MAX_PASSWORD_LEN {
            return Ok(no);
        }
        let Some(stored) = stored.filter(|stored| !is_unusable(stored)) else {
            // One byte stands in for the empty password, which `hash` refuses.
            self.hash_plain(if password.is_empty() {
                b"x"
            } else {
                &password[..password.len().min(BCRYPT_MAX_LEN)]
            })
            .or_else(|_| self.hash_plain(b"x"))?;
            return Ok(no);
        };
        let (pepper_id, text) = match stored.strip_prefix(PEPPER_PREFIX) {
            Some(rest) => {
                let at = rest.find('$').ok_or_else(formats::malformed)?;
                (Some(&rest[..at]), &rest[at..])
            }
            None => (None, stored),
        };
        let peppered = match pepper_id {
            Some(id) => {
                let pepper = self
                    .peppers
                    .iter()
                    .find(|p| p.id == id)
                    .ok_or(Error::UnknownKey)?;
                Some(Self::pepper(&pepper.secret, password))
            }
            None => None,
        };
        let password = peppered.as_ref().map_or(password, |p| p.as_slice());
        let parsed = Stored::parse(text)?;
        if parsed.memory_kib() > self.gate.max_memory_kib() {
            return Err(kdf::too_costly());
        }
        let _turn = self.gate.enter(parsed.memory_kib());
        let (ok, truncated) = parsed.check(password)?;
        let current = parsed.is_current(self.scheme, self.long_bcrypt)
            && pepper_id == self.peppers.first().map(|p| p.id.as_str());
        Ok(Verification {
            ok,
            needs_rehash: ok && (!current || truncated),
            scheme: parsed.name(),
            truncated,
        })
    }

    /// Whether a stored hash should be replaced at the next log-in, without knowing the password.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a malformed or unknown hash.
    pub fn needs_rehash(&self, stored: &str) -> Result<bool> {
        if is_unusable(stored) {
            return Ok(false);
        }
        let (pepper_id, text) = match stored
            .strip_prefix(PEPPER_PREFIX)
            .and_then(|r| r.find('$').map(|at| r.split_at(at)))
        {
            Some((id, text)) => (Some(id), text),
            None => (None, stored),
        };
        let parsed = Stored::parse(text)?;
        Ok(!parsed.is_current(self.scheme, self.long_bcrypt)
            || pepper_id != self.peppers.first().map(|p| p.id.as_str()))
    }
}

/// Marks of accounts that nobody signs in to with a password.
fn is_unusable(stored: &str) -> bool {
    stored.starts_with(['!', '*'])
}

/// Argon2id parameters that take about `target_seconds` on this host with the given memory, never below the OWASP
/// minimum.
///
/// # Errors
/// [`Error::InvalidInput`] for a target outside 0.01 to 10 seconds or memory outside 7 MiB to 1 GiB.
pub fn calibrate(target_seconds: f64, memory_kib: u32, parallelism: u32) -> Result<Scheme> {
    if !(0.01..=10.0).contains(&target_seconds) {
        return Err(Error::InvalidInput(
            "the target is 0.01 to 10 seconds".into(),
        ));
    }
    let least = argon2_minimum_time(memory_kib)
        .ok_or_else(|| Error::InvalidInput("Argon2id takes at least 7 MiB".into()))?;
    Scheme::Argon2id {
        memory_kib,
        time_cost: least,
        parallelism,
    }
    .check()?;
    let run = |time_cost| {
        let start = Instant::now();
        let mut out = [0; 32];
        kdf::argon2(
            kdf::Argon2Kind::Id,
            19,
            memory_kib,
            time_cost,
            parallelism,
            b"calibration",
            &[7; 16],
            &mut out,
        )?;
        Ok::<f64, Error>(start.elapsed().as_secs_f64())
    };
    // It touches the memory for the first time.
    run(1)?;
    let most = kdf::argon2_most_time(memory_kib);
    Ok(Scheme::Argon2id {
        memory_kib,
        time_cost: fitting_cost(target_seconds, most, run)?.clamp(least, most),
        parallelism,
    })
}

/// The time cost at which `run`, which says how many seconds a hash took, takes about `target` seconds.
///
/// What else the host does only ever makes a run longer: the quicker of two counts, and a long one is estimated from
/// no run much shorter than itself or a quarter of a second.
fn fitting_cost(target: f64, most: u32, mut run: impl FnMut(u32) -> Result<f64>) -> Result<u32> {
    let mut cost = 1;
    loop {
        let seconds = run(cost)?.min(run(cost)?).max(1e-6);
        let fitting = (f64::from(cost) * target / seconds) as u32;
        if cost >= most || seconds >= 0.25 || seconds >= target / 2.0 {
            return Ok(fitting.clamp(1, most));
        }
        cost = fitting.clamp(cost + 1, cost.saturating_mul(4)).min(most);
    }
}

/// Of all files that are opened at a time: their senders choose the memory.
static FILES: LazyLock<Gate> = LazyLock::new(|| {
    Gate::new(
        std::thread::available_parallelism().map_or(1, usize::from),
        1 << 20,
    )
});

/// scrypt without a policy, for file formats that set its parameters. No more than 1 GiB in all at a time, and no more
/// runs than there are processors.
pub(crate) fn raw_scrypt(
    log_n: u8,
    r: u32,
    p: u32,
    password: &[u8],
    salt: &[u8],
    out: &mut [u8],
) -> Result<()> {
    let _turn = FILES.enter((u64::from(r) << log_n).div_ceil(8));
    kdf::scrypt(log_n, r, p, password, salt, out)
}

/// Argon2id with the default parameters of the kit over a given salt, for secrets that are compared in groups. No more
/// run at a time than there are processors.
pub(crate) fn raw_argon2id(password: &[u8], salt: &[u8], out: &mut [u8]) -> Result<()> {
    static GATE: LazyLock<Gate> = LazyLock::new(|| {
        Gate::new(
            std::thread::available_parallelism().map_or(1, usize::from),
            u64::MAX,
        )
    });
    let _turn = GATE.enter(19456);
    kdf::argon2(kdf::Argon2Kind::Id, 19, 19456, 2, 1, password, salt, out)
}

#[cfg(test)]
mod tests;

//! Rate limits and progressive lock-out, in this process's memory.
//!
//! Protects against brute force (CWE-307) and resource exhaustion (CWE-770, CWE-799).
//! ASVS 5.0: v5.0.0-6.3.1, v5.0.0-2.4.1.
//!
//! Times are milliseconds of any clock that does not run backwards; the caller passes them in.
//!
//! ```
//! use pyward_guard::limits::{Limiter, Rule};
//! let limiter = Limiter::new(Rule::window(2, 1000)?, 10_000)?;
//! assert!(limiter.check(b"10.0.0.1", 1, 0).allowed);
//! assert!(limiter.check(b"10.0.0.1", 1, 1).allowed);
//! let third = limiter.check(b"10.0.0.1", 1, 2);
//! assert!(!third.allowed && third.retry_after > 0);
//! # Ok::<(), pyward_guard::Error>(())
//! ```

mod lockout;
mod rate;
mod table;

pub use lockout::{Attempt, Locked, Lockout, LockoutRule, Scope};
pub use rate::{Decision, Limiter, Rule, SEGMENTS};

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Stands for a caller's key: two independently keyed 64-bit hashes, so that a key costs 16 bytes whatever its
/// length and nobody outside the process can aim for a collision.
pub(crate) struct KeyHasher(RandomState, RandomState);

impl KeyHasher {
    pub(crate) fn new() -> Self {
        Self(RandomState::new(), RandomState::new())
    }

    pub(crate) fn hash(&self, key: &[u8]) -> u128 {
        (u128::from(self.0.hash_one(key)) << 64) | u128::from(self.1.hash_one(key))
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every update is a handful of stores that cannot panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Tokens: signed and expiring, JWT/JWS/JWE, PASETO v4, and those of itsdangerous.

pub mod itsdangerous;
pub mod jose;
pub mod paseto;
pub mod signed;

use std::time::{SystemTime, UNIX_EPOCH};

/// Longest token that is looked at, in bytes: longer ones are refused before any work is spent on them.
pub const MAX_TOKEN_LEN: usize = 64 * 1024;

/// Seconds since 1970 by the system clock.
#[must_use]
pub fn unix_now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

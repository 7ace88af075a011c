//! Tokens: signed and expiring, JWT/JWS/JWE, PASETO v4, and those of itsdangerous.
//!
//! ```
//! use std::sync::Arc;
//! use pyward_guard::crypto::{KeyKind, KeySet};
//! use pyward_guard::tokens::signed::TokenSigner;
//! let keys = Arc::new(KeySet::generate(KeyKind::Mac)?);
//! let resets = TokenSigner::new(keys.clone(), "password-reset")?;
//! let (lifetime, now) = (3600, 1_000_000);
//! let token = resets.issue(b"user 7", lifetime, now)?;
//! assert_eq!(resets.verify(&token, None, now + 1000)?.payload, b"user 7");
//! assert!(resets.verify(&token, None, now + 3_600_001).is_err());
//! assert!(TokenSigner::new(keys, "sign-in")?.verify(&token, None, now + 1000).is_err());
//! # Ok::<(), pyward_guard::Error>(())
//! ```

pub mod itsdangerous;
pub mod jose;
pub mod paseto;
pub mod signed;

use std::time::{SystemTime, UNIX_EPOCH};

/// Longest token that is looked at, in bytes: longer ones are refused before any work is spent on them.
pub const MAX_TOKEN_LEN: usize = 64 * 1024;

/// Whether an Ed25519 public key is one of the points under which there are signatures that fit any message: those of
/// order 1, 2, 4 and 8, in every spelling (RFC 8032 section 5.1.3 does not exclude them).
pub(crate) fn is_small_order(public: &[u8]) -> bool {
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let Ok(mut y) = <[u8; 32]>::try_from(public) else {
        return false;
    };
    y[31] &= 0x7f;
    // y of 0 and 1; of -1, 0 and 1 written as p - 1, p and p + 1, where p is 2^255 - 19.
    let low = y[0] <= 1 && y[1..].iter().all(|b| *b == 0);
    let high =
        (0xec..=0xee).contains(&y[0]) && y[1..31].iter().all(|b| *b == 0xff) && y[31] == 0x7f;
    low || high || ORDER_8.contains(&y)
}

/// Seconds since 1970 by the system clock.
#[must_use]
pub fn unix_now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

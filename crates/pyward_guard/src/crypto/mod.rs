//! Encryption with key sets: create, rotate, disable and destroy keys without breaking what is stored.
//!
//! The formats are Tink's (ciphertext prefix with key id, key set JSON, AES-GCM-HKDF streaming), so that data
//! written here can be read by any Tink implementation and the other way round.

pub mod aead;
pub mod keyset;
mod proto;

pub use keyset::{KeyInfo, KeyKind, KeySet, KeyStatus};

/// Compares in time that depends on the lengths only (CWE-208; ASVS 5.0: v5.0.0-11.2.4).
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

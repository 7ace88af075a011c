//! Encryption with key sets: create, rotate, disable and destroy keys without breaking what is stored.
//!
//! The formats are Tink's (ciphertext prefix with key id, key set JSON, AES-GCM-HKDF streaming), so that data
//! written here can be read by any Tink implementation and the other way round; files can be age's.
//!
//! ```
//! use pyward_guard::crypto::{KeyKind, KeySet, aead};
//! let keys = KeySet::generate(KeyKind::Aead)?;
//! let sealed = aead::encrypt(&keys, b"4111 1111 1111 1111", b"card:17")?;
//! keys.rotate()?;
//! assert_eq!(aead::decrypt(&keys, &sealed, b"card:17")?, b"4111 1111 1111 1111");
//! // Neither in another row nor with a bit changed, nor with a key set for something else.
//! assert!(aead::decrypt(&keys, &sealed, b"card:18").is_err());
//! let mut changed = sealed.clone();
//! changed[20] ^= 1;
//! assert!(aead::decrypt(&keys, &changed, b"card:17").is_err());
//! assert!(aead::encrypt(&KeySet::generate(KeyKind::Mac)?, b"x", b"").is_err());
//! # Ok::<(), pyward_guard::Error>(())
//! ```

pub mod aead;
pub mod age;
mod chunks;
pub mod deterministic;
pub mod keyset;
mod proto;
pub mod stream;

use aws_lc_rs::{digest, hkdf, hmac};
use zeroize::Zeroizing;

pub use keyset::{KeyInfo, KeyKind, KeySet, KeyStatus};

use crate::{Error, Result};

/// Compares in time that depends on the lengths only (CWE-208; ASVS 5.0: v5.0.0-11.2.4).
#[must_use]
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// SHA-256 of data for a purpose: the same data gives unrelated hashes for different purposes (CWE-327).
#[must_use]
pub fn hash_for(purpose: &str, data: &[u8]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"pyward_guard hash 1\0");
    context.update(&(purpose.len() as u64).to_be_bytes());
    context.update(purpose.as_bytes());
    context.update(data);
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-SHA256 (RFC 5869) with the purpose as `info`: one key for each purpose from one secret.
///
/// # Errors
/// [`Error::InvalidInput`] for a secret below 16 bytes, an empty purpose, or a length of zero or over 8160 bytes.
pub fn derive_key(
    secret: &[u8],
    purpose: &str,
    salt: &[u8],
    length: usize,
) -> Result<Zeroizing<Vec<u8>>> {
    if secret.len() < 16 || purpose.is_empty() || !(1..=8160).contains(&length) {
        return Err(Error::InvalidInput(
            "a secret of 16 bytes, a purpose and a length of 1 to 8160 are needed".into(),
        ));
    }
    hkdf_sha256(secret, salt, purpose.as_bytes(), length)
}

pub(crate) fn hkdf_sha256(
    secret: &[u8],
    salt: &[u8],
    info: &[u8],
    length: usize,
) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |_| Error::InvalidInput("key derivation failed".into());
    let mut out = Zeroizing::new(vec![0; length]);
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    prk.expand(&[info], Length(length))
        .map_err(failed)?
        .fill(&mut out)
        .map_err(failed)?;
    Ok(out)
}

/// Searchable keyed hashes of field values (blind index) under a key set of the kind [`KeyKind::Mac`].
///
/// Equal values give equal indexes: whoever reads the table sees which rows are equal, and how often. Truncation to few
/// bits makes different values share an index and hides that again, at the price of false hits to filter out.
/// The first index is of the primary key (store that one); the others find rows written before a rotation.
///
/// # Errors
/// [`Error::InvalidInput`] for another kind of key set, an empty purpose, or bits outside 8 to 256 or no multiple of 8.
pub fn blind_indexes(
    keys: &KeySet,
    purpose: &str,
    bits: usize,
    value: &[u8],
) -> Result<Vec<Vec<u8>>> {
    keys.expect(KeyKind::Mac)?;
    if purpose.is_empty() || !(8..=256).contains(&bits) || !bits.is_multiple_of(8) {
        return Err(Error::InvalidInput(
            "a blind index has a purpose and 8 to 256 bits in whole bytes".into(),
        ));
    }
    keys.read(|k| {
        let primary = k.primary()?.id;
        let mut entries: Vec<_> = k
            .entries
            .iter()
            .filter(|e| e.status == KeyStatus::Enabled)
            .collect();
        entries.sort_by_key(|e| e.id != primary);
        entries
            .iter()
            .map(|e| {
                let key = hkdf_sha256(
                    &e.material,
                    b"pyward_guard blind index 1",
                    purpose.as_bytes(),
                    32,
                )?;
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), value);
                Ok(tag.as_ref()[..bits / 8].to_vec())
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{hex, hex_decode};

    /// RFC 5869 appendix A.1.
    #[test]
    fn hkdf_known_answer() {
        let info = hex_decode("f0f1f2f3f4f5f6f7f8f9").unwrap();
        let salt = hex_decode("000102030405060708090a0b0c").unwrap();
        let okm = hkdf_sha256(&[0x0b; 22], &salt, &info, 42).unwrap();
        assert_eq!(
            hex(&okm),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
    }

    #[test]
    fn purposes_separate() {
        assert_ne!(hash_for("a", b"x"), hash_for("b", b"x"));
        assert_ne!(hash_for("a", b"bx"), hash_for("ab", b"x"));
        assert!(derive_key(&[1; 15], "p", b"", 32).is_err());
        assert_ne!(
            *derive_key(&[1; 16], "p", b"", 32).unwrap(),
            *derive_key(&[1; 16], "q", b"", 32).unwrap()
        );
        assert!(
            constant_time_eq(b"a", b"a")
                && !constant_time_eq(b"a", b"b")
                && !constant_time_eq(b"a", b"aa")
        );
    }

    #[test]
    fn blind_index_rotation() {
        let keys = KeySet::generate(KeyKind::Mac).unwrap();
        let old = blind_indexes(&keys, "email", 64, b"ada@example.org").unwrap();
        keys.rotate().unwrap();
        let new = blind_indexes(&keys, "email", 64, b"ada@example.org").unwrap();
        assert_eq!((new.len(), &new[1]), (2, &old[0]));
        assert_eq!(new[0].len(), 8);
        assert_ne!(
            new,
            blind_indexes(&keys, "phone", 64, b"ada@example.org").unwrap()
        );
        assert!(
            blind_indexes(&keys, "", 64, b"x").is_err()
                && blind_indexes(&keys, "p", 4, b"x").is_err()
        );
    }
}

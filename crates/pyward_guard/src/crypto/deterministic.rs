//! Deterministic authenticated encryption (AES-SIV, RFC 5297, Tink's format): equal plaintexts give equal ciphertexts.
//!
//! That makes encrypted columns comparable, and shows everyone who reads them which rows are equal. Use
//! [`super::aead`] unless you need just that. CWE-327; ASVS 5.0: v5.0.0-11.3.2.

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes256Siv;

use super::aead::PREFIX_LEN;
use super::keyset::{KeyKind, KeySet, KeyStatus};
use crate::{Error, Result};

const TAG_LEN: usize = 16;

fn cipher(material: &[u8]) -> Result<Aes256Siv> {
    Aes256Siv::new_from_slice(material)
        .map_err(|_| Error::InvalidInput("an AES-SIV key has 64 bytes".into()))
}

/// Encrypts; the same key, plaintext and associated data always give the same ciphertext.
///
/// # Errors
/// [`Error::InvalidInput`] for another kind of key set.
pub fn encrypt(keys: &KeySet, plaintext: &[u8], associated_data: &[u8]) -> Result<Vec<u8>> {
    keys.expect(KeyKind::Deterministic)?;
    keys.read(|k| {
        let entry = k.primary()?;
        let sealed = cipher(&entry.material)?
            .encrypt([associated_data], plaintext)
            .map_err(|_| Error::InvalidInput("the message is too long".into()))?;
        if entry.raw {
            return Ok(sealed);
        }
        let mut out = Vec::with_capacity(PREFIX_LEN + sealed.len());
        out.push(1);
        out.extend(entry.id.to_be_bytes());
        out.extend(sealed);
        Ok(out)
    })
}

/// The ciphertexts of a value under every enabled key, the primary one's first: what to search for during a rotation.
///
/// # Errors
/// As [`encrypt`].
pub fn search_values(
    keys: &KeySet,
    plaintext: &[u8],
    associated_data: &[u8],
) -> Result<Vec<Vec<u8>>> {
    let first = encrypt(keys, plaintext, associated_data)?;
    keys.read(|k| {
        let mut all = vec![first];
        for entry in k
            .entries
            .iter()
            .filter(|e| e.status == KeyStatus::Enabled && e.id != k.primary)
        {
            let sealed = cipher(&entry.material)?
                .encrypt([associated_data], plaintext)
                .map_err(|_| Error::InvalidInput("the message is too long".into()))?;
            all.push(if entry.raw {
                sealed
            } else {
                [&[1][..], &entry.id.to_be_bytes(), &sealed].concat()
            });
        }
        Ok(all)
    })
}

/// Decrypts and verifies.
///
/// # Errors
/// [`Error::UnknownKey`] or [`Error::VerificationFailed`].
pub fn decrypt(keys: &KeySet, ciphertext: &[u8], associated_data: &[u8]) -> Result<Vec<u8>> {
    keys.expect(KeyKind::Deterministic)?;
    keys.read(|k| {
        if let Some((1, rest)) = ciphertext.split_first().map(|(v, r)| (*v, r))
            && let Some((id, body)) = rest.split_first_chunk::<4>()
            && let Some(entry) = k.enabled(u32::from_be_bytes(*id)).filter(|e| !e.raw)
        {
            if body.len() < TAG_LEN {
                return Err(Error::VerificationFailed);
            }
            return cipher(&entry.material)?
                .decrypt([associated_data], body)
                .map_err(|_| Error::VerificationFailed);
        }
        let mut seen = false;
        for entry in k
            .entries
            .iter()
            .filter(|e| e.raw && e.status == KeyStatus::Enabled)
        {
            seen = true;
            if ciphertext.len() >= TAG_LEN
                && let Ok(plain) = cipher(&entry.material)?.decrypt([associated_data], ciphertext)
            {
                return Ok(plain);
            }
        }
        Err(if seen {
            Error::VerificationFailed
        } else {
            Error::UnknownKey
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That the crates are built with their wiping of keys.
    #[test]
    fn keys_are_wiped() {
        fn wiped<T: zeroize::ZeroizeOnDrop>() {}
        wiped::<Aes256Siv>();
        wiped::<aes::Aes256>();
        wiped::<cmac::block_api::CmacCore<aes::Aes256>>();
        wiped::<sha2::Sha256>();
    }

    #[test]
    fn equal_values_are_equal_and_bound_to_their_place() {
        let keys = KeySet::generate(KeyKind::Deterministic).unwrap();
        let a = encrypt(&keys, b"ada@example.org", b"email").unwrap();
        assert_eq!(a, encrypt(&keys, b"ada@example.org", b"email").unwrap());
        assert_ne!(a, encrypt(&keys, b"ada@example.org", b"phone").unwrap());
        assert_eq!(decrypt(&keys, &a, b"email").unwrap(), b"ada@example.org");
        assert!(decrypt(&keys, &a, b"phone").is_err());
        keys.rotate().unwrap();
        assert_eq!(decrypt(&keys, &a, b"email").unwrap(), b"ada@example.org");
        assert_eq!(
            search_values(&keys, b"ada@example.org", b"email").unwrap()[1],
            a
        );
        for i in 0..a.len() {
            let mut bad = a.clone();
            bad[i] ^= 1;
            assert!(decrypt(&keys, &bad, b"email").is_err());
            assert!(decrypt(&keys, &a[..i], b"email").is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_refused(data: Vec<u8>) {
            let keys = KeySet::from_secrets(KeyKind::Deterministic, &[&[7; 64]]).unwrap();
            proptest::prop_assert!(decrypt(&keys, &data, b"").is_err());
        }
    }
}

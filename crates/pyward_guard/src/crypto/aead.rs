//! Authenticated encryption with associated data under a key set (AES-256-GCM, Tink's format).
//!
//! Ciphertext: `01 | key id (4 bytes, big-endian) | nonce (12) | ciphertext | tag (16)`.
//! CWE-327, CWE-353; ASVS 5.0: v5.0.0-11.3.1, v5.0.0-11.3.2, v5.0.0-11.3.3, v5.0.0-11.3.4.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};

use super::keyset::{Entry, KeyKind, KeySet, Keys, Prepared};
use crate::{Error, Result, random};

/// Bytes in front of the nonce: version and key id.
pub const PREFIX_LEN: usize = 5;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
/// Bytes a ciphertext is longer than its plaintext.
pub const OVERHEAD: usize = PREFIX_LEN + NONCE_LEN + TAG_LEN;

fn key_of(entry: &Entry) -> Result<&LessSafeKey> {
    match &entry.prepared {
        Prepared::Aead(key) => Ok(key),
        _ => Err(Error::UnknownKey),
    }
}

/// Length of the ciphertext the set's primary key makes of `plaintext_len` bytes.
///
/// # Errors
/// [`Error::InvalidInput`] when the set is not of the kind [`KeyKind::Aead`].
pub fn sealed_len(keys: &KeySet, plaintext_len: usize) -> Result<usize> {
    keys.expect(KeyKind::Aead)?;
    keys.read(|k| {
        Ok(plaintext_len + NONCE_LEN + TAG_LEN + if k.primary()?.raw { 0 } else { PREFIX_LEN })
    })
}

/// Encrypts into `out`, which must have [`sealed_len`] bytes.
///
/// # Errors
/// [`Error::InvalidInput`] for the wrong kind of key set or length of `out`.
pub fn encrypt_into(
    keys: &KeySet,
    plaintext: &[u8],
    associated_data: &[u8],
    out: &mut [u8],
) -> Result<()> {
    keys.expect(KeyKind::Aead)?;
    let nonce: [u8; NONCE_LEN] = random::array()?;
    keys.read(|k| {
        let entry = k.primary()?;
        let prefix = if entry.raw { 0 } else { PREFIX_LEN };
        if out.len() != prefix + NONCE_LEN + plaintext.len() + TAG_LEN {
            // The primary key was changed between sizing and sealing.
            return Err(Error::InvalidInput(
                "the output has the wrong length".into(),
            ));
        }
        if !entry.raw {
            out[0] = 1;
            out[1..PREFIX_LEN].copy_from_slice(&entry.id.to_be_bytes());
        }
        let (head, body) = out.split_at_mut(prefix + NONCE_LEN);
        head[prefix..].copy_from_slice(&nonce);
        let (ciphertext, tag) = body.split_at_mut(plaintext.len());
        key_of(entry)?
            .seal_out_of_place_scatter(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated_data),
                plaintext,
                ciphertext,
                &[],
                tag,
            )
            .map_err(|_| Error::InvalidInput("the message is too long".into()))
    })
}

/// Encrypts with the primary key. `associated_data` is not stored; the same bytes are needed to decrypt. Bind the
/// place of the value with it (table, column, row id), so that a ciphertext cannot be moved to another row.
///
/// # Errors
/// [`Error::InvalidInput`] for the wrong kind of key set.
///
/// ```
/// use pyward_guard::crypto::{KeyKind, KeySet, aead};
/// let keys = KeySet::generate(KeyKind::Aead)?;
/// let sealed = aead::encrypt(&keys, b"4111 1111 1111 1111", b"card:17")?;
/// assert_eq!(aead::decrypt(&keys, &sealed, b"card:17")?, b"4111 1111 1111 1111");
/// assert!(aead::decrypt(&keys, &sealed, b"card:18").is_err());
/// # Ok::<(), pyward_guard::Error>(())
/// ```
pub fn encrypt(keys: &KeySet, plaintext: &[u8], associated_data: &[u8]) -> Result<Vec<u8>> {
    let mut out = vec![0; sealed_len(keys, plaintext.len())?];
    encrypt_into(keys, plaintext, associated_data, &mut out)?;
    Ok(out)
}

fn open_with(entry: &Entry, body: &[u8], associated_data: &[u8], out: &mut [u8]) -> Result<()> {
    let (nonce, rest) = body
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(Error::VerificationFailed)?;
    let (ciphertext, tag) = rest
        .split_last_chunk::<TAG_LEN>()
        .ok_or(Error::VerificationFailed)?;
    if ciphertext.len() != out.len() {
        // The keys were changed between sizing and opening.
        return Err(Error::VerificationFailed);
    }
    key_of(entry)?
        .open_separate_gather(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(associated_data),
            ciphertext,
            tag,
            out,
        )
        .map_err(|_| Error::VerificationFailed)
}

/// Decrypts and verifies.
///
/// # Errors
/// [`Error::UnknownKey`] when the key is not in the set or not enabled, [`Error::VerificationFailed`] when the
/// ciphertext or the associated data was changed.
pub fn decrypt(keys: &KeySet, ciphertext: &[u8], associated_data: &[u8]) -> Result<Vec<u8>> {
    let mut out = vec![0; opened_len(keys, ciphertext)?];
    decrypt_into(keys, ciphertext, associated_data, &mut out)?;
    Ok(out)
}

/// The enabled key that a ciphertext names, and what follows the name.
fn named<'k, 'c>(keys: &'k Keys, ciphertext: &'c [u8]) -> Option<(&'k Entry, &'c [u8])> {
    let rest = ciphertext.strip_prefix(&[1])?;
    let (id, body) = rest.split_first_chunk::<4>()?;
    let entry = keys.enabled(u32::from_be_bytes(*id)).filter(|e| !e.raw)?;
    Some((entry, body))
}

/// Length of the plaintext in a ciphertext.
///
/// # Errors
/// [`Error::InvalidInput`] for the wrong kind of key set, [`Error::UnknownKey`] and [`Error::VerificationFailed`] for what
/// cannot be a ciphertext.
pub fn opened_len(keys: &KeySet, ciphertext: &[u8]) -> Result<usize> {
    keys.expect(KeyKind::Aead)?;
    keys.read(|k| {
        let body = named(k, ciphertext).map(|(_, body)| body);
        if body.is_none() && raw_keys(k).next().is_none() {
            return Err(Error::UnknownKey);
        }
        let length = body.unwrap_or(ciphertext).len();
        length
            .checked_sub(NONCE_LEN + TAG_LEN)
            .ok_or(Error::VerificationFailed)
    })
}

/// Decrypts into a buffer of [`opened_len`] bytes.
///
/// # Errors
/// As [`decrypt`]; [`Error::VerificationFailed`] for a buffer of another length.
pub fn decrypt_into(
    keys: &KeySet,
    ciphertext: &[u8],
    associated_data: &[u8],
    out: &mut [u8],
) -> Result<()> {
    keys.expect(KeyKind::Aead)?;
    keys.read(|k| {
        if let Some((entry, body)) = named(k, ciphertext) {
            return open_with(entry, body, associated_data, out);
        }
        let mut raw = raw_keys(k).peekable();
        if raw.peek().is_none() {
            return Err(Error::UnknownKey);
        }
        raw.find_map(|e| open_with(e, ciphertext, associated_data, out).ok())
            .ok_or(Error::VerificationFailed)
    })
}

/// Tink's RAW keys write no prefix: each is tried.
fn raw_keys(keys: &Keys) -> impl Iterator<Item = &Entry> {
    let enabled = |e: &&Entry| e.raw && e.status == super::KeyStatus::Enabled;
    keys.entries.iter().filter(enabled)
}

/// The id of the key that a ciphertext names, or none for other data: tells what a re-encryption still has to do.
#[must_use]
pub fn key_id(ciphertext: &[u8]) -> Option<u32> {
    let (version, rest) = ciphertext.split_first()?;
    (*version == 1 && ciphertext.len() >= OVERHEAD)
        .then(|| rest.first_chunk::<4>().map(|id| u32::from_be_bytes(*id)))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::hex_decode;

    #[test]
    fn rotation_and_tampering() {
        let keys = KeySet::generate(KeyKind::Aead).unwrap();
        let sealed = encrypt(&keys, b"secret", b"ad").unwrap();
        let old = keys.primary_id();
        assert_eq!(key_id(&sealed), Some(old));
        keys.rotate().unwrap();
        assert_eq!(decrypt(&keys, &sealed, b"ad").unwrap(), b"secret");
        for i in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[i] ^= 1;
            assert!(decrypt(&keys, &bad, b"ad").is_err(), "byte {i}");
            assert!(decrypt(&keys, &sealed[..i], b"ad").is_err(), "cut at {i}");
        }
        keys.disable(old).unwrap();
        assert!(matches!(
            decrypt(&keys, &sealed, b"ad"),
            Err(Error::UnknownKey)
        ));
    }

    /// Test case 16 of the GCM specification (McGrew and Viega): AES-256, 60-byte plaintext, 20-byte associated data.
    #[test]
    fn known_answer() {
        let h = |s: &str| hex_decode(s).unwrap();
        let key = h("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
        let keys = KeySet::from_secrets(KeyKind::Aead, &[&key]).unwrap();
        let mut sealed = vec![1];
        sealed.extend(keys.primary_id().to_be_bytes());
        sealed.extend(h("cafebabefacedbaddecaf888"));
        sealed.extend(h(concat!(
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa",
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            "76fc6ece0f4e1768cddf8853bb2d551b"
        )));
        let plain = h(concat!(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
        ));
        let ad = h("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        assert_eq!(decrypt(&keys, &sealed, &ad).unwrap(), plain);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_refused(data: Vec<u8>) {
            let keys = KeySet::from_secrets(KeyKind::Aead, &[&[7; 32]]).unwrap();
            proptest::prop_assert!(decrypt(&keys, &data, b"").is_err());
        }

        #[test]
        fn round_trip(data: Vec<u8>, ad: Vec<u8>) {
            let keys = KeySet::from_secrets(KeyKind::Aead, &[&[7; 32]]).unwrap();
            let sealed = encrypt(&keys, &data, &ad).unwrap();
            proptest::prop_assert_eq!(sealed.len(), data.len() + OVERHEAD);
            proptest::prop_assert_eq!(decrypt(&keys, &sealed, &ad).unwrap(), data);
        }
    }
}

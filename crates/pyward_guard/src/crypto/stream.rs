//! Encryption of streams and files of any size under a key set (Tink's `AES256_GCM_HKDF_1MB`).
//!
//! Header `40 | salt (32) | nonce prefix (7)`, then segments of 1 MiB of ciphertext; the key of each stream is derived
//! from the salt and the associated data by HKDF-SHA256. Plaintext is given out by whole verified segments; only the
//! end of the stream proves that nothing was cut off, so act on it after [`Decryptor::finish`].
//! CWE-353, CWE-325; ASVS 5.0: v5.0.0-11.3.3.

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};

use super::chunks::{Chunks, NonceForm};
use super::hkdf_sha256;
use super::keyset::{KeyKind, KeySet, KeyStatus};
use crate::{Error, Result, random};

const HEADER_LEN: usize = 40;
const SEGMENT: usize = 1 << 20;
const TAG_LEN: usize = 16;

fn chunks(material: &[u8], salt: &[u8], prefix: [u8; 7], associated_data: &[u8]) -> Result<Chunks> {
    let key = hkdf_sha256(material, salt, associated_data, 32)?;
    let key = UnboundKey::new(&AES_256_GCM, &key)
        .map_err(|_| Error::InvalidInput("the key is unusable".into()))?;
    let (first, other) = (SEGMENT - HEADER_LEN - TAG_LEN, SEGMENT - TAG_LEN);
    Ok(Chunks::new(
        LessSafeKey::new(key),
        NonceForm::Tink(prefix),
        first,
        other,
    ))
}

/// Encrypts one stream.
pub struct Encryptor {
    chunks: Chunks,
    header: Vec<u8>,
}

impl Encryptor {
    /// Starts a stream with the primary key of a set of the kind [`KeyKind::Streaming`].
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for another kind.
    pub fn new(keys: &KeySet, associated_data: &[u8]) -> Result<Self> {
        keys.expect(KeyKind::Streaming)?;
        let (salt, prefix): ([u8; 32], [u8; 7]) = (random::array()?, random::array()?);
        let chunks =
            keys.read(|k| chunks(&k.primary()?.material, &salt, prefix, associated_data))?;
        let mut header = vec![HEADER_LEN as u8];
        header.extend(salt);
        header.extend(prefix);
        Ok(Self { chunks, header })
    }

    /// Takes plaintext and appends what is ready to `out`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] after the end.
    pub fn update(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.append(&mut self.header);
        self.chunks.seal(data, out)
    }

    /// Appends the last segment.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when called twice.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        out.append(&mut self.header);
        self.chunks.seal_last(out)
    }
}

/// Decrypts one stream.
pub struct Decryptor {
    /// Keys to try on the first segment: the stream does not name its key.
    candidates: Vec<Chunks>,
    keys: Vec<zeroize::Zeroizing<Vec<u8>>>,
    associated_data: Vec<u8>,
    start: Vec<u8>,
    chosen: Option<Chunks>,
    failed: bool,
}

impl Decryptor {
    /// Starts to read a stream.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for another kind of key set.
    pub fn new(keys: &KeySet, associated_data: &[u8]) -> Result<Self> {
        keys.expect(KeyKind::Streaming)?;
        let keys = keys.read(|k| {
            let mut entries: Vec<_> = k
                .entries
                .iter()
                .filter(|e| e.status == KeyStatus::Enabled)
                .collect();
            entries.sort_by_key(|e| e.id != k.primary);
            entries.iter().map(|e| e.material.clone()).collect()
        });
        Ok(Self {
            candidates: Vec::new(),
            keys,
            associated_data: associated_data.to_vec(),
            start: Vec::new(),
            chosen: None,
            failed: false,
        })
    }

    /// Takes ciphertext and appends verified plaintext to `out`.
    ///
    /// # Errors
    /// [`Error::VerificationFailed`]; the stream is unusable from then on.
    pub fn update(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if self.failed {
            return Err(Error::VerificationFailed);
        }
        let result = match &mut self.chosen {
            Some(chunks) => chunks.open(data, out),
            None => {
                self.start.extend_from_slice(data);
                // Until the first segment is complete and known not to be the last.
                if self.start.len() > SEGMENT {
                    self.choose(false, out)
                } else {
                    Ok(())
                }
            }
        };
        self.failed |= result.is_err();
        result
    }

    /// Ends the stream: verifies that it is complete and appends the last plaintext.
    ///
    /// # Errors
    /// [`Error::VerificationFailed`] when it was changed or cut off.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if std::mem::replace(&mut self.failed, true) {
            return Err(Error::VerificationFailed);
        }
        match &mut self.chosen {
            Some(chunks) => chunks.open_last(out),
            None => self.choose(true, out),
        }
    }

    fn choose(&mut self, last: bool, out: &mut Vec<u8>) -> Result<()> {
        let (header, body) = self
            .start
            .split_first_chunk::<HEADER_LEN>()
            .ok_or(Error::VerificationFailed)?;
        if usize::from(header[0]) != HEADER_LEN {
            return Err(Error::VerificationFailed);
        }
        let mut prefix = [0; 7];
        prefix.copy_from_slice(&header[33..]);
        for key in &self.keys {
            self.candidates
                .push(chunks(key, &header[1..33], prefix, &self.associated_data)?);
        }
        let length = out.len();
        for mut candidate in self.candidates.drain(..) {
            let opened = candidate.open(body, out).and_then(|()| {
                if last {
                    candidate.open_last(out)
                } else {
                    Ok(())
                }
            });
            if opened.is_ok() {
                self.start = Vec::new();
                self.chosen = Some(candidate);
                return Ok(());
            }
            out.truncate(length);
        }
        Err(Error::VerificationFailed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encrypt(keys: &KeySet, data: &[u8]) -> Vec<u8> {
        let (mut out, mut e) = (Vec::new(), Encryptor::new(keys, b"ad").unwrap());
        for part in data.chunks(300_001) {
            e.update(part, &mut out).unwrap();
        }
        e.finish(&mut out).unwrap();
        assert!(e.finish(&mut out).is_err() && e.update(b"x", &mut out).is_err());
        out
    }

    fn decrypt(keys: &KeySet, data: &[u8], step: usize, ad: &[u8]) -> Result<Vec<u8>> {
        let (mut out, mut d) = (Vec::new(), Decryptor::new(keys, ad)?);
        for part in data.chunks(step) {
            d.update(part, &mut out)?;
        }
        d.finish(&mut out)?;
        Ok(out)
    }

    #[test]
    fn sizes_around_the_borders() {
        let keys = KeySet::generate(KeyKind::Streaming).unwrap();
        let (first, other) = (SEGMENT - 56, SEGMENT - 16);
        for n in [
            0,
            1,
            first - 1,
            first,
            first + 1,
            first + other,
            first + other + 1,
        ] {
            let data: Vec<u8> = (0..n).map(|i| (i % 251) as u8).collect();
            let sealed = encrypt(&keys, &data);
            for step in [70_000, 1 << 20, usize::MAX] {
                assert_eq!(decrypt(&keys, &sealed, step, b"ad").unwrap(), data, "{n}");
            }
            assert!(decrypt(&keys, &sealed, usize::MAX, b"other").is_err());
            for cut in [0, 1, 39, 40, 56, SEGMENT, sealed.len() - 1] {
                if cut < sealed.len() {
                    assert!(
                        decrypt(&keys, &sealed[..cut], usize::MAX, b"ad").is_err(),
                        "{n} cut at {cut}"
                    );
                }
            }
        }
    }

    #[test]
    fn rotation_swaps_and_changes() {
        let keys = KeySet::generate(KeyKind::Streaming).unwrap();
        let data = vec![7; 3 * SEGMENT];
        let sealed = encrypt(&keys, &data);
        let old = keys.primary_id();
        keys.rotate().unwrap();
        assert_eq!(decrypt(&keys, &sealed, 65_536, b"ad").unwrap(), data);
        let mut swapped = sealed.clone();
        swapped[SEGMENT..3 * SEGMENT].rotate_left(SEGMENT);
        assert!(decrypt(&keys, &swapped, 65_536, b"ad").is_err());
        let mut changed = sealed.clone();
        changed[2 * SEGMENT + 5] ^= 1;
        assert!(decrypt(&keys, &changed, 65_536, b"ad").is_err());
        keys.destroy(old).unwrap();
        assert!(decrypt(&keys, &sealed, 65_536, b"ad").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_refused(data: Vec<u8>) {
            let keys = KeySet::from_secrets(KeyKind::Streaming, &[&[7; 32]]).unwrap();
            proptest::prop_assert!(decrypt(&keys, &data, 7, b"").is_err());
        }
    }
}

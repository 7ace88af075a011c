//! Chunked authenticated encryption: each chunk's nonce holds its number and whether it is the last, so that chunks
//! cannot be dropped, swapped or cut off (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár).

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use zeroize::Zeroizing;

use crate::{Error, Result};

const TAG_LEN: usize = 16;

/// How the twelve bytes of a nonce are made.
pub(super) enum NonceForm {
    /// Prefix of seven bytes, four of counter, the last flag: Tink.
    Tink([u8; 7]),
    /// Eleven bytes of counter, the last flag: age.
    Age,
}

/// State shared by sealing and opening.
pub(super) struct Chunks {
    key: LessSafeKey,
    form: NonceForm,
    counter: u64,
    /// Plaintext bytes of the first and of every other chunk.
    first: usize,
    other: usize,
    /// Not yet processed input: less than a chunk, or one whole chunk that may be the last. Never more, however much
    /// comes at once: whole chunks are taken from where they are.
    buffer: Zeroizing<Vec<u8>>,
    done: bool,
}

impl Chunks {
    pub(super) fn new(key: LessSafeKey, form: NonceForm, first: usize, other: usize) -> Self {
        Self {
            key,
            form,
            counter: 0,
            first,
            other,
            buffer: Zeroizing::default(),
            done: false,
        }
    }

    fn plain_len(&self) -> usize {
        if self.counter == 0 {
            self.first
        } else {
            self.other
        }
    }

    fn nonce(&self, last: bool) -> Result<Nonce> {
        let mut nonce = [0; 12];
        match &self.form {
            NonceForm::Tink(prefix) => {
                let counter = u32::try_from(self.counter).map_err(|_| too_long())?;
                nonce[..7].copy_from_slice(prefix);
                nonce[7..11].copy_from_slice(&counter.to_be_bytes());
            }
            NonceForm::Age => nonce[3..11].copy_from_slice(&self.counter.to_be_bytes()),
        }
        nonce[11] = u8::from(last);
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    /// Puts input aside. Where there is no room, the buffer is replaced by one for a whole chunk, and the old one wiped.
    fn keep(&mut self, data: &[u8]) {
        let length = self.buffer.len() + data.len();
        if length > self.buffer.capacity() {
            let chunk = self.first.max(self.other) + TAG_LEN;
            let room = if self.buffer.is_empty() {
                length
            } else {
                chunk
            };
            let mut larger = Zeroizing::new(Vec::with_capacity(room));
            larger.extend_from_slice(&self.buffer);
            self.buffer = larger;
        }
        self.buffer.extend_from_slice(data);
    }

    /// Seals what was put aside and what is given.
    fn seal_chunk(&mut self, data: &[u8], last: bool, out: &mut Vec<u8>) -> Result<()> {
        let (nonce, start) = (self.nonce(last)?, out.len());
        out.extend_from_slice(&self.buffer);
        out.extend_from_slice(data);
        self.buffer.clear();
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::empty(), &mut out[start..])
            .map_err(|_| Error::Unsupported("encryption failed".into()))?;
        out.extend_from_slice(tag.as_ref());
        self.counter += 1;
        Ok(())
    }

    /// Takes plaintext, gives the chunks that are certain not to be the last.
    pub(super) fn seal(&mut self, mut data: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if self.done {
            return Err(finished());
        }
        while self.buffer.len() + data.len() > self.plain_len() {
            let (chunk, rest) = data.split_at(self.plain_len() - self.buffer.len());
            self.seal_chunk(chunk, false, out)?;
            data = rest;
        }
        self.keep(data);
        Ok(())
    }

    /// Gives the last chunk.
    pub(super) fn seal_last(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if std::mem::replace(&mut self.done, true) {
            return Err(finished());
        }
        self.seal_chunk(&[], true, out)
    }

    fn open_chunk(&mut self, chunk: &[u8], last: bool, out: &mut Vec<u8>) -> Result<()> {
        let (sealed, tag) = chunk
            .split_last_chunk::<TAG_LEN>()
            .ok_or(Error::VerificationFailed)?;
        let start = out.len();
        out.resize(start + sealed.len(), 0);
        let opened = self.key.open_separate_gather(
            self.nonce(last)?,
            Aad::empty(),
            sealed,
            tag,
            &mut out[start..],
        );
        if opened.is_err() {
            out.truncate(start);
            return Err(Error::VerificationFailed);
        }
        self.counter += 1;
        Ok(())
    }

    /// Opens what was put aside.
    fn open_kept(&mut self, last: bool, out: &mut Vec<u8>) -> Result<()> {
        let chunk = std::mem::take(&mut self.buffer);
        let result = self.open_chunk(&chunk, last, out);
        self.buffer = chunk;
        self.buffer.clear();
        result
    }

    /// Takes ciphertext, gives the plaintext of the chunks that are certain not to be the last.
    pub(super) fn open(&mut self, mut data: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if self.done {
            return Err(finished());
        }
        while self.buffer.len() + data.len() > self.plain_len() + TAG_LEN {
            let missing = self.plain_len() + TAG_LEN - self.buffer.len();
            let (chunk, rest) = data.split_at(missing);
            data = rest;
            let opened = if self.buffer.is_empty() {
                self.open_chunk(chunk, false, out)
            } else {
                self.keep(chunk);
                self.open_kept(false, out)
            };
            opened.inspect_err(|_| self.done = true)?;
        }
        self.keep(data);
        Ok(())
    }

    /// Gives the plaintext of the last chunk. Fails when the stream was cut off.
    pub(super) fn open_last(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if std::mem::replace(&mut self.done, true) {
            return Err(finished());
        }
        // An empty last chunk is allowed only for an empty stream: otherwise one plaintext had two ciphertexts.
        if self.counter > 0 && self.buffer.len() <= TAG_LEN {
            return Err(Error::VerificationFailed);
        }
        self.open_kept(true, out)
    }
}

fn too_long() -> Error {
    Error::InvalidInput("the stream is too long".into())
}

fn finished() -> Error {
    Error::InvalidInput("the stream is finished".into())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::aead::{AES_256_GCM, UnboundKey};

    use super::*;

    fn chunks() -> Chunks {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());
        Chunks::new(key, NonceForm::Age, 60, 100)
    }

    #[test]
    fn keeps_one_chunk_at_most() {
        let data: Vec<u8> = (0..100_000).map(|i| (i % 251) as u8).collect();
        for step in [1, 7, 59, 60, 61, 99, 100, 101, 1000, data.len()] {
            let (mut sealer, mut sealed) = (chunks(), Vec::new());
            for part in data.chunks(step) {
                sealer.seal(part, &mut sealed).unwrap();
                assert!(sealer.buffer.capacity() <= 100 + TAG_LEN, "{step}");
            }
            sealer.seal_last(&mut sealed).unwrap();
            let (mut opener, mut opened) = (chunks(), Vec::new());
            for part in sealed.chunks(step) {
                opener.open(part, &mut opened).unwrap();
                assert!(opener.buffer.capacity() <= 100 + TAG_LEN, "{step}");
            }
            opener.open_last(&mut opened).unwrap();
            assert!(opened == data, "{step}");
        }
    }
}

//! Chunked authenticated encryption: each chunk's nonce holds its number and whether it is the last, so that chunks
//! cannot be dropped, swapped or cut off (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár).

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};

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
    /// Not yet processed input: less than a chunk, or one whole chunk that may be the last.
    buffer: Vec<u8>,
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
            buffer: Vec::new(),
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

    fn seal_chunk(&mut self, len: usize, last: bool, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        out.extend(self.buffer.drain(..len));
        let nonce = self.nonce(last)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::empty(), &mut out[start..])
            .map_err(|_| Error::Unsupported("encryption failed".into()))?;
        out.extend_from_slice(tag.as_ref());
        self.counter += 1;
        Ok(())
    }

    /// Takes plaintext, gives the chunks that are certain not to be the last.
    pub(super) fn seal(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if self.done {
            return Err(finished());
        }
        self.buffer.extend_from_slice(data);
        while self.buffer.len() > self.plain_len() {
            self.seal_chunk(self.plain_len(), false, out)?;
        }
        Ok(())
    }

    /// Gives the last chunk.
    pub(super) fn seal_last(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if std::mem::replace(&mut self.done, true) {
            return Err(finished());
        }
        self.seal_chunk(self.buffer.len(), true, out)
    }

    fn open_chunk(&mut self, len: usize, last: bool, out: &mut Vec<u8>) -> Result<()> {
        let plain_len = len.checked_sub(TAG_LEN).ok_or(Error::VerificationFailed)?;
        let start = out.len();
        out.resize(start + plain_len, 0);
        let opened = self.key.open_separate_gather(
            self.nonce(last)?,
            Aad::empty(),
            &self.buffer[..plain_len],
            &self.buffer[plain_len..len],
            &mut out[start..],
        );
        if opened.is_err() {
            out.truncate(start);
            return Err(Error::VerificationFailed);
        }
        self.buffer.drain(..len);
        self.counter += 1;
        Ok(())
    }

    /// Takes ciphertext, gives the plaintext of the chunks that are certain not to be the last.
    pub(super) fn open(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if self.done {
            return Err(finished());
        }
        self.buffer.extend_from_slice(data);
        while self.buffer.len() > self.plain_len() + TAG_LEN {
            self.open_chunk(self.plain_len() + TAG_LEN, false, out)
                .inspect_err(|_| self.done = true)?;
        }
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
        self.open_chunk(self.buffer.len(), true, out)
    }
}

fn too_long() -> Error {
    Error::InvalidInput("the stream is too long".into())
}

fn finished() -> Error {
    Error::InvalidInput("the stream is finished".into())
}

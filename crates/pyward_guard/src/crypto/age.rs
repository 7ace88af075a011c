//! Files in the age format, version 1 (age-encryption.org/v1): X25519 recipients or a passphrase.
//!
//! For exchange with people and tools; for data of an application use [`super::stream`]. Interoperates with `age`,
//! `rage` and their libraries. CWE-311, CWE-353; ASVS 5.0: v5.0.0-11.3.3.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{agreement, constant_time, hmac};
use bech32::{Bech32, Hrp};
use zeroize::Zeroizing;

use super::chunks::{Chunks, NonceForm};
use super::hkdf_sha256;
use crate::encoding::{b64_decode, b64_nopad};
use crate::passwords::raw_scrypt;
use crate::{Error, Result, random};

const INTRO: &str = "age-encryption.org/v1\n";
const CHUNK: usize = 64 * 1024;
/// Longest header that is read, and most recipients in it.
const MAX_HEADER: usize = 64 * 1024;
/// Work factor for new passphrase files: N = 2^17, about a quarter of a second.
const LOG_N: u8 = 17;
/// Largest work factor that is accepted, as the file sets it.
const MAX_LOG_N: u8 = 20;

fn malformed() -> Error {
    Error::NotVerified("not an age file, or a malformed one")
}

fn chacha(key: &[u8]) -> Result<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, key)
        .map(LessSafeKey::new)
        .map_err(|_| malformed())
}

fn seal_key(key: &[u8], file_key: &[u8; 16]) -> Result<Vec<u8>> {
    let mut body = file_key.to_vec();
    chacha(key)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key([0; 12]),
            Aad::empty(),
            &mut body,
        )
        .map_err(|_| malformed())?;
    Ok(body)
}

fn open_key(key: &[u8], body: &[u8]) -> Result<Option<Zeroizing<[u8; 16]>>> {
    let Ok(body) = <[u8; 32]>::try_from(body) else {
        return Err(malformed());
    };
    let mut out = Zeroizing::new([0; 16]);
    let opened = chacha(key)?.open_separate_gather(
        Nonce::assume_unique_for_key([0; 12]),
        Aad::empty(),
        &body[..16],
        &body[16..],
        &mut *out,
    );
    Ok(opened.is_ok().then_some(out))
}

fn shared(private: &[u8; 32], public: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let key = agreement::PrivateKey::from_private_key(&agreement::X25519, private)
        .map_err(|_| malformed())?;
    let peer = agreement::UnparsedPublicKey::new(&agreement::X25519, public);
    // AWS-LC refuses the all-zero shared secret of low-order points.
    agreement::agree(&key, peer, malformed(), |secret| {
        Ok(Zeroizing::new(secret.to_vec()))
    })
}

fn public_of(private: &[u8; 32]) -> Result<[u8; 32]> {
    let key = agreement::PrivateKey::from_private_key(&agreement::X25519, private)
        .map_err(|_| malformed())?;
    let public = key.compute_public_key().map_err(|_| malformed())?;
    public.as_ref().try_into().map_err(|_| malformed())
}

fn bech32_decode(text: &str, hrp: &str) -> Result<Zeroizing<[u8; 32]>> {
    let unusable = || Error::InvalidInput("the age key is malformed".into());
    let checked = bech32::primitives::decode::CheckedHrpstring::new::<Bech32>(text)
        .map_err(|_| unusable())?;
    if !checked.hrp().as_str().eq_ignore_ascii_case(hrp) {
        return Err(unusable());
    }
    let bytes = Zeroizing::new(checked.byte_iter().collect::<Vec<u8>>());
    <[u8; 32]>::try_from(bytes.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| unusable())
}

/// A private key (`AGE-SECRET-KEY-1...`).
pub struct Identity(Zeroizing<[u8; 32]>);

impl Identity {
    /// A new key.
    ///
    /// # Errors
    /// [`Error::Unsupported`] without randomness.
    pub fn generate() -> Result<Self> {
        Ok(Self(Zeroizing::new(random::array()?)))
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`Error::InvalidInput`].
    pub fn parse(text: &str) -> Result<Self> {
        bech32_decode(text.trim(), "age-secret-key-").map(Self)
    }

    /// The key's text. Keep it secret.
    ///
    /// # Errors
    /// None in practice.
    pub fn to_text(&self) -> Result<Zeroizing<String>> {
        let text =
            bech32::encode_upper::<Bech32>(Hrp::parse_unchecked("age-secret-key-"), &*self.0);
        text.map(Zeroizing::new).map_err(|_| malformed())
    }

    /// The matching recipient.
    ///
    /// # Errors
    /// None in practice.
    pub fn recipient(&self) -> Result<Recipient> {
        public_of(&self.0).map(Recipient)
    }
}

/// A public key (`age1...`).
pub struct Recipient([u8; 32]);

impl Recipient {
    /// Reads a key.
    ///
    /// # Errors
    /// [`Error::InvalidInput`].
    pub fn parse(text: &str) -> Result<Self> {
        bech32_decode(text.trim(), "age").map(|k| Self(*k))
    }

    /// The key's text.
    ///
    /// # Errors
    /// None in practice.
    pub fn to_text(&self) -> Result<String> {
        bech32::encode_lower::<Bech32>(Hrp::parse_unchecked("age"), &self.0)
            .map_err(|_| malformed())
    }
}

fn header_mac(file_key: &[u8; 16], header: &[u8]) -> Result<hmac::Tag> {
    let key = hkdf_sha256(file_key, b"", b"header", 32)?;
    Ok(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), header))
}

fn payload(file_key: &[u8; 16], nonce: &[u8]) -> Result<Chunks> {
    let key = hkdf_sha256(file_key, nonce, b"payload", 32)?;
    Ok(Chunks::new(chacha(&key)?, NonceForm::Age, CHUNK, CHUNK))
}

fn stanza(header: &mut String, arguments: &str, body: &[u8]) {
    header.push_str("-> ");
    header.push_str(arguments);
    header.push('\n');
    // 32 bytes make 43 characters: always one short line.
    header.push_str(&b64_nopad(body));
    header.push('\n');
}

fn start(mut header: String, file_key: &[u8; 16], out: &mut Vec<u8>) -> Result<Chunks> {
    header.push_str("---");
    let mac = header_mac(file_key, header.as_bytes())?;
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(format!(" {}\n", b64_nopad(mac.as_ref())).as_bytes());
    let nonce: [u8; 16] = random::array()?;
    out.extend_from_slice(&nonce);
    payload(file_key, &nonce)
}

/// Encrypts one file.
pub struct Encryptor {
    chunks: Chunks,
    header: Vec<u8>,
}

impl Encryptor {
    /// For one or more recipients (at most 64).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for none or too many, or a recipient that is no valid point.
    pub fn to_recipients(recipients: &[Recipient]) -> Result<Self> {
        if recipients.is_empty() || recipients.len() > 64 {
            return Err(Error::InvalidInput("1 to 64 recipients are needed".into()));
        }
        let file_key = Zeroizing::new(random::array::<16>()?);
        let mut header = INTRO.to_owned();
        for recipient in recipients {
            let ephemeral = Identity::generate()?;
            let share = public_of(&ephemeral.0)?;
            let secret = shared(&ephemeral.0, &recipient.0)
                .map_err(|_| Error::InvalidInput("a recipient is no valid public key".into()))?;
            let salt = [share, recipient.0].concat();
            let key = hkdf_sha256(&secret, &salt, b"age-encryption.org/v1/X25519", 32)?;
            stanza(
                &mut header,
                &format!("X25519 {}", b64_nopad(share)),
                &seal_key(&key, &file_key)?,
            );
        }
        let mut out = Vec::new();
        Ok(Self {
            chunks: start(header, &file_key, &mut out)?,
            header: out,
        })
    }

    /// For a passphrase.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for an empty passphrase.
    pub fn with_passphrase(passphrase: &[u8]) -> Result<Self> {
        if passphrase.is_empty() {
            return Err(Error::InvalidInput("the passphrase is empty".into()));
        }
        let file_key = Zeroizing::new(random::array::<16>()?);
        let salt: [u8; 16] = random::array()?;
        let key = passphrase_key(passphrase, &salt, LOG_N)?;
        let mut header = INTRO.to_owned();
        stanza(
            &mut header,
            &format!("scrypt {} {LOG_N}", b64_nopad(salt)),
            &seal_key(&*key, &file_key)?,
        );
        let mut out = Vec::new();
        Ok(Self {
            chunks: start(header, &file_key, &mut out)?,
            header: out,
        })
    }

    /// Takes plaintext and appends what is ready to `out`.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] after the end.
    pub fn update(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.append(&mut self.header);
        self.chunks.seal(data, out)
    }

    /// Appends the end of the file.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] when called twice.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        out.append(&mut self.header);
        self.chunks.seal_last(out)
    }
}

fn passphrase_key(passphrase: &[u8], salt: &[u8], log_n: u8) -> Result<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    let salt = [b"age-encryption.org/v1/scrypt".as_slice(), salt].concat();
    raw_scrypt(log_n, 8, 1, passphrase, &salt, &mut *key)?;
    Ok(key)
}

/// What opens a file.
pub enum Unlock {
    /// Any of these keys.
    Identities(Vec<Identity>),
    /// A passphrase.
    Passphrase(Zeroizing<Vec<u8>>),
}

/// Decrypts one file.
pub struct Decryptor {
    unlock: Unlock,
    start: Vec<u8>,
    /// Where in `start` the end of the header is looked for next.
    searched: usize,
    chunks: Option<Chunks>,
    failed: bool,
}

impl Decryptor {
    /// Starts to read a file.
    #[must_use]
    pub fn new(unlock: Unlock) -> Self {
        Self {
            unlock,
            start: Vec::new(),
            searched: 0,
            chunks: None,
            failed: false,
        }
    }

    /// Takes ciphertext and appends verified plaintext to `out`.
    ///
    /// # Errors
    /// [`Error::NotVerified`], [`Error::UnknownKey`] or [`Error::VerificationFailed`]; the file is unusable then.
    pub fn update(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if self.failed {
            return Err(Error::VerificationFailed);
        }
        let result = self.take(data, out);
        self.failed |= result.is_err();
        result
    }

    fn take(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if let Some(chunks) = &mut self.chunks {
            return chunks.open(data, out);
        }
        self.start.extend_from_slice(data);
        let shown = self.start.len().min(INTRO.len());
        if self.start[..shown] != INTRO.as_bytes()[..shown] {
            return Err(malformed());
        }
        let found = self.start[self.searched..]
            .windows(5)
            .take(MAX_HEADER - self.searched)
            .position(|w| w == b"\n--- ");
        let Some(end) = found.map(|at| self.searched + at) else {
            if self.start.len() > MAX_HEADER {
                return Err(malformed());
            }
            self.searched = self.start.len().saturating_sub(4);
            return Ok(());
        };
        self.searched = end;
        // "--- " and 43 characters of MAC, a line feed, 16 bytes of nonce.
        let body = end + 5 + 44 + 16;
        if self.start.len() < body {
            return Ok(());
        }
        let header = std::str::from_utf8(&self.start[..end + 4]).map_err(|_| malformed())?;
        let file_key = self.file_key(header)?;
        let mac = std::str::from_utf8(&self.start[end + 5..end + 48])
            .ok()
            .and_then(b64_decode)
            .ok_or_else(malformed)?;
        if self.start[end + 48] != b'\n'
            || constant_time::verify_slices_are_equal(
                header_mac(&file_key, header.as_bytes())?.as_ref(),
                &mac,
            )
            .is_err()
        {
            return Err(Error::VerificationFailed);
        }
        let mut chunks = payload(&file_key, &self.start[end + 49..body])?;
        let result = chunks.open(&self.start[body..], out);
        self.start = Vec::new();
        self.chunks = Some(chunks);
        result
    }

    fn file_key(&self, header: &str) -> Result<Zeroizing<[u8; 16]>> {
        let mut lines = header.lines().skip(1).peekable();
        let mut stanzas = Vec::new();
        while let Some(line) = lines.next() {
            if line == "---" {
                break;
            }
            let arguments: Vec<&str> = line
                .strip_prefix("-> ")
                .ok_or_else(malformed)?
                .split(' ')
                .collect();
            let mut body = String::new();
            loop {
                let part = lines
                    .next()
                    .filter(|p| p.len() <= 64)
                    .ok_or_else(malformed)?;
                body.push_str(part);
                if part.len() < 64 {
                    break;
                }
            }
            stanzas.push((arguments, b64_decode(&body).ok_or_else(malformed)?));
        }
        let single = stanzas.len() == 1;
        for (arguments, body) in &stanzas {
            match (&arguments[..], &self.unlock) {
                (["X25519", share], Unlock::Identities(identities)) => {
                    let share = b64_decode(share)
                        .filter(|s| s.len() == 32)
                        .ok_or_else(malformed)?;
                    for identity in identities {
                        let secret = shared(&identity.0, &share)?;
                        let salt = [share.as_slice(), &public_of(&identity.0)?].concat();
                        let key = hkdf_sha256(&secret, &salt, b"age-encryption.org/v1/X25519", 32)?;
                        if let Some(file_key) = open_key(&key, body)? {
                            return Ok(file_key);
                        }
                    }
                }
                (["scrypt", salt, log_n], Unlock::Passphrase(passphrase)) => {
                    let salt = b64_decode(salt)
                        .filter(|s| s.len() == 16)
                        .ok_or_else(malformed)?;
                    let work: u8 = log_n.parse().map_err(|_| malformed())?;
                    if !single || !(1..=MAX_LOG_N).contains(&work) || work.to_string() != **log_n {
                        return Err(malformed());
                    }
                    let key = passphrase_key(passphrase, &salt, work)?;
                    return open_key(&*key, body)?.ok_or(Error::VerificationFailed);
                }
                _ => {}
            }
        }
        Err(Error::UnknownKey)
    }

    /// Ends the file: verifies that it is complete and appends the last plaintext.
    ///
    /// # Errors
    /// [`Error::VerificationFailed`] when it was changed or cut off.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if std::mem::replace(&mut self.failed, true) {
            return Err(Error::VerificationFailed);
        }
        self.chunks
            .as_mut()
            .ok_or(Error::VerificationFailed)?
            .open_last(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(mut e: Encryptor, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        e.update(data, &mut out).unwrap();
        e.finish(&mut out).unwrap();
        out
    }

    fn open(unlock: Unlock, data: &[u8], step: usize) -> Result<Vec<u8>> {
        let (mut out, mut d) = (Vec::new(), Decryptor::new(unlock));
        for part in data.chunks(step) {
            d.update(part, &mut out)?;
        }
        d.finish(&mut out)?;
        Ok(out)
    }

    #[test]
    fn recipients_sizes_and_cuts() {
        let (a, b, c) = (
            Identity::generate().unwrap(),
            Identity::generate().unwrap(),
            Identity::generate().unwrap(),
        );
        let text = a.recipient().unwrap().to_text().unwrap();
        assert!(text.starts_with("age1") && a.to_text().unwrap().starts_with("AGE-SECRET-KEY-1"));
        let key = |i: &Identity| {
            Unlock::Identities(vec![Identity::parse(&i.to_text().unwrap()).unwrap()])
        };
        for n in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK] {
            let data = vec![9; n];
            let to = [Recipient::parse(&text).unwrap(), b.recipient().unwrap()];
            let sealed = seal(Encryptor::to_recipients(&to).unwrap(), &data);
            assert_eq!(open(key(&a), &sealed, 1000).unwrap(), data);
            assert_eq!(open(key(&b), &sealed, usize::MAX).unwrap(), data);
            assert!(matches!(
                open(key(&c), &sealed, usize::MAX),
                Err(Error::UnknownKey)
            ));
            for cut in [0, 10, 200, 300, sealed.len() - 1] {
                assert!(open(key(&a), &sealed[..cut.min(sealed.len() - 1)], usize::MAX).is_err());
            }
            for i in (0..sealed.len()).step_by(37) {
                let mut bad = sealed.clone();
                bad[i] ^= 1;
                assert!(open(key(&a), &bad, usize::MAX).is_err(), "byte {i} of {n}");
            }
        }
        assert!(Recipient::parse("age1x").is_err() && Identity::parse(&text).is_err());
    }

    #[test]
    fn passphrase() {
        let sealed = seal(Encryptor::with_passphrase(b"mild otter").unwrap(), b"data");
        let with = |p: &[u8]| Unlock::Passphrase(Zeroizing::new(p.to_vec()));
        assert_eq!(open(with(b"mild otter"), &sealed, 5).unwrap(), b"data");
        assert!(open(with(b"wild otter"), &sealed, usize::MAX).is_err());
        let costly = String::from_utf8_lossy(&sealed).replacen(" 17\n", " 21\n", 1);
        assert!(open(with(b"mild otter"), costly.as_bytes(), usize::MAX).is_err());
    }

    #[test]
    fn a_header_is_searched_once() {
        let mut d = Decryptor::new(Unlock::Passphrase(Zeroizing::new(b"x".to_vec())));
        let header = format!("{INTRO}-> X25519 {}\n--- ", "A".repeat(MAX_HEADER - 100));
        for (i, byte) in header.bytes().enumerate() {
            assert_eq!(d.searched, i.saturating_sub(4));
            d.update(&[byte], &mut Vec::new()).unwrap();
        }
        assert_eq!(d.searched, header.len() - 5);
        d.update(b"A", &mut Vec::new()).unwrap();
        assert_eq!(d.searched, header.len() - 5);
        let mut d = Decryptor::new(Unlock::Passphrase(Zeroizing::new(b"x".to_vec())));
        let endless = [INTRO.as_bytes(), &[b'A'; MAX_HEADER]].concat();
        assert!(d.update(&endless, &mut Vec::new()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_refused(data: Vec<u8>, header in "(-> [ -~]{0,40}\n[A-Za-z0-9+/]{0,64}\n){0,4}--- [A-Za-z0-9+/]{0,44}\n") {
            let identities = || Unlock::Identities(vec![Identity(Zeroizing::new([7; 32]))]);
            proptest::prop_assert!(open(identities(), &data, 7).is_err());
            let text = [INTRO.as_bytes(), header.as_bytes(), &data].concat();
            proptest::prop_assert!(open(identities(), &text, usize::MAX).is_err());
        }
    }
}

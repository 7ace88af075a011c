//! HOTP (RFC 4226) and TOTP (RFC 6238).

use aws_lc_rs::{constant_time, hmac};
use zeroize::Zeroizing;

use crate::{Error, Result, random};

/// Hash function of the codes. Authenticator apps reliably support SHA-1 only, which is sound in this use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-SHA-1.
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

impl Algorithm {
    /// Finds an algorithm by its name in provisioning URIs.
    ///
    /// # Errors
    /// [`Error::InvalidInput`].
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "SHA1" => Ok(Self::Sha1),
            "SHA256" => Ok(Self::Sha256),
            "SHA512" => Ok(Self::Sha512),
            _ => Err(Error::InvalidInput(
                "the algorithm is SHA1, SHA256 or SHA512".into(),
            )),
        }
    }

    /// The name in provisioning URIs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }
}

/// A shared secret with the parameters of its codes.
pub struct Otp {
    secret: Zeroizing<Vec<u8>>,
    key: hmac::Key,
    algorithm: Algorithm,
    digits: u32,
}

impl std::fmt::Debug for Otp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Otp")
            .field("algorithm", &self.algorithm)
            .field("digits", &self.digits)
            .finish_non_exhaustive()
    }
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Base32 without padding (RFC 4648), as authenticator apps take secrets.
#[must_use]
pub fn base32(data: &[u8]) -> String {
    let mut out = String::with_capacity(data.len() * 8 / 5 + 1);
    for chunk in data.chunks(5) {
        let mut block = [0; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        for i in 0..(chunk.len() * 8).div_ceil(5) {
            out.push(BASE32[(bits >> (35 - 5 * i) & 31) as usize] as char);
        }
    }
    out
}

/// Reads base32, ignoring case, blanks and padding.
fn base32_decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() * 5 / 8));
    let (mut bits, mut n) = (0u32, 0);
    for c in text
        .trim_end_matches('=')
        .bytes()
        .filter(|c| !matches!(c, b' ' | b'-'))
    {
        let value = BASE32.iter().position(|b| *b == c.to_ascii_uppercase())? as u32;
        bits = bits << 5 | value;
        n += 5;
        if n >= 8 {
            n -= 8;
            out.push((bits >> n) as u8);
            bits &= (1 << n) - 1;
        }
    }
    Some(out)
}

impl Otp {
    /// Uses a secret of 16 to 128 bytes (RFC 4226 section 4 asks for 128 bits) and codes of 6 to 8 digits.
    ///
    /// # Errors
    /// [`Error::InvalidInput`].
    pub fn new(secret: &[u8], algorithm: Algorithm, digits: u32) -> Result<Self> {
        if !(16..=128).contains(&secret.len()) {
            return Err(Error::InvalidInput("the secret has 16 to 128 bytes".into()));
        }
        Self::legacy(secret, algorithm, digits)
    }

    /// Like [`new`](Self::new) for secrets that another system made too short, down to 10 bytes.
    ///
    /// # Errors
    /// [`Error::InvalidInput`].
    pub fn legacy(secret: &[u8], algorithm: Algorithm, digits: u32) -> Result<Self> {
        if !(10..=128).contains(&secret.len()) || !(6..=8).contains(&digits) {
            return Err(Error::InvalidInput(
                "the secret has 10 to 128 bytes, a code 6 to 8 digits".into(),
            ));
        }
        let hash = match algorithm {
            Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha256 => hmac::HMAC_SHA256,
            Algorithm::Sha512 => hmac::HMAC_SHA512,
        };
        Ok(Self {
            secret: Zeroizing::new(secret.to_vec()),
            key: hmac::Key::new(hash, secret),
            algorithm,
            digits,
        })
    }

    /// Reads a secret in base32.
    ///
    /// # Errors
    /// [`Error::InvalidInput`].
    pub fn from_base32(
        text: &str,
        algorithm: Algorithm,
        digits: u32,
        legacy: bool,
    ) -> Result<Self> {
        let secret = base32_decode(text)
            .ok_or_else(|| Error::InvalidInput("the secret is not base32".into()))?;
        if legacy {
            Self::legacy(&secret, algorithm, digits)
        } else {
            Self::new(&secret, algorithm, digits)
        }
    }

    /// A new random secret of the hash's length.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a number of digits out of range.
    pub fn generate(algorithm: Algorithm, digits: u32) -> Result<Self> {
        let n = match algorithm {
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        };
        Self::new(&Zeroizing::new(random::bytes(n)?), algorithm, digits)
    }

    /// The secret in base32: store it encrypted.
    #[must_use]
    pub fn secret_base32(&self) -> Zeroizing<String> {
        Zeroizing::new(base32(&self.secret))
    }

    /// Digits of a code.
    #[must_use]
    pub fn digits(&self) -> u32 {
        self.digits
    }

    /// Hash function of the codes.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn value(&self, counter: u64) -> u32 {
        let tag = hmac::sign(&self.key, &counter.to_be_bytes());
        let tag = tag.as_ref();
        let at = usize::from(tag[tag.len() - 1] & 15);
        let word =
            u32::from_be_bytes([tag[at], tag[at + 1], tag[at + 2], tag[at + 3]]) & 0x7fff_ffff;
        word % 10u32.pow(self.digits)
    }

    /// The code for a counter.
    #[must_use]
    pub fn code(&self, counter: u64) -> String {
        format!(
            "{:0width$}",
            self.value(counter),
            width = self.digits as usize
        )
    }

    /// The first counter from `from` to `to` whose code is `code`; every one is computed and compared, so that the time
    /// does not tell which.
    #[must_use]
    pub fn find(&self, code: &str, from: u64, to: u64) -> Option<u64> {
        let code = code.as_bytes();
        if code.len() != self.digits as usize || !code.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let given = code.iter().fold(0u32, |n, c| n * 10 + u32::from(c - b'0'));
        let mut found = None;
        for counter in from..=to {
            let same = constant_time::verify_slices_are_equal(
                &self.value(counter).to_be_bytes(),
                &given.to_be_bytes(),
            );
            if same.is_ok() && found.is_none() {
                found = Some(counter);
            }
        }
        found
    }

    /// Verifies a TOTP code at `now` (seconds since 1970) with `window` steps of drift to either side. `last_step` is the
    /// step of the last accepted code: it and all before are refused, as a code is valid once (RFC 6238 section 5.2).
    /// Gives the step to store.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a period of zero or a window over 10; [`Error::VerificationFailed`].
    pub fn verify_totp(
        &self,
        code: &str,
        now: u64,
        period: u64,
        window: u64,
        last_step: Option<u64>,
    ) -> Result<u64> {
        if period == 0 || window > 10 {
            return Err(Error::InvalidInput(
                "the period is positive, the window up to 10 steps".into(),
            ));
        }
        let step = now / period;
        let found = self.find(
            code,
            step.saturating_sub(window),
            step.saturating_add(window),
        );
        found
            .filter(|s| last_step.is_none_or(|last| *s > last))
            .ok_or(Error::VerificationFailed)
    }

    /// Verifies an HOTP code that the device made at `counter` or up to `look_ahead` presses later. Gives the counter to
    /// store and expect next.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a look-ahead over 100; [`Error::VerificationFailed`].
    pub fn verify_hotp(&self, code: &str, counter: u64, look_ahead: u64) -> Result<u64> {
        if look_ahead > 100 {
            return Err(Error::InvalidInput("the look-ahead is up to 100".into()));
        }
        let found = self.find(code, counter, counter.saturating_add(look_ahead));
        found
            .map(|c| c.saturating_add(1))
            .ok_or(Error::VerificationFailed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4226 appendix D.
    #[test]
    fn hotp_known_answers() {
        let otp = Otp::new(b"12345678901234567890", Algorithm::Sha1, 6).unwrap();
        let codes = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583",
            "399871", "520489",
        ];
        for (counter, code) in codes.iter().enumerate() {
            assert_eq!(otp.code(counter as u64), *code);
        }
        assert_eq!(otp.verify_hotp("969429", 1, 5).unwrap(), 4);
        assert!(
            otp.verify_hotp("969429", 4, 5).is_err() && otp.verify_hotp("520489", 1, 5).is_err()
        );
    }

    /// RFC 6238 appendix B.
    #[test]
    fn totp_known_answers() {
        let seed = b"1234567890".repeat(7);
        for (algorithm, n, answers) in [
            (
                Algorithm::Sha1,
                20,
                ["94287082", "07081804", "89005924", "65353130"],
            ),
            (
                Algorithm::Sha256,
                32,
                ["46119246", "68084774", "91819424", "77737706"],
            ),
            (
                Algorithm::Sha512,
                64,
                ["90693936", "25091201", "93441116", "47863826"],
            ),
        ] {
            let otp = Otp::new(&seed[..n], algorithm, 8).unwrap();
            for (time, code) in [59, 1_111_111_109, 1_234_567_890, 20_000_000_000u64]
                .iter()
                .zip(answers)
            {
                assert_eq!(otp.code(time / 30), code);
                assert_eq!(
                    otp.verify_totp(code, *time, 30, 0, None).unwrap(),
                    time / 30
                );
            }
        }
    }

    #[test]
    fn replay_and_drift() {
        let otp = Otp::generate(Algorithm::Sha1, 6).unwrap();
        let now = 1_700_000_000;
        let code = otp.code(now / 30);
        let step = otp.verify_totp(&code, now, 30, 1, None).unwrap();
        assert!(
            otp.verify_totp(&code, now, 30, 1, Some(step)).is_err(),
            "replayed"
        );
        let early = otp.code(now / 30 - 1);
        assert!(otp.verify_totp(&early, now, 30, 0, None).is_err() || early == code);
        assert!(otp.verify_totp(&early, now, 30, 1, None).is_ok());
        for bad in ["", "12345", "1234567", "12345a", "１２３４５６", "-12345"] {
            assert!(otp.verify_totp(bad, now, 30, 1, None).is_err());
        }
        assert!(
            Otp::new(&[1; 15], Algorithm::Sha1, 6).is_err()
                && Otp::new(&[1; 20], Algorithm::Sha1, 5).is_err()
        );
        assert!(!format!("{otp:?}").contains(&*otp.secret_base32()));
    }

    #[test]
    fn base32_known_answers() {
        // RFC 4648 section 10.
        for (plain, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(plain.as_bytes()), text);
            assert_eq!(
                &**base32_decode(&text.to_lowercase()).unwrap(),
                plain.as_bytes()
            );
        }
        assert!(base32_decode("M1").is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_secret_text_and_code(text in "\\PC{0,60}", code in "\\PC{0,12}", now: u64) {
            if let Ok(otp) = Otp::from_base32(&text, Algorithm::Sha256, 6, true) {
                let _ = otp.verify_totp(&code, now, 30, 10, Some(now));
            }
        }
    }
}

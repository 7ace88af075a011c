//! Text encodings shared by the modules: strict, so that one value has one spelling.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{Error, Result};

/// Base64url without padding (RFC 4648 section 5).
pub(crate) fn b64url(data: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(data)
}

/// Appends base64url without padding.
pub(crate) fn b64url_into(data: impl AsRef<[u8]>, out: &mut String) {
    URL_SAFE_NO_PAD.encode_string(data, out);
}

/// Decodes strict base64url: no padding, no stray bits, no other characters.
pub(crate) fn b64url_decode(text: impl AsRef<[u8]>) -> Result<Vec<u8>> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| Error::NotVerified("malformed base64url"))
}

/// Standard base64 with padding.
pub(crate) fn b64(data: impl AsRef<[u8]>) -> String {
    STANDARD.encode(data)
}

/// Standard base64 without padding, as password hash strings use it.
pub(crate) fn b64_nopad(data: impl AsRef<[u8]>) -> String {
    STANDARD_NO_PAD.encode(data)
}

/// Decodes standard base64 with or without its padding.
pub(crate) fn b64_decode(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(data: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(data.len() * 2);
    for byte in data {
        out.push(DIGITS[usize::from(byte >> 4)] as char);
        out.push(DIGITS[usize::from(byte & 15)] as char);
    }
    out
}

/// Decodes hexadecimal of either case.
pub(crate) fn hex_decode(text: &str) -> Option<Vec<u8>> {
    fn digit(c: u8) -> Option<u8> {
        match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            b'A'..=b'F' => Some(c - b'A' + 10),
            _ => None,
        }
    }
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    bytes
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

/// JSON that holds secrets. It is measured before it is written: text that grows leaves copies of its beginning behind.
pub(crate) fn secret_json(value: &impl serde::Serialize) -> Zeroizing<String> {
    struct Length(usize);
    impl std::io::Write for Length {
        fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
            self.0 += data.len();
            Ok(data.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut length = Length(0);
    let mut out = Zeroizing::new(Vec::new());
    if serde_json::to_writer(&mut length, value).is_ok() {
        out.reserve_exact(length.0);
        if serde_json::to_writer(&mut *out, value).is_err() {
            return Zeroizing::default();
        }
    }
    Zeroizing::new(String::from_utf8(std::mem::take(&mut *out)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_strictness() {
        for n in 0..40usize {
            let data: Vec<u8> = (0..n).map(|i| (i * 37 % 251) as u8).collect();
            assert_eq!(b64url_decode(b64url(&data)).unwrap(), data);
            assert_eq!(b64_decode(&b64(&data)).unwrap(), data);
            assert_eq!(hex_decode(&hex(&data)).unwrap(), data);
        }
        assert!(b64url_decode("AA=").is_err());
        assert!(
            b64url_decode("AB").is_err(),
            "stray bits in the last character"
        );
        assert!(b64url_decode("A+").is_err());
        assert!(hex_decode("0g").is_none() && hex_decode("012").is_none());
    }
}

//! MessagePack with bounds on size, depth and claimed lengths, over the `rmpv` crate.
//!
//! CWE-502, CWE-400, CWE-674; ASVS 5.0: v5.0.0-1.5.2.

pub use rmpv::{Integer, Utf8String, Value};

use crate::{Error, Result};

/// What is read at most.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of the document.
    pub max_size: usize,
    /// Levels of arrays and maps.
    pub max_depth: usize,
}

impl Default for Bounds {
    /// 1 MiB, 64 levels.
    fn default() -> Self {
        Self {
            max_size: 1 << 20,
            max_depth: 64,
        }
    }
}

/// Reads one document that fills the input.
///
/// # Errors
/// [`Error::LimitExceeded`] for a document beyond the bounds, [`Error::InvalidInput`] for a malformed one, one with
/// something after its end, or a text that is not UTF-8.
pub fn decode(data: &[u8], bounds: Bounds) -> Result<Value> {
    if data.len() > bounds.max_size {
        return Err(Error::LimitExceeded(format!(
            "the document is over {} bytes",
            bounds.max_size
        )));
    }
    let mut rest = data;
    let value = rmpv::decode::read_value_with_max_depth(&mut rest, bounds.max_depth).map_err(
        |e| match e {
            rmpv::decode::Error::DepthLimitExceeded => Error::LimitExceeded(format!(
                "the document is nested deeper than {} levels",
                bounds.max_depth
            )),
            _ => Error::InvalidInput("malformed MessagePack".into()),
        },
    )?;
    if !rest.is_empty() {
        return Err(Error::InvalidInput(
            "something follows the MessagePack document".into(),
        ));
    }
    if !is_utf8(&value) {
        return Err(Error::InvalidInput(
            "a text of the MessagePack document is not UTF-8".into(),
        ));
    }
    Ok(value)
}

/// Whether every text within is UTF-8: the reader hands on others as bytes that call themselves texts. The depth is
/// bounded already.
fn is_utf8(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_str(),
        Value::Array(items) => items.iter().all(is_utf8),
        Value::Map(entries) => entries
            .iter()
            .all(|(key, value)| is_utf8(key) && is_utf8(value)),
        _ => true,
    }
}

/// Writes one document.
///
/// # Errors
/// [`Error::InvalidInput`] when it cannot be written.
pub fn encode(value: &Value) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(128);
    rmpv::encode::write_value(&mut out, value)
        .map_err(|_| Error::InvalidInput("the value cannot be written".into()))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold() {
        let deep = [vec![0x91; 70], vec![0xc0]].concat();
        assert!(matches!(
            decode(&deep, Bounds::default()),
            Err(Error::LimitExceeded(_))
        ));
        // An array, a map, a text and a binary that claim four billion elements.
        for head in [0xdd, 0xdf, 0xdb, 0xc6] {
            assert!(matches!(
                decode(&[head, 0xff, 0xff, 0xff, 0xff], Bounds::default()),
                Err(Error::InvalidInput(_))
            ));
        }
        assert!(decode(&[0xc0, 0xc0], Bounds::default()).is_err());
        // Texts that are not UTF-8, alone, in an array, and as key and value of a map.
        for bytes in [
            &b"\xa1\x80"[..],
            b"\x91\xa1\x80",
            b"\x81\xa1\x80\xc0",
            b"\x81\xc0\xa1\x80",
        ] {
            assert!(decode(bytes, Bounds::default()).is_err(), "{bytes:?}");
        }
        assert!(
            decode(
                &[0; 11],
                Bounds {
                    max_size: 10,
                    max_depth: 5
                }
            )
            .is_err()
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes(data: Vec<u8>) {
            if let Ok(value) = decode(&data, Bounds::default()) {
                let again = encode(&value).unwrap();
                proptest::prop_assert!(again.len() <= data.len());
            }
        }
    }
}

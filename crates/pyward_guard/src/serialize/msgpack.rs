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
    /// Levels of arrays and maps, at most [`MAX_DEPTH`].
    pub max_depth: usize,
}

/// Deepest nesting that can be asked for: reading takes stack for each level, 7 KiB of it where nothing is optimised, and
/// threads may have 1 MiB.
pub const MAX_DEPTH: usize = 128;

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
/// something after its end, a text that is not UTF-8, or a bound above [`MAX_DEPTH`].
pub fn decode(data: &[u8], bounds: Bounds) -> Result<Value> {
    if bounds.max_depth > MAX_DEPTH {
        return Err(Error::InvalidInput(format!(
            "the depth of MessagePack is bounded by at most {MAX_DEPTH}"
        )));
    }
    if data.len() > bounds.max_size {
        return Err(Error::LimitExceeded(format!(
            "the document is over {} bytes",
            bounds.max_size
        )));
    }
    let mut rest = data;
    // The reader counts every level twice, and a text up to three times: `check` is exact.
    let value = rmpv::decode::read_value_with_max_depth(&mut rest, 2 * bounds.max_depth + 3)
        .map_err(|e| match e {
            rmpv::decode::Error::DepthLimitExceeded => too_deep(bounds),
            _ => Error::InvalidInput("malformed MessagePack".into()),
        })?;
    if !rest.is_empty() {
        return Err(Error::InvalidInput(
            "something follows the MessagePack document".into(),
        ));
    }
    check(&value, bounds.max_depth, bounds)?;
    Ok(value)
}

fn too_deep(bounds: Bounds) -> Error {
    Error::LimitExceeded(format!(
        "the document is nested deeper than {} levels",
        bounds.max_depth
    ))
}

/// Checks the depth, and that every text within is UTF-8: the reader hands on others as bytes that call themselves texts.
fn check(value: &Value, left: usize, bounds: Bounds) -> Result<()> {
    let inner = || left.checked_sub(1).ok_or_else(|| too_deep(bounds));
    match value {
        Value::String(text) if !text.is_str() => Err(Error::InvalidInput(
            "a text of the MessagePack document is not UTF-8".into(),
        )),
        Value::Array(items) => {
            let left = inner()?;
            items.iter().try_for_each(|item| check(item, left, bounds))
        }
        Value::Map(entries) => {
            let left = inner()?;
            entries.iter().try_for_each(|(key, value)| {
                check(key, left, bounds)?;
                check(value, left, bounds)
            })
        }
        _ => Ok(()),
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
        let unbounded = Bounds {
            max_size: 1 << 22,
            max_depth: 1 << 22,
        };
        assert!(decode(&[0x91; 1 << 21], unbounded).is_err());
        // Arrays and maps, around nothing and around a text.
        for max_depth in [0, 1, 2, 64, MAX_DEPTH] {
            for (level, inner) in [
                (&b"\x91"[..], &b"\xc0"[..]),
                (b"\x91", b"\xa1x"),
                (b"\x81\x01", b"\xc0"),
                (b"\x81\x01", b"\xa1x"),
            ] {
                let at = |n: usize| {
                    let bounds = Bounds {
                        max_depth,
                        ..Bounds::default()
                    };
                    decode(&[&level.repeat(n), inner].concat(), bounds)
                };
                assert!(at(max_depth).is_ok(), "{max_depth} {level:?} {inner:?}");
                assert!(
                    at(max_depth + 1).is_err(),
                    "{max_depth} {level:?} {inner:?}"
                );
            }
        }
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

    #[test]
    fn the_deepest_documents_fit_small_stacks() {
        let read = || {
            let bounds = Bounds {
                max_depth: MAX_DEPTH,
                ..Bounds::default()
            };
            // Arrays and maps as deep as they may be, and ones that go on.
            for level in [&b"\x91"[..], b"\x81\x01"] {
                let deepest = [&level.repeat(MAX_DEPTH), &b"\xa1x"[..]].concat();
                let value = decode(&deepest, bounds).unwrap();
                assert_eq!(encode(&value).unwrap(), deepest);
                assert!(decode(&level.repeat(100_000), bounds).is_err());
            }
        };
        let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(read);
        thread.unwrap().join().unwrap();
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

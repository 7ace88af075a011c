//! Reads a pickle's instructions without running them: which globals it names, and whether it could exhaust memory.
//!
//! Not a protection on its own: the verdict is a first gate in front of an unpickler with an allow-list, behind a
//! signature. Sources: the comments of CPython's `pickletools`. CWE-502; ASVS 5.0: v5.0.0-1.5.2.

use std::collections::{HashMap, HashSet};

use crate::{Error, Result};

/// What a pickle would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// (module, name) of each global that is named in a way that can be read off, once each.
    pub globals: Vec<(String, String)>,
    /// Instructions.
    pub instructions: usize,
}

/// Longest module or name of a global, bytes. A pickle can name the same text over and over with a byte or two.
const MAX_NAME: usize = 1024;
/// Names of all globals together, bytes: each pair of a few texts is a global of its own.
const MAX_NAMES: usize = 1 << 20;

/// The globals that were found, in their order.
#[derive(Default)]
struct Globals<'a> {
    found: Vec<(&'a [u8], &'a [u8])>,
    known: HashSet<(&'a [u8], &'a [u8])>,
    size: usize,
}

impl<'a> Globals<'a> {
    fn add(&mut self, module: &'a [u8], name: &'a [u8]) -> Result<()> {
        if module.len().max(name.len()) > MAX_NAME {
            return Err(Error::Refused(format!(
                "the pickle names a global of over {MAX_NAME} bytes"
            )));
        }
        if self.known.insert((module, name)) {
            self.size += module.len() + name.len();
            self.found.push((module, name));
        }
        if self.size > MAX_NAMES {
            return Err(Error::Refused("the pickle names too many globals".into()));
        }
        Ok(())
    }
}

struct Input<'a>(&'a [u8]);

fn malformed() -> Error {
    Error::InvalidInput("malformed pickle".into())
}

impl<'a> Input<'a> {
    fn take(&mut self, n: u64) -> Result<&'a [u8]> {
        let n = usize::try_from(n).map_err(|_| malformed())?;
        let (head, rest) = self.0.split_at_checked(n).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn uint(&mut self, n: usize) -> Result<u64> {
        Ok(self
            .take(n as u64)?
            .iter()
            .rev()
            .fold(0, |v, b| v << 8 | u64::from(*b)))
    }

    fn line(&mut self) -> Result<&'a [u8]> {
        let end = self
            .0
            .iter()
            .position(|b| *b == b'\n')
            .ok_or_else(malformed)?;
        let line = self.take(end as u64)?;
        self.take(1)?;
        Ok(line)
    }
}

/// Scans one pickle. `max_memo` bounds the memo's highest index relative to the number of instructions, as an unpickler
/// allocates for the index.
///
/// # Errors
/// [`Error::InvalidInput`] for a malformed pickle, [`Error::Refused`] for extension codes, persistent ids, instances of
/// old classes and out-of-band buffers, which an allow-list cannot judge, and for globals with names of over 1 KiB each or
/// 1 MiB together.
pub fn scan(data: &[u8]) -> Result<Scan> {
    let mut input = Input(data);
    let mut instructions = 0;
    let mut globals = Globals::default();
    // The last texts on the stack, for STACK_GLOBAL: enough to read off what compilers of pickles write.
    // Borrowed: a pickle can ask for a copy with every byte.
    let mut texts: Vec<Option<&[u8]>> = Vec::new();
    let mut memo: HashMap<u64, Option<&[u8]>> = HashMap::new();
    let number = |line: &[u8]| {
        std::str::from_utf8(line)
            .ok()
            .and_then(|t| t.trim().parse::<u64>().ok())
            .ok_or_else(malformed)
    };
    loop {
        instructions += 1;
        let op = input.byte()?;
        let mut pushed: Option<Option<&[u8]>> = None;
        match op {
            b'.' => break,
            // Values with a length in front.
            0x8c => {
                let n = input.uint(1)?;
                pushed = Some(Some(input.take(n)?));
            }
            b'X' => {
                let n = input.uint(4)?;
                pushed = Some(Some(input.take(n)?));
            }
            0x8d => {
                let n = input.uint(8)?;
                pushed = Some(Some(input.take(n)?));
            }
            b'C' | b'U' => {
                let n = input.uint(1)?;
                input.take(n)?;
                pushed = Some(None);
            }
            b'B' | b'T' => {
                let n = input.uint(4)?;
                input.take(n)?;
                pushed = Some(None);
            }
            0x8e | 0x96 => {
                let n = input.uint(8)?;
                input.take(n)?;
                pushed = Some(None);
            }
            0x8a => {
                let n = input.uint(1)?;
                input.take(n)?;
                pushed = Some(None);
            }
            0x8b => {
                let n = input.uint(4)?;
                input.take(n)?;
                pushed = Some(None);
            }
            // Values of fixed length.
            b'K' => {
                input.take(1)?;
                pushed = Some(None);
            }
            b'M' => {
                input.take(2)?;
                pushed = Some(None);
            }
            b'J' => {
                input.take(4)?;
                pushed = Some(None);
            }
            b'G' => {
                input.take(8)?;
                pushed = Some(None);
            }
            // Values as lines.
            b'I' | b'L' | b'F' | b'S' => {
                input.line()?;
                pushed = Some(None);
            }
            b'V' => pushed = Some(Some(input.line()?)),
            // Memo.
            b'q' | b'r' | b'p' | 0x94 => {
                let index = match op {
                    b'q' => input.uint(1)?,
                    b'r' => input.uint(4)?,
                    b'p' => number(input.line()?)?,
                    _ => memo.len() as u64,
                };
                if index > 2 * instructions as u64 + 1024 {
                    return Err(Error::Refused("the pickle asks for a huge memo".into()));
                }
                memo.insert(index, texts.last().copied().flatten());
            }
            b'h' | b'j' | b'g' => {
                let index = match op {
                    b'h' => input.uint(1)?,
                    b'j' => input.uint(4)?,
                    _ => number(input.line()?)?,
                };
                pushed = Some(*memo.get(&index).ok_or_else(malformed)?);
            }
            // Globals.
            b'c' => {
                let module = input.line()?;
                globals.add(module, input.line()?)?;
                pushed = Some(None);
            }
            0x93 => {
                let name = texts.pop().flatten();
                let module = texts.pop().flatten();
                let (Some(module), Some(name)) = (module, name) else {
                    return Err(Error::Refused(
                        "the pickle hides the name of a global".into(),
                    ));
                };
                globals.add(module, name)?;
                pushed = Some(None);
            }
            b'i' | b'o' | b'P' | b'Q' | 0x82..=0x84 | 0x97 | 0x98 => {
                return Err(Error::Refused(
                    "the pickle uses an instruction that is not allowed".into(),
                ));
            }
            // Frames and protocol.
            0x80 => {
                input.take(1)?;
            }
            0x95 => {
                input.take(8)?;
            }
            // No argument; what they leave on the stack is no text.
            b'N' | 0x88 | 0x89 | b')' | b']' | b'}' | 0x8f | b'(' => pushed = Some(None),
            b'2' => pushed = Some(texts.last().copied().flatten()),
            b'0' | b'1' | b'a' | b'e' | b's' | b'u' | b'b' | b'l' | b't' | b'd' | 0x85 | 0x86
            | 0x87 | 0x90 | 0x91 | b'R' | 0x81 | 0x92 => {
                // The stack's shape changes: texts before this point may be gone.
                texts.clear();
                pushed = Some(None);
            }
            _ => return Err(malformed()),
        }
        if let Some(value) = pushed {
            if texts.len() >= 8 {
                texts.remove(0);
            }
            texts.push(value);
        }
    }
    if !input.0.is_empty() {
        return Err(Error::InvalidInput("something follows the pickle".into()));
    }
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok(Scan {
        globals: globals
            .found
            .into_iter()
            .map(|(module, name)| (text(module), text(name)))
            .collect(),
        instructions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_globals() {
        // pickle.dumps(os.system, 0) and by protocol 4.
        let scan0 = scan(b"cposix\nsystem\np0\n.").unwrap();
        assert_eq!(scan0.globals, [("posix".to_owned(), "system".to_owned())]);
        let scan4 =
            scan(b"\x80\x04\x95\x14\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.")
                .unwrap();
        assert_eq!(scan4.globals, [("posix".to_owned(), "system".to_owned())]);
    }

    #[test]
    fn refuses_what_cannot_be_judged() {
        for bad in [
            &b"(S'x'\nios\nsystem\n."[..],
            b"Pid\n.",
            b"\x82\x01.",
            b"NNNN\x93.",
            b"Nr\xff\xff\xff\x7f.",
        ] {
            assert!(matches!(scan(bad), Err(Error::Refused(_))), "{bad:?}");
        }
        for bad in [
            &b""[..],
            b"N",
            b"X\xff\xff\xff\xffa.",
            b"N..",
            b"\xff.",
            b"h\x05.",
        ] {
            assert!(matches!(scan(bad), Err(Error::InvalidInput(_))), "{bad:?}");
        }
    }

    fn with_text(text: &[u8], rest: &[u8]) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        [b"X", &length[..], text, rest, b"."].concat()
    }

    #[test]
    fn texts_are_not_copied() {
        // Two terabytes, would every put, get and duplicate copy the text.
        let data = with_text(&[b'x'; 1 << 20], &b"q\0h\x002".repeat(1 << 20));
        let found = scan(&data).unwrap();
        assert_eq!(found.instructions, 3 * (1 << 20) + 2);
    }

    #[test]
    fn globals_are_bounded() {
        let many = b"h\0h\0\x93".repeat(1 << 14);
        let start = |name: &[u8]| with_text(name, &[&b"q\0"[..], &many].concat());
        let name = "n".repeat(MAX_NAME);
        let found = scan(&start(name.as_bytes())).unwrap();
        assert_eq!(found.globals, [(name.clone(), name)]);
        let too_long = start(&[b'n'; MAX_NAME + 1]);
        assert!(matches!(scan(&too_long), Err(Error::Refused(_))));
        // Thirty-two texts, and each pair of them.
        let mut pairs = Vec::new();
        for i in 0..32 {
            pairs.extend(format!("V{i:01000}\np{i}\n").bytes());
        }
        for (i, j) in (0..32).flat_map(|i| (0..32).map(move |j| (i, j))) {
            pairs.extend([b'h', i, b'h', j, 0x93]);
        }
        pairs.push(b'.');
        assert!(matches!(scan(&pairs), Err(Error::Refused(_))));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes(data: Vec<u8>) {
            let _ = scan(&data);
        }
    }
}

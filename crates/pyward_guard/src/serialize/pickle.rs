//! Reads a pickle's instructions without running them: which globals it names, and whether it could exhaust memory.
//!
//! Not a protection on its own: the verdict is a first gate in front of an unpickler with an allow-list, behind a
//! signature. Sources: the comments of CPython's `pickletools`. CWE-502; ASVS 5.0: v5.0.0-1.5.2.

use crate::{Error, Result};

/// What a pickle would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// (module, name) of each global that is named in a way that can be read off.
    pub globals: Vec<(String, String)>,
    /// Instructions.
    pub instructions: usize,
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
/// old classes and out-of-band buffers, which an allow-list cannot judge.
pub fn scan(data: &[u8]) -> Result<Scan> {
    let mut input = Input(data);
    let mut scan = Scan::default();
    // The last texts on the stack, for STACK_GLOBAL: enough to read off what compilers of pickles write.
    let mut texts: Vec<Option<String>> = Vec::new();
    let mut memo: std::collections::HashMap<u64, Option<String>> = std::collections::HashMap::new();
    let text = |bytes: &[u8]| Some(String::from_utf8_lossy(bytes).into_owned());
    let number = |line: &[u8]| {
        std::str::from_utf8(line)
            .ok()
            .and_then(|t| t.trim().parse::<u64>().ok())
            .ok_or_else(malformed)
    };
    loop {
        scan.instructions += 1;
        let op = input.byte()?;
        let mut pushed: Option<Option<String>> = None;
        match op {
            b'.' => break,
            // Values with a length in front.
            0x8c => {
                pushed = Some({
                    let n = input.uint(1)?;
                    text(input.take(n)?)
                })
            }
            b'X' => {
                pushed = Some({
                    let n = input.uint(4)?;
                    text(input.take(n)?)
                })
            }
            0x8d => {
                pushed = Some({
                    let n = input.uint(8)?;
                    text(input.take(n)?)
                })
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
            b'V' => pushed = Some(text(input.line()?)),
            // Memo.
            b'q' | b'r' | b'p' | 0x94 => {
                let index = match op {
                    b'q' => input.uint(1)?,
                    b'r' => input.uint(4)?,
                    b'p' => number(input.line()?)?,
                    _ => memo.len() as u64,
                };
                if index > 2 * scan.instructions as u64 + 1024 {
                    return Err(Error::Refused("the pickle asks for a huge memo".into()));
                }
                memo.insert(index, texts.last().cloned().flatten());
            }
            b'h' | b'j' | b'g' => {
                let index = match op {
                    b'h' => input.uint(1)?,
                    b'j' => input.uint(4)?,
                    _ => number(input.line()?)?,
                };
                pushed = Some(memo.get(&index).ok_or_else(malformed)?.clone());
            }
            // Globals.
            b'c' => {
                let module = String::from_utf8_lossy(input.line()?).into_owned();
                let name = String::from_utf8_lossy(input.line()?).into_owned();
                scan.globals.push((module, name));
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
                scan.globals.push((module, name));
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
            b'2' => pushed = Some(texts.last().cloned().flatten()),
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
    Ok(scan)
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

    proptest::proptest! {
        #[test]
        fn any_bytes(data: Vec<u8>) {
            let _ = scan(&data);
        }
    }
}

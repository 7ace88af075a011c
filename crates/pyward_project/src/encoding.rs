//! From bytes to text as Python reads source files (PEP 263, PEP 3120).

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Text, and what was wrong with the bytes.
pub(crate) struct Decoded {
    pub(crate) text: String,
    pub(crate) problem: Option<Problem>,
}

/// Why the text may not be what the author sees.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The declared encoding is unknown; read as UTF-8 or, failing that, Latin-1.
    Unknown { name: String },
    /// A byte that the encoding does not have, at this line of the decoded text; read as Latin-1.
    Undecodable { encoding: &'static str, line: u32 },
    /// UTF-16, which Python does not read.
    Utf16,
}

/// Decodes Python source. Always gives text: analysing a file that Python would refuse beats ignoring it.
pub(crate) fn decode(bytes: Vec<u8>) -> Decoded {
    if let Some((encoding, length)) = Encoding::for_bom(&bytes) {
        if encoding == UTF_8 {
            return utf8(bytes, length);
        }
        if encoding == UTF_16LE || encoding == UTF_16BE {
            let (text, _) = encoding.decode_without_bom_handling(&bytes[length..]);
            return Decoded {
                text: text.into_owned(),
                problem: Some(Problem::Utf16),
            };
        }
    }
    let Some(name) = declared(&bytes) else {
        return utf8(bytes, 0);
    };
    let Some(encoding) = lookup(&name) else {
        let mut decoded = utf8(bytes, 0);
        decoded.problem = Some(Problem::Unknown { name });
        return decoded;
    };
    if encoding == UTF_8 {
        return utf8(bytes, 0);
    }
    let (text, had_errors) = encoding.decode_without_bom_handling(&bytes);
    let problem = had_errors.then(|| Problem::Undecodable {
        encoding: encoding.name(),
        line: text
            .find('\u{fffd}')
            .map_or(1, |at| line_of(text.as_bytes(), at)),
    });
    Decoded {
        text: text.into_owned(),
        problem,
    }
}

/// Decodes text that has no declaration of its own: templates, configuration files.
pub(crate) fn decode_plain(bytes: Vec<u8>) -> String {
    let length = Encoding::for_bom(&bytes).map_or(0, |(_, length)| length);
    utf8(bytes, length).text
}

fn utf8(mut bytes: Vec<u8>, bom: usize) -> Decoded {
    if bom > 0 {
        bytes.drain(..bom);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Decoded {
            text,
            problem: None,
        },
        Err(error) => {
            let line = line_of(error.as_bytes(), error.utf8_error().valid_up_to());
            let (text, _) = WINDOWS_1252.decode_without_bom_handling(error.as_bytes());
            Decoded {
                text: text.into_owned(),
                problem: Some(Problem::Undecodable {
                    encoding: "UTF-8",
                    line,
                }),
            }
        }
    }
}

fn line_of(bytes: &[u8], at: usize) -> u32 {
    let newlines = memchr::memchr_iter(b'\n', &bytes[..at.min(bytes.len())]).count();
    u32::try_from(newlines + 1).unwrap_or(u32::MAX)
}

/// The encoding named by a PEP 263 comment in the first two lines.
fn declared(bytes: &[u8]) -> Option<String> {
    for (number, line) in bytes.split(|&b| b == b'\n').take(2).enumerate() {
        let line = line.trim_ascii();
        if line.first() != Some(&b'#') {
            // A first line of code ends the search: the second line may only follow a comment or a blank line.
            if number == 0 && line.is_empty() {
                continue;
            }
            return None;
        }
        if let Some(name) = cookie(line) {
            return Some(name);
        }
    }
    None
}

/// `coding[:=]\s*([-\w.]+)` anywhere in a comment.
fn cookie(comment: &[u8]) -> Option<String> {
    for at in memchr::memmem::find_iter(comment, b"coding") {
        let rest = &comment[at + b"coding".len()..];
        if !matches!(rest.first(), Some(b':' | b'=')) {
            continue;
        }
        let rest = rest[1..].trim_ascii_start();
        let length = rest
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
            .count();
        if length > 0 {
            return Some(String::from_utf8_lossy(&rest[..length]).into_owned());
        }
    }
    None
}

/// Python's codec names are not the labels of the Encoding Standard: bring the ones in use together.
fn lookup(name: &str) -> Option<&'static Encoding> {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let label = match name.as_str() {
        "utf8" | "u8" | "utf" | "cp65001" | "utf-8-sig" => "utf-8",
        "latin-1" | "l1" | "8859" | "iso8859" | "iso-latin-1" | "cp819" => "latin1",
        "ascii" | "us-ascii" | "646" => "us-ascii",
        "mac-roman" | "macroman" => "macintosh",
        "mac-cyrillic" => "x-mac-cyrillic",
        "cp932" | "ms932" | "mskanji" | "s-jis" | "shiftjis" | "csshiftjis" => "shift_jis",
        "shift-jis" => "shift_jis",
        "cp936" | "ms936" => "gbk",
        "cp949" | "uhc" | "ms949" => "euc-kr",
        "cp950" | "big5-tw" => "big5",
        "eucjp" | "ujis" => "euc-jp",
        "euckr" | "korean" => "euc-kr",
        "koi8-u" => "koi8-u",
        "cp874" => "windows-874",
        other => {
            if let Some(encoding) = Encoding::for_label(other.as_bytes()) {
                return Some(encoding);
            }
            // `iso8859-15`, `windows1252`, `cp1252` in the spellings that Python's normalisation accepts.
            let joined = other.replace('-', "");
            let spelled = joined
                .strip_prefix("iso8859")
                .map(|n| format!("iso-8859-{n}"))
                .or_else(|| {
                    joined
                        .strip_prefix("windows")
                        .map(|n| format!("windows-{n}"))
                })?;
            return Encoding::for_label(spelled.as_bytes());
        }
    };
    Encoding::for_label(label.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> (String, Option<Problem>) {
        let decoded = decode(bytes.to_vec());
        (decoded.text, decoded.problem)
    }

    #[test]
    fn utf8_with_and_without_mark() {
        assert_eq!(text("x = 'é'".as_bytes()), ("x = 'é'".into(), None));
        assert_eq!(text(b"\xef\xbb\xbfx = 1"), ("x = 1".into(), None));
    }

    #[test]
    fn declared_encodings() {
        let latin = b"#!/usr/bin/python\n# -*- coding: latin-1 -*-\nx = '\xe9'\n";
        assert!(text(latin).0.ends_with("x = 'é'\n"));
        let vim = b"# vim: set fileencoding=iso8859-15 :\nx = '\xa4'\n";
        assert!(text(vim).0.ends_with("x = '€'\n"));
        let japanese = b"# coding: shift_jis\nx = '\x83e'\n";
        assert_eq!(text(japanese).1, None);
        let cyrillic = b"# coding=cp1251\nx = '\xcf'\n";
        assert!(text(cyrillic).0.contains('П'));
    }

    #[test]
    fn a_declaration_after_code_does_not_count() {
        let (decoded, problem) = text(b"import os\n# coding: latin-1\nx = '\xe9'\n");
        assert_eq!(
            problem,
            Some(Problem::Undecodable {
                encoding: "UTF-8",
                line: 3
            })
        );
        assert!(decoded.contains('é'), "falls back to Latin-1");
    }

    #[test]
    fn unknown_encoding_is_named() {
        let (_, problem) = text(b"# coding: klingon\n");
        assert_eq!(
            problem,
            Some(Problem::Unknown {
                name: "klingon".into()
            })
        );
    }

    #[test]
    fn utf16_is_read_and_reported() {
        assert_eq!(
            text(b"\xff\xfex\0=\x001\0"),
            ("x=1".into(), Some(Problem::Utf16))
        );
    }
}

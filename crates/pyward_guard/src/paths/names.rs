//! Lexical checks of paths and names; no file system is touched here.

use unicode_normalization::UnicodeNormalization;

use crate::{Error, Result};

/// Longest path accepted, in bytes (`PATH_MAX` on Linux is 4096 with the closing NUL).
const MAX_PATH: usize = 4095;
/// Longest single name accepted, in bytes (`NAME_MAX`).
const MAX_NAME: usize = 255;

/// True for the names Windows reserves for devices, with or without an extension (`nul.txt`).
#[must_use]
pub fn is_device_name(name: &str) -> bool {
    let stem = name
        .split(['.', ':'])
        .next()
        .unwrap_or("")
        .trim_end_matches(' ');
    if stem.eq_ignore_ascii_case("con")
        || stem.eq_ignore_ascii_case("prn")
        || stem.eq_ignore_ascii_case("aux")
        || stem.eq_ignore_ascii_case("nul")
        || stem.eq_ignore_ascii_case("conin$")
        || stem.eq_ignore_ascii_case("conout$")
    {
        return true;
    }
    let mut characters = stem.chars();
    let prefix: String = characters.by_ref().take(3).collect();
    let (number, rest) = (characters.next(), characters.next());
    (prefix.eq_ignore_ascii_case("com") || prefix.eq_ignore_ascii_case("lpt"))
        && rest.is_none()
        // Superscript digits count as digits for Windows.
        && number.is_some_and(|c| matches!(c, '0'..='9' | '¹' | '²' | '³'))
}

/// Checks that `path` is a relative path which stays beneath its base by its letters alone.
///
/// Refused: empty, longer than 4095 bytes (255 a component), NUL, absolute, `..`, backslash, drive
/// prefix, device name. Symbolic links are the business of [`super::Directory`].
///
/// # Errors
/// [`Error::InvalidInput`] for an empty or too long path or component, [`Error::Refused`] for the others.
pub fn check_relative(path: &str) -> Result<()> {
    if path.is_empty() {
        return Err(Error::InvalidInput("the path is empty".into()));
    }
    if path.len() > MAX_PATH {
        return Err(Error::InvalidInput(format!(
            "the path is longer than {MAX_PATH} bytes"
        )));
    }
    let bytes = path.as_bytes();
    if bytes[0] == b'/' {
        return Err(Error::Refused("the path is absolute".into()));
    }
    if memchr::memchr2(0, b'\\', bytes).is_some() {
        return Err(Error::Refused("the path has a NUL or a backslash".into()));
    }
    if bytes.len() > 1 && bytes[1] == b':' && bytes[0].is_ascii_alphabetic() {
        return Err(Error::Refused("the path has a drive prefix".into()));
    }
    for part in path.split('/') {
        if part == ".." {
            return Err(Error::Refused("the path has a `..` component".into()));
        }
        if part.len() > MAX_NAME {
            return Err(Error::InvalidInput(format!(
                "a name in the path is longer than {MAX_NAME} bytes"
            )));
        }
        if cfg!(windows) && part.contains(':') {
            return Err(Error::Refused(
                "the path names an alternate data stream".into(),
            ));
        }
        if is_device_name(part) {
            return Err(Error::Refused("the path names a device".into()));
        }
    }
    Ok(())
}

/// Turns a name from outside into a file name that is harmless on every platform.
///
/// Directory parts are dropped; the rest is NFC-normalised; control, format and bidirectional
/// characters and `<>:"/\|?*` go; leading dots and dashes and trailing dots and spaces go; device
/// names get a leading underscore; the result has at most `max_bytes` bytes (1..=255) and keeps a short
/// extension when cut. An error when nothing is left.
///
/// # Errors
/// [`Error::InvalidInput`] when nothing is left, and for `max_bytes` out of its range.
pub fn safe_name(name: &str, max_bytes: usize) -> Result<String> {
    if !(1..=MAX_NAME).contains(&max_bytes) {
        return Err(Error::InvalidInput(format!("max_bytes is 1 to {MAX_NAME}")));
    }
    // A bound on work: no sensible name is longer, and the tail carries the extension.
    let mut start = name.len().saturating_sub(4 * MAX_PATH);
    while !name.is_char_boundary(start) {
        start += 1;
    }
    let last = name[start..].rsplit(['/', '\\']).next().unwrap_or("");
    let mut out = String::with_capacity(last.len());
    for c in last.nfc() {
        let keep = !c.is_control()
            && !is_format(c)
            && !matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*' | '\u{FFFD}');
        if !keep {
            continue;
        }
        if c.is_whitespace() {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            out.push(c);
        }
    }
    let trimmed = out
        .trim_start_matches(['.', '-', ' ', '~'])
        .trim_end_matches(['.', ' ']);
    if trimmed.is_empty() {
        return Err(Error::InvalidInput(
            "nothing of the name can be kept".into(),
        ));
    }
    let mut result = if is_device_name(trimmed) {
        format!("_{trimmed}")
    } else {
        trimmed.to_owned()
    };
    if result.len() > max_bytes {
        let extension = match result.rfind('.') {
            Some(at) if at > 0 && result.len() - at <= 16 && result.len() - at < max_bytes => {
                result[at..].to_owned()
            }
            _ => String::new(),
        };
        let mut cut = max_bytes - extension.len();
        while !result.is_char_boundary(cut) {
            cut -= 1;
        }
        result.truncate(cut);
        result.truncate(result.trim_end_matches(['.', ' ']).len());
        result.push_str(&extension);
        // Cutting can leave a device name (`console` cut to `con`) or nothing at all.
        if result.is_empty() || is_device_name(&result) || result.starts_with('.') {
            return Err(Error::InvalidInput(
                "max_bytes is too small for this name".into(),
            ));
        }
    }
    Ok(result)
}

/// Format characters (general category Cf) and line separators that make a name look like another one.
fn is_format(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{600}'..='\u{605}'
            | '\u{61C}'
            | '\u{6DD}'
            | '\u{70F}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFC}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// A name of `bytes` random bytes from the operating system as lower-case hex digits.
///
/// # Errors
/// [`Error::Unsupported`] when the operating system gives no randomness.
pub fn random_name(bytes: usize) -> Result<String> {
    let mut buffer = vec![0_u8; bytes.clamp(1, 64)];
    getrandom::fill(&mut buffer).map_err(|e| Error::Unsupported(format!("random numbers: {e}")))?;
    Ok(buffer.iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_leaves_the_base() {
        for bad in [
            "",
            "/etc/passwd",
            "..",
            "../x",
            "a/../b",
            "a/..",
            "a\\b",
            "a\0b",
            "C:x",
            "c:/x",
            "nul",
            "a/COM1.txt",
            "aux.h",
            "lpt9",
            "CON ",
            "com¹",
            "a/con.tar.gz",
        ] {
            assert!(check_relative(bad).is_err(), "{bad:?}");
        }
        for good in [
            "a", "a/b.txt", ".hidden", "a..b", "...", "console", "com", "com10", "a/./b",
        ] {
            assert!(check_relative(good).is_ok(), "{good:?}");
        }
        // An alternate data stream on Windows, a plain name elsewhere.
        assert_eq!(check_relative("12:30.txt").is_err(), cfg!(windows));
        assert!(check_relative(&"a".repeat(256)).is_err());
        assert!(check_relative(&"a/".repeat(3000)).is_err());
    }

    #[test]
    fn safe_names() {
        for (name, want) in [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\fakepath\\me.png", "me.png"),
            ("-rf", "rf"),
            (".htaccess", "htaccess"),
            ("a\u{202e}gpj.exe", "agpj.exe"),
            ("NUL.txt", "_NUL.txt"),
            ("x\r\ny", "xy"),
            ("e\u{301}.txt", "é.txt"),
            ("a<b>:c?.txt. ", "abc.txt"),
        ] {
            assert_eq!(safe_name(name, 255).unwrap(), want);
        }
        assert!(safe_name("...", 255).is_err());
        assert!(safe_name("\u{200b}", 255).is_err());
        assert_eq!(
            safe_name(&format!("{}.jpeg", "é".repeat(200)), 20).unwrap(),
            "ééééééé.jpeg"
        );
    }

    proptest! {
        #[test]
        fn any_name_is_made_safe_or_refused(name in "\\PC{0,80}|[\\x00-\\x7f]{0,300}|(con|nul|\\.|/|\\\\| |-){0,9}", max in 1_usize..=255) {
            if let Ok(safe) = safe_name(&name, max) {
                prop_assert!(safe.len() <= max && !safe.is_empty());
                prop_assert!(check_relative(&safe).is_ok(), "{safe:?}");
                prop_assert!(!safe.contains('/') && !safe.starts_with(['.', '-']) && !safe.ends_with(['.', ' ']));
                prop_assert!(!safe.chars().any(char::is_control));
                prop_assert_eq!(safe_name(&safe, max).unwrap(), safe.clone());
            }
        }

        #[test]
        fn accepted_paths_have_only_normal_components(path in "[a./\\\\:\\x00]{0,20}") {
            if check_relative(&path).is_ok() {
                use std::path::{Component, Path};
                prop_assert!(Path::new(&path).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)));
            }
        }
    }
}

//! Escaping for each place in a page.

use std::borrow::Cow;

use crate::{Error, Result};

/// Position of the first byte that [`escape`] would replace.
#[must_use]
pub fn first_special(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if bytes.len() < 16 {
        return bytes
            .iter()
            .position(|b| matches!(b, b'&' | b'<' | b'>' | b'"' | b'\''));
    }
    let a = memchr::memchr3(b'&', b'<', b'>', bytes);
    // What lies behind the first hit does not matter.
    let b = memchr::memchr2(b'"', b'\'', &bytes[..a.unwrap_or(bytes.len())]);
    b.or(a)
}

/// Escapes `& < > " '` for text and for attribute values in quotes, as `MarkupSafe` does.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    match first_special(text) {
        None => Cow::Borrowed(text),
        Some(first) => {
            let mut out = String::with_capacity(text.len() + text.len() / 4 + 16);
            escape_into(text, first, &mut out);
            Cow::Owned(out)
        }
    }
}

/// Index of the replacement for each byte; 0 for none.
const REPLACE: [u8; 256] = {
    let mut table = [0; 256];
    table[b'&' as usize] = 1;
    table[b'<' as usize] = 2;
    table[b'>' as usize] = 3;
    table[b'"' as usize] = 4;
    table[b'\'' as usize] = 5;
    table
};
const REPLACEMENTS: [&str; 6] = ["", "&amp;", "&lt;", "&gt;", "&#34;", "&#39;"];

/// Appends the escaped `text` to `out`; nothing before `first` needs escaping.
pub fn escape_into(text: &str, first: usize, out: &mut String) {
    let bytes = text.as_bytes();
    let mut start = 0;
    let mut at = first;
    while at < bytes.len() {
        let index = REPLACE[bytes[at] as usize];
        if index != 0 {
            // The replaced bytes are ASCII, so the cuts are at character boundaries.
            out.push_str(&text[start..at]);
            out.push_str(REPLACEMENTS[index as usize]);
            start = at + 1;
        }
        at += 1;
    }
    out.push_str(&text[start..]);
}

/// Escapes for an attribute value that may lack quotes: all but ASCII letters, digits and characters from U+00A0 on
/// becomes a character reference; characters HTML does not allow become U+FFFD.
#[must_use]
pub fn attribute(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' | ',' => out.push(c),
            '\t' | '\n' | '\r' | ' '..='~' => {
                out.push_str("&#");
                out.push_str(&(c as u32).to_string());
                out.push(';');
            }
            _ if c.is_control() => out.push('\u{FFFD}'),
            _ => out.push(c),
        }
    }
    out
}

/// Percent-encodes everything but RFC 3986 unreserved characters, for a component of a URL.
#[must_use]
pub fn url_component(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len() + 8);
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte as char);
        } else {
            out.push('%');
            out.push(HEX[(byte >> 4) as usize] as char);
            out.push(HEX[(byte & 15) as usize] as char);
        }
    }
    out
}

/// A URL for an attribute such as `href`, with its scheme checked; what could not be parsed alike by everybody
/// (control characters, backslashes, spaces around) is refused.
///
/// Relative references are fine; those that start with `//`, which name another host, only with `allow_network_path`.
///
/// # Errors
/// [`Error::Refused`] for any other URL.
pub fn allowed_url<'a>(
    url: &'a str,
    schemes: &[&str],
    allow_network_path: bool,
) -> Result<&'a str> {
    let refused = |text: &str| Err(Error::Refused(text.into()));
    if url.chars().any(|c| c.is_control() || c == '\\') || url.trim() != url {
        return refused("the URL has control characters, backslashes or surrounding spaces");
    }
    if url.starts_with("//") && !allow_network_path {
        return refused("the URL names another host without a scheme");
    }
    let end = url.find(['/', '?', '#']).unwrap_or(url.len());
    if let Some(colon) = url[..end].find(':') {
        let scheme = &url[..colon];
        if !schemes
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(scheme))
        {
            return refused("the scheme of the URL is not allowed");
        }
    }
    Ok(url)
}

fn unicode_escape(out: &mut String, c: char) {
    let mut units = [0_u16; 2];
    for unit in c.encode_utf16(&mut units) {
        out.push_str(&format!("\\u{unit:04x}"));
    }
}

/// Makes JSON text safe within a `<script>` element or an event attribute: characters that could end the element, a
/// string of any quote, or a line become escapes, which JSON and JavaScript read alike.
///
/// `json` has to be valid JSON; that is checked.
///
/// # Errors
/// [`Error::InvalidInput`] for what is not JSON, with the position.
pub fn script_json(json: &str) -> Result<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(json).map_err(|e| {
        Error::InvalidInput(format!(
            "not valid JSON (line {}, column {})",
            e.line(),
            e.column()
        ))
    })?;
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match c {
            // Outside of strings none of them occurs in JSON.
            '<' | '>' | '&' | '\'' | '`' | '$' | '\u{2028}' | '\u{2029}' | '\u{7f}' => {
                unicode_escape(&mut out, c)
            }
            _ => out.push(c),
        }
    }
    Ok(out)
}

/// Escapes text for the inside of a JavaScript string literal in `'`, `"` or backticks.
#[must_use]
pub fn script_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' | ',' | '.' | '_' | '-' | ':' | '(' | ')' => {
                out.push(c)
            }
            _ if c.is_ascii()
                || c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{FEFF}') =>
            {
                unicode_escape(&mut out, c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// Escapes text for the inside of a CSS string literal.
#[must_use]
pub fn css_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => out.push(c),
            // NUL ends or replaces text in parsers; CSS turns it into U+FFFD anyway.
            '\0' => out.push('\u{FFFD}'),
            _ if c.is_ascii() || c.is_control() => out.push_str(&format!("\\{:06x} ", c as u32)),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes() {
        assert_eq!(escape("a<b>&\"'"), "a&lt;b&gt;&amp;&#34;&#39;");
        assert!(matches!(
            escape("plain text with ümlauts"),
            Cow::Borrowed(_)
        ));
        assert_eq!(attribute("a onload=x"), "a&#32;onload&#61;x");
        assert_eq!(url_component("a b/ü?&"), "a%20b%2F%C3%BC%3F%26");
        assert_eq!(
            script_json(r#"{"a":"</script>'`${x}"}"#).unwrap(),
            r#"{"a":"\u003c/script\u003e\u0027\u0060\u0024{x}"}"#
        );
        assert!(script_json("alert(1)").is_err());
        assert_eq!(
            script_string("'\n</script>"),
            "\\u0027\\u000a\\u003c\\u002fscript\\u003e"
        );
        assert_eq!(css_string("a\"}"), "a\\000022 \\00007d ");
    }

    #[test]
    fn urls() {
        let check = |url| allowed_url(url, &["http", "https", "mailto"], false).is_ok();
        for good in [
            "https://x/",
            "/a?b=c:d#e",
            "a/b:c",
            "",
            "?q=javascript:x",
            "HTTPS://x",
            "mailto:a@b",
        ] {
            assert!(check(good), "{good}");
        }
        for bad in [
            "javascript:alert(1)",
            "JaVaScRiPt:x",
            "java\nscript:x",
            " javascript:x",
            "\u{1}javascript:x",
            "data:text/html,x",
            "vbscript:x",
            "//evil",
            "\\\\evil",
            "/\\evil",
            "x:y",
            ":x",
        ] {
            assert!(!check(bad), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn escaped_text_has_no_markup(text in "\\PC{0,60}|[<>&\"'a]{0,40}") {
            let out = escape(&text);
            prop_assert!(!out.contains(['<', '>', '"', '\'']));
            let back = out.replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", "\"").replace("&#39;", "'").replace("&amp;", "&");
            prop_assert_eq!(back, text.clone());
            prop_assert!(!attribute(&text).contains([' ', '=', '<', '>', '"', '\'', '`', '/']));
            prop_assert!(!script_string(&text).contains(['<', '>', '"', '\'', '`', '\\', '\n', '$']) || script_string(&text).contains("\\u"));
            let css = css_string(&text);
            let special = css.contains(|c| "<>\"'{};\n".contains(c));
            prop_assert!(!special);
        }

        #[test]
        fn json_keeps_its_meaning(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            let safe = script_json(&json).unwrap();
            prop_assert!(!safe.contains(['<', '>', '&', '\'', '`', '$']));
            prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
        }
    }
}

//! Tokens of expressions in templates; strings and brackets that a separator does not split.

/// Splits at a separator that stands outside of brackets and strings.
pub(crate) fn split_outside<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let bytes = text.as_bytes();
    let (mut parts, mut start, mut at, mut depth) = (Vec::new(), 0, 0, 0usize);
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            quote @ (b'"' | b'\'') => {
                at = string_end(bytes, at, quote);
                continue;
            }
            _ if depth == 0 && bytes[at..].starts_with(separator.as_bytes()) => {
                parts.push(&text[start..at]);
                at += separator.len();
                start = at;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(&text[start..]);
    parts
}

/// The offset after a string that begins at `at`; the end of the text when it is not closed.
pub(crate) fn string_end(bytes: &[u8], at: usize, quote: u8) -> usize {
    let triple = bytes[at..].starts_with(&[quote; 3]);
    let mut i = at + if triple { 3 } else { 1 };
    while i < bytes.len() {
        if bytes[i] == b'\\' {
            i += 2;
        } else if triple && bytes[i..].starts_with(&[quote; 3]) {
            return i + 3;
        } else if !triple && bytes[i] == quote {
            return i + 1;
        } else {
            i += 1;
        }
    }
    bytes.len()
}

/// A token of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Name(String),
    Number,
    Str { text: String, format: bool },
    Op(&'static str),
    Other,
}

const OPS: &[&str] = &[
    "**", "//", "==", "!=", "<=", ">=", "<<", ">>", ":=", "->", "+", "-", "*", "/", "%", "~", "|",
    "&", "^", "<", ">", "=", "(", ")", "[", "]", "{", "}", ".", ",", ":", "@",
];

pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c.is_whitespace() {
            at += c.len_utf8();
        } else if c == '_' || c.is_alphabetic() {
            let length: usize = text[at..]
                .chars()
                .take_while(|c| *c == '_' || c.is_alphanumeric())
                .map(char::len_utf8)
                .sum();
            let name = &text[at..at + length];
            let next = bytes.get(at + length).copied();
            let prefix = name.len() <= 2 && name.chars().all(|c| "rRbBfFuUtT".contains(c));
            at += length;
            if let (true, Some(quote @ (b'"' | b'\''))) = (prefix, next) {
                let end = string_end(bytes, at, quote);
                out.push(string(
                    &text[at..end],
                    quote,
                    name.contains(['f', 'F', 't', 'T']),
                ));
                at = end;
            } else {
                out.push(Token::Name(name.to_string()));
            }
        } else if c.is_ascii_digit() {
            let length: usize = text[at..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '.')
                .map(char::len_utf8)
                .sum();
            at += length;
            out.push(Token::Number);
        } else if c == '"' || c == '\'' {
            let end = string_end(bytes, at, bytes[at]);
            out.push(string(&text[at..end], bytes[at], false));
            at = end;
        } else if let Some(op) = OPS.iter().find(|op| text[at..].starts_with(**op)) {
            at += op.len();
            out.push(Token::Op(op));
        } else {
            at += c.len_utf8();
            out.push(Token::Other);
        }
    }
    out
}

/// The token of a string with its quotes. Escapes stay as they are written: no decision turns
/// on them.
fn string(text: &str, quote: u8, format: bool) -> Token {
    let quote = char::from(quote).to_string();
    let triple = quote.repeat(3);
    let inner = if text.len() >= 6 && text.starts_with(&triple) && text.ends_with(&triple) {
        &text[3..text.len() - 3]
    } else {
        let inner = &text[1..];
        inner.strip_suffix(&quote).unwrap_or(inner)
    };
    Token::Str {
        text: inner.to_string(),
        format,
    }
}

//! Composition of SQL text: identifiers quoted by dialect, literal parts checked and adapted to the driver's
//! placeholders. Values never become part of the text. Protects against SQL injection (CWE-89, CWE-564, CWE-943).
//!
//! ```
//! use pyward_guard::sql::{Dialect, Part, quote_identifier, split};
//! // The value of `{name}` goes to the driver as a parameter.
//! let parts = split("SELECT * FROM users WHERE name = {name}")?;
//! assert_eq!(parts[1], Part::Field("name".into()));
//! assert!(split("SELECT * FROM users WHERE name = '{name}'").is_err());
//! assert!(split("SELECT 1; DROP TABLE users").is_err());
//! assert_eq!(quote_identifier(r#"a" OR 1=1"#, Dialect::Postgresql)?, r#""a"" OR 1=1""#);
//! # Ok::<(), pyward_guard::Error>(())
//! ```

use crate::{Error, Result};

/// What the identifiers and strings of a database look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgresql,
    /// MySQL and MariaDB.
    Mysql,
}

/// Placeholder styles of the Python DB-API (PEP 249).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamStyle {
    /// `?`
    Qmark,
    /// `:1`
    Numeric,
    /// `:name`
    Named,
    /// `%s`
    Format,
    /// `%(name)s`
    Pyformat,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Literal SQL.
    Text(String),
    /// `{name}`.
    Field(String),
}

/// Quotes a table, column or schema name. At most 63 bytes in PostgreSQL (which cuts longer ones silently), 64 characters
/// in MySQL, 255 bytes in SQLite; control characters are refused everywhere.
///
/// # Errors
/// [`Error::InvalidInput`] for an empty or too long name or one that MySQL does not permit, [`Error::Refused`] for
/// control characters.
pub fn quote_identifier(name: &str, dialect: Dialect) -> Result<String> {
    let (quote, too_long) = match dialect {
        Dialect::Sqlite => ('"', name.len() > 255),
        Dialect::Postgresql => ('"', name.len() > 63),
        Dialect::Mysql => ('`', name.chars().count() > 64),
    };
    if name.is_empty() || too_long {
        return Err(Error::InvalidInput(
            "an identifier is empty or too long for the database".into(),
        ));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::Refused(
            "an identifier has control characters".into(),
        ));
    }
    if dialect == Dialect::Mysql && (name.ends_with(' ') || name.chars().any(|c| c as u32 > 0xFFFF))
    {
        return Err(Error::InvalidInput(
            "an identifier that MySQL does not permit".into(),
        ));
    }
    let mut out = String::with_capacity(name.len() + 2);
    out.push(quote);
    for c in name.chars() {
        if c == quote {
            out.push(quote);
        }
        out.push(c);
    }
    out.push(quote);
    Ok(out)
}

/// Escapes `%`, `_` and the escape character for the inside of a LIKE pattern.
///
/// # Errors
/// [`Error::InvalidInput`] for an escape character that is no ASCII punctuation, or is `%`, `_` or a quote.
pub fn escape_like(text: &str, escape: char) -> Result<String> {
    if !escape.is_ascii_punctuation() || matches!(escape, '%' | '_' | '\'') {
        return Err(Error::InvalidInput(
            "the escape character is a punctuation character other than % _ '".into(),
        ));
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if matches!(c, '%' | '_') || c == escape {
            out.push(escape);
        }
        out.push(c);
    }
    Ok(out)
}

/// The placeholder of parameter `index` (from 0). Named ones are called `p0`, `p1`, ...
#[must_use]
pub fn placeholder(style: ParamStyle, index: usize) -> String {
    match style {
        ParamStyle::Qmark => "?".to_owned(),
        ParamStyle::Numeric => format!(":{}", index + 1),
        ParamStyle::Named => format!(":p{index}"),
        ParamStyle::Format => "%s".to_owned(),
        ParamStyle::Pyformat => format!("%(p{index})s"),
    }
}

/// Splits a template at its `{name}` fields; `{{` and `}}` stand for braces.
///
/// Refused: a field within a string, a quoted identifier or a comment (it would not be a value there), a second
/// statement, an open string or comment, and a backslash before a quote, which databases read in different ways. A
/// semicolon at the end is dropped.
///
/// # Errors
/// [`Error::Refused`] for all of that.
pub fn split(template: &str) -> Result<Vec<Part>> {
    let refused = |text: &str| Err(Error::Refused(text.to_owned()));
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = template;
    let mut ended = false;
    let mut in_line_comment = false;
    if template.contains('\0') {
        return refused("the SQL has a NUL");
    }
    while let Some(c) = rest.chars().next() {
        let inert = inert(rest)?;
        if let Some(length) = inert {
            let (body, after) = rest.split_at(length);
            let comment = body.starts_with("--") || body.starts_with("/*");
            if ended && !comment {
                return refused("the SQL has a second statement");
            }
            push_inert(&mut text, body)?;
            in_line_comment = body.starts_with("--") && !body.ends_with('\n');
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if ended && !c.is_whitespace() {
            return refused("the SQL has a second statement");
        }
        match c {
            '{' if rest.starts_with('{') => {
                text.push('{');
                rest = &rest[1..];
            }
            '{' => {
                let Some(end) = rest.find('}') else {
                    return refused("the SQL has an open brace");
                };
                let name = &rest[..end];
                let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                if name.is_empty() || !plain {
                    return refused("a field of the SQL is not a plain name");
                }
                parts.push(Part::Text(std::mem::take(&mut text)));
                parts.push(Part::Field(name.to_owned()));
                rest = &rest[end + 1..];
            }
            '}' if rest.starts_with('}') => {
                text.push('}');
                rest = &rest[1..];
            }
            '}' => return refused("the SQL has a brace that was not opened"),
            // Drivers need none, and within another statement it would end that.
            ';' => ended = true,
            _ => text.push(c),
        }
    }
    if in_line_comment {
        // So that what a fragment is put into does not go on in its comment.
        text.push('\n');
    }
    parts.push(Part::Text(text));
    Ok(parts)
}

/// Length of a string, quoted identifier or comment that starts here.
fn inert(rest: &str) -> Result<Option<usize>> {
    let open = |what: &str| Err(Error::Refused(format!("the SQL has an open {what}")));
    let first = rest.as_bytes()[0];
    match first {
        b'\'' | b'"' | b'`' => {
            let quote = first as char;
            let mut at = 1;
            loop {
                let Some(found) = rest[at..].find([quote, '\\']) else {
                    return open("string or identifier");
                };
                at += found;
                if rest.as_bytes()[at] == b'\\' {
                    if rest[at + 1..].starts_with(quote) {
                        return Err(Error::Refused(
                            "the SQL has a backslash before a quote".into(),
                        ));
                    }
                    at += 1;
                    continue;
                }
                at += 1;
                if !rest[at..].starts_with(quote) {
                    return Ok(Some(at));
                }
                at += 1;
            }
        }
        b'-' if rest.starts_with("--") => Ok(Some(rest.find('\n').map_or(rest.len(), |at| at + 1))),
        b'/' if rest.starts_with("/*") => match rest[2..].find("*/") {
            Some(at) if rest[2..2 + at].contains("/*") => {
                Err(Error::Refused("the SQL has nested comments".into()))
            }
            // `/*!` is code for MySQL.
            Some(_) if rest.starts_with("/*!") || rest.starts_with("/*M!") => {
                Err(Error::Refused("the SQL has a conditional comment".into()))
            }
            Some(at) => Ok(Some(at + 4)),
            None => open("comment"),
        },
        b'$' => {
            let Some(end) = rest[1..].find('$') else {
                return Ok(None);
            };
            let tag = &rest[..end + 2];
            if !tag[1..=end]
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_')
                || tag.as_bytes()[1].is_ascii_digit()
            {
                return Ok(None);
            }
            match rest[tag.len()..].find(tag) {
                Some(at) => Ok(Some(tag.len() * 2 + at)),
                None => open("dollar-quoted string"),
            }
        }
        _ => Ok(None),
    }
}

/// Braces have to be doubled here too, so that a field that would do nothing is noticed.
fn push_inert(text: &mut String, body: &str) -> Result<()> {
    let undoubled = body.replace("{{", "\u{1}").replace("}}", "\u{2}");
    if undoubled.contains(['{', '}']) {
        return Err(Error::Refused(
            "a field of the SQL lies within a string, a quoted identifier or a comment".into(),
        ));
    }
    text.push_str(&undoubled.replace('\u{1}', "{").replace('\u{2}', "}"));
    Ok(())
}

/// Makes a literal part safe against being read as a placeholder of the driver.
///
/// `%` is doubled for the `%` styles; a `?` or a `:name` outside of strings is refused for the styles that would bind it.
///
/// # Errors
/// [`Error::Refused`] for such a placeholder.
pub fn adapt(literal: &str, style: ParamStyle) -> Result<String> {
    if matches!(style, ParamStyle::Format | ParamStyle::Pyformat) {
        return Ok(literal.replace('%', "%%"));
    }
    let mut rest = literal;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = inert(rest)? {
            rest = &rest[length..];
            continue;
        }
        let after = &rest[c.len_utf8()..];
        let bound = match style {
            ParamStyle::Qmark => c == '?',
            _ => c == ':' && after.starts_with(|n: char| n.is_alphanumeric() || n == '_'),
        };
        if bound {
            return Err(Error::Refused(
                "the SQL has a placeholder of the driver: use {name} fields".into(),
            ));
        }
        // `::type` casts of PostgreSQL.
        rest = if c == ':' && after.starts_with(':') {
            &after[1..]
        } else {
            after
        };
    }
    Ok(literal.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn identifiers() {
        assert_eq!(
            quote_identifier("a\"b", Dialect::Sqlite).unwrap(),
            "\"a\"\"b\""
        );
        assert_eq!(quote_identifier("a`b", Dialect::Mysql).unwrap(), "`a``b`");
        for bad in ["", "a\0", "a\nb", &"x".repeat(64)] {
            assert!(quote_identifier(bad, Dialect::Postgresql).is_err());
        }
        assert_eq!(escape_like("50%_\\", '\\').unwrap(), "50\\%\\_\\\\");
    }

    #[test]
    fn templates() {
        let fields = |t: &str| {
            split(t).map(|parts| {
                parts
                    .into_iter()
                    .filter_map(|p| {
                        if let Part::Field(f) = p {
                            Some(f)
                        } else {
                            None
                        }
                    })
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(fields("select {a} from {b}").unwrap(), ["a", "b"]);
        assert_eq!(fields("select '{{x}}' -- c\n, {a};").unwrap(), ["a"]);
        assert_eq!(split("a; -- b").unwrap(), [Part::Text("a -- b\n".into())]);
        assert_eq!(split("a {{}} b").unwrap(), [Part::Text("a {} b".into())]);
        for bad in [
            "select '{a}'",
            "select \"{a}\"",
            "select 1 -- {a}",
            "/* {a} */",
            "select 1; drop table x",
            "select 'a",
            "/* x",
            "select '\\''",
            "$$ {a} $$",
            "select {a b}",
            "select {a.b}",
            "select {}",
            "{a",
            "a}",
            "$x$ open",
            "/*! drop */",
            "/* /* */ */",
            "x\0",
            "; 'x'",
        ] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn placeholders_of_drivers() {
        assert!(adapt("select ?", ParamStyle::Qmark).is_err());
        assert!(adapt("select '?'", ParamStyle::Qmark).is_ok());
        assert!(adapt("select :x", ParamStyle::Named).is_err());
        assert!(adapt("select x::int, ':x'", ParamStyle::Named).is_ok());
        assert_eq!(
            adapt("like '50%'", ParamStyle::Pyformat).unwrap(),
            "like '50%%'"
        );
    }

    proptest! {
        #[test]
        fn any_template(template in "(\\{|\\}|a|'|\"|`|--|/\\*|\\*/|;|\\$|\\$x\\$|\\\\|\n| |\\PC){0,24}") {
            if let Ok(parts) = split(&template) {
                for part in parts {
                    if let Part::Text(text) = part {
                        for style in [ParamStyle::Qmark, ParamStyle::Named, ParamStyle::Format] {
                            let _ = adapt(&text, style);
                        }
                    }
                }
            }
        }

        #[test]
        fn a_quoted_identifier_is_one_token(name in "\\PC{1,30}|[\"`'; -]{1,20}") {
            for (dialect, quote) in [(Dialect::Sqlite, '"'), (Dialect::Mysql, '`')] {
                if let Ok(quoted) = quote_identifier(&name, dialect) {
                    let inner = &quoted[1..quoted.len() - 1];
                    let doubled = format!("{quote}{quote}");
                    prop_assert_eq!(inner.replace(&doubled, "").matches(quote).count(), 0);
                    prop_assert_eq!(inner.replace(&doubled, &quote.to_string()), name.clone());
                }
            }
        }
    }
}

//! What a literal looks like.

/// What can be told of a literal that is bound to a sensitive name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Random or invented characters.
    Secret,
    /// Words, as people choose passwords: `letmein`, `admin`.
    Words,
    /// No secret: a name, path, hash or text for people.
    Other,
}

pub(crate) fn look(text: &str) -> Look {
    let length = text.chars().count();
    if !(4..=512).contains(&length) || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Look::Other;
    }
    if is_hash(text)
        || is_path(text)
        || is_dotted_name(text)
        || text.contains("://")
        || text.contains("{{")
    {
        return Look::Other;
    }
    if text.contains('{') && text.contains('}')
        || text.contains("%s")
        || text.contains("%(")
        || text.contains("${")
    {
        return Look::Other;
    }
    let digits = text.chars().any(|c| c.is_ascii_digit());
    let letters = text.chars().any(char::is_alphabetic);
    let upper_inside =
        text.chars().skip(1).any(char::is_uppercase) && text.chars().any(char::is_lowercase);
    let symbols = text
        .chars()
        .any(|c| c.is_ascii_punctuation() && !matches!(c, '-' | '_' | '.' | ':' | '/' | ','));
    if digits && letters && !is_numbered_name(text)
        || digits && length >= 8
        || symbols && letters && length >= 6
    {
        return Look::Secret;
    }
    if upper_inside && length >= 20 && is_random(text) {
        return Look::Secret;
    }
    Look::Words
}

/// `$2b$12$...`, `$argon2id$...`, `pbkdf2_sha256$...`, `{SSHA}...`
fn is_hash(text: &str) -> bool {
    let start = text.get(..24).unwrap_or(text);
    (text.starts_with('$') && text[1..].contains('$'))
        || (start.contains('$')
            && (start.starts_with("pbkdf2")
                || start.starts_with("sha")
                || start.starts_with("md5")
                || start.starts_with("bcrypt")))
        || (text.starts_with('{') && text.contains('}'))
}

/// The hexadecimal digest of a hash function: of MD5 up to SHA-512.
pub(crate) fn is_digest(text: &str) -> bool {
    matches!(text.len(), 32 | 40 | 56 | 64 | 96 | 128)
        && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_path(text: &str) -> bool {
    const EXTENSIONS: &[&str] = &[
        ".pem", ".key", ".json", ".txt", ".py", ".yml", ".yaml", ".toml", ".cfg", ".ini", ".env",
        ".html", ".crt", ".p12", ".pfx", ".asc",
    ];
    text.starts_with('/')
        || text.starts_with("./")
        || text.starts_with("../")
        || text.starts_with("~/")
        || text.starts_with("C:\\")
        || EXTENSIONS.iter().any(|extension| text.ends_with(extension))
}

/// `package.module.Name`; with digits only where it is long: `package.module.sub.Pbkdf2Hasher`.
fn is_dotted_name(text: &str) -> bool {
    let names = text.split('.').all(|part| {
        part.chars()
            .next()
            .is_some_and(|c| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    });
    let dots = text.matches('.').count();
    names
        && dots > 0
        && (!text.chars().any(|c| c.is_ascii_digit())
            || dots >= 2
                && text
                    .split('.')
                    .rev()
                    .skip(1)
                    .all(|part| part.chars().all(|c| c.is_ascii_lowercase() || c == '_')))
}

/// `token_2`, `v1`, `oauth2`, `key-1`: a word with a number behind it.
fn is_numbered_name(text: &str) -> bool {
    let stem = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = text.len() - stem.len();
    let plain = |c: char| c.is_ascii_lowercase() || matches!(c, '_' | '-');
    (1..=1).contains(&number) && stem.ends_with(['_', '-']) && stem.chars().all(plain)
        || matches!(
            text,
            "oauth2"
                | "v1"
                | "v2"
                | "v3"
                | "sha1"
                | "sha256"
                | "hs256"
                | "rs256"
                | "HS256"
                | "RS256"
                | "ES256"
                | "base64"
                | "utf8"
                | "utf-8"
                | "latin1"
        )
        || text
            .strip_suffix(|c: char| c.is_ascii_digit())
            .is_some_and(|stem| stem.ends_with('v') && stem.contains(['_', '-']))
}

/// Letters without order: changes of case where words have none.
fn is_random(text: &str) -> bool {
    let changes = text
        .as_bytes()
        .windows(2)
        .filter(|pair| pair[0].is_ascii_alphabetic() && pair[1].is_ascii_alphabetic())
        .filter(|pair| pair[0].is_ascii_uppercase() != pair[1].is_ascii_uppercase())
        .count();
    changes * 4 > text.len()
}

/// A key as generators print it: long, of letters of both cases and digits (Base64), or hexadecimal.
pub(crate) fn is_random_key(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    text.len() >= 24
        && digits >= 2
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_'))
        && (is_random(text)
            || text.len() >= 32
                && digits * 5 > text.len()
                && text.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// One character over and over, or a run such as `12345678` or `abcdef`.
pub(crate) fn is_monotonous(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(&first) = bytes.first() else {
        return true;
    };
    bytes.iter().all(|&byte| byte == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks() {
        for text in [
            "kJ8#mQ2x!vRt",
            "9f8b3c21d7e64a50b1c2",
            "hunter2x9",
            "pass1",
            "tR7vQ9-wz",
            "p@ssword",
            "20240131",
        ] {
            assert_eq!(look(text), Look::Secret, "{text}");
        }
        for text in [
            "letmein",
            "admin",
            "client_credentials",
            "access-token",
            "token_2",
            "HS256",
        ] {
            assert_eq!(look(text), Look::Words, "{text}");
        }
        for text in [
            "",
            "a b c",
            "/run/secrets/x1",
            "key.pem",
            "$2b$12$abc",
            "app.auth.check",
            "{value}1",
            "https://a/b1",
            "x",
        ] {
            assert_eq!(look(text), Look::Other, "{text}");
        }
        assert!(is_monotonous("xxxx") && !is_monotonous("xy"));
    }
}

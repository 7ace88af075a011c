//! Log lines without secrets and without forged lines, and the hash chain of the audit log.
//!
//! Protects against CWE-117 (log injection), CWE-532 (secrets in logs), CWE-778 and CWE-223 (missing or altered records).
//!
//! ```
//! use pyward_guard::logs::{LINK, Redactor, chain_link, neutralise, verify_chain};
//! let redactor = Redactor::new(&[], &[], false)?;
//! assert_eq!(redactor.redact("user=ada password=hunter2"), "user=ada password=[redacted]");
//! assert!(!neutralise("ada\n2026-01-01 admin signed in", 1000).contains('\n'));
//! let link = chain_link(Some(b"key"), &[0; LINK], b"ada signed in");
//! let hex: String = link.iter().map(|byte| format!("{byte:02x}")).collect();
//! let line = format!("{hex} ada signed in\n");
//! assert_eq!(verify_chain(line.as_bytes(), Some(b"key"), [0; LINK], 1000)?.records, 1);
//! let altered = line.replace("ada", "eve");
//! assert!(verify_chain(altered.as_bytes(), Some(b"key"), [0; LINK], 1000).is_err());
//! # Ok::<(), pyward_guard::Error>(())
//! ```

use std::borrow::Cow;
use std::io::BufRead;
use std::sync::LazyLock;

use hmac::{Hmac, KeyInit, Mac};
use regex::{Captures, Regex};
use sha2::{Digest, Sha256};

use crate::validate::card_number;
use crate::{Error, Result};

/// Replaces what a secret was.
pub const REDACTED: &str = "[redacted]";

/// Parts of key names that mean a secret, letters only.
const KEY_PARTS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "encryptionkey",
    "signingkey",
    "authorization",
    "credential",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "authtoken",
    "sessionid",
    "sessionkey",
    "csrftoken",
    "xsrftoken",
    "bearer",
    "setcookie",
    "clientsecret",
    "connectionstring",
    "recoverycode",
    "cardnumber",
    "creditcard",
    "securitycode",
    "socialsecurity",
];
/// Whole key names that mean a secret.
const KEYS: &[&str] = &[
    "pwd",
    "pass",
    "pw",
    "token",
    "session",
    "phpsessid",
    "csrf",
    "xsrf",
    "sig",
    "signature",
    "cookie",
    "cookies",
    "auth",
    "pin",
    "otp",
    "totp",
    "cvv",
    "cvc",
    "ssn",
    "pan",
    "iban",
    "jwt",
    "salt",
    "nonce",
    "seed",
    "dsn",
    "sid",
];

fn letters(key: &str) -> String {
    key.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Finds secrets by the names they go by and by their shape.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    extra_keys: Vec<String>,
    patterns: Vec<Regex>,
    personal: bool,
}

struct Shapes {
    pair: Regex,
    fixed: Vec<(Regex, &'static str)>,
    card: Regex,
    ipv6: Regex,
    personal: Vec<(Regex, &'static str)>,
    /// A quick look whether anything may be found at all.
    hint: regex::RegexSet,
}

/// Compiles one of the patterns below; they are constants, tested to compile.
#[allow(clippy::expect_used)]
fn fixed(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
    let fixed_shapes: Vec<(&str, &'static str)> = vec![
        (
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\z)",
            "[private key]",
        ),
        (
            // Three parts of a signed token, of which the claims are not empty, or five of an encrypted one.
            r"\beyJ[A-Za-z0-9_-]{5,}\.(?:[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]*)",
            "[jwt]",
        ),
        (
            r"\bv[1-4]\.(?:local|public)\.[A-Za-z0-9_-]{20,}",
            "[paseto]",
        ),
        (
            r"(?i)\b(bearer|basic|negotiate|digest)[ \t]+[A-Za-z0-9+/=._~-]{8,}",
            "$1 [redacted]",
        ),
        // Passwords that hold `/`: without a user, and in schemes with accounts, whatever they begin with,
        (
            r#"([A-Za-z][A-Za-z0-9+.-]{1,20}://):[^\s"'<>]*@"#,
            "$1[redacted]@",
        ),
        (
            r#"\b((?:postgres|postgresql|mysql|mariadb|mssql|oracle|clickhouse|mongodb|rediss?|valkeys?|amqps?|nats|smtps?|imaps?|pop3s?|ldaps?|s?ftp|ftps)(?:\+[a-z0-9]+)?://)[^\s/?\#@:\["']+:[^\s?"'<>]*@"#,
            "$1[redacted]@",
        ),
        // elsewhere where it is no port that a path follows.
        (
            r#"([A-Za-z][A-Za-z0-9+.-]{1,20}://)[^\s/?\#@:\["']*:[^\s/@"'<>]*[^\s/@"'<>0-9][^\s"'<>]*@"#,
            "$1[redacted]@",
        ),
        // Tokens without a colon, passwords that hold `@`.
        (
            r#"([A-Za-z][A-Za-z0-9+.-]{1,20}://)[^\s/?\#"'<>]+@"#,
            "$1[redacted]@",
        ),
        (
            r"([A-Za-z][A-Za-z0-9+.-]{1,20}://)[^\s/@:]*:[^\s/@]+@",
            "$1[redacted]@",
        ),
        (r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b", "[aws key]"),
        (
            r"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{40,}\b",
            "[github token]",
        ),
        (r"\bglpat-[A-Za-z0-9_-]{20,64}", "[gitlab token]"),
        (r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}", "[slack token]"),
        (
            r"\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}",
            "[stripe key]",
        ),
        (r"\bAIza[0-9A-Za-z_-]{35}", "[google key]"),
        (r"\bsk-[A-Za-z0-9_-]{20,}", "[api key]"),
        (r"\bpypi-[A-Za-z0-9_-]{50,}", "[pypi token]"),
        (
            r"\$(?:argon2(?:id|i|d)|2[abxy]|scrypt|pbkdf2-sha256|5|6)\$[A-Za-z0-9./+=,$-]{20,}",
            "[password hash]",
        ),
        (
            r"\b(?:pbkdf2_sha256|pbkdf2_sha1|bcrypt_sha256|argon2|scrypt)\$[A-Za-z0-9./+=,$-]{20,}",
            "[password hash]",
        ),
    ];
    let hints = [
        "-----BEGIN",
        "eyJ",
        r"v[1-4]\.",
        "(?i)bearer|basic|negotiate|digest",
        "://",
        "AKIA|ASIA|AROA|AIDA",
        "gh[pousr]_|github_pat|glpat|xox",
        "k_(?:live|test)_|sk-|pypi-",
        "AIza",
        r"\$",
        r"\d(?:[ -]?\d){11}",
        "[:=]",
    ];
    Shapes {
        pair: fixed(r#"(?i)([a-z0-9_.-]{2,60})((?:\\*["'])?[ \t]{0,4}(?:=>|[:=])[ \t]{0,4})"#),
        fixed: fixed_shapes
            .into_iter()
            .map(|(pattern, with)| (fixed(pattern), with))
            .collect(),
        card: fixed(r"\b\d(?:[ -]?\d){11,18}\b"),
        ipv6: fixed(
            r"(?i)\b[0-9a-f]{1,4}:[0-9a-f:]{1,34}(?:(?:\d{1,3}\.){3}\d{1,3})?|::[0-9a-f:]{1,34}(?:(?:\d{1,3}\.){3}\d{1,3})?",
        ),
        personal: vec![
            (
                fixed(
                    r"\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}\b",
                ),
                "[e-mail]",
            ),
            (fixed(r"\b\d{3}-\d{2}-\d{4}\b"), "[ssn]"),
            (
                fixed(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"),
                "[iban]",
            ),
            (fixed(r"\b(?:\d{1,3}\.){3}\d{1,3}\b"), "[ip]"),
            (
                fixed(r"\+\d{1,3}[ -]?(?:\(?\d{1,4}\)?[ -]?){2,5}\d\b"),
                "[phone]",
            ),
        ],
        #[allow(clippy::expect_used)]
        hint: regex::RegexSet::new(hints).expect("constant patterns"),
    }
});

impl Redactor {
    /// `extra_keys` are further key names that mean a secret, `patterns` further shapes (`regex` syntax); `personal` also
    /// redacts e-mail and IP addresses, phone and social security numbers and IBANs.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a pattern that cannot be read or matches the empty text, and for an extra key
    /// without letters and digits.
    pub fn new(extra_keys: &[String], patterns: &[String], personal: bool) -> Result<Self> {
        let patterns = patterns
            .iter()
            .map(|p| {
                let regex = regex::RegexBuilder::new(p).size_limit(1 << 20).build();
                regex
                    .map_err(|_| Error::InvalidInput("a redaction pattern cannot be read".into()))
                    .and_then(|r| {
                        if r.is_match("") {
                            Err(Error::InvalidInput(
                                "a redaction pattern matches nothing at all".into(),
                            ))
                        } else {
                            Ok(r)
                        }
                    })
            })
            .collect::<Result<_>>()?;
        let extra_keys: Vec<String> = extra_keys.iter().map(|k| letters(k)).collect();
        if extra_keys.iter().any(String::is_empty) {
            return Err(Error::InvalidInput(
                "a key to redact has letters or digits".into(),
            ));
        }
        Ok(Self {
            extra_keys,
            patterns,
            personal,
        })
    }

    /// True when a value under this key is a secret, going by the key's letters.
    #[must_use]
    pub fn is_sensitive_key(&self, key: &str) -> bool {
        if key.len() > 200 {
            return false;
        }
        let plain = letters(key);
        KEYS.contains(&plain.as_str()) || KEY_PARTS.iter().any(|part| plain.contains(part)) || self.extra_keys.contains(&plain)
            // `resetToken`, `csrfmiddlewaretoken`; not `max_tokens`.
            || plain.ends_with("token")
            // `db_pwd`, `X-Amz-Signature`, `connect.sid`.
            || key.rsplit(['_', '-', '.']).next().is_some_and(|last| matches!(letters(last).as_str(), "pwd" | "pass" | "otp" | "pin" | "cvv" | "sid" | "sig" | "signature" | "session"))
    }

    /// Values behind sensitive names (`password=x`, `"token": "x"`, `Cookie: a=b; c=d`).
    fn redact_pairs<'a>(&self, text: &'a str, pair: &Regex) -> Cow<'a, str> {
        let mut out = String::new();
        let (mut at, mut kept) = (0, 0);
        while let Some(found) = pair.captures_at(text, at) {
            let (whole, key) = (found.get_match(), &found[1]);
            at = whole.end();
            if !self.is_sensitive_key(key) {
                continue;
            }
            let header = found[2].contains(':')
                && matches!(
                    letters(key).as_str(),
                    "authorization" | "proxyauthorization" | "cookie" | "setcookie"
                );
            let before = text[..whole.start()].bytes().next_back();
            let quote = before.filter(|b| matches!(b, b'"' | b'\''));
            let end = at + value_end(&text[at..], header, quote);
            if end == at || says_nothing(&text[at..end]) {
                continue;
            }
            out.push_str(&text[kept..at]);
            out.push_str(REDACTED);
            at = end;
            kept = end;
        }
        if kept == 0 {
            return Cow::Borrowed(text);
        }
        out.push_str(&text[kept..]);
        Cow::Owned(out)
    }

    /// The text without secrets. Linear in its length.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let shapes = &*SHAPES;
        let mut out = Cow::Borrowed(text);
        if shapes.hint.is_match(text) {
            for (regex, with) in &shapes.fixed {
                replace(&mut out, |t| regex.replace_all(t, *with));
            }
            replace(&mut out, |t| {
                shapes
                    .card
                    .replace_all(t, |found: &Captures<'_>| match card_number(&found[0]) {
                        Ok((digits, _)) => format!("[card ...{}]", &digits[digits.len() - 4..]),
                        Err(_) => found[0].to_owned(),
                    })
            });
            replace(&mut out, |t| self.redact_pairs(t, &shapes.pair));
        }
        if self.personal {
            for (regex, with) in &shapes.personal {
                replace(&mut out, |t| regex.replace_all(t, *with));
            }
            replace(&mut out, |t| {
                shapes.ipv6.replace_all(t, |found: &Captures<'_>| {
                    let address = found[0].parse::<std::net::Ipv6Addr>();
                    address.map_or_else(|_| found[0].to_owned(), |_| "[ip]".to_owned())
                })
            });
        }
        for regex in &self.patterns {
            replace(&mut out, |t| regex.replace_all(t, REDACTED));
        }
        out
    }
}

/// Where the value at the start of `text` ends: quoted, bracketed, both in turn (`b'...'`, `Key("...")`), or up to a space or a
/// delimiter. `line` is for headers, whose value is the rest of the line, or of the quotes that `quote` opened before them.
fn value_end(text: &str, line: bool, quote: Option<u8>) -> usize {
    let bytes = text.as_bytes();
    let backslashes = bytes.iter().take_while(|b| **b == b'\\').count();
    let first = bytes.get(backslashes).copied();
    let end = if backslashes > 0 && matches!(first, Some(b'"' | b'\'')) {
        // Quotes of a text within a text.
        let delimiter = &bytes[..=backslashes];
        let found = memchr::memmem::find(&bytes[delimiter.len()..], delimiter);
        found.map_or_else(|| line_end(bytes, None), |at| at + 2 * delimiter.len())
    } else if line && !matches!(first, Some(b'"' | b'\'' | b'[' | b'{' | b'(')) {
        line_end(bytes, quote)
    } else {
        let (mut at, mut depth) = (0, 0_usize);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' | b'\'' => {
                    at = quoted_end(bytes, at);
                    continue;
                }
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' if depth > 0 => depth -= 1,
                b')' | b']' | b'}' => break,
                b',' | b';' | b'&' if depth == 0 => break,
                byte if depth == 0 && byte.is_ascii_whitespace() => break,
                _ => {}
            }
            at += 1;
        }
        at
    };
    (end.min(bytes.len())..=bytes.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(bytes.len())
}

fn line_end(bytes: &[u8], quote: Option<u8>) -> usize {
    let ends = |b: &u8| matches!(b, b'\n' | b'\r') || Some(*b) == quote;
    bytes.iter().position(ends).unwrap_or(bytes.len())
}

/// Behind the quote that closes the one at `at`, or at the end of its line.
fn quoted_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'\\' => end += 1,
            b'\n' => return end,
            _ if *byte == bytes[at] => return end + 1,
            _ => {}
        }
        end += 1;
    }
    bytes.len()
}

/// `token: None`, and what has been replaced already (`[jwt]`, `Bearer [redacted]`).
fn says_nothing(value: &str) -> bool {
    const SCHEMES: &[&str] = &["bearer", "basic", "negotiate", "digest"];
    let value = value.trim_matches(['"', '\'']);
    let (scheme, rest) = value.split_once(' ').unwrap_or(("", value));
    let placed = rest.strip_prefix('[').and_then(|r| r.strip_suffix(']'));
    let replaced = placed.is_some_and(|inner| {
        matches!(
            inner,
            "redacted"
                | "private key"
                | "jwt"
                | "paseto"
                | "password hash"
                | "api key"
                | "aws key"
                | "github token"
                | "gitlab token"
                | "slack token"
                | "stripe key"
                | "google key"
                | "pypi token"
        ) || inner
            .strip_prefix("card ...")
            .is_some_and(|digits| digits.len() == 4)
    });
    let known = |words: &[&str], text: &str| words.iter().any(|w| text.eq_ignore_ascii_case(w));
    (replaced && (scheme.is_empty() || known(SCHEMES, scheme)))
        || known(SCHEMES, value)
        || known(&["none", "null", "true", "false", "%s", "%r"], value)
}

fn replace<'a>(text: &mut Cow<'a, str>, step: impl Fn(&str) -> Cow<'_, str>) {
    if let Cow::Owned(changed) = step(text) {
        *text = Cow::Owned(changed);
    }
}

/// Makes control characters, line separators and invisible direction marks visible as escapes, so that text cannot start a new
/// line, drive a terminal or hide; longer text than `max_bytes` is cut and says so.
#[must_use]
pub fn neutralise(text: &str, max_bytes: usize) -> Cow<'_, str> {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{FFF9}'..='\u{FFFB}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{E0000}'..='\u{E0FFF}')
    };
    if text.len() <= max_bytes && !text.chars().any(harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len().min(max_bytes) + 32);
    for (at, c) in text.char_indices() {
        if at + c.len_utf8() > max_bytes {
            out.push_str(&format!("...[{} bytes cut]", text.len() - at));
            break;
        }
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if !harmful(c) => out.push(c),
            _ if (c as u32) < 256 => out.push_str(&format!("\\x{:02x}", c as u32)),
            _ => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
        }
    }
    Cow::Owned(out)
}

/// Length of a link of the chain, bytes.
pub const LINK: usize = 32;

/// The link of a record: HMAC-SHA-256 with the key, or SHA-256 without one, over the link before it and the record.
#[must_use]
pub fn chain_link(key: Option<&[u8]>, previous: &[u8; LINK], record: &[u8]) -> [u8; LINK] {
    let length = (record.len() as u64).to_be_bytes();
    match key {
        Some(key) => {
            // HMAC takes keys of any length.
            #[allow(clippy::expect_used)]
            let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key");
            for part in [b"pyward-audit-1".as_slice(), previous, &length, record] {
                mac.update(part);
            }
            mac.finalize().into_bytes().into()
        }
        None => {
            let mut hash = Sha256::new();
            for part in [b"pyward-audit-1".as_slice(), previous, &length, record] {
                hash.update(part);
            }
            hash.finalize().into()
        }
    }
}

/// Result of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Records.
    pub records: u64,
    /// The last link.
    pub head: [u8; LINK],
}

/// Checks a log of lines `<64 hex digits> <record>`, each with the link over the one before it.
///
/// The first wrong line is an error that names its number. That lines are missing at the end can only be told by comparing the head
/// with one kept elsewhere.
///
/// # Errors
/// [`Error::Refused`] for a line that is wrong or over `max_line` bytes, [`Error::Io`] when the log cannot be read.
pub fn verify_chain(
    mut log: impl BufRead,
    key: Option<&[u8]>,
    start: [u8; LINK],
    max_line: usize,
) -> Result<Verified> {
    let mut head = start;
    let mut records = 0_u64;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read =
            std::io::Read::take(&mut log, max_line as u64 + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(Verified { records, head });
        }
        let number = records + 1;
        let broken = |what: &str| {
            Err(Error::Refused(format!(
                "the audit log is altered at line {number}: {what}"
            )))
        };
        if line.last() != Some(&b'\n') {
            return if line.len() > max_line {
                broken("too long")
            } else {
                broken("incomplete")
            };
        }
        line.pop();
        let Some((hex, record)) = line.split_first_chunk::<64>() else {
            return broken("too short");
        };
        let Some(record) = record.strip_prefix(b" ") else {
            return broken("no separator");
        };
        let link = chain_link(key, &head, record);
        let mut wanted = [0_u8; 64];
        for (pair, byte) in wanted.chunks_exact_mut(2).zip(link) {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            pair.copy_from_slice(&[DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]]);
        }
        // Without early exit: with a key, the right link is a secret to whoever alters the log.
        if wanted.iter().zip(hex).fold(0, |d, (a, b)| d | (a ^ b)) != 0 {
            return broken("its link does not fit");
        }
        head = link;
        records = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redact(text: &str) -> String {
        Redactor::default().redact(text).into_owned()
    }

    #[test]
    fn secrets_go() {
        for (text, secret) in [
            ("password=hunter2 next", "hunter2"),
            ("{\"Password\": \"hun\\\"ter2\", \"a\": 1}", "ter2"),
            ("{'api_key': 'abc123'}", "abc123"),
            ("user_token: xyz789", "xyz789"),
            ("Authorization: Bearer abcdef123456", "abcdef123456"),
            ("authorization=Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
            ("Cookie: sid=abcdef", "abcdef"),
            ("GET /x?access_token=s3cr3t&y=1", "s3cr3t"),
            ("postgresql://app:s3cr3t@db/x", "s3cr3t"),
            (
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
                "eyJzdWIi",
            ),
            ("key AKIAIOSFODNN7EXAMPLE used", "AKIAIOSFODNN7EXAMPLE"),
            ("card 4111 1111 1111 1111 ok", "4111 1111"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
                "MIIE",
            ),
            (
                "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b7dWRWJTmaaJObG",
                "RdescudvJ",
            ),
            ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghijkl"),
            ("Authorization: Token 9944b09199c62bcf", "9944b0"),
            ("Authorization: ApiKey user:9944b09199c6", "9944b0"),
            ("{'Authorization': 'Token 9944b09199c62bcf'}", "9944b0"),
            (
                "Authorization: Digest username=\"a\", response=\"9944b0\"",
                "9944b0",
            ),
            ("Cookie: a=1; other=9944b0", "9944b0"),
            ("password=b'hunter2'", "hunter2"),
            ("password=SecretStr('hunter2') x", "hunter2"),
            ("password=[hunter2", "hunter2"),
            (
                "{\"recovery_codes\": [\"hunter2\", \"hunter3\"], \"a\": 1}",
                "hunter3",
            ),
            (
                "{\"credentials\": {\"user\": \"a\", \"value\": \"hunter2\"}}",
                "hunter2",
            ),
            ("body \"{\\\"password\\\": \\\"hunter2\\\"}\"", "hunter2"),
            ("password='hunter2 with spaces", "spaces"),
            ("resetToken=hunter2", "hunter2"),
            ("csrfmiddlewaretoken=hunter2", "hunter2"),
            ("GET /x?X-Amz-Signature=hunter2&b=1", "hunter2"),
            ("GET /x?sv=1&sig=hunter2", "hunter2"),
            ("eyJhbGciOiJkaXIifQ..aXZpdg.Y2lwaGVy.hunter2", "hunter2"),
            (
                "eyJhbGciOiJBMjU2S1cifQ.a2V5.aXZpdg.Y2lwaGVy.hunter2",
                "Y2lwaGVy",
            ),
            ("postgresql://app:p@hunter2@db/x", "hunter2"),
            ("redis://:s3cr/hunter2@cache:6379/0", "hunter2"),
            ("redis://:12345678@cache:6379/0", "12345678"),
            ("redis://:123/hunter2@cache/0", "hunter2"),
            ("postgresql+psycopg://app:2024/hunter2@db/x", "hunter2"),
            ("clone https://hunter2@github.com/a/b", "hunter2"),
        ] {
            let out = redact(text);
            assert!(!out.contains(secret), "{text} -> {out}");
            assert_eq!(redact(&out), out, "not stable");
        }
        assert_eq!(
            redact("card 4111 1111 1111 1111 ok"),
            "card [card ...1111] ok"
        );
    }

    #[test]
    fn the_rest_stays() {
        for text in [
            "user=ada took 12ms",
            "token=None",
            "https://example.org/users/@ada",
            "https://example.org:8080/@ada/posts?to=b@example.org",
            "http://[::1]:8080/@ada",
            "jdbc:postgresql://db:5432/x?mail=b@c",
            "see https://example.org and write to ada",
            "order 4111111111111112",
            "a: b",
            "author: Ada",
            "passenger=3",
            "compass: north",
            "keyboard=de",
            "https://example.org/a:b@c",
            "max_tokens=100",
            "{\"password\": null}",
            "Authorization: Bearer [redacted]",
        ] {
            assert_eq!(redact(text), text);
        }
        assert!(Redactor::default().redact("mail a@b.de").contains("a@b.de"));
        let personal = Redactor::new(&["Matricule".into()], &["X-\\d+".into()], true).unwrap();
        assert_eq!(
            personal.redact(
                "mail a@b.de from 192.0.2.1 X-42 matricule=7 via 2001:db8::1 and ::1 at 12:34:56"
            ),
            "mail [e-mail] from [ip] [redacted] matricule=[redacted] via [ip] and [ip] at 12:34:56"
        );
        assert!(Redactor::new(&[], &["a*".into()], false).is_err());
    }

    #[test]
    fn lines_cannot_be_forged() {
        assert_eq!(
            neutralise("ok\r\nERROR forged\u{1b}[2J", 1000),
            "ok\\r\\nERROR forged\\x1b[2J"
        );
        assert_eq!(neutralise("a\u{202e}b", 1000), "a\\u{202e}b");
        assert_eq!(neutralise("äöü", 3), "ä...[4 bytes cut]");
        assert!(matches!(neutralise("plain ü", 1000), Cow::Borrowed(_)));
    }

    fn log(records: &[&str], key: Option<&[u8]>) -> String {
        let mut head = [0; LINK];
        let mut out = String::new();
        for record in records {
            head = chain_link(key, &head, record.as_bytes());
            out += &head.iter().map(|b| format!("{b:02x}")).collect::<String>();
            out += &format!(" {record}\n");
        }
        out
    }

    #[test]
    fn the_chain_notices_changes() {
        let key = Some(b"key".as_slice());
        let text = log(&["one", "two", "three"], key);
        let verify = |text: &str, key| verify_chain(text.as_bytes(), key, [0; LINK], 1000);
        assert_eq!(verify(&text, key).unwrap().records, 3);
        assert!(verify(&text, None).is_err() && verify(&text, Some(b"other")).is_err());
        let lines: Vec<&str> = text.lines().collect();
        for altered in [
            text.replace("two", "tow"),
            format!("{}\n{}\n", lines[0], lines[2]),
            format!("{}\n{}\n", lines[1], lines[0]),
            format!("{}\n{}\n{}\n", lines[0], lines[0], lines[1]),
            text[..text.len() - 1].to_owned(),
            text.replacen(' ', "\t", 1),
            "x\n".to_owned(),
        ] {
            assert!(verify(&altered, key).is_err(), "{altered}");
        }
    }

    proptest! {
        #[test]
        fn any_text(text in any::<String>(), noisy in "(password|token|=|:|\"|'|\\\\|eyJ|\\.|-----BEGIN PRIVATE KEY-----|4111|1| |\n|a){0,40}") {
            for t in [&text, &noisy] {
                let redactor = Redactor::new(&[], &[], true).unwrap();
                let _ = redactor.redact(t);
                let safe = neutralise(t, 50);
                prop_assert!(!safe.chars().any(char::is_control));
            }
            let _ = verify_chain(text.as_bytes(), None, [0; LINK], 100);
        }

        #[test]
        fn a_password_never_stays(secret in "[A-Za-z0-9!$%*+/_~^]{6,30}", quote in "|\"|'") {
            prop_assume!(!secret.starts_with("Bearer") && !says_nothing(&secret));
            let out = redact(&format!("login password={quote}{secret}{quote} done"));
            prop_assert!(!out.contains(&secret), "{}", out);
        }
    }
}

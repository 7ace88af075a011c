//! Content-Security-Policy (W3C CSP Level 3), checked when it is written.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::{Error, Result};

/// Directives that take sources.
const FETCH: [&str; 22] = [
    "base-uri",
    "child-src",
    "connect-src",
    "default-src",
    "fenced-frame-src",
    "font-src",
    "form-action",
    "frame-ancestors",
    "frame-src",
    "img-src",
    "manifest-src",
    "media-src",
    "object-src",
    "prefetch-src",
    "script-src",
    "script-src-attr",
    "script-src-elem",
    "style-src",
    "style-src-attr",
    "style-src-elem",
    "worker-src",
    "navigate-to",
];
/// Directives that take other values.
const OTHER: [(&str, &[&str]); 6] = [
    ("require-trusted-types-for", &["'script'"]),
    ("upgrade-insecure-requests", &[]),
    ("block-all-mixed-content", &[]),
    (
        "sandbox",
        &[
            "allow-downloads",
            "allow-forms",
            "allow-modals",
            "allow-popups",
            "allow-popups-to-escape-sandbox",
            "allow-same-origin",
            "allow-scripts",
            "allow-top-navigation-by-user-activation",
        ],
    ),
    ("report-to", &["*"]),
    ("report-uri", &["*"]),
];
const KEYWORDS: [&str; 7] = [
    "'none'",
    "'self'",
    "'strict-dynamic'",
    "'report-sample'",
    "'wasm-unsafe-eval'",
    "'nonce'",
    "'inline-speculation-rules'",
];
/// Keywords and sources that undo what the policy is for.
const UNSAFE: [&str; 3] = ["'unsafe-inline'", "'unsafe-eval'", "'unsafe-hashes'"];

/// A checked policy. The source `'nonce'` stands for the nonce of each response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csp {
    parts: Vec<String>,
}

impl Csp {
    /// Checks the directives and lays the header out.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for unknown directives, sources that are not sources, duplicates; and, unless
    /// `allow_unsafe`, for `'unsafe-inline'`, `'unsafe-eval'`, `'unsafe-hashes'`, and for `*`, `http:`, `https:` and
    /// `data:` where scripts come from.
    pub fn new(directives: &[(String, Vec<String>)], allow_unsafe: bool) -> Result<Self> {
        let mut text = String::new();
        for (index, (name, sources)) in directives.iter().enumerate() {
            if directives[..index]
                .iter()
                .any(|(earlier, _)| earlier == name)
            {
                return Err(Error::InvalidInput(format!(
                    "CSP directive {name} appears twice; browsers ignore the second"
                )));
            }
            let other = OTHER.iter().find(|(known, _)| known == name);
            if other.is_none() && name != "trusted-types" && !FETCH.contains(&name.as_str()) {
                return Err(Error::InvalidInput(format!(
                    "{name:?} is not a CSP directive"
                )));
            }
            if !text.is_empty() {
                text += "; ";
            }
            text += name;
            for source in sources {
                let good = match other {
                    Some((_, allowed)) => {
                        allowed.contains(&source.as_str())
                            || (allowed.contains(&"*") && printable(source))
                    }
                    None if name == "trusted-types" => printable(source),
                    None => check_source(name, source, allow_unsafe)?,
                };
                if !good {
                    return Err(Error::InvalidInput(format!(
                        "{source:?} is not a valid value of the CSP directive {name}"
                    )));
                }
                text.push(' ');
                text += source;
            }
            if sources.len() > 1 && sources.iter().any(|source| source == "'none'") {
                return Err(Error::InvalidInput(format!(
                    "'none' stands alone in the CSP directive {name}"
                )));
            }
        }
        Ok(Self {
            parts: text.split("'nonce'").map(str::to_owned).collect(),
        })
    }

    /// Whether the header differs between responses.
    #[must_use]
    pub fn has_nonce(&self) -> bool {
        self.parts.len() > 1
    }

    /// The header's value with a response's nonce in place.
    #[must_use]
    pub fn header(&self, nonce: &str) -> String {
        if self.has_nonce() {
            self.parts.join(&format!("'nonce-{nonce}'"))
        } else {
            self.parts.concat()
        }
    }
}

fn printable(source: &str) -> bool {
    !source.is_empty()
        && source
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b';' && byte != b',')
}

fn check_source(directive: &str, source: &str, allow_unsafe: bool) -> Result<bool> {
    let script = directive.starts_with("script-src")
        || matches!(
            directive,
            "default-src" | "object-src" | "base-uri" | "worker-src"
        );
    let broad = script && matches!(source, "*" | "http:" | "https:" | "data:" | "blob:");
    if (UNSAFE.contains(&source) || broad) && !allow_unsafe {
        return Err(Error::InvalidInput(format!(
            "{source} in {directive} undoes the policy; use a nonce or a hash"
        )));
    }
    if UNSAFE.contains(&source) || KEYWORDS.contains(&source) {
        return Ok(true);
    }
    if let Some(hash) = source
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
    {
        // A nonce written out would be the same in every response, which is no nonce.
        let Some((algorithm, value)) = hash.split_once('-') else {
            return Ok(false);
        };
        let length = match algorithm {
            "sha256" => 32,
            "sha384" => 48,
            "sha512" => 64,
            _ => return Ok(false),
        };
        return Ok(STANDARD
            .decode(value)
            .is_ok_and(|digest| digest.len() == length));
    }
    if !printable(source) || source.contains('\'') {
        return Ok(false);
    }
    if source == "*" {
        return Ok(true);
    }
    if let Some(scheme) = source.strip_suffix(':') {
        return Ok(!scheme.is_empty()
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)));
    }
    let host = source.split_once("://").map_or(source, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    let host = host.strip_prefix("*.").unwrap_or(host);
    let (name, port) = host
        .rsplit_once(':')
        .map_or((host, None), |(name, port)| (name, Some(port)));
    let port_good = port.is_none_or(|port| {
        port == "*" || (!port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let bracketed = name.starts_with('[') && name.ends_with(']');
    // A host source has a dot, a port or a scheme: `self` without quotes is a slip, not a host.
    let named = name.contains('.') || bracketed || name == "localhost" || source.contains("://");
    Ok(port_good
        && named
        && !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte)))
}

/// A nonce for one response: 128 random bits in base64.
///
/// # Errors
/// [`Error::Unsupported`] when the operating system has no randomness to give.
pub fn nonce() -> Result<String> {
    Ok(STANDARD.encode(crate::random::array::<16>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn csp(directives: &[(&str, &[&str])], allow_unsafe: bool) -> Result<Csp> {
        let owned: Vec<_> = directives
            .iter()
            .map(|(name, sources)| {
                (
                    (*name).to_owned(),
                    sources.iter().map(|source| (*source).to_owned()).collect(),
                )
            })
            .collect();
        Csp::new(&owned, allow_unsafe)
    }

    #[test]
    fn nonces_are_put_in_place() {
        let policy = csp(
            &[
                ("script-src", &["'nonce'", "'strict-dynamic'"]),
                ("style-src", &["'self'", "'nonce'"]),
                ("object-src", &["'none'"]),
            ],
            false,
        )
        .unwrap();
        assert_eq!(
            policy.header("abc"),
            "script-src 'nonce-abc' 'strict-dynamic'; style-src 'self' 'nonce-abc'; object-src 'none'"
        );
        assert_ne!(nonce().unwrap(), nonce().unwrap());
        let fixed = csp(
            &[
                ("default-src", &["'none'"]),
                ("upgrade-insecure-requests", &[]),
            ],
            false,
        )
        .unwrap();
        assert_eq!(
            fixed.header("abc"),
            "default-src 'none'; upgrade-insecure-requests"
        );
    }

    #[test]
    fn what_undoes_the_policy_is_refused() {
        for (directive, source) in [
            ("script-src", "'unsafe-inline'"),
            ("style-src", "'unsafe-inline'"),
            ("script-src", "'unsafe-eval'"),
            ("script-src", "*"),
            ("default-src", "https:"),
            ("script-src-elem", "data:"),
        ] {
            assert!(
                csp(&[(directive, &[source])], false).is_err(),
                "{directive} {source}"
            );
            assert!(
                csp(&[(directive, &[source])], true).is_ok(),
                "{directive} {source}"
            );
        }
    }

    #[test]
    fn slips_are_refused() {
        for (directive, source) in [
            ("script-source", "'self'"),
            ("script-src", "self"),
            ("script-src", "'slef'"),
            ("script-src", "none"),
            ("img-src", "a.example;"),
            ("img-src", "a b"),
            ("img-src", ""),
            ("script-src", "'nonce-fixed'"),
            ("script-src", "'sha256-short'"),
            ("script-src", "'md5-AAAA'"),
            ("img-src", "a.example\r\nX"),
            ("sandbox", "allow-everything"),
            ("img-src", "a.example:port"),
            ("report-uri", "/x;y"),
            ("img-src", "http://a.example,b"),
        ] {
            assert!(
                csp(&[(directive, &[source])], true).is_err(),
                "{directive} {source:?}"
            );
        }
        assert!(
            csp(
                &[("img-src", &["'self'"]), ("img-src", &["a.example"])],
                false
            )
            .is_err()
        );
        assert!(csp(&[("img-src", &["'self'", "'none'"])], false).is_err());
        for source in [
            "'self'",
            "cdn.example",
            "https://cdn.example:443/lib/",
            "*.cdn.example",
            "wss://x.example",
            "data:",
            "blob:",
            "localhost:*",
            "http://[::1]:80",
        ] {
            assert!(csp(&[("img-src", &[source])], false).is_ok(), "{source}");
        }
        let hash = format!("'sha256-{}'", STANDARD.encode([1; 32]));
        assert!(csp(&[("script-src", &[&hash])], false).is_ok());
    }

    proptest! {
        #[test]
        fn no_source_breaks_out(name in "[a-z-]{0,14}|img-src|script-src", source in "\\PC{0,30}|[;, \r\n'a.]{1,6}") {
            if let Ok(policy) = csp(&[(name.as_str(), &[source.as_str()])], true) {
                let header = policy.header("n");
                prop_assert!(!header.contains([';', ',', '\r', '\n']));
            }
        }
    }
}

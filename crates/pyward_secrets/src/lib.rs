//! Secrets in a program's text: string literals that the name they are bound to, the place where they stand or their
//! own form gives away. Feeds the rules `hardcoded-secret` and `default-credentials`.
//!
//! Which names and forms count is data of the catalogue (`sensitive-names.toml`, `secrets.toml`).

mod accounts;
mod literal;
mod scan;

use aho_corasick::AhoCorasick;
use pyward_catalog::rule::Confidence;
use pyward_catalog::{Catalog, CatalogError, SensitiveNames};
use pyward_ir::{FileIr, Span};
use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// A secret in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// The rule: `hardcoded-secret` or `default-credentials`.
    pub rule: &'static str,
    /// The literal.
    pub span: Span,
    /// What is wrong, one sentence without a full stop. Never holds the secret itself.
    pub message: String,
    /// How sure it is that this is a secret and not a placeholder.
    pub confidence: Confidence,
    /// Index of the function it stands in; 0 for the module's body.
    pub function: u32,
}

/// Finds secrets; made once, used for many files from any thread.
#[derive(Debug)]
pub struct Scanner<'c> {
    names: &'c SensitiveNames,
    placeholder: RegexSet,
    dummy_path: RegexSet,
    /// Texts that a format asks for; the pattern's number leads to the format by `keyword_format`.
    keywords: AhoCorasick,
    keyword_format: Vec<usize>,
    formats: Vec<Format>,
}

#[derive(Debug)]
struct Format {
    title: String,
    regex: Regex,
    confidence: Confidence,
}

impl<'c> Scanner<'c> {
    /// Compiles the catalogue's data.
    ///
    /// # Errors
    /// A regular expression of the catalogue does not compile; those built in are tested to.
    pub fn new(catalog: &'c Catalog) -> Result<Self, CatalogError> {
        let error = |error: &dyn std::fmt::Display| CatalogError {
            path: "catalog/secrets.toml".to_owned(),
            line: 0,
            message: error.to_string(),
        };
        let secrets = &catalog.secrets;
        let placeholder = RegexSetBuilder::new(&secrets.placeholder)
            .case_insensitive(true)
            .build();
        let mut keywords = Vec::new();
        let mut keyword_format = Vec::new();
        let mut formats = Vec::new();
        for (number, format) in secrets.format.iter().enumerate() {
            keywords.extend(format.keywords.iter().map(String::as_str));
            keyword_format.resize(keywords.len(), number);
            formats.push(Format {
                title: format.title.clone(),
                regex: RegexBuilder::new(&format.regex)
                    .build()
                    .map_err(|e| error(&e))?,
                confidence: match format.confidence.as_deref() {
                    Some("low") => Confidence::Low,
                    Some("medium") => Confidence::Medium,
                    _ => Confidence::High,
                },
            });
        }
        Ok(Self {
            names: &catalog.sensitive,
            placeholder: placeholder.map_err(|e| error(&e))?,
            dummy_path: RegexSet::new(&secrets.dummy_path).map_err(|e| error(&e))?,
            keywords: AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .build(&keywords)
                .map_err(|e| error(&e))?,
            keyword_format,
            formats,
        })
    }

    /// The secrets of a file, in the order of the text. `path` is relative to the project's root, with `/`: in
    /// tests, examples and documentation secrets are expected to be dummies and get low confidence.
    #[must_use]
    pub fn scan(&self, path: &str, ir: &FileIr) -> Vec<Secret> {
        let mut found = scan::file(self, ir);
        if self.dummy_path.is_match(path) {
            for secret in &mut found {
                secret.confidence = Confidence::Low;
            }
        }
        found.sort_by(|a, b| (a.span, b.confidence, a.rule).cmp(&(b.span, a.confidence, b.rule)));
        found.dedup_by_key(|secret| secret.span);
        found
    }

    /// The well-known format that a text has, and how sure it is that a secret is in it: where it is part of a longer
    /// text, a word may be an example (`mysql://demo:demo@host`).
    fn format(&self, text: &str) -> Option<(&Format, Confidence)> {
        if text.len() < 16 {
            return None;
        }
        let mut tried = Vec::new();
        for hit in self.keywords.find_overlapping_iter(text) {
            let number = self.keyword_format[hit.pattern().as_usize()];
            if tried.contains(&number) {
                continue;
            }
            tried.push(number);
            let format = &self.formats[number];
            let Some(captures) = format.regex.captures(text) else {
                continue;
            };
            let secret = captures
                .name("secret")
                .or_else(|| captures.get(0))
                .map_or("", |m| m.as_str());
            let whole_is_secret = captures.name("secret").is_none();
            let dummy = if whole_is_secret {
                literal::is_monotonous(secret)
            } else {
                self.is_placeholder(secret)
            };
            if !dummy {
                let is_word = !whole_is_secret && literal::look(secret) == literal::Look::Words;
                let confidence = if is_word {
                    Confidence::Low
                } else {
                    format.confidence
                };
                return Some((format, confidence));
            }
        }
        None
    }

    fn is_placeholder(&self, text: &str) -> bool {
        literal::is_monotonous(text) || self.placeholder.is_match(text)
    }
}

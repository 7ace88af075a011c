//! The catalogue: practices, rules and library models, all of them data.
//!
//! The data lives in `rules/*.md`, `models/*.toml` and `catalog/*.toml` at the root of the repository and is packed
//! into the library when it is built. [`Catalog::builtin`] hands it out; [`Catalog::with_user_models`] adds models of
//! the same format from a project.

pub mod data;
pub mod document;
pub mod model;
pub mod rule;
mod sensitive;
mod validate;

use std::fmt;
use std::sync::OnceLock;

pub use data::{Practice, Practices, SecretFormat, SecretFormats, SensitiveClass, SensitiveNames};
pub use document::RuleDoc;
use model::Models;
use rule::Rule;

/// The contexts in which data can do harm. A flow rule names one, sanitisers and guards name those they make safe.
pub const CONTEXTS: &[&str] = &[
    "sql",
    "nosql",
    "shell",
    "argument",
    "code",
    "template",
    "path",
    "archive",
    "deserialization",
    "html",
    "redirect",
    "url",
    "xml",
    "xpath",
    "ldap",
    "header",
    "log",
    "regex",
    "format",
    "reflection",
    "trust",
    "error",
    "disclosure",
    "compare",
    "random",
    "backtracking",
];

/// The kinds of sources. `parameter` (of a public function of a library) is given by the engine, not by models.
pub const SOURCE_KINDS: &[&str] = &[
    "remote",
    "cli",
    "environment",
    "file",
    "archive-member",
    "network",
    "database",
    "deserialised",
    "llm",
    "stdin",
    "exception",
    "secret",
    "personal",
    "weak-random",
    "parameter",
];

/// What guards routes: kinds of [`model::Access`].
pub const ACCESS_KINDS: &[&str] = &[
    "authentication",
    "authorisation",
    "csrf",
    "csrf-exempt",
    "rate-limit",
    "public",
];

/// Rules, models and what else the checks judge by.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// Sorted by id.
    pub rules: Vec<Rule>,
    /// One per library, built-in ones first.
    pub models: Vec<Models>,
    /// See [`CONTEXTS`].
    pub contexts: Vec<String>,
    /// See [`SOURCE_KINDS`].
    pub source_kinds: Vec<String>,
    /// The table of practices.
    pub practices: Vec<Practice>,
    /// Names that tell that a value is sensitive.
    pub sensitive: SensitiveNames,
    /// Texts that are secrets by their form.
    pub secrets: SecretFormats,
}

/// Something wrong in a rule or model file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogError {
    /// The file, as given.
    pub path: String,
    /// Line, counted from 1; 0 where none can be told.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.path, self.message)
        } else {
            write!(f, "{}:{}: {}", self.path, self.line, self.message)
        }
    }
}

impl std::error::Error for CatalogError {}

static DATA: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/catalog.bin"));
static TEXTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/texts.bin"));

impl Catalog {
    /// The built-in catalogue.
    ///
    /// # Panics
    /// Never: the data was packed by the build of this library and unpacking it is tested.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static CATALOG: OnceLock<Catalog> = OnceLock::new();
        CATALOG.get_or_init(|| {
            let data: data::Data = postcard::from_bytes(DATA).expect("packed by build.rs");
            Self {
                rules: data.rules,
                models: data.models.into_iter().map(|(_, models)| models).collect(),
                contexts: CONTEXTS.iter().map(|&name| name.to_owned()).collect(),
                source_kinds: SOURCE_KINDS.iter().map(|&name| name.to_owned()).collect(),
                practices: data.practices.practice,
                sensitive: data.sensitive,
                secrets: data.secrets,
            }
        })
    }

    /// The built-in catalogue and a project's own models: pairs of a file's path (for messages) and its TOML text.
    ///
    /// # Errors
    /// Everything that is wrong in the given files, with its place.
    pub fn with_user_models(texts: &[(String, String)]) -> Result<Self, Vec<CatalogError>> {
        let mut catalog = Self::builtin().clone();
        let mut errors = Vec::new();
        for (path, text) in texts {
            match toml::from_str::<Models>(text) {
                Ok(models) => {
                    errors.extend(validate::models(&catalog, path, text, &models));
                    catalog.models.push(models);
                }
                Err(error) => errors.push(CatalogError {
                    path: path.clone(),
                    line: error
                        .span()
                        .map_or(0, |span| validate::line_of(text, span.start)),
                    message: error.message().to_owned(),
                }),
            }
        }
        if errors.is_empty() {
            Ok(catalog)
        } else {
            Err(errors)
        }
    }

    /// The rule of that id.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        let index = self
            .rules
            .binary_search_by(|rule| rule.id.as_str().cmp(id))
            .ok()?;
        Some(&self.rules[index])
    }

    /// The practice of that id (`I2`).
    #[must_use]
    pub fn practice(&self, id: &str) -> Option<&Practice> {
        self.practices.iter().find(|practice| practice.id == id)
    }

    /// The document of a built-in rule: its text and test cases.
    #[must_use]
    pub fn document(&self, id: &str) -> Option<RuleDoc> {
        let rule = self.rule(id)?;
        let texts: Vec<(&str, &str)> = postcard::from_bytes(TEXTS).ok()?;
        let (_, body) = texts.into_iter().find(|(of, _)| *of == id)?;
        Some(RuleDoc::new(rule.clone(), body.to_owned()))
    }
}

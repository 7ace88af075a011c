//! The built-in data as a whole: what `build.rs` packs and [`crate::Catalog`] unpacks.

use std::hash::BuildHasherDefault;

use dashmap::DashMap;
use rustc_hash::FxHasher;
use serde::{Deserialize, Serialize};

use crate::model::Models;
use crate::rule::Rule;

/// Everything that is built in except the rules' texts.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Data {
    /// Front matter of `rules/*.md`, sorted by id.
    pub rules: Vec<Rule>,
    /// `models/*.toml` in the order of their file names, each with that name.
    pub models: Vec<(String, Models)>,
    /// `catalog/practices.toml`
    pub practices: Practices,
    /// `catalog/sensitive-names.toml`
    pub sensitive: SensitiveNames,
    /// `catalog/secrets.toml`
    pub secrets: SecretFormats,
}

/// The table of secure-coding practices that the product covers.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Practices {
    /// The rows, in the order of the table.
    pub practice: Vec<Practice>,
}

/// One practice. A cell that is absent makes no sense for the practice.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Practice {
    /// Such as `I2`.
    pub id: String,
    /// Heading that it stands under.
    pub group: String,
    /// The practice itself.
    pub title: String,
    /// What a check points at.
    #[serde(default)]
    pub find: Option<String>,
    /// How it is repaired.
    #[serde(default)]
    pub fix: Option<String>,
    /// The building block of `pyward-guard`.
    #[serde(default)]
    pub supply: Option<String>,
    /// What a probe of the running application shows.
    #[serde(default)]
    pub prove: Option<String>,
}

/// How names tell that a value is sensitive.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SensitiveNames {
    /// Words that take the sensitivity from a name wherever they stand (`hash`, `length`, `url`).
    pub neutral: Vec<String>,
    /// The classes, the first that matches wins.
    pub class: Vec<SensitiveClass>,
    /// Answers given so far, as indices in `class`: programs use few names, many times.
    #[serde(skip)]
    pub(crate) known: DashMap<Box<str>, Option<u16>, BuildHasherDefault<FxHasher>>,
}

/// One class of sensitive values.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SensitiveClass {
    /// Such as `password`, `card-number`.
    pub id: String,
    /// Source kind: `secret` or `personal`.
    pub kind: String,
    /// Word sequences, words joined by `_`: `api_key` matches `API_KEY`, `apiKey`, `my_api_key_2`.
    pub words: Vec<String>,
    /// Words or word sequences that take the sensitivity away for this class (`max` for `token`).
    #[serde(default)]
    pub unless: Vec<String>,
    /// The words must be the name's last ones (`pin` in `user_pin`, not in `pin_board`).
    #[serde(default)]
    pub last: bool,
    /// A literal of this class in the program's text is a hard-coded secret.
    #[serde(default)]
    pub hardcoded: bool,
}

/// How a text itself tells that it is a secret, or is none.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SecretFormats {
    /// Regular expressions (case-insensitive, searched for) of values that stand for a secret without being one.
    pub placeholder: Vec<String>,
    /// File paths (regular expressions) where a literal secret is expected to be a dummy.
    pub dummy_path: Vec<String>,
    /// Well-known formats of keys and tokens.
    pub format: Vec<SecretFormat>,
}

/// One well-known format of a key or token.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SecretFormat {
    /// Such as `github-token`.
    pub id: String,
    /// What it is, for people.
    pub title: String,
    /// Regular expression of the whole token; a group `secret` narrows to the part that is secret.
    pub regex: String,
    /// Texts, lower-case, one of which every such token contains: the expression is tried only where one occurs.
    pub keywords: Vec<String>,
    /// `high` (default), `medium`, `low`.
    #[serde(default)]
    pub confidence: Option<String>,
}

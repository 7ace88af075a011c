//! The front matter of `rules/*.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How bad it is when the finding is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

/// How sure pyward is that the finding is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Confidence {
    Low,
    Medium,
    High,
}

/// What kind of analysis feeds the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleKind {
    /// Data flow from a source to a sink.
    Flow,
    /// A call, setting or literal that is wrong by itself.
    Pattern,
    /// A property of the application model: routes, guards, forms, middleware.
    Application,
    /// What a page's script does with values from elsewhere.
    Script,
}

/// What a rule declares of itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// Lower-case name with hyphens; the file's stem.
    pub id: String,
    /// A short title.
    pub title: String,
    /// One sentence for a finding: `{source}` and `{sink}` stand for what flows where.
    pub message: String,
    /// One line: what to do instead.
    pub remedy: String,
    /// What kind of rule.
    pub kind: RuleKind,
    /// CWE numbers, the most fitting one first.
    pub cwe: Vec<u32>,
    /// OWASP Top 10 (2025) categories, such as `A05:2025`.
    #[serde(default)]
    pub owasp: Vec<String>,
    /// ASVS 5.0 requirement numbers, such as `v5.0.0-1.2.4`.
    #[serde(default)]
    pub asvs: Vec<String>,
    /// Practices of the table (`I2`).
    pub practices: Vec<String>,
    /// Severity, for flow rules of a flow from remote data.
    pub severity: Severity,
    /// Confidence of a plain finding.
    pub confidence: Confidence,
    /// Flow rules: the context that a sanitiser has to clean for (`sql`, `html`, `shell`, ...).
    #[serde(default)]
    pub context: Option<String>,
    /// Flow rules: source kinds that matter, each with the severity of a finding.
    #[serde(default)]
    pub sources: BTreeMap<String, Severity>,
    /// Names (regular expression, case-insensitive) in the condition around a finding that say that a user asked for
    /// it: `if not verify:`. Such a finding has severity `low`.
    #[serde(default)]
    pub opt_in: Option<String>,
    /// Names of parameters (regular expression, case-insensitive) that say that a library's callers hand over such a
    /// text on purpose: `def run(query)`. A flow from one is no finding.
    #[serde(default)]
    pub meant_for: Option<String>,
    /// Not run unless selected by name.
    #[serde(default)]
    pub off_by_default: bool,
    /// One finding in a function is enough.
    #[serde(default)]
    pub once_per_function: bool,
    /// Rules whose finding at the same call says it all: this one is then left out.
    #[serde(default)]
    pub yields_to: Vec<String>,
    /// Flow rules: the flaw is where the data comes from. A source that reaches several sinks, or one in another
    /// function, is reported once and where it stands.
    #[serde(default)]
    pub per_source: bool,
    /// Conditions over facts of routes that are reported: all that application rules are about.
    #[serde(default)]
    pub report: Vec<Report>,
}

/// What a rule of kind `application` reports: conditions over the facts of a route and of the application it
/// belongs to (see `Fact` in the models). A condition names a fact of the route, or after `app:` one of the application;
/// alternatives stand between spaces (`"changes-data administrative"`: either).
///
/// `own:changes-data` is a fact of what the handler does itself or in a function that it calls, not of its guards or further
/// down.
///
/// Besides the facts of models a route has `route` itself, `answers-get` and `answers-post` (or another method
/// that changes things), `any-method` (none is named), `is-function` (its
/// handler is no method), and `has-parameter` (in its path).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Report {
    /// All must hold.
    #[serde(default)]
    pub when: Vec<String>,
    /// None may hold.
    #[serde(default)]
    pub unless: Vec<String>,
    /// Facts of `when` which the guards in `unless` have to come before: a guard that runs later, or in a branch that
    /// need not be taken, does not count. Those of `unless` that are no guards excuse the route as a whole.
    #[serde(default)]
    pub guarded_at: Vec<String>,
    /// It is enough if one of the places of `guarded-at` is guarded.
    #[serde(default)]
    pub guarded_at_all: bool,
    /// The fact whose places are reported: `route` (default) for the handler's name, or `app:...`, the
    /// first place of one of the application's.
    #[serde(default)]
    pub at: Option<String>,
    /// `application`: at most one finding of the rule for each application, of the first report that applies;
    /// `route`: at most one for each route; `origin`: besides, one for each place that several routes reach.
    #[serde(default)]
    pub once: Option<String>,
    /// What is wrong here; the rule's own message where absent.
    #[serde(default)]
    pub message: Option<String>,
    /// Severity, where it differs from the rule's.
    #[serde(default)]
    pub severity: Option<Severity>,
    /// Confidence, where it differs from the rule's.
    #[serde(default)]
    pub confidence: Option<Confidence>,
}

/// Splits a rule document into its front matter (TOML between two lines `+++`) and its body.
#[must_use]
pub fn split(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("+++\n")?;
    let end = rest.find("\n+++\n")?;
    Some((&rest[..=end], &rest[end + 5..]))
}

//! Findings: what the checks say about a program, ready to be shown, suppressed, compared and fixed.
//!
//! [`arrange`] brings findings into their one order, drops repetitions and gives each its fingerprint.

mod arrange;

use std::sync::Arc;

pub use arrange::{Surroundings, arrange};
pub use pyward_catalog::rule::{Confidence, Severity};
use serde::{Deserialize, Serialize};

/// A place in a program that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// The rule, such as `sql-injection`.
    pub rule: String,
    /// How bad it is if true.
    pub severity: Severity,
    /// How sure pyward is that it is true.
    pub confidence: Confidence,
    /// Why the confidence is what it is: short clauses, without full stops.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confidence_reasons: Vec<String>,
    /// One sentence without a full stop.
    pub message: String,
    /// One line: what to do instead.
    pub remedy: String,
    /// Where.
    pub location: Location,
    /// Byte range of the whole statement, wherever a comment may stand that speaks of it.
    pub statement: Extent,
    /// Dotted name of the function it stands in, below its module; empty at module level.
    pub function: String,
    /// The path of the data, source first and sink last; empty where no data flows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<Step>,
    /// Kind of the source, for data flows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_kind: Option<String>,
    /// Weaknesses (CWE numbers), the most fitting one first.
    pub cwe: Vec<u32>,
    /// Practices of the catalogue.
    pub practices: Vec<String>,
    /// OWASP Top 10 categories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owasp: Vec<String>,
    /// ASVS requirements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asvs: Vec<String>,
    /// How to repair it, where pyward knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// Identifies the finding across changes elsewhere in the file; 32 hexadecimal digits.
    pub fingerprint: String,
    /// Why it is not reported, for findings that are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppression: Option<Suppression>,
}

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Location {
    /// The file as shown to people: relative to the working directory where it lies below it, with `/`.
    pub file: Arc<str>,
    /// First byte in the decoded text.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Line, from 1; inside the cell for a notebook.
    pub line: u32,
    /// Column in characters (Unicode code points), from 1.
    pub column: u32,
    /// Line of the end.
    pub end_line: u32,
    /// Column of the end, one past the last character.
    pub end_column: u32,
    /// Cell of a notebook, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<u32>,
}

/// A byte range of the decoded text of a finding's file.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub struct Extent {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Location {
    /// `file`, or `file:cell 3` for a notebook.
    #[must_use]
    pub fn file_and_cell(&self) -> String {
        match self.cell {
            Some(cell) => format!("{}:cell {cell}", self.file),
            None => self.file.to_string(),
        }
    }
}

/// `file:line:column`.
impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file_and_cell(), self.line, self.column)
    }
}

/// A place that the data passes on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// What happens there.
    pub kind: StepKind,
    /// Where.
    pub location: Location,
    /// What happens there, for people: a clause without a full stop.
    pub text: String,
}

/// What happens at a step of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// The data enters the program.
    Source,
    /// It is assigned, built into another value or passes through a call.
    Step,
    /// It is passed to a function of the program.
    Call,
    /// A function of the program returns it.
    Return,
    /// It arrives where it must not.
    Sink,
}

/// A repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fix {
    /// What it does, in a few words.
    pub title: String,
    /// Edits that do not overlap, in order.
    pub edits: Vec<Edit>,
    /// The program's behaviour on harmless input stays the same.
    pub safe: bool,
}

/// A replacement of text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Edit {
    /// What is replaced; empty for an insertion.
    pub location: Location,
    /// The new text.
    pub replacement: String,
}

/// Why a finding is not reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Suppression {
    /// By a comment or by a baseline.
    pub by: SuppressedBy,
    /// The reason that the comment gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What suppresses a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuppressedBy {
    /// A comment in the source.
    Comment,
    /// The baseline file.
    Baseline,
}

//! What the engine reports, before it is worded and filtered.

use pyward_catalog::rule::{Confidence, Severity};
use pyward_ir::{Span, Symbol};
use pyward_program::FileId;

use crate::value::Step;

/// A finding of the engine.
#[derive(Clone, Debug, PartialEq)]
pub struct RawFinding {
    /// Index of the rule in the catalogue.
    pub rule: u16,
    /// File. Numbers from that of the program's files on are templates, in the order of their library.
    pub file: FileId,
    /// Byte range reported.
    pub span: Span,
    /// Byte range of the whole call or statement.
    pub context_span: Span,
    /// What is called or assigned, as shown to people.
    pub sink: Symbol,
    /// Source kind by number, for flows.
    pub source_kind: Option<u8>,
    /// Severity.
    pub severity: Severity,
    /// Confidence.
    pub confidence: Confidence,
    /// Message, where it is not the rule's own.
    pub message: Option<String>,
    /// The path of the data: source first; empty without flow.
    pub trace: Vec<Step>,
    /// Where the data ends, if that is not the place reported: in a helper that is handed a finished text.
    pub end: Option<(FileId, Span)>,
    /// The variable whose attribute is set wrongly: several such settings near each other are one finding.
    pub subject: Option<Symbol>,
    /// Qualified name of the function it stands in.
    pub function: Symbol,
}

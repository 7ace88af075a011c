//! What people read: the engine's numbers and names as sentences.

use std::sync::Arc;

use pyward_catalog::Catalog;
use pyward_findings::{Extent, Finding, Location, Step, StepKind};
use pyward_flow::RawFinding;
use pyward_flow::value::StepKind as RawKind;
use pyward_ir::{ParamKind, Span};
use pyward_program::{FileId, Program};
use pyward_project::SourceFile;

use crate::Route;

/// Longest text of the program that a message quotes, in bytes.
const MAX_QUOTED: usize = 50;

/// A byte range of a file as a location.
pub(crate) fn location(file: &SourceFile, name: &Arc<str>, span: Span) -> Location {
    let last = span.end.max(span.start);
    let start = file.position(span.start);
    let end = file.position(last);
    Location {
        file: Arc::clone(name),
        start: span.start,
        end: last,
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        cell: start.cell,
    }
}

/// A finding of the engine in words; none for a rule that the catalogue does not have.
pub(crate) fn finding(
    raw: &RawFinding,
    catalog: &Catalog,
    place: &dyn Fn(FileId, Span) -> Location,
    text: &dyn Fn(FileId, Span) -> Option<String>,
) -> Option<Finding> {
    let rule = catalog.rules.get(usize::from(raw.rule))?;
    let kind = raw
        .source_kind
        .and_then(|number| catalog.source_kinds.get(usize::from(number)))
        .map(String::as_str);
    let sink = raw.sink.as_str();
    let sink = if sink.is_empty() {
        "this place".to_owned()
    } else {
        format!("`{sink}`")
    };
    // As it stands in the program where that is short, else by its name.
    let routed = raw.trace.iter().any(|step| step.kind == RawKind::Handled);
    let first = raw.trace.first().filter(|_| !routed).map(|step| {
        let written = text(step.file, step.span);
        written.unwrap_or_else(|| step.name.as_str().to_owned())
    });
    let source = source(kind, first.as_deref().unwrap_or(""));
    let message = raw.message.as_ref().unwrap_or(&rule.message);
    let message = message
        .replace("{source}", &source)
        .replace("{sink}", &sink);
    let mut trace: Vec<Step> = raw
        .trace
        .iter()
        .map(|step| {
            let name = step.name.as_str();
            let (kind, text) = match step.kind {
                RawKind::Source => (StepKind::Source, format!("{source} comes in")),
                RawKind::Assign => (StepKind::Step, format!("assigned to `{name}`")),
                RawKind::Call => (StepKind::Call, format!("passed to `{name}`")),
                RawKind::Return => (StepKind::Return, format!("returned by `{name}`")),
                RawKind::Through => (StepKind::Step, format!("passes through `{name}`")),
                RawKind::Registered if name.is_empty() => {
                    (StepKind::Source, "the route is registered".to_owned())
                }
                RawKind::Registered => (StepKind::Source, format!("`{name}` is registered")),
                RawKind::Handled => (StepKind::Step, format!("handled by `{name}`")),
                RawKind::Leads => (StepKind::Call, format!("calls `{name}`")),
            };
            Step {
                kind,
                location: place(step.file, step.span),
                text,
            }
        })
        .collect();
    let at = place(raw.file, raw.span);
    if !trace.is_empty() {
        let end = raw.end.filter(|_| routed);
        let end = end.and_then(|(file, span)| text(file, span));
        trace.push(Step {
            kind: StepKind::Sink,
            location: raw
                .end
                .map_or_else(|| at.clone(), |(file, span)| place(file, span)),
            text: match end {
                Some(text) => format!("comes to `{text}`"),
                None if routed => "comes to this place".to_owned(),
                None => format!("reaches {sink}"),
            },
        });
    }
    let mut confidence_reasons = Vec::new();
    if kind == Some("parameter") {
        confidence_reasons.push("whether callers pass data from outside is not known".into());
    } else if raw.confidence < rule.confidence
        && !(raw.trace.is_empty() && raw.sink.as_str().is_empty())
    {
        confidence_reasons.push("a step of the way or the receiver's type is not certain".into());
    }
    Some(Finding {
        rule: rule.id.clone(),
        severity: raw.severity,
        confidence: raw.confidence,
        confidence_reasons,
        message,
        remedy: rule.remedy.clone(),
        location: at,
        statement: Extent {
            start: raw.context_span.start,
            end: raw.context_span.end,
        },
        function: raw.function.as_str().to_owned(),
        trace,
        source_kind: kind.map(str::to_owned),
        cwe: rule.cwe.clone(),
        practices: rule.practices.clone(),
        owasp: rule.owasp.clone(),
        asvs: rule.asvs.clone(),
        fix: None,
        fingerprint: String::new(),
        suppression: None,
    })
}

/// The program's text at a place, if it is one that reads well inside a sentence.
pub(crate) fn short_text(file: &SourceFile, span: Span) -> Option<String> {
    let text = file.text.get(span.start as usize..span.end as usize)?;
    let short = text.len() <= MAX_QUOTED && !text.contains(['\n', '\r', '`']);
    (short && !text.is_empty()).then(|| text.to_owned())
}

/// What comes in, and under which name.
fn source(kind: Option<&str>, name: &str) -> String {
    let what = match kind {
        Some("remote") => "request data",
        Some("cli") => "a command-line argument",
        Some("environment") => "an environment variable",
        Some("file") => "a file's content",
        Some("archive-member") => "the name of an archive member",
        Some("network") => "the response of another server",
        Some("database") => "database content",
        Some("deserialised") => "deserialised data",
        Some("llm") => "the output of a language model",
        Some("stdin") => "standard input",
        Some("exception") => "the text of an exception",
        Some("secret") => "a secret",
        Some("personal") => "personal data",
        Some("parameter") => "a caller's argument",
        Some("weak-random" | "random") => "a random number",
        Some(_) => "data from outside",
        None => "this value",
    };
    if name.is_empty() {
        what.to_owned()
    } else {
        format!("{what} (`{name}`)")
    }
}

/// An entry point in words.
pub(crate) fn route(
    raw: &pyward_flow::Route,
    program: &Program,
    place: &dyn Fn(FileId, Span) -> Location,
) -> Route {
    let function = program.function(raw.function);
    let texts = |symbols: &[pyward_ir::Symbol]| {
        let texts = symbols.iter().map(|s| s.as_str().to_owned());
        texts.collect::<Vec<String>>()
    };
    let parameters = function.params.iter().map(|param| {
        let name = param.name.as_str();
        match param.kind {
            ParamKind::Star => format!("*{name}"),
            ParamKind::DoubleStar => format!("**{name}"),
            _ => name.to_owned(),
        }
    });
    Route {
        paths: texts(&raw.paths),
        verbs: texts(&raw.verbs),
        protocol: raw.protocol.as_str().to_owned(),
        library: raw.library.as_str().to_owned(),
        function: function.qualname.as_str().to_owned(),
        parameters: parameters
            .filter(|name| !matches!(name.as_str(), "self" | "cls"))
            .collect(),
        guards: texts(&raw.guards),
        location: place(raw.function.file, function.name_span),
    }
}

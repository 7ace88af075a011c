//! Findings in the text of pages alone: what their scripts do.

use pyward_catalog::Catalog;
use pyward_flow::RawFinding;
use pyward_flow::value::{Step, StepKind};
use pyward_ir::{Span, Symbol};
use pyward_program::FileId;
use pyward_scripts::{Flow, Scripts};
use rayon::prelude::*;

use crate::lowered::Lowered;

/// The flows within the scripts of pages, and the templates whose scripts were too large to be followed in full.
/// Templates are numbered behind the program's files.
pub(crate) fn script_flows(lowered: &Lowered, catalog: &Catalog) -> (Vec<RawFinding>, Vec<usize>) {
    let scripts = Scripts::new(&catalog.models);
    let library = &lowered.library;
    let read: Vec<(Vec<RawFinding>, bool)> = (0..library.len())
        .into_par_iter()
        .map(|template| {
            let code = library.scripts(template).unwrap_or_default();
            let flows = scripts.flows(&code);
            let file = u32::try_from(lowered.sources.len() + template).map(FileId);
            let found = flows.found.iter();
            let found = found.filter_map(|flow| finding(flow, &code, file.ok()?, catalog));
            (found.collect(), flows.is_partial)
        })
        .collect();
    let mut findings = Vec::new();
    let mut partial = Vec::new();
    for (template, (found, is_partial)) in read.into_iter().enumerate() {
        findings.extend(found);
        if is_partial {
            partial.push(template);
        }
    }
    (findings, partial)
}

fn finding(flow: &Flow, code: &str, file: FileId, catalog: &Catalog) -> Option<RawFinding> {
    let number = catalog.rules.iter().position(|rule| rule.id == flow.rule)?;
    let rule = &catalog.rules[number];
    let span = span(&flow.span)?;
    Some(RawFinding {
        subject: None,
        end: None,
        rule: u16::try_from(number).ok()?,
        file,
        span,
        context_span: span,
        sink: Symbol::new(&flow.sink),
        source_kind: None,
        severity: rule.severity,
        confidence: rule.confidence,
        message: None,
        trace: vec![Step {
            kind: StepKind::Source,
            file,
            span: self::span(&flow.source)?,
            name: Symbol::new(code.get(flow.source.clone())?),
        }],
        function: Symbol::new(""),
    })
}

fn span(range: &std::ops::Range<usize>) -> Option<Span> {
    Some(Span {
        start: u32::try_from(range.start).ok()?,
        end: u32::try_from(range.end).ok()?,
    })
}

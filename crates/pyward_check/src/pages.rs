//! Findings in the text of pages alone: what their scripts do.

use pyward_catalog::Catalog;
use pyward_flow::RawFinding;
use pyward_ir::{Span, Symbol};
use pyward_program::FileId;
use rayon::prelude::*;

use crate::lowered::Lowered;

/// Adds the places where a page's scripts make HTML of values from elsewhere. Templates are numbered behind the
/// program's files.
pub(crate) fn add_script_sinks(
    findings: &mut Vec<RawFinding>,
    lowered: &Lowered,
    catalog: &Catalog,
) {
    let Some(number) = catalog.rules.iter().position(|rule| rule.id == "dom-xss") else {
        return;
    };
    let Ok(rule) = u16::try_from(number) else {
        return;
    };
    let description = &catalog.rules[number];
    let library = &lowered.library;
    let found: Vec<RawFinding> = (0..library.len())
        .into_par_iter()
        .filter(|&template| library.is_html(template))
        .flat_map_iter(|template| {
            let sinks = pyward_templates::html_sinks(library.text(template)).into_iter();
            sinks.filter_map(move |sink| {
                let file = u32::try_from(lowered.sources.len() + template).ok()?;
                let span = Span {
                    start: u32::try_from(sink.span.start).ok()?,
                    end: u32::try_from(sink.span.end).ok()?,
                };
                Some(RawFinding {
                    subject: None,
                    end: None,
                    rule,
                    file: FileId(file),
                    span,
                    context_span: span,
                    sink: Symbol::new(sink.name),
                    source_kind: None,
                    severity: description.severity,
                    confidence: description.confidence,
                    message: None,
                    trace: Vec::new(),
                    function: Symbol::new(""),
                })
            })
        })
        .collect();
    findings.extend(found);
}

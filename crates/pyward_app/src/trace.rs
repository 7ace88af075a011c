//! The way to a finding: where the route is registered, its handler, the calls that lead to what is reported.

use pyward_catalog::rule::Report;
use pyward_flow::value::{Step, StepKind};
use pyward_ir::{Span, Symbol};
use pyward_program::{FileId, Program};

use crate::facts::Facts;
use crate::found::Place;
use crate::route::RouteFacts;

/// Longest URL pattern that a step shows, in characters.
const MAX_SHOWN: usize = 80;

/// The steps of a route to a place, and where they end. Where the handler itself is reported, they go on to what it
/// does that the report is about.
pub(crate) fn trace(
    program: &Program,
    facts: &Facts,
    report: &Report,
    route: &RouteFacts,
    reported: &Place,
) -> Option<(Vec<Step>, (FileId, Span))> {
    let id = route.route.function;
    let function = program.function(id);
    let mut steps = Vec::new();
    if let Some(&(file, site)) = route.route.sites.first() {
        steps.push(Step {
            kind: StepKind::Registered,
            file,
            span: program.ir(file).expr(site).span,
            name: shown(route),
        });
    }
    steps.push(Step {
        kind: StepKind::Handled,
        file: id.file,
        span: function.name_span,
        name: function.qualname,
    });
    let is_handler = |place: &Place| place.file == id.file && place.span == function.name_span;
    let mut at = if is_handler(reported) {
        operation(facts, report, route, &is_handler).unwrap_or(reported)
    } else {
        reported
    };
    while let Some(inner) = &at.via {
        steps.push(Step {
            kind: StepKind::Leads,
            file: at.file,
            span: at.span,
            name: program.ir(inner.file).function(inner.function).qualname,
        });
        at = inner;
    }
    Some((steps, (at.file, at.span)))
}

/// The first thing that a route does of which a report speaks: what is least guarded.
fn operation<'a>(
    facts: &Facts,
    report: &Report,
    route: &'a RouteFacts,
    is_handler: &dyn Fn(&Place) -> bool,
) -> Option<&'a Place> {
    let conditions = report.guarded_at.iter().chain(&report.when);
    let kinds = conditions.flat_map(|condition| condition.split_whitespace());
    let kinds = kinds.filter_map(|name| facts.kind(name.strip_prefix("own:").unwrap_or(name)));
    kinds
        .filter(|kind| facts.protecting & (1 << kind) == 0)
        .find_map(|kind| {
            let places = route.found.places(kind).iter().filter(|p| !is_handler(p));
            places.min_by_key(|p| (p.guards.count_ones(), p.depth))
        })
}

/// A route as people write it: `POST /orders`.
fn shown(route: &RouteFacts) -> Symbol {
    let verbs: Vec<&str> = route.route.verbs.iter().map(|v| v.as_str()).collect();
    let path = route.route.paths.first().map_or("", |path| path.as_str());
    let text = format!("{} {path}", verbs.join(","));
    let text: String = text.trim().chars().take(MAX_SHOWN).collect();
    Symbol::new(&text)
}

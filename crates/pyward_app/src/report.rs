//! From facts to findings: the conditions that rules declare.

use pyward_catalog::Catalog;
use pyward_catalog::rule::{Report, Rule};
use pyward_flow::RawFinding;
use pyward_ir::Symbol;
use pyward_program::Program;
use rustc_hash::FxHashSet;

use crate::application::{Application, RouteFacts};
use crate::facts::Facts;
use crate::found::{Found, Place};

/// The findings of all rules in one application.
pub(crate) fn findings(
    program: &Program,
    catalog: &Catalog,
    facts: &Facts,
    application: &Application<'_>,
) -> Vec<RawFinding> {
    let mut findings = Vec::new();
    for (number, rule) in catalog.rules.iter().enumerate() {
        let mut seen: FxHashSet<(u32, u32, u32)> = FxHashSet::default();
        let mut is_done = false;
        for report in &rule.report {
            let once = report.once.as_deref() == Some("application");
            if once && is_done {
                continue;
            }
            for place in places(program, facts, application, report) {
                let (file, span) = match report.once.as_deref() {
                    Some("origin") => place.origin.unwrap_or((place.file, place.span)),
                    _ => (place.file, place.span),
                };
                let key = (file.0, span.start, span.end);
                if !seen.insert(key) {
                    continue;
                }
                findings.push(finding(program, number, rule, report, place));
                if once {
                    is_done = true;
                    break;
                }
            }
        }
    }
    findings
}

fn finding(
    program: &Program,
    number: usize,
    rule: &Rule,
    report: &Report,
    place: Place,
) -> RawFinding {
    let function = program.ir(place.file).function(place.function);
    RawFinding {
        rule: u16::try_from(number).unwrap_or(u16::MAX),
        file: place.file,
        span: place.span,
        context_span: place.span,
        sink: Symbol::new(""),
        source_kind: None,
        severity: report.severity.unwrap_or(rule.severity),
        confidence: report.confidence.unwrap_or(rule.confidence),
        message: report.message.clone(),
        trace: Vec::new(),
        subject: None,
        end: None,
        function: function.qualname,
    }
}

/// Where a report applies.
fn places(
    program: &Program,
    facts: &Facts,
    application: &Application<'_>,
    report: &Report,
) -> Vec<Place> {
    let at = report.at.as_deref().unwrap_or("route");
    let mut places = Vec::new();
    for route in &application.routes {
        if program.is_test(route.route.function.file) {
            continue;
        }
        let of_route = |fact: &str| match fact.split_once(':') {
            Some(("app", fact)) => has(facts, &application.found, fact),
            Some((_, fact)) => facts
                .kind(fact)
                .is_some_and(|kind| route.own.has_near(kind)),
            None => has(facts, &route.found, fact) || is_by_nature(route, fact),
        };
        if !holds(report, &of_route) {
            continue;
        }
        if at == "route" {
            let function = program.function(route.route.function);
            places.push(Place::new(
                route.route.function.file,
                function.name_span,
                route.route.function.index,
            ));
        } else if let Some(at) = at.strip_prefix("app:") {
            let kind = facts.kind(at);
            let all = kind.map_or(&[][..], |kind| application.found.places(kind));
            places.extend(all.first());
        } else if let Some(kind) = facts.kind(at) {
            let own = route.own.places(kind);
            let all = if own.is_empty() {
                route.found.places(kind)
            } else {
                own
            };
            if report.once.is_some() {
                places.extend(all.first());
            } else {
                places.extend_from_slice(all);
            }
        }
    }
    places
}

fn holds(report: &Report, fact: &dyn Fn(&str) -> bool) -> bool {
    let any = |condition: &String| condition.split_whitespace().any(fact);
    report.when.iter().all(any) && !report.unless.iter().any(any)
}

fn has(facts: &Facts, found: &Found, kind: &str) -> bool {
    facts.kind(kind).is_some_and(|kind| found.has(kind))
}

/// Facts that need no description.
fn is_by_nature(route: &RouteFacts<'_>, fact: &str) -> bool {
    let verbs = &route.route.verbs;
    let is_read = |verb: &Symbol| matches!(verb.as_str(), "GET" | "HEAD" | "OPTIONS");
    match fact {
        "route" => true,
        "answers-get" => verbs.is_empty() || verbs.iter().any(is_read),
        "answers-post" => verbs.is_empty() || !verbs.iter().all(is_read),
        "has-parameter" => {
            let paths = &route.route.paths;
            paths
                .iter()
                .any(|path| path.as_str().contains(['<', '{', '(']))
        }
        _ => false,
    }
}

//! From facts to findings: the conditions that rules declare.

use pyward_catalog::Catalog;
use pyward_catalog::rule::{Report, Rule};
use pyward_flow::RawFinding;
use pyward_ir::Symbol;
use pyward_program::Program;
use rustc_hash::FxHashSet;

use crate::application::Application;
use crate::facts::{Facts, Kinds};
use crate::found::{Found, Place};
use crate::route::RouteFacts;
use crate::trace;

/// A place that is reported, and the route that it is reported for.
struct Reported<'a> {
    place: Place,
    route: Option<&'a RouteFacts>,
}

/// The findings of all rules in one application.
pub(crate) fn findings(
    program: &Program,
    catalog: &Catalog,
    facts: &Facts,
    application: &Application,
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
            for reported in places(program, facts, application, report) {
                let place = match report.once.as_deref() {
                    Some("origin") => reported.place.origin(),
                    _ => &reported.place,
                };
                let key = (place.file.0, place.span.start, place.span.end);
                if !seen.insert(key) {
                    continue;
                }
                findings.push(finding(program, facts, (number, rule), report, &reported));
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
    facts: &Facts,
    (number, rule): (usize, &Rule),
    report: &Report,
    reported: &Reported<'_>,
) -> RawFinding {
    let place = &reported.place;
    let function = program.ir(place.file).function(place.function);
    let way = reported
        .route
        .and_then(|route| trace::trace(program, facts, report, route, place));
    let (trace, end) = way.map_or((Vec::new(), None), |(steps, end)| (steps, Some(end)));
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
        trace,
        subject: None,
        end,
        function: function.qualname,
    }
}

/// Where a report applies.
fn places<'a>(
    program: &Program,
    facts: &Facts,
    application: &'a Application,
    report: &Report,
) -> Vec<Reported<'a>> {
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
        if !holds(report, facts, route, &of_route) {
            continue;
        }
        let here = |place: &Place| Reported {
            place: place.clone(),
            route: Some(route),
        };
        if at == "route" {
            let function = program.function(route.route.function);
            places.push(here(&Place::new(
                route.route.function.file,
                function.name_span,
                route.route.function.index,
            )));
        } else if let Some(at) = at.strip_prefix("app:") {
            let kind = facts.kind(at);
            let all = kind.map_or(&[][..], |kind| application.found.places(kind));
            places.extend(all.first().map(|place| Reported {
                place: place.clone(),
                route: None,
            }));
        } else if let Some(kind) = facts.kind(at) {
            let own = route.own.places(kind);
            let all = if own.is_empty() {
                route.found.places(kind)
            } else {
                own
            };
            if report.once.is_some() {
                places.extend(all.first().map(here));
            } else {
                places.extend(all.iter().map(here));
            }
        }
    }
    places
}

fn holds(report: &Report, facts: &Facts, route: &RouteFacts, fact: &dyn Fn(&str) -> bool) -> bool {
    let any = |condition: &String| condition.split_whitespace().any(fact);
    if !report.when.iter().all(any) {
        return false;
    }
    let kind = |name: &&str| facts.kind(name);
    let operations = report.guarded_at.iter().flat_map(|c| c.split_whitespace());
    let operations = operations.filter_map(|name| kind(&name));
    let places: Vec<&Place> = operations
        .flat_map(|kind| route.found.places(kind))
        .collect();
    if places.is_empty() {
        return !report.unless.iter().any(any);
    }
    // What guards has to be in force where the operation is; everything else excuses the route as a whole.
    let unless = || report.unless.iter().flat_map(|c| c.split_whitespace());
    let protects = |name: &&str| kind(name).is_some_and(|k| facts.protecting & (1 << k) != 0);
    if unless().any(|name| fact(name) && !protects(&name)) {
        return false;
    }
    let guards: Kinds = unless()
        .filter_map(|name| kind(&name))
        .fold(0, |set, k| set | 1 << k);
    let is_open = |place: &&Place| (place.guards | route.before) & guards == 0;
    if report.guarded_at_all {
        places.iter().all(is_open)
    } else {
        places.iter().any(is_open)
    }
}

fn has(facts: &Facts, found: &Found, kind: &str) -> bool {
    facts.kind(kind).is_some_and(|kind| found.has(kind))
}

/// Facts that need no description.
fn is_by_nature(route: &RouteFacts, fact: &str) -> bool {
    let verbs = &route.route.verbs;
    let is_read = |verb: &Symbol| matches!(verb.as_str(), "GET" | "HEAD" | "OPTIONS");
    match fact {
        "route" => true,
        "answers-get" => verbs.is_empty() || verbs.iter().any(is_read),
        "is-function" => !route.is_method,
        "any-method" => verbs.is_empty() && !route.is_method,
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

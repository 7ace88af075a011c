//! The application model: what the routes of a program do, and what guards them.
//!
//! The flow engine tells which functions are routes, and whom each call reaches. From there [`analyse`] walks what
//! every route reaches (the handler, what it calls, its decorators, dependencies, class and hooks) and collects
//! *facts*: names of things that code does, as models describe them ([`pyward_catalog::model::Fact`]). Files that
//! belong together form an application, with facts of its own. Rules of kind `application` are conditions over these
//! facts, and others may have such conditions beside what they are otherwise about ([`pyward_catalog::rule::Report`]); nothing here knows a rule or a library.

mod application;
mod facts;
mod found;
mod hooks;
mod names;
mod report;
mod route;
mod routing;
mod trace;
mod views;
mod walk;

use pyward_catalog::{ACCESS_KINDS, Catalog};
use pyward_flow::{Analysis, RawFinding, Route};
use pyward_ir::Symbol;
use pyward_program::{FileId, Program};
use rayon::prelude::*;
use rustc_hash::FxHashSet;

use application::Application;
use facts::Facts;
use names::Names;
use route::RouteFacts;
use routing::RouterModels;
use views::Views;

/// What the application model finds and knows.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What the rules of kind `application` find, in the order of files and positions.
    pub findings: Vec<RawFinding>,
    /// The HTTP routes with whole URL patterns and the kinds of guards in force, and what classes inherit from
    /// libraries, in the order of handlers.
    pub routes: Vec<Route>,
    /// First files of the applications that were too large to be walked in full.
    pub cut: Vec<FileId>,
}

/// Finds out what routes do and what guards them, and what the rules say of it.
#[must_use]
pub fn analyse(program: &Program, analysis: &Analysis, catalog: &Catalog) -> Outcome {
    // Where data flow tells of the same flaw, it tells more.
    let known: FxHashSet<_> = analysis
        .findings
        .iter()
        .map(|f| (f.rule, f.file, f.function))
        .collect();
    let mut outcome = run_stage(program, analysis, catalog);
    let findings = &mut outcome.findings;
    findings.retain(|f| !known.contains(&(f.rule, f.file, f.function)));
    outcome
}

fn run_stage(program: &Program, analysis: &Analysis, catalog: &Catalog) -> Outcome {
    let declares = |rule: &pyward_catalog::rule::Rule| !rule.report.is_empty();
    if !catalog.rules.iter().any(declares) || !has_routes(analysis) {
        return Outcome::default();
    }
    // The walk recurses with the nesting of the source.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(rayon::current_num_threads())
        .stack_size(STACK)
        .build();
    match pool {
        Ok(pool) => pool.install(|| run(program, analysis, catalog)),
        Err(_) => Outcome::default(),
    }
}

fn has_routes(analysis: &Analysis) -> bool {
    !analysis.classes.is_empty() || analysis.routes.iter().any(is_http)
}

/// Stack of the threads, in bytes.
const STACK: usize = 64 << 20;

fn run(program: &Program, analysis: &Analysis, catalog: &Catalog) -> Outcome {
    let facts = Facts::new(catalog);
    let names = Names::new(program, catalog);
    let applications = application::group(program, analysis, &names);
    let routers = RouterModels::new(catalog);
    let views = Views::new(program, analysis, &names, catalog);
    let stage = Stage {
        program,
        analysis,
        catalog,
        facts: &facts,
        names: &names,
        routers: &routers,
        views: &views,
    };
    let results: Vec<Outcome> = applications
        .par_iter()
        .map(|files| {
            let application = Application::new(&stage, files);
            let first = files.first().copied();
            Outcome {
                findings: report::findings(program, catalog, &facts, &application),
                routes: application
                    .routes
                    .iter()
                    .map(|r| shown(&facts, r))
                    .collect(),
                cut: first.filter(|_| application.is_cut).into_iter().collect(),
            }
        })
        .collect();
    let mut all = Outcome::default();
    for outcome in results {
        all.findings.extend(outcome.findings);
        all.routes.extend(outcome.routes);
        all.cut.extend(outcome.cut);
    }
    all.findings.sort_by_key(|f| (f.file, f.span, f.rule));
    all.routes.sort_by_key(|r| r.function);
    all.cut.sort_unstable();
    all
}

/// What the stage works on.
struct Stage<'a> {
    program: &'a Program,
    analysis: &'a Analysis,
    catalog: &'a Catalog,
    facts: &'a Facts,
    names: &'a Names<'a>,
    routers: &'a RouterModels<'a>,
    views: &'a Views<'a>,
}

/// Kinds of facts that are guards, for people, besides those of `[[access]]`.
const GUARDS: &[&str] = &[
    "guarded-by-name",
    "permitted-by-name",
    "checks-caller",
    "checks-role",
    "checks-ownership",
    "scopes-to-caller",
];

/// A route as `pyward map` shows it.
fn shown(facts: &Facts, route: &RouteFacts) -> Route {
    let is_there = |name: &&&str| facts.kind(name).is_some_and(|kind| route.found.has(kind));
    let guards = ACCESS_KINDS.iter().chain(GUARDS).filter(is_there);
    Route {
        guards: guards.map(|name| Symbol::new(name)).collect(),
        ..route.route.clone()
    }
}

/// Whether a route answers HTTP requests.
fn is_http(route: &pyward_flow::Route) -> bool {
    route.protocol.as_str() == "http"
}

#[cfg(test)]
mod tests;

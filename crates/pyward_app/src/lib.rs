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
mod names;
mod report;
mod walk;

use pyward_catalog::Catalog;
use pyward_flow::{Analysis, RawFinding};
use pyward_program::{FunctionId, Program};
use rayon::prelude::*;
use rustc_hash::FxHashSet;

use application::Application;
use facts::Facts;
use names::Names;

/// What the rules of kind `application` find, in the order of files and positions.
#[must_use]
pub fn analyse(program: &Program, analysis: &Analysis, catalog: &Catalog) -> Vec<RawFinding> {
    // Where data flow tells of the same flaw, it tells more.
    let known: FxHashSet<_> = analysis
        .findings
        .iter()
        .map(|f| (f.rule, f.file, f.function))
        .collect();
    let mut findings = run_stage(program, analysis, catalog).0;
    findings.retain(|f| !known.contains(&(f.rule, f.file, f.function)));
    findings
}

/// What is known of each HTTP route: the kinds of its facts, in the order of routes.
#[must_use]
pub fn route_facts(
    program: &Program,
    analysis: &Analysis,
    catalog: &Catalog,
) -> Vec<(FunctionId, Vec<String>)> {
    run_stage(program, analysis, catalog).1
}

type Found = (Vec<RawFinding>, Vec<(FunctionId, Vec<String>)>);

fn run_stage(program: &Program, analysis: &Analysis, catalog: &Catalog) -> Found {
    let declares = |rule: &pyward_catalog::rule::Rule| !rule.report.is_empty();
    if !catalog.rules.iter().any(declares) || !analysis.routes.iter().any(is_http) {
        return Found::default();
    }
    // The walk recurses with the nesting of the source.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(rayon::current_num_threads())
        .stack_size(STACK)
        .build();
    match pool {
        Ok(pool) => pool.install(|| run(program, analysis, catalog)),
        Err(_) => Found::default(),
    }
}

/// Stack of the threads, in bytes.
const STACK: usize = 64 << 20;

fn run(program: &Program, analysis: &Analysis, catalog: &Catalog) -> Found {
    let facts = Facts::new(catalog);
    let names = Names::new(program, catalog);
    let applications = application::group(program, analysis, &names);
    let results: Vec<Found> = applications
        .par_iter()
        .map(|files| {
            let application = Application::new(program, analysis, &facts, &names, files);
            let findings = report::findings(program, catalog, &facts, &application);
            let routes = application.routes.iter();
            let routes = routes.map(|r| (r.route.function, facts.words(r.found.kinds())));
            (findings, routes.collect())
        })
        .collect();
    let mut all = Found::default();
    for (findings, routes) in results {
        all.0.extend(findings);
        all.1.extend(routes);
    }
    all.0.sort_by_key(|f| (f.file, f.span, f.rule));
    all.1.sort_by_key(|r| r.0);
    all
}

/// Whether a route answers HTTP requests.
fn is_http(route: &pyward_flow::Route) -> bool {
    route.protocol.as_str() == "http"
}

#[cfg(test)]
mod tests;

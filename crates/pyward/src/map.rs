//! `pyward map`: what the application offers to the outside.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anstyle::Style;
use pyward_check::{Request, Route, check};
use pyward_project::Level;
use pyward_report::write_diagnostics;

use crate::Exit;
use crate::args::MapArgs;
use crate::check::{load, pool};

const BOLD: Style = Style::new().bold();

pub(crate) fn run(arguments: &MapArgs) -> io::Result<Exit> {
    let here = std::env::current_dir()?;
    let mut problems = Vec::new();
    let start = arguments.paths.first().cloned();
    let start = start.unwrap_or_else(|| PathBuf::from("."));
    let settings = load(&here, &start, &arguments.settings, &mut problems);
    let request = Request {
        working_directory: &here,
        paths: &arguments.paths,
        settings: &settings,
        stdin: None,
        threads: 0,
        cache: true,
        use_baseline: false,
        progress: &|_| {},
    };
    let outcome = pool(0)?.install(|| check(&request));
    problems.extend(outcome.diagnostics);
    problems.retain(|p| p.level == Level::Error);
    write_diagnostics(&problems, &mut anstream::stderr())?;
    if arguments.json {
        let mut out = BufWriter::new(io::stdout().lock());
        serde_json::to_writer_pretty(&mut out, &outcome.routes)?;
        writeln!(out)?;
        out.flush()?;
    } else {
        print(&outcome.routes)?;
    }
    Ok(if problems.is_empty() {
        Exit::Clean
    } else {
        Exit::Failure
    })
}

fn print(routes: &[Route]) -> io::Result<()> {
    let mut out = BufWriter::new(anstream::stdout().lock());
    if routes.is_empty() {
        writeln!(out, "No entry points known.")?;
    }
    let rows: Vec<[String; 4]> = routes.iter().map(row).collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths = [width(0), width(1).min(50), width(2).min(50)];
    for [verbs, path, handler, rest] in &rows {
        let line = format!(
            "{verbs:a$}  {BOLD}{path:b$}{BOLD:#}  {handler:c$}  {rest}",
            a = widths[0],
            b = widths[1],
            c = widths[2],
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    out.flush()
}

/// Methods or protocol, URL patterns, handler with its parameters, place with library and guards.
fn row(route: &Route) -> [String; 4] {
    let how = if route.verbs.is_empty() {
        route.protocol.clone()
    } else {
        route.verbs.join(",")
    };
    let handler = format!("{}({})", route.function, route.parameters.join(", "));
    let mut rest = format!("{}  {}", route.location, route.library);
    if !route.guards.is_empty() {
        rest.push_str("  guarded by ");
        rest.push_str(&route.guards.join(", "));
    }
    [how, route.paths.join(" "), handler, rest]
}

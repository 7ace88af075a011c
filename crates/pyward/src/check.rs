//! `pyward check`

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use pyward_check::{Outcome, Request, check, write_baseline};
use pyward_project::{
    Code, Diagnostic, Level, Name, OutputFormat, ProjectKind, Settings, discover,
};
use pyward_report::{Report, Summary, write, write_diagnostics, write_statistics};

use crate::Exit;
use crate::args::{CheckArgs, ConfigArgs};
use crate::progress::Progress;

/// Stack of each thread. Deeply nested programs are analysed by recursion; address space is not memory.
const STACK: usize = 256 << 20;

const DEFAULT_BASELINE: &str = "pyward-baseline.json";

pub(crate) fn run(arguments: &CheckArgs) -> io::Result<Exit> {
    let started = Instant::now();
    let here = std::env::current_dir()?;
    let mut early = Vec::new();
    let paths = paths(arguments);
    let start = paths.first().cloned().unwrap_or_else(|| PathBuf::from("."));
    let start = arguments.stdin_filename.clone().unwrap_or(start);
    let mut settings = load(&here, &start, &arguments.settings, &mut early);
    merge(&mut settings, arguments, &here);
    let stdin = read_stdin(arguments)?;
    let threads = arguments.threads.unwrap_or(0);
    let pool = pool(threads)?;

    if arguments.show_files {
        return pool.install(|| show_files(&here, &paths, &settings, stdin, threads, &early));
    }
    let outcome = {
        let progress = Progress::start(arguments.quiet);
        let request = Request {
            working_directory: &here,
            paths: &paths,
            settings: &settings,
            stdin,
            threads,
            cache: !arguments.no_cache,
            use_baseline: !arguments.write_baseline,
            progress: &|stage| progress.stage(stage),
        };
        pool.install(|| check(&request))
    };
    early.extend(outcome.diagnostics.iter().cloned());
    let has_errors = early.iter().any(|d| d.level == Level::Error);

    if arguments.write_baseline {
        let name = settings.config.baseline.as_ref();
        let path = settings.resolve(name.map_or(DEFAULT_BASELINE, |n| n.get_ref()));
        write_baseline(&path, &outcome.findings)?;
        print_diagnostics(&early, settings.config.output_format, arguments.quiet)?;
        writeln!(
            anstream::stderr(),
            "{}: {} findings accepted",
            path.display(),
            outcome.findings.len()
        )?;
        return Ok(if has_errors {
            Exit::Failure
        } else {
            Exit::Clean
        });
    }
    print(&outcome, &early, &settings, arguments, &here, started)?;
    Ok(if has_errors {
        Exit::Failure
    } else if outcome.findings.is_empty() || arguments.exit_zero {
        Exit::Clean
    } else {
        Exit::Findings
    })
}

/// The threads to work on; 0 for one per core.
pub(crate) fn pool(threads: usize) -> io::Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(STACK)
        .build()
        .map_err(io::Error::other)
}

/// The settings in force; defaults where the file is wrong, which `problems` then says.
pub(crate) fn load(
    here: &Path,
    start: &Path,
    arguments: &ConfigArgs,
    problems: &mut Vec<Diagnostic>,
) -> Settings {
    if arguments.isolated {
        return Settings::defaults(here);
    }
    match Settings::load(here, start, arguments.config.as_deref()) {
        Ok(settings) => settings,
        Err(diagnostic) => {
            problems.push(*diagnostic);
            Settings::defaults(here)
        }
    }
}

fn paths(arguments: &CheckArgs) -> Vec<PathBuf> {
    let dash = Path::new("-");
    let named = arguments.paths.iter().filter(|p| p.as_path() != dash);
    named.cloned().collect()
}

fn read_stdin(arguments: &CheckArgs) -> io::Result<Option<(PathBuf, Vec<u8>)>> {
    let dash = arguments
        .paths
        .iter()
        .any(|p| p.as_path() == Path::new("-"));
    if !dash && arguments.stdin_filename.is_none() {
        return Ok(None);
    }
    let name = arguments.stdin_filename.clone();
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(Some((name.unwrap_or_else(|| "stdin.py".into()), bytes)))
}

/// Lays the options of the command line over the settings file.
fn merge(settings: &mut Settings, arguments: &CheckArgs, here: &Path) {
    let config = &mut settings.config;
    let names = |list: &[String]| -> Vec<Name> {
        let given = list.iter().map(|name| name.trim());
        given
            .filter(|name| !name.is_empty())
            .map(|name| Name::new(0..0, name.to_owned()))
            .collect()
    };
    if !arguments.select.is_empty() {
        config.select = names(&arguments.select);
    }
    config.extend_select.extend(names(&arguments.extend_select));
    config.ignore.extend(names(&arguments.ignore));
    if let Some(severity) = arguments.severity {
        config.severity = severity.into();
    }
    if let Some(confidence) = arguments.confidence {
        config.confidence = confidence.into();
    }
    if arguments.library {
        config.project_kind = ProjectKind::Library;
    }
    if arguments.application {
        config.project_kind = ProjectKind::Application;
    }
    if let Some(baseline) = &arguments.baseline {
        // Unlike those in the file, paths of the command line are relative to the working directory.
        let path = here.join(baseline).to_string_lossy().into_owned();
        config.baseline = Some(Name::new(0..0, path));
    }
    if let Some(format) = arguments.output_format {
        config.output_format = format.into();
    }
    config.tests |= arguments.tests;
    config.respect_nosec |= arguments.respect_nosec;
    config.respect_noqa |= arguments.respect_noqa;
    config.respect_gitignore &= !arguments.no_respect_gitignore;
    config.default_exclude &= !arguments.no_default_exclude;
    config.include.extend(arguments.include.iter().cloned());
    config.exclude.extend(arguments.exclude.iter().cloned());
}

fn show_files(
    here: &Path,
    paths: &[PathBuf],
    settings: &Settings,
    stdin: Option<(PathBuf, Vec<u8>)>,
    threads: usize,
    early: &[Diagnostic],
) -> io::Result<Exit> {
    let project = discover(&pyward_project::Request {
        working_directory: here,
        paths,
        settings,
        stdin,
        threads,
    });
    let mut out = BufWriter::new(io::stdout().lock());
    for file in &project.files {
        writeln!(out, "{}", file.shown)?;
    }
    out.flush()?;
    let all: Vec<Diagnostic> = early.iter().chain(&project.diagnostics).cloned().collect();
    write_diagnostics(&all, &mut anstream::stderr())?;
    let failed = all.iter().any(|d| d.level == Level::Error);
    Ok(if failed { Exit::Failure } else { Exit::Clean })
}

fn print(
    outcome: &Outcome,
    diagnostics: &[Diagnostic],
    settings: &Settings,
    arguments: &CheckArgs,
    here: &Path,
    started: Instant,
) -> io::Result<()> {
    let format = settings.config.output_format;
    let mut diagnostics = diagnostics.to_vec();
    if outcome.project.files.is_empty() && diagnostics.iter().all(|d| d.level < Level::Error) {
        let nothing = Diagnostic::warning(Code::NoSuchPath, "no Python files found");
        diagnostics.push(nothing);
    }
    print_diagnostics(&diagnostics, format, arguments.quiet)?;
    let on_terminal = arguments.output.is_none() && io::stdout().is_terminal();
    let report = Report {
        findings: &outcome.findings,
        suppressed: &outcome.suppressed,
        diagnostics: &diagnostics,
        catalog: &outcome.catalog,
        sources: outcome,
        summary: Summary {
            files: outcome.project.files.len(),
            below_threshold: outcome.below_threshold,
            // A time differs from run to run: people only.
            elapsed: on_terminal.then(|| started.elapsed()),
        },
        base: here.to_string_lossy().replace('\\', "/"),
    };
    let render = |out: &mut dyn Write| {
        if arguments.statistics {
            write_statistics(&report, out)
        } else {
            write(&report, format, out)
        }
    };
    match &arguments.output {
        Some(path) => {
            let file = File::create(path).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })?;
            let mut out = BufWriter::new(anstream::StripStream::new(file));
            render(&mut out)?;
            out.flush()
        }
        None => {
            let mut out = BufWriter::with_capacity(1 << 16, anstream::stdout().lock());
            render(&mut out)?;
            out.flush()
        }
    }
}

/// Diagnostics for people. Formats that carry them leave only errors to standard error.
fn print_diagnostics(
    diagnostics: &[Diagnostic],
    format: OutputFormat,
    quiet: bool,
) -> io::Result<()> {
    let carried = matches!(
        format,
        OutputFormat::Json | OutputFormat::Sarif | OutputFormat::Github | OutputFormat::Html
    );
    let shown: Vec<Diagnostic> = diagnostics
        .iter()
        .filter(|d| d.level == Level::Error || !(carried || quiet))
        .cloned()
        .collect();
    write_diagnostics(&shown, &mut anstream::stderr())
}

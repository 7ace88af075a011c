//! From paths to findings: every stage in order, behind one entry point, [`check`].
//!
//! Discovery, parsing, the program model and the flow engine are crates of their own. What stands here turns the
//! engine's results into findings and decides which of them are reported: rule selection, comments, baseline,
//! thresholds, and the cache of whole results.

mod baseline;
mod cache;
mod engine;
mod filter;
mod literals;
mod lowered;
mod numbers;
mod operations;
mod pages;
mod selection;
mod suppress;
mod words;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pyward_catalog::Catalog;
use pyward_findings::{Confidence, Finding};
use pyward_project::{Code, Diagnostic, Level, Project, ProjectKind, RootKind, Settings, discover};
use pyward_report::Sources;

pub use baseline::write_baseline;
pub use engine::Route;
pub use selection::{Selection, nearest};

/// What to check, and how.
pub struct Request<'a> {
    /// Absolute path of the working directory.
    pub working_directory: &'a Path,
    /// Files and folders; the working directory when empty.
    pub paths: &'a [PathBuf],
    /// The settings in force, options of the command line included.
    pub settings: &'a Settings,
    /// Text to check instead of what is on disk, and the name it goes by.
    pub stdin: Option<(PathBuf, Vec<u8>)>,
    /// Threads for the walk; the other stages use the current rayon pool.
    pub threads: usize,
    /// Read and write the cache.
    pub cache: bool,
    /// Compare with the baseline that the settings name.
    pub use_baseline: bool,
    /// Told of each stage as it starts.
    pub progress: &'a (dyn Fn(Stage) + Sync),
}

/// A stage of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Finding and reading files.
    Discover,
    /// Parsing that many files.
    Parse(usize),
    /// Following the data through them.
    Analyse(usize),
}

/// What a check found.
pub struct Outcome {
    /// Findings to report, arranged.
    pub findings: Vec<Finding>,
    /// Findings that a comment or the baseline suppresses, arranged.
    pub suppressed: Vec<Finding>,
    /// Number of findings below the thresholds.
    pub below_threshold: usize,
    /// Functions that frameworks call, in the order of files and positions.
    pub routes: Vec<Route>,
    /// What is to be said about the input, in order.
    pub diagnostics: Vec<Diagnostic>,
    /// The files.
    pub project: Project,
    /// The catalogue in force, with the project's own models.
    pub catalog: Cow<'static, Catalog>,
    /// Texts of files that are not Python, by the name shown.
    templates: HashMap<String, String>,
}

impl Outcome {
    /// The tool could not do all of its work: exit with 2.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.level == Level::Error)
    }
}

impl Sources for Outcome {
    fn text(&self, file: &str) -> Option<&str> {
        let files = &self.project.files;
        match files.binary_search_by(|f| f.shown.as_str().cmp(file)) {
            Ok(index) => Some(&files[index].text),
            Err(_) => self.templates.get(file).map(String::as_str),
        }
    }
}

/// Checks a project. Never fails as a whole: what is wrong with the input is in [`Outcome::diagnostics`].
///
/// The result depends on the files and settings alone, not on the number of threads or the order of paths.
#[must_use]
pub fn check(request: &Request<'_>) -> Outcome {
    let settings = request.settings;
    let mut diagnostics = Vec::new();
    let catalog = selection::catalog(settings, &mut diagnostics);
    let selection =
        Selection::new(settings, &catalog, &mut diagnostics).relative_to(request.working_directory);

    (request.progress)(Stage::Discover);
    let mut project = discover(&pyward_project::Request {
        working_directory: request.working_directory,
        paths: request.paths,
        settings,
        stdin: request.stdin.clone(),
        threads: request.threads,
    });
    diagnostics.append(&mut project.diagnostics);
    let templates = lowered::templates(&project, settings, &mut diagnostics);

    let options = pyward_flow::Options {
        library: is_library(&project, settings),
        tests: finds_in_tests(settings),
    };
    let cache = request
        .cache
        .then(|| cache::Cache::open(settings, &project, &templates, options))
        .flatten();
    let mut result = match cache.as_ref().and_then(cache::Cache::load) {
        Some(result) => result,
        None => {
            (request.progress)(Stage::Parse(project.files.len()));
            let lowered = lowered::lower(&project, &templates, settings);
            (request.progress)(Stage::Analyse(project.files.len()));
            let result = engine::run(&project, &lowered, &catalog, options);
            if let Some(cache) = &cache {
                cache.store(&result);
            }
            result
        }
    };
    diagnostics.extend(result.diagnostics(&project));
    let mut findings = result.findings;

    filter::adjust(&mut findings, &project, settings);
    let suppressions = suppress::collect(&project, &templates, settings, &mut diagnostics);
    let line_of = line_finder(&project, &templates);
    suppress::apply(
        &mut findings,
        suppressions,
        &selection,
        settings,
        &mut diagnostics,
        &line_of,
    );
    drop(line_of);
    findings.retain(|finding| selection.runs(finding));
    if request.use_baseline {
        let here = request.working_directory;
        baseline::apply(&mut findings, &project, here, settings, &mut diagnostics);
    }
    let (suppressed, open): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|f| f.suppression.is_some());
    let before = open.len();
    let findings: Vec<_> = open
        .into_iter()
        .filter(|f| {
            f.severity >= settings.config.severity && f.confidence >= settings.config.confidence
        })
        .collect();
    diagnostics.sort_by(|a, b| a.order().cmp(&b.order()));
    Outcome {
        below_threshold: before - findings.len(),
        findings,
        suppressed,
        routes: result.routes,
        diagnostics,
        project,
        catalog,
        templates,
    }
}

/// Gives the line, from 1, of an offset in a file's text; in a notebook of the joined text.
fn line_finder<'a>(
    project: &'a Project,
    templates: &'a HashMap<String, String>,
) -> impl Fn(&str, u32) -> u32 + 'a {
    |name, offset| {
        let files = &project.files;
        match files.binary_search_by(|f| f.shown.as_str().cmp(name)) {
            Ok(index) => files[index].lines().line_column(offset).0,
            Err(_) => templates.get(name).map_or(0, |text| {
                let end = (offset as usize).min(text.len());
                let lines = memchr::memchr_iter(b'\n', &text.as_bytes()[..end]).count();
                u32::try_from(lines + 1).unwrap_or(u32::MAX)
            }),
        }
    }
}

/// Whether findings in test code, which have low confidence, are shown at all.
pub(crate) fn finds_in_tests(settings: &Settings) -> bool {
    settings.config.confidence == Confidence::Low
}

/// Whether parameters of public functions count as data from outside: as set, else by the files.
fn is_library(project: &Project, settings: &Settings) -> bool {
    match settings.config.project_kind {
        ProjectKind::Library => true,
        ProjectKind::Application => false,
        ProjectKind::Auto => project
            .roots
            .first()
            .is_some_and(|root| root.kind == RootKind::Library),
    }
}

/// A warning that a part of the analysis failed; a defect of pyward that must not hide the other results.
pub(crate) fn internal_error(what: &str) -> Diagnostic {
    Diagnostic::error(
        Code::InternalError,
        format!("{what} failed; please report this as a defect"),
    )
}

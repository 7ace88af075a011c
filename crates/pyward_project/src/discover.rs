//! Walking, classifying and reading.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, mpsc};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::{DirEntry, WalkBuilder, WalkState};
use rayon::prelude::*;

use crate::config::Settings;
use crate::encoding::{self, Problem};
use crate::file::{normalise, read_bounded, show, too_large};
use crate::source::{AuxiliaryFile, AuxiliaryKind, FileKind, Project, SourceFile};
use crate::{Code, Diagnostic, Root, notebook, roots};

/// What to look for, and where.
#[derive(Debug)]
pub struct Request<'a> {
    /// Absolute path of the working directory: what shown paths are relative to.
    pub working_directory: &'a Path,
    /// Files and folders to check; the working directory when empty.
    pub paths: &'a [PathBuf],
    /// The settings in force.
    pub settings: &'a Settings,
    /// Text to check instead of what is on disk, and the name it goes by.
    pub stdin: Option<(PathBuf, Vec<u8>)>,
    /// Threads to walk with; 0 for one per core.
    pub threads: usize,
}

/// Folders that hold other people's code, or none.
const DEFAULT_EXCLUDED: [&str; 29] = [
    "__pycache__",
    "__pypackages__",
    "_vendor",
    "_vendored",
    "bower_components",
    "buck-out",
    "dist-packages",
    "node_modules",
    "site-packages",
    "vendored",
    ".bzr",
    ".direnv",
    ".eggs",
    ".hg",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".pants.d",
    ".pyenv",
    ".pytest_cache",
    ".pytype",
    ".pyward_cache",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    ".vscode",
    ".idea",
    ".terraform",
];

/// As [`DEFAULT_EXCLUDED`], unless it is a package of the project.
const EXCLUDED_UNLESS_PACKAGE: [&str; 5] = ["vendor", "dist", "_build", "venv", "virtualenv"];

/// Hidden names that are read all the same, by their beginning.
const SHOWN_THOUGH_HIDDEN: [&str; 6] = [
    ".env",
    ".github",
    ".gitlab-ci",
    ".circleci",
    ".pre-commit-config",
    ".flaskenv",
];

/// Finds and reads everything below the paths. Order and content of the result depend on the files alone.
#[must_use]
pub fn discover(request: &Request<'_>) -> Project {
    let mut diagnostics = Vec::new();
    let mut found: BTreeMap<PathBuf, Candidate> = BTreeMap::new();
    if let Some((name, bytes)) = &request.stdin {
        return from_stdin(request, name, bytes.clone());
    }
    let here = [PathBuf::from(".")];
    let paths = if request.paths.is_empty() {
        &here[..]
    } else {
        request.paths
    };
    for path in paths {
        let absolute = normalise(&request.working_directory.join(path));
        match std::fs::metadata(&absolute) {
            Err(error) => {
                let code = if error.kind() == std::io::ErrorKind::NotFound {
                    Code::NoSuchPath
                } else {
                    Code::Unreadable
                };
                let shown = path.display().to_string().replace('\\', "/");
                let message = match code {
                    Code::NoSuchPath => "no such file or folder".to_owned(),
                    _ => format!("cannot be read: {error}"),
                };
                diagnostics.push(Diagnostic::error(code, message).at(shown));
            }
            Ok(metadata) if metadata.is_dir() => {
                let walked = walk(request, &absolute, &mut diagnostics);
                for candidate in walked {
                    found.entry(candidate.path.clone()).or_insert(candidate);
                }
            }
            Ok(metadata) if metadata.is_file() => {
                let kind = classify(&absolute).unwrap_or(Kind::Python(FileKind::Source));
                let base = roots::root_of(&absolute);
                let candidate = Candidate {
                    path: absolute.clone(),
                    base,
                    kind,
                };
                found.insert(absolute, candidate);
            }
            Ok(_) => {
                let shown = show(request.working_directory, &absolute);
                diagnostics.push(
                    Diagnostic::error(Code::Unreadable, "is neither a file nor a folder").at(shown),
                );
            }
        }
    }
    assemble(request, found.into_values().collect(), diagnostics)
}

struct Candidate {
    path: PathBuf,
    /// Root of the path that the walk started from.
    base: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Python(FileKind),
    Auxiliary(AuxiliaryKind),
}

fn walk(request: &Request<'_>, start: &Path, diagnostics: &mut Vec<Diagnostic>) -> Vec<Candidate> {
    let respect = request.settings.config.respect_gitignore;
    let found = walk_once(request, start, respect, true, diagnostics);
    let has_python = |found: &[Candidate]| found.iter().any(|c| matches!(c.kind, Kind::Python(_)));
    if respect && !has_python(&found) {
        // A folder that an outer repository ignores (a clone inside a build folder) was named on purpose.
        let again = walk_once(request, start, respect, false, &mut Vec::new());
        if has_python(&again) {
            let shown = show(request.working_directory, start);
            diagnostics.push(
                Diagnostic::new(
                    crate::Level::Note,
                    Code::IgnoredPath,
                    "is ignored by a .gitignore above it; checked because it was named",
                )
                .at(if shown.is_empty() { ".".into() } else { shown }),
            );
            return again;
        }
    }
    found
}

fn walk_once(
    request: &Request<'_>,
    start: &Path,
    respect: bool,
    parents: bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Candidate> {
    let config = &request.settings.config;
    let filter = Filter {
        exclude: patterns(&request.settings.folder, config.exclude.iter()),
        include: (!config.include.is_empty())
            .then(|| patterns(&request.settings.folder, config.include.iter())),
        default_exclude: config.default_exclude,
        hidden: config.hidden,
    };
    let filter = Arc::new(filter);
    let for_walk = Arc::clone(&filter);
    let mut builder = WalkBuilder::new(start);
    builder
        .hidden(false)
        .parents(parents)
        .ignore(respect)
        .git_ignore(respect)
        .git_exclude(respect)
        // A user's global ignore file is no property of the project.
        .git_global(false)
        .threads(request.threads)
        .filter_entry(move |entry| for_walk.keeps(entry));
    let (send, receive) = mpsc::channel();
    builder.build_parallel().run(|| {
        let send = send.clone();
        let filter = Arc::clone(&filter);
        Box::new(move |entry| {
            let item = match entry {
                Ok(entry) => {
                    if !entry.file_type().is_some_and(|t| t.is_file())
                        || !filter.includes(entry.path())
                    {
                        return WalkState::Continue;
                    }
                    match classify(entry.path()) {
                        Some(kind) => Ok((entry.into_path(), kind)),
                        None => return WalkState::Continue,
                    }
                }
                Err(error) => Err(error),
            };
            // The receiver outlives the walk.
            let _ = send.send(item);
            WalkState::Continue
        })
    });
    drop(send);
    let base = roots::root_of(start);
    let mut candidates = Vec::new();
    for item in receive {
        match item {
            Ok((path, kind)) => candidates.push(Candidate {
                path,
                base: base.clone(),
                kind,
            }),
            Err(error) => {
                let (path, reason) = explain(&error);
                let mut diagnostic =
                    Diagnostic::warning(Code::Unreadable, format!("cannot be read: {reason}"));
                if let Some(path) = path {
                    diagnostic = diagnostic.at(show(request.working_directory, path));
                }
                diagnostics.push(diagnostic);
            }
        }
    }
    candidates
}

fn explain(error: &ignore::Error) -> (Option<&Path>, String) {
    match error {
        ignore::Error::WithPath { path, err } => (Some(path), explain(err).1),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            explain(err)
        }
        other => (None, other.to_string()),
    }
}

struct Filter {
    exclude: Gitignore,
    include: Option<Gitignore>,
    default_exclude: bool,
    hidden: bool,
}

impl Filter {
    fn keeps(&self, entry: &DirEntry) -> bool {
        if entry.depth() == 0 {
            return true;
        }
        let name = entry.file_name().to_string_lossy();
        let is_dir = entry.file_type().is_some_and(|t| t.is_dir());
        if name == ".git"
            || (!self.hidden
                && name.starts_with('.')
                && !SHOWN_THOUGH_HIDDEN.iter().any(|s| name.starts_with(s)))
        {
            return false;
        }
        if is_dir && self.default_exclude && is_foreign(&name, entry.path()) {
            return false;
        }
        !self.exclude.matched(entry.path(), is_dir).is_ignore()
    }

    fn includes(&self, path: &Path) -> bool {
        let Some(include) = &self.include else {
            return true;
        };
        include.matched(path, false).is_ignore()
            || path
                .ancestors()
                .skip(1)
                .take_while(|folder| folder.starts_with(include.path()))
                .any(|folder| include.matched(folder, true).is_ignore())
    }
}

fn is_foreign(name: &str, path: &Path) -> bool {
    if DEFAULT_EXCLUDED.contains(&name)
        || path.join("pyvenv.cfg").is_file()
        || path.join("conda-meta").is_dir()
    {
        return true;
    }
    let is_package = || path.join("__init__.py").is_file();
    (EXCLUDED_UNLESS_PACKAGE.contains(&name) && !is_package())
        // What `setup.py build` leaves behind is a copy.
        || (name == "build" && path.join("lib").is_dir() && !is_package())
}

/// Patterns in the notation of `.gitignore`; those that do not parse were reported with the settings.
fn patterns<'a>(folder: &Path, lines: impl Iterator<Item = &'a String>) -> Gitignore {
    let mut builder = GitignoreBuilder::new(folder);
    for line in lines {
        let _ = builder.add_line(None, line);
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

/// What a file is, by name and, where it has no extension, by its first line.
fn classify(path: &Path) -> Option<Kind> {
    let name = path.file_name()?.to_string_lossy();
    let extension = path
        .extension()
        .and_then(OsStr::to_str)
        .map(str::to_ascii_lowercase);
    let kind = match extension.as_deref() {
        Some("py" | "pyw") => Kind::Python(FileKind::Source),
        Some("pyi") => Kind::Python(FileKind::Stub),
        Some("ipynb") => Kind::Python(FileKind::Notebook),
        Some(
            "html" | "htm" | "xhtml" | "djhtml" | "jinja" | "jinja2" | "j2" | "mako" | "mak"
            | "tmpl" | "tpl",
        ) => Kind::Auxiliary(AuxiliaryKind::Template),
        Some("txt" | "xml" | "svg" | "md" | "js" | "css" | "json" | "csv")
            if in_templates(path) =>
        {
            Kind::Auxiliary(AuxiliaryKind::Template)
        }
        Some("js" | "mjs") if is_page_script(path, &name) => {
            Kind::Auxiliary(AuxiliaryKind::Template)
        }
        Some("toml" | "cfg" | "ini" | "yaml" | "yml" | "conf" | "env" | "lock" | "properties") => {
            Kind::Auxiliary(AuxiliaryKind::Configuration)
        }
        Some("txt" | "in") if name.contains("requirements") || name.contains("constraints") => {
            Kind::Auxiliary(AuxiliaryKind::Configuration)
        }
        Some("json") if matches!(&*name, "Pipfile.lock" | "config.json" | "settings.json") => {
            Kind::Auxiliary(AuxiliaryKind::Configuration)
        }
        _ if name.starts_with("Dockerfile")
            || name.starts_with("Containerfile")
            || name.starts_with(".env")
            || name.ends_with(".Dockerfile")
            || matches!(&*name, "Pipfile" | "Procfile" | ".flaskenv") =>
        {
            Kind::Auxiliary(AuxiliaryKind::Configuration)
        }
        None if has_python_shebang(path) => Kind::Python(FileKind::Source),
        _ => return None,
    };
    Some(kind)
}

/// Folders of what a server hands out as it is, ...
const STATIC_FOLDERS: [&str; 4] = ["static", "assets", "public", "js"];

/// ... and of other people's work in them.
const LIBRARY_FOLDERS: [&str; 10] = [
    "vendor",
    "vendors",
    "lib",
    "libs",
    "libraries",
    "plugins",
    "third_party",
    "third-party",
    "dist",
    "node_modules",
];

/// Whether a script is one that the project wrote for its pages, by the usual names.
fn is_page_script(path: &Path, name: &str) -> bool {
    let folders = || {
        let folder = path.parent().into_iter().flat_map(Path::components);
        folder.filter_map(|component| component.as_os_str().to_str())
    };
    let is_built = [".min.", "-min.", ".bundle.", ".chunk."]
        .iter()
        .any(|mark| name.contains(mark));
    !is_built
        && folders().any(|folder| STATIC_FOLDERS.contains(&folder))
        && !folders().any(|folder| LIBRARY_FOLDERS.contains(&folder))
}

fn in_templates(path: &Path) -> bool {
    path.parent().is_some_and(|folder| {
        folder
            .components()
            .any(|c| matches!(c.as_os_str().to_str(), Some("templates" | "jinja2")))
    })
}

fn has_python_shebang(path: &Path) -> bool {
    let mut head = [0_u8; 128];
    let Ok(mut file) = File::open(path) else {
        return false;
    };
    let Ok(length) = file.read(&mut head) else {
        return false;
    };
    let line = head[..length].split(|&b| b == b'\n').next().unwrap_or(&[]);
    line.starts_with(b"#!") && memchr::memmem::find(line, b"python").is_some()
}

/// Whether a file belongs to the tests, by the names that test runners look for.
fn is_test(relative: &str) -> bool {
    let mut parts = relative.rsplit('/');
    let name = parts.next().unwrap_or("");
    let stem = name.split('.').next().unwrap_or("");
    stem.starts_with("test_")
        || stem.ends_with("_test")
        || matches!(stem, "conftest" | "tests")
        || parts.any(|folder| matches!(folder, "test" | "tests" | "testing" | "unittests"))
}

fn from_stdin(request: &Request<'_>, name: &Path, bytes: Vec<u8>) -> Project {
    let path = normalise(&request.working_directory.join(name));
    let kind = match classify(&path) {
        Some(Kind::Python(kind)) => kind,
        _ => FileKind::Source,
    };
    let base = if path.exists() {
        roots::root_of(&path)
    } else {
        roots::root_of(path.parent().unwrap_or(request.working_directory))
    };
    let mut roots = RootTable::new(request);
    let root = roots.of(&path, &base);
    let place = Place::new(request, path, &roots, root);
    let mut project = Project::default();
    let limit = request.settings.config.max_file_size;
    if bytes.len() as u64 > limit {
        project.diagnostics.push(too_large(&place.shown, limit));
    } else {
        let (file, diagnostics) = decode(place, kind, bytes);
        project.files.extend(file);
        project.diagnostics.extend(diagnostics);
    }
    project.roots = roots.roots;
    project
}

/// Where a file stands.
struct Place {
    path: PathBuf,
    shown: String,
    relative: String,
    root: usize,
}

impl Place {
    fn new(request: &Request<'_>, path: PathBuf, roots: &RootTable<'_>, root: usize) -> Self {
        Self {
            shown: show(request.working_directory, &path),
            relative: show(&roots.roots[root].path, &path),
            path,
            root,
        }
    }
}

struct RootTable<'a> {
    request: &'a Request<'a>,
    roots: Vec<Root>,
    by_folder: BTreeMap<PathBuf, usize>,
}

impl<'a> RootTable<'a> {
    fn new(request: &'a Request<'a>) -> Self {
        Self {
            request,
            roots: Vec::new(),
            by_folder: BTreeMap::new(),
        }
    }

    /// The root of a file below `base`: the nearest folder with a project file that is no package itself
    /// (old build scripts keep a `setup.py` in every package).
    fn of(&mut self, path: &Path, base: &Path) -> usize {
        let folder = path.parent().unwrap_or(path);
        if let Some(&known) = self.by_folder.get(folder) {
            return known;
        }
        let root = folder
            .ancestors()
            .take_while(|above| above.starts_with(base) && *above != base)
            .find(|above| roots::is_root(above) && !above.join("__init__.py").is_file())
            .unwrap_or(base);
        let index = match self.roots.iter().position(|r| r.path == root) {
            Some(index) => index,
            None => {
                let shown = show(self.request.working_directory, root);
                let configured = &self.request.settings.config.import_roots;
                self.roots.push(roots::describe(root, shown, configured));
                self.roots.len() - 1
            }
        };
        self.by_folder.insert(folder.to_path_buf(), index);
        index
    }
}

fn assemble(
    request: &Request<'_>,
    candidates: Vec<Candidate>,
    mut diagnostics: Vec<Diagnostic>,
) -> Project {
    let mut table = RootTable::new(request);
    let mut python = Vec::new();
    let mut project = Project::default();
    for candidate in candidates {
        let root = table.of(&candidate.path, &candidate.base);
        let place = Place::new(request, candidate.path, &table, root);
        match candidate.kind {
            Kind::Python(kind) => python.push((place, kind)),
            Kind::Auxiliary(kind) => {
                let file = AuxiliaryFile {
                    shown: place.shown,
                    path: place.path,
                    root,
                    relative: place.relative,
                    kind,
                };
                match kind {
                    AuxiliaryKind::Template => project.templates.push(file),
                    AuxiliaryKind::Configuration => project.configuration.push(file),
                }
            }
        }
    }
    let limit = request.settings.config.max_file_size;
    let read: Vec<_> = python
        .into_par_iter()
        .map(
            |(place, kind)| match read_bounded(&place.path, &place.shown, limit) {
                Ok(bytes) => decode(place, kind, bytes),
                Err(diagnostic) => (None, vec![diagnostic]),
            },
        )
        .collect();
    for (file, problems) in read {
        project.files.extend(file);
        diagnostics.extend(problems);
    }
    project.files.sort_by(|a, b| a.shown.cmp(&b.shown));
    project.templates.sort_by(|a, b| a.shown.cmp(&b.shown));
    project.configuration.sort_by(|a, b| a.shown.cmp(&b.shown));
    diagnostics.sort_by(|a, b| a.order().cmp(&b.order()));
    project.diagnostics = diagnostics;
    project.roots = table.roots;
    order_roots(&mut project);
    project
}

/// Puts the roots in order of their paths, whatever order the files named them in.
fn order_roots(project: &mut Project) {
    let paths: BTreeSet<&PathBuf> = project.roots.iter().map(|r| &r.path).collect();
    let rank: BTreeMap<&PathBuf, usize> =
        paths.into_iter().enumerate().map(|(i, p)| (p, i)).collect();
    let new: Vec<usize> = project.roots.iter().map(|r| rank[&r.path]).collect();
    for file in &mut project.files {
        file.root = new[file.root];
    }
    for file in project
        .templates
        .iter_mut()
        .chain(&mut project.configuration)
    {
        file.root = new[file.root];
    }
    project.roots.sort_by(|a, b| a.path.cmp(&b.path));
}

fn decode(place: Place, kind: FileKind, bytes: Vec<u8>) -> (Option<SourceFile>, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let decoded = encoding::decode(bytes);
    if let Some(problem) = decoded.problem {
        problems.push(describe(problem).at_place(&place));
    }
    let (text, map) = if kind == FileKind::Notebook {
        match notebook::read(&decoded.text) {
            Ok(Some(notebook)) => (notebook.text, Some(notebook.map)),
            Ok(None) => return (None, problems),
            Err(error) => {
                let line = u32::try_from(error.line()).unwrap_or(1).max(1);
                let column = u32::try_from(error.column()).unwrap_or(1).max(1);
                problems.push(
                    Diagnostic::warning(
                        Code::InvalidNotebook,
                        "is not a notebook and was not checked",
                    )
                    .position(line, column)
                    .help(error.to_string())
                    .at_place(&place),
                );
                return (None, problems);
            }
        }
    } else {
        (decoded.text, None)
    };
    let file = SourceFile {
        is_test: is_test(&place.relative),
        shown: place.shown,
        path: place.path,
        root: place.root,
        relative: place.relative,
        kind,
        text: Arc::from(text),
        lines: OnceLock::new(),
        notebook: map,
    };
    (Some(file), problems)
}

impl Diagnostic {
    fn at_place(self, place: &Place) -> Self {
        self.at(place.shown.clone())
    }
}

fn describe(problem: Problem) -> Diagnostic {
    match problem {
        Problem::Unknown { name } => Diagnostic::warning(
            Code::UnknownEncoding,
            format!("declares the encoding `{name}`, which is not known; read as UTF-8"),
        )
        .position(1, 1),
        Problem::Undecodable { encoding, line } => Diagnostic::warning(
            Code::UndecodableText,
            format!("is not valid {encoding}; read as Latin-1"),
        )
        .position(line, 1),
        Problem::Utf16 => Diagnostic::warning(
            Code::UndecodableText,
            "is UTF-16, which Python does not read; checked all the same",
        )
        .position(1, 1),
    }
}

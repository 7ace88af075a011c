//! Project roots: which folder a file's module name starts from, and what kind of project it is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A project root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The folder.
    pub path: PathBuf,
    /// The folder as shown to people, with `/`; empty for the working directory.
    pub shown: String,
    /// Folders below the root from which imports start, relative to it with `/`; the root itself is the
    /// empty string and always last.
    pub import_roots: Vec<String>,
    /// Library or application.
    pub kind: RootKind,
}

/// Whether other programs import the code, so that parameters of public functions may come from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootKind {
    /// Code that others import.
    Library,
    /// Code that runs by itself.
    Application,
}

/// Files that make a folder a project root.
const MARKERS: [&str; 6] = [
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "pyward.toml",
    "manage.py",
    "Pipfile",
];

/// The folder that `path` belongs to: the nearest one above it with a project file, no higher than the
/// folder of the version-control repository; `path`'s own folder where there is none.
pub(crate) fn root_of(path: &Path) -> PathBuf {
    let start = if path.is_dir() {
        path
    } else {
        path.parent().unwrap_or(path)
    };
    for folder in start.ancestors() {
        if is_root(folder) || folder.join(".git").exists() {
            return folder.to_path_buf();
        }
    }
    start.to_path_buf()
}

/// Whether a folder has a project file of its own.
pub(crate) fn is_root(folder: &Path) -> bool {
    MARKERS.iter().any(|marker| folder.join(marker).is_file())
}

pub(crate) fn describe(path: &Path, shown: String, configured: &[String]) -> Root {
    Root {
        import_roots: import_roots(path, configured),
        kind: kind(path),
        path: path.to_path_buf(),
        shown,
    }
}

fn import_roots(path: &Path, configured: &[String]) -> Vec<String> {
    let mut roots = BTreeSet::new();
    for folder in configured {
        let folder = folder.trim_matches('/');
        if path.join(folder).is_dir() && folder != "." {
            roots.insert(folder.to_owned());
        }
    }
    for folder in ["src", "lib", "python"] {
        let candidate = path.join(folder);
        if candidate.is_dir() && !candidate.join("__init__.py").exists() {
            roots.insert(folder.to_owned());
        }
    }
    for folder in declared_package_folders(path) {
        if path.join(&folder).is_dir() {
            roots.insert(folder);
        }
    }
    roots.remove("");
    roots.into_iter().chain([String::new()]).collect()
}

/// `[tool.setuptools]`, `[tool.poetry]` and `[tool.hatch]` say where packages are.
fn declared_package_folders(path: &Path) -> Vec<String> {
    let Some(table) = pyproject(path) else {
        return Vec::new();
    };
    let mut folders = Vec::new();
    let mut add = |value: &toml::Value| {
        if let Some(text) = value.as_str() {
            folders.push(text.trim_matches('/').trim_start_matches("./").to_owned());
        }
    };
    let at = |keys: &[&str]| {
        let mut value = table.get("tool")?;
        for key in keys {
            value = value.get(key)?;
        }
        Some(value.clone())
    };
    if let Some(toml::Value::Array(places)) = at(&["setuptools", "packages", "find", "where"]) {
        places.iter().for_each(&mut add);
    }
    if let Some(toml::Value::Table(map)) = at(&["setuptools", "package-dir"]) {
        map.get("").into_iter().for_each(&mut add);
    }
    if let Some(toml::Value::Array(packages)) = at(&["poetry", "packages"]) {
        packages
            .iter()
            .filter_map(|p| p.get("from"))
            .for_each(&mut add);
    }
    folders.retain(|f| f != "." && !f.contains(".."));
    folders
}

fn pyproject(path: &Path) -> Option<toml::Table> {
    let text = std::fs::read_to_string(path.join("pyproject.toml")).ok()?;
    text.parse().ok()
}

/// Packaged for others to import, and nothing at the top that runs as a service.
fn kind(path: &Path) -> RootKind {
    const RUNS: [&str; 8] = [
        "manage.py",
        "app.py",
        "main.py",
        "wsgi.py",
        "asgi.py",
        "application.py",
        "Procfile",
        "run.py",
    ];
    if RUNS.iter().any(|name| path.join(name).is_file()) {
        return RootKind::Application;
    }
    let declares = pyproject(path).is_some_and(|table| {
        table.contains_key("build-system")
            || table
                .get("tool")
                .and_then(|t| t.get("poetry"))
                .is_some_and(|p| p.get("name").is_some())
    });
    let setup_cfg = std::fs::read_to_string(path.join("setup.cfg"))
        .is_ok_and(|text| text.contains("[metadata]"));
    if declares
        || setup_cfg
        || path.join("setup.py").is_file()
        || path.join("PKG-INFO").is_file()
        || has_dist_info(path)
    {
        RootKind::Library
    } else {
        RootKind::Application
    }
}

/// An unpacked wheel keeps its metadata in `NAME-VERSION.dist-info`.
fn has_dist_info(path: &Path) -> bool {
    let Ok(entries) = path.read_dir() else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().ends_with(".dist-info"))
}

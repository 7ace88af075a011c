//! Directories, packages and the names of modules.

use std::path::{Component, Path};

use pyward_ir::Symbol;
use rustc_hash::FxHashMap;

use crate::{FileId, ModuleTarget, ProgramFile};

/// Index of a directory that holds Python files, at whatever depth; 0 is the project's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DirId(pub u32);

/// The project's root.
pub(crate) const ROOT: DirId = DirId(0);

/// Directories from which imports commonly start.
const SOURCE_ROOTS: &[&str] = &["src", "lib", "libs", "python", "source"];

/// Directories whose modules are not for the rest of a project.
const ASIDE: &[&str] = &[
    "benchmarks",
    "demo",
    "demos",
    "doc",
    "docs",
    "example",
    "examples",
    "fixtures",
    "sample",
    "samples",
    "stubs",
    "test",
    "testing",
    "tests",
    "typings",
];

#[derive(Debug)]
pub(crate) struct Dir {
    pub(crate) parent: Option<DirId>,
    pub(crate) name: Symbol,
    pub(crate) depth: u32,
    pub(crate) children: FxHashMap<Symbol, DirId>,
    pub(crate) modules: FxHashMap<Symbol, FileId>,
    /// `__init__.py`, which makes the directory a package.
    pub(crate) init: Option<FileId>,
    /// Whether imports of the whole project may start here.
    pub(crate) is_source_root: bool,
    /// Whether it is one of tests, examples and the like.
    pub(crate) is_aside: bool,
}

impl Dir {
    fn new(parent: Option<DirId>, name: &str, depth: u32) -> Self {
        Self {
            parent,
            name: Symbol::new(name),
            depth,
            children: FxHashMap::default(),
            modules: FxHashMap::default(),
            init: None,
            is_source_root: depth == 0 || SOURCE_ROOTS.contains(&name),
            is_aside: ASIDE.contains(&name),
        }
    }

    pub(crate) fn is_package(&self) -> bool {
        self.init.is_some()
    }
}

/// Where every module stands.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) dirs: Vec<Dir>,
    /// Directory of each file.
    pub(crate) file_dirs: Vec<DirId>,
    /// Module name of each file.
    pub(crate) names: Vec<Symbol>,
    pub(crate) by_name: FxHashMap<Symbol, FileId>,
    pub(crate) stubs: FxHashMap<FileId, FileId>,
    /// Directories that are no packages, by the names of the packages and modules in them (also of
    /// namespace packages, for source roots).
    pub(crate) roots: FxHashMap<Symbol, Vec<DirId>>,
}

/// How a file takes part in imports.
enum Role {
    Module(Symbol),
    Init,
    /// Run, but not importable.
    Script,
}

fn role(path: &Path) -> (Role, bool) {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    let stem = path.file_stem().and_then(|s| s.to_str());
    let is_stub = extension == "pyi";
    match (extension, stem) {
        ("py" | "pyi" | "pyw", Some("__init__")) => (Role::Init, is_stub),
        ("py" | "pyi" | "pyw", Some(stem)) => (Role::Module(Symbol::new(stem)), is_stub),
        _ => (Role::Script, false),
    }
}

impl Layout {
    pub(crate) fn new(files: &[ProgramFile]) -> Self {
        let mut layout = Self {
            dirs: vec![Dir::new(None, "", 0)],
            file_dirs: Vec::with_capacity(files.len()),
            names: Vec::with_capacity(files.len()),
            by_name: FxHashMap::default(),
            stubs: FxHashMap::default(),
            roots: FxHashMap::default(),
        };
        for (i, file) in files.iter().enumerate() {
            let id = FileId(u32::try_from(i).unwrap_or(u32::MAX));
            let dir = layout.dir_of(&file.path);
            layout.file_dirs.push(dir);
            let (role, is_stub) = role(&file.path);
            let entry = &mut layout.dirs[dir.0 as usize];
            // Of a module and its stub, the module comes first in the order of paths.
            let taken = match role {
                Role::Script => None,
                Role::Init => match entry.init {
                    None => {
                        entry.init = Some(id);
                        None
                    }
                    taken => taken,
                },
                Role::Module(name) => match entry.modules.get(&name) {
                    None => {
                        entry.modules.insert(name, id);
                        None
                    }
                    taken => taken.copied(),
                },
            };
            if let Some(module) = taken
                && is_stub
            {
                layout.stubs.insert(module, id);
            }
        }
        for (i, file) in files.iter().enumerate() {
            let name = layout.name_of(&file.path, layout.file_dirs[i]);
            layout.names.push(name);
            let id = FileId(u32::try_from(i).unwrap_or(u32::MAX));
            layout.by_name.entry(name).or_insert(id);
        }
        layout.find_roots();
        layout
    }

    pub(crate) fn dir(&self, id: DirId) -> &Dir {
        &self.dirs[id.0 as usize]
    }

    /// The directory and those above it.
    pub(crate) fn ancestors(&self, dir: DirId) -> impl Iterator<Item = DirId> + '_ {
        std::iter::successors(Some(dir), |&d| self.dir(d).parent)
    }

    fn dir_of(&mut self, path: &Path) -> DirId {
        let mut at = ROOT;
        for component in path.parent().into_iter().flat_map(Path::components) {
            let Component::Normal(name) = component else {
                continue;
            };
            let name = name.to_string_lossy();
            let symbol = Symbol::new(&name);
            let entry = &self.dirs[at.0 as usize];
            at = if let Some(&child) = entry.children.get(&symbol) {
                child
            } else {
                let child = DirId(u32::try_from(self.dirs.len()).unwrap_or(u32::MAX));
                let depth = entry.depth + 1;
                self.dirs.push(Dir::new(Some(at), &name, depth));
                self.dirs[at.0 as usize].children.insert(symbol, child);
                child
            };
        }
        at
    }

    fn name_of(&self, path: &Path, dir: DirId) -> Symbol {
        let mut parts = Vec::new();
        let stem = path.file_stem().map(|s| s.to_string_lossy());
        let mut at = Some(dir);
        if !matches!(role(path).0, Role::Init) {
            parts.push(stem.as_deref().unwrap_or("").to_owned());
        }
        let mut is_in_package = false;
        while let Some(id) = at
            && self.dir(id).is_package()
            && id != ROOT
        {
            is_in_package = true;
            parts.push(self.dir(id).name.as_str().to_owned());
            at = self.dir(id).parent;
        }
        // Directories above that are no packages: part of the name below a source root, if they can be.
        let above: Vec<DirId> = at
            .into_iter()
            .flat_map(|id| self.ancestors(id))
            .take_while(|&id| !self.dir(id).is_source_root)
            .collect();
        let root = above.last().map_or(at, |&last| self.dir(last).parent);
        let is_named_root = root.is_some_and(|r| r != ROOT);
        let can_name = |id: &DirId| is_identifier(self.dir(*id).name.as_str());
        if !is_in_package || (is_named_root && above.iter().all(can_name)) {
            for id in above.iter().take_while(|id| can_name(id)) {
                parts.push(self.dir(*id).name.as_str().to_owned());
            }
        }
        parts.reverse();
        Symbol::new(&parts.join("."))
    }

    fn find_roots(&mut self) {
        let mut roots: FxHashMap<Symbol, Vec<DirId>> = FxHashMap::default();
        for (i, dir) in self.dirs.iter().enumerate() {
            if dir.is_package() {
                continue;
            }
            let id = DirId(u32::try_from(i).unwrap_or(u32::MAX));
            for &name in dir.modules.keys() {
                roots.entry(name).or_default().push(id);
            }
            for (&name, &child) in &dir.children {
                let is_package = self.dir(child).is_package();
                if (is_package || dir.is_source_root) && !dir.modules.contains_key(&name) {
                    roots.entry(name).or_default().push(id);
                }
            }
        }
        for dirs in roots.values_mut() {
            dirs.sort_unstable();
        }
        self.roots = roots;
    }

    /// The module `parts` below a directory.
    pub(crate) fn walk(&self, from: DirId, parts: &[Symbol]) -> Option<ModuleTarget> {
        let mut at = from;
        let (last, inner) = parts.split_last()?;
        for part in inner {
            let dir = self.dir(at);
            let child = *dir.children.get(part)?;
            if !self.dir(child).is_package() && dir.modules.contains_key(part) {
                return None;
            }
            at = child;
        }
        self.child(at, *last)
    }

    /// The module `name` directly in a directory: a package, before a module, before a namespace package.
    pub(crate) fn child(&self, dir: DirId, name: Symbol) -> Option<ModuleTarget> {
        let dir = self.dir(dir);
        let child = dir.children.get(&name).copied();
        if let Some(child) = child
            && let Some(init) = self.dir(child).init
        {
            return Some(ModuleTarget::File(init));
        }
        if let Some(&module) = dir.modules.get(&name) {
            return Some(ModuleTarget::File(module));
        }
        child.map(ModuleTarget::Namespace)
    }

    /// The directory itself as a module.
    pub(crate) fn as_module(&self, dir: DirId) -> ModuleTarget {
        match self.dir(dir).init {
            Some(init) => ModuleTarget::File(init),
            None => ModuleTarget::Namespace(dir),
        }
    }

    /// The directory whose modules are a file's submodules: that of an `__init__.py`.
    pub(crate) fn package_of(&self, file: FileId) -> Option<DirId> {
        let dir = *self.file_dirs.get(file.0 as usize)?;
        (self.dir(dir).init == Some(file)).then_some(dir)
    }

    /// The outermost package that a directory is part of.
    pub(crate) fn outermost_package(&self, dir: DirId) -> Option<DirId> {
        self.ancestors(dir)
            .take_while(|&d| self.dir(d).is_package())
            .last()
    }

    /// Depth of the innermost directory above (or equal to) both.
    pub(crate) fn common_depth(&self, a: DirId, b: DirId) -> u32 {
        let (mut a, mut b) = (a, b);
        while a != b {
            let (da, db) = (self.dir(a).depth, self.dir(b).depth);
            if da >= db {
                a = self.dir(a).parent.unwrap_or(ROOT);
            }
            if db >= da {
                b = self.dir(b).parent.unwrap_or(ROOT);
            }
        }
        self.dir(a).depth
    }

    /// Whether `root` is among tests, examples and the like that `from` is not among.
    pub(crate) fn is_aside(&self, root: DirId, from: DirId) -> bool {
        let common = self.common_depth(root, from);
        self.ancestors(root)
            .take_while(|&d| self.dir(d).depth > common)
            .any(|d| self.dir(d).is_aside)
    }
}

fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}

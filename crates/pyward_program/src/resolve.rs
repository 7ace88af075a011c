//! What import statements mean.

use std::cmp::Reverse;

use pyward_ir::{FileIr, FunctionIndex, FunctionKind, StmtKind, Symbol};
use rayon::prelude::*;
use rustc_hash::FxHashSet;

use crate::graph::Graph;
use crate::layout::DirId;
use crate::{FileId, FunctionId, ModuleTarget, Program};

/// Top-level modules of the standard library (CPython 3.8 to 3.14; `sys.stdlib_module_names`).
const STANDARD_LIBRARY: &str = include_str!("stdlib-modules.txt");

/// Whether a top-level module of this name comes with Python.
pub(crate) fn is_standard(name: Symbol) -> bool {
    static NAMES: std::sync::LazyLock<FxHashSet<&str>> =
        std::sync::LazyLock::new(|| STANDARD_LIBRARY.split_whitespace().collect());
    NAMES.contains(name.as_str())
}

/// A name that a from-import takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The name is a submodule.
    Module(ModuleTarget),
    /// The name is to be looked up in this file's module-level names.
    Member(FileId),
}

type Request = (DirId, u32, Option<Symbol>);

impl Program {
    /// The module that `import module` (level 0) or `from .module import` (level 1 and up) in a file means,
    /// if the project has it.
    ///
    /// Absolute imports try, in this order: the directories above the file that are no packages, innermost
    /// first; other directories that hold the package (source roots first, then the nearest; none among
    /// tests or examples); and, in packages that nothing uses as packages, the file's own directory.
    #[must_use]
    pub fn resolve_import(
        &self,
        from: FileId,
        level: u32,
        module: Option<Symbol>,
    ) -> Option<ModuleTarget> {
        let dir = *self.layout.file_dirs.get(from.0 as usize)?;
        let target = match self.imports.get(&(dir, level, module)) {
            Some(&target) => target,
            None => self.find(dir, level, module, None),
        };
        if level == 0 && target == Some(ModuleTarget::File(from)) {
            // `import redis` in a `redis.py` means the installed one.
            return self.find(dir, level, module, Some(from));
        }
        target
    }

    /// What `name` of `from module import name` means: the module's own name if it binds one, else a
    /// submodule. `None` if the project has neither (of a namespace package, an installed one may).
    #[must_use]
    pub fn resolve_from_import(
        &self,
        from: FileId,
        level: u32,
        module: Option<Symbol>,
        name: Symbol,
    ) -> Option<Imported> {
        let target = self.resolve_import(from, level, module)?;
        match (self.submodule(target, name), target) {
            (Some(_), ModuleTarget::File(file)) if self.binds(file, name) => {
                Some(Imported::Member(file))
            }
            (Some(module), _) => Some(Imported::Module(module)),
            (None, ModuleTarget::File(file)) => Some(Imported::Member(file)),
            (None, ModuleTarget::Namespace(_)) => None,
        }
    }

    /// The function of a dotted name, `package.module.function` or `package.module.Class.method`, counted from any
    /// folder of the project.
    #[must_use]
    pub fn function_named(&self, dotted: &str) -> Option<FunctionId> {
        let parts: Vec<&str> = dotted.split('.').collect();
        (1..parts.len()).rev().find_map(|length| {
            let module = parts[..length].join(".");
            let qualname = parts[length..].join(".");
            let file = self.file_named(Symbol::new(&module)).or_else(|| {
                let inner = format!(".{module}");
                let mut files = self.file_ids();
                files.find(|f| self.module_name(*f).as_str().ends_with(&inner))
            })?;
            let functions = &self.ir(file).functions;
            let at = functions
                .iter()
                .position(|f| f.qualname.as_str() == qualname)?;
            let index = FunctionIndex(u32::try_from(at).ok()?);
            Some(FunctionId { file, index })
        })
    }

    /// Whether a module binds `name` by a `def` or `class` of its own at top level.
    fn binds(&self, file: FileId, name: Symbol) -> bool {
        let ir = self.ir(file);
        let module = FunctionIndex(0);
        let top = ir.functions.iter();
        let mut functions = top.filter(|f| f.parent == Some(module) && f.kind == FunctionKind::Def);
        functions.any(|f| f.name == name)
            || ir
                .classes
                .iter()
                .any(|c| c.parent == module && c.name == name)
    }

    /// The submodule `name` of a package.
    #[must_use]
    pub fn submodule(&self, target: ModuleTarget, name: Symbol) -> Option<ModuleTarget> {
        match target {
            ModuleTarget::File(file) => {
                let dir = self.layout.package_of(file)?;
                self.layout.child(dir, name)
            }
            ModuleTarget::Namespace(dir) => self.layout.child(dir, name).or_else(|| {
                // The rest of the namespace package may stand below another source root.
                let mut parts: Vec<Symbol> = self
                    .layout
                    .ancestors(dir)
                    .take_while(|&d| !self.layout.dir(d).is_source_root)
                    .map(|d| self.layout.dir(d).name)
                    .collect();
                parts.reverse();
                parts.push(name);
                let roots = self.layout.roots.get(parts.first()?)?;
                roots
                    .iter()
                    .filter(|&&root| self.layout.dir(root).is_source_root)
                    .find_map(|&root| self.layout.walk(root, &parts))
            }),
        }
    }

    fn find(
        &self,
        from: DirId,
        level: u32,
        module: Option<Symbol>,
        except: Option<FileId>,
    ) -> Option<ModuleTarget> {
        let parts: Vec<Symbol> = match module {
            Some(module) if !module.as_str().is_empty() => {
                module.as_str().split('.').map(Symbol::new).collect()
            }
            _ => Vec::new(),
        };
        if level > 0 {
            let base = self.layout.ancestors(from).nth(level as usize - 1)?;
            return if parts.is_empty() {
                Some(self.layout.as_module(base))
            } else {
                self.layout.walk(base, &parts)
            };
        }
        self.find_absolute(from, &parts, except)
    }

    fn find_absolute(
        &self,
        from: DirId,
        parts: &[Symbol],
        except: Option<FileId>,
    ) -> Option<ModuleTarget> {
        let layout = &self.layout;
        let first = *parts.first()?;
        let is_standard = is_standard(first);
        let accept = |root: DirId| {
            let found = layout.walk(root, parts)?;
            (except.is_none() || found != ModuleTarget::File(except?)).then_some(found)
        };
        let mut namespace = None;
        for root in layout.ancestors(from) {
            if layout.dir(root).is_package() || (is_standard && root != from) {
                continue;
            }
            match accept(root) {
                Some(ModuleTarget::Namespace(_)) if is_standard => {}
                Some(found @ ModuleTarget::Namespace(_)) => {
                    namespace.get_or_insert(found);
                }
                Some(file) => return Some(file),
                None => {}
            }
        }
        if is_standard {
            return None;
        }
        let ancestors: FxHashSet<DirId> = layout.ancestors(from).collect();
        let candidates = layout.roots.get(&first).map_or(&[][..], Vec::as_slice);
        let mut others: Vec<DirId> = candidates
            .iter()
            .copied()
            .filter(|root| !ancestors.contains(root) && !layout.is_aside(*root, from))
            .collect();
        others.sort_by_key(|&root| {
            let dir = layout.dir(root);
            let common = layout.common_depth(root, from);
            (!dir.is_source_root, Reverse(common), dir.depth, root)
        });
        let is_only = others.len() == 1;
        for root in others {
            let dir = layout.dir(root);
            // A loose module of some other directory: only where there is no doubt.
            let is_loose = dir.modules.contains_key(&first) && !dir.is_source_root;
            if is_loose && !is_only {
                continue;
            }
            if let Some(found @ ModuleTarget::File(_)) = accept(root) {
                return Some(found);
            }
        }
        if let Some(outermost) = layout.outermost_package(from)
            && !self.used_packages.contains(&outermost)
        {
            let packages = layout.ancestors(from);
            for root in packages.take_while(|&d| layout.dir(d).is_package()) {
                if let Some(found @ ModuleTarget::File(_)) = accept(root) {
                    return Some(found);
                }
            }
        }
        namespace
    }

    /// Resolves the import statements of all files, and finds the order in which to run modules.
    pub(crate) fn resolve_all(&mut self) {
        let requests: Vec<Vec<Request>> = self
            .files
            .par_iter()
            .zip(&self.layout.file_dirs)
            .map(|(file, &dir)| requests(&file.ir, dir))
            .collect();
        let mut all: FxHashSet<Request> = FxHashSet::default();
        for request in requests.into_iter().flatten() {
            let (dir, level, module) = request;
            if !all.insert(request) {
                continue;
            }
            if level > 0 {
                self.used_packages
                    .extend(self.layout.outermost_package(dir));
            } else if let Some(module) = module {
                let first = module.as_str().split('.').next().unwrap_or_default();
                let first = Symbol::new(first);
                for &root in self.layout.roots.get(&first).into_iter().flatten() {
                    let child = self.layout.dir(root).children.get(&first);
                    self.used_packages.extend(child);
                }
            }
        }
        let all: Vec<Request> = all.into_iter().collect();
        self.imports = all
            .into_par_iter()
            .map(|request @ (dir, level, module)| (request, self.find(dir, level, module, None)))
            .collect();
        let edges: Vec<Vec<u32>> = self
            .file_ids()
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|file| self.imported_files(file))
            .collect();
        let levels = Graph::new(&edges).levels(|_| 0);
        self.import_levels = levels
            .into_iter()
            .map(|level| level.into_iter().map(FileId).collect())
            .collect();
    }

    /// The files that a file imports at module level, in classes there included.
    fn imported_files(&self, file: FileId) -> Vec<u32> {
        let ir = self.ir(file);
        let mut out = Vec::new();
        let mut add = |target: Option<ModuleTarget>| {
            if let Some(ModuleTarget::File(target)) = target
                && target != file
            {
                out.push(target.0);
            }
        };
        for function in &ir.functions {
            let mut at = Some(function);
            let is_at_import = loop {
                match at {
                    None => break true,
                    Some(f) => match f.kind {
                        FunctionKind::Module => break true,
                        FunctionKind::ClassBody => at = f.parent.map(|p| ir.function(p)),
                        FunctionKind::Def | FunctionKind::Lambda => break false,
                    },
                }
            };
            if !is_at_import {
                continue;
            }
            ir.each_stmt(&function.body, &mut |stmt| match &ir.stmt(stmt).kind {
                StmtKind::Import { module, .. } => {
                    add(self.resolve_import(file, 0, Some(*module)));
                }
                StmtKind::ImportFrom {
                    module,
                    level,
                    names,
                    star,
                } => {
                    let target = self.resolve_import(file, *level, *module);
                    let mut is_member = *star;
                    for alias in names {
                        let submodule = target.and_then(|t| self.submodule(t, alias.name));
                        is_member |= submodule.is_none();
                        add(submodule);
                    }
                    if is_member {
                        add(target);
                    }
                }
                _ => {}
            });
        }
        out.sort_unstable();
        out.dedup();
        out
    }
}

/// The imports of a file, as keys of the program's table.
fn requests(ir: &FileIr, dir: DirId) -> Vec<Request> {
    let mut out = FxHashSet::default();
    for stmt in &ir.stmts {
        match &stmt.kind {
            StmtKind::Import { module, .. } => {
                out.insert((dir, 0, Some(*module)));
                if let Some((root, _)) = module.as_str().split_once('.') {
                    out.insert((dir, 0, Some(Symbol::new(root))));
                }
            }
            StmtKind::ImportFrom { module, level, .. } => {
                out.insert((dir, *level, *module));
            }
            _ => {}
        }
    }
    out.into_iter().collect()
}

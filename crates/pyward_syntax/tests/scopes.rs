//! Compares the scopes of variables with those that CPython finds.
//!
//! Takes part of the standard library of the `python3` at hand (3.9 or newer), or all files below
//! `PYWARD_SCOPES_DIR`. Without a Python there is nothing to compare with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use pyward_ir::{
    ExprId, ExprKind, FileIr, Function, FunctionIndex, FunctionKind, LineIndex, Pattern, PatternId,
    StmtId, StmtKind, Target, Var,
};
use pyward_syntax::{Options, lower};

#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    local: BTreeSet<String>,
    free: BTreeSet<String>,
    global: BTreeSet<String>,
}

/// Collects the names that a function's own code reads and binds.
struct Walk<'a> {
    ir: &'a FileIr,
    function: &'a Function,
    names: Names,
    pending: Vec<ExprId>,
}

impl Walk<'_> {
    fn names(ir: &FileIr, function: &Function) -> Names {
        let mut walk = Walk {
            ir,
            function,
            names: Names::default(),
            pending: Vec::new(),
        };
        for param in &function.params {
            walk.names.local.insert(param.name.to_string());
        }
        ir.each_stmt(&function.body, &mut |stmt| walk.stmt(stmt));
        while let Some(top) = walk.pending.pop() {
            ir.each_descendant(top, &mut |expr| walk.expr(expr));
        }
        for names in [
            &mut walk.names.local,
            &mut walk.names.free,
            &mut walk.names.global,
        ] {
            names.remove("__class__");
        }
        walk.names
    }

    fn var(&mut self, var: Var) {
        let slot = |f: &Function, slot: u32| f.locals[slot as usize].to_string();
        match var {
            Var::Local(s) => self.names.local.insert(slot(self.function, s)),
            Var::Captured { function, slot: s } => {
                self.names.free.insert(slot(self.ir.function(function), s))
            }
            Var::Global(name) => self.names.global.insert(name.to_string()),
        };
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Var(var, _) => self.var(*var),
            Target::Sequence(targets) => targets.iter().for_each(|t| self.target(t)),
            Target::Starred(target) => self.target(target),
            _ => {}
        }
    }

    fn pattern(&mut self, pattern: PatternId) {
        match self.ir.pattern(pattern) {
            Pattern::Capture { pattern, target } => {
                pattern.iter().for_each(|&p| self.pattern(p));
                target.iter().for_each(|&t| self.var(t));
            }
            Pattern::Star(target) => target.iter().for_each(|&t| self.var(t)),
            Pattern::Sequence(patterns) | Pattern::Or(patterns) => {
                patterns.iter().for_each(|&p| self.pattern(p));
            }
            Pattern::Mapping { entries, rest } => {
                entries.iter().for_each(|&(_, p)| self.pattern(p));
                rest.iter().for_each(|&t| self.var(t));
            }
            Pattern::Class {
                positional,
                keywords,
                ..
            } => {
                positional.iter().for_each(|&p| self.pattern(p));
                keywords.iter().for_each(|&(_, p)| self.pattern(p));
            }
            Pattern::Value(_) | Pattern::Singleton(_) => {}
        }
    }

    /// Decorators and defaults belong to the function around.
    fn header(&mut self, function: FunctionIndex) {
        let function = self.ir.function(function);
        self.pending.extend(function.decorators.iter());
        let defaults = function.params.iter().filter_map(|p| p.default);
        self.pending.extend(defaults);
    }

    fn stmt(&mut self, stmt: StmtId) {
        self.ir.each_expr(stmt, &mut |expr| self.pending.push(expr));
        match &self.ir.stmt(stmt).kind {
            StmtKind::Assign { targets, .. } | StmtKind::Delete(targets) => {
                targets.iter().for_each(|t| self.target(t));
            }
            StmtKind::AugAssign { target, .. } | StmtKind::For { target, .. } => {
                self.target(target);
            }
            StmtKind::With { items, .. } => {
                let targets = items.iter().filter_map(|item| item.target.as_ref());
                targets.for_each(|t| self.target(t));
            }
            StmtKind::Try { handlers, .. } => {
                handlers
                    .iter()
                    .filter_map(|h| h.target)
                    .for_each(|t| self.var(t));
            }
            StmtKind::Match { cases, .. } => cases.iter().for_each(|c| self.pattern(c.pattern)),
            StmtKind::Function { function, target } => {
                self.var(*target);
                self.header(*function);
            }
            StmtKind::Class { class, target } => {
                self.var(*target);
                let class = self.ir.class(*class);
                self.pending.extend(class.decorators.iter());
                self.pending.extend(class.bases.iter());
                self.pending.extend(class.keywords.iter().map(|k| k.1));
            }
            StmtKind::Import { target, .. } => self.var(*target),
            StmtKind::ImportFrom { names, .. } => names.iter().for_each(|a| self.var(a.target)),
            _ => {}
        }
    }

    fn expr(&mut self, expr: ExprId) {
        match &self.ir.expr(expr).kind {
            ExprKind::Name(var) | ExprKind::Named { target: var, .. } => self.var(*var),
            ExprKind::Lambda(function) => self.header(*function),
            ExprKind::Comprehension(comprehension) => {
                for generator in &comprehension.generators {
                    self.target(&generator.target);
                }
            }
            _ => {}
        }
    }
}

/// Names of each scope, by kind and line.
fn scopes(text: &str) -> BTreeMap<(&'static str, u32), Vec<Names>> {
    let ir = lower(text, Options::default());
    let lines = LineIndex::new(text);
    let mut scopes: BTreeMap<_, Vec<Names>> = BTreeMap::new();
    for function in &ir.functions {
        let kind = match function.kind {
            FunctionKind::Module => "module",
            FunctionKind::ClassBody => "class",
            FunctionKind::Def | FunctionKind::Lambda => "function",
        };
        let line = if kind == "module" {
            0
        } else {
            lines.line_column(function.name_span.start).0
        };
        let mut names = Walk::names(&ir, function);
        if kind == "module" {
            // Comprehension targets.
            names.global.append(&mut names.local);
        }
        scopes.entry((kind, line)).or_default().push(names);
    }
    scopes
}

/// In a class body, a name read before it is bound is looked up outside: CPython does so at run time.
fn agree(kind: &str, expected: &Names, found: &Names) -> bool {
    let is_global_before =
        |name: &String| expected.global.contains(name) || expected.local.contains(name);
    match kind {
        "module" => expected.free == found.free && expected.global == found.global,
        "class" => {
            expected.local == found.local
                && expected.free == found.free
                && expected.global.is_subset(&found.global)
                && found.global.iter().all(is_global_before)
        }
        _ => expected == found,
    }
}

fn python_files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            python_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "py") {
            out.push(path);
        }
    }
}

fn python(arguments: &[&str]) -> Option<String> {
    let output = Command::new("python3").args(arguments).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn scopes_are_those_of_cpython() {
    let where_ =
        "import sys, os; sys.version_info >= (3, 9) and print(os.path.dirname(os.__file__))";
    let Some(library) = python(&["-c", where_]).filter(|p| !p.trim().is_empty()) else {
        return;
    };
    let mut files = Vec::new();
    if let Some(dir) = std::env::var_os("PYWARD_SCOPES_DIR") {
        python_files(Path::new(&dir), &mut files);
    } else {
        let library = Path::new(library.trim());
        for part in [
            "asyncio",
            "collections",
            "email",
            "http",
            "importlib",
            "json",
            "logging",
            "unittest",
        ] {
            python_files(&library.join(part), &mut files);
        }
        for module in [
            "argparse",
            "dataclasses",
            "functools",
            "inspect",
            "typing",
            "enum",
            "subprocess",
        ] {
            files.push(library.join(module).with_extension("py"));
        }
    }
    let work = std::env::temp_dir().join(format!("pyward-scopes-{}", std::process::id()));
    std::fs::create_dir_all(&work).expect("a temporary directory can be made");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scopes.py");
    let mut compared = 0;
    let mut differences = Vec::new();
    for some in files.chunks(200) {
        let mut arguments = vec![script, work.to_str().expect("a readable path")];
        arguments.extend(some.iter().filter_map(|p| p.to_str()));
        let table = python(&arguments).expect("the script runs");
        let mut known: BTreeMap<String, _> = BTreeMap::new();
        for line in table.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [path, kind, line, local, free, global] = fields[..] else {
                panic!("{line}");
            };
            let set = |text: &str| -> BTreeSet<String> {
                let names = text.split(',').filter(|n| !n.is_empty());
                names.map(str::to_owned).collect()
            };
            // Annotation scopes and type parameters of newer versions are not compared.
            let Some(&kind) = ["module", "class", "function"].iter().find(|&&k| k == kind) else {
                continue;
            };
            let expected = Names {
                local: set(local),
                free: set(free),
                global: set(global),
            };
            let of_file = known.entry(path.to_owned()).or_insert_with(|| {
                scopes(&std::fs::read_to_string(path).expect("the script wrote the file"))
            });
            let line: u32 = line.parse().expect("a line number");
            let found = of_file.get(&(kind, line)).map_or(&[][..], Vec::as_slice);
            compared += 1;
            if !found.iter().any(|found| agree(kind, &expected, found)) {
                differences.push(format!(
                    "{path}:{line} {kind}: {expected:?}, found {found:?}"
                ));
            }
        }
    }
    let _ = std::fs::remove_dir_all(&work);
    assert!(
        differences.is_empty(),
        "{} of {compared}: {:#?}",
        differences.len(),
        &differences[..differences.len().min(5)]
    );
    assert!(compared > 1000, "{compared} scopes compared");
}

//! Facts of each file that its text alone tells.

use pyward_ir::{ExprKind, FileIr, FunctionIndex, StmtKind, Symbol, Target, Var};
use pyward_program::{FileId, FunctionId, Program};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

/// What a module-level name is bound to, as far as the text alone tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TopLevel {
    /// A function.
    Function(FunctionIndex),
    /// A class.
    Class(pyward_ir::ClassIndex),
    /// `from module import name`
    Import {
        module: Option<Symbol>,
        level: u32,
        name: Symbol,
    },
    /// `import module`
    Module { module: Symbol, has_alias: bool },
    /// Something computed.
    Other,
}

/// Facts of one file.
#[derive(Debug, Default)]
struct FileIndex {
    names: FxHashMap<Symbol, TopLevel>,
    imports: FxHashSet<Symbol>,
    /// Variables of enclosing functions that each function, or one nested in it, uses.
    captures: Vec<Vec<(FunctionIndex, u32)>>,
    sizes: Vec<u32>,
    /// Whether each function does nothing: subclasses are to say what it does.
    stubs: Vec<bool>,
    /// Module-level names that are read but not bound: what a star import may bring.
    unbound: Vec<Symbol>,
    star_imports: Vec<(Option<Symbol>, u32)>,
}

/// Facts of all files.
#[derive(Debug, Default)]
pub(crate) struct Index {
    files: Vec<FileIndex>,
    /// Methods of classes of the project, in order.
    methods: FxHashMap<Symbol, Vec<FunctionId>>,
}

impl Index {
    /// Reads all files.
    #[must_use]
    pub(crate) fn new(program: &Program) -> Self {
        let ids: Vec<FileId> = program.file_ids().collect();
        let mut methods: FxHashMap<Symbol, Vec<FunctionId>> = FxHashMap::default();
        for &file in &ids {
            let functions = program.ir(file).functions.iter().enumerate();
            for (at, function) in functions.filter(|(_, f)| f.class.is_some()) {
                let index = FunctionIndex(u32::try_from(at).unwrap_or(u32::MAX));
                let id = FunctionId { file, index };
                methods.entry(function.name).or_default().push(id);
            }
        }
        Self {
            files: ids.par_iter().map(|f| index_file(program.ir(*f))).collect(),
            methods,
        }
    }

    /// Methods of a name, of whatever class.
    #[must_use]
    pub(crate) fn methods(&self, name: Symbol) -> &[FunctionId] {
        self.methods.get(&name).map_or(&[], Vec::as_slice)
    }

    fn file(&self, file: FileId) -> &FileIndex {
        &self.files[file.0 as usize]
    }

    /// What a module-level name is.
    #[must_use]
    pub(crate) fn top_level(&self, file: FileId, name: Symbol) -> Option<TopLevel> {
        self.file(file).names.get(&name).copied()
    }

    /// All module-level names.
    #[must_use]
    pub(crate) fn top_level_names(&self, file: FileId) -> &FxHashMap<Symbol, TopLevel> {
        &self.file(file).names
    }

    /// Modules that a file imports, with their parents.
    #[must_use]
    pub(crate) fn imports(&self, file: FileId) -> &FxHashSet<Symbol> {
        &self.file(file).imports
    }

    /// Variables of enclosing functions that a function uses.
    #[must_use]
    pub(crate) fn captures(&self, id: FunctionId) -> &[(FunctionIndex, u32)] {
        &self.file(id.file).captures[id.index.0 as usize]
    }

    /// Number of statements of a function, without those of nested ones.
    #[must_use]
    pub(crate) fn size(&self, id: FunctionId) -> u32 {
        self.file(id.file).sizes[id.index.0 as usize]
    }

    /// Whether a method only stands for those of subclasses: `pass`, `...`, `raise NotImplementedError`.
    #[must_use]
    pub(crate) fn is_stub(&self, id: FunctionId) -> bool {
        self.file(id.file).stubs[id.index.0 as usize]
    }

    /// Names that `from module import *` takes.
    #[must_use]
    pub(crate) fn star_names(&self, program: &Program, file: FileId) -> Vec<Symbol> {
        if let Some(exports) = &program.ir(file).exports {
            return exports.clone();
        }
        let mut names: Vec<Symbol> = self
            .file(file)
            .names
            .keys()
            .copied()
            .filter(|n| !n.as_str().starts_with('_'))
            .collect();
        names.sort_unstable_by_key(|n| n.as_str());
        names
    }

    /// Names that a star import may bind: read in the file and bound nowhere in it.
    #[must_use]
    pub(crate) fn unbound(&self, file: FileId) -> &[Symbol] {
        &self.file(file).unbound
    }
}

fn index_file(ir: &FileIr) -> FileIndex {
    let mut index = FileIndex {
        sizes: vec![0; ir.functions.len()],
        ..FileIndex::default()
    };
    index.captures = vec![Vec::new(); ir.functions.len()];
    let methods = ir.functions.iter().map(|f| f.class.is_some());
    let stubs = methods
        .zip(&ir.functions)
        .map(|(m, f)| m && is_stub(ir, &f.body));
    index.stubs = stubs.collect();
    bind_block(ir, &ir.functions[0].body, &mut index);
    for stmt in &ir.stmts {
        match &stmt.kind {
            StmtKind::Import { module, .. } => note_module(*module, &mut index.imports),
            StmtKind::ImportFrom {
                module,
                level,
                names,
                star,
            } => {
                if let Some(module) = module
                    && *level == 0
                {
                    note_module(*module, &mut index.imports);
                    for alias in names {
                        index
                            .imports
                            .insert(Symbol::new(&format!("{module}.{}", alias.name)));
                    }
                }
                if *star {
                    index.star_imports.push((*module, *level));
                }
            }
            // `global x` in a function binds at module level.
            StmtKind::Assign { targets, .. } => {
                for target in targets {
                    if let Target::Var(Var::Global(name), _) = target {
                        index.names.entry(*name).or_insert(TopLevel::Other);
                    }
                }
            }
            _ => {}
        }
    }
    let mut seen = FxHashSet::default();
    for expr in &ir.exprs {
        if let ExprKind::Name(Var::Global(name)) = expr.kind
            && !index.names.contains_key(&name)
            && seen.insert(name)
        {
            index.unbound.push(name);
        }
    }
    captures(ir, &mut index);
    index
}

fn is_stub(ir: &FileIr, body: &[pyward_ir::StmtId]) -> bool {
    body.len() <= 2
        && body.iter().all(|id| match &ir.stmt(*id).kind {
            StmtKind::Expr(value) => matches!(ir.expr(*value).kind, ExprKind::Const(_)),
            StmtKind::Raise {
                exception: Some(exception),
                ..
            } => {
                let class = match ir.expr(*exception).kind {
                    ExprKind::Call { callee, .. } => callee,
                    _ => *exception,
                };
                matches!(ir.expr(class).kind, ExprKind::Name(Var::Global(name)) if name.as_str() == "NotImplementedError")
            }
            _ => false,
        })
}

fn note_module(module: Symbol, into: &mut FxHashSet<Symbol>) {
    let text = module.as_str();
    into.insert(module);
    for (at, c) in text.char_indices() {
        if c == '.' {
            into.insert(Symbol::new(&text[..at]));
        }
    }
}

fn bind_block(ir: &FileIr, block: &[pyward_ir::StmtId], index: &mut FileIndex) {
    for id in block {
        match &ir.stmt(*id).kind {
            StmtKind::Function {
                function,
                target: Var::Global(name),
            } => {
                index.names.insert(*name, TopLevel::Function(*function));
            }
            StmtKind::Class {
                class,
                target: Var::Global(name),
            } => {
                index.names.insert(*name, TopLevel::Class(*class));
            }
            StmtKind::Import {
                module,
                has_alias,
                target: Var::Global(name),
            } => {
                index.names.entry(*name).or_insert(TopLevel::Module {
                    module: *module,
                    has_alias: *has_alias,
                });
            }
            StmtKind::ImportFrom {
                module,
                level,
                names,
                ..
            } => {
                for alias in names {
                    if let Var::Global(name) = alias.target {
                        index.names.entry(name).or_insert(TopLevel::Import {
                            module: *module,
                            level: *level,
                            name: alias.name,
                        });
                    }
                }
            }
            StmtKind::Assign { targets, .. } => {
                for target in targets {
                    bind_target(target, index);
                }
            }
            StmtKind::If { body, orelse, .. } | StmtKind::While { body, orelse, .. } => {
                bind_block(ir, body, index);
                bind_block(ir, orelse, index);
            }
            StmtKind::For {
                target,
                body,
                orelse,
                ..
            } => {
                bind_target(target, index);
                bind_block(ir, body, index);
                bind_block(ir, orelse, index);
            }
            StmtKind::With { items, body, .. } => {
                for item in items {
                    if let Some(target) = &item.target {
                        bind_target(target, index);
                    }
                }
                bind_block(ir, body, index);
            }
            StmtKind::Try {
                body,
                handlers,
                orelse,
                finally,
                ..
            } => {
                bind_block(ir, body, index);
                for handler in handlers {
                    bind_block(ir, &handler.body, index);
                }
                bind_block(ir, orelse, index);
                bind_block(ir, finally, index);
            }
            _ => {}
        }
    }
}

fn bind_target(target: &Target, index: &mut FileIndex) {
    match target {
        Target::Var(Var::Global(name), _) => {
            index.names.insert(*name, TopLevel::Other);
        }
        Target::Sequence(list) => list.iter().for_each(|t| bind_target(t, index)),
        Target::Starred(inner) => bind_target(inner, index),
        _ => {}
    }
}

/// Fills in captures and sizes by walking each function's own statements.
fn captures(ir: &FileIr, index: &mut FileIndex) {
    let mut own: Vec<Vec<(FunctionIndex, u32)>> = vec![Vec::new(); ir.functions.len()];
    for (at, function) in ir.functions.iter().enumerate() {
        let mut walker = Walker {
            ir,
            found: FxHashSet::default(),
            order: Vec::new(),
            statements: 0,
        };
        walker.block(&function.body);
        index.sizes[at] = walker.statements;
        own[at] = walker.order;
    }
    // What a nested function captures from further out passes through those between.
    for at in (0..ir.functions.len()).rev() {
        let list = own[at].clone();
        if let Some(parent) = ir.functions[at].parent {
            for (owner, slot) in &list {
                let parent_list = &mut own[parent.0 as usize];
                if *owner != parent
                    && owner.0 < u32::try_from(at).unwrap_or(0)
                    && !parent_list.contains(&(*owner, *slot))
                {
                    parent_list.push((*owner, *slot));
                }
            }
        }
    }
    index.captures = own;
}

struct Walker<'a> {
    ir: &'a FileIr,
    found: FxHashSet<(FunctionIndex, u32)>,
    order: Vec<(FunctionIndex, u32)>,
    statements: u32,
}

impl Walker<'_> {
    fn var(&mut self, var: Var) {
        if let Var::Captured { function, slot } = var
            && self.found.insert((function, slot))
        {
            self.order.push((function, slot));
        }
    }

    fn block(&mut self, block: &[pyward_ir::StmtId]) {
        for id in block {
            self.statements += 1;
            self.stmt(*id);
        }
    }

    fn stmt(&mut self, id: pyward_ir::StmtId) {
        let ir = self.ir;
        match &ir.stmt(id).kind {
            StmtKind::Expr(e) => self.expr(*e),
            StmtKind::Assign {
                targets,
                value,
                annotation,
            } => {
                targets.iter().for_each(|t| self.target(t));
                self.expr(*value);
                annotation.iter().for_each(|a| self.expr(*a));
            }
            StmtKind::Declare { target, .. } => self.target(target),
            StmtKind::AugAssign { target, value, .. } => {
                self.target(target);
                self.expr(*value);
            }
            StmtKind::Delete(targets) => targets.iter().for_each(|t| self.target(t)),
            StmtKind::Return(value) => value.iter().for_each(|e| self.expr(*e)),
            StmtKind::Raise { exception, cause } => {
                exception.iter().chain(cause).for_each(|e| self.expr(*e));
            }
            StmtKind::Assert { test, message } => {
                self.expr(*test);
                message.iter().for_each(|e| self.expr(*e));
            }
            StmtKind::If { test, body, orelse } | StmtKind::While { test, body, orelse } => {
                self.expr(*test);
                self.block(body);
                self.block(orelse);
            }
            StmtKind::For {
                target,
                iter,
                body,
                orelse,
                ..
            } => {
                self.target(target);
                self.expr(*iter);
                self.block(body);
                self.block(orelse);
            }
            StmtKind::With { items, body, .. } => {
                for item in items {
                    self.expr(item.context);
                    item.target.iter().for_each(|t| self.target(t));
                }
                self.block(body);
            }
            StmtKind::Try {
                body,
                handlers,
                orelse,
                finally,
                ..
            } => {
                self.block(body);
                for handler in handlers {
                    handler.exception.iter().for_each(|e| self.expr(*e));
                    handler.target.iter().for_each(|t| self.var(*t));
                    self.block(&handler.body);
                }
                self.block(orelse);
                self.block(finally);
            }
            StmtKind::Match { subject, cases } => {
                self.expr(*subject);
                for case in cases {
                    case.guard.iter().for_each(|e| self.expr(*e));
                    self.block(&case.body);
                }
            }
            StmtKind::Function { function, .. } => {
                let function = ir.function(*function);
                function.decorators.iter().for_each(|d| self.expr(*d));
                function
                    .params
                    .iter()
                    .filter_map(|p| p.default)
                    .for_each(|d| self.expr(d));
            }
            StmtKind::Class { class, .. } => {
                let class = ir.class(*class);
                class.bases.iter().for_each(|b| self.expr(*b));
                let body = &ir.function(class.body).body;
                let before = self.statements;
                self.block(body);
                self.statements = before;
            }
            StmtKind::Import { .. }
            | StmtKind::ImportFrom { .. }
            | StmtKind::Break
            | StmtKind::Continue => {}
        }
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Var(var, _) => self.var(*var),
            Target::Attribute { value, .. } => self.expr(*value),
            Target::Subscript { value, index, .. } => {
                self.expr(*value);
                self.expr(*index);
            }
            Target::Sequence(list) => list.iter().for_each(|t| self.target(t)),
            Target::Starred(inner) => self.target(inner),
            Target::Error => {}
        }
    }

    fn expr(&mut self, id: pyward_ir::ExprId) {
        let ir = self.ir;
        match &ir.expr(id).kind {
            ExprKind::Name(var) => self.var(*var),
            ExprKind::Attribute { value, .. }
            | ExprKind::Await(value)
            | ExprKind::YieldFrom(value)
            | ExprKind::Starred(value)
            | ExprKind::Unary { operand: value, .. } => self.expr(*value),
            ExprKind::Subscript { value, index } => {
                self.expr(*value);
                self.expr(*index);
            }
            ExprKind::Slice { lower, upper, step } => {
                lower
                    .iter()
                    .chain(upper)
                    .chain(step)
                    .for_each(|e| self.expr(*e));
            }
            ExprKind::Call { callee, args } => {
                self.expr(*callee);
                args.iter().for_each(|a| self.expr(a.value));
            }
            ExprKind::Binary { left, right, .. } => {
                self.expr(*left);
                self.expr(*right);
            }
            ExprKind::Compare { left, rest } => {
                self.expr(*left);
                rest.iter().for_each(|(_, e)| self.expr(*e));
            }
            ExprKind::Bool { values, .. }
            | ExprKind::Tuple(values)
            | ExprKind::List(values)
            | ExprKind::Set(values) => {
                values.iter().for_each(|e| self.expr(*e));
            }
            ExprKind::IfElse { test, body, orelse } => {
                self.expr(*test);
                self.expr(*body);
                self.expr(*orelse);
            }
            ExprKind::Dict(entries) => {
                for (key, value) in entries {
                    key.iter().for_each(|k| self.expr(*k));
                    self.expr(*value);
                }
            }
            ExprKind::Comprehension(c) => {
                self.expr(c.element);
                c.value.iter().for_each(|v| self.expr(*v));
                for generator in &c.generators {
                    self.target(&generator.target);
                    self.expr(generator.iter);
                    generator.conditions.iter().for_each(|e| self.expr(*e));
                }
            }
            ExprKind::FString(parts) | ExprKind::TString(parts) => {
                for part in parts {
                    if let pyward_ir::InterpolatedPart::Value { value, spec, .. } = part {
                        self.expr(*value);
                        spec.iter().for_each(|s| self.expr(*s));
                    }
                }
            }
            ExprKind::Yield(value) => value.iter().for_each(|e| self.expr(*e)),
            ExprKind::Named { target, value } => {
                self.var(*target);
                self.expr(*value);
            }
            ExprKind::Lambda(function) => {
                let function = ir.function(*function);
                function
                    .params
                    .iter()
                    .filter_map(|p| p.default)
                    .for_each(|d| self.expr(d));
            }
            ExprKind::Const(_) | ExprKind::Error => {}
        }
    }
}

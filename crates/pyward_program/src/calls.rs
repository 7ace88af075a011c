//! An approximate call graph, good enough to analyse most functions after what they call.

use pyward_ir::{
    ClassIndex, ExprId, ExprKind, FileIr, FunctionIndex, FunctionKind, StmtKind, Symbol, Target,
    Var,
};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::graph::Graph;
use crate::{ClassId, FileId, FunctionId, Imported, ModuleTarget, Program};

/// Import chains and base classes followed this far.
const MAX_HOPS: u32 = 12;

/// Nesting of attribute accesses and calls looked into.
const MAX_CHAIN: u32 = 12;

/// Functions and lambdas in levels: what a function refers to is on an earlier level than the function,
/// unless they refer to each other; those share a level. A nested function stands on a later level than the
/// function it is nested in. Module and class bodies, which run where they stand, are left out.
///
/// References are resolved by name: module-level and local functions, imported names, `module.function`,
/// methods of `self`, of classes and of variables with a constructor or annotation in sight.
#[must_use]
pub fn call_levels(program: &Program) -> Vec<Vec<FunctionId>> {
    let files: Vec<FileId> = program.file_ids().collect();
    let names: Vec<Names> = files
        .par_iter()
        .map(|&file| Names::new(program, file))
        .collect();
    let scope = Scope {
        program,
        names: &names,
    };
    let locals: Vec<Locals> = files.par_iter().map(|&file| scope.locals(file)).collect();
    let mut starts = Vec::with_capacity(files.len() + 1);
    let mut count = 0_u32;
    for &file in &files {
        starts.push(count);
        count += u32::try_from(program.ir(file).functions.len()).unwrap_or(0);
    }
    let edges: Vec<Vec<u32>> = files
        .par_iter()
        .flat_map_iter(|&file| {
            let resolver = Resolver {
                scope: &scope,
                locals: &locals,
                file,
            };
            resolver.edges(&starts)
        })
        .collect();
    let ids: Vec<FunctionId> = program.function_ids().collect();
    let depth = |node: u32| {
        let id = ids[node as usize];
        let ir = program.ir(id.file);
        std::iter::successors(enclosing(ir, id.index), |&f| enclosing(ir, f)).count()
    };
    let depths: Vec<u32> = (0..count)
        .into_par_iter()
        .map(|node| u32::try_from(depth(node)).unwrap_or(0))
        .collect();
    let levels = Graph::new(&edges).levels(|node| depths[node as usize]);
    let is_code = |id: &FunctionId| {
        let kind = program.function(*id).kind;
        matches!(kind, FunctionKind::Def | FunctionKind::Lambda)
    };
    levels
        .into_iter()
        .map(|level| {
            let ids = level.into_iter().map(|node| ids[node as usize]);
            ids.filter(is_code).collect::<Vec<_>>()
        })
        .filter(|level| !level.is_empty())
        .collect()
}

/// The function or lambda that a function is nested in, class bodies passed over.
fn enclosing(ir: &FileIr, function: FunctionIndex) -> Option<FunctionIndex> {
    let mut at = ir.function(function).parent;
    while let Some(index) = at {
        match ir.function(index).kind {
            FunctionKind::Def | FunctionKind::Lambda => return Some(index),
            FunctionKind::Module => return None,
            FunctionKind::ClassBody => at = ir.function(index).parent,
        }
    }
    None
}

/// What an expression is, as far as names tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Function(FunctionId),
    Class(ClassId),
    Module(ModuleTarget),
    Instance(ClassId),
    /// `super()` in a method of the class.
    Super(ClassId),
}

/// What a module-level name is.
#[derive(Clone, Copy, Debug)]
enum Binding {
    Function(FunctionIndex),
    Class(ClassIndex),
    Module(ModuleTarget),
    Imported(FileId, Symbol),
    /// What a call of this expression makes: `service = Service()`.
    Made(ExprId),
}

/// Module-level names of a file.
#[derive(Debug, Default)]
struct Names {
    bindings: FxHashMap<Symbol, Binding>,
    stars: Vec<FileId>,
    /// Methods of each class.
    methods: FxHashMap<(ClassIndex, Symbol), FunctionIndex>,
    /// Classes in classes.
    nested: FxHashMap<(ClassIndex, Symbol), ClassIndex>,
}

impl Names {
    fn new(program: &Program, file: FileId) -> Self {
        let ir = program.ir(file);
        let mut names = Self::default();
        let Some(module) = ir.functions.first() else {
            return names;
        };
        ir.each_stmt(&module.body, &mut |stmt| {
            let kind = &ir.stmt(stmt).kind;
            if let StmtKind::ImportFrom {
                module,
                level,
                star: true,
                ..
            } = kind
                && let Some(ModuleTarget::File(target)) =
                    program.resolve_import(file, *level, *module)
            {
                names.stars.push(target);
            }
            each_binding(program, file, kind, &mut |var, binding| {
                if let Var::Global(name) = var {
                    names.bindings.entry(name).or_insert(binding);
                }
            });
        });
        for (i, class) in ir.classes.iter().enumerate() {
            let index = ClassIndex(u32::try_from(i).unwrap_or(u32::MAX));
            for &method in &class.methods {
                // The last of several wins, as at run time.
                names
                    .methods
                    .insert((index, ir.function(method).name), method);
            }
            if let Some(outer) = ir.function(class.body).class {
                names.nested.insert((outer, class.name), index);
            }
        }
        names
    }
}

/// Calls `f` with each variable that a `def`, `class`, import or, in a module, a call binds.
fn each_binding(program: &Program, file: FileId, kind: &StmtKind, f: &mut dyn FnMut(Var, Binding)) {
    match kind {
        StmtKind::Function { function, target } => f(*target, Binding::Function(*function)),
        StmtKind::Class { class, target } => f(*target, Binding::Class(*class)),
        StmtKind::Import {
            module,
            has_alias,
            target,
        } => {
            let text = module.as_str();
            let name = match text.split_once('.') {
                Some((root, _)) if !has_alias => Symbol::new(root),
                _ => *module,
            };
            if let Some(found) = program.resolve_import(file, 0, Some(name)) {
                f(*target, Binding::Module(found));
            }
        }
        StmtKind::Assign { targets, value, .. } => {
            if let [Target::Var(target @ Var::Global(_), _)] = **targets
                && let ExprKind::Call { callee, .. } = program.ir(file).expr(*value).kind
            {
                f(target, Binding::Made(callee));
            }
        }
        StmtKind::ImportFrom {
            module,
            level,
            names,
            ..
        } => {
            for alias in names {
                match program.resolve_from_import(file, *level, *module, alias.name) {
                    Some(Imported::Module(found)) => f(alias.target, Binding::Module(found)),
                    Some(Imported::Member(from)) => {
                        f(alias.target, Binding::Imported(from, alias.name));
                    }
                    None => {}
                }
            }
        }
        _ => {}
    }
}

/// Values of local variables and attributes of one file.
#[derive(Debug, Default)]
struct Locals {
    slots: FxHashMap<(FunctionIndex, u32), Value>,
    /// Classes of what is assigned to attributes of `self`.
    attributes: FxHashMap<(ClassIndex, Symbol), ClassId>,
}

struct Scope<'p> {
    program: &'p Program,
    names: &'p [Names],
}

impl Scope<'_> {
    fn names(&self, file: FileId) -> &Names {
        &self.names[file.0 as usize]
    }

    fn value(&self, file: FileId, binding: Binding, hops: u32) -> Option<Value> {
        match binding {
            Binding::Function(index) => Some(Value::Function(FunctionId { file, index })),
            Binding::Class(index) => Some(Value::Class(ClassId { file, index })),
            Binding::Module(target) => Some(Value::Module(target)),
            Binding::Imported(from, name) => self.global(from, name, hops + 1),
            Binding::Made(callee) => match self.plain(file, callee, hops + 1)? {
                Value::Class(class) => Some(Value::Instance(class)),
                _ => None,
            },
        }
    }

    fn global(&self, file: FileId, name: Symbol, hops: u32) -> Option<Value> {
        if hops > MAX_HOPS {
            return None;
        }
        let names = self.names(file);
        if let Some(&binding) = names.bindings.get(&name) {
            return self.value(file, binding, hops);
        }
        let stars = names.stars.iter();
        stars
            .filter(|&&from| from != file)
            .find_map(|&from| self.global(from, name, hops + 1 + MAX_HOPS / 4))
    }

    fn member(&self, value: Value, name: Symbol) -> Option<Value> {
        match value {
            Value::Module(target) => {
                let own = match target {
                    ModuleTarget::File(file) => self.global(file, name, 0),
                    ModuleTarget::Namespace(_) => None,
                };
                own.or_else(|| self.program.submodule(target, name).map(Value::Module))
            }
            Value::Class(class) | Value::Instance(class) => self.attribute(class, name, 0),
            Value::Super(class) => self
                .bases(class)
                .find_map(|base| self.attribute(base, name, 0)),
            Value::Function(_) => None,
        }
    }

    /// A method or nested class of a class or its bases, depth first.
    fn attribute(&self, class: ClassId, name: Symbol, hops: u32) -> Option<Value> {
        if hops > MAX_HOPS {
            return None;
        }
        let names = self.names(class.file);
        let file = class.file;
        if let Some(&index) = names.methods.get(&(class.index, name)) {
            return Some(Value::Function(FunctionId { file, index }));
        }
        if let Some(&index) = names.nested.get(&(class.index, name)) {
            return Some(Value::Class(ClassId { file, index }));
        }
        self.bases(class)
            .find_map(|base| self.attribute(base, name, hops + 1))
    }

    fn bases(&self, class: ClassId) -> impl Iterator<Item = ClassId> + '_ {
        let bases = self.program.class(class).bases.iter();
        bases.filter_map(move |&base| match self.plain(class.file, base, 0)? {
            Value::Class(base) if base != class => Some(base),
            _ => None,
        })
    }

    /// The value of a dotted name of module level; of `A[T]` and `A | None`, that of `A`.
    fn plain(&self, file: FileId, expr: ExprId, depth: u32) -> Option<Value> {
        if depth > MAX_CHAIN {
            return None;
        }
        let ir = self.program.ir(file);
        match &ir.expr(expr).kind {
            ExprKind::Name(Var::Global(name)) => self.global(file, *name, depth),
            ExprKind::Attribute { value, attr, .. } => {
                let value = self.plain(file, *value, depth + 1)?;
                self.member(value, *attr)
            }
            ExprKind::Subscript { value, index } => {
                let is_optional = match &ir.expr(*value).kind {
                    ExprKind::Name(Var::Global(name)) => name.as_str() == "Optional",
                    ExprKind::Attribute { attr, .. } => attr.as_str() == "Optional",
                    _ => false,
                };
                let of = if is_optional { *index } else { *value };
                self.plain(file, of, depth + 1)
            }
            ExprKind::Binary { left, right, .. } => self
                .plain(file, *left, depth + 1)
                .or_else(|| self.plain(file, *right, depth + 1)),
            _ => None,
        }
    }

    /// An instance of the class that an annotation names.
    fn annotated(&self, file: FileId, annotation: Option<ExprId>) -> Option<Value> {
        match self.plain(file, annotation?, 0)? {
            Value::Class(class) => Some(Value::Instance(class)),
            _ => None,
        }
    }

    fn locals(&self, file: FileId) -> Locals {
        let ir = self.program.ir(file);
        let mut locals = Locals::default();
        for (i, function) in ir.functions.iter().enumerate() {
            let index = FunctionIndex(u32::try_from(i).unwrap_or(u32::MAX));
            if function.kind == FunctionKind::Module {
                continue;
            }
            for (slot, param) in function.params.iter().enumerate() {
                let slot = u32::try_from(slot).unwrap_or(u32::MAX);
                let value = match function.class {
                    Some(class) if slot == 0 && function.kind == FunctionKind::Def => {
                        Some(Value::Instance(ClassId { file, index: class }))
                    }
                    _ => self.annotated(file, param.annotation),
                };
                if let Some(value) = value {
                    locals.slots.insert((index, slot), value);
                }
            }
            ir.each_stmt(&function.body, &mut |stmt| {
                let kind = &ir.stmt(stmt).kind;
                each_binding(self.program, file, kind, &mut |var, binding| {
                    if let Var::Local(slot) = var
                        && let Some(value) = self.value(file, binding, 0)
                    {
                        locals.slots.entry((index, slot)).or_insert(value);
                    }
                });
                self.assigned(file, index, kind, &mut locals);
            });
        }
        locals
    }

    /// Takes in `x = Class()`, `with Class() as x` and the same for attributes of `self`.
    fn assigned(&self, file: FileId, at: FunctionIndex, kind: &StmtKind, locals: &mut Locals) {
        let ir = self.program.ir(file);
        let mut set = |target: &Target, value: Option<ExprId>, annotation: Option<ExprId>| {
            let from_value = value.and_then(|value| match &ir.expr(value).kind {
                ExprKind::Call { callee, .. } => match self.plain(file, *callee, 0)? {
                    Value::Class(class) => Some(class),
                    Value::Function(f) => {
                        match self.annotated(f.file, self.program.function(f).returns)? {
                            Value::Instance(class) => Some(class),
                            _ => None,
                        }
                    }
                    _ => None,
                },
                ExprKind::Name(Var::Local(slot)) => match locals.slots.get(&(at, *slot))? {
                    Value::Instance(class) => Some(*class),
                    _ => None,
                },
                _ => None,
            });
            let class = match self.annotated(file, annotation) {
                Some(Value::Instance(class)) => Some(class),
                _ => from_value,
            };
            let Some(class) = class else {
                return;
            };
            match target {
                Target::Var(Var::Local(slot), _) => {
                    let entry = locals.slots.entry((at, *slot));
                    entry.or_insert(Value::Instance(class));
                }
                Target::Attribute { value, attr, .. } => {
                    if let ExprKind::Name(Var::Local(0)) = &ir.expr(*value).kind
                        && let Some(owner) = ir.function(at).class
                    {
                        locals.attributes.entry((owner, *attr)).or_insert(class);
                    }
                }
                _ => {}
            }
        };
        match kind {
            StmtKind::Assign {
                targets,
                value,
                annotation,
            } => {
                for target in targets {
                    set(target, Some(*value), *annotation);
                }
            }
            StmtKind::Declare { target, annotation } => set(target, None, Some(*annotation)),
            StmtKind::With { items, .. } => {
                for item in items {
                    if let Some(target) = &item.target {
                        set(target, Some(item.context), None);
                    }
                }
            }
            _ => {}
        }
    }
}

struct Resolver<'p> {
    scope: &'p Scope<'p>,
    locals: &'p [Locals],
    file: FileId,
}

impl Resolver<'_> {
    fn evaluate(&self, at: FunctionIndex, expr: ExprId, depth: u32) -> Option<Value> {
        if depth > MAX_CHAIN {
            return None;
        }
        let ir = self.scope.program.ir(self.file);
        let slots = &self.locals[self.file.0 as usize].slots;
        match &ir.expr(expr).kind {
            ExprKind::Name(Var::Global(name)) => self.scope.global(self.file, *name, 0),
            ExprKind::Name(Var::Local(slot)) => slots.get(&(at, *slot)).copied(),
            ExprKind::Name(Var::Captured { function, slot }) => {
                slots.get(&(*function, *slot)).copied()
            }
            ExprKind::Attribute { value, attr, .. } => {
                let value = self.evaluate(at, *value, depth + 1)?;
                self.scope
                    .member(value, *attr)
                    .or_else(|| self.attribute_of(value, *attr, 0))
            }
            ExprKind::Call { callee, .. } => {
                if let ExprKind::Name(Var::Global(name)) = &ir.expr(*callee).kind
                    && name.as_str() == "super"
                {
                    let class = self.class_around(at)?;
                    let file = self.file;
                    return Some(Value::Super(ClassId { file, index: class }));
                }
                match self.evaluate(at, *callee, depth + 1)? {
                    Value::Class(class) => Some(Value::Instance(class)),
                    Value::Function(f) => {
                        let returns = self.scope.program.function(f).returns;
                        self.scope.annotated(f.file, returns)
                    }
                    _ => None,
                }
            }
            ExprKind::Await(value) => self.evaluate(at, *value, depth + 1),
            ExprKind::Named { value, .. } => self.evaluate(at, *value, depth + 1),
            _ => None,
        }
    }

    /// An instance kept in an attribute of an instance.
    fn attribute_of(&self, value: Value, name: Symbol, hops: u32) -> Option<Value> {
        let Value::Instance(class) = value else {
            return None;
        };
        if hops > MAX_HOPS {
            return None;
        }
        let own = self.locals[class.file.0 as usize]
            .attributes
            .get(&(class.index, name));
        if let Some(&found) = own {
            return Some(Value::Instance(found));
        }
        self.scope
            .bases(class)
            .find_map(|base| self.attribute_of(Value::Instance(base), name, hops + 1))
    }

    /// The class of the method that a function is or is nested in.
    fn class_around(&self, function: FunctionIndex) -> Option<ClassIndex> {
        let ir = self.scope.program.ir(self.file);
        let mut at = Some(function);
        while let Some(index) = at {
            let function = ir.function(index);
            if function.class.is_some() {
                return function.class;
            }
            at = function.parent;
        }
        None
    }

    /// What each function of the file refers to, as node numbers.
    fn edges(&self, starts: &[u32]) -> Vec<Vec<u32>> {
        let ir = self.scope.program.ir(self.file);
        let node = |f: FunctionId| starts[f.file.0 as usize] + f.index.0;
        let constructors = ["__init__", "__new__"].map(Symbol::new);
        let mut all = Vec::with_capacity(ir.functions.len());
        let mut seen: FxHashSet<u32> = FxHashSet::default();
        for (i, function) in ir.functions.iter().enumerate() {
            let index = FunctionIndex(u32::try_from(i).unwrap_or(u32::MAX));
            if !matches!(function.kind, FunctionKind::Def | FunctionKind::Lambda) {
                all.push(Vec::new());
                continue;
            }
            seen.clear();
            let mut add = |f: FunctionId| {
                if f.file != self.file || !self.is_within(f.index, index) {
                    seen.insert(node(f));
                }
            };
            ir.each_stmt(&function.body, &mut |stmt| {
                ir.each_expr(stmt, &mut |top| {
                    ir.each_descendant(top, &mut |expr| match &ir.expr(expr).kind {
                        ExprKind::Name(_) | ExprKind::Attribute { .. } => {
                            match self.evaluate(index, expr, 0) {
                                Some(Value::Function(f)) => add(f),
                                Some(Value::Class(class)) => {
                                    for name in constructors {
                                        let found = self.scope.attribute(class, name, 0);
                                        if let Some(Value::Function(f)) = found {
                                            add(f);
                                        }
                                    }
                                }
                                _ => {}
                            }
                        }
                        _ => {}
                    });
                });
            });
            if let Some(outer) = enclosing(ir, index) {
                let file = self.file;
                seen.insert(node(FunctionId { file, index: outer }));
            }
            let mut list: Vec<u32> = seen.iter().copied().collect();
            list.sort_unstable();
            all.push(list);
        }
        all
    }

    /// Whether a function is `outer` or nested in it.
    fn is_within(&self, function: FunctionIndex, outer: FunctionIndex) -> bool {
        let ir = self.scope.program.ir(self.file);
        let mut at = Some(function);
        // Outer functions have lower indices.
        while let Some(index) = at
            && index >= outer
        {
            if index == outer {
                return true;
            }
            at = ir.function(index).parent;
        }
        false
    }
}

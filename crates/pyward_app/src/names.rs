//! Dotted names of expressions, as imports resolve them.

use pyward_catalog::Catalog;
use pyward_ir::{
    ArgKind, Const, ExprId, ExprKind, FileIr, FunctionIndex, FunctionKind, StmtKind, Symbol, Var,
};
use pyward_program::{ClassId, FileId, FunctionId, ModuleTarget, Program};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

/// The parts of a dotted name.
pub(crate) type Chain = Vec<Symbol>;

/// Most parts of a name that are kept.
const MAX_PARTS: usize = 16;

/// What import statements bind, by file.
pub(crate) struct Names<'a> {
    program: &'a Program,
    files: Vec<FileNames>,
    /// First parts of the names of the project's modules.
    roots: FxHashSet<&'static str>,
}

#[derive(Default)]
struct FileNames {
    globals: FxHashMap<Symbol, Chain>,
    locals: FxHashMap<(u32, u32), Chain>,
    /// Functions and classes at module level.
    functions: FxHashMap<Symbol, FunctionIndex>,
    classes: FxHashMap<Symbol, pyward_ir::ClassIndex>,
    /// Values of names that the module binds once, by an assignment.
    values: FxHashMap<Symbol, ExprId>,
    /// Files that are imported.
    imports: Vec<FileId>,
}

/// What of the project a name refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Referent {
    Function(FunctionId),
    Class(ClassId),
    /// A variable of a module and the expression that it is bound to.
    Value(FileId, ExprId),
}

/// Methods that read an item by its key, so that the key is a part of the name.
fn reads_item(name: &str) -> bool {
    matches!(
        name,
        "get" | "pop" | "getlist" | "get_all" | "getone" | "getall"
    )
}

/// Replaces a name that models know under another one.
fn canonical(path: &mut Chain, aliases: &FxHashMap<&str, &str>) {
    for length in (1..=path.len()).rev() {
        let prefix: Vec<&str> = path[..length].iter().map(|s| s.as_str()).collect();
        if let Some(to) = aliases.get(prefix.join(".").as_str()) {
            let mut new = split(to);
            new.extend_from_slice(&path[length..]);
            *path = new;
            return;
        }
    }
}

fn split(dotted: &str) -> Chain {
    dotted
        .split('.')
        .filter(|p| !p.is_empty())
        .map(Symbol::new)
        .collect()
}

impl<'a> Names<'a> {
    pub(crate) fn new(program: &'a Program, catalog: &Catalog) -> Self {
        let files: Vec<FileId> = program.file_ids().collect();
        let aliases: FxHashMap<&str, &str> = catalog
            .models
            .iter()
            .flat_map(|models| &models.aliases)
            .map(|(from, to)| (from.as_str(), to.as_str()))
            .collect();
        let files = files
            .par_iter()
            .map(|file| {
                let mut names = FileNames::new(program, *file);
                let imported = names.globals.values_mut().chain(names.locals.values_mut());
                imported.for_each(|path| canonical(path, &aliases));
                names
            })
            .collect();
        let module_names = program.file_ids().map(|f| program.module_name(f).as_str());
        let roots = module_names.filter_map(|name| name.split('.').next());
        Self {
            program,
            files,
            roots: roots.collect(),
        }
    }

    /// Whether a dotted name may be one of the project's.
    pub(crate) fn is_ours(&self, dotted: &str) -> bool {
        dotted
            .split('.')
            .next()
            .is_some_and(|first| self.roots.contains(first))
    }

    /// The files that a file imports.
    pub(crate) fn imports(&self, file: FileId) -> &[FileId] {
        &self.files[file.0 as usize].imports
    }

    /// What an import bound a variable to.
    fn imported(&self, file: FileId, function: FunctionIndex, var: Var) -> Option<&Chain> {
        let names = &self.files[file.0 as usize];
        match var {
            Var::Global(name) => names.globals.get(&name),
            Var::Local(slot) => names.locals.get(&(function.0, slot)),
            Var::Captured { function, slot } => names.locals.get(&(function.0, slot)),
        }
    }

    /// The dotted name of an expression: attributes, constant keys, and what is called on the way.
    pub(crate) fn chain(
        &self,
        file: FileId,
        function: FunctionIndex,
        expr: ExprId,
    ) -> Option<Chain> {
        let ir = self.program.ir(file);
        let mut parts: Chain = Vec::new();
        let mut at = expr;
        loop {
            if parts.len() > MAX_PARTS {
                return None;
            }
            match &ir.expr(at).kind {
                ExprKind::Attribute { value, attr, .. } => {
                    parts.push(*attr);
                    at = *value;
                }
                ExprKind::Subscript { value, index } => {
                    if let ExprKind::Const(Const::Str(key)) = ir.expr(*index).kind {
                        parts.push(key);
                    }
                    at = *value;
                }
                ExprKind::Call { callee, .. } => {
                    match item_read(ir, at) {
                        Some((container, key)) => {
                            parts.push(key);
                            at = container;
                        }
                        None => at = *callee,
                    };
                }
                ExprKind::Await(value) => at = *value,
                ExprKind::Name(var) => {
                    parts.reverse();
                    let mut name = match self.imported(file, function, *var) {
                        Some(path) => path.clone(),
                        None => vec![self.var_name(file, function, *var)],
                    };
                    name.extend(parts);
                    return Some(name);
                }
                _ => {
                    // What it hangs on has no name: the end of it alone.
                    if parts.is_empty() {
                        return None;
                    }
                    parts.push(Symbol::new("?"));
                    parts.reverse();
                    return Some(parts);
                }
            }
        }
    }

    pub(crate) fn var_name(&self, file: FileId, function: FunctionIndex, var: Var) -> Symbol {
        let ir = self.program.ir(file);
        let local = |function: FunctionIndex, slot: u32| {
            let name = ir.function(function).locals.get(slot as usize).copied();
            name.unwrap_or_else(|| Symbol::new("?"))
        };
        match var {
            Var::Global(name) => name,
            Var::Local(slot) => local(function, slot),
            Var::Captured { function, slot } => local(function, slot),
        }
    }

    /// What of the project an expression names.
    pub(crate) fn referent(
        &self,
        file: FileId,
        function: FunctionIndex,
        expr: ExprId,
    ) -> Option<Referent> {
        match &self.program.ir(file).expr(expr).kind {
            ExprKind::Name(Var::Global(name)) => {
                if let Some(found) = self.member(file, *name) {
                    return Some(found);
                }
                self.by_chain(self.imported(file, function, Var::Global(*name))?)
            }
            ExprKind::Name(var) => {
                if let Some(path) = self.imported(file, function, *var) {
                    return self.by_chain(path);
                }
                None
            }
            ExprKind::Attribute { .. } => self.by_chain(&self.chain(file, function, expr)?),
            _ => None,
        }
    }

    fn member(&self, file: FileId, name: Symbol) -> Option<Referent> {
        let names = &self.files[file.0 as usize];
        if let Some(&index) = names.functions.get(&name) {
            return Some(Referent::Function(FunctionId { file, index }));
        }
        if let Some(&index) = names.classes.get(&name) {
            return Some(Referent::Class(ClassId { file, index }));
        }
        names
            .values
            .get(&name)
            .map(|&value| Referent::Value(file, value))
    }

    /// What a full dotted name (`package.module.name`, also `package.module.Class.method`) means.
    pub(crate) fn by_chain(&self, chain: &[Symbol]) -> Option<Referent> {
        if !self.roots.contains(chain.first()?.as_str()) {
            return None;
        }
        for length in (1..chain.len()).rev() {
            let module: Vec<&str> = chain[..length].iter().map(|s| s.as_str()).collect();
            let Some(file) = self.program.file_named(Symbol::new(&module.join("."))) else {
                continue;
            };
            let mut name = chain[length];
            let mut file = file;
            // A package hands on what its modules define.
            for _ in 0..4 {
                match self.member(file, name) {
                    Some(Referent::Class(class)) if chain.len() == length + 2 => {
                        return self
                            .method(class, chain[length + 1])
                            .map(Referent::Function);
                    }
                    Some(found) if chain.len() == length + 1 => return Some(found),
                    Some(_) => return None,
                    None => {}
                }
                let path = self.files[file.0 as usize].globals.get(&name)?;
                let (last, module) = path.split_last()?;
                let module: Vec<&str> = module.iter().map(|s| s.as_str()).collect();
                file = self.program.file_named(Symbol::new(&module.join(".")))?;
                name = *last;
            }
            return None;
        }
        None
    }

    fn method(&self, class: ClassId, name: Symbol) -> Option<FunctionId> {
        let ir = self.program.ir(class.file);
        let methods = &ir.class(class.index).methods;
        let index = methods
            .iter()
            .copied()
            .find(|m| ir.function(*m).name == name)?;
        Some(FunctionId {
            file: class.file,
            index,
        })
    }
}

/// `container.get("key")`: the container and the key.
pub(crate) fn item_read(ir: &FileIr, call: ExprId) -> Option<(ExprId, Symbol)> {
    let ExprKind::Call { callee, args } = &ir.expr(call).kind else {
        return None;
    };
    let ExprKind::Attribute { value, attr, .. } = ir.expr(*callee).kind else {
        return None;
    };
    let first = args.first().filter(|a| a.kind == ArgKind::Positional)?;
    match ir.expr(first.value).kind {
        ExprKind::Const(Const::Str(key)) if reads_item(attr.as_str()) => Some((value, key)),
        _ => None,
    }
}

impl FileNames {
    fn new(program: &Program, file: FileId) -> Self {
        let ir = program.ir(file);
        let mut names = Self::default();
        for (at, function) in ir.functions.iter().enumerate() {
            let index = FunctionIndex(u32::try_from(at).unwrap_or(u32::MAX));
            if function.kind == FunctionKind::Def
                && function.parent == Some(FunctionIndex(0))
                && function.class.is_none()
            {
                names.functions.insert(function.name, index);
            }
            ir.each_stmt(&function.body, &mut |stmt| match &ir.stmt(stmt).kind {
                StmtKind::Import {
                    module,
                    has_alias,
                    target,
                } => {
                    if let Some(ModuleTarget::File(f)) =
                        program.resolve_import(file, 0, Some(*module))
                    {
                        names.imports.push(f);
                    }
                    let mut path = split(module.as_str());
                    if !has_alias {
                        path.truncate(1);
                    }
                    names.bind(index, *target, path);
                }
                StmtKind::ImportFrom {
                    module,
                    level,
                    names: list,
                    ..
                } => {
                    let target = program.resolve_import(file, *level, *module);
                    let base = match target {
                        Some(ModuleTarget::File(f)) => {
                            names.imports.push(f);
                            split(program.module_name(f).as_str())
                        }
                        _ => module.map(|m| split(m.as_str())).unwrap_or_default(),
                    };
                    for alias in list {
                        if let Some(target) = target
                            && let Some(ModuleTarget::File(f)) =
                                program.submodule(target, alias.name)
                        {
                            names.imports.push(f);
                            // A folder without `__init__.py` has no file to name it by.
                            if base.is_empty() {
                                let path = split(program.module_name(f).as_str());
                                names.bind(index, alias.target, path);
                                continue;
                            }
                        }
                        let mut path = base.clone();
                        path.push(alias.name);
                        names.bind(index, alias.target, path);
                    }
                }
                StmtKind::Assign { targets, value, .. } if at == 0 => {
                    if let [pyward_ir::Target::Var(Var::Global(name), _)] = &**targets {
                        names.values.entry(*name).or_insert(*value);
                    }
                }
                _ => {}
            });
        }
        for (at, class) in ir.classes.iter().enumerate() {
            if class.parent == FunctionIndex(0) {
                let index = pyward_ir::ClassIndex(u32::try_from(at).unwrap_or(u32::MAX));
                names.classes.insert(class.name, index);
            }
        }
        names
    }

    fn bind(&mut self, function: FunctionIndex, target: Var, path: Chain) {
        match target {
            Var::Global(name) => {
                self.globals.insert(name, path);
            }
            Var::Local(slot) => {
                self.locals.insert((function.0, slot), path);
            }
            Var::Captured { function, slot } => {
                self.locals.insert((function.0, slot), path);
            }
        }
    }
}

/// Whether a text may be the dotted name of a module or of something in one.
pub(crate) fn is_dotted(text: &str) -> bool {
    text.contains('.')
        && text.len() < 120
        && text.split('.').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        })
}

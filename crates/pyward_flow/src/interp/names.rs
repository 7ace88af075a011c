//! Names: variables, globals, what imports bind.

use std::sync::Arc;

use pyward_ir::{Alias, Span, Symbol, Var};
use pyward_program::{ClassId, FileId, FunctionId, ModuleTarget};

use super::Interp;
use super::translate::NoParameters;
use crate::summary::import;
use crate::value::{Shape, Value};

impl Interp<'_> {
    pub(super) fn read_var(&mut self, var: Var, span: Span) -> Value {
        match var {
            Var::Local(slot) => self
                .state
                .locals
                .get(slot as usize)
                .cloned()
                .unwrap_or_default(),
            Var::Captured { function, slot } => self.read_captured(function.0, slot),
            Var::Global(name) => self.read_global(name, span),
        }
    }

    pub(super) fn read_captured(&mut self, owner: u32, slot: u32) -> Value {
        if let Some(value) = self.state.captured.get(&(owner, slot)) {
            return value.clone();
        }
        if let Some(value) = self.frame_ref().captured.get(&(owner, slot)) {
            return value.clone();
        }
        // The owner is being run right now, further down the stack of inlined calls, or is the code at hand
        // (a comprehension's or class body's view of its function).
        if self.frame_ref().function.index.0 == owner {
            return self
                .state
                .locals
                .get(slot as usize)
                .cloned()
                .unwrap_or_default();
        }
        if let Some(portable) = self
            .cx
            .tables
            .captured
            .get(&(self.file, owner, slot))
            .cloned()
        {
            let value = self.import_plain(&portable);
            Arc::make_mut(&mut self.state.captured).insert((owner, slot), value.clone());
            return value;
        }
        Value::unknown()
    }

    fn read_global(&mut self, name: Symbol, _span: Span) -> Value {
        let own = self.file == self.frames[0].function.file;
        if own && let Some(value) = self.state.globals.get(&name) {
            return value.clone();
        }
        let value = self.module_value(self.file, name);
        value.unwrap_or_else(|| {
            let builtins = self.cx.api.root(Symbol::new("builtins"));
            self.api_value(self.cx.api.child(builtins, name))
        })
    }

    /// What a name of a module of the project is.
    pub(super) fn module_value(&mut self, file: FileId, name: Symbol) -> Option<Value> {
        if let Some(value) = self.state.imported.get(&(file, name)) {
            return Some(value.clone());
        }
        let tables = self.cx.tables;
        let known = tables.modules[file.0 as usize].get(&name);
        let written = tables.written[file.0 as usize].get(&name);
        let value = match (known, written) {
            (Some(a), Some(b)) => {
                let joined = a.join(b);
                Some(self.import_plain(&joined))
            }
            (Some(one), None) | (None, Some(one)) => {
                let one = one.clone();
                Some(self.import_plain(&one))
            }
            (None, None) => self.static_name(file, name, 0),
        }?;
        Arc::make_mut(&mut self.state.imported).insert((file, name), value.clone());
        Some(value)
    }

    /// What a module's text alone says that a name is: for modules that have not been run yet.
    fn static_name(&mut self, file: FileId, name: Symbol, depth: u8) -> Option<Value> {
        if depth > 6 {
            return None;
        }
        let found = self.cx.index.top_level(file, name)?;
        match found {
            crate::index::TopLevel::Function(index) => {
                Some(Value::of(Shape::Function(FunctionId { file, index })))
            }
            crate::index::TopLevel::Class(index) => {
                Some(Value::of(Shape::Class(ClassId { file, index })))
            }
            crate::index::TopLevel::Import {
                module,
                level,
                name,
            } => Some(self.imported_name(file, level, module, name, depth + 1)),
            crate::index::TopLevel::Module { module, has_alias } => {
                Some(self.imported_module(file, module, has_alias))
            }
            crate::index::TopLevel::Other => None,
        }
    }

    fn imported_module(&mut self, from: FileId, module: Symbol, has_alias: bool) -> Value {
        let target = if has_alias {
            module
        } else {
            first_part(module)
        };
        match self.cx.program.resolve_import(from, 0, Some(target)) {
            Some(ModuleTarget::File(file)) => Value::of(Shape::Module(file)),
            Some(ModuleTarget::Namespace(dir)) => Value::of(Shape::Namespace(dir, target)),
            None => Value::of(Shape::Api(self.cx.api.path(target.as_str()))),
        }
    }

    /// What a string names that something imports by it (`importlib.import_module("a.b")`).
    pub(super) fn named_by(&mut self, name: Option<&Value>, is_member: bool) -> Value {
        let Some(name) = name.and_then(Value::as_str) else {
            return Value::unknown();
        };
        let path = name.trim_start_matches('.');
        let level = u32::try_from(name.len() - path.len()).unwrap_or(0);
        if !is_member && level == 0 {
            return self.imported_module(self.file, Symbol::new(path), true);
        }
        let (module, member) = match path.rsplit_once([':', '.']) {
            Some((module, member)) => (Some(Symbol::new(module)), member),
            None if level > 0 => (None, path),
            None => return Value::unknown(),
        };
        self.imported_name(self.file, level, module, Symbol::new(member), 0)
    }

    fn imported_name(
        &mut self,
        from: FileId,
        level: u32,
        module: Option<Symbol>,
        name: Symbol,
        depth: u8,
    ) -> Value {
        match self.cx.program.resolve_import(from, level, module) {
            Some(ModuleTarget::File(file)) => {
                if let Some(value) = self.state.imported.get(&(file, name)) {
                    return value.clone();
                }
                let known = self.cx.tables.modules[file.0 as usize].contains_key(&name);
                let value = if known {
                    self.module_value(file, name)
                } else {
                    self.static_name(file, name, depth)
                };
                if let Some(value) = value {
                    return value;
                }
                self.submodule(ModuleTarget::File(file), name)
                    .unwrap_or_default()
            }
            Some(target @ ModuleTarget::Namespace(_)) => self
                .submodule(target, name)
                .unwrap_or_else(|| match module {
                    Some(module) if level == 0 => {
                        let module = self.cx.api.path(module.as_str());
                        let member = self.cx.api.child(module, name);
                        self.api_value(member)
                    }
                    _ => Value::unknown(),
                }),
            None => match module {
                Some(module) => {
                    let module = self.cx.api.path(module.as_str());
                    let member = self.cx.api.child(module, name);
                    self.api_value(member)
                }
                None => Value::unknown(),
            },
        }
    }

    pub(super) fn submodule(&self, of: ModuleTarget, name: Symbol) -> Option<Value> {
        match self.cx.program.submodule(of, name)? {
            ModuleTarget::File(file) => Some(Value::of(Shape::Module(file))),
            ModuleTarget::Namespace(dir) => Some(Value::of(Shape::Namespace(dir, name))),
        }
    }

    pub(super) fn run_import(&mut self, module: Symbol, has_alias: bool, target: Var) {
        let value = self.imported_module(self.file, module, has_alias);
        self.write_var(target, value);
    }

    pub(super) fn run_import_from(
        &mut self,
        module: Option<Symbol>,
        level: u32,
        names: &[Alias],
        star: bool,
    ) {
        for alias in names {
            let value = self.imported_name(self.file, level, module, alias.name, 0);
            self.write_var(alias.target, value);
        }
        if !star {
            return;
        }
        match self.cx.program.resolve_import(self.file, level, module) {
            Some(ModuleTarget::File(file)) => {
                for name in self.cx.index.star_names(self.cx.program, file) {
                    if let Some(value) = self.module_value(file, name) {
                        self.write_var(Var::Global(name), value);
                    }
                }
            }
            _ => {
                if let Some(module) = module {
                    let api = self.cx.api.path(module.as_str());
                    for name in self.cx.index.unbound(self.file).to_vec() {
                        let member = self.cx.api.child(api, name);
                        if self.cx.api.is_known(member) && !self.state.globals.contains_key(&name) {
                            let value = self.api_value(member);
                            self.write_var(Var::Global(name), value);
                        }
                    }
                }
            }
        }
    }

    /// A portable value that refers to no parameters.
    pub(super) fn import_plain(&mut self, portable: &crate::summary::Portable) -> Value {
        import(&mut self.state, portable, &mut NoParameters)
    }
}

fn first_part(module: Symbol) -> Symbol {
    Symbol::new(module.as_str().split('.').next().unwrap_or(""))
}

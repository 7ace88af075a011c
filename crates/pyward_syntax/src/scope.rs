//! Which names a function binds, found before its body is lowered.

use pyward_ir::{ClassIndex, FunctionIndex, FunctionKind, Symbol};
use ruff_python_ast::{self as ast, Expr, Pattern, Stmt};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::MAX_DEPTH;

/// What a name means in a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// A slot of its own.
    Local(u32),
    /// Declared `global`.
    Global,
    /// Declared `nonlocal`.
    Nonlocal,
}

/// A function, class body or module while it is lowered.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) function: FunctionIndex,
    pub(crate) kind: FunctionKind,
    /// The class of a class body.
    pub(crate) class: Option<ClassIndex>,
    pub(crate) names: FxHashMap<Symbol, Binding>,
    pub(crate) locals: Vec<Symbol>,
    pub(crate) captured: Vec<u32>,
    /// Targets of the comprehensions at hand and type parameters, innermost last.
    pub(crate) overlay: Vec<(Symbol, u32)>,
    /// Comprehensions at hand whose first iterable is behind.
    pub(crate) comprehensions: u32,
    /// Names of a class body that a statement before the point at hand bound.
    pub(crate) bound: FxHashSet<Symbol>,
    pub(crate) is_generator: bool,
}

impl Scope {
    pub(crate) fn new(function: FunctionIndex, kind: FunctionKind) -> Self {
        Self {
            function,
            kind,
            class: None,
            names: FxHashMap::default(),
            locals: Vec::new(),
            captured: Vec::new(),
            overlay: Vec::new(),
            comprehensions: 0,
            bound: FxHashSet::default(),
            is_generator: false,
        }
    }

    /// A new slot that no name leads to.
    pub(crate) fn fresh(&mut self, name: Symbol) -> u32 {
        let slot = u32::try_from(self.locals.len()).unwrap_or(u32::MAX);
        self.locals.push(name);
        slot
    }

    /// Gives `name` a slot unless it has a meaning already.
    pub(crate) fn bind(&mut self, name: Symbol) {
        if !self.names.contains_key(&name) {
            let slot = self.fresh(name);
            self.names.insert(name, Binding::Local(slot));
        }
    }
}

/// Finds the names that statements bind in their own function.
pub(crate) struct Collector<'s, F> {
    pub(crate) scope: &'s mut Scope,
    /// Interns a name, mangled where it is private to a class.
    pub(crate) intern: F,
    /// Whether the file has a walrus; if not, expressions bind nothing.
    pub(crate) has_walrus: bool,
}

impl<F: FnMut(&str) -> Symbol> Collector<'_, F> {
    fn bind(&mut self, name: &str) {
        let name = (self.intern)(name);
        self.scope.bind(name);
    }

    pub(crate) fn block(&mut self, body: &[Stmt], depth: u32) {
        if depth > MAX_DEPTH {
            return;
        }
        for stmt in body {
            self.stmt(stmt, depth);
        }
    }

    fn stmt(&mut self, stmt: &Stmt, depth: u32) {
        let inner = depth + 1;
        match stmt {
            Stmt::FunctionDef(def) => {
                self.bind(&def.name);
                for decorator in &def.decorator_list {
                    self.expr(&decorator.expression, 0);
                }
                self.defaults(&def.parameters);
            }
            Stmt::ClassDef(def) => {
                self.bind(&def.name);
                for decorator in &def.decorator_list {
                    self.expr(&decorator.expression, 0);
                }
                if let Some(arguments) = &def.arguments {
                    self.arguments(arguments, 0);
                }
            }
            Stmt::Return(s) => self.optional(s.value.as_deref()),
            Stmt::Delete(s) => s.targets.iter().for_each(|t| self.target(t, 0)),
            Stmt::TypeAlias(s) => self.target(&s.name, 0),
            Stmt::Assign(s) => {
                self.expr(&s.value, 0);
                s.targets.iter().for_each(|t| self.target(t, 0));
            }
            Stmt::AugAssign(s) => {
                self.expr(&s.value, 0);
                self.target(&s.target, 0);
            }
            Stmt::AnnAssign(s) => {
                self.optional(s.value.as_deref());
                self.target(&s.target, 0);
            }
            Stmt::For(s) => {
                self.expr(&s.iter, 0);
                self.target(&s.target, 0);
                self.block(&s.body, inner);
                self.block(&s.orelse, inner);
            }
            Stmt::While(s) => {
                self.expr(&s.test, 0);
                self.block(&s.body, inner);
                self.block(&s.orelse, inner);
            }
            Stmt::If(s) => {
                self.expr(&s.test, 0);
                self.block(&s.body, inner);
                for clause in &s.elif_else_clauses {
                    self.optional(clause.test.as_ref());
                    self.block(&clause.body, inner);
                }
            }
            Stmt::With(s) => {
                for item in &s.items {
                    self.expr(&item.context_expr, 0);
                    if let Some(target) = &item.optional_vars {
                        self.target(target, 0);
                    }
                }
                self.block(&s.body, inner);
            }
            Stmt::Match(s) => {
                self.expr(&s.subject, 0);
                for case in &s.cases {
                    self.pattern(&case.pattern, 0);
                    self.optional(case.guard.as_deref());
                    self.block(&case.body, inner);
                }
            }
            Stmt::Raise(s) => {
                self.optional(s.exc.as_deref());
                self.optional(s.cause.as_deref());
            }
            Stmt::Try(s) => {
                self.block(&s.body, inner);
                for ast::ExceptHandler::ExceptHandler(handler) in &s.handlers {
                    self.optional(handler.type_.as_deref());
                    if let Some(name) = &handler.name {
                        self.bind(name);
                    }
                    self.block(&handler.body, inner);
                }
                self.block(&s.orelse, inner);
                self.block(&s.finalbody, inner);
            }
            Stmt::Assert(s) => {
                self.expr(&s.test, 0);
                self.optional(s.msg.as_deref());
            }
            Stmt::Import(s) => {
                for alias in &s.names {
                    match &alias.asname {
                        Some(name) => self.bind(name),
                        None => self.bind(alias.name.split('.').next().unwrap_or_default()),
                    }
                }
            }
            Stmt::ImportFrom(s) => {
                for alias in &s.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    if name.as_str() != "*" {
                        self.bind(name);
                    }
                }
            }
            Stmt::Global(s) => {
                for name in &s.names {
                    let name = (self.intern)(name);
                    self.scope.names.insert(name, Binding::Global);
                }
            }
            Stmt::Nonlocal(s) => {
                for name in &s.names {
                    let name = (self.intern)(name);
                    self.scope.names.insert(name, Binding::Nonlocal);
                }
            }
            Stmt::Expr(s) => self.expr(&s.value, 0),
            Stmt::Pass(_) | Stmt::Break(_) | Stmt::Continue(_) | Stmt::IpyEscapeCommand(_) => {}
        }
    }

    fn target(&mut self, target: &Expr, depth: u32) {
        if depth > MAX_DEPTH {
            return;
        }
        match target {
            Expr::Name(name) => self.bind(&name.id),
            Expr::Tuple(t) => t.elts.iter().for_each(|e| self.target(e, depth + 1)),
            Expr::List(t) => t.elts.iter().for_each(|e| self.target(e, depth + 1)),
            Expr::Starred(t) => self.target(&t.value, depth + 1),
            other => self.expr(other, depth + 1),
        }
    }

    fn pattern(&mut self, pattern: &Pattern, depth: u32) {
        if depth > MAX_DEPTH {
            return;
        }
        let inner = depth + 1;
        match pattern {
            Pattern::MatchValue(_) | Pattern::MatchSingleton(_) => {}
            Pattern::MatchSequence(p) => p.patterns.iter().for_each(|p| self.pattern(p, inner)),
            Pattern::MatchMapping(p) => {
                p.patterns.iter().for_each(|p| self.pattern(p, inner));
                if let Some(name) = &p.rest {
                    self.bind(name);
                }
            }
            Pattern::MatchClass(p) => {
                for p in &p.arguments.patterns {
                    self.pattern(p, inner);
                }
                for keyword in &p.arguments.keywords {
                    self.pattern(&keyword.pattern, inner);
                }
            }
            Pattern::MatchStar(p) => {
                if let Some(name) = &p.name {
                    self.bind(name);
                }
            }
            Pattern::MatchAs(p) => {
                if let Some(p) = &p.pattern {
                    self.pattern(p, inner);
                }
                if let Some(name) = &p.name {
                    self.bind(name);
                }
            }
            Pattern::MatchOr(p) => p.patterns.iter().for_each(|p| self.pattern(p, inner)),
        }
    }

    fn optional(&mut self, expr: Option<&Expr>) {
        if let Some(expr) = expr {
            self.expr(expr, 0);
        }
    }

    fn defaults(&mut self, parameters: &ast::Parameters) {
        if self.has_walrus {
            for parameter in parameters.iter_non_variadic_params() {
                self.optional(parameter.default.as_deref());
            }
        }
    }

    fn arguments(&mut self, arguments: &ast::Arguments, depth: u32) {
        if self.has_walrus {
            arguments.args.iter().for_each(|e| self.expr(e, depth));
            for keyword in &arguments.keywords {
                self.expr(&keyword.value, depth);
            }
        }
    }

    /// Binds the targets of the walruses in an expression. A lambda's body has its own scope; a comprehension
    /// has none for this purpose.
    pub(crate) fn expr(&mut self, expr: &Expr, depth: u32) {
        if !self.has_walrus || depth > MAX_DEPTH {
            return;
        }
        let mut walker = Walruses {
            collector: self,
            depth,
        };
        ast::visitor::Visitor::visit_expr(&mut walker, expr);
    }
}

struct Walruses<'c, 's, F> {
    collector: &'c mut Collector<'s, F>,
    depth: u32,
}

impl<'a, F: FnMut(&str) -> Symbol> ast::visitor::Visitor<'a> for Walruses<'_, '_, F> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        if self.depth > MAX_DEPTH {
            return;
        }
        self.depth += 1;
        stacker::maybe_grow(64 << 10, 1 << 20, || match expr {
            Expr::Named(named) => {
                if let Expr::Name(name) = &*named.target {
                    self.collector.bind(&name.id);
                }
                self.visit_expr(&named.value);
            }
            Expr::Lambda(lambda) => {
                if let Some(parameters) = &lambda.parameters {
                    self.collector.defaults(parameters);
                }
            }
            _ => ast::visitor::walk_expr(self, expr),
        });
        self.depth -= 1;
    }
}

//! From the parser's syntax tree to the IR.

mod expr;
mod pattern;
mod stmt;

use std::cell::Cell;

use pyward_ir::{
    Block, ClassIndex, Diagnostic, Expr, ExprId, ExprKind, FileIr, Function, FunctionIndex,
    FunctionKind, Span, Stmt, StmtId, StmtKind, Symbol, Var,
};
use ruff_python_ast as ast;
use ruff_text_size::{Ranged, TextRange};
use rustc_hash::FxHashMap;

use crate::exports::Exports;
use crate::scope::{Binding, Collector, Scope};
use crate::{MAX_DEPTH, Options};

/// Free stack asked for every [`STACK_CHECK`] levels, and what is added when it is not there.
const RED_ZONE: usize = 256 << 10;
const STACK_STEP: usize = 2 << 20;
const STACK_CHECK: u32 = 16;

pub(crate) fn span(range: TextRange) -> Span {
    Span {
        start: range.start().to_u32(),
        end: range.end().to_u32(),
    }
}

/// Lowers a module. Also says whether something in it was nested deeper than [`MAX_DEPTH`].
pub(crate) fn module(text: &str, options: Options, body: &[ast::Stmt]) -> (FileIr, bool) {
    let whole = Span {
        start: 0,
        end: u32::try_from(text.len()).unwrap_or(u32::MAX),
    };
    let (exprs, stmts) = SCRATCH.take();
    let mut lowering = Lowering {
        text,
        is_stub: options.is_stub,
        // Annotations in strings may hold one too, but bind nothing there.
        has_walrus: memchr::memmem::find(text.as_bytes(), b":=").is_some(),
        file: FileIr {
            exprs,
            stmts,
            ..FileIr::default()
        },
        scopes: Vec::new(),
        symbols: FxHashMap::default(),
        private_to: None,
        qualifiers: Vec::new(),
        depth: 0,
        too_deep: None,
        exports: Exports::default(),
        is_relocated: false,
    };
    let name = lowering.symbol("<module>");
    let function = lowering.enter(FunctionKind::Module, name, name, whole, whole);
    lowering.file.functions[0].qualname = lowering.symbol("");
    let block = lowering.block(body);
    lowering.leave(function, block);
    let mut file = lowering.file;
    file.exports = lowering.exports.finish();
    if let Some(span) = lowering.too_deep {
        file.diagnostics.push(Diagnostic {
            message: format!("Nested more than {MAX_DEPTH} deep: the inner part is left out"),
            span,
        });
    }
    let (mut exprs, mut stmts) = (file.exprs, file.stmts);
    file.exprs = Vec::with_capacity(exprs.len());
    file.exprs.append(&mut exprs);
    file.stmts = Vec::with_capacity(stmts.len());
    file.stmts.append(&mut stmts);
    exprs.shrink_to(MAX_SCRATCH);
    stmts.shrink_to(MAX_SCRATCH);
    SCRATCH.set((exprs, stmts));
    (file, lowering.too_deep.is_some())
}

thread_local! {
    /// Where a file's expressions and statements grow, for one file after the other: what stays of a file has the size
    /// that it needs.
    static SCRATCH: Cell<(Vec<Expr>, Vec<Stmt>)> = const { Cell::new((Vec::new(), Vec::new())) };
}

/// Most elements that room is kept for.
const MAX_SCRATCH: usize = 1 << 17;

/// The state of lowering one file.
struct Lowering<'t> {
    text: &'t str,
    is_stub: bool,
    has_walrus: bool,
    file: FileIr,
    /// The functions at hand, the module first.
    scopes: Vec<Scope>,
    /// Symbols met in this file, in front of the table that all threads share.
    symbols: FxHashMap<&'static str, Symbol>,
    /// The class whose private names (`__x`) are mangled at hand, without its leading underscores.
    private_to: Option<String>,
    /// Names of the functions and classes at hand.
    qualifiers: Vec<Symbol>,
    depth: u32,
    too_deep: Option<Span>,
    exports: Exports,
    /// Whether the nodes at hand come from a string annotation with escapes.
    is_relocated: bool,
}

impl Lowering<'_> {
    fn symbol(&mut self, text: &str) -> Symbol {
        cached(&mut self.symbols, text)
    }

    /// The symbol of an identifier, mangled where it is private to the class at hand.
    fn identifier(&mut self, name: &str) -> Symbol {
        mangled(&mut self.symbols, self.private_to.as_deref(), name)
    }

    fn push_expr(&mut self, kind: ExprKind, range: TextRange) -> ExprId {
        let id = ExprId(u32::try_from(self.file.exprs.len()).unwrap_or(u32::MAX));
        self.file.exprs.push(Expr {
            kind,
            span: span(range),
        });
        id
    }

    fn push_stmt(&mut self, kind: StmtKind, span: Span) -> StmtId {
        let id = StmtId(u32::try_from(self.file.stmts.len()).unwrap_or(u32::MAX));
        self.file.stmts.push(Stmt { kind, span });
        id
    }

    /// Runs `f` one level deeper, on more stack where needed; nothing below [`MAX_DEPTH`].
    #[inline]
    fn deeper<T>(&mut self, range: TextRange, f: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth >= MAX_DEPTH {
            self.too_deep.get_or_insert(span(range));
            return None;
        }
        self.depth += 1;
        let result = if self.depth.is_multiple_of(STACK_CHECK) {
            stacker::maybe_grow(RED_ZONE, STACK_STEP, || f(self))
        } else {
            f(self)
        };
        self.depth -= 1;
        Some(result)
    }

    /// Adds a function and makes its scope the one at hand.
    fn enter(
        &mut self,
        kind: FunctionKind,
        name: Symbol,
        display: Symbol,
        name_span: Span,
        span: Span,
    ) -> FunctionIndex {
        let index = FunctionIndex(u32::try_from(self.file.functions.len()).unwrap_or(u32::MAX));
        let qualname = self.qualified(display);
        let parent = self.scopes.last();
        self.file.functions.push(Function {
            name,
            qualname,
            kind,
            params: Vec::new(),
            locals: Vec::new(),
            captured: Vec::new(),
            body: Block::default(),
            decorators: Box::default(),
            returns: None,
            parent: parent.map(|scope| scope.function),
            class: parent.and_then(|scope| scope.class),
            is_async: false,
            is_generator: false,
            name_span,
            span,
        });
        self.scopes.push(Scope::new(index, kind));
        if kind != FunctionKind::Module {
            self.qualifiers.push(display);
        }
        index
    }

    /// Ends the function at hand.
    fn leave(&mut self, index: FunctionIndex, body: Block) {
        let Some(mut scope) = self.scopes.pop() else {
            return;
        };
        if scope.kind != FunctionKind::Module {
            self.qualifiers.pop();
        }
        scope.captured.sort_unstable();
        scope.captured.dedup();
        let function = &mut self.file.functions[index.0 as usize];
        function.body = body;
        function.locals = scope.locals;
        function.captured = scope.captured;
        function.is_generator = scope.is_generator;
    }

    fn qualified(&mut self, name: Symbol) -> Symbol {
        if self.qualifiers.is_empty() {
            return name;
        }
        let mut text = String::new();
        for qualifier in &self.qualifiers {
            text.push_str(qualifier.as_str());
            text.push('.');
        }
        text.push_str(name.as_str());
        Symbol::new(&text)
    }

    fn scope(&mut self) -> &mut Scope {
        // The module's scope is there from beginning to end.
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    /// Binds what the statements of the function at hand bind.
    fn collect(&mut self, body: &[ast::Stmt]) {
        let depth = self.depth;
        self.collector(|collector| collector.block(body, depth));
    }

    /// Binds what the walruses of a lambda's body bind.
    fn collect_expr(&mut self, body: &ast::Expr) {
        let depth = self.depth;
        self.collector(|collector| collector.expr(body, depth));
    }

    fn collector(&mut self, f: impl FnOnce(&mut Collector<'_, &mut dyn FnMut(&str) -> Symbol>)) {
        let Some(scope) = self.scopes.last_mut() else {
            return;
        };
        let symbols = &mut self.symbols;
        let private_to = self.private_to.as_deref();
        f(&mut Collector {
            scope,
            intern: &mut |name: &str| mangled(symbols, private_to, name),
            has_walrus: self.has_walrus,
        });
    }

    /// The variable that a read of `name` means.
    fn read(&mut self, name: Symbol) -> Var {
        let top = self.scopes.len() - 1;
        for at in (0..=top).rev() {
            let scope = &mut self.scopes[at];
            let overlay = scope.overlay.iter().rev().find(|(n, _)| *n == name);
            let slot = if let Some((_, slot)) = overlay {
                *slot
            } else {
                match scope.kind {
                    FunctionKind::Module => break,
                    FunctionKind::ClassBody => {
                        // Nested functions and comprehensions do not see names of a class body. A name read
                        // before the body binds it is one of the enclosing scopes.
                        let is_visible = at == top
                            && scope.comprehensions == 0
                            && (self.is_stub || scope.bound.contains(&name));
                        let declared = scope.names.get(&name);
                        match declared {
                            Some(Binding::Local(slot)) if is_visible => *slot,
                            Some(Binding::Global) if at == top => break,
                            _ => continue,
                        }
                    }
                    FunctionKind::Def | FunctionKind::Lambda => match scope.names.get(&name) {
                        Some(Binding::Local(slot)) => *slot,
                        Some(Binding::Global) if at == top => break,
                        // A `global` of an enclosing function says what that function means by the name.
                        Some(Binding::Global) => return Var::Global(name),
                        Some(Binding::Nonlocal) | None => continue,
                    },
                }
            };
            if at == top {
                return Var::Local(slot);
            }
            scope.captured.push(slot);
            return Var::Captured {
                function: scope.function,
                slot,
            };
        }
        Var::Global(name)
    }

    /// The variable that binding `name` means; in a comprehension's target, a slot of its own.
    fn write(&mut self, name: Symbol) -> Var {
        let scope = self.scope();
        let found = scope.overlay.iter().rev().find(|(n, _)| *n == name);
        if let Some((_, slot)) = found {
            return Var::Local(*slot);
        }
        self.write_plain(name)
    }

    /// As [`Self::write`], past the comprehensions at hand: what a walrus binds.
    fn write_plain(&mut self, name: Symbol) -> Var {
        let scope = self.scope();
        if scope.kind == FunctionKind::Module {
            return Var::Global(name);
        }
        if scope.kind == FunctionKind::ClassBody {
            scope.bound.insert(name);
        }
        scope.bind(name);
        match scope.names[&name] {
            Binding::Local(slot) => Var::Local(slot),
            Binding::Global => Var::Global(name),
            Binding::Nonlocal => self.read(name),
        }
    }

    /// Puts a new slot over `name` for as long as the overlay stands.
    fn overlay(&mut self, name: Symbol) {
        let scope = self.scope();
        let slot = scope.fresh(name);
        scope.overlay.push((name, slot));
    }

    /// Lowers type parameters: each is a slot of the function at hand until `f` is done.
    fn with_type_params<T>(
        &mut self,
        params: Option<&ast::TypeParams>,
        f: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let base = self.scope().overlay.len();
        for param in params.into_iter().flatten() {
            let name = self.identifier(param.name());
            self.overlay(name);
        }
        for param in params.into_iter().flatten() {
            if let ast::TypeParam::TypeVar(var) = param
                && let Some(bound) = &var.bound
            {
                self.annotation(bound);
            }
            if let Some(default) = param.default() {
                self.annotation(default);
            }
        }
        let result = f(self);
        self.scope().overlay.truncate(base);
        result
    }

    /// The class that the statement at hand stands directly in.
    fn class_at_hand(&self) -> Option<ClassIndex> {
        self.scopes.last().and_then(|scope| scope.class)
    }
}

fn cached(symbols: &mut FxHashMap<&'static str, Symbol>, text: &str) -> Symbol {
    if let Some(&symbol) = symbols.get(text) {
        return symbol;
    }
    let symbol = Symbol::new(text);
    symbols.insert(symbol.as_str(), symbol);
    symbol
}

fn mangled(
    symbols: &mut FxHashMap<&'static str, Symbol>,
    private_to: Option<&str>,
    name: &str,
) -> Symbol {
    match private_to {
        Some(class) if name.starts_with("__") && !name.ends_with("__") && !name.contains('.') => {
            cached(symbols, &format!("_{class}{name}"))
        }
        _ => cached(symbols, name),
    }
}

/// Range from the start of one node to the end of another.
fn header(start: &impl Ranged, end: &impl Ranged) -> Span {
    Span {
        start: start.start().to_u32(),
        end: end.end().to_u32(),
    }
}

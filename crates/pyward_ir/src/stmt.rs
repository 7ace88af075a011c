//! Statements, assignment targets and patterns.
#![allow(
    missing_docs,
    reason = "fields are explained by the doc comment of their variant"
)]

use crate::{BinaryOp, ClassIndex, Const, ExprId, FunctionIndex, Span, Symbol};

/// Index of a statement in [`crate::FileIr::stmts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StmtId(pub u32);

/// Index of a pattern in [`crate::FileIr::patterns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PatternId(pub u32);

/// Statements in order.
pub type Block = Box<[StmtId]>;

/// A statement and where it stands.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// Byte range of the whole statement; of compound statements only of the header.
    pub span: Span,
}

/// A resolved variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Var {
    /// Slot of the function at hand (also of comprehension targets inside it).
    Local(u32),
    /// Slot `slot` of the enclosing function `function` of the same file (closure cell, `nonlocal`).
    Captured { function: FunctionIndex, slot: u32 },
    /// Module-level name, or a builtin where the module has none. All names bound at module level, and
    /// those declared `global`, are of this kind even in the module's own body.
    Global(Symbol),
}

/// The kinds of statement. `pass`, `global`, `nonlocal` and constant expressions (docstrings) are dropped.
#[derive(Clone, Debug)]
pub enum StmtKind {
    /// An expression evaluated for its effect.
    Expr(ExprId),
    /// `a = b = value`; also `type X = value` and class-level annotations with a value.
    Assign {
        targets: Box<[Target]>,
        value: ExprId,
        annotation: Option<ExprId>,
    },
    /// `target: annotation` without value.
    Declare { target: Target, annotation: ExprId },
    /// `target op= value`
    AugAssign {
        target: Target,
        op: BinaryOp,
        value: ExprId,
    },
    /// `del a, b`
    Delete(Box<[Target]>),
    /// `return value`
    Return(Option<ExprId>),
    /// `raise exception from cause`
    Raise {
        exception: Option<ExprId>,
        cause: Option<ExprId>,
    },
    /// `assert test, message`
    Assert {
        test: ExprId,
        message: Option<ExprId>,
    },
    /// `if`; `elif` is nested in `orelse`.
    If {
        test: ExprId,
        body: Block,
        orelse: Block,
    },
    /// `while ... else`
    While {
        test: ExprId,
        body: Block,
        orelse: Block,
    },
    /// `for ... in ... else`
    For {
        target: Target,
        iter: ExprId,
        body: Block,
        orelse: Block,
        is_async: bool,
    },
    /// `with`
    With {
        items: Box<[WithItem]>,
        body: Block,
        is_async: bool,
    },
    /// `try`
    Try {
        body: Block,
        handlers: Box<[Handler]>,
        orelse: Block,
        finally: Block,
        is_star: bool,
    },
    /// `match`
    Match {
        subject: ExprId,
        cases: Box<[MatchCase]>,
    },
    /// `def`: binds `target` to the decorated function.
    Function {
        function: FunctionIndex,
        target: Var,
    },
    /// `class`: binds `target` to the decorated class.
    Class { class: ClassIndex, target: Var },
    /// `import a.b as c`: with `alias` the target is the module `a.b`, without it is the root `a`.
    Import {
        module: Symbol,
        has_alias: bool,
        target: Var,
    },
    /// `from ..module import a as b`
    ImportFrom {
        module: Option<Symbol>,
        level: u32,
        names: Box<[Alias]>,
        star: bool,
    },
    /// `break`
    Break,
    /// `continue`
    Continue,
}

/// `name as target` of a from-import.
#[derive(Clone, Copy, Debug)]
pub struct Alias {
    /// The name in the other module.
    pub name: Symbol,
    /// The variable it is bound to.
    pub target: Var,
    /// Where it stands.
    pub span: Span,
}

/// `context as target`
#[derive(Clone, Debug)]
pub struct WithItem {
    /// The context manager.
    pub context: ExprId,
    /// What `as` binds.
    pub target: Option<Target>,
}

/// `except type as name:`
#[derive(Clone, Debug)]
pub struct Handler {
    /// The exception class or tuple of classes; none for a bare `except:`.
    pub exception: Option<ExprId>,
    /// What `as` binds.
    pub target: Option<Var>,
    /// Its statements.
    pub body: Block,
    /// The header's byte range.
    pub span: Span,
    /// Whether the source body holds nothing but `pass`, `...` or `continue`.
    pub swallows: bool,
}

/// `case pattern if guard:`
#[derive(Clone, Debug)]
pub struct MatchCase {
    /// The pattern.
    pub pattern: PatternId,
    /// The `if` part.
    pub guard: Option<ExprId>,
    /// Its statements.
    pub body: Block,
}

/// What is assigned to.
#[derive(Clone, Debug)]
pub enum Target {
    /// A variable.
    Var(Var, Span),
    /// `value.attr = ...`
    Attribute {
        value: ExprId,
        attr: Symbol,
        span: Span,
    },
    /// `value[index] = ...`
    Subscript {
        value: ExprId,
        index: ExprId,
        span: Span,
    },
    /// `a, *b, c = ...`
    Sequence(Box<[Target]>),
    /// `*rest` inside a sequence.
    Starred(Box<Target>),
    /// Not assignable (syntax error).
    Error,
}

/// A pattern of `match`.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// A value compared by `==`.
    Value(ExprId),
    /// `None`, `True`, `False`, compared by `is`.
    Singleton(Const),
    /// `name`, `_` (no variable) or `pattern as name`.
    Capture {
        pattern: Option<PatternId>,
        target: Option<Var>,
    },
    /// `[a, b, *rest]`
    Sequence(Box<[PatternId]>),
    /// `*rest` in a sequence pattern.
    Star(Option<Var>),
    /// `{key: pattern, **rest}`
    Mapping {
        entries: Box<[(ExprId, PatternId)]>,
        rest: Option<Var>,
    },
    /// `Class(a, b, name=c)`
    Class {
        class: ExprId,
        positional: Box<[PatternId]>,
        keywords: Box<[(Symbol, PatternId)]>,
    },
    /// `a | b`
    Or(Box<[PatternId]>),
}

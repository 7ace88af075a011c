//! Expressions.
#![allow(
    missing_docs,
    reason = "fields are explained by the doc comment of their variant"
)]

use crate::{FunctionIndex, Span, Symbol, Target, Var};

/// Index of an expression in [`crate::FileIr::exprs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExprId(pub u32);

/// An expression and where it stands in the source.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Byte range in the file.
    pub span: Span,
}

/// The kinds of expression.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A literal; implicitly joined string literals are one.
    Const(Const),
    /// A read of a variable.
    Name(Var),
    /// `value.attr`
    Attribute {
        value: ExprId,
        attr: Symbol,
        attr_span: Span,
    },
    /// `value[index]`; the index of `a[1:2]` is a [`ExprKind::Slice`].
    Subscript { value: ExprId, index: ExprId },
    /// `lower:upper:step` inside a subscript.
    Slice {
        lower: Option<ExprId>,
        upper: Option<ExprId>,
        step: Option<ExprId>,
    },
    /// A call; arguments in source order.
    Call { callee: ExprId, args: Box<[Arg]> },
    /// `left op right`
    Binary {
        op: BinaryOp,
        left: ExprId,
        right: ExprId,
    },
    /// `op operand`
    Unary { op: UnaryOp, operand: ExprId },
    /// `left op a op b ...`: chained comparisons.
    Compare {
        left: ExprId,
        rest: Box<[(CompareOp, ExprId)]>,
    },
    /// `a and b and c`, `a or b`.
    Bool { op: BoolOp, values: Box<[ExprId]> },
    /// `body if test else orelse`
    IfElse {
        test: ExprId,
        body: ExprId,
        orelse: ExprId,
    },
    /// `lambda ...: ...`; its body is a function whose only statement is a return.
    Lambda(FunctionIndex),
    /// `(a, b)`
    Tuple(Box<[ExprId]>),
    /// `[a, b]`
    List(Box<[ExprId]>),
    /// `{a, b}`
    Set(Box<[ExprId]>),
    /// `{k: v, **rest}`; a missing key means `**value`.
    Dict(Box<[(Option<ExprId>, ExprId)]>),
    /// Comprehension or generator expression. Its targets are slots of the enclosing function that no other
    /// scope names, so it needs no function of its own.
    Comprehension(Box<Comprehension>),
    /// f-string: literal and replacement parts in order.
    FString(Box<[InterpolatedPart]>),
    /// t-string (PEP 750).
    TString(Box<[InterpolatedPart]>),
    /// `await value`
    Await(ExprId),
    /// `yield value`
    Yield(Option<ExprId>),
    /// `yield from value`
    YieldFrom(ExprId),
    /// `(target := value)`
    Named { target: Var, value: ExprId },
    /// `*value` in a list, tuple, set or call-like place.
    Starred(ExprId),
    /// Where the parser found no expression (syntax error).
    Error,
}

/// A literal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Const {
    /// `None`
    None,
    /// `...`
    Ellipsis,
    /// `True`, `False`
    Bool(bool),
    /// An integer that fits; others are [`Const::Opaque`].
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A string.
    Str(Symbol),
    /// A bytes literal, its bytes as Latin-1 text.
    Bytes(Symbol),
    /// A number too large to keep, or a complex one.
    Opaque,
}

/// One argument of a call.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// How it is passed.
    pub kind: ArgKind,
    /// The value passed.
    pub value: ExprId,
}

/// How an argument is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    /// `f(x)`
    Positional,
    /// `f(*x)`
    Star,
    /// `f(name=x)`
    Keyword(Symbol),
    /// `f(**x)`
    DoubleStar,
}

/// Binary operators.
#[allow(missing_docs, reason = "named as in Python's grammar")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    MatMul,
    Div,
    FloorDiv,
    Mod,
    Pow,
    LShift,
    RShift,
    BitOr,
    BitXor,
    BitAnd,
}

/// Unary operators.
#[allow(missing_docs, reason = "named as in Python's grammar")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    Not,
    Neg,
    Pos,
    Invert,
}

/// Boolean operators.
#[allow(missing_docs, reason = "named as in Python's grammar")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoolOp {
    And,
    Or,
}

/// Comparison operators.
#[allow(missing_docs, reason = "named as in Python's grammar")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareOp {
    Eq,
    NotEq,
    Lt,
    LtE,
    Gt,
    GtE,
    Is,
    IsNot,
    In,
    NotIn,
}

/// A comprehension or generator expression.
#[derive(Clone, Debug)]
pub struct Comprehension {
    /// What it builds.
    pub kind: ComprehensionKind,
    /// The element; the key of a dictionary comprehension.
    pub element: ExprId,
    /// The value of a dictionary comprehension.
    pub value: Option<ExprId>,
    /// Its `for` clauses, outermost first.
    pub generators: Box<[Generator]>,
}

/// What a comprehension builds.
#[allow(missing_docs, reason = "named as in Python's grammar")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComprehensionKind {
    List,
    Set,
    Dict,
    Generator,
}

/// One `for target in iter if cond ...` clause.
#[derive(Clone, Debug)]
pub struct Generator {
    /// What each element is bound to.
    pub target: Target,
    /// What is iterated.
    pub iter: ExprId,
    /// The `if` clauses.
    pub conditions: Box<[ExprId]>,
    /// `async for`
    pub is_async: bool,
}

/// A part of an f-string or t-string.
#[derive(Clone, Debug)]
pub enum InterpolatedPart {
    /// Literal text, `{{` and `}}` unescaped.
    Literal(Symbol),
    /// `{value!conversion:spec}`
    Value {
        /// The expression.
        value: ExprId,
        /// `!r`, `!s`, `!a`, or `=` alone (which means `!r`).
        conversion: Conversion,
        /// The format specification, itself an f-string or constant.
        spec: Option<ExprId>,
    },
}

/// Conversion flag of a replacement field.
#[allow(missing_docs, reason = "named as in Python's grammar")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    None,
    Str,
    Repr,
    Ascii,
}

//! The intermediate representation (IR) that every stage after parsing reads.
//!
//! One [`FileIr`] per source file: arenas of functions, classes, statements and expressions that refer to
//! each other by index. Names are interned ([`Symbol`]); scopes are resolved ([`Var`]); syntax sugar that
//! means the same is gone, but the control structure (`if`, `while`, `try`, ...) is kept as a tree, because
//! the flow engine interprets it directly. Nothing here knows the parser's syntax tree.

mod expr;
mod file;
mod stmt;
mod symbol;
mod visit;

pub use expr::{
    Arg, ArgKind, BinaryOp, BoolOp, CompareOp, Comprehension, ComprehensionKind, Const, Conversion,
    Expr, ExprId, ExprKind, Generator, InterpolatedPart, UnaryOp,
};
pub use file::{
    Class, ClassIndex, Diagnostic, FileIr, Function, FunctionIndex, FunctionKind, LineIndex, Param,
    ParamKind, Span,
};
pub use stmt::{
    Alias, Block, Handler, MatchCase, Pattern, PatternId, Stmt, StmtId, StmtKind, Target, Var,
    WithItem,
};
pub use symbol::Symbol;
pub use visit::target_exprs;

//! A file's IR: its functions, classes and positions.

use crate::{Block, Expr, ExprId, Pattern, PatternId, Stmt, StmtId, Symbol};

/// A half-open byte range in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// Index of a function in [`FileIr::functions`]; 0 is the module's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionIndex(pub u32);

/// Index of a class in [`FileIr::classes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassIndex(pub u32);

/// Everything later stages know of one file.
#[derive(Debug, Default)]
pub struct FileIr {
    /// Functions, lambdas, class bodies; index 0 is the module's body. An enclosing function stands
    /// before those nested in it.
    pub functions: Vec<Function>,
    /// Classes.
    pub classes: Vec<Class>,
    /// Expressions.
    pub exprs: Vec<Expr>,
    /// Statements.
    pub stmts: Vec<Stmt>,
    /// Patterns.
    pub patterns: Vec<Pattern>,
    /// `__all__`, where it can be read off the text.
    pub exports: Option<Vec<Symbol>>,
    /// Syntax errors; what parses around them is in the arenas.
    pub diagnostics: Vec<Diagnostic>,
}

/// A syntax error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub span: Span,
}

/// What kind of code a [`Function`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionKind {
    /// The module's own statements.
    Module,
    /// `def`
    Def,
    /// `lambda`
    Lambda,
    /// The statements of a class, run once when the class is made. Names bound in it are its slots.
    ClassBody,
}

/// A function, lambda, class body or module body.
#[derive(Debug)]
pub struct Function {
    /// Its name; `<module>`, `<lambda>` or the class's name where there is none.
    pub name: Symbol,
    /// Dotted name below the module, such as `Class.method` or `outer.inner`; empty for the module.
    pub qualname: Symbol,
    /// What kind of code.
    pub kind: FunctionKind,
    /// Parameters in order: positional-only, normal, `*args`, keyword-only, `**kwargs`.
    pub params: Vec<Param>,
    /// Name of each slot. Slots of parameters come first, in order.
    pub locals: Vec<Symbol>,
    /// Slots that nested functions read or write.
    pub captured: Vec<u32>,
    /// Statements.
    pub body: Block,
    /// Decorators, top first; evaluated in the enclosing scope.
    pub decorators: Box<[ExprId]>,
    /// Return annotation; string annotations are parsed.
    pub returns: Option<ExprId>,
    /// The enclosing function.
    pub parent: Option<FunctionIndex>,
    /// The class whose body it stands directly in.
    pub class: Option<ClassIndex>,
    /// `async def`
    pub is_async: bool,
    /// Has a `yield` of its own.
    pub is_generator: bool,
    /// Where its name stands (the whole lambda for a lambda).
    pub name_span: Span,
    /// The whole of it, decorators included.
    pub span: Span,
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name.
    pub name: Symbol,
    /// How it is passed.
    pub kind: ParamKind,
    /// Its annotation, evaluated in the enclosing scope; string annotations are parsed.
    pub annotation: Option<ExprId>,
    /// Its default, evaluated in the enclosing scope.
    pub default: Option<ExprId>,
    /// Where its name stands.
    pub span: Span,
}

/// How a parameter is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// Before `/`
    PositionalOnly,
    /// By position or name.
    Normal,
    /// `*args`
    Star,
    /// After `*`
    KeywordOnly,
    /// `**kwargs`
    DoubleStar,
}

/// A class.
#[derive(Debug)]
pub struct Class {
    /// Its name.
    pub name: Symbol,
    /// Dotted name below the module.
    pub qualname: Symbol,
    /// Its body, a function of kind [`FunctionKind::ClassBody`].
    pub body: FunctionIndex,
    /// Base classes, evaluated in the enclosing scope.
    pub bases: Box<[ExprId]>,
    /// `metaclass=...` and other keywords.
    pub keywords: Box<[(Symbol, ExprId)]>,
    /// Decorators, top first.
    pub decorators: Box<[ExprId]>,
    /// The function that the class statement stands in.
    pub parent: FunctionIndex,
    /// Methods: functions defined directly in the body, in order.
    pub methods: Vec<FunctionIndex>,
    /// Where its name stands.
    pub name_span: Span,
    /// The header's byte range.
    pub span: Span,
}

impl FileIr {
    /// The expression behind an id.
    #[must_use]
    pub fn expr(&self, id: ExprId) -> &Expr {
        &self.exprs[id.0 as usize]
    }

    /// The statement behind an id.
    #[must_use]
    pub fn stmt(&self, id: StmtId) -> &Stmt {
        &self.stmts[id.0 as usize]
    }

    /// The pattern behind an id.
    #[must_use]
    pub fn pattern(&self, id: PatternId) -> &Pattern {
        &self.patterns[id.0 as usize]
    }

    /// The function behind an index.
    #[must_use]
    pub fn function(&self, index: FunctionIndex) -> &Function {
        &self.functions[index.0 as usize]
    }

    /// The class behind an index.
    #[must_use]
    pub fn class(&self, index: ClassIndex) -> &Class {
        &self.classes[index.0 as usize]
    }
}

/// Start offsets of a text's lines.
#[derive(Clone, Debug, Default)]
pub struct LineIndex {
    starts: Vec<u32>,
}

impl LineIndex {
    /// Finds the line starts of `text`. `\n`, `\r\n` and a lone `\r` end a line.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![0];
        for at in memchr_lines(bytes) {
            starts.push(at);
        }
        Self { starts }
    }

    /// Line (from 1) and byte column (from 0) of an offset.
    #[must_use]
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let line = self.starts.partition_point(|&s| s <= offset);
        let start = self.starts.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        (u32::try_from(line).unwrap_or(u32::MAX), offset - start)
    }

    /// Offset at which a line (from 1) starts.
    #[must_use]
    pub fn line_start(&self, line: u32) -> Option<u32> {
        self.starts.get((line as usize).checked_sub(1)?).copied()
    }

    /// Number of lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Never: an empty text has one line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }
}

fn memchr_lines(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.iter().enumerate().filter_map(|(i, &b)| {
        let ends = b == b'\n' || (b == b'\r' && bytes.get(i + 1) != Some(&b'\n'));
        if ends {
            u32::try_from(i + 1).ok()
        } else {
            None
        }
    })
}

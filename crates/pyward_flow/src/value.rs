//! Abstract values: what an expression may be (its shape) and what untrusted data is in it (its marks).

use std::sync::Arc;

use pyward_ir::{Const, Span, Symbol};
use pyward_program::{ClassId, DirId, FileId, FunctionId};

/// An interned API path; see [`crate::api::ApiTable`].
///
/// Numbers depend on the order in which threads ask: never sort by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ApiId(pub(crate) u32);

/// A set of contexts (`sql`, `html`, ...), one bit each; see [`crate::models::Compiled::context`].
pub type Contexts = u32;

/// All contexts.
pub const ALL_CONTEXTS: Contexts = Contexts::MAX;

/// An abstract value.
#[derive(Clone, Debug, Default)]
pub struct Value {
    /// What it is.
    pub shape: Shape,
    /// Untrusted data in the value as a whole; contents of objects carry their own.
    pub marks: Marks,
}

/// What a value is, as far as known.
#[derive(Clone, Debug, Default)]
pub enum Shape {
    /// Anything.
    #[default]
    Unknown,
    /// Exactly this constant.
    Const(Const),
    /// One of a few shapes.
    Choice(Arc<[Shape]>),
    /// A string (or bytes) built from parts, some of them known.
    Text(Arc<Text>),
    /// Some value of a builtin type.
    Builtin(Builtin),
    /// An external module, class, function or variable by its API path.
    Api(ApiId),
    /// An instance of an external class, or the result of a call of unknown type.
    Instance(ApiId),
    /// An external method with its receiver.
    ApiMethod(ApiId, Arc<Value>),
    /// A method of a builtin type with its receiver, such as `"".join`.
    BuiltinMethod(Symbol, Arc<Value>),
    /// A module of the project.
    Module(FileId),
    /// A package without `__init__.py`, and its dotted name.
    Namespace(DirId, Symbol),
    /// A function of the project.
    Function(FunctionId),
    /// A function with the variables it captured, or a method with its receiver.
    Closure(Arc<Closure>),
    /// `functools.partial`-like: a callable with arguments already given.
    Partial(Arc<Partial>),
    /// A class of the project.
    Class(ClassId),
    /// An object on the abstract heap.
    Object(ObjectId),
    /// `super()` in a method of the class, with the receiver.
    Super(ClassId, Arc<Value>),
}

/// Builtin types whose values are not tracked further.
#[allow(missing_docs, reason = "named as in Python")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Builtin {
    Str,
    Bytes,
    Int,
    Float,
    Bool,
    List,
    Tuple,
    Dict,
    Set,
    Slice,
    Iterator,
}

/// Index of an object on the abstract heap of one analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub u32);

/// A function value with context.
#[derive(Clone, Debug)]
pub struct Closure {
    /// The function.
    pub function: FunctionId,
    /// The receiver of a bound method.
    pub receiver: Option<Value>,
    /// Values of captured variables: (owner's index in the file, slot, value).
    pub captured: Vec<(u32, u32, Value)>,
}

/// A callable with arguments given in advance.
#[derive(Clone, Debug)]
pub struct Partial {
    /// The callable.
    pub callee: Value,
    /// Leading positional arguments.
    pub positional: Vec<Value>,
    /// Keyword arguments.
    pub keywords: Vec<(Symbol, Value)>,
}

/// A string built from parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// The known beginning.
    pub prefix: Symbol,
    /// All literal fragments, joined by a NUL where something unknown stands; bounded in length.
    pub literal: Symbol,
    /// Whether it is bytes.
    pub is_bytes: bool,
}

/// Where marked data comes from.
#[allow(missing_docs, reason = "the names say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A parameter of the function under analysis, at an access path.
    Param { index: u16, path: PathId },
    /// A source in the program.
    Source { kind: u8, file: FileId, span: Span },
}

/// Interned access path below a parameter; see [`crate::path`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathId(pub u32);

/// Marks that lower the confidence, or widen what a check proves.
pub mod flag {
    /// Passed through a call that no model describes.
    pub const OBSCURE: u8 = 1;
    /// A normalised absolute path: a prefix check is sound on it.
    pub const NORMALISED: u8 = 2;
    /// Reached a container whose content was read at an unknown key.
    pub const INEXACT: u8 = 4;
    /// Only the keys of a dictionary, not its values.
    pub const STORED: u8 = 8;
    /// No conversion or escape makes it harmless: a predictable number stays one.
    pub const STICKY: u8 = 16;
    /// What carries it is a digest of the data under a secret key: one that compares equal proves the data genuine.
    pub const KEYED: u8 = 32;
}

/// Untrusted data of one origin in a value.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Where it comes from.
    pub origin: Origin,
    /// Contexts it has been neutralised for.
    pub cleaned: Contexts,
    /// See [`flag`].
    pub flags: u8,
    /// How it came here.
    pub trace: Trace,
}

/// The path data took: a list from the newest step back to the source.
pub type Trace = Option<Arc<TraceNode>>;

/// One step of a trace, or two traces one after the other.
#[derive(Clone, Debug)]
pub struct TraceNode {
    /// The newest part: a step, or the trace inside a function that was called.
    pub part: TracePart,
    /// What came before.
    pub before: Trace,
    /// Number of steps up to here.
    pub length: u16,
}

/// The newest part of a trace.
#[derive(Clone, Debug)]
pub enum TracePart {
    /// One step.
    Step(Step),
    /// A whole trace, shared with the summary that it belongs to.
    Segment(Arc<TraceNode>),
}

/// What a step of a trace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StepKind {
    /// The data enters.
    Source,
    /// Assigned to the named variable, attribute or item.
    Assign,
    /// Passed to the named function.
    Call,
    /// Returned by the named function.
    Return,
    /// Passed through a call, which is named.
    Through,
    /// A route is registered, which is named.
    Registered,
    /// The named function handles it.
    Handled,
    /// The named function is called.
    Leads,
}

/// A place that data passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happened.
    pub kind: StepKind,
    /// File.
    pub file: FileId,
    /// Byte range.
    pub span: Span,
    /// The name that goes with the kind.
    pub name: Symbol,
}

/// Longest trace kept; further steps are dropped.
const MAX_TRACE: u16 = 24;

/// A trace with one more step.
#[must_use]
pub fn extend(before: &Trace, step: Step) -> Trace {
    let length = before.as_ref().map_or(0, |node| node.length);
    if length >= MAX_TRACE {
        return before.clone();
    }
    if let Some(node) = before
        && let TracePart::Step(last) = &node.part
        && last.file == step.file
        && last.span == step.span
        && last.kind == step.kind
    {
        return before.clone();
    }
    Some(Arc::new(TraceNode {
        part: TracePart::Step(step),
        before: before.clone(),
        length: length + 1,
    }))
}

/// `tail` after `head`, both shared.
#[must_use]
pub fn concat(head: &Trace, tail: &Trace) -> Trace {
    let Some(segment) = tail else {
        return head.clone();
    };
    let Some(first) = head else {
        return tail.clone();
    };
    if first.length >= MAX_TRACE {
        return head.clone();
    }
    Some(Arc::new(TraceNode {
        part: TracePart::Segment(Arc::clone(segment)),
        before: head.clone(),
        length: first.length + segment.length,
    }))
}

/// The steps of a trace, source first.
#[must_use]
pub fn steps(trace: &Trace) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut open: Vec<&Arc<TraceNode>> = trace.iter().collect();
    while let Some(node) = open.pop() {
        // What came before is read later: the list is turned round at the end.
        open.extend(node.before.iter());
        match &node.part {
            TracePart::Step(step) => {
                if steps.last() != Some(step) {
                    steps.push(*step);
                }
            }
            TracePart::Segment(segment) => open.push(segment),
        }
    }
    steps.reverse();
    steps
}

/// Most marks a value keeps; further origins are dropped, nearest first kept.
pub const MAX_MARKS: usize = 12;

/// An immutable, shared set of marks in the order in which they arrived.
#[derive(Clone, Debug, Default)]
pub struct Marks(Option<Arc<[Mark]>>);

impl Marks {
    /// No marks.
    pub const NONE: Self = Self(None);

    /// A set of one.
    #[must_use]
    pub fn one(mark: Mark) -> Self {
        Self(Some(Arc::new([mark])))
    }

    /// A set from a list without doubles.
    #[must_use]
    pub fn from_vec(marks: Vec<Mark>) -> Self {
        if marks.is_empty() {
            Self(None)
        } else {
            Self(Some(marks.into()))
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The marks.
    #[must_use]
    pub fn as_slice(&self) -> &[Mark] {
        self.0.as_deref().unwrap_or(&[])
    }

    /// Iterates over the marks.
    pub fn iter(&self) -> std::slice::Iter<'_, Mark> {
        self.as_slice().iter()
    }

    /// Whether both are one shared set.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// The union: a mark in both is cleaned only for what both are cleaned for.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.add(other);
        all
    }

    /// Becomes the union with another set.
    pub fn add(&mut self, other: &Self) {
        if other.is_empty() || self.same(other) {
            return;
        }
        if self.is_empty() {
            *self = other.clone();
            return;
        }
        let mut all: Option<Vec<Mark>> = None;
        for mark in other.iter() {
            let current = all.as_deref().unwrap_or_else(|| self.as_slice());
            if let Some(at) = current.iter().position(|m| m.origin == mark.origin) {
                let cleaned = current[at].cleaned & mark.cleaned;
                let flags = join_flags(current[at].flags, mark.flags);
                if cleaned != current[at].cleaned || flags != current[at].flags {
                    let list = all.get_or_insert_with(|| self.as_slice().to_vec());
                    // The dirtier mark's trace is the one worth showing.
                    if mark.cleaned == cleaned && list[at].cleaned != cleaned {
                        list[at].trace = mark.trace.clone();
                    }
                    list[at].cleaned = cleaned;
                    list[at].flags = flags;
                }
            } else if current.len() < MAX_MARKS {
                all.get_or_insert_with(|| self.as_slice().to_vec())
                    .push(mark.clone());
            }
        }
        if let Some(all) = all {
            *self = Self::from_vec(all);
        }
    }

    /// Every mark changed by `change`; marks for which it says no are dropped.
    #[must_use]
    pub fn map(&self, mut change: impl FnMut(&Mark) -> Option<Mark>) -> Self {
        if self.is_empty() {
            return Self::NONE;
        }
        let mut list: Vec<Mark> = Vec::with_capacity(self.as_slice().len());
        for mark in self.iter() {
            if let Some(new) = change(mark)
                && !list.iter().any(|m| m.origin == new.origin)
            {
                list.push(new);
            }
        }
        Self::from_vec(list)
    }

    /// The marks that stand for no parameter.
    #[must_use]
    pub fn of_sources(&self) -> Self {
        if self.is_of_sources() {
            return self.clone();
        }
        self.map(|m| matches!(m.origin, Origin::Source { .. }).then(|| m.clone()))
    }

    /// Whether no mark stands for a parameter.
    #[must_use]
    pub fn is_of_sources(&self) -> bool {
        self.iter()
            .all(|m| matches!(m.origin, Origin::Source { .. }))
    }

    /// The marks with further contexts cleaned; those cleaned for everything go.
    #[must_use]
    pub fn cleaned(&self, contexts: Contexts) -> Self {
        if contexts == ALL_CONTEXTS {
            return self.map(|m| (m.flags & flag::STICKY != 0).then(|| m.clone()));
        }
        if contexts == 0 || self.iter().all(|m| m.cleaned & contexts == contexts) {
            return self.clone();
        }
        self.map(|m| {
            Some(Mark {
                cleaned: m.cleaned | contexts,
                ..m.clone()
            })
        })
    }

    /// The marks as a digest under a secret key carries them: they harm nobody.
    #[must_use]
    pub fn keyed(&self) -> Self {
        self.map(|m| {
            Some(Mark {
                cleaned: ALL_CONTEXTS,
                flags: m.flags | flag::KEYED,
                ..m.clone()
            })
        })
    }

    /// The marks with nothing cleaned but what holds of the data in any form: an encoding was undone.
    #[must_use]
    pub fn decoded(&self, kept: Contexts) -> Self {
        if self.iter().all(|m| m.cleaned & !kept == 0) {
            return self.clone();
        }
        self.map(|m| {
            Some(Mark {
                cleaned: m.cleaned & kept,
                ..m.clone()
            })
        })
    }

    /// The marks with a flag set.
    #[must_use]
    pub fn flagged(&self, flag: u8) -> Self {
        if self.iter().all(|m| m.flags & flag == flag) {
            return self.clone();
        }
        self.map(|m| {
            Some(Mark {
                flags: m.flags | flag,
                ..m.clone()
            })
        })
    }

    /// The marks without a flag.
    #[must_use]
    pub fn unflagged(&self, flag: u8) -> Self {
        if self.iter().all(|m| m.flags & flag == 0) {
            return self.clone();
        }
        self.map(|m| {
            Some(Mark {
                flags: m.flags & !flag,
                ..m.clone()
            })
        })
    }

    /// The marks with a step added to each trace.
    #[must_use]
    pub fn stepped(&self, step: Step) -> Self {
        self.map(|m| {
            Some(Mark {
                trace: extend(&m.trace, step),
                ..m.clone()
            })
        })
    }

    /// Whether both hold the same origins, cleaned alike.
    #[must_use]
    pub fn equivalent(&self, other: &Self) -> bool {
        self.same(other)
            || (self.as_slice().len() == other.as_slice().len()
                && self.iter().all(|a| {
                    other.iter().any(|b| {
                        a.origin == b.origin && a.cleaned == b.cleaned && a.flags == b.flags
                    })
                }))
    }
}

/// Doubts add up; a proof holds only when it holds on both ways.
fn join_flags(a: u8, b: u8) -> u8 {
    const PROOFS: u8 = flag::NORMALISED | flag::KEYED;
    ((a | b) & !PROOFS) | (a & b & PROOFS)
}

impl Value {
    /// A value of a shape without marks.
    #[must_use]
    pub fn of(shape: Shape) -> Self {
        Self {
            shape,
            marks: Marks::NONE,
        }
    }

    /// A constant.
    #[must_use]
    pub fn constant(value: Const) -> Self {
        Self::of(Shape::Const(value))
    }

    /// Nothing known.
    #[must_use]
    pub fn unknown() -> Self {
        Self::default()
    }

    /// A constant string.
    #[must_use]
    pub fn str(text: &str) -> Self {
        Self::constant(Const::Str(Symbol::new(text)))
    }

    /// This value with other marks.
    #[must_use]
    pub fn with_marks(mut self, marks: Marks) -> Self {
        self.marks = marks;
        self
    }

    /// The constant it is, if it is exactly one.
    #[must_use]
    pub fn as_const(&self) -> Option<Const> {
        match &self.shape {
            Shape::Const(c) => Some(*c),
            _ => None,
        }
    }

    /// The constant string it is.
    #[must_use]
    pub fn as_str(&self) -> Option<&'static str> {
        match self.as_const() {
            Some(Const::Str(s)) => Some(s.as_str()),
            _ => None,
        }
    }
}

impl Shape {
    /// The alternatives: the shape itself unless it is a choice.
    #[must_use]
    pub fn alternatives(&self) -> &[Shape] {
        match self {
            Self::Choice(list) => list,
            other => std::slice::from_ref(other),
        }
    }

    /// Whether nothing is known of it, in any alternative.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unknown, Self::Unknown) => true,
            (Self::Const(a), Self::Const(b)) => a == b,
            (Self::Choice(a), Self::Choice(b)) => Arc::ptr_eq(a, b) || a == b,
            (Self::Text(a), Self::Text(b)) => Arc::ptr_eq(a, b) || a == b,
            (Self::Builtin(a), Self::Builtin(b)) => a == b,
            (Self::Api(a), Self::Api(b)) | (Self::Instance(a), Self::Instance(b)) => a == b,
            (Self::ApiMethod(a, ra), Self::ApiMethod(b, rb)) => a == b && ra.shape == rb.shape,
            (Self::BuiltinMethod(a, ra), Self::BuiltinMethod(b, rb)) => {
                a == b && ra.shape == rb.shape
            }
            (Self::Module(a), Self::Module(b)) => a == b,
            (Self::Namespace(a, _), Self::Namespace(b, _)) => a == b,
            (Self::Function(a), Self::Function(b)) => a == b,
            (Self::Closure(a), Self::Closure(b)) => Arc::ptr_eq(a, b) || a.function == b.function,
            (Self::Partial(a), Self::Partial(b)) => Arc::ptr_eq(a, b),
            (Self::Class(a), Self::Class(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => a == b,
            (Self::Super(a, _), Self::Super(b, _)) => a == b,
            _ => false,
        }
    }
}

/// Most alternatives a shape keeps.
const MAX_CHOICES: usize = 6;

/// What either value may be.
#[must_use]
pub fn join(a: &Value, b: &Value) -> Value {
    Value {
        shape: join_shapes(&a.shape, &b.shape),
        marks: a.marks.union(&b.marks),
    }
}

/// What either shape may be.
#[must_use]
pub fn join_shapes(a: &Shape, b: &Shape) -> Shape {
    if a == b {
        return a.clone();
    }
    let (left, right) = (a.alternatives(), b.alternatives());
    if right.iter().all(|s| left.contains(s)) {
        return a.clone();
    }
    if left.iter().all(|s| right.contains(s)) {
        return b.clone();
    }
    let mut all: Vec<Shape> = left.to_vec();
    for shape in right {
        if !all.contains(shape) {
            all.push(shape.clone());
        }
    }
    if all.len() > MAX_CHOICES {
        // Constants tell least: fold those of a type into the type.
        let mut folded: Vec<Shape> = Vec::new();
        for shape in all {
            let wide = widen(&shape);
            if !folded.contains(&wide) {
                folded.push(wide);
            }
        }
        all = folded;
        if all.len() > MAX_CHOICES {
            all.truncate(MAX_CHOICES - 1);
            if !all.contains(&Shape::Unknown) {
                all.push(Shape::Unknown);
            }
        }
    }
    if all.len() == 1 {
        all.remove(0)
    } else {
        Shape::Choice(all.into())
    }
}

/// The builtin type of a constant or text; other shapes as they are.
#[must_use]
pub fn widen(shape: &Shape) -> Shape {
    match shape {
        Shape::Const(Const::Str(_)) => Shape::Builtin(Builtin::Str),
        Shape::Const(Const::Bytes(_)) => Shape::Builtin(Builtin::Bytes),
        Shape::Const(Const::Int(_)) => Shape::Builtin(Builtin::Int),
        Shape::Const(Const::Float(_)) => Shape::Builtin(Builtin::Float),
        Shape::Text(t) if t.is_bytes => Shape::Builtin(Builtin::Bytes),
        Shape::Text(_) => Shape::Builtin(Builtin::Str),
        other => other.clone(),
    }
}

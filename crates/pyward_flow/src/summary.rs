//! What a function does, in terms of its parameters: the part of an analysis that callers re-use.

use std::sync::Arc;

use pyward_catalog::rule::{Confidence, Severity};
use pyward_ir::{Span, Symbol};
use pyward_program::FileId;

use crate::heap::{Class, Key, Object, State};
use crate::value::{Closure, Contexts, Mark, Marks, ObjectId, Partial, PathId, Shape, Step, Value};

/// A value that does not refer to a heap.
#[derive(Clone, Debug, Default)]
pub struct Portable {
    /// What it is; [`Shape::Object`] never occurs.
    pub shape: PortableShape,
    /// Its marks.
    pub marks: Marks,
}

/// The shape of a portable value.
#[derive(Clone, Debug, Default)]
pub enum PortableShape {
    /// Nothing known.
    #[default]
    Unknown,
    /// A shape without objects in it.
    Plain(Shape),
    /// What a parameter refers to, at a path, and its class as far as known.
    Param(u16, PathId, Class),
    /// A new object.
    Object(Arc<PortableObject>),
    /// One of several.
    Choice(Arc<[PortableShape]>),
    /// A closure whose captured values and receiver are portable.
    Closure(Arc<PortableClosure>),
    /// A partial application.
    Partial(Arc<PortablePartial>),
}

/// A function value with what it captured.
#[derive(Clone, Debug)]
pub struct PortableClosure {
    function: pyward_program::FunctionId,
    receiver: Option<Portable>,
    captured: Vec<(u32, u32, Portable)>,
}

/// A partial application.
#[derive(Clone, Debug)]
pub struct PortablePartial {
    callee: Portable,
    positional: Vec<Portable>,
    keywords: Vec<(Symbol, Portable)>,
}

/// An object that does not refer to a heap.
#[derive(Clone, Debug)]
pub struct PortableObject {
    class: Class,
    items: Option<Vec<Portable>>,
    fields: Vec<(Key, Portable)>,
    rest: Option<Portable>,
    keys: Option<Marks>,
    closed: bool,
}

impl PortableObject {
    /// An object that is either of two of one class.
    fn join(&self, other: &Self, depth: u8) -> Self {
        fn either(a: &Option<Portable>, b: &Option<Portable>, depth: u8) -> Option<Portable> {
            match (a, b) {
                (Some(a), Some(b)) => Some(a.join_at(b, depth)),
                (a, b) => a.as_ref().or(b.as_ref()).cloned(),
            }
        }
        let depth = depth + 1;
        let mut rest = either(&self.rest, &other.rest, depth);
        let items = match (&self.items, &other.items) {
            (Some(a), Some(b)) if a.len() == b.len() => {
                Some(a.iter().zip(b).map(|(a, b)| a.join_at(b, depth)).collect())
            }
            (a, b) => {
                for item in a.iter().chain(b).flatten() {
                    rest = either(&rest, &Some(item.clone()), depth);
                }
                None
            }
        };
        let mut fields = self.fields.clone();
        for (key, theirs) in &other.fields {
            match fields.iter().position(|(k, _)| k == key) {
                Some(at) => fields[at].1 = fields[at].1.join_at(theirs, depth),
                None if fields.len() < MAX_WIDTH => fields.push((*key, theirs.clone())),
                None => rest = either(&rest, &Some(theirs.clone()), depth),
            }
        }
        let same_keys = fields.len() == self.fields.len() && fields.len() == other.fields.len();
        Self {
            class: self.class,
            items,
            fields,
            rest,
            keys: match (&self.keys, &other.keys) {
                (Some(a), Some(b)) => Some(a.union(b)),
                (a, b) => a.as_ref().or(b.as_ref()).cloned(),
            },
            closed: self.closed && other.closed && same_keys,
        }
    }
}

/// A sink that a parameter reaches.
#[derive(Clone, Debug)]
pub struct ParamSink {
    /// The mark of the parameter as it arrives at the sink.
    pub mark: Mark,
    /// The sink.
    pub sink: Arc<SinkSite>,
}

/// A sink in the program.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkSite {
    /// Index of the rule.
    pub rule: u16,
    /// File.
    pub file: FileId,
    /// Byte range of the dangerous argument or call.
    pub span: Span,
    /// Byte range of the whole call or statement.
    pub call_span: Span,
    /// What is called, as shown to people.
    pub what: Symbol,
    /// Confidence of the sink itself.
    pub confidence: Confidence,
    /// Severity of a flow from a library's caller, where it is not the rule's.
    pub parameter: Option<Severity>,
    /// Name of the function it stands in.
    pub function: Symbol,
    /// Where the data ends, if the site is where it was handed over.
    pub end: Option<(FileId, Span)>,
    /// Position of the parameter that the sink gets as it is: then a caller is the place to report.
    pub handed_on: Option<u16>,
    /// What is particular to a place: one in a template, a regular expression.
    pub details: Option<Box<SiteDetails>>,
}

/// What is particular to a place that data reaches.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteDetails {
    /// The message, with `{source}` for the source.
    pub message: String,
    /// Contexts of which one cleans what arrives here, in place of the rule's.
    pub cleaned_by: Contexts,
    /// The way on to the place: from the call that renders to the output, to the call that applies the expression.
    pub way: Vec<Step>,
}

/// A store to something that a parameter refers to.
#[derive(Clone, Debug)]
pub struct Effect {
    /// The parameter.
    pub index: u16,
    /// The path of the object.
    pub path: PathId,
    /// Where in the object; [`Key::Any`] for "some element".
    pub key: Key,
    /// What is stored.
    pub value: Portable,
}

/// What a function does.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// What it returns.
    pub returns: Portable,
    /// What it raises.
    pub raises: Marks,
    /// What it stores.
    pub effects: Vec<Effect>,
    /// What its parameters reach.
    pub sinks: Vec<ParamSink>,
    /// Contexts that parameters are proven safe for when it returns.
    pub proves: Vec<(u16, Contexts)>,
    /// ... when what it returns is true.
    pub proves_true: Vec<(u16, Contexts)>,
    /// ... when what it returns is false.
    pub proves_false: Vec<(u16, Contexts)>,
    /// Parameters (as bits) whose constant, type or function decides what happens.
    pub interesting: u64,
    /// Whether it never returns.
    pub diverges: bool,
    /// Number of statements, a measure of what inlining costs.
    pub size: u32,
}

/// Deepest nesting of objects carried over.
const MAX_DEPTH: u8 = 4;
/// Most elements of an object carried over.
const MAX_WIDTH: usize = 48;

/// Most alternatives kept.
const MAX_CHOICES: usize = 6;
/// Most values carried over inside one.
const MAX_NODES: u32 = 16;

/// What has been seen on the way, and how much more may be.
struct Walk {
    seen: Vec<ObjectId>,
    left: u32,
}

/// Takes a value off its heap.
#[must_use]
pub fn export(state: &State, value: &Value) -> Portable {
    export_at(
        state,
        value,
        0,
        &mut Walk {
            seen: Vec::new(),
            left: MAX_NODES,
        },
    )
}

fn export_at(state: &State, value: &Value, depth: u8, walk: &mut Walk) -> Portable {
    walk.left = walk.left.saturating_sub(1);
    Portable {
        shape: export_shape(state, &value.shape, depth, walk),
        marks: value.marks.clone(),
    }
}

fn export_shape(state: &State, shape: &Shape, depth: u8, walk: &mut Walk) -> PortableShape {
    match shape {
        Shape::Unknown => PortableShape::Unknown,
        Shape::Object(id) => {
            let object = state.object(*id);
            if let Some((index, path)) = object.origin {
                return PortableShape::Param(index, path, object.class);
            }
            if depth >= MAX_DEPTH || walk.left == 0 || walk.seen.contains(id) {
                return match object.class {
                    Class::Api(api) => PortableShape::Plain(Shape::Instance(api)),
                    Class::Builtin(b) => PortableShape::Plain(Shape::Builtin(b)),
                    _ => PortableShape::Unknown,
                };
            }
            walk.seen.push(*id);
            let mut one = |v: &Value| export_at(state, v, depth + 1, walk);
            let portable = PortableObject {
                class: object.class,
                items: object
                    .items
                    .as_ref()
                    .filter(|i| i.len() <= MAX_WIDTH)
                    .map(|i| i.iter().map(&mut one).collect()),
                fields: object
                    .fields
                    .iter()
                    .take(MAX_WIDTH)
                    .map(|(k, v)| (*k, one(v)))
                    .collect(),
                rest: object.rest.as_ref().map(&mut one),
                keys: object.keys.clone(),
                closed: object.closed && object.items.as_ref().is_none_or(|i| i.len() <= MAX_WIDTH),
            };
            walk.seen.pop();
            PortableShape::Object(Arc::new(portable))
        }
        Shape::Choice(list) => PortableShape::Choice(
            list.iter()
                .map(|s| export_shape(state, s, depth, walk))
                .collect(),
        ),
        Shape::Closure(closure) => {
            if depth >= MAX_DEPTH || walk.left == 0 {
                return PortableShape::Plain(Shape::Function(closure.function));
            }
            let receiver = closure
                .receiver
                .as_ref()
                .map(|r| export_at(state, r, depth + 1, walk));
            let captured = closure
                .captured
                .iter()
                .map(|(f, s, v)| (*f, *s, export_at(state, v, depth + 1, walk)))
                .collect();
            PortableShape::Closure(Arc::new(PortableClosure {
                function: closure.function,
                receiver,
                captured,
            }))
        }
        Shape::Partial(partial) => {
            if depth >= MAX_DEPTH || walk.left == 0 {
                return PortableShape::Unknown;
            }
            PortableShape::Partial(Arc::new(PortablePartial {
                callee: export_at(state, &partial.callee, depth + 1, walk),
                positional: partial
                    .positional
                    .iter()
                    .map(|v| export_at(state, v, depth + 1, walk))
                    .collect(),
                keywords: partial
                    .keywords
                    .iter()
                    .map(|(k, v)| (*k, export_at(state, v, depth + 1, walk)))
                    .collect(),
            }))
        }
        Shape::ApiMethod(api, _) => PortableShape::Plain(Shape::Api(*api)),
        Shape::BuiltinMethod(..) | Shape::Super(..) => PortableShape::Unknown,
        other => PortableShape::Plain(other.clone()),
    }
}

/// What a portable value's references to parameters stand for.
pub trait View {
    /// The value of a parameter at a path.
    fn value(&self, state: &State, index: u16, path: PathId) -> Value;
    /// What stands for a set of marks.
    fn marks(&mut self, state: &State, marks: &Marks) -> Marks;
}

/// Puts a portable value on a heap.
pub fn import(state: &mut State, value: &Portable, view: &mut dyn View) -> Value {
    let (shape, extra) = import_shape(state, &value.shape, view);
    let marks = import_marks(state, &value.marks, view);
    Value {
        shape,
        marks: marks.union(&extra),
    }
}

fn import_marks(state: &State, marks: &Marks, view: &mut dyn View) -> Marks {
    if marks.is_empty() {
        Marks::NONE
    } else {
        view.marks(state, marks)
    }
}

fn import_shape(state: &mut State, shape: &PortableShape, view: &mut dyn View) -> (Shape, Marks) {
    match shape {
        PortableShape::Unknown => (Shape::Unknown, Marks::NONE),
        PortableShape::Plain(shape) => (shape.clone(), Marks::NONE),
        // The caller's marks come through the mark of the parameter, with the trace inside the function.
        PortableShape::Param(index, path, _) => {
            (view.value(state, *index, *path).shape, Marks::NONE)
        }
        PortableShape::Choice(list) => {
            let (mut shape, mut marks): (Option<Shape>, Marks) = (None, Marks::NONE);
            for one in list.iter() {
                let (next, more) = import_shape(state, one, view);
                marks = marks.union(&more);
                shape = Some(match shape {
                    Some(old) => crate::value::join_shapes(&old, &next),
                    None => next,
                });
            }
            (shape.unwrap_or_default(), marks)
        }
        PortableShape::Object(object) => {
            let mut new = Object::new(object.class);
            new.closed = object.closed;
            new.items = object
                .items
                .as_ref()
                .map(|i| i.iter().map(|v| import(state, v, view)).collect());
            for (key, field) in &object.fields {
                let field = import(state, field, view);
                new.fields.push((*key, field));
            }
            new.rest = object.rest.as_ref().map(|v| import(state, v, view));
            new.keys = object.keys.as_ref().map(|m| import_marks(state, m, view));
            (Shape::Object(state.allocate(new)), Marks::NONE)
        }
        PortableShape::Closure(closure) => {
            let receiver = closure.receiver.as_ref().map(|r| import(state, r, view));
            let captured = closure
                .captured
                .iter()
                .map(|(f, s, v)| (*f, *s, import(state, v, view)))
                .collect();
            (
                Shape::Closure(Arc::new(Closure {
                    function: closure.function,
                    receiver,
                    captured,
                })),
                Marks::NONE,
            )
        }
        PortableShape::Partial(partial) => {
            let callee = import(state, &partial.callee, view);
            let positional = partial
                .positional
                .iter()
                .map(|v| import(state, v, view))
                .collect();
            let keywords = partial
                .keywords
                .iter()
                .map(|(k, v)| (*k, import(state, v, view)))
                .collect();
            (
                Shape::Partial(Arc::new(Partial {
                    callee,
                    positional,
                    keywords,
                })),
                Marks::NONE,
            )
        }
    }
}

impl Portable {
    /// The value without anything that refers to parameters: what other functions may see of it.
    #[must_use]
    pub fn without_params(&self) -> Self {
        let keep = |marks: &Marks| marks.of_sources();
        fn shape(s: &PortableShape, keep: &dyn Fn(&Marks) -> Marks) -> PortableShape {
            let value = |v: &Portable| Portable {
                shape: shape(&v.shape, keep),
                marks: keep(&v.marks),
            };
            match s {
                PortableShape::Param(_, _, class) => match class {
                    Class::Project(_) | Class::Api(_) => {
                        PortableShape::Object(Arc::new(PortableObject {
                            class: *class,
                            items: None,
                            fields: Vec::new(),
                            rest: None,
                            keys: None,
                            closed: false,
                        }))
                    }
                    Class::Builtin(_) | Class::Unknown => PortableShape::Unknown,
                },
                PortableShape::Object(o) => PortableShape::Object(Arc::new(PortableObject {
                    class: o.class,
                    items: o.items.as_ref().map(|i| i.iter().map(value).collect()),
                    fields: o.fields.iter().map(|(k, v)| (*k, value(v))).collect(),
                    rest: o.rest.as_ref().map(value),
                    keys: o.keys.as_ref().map(keep),
                    closed: o.closed,
                })),
                PortableShape::Choice(list) => {
                    PortableShape::Choice(list.iter().map(|s| shape(s, keep)).collect())
                }
                PortableShape::Closure(c) => PortableShape::Closure(Arc::new(PortableClosure {
                    function: c.function,
                    receiver: c.receiver.as_ref().map(value),
                    captured: c
                        .captured
                        .iter()
                        .map(|(f, s, v)| (*f, *s, value(v)))
                        .collect(),
                })),
                PortableShape::Partial(p) => PortableShape::Partial(Arc::new(PortablePartial {
                    callee: value(&p.callee),
                    positional: p.positional.iter().map(value).collect(),
                    keywords: p.keywords.iter().map(|(k, v)| (*k, value(v))).collect(),
                })),
                other => other.clone(),
            }
        }
        Self {
            shape: shape(&self.shape, &keep),
            marks: keep(&self.marks),
        }
    }

    /// Either of two values.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        self.join_at(other, 0)
    }

    fn join_at(&self, other: &Self, depth: u8) -> Self {
        let alternatives = |s: &PortableShape| match s {
            PortableShape::Choice(list) => list.to_vec(),
            one => vec![one.clone()],
        };
        let mut all = alternatives(&self.shape);
        for shape in alternatives(&other.shape) {
            let alike = all.iter().position(|s| match (s, &shape) {
                (PortableShape::Unknown, PortableShape::Unknown) => true,
                (PortableShape::Plain(a), PortableShape::Plain(b)) => a == b,
                (PortableShape::Param(i, p, _), PortableShape::Param(j, q, _)) => i == j && p == q,
                (PortableShape::Object(a), PortableShape::Object(b)) => a.class == b.class,
                _ => false,
            });
            let Some(at) = alike else {
                if all.len() < MAX_CHOICES {
                    all.push(shape);
                }
                continue;
            };
            if let (PortableShape::Object(mine), PortableShape::Object(theirs)) =
                (&mut all[at], &shape)
                && !Arc::ptr_eq(mine, theirs)
                && depth < MAX_DEPTH
            {
                *mine = Arc::new(mine.join(theirs, depth));
            }
        }
        let shape = if all.len() == 1 {
            all.remove(0)
        } else {
            PortableShape::Choice(all.into())
        };
        Self {
            shape,
            marks: self.marks.union(&other.marks),
        }
    }

    /// The class of the object it is.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        match &self.shape {
            PortableShape::Object(object) => Some(object.class),
            _ => None,
        }
    }

    /// Whether it is something else for other arguments.
    #[must_use]
    pub fn mentions_params(&self) -> bool {
        fn shape(s: &PortableShape) -> bool {
            match s {
                PortableShape::Unknown | PortableShape::Plain(_) => false,
                PortableShape::Param(..) => true,
                PortableShape::Object(o) => {
                    o.items
                        .iter()
                        .flatten()
                        .chain(o.fields.iter().map(|(_, v)| v))
                        .chain(&o.rest)
                        .any(Portable::mentions_params)
                        || o.keys.as_ref().is_some_and(|k| !k.is_of_sources())
                }
                PortableShape::Choice(list) => list.iter().any(shape),
                PortableShape::Closure(c) => c
                    .captured
                    .iter()
                    .map(|(_, _, v)| v)
                    .chain(&c.receiver)
                    .any(Portable::mentions_params),
                PortableShape::Partial(p) => p
                    .positional
                    .iter()
                    .chain(p.keywords.iter().map(|(_, v)| v))
                    .chain(std::iter::once(&p.callee))
                    .any(Portable::mentions_params),
            }
        }
        !self.marks.is_of_sources() || shape(&self.shape)
    }

    /// Whether nothing is known of it.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self.shape, PortableShape::Unknown) && self.marks.is_empty()
    }
}

//! The abstract heap and the state of an analysis at a point of the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pyward_ir::{Const, Symbol};
use pyward_program::{ClassId, FileId};
use rustc_hash::FxHashMap;

use crate::value::ApiId;
use crate::value::{Builtin, Marks, ObjectId, PathId, Shape, Value, flag, join};

/// A key of an object: an attribute, or an index or key of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// `.name`
    Attribute(Symbol),
    /// `["name"]`
    Item(Symbol),
    /// `[3]`
    Index(i64),
    /// Some element.
    Any,
}

impl Key {
    /// The key that a constant selects.
    #[must_use]
    pub fn of_const(value: Const) -> Self {
        match value {
            Const::Str(s) | Const::Bytes(s) => Self::Item(s),
            Const::Int(i) => Self::Index(i),
            Const::Bool(b) => Self::Index(i64::from(b)),
            _ => Self::Any,
        }
    }
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Not known: what a parameter refers to, for one.
    Unknown,
    /// A builtin container.
    Builtin(Builtin),
    /// An instance of an external class.
    Api(ApiId),
    /// An instance of a class of the project.
    Project(ClassId),
}

/// An object on the abstract heap.
#[derive(Clone, Debug)]
pub struct Object {
    /// What it is.
    pub class: Class,
    /// For lists and tuples whose elements are all known, the elements.
    pub items: Option<Vec<Value>>,
    /// Attributes, and items with constant keys.
    pub fields: Vec<(Key, Value)>,
    /// What elements without a known key may be.
    pub rest: Option<Value>,
    /// What the keys that are not known may be.
    pub keys: Option<Marks>,
    /// The parameter and path that this object stands for.
    pub origin: Option<(u16, PathId)>,
    /// Whether all fields are known: a missing key is really missing.
    pub closed: bool,
    /// Whether it was changed since it was made.
    pub touched: bool,
}

impl Object {
    /// An empty object.
    #[must_use]
    pub fn new(class: Class) -> Self {
        Self {
            class,
            items: None,
            fields: Vec::new(),
            rest: None,
            keys: None,
            origin: None,
            closed: true,
            touched: false,
        }
    }

    /// The field under a key.
    #[must_use]
    pub fn field(&self, key: Key) -> Option<&Value> {
        self.fields.iter().find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// Replaces a field.
    pub fn set_field(&mut self, key: Key, value: Value) {
        match self.fields.iter().position(|(k, _)| *k == key) {
            Some(at) => self.fields[at].1 = value,
            None if self.fields.len() < MAX_FIELDS => self.fields.push((key, value)),
            None => self.add_rest(&value),
        }
    }

    /// Adds to what unknown elements may be.
    pub fn add_rest(&mut self, value: &Value) {
        self.rest = Some(match &self.rest {
            Some(old) => join(old, value),
            None => value.clone(),
        });
    }

    /// The first element, as far as it is known apart from the others.
    #[must_use]
    pub fn head(&self) -> Option<&Value> {
        match &self.items {
            Some(items) => items.first(),
            None => self.field(Key::Index(0)),
        }
    }

    /// Whether it is a list or tuple that surely has no elements.
    fn is_empty_list(&self) -> bool {
        self.items.as_ref().is_some_and(Vec::is_empty) && self.rest.is_none()
    }

    /// Gives up knowing the positions of elements, except the first: of a list of arguments, the program.
    pub fn blur_tail(&mut self) {
        let head = self.items.as_ref().and_then(|i| i.first().cloned());
        self.blur();
        if let Some(head) = head {
            self.set_field(Key::Index(0), head);
        }
    }

    /// Gives up knowing the positions of elements.
    pub fn blur(&mut self) {
        if let Some(items) = self.items.take() {
            for item in items {
                self.add_rest(&item);
            }
        }
    }
}

/// Most fields an object keeps apart.
const MAX_FIELDS: usize = 96;

/// Stands for an object that this branch has not seen.
static NOTHING: Object = Object {
    class: Class::Unknown,
    items: None,
    fields: Vec::new(),
    rest: None,
    keys: None,
    origin: None,
    closed: false,
    touched: false,
};

/// Objects by id, in chunks that branches share until one of them writes.
#[derive(Clone, Debug, Default)]
struct Heap {
    chunks: Vec<Arc<Vec<Option<Arc<Object>>>>>,
}

/// Objects in a chunk: small enough to copy on a write, large enough that a branch copies few pointers.
const CHUNK: usize = 32;

impl Heap {
    fn get(&self, at: usize) -> Option<&Object> {
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)?.as_deref()
    }

    fn get_mut(&mut self, at: usize) -> &mut Option<Arc<Object>> {
        let chunk = at / CHUNK;
        if self.chunks.len() <= chunk {
            self.chunks.resize_with(chunk + 1, Arc::default);
        }
        let chunk = Arc::make_mut(&mut self.chunks[chunk]);
        if chunk.len() <= at % CHUNK {
            chunk.resize(at % CHUNK + 1, None);
        }
        &mut chunk[at % CHUNK]
    }

    fn set(&mut self, at: usize, object: Arc<Object>) {
        *self.get_mut(at) = Some(object);
    }

    /// Joins another heap into this one; says whether this one changed.
    fn merge(&mut self, other: &Self) -> bool {
        let mut changed = false;
        for (at, theirs) in other.chunks.iter().enumerate() {
            match self.chunks.get_mut(at) {
                Some(mine) if Arc::ptr_eq(mine, theirs) => {}
                Some(mine) => {
                    let chunk = Arc::make_mut(mine);
                    if chunk.len() < theirs.len() {
                        chunk.resize(theirs.len(), None);
                    }
                    for (mine, theirs) in chunk.iter_mut().zip(theirs.iter()) {
                        match (mine, theirs) {
                            (Some(mine), Some(theirs)) if Arc::ptr_eq(mine, theirs) => {}
                            (Some(mine), Some(theirs)) => changed |= merge_object(mine, theirs),
                            (mine @ None, Some(theirs)) => *mine = Some(Arc::clone(theirs)),
                            (_, None) => {}
                        }
                    }
                }
                None => self.chunks.push(Arc::clone(theirs)),
            }
        }
        changed
    }
}

/// Values of variables and objects at a point of the program.
#[derive(Clone, Debug, Default)]
pub struct State {
    next: Arc<AtomicU32>,
    /// Slots of the function at hand.
    pub locals: Vec<Value>,
    /// Module-level names written by the code at hand.
    pub globals: Arc<FxHashMap<Symbol, Value>>,
    /// Variables of enclosing functions written by the code at hand: (owner, slot).
    pub captured: Arc<FxHashMap<(u32, u32), Value>>,
    /// Module-level values of other code that were read, so that each is one object: (file, name).
    pub imported: Arc<FxHashMap<(FileId, Symbol), Value>>,
    /// Objects; a hole where another branch made the object.
    heap: Heap,
    /// Whether this point can be reached.
    pub alive: bool,
}

impl State {
    /// The state at the beginning of an analysis.
    #[must_use]
    pub fn start() -> Self {
        Self {
            alive: true,
            ..Self::default()
        }
    }

    /// A new object. Branches of one analysis share `next`, so that an id means one object in all of them.
    pub fn allocate(&mut self, object: Object) -> ObjectId {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.heap.set(id as usize, Arc::new(object));
        ObjectId(id)
    }

    /// The object behind an id.
    #[must_use]
    pub fn object(&self, id: ObjectId) -> &Object {
        self.heap.get(id.0 as usize).unwrap_or(&NOTHING)
    }

    /// The object behind an id, for writing.
    pub fn object_mut(&mut self, id: ObjectId) -> &mut Object {
        let object = Arc::make_mut(self.heap.get_mut(id.0 as usize).get_or_insert_with(|| {
            Arc::new(Object {
                closed: false,
                ..Object::new(Class::Unknown)
            })
        }));
        object.touched = true;
        object
    }

    /// Whether no object in a shape was changed since it was made.
    #[must_use]
    pub fn is_pristine(&self, shape: &Shape) -> bool {
        self.pristine_at(shape, 0)
    }

    fn pristine_at(&self, shape: &Shape, depth: u8) -> bool {
        let inside = |value: &Value| self.pristine_at(&value.shape, depth + 1);
        match shape {
            Shape::Object(_) if depth > MAX_DEPTH => true,
            Shape::Object(id) => {
                let object = self.object(*id);
                !object.touched
                    && object.items.iter().flatten().all(inside)
                    && object.fields.iter().all(|(_, v)| inside(v))
                    && object.rest.iter().all(inside)
            }
            Shape::Choice(list) => list.iter().all(|s| self.pristine_at(s, depth)),
            _ => true,
        }
    }

    /// All objects of this state.
    pub fn objects(&self) -> impl Iterator<Item = (ObjectId, &Object)> {
        self.heap.chunks.iter().enumerate().flat_map(|(c, chunk)| {
            chunk.iter().enumerate().filter_map(move |(at, object)| {
                let id = ObjectId(u32::try_from(c * CHUNK + at).ok()?);
                Some((id, object.as_deref()?))
            })
        })
    }

    /// Roughly what copying or merging this state costs, in units of a simple statement.
    #[must_use]
    pub fn weight(&self) -> u32 {
        u32::try_from(self.locals.len() / 16 + self.heap.chunks.len() / 4).unwrap_or(u32::MAX)
    }

    /// Number of objects made so far, in all branches.
    #[must_use]
    pub fn allocated(&self) -> u32 {
        self.next.load(Ordering::Relaxed)
    }

    /// Merges another state of the same analysis into this one; says whether this one changed.
    pub fn merge(&mut self, other: &Self) -> bool {
        if !other.alive {
            return false;
        }
        if !self.alive {
            *self = other.clone();
            return true;
        }
        let mut changed = false;
        for (mine, theirs) in self.locals.iter_mut().zip(&other.locals) {
            changed |= merge_value(mine, theirs);
        }
        changed |= merge_map(&mut self.globals, &other.globals);
        changed |= merge_map(&mut self.captured, &other.captured);
        merge_map(&mut self.imported, &other.imported);
        changed |= self.heap.merge(&other.heap);
        changed
    }
}

fn merge_map<K: Copy + Eq + std::hash::Hash>(
    mine: &mut Arc<FxHashMap<K, Value>>,
    theirs: &Arc<FxHashMap<K, Value>>,
) -> bool {
    if Arc::ptr_eq(mine, theirs) {
        return false;
    }
    let mut changed = false;
    let map = Arc::make_mut(mine);
    for (key, value) in theirs.iter() {
        match map.get_mut(key) {
            Some(old) => changed |= merge_value(old, value),
            None => {
                map.insert(*key, value.clone());
                changed = true;
            }
        }
    }
    changed
}

/// Joins `theirs` into `mine`; says whether `mine` changed.
pub fn merge_value(mine: &mut Value, theirs: &Value) -> bool {
    if mine.shape == theirs.shape && mine.marks.equivalent(&theirs.marks) {
        return false;
    }
    let joined = join(mine, theirs);
    let changed = joined.shape != mine.shape || !joined.marks.equivalent(&mine.marks);
    *mine = joined;
    changed
}

fn merge_object(mine: &mut Arc<Object>, theirs: &Arc<Object>) -> bool {
    let other = theirs.as_ref();
    let object = Arc::make_mut(mine);
    let mut changed = false;
    let mut lists = false;
    match (&mut object.items, &other.items) {
        (None, None) => {}
        (Some(a), Some(b)) if a.len() == b.len() => {
            for (x, y) in a.iter_mut().zip(b) {
                changed |= merge_value(x, y);
            }
        }
        _ => {
            let head = match (object.head(), other.head()) {
                (Some(a), Some(b)) => Some(join(a, b)),
                (Some(a), None) if other.is_empty_list() => Some(a.clone()),
                (None, Some(b)) if object.is_empty_list() => Some(b.clone()),
                _ => None,
            };
            changed |= object.items.is_some();
            object.blur();
            for item in other.items.iter().flatten() {
                match &mut object.rest {
                    Some(old) => changed |= merge_value(old, item),
                    None => {
                        object.rest = Some(item.clone());
                        changed = true;
                    }
                }
            }
            object.fields.retain(|(k, _)| *k != Key::Index(0));
            if let Some(head) = head {
                object.set_field(Key::Index(0), head);
            }
            lists = true;
        }
    }
    for (key, value) in other
        .fields
        .iter()
        .filter(|(k, _)| !lists || *k != Key::Index(0))
    {
        match object.fields.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => changed |= merge_value(old, value),
            None => {
                let mut value = value.clone();
                if object.closed {
                    value.shape = crate::value::join_shapes(&value.shape, &Shape::Unknown);
                }
                object.set_field(*key, value);
                changed = true;
            }
        }
    }
    if let Some(rest) = &other.rest {
        match &mut object.rest {
            Some(old) => changed |= merge_value(old, rest),
            None => {
                object.rest = Some(rest.clone());
                changed = true;
            }
        }
    }
    if let Some(keys) = &other.keys {
        let joined = object
            .keys
            .as_ref()
            .map_or_else(|| keys.clone(), |k| k.union(keys));
        object.keys = Some(joined);
    }
    if object.closed && !other.closed {
        object.closed = false;
        changed = true;
    }
    object.touched |= other.touched;
    changed
}

/// How deep contents are searched.
const MAX_DEPTH: u8 = 4;

impl State {
    /// All marks in a value and in what it contains.
    #[must_use]
    pub fn deep_marks(&self, value: &Value) -> Marks {
        let mut marks = value.marks.clone();
        let mut seen = Vec::new();
        self.collect(&value.shape, &mut marks, &mut seen, 0);
        marks
    }

    fn collect(&self, shape: &Shape, marks: &mut Marks, seen: &mut Vec<ObjectId>, depth: u8) {
        if depth > MAX_DEPTH || seen.len() > 64 {
            return;
        }
        match shape {
            Shape::Object(id) => {
                if seen.contains(id) {
                    return;
                }
                seen.push(*id);
                let object = self.object(*id);
                let mut visit = |value: &Value, marks: &mut Marks| {
                    marks.add(&value.marks);
                    self.collect(&value.shape, marks, seen, depth + 1);
                };
                for value in object.items.iter().flatten() {
                    visit(value, marks);
                }
                for (_, value) in &object.fields {
                    visit(value, marks);
                }
                if let Some(value) = &object.rest {
                    visit(value, marks);
                }
                if let Some(keys) = &object.keys {
                    marks.add(keys);
                }
            }
            Shape::Choice(list) => {
                for shape in list.iter() {
                    self.collect(shape, marks, seen, depth);
                }
            }
            Shape::Partial(partial) => {
                for value in partial
                    .positional
                    .iter()
                    .chain(partial.keywords.iter().map(|(_, v)| v))
                {
                    marks.add(&value.marks);
                    self.collect(&value.shape, marks, seen, depth + 1);
                }
            }
            Shape::ApiMethod(_, receiver) | Shape::BuiltinMethod(_, receiver) => {
                marks.add(&receiver.marks);
                self.collect(&receiver.shape, marks, seen, depth + 1);
            }
            _ => {}
        }
    }

    /// What an element at an unknown position of a value may be.
    #[must_use]
    pub fn element(&self, value: &Value) -> Value {
        let mut result: Option<Value> = None;
        let mut add = |v: Value| {
            result = Some(match result.take() {
                Some(old) => join(&old, &v),
                None => v,
            });
        };
        for shape in value.shape.alternatives() {
            match shape {
                Shape::Object(id) => {
                    let object = self.object(*id);
                    for item in object.items.iter().flatten() {
                        add(item.clone());
                    }
                    if matches!(object.class, Class::Builtin(Builtin::Dict)) {
                        if let Some(keys) = &object.keys {
                            add(Value::unknown().with_marks(keys.clone()));
                        }
                        for (key, _) in &object.fields {
                            match key {
                                Key::Item(s) => add(Value::constant(Const::Str(*s))),
                                Key::Index(i) => add(Value::constant(Const::Int(*i))),
                                _ => {}
                            }
                        }
                    } else {
                        for (key, field) in &object.fields {
                            if !matches!(key, Key::Attribute(_)) {
                                add(field.clone());
                            }
                        }
                        if let Some(rest) = &object.rest {
                            add(rest.clone());
                        }
                    }
                }
                Shape::Const(Const::Str(_)) | Shape::Text(_) | Shape::Builtin(Builtin::Str) => {
                    add(Value::of(Shape::Builtin(Builtin::Str)));
                }
                Shape::Const(Const::None) => {}
                _ => add(Value::unknown()),
            }
        }
        let found = result.unwrap_or_default();
        let marks = found.marks.union(&value.marks);
        found.with_marks(marks)
    }

    /// What any value in a container may be: elements, and values (not keys) of dictionaries.
    #[must_use]
    pub fn content(&self, value: &Value) -> Value {
        let mut found = Value::unknown();
        for shape in value.shape.alternatives() {
            if let Shape::Object(id) = shape {
                let object = self.object(*id);
                let fields = object
                    .fields
                    .iter()
                    .filter(|(k, _)| !matches!(k, Key::Attribute(_)));
                let all = object
                    .items
                    .iter()
                    .flatten()
                    .chain(fields.map(|(_, v)| v))
                    .chain(&object.rest);
                for (at, item) in all.enumerate() {
                    found = if at == 0 && found.marks.is_empty() {
                        item.clone()
                    } else {
                        join(&found, item)
                    };
                }
            }
        }
        let marks = found.marks.union(&value.marks);
        found.with_marks(marks)
    }

    /// Marks of the keys of a dictionary.
    #[must_use]
    pub fn key_marks(&self, value: &Value) -> Marks {
        let mut marks = value.marks.flagged(flag::INEXACT);
        for shape in value.shape.alternatives() {
            if let Shape::Object(id) = shape
                && let Some(keys) = &self.object(*id).keys
            {
                marks = marks.union(keys);
            }
        }
        marks
    }
}

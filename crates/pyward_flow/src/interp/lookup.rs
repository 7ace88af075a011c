//! Attributes and items; values of library names and of types.

use std::sync::Arc;

use pyward_ir::{Const, ExprId, ExprKind, FunctionKind, Span, Symbol, Var};
use pyward_program::{FunctionId, ModuleTarget};

use super::Interp;
use super::text::SliceBounds;
use crate::fold;
use crate::heap::{Class, Key};
use crate::types::TypeExpr;
use crate::value::ApiId;
use crate::value::{Builtin, Closure, Marks, ObjectId, Origin, Shape, Value, join};

/// A variable, attribute or item that can be narrowed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) root: Var,
    pub(super) path: Vec<Key>,
}

/// The annotation that carries more than a type; its value is an object with the parts as elements.
pub(super) const ANNOTATED: &str = "Annotated";

impl Interp<'_> {
    /// The value of an external name: an instance where models give its type.
    pub(super) fn api_value(&mut self, id: ApiId) -> Value {
        if let Some(entry) = self.cx.api.entry(id) {
            if let Some(constant) = entry.constant {
                return Value::constant(constant);
            }
            if let Some(t) = &entry.attribute {
                let value = self.typed(t, None, &[]);
                // A source whose type is known.
                let mut marks = value.marks.clone();
                let span = self.current_span;
                for source in &entry.sources {
                    if source.to.is_none() && source.when.is_empty() {
                        let name = self.cx.api.symbol(id);
                        marks = marks.union(&self.source(source.kind, span, name, source.except));
                    }
                }
                return value.with_marks(marks);
            }
        }
        Value::of(Shape::Api(id))
    }

    /// A value of a type.
    pub(super) fn typed(
        &mut self,
        t: &TypeExpr,
        receiver: Option<&Value>,
        args: &[Value],
    ) -> Value {
        match t {
            TypeExpr::Instance(path) if path == "?" => Value::unknown(),
            TypeExpr::Instance(path) => Value::of(Shape::Instance(self.cx.api.path(path))),
            TypeExpr::Class(path) => Value::of(Shape::Api(self.cx.api.path(path))),
            TypeExpr::Builtin(b) => Value::of(Shape::Builtin(*b)),
            TypeExpr::Sequence(inner) => {
                let element = self.typed(inner, receiver, args);
                self.new_sequence(Builtin::List, element)
            }
            TypeExpr::Mapping(inner) => {
                let element = self.typed(inner, receiver, args);
                self.new_sequence(Builtin::Dict, element)
            }
            TypeExpr::Tuple(parts) => {
                let items = parts
                    .iter()
                    .map(|p| self.typed(p, receiver, args))
                    .collect();
                self.new_list(Builtin::Tuple, items)
            }
            TypeExpr::Receiver => receiver.cloned().unwrap_or_default(),
            TypeExpr::Argument(at) => args.get(*at).cloned().unwrap_or_default(),
            TypeExpr::Named {
                position,
                is_member,
            } => self.named_by(args.get(*position), *is_member),
            TypeExpr::Text(prefix) => {
                let literal = format!("{prefix}\0");
                Value::of(super::text::text_shape(prefix, &literal, false))
            }
            TypeExpr::None => Value::constant(Const::None),
        }
    }

    /// Whether a source yields nothing but a fixed text in this handler.
    fn is_fixed_here(&self, source: &crate::models::Source) -> bool {
        source.fixed_by_route
            && self
                .cx
                .tables
                .entries
                .get(&self.frames[0].function)
                .is_some_and(|entry| {
                    let fixed = |route: &Symbol| {
                        !route
                            .as_str()
                            .contains(['<', '{', ':', '*', '(', '%', '?', '\\'])
                    };
                    !entry.routes.is_empty() && entry.routes.iter().all(fixed)
                })
    }

    /// Adds the marks of a source when a modelled one is read.
    pub(super) fn with_api_source(&mut self, value: Value, span: Span) -> Value {
        let (Shape::Api(id) | Shape::ApiMethod(id, _)) = &value.shape else {
            return value;
        };
        let Some(entry) = self.cx.api.entry(*id) else {
            return value;
        };
        let mut marks = value.marks.clone();
        for source in &entry.sources {
            if source.to.is_none() && source.when.is_empty() && !self.is_fixed_here(source) {
                marks = marks.union(&self.source(
                    source.kind,
                    span,
                    self.cx.api.symbol(*id),
                    source.except,
                ));
            }
        }
        value.with_marks(marks)
    }

    /// `owner.attr`
    pub(super) fn get_attribute(&mut self, owner: &Value, attr: Symbol, at: ExprId) -> Value {
        let mut result: Option<Value> = None;
        for shape in owner.shape.alternatives().to_vec() {
            if matches!(shape, Shape::Const(Const::None)) && matches!(owner.shape, Shape::Choice(_))
            {
                continue;
            }
            let one = self.shape_attribute(&shape, owner, attr, at);
            result = Some(result.map_or_else(|| one.clone(), |r| join(&r, &one)));
        }
        result.unwrap_or_default()
    }

    fn shape_attribute(&mut self, shape: &Shape, owner: &Value, attr: Symbol, at: ExprId) -> Value {
        let marks = &owner.marks;
        match shape {
            Shape::Object(id) => self.object_attribute(*id, owner, attr, at),
            Shape::Module(file) => {
                if let Some(value) = self.module_value(*file, attr) {
                    return value;
                }
                self.submodule(ModuleTarget::File(*file), attr)
                    .unwrap_or_default()
            }
            Shape::Namespace(dir, name) => {
                let (dir, name) = (*dir, *name);
                self.submodule(ModuleTarget::Namespace(dir), attr)
                    .unwrap_or_else(|| {
                        let package = self.cx.api.path(name.as_str());
                        let member = self.cx.api.child(package, attr);
                        self.api_value(member)
                    })
            }
            Shape::Api(id) => {
                let member = self.cx.api.child(*id, attr);
                let value = self.api_value(member);
                let marks = value.marks.union(marks);
                value.with_marks(marks)
            }
            Shape::Instance(id) => self.instance_member(*id, owner, attr),
            Shape::Class(class) => {
                let found = self.class_attribute(*class, attr, None);
                if found.as_ref().is_some_and(|v| is_callable(&v.shape)) {
                    return found.map_or_else(Value::unknown, |v| self.bind_to_class(v, *class));
                }
                let bound = found.map(|v| self.bind_to_class(v, *class));
                match (bound, self.written_attribute(*class, attr)) {
                    (Some(a), Some(b)) => join(&a, &b),
                    (one, other) => one.or(other).unwrap_or_default(),
                }
            }
            Shape::Super(class, receiver) => {
                let receiver = receiver.as_ref().clone();
                self.super_attribute(*class, &receiver, attr)
            }
            Shape::Const(_) | Shape::Text(_) | Shape::Builtin(_) => {
                let receiver = Value {
                    shape: shape.clone(),
                    marks: marks.clone(),
                };
                Value {
                    shape: Shape::BuiltinMethod(attr, Arc::new(receiver)),
                    marks: marks.clone(),
                }
            }
            Shape::Function(_) | Shape::Closure(_) | Shape::Partial(_) => {
                Value::unknown().with_marks(marks.clone())
            }
            Shape::ApiMethod(id, _) => {
                let member = self.cx.api.child(*id, attr);
                let shape = match self.cx.api.entry(member) {
                    Some(_) => Shape::ApiMethod(member, Arc::new(owner.clone())),
                    None => Shape::Instance(member),
                };
                Value {
                    shape,
                    marks: marks.clone(),
                }
            }
            Shape::BuiltinMethod(..) | Shape::Unknown | Shape::Choice(_) => {
                Value::unknown().with_marks(marks.clone())
            }
        }
    }

    fn instance_member(&mut self, class: ApiId, owner: &Value, attr: Symbol) -> Value {
        let member = self.cx.api.child(class, attr);
        if let Some(t) = self.cx.api.attribute(member).cloned() {
            let value = self.typed(&t, Some(owner), &[]);
            // The member may be a source although its type is known.
            let mut marks = value.marks.union(&owner.marks);
            if let Some(entry) = self.cx.api.entry(member) {
                for sanitizer in entry
                    .sanitizers
                    .iter()
                    .filter(|s| s.when.is_empty() && s.unless.is_empty())
                {
                    marks = marks.cleaned(sanitizer.cleans);
                }
                for source in entry
                    .sources
                    .iter()
                    .filter(|s| s.to.is_none() && s.when.is_empty() && !self.is_fixed_here(s))
                {
                    let span = self.current_span;
                    marks = marks.union(&self.source(
                        source.kind,
                        span,
                        self.cx.api.symbol(member),
                        source.except,
                    ));
                }
            }
            return value.with_marks(marks);
        }
        // Whatever else is asked for, where models say what that is: `client.database.collection`.
        if !self.cx.api.is_described(member) && !attr.as_str().starts_with('_') {
            let any = self.cx.api.child(class, Symbol::new("__getattr__"));
            if let Some(t) = self.cx.api.entry(any).and_then(|e| e.returns.clone()) {
                let value = self.typed(&t, Some(owner), &[]);
                let marks = value.marks.union(&owner.marks);
                return value.with_marks(marks);
            }
        }
        Value {
            shape: Shape::ApiMethod(member, Arc::new(owner.clone())),
            marks: owner.marks.clone(),
        }
    }

    fn object_attribute(&mut self, id: ObjectId, owner: &Value, attr: Symbol, at: ExprId) -> Value {
        let object = self.state.object(id);
        if let Some(value) = object.field(Key::Attribute(attr)) {
            // What was read of a parameter before is narrowed with it.
            return value.clone();
        }
        let (class, origin) = (object.class, object.origin);
        let rest_marks = |interp: &Self| -> Marks {
            if origin.is_some() {
                Marks::NONE
            } else {
                interp.member_marks(owner)
            }
        };
        match class {
            Class::Project(project) => {
                let mut value = self.project_attribute(project, owner, attr, at);
                if origin.is_some() && !value.as_ref().is_some_and(|v| is_callable(&v.shape)) {
                    // What the caller's object holds there comes through the parameter.
                    if let Some(member) = self.param_member(id, Key::Attribute(attr), &owner.marks)
                    {
                        value = Some(match value {
                            Some(known) => {
                                let merged = Value {
                                    shape: if known.shape.is_unknown() {
                                        member.shape
                                    } else {
                                        known.shape
                                    },
                                    marks: known.marks.union(&member.marks),
                                };
                                let key = Key::Attribute(attr);
                                self.read_members.insert((id, key), merged.clone());
                                self.state.object_mut(id).set_field(key, merged.clone());
                                merged
                            }
                            None => member,
                        });
                    }
                }
                let mut marks = rest_marks(self);
                if !marks.is_empty() {
                    marks = marks.cleaned(self.cleaned_by_declaration(project, attr));
                }
                value.map_or_else(
                    || Value::unknown().with_marks(marks.clone()),
                    |v| {
                        let all = v.marks.union(&marks);
                        v.with_marks(all)
                    },
                )
            }
            Class::Api(api) => {
                let found = self.instance_member(api, owner, attr);
                if origin.is_some() {
                    let marks = found
                        .marks
                        .map(|m| (!matches!(m.origin, Origin::Param { .. })).then(|| m.clone()));
                    if let Shape::ApiMethod(member, _) = &found.shape
                        && !self.cx.api.is_known(*member)
                        && let Some(value) =
                            self.param_member(id, Key::Attribute(attr), &owner.marks)
                    {
                        let all = value.marks.union(&marks);
                        return value.with_marks(all);
                    }
                    return found;
                }
                found
            }
            Class::Unknown if origin.is_some() => self
                .param_member(id, Key::Attribute(attr), &owner.marks)
                .unwrap_or_default(),
            Class::Unknown => Value::unknown().with_marks(rest_marks(self)),
            Class::Builtin(_) => Value {
                shape: Shape::BuiltinMethod(attr, Arc::new(owner.clone())),
                marks: owner.marks.clone(),
            },
        }
    }

    /// Marks that members of a value share with it.
    fn member_marks(&self, owner: &Value) -> Marks {
        owner.marks.clone()
    }

    /// `owner[key]`
    pub(super) fn get_item(&mut self, owner: &Value, key: &Value, at: ExprId) -> Value {
        let mut result: Option<Value> = None;
        for shape in owner.shape.alternatives().to_vec() {
            let one = self.shape_item(&shape, owner, key, at);
            result = Some(result.map_or_else(|| one.clone(), |r| join(&r, &one)));
        }
        let value = result.unwrap_or_default();
        self.note_interest_of(key);
        value
    }

    fn shape_item(&mut self, shape: &Shape, owner: &Value, key: &Value, at: ExprId) -> Value {
        let is_slice = matches!(key.shape, Shape::Builtin(Builtin::Slice));
        match shape {
            Shape::Const(c) => {
                if is_slice {
                    let folded = self
                        .slice_bounds(at)
                        .and_then(|(l, u, s)| fold::slice(*c, l, u, s));
                    return folded.map_or_else(
                        || Value::of(crate::value::widen(shape)).with_marks(owner.marks.clone()),
                        |c| Value::constant(c).with_marks(owner.marks.clone()),
                    );
                }
                let folded = key.as_const().and_then(|k| fold::index(*c, k));
                folded.map_or_else(
                    || Value::of(Shape::Builtin(Builtin::Str)).with_marks(owner.marks.clone()),
                    |c| Value::constant(c).with_marks(owner.marks.clone()),
                )
            }
            Shape::Text(text) if is_slice => {
                let bounds = self.slice_bounds(at);
                match super::text::slice(text, bounds) {
                    // Nothing but the known beginning.
                    Some(part) if part.as_const().is_some() => part,
                    Some(part) => part.with_marks(owner.marks.clone()),
                    None => Value::of(crate::value::widen(shape)).with_marks(owner.marks.clone()),
                }
            }
            Shape::Text(_) | Shape::Builtin(Builtin::Str | Builtin::Bytes) => {
                Value::of(crate::value::widen(shape)).with_marks(owner.marks.clone())
            }
            Shape::Object(id) => {
                if is_slice {
                    return self.slice_object(*id, owner, at);
                }
                self.object_item(*id, owner, key, at)
            }
            Shape::Instance(api) | Shape::ApiMethod(api, _) => {
                let get = self.cx.api.child(*api, Symbol::new("__getitem__"));
                let mut marks = owner.marks.clone();
                let value = match self.cx.api.returns(get).cloned() {
                    Some(t) => self.typed(&t, Some(owner), std::slice::from_ref(key)),
                    None => Value::unknown(),
                };
                if let Some(entry) = self.cx.api.entry(get) {
                    for source in &entry.sources {
                        marks = marks.union(&self.source(
                            source.kind,
                            self.expr_span(at),
                            self.cx.api.symbol(get),
                            source.except,
                        ));
                    }
                }
                let marks = marks.union(&value.marks);
                value.with_marks(marks)
            }
            Shape::Api(api) => {
                if self.cx.api.name(*api).as_str() == ANNOTATED
                    && let Shape::Object(parts) = key.shape
                {
                    let mut object = self.state.object(parts).clone();
                    object.class = Class::Api(*api);
                    return self.new_object(object);
                }
                // `list[int]`, `os.environ["X"]`
                let value = Value::unknown().with_marks(owner.marks.clone());
                if self.cx.api.looks_like_class(*api) {
                    Value {
                        shape: shape.clone(),
                        marks: Marks::NONE,
                    }
                } else {
                    value
                }
            }
            Shape::Class(_) => Value::of(shape.clone()),
            _ => Value::unknown().with_marks(owner.marks.clone()),
        }
    }

    fn slice_bounds(&mut self, at: ExprId) -> Option<SliceBounds> {
        let ExprKind::Subscript { index, .. } = self.ir.expr(at).kind else {
            return None;
        };
        let ExprKind::Slice { lower, upper, step } = self.ir.expr(index).kind else {
            return None;
        };
        let mut bound = |e: Option<ExprId>| -> Option<Option<Const>> {
            match e {
                None => Some(None),
                Some(e) => self.eval(e).as_const().map(Some),
            }
        };
        Some((bound(lower)?, bound(upper)?, bound(step)?))
    }

    fn slice_object(&mut self, id: ObjectId, owner: &Value, at: ExprId) -> Value {
        let object = self.state.object(id).clone();
        if let (Some(items), Class::Builtin(class)) = (&object.items, object.class) {
            if let Some((l, u, s)) = self.slice_bounds(at)
                && let Some(positions) = fold::slice_positions(items.len(), l, u, s)
            {
                let picked = positions
                    .into_iter()
                    .filter_map(|p| items.get(p).cloned())
                    .collect();
                return self.new_list(class, picked).with_marks(owner.marks.clone());
            }
            let element = self.state.element(owner);
            return self.new_sequence(class, element);
        }
        if object.origin.is_some() {
            return Value::unknown().with_marks(self.state.deep_marks(owner));
        }
        owner.clone()
    }

    fn object_item(&mut self, id: ObjectId, owner: &Value, key: &Value, at: ExprId) -> Value {
        let object = self.state.object(id);
        let (class, origin) = (object.class, object.origin);
        match key.as_const() {
            Some(c) => {
                let key = Key::of_const(c);
                if let (Some(items), Key::Index(i)) = (&object.items, key) {
                    let length = i64::try_from(items.len()).unwrap_or(0);
                    let index =
                        usize::try_from(if i < 0 { i + length } else { i }).unwrap_or(usize::MAX);
                    if let Some(item) = items.get(index) {
                        let marks = item.marks.union(&owner.marks);
                        return item.clone().with_marks(marks);
                    }
                    return Value::unknown().with_marks(owner.marks.clone());
                }
                if let Some(value) = object.field(key) {
                    let mut value = value.clone();
                    if origin.is_none() {
                        value.marks = value.marks.union(&owner.marks);
                    }
                    // An element stored at an unknown key may be this one.
                    if !object.closed
                        && let Some(rest) = &object.rest
                        && origin.is_none()
                    {
                        value = join(&value, &rest.clone().inexact());
                    }
                    return value;
                }
                match class {
                    Class::Unknown | Class::Builtin(_) if origin.is_some() => {
                        self.param_member(id, key, &owner.marks).unwrap_or_default()
                    }
                    Class::Api(api) => {
                        let shape = Shape::Instance(api);
                        self.shape_item(&shape, owner, &Value::constant(c), at)
                    }
                    Class::Project(project) => {
                        if let Key::Index(index) = key
                            && self
                                .find_method(project, Symbol::new("__getitem__"))
                                .is_none()
                            && let Ok(index) = usize::try_from(index)
                            && let Some(name) = self.declared_fields(project).get(index)
                        {
                            // A named tuple.
                            return self.get_attribute(owner, *name, at);
                        }
                        self.call_dunder(project, owner, "__getitem__", &[Value::constant(c)])
                    }
                    _ => {
                        let rest = object.rest.clone().unwrap_or_default();
                        let marks = rest.marks.union(&owner.marks);
                        rest.with_marks(marks)
                    }
                }
            }
            None => match class {
                Class::Project(project) => {
                    self.call_dunder(project, owner, "__getitem__", std::slice::from_ref(key))
                }
                Class::Api(api) => {
                    let shape = Shape::Instance(api);
                    self.shape_item(&shape, owner, &Value::unknown(), at)
                }
                _ => {
                    let content = self.state.content(owner);
                    if content.shape.is_unknown() && content.marks.is_empty() {
                        return Value::unknown().with_marks(owner.marks.clone());
                    }
                    content
                }
            },
        }
    }

    /// The place behind an expression, if it is one that can be narrowed.
    pub(super) fn place_of(&self, expr: ExprId) -> Option<Place> {
        match &self.ir.expr(expr).kind {
            ExprKind::Name(var) => Some(Place {
                root: *var,
                path: Vec::new(),
            }),
            ExprKind::Attribute { value, attr, .. } => {
                let mut place = self.place_of(*value)?;
                place.path.push(Key::Attribute(*attr));
                Some(place)
            }
            ExprKind::Subscript { value, index } => {
                let ExprKind::Const(c) = self.ir.expr(*index).kind else {
                    return None;
                };
                let mut place = self.place_of(*value)?;
                place.path.push(Key::of_const(c));
                Some(place)
            }
            ExprKind::Await(inner) => self.place_of(*inner),
            ExprKind::Named { target, .. } => Some(Place {
                root: *target,
                path: Vec::new(),
            }),
            _ => None,
        }
    }

    /// Changes the value at a place.
    pub(super) fn update_place(&mut self, place: &Place, change: &dyn Fn(&mut Value)) {
        let mut value = match place.root {
            Var::Local(slot) => match self.state.locals.get(slot as usize) {
                Some(v) => v.clone(),
                None => return,
            },
            Var::Captured { function, slot } => self.read_captured(function.0, slot),
            Var::Global(name) => match self.state.globals.get(&name) {
                Some(v) => v.clone(),
                None => match self.module_value(self.file, name) {
                    Some(v) => v,
                    None => return,
                },
            },
        };
        let Some((last, path)) = place.path.split_last() else {
            change(&mut value);
            match place.root {
                Var::Local(slot) => self.state.locals[slot as usize] = value,
                Var::Captured { function, slot } => {
                    Arc::make_mut(&mut self.state.captured).insert((function.0, slot), value);
                }
                Var::Global(name) => {
                    Arc::make_mut(&mut self.state.imported)
                        .insert((self.file, name), value.clone());
                    if self.state.globals.contains_key(&name) {
                        Arc::make_mut(&mut self.state.globals).insert(name, value);
                    }
                }
            }
            return;
        };
        for key in path {
            let Shape::Object(id) = value.shape else {
                return;
            };
            let Some(next) = self.state.object(id).field(*key) else {
                return;
            };
            value = next.clone();
        }
        if let Shape::Object(id) = value.shape {
            let object = self.state.object(id);
            let found = match (last, &object.items) {
                (Key::Index(i), Some(items)) => {
                    usize::try_from(*i).ok().and_then(|i| items.get(i).cloned())
                }
                _ => object.field(*last).cloned(),
            };
            if let Some(mut inner) = found {
                change(&mut inner);
                self.store(id, *last, inner, true);
            } else if object.class == Class::Builtin(Builtin::Dict)
                && object.origin.is_none()
                && matches!(last, Key::Item(_) | Key::Index(_))
            {
                // A key that a `defaultdict` makes when it is first asked for.
                let mut inner = object.rest.clone().unwrap_or_default();
                change(&mut inner);
                if !inner.marks.is_empty() {
                    self.store(id, *last, inner, true);
                }
            }
        }
    }

    /// A function value: a closure if it captures something.
    pub(super) fn make_function(&mut self, index: pyward_ir::FunctionIndex) -> Value {
        let id = FunctionId {
            file: self.file,
            index,
        };
        let captured = self.capture_for(index);
        if captured.is_empty() {
            return Value::of(Shape::Function(id));
        }
        Value::of(Shape::Closure(Arc::new(Closure {
            function: id,
            receiver: None,
            captured,
        })))
    }

    /// The values that a nested function sees of its enclosing functions.
    fn capture_for(&mut self, index: pyward_ir::FunctionIndex) -> Vec<(u32, u32, Value)> {
        let mut captured = Vec::new();
        for (owner, slot) in self.cx.index.captures(FunctionId {
            file: self.file,
            index,
        }) {
            if owner.0 == 0 {
                continue;
            }
            let value = self.read_captured(owner.0, *slot);
            captured.push((owner.0, *slot, value));
        }
        captured
    }

    /// Whether a statement stands in a class body.
    pub(super) fn in_class_body(&self) -> bool {
        self.ir.function(self.frame_ref().function.index).kind == FunctionKind::ClassBody
    }
}

pub(super) fn is_callable(shape: &Shape) -> bool {
    matches!(
        shape,
        Shape::Function(_)
            | Shape::Closure(_)
            | Shape::Class(_)
            | Shape::Partial(_)
            | Shape::ApiMethod(..)
    )
}

//! Calls of external functions: what the models say of them.

use pyward_ir::{Const, ExprId, Span, Symbol};

use super::Interp;
use super::call::CallArgs;
use crate::heap::{Class, Key, Object};
use crate::models::{Entry, Propagator};
use crate::place::{Base, Content, Place};
use crate::types::TypeExpr;
use crate::value::ApiId;
use crate::value::{ALL_CONTEXTS, Builtin, Marks, Shape, Step, StepKind, Value, flag, join};

impl Interp<'_> {
    /// Calls an external function or method.
    pub(super) fn call_api(
        &mut self,
        id: ApiId,
        receiver: Option<&Value>,
        call: &CallArgs,
        span: Span,
    ) -> Value {
        let entry = self.cx.api.entry(id);
        let name = self.cx.api.symbol(id);
        if let Some(entry) = entry {
            self.check_call(entry, id, receiver, call, span);
            self.register_entries(entry, call, span);
            self.apply_states(entry, id, receiver, call);
        }
        self.check_setting_call(id, receiver, call, span);
        let text = name.as_str();
        let builtin = text.strip_prefix("builtins.");
        if builtin.is_some()
            && let Some(entry) = entry
        {
            self.run_callbacks(entry, receiver, call, span);
        }
        if let Some(builtin) = builtin
            && let Some(value) = self.builtin_function(builtin, call, span)
        {
            return match entry {
                Some(entry) if !entry.sources.is_empty() || !entry.sanitizers.is_empty() => {
                    self.finish_call(entry, id, value, receiver, call, span)
                }
                _ => value,
            };
        }
        if builtin.is_none()
            && let Some(entry) = entry
            && let Some(value) = self.run_callbacks(entry, receiver, call, span)
        {
            return value;
        }
        if entry.is_some_and(|e| e.diverges) {
            self.raise(&Marks::NONE);
            return Value::unknown();
        }
        let result = self.api_result(id, entry, receiver, call, span);
        match entry {
            Some(entry) => {
                let result = self.finish_call(entry, id, result, receiver, call, span);
                self.converted(entry, result, receiver, call, span)
            }
            None => result,
        }
    }

    /// Calls a method of which only the name is known.
    pub(super) fn call_duck(
        &mut self,
        id: ApiId,
        owner: &Value,
        call: &CallArgs,
        span: Span,
        owner_expr: ExprId,
    ) -> Value {
        let Some(entry) = self.cx.api.entry(id) else {
            return Value::unknown();
        };
        self.receiver_expr = Some(owner_expr);
        self.check_call(entry, id, Some(owner), call, span);
        self.register_entries(entry, call, span);
        let mut marks = self.state.deep_marks(owner);
        let mut result = Value::unknown();
        if entry.propagators.is_empty() {
            for value in call.values() {
                marks = marks.union(&self.state.deep_marks(value).flagged(flag::OBSCURE));
            }
        } else {
            result = self.propagate(entry, Some(owner), call, span, id);
            marks = result.marks.clone();
        }
        if let Some(t) = &entry.returns {
            result = self.typed(&t.clone(), Some(owner), &call.positional);
        }
        let result = result.with_marks(marks);
        let value = self.finish_call(entry, id, result, Some(owner), call, span);
        self.receiver_expr = None;
        value
    }

    /// Type and data of the result, before sanitisers and sources.
    fn api_result(
        &mut self,
        id: ApiId,
        entry: Option<&Entry>,
        receiver: Option<&Value>,
        call: &CallArgs,
        span: Span,
    ) -> Value {
        let returns = self.cx.api.returns(id).cloned();
        let is_number = matches!(
            returns,
            Some(TypeExpr::Builtin(Builtin::Int | Builtin::Float | Builtin::Bool) | TypeExpr::None)
        );
        let typed = returns
            .as_ref()
            .map(|t| self.typed(t, receiver, &call.positional));
        let is_class = self.cx.api.looks_like_class(id);
        let mut marks;
        let described = entry.is_some_and(|e| !e.propagators.is_empty());
        if let (Some(TypeExpr::Argument(_)), Some(argument), false) = (&returns, &typed, described)
        {
            return argument.clone();
        }
        let mut value = Value::unknown();
        if let Some(entry) = entry
            && described
        {
            value = self.propagate(entry, receiver, call, span, id);
            marks = value.marks.clone();
        } else {
            let own = receiver
                .map(|r| self.state.deep_marks(r))
                .unwrap_or_default();
            let mut passed = Marks::NONE;
            for arg in call.values() {
                passed = passed.union(&self.state.deep_marks(arg));
            }
            if !passed.is_empty() {
                passed = self.through(&passed, span, self.cx.api.symbol(id));
            }
            let understood = is_class || entry.is_some_and(|e| !e.sanitizers.is_empty());
            marks = own.union(&if understood {
                passed
            } else {
                passed.flagged(flag::OBSCURE)
            });
            if is_number {
                marks = marks.cleaned(ALL_CONTEXTS);
            }
        }
        let shape = match typed {
            Some(t) => {
                // Where a propagator speaks, the type `self` adds nothing to what passes.
                if !described {
                    marks = marks.union(&t.marks);
                }
                match t.shape {
                    // What is known of the text says more than that it is one.
                    Shape::Builtin(Builtin::Str)
                        if matches!(value.shape, Shape::Const(_) | Shape::Text(_)) =>
                    {
                        value.shape
                    }
                    Shape::Instance(api) if self.keeps_arguments(api, call) => {
                        self.instance_with_args(api, call)
                    }
                    other => other,
                }
            }
            None if !value.shape.is_unknown() => value.shape,
            None if is_class => self.instance_with_args(id, call),
            None => Shape::Instance(self.cx.api.result(id)),
        };
        Value { shape, marks }
    }

    fn keeps_arguments(&self, api: ApiId, call: &CallArgs) -> bool {
        self.cx.api.is_known(api)
            && (!call.keywords.is_empty()
                || call
                    .positional
                    .iter()
                    .any(|v| v.as_const().is_some() || matches!(v.shape, Shape::Text(_))))
    }

    /// An instance that remembers what it was made with, for conditions on it.
    fn instance_with_args(&mut self, api: ApiId, call: &CallArgs) -> Shape {
        if call.keywords.is_empty() && call.positional.is_empty() {
            return Shape::Instance(api);
        }
        let mut object = Object::new(Class::Api(api));
        object.closed = false;
        for (at, value) in call.positional.iter().take(3).enumerate() {
            if value.as_const().is_some()
                || matches!(
                    value.shape,
                    Shape::Text(_) | Shape::Instance(_) | Shape::Api(_)
                )
            {
                let kept = Value::of(value.shape.clone());
                object
                    .fields
                    .push((Key::Attribute(Symbol::new(&at.to_string())), kept));
            }
        }
        for (name, value, _) in call.keywords.iter().take(16) {
            if !matches!(value.shape, Shape::Unknown) {
                object.fields.push((
                    Key::Attribute(Symbol::new(&format!("={name}"))),
                    Value::of(value.shape.clone()),
                ));
            }
        }
        Shape::Object(self.state.allocate(object))
    }

    /// Sources and sanitisers on the result.
    fn finish_call(
        &mut self,
        entry: &Entry,
        id: ApiId,
        value: Value,
        receiver: Option<&Value>,
        call: &CallArgs,
        span: Span,
    ) -> Value {
        let mut marks = value.marks.clone();
        for sanitizer in &entry.sanitizers {
            if self.conditions_hold(&sanitizer.when, &sanitizer.unless, call, receiver) {
                marks = sanitizer.apply(&marks);
            }
        }
        for source in &entry.sources {
            if !self.conditions_hold(&source.when, &[], call, receiver) {
                continue;
            }
            let new = self.source(source.kind, span, self.cx.api.symbol(id), source.except);
            match &source.to {
                Some(place) => self.taint_place(place, call, &new),
                None => {
                    marks = marks.union(&new);
                }
            }
        }
        let mut value = value.with_marks(marks);
        if !entry.templates.is_empty() {
            self.remember_template(entry, &mut value, receiver, call);
        }
        if !entry.regexes.is_empty() {
            self.remember_regex(entry, &value, receiver, call);
        }
        self.state_of_result(entry, value, receiver, call)
    }

    /// Marks an argument that a call fills.
    fn taint_place(&mut self, place: &Place, call: &CallArgs, marks: &Marks) {
        let Some((_, expr)) = self.argument(place, call, None) else {
            return;
        };
        let values = self.place_values(place, call, None);
        for value in values {
            for shape in value.shape.alternatives().to_vec() {
                if let Shape::Object(id) = shape {
                    self.state
                        .object_mut(id)
                        .add_rest(&Value::unknown().with_marks(marks.clone()));
                }
            }
        }
        if let Some(expr) = expr
            && let Some(target) = self.place_of(expr)
        {
            self.update_place(&target, &|v| v.marks = v.marks.union(marks));
        }
    }

    /// Runs the propagators of a call.
    fn propagate(
        &mut self,
        entry: &Entry,
        receiver: Option<&Value>,
        call: &CallArgs,
        span: Span,
        id: ApiId,
    ) -> Value {
        let mut result = Value::unknown();
        for propagator in &entry.propagators {
            let value = self.propagate_one(propagator, receiver, call, span, id);
            match &propagator.to {
                None => {
                    let shape = if result.shape.is_unknown() {
                        value.shape
                    } else {
                        result.shape
                    };
                    result = Value {
                        shape,
                        marks: result.marks.union(&value.marks),
                    };
                }
                Some(place) => self.write_place(place, receiver, call, &value, propagator),
            }
        }
        result
    }

    fn propagate_one(
        &mut self,
        propagator: &Propagator,
        receiver: Option<&Value>,
        call: &CallArgs,
        span: Span,
        id: ApiId,
    ) -> Value {
        let mut marks = Marks::NONE;
        for place in &propagator.from {
            for value in self.place_values(place, call, receiver) {
                marks = marks.union(&self.state.deep_marks(&value));
            }
        }
        let mut shape = Shape::Unknown;
        if !propagator.load.is_empty() {
            let found = self.load_keyed(&propagator.load, receiver, call);
            marks = marks.union(&found.marks);
            shape = found.shape;
        }
        if !marks.is_empty() {
            marks = self.through(&marks, span, self.cx.api.symbol(id));
        }
        if propagator.decodes {
            marks = marks.decoded(self.cx.contexts.genuine);
        }
        if propagator.removes.is_some() && !marks.is_empty() {
            marks = marks.cleaned(self.cleaned_by_removal(propagator, receiver, call));
        }
        if propagator.normalises_path {
            marks = marks.flagged(flag::NORMALISED);
        } else if propagator.store.is_empty()
            && propagator.load.is_empty()
            && !(propagator.keeps_path && call.positional.len() == 1)
        {
            marks = marks.unflagged(flag::NORMALISED);
        }
        if let Some(place) = &propagator.prefix {
            let first = self
                .place_values(place, call, receiver)
                .into_iter()
                .next()
                .unwrap_or_default();
            let prefix = match &first.shape {
                Shape::Const(Const::Str(s)) => Some(*s),
                Shape::Text(t) => Some(t.prefix),
                _ => None,
            };
            if let Some(prefix) = prefix
                && first.marks.is_empty()
            {
                marks = self.after_prefix(prefix.as_str(), &marks);
            }
            let prefix = prefix.map_or("", |p| p.as_str());
            let literal = joined_literal(&call.positional);
            if prefix.is_empty() && literal.chars().all(|c| matches!(c, '\0' | '/')) {
                return Value { shape, marks };
            }
            shape = super::text::text_shape(prefix, &literal, false);
        }
        Value { shape, marks }
    }

    /// Writes what a propagator passes on to a place of the call.
    fn write_place(
        &mut self,
        place: &Place,
        receiver: Option<&Value>,
        call: &CallArgs,
        value: &Value,
        propagator: &Propagator,
    ) {
        let owner_expr = match place.base {
            Base::Receiver => self.call_receiver_expr(call),
            _ => self.argument(place, call, receiver).and_then(|(_, e)| e),
        };
        let owners = match place.base {
            Base::Receiver => receiver.cloned().into_iter().collect::<Vec<_>>(),
            _ => self.place_values(place, call, receiver),
        };
        if !propagator.store.is_empty() {
            let key = self.store_key(&propagator.store, call, receiver);
            for owner in owners {
                let owner = self.object_behind(&owner, owner_expr);
                if let Shape::Object(id) = owner.shape {
                    match key {
                        Some(key) => self.store(id, Key::Item(key), value.clone(), true),
                        None => self.store(id, Key::Any, value.clone(), false),
                    }
                }
            }
            return;
        }
        if value.marks.is_empty() {
            return;
        }
        for owner in owners {
            let mut stored = false;
            for shape in owner.shape.alternatives().to_vec() {
                if let Shape::Object(id) = shape {
                    self.state
                        .object_mut(id)
                        .add_rest(&Value::unknown().with_marks(value.marks.clone()));
                    stored = true;
                }
            }
            if !stored {
                self.taint_unknown_owner(&owner, owner_expr, &value.marks);
            }
        }
    }

    /// The expression of the receiver of a call.
    fn call_receiver_expr(&self, call: &CallArgs) -> Option<ExprId> {
        let site = call.site?;
        if let pyward_ir::ExprKind::Call { callee, .. } = self.ir.expr(site).kind
            && let pyward_ir::ExprKind::Attribute { value, .. } = self.ir.expr(callee).kind
        {
            return Some(value);
        }
        None
    }

    /// An object on the heap for an external instance that has none yet.
    fn object_behind(&mut self, owner: &Value, expr: Option<ExprId>) -> Value {
        let Shape::Instance(api) = owner.shape else {
            return owner.clone();
        };
        let mut object = Object::new(Class::Api(api));
        object.closed = false;
        let value = self.new_object(object).with_marks(owner.marks.clone());
        if let Some(place) = expr.and_then(|e| self.place_of(e)) {
            let new = value.clone();
            self.update_place(&place, &move |v| *v = new.clone());
        }
        value
    }

    /// The constant key that several places make up; `None` if one is not constant.
    fn store_key(
        &mut self,
        places: &[Place],
        call: &CallArgs,
        receiver: Option<&Value>,
    ) -> Option<Symbol> {
        let mut key = String::from("#");
        for place in places {
            let value = self
                .place_values(place, call, receiver)
                .into_iter()
                .next()?;
            key.push('\u{1}');
            key.push_str(&crate::fold::display(value.as_const()?)?);
        }
        Some(Symbol::new(&key))
    }

    fn load_keyed(&mut self, places: &[Place], receiver: Option<&Value>, call: &CallArgs) -> Value {
        let Some(Value {
            shape: Shape::Object(id),
            ..
        }) = receiver
        else {
            return Value::unknown();
        };
        let key = self.store_key(places, call, receiver);
        let object = self.state.object(*id);
        let rest = object.rest.clone();
        let found = match key {
            Some(key) => object.field(Key::Item(key)).cloned(),
            None => {
                let mut all: Option<Value> = None;
                for (k, v) in &object.fields {
                    if matches!(k, Key::Item(s) if s.as_str().starts_with('#')) {
                        all = Some(all.map_or_else(|| v.clone(), |a| join(&a, v)));
                    }
                }
                all
            }
        };
        match (found, rest) {
            (Some(a), Some(b)) => join(&a, &b),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => Value::unknown(),
        }
    }

    /// Calls that change what an object is.
    fn apply_states(
        &mut self,
        entry: &Entry,
        _id: ApiId,
        receiver: Option<&Value>,
        call: &CallArgs,
    ) {
        for change in &entry.states {
            if !matches!(change.of.base, Base::Receiver | Base::Argument(..))
                || !self.conditions_hold(&change.when, &change.unless, call, receiver)
            {
                continue;
            }
            let expr = match change.of.base {
                Base::Receiver => self.call_receiver_expr(call),
                _ => self
                    .argument(&change.of, call, receiver)
                    .and_then(|(_, e)| e),
            };
            let becomes = self.cx.api.path(&change.becomes);
            self.change_class(expr, becomes);
        }
    }

    pub(super) fn change_class(&mut self, expr: Option<ExprId>, becomes: ApiId) {
        let Some(place) = expr.and_then(|e| self.place_of(e)) else {
            return;
        };
        let Some(value) = self.value_at(&place) else {
            return;
        };
        if let Shape::Object(id) = value.shape {
            self.state.object_mut(id).class = Class::Api(becomes);
        } else {
            self.update_place(&place, &|v| v.shape = Shape::Instance(becomes));
        }
    }

    /// States that the result of a call is in.
    pub(super) fn state_of_result(
        &mut self,
        entry: &Entry,
        value: Value,
        receiver: Option<&Value>,
        call: &CallArgs,
    ) -> Value {
        let mut value = value;
        for change in &entry.states {
            if change.of.base == Base::Return
                && self.conditions_hold(&change.when, &change.unless, call, receiver)
            {
                let becomes = self.cx.api.path(&change.becomes);
                match value.shape {
                    Shape::Object(id) => self.state.object_mut(id).class = Class::Api(becomes),
                    _ => value.shape = Shape::Instance(becomes),
                }
            }
        }
        value
    }

    /// The argument at a place, and where it stands.
    pub(super) fn argument(
        &self,
        place: &Place,
        call: &CallArgs,
        receiver: Option<&Value>,
    ) -> Option<(Value, Option<ExprId>)> {
        match &place.base {
            Base::Argument(position, name) => {
                if let Some(name) = name
                    && let Some((_, value, expr)) = call.keywords.iter().find(|(n, _, _)| n == name)
                {
                    return Some((value.clone(), *expr));
                }
                if let Some(at) = position {
                    if let Some(value) = call.positional.get(*at) {
                        return Some((
                            value.clone(),
                            call.positional_exprs.get(*at).copied().flatten(),
                        ));
                    }
                    if let Some(star) = &call.star {
                        return Some((star.clone(), None));
                    }
                }
                if name.is_some()
                    && let Some(extra) = &call.double_star
                    && !extra.marks.is_empty()
                {
                    return Some((extra.clone(), None));
                }
                None
            }
            Base::Receiver => receiver.map(|r| {
                (
                    r.clone(),
                    self.receiver_expr.or_else(|| self.call_receiver_expr(call)),
                )
            }),
            _ => None,
        }
    }

    /// The values that a place stands for.
    pub(super) fn place_values(
        &mut self,
        place: &Place,
        call: &CallArgs,
        receiver: Option<&Value>,
    ) -> Vec<Value> {
        let bases: Vec<Value> = match &place.base {
            // `*[1:]`: the arguments from the second on.
            Base::Positional if matches!(place.content, Content::From(_)) => {
                let Content::From(from) = place.content else {
                    return Vec::new();
                };
                let skipped = usize::try_from(from).unwrap_or(0);
                let rest = call.positional.iter().skip(skipped);
                return rest.chain(&call.star).cloned().collect();
            }
            Base::Positional => call.positional.iter().chain(&call.star).cloned().collect(),
            Base::Keyword => call
                .keywords
                .iter()
                .map(|(_, v, _)| v)
                .chain(&call.double_star)
                .cloned()
                .collect(),
            Base::Return | Base::Value | Base::Key | Base::Target => Vec::new(),
            _ => self
                .argument(place, call, receiver)
                .map(|(v, _)| v)
                .into_iter()
                .collect(),
        };
        let mut values = Vec::new();
        for base in bases {
            values.extend(self.narrow_content(&base, &place.content));
        }
        values
    }

    /// The values of a dictionary whose keys are known, one by one.
    fn dict_values(&self, value: &Value) -> Option<Vec<Value>> {
        let Shape::Object(id) = value.shape else {
            return None;
        };
        let object = self.state.object(id);
        if object.class != Class::Builtin(crate::value::Builtin::Dict) {
            return None;
        }
        let fields = object.fields.iter().map(|(_, v)| v.clone());
        Some(fields.chain(object.rest.clone()).collect())
    }

    /// The part of a value that a place means.
    pub(super) fn narrow_content(&mut self, value: &Value, content: &Content) -> Vec<Value> {
        let items = match &value.shape {
            Shape::Object(id) => self.state.object(*id).items.clone(),
            _ => None,
        };
        match content {
            Content::Whole => vec![value.clone()],
            Content::Element(at) => match items {
                Some(items) => usize::try_from(*at)
                    .ok()
                    .and_then(|i| items.get(i).cloned())
                    .into_iter()
                    .collect(),
                None => {
                    if let Shape::Object(id) = &value.shape
                        && let Some(field) = self.state.object(*id).field(Key::Index(*at))
                    {
                        return vec![field.clone()];
                    }
                    if is_sequence(&value.shape, &self.state) {
                        vec![self.state.element(value)]
                    } else {
                        Vec::new()
                    }
                }
            },
            Content::From(at) => match items {
                Some(items) => items
                    .into_iter()
                    .skip(usize::try_from(*at).unwrap_or(0))
                    .collect(),
                None => {
                    if let Shape::Object(id) = &value.shape {
                        let object = self.state.object(*id);
                        if let Some(rest) = &object.rest {
                            return vec![rest.clone()];
                        }
                        if object.origin.is_some() {
                            return vec![value.clone()];
                        }
                        return Vec::new();
                    }
                    Vec::new()
                }
            },
            Content::Any => match items {
                Some(items) => items,
                None => match self.dict_values(value) {
                    Some(values) => values,
                    None => vec![self.state.content(value)],
                },
            },
            Content::Keys => {
                let marks = self.state.key_marks(value);
                vec![Value::unknown().with_marks(marks)]
            }
            Content::Member(name) => {
                if let Shape::Object(id) = &value.shape {
                    let object = self.state.object(*id);
                    let made_with = Symbol::new(&format!("={name}"));
                    for key in [
                        Key::Attribute(*name),
                        Key::Attribute(made_with),
                        Key::Item(*name),
                    ] {
                        if let Some(field) = object.field(key) {
                            return vec![field.clone()];
                        }
                    }
                }
                Vec::new()
            }
        }
    }

    pub(super) fn call_step(&self, span: Span, name: Symbol) -> Step {
        self.step(StepKind::Call, span, name)
    }
}

fn is_sequence(shape: &Shape, state: &crate::heap::State) -> bool {
    match shape {
        Shape::Object(id) => matches!(state.object(*id).class, Class::Builtin(_)),
        Shape::Builtin(b) => {
            !matches!(b, crate::value::Builtin::Str | crate::value::Builtin::Bytes)
        }
        _ => false,
    }
}

/// What is known of the text of parts of a path put together; a NUL for a part that is not known.
fn joined_literal(parts: &[Value]) -> String {
    let texts = parts.iter().map(|part| match &part.shape {
        Shape::Const(Const::Str(text)) => text.as_str(),
        Shape::Text(text) => text.literal.as_str(),
        _ => "\0",
    });
    texts.collect::<Vec<_>>().join("/")
}

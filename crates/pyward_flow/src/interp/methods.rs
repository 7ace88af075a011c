//! Methods of Python's own types: strings, lists, dictionaries, sets.

use pyward_ir::{Const, ExprId, Symbol};

use super::Interp;
use super::call::CallArgs;
use super::text::built_after;
use crate::fold;
use crate::heap::{Class, Key, Object};
use crate::value::{Builtin, Marks, ObjectId, Shape, Value, flag, join};

impl Interp<'_> {
    /// Calls a method of a builtin type; `None` if no builtin type has a method of that name.
    pub(super) fn builtin_method(
        &mut self,
        receiver: &Value,
        name: Symbol,
        call: &CallArgs,
        receiver_expr: Option<ExprId>,
    ) -> Option<Value> {
        let method = name.as_str();
        if let Shape::Object(id) = receiver.shape {
            let object = self.state.object(id);
            match object.class {
                Class::Builtin(class) => {
                    if let Some(container) = receiver_expr {
                        self.note_kept_by_method(container, class, method, call);
                    }
                    return match class {
                        Builtin::Dict => self.dict_method(id, receiver, method, call),
                        _ => self.list_method(id, receiver, method, call),
                    };
                }
                Class::Unknown => {
                    // A parameter: it may be a string, a list or a dictionary.
                    if let Some(value) = self.unknown_container_method(id, receiver, method, call) {
                        return Some(value);
                    }
                }
                _ => return None,
            }
        }
        self.str_method(receiver, method, call, receiver_expr)
    }

    #[allow(clippy::too_many_lines, reason = "one arm per method")]
    fn str_method(
        &mut self,
        receiver: &Value,
        method: &str,
        call: &CallArgs,
        receiver_expr: Option<ExprId>,
    ) -> Option<Value> {
        if let Some(c) = receiver.as_const() {
            let args: Option<Vec<Const>> = call.positional.iter().map(Value::as_const).collect();
            if let Some(args) = args
                && call.keywords.is_empty()
                && call.star.is_none()
                && let Some(folded) = fold::str_method(c, method, &args)
            {
                let mut marks = receiver.marks.clone();
                if method == "replace" {
                    marks = marks.cleaned(self.cleaned_by_replace(call));
                }
                for value in &call.positional {
                    marks = marks.union(&value.marks);
                }
                return Some(Value::constant(folded).with_marks(marks));
            }
            if let (Const::Str(s), "split" | "rsplit", [sep]) =
                (c, method, call.positional.as_slice())
                && let Some(sep) = sep.as_str().filter(|s| !s.is_empty())
            {
                let parts = s.as_str().split(sep).take(64).map(Value::str).collect();
                return Some(
                    self.new_list(Builtin::List, parts)
                        .with_marks(receiver.marks.clone()),
                );
            }
        }
        let mut arg_marks = Marks::NONE;
        for value in call.values() {
            arg_marks = arg_marks.union(&self.state.deep_marks(value));
        }
        let own = self.state.deep_marks(receiver);
        let text = |marks: Marks| Value::of(Shape::Builtin(Builtin::Str)).with_marks(marks);
        Some(match method {
            "lower" | "upper" | "title" | "capitalize" | "casefold" | "swapcase" | "strip"
            | "lstrip" | "rstrip" | "expandtabs" | "zfill" | "removeprefix" | "removesuffix"
            | "translate" => {
                let argument = call.positional.first().map(Value::as_str);
                let shape = built_after(&receiver.shape, method, argument);
                shape.map_or_else(
                    || text(own.clone()),
                    |shape| Value {
                        shape,
                        marks: own.clone(),
                    },
                )
            }
            "replace" => {
                let replacement = call
                    .positional
                    .get(1)
                    .map(|v| self.state.deep_marks(v))
                    .unwrap_or_default();
                let cleaned = self.cleaned_by_replace(call);
                let shape = match &receiver.shape {
                    Shape::Text(_) => receiver.shape.clone(),
                    _ => Shape::Builtin(Builtin::Str),
                };
                Value {
                    shape,
                    marks: own.cleaned(cleaned).union(&replacement),
                }
            }
            "ljust" | "rjust" | "center" => text(own.union(&arg_marks)),
            "encode" => Value {
                shape: encoded(&receiver.shape, true),
                marks: own,
            },
            "decode" => Value {
                shape: encoded(&receiver.shape, false),
                marks: own,
            },
            "hex" | "tobytes" if call.positional.is_empty() => text(own),
            "format" => {
                self.check_format_call(receiver, receiver_expr, call);
                let named: Vec<(Symbol, Value)> = call
                    .keywords
                    .iter()
                    .map(|(n, v, _)| (*n, v.clone()))
                    .collect();
                let mut extra = Marks::NONE;
                for value in call.star.iter().chain(&call.double_star) {
                    extra = extra.union(&self.state.deep_marks(value));
                }
                self.format_template(receiver, &call.positional, &named, &extra)
            }
            "format_map" => {
                self.check_format_call(receiver, receiver_expr, call);
                text(own.union(&arg_marks))
            }
            "join" => {
                let parts = call.positional.first().cloned().unwrap_or_default();
                let known = match &parts.shape {
                    Shape::Object(id) => self.state.object(*id).items.clone(),
                    _ => None,
                };
                if let Some(items) = known.filter(|i| i.len() <= 64) {
                    let mut pieces = Vec::new();
                    for (at, item) in items.into_iter().enumerate() {
                        if at > 0 {
                            pieces.push(receiver.clone());
                        }
                        pieces.push(self.as_text(item));
                    }
                    if pieces.is_empty() {
                        return Some(Value::str(""));
                    }
                    let joined = self.concatenate(&pieces);
                    let marks = joined.marks.union(&parts.marks).union(&receiver.marks);
                    return Some(joined.with_marks(marks));
                }
                let element = self.state.element(&parts);
                let literal = match &element.shape {
                    Shape::Text(t) => Some(t.literal),
                    Shape::Const(Const::Str(s)) => Some(*s),
                    _ => None,
                };
                let marks = self.state.deep_marks(&parts).union(&own);
                match literal {
                    Some(l) => Value {
                        shape: super::text::text_shape("", l.as_str(), false),
                        marks,
                    },
                    None => text(marks),
                }
            }
            "split" | "rsplit" | "splitlines" => {
                let element = Value::of(Shape::Builtin(Builtin::Str)).with_marks(own);
                self.new_sequence(Builtin::List, element)
            }
            "partition" | "rpartition" => {
                let part = Value::of(Shape::Builtin(Builtin::Str)).with_marks(own);
                self.new_list(
                    Builtin::Tuple,
                    vec![part.clone(), Value::of(Shape::Builtin(Builtin::Str)), part],
                )
            }
            "startswith" | "endswith" | "isdigit" | "isalpha" | "isalnum" | "isdecimal"
            | "isnumeric" | "isspace" | "isidentifier" | "islower" | "isupper" | "istitle"
            | "isascii" | "isprintable" | "__contains__" => {
                self.note_interest(&own);
                Value::of(Shape::Builtin(Builtin::Bool))
            }
            "find" | "rfind" | "index" | "rindex" | "count" | "__len__"
                if !call.positional.is_empty() =>
            {
                Value::of(Shape::Builtin(Builtin::Int))
            }
            _ => return None,
        })
    }

    /// What replacing a text by another rules out.
    fn cleaned_by_replace(&self, call: &CallArgs) -> u32 {
        let (Some(from), Some(to)) = (
            call.positional.first().and_then(Value::as_str),
            call.positional.get(1).and_then(Value::as_str),
        ) else {
            return 0;
        };
        // Without `<` no element can begin where text stands; other places stay open, so this counts as
        // escaping only for markup itself.
        match (from, to) {
            ("<", "&lt;" | "") => self.cx.contexts.html,
            ("\n" | "\r" | "\r\n", to) if !to.contains(['\r', '\n']) => self.cx.contexts.lines,
            // XPath knows no escapes within a text: without its quote, the text has no end before its own.
            ("'", to) if !to.contains('\'') => self.cx.contexts.xpath,
            _ => 0,
        }
    }

    fn dict_method(
        &mut self,
        id: ObjectId,
        receiver: &Value,
        method: &str,
        call: &CallArgs,
    ) -> Option<Value> {
        Some(match method {
            "get" | "pop" | "setdefault" => {
                let key = call.positional.first().cloned().unwrap_or_default();
                let default = call.positional.get(1).cloned();
                let object = self.state.object(id);
                let known = key.as_const().map(Key::of_const);
                let present = known.and_then(|k| object.field(k)).is_some();
                let closed = object.closed && object.rest.is_none();
                let found = self.get_item(receiver, &key, call.site.unwrap_or(ExprId(0)));
                if method == "setdefault"
                    && !present
                    && let (Some(key), Some(default)) = (known, &default)
                {
                    self.store(id, key, default.clone(), false);
                }
                if method == "pop"
                    && present
                    && let Some(key) = known
                {
                    self.state.object_mut(id).fields.retain(|(k, _)| *k != key);
                }
                let default = default.unwrap_or_else(|| Value::constant(Const::None));
                match (present, closed) {
                    (true, true) => found,
                    (false, true) if known.is_some() => default,
                    (false, false)
                        if known.is_some()
                            && found.shape.is_unknown()
                            && found.marks.is_empty() =>
                    {
                        join(&Value::unknown(), &default)
                    }
                    _ => join(&found, &default),
                }
            }
            "items" => {
                let keys = self.state.element(receiver);
                let keys = Value::of(Shape::Unknown).with_marks(keys.marks.union(&receiver.marks));
                let object = self.state.object(id);
                if object.closed
                    && object.rest.is_none()
                    && object.fields.len() <= 8
                    && object.keys.is_none()
                {
                    let pairs: Vec<(Key, Value)> = object.fields.clone();
                    let mut items = Vec::new();
                    for (key, value) in pairs {
                        let key = key_value(key);
                        items.push(self.new_list(Builtin::Tuple, vec![key, value]));
                    }
                    return Some(
                        self.new_list(Builtin::List, items)
                            .with_marks(receiver.marks.clone()),
                    );
                }
                let content = self.state.content(receiver);
                let pair = self.new_list(Builtin::Tuple, vec![keys, content]);
                self.new_sequence(Builtin::List, pair)
            }
            "keys" => {
                let element = self.state.element(receiver);
                self.new_sequence(Builtin::List, element)
            }
            "values" => {
                let content = self.state.content(receiver);
                self.new_sequence(Builtin::List, content)
            }
            "copy" => {
                let object = Object {
                    origin: None,
                    ..self.state.object(id).clone()
                };
                self.new_object(object).with_marks(receiver.marks.clone())
            }
            "update" => {
                let mut object = self.state.object(id).clone();
                for other in &call.positional {
                    self.update_dict(&mut object, other);
                }
                for (name, value, _) in &call.keywords {
                    object.set_field(Key::Item(*name), value.clone());
                }
                if let Some(extra) = &call.double_star {
                    object.add_rest(extra);
                    object.closed = false;
                }
                *self.state.object_mut(id) = object;
                Value::constant(Const::None)
            }
            "clear" => {
                *self.state.object_mut(id) = Object::new(Class::Builtin(Builtin::Dict));
                Value::constant(Const::None)
            }
            "popitem" => {
                let content = self.state.content(receiver);
                self.new_list(Builtin::Tuple, vec![Value::unknown(), content])
            }
            _ => return None,
        })
    }

    fn list_method(
        &mut self,
        id: ObjectId,
        receiver: &Value,
        method: &str,
        call: &CallArgs,
    ) -> Option<Value> {
        let in_loop = self.frame_ref().loop_depth > 0;
        let first = call.positional.first().cloned();
        Some(match method {
            "append" | "add" | "appendleft" => {
                let value = first.unwrap_or_default();
                self.append(id, &value, method == "appendleft", in_loop);
                Value::constant(Const::None)
            }
            "extend" | "update" | "union" => {
                if let Some(other) = first {
                    self.extend_list(id, &other);
                }
                if method == "union" {
                    receiver.clone()
                } else {
                    Value::constant(Const::None)
                }
            }
            "insert" => {
                let value = call.positional.get(1).cloned().unwrap_or_default();
                let object = self.state.object_mut(id);
                match (&mut object.items, first.and_then(|v| v.as_const())) {
                    (Some(items), Some(Const::Int(at))) if !in_loop => {
                        let length = i64::try_from(items.len()).unwrap_or(0);
                        let at = if at < 0 {
                            (at + length).max(0)
                        } else {
                            at.min(length)
                        };
                        items.insert(usize::try_from(at).unwrap_or(0), value);
                    }
                    _ => {
                        object.blur();
                        object.add_rest(&value);
                        object.closed = false;
                    }
                }
                Value::constant(Const::None)
            }
            "pop" | "popleft" => {
                let object = self.state.object_mut(id);
                let at = match &first {
                    None if method == "popleft" => Some(Const::Int(0)),
                    None => Some(Const::Int(-1)),
                    Some(v) => v.as_const(),
                };
                if let (Some(items), Some(Const::Int(at))) = (&mut object.items, at)
                    && !in_loop
                {
                    let length = i64::try_from(items.len()).unwrap_or(0);
                    let at = usize::try_from(if at < 0 { at + length } else { at })
                        .unwrap_or(usize::MAX);
                    if at < items.len() {
                        return Some(items.remove(at));
                    }
                }
                self.state.content(receiver)
            }
            "remove" | "discard" => {
                let object = self.state.object_mut(id);
                if let (Some(items), Some(value)) =
                    (&mut object.items, first.and_then(|v| v.as_const()))
                    && let Some(at) = items.iter().position(|i| i.as_const() == Some(value))
                    && items[..at].iter().all(|i| i.as_const().is_some())
                {
                    items.remove(at);
                }
                Value::constant(Const::None)
            }
            "reverse" => {
                if let Some(items) = &mut self.state.object_mut(id).items {
                    items.reverse();
                }
                Value::constant(Const::None)
            }
            "sort" => {
                let sort = self.cx.api.by_method_name(Symbol::new(method));
                if let Some(entry) = self.cx.api.entry(sort) {
                    let span = self.current_span;
                    self.run_callbacks(entry, Some(receiver), call, span);
                }
                self.state.object_mut(id).blur();
                Value::constant(Const::None)
            }
            "clear" => {
                let class = self.state.object(id).class;
                let mut empty = Object::new(class);
                empty.items = Some(Vec::new());
                *self.state.object_mut(id) = empty;
                Value::constant(Const::None)
            }
            "copy" => {
                let object = Object {
                    origin: None,
                    ..self.state.object(id).clone()
                };
                self.new_object(object).with_marks(receiver.marks.clone())
            }
            "index" | "count" => Value::of(Shape::Builtin(Builtin::Int)),
            "intersection" | "difference" | "symmetric_difference" => {
                let content = self.state.content(receiver);
                self.new_sequence(Builtin::Set, content)
            }
            "issubset" | "issuperset" | "isdisjoint" => Value::of(Shape::Builtin(Builtin::Bool)),
            "__next__" | "send" => self.state.content(receiver),
            _ => return None,
        })
    }

    fn append(&mut self, id: ObjectId, value: &Value, front: bool, in_loop: bool) {
        let object = self.state.object_mut(id);
        match &mut object.items {
            Some(items) if !in_loop && items.len() < 64 && object.rest.is_none() => {
                if front {
                    items.insert(0, value.clone());
                } else {
                    items.push(value.clone());
                }
            }
            _ => {
                // The first element stays apart: it is the program in a list of arguments.
                let head = object.items.as_ref().and_then(|i| i.first().cloned());
                object.blur();
                object.add_rest(value);
                object.closed = false;
                if let Some(head) = head
                    && !front
                {
                    object.set_field(Key::Index(0), head);
                }
            }
        }
    }

    /// Methods on a parameter's object, which may be any container.
    fn unknown_container_method(
        &mut self,
        id: ObjectId,
        receiver: &Value,
        method: &str,
        call: &CallArgs,
    ) -> Option<Value> {
        match method {
            "append" | "add" | "appendleft" | "extend" | "insert" | "update" | "put" | "push" => {
                for value in call.values().cloned().collect::<Vec<_>>() {
                    let marks = self.state.deep_marks(&value);
                    if !marks.is_empty() {
                        self.state
                            .object_mut(id)
                            .add_rest(&Value::unknown().with_marks(marks));
                    }
                }
                for (name, value, _) in &call.keywords {
                    self.state
                        .object_mut(id)
                        .set_field(Key::Item(*name), value.clone());
                }
                Some(Value::constant(Const::None))
            }
            "get" | "pop" | "setdefault" => {
                let key = call.positional.first()?.as_const()?;
                let found = self.get_item(receiver, &Value::constant(key), call.site?);
                Some(match call.positional.get(1) {
                    Some(default) => join(&found, default),
                    None => found,
                })
            }
            "items" => {
                let marks = receiver.marks.flagged(flag::INEXACT);
                let part = Value::unknown().with_marks(marks);
                let content = self.state.content(receiver);
                let value = if content.marks.is_empty() {
                    part.clone()
                } else {
                    content
                };
                let pair = self.new_list(Builtin::Tuple, vec![part, value]);
                Some(self.new_sequence(Builtin::List, pair))
            }
            "keys" | "values" | "copy" => {
                let marks = self.state.deep_marks(receiver);
                let element = Value::unknown().with_marks(marks);
                Some(self.new_sequence(Builtin::List, element))
            }
            _ => None,
        }
    }
}

fn encoded(shape: &Shape, to_bytes: bool) -> Shape {
    match shape {
        Shape::Text(t) => super::text::text_shape(t.prefix.as_str(), t.literal.as_str(), to_bytes),
        _ if to_bytes => Shape::Builtin(Builtin::Bytes),
        _ => Shape::Builtin(Builtin::Str),
    }
}

fn key_value(key: Key) -> Value {
    match key {
        Key::Item(s) | Key::Attribute(s) => Value::constant(Const::Str(s)),
        Key::Index(i) => Value::constant(Const::Int(i)),
        Key::Any => Value::unknown(),
    }
}

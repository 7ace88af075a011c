//! Python's builtin functions, as far as their meaning is the language's and not a library's.

use std::sync::Arc;

use pyward_ir::{Const, Span, Symbol};

use super::Interp;
use super::call::CallArgs;
use crate::fold;
use crate::heap::{Class, Key, Object};
use crate::value::{Builtin, Marks, Shape, Value, flag, join};

impl Interp<'_> {
    /// Calls `builtins.name`; `None` if it is not known here.
    #[allow(clippy::too_many_lines, reason = "one arm per function")]
    pub(super) fn builtin_function(
        &mut self,
        name: &str,
        call: &CallArgs,
        span: Span,
    ) -> Option<Value> {
        let first = call.positional.first().cloned();
        let deep = |interp: &Self, v: &Option<Value>| {
            v.as_ref()
                .map(|v| interp.state.deep_marks(v))
                .unwrap_or_default()
        };
        Some(match name {
            "str" | "repr" | "ascii" | "format" => {
                let Some(value) = first else {
                    return Some(Value::str(""));
                };
                if name == "str"
                    && let Some(c) = value.as_const()
                    && let Some(text) = fold::display(c)
                {
                    return Some(Value::str(&text).with_marks(value.marks));
                }
                if let Shape::Text(_) = value.shape {
                    return Some(value);
                }
                let value = self.as_text(value);
                let marks = self.state.deep_marks(&value);
                match value.shape {
                    Shape::Text(_) => value,
                    _ => Value::of(Shape::Builtin(Builtin::Str)).with_marks(marks),
                }
            }
            "bytes" | "bytearray" | "memoryview" => {
                let marks = deep(self, &first);
                Value {
                    shape: Shape::Builtin(Builtin::Bytes),
                    marks,
                }
            }
            "int" | "float" | "complex" => {
                let folded = first
                    .as_ref()
                    .and_then(Value::as_const)
                    .and_then(|c| match name {
                        "int" if call.positional.len() == 1 => fold::to_int(c),
                        _ => None,
                    });
                folded.map_or_else(|| Value::of(Shape::Builtin(Builtin::Int)), Value::constant)
            }
            "bool" => {
                let truth = first.as_ref().and_then(|v| self.truth(v));
                truth.map_or_else(
                    || Value::of(Shape::Builtin(Builtin::Bool)),
                    |t| Value::constant(Const::Bool(t)),
                )
            }
            "len" => {
                let value = first?;
                self.note_interest(&value.marks);
                match &value.shape {
                    Shape::Const(c) => {
                        fold::length(*c).map_or_else(Value::unknown, Value::constant)
                    }
                    Shape::Object(id) => {
                        let object = self.state.object(*id);
                        match &object.items {
                            Some(items) if object.closed && object.rest.is_none() => {
                                Value::constant(Const::Int(i64::try_from(items.len()).unwrap_or(0)))
                            }
                            _ => Value::of(Shape::Builtin(Builtin::Int)),
                        }
                    }
                    _ => Value::of(Shape::Builtin(Builtin::Int)),
                }
            }
            "ord" | "hash" | "id" | "round" | "abs" | "divmod" | "pow" => {
                Value::of(Shape::Builtin(Builtin::Int))
            }
            "sum" => {
                let content = self.state.content(&first?);
                if matches!(content.shape, Shape::Object(_)) {
                    content
                } else {
                    Value::of(Shape::Builtin(Builtin::Int))
                }
            }
            "chr" | "hex" | "oct" | "bin" => Value::of(Shape::Builtin(Builtin::Str)),
            "isinstance" | "issubclass" => return Some(self.isinstance(call)),
            "callable" | "any" | "all" => {
                let marks = deep(self, &first);
                self.note_interest(&marks);
                Value::of(Shape::Builtin(Builtin::Bool))
            }
            "hasattr" => {
                if let Some(v) = &first {
                    self.note_interest(&v.marks.clone());
                }
                Value::of(Shape::Builtin(Builtin::Bool))
            }
            "getattr" => {
                let owner = first?;
                let attr = call.positional.get(1).cloned().unwrap_or_default();
                self.note_interest_of(&attr);
                let default = call.positional.get(2).cloned();
                match attr.as_str() {
                    Some(name) => {
                        let site = call.site?;
                        let value = self.get_attribute(&owner, Symbol::new(name), site);
                        default.map_or_else(|| value.clone(), |d| join(&value, &d))
                    }
                    None => {
                        let marks = self.state.deep_marks(&owner).flagged(flag::INEXACT);
                        Value::unknown().with_marks(marks)
                    }
                }
            }
            "setattr" => {
                let owner = first?;
                let value = call.positional.get(2).cloned().unwrap_or_default();
                match call.positional.get(1).and_then(Value::as_str) {
                    Some(name) => {
                        let site = call.site?;
                        self.set_attribute(&owner, Symbol::new(name), value, span, None, site);
                    }
                    None => {
                        for shape in owner.shape.alternatives().to_vec() {
                            if let Shape::Object(id) = shape {
                                self.store(id, Key::Any, value.clone(), false);
                            }
                        }
                    }
                }
                Value::constant(Const::None)
            }
            "list" | "tuple" | "set" | "frozenset" | "sorted" | "reversed" | "iter" => {
                let class = match name {
                    "tuple" => Builtin::Tuple,
                    "set" | "frozenset" => Builtin::Set,
                    "iter" => Builtin::Iterator,
                    _ => Builtin::List,
                };
                let Some(value) = first else {
                    return Some(self.new_list(class, Vec::new()));
                };
                let items = match &value.shape {
                    Shape::Object(id) => self.state.object(*id).items.clone(),
                    _ => None,
                };
                match items {
                    Some(mut items) if name != "sorted" => {
                        if name == "reversed" {
                            items.reverse();
                        }
                        self.new_list(class, items).with_marks(value.marks)
                    }
                    _ => {
                        let site = call.site?;
                        let element = self.iterate(&value, site);
                        self.new_sequence(class, element)
                    }
                }
            }
            "dict" => {
                let mut object = Object::new(Class::Builtin(Builtin::Dict));
                if let Some(value) = &first {
                    let is_object = matches!(&value.shape, Shape::Object(id) if self.state.object(*id).class == Class::Builtin(Builtin::Dict));
                    if is_object {
                        self.update_dict(&mut object, value);
                    } else {
                        let marks = self.state.deep_marks(value);
                        object.closed = false;
                        object.add_rest(&Value::unknown().with_marks(marks));
                    }
                }
                for (name, value, _) in &call.keywords {
                    object.set_field(Key::Item(*name), value.clone());
                }
                if let Some(extra) = &call.double_star {
                    object.add_rest(extra);
                    object.closed = false;
                }
                self.new_object(object)
            }
            "enumerate" => {
                let value = first?;
                let site = call.site?;
                if let Shape::Object(id) = &value.shape
                    && let Some(items) = self.state.object(*id).items.clone()
                    && items.len() <= 8
                {
                    let mut pairs = Vec::new();
                    for (at, item) in items.into_iter().enumerate() {
                        let index = Value::constant(Const::Int(i64::try_from(at).unwrap_or(0)));
                        pairs.push(self.new_list(Builtin::Tuple, vec![index, item]));
                    }
                    return Some(self.new_list(Builtin::List, pairs).with_marks(value.marks));
                }
                let element = self.iterate(&value, site);
                let index = Value::of(Shape::Builtin(Builtin::Int));
                let pair = self.new_list(Builtin::Tuple, vec![index, element]);
                self.new_sequence(Builtin::Iterator, pair)
            }
            "zip" => {
                let site = call.site?;
                let mut parts = Vec::new();
                for value in &call.positional {
                    parts.push(self.iterate(value, site));
                }
                let tuple = self.new_list(Builtin::Tuple, parts);
                self.new_sequence(Builtin::Iterator, tuple)
            }
            "map" => {
                let function = first?;
                let site = call.site?;
                let mut args = Vec::new();
                for value in call.positional.iter().skip(1) {
                    args.push(self.iterate(value, site));
                }
                let inner = CallArgs::of(args, call.site);
                let element = self.call_value(&function, &inner, span);
                self.new_sequence(Builtin::Iterator, element)
            }
            "filter" => {
                let site = call.site?;
                let mut element = self.iterate(call.positional.get(1)?, site);
                // `filter(str.isalnum, text)`
                if let Some(Shape::Api(test)) = first.map(|f| f.shape)
                    && let Some(name) = self.cx.api.text(test).strip_prefix("builtins.str.")
                    && super::refine_call::is_class_of_characters(name)
                {
                    element.marks = element.marks.cleaned(super::refine::EVERYTHING);
                }
                self.new_sequence(Builtin::Iterator, element)
            }
            "range" => {
                let element = Value::of(Shape::Builtin(Builtin::Int));
                self.new_sequence(Builtin::Iterator, element)
            }
            "min" | "max" => {
                if call.positional.len() == 1 {
                    return Some(self.state.element(&first?));
                }
                let mut result: Option<Value> = None;
                for value in &call.positional {
                    result = Some(result.map_or_else(|| value.clone(), |r| join(&r, value)));
                }
                result.unwrap_or_default()
            }
            "next" => {
                let value = first?;
                let site = call.site?;
                let element = self.iterate(&value, site);
                call.positional
                    .get(1)
                    .map_or_else(|| element.clone(), |d| join(&element, d))
            }
            "type" if call.positional.len() == 1 => {
                let value = first?;
                let shape = match &value.shape {
                    Shape::Object(id) => match self.state.object(*id).class {
                        Class::Project(class) => Shape::Class(class),
                        Class::Api(api) => Shape::Api(api),
                        _ => Shape::Unknown,
                    },
                    Shape::Instance(api) => Shape::Api(*api),
                    _ => Shape::Unknown,
                };
                Value::of(shape)
            }
            "super" => {
                let class = match call.positional.first().map(|v| &v.shape) {
                    Some(Shape::Class(class)) => *class,
                    _ => return Some(self.super_value()),
                };
                let receiver = call.positional.get(1).cloned().unwrap_or_default();
                Value::of(Shape::Super(class, Arc::new(receiver)))
            }
            "vars" | "locals" if call.positional.is_empty() => self.local_names(),
            "vars" | "locals" | "globals" | "dir" => {
                Value::unknown().with_marks(deep(self, &first))
            }
            "staticmethod" | "classmethod" | "property" => first?,
            "object" => Value::unknown(),
            "slice" => Value::of(Shape::Builtin(Builtin::Slice)),
            "print" => return None,
            _ => return None,
        })
    }

    fn isinstance(&mut self, call: &CallArgs) -> Value {
        let unknown = Value::of(Shape::Builtin(Builtin::Bool));
        let [subject, class] = call.positional.as_slice() else {
            return unknown;
        };
        self.note_interest(&subject.marks.clone());
        let Shape::Api(api) = class.shape else {
            return unknown;
        };
        let wanted = self.cx.api.text(api);
        let actual = match &subject.shape {
            Shape::Const(Const::Str(_)) | Shape::Text(_) => "builtins.str",
            Shape::Const(Const::Bytes(_)) => "builtins.bytes",
            Shape::Const(Const::Int(_)) => "builtins.int",
            Shape::Const(Const::None) => "None",
            Shape::Const(Const::Float(_)) => "builtins.float",
            Shape::Object(id) => match self.state.object(*id).class {
                Class::Builtin(Builtin::List) => "builtins.list",
                Class::Builtin(Builtin::Dict) => "builtins.dict",
                Class::Builtin(Builtin::Tuple) => "builtins.tuple",
                _ => return unknown,
            },
            _ => return unknown,
        };
        if !matches!(
            wanted,
            "builtins.str"
                | "builtins.bytes"
                | "builtins.int"
                | "builtins.float"
                | "builtins.list"
                | "builtins.dict"
                | "builtins.tuple"
        ) {
            return unknown;
        }
        Value::constant(Const::Bool(wanted == actual))
    }

    /// `dividend / divisor`: paths join by it.
    pub(super) fn divide(&mut self, left: &Value, right: &Value, at: pyward_ir::ExprId) -> Value {
        for (this, other) in [(left, right), (right, left)] {
            let api = match &this.shape {
                Shape::Instance(api) | Shape::ApiMethod(api, _) => *api,
                Shape::Object(id) => match self.state.object(*id).class {
                    Class::Api(api) => api,
                    _ => continue,
                },
                _ => continue,
            };
            let method = self.cx.api.child(api, Symbol::new("__truediv__"));
            if self.cx.api.entry(method).is_some() {
                let call = CallArgs::of(vec![other.clone()], Some(at));
                let span = self.expr_span(at);
                return self.call_api(method, Some(this), &call, span);
            }
        }
        if super::text::is_number(&left.shape) || super::text::is_number(&right.shape) {
            return Value::of(Shape::Builtin(Builtin::Float));
        }
        let marks = left.marks.union(&right.marks);
        let shape = match (&left.shape, &right.shape) {
            (Shape::Instance(_), _) => left.shape.clone(),
            _ => Shape::Unknown,
        };
        Value { shape, marks }
    }

    /// What an `except ... as e` binds.
    pub(super) fn exception_value(
        &mut self,
        class: Option<&Value>,
        raised: &Marks,
        span: Span,
    ) -> Value {
        let mut marks = raised.clone();
        if let Some(kind) = self.cx.models.kind("exception") {
            marks = marks.union(&self.source(kind, span, Symbol::new("exception"), 0));
        }
        let shape = match class.map(|c| &c.shape) {
            Some(Shape::Api(api)) => Shape::Instance(*api),
            Some(Shape::Class(class)) => {
                let mut object = Object::new(Class::Project(*class));
                object.closed = false;
                Shape::Object(self.state.allocate(object))
            }
            _ => Shape::Instance(self.cx.api.path("builtins.Exception")),
        };
        Value { shape, marks }
    }
}

//! Parts of values as templates name them: attributes and items alike, loops, calls.

use pyward_ir::{Const, ExprId, Symbol};
use pyward_templates::Step as PathStep;

use super::Interp;
use super::call::CallArgs;
use super::template::Render;
use crate::heap::{Class, Key};
use crate::value::{Builtin, Shape, Value, flag, join};

impl Interp<'_> {
    /// The item of a dictionary under a constant key.
    pub(super) fn dict_item(&mut self, dictionary: &Value, name: Symbol) -> Option<Value> {
        let mut found: Option<Value> = None;
        for shape in dictionary.shape.alternatives().to_vec() {
            let one = match shape {
                Shape::Object(id) => {
                    let object = self.state.object(id);
                    match object.field(Key::Item(name)) {
                        Some(value) => Some(value.clone()),
                        None if object.origin.is_some() => {
                            self.param_member(id, Key::Item(name), &dictionary.marks)
                        }
                        None => object.rest.clone(),
                    }
                }
                Shape::Const(_) => None,
                _ if dictionary.marks.is_empty() => None,
                _ => Some(Value::unknown().with_marks(dictionary.marks.flagged(flag::OBSCURE))),
            };
            if let Some(one) = one {
                found = Some(found.map_or_else(|| one.clone(), |f| join(&f, &one)));
            }
        }
        found
    }

    /// The part of a value that a template's expression takes.
    pub(super) fn follow(&mut self, root: &Value, path: &[PathStep], render: &Render<'_>) -> Value {
        let mut value = root.clone();
        for step in path {
            self.current_span = render.span;
            value = match step {
                PathStep::Attr(name) => {
                    let member = self.template_member(&value, Symbol::new(name), render.at);
                    let member = self.with_api_source(member, render.span);
                    // A language without calls calls what it meets.
                    if render.model.dialect == pyward_templates::Dialect::Django {
                        self.call_if_callable(member, render)
                    } else {
                        member
                    }
                }
                PathStep::Any => {
                    let keys = self.state.key_marks(&value);
                    let element = match &value.shape {
                        Shape::Object(id)
                            if self.state.object(*id).class == Class::Builtin(Builtin::Dict) =>
                        {
                            self.state.content(&value)
                        }
                        _ => self.iterate(&value, render.at),
                    };
                    let marks = element.marks.union(&keys);
                    element.with_marks(marks)
                }
                PathStep::Item(at) => self.template_item(&value, *at, render.at),
                PathStep::Key => {
                    let keys = self.state.key_marks(&value);
                    Value::unknown().with_marks(keys)
                }
                PathStep::Call => {
                    let call = CallArgs {
                        site: Some(render.at),
                        ..CallArgs::default()
                    };
                    self.call_value(&value, &call, render.span)
                }
            };
        }
        value
    }

    fn call_if_callable(&mut self, value: Value, render: &Render<'_>) -> Value {
        if !matches!(value.shape, Shape::Function(_) | Shape::Closure(_)) {
            return value;
        }
        let call = CallArgs {
            site: Some(render.at),
            ..CallArgs::default()
        };
        let result = self.call_value(&value, &call, render.span);
        let marks = result.marks.union(&value.marks);
        result.with_marks(marks)
    }

    /// The item at a position; of a named tuple the field.
    fn template_item(&mut self, owner: &Value, position: usize, at: ExprId) -> Value {
        if let Shape::Object(id) = owner.shape
            && let Class::Project(class) = self.state.object(id).class
            && let Some(name) = self.declared_fields(class).get(position)
        {
            return self.get_attribute(owner, *name, at);
        }
        let key = Value::constant(Const::Int(i64::try_from(position).unwrap_or(i64::MAX)));
        self.get_item(owner, &key, at)
    }

    /// An attribute or item: templates do not tell them apart.
    fn template_member(&mut self, owner: &Value, name: Symbol, at: ExprId) -> Value {
        if let Ok(position) = name.as_str().parse::<usize>() {
            return self.template_item(owner, position, at);
        }
        let mut found: Option<Value> = None;
        for shape in owner.shape.alternatives().to_vec() {
            let one = Value {
                shape: shape.clone(),
                marks: owner.marks.clone(),
            };
            let member = match &shape {
                Shape::Object(id) => {
                    let object = self.state.object(*id);
                    let item = object.field(Key::Item(name)).cloned();
                    let (class, stands_for) = (object.class, object.origin.is_some());
                    match (item, class) {
                        (Some(item), _) => item,
                        (None, Class::Builtin(Builtin::Dict)) => {
                            self.dict_item(&one, name).unwrap_or_default()
                        }
                        (None, Class::Unknown) if stands_for => {
                            let as_item = self.param_member(*id, Key::Item(name), &one.marks);
                            let as_attribute = self.get_attribute(&one, name, at);
                            as_item.map_or(as_attribute.clone(), |i| join(&as_attribute, &i))
                        }
                        _ => self.get_attribute(&one, name, at),
                    }
                }
                Shape::Instance(_) | Shape::ApiMethod(..) => {
                    let attribute = self.get_attribute(&one, name, at);
                    let known = match &attribute.shape {
                        Shape::ApiMethod(member, _) => self.cx.api.is_known(*member),
                        _ => true,
                    };
                    if known {
                        attribute
                    } else {
                        let key = Value::constant(Const::Str(name));
                        let item = self.get_item(&one, &key, at);
                        join(&attribute, &item)
                    }
                }
                _ => self.get_attribute(&one, name, at),
            };
            found = Some(found.map_or_else(|| member.clone(), |f| join(&f, &member)));
        }
        found.unwrap_or_default()
    }
}

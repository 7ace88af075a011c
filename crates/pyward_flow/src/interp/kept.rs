//! Containers that outlive the call that fills them: those of modules, of classes and of long-lived objects.

use pyward_ir::{ExprId, ExprKind, Symbol, Var};

use super::Interp;
use super::call::CallArgs;
use crate::heap::{Class, Key, Object};
use crate::summary::{Portable, export};
use crate::value::{Builtin, Origin, Shape, Value};

impl Interp<'_> {
    /// Notes for all other code what a method of a list, set or dictionary puts into it.
    pub(super) fn note_kept_by_method(
        &mut self,
        container: ExprId,
        class: Builtin,
        method: &str,
        call: &CallArgs,
    ) {
        let value = match method {
            "append" | "add" | "appendleft" | "push" | "put" => call.positional.first(),
            "insert" | "setdefault" => call.positional.get(1),
            "extend" | "update" => {
                for value in call.values().cloned().collect::<Vec<_>>() {
                    let content = self.state.content(&value);
                    self.note_kept(container, class, None, &content);
                }
                return;
            }
            _ => return,
        };
        let key = match method {
            "setdefault" => call.positional.first().and_then(Value::as_const),
            _ => None,
        };
        if let Some(value) = value.cloned() {
            self.note_kept(container, class, key.map(Key::of_const), &value);
        }
    }

    /// Notes for all other code that a value is put into a container that is found under a name of a module or an
    /// attribute: data that came in with one request is there for the next.
    pub(super) fn note_kept(
        &mut self,
        container: ExprId,
        class: Builtin,
        key: Option<Key>,
        value: &Value,
    ) {
        match self.ir.expr(container).kind {
            ExprKind::Name(Var::Global(name)) => {
                if self.frame_ref().function.index.0 == 0 && !self.is_inlined() {
                    return;
                }
                if let Some(kept) = self.kept(class, key, value) {
                    self.out.module_writes.push(((self.file, name), kept));
                }
            }
            ExprKind::Attribute {
                value: owner, attr, ..
            } if self.place_of(owner).is_some() => {
                if let Some(kept) = self.kept(class, key, value) {
                    let owner = self.eval(owner);
                    self.publish_attribute(&owner, attr, &kept);
                }
            }
            _ => {}
        }
    }

    /// The same for what a function is known to put into a container of its caller's.
    pub(super) fn note_kept_effect(
        &mut self,
        owner: &Value,
        attr: Symbol,
        key: Key,
        value: &Value,
    ) {
        let class = match key {
            Key::Item(_) => Builtin::Dict,
            _ => Builtin::List,
        };
        if let Some(kept) = self.kept(class, Some(key), value) {
            self.publish_attribute(owner, attr, &kept);
        }
    }

    /// A container with the value in it, if that is data from outside or something to be called.
    fn kept(&mut self, class: Builtin, key: Option<Key>, value: &Value) -> Option<Portable> {
        let marks = self.state.deep_marks(value);
        let comes_in = marks
            .iter()
            .any(|mark| matches!(mark.origin, Origin::Source { .. }));
        if !comes_in && !super::lookup::is_callable(&value.shape) {
            return None;
        }
        let mut object = Object::new(Class::Builtin(class));
        object.closed = false;
        match key {
            Some(key @ Key::Item(_)) => object.set_field(key, value.clone()),
            _ => object.add_rest(value),
        }
        let made = self.new_object(object);
        Some(export(&self.state, &made).without_params())
    }

    fn publish_attribute(&mut self, owner: &Value, attr: Symbol, kept: &Portable) {
        for shape in owner.shape.alternatives() {
            match shape {
                Shape::Class(class) => {
                    self.out
                        .instance_writes
                        .push(((*class, attr), kept.clone()));
                }
                Shape::Object(id) => {
                    if let Class::Project(class) = self.state.object(*id).class {
                        self.out.instance_writes.push(((class, attr), kept.clone()));
                    }
                }
                Shape::Module(file) => self.out.module_writes.push(((*file, attr), kept.clone())),
                _ => {}
            }
        }
    }
}

//! Running a module or function as the subject of an analysis.

use pyward_ir::{FunctionKind, ParamKind, Symbol};
use pyward_program::{ClassId, FunctionId};
use rustc_hash::FxHashMap;
use std::sync::Arc;

use super::Interp;
use crate::heap::{Class, Key, Object};
use crate::place::{Base, Place};
use crate::summary::{Effect, Portable, Summary, export};
use crate::value::{Builtin, Marks, PathId, Shape, Value, join};

impl Interp<'_> {
    /// Runs a module's own statements; what is bound at their end.
    pub(crate) fn run_module(&mut self) -> FxHashMap<Symbol, Portable> {
        let ir = self.ir;
        self.run_block(&ir.functions[0].body);
        self.state.alive = true;
        self.check_absent_settings();
        let globals = Arc::clone(&self.state.globals);
        globals
            .iter()
            .map(|(name, value)| (*name, export(&self.state, value).without_params()))
            .collect()
    }

    /// Runs a function and summarises it.
    pub(crate) fn run_root(&mut self, id: FunctionId) -> Summary {
        let ir = self.ir;
        let function = ir.function(id.index);
        self.frame().class = self.enclosing_class(id);
        self.bind_root_params(id);
        self.run_block(&function.body);
        let end = std::mem::take(&mut self.state);
        let falls_through = end.alive;
        if falls_through {
            self.state = end;
            self.note_proofs(None, &Value::constant(pyward_ir::Const::None));
            let end = std::mem::take(&mut self.state);
            super::stmt::merge_into(&mut self.frame().exit, &end);
        }
        let exit = self.frame().exit.take();
        let diverges = exit.is_none()
            && function.kind == FunctionKind::Def
            && !function.is_generator
            && !self.cx.index.is_stub(id)
            && !self.out.truncated;
        self.state = exit.unwrap_or_default();
        self.state.alive = true;
        let frame = self.frame();
        let returns = frame.returns.take();
        let yields = frame.yields.take();
        let raises = frame.raises.clone();
        let proofs = std::mem::take(&mut frame.proofs);
        let mut value = match (returns, falls_through) {
            (Some(v), true) => join(&v, &Value::constant(pyward_ir::Const::None)),
            (Some(v), false) => v,
            (None, _) => Value::constant(pyward_ir::Const::None),
        };
        if function.is_generator {
            value = self.new_sequence(Builtin::Iterator, yields.unwrap_or_default());
        }
        if let Some(declared) = function.returns
            && value.shape.is_unknown()
        {
            value = self.with_annotation(value, declared);
        }
        self.publish_captured(id);
        let effects = self.collect_effects();

        Summary {
            returns: export(&self.state, &value),
            raises: raises.map(|m| Some(m.clone())),
            effects,
            sinks: std::mem::take(&mut self.out.sinks),
            proves: if diverges {
                Vec::new()
            } else {
                Self::proofs(proofs.always.as_ref())
            },
            proves_true: Self::proofs(proofs.on_true.as_ref()),
            proves_false: Self::proofs(proofs.on_false.as_ref()),
            interesting: self.out.interesting,
            diverges,
            size: self.cx.index.size(id),
        }
    }

    /// The class that a method belongs to.
    fn enclosing_class(&self, id: FunctionId) -> Option<ClassId> {
        let mut at = id.index;
        for _ in 0..16 {
            let function = self.ir.function(at);
            if let Some(class) = function.class {
                return Some(ClassId {
                    file: id.file,
                    index: class,
                });
            }
            at = function.parent?;
        }
        None
    }

    fn bind_root_params(&mut self, id: FunctionId) {
        let ir = self.ir;
        let function = ir.function(id.index);
        let entry = self.cx.tables.entries.get(&id).cloned();
        let is_method = self.is_instance_method(function);
        let own_class = function.class.map(|c| ClassId {
            file: id.file,
            index: c,
        });
        let is_class_method = function.decorators.iter().any(|d| {
            self.expr_name(*d)
                .is_some_and(|n| n.as_str() == "classmethod")
        });
        for (slot, param) in function.params.iter().enumerate() {
            let index = u16::try_from(slot).unwrap_or(u16::MAX);
            let first = slot == 0;
            let mut class = Class::Unknown;
            let mut typed: Option<Value> = None;
            if first
                && is_method
                && let Some(own) = own_class
            {
                class = Class::Project(own);
            } else if first
                && is_class_method
                && let Some(own) = own_class
            {
                typed = Some(Value::of(Shape::Class(own)));
            } else if let Some(annotation) = param.annotation {
                let declared = self.annotated(annotation);
                match &declared.shape {
                    Shape::Instance(api) => class = Class::Api(*api),
                    Shape::Object(o) => {
                        let object = self.state.object(*o).clone();
                        match object.class {
                            Class::Project(c) => class = Class::Project(c),
                            _ => typed = Some(declared),
                        }
                    }
                    Shape::Unknown => {}
                    _ => typed = Some(declared),
                }
            } else if let Some(api) = self.conventional_type(param.name) {
                class = Class::Api(api);
            } else if let Some(Some(handed)) = self.cx.tables.arguments.get(&(id, index)) {
                class = *handed;
            }
            let mut value = self.param_value(index, PathId::ROOT, class, None);
            if let Some(typed) = typed {
                value = match typed.shape {
                    // A number or a truth value carries nothing.
                    Shape::Builtin(Builtin::Int | Builtin::Float | Builtin::Bool) => typed,
                    Shape::Builtin(_) | Shape::Class(_) => Value {
                        shape: typed.shape,
                        marks: value.marks,
                    },
                    _ => Value {
                        shape: self.param_container(index, &typed),
                        marks: value.marks,
                    },
                };
            }
            match param.kind {
                ParamKind::Star => value = self.star_param(index, Builtin::Tuple, &value.marks),
                ParamKind::DoubleStar => {
                    value = self.star_param(index, Builtin::Dict, &value.marks)
                }
                _ => {}
            }
            if let Some(entry) = &entry
                && !(first && (is_method || is_class_method))
            {
                let position = slot - usize::from(is_method || is_class_method);
                value = self.entry_param(entry, position, param, value);
            }
            if let Some(place) = self.state.locals.get_mut(slot) {
                *place = value;
            }
        }
        if let Some(entry) = &entry {
            let mut rules: Vec<u16> = Vec::new();
            for &point in &entry.points {
                rules.extend(self.cx.models.entry_points[point].returns.iter().copied());
            }
            rules.sort_unstable();
            rules.dedup();
            self.frame().response_rules = rules;
            self.frame().templates.clone_from(&entry.templates);
            self.frame().gives_context.clone_from(&entry.gives_context);
        }
    }

    /// The type that a library's users give parameters of this name.
    fn conventional_type(&self, name: pyward_ir::Symbol) -> Option<crate::value::ApiId> {
        let imports = self.cx.index.imports(self.file);
        let candidates = self.cx.models.parameters.get(&name)?;
        let (of, _) = candidates
            .iter()
            .find(|(_, packages)| packages.iter().any(|p| imports.contains(p)))?;
        match of {
            crate::types::TypeExpr::Instance(path) => Some(self.cx.api.path(path)),
            _ => None,
        }
    }

    /// A parameter declared as a list or dictionary: its parts stand for the caller's.
    fn param_container(&mut self, index: u16, typed: &Value) -> Shape {
        if let Shape::Object(id) = typed.shape {
            let marks = Marks::one(crate::value::Mark {
                origin: crate::value::Origin::Param {
                    index,
                    path: PathId::ROOT,
                },
                cleaned: 0,
                flags: 0,
                trace: None,
            });
            let object = self.state.object_mut(id);
            object.closed = false;
            if let Some(rest) = &mut object.rest {
                rest.marks = rest.marks.union(&marks);
            } else {
                object.rest = Some(Value::unknown().with_marks(marks));
            }
        }
        typed.shape.clone()
    }

    fn star_param(&mut self, index: u16, class: Builtin, marks: &Marks) -> Value {
        let mut object = Object::new(Class::Builtin(class));
        object.closed = false;
        object.origin = Some((index, PathId::ROOT));
        object.rest = Some(Value::unknown().with_marks(marks.clone()));
        self.new_object(object).with_marks(marks.clone())
    }

    /// What a framework hands to a parameter of an entry point.
    fn entry_param(
        &mut self,
        entry: &crate::tables::Entry,
        position: usize,
        param: &pyward_ir::Param,
        mut value: Value,
    ) -> Value {
        if entry
            .routes
            .iter()
            .any(|route| converts(route.as_str(), param.name.as_str()))
        {
            return Value::of(Shape::Builtin(Builtin::Int));
        }
        for &point in &entry.points {
            let description = &self.cx.models.entry_points[point];
            let described = description
                .types
                .iter()
                .find(|(place, _)| matches_position(place, position, param.name));
            if let Some((_, t)) = described {
                let typed = self.typed(&t.clone(), None, &[]);
                if let (Shape::Instance(api), Shape::Object(o)) = (&typed.shape, &value.shape) {
                    // More is known of it than its name tells.
                    let is_more = match self.state.object(*o).class {
                        Class::Unknown => true,
                        Class::Api(known) => {
                            self.cx.api.is_subclass(*api, self.cx.api.text(known), 0)
                        }
                        _ => false,
                    };
                    if is_more {
                        self.state.object_mut(*o).class = Class::Api(*api);
                    }
                } else {
                    value = Value {
                        shape: typed.shape,
                        marks: value.marks,
                    };
                }
                continue;
            }
            let Some(kind) = description.params else {
                continue;
            };
            if let Some(default) = param.default {
                let injected = self.eval_injected(default, &description.injected);
                if let Some(injected) = injected {
                    value = injected;
                    continue;
                }
            }
            if let Some(annotation) = param.annotation
                && let Some(injected) =
                    self.injected_by_annotation(annotation, &value, &description.injected)
            {
                value = injected;
                continue;
            }
            if self.is_injected_type(&value, &description.injected) {
                continue;
            }
            if description.params_in_route
                && !entry.routes.is_empty()
                && !entry
                    .routes
                    .iter()
                    .any(|route| route.as_str().contains(param.name.as_str()))
            {
                continue;
            }
            if let Shape::Object(o) = &value.shape
                && let Class::Project(class) = self.state.object(*o).class
                && self.is_enumeration(class)
            {
                continue;
            }
            // Numbers, dates and the like have been checked by the framework.
            if matches!(
                value.shape,
                Shape::Builtin(Builtin::Int | Builtin::Float | Builtin::Bool)
            ) {
                continue;
            }
            if let Shape::Object(o) = &value.shape
                && let Class::Api(api) = self.state.object(*o).class
                && !matches!(self.cx.api.text(api), "pydantic.BaseModel")
                && self.cx.api.is_known(api)
            {
                // An object of the framework brings its own sources.
                continue;
            }
            let mut marks = self.source(kind, param.span, param.name, 0);
            if matches!(value.shape, Shape::Builtin(Builtin::Str)) {
                // The framework has seen to it that it is a text.
                marks = marks.cleaned(self.cx.contexts.not_text);
            }
            if let Shape::Object(o) = &value.shape {
                // Data from outside is in every part of it.
                self.state.object_mut(*o).origin = None;
            }
            value.marks = value.marks.union(&marks);
        }
        value
    }

    /// The result of a dependency, where a default says that the framework injects one.
    fn eval_injected(&mut self, default: pyward_ir::ExprId, injected: &[String]) -> Option<Value> {
        let pyward_ir::ExprKind::Call { callee, args } = &self.ir.expr(default).kind else {
            return None;
        };
        let callee = self.eval(*callee);
        let Shape::Api(api) = callee.shape else {
            return None;
        };
        if !injected.iter().any(|p| p == self.cx.api.text(api)) {
            return None;
        }
        let call = self.eval_args(args);
        let dependency = call
            .positional
            .first()
            .cloned()
            .or_else(|| call.keyword("dependency").cloned())?;
        let span = self.expr_span(default);
        let inner = super::call::CallArgs::of(Vec::new(), Some(default));
        Some(self.call_value(&dependency, &inner, span))
    }

    /// The result of a dependency that an annotation names: `Annotated[User, Depends(current_user)]`, there or under
    /// a name of its own.
    fn injected_by_annotation(
        &mut self,
        annotation: pyward_ir::ExprId,
        declared: &Value,
        injected: &[String],
    ) -> Option<Value> {
        if injected.is_empty() {
            return None;
        }
        let ir = self.ir;
        let plain = Value::of(declared.shape.clone());
        if let pyward_ir::ExprKind::Subscript { index, .. } = ir.expr(annotation).kind {
            let pyward_ir::ExprKind::Tuple(parts) = &ir.expr(index).kind else {
                return None;
            };
            let result = parts
                .iter()
                .skip(1)
                .find_map(|part| self.eval_injected(*part, injected))?;
            return Some(if result.shape.is_unknown() && result.marks.is_empty() {
                plain
            } else {
                result
            });
        }
        let Shape::Object(id) = self.eval(annotation).shape else {
            return None;
        };
        let parts = self.state.object(id).items.clone()?;
        parts
            .iter()
            .skip(1)
            .any(|part| self.is_injected_type(part, injected))
            .then_some(plain)
    }

    fn is_injected_type(&self, value: &Value, injected: &[String]) -> bool {
        match &value.shape {
            Shape::Instance(api) => injected.iter().any(|p| p == self.cx.api.text(*api)),
            Shape::Object(o) => match self.state.object(*o).class {
                Class::Api(api) => injected.iter().any(|p| p == self.cx.api.text(api)),
                _ => false,
            },
            _ => false,
        }
    }

    /// Values of variables that nested functions see.
    fn publish_captured(&mut self, id: FunctionId) {
        let function = self.ir.function(id.index);
        for &slot in &function.captured {
            let value = match self.state.captured.get(&(id.index.0, slot)) {
                Some(v) => v.clone(),
                None => self
                    .state
                    .locals
                    .get(slot as usize)
                    .cloned()
                    .unwrap_or_default(),
            };
            let portable = export(&self.state, &value).without_params();
            self.out
                .captured
                .push(((id.file, id.index.0, slot), portable));
        }
    }

    /// What was stored into the objects that parameters refer to.
    fn collect_effects(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (id, object) in self.state.objects() {
            let Some((index, path)) = object.origin else {
                continue;
            };
            for (key, value) in &object.fields {
                // What was only read is the parameter's own.
                let untouched = match &value.shape {
                    Shape::Object(id) => self
                        .state
                        .object(*id)
                        .origin
                        .is_some_and(|(i, p)| i == index && path.child(*key) == Some(p)),
                    Shape::Unknown => value.marks.is_empty(),
                    _ => false,
                };
                // So is what other code put there.
                let untouched = untouched
                    || self.read_members.get(&(id, *key)).is_some_and(|read| {
                        read.shape == value.shape
                            && read.marks.equivalent(&value.marks)
                            && self.state.is_pristine(&value.shape)
                    });
                if untouched || effects.len() >= 64 {
                    continue;
                }
                effects.push(Effect {
                    index,
                    path,
                    key: *key,
                    value: export(&self.state, value),
                });
            }
            if let Some(rest) = &object.rest
                && !matches!(object.class, Class::Builtin(_))
            {
                effects.push(Effect {
                    index,
                    path,
                    key: Key::Any,
                    value: export(&self.state, rest),
                });
            }
        }
        effects
    }
}

fn matches_position(place: &Place, position: usize, name: Symbol) -> bool {
    match &place.base {
        Base::Argument(at, named) => *at == Some(position) || *named == Some(name),
        _ => false,
    }
}

/// Whether a URL pattern admits only numbers, UUIDs and the like for a parameter: `<int:name>` (Flask, Django,
/// Bottle, Sanic as `<name:int>`), `{name:int}` (Starlette, aiohttp, Falcon), `(?P<name>\\d+)` (Django).
fn converts(route: &str, name: &str) -> bool {
    const HARMLESS: &[&str] = &["int", "float", "uuid", "ymd", "number", "date", "decimal"];
    route.match_indices(name).any(|(at, _)| {
        let before = &route[..at];
        let after = &route[at + name.len()..];
        let kind = |text: &str| {
            let kind = text.split('(').next().unwrap_or_default().trim();
            HARMLESS.contains(&kind)
        };
        if let (Some(start), true) = (before.rfind('<'), after.starts_with('>')) {
            let converter = before[start + 1..].strip_suffix(':');
            if converter.is_some_and(kind) {
                return true;
            }
            let pattern = after[1..].split(')').next().unwrap_or_default();
            return before.ends_with("(?P<")
                && pattern
                    .strip_prefix("\\d")
                    .or_else(|| pattern.strip_prefix("[0-9]"))
                    .is_some_and(|rest| {
                        matches!(rest, "+" | "*" | "")
                            || rest.starts_with('{') && rest.ends_with('}')
                    });
        }
        let open = before.ends_with('<') || before.ends_with('{');
        open && after.strip_prefix(':').is_some_and(|rest| {
            let end = rest.find(['>', '}']).unwrap_or(rest.len());
            kind(&rest[..end])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::converts;

    #[test]
    fn converters() {
        for route in [
            "/x/<int:a>",
            "/x/{a:int}",
            r"^x/(?P<a>\d+)/$",
            r"^x/(?P<a>[0-9]{4})/$",
            "/<b>/<uuid:a>",
            "/<a:int>",
        ] {
            assert!(converts(route, "a"), "{route}");
        }
        for route in [
            "/x/<a>",
            "/x/<string:a>",
            "/x/{a}",
            "/x/<path:a>",
            r"(?P<a>.+)",
            "/<int:ab>",
            "/<int:b>/<a>",
            "a",
        ] {
            assert!(!converts(route, "a"), "{route}");
        }
    }
}

//! Assignments: to variables, attributes, items and sequences of them.

use std::sync::Arc;

use pyward_ir::{BinaryOp, Const, ExprId, ExprKind, Span, Symbol, Target, Var};

use super::Interp;
use crate::heap::{Class, Key};
use crate::summary::export;
use crate::value::{Builtin, Marks, Shape, StepKind, Value, flag, join};

impl Interp<'_> {
    pub(super) fn run_assign(
        &mut self,
        targets: &[Target],
        value: ExprId,
        annotation: Option<ExprId>,
    ) {
        let name = targets.first().and_then(|t| self.target_name(t));
        let depth = self.used_as.len();
        self.used_as.extend(name);
        let mut result = self.eval(value);
        self.used_as.truncate(depth);
        if let Some(annotation) = annotation {
            result = self.with_annotation(result, annotation);
            if let [Target::Var(var, _)] = targets {
                self.declare_field(*var, annotation);
            }
        }
        for target in targets {
            self.assign(target, result.clone(), value);
        }
    }

    /// The name that an assignment gives its value.
    pub(super) fn target_name(&self, target: &Target) -> Option<Symbol> {
        match target {
            Target::Var(var, _) => Some(self.var_name(*var)),
            Target::Attribute { attr, .. } => Some(*attr),
            Target::Subscript { index, .. } => match self.ir.expr(*index).kind {
                ExprKind::Const(Const::Str(s)) => Some(s),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn var_name(&self, var: Var) -> Symbol {
        match var {
            Var::Local(slot) => {
                let function = self.ir.function(self.frame_ref().function.index);
                function
                    .locals
                    .get(slot as usize)
                    .copied()
                    .unwrap_or_else(|| Symbol::new("_"))
            }
            Var::Captured { function, slot } => self
                .ir
                .function(function)
                .locals
                .get(slot as usize)
                .copied()
                .unwrap_or_else(|| Symbol::new("_")),
            Var::Global(name) => name,
        }
    }

    /// `target = value`; `from` is the expression that the value came from.
    pub(super) fn assign(&mut self, target: &Target, value: Value, from: ExprId) {
        match target {
            Target::Var(var, span) => {
                let name = self.var_name(*var);
                self.check_assignment(Some(name), None, &value, from, *span);
                self.check_module_setting(*var, name, &value, *span);
                let marks = self.assigned(&value.marks, name, *span);
                self.write_var(*var, value.with_marks(marks));
            }
            Target::Attribute {
                value: owner,
                attr,
                span,
            } => {
                let owner_value = self.eval(*owner);
                self.check_assignment(Some(*attr), None, &value, from, *span);
                self.set_attribute(&owner_value, *attr, value, *span, Some(*owner), from);
            }
            Target::Subscript {
                value: owner,
                index,
                span,
            } => {
                let owner_value = self.eval(*owner);
                let key = self.eval(*index);
                let container = self.expr_name(*owner);
                self.check_assignment(container, Some((&key, *index)), &value, from, *span);
                self.set_item(&owner_value, &key, value, *span, *owner, from);
            }
            Target::Sequence(list) => self.assign_sequence(list, &value, from),
            Target::Starred(inner) => {
                let element = self.state.content(&value);
                let rest = self.new_sequence(Builtin::List, element);
                self.assign(inner, rest, from);
            }
            Target::Error => {}
        }
    }

    fn assign_sequence(&mut self, list: &[Target], value: &Value, from: ExprId) {
        let star = list.iter().position(|t| matches!(t, Target::Starred(_)));
        let items = match &value.shape {
            Shape::Object(id) => self.state.object(*id).items.clone(),
            _ => None,
        };
        if let Some(items) = items
            && (items.len() == list.len() || (star.is_some() && items.len() + 1 >= list.len()))
        {
            let after = star.map_or(0, |s| list.len() - s - 1);
            for (at, target) in list.iter().enumerate() {
                let item = match (target, star) {
                    (Target::Starred(inner), Some(s)) => {
                        let middle = items[s..items.len() - after].to_vec();
                        let rest = self.new_list(Builtin::List, middle);
                        self.assign(inner, rest, from);
                        continue;
                    }
                    (_, Some(s)) if at > s => items[items.len() - (list.len() - at)].clone(),
                    _ => items[at].clone(),
                };
                let marks = item.marks.union(&value.marks);
                self.assign(target, item.with_marks(marks), from);
            }
            return;
        }
        for (at, target) in list.iter().enumerate() {
            let item = if matches!(target, Target::Starred(_)) {
                value.clone()
            } else {
                let index = Value::constant(Const::Int(i64::try_from(at).unwrap_or(0)));
                if star.is_some_and(|s| at > s) {
                    self.state.element(value)
                } else {
                    self.get_item(value, &index, from)
                }
            };
            self.assign(target, item, from);
        }
    }

    pub(super) fn run_aug_assign(
        &mut self,
        target: &Target,
        op: BinaryOp,
        value: ExprId,
        span: Span,
    ) {
        let right = self.eval(value);
        let old = match target {
            Target::Var(var, _) => self.read_var(*var, span),
            Target::Attribute {
                value: owner, attr, ..
            } => {
                let owner = self.eval(*owner);
                self.get_attribute(&owner, *attr, value)
            }
            Target::Subscript {
                value: owner,
                index,
                ..
            } => {
                let owner = self.eval(*owner);
                let key = self.eval(*index);
                self.get_item(&owner, &key, value)
            }
            _ => Value::unknown(),
        };
        if op == BinaryOp::Add
            && let Shape::Object(id) = old.shape
            && matches!(self.state.object(id).class, Class::Builtin(Builtin::List))
        {
            self.extend_list(id, &right);
            return;
        }
        let result = self.binary(op, &old, &right, value);
        self.assign(target, result, value);
    }

    pub(super) fn write_var(&mut self, var: Var, value: Value) {
        match var {
            Var::Local(slot) => {
                if let Some(place) = self.state.locals.get_mut(slot as usize) {
                    *place = value;
                }
            }
            Var::Captured { function, slot } => {
                Arc::make_mut(&mut self.state.captured).insert((function.0, slot), value);
                self.frame().rebound.push((function.0, slot));
            }
            Var::Global(name) => {
                if self.frame_ref().function.index.0 != 0 || self.is_inlined() {
                    let portable = export(&self.state, &value).without_params();
                    self.out.module_writes.push(((self.file, name), portable));
                }
                if !self.is_inlined() || self.file == self.frames[0].function.file {
                    Arc::make_mut(&mut self.state.globals).insert(name, value);
                }
            }
        }
    }

    /// `owner.attr = value`
    pub(super) fn set_attribute(
        &mut self,
        owner: &Value,
        attr: Symbol,
        value: Value,
        span: Span,
        owner_expr: Option<ExprId>,
        from: ExprId,
    ) {
        let marks = self.assigned(&value.marks, attr, span);
        let value = value.with_marks(marks);
        let single = !matches!(owner.shape, Shape::Choice(_));
        for shape in owner.shape.alternatives().to_vec() {
            match shape {
                Shape::Object(id) => {
                    let class = self.state.object(id).class;
                    match class {
                        Class::Project(class) => {
                            let portable = export(&self.state, &value).without_params();
                            self.out.instance_writes.push(((class, attr), portable));
                        }
                        Class::Api(api) => {
                            let member = self.cx.api.child(api, attr);
                            self.assigned_to_api(member, owner, owner_expr, &value, span, from);
                        }
                        _ => {}
                    }
                    self.store(id, Key::Attribute(attr), value.clone(), single);
                }
                Shape::Api(api) | Shape::Instance(api) => {
                    let member = self.cx.api.child(api, attr);
                    self.assigned_to_api(member, owner, owner_expr, &value, span, from);
                }
                Shape::Class(class) => {
                    let portable = export(&self.state, &value).without_params();
                    self.out.instance_writes.push(((class, attr), portable));
                }
                Shape::Module(file) => {
                    let portable = export(&self.state, &value).without_params();
                    self.out.module_writes.push(((file, attr), portable));
                }
                _ => {}
            }
        }
        if !value.marks.is_empty() {
            self.taint_unknown_owner(owner, owner_expr, &value.marks);
        }
    }

    /// An object of which only the variable is known gets the marks itself.
    pub(super) fn taint_unknown_owner(
        &mut self,
        owner: &Value,
        owner_expr: Option<ExprId>,
        marks: &Marks,
    ) {
        if owner
            .shape
            .alternatives()
            .iter()
            .any(|s| matches!(s, Shape::Object(_) | Shape::Module(_) | Shape::Class(_)))
        {
            return;
        }
        let Some(expr) = owner_expr else { return };
        let marks = marks.flagged(flag::INEXACT);
        let Some(place) = self.place_of(expr) else {
            // `groups[key].append(x)`: any element of the container.
            if let ExprKind::Subscript { value, .. } = self.ir.expr(expr).kind
                && self.place_of(value).is_some()
            {
                let container = self.eval(value);
                for shape in container.shape.alternatives().to_vec() {
                    if let Shape::Object(id) = shape
                        && self.state.object(id).class == Class::Builtin(Builtin::Dict)
                    {
                        let element = Value::unknown().with_marks(marks.clone());
                        self.store(id, Key::Any, element, false);
                    }
                }
            }
            return;
        };
        self.update_place(&place, &|v: &mut Value| v.marks = v.marks.union(&marks));
    }

    /// `owner[key] = value`
    pub(super) fn set_item(
        &mut self,
        owner: &Value,
        key: &Value,
        value: Value,
        span: Span,
        owner_expr: ExprId,
        from: ExprId,
    ) {
        let name = self
            .expr_name(owner_expr)
            .unwrap_or_else(|| Symbol::new("item"));
        let marks = self.assigned(&value.marks, name, span);
        let value = value.with_marks(marks);
        let single = !matches!(owner.shape, Shape::Choice(_));
        for shape in owner.shape.alternatives().to_vec() {
            match shape {
                Shape::Object(id) => {
                    let class = self.state.object(id).class;
                    if let Class::Api(api) = class {
                        self.item_assigned_to_api(api, key, &value, span, from);
                    }
                    let kind = match class {
                        Class::Builtin(kind) => kind,
                        _ => Builtin::Dict,
                    };
                    self.note_kept(owner_expr, kind, key.as_const().map(Key::of_const), &value);
                    match key.as_const() {
                        Some(c) => self.store(id, Key::of_const(c), value.clone(), single),
                        None => {
                            let keys = self.state.deep_marks(key);
                            self.store(id, Key::Any, value.clone(), false);
                            if !keys.is_empty() {
                                let object = self.state.object_mut(id);
                                object.keys =
                                    Some(object.keys.take().unwrap_or_default().union(&keys));
                            }
                        }
                    }
                }
                Shape::Api(api) | Shape::Instance(api) | Shape::ApiMethod(api, _) => {
                    self.item_assigned_to_api(api, key, &value, span, from);
                }
                _ => {}
            }
        }
        let mut marks = self.state.deep_marks(&value);
        marks = marks.union(&self.state.deep_marks(key));
        if !marks.is_empty() {
            self.taint_unknown_owner(owner, Some(owner_expr), &marks);
        }
    }

    /// Stores into an object of the heap.
    pub(super) fn store(
        &mut self,
        id: crate::value::ObjectId,
        key: Key,
        value: Value,
        strong: bool,
    ) {
        let object = self.state.object_mut(id);
        if let Some(items) = &mut object.items {
            match key {
                Key::Index(i) => {
                    let length = i64::try_from(items.len()).unwrap_or(0);
                    let at =
                        usize::try_from(if i < 0 { i + length } else { i }).unwrap_or(usize::MAX);
                    if let Some(slot) = items.get_mut(at) {
                        *slot = if strong { value } else { join(slot, &value) };
                    }
                    return;
                }
                Key::Any | Key::Item(_) => {
                    object.blur();
                    object.add_rest(&value);
                    object.closed = false;
                    return;
                }
                Key::Attribute(_) => {}
            }
        }
        match key {
            Key::Any => {
                object.add_rest(&value);
                object.closed = false;
            }
            _ if strong || object.field(key).is_none() => {
                object.set_field(key, value);
            }
            _ => {
                let joined = object
                    .field(key)
                    .map_or_else(|| value.clone(), |old| join(old, &value));
                object.set_field(key, joined);
            }
        }
    }

    pub(super) fn extend_list(&mut self, id: crate::value::ObjectId, with: &Value) {
        let more = match &with.shape {
            Shape::Object(other) => self.state.object(*other).items.clone(),
            _ => None,
        };
        let element = self.state.element(with);
        let head = match &with.shape {
            Shape::Object(other) => self.state.object(*other).head().cloned(),
            _ => None,
        };
        let in_loop = self.frame_ref().loop_depth > 0;
        let object = self.state.object_mut(id);
        let was_empty = object.items.as_ref().is_some_and(Vec::is_empty) && object.rest.is_none();
        match (more, &mut object.items) {
            (Some(more), Some(items)) if !in_loop && items.len() + more.len() <= 64 => {
                items.extend(more);
                if !with.marks.is_empty() {
                    object.add_rest(&Value::unknown().with_marks(with.marks.clone()));
                }
            }
            _ => {
                object.blur_tail();
                object.add_rest(&element);
                object.closed = false;
                if was_empty && let Some(head) = head {
                    object.set_field(crate::heap::Key::Index(0), head);
                }
            }
        }
    }

    pub(super) fn declare(&mut self, target: &Target, annotation: ExprId) {
        if let Target::Var(var, _) = target {
            let value = self.annotated(annotation);
            self.declare_field(*var, annotation);
            if let Var::Local(slot) = var
                && self.ir.function(self.frame_ref().function.index).kind
                    != pyward_ir::FunctionKind::ClassBody
                && let Some(place) = self.state.locals.get_mut(*slot as usize)
                && matches!(place.shape, Shape::Unknown)
            {
                *place = value;
            }
        }
    }

    /// A name that a source text gives an expression: variable, attribute, key or callee.
    pub(super) fn expr_name(&self, expr: ExprId) -> Option<Symbol> {
        match &self.ir.expr(expr).kind {
            ExprKind::Name(var) => Some(self.var_name(*var)),
            ExprKind::Attribute { attr, .. } => Some(*attr),
            ExprKind::Subscript { value, index } => match self.ir.expr(*index).kind {
                ExprKind::Const(Const::Str(s)) => Some(s),
                _ => self.expr_name(*value),
            },
            ExprKind::Call { callee, args } => {
                let name = self.expr_name(*callee)?;
                // `get("password")` and `form.get("x")` are named by their key.
                if matches!(
                    name.as_str(),
                    "get" | "getlist" | "pop" | "getenv" | "get_argument" | "getfirst"
                ) && let Some(first) = args.first()
                    && let ExprKind::Const(Const::Str(s)) = self.ir.expr(first.value).kind
                {
                    return Some(s);
                }
                // A conversion or a method is named by what it is applied to.
                if matches!(
                    name.as_str(),
                    "encode"
                        | "decode"
                        | "strip"
                        | "lower"
                        | "upper"
                        | "str"
                        | "bytes"
                        | "format"
                        | "repr"
                        | "hexdigest"
                        | "digest"
                ) {
                    if let ExprKind::Attribute { value, .. } = self.ir.expr(*callee).kind {
                        return self.expr_name(value).or(Some(name));
                    }
                    if let Some(first) = args.first() {
                        return self.expr_name(first.value).or(Some(name));
                    }
                }
                Some(name)
            }
            ExprKind::Await(inner) | ExprKind::Starred(inner) => self.expr_name(*inner),
            _ => None,
        }
    }

    pub(super) fn through(&self, marks: &Marks, span: Span, name: Symbol) -> Marks {
        if marks.is_empty() {
            Marks::NONE
        } else {
            marks.stepped(self.step(StepKind::Through, span, name))
        }
    }
}

//! Expressions.

use pyward_ir::{
    BinaryOp, BoolOp, Comprehension, ComprehensionKind, Const, ExprId, ExprKind, Span, Symbol,
    UnaryOp,
};

use super::Interp;
use super::text::{is_number, is_text};
use crate::fold;
use crate::heap::{Class, Key, Object};
use crate::value::{ALL_CONTEXTS, Builtin, Marks, Shape, Value, flag, join};

impl Interp<'_> {
    pub(crate) fn eval(&mut self, id: ExprId) -> Value {
        if !self.spend() {
            return Value::unknown();
        }
        let ir = self.ir;
        let expr = ir.expr(id);
        match &expr.kind {
            ExprKind::Const(c) => Value::constant(*c),
            ExprKind::Name(var) => self.read_name(*var, expr.span),
            ExprKind::Attribute { value, attr, .. } => {
                let owner = self.eval(*value);
                self.current_span = expr.span;
                let member = self.get_attribute(&owner, *attr, id);
                self.check_read(&member, expr.span, id);
                self.with_api_source(member, expr.span)
            }
            ExprKind::Subscript { value, index } => {
                let owner = self.eval(*value);
                let key = self.eval(*index);
                self.get_item(&owner, &key, id)
            }
            ExprKind::Slice { lower, upper, step } => {
                let mut marks = Marks::NONE;
                for part in [lower, upper, step].into_iter().flatten() {
                    marks = marks.union(&self.eval(*part).marks);
                }
                Value::of(Shape::Builtin(Builtin::Slice))
            }
            ExprKind::Call { callee, args } => self.eval_call(id, *callee, args),
            ExprKind::Binary { op, left, right } => {
                // Long chains of `+` lean to the left: walk them without recursion.
                let mut rest = vec![(*op, *right, id)];
                let mut first = *left;
                while let ExprKind::Binary { op, left, right } = &ir.expr(first).kind {
                    rest.push((*op, *right, first));
                    first = *left;
                }
                let mut value = self.eval(first);
                for (op, right, at) in rest.into_iter().rev() {
                    let right = self.eval(right);
                    value = self.binary(op, &value, &right, at);
                }
                value
            }
            ExprKind::Unary { op, operand } => {
                if *op == UnaryOp::Not {
                    let truth = self.eval_test(*operand);
                    return truth.map_or_else(
                        || Value::of(Shape::Builtin(Builtin::Bool)),
                        |t| Value::constant(Const::Bool(!t)),
                    );
                }
                let value = self.eval(*operand);
                match value.as_const().and_then(|c| fold::unary(*op, c)) {
                    Some(c) => Value::constant(c),
                    None => Value::unknown().with_marks(value.marks),
                }
            }
            ExprKind::Compare { .. } => self.eval_test(id).map_or_else(
                || Value::of(Shape::Builtin(Builtin::Bool)),
                |t| Value::constant(Const::Bool(t)),
            ),
            ExprKind::Bool { op, values } => self.eval_bool(*op, values),
            ExprKind::IfElse { test, body, orelse } => match self.eval_test(*test) {
                Some(true) => self.eval(*body),
                Some(false) => self.eval(*orelse),
                None => {
                    let before = self.fork();
                    self.refine(*test, true);
                    let first = self.eval(*body);
                    let after = std::mem::replace(&mut self.state, before);
                    self.refine(*test, false);
                    let second = self.eval(*orelse);
                    self.state.merge(&after);
                    join(&first, &second)
                }
            },
            ExprKind::Lambda(function) => self.make_function(*function),
            ExprKind::Tuple(list) => self.eval_sequence(Builtin::Tuple, list),
            ExprKind::List(list) => self.eval_sequence(Builtin::List, list),
            ExprKind::Set(list) => {
                let items: Vec<Value> = list.iter().map(|e| self.eval(*e)).collect();
                self.new_list(Builtin::Set, items)
            }
            ExprKind::Dict(entries) => self.eval_dict(entries),
            ExprKind::Comprehension(comprehension) => self.eval_comprehension(comprehension),
            ExprKind::FString(parts) | ExprKind::TString(parts) => self.eval_fstring(parts, id),
            ExprKind::Await(value) => self.eval(*value),
            ExprKind::Yield(value) => {
                let value = value.map_or_else(Value::unknown, |v| self.eval(v));
                let frame = self.frame();
                frame.yields = Some(match frame.yields.take() {
                    Some(old) => join(&old, &value),
                    None => value,
                });
                Value::unknown()
            }
            ExprKind::YieldFrom(value) => {
                let value = self.eval(*value);
                let element = self.state.element(&value);
                let frame = self.frame();
                frame.yields = Some(match frame.yields.take() {
                    Some(old) => join(&old, &element),
                    None => element,
                });
                value
            }
            ExprKind::Named { target, value } => {
                let result = self.eval(*value);
                let marks = self.assigned(&result.marks, self.var_name(*target), expr.span);
                self.write_var(*target, result.clone().with_marks(marks));
                result
            }
            ExprKind::Starred(value) => self.eval(*value),
            ExprKind::Error => Value::unknown(),
        }
    }

    fn read_name(&mut self, var: pyward_ir::Var, span: Span) -> Value {
        let value = self.read_var(var, span);
        // What was read before, and perhaps checked since, is not read again.
        if !value.marks.is_empty() {
            return value;
        }
        self.with_api_source(value, span)
    }

    fn eval_sequence(&mut self, class: Builtin, list: &[ExprId]) -> Value {
        if list.len() > 200 {
            // A data table: only what its elements may be together.
            let mut object = Object::new(Class::Builtin(class));
            object.closed = false;
            for e in list {
                let value = self.eval(*e);
                object.add_rest(&value);
            }
            return self.new_object(object);
        }
        let mut items = Vec::with_capacity(list.len());
        let mut rest: Option<Value> = None;
        for e in list {
            if let ExprKind::Starred(inner) = self.ir.expr(*e).kind {
                let value = self.eval(inner);
                let known = match &value.shape {
                    Shape::Object(id) => self.state.object(*id).items.clone(),
                    _ => None,
                };
                match known {
                    Some(known) if rest.is_none() => items.extend(known),
                    _ => {
                        let element = self.state.element(&value);
                        rest = Some(rest.map_or_else(|| element.clone(), |r| join(&r, &element)));
                    }
                }
            } else {
                let value = self.eval(*e);
                items.push(value);
            }
        }
        let value = self.new_list(class, items);
        if let (Some(rest), Shape::Object(id)) = (rest, &value.shape) {
            let object = self.state.object_mut(*id);
            // Keep the first elements apart: the program of an argument list stands there.
            let first = object.items.as_ref().and_then(|i| i.first().cloned());
            object.blur();
            object.add_rest(&rest);
            object.closed = false;
            if let Some(first) = first {
                object.set_field(Key::Index(0), first);
            }
        }
        value
    }

    fn eval_dict(&mut self, entries: &[(Option<ExprId>, ExprId)]) -> Value {
        let mut object = Object::new(Class::Builtin(Builtin::Dict));
        for (key, value) in entries {
            match key {
                Some(key) => {
                    let key = self.eval(*key);
                    let depth = self.used_as.len();
                    if let Some(Const::Str(name)) = key.as_const() {
                        self.used_as.push(name);
                    }
                    let span = self.expr_span(*value);
                    let from = *value;
                    let value = self.eval(from);
                    self.used_as.truncate(depth);
                    self.check_assignment(None, Some((&key, from)), &value, from, span);
                    match key.as_const() {
                        Some(c) => object.set_field(Key::of_const(c), value),
                        None => {
                            object.add_rest(&value);
                            object.closed = false;
                            let marks = self.state.deep_marks(&key);
                            if !marks.is_empty() {
                                object.keys =
                                    Some(object.keys.take().unwrap_or_default().union(&marks));
                            }
                        }
                    }
                }
                None => {
                    let other = self.eval(*value);
                    self.update_dict(&mut object, &other);
                }
            }
        }
        self.new_object(object)
    }

    /// `object.update(other)`
    pub(super) fn update_dict(&mut self, object: &mut Object, other: &Value) {
        let mut known = true;
        for shape in other.shape.alternatives() {
            if let Shape::Object(id) = shape {
                let source = self.state.object(*id).clone();
                for (key, value) in &source.fields {
                    object.set_field(*key, value.clone());
                }
                if let Some(rest) = &source.rest {
                    object.add_rest(rest);
                }
                if let Some(keys) = &source.keys {
                    object.keys = Some(object.keys.take().unwrap_or_default().union(keys));
                }
                known &= source.closed;
            } else {
                known = false;
            }
        }
        if !known {
            object.closed = false;
        }
        if !other.marks.is_empty() {
            object.add_rest(&Value::unknown().with_marks(other.marks.clone()));
            object.keys = Some(object.keys.take().unwrap_or_default().union(&other.marks));
        }
    }

    fn eval_comprehension(&mut self, comprehension: &Comprehension) -> Value {
        let before = self.fork();
        self.frame().loop_depth += 1;
        for generator in &comprehension.generators {
            let iterable = self.eval(generator.iter);
            let element = self.iterate(&iterable, generator.iter);
            self.assign(&generator.target, element, generator.iter);
            for condition in &generator.conditions {
                let _ = self.eval_test(*condition);
                self.refine(*condition, true);
            }
        }
        let element = self.eval(comprehension.element);
        let value = comprehension.value.map(|v| self.eval(v));
        self.frame().loop_depth -= 1;
        let result = match comprehension.kind {
            ComprehensionKind::Dict => {
                let mut object = Object::new(Class::Builtin(Builtin::Dict));
                object.closed = false;
                object.rest = value;
                let keys = self.state.deep_marks(&element);
                object.keys = (!keys.is_empty()).then_some(keys);
                self.new_object(object)
            }
            ComprehensionKind::List => self.new_sequence(Builtin::List, element),
            ComprehensionKind::Set => self.new_sequence(Builtin::Set, element),
            ComprehensionKind::Generator => self.new_sequence(Builtin::Iterator, element),
        };
        self.state.alive = true;
        self.state.merge(&before);
        result
    }

    fn eval_bool(&mut self, op: BoolOp, values: &[ExprId]) -> Value {
        let before = self.fork();
        let mut result: Option<Value> = None;
        for (at, e) in values.iter().enumerate() {
            let value = self.eval(*e);
            let truth = self.truth(&value);
            let last = at + 1 == values.len();
            let stops = match op {
                BoolOp::And => truth == Some(false),
                BoolOp::Or => truth == Some(true),
            };
            let skipped = !last && truth.is_some() && !stops;
            if !skipped {
                // `x or default`: what goes on from `x` is true, so not the empty constants.
                let value = if last {
                    value
                } else {
                    self.narrowed(value, op == BoolOp::Or)
                };
                result = Some(result.map_or_else(|| value.clone(), |r| join(&r, &value)));
            }
            if stops {
                break;
            }
            if !last {
                self.refine(*e, op == BoolOp::And);
            }
        }
        self.state.alive = true;
        self.state.merge(&before);
        result.unwrap_or_default()
    }

    /// The alternatives of a value that are (not) true.
    pub(super) fn narrowed(&self, value: Value, to: bool) -> Value {
        if let Shape::Choice(list) = &value.shape {
            let kept: Vec<Shape> = list
                .iter()
                .filter(|s| self.shape_truth(s).is_none_or(|t| t == to))
                .cloned()
                .collect();
            let shape = match kept.len() {
                0 => return value,
                1 => kept[0].clone(),
                _ => Shape::Choice(kept.into()),
            };
            return Value {
                shape,
                marks: value.marks,
            };
        }
        value
    }

    /// `left op right`
    pub(super) fn binary(
        &mut self,
        op: BinaryOp,
        left: &Value,
        right: &Value,
        at: ExprId,
    ) -> Value {
        if let (Some(a), Some(b)) = (left.as_const(), right.as_const())
            && let Some(c) = fold::binary(op, a, b)
        {
            return Value::constant(c).with_marks(left.marks.union(&right.marks));
        }
        if let Some(value) = self.operator_of_class(op, left, right) {
            return value;
        }
        match op {
            BinaryOp::Add => {
                if let Some(list) = self.join_lists(left, right) {
                    return list;
                }
                self.concatenate(&[left.clone(), right.clone()])
            }
            BinaryOp::Mod => self.percent(left, right, at),
            BinaryOp::Div => self.divide(left, right, at),
            BinaryOp::Mul if is_text(&left.shape) => {
                Value::of(Shape::Builtin(Builtin::Str)).with_marks(left.marks.clone())
            }
            BinaryOp::BitOr => {
                let mut object = Object::new(Class::Builtin(Builtin::Dict));
                if self.is_dict(left) && self.is_dict(right) {
                    self.update_dict(&mut object, left);
                    self.update_dict(&mut object, right);
                    return self.new_object(object);
                }
                Value::unknown().with_marks(left.marks.union(&right.marks))
            }
            _ => {
                let shape = if is_number(&left.shape) || is_number(&right.shape) {
                    let marks = left.marks.union(&right.marks);
                    return Value::of(Shape::Builtin(Builtin::Int))
                        .with_marks(marks)
                        .harmless();
                } else {
                    Shape::Unknown
                };
                Value::of(shape).with_marks(left.marks.union(&right.marks))
            }
        }
    }

    /// `left op right` where models say that the class of `left` makes the right side safe
    /// (`Markup("...") % x`).
    fn operator_of_class(&mut self, op: BinaryOp, left: &Value, right: &Value) -> Option<Value> {
        let method = match op {
            BinaryOp::Add => "__add__",
            BinaryOp::Mod => "__mod__",
            _ => return None,
        };
        let class = match &left.shape {
            Shape::Instance(api) => *api,
            Shape::Object(id) => match self.state.object(*id).class {
                Class::Api(api) => api,
                _ => return None,
            },
            _ => return None,
        };
        if !self.cx.api.is_known(class) {
            return None;
        }
        let member = self.cx.api.child(class, Symbol::new(method));
        let sanitizers = &self.cx.api.entry(member)?.sanitizers;
        let cleans = sanitizers.iter().fold(0, |all, s| all | s.cleans);
        if cleans == 0 {
            return None;
        }
        let added = self.state.deep_marks(right).cleaned(cleans);
        let marks = left.marks.union(&added);
        Some(Value {
            shape: left.shape.clone(),
            marks,
        })
    }

    fn is_dict(&self, value: &Value) -> bool {
        matches!(&value.shape, Shape::Object(id) if self.state.object(*id).class == Class::Builtin(Builtin::Dict))
    }

    fn join_lists(&mut self, left: &Value, right: &Value) -> Option<Value> {
        let list = |interp: &Self, v: &Value| match &v.shape {
            Shape::Object(id) => match interp.state.object(*id).class {
                Class::Builtin(b @ (Builtin::List | Builtin::Tuple)) => Some((*id, b)),
                _ => None,
            },
            _ => None,
        };
        let (a, b) = (list(self, left), list(self, right));
        let class = a.or(b)?.1;
        let copy = self.new_list(class, Vec::new());
        if let Shape::Object(id) = &copy.shape {
            for side in [left, right] {
                self.extend_list(*id, side);
            }
        }
        let marks = left.marks.union(&right.marks);
        Some(copy.with_marks(marks))
    }
}

impl Value {
    pub(super) fn with_marks_shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// Cleaned of everything: a number, a boolean, a constant.
    pub(super) fn harmless(mut self) -> Self {
        self.marks = self.marks.cleaned(ALL_CONTEXTS);
        self
    }

    pub(super) fn inexact(mut self) -> Self {
        self.marks = self.marks.flagged(flag::INEXACT);
        self
    }
}

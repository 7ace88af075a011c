//! Expressions.

use pyward_ir::{
    BinaryOp, BoolOp, Comprehension, ComprehensionKind, Const, Conversion, ExprId, ExprKind,
    InterpolatedPart, Span, Symbol, UnaryOp,
};

use super::Interp;
use crate::fold;
use crate::heap::{Class, Key, Object};
use crate::value::{ALL_CONTEXTS, Builtin, Marks, Shape, Text, Value, flag, join};

/// Longest literal text kept of a built string.
const MAX_LITERAL: usize = 600;

/// Stands in a literal where something unknown was put.
const HOLE: char = '\u{0}';

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

    /// Strings one after another.
    pub(super) fn concatenate(&mut self, parts: &[Value]) -> Value {
        let mut marks = Marks::NONE;
        let mut literal = String::new();
        let mut prefix: Option<String> = Some(String::new());
        let mut closed_prefix = String::new();
        let mut is_bytes = false;
        let mut textual = false;
        let mut all_const = true;
        for part in parts {
            marks = marks.union(&self.state.deep_marks(part));
            match &part.shape {
                Shape::Const(Const::Str(s)) => {
                    textual = true;
                    literal.push_str(s.as_str());
                    if let Some(p) = &mut prefix {
                        p.push_str(s.as_str());
                    }
                }
                Shape::Const(Const::Bytes(s)) => {
                    textual = true;
                    is_bytes = true;
                    literal.push_str(s.as_str());
                    if let Some(p) = &mut prefix {
                        p.push_str(s.as_str());
                    }
                }
                Shape::Text(text) => {
                    textual = true;
                    all_const = false;
                    is_bytes |= text.is_bytes;
                    literal.push_str(text.literal.as_str());
                    if let Some(mut p) = prefix.take() {
                        p.push_str(text.prefix.as_str());
                        closed_prefix = p;
                    }
                }
                Shape::Const(c) if fold::display(*c).is_some() => {
                    let shown = fold::display(*c).unwrap_or_default();
                    literal.push_str(&shown);
                    if let Some(p) = &mut prefix {
                        p.push_str(&shown);
                    }
                }
                other => {
                    textual |= matches!(other, Shape::Builtin(Builtin::Str | Builtin::Bytes));
                    all_const = false;
                    literal.push(HOLE);
                    if let Some(p) = prefix.take() {
                        closed_prefix = p;
                    }
                }
            }
        }
        if !textual {
            let shape = if parts.iter().all(|p| is_number(&p.shape)) {
                Shape::Builtin(Builtin::Int)
            } else {
                Shape::Unknown
            };
            if let Shape::Builtin(Builtin::Int) = shape {
                return Value::of(shape);
            }
            return Value::of(shape).with_marks(marks);
        }
        if all_const && literal.len() <= 4096 {
            let symbol = Symbol::new(&literal);
            let c = if is_bytes {
                Const::Bytes(symbol)
            } else {
                Const::Str(symbol)
            };
            return Value::constant(c).with_marks(marks);
        }
        let prefix = prefix.unwrap_or(closed_prefix);
        Value {
            shape: text_shape(&prefix, &literal, is_bytes),
            marks: self.after_prefix(&prefix, &marks),
        }
    }

    /// What a fixed beginning of a string takes away from what the rest can do.
    pub(super) fn after_prefix(&self, prefix: &str, marks: &Marks) -> Marks {
        if marks.is_empty() || prefix.is_empty() {
            return marks.clone();
        }
        let known = self.cx.contexts;
        let mut cleaned = 0;
        // Scheme and host are fixed: the rest cannot choose where a request goes.
        let rest = prefix.split_once("://").map(|(_, rest)| rest);
        if rest.is_some_and(|r| r.contains(['/', '?', '#'])) {
            cleaned |= known.redirect | known.url;
        }
        // A local path, not `//host` and not `/\host`.
        let mut chars = prefix.chars();
        if chars.next() == Some('/') && chars.next().is_some_and(|c| c != '/' && c != '\\') {
            cleaned |= known.redirect;
        }
        if matches!(prefix.chars().next(), Some('?' | '#')) {
            cleaned |= known.redirect;
        }
        marks.cleaned(cleaned)
    }

    /// `"..." % value`
    fn percent(&mut self, left: &Value, right: &Value, at: ExprId) -> Value {
        if is_number(&left.shape) {
            return Value::of(Shape::Builtin(Builtin::Int));
        }
        let template = match &left.shape {
            Shape::Const(Const::Str(s) | Const::Bytes(s)) => Some(s.as_str().to_owned()),
            Shape::Text(t) => Some(t.literal.as_str().to_owned()),
            _ => None,
        };
        let Some(template) = template else {
            let marks = self
                .state
                .deep_marks(left)
                .union(&self.state.deep_marks(right));
            return Value::of(Shape::Builtin(Builtin::Str)).with_marks(marks);
        };
        let items = match &right.shape {
            Shape::Object(id) => {
                let object = self.state.object(*id);
                match (object.class, &object.items) {
                    (Class::Builtin(Builtin::Tuple), Some(items)) => Some(items.clone()),
                    (Class::Builtin(Builtin::Dict), _) => None,
                    _ => Some(vec![right.clone()]),
                }
            }
            _ => Some(vec![right.clone()]),
        };
        let mut parts: Vec<Value> = Vec::new();
        let mut text = String::new();
        let mut next = 0;
        let mut chars = template.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '%' {
                text.push(c);
                continue;
            }
            if chars.peek() == Some(&'%') {
                chars.next();
                text.push('%');
                continue;
            }
            let mut key = None;
            if chars.peek() == Some(&'(') {
                chars.next();
                key = Some(chars.by_ref().take_while(|c| *c != ')').collect::<String>());
            }
            let mut conversion = 's';
            for c in chars.by_ref() {
                if c.is_alphabetic() {
                    conversion = c;
                    break;
                }
            }
            parts.push(Value::str(&std::mem::take(&mut text)));
            let value = match (key, &items) {
                (Some(key), _) => self.get_item(right, &Value::str(&key), at),
                (None, Some(items)) => {
                    next += 1;
                    items.get(next - 1).cloned().unwrap_or_else(|| {
                        let content = self.state.content(right);
                        Value::unknown().with_marks(content.marks)
                    })
                }
                (None, None) => {
                    let content = self.state.content(right);
                    Value::unknown().with_marks(content.marks)
                }
            };
            // A number cannot carry anything.
            let value = if matches!(
                conversion,
                'd' | 'i' | 'u' | 'x' | 'X' | 'o' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G'
            ) {
                Value::of(Shape::Builtin(Builtin::Int))
            } else {
                self.as_text(value)
            };
            parts.push(value);
        }
        parts.push(Value::str(&text));
        let joined = self.concatenate(&parts);
        let marks = joined.marks.union(&left.marks);
        joined.with_marks(marks)
    }

    fn eval_fstring(&mut self, parts: &[InterpolatedPart], _at: ExprId) -> Value {
        let mut values = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                InterpolatedPart::Literal(text) => values.push(Value::constant(Const::Str(*text))),
                InterpolatedPart::Value {
                    value,
                    conversion,
                    spec,
                } => {
                    let mut inner = self.eval(*value);
                    if let Some(spec) = spec {
                        let spec = self.eval(*spec);
                        if spec.as_str().is_some_and(is_numeric_spec) {
                            inner = Value::of(Shape::Builtin(Builtin::Int));
                        } else {
                            inner.marks = inner.marks.union(&spec.marks);
                            if inner.as_const().is_some() {
                                inner.shape = Shape::Builtin(Builtin::Str);
                            }
                        }
                    }
                    if matches!(conversion, Conversion::Repr | Conversion::Ascii)
                        && inner.as_const().is_some()
                    {
                        inner.shape = Shape::Builtin(Builtin::Str);
                    }
                    if matches!(conversion, Conversion::Repr | Conversion::Ascii) {
                        inner.marks = inner.marks.cleaned(self.cx.contexts.lines);
                    }
                    values.push(self.as_text(inner));
                }
            }
        }
        if values.is_empty() {
            return Value::str("");
        }
        let joined = self.concatenate(&values);
        if matches!(joined.shape, Shape::Unknown) {
            return joined.with_marks_shape(Shape::Builtin(Builtin::Str));
        }
        joined
    }

    /// A value put into a string: an object of the project may say how.
    pub(super) fn as_text(&mut self, value: Value) -> Value {
        if let Shape::Object(id) = &value.shape
            && let Class::Project(class) = self.state.object(*id).class
            && let Some(method) = self.find_method(class, Symbol::new("__str__"))
        {
            let result = self.call_method_value(&method, &value, Vec::new());
            let marks = result.marks.union(&value.marks);
            return result.with_marks(marks);
        }
        if let Shape::Choice(_) = value.shape {
            let marks = self.state.deep_marks(&value);
            return Value::of(value.shape).with_marks(marks);
        }
        value
    }

    /// `{...}`-style formatting of a template with values.
    pub(super) fn format_template(
        &mut self,
        template: &Value,
        args: &[Value],
        named: &[(Symbol, Value)],
        extra: &Marks,
    ) -> Value {
        let literal = match &template.shape {
            Shape::Const(Const::Str(s)) => s.as_str().to_owned(),
            Shape::Text(t) => t.literal.as_str().to_owned(),
            _ => {
                let mut marks = self.state.deep_marks(template).union(extra);
                for value in args.iter().chain(named.iter().map(|(_, v)| v)) {
                    marks = marks.union(&self.state.deep_marks(value));
                }
                return Value::of(Shape::Builtin(Builtin::Str)).with_marks(marks);
            }
        };
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut next = 0;
        let mut chars = literal.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '{' | '}' if chars.peek() == Some(&c) => {
                    chars.next();
                    text.push(c);
                }
                '{' => {
                    let field: String = chars.by_ref().take_while(|c| *c != '}').collect();
                    let (name, spec) = field.split_once(':').unwrap_or((&field, ""));
                    let name = name.split(['.', '[', '!']).next().unwrap_or("");
                    let value = if name.is_empty() {
                        next += 1;
                        args.get(next - 1).cloned()
                    } else if let Ok(at) = name.parse::<usize>() {
                        args.get(at).cloned()
                    } else {
                        named
                            .iter()
                            .find(|(n, _)| n.as_str() == name)
                            .map(|(_, v)| v.clone())
                    };
                    let value = value.unwrap_or_else(|| Value::unknown().with_marks(extra.clone()));
                    parts.push(Value::str(&std::mem::take(&mut text)));
                    let value = if is_numeric_spec(spec) {
                        Value::of(Shape::Builtin(Builtin::Int))
                    } else if field.contains(['.', '[']) {
                        let marks = self.state.deep_marks(&value);
                        Value::unknown().with_marks(marks)
                    } else {
                        self.as_text(value)
                    };
                    parts.push(value);
                }
                c => text.push(c),
            }
        }
        parts.push(Value::str(&text));
        let joined = self.concatenate(&parts);
        let marks = joined.marks.union(&template.marks);
        joined.with_marks(marks)
    }
}

fn is_numeric_spec(spec: &str) -> bool {
    spec.len() < 12 && spec.ends_with(['d', 'f', 'x', 'X', 'b', 'o', 'e', 'g', '%'])
}

pub(super) fn is_number(shape: &Shape) -> bool {
    matches!(
        shape,
        Shape::Const(Const::Int(_) | Const::Float(_) | Const::Bool(_))
            | Shape::Builtin(Builtin::Int | Builtin::Float | Builtin::Bool)
    )
}

pub(super) fn is_text(shape: &Shape) -> bool {
    matches!(
        shape,
        Shape::Const(Const::Str(_) | Const::Bytes(_))
            | Shape::Text(_)
            | Shape::Builtin(Builtin::Str | Builtin::Bytes)
    )
}

/// The shape of a string with a known beginning and known fragments.
pub(super) fn text_shape(prefix: &str, literal: &str, is_bytes: bool) -> Shape {
    let cut = |s: &str| -> Symbol {
        let mut end = s.len().min(MAX_LITERAL);
        while !s.is_char_boundary(end) {
            end -= 1;
        }
        Symbol::new(&s[..end])
    };
    Shape::Text(std::sync::Arc::new(Text {
        prefix: cut(prefix),
        literal: cut(literal),
        is_bytes,
    }))
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

//! Calls: arguments, and who is called.

use pyward_ir::{Arg, ArgKind, Const, ExprId, ExprKind, Span, Symbol};

use super::Interp;
use crate::heap::{Class, Key};
use crate::value::{Builtin, Marks, Shape, Value, flag, join};

/// The evaluated arguments of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallArgs {
    /// Positional arguments.
    pub(crate) positional: Vec<Value>,
    /// Where each stands, if it stands in the source.
    pub(crate) positional_exprs: Vec<Option<ExprId>>,
    /// Keyword arguments.
    pub(crate) keywords: Vec<(Symbol, Value, Option<ExprId>)>,
    /// What `*args` of unknown length adds.
    pub(crate) star: Option<Value>,
    /// What `**kwargs` of unknown keys adds.
    pub(crate) double_star: Option<Value>,
    /// The call expression.
    pub(crate) site: Option<ExprId>,
}

impl CallArgs {
    /// Changes the marks of all arguments.
    pub(crate) fn map_marks(&mut self, change: impl Fn(&Marks) -> Marks) {
        let all = self
            .positional
            .iter_mut()
            .chain(self.keywords.iter_mut().map(|(_, value, _)| value))
            .chain(&mut self.star)
            .chain(&mut self.double_star);
        for value in all {
            value.marks = change(&value.marks);
        }
    }

    /// Positional arguments alone.
    pub(crate) fn of(positional: Vec<Value>, site: Option<ExprId>) -> Self {
        let positional_exprs = vec![None; positional.len()];
        Self {
            positional,
            positional_exprs,
            site,
            ..Self::default()
        }
    }

    pub(crate) fn keyword(&self, name: &str) -> Option<&Value> {
        self.keywords
            .iter()
            .find(|(n, _, _)| n.as_str() == name)
            .map(|(_, v, _)| v)
    }

    /// All values passed.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.positional
            .iter()
            .chain(self.keywords.iter().map(|(_, v, _)| v))
            .chain(&self.star)
            .chain(&self.double_star)
    }
}

impl Interp<'_> {
    pub(super) fn eval_args(&mut self, args: &[Arg]) -> CallArgs {
        let mut call = CallArgs::default();
        for arg in args {
            match arg.kind {
                ArgKind::Positional => {
                    let value = self.eval(arg.value);
                    if let Some(star) = &mut call.star {
                        *star = join(star, &value);
                    } else {
                        call.positional.push(value);
                        call.positional_exprs.push(Some(arg.value));
                    }
                }
                ArgKind::Keyword(name) => {
                    let depth = self.used_as.len();
                    self.used_as.push(name);
                    let value = self.eval(arg.value);
                    self.used_as.truncate(depth);
                    let span = self.expr_span(arg.value);
                    self.check_assignment(Some(name), None, &value, arg.value, span);
                    call.keywords.push((name, value, Some(arg.value)));
                }
                ArgKind::Star => {
                    let value = self.eval(arg.value);
                    let items = match &value.shape {
                        Shape::Object(id) => self.state.object(*id).items.clone(),
                        _ => None,
                    };
                    match items {
                        Some(items) if call.star.is_none() => {
                            for item in items {
                                call.positional
                                    .push(item.clone().with_marks(item.marks.union(&value.marks)));
                                call.positional_exprs.push(Some(arg.value));
                            }
                        }
                        _ => {
                            let element = self.state.element(&value);
                            call.star = Some(
                                call.star
                                    .take()
                                    .map_or_else(|| element.clone(), |s| join(&s, &element)),
                            );
                        }
                    }
                }
                ArgKind::DoubleStar => {
                    let value = self.eval(arg.value);
                    let mut known = !value.shape.is_unknown();
                    for shape in value.shape.alternatives() {
                        let Shape::Object(id) = shape else {
                            known = false;
                            continue;
                        };
                        let object = self.state.object(*id).clone();
                        known &= object.closed;
                        for (key, field) in &object.fields {
                            if let Key::Item(name) = key {
                                call.keywords.push((*name, field.clone(), Some(arg.value)));
                            }
                        }
                    }
                    if !known {
                        let content = self.state.content(&value);
                        call.double_star = Some(content);
                    }
                }
            }
        }
        call
    }

    pub(super) fn eval_call(&mut self, id: ExprId, callee: ExprId, args: &[Arg]) -> Value {
        let ir = self.ir;
        let span = ir.expr(id).span;
        let (callee_value, receiver) = match ir.expr(callee).kind {
            ExprKind::Attribute { value, attr, .. } => {
                let owner = self.eval(value);
                self.current_span = span;
                let member = self.get_attribute(&owner, attr, callee);
                (member, Some((owner, attr, value)))
            }
            ExprKind::Name(var) => {
                let value = self.read_var(var, span);
                if let (Shape::Api(api), "super") = (&value.shape, self.var_name(var).as_str())
                    && self.cx.api.text(*api) == "builtins.super"
                    && args.is_empty()
                {
                    return self.super_value();
                }
                (value, None)
            }
            _ => (self.eval(callee), None),
        };
        let mut call = self.eval_args(args);
        call.site = Some(id);
        if !self.state.alive {
            return Value::unknown();
        }
        self.current_span = span;
        self.note_callee_interest(&callee_value, receiver.as_ref().map(|r| &r.0));
        let mut result: Option<Value> = None;
        let mut returns = false;
        for shape in callee_value.shape.alternatives().to_vec() {
            if matches!(shape, Shape::Const(Const::None)) {
                continue;
            }
            // That one alternative never returns says nothing of the others.
            self.state.alive = true;
            let one = match &shape {
                Shape::Unknown | Shape::Object(_) | Shape::BuiltinMethod(..)
                    if receiver.is_some() =>
                {
                    let (owner, attr, owner_expr) = receiver.clone().expect("checked");
                    if matches!(&shape, Shape::Object(o) if self.is_project_object(*o)) {
                        self.call_shape(&shape, &callee_value.marks, &call, span)
                    } else {
                        self.call_method_by_name(
                            &owner,
                            attr,
                            &callee_value,
                            &call,
                            owner_expr,
                            span,
                        )
                    }
                }
                Shape::Api(api) | Shape::ApiMethod(api, _)
                    if receiver.is_some() && self.is_undescribed(*api) =>
                {
                    let (owner, attr, owner_expr) = receiver.clone().expect("checked");
                    let duck = self.cx.api.by_method_name(attr);
                    let known = self.call_shape(&shape, &callee_value.marks, &call, span);
                    if self.cx.api.entry(duck).is_some() {
                        let named = self.call_duck(duck, &owner, &call, span, owner_expr);
                        let marks = known.marks.union(&named.marks);
                        let shape = match named.shape {
                            Shape::Unknown => known.shape,
                            shape => shape,
                        };
                        Value { shape, marks }
                    } else {
                        match self.call_by_name(&owner, attr, &call, span) {
                            Some(named) => join(&known, &named),
                            None => known,
                        }
                    }
                }
                _ => self.call_shape(&shape, &callee_value.marks, &call, span),
            };
            returns |= self.state.alive;
            result = Some(result.map_or_else(|| one.clone(), |r| join(&r, &one)));
        }
        if result.is_some() {
            self.state.alive = returns;
        }
        // A check that returns only when its argument is fine has passed.
        if self.state.alive {
            self.refine_after_call(&callee_value, callee, args);
        }
        result.unwrap_or_default()
    }

    /// Whether no model speaks of a method or of what it is a method of.
    fn is_undescribed(&self, method: crate::value::ApiId) -> bool {
        self.cx.api.entry(method).is_none()
            && self
                .cx
                .api
                .parent(method)
                .is_some_and(|p| !self.cx.api.is_described(p))
    }

    fn is_project_object(&self, id: crate::value::ObjectId) -> bool {
        matches!(self.state.object(id).class, Class::Project(_))
    }

    fn note_callee_interest(&mut self, callee: &Value, receiver: Option<&Value>) {
        if callee
            .shape
            .alternatives()
            .iter()
            .any(|s| matches!(s, Shape::Unknown | Shape::Object(_)))
        {
            let marks = receiver.map_or_else(|| callee.marks.clone(), |r| r.marks.clone());
            self.note_interest(&marks);
        }
    }

    fn refine_after_call(&mut self, callee_value: &Value, callee: ExprId, args: &[Arg]) {
        match &callee_value.shape {
            Shape::Api(id) | Shape::ApiMethod(id, _)
                if self.cx.api.entry(*id).is_some_and(|e| !e.guards.is_empty()) =>
            {
                self.refine_by_guards(*id, callee, args, crate::models::Outcome::Return);
            }
            Shape::Unknown | Shape::Object(_) => {
                if let ExprKind::Attribute { attr, .. } = self.ir.expr(callee).kind {
                    let id = self.cx.api.by_method_name(attr);
                    self.refine_by_guards(id, callee, args, crate::models::Outcome::Return);
                }
            }
            Shape::Function(id) => self.refine_by_return(*id, 0, args),
            Shape::Closure(c) => {
                self.refine_by_return(c.function, usize::from(c.receiver.is_some()), args)
            }
            _ => {}
        }
    }

    fn refine_by_return(&mut self, id: pyward_program::FunctionId, skip: usize, args: &[Arg]) {
        let Some(summary) = self.cx.tables.summary(id).cloned() else {
            return;
        };
        for (index, contexts) in &summary.proves {
            let name = self
                .cx
                .program
                .ir(id.file)
                .function(id.index)
                .params
                .get(usize::from(*index))
                .map(|p| p.name);
            let arg = args
                .iter()
                .find(|a| matches!((a.kind, name), (ArgKind::Keyword(k), Some(n)) if k == n))
                .or_else(|| {
                    usize::from(*index)
                        .checked_sub(skip)
                        .and_then(|p| args.get(p).filter(|a| a.kind == ArgKind::Positional))
                });
            if let Some(arg) = arg {
                self.clean_expr(arg.value, *contexts);
            }
        }
    }

    /// Calls one shape.
    pub(super) fn call_shape(
        &mut self,
        shape: &Shape,
        marks: &Marks,
        call: &CallArgs,
        span: Span,
    ) -> Value {
        match shape {
            Shape::Function(id) => self.call_function(*id, None, Vec::new(), call, span),
            Shape::Closure(closure) => self.call_function(
                closure.function,
                closure.receiver.clone(),
                closure.captured.clone(),
                call,
                span,
            ),
            Shape::Class(class) => self.instantiate(*class, call, span),
            Shape::Api(id) => self.call_api(*id, None, call, span),
            Shape::ApiMethod(id, receiver) => {
                let receiver = receiver.as_ref().clone();
                self.call_api(*id, Some(&receiver), call, span)
            }
            Shape::Instance(id) => {
                let method = self.cx.api.child(*id, Symbol::new("__call__"));
                let receiver = Value {
                    shape: shape.clone(),
                    marks: marks.clone(),
                };
                self.call_api(method, Some(&receiver), call, span)
            }
            Shape::BuiltinMethod(name, receiver) => {
                let receiver = receiver.as_ref().clone();
                self.builtin_method(&receiver, *name, call, None)
                    .unwrap_or_else(|| self.unknown_call(marks, call))
            }
            Shape::Partial(partial) => {
                let mut all = CallArgs::of(partial.positional.clone(), call.site);
                all.positional.extend(call.positional.iter().cloned());
                all.positional_exprs
                    .extend(call.positional_exprs.iter().copied());
                all.keywords = partial
                    .keywords
                    .iter()
                    .map(|(k, v)| (*k, v.clone(), None))
                    .collect();
                all.keywords.extend(call.keywords.iter().cloned());
                all.star.clone_from(&call.star);
                all.double_star.clone_from(&call.double_star);
                self.call_value(&partial.callee.clone(), &all, span)
            }
            Shape::Object(id) => match self.state.object(*id).class {
                Class::Project(class) => {
                    let receiver = Value {
                        shape: shape.clone(),
                        marks: marks.clone(),
                    };
                    match self.find_method(class, Symbol::new("__call__")) {
                        Some(method) => self.call_method_with(&method, &receiver, call, span),
                        None => self.unknown_call(marks, call),
                    }
                }
                Class::Api(api) => {
                    let receiver = Value {
                        shape: shape.clone(),
                        marks: marks.clone(),
                    };
                    let method = self.cx.api.child(api, Symbol::new("__call__"));
                    self.call_api(method, Some(&receiver), call, span)
                }
                _ => self.unknown_call(marks, call),
            },
            _ => self.unknown_call(marks, call),
        }
    }

    /// Calls a value.
    pub(super) fn call_value(&mut self, callee: &Value, call: &CallArgs, span: Span) -> Value {
        let mut result: Option<Value> = None;
        for shape in callee.shape.alternatives().to_vec() {
            let one = self.call_shape(&shape, &callee.marks, call, span);
            result = Some(result.map_or_else(|| one.clone(), |r| join(&r, &one)));
        }
        result.unwrap_or_default()
    }

    /// A call of which nothing is known: the result may hold whatever went in.
    pub(super) fn unknown_call(&mut self, callee_marks: &Marks, call: &CallArgs) -> Value {
        let mut marks = callee_marks.clone();
        for value in call.values() {
            marks = marks.union(&self.state.deep_marks(value));
        }
        self.escape(call);
        Value::unknown().with_marks(marks.flagged(flag::OBSCURE))
    }

    /// Functions handed to something unknown may be called by it.
    fn escape(&mut self, call: &CallArgs) {
        for value in call.values() {
            if let Shape::Function(id) = &value.shape {
                self.out.calls.push(*id);
            }
        }
    }

    /// A method call on a receiver whose class has no such method known: builtin methods by name, then
    /// models by method name alone.
    fn call_method_by_name(
        &mut self,
        owner: &Value,
        attr: Symbol,
        member: &Value,
        call: &CallArgs,
        owner_expr: ExprId,
        span: Span,
    ) -> Value {
        // Several alternatives of the receiver: each has its own way.
        if let Shape::Choice(list) = &owner.shape {
            let relevant: Vec<Shape> = list
                .iter()
                .filter(|s| !matches!(s, Shape::Const(Const::None)))
                .filter(|s| {
                    matches!(
                        s,
                        Shape::Unknown
                            | Shape::Const(_)
                            | Shape::Text(_)
                            | Shape::Builtin(_)
                            | Shape::Object(_)
                    )
                })
                .cloned()
                .collect();
            let mut result: Option<Value> = None;
            for shape in relevant {
                let one_owner = Value {
                    shape,
                    marks: owner.marks.clone(),
                };
                if let Shape::Object(id) = one_owner.shape
                    && let Class::Project(_) | Class::Api(_) = self.state.object(id).class
                {
                    continue;
                }
                let one =
                    self.call_method_by_name(&one_owner, attr, member, call, owner_expr, span);
                result = Some(result.map_or_else(|| one.clone(), |r| join(&r, &one)));
            }
            return result.unwrap_or_default();
        }
        let known = !matches!(&owner.shape, Shape::Unknown)
            && !matches!(&owner.shape, Shape::Object(id) if self.state.object(*id).class == Class::Unknown);
        if known && let Some(value) = self.builtin_method(owner, attr, call, Some(owner_expr)) {
            return value;
        }
        // A callable kept in a field (`self.handler(x)`) that turned out to be a parameter's.
        let duck = self.cx.api.by_method_name(attr);
        let mut modelled = None;
        if !known && self.cx.api.entry(duck).is_some() {
            modelled = Some(self.call_duck(duck, owner, call, span, owner_expr));
        }
        if !known && let Some(value) = self.builtin_method(owner, attr, call, Some(owner_expr)) {
            return match modelled {
                Some(m) => {
                    let marks = m.marks.union(&value.marks);
                    if m.shape.is_unknown() {
                        value.with_marks(marks)
                    } else {
                        m.with_marks(marks)
                    }
                }
                None => value,
            };
        }
        let named = if known {
            None
        } else {
            self.call_by_name(owner, attr, call, span)
        };
        match (modelled, named) {
            (Some(a), Some(b)) => return join(&a, &b),
            (Some(value), None) | (None, Some(value)) => return value,
            (None, None) => {}
        }
        let mut marks = self.state.deep_marks(owner).union(&member.marks);
        let mut arg_marks = Marks::NONE;
        for value in call.values() {
            arg_marks = arg_marks.union(&self.state.deep_marks(value));
        }
        self.escape(call);
        if !arg_marks.is_empty() && is_mutator(attr.as_str()) {
            self.taint_unknown_owner(owner, Some(owner_expr), &arg_marks.flagged(flag::OBSCURE));
        }
        marks = marks.union(&arg_marks.flagged(flag::OBSCURE));
        Value::unknown().with_marks(marks)
    }

    /// What `with context as x` binds.
    pub(super) fn enter_context(&mut self, context: &Value, at: ExprId) -> Value {
        if let Shape::Object(id) = context.shape
            && let Class::Project(class) = self.state.object(id).class
        {
            for name in ["__enter__", "__aenter__"] {
                if let Some(method) = self.find_method(class, Symbol::new(name)) {
                    return self.call_method_value(&method, context, Vec::new());
                }
            }
        }
        if let Shape::Instance(api) = context.shape {
            for name in ["__enter__", "__aenter__"] {
                let method = self.cx.api.child(api, Symbol::new(name));
                if let Some(t) = self.cx.api.returns(method).cloned() {
                    let value = self.typed(&t, Some(context), &[]);
                    let marks = value.marks.union(&context.marks);
                    return value.with_marks(marks);
                }
            }
        }
        // A generator used as a context manager: what it yields.
        if let Shape::Object(id) = context.shape
            && self.state.object(id).class == Class::Builtin(Builtin::Iterator)
        {
            return self.iterate(context, at);
        }
        context.clone()
    }

    /// Elements of an external iterable, where models give their type.
    pub(super) fn iterate_external(&mut self, iterable: &Value, at: ExprId) -> Option<Value> {
        let api = match &iterable.shape {
            Shape::Instance(api) | Shape::ApiMethod(api, _) => *api,
            Shape::Object(id) => match self.state.object(*id).class {
                Class::Api(api) => api,
                Class::Project(class) => {
                    let method = self.find_method(class, Symbol::new("__iter__"))?;
                    let result = self.call_method_value(&method, iterable, Vec::new());
                    if result.shape == iterable.shape {
                        let next = self.find_method(class, Symbol::new("__next__"))?;
                        return Some(self.call_method_value(&next, iterable, Vec::new()));
                    }
                    return Some(self.state.element(&result));
                }
                _ => return None,
            },
            _ => return None,
        };
        for name in ["__iter__", "__aiter__", "__next__"] {
            let method = self.cx.api.child(api, Symbol::new(name));
            if let Some(entry) = self.cx.api.entry(method) {
                let mut marks = iterable.marks.clone();
                for source in &entry.sources {
                    let span = self.expr_span(at);
                    marks = marks.union(&self.source(
                        source.kind,
                        span,
                        self.cx.api.symbol(method),
                        source.except,
                    ));
                }
                let value = match entry.returns.clone() {
                    Some(t) => {
                        let value = self.typed(&t, Some(iterable), &[]);
                        match t {
                            crate::types::TypeExpr::Sequence(_) => self.state.element(&value),
                            _ => value,
                        }
                    }
                    None => Value::unknown(),
                };
                let marks = marks.union(&value.marks);
                return Some(value.with_marks(marks));
            }
        }
        None
    }
}

/// Method names that put their arguments into the receiver.
fn is_mutator(name: &str) -> bool {
    name.starts_with("add")
        || name.starts_with("set_")
        || matches!(
            name,
            "append"
                | "extend"
                | "insert"
                | "update"
                | "push"
                | "put"
                | "write"
                | "writelines"
                | "setdefault"
                | "appendleft"
                | "register"
                | "set"
        )
}

//! Functions: definition, parameters, calls by summary or by running the body.

use std::sync::Arc;

use pyward_ir::{
    Const, ExprId, ExprKind, FunctionIndex, FunctionKind, ParamKind, Span, Symbol, Var,
};
use pyward_program::FunctionId;
use rustc_hash::FxHashMap;

use super::call::CallArgs;
use super::hand_over::HandOver;
use super::translate::Translator;
use super::{Interp, MAX_INLINE_DEPTH};
use crate::heap::{Class, Key, Object};
use crate::summary::{Portable, PortableShape, Summary, View, export, import};
use crate::tables::Entry;
use crate::value::{Builtin, Closure, Contexts, Marks, Origin, Shape, StepKind, Value, join};

/// Largest body, in statements, that is run for constant arguments' sake alone.
const SMALL: u32 = 40;
/// Largest body run because a function or object was handed in, or data that matters is on its way.
const MEDIUM: u32 = 160;

impl Interp<'_> {
    pub(super) fn define_function(&mut self, index: FunctionIndex, target: Var) {
        let ir = self.ir;
        let function = ir.function(index);
        for param in &function.params {
            if let Some(default) = param.default {
                self.eval(default);
            }
        }
        let id = FunctionId {
            file: self.file,
            index,
        };
        let mut value = self.make_function(index);
        let mut entry = Entry::default();
        for &decorator in function.decorators.iter().rev() {
            value = self.decorate(decorator, value, &mut entry);
        }
        if !entry.is_empty() {
            self.out.entries.push((id, entry));
        }
        self.write_var(target, value);
    }

    /// Applies a decorator.
    fn decorate(&mut self, decorator: ExprId, value: Value, entry: &mut Entry) -> Value {
        let ir = self.ir;
        let span = ir.expr(decorator).span;
        let (callee_expr, args) = match &ir.expr(decorator).kind {
            ExprKind::Call { callee, args } => (*callee, Some(args)),
            _ => (decorator, None),
        };
        let (callee, owner) = match ir.expr(callee_expr).kind {
            ExprKind::Attribute {
                value: owner, attr, ..
            } => {
                let owner_value = self.eval(owner);
                (
                    self.get_attribute(&owner_value, attr, callee_expr),
                    Some((owner_value, attr, owner)),
                )
            }
            _ => (self.eval(callee_expr), None),
        };
        let call = args.map(|a| {
            let mut call = self.eval_args(a);
            call.site = Some(decorator);
            call
        });
        for shape in callee.shape.alternatives().to_vec() {
            let api = match &shape {
                Shape::Api(api) | Shape::ApiMethod(api, _) | Shape::Instance(api) => Some(*api),
                Shape::Unknown | Shape::Object(_) => owner
                    .as_ref()
                    .map(|(_, attr, _)| self.cx.api.by_method_name(*attr)),
                _ => None,
            };
            if let Some(api) = api
                && let Some(model) = self.cx.api.entry(api)
            {
                for &point in &model.entry_decorators {
                    let description = &self.cx.models.entry_points[point];
                    if self.cx.api.text(api).starts_with("*.") {
                        // By name alone: the owner's name has to look like an application or router.
                        let name = owner.as_ref().and_then(|(_, _, e)| self.expr_name(*e));
                        if !name.is_some_and(|n| looks_like_application(n.as_str())) {
                            continue;
                        }
                    }
                    let none = CallArgs::default();
                    let registering = call.as_ref().unwrap_or(&none);
                    if !self.conditions_hold(&description.when, &[], registering, None) {
                        continue;
                    }
                    entry.points.push(point);
                    entry.sites.push((self.file, decorator));
                    if let (Some(call), Some(route)) = (&call, &description.route) {
                        for value in self.place_values(&route.clone(), call, None) {
                            if let Some(text) = value.as_str() {
                                entry.routes.push(Symbol::new(text));
                            }
                        }
                    }
                    let verbs = self.given_verbs(description.verbs.as_ref(), call.as_ref());
                    match verbs {
                        Some(verbs) => entry.verbs.extend(verbs),
                        None if description.verb.is_empty() => {
                            // `router.delete(...)` says it by its name.
                            let name = owner.as_ref().map_or("", |(_, attr, _)| attr.as_str());
                            if super::class::HTTP_METHODS.contains(&name) {
                                entry.verbs.push(Symbol::new(&name.to_uppercase()));
                            }
                        }
                        None => entry
                            .verbs
                            .extend(description.verb.iter().map(|v| Symbol::new(v))),
                    }
                }
                entry.guards.extend(model.access.iter().copied());
                entry.gives_context.extend(&model.template_contexts);
                if let Some(call) = &call {
                    self.note_template_decorator(model, call, entry);
                }
                if let Some(call) = &call {
                    let receiver = owner.as_ref().map(|(o, _, _)| o.clone());
                    self.check_call(model, api, receiver.as_ref(), call, span);
                }
            }
        }
        // A decorator of the project is run: what it returns is what the name means.
        let callable = |s: &Shape| matches!(s, Shape::Function(_) | Shape::Closure(_));
        let applied = match &call {
            Some(call) if callable(&callee.shape) => {
                let decorator = self.call_value(&callee, call, span);
                if callable(&decorator.shape) {
                    let inner = CallArgs::of(vec![value.clone()], None);
                    Some(self.call_value(&decorator, &inner, span))
                } else {
                    None
                }
            }
            None if callable(&callee.shape) => {
                let inner = CallArgs::of(vec![value.clone()], None);
                Some(self.call_value(&callee, &inner, span))
            }
            _ => None,
        };
        if let Shape::Api(api) = callee.shape {
            match self.cx.api.text(api) {
                "builtins.property" | "functools.cached_property" => {
                    return self.wrap_descriptor("property", value);
                }
                "builtins.staticmethod" => return self.wrap_descriptor("staticmethod", value),
                "builtins.classmethod" => return self.wrap_descriptor("classmethod", value),
                _ => {}
            }
        }
        match applied {
            Some(new) if callable(&new.shape) => new,
            _ => value,
        }
    }

    /// HTTP methods that a registering call names; `None` if it names none at all.
    pub(super) fn given_verbs(
        &mut self,
        place: Option<&crate::place::Place>,
        call: Option<&CallArgs>,
    ) -> Option<Vec<Symbol>> {
        let values = self.place_values(&place?.clone(), call?, None);
        if values.is_empty() {
            return None;
        }
        let mut verbs = Vec::new();
        for value in values {
            let items = match &value.shape {
                Shape::Object(o) => self.state.object(*o).items.clone().unwrap_or_default(),
                _ => vec![value.clone()],
            };
            let texts = items.iter().filter_map(|v| v.as_str());
            verbs.extend(texts.map(|text| Symbol::new(&text.to_uppercase())));
        }
        Some(verbs)
    }

    fn wrap_descriptor(&mut self, kind: &str, value: Value) -> Value {
        let mut object = Object::new(Class::Api(self.cx.api.path(&format!("builtins.{kind}"))));
        object
            .fields
            .push((Key::Attribute(Symbol::new("fget")), value));
        self.new_object(object)
    }

    /// Calls a function of the project.
    pub(super) fn call_function(
        &mut self,
        id: FunctionId,
        receiver: Option<Value>,
        captured: Vec<(u32, u32, Value)>,
        call: &CallArgs,
        span: Span,
    ) -> Value {
        self.out.calls.push(id);
        if let (Some(site), false) = (call.site, self.is_inlined()) {
            self.out.call_sites.push((site, id));
        }
        let has_receiver = receiver.is_some();
        let bound = self.bind(id, receiver, call);
        self.note_arguments(id, &bound);
        let summary = self.cx.tables.summary(id).cloned();
        if self.should_inline(id, &bound, !captured.is_empty(), summary.as_deref()) {
            let size = summary.as_ref().map_or(20, |s| s.size.max(1));
            self.inline_left = self.inline_left.saturating_sub(size);
            let overs = self.hand_overs(id, has_receiver, call, span);
            return self.run_inline(id, bound, captured, overs, span);
        }
        let Some(summary) = summary else {
            let mut marks = Marks::NONE;
            for value in &bound {
                marks = marks.union(&self.state.deep_marks(value));
            }
            return Value::unknown().with_marks(marks.flagged(crate::value::flag::OBSCURE));
        };
        let hands_on = summary.sinks.iter().any(|s| s.sink.handed_on.is_some());
        let overs = if hands_on {
            self.hand_overs(id, has_receiver, call, span)
        } else {
            Vec::new()
        };
        self.apply(&summary, id, &bound, &overs, span)
    }

    /// Whether the body is to be run on these arguments rather than its summary applied.
    fn should_inline(
        &self,
        id: FunctionId,
        bound: &[Value],
        is_closure: bool,
        summary: Option<&Summary>,
    ) -> bool {
        if self.frames.len() > MAX_INLINE_DEPTH || self.inline_left == 0 || self.stack.contains(&id)
        {
            return false;
        }
        let size = match summary {
            Some(s) => s.size,
            None => self.cx.index.size(id),
        };
        if size > self.inline_left {
            return false;
        }
        if is_closure {
            return size <= MEDIUM;
        }
        let Some(summary) = summary else { return false };
        if summary.interesting == 0 {
            return false;
        }
        let mut concrete = false;
        let mut strong = false;
        for (at, value) in bound.iter().enumerate() {
            if at >= 64 || summary.interesting & (1 << at) == 0 {
                continue;
            }
            for shape in value.shape.alternatives() {
                match shape {
                    Shape::Const(_) | Shape::Text(_) | Shape::Class(_) | Shape::Builtin(_) => {
                        concrete = true
                    }
                    Shape::Function(_)
                    | Shape::Closure(_)
                    | Shape::Partial(_)
                    | Shape::Instance(_)
                    | Shape::Api(_)
                    | Shape::ApiMethod(..) => strong = true,
                    Shape::Object(o) => {
                        let object = self.state.object(*o);
                        strong |= object.origin.is_none() && object.class != Class::Unknown;
                    }
                    _ => {}
                }
            }
        }
        if !strong && !concrete || size > MEDIUM {
            return false;
        }
        // A large body is worth running only for data that matters.
        size <= SMALL || bound.iter().any(|v| !self.state.deep_marks(v).is_empty())
    }

    /// Lines the arguments up with the parameters.
    pub(super) fn bind(
        &mut self,
        id: FunctionId,
        receiver: Option<Value>,
        call: &CallArgs,
    ) -> Vec<Value> {
        let ir = self.cx.program.ir(id.file);
        let function = ir.function(id.index);
        let mut positional: Vec<Value> = receiver
            .into_iter()
            .chain(call.positional.iter().cloned())
            .collect();
        positional.reverse();
        let mut used = vec![false; call.keywords.len()];
        let mut bound = Vec::with_capacity(function.params.len());
        for param in &function.params {
            let value = match param.kind {
                ParamKind::Star => {
                    let rest: Vec<Value> = positional.drain(..).rev().collect();
                    let list = self.new_list(Builtin::Tuple, rest);
                    if let (Some(star), Shape::Object(object)) = (&call.star, &list.shape) {
                        let object = self.state.object_mut(*object);
                        object.blur();
                        object.add_rest(star);
                        object.closed = false;
                    }
                    list
                }
                ParamKind::DoubleStar => {
                    let mut object = Object::new(Class::Builtin(Builtin::Dict));
                    for (at, (name, value, _)) in call.keywords.iter().enumerate() {
                        if !used[at] {
                            object.set_field(Key::Item(*name), value.clone());
                        }
                    }
                    if let Some(extra) = &call.double_star {
                        object.add_rest(extra);
                        object.closed = false;
                    }
                    self.new_object(object)
                }
                kind => {
                    let named = call.keywords.iter().position(|(n, _, _)| *n == param.name);
                    if let Some(at) = named {
                        used[at] = true;
                        call.keywords[at].1.clone()
                    } else if kind != ParamKind::KeywordOnly
                        && let Some(value) = positional.pop()
                    {
                        value
                    } else if let Some(extra) = call.star.as_ref().or(call.double_star.as_ref()) {
                        extra.clone()
                    } else {
                        match param.default {
                            Some(default) => self.default_value(id, default),
                            None => Value::unknown(),
                        }
                    }
                }
            };
            bound.push(value);
        }
        bound
    }

    /// The value of a default, read off its text: defaults of other files are not evaluated again.
    pub(super) fn default_value(&mut self, id: FunctionId, default: ExprId) -> Value {
        let ir = self.cx.program.ir(id.file);
        match ir.expr(default).kind {
            ExprKind::Const(c) => Value::constant(c),
            ExprKind::Name(_) | ExprKind::Attribute { .. }
                if id.file == self.file && self.frame_ref().function.index == FunctionIndex(0) =>
            {
                self.eval(default)
            }
            ExprKind::Name(Var::Global(name)) => {
                self.module_value(id.file, name).unwrap_or_default()
            }
            _ => Value::unknown(),
        }
    }

    /// Runs the body on the caller's heap.
    fn run_inline(
        &mut self,
        id: FunctionId,
        bound: Vec<Value>,
        captured: Vec<(u32, u32, Value)>,
        overs: Vec<Option<HandOver>>,
        span: Span,
    ) -> Value {
        let ir = self.cx.program.ir(id.file);
        let function = ir.function(id.index);
        let name = function.name;
        let step = self.call_step(span, name);
        let caller_file = std::mem::replace(&mut self.file, id.file);
        let caller_ir = std::mem::replace(&mut self.ir, ir);
        let caller_locals = std::mem::take(&mut self.state.locals);
        let caller_receiver = self.receiver_expr.take();
        let caller_used = std::mem::take(&mut self.used_as);
        let caller_captured = self.state.captured.clone();
        let mut frame = self.new_frame(id);
        frame.captured = Arc::new(
            captured
                .into_iter()
                .map(|(f, s, v)| ((f, s), v))
                .collect::<FxHashMap<_, _>>(),
        );
        frame.class = function.class.map(|c| pyward_program::ClassId {
            file: id.file,
            index: c,
        });
        self.frames.push(frame);
        self.stack.push(id);
        let mut locals = vec![Value::unknown(); function.locals.len()];
        let mut received = Vec::with_capacity(bound.len());
        for (slot, value) in bound.into_iter().enumerate() {
            if let Some(place) = locals.get_mut(slot) {
                let marks = value.marks.stepped(step);
                received.push(marks.clone());
                *place = value.with_marks(marks);
            }
        }
        self.frame().received = overs.into_iter().zip(received).collect();
        self.state.locals = locals;
        self.run_block(&function.body);
        let end = std::mem::take(&mut self.state);
        let mut frame = self.frames.pop().expect("pushed above");
        self.stack.pop();
        super::stmt::merge_into(&mut frame.exit, &end);
        let falls_through = end.alive;
        let mut returns = frame.returns;
        if falls_through && (returns.is_some() || function.kind != FunctionKind::Lambda) {
            let none = Value::constant(Const::None);
            returns = Some(returns.map_or_else(|| none.clone(), |r| join(&r, &none)));
        }
        self.file = caller_file;
        self.ir = caller_ir;
        self.receiver_expr = caller_receiver;
        self.used_as = caller_used;
        match frame.exit {
            Some(exit) => {
                self.state = exit;
                self.state.alive = true;
            }
            None => {
                // It never returns.
                self.state = end;
                self.state.alive = true;
                self.state.locals = caller_locals;
                self.state.captured = caller_captured;
                self.raise(&frame.raises);
                return Value::unknown();
            }
        }
        self.state.locals = caller_locals;
        for (owner, slot) in frame.rebound {
            if self.file != id.file || self.frame_ref().function.index.0 != owner {
                self.frame().rebound.push((owner, slot));
            } else if let Some(value) = self.state.captured.get(&(owner, slot)).cloned()
                && let Some(place) = self.state.locals.get_mut(slot as usize)
            {
                *place = value;
            }
        }
        if !frame.raises.is_empty() {
            self.note_raised(&frame.raises);
        }
        let mut value = returns.unwrap_or_default();
        if function.is_generator {
            let element = frame.yields.unwrap_or_default();
            value = self.new_sequence(Builtin::Iterator, element);
        }
        let step = self.step(StepKind::Return, span, name);
        let marks = value.marks.stepped(step);
        value.with_marks(marks)
    }

    /// Something called may raise what carries these marks.
    fn note_raised(&mut self, marks: &Marks) {
        let frame = self.frame();
        frame.raises = frame.raises.union(marks);
    }

    /// Applies a summary at a call.
    pub(super) fn apply(
        &mut self,
        summary: &Arc<Summary>,
        id: FunctionId,
        bound: &[Value],
        overs: &[Option<HandOver>],
        span: Span,
    ) -> Value {
        let function = self.cx.program.ir(id.file).function(id.index);
        let (name, is_method) = (function.name, function.class.is_some());
        let call_step = self.call_step(span, name);
        let mut translator = Translator::new(bound, call_step);
        // What flows through to sinks inside.
        for sink in &summary.sinks {
            match sink.mark.origin {
                Origin::Param { index, path } => {
                    let theirs = translator.arriving(&self.state, index, path);
                    let moved = self.moved_sink(sink, overs);
                    let site = moved.as_ref().unwrap_or(&sink.sink);
                    for mark in theirs.iter() {
                        self.arrive_through(mark, &sink.mark, site);
                    }
                }
                Origin::Source { .. } => self.arrive(&sink.mark, &sink.sink),
            }
        }
        for effect in &summary.effects {
            if bound.len() <= usize::from(effect.index) {
                continue;
            }
            let owner = translator.value(&self.state, effect.index, effect.path);
            let value = self.import_for_call(&effect.value, &mut translator);
            if let Some((parent, Key::Attribute(attr))) = effect.path.split() {
                let parent = translator.value(&self.state, effect.index, parent);
                self.note_kept_effect(&parent, attr, effect.key, &value);
            }
            for shape in owner.shape.alternatives().to_vec() {
                if let Shape::Object(object) = shape {
                    // What a method always stores in its own object was noted when it was analysed.
                    if !(is_method && effect.index == 0 && !effect.value.mentions_params())
                        && let (Key::Attribute(attr), Class::Project(class)) =
                            (effect.key, self.state.object(object).class)
                    {
                        let portable = export(&self.state, &value).without_params();
                        self.out.instance_writes.push(((class, attr), portable));
                    }
                    let strong = effect.key != Key::Any
                        && self.state.object(object).field(effect.key).is_none();
                    self.store(object, effect.key, value.clone(), strong);
                }
            }
        }
        if !summary.raises.is_empty() {
            let raised = translator.marks(&self.state, &summary.raises);
            self.note_raised(&raised);
        }
        if summary.diverges {
            self.raise(&Marks::NONE);
            return Value::unknown();
        }
        let value = self.import_for_call(&summary.returns, &mut translator);
        if value.marks.is_empty() {
            return value;
        }
        let step = self.step(StepKind::Return, span, name);
        let marks = value.marks.stepped(step);
        value.with_marks(marks)
    }

    fn import_for_call(&mut self, portable: &Portable, translator: &mut Translator<'_>) -> Value {
        if let PortableShape::Plain(shape) = &portable.shape
            && portable.marks.is_empty()
        {
            return Value::of(shape.clone());
        }
        import(&mut self.state, portable, translator)
    }

    /// Calls a method found by look-up with plain arguments.
    pub(super) fn call_method_value(
        &mut self,
        method: &Value,
        receiver: &Value,
        args: Vec<Value>,
    ) -> Value {
        let call = CallArgs::of(args, None);
        let span = self.current_span;
        self.call_method_with(method, receiver, &call, span)
    }

    pub(super) fn call_method_with(
        &mut self,
        method: &Value,
        receiver: &Value,
        call: &CallArgs,
        span: Span,
    ) -> Value {
        match &method.shape {
            Shape::Function(id) => {
                self.call_function(*id, Some(receiver.clone()), Vec::new(), call, span)
            }
            Shape::Closure(c) if c.receiver.is_none() => self.call_function(
                c.function,
                Some(receiver.clone()),
                c.captured.clone(),
                call,
                span,
            ),
            _ => self.call_value(method, call, span),
        }
    }

    /// A method bound to its receiver.
    pub(super) fn bind_method(&self, function: &Value, receiver: &Value) -> Value {
        let closure = match &function.shape {
            Shape::Function(id) => Closure {
                function: *id,
                receiver: Some(receiver.clone()),
                captured: Vec::new(),
            },
            Shape::Closure(c) if c.receiver.is_none() => Closure {
                function: c.function,
                receiver: Some(receiver.clone()),
                captured: c.captured.clone(),
            },
            _ => return function.clone(),
        };
        Value::of(Shape::Closure(Arc::new(closure)))
    }

    /// Proven contexts of each parameter, from what was met at returns.
    pub(super) fn proofs(list: Option<&Vec<Contexts>>) -> Vec<(u16, Contexts)> {
        list.map(|l| {
            l.iter()
                .enumerate()
                .filter(|(_, c)| **c != 0)
                .filter_map(|(i, c)| Some((u16::try_from(i).ok()?, *c)))
                .collect()
        })
        .unwrap_or_default()
    }
}

/// Variable names under which applications and routers go.
fn looks_like_application(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "app",
        "application",
        "api",
        "bp",
        "blueprint",
        "router",
        "routes",
        "server",
        "web",
        "views",
        "ns",
        "route",
    ]
    .iter()
    .any(|w| {
        name == *w
            || name.ends_with(&format!("_{w}"))
            || name.starts_with(&format!("{w}_"))
            || (w.len() > 4 && name.contains(w))
    })
}

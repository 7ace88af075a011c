//! Where data must not arrive: calls, comparisons, responses. And calls wrong in themselves.

use std::sync::Arc;

use pyward_catalog::rule::{Confidence, Severity};
use pyward_ir::{CompareOp, Const, ExprId, ExprKind, InterpolatedPart, Span, Symbol};

use super::call::CallArgs;
use super::model_condition::{Certainty, Subject};
use super::translate::through;
use super::{Interp, MAX_FINDINGS, origin_key};
use crate::finding::RawFinding;
use crate::heap::Class;
use crate::lazy_regex::LazyRegex;
use crate::models::{Entry, Misuse, Sink};
use crate::place::Base;
use crate::summary::{ParamSink, SinkSite};
use crate::value::ApiId;
use crate::value::{Builtin, Contexts, Mark, Marks, Origin, Shape, Value, flag, steps};

impl Interp<'_> {
    /// Everything models say against a call.
    pub(super) fn check_call(
        &mut self,
        entry: &Entry,
        id: ApiId,
        receiver: Option<&Value>,
        call: &CallArgs,
        span: Span,
    ) {
        let what = self.shown_name(id, call);
        for misuse in &entry.misuses {
            if self.conditions_hold(&misuse.when, &misuse.unless, call, receiver) {
                self.report_misuse(misuse, span, span, what);
            }
        }
        for sink in &entry.sinks {
            self.check_sink(sink, receiver, call, span, what);
        }
        for (environment, variable, place) in &entry.template_variables {
            self.give_templates(*environment, *variable, place, call);
        }
        for (environment, place) in &entry.escaping {
            self.note_escaping_choice(*environment, place, call);
        }
        for regex in &entry.regexes {
            self.check_regex(regex, receiver, call, span, what);
        }
        if !entry.templates.is_empty() {
            self.check_templates(entry, receiver, call, span, what);
        }
    }

    fn shown_name(&self, id: ApiId, call: &CallArgs) -> Symbol {
        let path = self.cx.api.text(id);
        if let Some(name) = path.strip_prefix("*.") {
            if let Some(site) = call.site
                && let ExprKind::Call { callee, .. } = self.ir.expr(site).kind
                && let ExprKind::Attribute { value, .. } = self.ir.expr(callee).kind
                && let Some(owner) = self.expr_name(value)
            {
                return Symbol::new(&format!("{owner}.{name}"));
            }
            return Symbol::new(name);
        }
        Symbol::new(path.strip_prefix("builtins.").unwrap_or(path))
    }

    fn check_sink(
        &mut self,
        sink: &Sink,
        receiver: Option<&Value>,
        call: &CallArgs,
        span: Span,
        what: Symbol,
    ) {
        let rule = &self.cx.models.rules[sink.rule as usize];
        let lexical = self
            .cx
            .lexical_kinds
            .iter()
            .any(|k| rule.severity[*k as usize].is_some());
        let mut arriving: Vec<(Marks, Span, Option<ExprId>)> = Vec::new();
        for place in &sink.args {
            let at = match &place.base {
                Base::Positional | Base::Keyword => None,
                _ => self.argument(place, call, receiver).and_then(|(_, e)| e),
            };
            for value in self.place_values(place, call, receiver) {
                let marks = self.state.deep_marks(&value);
                if marks.is_empty() || !self.may_arrive(sink, &value, at, receiver, call) {
                    continue;
                }
                let at_span = at.map_or(span, |e| self.expr_span(e));
                arriving.push((marks, at_span, at));
            }
            if lexical {
                let exprs: Vec<ExprId> = match &place.base {
                    Base::Positional => call.positional_exprs.iter().flatten().copied().collect(),
                    Base::Keyword => call.keywords.iter().filter_map(|(_, _, e)| *e).collect(),
                    _ => at.into_iter().collect(),
                };
                for expr in exprs {
                    let marks = self.lexical_marks(expr, 0);
                    if !marks.is_empty() {
                        arriving.push((marks, self.expr_span(expr), None));
                    }
                }
            }
        }
        if arriving.is_empty() || !self.conditions_hold(&sink.when, &sink.unless, call, receiver) {
            return;
        }
        for (marks, at, expr) in arriving {
            let mut site = self.site(sink.rule, at, span, what, sink.confidence);
            site.parameter = sink.parameter;
            let site = Arc::new(self.placed(site, expr, &marks));
            for mark in marks.iter() {
                self.arrive(mark, &site);
            }
        }
    }

    /// The conditions of a sink that are about each value that arrives.
    fn may_arrive(
        &mut self,
        sink: &Sink,
        value: &Value,
        at: Option<ExprId>,
        receiver: Option<&Value>,
        call: &CallArgs,
    ) -> bool {
        let subject = Subject {
            call,
            receiver,
            value: Some((value, at)),
            key: None,
            target: None,
        };
        sink.when
            .iter()
            .filter(|c| c.on_arriving())
            .all(|c| self.holds(c, &subject, Certainty::Possible))
            && !sink
                .unless
                .iter()
                .filter(|c| c.on_arriving())
                .any(|c| self.holds(c, &subject, Certainty::Certain))
    }

    /// Marks for names in an expression that say that a value is sensitive.
    pub(super) fn lexical_marks(&mut self, expr: ExprId, depth: u8) -> Marks {
        if depth > 6 {
            return Marks::NONE;
        }
        let ir = self.ir;
        let e = ir.expr(expr);
        let name = match &e.kind {
            ExprKind::Name(var) => Some(self.var_name(*var)),
            ExprKind::Attribute { attr, .. } => Some(*attr),
            ExprKind::Subscript { index, value } => match ir.expr(*index).kind {
                ExprKind::Const(Const::Str(s)) => Some(s),
                _ => return self.lexical_marks(*value, depth + 1),
            },
            ExprKind::Call { callee, args } => {
                let called = self.expr_name(expr);
                let own = match ir.expr(*callee).kind {
                    ExprKind::Name(var) => Some(self.var_name(var)),
                    ExprKind::Attribute { attr, .. } => Some(attr),
                    _ => None,
                };
                if called != own
                    && own.is_some_and(|o| {
                        matches!(
                            o.as_str(),
                            "get" | "getlist" | "pop" | "getenv" | "get_argument" | "getfirst"
                        )
                    })
                {
                    called
                } else if own.is_some_and(|o| {
                    matches!(
                        o.as_str(),
                        "str"
                            | "format"
                            | "join"
                            | "repr"
                            | "dumps"
                            | "decode"
                            | "encode"
                            | "strip"
                            | "dict"
                    )
                }) {
                    let mut marks = Marks::NONE;
                    if let ExprKind::Attribute { value, .. } = ir.expr(*callee).kind {
                        marks = marks.union(&self.lexical_marks(value, depth + 1));
                    }
                    for arg in args {
                        marks = marks.union(&self.lexical_marks(arg.value, depth + 1));
                    }
                    return marks;
                } else {
                    None
                }
            }
            ExprKind::FString(parts) => {
                let mut marks = Marks::NONE;
                for part in parts {
                    if let InterpolatedPart::Value { value, .. } = part {
                        marks = marks.union(&self.lexical_marks(*value, depth + 1));
                    }
                }
                return marks;
            }
            ExprKind::Binary { left, right, .. } => {
                return self
                    .lexical_marks(*left, depth + 1)
                    .union(&self.lexical_marks(*right, depth + 1));
            }
            ExprKind::Tuple(list) | ExprKind::List(list) => {
                let mut marks = Marks::NONE;
                for item in list {
                    marks = marks.union(&self.lexical_marks(*item, depth + 1));
                }
                return marks;
            }
            ExprKind::Dict(entries) => {
                let mut marks = Marks::NONE;
                for (_, value) in entries {
                    marks = marks.union(&self.lexical_marks(*value, depth + 1));
                }
                return marks;
            }
            _ => None,
        };
        let Some(name) = name else { return Marks::NONE };
        let Some(class) = self.cx.classify(name) else {
            return Marks::NONE;
        };
        // A constant of that name is judged where it is written down.
        if let Some(place) = self.place_of(expr)
            && let Some(value) = self.value_at(&place)
            && (matches!(
                value.shape,
                Shape::Const(Const::None | Const::Bool(_) | Const::Int(_))
                    | Shape::Builtin(Builtin::Bool | Builtin::Int)
                    | Shape::Function(_)
                    | Shape::Class(_)
                    | Shape::Closure(_)
            ) || self.is_neutralised(&value.shape))
        {
            return Marks::NONE;
        }
        self.source(class, e.span, name, 0)
    }

    /// Whether a value is what a sanitiser for everything returned, such as a password's hash.
    fn is_neutralised(&self, shape: &Shape) -> bool {
        let Shape::Instance(api) = shape else {
            return false;
        };
        let Some(callee) = self.cx.api.text(*api).strip_suffix("()") else {
            return false;
        };
        let entry = self.cx.api.entry(self.cx.api.path(callee));
        entry.is_some_and(|e| e.sanitizers.iter().any(|s| s.cleans == Contexts::MAX))
    }

    /// Data reached a sink inside a function that was called: `mark` as it went in, `inside` as it went on.
    pub(super) fn arrive_through(&mut self, mark: &Mark, inside: &Mark, site: &Arc<SinkSite>) {
        let rule = &self.cx.models.rules[site.rule as usize];
        let context = site.details.as_ref().map_or(rule.context, |d| d.cleaned_by);
        let cleaned = mark.cleaned | inside.cleaned;
        let key = (site.rule, site.file, site.span, origin_key(mark.origin), 0);
        if cleaned & context == 0 && !self.sink_seen.contains(&key) {
            self.arrive(&through(mark, inside), site);
        }
    }

    /// A mark arrives at a sink.
    pub(super) fn arrive(&mut self, mark: &Mark, site: &Arc<SinkSite>) {
        let rule = &self.cx.models.rules[site.rule as usize];
        let details = site.details.as_ref();
        let context = details.map_or(rule.context, |d| d.cleaned_by);
        if mark.cleaned & context != 0 || mark.cleaned == Marks::ALL {
            return;
        }
        let key = (site.rule, site.file, site.span, origin_key(mark.origin), 0);
        match mark.origin {
            Origin::Param { .. } => {
                if self.sink_seen.insert(key) && self.out.sinks.len() < MAX_FINDINGS {
                    self.out.sinks.push(ParamSink {
                        mark: mark.clone(),
                        sink: Arc::clone(site),
                    });
                }
            }
            Origin::Source { kind, .. } => {
                let Some(severity) = rule.severity[kind as usize] else {
                    return;
                };
                if !self.sink_seen.insert(key) || self.out.findings.len() >= MAX_FINDINGS {
                    return;
                }
                let finding = flow_finding(site, mark, kind, severity);
                self.out.findings.push(finding);
            }
        }
    }

    /// Whether a condition around the statement at hand names what a user asks for knowingly.
    pub(super) fn is_asked_for(&self, names: &LazyRegex) -> bool {
        self.frame_ref().tests.iter().any(|test| {
            let mut found = false;
            self.ir.each_descendant(*test, &mut |expr| {
                let text = match self.ir.expr(expr).kind {
                    ExprKind::Const(Const::Str(text)) => Some(text),
                    _ => self.expr_name(expr),
                };
                found |= text.is_some_and(|text| names.is_match(text.as_str()));
            });
            found
        })
    }

    /// Reports what models call wrong in itself; says whether it is new.
    pub(super) fn report_misuse(
        &mut self,
        misuse: &Misuse,
        span: Span,
        context_span: Span,
        what: Symbol,
    ) -> bool {
        let key = (misuse.rule, self.file, span, (254, 0, 0, 0), 0);
        if !self.sink_seen.insert(key) || self.out.findings.len() >= MAX_FINDINGS {
            return false;
        }
        let function = self.frame_ref().function;
        let rule = &self.cx.models.rules[misuse.rule as usize];
        let severity = match &rule.opt_in {
            Some(names) if self.is_asked_for(names) => misuse.severity.min(Severity::Low),
            _ => misuse.severity,
        };
        self.out.findings.push(RawFinding {
            rule: misuse.rule,
            file: self.file,
            span,
            context_span,
            sink: what,
            source_kind: None,
            severity,
            confidence: misuse.confidence,
            message: misuse.message.clone(),
            trace: Vec::new(),
            subject: None,
            end: None,
            function: self
                .cx
                .program
                .ir(function.file)
                .function(function.index)
                .qualname,
        });
        true
    }

    /// A read of a name that is wrong in itself.
    pub(super) fn check_read(&mut self, value: &Value, span: Span, _at: ExprId) {
        let (Shape::Api(id) | Shape::ApiMethod(id, _)) = value.shape else {
            return;
        };
        let Some(entry) = self.cx.api.entry(id) else {
            return;
        };
        if entry.read_misuses.is_empty() {
            return;
        }
        let call = CallArgs::default();
        let what = self.shown_name(id, &call);
        for misuse in &entry.read_misuses {
            if self.conditions_hold(&misuse.when, &misuse.unless, &call, None) {
                self.report_misuse(misuse, span, span, what);
            }
        }
    }

    /// What a handler returns is a response.
    pub(super) fn check_response(&mut self, value: &Value, expr: ExprId) {
        if !self.is_inlined() {
            self.check_returned_context(value, expr);
        }
        let rules = self.frame_ref().response_rules.clone();
        if rules.is_empty() || self.is_inlined() {
            return;
        }
        // A dictionary or list is sent as JSON, a response object has been judged where it was made.
        let as_text = value.shape.alternatives().iter().any(|s| match s {
            Shape::Object(id) => {
                let object = self.state.object(*id);
                matches!(
                    object.class,
                    Class::Builtin(Builtin::Tuple) | Class::Unknown
                )
            }
            Shape::Instance(_) | Shape::Const(Const::None) => false,
            _ => true,
        });
        let (body, _) = match &value.shape {
            Shape::Object(id) => match &self.state.object(*id).items {
                Some(items) if !items.is_empty() => (items[0].clone(), true),
                _ => (value.clone(), false),
            },
            _ => (value.clone(), false),
        };
        let marks = self.state.deep_marks(&body);
        if marks.is_empty() {
            return;
        }
        let body_is_container = matches!(&body.shape, Shape::Object(id) if matches!(self.state.object(*id).class, Class::Builtin(_)));
        let body_is_response = matches!(&body.shape, Shape::Instance(_));
        if matches!(&body.shape, Shape::Instance(api) if self.cx.api.is_known(*api)) {
            return;
        }
        for rule in rules {
            let definition = &self.cx.models.rules[rule as usize];
            let markup = definition.context & self.cx.contexts.html != 0;
            if markup && (!as_text || body_is_container || body_is_response) {
                continue;
            }
            let span = self.expr_span(expr);
            let site = Arc::new(self.site(
                rule,
                span,
                span,
                Symbol::new("response"),
                definition.confidence,
            ));
            for mark in marks.iter() {
                // What a call that nobody describes returns is most often a response made of its arguments, in
                // a form that cannot be told.
                if body.shape.is_unknown() && mark.flags & flag::OBSCURE != 0 {
                    continue;
                }
                self.arrive(mark, &site);
            }
        }
    }

    /// `left == right`, where one of them is a secret.
    pub(super) fn check_comparison(
        &mut self,
        op: CompareOp,
        left: &Value,
        left_expr: ExprId,
        right: &Value,
        right_expr: ExprId,
        at: ExprId,
    ) {
        if !matches!(op, CompareOp::Eq | CompareOp::NotEq) {
            return;
        }
        let Some(compare) = self.cx.compare_entry else {
            return;
        };
        for ((value, expr), (other, other_expr)) in [
            ((left, left_expr), (right, right_expr)),
            ((right, right_expr), (left, left_expr)),
        ] {
            if other.as_const().is_some() {
                continue;
            }
            let marks = self.state.deep_marks(value);
            if marks.is_empty() {
                continue;
            }
            let entry = self.cx.models.get(compare);
            let call = CallArgs {
                positional: vec![value.clone(), other.clone()],
                positional_exprs: vec![Some(expr), Some(other_expr)],
                site: Some(at),
                ..CallArgs::default()
            };
            let span = self.expr_span(at);
            for sink in &entry.sinks {
                self.check_sink(sink, None, &call, span, Symbol::new("=="));
            }
        }
    }

    pub(super) fn check_format_call(
        &mut self,
        template: &Value,
        expr: Option<ExprId>,
        call: &CallArgs,
    ) {
        let duck = self.cx.api.path("builtins.str.format");
        let Some(entry) = self.cx.api.entry(duck) else {
            return;
        };
        let arguments = call.values().next().is_some();
        if template.marks.is_empty() || !arguments {
            return;
        }
        let span = call.site.map_or(self.current_span, |s| self.expr_span(s));
        let previous = std::mem::replace(&mut self.receiver_expr, expr);
        for sink in &entry.sinks {
            self.check_sink(sink, Some(template), call, span, Symbol::new("str.format"));
        }
        self.receiver_expr = previous;
    }

    /// What guards a handler that is wrapped where it is registered: `path("x", login_required(view))`. A function of
    /// the project that wraps it is taken for a guard.
    fn wrapping_guards(&mut self, place: &crate::place::Place, call: &CallArgs) -> Vec<Symbol> {
        let ir = self.ir;
        let mut guards = Vec::new();
        let argument = self.argument(place, call, None);
        let mut at = argument.and_then(|(_, expr)| expr);
        for _ in 0..4 {
            let Some(expr) = at else { break };
            let ExprKind::Call { callee, args } = &ir.expr(expr).kind else {
                break;
            };
            let value = self.eval(*callee);
            for shape in value.shape.alternatives() {
                match shape {
                    Shape::Api(api) | Shape::ApiMethod(api, _) => {
                        if let Some(entry) = self.cx.api.entry(*api) {
                            guards.extend(entry.access.iter().copied());
                        }
                    }
                    Shape::Function(_) | Shape::Closure(_) => {
                        guards.push(Symbol::new("guarded-by-name"));
                    }
                    _ => {}
                }
            }
            at = args.first().map(|arg| arg.value);
        }
        guards
    }

    /// URL patterns of a class whose methods are handlers by its bases.
    fn register_class(
        &mut self,
        class: pyward_program::ClassId,
        routes: &[Symbol],
        guards: &[Symbol],
        sites: &[(pyward_program::FileId, pyward_ir::ExprId)],
    ) {
        let ir = self.cx.program.ir(class.file);
        self.out.class_routes.push(crate::analysis::ClassRoute {
            class,
            paths: routes.to_vec(),
            guards: guards.to_vec(),
            site: sites.first().copied(),
        });
        for &index in &ir.class(class.index).methods {
            let entry = crate::tables::Entry {
                routes: routes.to_vec(),
                guards: guards.to_vec(),
                sites: sites.to_vec(),
                ..crate::tables::Entry::default()
            };
            let id = pyward_program::FunctionId {
                file: class.file,
                index,
            };
            self.out.entries.push((id, entry));
        }
    }

    /// Entry points registered by a call.
    pub(super) fn register_entries(&mut self, entry: &Entry, call: &CallArgs, _span: Span) {
        for &point in &entry.entry_calls {
            let description = &self.cx.models.entry_points[point];
            let Some(place) = &description.handler else {
                continue;
            };
            if !self.conditions_hold(&description.when, &[], call, None) {
                continue;
            }
            let routes: Vec<Symbol> = description
                .route
                .as_ref()
                .map(|p| self.place_values(&p.clone(), call, None))
                .unwrap_or_default()
                .iter()
                .filter_map(|v| v.as_str().map(Symbol::new))
                .collect();
            let verbs = self
                .given_verbs(description.verbs.as_ref(), Some(call))
                .unwrap_or_else(|| description.verb.iter().map(|v| Symbol::new(v)).collect());
            let place = place.clone();
            let guards = self.wrapping_guards(&place, call);
            let sites: Vec<_> = call
                .site
                .map(|site| (self.file, site))
                .into_iter()
                .collect();
            for handler in self.place_values(&place, call, None) {
                let mut handlers = Vec::new();
                for shape in handler.shape.alternatives() {
                    wrapped_functions(shape, 0, &mut handlers);
                    if let Shape::Class(class) = shape {
                        self.register_class(*class, &routes, &guards, &sites);
                    }
                }
                for (id, wraps) in handlers {
                    let found = crate::tables::Entry {
                        points: vec![point],
                        routes: routes.clone(),
                        verbs: verbs.clone(),
                        guards: guards.clone(),
                        sites: sites.clone(),
                        wraps,
                        ..crate::tables::Entry::default()
                    };
                    self.out.entries.push((id, found));
                }
            }
        }
    }
}

/// The finding for data that arrived.
pub(crate) fn flow_finding(
    site: &SinkSite,
    mark: &Mark,
    kind: u8,
    severity: Severity,
) -> RawFinding {
    let mut confidence = site.confidence;
    if mark.flags & flag::OBSCURE != 0 {
        confidence = lower(confidence);
    }
    let mut trace = steps(&mark.trace);
    if let Some(details) = &site.details {
        trace.extend_from_slice(&details.way);
    }
    RawFinding {
        rule: site.rule,
        file: site.file,
        span: site.span,
        context_span: site.call_span,
        sink: site.what,
        source_kind: Some(kind),
        severity,
        confidence,
        message: site.details.as_ref().map(|d| d.message.clone()),
        trace,
        subject: None,
        end: site.end,
        function: site.function,
    }
}

fn lower(confidence: Confidence) -> Confidence {
    match confidence {
        Confidence::High => Confidence::Medium,
        _ => Confidence::Low,
    }
}

impl Marks {
    /// Cleaned for everything.
    pub(crate) const ALL: u32 = u32::MAX;
}

/// The functions that a handler consists of: itself, and those which a decorator's inner function wraps. With each,
/// whether it is such a wrapper.
fn wrapped_functions(
    shape: &Shape,
    depth: u8,
    found: &mut Vec<(pyward_program::FunctionId, bool)>,
) {
    match shape {
        Shape::Function(id) => found.push((*id, false)),
        Shape::Closure(closure) => {
            let at = found.len();
            found.push((closure.function, false));
            if depth < 4 && closure.receiver.is_none() {
                for (_, _, value) in &closure.captured {
                    for inner in value.shape.alternatives() {
                        wrapped_functions(inner, depth + 1, found);
                    }
                }
            }
            found[at].1 = found.len() > at + 1;
        }
        _ => {}
    }
}

//! Where data must not arrive: calls, assignments, comparisons, responses. And calls wrong in themselves.

use std::sync::Arc;

use pyward_catalog::model::Scalar;
use pyward_catalog::rule::{Confidence, Severity};
use pyward_ir::{CompareOp, Const, ExprId, ExprKind, InterpolatedPart, Span, Symbol, Var};

use super::call::CallArgs;
use super::{Interp, MAX_FINDINGS, origin_key};
use crate::api::ApiId;
use crate::finding::RawFinding;
use crate::fold;
use crate::heap::Class;
use crate::models::{Condition, Entry, Misuse, Sink};
use crate::place::{Base, Place};
use crate::summary::{ParamSink, SinkSite};
use crate::value::{Builtin, Contexts, Mark, Marks, Origin, Shape, Value, flag, steps};

/// What a condition is asked about.
pub(super) struct Subject<'c> {
    pub(super) call: &'c CallArgs,
    pub(super) receiver: Option<&'c Value>,
    /// Value, key and name of an assignment.
    pub(super) value: Option<(&'c Value, Option<ExprId>)>,
    pub(super) key: Option<(&'c Value, Option<ExprId>)>,
    pub(super) target: Option<Symbol>,
}

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
        let mut arriving: Vec<(Marks, Span)> = Vec::new();
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
                arriving.push((marks, at_span));
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
                        arriving.push((marks, self.expr_span(expr)));
                    }
                }
            }
        }
        if arriving.is_empty() || !self.conditions_hold(&sink.when, &sink.unless, call, receiver) {
            return;
        }
        for (marks, at) in arriving {
            let site = Arc::new(self.site(sink.rule, at, span, what, sink.confidence));
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
            .all(|c| self.holds(c, &subject))
            && !sink
                .unless
                .iter()
                .filter(|c| c.on_arriving())
                .any(|c| self.holds(c, &subject))
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

    /// A mark arrives at a sink.
    pub(super) fn arrive(&mut self, mark: &Mark, site: &Arc<SinkSite>) {
        let rule = &self.cx.models.rules[site.rule as usize];
        if mark.cleaned & rule.context != 0 || mark.cleaned == Marks::ALL {
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

    pub(super) fn report_misuse(
        &mut self,
        misuse: &Misuse,
        span: Span,
        context_span: Span,
        what: Symbol,
    ) {
        let key = (misuse.rule, self.file, span, (254, 0, 0, 0), 0);
        if !self.sink_seen.insert(key) || self.out.findings.len() >= MAX_FINDINGS {
            return;
        }
        let function = self.frame_ref().function;
        self.out.findings.push(RawFinding {
            rule: misuse.rule,
            file: self.file,
            span,
            context_span,
            sink: what,
            source_kind: None,
            severity: misuse.severity,
            confidence: misuse.confidence,
            message: misuse.message.clone(),
            trace: Vec::new(),
            function: self
                .cx
                .program
                .ir(function.file)
                .function(function.index)
                .qualname,
        });
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

    /// An assignment to a variable, attribute, keyword or item of any object.
    pub(super) fn check_assignment(
        &mut self,
        name: Option<Symbol>,
        key: Option<(&Value, ExprId)>,
        value: &Value,
        from: ExprId,
        span: Span,
    ) {
        let entry = if key.is_some() {
            self.cx.assign_any_item
        } else {
            self.cx.assign_anything
        };
        let Some(entry) = entry else { return };
        let marks = self.state.deep_marks(value);
        let key_marks = key
            .map(|(k, _)| self.state.deep_marks(k))
            .unwrap_or_default();
        if marks.is_empty() && key_marks.is_empty() {
            return;
        }
        let entry = self.cx.models.get(entry);
        let sinks = if key.is_some() {
            &entry.item_sinks
        } else {
            &entry.assign_sinks
        };
        let call = CallArgs::default();
        for sink in sinks {
            let subject = Subject {
                call: &call,
                receiver: None,
                value: Some((value, Some(from))),
                key: key.map(|(v, e)| (v, Some(e))),
                target: name,
            };
            self.assignment_sink(
                sink,
                &subject,
                &marks,
                &key_marks,
                span,
                name.unwrap_or_else(|| Symbol::new("item")),
            );
        }
    }

    fn assignment_sink(
        &mut self,
        sink: &Sink,
        subject: &Subject<'_>,
        value: &Marks,
        key: &Marks,
        span: Span,
        what: Symbol,
    ) {
        let mut arriving = Marks::NONE;
        for place in &sink.args {
            match place.base {
                Base::Key => arriving = arriving.union(key),
                _ => arriving = arriving.union(value),
            }
        }
        if arriving.is_empty() || !self.all_hold(&sink.when, &sink.unless, subject) {
            return;
        }
        let site = Arc::new(self.site(sink.rule, span, span, what, sink.confidence));
        for mark in arriving.iter() {
            self.arrive(mark, &site);
        }
    }

    /// `object.attr = value` where models know the attribute.
    pub(super) fn assigned_to_api(
        &mut self,
        member: ApiId,
        _owner: &Value,
        owner_expr: Option<ExprId>,
        value: &Value,
        span: Span,
        from: ExprId,
    ) {
        let Some(entry) = self.cx.api.entry(member) else {
            return;
        };
        let call = CallArgs::default();
        let what = self.cx.api.symbol(member);
        let marks = self.state.deep_marks(value);
        let subject = Subject {
            call: &call,
            receiver: None,
            value: Some((value, Some(from))),
            key: None,
            target: Some(self.cx.api.name(member)),
        };
        for sink in &entry.assign_sinks {
            self.assignment_sink(sink, &subject, &marks, &Marks::NONE, span, what);
        }
        for &setting in &entry.settings {
            let setting = &self.cx.models.settings[setting];
            if !setting.absent
                && self.all_hold(&setting.misuse.when, &setting.misuse.unless, &subject)
            {
                self.report_misuse(&setting.misuse, span, span, what);
            }
        }
        for change in &entry.assign_states {
            if self.all_hold(&change.when, &change.unless, &subject) {
                let becomes = self.cx.api.path(&change.becomes);
                self.change_class(owner_expr, becomes);
            }
        }
    }

    /// `object[key] = value` where models know the object.
    pub(super) fn item_assigned_to_api(
        &mut self,
        api: ApiId,
        key: &Value,
        value: &Value,
        span: Span,
        from: ExprId,
    ) {
        let Some(entry) = self.cx.api.entry(api) else {
            return;
        };
        let call = CallArgs::default();
        let what = self.cx.api.symbol(api);
        let marks = self.state.deep_marks(value);
        let key_marks = self.state.deep_marks(key);
        let subject = Subject {
            call: &call,
            receiver: None,
            value: Some((value, Some(from))),
            key: Some((key, None)),
            target: Some(self.cx.api.name(api)),
        };
        for sink in &entry.item_sinks {
            self.assignment_sink(sink, &subject, &marks, &key_marks, span, what);
        }
        if let Some(key) = key.as_str() {
            self.check_stored_setting(entry, Symbol::new(key), &subject, span);
        }
    }

    fn check_stored_setting(
        &mut self,
        entry: &Entry,
        key: Symbol,
        subject: &Subject<'_>,
        span: Span,
    ) {
        for &setting in &entry.setting_stores {
            let setting = &self.cx.models.settings[setting];
            if !setting.absent
                && setting.keys.contains(&key)
                && self.all_hold(&setting.misuse.when, &setting.misuse.unless, subject)
            {
                self.report_misuse(&setting.misuse, span, span, key);
            }
        }
    }

    /// `store.update(KEY=value)`, `store.from_mapping(...)`.
    pub(super) fn check_setting_call(
        &mut self,
        id: ApiId,
        _receiver: Option<&Value>,
        call: &CallArgs,
        span: Span,
    ) {
        let name = self.cx.api.name(id);
        if !matches!(name.as_str(), "update" | "from_mapping" | "setdefault") {
            return;
        }
        let Some(entry) = self.cx.api.parent(id).and_then(|p| self.cx.api.entry(p)) else {
            return;
        };
        if entry.setting_stores.is_empty() {
            return;
        }
        let mut pairs: Vec<(Symbol, Value, Option<ExprId>)> = call.keywords.clone();
        for value in &call.positional {
            if let Shape::Object(object) = value.shape {
                for (key, field) in &self.state.object(object).fields {
                    if let crate::heap::Key::Item(key) = key {
                        pairs.push((*key, field.clone(), None));
                    }
                }
            }
        }
        let empty = CallArgs::default();
        for (key, value, expr) in pairs {
            let at = expr.map_or(span, |e| self.expr_span(e));
            let subject = Subject {
                call: &empty,
                receiver: None,
                value: Some((&value, expr)),
                key: None,
                target: Some(key),
            };
            self.check_stored_setting(entry, key, &subject, at);
        }
    }

    /// A name bound at the top of a settings module.
    pub(super) fn check_module_setting(
        &mut self,
        var: Var,
        name: Symbol,
        value: &Value,
        span: Span,
    ) {
        if !matches!(var, Var::Global(_))
            || self.is_inlined()
            || self.frames[0].function.index.0 != 0
        {
            return;
        }
        let Some(settings) = self.cx.settings_by_name.get(&name) else {
            return;
        };
        let call = CallArgs::default();
        for &at in settings {
            let setting = &self.cx.models.settings[at];
            if setting.absent || !self.is_settings_module(&setting.module_has) {
                continue;
            }
            let subject = Subject {
                call: &call,
                receiver: None,
                value: Some((value, None)),
                key: None,
                target: Some(name),
            };
            if self.all_hold(&setting.misuse.when, &setting.misuse.unless, &subject) {
                self.report_misuse(&setting.misuse, span, span, name);
            }
        }
    }

    pub(super) fn is_settings_module(&self, names: &[Symbol]) -> bool {
        if names.is_empty() {
            return true;
        }
        let bound = self.cx.index.top_level_names(self.file);
        names.iter().filter(|n| bound.contains_key(n)).count() >= 2
    }

    /// Settings that a settings module ought to have and lacks; checked at its end.
    pub(crate) fn check_absent_settings(&mut self) {
        let cx = self.cx;
        for setting in &cx.models.settings {
            if !setting.absent
                || setting.module_has.is_empty()
                || !self.is_settings_module(&setting.module_has)
            {
                continue;
            }
            if setting
                .names
                .iter()
                .any(|n| self.state.globals.contains_key(n))
            {
                continue;
            }
            let call = CallArgs::default();
            let unknown = Value::unknown();
            let subject = Subject {
                call: &call,
                receiver: None,
                value: Some((&unknown, None)),
                key: None,
                target: None,
            };
            if self.all_hold(&setting.misuse.when, &setting.misuse.unless, &subject) {
                let what = setting
                    .names
                    .first()
                    .copied()
                    .unwrap_or_else(|| Symbol::new("setting"));
                self.report_misuse(&setting.misuse, Span::default(), Span::default(), what);
            }
        }
    }

    /// What a handler returns is a response.
    pub(super) fn check_response(&mut self, value: &Value, expr: ExprId) {
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
            for handler in self.place_values(&place.clone(), call, None) {
                let mut handlers = Vec::new();
                for shape in handler.shape.alternatives() {
                    wrapped_functions(shape, 0, &mut handlers);
                }
                for (id, wraps) in handlers {
                    let found = crate::tables::Entry {
                        points: vec![point],
                        routes: routes.clone(),
                        verbs: verbs.clone(),
                        guards: Vec::new(),
                        wraps,
                    };
                    self.out.entries.push((id, found));
                }
            }
        }
    }

    // ---- conditions

    pub(super) fn conditions_hold(
        &mut self,
        when: &[Condition],
        unless: &[Condition],
        call: &CallArgs,
        receiver: Option<&Value>,
    ) -> bool {
        if when.is_empty() && unless.is_empty() {
            return true;
        }
        let subject = Subject {
            call,
            receiver,
            value: None,
            key: None,
            target: None,
        };
        when.iter()
            .all(|c| c.on_arriving() || self.holds(c, &subject))
            && !unless
                .iter()
                .any(|c| !c.on_arriving() && self.holds(c, &subject))
    }

    pub(super) fn all_hold(
        &mut self,
        when: &[Condition],
        unless: &[Condition],
        subject: &Subject<'_>,
    ) -> bool {
        when.iter().all(|c| self.holds(c, subject))
            && !unless.iter().any(|c| self.holds(c, subject))
    }

    fn holds(&mut self, condition: &Condition, subject: &Subject<'_>) -> bool {
        let test = &condition.test;
        if let Some(modules) = &test.imports {
            let imported = self.cx.index.imports(self.file);
            let found = modules.as_slice().iter().any(|m| match m {
                Scalar::Str(name) => imported.contains(&Symbol::new(name)),
                _ => false,
            });
            if !found {
                return false;
            }
        }
        if let Some(used_as) = &condition.used_as {
            let function = self.frame_ref().function;
            let function = self
                .cx
                .program
                .ir(function.file)
                .function(function.index)
                .name;
            let matched = self
                .used_as
                .iter()
                .chain([&function])
                .any(|n| used_as.is_match(n.as_str()));
            if !matched {
                return false;
            }
        }
        let (values, expr) = self.condition_values(condition.arg.as_ref(), subject);
        if let Some(present) = test.present {
            let unpacks = matches!(&condition.arg, Some(place) if place.base == Base::Keyword);
            let given =
                self.is_given(condition.arg.as_ref(), subject) || !unpacks && !values.is_empty();
            if given != present {
                return false;
            }
        }
        if let Some(named) = &condition.named {
            let from_target = match condition.arg.as_ref().map(|p| &p.base) {
                Some(Base::Target) => subject.target,
                _ => None,
            };
            let key_text = match condition.arg.as_ref().map(|p| &p.base) {
                Some(Base::Key) => subject.key.and_then(|(k, _)| k.as_str()).map(Symbol::new),
                _ => None,
            };
            let name = from_target
                .or(key_text)
                .or_else(|| expr.and_then(|e| self.expr_name(e)))
                .or(match condition.arg {
                    None => subject.target,
                    _ => None,
                });
            let full = expr.and_then(|e| self.dotted_name(e));
            let matched = name.is_some_and(|n| named.is_match(n.as_str()))
                || full.is_some_and(|f| named.is_match(&f));
            if !matched {
                return false;
            }
        }
        let needs_value = test.equals.is_some()
            || condition.matches.is_some()
            || test.at_most.is_some()
            || test.at_least.is_some()
            || test.has_bits.is_some()
            || test.literal.is_some()
            || test.is.is_some()
            || test.r#type.is_some()
            || condition.text.is_some()
            || condition.prefix.is_some()
            || condition.tainted != 0;
        if !needs_value {
            return true;
        }
        values.iter().any(|v| self.value_holds(condition, v, expr))
    }

    fn dotted_name(&self, expr: ExprId) -> Option<String> {
        match &self.ir.expr(expr).kind {
            ExprKind::Name(var) => Some(self.var_name(*var).as_str().to_owned()),
            ExprKind::Attribute { value, attr, .. } => {
                Some(format!("{}.{attr}", self.dotted_name(*value)?))
            }
            ExprKind::Call { callee, .. } => self.dotted_name(*callee),
            _ => None,
        }
    }

    fn is_given(&self, place: Option<&Place>, subject: &Subject<'_>) -> bool {
        match place {
            // `**` alone: the call unpacks a dictionary.
            Some(place) if place.base == Base::Keyword => subject.call.double_star.is_some(),
            Some(place) => {
                self.argument(place, subject.call, subject.receiver)
                    .is_some()
                    && place.content == crate::place::Content::Whole
                    || (subject.call.double_star.is_some()
                        && matches!(place.base, Base::Argument(None, _)))
            }
            None => subject.value.is_some(),
        }
    }

    fn condition_values(
        &mut self,
        place: Option<&Place>,
        subject: &Subject<'_>,
    ) -> (Vec<Value>, Option<ExprId>) {
        match place {
            None => match subject.value {
                Some((value, expr)) => (vec![value.clone()], expr),
                None => (Vec::new(), None),
            },
            Some(place) => match place.base {
                Base::Value => match subject.value {
                    Some((value, expr)) => {
                        (self.narrow_content(&value.clone(), &place.content), expr)
                    }
                    None => (Vec::new(), None),
                },
                Base::Key => match subject.key {
                    Some((value, expr)) => (vec![value.clone()], expr),
                    None => (Vec::new(), None),
                },
                Base::Target => (
                    subject
                        .target
                        .map(|t| Value::constant(Const::Str(t)))
                        .into_iter()
                        .collect(),
                    None,
                ),
                _ => {
                    let expr = self
                        .argument(place, subject.call, subject.receiver)
                        .and_then(|(_, e)| e);
                    (
                        self.place_values(place, subject.call, subject.receiver),
                        expr,
                    )
                }
            },
        }
    }

    fn value_holds(&mut self, condition: &Condition, value: &Value, expr: Option<ExprId>) -> bool {
        let test = &condition.test;
        if let Some(expected) = &test.equals {
            let ok = value.shape.alternatives().iter().any(|s| match s {
                Shape::Const(c) => expected.as_slice().iter().any(|e| scalar_equals(e, *c)),
                Shape::Object(id) => {
                    let object = self.state.object(*id);
                    let empty = object.closed
                        && object.rest.is_none()
                        && object.items.as_ref().is_some_and(Vec::is_empty);
                    empty && expected.as_slice().contains(&Scalar::Str("[]".to_owned()))
                }
                _ => false,
            });
            if !ok {
                return false;
            }
        }
        if let Some(regex) = &condition.matches {
            let ok = value.shape.alternatives().iter().any(|s| match s {
                Shape::Const(Const::Str(s) | Const::Bytes(s)) => regex.is_match(s.as_str()),
                _ => false,
            });
            if !ok {
                return false;
            }
        }
        if test.at_most.is_some() || test.at_least.is_some() {
            let number = match value.as_const() {
                #[allow(clippy::cast_precision_loss, reason = "settings are small")]
                Some(Const::Int(i)) => i as f64,
                Some(Const::Float(f)) => f,
                _ => return false,
            };
            if test.at_most.is_some_and(|m| number > m) || test.at_least.is_some_and(|m| number < m)
            {
                return false;
            }
        }
        if let Some(bits) = test.has_bits {
            let ok = value.shape.alternatives().iter().any(|s| match s {
                Shape::Const(Const::Int(i)) => i & bits != 0,
                _ => false,
            });
            if !ok {
                return false;
            }
        }
        if let Some(literal) = test.literal {
            let is = value
                .shape
                .alternatives()
                .iter()
                .all(|s| matches!(s, Shape::Const(Const::Str(_) | Const::Bytes(_))));
            if is != literal {
                return false;
            }
        }
        if let Some(paths) = &test.is {
            let ok = value.shape.alternatives().iter().any(|shape| {
                let api = match shape {
                    Shape::Api(api) | Shape::Instance(api) | Shape::ApiMethod(api, _) => *api,
                    Shape::Object(id) => match self.state.object(*id).class {
                        Class::Api(api) => api,
                        _ => return false,
                    },
                    _ => return false,
                };
                paths.as_slice().iter().any(|p| match p {
                    Scalar::Str(path) => self.cx.api.is_subclass(api, path, 0),
                    _ => false,
                })
            });
            if !ok {
                return false;
            }
        }
        if let Some(types) = &test.r#type {
            let kinds = self.type_names(value);
            let ok = types.as_slice().iter().any(|t| match t {
                Scalar::Str(name) => kinds.contains(&name.as_str()),
                _ => false,
            });
            if !ok {
                return false;
            }
        }
        if let Some(regex) = &condition.text {
            let ok = value.shape.alternatives().iter().any(|s| match s {
                Shape::Const(Const::Str(s) | Const::Bytes(s)) => regex.is_match(s.as_str()),
                Shape::Text(t) => regex.is_match(t.literal.as_str()),
                _ => false,
            });
            if !ok {
                return false;
            }
        }
        if let Some(regex) = &condition.prefix {
            let ok = match &value.shape {
                Shape::Const(Const::Str(s) | Const::Bytes(s)) => regex.is_match(s.as_str()),
                Shape::Text(t) => regex.is_match(t.prefix.as_str()),
                _ => regex.is_match(""),
            };
            if !ok {
                return false;
            }
        }
        if condition.tainted != 0 {
            let mut marks = self.state.deep_marks(value);
            if let Some(expr) = expr {
                marks = marks.union(&self.lexical_marks(expr, 0));
            }
            let ok = marks.iter().any(|m| match m.origin {
                Origin::Source { kind, .. } => condition.tainted & (1 << kind) != 0,
                Origin::Param { .. } => false,
            });
            if !ok {
                return false;
            }
        }
        true
    }

    fn type_names(&self, value: &Value) -> Vec<&'static str> {
        value
            .shape
            .alternatives()
            .iter()
            .map(|s| match s {
                Shape::Const(Const::Str(_)) => "str",
                Shape::Text(t) if t.is_bytes => "bytes",
                Shape::Text(_) => "str",
                Shape::Const(Const::Bytes(_)) => "bytes",
                Shape::Const(Const::Int(_)) => "int",
                Shape::Const(Const::Float(_)) => "float",
                Shape::Const(Const::Bool(_)) => "bool",
                Shape::Const(Const::None) => "none",
                Shape::Builtin(b) => builtin_name(*b),
                Shape::Object(id) => match self.state.object(*id).class {
                    Class::Builtin(b) => builtin_name(b),
                    Class::Unknown => "unknown",
                    _ => "object",
                },
                Shape::Function(_) | Shape::Closure(_) | Shape::Partial(_) => "callable",
                Shape::Unknown => "unknown",
                Shape::Instance(api) if self.cx.api.text(*api).ends_with("()") => "unknown",
                _ => "object",
            })
            .collect()
    }
}

fn builtin_name(b: Builtin) -> &'static str {
    match b {
        Builtin::Str => "str",
        Builtin::Bytes => "bytes",
        Builtin::Int => "int",
        Builtin::Float => "float",
        Builtin::Bool => "bool",
        Builtin::List | Builtin::Iterator => "list",
        Builtin::Tuple => "tuple",
        Builtin::Dict => "dict",
        Builtin::Set => "set",
        Builtin::Slice => "slice",
    }
}

fn scalar_equals(expected: &Scalar, actual: Const) -> bool {
    match (expected, actual) {
        (Scalar::Bool(b), Const::Bool(a)) => *b == a,
        (Scalar::Int(i), a) => fold::equal(Const::Int(*i), a) && !matches!(a, Const::Bool(_)),
        (Scalar::Float(f), a) => fold::equal(Const::Float(*f), a),
        (Scalar::Str(s), Const::None) => s == "None",
        (Scalar::Str(s), Const::Str(a) | Const::Bytes(a)) => s == a.as_str(),
        _ => false,
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
    RawFinding {
        rule: site.rule,
        file: site.file,
        span: site.span,
        context_span: site.call_span,
        sink: site.what,
        source_kind: Some(kind),
        severity,
        confidence,
        message: None,
        trace: steps(&mark.trace),
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

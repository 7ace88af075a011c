//! What is assigned: to attributes and items of library objects, to names of settings, and settings left out.

use std::sync::Arc;

use pyward_ir::{ExprId, Span, Symbol, Var};

use super::Interp;
use super::call::CallArgs;
use super::model_condition::Subject;
use crate::models::{Entry, Sink};
use crate::place::Base;
use crate::value::ApiId;
use crate::value::{Marks, Shape, Value};

impl Interp<'_> {
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
                && self.report_misuse(&setting.misuse, span, span, what)
            {
                let subject = owner_expr.and_then(|owner| self.expr_name(owner));
                if let Some(finding) = self.out.findings.last_mut() {
                    finding.subject = subject;
                }
            }
        }
        for &environment in &entry.assign_escaping {
            let escapes = self.switches_escaping(value);
            self.out.escaping.push((environment, escapes));
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
}

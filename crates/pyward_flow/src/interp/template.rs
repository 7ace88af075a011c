//! Templates: what a render call hands to a template is followed to the template's outputs.

use std::sync::Arc;

use pyward_catalog::rule::Confidence;
use pyward_ir::{Const, ExprId, ExprKind, Span, Symbol, Var};
use pyward_program::{ClassId, FileId, FunctionId};
use pyward_templates::{Escaping, Exposed, Exposure, Library, Step as PathStep};

use super::Interp;
use super::call::CallArgs;
use crate::heap::{Class, Key, Object};
use crate::models::{Entry, TemplateCall};
use crate::place::Base;
use crate::summary::{SinkSite, SiteDetails, export};
use crate::tables;
use crate::value::{
    Builtin, Contexts, Mark, Shape, Step, StepKind, Value, extend, flag, join, steps,
};

/// Attributes under which a template object remembers what it was made of; no name of Python's looks like them.
const NAME: &str = "#template";
const SOURCE: &str = "#source";
const ESCAPES: &str = "#escapes";

/// A template that is rendered.
enum Rendered {
    /// By its number in the library.
    File(usize),
    /// Given as text at a place of the program.
    Text(Symbol, Span),
}

/// A call that renders, or a return of a context.
pub(super) struct Render<'m> {
    pub(super) model: &'m TemplateCall,
    /// Dictionaries with the variables.
    contexts: Vec<Value>,
    escaping: Escaping,
    /// An expression of the file at hand, for what is read on behalf of the template.
    pub(super) at: ExprId,
    pub(super) span: Span,
    /// What is called, as shown to people.
    what: Symbol,
}

impl Interp<'_> {
    /// A call that models know to render templates.
    pub(super) fn check_templates(
        &mut self,
        entry: &Entry,
        receiver: Option<&Value>,
        call: &CallArgs,
        span: Span,
        what: Symbol,
    ) {
        let Some(at) = call.site else { return };
        if self.cx.is_first_round {
            return;
        }
        let models = self.cx.models;
        for &index in &entry.templates {
            let model = &models.templates[index];
            if model.context.iter().all(|p| p.base == Base::Return) {
                continue;
            }
            let rendered = self.rendered(model, receiver, call, span);
            if rendered.is_empty() {
                continue;
            }
            let render = Render {
                model,
                contexts: self.contexts(model, receiver, call),
                escaping: self.escaping(model, receiver, call),
                at,
                span,
                what,
            };
            for template in rendered {
                self.render(&render, &template);
            }
        }
    }

    /// A call that decides whether the application's templates escape.
    pub(super) fn note_escaping_choice(
        &mut self,
        environment: Symbol,
        place: &crate::place::Place,
        call: &CallArgs,
    ) {
        if let Some((value, _)) = self.argument(place, call, None) {
            let escapes = self.switches_escaping(&value);
            self.out.escaping.push((environment, escapes));
        }
    }

    /// A call that puts something into a variable of every template.
    pub(super) fn give_templates(
        &mut self,
        environment: Symbol,
        variable: Symbol,
        place: &crate::place::Place,
        call: &CallArgs,
    ) {
        for value in self.place_values(place, call, None) {
            let marks = self.state.deep_marks(&value);
            if !marks.is_empty() {
                let given = export(&self.state, &Value::unknown().with_marks(marks));
                let key = (environment, variable);
                let given = given.without_params();
                self.out.template_variables.push((key, given));
            }
        }
    }

    /// What a function returns is the context of a template, or part of that of every template.
    pub(super) fn check_returned_context(&mut self, value: &Value, at: ExprId) {
        for environment in self.frame_ref().gives_context.clone() {
            let Shape::Object(id) = value.shape else {
                continue;
            };
            for (key, field) in self.state.object(id).fields.clone() {
                if let Key::Item(name) = key {
                    let portable = export(&self.state, &field).without_params();
                    let key = (environment, name);
                    self.out.template_variables.push((key, portable));
                }
            }
        }
        if self.cx.is_first_round {
            return;
        }
        let models = self.cx.models;
        for (index, name) in self.frame_ref().templates.clone() {
            let model = &models.templates[index];
            let render = Render {
                model,
                contexts: vec![value.clone()],
                escaping: self.escaping_of_environment(model),
                at,
                span: self.expr_span(at),
                what: name,
            };
            for number in self.find_template(name) {
                self.render(&render, &Rendered::File(number));
            }
        }
    }

    /// A decorator that renders a template with what the function returns.
    pub(super) fn note_template_decorator(
        &mut self,
        model: &Entry,
        call: &CallArgs,
        entry: &mut tables::Entry,
    ) {
        for &index in &model.templates {
            let template = &self.cx.models.templates[index];
            let returned = template.context.iter().any(|p| p.base == Base::Return);
            let Some(place) = template.name.as_ref().filter(|_| returned) else {
                continue;
            };
            for value in self.place_values(place, call, None) {
                if let Some(name) = value.as_str()
                    && has_suffix(template, name)
                {
                    entry.templates.push((index, Symbol::new(name)));
                }
            }
        }
    }

    /// A class whose method returns the context of a template that a class attribute names.
    pub(super) fn note_template_class(&mut self, index: usize, class: ClassId) {
        let model = &self.cx.models.templates[index];
        let (Some(method), Some(attribute)) = (model.method, model.name_attribute) else {
            return;
        };
        let name = self.class_attribute(class, attribute, None);
        let Some(name) = name.as_ref().and_then(Value::as_str) else {
            return;
        };
        if !model.variables.is_empty() && !self.cx.is_first_round {
            self.render_class(model, class, Symbol::new(name));
        }
        let ir = self.cx.program.ir(class.file);
        for &function in &ir.class(class.index).methods {
            if ir.function(function).name == method {
                let id = FunctionId {
                    file: class.file,
                    index: function,
                };
                let entry = tables::Entry {
                    templates: vec![(index, Symbol::new(name))],
                    ..tables::Entry::default()
                };
                self.out.entries.push((id, entry));
            }
        }
    }

    /// Renders the template of a class with the variables that its base class makes of class attributes.
    fn render_class(&mut self, model: &TemplateCall, class: ClassId, template: Symbol) {
        let numbers = self.find_template(template);
        if numbers.is_empty() || self.ir.exprs.is_empty() {
            return;
        }
        let at = ExprId(0);
        let span = self.ir.class(class.index).name_span;
        let mut context = Object::new(Class::Builtin(Builtin::Dict));
        for (name, path) in &model.variables {
            let name = match name.as_str().strip_prefix('@') {
                None => Some(*name),
                Some(attribute) => self
                    .class_attribute(class, Symbol::new(attribute), None)
                    .and_then(|v| v.as_str().map(Symbol::new)),
            };
            let (Some(name), Some(value)) = (name, self.class_path(class, path, at, span)) else {
                continue;
            };
            let value = match context.field(Key::Item(name)) {
                Some(old) => join(old, &value),
                None => value,
            };
            context.set_field(Key::Item(name), value);
        }
        let context = self.new_object(context);
        let render = Render {
            model,
            contexts: vec![context],
            escaping: self.escaping_of_environment(model),
            at,
            span,
            what: template,
        };
        for number in numbers {
            self.render(&render, &Rendered::File(number));
        }
    }

    /// The value of a path such as `model.objects.get()` from a class on.
    fn class_path(&mut self, class: ClassId, path: &str, at: ExprId, span: Span) -> Option<Value> {
        let mut value: Option<Value> = None;
        for part in path.split('.') {
            let (name, called) = match part.strip_suffix("()") {
                Some(name) => (Symbol::new(name), true),
                None => (Symbol::new(part), false),
            };
            self.current_span = span;
            let mut next = match &value {
                None => self.class_attribute(class, name, None)?,
                Some(owner) => self.get_attribute(&owner.clone(), name, at),
            };
            if called {
                self.current_span = span;
                next = self.call_value(&next, &CallArgs::of(Vec::new(), Some(at)), span);
            }
            value = Some(next);
        }
        value
    }

    /// A call that makes a template object: it remembers which one, and whether its environment escapes.
    pub(super) fn remember_template(
        &mut self,
        entry: &Entry,
        value: &mut Value,
        receiver: Option<&Value>,
        call: &CallArgs,
    ) {
        let models = self.cx.models;
        for &index in &entry.templates {
            let model = &models.templates[index];
            if !model.context.is_empty() {
                continue;
            }
            let text = |interp: &mut Self, place: &Option<crate::place::Place>| {
                let place = place.as_ref()?;
                let values = interp.place_values(place, call, receiver);
                let first = values.first()?;
                interp.note_interest(&first.marks);
                Some(Value::str(first.as_str()?))
            };
            let name = text(self, &model.name);
            let source = text(self, &model.source);
            let escapes = match self.escaping(model, receiver, call) {
                Escaping::On => Some(true),
                Escaping::Off => Some(false),
                Escaping::ByName => None,
            };
            let id = match value.shape {
                Shape::Object(id) => id,
                Shape::Instance(api) => {
                    let mut object = Object::new(Class::Api(api));
                    object.closed = false;
                    self.state.allocate(object)
                }
                _ => continue,
            };
            value.shape = Shape::Object(id);
            let object = self.state.object_mut(id);
            let escapes = escapes.map(|e| Value::constant(Const::Bool(e)));
            for (key, field) in [(NAME, name), (SOURCE, source), (ESCAPES, escapes)] {
                if let Some(field) = field {
                    object.set_field(Key::Attribute(Symbol::new(key)), field);
                }
            }
        }
    }

    /// The templates that a call renders.
    fn rendered(
        &mut self,
        model: &TemplateCall,
        receiver: Option<&Value>,
        call: &CallArgs,
        span: Span,
    ) -> Vec<Rendered> {
        let mut names: Vec<Symbol> = Vec::new();
        let mut texts: Vec<(Symbol, Span)> = Vec::new();
        if let Some(place) = &model.name {
            for value in self.place_values(place, call, receiver) {
                // Which template it is may depend on the caller.
                self.note_interest(&value.marks);
                self.constant_texts(&value, &mut names);
            }
            names.retain(|name| has_suffix(model, name.as_str()));
        }
        if let Some(place) = &model.source {
            let at = self.argument(place, call, receiver).and_then(|(_, e)| e);
            let at = at.map_or(span, |e| self.expr_span(e));
            let mut found = Vec::new();
            for value in self.place_values(place, call, receiver) {
                self.constant_texts(&value, &mut found);
            }
            texts.extend(found.into_iter().map(|text| (text, at)));
        }
        if model.name.is_none()
            && model.source.is_none()
            && let Some(receiver) = receiver
        {
            for shape in receiver.shape.alternatives() {
                let Shape::Object(id) = shape else { continue };
                let field = |key| {
                    self.state
                        .object(*id)
                        .field(Key::Attribute(Symbol::new(key)))
                };
                if let Some(name) = field(NAME).and_then(Value::as_str) {
                    names.push(Symbol::new(name));
                }
                if let Some(text) = field(SOURCE).and_then(Value::as_str) {
                    texts.push((Symbol::new(text), span));
                }
            }
        }
        let mut out: Vec<Rendered> = Vec::new();
        for name in names {
            out.extend(self.find_template(name).into_iter().map(Rendered::File));
        }
        out.extend(texts.into_iter().map(|(t, at)| Rendered::Text(t, at)));
        out
    }

    /// Constant texts that a value, or an element of it, may be.
    fn constant_texts(&self, value: &Value, out: &mut Vec<Symbol>) {
        for shape in value.shape.alternatives() {
            match shape {
                Shape::Const(Const::Str(text)) => out.push(*text),
                Shape::Object(id) => {
                    for item in self.state.object(*id).items.iter().flatten() {
                        if let Some(text) = item.as_str() {
                            out.push(Symbol::new(text));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn find_template(&self, name: Symbol) -> Vec<usize> {
        let from = self.cx.program.path(self.file).to_string_lossy();
        let from = from.replace('\\', "/");
        // `package:folder/name`
        let name = name.as_str();
        let name = name.rsplit_once(':').map_or(name, |(_, name)| name);
        let library = self.cx.templates;
        let mut found = library.find(name, &from);
        found.retain(|&number| library.is_html(number));
        found
    }

    /// The dictionaries that hold the variables of a call.
    fn contexts(
        &mut self,
        model: &TemplateCall,
        receiver: Option<&Value>,
        call: &CallArgs,
    ) -> Vec<Value> {
        let mut out = Vec::new();
        for place in &model.context {
            if place.base != Base::Keyword {
                out.extend(self.place_values(place, call, receiver));
                continue;
            }
            let mut object = Object::new(Class::Builtin(Builtin::Dict));
            for (name, value, _) in &call.keywords {
                object.set_field(Key::Item(*name), value.clone());
            }
            let keywords = self.new_object(object);
            out.push(keywords);
            let Some(content) = &call.double_star else {
                continue;
            };
            let named = self.unpacked_variable(call);
            out.push(named.unwrap_or_else(|| {
                Value::unknown().with_marks(content.marks.flagged(flag::OBSCURE))
            }));
        }
        out
    }

    /// The value of the variable that a call unpacks: its keys are told apart.
    fn unpacked_variable(&mut self, call: &CallArgs) -> Option<Value> {
        let ExprKind::Call { args, .. } = &self.ir.expr(call.site?).kind else {
            return None;
        };
        let arg = args
            .iter()
            .find(|a| a.kind == pyward_ir::ArgKind::DoubleStar)?;
        match self.ir.expr(arg.value).kind {
            ExprKind::Name(var) => Some(self.read_var(var, self.expr_span(arg.value))),
            _ => None,
        }
    }

    /// Whether the environment that a call renders with escapes.
    fn escaping(
        &self,
        model: &TemplateCall,
        receiver: Option<&Value>,
        call: &CallArgs,
    ) -> Escaping {
        if let Some(remembered) = receiver.and_then(|r| self.field_of(r, ESCAPES)) {
            return of_option(match remembered.as_const() {
                Some(Const::Bool(on)) => Some(on),
                _ => model.autoescape,
            });
        }
        if let Some(option) = model.escape_option {
            // The call makes the template itself.
            if let Some(value) = call.keyword(option.as_str()) {
                return of_option(self.switches_escaping(value));
            }
            let key = format!("={option}");
            if let Some(value) = receiver.and_then(|r| self.field_of(r, &key)) {
                return of_option(self.switches_escaping(&value));
            }
            let made_here = receiver.is_none_or(|r| match r.shape {
                Shape::Object(id) => {
                    let object = self.state.object(id);
                    object.origin.is_none() && matches!(object.class, Class::Api(_))
                }
                _ => false,
            });
            if made_here && model.escape_absent.is_some() {
                return of_option(model.escape_absent);
            }
        }
        self.escaping_of_environment(model)
    }

    /// What the application sets for all its templates, or else the library's own way.
    fn escaping_of_environment(&self, model: &TemplateCall) -> Escaping {
        let set = model
            .environment
            .and_then(|e| self.cx.tables.escaping.get(&e));
        match set {
            Some(Some(escapes)) => of_option(Some(*escapes)),
            _ => of_option(model.autoescape),
        }
    }

    fn field_of(&self, value: &Value, name: &str) -> Option<Value> {
        value
            .shape
            .alternatives()
            .iter()
            .find_map(|shape| match shape {
                Shape::Object(id) => self
                    .state
                    .object(*id)
                    .field(Key::Attribute(Symbol::new(name)))
                    .cloned(),
                _ => None,
            })
    }

    /// What the value of an option says about escaping; nothing for a function of the name.
    pub(super) fn switches_escaping(&self, value: &Value) -> Option<bool> {
        match &value.shape {
            Shape::Const(Const::Bool(on)) => Some(*on),
            Shape::Const(Const::None) => Some(false),
            Shape::Const(Const::Str(_)) => Some(true),
            Shape::Object(id) => {
                let items = self.state.object(*id).items.as_ref()?;
                Some(items.iter().any(|i| i.as_str() == Some("h")))
            }
            _ => None,
        }
    }

    /// Follows the variables of a render call into a template.
    fn render(&mut self, render: &Render<'_>, template: &Rendered) {
        let cx = self.cx;
        let (dialect, escaping) = (render.model.dialect, render.escaping);
        let inline;
        let (library, number, text_at) = match template {
            Rendered::File(number) => (cx.templates, *number, None),
            Rendered::Text(text, at) => {
                if !text.as_str().contains('<') {
                    return;
                }
                let name = "inline.html".to_owned();
                inline = Library::from_texts(vec![(name, text.as_str().to_owned())]);
                (&inline, 0, Some(*at))
            }
        };
        let exposed = library.exposed(number, dialect, escaping);
        let mut roots: Vec<(&str, Option<(Value, bool)>)> = Vec::new();
        for one in exposed.iter() {
            if !self.spend() {
                return;
            }
            let known = roots.iter().find(|(n, _)| *n == one.variable);
            let root = match known {
                Some((_, value)) => value.clone(),
                None => {
                    let value = self.context_variable(render, Symbol::new(&one.variable));
                    roots.push((&one.variable, value.clone()));
                    value
                }
            };
            let Some((root, is_global)) = root else {
                continue;
            };
            let mut value = self.follow(&root, &one.path, render);
            if is_global && text_at.is_none() {
                self.begin_in_template(one, &mut value);
            }
            self.arrive_in_template(render, library, one, &value, text_at);
            if !self.state.alive {
                return;
            }
        }
    }

    /// What the template itself reads from a request comes in where it is output.
    fn begin_in_template(&self, output: &Exposed, value: &mut Value) {
        let (file, span) = (self.template_file(output.template), span_of(&output.range));
        value.marks = value.marks.map(|mark| {
            let name = steps(&mark.trace)
                .first()
                .map_or(Symbol::new(""), |s| s.name);
            let kind = StepKind::Source;
            let source = Step {
                kind,
                file,
                span,
                name,
            };
            Some(Mark {
                trace: extend(&None, source),
                ..mark.clone()
            })
        });
    }

    /// A variable of the context, and whether it is one that the library gives.
    fn context_variable(&mut self, render: &Render<'_>, name: Symbol) -> Option<(Value, bool)> {
        let mut found: Option<Value> = None;
        for context in &render.contexts {
            if let Some(value) = self.dict_item(context, name) {
                found = Some(found.map_or_else(|| value.clone(), |f| join(&f, &value)));
            }
        }
        if let Some(found) = found {
            return Some((found, false));
        }
        if let Some(environment) = render.model.environment
            && let Some(given) = self.cx.tables.template_variables.get(&(environment, name))
        {
            let given = given.clone();
            return Some((self.import_plain(&given), false));
        }
        let (_, path) = render.model.globals.iter().find(|(n, _)| *n == name)?;
        let api = self.cx.api.path(path);
        self.current_span = render.span;
        let value = self.api_value(api);
        Some((self.with_api_source(value, render.span), true))
    }

    /// Data arrives at an output of a template.
    fn arrive_in_template(
        &mut self,
        render: &Render<'_>,
        library: &Library,
        output: &Exposed,
        value: &Value,
        text_at: Option<Span>,
    ) {
        let mut marks = self.state.deep_marks(value);
        if marks.is_empty() || output.exposure == Exposure::ScriptUrl && has_fixed_start(value) {
            return;
        }
        if output.through_call {
            marks = marks.flagged(flag::OBSCURE);
        }
        let step = |file, span, name| Step {
            kind: StepKind::Call,
            file,
            span,
            name,
        };
        let mut way = vec![step(self.file, render.span, render.what)];
        let (file, span) = match text_at {
            Some(span) => (self.file, span),
            None => {
                for (at, (number, range)) in output.via.iter().enumerate() {
                    let next = output.via.get(at + 1).map_or(output.template, |(n, _)| *n);
                    let name = Symbol::new(library.path(next));
                    way.push(step(self.template_file(*number), span_of(range), name));
                }
                (self.template_file(output.template), span_of(&output.range))
            }
        };
        let what = library.text(output.template).get(output.range.clone());
        let what = what.filter(|t| t.len() <= 60 && !t.contains(['\n', '`']));
        let what = Symbol::new(what.unwrap_or("the template"));
        let is_key = is_identifier(output.path.last());
        for &rule in &render.model.rules {
            // What a database makes itself has no blanks and no marks of HTML.
            if is_key && self.is_stored(rule) {
                continue;
            }
            let certain = self.cx.models.rules[rule as usize].confidence;
            let site = SinkSite {
                rule,
                file,
                span,
                call_span: if text_at.is_none() && !output.explicit {
                    // One line of a template that escapes nothing is one thing to repair.
                    span_of(&library.line_of(output.template, output.range.start))
                } else {
                    span
                },
                what,
                confidence: certain.min(self.confidence(output.exposure, rule)),
                // In a template there are no functions, and several may render it.
                function: Symbol::new(""),
                parameter: None,
                end: None,
                handed_on: None,
                details: Some(Box::new(SiteDetails {
                    message: format!("{{source}} is {}", output.exposure.reason()),
                    cleaned_by: self.cleaned_by(output.exposure, rule),
                    way: way.clone(),
                })),
            };
            let site = Arc::new(site);
            for mark in marks.iter() {
                self.arrive(mark, &site);
            }
        }
    }

    fn template_file(&self, number: usize) -> FileId {
        FileId(u32::try_from(self.cx.program.len() + number).unwrap_or(u32::MAX))
    }

    /// How sure it is that data does harm in such a place.
    fn confidence(&self, exposure: Exposure, rule: u16) -> Confidence {
        match exposure {
            Exposure::Unescaped => Confidence::High,
            // What may be stored is often checked where it is stored: a number, a name, an address.
            _ if self.is_stored(rule) => Confidence::Low,
            Exposure::UnquotedAttribute => Confidence::High,
            Exposure::ScriptString | Exposure::Style => Confidence::Low,
            Exposure::ScriptUrl | Exposure::TagPart | Exposure::Script | Exposure::Document => {
                Confidence::Medium
            }
        }
    }

    /// Whether a rule is about data of the application's own, not of a request.
    fn is_stored(&self, rule: u16) -> bool {
        let rule = &self.cx.models.rules[rule as usize];
        self.cx
            .remote
            .is_none_or(|kind| rule.severity[kind as usize].is_none())
    }

    /// Contexts of which one makes data harmless in such a place.
    fn cleaned_by(&self, exposure: Exposure, rule: u16) -> Contexts {
        let known = &self.cx.contexts;
        match exposure {
            Exposure::Unescaped => self.cx.models.rules[rule as usize].context,
            Exposure::ScriptUrl => known.redirect | known.url,
            _ => known.url,
        }
    }

    /// What `locals()` gives.
    pub(super) fn local_names(&mut self) -> Value {
        let function = self.frame_ref().function;
        let mut object = Object::new(Class::Builtin(Builtin::Dict));
        if function.index.0 == 0 {
            let mut all: Vec<(Symbol, Value)> = self
                .state
                .globals
                .iter()
                .map(|(n, v)| (*n, v.clone()))
                .collect();
            all.sort_by_key(|(name, _)| name.as_str());
            for (name, value) in all {
                object.set_field(Key::Item(name), value);
            }
        } else {
            let ir = self.cx.program.ir(function.file);
            let names = &ir.function(function.index).locals;
            for (slot, name) in names.iter().enumerate() {
                let slot = u32::try_from(slot).unwrap_or(u32::MAX);
                let value = self.read_var(Var::Local(slot), self.current_span);
                object.set_field(Key::Item(*name), value);
            }
        }
        self.new_object(object)
    }
}

fn of_option(escapes: Option<bool>) -> Escaping {
    match escapes {
        Some(true) => Escaping::On,
        Some(false) => Escaping::Off,
        None => Escaping::ByName,
    }
}

fn has_suffix(model: &TemplateCall, name: &str) -> bool {
    model.suffix.is_empty() || model.suffix.iter().any(|s| name.ends_with(s.as_str()))
}

/// Whether the last step of a path names a key or a number.
fn is_identifier(step: Option<&PathStep>) -> bool {
    let Some(PathStep::Attr(name)) = step else {
        return false;
    };
    matches!(
        name.as_str(),
        "id" | "pk" | "uuid" | "slug" | "count" | "total"
    ) || ["_id", "_pk", "_uuid", "_count", "_at", "_date"]
        .iter()
        .any(|s| name.ends_with(s))
}

/// Whether an address begins with a known text, so that its scheme is decided.
fn has_fixed_start(value: &Value) -> bool {
    match &value.shape {
        Shape::Text(text) => !text.prefix.as_str().trim().is_empty(),
        Shape::Const(_) => true,
        _ => false,
    }
}

fn span_of(range: &std::ops::Range<usize>) -> Span {
    Span {
        start: u32::try_from(range.start).unwrap_or(u32::MAX),
        end: u32::try_from(range.end).unwrap_or(u32::MAX),
    }
}

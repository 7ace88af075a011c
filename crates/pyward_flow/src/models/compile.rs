//! From what model files say to what the engine looks up.

use pyward_catalog::model::{self, Models};
use pyward_catalog::rule::{Confidence, Severity};
use pyward_ir::{Const, Symbol};
use pyward_regex::Method;
use pyward_templates::Dialect;

use super::{
    Callback, CallbackParam, CallbackReturn, Compiled, Condition, Entry, EntryPoint, Guard, Misuse,
    Outcome, Propagator, RegexUse, Sanitizer, Setting, Sink, Source, StateChange, TemplateCall,
};
use crate::lazy_regex::LazyRegex;
use crate::place::Place;
use crate::types::TypeExpr;

impl Compiled {
    fn at(&mut self, path: &str) -> &mut Entry {
        let path = self.canonical(path);
        self.note_prefixes(&path);
        let next = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let method = method_name(&path).map(Symbol::new);
        let index = *self.by_path.entry(path).or_insert(next);
        if index == next {
            self.entries.push(Entry::default());
            self.methods.extend(method);
        }
        &mut self.entries[index as usize]
    }

    fn kind_bits(&self, kinds: Option<&model::OneOrMany>) -> u32 {
        kinds.map_or(0, |list| {
            list.as_slice().iter().fold(0, |bits, k| match k {
                model::Scalar::Str(name) => bits | self.kind(name).map_or(0, |n| 1 << n),
                _ => bits,
            })
        })
    }

    fn conditions(&self, list: &[model::Condition]) -> Vec<Condition> {
        let regex =
            |text: &Option<String>, fold: bool| text.as_deref().map(|t| LazyRegex::new(t, fold));
        list.iter()
            .map(|c| Condition {
                arg: c.arg.as_deref().and_then(Place::parse),
                test: c.clone(),
                matches: regex(&c.matches, false),
                text: regex(&c.text, true),
                prefix: regex(&c.prefix, false),
                named: regex(&c.named, true),
                used_as: regex(&c.used_as, true),
                around: regex(&c.around, true),
                tainted: self.kind_bits(c.tainted.as_ref()),
            })
            .collect()
    }

    fn misuse(
        &self,
        rule: u16,
        when: &[model::Condition],
        unless: &[model::Condition],
        message: Option<&String>,
        confidence: Option<&String>,
        severity: Option<&String>,
    ) -> Misuse {
        let own = &self.rules[rule as usize];
        Misuse {
            rule,
            when: self.conditions(when),
            unless: self.conditions(unless),
            message: message.cloned(),
            confidence: confidence
                .and_then(|c| parse_confidence(c))
                .unwrap_or(own.confidence),
            severity: severity.and_then(|s| parse_severity(s)).unwrap_or(own.base),
        }
    }

    #[allow(
        clippy::too_many_lines,
        reason = "one paragraph per table of the format"
    )]
    pub(super) fn add(&mut self, file: &Models) {
        for (path, to) in &file.bases {
            self.at(path).bases.clone_from(to);
            for base in to {
                self.note_prefixes(base);
            }
        }
        for (path, to) in &file.returns {
            if matches!(to.as_str(), "typing.NoReturn" | "typing.Never") {
                self.at(path).diverges = true;
            } else {
                self.at(path).returns = TypeExpr::parse(to);
            }
        }
        for (name, of) in &file.parameters {
            if let Some(of) = TypeExpr::parse(of) {
                let packages = file
                    .library
                    .packages
                    .iter()
                    .map(|p| Symbol::new(p))
                    .collect();
                self.parameters
                    .entry(Symbol::new(name))
                    .or_default()
                    .push((of, packages));
            }
        }
        for (path, to) in &file.attributes {
            self.at(path).attribute = TypeExpr::parse(to);
        }
        for (path, value) in &file.constants {
            self.at(path).constant = Some(match value {
                model::Scalar::Bool(b) => Const::Bool(*b),
                model::Scalar::Int(i) => Const::Int(*i),
                model::Scalar::Float(f) => Const::Float(*f),
                model::Scalar::Str(s) => Const::Str(Symbol::new(s)),
            });
        }
        for s in &file.source {
            let Some(kind) = self.kind(&s.kind) else {
                continue;
            };
            for path in &s.path {
                let source = Source {
                    kind,
                    except: self.context_set(&s.except),
                    fixed_by_route: s.fixed_by_route,
                    to: s.to.as_deref().and_then(Place::parse),
                    when: self.conditions(&s.when),
                };
                self.at(path).sources.push(source);
            }
        }
        for s in &file.sink {
            let Some(rule) = self.rule(&s.rule) else {
                continue;
            };
            let make = |all: &Self| Sink {
                rule,
                args: s.args.iter().filter_map(|a| Place::parse(a)).collect(),
                when: all.conditions(&s.when),
                unless: all.conditions(&s.unless),
                confidence: s
                    .confidence
                    .as_deref()
                    .and_then(parse_confidence)
                    .unwrap_or(all.rules[rule as usize].confidence),
                parameter: s.parameter.as_deref().and_then(parse_severity),
            };
            for path in &s.path {
                let sink = make(self);
                self.at(path).sinks.push(sink);
            }
            for path in &s.assign {
                let sink = make(self);
                match path.strip_suffix("[]") {
                    Some(base) => self.at(base).item_sinks.push(sink),
                    None => self.at(path).assign_sinks.push(sink),
                }
            }
        }
        for s in &file.sanitizer {
            for path in &s.path {
                let sanitizer = Sanitizer {
                    cleans: self.context_set(&s.cleans),
                    keyed: s.keyed,
                    when: self.conditions(&s.when),
                    unless: self.conditions(&s.unless),
                };
                self.at(path).sanitizers.push(sanitizer);
            }
        }
        for g in &file.guard {
            let Some(arg) = Place::parse(&g.arg) else {
                continue;
            };
            for path in &g.path {
                let guard = Guard {
                    arg: arg.clone(),
                    cleans: self.context_set(&g.cleans),
                    of_normalised: g.of_normalised,
                    of_keyed: g.of_keyed,
                    outcome: match g.outcome.as_deref() {
                        Some("false") => Outcome::False,
                        Some("return") => Outcome::Return,
                        Some("member") => Outcome::Member,
                        Some("contains") => Outcome::Contains,
                        _ => Outcome::True,
                    },
                    when: self.conditions(&g.when),
                    unless: self.conditions(&g.unless),
                };
                if guard.outcome == Outcome::Member {
                    let name = path.rsplit('.').next().unwrap_or(path);
                    self.telling.insert(Symbol::new(name));
                }
                self.at(path).guards.push(guard);
            }
        }
        for s in &file.state {
            let Some(of) = Place::parse(s.of.as_deref().unwrap_or("self")) else {
                continue;
            };
            if let Some((class, _)) = s.becomes.split_once('#') {
                let class = class.to_owned();
                self.at(&s.becomes.clone()).bases = vec![class];
            }
            let make = |all: &Self| StateChange {
                of: of.clone(),
                becomes: s.becomes.clone(),
                when: all.conditions(&s.when),
                unless: all.conditions(&s.unless),
            };
            for path in &s.path {
                let change = make(self);
                self.at(path).states.push(change);
            }
            for path in &s.assign {
                let change = make(self);
                self.at(path).assign_states.push(change);
            }
        }
        let places = |list: &[String]| -> Vec<Place> {
            list.iter().filter_map(|p| Place::parse(p)).collect()
        };
        for p in &file.propagator {
            for path in &p.path {
                self.at(path).propagators.push(Propagator {
                    from: places(&p.from),
                    to: p
                        .to
                        .as_deref()
                        .filter(|t| *t != "return")
                        .and_then(Place::parse),
                    store: places(&p.store),
                    load: places(&p.load),
                    decodes: p.decodes,
                    normalises_path: p.normalises_path,
                    keeps_path: p.keeps_path,
                    prefix: p.prefix.as_deref().and_then(Place::parse),
                    removes: p.removes.as_deref().and_then(Place::parse),
                    replacement: p.replacement.as_deref().and_then(Place::parse),
                });
            }
        }
        for c in &file.callback {
            let Some(function) = Place::parse(&c.function) else {
                continue;
            };
            for path in &c.path {
                let params = c
                    .params
                    .iter()
                    .map(|p| {
                        if p == "return" {
                            CallbackParam::Returned
                        } else if let Some(t) = p.strip_prefix("type:") {
                            TypeExpr::parse(t).map_or(CallbackParam::Unknown, CallbackParam::Type)
                        } else if let Some(k) = p.strip_prefix("source:") {
                            self.kind(k)
                                .map_or(CallbackParam::Unknown, CallbackParam::Source)
                        } else {
                            Place::parse(p).map_or(CallbackParam::Unknown, CallbackParam::Place)
                        }
                    })
                    .collect();
                self.at(path).callbacks.push(Callback {
                    function: function.clone(),
                    params,
                    star: c.star.as_deref().and_then(Place::parse),
                    double_star: c.double_star.as_deref().and_then(Place::parse),
                    returns: match c.returns.as_deref() {
                        Some("result") => CallbackReturn::Result,
                        Some("list") => CallbackReturn::List,
                        Some("partial") => CallbackReturn::Partial,
                        _ => CallbackReturn::Nothing,
                    },
                });
            }
        }
        for m in &file.misuse {
            let Some(rule) = self.rule(&m.rule) else {
                continue;
            };
            let make = |all: &Self| {
                all.misuse(
                    rule,
                    &m.when,
                    &m.unless,
                    m.message.as_ref(),
                    m.confidence.as_ref(),
                    m.severity.as_ref(),
                )
            };
            for path in &m.path {
                let misuse = make(self);
                self.at(path).misuses.push(misuse);
            }
            for path in &m.read {
                let misuse = make(self);
                self.at(path).read_misuses.push(misuse);
            }
        }
        for s in &file.setting {
            let Some(rule) = self.rule(&s.rule) else {
                continue;
            };
            let index = self.settings.len();
            let symbols = |list: &[String]| list.iter().map(|n| Symbol::new(n)).collect::<Vec<_>>();
            let setting = Setting {
                misuse: self.misuse(
                    rule,
                    &s.when,
                    &s.unless,
                    s.message.as_ref(),
                    s.confidence.as_ref(),
                    s.severity.as_ref(),
                ),
                names: symbols(&s.name),
                module_has: symbols(&s.module_has),
                keys: symbols(&s.key),
                absent: s.absent,
            };
            self.settings.push(setting);
            for path in &s.assign {
                self.at(path).settings.push(index);
            }
            for path in &s.store {
                self.at(path).setting_stores.push(index);
            }
        }
        for a in &file.access {
            for path in &a.path {
                self.at(path).access.push(Symbol::new(&a.kind));
            }
        }
        for e in &file.escaping {
            let environment = Symbol::new(&e.environment);
            if let Some(place) = e.option.as_deref().and_then(Place::parse) {
                for path in &e.path {
                    self.at(path).escaping.push((environment, place.clone()));
                }
            }
            for path in &e.assign {
                self.at(path).assign_escaping.push(environment);
            }
        }
        for c in &file.template_context {
            let environment = Symbol::new(&c.environment);
            for path in &c.decorator {
                self.at(path).template_contexts.push(environment);
            }
            let place = c.arg.as_deref().and_then(Place::parse);
            if let (Some(place), Some(variable)) = (place, &c.variable) {
                let variable = Symbol::new(variable);
                for path in &c.path {
                    let given = (environment, variable, place.clone());
                    self.at(path).template_variables.push(given);
                }
            }
        }
        for t in &file.template {
            let index = self.templates.len();
            let Some(dialect) = Dialect::by_name(&t.dialect) else {
                continue;
            };
            self.templates.push(TemplateCall {
                dialect,
                escape_option: t.escape_option.as_deref().map(Symbol::new),
                escape_absent: t.escape_absent,
                suffix: t.suffix.clone(),
                environment: t.environment.as_deref().map(Symbol::new),
                variables: t
                    .variables
                    .iter()
                    .map(|(n, p)| (Symbol::new(n), p.clone()))
                    .collect(),
                method: t.method.as_deref().map(Symbol::new),
                name_attribute: t.name_attribute.as_deref().map(Symbol::new),
                globals: t
                    .globals
                    .iter()
                    .map(|(n, p)| (Symbol::new(n), p.clone()))
                    .collect(),
                rules: t.rules.iter().filter_map(|r| self.rule(r)).collect(),
                name: t.name.as_deref().and_then(Place::parse),
                source: t.source.as_deref().and_then(Place::parse),
                context: places(&t.context),
                autoescape: t.autoescape,
            });
            for path in &t.path {
                self.at(path).templates.push(index);
            }
            for path in &t.base {
                self.at(path).template_bases.push(index);
            }
        }
        for r in &file.regex {
            let (Some(rule), Some(pattern)) = (self.rule(&r.rule), Place::parse(&r.pattern)) else {
                continue;
            };
            for path in &r.path {
                self.at(path).regexes.push(RegexUse {
                    rule,
                    pattern: pattern.clone(),
                    flags: r.flags.as_deref().and_then(Place::parse),
                    text: r.text.as_deref().and_then(Place::parse),
                    method: match r.method.as_deref() {
                        Some("match") => Method::Match,
                        Some("fullmatch") => Method::FullMatch,
                        _ => Method::Search,
                    },
                });
            }
        }
        for e in &file.entry {
            let index = self.entry_points.len();
            let point = EntryPoint {
                operations: e.operations,
                methods: e.methods.iter().map(|m| Symbol::new(m)).collect(),
                by_base: !e.base.is_empty(),
                made_with: e.made_with.iter().map(|m| Symbol::new(m)).collect(),
                handler: e.handler.as_deref().and_then(Place::parse),
                functions: e.function.iter().map(|m| Symbol::new(m)).collect(),
                packages: file
                    .library
                    .packages
                    .iter()
                    .map(|p| Symbol::new(p))
                    .collect(),
                when: self.conditions(&e.when),
                params: e.params.as_deref().and_then(|k| self.kind(k)),
                types: e
                    .types
                    .iter()
                    .filter_map(|(p, t)| Some((Place::parse(p)?, TypeExpr::parse(t)?)))
                    .collect(),
                injected: e.injected.clone(),
                returns: e.returns.iter().filter_map(|r| self.rule(r)).collect(),
                route: e.route.as_deref().and_then(Place::parse),
                params_in_route: e.params_in_route,
                verbs: e.verbs.as_deref().and_then(Place::parse),
                verb: e.verb.clone(),
                protocol: Symbol::new(e.protocol.as_deref().unwrap_or("http")),
                library: Symbol::new(&file.library.name),
            };
            self.entry_points.push(point);
            for path in &e.decorator {
                self.at(path).entry_decorators.push(index);
            }
            for path in &e.base {
                self.at(path).entry_bases.push(index);
            }
            for path in &e.call {
                self.at(path).entry_calls.push(index);
            }
        }
    }
}

fn parse_confidence(text: &str) -> Option<Confidence> {
    match text {
        "high" => Some(Confidence::High),
        "medium" => Some(Confidence::Medium),
        "low" => Some(Confidence::Low),
        _ => None,
    }
}

fn parse_severity(text: &str) -> Option<Severity> {
    match text {
        "critical" => Some(Severity::Critical),
        "high" => Some(Severity::High),
        "medium" => Some(Severity::Medium),
        "low" => Some(Severity::Low),
        "info" => Some(Severity::Info),
        _ => None,
    }
}

/// The method that a path names: what follows a class, which begins with a capital letter.
fn method_name(path: &str) -> Option<&str> {
    let (class, method) = path.rsplit_once('.')?;
    let class = class.rsplit('.').next().unwrap_or(class);
    let is_class = class.starts_with(|c: char| c.is_ascii_uppercase());
    (is_class && !method.starts_with('_')).then_some(method)
}

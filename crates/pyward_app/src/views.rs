//! Classes that handle requests: what they inherit, from classes of the project and of libraries.

use pyward_catalog::Catalog;
use pyward_catalog::model::Inherited;
use pyward_flow::{Analysis, ClassRoute, Route};
use pyward_ir::{Const, ExprId, ExprKind, StmtKind, Symbol, Target};
use pyward_program::{ClassId, FileId, FunctionId, Program};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::facts::{Facts, Kinds, On, Subject};
use crate::found::{Found, Place};
use crate::names::Names;
use crate::walk::Walker;

/// Classes looked at above one.
const MAX_BASES: usize = 16;
/// Classes that inherit a handler.
const MAX_HEIRS: usize = 32;

/// The classes of the program, as far as they handle requests.
pub(crate) struct Views<'a> {
    program: &'a Program,
    analysis: &'a Analysis,
    names: &'a Names<'a>,
    registered: FxHashMap<ClassId, Vec<&'a ClassRoute>>,
    children: FxHashMap<ClassId, Vec<ClassId>>,
    models: FxHashMap<Vec<Symbol>, Vec<(&'a Inherited, Symbol)>>,
}

impl<'a> Views<'a> {
    pub(crate) fn new(
        program: &'a Program,
        analysis: &'a Analysis,
        names: &'a Names<'a>,
        catalog: &'a Catalog,
    ) -> Self {
        let mut registered: FxHashMap<ClassId, Vec<&ClassRoute>> = FxHashMap::default();
        for route in &analysis.classes {
            registered.entry(route.class).or_default().push(route);
        }
        let mut children: FxHashMap<ClassId, Vec<ClassId>> = FxHashMap::default();
        for (class, bases) in &analysis.bases {
            for base in bases {
                children.entry(*base).or_default().push(*class);
            }
        }
        for list in children.values_mut() {
            list.sort_unstable();
        }
        let mut models: FxHashMap<Vec<Symbol>, Vec<_>> = FxHashMap::default();
        for file in &catalog.models {
            for model in &file.inherited {
                for base in &model.base {
                    let path = base.split('.').map(Symbol::new).collect();
                    let library = Symbol::new(&file.library.name);
                    models.entry(path).or_default().push((model, library));
                }
            }
        }
        Self {
            program,
            analysis,
            names,
            registered,
            children,
            models,
        }
    }

    /// A class and its bases in the project, nearest first.
    pub(crate) fn lineage(&self, class: ClassId) -> Vec<ClassId> {
        let mut all = vec![class];
        let mut at = 0;
        while at < all.len() && all.len() < MAX_BASES {
            for base in self.analysis.bases.get(&all[at]).into_iter().flatten() {
                if !all.contains(base) {
                    all.push(*base);
                }
            }
            at += 1;
        }
        all
    }

    /// The method of a class by a name.
    fn method(&self, class: ClassId, name: Symbol) -> Option<FunctionId> {
        self.lineage(class).into_iter().find_map(|class| {
            let ir = self.program.ir(class.file);
            let methods = ir.class(class.index).methods.iter().copied();
            let index = methods.rev().find(|m| ir.function(*m).name == name)?;
            let file = class.file;
            Some(FunctionId { file, index })
        })
    }

    /// The registered classes that have a method as their own or inherit it.
    pub(crate) fn owners(&self, class: ClassId, method: FunctionId) -> Vec<ClassId> {
        let name = self.program.function(method).name;
        let mut owners = Vec::new();
        let mut queue = vec![class];
        let mut seen: FxHashSet<ClassId> = FxHashSet::default();
        while let Some(class) = queue.pop() {
            if !seen.insert(class) || owners.len() >= MAX_HEIRS || seen.len() > 8 * MAX_HEIRS {
                continue;
            }
            if self.method(class, name) == Some(method) {
                if self.registered.contains_key(&class) {
                    owners.push(class);
                }
                queue.extend(self.children.get(&class).into_iter().flatten());
            }
        }
        owners.sort_unstable();
        owners
    }

    /// How a class is registered.
    pub(crate) fn registrations(&self, class: ClassId) -> &[&'a ClassRoute] {
        self.registered.get(&class).map_or(&[], Vec::as_slice)
    }

    /// Whether a class or a base of it in the project binds a name in its body.
    pub(crate) fn binds(&self, class: ClassId, name: &str) -> bool {
        let name = Symbol::new(name);
        self.attribute(class, name).is_some()
    }

    fn attribute(&self, class: ClassId, name: Symbol) -> Option<(ClassId, ExprId)> {
        self.lineage(class).into_iter().find_map(|class| {
            let ir = self.program.ir(class.file);
            let body = ir.class(class.index).body;
            ir.function(body).body.iter().find_map(|&stmt| {
                let StmtKind::Assign { targets, value, .. } = &ir.stmt(stmt).kind else {
                    return None;
                };
                let is_it = targets.iter().any(|target| match target {
                    Target::Var(var, _) => self.names.var_name(class.file, body, *var) == name,
                    _ => false,
                });
                is_it.then_some((class, *value))
            })
        })
    }

    /// What libraries bring along for a class.
    fn inherited(&self, class: ClassId) -> Vec<(&'a Inherited, Symbol)> {
        let mut found: Vec<(&Inherited, Symbol)> = Vec::new();
        for class in self.lineage(class) {
            let description = self.program.class(class);
            for &base in &description.bases {
                let chain = self.names.chain(class.file, description.parent, base);
                for model in chain
                    .and_then(|c| self.models.get(&c))
                    .into_iter()
                    .flatten()
                {
                    if !found.iter().any(|(known, _)| std::ptr::eq(*known, model.0)) {
                        found.push(*model);
                    }
                }
            }
        }
        let actions = self.actions(class);
        found.retain(|(model, _)| {
            if let (Some(actions), Some(action)) = (&actions, &model.action)
                && !actions.contains(&Symbol::new(action))
            {
                return false;
            }
            let is_own = |name: &String| self.method(class, Symbol::new(name)).is_some();
            !model.replaced_by.iter().any(is_own)
        });
        found
    }

    /// The names that the calls which register a class map HTTP methods to (`{"get": "list"}`), if all do.
    fn actions(&self, class: ClassId) -> Option<Vec<Symbol>> {
        let mut actions = Vec::new();
        for registration in self.registrations(class) {
            let (file, site) = registration.site?;
            let ir = self.program.ir(file);
            let known = actions.len();
            ir.each_descendant(site, &mut |expr| {
                if let ExprKind::Dict(items) = &ir.expr(expr).kind {
                    for (_, value) in items {
                        if let ExprKind::Const(Const::Str(name)) = ir.expr(*value).kind {
                            actions.push(name);
                        }
                    }
                }
            });
            if actions.len() == known {
                return None;
            }
        }
        (!actions.is_empty()).then_some(actions)
    }

    /// Routes whose handlers classes of these files inherit from libraries.
    pub(crate) fn routes(&self, files: &FxHashSet<FileId>) -> Vec<(ClassId, Route)> {
        let mut all = Vec::new();
        let classes = self.program.class_ids().filter(|c| files.contains(&c.file));
        for class in classes.filter(|c| !self.program.is_test(c.file)) {
            let registrations = self.registrations(class);
            // One that is not registered, but inherited, is there for its heirs.
            if registrations.is_empty() && self.children.contains_key(&class) {
                continue;
            }
            let inherited = self.inherited(class);
            let Some((_, library)) = inherited.first() else {
                continue;
            };
            let body = self.program.class(class).body;
            let mut route = Route {
                function: FunctionId {
                    file: class.file,
                    index: body,
                },
                paths: Vec::new(),
                verbs: Vec::new(),
                library: *library,
                protocol: Symbol::new("http"),
                guards: Vec::new(),
                sites: Vec::new(),
            };
            for (model, _) in &inherited {
                for verb in &model.verbs {
                    let handler = Symbol::new(&verb.to_lowercase());
                    let verb = Symbol::new(verb);
                    if !route.verbs.contains(&verb) && self.method(class, handler).is_none() {
                        route.verbs.push(verb);
                    }
                }
            }
            if route.verbs.is_empty() {
                continue;
            }
            route.verbs.sort_unstable_by_key(|v| v.as_str());
            for registration in registrations {
                route.paths.extend(&registration.paths);
                route.guards.extend(&registration.guards);
                route.sites.extend(registration.site);
            }
            all.push((class, route));
        }
        all
    }

    /// What the handlers do that a class inherits from libraries, and the methods of the project that they call.
    pub(crate) fn does(&self, facts: &Facts, walker: &mut Walker<'_>, class: ClassId) -> Found {
        let mut found = Found::default();
        let description = self.program.class(class);
        let here = Place::new(class.file, description.name_span, description.body);
        let bit = |kind: &str| facts.kind(kind).map_or(0, |kind| 1 << kind);
        let labels: Kinds = bit("request") | bit("record");
        found.add(labels, &here);
        let mut parts: Vec<Symbol> = Vec::new();
        for (model, _) in self.inherited(class) {
            let record = model.model.iter().find_map(|name| {
                let (of, value) = self.attribute(class, Symbol::new(name))?;
                self.record_class(of, value)
            });
            let record = record.unwrap_or_else(|| Symbol::new("?"));
            for call in &model.calls {
                let chain: Vec<Symbol> = call
                    .split('.')
                    .map(|part| match part {
                        "{model}" => record,
                        part => Symbol::new(part),
                    })
                    .collect();
                let subject = Subject {
                    chain: &chain,
                    labels,
                    ..Subject::default()
                };
                found.add(facts.find(On::Call, &subject), &here);
            }
            parts.extend(model.parts.iter().map(|name| Symbol::new(name)));
        }
        parts.sort_unstable_by_key(|name| name.as_str());
        parts.dedup();
        for name in parts {
            if let Some(method) = self.method(class, name) {
                let summary = walker.function(method, &[]);
                found.merge(&summary.found);
            }
        }
        found
    }

    /// The class of records that an attribute names: `Note`, `Note.objects.all()`.
    fn record_class(&self, class: ClassId, value: ExprId) -> Option<Symbol> {
        let ir = self.program.ir(class.file);
        if let ExprKind::Const(_) = ir.expr(value).kind {
            return None;
        }
        let body = ir.class(class.index).body;
        let chain = self.names.chain(class.file, body, value)?;
        let is_class = |part: &&Symbol| part.as_str().starts_with(char::is_uppercase);
        chain.iter().rev().find(is_class).copied()
    }
}

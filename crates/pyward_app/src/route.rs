//! One route: what its handler does, and what is in force before it.

use pyward_flow::Route;
use pyward_ir::{FunctionIndex, Symbol};
use pyward_program::{ClassId, FunctionId};

use crate::Stage;
use crate::facts::{Kinds, On, Subject};
use crate::found::{Found, Place};
use crate::hooks::{Hook, Preset};
use crate::routing::{Routing, Way};
use crate::walk::Walker;

/// A route and what it does.
pub(crate) struct RouteFacts {
    /// With whole URL patterns.
    pub(crate) route: Route,
    /// The handler is a method.
    pub(crate) is_method: bool,
    /// All facts.
    pub(crate) found: Found,
    /// What the handler does, without its guards.
    pub(crate) own: Found,
    /// Kinds of protecting facts that are in force before the handler runs, and of what the route is by itself.
    pub(crate) before: Kinds,
}

/// What is needed to look at routes.
pub(crate) struct Builder<'s, 'a> {
    pub(crate) stage: &'s Stage<'a>,
    pub(crate) walker: &'s mut Walker<'a>,
    pub(crate) routing: &'s mut Routing<'a>,
    pub(crate) hooks: &'s [Hook],
    pub(crate) presets: &'s [Preset],
}

impl Builder<'_, '_> {
    /// What a route does and what guards it. `inherits` is the class whose handlers come from a library.
    pub(crate) fn route(&mut self, mut route: Route, inherits: Option<ClassId>) -> RouteFacts {
        let Stage {
            program,
            facts,
            views,
            ..
        } = *self.stage;
        let id = route.function;
        let file = id.file;
        let function = program.function(id);
        let parent = function.parent.unwrap_or(FunctionIndex(0));
        let here = Place::new(file, function.name_span, id.index);
        let mut found = Found::default();
        for &decorator in &function.decorators {
            self.walker.guard(file, parent, decorator, &mut found);
        }
        let class = inherits.or(function.class.map(|index| ClassId { file, index }));
        let mut owners = Vec::new();
        if let Some(class) = class {
            owners = match inherits {
                Some(_) => vec![class],
                None => views.owners(class, id),
            };
            if owners.is_empty() {
                owners.push(class);
            }
            // A handler that several classes inherit is as well guarded as in the worst of them.
            let each: Vec<Found> = owners
                .iter()
                .map(|&owner| {
                    let mut found = self.class(owner, id);
                    // `login_required(View.as_view())`
                    let registrations = views.registrations(owner).iter();
                    for guard in registrations.flat_map(|r| &r.guards) {
                        let kind = facts.kind(guard.as_str());
                        found.add(kind.map_or(0, |kind| 1 << kind), &here);
                    }
                    found
                })
                .collect();
            merge_common(&mut found, &each);
        }
        for guard in &route.guards {
            let kind = facts.kind(guard.as_str());
            if let Some(kind) = kind.filter(|kind| !found.has(*kind)) {
                found.add(1 << kind, &here);
            }
        }
        let own_paths = self.place(&mut route, class, &owners, &mut found);
        self.presets(&route, &owners, &mut found);
        let mut texts = own_paths;
        texts.push(function.name);
        if let Some(class) = class {
            texts.push(program.class(class).name);
        }
        let mut of_route = self.named(On::Route, &texts);
        of_route |= self.named(On::Url, &route.paths);
        found.add(of_route, &here);
        let mut params = Vec::new();
        for param in &function.params {
            let mut labels = 0;
            for expr in param.default.into_iter().chain(param.annotation) {
                labels |= self.walker.guard(file, parent, expr, &mut found);
            }
            let of_name = facts.find(
                On::Parameter,
                &Subject {
                    chain: &[param.name],
                    labels,
                    ..Subject::default()
                },
            );
            let place = Place::new(file, param.span, id.index);
            found.add(of_name, &place);
            of_route |= of_name;
            params.push(labels | of_name);
        }
        let guards = std::mem::take(&mut found);
        found.merge_kinds(&guards, facts.protecting | of_route);
        let before = found.kinds();
        let own = match inherits {
            Some(class) => views.does(facts, self.walker, class),
            None => self.walker.function(id, &params).found.clone(),
        };
        found.merge(&own);
        RouteFacts {
            route,
            is_method: class.is_some(),
            found,
            own,
            before,
        }
    }

    fn named(&self, on: On, texts: &[Symbol]) -> Kinds {
        let subject = Subject {
            names: texts,
            ..Subject::default()
        };
        self.stage.facts.find(on, &subject)
    }

    /// Facts of a handler's class and its bases: their attributes, and their methods that are no handlers.
    fn class(&mut self, class: ClassId, handler: FunctionId) -> Found {
        let Stage {
            program,
            analysis,
            views,
            facts,
            ..
        } = *self.stage;
        let mut found = Found::default();
        for class in views.lineage(class) {
            let description = program.class(class);
            for &expr in description.bases.iter().chain(&description.decorators) {
                let parent = description.parent;
                self.walker.guard(class.file, parent, expr, &mut found);
            }
            self.walker
                .class_body(class.file, description.body, &mut found);
            for &index in &description.methods {
                let method = FunctionId {
                    file: class.file,
                    index,
                };
                let is_route = analysis
                    .routes
                    .binary_search_by_key(&method, |r| r.function)
                    .is_ok_and(|at| crate::is_http(&analysis.routes[at]));
                if method != handler && !is_route {
                    let summary = self.walker.function(method, &[]);
                    found.merge_kinds(&summary.found, facts.protecting);
                }
            }
        }
        found
    }

    /// Puts a route under the routers above it: its whole patterns, what guards them, hooks. The patterns of its own.
    fn place(
        &mut self,
        route: &mut Route,
        class: Option<ClassId>,
        owners: &[ClassId],
        found: &mut Found,
    ) -> Vec<Symbol> {
        let views = self.stage.views;
        let registered: Vec<_> = owners
            .iter()
            .flat_map(|&owner| views.registrations(owner))
            .collect();
        // What a class is registered with stands before what its method has itself.
        let of_class = class.map_or(&[][..], |class| views.registrations(class));
        let is_own = |path: &&Symbol| {
            !of_class.iter().any(|r| r.paths.contains(path))
                && !registered.iter().any(|r| r.paths.contains(path))
        };
        let own: Vec<Symbol> = route.paths.iter().filter(is_own).copied().collect();
        let mut patterns: Vec<(Symbol, Way)> = Vec::new();
        let mut ways: Vec<Way> = Vec::new();
        for registration in &registered {
            let around = match registration.site {
                Some(site) => self.routing.ways(site),
                None => vec![Way::default()],
            };
            for way in around {
                for &path in &registration.paths {
                    if own.is_empty() {
                        patterns.push((path, way.clone()));
                    }
                    for &own in &own {
                        let inner = Way::of(path.as_str());
                        patterns.push((inner.url(own), way.clone()));
                    }
                }
                ways.push(way);
            }
        }
        if registered.is_empty() {
            for &site in &route.sites {
                for way in self.routing.ways(site) {
                    for &path in &route.paths {
                        patterns.push((path, way.clone()));
                    }
                    ways.push(way);
                }
            }
        }
        if ways.is_empty() {
            ways.push(Way::default());
        }
        let all: Vec<Found> = ways.iter().map(|way| self.way(way)).collect();
        merge_common(found, &all);
        let own_paths = match own.is_empty() {
            true => route.paths.clone(),
            false => own,
        };
        if !patterns.is_empty() {
            let mut paths: Vec<Symbol> = Vec::new();
            for (path, way) in &patterns {
                let url = way.url(*path);
                if !paths.contains(&url) {
                    paths.push(url);
                }
            }
            route.paths = paths;
        }
        for registration in registered {
            if let Some(site) = registration.site
                && !route.sites.contains(&site)
            {
                route.sites.push(site);
            }
        }
        own_paths
    }

    /// What is in force on a way to a route.
    fn way(&mut self, way: &Way) -> Found {
        let mut found = Found::default();
        for &(file, function, expr) in &way.guards {
            self.walker.guard(file, function, expr, &mut found);
        }
        for hook in self.hooks.iter().filter(|hook| hook.guards(way)) {
            found.merge(&hook.found);
        }
        found
    }

    /// Guards that settings name for all routes of a library.
    fn presets(&self, route: &Route, owners: &[ClassId], found: &mut Found) {
        for preset in self.presets {
            let is_replaced = owners.iter().any(|&owner| {
                let mut names = preset.replaced_by.iter();
                names.any(|name| self.stage.views.binds(owner, name))
            });
            if preset
                .library
                .is_none_or(|library| library == route.library)
                && !is_replaced
            {
                found.merge_kinds(&preset.found, self.stage.facts.protecting);
            }
        }
    }
}

/// Adds what all have.
fn merge_common(into: &mut Found, all: &[Found]) {
    let common = all.iter().fold(Kinds::MAX, |set, f| set & f.kinds());
    for found in all {
        into.merge_kinds(found, common);
    }
}

//! Applications: the files that belong together, their routes, and the facts of both.

use pyward_flow::{Analysis, Route};
use pyward_ir::{Const, ExprKind, FunctionIndex, Span, StmtKind, Symbol, Target};
use pyward_program::{ClassId, FileId, FunctionId, Program};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::facts::{Facts, Kinds, On, Subject};
use crate::found::{Found, Place};
use crate::names::Names;
use crate::walk::Walker;

/// A route and what it does.
pub(crate) struct RouteFacts<'a> {
    pub(crate) route: &'a Route,
    /// All facts.
    pub(crate) found: Found,
    /// What the handler does, without its guards.
    pub(crate) own: Found,
    /// Kinds of protecting facts that are in force before the handler runs, and of what the route is by itself.
    pub(crate) before: Kinds,
}

/// Files that belong together.
pub(crate) struct Application<'a> {
    pub(crate) routes: Vec<RouteFacts<'a>>,
    /// Facts of all its code.
    pub(crate) found: Found,
    /// The walk ran out of steps.
    pub(crate) is_cut: bool,
}

/// The files of each application that has routes, in order. Files belong together if one imports the other or
/// names its module in a text (`include("shop.urls")`).
pub(crate) fn group(program: &Program, analysis: &Analysis, names: &Names<'_>) -> Vec<Vec<FileId>> {
    let mut parents: Vec<u32> = (0..u32::try_from(program.len()).unwrap_or(u32::MAX)).collect();
    fn root(parents: &mut [u32], mut at: u32) -> u32 {
        while parents[at as usize] != at {
            let up = parents[parents[at as usize] as usize];
            parents[at as usize] = up;
            at = up;
        }
        at
    }
    let mut join = |a: FileId, b: FileId| {
        let (a, b) = (root(&mut parents, a.0), root(&mut parents, b.0));
        parents[a.max(b) as usize] = a.min(b);
    };
    for file in program.file_ids() {
        for imported in names.imports(file) {
            join(file, *imported);
        }
        for expr in &program.ir(file).exprs {
            if let ExprKind::Const(Const::Str(text)) = expr.kind
                && is_dotted(text.as_str())
                && names.is_ours(text.as_str())
                && let Some(named) = module_of(program, text.as_str())
            {
                join(file, named);
            }
        }
    }
    let mut with_routes: FxHashSet<u32> = FxHashSet::default();
    for route in &analysis.routes {
        if crate::is_http(route) {
            with_routes.insert(root(&mut parents, route.function.file.0));
        }
    }
    let mut groups: FxHashMap<u32, Vec<FileId>> = FxHashMap::default();
    for file in program.file_ids() {
        let of = root(&mut parents, file.0);
        if with_routes.contains(&of) {
            groups.entry(of).or_default().push(file);
        }
    }
    let mut groups: Vec<Vec<FileId>> = groups.into_values().collect();
    groups.sort();
    groups
}

fn is_dotted(text: &str) -> bool {
    text.contains('.')
        && text.len() < 120
        && text.split('.').all(|part| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        })
}

/// The file of the module that a dotted name is or lies in.
fn module_of(program: &Program, dotted: &str) -> Option<FileId> {
    let mut name = dotted;
    for _ in 0..3 {
        if let Some(file) = program.file_named(Symbol::new(name)) {
            return Some(file);
        }
        name = name.rsplit_once('.')?.0;
        if !name.contains('.') {
            return None;
        }
    }
    None
}

impl<'a> Application<'a> {
    pub(crate) fn new(
        program: &'a Program,
        analysis: &'a Analysis,
        facts: &'a Facts,
        names: &'a Names<'a>,
        files: &[FileId],
    ) -> Self {
        let found = everywhere(program, facts, names, files);
        let mut walker = Walker::new(program, analysis, facts, names);
        walker.allow(files);
        let members: FxHashSet<FileId> = files.iter().copied().collect();
        let ours: Vec<&Route> = analysis
            .routes
            .iter()
            .filter(|r| members.contains(&r.function.file))
            .collect();
        let hooks = hooks(program, facts, names, files, &mut walker);
        let mut routes = Vec::new();
        for route in ours.into_iter().filter(|r| crate::is_http(r)) {
            let mut of_route = route_facts(program, analysis, facts, &mut walker, route);
            of_route.found.merge_kinds(&hooks, facts.protecting);
            of_route.before |= hooks.kinds() & facts.protecting;
            routes.push(of_route);
        }
        let mut application = Self {
            routes,
            found,
            is_cut: walker.is_spent(),
        };
        for route in &application.routes {
            application.found.merge(&route.found);
        }
        application
    }
}

/// Facts that need nothing but names, of all code of an application.
fn everywhere(program: &Program, facts: &Facts, names: &Names<'_>, files: &[FileId]) -> Found {
    let mut found = Found::default();
    let known = facts.last_parts();
    for &file in files {
        let ir = program.ir(file);
        for class in &ir.classes {
            for &stmt in &ir.function(class.body).body {
                let targets = match &ir.stmt(stmt).kind {
                    StmtKind::Assign { targets, .. } => &**targets,
                    StmtKind::Declare { target, .. } => std::slice::from_ref(target),
                    _ => &[],
                };
                for target in targets {
                    if let Target::Var(var, span) = target {
                        let name = names.var_name(file, class.body, *var);
                        let subject = Subject {
                            chain: &[name],
                            ..Subject::default()
                        };
                        let kinds = facts.find(On::Column, &subject);
                        found.add(kinds, &Place::new(file, *span, class.body));
                    }
                }
            }
        }
        // Which function an expression stands in matters for imports inside functions alone.
        let function = FunctionIndex(0);
        let mut add = |kinds: Kinds, span: Span| {
            found.add(kinds, &Place::new(file, span, function));
        };
        for (at, expr) in ir.exprs.iter().enumerate() {
            let id = pyward_ir::ExprId(u32::try_from(at).unwrap_or(u32::MAX));
            match &expr.kind {
                ExprKind::Const(Const::Str(text)) => {
                    add(facts.of_text(*text), expr.span);
                    continue;
                }
                ExprKind::Attribute { attr, .. } if known.contains(attr) => {}
                ExprKind::Name(pyward_ir::Var::Global(_)) => {}
                _ => continue,
            }
            let chain = names.chain(file, function, id);
            let Some(chain) = chain.filter(|c| c.last().is_some_and(|l| known.contains(l))) else {
                continue;
            };
            let subject = Subject {
                chain: &chain,
                ..Subject::default()
            };
            let kinds = [On::Call, On::Read, On::Guard];
            add(
                kinds
                    .iter()
                    .fold(0, |set, on| set | facts.find(*on, &subject)),
                expr.span,
            );
        }
    }
    found
}

/// What functions do that run before every handler, if they turn requests away.
fn hooks(
    program: &Program,
    facts: &Facts,
    names: &Names<'_>,
    files: &[FileId],
    walker: &mut Walker<'_>,
) -> Found {
    let mut all = Found::default();
    let bit = |kind: &str| facts.kind(kind).map_or(0, |kind| 1 << kind);
    let (hook, middleware): (Kinds, Kinds) = (bit("hook"), bit("middleware"));
    let is_of = |file: FileId, function: FunctionIndex, expr: pyward_ir::ExprId, kind: Kinds| {
        let chain = names.chain(file, function, expr).unwrap_or_default();
        let subject = Subject {
            chain: &chain,
            ..Subject::default()
        };
        facts.find(On::Guard, &subject) & kind != 0
    };
    let mut hooks: Vec<FunctionId> = Vec::new();
    let mut parts: Vec<(Symbol, Vec<FunctionId>)> = Vec::new();
    for &file in files {
        let ir = program.ir(file);
        for (at, function) in ir.functions.iter().enumerate() {
            let index = FunctionIndex(u32::try_from(at).unwrap_or(u32::MAX));
            let parent = function.parent.unwrap_or(FunctionIndex(0));
            let id = FunctionId { file, index };
            let has = |kind: Kinds| {
                function
                    .decorators
                    .iter()
                    .any(|&d| is_of(file, parent, d, kind))
            };
            if has(hook) {
                hooks.push(id);
            } else if has(middleware) {
                // One defined inside another function is made by calling that.
                let name = if parent.0 == 0 {
                    function.name
                } else {
                    ir.function(parent).name
                };
                parts.push((name, vec![id]));
            }
        }
        for class in &ir.classes {
            let is_middleware = class.name.as_str().ends_with("Middleware")
                || class
                    .bases
                    .iter()
                    .any(|&base| is_of(file, class.parent, base, middleware));
            if is_middleware {
                let methods = class
                    .methods
                    .iter()
                    .map(|&index| FunctionId { file, index });
                parts.push((class.name, methods.collect()));
            }
        }
    }
    if !parts.is_empty() {
        // Middleware works only where it is put to use.
        let used = used_names(program, files);
        for (name, functions) in parts {
            if used.contains(&name) {
                hooks.extend(functions);
            }
        }
    }
    let denies = facts.kind("denies");
    for id in hooks {
        let summary = walker.function(id, &[]);
        if denies.is_some_and(|kind| summary.found.has(kind)) {
            all.merge(&summary.found);
        }
    }
    all
}

/// Names that are read or imported, and the last parts of dotted names in texts.
fn used_names(program: &Program, files: &[FileId]) -> FxHashSet<Symbol> {
    let mut used = FxHashSet::default();
    for &file in files {
        for expr in &program.ir(file).exprs {
            match expr.kind {
                ExprKind::Name(pyward_ir::Var::Global(name)) => {
                    used.insert(name);
                }
                ExprKind::Attribute { attr, .. } => {
                    used.insert(attr);
                }
                ExprKind::Const(Const::Str(text)) if is_dotted(text.as_str()) => {
                    let last = text.as_str().rsplit('.').next().unwrap_or_default();
                    used.insert(Symbol::new(last));
                }
                _ => {}
            }
        }
    }
    used
}

/// What a route does and what guards it.
fn route_facts<'a>(
    program: &Program,
    analysis: &Analysis,
    facts: &Facts,
    walker: &mut Walker<'_>,
    route: &'a Route,
) -> RouteFacts<'a> {
    let id = route.function;
    let file = id.file;
    let function = program.function(id);
    let parent = function.parent.unwrap_or(FunctionIndex(0));
    let here = Place::new(file, function.name_span, id.index);
    let mut found = Found::default();
    for &decorator in &function.decorators {
        walker.guard(file, parent, decorator, &mut found);
    }
    if let Some(index) = function.class {
        class_facts(
            program,
            analysis,
            walker,
            ClassId { file, index },
            id,
            &mut found,
        );
    }
    for guard in &route.guards {
        let kind = facts.kind(guard.as_str());
        if let Some(kind) = kind.filter(|kind| !found.has(*kind)) {
            found.add(1 << kind, &here);
        }
    }
    let mut texts: Vec<Symbol> = route.paths.clone();
    texts.push(function.name);
    let subject = Subject {
        names: &texts,
        ..Subject::default()
    };
    let mut of_route = facts.find(On::Route, &subject);
    found.add(of_route, &here);
    let mut params = Vec::new();
    for param in &function.params {
        let mut labels = 0;
        for expr in param.default.into_iter().chain(param.annotation) {
            labels |= walker.guard(file, parent, expr, &mut found);
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
    let summary = walker.function(id, &params);
    found.merge(&summary.found);
    RouteFacts {
        route,
        found,
        before,
        own: summary.found.clone(),
    }
}

/// Facts of a handler's class and its bases: their attributes, and their methods that are no handlers.
fn class_facts(
    program: &Program,
    analysis: &Analysis,
    walker: &mut Walker<'_>,
    class: ClassId,
    handler: FunctionId,
    found: &mut Found,
) {
    let mut queue = vec![class];
    let mut seen: FxHashSet<ClassId> = FxHashSet::default();
    while let Some(class) = queue.pop() {
        if seen.len() > 16 || !seen.insert(class) {
            continue;
        }
        let ir = program.ir(class.file);
        let description = ir.class(class.index);
        for &expr in description.bases.iter().chain(&description.decorators) {
            walker.guard(class.file, description.parent, expr, found);
        }
        walker.class_body(class.file, description.body, found);
        for &index in &description.methods {
            let method = FunctionId {
                file: class.file,
                index,
            };
            let is_route = analysis
                .routes
                .binary_search_by_key(&method, |r| r.function)
                .is_ok();
            if method != handler && !is_route {
                let summary = walker.function(method, &[]);
                found.merge(&summary.found);
            }
        }
        queue.extend(analysis.bases.get(&class).into_iter().flatten());
    }
}

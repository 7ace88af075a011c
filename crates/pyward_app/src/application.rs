//! Applications: the files that belong together, their routes, and the facts of both.

use pyward_flow::{Analysis, Route};
use pyward_ir::{Const, ExprKind, FunctionIndex, Span, StmtKind, Symbol, Target};
use pyward_program::{ClassId, FileId, Program};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::Stage;
use crate::facts::{Facts, Kinds, On, Subject};
use crate::found::{Found, Place};
use crate::hooks;
use crate::names::{Names, is_dotted};
use crate::route::{Builder, RouteFacts};
use crate::routing::Routing;
use crate::walk::Walker;

/// Files that belong together.
pub(crate) struct Application {
    pub(crate) routes: Vec<RouteFacts>,
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
    for route in &analysis.classes {
        with_routes.insert(root(&mut parents, route.class.file.0));
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

impl Application {
    pub(crate) fn new(stage: &Stage<'_>, files: &[FileId]) -> Self {
        let Stage {
            program,
            analysis,
            catalog,
            facts,
            names,
            views,
            ..
        } = *stage;
        let found = everywhere(program, facts, names, files);
        let mut walker = Walker::new(program, analysis, facts, names);
        walker.allow(files);
        let mut routing = Routing::new(program, names, stage.routers, files);
        let members: FxHashSet<FileId> = files.iter().copied().collect();
        let hooks = hooks::hooks(program, facts, names, files, &mut walker, &mut routing);
        let presets = hooks::defaults(program, catalog, names, files, &mut walker);
        let ours = analysis
            .routes
            .iter()
            .filter(|r| crate::is_http(r) && members.contains(&r.function.file));
        let mut routes = Vec::new();
        let mut route_facts = |route: Route, inherits: Option<ClassId>| {
            let mut builder = Builder {
                stage,
                walker: &mut walker,
                routing: &mut routing,
                hooks: &hooks,
                presets: &presets,
            };
            routes.push(builder.route(route, inherits));
        };
        for route in ours {
            route_facts(route.clone(), None);
        }
        for (class, route) in views.routes(&members) {
            route_facts(route, Some(class));
        }
        routes.sort_by_key(|r| r.route.function);
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

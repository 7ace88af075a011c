//! What runs before handlers without standing at them: hooks, middleware, guards that settings name.

use pyward_catalog::Catalog;
use pyward_catalog::model::DefaultGuard;
use pyward_ir::{Const, ExprId, ExprKind, FunctionIndex, StmtKind, Symbol, Target, Var};
use pyward_program::{FileId, FunctionId, Program};
use rustc_hash::FxHashSet;

use crate::facts::{Facts, Kinds, On, Subject};
use crate::found::Found;
use crate::names::{Names, Referent, is_dotted};
use crate::routing::{Routing, Way};
use crate::walk::Walker;

/// What a function does that runs before handlers, and before which.
pub(crate) struct Hook {
    /// Of this router alone.
    router: Option<usize>,
    pub(crate) found: Found,
}

impl Hook {
    /// Whether it runs before a route that is reached so.
    pub(crate) fn guards(&self, way: &Way) -> bool {
        self.router.is_none_or(|router| way.passes(router))
    }
}

/// Guards that the settings of an application name for all routes.
pub(crate) struct Preset {
    pub(crate) found: Found,
    /// Only routes of this library have them ...
    pub(crate) library: Option<Symbol>,
    /// ... unless their class binds one of these names.
    pub(crate) replaced_by: Vec<String>,
}

/// What functions do that run before handlers, if they turn requests away.
pub(crate) fn hooks(
    program: &Program,
    facts: &Facts,
    names: &Names<'_>,
    files: &[FileId],
    walker: &mut Walker<'_>,
    routing: &mut Routing<'_>,
) -> Vec<Hook> {
    let bit = |kind: &str| facts.kind(kind).map_or(0, |kind| 1 << kind);
    let (hook, everywhere, middleware): (Kinds, Kinds, Kinds) =
        (bit("hook"), bit("hook-everywhere"), bit("middleware"));
    let kinds_of = |file: FileId, function: FunctionIndex, expr: ExprId| {
        let chain = names.chain(file, function, expr).unwrap_or_default();
        let subject = Subject {
            chain: &chain,
            ..Subject::default()
        };
        facts.find(On::Guard, &subject)
    };
    let mut hooks: Vec<(FunctionId, Option<usize>)> = Vec::new();
    let mut parts: Vec<(Symbol, Vec<FunctionId>)> = Vec::new();
    for &file in files {
        let ir = program.ir(file);
        for (at, function) in ir.functions.iter().enumerate() {
            let index = FunctionIndex(u32::try_from(at).unwrap_or(u32::MAX));
            let parent = function.parent.unwrap_or(FunctionIndex(0));
            let id = FunctionId { file, index };
            for &decorator in &function.decorators {
                let kinds = kinds_of(file, parent, decorator);
                if kinds & everywhere != 0 {
                    hooks.push((id, None));
                } else if kinds & hook != 0 {
                    hooks.push((id, routing.of_hook(file, parent, decorator)));
                } else if kinds & middleware != 0 && !routing.scoped.contains(&id) {
                    // One defined inside another function is made by calling that.
                    let name = if parent.0 == 0 {
                        function.name
                    } else {
                        ir.function(parent).name
                    };
                    parts.push((name, vec![id]));
                }
            }
        }
        // `app.before_request(check)`
        let last_parts = facts.last_parts_of(hook | everywhere);
        for (at, expr) in ir.exprs.iter().enumerate() {
            let ExprKind::Call { callee, args } = &expr.kind else {
                continue;
            };
            let ExprKind::Attribute { attr, .. } = ir.expr(*callee).kind else {
                continue;
            };
            let Some(first) = args.first().filter(|_| last_parts.contains(&attr)) else {
                continue;
            };
            let function = crate::routing::enclosing(ir, expr.span);
            let Some(Referent::Function(id)) = names.referent(file, function, first.value) else {
                continue;
            };
            let kinds = kinds_of(file, function, *callee);
            let site = ExprId(u32::try_from(at).unwrap_or(u32::MAX));
            if kinds & everywhere != 0 {
                hooks.push((id, None));
            } else if kinds & hook != 0 {
                hooks.push((id, routing.of_hook(file, function, site)));
            }
        }
        for class in &ir.classes {
            let is_middleware = class.name.as_str().ends_with("Middleware")
                || class
                    .bases
                    .iter()
                    .any(|&base| kinds_of(file, class.parent, base) & middleware != 0);
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
                hooks.extend(functions.into_iter().map(|id| (id, None)));
            }
        }
    }
    let Some(denies) = facts.kind("denies") else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for (id, router) in hooks {
        let summary = walker.function(id, &[]);
        if summary.found.has(denies) {
            let mut found = Found::default();
            found.merge_kinds(&summary.found, facts.protecting);
            all.push(Hook { router, found });
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
                ExprKind::Name(Var::Global(name)) => {
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

/// Guards that settings name.
pub(crate) fn defaults(
    program: &Program,
    catalog: &Catalog,
    names: &Names<'_>,
    files: &[FileId],
    walker: &mut Walker<'_>,
) -> Vec<Preset> {
    let mut all = Vec::new();
    for models in &catalog.models {
        for description in &models.default_guard {
            let mut found = Found::default();
            for &file in files.iter().filter(|file| !program.is_test(**file)) {
                for value in settings(program, names, file, description) {
                    if description.classes {
                        walker.guard(file, FunctionIndex(0), value, &mut found);
                    } else {
                        walker.named_in(file, value, &mut found);
                    }
                }
            }
            // That a setting lets everyone in by default is no decision about any one route.
            let found = {
                let mut kept = Found::default();
                kept.merge_kinds(&found, !walker.public());
                kept
            };
            if found.kinds() != 0 {
                let library = Symbol::new(&models.library.name);
                all.push(Preset {
                    found,
                    library: description.own_routes.then_some(library),
                    replaced_by: description.replaced_by.clone(),
                });
            }
        }
    }
    all
}

/// The values that a module gives to a setting: `NAME`, or `NAME.KEY` for an item of a dictionary.
fn settings(
    program: &Program,
    names: &Names<'_>,
    file: FileId,
    description: &DefaultGuard,
) -> Vec<ExprId> {
    let ir = program.ir(file);
    let mut values = Vec::new();
    for &stmt in &ir.functions[0].body {
        let (targets, value) = match &ir.stmt(stmt).kind {
            StmtKind::Assign { targets, value, .. } => (&**targets, *value),
            StmtKind::AugAssign { target, value, .. } => (std::slice::from_ref(target), *value),
            _ => continue,
        };
        for target in targets {
            let Target::Var(var, _) = target else {
                continue;
            };
            let bound = names.var_name(file, FunctionIndex(0), *var);
            for setting in &description.name {
                let (name, key) = setting.split_once('.').unwrap_or((setting, ""));
                if bound.as_str() != name {
                    continue;
                }
                match &ir.expr(value).kind {
                    _ if key.is_empty() => values.push(value),
                    ExprKind::Dict(items) => {
                        for (item, value) in items {
                            if let Some(item) = item
                                && let ExprKind::Const(Const::Str(text)) = ir.expr(*item).kind
                                && text.as_str() == key
                            {
                                values.push(*value);
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    values
}

//! Routers: the objects that routes are registered on, how one is put under another, and what runs before their
//! routes.
//!
//! Models name the calls that create and mount routers ([`pyward_catalog::model::Router`]). A router is known by the
//! call that creates it, a list of routes in the text, or the module whose variable holds the routes.

use pyward_catalog::Catalog;
use pyward_catalog::model::Router;
use pyward_ir::{
    Arg, ArgKind, Const, ExprId, ExprKind, FileIr, FunctionIndex, Span, StmtKind, Symbol, Target,
    Var,
};
use pyward_program::{FileId, FunctionId, Program};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::names::{Names, Referent};

/// Names, calls and attributes followed to find a router.
const MAX_HOPS: u8 = 8;
/// Routers above one another.
const MAX_NESTING: usize = 8;
/// Ways by which a route can be mounted.
const MAX_WAYS: usize = 8;
/// Longest URL pattern, in bytes.
const MAX_URL: usize = 400;

/// An expression that guards routes, with the function that it stands in.
pub(crate) type GuardExpr = (FileId, FunctionIndex, ExprId);

/// Number of a router.
type NodeId = usize;

/// What a router is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// The expression that makes it.
    Value(FileId, ExprId),
    /// The routes of a module.
    Module(FileId),
}

#[derive(Debug, Default)]
struct Node {
    prefix: String,
    guards: Vec<GuardExpr>,
    mounts: Vec<Mount>,
    is_root: bool,
}

#[derive(Clone, Debug)]
struct Mount {
    parent: Option<NodeId>,
    prefix: Option<String>,
    guards: Vec<GuardExpr>,
    replaces: bool,
}

/// One way from an application to a router.
#[derive(Clone, Debug, Default)]
pub(crate) struct Way {
    /// What comes before the route's own pattern.
    pub(crate) prefix: String,
    pub(crate) guards: Vec<GuardExpr>,
    nodes: Vec<NodeId>,
}

/// The routers of an application.
pub(crate) struct Routing<'a> {
    program: &'a Program,
    names: &'a Names<'a>,
    nodes: Vec<Node>,
    keys: FxHashMap<Key, NodeId>,
    /// Calls that hand on the router in their first argument.
    through: FxHashSet<(FileId, ExprId)>,
    /// Texts of routers in the files: which router what stands there belongs to.
    areas: FxHashMap<FileId, Vec<(Span, NodeId)>>,
    /// Functions by file, with their spans.
    locals: FxHashMap<(FileId, u32, u32), ExprId>,
    roots: Vec<NodeId>,
    /// Functions of the project that stand where a router says what runs before its routes.
    pub(crate) scoped: FxHashSet<FunctionId>,
}

/// The calls that models describe, by the last part of their names.
pub(crate) struct RouterModels<'a> {
    by_name: FxHashMap<Symbol, Vec<Described<'a>>>,
    /// Variables of modules that hold routes.
    variables: FxHashSet<Symbol>,
}

struct Described<'a> {
    router: &'a Router,
    part: Part,
    /// The path is the end of a name.
    anywhere: bool,
    path: Vec<Symbol>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Create,
    Mount,
    Through,
}

impl<'a> RouterModels<'a> {
    pub(crate) fn new(catalog: &'a Catalog) -> Self {
        let mut by_name: FxHashMap<Symbol, Vec<Described<'_>>> = FxHashMap::default();
        for router in catalog.models.iter().flat_map(|models| &models.router) {
            let parts = [
                (Part::Create, &router.create),
                (Part::Mount, &router.mount),
                (Part::Through, &router.through),
            ];
            for (part, paths) in parts {
                for path in paths {
                    let (anywhere, rest) = match path.strip_prefix("*.") {
                        Some(rest) => (true, rest),
                        None => (false, path.as_str()),
                    };
                    let path: Vec<Symbol> = rest.split('.').map(Symbol::new).collect();
                    if let Some(last) = path.last() {
                        let list = by_name.entry(*last).or_default();
                        list.push(Described {
                            router,
                            part,
                            anywhere,
                            path,
                        });
                    }
                }
            }
        }
        let routers = catalog.models.iter().flat_map(|models| &models.router);
        let variables = routers.flat_map(|router| &router.variable);
        Self {
            by_name,
            variables: variables.map(|name| Symbol::new(name)).collect(),
        }
    }

    fn find(&self, chain: &[Symbol]) -> Option<(&'a Router, Part)> {
        let candidates = self.by_name.get(chain.last()?)?;
        candidates
            .iter()
            .find(|one| {
                if one.anywhere {
                    chain.len() > one.path.len() && chain.ends_with(&one.path)
                } else {
                    chain == one.path.as_slice()
                }
            })
            .map(|one| (one.router, one.part))
    }
}

/// A call that concerns routers.
struct Call<'a> {
    file: FileId,
    function: FunctionIndex,
    expr: ExprId,
    callee: ExprId,
    args: &'a [Arg],
    model: &'a Router,
    part: Part,
}

impl<'a> Routing<'a> {
    pub(crate) fn new(
        program: &'a Program,
        names: &'a Names<'a>,
        models: &RouterModels<'a>,
        files: &[FileId],
    ) -> Self {
        let mut all = Self {
            program,
            names,
            nodes: Vec::new(),
            keys: FxHashMap::default(),
            through: FxHashSet::default(),
            areas: FxHashMap::default(),
            locals: FxHashMap::default(),
            roots: Vec::new(),
            scoped: FxHashSet::default(),
        };
        let mut calls = Vec::new();
        for &file in files {
            if !program.is_test(file) {
                all.collect(file, models, &mut calls);
            }
        }
        for call in &calls {
            all.create(call);
        }
        // Lists of routes have to be known before it is asked which of them a call stands in.
        for mounts in [false, true] {
            for call in &calls {
                all.mount(call, mounts);
            }
        }
        for areas in all.areas.values_mut() {
            areas.sort_by_key(|(span, _)| (span.end - span.start, span.start));
        }
        all
    }

    /// The calls of a file that concern routers, and what its functions' variables are bound to.
    fn collect(&mut self, file: FileId, models: &RouterModels<'a>, calls: &mut Vec<Call<'a>>) {
        let ir = self.program.ir(file);
        for (at, function) in ir.functions.iter().enumerate() {
            let index = FunctionIndex(u32::try_from(at).unwrap_or(u32::MAX));
            ir.each_stmt(&function.body, &mut |stmt| {
                if let StmtKind::Assign { targets, value, .. } = &ir.stmt(stmt).kind {
                    for target in targets {
                        match target {
                            Target::Var(Var::Local(slot), _) => {
                                let key = (file, index.0, *slot);
                                self.locals.entry(key).or_insert(*value);
                            }
                            Target::Var(Var::Global(name), _)
                                if models.variables.contains(name) =>
                            {
                                self.wrap(file, *name, *value);
                            }
                            _ => {}
                        }
                    }
                }
                ir.each_expr(stmt, &mut |root| {
                    ir.each_descendant(root, &mut |expr| {
                        let ExprKind::Call { callee, args } = &ir.expr(expr).kind else {
                            return;
                        };
                        if let Some((model, part)) = self.model(models, file, index, *callee) {
                            calls.push(Call {
                                file,
                                function: index,
                                expr,
                                callee: *callee,
                                args,
                                model,
                                part,
                            });
                        }
                    });
                });
            });
        }
    }

    /// `routes = decorated(routes, login_required)`
    fn wrap(&mut self, file: FileId, name: Symbol, value: ExprId) {
        let ir = self.program.ir(file);
        let ExprKind::Call { args, .. } = &ir.expr(value).kind else {
            return;
        };
        let is_routes = |arg: &&Arg| matches!(ir.expr(arg.value).kind, ExprKind::Name(Var::Global(n)) if n == name);
        if !args.iter().any(|arg| is_routes(&arg)) {
            return;
        }
        let id = self.node(Key::Module(file));
        for arg in args.iter().filter(|arg| !is_routes(arg)) {
            if let ExprKind::Name(_) | ExprKind::Attribute { .. } = ir.expr(arg.value).kind {
                let guard = (file, FunctionIndex(0), arg.value);
                self.nodes[id].guards.push(guard);
            }
        }
    }

    /// The description of a call; one of a class of the project is that of its base.
    fn model(
        &self,
        models: &RouterModels<'a>,
        file: FileId,
        function: FunctionIndex,
        callee: ExprId,
    ) -> Option<(&'a Router, Part)> {
        let chain = self.names.chain(file, function, callee)?;
        if let Some(found) = models.find(&chain) {
            return Some(found);
        }
        let last = chain.last()?.as_str();
        if !last.starts_with(char::is_uppercase) {
            return None;
        }
        let mut at = self.names.referent(file, function, callee);
        for _ in 0..4 {
            let Some(Referent::Class(class)) = at else {
                return None;
            };
            let description = self.program.class(class);
            for &base in &description.bases {
                let chain = self.names.chain(class.file, description.parent, base)?;
                if let Some((model, Part::Create)) = models.find(&chain) {
                    return Some((model, Part::Create));
                }
            }
            let first = *description.bases.first()?;
            at = self.names.referent(class.file, description.parent, first);
        }
        None
    }

    fn node(&mut self, key: Key) -> NodeId {
        if let Some(&known) = self.keys.get(&key) {
            return known;
        }
        let id = self.nodes.len();
        self.nodes.push(Node::default());
        self.keys.insert(key, id);
        id
    }

    fn create(&mut self, call: &Call<'a>) {
        let ir = self.program.ir(call.file);
        match call.part {
            Part::Through => {
                self.through.insert((call.file, call.expr));
            }
            Part::Mount => {}
            Part::Create => {
                let id = self.node(Key::Value(call.file, call.expr));
                let prefix = self.text(call, call.model.prefix.as_ref());
                let mut guards = self.guards(call);
                if let Some(Referent::Class(_)) =
                    self.names.referent(call.file, call.function, call.callee)
                {
                    guards.push((call.file, call.function, call.callee));
                }
                let node = &mut self.nodes[id];
                node.prefix = prefix.unwrap_or_default();
                node.guards = guards;
                node.is_root = call.model.root;
                if call.model.root {
                    self.roots.push(id);
                }
                let span = ir.expr(call.expr).span;
                self.areas.entry(call.file).or_default().push((span, id));
            }
        }
    }

    fn mount(&mut self, call: &Call<'a>, mounts: bool) {
        if call.part == Part::Create && mounts {
            self.put_under(call);
        }
        if call.part != Part::Mount {
            return;
        }
        let ir = self.program.ir(call.file);
        let children: Vec<ExprId> = call
            .model
            .child
            .iter()
            .filter_map(|place| argument(call.args, place))
            .collect();
        let mut parent = None;
        if let ExprKind::Attribute { value, .. } = ir.expr(call.callee).kind {
            parent = self.resolve(call.file, call.function, value, 0);
        }
        for child in children {
            let Some(child) = self.resolve(call.file, call.function, child, 0) else {
                continue;
            };
            if !mounts {
                continue;
            }
            // A list of routes that stands in the call itself is its own.
            let around = parent.or_else(|| self.around(call.file, call.expr, child));
            if around == Some(child) {
                continue;
            }
            let mount = Mount {
                parent: around,
                prefix: self.text(call, call.model.prefix.as_ref()),
                guards: self.guards(call),
                replaces: call.model.replaces,
            };
            if self.nodes[child].mounts.len() < MAX_WAYS {
                self.nodes[child].mounts.push(mount);
            }
        }
    }

    /// Puts a new router under the one that it is made for.
    fn put_under(&mut self, call: &Call<'a>) {
        let place = call.model.under.as_ref();
        let Some(expr) = place.and_then(|place| argument(call.args, place)) else {
            return;
        };
        let own = self.node(Key::Value(call.file, call.expr));
        let parent = self.resolve(call.file, call.function, expr, 0);
        if parent != Some(own) {
            self.nodes[own].mounts.push(Mount {
                parent,
                prefix: None,
                guards: Vec::new(),
                replaces: false,
            });
        }
    }

    /// The constant text at a place of a call.
    fn text(&self, call: &Call<'a>, place: Option<&String>) -> Option<String> {
        let expr = argument(call.args, place?)?;
        self.constant(call.file, call.function, expr, 0)
    }

    fn constant(
        &self,
        file: FileId,
        function: FunctionIndex,
        expr: ExprId,
        hops: u8,
    ) -> Option<String> {
        if hops > MAX_HOPS {
            return None;
        }
        let ir = self.program.ir(file);
        let unknown = |text: Option<String>| text.unwrap_or_else(|| "…".to_owned());
        let text = match &ir.expr(expr).kind {
            ExprKind::Const(Const::Str(text)) => text.as_str().to_owned(),
            ExprKind::Const(Const::None) => return None,
            ExprKind::Binary { left, right, .. } => {
                unknown(self.constant(file, function, *left, hops + 1))
                    + &unknown(self.constant(file, function, *right, hops + 1))
            }
            ExprKind::FString(parts) => parts
                .iter()
                .map(|part| match part {
                    pyward_ir::InterpolatedPart::Literal(text) => text.as_str().to_owned(),
                    pyward_ir::InterpolatedPart::Value { value, .. } => {
                        unknown(self.constant(file, function, *value, hops + 1))
                    }
                })
                .collect(),
            ExprKind::Name(Var::Local(slot)) => {
                let value = *self.locals.get(&(file, function.0, *slot))?;
                self.constant(file, function, value, hops + 1)?
            }
            ExprKind::Name(_) | ExprKind::Attribute { .. } => {
                match self.names.referent(file, function, expr) {
                    Some(Referent::Value(of, value)) if (of, value) != (file, expr) => {
                        self.constant(of, FunctionIndex(0), value, hops + 1)?
                    }
                    _ => "…".to_owned(),
                }
            }
            ExprKind::Call { args, .. } => {
                let first = args.first().map(|arg| arg.value)?;
                self.constant(file, function, first, hops + 1)?
            }
            _ => "…".to_owned(),
        };
        Some(cut(text))
    }

    fn guards(&mut self, call: &Call<'a>) -> Vec<GuardExpr> {
        let exprs: Vec<ExprId> = call
            .model
            .guards
            .iter()
            .filter_map(|place| argument(call.args, place))
            .collect();
        let ir = self.program.ir(call.file);
        for &expr in &exprs {
            ir.each_descendant(expr, &mut |inner| {
                if let ExprKind::Name(_) | ExprKind::Attribute { .. } = ir.expr(inner).kind
                    && let Some(Referent::Function(id)) =
                        self.names.referent(call.file, call.function, inner)
                {
                    self.scoped.insert(id);
                }
            });
        }
        exprs
            .into_iter()
            .map(|expr| (call.file, call.function, expr))
            .collect()
    }

    /// The router that an expression means.
    fn resolve(
        &mut self,
        file: FileId,
        function: FunctionIndex,
        expr: ExprId,
        hops: u8,
    ) -> Option<NodeId> {
        if hops > MAX_HOPS {
            return None;
        }
        let ir = self.program.ir(file);
        if let Some(&known) = self.keys.get(&Key::Value(file, expr)) {
            return Some(known);
        }
        match &ir.expr(expr).kind {
            ExprKind::Const(Const::Str(dotted)) => {
                let module = self.program.file_named(*dotted)?;
                Some(self.node(Key::Module(module)))
            }
            ExprKind::Call { callee, args } => {
                if self.through.contains(&(file, expr)) {
                    let first = args.first()?.value;
                    return self.resolve(file, function, first, hops + 1);
                }
                // `create_blueprint()`, which returns one.
                if let Some(Referent::Function(made)) = self.names.referent(file, function, *callee)
                {
                    let value = self.returned(made)?;
                    return self.resolve(made.file, made.index, value, hops + 1);
                }
                None
            }
            ExprKind::Name(Var::Local(slot)) if !self.is_imported(file, function, expr) => {
                let value = *self.locals.get(&(file, function.0, *slot))?;
                self.resolve(file, function, value, hops + 1)
            }
            ExprKind::Name(Var::Captured {
                function: outer,
                slot,
            }) if !self.is_imported(file, function, expr) => {
                let value = *self.locals.get(&(file, outer.0, *slot))?;
                self.resolve(file, *outer, value, hops + 1)
            }
            ExprKind::Name(_) | ExprKind::Attribute { .. } => {
                match self.names.referent(file, function, expr) {
                    Some(Referent::Value(of, value)) => {
                        self.resolve(of, FunctionIndex(0), value, hops + 1)
                    }
                    Some(_) => None,
                    None => {
                        let chain = self.names.chain(file, function, expr)?;
                        let dotted: Vec<&str> = chain.iter().map(|s| s.as_str()).collect();
                        let module = self.program.file_named(Symbol::new(&dotted.join(".")));
                        if let Some(module) = module {
                            return Some(self.node(Key::Module(module)));
                        }
                        // `router.urls`, `app.router`
                        match ir.expr(expr).kind {
                            ExprKind::Attribute { value, .. } => {
                                self.resolve(file, function, value, hops + 1)
                            }
                            _ => None,
                        }
                    }
                }
            }
            // `include((patterns, "name"))`
            ExprKind::Tuple(items)
                if items.first().is_some_and(|first| {
                    matches!(
                        ir.expr(*first).kind,
                        ExprKind::Name(_)
                            | ExprKind::Attribute { .. }
                            | ExprKind::List(_)
                            | ExprKind::Const(Const::Str(_))
                    )
                }) =>
            {
                self.resolve(file, function, items[0], hops + 1)
            }
            ExprKind::List(_) | ExprKind::Tuple(_) => {
                let id = self.node(Key::Value(file, expr));
                let span = ir.expr(expr).span;
                self.areas.entry(file).or_default().push((span, id));
                Some(id)
            }
            ExprKind::Binary { left, .. } => self.resolve(file, function, *left, hops + 1),
            ExprKind::Await(inner) => self.resolve(file, function, *inner, hops + 1),
            _ => None,
        }
    }

    fn is_imported(&self, file: FileId, function: FunctionIndex, expr: ExprId) -> bool {
        self.names.referent(file, function, expr).is_some()
    }

    /// What a function returns first.
    fn returned(&self, id: FunctionId) -> Option<ExprId> {
        let ir = self.program.ir(id.file);
        let mut found = None;
        ir.each_stmt(&ir.function(id.index).body, &mut |stmt| {
            if let StmtKind::Return(Some(value)) = ir.stmt(stmt).kind {
                found = found.or(Some(value));
            }
        });
        found
    }

    /// The router that an expression stands in, other than `not`.
    fn around(&mut self, file: FileId, expr: ExprId, not: NodeId) -> Option<NodeId> {
        let span = self.program.ir(file).expr(expr).span;
        let areas = self.areas.get(&file).into_iter().flatten();
        let around = areas.filter(|(area, id)| {
            *id != not && area.start <= span.start && span.end <= area.end && *area != span
        });
        let smallest = around.min_by_key(|(area, _)| area.end - area.start);
        match smallest {
            Some((_, id)) => Some(*id),
            None => Some(self.node(Key::Module(file))),
        }
    }

    /// The router that a decorator or call registers a route on.
    fn of_site(&mut self, (file, site): (FileId, ExprId)) -> Option<NodeId> {
        let ir = self.program.ir(file);
        let callee = match &ir.expr(site).kind {
            ExprKind::Call { callee, .. } => *callee,
            _ => site,
        };
        if let ExprKind::Attribute { value, .. } = ir.expr(callee).kind {
            let function = enclosing(ir, ir.expr(site).span);
            if let Some(found) = self.resolve(file, function, value, 0) {
                return Some(found);
            }
        }
        self.around(file, site, NodeId::MAX)
    }

    /// The router that a hook is registered on; none if it is for all routes.
    pub(crate) fn of_hook(
        &mut self,
        file: FileId,
        function: FunctionIndex,
        expr: ExprId,
    ) -> Option<NodeId> {
        let ir = self.program.ir(file);
        let callee = match &ir.expr(expr).kind {
            ExprKind::Call { callee, .. } => *callee,
            _ => expr,
        };
        let ExprKind::Attribute { value, .. } = ir.expr(callee).kind else {
            return None;
        };
        let id = self.resolve(file, function, value, 0)?;
        let node = &self.nodes[id];
        (!node.is_root || self.roots.len() > 1).then_some(id)
    }

    /// The ways to a route that is registered at a place. There is at least one.
    pub(crate) fn ways(&mut self, site: (FileId, ExprId)) -> Vec<Way> {
        let Some(node) = self.of_site(site) else {
            return vec![Way::default()];
        };
        let mut ways = Vec::new();
        self.climb(node, Way::default(), &mut ways);
        ways
    }

    fn climb(&self, at: NodeId, below: Way, ways: &mut Vec<Way>) {
        let node = &self.nodes[at];
        let mut way = below;
        way.nodes.push(at);
        way.guards.extend_from_slice(&node.guards);
        let is_end = node.mounts.is_empty() || way.nodes.len() >= MAX_NESTING;
        if is_end {
            way.prefix = join(&node.prefix, &way.prefix);
            // What is mounted nowhere that is known belongs to the one application there is.
            if let [root] = *self.roots.as_slice()
                && !way.nodes.contains(&root)
                && !node.is_root
            {
                let root_node = &self.nodes[root];
                way.guards.extend_from_slice(&root_node.guards);
                way.nodes.push(root);
            }
            ways.push(way);
            return;
        }
        for mount in &node.mounts {
            if ways.len() >= MAX_WAYS {
                return;
            }
            let mut up = way.clone();
            let own = match &mount.prefix {
                Some(_) if mount.replaces => "",
                _ => node.prefix.as_str(),
            };
            up.prefix = join(own, &up.prefix);
            up.prefix = join(mount.prefix.as_deref().unwrap_or(""), &up.prefix);
            up.guards.extend_from_slice(&mount.guards);
            match mount.parent {
                Some(parent) if !up.nodes.contains(&parent) => self.climb(parent, up, ways),
                _ => ways.push(up),
            }
        }
    }
}

impl Way {
    /// Below this pattern, with nothing else known.
    pub(crate) fn of(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            ..Self::default()
        }
    }

    /// Whether a router lies on the way.
    pub(crate) fn passes(&self, node: NodeId) -> bool {
        self.nodes.contains(&node)
    }

    /// The whole URL pattern of a route whose own is `path`.
    pub(crate) fn url(&self, path: Symbol) -> Symbol {
        if self.prefix.is_empty() {
            return path;
        }
        Symbol::new(&join(&self.prefix, path.as_str()))
    }
}

/// One pattern after the other.
fn join(left: &str, right: &str) -> String {
    if left.is_empty() {
        return right.to_owned();
    }
    if right.is_empty() {
        return left.to_owned();
    }
    let left = left.strip_suffix('$').unwrap_or(left);
    let right = right.strip_prefix('^').unwrap_or(right);
    let joined = match (left.strip_suffix('/'), right.starts_with('/')) {
        (Some(left), true) => format!("{left}{right}"),
        _ => format!("{left}{right}"),
    };
    cut(joined)
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_URL {
        let mut end = MAX_URL;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

/// The innermost function that a place stands in.
pub(crate) fn enclosing(ir: &FileIr, span: Span) -> FunctionIndex {
    let mut best = FunctionIndex(0);
    let mut size = u32::MAX;
    for (at, function) in ir.functions.iter().enumerate().skip(1) {
        let around = function.span.start <= span.start && span.end <= function.span.end;
        // Decorators stand before the function that they are of.
        if around
            && function.name_span.end <= span.start
            && function.span.end - function.span.start < size
        {
            size = function.span.end - function.span.start;
            best = FunctionIndex(u32::try_from(at).unwrap_or(u32::MAX));
        }
    }
    best
}

/// The argument at a place: `0`, `0:name`, `name`.
fn argument(args: &[Arg], place: &str) -> Option<ExprId> {
    let (position, name) = match place.split_once(':') {
        Some((position, name)) => (position.parse::<usize>().ok(), name),
        None => (place.parse::<usize>().ok(), place),
    };
    let by_name = args
        .iter()
        .find(|arg| matches!(arg.kind, ArgKind::Keyword(keyword) if keyword.as_str() == name));
    let by_position = || {
        let at = position?;
        let arg = args.get(at)?;
        let plain = args[..=at].iter().all(|a| a.kind == ArgKind::Positional);
        plain.then_some(arg)
    };
    by_name.or_else(by_position).map(|arg| arg.value)
}

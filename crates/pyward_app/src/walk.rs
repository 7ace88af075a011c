//! The walk over what a route reaches.
//!
//! A small evaluation on labels: every expression yields the set of kinds of facts that it is made of. Variables
//! gather what is ever assigned to them; calls of the project's functions are followed.

mod call;

use std::rc::Rc;

use pyward_flow::Analysis;
use pyward_ir::{
    Block, Const, ExprId, ExprKind, FileIr, FunctionIndex, FunctionKind, InterpolatedPart, Span,
    StmtId, StmtKind, Symbol, Target, Var,
};
use pyward_program::{ClassId, FileId, FunctionId, Program};
use rustc_hash::FxHashMap;

use self::call::{Passed, collect_literals};
use crate::facts::{Facts, Kinds, On, Subject};
use crate::found::{Found, Place};
use crate::names::{Names, Referent};

/// Calls followed below one another.
const MAX_DEPTH: usize = 6;
/// Depth down to which functions are told apart by the labels of their arguments.
const MAX_SENSITIVE: usize = 3;
/// Nesting of expressions and statements followed, all told.
const MAX_NESTING: u32 = 600;
/// Functions walked for one application.
const MAX_FUNCTIONS: u32 = 40_000;

/// What a function does, for given labels of its parameters.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) found: Found,
    pub(crate) returns: Kinds,
}

/// Walks functions; what has been walked is kept.
pub(crate) struct Walker<'a> {
    program: &'a Program,
    analysis: &'a Analysis,
    facts: &'a Facts,
    names: &'a Names<'a>,
    known: FxHashMap<(FunctionId, Vec<Kinds>), Rc<Summary>>,
    classes: FxHashMap<ClassId, Kinds>,
    guards: FxHashMap<FunctionId, Rc<Summary>>,
    stack: Vec<FunctionId>,
    nesting: u32,
    left: u32,
}

/// A function being walked.
struct Frame<'a> {
    file: FileId,
    ir: &'a FileIr,
    function: FunctionIndex,
    slots: FxHashMap<(u32, u32), Kinds>,
    found: Found,
    returns: Kinds,
    tests: u32,
}

impl Frame<'_> {
    fn place(&self, span: Span) -> Place {
        Place {
            file: self.file,
            span,
            function: self.function,
            depth: 0,
            origin: None,
        }
    }

    fn slot(&self, var: Var) -> Option<(u32, u32)> {
        match var {
            Var::Local(slot) => Some((self.function.0, slot)),
            Var::Captured { function, slot } => Some((function.0, slot)),
            Var::Global(_) => None,
        }
    }

    fn read(&self, var: Var) -> Kinds {
        self.slot(var)
            .and_then(|s| self.slots.get(&s))
            .copied()
            .unwrap_or(0)
    }

    fn write(&mut self, var: Var, labels: Kinds) {
        if let Some(slot) = self.slot(var) {
            *self.slots.entry(slot).or_default() |= labels;
        }
    }
}

impl<'a> Walker<'a> {
    pub(crate) fn new(
        program: &'a Program,
        analysis: &'a Analysis,
        facts: &'a Facts,
        names: &'a Names<'a>,
    ) -> Self {
        Self {
            program,
            analysis,
            facts,
            names,
            known: FxHashMap::default(),
            classes: FxHashMap::default(),
            guards: FxHashMap::default(),
            stack: Vec::new(),
            nesting: 0,
            left: MAX_FUNCTIONS,
        }
    }

    /// What a function does when its parameters carry these labels.
    pub(crate) fn function(&mut self, id: FunctionId, params: &[Kinds]) -> Rc<Summary> {
        // Far down, what a function does for any caller has to do.
        let is_far = self.stack.len() >= MAX_SENSITIVE;
        let labels = |p: &Kinds| if is_far { 0 } else { self.facts.labels(*p) };
        let mut params: Vec<Kinds> = params.iter().map(labels).collect();
        while params.last() == Some(&0) {
            params.pop();
        }
        let key = (id, params);
        if let Some(known) = self.known.get(&key) {
            return Rc::clone(known);
        }
        if self.stack.len() >= MAX_DEPTH || self.stack.contains(&id) || self.left == 0 {
            return Rc::default();
        }
        self.left -= 1;
        self.stack.push(id);
        let mut frame = self.frame(id.file, id.index);
        for (slot, labels) in key.1.iter().enumerate() {
            frame.write(Var::Local(u32::try_from(slot).unwrap_or(u32::MAX)), *labels);
        }
        let body = &self.program.ir(id.file).function(id.index).body;
        // Twice, so that what loops assign at their end is known at their start.
        for _ in 0..2 {
            self.block(&mut frame, body);
        }
        self.stack.pop();
        let summary = Rc::new(Summary {
            found: frame.found,
            returns: frame.returns,
        });
        self.known.insert(key, Rc::clone(&summary));
        summary
    }

    fn frame(&self, file: FileId, function: FunctionIndex) -> Frame<'a> {
        Frame {
            file,
            ir: self.program.ir(file),
            function,
            slots: FxHashMap::default(),
            found: Found::default(),
            returns: 0,
            tests: 0,
        }
    }

    /// Facts of decorators, dependencies, base classes and class attributes: expressions that guard. Functions of
    /// the project that they name are walked too. Their labels are those of what such functions return.
    pub(crate) fn guard(
        &mut self,
        file: FileId,
        function: FunctionIndex,
        expr: ExprId,
        found: &mut Found,
    ) -> Kinds {
        let ir = self.program.ir(file);
        let mut nodes = Vec::new();
        let mut owners = Vec::new();
        ir.each_descendant(expr, &mut |e| {
            nodes.push(e);
            if let ExprKind::Attribute { value, .. } = ir.expr(e).kind {
                owners.push(value);
            }
        });
        let mut labels = 0;
        for node in nodes {
            let span = ir.expr(node).span;
            match &ir.expr(node).kind {
                ExprKind::Name(_) | ExprKind::Attribute { .. } => {
                    // `auth` of `auth.route` says nothing.
                    if !owners.contains(&node)
                        && let Some(chain) = self.names.chain(file, function, node)
                    {
                        let subject = Subject {
                            chain: &chain,
                            ..Subject::default()
                        };
                        let kinds = self.facts.find(On::Guard, &subject);
                        labels |= kinds;
                        found.add(kinds, Place::new(file, span, function));
                    }
                    match self.names.referent(file, function, node) {
                        Some(Referent::Function(id)) => labels |= self.whole(id, found),
                        Some(Referent::Class(class)) => {
                            let methods = &self.program.class(class).methods;
                            for &index in methods {
                                labels |= self.whole(
                                    FunctionId {
                                        file: class.file,
                                        index,
                                    },
                                    found,
                                );
                            }
                        }
                        Some(Referent::Value(of, value))
                            if (of, value) != (file, expr) && self.stack.len() < MAX_DEPTH =>
                        {
                            // `router = APIRouter(dependencies=[...])`, `admin_only = require("admin")`
                            self.stack.push(FunctionId {
                                file: of,
                                index: FunctionIndex(0),
                            });
                            labels |= self.guard(of, FunctionIndex(0), value, found);
                            self.stack.pop();
                        }
                        _ => {}
                    }
                }
                ExprKind::Const(Const::Str(text)) => {
                    let kinds = self.facts.of_text(*text);
                    found.add(kinds, Place::new(file, span, function));
                }
                _ => {}
            }
        }
        labels
    }

    /// What a guard does with nothing known of its parameters, as far as it protects; labels of what it yields.
    fn whole(&mut self, id: FunctionId, found: &mut Found) -> Kinds {
        if let Some(known) = self.guards.get(&id) {
            let known = Rc::clone(known);
            found.merge(&known.found);
            return known.returns;
        }
        self.guards.insert(id, Rc::default());
        let summary = self.function(id, &[]);
        let mut all = summary.found.clone();
        let mut returns = summary.returns;
        let function = self.program.function(id);
        let parent = function.parent.unwrap_or(FunctionIndex(0));
        for param in &function.params {
            for expr in param.default.into_iter().chain(param.annotation) {
                if self.stack.len() < MAX_DEPTH {
                    self.stack.push(id);
                    returns |= self.guard(id.file, parent, expr, &mut all);
                    self.stack.pop();
                }
            }
        }
        let mut kept = Found::default();
        kept.merge_kinds(&all, self.facts.protecting);
        let known = Rc::new(Summary {
            found: kept,
            returns: self.facts.labels(returns),
        });
        self.guards.insert(id, Rc::clone(&known));
        found.merge(&known.found);
        known.returns
    }

    fn block(&mut self, frame: &mut Frame<'a>, block: &Block) {
        if self.nesting >= MAX_NESTING {
            return;
        }
        self.nesting += 1;
        for &stmt in block {
            self.stmt(frame, stmt);
        }
        self.nesting -= 1;
    }

    fn stmt(&mut self, frame: &mut Frame<'a>, id: StmtId) {
        let ir = frame.ir;
        let stmt = ir.stmt(id);
        match &stmt.kind {
            StmtKind::Expr(e) => {
                self.eval(frame, *e);
            }
            StmtKind::Assign { targets, value, .. } => {
                let labels = self.eval(frame, *value);
                for target in targets {
                    self.assign(frame, target, labels, Some(*value), stmt.span);
                }
            }
            StmtKind::AugAssign { target, value, .. } => {
                let labels = self.eval(frame, *value);
                self.assign(frame, target, labels, Some(*value), stmt.span);
            }
            StmtKind::Return(value) => {
                if let Some(value) = value {
                    let labels = self.eval(frame, *value);
                    frame.returns |= labels;
                    let mut passed = Passed::default();
                    collect_literals(ir, *value, 3, &mut passed);
                    let subject = Subject {
                        labels,
                        constants: &passed.constants,
                        texts: &passed.texts,
                        ..Subject::default()
                    };
                    let kinds = self.facts.find(On::Return, &subject);
                    frame.found.add(kinds, frame.place(stmt.span));
                }
            }
            StmtKind::Raise { exception, cause } => {
                for e in exception.iter().chain(cause) {
                    self.eval(frame, *e);
                }
            }
            StmtKind::Assert { test, message } => {
                self.test(frame, *test);
                if let Some(message) = message {
                    self.eval(frame, *message);
                }
            }
            StmtKind::If { test, body, orelse } | StmtKind::While { test, body, orelse } => {
                self.test(frame, *test);
                self.block(frame, body);
                self.block(frame, orelse);
            }
            StmtKind::For {
                target,
                iter,
                body,
                orelse,
                ..
            } => {
                let labels = self.eval(frame, *iter);
                self.assign(frame, target, labels, None, stmt.span);
                self.block(frame, body);
                self.block(frame, orelse);
            }
            StmtKind::With { items, body, .. } => {
                for item in items {
                    let labels = self.eval(frame, item.context);
                    if let Some(target) = &item.target {
                        self.assign(frame, target, labels, None, stmt.span);
                    }
                }
                self.block(frame, body);
            }
            StmtKind::Try {
                body,
                handlers,
                orelse,
                finally,
                ..
            } => {
                self.block(frame, body);
                for handler in handlers {
                    if let Some(e) = handler.exception {
                        self.eval(frame, e);
                    }
                    self.block(frame, &handler.body);
                }
                self.block(frame, orelse);
                self.block(frame, finally);
            }
            StmtKind::Match { subject, cases } => {
                self.test(frame, *subject);
                for case in cases {
                    if let Some(guard) = case.guard {
                        self.test(frame, guard);
                    }
                    self.block(frame, &case.body);
                }
            }
            StmtKind::Function { function, .. } => self.nested(frame, *function),
            _ => {
                let mut inner = Vec::new();
                ir.each_expr(id, &mut |e| inner.push(e));
                for e in inner {
                    self.eval(frame, e);
                }
            }
        }
    }

    /// A function defined inside another is taken as run.
    fn nested(&mut self, frame: &mut Frame<'a>, function: FunctionIndex) {
        let outer = std::mem::replace(&mut frame.function, function);
        let returns = frame.returns;
        let body = &frame.ir.function(function).body;
        self.block(frame, body);
        frame.function = outer;
        frame.returns |= returns;
    }

    fn test(&mut self, frame: &mut Frame<'a>, expr: ExprId) -> Kinds {
        frame.tests += 1;
        let labels = self.eval(frame, expr);
        frame.tests -= 1;
        let subject = Subject {
            labels,
            in_test: true,
            ..Subject::default()
        };
        let kinds = self.facts.find(On::Test, &subject);
        frame
            .found
            .add(kinds, frame.place(frame.ir.expr(expr).span));
        labels | kinds
    }

    fn assign(
        &mut self,
        frame: &mut Frame<'a>,
        target: &Target,
        labels: Kinds,
        value: Option<ExprId>,
        span: Span,
    ) {
        match target {
            Target::Var(var, _) => {
                let name = self.names.var_name(frame.file, frame.function, *var);
                self.store(frame, &[name], labels, value, span);
                frame.write(*var, labels);
            }
            Target::Attribute {
                value: owner, attr, ..
            } => {
                self.eval(frame, *owner);
                let mut chain = self
                    .names
                    .chain(frame.file, frame.function, *owner)
                    .unwrap_or_default();
                chain.push(*attr);
                self.store(frame, &chain, labels, value, span);
            }
            Target::Subscript {
                value: owner,
                index,
                ..
            } => {
                self.eval(frame, *owner);
                let mut chain = self
                    .names
                    .chain(frame.file, frame.function, *owner)
                    .unwrap_or_default();
                match frame.ir.expr(*index).kind {
                    ExprKind::Const(Const::Str(key)) => chain.push(key),
                    _ => {
                        self.eval(frame, *index);
                        chain.push(Symbol::new("[]"));
                    }
                }
                self.store(frame, &chain, labels, value, span);
                if let ExprKind::Name(var) = frame.ir.expr(*owner).kind {
                    frame.write(var, labels);
                }
            }
            Target::Sequence(targets) => {
                for target in targets {
                    self.assign(frame, target, labels, None, span);
                }
            }
            Target::Starred(target) => self.assign(frame, target, labels, None, span),
            Target::Error => {}
        }
    }

    fn store(
        &mut self,
        frame: &mut Frame<'a>,
        chain: &[Symbol],
        labels: Kinds,
        value: Option<ExprId>,
        span: Span,
    ) {
        // `users[name] = {"password": password}`
        if let Some(value) = value
            && chain.len() > 1
            && let ExprKind::Dict(items) = &frame.ir.expr(value).kind
        {
            for (key, item) in items {
                let key = key.map(|k| &frame.ir.expr(k).kind);
                if let Some(ExprKind::Const(Const::Str(name))) = key {
                    let labels = self.eval(frame, *item);
                    let subject = Subject {
                        chain: &[*name],
                        labels,
                        ..Subject::default()
                    };
                    let kinds = self.facts.find(On::Item, &subject);
                    let place = frame.place(frame.ir.expr(*item).span);
                    frame.found.add(kinds, place);
                }
            }
        }
        let mut passed = Passed::default();
        if let Some(value) = value {
            collect_literals(frame.ir, value, 1, &mut passed);
        }
        let subject = Subject {
            chain,
            labels,
            constants: &passed.constants,
            texts: &passed.texts,
            ..Subject::default()
        };
        let kinds = self.facts.find(On::Store, &subject);
        frame.found.add(kinds, frame.place(span));
    }

    fn eval(&mut self, frame: &mut Frame<'a>, id: ExprId) -> Kinds {
        if self.nesting >= MAX_NESTING {
            return 0;
        }
        self.nesting += 1;
        let labels = self.eval_inner(frame, id);
        self.nesting -= 1;
        labels
    }

    fn eval_inner(&mut self, frame: &mut Frame<'a>, id: ExprId) -> Kinds {
        let ir = frame.ir;
        match &ir.expr(id).kind {
            ExprKind::Const(Const::Str(text)) => {
                let subject = Subject {
                    names: &[*text],
                    texts: &[*text],
                    in_test: frame.tests > 0,
                    ..Subject::default()
                };
                let kinds = self.facts.find(On::String, &subject) | self.facts.of_text(*text);
                frame.found.add(kinds, frame.place(ir.expr(id).span));
                kinds
            }
            ExprKind::Name(var) => frame.read(*var) | self.named(frame, id),
            ExprKind::Attribute { value, .. } => self.eval(frame, *value) | self.named(frame, id),
            ExprKind::Subscript { value, index } => {
                let own = self.eval(frame, *value);
                match ir.expr(*index).kind {
                    ExprKind::Const(Const::Str(_)) => own | self.named(frame, id),
                    _ => own | self.eval(frame, *index),
                }
            }
            ExprKind::FString(parts) => {
                let mut labels = 0;
                for part in parts {
                    match part {
                        InterpolatedPart::Literal(text) => {
                            let subject = Subject {
                                names: &[*text],
                                texts: &[*text],
                                ..Subject::default()
                            };
                            let kinds = self.facts.find(On::String, &subject);
                            frame.found.add(kinds, frame.place(ir.expr(id).span));
                            labels |= kinds;
                        }
                        InterpolatedPart::Value { value, .. } => labels |= self.eval(frame, *value),
                    }
                }
                labels
            }
            ExprKind::Call { callee, args } => self.call(frame, id, *callee, args),
            ExprKind::Compare { left, rest } => {
                let mut operands = vec![*left];
                operands.extend(rest.iter().map(|(_, e)| *e));
                self.compare(frame, id, &operands)
            }
            ExprKind::IfElse { test, body, orelse } => {
                self.test(frame, *test);
                self.eval(frame, *body) | self.eval(frame, *orelse)
            }
            ExprKind::Lambda(function) => {
                self.nested(frame, *function);
                0
            }
            ExprKind::Dict(items) => {
                let mut labels = 0;
                for (key, value) in items {
                    let of_value = self.eval(frame, *value);
                    labels |= of_value;
                    let Some(key) = key else { continue };
                    match ir.expr(*key).kind {
                        ExprKind::Const(Const::Str(name)) => {
                            let span = ir.expr(*value).span;
                            self.keyword(frame, &[], name, of_value, *value, span);
                        }
                        _ => labels |= self.eval(frame, *key),
                    }
                }
                labels
            }
            ExprKind::Comprehension(comprehension) => {
                let mut labels = 0;
                for generator in &comprehension.generators {
                    let of_iter = self.eval(frame, generator.iter);
                    labels |= of_iter;
                    self.assign(frame, &generator.target, of_iter, None, ir.expr(id).span);
                    for condition in &generator.conditions {
                        self.test(frame, *condition);
                    }
                }
                labels |= self.eval(frame, comprehension.element);
                if let Some(value) = comprehension.value {
                    labels |= self.eval(frame, value);
                }
                labels
            }
            ExprKind::Named { target, value } => {
                let labels = self.eval(frame, *value);
                frame.write(*target, labels);
                labels
            }
            _ => {
                let mut children = Vec::new();
                ir.each_child(id, &mut |e| children.push(e));
                children
                    .into_iter()
                    .fold(0, |labels, e| labels | self.eval(frame, e))
            }
        }
    }

    /// Facts of a name, attribute or item.
    fn named(&mut self, frame: &mut Frame<'a>, id: ExprId) -> Kinds {
        let Some(chain) = self.names.chain(frame.file, frame.function, id) else {
            return 0;
        };
        let subject = Subject {
            chain: &chain,
            in_test: frame.tests > 0,
            ..Subject::default()
        };
        let kinds = self.facts.find(On::Read, &subject);
        frame.found.add(kinds, frame.place(frame.ir.expr(id).span));
        kinds
    }

    fn compare(&mut self, frame: &mut Frame<'a>, id: ExprId, operands: &[ExprId]) -> Kinds {
        let ir = frame.ir;
        let mut labels = 0;
        let mut passed = Passed::default();
        let mut names = Vec::new();
        for &operand in operands {
            labels |= self.eval(frame, operand);
            collect_literals(ir, operand, 1, &mut passed);
            let chain = self.names.chain(frame.file, frame.function, operand);
            names.extend(chain.and_then(|c| c.last().copied()));
        }
        let subject = Subject {
            names: &names,
            labels,
            constants: &passed.constants,
            texts: &passed.texts,
            in_test: frame.tests > 0,
            ..Subject::default()
        };
        let kinds = self.facts.find(On::Compare, &subject);
        frame.found.add(kinds, frame.place(ir.expr(id).span));
        labels | kinds
    }

    fn keyword(
        &mut self,
        frame: &mut Frame<'a>,
        callee: &[Symbol],
        name: Symbol,
        labels: Kinds,
        value: ExprId,
        span: Span,
    ) {
        let mut passed = Passed::default();
        collect_literals(frame.ir, value, 1, &mut passed);
        let subject = Subject {
            chain: callee,
            names: &[name],
            labels,
            constants: &passed.constants,
            texts: &passed.texts,
            ..Subject::default()
        };
        let mut kinds = self.facts.find(On::Keyword, &subject);
        if matches!(
            frame.ir.expr(value).kind,
            ExprKind::Attribute { .. } | ExprKind::Subscript { .. }
        ) && let Some(of_value) = self.names.chain(frame.file, frame.function, value)
        {
            let subject = Subject {
                chain: &of_value,
                labels,
                keywords: &[name],
                ..Subject::default()
            };
            kinds |= self.facts.find(On::Field, &subject);
        }
        frame.found.add(kinds, frame.place(span));
    }

    /// Labels of what a class's statements hold, and its facts.
    pub(crate) fn class_body(&mut self, file: FileId, body: FunctionIndex, found: &mut Found) {
        let ir = self.program.ir(file);
        let function = ir.function(body);
        debug_assert!(function.kind == FunctionKind::ClassBody);
        let mut exprs = Vec::new();
        for &stmt in &function.body {
            if let StmtKind::Assign { value, .. } = &ir.stmt(stmt).kind {
                exprs.push(*value);
            }
        }
        for expr in exprs {
            self.guard(file, body, expr, found);
        }
    }
}

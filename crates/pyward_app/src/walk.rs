//! The walk over what a route reaches.
//!
//! A small evaluation on labels: every expression yields the set of kinds of facts that it is made of. Variables
//! gather what is ever assigned to them; calls of the project's functions are followed.

mod call;
mod order;
mod stmt;

use std::rc::Rc;

use pyward_flow::Analysis;
use pyward_ir::{
    ArgKind, Const, ExprId, ExprKind, FileIr, FunctionIndex, FunctionKind, InterpolatedPart, Span,
    StmtKind, Symbol, Var,
};
use pyward_program::{ClassId, FileId, FunctionId, Program};
use rustc_hash::FxHashMap;

use self::call::{Passed, collect_literals};
use self::order::Force;
use crate::facts::{Facts, Kinds, On, Subject};
use crate::found::{Found, Place};
use crate::names::{Names, Referent};

/// Calls followed below one another.
const MAX_DEPTH: usize = 6;
/// Depth down to which functions are told apart by the labels of their arguments.
const MAX_SENSITIVE: usize = 3;
/// Nesting of expressions and statements followed, all told.
const MAX_NESTING: u32 = 600;
/// Steps (statements and expressions looked at) for one application: so many, and so many for each that it has.
const MIN_STEPS: u64 = 1_000_000;
const STEPS_EACH: u64 = 24;

/// What a function does, for given labels of its parameters.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) found: Found,
    pub(crate) returns: Kinds,
    /// Protecting facts that are in force when it returns.
    ensures: Kinds,
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
    /// Steps left.
    left: u64,
    /// The kind of turning callers away.
    denies: Kinds,
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
    /// What is in force at the point that the walk has come to.
    force: Force,
    /// What is in force wherever it has returned so far.
    end: Kinds,
    /// Facts of texts, and where they stand.
    texts: Vec<(Kinds, Span)>,
    /// How often callers were turned away so far.
    denials: u32,
    /// The call that is a statement by itself.
    statement: Option<ExprId>,
    /// It turns the caller away.
    is_denied: bool,
}

impl Frame<'_> {
    fn place(&self, span: Span) -> Place {
        Place {
            file: self.file,
            span,
            function: self.function,
            depth: 0,
            guards: self.force.guards,
            via: None,
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
            left: 0,
            denies: facts.kind("denies").map_or(0, |kind| 1 << kind),
        }
    }

    /// Allows as many steps as an application of these files should need at most.
    pub(crate) fn allow(&mut self, files: &[FileId]) {
        let size = |file: &FileId| {
            let ir = self.program.ir(*file);
            (ir.exprs.len() + ir.stmts.len()) as u64
        };
        self.left = MIN_STEPS + STEPS_EACH * files.iter().map(size).sum::<u64>();
    }

    /// The kind of routes that are meant for everyone.
    pub(crate) fn public(&self) -> Kinds {
        self.facts.kind("public").map_or(0, |kind| 1 << kind)
    }

    /// Whether the steps have run out, so that something may have been left out.
    pub(crate) fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Takes one step, if there is one left.
    fn step(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
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
        self.stack.push(id);
        let mut frame = self.frame(id.file, id.index);
        for (slot, labels) in key.1.iter().enumerate() {
            frame.write(Var::Local(u32::try_from(slot).unwrap_or(u32::MAX)), *labels);
        }
        let body = &self.program.ir(id.file).function(id.index).body;
        // Twice, so that what loops assign at their end is known at their start.
        self.block(&mut frame, body);
        let known = (std::mem::take(&mut frame.slots), frame.returns);
        let mut frame = self.frame(id.file, id.index);
        (frame.slots, frame.returns) = known;
        self.block(&mut frame, body);
        self.settle_texts(&mut frame);
        self.stack.pop();
        let summary = Rc::new(Summary {
            ensures: frame.ensures(),
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
            force: Force::default(),
            end: Kinds::MAX,
            texts: Vec::new(),
            denials: 0,
            statement: None,
            is_denied: false,
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
            if !self.step() {
                break;
            }
            let span = ir.expr(node).span;
            match &ir.expr(node).kind {
                ExprKind::Call { callee, args } => {
                    let chain = self.names.chain(file, function, *callee);
                    let mut chain = chain.unwrap_or_default();
                    for arg in args {
                        let is_off = matches!(
                            ir.expr(arg.value).kind,
                            ExprKind::Const(Const::None | Const::Bool(false))
                        );
                        let ArgKind::Keyword(name) = arg.kind else {
                            continue;
                        };
                        if !is_off {
                            // `@view(permission="edit")`
                            chain.push(name);
                            let subject = Subject {
                                chain: &chain,
                                ..Subject::default()
                            };
                            let kinds = self.facts.find(On::Guard, &subject);
                            found.add(kinds, &Place::new(file, span, function));
                            chain.pop();
                        }
                    }
                }
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
                        found.add(kinds, &Place::new(file, span, function));
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
                    let mut kinds = self.facts.of_text(*text);
                    // Settings name classes and functions of the project by their paths.
                    let path: Vec<Symbol> = text.as_str().split('.').map(Symbol::new).collect();
                    match self.names.by_chain(&path).filter(|_| path.len() > 1) {
                        Some(Referent::Function(id)) => labels |= self.whole(id, found),
                        Some(Referent::Class(class)) => {
                            for &index in &self.program.class(class).methods {
                                let file = class.file;
                                labels |= self.whole(FunctionId { file, index }, found);
                            }
                            let subject = Subject {
                                chain: &path,
                                ..Subject::default()
                            };
                            kinds |= self.facts.find(On::Guard, &subject);
                        }
                        _ => {}
                    }
                    found.add(kinds, &Place::new(file, span, function));
                }
                _ => {}
            }
        }
        labels
    }

    /// Facts of the library's classes that texts in an expression name.
    pub(crate) fn named_in(&mut self, file: FileId, expr: ExprId, found: &mut Found) {
        let ir = self.program.ir(file);
        ir.each_descendant(expr, &mut |e| {
            if let ExprKind::Const(Const::Str(text)) = ir.expr(e).kind {
                let place = Place::new(file, ir.expr(e).span, FunctionIndex(0));
                found.add(self.facts.of_text(text), &place);
            }
        });
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
            ensures: 0,
        });
        self.guards.insert(id, Rc::clone(&known));
        found.merge(&known.found);
        known.returns
    }

    fn eval(&mut self, frame: &mut Frame<'a>, id: ExprId) -> Kinds {
        if self.nesting >= MAX_NESTING || !self.step() {
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
                self.note_text(frame, kinds, ir.expr(id).span);
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
                            self.note_text(frame, kinds, ir.expr(id).span);
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
                    let Some(key) = key else {
                        labels |= of_value;
                        continue;
                    };
                    labels |= of_value & !self.facts.whole;
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
        self.note(frame, kinds, frame.ir.expr(id).span);
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
        self.note(frame, kinds, ir.expr(id).span);
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
        self.note(frame, kinds, span);
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

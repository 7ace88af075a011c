//! Statements on the walk, and the order of what they do.

use pyward_ir::{
    Block, Const, ExprId, ExprKind, FunctionIndex, Span, StmtId, StmtKind, Symbol, Target,
};

use super::call::{Passed, collect_literals};
use super::order::{Exit, Force};
use super::{Frame, MAX_NESTING, Walker};
use crate::facts::{Kinds, On, Subject};

impl<'a> Walker<'a> {
    pub(super) fn block(&mut self, frame: &mut Frame<'a>, block: &Block) {
        if self.nesting >= MAX_NESTING {
            return;
        }
        self.nesting += 1;
        for &stmt in block {
            self.stmt(frame, stmt);
        }
        self.nesting -= 1;
    }

    /// Walks a block from what is in force now, and tells what is after it.
    fn branch(&mut self, frame: &mut Frame<'a>, block: &Block) -> Force {
        let before = frame.force;
        self.block(frame, block);
        std::mem::replace(&mut frame.force, before)
    }

    fn stmt(&mut self, frame: &mut Frame<'a>, id: StmtId) {
        if !self.step() {
            return;
        }
        let ir = frame.ir;
        let stmt = ir.stmt(id);
        match &stmt.kind {
            StmtKind::Expr(e) => {
                let call = match ir.expr(*e).kind {
                    ExprKind::Await(inner) => inner,
                    _ => *e,
                };
                frame.statement = Some(call);
                frame.is_denied = false;
                self.eval(frame, *e);
                frame.statement = None;
                if std::mem::take(&mut frame.is_denied) {
                    frame.force.exit = Exit::Denies;
                }
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
            StmtKind::Return(value) => self.returns(frame, *value, stmt.span),
            StmtKind::Raise { exception, cause } => {
                for e in exception.iter().chain(cause) {
                    self.eval(frame, *e);
                }
                frame.force.exit = Exit::Denies;
            }
            StmtKind::Break | StmtKind::Continue => frame.force.exit = Exit::Leaves,
            StmtKind::Assert { test, message } => {
                self.test(frame, *test);
                if let Some(message) = message {
                    self.eval(frame, *message);
                }
            }
            StmtKind::If { test, body, orelse } => {
                self.test(frame, *test);
                let branches = [self.branch(frame, body), self.branch(frame, orelse)];
                frame.force = Force::join(&branches);
            }
            StmtKind::While { test, body, orelse } => {
                self.test(frame, *test);
                self.repeated(frame, body);
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
                self.repeated(frame, body);
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
                let before = frame.force;
                self.block(frame, body);
                self.block(frame, orelse);
                let mut ways = vec![std::mem::replace(&mut frame.force, before)];
                for handler in handlers {
                    if let Some(e) = handler.exception {
                        self.eval(frame, e);
                    }
                    ways.push(self.branch(frame, &handler.body));
                }
                frame.force = Force::join(&ways);
                let exit = frame.force.exit;
                self.block(frame, finally);
                if frame.force.exit == Exit::None {
                    frame.force.exit = exit;
                }
            }
            StmtKind::Match { subject, cases } => {
                self.test(frame, *subject);
                let mut ways = Vec::new();
                for case in cases {
                    if let Some(guard) = case.guard {
                        self.test(frame, guard);
                    }
                    ways.push(self.branch(frame, &case.body));
                }
                if !ways.is_empty() {
                    frame.force = Force::join(&ways);
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

    /// The body of a loop: taken to run, since what loops over permissions or items is meant to.
    fn repeated(&mut self, frame: &mut Frame<'a>, body: &Block) {
        let exit = frame.force.exit;
        self.block(frame, body);
        frame.force.exit = exit;
    }

    fn returns(&mut self, frame: &mut Frame<'a>, value: Option<ExprId>, span: Span) {
        let ir = frame.ir;
        let before = frame.denials;
        if let Some(value) = value {
            let labels = self.eval(frame, value);
            frame.returns |= labels;
            let mut passed = Passed::default();
            collect_literals(ir, value, 3, &mut passed);
            let subject = Subject {
                labels,
                constants: &passed.constants,
                texts: &passed.texts,
                ..Subject::default()
            };
            let kinds = self.facts.find(On::Return, &subject);
            self.note(frame, kinds, span);
        }
        if frame.denials > before {
            frame.force.exit = Exit::Denies;
        } else {
            frame.leave();
            frame.force.exit = Exit::Leaves;
        }
    }

    /// A function defined inside another is taken as run.
    pub(super) fn nested(&mut self, frame: &mut Frame<'a>, function: FunctionIndex) {
        let outer = std::mem::replace(&mut frame.function, function);
        let (returns, end, exit) = (frame.returns, frame.end, frame.force.exit);
        let body = &frame.ir.function(function).body;
        self.block(frame, body);
        frame.function = outer;
        frame.returns |= returns;
        (frame.end, frame.force.exit) = (end, exit);
    }

    pub(super) fn test(&mut self, frame: &mut Frame<'a>, expr: ExprId) -> Kinds {
        frame.tests += 1;
        let labels = self.eval(frame, expr);
        frame.tests -= 1;
        let subject = Subject {
            labels,
            in_test: true,
            ..Subject::default()
        };
        let kinds = self.facts.find(On::Test, &subject);
        self.note(frame, kinds, frame.ir.expr(expr).span);
        labels | kinds
    }

    pub(super) fn assign(
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
                    frame.write(var, labels & !self.facts.whole);
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
                    self.note(frame, kinds, frame.ir.expr(*item).span);
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
        self.note(frame, kinds, span);
    }
}

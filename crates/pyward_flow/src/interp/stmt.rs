//! Statements and control flow.

use pyward_ir::{
    Const, ExprId, ExprKind, Handler, MatchCase, Pattern, PatternId, StmtId, StmtKind, Target,
};

use super::{Interp, Loop};
use crate::fold;
use crate::heap::State;
use crate::value::{Builtin, Marks, Shape, StepKind, Value, flag, join};

/// Loops nested deeper than this are run once.
const MAX_LOOP_DEPTH: u8 = 3;

impl Interp<'_> {
    pub(crate) fn run_block(&mut self, block: &[StmtId]) {
        for &id in block {
            if !self.state.alive || !self.spend() {
                return;
            }
            self.run_stmt(id);
        }
    }

    #[allow(clippy::too_many_lines, reason = "one arm per kind of statement")]
    fn run_stmt(&mut self, id: StmtId) {
        let ir = self.ir;
        let stmt = ir.stmt(id);
        match &stmt.kind {
            StmtKind::Expr(value) => {
                self.eval(*value);
            }
            StmtKind::Assign {
                targets,
                value,
                annotation,
            } => self.run_assign(targets, *value, *annotation),
            StmtKind::Declare { target, annotation } => self.declare(target, *annotation),
            StmtKind::AugAssign { target, op, value } => {
                self.run_aug_assign(target, *op, *value, stmt.span)
            }
            StmtKind::Delete(targets) => {
                for target in targets {
                    if let Target::Var(var, _) = target {
                        self.write_var(*var, Value::unknown());
                    }
                }
            }
            StmtKind::Return(value) => self.run_return(*value),
            StmtKind::Raise { exception, cause } => {
                let mut marks = Marks::NONE;
                for expr in [exception, cause].into_iter().flatten() {
                    let value = self.eval(*expr);
                    marks = marks.union(&self.state.deep_marks(&value));
                }
                self.raise(&marks);
            }
            StmtKind::Assert { test, message } => {
                let truth = self.eval_test(*test);
                if let Some(message) = message {
                    self.eval(*message);
                }
                if truth == Some(false) {
                    self.raise(&Marks::NONE);
                } else {
                    self.refine(*test, true);
                }
            }
            StmtKind::If { test, body, orelse } => self.run_if(*test, body, orelse),
            StmtKind::While { test, body, orelse } => self.run_while(*test, body, orelse),
            StmtKind::For {
                target,
                iter,
                body,
                orelse,
                ..
            } => {
                let iterable = self.eval(*iter);
                self.run_for(target, &iterable, *iter, body, orelse);
            }
            StmtKind::With { items, body, .. } => {
                for item in items {
                    let context = self.eval(item.context);
                    let entered = self.enter_context(&context, item.context);
                    if let Some(target) = &item.target {
                        self.assign(target, entered, item.context);
                    }
                }
                self.run_block(body);
            }
            StmtKind::Try {
                body,
                handlers,
                orelse,
                finally,
                ..
            } => self.run_try(body, handlers, orelse, finally),
            StmtKind::Match { subject, cases } => self.run_match(*subject, cases),
            StmtKind::Function { function, target } => self.define_function(*function, *target),
            StmtKind::Class { class, target } => self.define_class(*class, *target),
            StmtKind::Import {
                module,
                has_alias,
                target,
            } => self.run_import(*module, *has_alias, *target),
            StmtKind::ImportFrom {
                module,
                level,
                names,
                star,
            } => {
                self.run_import_from(*module, *level, names, *star);
            }
            StmtKind::Break => {
                let state = std::mem::take(&mut self.state);
                if let Some(top) = self.frame().loops.last_mut() {
                    merge_into(&mut top.breaks, &state);
                }
                self.state = state;
                self.state.alive = false;
            }
            StmtKind::Continue => {
                let state = std::mem::take(&mut self.state);
                if let Some(top) = self.frame().loops.last_mut() {
                    merge_into(&mut top.continues, &state);
                }
                self.state = state;
                self.state.alive = false;
            }
        }
    }

    /// An exception leaves here.
    pub(super) fn raise(&mut self, marks: &Marks) {
        let state = std::mem::take(&mut self.state);
        let frame = self.frame();
        frame.raises = frame.raises.union(marks);
        if let Some(top) = frame.handlers.last_mut() {
            merge_into(top, &state);
        }
        self.state = state;
        self.state.alive = false;
    }

    fn run_return(&mut self, value: Option<ExprId>) {
        let result = match value {
            Some(expr) => self.eval(expr),
            None => Value::constant(Const::None),
        };
        if !self.state.alive {
            return;
        }
        if let Some(expr) = value {
            self.check_response(&result, expr);
        }
        self.note_proofs(value, &result);
        let state = std::mem::take(&mut self.state);
        let frame = self.frame();
        frame.returns = Some(match frame.returns.take() {
            Some(old) => join(&old, &result),
            None => result,
        });
        merge_into(&mut frame.exit, &state);
        self.state = state;
        self.state.alive = false;
    }

    fn run_if(&mut self, test: ExprId, body: &[StmtId], orelse: &[StmtId]) {
        let truth = self.eval_test(test);
        self.frame().tests.push(test);
        match truth {
            Some(true) => {
                self.refine(test, true);
                self.run_block(body);
            }
            Some(false) => {
                self.refine(test, false);
                self.run_block(orelse);
            }
            None => {
                let before = self.fork();
                self.refine(test, true);
                self.run_block(body);
                let after_body = std::mem::replace(&mut self.state, before);
                self.refine(test, false);
                self.run_block(orelse);
                self.state.merge(&after_body);
            }
        }
        self.frame().tests.pop();
    }

    fn run_while(&mut self, test: ExprId, body: &[StmtId], orelse: &[StmtId]) {
        self.frame().loop_depth += 1;
        let passes = if self.frame_ref().loop_depth > MAX_LOOP_DEPTH {
            1
        } else {
            2
        };
        let mut breaks = None;
        let mut endless = false;
        for pass in 0..passes {
            let truth = self.eval_test(test);
            // The first pass may fold the test on values that the loop changes.
            if truth == Some(false) && pass == 0 {
                break;
            }
            endless = truth == Some(true) && matches!(self.ir.expr(test).kind, ExprKind::Const(_));
            let before = self.fork();
            self.frame().loops.push(Loop::default());
            self.refine(test, true);
            self.run_block(body);
            let done = self.frame().loops.pop().unwrap_or_default();
            merge_option(&mut self.state, done.continues);
            if let Some(state) = done.breaks {
                merge_into(&mut breaks, &state);
            }
            let end = std::mem::replace(&mut self.state, before);
            if !self.state.merge(&end) {
                break;
            }
        }
        self.frame().loop_depth -= 1;
        if endless {
            self.state.alive = false;
        } else {
            self.refine(test, false);
            self.run_block(orelse);
        }
        merge_option(&mut self.state, breaks);
    }

    fn run_for(
        &mut self,
        target: &Target,
        iterable: &Value,
        iter: ExprId,
        body: &[StmtId],
        orelse: &[StmtId],
    ) {
        let mut breaks = None;
        if let Some(items) = self.short_sequence(iterable) {
            // Few known elements: run the body for each in turn.
            for item in items {
                if !self.state.alive {
                    break;
                }
                self.frame().loops.push(Loop::default());
                self.assign(target, item, iter);
                self.run_block(body);
                let done = self.frame().loops.pop().unwrap_or_default();
                merge_option(&mut self.state, done.continues);
                if let Some(state) = done.breaks {
                    merge_into(&mut breaks, &state);
                }
            }
        } else {
            let element = self.iterate(iterable, iter);
            self.frame().loop_depth += 1;
            let passes = if self.frame_ref().loop_depth > MAX_LOOP_DEPTH {
                1
            } else {
                2
            };
            for _ in 0..passes {
                let before = self.fork();
                self.frame().loops.push(Loop::default());
                self.assign(target, element.clone(), iter);
                self.run_block(body);
                let done = self.frame().loops.pop().unwrap_or_default();
                merge_option(&mut self.state, done.continues);
                if let Some(state) = done.breaks {
                    merge_into(&mut breaks, &state);
                }
                let end = std::mem::replace(&mut self.state, before);
                if !self.state.merge(&end) {
                    break;
                }
            }
            self.frame().loop_depth -= 1;
        }
        self.run_block(orelse);
        merge_option(&mut self.state, breaks);
    }

    /// The elements of a container when they are few and known, so that a loop over them can be unrolled.
    pub(super) fn short_sequence(&self, iterable: &Value) -> Option<Vec<Value>> {
        if self.frame_ref().loop_depth > 1 {
            return None;
        }
        let Shape::Object(id) = &iterable.shape else {
            return None;
        };
        let items = self.state.object(*id).items.as_ref()?;
        (items.len() <= 4).then(|| {
            items
                .iter()
                .map(|v| v.clone().with_marks(v.marks.union(&iterable.marks)))
                .collect()
        })
    }

    /// What one element of an iterable is.
    pub(super) fn iterate(&mut self, iterable: &Value, at: ExprId) -> Value {
        if let Some(element) = self.iterate_external(iterable, at) {
            return element;
        }
        self.state.element(iterable)
    }

    fn run_try(
        &mut self,
        body: &[StmtId],
        handlers: &[Handler],
        orelse: &[StmtId],
        finally: &[StmtId],
    ) {
        let raises_before = std::mem::replace(&mut self.frame().raises, Marks::NONE);
        let checkpoint = self.fork();
        self.frame().handlers.push(Some(checkpoint));
        for &id in body {
            if !self.state.alive || !self.spend() {
                break;
            }
            self.run_stmt(id);
            if self.state.alive && !handlers.is_empty() {
                let state = std::mem::take(&mut self.state);
                if let Some(top) = self.frame().handlers.last_mut() {
                    merge_into(top, &state);
                }
                self.steps_left = self.steps_left.saturating_sub(state.weight());
                self.state = state;
            }
        }
        let thrown = self.frame().handlers.pop().flatten();
        let raised = std::mem::replace(&mut self.frame().raises, raises_before);
        self.run_block(orelse);
        let mut result = std::mem::take(&mut self.state);
        if let Some(thrown) = thrown {
            if handlers.is_empty() {
                self.frame().raises = self.frame().raises.union(&raised);
            }
            for handler in handlers {
                self.state = thrown.clone();
                self.run_handler(handler, &raised);
                if self.state.alive {
                    if result.alive {
                        result.merge(&self.state);
                    } else {
                        result = std::mem::take(&mut self.state);
                    }
                }
            }
            if !result.alive && !finally.is_empty() {
                // What follows cannot be reached, but the `finally` part runs.
                self.state = thrown;
                self.run_block(finally);
                self.state.alive = false;
                return;
            }
        }
        self.state = result;
        self.run_block(finally);
    }

    fn run_handler(&mut self, handler: &Handler, raised: &Marks) {
        let class = handler.exception.map(|e| self.eval(e));
        if let Some(target) = handler.target {
            let value = self.exception_value(class.as_ref(), raised, handler.span);
            self.write_var(target, value);
        }
        self.run_block(&handler.body);
    }

    fn run_match(&mut self, subject: ExprId, cases: &[MatchCase]) {
        let value = self.eval(subject);
        self.note_interest_of(&value);
        let mut result: Option<State> = None;
        for case in cases {
            if !self.state.alive {
                break;
            }
            let matched = self.matches(case.pattern, &value);
            if matched == Some(false) {
                continue;
            }
            let before = self.fork();
            if let Some(place) = self.place_of(subject) {
                self.refine_by_pattern(case.pattern, &place);
            }
            self.bind_pattern(case.pattern, &value, subject);
            let mut certain = matched == Some(true);
            if let Some(guard) = case.guard {
                match self.eval_test(guard) {
                    Some(true) => {}
                    Some(false) => {
                        self.state = before;
                        continue;
                    }
                    None => certain = false,
                }
                self.refine(guard, true);
            }
            self.run_block(&case.body);
            let state = std::mem::replace(&mut self.state, before);
            merge_into(&mut result, &state);
            if certain {
                self.state.alive = false;
            }
        }
        // No case matched.
        merge_option(&mut self.state, result);
    }

    /// Whether a value matches a pattern, if that can be told.
    fn matches(&mut self, pattern: PatternId, value: &Value) -> Option<bool> {
        let ir = self.ir;
        match ir.pattern(pattern) {
            Pattern::Value(expr) => {
                let expected = self.eval(*expr);
                match (expected.as_const(), value.as_const()) {
                    (Some(a), Some(b)) => Some(fold::equal(a, b)),
                    _ => None,
                }
            }
            Pattern::Singleton(c) => value.as_const().map(|v| v == *c),
            Pattern::Capture { pattern: None, .. } => Some(true),
            Pattern::Capture {
                pattern: Some(inner),
                ..
            } => self.matches(*inner, value),
            Pattern::Or(list) => {
                let mut all_false = true;
                for p in list {
                    match self.matches(*p, value) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => all_false = false,
                    }
                }
                all_false.then_some(false)
            }
            _ => None,
        }
    }

    fn bind_pattern(&mut self, pattern: PatternId, value: &Value, at: ExprId) {
        let ir = self.ir;
        match ir.pattern(pattern) {
            Pattern::Value(_) | Pattern::Singleton(_) => {}
            Pattern::Capture { pattern, target } => {
                if let Some(inner) = pattern {
                    self.bind_pattern(*inner, value, at);
                }
                if let Some(var) = target {
                    self.write_var(*var, value.clone());
                }
            }
            Pattern::Sequence(list) => {
                for (position, p) in list.iter().enumerate() {
                    let index = i64::try_from(position).unwrap_or(0);
                    let item = self.get_item(value, &Value::constant(Const::Int(index)), at);
                    self.bind_pattern(*p, &item, at);
                }
            }
            Pattern::Star(target) => {
                if let Some(var) = target {
                    let element = self.state.content(value);
                    let rest = self.new_sequence(Builtin::List, element);
                    self.write_var(*var, rest);
                }
            }
            Pattern::Mapping { entries, rest } => {
                for (key, p) in entries {
                    let key = self.eval(*key);
                    let item = self.get_item(value, &key, at);
                    self.bind_pattern(*p, &item, at);
                }
                if let Some(var) = rest {
                    let marks = self.state.deep_marks(value);
                    self.write_var(
                        *var,
                        Value::of(Shape::Builtin(Builtin::Dict)).with_marks(marks),
                    );
                }
            }
            Pattern::Class {
                class,
                positional,
                keywords,
            } => {
                self.eval(*class);
                for p in positional {
                    let marks = self.state.deep_marks(value).flagged(flag::INEXACT);
                    self.bind_pattern(*p, &Value::unknown().with_marks(marks), at);
                }
                for (name, p) in keywords {
                    let item = self.get_attribute(value, *name, at);
                    self.bind_pattern(*p, &item, at);
                }
            }
            Pattern::Or(list) => {
                for p in list {
                    self.bind_pattern(*p, value, at);
                }
            }
        }
    }

    pub(super) fn note_interest_of(&mut self, value: &Value) {
        let marks = value.marks.clone();
        self.note_interest(&marks);
    }

    /// The marks with a step that says they came into a variable.
    pub(super) fn assigned(
        &self,
        marks: &Marks,
        name: pyward_ir::Symbol,
        span: pyward_ir::Span,
    ) -> Marks {
        if marks.is_empty() {
            Marks::NONE
        } else {
            marks.stepped(self.step(StepKind::Assign, span, name))
        }
    }
}

pub(super) fn merge_into(slot: &mut Option<State>, state: &State) {
    match slot {
        Some(old) => {
            old.merge(state);
        }
        None if state.alive => *slot = Some(state.clone()),
        None => {}
    }
}

pub(super) fn merge_option(state: &mut State, other: Option<State>) {
    if let Some(other) = other {
        if state.alive {
            state.merge(&other);
        } else {
            *state = other;
        }
    }
}

//! What the outcome of a call says of its arguments: methods of texts, `isinstance`, guards of models, regular
//! expressions, functions of the project that test.

use pyward_ir::{
    Arg, ArgKind, BoolOp, CompareOp, Const, ExprId, ExprKind, Pattern, PatternId, StmtKind, Symbol,
    Target,
};

use super::Interp;
use super::lookup::Place;
use super::refine::EVERYTHING;
use crate::heap::Key;
use crate::models::Outcome;
use crate::place::{Base, Content};
use crate::value::{Contexts, Origin, Shape, Value, flag};

/// Most statements of a function that is searched for the definition of a test's variable.
const MAX_SEARCHED: u32 = 200;

impl Interp<'_> {
    pub(super) fn refine_call(&mut self, callee: ExprId, args: &[Arg], outcome: bool) {
        let ir = self.ir;
        // A method of a string.
        if let ExprKind::Attribute { value, attr, .. } = ir.expr(callee).kind {
            self.refine_str_method(value, attr, args, outcome);
        }
        let callee_value = self.eval(callee);
        for shape in callee_value.shape.alternatives().to_vec() {
            match &shape {
                Shape::Api(id) | Shape::ApiMethod(id, _) => {
                    match self.cx.api.text(*id) {
                        "builtins.isinstance" => self.refine_isinstance(args, outcome),
                        "builtins.all" if outcome => self.refine_all(args),
                        "builtins.any" if !outcome => self.refine_none_of(args),
                        _ => {}
                    }
                    self.refine_regex(*id, &callee_value, args, outcome);
                    self.refine_by_guards(
                        *id,
                        callee,
                        args,
                        if outcome {
                            Outcome::True
                        } else {
                            Outcome::False
                        },
                    );
                }
                Shape::Function(_) | Shape::Closure(_) => {
                    self.refine_by_summary(&shape, args, outcome)
                }
                // By the method's name alone.
                Shape::Unknown | Shape::Object(_) => {
                    if let ExprKind::Attribute { attr, .. } = ir.expr(callee).kind {
                        let id = self.cx.api.by_method_name(attr);
                        let outcome = if outcome {
                            Outcome::True
                        } else {
                            Outcome::False
                        };
                        self.refine_by_guards(id, callee, args, outcome);
                    }
                }
                _ => {}
            }
        }
    }

    /// `if check:` where `check` was computed before has no place to clean; see the proof of summaries instead.
    pub(super) fn refine_by_origin_of_test(&mut self, test: ExprId, outcome: bool) {
        if let Some(check) = self.only_definition(test)
            && matches!(self.ir.expr(check).kind, ExprKind::Call { .. })
        {
            self.refine(check, outcome);
        }
    }

    /// The expression that a local variable of this function is bound to, where that happens in one place.
    fn only_definition(&self, name: ExprId) -> Option<ExprId> {
        let ExprKind::Name(pyward_ir::Var::Local(slot)) = self.ir.expr(name).kind else {
            return None;
        };
        let id = self.frame_ref().function;
        let ir = self.cx.program.ir(id.file);
        // Longer functions are rarely that plain, and every test would walk them.
        if self.cx.index.size(id) > MAX_SEARCHED || !std::ptr::eq(ir, self.ir) {
            return None;
        }
        let (mut found, mut bindings) = (None, 0);
        ir.each_stmt(&ir.function(id.index).body, &mut |stmt| {
            if let StmtKind::Assign { targets, value, .. } = &ir.stmt(stmt).kind {
                for target in targets {
                    if matches!(target, Target::Var(pyward_ir::Var::Local(s), _) if *s == slot) {
                        bindings += 1;
                        found = Some(*value);
                    }
                }
            }
        });
        found.filter(|_| bindings == 1)
    }

    fn refine_str_method(&mut self, receiver: ExprId, attr: Symbol, args: &[Arg], outcome: bool) {
        match attr.as_str() {
            name if is_class_of_characters(name) && outcome && args.is_empty() => {
                self.clean_expr(receiver, EVERYTHING);
            }
            // `if value.startswith("-"): refuse`
            "startswith" if !outcome => {
                let dash = args.first().map(|a| self.eval(a.value));
                if dash.is_some_and(|d| d.as_str() == Some("-")) {
                    self.clean_expr(receiver, self.cx.contexts.argument);
                }
            }
            "startswith" if outcome => {
                let Some(first) = args.first() else { return };
                let prefix = self.eval(first.value);
                let subject = self.eval(receiver);
                // A prefix check is sound on a normalised path only.
                if !subject.marks.is_empty()
                    && subject
                        .marks
                        .iter()
                        .all(|m| m.flags & flag::NORMALISED != 0)
                {
                    self.clean_expr(receiver, self.cx.contexts.path);
                }
                let prefixes: Vec<&'static str> = match &prefix.shape {
                    Shape::Object(id) => self
                        .state
                        .object(*id)
                        .items
                        .iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .collect(),
                    _ => prefix.as_str().into_iter().collect(),
                };
                if !prefixes.is_empty() {
                    let known = self.cx.contexts;
                    let host_fixed = prefixes.iter().all(|p| {
                        p.split_once("://")
                            .is_some_and(|(_, rest)| rest.contains('/'))
                    });
                    if host_fixed {
                        self.clean_expr(receiver, known.redirect | known.url);
                    }
                }
            }
            _ => {}
        }
    }

    fn refine_isinstance(&mut self, args: &[Arg], outcome: bool) {
        let [subject, class] = args else { return };
        if !outcome {
            return;
        }
        let class = self.eval(class.value);
        let classes: Vec<Shape> = match &class.shape {
            Shape::Object(id) => self
                .state
                .object(*id)
                .items
                .iter()
                .flatten()
                .map(|v| v.shape.clone())
                .collect(),
            other => vec![other.clone()],
        };
        let harmless = !classes.is_empty()
            && classes.iter().all(|s| match s {
                Shape::Api(id) => matches!(
                    self.cx.api.text(*id),
                    "builtins.int"
                        | "builtins.float"
                        | "builtins.bool"
                        | "builtins.complex"
                        | "decimal.Decimal"
                        | "uuid.UUID"
                        | "datetime.datetime"
                        | "datetime.date"
                ),
                _ => false,
            });
        if harmless {
            self.clean_expr(subject.value, EVERYTHING);
            return;
        }
        let text = !classes.is_empty()
            && classes.iter().all(|s| match s {
                Shape::Api(id) => {
                    matches!(self.cx.api.text(*id), "builtins.str" | "builtins.bytes")
                }
                _ => false,
            });
        if text {
            self.clean_expr(subject.value, self.cx.contexts.not_text);
        }
    }

    /// `all(c in ALLOWED for c in name)`
    fn refine_all(&mut self, args: &[Arg]) {
        let Some(first) = args.first() else { return };
        let ir = self.ir;
        let ExprKind::Comprehension(comprehension) = &ir.expr(first.value).kind else {
            return;
        };
        let [generator] = comprehension.generators.as_ref() else {
            return;
        };
        let positive = match &ir.expr(comprehension.element).kind {
            ExprKind::Compare { rest, .. } => matches!(rest.as_ref(), [(CompareOp::In, _)]),
            ExprKind::Call { callee, .. } => match ir.expr(*callee).kind {
                ExprKind::Attribute { attr, .. } => is_class_of_characters(attr.as_str()),
                _ => false,
            },
            ExprKind::Bool { op: BoolOp::Or, .. } => true,
            _ => false,
        };
        if positive {
            self.clean_expr(generator.iter, EVERYTHING);
        }
    }

    /// `not any(c in name for c in "/\\")`: what is left lacks each of them.
    fn refine_none_of(&mut self, args: &[Arg]) {
        let ir = self.ir;
        let Some(first) = args.first() else { return };
        let ExprKind::Comprehension(comprehension) = &ir.expr(first.value).kind else {
            return;
        };
        let [generator] = comprehension.generators.as_ref() else {
            return;
        };
        let (of, element) = (generator.iter, comprehension.element);
        let ExprKind::Compare { left, rest } = &ir.expr(element).kind else {
            return;
        };
        let ([(CompareOp::In, subject)], ExprKind::Name(_)) = (rest.as_ref(), &ir.expr(*left).kind)
        else {
            return;
        };
        let of = self.eval(of);
        let needles: Vec<String> = match &of.shape {
            Shape::Const(Const::Str(text)) => text.as_str().chars().map(String::from).collect(),
            Shape::Object(id) => {
                let items = self.state.object(*id).items.iter().flatten();
                items.filter_map(Value::as_str).map(String::from).collect()
            }
            _ => return,
        };
        let contexts = needles
            .iter()
            .fold(0, |all, needle| all | self.cleaned_by_absence(needle));
        self.clean_expr(*subject, contexts);
    }

    /// Checks that models describe.
    pub(super) fn refine_by_guards(
        &mut self,
        id: crate::value::ApiId,
        callee: ExprId,
        args: &[Arg],
        outcome: Outcome,
    ) {
        let Some(entry) = self.cx.api.entry(id) else {
            return;
        };
        for guard in &entry.guards {
            if guard.outcome != outcome || guard.arg.content != Content::Whole {
                continue;
            }
            if !guard.when.is_empty() || !guard.unless.is_empty() {
                let call = self.eval_args(args);
                let receiver = match self.ir.expr(callee).kind {
                    ExprKind::Attribute { value, .. } => Some(self.eval(value)),
                    _ => None,
                };
                if !self.conditions_hold(&guard.when, &guard.unless, &call, receiver.as_ref()) {
                    continue;
                }
            }
            let subject = match &guard.arg.base {
                Base::Receiver => match self.ir.expr(callee).kind {
                    ExprKind::Attribute { value, .. } => Some(value),
                    _ => None,
                },
                Base::Argument(position, name) => args
                    .iter()
                    .find(|a| matches!((a.kind, name), (ArgKind::Keyword(k), Some(n)) if k == *n))
                    .or_else(|| {
                        position.and_then(|p| args.get(p).filter(|a| a.kind == ArgKind::Positional))
                    })
                    .map(|a| a.value),
                _ => None,
            };
            let Some(subject) = subject else { continue };
            if guard.of_normalised {
                let value = self.eval(subject);
                if value.marks.iter().any(|m| m.flags & flag::NORMALISED == 0) {
                    continue;
                }
            }
            if guard.of_keyed {
                let value = self.eval(subject);
                let keyed = value.marks.iter().filter(|m| m.flags & flag::KEYED != 0);
                let origins: Vec<Origin> = keyed.map(|m| m.origin).collect();
                self.clean_origins(&origins, guard.cleans);
                continue;
            }
            self.clean_expr(subject, guard.cleans);
        }
    }

    /// What a function of the project proves of its arguments.
    fn refine_by_summary(&mut self, shape: &Shape, args: &[Arg], outcome: bool) {
        let id = match shape {
            Shape::Function(id) => *id,
            Shape::Closure(c) => c.function,
            _ => return,
        };
        let Some(summary) = self.cx.tables.summary(id).cloned() else {
            return;
        };
        let proofs = if outcome {
            &summary.proves_true
        } else {
            &summary.proves_false
        };
        let function = self.cx.program.ir(id.file).function(id.index);
        let skip = usize::from(matches!(shape, Shape::Closure(c) if c.receiver.is_some()));
        let proofs: Vec<(usize, Contexts)> =
            proofs.iter().map(|(i, c)| (usize::from(*i), *c)).collect();
        for (index, contexts) in proofs {
            let name = function.params.get(index).map(|p| p.name);
            let arg = args
                .iter()
                .find(|a| matches!((a.kind, name), (ArgKind::Keyword(k), Some(n)) if k == n))
                .or_else(|| {
                    index
                        .checked_sub(skip)
                        .and_then(|p| args.get(p).filter(|a| a.kind == ArgKind::Positional))
                });
            if let Some(arg) = arg {
                self.clean_expr(arg.value, contexts);
            }
        }
    }

    /// `re.fullmatch(pattern, subject)` and its kin: what a full match cannot contain.
    fn refine_regex(
        &mut self,
        id: crate::value::ApiId,
        callee: &Value,
        args: &[Arg],
        outcome: bool,
    ) {
        let path = self.cx.api.text(id);
        let Some(method) = path.strip_prefix("re.") else {
            return;
        };
        let (method, compiled) = match method.strip_prefix("Pattern.") {
            Some(m) => (m, true),
            None => (method, false),
        };
        let (pattern, subject) = if compiled {
            let Shape::ApiMethod(_, receiver) = &callee.shape else {
                return;
            };
            let Shape::Object(object) = receiver.shape else {
                return;
            };
            let pattern = self
                .state
                .object(object)
                .field(Key::Attribute(Symbol::new("0")))
                .cloned();
            (pattern, args.first())
        } else {
            let Some(first) = args.first() else { return };
            (Some(self.eval(first.value)), args.get(1))
        };
        let (Some(pattern), Some(subject)) = (pattern.as_ref().and_then(Value::as_str), subject)
        else {
            return;
        };
        let contexts = self
            .cx
            .regex
            .proof(pattern, method, outcome, self.cx.models);
        self.clean_expr(subject.value, contexts);
    }

    pub(super) fn refine_by_pattern(&mut self, pattern: PatternId, place: &Place) {
        let ir = self.ir;
        let constant = |p: &PatternId| match ir.pattern(*p) {
            Pattern::Value(e) => matches!(ir.expr(*e).kind, ExprKind::Const(_)),
            Pattern::Singleton(_) => true,
            _ => false,
        };
        let all = match ir.pattern(pattern) {
            Pattern::Or(list) => list.iter().all(constant),
            Pattern::Capture {
                pattern: Some(inner),
                ..
            } => match ir.pattern(*inner) {
                Pattern::Or(list) => list.iter().all(constant),
                _ => constant(inner),
            },
            _ => constant(&pattern),
        };
        if all {
            self.clean_place(place, EVERYTHING);
        }
    }
}

/// Methods that tell texts of letters and digits alone.
pub(super) fn is_class_of_characters(method: &str) -> bool {
    matches!(
        method,
        "isdigit" | "isdecimal" | "isnumeric" | "isalpha" | "isalnum" | "isidentifier"
    )
}

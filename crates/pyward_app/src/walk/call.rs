//! Calls on the walk: what is passed, whom it reaches, what the callee's parameters get.

use pyward_ir::{
    Arg, ArgKind, Const, ExprId, ExprKind, FileIr, InterpolatedPart, ParamKind, Symbol,
};
use pyward_program::FunctionId;

use super::{Frame, Walker};
use crate::facts::{Kinds, On, Subject};
use crate::names::{Referent, item_read};

/// What was passed to a call.
#[derive(Default)]
pub(super) struct Passed {
    pub(super) positional: Vec<Kinds>,
    pub(super) keywords: Vec<(Symbol, Kinds)>,
    pub(super) rest: Kinds,
    pub(super) all: Kinds,
    pub(super) constants: Vec<Const>,
    pub(super) texts: Vec<Symbol>,
    pub(super) unpacks: bool,
}
impl<'a> Walker<'a> {
    pub(super) fn call(
        &mut self,
        frame: &mut Frame<'a>,
        id: ExprId,
        callee: ExprId,
        args: &[Arg],
    ) -> Kinds {
        let ir = frame.ir;
        let span = ir.expr(id).span;
        let is_statement = frame.statement.take() == Some(id);
        let receiver = match ir.expr(callee).kind {
            ExprKind::Attribute { value, .. } => self.eval(frame, value),
            ExprKind::Name(var) => frame.read(var),
            _ => self.eval(frame, callee),
        };
        let chain = self
            .names
            .chain(frame.file, frame.function, callee)
            .unwrap_or_default();
        let mut passed = Passed::default();
        for arg in args {
            let labels = self.eval(frame, arg.value);
            passed.all |= labels;
            collect_literals(ir, arg.value, 2, &mut passed);
            match arg.kind {
                ArgKind::Positional => passed.positional.push(labels),
                ArgKind::Keyword(name) => {
                    passed.keywords.push((name, labels));
                    self.keyword(
                        frame,
                        &chain,
                        name,
                        labels,
                        arg.value,
                        ir.expr(arg.value).span,
                    );
                }
                ArgKind::Star => passed.rest |= labels,
                ArgKind::DoubleStar => {
                    passed.rest |= labels;
                    passed.unpacks |= !matches!(
                        ir.expr(arg.value).kind,
                        ExprKind::Dict(_) | ExprKind::Comprehension(_)
                    );
                }
            }
        }
        let keywords: Vec<Symbol> = passed.keywords.iter().map(|(name, _)| *name).collect();
        let subject = Subject {
            chain: &chain,
            labels: passed.all | receiver | self.class_kinds(frame, callee),
            constants: &passed.constants,
            texts: &passed.texts,
            keywords: &keywords,
            unpacks: passed.unpacks,
            in_test: frame.tests > 0,
            ..Subject::default()
        };
        let mut kinds = self.facts.find(On::Call, &subject);
        frame.is_denied = is_statement && kinds & self.denies != 0;
        let guards = kinds & self.facts.protecting;
        self.note(frame, kinds | self.performs(passed.all), span);
        if guards != 0 {
            frame.found.guard_within(frame.file, span, guards);
        }
        kinds = self.facts.labels(kinds);
        if item_read(ir, id).is_some() {
            kinds |= self.named(frame, id);
        }
        let targets = self.targets(frame, id, callee);
        if targets.is_empty() {
            let of_keywords = passed.keywords.iter().fold(0, |set, (_, l)| set | l);
            let others = passed.positional.iter().fold(passed.rest, |set, l| set | l);
            let parts = of_keywords & !self.facts.whole | others;
            // `form.get("name")` is a part of the form.
            let whole = match item_read(ir, id) {
                Some(_) => self.facts.whole,
                None => 0,
            };
            return receiver & !whole | parts | kinds;
        }
        let mut labels = kinds;
        for target in targets {
            let params = self.bind(target, receiver, &passed);
            let summary = self.function(target, &params);
            labels |= summary.returns;
            let (found, ensures) = (&summary.found, summary.ensures);
            self.note_called(frame, found, ensures, span, is_statement);
        }
        labels
    }

    /// What the names of a called class's bases say of it.
    fn class_kinds(&mut self, frame: &Frame<'a>, callee: ExprId) -> Kinds {
        let Some(Referent::Class(class)) = self.names.referent(frame.file, frame.function, callee)
        else {
            return 0;
        };
        if let Some(known) = self.classes.get(&class) {
            return *known;
        }
        self.classes.insert(class, 0);
        let mut queue = vec![class];
        let mut kinds = 0;
        let mut seen = 0;
        while let Some(class) = queue.pop() {
            seen += 1;
            if seen > 16 {
                break;
            }
            let description = self.program.class(class);
            for &base in &description.bases {
                let chain = self
                    .names
                    .chain(class.file, description.parent, base)
                    .unwrap_or_default();
                let subject = Subject {
                    chain: &chain,
                    ..Subject::default()
                };
                kinds |= self.facts.find(On::Guard, &subject);
            }
            queue.extend(self.analysis.bases.get(&class).into_iter().flatten());
        }
        self.classes.insert(class, kinds);
        kinds
    }

    /// The project's functions that a call reaches.
    fn targets(&self, frame: &Frame<'a>, id: ExprId, callee: ExprId) -> Vec<FunctionId> {
        if let Some(known) = self.analysis.calls.get(&(frame.file, id)) {
            return known.clone();
        }
        match self.names.referent(frame.file, frame.function, callee) {
            Some(Referent::Function(function)) => vec![function],
            _ => Vec::new(),
        }
    }

    /// Labels of the parameters of a function that is called so.
    fn bind(&self, target: FunctionId, receiver: Kinds, passed: &Passed) -> Vec<Kinds> {
        let function = self.program.function(target);
        let is_method = function.class.is_some()
            && function
                .params
                .first()
                .is_some_and(|p| matches!(p.name.as_str(), "self" | "cls" | "mcs"));
        let mut positional = passed.positional.iter().copied();
        let mut bound = Vec::with_capacity(function.params.len());
        for (at, param) in function.params.iter().enumerate() {
            let named = passed.keywords.iter().find(|(name, _)| *name == param.name);
            bound.push(match param.kind {
                _ if at == 0 && is_method => receiver,
                ParamKind::Star => positional.by_ref().fold(passed.rest, |a, b| a | b),
                ParamKind::DoubleStar => passed
                    .keywords
                    .iter()
                    .fold(passed.rest, |all, (_, labels)| all | labels),
                kind => match named {
                    Some((_, labels)) => *labels,
                    None if kind == ParamKind::KeywordOnly => passed.rest,
                    None => positional.next().unwrap_or(passed.rest),
                },
            });
        }
        bound
    }
}

/// Constants and texts in an expression and, `depth` levels down, in its parts.
pub(super) fn collect_literals(ir: &FileIr, expr: ExprId, depth: u8, into: &mut Passed) {
    match &ir.expr(expr).kind {
        ExprKind::Const(constant) => {
            into.constants.push(*constant);
            if let Const::Str(text) | Const::Bytes(text) = constant {
                into.texts.push(*text);
            }
        }
        ExprKind::FString(parts) | ExprKind::TString(parts) => {
            for part in parts {
                if let InterpolatedPart::Literal(text) = part {
                    into.texts.push(*text);
                }
            }
        }
        ExprKind::Binary { left, right, .. } => {
            for part in [left, right] {
                let mut inner = Passed::default();
                collect_literals(ir, *part, depth.saturating_sub(1), &mut inner);
                into.texts.extend(inner.texts);
            }
        }
        _ if depth > 0 => {
            let mut children = Vec::new();
            ir.each_child(expr, &mut |e| children.push(e));
            for child in children {
                collect_literals(ir, child, depth - 1, into);
            }
        }
        _ => {}
    }
}

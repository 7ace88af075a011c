//! Regular expressions that backtrack catastrophically: where they stand, and whose texts they are applied to.

use std::sync::Arc;

use pyward_catalog::rule::{Confidence, Severity};
use pyward_ir::{Const, Span, Symbol};
use pyward_program::FileId;
use pyward_regex::{Analysis, Method, Witness};

use super::call::CallArgs;
use super::{Interp, MAX_FINDINGS};
use crate::finding::RawFinding;
use crate::heap::{Class, Key, Object};
use crate::models::{Entry, Propagator, RegexUse};
use crate::place::Place;
use crate::summary::{SinkSite, SiteDetails};
use crate::value::{Contexts, Shape, StepKind, Value};

/// Field of a compiled expression: where its text stands, as `file:start:end`.
const DEFINED: &str = "=defined";
/// Most expressions looked at where one of several is applied.
const MAX_ALTERNATIVES: usize = 4;
/// Longest beginning of an example that a message shows, in characters.
const MAX_PREFIX: usize = 60;

/// A regular expression and where its text stands.
struct Expression {
    verdict: Arc<Analysis>,
    file: FileId,
    span: Span,
    /// It was compiled elsewhere, and judged there.
    is_compiled: bool,
}

impl Interp<'_> {
    /// Looks at an expression that a call compiles or applies.
    pub(super) fn check_regex(
        &mut self,
        model: &RegexUse,
        receiver: Option<&Value>,
        call: &CallArgs,
        span: Span,
        what: Symbol,
    ) {
        let text = model.text.as_ref();
        let texts = text.map_or_else(Vec::new, |place| self.place_values(place, call, receiver));
        if !texts.is_empty() && texts.iter().all(|t| t.as_const().is_some()) {
            return;
        }
        for expression in self.expressions(model, receiver, call, span) {
            let verdict = &expression.verdict;
            let Some(witness) = (match text {
                Some(_) => verdict.witness(model.method),
                None => verdict.exponential.as_ref(),
            }) else {
                continue;
            };
            let is_exponential = witness.degree.is_none();
            if is_exponential && !expression.is_compiled {
                self.report_regex(model.rule, witness, span, expression.span, what);
            }
            let confidence = confidence(witness);
            let rule = &self.cx.models.rules[model.rule as usize];
            let details = SiteDetails {
                message: format!(
                    "{{source}} is matched by {{sink}} against a regular expression that {}",
                    why(witness)
                ),
                cleaned_by: rule.context,
                way: vec![self.step(StepKind::Call, span, what)],
            };
            let site = SinkSite {
                file: expression.file,
                details: Some(Box::new(details)),
                ..self.site(
                    model.rule,
                    expression.span,
                    expression.span,
                    what,
                    confidence,
                )
            };
            let site = Arc::new(site);
            for value in &texts {
                for mark in self.state.deep_marks(value).iter() {
                    self.arrive(mark, &site);
                }
            }
        }
    }

    /// What a text can no longer do when all matches of an expression have been taken out of it.
    pub(super) fn cleaned_by_removal(
        &mut self,
        propagator: &Propagator,
        receiver: Option<&Value>,
        call: &CallArgs,
    ) -> Contexts {
        let mut text = |place: &Option<Place>| -> Option<&'static str> {
            let values = self.place_values(place.as_ref()?, call, receiver);
            let [value] = values.as_slice() else {
                return None;
            };
            // A compiled expression keeps its text.
            let compiled = match value.shape {
                Shape::Object(id) => self
                    .state
                    .object(id)
                    .field(Key::Attribute(Symbol::new("0"))),
                _ => None,
            };
            compiled.unwrap_or(value).as_str()
        };
        let (pattern, replacement) = (text(&propagator.removes), text(&propagator.replacement));
        let (Some(pattern), Some(replacement)) = (pattern, replacement) else {
            return 0;
        };
        let models = self.cx.models;
        self.cx.regex.removal(pattern, replacement, models)
    }

    /// The expressions that may be meant, as far as their text is known.
    fn expressions(
        &mut self,
        model: &RegexUse,
        receiver: Option<&Value>,
        call: &CallArgs,
        span: Span,
    ) -> Vec<Expression> {
        let Some((pattern, expr)) = self.argument(&model.pattern, call, receiver) else {
            return Vec::new();
        };
        let flags = match &model.flags {
            Some(place) => self.flags(place, call, receiver),
            None => Some(0),
        };
        let here = expr.map_or(span, |e| self.expr_span(e));
        let shapes = pattern.shape.alternatives();
        let mut found = Vec::new();
        for shape in shapes.iter().take(MAX_ALTERNATIVES) {
            match shape {
                Shape::Const(Const::Str(text)) => found.push(Expression {
                    verdict: self.cx.regex.backtracking(*text, flags, false),
                    file: self.file,
                    span: here,
                    is_compiled: false,
                }),
                Shape::Const(Const::Bytes(text)) => found.push(Expression {
                    verdict: self.cx.regex.backtracking(*text, flags, true),
                    file: self.file,
                    span: here,
                    is_compiled: false,
                }),
                Shape::Object(id) => found.extend(self.compiled(self.state.object(*id))),
                _ => {}
            }
        }
        found
    }

    /// The flags that a call is given; `None` where they are not known.
    fn flags(&self, place: &Place, call: &CallArgs, receiver: Option<&Value>) -> Option<u32> {
        match self.argument(place, call, receiver) {
            None => Some(0),
            Some((value, _)) => number(&value),
        }
    }

    /// The expression that an object was compiled from.
    fn compiled(&self, object: &Object) -> Option<Expression> {
        let field = |name: &str| object.field(Key::Attribute(Symbol::new(name)));
        let at = field(DEFINED)?.as_str()?;
        let mut numbers = at.split(':').map(|part| part.parse::<u32>().ok());
        let (file, start, end) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let flags = match field("1").or_else(|| field("=flags")) {
            Some(value) => number(value),
            None => Some(0),
        };
        let (text, is_bytes) = match field("0").or_else(|| field("=pattern"))?.as_const()? {
            Const::Str(text) => (text, false),
            Const::Bytes(text) => (text, true),
            _ => return None,
        };
        Some(Expression {
            verdict: self.cx.regex.backtracking(text, flags, is_bytes),
            file: FileId(file),
            span: Span { start, end },
            is_compiled: true,
        })
    }

    /// Has a compiled expression remember where its text stands.
    pub(super) fn remember_regex(
        &mut self,
        entry: &Entry,
        value: &Value,
        receiver: Option<&Value>,
        call: &CallArgs,
    ) {
        for model in entry.regexes.iter().filter(|r| r.text.is_none()) {
            let Some((_, Some(expr))) = self.argument(&model.pattern, call, receiver) else {
                continue;
            };
            let Shape::Object(id) = value.shape else {
                continue;
            };
            let span = self.expr_span(expr);
            let at = format!("{}:{}:{}", self.file.0, span.start, span.end);
            let object = self.state.object_mut(id);
            if matches!(object.class, Class::Api(_)) {
                object.set_field(Key::Attribute(Symbol::new(DEFINED)), Value::str(&at));
            }
        }
    }

    /// Reports an expression whatever the text.
    fn report_regex(&mut self, rule: u16, witness: &Witness, span: Span, at: Span, what: Symbol) {
        let key = (rule, self.file, at, (254, 0, 0, 0), 0);
        if !self.sink_seen.insert(key) || self.out.findings.len() >= MAX_FINDINGS {
            return;
        }
        let site = self.site(rule, at, span, what, Confidence::Medium);
        self.out.findings.push(RawFinding {
            rule,
            file: site.file,
            span: at,
            context_span: at,
            sink: what,
            source_kind: None,
            severity: Severity::Low,
            confidence: site.confidence,
            message: Some(format!("this regular expression {}", why(witness))),
            trace: Vec::new(),
            subject: None,
            end: None,
            function: site.function,
        });
    }
}

fn number(value: &Value) -> Option<u32> {
    match value.as_const()? {
        Const::Int(i) => u32::try_from(i).ok(),
        _ => None,
    }
}

fn confidence(witness: &Witness) -> Confidence {
    let from_start = witness.applies(Method::Match) || witness.applies(Method::FullMatch);
    match witness.degree {
        None => Confidence::High,
        Some(degree) if degree > 2 => Confidence::High,
        Some(_) if from_start => Confidence::Medium,
        // Any search for a run of characters before something else is, `\s+$` for one.
        Some(_) => Confidence::Low,
    }
}

/// What is wrong with an expression: a predicate with an example.
fn why(witness: &Witness) -> String {
    let (time, count) = match witness.degree {
        None => ("takes exponential time".to_owned(), 30),
        Some(2) => ("takes quadratic time".to_owned(), 50_000),
        Some(3) => ("takes cubic time".to_owned(), 3_000),
        Some(degree) => (
            format!("takes time in the power of {degree} of the length"),
            500,
        ),
    };
    let pump = literal(&witness.pump);
    let mut parts = Vec::new();
    if !witness.prefix.is_empty() {
        parts.push(literal(&witness.prefix));
    }
    parts.push(format!("{pump} * {count}"));
    if !witness.suffix.is_empty() {
        parts.push(literal(&witness.suffix));
    }
    let example = if witness.prefix.chars().count() <= MAX_PREFIX {
        format!("`{}`", parts.join(" + "))
    } else {
        format!("one with `{pump} * {count}`")
    };
    let ways = if witness.applies(Method::Match) || witness.degree.is_none() {
        format!("repetitions of `{pump}` can be matched in more than one way")
    } else {
        format!("a run of `{pump}` is tried from each of its characters")
    };
    format!("{time} on a text such as {example}: {ways}")
}

/// A text as Python writes it.
fn literal(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // A message quotes in these.
            '`' => out.push_str("\\x60"),
            ' '..='~' => out.push(c),
            _ => {
                let code = u32::from(c);
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explains() {
        let analysis = pyward_regex::analyse(r"^(a+)+$", false);
        let witness = analysis.witness(Method::Match).expect("exponential");
        let text = why(witness);
        assert!(
            text.starts_with("takes exponential time on a text such as `'a"),
            "{text}"
        );
        assert_eq!(literal("a'\n\u{0}é`"), r"'a\'\n\x00\xe9\x60'");
    }
}

//! Conditions that models put on their entries (`when`, `unless`): what is asked of arguments, values and names.

use pyward_catalog::model::Scalar;
use pyward_ir::{Const, ExprId, ExprKind, Symbol};

use super::Interp;
use super::call::CallArgs;
use crate::fold;
use crate::heap::Class;
use crate::models::Condition;
use crate::place::{Base, Place};
use crate::value::{Builtin, Origin, PathId, Shape, Value};

/// What a condition is asked about.
pub(super) struct Subject<'c> {
    pub(super) call: &'c CallArgs,
    pub(super) receiver: Option<&'c Value>,
    /// Value, key and name of an assignment.
    pub(super) value: Option<(&'c Value, Option<ExprId>)>,
    pub(super) key: Option<(&'c Value, Option<ExprId>)>,
    pub(super) target: Option<Symbol>,
}

/// Which alternatives of a value a condition has to hold for: one for what speaks for a finding, all for what speaks
/// against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Certainty {
    Possible,
    Certain,
}

impl Certainty {
    fn of(self, alternatives: &[Shape], test: impl FnMut(&Shape) -> bool) -> bool {
        let mut alternatives = alternatives.iter();
        match self {
            Self::Possible => alternatives.any(test),
            Self::Certain => alternatives.all(test),
        }
    }
}

impl Interp<'_> {
    pub(super) fn conditions_hold(
        &mut self,
        when: &[Condition],
        unless: &[Condition],
        call: &CallArgs,
        receiver: Option<&Value>,
    ) -> bool {
        if when.is_empty() && unless.is_empty() {
            return true;
        }
        let subject = Subject {
            call,
            receiver,
            value: None,
            key: None,
            target: None,
        };
        when.iter()
            .all(|c| c.on_arriving() || self.holds(c, &subject, Certainty::Possible))
            && !unless
                .iter()
                .any(|c| !c.on_arriving() && self.holds(c, &subject, Certainty::Certain))
    }

    pub(super) fn all_hold(
        &mut self,
        when: &[Condition],
        unless: &[Condition],
        subject: &Subject<'_>,
    ) -> bool {
        when.iter()
            .all(|c| self.holds(c, subject, Certainty::Possible))
            && !unless
                .iter()
                .any(|c| self.holds(c, subject, Certainty::Certain))
    }

    pub(super) fn holds(
        &mut self,
        condition: &Condition,
        subject: &Subject<'_>,
        certainty: Certainty,
    ) -> bool {
        let test = &condition.test;
        if let Some(modules) = &test.imports {
            let imported = self.cx.index.imports(self.file);
            let found = modules.as_slice().iter().any(|m| match m {
                Scalar::Str(name) => imported.contains(&Symbol::new(name)),
                _ => false,
            });
            if !found {
                return false;
            }
        }
        if let Some(around) = &condition.around
            && !self.is_asked_for(around)
        {
            return false;
        }
        if let Some(used_as) = &condition.used_as {
            let function = self.frame_ref().function;
            let function = self
                .cx
                .program
                .ir(function.file)
                .function(function.index)
                .name;
            let matched = self
                .used_as
                .iter()
                .chain([&function])
                .any(|n| used_as.is_match(n.as_str()));
            if !matched {
                return false;
            }
        }
        let (mut values, expr) = self.condition_values(condition.arg.as_ref(), subject);
        for value in &mut values {
            self.assume_default(value);
        }
        if let Some(present) = test.present {
            let unpacks = matches!(&condition.arg, Some(place) if place.base == Base::Keyword);
            let given =
                self.is_given(condition.arg.as_ref(), subject) || !unpacks && !values.is_empty();
            if given != present || !present && self.may_hold(condition.arg.as_ref(), subject) {
                return false;
            }
        }
        if let Some(named) = &condition.named {
            let from_target = match condition.arg.as_ref().map(|p| &p.base) {
                Some(Base::Target) => subject.target,
                _ => None,
            };
            let key_text = match condition.arg.as_ref().map(|p| &p.base) {
                Some(Base::Key) => subject.key.and_then(|(k, _)| k.as_str()).map(Symbol::new),
                _ => None,
            };
            let name = from_target
                .or(key_text)
                .or_else(|| expr.and_then(|e| self.expr_name(e)))
                .or(match condition.arg {
                    None => subject.target,
                    _ => None,
                });
            let full = expr.and_then(|e| self.dotted_name(e));
            let matched = name.is_some_and(|n| named.is_match(n.as_str()))
                || full.is_some_and(|f| named.is_match(&f));
            if !matched {
                return false;
            }
        }
        let needs_value = test.equals.is_some()
            || condition.matches.is_some()
            || test.at_most.is_some()
            || test.at_least.is_some()
            || test.has_bits.is_some()
            || test.literal.is_some()
            || test.is.is_some()
            || test.r#type.is_some()
            || condition.text.is_some()
            || condition.prefix.is_some()
            || condition.tainted != 0;
        if !needs_value {
            return true;
        }
        values
            .iter()
            .any(|v| self.value_holds(condition, v, expr, certainty))
    }

    fn dotted_name(&self, expr: ExprId) -> Option<String> {
        match &self.ir.expr(expr).kind {
            ExprKind::Name(var) => Some(self.var_name(*var).as_str().to_owned()),
            ExprKind::Attribute { value, attr, .. } => {
                Some(format!("{}.{attr}", self.dotted_name(*value)?))
            }
            ExprKind::Call { callee, .. } => self.dotted_name(*callee),
            _ => None,
        }
    }

    fn is_given(&self, place: Option<&Place>, subject: &Subject<'_>) -> bool {
        match place {
            // `**` alone: the call unpacks a dictionary.
            Some(place) if place.base == Base::Keyword => subject.call.double_star.is_some(),
            Some(place) => {
                self.argument(place, subject.call, subject.receiver)
                    .is_some()
                    && place.content == crate::place::Content::Whole
                    || (subject.call.double_star.is_some()
                        && matches!(place.base, Base::Argument(None, _)))
            }
            None => subject.value.is_some(),
        }
    }

    /// Whether a member that is not seen may be there all the same: not all of the object is known.
    fn may_hold(&self, place: Option<&Place>, subject: &Subject<'_>) -> bool {
        let Some(place) = place else { return false };
        matches!(place.content, crate::place::Content::Member(_))
            && self
                .argument(place, subject.call, subject.receiver)
                .is_none_or(|(value, _)| {
                    let [Shape::Object(id)] = value.shape.alternatives() else {
                        return true;
                    };
                    let object = self.state.object(*id);
                    !object.closed || object.fields.is_empty()
                })
    }

    /// An argument that is nothing but a parameter handed on is taken for the parameter's default: callers that
    /// give another are judged by what they give.
    fn assume_default(&mut self, value: &mut Value) {
        let Shape::Object(id) = value.shape else {
            return;
        };
        let Some((index, PathId::ROOT)) = self.state.object(id).origin else {
            return;
        };
        let function = self.frames[0].function;
        let params = &self.cx.program.function(function).params;
        let default = params.get(usize::from(index)).and_then(|p| p.default);
        if let Some(default) = default {
            let known = self.default_value(function, default);
            if !known.shape.is_unknown() {
                value.shape = known.shape;
            }
        }
    }

    fn condition_values(
        &mut self,
        place: Option<&Place>,
        subject: &Subject<'_>,
    ) -> (Vec<Value>, Option<ExprId>) {
        match place {
            None => match subject.value {
                Some((value, expr)) => (vec![value.clone()], expr),
                None => (Vec::new(), None),
            },
            Some(place) => match place.base {
                Base::Value => match subject.value {
                    Some((value, expr)) => {
                        (self.narrow_content(&value.clone(), &place.content), expr)
                    }
                    None => (Vec::new(), None),
                },
                Base::Key => match subject.key {
                    Some((value, expr)) => (vec![value.clone()], expr),
                    None => (Vec::new(), None),
                },
                Base::Target => (
                    subject
                        .target
                        .map(|t| Value::constant(Const::Str(t)))
                        .into_iter()
                        .collect(),
                    None,
                ),
                _ => {
                    let expr = self
                        .argument(place, subject.call, subject.receiver)
                        .and_then(|(_, e)| e);
                    (
                        self.place_values(place, subject.call, subject.receiver),
                        expr,
                    )
                }
            },
        }
    }

    fn value_holds(
        &mut self,
        condition: &Condition,
        value: &Value,
        expr: Option<ExprId>,
        certainty: Certainty,
    ) -> bool {
        let test = &condition.test;
        if let Some(expected) = &test.equals {
            let ok = certainty.of(value.shape.alternatives(), |s| match s {
                Shape::Const(c) => expected.as_slice().iter().any(|e| scalar_equals(e, *c)),
                Shape::Object(id) => {
                    let object = self.state.object(*id);
                    let empty = object.closed
                        && object.rest.is_none()
                        && object.items.as_ref().is_some_and(Vec::is_empty);
                    empty && expected.as_slice().contains(&Scalar::Str("[]".to_owned()))
                }
                _ => false,
            });
            if !ok {
                return false;
            }
        }
        if let Some(regex) = &condition.matches {
            let ok = certainty.of(value.shape.alternatives(), |s| match s {
                Shape::Const(Const::Str(s) | Const::Bytes(s)) => regex.is_match(s.as_str()),
                _ => false,
            });
            if !ok {
                return false;
            }
        }
        if test.at_most.is_some() || test.at_least.is_some() {
            let number = match value.as_const() {
                #[allow(clippy::cast_precision_loss, reason = "settings are small")]
                Some(Const::Int(i)) => i as f64,
                Some(Const::Float(f)) => f,
                _ => return false,
            };
            if test.at_most.is_some_and(|m| number > m) || test.at_least.is_some_and(|m| number < m)
            {
                return false;
            }
        }
        if let Some(bits) = test.has_bits {
            let ok = value.shape.alternatives().iter().any(|s| match s {
                Shape::Const(Const::Int(i)) => i & bits != 0,
                _ => false,
            });
            if !ok {
                return false;
            }
        }
        if let Some(literal) = test.literal {
            let is = value
                .shape
                .alternatives()
                .iter()
                .all(|s| matches!(s, Shape::Const(Const::Str(_) | Const::Bytes(_))));
            if is != literal {
                return false;
            }
        }
        if let Some(paths) = &test.is {
            let ok = value.shape.alternatives().iter().any(|shape| {
                let classes: Vec<_> = match shape {
                    Shape::Api(api) | Shape::Instance(api) | Shape::ApiMethod(api, _) => vec![*api],
                    Shape::Class(class) => self.external_bases(*class),
                    Shape::Object(id) => match self.state.object(*id).class {
                        Class::Api(api) => vec![api],
                        Class::Project(class) => self.external_bases(class),
                        _ => return false,
                    },
                    _ => return false,
                };
                paths.as_slice().iter().any(|p| match p {
                    Scalar::Str(path) => classes
                        .iter()
                        .any(|api| self.cx.api.is_subclass(*api, path, 0)),
                    _ => false,
                })
            });
            if !ok {
                return false;
            }
        }
        if let Some(types) = &test.r#type {
            let kinds = self.type_names(value);
            let ok = types.as_slice().iter().any(|t| match t {
                Scalar::Str(name) => kinds.contains(&name.as_str()),
                _ => false,
            });
            if !ok {
                return false;
            }
        }
        if let Some(regex) = &condition.text {
            let ok = certainty.of(value.shape.alternatives(), |s| match s {
                Shape::Const(Const::Str(s) | Const::Bytes(s)) => regex.is_match(s.as_str()),
                Shape::Text(t) => regex.is_match(t.literal.as_str()),
                _ => false,
            });
            if !ok {
                return false;
            }
        }
        if let Some(regex) = &condition.prefix {
            let ok = match &value.shape {
                Shape::Const(Const::Str(s) | Const::Bytes(s)) => regex.is_match(s.as_str()),
                Shape::Text(t) => regex.is_match(t.prefix.as_str()),
                _ => regex.is_match(""),
            };
            if !ok {
                return false;
            }
        }
        if condition.tainted != 0 {
            let mut marks = self.state.deep_marks(value);
            if let Some(expr) = expr {
                marks = marks.union(&self.lexical_marks(expr, 0));
            }
            let ok = marks.iter().any(|m| match m.origin {
                Origin::Source { kind, .. } => {
                    m.cleaned != super::refine::EVERYTHING && condition.tainted & (1 << kind) != 0
                }
                Origin::Param { .. } => false,
            });
            if !ok {
                return false;
            }
        }
        true
    }

    fn type_names(&self, value: &Value) -> Vec<&'static str> {
        value
            .shape
            .alternatives()
            .iter()
            .map(|s| match s {
                Shape::Const(Const::Str(_)) => "str",
                Shape::Text(t) if t.is_bytes => "bytes",
                Shape::Text(_) => "str",
                Shape::Const(Const::Bytes(_)) => "bytes",
                Shape::Const(Const::Int(_)) => "int",
                Shape::Const(Const::Float(_)) => "float",
                Shape::Const(Const::Bool(_)) => "bool",
                Shape::Const(Const::None) => "none",
                Shape::Builtin(b) => builtin_name(*b),
                Shape::Object(id) => match self.state.object(*id).class {
                    Class::Builtin(b) => builtin_name(b),
                    Class::Unknown => "unknown",
                    _ => "object",
                },
                Shape::Function(_) | Shape::Closure(_) | Shape::Partial(_) => "callable",
                Shape::Unknown => "unknown",
                Shape::Instance(api) if self.cx.api.text(*api).ends_with("()") => "unknown",
                Shape::Module(_) | Shape::Namespace(..) => "module",
                Shape::Class(_) => "class",
                Shape::Api(api) if self.cx.api.looks_like_class(*api) => "class",
                // A library's name without a path is the library.
                Shape::Api(api) if !self.cx.api.text(*api).contains('.') => "module",
                _ => "object",
            })
            .collect()
    }
}

fn builtin_name(b: Builtin) -> &'static str {
    match b {
        Builtin::Str => "str",
        Builtin::Bytes => "bytes",
        Builtin::Int => "int",
        Builtin::Float => "float",
        Builtin::Bool => "bool",
        Builtin::List | Builtin::Iterator => "list",
        Builtin::Tuple => "tuple",
        Builtin::Dict => "dict",
        Builtin::Set => "set",
        Builtin::Slice => "slice",
    }
}

fn scalar_equals(expected: &Scalar, actual: Const) -> bool {
    match (expected, actual) {
        (Scalar::Bool(b), Const::Bool(a)) => *b == a,
        (Scalar::Int(i), a) => fold::equal(Const::Int(*i), a) && !matches!(a, Const::Bool(_)),
        (Scalar::Float(f), a) => fold::equal(Const::Float(*f), a),
        (Scalar::Str(s), Const::None) => s == "None",
        (Scalar::Str(s), Const::Str(a) | Const::Bytes(a)) => s == a.as_str(),
        _ => false,
    }
}

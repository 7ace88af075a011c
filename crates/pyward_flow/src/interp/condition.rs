//! Truth of values and outcome of tests.

use pyward_ir::{BoolOp, CompareOp, Const, ExprId, ExprKind, UnaryOp};

use super::Interp;
use crate::fold;
use crate::heap::{Class, Key};
use crate::value::{Builtin, Shape, Value};

impl Interp<'_> {
    /// Evaluates a test: true, false, or not known.
    pub(super) fn eval_test(&mut self, test: ExprId) -> Option<bool> {
        let ir = self.ir;
        match &ir.expr(test).kind {
            ExprKind::Unary {
                op: UnaryOp::Not,
                operand,
            } => self.eval_test(*operand).map(|t| !t),
            ExprKind::Bool { op, values } => {
                let before = self.fork();
                let mut unknown = false;
                let mut result = None;
                for e in values {
                    match (self.eval_test(*e), op) {
                        (Some(false), BoolOp::And) => {
                            result = Some(false);
                            break;
                        }
                        (Some(true), BoolOp::Or) => {
                            result = Some(true);
                            break;
                        }
                        (None, _) => unknown = true,
                        _ => {}
                    }
                    self.refine(*e, *op == BoolOp::And);
                }
                self.state.alive = true;
                self.state.merge(&before);
                result.or(if unknown {
                    None
                } else {
                    Some(*op == BoolOp::And)
                })
            }
            ExprKind::Compare { left, rest } => {
                let mut left_value = self.eval(*left);
                let mut left_expr = *left;
                let mut all = Some(true);
                for (op, right) in rest {
                    let right_value = self.eval(*right);
                    let outcome = self.compare(*op, &left_value, &right_value);
                    if outcome.is_none() {
                        self.note_interest_of(&left_value);
                        self.note_interest_of(&right_value);
                    }
                    self.check_comparison(*op, &left_value, left_expr, &right_value, *right, test);
                    match outcome {
                        Some(false) => return Some(false),
                        None => all = None,
                        Some(true) => {}
                    }
                    left_value = right_value;
                    left_expr = *right;
                }
                all
            }
            _ => {
                let value = self.eval(test);
                let truth = self.truth(&value);
                if truth.is_none() {
                    self.note_interest_of(&value);
                }
                truth
            }
        }
    }

    fn compare(&self, op: CompareOp, left: &Value, right: &Value) -> Option<bool> {
        let (lefts, rights) = (left.shape.alternatives(), right.shape.alternatives());
        if lefts.len() * rights.len() > 24 {
            return None;
        }
        let mut outcome = None;
        for l in lefts {
            for r in rights {
                let one = self.compare_shapes(op, l, r)?;
                if outcome.is_some_and(|o| o != one) {
                    return None;
                }
                outcome = Some(one);
            }
        }
        outcome
    }

    fn compare_shapes(&self, op: CompareOp, left: &Shape, right: &Shape) -> Option<bool> {
        if let (Shape::Const(a), Shape::Const(b)) = (left, right) {
            return fold::compare(op, *a, *b);
        }
        match op {
            CompareOp::Is | CompareOp::Eq | CompareOp::IsNot | CompareOp::NotEq => {
                let same = match (left, right) {
                    (Shape::Const(Const::None), other) | (other, Shape::Const(Const::None)) => {
                        if definitely_not_none(other) {
                            Some(false)
                        } else {
                            None
                        }
                    }
                    (Shape::Api(a), Shape::Api(b)) if a == b => Some(true),
                    (Shape::Class(a), Shape::Class(b)) => Some(a == b),
                    _ => None,
                }?;
                Some(same == matches!(op, CompareOp::Is | CompareOp::Eq))
            }
            CompareOp::In | CompareOp::NotIn => {
                let Shape::Object(id) = right else {
                    return None;
                };
                let object = self.state.object(*id);
                if !object.closed || object.rest.is_some() || object.keys.is_some() {
                    return None;
                }
                let Shape::Const(needle) = left else {
                    return None;
                };
                let found = match (&object.items, object.class) {
                    (Some(items), _) => {
                        let mut found = false;
                        for item in items {
                            found |= fold::equal(item.as_const()?, *needle);
                        }
                        found
                    }
                    (None, Class::Builtin(Builtin::Dict)) => {
                        object.field(Key::of_const(*needle)).is_some()
                    }
                    _ => return None,
                };
                Some(found == (op == CompareOp::In))
            }
            _ => None,
        }
    }

    /// Python's truth of a value.
    pub(super) fn truth(&self, value: &Value) -> Option<bool> {
        let mut outcome = None;
        for shape in value.shape.alternatives() {
            let one = self.shape_truth(shape)?;
            if outcome.is_some_and(|o| o != one) {
                return None;
            }
            outcome = Some(one);
        }
        outcome
    }

    pub(super) fn shape_truth(&self, shape: &Shape) -> Option<bool> {
        match shape {
            Shape::Const(c) => fold::truth(*c),
            Shape::Text(t) if t.literal.as_str().chars().any(|c| c != '\u{0}') => Some(true),
            Shape::Function(_)
            | Shape::Closure(_)
            | Shape::Class(_)
            | Shape::Module(_)
            | Shape::Partial(_) => Some(true),
            Shape::Object(id) => {
                let object = self.state.object(*id);
                match (&object.items, object.class) {
                    (Some(items), _) if object.rest.is_none() && object.closed => {
                        Some(!items.is_empty())
                    }
                    (None, Class::Builtin(Builtin::Dict))
                        if object.rest.is_none() && object.closed =>
                    {
                        Some(!object.fields.is_empty())
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// Whether a value of this shape cannot be `None`.
fn definitely_not_none(shape: &Shape) -> bool {
    matches!(
        shape,
        Shape::Const(
            Const::Bool(_)
                | Const::Int(_)
                | Const::Float(_)
                | Const::Str(_)
                | Const::Bytes(_)
                | Const::Ellipsis
        ) | Shape::Text(_)
            | Shape::Function(_)
            | Shape::Closure(_)
            | Shape::Class(_)
            | Shape::Module(_)
            | Shape::Partial(_)
    )
}

//! Values and the arithmetic on them: Python's rules, within 128-bit integers.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::parse::{Comparison, Node, Operator};
use crate::{Error, Result};

/// A value of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// Truth value; counts as 0 or 1 in arithmetic.
    Bool(bool),
    /// Integer of at most 128 bits.
    Int(i128),
    /// Finite floating-point number.
    Float(f64),
    /// Text.
    Text(String),
    /// List, for `in`, `min`, `max`, `sum`, `len`.
    List(Vec<Value>),
}

fn invalid<T>(text: &str) -> Result<T> {
    Err(Error::InvalidInput(text.to_owned()))
}

fn too_large() -> Error {
    Error::LimitExceeded("a number in the expression is too large".into())
}

/// A number as the rules of arithmetic see it.
#[derive(Clone, Copy)]
enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    fn float(self) -> f64 {
        match self {
            Number::Int(i) => i as f64,
            Number::Float(f) => f,
        }
    }
}

impl Value {
    fn number(&self) -> Option<Number> {
        match self {
            Value::Bool(b) => Some(Number::Int(i128::from(*b))),
            Value::Int(i) => Some(Number::Int(*i)),
            Value::Float(f) => Some(Number::Float(*f)),
            _ => None,
        }
    }

    /// Truth as Python sees it.
    pub fn truth(&self) -> bool {
        match self {
            Value::None => false,
            Value::Bool(b) => *b,
            Value::Int(i) => *i != 0,
            Value::Float(f) => *f != 0.0,
            Value::Text(t) => !t.is_empty(),
            Value::List(l) => !l.is_empty(),
        }
    }

    fn equals(&self, other: &Self) -> bool {
        match (self.number(), other.number()) {
            (Some(a), Some(b)) => compare_numbers(a, b) == Some(Ordering::Equal),
            (None, None) => match (self, other) {
                (Value::List(a), Value::List(b)) => {
                    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b))
                }
                _ => self == other,
            },
            _ => false,
        }
    }
}

/// Exact, also where an integer has more digits than a float.
fn compare_numbers(a: Number, b: Number) -> Option<Ordering> {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
        (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
        (Number::Int(a), Number::Float(b)) => int_float(a, b),
        (Number::Float(a), Number::Int(b)) => int_float(b, a).map(Ordering::reverse),
    }
}

fn int_float(a: i128, b: f64) -> Option<Ordering> {
    if b.is_nan() {
        return None;
    }
    const LIMIT: f64 = 1.701_411_834_604_692_3e38;
    if b >= LIMIT {
        return Some(Ordering::Less);
    }
    if b < -LIMIT {
        return Some(Ordering::Greater);
    }
    let whole = b.floor();
    Some(a.cmp(&(whole as i128)).then(if b > whole {
        Ordering::Less
    } else {
        Ordering::Equal
    }))
}

fn float(value: f64) -> Result<Value> {
    if value.is_finite() {
        Ok(Value::Float(value))
    } else {
        Err(too_large())
    }
}

struct Machine<'a> {
    variables: &'a HashMap<String, Value>,
    steps: &'a mut usize,
    max_text: usize,
}

pub(super) fn evaluate(
    node: &Node,
    variables: &HashMap<String, Value>,
    steps: &mut usize,
    max_text: usize,
) -> Result<Value> {
    Machine {
        variables,
        steps,
        max_text,
    }
    .eval(node)
}

impl Machine<'_> {
    fn spend(&mut self, steps: usize) -> Result<()> {
        *self.steps = self
            .steps
            .checked_sub(steps)
            .ok_or_else(|| Error::LimitExceeded("the expression takes too many steps".into()))?;
        Ok(())
    }

    fn eval(&mut self, node: &Node) -> Result<Value> {
        self.spend(1)?;
        match node {
            Node::Value(value) => Ok(value.clone()),
            Node::Name(name) => {
                let value = self.variables.get(name);
                value
                    .cloned()
                    .ok_or_else(|| Error::InvalidInput(format!("the variable {name} has no value")))
            }
            Node::List(items) => Ok(Value::List(self.all(items)?)),
            Node::Negate(inner) => match self.eval(inner)?.number() {
                Some(Number::Int(i)) => i.checked_neg().map(Value::Int).ok_or_else(too_large),
                Some(Number::Float(f)) => Ok(Value::Float(-f)),
                None => invalid("only numbers have a sign"),
            },
            Node::Plus(inner) => match self.eval(inner)?.number() {
                Some(Number::Int(i)) => Ok(Value::Int(i)),
                Some(Number::Float(f)) => Ok(Value::Float(f)),
                None => invalid("only numbers have a sign"),
            },
            Node::Not(inner) => Ok(Value::Bool(!self.eval(inner)?.truth())),
            Node::Binary(operator, left, right) => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                self.binary(*operator, left, right)
            }
            Node::And(left, right) => {
                let left = self.eval(left)?;
                if left.truth() {
                    self.eval(right)
                } else {
                    Ok(left)
                }
            }
            Node::Or(left, right) => {
                let left = self.eval(left)?;
                if left.truth() {
                    Ok(left)
                } else {
                    self.eval(right)
                }
            }
            Node::Compare(first, rest) => {
                let mut left = self.eval(first)?;
                for (comparison, right) in rest {
                    let right = self.eval(right)?;
                    if !self.compare(*comparison, &left, &right)? {
                        return Ok(Value::Bool(false));
                    }
                    left = right;
                }
                Ok(Value::Bool(true))
            }
            Node::If(test, then, otherwise) => {
                if self.eval(test)?.truth() {
                    self.eval(then)
                } else {
                    self.eval(otherwise)
                }
            }
            Node::Call(function, arguments) => {
                let arguments = self.all(arguments)?;
                self.call(function, arguments)
            }
        }
    }

    fn all(&mut self, nodes: &[Node]) -> Result<Vec<Value>> {
        nodes.iter().map(|node| self.eval(node)).collect()
    }

    fn text(&self, text: String) -> Result<Value> {
        if text.len() > self.max_text {
            return Err(Error::LimitExceeded(format!(
                "a text is longer than {} bytes",
                self.max_text
            )));
        }
        Ok(Value::Text(text))
    }

    fn binary(&mut self, operator: Operator, left: Value, right: Value) -> Result<Value> {
        match (operator, &left, &right) {
            (Operator::Add, Value::Text(a), Value::Text(b)) => return self.text(format!("{a}{b}")),
            (Operator::Multiply, Value::Text(text), Value::Int(times))
            | (Operator::Multiply, Value::Int(times), Value::Text(text)) => {
                let times = usize::try_from((*times).max(0)).unwrap_or(usize::MAX);
                if text.len().saturating_mul(times) > self.max_text {
                    return Err(Error::LimitExceeded(format!(
                        "a text is longer than {} bytes",
                        self.max_text
                    )));
                }
                return Ok(Value::Text(text.repeat(times)));
            }
            _ => {}
        }
        let (Some(a), Some(b)) = (left.number(), right.number()) else {
            return invalid("these kinds of values cannot be combined");
        };
        if let (Number::Int(a), Number::Int(b)) = (a, b) {
            return integers(operator, a, b);
        }
        floats(operator, a.float(), b.float())
    }

    fn compare(&mut self, comparison: Comparison, left: &Value, right: &Value) -> Result<bool> {
        use Comparison as C;
        match comparison {
            C::Equal => return Ok(left.equals(right)),
            C::NotEqual => return Ok(!left.equals(right)),
            C::In | C::NotIn => {
                let found = match (left, right) {
                    (Value::Text(part), Value::Text(whole)) => {
                        self.spend(whole.len() / 64)?;
                        whole.contains(part.as_str())
                    }
                    (_, Value::List(items)) => {
                        self.spend(items.len())?;
                        items.iter().any(|item| item.equals(left))
                    }
                    _ => return invalid("in wants a list or a text on its right"),
                };
                return Ok(found == (comparison == C::In));
            }
            _ => {}
        }
        let ordering = match (left, right) {
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            _ => match (left.number(), right.number()) {
                (Some(a), Some(b)) => compare_numbers(a, b),
                _ => return invalid("these kinds of values have no order"),
            },
        };
        Ok(ordering.is_some_and(|o| match comparison {
            C::Less => o == Ordering::Less,
            C::LessEqual => o != Ordering::Greater,
            C::Greater => o == Ordering::Greater,
            _ => o != Ordering::Less,
        }))
    }

    fn call(&mut self, function: &str, mut arguments: Vec<Value>) -> Result<Value> {
        self.spend(arguments.len())?;
        if matches!(function, "min" | "max" | "sum") {
            if let [Value::List(items)] = arguments.as_slice() {
                self.spend(items.len())?;
                arguments = items.clone();
            } else if function == "sum" {
                return invalid("sum takes a list");
            }
            return self.fold(function, &arguments);
        }
        match (function, arguments.as_slice()) {
            ("abs", [value]) => match value.number() {
                Some(Number::Int(i)) => i.checked_abs().map(Value::Int).ok_or_else(too_large),
                Some(Number::Float(f)) => Ok(Value::Float(f.abs())),
                None => invalid("abs takes a number"),
            },
            ("floor" | "ceil" | "int", [value]) => match (function, value.number(), value) {
                (_, Some(Number::Int(i)), _) => Ok(Value::Int(i)),
                ("floor", Some(Number::Float(f)), _) => to_int(f.floor()),
                ("ceil", Some(Number::Float(f)), _) => to_int(f.ceil()),
                ("int", Some(Number::Float(f)), _) => to_int(f.trunc()),
                ("int", None, Value::Text(text)) => match text.trim().parse() {
                    Ok(i) => Ok(Value::Int(i)),
                    Err(_) => invalid("int takes a number or the text of one"),
                },
                _ => invalid("floor, ceil and int take a number"),
            },
            ("float", [value]) => match (value.number(), value) {
                (Some(number), _) => float(number.float()),
                (None, Value::Text(text)) => text.trim().parse().map_err(|_| ()).map_or_else(
                    |()| invalid("float takes a number or the text of one"),
                    float,
                ),
                _ => invalid("float takes a number or the text of one"),
            },
            ("sqrt", [value]) => match value.number() {
                Some(number) if number.float() >= 0.0 => float(number.float().sqrt()),
                _ => invalid("sqrt takes a number from 0 on"),
            },
            ("round", [value]) => match value.number() {
                Some(Number::Int(i)) => Ok(Value::Int(i)),
                Some(Number::Float(f)) => to_int(f.round_ties_even()),
                None => invalid("round takes a number"),
            },
            ("round", [value, Value::Int(digits)]) => match value.number() {
                Some(Number::Int(i)) if *digits >= 0 => Ok(Value::Int(i)),
                Some(Number::Float(f)) if (0..=17).contains(digits) => {
                    // Through the decimal form, which rounds the exact binary value as Python does.
                    float(format!("{f:.*}", *digits as usize).parse().unwrap_or(f))
                }
                _ => invalid("round takes a number and 0 to 17 digits"),
            },
            ("len", [Value::Text(text)]) => Ok(Value::Int(text.chars().count() as i128)),
            ("len", [Value::List(items)]) => Ok(Value::Int(items.len() as i128)),
            ("lower", [Value::Text(text)]) => self.text(text.to_lowercase()),
            ("upper", [Value::Text(text)]) => self.text(text.to_uppercase()),
            ("str", [Value::Text(text)]) => Ok(Value::Text(text.clone())),
            ("str", [Value::Int(i)]) => Ok(Value::Text(i.to_string())),
            ("str", [Value::Bool(b)]) => {
                Ok(Value::Text(if *b { "True" } else { "False" }.to_owned()))
            }
            _ => Err(Error::InvalidInput(format!(
                "{function} does not take these arguments"
            ))),
        }
    }

    fn fold(&mut self, function: &str, items: &[Value]) -> Result<Value> {
        if function == "sum" {
            let mut total = Value::Int(0);
            for item in items {
                if item.number().is_none() {
                    return invalid("sum takes a list of numbers");
                }
                total = self.binary(Operator::Add, total, item.clone())?;
            }
            return Ok(total);
        }
        let comparison = if function == "min" {
            Comparison::Less
        } else {
            Comparison::Greater
        };
        let mut items = items.iter();
        let Some(mut best) = items.next() else {
            return invalid("min and max take at least one value");
        };
        for item in items {
            if self.compare(comparison, item, best)? {
                best = item;
            }
        }
        Ok(best.clone())
    }
}

fn to_int(value: f64) -> Result<Value> {
    if value.abs() < 1.7e38 {
        Ok(Value::Int(value as i128))
    } else {
        Err(too_large())
    }
}

fn integers(operator: Operator, a: i128, b: i128) -> Result<Value> {
    let checked = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide | Operator::Floor | Operator::Modulo if b == 0 => {
            return invalid("a division by zero");
        }
        Operator::Divide => return float(a as f64 / b as f64),
        Operator::Floor => a.checked_div_euclid(b).map(|q| {
            if b < 0 && a.rem_euclid(b) != 0 {
                q - 1
            } else {
                q
            }
        }),
        Operator::Modulo => a.checked_rem(b).map(|r| {
            if r != 0 && (r < 0) != (b < 0) {
                r + b
            } else {
                r
            }
        }),
        Operator::Power if b < 0 => return floats(operator, a as f64, b as f64),
        Operator::Power => match u32::try_from(b) {
            Ok(exponent) => a.checked_pow(exponent),
            Err(_) => match a {
                0 | 1 => Some(a),
                -1 => Some(if b % 2 == 0 { 1 } else { -1 }),
                _ => None,
            },
        },
    };
    checked.map(Value::Int).ok_or_else(too_large)
}

fn floats(operator: Operator, a: f64, b: f64) -> Result<Value> {
    match operator {
        Operator::Add => float(a + b),
        Operator::Subtract => float(a - b),
        Operator::Multiply => float(a * b),
        Operator::Divide | Operator::Floor | Operator::Modulo if b == 0.0 => {
            invalid("a division by zero")
        }
        Operator::Divide => float(a / b),
        Operator::Floor => {
            let quotient = ((a - python_modulo(a, b)) / b).round();
            float(quotient)
        }
        Operator::Modulo => float(python_modulo(a, b)),
        Operator::Power if a == 0.0 && b < 0.0 => invalid("a division by zero"),
        Operator::Power if a < 0.0 && b.fract() != 0.0 => {
            invalid("a power that is not a real number")
        }
        Operator::Power => float(a.powf(b)),
    }
}

/// The result has the sign of the divisor.
fn python_modulo(a: f64, b: f64) -> f64 {
    let r = a % b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) {
        r + b
    } else if r == 0.0 {
        0.0_f64.copysign(b)
    } else {
        r
    }
}

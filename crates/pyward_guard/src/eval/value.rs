//! Values and the arithmetic on them: Python's rules, within 128-bit integers.

use std::borrow::Cow;
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
    #[must_use]
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

    /// Steps that looking at the whole of a text costs, beside the one of the operation.
    fn text_steps(&self) -> usize {
        const BYTES_PER_STEP: usize = 64;
        match self {
            Value::Text(text) => text.len() / BYTES_PER_STEP,
            _ => 0,
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

/// Variables and constants are borrowed: a large one costs nothing where it is only named.
type Borrowed<'a> = Cow<'a, Value>;

pub(super) fn evaluate(
    node: &Node,
    variables: &HashMap<String, Value>,
    steps: &mut usize,
    max_text: usize,
) -> Result<Value> {
    let mut machine = Machine {
        variables,
        steps,
        max_text,
    };
    let value = machine.eval(node)?;
    Ok(value.into_owned())
}

impl<'a> Machine<'a> {
    fn spend(&mut self, steps: usize) -> Result<()> {
        *self.steps = self
            .steps
            .checked_sub(steps)
            .ok_or_else(|| Error::LimitExceeded("the expression takes too many steps".into()))?;
        Ok(())
    }

    /// The rules that recurse most are functions of their own, which keeps this one's frame small.
    fn eval(&mut self, node: &'a Node) -> Result<Borrowed<'a>> {
        self.spend(1)?;
        match node {
            Node::Value(value) => Ok(Cow::Borrowed(value)),
            Node::Name(name) => self.variable(name),
            Node::List(items) => self.all(items).map(Value::List).map(Cow::Owned),
            Node::Negate(inner) => self.eval(inner).and_then(|v| sign(&v, true)),
            Node::Plus(inner) => self.eval(inner).and_then(|v| sign(&v, false)),
            Node::Not(inner) => Ok(Cow::Owned(Value::Bool(!self.eval(inner)?.truth()))),
            Node::Binary(..) => self.chain_of_operators(node),
            Node::And(..) | Node::Or(..) => self.chain_of_conditions(node),
            Node::Compare(first, rest) => self.comparisons(first, rest),
            Node::If(test, then, otherwise) => {
                if self.eval(test)?.truth() {
                    self.eval(then)
                } else {
                    self.eval(otherwise)
                }
            }
            Node::Call(function, arguments) => self.function(function, arguments),
        }
    }

    fn variable(&self, name: &str) -> Result<Borrowed<'a>> {
        let value = self.variables.get(name);
        value
            .map(Cow::Borrowed)
            .ok_or_else(|| Error::InvalidInput(format!("the variable {name} has no value")))
    }

    /// `a + b - c`: a tree as deep as it is long, walked without recursion.
    #[inline(never)]
    fn chain_of_operators(&mut self, node: &'a Node) -> Result<Borrowed<'a>> {
        let mut chain = Vec::new();
        let mut first = node;
        while let Node::Binary(operator, left, right) = first {
            chain.push((*operator, right));
            first = left;
        }
        let mut value = self.eval(first)?;
        self.spend(chain.len() - 1)?;
        while let Some((operator, right)) = chain.pop() {
            let right = self.eval(right)?;
            value = Cow::Owned(self.binary(operator, &value, &right)?);
        }
        Ok(value)
    }

    /// `a and b and c`, or the same with `or`.
    #[inline(never)]
    fn chain_of_conditions(&mut self, node: &'a Node) -> Result<Borrowed<'a>> {
        let ends_at = matches!(node, Node::Or(..));
        let mut chain = Vec::new();
        let mut first = node;
        while let Node::And(left, right) | Node::Or(left, right) = first
            && matches!(first, Node::Or(..)) == ends_at
        {
            chain.push(right);
            first = left;
        }
        let mut value = self.eval(first)?;
        while let Some(right) = chain.pop() {
            if value.truth() == ends_at {
                break;
            }
            value = self.eval(right)?;
        }
        Ok(value)
    }

    #[inline(never)]
    fn comparisons(
        &mut self,
        first: &'a Node,
        rest: &'a [(Comparison, Node)],
    ) -> Result<Borrowed<'a>> {
        let mut left = self.eval(first)?;
        for (comparison, right) in rest {
            let right = self.eval(right)?;
            if !self.compare(*comparison, &left, &right)? {
                return Ok(Cow::Owned(Value::Bool(false)));
            }
            left = right;
        }
        Ok(Cow::Owned(Value::Bool(true)))
    }

    #[inline(never)]
    fn function(&mut self, function: &str, arguments: &'a [Node]) -> Result<Borrowed<'a>> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.eval(argument)?);
        }
        self.call(function, &values).map(Cow::Owned)
    }

    /// Owned values, of whose size the steps have to pay.
    #[inline(never)]
    fn all(&mut self, nodes: &'a [Node]) -> Result<Vec<Value>> {
        let mut out = Vec::with_capacity(nodes.len());
        for node in nodes {
            let value = self.eval(node)?;
            if matches!(value, Cow::Borrowed(_)) {
                self.spend_on(&value)?;
            }
            out.push(value.into_owned());
        }
        Ok(out)
    }

    /// Steps for all that a value holds.
    fn spend_on(&mut self, value: &Value) -> Result<()> {
        self.spend(value.text_steps())?;
        if let Value::List(items) = value {
            self.spend(items.len())?;
            for item in items {
                self.spend_on(item)?;
            }
        }
        Ok(())
    }

    fn equal(&mut self, a: &Value, b: &Value) -> Result<bool> {
        match (a, b) {
            (Value::List(a), Value::List(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                self.spend(a.len())?;
                for (a, b) in a.iter().zip(b) {
                    if !self.equal(a, b)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::Text(left), Value::Text(right)) => {
                if left.len() != right.len() {
                    return Ok(false);
                }
                self.spend(a.text_steps())?;
                Ok(left == right)
            }
            _ => Ok(match (a.number(), b.number()) {
                (Some(a), Some(b)) => compare_numbers(a, b) == Some(Ordering::Equal),
                (None, None) => a == b,
                _ => false,
            }),
        }
    }

    fn text(&self, text: String) -> Result<Value> {
        if text.len() > self.max_text {
            return Err(self.too_long());
        }
        Ok(Value::Text(text))
    }

    fn too_long(&self) -> Error {
        Error::LimitExceeded(format!("a text is longer than {} bytes", self.max_text))
    }

    fn binary(&mut self, operator: Operator, left: &Value, right: &Value) -> Result<Value> {
        match (operator, left, right, left.number(), right.number()) {
            (Operator::Add, Value::Text(a), Value::Text(b), ..) => {
                if a.len().saturating_add(b.len()) > self.max_text {
                    return Err(self.too_long());
                }
                self.spend(left.text_steps() + right.text_steps())?;
                return Ok(Value::Text(format!("{a}{b}")));
            }
            (Operator::Multiply, Value::Text(text), _, _, Some(Number::Int(times)))
            | (Operator::Multiply, _, Value::Text(text), Some(Number::Int(times)), _) => {
                let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
                if text.len().saturating_mul(times) > self.max_text {
                    return Err(self.too_long());
                }
                let repeated = Value::Text(if text.is_empty() {
                    String::new()
                } else {
                    text.repeat(times)
                });
                self.spend(repeated.text_steps())?;
                return Ok(repeated);
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
            C::Equal => return self.equal(left, right),
            C::NotEqual => return Ok(!self.equal(left, right)?),
            C::In | C::NotIn => {
                let found = match (left, right) {
                    (Value::Text(part), Value::Text(whole)) => {
                        self.spend(right.text_steps())?;
                        whole.contains(part.as_str())
                    }
                    (_, Value::List(items)) => {
                        self.spend(items.len())?;
                        let mut found = false;
                        for item in items {
                            if self.equal(item, left)? {
                                found = true;
                                break;
                            }
                        }
                        found
                    }
                    _ => return invalid("in wants a list or a text on its right"),
                };
                return Ok(found == (comparison == C::In));
            }
            _ => {}
        }
        let ordering = match (left, right) {
            (Value::Text(a), Value::Text(b)) => {
                self.spend(left.text_steps().min(right.text_steps()))?;
                Some(a.cmp(b))
            }
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

    fn call(&mut self, function: &str, arguments: &[Borrowed<'_>]) -> Result<Value> {
        self.spend(arguments.len())?;
        let arguments: Vec<&Value> = arguments.iter().map(AsRef::as_ref).collect();
        if matches!(function, "min" | "max" | "sum") {
            return match arguments.as_slice() {
                [Value::List(items)] => {
                    self.spend(items.len())?;
                    self.fold(function, &items.iter().collect::<Vec<_>>())
                }
                _ if function == "sum" => invalid("sum takes a list"),
                values => self.fold(function, values),
            };
        }
        for argument in &arguments {
            self.spend(argument.text_steps())?;
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
            // Before, since a step pays for few bytes: the text itself may be over the bound.
            ("lower" | "upper" | "str", [Value::Text(text)]) if text.len() > self.max_text => {
                Err(self.too_long())
            }
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

    fn fold(&mut self, function: &str, items: &[&Value]) -> Result<Value> {
        if function == "sum" {
            let mut total = Value::Int(0);
            for item in items {
                if item.number().is_none() {
                    return invalid("sum takes a list of numbers");
                }
                total = self.binary(Operator::Add, &total, item)?;
            }
            return Ok(total);
        }
        let comparison = if function == "min" {
            Comparison::Less
        } else {
            Comparison::Greater
        };
        let mut items = items.iter();
        let Some(&(mut best)) = items.next() else {
            return invalid("min and max take at least one value");
        };
        for &item in items {
            if self.compare(comparison, item, best)? {
                best = item;
            }
        }
        self.spend_on(best)?;
        Ok(best.clone())
    }
}

fn sign<'a>(value: &Value, negative: bool) -> Result<Borrowed<'a>> {
    match value.number() {
        Some(Number::Int(i)) if negative => i.checked_neg().map(Value::Int).ok_or_else(too_large),
        Some(Number::Int(i)) => Ok(Value::Int(i)),
        Some(Number::Float(f)) => Ok(Value::Float(if negative { -f } else { f })),
        None => invalid("only numbers have a sign"),
    }
    .map(Cow::Owned)
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
        Operator::Divide => return float(true_division(a, b)),
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
        Operator::Floor => float(floor_division(a, b)),
        Operator::Modulo => float(python_modulo(a, b)),
        Operator::Power if a == 0.0 && b < 0.0 => invalid("a division by zero"),
        Operator::Power if a < 0.0 && b.fract() != 0.0 => {
            invalid("a power that is not a real number")
        }
        Operator::Power => float(a.powf(b)),
    }
}

/// The float next to the exact quotient; integers of 128 bits have more digits than floats. `b` is not 0.
fn true_division(a: i128, b: i128) -> f64 {
    let (dividend, divisor) = (a.unsigned_abs(), b.unsigned_abs());
    let (mut quotient, mut rest) = (dividend / divisor, dividend % divisor);
    // Binary digits after the point, until there are more than a float holds; the last one stands for all that follow.
    let mut places = 0;
    while rest != 0 && quotient < 1 << 63 {
        rest <<= 1;
        quotient = (quotient << 1) | u128::from(rest >= divisor);
        if rest >= divisor {
            rest -= divisor;
        }
        places += 1;
    }
    let rounded = (quotient | u128::from(rest != 0)) as f64 / 2_f64.powi(places);
    if (a < 0) == (b < 0) {
        rounded
    } else {
        -rounded
    }
}

/// As CPython computes it, also where rounding decides.
fn floor_division(a: f64, b: f64) -> f64 {
    let rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest != 0.0 && (b < 0.0) != (rest < 0.0) {
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return 0_f64.copysign(a / b);
    }
    let floor = quotient.floor();
    if quotient - floor > 0.5 {
        floor + 1.0
    } else {
        floor
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

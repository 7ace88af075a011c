//! A bounded evaluator for arithmetic, comparison and boolean expressions over an allow-list of names.
//!
//! The syntax is the expression subset of Python that users of a spreadsheet know; there are no attributes, no
//! subscripts, no definitions, no loops. Work, depth, number size and text size are bounded.
//! Protects against code injection (CWE-94, CWE-95) and runaway input (CWE-400, CWE-674).
//!
//! ```
//! use std::collections::HashMap;
//! use pyward_guard::eval::{Expression, Limits, Value};
//! let discount = Expression::parse("min(total * 0.1, 50)", &["total"], &["min"], Limits::default())?;
//! let order = HashMap::from([("total".to_owned(), Value::Int(700))]);
//! assert_eq!(discount.evaluate(&order)?, Value::Int(50));
//! let evil = "__import__('os').system('id')";
//! assert!(Expression::parse(evil, &["total"], &["min"], Limits::default()).is_err());
//! let bomb = Expression::parse("9 ** 9 ** 9", &[], &[], Limits::default())?;
//! assert!(bomb.evaluate(&HashMap::new()).is_err());
//! # Ok::<(), pyward_guard::Error>(())
//! ```

mod parse;
mod value;

use std::collections::HashMap;

pub use value::Value;

use crate::{Error, Result};
use parse::Node;

/// Bounds of an expression.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of source text.
    pub max_source: usize,
    /// Nesting.
    pub max_depth: usize,
    /// Operations of one evaluation.
    pub max_steps: usize,
    /// Bytes of any text value.
    pub max_text: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_source: 4096,
            max_depth: 32,
            max_steps: 10_000,
            max_text: 64 << 10,
        }
    }
}

/// The functions an expression may call, if allowed: `abs ceil float floor int len lower max min round sqrt str sum upper`.
pub const FUNCTIONS: &[&str] = &[
    "abs", "ceil", "float", "floor", "int", "len", "lower", "max", "min", "round", "sqrt", "str",
    "sum", "upper",
];

/// A parsed expression; evaluating it again is cheap.
#[derive(Debug, Clone)]
pub struct Expression {
    root: Node,
    names: Vec<String>,
    limits: Limits,
}

impl Expression {
    /// Parses `source`. Only `names` may occur as variables and `functions` (from [`FUNCTIONS`]) be called.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for what is not in the language, names and functions that are not allowed, and unknown
    /// [`FUNCTIONS`]; [`Error::LimitExceeded`] for text that is too long or too deep.
    pub fn parse(source: &str, names: &[&str], functions: &[&str], limits: Limits) -> Result<Self> {
        if let Some(unknown) = functions.iter().find(|f| !FUNCTIONS.contains(f)) {
            return Err(Error::InvalidInput(format!(
                "there is no function {unknown:?} to allow"
            )));
        }
        if source.len() > limits.max_source {
            return Err(Error::LimitExceeded(format!(
                "the expression is longer than {} bytes",
                limits.max_source
            )));
        }
        let depth = limits.max_depth.min(200);
        let (root, used) = parse::parse(source, names, functions, depth)?;
        Ok(Self {
            root,
            names: used,
            limits,
        })
    }

    /// The variables that occur, in order of first use.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The value for these variables; each that occurs has to be there.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for missing variables, kinds of values that do not go together and divisions by zero;
    /// [`Error::LimitExceeded`] for too many steps, too large numbers and too long texts.
    pub fn evaluate(&self, variables: &HashMap<String, Value>) -> Result<Value> {
        let mut steps = self.limits.max_steps;
        value::evaluate(&self.root, variables, &mut steps, self.limits.max_text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn eval(source: &str) -> Result<Value> {
        let variables = HashMap::from([
            ("x".to_owned(), Value::Int(7)),
            ("name".to_owned(), Value::Text("Ada".into())),
        ]);
        Expression::parse(source, &["x", "name"], FUNCTIONS, Limits::default())?
            .evaluate(&variables)
    }

    #[test]
    fn computes_like_python() {
        for (source, want) in [
            ("1 + 2 * 3", Value::Int(7)),
            ("-7 // 2", Value::Int(-4)),
            ("-7 % 3", Value::Int(2)),
            ("7 % -3", Value::Int(-2)),
            ("2 ** 10", Value::Int(1024)),
            ("-2 ** 2", Value::Int(-4)),
            ("2 ** -1", Value::Float(0.5)),
            ("2 ** 3 ** 2", Value::Int(512)),
            ("7 / 2", Value::Float(3.5)),
            ("1 < x <= 7 and not x == 8", Value::Bool(true)),
            ("x > 3 if name == 'Ada' else 0", Value::Bool(true)),
            ("name in ['Bob', \"Ada\"]", Value::Bool(true)),
            ("'d' not in name", Value::Bool(false)),
            ("max(1, 2.5, x)", Value::Int(7)),
            ("round(2.675, 2)", Value::Float(2.67)),
            ("round(2.5)", Value::Int(2)),
            ("min([3, 1])", Value::Int(1)),
            ("len(name) + sum([1, 2])", Value::Int(6)),
            ("True or 1 / 0", Value::Bool(true)),
            ("0 or 'a'", Value::Text("a".into())),
            ("1_000 + 0x1f", Value::Int(1031)),
            ("None == 0", Value::Bool(false)),
            ("'a' + 'b' * 3", Value::Text("abbb".into())),
            ("1 == 1.0", Value::Bool(true)),
            ("True + 1", Value::Int(2)),
            ("'a' * True", Value::Text("a".into())),
            ("'' * 10 ** 30", Value::Text(String::new())),
            ("0 or 0.0 or ''", Value::Text(String::new())),
            ("1 and 0 or 2 and 3", Value::Int(3)),
            ("10 ** 30 / 7", Value::Float(1e30 / 7.0)),
            // Rounded once; through floats it would be ...4614e-21.
            (
                "1 / 881749720721089512697",
                Value::Float(1.134_108_666_552_461_2e-21),
            ),
            ("-0.0 // 1 == 0", Value::Bool(true)),
        ] {
            assert_eq!(eval(source).unwrap(), want, "{source}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for source in [
            "",
            "1 +",
            "y",
            "x.real",
            "x[0]",
            "__import__('os')",
            "open('x')",
            "lambda: 1",
            "x := 1",
            "1; 2",
            "f'{x}'",
            "x()",
            "(1",
            "1)",
            "[1",
            "'a",
            "1 = 2",
            "{1}",
            "@",
            "x if 1",
            "abs()",
            "abs(1, 2)",
            "1 < ",
            "not",
            "'\\x",
            "0x",
            "1__0",
            "import os",
            "1 + 'a'",
            "1 / 0",
            "1 % 0",
            "2 ** 200",
            "170141183460469231731687303715884105727 + 1",
            "sqrt(-1)",
            "int('x')",
            "'a' < 1",
            "99999999999999999999999999999999999999999",
            "'a' * 100000000",
            "1e308 * 10",
            "len(1)",
            "max()",
            "10.0 ** 400",
            "x\u{0}",
        ] {
            assert!(eval(source).is_err(), "{source} -> {:?}", eval(source));
        }
        assert!(eval(&"(".repeat(1000)).is_err());
        assert!(eval(&"-".repeat(1000)).is_err());
        assert!(eval(&"1+".repeat(4000)).is_err());
        assert!(Expression::parse("1", &[], &["eval"], Limits::default()).is_err());
        assert!(Expression::parse("abs(1)", &[], &[], Limits::default()).is_err());
    }

    proptest! {
        #[test]
        fn any_text(source in "(x|name|1|2\\.5|'a'|\\+|-|\\*|\\*\\*|/|//|%|\\(|\\)|\\[|\\]|,|<|==|and|or|not|in|if|else|max|len| |\\PC){0,24}") {
            let _ = eval(&source);
        }
    }
}

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::HashMap;

use pyward_guard::eval::{Expression, FUNCTIONS, Limits, Value};

fuzz_target!(|text: &str| {
    if let Ok(expression) = Expression::parse(text, &["x"], FUNCTIONS, Limits::default()) {
        let _ = expression.evaluate(&HashMap::from([("x".to_owned(), Value::Int(7))]));
    }
});

//! Binding of `pyward_guard::eval`.

use std::collections::HashMap;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use pyward_guard::eval::{self, Expression, Limits, Value};

use crate::error::{InvalidInput, to_py};
use crate::number::whole;

/// A parsed expression.
#[pyclass(frozen, module = "pyward_guard._core")]
struct EvalExpression(Expression);

fn value(object: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    if object.is_none() {
        Ok(Value::None)
    } else if object.is_instance_of::<PyBool>() {
        Ok(Value::Bool(object.extract()?))
    } else if object.is_instance_of::<PyInt>() {
        object
            .extract()
            .map(Value::Int)
            .map_err(|_| InvalidInput::new_err("an integer has more than 128 bits"))
    } else if object.is_instance_of::<PyFloat>() {
        let number: f64 = object.extract()?;
        if number.is_finite() {
            Ok(Value::Float(number))
        } else {
            Err(InvalidInput::new_err("a number is not finite"))
        }
    } else if object.is_instance_of::<PyString>() {
        object
            .extract()
            .map(Value::Text)
            .map_err(|_| InvalidInput::new_err("a text is not valid Unicode"))
    } else if depth > 0 && (object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>())
    {
        object
            .try_iter()?
            .map(|item| value(&item?, depth - 1))
            .collect::<PyResult<_>>()
            .map(Value::List)
    } else {
        Err(InvalidInput::new_err(
            "a variable is None, bool, int, float, str or a list of them",
        ))
    }
}

fn object<'py>(py: Python<'py>, value: Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::None => Ok(py.None().into_bound(py)),
        Value::Bool(b) => b.into_bound_py_any(py),
        Value::Int(i) => i.into_bound_py_any(py),
        Value::Float(f) => f.into_bound_py_any(py),
        Value::Text(t) => t.into_bound_py_any(py),
        Value::List(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(object(py, item)?)?;
            }
            Ok(list.into_any())
        }
    }
}

#[pymethods]
impl EvalExpression {
    #[new]
    #[pyo3(signature = (source, names, functions, *, max_source, max_depth, max_steps, max_text))]
    fn new(
        source: &str,
        names: Vec<String>,
        functions: Vec<String>,
        #[pyo3(from_py_with = whole)] max_source: usize,
        #[pyo3(from_py_with = whole)] max_depth: usize,
        #[pyo3(from_py_with = whole)] max_steps: usize,
        #[pyo3(from_py_with = whole)] max_text: usize,
    ) -> PyResult<Self> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let functions: Vec<&str> = functions.iter().map(String::as_str).collect();
        let limits = Limits {
            max_source,
            max_depth,
            max_steps,
            max_text,
        };
        Expression::parse(source, &names, &functions, limits)
            .map(Self)
            .map_err(to_py)
    }

    fn names(&self) -> Vec<String> {
        self.0.names().to_vec()
    }

    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        variables: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut values = HashMap::new();
        for name in self.0.names() {
            if let Some(given) = variables.get_item(name)? {
                values.insert(name.clone(), value(&given, 4)?);
            }
        }
        let result = self.0.evaluate(&values).map_err(to_py)?;
        object(py, result)
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<EvalExpression>()?;
    module.add(
        "EVAL_FUNCTIONS",
        PyTuple::new(module.py(), eval::FUNCTIONS)?,
    )?;
    Ok(())
}

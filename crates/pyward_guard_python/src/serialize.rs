//! MessagePack from and to Python objects, the scan of pickles, strict JSON.

use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple,
};
use pyward_guard::serialize::msgpack::{self, Bounds, Utf8String, Value};
use pyward_guard::serialize::pickle;

use crate::error::{InvalidInput, to_py};
use crate::json;
use crate::number::whole;

const MAX_DEPTH: usize = 64;
/// MessagePack's extension type for times.
const TIMESTAMP: i8 = -1;

fn refuse<T>(text: &str) -> PyResult<T> {
    Err(InvalidInput::new_err(text.to_owned()))
}

fn to_value(object: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    if depth > MAX_DEPTH {
        return refuse("the value is nested deeper than 64 levels");
    }
    if object.is_none() {
        Ok(Value::Nil)
    } else if let Ok(text) = object.cast::<PyString>() {
        match text.to_cow() {
            Ok(text) => Ok(Value::String(Utf8String::from(&*text))),
            Err(_) => refuse("a string is not valid Unicode"),
        }
    } else if let Ok(flag) = object.cast::<PyBool>() {
        Ok(Value::Boolean(flag.is_true()))
    } else if object.is_instance_of::<PyInt>() {
        if let Ok(n) = object.extract::<i64>() {
            Ok(Value::from(n))
        } else if let Ok(n) = object.extract::<u64>() {
            Ok(Value::from(n))
        } else {
            refuse("an integer is beyond 64 bits")
        }
    } else if let Ok(number) = object.cast::<PyFloat>() {
        Ok(Value::F64(number.value()))
    } else if let Ok(bytes) = object.cast::<PyBytes>() {
        Ok(Value::Binary(bytes.as_bytes().to_vec()))
    } else if let Ok(bytes) = object.cast::<PyByteArray>() {
        Ok(Value::Binary(bytes.to_vec()))
    } else if let Ok(list) = object.cast::<PyList>() {
        list.iter()
            .map(|v| to_value(&v, depth + 1))
            .collect::<PyResult<_>>()
            .map(Value::Array)
    } else if let Ok(tuple) = object.cast::<PyTuple>() {
        tuple
            .iter()
            .map(|v| to_value(&v, depth + 1))
            .collect::<PyResult<_>>()
            .map(Value::Array)
    } else if let Ok(dict) = object.cast::<PyDict>() {
        let mut pairs = Vec::with_capacity(dict.len());
        for (key, value) in dict.iter() {
            if !key.is_instance_of::<PyString>() && !key.is_instance_of::<PyInt>() {
                return refuse("the keys of a map are strings or integers");
            }
            pairs.push((to_value(&key, depth + 1)?, to_value(&value, depth + 1)?));
        }
        Ok(Value::Map(pairs))
    } else {
        let name = object
            .get_type()
            .name()
            .map_or_else(|_| "?".to_owned(), |n| n.to_string());
        refuse(&format!(
            "a value of type {name} cannot be written as MessagePack"
        ))
    }
}

fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Nil => py.None().into_bound(py),
        Value::Boolean(v) => PyBool::new(py, *v).to_owned().into_any(),
        Value::Integer(v) => match (v.as_i64(), v.as_u64()) {
            (Some(n), _) => PyInt::new(py, n).into_any(),
            (None, n) => PyInt::new(py, n.unwrap_or_default()).into_any(),
        },
        Value::F32(v) => PyFloat::new(py, f64::from(*v)).into_any(),
        Value::F64(v) => PyFloat::new(py, *v).into_any(),
        Value::String(v) => match v.as_str() {
            Some(text) => PyString::new(py, text).into_any(),
            None => return refuse("a text is not UTF-8"),
        },
        Value::Binary(v) => PyBytes::new(py, v).into_any(),
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(to_python(py, item)?)?;
            }
            list.into_any()
        }
        Value::Map(pairs) => {
            let dict = PyDict::new(py);
            for (i, (key, value)) in pairs.iter().enumerate() {
                if !matches!(key, Value::String(_) | Value::Integer(_)) {
                    return refuse("the keys of a map are strings or integers");
                }
                dict.set_item(to_python(py, key)?, to_python(py, value)?)?;
                if dict.len() != i + 1 {
                    return refuse("a key occurs twice");
                }
            }
            dict.into_any()
        }
        Value::Ext(TIMESTAMP, data) => timestamp(py, data)?,
        Value::Ext(..) => return refuse("an extension type is not allowed"),
    })
}

/// Seconds since 1970 as a float, in the three forms of the specification.
fn timestamp<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let number = |part: &[u8]| part.iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
    let (seconds, nanos) = match data.len() {
        4 => (number(data) as i64, 0),
        8 => ((number(data) & 0x3_ffff_ffff) as i64, number(data) >> 34),
        12 => (number(&data[4..]) as i64, number(&data[..4])),
        _ => return refuse("a malformed time"),
    };
    if nanos >= 1_000_000_000 {
        return refuse("a malformed time");
    }
    Ok(PyFloat::new(py, seconds as f64 + nanos as f64 / 1e9).into_any())
}

#[pyfunction]
fn msgpack_dumps<'py>(py: Python<'py>, value: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let data = msgpack::encode(&to_value(value, 0)?).map_err(to_py)?;
    Ok(PyBytes::new(py, &data))
}

#[pyfunction]
fn msgpack_loads<'py>(
    py: Python<'py>,
    data: &[u8],
    #[pyo3(from_py_with = whole)] max_size: usize,
    #[pyo3(from_py_with = whole)] max_depth: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let value = msgpack::decode(
        data,
        Bounds {
            max_size,
            max_depth,
        },
    )
    .map_err(to_py)?;
    to_python(py, &value)
}

#[pyfunction]
fn json_dumps<'py>(py: Python<'py>, value: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &json::dumps(value)?))
}

#[pyfunction]
fn json_loads<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    json::loads(py, data).map_err(|e| {
        InvalidInput::new_err(format!(
            "malformed JSON at line {}, column {}",
            e.line(),
            e.column()
        ))
    })
}

/// ((module, name) of each global, number of instructions)
#[pyfunction]
fn pickle_scan(py: Python<'_>, data: &[u8]) -> PyResult<(Vec<(String, String)>, usize)> {
    let scan = py.detach(|| pickle::scan(data)).map_err(to_py)?;
    Ok((scan.globals, scan.instructions))
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(msgpack_dumps, module)?)?;
    module.add_function(wrap_pyfunction!(msgpack_loads, module)?)?;
    module.add_function(wrap_pyfunction!(json_dumps, module)?)?;
    module.add_function(wrap_pyfunction!(json_loads, module)?)?;
    module.add_function(wrap_pyfunction!(pickle_scan, module)?)
}

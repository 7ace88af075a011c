//! JSON straight from and to Python objects, without a tree in between.

use std::cell::Cell;
use std::fmt;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::error::InvalidInput;

const MAX_DEPTH: usize = 100;

fn refuse<T>(text: &str) -> PyResult<T> {
    Err(InvalidInput::new_err(text.to_owned()))
}

/// Writes an object of dicts with string keys, lists, tuples, strings, numbers, booleans and None as compact JSON.
pub(crate) fn dumps(object: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let mut out = Vec::with_capacity(128);
    write(object, &mut out, 0)?;
    Ok(out)
}

fn write_str(text: &Bound<'_, PyString>, out: &mut Vec<u8>) -> PyResult<()> {
    // Lone surrogates have no UTF-8 form.
    let Ok(text) = text.to_cow() else {
        return refuse("a string is not valid Unicode");
    };
    serde_json::to_writer(out, &*text).or_else(|_| refuse("a string cannot be written as JSON"))
}

fn write(object: &Bound<'_, PyAny>, out: &mut Vec<u8>, depth: usize) -> PyResult<()> {
    if depth > MAX_DEPTH {
        return refuse("the value is nested deeper than 100 levels");
    }
    if let Ok(text) = object.cast::<PyString>() {
        write_str(text, out)
    } else if object.is_none() {
        out.extend_from_slice(b"null");
        Ok(())
    } else if let Ok(flag) = object.cast::<PyBool>() {
        out.extend_from_slice(if flag.is_true() { b"true" } else { b"false" });
        Ok(())
    } else if object.is_instance_of::<PyInt>() {
        if let Ok(n) = object.extract::<i64>() {
            out.extend_from_slice(itoa(n).as_bytes());
        } else if let Ok(n) = object.extract::<u64>() {
            out.extend_from_slice(n.to_string().as_bytes());
        } else {
            return refuse(
                "an integer is beyond 64 bits, which JSON readers do not agree on: use a string",
            );
        }
        Ok(())
    } else if let Ok(number) = object.cast::<PyFloat>() {
        let value = number.value();
        if !value.is_finite() {
            return refuse("JSON has no infinity and no NaN");
        }
        serde_json::to_writer(out, &value).or_else(|_| refuse("a number cannot be written as JSON"))
    } else if let Ok(dict) = object.cast::<PyDict>() {
        out.push(b'{');
        let start = out.len();
        for (key, value) in dict.iter() {
            if out.len() > start {
                out.push(b',');
            }
            let Ok(key) = key.cast::<PyString>() else {
                return refuse("the keys of a JSON object are strings");
            };
            write_str(key, out)?;
            out.push(b':');
            write(&value, out, depth + 1)?;
        }
        out.push(b'}');
        Ok(())
    } else if let Ok(list) = object.cast::<PyList>() {
        write_items(list.iter(), out, depth)
    } else if let Ok(tuple) = object.cast::<PyTuple>() {
        write_items(tuple.iter(), out, depth)
    } else {
        let name = object
            .get_type()
            .name()
            .map_or_else(|_| "?".to_owned(), |n| n.to_string());
        refuse(&format!("a value of type {name} cannot be written as JSON"))
    }
}

fn write_items<'py>(
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    out: &mut Vec<u8>,
    depth: usize,
) -> PyResult<()> {
    out.push(b'[');
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(&item, out, depth + 1)?;
    }
    out.push(b']');
    Ok(())
}

fn itoa(n: i64) -> String {
    n.to_string()
}

/// Reads JSON; an object with a key twice is an error, as readers do not agree on what it means.
pub(crate) fn loads<'py>(
    py: Python<'py>,
    text: &[u8],
) -> Result<Bound<'py, PyAny>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let large = Cell::new(false);
    let value = Value(py, &large).deserialize(&mut deserializer)?;
    deserializer.end()?;
    // The parser gives such numbers as floats, and two ids that differ would become one.
    if large.get() && has_large_integer(text) {
        return Err(de::Error::custom("an integer is beyond 64 bits"));
    }
    Ok(value)
}

/// Whether a number without fraction and exponent does not fit 64 bits.
fn has_large_integer(text: &[u8]) -> bool {
    let (mut i, mut in_string) = (0, false);
    while i < text.len() {
        match text[i] {
            b'\\' if in_string => i += 1,
            b'"' => in_string = !in_string,
            b'-' | b'0'..=b'9' if !in_string => {
                let part = |b: &u8| matches!(b, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let n = text[i..].iter().take_while(|b| part(b)).count();
                let number = std::str::from_utf8(&text[i..i + n]).unwrap_or_default();
                if !number.contains(['.', 'e', 'E'])
                    && number.parse::<i64>().is_err()
                    && number.parse::<u64>().is_err()
                {
                    return true;
                }
                i += n - 1;
            }
            _ => {}
        }
        i += 1;
    }
    false
}

/// Reads a value; the flag is raised by whole numbers that may have lost digits.
#[derive(Clone, Copy)]
struct Value<'py, 'f>(Python<'py>, &'f Cell<bool>);

impl<'de, 'py> DeserializeSeed<'de> for Value<'py, '_> {
    type Value = Bound<'py, PyAny>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

fn python<E: de::Error>(error: PyErr) -> E {
    E::custom(error)
}

impl<'de, 'py> Visitor<'de> for Value<'py, '_> {
    type Value = Bound<'py, PyAny>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(self.0.None().into_bound(self.0))
    }
    fn visit_bool<E>(self, v: bool) -> Result<Self::Value, E> {
        Ok(PyBool::new(self.0, v).to_owned().into_any())
    }
    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(PyInt::new(self.0, v).into_any())
    }
    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(PyInt::new(self.0, v).into_any())
    }
    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        if v.abs() >= 9.2e18 {
            self.1.set(true);
        }
        Ok(PyFloat::new(self.0, v).into_any())
    }
    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(PyString::new(self.0, v).into_any())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let list = PyList::empty(self.0);
        while let Some(item) = seq.next_element_seed(self)? {
            list.append(item).map_err(python)?;
        }
        Ok(list.into_any())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let dict = PyDict::new(self.0);
        let mut n = 0;
        while let Some(key) = map.next_key_seed(Key(self.0))? {
            dict.set_item(key, map.next_value_seed(self)?)
                .map_err(python)?;
            n += 1;
            if dict.len() != n {
                return Err(de::Error::custom("a key occurs twice"));
            }
        }
        Ok(dict.into_any())
    }
}

struct Key<'py>(Python<'py>);

impl<'de, 'py> DeserializeSeed<'de> for Key<'py> {
    type Value = Bound<'py, PyString>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'py> Visitor<'_> for Key<'py> {
    type Value = Bound<'py, PyString>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(PyString::new(self.0, v))
    }
}

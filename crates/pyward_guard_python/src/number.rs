//! Whole numbers among the arguments. `u32` and the like would raise `OverflowError` past the handlers of `GuardError`.

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;

use crate::error::InvalidInput;

/// A whole number, or [`InvalidInput`] for one that the type cannot hold.
pub(crate) fn whole<'py, T>(object: &Bound<'py, PyAny>) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    object.extract().map_err(|raised: PyErr| {
        if raised.is_instance_of::<PyOverflowError>(object.py()) {
            InvalidInput::new_err("a number is out of range")
        } else {
            raised
        }
    })
}

/// As [`whole`], for an argument that may be `None`.
pub(crate) fn whole_or_none<'py, T>(object: &Bound<'py, PyAny>) -> PyResult<Option<T>>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    if object.is_none() {
        Ok(None)
    } else {
        whole(object).map(Some)
    }
}

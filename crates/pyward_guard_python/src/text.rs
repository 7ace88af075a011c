//! Text arguments. Python's strings may hold lone surrogates, as JSON can spell them, where `&str` would raise
//! `UnicodeEncodeError` past the handlers of `GuardError`.

use std::borrow::Cow;

use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::error::{InvalidInput, Refused};

/// Text that is shown: lone surrogates become U+FFFD, as encoders of HTML make of them.
pub(crate) struct Shown<'a>(pub(crate) Cow<'a, str>);

impl<'a, 'py> FromPyObject<'a, 'py> for Shown<'a> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<&'a str>() {
            Ok(text) => Ok(Self(Cow::Borrowed(text))),
            Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(object.py()) => {
                let text = object.cast::<PyString>()?;
                Ok(Self(Cow::Owned(text.to_string_lossy().into_owned())))
            }
            Err(error) => Err(error),
        }
    }
}

/// Text that is judged: what is no Unicode is refused.
pub(crate) struct Judged<'a>(pub(crate) &'a str);

impl<'a, 'py> FromPyObject<'a, 'py> for Judged<'a> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let refused = || Refused::new_err("refused: the text is not valid Unicode");
        valid(object, refused).map(Self)
    }
}

/// Text that has to be Unicode.
pub(crate) struct Valid<'a>(pub(crate) &'a str);

impl<'a, 'py> FromPyObject<'a, 'py> for Valid<'a> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let invalid = || InvalidInput::new_err("the text is not valid Unicode");
        valid(object, invalid).map(Self)
    }
}

/// The text of an argument, or this error where it is no Unicode.
pub(crate) fn valid<'a>(
    object: Borrowed<'a, '_, PyAny>,
    error: impl FnOnce() -> PyErr,
) -> PyResult<&'a str> {
    object.extract::<&'a str>().map_err(|raised| {
        if raised.is_instance_of::<PyUnicodeEncodeError>(object.py()) {
            error()
        } else {
            raised
        }
    })
}

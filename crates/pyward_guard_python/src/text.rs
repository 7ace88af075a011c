//! Text arguments. Python's strings may hold lone surrogates, as JSON can spell them, where `&str` would raise
//! `UnicodeEncodeError` past the handlers of `GuardError`.

use std::borrow::Cow;

use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::error::{InvalidInput, Refused, VerificationFailed};

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

/// A type of text argument that has to be Unicode, and the error where it is not.
macro_rules! unicode {
    ($(#[$doc:meta])* $name:ident, $error:expr) => {
        $(#[$doc])*
        pub(crate) struct $name<'a>(pub(crate) &'a str);

        impl<'a, 'py> FromPyObject<'a, 'py> for $name<'a> {
            type Error = PyErr;

            fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
                valid(object, || $error).map(Self)
            }
        }
    };
}

unicode!(
    /// Text that is judged: what is no Unicode is refused.
    Judged,
    Refused::new_err("refused: the text is not valid Unicode")
);
unicode!(
    /// A token, ciphertext or other text that comes from outside: what is no Unicode does not verify.
    Token,
    VerificationFailed::new_err("verification failed: malformed token")
);
unicode!(
    /// Text that has to be Unicode.
    Valid,
    InvalidInput::new_err("the text is not valid Unicode")
);

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

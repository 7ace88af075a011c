//! The exception hierarchy: `GuardError` and its children, raised for the errors of the core.

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(
    pyward_guard,
    GuardError,
    PyException,
    "Base class of every error of pyward_guard."
);
create_exception!(
    pyward_guard,
    InvalidInput,
    GuardError,
    "An argument is outside what the function accepts."
);
create_exception!(
    pyward_guard,
    VerificationFailed,
    GuardError,
    "A signature, tag, hash or password does not verify."
);
create_exception!(
    pyward_guard,
    UnknownKey,
    VerificationFailed,
    "The key named by a token or ciphertext is not at hand."
);
create_exception!(
    pyward_guard,
    Expired,
    VerificationFailed,
    "Something is past its time limit."
);
create_exception!(
    pyward_guard,
    Unsupported,
    GuardError,
    "The host cannot enforce what was asked for."
);
create_exception!(
    pyward_guard,
    Refused,
    GuardError,
    "The operation is not allowed."
);
create_exception!(
    pyward_guard,
    LimitExceeded,
    GuardError,
    "Input or work is larger than the bound set for it."
);

/// Turns an error of the core into the Python exception that stands for it.
pub(crate) fn to_py(error: pyward_guard::Error) -> PyErr {
    use pyward_guard::Error as E;
    let text = error.to_string();
    match error {
        E::InvalidInput(_) => InvalidInput::new_err(text),
        E::UnknownKey => UnknownKey::new_err(text),
        E::VerificationFailed | E::NotVerified(_) => VerificationFailed::new_err(text),
        E::Expired => Expired::new_err(text),
        E::Unsupported(_) => Unsupported::new_err(text),
        E::Refused(_) => Refused::new_err(text),
        E::LimitExceeded(_) => LimitExceeded::new_err(text),
        E::Io(io) => io.into(),
        _ => GuardError::new_err(text),
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("GuardError", py.get_type::<GuardError>())?;
    module.add("InvalidInput", py.get_type::<InvalidInput>())?;
    module.add("VerificationFailed", py.get_type::<VerificationFailed>())?;
    module.add("UnknownKey", py.get_type::<UnknownKey>())?;
    module.add("Expired", py.get_type::<Expired>())?;
    module.add("Unsupported", py.get_type::<Unsupported>())?;
    module.add("Refused", py.get_type::<Refused>())?;
    module.add("LimitExceeded", py.get_type::<LimitExceeded>())?;
    Ok(())
}

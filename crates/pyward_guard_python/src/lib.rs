//! The extension module `pyward_guard._core`: argument conversion and nothing else.
//!
//! One file per module of the kit; each has a `register` function that adds its functions and classes.

mod access;
mod crypto;
mod error;
mod headers;
mod http;
mod jose;
mod json;
mod keys;
mod limits;
mod mfa;
mod passwords;
mod paths;
mod run;
mod serialize;
mod sessions;
mod tokens;

use pyo3::prelude::*;

/// The Rust core of `pyward_guard`.
#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    error::register(module)?;
    access::register(module)?;
    headers::register(module)?;
    http::register(module)?;
    limits::register(module)?;
    sessions::register(module)?;
    jose::register(module)?;
    keys::register(module)?;
    crypto::register(module)?;
    mfa::register(module)?;
    serialize::register(module)?;
    passwords::register(module)?;
    paths::register(module)?;
    run::register(module)?;
    tokens::register(module)?;
    Ok(())
}

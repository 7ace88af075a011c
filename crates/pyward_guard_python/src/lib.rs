//! The extension module `pyward_guard._core`: argument conversion and nothing else.
//!
//! One file per module of the kit; each has a `register` function that adds its functions and classes.

mod access;
mod crypto;
mod error;
mod eval;
mod headers;
mod html;
mod http;
mod jose;
mod json;
mod keys;
mod limits;
mod logs;
mod mfa;
mod number;
mod passwords;
mod paths;
mod privacy;
mod run;
mod serialize;
mod sessions;
mod sql;
mod text;
mod tokens;
mod validate;

use pyo3::prelude::*;

/// Of the extension alone: Python and other extensions keep theirs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The Rust core of `pyward_guard`.
#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    error::register(module)?;
    access::register(module)?;
    eval::register(module)?;
    headers::register(module)?;
    html::register(module)?;
    http::register(module)?;
    jose::register(module)?;
    keys::register(module)?;
    crypto::register(module)?;
    limits::register(module)?;
    logs::register(module)?;
    mfa::register(module)?;
    serialize::register(module)?;
    passwords::register(module)?;
    paths::register(module)?;
    privacy::register(module)?;
    run::register(module)?;
    sessions::register(module)?;
    sql::register(module)?;
    tokens::register(module)?;
    validate::register(module)?;
    Ok(())
}

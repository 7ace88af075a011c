//! The extension module `pyward_guard._core`: argument conversion and nothing else.
//!
//! One file per module of the kit; each has a `register` function that adds its functions and classes.

mod error;
mod html;
mod paths;
mod validate;
mod sql;
mod privacy;
mod logs;
mod eval;
mod run;

use pyo3::prelude::*;

/// The Rust core of `pyward_guard`.
#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    error::register(module)?;
    html::register(module)?;
    paths::register(module)?;
    validate::register(module)?;
    sql::register(module)?;
    privacy::register(module)?;
    logs::register(module)?;
    eval::register(module)?;
    run::register(module)?;
    Ok(())
}

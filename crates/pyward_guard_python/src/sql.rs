//! Binding of `pyward_guard::sql`.

use pyo3::prelude::*;
use pyo3::types::PyString;
use pyward_guard::sql::{self, Dialect, ParamStyle, Part};

use crate::error::{InvalidInput, to_py};

fn dialect(name: &str) -> PyResult<Dialect> {
    Ok(match name {
        "sqlite" => Dialect::Sqlite,
        "postgresql" => Dialect::Postgresql,
        "mysql" => Dialect::Mysql,
        _ => {
            return Err(InvalidInput::new_err(
                "the dialect is one of sqlite, postgresql, mysql",
            ));
        }
    })
}

fn style(name: &str) -> PyResult<ParamStyle> {
    Ok(match name {
        "qmark" => ParamStyle::Qmark,
        "numeric" => ParamStyle::Numeric,
        "named" => ParamStyle::Named,
        "format" => ParamStyle::Format,
        "pyformat" => ParamStyle::Pyformat,
        _ => {
            return Err(InvalidInput::new_err(
                "the paramstyle is one of qmark, numeric, named, format, pyformat",
            ));
        }
    })
}

/// An identifier in the quotes of a dialect ("postgresql", "sqlite", "mysql"), whatever is in it.
///
/// Protects against CWE-89. ASVS 5.0: v5.0.0-1.2.4. Raises InvalidInput for an empty name, one with NUL, and one that is
/// too long for the dialect.
///
/// >>> from pyward_guard.sql import quote_identifier
/// >>> quote_identifier('odd "name"', "mysql")
/// '`odd "name"`'
#[pyfunction]
fn sql_quote_identifier(name: &Bound<'_, PyString>, dialect_name: &str) -> PyResult<String> {
    let name = name
        .to_cow()
        .map_err(|_| InvalidInput::new_err("an identifier is not valid Unicode"))?;
    sql::quote_identifier(&name, dialect(dialect_name)?).map_err(to_py)
}

#[pyfunction]
fn sql_escape_like(text: &str, escape: char) -> PyResult<String> {
    sql::escape_like(text, escape).map_err(to_py)
}

#[pyfunction]
fn sql_placeholder(style_name: &str, index: usize) -> PyResult<String> {
    Ok(sql::placeholder(style(style_name)?, index))
}

/// The parts of a template as (is a field, text).
#[pyfunction]
fn sql_split(template: &str) -> PyResult<Vec<(bool, String)>> {
    let parts = sql::split(template).map_err(to_py)?;
    Ok(parts
        .into_iter()
        .map(|part| match part {
            Part::Text(text) => (false, text),
            Part::Field(name) => (true, name),
        })
        .collect())
}

#[pyfunction]
fn sql_adapt(literal: &str, style_name: &str) -> PyResult<String> {
    sql::adapt(literal, style(style_name)?).map_err(to_py)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(sql_quote_identifier, module)?)?;
    module.add_function(wrap_pyfunction!(sql_escape_like, module)?)?;
    module.add_function(wrap_pyfunction!(sql_placeholder, module)?)?;
    module.add_function(wrap_pyfunction!(sql_split, module)?)?;
    module.add_function(wrap_pyfunction!(sql_adapt, module)?)?;
    Ok(())
}

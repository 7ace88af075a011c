//! Bindings of `pyward_guard::http`.

use pyo3::prelude::*;
use pyward_guard::http;

use crate::error::{InvalidInput, to_py};
use crate::text::Judged;

/// Why an address is not public, or None when it is.
#[pyfunction]
fn not_public(address: &str) -> PyResult<Option<&'static str>> {
    let address = address.split('%').next().unwrap_or_default();
    let address = address
        .parse()
        .map_err(|_| InvalidInput::new_err("not an IP address"))?;
    Ok(http::not_public(address))
}

/// The redirect target to send.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
fn check_redirect(target: Judged<'_>, hosts: Vec<String>) -> PyResult<String> {
    http::check_redirect(target.0, &hosts).map_err(to_py)
}

/// Scheme, host, whether the host is an address, and port of an outbound URL.
#[pyfunction]
fn parse_target(url: Judged<'_>) -> PyResult<(String, String, bool, u16)> {
    let target = http::parse_target(url.0).map_err(to_py)?;
    Ok((
        target.scheme,
        target.host,
        target.address.is_some(),
        target.port,
    ))
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(not_public, module)?)?;
    module.add_function(wrap_pyfunction!(check_redirect, module)?)?;
    module.add_function(wrap_pyfunction!(parse_target, module)?)
}

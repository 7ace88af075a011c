//! Bindings of `pyward_guard::headers`.

use pyo3::prelude::*;
use pyward_guard::headers::{self, CsrfError, OriginVerdict, RequestOrigin};

use crate::error::to_py;

/// A checked Content-Security-Policy.
#[pyclass(frozen, module = "pyward_guard._core")]
struct Csp(headers::Csp);

#[pymethods]
impl Csp {
    #[new]
    fn new(directives: Vec<(String, Vec<String>)>, allow_unsafe: bool) -> PyResult<Self> {
        headers::Csp::new(&directives, allow_unsafe)
            .map(Self)
            .map_err(to_py)
    }

    #[getter]
    fn has_nonce(&self) -> bool {
        self.0.has_nonce()
    }

    fn header(&self, nonce: &str) -> String {
        self.0.header(nonce)
    }
}

/// 128 random bits in base64.
#[pyfunction]
fn csp_nonce() -> PyResult<String> {
    headers::nonce().map_err(to_py)
}

/// Issues and checks CSRF tokens.
#[pyclass(frozen, module = "pyward_guard._core")]
struct Csrf(headers::Csrf);

#[pymethods]
impl Csrf {
    #[new]
    fn new(keys: Vec<Vec<u8>>, max_age: u64) -> PyResult<Self> {
        headers::Csrf::new(keys, max_age).map(Self).map_err(to_py)
    }

    fn issue(&self, binding: &[u8], now: u64) -> PyResult<String> {
        self.0.issue(binding, now).map_err(to_py)
    }

    /// None when the token is good, otherwise missing, invalid or expired.
    fn verify(&self, binding: &[u8], token: &str, now: u64) -> Option<&'static str> {
        match self.0.verify(binding, token, now) {
            Ok(()) => None,
            Err(CsrfError::Missing) => Some("missing"),
            Err(CsrfError::Invalid) => Some("invalid"),
            Err(CsrfError::Expired) => Some("expired"),
        }
    }
}

/// Hosts the application answers for.
#[pyclass(frozen, module = "pyward_guard._core")]
struct HostList(headers::HostList);

#[pymethods]
impl HostList {
    #[new]
    fn new(hosts: Vec<String>) -> PyResult<Self> {
        headers::HostList::new(&hosts).map(Self).map_err(to_py)
    }

    fn allows(&self, header: &str) -> bool {
        self.0.allows(header)
    }
}

/// ours, foreign or unknown.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
fn judge_origin(
    fetch_site: Option<&str>,
    origin: Option<&str>,
    referer: Option<&str>,
    own: &str,
    trusted: Vec<String>,
) -> &'static str {
    match headers::judge_origin(
        RequestOrigin {
            fetch_site,
            origin,
            referer,
        },
        own,
        &trusted,
    ) {
        OriginVerdict::Ours => "ours",
        OriginVerdict::Foreign => "foreign",
        OriginVerdict::Unknown => "unknown",
    }
}

/// The serialised origin of a URL.
#[pyfunction]
fn origin_of(url: &str) -> Option<String> {
    headers::origin_of(url)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Csp>()?;
    module.add_class::<Csrf>()?;
    module.add_class::<HostList>()?;
    module.add_function(wrap_pyfunction!(csp_nonce, module)?)?;
    module.add_function(wrap_pyfunction!(judge_origin, module)?)?;
    module.add_function(wrap_pyfunction!(origin_of, module)?)
}

//! Bindings of `pyward_guard::headers`.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};
use pyward_guard::headers::{self, CsrfError, OriginVerdict, RequestOrigin};

use crate::error::{InvalidInput, to_py};

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

/// The headers of every response, laid out so that adding them costs little.
#[pyclass(frozen, module = "pyward_guard._core")]
struct ResponseHeaders {
    /// Lower-case name, pair of `str` for WSGI, pair of `bytes` (lower-case name) for ASGI.
    fixed: Vec<(String, Py<PyTuple>, Py<PyTuple>)>,
    /// Lower-case name, name, policy with a nonce.
    nonced: Vec<(String, Py<PyString>, Py<Csp>)>,
    removed: Vec<String>,
}

fn bytes_of<'a>(part: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8]> {
    if let Ok(text) = part.cast::<PyString>() {
        Ok(text.to_str()?.as_bytes())
    } else {
        Ok(part.cast::<PyBytes>()?.as_bytes())
    }
}

impl ResponseHeaders {
    /// The application's headers without the removed ones, then ours, except those that the application set itself.
    fn finish<'py>(
        &self,
        py: Python<'py>,
        headers: &Bound<'py, PyAny>,
        nonce: &str,
        binary: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        let out = PyList::empty(py);
        // One bit for each of ours; `new` bounds their number.
        let mut own = 0u64;
        for item in headers.try_iter()? {
            let item = item?;
            let (name, value) = match item.cast::<PyTuple>() {
                Ok(pair) => (pair.get_item(0)?, pair.get_item(1)?),
                Err(_) => (item.get_item(0)?, item.get_item(1)?),
            };
            let text = bytes_of(&name)?;
            // Servers differ in whether they look: here a header ends where it ends (CWE-113).
            if [text, bytes_of(&value)?]
                .iter()
                .any(|part| part.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)))
            {
                return Err(InvalidInput::new_err(
                    "a response header of the application holds a line break",
                ));
            }
            let is = |known: &String| known.as_bytes().eq_ignore_ascii_case(text);
            if self.removed.iter().any(is) {
                continue;
            }
            let ours = self.fixed.iter().map(|(name, ..)| name);
            if let Some(at) = ours
                .chain(self.nonced.iter().map(|(name, ..)| name))
                .position(is)
            {
                own |= 1 << at;
            }
            out.append(item)?;
        }
        for (at, (_, text, bytes)) in self.fixed.iter().enumerate() {
            if own & 1 << at == 0 {
                out.append(if binary { bytes } else { text })?;
            }
        }
        for (at, (lower, name, csp)) in self.nonced.iter().enumerate() {
            if own & 1 << (self.fixed.len() + at) == 0 {
                let value = csp.get().0.header(nonce);
                if binary {
                    let pair = (
                        PyBytes::new(py, lower.as_bytes()),
                        PyBytes::new(py, value.as_bytes()),
                    );
                    out.append(pair)?;
                } else {
                    out.append((name, value))?;
                }
            }
        }
        Ok(out)
    }
}

#[pymethods]
impl ResponseHeaders {
    #[new]
    fn new(
        py: Python<'_>,
        fixed: Vec<(String, String)>,
        nonced: Vec<(String, Py<Csp>)>,
        removed: Vec<String>,
    ) -> PyResult<Self> {
        if fixed.len() + nonced.len() > 64 {
            return Err(InvalidInput::new_err(
                "at most 64 headers are added to a response",
            ));
        }
        let fixed: PyResult<Vec<_>> = fixed
            .into_iter()
            .map(|(name, value)| {
                let lower = name.to_ascii_lowercase();
                let bytes = (
                    PyBytes::new(py, lower.as_bytes()),
                    PyBytes::new(py, value.as_bytes()),
                );
                let bytes = bytes.into_pyobject(py)?.unbind();
                Ok((lower, (name, value).into_pyobject(py)?.unbind(), bytes))
            })
            .collect();
        Ok(Self {
            fixed: fixed?,
            nonced: nonced
                .into_iter()
                .map(|(name, csp)| {
                    (
                        name.to_ascii_lowercase(),
                        PyString::new(py, &name).unbind(),
                        csp,
                    )
                })
                .collect(),
            removed: removed
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
        })
    }

    /// For `start_response`.
    fn wsgi<'py>(
        &self,
        py: Python<'py>,
        headers: &Bound<'py, PyAny>,
        nonce: &str,
    ) -> PyResult<Bound<'py, PyList>> {
        self.finish(py, headers, nonce, false)
    }

    /// For `http.response.start`.
    fn asgi<'py>(
        &self,
        py: Python<'py>,
        headers: &Bound<'py, PyAny>,
        nonce: &str,
    ) -> PyResult<Bound<'py, PyList>> {
        self.finish(py, headers, nonce, true)
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
    module.add_class::<ResponseHeaders>()?;
    module.add_class::<Csrf>()?;
    module.add_class::<HostList>()?;
    module.add_function(wrap_pyfunction!(csp_nonce, module)?)?;
    module.add_function(wrap_pyfunction!(judge_origin, module)?)?;
    module.add_function(wrap_pyfunction!(origin_of, module)?)
}

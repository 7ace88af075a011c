//! Binding of `pyward_guard::logs`.

use std::borrow::Cow;
use std::io::BufReader;
use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use pyward_guard::logs::{self, LINK, Redactor};

use crate::error::{InvalidInput, to_py};
use crate::number::whole;

#[pyclass(frozen, module = "pyward_guard._core")]
struct LogsRedactor(Redactor);

#[pymethods]
impl LogsRedactor {
    #[new]
    fn new(extra_keys: Vec<String>, patterns: Vec<String>, personal: bool) -> PyResult<Self> {
        Redactor::new(&extra_keys, &patterns, personal)
            .map(Self)
            .map_err(to_py)
    }

    fn is_sensitive_key(&self, key: &str) -> bool {
        self.0.is_sensitive_key(key)
    }

    /// Redacts and neutralises; the same object when nothing changes.
    fn clean<'py>(
        &self,
        py: Python<'py>,
        text: &Bound<'py, PyString>,
        #[pyo3(from_py_with = whole)] max_bytes: usize,
    ) -> PyResult<Bound<'py, PyString>> {
        let source = text.to_str()?;
        let redacted = self.0.redact(source);
        let result = match logs::neutralise(&redacted, max_bytes) {
            Cow::Owned(text) => Some(text),
            Cow::Borrowed(_) => match redacted {
                Cow::Owned(text) => Some(text),
                Cow::Borrowed(_) => None,
            },
        };
        Ok(result.map_or_else(|| text.clone(), |changed| PyString::new(py, &changed)))
    }

    fn redact(&self, text: &str) -> String {
        self.0.redact(text).into_owned()
    }
}

#[pyfunction]
fn logs_neutralise(text: &str, #[pyo3(from_py_with = whole)] max_bytes: usize) -> String {
    logs::neutralise(text, max_bytes).into_owned()
}

fn link(bytes: &[u8]) -> PyResult<[u8; LINK]> {
    bytes
        .try_into()
        .map_err(|_| InvalidInput::new_err("a link has 32 bytes"))
}

#[pyfunction]
fn logs_chain_link<'py>(
    py: Python<'py>,
    key: Option<&[u8]>,
    previous: &[u8],
    record: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(
        py,
        &logs::chain_link(key, &link(previous)?, record),
    ))
}

#[pyfunction]
fn logs_verify_chain<'py>(
    py: Python<'py>,
    path: PathBuf,
    key: Option<&[u8]>,
    start: &[u8],
    #[pyo3(from_py_with = whole)] max_line: usize,
) -> PyResult<(u64, Bound<'py, PyBytes>)> {
    let start = link(start)?;
    let verified = py
        .detach(|| {
            logs::verify_chain(
                BufReader::new(std::fs::File::open(path)?),
                key,
                start,
                max_line,
            )
        })
        .map_err(to_py)?;
    Ok((verified.records, PyBytes::new(py, &verified.head)))
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<LogsRedactor>()?;
    module.add_function(wrap_pyfunction!(logs_neutralise, module)?)?;
    module.add_function(wrap_pyfunction!(logs_chain_link, module)?)?;
    module.add_function(wrap_pyfunction!(logs_verify_chain, module)?)?;
    Ok(())
}

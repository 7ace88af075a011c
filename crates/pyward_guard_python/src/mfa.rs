//! One-time passwords, recovery codes, QR codes.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use pyward_guard::mfa::{otp, qr, recovery};

use crate::error::to_py;
use crate::keys::secret;
use crate::number::{whole, whole_or_none};
use crate::text::Valid;

#[pyclass(module = "pyward_guard._core", frozen)]
struct Otp(otp::Otp);

#[pymethods]
impl Otp {
    #[staticmethod]
    fn generate(algorithm: &str, #[pyo3(from_py_with = whole)] digits: u32) -> PyResult<Self> {
        otp::Algorithm::from_name(algorithm)
            .and_then(|a| otp::Otp::generate(a, digits))
            .map(Self)
            .map_err(to_py)
    }

    #[staticmethod]
    fn from_base32(
        text: &Bound<'_, PyAny>,
        algorithm: &str,
        #[pyo3(from_py_with = whole)] digits: u32,
        legacy: bool,
    ) -> PyResult<Self> {
        let text = secret(text)?;
        let text = std::str::from_utf8(&text).unwrap_or("?");
        otp::Algorithm::from_name(algorithm)
            .and_then(|a| otp::Otp::from_base32(text, a, digits, legacy))
            .map(Self)
            .map_err(to_py)
    }

    fn secret_base32<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        PyString::new(py, &self.0.secret_base32())
    }

    #[getter]
    fn algorithm(&self) -> &'static str {
        self.0.algorithm().name()
    }

    #[getter]
    fn digits(&self) -> u32 {
        self.0.digits()
    }

    fn code(&self, #[pyo3(from_py_with = whole)] counter: u64) -> String {
        self.0.code(counter)
    }

    #[pyo3(signature = (code, now, period, window, last_step))]
    fn verify_totp(
        &self,
        code: &str,
        #[pyo3(from_py_with = whole)] now: u64,
        #[pyo3(from_py_with = whole)] period: u64,
        #[pyo3(from_py_with = whole)] window: u64,
        #[pyo3(from_py_with = whole_or_none)] last_step: Option<u64>,
    ) -> PyResult<u64> {
        self.0
            .verify_totp(code, now, period, window, last_step)
            .map_err(to_py)
    }

    fn verify_hotp(
        &self,
        code: &str,
        #[pyo3(from_py_with = whole)] counter: u64,
        #[pyo3(from_py_with = whole)] look_ahead: u64,
    ) -> PyResult<u64> {
        self.0.verify_hotp(code, counter, look_ahead).map_err(to_py)
    }
}

/// (codes, texts to store)
#[pyfunction]
fn recovery_generate(
    py: Python<'_>,
    #[pyo3(from_py_with = whole)] count: usize,
) -> PyResult<(Vec<Bound<'_, PyString>>, Vec<String>)> {
    let (codes, stored) = py.detach(|| recovery::generate(count)).map_err(to_py)?;
    let codes = codes.iter().map(|code| PyString::new(py, code)).collect();
    Ok((codes, stored))
}

#[pyfunction]
fn recovery_verify(py: Python<'_>, code: &str, stored: Vec<String>) -> PyResult<usize> {
    let stored: Vec<&str> = stored.iter().map(String::as_str).collect();
    py.detach(|| recovery::verify(code, &stored)).map_err(to_py)
}

#[pyfunction]
fn qr_svg(text: Valid<'_>) -> PyResult<String> {
    qr::svg(text.0).map_err(to_py)
}

#[pyfunction]
fn qr_png<'py>(
    py: Python<'py>,
    text: Valid<'_>,
    #[pyo3(from_py_with = whole)] scale: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let text = text.0;
    let image = py.detach(|| qr::png(text, scale)).map_err(to_py)?;
    Ok(PyBytes::new(py, &image))
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Otp>()?;
    module.add_function(wrap_pyfunction!(recovery_generate, module)?)?;
    module.add_function(wrap_pyfunction!(recovery_verify, module)?)?;
    module.add_function(wrap_pyfunction!(qr_svg, module)?)?;
    module.add_function(wrap_pyfunction!(qr_png, module)?)
}

//! Random values, signed tokens, itsdangerous tokens and PASETO.

use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyward_guard::random;
use pyward_guard::tokens::{itsdangerous, paseto, signed};
use zeroize::Zeroizing;

use crate::error::{InvalidInput, VerificationFailed, to_py};
use crate::json;
use crate::keys::{PyKeySet, secret, secrets};
use crate::number::whole;
use crate::text::{Token, Valid};

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64)
}

/// Reads the JSON payload of a verified token.
pub(crate) fn payload<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    json::loads(py, data)
        .map_err(|_| VerificationFailed::new_err("verification failed: the payload is not JSON"))
}

#[pyfunction]
fn random_bytes(
    py: Python<'_>,
    #[pyo3(from_py_with = whole)] length: usize,
) -> PyResult<Bound<'_, PyBytes>> {
    PyBytes::new_with(py, length, |out| random::fill(out).map_err(to_py))
}

#[pyfunction]
fn random_token(#[pyo3(from_py_with = whole)] nbytes: usize) -> PyResult<String> {
    random::token(nbytes).map_err(to_py)
}

#[pyfunction]
fn random_string(#[pyo3(from_py_with = whole)] length: usize, alphabet: &str) -> PyResult<String> {
    random::string(length, alphabet).map_err(to_py)
}

#[pyfunction]
fn random_below(#[pyo3(from_py_with = whole)] bound: u32) -> PyResult<u32> {
    random::below(bound).map_err(to_py)
}

#[pyfunction]
fn uuid7_bytes(py: Python<'_>) -> PyResult<Bound<'_, PyBytes>> {
    Ok(PyBytes::new(py, &random::uuid7(now_ms()).map_err(to_py)?))
}

#[pyfunction]
fn lookup_token() -> PyResult<(String, String)> {
    signed::lookup_token().map_err(to_py)
}

#[pyfunction]
fn lookup_hash(token: Token<'_>) -> String {
    signed::lookup_hash(token.0)
}

/// A largest age in seconds.
fn age(value: Option<Bound<'_, PyAny>>) -> PyResult<Option<u32>> {
    value
        .map(|v| match v.extract::<u32>() {
            Err(e) if e.is_instance_of::<PyOverflowError>(v.py()) => Err(InvalidInput::new_err(
                "max_age is a number of seconds from 0 to 2**32 - 1",
            )),
            other => other,
        })
        .transpose()
}

#[pyclass(module = "pyward_guard._core", frozen)]
struct TokenSigner(signed::TokenSigner);

#[pymethods]
impl TokenSigner {
    #[new]
    fn new(keys: &PyKeySet, purpose: Valid<'_>) -> PyResult<Self> {
        signed::TokenSigner::new(keys.0.clone(), purpose.0)
            .map(Self)
            .map_err(to_py)
    }

    #[getter]
    fn purpose(&self) -> &str {
        self.0.purpose()
    }

    fn issue_json(
        &self,
        value: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = whole)] lifetime: u32,
    ) -> PyResult<String> {
        self.0
            .issue(&json::dumps(value)?, lifetime, now_ms())
            .map_err(to_py)
    }

    fn issue_bytes(
        &self,
        value: &[u8],
        #[pyo3(from_py_with = whole)] lifetime: u32,
    ) -> PyResult<String> {
        self.0.issue(value, lifetime, now_ms()).map_err(to_py)
    }

    #[pyo3(signature = (token, max_age=None))]
    fn verify_json<'py>(
        &self,
        py: Python<'py>,
        token: Token<'_>,
        max_age: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let verified = self
            .0
            .verify(token.0, age(max_age)?, now_ms())
            .map_err(to_py)?;
        payload(py, &verified.payload)
    }

    /// (payload, issued, expires, id) with times in milliseconds since 1970.
    #[pyo3(signature = (token, max_age=None))]
    fn verify_details<'py>(
        &self,
        py: Python<'py>,
        token: Token<'_>,
        max_age: Option<Bound<'_, PyAny>>,
    ) -> PyResult<(Bound<'py, PyBytes>, u64, u64, String)> {
        let v = self
            .0
            .verify(token.0, age(max_age)?, now_ms())
            .map_err(to_py)?;
        Ok((
            PyBytes::new(py, &v.payload),
            v.issued_ms,
            v.expires_ms,
            v.token_id,
        ))
    }
}

/// The package's default salts: of its serializers, and of its signers.
const ITSDANGEROUS_SALTS: [&[u8]; 2] = [b"itsdangerous", b"itsdangerous.Signer"];

/// Makes the same of the salt of serializers and of that of signers.
fn for_both_salts<T>(
    salt: Option<&Bound<'_, PyAny>>,
    make: impl Fn(&[u8]) -> pyward_guard::Result<T>,
) -> PyResult<[T; 2]> {
    let given = salt.map(secret).transpose()?;
    let [serializer, signer] =
        ITSDANGEROUS_SALTS.map(|default| given.as_ref().map_or(default, |s| s.as_slice()));
    Ok([
        make(serializer).map_err(to_py)?,
        make(signer).map_err(to_py)?,
    ])
}

fn itsdangerous_options(
    digest: &str,
    key_derivation: &str,
) -> PyResult<(itsdangerous::Digest, itsdangerous::KeyDerivation)> {
    Ok((
        itsdangerous::Digest::from_name(digest).map_err(to_py)?,
        itsdangerous::KeyDerivation::from_name(key_derivation).map_err(to_py)?,
    ))
}

#[pyclass(module = "pyward_guard._core", frozen)]
struct ItsdangerousReader {
    tokens: itsdangerous::Reader,
    values: itsdangerous::Reader,
}

#[pymethods]
impl ItsdangerousReader {
    #[new]
    fn new(
        values: Vec<Bound<'_, PyAny>>,
        salt: Option<&Bound<'_, PyAny>>,
        digest: &str,
        key_derivation: &str,
        #[pyo3(from_py_with = whole)] max_payload: usize,
    ) -> PyResult<Self> {
        let values = secrets(&values)?;
        let values: Vec<&[u8]> = values.iter().map(|v| v.as_slice()).collect();
        let (digest, derivation) = itsdangerous_options(digest, key_derivation)?;
        let [tokens, values] = for_both_salts(salt, |salt| {
            itsdangerous::Reader::new(&values, salt, digest, derivation, max_payload)
        })?;
        Ok(Self { tokens, values })
    }

    fn loads<'py>(&self, py: Python<'py>, token: Token<'_>) -> PyResult<Bound<'py, PyAny>> {
        payload(py, &self.tokens.verify(token.0).map_err(to_py)?.payload)
    }

    fn loads_timed<'py>(
        &self,
        py: Python<'py>,
        token: Token<'_>,
        #[pyo3(from_py_with = whole)] max_age: u64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let verified = self.tokens.verify_timed(token.0, max_age, now_ms() / 1000);
        payload(py, &verified.map_err(to_py)?.payload)
    }

    fn unsign<'py>(&self, py: Python<'py>, signed: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let value = self.values.unsign(signed).map_err(to_py)?;
        Ok(PyBytes::new(py, value))
    }

    fn unsign_timed<'py>(
        &self,
        py: Python<'py>,
        signed: &[u8],
        #[pyo3(from_py_with = whole)] max_age: u64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let value = self.values.unsign_timed(signed, max_age, now_ms() / 1000);
        Ok(PyBytes::new(py, value.map_err(to_py)?.0))
    }
}

#[pyclass(module = "pyward_guard._core", frozen)]
struct ItsdangerousWriter {
    tokens: itsdangerous::Writer,
    values: itsdangerous::Writer,
}

#[pymethods]
impl ItsdangerousWriter {
    #[new]
    fn new(
        values: Vec<Bound<'_, PyAny>>,
        salt: Option<&Bound<'_, PyAny>>,
        digest: &str,
        key_derivation: &str,
        insecure_legacy_options: bool,
    ) -> PyResult<Self> {
        let values = secrets(&values)?;
        let values: Vec<&[u8]> = values.iter().map(|v| v.as_slice()).collect();
        let (digest, derivation) = itsdangerous_options(digest, key_derivation)?;
        let make = if insecure_legacy_options {
            itsdangerous::Writer::insecure_legacy_options
        } else {
            itsdangerous::Writer::new
        };
        let [tokens, values] =
            for_both_salts(salt, |salt| make(&values, salt, digest, derivation))?;
        Ok(Self { tokens, values })
    }

    fn dumps(&self, value: &Bound<'_, PyAny>) -> PyResult<String> {
        self.tokens.issue(&json::dumps(value)?).map_err(to_py)
    }

    fn dumps_timed(&self, value: &Bound<'_, PyAny>) -> PyResult<String> {
        self.tokens
            .issue_timed(&json::dumps(value)?, now_ms() / 1000)
            .map_err(to_py)
    }

    fn sign<'py>(&self, py: Python<'py>, value: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let signed = self.values.sign(value).map_err(to_py)?;
        Ok(PyBytes::new(py, &signed))
    }

    fn sign_timed<'py>(&self, py: Python<'py>, value: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let signed = self.values.sign_timed(value, now_ms() / 1000);
        Ok(PyBytes::new(py, &signed.map_err(to_py)?))
    }
}

#[pyclass(module = "pyward_guard._core", frozen)]
struct PasetoLocal(paseto::LocalKey);

#[pymethods]
impl PasetoLocal {
    #[new]
    fn new(key: &Bound<'_, PyAny>) -> PyResult<Self> {
        paseto::LocalKey::new(&secret(key)?)
            .map(Self)
            .map_err(to_py)
    }

    fn encrypt(&self, message: &[u8], footer: &[u8], implicit: &[u8]) -> PyResult<String> {
        self.0.encrypt(message, footer, implicit).map_err(to_py)
    }

    fn decrypt(
        &self,
        py: Python<'_>,
        token: Token<'_>,
        implicit: &[u8],
    ) -> PyResult<(Py<PyBytes>, Py<PyBytes>)> {
        let v = self.0.decrypt(token.0, implicit).map_err(to_py)?;
        let (message, footer) = (Zeroizing::new(v.payload), v.footer);
        Ok((
            PyBytes::new(py, &message).unbind(),
            PyBytes::new(py, &footer).unbind(),
        ))
    }
}

#[pyclass(module = "pyward_guard._core", frozen)]
struct PasetoSecret(paseto::SecretKey);

#[pymethods]
impl PasetoSecret {
    #[new]
    fn new(key: &Bound<'_, PyAny>) -> PyResult<Self> {
        paseto::SecretKey::new(&secret(key)?)
            .map(Self)
            .map_err(to_py)
    }

    fn sign(
        &self,
        py: Python<'_>,
        message: &[u8],
        footer: &[u8],
        implicit: &[u8],
    ) -> PyResult<String> {
        py.detach(|| self.0.sign(message, footer, implicit))
            .map_err(to_py)
    }
}

#[pyclass(module = "pyward_guard._core", frozen)]
struct PasetoPublic(paseto::PublicKey);

#[pymethods]
impl PasetoPublic {
    #[new]
    fn new(key: &[u8]) -> PyResult<Self> {
        paseto::PublicKey::new(key).map(Self).map_err(to_py)
    }

    fn verify(
        &self,
        py: Python<'_>,
        token: Token<'_>,
        implicit: &[u8],
    ) -> PyResult<(Py<PyBytes>, Py<PyBytes>)> {
        let v = py
            .detach(|| self.0.verify(token.0, implicit))
            .map_err(to_py)?;
        Ok((
            PyBytes::new(py, &v.payload).unbind(),
            PyBytes::new(py, &v.footer).unbind(),
        ))
    }
}

#[pyfunction]
fn paseto_generate_pair(py: Python<'_>) -> PyResult<(Py<PyBytes>, Py<PyBytes>)> {
    let (secret, public) = paseto::generate_pair().map_err(to_py)?;
    Ok((
        PyBytes::new(py, &secret).unbind(),
        PyBytes::new(py, &public).unbind(),
    ))
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(random_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(random_token, module)?)?;
    module.add_function(wrap_pyfunction!(random_string, module)?)?;
    module.add_function(wrap_pyfunction!(random_below, module)?)?;
    module.add_function(wrap_pyfunction!(uuid7_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(lookup_token, module)?)?;
    module.add_function(wrap_pyfunction!(lookup_hash, module)?)?;
    module.add_function(wrap_pyfunction!(paseto_generate_pair, module)?)?;
    module.add_class::<TokenSigner>()?;
    module.add_class::<ItsdangerousReader>()?;
    module.add_class::<ItsdangerousWriter>()?;
    module.add_class::<PasetoLocal>()?;
    module.add_class::<PasetoSecret>()?;
    module.add_class::<PasetoPublic>()
}

//! Key sets, and the reading of secrets from Python.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString};
use pyward_guard::crypto::{KeyKind, KeySet};
use zeroize::Zeroizing;

use crate::error::{InvalidInput, to_py};
use crate::number::whole;
use crate::text::Valid;

/// The bytes of a secret given as `bytes`, `bytearray` or `str` (UTF-8); the copy is wiped after use.
pub(crate) fn secret(object: &Bound<'_, PyAny>) -> PyResult<Zeroizing<Vec<u8>>> {
    if let Ok(text) = object.cast::<PyString>() {
        let text = text
            .to_cow()
            .map_err(|_| InvalidInput::new_err("the secret is not valid Unicode"))?;
        Ok(Zeroizing::new(text.as_bytes().to_vec()))
    } else if let Ok(bytes) = object.cast::<PyBytes>() {
        Ok(Zeroizing::new(bytes.as_bytes().to_vec()))
    } else if let Ok(bytes) = object.cast::<PyByteArray>() {
        Ok(Zeroizing::new(bytes.to_vec()))
    } else {
        Err(pyo3::exceptions::PyTypeError::new_err(
            "a secret is bytes, bytearray or str",
        ))
    }
}

/// Secrets, each as [`secret`] reads them.
pub(crate) fn secrets(objects: &[Bound<'_, PyAny>]) -> PyResult<Vec<Zeroizing<Vec<u8>>>> {
    objects.iter().map(secret).collect()
}

/// Several versions of one key, of the kind "aead", "streaming", "deterministic" or "mac": new data is made with the
/// primary one, older data names its own. Every change holds for all who share the object; it can be used by threads.
///
/// Protects against CWE-320, CWE-321, CWE-324. ASVS 5.0: v5.0.0-11.2.2, v5.0.0-13.3.4. Raises InvalidInput for
/// malformed documents and for changes that leave no usable key.
///
/// >>> from pyward_guard.crypto import KeySet
/// >>> keys = KeySet.generate("aead")
/// >>> first = keys.primary_id
/// >>> second = keys.rotate()
/// >>> keys.disable(first)
/// >>> [(status, primary) for _id, status, primary in keys.info()]
/// [('disabled', False), ('enabled', True)]
/// >>> KeySet.from_json(keys.to_json()).primary_id == second
/// True
#[pyclass(name = "KeySet", module = "pyward_guard._core", frozen)]
pub(crate) struct PyKeySet(pub(crate) Arc<KeySet>);

#[pymethods]
impl PyKeySet {
    /// A new set with one random key. ``kind`` is ``"aead"``, ``"streaming"``, ``"deterministic"`` or ``"mac"``.
    #[staticmethod]
    fn generate(kind: &str) -> PyResult<Self> {
        KeyKind::from_name(kind)
            .and_then(KeySet::generate)
            .map(|k| Self(Arc::new(k)))
            .map_err(to_py)
    }

    /// A set of random secrets that exist already; the first makes new data. They have 32 bytes (``"mac"``: 32 to 1024,
    /// ``"deterministic"``: 64). Raises InvalidInput for other lengths.
    #[staticmethod]
    fn from_secrets(kind: &str, values: Vec<Bound<'_, PyAny>>) -> PyResult<Self> {
        let values = secrets(&values)?;
        let values: Vec<&[u8]> = values.iter().map(|v| v.as_slice()).collect();
        let kind = KeyKind::from_name(kind).map_err(to_py)?;
        KeySet::from_secrets(kind, &values)
            .map(|k| Self(Arc::new(k)))
            .map_err(to_py)
    }

    /// Reads what :meth:`to_json` or Tink wrote (keys in the clear). Raises InvalidInput for other documents.
    #[staticmethod]
    fn from_json(text: Valid<'_>) -> PyResult<Self> {
        KeySet::from_json(text.0)
            .map(|k| Self(Arc::new(k)))
            .map_err(to_py)
    }

    /// Reads what :meth:`to_binary` or Tink wrote (keys in the clear). Raises InvalidInput for other documents.
    #[staticmethod]
    fn from_binary(data: &[u8]) -> PyResult<Self> {
        KeySet::from_binary(data)
            .map(|k| Self(Arc::new(k)))
            .map_err(to_py)
    }

    /// The set as Tink's JSON, keys in the clear: for a secret store, or encrypted by
    /// :func:`~pyward_guard.crypto.wrap_keyset`; never for a log or a repository (CWE-312).
    fn to_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        PyString::new(py, &self.0.to_json())
    }

    /// The set in Tink's binary format, keys in the clear: as secret as :meth:`to_json`.
    fn to_binary<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_binary())
    }

    /// What the keys are for.
    #[getter]
    fn kind(&self) -> &'static str {
        self.0.kind().name()
    }

    /// The id of the key that makes new data, a number of 32 bits.
    #[getter]
    fn primary_id(&self) -> u32 {
        self.0.primary_id()
    }

    /// (id, status, primary) of each key.
    fn info(&self) -> Vec<(u32, &'static str, bool)> {
        self.0
            .info()
            .into_iter()
            .map(|k| (k.id, k.status.name(), k.primary))
            .collect()
    }

    /// Adds a random key that reads, but does not make new data yet; returns its id. Spread the set, then :meth:`promote`.
    fn add(&self) -> PyResult<u32> {
        self.0.add().map_err(to_py)
    }

    /// :meth:`add` and :meth:`promote` in one: for a set that one process holds. Returns the new key's id.
    fn rotate(&self) -> PyResult<u32> {
        self.0.rotate().map_err(to_py)
    }

    /// Makes a key the one that makes new data. Raises UnknownKey for other ids, InvalidInput for a key that is disabled.
    fn promote(&self, #[pyo3(from_py_with = whole)] key_id: u32) -> PyResult<()> {
        self.0.promote(key_id).map_err(to_py)
    }

    /// Takes a key out of use, for the time being. Raises InvalidInput for the primary key, UnknownKey for other ids.
    fn disable(&self, #[pyo3(from_py_with = whole)] key_id: u32) -> PyResult<()> {
        self.0.disable(key_id).map_err(to_py)
    }

    /// Takes a disabled key into use again. Raises UnknownKey for other ids, InvalidInput for a destroyed key.
    fn enable(&self, #[pyo3(from_py_with = whole)] key_id: u32) -> PyResult<()> {
        self.0.enable(key_id).map_err(to_py)
    }

    /// Forgets a key for good; what was made with it can never be read again (CWE-324).
    ///
    /// Raises InvalidInput for the primary key, UnknownKey for other ids.
    fn destroy(&self, #[pyo3(from_py_with = whole)] key_id: u32) -> PyResult<()> {
        self.0.destroy(key_id).map_err(to_py)
    }

    fn __repr__(&self) -> String {
        format!(
            "KeySet(kind={:?}, keys={})",
            self.0.kind().name(),
            self.0.info().len()
        )
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyKeySet>()
}

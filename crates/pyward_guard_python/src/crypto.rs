//! AEAD, streams, deterministic encryption, blind indexes, age files, hashing.

use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use pyward_guard::crypto::{self, aead, age, deterministic, stream};
use zeroize::Zeroizing;

use crate::error::{InvalidInput, to_py};
use crate::keys::{PyKeySet, secret};
use crate::number::whole;
use crate::text::Valid;

/// Above this many bytes other threads may run meanwhile.
const DETACH: usize = 64 * 1024;

#[pyfunction]
fn aead_encrypt<'py>(
    py: Python<'py>,
    keys: &PyKeySet,
    plaintext: &[u8],
    associated_data: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let keys = &*keys.0;
    let length = aead::sealed_len(keys, plaintext.len()).map_err(to_py)?;
    PyBytes::new_with(py, length, |out| {
        if length > DETACH {
            py.detach(|| aead::encrypt_into(keys, plaintext, associated_data, out))
        } else {
            aead::encrypt_into(keys, plaintext, associated_data, out)
        }
        .map_err(to_py)
    })
}

#[pyfunction]
fn aead_decrypt<'py>(
    py: Python<'py>,
    keys: &PyKeySet,
    ciphertext: &[u8],
    associated_data: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let keys = &*keys.0;
    let length = aead::opened_len(keys, ciphertext).map_err(to_py)?;
    PyBytes::new_with(py, length, |out| {
        if length > DETACH {
            py.detach(|| aead::decrypt_into(keys, ciphertext, associated_data, out))
        } else {
            aead::decrypt_into(keys, ciphertext, associated_data, out)
        }
        .map_err(to_py)
    })
}

#[pyfunction]
fn aead_key_id(ciphertext: &[u8]) -> Option<u32> {
    aead::key_id(ciphertext)
}

#[pyfunction]
fn deterministic_encrypt<'py>(
    py: Python<'py>,
    keys: &PyKeySet,
    plaintext: &[u8],
    associated_data: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let out = deterministic::encrypt(&keys.0, plaintext, associated_data).map_err(to_py)?;
    Ok(PyBytes::new(py, &out))
}

#[pyfunction]
fn deterministic_search<'py>(
    py: Python<'py>,
    keys: &PyKeySet,
    plaintext: &[u8],
    associated_data: &[u8],
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let all = deterministic::search_values(&keys.0, plaintext, associated_data).map_err(to_py)?;
    Ok(all.iter().map(|v| PyBytes::new(py, v)).collect())
}

#[pyfunction]
fn deterministic_decrypt<'py>(
    py: Python<'py>,
    keys: &PyKeySet,
    ciphertext: &[u8],
    associated_data: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let out = Zeroizing::new(
        deterministic::decrypt(&keys.0, ciphertext, associated_data).map_err(to_py)?,
    );
    Ok(PyBytes::new(py, &out))
}

#[pyfunction]
fn blind_indexes<'py>(
    py: Python<'py>,
    keys: &PyKeySet,
    purpose: Valid<'_>,
    #[pyo3(from_py_with = whole)] bits: usize,
    value: &[u8],
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let all = crypto::blind_indexes(&keys.0, purpose.0, bits, value).map_err(to_py)?;
    Ok(all.iter().map(|v| PyBytes::new(py, v)).collect())
}

#[pyfunction]
fn constant_time_equal(a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(crypto::constant_time_eq(&secret(a)?, &secret(b)?))
}

#[pyfunction]
fn hash_for<'py>(py: Python<'py>, purpose: Valid<'_>, data: &[u8]) -> Bound<'py, PyBytes> {
    let purpose = purpose.0;
    let hash = if data.len() > DETACH {
        py.detach(|| crypto::hash_for(purpose, data))
    } else {
        crypto::hash_for(purpose, data)
    };
    PyBytes::new(py, &hash)
}

#[pyfunction]
fn derive_key<'py>(
    py: Python<'py>,
    value: &Bound<'_, PyAny>,
    purpose: Valid<'_>,
    salt: &[u8],
    #[pyo3(from_py_with = whole)] length: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let key = crypto::derive_key(&secret(value)?, purpose.0, salt, length).map_err(to_py)?;
    Ok(PyBytes::new(py, &key))
}

enum Work {
    SealTink(stream::Encryptor),
    OpenTink(Box<stream::Decryptor>),
    SealAge(age::Encryptor),
    OpenAge(Box<age::Decryptor>),
}

/// One stream being encrypted or decrypted.
#[pyclass(module = "pyward_guard._core", frozen)]
struct CipherStream(Mutex<Work>);

impl CipherStream {
    fn run<'py>(
        &self,
        py: Python<'py>,
        f: impl FnOnce(&mut Work, &mut Vec<u8>) -> pyward_guard::Result<()> + Send,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut out = Zeroizing::new(Vec::new());
        let result = py.detach(|| {
            let mut work = self
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            f(&mut work, &mut out)
        });
        result.map_err(to_py)?;
        Ok(PyBytes::new(py, &out))
    }

    fn of(work: Work) -> Self {
        Self(Mutex::new(work))
    }
}

#[pymethods]
impl CipherStream {
    #[staticmethod]
    fn encryptor(keys: &PyKeySet, associated_data: &[u8]) -> PyResult<Self> {
        stream::Encryptor::new(&keys.0, associated_data)
            .map(|e| Self::of(Work::SealTink(e)))
            .map_err(to_py)
    }

    #[staticmethod]
    fn decryptor(keys: &PyKeySet, associated_data: &[u8]) -> PyResult<Self> {
        let d = stream::Decryptor::new(&keys.0, associated_data).map_err(to_py)?;
        Ok(Self::of(Work::OpenTink(Box::new(d))))
    }

    #[staticmethod]
    fn age_encryptor(
        py: Python<'_>,
        recipients: Vec<String>,
        passphrase: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let encryptor = match passphrase {
            Some(p) if recipients.is_empty() => {
                let p = secret(p)?;
                py.detach(|| age::Encryptor::with_passphrase(&p))
            }
            Some(_) => {
                return Err(InvalidInput::new_err(
                    "an age file has recipients or a passphrase, not both",
                ));
            }
            None => recipients
                .iter()
                .map(|r| age::Recipient::parse(r))
                .collect::<Result<Vec<_>, _>>()
                .and_then(|r| age::Encryptor::to_recipients(&r)),
        };
        encryptor.map(|e| Self::of(Work::SealAge(e))).map_err(to_py)
    }

    #[staticmethod]
    fn age_decryptor(
        identities: Vec<Bound<'_, PyAny>>,
        passphrase: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let unlock = match passphrase {
            Some(p) if identities.is_empty() => age::Unlock::Passphrase(secret(p)?),
            Some(_) => {
                return Err(InvalidInput::new_err(
                    "an age file has recipients or a passphrase, not both",
                ));
            }
            None => {
                let mut all = Vec::new();
                for identity in &identities {
                    let text = secret(identity)?;
                    all.push(age::Identity::parse(&String::from_utf8_lossy(&text)).map_err(to_py)?);
                }
                age::Unlock::Identities(all)
            }
        };
        Ok(Self::of(Work::OpenAge(Box::new(age::Decryptor::new(
            unlock,
        )))))
    }

    fn update<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        self.run(py, |work, out| match work {
            Work::SealTink(w) => w.update(data, out),
            Work::OpenTink(w) => w.update(data, out),
            Work::SealAge(w) => w.update(data, out),
            Work::OpenAge(w) => w.update(data, out),
        })
    }

    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.run(py, |work, out| match work {
            Work::SealTink(w) => w.finish(out),
            Work::OpenTink(w) => w.finish(out),
            Work::SealAge(w) => w.finish(out),
            Work::OpenAge(w) => w.finish(out),
        })
    }
}

/// (secret key, recipient)
#[pyfunction]
fn age_generate(py: Python<'_>) -> PyResult<(Bound<'_, PyString>, String)> {
    let identity = age::Identity::generate().map_err(to_py)?;
    let recipient = identity
        .recipient()
        .and_then(|r| r.to_text())
        .map_err(to_py)?;
    let text = identity.to_text().map_err(to_py)?;
    Ok((PyString::new(py, &text), recipient))
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(aead_encrypt, module)?)?;
    module.add_function(wrap_pyfunction!(aead_decrypt, module)?)?;
    module.add_function(wrap_pyfunction!(aead_key_id, module)?)?;
    module.add_function(wrap_pyfunction!(deterministic_encrypt, module)?)?;
    module.add_function(wrap_pyfunction!(deterministic_search, module)?)?;
    module.add_function(wrap_pyfunction!(deterministic_decrypt, module)?)?;
    module.add_function(wrap_pyfunction!(blind_indexes, module)?)?;
    module.add_function(wrap_pyfunction!(constant_time_equal, module)?)?;
    module.add_function(wrap_pyfunction!(hash_for, module)?)?;
    module.add_function(wrap_pyfunction!(derive_key, module)?)?;
    module.add_function(wrap_pyfunction!(age_generate, module)?)?;
    module.add_class::<CipherStream>()
}

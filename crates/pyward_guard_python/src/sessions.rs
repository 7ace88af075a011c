//! Bindings of `pyward_guard::sessions`.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyward_guard::sessions::{self, Key, Lifetimes, MemoryStore, Record, SessionId, State};

use crate::error::{InvalidInput, to_py};
use crate::number::whole;
use crate::text::Shown;

fn key_from(bytes: &[u8]) -> PyResult<Key> {
    bytes
        .try_into()
        .map_err(|_| InvalidInput::new_err("a session key has 32 bytes"))
}

/// A new session id and its store key.
#[pyfunction]
fn session_new(py: Python<'_>) -> PyResult<(String, Bound<'_, PyBytes>)> {
    let id = SessionId::generate().map_err(to_py)?;
    Ok((id.expose().to_owned(), PyBytes::new(py, &id.key())))
}

/// The store key of an id that a client sent, or None for text that cannot be an id.
#[pyfunction]
fn session_key<'py>(py: Python<'py>, text: Shown<'_>) -> Option<Bound<'py, PyBytes>> {
    SessionId::key_of(&text.0).map(|key| PyBytes::new(py, &key))
}

/// What a record keeps of a client trait.
#[pyfunction]
fn trait_digest<'py>(
    py: Python<'py>,
    key: &[u8],
    name: Shown<'_>,
    value: Shown<'_>,
) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(
        py,
        &sessions::trait_digest(&key_from(key)?, &name.0, &value.0),
    ))
}

/// One session as stores keep it.
#[pyclass(frozen, module = "pyward_guard._core")]
struct SessionRecord(Record);

#[pymethods]
impl SessionRecord {
    #[new]
    fn new(
        user: Option<String>,
        created: u64,
        seen: u64,
        expires: u64,
        traits: Vec<(String, Vec<u8>)>,
        data: Vec<u8>,
    ) -> PyResult<Self> {
        let traits: PyResult<Vec<(String, [u8; 16])>> = traits
            .into_iter()
            .map(|(name, digest)| {
                Ok((
                    name,
                    digest
                        .try_into()
                        .map_err(|_| InvalidInput::new_err("a trait digest has 16 bytes"))?,
                ))
            })
            .collect();
        Ok(Self(Record {
            user,
            created,
            seen,
            expires,
            traits: traits?,
            data,
        }))
    }

    #[staticmethod]
    fn decode(record: &[u8]) -> PyResult<Self> {
        Record::decode(record).map(Self).map_err(to_py)
    }

    /// Decodes a record and judges its time: see `state`.
    #[staticmethod]
    fn open(record: &[u8], now: u64, idle: u64, touch: u64) -> PyResult<(Self, u8)> {
        let record = Self::decode(record)?;
        let state = record.state(now, idle, touch);
        Ok((record, state))
    }

    fn encode<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.encode().map_err(to_py)?))
    }

    /// 0 alive, 1 alive and due to be written back, 2 idle for too long, 3 past its end.
    fn state(&self, now: u64, idle: u64, touch: u64) -> u8 {
        match self.0.state(now, Lifetimes { idle, touch }) {
            State::Alive => 0,
            State::Due => 1,
            State::Idle => 2,
            State::Expired => 3,
        }
    }

    fn until(&self, idle: u64) -> u64 {
        self.0.until(Lifetimes { idle, touch: 0 })
    }

    fn changed_traits(&self, key: &[u8], shown: Vec<(String, String)>) -> PyResult<Vec<String>> {
        Ok(self
            .0
            .changed_traits(&key_from(key)?, &shown)
            .into_iter()
            .map(str::to_owned)
            .collect())
    }

    #[getter]
    fn user(&self) -> Option<&str> {
        self.0.user.as_deref()
    }

    #[getter]
    fn created(&self) -> u64 {
        self.0.created
    }

    #[getter]
    fn seen(&self) -> u64 {
        self.0.seen
    }

    #[getter]
    fn expires(&self) -> u64 {
        self.0.expires
    }

    #[getter]
    fn traits<'py>(&self, py: Python<'py>) -> Vec<(String, Bound<'py, PyBytes>)> {
        self.0
            .traits
            .iter()
            .map(|(name, digest)| (name.clone(), PyBytes::new(py, digest)))
            .collect()
    }

    #[getter]
    fn origin<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.origin())
    }

    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.data)
    }
}

/// Encoded sessions in memory.
#[pyclass(frozen, module = "pyward_guard._core")]
struct SessionMemory(MemoryStore);

#[pymethods]
impl SessionMemory {
    #[new]
    fn new(#[pyo3(from_py_with = whole)] limit: usize) -> Self {
        Self(MemoryStore::new(limit))
    }

    fn get<'py>(&self, py: Python<'py>, key: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        Ok(self
            .0
            .with(&key_from(key)?, |record| PyBytes::new(py, record)))
    }

    fn insert(
        &self,
        key: &[u8],
        user: Option<&str>,
        until: u64,
        record: Vec<u8>,
        now: u64,
    ) -> PyResult<()> {
        self.0
            .insert(key_from(key)?, user, until, record, now)
            .map_err(to_py)
    }

    #[pyo3(signature = (key, user, until, record, expected=None))]
    fn replace(
        &self,
        key: &[u8],
        user: Option<&str>,
        until: u64,
        record: Vec<u8>,
        expected: Option<&[u8]>,
    ) -> PyResult<bool> {
        Ok(self
            .0
            .replace(&key_from(key)?, user, until, record, expected))
    }

    #[pyo3(signature = (key, new, user, until, record, expected=None))]
    fn rotate(
        &self,
        key: &[u8],
        new: &[u8],
        user: Option<&str>,
        until: u64,
        record: Vec<u8>,
        expected: Option<&[u8]>,
    ) -> PyResult<bool> {
        Ok(self.0.rotate(
            &key_from(key)?,
            key_from(new)?,
            user,
            until,
            record,
            expected,
        ))
    }

    fn remove(&self, key: &[u8]) -> PyResult<bool> {
        Ok(self.0.remove(&key_from(key)?))
    }

    fn of_user<'py>(
        &self,
        py: Python<'py>,
        user: &str,
    ) -> Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        self.0
            .of_user(user)
            .into_iter()
            .map(|(key, record)| (PyBytes::new(py, &key), PyBytes::new(py, &record)))
            .collect()
    }

    fn remove_of_user(&self, user: &str, keep: Option<&[u8]>, origin: &[u8]) -> PyResult<usize> {
        let keep = keep.map(key_from).transpose()?;
        Ok(self.0.remove_of_user(user, keep.as_ref(), origin))
    }

    fn purge(&self, py: Python<'_>, now: u64) -> usize {
        py.detach(|| self.0.purge(now))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(session_new, module)?)?;
    module.add_function(wrap_pyfunction!(session_key, module)?)?;
    module.add_function(wrap_pyfunction!(trait_digest, module)?)?;
    module.add_class::<SessionRecord>()?;
    module.add_class::<SessionMemory>()
}

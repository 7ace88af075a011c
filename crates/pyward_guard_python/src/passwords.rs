//! Password hashing, strength, breach lists, generation.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyString;
use pyward_guard::passwords::{
    self, BreachFile, BreachRanges, CommonPasswords, Gate, Hasher, LongBcrypt, Passphrase, Pepper,
    Scheme,
};

use zeroize::Zeroizing;

use crate::error::{InvalidInput, to_py};
use crate::keys::secret;
use crate::number::whole;
use crate::text::Valid;

/// (cost, block size or memory, parallelism) by scheme name; see the Python layer.
fn scheme(name: &str, cost: u32, memory: u32, parallelism: u32) -> PyResult<Scheme> {
    match name {
        "argon2id" => Ok(Scheme::Argon2id {
            memory_kib: memory,
            time_cost: cost,
            parallelism,
        }),
        "bcrypt" => Ok(Scheme::Bcrypt { cost }),
        "scrypt" => {
            let log_n = u8::try_from(cost)
                .map_err(|_| InvalidInput::new_err("N of scrypt is 2^13 to 2^20"))?;
            Ok(Scheme::Scrypt {
                log_n,
                r: memory,
                p: parallelism,
            })
        }
        _ => Err(InvalidInput::new_err(
            "the scheme is argon2id, bcrypt or scrypt",
        )),
    }
}

#[pyclass(name = "PasswordHasher", module = "pyward_guard._core", frozen)]
struct PyHasher(Hasher);

#[pymethods]
impl PyHasher {
    #[new]
    #[allow(clippy::too_many_arguments)]
    fn new(
        name: &str,
        #[pyo3(from_py_with = whole)] cost: u32,
        #[pyo3(from_py_with = whole)] memory: u32,
        #[pyo3(from_py_with = whole)] parallelism: u32,
        prehash: bool,
        peppers: Vec<(String, Bound<'_, PyAny>)>,
        #[pyo3(from_py_with = whole)] max_concurrency: usize,
        #[pyo3(from_py_with = whole)] max_memory_kib: u64,
    ) -> PyResult<Self> {
        let peppers = peppers
            .iter()
            .map(|(id, value)| {
                Ok(Pepper {
                    id: id.clone(),
                    secret: secret(value)?,
                })
            })
            .collect::<PyResult<Vec<_>>>()?;
        let long = if prehash {
            LongBcrypt::PreHash
        } else {
            LongBcrypt::Refuse
        };
        let gate = Gate::new(max_concurrency, max_memory_kib);
        Hasher::new(
            scheme(name, cost, memory, parallelism)?,
            long,
            peppers,
            gate,
        )
        .map(Self)
        .map_err(to_py)
    }

    fn hash(&self, py: Python<'_>, password: &Bound<'_, PyAny>) -> PyResult<String> {
        let password = secret(password)?;
        py.detach(|| self.0.hash(&password)).map_err(to_py)
    }

    /// (ok, needs_rehash, scheme, truncated)
    #[pyo3(signature = (password, stored))]
    fn verify(
        &self,
        py: Python<'_>,
        password: &Bound<'_, PyAny>,
        stored: Option<Valid<'_>>,
    ) -> PyResult<(bool, bool, &'static str, bool)> {
        // Text that is no Unicode is what nobody's password is: the same work, and no.
        let broken = password
            .cast::<PyString>()
            .is_ok_and(|text| text.to_cow().is_err());
        let (password, stored) = if broken {
            (Zeroizing::default(), None)
        } else {
            (secret(password)?, stored.map(|stored| stored.0))
        };
        let v = py
            .detach(|| self.0.verify(&password, stored))
            .map_err(to_py)?;
        Ok((v.ok, v.needs_rehash, v.scheme, v.truncated))
    }

    fn needs_rehash(&self, stored: Valid<'_>) -> PyResult<bool> {
        self.0.needs_rehash(stored.0).map_err(to_py)
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// Passes of Argon2id that take about the target time.
#[pyfunction]
fn password_calibrate(
    py: Python<'_>,
    target_seconds: f64,
    #[pyo3(from_py_with = whole)] memory_kib: u32,
    #[pyo3(from_py_with = whole)] parallelism: u32,
) -> PyResult<u32> {
    match py
        .detach(|| passwords::calibrate(target_seconds, memory_kib, parallelism))
        .map_err(to_py)?
    {
        Scheme::Argon2id { time_cost, .. } => Ok(time_cost),
        _ => Err(InvalidInput::new_err("calibration is for argon2id")),
    }
}

/// (score, log10 of the guesses, warning, suggestions)
#[pyfunction]
fn password_strength(
    py: Python<'_>,
    password: &str,
    context: Vec<String>,
) -> (u8, f64, String, Vec<String>) {
    let context: Vec<&str> = context.iter().map(String::as_str).collect();
    let s = py.detach(|| passwords::strength(password, &context));
    (s.score, s.guesses_log10, s.warning, s.suggestions)
}

/// (password, entropy in bits)
#[pyfunction]
fn password_characters(
    py: Python<'_>,
    #[pyo3(from_py_with = whole)] length: usize,
    symbols: bool,
) -> PyResult<(Bound<'_, PyString>, f64)> {
    let g = passwords::characters(length, symbols).map_err(to_py)?;
    Ok((PyString::new(py, &g.password), g.entropy_bits))
}

/// (passphrase, entropy in bits)
#[pyfunction]
fn password_passphrase(
    py: Python<'_>,
    #[pyo3(from_py_with = whole)] words: usize,
    separator: String,
    capitalize: bool,
) -> PyResult<(Bound<'_, PyString>, f64)> {
    let g = passwords::passphrase(&Passphrase {
        words,
        separator,
        capitalize,
    })
    .map_err(to_py)?;
    Ok((PyString::new(py, &g.password), g.entropy_bits))
}

#[pyfunction]
fn password_sha1<'py>(py: Python<'py>, password: &str) -> Bound<'py, PyString> {
    PyString::new(py, &passwords::sha1_hex(password))
}

#[pyfunction]
fn password_range_count(text: &str, suffix: &str) -> PyResult<u64> {
    passwords::range_count(text, suffix).map_err(to_py)
}

#[pyclass(name = "BreachFile", module = "pyward_guard._core", frozen)]
struct PyBreachFile(BreachFile);

#[pymethods]
impl PyBreachFile {
    #[new]
    fn new(path: PathBuf) -> PyResult<Self> {
        BreachFile::open(&path).map(Self).map_err(to_py)
    }

    fn count(&self, py: Python<'_>, password: &str) -> PyResult<u64> {
        py.detach(|| self.0.count(password)).map_err(to_py)
    }
}

#[pyclass(name = "BreachRanges", module = "pyward_guard._core", frozen)]
struct PyBreachRanges(BreachRanges);

#[pymethods]
impl PyBreachRanges {
    #[new]
    fn new(folder: PathBuf) -> PyResult<Self> {
        BreachRanges::open(&folder).map(Self).map_err(to_py)
    }

    fn count(&self, py: Python<'_>, password: &str) -> PyResult<u64> {
        py.detach(|| self.0.count(password)).map_err(to_py)
    }
}

#[pyclass(name = "CommonPasswords", module = "pyward_guard._core", frozen)]
struct PyCommonPasswords(CommonPasswords);

#[pymethods]
impl PyCommonPasswords {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        py.detach(|| CommonPasswords::open(&path))
            .map(Self)
            .map_err(to_py)
    }

    fn count(&self, password: &str) -> u64 {
        u64::from(self.0.contains(password))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyHasher>()?;
    module.add_class::<PyBreachFile>()?;
    module.add_class::<PyBreachRanges>()?;
    module.add_class::<PyCommonPasswords>()?;
    module.add_function(wrap_pyfunction!(password_calibrate, module)?)?;
    module.add_function(wrap_pyfunction!(password_strength, module)?)?;
    module.add_function(wrap_pyfunction!(password_characters, module)?)?;
    module.add_function(wrap_pyfunction!(password_passphrase, module)?)?;
    module.add_function(wrap_pyfunction!(password_sha1, module)?)?;
    module.add_function(wrap_pyfunction!(password_range_count, module)?)
}

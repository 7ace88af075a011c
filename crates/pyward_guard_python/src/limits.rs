//! Bindings of `pyward_guard::limits`.

use pyo3::prelude::*;
use pyward_guard::limits::{Attempt, Limiter, Lockout, LockoutRule, Rule, Scope};

use crate::error::{InvalidInput, to_py};
use crate::number::whole;

/// A rate limit over many keys, in memory.
#[pyclass(frozen, module = "pyward_guard._core")]
struct RateLimiter(Limiter);

#[pymethods]
impl RateLimiter {
    #[new]
    fn new(
        kind: &str,
        #[pyo3(from_py_with = whole)] limit: u32,
        #[pyo3(from_py_with = whole)] period: u64,
        #[pyo3(from_py_with = whole)] max_keys: usize,
    ) -> PyResult<Self> {
        let rule = match kind {
            "bucket" => Rule::bucket(limit, period),
            "window" => Rule::window(limit, period),
            _ => return Err(InvalidInput::new_err("a limit is a bucket or a window")),
        };
        Limiter::new(rule.map_err(to_py)?, max_keys)
            .map(Self)
            .map_err(to_py)
    }

    /// Allowed, remaining, milliseconds until a retry makes sense, milliseconds until everything is back.
    fn check(
        &self,
        key: &str,
        #[pyo3(from_py_with = whole)] cost: u32,
        now: u64,
    ) -> (bool, u32, u64, u64) {
        let decision = self.0.check(key.as_bytes(), cost, now);
        (
            decision.allowed,
            decision.remaining,
            decision.retry_after,
            decision.reset_after,
        )
    }

    fn reset(&self, key: &str) {
        self.0.reset(key.as_bytes());
    }

    fn purge(&self, py: Python<'_>, now: u64) -> usize {
        py.detach(|| self.0.purge(now))
    }
}

/// A permitted attempt.
#[pyclass(frozen, module = "pyward_guard._core")]
struct LockoutAttempt(Attempt);

#[pymethods]
impl LockoutAttempt {
    #[getter]
    fn failures(&self) -> u32 {
        self.0.failures
    }
}

/// Lock-out state in memory.
#[pyclass(frozen, module = "pyward_guard._core")]
struct LockoutMemory(Lockout);

#[pymethods]
impl LockoutMemory {
    #[new]
    fn new(
        #[pyo3(from_py_with = whole)] account: u32,
        #[pyo3(from_py_with = whole)] client: u32,
        #[pyo3(from_py_with = whole)] first: u64,
        #[pyo3(from_py_with = whole)] longest: u64,
        #[pyo3(from_py_with = whole)] forget: u64,
        #[pyo3(from_py_with = whole)] known: u64,
        #[pyo3(from_py_with = whole)] max_keys: usize,
    ) -> PyResult<Self> {
        let rule = LockoutRule {
            account,
            client,
            first,
            longest,
            forget,
            known,
        };
        Lockout::new(rule, max_keys).map(Self).map_err(to_py)
    }

    /// The attempt, or None with the milliseconds to wait and what it was held up by.
    fn begin(
        &self,
        account: &str,
        client: &str,
        now: u64,
    ) -> (Option<LockoutAttempt>, u64, Option<&'static str>) {
        match self.0.begin(account.as_bytes(), client.as_bytes(), now) {
            Ok(attempt) => (Some(LockoutAttempt(attempt)), 0, None),
            Err(locked) => {
                let scope = match locked.scope {
                    Scope::Account => "account",
                    Scope::Client => "client",
                };
                (None, locked.retry_after, Some(scope))
            }
        }
    }

    fn succeeded(&self, attempt: &LockoutAttempt, now: u64) {
        self.0.succeeded(attempt.0, now);
    }

    fn unlock(&self, account: &str) {
        self.0.unlock(account.as_bytes());
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<RateLimiter>()?;
    module.add_class::<LockoutAttempt>()?;
    module.add_class::<LockoutMemory>()
}

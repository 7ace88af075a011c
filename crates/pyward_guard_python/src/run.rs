//! Binding of `pyward_guard::run`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use pyward_guard::run::{
    self, Command, Ended, Exit, Files, Identity, Limits, Network, Sandbox, Syscalls,
};

use crate::error::{InvalidInput, to_py};
use crate::number::whole;

/// Tells a run in another thread to end.
#[pyclass(frozen, module = "pyward_guard._core")]
#[derive(Default)]
struct RunCancel(AtomicBool);

#[pymethods]
impl RunCancel {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[pyclass(frozen, module = "pyward_guard._core")]
struct RunSandbox(Sandbox);

#[pymethods]
impl RunSandbox {
    #[new]
    #[allow(clippy::too_many_arguments)] // given by name
    #[pyo3(signature = (*, restrict_files, read, write, execute, system, network, tcp_ports, strict, identity))]
    fn new(
        restrict_files: bool,
        read: Vec<PathBuf>,
        write: Vec<PathBuf>,
        execute: Vec<PathBuf>,
        system: bool,
        network: bool,
        tcp_ports: Option<Vec<u16>>,
        strict: bool,
        identity: Option<(u32, u32, Vec<u32>)>,
    ) -> PyResult<Self> {
        let network = match (network, tcp_ports) {
            (true, None) => Network::Full,
            (false, None) => Network::Off,
            (false, Some(ports)) => Network::TcpConnect(ports),
            (true, Some(_)) => {
                return Err(InvalidInput::new_err(
                    "either the whole network or TCP ports",
                ));
            }
        };
        Ok(Self(Sandbox {
            files: restrict_files.then_some(Files {
                read,
                write,
                execute,
                system,
            }),
            network,
            syscalls: if strict {
                Syscalls::Strict
            } else {
                Syscalls::Default
            },
            identity: identity.map(|(user, group, groups)| Identity {
                user,
                group,
                groups,
            }),
        }))
    }
}

type LimitsTuple = (
    Option<u64>,
    Option<u64>,
    Option<u64>,
    Option<u64>,
    Option<u64>,
);

fn limits((cpu_seconds, memory_bytes, file_bytes, open_files, processes): LimitsTuple) -> Limits {
    Limits {
        cpu_seconds,
        memory_bytes,
        file_bytes,
        open_files,
        processes,
    }
}

fn seconds(value: f64, name: &str) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| InvalidInput::new_err(format!("{name} is a number of seconds")))
}

type OutcomeTuple<'py> = (
    Option<i32>,
    Option<i32>,
    &'static str,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    f64,
    Vec<String>,
);

#[pyfunction]
#[allow(clippy::too_many_arguments)] // given by name
#[pyo3(signature = (argv, *, environment, directory, input, timeout, grace, max_output, umask, limits, sandbox, cancel))]
fn run_command<'py>(
    py: Python<'py>,
    argv: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    input: Vec<u8>,
    timeout: f64,
    grace: f64,
    #[pyo3(from_py_with = whole)] max_output: usize,
    #[pyo3(from_py_with = whole)] umask: u32,
    limits: LimitsTuple,
    sandbox: Option<&RunSandbox>,
    cancel: Option<&RunCancel>,
) -> PyResult<OutcomeTuple<'py>> {
    let command = Command {
        argv,
        environment,
        directory,
        input,
        timeout: seconds(timeout, "timeout")?,
        grace: seconds(grace, "grace")?,
        max_output,
        umask,
        limits: self::limits(limits),
        sandbox: sandbox.map(|s| s.0.clone()),
    };
    let mut raised = None;
    let outcome = py.detach(|| {
        run::run(&command, &mut || {
            if cancel.is_some_and(|c| c.0.load(Ordering::Relaxed)) {
                return true;
            }
            // Ctrl-C ends the child and is raised afterwards.
            raised = Python::attach(|py| py.check_signals()).err();
            raised.is_some()
        })
    });
    if let Some(error) = raised {
        return Err(error);
    }
    let outcome = outcome.map_err(to_py)?;
    let (code, signal) = match outcome.exit {
        Exit::Code(code) => (Some(code), None),
        Exit::Signal(signal) => (None, Some(signal)),
    };
    let ended = match outcome.ended {
        Ended::Itself => "itself",
        Ended::Timeout => "timeout",
        Ended::Output => "output",
        Ended::Cancelled => "cancelled",
    };
    let (stdout, stderr) = (
        PyBytes::new(py, &outcome.stdout),
        PyBytes::new(py, &outcome.stderr),
    );
    Ok((
        code,
        signal,
        ended,
        stdout,
        stderr,
        outcome.duration.as_secs_f64(),
        outcome.enforced,
    ))
}

#[pyfunction]
fn run_restrict_self(
    sandbox: &RunSandbox,
    limits: LimitsTuple,
    deny_processes: bool,
) -> PyResult<Vec<String>> {
    run::restrict_self(&sandbox.0, &self::limits(limits), deny_processes).map_err(to_py)
}

#[pyfunction]
fn run_host(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let host = run::host();
    let out = PyDict::new(py);
    out.set_item("landlock_abi", host.landlock_abi)?;
    out.set_item("isolates_processes", host.isolates_processes)?;
    out.set_item("seccomp", host.seccomp)?;
    out.set_item("no_new_privileges", host.no_new_privileges)?;
    out.set_item("change_user", host.change_user)?;
    out.set_item("effective_user", host.effective_user)?;
    out.set_item("threads", host.threads)?;
    Ok(out)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<RunCancel>()?;
    module.add_class::<RunSandbox>()?;
    module.add_function(wrap_pyfunction!(run_command, module)?)?;
    module.add_function(wrap_pyfunction!(run_restrict_self, module)?)?;
    module.add_function(wrap_pyfunction!(run_host, module)?)?;
    Ok(())
}

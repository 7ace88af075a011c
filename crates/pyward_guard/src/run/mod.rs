//! Child processes without a shell and with the least privilege: argv only, absolute program, clean environment,
//! bounds on time, output and resources, and on Linux Landlock, seccomp, no-new-privs and user drop.
//!
//! What is asked for is enforced, or the call fails with [`Error::Unsupported`]: nothing is weakened silently.
//! Protects against CWE-78, CWE-88, CWE-250, CWE-271, CWE-400, CWE-403, CWE-426.
//!
//! ```
//! # #[cfg(target_os = "linux")] {
//! use std::time::Duration;
//! use pyward_guard::run::{Command, Exit, run};
//! let mut echo = Command::new(["/bin/echo", "; rm -rf /"], Duration::from_secs(30));
//! let outcome = run(&echo, &mut || false)?;
//! assert_eq!((outcome.exit, outcome.stdout.as_slice()), (Exit::Code(0), &b"; rm -rf /\n"[..]));
//! // A program is an absolute path, and none is made to run other code.
//! assert!(run(&Command::new(["echo"], Duration::from_secs(30)), &mut || false).is_err());
//! echo.environment.push(("LD_PRELOAD".into(), "/tmp/evil.so".into()));
//! assert!(run(&echo, &mut || false).is_err());
//! # }
//! # Ok::<(), pyward_guard::Error>(())
//! ```

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(unix)]
mod spawn;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Error, Result};

/// What the host can enforce.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// Landlock ABI version, 0 without Landlock. File rules need 3 (Linux 6.2), TCP port rules 4 (Linux 6.7).
    pub landlock_abi: u32,
    /// A sandbox keeps a program from the memory of the user's other processes: with Landlock, with Yama, or as root.
    pub isolates_processes: bool,
    /// Seccomp filters.
    pub seccomp: bool,
    /// `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privileges: bool,
    /// This process may change its user and groups.
    pub change_user: bool,
    /// Effective user id.
    pub effective_user: u32,
    /// Threads of this process; `restrict_self` wants one.
    pub threads: u32,
}

/// Looks at what the host can enforce. Nothing is changed.
#[must_use]
pub fn host() -> Host {
    #[cfg(target_os = "linux")]
    return linux::host();
    #[cfg(not(target_os = "linux"))]
    Host::default()
}

/// Which system calls are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Syscalls {
    /// All but those that administer the system, trace or tamper with other processes, make namespaces, leave the
    /// process group, or widen the kernel's attack surface (`bpf`, `io_uring`, `userfaultfd`, `keyctl`, ...).
    #[default]
    Default,
    /// Only those that programs for computing on files need; no sockets, no new processes after the program itself started.
    Strict,
}

/// Which network the process gets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Network {
    /// No sockets at all (connected pairs within the process excepted).
    #[default]
    Off,
    /// TCP connections to these ports; no listening, no UDP (hence no DNS), no Unix sockets. Needs Landlock ABI 4.
    TcpConnect(Vec<u16>),
    /// Not restricted.
    Full,
}

/// User to run as; supplementary groups become exactly `groups`. No id is 0 or 2^32 - 1 (which stands for "no change").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// User id; not 0.
    pub user: u32,
    /// Group id; not 0.
    pub group: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// Files the process can reach (Landlock); everything else is denied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files {
    /// Readable, files or whole trees.
    pub read: Vec<PathBuf>,
    /// Readable and writable, not executable.
    pub write: Vec<PathBuf>,
    /// Readable and executable.
    pub execute: Vec<PathBuf>,
    /// Adds what ordinary programs need of the system: `/usr`, `/lib*`, `/bin`, `/sbin` (executable), the loader's cache,
    /// time zones, alternatives and CA certificates (readable), `/dev/null`, `/dev/zero`, `/dev/full`, `/dev/random`, `/dev/urandom`.
    pub system: bool,
}

/// What confines a process. No-new-privs is always on and all capabilities are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sandbox {
    /// Files; `None` leaves access to what the user may reach.
    pub files: Option<Files>,
    /// Network.
    pub network: Network,
    /// System calls.
    pub syscalls: Syscalls,
    /// User and groups.
    pub identity: Option<Identity>,
}

/// Resource limits of the process (`setrlimit`); `None` leaves the inherited limit. Core dumps are always off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// CPU time, seconds.
    pub cpu_seconds: Option<u64>,
    /// Address space, bytes.
    pub memory_bytes: Option<u64>,
    /// Largest file written, bytes.
    pub file_bytes: Option<u64>,
    /// Open descriptors.
    pub open_files: Option<u64>,
    /// Processes and threads of the user, all sessions counted. Not enforced by Linux for root, hence refused there.
    pub processes: Option<u64>,
}

/// A program to run and its bounds. Its `Debug` keeps back the values of the environment and the input.
#[derive(Clone)]
pub struct Command {
    /// Absolute path and arguments.
    pub argv: Vec<OsString>,
    /// The whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Working directory; the root directory if not given.
    pub directory: Option<PathBuf>,
    /// Standard input.
    pub input: Vec<u8>,
    /// Wall-clock time after which the group is ended.
    pub timeout: Duration,
    /// Time between SIGTERM and SIGKILL when the time is over.
    pub grace: Duration,
    /// Bytes of standard output and of standard error, each.
    pub max_output: usize,
    /// File mode creation mask.
    pub umask: u32,
    /// Resource limits.
    pub limits: Limits,
    /// Confinement; `None` for none at all.
    pub sandbox: Option<Sandbox>,
}

impl Command {
    /// A program with the default sandbox: only `PATH` and `LANG` in its environment, no input, 1 MiB of output, 1 second
    /// of grace, files of its own for its user alone. The first of `argv` is the absolute path of the program.
    #[must_use]
    pub fn new<A: Into<OsString>>(argv: impl IntoIterator<Item = A>, timeout: Duration) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            environment: vec![
                ("PATH".into(), "/usr/bin:/bin".into()),
                ("LANG".into(), "C.UTF-8".into()),
            ],
            directory: None,
            input: Vec::new(),
            timeout,
            grace: Duration::from_secs(1),
            max_output: 1 << 20,
            umask: 0o077,
            limits: Limits::default(),
            sandbox: Some(Sandbox::default()),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A log is no place for what is handed to a program.
        let names: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("Command")
            .field("argv", &self.argv)
            .field("environment", &names)
            .field("directory", &self.directory)
            .field("input", &Length(self.input.len()))
            .field("timeout", &self.timeout)
            .field("grace", &self.grace)
            .field("max_output", &self.max_output)
            .field("umask", &format_args!("{:#o}", self.umask))
            .field("limits", &self.limits)
            .field("sandbox", &self.sandbox)
            .finish()
    }
}

/// Stands for bytes in `Debug`.
struct Length(usize);

impl fmt::Debug for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0)
    }
}

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Exit code.
    Code(i32),
    /// Ended by a signal.
    Signal(i32),
}

/// Why the runner ended the process, if it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Itself,
    /// Over its time.
    Timeout,
    /// Over the output bound.
    Output,
    /// The caller asked for it.
    Cancelled,
}

/// Result of a run. Its `Debug` has the lengths of what was written only.
#[must_use = "a run is a success only when `exit` and `ended` say so"]
#[derive(Clone)]
pub struct Outcome {
    /// How it ended.
    pub exit: Exit,
    /// Why.
    pub ended: Ended,
    /// Standard output, at most the bound.
    pub stdout: Vec<u8>,
    /// Standard error, at most the bound.
    pub stderr: Vec<u8>,
    /// Wall-clock time.
    pub duration: Duration,
    /// What was enforced on the process, as words for a log.
    pub enforced: Vec<String>,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("exit", &self.exit)
            .field("ended", &self.ended)
            .field("stdout", &Length(self.stdout.len()))
            .field("stderr", &Length(self.stderr.len()))
            .field("duration", &self.duration)
            .field("enforced", &self.enforced)
            .finish()
    }
}

/// Runs a program to its end. `interrupted` is asked about every 50 ms; true ends the process group.
///
/// When the program ends, whatever is left of its process group is killed.
///
/// # Errors
/// [`Error::InvalidInput`] and [`Error::Refused`] for a command that is not run as it is (a relative program or
/// directory, variables that make programs run other code, NUL, a file rule for what does not exist);
/// [`Error::Unsupported`] for what the host cannot enforce; [`Error::Io`] when the program cannot be started. A program
/// that fails is no error: [`Outcome`] tells.
#[cfg_attr(
    not(unix),
    expect(unused_variables, reason = "refused before it is needed")
)]
pub fn run(command: &Command, interrupted: &mut dyn FnMut() -> bool) -> Result<Outcome> {
    check(command)?;
    #[cfg(unix)]
    return spawn::run(command, interrupted);
    #[cfg(not(unix))]
    {
        Err(Error::Unsupported(
            "the process runner needs a Unix system".into(),
        ))
    }
}

/// Confines the running process for good. `deny_processes` also takes away starting programs and processes.
///
/// Returns what is enforced. The process must have one thread, since Linux confines threads, not processes.
///
/// # Errors
/// [`Error::InvalidInput`] for an identity of root or a file rule for what does not exist; [`Error::Refused`] with more
/// threads than one; [`Error::Unsupported`] for what the host cannot enforce, when the process may be confined in part.
#[cfg_attr(
    not(target_os = "linux"),
    expect(unused_variables, reason = "refused before it is needed")
)]
pub fn restrict_self(
    sandbox: &Sandbox,
    limits: &Limits,
    deny_processes: bool,
) -> Result<Vec<String>> {
    check_identity(sandbox)?;
    #[cfg(target_os = "linux")]
    return linux::restrict_self(sandbox, limits, deny_processes);
    #[cfg(not(target_os = "linux"))]
    {
        Err(Error::Unsupported("restrict_self needs Linux".into()))
    }
}

/// Names of the dynamic loader and of interpreters that make a program run other code than its own.
fn is_loader_variable(name: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "LD_",
        "DYLD_",
        "BASH_FUNC_",
        "GCONV_",
        "GIT_CONFIG",
        "NODE_",
        "RUBY",
        "DOTNET_STARTUP_HOOKS",
        "CORECLR_",
        "COR_PROFILER",
        "CARGO_",
        "RUSTC",
        "GDK_PIXBUF_MODULE",
        "LUA_",
        "R_PROFILE",
        "R_ENVIRON",
        "R_LIBS",
        "npm_config_",
        "NPM_CONFIG_",
        "JULIA_",
        "GUILE_LOAD_",
        "ERL_",
    ];
    const NAMES: &[&str] = &[
        "BASH_ENV",
        "ENV",
        "IFS",
        "SHELLOPTS",
        "BASHOPTS",
        "PS4",
        "PROMPT_COMMAND",
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONSTARTUP",
        "PYTHONINSPECT",
        "PYTHONBREAKPOINT",
        "PYTHONUSERBASE",
        "PYTHONPLATLIBDIR",
        "PYTHONPYCACHEPREFIX",
        "PYTHONEXECUTABLE",
        "PERL5DB",
        "PHPRC",
        "PHP_INI_SCAN_DIR",
        "ZDOTDIR",
        "OPENSSL_CONF",
        "OPENSSL_ENGINES",
        "OPENSSL_MODULES",
        "GIO_EXTRA_MODULES",
        "GTK_MODULES",
        "QT_PLUGIN_PATH",
        "GST_PLUGIN_PATH",
        "GST_PLUGIN_SYSTEM_PATH",
        "MAGICK_CODER_MODULE_PATH",
        "MAGICK_FILTER_MODULE_PATH",
        "SSLKEYLOGFILE",
        "LOCPATH",
        "GETCONF_DIR",
        "MANPAGER",
        "PERL5LIB",
        "PERL5OPT",
        "PERLLIB",
        "JAVA_TOOL_OPTIONS",
        "_JAVA_OPTIONS",
        "JDK_JAVA_OPTIONS",
        "GLIBC_TUNABLES",
        "HOSTALIASES",
        "LOCALDOMAIN",
        "RES_OPTIONS",
        "MALLOC_TRACE",
        "NLSPATH",
        "RESOLV_HOST_CONF",
        "TMPPREFIX",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_EXTERNAL_DIFF",
        "GIT_EXEC_PATH",
        "GIT_PAGER",
        "GIT_EDITOR",
        "GIT_SEQUENCE_EDITOR",
        "GIT_ASKPASS",
        "GIT_PROXY_COMMAND",
        "GIT_TEMPLATE_DIR",
        "SSH_ASKPASS",
        "SUDO_ASKPASS",
        "SVN_SSH",
        "RSYNC_RSH",
        "HGRCPATH",
        "TAR_OPTIONS",
        "RSH",
        "MAKEFLAGS",
        "GNUMAKEFLAGS",
        "MFLAGS",
        "CLASSPATH",
        "MAVEN_ARGS",
        "MAVEN_OPTS",
        "GOFLAGS",
        "EMACSLOADPATH",
        "TCLLIBPATH",
        "ANSIBLE_CONFIG",
        "SASL_PATH",
        "LIBGL_DRIVERS_PATH",
        "LIBVA_DRIVERS_PATH",
        "GIO_MODULE_DIR",
        "SSH_SK_PROVIDER",
        "OPENSSL_CONF_INCLUDE",
        "GRADLE_OPTS",
        "GEM_HOME",
        "GEM_PATH",
        "BUNDLE_GEMFILE",
        "COMPILER_PATH",
        "GCC_EXEC_PREFIX",
        "AWKLIBPATH",
        "GTK_PATH",
        "GTK_IM_MODULE_FILE",
        "LADSPA_PATH",
        "PSQLRC",
        "PSQL_PAGER",
        "SYSTEMD_PAGER",
        "VIMINIT",
        "EXINIT",
        "PYTHONWARNINGS",
        "PYTEST_ADDOPTS",
        "PYTEST_PLUGINS",
        "PAGER",
        "EDITOR",
        "VISUAL",
        "BROWSER",
        "LESSOPEN",
        "LESSCLOSE",
    ];
    PREFIXES.iter().any(|p| name.starts_with(p)) || NAMES.contains(&name)
}

fn check_identity(sandbox: &Sandbox) -> Result<()> {
    if let Some(identity) = &sandbox.identity
        && [identity.user, identity.group]
            .iter()
            .chain(&identity.groups)
            .any(|&id| id == 0 || id == u32::MAX)
    {
        return Err(Error::InvalidInput(
            "the user and groups to drop to are not root's, and numbers below 4294967295".into(),
        ));
    }
    Ok(())
}

/// Checks that need no process.
fn check(command: &Command) -> Result<()> {
    let invalid = |text: &str| Err(Error::InvalidInput(text.into()));
    let Some(program) = command.argv.first() else {
        return invalid("argv is empty");
    };
    if !std::path::Path::new(program).is_absolute() {
        return Err(Error::Refused("the program is not an absolute path".into()));
    }
    let has_nul = |text: &std::ffi::OsStr| text.as_encoded_bytes().contains(&0);
    if command.argv.iter().any(|a| has_nul(a)) {
        return invalid("an argument has a NUL");
    }
    for (name, value) in &command.environment {
        let bytes = name.as_encoded_bytes();
        if bytes.is_empty() || bytes.contains(&b'=') || has_nul(name) || has_nul(value) {
            return invalid("an environment variable has an empty name, `=` in its name, or a NUL");
        }
        if is_loader_variable(&name.to_string_lossy()) {
            return Err(Error::Refused(format!(
                "the environment variable {} makes programs run other code",
                name.to_string_lossy()
            )));
        }
    }
    if command.directory.as_ref().is_some_and(|d| !d.is_absolute()) {
        return Err(Error::Refused(
            "the working directory is not an absolute path".into(),
        ));
    }
    if command.timeout.is_zero() || command.timeout > Duration::from_secs(7 * 24 * 3600) {
        return invalid("the timeout is over 0 and at most a week");
    }
    if command.grace > Duration::from_secs(3600) {
        return invalid("the grace is at most an hour");
    }
    if command.umask & !0o777 != 0 {
        return invalid("umask is mode bits up to 0o777");
    }
    command.sandbox.as_ref().map_or(Ok(()), check_identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_keeps_secrets_back() {
        let mut command = Command::new(["/bin/cat"], Duration::from_secs(1));
        command.environment.push(("TOKEN".into(), "s3cret".into()));
        command.input = b"s3cret".to_vec();
        let outcome = Outcome {
            exit: Exit::Code(0),
            ended: Ended::Itself,
            stdout: b"s3cret".to_vec(),
            stderr: b"s3cret!".to_vec(),
            duration: Duration::ZERO,
            enforced: Vec::new(),
        };
        // 115 is the first byte of the secret, where bytes are shown as numbers.
        for (shown, told) in [
            (format!("{command:?}"), ["TOKEN", "6 bytes"]),
            (format!("{outcome:?}"), ["6 bytes", "7 bytes"]),
        ] {
            assert!(
                !["s3cret", "115"]
                    .iter()
                    .any(|secret| shown.contains(secret)),
                "{shown}"
            );
            assert!(told.iter().all(|part| shown.contains(part)), "{shown}");
        }
    }

    #[test]
    fn loader_variables() {
        for name in [
            "LD_PRELOAD",
            "LD_AUDIT",
            "DYLD_INSERT_LIBRARIES",
            "PYTHONPATH",
            "BASH_ENV",
            "BASH_FUNC_ls%%",
            "NODE_OPTIONS",
            "TAR_OPTIONS",
            "GIT_EDITOR",
            "CARGO_BUILD_RUSTC_WRAPPER",
        ] {
            assert!(is_loader_variable(name), "{name}");
        }
        for name in ["LANG", "PATH", "HOME", "TZ", "PYTHONIOENCODING"] {
            assert!(!is_loader_variable(name), "{name}");
        }
    }
}

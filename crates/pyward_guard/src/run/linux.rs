//! Landlock, seccomp, capabilities and user drop.
//!
//! A sandbox is prepared before the fork (everything that allocates or opens) and applied after it by system calls
//! alone, since the child of a threaded process may do nothing else.

#![allow(
    clippy::unnecessary_cast,
    reason = "the types differ between C libraries"
)]
#![allow(
    unsafe_code,
    reason = "no wrappers exist that promise to be usable between fork and exec"
)]

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath,
    PathFd, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, Scope,
};
use seccompiler::BpfProgram;

use super::{Files, Host, Identity, Limits, Network, Sandbox, seccomp};
use crate::{Error, Result};

/// Older versions do not govern truncation, so that a file rule would protect against less than it says.
const FILES_ABI: u32 = 3;
const PORTS_ABI: u32 = 4;
const SCOPE_ABI: u32 = 6;
/// From this version on a domain can allow renaming from one directory to another.
const REFER_ABI: u32 = 2;

/// True when this user's other processes are out of reach for a program without capabilities even without Landlock:
/// they have capabilities, or Yama lets only ancestors look into a process.
fn memory_is_guarded(user: u32) -> bool {
    user == 0
        || std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
            .ok()
            .and_then(|scope| scope.trim().parse::<u32>().ok())
            .is_some_and(|scope| scope > 0)
}

/// Raw system call; the result as `Err(errno)`.
///
/// May be called between fork and exec: no allocation, no lock, no libc state but `errno`.
///
/// # Safety
/// What the call takes as a pointer is null, or points to live data of the size and kind that the call reads or writes.
unsafe fn syscall(number: libc::c_long, arguments: [usize; 5]) -> std::result::Result<usize, i32> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: as the caller promises.
    let result = unsafe { libc::syscall(number, a, b, c, d, e) };
    if result == -1 {
        Err(std::io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EIO))
    } else {
        Ok(result as usize)
    }
}

fn landlock_abi() -> u32 {
    const VERSION: usize = 1;
    // SAFETY: the pointer is null.
    let version = unsafe { syscall(libc::SYS_landlock_create_ruleset, [0, 0, VERSION, 0, 0]) };
    version.map_or(0, |v| v as u32)
}

fn seccomp_available() -> bool {
    const GET_ACTION_AVAIL: usize = 2;
    let errno_action: u32 = 0x0005_0000;
    let arguments = [
        GET_ACTION_AVAIL,
        0,
        (&raw const errno_action) as usize,
        0,
        0,
    ];
    // SAFETY: the call reads a live `u32`.
    unsafe { syscall(libc::SYS_seccomp, arguments) }.is_ok()
}

fn status_field(name: &str) -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| {
        Some(
            line.strip_prefix(name)?
                .strip_prefix(':')?
                .trim()
                .to_owned(),
        )
    })
}

pub(super) fn host() -> Host {
    const SETGID: u64 = 1 << 6;
    const SETUID: u64 = 1 << 7;
    let effective = status_field("CapEff")
        .and_then(|hex| u64::from_str_radix(&hex, 16).ok())
        .unwrap_or(0);
    let effective_user = rustix::process::geteuid().as_raw();
    let landlock_abi = landlock_abi();
    const NO_NEW_PRIVILEGES: [usize; 5] = [libc::PR_GET_NO_NEW_PRIVS as usize, 0, 0, 0, 0];
    Host {
        landlock_abi,
        isolates_processes: landlock_abi > 0 || memory_is_guarded(effective_user),
        seccomp: seccomp_available(),
        // SAFETY: a system call on numbers.
        no_new_privileges: unsafe { syscall(libc::SYS_prctl, NO_NEW_PRIVILEGES) }.is_ok(),
        change_user: effective & (SETUID | SETGID) == SETUID | SETGID,
        effective_user,
        threads: status_field("Threads")
            .and_then(|n| n.parse().ok())
            .unwrap_or(0),
    }
}

/// A sandbox ready to be applied.
pub(super) struct Prepared {
    ruleset: Option<OwnedFd>,
    programs: Vec<BpfProgram>,
    identity: Option<Identity>,
    limits: Vec<(u32, u64)>,
    confined: bool,
    /// Words for the log.
    pub(super) enforced: Vec<String>,
}

/// Steps that can fail in the child, by the number it reports.
pub(super) const STEPS: [&str; 8] = [
    "closing descriptors",
    "setting resource limits",
    "dropping capabilities",
    "dropping the user and groups",
    "no-new-privs",
    "Landlock",
    "seccomp",
    "binding the child's life to its parent",
];

impl Prepared {
    /// Checks that the host can do what is asked for, and builds rule set and filters.
    /// `program` is made executable under file rules.
    pub(super) fn new(
        sandbox: Option<&Sandbox>,
        limits: &Limits,
        program: Option<&Path>,
        deny_processes: bool,
    ) -> Result<Self> {
        let host = host();
        let mut enforced = Vec::new();
        let user = sandbox
            .and_then(|s| s.identity.as_ref())
            .map_or(host.effective_user, |i| i.user);
        let mut pairs = vec![(libc::RLIMIT_CORE, 0)];
        for (value, resource, word) in [
            (limits.cpu_seconds, libc::RLIMIT_CPU, "cpu seconds"),
            (limits.memory_bytes, libc::RLIMIT_AS, "memory bytes"),
            (limits.file_bytes, libc::RLIMIT_FSIZE, "file bytes"),
            (limits.open_files, libc::RLIMIT_NOFILE, "open files"),
            (limits.processes, libc::RLIMIT_NPROC, "processes"),
        ] {
            let Some(value) = value else { continue };
            if resource == libc::RLIMIT_NPROC && user == 0 {
                return Err(Error::Unsupported(
                    "Linux does not bound the processes of root; drop the user".into(),
                ));
            }
            pairs.push((resource, value));
            enforced.push(format!("{word} at most {value}"));
        }
        // Only root may raise a hard limit; one that is lower already stays.
        let limits = pairs
            .into_iter()
            .map(|(resource, value)| (resource as u32, value.min(hard_limit(resource as u32))))
            .collect();
        let Some(sandbox) = sandbox else {
            return Ok(Self {
                ruleset: None,
                programs: vec![],
                identity: None,
                limits,
                confined: false,
                enforced,
            });
        };
        if !host.no_new_privileges {
            return Err(Error::Unsupported("no-new-privs".into()));
        }
        if !host.seccomp {
            return Err(Error::Unsupported("seccomp filters".into()));
        }
        if sandbox.identity.is_some() && !host.change_user {
            return Err(Error::Unsupported(
                "this process may not change its user and groups".into(),
            ));
        }
        enforced.extend(["no new privileges".to_owned(), "no capabilities".to_owned()]);
        if let Some(identity) = &sandbox.identity {
            enforced.push(format!(
                "user {}, group {}, groups {:?}",
                identity.user, identity.group, identity.groups
            ));
        }
        // A user of its own has no other processes that are of interest.
        let guarded = sandbox
            .identity
            .as_ref()
            .is_some_and(|i| i.user != host.effective_user)
            || memory_is_guarded(host.effective_user);
        let ruleset = ruleset(sandbox, host.landlock_abi, guarded, program, &mut enforced)?;
        let programs = seccomp::programs(
            sandbox.syscalls,
            &sandbox.network,
            deny_processes,
            program.is_some(),
        )?;
        enforced.push(format!("seccomp profile {:?}", sandbox.syscalls).to_lowercase());
        enforced.push(match &sandbox.network {
            Network::Off => "no network".to_owned(),
            Network::TcpConnect(ports) => format!("TCP connections to ports {ports:?} only"),
            Network::Full => "network not restricted".to_owned(),
        });
        if deny_processes {
            enforced.push("no new processes".to_owned());
        }
        Ok(Self {
            ruleset,
            programs,
            identity: sandbox.identity.clone(),
            limits,
            confined: true,
            enforced,
        })
    }

    /// Applies everything to the calling process. After a fork it makes system calls only.
    /// `Err((step, errno))` with an index into [`STEPS`].
    pub(super) fn apply(&self, parent: Option<u32>) -> std::result::Result<(), (u8, i32)> {
        for &(resource, value) in &self.limits {
            let limit = libc::rlimit64 {
                rlim_cur: value,
                rlim_max: value,
            };
            let arguments = [0, resource as usize, (&raw const limit) as usize, 0, 0];
            // SAFETY: the call reads a live `rlimit64`; the other pointer is null.
            unsafe { syscall(libc::SYS_prlimit64, arguments) }.map_err(|e| (1, e))?;
        }
        if self.confined {
            // The bounding set first: it needs a capability that goes with the user.
            bounding_set().map_err(|e| (2, e))?;
            if let Some(identity) = &self.identity {
                drop_user(identity).map_err(|e| (3, e))?;
            }
            clear_capabilities().map_err(|e| (2, e))?;
            let arguments = [libc::PR_SET_NO_NEW_PRIVS as usize, 1, 0, 0, 0];
            // SAFETY: a system call on numbers.
            unsafe { syscall(libc::SYS_prctl, arguments) }.map_err(|e| (4, e))?;
        }
        if let Some(parent) = parent {
            // After the user drop, which clears it.
            let option = libc::PR_SET_PDEATHSIG as usize;
            let arguments = [option, libc::SIGKILL as usize, 0, 0, 0];
            // SAFETY: a system call on numbers.
            unsafe { syscall(libc::SYS_prctl, arguments) }.map_err(|e| (7, e))?;
            // SAFETY: a system call without arguments.
            if unsafe { syscall(libc::SYS_getppid, [0; 5]) } != Ok(parent as usize) {
                return Err((7, libc::ESRCH));
            }
        }
        if let Some(ruleset) = &self.ruleset {
            let arguments = [ruleset.as_raw_fd() as usize, 0, 0, 0, 0];
            // SAFETY: a system call on numbers.
            unsafe { syscall(libc::SYS_landlock_restrict_self, arguments) }.map_err(|e| (5, e))?;
        }
        for program in &self.programs {
            const SET_MODE_FILTER: usize = 1;
            let filter = libc::sock_fprog {
                len: program.len() as u16,
                filter: program.as_ptr().cast_mut().cast(),
            };
            let arguments = [SET_MODE_FILTER, 0, (&raw const filter) as usize, 0, 0];
            // SAFETY: the call reads a live `sock_fprog`, which has the address and the length of a live program.
            unsafe { syscall(libc::SYS_seccomp, arguments) }.map_err(|e| (6, e))?;
        }
        Ok(())
    }
}

fn hard_limit(resource: u32) -> u64 {
    let mut limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: libc::RLIM64_INFINITY,
    };
    let arguments = [0, resource as usize, 0, (&raw mut limit) as usize, 0];
    // Cannot fail for the own process; if it did, setting the limit would, and that is reported.
    // SAFETY: the call writes to a live `rlimit64`; the other pointer is null.
    let _ = unsafe { syscall(libc::SYS_prlimit64, arguments) };
    limit.rlim_max
}

fn bounding_set() -> std::result::Result<(), i32> {
    for capability in 0..64_usize {
        // SAFETY: a system call on numbers.
        let call = |option: libc::c_int| unsafe {
            syscall(libc::SYS_prctl, [option as usize, capability, 0, 0, 0])
        };
        match call(libc::PR_CAPBSET_DROP) {
            Ok(_) => {}
            Err(libc::EINVAL) => break, // past the kernel's last capability
            // Without CAP_SETPCAP; then nothing may be regained either, thanks to no-new-privs, unless the user is root.
            Err(libc::EPERM) if !rustix::process::geteuid().is_root() => break,
            // Root within a process that was restricted before has dropped them already.
            Err(libc::EPERM) => match call(libc::PR_CAPBSET_READ) {
                Ok(0) => {}
                Err(libc::EINVAL) => break,
                _ => return Err(libc::EPERM),
            },
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

fn clear_capabilities() -> std::result::Result<(), i32> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let data = [0_u32; 6];
    let option = libc::PR_CAP_AMBIENT as usize;
    let arguments = [option, libc::PR_CAP_AMBIENT_CLEAR_ALL as usize, 0, 0, 0];
    // SAFETY: a system call on numbers.
    match unsafe { syscall(libc::SYS_prctl, arguments) } {
        Ok(_) | Err(libc::EINVAL) => {}
        Err(other) => return Err(other),
    }
    let (header, data) = (&raw const header, &raw const data);
    let arguments = [header as usize, data as usize, 0, 0, 0];
    // SAFETY: the call reads a live header, and the two times three numbers that its version has; both are live.
    unsafe { syscall(libc::SYS_capset, arguments) }.map(drop)
}

fn drop_user(identity: &Identity) -> std::result::Result<(), i32> {
    let (user, group) = (identity.user as usize, identity.group as usize);
    let groups = identity.groups.as_slice();
    let arguments = [groups.len(), groups.as_ptr() as usize, 0, 0, 0];
    // SAFETY: the call reads as many groups as the live slice has.
    unsafe { syscall(libc::SYS_setgroups, arguments) }?;
    // SAFETY: system calls on numbers.
    let set = |call, id| unsafe { syscall(call, [id, id, id, 0, 0]) };
    set(libc::SYS_setresgid, group)?;
    set(libc::SYS_setresuid, user)?;
    if ids()? == [[identity.user; 3], [identity.group; 3]] && set(libc::SYS_setresuid, 0).is_err() {
        Ok(())
    } else {
        Err(libc::EPERM)
    }
}

/// Real, effective and saved id, of the user and of the group.
fn ids() -> std::result::Result<[[u32; 3]; 2], i32> {
    let mut ids = [[0_u32; 3]; 2];
    let calls = [libc::SYS_getresuid, libc::SYS_getresgid];
    for (call, ids) in calls.into_iter().zip(&mut ids) {
        let [real, effective, saved] = ids.each_mut().map(|id| (&raw mut *id) as usize);
        // SAFETY: both calls write to three live `u32`.
        unsafe { syscall(call, [real, effective, saved, 0, 0]) }?;
    }
    Ok(ids)
}

fn landlock_error(error: impl std::fmt::Display) -> Error {
    Error::Unsupported(format!("Landlock: {error}"))
}

fn ruleset(
    sandbox: &Sandbox,
    abi: u32,
    guarded: bool,
    program: Option<&Path>,
    enforced: &mut Vec<String>,
) -> Result<Option<OwnedFd>> {
    let ports = match &sandbox.network {
        Network::TcpConnect(ports) => Some(ports),
        _ => None,
    };
    if sandbox.files.is_some() && abi < FILES_ABI {
        return Err(Error::Unsupported(format!(
            "file rules need Landlock ABI {FILES_ABI} (Linux 6.2), there is {abi}"
        )));
    }
    if ports.is_some() && abi < PORTS_ABI {
        return Err(Error::Unsupported(format!(
            "port rules need Landlock ABI {PORTS_ABI} (Linux 6.7), there is {abi}"
        )));
    }
    if abi == 0 && !guarded {
        return Err(Error::Unsupported(
            "there is neither Landlock (Linux 5.13) nor Yama to keep the program from the memory of the user's other processes".into(),
        ));
    }
    enforced.push("no access to the memory of other processes".to_owned());
    // Any domain is closed against the processes outside of it, through `/proc/PID/mem` too. The first version also takes
    // away renaming from one directory to another, so that it is used only where nothing else helps.
    let plain = sandbox.files.is_none() && ports.is_none();
    if plain && guarded && abi < REFER_ABI {
        return Ok(None);
    }
    let version = ABI::from(abi as i32);
    let restrict_network = abi >= PORTS_ABI && sandbox.network != Network::Full;
    let mut builder = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    if sandbox.files.is_some() {
        builder = builder
            .handle_access(AccessFs::from_all(version))
            .map_err(landlock_error)?;
    }
    if restrict_network {
        builder = builder
            .handle_access(AccessNet::from_all(version))
            .map_err(landlock_error)?;
    }
    if abi >= SCOPE_ABI {
        builder = builder.scope(Scope::Signal).map_err(landlock_error)?;
        enforced.push("no signals out of the sandbox".to_owned());
        if sandbox.files.is_some() || sandbox.network != Network::Full {
            builder = builder
                .scope(Scope::AbstractUnixSocket)
                .map_err(landlock_error)?;
            enforced.push("no abstract Unix sockets out of the sandbox".to_owned());
        }
    }
    let nothing_else = sandbox.files.is_none() && !restrict_network && abi < SCOPE_ABI;
    if nothing_else {
        // A domain has to govern something: what takes a capability anyway, and renaming, which stays allowed.
        let mut access = BitFlags::from(AccessFs::MakeBlock);
        if abi >= REFER_ABI {
            access |= AccessFs::Refer;
        }
        builder = builder.handle_access(access).map_err(landlock_error)?;
    }
    let mut created = builder.create().map_err(landlock_error)?;
    if nothing_else && abi >= REFER_ABI {
        let root = PathFd::new("/").map_err(landlock_error)?;
        created = created
            .add_rule(PathBeneath::new(root, AccessFs::Refer))
            .map_err(landlock_error)?;
    }
    if let Some(files) = &sandbox.files {
        created = file_rules(created, files, version, program)?;
        enforced.push(format!("files: Landlock ABI {abi}"));
    }
    for &port in ports.into_iter().flatten() {
        created = created
            .add_rule(NetPort::new(port, AccessNet::ConnectTcp))
            .map_err(landlock_error)?;
    }
    let fd: Option<OwnedFd> = created.into();
    fd.map(Some)
        .ok_or_else(|| Error::Unsupported("Landlock is not enabled".into()))
}

fn file_rules(
    mut created: RulesetCreated,
    files: &Files,
    abi: ABI,
    program: Option<&Path>,
) -> Result<RulesetCreated> {
    const SYSTEM_EXECUTE: &[&str] = &[
        "/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin",
    ];
    const SYSTEM_READ: &[&str] = &[
        "/etc/ld.so.cache",
        "/etc/ld.so.conf",
        "/etc/ld.so.conf.d",
        "/etc/localtime",
        "/etc/alternatives",
        "/etc/ssl/certs",
        "/etc/ssl/openssl.cnf",
        "/etc/mime.types",
        "/etc/nsswitch.conf",
        "/dev/random",
        "/dev/urandom",
    ];
    const SYSTEM_WRITE: &[&str] = &["/dev/null", "/dev/zero", "/dev/full"];
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let execute = read | AccessFs::Execute;
    // Written files must not be executable in turn, and no devices are made.
    let not = AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock;
    let write = AccessFs::from_all(abi) & !not;
    let mut add = |path: &Path, access: BitFlags<AccessFs>, required: bool| -> Result<()> {
        let fd = match PathFd::new(path) {
            Ok(fd) => fd,
            Err(_) if !required => return Ok(()),
            Err(error) => {
                let reason = std::error::Error::source(&error)
                    .map_or_else(|| error.to_string(), ToString::to_string);
                return Err(Error::InvalidInput(format!(
                    "file rule for {}: {reason}",
                    path.display()
                )));
            }
        };
        let stat = rustix::fs::fstat(&fd).map_err(|e| Error::Io(e.into()))?;
        let directory =
            rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory;
        let access = if directory {
            access
        } else {
            access & AccessFs::from_file(abi)
        };
        (&mut created)
            .add_rule(PathBeneath::new(fd, access))
            .map_err(landlock_error)?;
        Ok(())
    };
    for (paths, access) in [
        (&files.read, read),
        (&files.write, write),
        (&files.execute, execute),
    ] {
        for path in paths {
            if !path.is_absolute() {
                return Err(Error::InvalidInput(format!(
                    "file rule for {}: not absolute",
                    path.display()
                )));
            }
            add(path, access, true)?;
        }
    }
    if files.system {
        for (paths, access) in [
            (SYSTEM_READ, read),
            (
                SYSTEM_WRITE,
                read | AccessFs::WriteFile | AccessFs::Truncate,
            ),
            (SYSTEM_EXECUTE, execute),
        ] {
            for path in paths {
                add(Path::new(path), access, false)?;
            }
        }
    }
    if let Some(program) = program {
        add(program, execute, true)?;
    }
    Ok(created)
}

pub(super) fn restrict_self(
    sandbox: &Sandbox,
    limits: &Limits,
    deny_processes: bool,
) -> Result<Vec<String>> {
    let prepared = Prepared::new(Some(sandbox), limits, None, deny_processes)?;
    let threads = host().threads;
    if threads != 1 {
        return Err(Error::Refused(format!(
            "the process has {threads} threads and only the calling one would be confined; restrict before starting threads"
        )));
    }
    prepared.apply(None).map_err(|(step, errno)| {
        let reason = std::io::Error::from_raw_os_error(errno);
        Error::Unsupported(format!(
            "{} failed, and the process may be confined in part: {reason}",
            STEPS[step as usize]
        ))
    })?;
    Ok(prepared.enforced)
}

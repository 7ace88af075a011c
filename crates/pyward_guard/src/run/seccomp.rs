//! The system call filters.

#![allow(
    clippy::unnecessary_cast,
    reason = "the types differ between C libraries"
)]

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

use super::{Network, Syscalls};
use crate::{Error, Result};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn unsupported(error: impl std::fmt::Display) -> Error {
    Error::Unsupported(format!("seccomp: {error}"))
}

/// The programs to install, in order. The kernel runs all of them and takes the strictest answer.
/// `keep_group` takes away leaving the process group.
pub(super) fn programs(
    syscalls: Syscalls,
    network: &Network,
    deny_processes: bool,
    keep_group: bool,
) -> Result<Vec<BpfProgram>> {
    let mut denied = Rules::new();
    deny_dangerous(&mut denied)?;
    if keep_group {
        // Leaving the process group would escape the kill at the end.
        denied.insert(libc::SYS_setsid, vec![]);
        denied.insert(libc::SYS_setpgid, vec![]);
    }
    deny_network(&mut denied, network)?;
    if deny_processes || syscalls == Syscalls::Strict {
        deny_new_processes(&mut denied, deny_processes)?;
    }
    let mut out = vec![
        program(
            denied,
            SeccompAction::Allow,
            SeccompAction::Errno(libc::EPERM as u32),
        )?,
        // Its flags lie in memory, out of a filter's sight; with ENOSYS the C library falls back to `clone`.
        program(
            Rules::from([(libc::SYS_clone3, vec![])]),
            SeccompAction::Allow,
            SeccompAction::Errno(libc::ENOSYS as u32),
        )?,
    ];
    if syscalls == Syscalls::Strict {
        let allowed = STRICT.iter().map(|&number| (number, vec![])).collect();
        out.push(program(
            allowed,
            SeccompAction::Errno(libc::EPERM as u32),
            SeccompAction::Allow,
        )?);
    }
    Ok(out)
}

fn program(rules: Rules, otherwise: SeccompAction, matched: SeccompAction) -> Result<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(unsupported)?;
    let filter = SeccompFilter::new(rules, otherwise, matched, arch).map_err(unsupported)?;
    let body = BpfProgram::try_from(filter).map_err(unsupported)?;
    let mut out = Vec::with_capacity(body.len() + 3);
    if cfg!(target_arch = "x86_64") {
        // The x32 ABI shares the architecture number and adds a bit to the call number: a list of numbers misses it.
        const LD_W_ABS: u16 = 0x20;
        const JGE_K: u16 = 0x35;
        const RET_K: u16 = 0x06;
        const RET_ERRNO: u32 = 0x0005_0000;
        out.push(sock_filter {
            code: LD_W_ABS,
            jt: 0,
            jf: 0,
            k: 0,
        });
        out.push(sock_filter {
            code: JGE_K,
            jt: 0,
            jf: 1,
            k: 0x4000_0000,
        });
        out.push(sock_filter {
            code: RET_K,
            jt: 0,
            jf: 0,
            k: RET_ERRNO | libc::ENOSYS as u32,
        });
    }
    out.extend(body);
    Ok(out)
}

fn condition(argument: u8, length: Len, op: Op, value: u64) -> Result<SeccompCondition> {
    SeccompCondition::new(argument, length, op, value).map_err(unsupported)
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule> {
    SeccompRule::new(conditions).map_err(unsupported)
}

fn deny_dangerous(rules: &mut Rules) -> Result<()> {
    for &number in DANGEROUS {
        rules.insert(number, vec![]);
    }
    // New namespaces by flag: each is a way to more privilege inside, or out of the other restrictions.
    const NAMESPACES: [i32; 7] = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ];
    let clone = NAMESPACES
        .into_iter()
        .filter_map(|flag| {
            let flag = u64::from(flag as u32);
            rule(vec![
                condition(0, Len::Qword, Op::MaskedEq(flag), flag).ok()?,
            ])
            .ok()
        })
        .collect();
    rules.insert(libc::SYS_clone, clone);
    // Characters pushed into a terminal's input run as the one who sits there.
    let ioctl = [libc::TIOCSTI, libc::TIOCLINUX]
        .into_iter()
        .filter_map(|request| {
            rule(vec![condition(1, Len::Dword, Op::Eq, request as u64).ok()?]).ok()
        })
        .collect();
    rules.insert(libc::SYS_ioctl, ioctl);
    // The limits of other processes of the user; 0 is the process itself.
    rules.insert(
        libc::SYS_prlimit64,
        vec![rule(vec![condition(0, Len::Dword, Op::Ne, 0)?])?],
    );
    Ok(())
}

/// Rules for an argument that holds a socket type, by which all types but these are denied.
fn socket_types_but(argument: u8, allowed: &[i32]) -> Result<Vec<SeccompRule>> {
    (0..16)
        .filter(|kind| !allowed.contains(kind))
        .map(|kind| {
            rule(vec![condition(
                argument,
                Len::Dword,
                Op::MaskedEq(0xf),
                kind as u64,
            )?])
        })
        .collect()
}

fn deny_network(rules: &mut Rules, network: &Network) -> Result<()> {
    if *network != Network::Full {
        // Pairs of stream sockets stay within the process and its children. A datagram socket of a pair could still send
        // to any other Unix socket.
        rules.insert(
            libc::SYS_socketpair,
            socket_types_but(1, &[libc::SOCK_STREAM, libc::SOCK_SEQPACKET])?,
        );
    }
    match network {
        Network::Full => {}
        Network::Off => {
            rules.insert(libc::SYS_socket, vec![]);
        }
        Network::TcpConnect(_) => {
            // Landlock's port rules speak of TCP; all other protocols must not exist.
            let mut deny = vec![rule(vec![
                condition(0, Len::Dword, Op::Ne, libc::AF_INET as u64)?,
                condition(0, Len::Dword, Op::Ne, libc::AF_INET6 as u64)?,
            ])?];
            deny.extend(socket_types_but(1, &[libc::SOCK_STREAM])?);
            deny.push(rule(vec![
                condition(2, Len::Dword, Op::Ne, 0)?,
                condition(2, Len::Dword, Op::Ne, libc::IPPROTO_TCP as u64)?,
            ])?);
            rules.insert(libc::SYS_socket, deny);
            rules.insert(libc::SYS_listen, vec![]);
            // Landlock governs `connect`. With TCP fast open, sending connects; upper layer protocols turn a TCP socket
            // into one of another kind.
            let fast_open = libc::MSG_FASTOPEN as u64;
            for (call, flags) in [
                (libc::SYS_sendto, 3),
                (libc::SYS_sendmsg, 2),
                (libc::SYS_sendmmsg, 3),
            ] {
                let connects = condition(flags, Len::Dword, Op::MaskedEq(fast_open), fast_open)?;
                rules.insert(call, vec![rule(vec![connects])?]);
            }
            rules.insert(
                libc::SYS_setsockopt,
                vec![rule(vec![
                    condition(1, Len::Dword, Op::Eq, libc::IPPROTO_TCP as u64)?,
                    condition(2, Len::Dword, Op::Eq, libc::TCP_ULP as u64)?,
                ])?],
            );
        }
    }
    Ok(())
}

/// Threads stay possible. `exec` has to stay for a child that has not executed its program yet.
fn deny_new_processes(rules: &mut Rules, exec: bool) -> Result<()> {
    let no_thread = rule(vec![condition(
        0,
        Len::Qword,
        Op::MaskedEq(libc::CLONE_THREAD as u64),
        0,
    )?])?;
    rules.entry(libc::SYS_clone).or_default().push(no_thread);
    #[cfg(target_arch = "x86_64")]
    {
        rules.insert(libc::SYS_fork, vec![]);
        rules.insert(libc::SYS_vfork, vec![]);
    }
    if exec {
        rules.insert(libc::SYS_execve, vec![]);
        rules.insert(libc::SYS_execveat, vec![]);
    }
    Ok(())
}

const DANGEROUS: &[i64] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_madvise,
    // Namespaces, mounts, roots.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Kernel, modules, boot, swap, clocks, accounting.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    libc::SYS_lookup_dcookie,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ustat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_sysfs,
    // Attack surface with a history.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_fanotify_init,
    libc::SYS_vmsplice,
    libc::SYS_personality,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_mbind,
    libc::SYS_set_mempolicy,
    // Files by inode number, past path rules.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
];

/// Enough for a single-process program that reads and writes files: start-up of the C library, files, memory,
/// threads, time, polling, its own signals.
const STRICT: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Files.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_truncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_readahead,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_utimensat,
    libc::SYS_umask,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_sync_file_range,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_fgetxattr,
    // Memory.
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_msync,
    libc::SYS_mlock,
    libc::SYS_munlock,
    libc::SYS_mincore,
    libc::SYS_membarrier,
    // Threads. `clone3` is answered by the filter above; denied here, it would fail in another way.
    libc::SYS_clone3,
    libc::SYS_clone,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_tgkill,
    libc::SYS_restart_syscall,
    // Signals of its own.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigpending,
    libc::SYS_sigaltstack,
    // Time and waiting.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_times,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_setitimer,
    libc::SYS_getitimer,
    libc::SYS_wait4,
    // About itself.
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getpgid,
    libc::SYS_getsid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getgroups,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getrlimit,
    libc::SYS_prlimit64,
    libc::SYS_getrusage,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrandom,
    libc::SYS_getcpu,
    libc::SYS_prctl,
    libc::SYS_capget,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
    // The older forms that x86-64 still has.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_getdents,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_renameat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_symlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_pipe,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_select,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_create,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_alarm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_getpgrp,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
];

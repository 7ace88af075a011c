//! Starts the child, feeds and reads it, and ends its process group.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use super::{Command, Ended, Exit, Outcome};
use crate::{Error, Result};

/// How often the caller is asked whether to go on.
const TICK: Duration = Duration::from_millis(50);

#[cfg(not(target_os = "linux"))]
mod other {
    use super::super::{Limits, Sandbox};
    use crate::{Error, Result};
    use std::path::Path;

    pub(super) const STEPS: [&str; 1] = ["closing descriptors"];

    pub(super) struct Prepared {
        pub(super) enforced: Vec<String>,
    }

    impl Prepared {
        pub(super) fn new(
            sandbox: Option<&Sandbox>,
            limits: &Limits,
            _: Option<&Path>,
            _: bool,
        ) -> Result<Self> {
            if sandbox.is_some() {
                return Err(Error::Unsupported(
                    "confinement of processes needs Linux".into(),
                ));
            }
            if *limits != Limits::default() {
                return Err(Error::Unsupported("resource limits need Linux".into()));
            }
            Ok(Self { enforced: vec![] })
        }

        pub(super) fn apply(&self, _: Option<u32>) -> std::result::Result<(), (u8, i32)> {
            Ok(())
        }
    }
}
#[cfg(not(target_os = "linux"))]
use other::{Prepared, STEPS};

#[cfg(target_os = "linux")]
use super::linux::{Prepared, STEPS};

pub(super) fn run(command: &Command, interrupted: &mut dyn FnMut() -> bool) -> Result<Outcome> {
    let start = Instant::now();
    let program = Path::new(&command.argv[0]);
    let prepared = Prepared::new(
        command.sandbox.as_ref(),
        &command.limits,
        Some(program),
        false,
    )?;
    let enforced = prepared.enforced.clone();
    let child = spawn(command, prepared)?;
    let mut group = Group {
        leader: pid_of(&child)?,
        child,
        reaped: false,
    };
    let (ended, stdout, stderr) = supervise(&mut group, command, start, interrupted)?;
    let exit = group.finish()?;
    Ok(Outcome {
        exit,
        ended,
        stdout,
        stderr,
        duration: start.elapsed(),
        enforced,
    })
}

fn pid_of(child: &Child) -> Result<Pid> {
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| Error::InvalidInput("the process id is out of range".into()))
}

/// A pipe that is closed on exec, for the child's word on which step failed.
fn report_pipe() -> Result<(File, OwnedFd)> {
    #[cfg(target_os = "linux")]
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|e| Error::Io(e.into()))?;
    #[cfg(not(target_os = "linux"))]
    let (reader, writer) = {
        let (reader, writer) = rustix::pipe::pipe().map_err(|e| Error::Io(e.into()))?;
        for end in [&reader, &writer] {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)
                .map_err(|e| Error::Io(e.into()))?;
        }
        (reader, writer)
    };
    Ok((File::from(reader), writer))
}

#[allow(unsafe_code)] // pre_exec: the only way to run code between fork and exec
fn spawn(command: &Command, prepared: Prepared) -> Result<Child> {
    let mut builder = std::process::Command::new(&command.argv[0]);
    builder
        .args(&command.argv[1..])
        .env_clear()
        .envs(command.environment.iter().map(|(n, v)| (n, v)))
        .current_dir(command.directory.as_deref().unwrap_or(Path::new("/")))
        .stdin(if command.input.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let (mut report, writer) = report_pipe()?;
    let umask = command.umask;
    let parent = std::process::id();
    let descriptor_limit = rustix::process::getrlimit(rustix::process::Resource::Nofile)
        .current
        .unwrap_or(1 << 20);
    let child_setup = move || {
        let fail = |step: u8, errno: i32| {
            // Between fork and exec there is nobody else to tell; the error number gets through either way.
            let _ = rustix::io::write(&writer, &[step]);
            Err(std::io::Error::from_raw_os_error(errno))
        };
        // SAFETY: plain system calls on numbers, allowed between fork and exec.
        unsafe {
            // A session of its own: no controlling terminal, and a process group to kill.
            if libc::setsid() == -1 {
                return fail(0, libc::EPERM);
            }
            libc::umask(umask as libc::mode_t);
            // Ignored signals would stay ignored in the program (Python ignores SIGPIPE and SIGXFSZ).
            for signal in 1..32 {
                if signal != libc::SIGKILL && signal != libc::SIGSTOP {
                    libc::signal(signal, libc::SIG_DFL);
                }
            }
        }
        if let Err(errno) = close_on_exec(descriptor_limit) {
            return fail(0, errno);
        }
        prepared
            .apply(Some(parent))
            .or_else(|(step, errno)| fail(step, errno))
    };
    // SAFETY: the closure makes system calls only; it does not allocate, lock or unwind, and what it owns was made
    // before the fork.
    unsafe { builder.pre_exec(child_setup) };
    let spawned = builder.spawn();
    drop(builder); // closes our copy of the writing end
    spawned.map_err(|error| {
        let mut step = [0_u8; 1];
        match report.read(&mut step) {
            Ok(1) => {
                let name = STEPS
                    .get(usize::from(step[0]))
                    .unwrap_or(&"setting up the child");
                Error::Unsupported(format!("{name} failed: {error}"))
            }
            _ => Error::Io(error),
        }
    })
}

/// Marks every descriptor from 3 on as closed on exec, also those that other code opened without it.
#[allow(unsafe_code)] // no wrapper usable between fork and exec
fn close_on_exec(limit: u64) -> std::result::Result<(), i32> {
    #[cfg(target_os = "linux")]
    {
        const CLOEXEC: usize = 4;
        // SAFETY: a system call on numbers.
        if unsafe { libc::syscall(libc::SYS_close_range, 3_usize, u32::MAX as usize, CLOEXEC) } == 0
        {
            return Ok(());
        }
    }
    // Kernels before 5.11 and other systems.
    for descriptor in 3..i32::try_from(limit.min(1 << 20)).unwrap_or(1 << 20) {
        // SAFETY: a system call on numbers; descriptors that are not open answer EBADF, which is fine.
        unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

/// The child and its process group; killed and reaped whatever happens.
struct Group {
    child: Child,
    leader: Pid,
    reaped: bool,
}

impl Group {
    fn signal(&self, signal: Signal) {
        // Not after reaping: the number may belong to somebody else then.
        if !self.reaped {
            // Fails when all of them have ended already, which is what is wanted.
            let _ = rustix::process::kill_process_group(self.leader, signal);
        }
    }

    /// True once the leader ended; it is left unreaped, which keeps its number ours.
    fn leader_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(
            rustix::process::waitid(WaitId::Pid(self.leader), options),
            Ok(None)
        )
    }

    fn finish(&mut self) -> Result<Exit> {
        use std::os::unix::process::ExitStatusExt;
        self.signal(Signal::KILL);
        let status = self.child.wait()?;
        self.reaped = true;
        Ok(status
            .code()
            .map_or_else(|| Exit::Signal(status.signal().unwrap_or(0)), Exit::Code))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.reaped {
            // Another error is on its way up; the group was killed.
            let _ = self.finish();
        }
    }
}

#[cfg(target_os = "linux")]
fn exit_event(leader: Pid) -> Option<OwnedFd> {
    rustix::process::pidfd_open(leader, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn exit_event(_: Pid) -> Option<OwnedFd> {
    None
}

fn nonblocking(fd: BorrowedFd<'_>) -> Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd).map_err(|e| Error::Io(e.into()))?;
    rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK)
        .map_err(|e| Error::Io(e.into()))
}

/// One of the child's output pipes.
struct Output {
    pipe: Option<OwnedFd>,
    content: Vec<u8>,
    exceeded: bool,
}

impl Output {
    fn new(pipe: Option<OwnedFd>) -> Result<Self> {
        if let Some(pipe) = &pipe {
            nonblocking(pipe.as_fd())?;
        }
        Ok(Self {
            pipe,
            content: Vec::new(),
            exceeded: false,
        })
    }

    /// Takes what is there, up to one byte past the bound.
    fn drain(&mut self, bound: usize) {
        let mut buffer = [0_u8; 64 << 10];
        while let Some(pipe) = &self.pipe {
            match rustix::io::read(pipe, &mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(n) => {
                    let room = bound - self.content.len();
                    self.content.extend_from_slice(&buffer[..n.min(room)]);
                    if n > room {
                        self.exceeded = true;
                        self.pipe = None;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => self.pipe = None,
            }
        }
    }
}

fn supervise(
    group: &mut Group,
    command: &Command,
    start: Instant,
    interrupted: &mut dyn FnMut() -> bool,
) -> Result<(Ended, Vec<u8>, Vec<u8>)> {
    let mut stdout = Output::new(group.child.stdout.take().map(OwnedFd::from))?;
    let mut stderr = Output::new(group.child.stderr.take().map(OwnedFd::from))?;
    let mut stdin = group.child.stdin.take().map(OwnedFd::from).map(File::from);
    if let Some(stdin) = &stdin {
        nonblocking(stdin.as_fd())?;
    }
    let exit_event = exit_event(group.leader);
    let deadline = start + command.timeout;
    let mut ended = Ended::Itself;
    // Set when the group was asked to end: the time of the kill.
    let mut kill_at: Option<Instant> = None;
    let mut written = 0;
    loop {
        if group.leader_ended() {
            // Whatever else is in the group holds the pipes open; it ends here.
            group.signal(Signal::KILL);
            break;
        }
        let now = Instant::now();
        if stdout.exceeded || stderr.exceeded {
            ended = Ended::Output;
            group.signal(Signal::KILL);
            break;
        }
        if let Some(at) = kill_at {
            if now >= at {
                group.signal(Signal::KILL);
                break;
            }
        } else if now >= deadline {
            ended = Ended::Timeout;
            group.signal(Signal::TERM);
            kill_at = Some(now + command.grace);
        } else if interrupted() {
            ended = Ended::Cancelled;
            group.signal(Signal::TERM);
            kill_at = Some(now + command.grace.min(Duration::from_millis(500)));
        }
        let until = kill_at
            .unwrap_or(deadline)
            .saturating_duration_since(now)
            .min(TICK);
        wait(
            &[&stdout, &stderr],
            stdin.as_ref(),
            exit_event.as_ref(),
            until,
        );
        stdout.drain(command.max_output);
        stderr.drain(command.max_output);
        stdin = stdin.and_then(|pipe| feed(pipe, &command.input, &mut written));
    }
    drop(stdin);
    // Killed processes have let go of the pipes; one that left the group (only possible without a sandbox) may
    // not have, and is not waited for.
    let last = Instant::now() + Duration::from_millis(200);
    while (stdout.pipe.is_some() || stderr.pipe.is_some()) && Instant::now() < last {
        stdout.drain(command.max_output);
        stderr.drain(command.max_output);
        if stdout.pipe.is_some() || stderr.pipe.is_some() {
            wait(&[&stdout, &stderr], None, None, Duration::from_millis(5));
        }
    }
    if ended == Ended::Itself && (stdout.exceeded || stderr.exceeded) {
        ended = Ended::Output;
    }
    Ok((ended, stdout.content, stderr.content))
}

/// Waits until something can be read or written, the child ends, or the time is over.
fn wait(outputs: &[&Output], stdin: Option<&File>, exit: Option<&OwnedFd>, time: Duration) {
    let mut list: Vec<PollFd<'_>> = Vec::with_capacity(4);
    for output in outputs {
        list.extend(
            output
                .pipe
                .as_ref()
                .map(|pipe| PollFd::new(pipe, PollFlags::IN)),
        );
    }
    list.extend(stdin.map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
    match exit {
        Some(exit) => list.push(PollFd::new(exit, PollFlags::IN)),
        // Without an exit event a short sleep bounds how late the end is seen.
        None if list.is_empty() => return std::thread::sleep(time.min(Duration::from_millis(5))),
        None => {}
    }
    let timeout = Timespec {
        tv_sec: time.as_secs() as _,
        tv_nsec: time.subsec_nanos() as _,
    };
    // However it ends, the caller looks again at everything it waits for.
    let _ = rustix::event::poll(&mut list, Some(&timeout));
}

/// Writes some of the input; gives the pipe back while there is more to write.
fn feed(mut pipe: File, input: &[u8], written: &mut usize) -> Option<File> {
    while *written < input.len() {
        match pipe.write(&input[*written..]) {
            Ok(0) => return None,
            Ok(n) => *written += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Some(pipe),
            // The child does not read (any more): not an error, as in a shell's pipeline.
            Err(_) => return None,
        }
    }
    None
}

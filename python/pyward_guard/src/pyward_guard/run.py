"""Child processes with the least privilege, and least privilege for the running process.

:func:`run` takes an argument list and an absolute program, never a shell; the environment is empty but for what is
given; descriptors are closed; time, output and resources are bounded; at the end the whole process group is gone. On
Linux a :class:`Sandbox` confines the program: no new privileges, no capabilities, system call filter, no network, and
on request file rules (Landlock) and another user. What the host cannot enforce is refused with
:class:`~pyward_guard.Unsupported`, never left out: :func:`host` says what it can.

Practices: I4, P1, P2. Protects against CWE-78, CWE-88, CWE-250, CWE-271, CWE-272, CWE-400, CWE-403, CWE-426, CWE-427.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from . import _core
from ._core import GuardError, InvalidInput, LimitExceeded, Refused
from ._optional import need_posix

__all__ = [
    "UNCONFINED",
    "Completed",
    "Failed",
    "Host",
    "Identity",
    "Limits",
    "Operand",
    "OutputExceeded",
    "Sandbox",
    "TimedOut",
    "Unconfined",
    "arun",
    "find_program",
    "host",
    "restrict_self",
    "run",
    "self_restrict",
]

_log = logging.getLogger("pyward_guard.run")


class Failed(GuardError):
    """The program ended with a code other than 0, or by a signal. ``completed`` has the details."""

    def __init__(self, message: str, completed: Completed) -> None:
        super().__init__(message)
        self.completed = completed

    def __reduce__(self) -> tuple[Any, ...]:
        # For pools of processes: an exception that cannot be read back breaks them.
        return type(self), (str(self), self.completed), self.__dict__


class TimedOut(Failed):
    """The program was ended since its time was over."""


class OutputExceeded(Failed, LimitExceeded):
    """The program was ended since it wrote more than allowed."""


@dataclass(frozen=True)
class Host:
    """What the host can enforce.

    ``seccomp`` and ``no_new_privileges`` are kernel features, ``effective_user`` is the number of the user.
    """

    landlock_abi: int
    """0 without Landlock; file rules need 3 (Linux 6.2), TCP port rules 4 (Linux 6.7)."""
    isolates_processes: bool
    """A sandbox keeps a program from the memory of the user's other processes: with Landlock, with Yama, or as root."""
    seccomp: bool
    no_new_privileges: bool
    change_user: bool
    """This process may change its user and groups."""
    effective_user: int
    threads: int
    """Threads of this process; :func:`restrict_self` wants one."""

    @property
    def confines(self) -> bool:
        """True when the default :class:`Sandbox` can be enforced."""
        return self.seccomp and self.no_new_privileges and self.isolates_processes


def host() -> Host:
    """Looks at what the host can enforce; nothing is changed.

    CWE-250; ASVS 5.0: v5.0.0-15.2.5.

    >>> host().landlock_abi >= 0
    True
    """
    raw = _core.run_host()
    return Host(
        raw["landlock_abi"],
        bool(raw["isolates_processes"]),
        bool(raw["seccomp"]),
        bool(raw["no_new_privileges"]),
        bool(raw["change_user"]),
        raw["effective_user"],
        raw["threads"],
    )


@dataclass(frozen=True)
class Identity:
    """User and groups to run as, by number; none of them root's. ``groups`` are all the supplementary groups.

    Neither ``user`` nor ``group`` is 0.

    ASVS 5.0: v5.0.0-13.2.2.
    """

    user: int
    group: int
    groups: tuple[int, ...] = ()

    @classmethod
    def of(cls, name: str) -> Identity:
        """The account ``name`` with its own group and no supplementary ones.

        Raises :class:`~pyward_guard.InvalidInput` when there is no such account.

        >>> Identity.of("nobody").user > 0
        True
        """
        import pwd

        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            raise InvalidInput("there is no such account") from None
        return cls(entry.pw_uid, entry.pw_gid)


PathList = Sequence["str | os.PathLike[str]"]


@dataclass(frozen=True)
class Sandbox:
    """What confines a process (Linux). No new privileges, no capabilities, and a system call filter are always on.

    ``read``, ``write``, ``execute`` are absolute files or trees: as soon as one of them is given, or ``files=True``,
    everything else is out of reach (Landlock). Written files are not executable. ``system`` adds what ordinary programs
    need: ``/usr``, ``/lib*``, ``/bin``, loader cache, time zones, certificates, ``/dev/null`` and the like.

    Other processes of the same user are out of reach: their memory, environment and descriptors, and from Linux 6.12 on
    signals to them.

    ``network`` is ``False`` (no sockets but pairs of streams within the program), a list of TCP ports that may be connected to (no listening, no UDP and
    so no DNS), or ``True``.

    ``syscalls="default"`` denies administration, tracing, namespaces, leaving the process group, ``bpf``, ``io_uring``,
    ``keyctl`` and such; ``"strict"`` allows only what programs need that compute on files, without new processes.

    ``identity`` is the user to run as; changing it needs root.

    ASVS 5.0: v5.0.0-15.2.5, v5.0.0-13.2.2. CWE-250, CWE-272, CWE-653.

    >>> Sandbox(read=["/srv/in"], write=["/srv/out"]).network
    False
    """

    read: PathList = ()
    write: PathList = ()
    execute: PathList = ()
    files: bool | None = None
    system: bool = True
    network: bool | Sequence[int] = False
    syscalls: Literal["default", "strict"] = "default"
    identity: Identity | None = None

    def _core(self) -> _core.RunSandbox:
        if self.syscalls not in ("default", "strict"):
            raise InvalidInput("syscalls is 'default' or 'strict'")
        for name in ("read", "write", "execute"):
            if isinstance(getattr(self, name), (str, os.PathLike)):
                raise InvalidInput(f"{name} is a list of paths")
        given = bool(self.read or self.write or self.execute)
        if self.files is False and given:
            raise InvalidInput("files=False contradicts the paths given")
        ports = None if isinstance(self.network, bool) else list(self.network)
        if ports is not None and not all(isinstance(port, int) and 0 < port < 65536 for port in ports):
            raise InvalidInput("network is False, True or a list of TCP ports (1 to 65535)")
        identity = self.identity
        return _core.RunSandbox(
            restrict_files=given if self.files is None else self.files,
            read=list(self.read),
            write=list(self.write),
            execute=list(self.execute),
            system=self.system,
            network=self.network is True,
            tcp_ports=ports,
            strict=self.syscalls == "strict",
            identity=None if identity is None else (identity.user, identity.group, list(identity.groups)),
        )


class Unconfined:
    """Marks a run without a sandbox; use :data:`UNCONFINED`.

    CWE-250.

    Example: ``run(["/usr/bin/id"], timeout=5, sandbox=UNCONFINED)``
    """

    def __repr__(self) -> str:
        return "UNCONFINED"


UNCONFINED: Final = Unconfined()
"""Runs the program without a sandbox, for hosts that have none. Each use leaves a warning in the log."""


@dataclass(frozen=True)
class Limits:
    """Resource limits (``setrlimit``); ``None`` leaves what is inherited. Core dumps are always off.

    ``cpu_seconds`` is processor time; ``open_files`` and ``processes`` count, the latter all processes of the user.

    CWE-400, CWE-770; ASVS 5.0: v5.0.0-15.2.2.

    >>> Limits(memory_bytes=512 << 20).cpu_seconds is None
    True
    """

    cpu_seconds: int | None = None
    memory_bytes: int | None = None
    """Address space."""
    file_bytes: int | None = None
    """Largest file written."""
    open_files: int | None = None
    processes: int | None = None
    """Processes and threads of the user, all of them counted; refused for root, for whom Linux does not enforce it."""

    def _core(self) -> tuple[int | None, int | None, int | None, int | None, int | None]:
        values = (self.cpu_seconds, self.memory_bytes, self.file_bytes, self.open_files, self.processes)
        if any(value is not None and value < 0 for value in values):
            raise InvalidInput("limits are not negative")
        return values


class Operand(str):
    """A value from outside as an argument: refused when it starts with ``-``, since a program would take it as an option.

    CWE-88; ASVS 5.0: v5.0.0-1.2.5.

    >>> Operand("file.txt")
    'file.txt'
    >>> Operand("--output=/etc/passwd")
    Traceback (most recent call last):
    pyward_guard.Refused: refused: an operand starts with a dash
    """

    __slots__ = ()

    def __new__(cls, value: str) -> Operand:
        if value.startswith(("-", "+")) or (os.name == "nt" and value.startswith("/")):
            raise Refused("refused: an operand starts with a dash")
        if "\0" in value or not value:
            raise Refused("refused: an operand is empty or has a NUL")
        return super().__new__(cls, value)


@dataclass(frozen=True)
class Completed:
    """How a program ended and what it wrote. ``stdout`` and ``stderr`` are what it wrote, in bytes; ``ended`` says by what."""

    returncode: int
    """Exit code; minus the signal's number when a signal ended it."""
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)
    duration: float
    """Seconds of wall-clock time."""
    ended: Literal["itself", "timeout", "output", "cancelled"]
    enforced: tuple[str, ...] = field(repr=False)
    """What confined the process, as words for a log."""

    @property
    def text(self) -> str:
        """Standard output as UTF-8; bytes that are none are replaced."""
        return self.stdout.decode("utf-8", "replace")


_DEFAULT_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


def _sandbox(sandbox: Sandbox | Unconfined) -> _core.RunSandbox | None:
    if isinstance(sandbox, Sandbox):
        return sandbox._core()
    if sandbox is not UNCONFINED:
        raise InvalidInput("sandbox is a Sandbox or UNCONFINED")
    _log.warning("a program runs without a sandbox (UNCONFINED)")
    return None


def _run(
    argv: Sequence[str | os.PathLike[str]],
    environment: Mapping[str, str] | None,
    directory: str | os.PathLike[str] | None,
    input: bytes | str,
    timeout: float,
    grace: float,
    max_output: int,
    umask: int,
    limits: Limits | None,
    sandbox: Sandbox | Unconfined,
    check: bool,
    cancel: _core.RunCancel | None,
) -> Completed:
    if isinstance(argv, (str, bytes, os.PathLike)):
        raise InvalidInput("argv is a list: the program and each argument on its own")
    arguments = []
    for argument in argv:
        text = os.fspath(argument)
        if not isinstance(text, str):
            raise InvalidInput("every argument is a str or a path")
        if isinstance(argument, os.PathLike) and text.startswith("-"):
            raise Refused("refused: a path starts with a dash, which programs take for an option")
        arguments.append(str(text))
    if max_output < 0 or umask < 0:
        raise InvalidInput("max_output and umask are not negative")
    given = _DEFAULT_ENVIRONMENT if environment is None else environment
    try:
        for text in (*arguments, *given.keys(), *given.values()):
            os.fsencode(text)
    except UnicodeEncodeError:
        raise InvalidInput("an argument or a variable is not valid Unicode") from None
    code, signal, ended, stdout, stderr, duration, enforced = _core.run_command(
        arguments,
        environment=[(name, value) for name, value in given.items()],
        directory=directory,
        input=input.encode() if isinstance(input, str) else bytes(input),
        timeout=timeout,
        grace=grace,
        max_output=max_output,
        umask=umask,
        limits=(limits or Limits())._core(),
        sandbox=_sandbox(sandbox),
        cancel=cancel,
    )
    returncode = code if code is not None else -(signal or 0)
    completed = Completed(returncode, stdout, stderr, duration, ended, tuple(enforced))
    name = os.path.basename(arguments[0])
    if ended == "timeout":
        raise TimedOut(f"{name} was ended after {timeout} seconds", completed)
    if ended == "output":
        raise OutputExceeded(f"limit exceeded: {name} wrote more than {max_output} bytes", completed)
    if check and returncode != 0:
        how = f"with code {returncode}" if returncode > 0 else f"by signal {-returncode}"
        raise Failed(f"{name} ended {how}", completed)
    return completed


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout: float,
    input: bytes | str = b"",
    environment: Mapping[str, str] | None = None,
    directory: str | os.PathLike[str] | None = None,
    max_output: int = 1 << 20,
    limits: Limits | None = None,
    sandbox: Sandbox | Unconfined = Sandbox(),  # noqa: B008 - immutable
    check: bool = True,
    grace: float = 1.0,
    umask: int = 0o077,
) -> Completed:
    """Runs a program to its end, without a shell.

    ``argv[0]`` is an absolute path (see :func:`find_program`); values from outside go through :class:`Operand`.
    ``timeout`` and ``grace`` (between SIGTERM and SIGKILL) are seconds; ``max_output`` is bytes of standard output and
    of standard error, each; ``directory`` is absolute, ``/`` by default; ``environment`` is the whole environment, by
    default ``PATH`` and ``LANG``. Variables that make programs load code (``LD_PRELOAD``, ``PYTHONPATH``, ``BASH_ENV``,
    ...) are refused. When the program ends, every process left of its group is killed. Ctrl-C ends the group as well.

    ASVS 5.0: v5.0.0-1.2.5, v5.0.0-15.2.5. CWE-78, CWE-88, CWE-400, CWE-403, CWE-426.

    Raises:
        TimedOut: the time was over.
        OutputExceeded: it wrote too much.
        Failed: it ended with another code than 0 (not with ``check=False``).
        Unsupported: the host cannot enforce the sandbox or the limits.
        Refused: a relative program or directory, or a variable that loads code.
        InvalidInput: a string instead of a list, NUL in an argument, a file rule for a path that does not exist.
        OSError: the program cannot be started.

    >>> run(["/bin/echo", Operand("; rm -rf /")], timeout=5).text
    '; rm -rf /\\n'
    >>> run("echo hello", timeout=5)
    Traceback (most recent call last):
    pyward_guard.InvalidInput: argv is a list: the program and each argument on its own
    """
    return _run(
        argv, environment, directory, input, timeout, grace, max_output, umask, limits, sandbox, check, None
    )


async def arun(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout: float,
    input: bytes | str = b"",
    environment: Mapping[str, str] | None = None,
    directory: str | os.PathLike[str] | None = None,
    max_output: int = 1 << 20,
    limits: Limits | None = None,
    sandbox: Sandbox | Unconfined = Sandbox(),  # noqa: B008 - immutable
    check: bool = True,
    grace: float = 1.0,
    umask: int = 0o077,
) -> Completed:
    """:func:`run` for asyncio. Cancelling the task ends the process group before the cancellation goes on.

    Takes and raises the same: ``timeout`` and ``grace`` are seconds, ``max_output`` bytes.

    CWE-78; ASVS 5.0: v5.0.0-1.2.5, v5.0.0-15.2.5.

    >>> import asyncio
    >>> asyncio.run(arun(["/bin/echo", "hello"], timeout=5)).stdout
    b'hello\\n'
    """
    cancel = _core.RunCancel()
    # A thread of its own: it lives as long as the child, whose life is bound to it, and a full default pool cannot
    # keep a cancelled run waiting.
    with ThreadPoolExecutor(1, thread_name_prefix="pyward-run") as pool:
        future = asyncio.get_running_loop().run_in_executor(
            pool,
            lambda: _run(
                argv, environment, directory, input, timeout, grace, max_output, umask, limits, sandbox, check, cancel
            ),
        )
        # Nobody else may look at how a cancelled run ended.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            # Unlike `shield`, which reports the end of what goes on behind a cancelled task (from Python 3.14 on).
            await asyncio.wait([future])
        except asyncio.CancelledError:
            cancel.cancel()
            await asyncio.wait([future])
            raise
        finally:
            # Also when the coroutine is closed or cancelled once more: the end of the block waits for the thread.
            cancel.cancel()
    return future.result()


def find_program(
    name: str, *, directories: Iterable[str | os.PathLike[str]] = ("/usr/bin", "/bin", "/usr/local/bin")
) -> str:
    """Absolute path of a program in trusted directories; ``PATH`` is not looked at.

    The file it resolves to, and the directories it is in, have to belong to root or to the user who runs this, and
    nobody else may write to them.

    Raises :class:`~pyward_guard.InvalidInput` for a name with a slash or NUL, or one that is not valid Unicode.

    CWE-426, CWE-427; ASVS 5.0: v5.0.0-1.2.5.

    Raises:
        Refused: not found, or others can replace it.

    >>> find_program("sh").endswith("/sh")
    True
    """
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise InvalidInput("name is a program's name without directory")
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        raise InvalidInput("name is not valid Unicode") from None
    need_posix("finding programs that only trusted users can change")
    trusted = {0, os.geteuid()}
    for directory in directories:
        candidate = Path(directory) / name
        if not candidate.is_absolute() or not os.access(candidate, os.X_OK) or candidate.is_dir():
            continue
        resolved = candidate.resolve(strict=True)
        for part in (resolved, *resolved.parents, *candidate.parents):
            info = part.stat()
            shared = info.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not (
                stat.S_ISDIR(info.st_mode) and info.st_mode & stat.S_ISVTX
            )
            if info.st_uid not in trusted or shared:
                raise Refused(f"refused: others can replace {name} (owner or mode of {part})")
        return str(candidate)
    raise Refused(f"refused: there is no program {name} in the trusted directories")


def restrict_self(
    sandbox: Sandbox,
    *,
    limits: Limits | None = None,
    processes: bool = True,
    python: bool = True,
) -> tuple[str, ...]:
    """Confines the running process for good, and all it starts; returns what is enforced.

    Call it at start-up, once everything that needs privilege (ports, log files, keys) is open, and before threads are
    started: Linux confines threads, so a process with more than one is refused. ``processes=False`` also takes away
    starting programs and processes. When the sandbox has file rules, ``python=True`` keeps readable what later imports
    need: the interpreter's files and every entry of ``sys.path``, so also the directory of the script that was started,
    with all that lies below it. Keep keys and data elsewhere, or give ``python=False`` and list in ``read`` what is needed.

    Raises :class:`~pyward_guard.InvalidInput` for a path that does not exist.

    ASVS 5.0: v5.0.0-15.2.5, v5.0.0-13.2.2. CWE-250, CWE-272, CWE-653.

    Raises:
        Unsupported: the host cannot enforce it; nothing has changed, unless the message says so.
        Refused: the process has several threads.

    >>> import subprocess, sys
    >>> code = '''
    ... from pyward_guard.run import Sandbox, restrict_self
    ... restrict_self(Sandbox(files=True))
    ... try: open("/etc/passwd")
    ... except PermissionError: print("denied")
    ... '''
    >>> subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    'denied\\n'
    """
    if not isinstance(sandbox, Sandbox):
        raise InvalidInput("sandbox is a Sandbox")
    if python and (sandbox.files or sandbox.read or sandbox.write or sandbox.execute):
        own = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *sys.path}
        own = {os.path.abspath(entry) for entry in own if entry and os.path.exists(entry)}
        sandbox = Sandbox(
            read=[*sandbox.read, *sorted(own - {"/"})],
            write=sandbox.write,
            execute=sandbox.execute,
            files=True,
            system=sandbox.system,
            network=sandbox.network,
            syscalls=sandbox.syscalls,
            identity=sandbox.identity,
        )
    enforced = tuple(_core.run_restrict_self(sandbox._core(), (limits or Limits())._core(), not processes))
    _log.info("the process is confined: %s", "; ".join(enforced))
    return enforced


self_restrict = restrict_self

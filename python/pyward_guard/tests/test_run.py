"""The process runner: what a confined program tries in order to get out, and the bounds on it."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyward_guard import GuardError, InvalidInput, Refused, Unsupported, run

pytestmark = pytest.mark.skipif(not run.host().confines, reason="the host cannot confine processes")

HOST = run.host()
needs_files = pytest.mark.skipif(HOST.landlock_abi < 3, reason="no Landlock file rules")
needs_ports = pytest.mark.skipif(HOST.landlock_abi < 4, reason="no Landlock port rules")
needs_root = pytest.mark.skipif(not HOST.change_user, reason="may not change the user")
x86_64 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="machine code for x86-64")

# The interpreter itself, past a virtual environment's link.
PYTHON = os.path.realpath(sys.executable)
PREFIXES = sorted({os.path.realpath(sys.base_prefix), os.path.realpath(sys.base_exec_prefix)})

PRELUDE = """
import ctypes, errno, os, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def syscall(*args):
    result = libc.syscall(*[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return errno.errorcode[ctypes.get_errno()] if result == -1 else "ok"
def attempt(call):
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"
"""


def python(code: str, *arguments: str, sandbox: Any = None, files: bool = False, **options: Any) -> run.Completed:
    """Runs code in a confined interpreter; with ``files``, under file rules that let the interpreter start."""
    if sandbox is None:
        sandbox = run.Sandbox()
    if files:
        sandbox = run.Sandbox(**{**sandbox.__dict__, "execute": [*sandbox.execute, *PREFIXES]})
    options.setdefault("timeout", 120)
    argv = [PYTHON, "-I", "-S", "-c", PRELUDE + textwrap.dedent(code), *arguments]
    return run.run(argv, sandbox=sandbox, **options)


def lines(code: str, *arguments: str, **options: Any) -> list[str]:
    return python(code, *arguments, **options).text.split()


# --- starting -----------------------------------------------------------------------------------------


def test_no_shell_and_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    assert run.run(["/bin/echo", "$(id) `id` *; id | cat"], timeout=60).text == "$(id) `id` *; id | cat\n"
    assert run.run(["/usr/bin/env"], timeout=60).text.split() == ["LANG=C.UTF-8", "PATH=/usr/bin:/bin"]
    assert run.run(["/usr/bin/env"], environment={}, timeout=60).text == ""


def test_descriptors_are_closed() -> None:
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    os.set_inheritable(writer, True)
    try:
        found = lines("print(*sorted(os.listdir('/proc/self/fd'), key=int))")
    finally:
        os.close(reader)
        os.close(writer)
    # 3 is the listing itself.
    assert found == ["0", "1", "2", "3"]


def test_misuse_is_refused(tmp_path: Path) -> None:
    cases: list[tuple[Any, dict[str, Any], type[Exception]]] = [
        ("/bin/ls -l", {}, InvalidInput),
        (["ls"], {}, Refused),
        (["./ls"], {}, Refused),
        ([], {}, InvalidInput),
        (["/bin/echo", "a\0b"], {}, InvalidInput),
        (["/bin/echo", 3], {}, TypeError),
        (["/bin/echo", b"x"], {}, InvalidInput),
        (["/bin/echo"], {"environment": {"LD_PRELOAD": "/tmp/x.so"}}, Refused),
        (["/bin/echo"], {"environment": {"A=B": "x"}}, InvalidInput),
        (["/bin/echo"], {"directory": "relative"}, Refused),
        (["/bin/echo"], {"sandbox": None}, InvalidInput),
        (["/bin/echo"], {"sandbox": run.Sandbox(read=["relative"])}, InvalidInput),
        (["/bin/echo"], {"sandbox": run.Sandbox(read=[tmp_path / "missing"])}, InvalidInput),
        (["/bin/echo"], {"sandbox": run.Sandbox(read="/tmp")}, InvalidInput),
        (["/bin/echo"], {"sandbox": run.Sandbox(network=[0])}, InvalidInput),
        (["/bin/echo"], {"sandbox": run.Sandbox(identity=run.Identity(0, 0))}, InvalidInput),
        (["/bin/echo"], {"sandbox": run.Sandbox(identity=run.Identity(54_321, 2**32 - 1))}, InvalidInput),
        (["/bin/echo"], {"sandbox": run.Sandbox(identity=run.Identity(54_321, 54_321, (2**32 - 1,)))}, InvalidInput),
        (["/bin/echo", Path("-n")], {}, Refused),
        (["/bin/echo", "\ud800"], {}, InvalidInput),
        (["/bin/echo"], {"environment": {"A": "\ud800"}}, InvalidInput),
        (["/bin/echo"], {"environment": {"OPENSSL_CONF": "/tmp/x"}}, Refused),
        (["/bin/echo"], {"grace": 1e18}, InvalidInput),
        (["/bin/echo"], {"grace": -1}, InvalidInput),
        (["/bin/echo"], {"max_output": -1}, InvalidInput),
        (["/bin/echo"], {"umask": -1}, InvalidInput),
        (["/bin/echo"], {"timeout": 0}, InvalidInput),
        (["/bin/echo"], {"timeout": float("nan")}, InvalidInput),
        (["/bin/echo"], {"limits": run.Limits(memory_bytes=-1)}, InvalidInput),
        (["/does/not/exist"], {}, FileNotFoundError),
        (["/etc/passwd"], {}, PermissionError),
    ]
    for argv, options, error in cases:
        with pytest.raises(error):
            run.run(argv, **{"timeout": 60, **options})


def test_unconfined_leaves_a_trace(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "pyward_guard.run"):
        done = run.run(["/bin/echo", "x"], timeout=60, sandbox=run.UNCONFINED)
    assert done.stdout == b"x\n" and "without a sandbox" in caplog.text


def test_find_program(tmp_path: Path) -> None:
    assert run.find_program("env") in ("/usr/bin/env", "/bin/env")
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o777)
    for name, directories in (("tool", [tmp_path]), ("../bin/env", ["/usr/bin"]), ("no-such-program", ["/usr/bin"]), ("a\0b", ["/usr/bin"]), ("\ud800", ["/usr/bin"])):
        with pytest.raises(GuardError):
            run.find_program(name, directories=directories)


# --- bounds -------------------------------------------------------------------------------------------


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def gone(pid: int) -> bool:
    until = time.monotonic() + 60
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not alive(pid)


def test_time_is_up_for_the_whole_family() -> None:
    """A child that ignores SIGTERM, forks twice, and tries to start a session of its own."""
    with pytest.raises(run.TimedOut) as caught:
        python(
            """
            import time
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            for step in range(2):
                if os.fork():
                    time.sleep(600)
            print(os.getpid(), attempt(os.setsid), attempt(lambda: os.setpgid(0, 0)), flush=True)
            time.sleep(600)
            """,
            # Long enough for an interpreter to start on a busy machine.
            timeout=4,
            grace=0.2,
        )
    completed = caught.value.completed
    pid, setsid, setpgid = completed.text.split()
    assert (setsid, setpgid) == ("EPERM", "EPERM")
    assert completed.ended == "timeout" and completed.duration < 300
    assert gone(int(pid))


def test_nothing_stays_behind_after_a_normal_end() -> None:
    pid = lines("pid = os.fork()\nif pid: print(pid)\nelse: os.close(1); os.close(2); signal.pause()")[0]
    assert gone(int(pid))


def test_output_is_bounded() -> None:
    for stream in ("stdout", "stderr"):
        with pytest.raises(run.OutputExceeded) as caught:
            python(f"while True: sys.{stream}.write('x' * 4096)", max_output=10_000)
        assert len(getattr(caught.value.completed, stream)) == 10_000
    exact = python("sys.stdout.write('x' * 10_000)", max_output=10_000)
    assert len(exact.stdout) == 10_000


def test_large_input_and_output_at_once() -> None:
    content = os.urandom(3 << 20)
    assert run.run(["/bin/cat"], input=content, timeout=120, max_output=4 << 20).stdout == content


def test_failures() -> None:
    with pytest.raises(run.Failed) as caught:
        python("sys.exit(3)")
    assert caught.value.completed.returncode == 3
    assert python("os.kill(os.getpid(), 9)", check=False).returncode == -9


def test_limits() -> None:
    memory = python("try: bytearray(1 << 30)\nexcept MemoryError: print('memory')", limits=run.Limits(memory_bytes=400 << 20))
    assert memory.text == "memory\n"
    with pytest.raises(run.Failed) as cpu:
        # On a busy machine a second of processor time takes its while.
        python("while True: pass", limits=run.Limits(cpu_seconds=1), timeout=600)
    assert cpu.value.completed.returncode in (-signal.SIGKILL, -signal.SIGXCPU)
    opened = lines("print(attempt(lambda: [os.dup(1) for _ in range(100)]))", limits=run.Limits(open_files=20))
    assert opened == ["EMFILE"]
    core = lines("import resource; print(*resource.getrlimit(resource.RLIMIT_CORE))")
    assert core == ["0", "0"]


@needs_files
def test_file_size_limit(tmp_path: Path) -> None:
    target = tmp_path / "big"
    with pytest.raises(run.Failed) as caught:
        python(f"open({str(target)!r}, 'wb').write(bytes(1 << 20))", limits=run.Limits(file_bytes=1000))
    assert caught.value.completed.returncode in (-signal.SIGXFSZ, 1)
    assert target.stat().st_size <= 1000


@needs_root
def test_fork_bomb() -> None:
    identity = run.Identity(54_321, 54_321)
    code = """
        children = 0
        try:
            while True:
                if os.fork() == 0:
                    signal.pause()
                children += 1
        except OSError as error:
            print(children, errno.errorcode[error.errno])
        """
    with reachable_python() as program:
        done = run.run(
            [program, "-I", "-S", "-c", PRELUDE + textwrap.dedent(code)],
            timeout=120,
            sandbox=run.Sandbox(identity=identity),
            limits=run.Limits(processes=12),
        )
    assert done.text.split() == ["11", "EAGAIN"]
    with pytest.raises(Unsupported):
        run.run(["/bin/true"], timeout=60, limits=run.Limits(processes=12))


# --- privileges ---------------------------------------------------------------------------------------


def reachable_python() -> Any:
    """A system interpreter that other users can run (the one running the tests may be below /root)."""
    from contextlib import nullcontext

    for candidate in ("/usr/bin/python3", PYTHON):
        probe = subprocess.run(
            [candidate, "-c", ""], user=54_321 if os.geteuid() == 0 else None, capture_output=True, check=False
        ) if os.path.exists(candidate) and os.access(candidate, os.X_OK) else None
        if probe is not None and probe.returncode == 0:
            return nullcontext(candidate)
    pytest.skip("no interpreter that another user can run")


def test_no_privileges() -> None:
    status = dict(
        line.split(":", 1) for line in python("print(open('/proc/self/status').read())").text.splitlines() if ":" in line
    )
    status = {name: value.strip() for name, value in status.items()}
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[name], 16) == 0, name
    if HOST.effective_user == 0:
        assert int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"


@needs_root
def test_user_and_groups_are_dropped_for_good() -> None:
    before = os.getgroups()
    os.setgroups([0, 4, 27])
    try:
        with reachable_python() as program:
            code = PRELUDE + textwrap.dedent(
                """
                print(os.getresuid(), os.getresgid(), os.getgroups())
                print(attempt(lambda: os.setuid(0)), attempt(lambda: os.setgid(0)), attempt(lambda: os.setgroups([0])))
                print(attempt(lambda: open('/etc/shadow')))
                """
            )
            sandbox = run.Sandbox(identity=run.Identity(54_321, 54_321, (54_400,)))
            done = run.run([program, "-I", "-S", "-c", code], timeout=120, sandbox=sandbox)
    finally:
        os.setgroups(before)
    assert done.text.splitlines() == [
        "(54321, 54321, 54321) (54321, 54321, 54321) [54400]",
        "EPERM EPERM EPERM",
        "EACCES",
    ]


@needs_root
def test_set_user_id_programs_give_nothing() -> None:
    su = next((p for p in ("/bin/su", "/usr/bin/su") if os.path.exists(p) and os.stat(p).st_mode & 0o4000), None)
    if su is None:
        pytest.skip("no set-user-ID program")
    done = run.run(
        ["/bin/sh", "-c", f"{su} -c id; id -u"],
        timeout=60,
        check=False,
        sandbox=run.Sandbox(identity=run.Identity(54_321, 54_321)),
    )
    assert done.text.split()[-1] == "54321" and "uid=0" not in done.text


def as_ordinary_user(work: Callable[[], str]) -> str:
    """What ``work`` gives in a process that is not root's; its children are as able to look into it as any."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(54_321, 54_321, 54_321)
                os.setresuid(54_321, 54_321, 54_321)
            ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, which the change of user clears
            try:
                text = work()
            except Exception as error:
                text = f"{type(error).__name__}: {error}"
            os.write(writer, text.encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    return text


@pytest.mark.parametrize(
    "sandbox", [run.Sandbox(), run.Sandbox(syscalls="strict"), run.Sandbox(network=True)], ids=["default", "strict", "network"]
)
def test_other_processes_of_the_user_are_out_of_reach(sandbox: run.Sandbox) -> None:
    with reachable_python() as program:
        code = PRELUDE + textwrap.dedent(
            """
            parent = os.getppid()
            print(attempt(lambda: open(f"/proc/{parent}/mem", "r+b")), attempt(lambda: open(f"/proc/{parent}/environ", "rb")))
            for name in ("fd/0", "root", "cwd"):
                print(attempt(lambda: os.readlink(f"/proc/{parent}/{name}")))
            import resource
            print(attempt(lambda: resource.prlimit(parent, resource.RLIMIT_CPU, (1, 1))))
            print(attempt(lambda: resource.setrlimit(resource.RLIMIT_CPU, (600, 600))))
            """
        )
        found = as_ordinary_user(lambda: run.run([program, "-I", "-S", "-c", code], timeout=120, sandbox=sandbox).text)
    assert found.split() == ["EACCES"] * 5 + ["EPERM", "ok"], found


# --- system calls -------------------------------------------------------------------------------------

X86_64_CALLS = {
    "ptrace": (101, 0), "unshare": (272, 0x10000000), "setns": (308, 0, 0), "mount": (165, 0, 0, 0, 0, 0),
    "umount2": (166, 0, 0), "pivot_root": (155, 0, 0), "chroot": (161, 0), "bpf": (321, 0, 0, 0),
    "perf_event_open": (298, 0, 0, 0, 0, 0), "io_uring_setup": (425, 1, 0), "userfaultfd": (323, 0),
    "keyctl": (250, 0, 0, 0, 0, 0), "add_key": (248, 0, 0, 0, 0, 0), "init_module": (175, 0, 0, 0),
    "finit_module": (313, 0, 0, 0), "kexec_load": (246, 0, 0, 0, 0), "reboot": (169, 0, 0, 0, 0),
    "open_by_handle_at": (304, 0, 0, 0), "process_vm_readv": (310, 1, 0, 0, 0, 0, 0),
    "process_vm_writev": (311, 1, 0, 0, 0, 0, 0), "pidfd_getfd": (438, 0, 0, 0), "personality": (135, 0x0040000),
    "settimeofday": (164, 0, 0), "swapon": (167, 0, 0), "iopl": (172, 3), "fsopen": (430, 0, 0), "socket": (41, 2, 1, 0),
    "clone(NEWUSER)": (56, 0x10000000 | 17, 0, 0, 0, 0), "clone(NEWNET)": (56, 0x40000000 | 17, 0, 0, 0, 0),
    "ioctl(TIOCSTI)": (16, 0, 0x5412, 0), "ioctl(TIOCSTI) with high bits": (16, 0, 0x5412 | 1 << 32, 0),
}


@x86_64
@pytest.mark.parametrize("name", X86_64_CALLS)
def test_denied_calls(name: str) -> None:
    numbers = ", ".join(str(n) for n in X86_64_CALLS[name])
    assert lines(f"print(syscall({numbers}))") == ["EPERM"]


@x86_64
def test_other_ways_to_call_the_kernel() -> None:
    # clone3 hides its flags from the filter: it has to look like it does not exist.
    assert lines("print(syscall(435, 0, 0))") == ["ENOSYS"]
    # The x32 numbers of socket, ptrace and execve.
    for number in (41, 521, 520, 101):
        assert lines(f"print(syscall({0x40000000 | number}, 2, 1, 0))") == ["ENOSYS"]
    # The 32-bit entry (int 0x80) has other numbers: socketcall would be 102.
    machine_code = """
        import mmap
        code = bytes.fromhex("b866000000cd80c3")  # mov eax, 102; int 0x80; ret
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(code)
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        ctypes.CFUNCTYPE(ctypes.c_int)(address)()
        print("survived")
        """
    done = python(machine_code, check=False)
    assert done.returncode == -signal.SIGSYS and done.text == ""


def test_strict_profile() -> None:
    code = """
        import threading
        print(attempt(os.fork), attempt(lambda: os.kill(os.getppid(), 0)), attempt(lambda: socket.socketpair()))
        thread = threading.Thread(target=lambda: print(sum(range(10))))
        thread.start(); thread.join()
        print(len(open('/proc/self/status').read()) > 0)
        """
    assert lines(code, sandbox=run.Sandbox(syscalls="strict")) == ["EPERM", "EPERM", "EPERM", "45", "True"]


# --- files --------------------------------------------------------------------------------------------


@needs_files
def test_file_escapes(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET")
    box = tmp_path / "box"
    box.mkdir()
    (box / "link").symlink_to(tmp_path / "secret")
    code = """
        box = sys.argv[1]
        secret = os.path.join(os.path.dirname(box), 'secret')
        attempts = {
            'read': lambda: open(secret),
            'dotdot': lambda: open(box + '/../secret'),
            'write': lambda: open(secret, 'w'),
            'truncate': lambda: os.truncate(secret, 0),
            'link': lambda: open(box + '/link'),
            'proc root': lambda: open('/proc/self/root' + secret),
            'proc cwd': lambda: open('/proc/self/cwd/..' + secret),
            'parent environment': lambda: open(f'/proc/{os.getppid()}/environ', 'rb').read(),
            'parent memory': lambda: open(f'/proc/{os.getppid()}/mem', 'rb'),
            'hard link': lambda: os.link(secret, box + '/hard'),
            'rename out': lambda: (open(box + '/mine', 'w').close(), os.rename(box + '/mine', secret)),
            'remove': lambda: os.remove(secret),
            'make outside': lambda: open(os.path.dirname(box) + '/new', 'w'),
            'list outside': lambda: os.listdir(os.path.dirname(box)),
            'passwd': lambda: open('/etc/passwd'),
            'shadow': lambda: open('/etc/shadow'),
            'device': lambda: open('/dev/mem', 'rb'),
            'node': lambda: os.mknod(box + '/node', 0o60600, 0x800),
            'chroot': lambda: os.chroot(box),
        }
        for name, call in attempts.items():
            print(name.replace(' ', '_'), attempt(call))
        print('own', attempt(lambda: open(box + '/own', 'w').write('x')), attempt(lambda: open(box + '/own').read()))
        """
    result = python(code, str(box), sandbox=run.Sandbox(write=[box]), files=True)
    outcomes = [line.split() for line in result.text.splitlines()]
    assert len(outcomes) == 20
    assert outcomes.pop() == ["own", "ok", "ok"]
    for name, outcome in outcomes:
        assert outcome in ("EACCES", "EPERM", "EXDEV", "ENOENT"), (name, outcome)
    assert (tmp_path / "secret").read_text() == "SECRET"
    assert sorted(os.listdir(tmp_path)) == ["box", "secret"]


@needs_files
def test_written_files_cannot_be_executed(tmp_path: Path) -> None:
    code = """
        path = sys.argv[1] + '/tool'
        open(path, 'wb').write(open('/bin/true', 'rb').read())
        os.chmod(path, 0o700)
        print(attempt(lambda: os.execv(path, [path])))
        """
    assert lines(code, str(tmp_path), sandbox=run.Sandbox(write=[tmp_path]), files=True) == ["EACCES"]


@needs_files
def test_read_rules_do_not_allow_writing(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("data")
    code = """
        path = sys.argv[1] + '/data'
        print(open(path).read(), attempt(lambda: open(path, 'a')), attempt(lambda: os.remove(path)))
        """
    assert lines(code, str(tmp_path), sandbox=run.Sandbox(read=[tmp_path]), files=True) == ["data", "EACCES", "EACCES"]


@pytest.mark.skipif(HOST.landlock_abi < 6, reason="no Landlock scopes")
def test_signals_stay_inside() -> None:
    code = "print(attempt(lambda: os.kill(os.getppid(), 0)), attempt(lambda: os.kill(os.getpid(), 0)))"
    assert lines(code, files=True, sandbox=run.Sandbox(files=True)) == ["EPERM", "ok"]


# --- network ------------------------------------------------------------------------------------------


def test_no_network() -> None:
    code = """
        kinds = [(2, 1), (2, 2), (10, 1), (10, 2), (2, 3), (1, 1), (1, 2), (16, 3), (17, 3), (40, 1), (38, 5)]
        print(*[attempt(lambda f=f, k=k: socket.socket(f, k)) for f, k in kinds])
        """
    assert set(lines(code)) == {"EPERM"}


@needs_ports
def test_sending_does_not_connect() -> None:
    """TCP fast open connects by sending, which Landlock's rules for connections do not see."""
    with socket.create_server(("127.0.0.1", 0)) as allowed, socket.create_server(("127.0.0.1", 0)) as other:
        other.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
        code = """
            there = ('127.0.0.1', int(sys.argv[1]))
            flag = socket.MSG_FASTOPEN
            print(attempt(lambda: socket.socket().sendto(b'x', flag, there)))
            print(attempt(lambda: socket.socket().sendmsg([b'x'], [], flag, there)))
            print(syscall(307, socket.socket().fileno(), 0, 0, flag) if os.uname().machine == 'x86_64' else 'EPERM')
            print(attempt(lambda: socket.socket().setsockopt(socket.IPPROTO_TCP, 31, b'tls')))
            """
        sandbox = run.Sandbox(network=[allowed.getsockname()[1]])
        found = lines(code, str(other.getsockname()[1]), sandbox=sandbox)
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()
    assert found == ["EPERM"] * 4


@pytest.mark.parametrize("sandbox", [run.Sandbox(), *([run.Sandbox(network=[443])] if HOST.landlock_abi >= 4 else [])], ids=str)
def test_pairs_of_sockets_reach_nobody_else(sandbox: run.Sandbox, tmp_path: Path) -> None:
    """A datagram socket of a pair can send to any other address; nothing of the network is needed to make one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as outside:
        outside.bind(f"\0pyward-{os.getpid()}")
        outside.setblocking(False)
        code = """
            print(attempt(lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b'x', '\\0' + sys.argv[1])))
            print(attempt(lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_RAW)))
            a, b = socket.socketpair(); a.send(b'x'); print(attempt(lambda: b.recv(1)))
            """
        assert lines(code, f"pyward-{os.getpid()}", sandbox=sandbox) == ["EPERM", "EPERM", "ok"]
        with pytest.raises(BlockingIOError):
            outside.recv(1)


@needs_ports
def test_only_the_ports_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as allowed, socket.create_server(("127.0.0.1", 0)) as other:
        code = """
            def tcp(port, protocol=0):
                with socket.socket(2, 1, protocol) as s:
                    s.connect(('127.0.0.1', port))
            def bind():
                with socket.socket() as s:
                    s.bind(('127.0.0.1', 0)); s.listen()
            allowed, other = map(int, sys.argv[1:])
            print(attempt(lambda: tcp(allowed)), attempt(lambda: tcp(other)), attempt(bind))
            print(attempt(lambda: tcp(other, 262)), attempt(lambda: socket.socket(2, 2)), attempt(lambda: socket.socket(1, 1)))
            print(attempt(lambda: socket.socket(2, 1, 132)))
            """
        ports = allowed.getsockname()[1], other.getsockname()[1]
        found = lines(code, *map(str, ports), sandbox=run.Sandbox(network=[ports[0]]))
    assert found == ["ok", "EACCES", "EACCES", "EPERM", "EPERM", "EPERM", "EPERM"]


def test_full_network_on_request() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        code = "socket.create_connection(('127.0.0.1', int(sys.argv[1]))); print('ok')"
        assert lines(code, port, sandbox=run.Sandbox(network=True)) == ["ok"]


# --- a host that cannot --------------------------------------------------------------------------------


@x86_64
@pytest.mark.parametrize(("number", "sandbox"), [(444, "Sandbox(files=True)"), (317, "Sandbox()")])
def test_a_weak_host_is_refused(number: int, sandbox: str) -> None:
    """A process for which one system call does not exist, as on an old kernel or in some containers."""
    code = f"""
        import ctypes, struct
        program = struct.pack("HBBIHBBIHBBIHBBI", 0x20, 0, 0, 0, 0x15, 0, 1, {number}, 6, 0, 0, 0x50026, 6, 0, 0, 0x7FFF0000)
        buffer = ctypes.create_string_buffer(program)
        filter = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer)))
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter, 0, 0) == 0
        from pyward_guard import Unsupported, run
        try:
            run.run(["/bin/echo", "ran"], timeout=60, sandbox=run.{sandbox})
        except Unsupported as error:
            print("unsupported:", error)
        """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("unsupported:"), done.stdout


@x86_64
def test_a_host_that_cannot_guard_memory_is_refused() -> None:
    """Without Landlock and Yama, for an ordinary user."""

    def work() -> str:
        program = struct.pack("HBBIHBBIHBBIHBBI", 0x20, 0, 0, 0, 0x15, 0, 1, 444, 6, 0, 0, 0x50026, 6, 0, 0, 0x7FFF0000)
        buffer = ctypes.create_string_buffer(program)
        filter = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer)))
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter, 0, 0) == 0
        host = run.host()
        assert host.landlock_abi == 0 and host.confines == host.isolates_processes
        return run.run(["/bin/echo", "ran"], timeout=60).text

    yama = Path("/proc/sys/kernel/yama/ptrace_scope")
    guarded = yama.exists() and yama.read_text().strip() != "0"
    assert as_ordinary_user(work).startswith("ran" if guarded else "Unsupported: "), as_ordinary_user(work)


# --- the running process -------------------------------------------------------------------------------


def restricted(code: str) -> list[str]:
    head = "from pyward_guard import run\nfrom pyward_guard.run import Sandbox, Limits, restrict_self\n"
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + head + textwrap.dedent(code)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@needs_files
def test_restrict_self(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in/data").write_text("data")
    found = restricted(
        f"""
        import subprocess
        restrict_self(Sandbox(read=[{str(tmp_path / "in")!r}], write=[{str(tmp_path / "out")!r}]))
        print(open({str(tmp_path / "in/data")!r}).read())
        print(attempt(lambda: open({str(tmp_path / "in/new")!r}, 'w')))
        print(attempt(lambda: open({str(tmp_path / "out/new")!r}, 'w')))
        print(attempt(lambda: open('/etc/passwd')), attempt(lambda: socket.socket()))
        import wave, fractions  # later imports still work
        print(subprocess.run(['/bin/cat', '/etc/passwd'], capture_output=True).returncode)
        """
    )
    assert found == ["data", "EACCES", "ok", "EACCES", "EPERM", "1"]


def test_restrict_self_without_processes() -> None:
    code = """
        print(*restrict_self(Sandbox(), processes=False), sep=';', file=sys.stderr)
        print(attempt(os.fork), attempt(lambda: os.execv('/bin/true', ['true'])))
        import threading
        thread = threading.Thread(target=lambda: print('thread')); thread.start(); thread.join()
        """
    assert restricted(code) == ["EPERM", "EPERM", "thread"]


def test_programs_run_in_a_restricted_process() -> None:
    code = """
        import subprocess
        restrict_self(Sandbox())
        print(run.run(["/bin/echo", "confined"], timeout=60).text)
        print(run.run(["/bin/echo", "ports"], timeout=60, sandbox=Sandbox(syscalls="strict")).text)
        print(subprocess.run(["/bin/echo", "session"], start_new_session=True, capture_output=True, text=True).stdout)
        """
    assert restricted(code) == ["confined", "ports", "session"]


def test_restrict_self_refuses_threads() -> None:
    code = """
        import threading
        threading.Thread(target=lambda: input(), daemon=True).start() if False else None
        event = threading.Event()
        threading.Thread(target=event.wait, daemon=True).start()
        from pyward_guard import Refused
        try:
            restrict_self(Sandbox())
        except Refused as error:
            print('refused')
        print(attempt(lambda: socket.socket()))
        event.set()
        """
    assert restricted(code) == ["refused", "ok"]


@needs_root
def test_restrict_self_drops_the_user() -> None:
    code = """
        restrict_self(Sandbox(identity=run.Identity(54321, 54321)))
        print(os.getresuid() == (54321,) * 3, os.getgroups(), attempt(lambda: os.setuid(0)))
        """
    assert restricted(code) == ["True", "[]", "EPERM"]


# --- threads, asyncio, Ctrl-C ----------------------------------------------------------------------------


def test_many_threads_at_once() -> None:
    results: list[bytes] = []

    def one(index: int) -> None:
        results.append(run.run(["/bin/cat"], input=b"%d" % index * 1000, timeout=120).stdout)

    threads = [threading.Thread(target=one, args=(index,)) for index in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(b"%d" % index * 1000 for index in range(16))


async def test_asyncio_runs_side_by_side(tmp_path: Path) -> None:
    # Each waits for all the others: one after the other, none would end.
    script = f"cd {tmp_path}; : > $0; while [ $(ls | wc -l) -lt 8 ]; do sleep 0.05; done"
    done = await asyncio.gather(*[run.arun(["/bin/sh", "-c", script, str(number)], timeout=120) for number in range(8)])
    assert [one.returncode for one in done] == [0] * 8


@pytest.mark.parametrize("twice", [False, True])
async def test_cancelling_the_task_ends_the_process(tmp_path: Path, twice: bool) -> None:
    pid_file = tmp_path / "pid"
    sandbox = run.Sandbox()
    task = asyncio.create_task(
        run.arun(["/bin/sh", "-c", f"echo $$ > {pid_file}; exec sleep 600"], timeout=600, sandbox=sandbox)
    )
    while not pid_file.exists() or not pid_file.read_text():
        await asyncio.sleep(0.01)
    pid = int(pid_file.read_text())
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    task.cancel()
    if twice:
        await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gone(pid)
    del task
    gc.collect()
    await asyncio.sleep(0)
    assert not complaints


async def test_closing_the_coroutine_ends_the_process(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    coroutine = run.arun(["/bin/sh", "-c", f"echo $$ > {pid_file}; exec sleep 600"], timeout=600)
    coroutine.send(None)
    while not pid_file.exists() or not pid_file.read_text():
        await asyncio.sleep(0.01)
    coroutine.close()
    assert gone(int(pid_file.read_text()))


def test_ctrl_c_ends_the_process(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    def interrupt() -> None:
        while not pid_file.exists() or not pid_file.read_text():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    # A run in the background is started with the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run.run(["/bin/sh", "-c", f"echo $$ > {pid_file}; exec sleep 600"], timeout=600)
    finally:
        signal.signal(signal.SIGINT, before)
    assert gone(int(pid_file.read_text()))


def test_the_child_does_not_outlive_its_parent(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = f"""
        from pyward_guard import run
        run.run(["/bin/sh", "-c", "echo $$ > {pid_file}; exec sleep 600"], timeout=600)
        """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
    until = time.monotonic() + 120
    while (not pid_file.exists() or not pid_file.read_text()) and time.monotonic() < until:
        time.sleep(0.01)
    parent.kill()
    parent.wait()
    assert gone(int(pid_file.read_text()))

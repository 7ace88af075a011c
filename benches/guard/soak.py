"""Mixed work for a long time, with memory watched: what is bounded must stay so."""

from __future__ import annotations

import gc
import itertools
import logging
import threading
import time
from collections import deque
from datetime import timedelta

from pyward_guard import errors, limits
from pyward_guard.access import Entity, EntityData, Kind, Policy, Role, User
from pyward_guard.headers import CSP, CSRF, SecurityHeaders
from pyward_guard.headers._protect import RequestState
from pyward_guard.http import safe_redirect
from pyward_guard.sessions import MemoryStore, SessionManager


def resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def fill(limiter: limits.MemoryLimiter, lockout: limits.MemoryLockout) -> None:
    """Brings the bounded tables to their bounds, and their memory to its own, before the watch begins.

    A table that is full and in motion doubles once more, when its deleted places have used up the free ones.
    """
    for number in range(400_000):
        limiter.check(f"fill-{number}")
    for number in range(100_000):
        with lockout.attempt(f"fill-{number}", f"10.{number // 65536 + 1}.{number % 256}.{number // 256 % 256}") as attempt:
            attempt.succeeded()


def soak(seconds: float, *, threads: int = 2) -> int:
    """Runs until the time is over; 1 when memory grew by more than 5 % in the second half, when every table has its size."""
    store = MemoryStore(limit=20_000)
    sessions = SessionManager(store, idle=timedelta(seconds=60), absolute=timedelta(seconds=120), touch=timedelta(0))
    limiter = limits.MemoryLimiter(limits.Window(100, timedelta(seconds=1)), max_keys=20_000)
    lockout = limits.MemoryLockout(limits.LockoutRule(first=timedelta(seconds=1), longest=timedelta(seconds=2), forget=timedelta(seconds=2)), max_keys=20_000)
    policy = Policy()
    policy.permit(Role("member"), "read", Kind("Page"), when="resource.owner == principal")
    headers, csrf = SecurityHeaders(csp=CSP.strict()), CSRF([b"k" * 32])
    stop = threading.Event()
    done = itertools.count()
    failures: list[BaseException] = []

    def work(thread: int) -> None:
        # Sessions end by their number, so that their count does not depend on how fast the machine is.
        open_sessions: deque[str] = deque()
        try:
            for number in itertools.count():
                if stop.is_set():
                    return
                name = f"user-{thread}-{number}"
                if len(open_sessions) == 1000:
                    oldest = sessions.load(open_sessions.popleft())
                    oldest.logout()
                    sessions.save(oldest)
                session = sessions.load(None)
                session.login(name)
                session["cart"] = [number]
                cookie = sessions.save(session)
                assert cookie is not None and sessions.load(cookie.value).user == name
                open_sessions.append(cookie.value)
                limiter.check(name)
                try:
                    with lockout.attempt(name, f"10.0.{number % 256}.{number // 256 % 256}") as attempt:
                        if number % 2:
                            attempt.succeeded()
                except limits.LockedOut:
                    pass
                policy.assign(User(name), "member")
                page = EntityData(Entity("Page", "7"), attributes={"owner": User(name)})
                assert policy.decide(User(name), "read", page)
                policy.withdraw(User(name), "member")
                state = RequestState("n", csrf, "cookie", session)
                csrf.check_token(state, csrf.token(state))
                headers.fields("nonce")
                safe_redirect("/x?y", default="/")
                errors.render(errors.Incident.new(), "text/html")
                if number % 500 == 0:
                    sessions.purge()
                next(done)
        except BaseException as error:
            failures.append(error)
            stop.set()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    # Every second round locks somebody out, which is a line in the log.
    logging.getLogger("pyward_guard").setLevel(logging.CRITICAL)
    fill(limiter, lockout)
    started = time.monotonic()
    for worker in workers:
        worker.start()
    samples: list[tuple[float, int]] = []
    while time.monotonic() - started < seconds and not stop.is_set():
        time.sleep(max(0.1, seconds / 50))
        gc.collect()
        samples.append((time.monotonic() - started, resident()))
        print(f"{samples[-1][0]:7.1f} s  {samples[-1][1] / (1 << 20):7.1f} MiB", flush=True)
    stop.set()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]
    settled = [memory for moment, memory in samples if moment > seconds / 2]
    growth = max(settled[-5:]) / max(settled[:5]) - 1
    print(f"{next(done):,} rounds, memory {growth:+.1%} in the second half")
    return int(growth > 0.05)

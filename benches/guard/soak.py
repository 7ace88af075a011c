"""Mixed work for a long time, with memory watched: what is bounded must stay so."""

from __future__ import annotations

import gc
import itertools
import json
import logging
import os
import sys
import tempfile
import threading
import time
import zipfile
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

from pyward_guard import eval as guard_eval
from pyward_guard import errors, html, limits, logs, passwords, privacy, run, serialize, sql, validate
from pyward_guard.access import Entity, EntityData, Kind, Policy, Role, User
from pyward_guard.crypto import Aead, KeySet
from pyward_guard.headers import CSP, CSRF, SecurityHeaders
from pyward_guard.headers._protect import RequestState
from pyward_guard.http import safe_redirect
from pyward_guard.mfa import Totp
from pyward_guard.paths import Directory
from pyward_guard.sessions import MemoryStore, SessionManager, SQLiteStore
from pyward_guard.tokens import Jwk, JwtIssuer, JwtVerifier, SignedTokens


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


def other_modules(folder: str) -> list[Callable[[int], Any]]:
    """One piece of work for each module beside those of the web, each with data that differs by its number."""
    base = Directory(folder)
    key = Jwk.generate("EdDSA")
    issuer = JwtIssuer(key, algorithm="EdDSA", lifetime=3600, issuer="https://id.example", audience="shop")
    verifier = JwtVerifier(key.to_public(), algorithms=["EdDSA"], issuer="https://id.example", audience="shop")
    signed: SignedTokens[Any] = SignedTokens(os.urandom(32), purpose="soak", lifetime=3600)
    keys = KeySet.generate("aead")
    redactor, sanitizer = logs.Redactor(), html.Sanitizer(html.preset("article"))
    hasher = passwords.PasswordHasher("bcrypt", time_cost=10)
    on_disk = SessionManager(SQLiteStore(os.path.join(folder, "sessions.sqlite3")))
    find = sql.SQL("select id from users where name = {name} and role in {roles}")
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for name in range(10):
            out.writestr(f"d/{name}.txt", "text" * 100)

    def files(number: int) -> None:
        name = f"f{number}"
        base.write_bytes(name, b"x" * (number % 5000))
        base.remove(name)

    def unpack(number: int) -> None:
        base.extract(archive.getvalue(), f"a{number}")
        base.remove_directory(f"a{number}", tree=True)

    def session(number: int) -> None:
        one = on_disk.load(None)
        one.login(f"user-{number}")
        cookie = on_disk.save(one)
        assert cookie is not None
        again = on_disk.load(cookie.value)
        again.logout()
        on_disk.save(again)

    return [
        lambda n: verifier.verify(issuer.issue({"n": n}, subject=str(n))),
        lambda n: signed.verify(signed.issue({"n": n})),
        lambda n: Aead(keys).decrypt(Aead(keys).encrypt(b"x" * (n % 9000), b"context"), b"context"),
        lambda n: sanitizer.clean(f"<p onclick=x>{n} <b>text</b><script>{n}</script>" * (n % 40)),
        lambda n: html.escape(f"<{n}>" * (n % 100)),
        lambda n: serialize.msgpack_loads(serialize.msgpack_dumps({"n": n, "list": list(range(n % 200))})),
        lambda n: validate.json(json.dumps({"n": n, "list": list(range(n % 200))})),
        lambda n: validate.email(f"user{n}@example.org"),
        lambda n: redactor.line(f"POST /login/{n} password=hunter{n} token=abcdef0123456789"),
        lambda n: privacy.pseudonym(f"user{n}@example.org", key=bytes(32), purpose="soak"),
        lambda n: find.format(name=f"ada{n}", roles=["a"] * (n % 9 + 1)).compile("qmark", "sqlite"),
        lambda n: guard_eval.Expression(f"amount > {n} and country in ['DE', 'FR']", names=["amount", "country"]).evaluate({"amount": 1, "country": "DE"}),
        lambda n: Totp.generate().code(n),
        lambda n: hasher.verify(f"horse {n}", hasher.hash(f"horse {n}")) if n % 25 == 0 else None,
        lambda n: run.run(["/bin/true"], timeout=30) if n % 5 == 0 else None,
        files,
        unpack,
        session,
    ]


def soak(seconds: float, *, threads: int = 2) -> int:
    """Runs until the time is over; 1 when memory or Python's objects grew by more than 5 % in the second half.

    By then every table has its size. Memory moves by arenas of a megabyte; the count of objects tells a leak from those.
    """
    store = MemoryStore(limit=20_000)
    sessions = SessionManager(store, idle=timedelta(seconds=60), absolute=timedelta(seconds=120), touch=timedelta(0))
    limiter = limits.MemoryLimiter(limits.Window(100, timedelta(seconds=1)), max_keys=20_000)
    lockout = limits.MemoryLockout(limits.LockoutRule(first=timedelta(seconds=1), longest=timedelta(seconds=2), forget=timedelta(seconds=2)), max_keys=20_000)
    policy = Policy()
    policy.permit(Role("member"), "read", Kind("Page"), when="resource.owner == principal")
    headers, csrf = SecurityHeaders(csp=CSP.strict()), CSRF([b"k" * 32])
    folder = tempfile.TemporaryDirectory(prefix="pyward-soak-")
    others = other_modules(folder.name)
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
                others[number % len(others)](number * threads + thread)
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
    samples: list[tuple[float, int, int]] = []
    while time.monotonic() - started < seconds and not stop.is_set():
        time.sleep(max(0.1, seconds / 50))
        gc.collect()
        samples.append((time.monotonic() - started, resident(), sys.getallocatedblocks()))
        print(f"{samples[-1][0]:7.1f} s  {samples[-1][1] / (1 << 20):7.1f} MiB  {samples[-1][2]:9,} objects", flush=True)
    stop.set()
    for worker in workers:
        worker.join()
    folder.cleanup()
    if failures:
        raise failures[0]
    settled = [sample for sample in samples if sample[0] > seconds / 2]
    memory, objects = (max(s[column] for s in settled[-5:]) / max(s[column] for s in settled[:5]) - 1 for column in (1, 2))
    print(f"{next(done):,} rounds; in the second half: memory {memory:+.1%}, Python objects {objects:+.1%}")
    return int(memory > 0.05 or objects > 0.05)

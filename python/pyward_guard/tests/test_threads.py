"""One object of each kind, used by many threads at once. On free-threaded builds they really run at the same time."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import sysconfig
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyward_guard
import pytest
from pyward_guard import VerificationFailed, html, logs, privacy, serialize, sql, validate
from pyward_guard import eval as guard_eval
from pyward_guard.access import Policy, Role, User
from pyward_guard.crypto import Aead, KeySet
from pyward_guard.headers import CSRF, SecurityHeaders
from pyward_guard.headers._protect import RequestState
from pyward_guard.limits import LockoutRule, MemoryLimiter, MemoryLockout, Window
from pyward_guard.mfa import MemoryReplayGuard, Totp
from pyward_guard.passwords import PasswordHasher
from pyward_guard.paths import Directory
from pyward_guard.sessions import MemoryStore, SessionManager, SQLiteStore
from pyward_guard.tokens import Jwk, JwtIssuer, JwtVerifier, SignedTokens

THREADS = 8


def together(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """Results of one call in each thread, all started at the same moment; the first error is raised."""
    barrier = threading.Barrier(threads)
    results: list[Any] = [None] * threads
    errors: list[BaseException] = []

    def one(number: int) -> None:
        try:
            barrier.wait()
            results[number] = work(number)
        except BaseException as error:
            errors.append(error)

    running = [threading.Thread(target=one, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(300)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]
    return results


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="a free-threaded build")
def test_the_import_leaves_the_gil_off() -> None:
    modules = sorted(
        ".".join(("pyward_guard", *path.relative_to(Path(pyward_guard.__file__).parent).with_suffix("").parts)).removesuffix(".__init__")
        for path in Path(pyward_guard.__file__).parent.rglob("*.py")
    )
    # Only what needs no other package: whether those turn it on is their affair.
    code = (
        "import importlib, sys, pyward_guard\n"
        "assert not sys._is_gil_enabled()\n"
        f"for name in {modules!r}:\n"
        "    before = sys._is_gil_enabled()\n"
        "    try: importlib.import_module(name)\n"
        "    except ImportError: continue\n"
        "    if not before and sys._is_gil_enabled(): print(name)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON_GIL"}
    done = subprocess.run([sys.executable, "-W", "error::RuntimeWarning", "-c", code], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, ""), done


def test_shared_objects_give_each_thread_its_own_answers(tmp_path: Path) -> None:
    aead, streams = Aead(KeySet.generate("aead")), SignedTokens[Any](os.urandom(32), purpose="threads", lifetime=3600)
    key = Jwk.generate("EdDSA")
    issuer = JwtIssuer(key, algorithm="EdDSA", lifetime=3600, issuer="https://id.example", audience="shop")
    verifier = JwtVerifier(key.to_public(), algorithms=["EdDSA"], issuer="https://id.example", audience="shop")
    sanitizer, redactor = html.Sanitizer(html.preset("article")), logs.Redactor()
    rule = guard_eval.Expression("n * 2 + 1", names=["n"])
    find = sql.SQL("select id from users where name = {name}")
    base = Directory(tmp_path)
    headers, csrf = SecurityHeaders(), CSRF([b"k" * 32])

    def work(thread: int) -> None:
        for step in range(150):
            n = thread * 1000 + step
            text = f"value {n}"
            assert aead.decrypt(aead.encrypt(text.encode(), b"c"), b"c") == text.encode()
            assert streams.verify(streams.issue({"n": n})) == {"n": n}
            assert verifier.verify(issuer.issue({"n": n}, subject=str(n)))["sub"] == str(n)
            assert sanitizer.clean(f"<p onclick=x>{n}</p><script>{n}</script>") == f"<p>{n}</p>"
            assert str(html.escape(f"<{n}>")) == f"&lt;{n}&gt;"
            assert f"hunter{n}" not in redactor.line(f"POST /login password=hunter{n}")
            assert rule.evaluate({"n": n}) == n * 2 + 1
            assert find.format(name=text).compile("qmark", "sqlite")[1] == (text,)
            assert serialize.msgpack_loads(serialize.msgpack_dumps({"n": n})) == {"n": n}
            assert validate.email(f"user{n}@example.org") == f"user{n}@example.org"
            assert privacy.mask(f"user{n}@example.org", "email").endswith("@example.org")
            state = RequestState("n", csrf, f"cookie {n}", None)
            csrf.check_token(state, csrf.token(state))
            assert headers.fields(f"nonce{n}")
            if step % 30 == 0:
                base.write_bytes(f"f{n}", text.encode())
                assert base.read_bytes(f"f{n}") == text.encode()

    together(work)


def test_keys_rotate_while_they_are_used() -> None:
    keys = KeySet.generate("aead")
    aead = Aead(keys)

    def work(thread: int) -> int:
        for step in range(300):
            if thread == 0 and step % 20 == 0:
                keys.rotate()
            sealed = aead.encrypt(b"text", b"c")
            assert aead.decrypt(sealed, b"c") == b"text"
        return 1

    assert sum(together(work)) == THREADS
    assert len(keys.info()) == 16


def test_counts_are_exact() -> None:
    limiter = MemoryLimiter(Window(100, timedelta(hours=1)))
    admitted = together(lambda _: sum(bool(limiter.check("one")) for _ in range(50)))
    assert sum(admitted) == 100

    guard, totp = MemoryReplayGuard(), Totp.generate()
    code = totp.code(1_700_000_000)

    def once(_: int) -> bool:
        try:
            totp.verify_once(code, user="ada", guard=guard, at=1_700_000_000)
        except VerificationFailed:
            return False
        return True

    assert sum(together(once)) == 1

    logging.getLogger("pyward_guard").setLevel(logging.CRITICAL)
    try:
        lockout = MemoryLockout(LockoutRule(first=timedelta(hours=1), longest=timedelta(hours=1)))

        def fail(thread: int) -> int:
            done = 0
            for _ in range(20):
                try:
                    with lockout.attempt("ada", f"203.0.113.{thread}"):
                        done += 1
                except pyward_guard.Refused:
                    pass
            return done

        alone = MemoryLockout(LockoutRule(first=timedelta(hours=1), longest=timedelta(hours=1)))
        expected = 0
        for _ in range(20 * THREADS):
            try:
                with alone.attempt("ada", "203.0.113.1"):
                    expected += 1
            except pyward_guard.Refused:
                pass
        assert sum(together(fail)) == expected
    finally:
        logging.getLogger("pyward_guard").setLevel(logging.NOTSET)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_session_is_rotated_once_and_never_shared(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    store = MemoryStore() if kind == "memory" else SQLiteStore(tmp_path / "sessions.sqlite3")
    request.addfinalizer(getattr(store, "close", lambda: None))
    manager = SessionManager(store)

    def work(thread: int) -> list[str]:
        mine = []
        for step in range(40):
            session = manager.load(None)
            session.login(f"u{thread}")
            session["step"] = step
            cookie = manager.save(session)
            assert cookie is not None
            loaded = manager.load(cookie.value)
            assert (loaded.user, loaded["step"]) == (f"u{thread}", step)
            mine.append(cookie.value)
        return mine

    cookies = [cookie for mine in together(work) for cookie in mine]
    assert len(set(cookies)) == 40 * THREADS

    # All threads hold the same session and ask for a new id: one gets it, the old id is gone.
    start = cookies[0]

    def rotate(_: int) -> str:
        session = manager.load(start)
        if session.is_new:
            return ""
        session.rotate()
        cookie = manager.save(session)
        return cookie.value if cookie is not None else ""

    new = [value for value in together(rotate) if value]
    assert len(new) == 1
    assert manager.load(start).user is None
    assert manager.load(new[0]).user == "u0"


def test_access_changes_while_others_decide() -> None:
    policy = Policy()
    policy.permit(Role("reader"), "read", User("doc"))

    def work(thread: int) -> Counter[bool]:
        seen: Counter[bool] = Counter()
        me = User(f"u{thread}")
        for _ in range(200):
            policy.assign(me, "reader")
            seen[bool(policy.decide(me, "read", User("doc")))] += 1
            policy.withdraw(me, "reader")
            seen[bool(policy.decide(me, "read", User("doc")))] += 1
        return seen

    assert all(seen == {True: 200, False: 200} for seen in together(work))


def test_hashes_at_the_same_time() -> None:
    hasher = PasswordHasher()

    def work(thread: int) -> bool:
        stored = hasher.hash(f"horse {thread}")
        return bool(hasher.verify(f"horse {thread}", stored)) and not hasher.verify("another", stored)

    assert all(together(work, 4))

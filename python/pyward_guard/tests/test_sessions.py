"""Sessions over every store: life, fixation, rotation, revocation, binding, concurrency."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyward_guard import InvalidInput, sessions
from pyward_guard.sessions import AsyncSessionManager, Binding, Cookie, MemoryStore, SessionManager, SQLiteStore

STORES = ["memory", "sqlite", "redis", "postgres"]


class Async:
    """Drives an AsyncSessionManager from synchronous tests, so that each test runs over both."""

    def __init__(self, loop: asyncio.AbstractEventLoop, manager: AsyncSessionManager) -> None:
        self._loop, self._manager = loop, manager

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._manager, name)
        return lambda *args, **options: self._loop.run_until_complete(method(*args, **options))


Make = Callable[..., Any]


@pytest.fixture(params=[f"{kind}-{store}" for kind in ("sync", "async") for store in STORES])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes managers over one store; every test runs with each of the eight combinations."""
    kind, store_name = request.param.split("-")
    loop = asyncio.new_event_loop()
    closers: list[Callable[[], Any]] = []
    store: Any
    if store_name == "memory":
        store = MemoryStore()
    elif store_name == "sqlite":
        store = SQLiteStore(tmp_path / "sessions.sqlite3")
        closers.append(store.close)
    elif store_name == "redis":
        import redis
        import redis.asyncio

        url = request.getfixturevalue("redis_url")
        client = redis.Redis.from_url(url)
        client.flushall()
        client.close()
        if kind == "sync":
            client = redis.Redis.from_url(url)
            store = sessions.RedisStore(client)
            closers.append(client.close)
        else:
            async_client = redis.asyncio.Redis.from_url(url)
            store = sessions.AsyncRedisStore(async_client)
            closers.append(lambda: loop.run_until_complete(async_client.aclose()))
    else:
        url = request.getfixturevalue("postgres_url")
        if kind == "sync":
            store = sessions.PostgresStore(url)
            store.create_tables()
            closers.append(store.close)
        else:
            store = sessions.AsyncPostgresStore(url)
            loop.run_until_complete(store.create_tables())
            closers.append(lambda: loop.run_until_complete(store.close()))
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DELETE FROM pyward_sessions")

    def build(**options: Any) -> Any:
        if kind == "sync":
            return SessionManager(store, **options)
        return Async(loop, AsyncSessionManager(store, **options))

    yield build
    for close in closers:
        close()
    loop.close()


def signed_in(manager: Any, user: str = "ada", **values: Any) -> str:
    session = manager.load(None)
    session.login(user)
    session.update(values)
    return str(manager.save(session).value)


def test_values_and_users_come_back(make: Make) -> None:
    manager = make()
    cookie = signed_in(manager, cart=[1, {"a": None}], name="\N{SNOWMAN}")
    session = manager.load(cookie)
    assert session.user == "ada"
    assert dict(session) == {"cart": [1, {"a": None}], "name": "\N{SNOWMAN}"}
    session["cart"].append(2)  # changed in place
    assert manager.save(session) is None
    assert manager.load(cookie)["cart"] == [1, {"a": None}, 2]


def test_nothing_is_stored_for_visitors(make: Make) -> None:
    manager = make()
    session = manager.load(None)
    assert session.get("x") is None
    assert session.is_new and manager.save(session) is None


def test_unknown_ids_are_not_adopted(make: Make) -> None:
    manager = make()
    planted = "A" * 43
    session = manager.load(planted)
    assert session.is_new
    session["x"] = 1
    assert manager.save(session).value != planted
    for bad in ("", "x", "A" * 42 + "=", "\x00" * 43, "\N{SNOWMAN}" * 43, "A" * 100_000):
        assert manager.load(bad).is_new


def test_signing_in_changes_the_id(make: Make) -> None:
    manager = make()
    visitor = manager.load(None)
    visitor["cart"] = [1]
    before = manager.save(visitor).value
    session = manager.load(before)
    session.login("ada", keep=True)
    after = manager.save(session).value
    assert after != before
    assert manager.load(before).is_new  # fixation: the planted id is worth nothing
    assert (manager.load(after).user, manager.load(after)["cart"]) == ("ada", [1])
    session = manager.load(after)
    session.login("bob")
    last = manager.save(session).value
    assert "cart" not in manager.load(last)
    assert manager.of_user("ada") == []
    assert len(manager.of_user("bob")) == 1


def test_rotation_keeps_data_and_end(make: Make) -> None:
    manager = make()
    cookie = signed_in(manager, a=1)
    session = manager.load(cookie)
    end = session.expires
    session.rotate()
    new = manager.save(session).value
    assert manager.load(cookie).is_new
    assert (manager.load(new)["a"], manager.load(new).expires) == (1, end)


def test_signing_out_ends_the_session_in_the_store(make: Make) -> None:
    manager = make()
    cookie = signed_in(manager)
    session = manager.load(cookie)
    session.logout()
    assert manager.save(session) == sessions.SetCookie("", 0)
    assert manager.load(cookie).is_new
    assert manager.of_user("ada") == []


def test_a_revoked_session_stays_revoked_while_a_request_runs(make: Make) -> None:
    manager = make()
    cookie = signed_in(manager)
    running = manager.load(cookie)
    rotating = manager.load(cookie)
    assert manager.revoke_all("ada") == 1
    running["late"] = True
    assert manager.save(running) is None and running.user is None
    rotating.rotate()
    assert manager.save(rotating) is None and rotating.user is None
    assert manager.load(cookie).is_new and manager.of_user("ada") == []
    # What else happens in the same request brings nothing back either.
    assert manager.save(running) is None and manager.finish(running) is None
    assert manager.of_user("ada") == []


def test_two_requests_that_rotate_leave_one_session(make: Make) -> None:
    manager = make()
    cookie = signed_in(manager)
    one, two = manager.load(cookie), manager.load(cookie)
    one.rotate()
    two.rotate()
    kept = manager.save(one).value
    # The second answer must not take the first one's cookie away.
    assert manager.save(two) is None
    assert len(manager.of_user("ada")) == 1 and manager.load(kept).user == "ada"


def test_requests_at_the_same_time_lose_no_updates(make: Make) -> None:
    manager = make(touch=timedelta(0))
    cookie = signed_in(manager, kept=1, dropped=2, both=3)
    one, two, idle, turning = (manager.load(cookie) for _ in range(4))
    one["cart"], one["both"] = [1], "one"
    del one["dropped"]
    two["theme"], two["both"] = "dark", "two"
    two["nested"] = {"a": [True]}
    turning["turned"] = True
    turning.rotate()
    assert manager.save(one) is None and manager.save(two) is None
    assert manager.save(idle) is None
    expected = {"kept": 1, "both": "two", "cart": [1], "theme": "dark", "nested": {"a": [True]}}
    assert dict(manager.load(cookie)) == expected
    # A change of the id carries what others stored since, too.
    new = manager.save(turning).value
    assert dict(manager.load(new)) == {**expected, "turned": True}
    # Signing in with an empty session does not bring it over.
    late, fresh = manager.load(new), manager.load(new)
    late["cart"] = [9]
    fresh.login("ada")
    manager.save(late)
    assert dict(manager.load(manager.save(fresh).value)) == {}


def test_signing_in_does_not_depend_on_the_session_before(make: Make) -> None:
    manager = make()
    visitor = manager.load(None)
    visitor["cart"] = [1]
    before = manager.save(visitor).value
    one, two = manager.load(before), manager.load(before)
    one.login("ada")
    two.login("ada")
    assert manager.load(manager.save(one).value).user == "ada"
    assert manager.load(manager.save(two).value).user == "ada", "a double click"


def test_signing_out_reaches_a_session_that_moved(make: Make) -> None:
    manager = make()
    other = signed_in(manager)
    time.sleep(0.002)
    cookie = signed_in(manager)
    leaving, turning = manager.load(cookie), manager.load(cookie)
    turning.rotate()
    moved = manager.save(turning).value
    leaving.logout()
    assert manager.save(leaving) == sessions.SetCookie("", 0)
    assert manager.load(moved).is_new
    assert manager.load(other).user == "ada", "another session of the user goes on"
    handle = manager.of_user("ada")[0].handle
    assert manager.revoke("ada", handle) and not manager.revoke("ada", handle)


def test_signing_out_and_in_again_in_one_request(make: Make) -> None:
    manager = make()
    cookie = signed_in(manager, a=1)
    session = manager.load(cookie)
    session.logout()
    session.login("bob")
    new = manager.save(session).value
    assert manager.load(cookie).is_new and manager.of_user("ada") == []
    assert manager.load(new).user == "bob" and dict(manager.load(new)) == {}
    # Neither does what others store meanwhile come along.
    session, late = manager.load(new), manager.load(new)
    session.logout()
    session.login("carol", keep=True)
    late["private"] = "bob's"
    manager.save(late)
    new = manager.save(session).value
    assert manager.load(new).user == "carol" and dict(manager.load(new)) == {} and manager.of_user("bob") == []
    session = manager.load(new)
    session.login("bob")
    new = manager.save(session).value
    # The idiom of frameworks that keep the user among the values.
    session = manager.load(new)
    session.clear()
    assert session.user is None
    session["message"] = "signed out"
    last = manager.save(session).value
    assert manager.load(new).is_new and manager.of_user("bob") == []
    assert last != new and dict(manager.load(last)) == {"message": "signed out"} and manager.load(last).user is None


def test_what_changes_after_the_response_started(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    manager = make()
    cookie = signed_in(manager, a=1)
    session = manager.load(cookie)
    assert manager.save(session) is None
    session["b"] = 2
    manager.finish(session)
    assert dict(manager.load(cookie)) == {"a": 1, "b": 2}
    session["c"] = 3
    session.rotate()
    manager.finish(session)
    assert manager.load(cookie)["c"] == 3 and "is lost" in caplog.text
    session.login("eve")
    manager.finish(session)
    assert manager.load(cookie).user == "ada" and manager.of_user("eve") == []
    visitor = manager.load(None)
    visitor["x"] = 1
    manager.finish(visitor)
    assert visitor.is_new
    session = manager.load(cookie)
    session.logout()
    manager.finish(session)
    assert manager.load(cookie).is_new


def test_long_requests_can_ask_whether_a_session_lives(make: Make) -> None:
    manager = make()
    cookie = signed_in(manager)
    session = manager.load(cookie)
    assert manager.is_alive(session)
    manager.revoke_all("ada")
    assert not manager.is_alive(session) and not manager.is_alive(manager.load(None))


@pytest.mark.parametrize("way", ["all", "signing out"])
@pytest.mark.parametrize("name", ["memory", "sqlite", "redis", "postgres"])
def test_ending_sessions_ends_those_that_rotate(name: str, way: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    store: Any
    if name == "memory":
        store = MemoryStore()
    elif name == "sqlite":
        store = SQLiteStore(tmp_path / "sessions.sqlite3")
    elif name == "redis":
        import redis

        store = sessions.RedisStore(redis.Redis.from_url(request.getfixturevalue("redis_url")))
    else:
        store = sessions.PostgresStore(request.getfixturevalue("postgres_url"))
        store.create_tables()
    manager = SessionManager(store)
    for _ in range(20):
        cookie = signed_in(manager, "mallory")
        leaving = manager.load(cookie)
        running = threading.Event()

        def turn(value: str = cookie, running: threading.Event = running) -> None:
            while True:
                session = manager.load(value)
                if session.is_new:
                    return
                session.rotate()
                change = manager.save(session)
                if change is None:
                    return
                value = change.value
                running.set()

        threads = [threading.Thread(target=turn), threading.Thread(target=turn)]
        for thread in threads:
            thread.start()
        running.wait(10)
        if way == "all":
            manager.revoke_all("mallory")
        else:
            leaving.logout()
            manager.save(leaving)
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        assert manager.of_user("mallory") == []
    if hasattr(store, "close"):
        store.close()


def test_threads_that_ended_leave_no_connections(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "s.sqlite3")
    files, made = store._files, []
    for _ in range(20):
        thread = threading.Thread(target=lambda: made.append(files.connection()))
        thread.start()
        thread.join()
    assert list(files._opened) == [files.connection()]
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        made[0].execute("SELECT 1")
    store.close()
    assert not files._opened


def in_a_fork(work: Callable[[], Any]) -> Any:
    """What the function returns in a forked process."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    process = fork.Process(target=lambda: theirs.send(work()))
    process.start()
    process.join(30)
    assert ours.poll()
    return ours.recv()


def test_sqlite_connections_are_not_closed_by_a_fork(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "s.sqlite3")
    files, parents = store._files, store._files.connection()
    assert in_a_fork(lambda: files.connection() is not parents and store.close() is None and list(files._opened) == [parents])
    assert files.connection() is parents and store.get(b"k") is None
    store.close()


def test_a_fresh_file_that_another_process_sets_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "s.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            SQLiteStore(tmp_path / "s.sqlite3", timeout=0)
        monkeypatch.setattr(time, "sleep", lambda seconds: other.rollback())
        store = SQLiteStore(tmp_path / "s.sqlite3", timeout=60)
        assert store._files.connection().execute("PRAGMA journal_mode").fetchone() == ("wal",)
        store.close()


def wait_for(answer: Any, connection: Any, query: str, *parameters: Any) -> None:
    limit = time.monotonic() + 60
    while connection.execute(query, parameters).fetchone() != answer:
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_tables_are_created_once(postgres_url: str) -> None:
    from psycopg import connect

    store, awaited = (made(postgres_url, table="once") for made in (sessions.PostgresStore, sessions.AsyncPostgresStore))
    with ThreadPoolExecutor() as pool, connect(postgres_url) as first, connect(postgres_url, autocommit=True) as watch:
        with first.transaction():
            sessions.PostgresStore(lambda: contextlib.nullcontext(first), table="once").create_tables()
            others = [pool.submit(store.create_tables), pool.submit(lambda: asyncio.run(awaited.create_tables()))]
            wait_for((2,), watch, "SELECT count(*) FROM pg_locks WHERE NOT granted")
        assert [other.result(60) for other in others] == [None, None]
        watch.execute("DROP TABLE once")
    store.close()
    asyncio.run(awaited.close())


def end_connections(url: str, *connections: Any) -> None:
    """What a restart of the server does to connections."""
    import psycopg

    pids = [connection.info.backend_pid for connection in connections]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY(%s)", (pids,))
        wait_for(None, connection, "SELECT 1 FROM pg_stat_activity WHERE pid = ANY(%s)", pids)


def test_postgres_reads_again_after_a_restart(postgres_url: str) -> None:
    store = sessions.PostgresStore(postgres_url, connections=2)
    store.create_tables()
    manager = SessionManager(store)
    cookie = signed_in(manager)
    for read in (lambda: manager.load(cookie).user == "ada", lambda: manager.of_user("ada")):
        with store._connect() as one, store._connect() as two:
            end_connections(postgres_url, one, two)
        assert read() and one.closed and two.closed
    assert manager.revoke_all("ada") >= 1
    store.close()


def test_async_postgres_over_restarts_and_event_loops(postgres_url: str) -> None:
    store = sessions.AsyncPostgresStore(postgres_url, connections=2)

    async def work() -> None:
        await store.create_tables()
        manager = AsyncSessionManager(store)
        session = await manager.load(None)
        session.login("ada")
        change = await manager.save(session)
        assert change is not None
        # More than there are connections, so that some wait.
        assert {session.user for session in await asyncio.gather(*(manager.load(change.value) for _ in range(8)))} == {"ada"}
        async with store._connect() as one, store._connect() as two:
            await asyncio.to_thread(end_connections, postgres_url, one, two)
        assert (await manager.load(change.value)).user == "ada" and one.closed and two.closed
        assert await manager.revoke_all("ada") >= 1

    for _ in range(3):
        asyncio.run(work())
    assert isinstance(store._connect, sessions._stores._AsyncPostgresPool) and len(store._connect._rooms) == 1
    asyncio.run(store.close())


def test_closing_a_store_closes_every_connection(postgres_url: str) -> None:
    store = sessions.PostgresStore(postgres_url, connections=3)
    with store._connect() as one, store._connect() as two:
        assert not one.closed and not two.closed
    store.close()
    assert one.closed and two.closed
    with store._connect() as again:
        assert again.execute("SELECT 1").fetchone() == (1,)
    store.close()


def test_connections_are_not_shared_over_a_fork(postgres_url: str) -> None:
    store = sessions.PostgresStore(postgres_url, connections=1)
    store.create_tables()
    mine = store._connect
    assert isinstance(mine, sessions._stores._PostgresPool)
    with mine() as connection:
        parent = connection.info.backend_pid

    def child() -> int:
        with mine() as connection:
            return connection.info.backend_pid

    assert in_a_fork(child) != parent
    with mine() as connection:
        assert connection.info.backend_pid == parent and connection.execute("SELECT 1").fetchone() == (1,)
    store.close()


def test_a_file_that_was_there_is_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "sessions.sqlite3"
    path.touch()
    path.chmod(0o644)
    SQLiteStore(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


class Clock:
    """Stands in for the managers' clock, so that no test depends on how busy the machine is."""

    def __init__(self) -> None:
        self.milliseconds = int(time.time() * 1000)

    def __call__(self) -> int:
        return self.milliseconds

    def advance(self, seconds: float) -> None:
        self.milliseconds += int(seconds * 1000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("pyward_guard.sessions._manager._now", made)
    return made


def test_lifetimes(make: Make, clock: Clock) -> None:
    manager = make(idle=timedelta(seconds=400), absolute=timedelta(seconds=1000), touch=timedelta(0))
    cookie = signed_in(manager)
    for _ in range(3):
        session = manager.load(cookie)
        assert session.user == "ada", "used more often than the idle lifetime"
        manager.save(session)
        clock.advance(300)
    assert manager.load(cookie).user == "ada"
    clock.advance(101)
    assert manager.load(cookie).is_new, "past the absolute lifetime"
    idle = signed_in(manager)
    clock.advance(401)
    assert manager.load(idle).is_new, "idle"


def test_real_time_ends_sessions(make: Make) -> None:
    manager = make(idle=timedelta(seconds=0.2), touch=timedelta(0))
    cookie = signed_in(manager)
    time.sleep(0.25)
    assert manager.load(cookie).is_new


def test_users_see_and_revoke_their_sessions(make: Make) -> None:
    manager = make()
    first, second, other = signed_in(manager, device="phone"), signed_in(manager), signed_in(manager, "bob")
    listed = manager.of_user("ada")
    assert len(listed) == 2
    phone = next(info for info in listed if info.data)
    assert phone.data == {"device": "phone"} and phone.created <= phone.seen < phone.expires
    assert not manager.revoke("bob", phone.handle), "a handle works for its own user only"
    assert manager.revoke("ada", phone.handle) and not manager.revoke("ada", phone.handle)
    assert manager.load(first).is_new and manager.load(second).user == "ada"
    keep = manager.load(second)
    signed_in(manager)
    assert manager.revoke_all("ada", keep=keep) == 1
    assert manager.load(second).user == "ada" and manager.load(other).user == "bob"


def test_oldest_sessions_make_room(make: Make, clock: Clock) -> None:
    manager = make(max_per_user=2)
    cookies = []
    for _ in range(4):
        cookies.append(signed_in(manager))
        clock.advance(1)
    assert [manager.load(cookie).user for cookie in cookies] == [None, None, "ada", "ada"]


def test_binding(make: Make) -> None:
    events: list[tuple[str, Any]] = []
    manager = make(binding=Binding(user_agent="reject", network="warn"), on_event=lambda name, more: events.append((name, more)))
    traits = {"user_agent": "Firefox", "network": "203.0.113.0/24"}
    session = manager.load(None, traits)
    session.login("ada")
    cookie = manager.save(session, traits).value
    assert manager.load(cookie, traits).warnings == ()
    moved = manager.load(cookie, {**traits, "network": "198.51.100.0/24"})
    assert (moved.user, moved.warnings) == ("ada", ("network",))
    assert manager.load(cookie, {**traits, "user_agent": "curl"}).is_new
    assert manager.load(cookie, traits).is_new, "an id that showed up elsewhere is spent"
    assert [name for name, _ in events] == ["session_created", "session_trait_changed", "session_rejected"]
    assert all(cookie not in repr(event) for event in events)


def test_purge(make: Make, clock: Clock) -> None:
    manager = make(idle=timedelta(seconds=500), touch=timedelta(0))
    for _ in range(3):
        signed_in(manager)
    manager.purge()
    assert len(manager.of_user("ada")) == 3
    clock.advance(501)
    manager.purge()
    assert manager.of_user("ada") == []


def test_ids_are_not_in_the_store(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "s.sqlite3")
    cookie = signed_in(SessionManager(store))
    store.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert cookie.encode() not in content and b"ada" in content
    assert stat.S_IMODE((tmp_path / "s.sqlite3").stat().st_mode) == 0o600


@pytest.mark.parametrize("make_store", [lambda path: MemoryStore(), lambda path: SQLiteStore(path / "s.sqlite3", timeout=30)])
def test_threads(tmp_path: Path, make_store: Callable[[Path], Any]) -> None:
    manager = SessionManager(make_store(tmp_path))
    failures: list[BaseException] = []

    def work(user: str) -> None:
        try:
            for _ in range(30):
                cookie = signed_in(manager, user)
                session = manager.load(cookie)
                assert session.user == user
                session["n"] = 1
                manager.save(session)
                session.logout()
                manager.save(session)
                assert manager.load(cookie).is_new
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"u{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    getattr(manager._store, "close", lambda: None)()


async def test_tasks() -> None:
    manager = AsyncSessionManager(MemoryStore())

    async def work(user: str) -> None:
        for _ in range(50):
            session = await manager.load(None)
            session.login(user)
            cookie = await manager.save(session)
            assert cookie is not None
            assert (await manager.load(cookie.value)).user == user

    await asyncio.gather(*(work(f"u{n}") for n in range(20)))


def test_nothing_secret_in_repr() -> None:
    manager = SessionManager(MemoryStore())
    session = manager.load(None)
    session.login("ada")
    session["token"] = "s3cret"
    cookie = manager.save(session)
    assert cookie is not None
    shown = repr(session) + repr(cookie)
    assert cookie.value not in shown and "s3cret" not in shown


def test_cookies_are_strict() -> None:
    assert Cookie().header("V", 5) == "__Host-session=V; Path=/; Max-Age=5; Secure; HttpOnly; SameSite=Lax"
    assert Cookie(insecure_over_plain_http=True).header("V") == "session=V; Path=/; HttpOnly; SameSite=Lax"
    for bad in ({"name": "a b"}, {"name": ""}, {"name": "a;b"}, {"same_site": "None"}):
        with pytest.raises(InvalidInput):
            Cookie(**bad)  # type: ignore[arg-type]


def test_misuse_is_refused() -> None:
    for options in ({"idle": timedelta(0)}, {"idle": timedelta(days=2)}, {"max_per_user": 0}, {"binding": Binding(user_agent="maybe")}):  # type: ignore[arg-type]
        with pytest.raises(InvalidInput):
            SessionManager(MemoryStore(), **options)
    session = SessionManager(MemoryStore()).load(None)
    with pytest.raises(InvalidInput):
        session.login("")
    for user in (7, None, "a" * 1025):
        with pytest.raises(InvalidInput, match="str"):
            session.login(user)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="RedisStore"):
        SessionManager(object())  # type: ignore[arg-type]

    class Awaited(MemoryStore):
        def __init__(self) -> None:
            super().__init__()
            self.get = self.fetch  # type: ignore[assignment]

        async def fetch(self, key: bytes) -> None: ...

    with pytest.raises(InvalidInput, match="AsyncSessionManager"):
        SessionManager(Awaited())
    session["x"] = object()
    with pytest.raises(InvalidInput, match="JSON"):
        SessionManager(MemoryStore()).save(session)
    with pytest.raises(InvalidInput):
        SQLiteStore(":x:", table="a; DROP TABLE b")


# -- reading from Redis without the client's own layers --------------------------------------------------


def test_redis_reads_from_a_plain_client_only(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import redis

    class Mine(redis.Redis):
        pass

    plain = redis.Redis.from_url(redis_url)
    assert sessions.RedisStore(plain)._pool is plain.connection_pool
    assert sessions.RedisStore(Mine.from_url(redis_url))._pool is None
    with plain.client() as bound:
        assert sessions.RedisStore(bound)._pool is None
    calls = []
    original = redis.Redis.execute_command

    def traced(self: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(arguments[0])
        return original(self, *arguments, **options)

    monkeypatch.setattr(redis.Redis, "execute_command", traced)
    store = sessions.RedisStore(plain)
    manager = SessionManager(store)
    cookie = signed_in(manager)
    calls.clear()
    assert manager.load(cookie).user == "ada"
    assert store._pool is None and calls == ["GET"]
    plain.close()


def test_redis_reads_again_after_a_broken_connection(redis_url: str) -> None:
    import redis

    with redis.Redis.from_url(redis_url) as client, redis.Redis.from_url(redis_url) as other:
        manager = SessionManager(sessions.RedisStore(client))
        cookie = signed_in(manager)
        assert manager.load(cookie).user == "ada"
        other.client_kill_filter(_type="normal", skipme=True)
        assert manager.load(cookie).user == "ada"
    nowhere = redis.Redis(port=1, retry=None)
    with pytest.raises(redis.ConnectionError):
        SessionManager(sessions.RedisStore(nowhere)).load(cookie)


def test_redis_never_gives_the_answer_to_an_interrupted_read(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import redis

    with redis.Redis.from_url(redis_url, max_connections=1) as client:
        manager = SessionManager(sessions.RedisStore(client))
        ada, bob = signed_in(manager, "ada"), signed_in(manager, "bob")

        def interrupted(*_: Any, **__: Any) -> Any:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(redis.Connection, "read_response", interrupted)
            with pytest.raises(KeyboardInterrupt):
                manager.load(ada)
        assert manager.load(bob).user == "bob"
        assert manager.load(ada).user == "ada"


def test_redis_sessions_in_threads_stay_apart(redis_url: str) -> None:
    import redis

    with redis.Redis.from_url(redis_url) as client:
        manager = SessionManager(sessions.RedisStore(client))
        cookies = {f"u{n}": signed_in(manager, f"u{n}") for n in range(8)}
        wrong: list[Any] = []

        def work(user: str) -> None:
            for _ in range(200):
                found = manager.load(cookies[user]).user
                if found != user:
                    wrong.append((user, found))

        threads = [threading.Thread(target=work, args=(user,)) for user in cookies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong


def test_redis_refuses_a_client_that_decodes_or_is_of_the_other_kind(redis_url: str) -> None:
    import redis
    import redis.asyncio

    for store, module, other in ((sessions.RedisStore, redis, redis.asyncio), (sessions.AsyncRedisStore, redis.asyncio, redis)):
        with pytest.raises(InvalidInput, match="decode_responses"):
            store(module.Redis.from_url(redis_url, decode_responses=True))
        with pytest.raises(InvalidInput, match="AsyncRedisStore takes"):
            store(other.Redis.from_url(redis_url))

"""Sessions: what settings and values are taken, and what is done about traits that nobody told."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pyward_guard import InvalidInput
from pyward_guard.sessions import (
    NO_CLIENT, AsyncSessionManager, Binding, Cookie, MemoryStore, Session, SessionManager, SQLiteStore
)


def test_the_cookie_has_its_prefix_whatever_its_name() -> None:
    for name in ("sid", "__Host-sid", "__Secure-sid"):
        assert Cookie(name=name).header("V") == "__Host-sid=V; Path=/; Secure; HttpOnly; SameSite=Lax"
        assert Cookie(name=name, insecure_over_plain_http=True).header("V") == "sid=V; Path=/; HttpOnly; SameSite=Lax"
    for name in ("", "__Host-"):
        with pytest.raises(InvalidInput):
            Cookie(name=name)


def test_memory_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in (SessionManager, AsyncSessionManager):
        with pytest.raises(InvalidInput, match="MemoryStore"):
            kind(":memory:")
    assert list(tmp_path.iterdir()) == []


def test_traits_that_nobody_told_are_not_compared() -> None:
    manager = SessionManager(MemoryStore(), binding=Binding(user_agent="reject"))
    session = manager.load(None)
    session.login("ada")
    cookie = manager.save(session, {"user_agent": "Firefox"})
    assert cookie is not None
    with pytest.raises(InvalidInput, match="NO_CLIENT"):
        manager.load(cookie.value)
    assert manager.load(cookie.value, NO_CLIENT).user == "ada", "a script"
    assert manager.load(cookie.value, {"user_agent": "Firefox"}).user == "ada"
    assert manager.load(cookie.value, {}).is_new, "a client that shows nothing"
    assert manager.of_user("ada") == []


FIREFOX, THIEF = {"user_agent": "Firefox"}, {"user_agent": "curl"}
REJECTS = Binding(user_agent="reject")


def loaded(kind: Any, store: MemoryStore, value: str | None, traits: Mapping[str, str] | None) -> tuple[Any, Session]:
    manager = kind(store, binding=REJECTS)
    session = manager.load(value, traits)
    return manager, asyncio.run(session) if kind is AsyncSessionManager else session


@pytest.mark.parametrize("kind", [SessionManager, AsyncSessionManager])
def test_sessions_are_bound_to_what_their_client_showed_when_it_came(kind: Any) -> None:
    store = MemoryStore()
    plain = SessionManager(store, binding=REJECTS)

    def signed_in(manager: Any, session: Session) -> str:
        session.login("ada")
        change = manager.save(session)
        change = asyncio.run(change) if kind is AsyncSessionManager else change
        return str(change.value)

    def theirs() -> str:
        return signed_in(*loaded(kind, store, None, FIREFOX))

    # No cookie, one that the store does not know, one that is spent by being shown, and one that is replaced.
    for value, traits in ((None, FIREFOX), ("A" * 43, FIREFOX), (theirs(), THIEF), (theirs(), FIREFOX)):
        cookie = signed_in(*loaded(kind, store, value, traits))
        assert plain.load(cookie, traits).user == "ada"
        assert plain.load(cookie, FIREFOX if traits is THIEF else THIEF).is_new
    # A client that shows nothing is a client; that there is none has to be said.
    cookie = signed_in(*loaded(kind, store, None, {}))
    assert plain.load(cookie, {}).user == "ada" and plain.load(cookie, FIREFOX).is_new
    manager, session = loaded(kind, store, None, None)
    with pytest.raises(InvalidInput, match="NO_CLIENT"):
        signed_in(manager, session)
    cookie = signed_in(*loaded(kind, store, None, NO_CLIENT))
    assert plain.load(cookie, FIREFOX).user == plain.load(cookie, THIEF).user == "ada"


def test_a_store_is_closed_under_other_threads(tmp_path: Path) -> None:
    files = SQLiteStore(tmp_path / "s.sqlite3")._files
    used = files.connection()
    closer = threading.Thread(target=files.close)
    closer.start()
    closer.join()
    # As a thread does that is within a statement.
    assert used.execute("SELECT 1").fetchone() == (1,) and files.connection() is not used
    assert list(files._opened) == [files.connection()]
    del used
    with ThreadPoolExecutor(1) as pool:
        pool.submit(files.connection).result()
        files.close()
        # Nobody has it open any more, nor does the thread that idles.
        assert not files._opened and [path.name for path in tmp_path.iterdir()] == ["s.sqlite3"]


def test_names_of_users_that_stores_cannot_keep_are_refused() -> None:
    session = SessionManager(MemoryStore()).load(None)
    for name in ("\ud800", "a\0b"):
        with pytest.raises(InvalidInput):
            session.login(name)
    assert session.user is None


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def test_values_nest_so_deep_that_they_can_be_read() -> None:
    store = MemoryStore()
    manager = SessionManager(store)
    session = manager.load(None)
    session.login("ada")
    for depth in (100, 2000, 100_000):
        session["draft"] = nested(depth)
        with pytest.raises(InvalidInput, match="deep"):
            manager.save(session)
    session["draft"], session["wide"] = nested(99), [[], {}] * 200
    cookie = manager.save(session)
    assert cookie is not None and manager.load(cookie.value)["draft"] == nested(99)
    # Stored by an earlier version.
    session._raw = json.dumps({"draft": "x"}).replace('"x"', "[" * 100_000 + "]" * 100_000).encode()
    session._data = None
    with pytest.raises(InvalidInput, match="deep"):
        session["draft"]


def test_lists_of_sessions_show_no_values() -> None:
    manager = SessionManager(MemoryStore())
    session = manager.load(None)
    session.login("ada")
    session["oidc"] = {"code_verifier": "s3cret"}
    manager.save(session)
    [info] = manager.of_user("ada")
    assert info.data == {"oidc": {"code_verifier": "s3cret"}} and "s3cret" not in repr(info)

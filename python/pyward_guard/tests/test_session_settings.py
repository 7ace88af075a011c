"""Sessions: what settings and values are taken, and what is done about traits that nobody told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pyward_guard import InvalidInput
from pyward_guard.sessions import NO_CLIENT, AsyncSessionManager, Binding, Cookie, MemoryStore, SessionManager


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

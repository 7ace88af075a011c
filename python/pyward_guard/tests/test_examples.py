"""Runs the examples that docstrings give as ``Example:``, since a doctest would lack the server, the file or the interpreter."""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyward_guard import InvalidInput, crypto, mfa
from pyward_guard.http import OutboundRefused

SOURCE = Path(__file__).resolve().parents[1] / "src/pyward_guard"
NEEDS_SETTINGS = re.compile(r"\.django$")


def examples() -> list[tuple[str, str]]:
    """Module and code of each example, as it stands in the source."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = [part for part in path.relative_to(SOURCE).with_suffix("").parts if part != "__init__"]
        # Users import from the package, not from its private files.
        name = ".".join(("pyward_guard", *parts))
        for code in re.findall(r"Example: ``(.+?)``(?:\s|$)", path.read_text(encoding="utf-8"), re.DOTALL):
            found.append((name, " ".join(code.split())))
    return [(name, code) for name, code in found if not NEEDS_SETTINGS.search(name)]


EXAMPLES = examples()


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 15


@pytest.fixture
def surroundings(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[str, dict[str, Any]]]:
    """The code with names of real servers and files, and what it takes from around it."""

    def prepare(code: str) -> tuple[str, dict[str, Any]]:
        names: dict[str, Any] = {
            "timedelta": timedelta, "name": "ada", "address": "203.0.113.7", "key": "203.0.113.7", "url": "https://127.0.0.1/", "title": "t",
            "text": "<b>", "table": "users", "user_id": 7, "totp": mfa.Totp.generate(),
        }  # fmt: skip
        if "redis" in code.lower() or "client" in code:
            redis = pytest.importorskip("redis")
            aio = importlib.import_module("redis.asyncio")
            where = request.getfixturevalue("redis_url")
            names["redis"] = SimpleNamespace(
                Redis=lambda: redis.Redis.from_url(where), asyncio=SimpleNamespace(Redis=lambda: aio.Redis.from_url(where))
            )
            names["client"] = aio.Redis.from_url(where)
        if "postgres" in code.lower():
            where = request.getfixturevalue("postgres_url")
            code = code.replace('"host=db.example.org dbname=app user=app"', repr(where)).replace('"postgresql://app@db/app"', repr(where))
            names["pool"] = SimpleNamespace(connection=lambda: None)
        if "connect_mysql" in code:
            server = request.getfixturevalue("mysql_server")
            code = f"with connect_mysql(**{server!r}) as db: ..."
        if "server_context" in code:
            certificate, private = request.getfixturevalue("server_certificate")
            code = code.replace('"cert.pem"', repr(str(certificate))).replace('"clients.pem"', repr(str(certificate))).replace('"key.pem"', repr(str(private)))
        if "KeyringKeys" in code:
            stored = {("shop", "cards"): crypto.KeySet.generate("aead").to_json()}
            backend = SimpleNamespace(get_password=lambda service, user: stored.get((service, user)), priority=5)
            monkeypatch.setattr(pytest.importorskip("keyring"), "get_keyring", lambda: backend)
            monkeypatch.setattr("keyring.get_password", backend.get_password)
        if "httpx" in code:
            names["httpx"] = pytest.importorskip("httpx")
        if "WebAuthn" in code:
            pytest.importorskip("webauthn")
        return code, names

    return prepare


@pytest.mark.redis
@pytest.mark.postgres
@pytest.mark.parametrize(("module", "code"), EXAMPLES, ids=[re.sub(r"\W+", "-", code)[:60] for _, code in EXAMPLES])
def test_examples(module: str, code: str, surroundings: Callable[[str], tuple[str, dict[str, Any]]]) -> None:
    if re.search(r"\bt['\"]", code) and sys.version_info < (3, 14):
        pytest.skip("template strings need Python 3.14")
    code, names = surroundings(code)
    # What a reader would have imported: the module, its package, and what these take from other parts of the kit.
    space: dict[str, Any] = {}
    for source in ("pyward_guard.http", "pyward_guard.sessions", "pyward_guard.limits", "pyward_guard.mfa.webauthn", module.rpartition(".")[0], module):
        space.update(vars(importlib.import_module(source)))
    space.update(names)
    tree = ast.parse("async def example():\n    " + code)
    exec(compile(tree, "<example>", "exec"), space)  # noqa: S102 - our own docstrings

    async def run() -> None:
        result = await space["example"]()
        assert not inspect.isawaitable(result)
        if "client" in names:
            await names["client"].aclose()

    expected = OutboundRefused if "web.get(url)" in code else None
    if "totp.verify_once(code" in code:
        space["code"] = names["totp"].code()
    if expected is not None:
        with pytest.raises(expected):
            asyncio.run(run())
    else:
        asyncio.run(run())


def test_a_wrong_example_would_show(surroundings: Callable[[str], tuple[str, dict[str, Any]]]) -> None:
    with pytest.raises((NameError, InvalidInput)):
        test_examples("pyward_guard.mfa.redis", "RedisReplayGuard(redis.Redis(), lifetime=1)", surroundings)

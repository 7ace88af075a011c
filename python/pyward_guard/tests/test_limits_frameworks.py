"""Rate limits of single routes in Flask, FastAPI and Django."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import fastapi
import flask
import pytest
import redis.asyncio
from fastapi.testclient import TestClient
from pyward_guard import InvalidInput, access, limits
from pyward_guard.access.fastapi import unguarded
from pyward_guard.access.flask import Guard
from pyward_guard.limits import fastapi as limits_fastapi
from pyward_guard.limits import flask as limits_flask

TWO = limits.Window(2, timedelta(minutes=1))


def test_fastapi() -> None:
    app = fastapi.FastAPI(openapi_url=None)
    few = limits_fastapi.RateLimit(limits.MemoryLimiter(TWO))

    async def account(request: fastapi.Request) -> str | None:
        return request.query_params.get("account")

    named = limits_fastapi.RateLimit(limits.MemoryLimiter(TWO), key=account, cost=2)

    @app.post("/a", dependencies=[fastapi.Depends(few)])
    def a() -> str:
        return "a"

    @app.post("/b", dependencies=[fastapi.Depends(few)])
    async def b() -> str:
        return "b"

    @app.post("/c", dependencies=[fastapi.Depends(named)])
    async def c() -> str:
        return "c"

    client = TestClient(app)
    answers = [client.post(path) for path in ("/a", "/b", "/a")]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2].headers["Retry-After"]) > 0
    codes = [client.post("/c", params=params).status_code for params in ({"account": "ada"}, {"account": "ada"}, {"account": "bob"}, {}, {}, {})]
    assert codes == [200, 429, 200, 200, 200, 200]
    assert len(unguarded(app)) == 3, "a limit is no guard"


def test_fastapi_behind_a_proxy() -> None:
    app = fastapi.FastAPI()
    limited = limits_fastapi.RateLimit(limits.MemoryLimiter(TWO), proxies=["10.0.0.0/8"])
    app.get("/", dependencies=[fastapi.Depends(limited)])(lambda: "ok")

    def codes(peer: str) -> list[int]:
        client = TestClient(app, client=(peer, 1))
        return [client.get("/", headers={"X-Forwarded-For": f"203.0.113.{last}"}).status_code for last in range(4)]

    assert codes("10.0.0.2") == [200] * 4, "four clients behind one proxy"
    assert codes("198.51.100.7") == [200, 200, 429, 429], "one client that forges the header"


@pytest.mark.redis
def test_fastapi_with_redis(redis_url: str) -> None:
    app = fastapi.FastAPI()
    shared = redis.asyncio.Redis.from_url(redis_url)
    limiter = limits.AsyncRedisLimiter(shared, TWO, prefix="test:fastapi:")
    app.get("/", dependencies=[fastapi.Depends(limits_fastapi.RateLimit(limiter))])(lambda: "ok")
    app.router.add_event_handler("shutdown", shared.aclose)
    with TestClient(app) as client:
        assert [client.get("/").status_code for _ in range(3)] == [200, 200, 429]


def test_flask_with_a_guard() -> None:
    """The mark of a guard survives, in either order of the decorators."""
    policy = access.Policy()
    policy.permit(access.User("ada"), "read", access.ANYTHING)
    app = flask.Flask(__name__)
    guard = Guard(policy, principal=lambda: access.User("ada"))
    guard.deny_by_default(app)
    where = access.Entity("Site", "s")

    @app.get("/inner")
    @guard.require("read", resource=where)
    @limits_flask.limit(limits.MemoryLimiter(TWO))
    def inner() -> str:
        return "ok"

    @app.get("/outer")
    @limits_flask.limit(limits.MemoryLimiter(TWO), key=lambda: flask.request.args.get("account"))
    @guard.require("read", resource=where)
    def outer() -> str:
        return "ok"

    client = app.test_client()
    answers: list[Any] = [client.get("/inner") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429] and int(answers[2].headers["Retry-After"]) > 0
    assert [client.get(f"/outer?account={name}").status_code for name in ("ada", "ada", "ada", "bob")] == [200, 200, 429, 200]
    assert [client.get("/outer").status_code for _ in range(4)] == [200] * 4


DJANGO = """
import asyncio
from datetime import timedelta
import django
from django.conf import settings
settings.configure(SECRET_KEY="x" * 50, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__)
django.setup()
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from pyward_guard import InvalidInput, limits
import redis.asyncio
from pyward_guard.limits.django import limit
TWO = limits.Window(2, timedelta(minutes=1))

@limit(limits.MemoryLimiter(TWO))
def plain(request): return HttpResponse("ok")

@limit(limits.MemoryLimiter(TWO), key=lambda request: request.GET.get("account"))
async def awaited(request): return HttpResponse("ok")

@method_decorator(limit(limits.MemoryLimiter(TWO)), name="dispatch")
class AwaitedView(View):
    async def get(self, request): return HttpResponse("ok")

try:
    limit(limits.AsyncRedisLimiter(redis.asyncio.Redis(), TWO))
    raise SystemExit("a limiter that nobody awaits was taken")
except InvalidInput:
    pass

@limit(limits.RedisLimiter(redis.Redis(port=1, socket_connect_timeout=1), TWO))
def away(request): return HttpResponse("reached")

urlpatterns = [path("plain", plain), path("awaited", awaited), path("view", AwaitedView.as_view()), path("away", away)]
answers = [Client().get("/plain") for _ in range(3)]
print([answer.status_code for answer in answers], int(answers[2]["Retry-After"]) > 0)
async def main():
    return [(await AsyncClient().get("/awaited", query_params={"account": name} if name else {})).status_code for name in ("ada", "ada", "ada", "bob", "", "", "")]
print(asyncio.run(main()))
async def view(): return [(await AsyncClient().get("/view")).status_code for _ in range(3)]
print(asyncio.run(view()), Client().get("/away").status_code)
"""


def test_django() -> None:
    done = subprocess.run([sys.executable, "-c", DJANGO], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[200, 200, 429] True", "[200, 200, 429, 200, 200, 200, 200]", "[200, 200, 429] 503"], done.stderr


def test_fastapi_websockets_and_outages() -> None:
    from starlette.websockets import WebSocketDisconnect

    app = fastapi.FastAPI(openapi_url=None)
    few = limits_fastapi.RateLimit(limits.MemoryLimiter(TWO))
    away = limits_fastapi.RateLimit(limits.AsyncRedisLimiter(redis.asyncio.Redis(port=1, socket_connect_timeout=1), TWO))

    @app.websocket("/live", dependencies=[fastapi.Depends(few)])
    async def live(websocket: fastapi.WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    @app.get("/away", dependencies=[fastapi.Depends(away)])
    def reached() -> str:
        return "reached"

    client = TestClient(app)
    for _ in range(2):
        with client.websocket_connect("/live"):
            pass
    with pytest.raises(WebSocketDisconnect) as caught, client.websocket_connect("/live"):
        pass
    assert caught.value.code == 1013
    answer = client.get("/away")
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "1"


def test_flask_refuses_limiters_that_nobody_awaits() -> None:
    with pytest.raises(InvalidInput):
        limits_flask.limit(limits.AsyncRedisLimiter(redis.asyncio.Redis(), TWO))  # type: ignore[arg-type]


def test_flask_during_an_outage() -> None:
    import redis as blocking

    app = flask.Flask(__name__)

    @app.get("/away")
    @limits_flask.limit(limits.RedisLimiter(blocking.Redis(port=1, socket_connect_timeout=1), TWO))
    def reached() -> str:
        return "reached"

    answer = app.test_client().get("/away")
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "1"

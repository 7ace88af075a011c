"""Sessions through real frameworks: Starlette, plain WSGI, Flask, Django."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import flask
import pytest
from pyward_guard.sessions import AsyncSessionManager, Binding, MemoryStore, SessionManager
from pyward_guard.sessions.asgi import SessionMiddleware, session_of
from pyward_guard.sessions.flask import GuardSessionInterface
from pyward_guard.sessions.wsgi import SessionMiddleware as WsgiSessionMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

BASE = "https://app.example"


def starlette_client(**options: Any) -> TestClient:
    manager = AsyncSessionManager(MemoryStore(), **options)

    async def login(request: Request) -> JSONResponse:
        request.session.login("ada")  # type: ignore[attr-defined]
        request.session["n"] = 1
        return JSONResponse({})

    async def me(request: Request) -> JSONResponse:
        session = session_of(request.scope)
        return JSONResponse({"user": session.user, "n": session.get("n"), "warnings": session.warnings})

    async def logout(request: Request) -> PlainTextResponse:
        session_of(request.scope).logout()
        return PlainTextResponse("", headers={"Cache-Control": "private"})

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(str(session_of(websocket.scope).user))
        await websocket.close()

    routes = [Route("/login", login, methods=["POST"]), Route("/me", me), Route("/logout", logout, methods=["POST"]), WebSocketRoute("/ws", socket)]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(SessionMiddleware, manager=manager)]), base_url=BASE)


def test_asgi() -> None:
    with starlette_client() as client:
        first = client.get("/me")
        assert "set-cookie" not in first.headers and "cache-control" not in first.headers
        login = client.post("/login")
        cookie = login.headers["set-cookie"]
        assert cookie.startswith("__Host-session=") and cookie.endswith("; Path=/; Secure; HttpOnly; SameSite=Lax")
        me = client.get("/me")
        assert me.json() == {"user": "ada", "n": 1, "warnings": []}
        assert (me.headers["cache-control"], me.headers["vary"]) == ("no-store", "Cookie")
        with client.websocket_connect("wss://app.example/ws") as websocket:
            assert websocket.receive_text() == "ada"
        stolen = client.cookies["__Host-session"]
        logout = client.post("/logout")
        assert "Max-Age=0" in logout.headers["set-cookie"] and logout.headers["cache-control"] == "private"
        replay = client.get("/me", headers={"cookie": f"__Host-session={stolen}"})
        assert replay.json()["user"] is None


def test_asgi_binding() -> None:
    with starlette_client(binding=Binding(user_agent="reject")) as client:
        client.post("/login", headers={"user-agent": "Firefox"})
        assert client.get("/me", headers={"user-agent": "Firefox"}).json()["user"] == "ada"
        assert client.get("/me", headers={"user-agent": "curl"}).json()["user"] is None
        assert client.get("/me", headers={"user-agent": "Firefox"}).json()["user"] is None


def test_session_fixation_over_http() -> None:
    with starlette_client() as client:
        planted = "B" * 43
        client.cookies.set("__Host-session", planted, domain="app.example")
        login = client.post("/login")
        assert planted not in login.headers["set-cookie"]
        assert client.get("/me", headers={"cookie": f"__Host-session={planted}"}).json()["user"] is None


def wsgi_get(app: Any, cookie: str = "", **environ: str) -> tuple[str, list[tuple[str, str]]]:
    caught: list[Any] = []
    list(app({"REQUEST_METHOD": "GET", "REMOTE_ADDR": "203.0.113.5", "HTTP_COOKIE": cookie, **environ}, lambda status, headers, *rest: caught.append((status, headers))))
    status, headers = caught[0]
    return status, headers


def test_wsgi() -> None:
    seen: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        session = environ["pyward.session"]
        seen.append(session.get("visits", 0))
        session["visits"] = session.get("visits", 0) + 1
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b""]

    guarded = WsgiSessionMiddleware(app, SessionManager(MemoryStore(), binding=Binding(network="reject")), proxies=["203.0.113.5"])
    _, headers = wsgi_get(guarded, HTTP_X_FORWARDED_FOR="198.51.100.1")
    cookie = dict(headers)["Set-Cookie"].split(";")[0]
    wsgi_get(guarded, cookie, HTTP_X_FORWARDED_FOR="198.51.100.200")
    wsgi_get(guarded, cookie, HTTP_X_FORWARDED_FOR="192.0.2.1")
    assert seen == [0, 1, 0]


def test_flask() -> None:
    app = flask.Flask(__name__)
    app.session_interface = GuardSessionInterface(SessionManager(MemoryStore()))

    @app.post("/login")
    def login() -> str:
        flask.session["before"] = 1
        flask.session.login("ada")  # type: ignore[attr-defined]
        return ""

    @app.get("/me")
    def me() -> dict[str, Any]:
        return {"user": flask.session.user, "n": dict(flask.session)}  # type: ignore[attr-defined]

    @app.post("/logout")
    def logout() -> str:
        flask.session.logout()  # type: ignore[attr-defined]
        return ""

    client = app.test_client()
    login_answer = client.post("/login", base_url=BASE)
    cookie = login_answer.headers["Set-Cookie"].split(";")[0]
    assert cookie.startswith("__Host-session=")
    me_answer = client.get("/me", base_url=BASE)
    assert me_answer.json == {"user": "ada", "n": {}} and me_answer.headers["Cache-Control"] == "no-store"
    client.post("/logout", base_url=BASE)
    replay = app.test_client().get("/me", base_url=BASE, headers={"Cookie": cookie})
    assert replay.json == {"user": None, "n": {}}


DJANGO = """
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="k" * 50, ALLOWED_HOSTS=["testserver"], ROOT_URLCONF=__name__, USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    MIDDLEWARE=["pyward_guard.sessions.django.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware"],
    SESSION_ENGINE="pyward_guard.sessions.django", PYWARD_SESSION_STORE=STORE, PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
)
django.setup()
from django.contrib.auth import authenticate, login, logout, get_user_model
from django.core.management import call_command
from django.http import JsonResponse
from django.test import Client
from django.urls import path
def sign_in(request):
    login(request, authenticate(request, username="ada", password="pw"))
    return JsonResponse({})
def sign_out(request):
    logout(request)
    return JsonResponse({})
def visit(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"], "user": request.user.username})
urlpatterns = [path("in", sign_in), path("out", sign_out), path("visit", visit)]
call_command("migrate", verbosity=0)
user = get_user_model().objects.create_user("ada", password="pw")
client = Client()
assert client.get("/visit").json() == {"visits": 1, "user": ""}
before = client.cookies["sessionid"].value
assert client.get("/visit").json()["visits"] == 2
client.get("/in")
after = client.cookies["sessionid"].value
assert before != after and len(after) == 43
assert client.get("/visit").json() == {"visits": 3, "user": "ada"}
other = Client(); other.cookies["sessionid"] = before
assert other.get("/visit").json() == {"visits": 1, "user": ""}
assert other.cookies["sessionid"].value != before
from pyward_guard.sessions.django import manager
assert [info.data["visits"] for info in manager().of_user(str(user.pk))] == [3]
assert manager().revoke_all(str(user.pk)) == 1
assert client.get("/visit").json() == {"visits": 1, "user": ""}
client.get("/in")
stolen = client.cookies["sessionid"].value
client.get("/out")
thief = Client(); thief.cookies["sessionid"] = stolen
assert thief.get("/visit").json()["user"] == ""
print("passed")
"""


@pytest.mark.parametrize("store", ["memory", "redis", "postgres"])
def test_django(store: str, request: pytest.FixtureRequest) -> None:
    if store == "memory":
        setup = "from pyward_guard.sessions import MemoryStore\nSTORE = MemoryStore()\n"
    elif store == "redis":
        url = request.getfixturevalue("redis_url")
        setup = f"import redis\nfrom pyward_guard.sessions import RedisStore\nSTORE = RedisStore(redis.Redis.from_url({url!r}), prefix='dj:')\n"
    else:
        url = request.getfixturevalue("postgres_url")
        setup = f"from pyward_guard.sessions import PostgresStore\nSTORE = PostgresStore({url!r}, table='dj_sessions')\nSTORE.create_tables()\n"
    # Django's settings are per process.
    done = subprocess.run([sys.executable, "-c", setup + DJANGO], capture_output=True, text=True, timeout=600)
    assert done.stdout.strip() == "passed", done.stdout + done.stderr

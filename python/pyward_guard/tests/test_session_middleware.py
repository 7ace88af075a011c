"""Sessions through real frameworks: Starlette, plain WSGI, Flask, Django."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import flask
import pytest
from pyward_guard import InvalidInput
from pyward_guard.sessions import AsyncSessionManager, Binding, MemoryStore, SessionManager
from pyward_guard.sessions.asgi import SessionMiddleware, session_of
from pyward_guard.sessions.flask import GuardSessionInterface
from pyward_guard.sessions.wsgi import SessionMiddleware as WsgiSessionMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
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


def test_asgi_late_changes() -> None:
    manager = AsyncSessionManager(MemoryStore())

    async def login(request: Request) -> JSONResponse:
        session_of(request.scope).login("ada")
        return JSONResponse({})

    async def stream(request: Request) -> StreamingResponse:
        async def body() -> Any:
            yield b"first"
            session_of(request.scope)["streamed"] = True
            yield b"second"

        return StreamingResponse(body())

    async def me(request: Request) -> JSONResponse:
        session = session_of(request.scope)
        return JSONResponse({"user": session.user, "data": dict(session)})

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        session = session_of(websocket.scope)
        session["socket"] = True
        if await websocket.receive_text() == "leave":
            session.logout()
            raise RuntimeError("after signing out")
        await websocket.send_text(str(await manager.is_alive(session)))
        await websocket.close()

    async def refused(websocket: WebSocket) -> None:
        session_of(websocket.scope)["refused"] = True
        await websocket.send_denial_response(PlainTextResponse("no", status_code=403))

    routes = [
        Route("/login", login), Route("/me", me), Route("/stream", stream), WebSocketRoute("/ws", socket), WebSocketRoute("/refused", refused)
    ]
    with TestClient(Starlette(routes=routes, middleware=[Middleware(SessionMiddleware, manager=manager)]), base_url=BASE) as client:
        client.get("/login")
        assert client.get("/stream").text == "firstsecond"
        with client.websocket_connect("wss://app.example/ws") as websocket:
            websocket.send_text("stay")
            assert websocket.receive_text() == "True"
        assert client.get("/me").json() == {"user": "ada", "data": {"streamed": True, "socket": True}}
        with pytest.raises(WebSocketDenialResponse), client.websocket_connect("wss://app.example/refused"):
            pass
        assert client.get("/me").json()["data"]["refused"] is True
        with pytest.raises(RuntimeError), client.websocket_connect("wss://app.example/ws") as websocket:
            websocket.send_text("leave")
            websocket.receive_text()
        assert client.get("/me").json() == {"user": None, "data": {}}


def test_what_shows_a_session_is_not_cached() -> None:
    async def read(request: Request) -> JSONResponse:
        return JSONResponse(session_of(request.scope).get("cart"))

    async def write(request: Request) -> JSONResponse:
        session_of(request.scope)["cart"] = [7]
        return JSONResponse({})

    async def plain(request: Request) -> JSONResponse:
        return JSONResponse({})

    app = Starlette(
        routes=[Route("/read", read), Route("/write", write), Route("/plain", plain)],
        middleware=[Middleware(SessionMiddleware, manager=AsyncSessionManager(MemoryStore()))],
    )
    with TestClient(app, base_url=BASE) as client:
        empty = client.get("/read").headers
        assert empty["vary"] == "Cookie" and "cache-control" not in empty
        client.get("/write")
        full = client.get("/read").headers
        assert full["vary"] == "Cookie" and full["cache-control"] == "no-store"
        assert "vary" not in client.get("/plain").headers


def test_managers_of_the_wrong_kind_are_refused() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    with pytest.raises(InvalidInput):
        SessionMiddleware(app, SessionManager(MemoryStore()))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        WsgiSessionMiddleware(lambda environ, start: [], AsyncSessionManager(MemoryStore()))  # type: ignore[arg-type]


def test_a_store_that_fails_lets_nobody_in() -> None:
    class Broken(MemoryStore):
        def __init__(self) -> None:
            super().__init__()
            self.get = self.fail  # type: ignore[assignment]

        def fail(self, key: bytes) -> None:
            raise ConnectionError("the store is away")

    ran: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        ran.append(True)

    with pytest.raises(ConnectionError):
        TestClient(SessionMiddleware(app, AsyncSessionManager(Broken())), base_url=BASE).get("/", headers={"cookie": f"__Host-session={'A' * 43}"})
    wsgi = WsgiSessionMiddleware(lambda environ, start: ran.append(True) or [b""], SessionManager(Broken()))  # type: ignore[func-returns-value, list-item]
    with pytest.raises(ConnectionError):
        wsgi_get(wsgi, f"__Host-session={'A' * 43}")
    assert ran == []


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


def test_wsgi_late_changes() -> None:
    manager = SessionManager(MemoryStore())
    closed: list[bool] = []

    class Body:
        def __init__(self, session: Any) -> None:
            self.session = session

        def __iter__(self) -> Any:
            yield b"first"
            self.session["streamed"] = True

        def close(self) -> None:
            closed.append(True)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        session = environ["pyward.session"]
        if environ["PATH_INFO"] == "/in":
            session.login("ada")
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/error":
            start_response("500 Oops", [])
        if environ["PATH_INFO"] == "/out":
            session.logout()
        return Body(session) if environ["PATH_INFO"] == "/stream" else [b""]

    guarded = WsgiSessionMiddleware(app, manager)
    _, headers = wsgi_get(guarded, PATH_INFO="/in")
    cookie = dict(headers)["Set-Cookie"].split(";")[0]
    body = guarded({"HTTP_COOKIE": cookie, "PATH_INFO": "/stream"}, lambda *_: None)
    assert list(body) == [b"first"]
    body.close()  # type: ignore[attr-defined]
    value = cookie.partition("=")[2]
    assert closed == [True] and manager.load(value)["streamed"] is True
    wsgi_get(guarded, cookie, PATH_INFO="/out")
    assert manager.load(value).is_new


def test_wsgi_sets_the_cookie_on_the_response_that_is_sent() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["pyward.session"].login("ada")
        start_response("200 OK", [])
        start_response("500 Oops", [], (None, None, None))
        return [b""]

    sent: list[Any] = []
    WsgiSessionMiddleware(app, SessionManager(MemoryStore()))({}, lambda status, headers, *_: sent.append((status, dict(headers))))
    assert [(status, "Set-Cookie" in headers) for status, headers in sent] == [("200 OK", True), ("500 Oops", True)]


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
    SESSION_ENGINE="pyward_guard.sessions.django", PYWARD_SESSION_STORE=STORE, SESSION_COOKIE_SAMESITE="None", PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
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

# The cookie is right whatever the settings leave out.
cookie = thief.cookies["sessionid"]
assert cookie["secure"] and cookie["httponly"] and cookie["samesite"] == "Lax", cookie.OutputString()
assert client.get("/in")["Cache-Control"] == "no-store"

# cycle_key keeps the end, moves in one step, and brings nothing back that was revoked.
import asyncio, time
from django.contrib.sessions.exceptions import SessionInterrupted
from pyward_guard.sessions.django import SessionStore
[info] = manager().of_user(str(user.pk))
session = SessionStore(client.cookies["sessionid"].value)
assert session["_auth_user_id"] == str(user.pk)
time.sleep(0.01)
session.cycle_key()
[moved] = manager().of_user(str(user.pk))
assert moved.expires == info.expires and moved.handle != info.handle
asyncio.run(session.acycle_key())
[moved] = manager().of_user(str(user.pk))
assert moved.expires == info.expires
running = SessionStore(session.session_key)
assert running["_auth_user_id"]
leaving = SessionStore(session.session_key)
assert leaving["_auth_user_id"]
manager().revoke_all(str(user.pk))
try:
    running.cycle_key()
    raise SystemExit("brought back")
except SessionInterrupted:
    pass
assert manager().of_user(str(user.pk)) == []

# A visitor's session that is gone does not keep anybody from signing in; lifetimes begin anew.
client = Client()
client.get("/visit")
visitor = SessionStore(client.cookies["sessionid"].value)
first = manager().load(client.cookies["sessionid"].value).expires
visitor["visits"] = 9
time.sleep(0.01)
client.get("/in")
[info] = manager().of_user(str(user.pk))
assert info.expires > first
visitor.cycle_key()

# Requests at the same time keep each other's changes.
key = client.cookies["sessionid"].value
one, two = SessionStore(key), SessionStore(key)
one["a"], two["b"] = 1, 2
one.save(); two.save()
assert {name: SessionStore(key)[name] for name in "ab"} == {"a": 1, "b": 2}
# Signing out reaches a session that moved.
one, two = SessionStore(key), SessionStore(key)
assert one["a"] == two["a"] == 1
one.cycle_key()
two.flush()
assert manager().of_user(str(user.pk)) == []
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

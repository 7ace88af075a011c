"""Sessions through real frameworks: Starlette, plain WSGI, Flask, Django."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import anyio
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
ENVIRON = {"PATH_INFO": "/", "SERVER_NAME": "app.example", "SERVER_PORT": "443", "wsgi.url_scheme": "https"}


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


async def send_nothing(message: Any) -> None: ...


class Remote:
    """An asynchronous store, whose every call waits a little and so can be cancelled before it has an effect."""

    def __init__(self) -> None:
        memory = MemoryStore()
        for name in ("get", "insert", "replace", "rotate", "delete", "of_user", "delete_of_user", "purge"):
            setattr(self, name, self.over(getattr(memory, name)))

    def over(self, method: Any) -> Any:
        async def call(*args: Any) -> Any:
            await asyncio.sleep(0)
            return method(*args)

        return call


def test_asgi_signing_out_outlasts_what_happens_afterwards() -> None:
    async def failed(scope: Any, receive: Any, send: Any) -> None:
        scope["session"].logout()
        raise RuntimeError("the mail server is down")

    async def failed_as_another(scope: Any, receive: Any, send: Any) -> None:
        scope["session"].logout()
        scope["session"].login("bob")
        raise RuntimeError("the mail server is down")

    async def cancelled(scope: Any, receive: Any, send: Any) -> None:
        scope["session"].logout()
        raise asyncio.CancelledError

    async def closed(scope: Any, receive: Any, send: Any) -> None:
        scope["session"].logout()
        await send({"type": "websocket.close", "code": 1008})

    async def run() -> None:
        manager = AsyncSessionManager(Remote())  # type: ignore[arg-type]

        async def signed_in() -> tuple[str, dict[str, Any]]:
            session = await manager.load(None)
            session.login("ada")
            cookie = await manager.save(session)
            assert cookie is not None
            return cookie.value, {"type": "http", "headers": [(b"cookie", f"__Host-session={cookie.value}".encode())]}

        for app, error in ((failed, RuntimeError), (failed_as_another, RuntimeError), (cancelled, asyncio.CancelledError)):
            value, scope = await signed_in()
            with pytest.raises(error):
                await SessionMiddleware(app, manager)(scope, None, send_nothing)  # type: ignore[arg-type]
            assert (await manager.load(value)).is_new, app.__name__
        value, scope = await signed_in()
        await SessionMiddleware(closed, manager)({**scope, "type": "websocket"}, None, send_nothing)  # type: ignore[arg-type]
        assert (await manager.load(value)).is_new
        assert await manager.of_user("bob") == []

        # The server cancels when the client has gone, and meets the sign-out on its way into the store.
        async def hung_up(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await send({"type": "http.response.start", "status": 200, "headers": []})
            scope["session"].logout()
            asyncio.current_task().cancel()  # type: ignore[union-attr]

        for kind in ("http", "websocket"):
            value, scope = await signed_in()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.create_task(SessionMiddleware(hung_up, manager)({**scope, "type": kind}, None, send_nothing))  # type: ignore[arg-type]
            await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
            assert (await manager.load(value)).is_new, kind

        # A scope of anyio cancels again at every await.
        value, scope = await signed_in()
        with anyio.CancelScope() as cancel:

            async def given_up(scope: Any, receive: Any, send: Any) -> None:
                scope["session"].logout()
                cancel.cancel()
                await asyncio.sleep(0)

            await SessionMiddleware(given_up, manager)(scope, None, send_nothing)  # type: ignore[arg-type]
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
        assert (await manager.load(value)).is_new

    asyncio.run(run())


def test_traits_of_the_application() -> None:
    binding = Binding(user_agent="reject", others={"certificate": "reject"})
    manager = AsyncSessionManager(MemoryStore(), binding=binding)
    users: list[str | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        session = session_of(scope)
        users.append(session.user)
        session.login("ada") if session.user is None else None
        await send({"type": "http.response.start", "status": 200, "headers": []})

    def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        session = environ["pyward.session"]
        users.append(session.user)
        session.login("ada") if session.user is None else None
        start_response("200 OK", [])
        return [b""]

    def header(scope: Any) -> dict[str, str]:
        return {"certificate": dict(scope["headers"])[b"x-client-cert"].decode()}

    async def run() -> None:
        guarded = SessionMiddleware(app, manager, traits=header)
        cookie = b""
        for certificate in (b"A", b"A", b"B", b"A"):
            sent: list[Any] = []

            async def send(message: Any) -> None:
                sent.append(message)

            headers = [(b"cookie", cookie), (b"user-agent", b"Firefox"), (b"x-client-cert", certificate)]
            await guarded({"type": "http", "headers": headers}, None, send)  # type: ignore[arg-type]
            cookie = cookie or dict(sent[0]["headers"])[b"set-cookie"].partition(b";")[0]

    asyncio.run(run())
    assert users == [None, "ada", None, None]

    def tell(environ: dict[str, Any]) -> dict[str, str]:
        return {"certificate": environ["CERT"]}

    flask_app = flask.Flask(__name__)
    flask_app.session_interface = GuardSessionInterface(SessionManager(MemoryStore(), binding=binding), traits=tell)

    @flask_app.get("/")
    def view() -> str:
        wsgi({"pyward.session": flask.session}, lambda *_: None)
        return ""

    request = {**ENVIRON, "HTTP_USER_AGENT": "Firefox"}
    for app_under in (WsgiSessionMiddleware(wsgi, SessionManager(MemoryStore(), binding=binding), traits=tell), flask_app):
        # A client that does not say what it is differs from one that did.
        for change in ({"CERT": "B"}, {"HTTP_USER_AGENT": ""}):
            users.clear()
            cookie = dict(wsgi_get(app_under, CERT="A", **request)[1])["Set-Cookie"].partition(";")[0]
            wsgi_get(app_under, cookie, CERT="A", **request)
            wsgi_get(app_under, cookie, **{**request, "CERT": "A", **change})
            assert users == [None, "ada", None]

    bound = SessionManager(MemoryStore(), binding=binding)
    for make in (lambda: SessionMiddleware(app, manager), lambda: WsgiSessionMiddleware(wsgi, bound), lambda: GuardSessionInterface(bound)):
        with pytest.raises(InvalidInput, match="certificate"):
            make()


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


def test_wsgi_signing_out_outlasts_what_happens_afterwards() -> None:
    manager = SessionManager(MemoryStore())

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["pyward.session"].logout()
        raise SystemExit

    flask_app = flask.Flask(__name__)
    flask_app.config["PROPAGATE_EXCEPTIONS"] = True  # as errors.wsgi.install sets it
    flask_app.session_interface = GuardSessionInterface(manager)

    @flask_app.get("/")
    def view() -> str:
        flask.session.logout()  # type: ignore[attr-defined]
        raise SystemExit

    for failing in (WsgiSessionMiddleware(app, manager), flask_app):
        session = manager.load(None)
        session.login("ada")
        cookie = manager.save(session)
        assert cookie is not None
        with pytest.raises(SystemExit):
            wsgi_get(failing, f"__Host-session={cookie.value}", **ENVIRON)
        assert manager.load(cookie.value).is_new


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
from pyward_guard.sessions import Binding
from django.conf import settings
settings.configure(
    SECRET_KEY="k" * 50, ALLOWED_HOSTS=["testserver"], ROOT_URLCONF=__name__, USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    MIDDLEWARE=["pyward_guard.sessions.django.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware"],
    SESSION_ENGINE="pyward_guard.sessions.django", PYWARD_SESSION_STORE=STORE,
    PYWARD_SESSION_BINDING=Binding(user_agent="reject", others={"certificate": "reject"}),
    PYWARD_SESSION_TRAITS=lambda meta: {"certificate": meta.get("HTTP_X_CERT", "")},
    SESSION_COOKIE_SAMESITE="None", PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
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
from pyward_guard.sessions import NO_CLIENT
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
first = manager().load(client.cookies["sessionid"].value, NO_CLIENT).expires
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

# What runs outside of a request shows no traits and ends nothing; who shows others does.
def own():
    client = Client(headers={"user-agent": "Firefox", "x-cert": "A"})
    client.get("/in")
    return client, client.cookies["sessionid"].value
for headers in ({"user-agent": "Firefox", "x-cert": "B"}, {"x-cert": "A"}, {}):
    client, key = own()
    assert SessionStore(key)["_auth_user_id"] and SessionStore().exists(key) and client.session["_auth_user_id"]
    assert client.get("/visit").json()["user"] == "ada"
    thief = Client(headers=headers); thief.cookies["sessionid"] = key
    assert thief.get("/visit").json()["user"] == "" and manager().of_user(str(user.pk)) == []

# set_expiry() holds on the server, from the last change on, and goes no further than the absolute lifetime.
import datetime
client, key = own()
age, day = settings.SESSION_COOKIE_AGE, datetime.timedelta(days=1)
def ends(value):
    session = SessionStore(key)
    session.set_expiry(value)
    session.save()
    [info] = manager().of_user(str(user.pk))
    return info.expires - info.created
whole = datetime.timedelta(seconds=age)
now = datetime.datetime.now(datetime.timezone.utc)
assert day <= ends(86400) < 2 * day
assert day - datetime.timedelta(hours=1) <= ends(now + day) < 2 * day
manager()._touch = 0
[short] = manager().of_user(str(user.pk))
time.sleep(0.01)
assert SessionStore(key)["_auth_user_id"]
[read] = manager().of_user(str(user.pk))
assert read.seen > short.seen and read.expires == short.expires
assert ends(10 * age) == ends(0) == ends(86400 * 400) == ends(None) == whole
session = SessionStore(key)
session.set_expiry(86400)
session.cycle_key()
key = session.session_key
[info] = manager().of_user(str(user.pk))
assert info.expires - info.created < 2 * day
session.set_expiry(-1)
session.save()
assert manager().of_user(str(user.pk)) == [] and dict(SessionStore(key).items()) == {}
def long(request):
    request.session.set_expiry(10 * settings.SESSION_COOKIE_AGE)
    return JsonResponse({})
urlpatterns.append(path("long", long))
cookie = own()[0].get("/long").cookies["sessionid"]
assert age - 60 < int(cookie["max-age"]) <= age, cookie.OutputString()

from pyward_guard import InvalidInput
from pyward_guard.sessions.django import SessionMiddleware
del settings.PYWARD_SESSION_TRAITS
try:
    SessionMiddleware(lambda request: None)
    raise SystemExit("a binding that nobody looks at")
except InvalidInput:
    pass
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

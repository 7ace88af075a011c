"""Headers, hosts, HTTPS, CORS and CSRF through ASGI, WSGI, Flask and Django."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import flask
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyward_guard import InvalidInput
from pyward_guard.headers import CORS, CSP, CSRF, SecurityHeaders, csp_nonce, csrf_field, csrf_token
from pyward_guard.headers import asgi as headers_asgi
from pyward_guard.headers import wsgi as headers_wsgi
from pyward_guard.headers._protect import token_in_form
from pyward_guard.sessions import AsyncSessionManager, MemoryStore
from pyward_guard.sessions.asgi import SessionMiddleware
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

BASE = "https://app.example"
KEY = b"k" * 32


def flask_application(**options: Any) -> Any:
    app = flask.Flask(__name__)

    @app.get("/")
    def page() -> Any:
        html = flask.render_template_string('<script nonce="{{ csp_nonce() }}"></script>')
        return html, 200, {"Server": "secret/1.0", "Referrer-Policy": "no-referrer"}

    @app.get("/form")
    def form() -> str:
        return flask.render_template_string("<form method=post>{{ csrf_field() }}</form>")

    @app.post("/form")
    def posted() -> str:
        return flask.request.form.get("x", "") + str(len(flask.request.files))

    @app.post("/json")
    def json_posted() -> str:
        return str(flask.request.get_json())

    headers_wsgi.install(app, **options)
    return app


def starlette_application(**options: Any) -> Any:
    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse(f'<script nonce="{csp_nonce()}"></script>', headers={"Server": "secret/1.0", "Referrer-Policy": "no-referrer"})

    async def form(request: Request) -> HTMLResponse:
        if request.method == "GET":
            return HTMLResponse(f"<form method=post>{csrf_field()}</form>")
        async with request.form() as fields:
            files = [value for value in fields.values() if not isinstance(value, str)]
            return HTMLResponse(str(fields.get("x", "")) + str(len(files)))

    async def json_posted(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(await request.json()))

    async def login(request: Request) -> PlainTextResponse:
        request.session.login("ada")  # type: ignore[attr-defined]
        return PlainTextResponse("")

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    routes = [
        Route("/", page), Route("/form", form, methods=["GET", "POST"]), Route("/json", json_posted, methods=["POST"]),
        Route("/login", login, methods=["POST"]), WebSocketRoute("/ws", socket),
    ]  # fmt: skip
    app = headers_asgi.SecurityMiddleware(Starlette(routes=routes), **options)
    return SessionMiddleware(app, AsyncSessionManager(MemoryStore()))


class Answer:
    def __init__(self, status: int, headers: Any, text: str) -> None:
        self.status, self.headers, self.text = status, headers, text


Call = Callable[..., Answer]


@pytest.fixture(params=["asgi", "wsgi"])
def open_app(request: pytest.FixtureRequest) -> Callable[..., Call]:
    """Opens an application with the given options; the result makes requests that keep cookies."""

    def build(**options: Any) -> Call:
        options.setdefault("hosts", ["app.example"])
        if request.param == "asgi":
            client: Any = TestClient(starlette_application(**options), follow_redirects=False)

            def call(method: str, path: str, *, base: str = BASE, headers: Any = None, data: Any = None, files: Any = None, json: Any = None) -> Answer:
                answer = client.request(method, base + path, headers=headers, data=data, files=files, json=json)
                return Answer(answer.status_code, answer.headers, answer.text)
        else:
            client = flask_application(**options).test_client()

            def call(method: str, path: str, *, base: str = BASE, headers: Any = None, data: Any = None, files: Any = None, json: Any = None) -> Answer:
                data = dict(data) if isinstance(data, dict) else data
                if files:
                    import io

                    data = {**(data or {}), **{name: (io.BytesIO(content), filename) for name, (filename, content) in files.items()}}
                answer = client.open(path, method=method, base_url=base, headers=headers, data=data, json=json)
                return Answer(answer.status_code, answer.headers, answer.text)

        return call

    return build


def test_every_response_has_the_headers(open_app: Callable[..., Call]) -> None:
    call = open_app()
    seen = set()
    for path in ("/", "/missing"):
        answer = call("GET", path)
        headers = answer.headers
        nonce = re.search(r"'nonce-([^']+)'", headers["content-security-policy"])
        assert nonce
        seen.add(nonce[1])
        assert headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert "server" not in headers
        if path == "/":
            assert f'nonce="{nonce[1]}"' in answer.text
            assert headers["referrer-policy"] == "no-referrer", "the application's own header is kept"
    assert len(seen) == 2


def test_unknown_hosts_are_refused(open_app: Callable[..., Call]) -> None:
    call = open_app(hosts=["app.example", ".wild.example"])
    assert call("GET", "/", base="https://evil.example").status == 400
    assert call("GET", "/", base="https://a.wild.example").status == 200
    assert call("GET", "/", headers={"Host": "app.example@evil"}).status == 400


def test_plain_http_is_redirected(open_app: Callable[..., Call]) -> None:
    call = open_app()
    answer = call("GET", "//evil.example/a%20b?x=%0d%0a1", base="http://app.example")
    assert answer.status == 308
    assert answer.headers["location"].startswith("https://app.example/")
    assert "\n" not in answer.headers["location"]
    assert call("GET", "/", base="http://evil.example").status == 400
    assert open_app(https="refuse")("POST", "/form", base="http://app.example").status == 403
    forwarded = {"X-Forwarded-Proto": "https"}
    assert call("GET", "/", base="http://app.example", headers=forwarded).status == 308, "anyone can send the header"


def test_csrf(open_app: Callable[..., Call]) -> None:
    call = open_app(csrf=CSRF([KEY], trusted_origins=["https://admin.example"]))
    page = call("GET", "/form")
    cookie = page.headers["set-cookie"]
    assert cookie.startswith("__Host-csrf=") and cookie.endswith("; Path=/; Secure; HttpOnly; SameSite=Lax")
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found
    token = found[1]
    own = {"Origin": BASE}
    assert call("POST", "/form", headers=own, data={"x": "a", "csrf_token": token}).text == "a0"
    assert call("POST", "/form", headers=own, data={"x": "b", "csrf_token": token}, files={"f": ("f.txt", b"z" * 70_000)}).text == "b1"
    assert call("POST", "/json", headers={**own, "X-CSRF-Token": token}, json={"a": 1}).text == "{'a': 1}"
    assert call("POST", "/form", headers={"Origin": "https://admin.example"}, data={"csrf_token": token}).status == 200
    assert call("POST", "/form", data={"csrf_token": token}).status == 200, "no headers to judge by: the token decides"
    for headers, data in [
        (own, {"x": "a"}),
        (own, {"csrf_token": ""}),
        (own, {"csrf_token": token[:-4] + "AAAA"}),
        ({"Origin": "https://evil.example"}, {"csrf_token": token}),
        ({"Origin": "null"}, {"csrf_token": token}),
        ({"Sec-Fetch-Site": "cross-site"}, {"csrf_token": token}),
        ({"Sec-Fetch-Site": "same-site"}, {"csrf_token": token}),
        ({"Referer": "https://evil.example/app.example"}, {"csrf_token": token}),
    ]:
        assert call("POST", "/form", headers=headers, data=data).status == 403, (headers, data)
    assert call("DELETE", "/form", headers=own).status == 403
    other = open_app(csrf=CSRF([KEY]))
    other("GET", "/form")
    assert other("POST", "/form", headers=own, data={"csrf_token": token}).status == 403, "another client's token"


def test_requests_without_cookies_need_no_token(open_app: Callable[..., Call]) -> None:
    call = open_app(csrf=CSRF([KEY], exempt=["/json"]))
    assert call("POST", "/form", headers={"Authorization": "Bearer x"}, data={"x": "1"}).status == 200
    assert call("POST", "/form", headers={"Origin": "https://evil.example"}, data={"x": "1"}).status == 403
    assert call("POST", "/json", headers={"Origin": "https://hook.example"}, json={}).status == 200


def test_tokens_are_bound_to_the_session() -> None:
    client = TestClient(starlette_application(hosts=["app.example"], csrf=CSRF([KEY])), base_url=BASE)

    def token() -> str:
        found = re.search(r'value="([^"]+)"', client.get("/form").text)
        assert found
        return found[1]

    anonymous = token()
    assert client.post("/login", data={"csrf_token": anonymous}).status_code == 200
    assert client.post("/form", data={"csrf_token": anonymous}).status_code == 403, "a token from before the login"
    signed_in = token()
    assert client.post("/form", data={"csrf_token": signed_in}).status_code == 200


@pytest.mark.parametrize("change", ["login", "rotate"])
def test_tokens_made_after_a_change_of_session_fit_the_new_one(change: str) -> None:
    """A log-in over JSON answers with the token for the requests to come."""

    async def enter(request: Request) -> PlainTextResponse:
        if change == "login" or not request.session.user:  # type: ignore[attr-defined]
            request.session.login("ada")  # type: ignore[attr-defined]
        else:
            request.session.rotate()  # type: ignore[attr-defined]
        return PlainTextResponse(csrf_token())

    app: Any = Starlette(routes=[Route("/", enter, methods=["POST"])])
    manager = AsyncSessionManager(MemoryStore())
    app = SessionMiddleware(headers_asgi.SecurityMiddleware(app, hosts=["app.example"], csrf=CSRF([KEY])), manager)
    client = TestClient(app, base_url=BASE, headers={"Origin": BASE})
    before = ""
    for _ in range(3):
        answer = client.post("/", headers={"X-CSRF-Token": before} if before else {})
        assert answer.status_code == 200, answer.text
        if before:
            assert client.post("/", headers={"X-CSRF-Token": before}).status_code == 403
        before = answer.text


def test_cors(open_app: Callable[..., Call]) -> None:
    call = open_app(cors=CORS(["https://spa.example"], methods=["GET", "PUT"], headers=["Content-Type"], credentials=True))
    allowed = call("GET", "/", headers={"Origin": "https://spa.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://spa.example"
    assert allowed.headers["access-control-allow-credentials"] == "true" and "Origin" in allowed.headers["vary"]
    for origin in ("https://evil.example", "null", "https://spa.example.evil", "http://spa.example"):
        assert "access-control-allow-origin" not in call("GET", "/", headers={"Origin": origin}).headers
    preflight = {"Origin": "https://spa.example", "Access-Control-Request-Method": "PUT"}
    answer = call("OPTIONS", "/form", headers=preflight)
    assert (answer.status, answer.headers["access-control-allow-methods"]) == (204, "GET, PUT")
    assert answer.headers["access-control-allow-headers"] == "Content-Type"
    assert "access-control-allow-methods" not in call("OPTIONS", "/form", headers={**preflight, "Origin": "https://evil.example"}).headers


def test_cors_with_csrf(open_app: Callable[..., Call], caplog: pytest.LogCaptureFixture) -> None:
    spa = {"Origin": "https://spa.example"}
    cors = CORS([spa["Origin"]], credentials=True)
    call = open_app(csrf=CSRF([KEY]), cors=cors)
    assert "CORS allows POST from https://spa.example" in caplog.text and "trusted_origins" in caplog.text
    refused = call("POST", "/form", headers=spa)
    assert refused.status == 403 and refused.headers["access-control-allow-origin"] == spa["Origin"], "scripts see why"
    assert "access-control-allow-origin" not in call("POST", "/form", headers={"Origin": "https://evil.example"}).headers
    caplog.clear()
    open_app(csrf=CSRF([KEY]), cors=CORS(["*"], methods=["GET", "HEAD"]))
    call = open_app(csrf=CSRF([KEY], trusted_origins=[spa["Origin"]]), cors=cors)
    assert not caplog.records
    found = re.search(r'value="([^"]+)"', call("GET", "/form", headers=spa).text)
    assert found
    answer = call("POST", "/form", headers={**spa, "X-CSRF-Token": found[1]}, data={"x": "a"})
    assert answer.text == "a0" and answer.headers["access-control-allow-origin"] == spa["Origin"]
    assert call("POST", "/form", headers=spa, data={"x": "a"}).status == 403, "trusted, but without the token"


def test_tokens_are_asked_for_before_the_headers_are_sent() -> None:
    def streamed(early: bool) -> Any:
        def wsgi_app(environ: Any, start_response: Any) -> Any:
            tokens = [csrf_token()] if early else []
            start_response("200 OK", [])
            yield (tokens or [csrf_token()])[0].encode()
            assert csrf_token()

        async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
            if early:
                csrf_token()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": csrf_token().encode()})

        wsgi = flask.Flask(__name__)
        wsgi.wsgi_app = headers_wsgi.SecurityMiddleware(wsgi_app, hosts=["app.example"], csrf=CSRF([KEY]))  # type: ignore[method-assign]
        return wsgi.test_client(), TestClient(headers_asgi.SecurityMiddleware(asgi_app, hosts=["app.example"], csrf=CSRF([KEY])), base_url=BASE)

    wsgi, asgi = streamed(early=True)
    for answer in (wsgi.get("/", base_url=BASE), asgi.get("/")):
        assert answer.text and "__Host-csrf=" in answer.headers["Set-Cookie"]
    wsgi, asgi = streamed(early=False)
    with pytest.raises(InvalidInput, match="too late"):
        assert wsgi.get("/", base_url=BASE).text
    with pytest.raises(InvalidInput, match="too late"):
        asgi.get("/")


def test_sockets_give_tokens_to_clients_with_the_cookie_only() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": csrf_token()})

    client = TestClient(headers_asgi.SecurityMiddleware(app, hosts=["app.example"], csrf=CSRF([KEY])), base_url=BASE)
    with client.websocket_connect("wss://app.example/", headers={"Cookie": "__Host-csrf=x"}) as socket:
        assert socket.receive_text()
    with pytest.raises(InvalidInput, match="too late"), client.websocket_connect("wss://app.example/") as socket:
        socket.receive_text()


def test_a_wsgi_request_ends_with_its_body() -> None:
    import contextvars
    import io
    from wsgiref.util import FileWrapper

    environ = {"REQUEST_METHOD": "GET", "HTTP_HOST": "app.example", "wsgi.url_scheme": "https", "PATH_INFO": "/"}
    closed: list[str] = []

    class Body:
        def __iter__(self) -> Any:
            yield csp_nonce().encode()

        def close(self) -> None:
            closed.append(csp_nonce())

    def guarded(body: Any) -> Any:
        def app(environ: Any, start_response: Any) -> Any:
            csrf_token()
            start_response("200 OK", [])
            return body() if callable(body) else body

        return headers_wsgi.SecurityMiddleware(app, hosts=["app.example"], csrf=CSRF([KEY]))

    def outside() -> None:
        for helper in (csp_nonce, csrf_token, csrf_field):
            with pytest.raises(InvalidInput, match="no request"):
                helper()

    def run() -> None:
        outside()
        body = guarded(Body)(dict(environ), lambda *_: None)
        (nonce,) = body
        inner = guarded(Body)(dict(environ), lambda *_: None)
        assert list(inner) != [nonce]
        inner.close()
        assert csp_nonce().encode() == nonce, "a request inside of another gives way to it"
        body.close()
        assert closed[1].encode() == nonce, "the application's own close() belongs to the request"
        outside()
        for whole in ([b"x"], io.BytesIO(b"x"), FileWrapper(io.BytesIO(b"x"))):
            got = guarded(whole)({**environ, "wsgi.file_wrapper": FileWrapper}, lambda *_: None)
            assert got is whole, "servers look at the length of lists, and send files in a quicker way"
            outside()
        with pytest.raises(ZeroDivisionError):
            guarded(lambda: 1 / 0)(dict(environ), lambda *_: None)
        outside()

    contextvars.Context().run(run)


def test_cross_site_websockets_are_refused() -> None:
    client = TestClient(starlette_application(hosts=["app.example"]), base_url=BASE)
    with client.websocket_connect("wss://app.example/ws", headers={"Origin": BASE}):
        pass
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("wss://app.example/ws", headers={"Origin": "https://evil.example"}):
        pass


def test_sockets_with_cookies_are_refused_where_cors_is_open() -> None:
    for options, origin, cookie, admitted in [
        ({"cors": CORS(["*"])}, "https://evil.example", "s=1", False),
        ({"cors": CORS(["*"])}, "https://any.example", "", True),
        ({"cors": CORS(["https://a.example"])}, "https://a.example", "s=1", False),
        ({"cors": CORS(["https://a.example"], credentials=True)}, "https://a.example", "s=1", True),
        ({"csrf": CSRF([KEY], trusted_origins=["https://a.example"])}, "https://a.example", "s=1", True),
        ({}, "https://app.example:443", "s=1", False),
        ({}, "null", "s=1", False),
    ]:
        client = TestClient(starlette_application(hosts=["app.example"], **options), base_url=BASE)
        headers = {"Origin": origin, **({"Cookie": cookie} if cookie else {})}
        if admitted:
            with client.websocket_connect("wss://app.example/ws", headers=headers):
                pass
        else:
            with pytest.raises(WebSocketDisconnect), client.websocket_connect("wss://app.example/ws", headers=headers):
                pass


def test_line_breaks_in_headers_are_refused() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-name", b"a\r\nset-cookie: b=c")]})

    with pytest.raises(InvalidInput):
        TestClient(headers_asgi.SecurityMiddleware(app, hosts=["app.example"])).get(BASE)

    def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-Name", "a\nb")])
        return [b""]

    environ = {"REQUEST_METHOD": "GET", "HTTP_HOST": "app.example", "wsgi.url_scheme": "https", "PATH_INFO": "/"}
    with pytest.raises(InvalidInput):
        headers_wsgi.SecurityMiddleware(wsgi_app, hosts=["app.example"])(environ, lambda *_: None)


async def test_redirects_encode_decoded_paths() -> None:
    """Servers that hand on no raw path have decoded `%0d%0a`."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    scope = {"type": "http", "method": "GET", "scheme": "http", "path": "//evil\r\nSet-Cookie: a=b", "query_string": b"", "headers": [(b"host", b"app.example:80")]}
    await headers_asgi.SecurityMiddleware(lambda *_: None, hosts=["app.example"])(scope, receive, send)  # type: ignore[arg-type,return-value]
    assert dict(sent[0]["headers"])[b"location"] == b"https://app.example/evil%0D%0ASet-Cookie:%20a=b"


def test_the_policy_answers_cors_alone() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Access-Control-Allow-Origin", b"*")]})
        await send({"type": "http.response.body", "body": b""})

    client = TestClient(headers_asgi.SecurityMiddleware(app, hosts=["app.example"], cors=CORS(["https://a.example"])))
    assert "access-control-allow-origin" not in client.get(BASE, headers={"Origin": "https://b.example"}).headers
    assert client.get(BASE, headers={"Origin": "https://a.example"}).headers.get_list("access-control-allow-origin") == ["https://a.example"]


def test_the_default_port_makes_no_other_origin(open_app: Callable[..., Call]) -> None:
    call = open_app(csrf=CSRF([KEY]))
    for host in ("app.example:443", "APP.example"):
        assert call("POST", "/json", headers={"Host": host, "Origin": BASE}, json={}).status == 200, host


def test_pages_with_tokens_are_told_to_caches(open_app: Callable[..., Call]) -> None:
    call = open_app(csrf=CSRF([KEY]))
    assert "Cookie" in call("GET", "/form").headers["Vary"]


@pytest.mark.parametrize("boundary", ["asgi", "wsgi"])
def test_error_pages_have_the_headers_too(boundary: str) -> None:
    from pyward_guard.errors import asgi, wsgi

    if boundary == "asgi":

        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise RuntimeError

        answer = TestClient(asgi.ErrorBoundary(headers_asgi.SecurityMiddleware(app, hosts=["app.example"]))).get(BASE)
        status, headers = answer.status_code, answer.headers
    else:
        flask_app = flask.Flask(__name__)

        @flask_app.get("/")
        def broken() -> Any:
            raise RuntimeError

        headers_wsgi.install(flask_app, hosts=["app.example"])
        wsgi.install(flask_app)
        got = flask_app.test_client().get("/", base_url=BASE)
        status, headers = got.status_code, got.headers
    assert status == 500
    for name in ("Strict-Transport-Security", "Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Permissions-Policy", "Cross-Origin-Opener-Policy"):
        assert name in headers, name


def test_mistakes_are_refused() -> None:
    mistakes: list[Callable[[], Any]] = [
        lambda: CSP(),
        lambda: CSP(script_src="'self'"),
        lambda: CSP(scriptsrc=["'self'"]),
        lambda: CSP(script_src=["'nonce-abc'"]),
        lambda: SecurityHeaders(hsts_preload=True, hsts=timedelta(days=1)),
        lambda: SecurityHeaders(permissions={"telepathy": ["self"]}),
        lambda: SecurityHeaders(permissions={"camera": ["evil\r\nX: y"]}).fields(""),
        lambda: CSRF([b"short"]),
        lambda: CSRF([]),
        lambda: CSRF([KEY], trusted_origins=["admin.example"]),
        lambda: CORS(["*"], credentials=True),
        lambda: CORS(["https://a.example/"]),
        lambda: CORS("https://a.example"),
        lambda: CORS(["https://a.example"], methods="GET"),
        lambda: CORS(["https://a.example"], headers="Content-Type"),
        lambda: CORS(["https://a.example"], expose="ETag"),
        lambda: CSRF(KEY),  # type: ignore[arg-type]
        lambda: CSRF(["k" * 32]),  # type: ignore[list-item]
        lambda: CSRF([KEY], trusted_origins="https://a.example"),
        lambda: CSRF([KEY], exempt="/hook"),
        lambda: CSRF([KEY], exempt=["hook"]),
        lambda: CSP.strict().extend(img_src="data"),
        lambda: SecurityHeaders(remove="Server"),  # type: ignore[arg-type]
        lambda: SecurityHeaders(permissions={"camera": "self"}),
        lambda: CORS(["https://a.example"], headers=["X\r\nY"]),
        lambda: headers_asgi.SecurityMiddleware(None, hosts=["*"]),  # type: ignore[arg-type]
        lambda: headers_asgi.SecurityMiddleware(None, hosts=[]),  # type: ignore[arg-type]
    ]
    for mistake in mistakes:
        with pytest.raises(InvalidInput):
            mistake()


def test_violations_are_reported() -> None:
    fields = dict(SecurityHeaders.app().but(report_to="https://app.example/csp", csp_report_only=CSP(script_src=["'none'"])).fields("N"))
    assert fields["Reporting-Endpoints"] == 'default="https://app.example/csp"'
    assert fields["Content-Security-Policy"].endswith("; report-to default")
    assert fields["Content-Security-Policy-Report-Only"] == "script-src 'none'; report-to default"


def test_values_that_are_no_choice_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    for changes in ({"frames": "ALLOWALL"}, {"referrer_policy": "unsafe-url\r\nX: y"}, {"hsts": timedelta(-1)}, {"report_to": 'https://a.example/"\r\nX: y'}):
        with pytest.raises(InvalidInput):
            SecurityHeaders.app().but(**changes)
    SecurityHeaders.app().but(csp=None)
    assert "without csp" in caplog.text
    assert CSP.hash_of("a\r\nb") == CSP.hash_of("a\nb")


def test_unsafe_sources_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    CSP(script_src=["'unsafe-inline'"], insecure_allow_unsafe=True)
    assert "insecure_allow_unsafe" in caplog.text
    assert "k" * 32 not in repr(CSRF([KEY]))


def test_helpers_need_a_request() -> None:
    import contextvars

    with pytest.raises(InvalidInput, match="SecurityMiddleware"):
        contextvars.Context().run(csrf_token)


@given(st.binary(max_size=300), st.text(max_size=60))
def test_any_form_body_is_read(body: bytes, content_type: str) -> None:
    for kind in (content_type, "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"):
        found = token_in_form(body, kind)
        assert found is None or isinstance(found, str)


DJANGO = """
import re
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="k" * 50, ALLOWED_HOSTS=["app.example", "testserver"], ROOT_URLCONF=__name__, DEBUG=False,
    CSRF_TRUSTED_ORIGINS=["https://*.partner.example", "https://admin.example"],
    MIDDLEWARE=["pyward_guard.errors.django.ErrorBoundary", "pyward_guard.headers.django.SecurityMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"context_processors": ["django.template.context_processors.request"]}}],
)
django.setup()
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.template import engines
from django.test import Client, AsyncClient
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
def page(request):
    get_token(request)
    html = engines["django"].from_string('<script nonce="{{ request.csp_nonce }}"></script>').render({}, request)
    return HttpResponse(html)
@csrf_exempt
def exempt(request):
    return HttpResponse("done")
def broken(request):
    raise ValueError("password hunter2")
def leaky(request):
    return HttpResponse("Traceback: hunter2", status=503)
urlpatterns = [path("", page), path("exempt", exempt), path("broken", broken), path("leaky", leaky)]
handler500 = "pyward_guard.errors.django.handler500"
client = Client(raise_request_exception=False, headers={"host": "app.example"})
answer = client.get("/", secure=True)
nonce = re.search("'nonce-([^']+)'", answer["Content-Security-Policy"])[1]
assert nonce in answer.content.decode()
assert answer["X-Content-Type-Options"] == "nosniff"
assert client.post("/exempt", secure=True, headers={"origin": "https://evil.example"}).status_code == 403
assert client.post("/exempt", secure=True, headers={"origin": "https://app.example"}).status_code == 200
for origin, status in (("https://a.partner.example", 200), ("https://admin.example", 200), ("http://a.partner.example", 403), ("https://partner.example", 403),
                       ("https://evilpartner.example", 403), ("https://a.partner.example.evil", 403), ("https://app.example:8443", 403)):
    assert client.post("/exempt", secure=True, headers={"origin": origin}).status_code == status, origin
assert client.post("/exempt", secure=True, headers={"host": "app.example:443", "origin": "https://app.example"}).status_code == 200
refused = Client(headers={"host": "evil.example"}).get("/", secure=True)
assert refused.status_code == 400 and "Content-Security-Policy" in refused and "Strict-Transport-Security" in refused
from django.test import override_settings
with override_settings(DEBUG=True):
    for host, path_, status in (("app.example", "/nowhere", 404), ("evil.example", "/", 400)):
        answer = client.get(path_, secure=True, headers={"host": host, "accept": "text/html"})
        assert answer.status_code == status and b"exempt" not in answer.content and b"Traceback" not in answer.content, answer.content
        assert "Strict-Transport-Security" in answer
for path_, status in (("/broken", 500), ("/leaky", 503)):
    answer = client.get(path_, secure=True, headers={"accept": "text/html"})
    assert answer.status_code == status and b"hunter2" not in answer.content and b"incident" in answer.content, answer.content
import asyncio
async def later():
    answer = await AsyncClient(raise_request_exception=False).get("/broken", secure=True)
    assert answer.status_code == 500 and answer["Content-Type"] == "application/problem+json"
asyncio.run(later())
print("passed")
"""


DJANGO_CORS = """
import asyncio, logging
import django
from django.conf import settings
from pyward_guard import InvalidInput
from pyward_guard.headers import CORS
SPA, READER, EVIL = "https://spa.partner.example", "https://reader.example", "https://evil.example"
settings.configure(
    SECRET_KEY="k" * 50, ALLOWED_HOSTS=["app.example", "testserver"], ROOT_URLCONF=__name__, DEBUG=False,
    CSRF_TRUSTED_ORIGINS=["https://*.partner.example"],
    MIDDLEWARE=["pyward_guard.errors.django.ErrorBoundary", "pyward_guard.headers.django.SecurityMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
    PYWARD_CORS=CORS([SPA, READER], methods=["GET", "PUT"], headers=["X-CSRFToken"], credentials=True),
)
django.setup()
from django.http import HttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path, reverse_lazy
from django.views.decorators.csrf import csrf_exempt
seen = []
@csrf_exempt
def page(request):
    seen.append(request.method)
    return HttpResponse("done", headers={"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Private-Network": "true", "Vary": "Accept"})
@csrf_exempt
async def later(request):
    return page(request)
def protected(request):
    return HttpResponse("done")
def broken(request):
    raise ValueError
urlpatterns = [path("", page, name="page"), path("later", later), path("protected", protected), path("broken", broken)]
lines = []
class Lines(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())
logging.getLogger("pyward_guard.headers").addHandler(Lines())
client = Client(raise_request_exception=False, enforce_csrf_checks=True, headers={"host": "app.example"})
ALLOW = "Access-Control-Allow-Origin"
def check(where, request):
    answer = request("GET", SPA)
    assert (answer[ALLOW], answer["Access-Control-Allow-Credentials"], answer["Vary"]) == (SPA, "true", "Accept, Origin"), answer.headers
    assert "Access-Control-Allow-Private-Network" not in answer and "X-Content-Type-Options" in answer
    answer = request("GET", EVIL)
    assert answer.status_code == 200 and ALLOW not in answer and "Origin" in answer["Vary"]
    assert request("PUT", SPA).status_code == 200
    answer = request("PUT", READER)
    assert answer.status_code == 403 and answer[ALLOW] == READER, "refused, but it may read that"
    answer = request("PUT", EVIL)
    assert answer.status_code == 403 and ALLOW not in answer
    seen.clear()
    answer = request("OPTIONS", SPA, {"access-control-request-method": "PUT"})
    assert (answer.status_code, answer[ALLOW], answer["Access-Control-Allow-Methods"]) == (204, SPA, "GET, PUT"), answer.headers
    assert answer["Access-Control-Allow-Headers"] == "X-CSRFToken" and "Strict-Transport-Security" in answer
    assert "Access-Control-Allow-Methods" not in request("OPTIONS", EVIL, {"access-control-request-method": "PUT"})
    answer = request("OPTIONS", SPA, {"access-control-request-method": "PUT", "host": "evil.example"})
    assert answer.status_code == 400 and ALLOW not in answer
    assert not seen, "preflight requests reach no view"
    assert request("OPTIONS", SPA).status_code == 200 and seen == ["OPTIONS"]
for where in ("/", "/later"):
    check(where, lambda method, origin, more={}: client.generic(method, where, secure=True, headers={"origin": origin, **more}))
    def from_loop(method, origin, more={}):
        call = AsyncClient(raise_request_exception=False).generic
        return asyncio.run(call(method, where, secure=True, headers={"origin": origin, **more}))
    check(where, from_loop)
for where, status in (("/protected", 403), ("/broken", 500)):
    answer = client.generic("PUT" if status == 403 else "GET", where, secure=True, headers={"origin": SPA})
    assert answer.status_code == status and answer[ALLOW] == SPA, where
assert any("CORS allows PUT from https://reader.example," in line and "CSRF_TRUSTED_ORIGINS" in line for line in lines), lines
with override_settings(PYWARD_CSRF_EXEMPT=[reverse_lazy("page")]):
    assert Client(headers={"host": "app.example"}).put("/", secure=True, headers={"origin": EVIL}).status_code == 200
for wrong in ({"PYWARD_CSRF_EXEMPT": "/hook"}, {"PYWARD_CSRF_EXEMPT": ["page"]}, {"CSRF_TRUSTED_ORIGINS": SPA}, {"PYWARD_CORS": {"origins": [SPA]}}):
    with override_settings(**wrong):
        try:
            Client(headers={"host": "app.example"}).get("/", secure=True)
        except InvalidInput as error:
            assert list(wrong)[0] in str(error), error
        else:
            raise AssertionError(wrong)
print("passed")
"""


@pytest.mark.parametrize("program", [DJANGO, DJANGO_CORS], ids=["all", "cors"])
def test_django(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=600)
    assert done.stdout.strip() == "passed", done.stdout + done.stderr


@pytest.mark.parametrize("middleware", [headers_asgi.SecurityMiddleware, headers_wsgi.SecurityMiddleware])
def test_https_is_given_up_only_by_an_ugly_name_and_with_a_line_in_the_log(middleware: Any, caplog: pytest.LogCaptureFixture) -> None:
    for options in ({"https": "off"}, {"https": "Redirect"}, {"hosts": "app.example"}):
        with pytest.raises(InvalidInput):
            middleware(object(), **{"hosts": ["app.example"], **options})
    assert not caplog.records
    middleware(object(), hosts=["app.example"], https="insecure_off")
    assert "development only" in caplog.text

"""What the middlewares add to a request."""

from __future__ import annotations

import statistics
from typing import Any

from pyward_guard.errors.asgi import ErrorBoundary
from pyward_guard.headers import CSRF, SecurityHeaders
from pyward_guard.headers.asgi import SecurityMiddleware
from pyward_guard.headers.wsgi import SecurityMiddleware as WsgiSecurityMiddleware
from pyward_guard.sessions import AsyncSessionManager, MemoryStore
from pyward_guard.sessions.asgi import SessionMiddleware

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]}
BODY = {"type": "http.response.body", "body": b"hello"}
SCOPE = {
    "type": "http", "method": "GET", "path": "/", "scheme": "https", "query_string": b"", "client": ("203.0.113.7", 1234),
    "headers": [(b"host", b"app.example"), (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"), (b"accept", b"text/html"), (b"accept-language", b"en"), (b"cookie", b"a=b")],
}  # fmt: skip
ENVIRON = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_HOST": "app.example", "wsgi.url_scheme": "https", "REMOTE_ADDR": "203.0.113.7"}


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send(dict(START))
    await send(BODY)


async def receive() -> Any:
    return {"type": "http.request", "body": b""}


async def send(message: Any) -> None:
    pass


def wsgi_app(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"hello"]


def run(bench: Any) -> None:
    from guard_bench import drive, seconds

    def asgi(application: Any) -> float:
        return seconds(lambda: drive(application(dict(SCOPE), receive, send)), repeats=5, budget=0.05)

    def added(make: Any) -> float:
        # In turns, so that a busy machine hits both.
        guarded = make(app)
        return statistics.median(asgi(guarded) - asgi(app) for _ in range(7))

    hosts = ["app.example"]
    bench.add("headers with a CSP nonce, ASGI (added time)", added(lambda inner: SecurityMiddleware(inner, hosts=hosts)), under=5e-6)
    bench.add("headers of an API, ASGI (added time)", added(lambda inner: SecurityMiddleware(inner, hosts=hosts, headers=SecurityHeaders.api())), under=5e-6)
    bench.add("headers and CSRF, ASGI (added time)", added(lambda inner: SecurityMiddleware(inner, hosts=hosts, csrf=CSRF([b"k" * 32]))), under=5e-6)
    manager = AsyncSessionManager(MemoryStore())
    bench.add("sessions, ASGI, visitor (added time)", added(lambda inner: SessionMiddleware(inner, manager)))
    bench.add("error boundary, ASGI (added time)", added(ErrorBoundary))

    def wsgi(application: Any) -> float:
        return seconds(lambda: application(dict(ENVIRON), lambda *args: None), repeats=5, budget=0.05)

    guarded = WsgiSecurityMiddleware(wsgi_app, hosts=hosts)
    protected = WsgiSecurityMiddleware(wsgi_app, hosts=hosts, csrf=CSRF([b"k" * 32]))
    bench.add(
        "headers and CSRF, WSGI (added time)", statistics.median(wsgi(protected) - wsgi(wsgi_app) for _ in range(7)), under=5e-6
    )
    bench.add("headers with a CSP nonce, WSGI (added time)", statistics.median(wsgi(guarded) - wsgi(wsgi_app) for _ in range(7)), under=5e-6)

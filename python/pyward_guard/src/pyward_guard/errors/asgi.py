"""The error boundary for ASGI applications. It belongs outermost.

>>> async def app(scope, receive, send): raise RuntimeError("the database password is hunter2")
>>> guarded = ErrorBoundary(app)

CWE-209, CWE-248; ASVS 5.0: v5.0.0-16.5.1, v5.0.0-16.5.3, v5.0.0-16.5.4.
"""

from __future__ import annotations

import contextlib
import logging

from .._web import AsgiApp, Message, Receive, Scope, Send, asgi_header
from ._boundary import FINISH, KEPT, PAGE_HEADERS, Incident, log_incident, render

__all__ = ["ErrorBoundary"]

_log = logging.getLogger("pyward_guard.errors")

_LOGGED_BODY = 4096


class ErrorBoundary:
    """Turns exceptions, and whatever an application sends with a status of 500 or more, into a generic answer, also in
    place of a WebSocket.

    The body that the application sent goes to the log. ``insecure_keep_server_error_bodies`` lets such bodies through, for
    applications that render their own error pages and are sure of them; exceptions are still caught.
    When the response has already begun, the connection is cut instead of finished with mixed content.

    CWE-209; ASVS 5.0: v5.0.0-16.3.4, v5.0.0-16.5.1, v5.0.0-16.5.3, v5.0.0-16.5.4.
    """

    def __init__(self, app: AsgiApp, *, insecure_keep_server_error_bodies: bool = False) -> None:
        self.app = app
        self._keep = insecure_keep_server_error_bodies
        if insecure_keep_server_error_bodies:
            _log.warning("bodies of the application's own server errors are shown to users")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        held: Message | None = None
        body = b""
        started = finished = closed = False

        async def watch(message: Message) -> None:
            nonlocal held, body, started, finished, closed
            kind = message["type"]
            # An application may refuse a WebSocket with a response of its own.
            part = kind.removeprefix("websocket.")
            if part == "http.response.start" and message["status"] >= 500 and not self._keep:
                held = message
                return
            if held is not None and part == "http.response.body":
                body = (body + message.get("body", b""))[:_LOGGED_BODY]
                if not message.get("more_body", False) and not finished:
                    # An exception may still follow, as from Starlette: it is answered below.
                    finished = True
                return
            if held is not None and part.startswith("http.response."):
                return
            if kind in ("http.response.start", "websocket.accept", "websocket.close", "websocket.http.response.start"):
                started = True
            if kind in ("websocket.close", "websocket.http.response.start"):
                closed = True
            await send(message)

        error: Exception | None = None
        try:
            await self.app(scope, receive, watch)
        except Exception as caught:
            error = caught
        if error is None and held is None:
            return
        incident = Incident.new()
        where = f"{scope.get('method', 'WEBSOCKET')} {scope.get('path', '')}"
        detail = body.decode("utf-8", "replace") if error is None else ""
        log_incident(incident, error, where=where, detail=detail)
        websocket = scope["type"] == "websocket"
        if websocket and (held is None or started):
            if not closed:
                await send({"type": "websocket.close", "code": 1011, "reason": incident.id})
            return
        if started:
            # The server closes the connection when the application returns without having finished.
            return
        status, content_type, page = render(incident, asgi_header(scope, b"accept") or "", held["status"] if held else 500)
        own = [(b"content-type", content_type.encode()), (b"content-length", str(len(page)).encode()), (b"cache-control", b"no-store")]
        prefix = "websocket.http.response" if websocket else "http.response"
        await send({"type": f"{prefix}.start", "status": status, "headers": self._headers(scope, held, own)})
        await send({"type": f"{prefix}.body", "body": b"" if scope.get("method") == "HEAD" else page})

    @staticmethod
    def _headers(scope: Scope, held: Message | None, own: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        kept = [(name, value) for name, value in (held or {}).get("headers", ()) if name.lower().decode("latin-1") in KEPT]
        finish = scope.get(FINISH)
        if held is None and finish is not None:
            # The exception came past SecurityMiddleware, whose headers the page needs as any other.
            with contextlib.suppress(Exception):
                own = finish(own)
        out = kept + own
        names = {name.lower() for name, _ in out}
        return out + [(name.lower().encode(), value.encode()) for name, value in PAGE_HEADERS if name.lower().encode() not in names]

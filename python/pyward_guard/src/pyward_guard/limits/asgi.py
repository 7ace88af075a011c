"""Rate limits for ASGI applications.

>>> from datetime import timedelta
>>> from pyward_guard import limits
>>> async def app(scope, receive, send): ...
>>> guarded = RateLimitMiddleware(app, limits.MemoryLimiter(limits.Window(100, timedelta(minutes=1))))

CWE-307, CWE-770, CWE-799; ASVS 5.0: v5.0.0-2.4.1.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from .._web import AsgiApp, Message, Proxies, Receive, Scope, Send, asgi_headers, asgi_peer
from ._rate import BODIES, AsyncRedisLimiter, LimitsUnavailable, MemoryLimiter, Verdict, client_key

__all__ = ["RateLimitMiddleware", "client_of"]


def client_of(scope: Scope, proxies: Proxies) -> str:
    """The key under which the client of a request is counted. CWE-770; ASVS 5.0: v5.0.0-4.1.3, v5.0.0-15.3.4.

    >>> client_of({"type": "http", "client": ("203.0.113.7", 1234), "headers": []}, Proxies())
    '203.0.113.7'
    """
    return client_key(proxies.client(asgi_peer(scope), ",".join(asgi_headers(scope, b"x-forwarded-for"))))


class RateLimitMiddleware:
    """Answers 429 with ``Retry-After`` when a client is over its limit, and 503 when the limits cannot be asked.

    The opening of a WebSocket counts as a request.

    ``key`` names what is counted, by default the client's address; None lets the request pass uncounted.

    CWE-770; ASVS 5.0: v5.0.0-2.4.1, v5.0.0-4.1.3.
    """

    def __init__(
        self,
        app: AsgiApp,
        limiter: MemoryLimiter | AsyncRedisLimiter,
        *,
        key: Callable[[Scope], str | None] | None = None,
        proxies: Sequence[str] = (),
    ) -> None:
        self.app = app
        self._check: Any = limiter.check
        trusted = Proxies(proxies)
        self._key = key or (lambda scope: client_of(scope, trusted))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = self._key(scope) if scope["type"] in ("http", "websocket") else None
        if key is None:
            return await self.app(scope, receive, send)
        try:
            answer = self._check(key)
            verdict: Verdict = await answer if inspect.isawaitable(answer) else answer
        except LimitsUnavailable:
            return await self._refuse(scope, receive, send, 503, [(b"retry-after", b"1")])
        fields = [(name.lower().encode(), value.encode()) for name, value in verdict.headers().items()]
        if not verdict:
            return await self._refuse(scope, receive, send, 429, fields)

        async def send_with_fields(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                message = {**message, "headers": [*message.get("headers", ()), *fields]}
            await send(message)

        await self.app(scope, receive, send_with_fields)

    @staticmethod
    async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, fields: list[tuple[bytes, bytes]]) -> None:
        kind = "http.response"
        if scope["type"] == "websocket":
            await receive()
            if "websocket.http.response" not in (scope.get("extensions") or {}):
                # Before it was accepted, servers make a 403 of it. 1013: try again later.
                return await send({"type": "websocket.close", "code": 1013})
            kind = "websocket.http.response"
        body = BODIES[status]
        fields = [*fields, (b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        await send({"type": f"{kind}.start", "status": status, "headers": fields})
        await send({"type": f"{kind}.body", "body": body})

"""Rate limits for single routes of FastAPI. Around a whole application: :mod:`pyward_guard.limits.asgi`.

>>> from datetime import timedelta
>>> import fastapi
>>> from fastapi.testclient import TestClient
>>> from pyward_guard import limits
>>> app = fastapi.FastAPI()
>>> few = RateLimit(limits.MemoryLimiter(limits.Window(2, timedelta(minutes=1))))
>>> @app.post("/reset-password", dependencies=[fastapi.Depends(few)])
... def reset(): return "sent"
>>> [TestClient(app).post("/reset-password").status_code for _ in range(3)]
[200, 200, 429]

CWE-307, CWE-770, CWE-799; ASVS 5.0: v5.0.0-2.4.1, v5.0.0-6.3.1.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence

from .._optional import need
from .._web import Proxies
from ._rate import AsyncRedisLimiter, LimitsUnavailable, MemoryLimiter, Verdict
from .asgi import client_of

try:
    from fastapi import HTTPException, WebSocketException
    from starlette.requests import HTTPConnection, Request
except ImportError:
    raise need("fastapi", "pyward_guard.limits.fastapi") from None

__all__ = ["RateLimit"]


class RateLimit:
    """A dependency that counts a request, or the opening of a WebSocket: 429 with ``Retry-After`` (for a WebSocket, code
    1013) when its client is over the limit, 503 when the limits cannot be asked.

    ``key`` names what is counted, by default the client's address; it may be a coroutine function, and None lets the request
    pass uncounted. A request takes ``cost`` of the limit. ``proxies`` are addresses or networks whose ``X-Forwarded-For`` is
    believed. Rules that are not to share their counts have limiters of their own (in Redis, prefixes of their own).

    CWE-307, CWE-770; ASVS 5.0: v5.0.0-2.4.1, v5.0.0-6.3.1.
    """

    def __init__(
        self,
        limiter: MemoryLimiter | AsyncRedisLimiter,
        *,
        key: Callable[[Request], str | None | Awaitable[str | None]] | None = None,
        cost: int = 1,
        proxies: Sequence[str] = (),
    ) -> None:
        self._limiter, self._cost = limiter, cost
        trusted = Proxies(proxies)
        self._key = key or (lambda request: client_of(request.scope, trusted))

    async def __call__(self, connection: HTTPConnection) -> None:
        # At run time it is a Request or a WebSocket.
        key = self._key(connection)  # type: ignore[arg-type]
        key = await key if inspect.isawaitable(key) else key
        if key is None:
            return
        try:
            checked = self._limiter.check(key, self._cost)
            verdict: Verdict = checked if isinstance(checked, Verdict) else await checked
        except LimitsUnavailable:
            raise _refusal(connection, 503, "Unavailable. Try again later.", {"Retry-After": "1"}) from None
        if not verdict:
            raise _refusal(connection, 429, "Too many requests. Try again later.", verdict.headers())

    # FastAPI reads these, and does not know the names of this module.
    __call__.__annotations__ = {"connection": HTTPConnection, "return": None}


def _refusal(connection: HTTPConnection, status: int, text: str, headers: dict[str, str]) -> Exception:
    # 1013: try again later.
    return WebSocketException(1013, text) if connection.scope["type"] == "websocket" else HTTPException(status, text, headers=headers)

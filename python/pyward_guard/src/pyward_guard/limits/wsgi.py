"""Rate limits for WSGI applications, Flask and Django among them.

>>> from datetime import timedelta
>>> from pyward_guard import limits
>>> def app(environ, start_response):
...     start_response("200 OK", [])
...     return [b"ok"]
>>> guarded = RateLimitMiddleware(app, limits.MemoryLimiter(limits.Window(1, timedelta(minutes=1))))
>>> answers = []
>>> for _ in range(2):
...     _ = guarded({"REMOTE_ADDR": "203.0.113.7"}, lambda status, headers, *_: answers.append(status))
>>> answers
['200 OK', '429 Too Many Requests']

CWE-307, CWE-770, CWE-799; ASVS 5.0: v5.0.0-2.4.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .._web import Environ, Proxies, StartResponse, WsgiApp
from ._rate import BODIES, LimitsUnavailable, MemoryLimiter, RedisLimiter, check_blocking, client_key

__all__ = ["RateLimitMiddleware", "install"]


class RateLimitMiddleware:
    """Answers 429 with ``Retry-After`` when a client is over its limit, and 503 when the limits cannot be asked. See
    :class:`limits.asgi.RateLimitMiddleware`.
    Raises :class:`~pyward_guard.InvalidInput` for an asynchronous limiter. CWE-770; ASVS 5.0: v5.0.0-2.4.1.
    """

    def __init__(
        self,
        app: WsgiApp,
        limiter: MemoryLimiter | RedisLimiter,
        *,
        key: Callable[[Environ], str | None] | None = None,
        proxies: Sequence[str] = (),
    ) -> None:
        check_blocking(limiter)
        self.app = app
        self._limiter = limiter
        trusted = Proxies(proxies)
        self._key = key or (lambda environ: client_key(trusted.client(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR"))))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        key = self._key(environ)
        if key is None:
            return self.app(environ, start_response)
        try:
            verdict = self._limiter.check(key)
        except LimitsUnavailable:
            start_response("503 Service Unavailable", [("Retry-After", "1"), ("Content-Type", "text/plain; charset=utf-8")])
            return [BODIES[503]]
        fields = list(verdict.headers().items())
        if not verdict:
            start_response("429 Too Many Requests", [*fields, ("Content-Type", "text/plain; charset=utf-8")])
            return [BODIES[429]]

        def start_with_fields(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, *fields], *rest)

        return self.app(environ, start_with_fields)


def install(
    app: Any,
    limiter: MemoryLimiter | RedisLimiter,
    *,
    key: Callable[[Environ], str | None] | None = None,
    proxies: Sequence[str] = (),
) -> None:
    """Wraps a Flask application in :class:`RateLimitMiddleware`; the options are that class's.

    CWE-770; ASVS 5.0: v5.0.0-2.4.1.

    >>> import flask
    >>> from datetime import timedelta
    >>> from pyward_guard import limits
    >>> app = flask.Flask(__name__)
    >>> install(app, limits.MemoryLimiter(limits.Window(1, timedelta(minutes=1))))
    >>> [app.test_client().get("/").status_code for _ in range(2)]
    [404, 429]
    """
    app.wsgi_app = RateLimitMiddleware(app.wsgi_app, limiter, key=key, proxies=proxies)

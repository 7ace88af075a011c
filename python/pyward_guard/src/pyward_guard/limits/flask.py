"""Rate limits for single views of Flask. Around a whole application: :func:`pyward_guard.limits.wsgi.install`.

>>> from datetime import timedelta
>>> import flask
>>> from pyward_guard import limits
>>> app = flask.Flask(__name__)
>>> @app.post("/reset-password")
... @limit(limits.MemoryLimiter(limits.Window(2, timedelta(minutes=1))))
... def reset(): return "sent"
>>> [app.test_client().post("/reset-password").status_code for _ in range(3)]
[200, 200, 429]

CWE-307, CWE-770, CWE-799; ASVS 5.0: v5.0.0-2.4.1, v5.0.0-6.3.1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar, cast

from .._optional import need
from .._web import Proxies
from ._rate import BODIES, LimitsUnavailable, MemoryLimiter, RedisLimiter, check_blocking, client_key

try:
    import flask as _flask
except ImportError:
    raise need("flask", "pyward_guard.limits.flask") from None

__all__ = ["limit"]

View = TypeVar("View", bound=Callable[..., Any])


def limit(
    limiter: MemoryLimiter | RedisLimiter,
    *,
    key: Callable[[], str | None] | None = None,
    cost: int = 1,
    proxies: Sequence[str] = (),
) -> Callable[[View], View]:
    """A decorator that counts requests to a view: 429 with ``Retry-After`` when a client is over the limit.

    ``key`` names what the running request is counted under, by default the client's address; None lets it pass uncounted.
    A request takes ``cost`` of the limit. ``proxies`` are addresses or networks whose ``X-Forwarded-For`` is believed. Rules that
    are not to share their counts have limiters of their own (in Redis, prefixes of their own).

    Raises :class:`~pyward_guard.InvalidInput` for an asynchronous limiter.

    CWE-307, CWE-770; ASVS 5.0: v5.0.0-2.4.1, v5.0.0-6.3.1.
    """
    check_blocking(limiter)
    trusted = Proxies(proxies)

    def client() -> str:
        request = _flask.request
        return client_key(trusted.client(request.environ.get("REMOTE_ADDR", ""), request.environ.get("HTTP_X_FORWARDED_FOR")))

    def refuse(status: int, headers: dict[str, str]) -> NoReturn:
        _flask.abort(_flask.make_response((BODIES[status], status, {"Content-Type": "text/plain", **headers})))

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def limited(*args: Any, **kwargs: Any) -> Any:
            counted = (key or client)()
            if counted is not None:
                try:
                    verdict = limiter.check(counted, cost)
                except LimitsUnavailable:
                    refuse(503, {"Retry-After": "1"})
                if not verdict:
                    refuse(429, verdict.headers())
            return _flask.current_app.ensure_sync(view)(*args, **kwargs)

        return cast(View, limited)

    return decorate

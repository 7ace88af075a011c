"""Rate limits for single views of Django. Around a whole application: :mod:`pyward_guard.limits.wsgi`.

In the views::

    few = limits.RedisLimiter(client, limits.Window(5, timedelta(minutes=15)), prefix="shop:reset:")

    @limit(few)
    def reset_password(request): ...

CWE-307, CWE-770, CWE-799; ASVS 5.0: v5.0.0-2.4.1, v5.0.0-6.3.1. Needs the package Django.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from .._optional import need
from .._web import Proxies, in_event_loop
from ._rate import BODIES, LimitsUnavailable, MemoryLimiter, RedisLimiter, Verdict, check_blocking, client_key

try:
    from asgiref.sync import sync_to_async
    from django.http import HttpRequest, HttpResponse
except ImportError:
    raise need("django", "pyward_guard.limits.django") from None

__all__ = ["limit"]

View = TypeVar("View", bound=Callable[..., Any])


def limit(
    limiter: MemoryLimiter | RedisLimiter,
    *,
    key: Callable[[HttpRequest], str | None] | None = None,
    cost: int = 1,
    proxies: Sequence[str] = (),
) -> Callable[[View], View]:
    """A decorator that counts requests to a view, synchronous or not: 429 with ``Retry-After`` when a client is over the limit.

    ``key`` names what a request is counted under, by default the client's address; None lets it pass uncounted. A request
    takes ``cost`` of the limit. ``proxies`` are addresses or networks whose ``X-Forwarded-For`` is believed. Rules that are not
    to share their counts have limiters of their own (in Redis, prefixes of their own).

    Raises :class:`~pyward_guard.InvalidInput` for an asynchronous limiter.

    CWE-307, CWE-770; ASVS 5.0: v5.0.0-2.4.1, v5.0.0-6.3.1.
    """
    check_blocking(limiter)
    trusted = Proxies(proxies)

    def client(request: HttpRequest) -> str:
        return client_key(trusted.client(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR")))

    def refused(request: HttpRequest) -> HttpResponse | None:
        counted = (key or client)(request)
        try:
            verdict: Verdict | None = None if counted is None else limiter.check(counted, cost)
        except LimitsUnavailable:
            return HttpResponse(BODIES[503], status=503, content_type="text/plain", headers={"Retry-After": "1"})
        if verdict is None or verdict:
            return None
        return HttpResponse(BODIES[429], status=429, content_type="text/plain", headers=verdict.headers())

    def decorate(view: View) -> View:
        @functools.wraps(view)
        async def limited_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            # A limiter in Redis blocks.
            answer = await sync_to_async(refused)(request)
            if answer is None:
                answer = view(request, *args, **kwargs)
            return await answer if inspect.isawaitable(answer) else answer

        if inspect.iscoroutinefunction(view):
            return cast(View, limited_async)

        @functools.wraps(view)
        def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if in_event_loop():
                # `dispatch` of a class-based view with coroutine methods: synchronous, but its answer is awaited.
                return limited_async(request, *args, **kwargs)
            answer = refused(request)
            return answer if answer is not None else view(request, *args, **kwargs)

        return cast(View, limited)

    return decorate

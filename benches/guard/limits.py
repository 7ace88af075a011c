"""Rate limits and lock-out."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

from pyward_guard.http import OutboundPolicy
from pyward_guard.limits import Bucket, MemoryLimiter, MemoryLockout, Window


def run(bench: Any) -> None:
    keys = itertools.cycle([f"203.0.{number // 256}.{number % 256}" for number in range(50_000)])
    window = MemoryLimiter(Window(10**9, timedelta(minutes=1)))
    bucket = MemoryLimiter(Bucket(10**9, timedelta(minutes=1)))
    try:
        from limits import RateLimitItemPerMinute, storage, strategies

        peer_limiter = strategies.MovingWindowRateLimiter(storage.MemoryStorage())
        item = RateLimitItemPerMinute(1000)
        peer: Any = lambda: peer_limiter.hit(item, next(keys))  # noqa: E731
    except ImportError:
        peer = None
        bench.lacks("limits")
    bench.compare("sliding window, 50,000 keys", lambda: window.check(next(keys)), peer=peer, peer_name="limits", at_least=1)
    bench.compare("token bucket, 50,000 keys", lambda: bucket.check(next(keys)))
    lockout = MemoryLockout()

    def attempt() -> None:
        with lockout.attempt("ada", "203.0.113.7") as one:
            one.succeeded()

    bench.compare("an attempt that succeeds", attempt)
    policy = OutboundPolicy()
    bench.compare("check of an outbound URL", lambda: policy.check_url("https://api.example.com/v1/items?page=2"))

"""Rate limits and progressive lock-out, in memory or in Redis.

Protects against brute force (CWE-307), password spraying and resource exhaustion (CWE-770, CWE-799).

ASVS 5.0: v5.0.0-6.3.1, v5.0.0-2.4.1, v5.0.0-6.6.3

>>> from datetime import timedelta
>>> from pyward_guard import limits
>>> limiter = limits.MemoryLimiter(limits.Window(2, timedelta(minutes=1)))
>>> [bool(limiter.check("203.0.113.7")) for _ in range(3)]
[True, True, False]

>>> lockout = limits.MemoryLockout()
>>> with lockout.attempt(account="ada", client="203.0.113.7") as attempt:
...     if True:                                    # the password is right
...         attempt.succeeded()

Middlewares are in ``limits.asgi`` and ``limits.wsgi``; for single routes there are ``limits.fastapi``, ``limits.flask`` and
``limits.django``.
"""

from .._web import Proxies
from ._lockout import Attempt, AsyncRedisLockout, LockedOut, LockoutRule, MemoryLockout, RedisLockout
from ._rate import AsyncRedisLimiter, Bucket, LimitsUnavailable, MemoryLimiter, RedisLimiter, Rule, TooManyRequests, Verdict, Window, client_key

__all__ = [
    "AsyncRedisLimiter",
    "AsyncRedisLockout",
    "Attempt",
    "Bucket",
    "LimitsUnavailable",
    "LockedOut",
    "LockoutRule",
    "MemoryLimiter",
    "MemoryLockout",
    "Proxies",
    "RedisLimiter",
    "RedisLockout",
    "Rule",
    "TooManyRequests",
    "Verdict",
    "Window",
    "client_key",
]

"""Token bucket and sliding window."""

from __future__ import annotations

import hashlib
import inspect
import ipaddress
import logging
import math
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .._core import InvalidInput, RateLimiter, Refused

if TYPE_CHECKING:
    import redis
    import redis.asyncio

_log = logging.getLogger("pyward_guard.limits")
_NEVER = (1 << 64) - 1


class TooManyRequests(Refused):
    """The allowance is used up. ``retry_after`` is in seconds, infinite when no wait will help."""

    __module__ = "pyward_guard.limits"

    def __init__(self, retry_after: float) -> None:
        super().__init__("too many requests")
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        # The arguments are not those that the exception is made of, as `Exception` takes for granted.
        return type(self), (self.retry_after,), self.__dict__

    def headers(self) -> dict[str, str]:
        """``Retry-After`` (RFC 9110) in whole seconds, for the answer with status 429; empty when no wait will help.

        >>> TooManyRequests(29.5).headers()
        {'Retry-After': '30'}
        """
        return {"Retry-After": str(max(1, math.ceil(self.retry_after)))} if math.isfinite(self.retry_after) else {}


class LimitsUnavailable(TooManyRequests):
    """Redis does not answer, so nobody can tell whether the limit is reached: refused, as if it were."""

    __module__ = "pyward_guard.limits"

    def __init__(self) -> None:
        super().__init__(1.0)
        self.args = ("the limits cannot be asked at the moment",)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (), self.__dict__


@dataclass(frozen=True)
class Bucket:
    """A token bucket: bursts up to ``capacity``, refilled evenly with ``capacity`` per ``period``.

    Raises :class:`~pyward_guard.InvalidInput` when a limiter is made of values that are not positive.
    """

    capacity: int
    period: timedelta


@dataclass(frozen=True)
class Window:
    """A sliding window: at most ``limit`` in any ``period``.

    It is counted in sixteenths of the period, so no period ever sees more than ``limit`` and room comes back up to a
    sixteenth late.
    """

    limit: int
    period: timedelta


Rule = Bucket | Window


def _numbers(rule: Rule) -> tuple[str, int, int]:
    if not isinstance(rule, (Bucket, Window)):
        raise InvalidInput("a limit is a Bucket or a Window")
    limit = rule.capacity if isinstance(rule, Bucket) else rule.limit
    period = round(rule.period.total_seconds() * 1000)
    if not 0 < limit < 1 << 32 or not 0 < period <= 366 * 86_400_000:
        raise InvalidInput("a limit needs at least one request and a period of 1 ms to 366 days")
    return ("bucket" if isinstance(rule, Bucket) else "window"), limit, period


@dataclass(frozen=True)
class Verdict:
    """The answer to a check; true when the request may go on. Times are in seconds.

    ``allowed`` says it; ``remaining`` is what is left of ``limit``, ``retry_after`` when the same request would pass, ``reset_after``
    when all of the limit is there again.
    """

    allowed: bool
    remaining: int
    retry_after: float
    reset_after: float
    limit: int

    def __bool__(self) -> bool:
        return self.allowed

    def headers(self) -> dict[str, str]:
        """``RateLimit-*`` fields, and ``Retry-After`` (RFC 9110) on a refusal."""
        fields = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(math.ceil(self.reset_after)),
        }
        if not self.allowed and math.isfinite(self.retry_after):
            fields["Retry-After"] = str(max(1, math.ceil(self.retry_after)))
        return fields

    def require(self) -> Verdict:
        """The verdict itself, or :class:`TooManyRequests`."""
        if not self.allowed:
            raise TooManyRequests(self.retry_after)
        return self


def _verdict(limit: int, allowed: object, remaining: int, retry: int, reset: int) -> Verdict:
    return Verdict(bool(allowed), remaining, math.inf if retry in (_NEVER, -1) else retry / 1000, reset / 1000, limit)


BODIES = {429: b"Too many requests. Try again later.\n", 503: b"Unavailable. Try again later.\n"}
"""What refused clients read, by status."""


def client_key(address: str) -> str:
    """The key under which a client is counted: the address, or the /64 that an IPv6 customer gets as a whole.

    CWE-770; ASVS 5.0: v5.0.0-15.3.4.

    >>> client_key("203.0.113.7"), client_key("2001:db8::1"), client_key("2001:db8::2")
    ('203.0.113.7', '2001:db8::/64', '2001:db8::/64')
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _checked(cost: int) -> int:
    if not 0 <= cost < 1 << 32:
        raise InvalidInput("a cost is a whole number from 0 on")
    return cost


def encodable(key: str) -> str:
    """The key, with lone surrogates, which JSON can spell and the core cannot take, written out."""
    return key if str.isascii(key) else key.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")


class MemoryLimiter:
    """Counts in this process. When ``max_keys`` are known, keys nearest to rest are forgotten first.

    CWE-770; ASVS 5.0: v5.0.0-2.3.2, v5.0.0-2.4.1, v5.0.0-15.2.2.

    >>> limiter = MemoryLimiter(Bucket(5, timedelta(seconds=10)))
    >>> limiter.check("key", cost=5).remaining
    0
    >>> limiter.check("key").retry_after
    2.0
    """

    def __init__(self, rule: Rule, *, max_keys: int = 100_000) -> None:
        kind, self._limit, period = _numbers(rule)
        self._core = RateLimiter(kind, self._limit, period, max_keys)

    def check(self, key: str, cost: int = 1) -> Verdict:
        """Takes ``cost`` from the allowance of ``key`` if there is that much; a refused request costs nothing."""
        return _verdict(self._limit, *self._core.check(encodable(key), _checked(cost), now_ms()))

    def reset(self, key: str) -> None:
        """Forgets a key."""
        self._core.reset(encodable(key))


# KEYS: state. ARGV: capacity, period, cost. The server's clock decides, so that all clients agree.
_BUCKET = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local capacity, period, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local state = redis.call('HMGET', KEYS[1], 'l', 't')
local level, at = tonumber(state[1]) or capacity, tonumber(state[2]) or now
level = math.min(capacity, level + math.max(0, now - at) * capacity / period)
local allowed = 0
if level + 0.000001 >= cost then
  allowed = 1
  if cost > 0 then
    level = math.max(0, level - cost)
    redis.call('HSET', KEYS[1], 'l', string.format('%.17g', level), 't', string.format('%.0f', math.max(now, at)))
    redis.call('PEXPIRE', KEYS[1], math.ceil((capacity - level) * period / capacity) + 1)
  end
end
local retry = 0
if allowed == 0 then
  retry = -1
  if cost <= capacity then retry = math.ceil((cost - level) * period / capacity) end
end
return {allowed, math.floor(level + 0.000001), retry, math.ceil((capacity - level) * period / capacity)}
"""

# As above, with counts by sixteenth of the period in a hash.
_WINDOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, period, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local part = math.ceil(period / 16)
local raw = redis.call('HGETALL', KEYS[1])
local segments, used = {}, 0
for i = 1, #raw, 2 do
  local number, count = tonumber(raw[i]), tonumber(raw[i + 1])
  if (number + 1) * part + period <= now then
    redis.call('HDEL', KEYS[1], raw[i])
  else
    used = used + count
    segments[#segments + 1] = {number, count}
  end
end
table.sort(segments, function(a, b) return a[1] < b[1] end)
local allowed, left, retry, reset = 0, math.max(0, limit - used), 0, 0
if used + cost <= limit then
  allowed = 1
  if cost > 0 then
    local number = math.floor(now / part)
    local last = segments[#segments]
    if last and last[1] > number then number = last[1] end
    redis.call('HINCRBY', KEYS[1], string.format('%.0f', number), cost)
    redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', (number + 1) * part + period))
    segments[#segments + 1] = {number, cost}
    left = left - cost
  end
else
  retry = -1
  local free = left
  for _, segment in ipairs(segments) do
    free = free + segment[2]
    if free >= cost then
      retry = math.max(0, (segment[1] + 1) * part + period - now)
      break
    end
  end
end
local last = segments[#segments]
if last then reset = math.max(0, (last[1] + 1) * part + period - now) end
return {allowed, left, retry, reset}
"""


class Outage:
    """What is done while Redis is away: refuse, or, where that was asked for, go on uncounted. Either is logged."""

    def __init__(self, allow: bool) -> None:
        self._allow = allow
        if allow:
            _log.warning("limits in Redis are not enforced while it is unavailable")

    def judge(self, error: Exception) -> None:
        """Raises :class:`LimitsUnavailable`, or returns when the attempt may go on; other errors are raised as they are."""
        import redis

        if not isinstance(error, (redis.RedisError, OSError, TimeoutError)):
            raise error
        _log.error("limits cannot be asked, %s: %s", "the attempt goes on uncounted" if self._allow else "the attempt is refused", error)
        if not self._allow:
            raise LimitsUnavailable from error


def script_of(client: Any, source: str, *, awaited: bool) -> Any:
    """A script of a client whose calls are awaited or not, as the caller needs it."""
    script = client.register_script(source)
    if inspect.iscoroutinefunction(script.__call__) != awaited:
        raise InvalidInput(f"the client is {'a redis.asyncio.Redis' if awaited else 'a redis.Redis, not one of redis.asyncio'}")
    return script


def check_blocking(limiter: Any) -> None:
    """Raises for a limiter that has to be awaited, where nobody does: what its `check` gives is true whatever the count."""
    if inspect.iscoroutinefunction(limiter.check):
        raise InvalidInput("an asynchronous limiter cannot be used here: take RedisLimiter or MemoryLimiter")


class _RedisRule:
    def __init__(self, client: Any, rule: Rule, prefix: str, allow: bool) -> None:
        self._outage = Outage(allow)
        kind, self._limit, self._period = _numbers(rule)
        self._client = client
        self._prefix = prefix
        # Counts of another rule mean something else: under one key, each would spoil the other's.
        self._rule = f"{kind}/{self._limit}/{self._period}/"
        self._script = script_of(client, _BUCKET if kind == "bucket" else _WINDOW, awaited=isinstance(self, AsyncRedisLimiter))

    def _uncounted(self, error: Exception) -> Verdict:
        self._outage.judge(error)
        return Verdict(True, 0, 0.0, 0.0, self._limit)

    def _key(self, key: str) -> str:
        # Callers pass what clients sent: hashed, it costs the same whatever its length.
        return self._prefix + hashlib.blake2b((self._rule + key).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class RedisLimiter(_RedisRule):
    """Counts in Redis 5 or newer, atomically, for any number of processes and hosts. Limiters of one rule and one ``prefix``
    share their counts.

    While Redis does not answer, :meth:`check` raises :class:`LimitsUnavailable`, a :class:`TooManyRequests`;
    with ``insecure_allow_when_unavailable`` everything passes then, with an error in the log.
    Raises :class:`~pyward_guard.InvalidInput` for a client of ``redis.asyncio``. CWE-770; ASVS 5.0: v5.0.0-2.4.1.

    Example: ``RedisLimiter(redis.Redis(), Window(100, timedelta(minutes=1))).check(client_key(address)).require()``
    """

    def __init__(
        self, client: redis.Redis, rule: Rule, *, prefix: str = "pyward:limits:", insecure_allow_when_unavailable: bool = False
    ) -> None:
        super().__init__(client, rule, prefix, insecure_allow_when_unavailable)

    def check(self, key: str, cost: int = 1) -> Verdict:
        """See :meth:`MemoryLimiter.check`."""
        arguments = [self._limit, self._period, _checked(cost)]
        try:
            answer = self._script(keys=[self._key(key)], args=arguments)
        except Exception as error:
            return self._uncounted(error)
        return _verdict(self._limit, *answer)

    def reset(self, key: str) -> None:
        """Forgets a key."""
        self._client.delete(self._key(key))


class AsyncRedisLimiter(_RedisRule):
    """As :class:`RedisLimiter`, for ``redis.asyncio``; one rule and prefix count together in both.
    Raises :class:`~pyward_guard.InvalidInput` for a client that blocks. CWE-770; ASVS 5.0: v5.0.0-2.4.1.

    Example: ``(await AsyncRedisLimiter(client, Window(100, timedelta(minutes=1))).check(key)).require()``
    """

    def __init__(
        self, client: redis.asyncio.Redis, rule: Rule, *, prefix: str = "pyward:limits:", insecure_allow_when_unavailable: bool = False
    ) -> None:
        super().__init__(client, rule, prefix, insecure_allow_when_unavailable)

    async def check(self, key: str, cost: int = 1) -> Verdict:
        """See :meth:`MemoryLimiter.check`."""
        arguments = [self._limit, self._period, _checked(cost)]
        try:
            answer = await self._script(keys=[self._key(key)], args=arguments)
        except Exception as error:
            return self._uncounted(error)
        return _verdict(self._limit, *answer)

    async def reset(self, key: str) -> None:
        """Forgets a key."""
        await self._client.delete(self._key(key))

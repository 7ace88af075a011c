"""Progressive lock-out by account and client."""

from __future__ import annotations

import hashlib
import logging
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from inspect import iscoroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from .._core import InvalidInput, LockoutMemory
from ._rate import Outage, TooManyRequests, client_key, encodable, now_ms, script_of

if TYPE_CHECKING:
    import redis
    import redis.asyncio

_log = logging.getLogger("pyward_guard.limits")


class LockedOut(TooManyRequests):
    """Attempts are locked out for ``retry_after`` seconds.

    ``scope`` says why, for the log. Tell the user the same whether the account exists or not.
    """

    __module__ = "pyward_guard.limits"

    def __init__(self, retry_after: float, scope: str) -> None:
        super().__init__(retry_after)
        self.scope = scope

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.retry_after, self.scope), self.__dict__


@dataclass(frozen=True)
class LockoutRule:
    """When attempts are locked out, and for how long.

    After ``account`` failures on an account, or ``client`` failures from a client over all accounts, each further
    failure doubles the lock from ``first`` up to ``longest``. All is forgotten after ``forget`` without a failure.
    A client that signed in to an account stays ``known`` there and is not held up by failures of others, so that an
    attacker cannot lock the owner out.

    Counts below 1 and times that are not positive raise :class:`~pyward_guard.InvalidInput` where the rule is used.
    """

    account: int = 5
    client: int = 20
    first: timedelta = timedelta(seconds=30)
    longest: timedelta = timedelta(hours=1)
    forget: timedelta = timedelta(days=1)
    known: timedelta = timedelta(days=90)

    def numbers(self) -> tuple[int, int, int, int, int, int]:
        """The rule with times in milliseconds."""
        spans = [round(span.total_seconds() * 1000) for span in (self.first, self.longest, self.forget, self.known)]
        first, longest, forget, known = spans
        if self.account < 1 or self.client < 1 or not 0 < first <= longest <= forget or known < 0:
            raise InvalidInput("a lock-out needs free failures, and 0 < first <= longest <= forget")
        return self.account, self.client, first, longest, forget, known


def _account(name: str) -> str:
    """Spellings of one name share one count."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


async def _result(value: Any) -> Any:
    """What a lock-out of either kind answers."""
    return await value if iscoroutine(value) else value


class Attempt:
    """A permitted attempt. It counts as failed until :meth:`succeeded` is called, so parallel guesses gain nothing. CWE-307;
    ASVS 5.0: v5.0.0-6.3.1.

    >>> with MemoryLockout().attempt("ada", "203.0.113.7") as attempt:
    ...     attempt.failures
    ...     attempt.succeeded()
    1
    """

    def __init__(self, lockout: Any, account: str, client: str) -> None:
        self._lockout = lockout
        self._account, self._client = _account(account), client_key(client)
        self._state: Any = None
        self._done = False

    @property
    def failures(self) -> int:
        """Failures so far on the account, this attempt included."""
        state = self._state
        return int(state.failures if hasattr(state, "failures") else state or 0)

    def succeeded(self) -> None:
        """The attempt was right: the account starts afresh."""
        self._done = True

    def __enter__(self) -> Attempt:
        state = self._lockout._begin(self._account, self._client)
        if iscoroutine(state):
            # Going on would let every attempt through.
            state.close()
            raise InvalidInput("an asynchronous lock-out is entered with `async with`")
        self._state, self._done = state, False
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> Literal[False]:
        if self._done and kind is None:
            self._lockout._succeeded(self._state, self._account, self._client)
        elif not self._done:
            _log.warning("failed attempt number %d on an account from %s", self.failures, self._client)
        return False

    async def __aenter__(self) -> Attempt:
        self._state, self._done = await _result(self._lockout._begin(self._account, self._client)), False
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> Literal[False]:
        if self._done and kind is None:
            await _result(self._lockout._succeeded(self._state, self._account, self._client))
        elif not self._done:
            _log.warning("failed attempt number %d on an account from %s", self.failures, self._client)
        return False


def _refuse(wait: int, scope: str) -> LockedOut:
    _log.warning("attempt refused: locked out by %s for %.1f s", scope, wait / 1000)
    return LockedOut(wait / 1000, scope)


class MemoryLockout:
    """Lock-out state in this process.

    CWE-307; ASVS 5.0: v5.0.0-6.3.1, v5.0.0-6.6.3.

    >>> lockout = MemoryLockout(LockoutRule(account=1))
    >>> with lockout.attempt("ada", "203.0.113.7"):
    ...     pass                                    # wrong password
    >>> with lockout.attempt("Ada ", "203.0.113.8"):
    ...     pass
    Traceback (most recent call last):
    pyward_guard.limits.LockedOut: too many requests
    """

    def __init__(self, rule: LockoutRule | None = None, *, max_keys: int = 100_000) -> None:
        self._core = LockoutMemory(*(rule or LockoutRule()).numbers(), max_keys)

    def attempt(self, account: str, client: str) -> Attempt:
        """A context for one attempt; entering it raises :class:`LockedOut` when it may not go on."""
        return Attempt(self, account, client)

    def _begin(self, account: str, client: str) -> Any:
        attempt, wait, scope = self._core.begin(encodable(account), encodable(client), now_ms())
        if attempt is None:
            raise _refuse(wait, scope or "")
        return attempt

    def _succeeded(self, state: Any, account: str, client: str) -> None:
        self._core.succeeded(state, now_ms())

    def unlock(self, account: str) -> None:
        """Lifts every lock on an account."""
        self._core.unlock(encodable(_account(account)))


# KEYS: account, client, pair, known. ARGV: account, client, first, longest, forget.
_BEGIN = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local first, longest, forget = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local target = KEYS[1]
if redis.call('EXISTS', KEYS[4]) == 1 then target = KEYS[3] end
for number, key in ipairs({KEYS[2], target}) do
  local lifted = tonumber(redis.call('HGET', key, 'u')) or 0
  if lifted > now then return {0, lifted - now, number} end
end
local failures
for number, key in ipairs({KEYS[2], target}) do
  local free = tonumber(ARGV[3 - number])
  failures = redis.call('HINCRBY', key, 'f', 1)
  local lifted = 0
  if failures >= free then lifted = now + math.min(longest, first * 2 ^ math.min(failures - free, 40)) end
  redis.call('HSET', key, 'u', string.format('%.0f', lifted))
  redis.call('PEXPIRE', key, forget)
end
return {1, failures, 0}
"""

# KEYS as above. ARGV: client, known.
_SUCCEEDED = """
redis.call('DEL', KEYS[1], KEYS[3])
local failures = redis.call('HINCRBY', KEYS[2], 'f', -1)
if failures <= 0 then
  redis.call('DEL', KEYS[2])
elseif failures < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[2], 'u', 0)
end
if tonumber(ARGV[2]) > 0 then redis.call('SET', KEYS[4], 1, 'PX', ARGV[2]) end
return 1
"""


class _RedisTable:
    def __init__(self, client: Any, rule: LockoutRule | None, prefix: str, allow: bool) -> None:
        self._outage = Outage(allow)
        self._rule = (rule or LockoutRule()).numbers()
        self._client = client
        self._prefix = prefix
        awaited = isinstance(self, AsyncRedisLockout)
        self._begin_script = script_of(client, _BEGIN, awaited=awaited)
        self._succeeded_script = script_of(client, _SUCCEEDED, awaited=awaited)

    def _keys(self, account: str, client: str) -> list[str]:
        def name(tag: str, *parts: str) -> str:
            hashed = hashlib.blake2b(digest_size=16)
            for part in parts:
                raw = part.encode("utf-8", "surrogatepass")
                hashed.update(len(raw).to_bytes(8, "big") + raw)
            return f"{self._prefix}{tag}:{hashed.hexdigest()}"

        return [name("a", account), name("c", client), name("p", account, client), name("k", account, client)]

    def _uncounted(self, error: Exception) -> int:
        self._outage.judge(error)
        return 0

    @staticmethod
    def _kept(error: Exception) -> None:
        """The attempt was right; that it stays counted as a failure is no reason to refuse it."""
        import redis

        if not isinstance(error, (redis.RedisError, OSError, TimeoutError)):
            raise error
        _log.error("a successful attempt stays counted as a failure: %s", error)

    @staticmethod
    def _judge(answer: list[int]) -> int:
        allowed, number, scope = answer
        if not allowed:
            raise _refuse(number, "client" if scope == 1 else "account")
        return number

    def attempt(self, account: str, client: str) -> Attempt:
        """A context for one attempt; entering it raises :class:`LockedOut` when it may not go on."""
        return Attempt(self, account, client)


class RedisLockout(_RedisTable):
    """Lock-out state in Redis, atomic over any number of processes and hosts.

    While Redis does not answer, attempts are refused with :class:`LimitsUnavailable`, a :class:`TooManyRequests`; with
    ``insecure_allow_when_unavailable`` they go on uncounted then, with an error in the log.
    Raises :class:`~pyward_guard.InvalidInput` for a client of ``redis.asyncio``. CWE-307; ASVS 5.0: v5.0.0-6.3.1.

    Example: ``with RedisLockout(redis.Redis()).attempt(name, address) as attempt: ...``
    """

    def __init__(
        self,
        client: redis.Redis,
        rule: LockoutRule | None = None,
        *,
        prefix: str = "pyward:lockout:",
        insecure_allow_when_unavailable: bool = False,
    ) -> None:
        super().__init__(client, rule, prefix, insecure_allow_when_unavailable)

    def _begin(self, account: str, client: str) -> int:
        try:
            answer = self._begin_script(keys=self._keys(account, client), args=list(self._rule[:5]))
        except Exception as error:
            return self._uncounted(error)
        return self._judge(answer)

    def _succeeded(self, state: Any, account: str, client: str) -> None:
        try:
            self._succeeded_script(keys=self._keys(account, client), args=[self._rule[1], self._rule[5]])
        except Exception as error:
            self._kept(error)

    def unlock(self, account: str) -> None:
        """Lifts every lock on an account."""
        self._client.delete(self._keys(_account(account), "")[0])


class AsyncRedisLockout(_RedisTable):
    """As :class:`RedisLockout`, with ``async with`` and ``redis.asyncio``.
    Raises :class:`~pyward_guard.InvalidInput` for a client that blocks. CWE-307; ASVS 5.0: v5.0.0-6.3.1.

    Example: ``async with AsyncRedisLockout(client).attempt(name, address) as attempt: ...``
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        rule: LockoutRule | None = None,
        *,
        prefix: str = "pyward:lockout:",
        insecure_allow_when_unavailable: bool = False,
    ) -> None:
        super().__init__(client, rule, prefix, insecure_allow_when_unavailable)

    async def _begin(self, account: str, client: str) -> int:
        try:
            answer = await self._begin_script(keys=self._keys(account, client), args=list(self._rule[:5]))
        except Exception as error:
            return self._uncounted(error)
        return self._judge(answer)

    async def _succeeded(self, state: Any, account: str, client: str) -> None:
        try:
            await self._succeeded_script(keys=self._keys(account, client), args=[self._rule[1], self._rule[5]])
        except Exception as error:
            self._kept(error)

    async def unlock(self, account: str) -> None:
        """Lifts every lock on an account."""
        await self._client.delete(self._keys(_account(account), "")[0])

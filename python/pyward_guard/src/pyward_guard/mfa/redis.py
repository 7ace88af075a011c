"""What second factors remember, in Redis 6.2 or newer, for any number of processes and hosts.

CWE-294; ASVS 5.0: v5.0.0-6.5.1.
"""

from __future__ import annotations

import hashlib
import inspect
from typing import TYPE_CHECKING, Any

from .._core import InvalidInput

if TYPE_CHECKING:
    import redis

__all__ = ["RedisChallengeStore", "RedisReplayGuard"]

# The step moves forward only; the entry goes when no code of that time can come any more.
_ADVANCE = """
local last = tonumber(redis.call('GET', KEYS[1]) or '-1')
if tonumber(ARGV[1]) <= last then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""


def _key(prefix: str, name: str) -> str:
    """Names come from users: a hash keeps keys short and free of anything."""
    return prefix + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def _blocking(client: Any) -> Any:
    # The coroutines of another client would never run: no code would be right, and no challenge stored.
    if inspect.iscoroutinefunction(getattr(client, "execute_command", None)):
        raise InvalidInput("the client is a redis.Redis: those of redis.asyncio would have to be awaited")
    return client


class RedisReplayGuard:
    """A :class:`~pyward_guard.mfa.ReplayGuard` in Redis: a code is accepted once, whichever process it comes to.

    An entry lives for ``lifetime`` seconds after its last code, which has to be longer than codes are accepted for (the default
    is a day). Raises :class:`~pyward_guard.InvalidInput` for less than 7500 seconds and for the
    clients of ``redis.asyncio``, and what redis-py raises.

    CWE-294, CWE-362; ASVS 5.0: v5.0.0-6.5.1.

    Example: ``totp.verify_once(code, user="ada", guard=RedisReplayGuard(redis.Redis()))``
    """

    def __init__(self, client: redis.Redis, *, prefix: str = "pyward:totp:", lifetime: int = 86_400) -> None:
        # The longest period (300 s) times the widest window (10 to either side), and some.
        if lifetime < 7500:
            raise InvalidInput("the lifetime is at least 7500 seconds")
        self._advance: Any = _blocking(client).register_script(_ADVANCE)
        self._prefix, self._lifetime = prefix, lifetime

    def advance(self, user: str, step: int) -> bool:
        """Stores a later step in one operation; False when it is not later."""
        return bool(self._advance(keys=[_key(self._prefix, user)], args=[step, self._lifetime]) == 1)


class RedisChallengeStore:
    """A :class:`~pyward_guard.mfa.webauthn.ChallengeStore` in Redis: a challenge is taken once, and ends by itself.

    Raises :class:`~pyward_guard.InvalidInput` for the clients of ``redis.asyncio``, and what redis-py raises.

    CWE-294, CWE-362; ASVS 5.0: v5.0.0-6.5.1.

    Example: ``WebAuthn("example.org", "Shop", ["https://example.org"], RedisChallengeStore(redis.Redis()))``
    """

    def __init__(self, client: redis.Redis, *, prefix: str = "pyward:webauthn:") -> None:
        self._client: Any = _blocking(client)
        self._prefix = prefix

    def put(self, key: str, value: str, lifetime: int) -> None:
        """Stores a value for ``lifetime`` seconds."""
        self._client.set(_key(self._prefix, key), value, ex=lifetime)

    def pop(self, key: str) -> str | None:
        """Gives and deletes a value in one operation."""
        found: bytes | str | None = self._client.getdel(_key(self._prefix, key))
        return found.decode() if isinstance(found, bytes) else found

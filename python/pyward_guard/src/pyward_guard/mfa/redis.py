"""What second factors keep for all processes, in Redis: which codes were used, and the challenges of WebAuthn.

CWE-294; ASVS 5.0: v5.0.0-6.5.1. Needs the package redis.

Example: ``totp.verify_once(code, user=user, guard=RedisReplayGuard(redis.Redis()))``
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from .._core import InvalidInput

if TYPE_CHECKING:
    import redis

__all__ = ["RedisChallengeStore", "RedisReplayGuard"]

# KEYS: step of the user. ARGV: step, lifetime in milliseconds. Numbers of this size are exact.
_ADVANCE = """
local last = tonumber(redis.call('GET', KEYS[1]))
if last and last >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""


def _name(prefix: str, key: str) -> str:
    # Whatever a caller takes for a user or a ceremony: hashed, it costs the same whatever its length.
    return prefix + hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class RedisReplayGuard:
    """A :class:`~pyward_guard.mfa.ReplayGuard` for all processes, in one script.

    Steps are remembered for ``lifetime`` seconds: for TOTP, longer than its codes can be valid (by default a day). For
    HOTP, whose codes do not expire, keep the counter in your database. When Redis does not answer, its error is raised
    and the code is not accepted.

    CWE-294; ASVS 5.0: v5.0.0-6.5.1. Raises :class:`~pyward_guard.InvalidInput` for a lifetime under 7500 seconds.

    Example: ``RedisReplayGuard(redis.Redis()).advance("ada", 58_000_000)``
    """

    def __init__(self, client: redis.Redis, *, prefix: str = "pyward:replay:", lifetime: int = 86_400) -> None:
        # The longest period (300 s) times the widest window (10 to either side), and some.
        if lifetime < 7500:
            raise InvalidInput("a replay guard remembers for at least 7500 seconds, longer than any code is valid")
        self._script: Any = client.register_script(_ADVANCE)
        self._prefix, self._lifetime = prefix, lifetime * 1000

    def advance(self, user: str, step: int) -> bool:
        """Stores a later step; False when the step or a later one was stored."""
        return bool(self._script(keys=[_name(self._prefix, user)], args=[step, self._lifetime]) == 1)


class RedisChallengeStore:
    """A :class:`~pyward_guard.mfa.webauthn.ChallengeStore` for all processes, for Redis 6.2 or newer.

    CWE-294; ASVS 5.0: v5.0.0-6.5.1.

    Example: ``WebAuthn("example.org", "Shop", ["https://example.org"], RedisChallengeStore(redis.Redis()))``
    """

    def __init__(self, client: redis.Redis, *, prefix: str = "pyward:challenges:") -> None:
        self._client: Any = client
        self._prefix = prefix

    def put(self, key: str, value: str, lifetime: int) -> None:
        """Stores a value for ``lifetime`` seconds."""
        self._client.set(_name(self._prefix, key), value, ex=lifetime)

    def pop(self, key: str) -> str | None:
        """Gives and deletes a value."""
        value = self._client.getdel(_name(self._prefix, key))
        return value.decode() if isinstance(value, bytes) else value

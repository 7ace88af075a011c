"""Replay guards and challenges in Redis, also for requests at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
import redis.asyncio
from pyward_guard import InvalidInput, VerificationFailed, mfa
from pyward_guard.mfa.redis import RedisChallengeStore, RedisReplayGuard
from pyward_guard.mfa.webauthn import ChallengeStore

pytestmark = pytest.mark.redis


@pytest.mark.parametrize("decode", [False, True])
def test_codes_are_good_once(redis_url: str, decode: bool) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=decode) as client:
        guard: mfa.ReplayGuard = RedisReplayGuard(client, prefix=f"test:{decode}:")
        totp = mfa.Totp.generate()
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(lambda _: _accepted(totp, guard, 1_000_000_000), range(16)))
        assert sum(outcomes) == 1
        assert not _accepted(totp, guard, 1_000_000_000 - 30) and _accepted(totp, guard, 1_000_000_000 + 30)
        assert guard.advance("bob\n\ud800", 5) and not guard.advance("bob\n\ud800", 5), "any name will do"
        ttl = [client.ttl(key) for key in client.scan_iter(f"test:{decode}:*")]
        assert len(ttl) == 2 and all(86_000 < left <= 86_400 for left in ttl)
        with pytest.raises(InvalidInput):
            RedisReplayGuard(client, lifetime=60)


def _accepted(totp: mfa.Totp, guard: mfa.ReplayGuard, at: float) -> bool:
    try:
        totp.verify_once(totp.code(at), user="ada", guard=guard, at=at)
    except VerificationFailed:
        return False
    return True


@pytest.mark.parametrize("decode", [False, True])
def test_challenges_are_taken_once(redis_url: str, decode: bool) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=decode) as client:
        store: ChallengeStore = RedisChallengeStore(client, prefix="test:challenge:")
        store.put("ceremony", "challenge", 60)
        store.put("ceremony", "another", 60)
        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(lambda _: store.pop("ceremony"), range(16)))
        assert sorted(value or "" for value in taken) == [""] * 15 + ["another"]
        store.put("ceremony", "challenge", 60)
        assert [0 < client.ttl(key) <= 60 for key in client.scan_iter("test:challenge:*")] == [True]
        assert store.pop("other") is None


def test_clients_that_must_be_awaited_are_refused() -> None:
    client: Any = redis.asyncio.Redis()
    for kind in (RedisReplayGuard, RedisChallengeStore):
        with pytest.raises(InvalidInput, match="redis.asyncio"):
            kind(client)

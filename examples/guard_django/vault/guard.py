"""The parts of pyward-guard that hold a connection or a policy, made once."""

from __future__ import annotations

from functools import lru_cache

import redis
from django.conf import settings
from pyward_guard.limits import LockoutRule, RedisLockout
from pyward_guard.paths import Directory, UploadPolicy
from pyward_guard.sessions import RedisStore
from pyward_guard.tokens import SignedTokens


@lru_cache(maxsize=1)
def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)


def session_store() -> RedisStore:
    return RedisStore(_redis(), prefix="vault:sessions:")


@lru_cache(maxsize=1)
def lockout() -> RedisLockout:
    return RedisLockout(_redis(), LockoutRule(account=5, client=20), prefix="vault:lockout:")


@lru_cache(maxsize=1)
def files() -> Directory:
    """Where documents are kept: outside of everything that is served."""
    settings.FILES.mkdir(mode=0o700, exist_ok=True)
    return Directory(settings.FILES)


uploads = UploadPolicy(["image/png", "image/jpeg", "application/pdf", "text/plain"], max_bytes=1 << 20)


@lru_cache(maxsize=1)
def links() -> SignedTokens[int]:
    """Links that show one document to whoever holds them, for an hour."""
    return SignedTokens(settings.LINK_KEY, purpose="document-link", lifetime=3600, payload=int)

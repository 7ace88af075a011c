"""The parts of pyward-guard that hold a connection or a policy, made once."""

from __future__ import annotations

import atexit
import os
from functools import lru_cache

import redis
from django.conf import settings
from pyward_guard.crypto import Aead, KeySet
from pyward_guard.limits import LockoutRule, RedisLockout
from pyward_guard.logs import AuditLog
from pyward_guard.paths import ArchiveLimits, Directory, UploadPolicy
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


@lru_cache(maxsize=1)
def aead() -> Aead:
    """What the encrypted fields are sealed with."""
    return Aead(KeySet.from_secrets("aead", [settings.FIELD_KEY]))


@lru_cache(maxsize=1)
def audit() -> AuditLog:
    """The audit log of this process; each line is chained to all before it."""
    folder = settings.FILES.parent / "audit"
    folder.mkdir(mode=0o700, exist_ok=True)
    log = AuditLog(folder / f"{os.getpid()}.log", key=settings.AUDIT_KEY)
    atexit.register(log.close)
    return log


bundles = ArchiveLimits(max_archive_bytes=1 << 20, max_entries=20, max_total_bytes=5 << 20)
uploads = UploadPolicy(["image/png", "image/jpeg", "application/pdf", "text/plain"], max_bytes=1 << 20)


@lru_cache(maxsize=1)
def links() -> SignedTokens[int]:
    """Links that show one document to whoever holds them, for an hour."""
    return SignedTokens(settings.LINK_KEY, purpose="document-link", lifetime=3600, payload=int)

"""The application: what surrounds the routes, from the outside in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import redis.asyncio
from fastapi import Depends, FastAPI
from pyward_guard.crypto import Aead
from pyward_guard.errors.asgi import ErrorBoundary
from pyward_guard.headers import CSRF, SecurityHeaders
from pyward_guard.headers.asgi import SecurityMiddleware
from pyward_guard.limits import AsyncRedisLimiter, AsyncRedisLockout, LockoutRule, Window
from pyward_guard.limits.asgi import RateLimitMiddleware
from pyward_guard.sessions import AsyncRedisStore, AsyncSessionManager, Binding
from pyward_guard.sessions.asgi import SessionMiddleware
from pyward_guard.tokens import Jwk, JwtIssuer, JwtVerifier

from . import api, factors, pages
from .journal import Journal
from .previews import Previews
from .rules import guard
from .settings import Settings
from .store import Store
from .tools import exporter


def create() -> Any:
    settings = Settings.from_environment()
    client = redis.asyncio.Redis.from_url(settings.redis_url)
    field = Aead(settings.key_set("aead", "fields"))
    store = Store(settings.database_url, field)
    sessions = AsyncSessionManager(
        AsyncRedisStore(client, prefix="notes:sessions:"), idle=timedelta(minutes=30), absolute=timedelta(hours=12),
        binding=Binding(user_agent="warn"), max_per_user=10,
    )  # fmt: skip

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.journal = Journal(settings.data, settings.derived("audit log"), settings.derived("pseudonyms")[0])
        await store.open()
        yield
        await store.close()
        app.state.journal.close()
        await client.aclose()

    # No schema and no interactive documentation in production; every route needs a guard or the mark `public`.
    app = FastAPI(lifespan=lifespan, openapi_url=None, dependencies=[Depends(guard.default_deny)])
    keys = [Jwk.from_secret(key) for key in settings.derived("api tokens")]
    app.state.store, app.state.sessions, app.state.field = store, sessions, field
    app.state.exporter = exporter(settings.key_set("mac", "exports"))
    app.state.lockout = AsyncRedisLockout(client, LockoutRule(account=5, client=20), prefix="notes:lockout:")
    app.state.issuer = JwtIssuer(keys[0], algorithm="HS256", issuer="notes", audience="notes-api", lifetime=300, token_type="at+jwt")
    app.state.verifier = JwtVerifier(keys, algorithms=["HS256"], issuer="notes", audience="notes-api", token_type="at+jwt")
    app.state.previews = Previews(settings.preview_private_networks)
    for router in (pages.router, factors.router, api.tokens, api.router, api.health):
        app.include_router(router)

    limiter = AsyncRedisLimiter(client, Window(600, timedelta(minutes=1)), prefix="notes:limits:")
    guarded: Any = RateLimitMiddleware(app, limiter)
    guarded = SecurityMiddleware(
        guarded, hosts=[settings.host], headers=SecurityHeaders.app(), csrf=CSRF(settings.derived("csrf"))
    )
    guarded = SessionMiddleware(guarded, sessions)
    return ErrorBoundary(guarded)

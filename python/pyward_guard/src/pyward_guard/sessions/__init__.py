"""Server-side sessions: random ids stored hashed, two lifetimes, rotation on sign-in, revocation.

Protects against session fixation (CWE-384), insufficient session expiration (CWE-613), predictable ids (CWE-330) and
exposed cookies (CWE-614, CWE-1004, CWE-1275).

ASVS 5.0: v5.0.0-7.1.1, v5.0.0-7.2.1, v5.0.0-7.2.2, v5.0.0-7.2.3, v5.0.0-7.2.4, v5.0.0-7.3.1, v5.0.0-7.3.2,
v5.0.0-7.4.1, v5.0.0-7.4.2, v5.0.0-7.4.5, v5.0.0-7.5.2, v5.0.0-3.3.1, v5.0.0-3.3.2, v5.0.0-3.3.3, v5.0.0-3.3.4

>>> from pyward_guard import sessions
>>> manager = sessions.SessionManager(sessions.MemoryStore())
>>> session = manager.load(None)
>>> session.login("ada")
>>> cookie = manager.save(session)                  # what to set; the id is never stored in the clear
>>> manager.load(cookie.value).user
'ada'
>>> manager.revoke_all("ada")
1
>>> manager.load(cookie.value).user is None
True

The middlewares are in modules of their own: ``sessions.asgi`` (Starlette, FastAPI and any ASGI application),
``sessions.wsgi``, ``sessions.flask`` and ``sessions.django``.
"""

from ._manager import NO_CLIENT, AsyncSessionManager, Binding, Cookie, SessionManager, SetCookie
from ._session import Session, SessionInfo
from ._stores import (
    AsyncPostgresStore,
    AsyncRedisStore,
    AsyncStore,
    MemoryStore,
    PostgresStore,
    RedisStore,
    SQLiteStore,
    Store,
)

__all__ = [
    "NO_CLIENT",
    "AsyncPostgresStore",
    "AsyncRedisStore",
    "AsyncSessionManager",
    "AsyncStore",
    "Binding",
    "Cookie",
    "MemoryStore",
    "PostgresStore",
    "RedisStore",
    "SQLiteStore",
    "Session",
    "SessionInfo",
    "SessionManager",
    "SetCookie",
    "Store",
]

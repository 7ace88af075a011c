"""Sessions for Django, under Django's own session middleware and authentication.

In the settings::

    SESSION_ENGINE = "pyward_guard.sessions.django"
    PYWARD_SESSION_STORE = "project.guard.session_store"     # a Store, or a callable that returns one
    PYWARD_SESSION_IDLE = 1800                               # seconds; SESSION_COOKIE_AGE is the absolute lifetime
    MIDDLEWARE = [..., "pyward_guard.sessions.django.SessionMiddleware", ...]    # in place of Django's

Ids have 256 bits and are stored hashed; ``login()`` and ``cycle_key()`` rotate as usual. With the middleware of this
module, sessions are bound to client traits as ``PYWARD_SESSION_BINDING`` (a ``Binding``) says.

ASVS 5.0: v5.0.0-7.2.2, v5.0.0-7.2.4, v5.0.0-7.2.1, v5.0.0-7.3.1, v5.0.0-7.3.2
"""

from __future__ import annotations

import inspect
import time
from datetime import timedelta
from functools import lru_cache
from typing import Any

from .._core import session_key, session_new
from .._optional import need
from .._web import Proxies
from ._manager import Binding, SessionManager
from ._stores import SQLiteStore
from .wsgi import shown_traits

try:
    from django import conf
    from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
    from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
    from django.utils.module_loading import import_string
except ImportError:
    raise need("django", "pyward_guard.sessions.django") from None

__all__ = ["SessionMiddleware", "SessionStore", "manager"]


@lru_cache(maxsize=1)
def manager() -> SessionManager:
    """The manager behind Django's sessions, made from the settings: for listing and revoking a user's sessions.

    ASVS 5.0: v5.0.0-7.4.2, v5.0.0-7.5.2.
    """
    store: Any = getattr(conf.settings, "PYWARD_SESSION_STORE", None)
    if isinstance(store, str):
        store = import_string(store)
    if inspect.isfunction(store) or inspect.isclass(store):
        store = store()
    absolute = timedelta(seconds=conf.settings.SESSION_COOKIE_AGE)
    idle = timedelta(seconds=getattr(conf.settings, "PYWARD_SESSION_IDLE", min(1800, conf.settings.SESSION_COOKIE_AGE)))
    binding = getattr(conf.settings, "PYWARD_SESSION_BINDING", None) or Binding()
    return SessionManager(store if store is not None else SQLiteStore(), idle=idle, absolute=absolute, binding=binding)


def _user_of(data: dict[str, Any]) -> str | None:
    user = data.get("_auth_user_id")
    return None if user is None else str(user)


class SessionStore(SessionBase):  # type: ignore[misc, unused-ignore]
    """Django's session object over a :class:`~pyward_guard.sessions.Store`.

    ASVS 5.0: v5.0.0-7.2.1, v5.0.0-7.2.4.
    """

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._guard_traits: dict[str, str] = {}
        self._guard_record: Any = None

    def _open(self) -> Any:
        session = manager().load(self.session_key, self._guard_traits)
        if session.is_new:
            self._session_key: str | None = None
            return None
        if session._state == 1:
            manager().save(session, self._guard_traits)
        self._guard_record = session._record
        return session

    def load(self) -> dict[str, Any]:
        """What the session holds. Called by Django."""
        if not self.session_key:
            return {}
        session = self._open()
        return dict(session) if session is not None else {}

    def exists(self, session_key: str) -> bool:
        """Whether there is such a session. Called by Django."""
        return not manager().load(session_key, self._guard_traits).is_new

    def create(self) -> None:
        """A new id. Called by Django."""
        self._session_key, _ = session_new()
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Writes the session; raises Django's ``UpdateError`` when it was revoked meanwhile. Called by Django."""
        if self.session_key is None:
            return self.create()
        from .._core import SessionRecord, trait_digest

        guard = manager()
        store = guard._store
        key = session_key(self.session_key)
        if key is None:
            raise UpdateError
        data = self._get_session(no_load=must_create)
        holder = guard.load(None)
        holder.update(data)
        encoded = holder._encoded()
        user = _user_of(data)
        now = time.time_ns() // 1_000_000
        old = None if must_create else self._guard_record
        if old is None and not must_create:
            raw = store.get(key)
            if raw is None:
                raise UpdateError
            old = SessionRecord.decode(raw)
        created = old.created if old is not None else now
        expires = old.expires if old is not None else now + guard._absolute
        traits = (
            old.traits
            if old is not None
            else [(name, trait_digest(key, name, self._guard_traits[name])) for name in guard._binding if name in self._guard_traits]
        )
        record = SessionRecord(user, created, now, expires, traits, encoded)
        until = record.until(guard._idle)
        if must_create:
            if store.get(key) is not None:
                raise CreateError
            store.insert(key, user, until, record.encode(), now)
        elif not store.replace(key, user, until, record.encode()):
            raise UpdateError
        self._guard_record = record

    def delete(self, session_key: str | None = None) -> None:
        """Ends the session. Called by Django."""
        target = session_key or self.session_key
        key = None if target is None else globals()["session_key"](target)
        if key is not None:
            store = manager()._store
            raw = store.get(key)
            if raw is not None:
                from .._core import SessionRecord

                store.delete(key, SessionRecord.decode(raw).user)

    @classmethod
    def clear_expired(cls) -> None:
        """For ``manage.py clearsessions``."""
        manager().purge()


class SessionMiddleware(DjangoSessionMiddleware):  # type: ignore[misc, unused-ignore]
    """Django's session middleware, with the client's traits handed to the session.

    ASVS 5.0: v5.0.0-7.2.1.
    """

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self._proxies = Proxies(getattr(conf.settings, "PYWARD_PROXIES", ()))

    def process_request(self, request: Any) -> None:
        """Called by Django before each view."""
        super().process_request(request)
        request.session._guard_traits = shown_traits(request.META, manager().bound_traits, self._proxies)

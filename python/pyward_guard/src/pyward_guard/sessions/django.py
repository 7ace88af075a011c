"""Sessions for Django, under Django's own session middleware and authentication.

In the settings::

    SESSION_ENGINE = "pyward_guard.sessions.django"
    PYWARD_SESSION_STORE = "project.guard.session_store"     # a Store, or a callable that returns one
    PYWARD_SESSION_IDLE = 1800                               # seconds; SESSION_COOKIE_AGE is the absolute lifetime
    MIDDLEWARE = [..., "pyward_guard.sessions.django.SessionMiddleware", ...]    # in place of Django's

Ids have 256 bits and are stored hashed; ``login()`` and ``cycle_key()`` rotate as usual. With the middleware of this
module, sessions are bound to client traits as ``PYWARD_SESSION_BINDING`` (a ``Binding``) says; ``PYWARD_SESSION_TRAITS``, a
function or its dotted path, returns the values of its ``others`` for a request's ``META``. ``set_expiry()`` ends a session
earlier than ``SESSION_COOKIE_AGE`` does, on the server as well, never later.

ASVS 5.0: v5.0.0-7.2.2, v5.0.0-7.2.4, v5.0.0-7.2.1, v5.0.0-7.3.1, v5.0.0-7.3.2
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

from .._core import SessionRecord, session_key
from .._optional import need
from .._web import Proxies
from ._manager import NO_CLIENT, Binding, SessionManager, check_told
from ._session import Session
from ._stores import SQLiteStore
from .wsgi import shown_traits

try:
    from asgiref.sync import sync_to_async
    from django import conf
    from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
    from django.contrib.sessions.exceptions import SessionInterrupted
    from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
    from django.utils.http import http_date
    from django.utils.module_loading import import_string
except ImportError:
    raise need("django", "pyward_guard.sessions.django") from None

__all__ = ["SessionMiddleware", "SessionStore", "manager"]

_log = logging.getLogger("pyward_guard.sessions")


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

    ``cycle_key`` moves the session in one step: its end stays, and one that was revoked meanwhile is not brought back.
    Outside of the middleware, as in scripts and tests, client traits are not compared.

    ASVS 5.0: v5.0.0-7.2.1, v5.0.0-7.2.4.
    """

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._guard_traits: Mapping[str, str] = NO_CLIENT
        self._guard: Session | None = None

    def load(self) -> dict[str, Any]:
        """What the session holds. Called by Django."""
        if not self.session_key:
            return {}
        session = manager().load(self.session_key, self._guard_traits)
        if session.is_new:
            self._session_key: str | None = None
            return {}
        if session._state == 1:
            manager().save(session, self._guard_traits)
        self._guard = session
        return dict(session)

    def exists(self, session_key: str) -> bool:
        """Whether there is such a session. Called by Django."""
        return not manager().load(session_key, NO_CLIENT).is_new

    def _ends(self, data: Mapping[str, Any], created: int) -> int:
        """What ``set_expiry()`` asks for, counted from now, but never past the absolute lifetime."""
        asked: int = round(self.get_expiry_date(expiry=data.get("_session_expiry")).timestamp() * 1000)
        return max(created, min(created + manager()._absolute, asked))

    def _filled(self, session: Session, data: dict[str, Any]) -> Session:
        session._data, session._user = dict(data), _user_of(data)
        return session

    def _begin(self, session: Session, value: str | None = None) -> bool:
        """Stores under a new id; False when the session that is to move is gone."""
        guard = manager()
        ids = None
        if value is not None:
            key = session_key(value)
            if key is None:
                raise UpdateError
            if guard._store.get(key) is not None:
                raise CreateError
            ids = (value, key)
        data = session._encoded()
        cookie = guard._run(guard._begin(session, data, self._guard_traits, time.time_ns() // 1_000_000, ids, self._ends))
        if cookie is None:
            return False
        self._session_key, self._guard = cookie.value, session
        return True

    def create(self) -> None:
        """A new id. Called by Django."""
        self._begin(self._filled(Session(), self._get_session(no_load=True)))
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Writes the session; raises Django's ``UpdateError`` when it was revoked meanwhile. Called by Django."""
        if self.session_key is None:
            return self.create()
        guard = manager()
        data = self._get_session(no_load=must_create)
        if must_create:
            self._begin(self._filled(Session(), data), self.session_key)
            return
        session = self._guard
        if session is None or session._key != session_key(self.session_key):
            session = guard.load(self.session_key, self._guard_traits)
        if session._record is None:
            raise UpdateError
        self._filled(session, data)
        guard._run(guard._write(session, session._encoded(), time.time_ns() // 1_000_000, self._ends))
        if session._record is None:
            raise UpdateError
        self._guard = session

    def cycle_key(self) -> None:
        """A new id for the same session, as after signing in; raises Django's ``SessionInterrupted`` when the session of
        a signed-in user was ended meanwhile. Called by Django.
        """
        data = self._session
        session = self._guard
        if session is None or session._record is None:
            self.create()
        else:
            signed_in = session._record.user is not None
            self._filled(session, data)
            if not self._begin(session):
                if signed_in:
                    raise SessionInterrupted("The session was ended while the request ran.")
                self._begin(self._filled(Session(), data))
        self._session_cache = data
        self.modified = True

    async def acycle_key(self) -> None:
        """As :meth:`cycle_key`. Called by Django."""
        await sync_to_async(self.cycle_key)()

    def delete(self, session_key: str | None = None) -> None:
        """Ends the session. Called by Django."""
        target = session_key or self.session_key
        key = None if target is None else globals()["session_key"](target)
        if key is None:
            return
        guard, session = manager(), self._guard
        record = session._record if session is not None and session._key == key else None
        if record is None:
            raw = guard._store.get(key)
            record = None if raw is None else SessionRecord.decode(raw)
        if record is not None:
            guard._run(guard._drop(key, record))

    @classmethod
    def clear_expired(cls) -> None:
        """For ``manage.py clearsessions``."""
        manager().purge()


class SessionMiddleware(DjangoSessionMiddleware):  # type: ignore[misc, unused-ignore]
    """Django's session middleware, with the client's traits handed to the session.

    The cookie is Secure, HttpOnly and SameSite (Lax, or Strict where the settings say so), whatever else the settings
    say. ``PYWARD_INSECURE_SESSION_OVER_PLAIN_HTTP = True`` leaves it as Django makes it, for development without TLS.
    Its age is at most what is left of the session on the server.
    Responses to signed-in users are marked ``no-store`` unless the view says otherwise.
    Raises :class:`~pyward_guard.InvalidInput` for a binding to other traits without ``PYWARD_SESSION_TRAITS``.

    ASVS 5.0: v5.0.0-7.2.1.
    """

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self._proxies = Proxies(getattr(conf.settings, "PYWARD_PROXIES", ()))
        tell: Any = getattr(conf.settings, "PYWARD_SESSION_TRAITS", None)
        self._tell = import_string(tell) if isinstance(tell, str) else tell
        binding = getattr(conf.settings, "PYWARD_SESSION_BINDING", None) or Binding()
        check_told(binding.rules(), self._tell)
        self._plain_http = bool(getattr(conf.settings, "PYWARD_INSECURE_SESSION_OVER_PLAIN_HTTP", False))
        if self._plain_http:
            _log.warning("session cookies are sent without Secure: for development only")

    def process_request(self, request: Any) -> None:
        """Called by Django before each view."""
        super().process_request(request)
        request.session._guard_traits = shown_traits(request.META, manager().bound_traits, self._proxies, self._tell)

    def process_response(self, request: Any, response: Any) -> Any:
        """Saves the session and sets its cookie. Called by Django."""
        response = super().process_response(request, response)
        cookie = response.cookies.get(conf.settings.SESSION_COOKIE_NAME)
        if cookie is not None and not self._plain_http:
            # Django leaves both out unless the settings ask for them.
            cookie["secure"] = cookie["httponly"] = True
            if str(cookie["samesite"]).lower() not in ("strict", "lax"):
                cookie["samesite"] = "Lax"
        session = getattr(getattr(request, "session", None), "_guard", None)
        record = session._record if session is not None else None
        if cookie is not None and cookie["max-age"] and record is not None:
            left = max(0, -((time.time_ns() // 1_000_000 - record.expires) // 1000))
            if int(cookie["max-age"]) > left:
                cookie["max-age"], cookie["expires"] = left, http_date(time.time() + left)
        if (cookie is not None or (session is not None and session.user is not None)) and not response.has_header("Cache-Control"):
            response["Cache-Control"] = "no-store"
        return response

"""Sessions for Flask: ``flask.session`` lives on the server.

>>> import flask
>>> from pyward_guard.sessions import MemoryStore, SessionManager
>>> app = flask.Flask(__name__)
>>> app.session_interface = GuardSessionInterface(SessionManager(MemoryStore()))
>>> @app.post("/login")
... def login():
...     flask.session.login("ada")
...     return "welcome"
>>> client = app.test_client()
>>> client.post("/login", base_url="https://localhost").headers["Set-Cookie"].split("=")[0]
'__Host-session'

CWE-384, CWE-613; ASVS 5.0: v5.0.0-7.2.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .._core import InvalidInput
from .._optional import need
from .._web import Proxies
from ._manager import SessionManager, check_told
from ._session import Session
from .wsgi import Tell, mark, shown_traits

try:
    from flask import has_request_context, request_tearing_down
    from flask import session as current
    from flask.sessions import SessionInterface, SessionMixin
except ImportError:
    raise need("flask", "pyward_guard.sessions.flask") from None

if TYPE_CHECKING:
    from flask import Flask
    from flask.wrappers import Request, Response

__all__ = ["FlaskSession", "GuardSessionInterface", "current_session"]


class FlaskSession(SessionMixin):
    """``flask.session``: the mapping that Flask knows, with ``user``, ``login``, ``logout`` and ``rotate``. CWE-384, CWE-613.

    >>> session = FlaskSession(Session(), {})
    >>> session["cart"] = [7]
    >>> session.new, session["cart"]
    (True, [7])
    """

    def __init__(self, session: Session, traits: dict[str, str]) -> None:
        self.guard = session
        self._traits = traits
        self.accessed = True
        self.modified = True
        self.new = session.is_new
        self.login = session.login
        self.logout = session.logout
        self.rotate = session.rotate

    @property
    def user(self) -> str | None:
        """Who is signed in."""
        return self.guard.user

    @property
    def handle(self) -> str | None:
        """Public name of the session, None while it is new; see :attr:`~pyward_guard.sessions.Session.handle`."""
        return self.guard.handle

    @property
    def warnings(self) -> tuple[str, ...]:
        """Names of client traits that changed since the session began (those bound with ``"warn"``)."""
        return self.guard.warnings

    def __getitem__(self, name: str) -> Any:
        return self.guard[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.guard[name] = value

    def __delitem__(self, name: str) -> None:
        del self.guard[name]

    def clear(self) -> None:
        """Drops all values and signs the user out; what is set afterwards goes into a new session with a new id."""
        self.guard.clear()

    def __iter__(self) -> Iterator[str]:
        return iter(self.guard)

    def __len__(self) -> int:
        return len(self.guard)


def current_session() -> FlaskSession:
    """``flask.session`` of the running request with its own type, so that editors know ``user``, ``login`` and the rest.

    CWE-384; ASVS 5.0: v5.0.0-7.2.4. Raises :class:`~pyward_guard.InvalidInput` when the application has another session interface.

    >>> import flask
    >>> from pyward_guard.sessions import MemoryStore, SessionManager
    >>> app = flask.Flask(__name__)
    >>> app.session_interface = GuardSessionInterface(SessionManager(MemoryStore()))
    >>> with app.test_request_context("/"):
    ...     current_session().login("ada")
    ...     current_session().user
    'ada'
    """
    import flask

    session = flask.session._get_current_object()  # type: ignore[attr-defined]
    if not isinstance(session, FlaskSession):
        raise InvalidInput("set app.session_interface to a GuardSessionInterface first")
    return session


class GuardSessionInterface(SessionInterface):
    """Flask's hook for sessions, over a :class:`~pyward_guard.sessions.SessionManager`. CWE-384, CWE-613; ASVS 5.0:
    v5.0.0-7.2.1, v5.0.0-14.3.2.

    A sign-out takes effect also when the view fails afterwards. ``proxies`` are addresses or networks whose
    ``X-Forwarded-For`` is believed; ``traits`` returns the values of the manager's :attr:`Binding.others` for a WSGI environ.
    Raises :class:`~pyward_guard.InvalidInput` for a manager that binds to others without ``traits``.
    """

    def __init__(self, manager: SessionManager, *, proxies: Sequence[str] = (), traits: Tell | None = None) -> None:
        check_told(manager.bound_traits, traits)
        self.manager = manager
        self._proxies = Proxies(proxies)
        self._tell = traits
        request_tearing_down.connect(self._torn_down)

    def _torn_down(self, app: Flask, **_: Any) -> None:
        """Ends what was signed out when Flask lets an exception through, so that there is no response to save it with."""
        session: Any = current._get_current_object() if has_request_context() else None  # type: ignore[attr-defined]
        if app.session_interface is self and isinstance(session, FlaskSession) and session.guard._left:
            self.manager.finish(session.guard)

    def open_session(self, app: Flask, request: Request) -> FlaskSession:
        from .._web import cookie_value

        traits = shown_traits(request.environ, self.manager.bound_traits, self._proxies, self._tell)
        value = cookie_value(request.environ.get("HTTP_COOKIE", ""), self.manager.cookie.name)
        return FlaskSession(self.manager.load(value, traits), traits)

    def save_session(self, app: Flask, session: Any, response: Response) -> None:
        headers: list[tuple[str, str]] = []
        change = self.manager.save(session.guard, session._traits)
        mark(headers, self.manager, session.guard, change)
        response.call_on_close(lambda: self.manager.finish(session.guard))
        for name, value in headers:
            if name == "Cache-Control" and "Cache-Control" in response.headers:
                continue
            response.headers.add(name, value)

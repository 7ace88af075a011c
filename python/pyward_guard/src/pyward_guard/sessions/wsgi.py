"""Sessions for WSGI applications. ``environ["pyward.session"]`` is the session.

>>> from pyward_guard.sessions import MemoryStore, SessionManager
>>> def app(environ, start_response):
...     environ["pyward.session"]["seen"] = True
...     start_response("200 OK", [])
...     return [b""]
>>> headers = []
>>> guarded = SessionMiddleware(app, SessionManager(MemoryStore()))
>>> body = guarded({"REMOTE_ADDR": "127.0.0.1"}, lambda status, sent, *_: headers.extend(sent))
>>> [value.split("=")[0] for name, value in headers if name == "Set-Cookie"]
['__Host-session']

CWE-384, CWE-613; ASVS 5.0: v5.0.0-7.2.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .._core import InvalidInput
from .._web import Environ, Proxies, StartResponse, WsgiApp, cookie_value, network_of
from ._manager import SessionManager, SetCookie, check_told
from ._session import Session

__all__ = ["SessionMiddleware", "mark", "shown_traits"]

Tell = Callable[[Environ], Mapping[str, str]]


def shown_traits(environ: Environ, wanted: frozenset[str], proxies: Proxies, tell: Tell | None = None) -> dict[str, str]:
    """The client traits of a WSGI request, and what ``tell`` says of it. CWE-384, CWE-613.

    >>> shown_traits({"HTTP_USER_AGENT": "curl/8"}, frozenset({"user_agent"}), Proxies())
    {'user_agent': 'curl/8'}
    """
    shown = dict(tell(environ)) if tell is not None else {}
    if "user_agent" in wanted:
        shown["user_agent"] = str(environ.get("HTTP_USER_AGENT", ""))
    if "network" in wanted:
        client = proxies.client(str(environ.get("REMOTE_ADDR", "")), environ.get("HTTP_X_FORWARDED_FOR"))
        shown["network"] = network_of(client)
    return shown


def mark(headers: list[tuple[str, str]], manager: SessionManager, session: Session, change: SetCookie | None) -> None:
    """Adds the cookie and the caching headers that a response with this session needs. CWE-384, CWE-613.

    >>> from pyward_guard.sessions import MemoryStore
    >>> headers: list[tuple[str, str]] = []
    >>> mark(headers, SessionManager(MemoryStore()), Session(), SetCookie("ID", None))
    >>> [name for name, _ in headers]
    ['Set-Cookie', 'Cache-Control', 'Vary']
    """
    if change is not None:
        headers.append(("Set-Cookie", manager.cookie.header(change.value, change.max_age)))
    if change is not None or session.user is not None or session._data:
        if not any(name.lower() == "cache-control" for name, _ in headers):
            headers.append(("Cache-Control", "no-store"))
        headers.append(("Vary", "Cookie"))
    elif session._data is not None:
        # Looked at, though there is nothing: the next visitor's may hold something.
        headers.append(("Vary", "Cookie"))


class _Streamed:
    """A body that calls back when it was sent, or given up."""

    def __init__(self, body: Iterable[bytes], finish: Callable[[], None]) -> None:
        self._body, self._finish = body, finish

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._finish()


class SessionMiddleware:
    """Loads the session before the application runs and saves it as the response starts. CWE-384, CWE-613; ASVS 5.0:
    v5.0.0-7.2.1, v5.0.0-14.3.2.

    What changes later, in a streamed body, is saved at its end, but for what needs a new cookie: see
    :meth:`SessionManager.finish`. A sign-out takes effect also when the application fails afterwards. ``traits`` returns the
    values of the manager's :attr:`Binding.others` for an environ. Raises :class:`~pyward_guard.InvalidInput` for an
    asynchronous manager, and for one that binds to others without ``traits``.
    """

    def __init__(self, app: WsgiApp, manager: SessionManager, *, proxies: Sequence[str] = (), traits: Tell | None = None) -> None:
        if not isinstance(manager, SessionManager):
            raise InvalidInput("WSGI applications need a SessionManager")
        check_told(manager.bound_traits, traits)
        self.app = app
        self._manager = manager
        self._proxies = Proxies(proxies)
        self._tell = traits

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        manager = self._manager
        value = cookie_value(environ.get("HTTP_COOKIE", ""), manager.cookie.name)
        traits = shown_traits(environ, manager.bound_traits, self._proxies, self._tell)
        session = environ["pyward.session"] = manager.load(value, traits)

        change: SetCookie | None = None

        def start_with_cookie(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            nonlocal change
            headers = list(headers)
            # Called again when an error takes the place of the response: the cookie is still to be set.
            change = manager.save(session, traits) or change
            mark(headers, manager, session, change)
            return start_response(status, headers, *rest)

        try:
            body = self.app(environ, start_with_cookie)
        except BaseException:
            if session._left:
                manager.finish(session)
            raise
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(body, (list, tuple)) or (isinstance(wrapper, type) and isinstance(body, wrapper)):
            manager.finish(session)
            return body
        return _Streamed(body, lambda: manager.finish(session))

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

from collections.abc import Iterable, Sequence
from typing import Any

from .._web import Environ, Proxies, StartResponse, WsgiApp, cookie_value, network_of
from ._manager import SessionManager, SetCookie
from ._session import Session

__all__ = ["SessionMiddleware", "mark", "shown_traits"]


def shown_traits(environ: Environ, wanted: frozenset[str], proxies: Proxies) -> dict[str, str]:
    """The client traits of a WSGI request. CWE-384, CWE-613.

    >>> shown_traits({"HTTP_USER_AGENT": "curl/8"}, frozenset({"user_agent"}), Proxies())
    {'user_agent': 'curl/8'}
    """
    shown = {}
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
    if change is not None or session.user is not None:
        if not any(name.lower() == "cache-control" for name, _ in headers):
            headers.append(("Cache-Control", "no-store"))
        headers.append(("Vary", "Cookie"))


class SessionMiddleware:
    """Loads the session before the application runs and saves it as the response starts. CWE-384, CWE-613; ASVS 5.0:
    v5.0.0-7.2.1, v5.0.0-14.3.2.
    """

    def __init__(self, app: WsgiApp, manager: SessionManager, *, proxies: Sequence[str] = ()) -> None:
        self.app = app
        self._manager = manager
        self._proxies = Proxies(proxies)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        manager = self._manager
        value = cookie_value(environ.get("HTTP_COOKIE", ""), manager.cookie.name)
        traits = shown_traits(environ, manager.bound_traits, self._proxies)
        session = environ["pyward.session"] = manager.load(value, traits)

        def start_with_cookie(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            headers = list(headers)
            mark(headers, manager, session, manager.save(session, traits))
            return start_response(status, headers, *rest)

        return self.app(environ, start_with_cookie)

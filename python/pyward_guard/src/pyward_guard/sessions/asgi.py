"""Sessions for ASGI applications: Starlette, FastAPI, Quart and plain ones.

ASVS 5.0: v5.0.0-7.2.1, v5.0.0-14.3.2

>>> from pyward_guard.sessions import AsyncSessionManager, MemoryStore
>>> async def app(scope, receive, send): ...
>>> guarded = SessionMiddleware(app, AsyncSessionManager(MemoryStore()))

In Starlette and FastAPI, ``request.session`` is then the :class:`~pyward_guard.sessions.Session`:
``app.add_middleware(SessionMiddleware, manager=manager)``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Protocol

from .._core import InvalidInput
from .._web import AsgiApp, Message, Proxies, Receive, Scope, Send, asgi_header, asgi_headers, asgi_peer, cookie_value, network_of
from ._manager import AsyncSessionManager, SetCookie, check_told
from ._session import Session

__all__ = ["SessionMiddleware", "session_of"]

_STARTS = ("http.response.start", "websocket.accept", "websocket.http.response.start")


class _Connection(Protocol):
    """A request or WebSocket of Starlette or FastAPI."""

    @property
    def scope(self) -> Scope: ...


def session_of(request: Scope | _Connection) -> Session:
    """The session of a request (of Starlette or FastAPI, or an ASGI scope) with its own type. CWE-384, CWE-613.

    Raises :class:`~pyward_guard.InvalidInput` when the middleware is not installed.

    >>> session_of({"type": "http", "session": Session()}).is_new
    True
    """
    scope = request if isinstance(request, MutableMapping) else request.scope
    session = scope.get("session")
    if not isinstance(session, Session):
        raise InvalidInput("no session: is SessionMiddleware installed around this application?")
    return session


class SessionMiddleware:
    """Loads the session before the application runs and saves it as the response starts.

    What changes after the response started (in a streamed body, during a WebSocket) is saved when the application is
    done, but for what needs a new cookie: see :meth:`AsyncSessionManager.finish`. A sign-out takes effect also when the
    application fails afterwards. Responses to signed-in users are marked ``no-store`` unless the application says otherwise.
    ``proxies`` are addresses or networks whose ``X-Forwarded-For`` is believed; ``traits`` returns the values of the manager's
    :attr:`Binding.others` for a scope. Raises :class:`~pyward_guard.InvalidInput` for a manager that is not asynchronous, and
    for one that binds to others without ``traits``.

    CWE-384, CWE-613; ASVS 5.0: v5.0.0-7.2.1, v5.0.0-14.3.2.
    """

    def __init__(
        self,
        app: AsgiApp,
        manager: AsyncSessionManager,
        *,
        proxies: Sequence[str] = (),
        traits: Callable[[Scope], Mapping[str, str]] | None = None,
    ) -> None:
        if not isinstance(manager, AsyncSessionManager):
            raise InvalidInput("ASGI applications need an AsyncSessionManager")
        check_told(manager.bound_traits, traits)
        self.app = app
        self._manager = manager
        self._proxies = Proxies(proxies)
        self._traits = manager.bound_traits
        self._tell = traits

    def _shown(self, scope: Scope) -> dict[str, str]:
        shown = dict(self._tell(scope)) if self._tell is not None else {}
        if "user_agent" in self._traits:
            shown["user_agent"] = asgi_header(scope, b"user-agent") or ""
        if "network" in self._traits:
            forwarded = ",".join(asgi_headers(scope, b"x-forwarded-for"))
            shown["network"] = network_of(self._proxies.client(asgi_peer(scope), forwarded))
        return shown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        manager = self._manager
        value = cookie_value("; ".join(asgi_headers(scope, b"cookie")), manager.cookie.name)
        # Never None, with which the manager compares nothing.
        traits = self._shown(scope)
        session = scope["session"] = await manager.load(value, traits)

        started = False

        async def send_with_cookie(message: Message) -> None:
            nonlocal started
            if message["type"] in _STARTS and not started:
                change = await manager.save(session, traits)
                started = True
                headers = list(message.get("headers", ()))
                self._mark(headers, session, change)
                message = {**message, "headers": headers}
            await send(message)

        try:
            await self.app(scope, receive, send_with_cookie)
        except BaseException:
            if session._left:
                # Whoever cancelled the request may do so again.
                await asyncio.shield(manager.finish(session))
            raise
        if session._left:
            # Also where a WebSocket was closed before it was accepted; servers cancel when the client hangs up.
            await asyncio.shield(manager.finish(session))
        elif started:
            await manager.finish(session)

    def _mark(self, headers: list[tuple[bytes, bytes]], session: Session, change: SetCookie | None) -> None:
        if change is not None:
            headers.append((b"set-cookie", self._manager.cookie.header(change.value, change.max_age).encode()))
        if change is not None or session.user is not None or session._data:
            if not any(name.lower() == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            headers.append((b"vary", b"Cookie"))
        elif session._data is not None:
            # Looked at, though there is nothing: the next visitor's may hold something.
            headers.append((b"vary", b"Cookie"))

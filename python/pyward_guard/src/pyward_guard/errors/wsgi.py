"""The error boundary for WSGI applications. It belongs outermost.

>>> def app(environ, start_response): raise RuntimeError("the database password is hunter2")
>>> guarded = ErrorBoundary(app)
>>> body = guarded({"HTTP_ACCEPT": "text/plain", "PATH_INFO": "/"}, lambda status, headers, *_: print(status))
500 Internal Server Error
>>> b"hunter2" in b"".join(body)
False

For Flask, ``install(app)`` also makes Flask hand exceptions on instead of answering them itself.

CWE-209, CWE-248; ASVS 5.0: v5.0.0-16.5.1, v5.0.0-16.5.3, v5.0.0-16.5.4.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

from .._web import Environ, StartResponse, WsgiApp
from ._boundary import ANSWERED, FINISH, KEPT, PAGE_HEADERS, Incident, log_incident, render

__all__ = ["ErrorBoundary", "install"]

_log = logging.getLogger("pyward_guard.errors")


class ErrorBoundary:
    """Turns exceptions, and whatever an application sends with a status of 500 or more, into a generic answer.

    See :class:`errors.asgi.ErrorBoundary`. An exception after the first bytes were sent ends the response there and is
    raised again, so that the server closes the connection.

    CWE-209; ASVS 5.0: v5.0.0-16.3.4, v5.0.0-16.5.1, v5.0.0-16.5.3, v5.0.0-16.5.4.
    """

    def __init__(self, app: WsgiApp, *, insecure_keep_server_error_bodies: bool = False) -> None:
        self.app = app
        self._keep = insecure_keep_server_error_bodies
        if insecure_keep_server_error_bodies:
            _log.warning("bodies of the application's own server errors are shown to users")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        held: list[tuple[str, list[tuple[str, str]]]] = []
        started: list[bool] = []

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], Any]:
            # A boundary of this kit further in (Django's) has answered and logged already.
            if status[:1] == "5" and not self._keep and ANSWERED not in environ:
                held[:] = [(status, headers)]
                return lambda data: None
            held.clear()
            started.append(True)
            write: Callable[[bytes], Any] = start_response(status, headers, *rest)
            return write

        where = f"{environ.get('REQUEST_METHOD', '')} {environ.get('PATH_INFO', '')}"
        body: Any = None
        try:
            body = self.app(environ, start)
            # A generator runs, and calls start_response, with its first chunk.
            chunks = iter(body)
            first = next(chunks, b"")
        except Exception as error:
            _close(body)
            # A second call needs the exception, by which the server tells it from a mistake; a first one has none.
            again = [(type(error), error, error.__traceback__)] if started else []
            return self._answer(environ, start_response, where, held, error, b"", *again)
        if held:
            sent = first
            try:
                for chunk in chunks:
                    sent = (sent + chunk)[:4096]
            except Exception as error:
                return self._answer(environ, start_response, where, held, error, sent)
            finally:
                _close(body)
            return self._answer(environ, start_response, where, held, None, sent)
        return _Watched(first, chunks, body, where)

    @staticmethod
    def _answer(
        environ: Environ, start_response: StartResponse, where: str, held: list[Any], error: Exception | None, sent: bytes, *again: Any
    ) -> Iterable[bytes]:
        incident = Incident.new()
        log_incident(incident, error, where=where, detail=sent.decode("utf-8", "replace") if error is None else "")
        status = int(held[0][0][:3]) if held else 500
        status, content_type, page = render(incident, environ.get("HTTP_ACCEPT", ""), status)
        headers = [("Content-Type", content_type), ("Content-Length", str(len(page))), ("Cache-Control", "no-store")]
        if held:
            headers = [pair for pair in held[0][1] if pair[0].lower() in KEPT] + headers
        elif FINISH in environ:
            # The exception came past SecurityMiddleware, whose headers the page needs as any other.
            with contextlib.suppress(Exception):
                headers = environ[FINISH](headers)
        names = {name.lower() for name, _ in headers}
        headers += [(name, value) for name, value in PAGE_HEADERS if name.lower() not in names]
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Error"
        start_response(f"{status} {phrase}", headers, *again)
        return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else page]


def _close(body: Any) -> None:
    """As PEP 3333 asks for, whatever happened before."""
    try:
        getattr(body, "close", lambda: None)()
    except Exception as error:
        log_incident(Incident.new(), error, where="closing a response")


class _Watched:
    """A response body whose failures are logged."""

    def __init__(self, first: bytes, chunks: Iterator[bytes], body: Any, where: str) -> None:
        self._first, self._chunks, self._body, self._where = first, chunks, body, where

    def __iter__(self) -> Iterator[bytes]:
        yield self._first
        try:
            yield from self._chunks
        except Exception as error:
            log_incident(Incident.new(), error, where=self._where)
            raise

    def close(self) -> None:
        getattr(self._body, "close", lambda: None)()


def install(app: Any, *, insecure_keep_server_error_bodies: bool = False) -> None:
    """Puts the boundary around a Flask application and lets exceptions through to it; call it after other middlewares.

    CWE-209; ASVS 5.0: v5.0.0-16.5.1.

    >>> import flask
    >>> app = flask.Flask(__name__)
    >>> @app.get("/")
    ... def view(): raise RuntimeError("the database password is hunter2")
    >>> install(app)
    >>> answer = app.test_client().get("/")
    >>> answer.status_code, "hunter2" in answer.text
    (500, False)
    """
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.wsgi_app = ErrorBoundary(app.wsgi_app, insecure_keep_server_error_bodies=insecure_keep_server_error_bodies)

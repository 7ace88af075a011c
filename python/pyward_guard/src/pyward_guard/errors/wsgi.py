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
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

from .._web import Environ, StartResponse, WsgiApp
from ._boundary import ANSWERED, FINISH, KEPT, PAGE_HEADERS, Incident, log_incident, render

__all__ = ["ErrorBoundary", "install"]

_log = logging.getLogger("pyward_guard.errors")

# The application's own server error, at most one: status, headers and the exception it was called with.
_Held = list[tuple[str, list[tuple[str, str]], "BaseException | None"]]


class ErrorBoundary:
    """Turns exceptions, and whatever an application sends with a status of 500 or more, into a generic answer.

    See :class:`errors.asgi.ErrorBoundary`. An exception or a server error after the first bytes were sent ends the response
    there and is raised, so that the server closes the connection.

    CWE-209; ASVS 5.0: v5.0.0-16.3.4, v5.0.0-16.5.1, v5.0.0-16.5.3, v5.0.0-16.5.4.
    """

    def __init__(self, app: WsgiApp, *, insecure_keep_server_error_bodies: bool = False) -> None:
        self.app = app
        self._keep = insecure_keep_server_error_bodies
        if insecure_keep_server_error_bodies:
            _log.warning("bodies of the application's own server errors are shown to users")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        held: _Held = []
        started: list[bool] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], Any]:
            # A boundary of this kit further in (Django's) has answered and logged already.
            if status[:1] == "5" and not self._keep and ANSWERED not in environ:
                held[:] = [(status, headers, exc_info[1] if exc_info else None)]
                return lambda data: None
            held.clear()
            started.append(True)
            write: Callable[[bytes], Any] = start_response(status, headers, *([exc_info] if exc_info else []))
            # One kept from before an error must not send the text of the error.
            return lambda data: None if held else write(data)

        where = f"{environ.get('REQUEST_METHOD', '')} {environ.get('PATH_INFO', '')}"

        def answer(error: Exception | None, sent: bytes, begun: bool = False) -> Iterable[bytes]:
            return self._answer(environ, start_response, where, held, error, sent, bool(started), begun)

        body: Any = None
        try:
            body = self.app(environ, start)
            # A generator runs, and calls start_response, with its first chunk.
            chunks = iter(body)
            first = next(chunks, b"")
        except Exception as error:
            _close(body)
            return answer(error, b"")
        chunks = itertools.chain([first], chunks)
        if held:
            failure, sent = _drain(chunks)
            _close(body)
            return answer(failure, sent)
        return _Watched(chunks, body, held, answer)

    @staticmethod
    def _answer(
        environ: Environ, start_response: StartResponse, where: str, held: _Held, error: Exception | None, sent: bytes,
        started: bool, begun: bool,
    ) -> Iterable[bytes]:  # fmt: skip
        incident = Incident.new()
        cause = error or (held[0][2] if held else None)
        log_incident(incident, cause, where=where, detail=sent.decode("utf-8", "replace") if cause is None else "")
        again = []
        if started:
            cause = cause or RuntimeError("a server error after start_response was called")
            if begun:
                raise cause
            # A second call needs an exception, by which the server tells it from a mistake; a first one has none.
            again = [(type(cause), cause, cause.__traceback__)]
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


def _drain(chunks: Iterator[bytes]) -> tuple[Exception | None, bytes]:
    """What the application sends with a server error, and raises while it does: for the log."""
    sent = b""
    try:
        for chunk in chunks:
            sent = (sent + chunk)[:4096]
    except Exception as error:
        return error, sent
    return None, sent


class _Watched:
    """A response body whose failures are logged, and answered as long as only empty chunks went out."""

    def __init__(self, chunks: Iterator[bytes], body: Any, held: _Held, answer: Callable[..., Iterable[bytes]]) -> None:
        self._chunks, self._body, self._held, self._answer = chunks, body, held, answer

    def __iter__(self) -> Iterator[bytes]:
        error: Exception | None = None
        chunk, begun = b"", False
        try:
            for chunk in self._chunks:
                # The application may call start_response again, with what it caught.
                if self._held:
                    break
                begun = begun or bool(chunk)
                yield chunk
                chunk = b""
        except Exception as caught:
            error = caught
        if error is None and self._held:
            error, chunk = _drain(itertools.chain([chunk], self._chunks))
        if error is not None or self._held:
            yield from self._answer(error, chunk, begun)

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

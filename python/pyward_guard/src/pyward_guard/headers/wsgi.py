"""Security headers, HTTPS, hosts, CORS and CSRF for WSGI applications, Flask among them.

>>> from pyward_guard.headers import csp_nonce
>>> def app(environ, start_response):
...     start_response("200 OK", [("Content-Type", "text/html")])
...     return [f'<script nonce="{csp_nonce()}"></script>'.encode()]
>>> guarded = SecurityMiddleware(app, hosts=["app.example"])
>>> sent = {}
>>> environ = {"REQUEST_METHOD": "GET", "HTTP_HOST": "app.example", "wsgi.url_scheme": "https", "PATH_INFO": "/"}
>>> body = guarded(environ, lambda status, headers, *_: sent.update(headers))
>>> sent["X-Content-Type-Options"]
'nosniff'

For Flask, ``install(app, hosts=[...])`` also gives the templates ``csp_nonce()``, ``csrf_token()`` and ``csrf_field()``.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal
from urllib.parse import quote

from .. import _core
from .._web import Environ, StartResponse, WsgiApp, cookie_value
from ._middleware import FINISH, FOREIGN, HTTPS_ONLY, UNKNOWN_HOST, Middleware, log, own_origin, without_http_port
from ._policy import SecurityHeaders
from ._protect import CORS, CSRF, FORM_TYPES, CsrfFailed, RequestState, csp_nonce, csrf_field, csrf_token, current, token_in_form

__all__ = ["SecurityMiddleware", "install"]


class SecurityMiddleware(Middleware[WsgiApp]):
    """Everything of :mod:`pyward_guard.headers` around a WSGI application.

    With Flask's ``session_interface``, tokens are bound to the client's cookie only: the session opens later.

    ``hosts`` are the hosts it answers for (``.example.com`` with all below); other ``Host`` headers get 400.
    ``https`` redirects plain HTTP (308) or refuses it; ``"insecure_off"`` is for development, and logged. ``proxies`` are
    addresses or networks whose ``X-Forwarded-Proto`` is believed. A header that the application sets itself is kept, except
    those of CORS where ``cors`` is given; one with a line break in it is an error (CWE-113).
    CWE-16, CWE-319, CWE-352, CWE-693, CWE-1021; ASVS 5.0: v5.0.0-3.4.1, v5.0.0-3.4.3, v5.0.0-3.5.1, v5.0.0-3.5.2,
    v5.0.0-4.1.2, v5.0.0-4.1.3, v5.0.0-12.2.1.

    Raises :class:`~pyward_guard.InvalidInput` when an option is malformed.
    """

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "")
        if not self._hosts.allows(host):
            return self._answer(start_response, "400 Bad Request", [], UNKNOWN_HOST)
        secure = environ.get("wsgi.url_scheme") == "https"
        forwarded = environ.get("HTTP_X_FORWARDED_PROTO")
        if forwarded is not None and self._proxies.trusts(str(environ.get("REMOTE_ADDR", ""))):
            secure = forwarded.strip().lower() == "https"
        path = environ.get("PATH_INFO", "/")
        if not secure and self._https:
            if self._refuse_plain:
                return self._answer(start_response, "403 Forbidden", [], HTTPS_ONLY)
            script = environ.get("SCRIPT_NAME", "")
            raw = quote((script + path).encode("latin-1", "replace"), safe="/!$&'()*+,;=:@~")
            query = quote(environ.get("QUERY_STRING", ""), safe="/?!$&'()*+,;=:@~%")
            location = f"https://{without_http_port(host)}/{raw.lstrip('/')}" + (f"?{query}" if query else "")
            return self._answer(start_response, "308 Permanent Redirect", [("Location", location)], "")

        csrf, cookies, origin = self._csrf, environ.get("HTTP_COOKIE", ""), environ.get("HTTP_ORIGIN")
        method = environ["REQUEST_METHOD"]
        cookie = (cookie_value(cookies, csrf.cookie_name) or "") if csrf is not None else ""
        state = RequestState(None, csrf, cookie, environ.get("pyward.session"))
        if self._cors is not None and method == "OPTIONS" and origin and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ:
            return self._answer(start_response, "204 No Content", self._cors.preflight(origin), "")
        if csrf is not None and not csrf.exempts(method, path):
            try:
                own = own_origin(secure, host)
                csrf.check_origin(environ.get("HTTP_SEC_FETCH_SITE"), origin, environ.get("HTTP_REFERER"), own)
                if cookies:
                    csrf.check_token(state, environ.get("HTTP_X_CSRF_TOKEN") or self._token_in_body(environ, csrf.max_form))
            except CsrfFailed as failed:
                log.warning("csrf_refused path=%r %s", path, failed.why)
                readable = self._cors.fields(origin) if self._cors is not None else []
                return self._answer(start_response, "403 Forbidden", readable, FOREIGN)

        def finish(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
            out = self._headers.wsgi(headers, state.nonce if self._has_nonce else "")
            if self._cors is not None:
                # Two answers to the same question are none; the policy's counts.
                out = [pair for pair in out if not pair[0].lower().startswith("access-control-")] + self._cors.fields(origin)
            return out

        environ[FINISH] = finish

        def start_with_headers(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            out = finish(headers)
            if state.issued:
                out.append(("Vary", "Cookie"))
            if state.fresh and csrf is not None:
                out.append(("Set-Cookie", csrf.set_cookie(state)))
            state.headers_sent = True
            return start_response(status, out, *rest)

        # Threads are used again: the request ends with its body. One inside of another gives way to it.
        before = current.get()
        current.set(state)
        try:
            body = self.app(environ, start_with_headers)
        except BaseException:
            current.set(before)
            raise
        file_wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(body, (list, tuple, io.IOBase)) or (isinstance(file_wrapper, type) and isinstance(body, file_wrapper)):
            # Nothing of the application runs any more, and servers look at what it is: its length, or a file to send.
            current.set(before)
            return body
        return _Body(body, state, before)

    @staticmethod
    def _token_in_body(environ: Environ, limit: int) -> str | None:
        content_type = environ.get("CONTENT_TYPE", "")
        if content_type.partition(";")[0].strip().lower() not in FORM_TYPES:
            return None
        stream = environ["wsgi.input"]
        try:
            length = int(environ.get("CONTENT_LENGTH") or 0)
        except ValueError:
            return None
        body = stream.read(min(max(length, 0), limit))
        # The application reads the same bytes again, and then whatever is left.
        environ["wsgi.input"] = io.BufferedReader(_Chained(body, stream, max(length - len(body), 0)))
        return token_in_form(body, content_type)

    def _answer(self, start_response: StartResponse, status: str, headers: Sequence[tuple[str, str]], text: str) -> Iterable[bytes]:
        body = f"{text}\n".encode() if text else b""
        common = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
        start_response(status, self._headers.wsgi([*headers, *common], _core.csp_nonce()))
        return [body]


class _Body:
    """A response body that ends its request when it is closed."""

    def __init__(self, body: Iterable[bytes], state: RequestState, before: RequestState | None) -> None:
        self._body, self._state, self._before = body, state, before

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        try:
            getattr(self._body, "close", lambda: None)()
        finally:
            # Another thread may close it, or a request may have begun meanwhile.
            if current.get() is self._state:
                current.set(self._before)


class _Chained(io.RawIOBase):
    """Bytes that were read already, then the rest of a stream."""

    def __init__(self, head: bytes, rest: Any, left: int) -> None:
        self._head = io.BytesIO(head)
        self._rest, self._left = rest, left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._head.read(len(buffer))
        if not chunk and self._left:
            chunk = self._rest.read(min(len(buffer), self._left))
            self._left -= len(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)


def install(
    app: Any,
    *,
    hosts: Sequence[str],
    headers: SecurityHeaders | None = None,
    csrf: CSRF | None = None,
    cors: CORS | None = None,
    https: Literal["redirect", "refuse", "insecure_off"] = "redirect",
    proxies: Sequence[str] = (),
) -> None:
    """Wraps a Flask application in :class:`SecurityMiddleware` and gives its templates the helpers.

    The options are those of :class:`SecurityMiddleware`. Raises :class:`~pyward_guard.InvalidInput` for malformed ones.

    CWE-693; ASVS 5.0: v5.0.0-3.4.3, v5.0.0-3.5.1.

    >>> import flask
    >>> from pyward_guard.headers import CSRF
    >>> app = flask.Flask(__name__)
    >>> install(app, hosts=["app.example"], csrf=CSRF([b"k" * 32]))
    >>> app.test_client().get("/", base_url="https://app.example").headers["X-Content-Type-Options"]
    'nosniff'
    """
    app.wsgi_app = SecurityMiddleware(app.wsgi_app, hosts=hosts, headers=headers, csrf=csrf, cors=cors, https=https, proxies=proxies)
    app.jinja_env.globals.update(csp_nonce=csp_nonce, csrf_token=csrf_token, csrf_field=csrf_field)

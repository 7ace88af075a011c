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
import logging
from collections.abc import Iterable, Sequence
from typing import Any, Literal
from urllib.parse import quote

from .. import _core
from .._web import Environ, Proxies, StartResponse, WsgiApp, cookie_value
from ._policy import Prepared, SecurityHeaders
from ._protect import CORS, CSRF, FORM_TYPES, CsrfFailed, RequestState, csp_nonce, csrf_field, csrf_token, current, token_in_form

__all__ = ["SecurityMiddleware", "install"]

_log = logging.getLogger("pyward_guard.headers")


class SecurityMiddleware:
    """Everything of :mod:`pyward_guard.headers` around a WSGI application; see :class:`headers.asgi.SecurityMiddleware`.

    With Flask's ``session_interface``, tokens are bound to the client's cookie only: the session opens later.
    """

    def __init__(
        self,
        app: WsgiApp,
        *,
        hosts: Sequence[str],
        headers: SecurityHeaders | None = None,
        csrf: CSRF | None = None,
        cors: CORS | None = None,
        https: Literal["redirect", "refuse", "off"] = "redirect",
        proxies: Sequence[str] = (),
    ) -> None:
        self.app = app
        self._hosts = _core.HostList(list(hosts))
        self._prepared = Prepared(headers or SecurityHeaders.app())
        self._csrf, self._cors, self._https = csrf, cors, https
        self._proxies = Proxies(proxies)
        if https == "off":
            _log.warning("HTTPS is not enforced: for development only")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "")
        if not self._hosts.allows(host):
            return self._answer(start_response, "400 Bad Request", [], "Unknown host.")
        secure = environ.get("wsgi.url_scheme") == "https"
        forwarded = environ.get("HTTP_X_FORWARDED_PROTO")
        if forwarded is not None and self._proxies.trusts(str(environ.get("REMOTE_ADDR", ""))):
            secure = forwarded.strip() == "https"
        path = environ.get("PATH_INFO", "/")
        if not secure and self._https != "off":
            if self._https == "refuse":
                return self._answer(start_response, "403 Forbidden", [], "HTTPS only.")
            script = environ.get("SCRIPT_NAME", "")
            raw = quote((script + path).encode("latin-1", "replace"), safe="/!$&'()*+,;=:@~")
            query = quote(environ.get("QUERY_STRING", ""), safe="/?!$&'()*+,;=:@~%")
            location = f"https://{host}/{raw.lstrip('/')}" + (f"?{query}" if query else "")
            return self._answer(start_response, "308 Permanent Redirect", [("Location", location)], "")

        csrf, cookies, origin = self._csrf, environ.get("HTTP_COOKIE", ""), environ.get("HTTP_ORIGIN")
        method = environ["REQUEST_METHOD"]
        cookie = (cookie_value(cookies, csrf.cookie_name) or "") if csrf is not None else ""
        state = RequestState(_core.csp_nonce(), csrf, cookie, environ.get("pyward.session"))
        current.set(state)
        if self._cors is not None and method == "OPTIONS" and origin and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ:
            return self._answer(start_response, "204 No Content", self._cors.preflight(origin), "")
        if csrf is not None and not csrf.exempts(method, path):
            try:
                own = f"{'https' if secure else 'http'}://{host.lower()}"
                csrf.check_origin(environ.get("HTTP_SEC_FETCH_SITE"), origin, environ.get("HTTP_REFERER"), own)
                if cookies:
                    csrf.check_token(state, environ.get("HTTP_X_CSRF_TOKEN") or self._token_in_body(environ, csrf.max_form))
            except CsrfFailed as failed:
                _log.warning("csrf_refused path=%r %s", path, failed.why)
                return self._answer(
                    start_response, "403 Forbidden", [], "This request was not made from this site's own pages. Reload the page and try again."
                )

        def start_with_headers(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            prepared = self._prepared
            own_names = {name.lower() for name, _ in headers} & prepared.names
            out = [pair for pair in headers if pair[0].lower() not in prepared.removed]
            out += [pair for pair in prepared.fixed if pair[0].lower() not in own_names] if own_names else prepared.fixed
            out += [(name, csp.header(state.nonce)) for name, csp in prepared.nonced if name.lower() not in own_names]
            if self._cors is not None:
                out += self._cors.fields(origin)
            if state.fresh and csrf is not None:
                out.append(("Set-Cookie", csrf.set_cookie(state)))
            return start_response(status, out, *rest)

        return self.app(environ, start_with_headers)

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
        start_response(status, [*headers, *common, *self._prepared.fixed])
        return [body]


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


def install(app: Any, **options: Any) -> None:
    """Wraps a Flask application in :class:`SecurityMiddleware` and gives its templates the helpers."""
    app.wsgi_app = SecurityMiddleware(app.wsgi_app, **options)
    app.jinja_env.globals.update(csp_nonce=csp_nonce, csrf_token=csrf_token, csrf_field=csrf_field)

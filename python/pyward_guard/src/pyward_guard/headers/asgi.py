"""Security headers, HTTPS, hosts, CORS and CSRF for ASGI applications: Starlette, FastAPI and plain ones.

>>> from pyward_guard.headers import CSRF
>>> async def app(scope, receive, send): ...
>>> guarded = SecurityMiddleware(app, hosts=["app.example"], csrf=CSRF([b"k" * 32]))

Put it inside :class:`pyward_guard.sessions.asgi.SessionMiddleware`, so that CSRF tokens are bound to sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from .. import _core
from .._web import AsgiApp, Message, Receive, Scope, Send, asgi_peer, cookie_value
from ._middleware import FINISH, FOREIGN, HTTPS_ONLY, UNKNOWN_HOST, Middleware, log, own_origin, without_http_port
from ._protect import FORM_TYPES, CsrfFailed, RequestState, current, token_in_form

__all__ = ["SecurityMiddleware"]

_Fields = list[tuple[bytes, bytes]]
_WANTED = {
    b"host": 0, b"cookie": 1, b"origin": 2, b"sec-fetch-site": 3, b"referer": 4, b"content-type": 5, b"x-csrf-token": 6, b"x-forwarded-proto": 7,
}  # fmt: skip


def _encode(fields: Sequence[tuple[str, str]]) -> _Fields:
    return [(name.lower().encode(), value.encode()) for name, value in fields]


class SecurityMiddleware(Middleware[AsgiApp]):
    """Everything of :mod:`pyward_guard.headers` around an ASGI application.

    ``hosts`` are the hosts it answers for (``.example.com`` with all below); other ``Host`` headers get 400.
    ``https`` redirects plain HTTP (308) or refuses it; ``"insecure_off"`` is for development, and logged. ``proxies`` are
    addresses or networks whose ``X-Forwarded-Proto`` is believed. A header that the application sets itself is kept, except
    those of CORS where ``cors`` is given; one with a line break in it is an error (CWE-113). WebSockets with cookies are
    refused from other origins, unless ``csrf`` trusts them or ``cors`` allows them by name with credentials.
    CWE-16, CWE-319, CWE-352, CWE-693, CWE-1021; ASVS 5.0: v5.0.0-3.4.1, v5.0.0-3.4.3, v5.0.0-3.5.1, v5.0.0-3.5.2,
    v5.0.0-4.1.2, v5.0.0-4.1.3, v5.0.0-4.4.1, v5.0.0-4.4.2, v5.0.0-12.2.1.

    Raises :class:`~pyward_guard.InvalidInput` when an option is malformed.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        host = origin = cookies = forwarded = fetch_site = referer = content_type = token = None
        for name, raw in scope["headers"]:
            # One dictionary look-up tells the few headers of interest from all others.
            which = _WANTED.get(name)
            if which is None:
                continue
            value = raw.decode("latin-1")
            if which == 0:
                host = value if host is None else ""
            elif which == 1:
                cookies = value if cookies is None else f"{cookies}; {value}"
            elif which == 2:
                origin = value
            elif which == 3:
                fetch_site = value
            elif which == 4:
                referer = value
            elif which == 5:
                content_type = value
            elif which == 6:
                token = value
            else:
                forwarded = value

        if host is None or not self._hosts.allows(host):
            return await self._refuse(kind, send, 400, UNKNOWN_HOST)
        secure = scope.get("scheme") in ("https", "wss")
        if forwarded is not None and self._proxies.trusts(asgi_peer(scope)):
            secure = forwarded.strip().lower() in ("https", "wss")
        if not secure and self._https:
            if self._refuse_plain or kind == "websocket":
                return await self._refuse(kind, send, 403, HTTPS_ONLY)
            # Servers that do not hand on the raw path have decoded it, line breaks and all.
            path = scope.get("raw_path") or quote(scope["path"], safe="/!$&'()*+,;=:@~").encode()
            path = b"/" + path.partition(b"?")[0].lstrip(b"/")
            query = b"?" + scope["query_string"] if scope.get("query_string") else b""
            location = b"https://" + without_http_port(host).encode("latin-1") + path + query
            return await self._answer(send, 308, [(b"location", location)], b"")

        csrf = self._csrf
        cookie = (cookie_value(cookies, csrf.cookie_name) or "") if csrf is not None and cookies else ""
        state = RequestState(None, csrf, cookie, scope.get("session"))
        current.set(state)

        if kind == "websocket":
            # There is no response to set the cookie with: tokens are for clients that have it.
            state.headers_sent = not cookie
            # Browsers send cookies along with cross-site WebSocket handshakes and no preflight (CWE-1385).
            if origin is not None and origin != own_origin(secure, host) and not self._socket_from(origin, cookies):
                return await self._refuse(kind, send, 403, "")

            async def send_denial(message: Message) -> None:
                if message["type"] == "websocket.http.response.start":
                    message["headers"] = self._headers.asgi(message.get("headers", ()), state.nonce if self._has_nonce else "")
                await send(message)

            return await self.app(scope, receive, send_denial)

        if self._cors is not None and scope["method"] == "OPTIONS" and origin is not None:
            if any(name == b"access-control-request-method" for name, _ in scope["headers"]):
                return await self._answer(send, 204, _encode(self._cors.preflight(origin)), b"")

        cors_fields = _encode(self._cors.fields(origin)) if self._cors is not None else None
        if csrf is not None and not csrf.exempts(scope["method"], scope["path"]):
            try:
                csrf.check_origin(fetch_site, origin, referer, own_origin(secure, host))
                if cookies:
                    if token is None and content_type is not None and content_type.partition(";")[0].strip().lower() in FORM_TYPES:
                        body, receive = await self._buffer(receive, csrf.max_form)
                        token = token_in_form(body, content_type)
                    csrf.check_token(state, token)
            except CsrfFailed as failed:
                log.warning("csrf_refused path=%r %s", scope["path"], failed.why)
                return await self._refuse(kind, send, 403, FOREIGN, cors_fields or ())

        def finish(headers: Sequence[tuple[bytes, bytes]]) -> _Fields:
            out = self._headers.asgi(headers, state.nonce if self._has_nonce else "")
            if cors_fields is not None:
                # Two answers to the same question are none; the policy's counts.
                out = [pair for pair in out if not pair[0].lower().startswith(b"access-control-")] + cors_fields
            return out

        scope[FINISH] = finish

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = finish(message.get("headers", ()))
                if state.issued:
                    headers.append((b"vary", b"Cookie"))
                if state.fresh and csrf is not None:
                    headers.append((b"set-cookie", csrf.set_cookie(state).encode()))
                message["headers"] = headers
                state.headers_sent = True
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _socket_from(self, origin: str, cookies: str | None) -> bool:
        """Whether another origin may open a WebSocket; one with cookies acts for the user, whatever CORS says of reading."""
        if self._csrf is not None and self._csrf.trusts(origin):
            return True
        cors = self._cors
        return cors is not None and cors.allows(origin) and (not cookies or cors.credentials)

    async def _buffer(self, receive: Receive, limit: int) -> tuple[bytes, Receive]:
        """Reads the body up to a limit and gives back a ``receive`` that plays it again."""
        messages: list[Message] = []
        body = b""
        while True:
            message = await receive()
            messages.append(message)
            if message["type"] != "http.request":
                break
            body += message.get("body", b"")
            if not message.get("more_body", False) or len(body) > limit:
                break

        async def replay() -> Message:
            return messages.pop(0) if messages else await receive()

        return body[:limit], replay

    async def _refuse(self, kind: str, send: Send, status: int, text: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        if kind == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._answer(send, status, [*headers, (b"content-type", b"text/plain; charset=utf-8")], text.encode() + b"\n")

    async def _answer(self, send: Send, status: int, headers: _Fields, body: bytes) -> None:
        headers = self._headers.asgi([*headers, (b"content-length", str(len(body)).encode())], _core.csp_nonce())
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

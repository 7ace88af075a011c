"""CSRF and CORS, and what a request's templates can ask for."""

from __future__ import annotations

import html
import logging
import time
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from .. import _core
from .._core import InvalidInput, Refused
from ._policy import listed

_log = logging.getLogger("pyward_guard.headers")

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")


class CsrfFailed(Refused):
    """A state-changing request that did not come from this site's own pages. ``why`` is for the log."""

    __module__ = "pyward_guard.headers"

    def __init__(self, why: str) -> None:
        super().__init__("cross-site request")
        self.why = why


class RequestState:
    """What the middleware keeps of the running request."""

    __slots__ = ("_nonce", "cookie", "csrf", "fresh", "headers_sent", "issued", "session")

    def __init__(self, nonce: str | None, csrf: CSRF | None, cookie: str, session: Any) -> None:
        self._nonce = nonce
        self.csrf = csrf
        self.cookie = cookie
        self.fresh = False
        self.issued = False
        self.headers_sent = False
        self.session = session

    @property
    def nonce(self) -> str:
        """Made when it is first asked for."""
        nonce = self._nonce
        if nonce is None:
            nonce = self._nonce = _core.csp_nonce()
        return nonce


current: ContextVar[RequestState | None] = ContextVar("pyward_guard.headers", default=None)


def _state() -> RequestState:
    state = current.get()
    if state is None:
        raise InvalidInput("no request: is SecurityMiddleware installed around this application?")
    return state


def csp_nonce() -> str:
    """The nonce of the running request, for ``<script nonce="...">``. CWE-79; ASVS 5.0: v5.0.0-3.4.3.

    Raises :class:`~pyward_guard.InvalidInput` outside of a request.
    """
    return _state().nonce


def csrf_token() -> str:
    """A CSRF token for the running request: in a form field ``csrf_token`` or the header ``X-CSRF-Token``. CWE-352; ASVS 5.0:
    v5.0.0-3.5.1.

    Raises :class:`~pyward_guard.InvalidInput` outside of a request, when the middleware has no ``csrf``, and when it is first
    called while the body is streamed: the cookie that the token needs goes with the headers.
    """
    state = _state()
    if state.csrf is None:
        raise InvalidInput("SecurityMiddleware was set up without CSRF protection")
    return state.csrf.token(state)


def csrf_field() -> str:
    """A hidden form field with the token. The text is HTML (it has ``__html__``, templates do not escape it again). CWE-352;
    ASVS 5.0: v5.0.0-3.5.1.

    Raises as :func:`csrf_token` does.
    """
    return _Markup(f'<input type="hidden" name="csrf_token" value="{html.escape(csrf_token())}">')


class _Markup(str):
    """Text that template engines take as HTML, as markupsafe does it."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


class CSRF:
    """Protection against cross-site request forgery: origin check and token, both.

    Every request with an unsafe method must come from this site's origin or a trusted one, by ``Origin``,
    ``Sec-Fetch-Site`` or ``Referer``. If it carries cookies, it must also carry a token (form field ``csrf_token`` or
    header ``X-CSRF-Token``) that was made for this client and, once signed in, this session. Requests without cookies
    (an API with bearer tokens) have nothing to forge and need none.

    ``keys`` are secrets of at least 32 bytes; the first signs, all verify. ``trusted_origins`` may send such requests
    too: :class:`CORS` alone lets scripts of another origin read, but not change anything. ``exempt`` are exact paths that
    authenticate in another way, such as webhooks with signatures.

    Tokens live for ``max_age`` (a ``timedelta``); forms are searched for one up to ``max_form`` bytes.

    Raises :class:`~pyward_guard.InvalidInput` for short keys, malformed origins and paths, and a single value in place of a list.

    CWE-352; ASVS 5.0: v5.0.0-3.5.1, v5.0.0-3.5.3.
    """

    cookie_name = "__Host-csrf"

    def __init__(
        self,
        keys: Sequence[bytes],
        *,
        trusted_origins: Sequence[str] = (),
        exempt: Sequence[str] = (),
        max_age: timedelta = timedelta(hours=12),
        max_form: int = 1 << 20,
        insecure_over_plain_http: bool = False,
    ) -> None:
        secrets = listed(keys, "keys")
        if not all(isinstance(key, (bytes, bytearray)) for key in secrets):
            raise InvalidInput("keys are bytes")
        self._core = _core.Csrf(secrets, round(max_age.total_seconds()))
        self._trusted = listed(trusted_origins, "trusted_origins")
        for origin in self._trusted:
            if _core.origin_of(origin) != origin:
                raise InvalidInput(f"{origin!r} is not an origin such as https://admin.example")
        self._exempt = exact_paths(exempt, "exempt")
        self.max_form = max_form
        self._secure = not insecure_over_plain_http
        if insecure_over_plain_http:
            _log.warning("CSRF cookie is sent without Secure: for development only")
            self.cookie_name = "csrf"

    def __repr__(self) -> str:
        return "CSRF(...)"

    @staticmethod
    def _binding(state: RequestState, which: str = "handle") -> bytes:
        session = state.session
        handle = getattr(session, which, None) if session is not None and getattr(session, "user", None) else None
        return f"{state.cookie}\0{handle or ''}".encode()

    def token(self, state: RequestState) -> str:
        """A token for the request; the first one also sets the cookie."""
        # Not only where the cookie is missing, which is with the first visitors rather than in development.
        if state.headers_sent and not state.issued:
            raise InvalidInput("csrf_token() comes too late: its cookie goes with the headers, call it before the response starts")
        if not state.cookie:
            state.cookie = _core.csp_nonce()
            state.fresh = True
        # The page is this client's: caches are told.
        state.issued = True
        # After a log-in in this request, the token comes back with the new session.
        return self._core.issue(self._binding(state, "next_handle"), int(time.time()))

    def set_cookie(self, state: RequestState) -> str:
        """The ``Set-Cookie`` value for a fresh request."""
        return f"{self.cookie_name}={state.cookie}; Path=/;{' Secure;' * self._secure} HttpOnly; SameSite=Lax"

    def trusts(self, origin: str) -> bool:
        """Whether the origin is one of the trusted ones."""
        return origin in self._trusted

    def exempts(self, method: str, path: str) -> bool:
        """Whether the request needs no check."""
        return method in SAFE_METHODS or path in self._exempt

    def check_origin(self, fetch_site: str | None, origin: str | None, referer: str | None, own: str) -> None:
        """The first half: where was the request made? Raises :class:`CsrfFailed`."""
        verdict = _core.judge_origin(fetch_site, origin, referer, own, self._trusted)
        if verdict == "foreign":
            raise CsrfFailed(f"made at {(origin or referer or fetch_site or '')[:100]!r}, not at {own!r}")

    def check_token(self, state: RequestState, token: str | None) -> None:
        """The second half: does it carry a token of this client? Raises :class:`CsrfFailed`."""
        wrong = self._core.verify(self._binding(state), token or "", int(time.time())) if state.cookie else "missing cookie"
        if wrong:
            raise CsrfFailed(f"token: {wrong}")


def exact_paths(paths: Iterable[str], what: str) -> frozenset[str]:
    """Paths without a check. Entries may be lazy (Django's ``reverse_lazy``)."""
    found = frozenset(path if isinstance(path, str) else str(path) for path in listed(paths, what))
    for path in found:
        if not path.startswith("/"):
            raise InvalidInput(f"{what}: {path!r} is not a path such as /webhooks/payment")
    return found


def token_in_form(body: bytes, content_type: str) -> str | None:
    """The ``csrf_token`` field of a form body."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        try:
            fields = parse_qsl(body.decode("ascii", "replace"), max_num_fields=1000)
        except ValueError:
            return None
        return next((value for name, value in fields if name == "csrf_token"), None)
    if kind == "multipart/form-data":
        # The token is the first field of our own forms; only its own part is read, nothing else is parsed.
        boundary = _boundary(content_type)
        if boundary is None:
            return None
        for part in body.split(b"--" + boundary)[1:]:
            head, separator, value = part.partition(b"\r\n\r\n")
            if separator and b'name="csrf_token"' in head and b"filename" not in head.lower():
                return value.removesuffix(b"\r\n").decode("ascii", "replace")
    return None


def _boundary(content_type: str) -> bytes | None:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        value = value.strip('"')
        # RFC 2046 has 70 at most; some clients do not keep to it.
        if name.lower() == "boundary" and 0 < len(value) <= 200:
            return value.encode("ascii", "replace")
    return None


@dataclass(frozen=True)
class CORS:
    """Which other origins may read responses (CWE-942). Origins are exact; there is no wildcard with credentials.

    ``origins`` may read; ``methods`` and ``headers`` may be sent, ``expose`` are response headers that scripts see, ``credentials``
    lets cookies along, and browsers keep the answer for ``max_age`` (a ``timedelta``).

    It is about reading: where :class:`CSRF` is on, requests that change something also need ``CSRF(trusted_origins=...)``.

    Raises :class:`~pyward_guard.InvalidInput` for what is no origin, method or header name, and a string in place of a list.

    ASVS 5.0: v5.0.0-3.4.2.

    >>> CORS(["*"], credentials=True)
    Traceback (most recent call last):
    pyward_guard.InvalidInput: CORS: * and credentials together would open the site to everyone
    """

    origins: Sequence[str]
    methods: Sequence[str] = ("GET", "HEAD", "POST")
    headers: Sequence[str] = ()
    expose: Sequence[str] = ()
    credentials: bool = False
    max_age: timedelta = timedelta(minutes=10)
    _allowed: frozenset[str] = field(init=False, repr=False, default=frozenset())

    def __post_init__(self) -> None:
        if isinstance(self.origins, str) or not self.origins:
            raise InvalidInput("CORS: origins are a list such as ['https://a.example']")
        if "*" in self.origins and (self.credentials or len(self.origins) > 1):
            raise InvalidInput("CORS: * and credentials together would open the site to everyone")
        for what in ("methods", "headers", "expose"):
            listed(getattr(self, what), f"CORS: {what}")
        for origin in self.origins:
            if origin != "*" and _core.origin_of(origin) != origin:
                raise InvalidInput(f"CORS: {origin!r} is not an origin such as https://a.example")
        for name in (*self.methods, *self.headers, *self.expose):
            if not name or not name.isascii() or not all(char.isalnum() or char == "-" for char in name):
                raise InvalidInput(f"CORS: {name!r} is not a method or header name")
        object.__setattr__(self, "_allowed", frozenset(self.origins))

    def allows(self, origin: str | None) -> bool:
        """Whether scripts of this origin may read responses."""
        return origin is not None and (origin in self._allowed or "*" in self._allowed)

    def fields(self, origin: str | None) -> list[tuple[str, str]]:
        """The headers of a response to a request from ``origin``."""
        out = [] if "*" in self._allowed else [("Vary", "Origin")]
        if origin is None or not self.allows(origin):
            return out
        out.append(("Access-Control-Allow-Origin", "*" if "*" in self._allowed else origin))
        if self.credentials:
            out.append(("Access-Control-Allow-Credentials", "true"))
        if self.expose:
            out.append(("Access-Control-Expose-Headers", ", ".join(self.expose)))
        return out

    def preflight(self, origin: str | None) -> list[tuple[str, str]]:
        """The headers of the answer to a preflight request."""
        out = self.fields(origin)
        if self.allows(origin):
            out.append(("Access-Control-Allow-Methods", ", ".join(self.methods)))
            if self.headers:
                out.append(("Access-Control-Allow-Headers", ", ".join(self.headers)))
            out.append(("Access-Control-Max-Age", str(round(self.max_age.total_seconds()))))
        return out

"""Security headers with CSP nonces and CORS for Django, beside Django's own CSRF protection.

In the settings::

    MIDDLEWARE = ["pyward_guard.headers.django.SecurityMiddleware", ..., "django.middleware.csrf.CsrfViewMiddleware", ...]
    PYWARD_HEADERS = SecurityHeaders.app()       # optional
    PYWARD_CORS = CORS(["https://admin.example"])     # optional: other origins that may read; to write, CSRF_TRUSTED_ORIGINS

``ALLOWED_HOSTS``, ``SECURE_SSL_REDIRECT``, ``SECURE_PROXY_SSL_HEADER`` and ``CSRF_TRUSTED_ORIGINS`` keep their meaning;
``check_settings`` tells which of them are weak. Unsafe requests from other origins are refused before any view, also
where ``csrf_exempt`` is set, unless the path is in ``PYWARD_CSRF_EXEMPT``, a list. Preflight requests are answered before
any view. In templates, ``{{ request.csp_nonce }}``.

ASVS 5.0: v5.0.0-3.4.3, v5.0.0-3.5.1
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from .. import _core
from .._core import InvalidInput
from .._optional import need
from ._middleware import own_origin, warn_of_untrusted
from ._policy import Prepared, SecurityHeaders, listed
from ._protect import CORS, SAFE_METHODS, RequestState, current, exact_paths

try:
    from asgiref.sync import markcoroutinefunction
    from django import conf
    from django.core.exceptions import SuspiciousOperation
    from django.core.handlers.exception import response_for_exception
    from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
    from django.utils.cache import patch_vary_headers
except ImportError:
    raise need("django", "pyward_guard.headers.django") from None

__all__ = ["SecurityMiddleware", "check_settings"]

_log = logging.getLogger("pyward_guard.headers")


class SecurityMiddleware:
    """Adds the headers of ``PYWARD_HEADERS`` and ``PYWARD_CORS`` to every response and refuses unsafe requests of other origins.

    A header that a view sets itself is kept, except those of CORS where ``PYWARD_CORS`` is set. Raises
    :class:`~pyward_guard.InvalidInput` at start-up when a setting is malformed.

    CWE-352, CWE-693, CWE-942; ASVS 5.0: v5.0.0-3.4.1, v5.0.0-3.4.3, v5.0.0-3.5.1.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        settings = conf.settings
        self._prepared = Prepared(getattr(settings, "PYWARD_HEADERS", None) or SecurityHeaders.app())
        trusted: list[str] = listed(getattr(settings, "CSRF_TRUSTED_ORIGINS", ()), "CSRF_TRUSTED_ORIGINS")
        self._trusted = [origin for origin in trusted if "://*." not in origin]
        # ("https://", ".example.com"): Django's way to name all hosts below one.
        self._below = [(f"{scheme}://", host) for scheme, _, host in (origin.partition("://*") for origin in trusted if "://*." in origin)]
        self._exempt = exact_paths(getattr(settings, "PYWARD_CSRF_EXEMPT", ()), "PYWARD_CSRF_EXEMPT")
        self._cors: CORS | None = getattr(settings, "PYWARD_CORS", None)
        if self._cors is not None:
            if not isinstance(self._cors, CORS):
                raise InvalidInput("PYWARD_CORS is a pyward_guard.headers.CORS")
            warn_of_untrusted(self._cors, self._trusts, "CSRF_TRUSTED_ORIGINS")
        self._async = inspect.iscoroutinefunction(get_response)
        if self._async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if self._async:
            return self._call_async(request)
        refused = self._before(request)
        return self._after(request, refused if refused is not None else self.get_response(request))

    async def _call_async(self, request: HttpRequest) -> HttpResponse:
        refused = self._before(request)
        return self._after(request, refused if refused is not None else await self.get_response(request))

    def _trusts(self, origin: str) -> bool:
        return origin in self._trusted or any(origin.startswith(scheme) and origin.endswith(host) for scheme, host in self._below)

    def _before(self, request: HttpRequest) -> HttpResponse | None:
        request.csp_nonce = _core.csp_nonce()  # type: ignore[attr-defined, unused-ignore]
        current.set(RequestState(request.csp_nonce, None, "", None))  # type: ignore[attr-defined, unused-ignore]
        # Django looks at the host only when something asks for it: ask always.
        try:
            host = request.get_host()
        except SuspiciousOperation as error:
            refused: Any = response_for_exception(request, error)
            return refused  # type: ignore[no-any-return, unused-ignore]
        meta = request.META
        origin, referer = meta.get("HTTP_ORIGIN"), meta.get("HTTP_REFERER")
        if self._cors is not None:
            preflight = request.method == "OPTIONS" and origin and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in meta
            fields = self._cors.preflight(origin) if preflight else self._cors.fields(origin)
            request._pyward_cors = fields  # type: ignore[attr-defined, unused-ignore]
            if preflight:
                return HttpResponse(status=204)
        if request.method in SAFE_METHODS or request.path in self._exempt:
            return None
        own = own_origin(request.scheme == "https", host)
        trusted = self._trusted
        if self._below:
            made_at = origin if origin is not None else _core.origin_of(referer or "")
            if made_at is not None and self._trusts(made_at):
                trusted = [*trusted, made_at]
        verdict = _core.judge_origin(meta.get("HTTP_SEC_FETCH_SITE"), origin, referer, own, trusted)
        if verdict == "foreign":
            _log.warning("csrf_refused path=%r origin=%r", request.path, meta.get("HTTP_ORIGIN"))
            return HttpResponseForbidden(b"This request was not made from this site's own pages.\n", content_type="text/plain")
        return None

    def _after(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        for name in self._prepared.removed:
            if name in response:
                del response[name]
        for name, value in self._prepared.fixed:
            if name not in response:
                response[name] = value
        for name, csp in self._prepared.nonced:
            if name not in response:
                response[name] = csp.header(request.csp_nonce)  # type: ignore[attr-defined, unused-ignore]
        fields: list[tuple[str, str]] | None = getattr(request, "_pyward_cors", None)
        if fields is not None:
            # Two answers to the same question are none; the policy's counts.
            for name in [name for name, _ in response.items() if name.lower().startswith("access-control-")]:
                del response[name]
            for name, value in fields:
                if name == "Vary":
                    patch_vary_headers(response, [value])
                else:
                    response[name] = value
        return response


def check_settings(settings: Any) -> list[str]:
    """What is weak in Django's settings, one line each; empty when nothing is.

    ASVS 5.0: v5.0.0-3.3.1, v5.0.0-13.4.2.

    >>> class Settings:
    ...     DEBUG = True
    ...     ALLOWED_HOSTS = ["*"]
    >>> for line in check_settings(Settings)[:2]: print(line)
    DEBUG is on
    ALLOWED_HOSTS admits every host
    """
    wanted: list[tuple[str, Callable[[Any], bool], str]] = [
        ("DEBUG", lambda value: not value, "DEBUG is on"),
        ("ALLOWED_HOSTS", lambda value: bool(value) and "*" not in value, "ALLOWED_HOSTS admits every host"),
        ("SECURE_SSL_REDIRECT", bool, "SECURE_SSL_REDIRECT is off: plain HTTP is answered"),
        ("SESSION_COOKIE_SECURE", bool, "SESSION_COOKIE_SECURE is off"),
        ("CSRF_COOKIE_SECURE", bool, "CSRF_COOKIE_SECURE is off"),
        ("SESSION_COOKIE_HTTPONLY", lambda value: value is not False, "SESSION_COOKIE_HTTPONLY is off"),
        ("SESSION_COOKIE_SAMESITE", lambda value: value in ("Lax", "Strict"), "SESSION_COOKIE_SAMESITE is neither Lax nor Strict"),
        ("SESSION_COOKIE_NAME", lambda value: str(value).startswith("__Host-"), "SESSION_COOKIE_NAME lacks the __Host- prefix"),
    ]
    return [problem for name, good, problem in wanted if not good(getattr(settings, name, None))]

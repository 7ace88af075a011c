"""The error boundary for Django.

In the settings, first in the list::

    MIDDLEWARE = ["pyward_guard.errors.django.ErrorBoundary", ...]

and in the root URL configuration, for failures outside of views: ``handler500 = "pyward_guard.errors.django.handler500"``.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from .._optional import need
from ._boundary import ANSWERED, PAGE_HEADERS, KEPT, Incident, log_incident, render

try:
    from asgiref.sync import markcoroutinefunction
    from django import conf
    from django.http import Http404, HttpRequest, HttpResponse
except ImportError:
    raise need("django", "pyward_guard.errors.django") from None

__all__ = ["ErrorBoundary", "handler500"]


def _answer(request: HttpRequest, incident: Incident, status: int = 500) -> HttpResponse:
    status, content_type, page = render(incident, request.META.get("HTTP_ACCEPT", ""), status)
    response = HttpResponse(page, status=status, content_type=content_type)
    response["Cache-Control"] = "no-store"
    for name, value in PAGE_HEADERS:
        response[name] = value
    # Under WSGI this is the environment, which a boundary further out looks at.
    request.META[ANSWERED] = incident.id
    response.pyward_incident = incident.id  # type: ignore[attr-defined, unused-ignore]
    return response


def handler500(request: HttpRequest, *_: Any) -> HttpResponse:
    """Django's view for server errors.

    ASVS 5.0: v5.0.0-16.5.1.
    """
    incident = Incident.new()
    log_incident(incident, sys.exc_info()[1], where=f"{request.method} {request.path}")
    return _answer(request, incident)


class ErrorBoundary:
    """Answers exceptions of views and responses of 500 or more with a generic page, also where ``DEBUG`` was left on
    (then the debug pages of client errors too).

    ASVS 5.0: v5.0.0-16.5.1, v5.0.0-16.5.3, v5.0.0-16.5.4.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._async = inspect.iscoroutinefunction(get_response)
        if self._async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if self._async:
            return self._call_async(request)
        return self._after(request, self.get_response(request))

    async def _call_async(self, request: HttpRequest) -> HttpResponse:
        return self._after(request, await self.get_response(request))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Called by Django with what a view raised; its own control-flow exceptions go on to Django."""
        from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation

        if isinstance(exception, (Http404, PermissionDenied, SuspiciousOperation, BadRequest)):
            return None
        incident = Incident.new()
        log_incident(incident, exception, where=f"{request.method} {request.path}")
        return _answer(request, incident)

    @staticmethod
    def _tells_too_much(response: HttpResponse) -> bool:
        """Django's own pages of a client error, with all URL patterns or a traceback, where ``DEBUG`` was left on."""
        if not conf.settings.DEBUG or response.status_code < 400 or response.streaming:
            return False
        return b"DEBUG = True" in response.content

    def _after(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if hasattr(response, "pyward_incident") or not (response.status_code >= 500 or self._tells_too_much(response)):
            return response
        incident = Incident.new()
        detail = "" if response.streaming else response.content[:4096].decode("utf-8", "replace")
        log_incident(incident, None, where=f"{request.method} {request.path}", detail=detail)
        response.close()
        answer = _answer(request, incident, response.status_code)
        for name, value in response.items():
            if name.lower() in KEPT:
                answer[name] = value
        answer.cookies = response.cookies
        return answer

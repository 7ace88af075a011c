"""Error boundaries: a generic message with an incident id for the user, full detail for the log.

Protects against information exposure through error messages (CWE-209, CWE-550) and unhandled exceptions (CWE-248).

ASVS 5.0: v5.0.0-16.5.1, v5.0.0-16.5.3, v5.0.0-16.5.4

>>> from pyward_guard import errors
>>> incident = errors.Incident.new()
>>> status, content_type, body = errors.render(incident, "application/json")
>>> content_type, b"internal error" in body.lower(), incident.id.encode() in body
('application/problem+json', True, True)

The boundaries are ``errors.asgi.ErrorBoundary``, ``errors.wsgi.ErrorBoundary`` and ``errors.django.ErrorBoundary``;
:func:`install_hooks` covers the main program, threads and finalisers; :func:`asyncio_handler` is set on an event loop.
"""

from ._boundary import Incident, asyncio_handler, install_hooks, log_incident, render

__all__ = ["Incident", "asyncio_handler", "install_hooks", "log_incident", "render"]

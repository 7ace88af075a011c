"""Outbound requests that cannot be turned against the own network, redirects that stay, and TLS contexts.

Protects against server-side request forgery (CWE-918), DNS rebinding (CWE-350), open redirects (CWE-601), unbounded
responses (CWE-400) and weak TLS (CWE-326, CWE-295).

ASVS 5.0: v5.0.0-1.3.6, v5.0.0-3.7.2, v5.0.0-12.1.1, v5.0.0-12.1.2, v5.0.0-12.3.1, v5.0.0-12.3.2, v5.0.0-13.2.4, v5.0.0-13.2.5

>>> from pyward_guard import http
>>> policy = http.OutboundPolicy()
>>> policy.check_url("https://169.254.169.254/latest/meta-data/")
Traceback (most recent call last):
pyward_guard.http.OutboundRefused: address 169.254.169.254 is link-local (cloud metadata)
>>> http.safe_redirect("//evil.example", default="/home")
'/home'

Clients are in ``http.httpx`` (``client``, ``async_client``), ``http.requests`` (``session``) and ``http.aiohttp``
(``session``).
"""

from ._policy import OutboundPolicy, OutboundRefused, ResponseTooLarge, check_redirect, safe_redirect
from ._tls import client_context, server_context

__all__ = [
    "OutboundPolicy",
    "OutboundRefused",
    "ResponseTooLarge",
    "check_redirect",
    "client_context",
    "safe_redirect",
    "server_context",
]

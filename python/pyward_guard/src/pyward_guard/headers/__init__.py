"""Security headers, Content-Security-Policy with nonces, HTTPS, hosts, CORS and CSRF.

Second line against cross-site scripting (CWE-79), clickjacking (CWE-1021) and MIME confusion (CWE-430); first line
against cross-site request forgery (CWE-352), cleartext transport (CWE-319) and permissive CORS (CWE-942).

ASVS 5.0: v5.0.0-3.4.1, v5.0.0-3.4.2, v5.0.0-3.4.3, v5.0.0-3.4.4, v5.0.0-3.4.5, v5.0.0-3.4.6, v5.0.0-3.4.7,
v5.0.0-3.4.8, v5.0.0-3.5.1, v5.0.0-3.5.2, v5.0.0-3.5.3, v5.0.0-3.5.8, v5.0.0-4.1.2, v5.0.0-12.2.1, v5.0.0-3.2.1,
v5.0.0-4.4.1, v5.0.0-4.4.2

>>> from pyward_guard import headers
>>> policy = headers.SecurityHeaders.app()
>>> dict(policy.fields("NONCE"))["Content-Security-Policy"].split("; ")[1]
"script-src 'nonce-NONCE' 'strict-dynamic'"

The middlewares are ``headers.asgi.SecurityMiddleware`` (Starlette, FastAPI, any ASGI application),
``headers.wsgi.SecurityMiddleware`` (Flask, any WSGI application) and ``headers.django.SecurityMiddleware``. Inside a
request, :func:`csp_nonce`, :func:`csrf_token` and :func:`csrf_field` are for the templates.
"""

from ._policy import CSP, SecurityHeaders
from ._protect import CORS, CSRF, CsrfFailed, csp_nonce, csrf_field, csrf_token

__all__ = ["CORS", "CSP", "CSRF", "CsrfFailed", "SecurityHeaders", "csp_nonce", "csrf_field", "csrf_token"]

"""TLS contexts: 1.2 with forward secrecy and authenticated ciphers at least, certificates verified."""

from __future__ import annotations

import ssl
from os import PathLike
from typing import Literal

from .._core import InvalidInput

# TLS 1.2 only; the suites of 1.3 are all fine.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


def _common(context: ssl.SSLContext, minimum: str) -> ssl.SSLContext:
    if minimum not in ("1.2", "1.3"):
        raise InvalidInput("the minimum TLS version is 1.2 or 1.3")
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if minimum == "1.3" else ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def client_context(*, ca_file: str | PathLike[str] | None = None, minimum: Literal["1.2", "1.3"] = "1.2") -> ssl.SSLContext:
    """A context for clients: certificate and host name are verified, against ``ca_file`` or the system's authorities.

    ASVS 5.0: v5.0.0-12.1.1, v5.0.0-12.3.2, v5.0.0-12.1.2, v5.0.0-12.3.3, v5.0.0-12.3.4

    >>> context = client_context(minimum="1.3")
    >>> context.check_hostname, context.verify_mode.name, context.minimum_version.name
    (True, 'CERT_REQUIRED', 'TLSv1_3')
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=None if ca_file is None else str(ca_file))
    return _common(context, minimum)


def server_context(
    certificate: str | PathLike[str],
    key: str | PathLike[str],
    *,
    client_ca_file: str | PathLike[str] | None = None,
    minimum: Literal["1.2", "1.3"] = "1.2",
) -> ssl.SSLContext:
    """A context for servers. With ``client_ca_file``, clients have to show a certificate of that authority. CWE-326, CWE-327;
    ASVS 5.0: v5.0.0-12.1.1, v5.0.0-12.1.2, v5.0.0-12.1.3, v5.0.0-12.3.5.

    Example: ``server_context("cert.pem", "key.pem", client_ca_file="clients.pem")``
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_SINGLE_ECDH_USE
    if client_ca_file is not None:
        context.load_verify_locations(client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return _common(context, minimum)

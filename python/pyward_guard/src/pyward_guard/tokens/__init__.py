"""Tokens: random, signed and expiring, JWT/JWS/JWE, PASETO v4, OAuth 2.0 and OpenID Connect checks.

=====================================  ==================================================================
You need                               Use
=====================================  ==================================================================
a session id, an API key, a file name  :func:`random_token`
a one-time link you look up            :func:`new_lookup_token` (store the hash only)
a link that carries its own data       :class:`SignedTokens`
tokens other systems read              :class:`JwtIssuer`, :class:`JwtVerifier`
signed bytes that are no claims        :func:`sign_jws`, :class:`JwsVerifier`
tokens with readable-by-nobody data    :class:`PasetoLocal`, :func:`encrypt_jwe`
log-in at an identity provider         :mod:`pyward_guard.tokens.oauth`
old itsdangerous or Flask tokens       :class:`ItsdangerousReader`
tokens that itsdangerous still reads   :class:`ItsdangerousWriter`
=====================================  ==================================================================

CWE-287, CWE-330, CWE-345, CWE-347, CWE-613.
"""

from __future__ import annotations

from .._core import KeySet, UnknownKey
from .itsdangerous import ItsdangerousReader, ItsdangerousWriter
from .jwt import (
    AsyncJwksClient,
    ContentEncryption,
    JweDecrypter,
    Jwk,
    JwksClient,
    JwsVerifier,
    JwtIssuer,
    JwtVerifier,
    KeyAlgorithm,
    SigningAlgorithm,
    encrypt_jwe,
    jwks_document,
    parse_jwks,
    sign_jws,
)
from .paseto import PasetoLocal, PasetoPublic, PasetoSigner
from .random import (
    new_lookup_token,
    lookup_hash,
    random_below,
    random_bytes,
    random_digits,
    random_id,
    random_string,
    random_token,
    uuid7,
)
from .signed import SignedToken, SignedTokens

__all__ = [
    "AsyncJwksClient",
    "ContentEncryption",
    "ItsdangerousReader",
    "ItsdangerousWriter",
    "JweDecrypter",
    "Jwk",
    "JwksClient",
    "JwsVerifier",
    "JwtIssuer",
    "JwtVerifier",
    "KeyAlgorithm",
    "KeySet",
    "PasetoLocal",
    "PasetoPublic",
    "PasetoSigner",
    "SignedToken",
    "SignedTokens",
    "SigningAlgorithm",
    "UnknownKey",
    "encrypt_jwe",
    "jwks_document",
    "lookup_hash",
    "new_lookup_token",
    "parse_jwks",
    "random_below",
    "random_bytes",
    "random_digits",
    "random_id",
    "random_string",
    "random_token",
    "sign_jws",
    "uuid7",
]

"""The client's side of OAuth 2.0 and OpenID Connect: state, PKCE, nonce, issuer, ``at_hash``.

:class:`OidcClient` makes the authorization request, checks the callback and verifies the ID token; the requests in
between (token endpoint, keys) go through your HTTP client.
RFC 6749, RFC 7636, RFC 9207, RFC 9700, OpenID Connect Core 1.0.
CWE-352, CWE-345, CWE-347, CWE-601; ASVS 5.0: v5.0.0-10.2.1, v5.0.0-10.2.2, v5.0.0-10.5.1, v5.0.0-10.5.2, v5.0.0-10.5.3,
v5.0.0-10.5.4.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from .. import _core
from .._core import Expired, InvalidInput, Jwk, VerificationFailed
from .jwt import JwksClient, JwtVerifier, SigningAlgorithm, _names, _split_url

__all__ = ["Login", "OidcClient", "pkce_challenge", "token_hash"]


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _parse(text: str | bytes) -> Any:
    # The core's parser bounds the depth, where that of the standard library raises RecursionError.
    data = text.encode() if isinstance(text, str) else text
    if not isinstance(data, (bytes, bytearray)):
        raise InvalidInput("a document of JSON is text or bytes")
    return _core.json_loads(bytes(data).removeprefix(codecs.BOM_UTF8))


def pkce_challenge(verifier: str) -> str:
    """The ``S256`` challenge of a PKCE verifier (RFC 7636 section 4.2).

    CWE-287; ASVS 5.0: v5.0.0-10.2.1.

    >>> pkce_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    return _b64url(hashlib.sha256(verifier.encode()).digest())


def token_hash(token: str, algorithm: str) -> str:
    """The ``at_hash`` or ``c_hash`` of a token for the ID token's algorithm (OpenID Connect Core section 3.1.3.6).

    Raises :class:`~pyward_guard.InvalidInput` for an algorithm without one.

    CWE-345; ASVS 5.0: v5.0.0-10.5.1.

    >>> token_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "RS256")
    '77QmUPtjPfzWtF2AnpK9RQ'
    """
    sizes = {"256": "sha256", "384": "sha384", "512": "sha512"}
    name = "sha512" if algorithm in ("EdDSA", "Ed25519") else sizes.get(algorithm[-3:])
    if name is None:
        raise InvalidInput("the algorithm has no hash for tokens")
    digest = hashlib.new(name, token.encode()).digest()
    return _b64url(digest[: len(digest) // 2])


@dataclass(frozen=True)
class Login:
    """What must be remembered between the request and the callback: in the user's session, on the server, once.

    ``state``, ``nonce`` and ``code_verifier`` are secrets of this log-in, ``created`` is seconds since 1970.

    >>> Login.from_json(Login.new().to_json()).state != Login.new().state
    True
    """

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    created: float

    @classmethod
    def new(cls) -> Login:
        """Fresh random values of 256 bits each."""
        return cls(_core.random_token(32), _core.random_token(32), _core.random_token(32), time.time())

    def to_json(self) -> str:
        """For the session."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Login:
        """From the session. Raises :class:`~pyward_guard.InvalidInput`."""
        try:
            login = cls(**_parse(text))
        except (InvalidInput, ValueError, TypeError):
            raise InvalidInput("not a stored log-in") from None
        texts = all(isinstance(v, str) and len(v) >= 43 for v in (login.state, login.nonce, login.code_verifier))
        if not texts or isinstance(login.created, bool) or not isinstance(login.created, (int, float)):
            raise InvalidInput("not a stored log-in")
        return login


class OidcClient:
    """The checks of one client at one identity provider.

    ``issuer``, ``authorization_endpoint`` and the keys come from your configuration or the provider's discovery document,
    not from a request. ``keys`` is a :class:`~pyward_guard.tokens.JwksClient`, or keys. ``algorithms`` lists what ID tokens may
    be signed with. ``iss_parameter`` demands the ``iss`` parameter of RFC 9207 in callbacks (mix-up attacks): set it when
    the provider's metadata says ``authorization_response_iss_parameter_supported``.

    A log-in may take ``lifetime`` seconds; ``clock_skew`` is in seconds. Raises :class:`~pyward_guard.InvalidInput` for URLs
    that are not HTTPS, for ``scopes`` that are one text, and for keys or a ``fetch`` that would have to be awaited:
    with asyncio, use a client that blocks and call :meth:`verify_id_token` in a thread (``asyncio.to_thread``).

    CWE-287, CWE-352; ASVS 5.0: v5.0.0-6.8.1, v5.0.0-6.8.2, v5.0.0-10.1.2, v5.0.0-10.2.1, v5.0.0-10.2.2, v5.0.0-10.5.1,
    v5.0.0-10.5.2, v5.0.0-10.5.4.

    >>> key = Jwk.generate("RS256")
    >>> client = OidcClient("https://id.example", "shop", "https://shop.example/callback",
    ...                     "https://id.example/authorize", [key.to_public()])
    >>> url, login = client.start()
    >>> client.check_callback(login, {"state": login.state, "code": "abc"})
    'abc'
    >>> client.check_callback(login, {"state": "forged", "code": "abc"})
    Traceback (most recent call last):
    pyward_guard.VerificationFailed: verification failed: wrong state
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        redirect_uri: str,
        authorization_endpoint: str,
        keys: JwksClient | Iterable[Jwk],
        *,
        algorithms: Sequence[SigningAlgorithm] = ("RS256",),
        scopes: Sequence[str] = ("openid",),
        iss_parameter: bool = False,
        lifetime: int = 600,
        clock_skew: float = 30.0,
    ) -> None:
        for name, url in (("issuer", issuer), ("redirect_uri", redirect_uri), ("endpoint", authorization_endpoint)):
            parts = _split_url(url, f"the {name} must be an https URL")
            local = parts.hostname in ("localhost", "127.0.0.1")
            if not parts.hostname or parts.scheme != "https" and not (parts.scheme == "http" and local):
                raise InvalidInput(f"the {name} must be an https URL")
            if parts.fragment:
                raise InvalidInput(f"the {name} must not have a fragment")
        self._issuer, self._client_id, self._redirect = issuer, client_id, redirect_uri
        self._endpoint, self._scopes = authorization_endpoint, tuple(_names(scopes, "scopes"))
        self._iss_parameter, self._lifetime, self._skew = iss_parameter, lifetime, clock_skew
        #: Where :meth:`token_request` is posted to, when the provider's metadata said so.
        self.token_endpoint: str | None = None
        self._verifier = JwtVerifier(
            keys,
            algorithms=algorithms,
            issuer=issuer,
            audience=client_id,
            required=("iss", "sub", "aud", "exp", "iat"),
            clock_skew=clock_skew,
        )

    @classmethod
    def from_metadata(
        cls,
        metadata: str | bytes | Mapping[str, Any],
        *,
        issuer: str,
        client_id: str,
        redirect_uri: str,
        fetch: Callable[[str], str | bytes | Mapping[str, Any]],
        algorithms: Sequence[SigningAlgorithm] = ("RS256",),
        scopes: Sequence[str] = ("openid",),
        lifetime: int = 600,
        clock_skew: float = 30.0,
    ) -> OidcClient:
        """A client from the provider's discovery document (``issuer + "/.well-known/openid-configuration"``), checked.

        ``issuer`` is the one of your configuration: a document of another is refused, so that no provider passes for
        another. ``fetch`` gets the keys, as for :class:`~pyward_guard.tokens.JwksClient`; the rest is as for the constructor.
        ``token_endpoint`` of the client is the document's. Raises :class:`~pyward_guard.VerificationFailed` for another
        issuer, :class:`~pyward_guard.InvalidInput` for a document that lacks what is needed or a provider without PKCE.

        CWE-345; ASVS 5.0: v5.0.0-10.2.2, v5.0.0-10.5.3.

        >>> metadata = {"issuer": "https://id.example", "authorization_endpoint": "https://id.example/authorize",
        ...             "token_endpoint": "https://id.example/token", "jwks_uri": "https://id.example/jwks"}
        >>> options = {"client_id": "shop", "redirect_uri": "https://shop.example/callback", "fetch": lambda url: ...}
        >>> OidcClient.from_metadata(metadata, issuer="https://id.example", **options).token_endpoint
        'https://id.example/token'
        >>> OidcClient.from_metadata(metadata, issuer="https://id.example/other", **options)
        Traceback (most recent call last):
        pyward_guard.VerificationFailed: verification failed: wrong issuer
        """
        try:
            document = dict(metadata) if isinstance(metadata, Mapping) else _parse(metadata)
        except (InvalidInput, ValueError):
            raise InvalidInput("the provider's metadata is not JSON") from None
        if not isinstance(document, dict) or document.get("issuer") != issuer:
            raise VerificationFailed("verification failed: wrong issuer")
        urls = [document.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        if not all(isinstance(url, str) for url in urls):
            raise InvalidInput("the provider's metadata lacks an endpoint")
        supported = document.get("code_challenge_methods_supported", ["S256"])
        if not isinstance(supported, list) or "S256" not in supported:
            raise InvalidInput("the provider has no PKCE with S256")
        authorization, token, keys = (str(url) for url in urls)
        if len({_split_url(url, "the endpoint must be an https URL").scheme for url in (authorization, token)}) > 1:
            raise InvalidInput("the endpoint must be an https URL")
        client = cls(
            issuer,
            client_id,
            redirect_uri,
            authorization,
            JwksClient(keys, fetch),
            algorithms=algorithms,
            scopes=scopes,
            iss_parameter=document.get("authorization_response_iss_parameter_supported") is True,
            lifetime=lifetime,
            clock_skew=clock_skew,
        )
        client.token_endpoint = token
        return client

    def start(self, **extra: str) -> tuple[str, Login]:
        """The URL to redirect the browser to, and what to keep in the session: code flow with PKCE, state and nonce.

        ``extra`` are further parameters (``prompt``, ``login_hint``, ``max_age``, ...).

        Raises :class:`~pyward_guard.InvalidInput` for one that the protocol sets.

        ASVS 5.0: v5.0.0-10.1.2, v5.0.0-10.2.3.
        """
        login = Login.new()
        fixed = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect,
            "scope": " ".join(self._scopes),
            "state": login.state,
            "nonce": login.nonce,
            "code_challenge": pkce_challenge(login.code_verifier),
            "code_challenge_method": "S256",
        }
        if not fixed.keys().isdisjoint(extra):
            raise InvalidInput("a parameter of the protocol cannot be replaced")
        separator = "&" if urlsplit(self._endpoint).query else "?"
        return f"{self._endpoint}{separator}{urlencode(fixed | extra)}", login

    def check_callback(self, login: Login, parameters: Mapping[str, str]) -> str:
        """Checks the callback's parameters against the log-in of *this* session and gives the authorization code.

        Take the log-in out of the session before, so that it is used once.
        Raises :class:`~pyward_guard.Expired` or :class:`~pyward_guard.VerificationFailed`.

        ASVS 5.0: v5.0.0-10.1.2, v5.0.0-10.2.1, v5.0.0-10.2.2.
        """
        # Another host may have started the log-in, by a clock that is ahead of this one.
        if not -self._skew <= time.time() - login.created <= self._lifetime:
            raise Expired("expired")
        if not _core.constant_time_equal(parameters.get("state", ""), login.state):
            raise VerificationFailed("verification failed: wrong state")
        iss = parameters.get("iss")
        if iss != self._issuer and (iss is not None or self._iss_parameter):
            raise VerificationFailed("verification failed: wrong issuer")
        if "error" in parameters:
            raise VerificationFailed("verification failed: the provider reported an error")
        code = parameters.get("code", "")
        if not 0 < len(code) <= 4096:
            raise VerificationFailed("verification failed: no code")
        return code

    def token_request(self, login: Login, code: str) -> dict[str, str]:
        """The form to POST to the token endpoint; add your client authentication."""
        return {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect,
            "client_id": self._client_id,
            "code_verifier": login.code_verifier,
        }

    def verify_id_token(
        self, login: Login, id_token: str, *, access_token: str | None = None, max_age: float | None = None
    ) -> dict[str, Any]:
        """The claims of the ID token: signature, issuer, audience, ``azp``, times, nonce, and ``at_hash`` if there is one.

        Give ``access_token`` to bind it to the ID token when ``at_hash`` is there, and ``max_age`` (seconds) when you asked
        for it, to check ``auth_time``.
        Raises :class:`~pyward_guard.Expired`, :class:`~pyward_guard.UnknownKey` or :class:`~pyward_guard.VerificationFailed`.

        ASVS 5.0: v5.0.0-6.8.2, v5.0.0-6.8.4, v5.0.0-10.5.1, v5.0.0-10.5.4.
        """
        claims, header = self._verifier.verify_details(id_token)
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not _core.constant_time_equal(nonce, login.nonce):
            raise VerificationFailed("verification failed: wrong nonce")
        audience = claims["aud"]
        authorized = claims.get("azp")
        if authorized is not None and authorized != self._client_id:
            raise VerificationFailed("verification failed: wrong authorized party")
        if isinstance(audience, list) and len(audience) > 1 and authorized is None:
            raise VerificationFailed("verification failed: no authorized party")
        if access_token is not None and "at_hash" in claims:
            expected = token_hash(access_token, header["alg"])
            if not _core.constant_time_equal(str(claims["at_hash"]), expected):
                raise VerificationFailed("verification failed: the access token belongs to another ID token")
        if max_age is not None:
            at = claims.get("auth_time")
            if isinstance(at, bool) or not isinstance(at, (int, float)):
                raise VerificationFailed("verification failed: a required claim is missing")
            if time.time() - at > max_age + self._skew:
                raise Expired("expired")
        return claims

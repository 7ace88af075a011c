"""JSON web tokens: issue, verify, encrypt, and the keys for it (RFC 7515 to 7519, RFC 8725).

CWE-287, CWE-345, CWE-347.

>>> key = Jwk.generate("ES256")
>>> key, Jwk.from_json(key.to_json()).key_id == key.key_id
(Jwk(key_type="EC", key_id=..., is_private=True), True)
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, Protocol, TypeVar, cast

from .. import _core
from .._core import InvalidInput, Jwk, UnknownKey, VerificationFailed
from .signed import seconds

__all__ = [
    "AsyncJwksClient",
    "JweDecrypter",
    "Jwk",
    "JwksClient",
    "JwsVerifier",
    "JwtIssuer",
    "JwtVerifier",
    "encrypt_jwe",
    "jwks_document",
    "parse_jwks",
    "sign_jws",
]


T = TypeVar("T")


def _strings(value: str | Iterable[str] | None) -> list[str] | None:
    if value is None:
        return None
    return [value] if isinstance(value, str) else list(value)


class JwtIssuer:
    """Issues signed JWTs with one key and one explicit algorithm.

    Every token gets ``iat``, ``exp`` and ``jti``, and ``iss``, ``aud`` as given. ``lifetime`` is in seconds or a
    ``timedelta``; ``token_type`` is the header's ``typ`` (``"at+jwt"`` for access tokens, RFC 9068).
    CWE-347, CWE-613; ASVS 5.0: v5.0.0-9.2.1, v5.0.0-9.2.2, v5.0.0-9.2.4.

    >>> key = Jwk.generate("EdDSA")
    >>> issuer = JwtIssuer(key, algorithm="EdDSA", issuer="https://id.example", audience="shop", lifetime=300)
    >>> verifier = JwtVerifier(key.to_public(), algorithms=["EdDSA"], issuer="https://id.example", audience="shop")
    >>> verifier.verify(issuer.issue({"role": "buyer"}, subject="7"))["sub"]
    '7'
    """

    __slots__ = ("_audience", "_core", "_issuer", "_lifetime")

    def __init__(
        self,
        key: Jwk,
        *,
        algorithm: SigningAlgorithm,
        lifetime: int | timedelta,
        issuer: str | None = None,
        audience: str | Sequence[str] | None = None,
        token_type: str = "JWT",
    ) -> None:
        self._core = _core.JwtSigner(key, algorithm, token_type)
        self._lifetime = seconds(lifetime, "lifetime")
        self._issuer = issuer
        self._audience = audience if audience is None or isinstance(audience, str) else list(audience)

    def issue(
        self,
        claims: Mapping[str, Any] | None = None,
        *,
        subject: str | None = None,
        lifetime: int | timedelta | None = None,
    ) -> str:
        """A compact token. ``claims`` may not replace ``iss``, ``aud``, ``exp`` or ``iat``.

        Raises :class:`~pyward_guard.InvalidInput` for such claims and for values that are no JSON.
        """
        now = int(time.time())
        result: dict[str, Any] = dict(claims or {})
        if not result.keys().isdisjoint(("iss", "aud", "exp", "iat")):
            raise InvalidInput("iss, aud, exp and iat are set by the issuer")
        if self._issuer is not None:
            result["iss"] = self._issuer
        if self._audience is not None:
            result["aud"] = self._audience
        if subject is not None:
            result["sub"] = subject
        result["iat"] = now
        result["exp"] = now + (self._lifetime if lifetime is None else seconds(lifetime, "lifetime"))
        result.setdefault("jti", _core.random_token(16))
        return self._core.sign(result)


SigningAlgorithm = Literal[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"
]  # fmt: skip
"""Signatures (RFC 7518, RFC 8037, RFC 9864); ``none`` is not among them."""

KeyAlgorithm = Literal["dir", "A128KW", "A256KW", "RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]
"""How the key of an encrypted token travels (RFC 7518 section 4)."""

ContentEncryption = Literal["A128GCM", "A256GCM", "A128CBC-HS256", "A256CBC-HS512"]
"""How the content of a token is encrypted (RFC 7518 section 5)."""


class _Verify(Protocol):
    def __call__(self, token: str, now: float | None = None) -> dict[str, Any]: ...


class JwtVerifier:
    """Verifies signed JWTs: explicit algorithms, keys by id, expiry, issuer, audience, type, revocation.

    ``keys`` is a :class:`Jwk`, several of them, or a :class:`JwksClient`, which fetches with the first token and may serve
    several verifiers. ``algorithms`` lists what is accepted; ``none`` does not exist here, and shared-secret and public-key
    algorithms cannot be mixed. ``issuer`` and ``audience`` take one or several accepted values; a token with an audience is
    refused when no audience is configured. ``required`` names claims that must be there. ``clock_skew`` and ``max_age``
    (since ``iat``) are in seconds. ``token_type`` is the expected ``typ``. ``revoked`` is called with the claims of an otherwise valid token; a true result refuses it.

    Raises :class:`~pyward_guard.InvalidInput` for algorithms that are unknown or do not go together.

    Protects against CWE-347 (algorithm confusion, unverified tokens), CWE-345, CWE-613.
    ASVS 5.0: v5.0.0-9.1.1, v5.0.0-9.1.2, v5.0.0-9.1.3, v5.0.0-9.2.1, v5.0.0-9.2.2, v5.0.0-9.2.3, v5.0.0-10.3.1, v5.0.0-6.8.2.

    >>> key = Jwk.from_secret(b"an HMAC key of at least 32 bytes")
    >>> token = JwtIssuer(key, algorithm="HS256", lifetime=60, audience="shop").issue(subject="7")
    >>> JwtVerifier(key, algorithms=["HS256"], audience="shop").verify(token)["sub"]
    '7'
    >>> JwtVerifier(key, algorithms=["HS256"], audience="bank").verify(token)
    Traceback (most recent call last):
    pyward_guard.VerificationFailed: verification failed: wrong audience
    """

    __slots__ = ("_core", "_seen", "_source", "verify")

    #: ``verify(token, now=None)`` gives the claims of a valid token; ``now`` (seconds since 1970) is for tests.
    #: Raises :class:`~pyward_guard.Expired`, :class:`~pyward_guard.UnknownKey` or
    #: :class:`~pyward_guard.VerificationFailed` with the reason.
    verify: _Verify

    def __init__(
        self,
        keys: Jwk | Iterable[Jwk] | JwksClient,
        *,
        algorithms: Sequence[SigningAlgorithm],
        issuer: str | Iterable[str] | None = None,
        audience: str | Iterable[str] | None = None,
        required: Iterable[str] = ("exp",),
        clock_skew: float = 30.0,
        token_type: str | None = None,
        max_age: float | None = None,
        subject: str | None = None,
        revoked: Callable[[dict[str, Any]], object] | None = None,
    ) -> None:
        if isinstance(algorithms, str):
            raise InvalidInput("algorithms is a list of names")
        self._source: JwksClient | None = None
        #: The list of the source that the core has; none yet, so that nothing is fetched before the first token.
        self._seen: list[Jwk] = []
        if isinstance(keys, JwksClient):
            self._source = keys
            given: list[Jwk] = []
        else:
            given = [keys] if isinstance(keys, Jwk) else list(keys)
        self._core = _core.JwtVerifier(
            given,
            list(algorithms),
            _strings(issuer),
            _strings(audience),
            list(required),
            token_type,
            clock_skew,
            max_age,
            subject,
            revoked,
        )
        # Without a remote key source the call goes straight to the core.
        self.verify = self._core.verify if self._source is None else self._verify_fetching

    def _verify_fetching(self, token: str, now: float | None = None) -> dict[str, Any]:
        return self._fetching(self._core.verify, token, now)

    def _fetching(self, check: Callable[[str, float | None], T], token: str, now: float | None) -> T:
        source = cast(JwksClient, self._source)
        self._take(source.keys())
        try:
            return check(token, now)
        except UnknownKey:
            # The provider may have rotated its keys since the last fetch.
            source.refresh(force=True)
            if not self._take(source.keys()):
                raise
            return check(token, now)

    def _take(self, keys: list[Jwk]) -> bool:
        """Gives the core the keys, unless it has them; another verifier may have fetched them."""
        if keys is self._seen:
            return False
        self._core.set_keys(keys)
        self._seen = keys
        return True

    def verify_details(self, token: str, now: float | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Like ``verify``; gives (claims, header)."""
        if self._source is None:
            return self._core.verify_details(token, now)
        return self._fetching(self._core.verify_details, token, now)

    def set_keys(self, keys: Iterable[Jwk]) -> None:
        """Replaces the keys, for instance by those of an :class:`AsyncJwksClient`."""
        self._core.set_keys(list(keys))


def parse_jwks(document: str | bytes | Mapping[str, Any]) -> list[Jwk]:
    """The usable keys of a JWKS document (at most 256 keys, 1 MiB). Keys of unknown types are left out.

    Raises :class:`~pyward_guard.InvalidInput` for other documents. ASVS 5.0: v5.0.0-9.1.3.

    >>> parse_jwks(jwks_document([Jwk.generate("ES256")]))
    [Jwk(key_type="EC", key_id=..., is_private=False)]
    """
    if isinstance(document, bytes):
        try:
            document = document.decode()
        except UnicodeDecodeError:
            raise InvalidInput("not a JSON web key set") from None
    return _core.jwks_from_json(document if isinstance(document, str) else json.dumps(document))


def jwks_document(keys: Iterable[Jwk]) -> str:
    """The public parts of ``keys`` as the JWKS document to publish. Shared secrets are left out.

    CWE-312; ASVS 5.0: v5.0.0-9.1.3.

    >>> jwks_document([Jwk.generate("HS256")])
    '{"keys":[]}'
    """
    return _core.jwks_to_public_json(list(keys))


class JwksClient:
    """The keys a provider publishes, fetched through your own HTTP client and cached. Safe to share between threads.

    ``fetch`` is called with ``url`` and gives the document; use a client with timeouts and certificate checks
    (:mod:`pyward_guard.http`). Keys are fetched again after ``cache_seconds``, and at most every ``min_interval``
    seconds when a token names an unknown key, so that forged tokens cannot make you hammer the provider. When a
    refresh fails, the old keys are used for ``stale_seconds`` more.
    CWE-345, CWE-400; ASVS 5.0: v5.0.0-9.1.3, v5.0.0-6.7.1.

    >>> key = Jwk.generate("ES256")
    >>> client = JwksClient("https://id.example/jwks", lambda url: jwks_document([key]))
    >>> [k.key_id for k in client.keys()] == [key.key_id]
    True
    """

    def __init__(
        self,
        url: str,
        fetch: Callable[[str], str | bytes | Mapping[str, Any]],
        *,
        cache_seconds: float = 600.0,
        min_interval: float = 30.0,
        stale_seconds: float = 3600.0,
    ) -> None:
        _check_url(url)
        self._url = url
        self._fetch = fetch
        self._cache = cache_seconds
        self._interval = min_interval
        self._stale = stale_seconds
        self._lock = threading.Lock()
        self._keys: list[Jwk] = []
        self._fetched = float("-inf")
        self._tried = float("-inf")

    def keys(self) -> list[Jwk]:
        """The current keys; fetches when there are none or they are too old."""
        self.refresh()
        return self._keys

    def refresh(self, force: bool = False) -> bool:
        """Fetches the keys when that is due, or with ``force`` when ``min_interval`` has passed. True if they are new.

        Raises what ``fetch`` raises when there are no keys that may still be used.
        """
        now = time.monotonic()
        if not force and now - self._fetched < self._cache:
            return False
        with self._lock:
            now = time.monotonic()
            if now - self._tried < (self._interval if force or self._keys else 0.0):
                return False
            self._tried = now
            try:
                self._keys = parse_jwks(self._fetch(self._url))
            except Exception:
                if now - self._fetched > self._cache + self._stale:
                    self._keys = []
                    raise
                return False
            self._fetched = now
            return True


class AsyncJwksClient:
    """:class:`JwksClient` for asyncio: ``fetch`` is a coroutine function, and so is :meth:`verify`.

    ``cache_seconds``, ``min_interval`` and ``stale_seconds`` are seconds, as there.

    CWE-347; ASVS 5.0: v5.0.0-9.1.3.

    >>> import asyncio
    >>> key = Jwk.generate("ES256")
    >>> async def fetch(url: str) -> str:
    ...     return jwks_document([key])
    >>> client = AsyncJwksClient("https://id.example/jwks", fetch)
    >>> verifier = JwtVerifier([], algorithms=["ES256"])
    >>> token = JwtIssuer(key, algorithm="ES256", lifetime=60).issue(subject="7")
    >>> asyncio.run(client.verify(verifier, token))["sub"]
    '7'
    """

    def __init__(
        self,
        url: str,
        fetch: Callable[[str], Awaitable[str | bytes | Mapping[str, Any]]],
        *,
        cache_seconds: float = 600.0,
        min_interval: float = 30.0,
        stale_seconds: float = 3600.0,
    ) -> None:
        _check_url(url)
        self._url = url
        self._fetch = fetch
        self._cache = cache_seconds
        self._interval = min_interval
        self._stale = stale_seconds
        self._keys: list[Jwk] = []
        self._fetched = float("-inf")
        self._tried = float("-inf")

    async def keys(self, force: bool = False) -> list[Jwk]:
        """The current keys, fetched again when that is due; ``force`` asks after an unknown key id."""
        now = time.monotonic()
        due = force or now - self._fetched >= self._cache
        if due and now - self._tried >= (self._interval if force or self._keys else 0.0):
            self._tried = now
            try:
                self._keys = parse_jwks(await self._fetch(self._url))
                self._fetched = now
            except Exception:
                if now - self._fetched > self._cache + self._stale:
                    self._keys = []
                    raise
        return self._keys

    async def verify(self, verifier: JwtVerifier, token: str) -> dict[str, Any]:
        """Verifies with the current keys, fetching them again once for an unknown key id."""
        verifier.set_keys(await self.keys())
        try:
            return verifier.verify(token)
        except UnknownKey:
            verifier.set_keys(await self.keys(force=True))
            return verifier.verify(token)


def _check_url(url: str) -> None:
    if not url.startswith("https://") and not url.startswith(("http://127.0.0.1:", "http://localhost:")):
        raise InvalidInput("keys are fetched by https only")


def sign_jws(key: Jwk, payload: bytes, *, algorithm: SigningAlgorithm, token_type: str = "JOSE") -> str:
    """Signs bytes as a compact JWS (RFC 7515), for payloads that are no claims: documents, webhooks, licences.

    ``payload`` has at most 32 KiB; ``token_type`` is the header's ``typ``. Raises :class:`~pyward_guard.InvalidInput` for
    a key that has no private part or does not fit the algorithm. CWE-345, CWE-347; ASVS 5.0: v5.0.0-9.1.1, v5.0.0-4.1.5.

    >>> key = Jwk.generate("EdDSA")
    >>> JwsVerifier(key.to_public(), algorithms=["EdDSA"]).verify(sign_jws(key, b"licence 7", algorithm="EdDSA"))
    b'licence 7'
    """
    if token_type.lower().removeprefix("application/") == "jwt" or token_type.lower().endswith("+jwt"):
        raise InvalidInput("claims are signed by JwtIssuer")
    return _core.JwtSigner(key, algorithm, token_type).sign_bytes(payload)


class JwsVerifier:
    """Verifies compact JWS tokens over any bytes, by the named algorithms only.

    Nothing but the signature is checked: put a time into the payload where one matters. Tokens that call themselves JWTs
    are refused, their claims are for :class:`JwtVerifier`. ``token_type``, when given, is what the header's ``typ`` must be.
    CWE-347; ASVS 5.0: v5.0.0-9.1.1, v5.0.0-9.1.2.

    >>> key = Jwk.from_secret(b"a shared secret of 32 bytes.....")
    >>> verifier = JwsVerifier(key, algorithms=["HS256"])
    >>> verifier.verify(sign_jws(key, b"text", algorithm="HS256"))
    b'text'
    >>> verifier.verify(JwtIssuer(key, algorithm="HS256", lifetime=60).issue())
    Traceback (most recent call last):
    ...
    pyward_guard.VerificationFailed: verification failed: the claims of a JWT must be checked
    """

    __slots__ = ("_core",)

    def __init__(self, keys: Jwk | Iterable[Jwk], *, algorithms: Sequence[SigningAlgorithm], token_type: str | None = None) -> None:
        given = [keys] if isinstance(keys, Jwk) else list(keys)
        self._core = _core.JwtVerifier(given, list(algorithms), None, None, [], token_type, 0.0, None, None, None)

    def verify(self, token: str) -> bytes:
        """The payload. Raises :class:`~pyward_guard.VerificationFailed`, :class:`~pyward_guard.tokens.UnknownKey`."""
        return self._core.verify_payload(token)[0]


def encrypt_jwe(
    key: Jwk,
    payload: bytes | Mapping[str, Any],
    *,
    algorithm: KeyAlgorithm,
    encryption: ContentEncryption = "A256GCM",
    token_type: str | None = None,
) -> str:
    """Encrypts bytes or claims as a compact JWE (RFC 7516).

    ``algorithm`` is ``dir``, ``A128KW``, ``A256KW``, ``RSA-OAEP``, ``RSA-OAEP-256``, ``ECDH-ES``, ``ECDH-ES+A128KW`` or
    ``ECDH-ES+A256KW``; ``encryption`` is ``A128GCM``, ``A256GCM``, ``A128CBC-HS256`` or ``A256CBC-HS512``.
    With a public key anyone could have made the token: sign what is inside as well. CWE-311, CWE-327; ASVS 5.0:
    v5.0.0-11.3.2, v5.0.0-11.3.3.

    >>> key = Jwk.generate("ECDH-ES")
    >>> token = encrypt_jwe(key.to_public(), b"hidden", algorithm="ECDH-ES")
    >>> JweDecrypter(key, algorithms=["ECDH-ES"], encryptions=["A256GCM"]).decrypt(token)
    b'hidden'
    """
    data = payload if isinstance(payload, bytes) else json.dumps(payload, separators=(",", ":")).encode()
    return _core.jwe_encrypt(key, algorithm, encryption, token_type, data)


class JweDecrypter:
    """Decrypts compact JWE tokens of the named algorithms only.

    Compressed tokens, ``RSA1_5`` and ``PBES2`` are refused: they invite bombs, padding oracles and work without bound.
    ASVS 5.0: v5.0.0-9.1.2, v5.0.0-11.3.1. CWE-327, CWE-409.

    >>> key = Jwk.from_secret(b"a secret of exactly 32 bytes....")
    >>> token = encrypt_jwe(key, {"sub": "7"}, algorithm="dir")
    >>> JweDecrypter(key, algorithms=["dir"], encryptions=["A256GCM"]).decrypt_claims(token)
    {'sub': '7'}
    """

    __slots__ = ("_core",)

    def __init__(
        self, keys: Jwk | Iterable[Jwk], *, algorithms: Sequence[KeyAlgorithm], encryptions: Sequence[ContentEncryption]
    ) -> None:
        given = [keys] if isinstance(keys, Jwk) else list(keys)
        self._core = _core.JweDecrypter(given, list(algorithms), list(encryptions))

    def decrypt(self, token: str) -> bytes:
        """The plaintext. Raises :class:`~pyward_guard.VerificationFailed` without telling which step failed."""
        return self._core.decrypt(token)[0]

    def decrypt_claims(self, token: str) -> dict[str, Any]:
        """The plaintext as a JSON object. Check ``exp`` and the rest yourself, or nest a signed token.

        Raises :class:`~pyward_guard.VerificationFailed` when the content is no JSON object.
        """
        try:
            claims = json.loads(self.decrypt(token))
        except ValueError:
            claims = None
        if not isinstance(claims, dict):
            raise VerificationFailed("verification failed: the payload is not a JSON object")
        return claims

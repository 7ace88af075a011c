"""JSON web tokens: issue, verify, encrypt, and the keys for it (RFC 7515 to 7519, RFC 8725).

CWE-287, CWE-345, CWE-347.

>>> key = Jwk.generate("ES256")
>>> key, Jwk.from_json(key.to_json()).key_id == key.key_id
(Jwk(key_type="EC", key_id=..., is_private=True), True)
"""

from __future__ import annotations

import inspect
import json
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, cast
from urllib.parse import SplitResult, urlsplit

from .. import _core
from .._core import InvalidInput, Jwk, LimitExceeded, UnknownKey, VerificationFailed
from .signed import seconds

if TYPE_CHECKING:
    import asyncio

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

_log = logging.getLogger("pyward_guard.tokens")

T = TypeVar("T")


def _strings(value: str | Iterable[str] | None) -> list[str] | None:
    if value is None:
        return None
    return [value] if isinstance(value, str) else list(value)


def _names(value: Sequence[str], what: str) -> list[str]:
    if isinstance(value, str):
        raise InvalidInput(f"{what} is a list of names")
    return list(value)


def required_claims(names: str | Iterable[str], without_expiry: bool) -> list[str]:
    """The claims that must be there: whoever names some still wants tokens that end."""
    others = _strings(names) or []
    return others if without_expiry or "exp" in others else ["exp", *others]


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

        Raises :class:`~pyward_guard.InvalidInput` for such claims, for registered claims of another type than RFC 7519
        says, and for values that are no JSON.
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
        # What every verifier would refuse is refused here, where the mistake is.
        for name in ("sub", "jti"):
            if not isinstance(result.get(name, ""), str):
                raise InvalidInput(f"{name} is a text (RFC 7519)")
        nbf = result.get("nbf", 0)
        if isinstance(nbf, bool) or not isinstance(nbf, (int, float)):
            raise InvalidInput("nbf is a number of seconds since 1970 (RFC 7519)")
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
    refused when no audience is configured. ``exp`` must be there, and what ``required`` names;
    ``insecure_without_expiry`` accepts tokens that never end, with a line in the log. ``clock_skew`` and ``max_age``
    (since ``iat``) are in seconds. ``token_type`` is the expected ``typ``. ``revoked`` is called with the claims of an
    otherwise valid token; a true result refuses it, and so does an exception, which is passed on. It is no coroutine
    function: with asyncio, look the ``jti`` up after ``verify``.

    Raises :class:`~pyward_guard.InvalidInput` for algorithms that are unknown or do not go together, and for an
    :class:`AsyncJwksClient`: its ``verify`` takes a verifier without keys.

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

    __slots__ = ("_core", "_installed", "_lock", "_source", "verify")

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
        required: Iterable[str] = (),
        clock_skew: float = 30.0,
        token_type: str | None = None,
        max_age: float | None = None,
        subject: str | None = None,
        revoked: Callable[[dict[str, Any]], object] | None = None,
        insecure_without_expiry: bool = False,
    ) -> None:
        if inspect.iscoroutinefunction(revoked):
            raise InvalidInput("revoked is called without await: its coroutine would count as true for every token")
        if isinstance(keys, AsyncJwksClient):
            raise InvalidInput("an AsyncJwksClient is awaited: give [] here, and the verifier to AsyncJwksClient.verify")
        if insecure_without_expiry:
            _log.warning("a JwtVerifier with insecure_without_expiry is in use: tokens may never end")
        self._source: JwksClient | None = None
        self._lock = threading.Lock()
        #: Which keys of the source the core has; none yet, so that nothing is fetched before the first token.
        self._installed: object = None
        if isinstance(keys, JwksClient):
            self._source = keys
            given: list[Jwk] = []
        else:
            given = [keys] if isinstance(keys, Jwk) else list(keys)
        self._core = _core.JwtVerifier(
            given,
            _names(algorithms, "algorithms"),
            _strings(issuer),
            _strings(audience),
            required_claims(required, insecure_without_expiry),
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
        source.refresh()
        mark = self._install(source)
        try:
            return check(token, now)
        except UnknownKey:
            # The provider may have rotated its keys since the last fetch.
            source.refresh(force=True)
            if self._install(source) is mark:
                raise
            return check(token, now)

    def _install(self, source: JwksClient | AsyncJwksClient) -> object:
        """Takes over the keys of a client, whoever fetched them. Gives an object that stands for these keys."""
        mark = source._current[0]
        if mark is not self._installed:
            with self._lock:
                mark, keys = source._current
                if mark is not self._installed:
                    self._core.set_keys(keys)
                    self._installed = mark
        return mark

    def verify_details(self, token: str, now: float | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Like ``verify``; gives (claims, header)."""
        if self._source is None:
            return self._core.verify_details(token, now)
        return self._fetching(self._core.verify_details, token, now)

    def set_keys(self, keys: Iterable[Jwk]) -> None:
        """Replaces the keys."""
        with self._lock:
            self._core.set_keys(list(keys))
            self._installed = None


def parse_jwks(document: str | bytes | Mapping[str, Any]) -> list[Jwk]:
    """The usable keys of a JWKS document (at most 256 keys, 1 MiB). Keys of unknown types are left out.

    Raises :class:`~pyward_guard.InvalidInput` for other documents. ASVS 5.0: v5.0.0-9.1.3.

    >>> parse_jwks(jwks_document([Jwk.generate("ES256")]))
    [Jwk(key_type="EC", key_id=..., is_private=False)]
    """
    if not isinstance(document, (str, bytes, Mapping)):
        raise InvalidInput(_AWAITED if inspect.isawaitable(document) else "a JSON web key set is a text, bytes or a mapping")
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


class _JwksCache:
    """When to fetch, and what to do when that fails: the same with and without asyncio."""

    def __init__(self, url: str, cache_seconds: float, min_interval: float, stale_seconds: float) -> None:
        _check_url(url)
        for name, value in (("cache_seconds", cache_seconds), ("min_interval", min_interval), ("stale_seconds", stale_seconds)):
            if not value >= 0:
                raise InvalidInput(f"{name} is a number of seconds, 0 or more")
        self._url = url
        self._cache = cache_seconds
        self._interval = min_interval
        self._stale = stale_seconds
        # The keys, and an object that stands for this state of them. Replaced as one.
        self._current: tuple[object, list[Jwk]] = (object(), [])
        self._usable = False
        self._fetched = float("-inf")
        self._tried = float("-inf")

    def _is_due(self, force: bool) -> bool:
        return force or not self._usable or time.monotonic() - self._fetched >= self._cache

    def _may_try(self) -> bool:
        """Whether another attempt is allowed by now. Raises when there are no keys to go on with meanwhile."""
        wait = self._interval if self._usable else min(self._interval, _RETRY)
        left = self._tried + wait - time.monotonic()
        if left <= 0:
            self._tried = time.monotonic()
            return True
        if not self._usable:
            raise LimitExceeded(f"the keys could not be fetched, the next attempt is due in {left:.0f} seconds")
        return False

    def _take(self, document: str | bytes | Mapping[str, Any]) -> None:
        self._current = (object(), parse_jwks(document))
        self._usable = True
        self._fetched = time.monotonic()

    def _failed(self) -> bool:
        """After a failed attempt: whether the old keys may still be used."""
        if time.monotonic() - self._fetched <= self._cache + self._stale:
            return True
        self._current = (object(), [])
        self._usable = False
        return False


#: Seconds between attempts while there are no keys at all.
_RETRY = 5.0
_AWAITED = "fetch is called without await here: give it to an AsyncJwksClient, and the verifier to AsyncJwksClient.verify"


class JwksClient(_JwksCache):
    """The keys a provider publishes, fetched through your own HTTP client and cached. Safe to share between threads, and
    between verifiers.

    ``fetch`` is called with ``url`` and gives the document; use a client with timeouts and certificate checks
    (:mod:`pyward_guard.http`). Keys are fetched again after ``cache_seconds``, and at most every ``min_interval``
    seconds when a token names an unknown key, so that forged tokens cannot make you hammer the provider; at most every
    5 seconds while there are no keys at all. When a refresh fails, the old keys are used for ``stale_seconds`` more.
    While one thread fetches, the others go on with the keys they have.
    Raises :class:`~pyward_guard.InvalidInput` for URLs without HTTPS, and for a coroutine function:
    :class:`AsyncJwksClient` awaits it. CWE-345, CWE-400; ASVS 5.0: v5.0.0-9.1.3, v5.0.0-6.7.1.

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
        super().__init__(url, cache_seconds, min_interval, stale_seconds)
        if inspect.iscoroutinefunction(fetch):
            raise InvalidInput(_AWAITED)
        self._fetch = fetch
        self._lock = threading.Lock()

    def keys(self) -> list[Jwk]:
        """The current keys; fetches when there are none or they are too old."""
        self.refresh()
        return list(self._current[1])

    def refresh(self, force: bool = False) -> bool:
        """Fetches the keys when that is due, or with ``force`` when ``min_interval`` has passed. True if they are new.

        Raises what ``fetch`` raises when there are no keys that may still be used, and
        :class:`~pyward_guard.LimitExceeded` until the next attempt is due.
        """
        if not self._is_due(force):
            return False
        seen = self._current[0]
        if not self._lock.acquire(blocking=force or not self._usable):
            return False
        try:
            if self._current[0] is not seen:
                return True
            if not self._may_try():
                return False
            try:
                self._take(self._fetch(self._url))
            except Exception:
                if self._failed():
                    return False
                raise
            return True
        finally:
            self._lock.release()


class AsyncJwksClient(_JwksCache):
    """:class:`JwksClient` for asyncio: ``fetch`` is a coroutine function, and so is :meth:`verify`.

    ``cache_seconds``, ``min_interval`` and ``stale_seconds`` are seconds, as there. Coroutines that need the keys at the
    same time wait for one fetch, which goes on when one of them is cancelled.

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
        super().__init__(url, cache_seconds, min_interval, stale_seconds)
        self._fetch = fetch
        self._pending: asyncio.Task[None] | None = None

    async def keys(self, force: bool = False) -> list[Jwk]:
        """The current keys, fetched again when that is due; ``force`` asks after an unknown key id."""
        import asyncio

        if self._is_due(force):
            loop = asyncio.get_running_loop()
            pending = self._pending
            if pending is None or pending.done() or pending.get_loop() is not loop:
                pending = self._pending = loop.create_task(self._load()) if self._may_try() else None
            if pending is not None:
                await asyncio.shield(pending)
        return list(self._current[1])

    async def _load(self) -> None:
        try:
            self._take(await self._fetch(self._url))
        except Exception:
            if not self._failed():
                raise

    async def verify(self, verifier: JwtVerifier, token: str) -> dict[str, Any]:
        """Verifies with the current keys, fetching them again once for an unknown key id."""
        await self.keys()
        mark = verifier._install(self)
        try:
            return verifier.verify(token)
        except UnknownKey:
            await self.keys(force=True)
            if verifier._install(self) is mark:
                raise
            return verifier.verify(token)


def _split_url(url: str, problem: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # "https://[" and the like
        raise InvalidInput(problem) from None


def _check_url(url: str) -> None:
    parts = _split_url(url, "keys are fetched by https only")
    if parts.scheme != "https" and (parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost", "::1")):
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
        names = _names(algorithms, "algorithms")
        self._core = _core.JwtVerifier(given, names, None, None, [], token_type, 0.0, None, None, None)

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
    data = payload if isinstance(payload, bytes) else _core.json_dumps(dict(payload))
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
        self._core = _core.JweDecrypter(given, _names(algorithms, "algorithms"), _names(encryptions, "encryptions"))

    def decrypt(self, token: str) -> bytes:
        """The plaintext. Raises :class:`~pyward_guard.VerificationFailed` without telling which step failed."""
        return self._core.decrypt(token)[0]

    def decrypt_claims(self, token: str) -> dict[str, Any]:
        """The plaintext as a JSON object. Check ``exp`` and the rest yourself, or nest a signed token.

        Raises :class:`~pyward_guard.VerificationFailed` when the content is no JSON object.
        """
        try:
            claims = _core.json_loads(self.decrypt(token))
        except InvalidInput:
            claims = None
        if not isinstance(claims, dict):
            raise VerificationFailed("verification failed: the payload is not a JSON object")
        return claims

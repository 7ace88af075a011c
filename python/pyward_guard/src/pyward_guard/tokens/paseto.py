"""PASETO version 4 tokens: nothing about the algorithm is up to the token.

CWE-345, CWE-347.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from .. import _core
from .._core import Expired, InvalidInput, VerificationFailed
from .jwt import required_claims
from .signed import seconds

__all__ = ["PasetoLocal", "PasetoPublic", "PasetoSigner"]

_log = logging.getLogger("pyward_guard.tokens")
_TIMES = ("exp", "nbf", "iat")


def _claims(
    claims: Mapping[str, Any] | None, lifetime: int, issuer: str | None, audience: str | None, subject: str | None
) -> bytes:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    result: dict[str, Any] = dict(claims or {})
    if not result.keys().isdisjoint(("iss", "aud", *_TIMES)):
        raise InvalidInput("iss, aud, exp, nbf and iat are set by the issuer")
    for name, value in (("iss", issuer), ("aud", audience), ("sub", subject)):
        if value is not None:
            result[name] = value
    result["iat"] = now.isoformat()
    result["exp"] = (now + timedelta(seconds=lifetime)).isoformat()
    return _core.json_dumps(result)


def _required(names: str | Iterable[str], without_expiry: bool) -> list[str]:
    if without_expiry:
        _log.warning("PASETO tokens are accepted with insecure_without_expiry: they may never end")
    return required_claims(names, without_expiry)


def _margin(clock_skew: float) -> float:
    if not 0 <= clock_skew <= 3600:
        raise InvalidInput("clock skew is 0 to 3600 seconds")
    return clock_skew


def _check(
    data: bytes, issuer: str | None, audience: str | None, required: Iterable[str], skew: float
) -> dict[str, Any]:
    try:
        claims = _core.json_loads(data)
    except InvalidInput:
        raise VerificationFailed("verification failed: the payload is not JSON") from None
    if not isinstance(claims, dict) or any(claims.get(name) is None for name in required):
        raise VerificationFailed("verification failed: a required claim is missing")
    now = datetime.now(timezone.utc)
    margin = timedelta(seconds=skew)
    times: dict[str, datetime] = {}
    for name in _TIMES:
        if name in claims:
            try:
                # Python 3.10 does not know the "Z" of RFC 3339.
                times[name] = datetime.fromisoformat(claims[name].replace("Z", "+00:00").replace("z", "+00:00"))
            except (ValueError, AttributeError, TypeError):
                raise VerificationFailed("verification failed: malformed time") from None
            if times[name].tzinfo is None:
                raise VerificationFailed("verification failed: malformed time")
    # The margin is on the side of the clock: the years 1 and 9999 have nothing before and after them.
    if "exp" in times and now - margin >= times["exp"]:
        raise Expired("expired")
    if "nbf" in times and now + margin < times["nbf"]:
        raise VerificationFailed("verification failed: not valid yet")
    if "iat" in times and now + margin < times["iat"]:
        raise VerificationFailed("verification failed: issued in the future")
    if issuer is not None and claims.get("iss") != issuer:
        raise VerificationFailed("verification failed: wrong issuer")
    if audience is not None and claims.get("aud") != audience or audience is None and "aud" in claims:
        raise VerificationFailed("verification failed: wrong audience")
    return claims


class PasetoLocal:
    """Encrypted tokens (``v4.local``: XChaCha20 and keyed BLAKE2b) under a shared secret of 32 bytes.

    The content is hidden from whoever holds the token. ``implicit`` is authenticated but not part of the token: bind the
    tenant or the client with it. ``keys``: one key or several; the first encrypts, all decrypt (rotation).
    ``lifetime`` and ``clock_skew`` are in seconds (the former may be a ``timedelta``). ``exp`` must be there, and what
    ``required`` names; ``insecure_without_expiry`` accepts tokens that never end, with a line in the log. Raises
    :class:`~pyward_guard.InvalidInput` without a key.
    CWE-311, CWE-347; ASVS 5.0: v5.0.0-9.1.1, v5.0.0-9.2.1, v5.0.0-9.1.2, v5.0.0-11.3.3.

    >>> tokens = PasetoLocal(PasetoLocal.generate_key(), lifetime=60, audience="shop")
    >>> tokens.verify(tokens.issue({"cart": 7}, subject="ada"))["cart"]
    7
    """

    __slots__ = ("_audience", "_issuer", "_keys", "_lifetime", "_required", "_skew")

    def __init__(
        self,
        keys: bytes | Iterable[bytes],
        *,
        lifetime: int | timedelta,
        issuer: str | None = None,
        audience: str | None = None,
        required: Iterable[str] = (),
        clock_skew: float = 30.0,
        insecure_without_expiry: bool = False,
    ) -> None:
        self._keys = [_core.PasetoLocal(key) for key in ([keys] if isinstance(keys, bytes) else keys)]
        if not self._keys:
            raise InvalidInput("a key is needed")
        self._lifetime = seconds(lifetime, "lifetime")
        self._issuer, self._audience, self._skew = issuer, audience, _margin(clock_skew)
        self._required = _required(required, insecure_without_expiry)

    @staticmethod
    def generate_key() -> bytes:
        """A new secret of 32 bytes."""
        return _core.random_bytes(32)

    def issue(
        self,
        claims: Mapping[str, Any] | None = None,
        *,
        subject: str | None = None,
        lifetime: int | timedelta | None = None,
        footer: bytes = b"",
        implicit: bytes = b"",
    ) -> str:
        """A token. The ``footer`` is authenticated but readable: for a key id, say."""
        duration = self._lifetime if lifetime is None else seconds(lifetime, "lifetime")
        data = _claims(claims, duration, self._issuer, self._audience, subject)
        return self._keys[0].encrypt(data, footer, implicit)

    def verify(self, token: str, *, implicit: bytes = b"") -> dict[str, Any]:
        """The claims. Raises :class:`~pyward_guard.Expired` or :class:`~pyward_guard.VerificationFailed`."""
        return self.verify_details(token, implicit=implicit)[0]

    def verify_details(self, token: str, *, implicit: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Like :meth:`verify`; gives (claims, footer).

        Raises :class:`~pyward_guard.Expired` or :class:`~pyward_guard.VerificationFailed`.
        """
        for key in self._keys:
            try:
                data, footer = key.decrypt(token, implicit)
            except VerificationFailed:
                continue
            return _check(data, self._issuer, self._audience, self._required, self._skew), footer
        raise VerificationFailed("verification failed: wrong key or changed token")


class PasetoSigner:
    """Issues signed tokens (``v4.public``: Ed25519) that :class:`PasetoPublic` verifies.

    ``lifetime`` is in seconds or a ``timedelta``.

    CWE-345, CWE-347.

    >>> secret, public = PasetoSigner.generate_pair()
    >>> token = PasetoSigner(secret, lifetime=60, issuer="https://id.example").issue(subject="ada")
    >>> PasetoPublic(public, issuer="https://id.example").verify(token)["sub"]
    'ada'
    """

    __slots__ = ("_audience", "_core", "_issuer", "_lifetime")

    def __init__(
        self, secret_key: bytes, *, lifetime: int | timedelta, issuer: str | None = None, audience: str | None = None
    ) -> None:
        self._core = _core.PasetoSecret(secret_key)
        self._lifetime = seconds(lifetime, "lifetime")
        self._issuer, self._audience = issuer, audience

    @staticmethod
    def generate_pair() -> tuple[bytes, bytes]:
        """A new pair: (secret key of 64 bytes, public key of 32 bytes)."""
        return _core.paseto_generate_pair()

    def issue(
        self,
        claims: Mapping[str, Any] | None = None,
        *,
        subject: str | None = None,
        lifetime: int | timedelta | None = None,
        footer: bytes = b"",
        implicit: bytes = b"",
    ) -> str:
        """A token. Its content is readable by everyone."""
        duration = self._lifetime if lifetime is None else seconds(lifetime, "lifetime")
        return self._core.sign(_claims(claims, duration, self._issuer, self._audience, subject), footer, implicit)


class PasetoPublic:
    """Verifies signed tokens (``v4.public``) with one public key of 32 bytes or several.

    ``clock_skew`` is in seconds; ``required`` and ``insecure_without_expiry`` are as for :class:`PasetoLocal`.
    Raises :class:`~pyward_guard.InvalidInput` without a key.

    CWE-347, CWE-613; ASVS 5.0: v5.0.0-9.1.1, v5.0.0-9.2.1.

    >>> secret, public = PasetoSigner.generate_pair()
    >>> PasetoPublic(public).verify(PasetoSigner(secret, lifetime=60).issue(subject="7"))["sub"]
    '7'
    """

    __slots__ = ("_audience", "_issuer", "_keys", "_required", "_skew")

    def __init__(
        self,
        public_keys: bytes | Iterable[bytes],
        *,
        issuer: str | None = None,
        audience: str | None = None,
        required: Iterable[str] = (),
        clock_skew: float = 30.0,
        insecure_without_expiry: bool = False,
    ) -> None:
        given = [public_keys] if isinstance(public_keys, bytes) else public_keys
        self._keys = [_core.PasetoPublic(key) for key in given]
        if not self._keys:
            raise InvalidInput("a key is needed")
        self._issuer, self._audience, self._skew = issuer, audience, _margin(clock_skew)
        self._required = _required(required, insecure_without_expiry)

    def verify(self, token: str, *, implicit: bytes = b"") -> dict[str, Any]:
        """The claims. Raises :class:`~pyward_guard.Expired` or :class:`~pyward_guard.VerificationFailed`."""
        return self.verify_details(token, implicit=implicit)[0]

    def verify_details(self, token: str, *, implicit: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Like :meth:`verify`; gives (claims, footer).

        Raises :class:`~pyward_guard.Expired` or :class:`~pyward_guard.VerificationFailed`.
        """
        for key in self._keys:
            try:
                data, footer = key.verify(token, implicit)
            except VerificationFailed:
                continue
            return _check(data, self._issuer, self._audience, self._required, self._skew), footer
        raise VerificationFailed("verification failed: wrong key or changed token")

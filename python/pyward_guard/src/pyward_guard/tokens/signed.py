"""Signed, typed, expiring tokens.

Key sets are those of :mod:`pyward_guard.crypto`; their rotation protects against CWE-320 and CWE-324.

>>> KeySet.generate("mac").rotate() > 0
True
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Generic, TypeVar, cast, get_origin, get_type_hints

from .. import _core
from .._core import InvalidInput, KeySet, VerificationFailed

__all__ = ["KeySet", "SignedToken", "SignedTokens"]

T = TypeVar("T")

_JSON_TYPES = (str, int, float, bool, list, dict)


def seconds(value: int | float | timedelta, name: str) -> int:
    """A positive whole number of seconds, at most 2**32 - 1 (136 years)."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    # Not a number compares as false.
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 1 <= number < 2**32:
        raise InvalidInput(f"{name} is a positive number of seconds")
    return int(number)


def mac_keys(keys: KeySet | bytes | str | Sequence[bytes | str]) -> KeySet:
    """A key set of the kind ``mac`` from one, or from secrets of which the first signs."""
    if isinstance(keys, KeySet):
        return keys
    values = [keys] if isinstance(keys, (bytes, bytearray, str)) else list(keys)
    return KeySet.from_secrets("mac", values)


def _dump(value: object, kind: type[Any] | None) -> Any:
    if kind is None or kind in _JSON_TYPES:
        return value
    if not isinstance(value, kind):
        raise InvalidInput(f"the payload must be of type {kind.__name__}")
    if is_dataclass(kind):
        return asdict(cast(Any, value))
    return cast(Any, value).model_dump(mode="json")


def _load(value: Any, kind: type[Any] | None) -> Any:
    """Gives the payload its type; a genuine token with other content is refused, never half-read."""
    if kind is None:
        return value
    if kind in _JSON_TYPES:
        # bool is a subclass of int, and 1 == True invites mistakes.
        if type(value) is kind or (kind is float and type(value) is int):
            return value
        raise VerificationFailed("verification failed: the payload has another type")
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        names = {f.name for f in fields(kind) if f.init}
        if not isinstance(value, dict) or not set(value) <= names:
            raise VerificationFailed("verification failed: the payload has another type")
        for name, item in value.items():
            hint = get_origin(hints[name]) or hints[name]
            if hint in _JSON_TYPES and type(item) is not hint and not (hint is float and type(item) is int):
                raise VerificationFailed("verification failed: the payload has another type")
        try:
            return kind(**value)
        except TypeError:
            raise VerificationFailed("verification failed: the payload has another type") from None
    try:
        return cast(Any, kind).model_validate(value)
    except ValueError:
        raise VerificationFailed("verification failed: the payload has another type") from None


@dataclass(frozen=True)
class SignedToken(Generic[T]):
    """What a verified token says.

    ``payload`` is what was signed, ``issued_at`` and ``expires_at`` are times (UTC), ``token_id`` is unique to the token.
    """

    #: The signed value.
    payload: T
    #: When it was issued (UTC). Compare with the time of the last password change to end older tokens.
    issued_at: datetime
    #: When it ends (UTC).
    expires_at: datetime
    #: Names the token in a list of used or revoked ones.
    token_id: str


class SignedTokens(Generic[T]):
    """Issues and verifies the tokens of one purpose: HMAC-SHA256, key rotation, expiry.

    ``keys`` is a :class:`KeySet` of the kind ``"mac"``, or a secret of at least 32 bytes, or a list of them of which the
    first signs and all verify. ``purpose`` is bound into the signature: a token for one purpose is never valid for
    another. ``lifetime`` is in seconds or a ``timedelta``. ``payload`` is the type of the content: ``str``, ``int``,
    ``dict``, ..., a dataclass or a pydantic model; without it any JSON value goes. The content is signed, not encrypted.

    Raises :class:`~pyward_guard.InvalidInput` for short keys, an empty purpose and lifetimes out of range.

    Protects against CWE-345, CWE-347 (forged or changed tokens), CWE-613 (tokens that never end), CWE-640.
    ASVS 5.0: v5.0.0-9.1.1, v5.0.0-9.2.1, v5.0.0-6.4.3.

    >>> tokens = SignedTokens(KeySet.generate("mac"), purpose="email-change", lifetime=3600, payload=dict)
    >>> link = tokens.issue({"user": 7, "email": "ada@example.org"})
    >>> tokens.verify(link)["user"]
    7
    >>> tokens.verify(link[:-1] + ("A" if link[-1] != "A" else "E"))
    Traceback (most recent call last):
    pyward_guard.VerificationFailed: verification failed: wrong signature
    """

    __slots__ = ("_core", "_kind", "_lifetime")

    def __init__(
        self,
        keys: KeySet | bytes | str | Sequence[bytes | str],
        *,
        purpose: str,
        lifetime: int | timedelta,
        payload: type[T] | None = None,
    ) -> None:
        if payload is not None and payload not in _JSON_TYPES:
            if not is_dataclass(payload) and not hasattr(payload, "model_validate"):
                raise InvalidInput("the payload type is a JSON type, a dataclass or a pydantic model")
        self._core = _core.TokenSigner(mac_keys(keys), purpose)
        self._lifetime = seconds(lifetime, "lifetime")
        self._kind = payload

    @property
    def purpose(self) -> str:
        """What the tokens are for."""
        return self._core.purpose

    def issue(self, payload: T, *, lifetime: int | timedelta | None = None) -> str:
        """A URL-safe token over ``payload``, valid for ``lifetime`` (default: that of the instance).

        Raises :class:`~pyward_guard.InvalidInput` when the payload is no JSON or over 32 KiB.
        """
        duration = self._lifetime if lifetime is None else seconds(lifetime, "lifetime")
        return self._core.issue_json(_dump(payload, self._kind), duration)

    def verify(self, token: str, *, max_age: int | None = None) -> T:
        """The payload of a genuine token. ``max_age`` (seconds since issue) shortens its lifetime.

        Raises :class:`~pyward_guard.Expired` for a genuine token past its time,
        :class:`~pyward_guard.UnknownKey` when its key was removed, :class:`~pyward_guard.VerificationFailed` otherwise.
        """
        value = self._core.verify_json(token, max_age)
        if self._kind is None:
            return cast(T, value)
        return cast(T, _load(value, self._kind))

    def verify_details(self, token: str, *, max_age: int | None = None) -> SignedToken[T]:
        """Like :meth:`verify`, with times and an id, for single use and revocation."""
        data, issued, expires, token_id = self._core.verify_details(token, max_age)
        return SignedToken(
            payload=cast(T, _load(json.loads(data), self._kind)),
            issued_at=datetime.fromtimestamp(issued / 1000, timezone.utc),
            expires_at=datetime.fromtimestamp(expires / 1000, timezone.utc),
            token_id=token_id,
        )

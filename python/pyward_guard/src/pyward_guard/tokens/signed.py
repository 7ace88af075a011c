"""Signed, typed, expiring tokens.

Key sets are those of :mod:`pyward_guard.crypto`; their rotation protects against CWE-320 and CWE-324.

>>> KeySet.generate("mac").rotate() > 0
True
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Generic, TypeVar

from .. import _core
from .._core import InvalidInput, KeySet
from ._payload import form

__all__ = ["KeySet", "SignedToken", "SignedTokens"]

T = TypeVar("T")


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
    The fields of a dataclass are checked in all their parts: JSON types, dataclasses, models, enumerations, ``list[...]``,
    ``tuple[...]``, ``dict[str, ...]``, ``Literal``, and unions that can be told apart once they are written. Models, and the
    dataclasses of pydantic, are written and read by pydantic, by the names of their fields (by aliases before pydantic 2.11).

    Raises :class:`~pyward_guard.InvalidInput` for short keys, an empty purpose, lifetimes out of range, and payload types
    that cannot be checked.

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

    __slots__ = ("_core", "_dump", "_lifetime", "_load")

    _dump: Callable[[T], Any]
    _load: Callable[[Any], T]

    def __init__(
        self,
        keys: KeySet | bytes | str | Sequence[bytes | str],
        *,
        purpose: str,
        lifetime: int | timedelta,
        payload: type[T] | None = None,
    ) -> None:
        self._core = _core.TokenSigner(mac_keys(keys), purpose)
        self._lifetime = seconds(lifetime, "lifetime")
        # Prepared once: what is left to do for a token is little.
        parts = form(payload)
        self._dump, self._load = parts.dump, parts.load

    @property
    def purpose(self) -> str:
        """What the tokens are for."""
        return self._core.purpose

    def issue(self, payload: T, *, lifetime: int | timedelta | None = None) -> str:
        """A URL-safe token over ``payload``, valid for ``lifetime`` (default: that of the instance).

        Raises :class:`~pyward_guard.InvalidInput` when the payload is of another type, no JSON or over 32 KiB, and when it
        would be read as another value: a model with excluded or hidden fields, a dataclass whose ``field(init=False)`` was set.
        The error names the field of a model. Defaults that pydantic did not validate are read as the type of their field.
        """
        duration = self._lifetime if lifetime is None else seconds(lifetime, "lifetime")
        return self._core.issue_json(self._dump(payload), duration)

    def verify(self, token: str, *, max_age: int | None = None) -> T:
        """The payload of a genuine token. ``max_age`` (seconds since issue) shortens its lifetime.

        Raises :class:`~pyward_guard.Expired` for a genuine token past its time,
        :class:`~pyward_guard.UnknownKey` when its key was removed, :class:`~pyward_guard.VerificationFailed` otherwise.
        """
        return self._load(self._core.verify_json(token, max_age))

    def verify_details(self, token: str, *, max_age: int | None = None) -> SignedToken[T]:
        """Like :meth:`verify`, with times and an id, for single use and revocation."""
        data, issued, expires, token_id = self._core.verify_details(token, max_age)
        return SignedToken(
            payload=self._load(json.loads(data)),
            issued_at=datetime.fromtimestamp(issued / 1000, timezone.utc),
            expires_at=datetime.fromtimestamp(expires / 1000, timezone.utc),
            token_id=token_id,
        )

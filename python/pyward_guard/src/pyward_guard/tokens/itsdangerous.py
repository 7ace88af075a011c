"""Tokens that the package ``itsdangerous`` reads and writes, for an application that changes over in steps.

First everything reads both kinds (:class:`ItsdangerousReader` beside :class:`~pyward_guard.tokens.SignedTokens`), then
everything writes ``SignedTokens``, and when the last old token has ended the reader goes. :class:`ItsdangerousWriter` is
for what a program that still runs ``itsdangerous`` has to read meanwhile: its tokens have no purpose bound into them
but the salt, carry no lifetime of their own, and name no key.

>>> secret = "one secret for both sides, 32 bytes or more"
>>> writer = ItsdangerousWriter(secret)
>>> ItsdangerousReader(secret, digest="sha256", key_derivation="hmac").loads(writer.dumps({"user": 7}))
{'user': 7}
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

from .. import _core
from .._core import InvalidInput, VerificationFailed
from .._text import utf8

__all__ = ["ItsdangerousReader", "ItsdangerousWriter"]

_log = logging.getLogger("pyward_guard.tokens")

_Digest = Literal["sha1", "sha256", "sha384", "sha512"]
_Derivation = Literal["django-concat", "concat", "hmac", "none"]


def _list(secrets: bytes | str | Sequence[bytes | str]) -> list[bytes | str]:
    return [secrets] if isinstance(secrets, (bytes, bytearray, str)) else list(secrets)


def _bytes(value: bytes | str) -> bytes:
    return utf8(value) if isinstance(value, str) else value


def _signed(value: bytes | str) -> bytes:
    try:
        return _bytes(value)
    except InvalidInput:
        raise VerificationFailed("verification failed: malformed token") from None


def _age(value: int | timedelta) -> int:
    result = int(value.total_seconds()) if isinstance(value, timedelta) else value
    if isinstance(result, bool) or not isinstance(result, int) or not 0 <= result < 2**32:
        raise InvalidInput("max_age is a number of seconds, 0 or more, or a timedelta")
    return result


class ItsdangerousReader:
    """Reads what the package ``itsdangerous`` wrote, for a change-over that logs nobody out.

    ``secrets`` are the secret keys (all are tried), ``digest`` and ``key_derivation`` as configured there, by its
    defaults. ``salt`` is that of the serializer or signer; without it the package's own: ``itsdangerous`` for the tokens
    of serializers, ``itsdangerous.Signer`` for signed values. For Flask sessions use
    ``salt="cookie-session", key_derivation="hmac"``. Payloads may have up to ``max_payload`` bytes after decompression
    (CWE-409). Issue new tokens with :class:`~pyward_guard.tokens.SignedTokens`. Raises
    :class:`~pyward_guard.InvalidInput` for no secret and for unknown options. CWE-347; ASVS 5.0: v5.0.0-9.1.1.

    >>> reader = ItsdangerousReader("secret key")
    >>> reader.loads("eyJ1c2VyIjo3fQ.pLgDPQ2eVD6kEdUxGlfvhH6ITu4")
    {'user': 7}
    """

    __slots__ = ("_core",)

    def __init__(
        self,
        secrets: bytes | str | Sequence[bytes | str],
        *,
        salt: bytes | str | None = None,
        digest: _Digest = "sha1",
        key_derivation: _Derivation = "django-concat",
        max_payload: int = 1 << 20,
    ) -> None:
        if not 0 <= max_payload < 2**31:
            raise InvalidInput("max_payload is a number of bytes below 2 GiB")
        self._core = _core.ItsdangerousReader(_list(secrets), salt, digest, key_derivation, max_payload)

    def loads(self, token: str) -> Any:
        """The payload of a token of ``URLSafeSerializer``, which never expires.

        Raises :class:`~pyward_guard.VerificationFailed`.
        """
        return self._core.loads(token)

    def loads_timed(self, token: str, *, max_age: int | timedelta) -> Any:
        """The payload of a token of ``URLSafeTimedSerializer`` signed at most ``max_age`` seconds ago.

        Raises :class:`~pyward_guard.Expired` or :class:`~pyward_guard.VerificationFailed`.
        """
        return self._core.loads_timed(token, _age(max_age))

    def unsign(self, signed: bytes | str) -> bytes:
        """The value that a ``Signer`` signed. Raises :class:`~pyward_guard.VerificationFailed`.

        A value of a ``TimestampSigner`` with the same salt passes with its time at the end: give each its own salt.

        >>> secret = "one secret for both sides, 32 bytes or more"
        >>> reader = ItsdangerousReader(secret, salt="avatar", digest="sha256", key_derivation="hmac")
        >>> reader.unsign(ItsdangerousWriter(secret, salt="avatar").sign("7.png"))
        b'7.png'
        """
        return self._core.unsign(_signed(signed))

    def unsign_timed(self, signed: bytes | str, *, max_age: int | timedelta) -> bytes:
        """The value that a ``TimestampSigner`` signed at most ``max_age`` seconds ago.

        Raises :class:`~pyward_guard.Expired` or :class:`~pyward_guard.VerificationFailed`.
        """
        return self._core.unsign_timed(_signed(signed), _age(max_age))


class ItsdangerousWriter:
    """Writes what the package ``itsdangerous`` accepts, as long as something that still runs it must read new tokens.

    Where this kit reads them, use :class:`~pyward_guard.tokens.SignedTokens` instead. ``secrets`` is one secret of at
    least 32 bytes, or the package's list *from the oldest to the newest*, of which the last signs. ``salt`` as in
    :class:`ItsdangerousReader`. The other side must be told the digest and the derivation, whose defaults there are
    weaker: ``signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"}``.

    Where it cannot be told, ``insecure_legacy_options=True`` lets through ``digest="sha1"``, the other derivations (which
    do not keep secret and salt apart, or leave the salt out) and short secrets, with a line in the log.
    Raises :class:`~pyward_guard.InvalidInput` for them otherwise. CWE-327, CWE-328; ASVS 5.0: v5.0.0-11.4.1.

    >>> writer = ItsdangerousWriter(["the old one, which signs no more", "the new one, of at least 32 bytes"])
    >>> writer.dumps_timed({"user": 7}).count(".")
    2
    >>> ItsdangerousWriter("secret key", digest="sha1", key_derivation="django-concat")
    Traceback (most recent call last):
    pyward_guard.InvalidInput: new tokens are not signed with SHA-1 (CWE-328): choose sha256 and set digest_method on \
the side of itsdangerous, or insecure_legacy_options
    """

    __slots__ = ("_core",)

    def __init__(
        self,
        secrets: bytes | str | Sequence[bytes | str],
        *,
        salt: bytes | str | None = None,
        digest: _Digest = "sha256",
        key_derivation: _Derivation = "hmac",
        insecure_legacy_options: bool = False,
    ) -> None:
        self._core = _core.ItsdangerousWriter(_list(secrets), salt, digest, key_derivation, insecure_legacy_options)
        if insecure_legacy_options:
            _log.warning(
                "itsdangerous tokens are written with insecure_legacy_options: digest %s, key derivation %s",
                digest,
                key_derivation,
            )

    def dumps(self, value: Any) -> str:
        """A token that ``URLSafeSerializer.loads`` accepts, for ever; long payloads are compressed as it does.

        Raises :class:`~pyward_guard.InvalidInput` when the value is no JSON or the token longer than 64 KiB.
        """
        return self._core.dumps(value)

    def dumps_timed(self, value: Any) -> str:
        """A token that ``URLSafeTimedSerializer.loads`` accepts. Its reader decides the age: pass ``max_age`` there.

        Raises :class:`~pyward_guard.InvalidInput` when the value is no JSON or the token longer than 64 KiB.
        """
        return self._core.dumps_timed(value)

    def sign(self, value: bytes | str) -> bytes:
        """A signed value that ``Signer.unsign`` accepts, for ever. Raises :class:`~pyward_guard.InvalidInput` over 64 KiB."""
        return self._core.sign(_bytes(value))

    def sign_timed(self, value: bytes | str) -> bytes:
        """A signed value that ``TimestampSigner.unsign`` accepts. Raises :class:`~pyward_guard.InvalidInput` over 64 KiB."""
        return self._core.sign_timed(_bytes(value))

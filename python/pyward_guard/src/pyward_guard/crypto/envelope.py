"""Envelope encryption: data keys wrapped by a key that stays in a key management service.

Key sets are those of :mod:`pyward_guard.crypto`; their rotation protects against CWE-320 and CWE-324.

>>> KeySet.generate("mac").rotate() > 0
True
"""

from __future__ import annotations

import json
from typing import Protocol

from .. import _core
from .._core import InvalidInput, KeySet, Refused, VerificationFailed
from .aead import Aead, _context


# The serialised ``google.crypto.tink.AesGcmKey`` of version 0: field 3 (``key_value``) with 32 bytes.
_TINK_KEY = b"\x1a\x20"
_MIN_WRAPPED, _MAX_WRAPPED = 16, 4096


class KeyWrapper(Protocol):
    """What a cloud KMS or HSM does: wraps small keys without giving its own away. Implement it over its client."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypts ``key``, bound to ``context``."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Decrypts what :meth:`wrap` gave. Raises an exception when it cannot."""
        ...


class LocalKeyWrapper:
    """A :class:`KeyWrapper` over a local key set, for development and for keys from :mod:`~pyward_guard.crypto.providers`.

    CWE-311, CWE-312; ASVS 5.0: v5.0.0-11.3.3.

    >>> wrapper = LocalKeyWrapper(KeySet.generate("aead"))
    >>> wrapper.unwrap(wrapper.wrap(b"key", b"c"), b"c")
    b'key'
    """

    __slots__ = ("_aead",)

    def __init__(self, keys: KeySet) -> None:
        self._aead = Aead(keys)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypts ``key``, bound to ``context``."""
        return self._aead.encrypt(key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Decrypts what :meth:`wrap` gave."""
        return self._aead.decrypt(wrapped, context)


class EnvelopeEncryption:
    """Encrypts each message with a fresh key, wrapped by a :class:`KeyWrapper` and stored next to it.

    Destroying the wrapping key destroys all data at once; the service sees keys, never data. The format is that of Tink's
    ``KmsEnvelopeAead`` with AES-256-GCM data keys, so both read each other: length of the wrapped key (4 bytes,
    big-endian), wrapped key (a serialised ``AesGcmKey``), nonce (12 bytes), ciphertext, tag (16 bytes).

    Raises :class:`~pyward_guard.VerificationFailed` when ciphertext, associated data or the wrapped key were changed.
    CWE-320, CWE-321; ASVS 5.0: v5.0.0-13.3.3, v5.0.0-11.3.3.

    >>> envelope = EnvelopeEncryption(LocalKeyWrapper(KeySet.generate("aead")))
    >>> sealed = envelope.encrypt(b"medical record", "patient:7")
    >>> envelope.decrypt(sealed, "patient:7")
    b'medical record'
    """

    __slots__ = ("_wrapper",)

    def __init__(self, wrapper: KeyWrapper) -> None:
        self._wrapper = wrapper

    def encrypt(self, plaintext: bytes, associated_data: bytes | str = b"") -> bytes:
        """Encrypts; asks the wrapper once. Raises what the wrapper raises, and :class:`~pyward_guard.Refused` or
        :class:`~pyward_guard.InvalidInput` for a wrapper that gives keys back in the clear or not in 16 to 4096 bytes."""
        key = _core.random_bytes(32)
        wrapped = self._wrapper.wrap(_TINK_KEY + key, b"")
        if not _MIN_WRAPPED <= len(wrapped) <= _MAX_WRAPPED:
            raise InvalidInput(f"the wrapper gave {len(wrapped)} bytes, not {_MIN_WRAPPED} to {_MAX_WRAPPED}")
        if key in wrapped:
            raise Refused("refused: the wrapper gave the key back in the clear")
        keys = KeySet.from_secrets("aead", [key])
        sealed = _core.aead_encrypt(keys, plaintext, _context(associated_data))
        # The five bytes of key id are of no use here: the key is in front.
        return len(wrapped).to_bytes(4, "big") + wrapped + sealed[5:]

    def decrypt(self, data: bytes, associated_data: bytes | str = b"") -> bytes:
        """Decrypts; asks the wrapper once. Raises :class:`~pyward_guard.VerificationFailed`, or what the wrapper raises."""
        length = int.from_bytes(data[:4], "big")
        if not _MIN_WRAPPED <= length <= _MAX_WRAPPED or len(data) < 4 + length + 28:
            raise VerificationFailed("verification failed: not an envelope")
        key = self._wrapper.unwrap(data[4 : 4 + length], b"")
        if len(key) != 34 or not key.startswith(_TINK_KEY):
            raise VerificationFailed("verification failed: not an envelope with an AES-256-GCM key")
        keys = KeySet.from_secrets("aead", [key[2:]])
        prefix = b"\x01" + keys.primary_id.to_bytes(4, "big")
        return _core.aead_decrypt(keys, prefix + data[4 + length :], _context(associated_data))


def wrap_keyset(keys: KeySet, wrapper: KeyWrapper, *, context: bytes = b"") -> str:
    """A key set encrypted by ``wrapper``, as JSON in Tink's format for encrypted key sets: safe to keep in a file.

    CWE-311, CWE-312; ASVS 5.0: v5.0.0-13.3.1.

    >>> wrapper = LocalKeyWrapper(KeySet.generate("aead"))
    >>> keys = KeySet.generate("mac")
    >>> unwrap_keyset(wrap_keyset(keys, wrapper), wrapper).primary_id == keys.primary_id
    True
    """
    import base64

    wrapped = wrapper.wrap(keys.to_binary(), context)
    info = [
        {"keyId": key_id, "status": status.upper(), "typeUrl": "", "outputPrefixType": "TINK"}
        for key_id, status, _primary in keys.info()
    ]
    document = {
        "encryptedKeyset": base64.b64encode(wrapped).decode(),
        "keysetInfo": {"primaryKeyId": keys.primary_id, "keyInfo": info},
    }
    return json.dumps(document)


def unwrap_keyset(text: str | bytes, wrapper: KeyWrapper, *, context: bytes = b"") -> KeySet:
    """Reads what :func:`wrap_keyset` or Tink wrote. Raises :class:`~pyward_guard.InvalidInput`, or what the wrapper raises.

    CWE-311, CWE-312; ASVS 5.0: v5.0.0-13.3.1.

    >>> wrapper = LocalKeyWrapper(KeySet.generate("aead"))
    >>> unwrap_keyset(wrap_keyset(KeySet.generate("mac"), wrapper), wrapper).kind
    'mac'
    """
    import base64

    try:
        wrapped = base64.b64decode(json.loads(text)["encryptedKeyset"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidInput("not an encrypted key set") from None
    return KeySet.from_binary(wrapper.unwrap(wrapped, context))

"""Authenticated encryption of values, searchable variants, hashing with a purpose.

Key sets are those of :mod:`pyward_guard.crypto`; their rotation protects against CWE-320 and CWE-324.

>>> KeySet.generate("mac").rotate() > 0
True
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from .. import _core
from .._core import InvalidInput, KeySet, VerificationFailed
from .._text import from_utf8, utf8


def _context(associated_data: bytes | str) -> bytes:
    return utf8(associated_data) if isinstance(associated_data, str) else associated_data


def _to_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_text(text: str) -> bytes:
    if not isinstance(text, str):
        raise InvalidInput("a text is needed")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise VerificationFailed("verification failed: not a ciphertext of this kit") from None
    if _to_text(data) != text:
        raise VerificationFailed("verification failed: not a ciphertext of this kit")
    return data


class Aead:
    """Authenticated encryption (AES-256-GCM) under a key set of the kind ``"aead"``.

    Every ciphertext names its key, so :meth:`KeySet.rotate` needs no re-encryption. ``associated_data`` is not stored but
    must be the same to decrypt: bind table, column and row with it, so that nobody can move a ciphertext to another row.
    A key may encrypt 2**32 messages: rotate before. 33 bytes are added.

    Raises :class:`~pyward_guard.InvalidInput` for a key set of another kind.

    Protects against CWE-311, CWE-312, CWE-327, CWE-353. ASVS 5.0: v5.0.0-11.3.1, v5.0.0-11.3.2, v5.0.0-11.3.3,
    v5.0.0-11.3.4, v5.0.0-14.2.4, v5.0.0-11.2.1, v5.0.0-11.2.5.

    >>> keys = KeySet.generate("aead")
    >>> aead = Aead(keys)
    >>> sealed = aead.encrypt(b"4111 1111 1111 1111", "card:17")
    >>> _ = keys.rotate()
    >>> aead.decrypt(sealed, "card:17")
    b'4111 1111 1111 1111'
    >>> aead.decrypt(sealed, "card:18")
    Traceback (most recent call last):
    pyward_guard.VerificationFailed: verification failed
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: KeySet) -> None:
        if keys.kind != "aead":
            raise InvalidInput("a key set of the kind aead is needed")
        self._keys = keys

    @property
    def keys(self) -> KeySet:
        """The key set."""
        return self._keys

    def encrypt(self, plaintext: bytes, associated_data: bytes | str = b"") -> bytes:
        """Encrypts bytes with the primary key."""
        if isinstance(associated_data, str):
            associated_data = utf8(associated_data)
        return _core.aead_encrypt(self._keys, plaintext, associated_data)

    def decrypt(self, ciphertext: bytes, associated_data: bytes | str = b"") -> bytes:
        """Decrypts bytes.

        Raises :class:`~pyward_guard.UnknownKey` when the key is not in the set or not enabled, and
        :class:`~pyward_guard.VerificationFailed` when ciphertext or associated data were changed.
        """
        if isinstance(associated_data, str):
            associated_data = utf8(associated_data)
        return _core.aead_decrypt(self._keys, ciphertext, associated_data)

    def encrypt_str(self, text: str, associated_data: bytes | str = b"") -> str:
        """Encrypts a string; the result is URL-safe text.

        >>> aead = Aead(KeySet.generate("aead"))
        >>> aead.decrypt_str(aead.encrypt_str("ünïcode"))
        'ünïcode'
        """
        return _to_text(self.encrypt(utf8(text), associated_data))

    def decrypt_str(self, text: str, associated_data: bytes | str = b"") -> str:
        """Decrypts a string made by :meth:`encrypt_str`. Raises as :meth:`decrypt`."""
        result = from_utf8(self.decrypt(_from_text(text), associated_data))
        if result is None:
            raise VerificationFailed("verification failed: the plaintext is no text")
        return result

    def encrypt_json(self, value: Any, associated_data: bytes | str = b"") -> str:
        """Encrypts a JSON value; the result is URL-safe text.

        >>> aead = Aead(KeySet.generate("aead"))
        >>> aead.decrypt_json(aead.encrypt_json({"iban": "DE02"}))
        {'iban': 'DE02'}
        """
        return _to_text(self.encrypt(_core.json_dumps(value), associated_data))

    def decrypt_json(self, text: str, associated_data: bytes | str = b"") -> Any:
        """Decrypts a value made by :meth:`encrypt_json`. Raises as :meth:`decrypt`."""
        data = self.decrypt(_from_text(text), associated_data)
        try:
            return _core.json_loads(data)
        except InvalidInput:
            raise VerificationFailed("verification failed: the plaintext is not JSON") from None

    def needs_reencryption(self, ciphertext: bytes | str) -> bool:
        """Whether a ciphertext was made with another key than the primary one: re-encrypt it before its key goes.

        >>> aead = Aead(KeySet.generate("aead"))
        >>> aead.needs_reencryption(aead.encrypt(b"x"))
        False
        """
        data = _from_text(ciphertext) if isinstance(ciphertext, str) else ciphertext
        return _core.aead_key_id(data) != self._keys.primary_id

    def reencrypt(self, ciphertext: bytes, associated_data: bytes | str = b"") -> bytes:
        """Decrypts and encrypts with the primary key.

        ASVS 5.0: v5.0.0-11.2.2.
        """
        return self.encrypt(self.decrypt(ciphertext, associated_data), associated_data)


class DeterministicEncryption:
    """Deterministic encryption (AES-SIV) under a key set of the kind ``"deterministic"``: equal values are equal.

    Whoever reads the column sees which rows are equal and how often a value occurs. Use it only where you must compare
    ciphertexts *and* decrypt them; to look a value up, :class:`BlindIndex` next to :class:`Aead` shows less.
    Raises :class:`~pyward_guard.InvalidInput` for a key set of another kind or an empty ``field``.
    CWE-327; ASVS 5.0: v5.0.0-11.3.2.

    >>> email = DeterministicEncryption(KeySet.generate("deterministic"), "user.email")
    >>> email.encrypt(b"ada@example.org") == email.encrypt(b"ada@example.org")
    True
    >>> email.decrypt(email.encrypt(b"ada@example.org"))
    b'ada@example.org'
    """

    __slots__ = ("_context", "_keys")

    def __init__(self, keys: KeySet, field: str) -> None:
        if keys.kind != "deterministic":
            raise InvalidInput("a key set of the kind deterministic is needed")
        if not field:
            raise InvalidInput("name the field: values of different fields must not compare equal")
        self._keys = keys
        self._context = utf8(field)

    def encrypt(self, plaintext: bytes) -> bytes:
        """Encrypts with the primary key; 21 bytes are added."""
        return _core.deterministic_encrypt(self._keys, plaintext, self._context)

    def search_values(self, plaintext: bytes) -> list[bytes]:
        """The ciphertexts to search for (``IN (...)``): one for each enabled key, the primary one's first."""
        return _core.deterministic_search(self._keys, plaintext, self._context)

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Decrypts. Raises :class:`~pyward_guard.UnknownKey` or :class:`~pyward_guard.VerificationFailed`."""
        return _core.deterministic_decrypt(self._keys, ciphertext, self._context)


class BlindIndex:
    """Keyed hashes that make an encrypted field searchable for equality, under a key set of the kind ``"mac"``.

    ``field`` separates the fields of one key set. ``bits`` (8 to 256) sets how many values share an index: few bits hide
    which rows are equal and need the hits to be decrypted and compared. ``normalize`` brings values to one form first.
    Raises :class:`~pyward_guard.InvalidInput` for a key set of another kind, an empty ``field`` or other ``bits``.
    CWE-311; ASVS 5.0: v5.0.0-14.2.4.

    >>> index = BlindIndex(KeySet.generate("mac"), "user.email", normalize=str.casefold)
    >>> index.value("Ada@example.org") == index.value("ada@example.org")
    True
    """

    __slots__ = ("_bits", "_field", "_keys", "_normalize")

    def __init__(self, keys: KeySet, field: str, *, bits: int = 128, normalize: Any = None) -> None:
        self._keys, self._field, self._bits, self._normalize = keys, field, bits, normalize
        _core.blind_indexes(keys, field, bits, b"")

    def values(self, text: str) -> list[str]:
        """The indexes to search for (``IN (...)``), hexadecimal: one for each enabled key, the primary one's first."""
        plain = self._normalize(text) if self._normalize is not None else text
        return [v.hex() for v in _core.blind_indexes(self._keys, self._field, self._bits, utf8(plain))]

    def value(self, text: str) -> str:
        """The index to store."""
        return self.values(text)[0]


def constant_time_equal(a: bytes | str, b: bytes | str) -> bool:
    """Compares secrets in time that depends on their lengths only (CWE-208; ASVS 5.0: v5.0.0-11.2.4).

    >>> constant_time_equal("token", b"token")
    True
    """
    return _core.constant_time_equal(a, b)


def fingerprint(data: bytes, *, purpose: str) -> str:
    """SHA-256 of data for a purpose, hexadecimal: unrelated to hashes of the same data for other purposes.

    Not for passwords and not a signature: everyone can compute it. CWE-328; ASVS 5.0: v5.0.0-11.4.1, v5.0.0-11.4.3.

    >>> fingerprint(b"x", purpose="cache") != fingerprint(b"x", purpose="etag")
    True
    """
    return _core.hash_for(purpose, data).hex()


def derive_key(secret: bytes | str, *, purpose: str, length: int = 32, salt: bytes = b"") -> bytes:
    """One key for each purpose from one random secret of at least 16 bytes (HKDF-SHA256, RFC 5869).

    Not for passwords, which need a slow function. CWE-320; ASVS 5.0: v5.0.0-11.2.3, v5.0.0-11.4.1.

    >>> len(derive_key(b"a random secret of 16 or more bytes", purpose="cookies"))
    32
    """
    return _core.derive_key(secret, purpose, salt, length)

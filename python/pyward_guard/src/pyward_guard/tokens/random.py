"""Random values for secrets, from the operating system.

Protects against CWE-330, CWE-331, CWE-338 and CWE-340 (predictable tokens). ASVS 5.0: v5.0.0-11.5.1.
"""

from __future__ import annotations

import uuid

from .. import _core


def random_bytes(length: int) -> bytes:
    """``length`` random bytes.

    CWE-330, CWE-338; ASVS 5.0: v5.0.0-11.5.1.

    >>> len(random_bytes(32))
    32
    """
    return _core.random_bytes(length)


def random_token(nbytes: int = 32) -> str:
    """A URL-safe token with ``nbytes`` (16 to 1024) random bytes: 43 characters for 32 bytes.

    Raises :class:`~pyward_guard.InvalidInput` below 128 bits, which could be guessed.

    CWE-330, CWE-338; ASVS 5.0: v5.0.0-7.2.3, v5.0.0-11.5.1.

    >>> len(random_token())
    43
    """
    return _core.random_token(nbytes)


def random_string(length: int, alphabet: str) -> str:
    """``length`` characters (1 to 65536) drawn uniformly from ``alphabet`` (2 to 256 different characters).

    CWE-330, CWE-338; ASVS 5.0: v5.0.0-11.5.1.

    >>> set(random_string(100, "ab")) <= {"a", "b"}
    True
    """
    return _core.random_string(length, alphabet)


def random_digits(length: int = 6) -> str:
    """A numeric code of ``length`` digits, for codes that are typed in. Limit the attempts: a short code can be guessed.

    CWE-330, CWE-338; ASVS 5.0: v5.0.0-6.5.3, v5.0.0-6.5.4.

    >>> random_digits(8).isdigit()
    True
    """
    return _core.random_string(length, "0123456789")


#: Letters and digits without those that are mistaken for one another.
_ID_ALPHABET = "23456789abcdefghijkmnpqrstuvwxyz"


def random_id(length: int = 26) -> str:
    """A lower-case id of ``length`` characters with 5 bits each (130 bits by default), safe in URLs and file names.

    CWE-330, CWE-338; ASVS 5.0: v5.0.0-11.5.1.

    >>> len(random_id())
    26
    """
    return _core.random_string(length, _ID_ALPHABET)


def random_below(bound: int) -> int:
    """A whole number from 0 to ``bound - 1``, each equally likely; ``bound`` is at most 2**32 - 1.

    CWE-330, CWE-338; ASVS 5.0: v5.0.0-11.5.1.

    >>> random_below(1)
    0
    """
    return _core.random_below(bound)


def uuid7() -> uuid.UUID:
    """A version 7 UUID (RFC 9562): sorts by time of creation. It tells that time and is an id, not a secret.

    CWE-330, CWE-338.

    >>> uuid7().version
    7
    """
    return uuid.UUID(bytes=_core.uuid7_bytes())


def new_lookup_token() -> tuple[str, str]:
    """A one-time secret and what to store for it: ``(token, hash)``.

    Send the token to the user and store the hash. When the token comes back, look up ``lookup_hash(token)``: whoever
    reads the table has no usable token, and the look-up leaks nothing by its timing. CWE-256, CWE-208.
    ASVS 5.0: v5.0.0-11.4.1, v5.0.0-6.4.1.

    >>> token, stored = new_lookup_token()
    >>> lookup_hash(token) == stored
    True
    """
    return _core.lookup_token()


def lookup_hash(token: str) -> str:
    """The stored form (SHA-256, 64 hexadecimal digits) of a token made by :func:`new_lookup_token`.

    Only for random tokens: a password needs :mod:`pyward_guard.passwords`.

    CWE-312; ASVS 5.0: v5.0.0-11.4.1.

    >>> len(lookup_hash("x"))
    64
    """
    return _core.lookup_hash(token)

"""Recovery codes: shown once, stored hashed, used once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .. import _core
from .._core import InvalidInput
from . import _once


@dataclass(frozen=True)
class RecoveryCodes:
    """A new set of codes. ``codes`` are shown to the user once, ``hashes`` are stored."""

    #: To show to the user, once.
    codes: tuple[str, ...] = field(repr=False)
    #: To store, one row each: a user's old rows must go when new ones come.
    hashes: tuple[str, ...]


def generate_recovery_codes(count: int = 10) -> RecoveryCodes:
    """``count`` (1 to 50) codes of 80 random bits in groups of four, and their Argon2id hashes.

    Raises :class:`~pyward_guard.InvalidInput` for another count.

    CWE-256, CWE-330; ASVS 5.0: v5.0.0-6.5.2, v5.0.0-6.5.3, v5.0.0-6.5.4.

    >>> made = generate_recovery_codes(2)
    >>> len(made.codes), len(made.codes[0])
    (2, 19)
    """
    codes, hashes = _core.recovery_generate(count)
    return RecoveryCodes(tuple(codes), tuple(hashes))


def use_recovery_code(code: str, hashes: Sequence[str]) -> str:
    """The stored hash that belongs to a code: delete that row, and log the user in only if the deletion found it.

    Blanks, dashes and capitals do not matter. Takes one Argon2id computation. CWE-294; ASVS 5.0: v5.0.0-6.5.1.
    Raises :class:`~pyward_guard.VerificationFailed`, and :class:`~pyward_guard.InvalidInput` for one hash instead of a list.

    >>> made = generate_recovery_codes(2)
    >>> use_recovery_code(made.codes[1].upper(), made.hashes) == made.hashes[1]
    True
    """
    if isinstance(hashes, str):
        raise InvalidInput("hashes is a list of the user's stored hashes")
    # What cannot be encoded is no code of anybody's.
    typed = code.encode("utf-8", "replace").decode()
    return hashes[_core.recovery_verify(typed, list(hashes))]


class RecoveryCodeStore(Protocol):
    """Where the hashes of users' unused codes are."""

    def hashes(self, user: str) -> Sequence[str]:
        """The user's stored hashes."""
        ...

    def remove(self, user: str, stored: str) -> bool:
        """Atomically: deletes the hash and gives True; gives False when it was not there any more.

        In SQL: ``DELETE FROM ... WHERE user = :user AND hash = :stored`` and one row deleted.
        """
        ...


def use_recovery_code_once(code: str, *, user: str, store: RecoveryCodeStore) -> None:
    """Checks a code and deletes it: of two requests with the same code, one gets through.

    CWE-294, CWE-362; ASVS 5.0: v5.0.0-6.5.1. Raises :class:`~pyward_guard.VerificationFailed`, and
    :class:`~pyward_guard.InvalidInput` for a store that does not answer with True or False.

    >>> made = generate_recovery_codes(2)
    >>> class Rows(dict):
    ...     def hashes(self, user): return self[user]
    ...     def remove(self, user, stored):
    ...         try:
    ...             self[user].remove(stored)
    ...             return True
    ...         except ValueError:
    ...             return False
    >>> rows = Rows(ada=list(made.hashes))
    >>> use_recovery_code_once(made.codes[0], user="ada", store=rows)
    >>> use_recovery_code_once(made.codes[0], user="ada", store=rows)
    Traceback (most recent call last):
    pyward_guard.VerificationFailed: verification failed
    """
    stored = use_recovery_code(code, store.hashes(user))
    _once.require_true(store.remove(user, stored), "a store of recovery codes")

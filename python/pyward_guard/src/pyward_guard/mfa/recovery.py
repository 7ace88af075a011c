"""Recovery codes: shown once, stored hashed, used once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .. import _core


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
    Raises :class:`~pyward_guard.VerificationFailed`.

    >>> made = generate_recovery_codes(2)
    >>> use_recovery_code(made.codes[1].upper(), made.hashes) == made.hashes[1]
    True
    """
    return hashes[_core.recovery_verify(code, list(hashes))]

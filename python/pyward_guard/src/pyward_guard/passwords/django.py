"""Django's password hashing and validation on the kit.

In the settings::

    PASSWORD_HASHERS = [
        "pyward_guard.passwords.django.GuardPasswordHasher",           # new hashes: Argon2id
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",            # old ones, replaced at the next log-in
    ]
    AUTH_PASSWORD_VALIDATORS = [
        {"NAME": "pyward_guard.passwords.django.GuardPasswordValidator", "OPTIONS": {"context": ["example shop"]}},
    ]
    PYWARD_PASSWORD_HASHER = PasswordHasher(peppers={...})              # optional

CWE-256, CWE-521, CWE-916; ASVS 5.0: v5.0.0-6.2.1, v5.0.0-6.2.4, v5.0.0-6.2.5, v5.0.0-6.2.11, v5.0.0-11.4.2. Needs the package
Django.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from .._optional import need
from .hashing import PasswordHasher
from .policy import BreachSource, PasswordPolicy

try:
    from django import conf
    from django.contrib.auth.hashers import BasePasswordHasher
    from django.core.exceptions import ValidationError
except ImportError:
    raise need("django", "pyward_guard.passwords.django") from None

__all__ = ["GuardPasswordHasher", "GuardPasswordValidator"]

_PREFIX = "guard$"
_DEFAULT = PasswordHasher()


def _usable(password: str) -> str | None:
    try:
        raw = password.encode()
    except UnicodeEncodeError:
        return None
    if len(raw) > 4096:
        return f"sha512:{hashlib.sha512(raw).hexdigest()}"
    return password or None


class GuardPasswordHasher(BasePasswordHasher):  # type: ignore[misc, unused-ignore]
    """A Django password hasher over the :class:`~pyward_guard.passwords.PasswordHasher` of the setting ``PYWARD_PASSWORD_HASHER``.

    By default Argon2id with the parameters that OWASP recommends. No password raises, since Django hashes one for users
    who do not exist, and an error would tell them apart (CWE-204): over 4096 bytes, its SHA-512 is hashed; an empty one
    or one with lone surrogates makes the account unusable with a password. CWE-916; ASVS 5.0: v5.0.0-11.4.2.

    Example: ``PASSWORD_HASHERS = ["pyward_guard.passwords.django.GuardPasswordHasher", ...]``
    """

    algorithm = "guard"

    @property
    def hasher(self) -> PasswordHasher:
        """The hasher of the settings."""
        found: PasswordHasher | None = getattr(conf.settings, "PYWARD_PASSWORD_HASHER", None)
        return found or _DEFAULT

    def salt(self) -> str:
        """Empty: every hash gets a salt of its own, inside."""
        return ""

    def encode(self, password: str, salt: str) -> str:
        """The text that Django stores."""
        usable = _usable(password)
        if usable is None:
            # The same work as for any other.
            self.hasher.verify("", None)
            return _PREFIX + "!"
        return _PREFIX + self.hasher.hash(usable)

    def verify(self, password: str, encoded: str) -> bool:
        """Whether the password belongs to what Django stored."""
        usable = _usable(password)
        return self.hasher.verify(usable or "", None if usable is None else encoded.removeprefix(_PREFIX)).ok

    def decode(self, encoded: str) -> dict[str, Any]:
        """The parts of a stored hash, for Django."""
        return {"algorithm": self.algorithm, "hash": encoded.removeprefix(_PREFIX), "salt": None}

    def must_update(self, encoded: str) -> Any:
        """Whether Django should store a new hash at this log-in."""
        return self.hasher.needs_rehash(encoded.removeprefix(_PREFIX))

    def safe_summary(self, encoded: str) -> dict[str, str]:
        """What the administration shows: the scheme."""
        return {"algorithm": encoded.removeprefix(_PREFIX).lstrip("$").split("$")[0]}

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Nothing to even out: the other hashers of the list do that for theirs."""


class GuardPasswordValidator:
    """A Django password validator over :class:`~pyward_guard.passwords.PasswordPolicy`; ``OPTIONS`` are its fields.

    ``min_length`` and ``max_length`` are characters, ``min_score`` is zxcvbn's (0 to 4), ``context`` words of the site,
    ``breaches`` the lists to ask. The user's name and e-mail address count as easy to guess. It takes the place of
    Django's four validators. CWE-521; ASVS 5.0: v5.0.0-6.2.1, v5.0.0-6.2.4, v5.0.0-6.2.5, v5.0.0-6.2.11.

    >>> GuardPasswordValidator(context=["example shop"]).get_help_text()
    'Use at least 12 characters that are hard to guess.'
    """

    def __init__(
        self,
        *,
        min_length: int = 12,
        max_length: int = 256,
        min_score: int = 3,
        context: Sequence[str] = (),
        breaches: Sequence[BreachSource] = (),
    ) -> None:
        self.policy = PasswordPolicy(min_length=min_length, max_length=max_length, min_score=min_score, context=context, breaches=breaches)

    def validate(self, password: str, user: Any = None) -> None:
        """Raises Django's ``ValidationError`` with a message for each rule that the password breaks."""
        words = [str(getattr(user, name, "") or "") for name in ("username", "first_name", "last_name", "email")] if user is not None else []
        report = self.policy.check(password, user_words=[word for word in words if word])
        if not report:
            raise ValidationError([ValidationError(problem.message, code=problem.code) for problem in report.problems])

    def get_help_text(self) -> str:
        """One sentence for the form."""
        return f"Use at least {self.policy.min_length} characters that are hard to guess."

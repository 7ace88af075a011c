"""Django's password hashing and validation on pyward-guard."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.hashers import BasePasswordHasher
from django.core.exceptions import ValidationError
from pyward_guard import passwords

_PREFIX = "guard$"


class GuardPasswordHasher(BasePasswordHasher):
    """Argon2id with the parameters that OWASP recommends."""

    algorithm = "guard"

    def salt(self) -> str:
        return ""  # every hash gets its own, inside

    def encode(self, password: str, salt: str) -> str:
        return _PREFIX + passwords.hash(password)

    def verify(self, password: str, encoded: str) -> bool:
        return passwords.verify(password, encoded.removeprefix(_PREFIX)).ok

    def decode(self, encoded: str) -> dict[str, Any]:
        return {"algorithm": self.algorithm, "hash": encoded.removeprefix(_PREFIX), "salt": None}

    def must_update(self, encoded: str) -> bool:
        return passwords.PasswordHasher().needs_rehash(encoded.removeprefix(_PREFIX))

    def safe_summary(self, encoded: str) -> dict[str, str]:
        return {"algorithm": "argon2id"}

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Every hash takes the same time."""


class GuardPasswordValidator:
    """Length, strength and context words."""

    def __init__(self) -> None:
        self._policy = passwords.PasswordPolicy(context=("vault",))

    def validate(self, password: str, user: Any = None) -> None:
        words = [user.get_username()] if user is not None else []
        report = self._policy.check(password, user_words=words)
        if not report:
            raise ValidationError([problem.message for problem in report.problems])

    def get_help_text(self) -> str:
        return f"Use at least {self._policy.min_length} characters that are hard to guess."

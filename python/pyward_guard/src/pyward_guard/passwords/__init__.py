"""Passwords: hash, verify, check, generate.

>>> from pyward_guard import passwords
>>> stored = passwords.hash("correct horse battery staple")
>>> passwords.verify("correct horse battery staple", stored).ok
True
>>> passwords.verify("wrong", stored).ok
False

Log-in in one step, without telling whether the user exists, and with an upgrade of old hashes:

>>> users = {"ada": stored}
>>> result = passwords.verify("correct horse battery staple", users.get("ada"))
>>> if result and result.needs_rehash:
...     users["ada"] = passwords.hash("correct horse battery staple")
>>> bool(passwords.verify("guess", users.get("nobody")))
False
"""

from __future__ import annotations

from .hashing import PasswordHasher, Verification, hash, hash_async, verify, verify_async
from .policy import (
    BreachFile,
    BreachRanges,
    CommonPasswords,
    GeneratedPassword,
    PasswordPolicy,
    PolicyProblem,
    PolicyReport,
    RemoteRanges,
    Strength,
    generate_passphrase,
    generate_password,
    strength,
)

__all__ = [
    "BreachFile",
    "BreachRanges",
    "CommonPasswords",
    "GeneratedPassword",
    "PasswordHasher",
    "PasswordPolicy",
    "PolicyProblem",
    "PolicyReport",
    "RemoteRanges",
    "Strength",
    "Verification",
    "generate_passphrase",
    "generate_password",
    "hash",
    "hash_async",
    "strength",
    "verify",
    "verify_async",
]

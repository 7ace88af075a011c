"""Hashing and verifying passwords.

CWE-256, CWE-759, CWE-916; ASVS 5.0: v5.0.0-11.4.2.

>>> import asyncio
>>> async def sign_up_and_in(password):
...     stored = await hash_async(password)
...     return bool(await verify_async(password, stored))
>>> asyncio.run(sign_up_and_in("correct horse battery staple"))
True
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from .. import _core
from .._core import InvalidInput

_SCHEMES = ("argon2id", "bcrypt", "scrypt")


@dataclass(frozen=True)
class Verification:
    """Outcome of :meth:`PasswordHasher.verify`; true when the password is right.

    ``ok``: the password is right. ``needs_rehash``: store a new hash now. ``scheme``: what the stored hash was made with (``dummy``
    work reports that of the hasher). ``truncated``: bcrypt looked at the first 72 bytes only.
    """

    #: The password is right.
    ok: bool
    #: The password is right, and the stored hash should be replaced by a new one: other parameters, scheme or pepper.
    needs_rehash: bool
    #: How the stored hash was made: ``argon2id``, ``bcrypt``, ``pbkdf2``, ...
    scheme: str
    #: bcrypt looked at the first 72 bytes of the password only.
    truncated: bool

    def __bool__(self) -> bool:
        return self.ok


class PasswordHasher:
    """Hashes passwords with one scheme and verifies what this and other libraries stored.

    ``scheme`` is ``"argon2id"`` (default; ``memory_kib`` 19456, ``time_cost`` 2, ``parallelism`` 1: the OWASP
    recommendation), ``"bcrypt"`` (``time_cost`` 12: base-2 logarithm of the rounds) or ``"scrypt"`` (``time_cost`` 17:
    base-2 logarithm of N, block size 8, ``parallelism`` 1). Parameters below the OWASP minimum are refused.

    ``peppers`` maps ids to secrets of at least 16 bytes that are kept outside the database; the first is used for new
    hashes, all verify. ``bcrypt_prehash`` makes bcrypt take passwords of any length (passlib's ``bcrypt-sha256``);
    without it, passwords that bcrypt would cut at 72 bytes are refused when hashing.

    At most ``max_concurrency`` hashes (default: the number of processors) that take ``max_memory_mib`` together are
    computed at a time; others wait, in the order of coming. The interpreter lock is released meanwhile. Instances are
    safe to share, and have threads of their own after a fork. What a stored hash may ask for is bounded, too: 1 GiB (or
    ``max_memory_mib``) and some ten seconds.

    Verifies: Argon2 (all variants), bcrypt, scrypt, PBKDF2, SHA-crypt, and the formats of Django, passlib (LDAP's, GRUB's
    and Atlassian's PBKDF2 among them) and Werkzeug. Marks of accounts without a password (Django's ``!``, ``*``) verify as no.

    Raises :class:`~pyward_guard.InvalidInput` for another scheme and for parameters below the minimum.

    Protects against CWE-256, CWE-916, CWE-759, CWE-760, CWE-204, CWE-400.
    ASVS 5.0: v5.0.0-11.4.2, v5.0.0-6.2.8, v5.0.0-6.3.8, v5.0.0-15.2.2.

    >>> hasher = PasswordHasher(peppers={"2026": b"a secret from the environment"})
    >>> stored = hasher.hash("correct horse battery staple")
    >>> stored.startswith("$pepper-hmac-sha256$k=2026$argon2id$v=19$m=19456,t=2,p=1$")
    True
    >>> hasher.verify("correct horse battery staple", stored)
    Verification(ok=True, needs_rehash=False, scheme='argon2id', truncated=False)
    """

    def __init__(
        self,
        scheme: Literal["argon2id", "bcrypt", "scrypt"] = "argon2id",
        *,
        time_cost: int | None = None,
        memory_kib: int = 19456,
        parallelism: int = 1,
        peppers: Mapping[str, bytes | str] | None = None,
        bcrypt_prehash: bool = False,
        max_concurrency: int | None = None,
        max_memory_mib: int = 1024,
    ) -> None:
        if scheme not in _SCHEMES:
            raise InvalidInput("the scheme is argon2id, bcrypt or scrypt")
        cost = time_cost if time_cost is not None else {"argon2id": 2, "bcrypt": 12, "scrypt": 17}[scheme]
        self._workers = max_concurrency if max_concurrency is not None else os.cpu_count() or 1
        numbers = {
            "time_cost": cost, "memory_kib": memory_kib, "parallelism": parallelism,
            "max_concurrency": self._workers, "max_memory_mib": max_memory_mib,
        }
        for name, number in numbers.items():
            if type(number) is not int or not 1 <= number < 1 << 31:
                raise InvalidInput(f"{name} is a whole number from 1 on")
        self._core = _core.PasswordHasher(
            scheme,
            cost,
            8 if scheme == "scrypt" else memory_kib,
            parallelism,
            bcrypt_prehash,
            list((peppers or {}).items()),
            self._workers,
            max_memory_mib * 1024,
        )
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._process = 0

    @classmethod
    def calibrated(
        cls,
        target_seconds: float = 0.25,
        *,
        memory_kib: int = 19456,
        parallelism: int = 1,
        peppers: Mapping[str, bytes | str] | None = None,
        max_concurrency: int | None = None,
        max_memory_mib: int = 1024,
    ) -> PasswordHasher:
        """An Argon2id hasher whose hash takes about ``target_seconds`` (0.01 to 10) on this host, measured now.

        Never below the OWASP minimum. Run it once per deployment and write the result down: hosts that measure
        differently would rehash one another's passwords.

        >>> PasswordHasher.calibrated(0.05).hash("correct horse").startswith("$argon2id$")
        True
        """
        time_cost = _core.password_calibrate(target_seconds, memory_kib, parallelism)
        return cls(
            time_cost=time_cost,
            memory_kib=memory_kib,
            parallelism=parallelism,
            peppers=peppers,
            max_concurrency=max_concurrency,
            max_memory_mib=max_memory_mib,
        )

    def __repr__(self) -> str:
        return f"PasswordHasher({self._core!r})"

    def hash(self, password: str | bytes) -> str:
        """The text to store for a password: scheme, parameters, fresh salt, hash.

        Raises :class:`~pyward_guard.InvalidInput` for an empty password, one over 4096 bytes, or one that bcrypt would cut.
        """
        return self._core.hash(password)

    def verify(self, password: str | bytes, stored: str | None) -> Verification:
        """Whether ``password`` belongs to ``stored``, and whether to store a new hash.

        Give ``None`` when there is no such user: the same work is done, so that the time does not tell. No password
        raises, whatever a client sent: one over 4096 bytes or with lone surrogates is wrong.
        Raises :class:`~pyward_guard.InvalidInput` when ``stored`` is malformed or asks for unreasonable work, and
        :class:`~pyward_guard.UnknownKey` when its pepper is not configured.
        """
        return Verification(*self._core.verify(password, stored))

    def needs_rehash(self, stored: str) -> bool:
        """Whether a stored hash is not what this hasher would make: replace it at the user's next log-in.

        >>> PasswordHasher().needs_rehash("pbkdf2_sha256$600000$salt$7EXNPxYm9xi02iqcqbtzUAbhMDqTFmWvGSYlUOXyRCs=")
        True
        """
        return self._core.needs_rehash(stored)

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None or self._process != os.getpid():
                # The threads of an executor do not survive a fork, and nobody would take its work.
                self._process = os.getpid()
                self._executor = ThreadPoolExecutor(self._workers, thread_name_prefix="pyward-password")
            return self._executor

    async def hash_async(self, password: str | bytes) -> str:
        """:meth:`hash` in a thread: the event loop goes on meanwhile.

        A task that is cancelled while it waits its turn computes nothing.

        >>> asyncio.run(PasswordHasher().hash_async("correct horse")).startswith("$argon2id$")
        True
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool(), self.hash, password)

    async def verify_async(self, password: str | bytes, stored: str | None) -> Verification:
        """:meth:`verify` in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool(), self.verify, password, stored)


_default: PasswordHasher | None = None


def _hasher() -> PasswordHasher:
    global _default
    if _default is None:
        _default = PasswordHasher()
    return _default


def hash(password: str | bytes) -> str:
    """:meth:`PasswordHasher.hash` with the defaults.

    CWE-256, CWE-916; ASVS 5.0: v5.0.0-11.4.2.

    >>> hash("correct horse").startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    True
    """
    return _hasher().hash(password)


def verify(password: str | bytes, stored: str | None) -> Verification:
    """:meth:`PasswordHasher.verify` with the defaults.

    CWE-256, CWE-916; ASVS 5.0: v5.0.0-6.2.8, v5.0.0-6.3.8.

    >>> verify("correct horse", None).ok
    False
    """
    return _hasher().verify(password, stored)


async def hash_async(password: str | bytes) -> str:
    """:meth:`PasswordHasher.hash_async` with the defaults. CWE-256, CWE-916; ASVS 5.0: v5.0.0-11.4.2."""
    return await _hasher().hash_async(password)


async def verify_async(password: str | bytes, stored: str | None) -> Verification:
    """:meth:`PasswordHasher.verify_async` with the defaults. CWE-256, CWE-916; ASVS 5.0: v5.0.0-6.2.8, v5.0.0-6.3.8."""
    return await _hasher().verify_async(password, stored)

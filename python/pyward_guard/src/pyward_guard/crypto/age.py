"""Files in the age format (age-encryption.org/v1), for exchange with people and tools such as ``age`` and ``rage``.

For data of an application use :func:`pyward_guard.crypto.encrypt_file`. CWE-311, CWE-353; ASVS 5.0: v5.0.0-11.3.3, v5.0.0-11.6.2.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from .. import _core
from .streams import run, transform

__all__ = ["decrypt", "decrypt_file", "encrypt", "encrypt_file", "generate_identity"]


def generate_identity() -> tuple[str, str]:
    """A new key pair: (``AGE-SECRET-KEY-1...``, ``age1...``).

    CWE-311; ASVS 5.0: v5.0.0-11.6.1.

    >>> identity, recipient = generate_identity()
    >>> decrypt(encrypt(b"hello", [recipient]), [identity])
    b'hello'
    """
    return _core.age_generate()


def encrypt(data: bytes, recipients: Sequence[str] = (), *, passphrase: str | None = None) -> bytes:
    """Encrypts for recipients (``age1...``), or with a passphrase (scrypt, about a quarter of a second).

    Raises :class:`~pyward_guard.InvalidInput` for neither, both, or malformed recipients.

    CWE-311; ASVS 5.0: v5.0.0-11.3.3, v5.0.0-11.4.4.

    >>> decrypt(encrypt(b"hello", passphrase="correct horse"), passphrase="correct horse")
    b'hello'
    """
    return run(_core.CipherStream.age_encryptor(list(recipients), passphrase), data)


def decrypt(data: bytes, identities: Sequence[str] = (), *, passphrase: str | None = None) -> bytes:
    """Decrypts with secret keys or a passphrase.

    Raises :class:`~pyward_guard.UnknownKey` when no key fits, else :class:`~pyward_guard.VerificationFailed`.

    CWE-311; ASVS 5.0: v5.0.0-11.3.3.

    >>> identity, recipient = generate_identity()
    >>> decrypt(encrypt(b"hello", [recipient]), [identity])
    b'hello'
    """
    return run(_core.CipherStream.age_decryptor(list(identities), passphrase), data)


def encrypt_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    recipients: Sequence[str] = (),
    *,
    passphrase: str | None = None,
) -> None:
    """Encrypts a file of any size; ``target`` appears complete or not at all.

    Raises :class:`~pyward_guard.InvalidInput` for neither recipients nor passphrase, both, or malformed ones; ``OSError``.

    CWE-311; ASVS 5.0: v5.0.0-11.3.3, v5.0.0-11.4.4.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> path = os.path.join(folder, "report")
    >>> with open(path, "wb") as file:
    ...     _ = file.write(b"hello")
    >>> identity, recipient = generate_identity()
    >>> encrypt_file(path, path + ".age", [recipient])
    >>> decrypt_file(path + ".age", path + ".out", [identity])
    >>> with open(path + ".out", "rb") as file:
    ...     file.read()
    b'hello'
    """
    transform(source, target, _core.CipherStream.age_encryptor(list(recipients), passphrase))


def decrypt_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    identities: Sequence[str] = (),
    *,
    passphrase: str | None = None,
) -> None:
    """Decrypts a file; ``target`` appears when all of it is verified, or not at all.

    Raises :class:`~pyward_guard.UnknownKey` when no key fits, else :class:`~pyward_guard.VerificationFailed`; ``OSError``.

    CWE-311; ASVS 5.0: v5.0.0-11.3.3.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "damaged.age")
    >>> with open(path, "wb") as file:
    ...     _ = file.write(encrypt(b"hello", passphrase="correct horse")[:-1])
    >>> decrypt_file(path, path + ".out", passphrase="correct horse")
    Traceback (most recent call last):
    pyward_guard.VerificationFailed: verification failed
    >>> os.path.exists(path + ".out")
    False
    """
    transform(source, target, _core.CipherStream.age_decryptor(list(identities), passphrase))

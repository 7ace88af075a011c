"""Where key sets come from: environment, file, OS keyring, key management service.

CWE-321, CWE-522, CWE-732; ASVS 5.0: v5.0.0-13.3.1, v5.0.0-13.3.2.
"""

from __future__ import annotations

import os
import stat
import tempfile
from typing import Protocol

from .._core import InvalidInput, KeySet, Refused, Unsupported
from .._optional import need, need_posix
from .envelope import KeyWrapper, unwrap_keyset, wrap_keyset

__all__ = ["EnvironmentKeys", "FileKeys", "KeyProvider", "KeyringKeys", "WrappedKeys"]

_MAX_FILE = 1 << 20


class KeyProvider(Protocol):
    """Gives and keeps a key set."""

    def load(self) -> KeySet:
        """The key set. Raises :class:`~pyward_guard.GuardError` or ``OSError`` when there is none to be had."""
        ...

    def save(self, keys: KeySet) -> None:
        """Stores the key set, or raises as :meth:`load` does."""
        ...


class EnvironmentKeys:
    """A key set (JSON) in an environment variable, put there by the deployment's secret store.

    CWE-311, CWE-312; ASVS 5.0: v5.0.0-13.3.1.

    >>> os.environ["APP_KEYS"] = KeySet.generate("aead").to_json()
    >>> EnvironmentKeys("APP_KEYS").load().kind
    'aead'
    """

    def __init__(self, variable: str) -> None:
        self._variable = variable

    def load(self) -> KeySet:
        """The key set. Raises :class:`~pyward_guard.InvalidInput` when the variable is missing or malformed."""
        text = os.environ.get(self._variable)
        if not text:
            raise InvalidInput(f"the environment variable {self._variable} is not set")
        return KeySet.from_json(text)

    def save(self, keys: KeySet) -> None:
        """Not possible: change it in the secret store. Raises :class:`~pyward_guard.Unsupported`."""
        raise Unsupported("an environment variable cannot be saved: change it in the deployment's secret store")


class FileKeys:
    """A key set (JSON) in a file that nobody but its owner can read or write.

    Files, links and folders that others could have changed are refused, and so are files others can read.

    CWE-312, CWE-732; ASVS 5.0: v5.0.0-13.3.1, v5.0.0-13.3.2.

    >>> folder = tempfile.mkdtemp()
    >>> provider = FileKeys(os.path.join(folder, "keys.json"))
    >>> provider.save(KeySet.generate("aead"))
    >>> provider.load().kind
    'aead'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.path.abspath(os.fspath(path))

    def _read(self) -> str:
        need_posix("the permission check of key files")
        # The checks are made on the open file, so that nobody can swap it in between.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            handle = os.open(self._path, flags)
        except OSError as error:
            if error.errno is not None and os.path.islink(self._path):
                raise Refused("refused: the key file is a symbolic link") from None
            raise
        with os.fdopen(handle, "rb") as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode):
                raise Refused("refused: the key file is no regular file")
            if info.st_uid not in (os.geteuid(), 0):
                raise Refused("refused: the key file belongs to somebody else")
            if stat.S_IMODE(info.st_mode) & 0o077:
                raise Refused("refused: the key file is open to others (chmod 600)")
            folder = os.stat(os.path.dirname(self._path))
            if folder.st_uid not in (os.geteuid(), 0):
                raise Refused("refused: the folder of the key file belongs to somebody else")
            if folder.st_mode & 0o022 and not folder.st_mode & stat.S_ISVTX:
                raise Refused("refused: the folder of the key file can be written by others")
            data = file.read(_MAX_FILE + 1)
        if len(data) > _MAX_FILE:
            raise InvalidInput("the key file is too large")
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise InvalidInput("the key file is no text") from None

    def _write(self, text: str) -> None:
        handle, name = tempfile.mkstemp(prefix=".pyward-", dir=os.path.dirname(self._path))
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._path)
        except BaseException:
            os.unlink(name)
            raise

    def load(self) -> KeySet:
        """The key set. Raises ``OSError``, :class:`~pyward_guard.Refused` or :class:`~pyward_guard.InvalidInput`."""
        return KeySet.from_json(self._read())

    def save(self, keys: KeySet) -> None:
        """Replaces the file at once, with mode 0600."""
        self._write(keys.to_json())


class KeyringKeys:
    """A key set in the keyring of the operating system, through the package ``keyring``.

    Backends that store in the clear or not at all are refused.

    Raises :class:`~pyward_guard.MissingPackage` without ``keyring``, :class:`~pyward_guard.Unsupported` for such a backend.

    CWE-311, CWE-312; ASVS 5.0: v5.0.0-13.3.1.

    Example: ``KeyringKeys("shop", "cards").load()``
    """

    def __init__(self, service: str, name: str) -> None:
        try:
            import keyring
        except ImportError:
            raise need("keyring", "KeyringKeys") from None
        backend = keyring.get_keyring()
        # A chain falls back from one backend to the next.
        for part in (backend, *getattr(backend, "backends", ())):
            kind = type(part)
            if kind.__module__.endswith((".fail", ".null")) or "plaintext" in kind.__name__.lower():
                raise Unsupported("there is no OS keyring here that protects what it stores")
        self._keyring, self._service, self._name = keyring, service, name

    def load(self) -> KeySet:
        """The key set. Raises :class:`~pyward_guard.InvalidInput` when there is none."""
        text = self._keyring.get_password(self._service, self._name)
        if text is None:
            raise InvalidInput("the keyring has no such key set")
        return KeySet.from_json(text)

    def save(self, keys: KeySet) -> None:
        """Stores the key set."""
        self._keyring.set_password(self._service, self._name, keys.to_json())


class WrappedKeys:
    """A key set in a file, encrypted by a :class:`~pyward_guard.crypto.KeyWrapper` (cloud KMS, HSM, local master key).

    ``context`` is bound to the file: use the name of the application and of the key set.

    CWE-311, CWE-312; ASVS 5.0: v5.0.0-13.3.1, v5.0.0-13.3.3.

    >>> from pyward_guard.crypto import LocalKeyWrapper
    >>> master = LocalKeyWrapper(KeySet.generate("aead"))
    >>> provider = WrappedKeys(os.path.join(tempfile.mkdtemp(), "keys.json"), master, context=b"shop/cards")
    >>> provider.save(KeySet.generate("aead"))
    >>> provider.load().kind
    'aead'
    """

    def __init__(self, path: str | os.PathLike[str], wrapper: KeyWrapper, *, context: bytes) -> None:
        self._file = FileKeys(path)
        self._wrapper, self._context = wrapper, context

    def load(self) -> KeySet:
        """The key set. Raises what :class:`FileKeys` and the wrapper raise."""
        return unwrap_keyset(self._file._read(), self._wrapper, context=self._context)

    def save(self, keys: KeySet) -> None:
        """Replaces the file at once."""
        self._file._write(wrap_keyset(keys, self._wrapper, context=self._context))

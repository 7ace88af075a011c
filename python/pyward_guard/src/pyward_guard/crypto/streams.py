"""Encryption of files and streams of any size.

Key sets are those of :mod:`pyward_guard.crypto`; their rotation protects against CWE-320 and CWE-324.

>>> KeySet.generate("mac").rotate() > 0
True
"""

from __future__ import annotations

import io
import logging
import os
import sys
import tempfile
from typing import IO

from .. import _core
from .._core import InvalidInput, KeySet, VerificationFailed

__all__ = ["DecryptingReader", "EncryptingWriter", "decrypt_file", "encrypt_file"]

_CHUNK = 1 << 20

_log = logging.getLogger("pyward_guard.crypto")


class EncryptingWriter(io.RawIOBase):
    """A binary file object that encrypts what is written to it into ``target``. Use it in a ``with`` block, or close it:
    without the end, the ciphertext counts as cut off.

    ``keys`` is a key set of the kind ``"streaming"`` (AES-256-GCM in segments of 1 MiB, Tink's ``AES256_GCM_HKDF_1MB``).
    ``target`` stays open. The end says that all data is there, so it is written when the ``with`` block of the writer is left
    without an exception (a ``TextIOWrapper`` or the like that closes the writer before then does not write it), or, without
    such a block, by :meth:`close` outside of the handling of an exception. A writer that was forgotten, together with what
    wraps it or not, writes none.

    CWE-311, CWE-353; ASVS 5.0: v5.0.0-11.3.3, v5.0.0-11.3.2, v5.0.0-11.3.4.

    >>> keys, target = KeySet.generate("streaming"), io.BytesIO()
    >>> with EncryptingWriter(target, keys, b"backup") as writer:
    ...     _ = writer.write(b"a" * 3_000_000)
    >>> _ = target.seek(0)
    >>> len(DecryptingReader(target, keys, b"backup").read())
    3000000
    """

    def __init__(self, target: IO[bytes], keys: KeySet, associated_data: bytes = b"") -> None:
        self._target = target
        self._core = _core.CipherStream.encryptor(keys, associated_data)
        self._failed = self._ended = self._within = False
        # A writer may be used from start to end in an except block.
        self._handled = sys.exc_info()[1]

    def _put(self, data: bytes) -> None:
        taken: int | None = self._target.write(data)
        rest = memoryview(data)
        # Unbuffered files may take a part only, or nothing; what else gives no number took all of it.
        while taken is not None and taken < len(rest):
            rest = rest[taken:]
            taken = self._target.write(rest)
        if taken is None and isinstance(self._target, io.RawIOBase):
            raise BlockingIOError("the target does not block, and took nothing")

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: object) -> int:
        """Takes all of ``data``. Raises ``ValueError`` after :meth:`close`."""
        if self.closed:
            raise ValueError("the stream is closed")
        # Not bytes(data): that of a number is a run of zeros.
        chunk = memoryview(data).tobytes()  # type: ignore[arg-type]
        try:
            self._put(self._core.update(chunk))
        except BaseException:
            self._failed = True
            raise
        return len(chunk)

    def _end(self) -> None:
        if not (self._failed or self._ended):
            self._ended = True
            self._put(self._core.finish())

    def __enter__(self) -> EncryptingWriter:
        super().__enter__()
        self._within = True
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        self._within = False
        self._failed |= kind is not None
        # Also after a close(), which left the end to this.
        self._end()
        super().close()

    def close(self) -> None:
        """Takes no more data, and writes the end, unless the ``with`` block of the writer has yet to decide on it or an
        exception is being handled (there, :meth:`finish` does)."""
        if self.closed:
            return
        if not (self._within or self._failed or self._ended):
            # What wraps this closes it on its way out of a ``with`` block whatever the reason.
            raised = sys.exc_info()[1]
            if raised is not None and raised is not self._handled:
                self._failed = True
                _log.warning("an encrypted stream was closed while an exception was handled: its end is not written")
            self._end()
        super().close()

    def finish(self) -> None:
        """Writes the end and closes, in an ``except`` block too. Raises ``ValueError`` when a write failed, or when the
        stream was closed without its end.

        >>> writer = EncryptingWriter(io.BytesIO(), KeySet.generate("streaming"))
        >>> writer.finish()
        >>> writer.closed
        True
        """
        if self._failed:
            raise ValueError("a stream that failed gets no end")
        self._end()
        super().close()

    def _dealloc_warn(self, source: object) -> None:
        # Called by the finalisers of io's own wrappers before they close what they wrap.
        self._failed |= not self._within

    def __del__(self) -> None:
        # A forgotten writer must not make its ciphertext look complete.
        self._failed = True


class DecryptingReader(io.RawIOBase):
    """A binary file object that reads the plaintext of ``source``. What it gives is verified segment by segment.

    Only the end proves that the stream is complete: act on the data after the last read, or use :func:`decrypt_file`.
    Reads raise :class:`~pyward_guard.VerificationFailed` for changed, swapped or missing segments.

    CWE-353, CWE-354; ASVS 5.0: v5.0.0-11.3.3.

    >>> sealed, keys = io.BytesIO(), KeySet.generate("streaming")
    >>> with EncryptingWriter(sealed, keys) as writer:
    ...     _ = writer.write(b"secret")
    >>> DecryptingReader(io.BytesIO(sealed.getvalue()), keys).read()
    b'secret'
    >>> DecryptingReader(io.BytesIO(sealed.getvalue()[:-1]), keys).read()
    Traceback (most recent call last):
    pyward_guard.VerificationFailed: verification failed
    """

    def __init__(self, source: IO[bytes], keys: KeySet, associated_data: bytes = b"") -> None:
        self._source = source
        self._core = _core.CipherStream.decryptor(keys, associated_data)
        self._ready = b""
        self._at = 0
        self._ended = False
        self._failed = False

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fills ``buffer`` with verified plaintext; 0 at the verified end."""
        if self._failed:
            # Not the end: whoever reads on after an error must not take the stream for complete.
            raise VerificationFailed("verification failed")
        while self._at >= len(self._ready) and not self._ended:
            data = self._source.read(_CHUNK)
            try:
                self._ready = self._core.update(data) if data else self._core.finish()
            except BaseException:
                self._failed = True
                raise
            self._ended = not data
            self._at = 0
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        count = min(len(view), len(self._ready) - self._at)
        view[:count] = self._ready[self._at : self._at + count]
        self._at += count
        return count


def transform(
    source: str | os.PathLike[str], target: str | os.PathLike[str], core: _core.CipherStream
) -> None:
    """Runs a file through a cipher into a private temporary file that takes the target's name when all is well."""
    folder = os.path.dirname(os.path.abspath(target))
    handle, name = tempfile.mkstemp(prefix=".pyward-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as out, open(source, "rb") as data:
            while chunk := data.read(_CHUNK):
                out.write(core.update(chunk))
            out.write(core.finish())
            out.flush()
            os.fsync(out.fileno())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def encrypt_file(
    source: str | os.PathLike[str], target: str | os.PathLike[str], keys: KeySet, associated_data: bytes = b""
) -> None:
    """Encrypts a file. ``target`` appears complete, with mode 0600, or not at all.

    >>> folder = tempfile.mkdtemp()
    >>> path, keys = os.path.join(folder, "a"), KeySet.generate("streaming")
    >>> with open(path, "wb") as file:
    ...     _ = file.write(b"secret")
    >>> encrypt_file(path, path + ".enc", keys)
    >>> decrypt_file(path + ".enc", path, keys)
    >>> with open(path, "rb") as file:
    ...     file.read()
    b'secret'

    CWE-311, CWE-312, CWE-377; ASVS 5.0: v5.0.0-11.3.3.
    """
    transform(source, target, _core.CipherStream.encryptor(keys, associated_data))


def decrypt_file(
    source: str | os.PathLike[str], target: str | os.PathLike[str], keys: KeySet, associated_data: bytes = b""
) -> None:
    """Decrypts a file. ``target`` appears when the whole of it is verified, or not at all.

    Raises :class:`~pyward_guard.VerificationFailed` for a changed or cut-off file.

    CWE-353, CWE-354; ASVS 5.0: v5.0.0-11.3.3.

    >>> path = os.path.join(tempfile.mkdtemp(), "cut")
    >>> with open(path, "wb") as file:
    ...     _ = file.write(b"no ciphertext")
    >>> decrypt_file(path, path + ".out", KeySet.generate("streaming"))
    Traceback (most recent call last):
    pyward_guard.VerificationFailed: verification failed
    """
    transform(source, target, _core.CipherStream.decryptor(keys, associated_data))


def run(core: _core.CipherStream, data: bytes) -> bytes:
    """All of ``data`` in one go."""
    if not isinstance(data, bytes):
        raise InvalidInput("bytes are needed")
    return core.update(data) + core.finish()

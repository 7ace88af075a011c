"""Files beneath a base directory, safe names, safe extraction, upload checks, private temporary files.

A name from outside never reaches ``open``: it goes through a :class:`Directory`, which resolves it so that
``..``, absolute paths and symbolic links, also links swapped in at the last moment, cannot lead out of the base.
On Linux the kernel enforces this in one call (``openat2`` with ``RESOLVE_BENEATH``); elsewhere every component is
opened by a handle on its parent.

Practice: I6. Protects against CWE-22, CWE-23, CWE-36, CWE-59, CWE-61, CWE-67, CWE-73, CWE-367, CWE-377, CWE-409,
CWE-434.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, BinaryIO, Literal, TextIO, overload

from . import _core
from ._core import InvalidInput, LimitExceeded, Refused
from ._optional import need

__all__ = [
    "ArchiveLimits",
    "Directory",
    "Entry",
    "ExtractReport",
    "Upload",
    "UploadPolicy",
    "check_relative",
    "is_device_name",
    "reencode_image",
    "resolution",
    "safe_name",
    "sniff",
    "temporary_directory",
    "temporary_file",
]

RelativePath = str | os.PathLike[str]
TextMode = Literal["r", "r+", "w", "x", "a"]
BinaryMode = Literal["rb", "rb+", "r+b", "wb", "xb", "ab"]

_MIB = 1 << 20


def _text(path: RelativePath) -> str:
    name = os.fspath(path)
    if not isinstance(name, str):
        raise InvalidInput("the path is a str or a path object of str")
    if os.sep != "/" and isinstance(path, os.PathLike):
        name = name.replace(os.sep, "/")
    return name


def _utf8(name: str) -> str:
    # Lone surrogates (undecodable file names) do not reach the core: they have no UTF-8 form.
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidInput("the name is not valid Unicode") from None
    return name


def check_relative(path: RelativePath) -> str:
    """The path as text if, by its letters alone, it stays beneath its base; otherwise an error.

    Refused: empty, over 4095 bytes (255 a component), NUL, absolute, ``..``, backslash, drive prefix, device name.
    This does not look at the file system: open files through :class:`Directory`.

    ASVS 5.0: v5.0.0-5.3.2. CWE-22, CWE-23, CWE-36, CWE-67.

    Raises:
        InvalidInput: empty or too long.
        Refused: it would leave the base or names a device.

    >>> check_relative("a/b.txt")
    'a/b.txt'
    >>> check_relative("a/../../etc/passwd")
    Traceback (most recent call last):
    pyward_guard.Refused: refused: the path has a `..` component
    """
    text = _utf8(_text(path))
    _core.paths_check_relative(text)
    return text


def is_device_name(name: str) -> bool:
    """True for names that Windows reserves for devices, with or without an extension.

    CWE-67; ASVS 5.0: v5.0.0-5.3.2.

    >>> is_device_name("nul.txt"), is_device_name("null.txt")
    (True, False)
    """
    return _core.paths_is_device_name(_utf8(name))


def safe_name(name: str, *, max_bytes: int = 200) -> str:
    """A file name from outside made harmless on every platform.

    Directory parts, control, format and bidirectional characters, ``<>:"/\\|?*``, leading dots and dashes and
    trailing dots and spaces go; the rest is NFC-normalised; device names get a leading underscore; a name longer than
    ``max_bytes`` (1 to 255) is cut and keeps its extension.

    ASVS 5.0: v5.0.0-5.3.2, v5.0.0-5.4.1, v5.0.0-5.4.2. CWE-22, CWE-73, CWE-451.

    Raises:
        InvalidInput: nothing of the name can be kept.

    >>> safe_name("../../etc/passwd"), safe_name("-rf ~"), safe_name("CON.txt")
    ('passwd', 'rf ~', '_CON.txt')
    """
    return _core.paths_safe_name(name.encode("utf-8", "ignore").decode(), max_bytes)


def sniff(content: bytes) -> str | None:
    """Media type of ``content`` (the start of a file, 8 KiB suffice) by its bytes; ``None`` when they say nothing.

    Markup wins over magic numbers, since some program will run it. Unknown binary formats are
    ``application/octet-stream``.

    CWE-434, CWE-646; ASVS 5.0: v5.0.0-5.2.2.

    >>> sniff(b"GIF89a..."), sniff(b" <script>alert(1)</script>"), sniff(b"plain")
    ('image/gif', 'text/html', 'text/plain')
    """
    return _core.paths_sniff(content)


def resolution() -> Literal["openat2", "walk"]:
    """How this host resolves paths: by the kernel in one call, or component by component over handles.

    CWE-22, CWE-367; ASVS 5.0: v5.0.0-5.3.2.

    >>> resolution() in ("openat2", "walk")
    True
    """
    return _core.paths_resolution()


@dataclass(frozen=True)
class Entry:
    """One directory entry; symbolic links are not followed.

    ``name`` is that within its directory, ``kind`` what it is, ``size`` bytes.
    """

    name: str
    kind: Literal["file", "directory", "symlink", "other"]
    size: int
    """Bytes."""


@dataclass(frozen=True)
class ArchiveLimits:
    """Bounds of an extraction; all sizes in bytes.

    ``max_archive_bytes`` bounds the archive, ``max_file_bytes`` each file and ``max_total_bytes`` all of them; ``max_depth`` counts
    directories below one another. ``file_permissions`` and ``directory_permissions`` are the mode bits of what is made.

    ASVS 5.0: v5.0.0-5.2.3, v5.0.0-5.2.5. CWE-409, CWE-770.

    >>> ArchiveLimits(max_total_bytes=10_000_000).max_entries
    10000
    """

    max_archive_bytes: int = 256 * _MIB
    max_entries: int = 10_000
    """Files and directories together, also directories that only the files' paths name."""
    max_file_bytes: int = 256 * _MIB
    max_total_bytes: int = 1024 * _MIB
    max_ratio: int = 200
    """Total size of the files over the size of the archive; checked beyond 1 MiB."""
    max_depth: int = 32
    links: Literal["refuse", "skip"] = "refuse"
    """Links are never made: they are an error, or are left out and counted."""
    file_permissions: int = 0o600
    directory_permissions: int = 0o700

    def _core(self) -> _core.PathsArchiveLimits:
        if self.links not in ("refuse", "skip"):
            raise InvalidInput("links is 'refuse' or 'skip'")
        return _core.PathsArchiveLimits(
            max_archive_bytes=self.max_archive_bytes,
            max_entries=self.max_entries,
            max_file_bytes=self.max_file_bytes,
            max_total_bytes=self.max_total_bytes,
            max_ratio=self.max_ratio,
            max_depth=self.max_depth,
            skip_links=self.links == "skip",
            file_permissions=self.file_permissions,
            directory_permissions=self.directory_permissions,
        )


@dataclass(frozen=True)
class ExtractReport:
    """What an extraction made.

    ``format`` is that of the archive; ``files`` are paths beneath the destination; ``directories``, ``skipped_links`` and
    ``total_bytes`` count.
    """

    format: str
    """``zip``, ``tar``, ``tar.gz``, ``tar.bz2`` or ``tar.xz``, told by content."""
    files: tuple[str, ...]
    """Paths relative to the destination, in archive order."""
    directories: int
    total_bytes: int
    skipped_links: int


class Directory:
    """A base directory; nothing outside of it can be reached through this object.

    ``base`` is trusted and may be absolute; every path given to a method is relative to it, with ``/`` as separator.
    ``symlinks="refuse"`` (the default) makes any symbolic link in a path an error; ``"beneath"`` follows links as long
    as they stay in the base. ``cross_mounts`` allows other file systems mounted in the base (Linux).

    Only regular files are opened: a pipe or a device is refused, and opening never blocks. New files get mode 0600.
    The object is safe to share between threads.

    ASVS 5.0: v5.0.0-5.3.2, v5.0.0-13.2.5, v5.0.0-15.4.2. CWE-22, CWE-59, CWE-61, CWE-367.

    Raises (all methods):
        Refused: the path would leave the base, has a refused link, or names something that is not a regular file.
        InvalidInput: the path is empty, too long or not valid Unicode.
        OSError: what the operating system says (``FileNotFoundError``, ``PermissionError``, ...).

    >>> import tempfile
    >>> base = Directory(tempfile.mkdtemp())
    >>> base.write_text("notes/today.txt", "hello", parents=True)
    >>> base.read_text("notes/today.txt")
    'hello'
    >>> base.open("../../etc/passwd")
    Traceback (most recent call last):
    pyward_guard.Refused: refused: the path has a `..` component
    """

    __slots__ = ("_inner",)

    def __init__(
        self,
        base: str | os.PathLike[str],
        *,
        symlinks: Literal["refuse", "beneath"] = "refuse",
        cross_mounts: bool = False,
    ) -> None:
        if symlinks not in ("refuse", "beneath"):
            raise InvalidInput("symlinks is 'refuse' or 'beneath'")
        self._inner = _core.PathsDirectory(base, symlinks == "beneath", cross_mounts)

    def open_descriptor(
        self, path: RelativePath, mode: Literal["r", "r+", "w", "x", "a"] = "r", *, permissions: int = 0o600
    ) -> int:
        """A file descriptor, which the caller closes; not inherited by child processes.

        >>> import os, tempfile
        >>> base = Directory(tempfile.mkdtemp())
        >>> os.close(base.open_descriptor("new", "x"))
        """
        if type(path) is not str:
            path = _text(path)
        try:
            raw = self._inner.open_descriptor(path, mode, permissions)
        except UnicodeEncodeError:
            raise InvalidInput("the name is not valid Unicode") from None
        if sys.platform == "win32":
            import msvcrt

            return msvcrt.open_osfhandle(raw, 0)
        return raw

    @overload
    def open(
        self,
        path: RelativePath,
        mode: TextMode = "r",
        *,
        buffering: int = -1,
        encoding: str = "utf-8",
        errors: str | None = None,
        newline: str | None = None,
        permissions: int = 0o600,
    ) -> TextIO: ...

    @overload
    def open(
        self, path: RelativePath, mode: BinaryMode, *, buffering: int = -1, permissions: int = 0o600
    ) -> BinaryIO: ...

    def open(
        self,
        path: RelativePath,
        mode: TextMode | BinaryMode = "r",
        *,
        buffering: int = -1,
        encoding: str = "utf-8",
        errors: str | None = None,
        newline: str | None = None,
        permissions: int = 0o600,
    ) -> IO[str] | IO[bytes]:
        """Like the built-in ``open`` (UTF-8 by default), beneath the base.

        ``permissions`` are the mode bits of a file that is made, at most 0o777.
        """
        plain = mode.replace("b", "")
        if plain not in ("r", "r+", "w", "x", "a"):
            raise InvalidInput("mode is one of r, r+, w, x, a, each with b for bytes")

        # As an opener, so that the descriptor has one owner whatever else fails.
        def opener(_name: str, _flags: int) -> int:
            return self.open_descriptor(path, plain, permissions=permissions)  # type: ignore[arg-type]

        try:
            if "b" in mode:
                return open(_text(path), mode, buffering, opener=opener)
            return open(_text(path), mode, buffering, encoding, errors, newline, opener=opener)
        except UnicodeEncodeError:
            raise InvalidInput("the name is not valid Unicode") from None

    def read_bytes(self, path: RelativePath, *, max_bytes: int = 64 * _MIB) -> bytes:
        """Content of a file; over ``max_bytes`` it is a :class:`LimitExceeded`."""
        return self._inner.read(_utf8(_text(path)), max_bytes)

    def read_text(self, path: RelativePath, *, max_bytes: int = 64 * _MIB, encoding: str = "utf-8") -> str:
        """Content of a text file; over ``max_bytes`` it is a :class:`LimitExceeded`."""
        return self.read_bytes(path, max_bytes=max_bytes).decode(encoding)

    def write_bytes(
        self, path: RelativePath, content: bytes, *, parents: bool = False, permissions: int = 0o600
    ) -> None:
        """Replaces a file at once: readers see the old or the new content, also after a crash.

        A symbolic link at the end of the path is replaced, not followed. ``parents`` makes missing directories (0700).
        """
        text = check_relative(path)
        if parents:
            parent, _, _ = text.rpartition("/")
            if parent:
                self._inner.create_directory(parent, True, 0o700)
        self._inner.replace(text, content, permissions)

    def write_text(
        self,
        path: RelativePath,
        content: str,
        *,
        parents: bool = False,
        permissions: int = 0o600,
        encoding: str = "utf-8",
    ) -> None:
        """Like :meth:`write_bytes`, for text."""
        self.write_bytes(path, content.encode(encoding), parents=parents, permissions=permissions)

    @contextmanager
    def replacing(self, path: RelativePath, *, permissions: int = 0o600) -> Iterator[BinaryIO]:
        """A file to write to that takes the place of ``path`` when the block ends without an error.

        >>> import tempfile
        >>> base = Directory(tempfile.mkdtemp())
        >>> with base.replacing("report.csv") as file:
        ...     _ = file.write(b"a,b")
        >>> base.read_bytes("report.csv")
        b'a,b'
        """
        text = check_relative(path)
        parent, slash, _ = text.rpartition("/")
        temporary = f"{parent}{slash}.{os.urandom(12).hex()}.tmp"
        file = self.open(temporary, "xb", permissions=permissions)
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            self._inner.rename(temporary, text, True)
        except BaseException:
            with suppress(OSError):
                self._inner.remove_file(temporary)
            raise
        self._inner.sync()

    def make_directory(
        self, path: RelativePath, *, parents: bool = False, permissions: int = 0o700
    ) -> None:
        """Makes a directory; with ``parents`` also missing ones above, and existing ones are no error."""
        self._inner.create_directory(_utf8(_text(path)), parents, permissions)

    def subdirectory(self, path: RelativePath) -> Directory:
        """A directory beneath this one as a base of its own, with the same rules."""
        made = object.__new__(Directory)
        made._inner = self._inner.open_directory(_utf8(_text(path)))
        return made

    def list(self, path: RelativePath = ".", *, max_entries: int = 100_000) -> list[Entry]:
        """Entries of a directory, sorted by name; more than ``max_entries`` is a :class:`LimitExceeded`."""
        return [Entry(*raw) for raw in self._inner.list(_utf8(_text(path)), max_entries)]

    def stat(self, path: RelativePath) -> Entry | None:
        """What a path names (a link at the end is not followed); ``None`` if there is nothing."""
        raw = self._inner.stat(_utf8(_text(path)))
        return None if raw is None else Entry(*raw)

    def remove(self, path: RelativePath) -> None:
        """Removes a file or a symbolic link."""
        self._inner.remove_file(_utf8(_text(path)))

    def remove_directory(self, path: RelativePath, *, tree: bool = False) -> None:
        """Removes an empty directory, with ``tree`` all that is in it; links are removed, never followed."""
        self._inner.remove_directory(_utf8(_text(path)), tree)

    def rename(self, source: RelativePath, target: RelativePath, *, replace: bool = False) -> None:
        """Renames beneath the base; without ``replace`` an existing target is a ``FileExistsError``."""
        self._inner.rename(_utf8(_text(source)), _utf8(_text(target)), replace)

    def extract(
        self,
        archive: bytes | str | os.PathLike[str] | IO[bytes],
        destination: RelativePath,
        *,
        limits: ArchiveLimits | None = None,
    ) -> ExtractReport:
        """Extracts a zip or tar archive (plain, gzip, bzip2, xz) into the new directory ``destination``.

        ``archive`` is the content, a trusted path, or a binary file. Names that leave the destination, links, devices,
        names that occur twice and anything over the ``limits`` are errors; after an error nothing stays behind.
        Owners, set-id bits and times of the archive are ignored.

        ASVS 5.0: v5.0.0-5.2.3, v5.0.0-5.3.3, v5.0.0-5.2.5. CWE-22, CWE-59, CWE-409.

        >>> import io, tempfile, zipfile
        >>> with zipfile.ZipFile(archive := io.BytesIO(), "w") as out:
        ...     out.writestr("a/b.txt", "hello")
        >>> base = Directory(tempfile.mkdtemp())
        >>> base.extract(archive.getvalue(), "out").files
        ('a/b.txt',)
        >>> base.read_text("out/a/b.txt")
        'hello'
        """
        bounds = limits or ArchiveLimits()
        path: str | os.PathLike[str] | None = None
        content: bytes | None = None
        if isinstance(archive, (str, os.PathLike)):
            path = archive
        elif isinstance(archive, (bytes, bytearray, memoryview)):
            content = bytes(archive)
        else:
            content = _read(archive, bounds.max_archive_bytes + 1)
        made = self._inner.extract(path, content, _utf8(_text(destination)), bounds._core())
        return ExtractReport(made[0], tuple(made[1]), *made[2:])


def _read(source: IO[bytes], most: int) -> bytes:
    """All of a file, at most ``most`` bytes. One call of ``read`` may give less than there is."""
    pieces: list[bytes] = []
    while most > 0 and (piece := source.read(most)):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


Reencode = Callable[[bytes, str], bytes]


@dataclass(frozen=True)
class Upload:
    """An upload that passed the policy.

    ``media_type`` is told by the content, ``stored_name`` random, ``display_name`` the sender's made harmless, ``size`` bytes after
    re-encoding, ``dimensions`` width and height of an image in pixels.
    """

    media_type: str
    """By content, not by what the sender said."""
    stored_name: str
    """32 random hex digits and the type's own extension: the name to store it under."""
    display_name: str
    """The sender's name made harmless; for display only."""
    size: int
    """Bytes, after re-encoding."""
    dimensions: tuple[int, int] | None = None
    """Width and height in pixels, for images."""


class UploadPolicy:
    """Which uploads are accepted: media types (told by content), size, pixels, and how images are re-encoded.

    ``reencode`` gets the content and the media type and returns new content of the same type, for example
    :func:`reencode_image`; the result is checked again.

    ASVS 5.0: v5.0.0-5.2.1, v5.0.0-5.2.2, v5.0.0-5.2.6, v5.0.0-5.3.1. CWE-434, CWE-646.

    Raises:
        InvalidInput: a media type that cannot be told by content, so that it could not be checked.

    >>> policy = UploadPolicy(["image/png", "text/csv"], max_bytes=1_000_000)
    >>> policy.check(b"a,b\\n1,2\\n", "numbers.csv", "text/csv").media_type
    'text/csv'
    >>> policy.check(b"<svg onload=alert(1)>", "me.png", "image/png")
    Traceback (most recent call last):
    pyward_guard.Refused: refused: uploads of type image/svg+xml are not accepted (a browser would run it)
    """

    def __init__(
        self,
        types: Sequence[str],
        *,
        max_bytes: int = 10 * _MIB,
        max_pixels: int = 50_000_000,
        reencode: Reencode | None = None,
    ) -> None:
        if isinstance(types, str):
            raise InvalidInput("types is a list of media types")
        self._inner = _core.PathsUploadPolicy(list(types), max_bytes, max_pixels)
        self.max_bytes = max_bytes
        self._reencode = reencode

    def check(self, content: bytes, name: str, declared_type: str | None = None) -> Upload:
        """Checks an upload that is in memory; ``name`` and ``declared_type`` are what the sender says.

        Raises:
            Refused: the type is not accepted, or does not fit the declared type or the extension.
            LimitExceeded: too many bytes or pixels.
        """
        return self._checked(content, name, declared_type)[1]

    def _checked(self, content: bytes, name: str, declared_type: str | None) -> tuple[bytes, Upload]:
        upload = self._inspect(content, name, declared_type)
        if self._reencode is not None:
            content = self._reencode(content, upload.media_type)
            again = self._inspect(content, upload.stored_name, upload.media_type)
            upload = Upload(
                again.media_type, upload.stored_name, upload.display_name, len(content), again.dimensions
            )
        return content, upload

    def _inspect(self, content: bytes, name: str, declared_type: str | None) -> Upload:
        name = name.encode("utf-8", "ignore").decode()
        media_type, stored, display, dimensions = self._inner.check(content, len(content), name, declared_type)
        return Upload(media_type, stored, display, len(content), dimensions)

    def store(
        self, source: bytes | IO[bytes], name: str, declared_type: str | None = None, *, directory: Directory
    ) -> Upload:
        """Checks an upload and writes it to ``directory`` under its random name, mode 0600.

        At most ``max_bytes`` + 1 bytes of a file are read. Keep the directory out of what the web server serves.

        Raises as :meth:`check` does (``LimitExceeded``, ``Refused``), and ``OSError``.

        ASVS 5.0: v5.0.0-5.2.1, v5.0.0-5.2.2, v5.0.0-5.3.1, v5.0.0-5.3.2.

        >>> import io, tempfile
        >>> quarantine = Directory(tempfile.mkdtemp())
        >>> stored = UploadPolicy(["text/plain"]).store(io.BytesIO(b"hi"), "n.txt", directory=quarantine)
        >>> quarantine.read_bytes(stored.stored_name)
        b'hi'
        """
        content = bytes(source) if isinstance(source, (bytes, bytearray, memoryview)) else _read(source, self.max_bytes + 1)
        if len(content) > self.max_bytes:
            raise LimitExceeded(f"limit exceeded: the upload is larger than {self.max_bytes} bytes")
        content, upload = self._checked(content, name, declared_type)
        directory.write_bytes(upload.stored_name, content)
        return upload


def reencode_image(content: bytes, media_type: str) -> bytes:
    """Decodes an image and encodes its pixels anew: metadata (place, camera) and anything hidden behind them is gone.

    A photograph is turned as its metadata says. For PNG, JPEG, GIF (first frame), WebP, BMP, TIFF. Needs Pillow. A hook for :class:`UploadPolicy`, which bounds the
    pixels first.

    CWE-434, CWE-1230; ASVS 5.0: v5.0.0-5.2.2, v5.0.0-14.2.8.

    Raises:
        Refused: the image cannot be decoded, or is of another type.

    Example: ``UploadPolicy(["image/png"], reencode=reencode_image)``
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise need("pillow", "reencode_image") from None
    import io
    import struct
    import zlib

    extensions = {"PNG": "png", "JPEG": "jpg", "GIF": "gif", "WEBP": "webp", "BMP": "bmp", "TIFF": "tif"}
    formats = {
        "image/png": "PNG",
        "image/jpeg": "JPEG",
        "image/gif": "GIF",
        "image/webp": "WEBP",
        "image/bmp": "BMP",
        "image/tiff": "TIFF",
    }
    name = formats.get(media_type)
    if name is None:
        raise Refused(f"refused: images of type {media_type} cannot be re-encoded")
    _, _, _, said = _core.PathsUploadPolicy([media_type], len(content), 2**64 - 1).check(
        content, len(content), f"image.{extensions[name]}", None
    )
    try:
        # Only the decoder of the type that was checked may run.
        with Image.open(io.BytesIO(content), formats=[name]) as image:
            # The bound on the pixels was on what the header says to another reader.
            if image.size != said:
                raise Refused("refused: the dimensions of the image are ambiguous")
            image.load()
            transparency = image.info.get("transparency") if name == "GIF" else None
            turned = ImageOps.exif_transpose(image)
            pixels = turned.convert("RGB" if name == "JPEG" else "RGBA" if name in ("PNG", "WEBP") else turned.mode)
    except (
        UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError, struct.error,
        zlib.error, Image.DecompressionBombError,
    ):  # fmt: skip
        raise Refused("refused: the image cannot be decoded") from None
    # What the decoder found beside the pixels would be written again.
    pixels.info = {} if transparency is None else {"transparency": transparency}
    out = io.BytesIO()
    pixels.save(out, name)
    return out.getvalue()


def temporary_file() -> IO[bytes]:
    """A nameless (where the system can) private file, gone when closed: for data that must not stay behind.

    ASVS 5.0: v5.0.0-14.2.4. CWE-377, CWE-379.

    >>> with temporary_file() as file:
    ...     _ = file.write(b"secret")
    """
    return tempfile.TemporaryFile()


@contextmanager
def temporary_directory() -> Iterator[Directory]:
    """A private directory (mode 0700) as a :class:`Directory`, removed with its content at the end of the block.

    CWE-377, CWE-379, CWE-732; ASVS 5.0: v5.0.0-14.2.4.

    >>> with temporary_directory() as directory:
    ...     directory.write_text("x", "y")
    """
    # What cannot be removed is an error: it may be secret.
    with tempfile.TemporaryDirectory(prefix="pyward-") as name:
        yield Directory(name)

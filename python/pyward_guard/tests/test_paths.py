"""Paths: traversal, links, races, archives, uploads."""

from __future__ import annotations

import errno
import gzip
import io
import os
import stat
import tarfile
import threading
import time
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyward_guard import GuardError, InvalidInput, LimitExceeded, Refused, paths

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX links and modes")


@pytest.fixture
def base(tmp_path: Path) -> paths.Directory:
    (tmp_path / "secret").write_text("SECRET")
    (tmp_path / "base").mkdir()
    return paths.Directory(tmp_path / "base")


TRAVERSALS = [
    "../secret",
    "a/../../secret",
    "/etc/passwd",
    "..\\secret",
    "a\\..\\..\\secret",
    "C:\\Windows\\win.ini",
    "C:secret",
    "nul",
    "con.txt",
    "a/lpt1",
    "x\0",
    "",
    "a/" * 3000,
    "n" * 300,
    "\udcff",
]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_every_call_refuses_traversal(base: paths.Directory, path: str) -> None:
    calls: list[Any] = [
        lambda: base.open(path),
        lambda: base.open(path, "wb"),
        lambda: base.open_descriptor(path),
        lambda: base.read_bytes(path),
        lambda: base.write_bytes(path, b"x"),
        lambda: base.write_bytes(path, b"x", parents=True),
        lambda: base.replacing(path).__enter__(),
        lambda: base.make_directory(path),
        lambda: base.make_directory(path, parents=True),
        lambda: base.subdirectory(path),
        lambda: base.list(path),
        lambda: base.stat(path),
        lambda: base.remove(path),
        lambda: base.remove_directory(path, tree=True),
        lambda: base.rename(path, "x"),
        lambda: base.rename("x", path),
        lambda: base.extract(b"PK\5\6" + bytes(18), path),
        lambda: paths.check_relative(path),
    ]
    for index, call in enumerate(calls):
        try:
            call()
        except (GuardError, UnicodeEncodeError, ValueError):
            continue
        pytest.fail(f"call {index} accepted {path!r}")
    assert base.list() == []


@posix
@pytest.mark.parametrize("policy", ["refuse", "beneath"])
def test_links(tmp_path: Path, policy: Any) -> None:
    (tmp_path / "secret").write_text("SECRET")
    root = tmp_path / "base"
    (root / "d").mkdir(parents=True)
    (root / "d/file").write_text("in")
    (root / "out").symlink_to("../secret")
    (root / "abs").symlink_to(tmp_path / "secret")
    (root / "in").symlink_to("d/file")
    base = paths.Directory(root, symlinks=policy)
    for name in ("out", "abs"):
        with pytest.raises(Refused):
            base.read_bytes(name)
    if policy == "beneath":
        assert base.read_text("in") == "in"
    else:
        with pytest.raises(Refused):
            base.read_text("in")
    entry = base.stat("out")
    assert entry is not None and entry.kind == "symlink"
    base.remove("out")
    assert (tmp_path / "secret").read_text() == "SECRET"


def test_names_that_are_not_unicode(base: paths.Directory) -> None:
    for call in (base.open, base.open_descriptor, base.read_bytes, base.list, base.stat, base.remove, base.subdirectory, paths.check_relative):
        with pytest.raises(InvalidInput):
            call("a\ud800")  # type: ignore[operator]


def test_file_objects(base: paths.Directory, tmp_path: Path) -> None:
    with base.open("a.txt", "x") as text:
        text.write("grüße\n")
    assert stat.S_IMODE((tmp_path / "base/a.txt").stat().st_mode) == 0o600
    with base.open(PurePosixPath("a.txt")) as text:
        assert text.read() == "grüße\n"
    with base.open("a.txt", "rb") as binary:
        assert binary.read() == "grüße\n".encode()
    with base.open("a.txt", "a") as text:
        text.write("more")
    with base.open("a.txt", "r+") as text:
        assert text.readlines() == ["grüße\n", "more"]
    with pytest.raises(FileExistsError):
        base.open("a.txt", "x")
    with pytest.raises(FileNotFoundError):
        base.open("missing")
    with pytest.raises(InvalidInput):
        base.open("a.txt", "U")  # type: ignore[call-overload]
    with pytest.raises(LimitExceeded):
        base.read_bytes("a.txt", max_bytes=3)
    with pytest.raises(InvalidInput):
        base.open("b", "w", permissions=0o4755)
    with pytest.raises(LookupError):
        base.open("a.txt", encoding="no-such-encoding")


@posix
def test_descriptors_are_not_inherited(base: paths.Directory) -> None:
    descriptor = base.open_descriptor("f", "w")
    try:
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


@posix
def test_a_pipe_does_not_hang(base: paths.Directory, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "base/pipe")
    refused: list[str] = []

    def attempt() -> None:
        for mode in ("r", "w", "a"):
            with pytest.raises(Refused):
                base.open("pipe", mode)  # type: ignore[call-overload]
            refused.append(mode)

    # An open that waits for the other end waits for ever.
    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(120)
    assert refused == ["r", "w", "a"]


def test_replacing_is_all_or_nothing(base: paths.Directory) -> None:
    base.write_text("f", "old")
    with pytest.raises(RuntimeError):
        with base.replacing("f") as file:
            file.write(b"half")
            raise RuntimeError
    assert base.read_text("f") == "old"
    assert [e.name for e in base.list()] == ["f"]


@posix
def test_symlink_swap_race(base: paths.Directory, tmp_path: Path) -> None:
    """A directory and a link to the outside take turns at one name; reads and writes must stay inside."""
    root = tmp_path / "base"
    (root / "real").mkdir()
    (root / "real/secret").write_text("inside")
    (root / "link").symlink_to("..")
    stop = threading.Event()
    seen = {"inside": 0, "refused": 0, "missing": 0}

    def swap() -> None:
        while not stop.is_set():
            for name in ("real", "link"):
                os.rename(root / name, root / "turn")
                time.sleep(0)
                os.rename(root / "turn", root / name)

    def use() -> None:
        # Until enough was seen of both; on a busy machine the threads take turns slowly.
        least, most = time.monotonic() + 1.0, time.monotonic() + 120
        while (now := time.monotonic()) < least or (now < most and not (seen["inside"] and seen["refused"])):
            try:
                assert base.read_text("turn/secret") == "inside"
                seen["inside"] += 1
            except Refused:
                seen["refused"] += 1
            except FileNotFoundError:
                seen["missing"] += 1
            try:
                base.write_bytes("turn/made", b"x")
            except (Refused, FileNotFoundError):
                pass

    swapper = threading.Thread(target=swap)
    swapper.start()
    users = [threading.Thread(target=use) for _ in range(2)]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join()
    stop.set()
    swapper.join()
    assert seen["inside"] and seen["refused"], seen
    assert sorted(os.listdir(tmp_path)) == ["base", "secret"]
    assert (tmp_path / "secret").read_text() == "SECRET"


def test_the_naive_way_loses_the_race(tmp_path: Path) -> None:
    """Shows that the scene above is a real race: checking the resolved path and then opening it reads the secret."""
    root = tmp_path / "base"
    (root / "real").mkdir(parents=True)
    (root / "real/secret").write_text("inside")
    (tmp_path / "secret").write_text("SECRET")
    (root / "link").symlink_to("..")
    os.rename(root / "real", root / "turn")
    target = (root / "turn/secret").resolve()
    assert target.is_relative_to(root)
    os.rename(root / "turn", root / "real")
    os.rename(root / "link", root / "turn")
    assert (root / "turn/secret").read_text() == "SECRET"


def zip_bytes(*entries: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


def tar_bytes(mode: Any, *members: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                info.mode = 0o6777
                archive.addfile(info, io.BytesIO(member[1]))
    return out.getvalue()


@pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("source", ["bytes", "path", "file"])
def test_extract(base: paths.Directory, tmp_path: Path, mode: str, source: str) -> None:
    entries = [("d/a.txt", b"hello"), ("ü.bin", bytes(100_000))]
    content = zip_bytes(*entries) if mode == "zip" else tar_bytes(mode, *entries)
    archive: Any = content
    if source == "path":
        archive = tmp_path / "archive"
        archive.write_bytes(content)
    elif source == "file":
        archive = io.BytesIO(content)
    report = base.extract(archive, "out")
    assert report.files == ("d/a.txt", "ü.bin")
    assert report.total_bytes == 100_005
    assert base.read_text("out/d/a.txt") == "hello"
    assert stat.S_IMODE((tmp_path / "base/out/d/a.txt").stat().st_mode) == 0o600
    with pytest.raises(Refused):
        base.extract(content, "out")


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def tar_header(name: bytes, size: int, kind: bytes, sparse: int = 0) -> bytes:
    """An old GNU header; ``sparse`` is the full size of a file whose only data are its last 512 bytes."""
    header = bytearray(512)
    header[: len(name)] = name
    header[100:124] = b"0000644\0" + b"0000000\0" * 2
    header[124:148] = b"%011o\0" % size + b"00000000000\0"
    header[156:157] = kind
    header[257:265] = b"ustar  \0"
    if sparse:
        header[386:410] = b"%011o\0" % (sparse - 512) + b"%011o\0" % 512
        header[483:495] = b"%011o\0" % sparse
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


HOSTILE = {
    "zip slip": zip_bytes(("../evil", b"x")),
    "zip absolute": zip_bytes(("/tmp/evil", b"x")),
    "zip twice": zip_bytes(("a", b"x"), ("A", b"y")),
    "zip same name": zip_bytes(("a", b"x"), ("a", b"y")),
    "zip directories": zip_bytes(*((f"{number}/" + "d/" * 28 + "f", b"") for number in range(8))),
    "zip entries": zip_bytes(*((str(number), b"") for number in range(201))),
    "zip bomb": zip_bytes(("zeros", bytes(300 << 20)[: 40 << 20])),
    "tar slip": tar_bytes("w", ("../evil", b"x")),
    "tar absolute": tar_bytes("w", ("/tmp/evil", b"x")),
    "tar link": tar_bytes("w", special("l", tarfile.SYMTYPE, "/etc"), ("l/evil", b"x")),
    "tar hard link": tar_bytes("w", special("l", tarfile.LNKTYPE, "/etc/passwd")),
    "tar device": tar_bytes("w", special("d", tarfile.CHRTYPE)),
    "tar pipe": tar_bytes("w", special("p", tarfile.FIFOTYPE)),
    "tar bomb": tar_bytes("w:gz", ("zeros", bytes(40 << 20))),
    "tar headers": gzip.compress(tar_header(b"g", 12, b"g") + b"12 ab=cdefg\n".ljust(512, b"\0")) * 201,
    "tar long name after a sparse file": gzip.compress(
        tar_header(b"sparse", 512, b"S", sparse=20 << 20) + bytes(512) + tar_header(b"././@LongLink", 15 << 20, b"L") + b"a" * (15 << 20)
    ),
    "tar xz bomb": tar_bytes("w:xz", ("zeros", bytes(40 << 20))),
    "not an archive": b"hello",
    "empty": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives(base: paths.Directory, tmp_path: Path, name: str) -> None:
    bounds = paths.ArchiveLimits(max_entries=200, max_total_bytes=30 << 20, max_ratio=10**6 if "sparse" in name else 200)
    with pytest.raises(GuardError):
        base.extract(HOSTILE[name], "out", limits=bounds)
    assert base.list() == [], "something stayed behind"
    assert sorted(os.listdir(tmp_path)) == ["base", "secret"]


def test_a_long_name_cannot_fill_the_memory(base: paths.Directory) -> None:
    """A sparse file says it is large: what it does not take of its allowance is not the next header's."""
    with pytest.raises(LimitExceeded, match="headers"):
        base.extract(HOSTILE["tar long name after a sparse file"], "out", limits=paths.ArchiveLimits(max_ratio=10**6))


def test_a_zip_directory_is_bounded_before_it_is_read(base: paths.Directory) -> None:
    content = zip_bytes(*((str(number), b"") for number in range(40_000)))
    with pytest.raises(LimitExceeded, match="headers"):
        base.extract(content, "out", limits=paths.ArchiveLimits(max_entries=10))


@posix
def test_permissions_of_what_is_extracted(base: paths.Directory, tmp_path: Path) -> None:
    base.extract(zip_bytes(("d/f", b"x")), "out", limits=paths.ArchiveLimits(file_permissions=0o640, directory_permissions=0o750))
    assert [stat.S_IMODE((tmp_path / "base/out" / name).stat().st_mode) for name in (".", "d", "d/f")] == [0o750, 0o750, 0o640]


@posix
def test_deep_trees_are_removed(base: paths.Directory, tmp_path: Path) -> None:
    """Deeper than there are descriptors: a visitor who can make directories must not be able to prevent the clean-up."""
    at = os.open(tmp_path / "base", os.O_RDONLY)
    os.mkdir("deep", dir_fd=at)
    for _ in range(1200):
        below = os.open("deep", os.O_RDONLY, dir_fd=at)
        os.close(at)
        os.mkdir("deep", dir_fd=below)
        os.mkdir("other", dir_fd=below)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=below))
        at = below
    os.close(at)
    os.symlink(tmp_path / "secret", tmp_path / "base/deep/link")
    base.remove_directory("deep", tree=True)
    assert base.list() == [] and (tmp_path / "secret").exists()


@posix
def test_other_file_systems_are_left_alone(tmp_path: Path) -> None:
    """What is mounted beneath the base is not entered, unless that is allowed."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    mounted = tmp_path / "base/sub/mounted"
    mounted.mkdir(parents=True)
    if not hasattr(libc, "umount2") or libc.mount(b"none", os.fsencode(mounted), b"tmpfs", 0, None) != 0:
        pytest.skip("may not mount")
    try:
        (mounted / "kept").write_text("kept")
        base = paths.Directory(tmp_path / "base")
        if paths.resolution() != "openat2":
            pytest.skip("no openat2")
        for attempt in (
            lambda: base.read_text("sub/mounted/kept"),
            lambda: base.list("sub/mounted"),
            lambda: base.write_text("sub/mounted/new", "x"),
            lambda: base.make_directory("sub/mounted/new", parents=True),
            lambda: base.remove_directory("sub", tree=True),
            lambda: base.remove("sub/mounted/kept"),
        ):
            with pytest.raises(Refused):
                attempt()
        assert os.listdir(mounted) == ["kept"]
        crossing = paths.Directory(tmp_path / "base", cross_mounts=True)
        crossing.make_directory("sub/mounted/new/er", parents=True)
        crossing.remove_directory("sub/mounted/new", tree=True)
        assert crossing.read_text("sub/mounted/kept") == "kept"
    finally:
        libc.umount2(os.fsencode(mounted), 0)


@settings(max_examples=60)
@given(data=st.data())
def test_archives_with_random_damage(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    sources = [zip_bytes(("d/a", b"hello"), ("b", bytes(2000))), tar_bytes("w", ("a", b"x")), tar_bytes("w:xz", ("a", b"x"))]
    content = bytearray(data.draw(st.sampled_from(sources)))
    for index, value in data.draw(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8)):
        content[index % len(content)] = value
    root = tmp_path_factory.mktemp("damage")
    base = paths.Directory(root)
    try:
        base.extract(bytes(content), "out")
    except (GuardError, OSError) as error:
        assert not isinstance(error, OSError) or error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
        assert os.listdir(root) == []


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


def test_uploads(tmp_path: Path) -> None:
    quarantine = paths.Directory(tmp_path)
    policy = paths.UploadPolicy(["image/png", "image/jpeg"], max_bytes=10_000, max_pixels=1_000_000)
    stored = policy.store(io.BytesIO(PNG), "../../evil.php.PNG", "image/png", directory=quarantine)
    assert stored.display_name == "evil.php.PNG"
    assert stored.dimensions == (1, 1)
    assert quarantine.read_bytes(stored.stored_name) == PNG
    cases: list[tuple[bytes, str, str | None]] = [
        (PNG, "a.php", None),
        (PNG, "a.jpg", None),
        (PNG, "a.png", "image/jpeg"),
        (b"<?php system($_GET[0]);", "a.png", "image/png"),
        (b"GIF89a<script>", "a.gif", "image/gif"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "a.jpg", "image/jpeg"),
        (b"", "a.png", None),
        (PNG + bytes(20_000), "a.png", None),
    ]
    for content, name, declared in cases:
        with pytest.raises(GuardError):
            policy.store(content, name, declared, directory=quarantine)
    assert len(quarantine.list()) == 1
    with pytest.raises(InvalidInput):
        paths.UploadPolicy(["application/x-made-up"])


class Dribble(io.BytesIO):
    """Gives less than it is asked for, as sockets and pipes do."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(7, size) if size and size > 0 else size)


def test_short_reads_do_not_cut_a_file_off(tmp_path: Path) -> None:
    quarantine = paths.Directory(tmp_path)
    text = b"A text that is longer than seven bytes."
    policy = paths.UploadPolicy(["text/plain"], max_bytes=len(text))
    stored = policy.store(Dribble(text), "a.txt", directory=quarantine)
    assert quarantine.read_bytes(stored.stored_name) == text
    assert policy.store(bytearray(text), "a.txt", directory=quarantine).size == len(text)
    with pytest.raises(LimitExceeded):
        policy.store(Dribble(text + b"."), "a.txt", directory=quarantine)
    assert quarantine.extract(Dribble(zip_bytes(("a", b"x"))), "out").files == ("a",)


def test_markup_behind_white_space_and_comments() -> None:
    assert paths.sniff(b" " * 5000 + b"<script>alert(1)</script>") == "text/html"
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    assert paths.sniff(b"<?xml version='1.0'?><!--" + b"x" * 5000 + b"-->" + svg) == "image/svg+xml"
    assert paths.sniff(b"\n" * 2000) == "text/plain"


def test_reencoding_of_photographs() -> None:
    image = pytest.importorskip("PIL.Image")
    out = io.BytesIO()
    exif = image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    exif[0x010F] = "Camera"
    image.new("RGB", (16, 8), "red").save(out, "JPEG", exif=exif)
    kept = paths.reencode_image(out.getvalue(), "image/jpeg")
    with image.open(io.BytesIO(kept)) as again:
        assert again.size == (8, 16) and not again.getexif()
    # A second frame header: readers differ in which one counts.
    content = out.getvalue()
    at = content.index(b"\xff\xc0")
    frame = content[at : at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")]
    small = frame[:5] + (1).to_bytes(2, "big") * 2 + frame[9:]
    with pytest.raises(Refused):
        paths.reencode_image(content[:at] + small + content[at:], "image/jpeg")
    # Transparency of a GIF stays.
    out = io.BytesIO()
    image.new("P", (4, 4), 0).save(out, "GIF", transparency=0, comment=b"secret")
    kept = paths.reencode_image(out.getvalue(), "image/gif")
    with image.open(io.BytesIO(kept)) as again:
        assert again.info.get("transparency") == 0 and b"secret" not in kept


def test_reencoding_drops_what_is_behind_the_pixels(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    out = io.BytesIO()
    info = __import__("PIL.PngImagePlugin", fromlist=["PngInfo"]).PngInfo()
    info.add_text("Comment", "<?php evil ?>")
    image.new("RGB", (8, 8), "red").save(out, "PNG", pnginfo=info)
    content = out.getvalue() + b"<?php trailing ?>"
    policy = paths.UploadPolicy(["image/png"], reencode=paths.reencode_image)
    quarantine = paths.Directory(tmp_path)
    stored = policy.store(content, "a.png", directory=quarantine)
    kept = quarantine.read_bytes(stored.stored_name)
    assert b"php" not in kept and stored.size == len(kept)
    with image.open(io.BytesIO(kept)) as again:
        assert again.convert("RGB").getpixel((3, 3)) == (255, 0, 0)
    with pytest.raises(Refused):
        policy.store(PNG[:40], "a.png", directory=quarantine)


def test_temporary_places() -> None:
    with paths.temporary_directory() as directory:
        directory.write_text("a", "b")
        assert directory.read_text("a") == "b"
    with pytest.raises(OSError):
        directory.read_text("a")
    with paths.temporary_file() as file:
        file.write(b"x")


@given(st.text(max_size=300))
def test_any_name(name: str) -> None:
    try:
        safe = paths.safe_name(name)
    except InvalidInput:
        return
    assert 0 < len(safe.encode()) <= 200
    assert paths.check_relative(safe) == safe
    assert paths.safe_name(safe) == safe
    assert "/" not in safe and safe[0] not in ".-" and safe[-1] not in ". "

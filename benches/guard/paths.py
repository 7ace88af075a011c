"""Opening beneath a base against os.open, extraction against zipfile."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import zipfile
from typing import Any

from pyward_guard.paths import Directory, safe_name


def run(bench: Any) -> None:
    root = tempfile.mkdtemp()
    try:
        os.makedirs(f"{root}/a/b")
        for name in ("f", "a/b/f"):
            with open(f"{root}/{name}", "w") as file:
                file.write("x" * 1000)
        base = Directory(root)
        close, flags = os.close, os.O_RDONLY | os.O_CLOEXEC
        for name in ("f", "a/b/f"):
            path = f"{root}/{name}"
            bench.compare(
                f"safe open and close of {name}",
                lambda name=name: close(base.open_descriptor(name)),
                peer=lambda path=path: close(os.open(path, flags)),
                peer_name="os.open",
                at_most=3,
            )
        bench.compare(
            "file object",
            lambda: base.open("f", "rb").close(),
            peer=lambda: open(f"{root}/f", "rb").close(),
            peer_name="open",
            at_most=3,
        )
        bench.compare("safe_name", lambda: safe_name("../../Report (final).pdf"))
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
            for index in range(50):
                out.writestr(f"d{index % 5}/f{index}.txt", f"line {index}\n" * 500)
        content = archive.getvalue()
        counter = iter(range(10**9))

        def ours() -> None:
            name = f"out{next(counter)}"
            base.extract(content, name)
            base.remove_directory(name, tree=True)

        def peer() -> None:
            name = f"{root}/out{next(counter)}"
            zipfile.ZipFile(io.BytesIO(content)).extractall(name)
            shutil.rmtree(name)

        bench.compare("extract and remove a zip of 50 files", ours, peer=peer, peer_name="zipfile", at_least=1)
    finally:
        shutil.rmtree(root)

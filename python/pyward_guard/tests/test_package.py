"""The package as a whole: import time, what import loads, the exception hierarchy."""

from __future__ import annotations

import email
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pyward_guard
import pytest

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "python/pyward_guard/src/pyward_guard"


def test_import_is_fast_and_loads_no_submodule() -> None:
    code = (
        # Processor time: what else the machine does is not the package's.
        "import sys, time; start = time.process_time(); import pyward_guard; took = time.process_time() - start;"
        "print(took * 1000, sorted(m for m in sys.modules if m.startswith('pyward_guard.')))"
    )
    runs = []
    for _ in range(5):
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        took, _, loaded = out.partition(" ")
        runs.append(float(took))
    assert min(runs) < 15, runs
    assert eval(loaded) == ["pyward_guard._core", "pyward_guard._optional"]  # noqa: S307 - a list our own code printed


@pytest.mark.parametrize("name", pyward_guard.__all__)
def test_one_exception_hierarchy(name: str) -> None:
    error = getattr(pyward_guard, name)
    assert issubclass(error, pyward_guard.GuardError)
    assert error.__module__ == "pyward_guard"


def test_every_exception_of_the_kit_is_in_the_hierarchy() -> None:
    """Also those that single modules define, and what they say when a package is missing."""
    code = """
import importlib, inspect, pkgutil, sys
import pyward_guard
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("flask", "django", "fastapi", "httpx", "requests", "aiohttp", "sqlalchemy", "jinja2"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
missing = 0
for module in pkgutil.walk_packages(pyward_guard.__path__, "pyward_guard."):
    try:
        found = importlib.import_module(module.name)
    except pyward_guard.MissingPackage as error:
        assert isinstance(error, ImportError) and "pip install" in str(error), error
        missing += 1
        continue
    for name, part in vars(found).items():
        if inspect.isclass(part) and issubclass(part, BaseException) and part.__module__.startswith("pyward_guard"):
            assert issubclass(part, pyward_guard.GuardError), part
print(missing)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr
    assert int(out.stdout) >= 10


def public_modules() -> list[str]:
    """Every module of the package that users import and that needs nothing else installed."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if parts[-1] == "__init__" or (len(parts) == 1 and not parts[0].startswith("_")):
            found.append(".".join(("pyward_guard", *(part for part in parts if part != "__init__"))))
    return found


@pytest.mark.wheel
def test_the_wheel_is_small_and_needs_nothing(tmp_path: Path) -> None:
    """The wheel that the release profile makes: an upper bound of what is shipped, which is built for size."""
    build = ["maturin", "build", "--quiet", "--release", "--out", str(tmp_path)]
    subprocess.run(build, cwd=ROOT / "python/pyward_guard", check=True, stdout=subprocess.DEVNULL)
    (wheel,) = tmp_path.glob("*.whl")
    assert "-abi3-" in wheel.name
    assert wheel.stat().st_size < 8 << 20, f"{wheel.stat().st_size / (1 << 20):.2f} MiB"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = email.message_from_bytes(archive.read(next(name for name in names if name.endswith("/METADATA"))))
    assert not [need for need in metadata.get_all("Requires-Dist", []) if "extra ==" not in need]
    assert "pip install pyward-guard" in str(metadata.get_payload())
    assert "pyward_guard/py.typed" in names and not [name for name in names if "test" in name or name.endswith(".pyc")]
    # In an environment with nothing else in it, every module can be imported.
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False)
    with zipfile.ZipFile(wheel) as archive:
        (site,) = environment.glob("lib/python*/site-packages")
        archive.extractall(site)
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\nprint('imported')"
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    argv = [environment / "bin/python", "-I", "-c", code, *public_modules()]
    done = subprocess.run(argv, capture_output=True, text=True, env=clean, cwd=tmp_path)
    assert done.stdout.strip() == "imported", done.stderr


def test_the_asvs_table_is_current() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "scripts/asvs-table"), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_private_files_are_refused_where_nothing_can_be_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyward_guard import logs, run
    from pyward_guard.crypto import KeySet, providers

    keys = providers.FileKeys(str(tmp_path / "keys.json"))
    keys.save(KeySet.generate("mac"))
    path = str(tmp_path / "app.log")
    uses = [keys.load, lambda: logs.private_handler(path), lambda: logs.AuditLog(path), lambda: run.find_program("sh")]
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        for use in uses:
            with pytest.raises(pyward_guard.Unsupported, match="POSIX"):
                use()
    assert keys.load().kind == "mac"

"""The package as a whole: import time, what import loads, the exception hierarchy."""

from __future__ import annotations

import subprocess
import sys

import pyward_guard
import pytest


def test_import_is_fast_and_loads_no_submodule() -> None:
    code = (
        "import sys, time; start = time.perf_counter(); import pyward_guard; took = time.perf_counter() - start;"
        "print(took * 1000, sorted(m for m in sys.modules if m.startswith('pyward_guard.')))"
    )
    runs = []
    for _ in range(5):
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        took, _, loaded = out.partition(" ")
        runs.append(float(took))
    assert min(runs) < 15, runs
    assert eval(loaded) == ["pyward_guard._core"]  # noqa: S307 - a list our own code printed


@pytest.mark.parametrize("name", pyward_guard.__all__)
def test_one_exception_hierarchy(name: str) -> None:
    error = getattr(pyward_guard, name)
    assert issubclass(error, pyward_guard.GuardError)
    assert error.__module__ == "pyward_guard"

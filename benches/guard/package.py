"""The package itself: what its import costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import Any

CODE = "import time; a, b = time.perf_counter(), time.process_time(); import pyward_guard; print(time.perf_counter() - a, time.process_time() - b)"


def run(bench: Any) -> None:
    runs = [tuple(map(float, subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout.split())) for _ in range(15)]
    bench.add("import of pyward_guard, by the clock", statistics.median(wall for wall, _ in runs), under=0.015)
    bench.add("import of pyward_guard, processor time", statistics.median(used for _, used in runs), under=0.015)

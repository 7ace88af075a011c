"""A confined process against subprocess.run."""

from __future__ import annotations

import subprocess
from typing import Any

from pyward_guard import run as guard


def run(bench: Any) -> None:
    argv = ["/bin/true"]
    if not guard.host().confines:
        bench.note("this host cannot confine processes")
        return

    def peer() -> Any:
        return subprocess.run(argv, capture_output=True, timeout=5)

    bench.compare("run /bin/true, default sandbox", lambda: guard.run(argv, timeout=5), peer=peer, peer_name="subprocess.run")
    if guard.host().landlock_abi >= 3:
        files = guard.Sandbox(files=True)
        bench.compare(
            "run /bin/true, file rules", lambda: guard.run(argv, timeout=5, sandbox=files), peer=peer, peer_name="subprocess.run"
        )

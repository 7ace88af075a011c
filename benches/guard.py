#!/usr/bin/env python3
"""Measures pyward-guard against its peers, in the same process and run.

    python benches/guard.py                   all sections
    python benches/guard.py sessions access   these sections
    python benches/guard.py --write           also puts the table into docs/benchmarks.md
    python benches/guard.py --soak 600        ten minutes of mixed work under load, with memory watched

The table is written only from one run of all sections, on the wheel as it ships and with every peer at hand:
`scripts/bench-guard --write` builds, installs and runs that.

A section is a file of benches/guard/ with a function ``run(bench)``. It calls :meth:`Bench.compare` for each thing that
is measured. Peers that are not installed are left out and said to be.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = Path(__file__).resolve().parent / "guard"
DOCUMENT = ROOT / "docs/benchmarks.md"
BEGIN, END = "<!-- guard: begin -->", "<!-- guard: end -->"


def seconds(work: Callable[[], Any], *, repeats: int = 7, budget: float = 0.1, clock: Callable[[], float] = time.process_time) -> float:
    """Seconds per call: the best of ``repeats`` batches of about ``budget`` seconds each.

    Processor time of this process, so that other work on the machine does not count. Where a server takes part, pass
    ``time.perf_counter``.
    """
    work()
    number = 1
    while True:
        started = clock()
        for _ in range(number):
            work()
        taken = clock() - started
        if taken > budget / 5:
            break
        number *= 4
    number = max(1, round(number * budget / taken))
    batches = []
    for _ in range(repeats):
        started = clock()
        for _ in range(number):
            work()
        batches.append((clock() - started) / number)
    return min(batches)


def shown(duration: float) -> str:
    """A duration in the unit that fits."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if duration * factor >= 1:
            return f"{duration * factor:.3g} {unit}"
    return f"{duration * 1e9:.3g} ns"


@dataclass
class Row:
    """A line of the table."""

    section: str
    what: str
    ours: str
    peer: str
    target: str
    met: str


class Bench:
    """Collects the measurements of a section."""

    def __init__(self, section: str, rows: list[Row], lacking: list[str]) -> None:
        self.section = section
        self._rows = rows
        self._lacking = lacking
        self.seconds = seconds

    def compare(
        self,
        what: str,
        ours: Callable[[], Any],
        *,
        peer: Callable[[], Any] | None = None,
        peer_name: str = "",
        at_least: float | None = None,
        at_most: float | None = None,
        under: float | None = None,
        clock: Callable[[], float] = time.process_time,
    ) -> None:
        """Measures one thing.

        The target is one of: ``at_least`` times as fast as the peer, ``at_most`` times the peer's time, ``under`` so
        many seconds. Ours and the peer's are measured in turns and the median of the turns' ratios counts, so that a busy
        machine hits both.
        """
        if peer is None:
            self.add(what, seconds(ours, clock=clock), under=under)
            return
        turns = [(seconds(ours, repeats=3, budget=0.05, clock=clock), seconds(peer, repeats=3, budget=0.05, clock=clock)) for _ in range(7)]
        other = statistics.median(theirs for _, theirs in turns)
        mine = other * statistics.median(own / theirs for own, theirs in turns)
        self.add(what, mine, peer=other, peer_name=peer_name, at_least=at_least, at_most=at_most, under=under)

    def add(
        self,
        what: str,
        ours: float,
        *,
        peer: float | None = None,
        peer_name: str = "",
        at_least: float | None = None,
        at_most: float | None = None,
        under: float | None = None,
    ) -> None:
        """Notes durations that were measured elsewhere."""
        target, met = "-", "-"
        if at_least is not None and peer is not None:
            target, met = f">= {at_least:g} times as fast", f"{peer / ours:.2f} times"
            good = peer / ours >= at_least
        elif at_most is not None and peer is not None:
            target, met = f"<= {at_most:g} times", f"{ours / peer:.2f} times"
            good = ours / peer <= at_most
        elif under is not None:
            target, met = f"< {shown(under)}", shown(ours)
            good = ours < under
        else:
            good = True
        met = met if target == "-" else f"{'yes' if good else 'NO'}, {met}"
        row = Row(self.section, what, shown(ours), f"{peer_name} {shown(peer)}" if peer is not None else "-", target, met)
        self._rows.append(row)
        print(f"{row.section:10} {row.what:58} {row.ours:>9}  {row.peer:34} {row.target:24} {row.met}", flush=True)

    def lacks(self, what: str) -> None:
        """Notes a peer or a server that is not at hand: its rows are left out, and no table is written."""
        self._lacking.append(f"{self.section}: {what}")
        print(f"{self.section:10} LEFT OUT: {what} is not at hand", flush=True)

    def note(self, text: str) -> None:
        """A line for the reader about what this host cannot do."""
        print(f"{self.section:10} {text}", flush=True)


def table(rows: list[Row]) -> str:
    """The measurements as Markdown."""
    lines = ["| Section | What | pyward-guard | Peer | Target | Met |", "|---|---|---|---|---|---|"]
    lines += [f"| {row.section} | {row.what} | {row.ours} | {row.peer} | {row.target} | {row.met} |" for row in rows]
    return "\n".join(lines)


def wheel() -> Path | None:
    """The wheel file that `pyward-guard` was installed from, None for any other installation."""
    try:
        origin = json.loads(importlib.metadata.distribution("pyward-guard").read_text("direct_url.json") or "{}")
    except importlib.metadata.PackageNotFoundError:
        return None
    url = str(origin.get("url", ""))
    return Path(url.removeprefix("file://")) if url.startswith("file://") and url.endswith(".whl") else None


def load_average() -> str:
    """How busy the machine is, in words."""
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else "load unknown"


def write(rows: list[Row], file: Path, began: str) -> None:
    """Puts the table between the markers of docs/benchmarks.md."""
    size = f"{file.stat().st_size / (1 << 20):.1f} MiB" if file.exists() else "size unknown"
    run = f"{time.strftime('%Y-%m-%d')}, CPython {platform.python_version()} on {platform.machine()}, `{file.name}` ({size}); {began} at the start, {load_average()} at the end"
    block = f"{BEGIN}\n\nOne run of all sections: {run}.\n\n{table(rows)}\n\n{END}"
    text = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else "# Benchmarks\n"
    if BEGIN in text and END in text:
        before, rest = text.split(BEGIN, 1)
        text = before + block + rest.split(END, 1)[1]
    else:
        text = f"{text.rstrip()}\n\n## pyward-guard\n\n{block}\n"
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(text, encoding="utf-8")


def load(path: Path) -> Any:
    """The module of a section."""
    spec = importlib.util.spec_from_file_location(f"guard_bench_{path.stem}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--soak", type=float, metavar="SECONDS")
    options = parser.parse_args()
    if options.soak:
        result: int = load(SECTIONS / "soak.py").soak(options.soak)
        return result
    rows: list[Row] = []
    lacking: list[str] = []
    began = load_average()
    file = wheel()
    if options.write and (options.sections or file is None):
        parser.error("--write wants all sections and an installed wheel: use scripts/bench-guard --write")
    known = {path.stem: path for path in sorted(SECTIONS.glob("*.py")) if path.stem != "soak" and not path.stem.startswith("_")}
    unknown = set(options.sections) - set(known)
    if unknown:
        parser.error(f"no section {sorted(unknown)[0]} (there are {', '.join(known)})")
    for name, path in known.items():
        if not options.sections or name in options.sections:
            try:
                load(path).run(Bench(name, rows, lacking))
            except Exception:
                # The other sections are worth having.
                traceback.print_exc()
                lacking.append(f"{name}: failed")
    missed = [row for row in rows if row.met.startswith("NO")]
    print(f"{len(rows)} measurements, {len(missed)} targets missed, {began}")
    if options.write and not lacking:
        assert file is not None
        write(rows, file, began)
    elif lacking:
        print(f"incomplete{', nothing written' if options.write else ''}: {'; '.join(lacking)}")
    return int(bool(lacking))


def drive(coroutine: Awaitable[Any]) -> Any:
    """Runs a coroutine that never really waits, without the cost of an event loop."""
    try:
        coroutine.send(None)  # type: ignore[attr-defined]
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("the coroutine waited")


if __name__ == "__main__":
    # Sections import helpers from here.
    sys.modules["guard_bench"] = sys.modules["__main__"]
    sys.exit(main())

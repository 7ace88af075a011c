#!/usr/bin/env python3
"""Reports API paths of models/*.toml that the installed libraries do not have.

    python scripts/model_paths.py [models/FILE.toml ...]

Run it in an environment with the libraries in question. Paths of libraries that are not installed are counted, not
reported; attributes that only instances have, and names that older releases had, remain to be judged by eye. Exits
with 1 if a path of an installed library was not found.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path

TABLES = ("source", "sink", "sanitizer", "guard", "propagator", "callback", "misuse", "state", "template", "access")
ROOT = Path(__file__).resolve().parent.parent


def paths(models: dict) -> Iterator[str]:
    """Every path that a model file speaks of, except names of methods alone and results of calls."""
    found = set(models.get("returns", ())) | set(models.get("attributes", ()))
    for table in TABLES:
        for item in models.get(table, ()):
            found.update(item.get("path", ()))
            found.update(item.get("read", ()))
    return iter(sorted(p for p in found if not p.startswith("*.") and "()" not in p))


def missing(path: str) -> str | None:
    """What of the path does not exist; the empty string if its library is not installed, None if all is well."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:end]))
        except Exception:  # noqa: BLE001 - importing a library may raise anything
            continue
        for at in range(end, len(parts)):
            try:
                value = getattr(value, parts[at])
            except Exception:  # noqa: BLE001
                return f"no `{parts[at]}` in `{'.'.join(parts[:at])}`"
        return None
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, default=sorted((ROOT / "models").glob("*.toml")))
    warnings.simplefilter("ignore")
    dead = absent = alive = 0
    for file in parser.parse_args().files:
        for path in paths(tomllib.loads(file.read_text(encoding="utf-8"))):
            problem = missing(path)
            if problem is None:
                alive += 1
            elif problem:
                dead += 1
                print(f"{file.name}: {path}: {problem}")
            else:
                absent += 1
    print(f"{alive} paths found, {dead} not found, {absent} of libraries that are not installed", file=sys.stderr)
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())

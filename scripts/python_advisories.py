#!/usr/bin/env python3
"""Says which installed Python packages have known advisories; exit status 1 when one has.

    python_advisories.py SITE_PACKAGES --audit FILE                     FILE: what `pip-audit --format json` wrote
    python_advisories.py SITE_PACKAGES --database DIR --name NAME       DIR: `vulns` of pypa/advisory-database

`scripts/check-advisories` calls it.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

# The kit's own packages are not on the index.
OWN = {"pyward", "pyward-guard"}


def installed(packages: str) -> dict[str, str]:
    """Canonical names and versions."""
    return {canonicalize_name(found.metadata["Name"]): found.version for found in distributions(path=[packages])}


def hit(version: Version, affected: dict[str, Any]) -> bool:
    """Whether a version is affected, by OSV's rule: listed, or within a range of kind ECOSYSTEM."""
    if str(version) in affected.get("versions", ()):
        return True
    for span in affected.get("ranges", ()):
        if span.get("type") != "ECOSYSTEM":
            continue
        inside = False
        for event in span["events"]:
            ((kind, text),) = event.items()
            try:
                bound = Version("0.dev0" if text == "0" else text)
            except InvalidVersion:
                continue
            if kind == "introduced" and version >= bound:
                inside = True
            elif (kind == "fixed" and version >= bound) or (kind == "last_affected" and version > bound):
                inside = False
        if inside:
            return True
    return False


def by_database(have: dict[str, str], folder: Path) -> tuple[int, list[str]]:
    """Packages that the database knows, and what is known against the installed versions."""
    known, found = 0, []
    for name, version in have.items():
        entries = sorted((folder / name).glob("*.yaml"))
        known += bool(entries)
        for entry in entries:
            advisory = yaml.safe_load(entry.read_text(encoding="utf-8"))
            if not advisory.get("withdrawn") and any(hit(Version(version), affected) for affected in advisory.get("affected", ())):
                found.append(f"{name} {version}: {advisory['id']} {' '.join(advisory.get('aliases', ()))}")
    return known, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages")
    parser.add_argument("--audit", type=Path)
    parser.add_argument("--database", type=Path)
    parser.add_argument("--name", default="the database")
    options = parser.parse_args()
    have = {name: version for name, version in installed(options.packages).items() if name not in OWN}
    found: list[str] = []
    if options.database:
        known, found = by_database(have, options.database)
        print(f"check-advisories: Python: {len(have)} packages against {options.name}, which has advisories of {known} of them: {len(found)} apply")
    if options.audit:
        report = [entry for entry in json.loads(options.audit.read_text(encoding="utf-8"))["dependencies"] if canonicalize_name(entry["name"]) not in OWN]
        skipped = [entry["name"] for entry in report if "skip_reason" in entry]
        reported = [f"{entry['name']} {entry['version']}: {flaw['id']} (fixed in {', '.join(flaw['fix_versions']) or 'no release'})" for entry in report for flaw in entry.get("vulns", ())]
        found += reported
        if len(report) > len(skipped):
            print(f"check-advisories: Python: {len(report) - len(skipped)} packages against PyPI's advisories of today: {len(reported)} apply")
        if skipped:
            print(f"check-advisories: NOT CHECKED: {len(skipped)} of {len(report)} Python packages (the index answered without their advisories)")
    for line in found:
        print(f"  {line}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())

"""The code in the pages of docs/guard and in the package's README runs, and passes mypy.

Python blocks between two headings are one program; on a page with the comment ``<!-- one program -->`` all of them are.
A block whose first line is ``# file: NAME`` becomes that file. A comment ``<!-- test ... -->`` holds code that runs after
the blocks before it and that readers do not see: it checks what the page says.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "python/pyward_guard"
PAGES = [*sorted((ROOT / "docs/guard").glob("*.md")), PACKAGE / "README.md"]
PIECE = re.compile(r"^(?:(#+) ([^\n]+)|```(\w*)\n(.*?)^```|<!-- test\n(.*?)^-->)$", re.MULTILINE | re.DOTALL)


@dataclass
class Program:
    name: str
    shown: str = ""
    whole: str = ""
    files: dict[str, str] = field(default_factory=dict)

    def add(self, code: str, *, shown: bool) -> None:
        name = re.match(r"# file: (\S+)\n", code)
        if name:
            self.files[name[1]] = code[name.end() :]
            return
        self.whole += code
        if shown:
            self.shown += code


def programs() -> list[Program]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        one = "<!-- one program -->" in text
        current = Program(page.stem)
        found.append(current)
        for _, heading, language, code, hidden in PIECE.findall(text):
            if heading and not one:
                current = Program(f"{page.stem}: {heading}")
                found.append(current)
            if language == "python":
                current.add(code, shown=True)
            elif hidden:
                current.add(hidden, shown=False)
    return [program for program in found if program.whole or program.files]


PROGRAMS = programs()


def lay_out(program: Program, folder: Path) -> None:
    for name, text in program.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_examples_of_the_guide(program: Program, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    everything = program.whole + "".join(program.files.values())
    environment = {
        "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "APP_DATA": str(tmp_path), "APP_SECRET": "ab" * 32,
        "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }  # fmt: skip
    if "REDIS_URL" in everything:
        environment["REDIS_URL"] = request.getfixturevalue("redis_url")
    if "DATABASE_URL" in everything:
        environment["DATABASE_URL"] = request.getfixturevalue("postgres_url")
    if re.search(r"\bt\"", program.shown) and sys.version_info < (3, 14):
        pytest.skip("template strings need Python 3.14")
    lay_out(program, tmp_path)
    (tmp_path / "example.py").write_text(program.whole, encoding="utf-8")
    done = subprocess.run([sys.executable, "example.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    missing = re.search(r"No module named '(\w+)|needs the package (\w+)", done.stderr)
    if missing and importlib.util.find_spec(missing[1] or missing[2]) is None:
        pytest.skip(f"{missing[1] or missing[2]} is not installed")
    assert done.returncode == 0, f"{program.whole}\n{done.stdout}\n{done.stderr}"


def test_every_practice_has_its_call() -> None:
    """Each practice of the catalogue that a library can supply has a row, an example, and names that exist."""
    catalogue = (ROOT / "catalog/practices.toml").read_text(encoding="utf-8")
    supplied = {re.search(r"^id = ['\"](\w+)['\"]", entry, re.MULTILINE)[1] for entry in catalogue.split("[[practice]]")[1:] if "\nsupply = " in entry}  # type: ignore[index]
    page = (ROOT / "docs/guard/practices.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[(\w+)\]\(#", page, re.MULTILINE)) == supplied
    assert {program.name.split()[1] for program in PROGRAMS if program.name.startswith("practices: ")} == supplied
    for row in re.findall(r"^\| \[\w+\].*\| (.+) \|$", page, re.MULTILINE):
        for name in re.findall(r"`([\w.]+)", row):
            module, _, attribute = name.partition(".")
            part: Any = importlib.import_module(f"pyward_guard.{module}")
            for step in attribute.split(".") if attribute else ():
                if step == "django":
                    break  # needs settings to be imported
                if isinstance(part, ModuleType) and not hasattr(part, step):
                    importlib.import_module(f"{part.__name__}.{step}")
                part = getattr(part, step)


def test_examples_of_the_guide_pass_mypy(tmp_path: Path) -> None:
    """As a reader's editor sees them: strict but for annotations, which short examples leave out."""
    pytest.importorskip("mypy")
    files = []
    for number, program in enumerate(PROGRAMS):
        folder = tmp_path / f"example{number}"
        folder.mkdir()
        lay_out(program, folder)
        path = folder / f"example{number}.py"
        path.write_text(program.shown, encoding="utf-8")
        files.append(path)
    options = ["--allow-untyped-defs", "--allow-untyped-calls", "--allow-untyped-decorators", "--allow-incomplete-defs", "--check-untyped-defs"]
    argv = [sys.executable, "-m", "mypy", "--config-file", str(PACKAGE / "mypy.ini"), *options, "--disable-error-code", "no-any-return", "--no-warn-unused-ignores", *map(str, files)]
    done = subprocess.run(argv, cwd=PACKAGE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

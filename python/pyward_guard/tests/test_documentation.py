"""Every public part says what it protects against and shows how it is used."""

from __future__ import annotations

import doctest
import enum
import importlib
import inspect
import re
import sys
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pyward_guard import access, crypto, html, sql, tokens

SOURCE = Path(__file__).resolve().parents[1] / "src/pyward_guard"
# Needs settings to be configured first; the rule is checked on the text of these by the ASVS table.
NEEDS_SETTINGS = ("passwords.django", "sessions.django", "access.django", "headers.django", "errors.django", "crypto.django")


def modules() -> list[str]:
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if any(part.startswith("_") and part != "__init__" for part in parts):
            continue
        name = ".".join(part for part in parts if part != "__init__")
        if name and name not in NEEDS_SETTINGS:
            found.append(name)
    return found


def public(module: ModuleType) -> list[tuple[str, Any]]:
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    parts = [(name, getattr(module, name)) for name in names]
    return [(name, part) for name, part in parts if inspect.isclass(part) or inspect.isroutine(part)]


def is_plain(part: Any) -> bool:
    """Exceptions, protocols, and records that calls take or give: the calls are what is documented."""
    return inspect.isclass(part) and (
        issubclass(part, (BaseException, enum.Enum, tuple)) or getattr(part, "_is_protocol", False) or is_dataclass(part)
    )


def texts(module: ModuleType, part: Any) -> tuple[str, str]:
    """The part's own text with that of its methods, and the text of the modules around it."""
    own = inspect.getdoc(part) or ""
    if inspect.isclass(part):
        own += "".join(inspect.getdoc(member) or "" for name, member in vars(part).items() if callable(member) or isinstance(member, (classmethod, staticmethod)))
    defined = sys.modules.get(getattr(part, "__module__", "")) or module
    return own, (module.__doc__ or "") + (defined.__doc__ or "")


@pytest.mark.parametrize("name", modules())
def test_every_public_part_is_documented(name: str) -> None:
    module = importlib.import_module(f"pyward_guard.{name}")
    missing = []
    for part_name, part in public(module):
        if not str(getattr(part, "__module__", "")).startswith("pyward_guard"):
            continue
        own, around = texts(module, part)
        if not own:
            missing.append(f"{part_name}: no text")
        if is_plain(part):
            continue
        if not re.search(r"CWE-\d|ASVS 5\.0", own):
            missing.append(f"{part_name}: no CWE or ASVS number")
        # A middleware's example is that of its module, which then names it.
        if ">>>" not in own and "Example:" not in own and not (part_name in around and re.search(r">>>|Example:|::\n", around)):
            missing.append(f"{part_name}: no example")
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("part", [crypto.KeySet, tokens.Jwk, html.escape, sql.quote_identifier, access.Entity], ids=lambda part: part.__name__)
def test_examples_of_the_core(part: Any) -> None:
    """Doctest collects from Python files; these texts come from the extension."""
    text = inspect.getdoc(part) or ""
    test = doctest.DocTestParser().get_doctest(text, {}, part.__name__, None, None)
    assert test.examples, text
    outcome = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
    assert outcome.failed == 0 and outcome.attempted == len(test.examples)

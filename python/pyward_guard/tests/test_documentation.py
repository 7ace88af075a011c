"""Every public part says what it protects against, what it takes and raises, and shows how it is used; methods and records, too.

Doctest runs the examples, and test_examples.py those that need a server."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import enum
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pyward_guard import access, crypto, html, sql, tokens

SOURCE = Path(__file__).resolve().parents[1] / "src/pyward_guard"
# Need settings to be configured before they are imported: their source is looked at instead.
NEEDS_SETTINGS = ("limits.django", "passwords.django", "sessions.django", "access.django", "headers.django", "errors.django", "crypto.django")


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
        # Methods' numbers do not speak for their class.
        if not re.search(r"CWE-\d|ASVS 5\.0", inspect.getdoc(part) or ""):
            missing.append(f"{part_name}: no CWE or ASVS number")
        # A middleware's example is that of its module, which then names it.
        if ">>>" not in own and "Example:" not in own and not (part_name in around and re.search(r">>>|Example:|::\n", around)):
            missing.append(f"{part_name}: no example")
    assert not missing, "\n".join(missing)


SECONDS = re.compile(r"(?:timeout|lifetime|clock_skew|max_age|grace|period|seconds|min_interval|idle|absolute|touch)$|.*_(?:timeout|seconds)$")
BYTES = re.compile(r"(?:max_bytes|max_size|max_output|nbytes|max_payload|max_form)$|.*_bytes$")


def members(part: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class defines itself."""
    for name, member in vars(part).items():
        found = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        found = found.fget if isinstance(found, property) else found
        if not name.startswith("_") and (inspect.isroutine(found) or inspect.isgetsetdescriptor(found)):
            yield name, found


def parts() -> Iterator[tuple[str, ModuleType, Any]]:
    """Every public class and function once, with the module that users import it from."""
    seen = set()
    for name in modules():
        module = importlib.import_module(f"pyward_guard.{name}")
        for part_name, part in public(module):
            if str(getattr(part, "__module__", "")).startswith("pyward_guard") and id(part) not in seen:
                seen.add(id(part))
                yield f"{name}.{part_name}", module, part


def functions() -> Iterator[tuple[str, Any, str]]:
    """Every public function, method and constructor, with all the text that a reader has for it."""
    for name, module, part in parts():
        around = module.__doc__ or ""
        if inspect.isclass(part):
            around += part.__doc__ or ""
            yield name, part.__init__, around
            yield from ((f"{name}.{method}", function, around + (function.__doc__ or "")) for method, function in members(part))
        else:
            yield name, part, around + (part.__doc__ or "")


def test_every_method_has_a_text() -> None:
    """But those that a protocol of the kit or a class of somebody else's asks for: they are described there."""
    missing = []
    for name, module, part in parts():
        if not inspect.isclass(part):
            continue
        protocols = [other for _, other in public(module) if getattr(other, "_is_protocol", False)]
        promised = {method for other in protocols if other is not part for method, function in members(other) if function.__doc__}
        foreign = {method for base in part.__mro__[1:-1] if not base.__module__.startswith("pyward_guard") for method in vars(base)}
        missing += [f"{name}.{method}" for method, function in members(part) if not function.__doc__ and method not in promised | foreign]
    assert not missing, missing


def test_every_field_of_a_record_is_described() -> None:
    missing = []
    for name, _, part in parts():
        if not is_dataclass(part):
            continue
        text = part.__doc__ or ""
        assert not text.startswith(f"{part.__name__}("), f"{name}: no text"
        # Fields may have a text of their own, behind them.
        body = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0].body  # type: ignore[attr-defined]
        own = {node.target.id for node, after in zip(body, body[1:]) if isinstance(node, ast.AnnAssign) and isinstance(after, ast.Expr)}  # type: ignore[union-attr]
        for field in dataclasses.fields(part):
            if not field.name.startswith("_") and field.name not in own and not re.search(rf"\b{field.name}\b", text):
                missing.append(f"{name}.{field.name}")
    assert not missing, missing


@pytest.mark.parametrize("name", NEEDS_SETTINGS)
def test_modules_for_django_are_documented(name: str) -> None:
    """With an example in the module's text: a project's settings."""
    tree = ast.parse((SOURCE / (name.replace(".", "/") + ".py")).read_text(encoding="utf-8"))
    assert re.search(r"::\n", ast.get_docstring(tree) or "") or ">>>" in ast.unparse(tree), f"{name}: no example"
    missing = []
    for node in ast.walk(tree):
        for child in getattr(node, "body", []) if isinstance(node, (ast.Module, ast.ClassDef)) else []:
            if not isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) or child.name.startswith("_"):
                continue
            text = ast.get_docstring(child)
            if not text:
                missing.append(f"{child.name}: no text")
            elif isinstance(node, ast.Module) and not re.search(r"CWE-\d|ASVS 5\.0", text):
                missing.append(f"{child.name}: no CWE or ASVS number")
    assert not missing, missing


def test_units_are_given() -> None:
    missing = []
    for name, function, text in functions():
        try:
            parameters = inspect.signature(function).parameters
        except (ValueError, TypeError):
            continue
        for parameter in parameters:
            if SECONDS.match(parameter) and not re.search(r"second|timedelta|minute", text):
                missing.append(f"{name}: {parameter} in seconds?")
            if BYTES.match(parameter) and not re.search(r"byte|[KM]iB", text):
                missing.append(f"{name}: {parameter} in bytes?")
    assert not missing, missing


def test_errors_are_named() -> None:
    """What a function raises in its own body stands in its text, or in that of its class or module."""
    missing = []
    for name, function, text in functions():
        for error in raised(function):
            if not re.search(rf"\b{error}\b", text):
                missing.append(f"{name}: {error}")
    assert not missing, missing


def raised(function: Callable[..., Any]) -> set[str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            found.add(error.id if isinstance(error, ast.Name) else getattr(error, "attr", ""))
    # Misuse of Python itself, and helpers that make an error.
    return {error for error in found if error[:1].isupper()} - {"AttributeError", "TypeError", "NotImplementedError", "StopIteration"}


@pytest.mark.parametrize("part", [crypto.KeySet, tokens.Jwk, html.escape, sql.quote_identifier, access.Entity], ids=lambda part: part.__name__)
def test_examples_of_the_core(part: Any) -> None:
    """Doctest collects from Python files; these texts come from the extension."""
    text = inspect.getdoc(part) or ""
    test = doctest.DocTestParser().get_doctest(text, {}, part.__name__, None, None)
    assert test.examples, text
    outcome = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
    assert outcome.failed == 0 and outcome.attempted == len(test.examples)

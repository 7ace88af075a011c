"""The bounded evaluator, against Python itself."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyward_guard import GuardError, InvalidInput, LimitExceeded
from pyward_guard import eval as guard

NAMES = {"x": 7, "y": -2.5, "s": "ab", "items": [1, 2, 3], "t": True}


def numbers() -> st.SearchStrategy[str]:
    return st.one_of(st.integers(0, 50).map(str), st.sampled_from(["1.5", "0.25", "x", "y", "t", "0"]))


expressions = st.recursive(
    numbers(),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "<", "<=", "==", "!=", ">", "and", "or"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        inner.map(lambda e: f"(-{e})"),
        inner.map(lambda e: f"(not {e})"),
        inner.map(lambda e: f"abs({e})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        st.tuples(inner, inner).map(lambda t: f"max({t[0]}, {t[1]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} < {t[1]} >= {t[2]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} in [{t[1]}, {t[2]}])"),
    ),
    max_leaves=12,
)


@settings(max_examples=400)
@given(expressions)
def test_agrees_with_python(source: str) -> None:
    try:
        wanted = eval(source, {"__builtins__": {}, "abs": abs, "max": max}, dict(NAMES))  # noqa: S307 - our own text
    except ZeroDivisionError:
        with pytest.raises(InvalidInput):
            guard.evaluate(source, NAMES)
        return
    found = guard.evaluate(source, NAMES)
    if isinstance(wanted, float):
        assert isinstance(found, float) and math.isclose(found, wanted, rel_tol=1e-12, abs_tol=1e-12), source
    else:
        assert found == wanted, source


@given(st.text(max_size=60))
def test_any_text(source: str) -> None:
    try:
        guard.evaluate(source, NAMES)
    except (GuardError, UnicodeEncodeError):
        pass


ESCAPES = [
    "__import__('os').system('id')",
    "().__class__.__bases__[0].__subclasses__()",
    "open('/etc/passwd').read()",
    "x.__class__",
    "[c for c in items]",
    "lambda: 1",
    "(x := 3)",
    "f'{x}'",
    "s.format(x)",
    "s[0]",
    "eval('1')",
    "getattr(x, 'real')",
    "breakpoint()",
    "exec('1')",
    "x\n; y",
    "#",
    "'%s' % x",
    "*items",
    "{1: 2}",
    "yield 1",
    "await x",
    "print(1)",
    "x if",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_escapes_are_refused(source: str) -> None:
    with pytest.raises(InvalidInput):
        guard.evaluate(source, NAMES)


@pytest.mark.parametrize(
    "source",
    [
        "9 ** 9 ** 9",
        "'a' * 10 ** 9",
        "(" * 500 + "1" + ")" * 500,
        "-" * 3000 + "1",
        "not " * 1000 + "1",
        "1 + " * 1020 + "1",
        "[" * 100 + "]" * 100,
        "1" * 5000,
        "2 ** 127",
        "1e308 * 10",
        "1 if 1 else " * 300 + "1",
        "2 ** " * 500 + "2",
    ],
)
def test_bounds(source: str) -> None:
    started = time.thread_time()
    with pytest.raises((LimitExceeded, InvalidInput)):
        guard.evaluate(source, {})
    assert time.thread_time() - started < 1


def test_steps() -> None:
    big = list(range(9000))
    with pytest.raises(LimitExceeded):
        guard.evaluate("sum(items) + sum(items)", {"items": big})


def test_values_and_names() -> None:
    rule = guard.Expression("a + b * 2", names=["a", "b", "c"])
    assert rule.names == ("a", "b")
    assert rule.evaluate({"a": 1, "b": 2, "c": object()}) == 5  # type: ignore[dict-item]
    bad: list[dict[str, Any]] = [{}, {"a": 1}, {"a": 1, "b": object()}, {"a": 1, "b": float("nan")}, {"a": 1, "b": 2**200}]
    for variables in bad:
        with pytest.raises(InvalidInput):
            rule.evaluate(variables)
    with pytest.raises(InvalidInput):
        guard.Expression("abs(1)", names=[], functions=["max"])
    with pytest.raises(InvalidInput):
        guard.Expression("1", names=[], functions=["eval"])
    with pytest.raises(InvalidInput):
        guard.Expression("1", names="ab")

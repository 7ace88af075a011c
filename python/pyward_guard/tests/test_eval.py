"""The bounded evaluator, against Python itself."""

from __future__ import annotations

import math
import subprocess
import sys
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
        assert isinstance(found, float) and repr(found) == repr(wanted), source
    else:
        assert (type(found), found) == (type(wanted), wanted), source


@settings(max_examples=300)
@given(st.integers(-(2**127) + 1, 2**127 - 1), st.one_of(st.integers(1, 100), st.integers(1, 2**127 - 1)), st.sampled_from(["/", "//", "%", "<", "=="]))
def test_large_integers_agree_with_python(a: int, b: int, operator: str) -> None:
    source = f"({a}) {operator} {b}"
    assert repr(guard.evaluate(source, {})) == repr(eval(source)), source  # noqa: S307 - our own text


@settings(max_examples=300)
@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["/", "//", "%", "+", "*"]))
def test_floats_agree_with_python(a: float, b: float, operator: str) -> None:
    source = f"a {operator} b"
    try:
        wanted = eval(source)  # noqa: S307 - our own text
    except ZeroDivisionError:
        wanted = math.nan
    if math.isfinite(wanted):
        assert repr(guard.evaluate(source, {"a": a, "b": b})) == repr(wanted), (a, operator, b)
    else:
        with pytest.raises(GuardError):
            guard.evaluate(source, {"a": a, "b": b})


@given(st.text(max_size=60))
def test_any_text(source: str) -> None:
    try:
        guard.evaluate(source, NAMES)
    except GuardError:
        pass


def test_what_is_not_unicode() -> None:
    for source, variables in (("'\ud800'", {}), ("a", {"a": "\ud800"})):
        with pytest.raises(InvalidInput):
            guard.evaluate(source, variables)


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


@pytest.mark.parametrize(
    "source",
    [
        "a == b and " * 150 + "1",
        "len(t) + " * 190 + "0",
        "t == u and " * 150 + "1",
        "a in [b, a] and " * 70 + "1",
        "len([" + "a, " * 400 + "])",
        "len([" + "t, " * 400 + "])",
        "max(t, u) == u and " * 60 + "1",
        "t < u and " * 200 + "1",
        "'x' in t or " * 200 + "1",
        "upper(t)",
    ],
)
def test_large_variables_are_paid_for(source: str) -> None:
    big, text = list(range(1_000_000)), "a" * 10_000_000
    variables: dict[str, Any] = {"a": big, "b": list(big), "t": text, "u": text[:-1] + "b"}
    started = time.thread_time()
    with pytest.raises(LimitExceeded):
        guard.evaluate(source, variables)
    # Handing the variables over takes most of it.
    assert time.thread_time() - started < 2
    assert guard.evaluate("len(a) + len(a) + len(b)", variables) == 3_000_000


def test_small_stacks() -> None:
    """A long chain and deep nesting, in a thread with as little room as some systems give."""
    code = (
        "import threading\nfrom pyward_guard.eval import evaluate\n"
        "sources = ['+'.join(['1'] * 490), ' or '.join(['0'] * 490), '(' * 30 + '+'.join(['1'] * 440) + ')' * 30, '-' * 31 + '1',\n"
        "    '[' * 31 + ']' * 31, 'not ' * 31 + '1', 'abs(' * 31 + '1' + ')' * 31]\n"
        "threading.stack_size(128 << 10)\n"
        "thread = threading.Thread(target=lambda: [evaluate(source, {}) for source in sources] and print('done'))\n"
        "thread.start(); thread.join()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


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

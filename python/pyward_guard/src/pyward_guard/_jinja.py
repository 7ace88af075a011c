"""The hardened Jinja2 environment of :mod:`pyward_guard.html`; imported only where Jinja2 is used."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from ._optional import need

try:
    import jinja2
    import jinja2.sandbox
    from jinja2 import nodes
except ImportError:
    raise need("jinja2", "pyward_guard.html.jinja_environment") from None

from . import _core, html
from ._core import InvalidInput

_log = logging.getLogger("pyward_guard.html")

_FIXED = ("autoescape", "loader", "extensions", "undefined")


class Environment(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """See :func:`pyward_guard.html.jinja_environment`."""

    guard_allow_safe = False

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        self._check_contexts(source, name, filename)
        tree = super()._parse(source, name, filename)
        for node in tree.find_all((nodes.EvalContextModifier, nodes.ScopedEvalContextModifier)):
            for option in node.options:
                constant = isinstance(option.value, nodes.Const) and option.value.value is True
                if option.key == "autoescape" and not constant:
                    raise jinja2.TemplateSyntaxError("autoescaping cannot be turned off", node.lineno, name, filename)
        if not self.guard_allow_safe:
            for applied in tree.find_all(nodes.Filter):
                if applied.name == "safe":
                    raise jinja2.TemplateSyntaxError(
                        "the safe filter is refused: use sanitize, or a Markup value", applied.lineno, name, filename
                    )
        return tree

    def _check_contexts(self, source: str, name: str | None, filename: str | None) -> None:
        tracker = _core.HtmlTracker()
        for line, value in _parts(self.lex(source, name, filename)):
            if isinstance(value, str):
                tracker.feed(value)
                continue
            context = tracker.value()
            problem = _problem(context, value)
            if problem:
                raise jinja2.TemplateSyntaxError(problem, line, name, filename)


def _parts(tokens: Iterator[tuple[int, str, str]]) -> Iterator[tuple[int, str | list[tuple[str, str]]]]:
    """Literal parts as text, values as lists of tokens, both with their line."""
    expression: list[tuple[str, str]] | None = None
    start = 1
    for line, kind, text in tokens:
        if kind == "data":
            yield line, text
        elif kind == "variable_begin":
            expression, start = [], line
        elif kind == "variable_end":
            if expression is not None:
                yield start, expression
            expression = None
        elif expression is not None and kind != "whitespace":
            expression.append((kind, text))


def _last_filter(expression: list[tuple[str, str]]) -> str | None:
    """The filter applied last to the whole expression."""
    depth = 0
    found = None
    for index, (kind, text) in enumerate(expression):
        if kind == "operator":
            if text in "([{":
                depth += 1
            elif text in ")]}":
                depth -= 1
            elif text == "|" and depth == 0 and index + 1 < len(expression):
                found = expression[index + 1][1]
            elif depth == 0 and text != ".":
                found = None
        elif kind == "name" and depth == 0 and text in ("if", "else", "and", "or", "in", "is", "not"):
            found = None
    return found


def _is_call(expression: list[tuple[str, str]]) -> bool:
    """True for ``name(...)`` as a whole, such as ``url_for('index')``."""
    if len(expression) < 3 or expression[0][0] != "name" or expression[1] != ("operator", "("):
        return False
    depth = 0
    for index, (kind, text) in enumerate(expression):
        if kind == "operator" and text in "([{":
            depth += 1
        elif kind == "operator" and text in ")]}":
            depth -= 1
            if depth == 0:
                return index == len(expression) - 1
    return False


def _problem(context: str, expression: list[tuple[str, str]]) -> str | None:
    if context in ("text", "attribute"):
        return None
    filter_name = _last_filter(expression)
    if context == "url":
        if filter_name == "url" or _is_call(expression):
            return None
        return "a value at the start of a URL attribute needs |url"
    if context == "url-part":
        # Escaping keeps it in the attribute; the path or query it lands in is the template's choice.
        return None
    if context == "script-attribute":
        # `tojson` leaves double quotes, which would end the attribute.
        return "a value in an event attribute: put it in a data attribute"
    if context == "script":
        return None if filter_name == "tojson" else "a value in a script needs |tojson"
    if context == "style-attribute":
        return None if filter_name in ("int", "float", "round") else "a value in a style attribute needs |int or |float"
    return f"a value in {html._REFUSALS[context]}"


def environment(loader: jinja2.BaseLoader | None, allow_safe: bool, options: dict[str, Any]) -> jinja2.Environment:
    for name in _FIXED:
        if name in options:
            raise InvalidInput(f"{name} is fixed in this environment")
    made = Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, **options)
    if allow_safe:
        _log.warning("a template environment allows the safe filter")
    made.guard_allow_safe = allow_safe
    made.filters["url"] = html.safe_url
    made.filters["url_part"] = html.escape_url_component
    made.filters["sanitize"] = html.sanitize
    return made

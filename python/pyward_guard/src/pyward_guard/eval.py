"""A bounded evaluator of arithmetic, comparison and boolean expressions over an allow-list of names.

For formulas, filters and rules that users write. The syntax is a subset of Python's expressions without attributes,
subscripts, comprehensions, lambdas or assignments, and with nothing to call but the functions allowed; length, depth,
steps, numbers (128-bit integers) and texts are bounded, so that no expression can hang or fill the process.

Practice: I5. Protects against CWE-94, CWE-95, CWE-400, CWE-674.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from . import _core
from ._core import InvalidInput

__all__ = ["FUNCTIONS", "Expression", "Value", "evaluate"]

Value = None | bool | int | float | str | list["Value"]

FUNCTIONS: Final = _core.EVAL_FUNCTIONS
"""The functions that can be allowed."""


class Expression:
    """A parsed expression, to be evaluated as often as needed; safe to share between threads.

    ``names`` are the variables that may occur, ``functions`` the functions that may be called, from :data:`FUNCTIONS`
    (all of them by default).

    ASVS 5.0: v5.0.0-1.3.2. CWE-95.

    Raises:
        InvalidInput: it is not an expression, or uses a name or function that is not allowed; with the position.
        LimitExceeded: it is too long or nested too deeply.

    >>> rule = Expression("amount > 100 and country in ['DE', 'FR']", names=["amount", "country"])
    >>> rule.evaluate({"amount": 120, "country": "DE"})
    True
    >>> Expression("open('/etc/passwd')", names=[])
    Traceback (most recent call last):
    pyward_guard.InvalidInput: the expression has a function that is not allowed at position 1
    """

    __slots__ = ("_inner", "source")

    def __init__(
        self,
        source: str,
        *,
        names: Iterable[str],
        functions: Iterable[str] = FUNCTIONS,
        max_source: int = 4096,
        max_depth: int = 32,
        max_steps: int = 10_000,
        max_text: int = 65_536,
    ) -> None:
        if isinstance(names, str) or isinstance(functions, str):
            raise InvalidInput("names and functions are lists of names")
        self.source = source
        try:
            self._inner = _core.EvalExpression(
                source,
                list(names),
                list(functions),
                max_source=max_source,
                max_depth=max_depth,
                max_steps=max_steps,
                max_text=max_text,
            )
        except UnicodeEncodeError:
            raise InvalidInput("the expression is not valid Unicode") from None

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that occur."""
        return tuple(self._inner.names())

    def evaluate(self, variables: Mapping[str, Value]) -> Value:
        """The value of the expression. Variables are None, bool, int, float, str or lists of them.

        Raises:
            InvalidInput: a variable is missing or of another type, or the operation makes no sense (``1 / 0``).
            LimitExceeded: too many steps, or a number or text that is too large.
        """
        value: Value = self._inner.evaluate(dict(variables))
        return value


def evaluate(source: str, variables: Mapping[str, Value], *, functions: Iterable[str] = FUNCTIONS) -> Value:
    """Parses and evaluates an expression over ``variables`` in one go.

    ASVS 5.0: v5.0.0-1.3.2. CWE-95.

    >>> evaluate("price * quantity * (1 - discount)", {"price": 10, "quantity": 3, "discount": 0.5})
    15.0
    >>> evaluate("2 ** 10000", {})
    Traceback (most recent call last):
    pyward_guard.LimitExceeded: limit exceeded: a number in the expression is too large
    """
    return Expression(source, names=variables.keys(), functions=functions).evaluate(variables)

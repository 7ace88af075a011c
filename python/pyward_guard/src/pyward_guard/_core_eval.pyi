"""Part of the stub of the Rust core: eval."""

from collections.abc import Sequence
from typing import Any, Final, final

__all__ = ["EVAL_FUNCTIONS", "EvalExpression"]

EVAL_FUNCTIONS: Final[tuple[str, ...]]

@final
class EvalExpression:
    def __new__(
        cls,
        source: str,
        names: Sequence[str],
        functions: Sequence[str],
        *,
        max_source: int,
        max_depth: int,
        max_steps: int,
        max_text: int,
    ) -> EvalExpression: ...
    def names(self) -> list[str]: ...
    def evaluate(self, variables: dict[str, Any]) -> Any: ...

"""Answers of what keeps codes from being used twice."""

from __future__ import annotations

from .._core import InvalidInput, VerificationFailed


def require_true(answer: object, who: str) -> None:
    """Raises unless the answer is True, not just something that is true: that of a coroutine function has not asked yet."""
    if answer is True:
        return
    if answer is not False:
        close = getattr(answer, "close", None)
        if close is not None:
            close()
        raise InvalidInput(f"{who} answers True or False, at once")
    raise VerificationFailed("verification failed")

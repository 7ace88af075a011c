"""Safe building blocks for Python applications.

Import the module you need (``from pyward_guard import passwords``); nothing heavy is loaded before that.
"""

from ._core import (
    Expired,
    GuardError,
    InvalidInput,
    LimitExceeded,
    Refused,
    UnknownKey,
    Unsupported,
    VerificationFailed,
)
from ._optional import MissingPackage

__all__ = [
    "Expired",
    "GuardError",
    "InvalidInput",
    "LimitExceeded",
    "MissingPackage",
    "Refused",
    "UnknownKey",
    "Unsupported",
    "VerificationFailed",
]

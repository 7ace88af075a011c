"""Packages that are needed only where they are used."""

from __future__ import annotations

from ._core import Unsupported


class MissingPackage(Unsupported, ImportError):
    """A part of the kit works with a package that is not installed; the message names it."""

    __module__ = "pyward_guard"


def need(package: str, purpose: str) -> MissingPackage:
    """The error for an optional package that is not installed.

    >>> str(need("flask", "pyward_guard.access.flask"))
    'pyward_guard.access.flask needs the package flask: pip install flask'
    """
    return MissingPackage(f"{purpose} needs the package {package}: pip install {package}")

"""Packages and abilities of the system that are needed only where they are used."""

from __future__ import annotations

import os

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


def need_posix(what: str) -> None:
    """Raises :class:`~pyward_guard.Unsupported` where owners and mode bits of files say nothing.

    >>> need_posix("a private file")
    """
    if os.name != "posix":
        raise Unsupported(f"not supported on this host: {what} needs a POSIX system")

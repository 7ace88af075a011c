"""What the framework adapters share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from .._core import InvalidInput
from ._policy import Entity, EntityData, Policy

MARK = "__pyward_access__"
"""Attribute of views and dependencies that decide on access, or are public on purpose."""

Subject = Entity | EntityData
View = TypeVar("View", bound=Callable[..., Any])


def public(view: View) -> View:
    """Marks a view that everybody may reach; where access is denied by default, all others need a guard.

    >>> @public
    ... def health(): return "ok"

    CWE-862; ASVS 5.0: v5.0.0-8.2.1.
    """
    setattr(view, MARK, "public")
    return view


def check_view(view: Any) -> None:
    """Raises for what a decorator cannot guard."""
    if inspect.isclass(view):
        raise InvalidInput("a class is not a view: guard what it makes (`decorators` in Flask, `method_decorator(..., name='dispatch')` in Django)")
    if not callable(view):
        raise InvalidInput("only functions can be guarded: put this decorator below classmethod, property and the like")


def checked(policy: Policy, principal: Subject, action: str, resource: Any, context: Any) -> None:
    """Raises :class:`AccessDenied` unless the request is allowed."""
    if not isinstance(resource, (Entity, EntityData)):
        raise InvalidInput("resource gives an Entity or EntityData")
    policy.require(principal, action, resource, context=context)

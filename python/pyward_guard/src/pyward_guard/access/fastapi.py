"""Access guards for FastAPI.

>>> import fastapi
>>> from pyward_guard.access import Entity, Kind, Policy, Role, User
>>> policy = Policy()
>>> _ = policy.permit(Role("reader"), "read", Kind("Page"))
>>> guard = Guard(policy, principal=lambda request: User("ada"))
>>> app = fastapi.FastAPI(dependencies=[fastapi.Depends(guard.default_deny)])
>>> page = lambda request: Entity("Page", request.path_params["page_id"])
>>> @app.get("/pages/{page_id}", dependencies=[guard.require("read", resource=page)])
... def read(page_id: int): return page_id
>>> from fastapi.testclient import TestClient
>>> TestClient(app).get("/pages/7").status_code
403
>>> policy.assign(User("ada"), "reader")
>>> TestClient(app).get("/pages/7").status_code
200

CWE-285, CWE-862, CWE-863; ASVS 5.0: v5.0.0-8.2.1, v5.0.0-8.3.1.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from .._optional import need
from ._guard import MARK, Subject, checked, public
from ._policy import AccessDenied, Entity, Policy

try:
    from fastapi import Depends, HTTPException
    from fastapi.routing import APIRoute
    from starlette.requests import HTTPConnection, Request
except ImportError:
    raise need("fastapi", "pyward_guard.access.fastapi") from None

__all__ = ["Guard", "public", "unguarded"]


async def _value(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


def _guarded(dependant: Any) -> bool:
    return hasattr(dependant.call, MARK) or any(_guarded(inner) for inner in dependant.dependencies)


def _is_guarded(route: Any) -> bool:
    dependant = getattr(route, "dependant", None)
    return hasattr(getattr(route, "endpoint", None), MARK) or (dependant is not None and _guarded(dependant))


class Guard:
    """Dependencies that decide on access.

    ``principal`` gives who makes a request, or None for somebody who is not signed in (401). ``context`` gives the
    circumstances for conditions. Both may be coroutine functions.

    CWE-862, CWE-863; ASVS 5.0: v5.0.0-8.2.1, v5.0.0-8.2.2, v5.0.0-8.3.1.
    """

    def __init__(
        self, policy: Policy, *, principal: Callable[[Request], Any], context: Callable[[Request], Mapping[str, Any]] | None = None
    ) -> None:
        self._policy, self._principal, self._context = policy, principal, context

    async def decide(self, request: Request, action: str, resource: Any) -> Subject:
        """The principal, when the request is allowed; otherwise 401 or 403. Raises ``fastapi.HTTPException`` (401 or 403)."""
        principal: Subject | None = await _value(self._principal(request))
        if principal is None:
            raise HTTPException(401, "Sign in first.")
        context = await _value(self._context(request)) if self._context is not None else None
        try:
            checked(self._policy, principal, action, resource, context)
        except AccessDenied:
            raise HTTPException(403, "You may not do this.") from None
        return principal

    def require(self, action: str, *, resource: Callable[[Request], Any] | Entity) -> Any:
        """A dependency that lets allowed requests through and gives the endpoint the principal.

        ``resource`` is an entity, or a function (or coroutine function) of the request that gives an entity or
        entity data, such as one that loads the object of the path.
        """

        async def guard(request: Request) -> Subject:
            found = resource if isinstance(resource, Entity) else await _value(resource(request))
            return await self.decide(request, action, found)

        # FastAPI reads annotations; they are strings in this module.
        guard.__annotations__ = {"request": Request}
        setattr(guard, MARK, action)
        return Depends(guard)

    async def default_deny(self, connection: HTTPConnection) -> None:
        """For ``FastAPI(dependencies=[Depends(guard.default_deny)])``: refuses routes that have no guard and are not public.

        Raises ``fastapi.HTTPException`` (403).
        """
        if not _is_guarded(connection.scope.get("route")):
            raise HTTPException(403, "You may not do this.")

    default_deny.__annotations__ = {"connection": HTTPConnection, "return": None}


def unguarded(app: Any) -> list[str]:
    """Routes of an application without a guard that are not marked public, for a test that there are none.

    CWE-862, CWE-863; ASVS 5.0: v5.0.0-8.2.1.

    >>> import fastapi
    >>> app = fastapi.FastAPI(openapi_url=None)
    >>> @app.get("/open")
    ... def view(): ...
    >>> unguarded(app)
    ['GET /open']
    """
    found = []
    for route in _routes(app.router):
        if not _is_guarded(route):
            found += [f"{method} {route.path}" for method in sorted(getattr(route, "methods", None) or ())]
    return found


def _routes(router: Any) -> Any:
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if isinstance(route, APIRoute):
            yield route
        elif inner is not None:
            yield from _routes(inner)

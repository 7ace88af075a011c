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
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .._optional import need
from ._guard import MARK, Subject, checked, public
from ._policy import AccessDenied, Entity, Policy

try:
    from fastapi import Depends, HTTPException, WebSocketException
    from starlette.requests import HTTPConnection, Request
    from starlette.routing import Mount, WebSocketRoute
except ImportError:
    raise need("fastapi", "pyward_guard.access.fastapi") from None

__all__ = ["Guard", "public", "unguarded"]


def _refusal(connection: Any, status: int, text: str) -> Exception:
    return WebSocketException(1008, text) if connection.scope["type"] == "websocket" else HTTPException(status, text)


async def _value(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


def _guarded(dependant: Any) -> bool:
    return hasattr(dependant.call, MARK) or any(_guarded(inner) for inner in dependant.dependencies)


def _route(scope: Any) -> Any:
    """The route of a request: as it was included, with the router's dependencies, where FastAPI tells."""
    included = (scope.get("fastapi") or {}).get("effective_route_context")
    included = getattr(included, "starlette_route", None) or included
    return included if getattr(included, "dependant", None) is not None else scope.get("route")


def _is_guarded(route: Any) -> bool:
    dependant = getattr(route, "dependant", None)
    return hasattr(getattr(route, "endpoint", None), MARK) or (dependant is not None and _guarded(dependant))


class Guard:
    """Dependencies that decide on access, for HTTP and WebSocket routes.

    ``principal`` gives who makes a request, or None for somebody who is not signed in (401). ``context`` gives the
    circumstances for conditions. Both may be coroutine functions.

    CWE-862, CWE-863; ASVS 5.0: v5.0.0-8.2.1, v5.0.0-8.2.2, v5.0.0-8.3.1.
    """

    def __init__(
        self, policy: Policy, *, principal: Callable[[Request], Any], context: Callable[[Request], Mapping[str, Any]] | None = None
    ) -> None:
        self._policy, self._principal, self._context = policy, principal, context

    async def _signed_in(self, request: Any) -> Subject:
        principal: Subject | None = await _value(self._principal(request))
        if principal is None:
            raise _refusal(request, 401, "Sign in first.")
        return principal

    async def decide(self, request: HTTPConnection, action: str, resource: Any) -> Subject:
        """The principal, when the request is allowed; otherwise 401 or 403, for a WebSocket closing it with code 1008.

        Raises ``fastapi.HTTPException`` (401 or 403), for a WebSocket ``fastapi.WebSocketException``.
        """
        return await self._judge(request, await self._signed_in(request), action, resource)

    async def _judge(self, request: Any, principal: Subject, action: str, resource: Any) -> Subject:
        context = await _value(self._context(request)) if self._context is not None else None
        try:
            checked(self._policy, principal, action, resource, context)
        except AccessDenied:
            raise _refusal(request, 403, "You may not do this.") from None
        return principal

    def require(self, action: str, *, resource: Callable[[Request], Any] | Entity) -> Any:
        """A dependency that lets allowed requests through and gives the endpoint the principal.

        ``resource`` is an entity, or a function (or coroutine function) of the request that gives an entity or
        entity data, such as one that loads the object of the path.
        """

        async def guard(connection: HTTPConnection) -> Subject:
            # Who it is comes first: what exists is nothing for strangers.
            principal = await self._signed_in(connection)
            found = resource if isinstance(resource, Entity) else await _value(resource(connection))  # type: ignore[arg-type]
            return await self._judge(connection, principal, action, found)

        # FastAPI reads annotations; they are strings in this module. At run time it is a Request or a WebSocket.
        guard.__annotations__ = {"connection": HTTPConnection}
        setattr(guard, MARK, action)
        return Depends(guard)

    async def default_deny(self, connection: HTTPConnection) -> None:
        """For ``FastAPI(dependencies=[Depends(guard.default_deny)])``: refuses routes that have no guard and are not public.

        Raises ``fastapi.HTTPException`` (403).
        """
        if not _is_guarded(_route(connection.scope)):
            raise _refusal(connection, 403, "You may not do this.")

    default_deny.__annotations__ = {"connection": HTTPConnection, "return": None}


def unguarded(app: Any) -> list[str]:
    """Routes of an application without a guard that are not marked public, for a test that there are none.

    WebSockets, routes of Starlette's own and mounted applications count; what FastAPI serves to describe the routes
    does not. ``default_deny`` is a dependency, so that it refuses FastAPI's routes only: guard the others yourself.

    CWE-862, CWE-863; ASVS 5.0: v5.0.0-8.2.1.

    >>> import fastapi
    >>> app = fastapi.FastAPI(openapi_url=None)
    >>> @app.get("/open")
    ... def view(): ...
    >>> unguarded(app)
    ['GET /open']
    """
    own = {getattr(app, name, None) for name in ("openapi_url", "docs_url", "redoc_url", "swagger_ui_oauth2_redirect_url")}
    return [line for line in _unguarded(app.router, "") if line.partition(" ")[2] not in own]


def _unguarded(router: Any, prefix: str) -> Iterator[str]:
    for route in router.routes:
        yield from _of_route(route, prefix)


def _of_route(route: Any, prefix: str) -> Iterator[str]:
    path = prefix + (getattr(route, "path", None) or "")
    included = getattr(route, "effective_candidates", None)
    if included is not None:
        for inner in included():
            yield from _of_route(getattr(inner, "starlette_route", None) or inner, prefix)
    elif getattr(route, "original_router", None) is not None:
        yield from _unguarded(route.original_router, prefix)
    elif getattr(route, "dependant", None) is not None and _is_guarded(route):
        return
    elif isinstance(route, Mount):
        # What hangs below has its own routes, or is an application that nothing is known of.
        if getattr(route.app, "routes", None):
            yield from _unguarded(route.app, path)
        elif not hasattr(route.app, MARK):
            yield f"MOUNT {path}"
    elif not hasattr(getattr(route, "endpoint", None), MARK):
        # Dependencies do not apply to routes of Starlette's.
        kinds = ["WEBSOCKET"] if isinstance(route, WebSocketRoute) else sorted(getattr(route, "methods", None) or ["ANY"])
        yield from (f"{kind} {path}" for kind in kinds)

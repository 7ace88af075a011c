"""Access guards for Flask.

>>> import flask
>>> from pyward_guard.access import Entity, Kind, Policy, User
>>> policy = Policy()
>>> _ = policy.permit(User("ada"), "read", Kind("Page"))
>>> app = flask.Flask(__name__)
>>> guard = Guard(policy, principal=lambda: User(flask.request.headers["X-User"]))
>>> guard.deny_by_default(app)
>>> @app.get("/pages/<page_id>")
... @guard.require("read", resource=lambda page_id: Entity("Page", page_id))
... def read(page_id): return page_id
>>> @app.get("/forgotten")
... def forgotten(): return "secret"
>>> client = app.test_client()
>>> [client.get(path, headers={"X-User": user}).status_code for path, user in [("/pages/7", "ada"), ("/pages/7", "bob"), ("/forgotten", "ada")]]
[200, 403, 403]

CWE-285, CWE-862, CWE-863; ASVS 5.0: v5.0.0-8.2.1, v5.0.0-8.3.1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from .._optional import need
from ._guard import MARK, Subject, View, check_view, checked, public
from ._policy import AccessDenied, Entity, Policy

try:
    import flask as _flask
except ImportError:
    raise need("flask", "pyward_guard.access.flask") from None

__all__ = ["Guard", "public", "unguarded"]


class Guard:
    """Decorators that decide on access.

    ``principal`` gives who makes the running request, or None for somebody who is not signed in (401); ``context``
    gives the circumstances for conditions.

    CWE-862, CWE-863; ASVS 5.0: v5.0.0-8.2.1, v5.0.0-8.2.2, v5.0.0-8.3.1.
    """

    def __init__(self, policy: Policy, *, principal: Callable[[], Subject | None], context: Callable[[], Mapping[str, Any]] | None = None) -> None:
        self._policy, self._principal, self._context = policy, principal, context

    def _signed_in(self) -> Subject:
        principal = self._principal()
        if principal is None:
            _flask.abort(401)
        return principal

    def decide(self, action: str, resource: Any) -> None:
        """Returns when the running request is allowed; otherwise aborts with 401 or 403."""
        self._judge(self._signed_in(), action, resource)

    def _judge(self, principal: Subject, action: str, resource: Any) -> None:
        try:
            checked(self._policy, principal, action, resource, self._context() if self._context is not None else None)
        except AccessDenied:
            _flask.abort(403)

    def require(self, action: str, *, resource: Callable[..., Any] | Entity) -> Callable[[View], View]:
        """Lets allowed requests through. ``resource`` is an entity, or a function of the view's arguments that gives one."""

        def decorate(view: View) -> View:
            check_view(view)

            @functools.wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                # Who it is comes first: what exists is nothing for strangers.
                principal = self._signed_in()
                self._judge(principal, action, resource if isinstance(resource, Entity) else resource(*args, **kwargs))
                return _flask.current_app.ensure_sync(view)(*args, **kwargs)

            setattr(guarded, MARK, action)
            return guarded  # type: ignore[return-value]

        return decorate

    def deny_by_default(self, app: Any) -> None:
        """Refuses requests to views of ``app`` that have no guard and are not :func:`public` (static files are)."""

        def check() -> None:
            endpoint = _flask.request.endpoint
            if endpoint is not None and not _is_guarded(_flask.current_app, endpoint):
                _flask.abort(403)

        app.before_request(check)


def _is_guarded(app: Any, endpoint: str) -> bool:
    view = app.view_functions[endpoint]
    if hasattr(view, MARK):
        return True
    # Flask's own views of static files, not others of that name.
    blueprint, _, name = endpoint.rpartition(".")
    if name != "static":
        return False
    if not blueprint:
        return bool(app.has_static_folder)
    owner = app.blueprints.get(blueprint)
    return owner is not None and owner.has_static_folder and getattr(view, "__func__", None) is getattr(owner.send_static_file, "__func__", view)


def unguarded(app: Any) -> list[str]:
    """Routes of an application without a guard that are not marked public, for a test that there are none.

    CWE-862, CWE-863.

    >>> app = _flask.Flask(__name__)
    >>> @app.get("/open")
    ... def view(): ...
    >>> unguarded(app)
    ['GET /open']
    """
    found = []
    for rule in app.url_map.iter_rules():
        if not _is_guarded(app, rule.endpoint):
            found += [f"{method} {rule.rule}" for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})]
    return found

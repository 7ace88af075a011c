"""Access guards for Django.

A policy and who makes a request are named in the settings::

    PYWARD_ACCESS_POLICY = "project.access.policy"
    PYWARD_ACCESS_PRINCIPAL = "project.access.principal"     # a function of the request; None for nobody
    MIDDLEWARE = [..., "pyward_guard.access.django.DefaultDeny"]     # views without a guard are refused

and views say what they need::

    @require("edit", resource=lambda request, pk: EntityData(Entity("Page", pk), attributes=...))
    def edit(request, pk): ...

Views of Django itself and of packages are marked where they are routed: ``path("login", public(LoginView.as_view()))``, and
``allow_admin(admin.site)`` for the admin.

Without ``PYWARD_ACCESS_PRINCIPAL``, ``request.user`` is taken: ``User::"<pk>"`` within a ``Role`` for each group.

ASVS 5.0: v5.0.0-8.2.1, v5.0.0-8.3.1.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable
from typing import Any

from .._core import InvalidInput
from .._optional import need
from .._web import in_event_loop
from ._guard import MARK, Subject, View, check_view, checked, public
from ._policy import AccessDenied, Entity, EntityData, Policy, Role, User

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
    from django import conf
    from django.core.exceptions import PermissionDenied
    from django.http import HttpRequest, HttpResponse
    from django.utils.module_loading import import_string
except ImportError:
    raise need("django", "pyward_guard.access.django") from None

__all__ = ["DefaultDeny", "allow_admin", "principal_of", "public", "require"]


def _setting(name: str) -> Any:
    value = getattr(conf.settings, name, None)
    return import_string(value) if isinstance(value, str) else value


def principal_of(request: HttpRequest) -> Subject | None:
    """Who makes a request: Django's user within a role for each of its groups, None for nobody. CWE-862."""
    own = _setting("PYWARD_ACCESS_PRINCIPAL")
    if own is not None:
        found: Subject | None = own(request)
        return found
    user: Any = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return None
    groups = [Role(name) for name in user.groups.values_list("name", flat=True)]
    return EntityData(User(str(user.pk)), within=groups, attributes={"staff": user.is_staff, "superuser": user.is_superuser})


def _decide(request: HttpRequest, action: str, resource: Any, args: Any, kwargs: Any) -> HttpResponse | None:
    policy = _setting("PYWARD_ACCESS_POLICY")
    if not isinstance(policy, Policy):
        raise InvalidInput("PYWARD_ACCESS_POLICY names no Policy")
    principal = principal_of(request)
    if principal is None:
        return HttpResponse(b"Sign in first.\n", status=401, content_type="text/plain")
    found = resource if isinstance(resource, Entity) else resource(request, *args, **kwargs)
    try:
        checked(policy, principal, action, found, None)
    except AccessDenied:
        raise PermissionDenied from None
    return None


def require(action: str, *, resource: Callable[..., Any] | Entity) -> Callable[[View], View]:
    """Lets allowed requests through to a view, synchronous or not; others get 401 or 403.

    ``resource`` is an entity, or a function of the request and the view's arguments that gives an entity or its data.

    ASVS 5.0: v5.0.0-8.2.1, v5.0.0-8.2.2, v5.0.0-8.3.1.
    """

    def decorate(view: View) -> View:
        check_view(view)

        @functools.wraps(view)
        async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            refused = await sync_to_async(_decide)(request, action, resource, args, kwargs)
            if refused is not None:
                return refused
            answer = view(request, *args, **kwargs)
            return await answer if inspect.isawaitable(answer) else answer

        setattr(guarded_async, MARK, action)
        if iscoroutinefunction(view):
            return guarded_async  # type: ignore[return-value]

        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if in_event_loop():
                # `dispatch` of a class-based view with coroutine methods: synchronous, but its answer is awaited.
                return guarded_async(request, *args, **kwargs)
            refused = _decide(request, action, resource, args, kwargs)
            return refused if refused is not None else view(request, *args, **kwargs)

        setattr(guarded, MARK, action)
        return guarded  # type: ignore[return-value]

    return decorate


def allow_admin(site: Any) -> None:
    """Lets the views of an ``AdminSite`` through :class:`DefaultDeny`: its log-in, and those that go through its
    ``admin_view``, which asks for an active member of the staff and for the model's permissions.

    Call it before ``urls`` of the site is read: what went through ``admin_view`` earlier stays refused, and so do views that
    a ``ModelAdmin`` or the site adds without it.

    Raises :class:`~pyward_guard.InvalidInput` for anything but a site.

    CWE-862.

    Example: ``allow_admin(admin.site)`` in the URL configuration, above ``urlpatterns``.
    """
    admin_view: Any = getattr(site, "admin_view", None)
    if not callable(admin_view) or inspect.isclass(site):
        raise InvalidInput("an AdminSite is needed")

    @functools.wraps(admin_view)
    def marked(*args: Any, **kwargs: Any) -> Any:
        view = admin_view(*args, **kwargs)
        # A method, which an `admin_view` of the site's own may give, takes no mark.
        with contextlib.suppress(AttributeError):
            setattr(view, MARK, "admin")
        return view

    if getattr(site, MARK, None) != "admin":
        site.admin_view = marked
        setattr(site, MARK, "admin")


def _of_allowed_admin(view: Any) -> bool:
    # What `admin_view` is put around carries the site, or what belongs to it. The log-in is a plain method of the site.
    site = getattr(view, "admin_site", None) or getattr(getattr(view, "model_admin", None), "admin_site", None)
    if site is None and getattr(view, "__name__", "") == "login":
        site = getattr(view, "__self__", None)
    return getattr(site, MARK, None) == "admin"


class DefaultDeny:
    """Middleware that refuses views which have no guard and are not :func:`public`.

    Class-based views carry the mark on their ``dispatch`` (``method_decorator(require(...), name="dispatch")``). A class
    that is :func:`public` makes its own view public, not those of classes that inherit from it.

    ASVS 5.0: v5.0.0-8.2.1.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        """Called by Django before each view."""
        cls = getattr(view, "view_class", None)
        marked = hasattr(view, MARK) or (cls is not None and (MARK in vars(cls) or hasattr(cls.dispatch, MARK)))
        if not marked and not _of_allowed_admin(view):
            raise PermissionDenied

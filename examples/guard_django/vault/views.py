"""Pages."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate, get_user_model, login, logout
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from pyward_guard import LimitExceeded, Refused, VerificationFailed
from pyward_guard.access.django import public, require
from pyward_guard.http import safe_redirect
from pyward_guard.limits import LockedOut
from pyward_guard.sessions.django import manager

from . import guard
from .models import Document
from .rules import SITE, document

User = get_user_model()


class JoinForm(forms.Form):
    name = forms.RegexField(r"\A[a-z][a-z0-9_]{1,30}\Z")
    password = forms.CharField(max_length=200, strip=False)

    def clean(self) -> dict[str, str]:
        data = super().clean() or {}
        if "name" in data and "password" in data:
            validate_password(data["password"], User(username=data["name"]))
        return data


@public
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest) -> HttpResponse:
    form = JoinForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = User.objects.create_user(form.cleaned_data["name"], password=form.cleaned_data["password"])
        except IntegrityError:
            form.add_error("name", "This name is taken.")
        else:
            login(request, user)
            return redirect("/")
    return render(request, "join.html", {"form": form}, status=422 if form.errors else 200)


@public
@require_http_methods(["GET", "POST"])
def enter(request: HttpRequest) -> HttpResponse:
    target = safe_redirect(request.POST.get("next") or request.GET.get("next"), default="/")
    if request.method == "GET":
        return render(request, "enter.html", {"next": target})
    name, password = request.POST.get("name", "")[:200], request.POST.get("password", "")[:200]
    try:
        with guard.lockout().attempt(account=name, client=request.META["REMOTE_ADDR"]) as attempt:
            try:
                # Django hashes also for unknown names, so the answer takes as long.
                user = authenticate(request, username=name, password=password)
            except ValidationError:
                user = None
            if user is None:
                return render(request, "enter.html", {"next": target, "problem": "Name or password is wrong."}, status=403)
            attempt.succeeded()
    except LockedOut as locked:
        answer = render(request, "enter.html", {"next": target, "problem": "Too many attempts. Try again later."}, status=429)
        answer["Retry-After"] = str(int(locked.retry_after) + 1)
        return answer
    login(request, user)
    return redirect(target)


@require_POST
@require("list", resource=SITE)
def leave(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("/enter")


@public
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return redirect("/enter")
    return _home(request)


@require("list", resource=SITE)
def _home(request: HttpRequest) -> HttpResponse:
    return render(request, "home.html", {"documents": Document.objects.filter(owner=request.user).order_by("-added")[:200]})


@require_POST
@require("add", resource=SITE)
def add(request: HttpRequest) -> HttpResponse:
    sent = request.FILES.get("file")
    if sent is None:
        return HttpResponse("No file.\n", status=400, content_type="text/plain")
    try:
        stored = guard.uploads.store(sent.file, sent.name or "", sent.content_type, directory=guard.files())
    except (Refused, LimitExceeded):
        return HttpResponse("This file is not accepted.\n", status=422, content_type="text/plain")
    Document.objects.create(
        owner=request.user, name=stored.display_name, stored_name=stored.stored_name, media_type=stored.media_type, size=stored.size
    )
    return redirect("/")


def _send(found: Document) -> HttpResponse:
    # Always a download: nothing that was uploaded is ever shown as a page of this site.
    content = guard.files().read_bytes(found.stored_name)
    answer = HttpResponse(content, content_type=found.media_type)
    answer["Content-Disposition"] = "attachment"
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer["Cache-Control"] = "no-store"
    return answer


@require_GET
@require("read", resource=document)
def show(request: HttpRequest, pk: int) -> HttpResponse:
    return _send(request.document)  # type: ignore[attr-defined]


@require_POST
@require("link", resource=document)
def link(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "link.html", {"token": guard.links().issue(pk)})


@public
@require_GET
def linked(request: HttpRequest, token: str) -> HttpResponse:
    try:
        found = Document.objects.filter(pk=guard.links().verify(token)).first()
    except VerificationFailed:
        found = None
    if found is None:
        raise Http404
    return _send(found)


@require_POST
@require("remove", resource=document)
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    found: Document = request.document  # type: ignore[attr-defined]
    found.delete()
    guard.files().remove(found.stored_name)
    return redirect("/")


@require_GET
@require("audit", resource=SITE)
def audit(request: HttpRequest) -> HttpResponse:
    return render(request, "audit.html", {"documents": Document.objects.select_related("owner").order_by("-added")[:500]})


@require_http_methods(["GET", "POST"])
@require("list", resource=SITE)
def devices(request: HttpRequest) -> HttpResponse:
    user = str(request.user.pk)
    if request.method == "POST":
        manager().revoke(user, request.POST.get("handle", ""))
        return redirect("/devices")
    current = manager().load(request.session.session_key).handle
    return render(request, "devices.html", {"sessions": manager().of_user(user), "current": current})


@require_GET
@require("list", resource=SITE)
def report(request: HttpRequest) -> HttpResponse:
    """A page that is broken, for the error boundary to show."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM secret_table_of_the_vault")
    return HttpResponse(settings.DATABASES["default"]["PASSWORD"], status=500)


def forgotten(request: HttpRequest) -> HttpResponse:
    """A view whose guard was forgotten: refused by default."""
    return HttpResponse("everything")


@public
@require_GET
def health(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")

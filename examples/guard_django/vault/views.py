"""Pages."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate, get_user_model, login, logout
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from pyward_guard import InvalidInput, LimitExceeded, Refused, VerificationFailed, html, logs, privacy, validate
from pyward_guard.access.django import public, require
from pyward_guard.http import safe_redirect
from pyward_guard.limits import LockedOut, client_key
from pyward_guard.paths import Upload, temporary_directory
from pyward_guard.sessions import NO_CLIENT
from pyward_guard.sessions.django import manager

from . import guard
from .models import Document
from .rules import SITE, document

User = get_user_model()


class JoinForm(forms.Form):
    name = forms.CharField(max_length=30)
    password = forms.CharField(max_length=200, strip=False)

    def clean_name(self) -> str:
        try:
            return validate.user_name(self.cleaned_data["name"])
        except InvalidInput as error:
            raise ValidationError(str(error)) from None

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
            logs.security_event("user_created", str(user.pk), str(user.pk), audit=guard.audit())
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
        with guard.lockout().attempt(account=name, client=client_key(request.META["REMOTE_ADDR"])) as attempt:
            try:
                # Django hashes also for unknown names, so the answer takes as long.
                user = authenticate(request, username=name, password=password)
            except ValidationError:
                user = None
            if user is None:
                logs.security_event("authn_login_fail", name, audit=guard.audit())
                return render(request, "enter.html", {"next": target, "problem": "Name or password is wrong."}, status=403)
            attempt.succeeded()
    except LockedOut as locked:
        logs.security_event("authn_login_lock", name, "maxretries", audit=guard.audit())
        answer = render(request, "enter.html", {"next": target, "problem": "Too many attempts. Try again later."}, status=429)
        for field, value in locked.headers().items():
            answer[field] = value
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
    found = Document.objects.filter(owner=request.user).order_by("-added")[:200]
    # What was stored is not trusted to be clean: it is made so where it goes into the page.
    return render(request, "home.html", {"documents": [(document, html.sanitize(document.remark, "inline")) for document in found]})


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
    _keep(request, stored)
    return redirect("/")


def _keep(request: HttpRequest, stored: Upload) -> None:
    Document.objects.create(
        owner=request.user, name=stored.display_name, stored_name=stored.stored_name, media_type=stored.media_type, size=stored.size,
        remark=request.POST.get("remark", "")[:2000],
    )  # fmt: skip


@require_POST
@require("add", resource=SITE)
def add_bundle(request: HttpRequest) -> HttpResponse:
    """Documents in a zip or tar archive: unpacked within bounds, then each checked as a single upload is."""
    sent = request.FILES.get("file")
    if sent is None:
        return HttpResponse("No file.\n", status=400, content_type="text/plain")
    try:
        with temporary_directory() as folder:
            report = folder.extract(sent.read(), "bundle", limits=guard.bundles)
            accepted = [(guard.uploads.check(folder.read_bytes(f"bundle/{name}"), name), folder.read_bytes(f"bundle/{name}")) for name in report.files]
            with transaction.atomic():
                for checked, content in accepted:
                    _keep(request, guard.uploads.store(content, checked.display_name, directory=guard.files()))
    except (InvalidInput, Refused, LimitExceeded):
        return HttpResponse("This bundle is not accepted.\n", status=422, content_type="text/plain")
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
    logs.security_event("sensitive_read", str(request.user.pk), "list of documents", audit=guard.audit())
    found = Document.objects.select_related("owner").order_by("-added")[:500]
    # Auditors need to tell members apart, not to know them.
    return render(request, "audit.html", {"documents": [(document, privacy.mask(document.owner.get_username(), "name")) for document in found]})


@require_http_methods(["GET", "POST"])
@require("list", resource=SITE)
def devices(request: HttpRequest) -> HttpResponse:
    user = str(request.user.pk)
    if request.method == "POST":
        manager().revoke(user, request.POST.get("handle", ""))
        return redirect("/devices")
    current = manager().load(request.session.session_key, NO_CLIENT).handle
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

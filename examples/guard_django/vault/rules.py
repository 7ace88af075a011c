"""Who may do what. The whole policy is on this page; everything else is denied."""

from __future__ import annotations

from django.http import Http404, HttpRequest
from pyward_guard.access import Entity, EntityData, Kind, Policy, Role, User

from .models import Document

SITE = Entity("Site", "vault")

policy = Policy()
policy.role("auditor", inherits=["member"])
policy.permit(Role("member"), ["list", "add"], SITE, id="members")
policy.permit(Role("member"), ["read", "link", "remove"], Kind("Document"), when="resource.owner == principal", id="own-documents")
policy.permit(Role("auditor"), "audit", SITE, id="auditors")


def principal(request: HttpRequest) -> EntityData | None:
    user = request.user
    if not user.is_authenticated or not user.is_active:
        return None
    groups = [Role(name) for name in user.groups.filter(name="auditor").values_list("name", flat=True)]
    return EntityData(User(str(user.pk)), within=[Role("member"), *groups])


def document(request: HttpRequest, pk: int) -> EntityData:
    """The document that the path names, as the policy sees it; views find it in ``request.document``."""
    found = Document.objects.filter(pk=pk).first()
    if found is None:
        raise Http404
    request.document = found  # type: ignore[attr-defined]
    return EntityData(Entity("Document", str(pk)), attributes={"owner": User(str(found.owner_id))})

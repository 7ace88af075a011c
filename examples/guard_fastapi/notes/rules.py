"""Who may do what. The whole policy is on this page; everything else is denied."""

from __future__ import annotations

from uuid import UUID

from fastapi import HTTPException, Request
from pyward_guard.access import Entity, EntityData, Kind, Policy, Role, User
from pyward_guard.access.fastapi import Guard
from pyward_guard.sessions.asgi import session_of

SITE = Entity("Site", "notes")

policy = Policy()
policy.permit(Role("member"), ["list", "write"], SITE, id="members-write")
policy.permit(Role("member"), "read", Kind("Note"), when="resource.shared", id="shared-notes")
policy.permit(Role("member"), ["read", "remove"], Kind("Note"), when="resource.owner == principal", id="own-notes")


async def principal(request: Request) -> EntityData | None:
    """Whoever is signed in: by session on the pages, by bearer token in the API."""
    user = getattr(request.state, "api_user", None) or session_of(request).user
    found = await request.app.state.store.user(UUID(user)) if user is not None else None
    if user is None or found is None:
        return None
    request.state.user = found
    return EntityData(User(user), within=[Role("member")])


async def note_of_path(request: Request) -> EntityData:
    """The note that the path names, as the policy sees it; the endpoint finds it in ``request.state.note``."""
    try:
        note = await request.app.state.store.note(UUID(request.path_params["id"]))
    except ValueError:
        note = None
    if note is None:
        raise HTTPException(404, "No such note.")
    request.state.note = note
    return EntityData(Entity("Note", str(note["id"])), attributes={"owner": User(str(note["owner"])), "shared": note["shared"]})


guard = Guard(policy, principal=principal)

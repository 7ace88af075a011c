"""The JSON API: bearer tokens that live for five minutes."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from pyward_guard import VerificationFailed
from pyward_guard.access.fastapi import public
from pyward_guard.sessions.asgi import session_of
from pyward_guard.validate import Check, plain_text

from .rules import SITE, guard, note_of_path

bearer = HTTPBearer(auto_error=False)


async def api_user(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> None:
    """Puts the token's subject where the policy finds it. Sessions do not count here, so there is nothing to forge."""
    if given is None:
        raise HTTPException(401, "A bearer token is needed.", headers={"WWW-Authenticate": "Bearer"})
    try:
        request.state.api_user = request.app.state.verifier.verify(given.credentials)["sub"]
    except VerificationFailed:
        raise HTTPException(401, "The token is not valid.", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}) from None


tokens = APIRouter()


@tokens.post("/api/token", dependencies=[guard.require("list", resource=SITE)])
async def token(request: Request) -> dict[str, Any]:
    """A token for whoever is signed in on the pages."""
    return {"token": request.app.state.issuer.issue(subject=session_of(request).user), "expires_in": 300}


router = APIRouter(prefix="/api", dependencies=[Depends(api_user)])


class NewNote(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    title: Annotated[str, Check(plain_text, max_length=200)]
    body: str = Field(max_length=20_000)
    shared: bool = False


@router.get("/notes", dependencies=[guard.require("list", resource=SITE)])
async def notes(request: Request) -> list[dict[str, Any]]:
    found = await request.app.state.store.notes_of(UUID(request.state.api_user))
    return [{"id": str(note["id"]), "title": note["title"], "shared": note["shared"]} for note in found]


@router.post("/notes", status_code=201, dependencies=[guard.require("write", resource=SITE)])
async def add(request: Request, note: NewNote) -> dict[str, str]:
    id = await request.app.state.store.add_note(UUID(request.state.api_user), note.title, note.body, note.shared)
    return {"id": str(id)}


@router.get("/notes/{id}", dependencies=[guard.require("read", resource=note_of_path)])
async def show(request: Request, id: str) -> dict[str, Any]:
    note = request.state.note
    return {"id": str(note["id"]), "title": note["title"], "body": note["body"]}


health = APIRouter()


@health.get("/health")
@public
async def alive() -> dict[str, str]:
    return {"status": "ok"}

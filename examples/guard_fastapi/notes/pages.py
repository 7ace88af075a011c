"""The pages: sign-up, sign-in, devices, notes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pyward_guard import GuardError, InvalidInput, VerificationFailed, passwords
from pyward_guard.access.fastapi import public
from pyward_guard.http import safe_redirect
from pyward_guard.limits import LockedOut, client_key
from pyward_guard.sessions.asgi import session_of
from pyward_guard.validate import Check, UserName, plain_text, user_name

from .factors import check
from .render import page
from .rules import SITE, guard, note_of_path
from .store import ORDERS, NameTaken
from .tools import count_words, select

router = APIRouter(default_response_class=HTMLResponse)
rules = passwords.PasswordPolicy(context=("notes",))

Text = Annotated[str, Form(max_length=200)]
Title = Annotated[str, Check(plain_text, max_length=200), Form()]
Body = Annotated[str, Form(max_length=20_000)]
Next = Annotated[str | None, Form(alias="next", max_length=500)]


def see_other(path: str) -> Response:
    return RedirectResponse(path, status_code=303)


def client_of(request: Request) -> str:
    return client_key(request.client.host if request.client else "")


def canonical(name: str) -> str:
    try:
        return user_name(name)
    except InvalidInput:
        return name


@router.get("/join")
@public
async def join_form(request: Request) -> HTMLResponse:
    return page("join.html", problems=[])


@router.post("/join")
@public
async def join(request: Request, name: Annotated[UserName, Form()], password: Text) -> Response:
    report = rules.check(password, user_words=[name])
    if not report:
        return page("join.html", status=422, problems=[problem.message for problem in report.problems])
    try:
        user = await request.app.state.store.add_user(name, await passwords.hash_async(password))
    except NameTaken:
        return page("join.html", status=409, problems=["This name is taken."])
    request.app.state.journal.event("user_created", name, name)
    session_of(request).login(str(user["id"]))
    return see_other("/")


@router.get("/enter")
@public
async def enter_form(request: Request, next: str = "/") -> HTMLResponse:
    return page("enter.html", problem=None, next=safe_redirect(next, default="/"))


@router.post("/enter")
@public
async def enter(request: Request, name: Text, password: Text, code: Annotated[str, Form(max_length=40)] = "", next: Next = None) -> Response:
    target, journal = safe_redirect(next, default="/"), request.app.state.journal
    try:
        async with request.app.state.lockout.attempt(account=name, client=client_of(request)) as attempt:
            user = await request.app.state.store.user_named(canonical(name))
            # For unknown names a dummy hash is verified: the answer takes as long and says the same.
            verified = await passwords.verify_async(password, user["password"] if user else None)
            if not verified or user is None:
                raise VerificationFailed("wrong password")
            await check(request.app.state.store, user, code.strip())
            attempt.succeeded()
    except VerificationFailed:
        journal.event("authn_login_fail", name)
        return page("enter.html", status=403, problem="Name, password or code is wrong.", next=target)
    except LockedOut as locked:
        journal.event("authn_login_lock", name, "maxretries")
        return page("enter.html", status=429, problem="Too many attempts. Try again later.", next=target, headers=locked.headers())
    if verified.needs_rehash:
        await request.app.state.store.set_password(user["id"], await passwords.hash_async(password))
    journal.event("authn_login_success", name)
    session_of(request).login(str(user["id"]))
    return see_other(target)


@router.post("/leave", dependencies=[guard.require("list", resource=SITE)])
async def leave(request: Request) -> Response:
    session_of(request).logout()
    return see_other("/enter")


@router.get("/devices", dependencies=[guard.require("list", resource=SITE)])
async def devices(request: Request) -> HTMLResponse:
    session = session_of(request)
    assert session.user is not None
    return page("devices.html", sessions=await request.app.state.sessions.of_user(session.user), current=session.handle)


@router.post("/devices/revoke", dependencies=[guard.require("list", resource=SITE)])
async def revoke(request: Request, handle: Text) -> Response:
    session = session_of(request)
    assert session.user is not None
    await request.app.state.sessions.revoke(session.user, handle)
    return see_other("/devices")


@router.get("/")
@public
async def home(request: Request, text: str = "", order: str = "written", where: str = "") -> Response:
    """The user's notes: by words of the title, in an order from a list, and by a condition that the user writes."""
    if session_of(request).user is None:
        return see_other("/enter")
    who: Any = await guard.decide(request, "list", SITE)
    notes = await request.app.state.store.notes_of(who.entity.id, text=text[:200], order=order if order in ORDERS else "written")
    problem = None
    if where:
        try:
            notes = select(notes, where[:500])
        except GuardError as error:
            problem = str(error)
    return page("home.html", notes=notes, problem=problem)


@router.post("/export", dependencies=[guard.require("list", resource=SITE)])
async def export(request: Request) -> Response:
    """The user's notes as a signed text, to be taken in again here and nowhere else."""
    found = await request.app.state.store.notes_of(request.state.user["id"])
    text = request.app.state.exporter.dumps([[note["title"], note["body"]] for note in found[:20]])
    return Response(text, media_type="text/plain", headers={"Content-Disposition": 'attachment; filename="notes.txt"', "Cache-Control": "no-store"})


@router.post("/import", dependencies=[guard.require("write", resource=SITE)])
async def take_in(request: Request, data: Annotated[str, Form(max_length=100_000)]) -> Response:
    try:
        notes = request.app.state.exporter.loads(data)
    except VerificationFailed:
        raise HTTPException(422, "This was not exported here, or too long ago.") from None
    for title, body in notes:
        await request.app.state.store.add_note(request.state.user["id"], title, body, False)
    return see_other("/")


@router.post("/notes", dependencies=[guard.require("write", resource=SITE)])
async def add(request: Request, title: Title, body: Body, shared: Annotated[bool, Form()] = False) -> Response:
    id = await request.app.state.store.add_note(session_of(request).user, title, body, shared)
    return see_other(f"/notes/{id}")


@router.get("/notes/{id}", dependencies=[guard.require("read", resource=note_of_path)])
async def show(request: Request, id: str) -> HTMLResponse:
    note = request.state.note
    return page("note.html", note=note, words=await count_words(note["body"]), own=str(note["owner"]) == session_of(request).user)


@router.post("/notes/{id}/remove", dependencies=[guard.require("remove", resource=note_of_path)])
async def remove(request: Request, id: str) -> Response:
    await request.app.state.store.remove_note(request.state.note["id"])
    return see_other("/")


@router.post("/preview", dependencies=[guard.require("write", resource=SITE)])
async def preview(request: Request, url: Annotated[str, Form(max_length=2000)]) -> HTMLResponse:
    return page("preview.html", title=await request.app.state.previews.title(url))


@router.get("/report", dependencies=[guard.require("list", resource=SITE)])
async def report(request: Request) -> HTMLResponse:
    """A page that is broken, for the error boundary to show."""
    if "detail" in request.query_params:
        raise HTTPException(500, detail=f"could not connect to {request.app.state.store.pool.conninfo}")
    raise RuntimeError(f"could not connect to {request.app.state.store.pool.conninfo}")

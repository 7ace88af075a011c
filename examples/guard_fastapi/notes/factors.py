"""The second factor: turning it on, and checking it at sign-in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, Response
from pyward_guard import GuardError, VerificationFailed
from pyward_guard.html import Markup
from pyward_guard.mfa import Totp, generate_recovery_codes, use_recovery_code
from pyward_guard.sessions.asgi import session_of

from .render import page
from .rules import SITE, guard
from .store import Store

router = APIRouter(prefix="/factor", default_response_class=HTMLResponse)
Code = Annotated[str, Form(max_length=40)]


async def check(store: Store, user: dict[str, Any], code: str) -> None:
    """Returns when the code is right and was not used before; VerificationFailed otherwise. Users without a factor need none."""
    if user["totp"] is None:
        return
    if len(code) > 8:
        used = use_recovery_code(code, await store.recovery_hashes(user["id"]))
        if not await store.use_recovery_hash(user["id"], used):
            raise VerificationFailed("used")
        return
    step = Totp(store.totp_secret(user)).verify(code, last_step=user["totp_step"])
    if not await store.advance(user["id"], step):
        raise VerificationFailed("used")


@router.get("", dependencies=[guard.require("list", resource=SITE)])
async def show(request: Request) -> Response:
    """A new secret, kept encrypted in the session until a code of it was seen."""
    session = session_of(request)
    totp = Totp.generate()
    session["pending"] = request.app.state.field.encrypt_str(totp.secret(), f"pending:{session.user}")
    svg = totp.qr_svg(f"{request.state.user['name']}", issuer="Notes")
    return page("factor.html", qr=Markup(svg), uri=totp.provisioning_uri(request.state.user["name"], issuer="Notes"), problem=None, codes=())


@router.post("", dependencies=[guard.require("list", resource=SITE)])
async def turn_on(request: Request, code: Code) -> Response:
    session, state = session_of(request), request.app.state
    try:
        totp = Totp(state.field.decrypt_str(session.get("pending", ""), f"pending:{session.user}"))
        step = totp.verify(code, last_step=None)
    except GuardError:
        raise HTTPException(422, "The code is wrong. Start again.") from None
    made = generate_recovery_codes()
    await state.store.set_factor(request.state.user["id"], totp.secret(), step, made.hashes)
    del session["pending"]
    # A factor has changed: a new id for this session, and the end of all others.
    session.rotate()
    await state.sessions.revoke_all(session.user, keep=session)
    state.journal.event("authn_token_created", request.state.user["name"], "totp")
    return page("factor.html", qr="", uri="", problem=None, codes=made.codes)

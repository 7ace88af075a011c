"""Lone surrogates, which JSON can spell and UTF-8 cannot: shown as U+FFFD, refused where text is judged."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyward_guard import GuardError, access, crypto, html, http, logs, mfa, passwords, paths, privacy, sessions, sql, tokens, validate

BROKEN = "a\ud800b"


@pytest.mark.parametrize(
    "call",
    [
        html.escape,
        html.escape_attribute,
        html.escape_url_component,
        html.escape_script_string,
        html.sanitize,
        lambda text: html.sanitize(f"<b onclick=x>{text}"),
        lambda text: privacy.mask(text, "email"),
        lambda text: privacy.mask(text, "text"),
        paths.safe_name,
        logs.Redactor().line,
    ],
)
def test_shown(call: Callable[[str], str]) -> None:
    str(call(BROKEN)).encode()


@pytest.mark.parametrize(
    "call",
    [
        lambda text: http.check_redirect(f"/{text}"),
        lambda text: html.safe_url(f"https://example.org/{text}"),
        lambda text: passwords.verify("horse", text),
        lambda text: privacy.pseudonym(text, key=bytes(32), purpose="test"),
        lambda text: sql.quote_identifier(text, "postgresql"),
        validate.email,
        validate.plain_text,
        tokens.SignedTokens(bytes(32), purpose="test", lifetime=60).verify,
        lambda text: tokens.SignedTokens(bytes(32), purpose=text, lifetime=60),
        tokens.Jwk.from_json,
        crypto.KeySet.from_json,
        lambda text: crypto.derive_key(bytes(32), purpose=text),
        lambda text: access.Policy().add_cedar(text),
        lambda text: access.Policy().permit(access.User("ada"), "read", access.ANYTHING, when=text),
        validate.Pattern,
        mfa.qr_svg,
        mfa.qr_png,
    ],
)
def test_judged(call: Callable[[str], object]) -> None:
    with pytest.raises(GuardError):
        call(BROKEN)


def test_a_cookie_that_is_no_unicode_is_no_session() -> None:
    manager = sessions.SessionManager(sessions.MemoryStore())
    session = manager.load(None)
    session.login("ada")
    cookie = manager.save(session)
    assert cookie is not None
    assert manager.load(BROKEN).is_new and manager.load(cookie.value[:-1] + "\ud800").is_new


def test_a_default_stands_in() -> None:
    assert http.safe_redirect(f"/{BROKEN}", default="/home") == "/home"

"""OpenID Connect client: each check, each with the attack it stops."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pyward_guard import Expired, InvalidInput, UnknownKey, VerificationFailed, _core
from pyward_guard.tokens import AsyncJwksClient, JwksClient, Jwk, jwks_document
from pyward_guard.tokens.oauth import Login, OidcClient, pkce_challenge, token_hash

ISSUER = "https://id.example"
KEY = Jwk.generate("ES256")


def client(**options: Any) -> OidcClient:
    keys = JwksClient(ISSUER + "/jwks", lambda url: jwks_document([KEY]))
    return OidcClient(
        ISSUER, "shop", "https://shop.example/cb", ISSUER + "/authorize", keys, algorithms=["ES256"], **options
    )


def id_token(login: Login, key: Jwk = KEY, **changes: Any) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": ISSUER, "aud": "shop", "sub": "7", "iat": now, "exp": now + 300, "nonce": login.nonce,
    } | changes
    return _core.JwtSigner(key, "ES256", "JWT").sign({k: v for k, v in claims.items() if v is not None})


def test_request_has_pkce_state_and_nonce() -> None:
    url, login = client().start(prompt="login")
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert query["code_challenge"] == pkce_challenge(login.code_verifier) and query["code_challenge_method"] == "S256"
    assert query["state"] == login.state != login.nonce == query["nonce"] and query["prompt"] == "login"
    assert login.state not in repr(login) and login.code_verifier not in repr(login)
    assert client().token_request(login, "c")["code_verifier"] == login.code_verifier
    with pytest.raises(InvalidInput):
        client().start(state="mine")
    with pytest.raises(InvalidInput):
        OidcClient("http://id.example", "shop", "https://x.example/", ISSUER, [KEY])
    with pytest.raises(InvalidInput, match="redirect_uri"):
        OidcClient(ISSUER, "shop", "https://[", ISSUER, [KEY])
    with pytest.raises(InvalidInput, match="scopes is a list"):
        client(scopes="openid email")


def test_callback() -> None:
    login = Login.new()
    assert client().check_callback(login, {"state": login.state, "code": "c"}) == "c"
    for wrong in ({"code": "c"}, {"state": "", "code": "c"}, {"state": login.state}, {"state": login.nonce, "code": "c"}):
        with pytest.raises(VerificationFailed):
            client().check_callback(login, wrong)
    with pytest.raises(VerificationFailed, match="issuer"):
        client().check_callback(login, {"state": login.state, "code": "c", "iss": "https://evil.example"})
    with pytest.raises(VerificationFailed, match="issuer"):
        client(iss_parameter=True).check_callback(login, {"state": login.state, "code": "c"})
    with pytest.raises(VerificationFailed, match="error"):
        client().check_callback(login, {"state": login.state, "error": "access_denied"})
    old = dataclasses.replace(login, created=time.time() - 700)
    with pytest.raises(Expired):
        client().check_callback(old, {"state": login.state, "code": "c"})
    # Started on a host whose clock is ahead.
    ahead = dataclasses.replace(login, created=time.time() + 600)
    assert client(clock_skew=3600).check_callback(ahead, {"state": login.state, "code": "c"}) == "c"
    with pytest.raises(Expired):
        client().check_callback(ahead, {"state": login.state, "code": "c"})
    with pytest.raises(InvalidInput):
        Login.from_json('{"state": "", "nonce": "", "code_verifier": "", "created": 0}')


def test_id_token() -> None:
    login, c = Login.new(), client()
    assert c.verify_id_token(login, id_token(login))["sub"] == "7"
    refused: list[dict[str, Any]] = [
        {"nonce": None}, {"nonce": Login.new().nonce}, {"aud": "bank"}, {"iss": "https://evil.example"}, {"sub": None},
        {"azp": "bank"}, {"aud": ["shop", "bank"]}, {"iat": None}, {"iat": time.time() + 100},
    ]
    for changes in refused:
        with pytest.raises(VerificationFailed):
            c.verify_id_token(login, id_token(login, **changes))
    assert c.verify_id_token(login, id_token(login, aud=["shop", "bank"], azp="shop"))
    with pytest.raises(Expired):
        c.verify_id_token(login, id_token(login, exp=int(time.time()) - 60))
    with pytest.raises(UnknownKey):
        c.verify_id_token(login, id_token(login, Jwk.generate("ES256")))


def test_access_token_binding_and_max_age() -> None:
    login, c = Login.new(), client()
    bound = id_token(login, at_hash=token_hash("access", "ES256"), auth_time=int(time.time()) - 100)
    assert c.verify_id_token(login, bound, access_token="access", max_age=200)
    with pytest.raises(VerificationFailed, match="access token"):
        c.verify_id_token(login, bound, access_token="other")
    with pytest.raises(Expired):
        c.verify_id_token(login, bound, max_age=10)
    with pytest.raises(VerificationFailed):
        c.verify_id_token(login, id_token(login), max_age=10)


def test_stored_logins_are_checked() -> None:
    good = Login.new()
    assert Login.from_json(good.to_json()) == good
    for change in ({"created": "1"}, {"created": True}, {"created": None}, {"state": "short"}, {"nonce": 7}, {"more": 1}):
        with pytest.raises(InvalidInput):
            Login.from_json(json.dumps(dataclasses.asdict(good) | change))
    texts: list[Any] = ["", "null", "[]", "[1,2,3,4]", "{}", "7", "\ud800", "[" * 100_000, None, 7]
    for text in texts:
        with pytest.raises(InvalidInput):
            Login.from_json(text)


def test_parameters_that_are_no_unicode() -> None:
    made = client()
    _, login = made.start()
    for parameters in ({"state": "\ud800", "code": "c"}, {"code": "c"}, {}, {"state": "", "code": "c"}):
        with pytest.raises((VerificationFailed, InvalidInput)):
            made.check_callback(login, parameters)


def test_both_names_of_ed25519_have_a_token_hash() -> None:
    assert token_hash("token", "Ed25519") == token_hash("token", "EdDSA")
    with pytest.raises(InvalidInput):
        token_hash("token", "none")


METADATA = {
    "issuer": ISSUER, "authorization_endpoint": ISSUER + "/authorize", "token_endpoint": ISSUER + "/token", "jwks_uri": ISSUER + "/jwks",
    "code_challenge_methods_supported": ["plain", "S256"], "authorization_response_iss_parameter_supported": True,
}  # fmt: skip


def from_metadata(metadata: Any, issuer: str = ISSUER) -> OidcClient:
    return OidcClient.from_metadata(
        metadata, issuer=issuer, client_id="shop", redirect_uri="https://shop.example/callback", fetch=lambda url: jwks_document([KEY])
    )


def test_metadata() -> None:
    client = from_metadata(json.dumps(METADATA))
    assert client.token_endpoint == ISSUER + "/token"
    url, login = client.start()
    assert url.startswith(ISSUER + "/authorize?")
    with pytest.raises(VerificationFailed, match="issuer"):
        client.check_callback(login, {"state": login.state, "code": "abc"})  # RFC 9207: the provider says that it sends iss
    assert client.check_callback(login, {"state": login.state, "code": "abc", "iss": ISSUER}) == "abc"
    for other in ("https://evil.example", ISSUER + "/", ISSUER.upper()):
        with pytest.raises(VerificationFailed, match="issuer"):
            from_metadata({**METADATA, "issuer": other})
    for change in ({"jwks_uri": None}, {"token_endpoint": "http://id.example/token"}, {"jwks_uri": "http://id.example/jwks"},
                   {"authorization_endpoint": "http://id.example/a"}, {"code_challenge_methods_supported": ["plain"]},
                   {"code_challenge_methods_supported": "S256"}, {"authorization_endpoint": "https://["},
                   {"token_endpoint": "https://["}, {"jwks_uri": "https://["}):  # fmt: skip
        with pytest.raises(InvalidInput):
            from_metadata({**METADATA, **change})
    for document in ("[]", "{", "null", b"\xff", "\ud800", "[" * 100_000):
        with pytest.raises((InvalidInput, VerificationFailed)):
            from_metadata(document)


def test_what_must_be_awaited_is_refused() -> None:
    async def fetch(url: str) -> str:
        return ""

    keys: Any = AsyncJwksClient(ISSUER + "/jwks", fetch)
    with pytest.raises(InvalidInput, match="AsyncJwksClient.verify"):
        OidcClient(ISSUER, "shop", "https://shop.example/cb", ISSUER + "/authorize", keys)
    options: dict[str, Any] = {"client_id": "shop", "redirect_uri": "https://shop.example/cb", "fetch": fetch}
    with pytest.raises(InvalidInput, match="AsyncJwksClient.verify"):
        OidcClient.from_metadata(METADATA, issuer=ISSUER, **options)

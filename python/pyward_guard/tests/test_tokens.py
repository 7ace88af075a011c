"""Signed tokens, itsdangerous, JWT, JWE and PASETO: behaviour, refusals, and interoperability both ways."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyward_guard import Expired, InvalidInput, UnknownKey, VerificationFailed, _core, tokens
from pyward_guard.tokens import Jwk, JwtIssuer, JwtVerifier, KeySet, SignedTokens

SECRET = b"a shared secret of at least 32 bytes, and a bit more for HS512!!"


# --- random values ------------------------------------------------------------------------------------


def test_random_values_differ_and_keep_their_bounds() -> None:
    assert len({tokens.random_token() for _ in range(1000)}) == 1000
    assert len(tokens.random_bytes(0)) == 0
    with pytest.raises(InvalidInput):
        tokens.random_token(15)
    with pytest.raises(InvalidInput):
        tokens.random_string(4, "aa")
    for length in (0, 65_537, 10**12):
        with pytest.raises(InvalidInput):
            tokens.random_digits(length)
    before = time.time()
    ids = [tokens.uuid7() for _ in range(3)]
    after = time.time()
    assert all(i.version == 7 and i.variant == "specified in RFC 4122" for i in ids)
    # Whole milliseconds; the clock may be set a little meanwhile.
    assert before - 1 <= (ids[0].int >> 80) / 1000 <= after + 1


# --- signed tokens --------------------------------------------------------------------------------------


def test_signed_tokens_purpose_rotation_and_expiry() -> None:
    keys = KeySet.generate("mac")
    a: SignedTokens[str] = SignedTokens(keys, purpose="a", lifetime=60, payload=str)
    b: SignedTokens[str] = SignedTokens(keys, purpose="b", lifetime=60, payload=str)
    token = a.issue("x")
    with pytest.raises(VerificationFailed):
        b.verify(token)
    old = keys.primary_id
    keys.rotate()
    assert a.verify(token) == "x"
    keys.disable(old)
    with pytest.raises(UnknownKey):
        a.verify(token)
    keys.enable(old)
    other = a.issue("x", lifetime=600)
    details = a.verify_details(other)
    assert details.payload == "x" and (details.expires_at - details.issued_at).total_seconds() == 600
    assert details.token_id == a.verify_details(other).token_id != a.verify_details(token).token_id
    short = a.issue("x", lifetime=1)
    time.sleep(1.01)
    with pytest.raises(Expired):
        a.verify(short)
    with pytest.raises(InvalidInput):
        SignedTokens("too short", purpose="a", lifetime=60)
    with pytest.raises(InvalidInput):
        SignedTokens(KeySet.generate("aead"), purpose="a", lifetime=60)


def test_secrets_of_several_processes_agree() -> None:
    new, old = SECRET, b"o" * 32
    before: SignedTokens[Any] = SignedTokens(old, purpose="p", lifetime=60)
    after: SignedTokens[Any] = SignedTokens([new, old], purpose="p", lifetime=60)
    assert after.verify(before.issue({"a": [1, 2.5, None, True, "ü"]})) == {"a": [1, 2.5, None, True, "ü"]}
    with pytest.raises(UnknownKey):
        before.verify(after.issue(1))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
SIGNER: SignedTokens[Any] = SignedTokens(SECRET, purpose="property", lifetime=60)


@given(json_values)
def test_any_json_round_trips(value: Any) -> None:
    back = SIGNER.verify(SIGNER.issue(value))
    assert back == value
    assert json.dumps(back, sort_keys=True) == json.dumps(value, sort_keys=True)


@given(st.text())
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(VerificationFailed):
        SIGNER.verify(text)


def test_values_json_cannot_carry_are_refused() -> None:
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]
    circular: dict[str, Any] = {}
    circular["self"] = circular
    for value in (2**64, float("nan"), {1: 2}, object(), deep, circular, "\ud800", b"bytes"):
        with pytest.raises(InvalidInput):
            SIGNER.issue(value)


def test_threads_share_a_signer_while_keys_rotate() -> None:
    keys = KeySet.generate("mac")
    signer: SignedTokens[int] = SignedTokens(keys, purpose="p", lifetime=60, payload=int)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for i in range(300):
                assert signer.verify(signer.issue(i)) == i
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        keys.rotate()
    for thread in threads:
        thread.join()
    assert not errors


# --- itsdangerous -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("derivation", ["django-concat", "concat", "hmac", "none"])
def test_reads_itsdangerous(digest: str, derivation: str) -> None:
    import hashlib

    itsdangerous = pytest.importorskip("itsdangerous")
    options = {"key_derivation": derivation, "digest_method": getattr(hashlib, digest)}
    reader = tokens.ItsdangerousReader(["new", "secret"], salt="s", digest=digest, key_derivation=derivation)
    for value in ({"user": 7}, "x" * 5000, [1, None, "ü"]):
        plain = itsdangerous.URLSafeSerializer("secret", salt="s", signer_kwargs=options).dumps(value)
        assert reader.loads(plain) == value
        timed = itsdangerous.URLSafeTimedSerializer("secret", salt="s", signer_kwargs=options).dumps(value)
        assert reader.loads_timed(timed, max_age=60) == value
        with pytest.raises(VerificationFailed):
            reader.loads(plain[:-1])
        with pytest.raises(VerificationFailed):
            reader.loads_timed(plain, max_age=60)
    with pytest.raises(VerificationFailed):
        tokens.ItsdangerousReader("other", salt="s").loads(plain)


def test_itsdangerous_expiry_and_bombs() -> None:
    itsdangerous = pytest.importorskip("itsdangerous")

    class Old(itsdangerous.TimestampSigner):  # type: ignore[misc, name-defined]
        def get_timestamp(self) -> int:
            return int(time.time()) - 100

    old = itsdangerous.URLSafeTimedSerializer("secret", signer=Old).dumps(1)
    reader = tokens.ItsdangerousReader("secret", max_payload=1000)
    assert reader.loads_timed(old, max_age=110) == 1
    with pytest.raises(Expired):
        reader.loads_timed(old, max_age=90)
    bomb = itsdangerous.URLSafeSerializer("secret").dumps("a" * 100_000)
    with pytest.raises(VerificationFailed, match="too large"):
        reader.loads(bomb)


def _options(digest: str, derivation: str) -> dict[str, Any]:
    import hashlib

    return {"key_derivation": derivation, "digest_method": getattr(hashlib, digest)}


def _writer(digest: str, derivation: str, secrets: Any = ("old", "secret"), **more: Any) -> tokens.ItsdangerousWriter:
    return tokens.ItsdangerousWriter(
        secrets, digest=digest, key_derivation=derivation, insecure_legacy_options=True, **more  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("derivation", ["django-concat", "concat", "hmac", "none"])
@pytest.mark.parametrize("salt", [None, "s"])
def test_itsdangerous_reads_what_is_written(digest: str, derivation: str, salt: str | None) -> None:
    itsdangerous = pytest.importorskip("itsdangerous")
    options = _options(digest, derivation)
    named = {} if salt is None else {"salt": salt}
    writer = _writer(digest, derivation, salt=salt)
    reader = tokens.ItsdangerousReader(["old", "secret"], salt=salt, digest=digest, key_derivation=derivation)  # type: ignore[arg-type]
    plain = itsdangerous.URLSafeSerializer("secret", **named, signer_kwargs=options)
    timed = itsdangerous.URLSafeTimedSerializer("secret", **named, signer_kwargs=options)
    for value in ({"user": 7, "name": "Zoë\n\u2028\"\\\x7f"}, [1, -2.5, None, True, {}], "", 0, "a" * 5000, "\U0001f511" * 30):
        token = writer.dumps(value)
        assert plain.loads(token) == value == reader.loads(token)
        assert token.startswith(".") == plain.dumps(value).startswith(".")
        if not token.startswith("."):
            # What zlib makes of a text is not fixed; everything else is.
            assert token == plain.dumps(value)
        token = writer.dumps_timed(value)
        loaded, at = timed.loads(token, max_age=5, return_timestamp=True)
        assert loaded == value == reader.loads_timed(token, max_age=5) and abs(at.timestamp() - time.time()) < 5
        if not token.startswith("."):
            signer = type("Fixed", (itsdangerous.TimestampSigner,), {"get_timestamp": lambda _, t=at: int(t.timestamp())})
            fixed = itsdangerous.URLSafeTimedSerializer("secret", **named, signer=signer, signer_kwargs=options)
            assert token == fixed.dumps(value)
    with pytest.raises(itsdangerous.BadSignature):
        plain.loads(writer.dumps({"user": 7})[:-2])
    with pytest.raises(itsdangerous.BadSignature):
        itsdangerous.URLSafeSerializer("old", **named, signer_kwargs=options).loads(writer.dumps(1))

    signer, stamper = (kind("secret", **named, **options) for kind in (itsdangerous.Signer, itsdangerous.TimestampSigner))
    for value in (b"7.png", b"", b"\xff.\x00", "Zoë"):
        data = value.encode() if isinstance(value, str) else value
        assert writer.sign(value) == signer.sign(value)
        assert signer.unsign(writer.sign(value)) == data == reader.unsign(signer.sign(value))
        assert stamper.unsign(writer.sign_timed(value), max_age=5) == data
        assert reader.unsign_timed(stamper.sign(value), max_age=5) == data
    assert reader.unsign(signer.sign("text").decode()) == b"text"
    for bad in (signer.sign(b"v")[:-2], b"v", b".", b"", stamper.sign(b"v") + b"A"):
        with pytest.raises(VerificationFailed):
            reader.unsign(bad)
        with pytest.raises(VerificationFailed):
            reader.unsign_timed(bad, max_age=5)


def test_itsdangerous_rotation() -> None:
    itsdangerous = pytest.importorskip("itsdangerous")
    old, new = "the old one, of at least 32 bytes", "the new one, of at least 32 bytes"
    options = _options("sha256", "hmac")
    both = itsdangerous.URLSafeSerializer([old, new], signer_kwargs=options)
    # The same list on both sides: the last signs.
    assert tokens.ItsdangerousWriter([old, new]).dumps([7]) == both.dumps([7])
    assert both.loads(tokens.ItsdangerousWriter(old).dumps([7])) == [7]
    reader = tokens.ItsdangerousReader([old, new], digest="sha256", key_derivation="hmac")
    assert reader.loads(tokens.ItsdangerousWriter(old).dumps(1)) == 1 == reader.loads(both.dumps(1))
    with pytest.raises(itsdangerous.BadSignature):
        itsdangerous.URLSafeSerializer(old, signer_kwargs=options).loads(tokens.ItsdangerousWriter([old, new]).dumps(1))


def test_itsdangerous_weak_options_are_loud(caplog: pytest.LogCaptureFixture) -> None:
    long = "s" * 32
    for options in ({"digest": "sha1"}, {"key_derivation": "none"}, {"key_derivation": "concat"}):
        with pytest.raises(InvalidInput, match="insecure_legacy_options"):
            tokens.ItsdangerousWriter(long, **options)  # type: ignore[arg-type]
    for secrets in ("s" * 31, [long, "short"]):
        with pytest.raises(InvalidInput, match="32 bytes") as caught:
            tokens.ItsdangerousWriter(secrets)
        assert "sss" not in str(caught.value)
    for secrets in ([], "", [long, ""]):
        with pytest.raises(InvalidInput):
            tokens.ItsdangerousWriter(secrets)
        with pytest.raises(InvalidInput):
            tokens.ItsdangerousWriter(secrets, insecure_legacy_options=True)
    assert not caplog.records
    _writer("sha1", "none", "short-and-secret")
    assert "insecure_legacy_options" in caplog.text and "sha1" in caplog.text and "short-and-secret" not in caplog.text
    writer = tokens.ItsdangerousWriter(long)
    assert long not in repr(writer)
    for value in ({1: 2}, float("nan"), object(), "\ud800", os.urandom(70_000).hex()):
        with pytest.raises(InvalidInput):
            writer.dumps(value)
    with pytest.raises(InvalidInput):
        writer.sign(b"a" * 65536)


def test_itsdangerous_age() -> None:
    secret = "s" * 32
    token = tokens.ItsdangerousWriter(secret).dumps_timed(1)
    reader = tokens.ItsdangerousReader(secret, digest="sha256", key_derivation="hmac")
    assert reader.loads_timed(token, max_age=timedelta(minutes=1)) == 1
    for age in (-1, True, 1.5, "5", None, 2**64, timedelta(seconds=-1)):
        with pytest.raises(InvalidInput):
            reader.loads_timed(token, max_age=age)  # type: ignore[arg-type]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(value=_JSON)
def test_itsdangerous_both_ways_for_any_json(value: Any) -> None:
    itsdangerous = pytest.importorskip("itsdangerous")
    secret = "s" * 32
    theirs = itsdangerous.URLSafeTimedSerializer(secret, salt="p", signer_kwargs=_options("sha256", "hmac"))
    reader = tokens.ItsdangerousReader(secret, salt="p", digest="sha256", key_derivation="hmac")
    assert theirs.loads(tokens.ItsdangerousWriter(secret, salt="p").dumps_timed(value), max_age=9) == value
    assert reader.loads_timed(theirs.dumps(value), max_age=9) == value


# --- JWT -------------------------------------------------------------------------------------------------

HMAC, ELLIPTIC = ["HS256", "HS384", "HS512"], ["ES256", "ES384", "ES512", "EdDSA"]
RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
ALGORITHMS = [*HMAC, *ELLIPTIC, *RSA]


@pytest.fixture(scope="module")
def keys() -> dict[str, Jwk]:
    return {name: Jwk.from_secret(SECRET) if name.startswith("H") else Jwk.generate(name) for name in ALGORITHMS}


def pyjwt_keys(key: Jwk, algorithm: str) -> tuple[Any, Any]:
    from jwt import PyJWK

    private = PyJWK(json.loads(key.to_json()), algorithm=algorithm).key
    public = private if algorithm.startswith("H") else PyJWK(json.loads(key.to_public().to_json()), algorithm=algorithm).key
    return private, public


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_jwt_interoperates_with_pyjwt(algorithm: str, keys: dict[str, Jwk]) -> None:
    jwt = pytest.importorskip("jwt")
    key = keys[algorithm]
    private, public = pyjwt_keys(key, algorithm)
    ours = JwtIssuer(key, algorithm=algorithm, lifetime=60, issuer="i", audience="a").issue({"n": 1.5, "u": "ü"})
    claims = jwt.decode(ours, public, algorithms=[algorithm], audience="a", issuer="i")
    assert claims["n"] == 1.5 and claims["u"] == "ü"
    theirs = jwt.encode({"exp": int(time.time()) + 60, "x": [1, {"y": None}]}, private, algorithm=algorithm)
    verifying = key if algorithm.startswith("H") else key.to_public()
    verifier = JwtVerifier(verifying, algorithms=[algorithm])
    assert verifier.verify(theirs)["x"] == [1, {"y": None}]
    # Change one character within the signature: not the last, whose low bits may not count.
    head, _, signature = theirs.rpartition(".")
    bad = head + "." + ("A" if signature[0] != "A" else "B") + signature[1:]
    with pytest.raises(VerificationFailed):
        verifier.verify(bad)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES512", "EdDSA"])
def test_keys_interoperate_with_cryptography(algorithm: str, keys: dict[str, Jwk]) -> None:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    private, _ = pyjwt_keys(keys[algorithm], algorithm)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    read = Jwk.from_pem(pem, key_id="k")
    assert read.is_private and read.thumbprint() == keys[algorithm].thumbprint() and read.key_id == "k"
    spki = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert read.to_public_pem().strip() == spki.decode().strip()
    assert not Jwk.from_pem(spki).is_private
    if algorithm != "EdDSA":
        traditional = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        assert Jwk.from_pem(traditional).thumbprint() == read.thumbprint()
    encrypted = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    with pytest.raises(InvalidInput, match="encrypted"):
        Jwk.from_pem(encrypted)


def test_jwt_refusals(keys: dict[str, Jwk]) -> None:
    verifier = JwtVerifier(keys["ES256"].to_public(), algorithms=["ES256"])
    b64 = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()  # noqa: E731
    for header in ({"alg": "none"}, {"alg": "HS256"}, {}, {"alg": ["ES256"]}, {"alg": "ES256", "crit": ["x"]}):
        with pytest.raises(VerificationFailed):
            verifier.verify(f"{b64(header)}.{b64({'exp': 9e9})}.")
    with pytest.raises(InvalidInput):
        JwtVerifier(keys["ES256"], algorithms=["none"])
    with pytest.raises(InvalidInput):
        JwtVerifier(keys["ES256"], algorithms=["ES256", "HS256"])
    with pytest.raises(InvalidInput):
        JwtVerifier(keys["ES256"], algorithms="ES256")
    with pytest.raises(InvalidInput):
        Jwk.from_secret(keys["ES256"].to_public_pem())
    with pytest.raises(InvalidInput):
        JwtIssuer(Jwk.from_secret(b"short"), algorithm="HS256", lifetime=60)
    with pytest.raises(InvalidInput):
        JwtIssuer(keys["HS256"], algorithm="HS256", lifetime=60).issue({"exp": 1})


def test_jwt_claims_revocation_and_details(keys: dict[str, Jwk]) -> None:
    key = keys["HS256"]
    issuer = JwtIssuer(key, algorithm="HS256", lifetime=60, issuer="i", audience=["a", "b"], token_type="at+jwt")
    token = issuer.issue({"scope": "read"}, subject="7")
    accept: dict[str, Any] = {"algorithms": ["HS256"], "issuer": ["x", "i"], "audience": "b", "token_type": "at+jwt"}
    claims, header = JwtVerifier(key, **accept).verify_details(token)
    assert header == {"alg": "HS256", "typ": "at+jwt"} and claims["sub"] == "7" and len(claims["jti"]) >= 22
    revoked: set[str] = {claims["jti"]}
    with pytest.raises(VerificationFailed, match="revoked"):
        JwtVerifier(key, **accept, revoked=lambda c: c["jti"] in revoked).verify(token)
    with pytest.raises(VerificationFailed, match="required"):
        JwtVerifier(key, **accept, required=["exp", "nonce"]).verify(token)
    now = time.time()
    with pytest.raises(Expired):
        JwtVerifier(key, **accept).verify(token, now + 91)
    assert JwtVerifier(key, **accept).verify(token, now + 85)
    with pytest.raises(VerificationFailed, match="future"):
        JwtVerifier(key, **accept).verify(token, now - 40)

    def broken(_claims: dict[str, Any]) -> bool:
        raise RuntimeError("store is down")

    with pytest.raises(RuntimeError):
        JwtVerifier(key, **accept, revoked=broken).verify(token)


def test_naming_claims_does_not_accept_tokens_that_never_end(caplog: pytest.LogCaptureFixture) -> None:
    key, secret = Jwk.from_secret(SECRET), b"k" * 32
    private, public = tokens.PasetoSigner.generate_pair()
    endless = {"sub": "7", "tenant": "a"}
    jwt = _core.JwtSigner(key, "HS256", "JWT").sign(endless)
    local = _core.PasetoLocal(secret).encrypt(json.dumps(endless).encode(), b"", b"")
    signed = _core.PasetoSecret(private).sign(json.dumps(endless).encode(), b"", b"")
    cases: list[tuple[Any, str]] = [
        (lambda **options: JwtVerifier(key, algorithms=["HS256"], **options), jwt),
        (lambda **options: tokens.PasetoLocal(secret, lifetime=60, **options), local),
        (lambda **options: tokens.PasetoPublic(public, **options), signed),
    ]
    for make, token in cases:
        for required in (["sub", "tenant"], "sub", [], ()):
            with pytest.raises(VerificationFailed, match="required"):
                make(required=required).verify(token)
        assert not caplog.records
        assert make(required=["sub"], insecure_without_expiry=True).verify(token) == endless
        assert "insecure_without_expiry" in caplog.text
        with pytest.raises(VerificationFailed, match="required"):
            make(required=["nonce"], insecure_without_expiry=True).verify(token)
        caplog.clear()


def test_key_representation_hides_the_key(keys: dict[str, Jwk]) -> None:
    for key in keys.values():
        private = json.loads(key.to_json())
        secret = private.get("d") or private["k"]
        assert secret not in repr(key)
    with pytest.raises(InvalidInput) as caught:
        Jwk.from_json(json.dumps({"kty": "oct", "k": "sëcret"}))
    assert "cret" not in str(caught.value).replace("secret", "")


# --- JWS ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_jws_interoperates_with_jwcrypto(algorithm: str, keys: dict[str, Jwk]) -> None:
    jws = pytest.importorskip("jwcrypto.jws")
    from jwcrypto.jwk import JWK

    key, payload = keys[algorithm], bytes(range(256))
    ours = tokens.sign_jws(key, payload, algorithm=algorithm)
    public = key if algorithm in HMAC else key.to_public()
    reader = jws.JWS()
    reader.allowed_algs = [algorithm]
    reader.deserialize(ours, JWK(**json.loads(public.to_json())))
    assert reader.payload == payload
    other = jws.JWS(payload)
    other.allowed_algs = [algorithm]
    other.add_signature(JWK(**json.loads(key.to_json())), alg=algorithm, protected=json.dumps({"alg": algorithm}))
    verifier = tokens.JwsVerifier(public, algorithms=[algorithm])
    assert verifier.verify(other.serialize(compact=True)) == payload
    assert verifier.verify(ours) == payload


def test_a_jws_verifier_takes_no_claims(keys: dict[str, Jwk]) -> None:
    key = keys["ES256"]
    verifier = tokens.JwsVerifier(key.to_public(), algorithms=["ES256"])
    for token_type in ("JWT", "jwt", "application/jwt", "at+jwt", "application/at+JWT"):
        issued = JwtIssuer(key, algorithm="ES256", lifetime=60, token_type=token_type).issue()
        with pytest.raises(VerificationFailed, match="claims"):
            verifier.verify(issued)
        with pytest.raises(InvalidInput):
            tokens.sign_jws(key, b"{}", algorithm="ES256", token_type=token_type)
    typed = tokens.JwsVerifier(key.to_public(), algorithms=["ES256"], token_type="licence")
    assert typed.verify(tokens.sign_jws(key, b"7", algorithm="ES256", token_type="licence")) == b"7"
    with pytest.raises(VerificationFailed, match="type"):
        typed.verify(tokens.sign_jws(key, b"7", algorithm="ES256"))
    with pytest.raises(InvalidInput):
        tokens.JwsVerifier(key, algorithms=[])
    with pytest.raises(InvalidInput):
        tokens.sign_jws(key, bytes(40_000), algorithm="ES256")
    with pytest.raises(InvalidInput):
        tokens.sign_jws(key.to_public(), b"7", algorithm="ES256")


# --- JWE ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encryption", ["A128GCM", "A256GCM", "A128CBC-HS256", "A256CBC-HS512"])
@pytest.mark.parametrize(
    "algorithm", ["dir", "A128KW", "A256KW", "RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]
)
def test_jwe_interoperates_with_jwcrypto(algorithm: str, encryption: str, keys: dict[str, Jwk]) -> None:
    jwcrypto_jwe = pytest.importorskip("jwcrypto.jwe")
    from jwcrypto.jwk import JWK

    if algorithm == "dir":
        key = Jwk.from_secret(b"k" * {"A128GCM": 16, "A256GCM": 32, "A128CBC-HS256": 32, "A256CBC-HS512": 64}[encryption])
    elif algorithm in ("A128KW", "A256KW"):
        key = Jwk.from_secret(b"k" * (16 if algorithm == "A128KW" else 32))
    else:
        source = json.loads(keys["RS256" if algorithm.startswith("RSA") else "ES384"].to_json())
        key = Jwk.from_json(json.dumps({name: v for name, v in source.items() if name not in ("use", "alg", "kid")}))
    other = JWK(**json.loads(key.to_json()))
    ours = tokens.encrypt_jwe(key, b"hidden", algorithm=algorithm, encryption=encryption)
    reader = jwcrypto_jwe.JWE(algs=[algorithm, encryption])
    reader.deserialize(ours, other)
    assert reader.payload == b"hidden"
    header = {"alg": algorithm, "enc": encryption}
    if algorithm.startswith("ECDH"):
        header |= {"apu": "QWxpY2U", "apv": "Qm9i"}
    theirs = jwcrypto_jwe.JWE(b'{"a":1}', protected=header, recipient=other, algs=[algorithm, encryption]).serialize(True)
    decrypter = tokens.JweDecrypter(key, algorithms=[algorithm], encryptions=[encryption])
    assert decrypter.decrypt_claims(theirs) == {"a": 1}
    with pytest.raises(VerificationFailed):
        decrypter.decrypt(theirs[:-3] + ("AAA" if theirs[-3:] != "AAA" else "BBB"))


# --- PASETO -----------------------------------------------------------------------------------------------


def test_paseto_interoperates_with_pyseto() -> None:
    pyseto = pytest.importorskip("pyseto")
    secret = tokens.PasetoLocal.generate_key()
    local = tokens.PasetoLocal(secret, lifetime=60, issuer="i", audience="a")
    key = pyseto.Key.new(4, "local", secret)
    decoded = pyseto.decode(key, local.issue({"x": 1}, footer=b"f", implicit=b"t"), implicit_assertion=b"t")
    assert json.loads(decoded.payload)["x"] == 1 and decoded.footer == b"f"
    body = json.loads(decoded.payload)
    theirs = pyseto.encode(key, json.dumps(body).encode(), implicit_assertion=b"t").decode()
    assert local.verify(theirs, implicit=b"t")["x"] == 1
    with pytest.raises(VerificationFailed):
        local.verify(theirs, implicit=b"u")

    private, public = tokens.PasetoSigner.generate_pair()
    token = tokens.PasetoSigner(private, lifetime=60).issue({"x": 2})
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    pub_pem = Ed25519PublicKey.from_public_bytes(public).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key_pem = Ed25519PrivateKey.from_private_bytes(private[:32]).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    assert json.loads(pyseto.decode(pyseto.Key.new(4, "public", pub_pem), token).payload)["x"] == 2
    theirs = pyseto.encode(pyseto.Key.new(4, "public", key_pem), json.dumps({"exp": "2999-01-01T00:00:00Z"}).encode())
    assert tokens.PasetoPublic(public).verify(theirs.decode())["exp"].startswith("2999")


def test_paseto_checks_claims_and_rotates() -> None:
    old, new = tokens.PasetoLocal.generate_key(), tokens.PasetoLocal.generate_key()
    short = tokens.PasetoLocal(old, lifetime=1, clock_skew=0)
    expired = short.issue({"x": 1})
    token = tokens.PasetoLocal(old, lifetime=600, clock_skew=0).issue(audience_free := {"x": 1})
    assert audience_free == {"x": 1}
    assert tokens.PasetoLocal([new, old], lifetime=60).verify(token)["x"] == 1
    with pytest.raises(VerificationFailed, match="audience"):
        tokens.PasetoLocal(old, lifetime=60, audience="a").verify(token)
    with pytest.raises(VerificationFailed, match="issuer"):
        tokens.PasetoLocal(old, lifetime=60, issuer="i").verify(token)
    with pytest.raises(VerificationFailed, match="required"):
        tokens.PasetoLocal(old, lifetime=60, required=["exp", "sub"]).verify(token)
    time.sleep(2.0)
    with pytest.raises(Expired):
        short.verify(expired)
    with pytest.raises(VerificationFailed):
        tokens.PasetoLocal(new, lifetime=60).verify(token)
    with pytest.raises(InvalidInput):
        tokens.PasetoLocal(b"short", lifetime=60)
    with pytest.raises(InvalidInput):
        tokens.PasetoSigner(b"\0" * 64, lifetime=60)


# --- what comes from outside ------------------------------------------------------------------------------


def _readers() -> dict[str, Any]:
    from pyward_guard.crypto import Aead
    from pyward_guard.serialize import SignedSerializer

    key = Jwk.from_secret(SECRET)
    return {
        "signed": SignedTokens(SECRET, purpose="p", lifetime=9).verify,
        "details": SignedTokens(SECRET, purpose="p", lifetime=9).verify_details,
        "jwt": JwtVerifier(key, algorithms=["HS256"]).verify,
        "jwt details": JwtVerifier(key, algorithms=["HS256"]).verify_details,
        "jws": tokens.JwsVerifier(key, algorithms=["HS256"]).verify,
        "jwe": tokens.JweDecrypter(key, algorithms=["dir"], encryptions=["A256GCM"]).decrypt,
        "paseto local": tokens.PasetoLocal(b"s" * 32, lifetime=9).verify,
        "paseto public": tokens.PasetoPublic(tokens.PasetoSigner.generate_pair()[1]).verify,
        "itsdangerous": tokens.ItsdangerousReader("s").loads,
        "itsdangerous value": tokens.ItsdangerousReader("s").unsign,
        "aead": Aead(KeySet.generate("aead")).decrypt_str,
        "serializer": SignedSerializer(SECRET, purpose="p", lifetime=9).loads,
        "lookup": tokens.lookup_hash,
    }


@pytest.mark.parametrize("name", _readers())
def test_a_token_that_is_no_unicode_does_not_verify(name: str) -> None:
    """JSON can spell lone surrogates; a handler of VerificationFailed must see them."""
    for token in ("abc\ud800", "\udcff.\udcff.", "a.b.\ud800"):
        with pytest.raises(VerificationFailed):
            _readers()[name](token)
    with pytest.raises((TypeError, InvalidInput)):
        _readers()[name](None)


def test_large_integers_do_not_run_together() -> None:
    """2**64 and 2**64 + 1 are the same float."""
    key = Jwk.from_secret(SECRET)
    verifier = JwtVerifier(key, algorithms=["HS256"], insecure_without_expiry=True)
    signer = _core.JwtSigner(key, "HS256", "JWT")
    for text in ('{"account":18446744073709551617}', '{"a":[{"b":-9223372036854775809}]}', '{"a":1' + "0" * 400 + "}"):
        with pytest.raises(VerificationFailed):
            verifier.verify(signer.sign_bytes(text.encode()))
    good = '{"a":18446744073709551615,"b":-9223372036854775808,"c":1e300,"d":"18446744073709551617 \\" 1","e":1.8e19}'
    assert verifier.verify(signer.sign_bytes(good.encode())) == json.loads(good)


def test_times_that_are_no_numbers() -> None:
    key = Jwk.from_secret(SECRET)
    token = JwtIssuer(key, algorithm="HS256", lifetime=60).issue()
    for now in (float("nan"), float("inf"), float("-inf")):
        with pytest.raises(InvalidInput):
            JwtVerifier(key, algorithms=["HS256"]).verify(token, now)
    for lifetime in (float("nan"), float("inf"), 0, -1, True, "60", 0.5, timedelta(0)):
        with pytest.raises(InvalidInput):
            SignedTokens(SECRET, purpose="p", lifetime=lifetime)  # type: ignore[arg-type]
    signed = SignedTokens[Any](SECRET, purpose="p", lifetime=60)
    for age in (-1, 2**40, -(2**70), 2**70):
        with pytest.raises(InvalidInput):
            signed.verify(signed.issue(1), max_age=age)


def test_paseto_at_the_ends_of_time_and_footers() -> None:
    key = b"k" * 32
    local = tokens.PasetoLocal(key, lifetime=60)
    raw = _core.PasetoLocal(key)
    claims = b'{"exp":"9999-12-31T23:59:59Z","nbf":"0001-01-01T00:00:00Z","iat":"0001-01-01T00:00:00+00:00"}'
    assert local.verify(raw.encrypt(claims, b"", b""))["exp"].startswith("9999")
    for bad in (b'{"exp":"0001-01-01T00:00:00Z"}', b'{"exp":"9999-12-31T23:59:59Z","nbf":"9999-12-31T23:59:59Z"}'):
        with pytest.raises(VerificationFailed):
            local.verify(raw.encrypt(bad, b"", b""))
    for bad in (b'{"exp":253402300799}', b'{"exp":null}', b'{"exp":"9999-12-31","exp":"9999-12-31T23:59:59Z"}', b"[]", b"{"):
        with pytest.raises(VerificationFailed):
            local.verify(raw.encrypt(bad, b"", b""))
    for skew in (-1, 3601, float("nan"), float("inf")):
        with pytest.raises(InvalidInput):
            tokens.PasetoLocal(key, lifetime=60, clock_skew=skew)
        with pytest.raises(InvalidInput):
            tokens.PasetoPublic(tokens.PasetoSigner.generate_pair()[1], clock_skew=skew)
    with pytest.raises(InvalidInput):
        local.issue({"a": float("nan")})
    assert local.verify_details(local.issue({"a": 1}, footer=b"kid:7"))[1] == b"kid:7"
    secret, public = tokens.PasetoSigner.generate_pair()
    token = tokens.PasetoSigner(secret, lifetime=60).issue(footer=b"kid:8")
    assert tokens.PasetoPublic(public).verify_details(token)[1] == b"kid:8"


def test_no_secret_in_what_an_object_shows() -> None:
    import copy
    import pickle

    from pyward_guard.crypto import Aead

    secret = "a secret text of at least 32 bytes"
    jwk = Jwk.from_secret(secret)
    mac = KeySet.from_secrets("mac", [secret])
    shown = [
        mac, jwk, Jwk.generate("ES256"), JwtIssuer(jwk, algorithm="HS256", lifetime=9), JwtVerifier(jwk, algorithms=["HS256"]),
        tokens.JwsVerifier(jwk, algorithms=["HS256"]), SignedTokens(mac, purpose="p", lifetime=9),
        tokens.PasetoLocal(secret[:32].encode(), lifetime=9), tokens.ItsdangerousReader(secret), tokens.ItsdangerousWriter(secret),
        Aead(KeySet.from_secrets("aead", [secret[:32].encode()])),
    ]  # fmt: skip
    for item in shown:
        for view in (repr, str, format, dir, lambda o: repr(getattr(o, "__dict__", None)), lambda o: repr(copy.copy(o))):
            try:
                assert secret[:20] not in str(view(item))  # type: ignore[operator]
            except TypeError as error:
                assert secret[:20] not in str(error)
        with pytest.raises(TypeError):
            pickle.dumps(item)
        with pytest.raises(TypeError):
            copy.deepcopy(item)

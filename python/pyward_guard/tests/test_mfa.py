"""Second factors: pyotp both ways, replay, QR codes read back, recovery codes, WebAuthn with a software key."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyward_guard import Expired, InvalidInput, VerificationFailed, mfa
from pyward_guard.mfa import Hotp, MemoryReplayGuard, Totp


@pytest.mark.parametrize(("name", "digits"), [("SHA1", 6), ("SHA256", 8), ("SHA512", 7)])
def test_totp_and_pyotp(name: str, digits: int) -> None:
    pyotp = pytest.importorskip("pyotp")
    ours = Totp.generate(algorithm=name, digits=digits)
    theirs = pyotp.TOTP(ours.secret(), digits=digits, digest=getattr(hashlib, name.lower()))
    for at in (0, 59, 1_700_000_000, int(time.time())):
        assert ours.code(at) == theirs.at(at)
        assert ours.verify(theirs.at(at), last_step=None, at=at) == at // 30
    parsed = pyotp.parse_uri(ours.provisioning_uri("ada@example.org", issuer="My Shop"))
    assert (parsed.secret, parsed.digits, parsed.issuer, parsed.name) == (ours.secret(), digits, "My Shop", "ada@example.org")
    assert parsed.at(1_700_000_000) == ours.code(1_700_000_000)


def test_hotp_and_pyotp() -> None:
    pyotp = pytest.importorskip("pyotp")
    ours = Hotp.generate()
    theirs = pyotp.HOTP(ours.secret())
    assert ours.qr_svg("ada", issuer="Shop") == mfa.qr_svg(ours.provisioning_uri("ada", issuer="Shop"))
    assert ours.qr_png("ada", issuer="Shop", counter=3) != ours.qr_png("ada", issuer="Shop")
    for counter in (0, 1, 1000):
        assert ours.code(counter) == theirs.at(counter)
        assert ours.verify(theirs.at(counter + 3), counter=counter) >= counter + 1
    assert pyotp.parse_uri(ours.provisioning_uri("ada", issuer="Shop", counter=7)).initial_count == 7


def test_a_code_is_accepted_once() -> None:
    totp, guard = Totp.generate(), MemoryReplayGuard()
    now = 1_700_000_000.0
    code = totp.code(now)

    def attempt(_: int) -> bool:
        try:
            totp.verify_once(code, user="ada", guard=guard, at=now)
            return True
        except VerificationFailed:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(64))) == 1
    totp.verify_once(code, user="grace", guard=guard, at=now)
    step = totp.verify(totp.code(now + 30), last_step=None, at=now)
    with pytest.raises(VerificationFailed):
        totp.verify(code, last_step=step, at=now)
    with pytest.raises(VerificationFailed):
        totp.verify(totp.code(now + 120), last_step=None, at=now)


def test_an_hotp_code_is_accepted_once() -> None:
    hotp, guard = Hotp(Totp.generate().secret()), MemoryReplayGuard()
    code = hotp.code(7)

    def attempt(_: int) -> bool:
        try:
            return hotp.verify_once(code, user="ada", guard=guard, counter=5) == 8
        except VerificationFailed:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(64))) == 1


def test_a_guard_that_has_not_answered_lets_nothing_through() -> None:
    class Awaited:
        async def advance(self, user: str, step: int) -> bool:
            return True

    class Vague:
        def advance(self, user: str, step: int) -> int:
            return 1

    class Rows:
        def __init__(self, hashes: Any) -> None:
            self._hashes = hashes

        def hashes(self, user: str) -> Any:
            return self._hashes

        async def remove(self, user: str, stored: str) -> bool:
            return True

    totp = Totp.generate()
    for guard in (Awaited(), Vague()):
        with pytest.raises(InvalidInput, match="True or False"):
            totp.verify_once(totp.code(), user="ada", guard=guard)  # type: ignore[arg-type]
    made = mfa.generate_recovery_codes(1)
    with pytest.raises(InvalidInput, match="True or False"):
        mfa.use_recovery_code_once(made.codes[0], user="ada", store=Rows(made.hashes))  # type: ignore[arg-type]


def test_codes_as_users_and_attackers_type_them() -> None:
    totp = Totp("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", window=0)
    code = totp.code(0)
    assert totp.verify(f" {code[:3]} {code[3:]}\n", last_step=None, at=0) == 0
    for bad in ("\ud800", "\ud800" * 6, "\x00" * 6, "1" * 100_000, " " * 100_000, "٠" * 6):
        with pytest.raises(VerificationFailed):
            totp.verify(bad, last_step=None, at=0)
        with pytest.raises(VerificationFailed):
            mfa.use_recovery_code(bad, mfa.generate_recovery_codes(1).hashes)
    with pytest.raises(InvalidInput):
        totp.verify(int(code), last_step=None, at=0)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        mfa.use_recovery_code("x", "$recovery")


@given(st.text(max_size=12).filter(lambda text: not any(c.isspace() for c in text)))
def test_any_text_is_refused_or_the_code(text: str) -> None:
    totp = Totp("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", window=0)
    if text != totp.code(0):
        with pytest.raises(VerificationFailed):
            totp.verify(text, last_step=None, at=0)


def test_weak_settings_are_refused_and_secrets_hidden() -> None:
    for secret in ("", "A", "JBSWY3DPEHPK3PXP", "1" * 32):
        with pytest.raises(InvalidInput):
            Totp(secret)
    assert Totp("JBSWY3DPEHPK3PXP", insecure_short_secret=True).code(0)
    for options in ({"digits": 5}, {"period": 1}, {"window": 11}, {"algorithm": "MD5"}):
        with pytest.raises(InvalidInput):
            Totp.generate(**options)  # type: ignore[arg-type]
    totp = Totp.generate()
    assert totp.secret() not in repr(totp)
    with pytest.raises(InvalidInput):
        totp.provisioning_uri("a:b", issuer="x")


def test_qr_codes_read_back() -> None:
    zxing = pytest.importorskip("zxingcpp")
    numpy = pytest.importorskip("numpy")
    import struct
    import zlib

    text = Totp.generate().provisioning_uri("ada@example.org", issuer="Shop")
    image = mfa.qr_png(text, scale=5)
    width, height = struct.unpack(">II", image[16:24])
    data, at = b"", 8
    while at < len(image):
        length, kind = struct.unpack(">I4s", image[at : at + 8])
        data += image[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    raw = zlib.decompress(data)
    rows = []
    previous = [0] * width
    for y in range(height):
        line = raw[y * (width + 1) : (y + 1) * (width + 1)]
        row: list[int] = []
        for x, value in enumerate(line[1:]):
            a, b = row[x - 1] if x else 0, previous[x]
            c = previous[x - 1] if x else 0
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            row.append((value + (0, a, b, (a + b) // 2, paeth)[line[0]]) & 255)
        rows.append(row)
        previous = row
    found = zxing.read_barcodes(numpy.array(rows, dtype=numpy.uint8))
    assert [f.text for f in found] == [text]
    svg = mfa.qr_svg(text)
    assert "script" not in svg and "style" not in svg and svg.count("<path") == 1


def test_recovery_codes() -> None:
    made = mfa.generate_recovery_codes(10)
    assert len(set(made.codes)) == 10 and not any(c in repr(made) for c in made.codes)
    rows = list(made.hashes)
    rows.remove(mfa.use_recovery_code(f"  {made.codes[4].upper()} ", rows))
    with pytest.raises(VerificationFailed):
        mfa.use_recovery_code(made.codes[4], rows)
    assert mfa.use_recovery_code(made.codes[5], rows) == made.hashes[5]
    with pytest.raises(VerificationFailed):
        mfa.use_recovery_code("", rows)


def test_a_recovery_code_is_used_once_by_requests_at_a_time() -> None:
    import threading

    class Rows:
        def __init__(self, hashes: Any) -> None:
            self._lock, self._hashes = threading.Lock(), list(hashes)

        def hashes(self, user: str) -> list[str]:
            return list(self._hashes)

        def remove(self, user: str, stored: str) -> bool:
            with self._lock:
                if stored not in self._hashes:
                    return False
                self._hashes.remove(stored)
                return True

    made = mfa.generate_recovery_codes(3)
    rows = Rows(made.hashes)

    def attempt(_: int) -> bool:
        try:
            mfa.use_recovery_code_once(made.codes[1], user="ada", store=rows)
            return True
        except VerificationFailed:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(24))) == 1
    assert rows.hashes("ada") == [made.hashes[0], made.hashes[2]]


# --- WebAuthn ---------------------------------------------------------------------------------------------


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class SoftwareKey:
    """Does what an authenticator and a browser do, with knobs for what can go wrong."""

    def __init__(self, rp_id: str = "example.org", origin: str = "https://example.org") -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = b"credential-0001"
        self.count = 0
        self.rp_id, self.origin = rp_id, origin
        self.flags = 0x05
        self.client: dict[str, Any] = {"crossOrigin": False}
        self.user_handle: bytes | None = None

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, **self.client}).encode()

    def _data(self, attested: bytes = b"") -> bytes:
        flags = self.flags | (0x40 if attested else 0)
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big") + attested

    def create(self, options: str) -> dict[str, Any]:
        import cbor2

        numbers = self.key.public_key().public_numbers()
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        data = self._data(bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cose)
        client = self._client("webauthn.create", json.loads(options)["challenge"])
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response = {"clientDataJSON": b64(client), "attestationObject": b64(attestation)}
        return {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "response": response}

    def get(self, options: str) -> dict[str, Any]:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256

        self.count += 1
        data = self._data()
        client = self._client("webauthn.get", json.loads(options)["challenge"])
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        response = {"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature)}
        if self.user_handle is not None:
            response["userHandle"] = b64(self.user_handle)
        return {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "response": response}


def test_webauthn_ceremonies() -> None:
    pytest.importorskip("webauthn")
    from pyward_guard.mfa.webauthn import MemoryChallengeStore, WebAuthn, WebAuthnCredential

    w = WebAuthn("example.org", "Shop", ["https://example.org"], MemoryChallengeStore())
    device = SoftwareKey()
    response = device.create(w.begin_registration("r1", user_id=b"7", user_name="ada"))
    credential = w.finish_registration("r1", response)
    assert credential.credential_id == device.id
    with pytest.raises(Expired):
        w.finish_registration("r1", response)

    answer = device.get(w.begin_authentication("a1"))
    assert w.credential_id(answer) == device.id
    count = w.finish_authentication("a1", json.dumps(answer), credential)
    assert count == 1
    with pytest.raises(Expired):
        w.finish_authentication("a1", answer, credential)
    # Replayed into a new ceremony: another challenge.
    w.begin_authentication("a2")
    with pytest.raises(VerificationFailed):
        w.finish_authentication("a2", answer, credential)
    # A copied key: the counter stands still.
    used = WebAuthnCredential(credential.credential_id, credential.public_key, 10)
    with pytest.raises(VerificationFailed):
        w.finish_authentication("a3", device.get(w.begin_authentication("a3")), used)
    # Phishing: another origin; no user verification; another relying party; another ceremony.
    for wrong in (SoftwareKey(origin="https://examp1e.org"), SoftwareKey(rp_id="examp1e.org")):
        wrong.key, wrong.count = device.key, 20
        with pytest.raises(VerificationFailed):
            w.finish_authentication("a4", wrong.get(w.begin_authentication("a4")), credential)
    device.flags = 0x01
    with pytest.raises(VerificationFailed):
        w.finish_authentication("a5", device.get(w.begin_authentication("a5")), credential)
    device.flags = 0x05
    options = w.begin_registration("a6", user_id=b"7", user_name="ada")
    with pytest.raises(VerificationFailed):
        w.finish_authentication("a6", device.get(options), credential)
    for bad in (["http://example.org"], ["https://example.org/"], ["https://evil.org"], "https://example.org", []):
        with pytest.raises(InvalidInput):
            WebAuthn("example.org", "Shop", bad, MemoryChallengeStore())


def test_webauthn_credentials_belong_to_their_user() -> None:
    pytest.importorskip("webauthn")
    from dataclasses import replace

    from pyward_guard.mfa.webauthn import MemoryChallengeStore, WebAuthn

    w = WebAuthn("example.org", "Shop", ["https://example.org"], MemoryChallengeStore())
    victims, mallorys = SoftwareKey(), SoftwareKey()
    mallorys.id = b"credential-0666"
    victim = w.finish_registration("r", victims.create(w.begin_registration("r", user_id=b"victim", user_name="v")))
    mallory = w.finish_registration("r", mallorys.create(w.begin_registration("r", user_id=b"mallory", user_name="m")))
    assert (victim.user_id, mallory.user_id) == (b"victim", b"mallory")

    # The second factor of the victim's sign-in, answered with the attacker's own key, which the application looks up.
    for options in ({"user_id": b"victim"}, {"credentials": [victim.credential_id]}, {"user_id": b"victim", "credentials": [victim.credential_id]}):
        answer = mallorys.get(w.begin_authentication("a", **options))  # type: ignore[arg-type]
        assert w.credential_id(answer) == mallory.credential_id
        with pytest.raises(VerificationFailed, match="another user"):
            w.finish_authentication("a", answer, mallory)
        # Also where the application stores no owner with the credential.
        answer = mallorys.get(w.begin_authentication("a", **options))  # type: ignore[arg-type]
        with pytest.raises(VerificationFailed, match="another user"):
            w.finish_authentication("a", answer, replace(mallory, user_id=b""))
        answer = victims.get(w.begin_authentication("a", **options))  # type: ignore[arg-type]
        victim = replace(victim, sign_count=w.finish_authentication("a", answer, victim))
    # Stored without an owner, the list decides.
    answer = victims.get(w.begin_authentication("a", user_id=b"victim", credentials=[victim.credential_id]))
    assert w.finish_authentication("a", answer, replace(victim, user_id=b""))
    # A passkey says whose it is; it has to agree.
    mallorys.user_handle = b"mallory"
    assert w.finish_authentication("a", mallorys.get(w.begin_authentication("a")), mallory)
    mallorys.user_handle = b"victim"
    with pytest.raises(VerificationFailed, match="another user"):
        w.finish_authentication("a", mallorys.get(w.begin_authentication("a")), mallory)
    # A page inside another site's.
    for client in ({"crossOrigin": True}, {"crossOrigin": False, "topOrigin": "https://evil.example"}, {"crossOrigin": "no"}):
        victims.client = client
        with pytest.raises(VerificationFailed, match="inside"):
            w.finish_authentication("a", victims.get(w.begin_authentication("a")), victim)
        with pytest.raises(VerificationFailed, match="inside"):
            w.finish_registration("r", victims.create(w.begin_registration("r", user_id=b"v", user_name="v")))
    # Browsers of old leave it out.
    victims.client = {}
    assert w.finish_authentication("a", victims.get(w.begin_authentication("a")), victim)
    for user_id in (b"", b"x" * 65):
        with pytest.raises(InvalidInput):
            w.begin_registration("r", user_id=user_id, user_name="v")
    for bad in ("", "[]", "{}", "null", '{"id": 7}', "[" * 100_000, '{"id": "x", "response": {"clientDataJSON": "e30"}}'):
        w.begin_authentication("a")
        with pytest.raises((VerificationFailed, InvalidInput)):
            w.finish_authentication("a", bad, victim)


def test_guards_in_redis(redis_url: str) -> None:
    import redis
    from pyward_guard.mfa.redis import RedisChallengeStore, RedisReplayGuard

    for decode in (False, True):
        client = redis.Redis.from_url(redis_url, decode_responses=decode)
        guard = RedisReplayGuard(client, prefix=f"replay-{decode}:")
        totp, now = Totp.generate(), 1_700_000_000.0
        code = totp.code(now)

        def attempt(_: int, totp: Totp = totp, guard: RedisReplayGuard = guard, code: str = code) -> bool:
            try:
                totp.verify_once(code, user="ada", guard=guard, at=1_700_000_000.0)
                return True
            except VerificationFailed:
                return False

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(attempt, range(64))) == 1
        assert guard.advance("grace", 5) and not guard.advance("grace", 4) and guard.advance("grace", 6)
        assert client.keys("replay-*") and all(client.ttl(key) > 7500 for key in client.keys(f"replay-{decode}:*"))
        challenges = RedisChallengeStore(client)
        challenges.put("k", "v", 60)
        with ThreadPoolExecutor(8) as pool:
            assert sorted(map(str, pool.map(lambda _: challenges.pop("k"), range(16)))) == ["None"] * 15 + ["v"]
        challenges.put("k", "v", 1)
        time.sleep(1.1)
        assert challenges.pop("k") is None
        client.close()
    with pytest.raises(InvalidInput):
        RedisReplayGuard(redis.Redis(), lifetime=60)
    away = RedisReplayGuard(redis.Redis(port=1, socket_connect_timeout=1))
    with pytest.raises(redis.ConnectionError):
        totp.verify_once(totp.code(), user="ada", guard=away)

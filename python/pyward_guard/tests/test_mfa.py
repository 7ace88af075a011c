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
    secret = Totp.generate().secret()
    ours, theirs = Hotp(secret), pyotp.HOTP(secret)
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


@given(st.text(max_size=12))
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

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

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

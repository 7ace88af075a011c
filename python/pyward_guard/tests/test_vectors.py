"""Known answers and what must be refused: the tables of crates/pyward_guard/tests/vectors.

docs/guard/secrets.md lists which algorithm is held by which vector, and which by another implementation.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pyward_guard import VerificationFailed, _core, tokens
from pyward_guard.crypto import Aead, KeySet

VECTORS = Path(__file__).resolve().parents[3] / "crates/pyward_guard/tests/vectors"


def table(name: str) -> list[Any]:
    tests: list[Any] = json.loads((VECTORS / name).read_text(encoding="utf-8"))["tests"]
    assert {"valid", "invalid"} == {test["result"] for test in tests}
    return [pytest.param(test, id=f"{test['id']} {test['comment']}") for test in tests]


@pytest.mark.parametrize("test", table("jwt.json"))
def test_jwt(test: dict[str, Any]) -> None:
    key = tokens.Jwk.from_json(json.dumps(test["key"]))
    verifier = tokens.JwtVerifier(key, algorithms=test["algorithms"], issuer=None)
    if test["result"] == "valid":
        assert verifier.verify(test["token"], test["now"])["iss"] == "joe"
    else:
        with pytest.raises(VerificationFailed):
            verifier.verify(test["token"], test["now"])


@pytest.mark.parametrize("test", table("jws.json"))
def test_jws(test: dict[str, Any]) -> None:
    verifier = tokens.JwsVerifier(tokens.Jwk.from_json(json.dumps(test["key"])), algorithms=test["algorithms"])
    if test["result"] == "valid":
        assert verifier.verify(test["token"]).decode() == test["payload"]
    else:
        with pytest.raises(VerificationFailed):
            verifier.verify(test["token"])


@pytest.mark.parametrize("test", table("jwe.json"))
def test_jwe(test: dict[str, Any]) -> None:
    key = tokens.Jwk.from_json(json.dumps(test["key"]))
    decrypter = tokens.JweDecrypter(key, algorithms=test["algorithms"], encryptions=test["encryptions"])
    if test["result"] == "valid":
        assert decrypter.decrypt(test["token"]).decode() == test["payload"]
    else:
        with pytest.raises(VerificationFailed):
            decrypter.decrypt(test["token"])


@pytest.mark.parametrize("test", table("paseto.json"))
def test_paseto(test: dict[str, Any]) -> None:
    key, implicit = bytes.fromhex(test["key"]), test["implicit"].encode()
    # Below the classes that check claims: the vectors' times are long past.
    read = _core.PasetoLocal(key).decrypt if test["kind"] == "local" else _core.PasetoPublic(key).verify
    if test["result"] == "valid":
        assert read(test["token"], implicit) == (test["payload"].encode(), b"")
    else:
        with pytest.raises(VerificationFailed):
            read(test["token"], implicit)


@pytest.mark.parametrize("test", table("aes_gcm.json"))
def test_aes_gcm(test: dict[str, Any]) -> None:
    keys = KeySet.from_secrets("aead", [bytes.fromhex(test["key"])])
    # The nonce is drawn when encrypting, so the known answers are checked by decrypting: the format puts a byte for
    # the version and the key's id in front.
    prefix = b"\x01" + keys.primary_id.to_bytes(4, "big")
    sealed = prefix + b"".join(bytes.fromhex(test[part]) for part in ("iv", "ciphertext", "tag"))
    associated_data = bytes.fromhex(test["associated_data"])
    if test["result"] == "valid":
        assert Aead(keys).decrypt(sealed, associated_data).hex() == test["message"]
    else:
        with pytest.raises(VerificationFailed):
            Aead(keys).decrypt(sealed, associated_data)


@pytest.mark.parametrize("test", table("aes_siv.json"))
def test_aes_siv(test: dict[str, Any]) -> None:
    keys = KeySet.from_secrets("deterministic", [bytes.fromhex(test["key"])])
    prefix = b"\x01" + keys.primary_id.to_bytes(4, "big")
    sealed, associated_data = prefix + bytes.fromhex(test["ciphertext"]), bytes.fromhex(test["associated_data"])
    # Below DeterministicEncryption, which demands a field and binds its name.
    if test["result"] == "valid":
        assert _core.deterministic_decrypt(keys, sealed, associated_data).hex() == test["message"]
        assert _core.deterministic_encrypt(keys, bytes.fromhex(test["message"]), associated_data) == sealed
    else:
        with pytest.raises(VerificationFailed):
            _core.deterministic_decrypt(keys, sealed, associated_data)


def test_two_tables_are_run_by_the_core() -> None:
    """The kit has no call for bare signatures, MACs and wrapped keys; the core's own tests read the same tables."""
    assert len(table("ed25519.json")) >= 50 and len(table("primitives.json")) >= 100

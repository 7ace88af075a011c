"""Passwords: interoperability with other libraries both ways, concurrency, policy, generators."""

from __future__ import annotations

import asyncio
import hashlib
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyward_guard import InvalidInput, UnknownKey, passwords
from pyward_guard.passwords import PasswordHasher, PasswordPolicy

PASSWORD = "pässwörd of 24 letters!"
FAST: dict[str, Any] = {"memory_kib": 7168, "time_cost": 5}


def assert_verifies(stored: str, scheme: str, password: str = PASSWORD) -> None:
    result = PasswordHasher(**FAST).verify(password, stored)
    assert result.ok and result.needs_rehash and result.scheme == scheme, (stored, result)
    assert not PasswordHasher(**FAST).verify(password + "x", stored).ok


# --- interoperability -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ID", "I", "D"])
@pytest.mark.parametrize("parallelism", [1, 4])
def test_argon2_cffi_both_ways(kind: str, parallelism: int) -> None:
    argon2 = pytest.importorskip("argon2")
    theirs = argon2.PasswordHasher(time_cost=2, memory_cost=8192, parallelism=parallelism, type=argon2.Type[kind])
    assert_verifies(theirs.hash(PASSWORD), f"argon2{kind.lower()}")
    ours = PasswordHasher(memory_kib=12288, time_cost=3, parallelism=parallelism).hash(PASSWORD)
    assert argon2.PasswordHasher().verify(ours, PASSWORD)
    parameters = argon2.extract_parameters(ours)
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (12288, 3, parallelism)


@pytest.mark.parametrize("password", ["", "x", PASSWORD, "a" * 71, "a" * 72])
def test_bcrypt_both_ways(password: str) -> None:
    bcrypt = pytest.importorskip("bcrypt")
    for prefix in (b"2a", b"2b"):
        assert_bcrypt = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, prefix=prefix)).decode()
        result = PasswordHasher(**FAST).verify(password, assert_bcrypt)
        assert result.ok and result.scheme == "bcrypt" and not result.truncated
    if password:
        ours = PasswordHasher("bcrypt", time_cost=10).hash(password)
        assert bcrypt.checkpw(password.encode(), ours.encode())


def test_over_long_bcrypt_is_handled_openly() -> None:
    bcrypt = pytest.importorskip("bcrypt")
    long = "a" * 73
    with pytest.raises(InvalidInput, match="72 bytes"):
        PasswordHasher("bcrypt", time_cost=10).hash(long)
    with pytest.raises(InvalidInput, match="NUL"):
        PasswordHasher("bcrypt", time_cost=10).hash("a\0b")
    old = bcrypt.hashpw(b"a" * 72, bcrypt.gensalt(4)).decode()
    result = PasswordHasher(**FAST).verify(long, old)
    assert result.ok and result.truncated and result.needs_rehash
    prehash = PasswordHasher("bcrypt", time_cost=10, bcrypt_prehash=True)
    stored = prehash.hash(long)
    assert prehash.verify(long, stored) == passwords.Verification(True, False, "bcrypt-sha256", False)
    assert not prehash.verify("a" * 72, stored)


@pytest.mark.parametrize(
    ("name", "options", "scheme"),
    [
        ("argon2", {"memory_cost": 8192, "rounds": 2}, "argon2id"),
        ("scrypt", {"rounds": 12}, "scrypt"),
        ("pbkdf2_sha1", {"rounds": 1000}, "pbkdf2"),
        ("pbkdf2_sha256", {"rounds": 1000}, "pbkdf2"),
        ("pbkdf2_sha512", {"rounds": 1000}, "pbkdf2"),
        ("sha256_crypt", {"rounds": 1000}, "sha256-crypt"),
        ("sha512_crypt", {"rounds": 1000}, "sha512-crypt"),
        ("sha512_crypt", {"rounds": 5000}, "sha512-crypt"),
    ],
)
def test_reads_passlib(name: str, options: dict[str, int], scheme: str) -> None:
    hash_module = pytest.importorskip("passlib.hash")
    assert_verifies(getattr(hash_module, name).using(**options).hash(PASSWORD), scheme)


def test_bcrypt_sha256_of_passlib() -> None:
    """passlib's own bcrypt backend does not work with current bcrypt releases: its format is made by hand here."""
    import base64
    import hmac

    bcrypt = pytest.importorskip("bcrypt")
    salt = bcrypt.gensalt(4)
    text = salt[-22:].decode()
    digest = hmac.new(text.encode(), PASSWORD.encode(), "sha256").digest()
    checksum = bcrypt.hashpw(base64.b64encode(digest), salt)[-31:].decode()
    assert_verifies(f"$bcrypt-sha256$v=2,t=2b,r=4${text}${checksum}", "bcrypt-sha256")
    first = bcrypt.hashpw(base64.b64encode(hashlib.sha256(PASSWORD.encode()).digest()), salt)[-31:].decode()
    assert_verifies(f"$bcrypt-sha256$2b,4${text}${first}", "bcrypt-sha256")
    # And the other way round, what this kit writes.
    ours = PasswordHasher("bcrypt", time_cost=10, bcrypt_prehash=True).hash(PASSWORD)
    _, _, head, text, checksum = ours.split("$")
    assert head == "v=2,t=2b,r=10"
    digest = hmac.new(text.encode(), PASSWORD.encode(), "sha256").digest()
    assert bcrypt.checkpw(base64.b64encode(digest), f"$2b$10${text}{checksum}".encode())


def test_reads_django() -> None:
    hashers = pytest.importorskip("django.contrib.auth.hashers")
    pbkdf2, sha1 = hashers.PBKDF2PasswordHasher(), hashers.PBKDF2SHA1PasswordHasher()
    assert_verifies(pbkdf2.encode(PASSWORD, "salt", iterations=1000), "pbkdf2")
    assert_verifies(sha1.encode(PASSWORD, "salt", iterations=1000), "pbkdf2")
    assert_verifies(hashers.ScryptPasswordHasher().encode(PASSWORD, "salt", n=4096), "scrypt")
    argon2 = hashers.Argon2PasswordHasher()
    assert_verifies(argon2.encode(PASSWORD, argon2.salt()), "argon2id")
    bcrypt = pytest.importorskip("bcrypt")
    assert_verifies(hashers.BCryptSHA256PasswordHasher().encode(PASSWORD, bcrypt.gensalt(4)), "bcrypt-sha256")
    assert_verifies(hashers.BCryptPasswordHasher().encode(PASSWORD, bcrypt.gensalt(4)), "bcrypt")


def test_reads_werkzeug() -> None:
    security = pytest.importorskip("werkzeug.security")
    assert_verifies(security.generate_password_hash(PASSWORD, "scrypt:4096:8:1"), "scrypt")
    for name in ("sha1", "sha256", "sha512"):
        assert_verifies(security.generate_password_hash(PASSWORD, f"pbkdf2:{name}:1000"), "pbkdf2")


def test_scrypt_of_hashlib() -> None:
    ours = PasswordHasher("scrypt", time_cost=13, parallelism=10).hash(PASSWORD)
    import base64

    _, name, parameters, salt, digest = ours.split("$")
    assert (name, parameters) == ("scrypt", "ln=13,r=8,p=10")
    raw = hashlib.scrypt(PASSWORD.encode(), salt=base64.b64decode(salt + "=="), n=2**13, r=8, p=10, dklen=32)
    assert base64.b64decode(digest + "=") == raw


# --- behaviour --------------------------------------------------------------------------------------------


def test_default_is_the_owasp_recommendation() -> None:
    stored = passwords.hash(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.verify(PASSWORD.encode(), stored) and not passwords.verify("x", stored)
    assert passwords.hash(PASSWORD) != stored


def test_weak_parameters_are_refused() -> None:
    for options in ({"time_cost": 1}, {"memory_kib": 1024}, {"scheme": "bcrypt", "time_cost": 4}, {"scheme": "md5"}):
        with pytest.raises(InvalidInput):
            PasswordHasher(**options)  # type: ignore[arg-type]


def test_pepper() -> None:
    hasher = PasswordHasher(**FAST, peppers={"b": b"n" * 16, "a": b"o" * 16})
    old = PasswordHasher(**FAST, peppers={"a": b"o" * 16}).hash(PASSWORD)
    assert hasher.verify(PASSWORD, old).needs_rehash
    with pytest.raises(UnknownKey):
        PasswordHasher(**FAST).verify(PASSWORD, old)
    assert "oooo" not in repr(hasher) and "nnnn" not in repr(hasher)


@settings(max_examples=50)
@given(st.text(max_size=200))
def test_any_stored_text_gives_a_clear_error(stored: str) -> None:
    with pytest.raises(InvalidInput):
        PasswordHasher(**FAST).verify("x", stored)


def test_errors_do_not_contain_the_password() -> None:
    secret = "hunter2-hunter2-hunter2"
    with pytest.raises(InvalidInput) as caught:
        PasswordHasher().verify(secret, secret)
    assert secret not in str(caught.value)


def test_sixteen_concurrent_hashes_do_not_block_the_event_loop() -> None:
    hasher = PasswordHasher(max_concurrency=2)

    async def together(work: list[Any]) -> list[Any]:
        """Results, and a check by order of events: computations that block the loop are over when it comes back."""
        tasks = [asyncio.create_task(one) for one in work]
        turns = 0
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            turns += 1
            # What threads finished meanwhile reaches its task in the next turn at the earliest.
            assert turns > 2 or not any(task.done() for task in tasks)
        assert turns > len(tasks)
        return [task.result() for task in tasks]

    async def scenario() -> None:
        hashes = await together([hasher.hash_async(PASSWORD) for _ in range(16)])
        assert len(set(hashes)) == 16
        assert all(await together([hasher.verify_async(PASSWORD, h) for h in hashes]))

    asyncio.run(scenario())


def test_threads_run_at_the_same_time_but_not_more_than_allowed() -> None:
    from concurrent.futures import ThreadPoolExecutor

    hasher = PasswordHasher(**FAST, max_concurrency=1)
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda _: hasher.hash(PASSWORD), range(16)))
    assert all(hasher.verify(PASSWORD, s) for s in stored)


# --- policy -----------------------------------------------------------------------------------------------


def codes(policy: PasswordPolicy, password: str, **options: Any) -> list[str]:
    return [problem.code for problem in policy.check(password, **options).problems]


def test_policy(tmp_path: Path) -> None:
    common = tmp_path / "common.txt"
    common.write_text("mild-otter-ledger-quince\n")
    breached = hashlib.sha1(b"brisk-canyon-velvet-moth").hexdigest().upper()
    (tmp_path / "breach.txt").write_text(f"{breached}:7\n")
    (tmp_path / breached[:5]).write_text(f"{breached[5:]}:7\n")
    good = "quiet-lantern-oyster-magnet"
    policy = PasswordPolicy(breaches=[passwords.CommonPasswords(common), passwords.BreachFile(tmp_path / "breach.txt")])
    assert policy.check(good) and policy.check(good).ok
    assert codes(policy, "Mild-Otter-Ledger-Quince") == ["breached"]
    assert codes(policy, "brisk-canyon-velvet-moth") == ["breached"]
    assert "too-short" in codes(policy, "x9!kQ") and "too-weak" in codes(policy, "aaaaaaaaaaaaaaaa")
    assert "too-long" in codes(policy, good * 20) and "not-text" in codes(policy, good + "\x07")
    assert "context" in codes(policy, "AdaLovelace-1815!", user_words=["ada.lovelace@example.org"])
    assert passwords.BreachRanges(tmp_path).count("brisk-canyon-velvet-moth") == 7
    with pytest.raises(OSError):
        passwords.BreachRanges(tmp_path).count(good)
    asked: list[str] = []

    def fetch(prefix: str) -> str:
        asked.append(prefix)
        return f"{breached[5:]}:7\r\n"

    assert passwords.RemoteRanges(fetch).count("brisk-canyon-velvet-moth") == 7
    assert asked == [breached[:5]]


def test_policy_history_and_expiry() -> None:
    hasher = PasswordHasher(**FAST)
    old = [hasher.hash(f"quiet-lantern-oyster-{word}") for word in ("magnet", "teapot", "walnut")]
    policy = PasswordPolicy(history=2, hasher=hasher, max_age=timedelta(days=90))
    assert codes(policy, "quiet-lantern-oyster-walnut", old_hashes=old) == ["reused"]
    assert codes(policy, "quiet-lantern-oyster-magnet", old_hashes=old) == []
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert policy.is_expired(now - timedelta(days=91), now) and not policy.is_expired(now - timedelta(days=89), now)
    with pytest.raises(InvalidInput):
        policy.is_expired(datetime(2026, 1, 1))
    with pytest.raises(InvalidInput):
        PasswordPolicy(min_length=7)
    with pytest.raises(InvalidInput):
        PasswordPolicy(max_length=32)


def test_generators() -> None:
    seen = {passwords.generate_password(8, symbols=False).password for _ in range(200)}
    assert len(seen) == 200
    for word in seen:
        assert any(c.isupper() for c in word) and any(c.islower() for c in word) and any(c.isdigit() for c in word)
    generated = passwords.generate_passphrase(5, separator=" ", capitalize=True)
    assert generated.entropy_bits == 55 and len(str(generated).split()) == 5 and str(generated) not in repr(generated)
    with pytest.raises(InvalidInput):
        passwords.generate_passphrase(3)

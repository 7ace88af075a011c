"""Django's password hashing and validation on the kit, in a process with settings of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

SETTINGS = """
import django
from django.conf import settings
from pyward_guard import passwords
settings.configure(
    SECRET_KEY="x" * 50,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    PASSWORD_HASHERS=["pyward_guard.passwords.django.GuardPasswordHasher", "django.contrib.auth.hashers.PBKDF2PasswordHasher"],
    AUTH_PASSWORD_VALIDATORS=[{"NAME": "pyward_guard.passwords.django.GuardPasswordValidator", "OPTIONS": {"context": ["example shop"]}}],
    **options,
)
django.setup()
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password, identify_hasher, is_password_usable, make_password
"""


def run(code: str, options: str = "{}") -> str:
    whole = f"from pyward_guard import passwords\noptions = {options}\n{SETTINGS}\n{textwrap.dedent(code)}"
    done = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_hashing_and_checking() -> None:
    assert run("""
        stored = make_password("mild-otter-ledger-quince")
        assert stored.startswith("guard$$argon2id$v=19$m=19456,t=2,p=1$"), stored
        assert identify_hasher(stored).safe_summary(stored) == {"algorithm": "argon2id"}
        print(check_password("mild-otter-ledger-quince", stored), check_password("wrong", stored), check_password("", stored))
        print(check_password("x" * 5000, stored), is_password_usable(stored))
    """) == "True False False\nFalse True"


def test_old_hashes_are_replaced_at_log_in() -> None:
    assert run("""
        kept = []
        old = PBKDF2PasswordHasher().encode("mild-otter-ledger-quince", "salt")
        print(check_password("mild-otter-ledger-quince", old, setter=kept.append), kept)
        stored = make_password("mild-otter-ledger-quince")
        print(check_password("mild-otter-ledger-quince", stored, setter=kept.append), len(kept))
    """) == "True ['mild-otter-ledger-quince']\nTrue 1"


def test_the_hasher_of_the_settings() -> None:
    peppered = """{"PYWARD_PASSWORD_HASHER": passwords.PasswordHasher(peppers={"2026": b"a secret from the environment"})}"""
    assert run("""
        stored = make_password("mild-otter-ledger-quince")
        assert stored.startswith("guard$$pepper-hmac-sha256$k=2026$argon2id$"), stored
        plain = "guard$" + passwords.hash("mild-otter-ledger-quince")
        replaced = []
        print(check_password("mild-otter-ledger-quince", stored), check_password("mild-otter-ledger-quince", plain, setter=replaced.append), len(replaced))
    """, peppered) == "True True 1"


def test_validation() -> None:
    assert run("""
        from django.contrib.auth.models import User
        from django.contrib.auth.password_validation import validate_password
        from django.core.exceptions import ValidationError
        validate_password("mild-otter-ledger-quince")
        for password, user in [("short", None), ("exampleshop2026!", None), ("ada.lovelace@example.org", User(username="ada", email="ada.lovelace@example.org"))]:
            try:
                validate_password(password, user)
            except ValidationError as error:
                print(sorted({problem.code for problem in error.error_list}))
    """).splitlines() == ["['too-short', 'too-weak']", "['context']", "['context', 'too-weak']"]


def test_no_password_tells_whether_a_user_exists() -> None:
    """Django hashes the password for users who do not exist: what raises there and not for others is an oracle."""
    assert run("""
        import time
        long = "ä" * 5000
        stored = make_password(long)
        print(check_password(long, stored), check_password(long + "x", stored), check_password(long[:2048], stored))
        for password in ("", "\\ud800", "x" * 100_000, "\\x00"):
            made = make_password(password)  # what ModelBackend does for a user who does not exist
            assert not check_password(password, make_password("mild-otter-ledger-quince"))
            assert check_password(password, made) is (password not in ("", "\\ud800")), password
        row = make_password("mild-otter-ledger-quince")
        for password in ("guess", "", "x" * 5000):
            known, unknown = [], []
            # In turns, since other tests load the machine meanwhile.
            for _ in range(15):
                for times, work in ((known, lambda: check_password(password, row)), (unknown, lambda: make_password(password))):
                    started = time.perf_counter(); work(); times.append(time.perf_counter() - started)
            assert 0.4 < min(known) / min(unknown) < 2.5, (password[:5], min(known), min(unknown))
    """) == "True False False"

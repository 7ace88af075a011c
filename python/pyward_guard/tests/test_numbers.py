"""Numbers that no argument of their kind can hold, such as -1 for "never" in a database, are refused as other input is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pyward_guard import InvalidInput, crypto, limits, mfa, passwords, paths, privacy, sessions, tokens, validate


@pytest.mark.parametrize("number", [-1, 1 << 70])
@pytest.mark.parametrize(
    "call",
    [
        tokens.random_digits,
        tokens.random_below,
        passwords.generate_password,
        mfa.generate_recovery_codes,
        lambda number: mfa.Totp.generate().verify("123456", last_step=number),
        lambda number: mfa.Hotp.generate().verify("123456", counter=number),
        lambda number: privacy.mask("ada@example.org", "text", keep=number),
        lambda number: crypto.derive_key(bytes(32), purpose="test", length=number),
        lambda number: crypto.BlindIndex(crypto.KeySet.generate("mac"), "users.email", bits=number),
        crypto.KeySet.generate("mac").promote,
        lambda number: validate.plain_text("x", max_length=number),
        lambda number: mfa.qr_png("x", scale=number),
        sessions.MemoryStore,
        lambda number: limits.MemoryLimiter(limits.Bucket(5, timedelta(minutes=1)), max_keys=number),
        lambda number: limits.MemoryLimiter(limits.Bucket(number, timedelta(minutes=1))),
        lambda number: limits.MemoryLockout(limits.LockoutRule(account=number)),
    ],
)
def test_refused(call: Callable[[int], object], number: int) -> None:
    with pytest.raises(InvalidInput):
        call(number)


def test_a_folder_that_lists_fewer_than_no_entries(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        paths.Directory(tmp_path).list(max_entries=-1)

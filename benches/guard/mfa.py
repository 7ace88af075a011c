"""TOTP against pyotp."""

from __future__ import annotations

from typing import Any

from pyward_guard.mfa import Totp


def run(bench: Any) -> None:
    try:
        import pyotp
    except ImportError:
        bench.lacks("pyotp")
        return
    ours = Totp.generate()
    theirs = pyotp.TOTP(ours.secret())
    now = 1_700_000_000
    code = ours.code(now)
    bench.compare(
        "TOTP verify, window 1",
        lambda: ours.verify(code, last_step=None, at=now),
        peer=lambda: theirs.verify(code, for_time=now, valid_window=1),
        peer_name="pyotp",
        at_least=5,
    )

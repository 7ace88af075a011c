"""Second factors: TOTP and HOTP, recovery codes, WebAuthn (:mod:`pyward_guard.mfa.webauthn`)."""

from __future__ import annotations

from .otp import Hotp, MemoryReplayGuard, ReplayGuard, Totp, qr_png, qr_svg
from .recovery import RecoveryCodes, RecoveryCodeStore, generate_recovery_codes, use_recovery_code, use_recovery_code_once

__all__ = [
    "Hotp",
    "MemoryReplayGuard",
    "RecoveryCodeStore",
    "RecoveryCodes",
    "ReplayGuard",
    "Totp",
    "generate_recovery_codes",
    "qr_png",
    "qr_svg",
    "use_recovery_code",
    "use_recovery_code_once",
]

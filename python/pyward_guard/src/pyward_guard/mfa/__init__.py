"""Second factors: TOTP and HOTP, recovery codes, WebAuthn (:mod:`pyward_guard.mfa.webauthn`)."""

from __future__ import annotations

from .otp import Hotp, MemoryReplayGuard, ReplayGuard, Totp, qr_png, qr_svg
from .recovery import RecoveryCodes, generate_recovery_codes, use_recovery_code

__all__ = [
    "Hotp",
    "MemoryReplayGuard",
    "RecoveryCodes",
    "ReplayGuard",
    "Totp",
    "generate_recovery_codes",
    "qr_png",
    "qr_svg",
    "use_recovery_code",
]

"""One-time passwords: TOTP (RFC 6238) and HOTP (RFC 4226).

CWE-294, CWE-307, CWE-308.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Literal, Protocol
from urllib.parse import quote, urlencode

from .. import _core
from .._core import InvalidInput
from . import _once

_log = logging.getLogger("pyward_guard.mfa")


class ReplayGuard(Protocol):
    """Remembers the step of the last accepted code of each user, for all processes."""

    def advance(self, user: str, step: int) -> bool:
        """Atomically: if ``step`` is later than what is stored for ``user``, store it and give True; else give False.

        In SQL: ``UPDATE ... SET last_step = :step WHERE user = :user AND last_step < :step`` and one row changed.
        """
        ...


class MemoryReplayGuard:
    """A :class:`ReplayGuard` for one process.

    CWE-294; ASVS 5.0: v5.0.0-6.5.1.

    >>> guard = MemoryReplayGuard()
    >>> guard.advance("ada", 5), guard.advance("ada", 5), guard.advance("ada", 6)
    (True, False, True)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: dict[str, int] = {}

    def advance(self, user: str, step: int) -> bool:
        """Stores a later step."""
        with self._lock:
            if self._steps.get(user, -1) >= step:
                return False
            self._steps[user] = step
            return True


def _text(code: str) -> str:
    """A code as users type it: authenticators show it in two groups. What is no code is no error but wrong."""
    if not isinstance(code, str):
        raise InvalidInput("a code is text: its leading zeros count")
    return "".join(code.split()) if code.isascii() and len(code) < 32 else ""


def _uri(kind: str, otp: _core.Otp, account: str, issuer: str, extra: dict[str, str]) -> str:
    if not account or ":" in issuer or ":" in account:
        raise InvalidInput("an account and an issuer without colons are needed")
    label = quote(f"{issuer}:{account}" if issuer else account, safe=":@")
    query = {"secret": otp.secret_base32()}
    if issuer:
        query["issuer"] = issuer
    query |= {"algorithm": otp.algorithm, "digits": str(otp.digits), **extra}
    return f"otpauth://{kind}/{label}?{urlencode(query, quote_via=quote)}"


class Totp:
    """Time-based codes of one user's authenticator.

    Make one with :meth:`generate`, store :meth:`secret` encrypted (:mod:`pyward_guard.crypto`), and read it back with the
    constructor. ``digits`` is 6 to 8, ``period`` in seconds; apps reliably support only ``SHA1``, which is sound here.
    ``window`` is the number of periods of clock drift accepted to either side. ``insecure_short_secret`` accepts secrets
    that another system made shorter than 128 bits.

    Every code is accepted once: give ``last_step`` from the user's row and store what comes back, or a
    :class:`ReplayGuard`. Limit attempts as well (:mod:`pyward_guard.limits`): a code of six digits can be guessed.

    Raises :class:`~pyward_guard.InvalidInput` for malformed or short secrets, and periods or windows out of range (15 to 300
    seconds, 0 to 10).

    Protects against CWE-308, CWE-294, CWE-208. ASVS 5.0: v5.0.0-6.3.3, v5.0.0-6.5.1, v5.0.0-6.5.5, v5.0.0-6.5.8, v5.0.0-6.5.3.

    >>> totp = Totp.generate()
    >>> step = totp.verify(totp.code(), last_step=None)
    >>> totp.verify(totp.code(), last_step=step)
    Traceback (most recent call last):
    pyward_guard.VerificationFailed: verification failed
    """

    __slots__ = ("_core", "_period", "_window")

    def __init__(
        self,
        secret: str,
        *,
        algorithm: Literal["SHA1", "SHA256", "SHA512"] = "SHA1",
        digits: int = 6,
        period: int = 30,
        window: int = 1,
        insecure_short_secret: bool = False,
    ) -> None:
        if not 15 <= period <= 300 or not 0 <= window <= 10:
            raise InvalidInput("the period is 15 to 300 seconds, the window 0 to 10 periods")
        self._core = _core.Otp.from_base32(secret, algorithm, digits, insecure_short_secret)
        if insecure_short_secret:
            _log.warning("one-time passwords with a secret that may be shorter than 128 bits are in use")
        self._period, self._window = period, window

    @classmethod
    def generate(cls, *, algorithm: Literal["SHA1", "SHA256", "SHA512"] = "SHA1", digits: int = 6, period: int = 30, window: int = 1) -> Totp:
        """A new random secret of the hash's length (160 bits for ``SHA1``)."""
        core = _core.Otp.generate(algorithm, digits)
        return cls(core.secret_base32(), algorithm=algorithm, digits=digits, period=period, window=window)

    def __repr__(self) -> str:
        return f"Totp(algorithm={self._core.algorithm!r}, digits={self._core.digits}, period={self._period})"

    def secret(self) -> str:
        """The secret in base32: store it encrypted."""
        return self._core.secret_base32()

    def code(self, at: float | None = None) -> str:
        """The code at a time (seconds since 1970, default now)."""
        return self._core.code(int(time.time() if at is None else at) // self._period)

    def verify(self, code: str, *, last_step: int | None, at: float | None = None) -> int:
        """Checks a code and gives the step to store as ``last_step``, which ends its and all earlier codes.

        Raises :class:`~pyward_guard.VerificationFailed` for a wrong, old or used code.
        """
        now = int(time.time() if at is None else at)
        return self._core.verify_totp(_text(code), now, self._period, self._window, last_step)

    def verify_once(self, code: str, *, user: str, guard: ReplayGuard, at: float | None = None) -> None:
        """Checks a code and makes ``guard`` remember it, safe against two requests at a time.

        ``user`` names the account, and the authenticator, if it can have several. Raises
        :class:`~pyward_guard.VerificationFailed`, and :class:`~pyward_guard.InvalidInput` for a guard that does not
        answer with True or False.

        ASVS 5.0: v5.0.0-6.5.1.
        """
        step = self.verify(code, last_step=None, at=at)
        _once.require_true(guard.advance(user, step), "a replay guard")

    def provisioning_uri(self, account: str, *, issuer: str) -> str:
        """The ``otpauth://`` URI that authenticator apps read. It holds the secret: show it once, over TLS.

        >>> Totp("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").provisioning_uri("ada@example.org", issuer="Shop")
        'otpauth://totp/Shop:ada@example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Shop&algorithm=SHA1&digits=6&period=30'
        """
        return _uri("totp", self._core, account, issuer, {"period": str(self._period)})

    def qr_svg(self, account: str, *, issuer: str) -> str:
        """The provisioning URI as a QR code in SVG, without script or style (fits a strict CSP)."""
        return _core.qr_svg(self.provisioning_uri(account, issuer=issuer))

    def qr_png(self, account: str, *, issuer: str, scale: int = 8) -> bytes:
        """The provisioning URI as a QR code in PNG, ``scale`` pixels for each module."""
        return _core.qr_png(self.provisioning_uri(account, issuer=issuer), scale)


class Hotp:
    """Counter-based codes (RFC 4226), for hardware tokens. See :class:`Totp` for the parameters.

    CWE-294; ASVS 5.0: v5.0.0-6.5.1.

    >>> hotp = Hotp("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
    >>> hotp.verify("287082", counter=0)
    2
    """

    __slots__ = ("_core",)

    def __init__(
        self, secret: str, *, algorithm: Literal["SHA1", "SHA256", "SHA512"] = "SHA1", digits: int = 6, insecure_short_secret: bool = False
    ) -> None:
        self._core = _core.Otp.from_base32(secret, algorithm, digits, insecure_short_secret)
        if insecure_short_secret:
            _log.warning("one-time passwords with a secret that may be shorter than 128 bits are in use")

    def __repr__(self) -> str:
        return f"Hotp(algorithm={self._core.algorithm!r}, digits={self._core.digits})"

    @classmethod
    def generate(cls, *, algorithm: Literal["SHA1", "SHA256", "SHA512"] = "SHA1", digits: int = 6) -> Hotp:
        """A new random secret of the hash's length (160 bits for ``SHA1``).

        >>> hotp = Hotp.generate()
        >>> hotp.verify(hotp.code(0), counter=0)
        1
        """
        return cls(_core.Otp.generate(algorithm, digits).secret_base32(), algorithm=algorithm, digits=digits)

    def secret(self) -> str:
        """The secret in base32: store it encrypted."""
        return self._core.secret_base32()

    def code(self, counter: int) -> str:
        """The code for a counter."""
        return self._core.code(counter)

    def verify(self, code: str, *, counter: int, look_ahead: int = 10) -> int:
        """Checks a code made at ``counter`` or up to ``look_ahead`` presses later; gives the counter to store.

        Raises :class:`~pyward_guard.VerificationFailed`.
        """
        return self._core.verify_hotp(_text(code), counter, look_ahead)

    def verify_once(self, code: str, *, user: str, guard: ReplayGuard, counter: int, look_ahead: int = 10) -> int:
        """:meth:`verify`, safe against two requests at a time: ``guard`` takes each counter once.

        Raises :class:`~pyward_guard.VerificationFailed`.

        >>> hotp, guard = Hotp("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), MemoryReplayGuard()
        >>> hotp.verify_once("287082", user="ada", guard=guard, counter=0)
        2
        """
        following = self.verify(code, counter=counter, look_ahead=look_ahead)
        _once.require_true(guard.advance(user, following - 1), "a replay guard")
        return following

    def provisioning_uri(self, account: str, *, issuer: str, counter: int = 0) -> str:
        """The ``otpauth://`` URI that authenticator apps read, for codes from ``counter`` on. It holds the secret: show it once, over TLS."""
        return _uri("hotp", self._core, account, issuer, {"counter": str(counter)})

    def qr_svg(self, account: str, *, issuer: str, counter: int = 0) -> str:
        """The provisioning URI as a QR code in SVG, without script or style (fits a strict CSP)."""
        return _core.qr_svg(self.provisioning_uri(account, issuer=issuer, counter=counter))

    def qr_png(self, account: str, *, issuer: str, counter: int = 0, scale: int = 8) -> bytes:
        """The provisioning URI as a QR code in PNG, ``scale`` pixels for each module."""
        return _core.qr_png(self.provisioning_uri(account, issuer=issuer, counter=counter), scale)


def qr_svg(text: str) -> str:
    """A text as a QR code in SVG: one path, no script, no style.

    CWE-308.

    >>> qr_svg("hello").startswith("<svg xmlns=")
    True
    """
    return _core.qr_svg(text)


def qr_png(text: str, *, scale: int = 8) -> bytes:
    """A text as a QR code in PNG.

    CWE-308.

    >>> qr_png("hello")[1:4]
    b'PNG'
    """
    return _core.qr_png(text, scale)

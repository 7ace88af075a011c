"""What the response headers say."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal, TypeVar

from .. import _core
from .._core import InvalidInput

_log = logging.getLogger("pyward_guard.headers")
Entry = TypeVar("Entry")

# Powerful features that a page has to ask for (W3C permissions policy registry).
_FEATURES = (
    "accelerometer", "autoplay", "bluetooth", "browsing-topics", "camera", "display-capture", "encrypted-media", "fullscreen", "geolocation", "gyroscope",
    "hid", "idle-detection", "local-fonts", "magnetometer", "microphone", "midi", "payment", "picture-in-picture", "publickey-credentials-get",
    "screen-wake-lock", "serial", "usb", "xr-spatial-tracking",
)  # fmt: skip


_CHOICES: dict[str, tuple[str | None, ...]] = {
    "referrer_policy": ("no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"),
    "opener_policy": ("same-origin", "same-origin-allow-popups", "noopener-allow-popups"),
    "resource_policy": ("same-origin", "same-site", "cross-origin"),
    "embedder_policy": (None, "require-corp", "credentialless"),
    "frames": ("DENY", "SAMEORIGIN"),
}
# What a URL has without anything that ends the header's string.
_PLAIN_URL = re.compile(r"[!#-\[\]-~]+")


def listed(values: Iterable[Entry], what: str) -> list[Entry]:
    """The entries of an option that is a list. One string or key would be taken apart: ``"/hook"`` has an entry ``/``."""
    if isinstance(values, (str, bytes, bytearray)):
        raise InvalidInput(f"{what}: a list is needed, not a single value")
    return list(values)


class CSP:
    """A Content-Security-Policy, checked when it is written: slips and sources that undo it are errors.

    Directives are given by name with underscores. The source ``'nonce'`` stands for each response's own nonce.
    ``insecure_allow_unsafe`` lets ``'unsafe-inline'`` and its like through, with a line in the log.

    CWE-79; ASVS 5.0: v5.0.0-3.4.3, v5.0.0-3.4.6, v5.0.0-3.4.7.

    >>> CSP(default_src=["'self'"], img_src=["'self'", "https://cdn.example"]).header("")
    "default-src 'self'; img-src 'self' https://cdn.example"
    >>> CSP(script_src=["self"])
    Traceback (most recent call last):
    pyward_guard.InvalidInput: "self" is not a valid value of the CSP directive script-src
    >>> CSP(script_src=["'unsafe-inline'"])
    Traceback (most recent call last):
    pyward_guard.InvalidInput: 'unsafe-inline' in script-src undoes the policy; use a nonce or a hash
    """

    __slots__ = ("_core", "_unsafe", "directives")

    def __init__(self, *, insecure_allow_unsafe: bool = False, **directives: Sequence[str]) -> None:
        self.directives: dict[str, list[str]] = {name.replace("_", "-"): listed(sources, name) for name, sources in directives.items()}
        self._unsafe = insecure_allow_unsafe
        if not directives:
            raise InvalidInput("a CSP without directives protects nothing")
        self._core = _core.Csp(list(self.directives.items()), insecure_allow_unsafe)
        if insecure_allow_unsafe:
            _log.warning("a CSP with insecure_allow_unsafe is in use: %s", self._core.header("..."))

    @property
    def has_nonce(self) -> bool:
        """Whether the header differs between responses."""
        return self._core.has_nonce

    def header(self, nonce: str) -> str:
        """The header's value."""
        return self._core.header(nonce)

    def extend(self, **directives: Sequence[str]) -> CSP:
        """This policy with further sources.

        >>> CSP.strict().extend(connect_src=["https://api.example"]).directives["connect-src"]
        ["'self'", 'https://api.example']
        """
        merged = {name: list(sources) for name, sources in self.directives.items()}
        for name, sources in directives.items():
            known = merged.setdefault(name.replace("_", "-"), [])
            if known == ["'none'"]:
                known.clear()
            known += [source for source in listed(sources, name) if source not in known]
        changed: dict[str, Any] = {name.replace("-", "_"): sources for name, sources in merged.items()}
        return CSP(insecure_allow_unsafe=self._unsafe, **changed)

    @staticmethod
    def hash_of(source: str) -> str:
        """The source for an inline script or style with exactly this text (line breaks as browsers read them, ``\\n``).

        >>> CSP.hash_of("alert(1)")
        "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"
        """
        source = source.replace("\r\n", "\n").replace("\r", "\n")
        return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"

    @classmethod
    def strict(cls) -> CSP:
        """For applications that render HTML: scripts and styles by nonce, everything else from the site itself."""
        return cls(
            default_src=["'self'"], script_src=["'nonce'", "'strict-dynamic'"], style_src=["'self'", "'nonce'"], img_src=["'self'", "data:"],
            connect_src=["'self'"], font_src=["'self'"], object_src=["'none'"], base_uri=["'none'"], form_action=["'self'"], frame_ancestors=["'none'"],
        )  # fmt: skip

    @classmethod
    def api(cls) -> CSP:
        """For responses that are no documents: nothing may load."""
        return cls(default_src=["'none'"], frame_ancestors=["'none'"], base_uri=["'none'"], form_action=["'none'"])

    def __repr__(self) -> str:
        return f"CSP({self._core.header('...')!r})"


@dataclass(frozen=True)
class SecurityHeaders:
    """The headers of every response. Start from :meth:`app`, :meth:`api` or :meth:`docs` and change what differs.

    ``csp`` is the Content-Security-Policy (None for none), ``hsts`` the time that browsers insist on HTTPS, with
    ``hsts_include_subdomains`` and ``hsts_preload`` (for the browsers' built-in list). ``referrer_policy``, ``opener_policy``,
    ``resource_policy`` and ``embedder_policy`` are the values of ``Referrer-Policy`` and the ``Cross-Origin-...-Policy`` headers.

    Raises :class:`~pyward_guard.InvalidInput` for values that do not go together.

    ASVS 5.0: v5.0.0-3.2.1, v5.0.0-3.4.1, v5.0.0-3.4.4, v5.0.0-3.4.5, v5.0.0-3.4.6, v5.0.0-3.4.8, v5.0.0-3.5.8,
    v5.0.0-3.7.4, v5.0.0-13.4.6.

    >>> SecurityHeaders.api().but(hsts_preload=True).fields("")[1]
    ('Strict-Transport-Security', 'max-age=31536000; includeSubDomains; preload')
    """

    csp: CSP | None = field(default_factory=CSP.strict)
    csp_report_only: CSP | None = None
    """A second policy that is only reported on, for trying changes out."""
    hsts: timedelta | None = timedelta(days=365)
    """How long browsers insist on HTTPS."""
    hsts_include_subdomains: bool = True
    hsts_preload: bool = False
    referrer_policy: Literal["no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"] = "strict-origin-when-cross-origin"
    opener_policy: Literal["same-origin", "same-origin-allow-popups", "noopener-allow-popups"] = "same-origin"
    resource_policy: Literal["same-origin", "same-site", "cross-origin"] = "same-origin"
    embedder_policy: Literal["require-corp", "credentialless"] | None = None
    frames: Literal["DENY", "SAMEORIGIN"] = "DENY"
    """``X-Frame-Options``, for browsers that do not know ``frame-ancestors``."""
    permissions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Features that pages may use, such as ``{"camera": ["self"]}``; all others are off."""
    report_to: str | None = None
    """URL that violations of the policies are reported to (ASVS 5.0: v5.0.0-3.4.7)."""
    remove: tuple[str, ...] = ("Server", "X-Powered-By", "X-AspNet-Version")
    """Headers of the application's responses that tell too much."""

    def __post_init__(self) -> None:
        if self.hsts_preload and (self.hsts is None or self.hsts < timedelta(days=365) or not self.hsts_include_subdomains):
            raise InvalidInput("HSTS preload needs a year and all subdomains")
        unknown = set(self.permissions) - set(_FEATURES)
        if unknown:
            raise InvalidInput(f"unknown permission {sorted(unknown)[0]!r}")
        listed(self.remove, "remove")
        for name, origins in self.permissions.items():
            listed(origins, f"permission {name}")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise InvalidInput(f"{name} is one of {', '.join(str(value) for value in allowed)}")
        if self.hsts is not None and self.hsts < timedelta(0):
            raise InvalidInput("hsts is not negative")
        if self.report_to is not None and (_core.origin_of(self.report_to) is None or not _PLAIN_URL.fullmatch(self.report_to)):
            raise InvalidInput("report_to is an absolute URL")
        for name in ("csp", "hsts"):
            if getattr(self, name) is None:
                _log.warning("security headers are made without %s", name)
        for name in ("csp", "csp_report_only"):
            csp = getattr(self, name)
            if self.report_to is not None and csp is not None and "report-to" not in csp.directives:
                object.__setattr__(self, name, csp.extend(report_to=["default"]))

    @classmethod
    def app(cls) -> SecurityHeaders:
        """An application that renders HTML, strictly."""
        return cls()

    @classmethod
    def api(cls) -> SecurityHeaders:
        """An API: nothing it sends is a document."""
        return cls(csp=CSP.api(), referrer_policy="no-referrer")

    @classmethod
    def docs(cls) -> SecurityHeaders:
        """Static documentation: nothing inline, no forms, images from anywhere over HTTPS."""
        return cls(
            csp=CSP(
                default_src=["'none'"], script_src=["'self'"], style_src=["'self'"], img_src=["'self'", "https:", "data:"], font_src=["'self'"],
                connect_src=["'self'"], base_uri=["'none'"], form_action=["'none'"], frame_ancestors=["'none'"],
            )  # fmt: skip
        )

    def but(self, **changes: object) -> SecurityHeaders:
        """A copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def _permissions(self) -> str:
        parts = []
        for feature in _FEATURES:
            origins = []
            for origin in self.permissions.get(feature, ()):
                if origin == "self":
                    origins.append("self")
                elif _core.origin_of(origin) == origin:
                    origins.append(f'"{origin}"')
                else:
                    raise InvalidInput(f"permission {feature}: 'self' or an origin such as https://a.example")
            parts.append(f"{feature}=({' '.join(origins)})")
        return ", ".join(parts)

    def fields(self, nonce: str) -> list[tuple[str, str]]:
        """The headers of one response."""
        out = []
        if self.csp is not None:
            out.append(("Content-Security-Policy", self.csp.header(nonce)))
        if self.csp_report_only is not None:
            out.append(("Content-Security-Policy-Report-Only", self.csp_report_only.header(nonce)))
        if self.hsts is not None:
            value = f"max-age={round(self.hsts.total_seconds())}"
            value += "; includeSubDomains" * self.hsts_include_subdomains + "; preload" * self.hsts_preload
            out.append(("Strict-Transport-Security", value))
        out += [
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", self.frames),
            ("Referrer-Policy", self.referrer_policy),
            ("Permissions-Policy", self._permissions()),
            ("Cross-Origin-Opener-Policy", self.opener_policy),
            ("Cross-Origin-Resource-Policy", self.resource_policy),
        ]
        if self.embedder_policy is not None:
            out.append(("Cross-Origin-Embedder-Policy", self.embedder_policy))
        if self.report_to is not None:
            out.append(("Reporting-Endpoints", f'default="{self.report_to}"'))
        return out


class Prepared:
    """A policy laid out for speed: only the parts with a nonce are rendered per response."""

    __slots__ = ("core", "fixed", "nonced", "removed")

    def __init__(self, policy: SecurityHeaders) -> None:
        fields = policy.fields("")
        csps = {"Content-Security-Policy": policy.csp, "Content-Security-Policy-Report-Only": policy.csp_report_only}
        self.nonced: list[tuple[str, CSP]] = []
        self.fixed: list[tuple[str, str]] = []
        for name, value in fields:
            csp = csps.get(name)
            if csp is not None and csp.has_nonce:
                self.nonced.append((name, csp))
            else:
                self.fixed.append((name, value))
        self.removed = list(policy.remove)
        self.core = _core.ResponseHeaders(self.fixed, [(name, csp._core) for name, csp in self.nonced], self.removed)

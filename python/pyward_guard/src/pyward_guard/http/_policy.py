"""What outbound requests may do."""

from __future__ import annotations

import ipaddress
import logging
import socket
import time
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import _core
from .._core import InvalidInput, Refused

_log = logging.getLogger("pyward_guard.http")

# What a request may say to a host that a redirect named: how to answer, and what its body is. Cookies are chosen for
# each host by the client libraries.
_PLAIN_HEADERS = frozenset(
    "accept accept-charset accept-encoding accept-language cache-control connection content-encoding content-language content-length"
    " content-type cookie date expect host if-match if-modified-since if-none-match if-range if-unmodified-since pragma range"
    " transfer-encoding user-agent".split()
)


class OutboundRefused(Refused):
    """The URL, address or answer is outside what the policy allows."""

    __module__ = "pyward_guard.http"


class ResponseTooLarge(OutboundRefused):
    """The response is larger than the policy allows."""

    __module__ = "pyward_guard.http"


@dataclass(frozen=True)
class OutboundPolicy:
    """What outbound requests may do. By default: HTTPS on port 443, to public addresses, bounded in size and time.

    ``hosts`` narrows it to known hosts (``api.example.com``, or ``.example.com`` for all below). ``private_networks``
    are networks of one's own that may be reached although they are not public. ``timeout`` bounds a whole exchange
    from connecting to the last byte, in seconds. Names are resolved once, every answer is checked, and the connection
    goes to the address that was checked; every redirect is checked the same way. Responses are read uncompressed, so
    ``max_bytes`` bounds memory.

    ``schemes`` are ``https`` and, if need be, ``http``; ``ports`` None means the default port of the scheme. At most
    ``max_redirects`` are followed, 0 for none. One that leads to another origin is not told headers that may hold
    secrets (CWE-200): of those that say more than how to answer, it gets the ones named in ``redirect_headers`` only, of
    the cookies those that a domain is named for. One that would hand the request's body to another origin (307, 308) is
    refused, unless ``redirect_bodies`` is set.

    The synchronous clients wait for the system to resolve a name however long that takes: it is not within ``timeout``.

    ASVS 5.0: v5.0.0-1.3.6, v5.0.0-13.2.4, v5.0.0-13.2.5, v5.0.0-13.2.6, v5.0.0-15.3.2.
    """

    schemes: Sequence[str] = ("https",)
    ports: Sequence[int] | None = None
    """Allowed ports; None for 443, and 80 where ``schemes`` has http."""
    hosts: Sequence[str] | None = None
    private_networks: Sequence[str] = ()
    max_bytes: int = 10 << 20
    timeout: float = 10.0
    max_redirects: int = 3
    redirect_headers: Sequence[str] = ()
    """Names of further headers that go along to other origins."""
    redirect_bodies: bool = False
    """Whether bodies of requests go along to other origins."""
    _networks: tuple[Any, ...] = field(init=False, repr=False, default=())
    _hosts: Any = field(init=False, repr=False, default=None)
    _ports: frozenset[int] = field(init=False, repr=False, default=frozenset())
    _carried: frozenset[str] = field(init=False, repr=False, default=frozenset())

    def __post_init__(self) -> None:
        if isinstance(self.schemes, str) or not self.schemes or not set(self.schemes) <= {"http", "https"}:
            raise InvalidInput("schemes are https, or http and https")
        if isinstance(self.redirect_headers, str):
            raise InvalidInput("redirect_headers are names of headers")
        if self.max_bytes < 1 or not 0 < self.timeout < 86_400 or not 0 <= self.max_redirects <= 20:
            raise InvalidInput("max_bytes and timeout are positive, max_redirects is 0 to 20")
        try:
            networks = tuple(ipaddress.ip_network(network) for network in self.private_networks)
        except ValueError as error:
            raise InvalidInput(f"private_networks: {error}") from None
        ports = self.ports if self.ports is not None else [443] + [80] * ("http" in self.schemes)
        object.__setattr__(self, "_networks", networks)
        object.__setattr__(self, "_ports", frozenset(ports))
        object.__setattr__(self, "_carried", _PLAIN_HEADERS | {name.lower() for name in self.redirect_headers})
        if self.hosts is not None:
            object.__setattr__(self, "_hosts", _core.HostList(list(self.hosts)))

    def check_url(self, url: str) -> tuple[str, str, int]:
        """Scheme, host and port of a URL that may be requested; its name is not resolved yet.

        Raises :class:`OutboundRefused` for everything else.
        """
        try:
            scheme, host, is_address, port = _core.parse_target(url)
        except Refused as error:
            raise OutboundRefused(str(error).removeprefix("refused: ")) from None
        if scheme not in self.schemes:
            raise OutboundRefused(f"scheme {scheme} is not allowed")
        if port not in self._ports:
            raise OutboundRefused(f"port {port} is not allowed")
        if self._hosts is not None and not self._hosts.allows(f"[{host}]" if ":" in host else host):
            raise OutboundRefused("host is not in the list")
        if is_address:
            self.check_address(host)
        return scheme, host, port

    def check_address(self, address: str) -> None:
        """Raises :class:`OutboundRefused` unless the address may be connected to."""
        try:
            why = _core.not_public(address)
        except InvalidInput:
            raise OutboundRefused("not an address") from None
        if why is None:
            return
        parsed = ipaddress.ip_address(address.partition("%")[0])
        if not any(parsed.version == network.version and parsed in network for network in self._networks):
            _log.warning("outbound connection to %s refused: %s", address, why)
            raise OutboundRefused(f"address {address} is {why}")

    def check_answers(self, answers: Sequence[str]) -> list[str]:
        """The addresses of a name, when all of them may be connected to.

        One bad answer refuses the name: an attacker's server mixes good and bad ones.
        """
        if not answers:
            raise OutboundRefused("name has no address")
        for address in answers:
            self.check_address(address)
        return list(dict.fromkeys(answers))

    def resolve(self, host: str, port: int) -> list[str]:
        """Resolves a name, or takes an address, and checks the answers.

        Host and port are checked once more: these are the ones the client connects to, however it read the URL.
        """
        if port not in self._ports:
            raise OutboundRefused(f"port {port} is not allowed")
        name = host.strip("[]").rstrip(".")
        if self._hosts is not None and not self._hosts.allows(f"[{name}]" if ":" in name else name):
            raise OutboundRefused("host is not in the list")
        try:
            ipaddress.ip_address(host)
        except ValueError:
            pass
        else:
            return self.check_answers([host])
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        except (OSError, UnicodeError):
            raise OutboundRefused("name does not resolve") from None
        return self.check_answers([str(entry[4][0]) for entry in found])

    def drop_secrets(self, headers: MutableMapping[str, Any], *, body: bool = False) -> None:
        """Takes out of ``headers`` what a host that a redirect named is not told.

        Raises :class:`OutboundRefused` when the request has a ``body``, or its headers announce one, that may not go there.
        """
        said = {name.lower(): value for name, value in headers.items()}
        for name in said.keys() - self._carried:
            del headers[name]
        if not self.redirect_bodies and (body or "transfer-encoding" in said or said.get("content-length", "0") != "0"):
            raise OutboundRefused("redirect would hand the body of the request to another origin")

    def check_size(self, size: int) -> None:
        """Raises :class:`ResponseTooLarge` beyond ``max_bytes``."""
        if size > self.max_bytes:
            raise ResponseTooLarge(f"response is larger than {self.max_bytes} bytes")

    def check_answer(self, content_length: str | None, content_encoding: str | None, method: str = "GET") -> None:
        """Judges a response by its headers before its body is read; one to HEAD only tells the length of what GET gives."""
        if content_encoding not in (None, "", "identity"):
            raise OutboundRefused("response is compressed although it was asked not to be")
        if method != "HEAD" and content_length is not None and content_length.isascii() and content_length.isdigit():
            self.check_size(int(content_length))


class Deadline:
    """A moment on the monotonic clock."""

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, wanted: float | None = None) -> float:
        """Seconds left, at most ``wanted``; raises TimeoutError when none are."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the exchange took longer than the policy allows")
        return left if wanted is None else min(left, wanted)


def check_redirect(target: str, hosts: Sequence[str] = ()) -> str:
    """The redirect target to send, when it is a path of this site or an HTTPS URL on one of ``hosts``.

    Raises ``Refused`` for everything else, with all spellings that browsers read differently from servers (CWE-601).

    ASVS 5.0: v5.0.0-3.7.2.

    >>> check_redirect("/account?tab=2"), check_redirect("https://sso.example/x", ["sso.example"])
    ('/account?tab=2', 'https://sso.example/x')
    >>> check_redirect("/\\\\evil.example")
    Traceback (most recent call last):
    pyward_guard.Refused: refused: redirect target holds control characters, spaces or backslashes
    """
    return _core.check_redirect(target, list(hosts))


def safe_redirect(target: str | None, *, default: str, hosts: Sequence[str] = ()) -> str:
    """As :func:`check_redirect`, with a default in place of an error.

    CWE-601; ASVS 5.0: v5.0.0-3.7.2.

    >>> safe_redirect("javascript:alert(1)", default="/")
    '/'
    """
    if not target:
        return default
    try:
        return _core.check_redirect(target, list(hosts))
    except Refused:
        _log.warning("redirect target refused: %r", target[:200])
        return default

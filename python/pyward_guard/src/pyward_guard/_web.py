"""What the middlewares share: cookies, client addresses, the shapes of WSGI and ASGI."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from ._core import InvalidInput

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, without the zone and the IPv6 form in which sockets for both families show IPv4."""
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None) or parsed


def _without_port(hop: str) -> str:
    """Some proxies write the client's port, too: ``203.0.113.7:51234``, ``[2001:db8::1]:51234``."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


class Proxies:
    """Reverse proxies whose ``X-Forwarded-For`` is believed, by address or network.

    The client is the last address in the chain that is not a trusted proxy; whatever a client writes in front of it
    changes nothing. ``"unix"`` stands for a proxy that connects through a Unix socket, which has no address. Raises
    :class:`~pyward_guard.InvalidInput` for what is no address or network, and for a network of all addresses.

    CWE-348; ASVS 5.0: v5.0.0-4.1.3, v5.0.0-15.3.4.

    >>> Proxies(["10.0.0.0/8"]).client("10.0.0.2", "6.6.6.6, 203.0.113.7, 10.0.0.9")
    '203.0.113.7'
    >>> Proxies().client("198.51.100.4", "6.6.6.6")
    '198.51.100.4'
    """

    __slots__ = ("_any", "_networks", "_unix")

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        if isinstance(trusted, str):
            raise InvalidInput("trusted proxies are a list")
        self._unix = "unix" in trusted
        try:
            self._networks = [ipaddress.ip_network(entry) for entry in trusted if entry != "unix"]
        except ValueError as error:
            raise InvalidInput(f"trusted proxies are addresses or networks: {error}") from None
        if any(network.prefixlen == 0 for network in self._networks):
            raise InvalidInput("to trust every address is to believe what clients write: name the proxies")
        self._any = self._unix or bool(self._networks)

    def _trusts(self, address: str) -> bool:
        if not address:
            return self._unix
        parsed = _address(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def client(self, peer: str, forwarded_for: str | None) -> str:
        """The client's address, given the peer of the connection and the ``X-Forwarded-For`` header."""
        if not self._any or not forwarded_for or not self._trusts(peer):
            return peer
        for hop in reversed(forwarded_for.split(",")):
            parsed = _address(_without_port(hop.strip()))
            if parsed is None:
                return peer
            peer = str(parsed)
            if not self._trusts(peer):
                return peer
        return peer

    def trusts(self, peer: str) -> bool:
        """Whether headers of this peer are believed."""
        return self._any and self._trusts(peer)


def network_of(address: str) -> str:
    """The network that a client moves in: /24 for IPv4, /48 for IPv6; other text as it is.

    >>> network_of("203.0.113.7"), network_of("2001:db8:1:2::3")
    ('203.0.113.0/24', '2001:db8:1::/48')
    """
    if "." in address and ":" not in address:
        head, _, last = address.rpartition(".")
        if last.isascii() and last.isdigit() and head.count(".") == 2:
            return f"{head}.0/24"
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        return network_of(str(parsed.ipv4_mapped))
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))


def cookie_value(header: str, name: str) -> str | None:
    """The value of a cookie in a ``Cookie`` header; None when it is absent, or there twice with different values.

    >>> cookie_value("a=1; session=x; b=2", "session")
    'x'
    >>> cookie_value("session=x; session=y", "session") is None
    True
    """
    found: str | None = None
    if name not in header:
        return None
    for part in header.split(";"):
        key, _, value = part.partition("=")
        if key.strip() == name:
            value = value.strip().strip('"')
            if found is not None and found != value:
                return None
            found = value
    return found


def in_event_loop() -> bool:
    """Whether this is called by a task: what is returned may then be awaited.

    >>> in_event_loop()
    False
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def asgi_header(scope: Mapping[str, Any], name: bytes) -> str | None:
    """A request header of an ASGI scope (lower-case name)."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def asgi_headers(scope: Mapping[str, Any], name: bytes) -> list[str]:
    """Every occurrence of a request header of an ASGI scope."""
    return [str(value, "latin-1") for key, value in scope["headers"] if key == name]


def asgi_peer(scope: Mapping[str, Any]) -> str:
    """Address of the peer of an ASGI connection, empty when the server does not tell."""
    client = scope.get("client")
    return str(client[0]) if client else ""

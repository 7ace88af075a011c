"""Guarded aiohttp sessions.

>>> import asyncio
>>> from pyward_guard.http import OutboundPolicy
>>> async def fetch():
...     async with session(OutboundPolicy()) as http:
...         await http.get("https://10.0.0.1/")
>>> asyncio.run(fetch())
Traceback (most recent call last):
pyward_guard.http.OutboundRefused: address 10.0.0.1 is private

CWE-295, CWE-400, CWE-918; ASVS 5.0: v5.0.0-1.3.6, v5.0.0-12.3.1.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from .._core import InvalidInput
from .._optional import need
from ._policy import OutboundPolicy, OutboundRefused, ResponseTooLarge
from ._tls import client_context

try:
    import aiohttp
    from aiohttp.abc import AbstractCookieJar, AbstractResolver
except ImportError:
    raise need("aiohttp", "pyward_guard.http.aiohttp") from None

__all__ = ["session"]


class _Resolver(AbstractResolver):
    def __init__(self, policy: OutboundPolicy) -> None:
        self._policy = policy

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[Any]:
        addresses = await asyncio.get_running_loop().run_in_executor(None, self._policy.resolve, host, port)
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": socket.IPPROTO_TCP,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in addresses
        ]

    async def close(self) -> None:
        pass


_Origin = tuple[str, str, int]
# Where the request that is running began.
_origin: ContextVar[_Origin | None] = ContextVar("pyward_guard.http.aiohttp", default=None)


class _Connector(aiohttp.TCPConnector):
    """Every hop of a request, redirects included, asks here for its connection."""

    def __init__(self, policy: OutboundPolicy, context: ssl.SSLContext) -> None:
        def checked_socket(info: Any) -> socket.socket:
            # The last word: whatever led here, no socket is made for another address.
            family, kind, protocol, _, address = info
            policy.check_address(str(address[0]))
            return socket.socket(family, kind, protocol)

        super().__init__(ssl=context, resolver=_Resolver(policy), use_dns_cache=False, socket_factory=checked_socket)
        self._policy = policy
        self.cookies: Callable[[], AbstractCookieJar] = aiohttp.DummyCookieJar

    async def connect(self, req: Any, *args: Any, **kwargs: Any) -> Any:
        origin = self._policy.check_url(str(req.url))
        if _origin.get() is None:
            _origin.set(origin)
        elif _origin.get() != origin:
            self._policy.drop_secrets(req.headers)
            self._choose_cookies(req)
            # Nor when it comes back: another host said what to ask for.
            _origin.set(("", "", 0))
        if getattr(req, "proxy", None) is not None:
            raise InvalidInput("a guarded session uses no proxy")
        if getattr(req, "ssl", True) is not True:
            raise InvalidInput("certificates are checked by the context that the session was made with")
        return await super().connect(req, *args, **kwargs)

    def _choose_cookies(self, req: Any) -> None:
        # Cookies that no domain was named for are sent to all.
        jar = self.cookies()
        everywhere = {cookie.key for cookie in jar if not cookie["domain"]}
        chosen = [cookie for name, cookie in jar.filter_cookies(req.url).items() if name not in everywhere]
        req.headers.pop("Cookie", None)
        if chosen:
            req.headers["Cookie"] = "; ".join(f"{cookie.key}={cookie.coded_value}" for cookie in chosen)


_READS = frozenset(("readany", "readchunk", "readline", "readuntil", "readexactly"))


class _Content:
    """The stream of a response's body, which ends with an error where the policy's bound is passed."""

    def __init__(self, inner: aiohttp.StreamReader, policy: OutboundPolicy, close: Callable[[], None]) -> None:
        self._inner, self._policy, self._close = inner, policy, close

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in _READS:
            return found

        async def read(*args: Any, **options: Any) -> Any:
            chunk = await found(*args, **options)
            self._check()
            return chunk

        return read

    def _check(self) -> None:
        try:
            self._policy.check_size(self._inner.total_bytes)
        except ResponseTooLarge:
            self._close()
            raise

    async def read(self, n: int = -1) -> bytes:
        if n >= 0:
            chunk = await self._inner.read(n)
            self._check()
            return chunk
        body = bytearray()
        while chunk := await self.readany():
            body += chunk
        return bytes(body)

    __aiter__ = aiohttp.StreamReader.__aiter__
    iter_any = aiohttp.StreamReader.iter_any
    iter_chunked = aiohttp.StreamReader.iter_chunked
    iter_chunks = aiohttp.StreamReader.iter_chunks


def _response_class(policy: OutboundPolicy) -> type[aiohttp.ClientResponse]:
    class Bounded(aiohttp.ClientResponse):
        """A response whose body is read within the bounds."""

        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            await super().start(connection)
            try:
                policy.check_answer(self.headers.get("Content-Length"), self.headers.get("Content-Encoding"), self.method)
            except OutboundRefused:
                self.close()
                raise
            content: Any = _Content(self.content, policy, self.close)
            self.content = content
            return self

        async def read(self) -> bytes:
            if self._body is None:
                try:
                    self._body = await self.content.read()
                except BaseException:
                    self.close()
                    raise
            return self._body

    return Bounded


def session(policy: OutboundPolicy, *, context: ssl.SSLContext | None = None, headers: dict[str, str] | None = None) -> aiohttp.ClientSession:
    """An ``aiohttp.ClientSession`` that keeps to the policy. Call it where a loop is running.

    Bodies are bounded in size and time however they are read, redirects in number.

    Raises :class:`~pyward_guard.InvalidInput` for a ``context`` that does not verify, and requests for ``proxy`` and ``ssl``.

    CWE-918; ASVS 5.0: v5.0.0-1.3.6, v5.0.0-12.3.2.
    """
    context = context or client_context()
    if context.verify_mode != ssl.CERT_REQUIRED or not context.check_hostname:
        raise InvalidInput("the TLS context does not verify certificates and host names")
    connector = _Connector(policy, context)
    http = aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=policy.timeout),
        response_class=_response_class(policy),
        headers={**(headers or {}), "Accept-Encoding": "identity"},
        auto_decompress=False,
        trust_env=False,
        max_line_size=8190,
    )
    connector.cookies = lambda: http.cookie_jar
    unbounded = http._request

    async def request(method: str, url: Any, **options: Any) -> aiohttp.ClientResponse:
        # aiohttp has no setting of its own for a session, and counts the one too many.
        options["max_redirects"] = policy.max_redirects + 1
        if policy.max_redirects == 0:
            options["allow_redirects"] = False
        token = _origin.set(None)
        try:
            return await unbounded(method, url, **options)
        finally:
            _origin.reset(token)

    # Past the session's own warning about attributes that it does not know.
    object.__setattr__(http, "_request", request)
    return http

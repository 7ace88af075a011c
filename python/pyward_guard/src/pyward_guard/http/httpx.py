"""Guarded httpx clients.

>>> from pyward_guard.http import OutboundPolicy
>>> with client(OutboundPolicy()) as http:
...     http.get("https://127.0.0.1/")
Traceback (most recent call last):
pyward_guard.http.OutboundRefused: address 127.0.0.1 is loopback

CWE-295, CWE-400, CWE-918; ASVS 5.0: v5.0.0-1.3.6, v5.0.0-12.3.1.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
import ssl
import typing
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from .._core import InvalidInput
from .._optional import need
from ._policy import Deadline, OutboundPolicy, OutboundRefused
from ._tls import client_context

try:
    import httpcore
    import httpx
except ImportError:
    raise need("httpx", "pyward_guard.http.httpx") from None

__all__ = ["AsyncGuardTransport", "GuardTransport", "async_client", "client"]

_deadline: contextvars.ContextVar[Deadline | None] = contextvars.ContextVar("pyward_guard.http", default=None)


def _left(timeout: float | None) -> float | None:
    deadline = _deadline.get()
    if deadline is None:
        return timeout
    try:
        return deadline.left(timeout)
    except TimeoutError as error:
        raise httpcore.ReadTimeout(str(error)) from None


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Connects to checked addresses only. Every connection of the transport goes through here."""

    def __init__(self, policy: OutboundPolicy) -> None:
        self._policy = policy
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: typing.Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("no address")
        for address in self._policy.resolve(host, port):
            try:
                return _Stream(self._inner.connect_tcp(address, port, _left(timeout), local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: typing.Iterable[Any] | None = None) -> httpcore.NetworkStream:
        raise OutboundRefused("Unix sockets are not allowed")

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _AsyncStream(httpcore.AsyncNetworkStream):
    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._inner.read(max_bytes, _left(timeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._inner.write(buffer, _left(timeout))

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return _AsyncStream(await self._inner.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _AsyncBackend(httpcore.AsyncNetworkBackend):
    def __init__(self, policy: OutboundPolicy) -> None:
        self._policy = policy
        self._inner: Any = None

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: typing.Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        if self._inner is None:
            self._inner = httpcore.AnyIOBackend()
        failure: Exception = httpcore.ConnectError("no address")
        for address in await self._resolve(host, port):
            try:
                return _AsyncStream(await self._inner.connect_tcp(address, port, _left(timeout), local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _resolve(self, host: str, port: int) -> list[str]:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return self._policy.resolve(host, port)
        try:
            socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        except (OSError, ValueError):
            resolving = loop.run_in_executor(None, self._policy.resolve, host, port)
            try:
                return await asyncio.wait_for(resolving, _left(None))
            except asyncio.TimeoutError:
                raise httpcore.ConnectTimeout("the name did not resolve in time") from None
        return self._policy.resolve(host, port)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: typing.Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise OutboundRefused("Unix sockets are not allowed")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


# httpx hands the extensions of a request on to the one that a redirect leads to.
_ORIGIN = "pyward_guard.origin"
_Jar = Callable[[], Iterable[Any]]


def _prepare(policy: OutboundPolicy, request: httpx.Request, jar: _Jar) -> Deadline:
    origin = policy.check_url(str(request.url))
    if request.extensions.setdefault(_ORIGIN, origin) != origin:
        # Nor when it comes back: another host said what to ask for.
        request.extensions[_ORIGIN] = None
        policy.drop_secrets(request.headers)
        # Cookies that no domain was named for are sent to all.
        cookies = httpx.Cookies()
        for cookie in jar():
            if cookie.domain:
                cookies.jar.set_cookie(cookie)
        request.headers.pop("Cookie", None)
        cookies.set_cookie_header(request)
    request.headers["Accept-Encoding"] = "identity"
    # There is no proxy; httpx would carry it on to where a redirect leads.
    request.headers.pop("Proxy-Authorization", None)
    return Deadline(policy.timeout)


def _judge(policy: OutboundPolicy, request: httpx.Request, response: httpx.Response) -> None:
    policy.check_answer(response.headers.get("content-length"), response.headers.get("content-encoding"), request.method)


class _BoundedStream(httpx.SyncByteStream):
    def __init__(self, inner: Any, policy: OutboundPolicy, deadline: Deadline) -> None:
        self._inner, self._policy, self._deadline = inner, policy, deadline

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        chunks: Iterable[bytes] = self._inner
        source = iter(chunks)
        while True:
            token = _deadline.set(self._deadline)
            try:
                chunk = next(source)
            except StopIteration:
                return
            finally:
                _deadline.reset(token)
            size += len(chunk)
            self._policy.check_size(size)
            yield chunk

    def close(self) -> None:
        self._inner.close()


class _AsyncBoundedStream(httpx.AsyncByteStream):
    def __init__(self, inner: Any, policy: OutboundPolicy, deadline: Deadline) -> None:
        self._inner, self._policy, self._deadline = inner, policy, deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        source = self._inner.__aiter__()
        while True:
            token = _deadline.set(self._deadline)
            try:
                chunk = await source.__anext__()
            except StopAsyncIteration:
                return
            finally:
                _deadline.reset(token)
            size += len(chunk)
            self._policy.check_size(size)
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def _no_pool() -> RuntimeError:
    # Without our backend the transport would connect unchecked: refuse rather than do that.
    return RuntimeError("this release of httpx is not supported by pyward_guard.http")


class GuardTransport(httpx.HTTPTransport):
    """An httpx transport that keeps to a policy: no proxies, no retries, no HTTP/2. CWE-918; ASVS 5.0: v5.0.0-1.3.6.

    A transport does not know the cookies of its client: other origins that a redirect leads to get some from :func:`client`
    only.

    >>> with httpx.Client(transport=GuardTransport(OutboundPolicy()), trust_env=False) as web:
    ...     web.get("http://169.254.169.254/latest")
    Traceback (most recent call last):
    ...
    pyward_guard.http.OutboundRefused: ...
    """

    def __init__(self, policy: OutboundPolicy, *, context: ssl.SSLContext | None = None) -> None:
        context = context or client_context()
        _check_context(context)
        super().__init__(verify=context, trust_env=False)
        if not isinstance(getattr(self, "_pool", None), httpcore.ConnectionPool):
            raise _no_pool()
        self._pool.close()
        self._pool = httpcore.ConnectionPool(ssl_context=context, network_backend=_Backend(policy), max_connections=100, max_keepalive_connections=20)
        self._policy = policy
        self._jar: _Jar = tuple

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        deadline = _prepare(self._policy, request, self._jar)
        token = _deadline.set(deadline)
        try:
            response = super().handle_request(request)
        finally:
            _deadline.reset(token)
        try:
            _judge(self._policy, request, response)
        except OutboundRefused:
            response.close()
            raise
        response.stream = _BoundedStream(response.stream, self._policy, deadline)
        return response


class AsyncGuardTransport(httpx.AsyncHTTPTransport):
    """As :class:`GuardTransport`, for ``httpx.AsyncClient``. CWE-918; ASVS 5.0: v5.0.0-1.3.6.

    Example: ``httpx.AsyncClient(transport=AsyncGuardTransport(OutboundPolicy()), trust_env=False)``
    """

    def __init__(self, policy: OutboundPolicy, *, context: ssl.SSLContext | None = None) -> None:
        context = context or client_context()
        _check_context(context)
        super().__init__(verify=context, trust_env=False)
        if not isinstance(getattr(self, "_pool", None), httpcore.AsyncConnectionPool):
            raise _no_pool()
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context, network_backend=_AsyncBackend(policy), max_connections=100, max_keepalive_connections=20
        )
        self._policy = policy
        self._jar: _Jar = tuple

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        deadline = _prepare(self._policy, request, self._jar)
        token = _deadline.set(deadline)
        try:
            response = await super().handle_async_request(request)
        finally:
            _deadline.reset(token)
        try:
            _judge(self._policy, request, response)
        except OutboundRefused:
            await response.aclose()
            raise
        response.stream = _AsyncBoundedStream(response.stream, self._policy, deadline)
        return response


def _check_context(context: ssl.SSLContext) -> None:
    if context.verify_mode != ssl.CERT_REQUIRED or not context.check_hostname:
        raise InvalidInput("the TLS context does not verify certificates and host names")


_OWN = ("transport", "mounts", "proxy", "verify", "cert", "trust_env", "timeout", "max_redirects", "http2", "app")


def _options(policy: OutboundPolicy, options: dict[str, Any]) -> dict[str, Any]:
    taken = sorted(set(options) & set(_OWN))
    if taken:
        raise InvalidInput(f"{taken[0]} is the policy's own")
    if any(not cookie.domain for cookie in httpx.Cookies(options.get("cookies")).jar):
        raise InvalidInput("cookies without a domain would go to every host: httpx.Cookies().set(name, value, domain=...)")
    options.setdefault("follow_redirects", policy.max_redirects > 0)
    return {**options, "trust_env": False, "timeout": policy.timeout, "max_redirects": policy.max_redirects}


def client(policy: OutboundPolicy, *, context: ssl.SSLContext | None = None, **options: Any) -> httpx.Client:
    """An ``httpx.Client`` that keeps to the policy. ``options`` are those of httpx that do not weaken it (headers, auth,
    base_url...). Raises :class:`~pyward_guard.InvalidInput` for others, and for cookies that no domain is named for.
    CWE-918; ASVS 5.0: v5.0.0-1.3.6, v5.0.0-12.3.2, v5.0.0-13.2.6.
    """
    transport = GuardTransport(policy, context=context)
    http = httpx.Client(transport=transport, **_options(policy, options))
    transport._jar = lambda: http.cookies.jar
    return http


def async_client(policy: OutboundPolicy, *, context: ssl.SSLContext | None = None, **options: Any) -> httpx.AsyncClient:
    """As :func:`client`, for asyncio. CWE-918; ASVS 5.0: v5.0.0-1.3.6.

    Example: ``async with async_client(OutboundPolicy()) as web: await web.get(url)``
    """
    transport = AsyncGuardTransport(policy, context=context)
    http = httpx.AsyncClient(transport=transport, **_options(policy, options))
    transport._jar = lambda: http.cookies.jar
    return http

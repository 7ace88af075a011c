"""Guarded requests sessions.

>>> from pyward_guard.http import OutboundPolicy
>>> with session(OutboundPolicy()) as http:
...     http.get("https://[::1]/")
Traceback (most recent call last):
pyward_guard.http.OutboundRefused: address ::1 is loopback

CWE-295, CWE-400, CWE-918; ASVS 5.0: v5.0.0-1.3.6, v5.0.0-12.3.1.
"""

from __future__ import annotations

import socket
import ssl
import threading
from typing import Any

from .._core import InvalidInput
from .._optional import need
from ._policy import Deadline, OutboundPolicy, OutboundRefused
from ._tls import client_context

try:
    import requests
    import urllib3
    from requests.adapters import HTTPAdapter
    from requests.cookies import RequestsCookieJar
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
except ImportError:
    raise need("requests", "pyward_guard.http.requests") from None

__all__ = ["GuardAdapter", "session"]


class _Running(threading.local):
    """The exchange that this thread is in."""

    policy: OutboundPolicy | None = None
    deadline: Deadline | None = None


_running = _Running()


def _limit(sock: socket.socket) -> None:
    if _running.deadline is not None:
        sock.settimeout(_running.deadline.left())


class _Socket(socket.socket):
    """A socket whose every wait ends at the exchange's deadline."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        _limit(self)
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        _limit(self)
        super().sendall(*args, **kwargs)


class _TlsSocket(ssl.SSLSocket):
    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        _limit(self)
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        _limit(self)
        super().sendall(*args, **kwargs)


def _connect(host: str, port: int) -> socket.socket:
    policy, deadline = _running.policy, _running.deadline
    if policy is None or deadline is None:
        raise InvalidInput("connection outside of a guarded request")
    failure: OSError = OSError("no address")
    for address in policy.resolve(host, port):
        sock = _Socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.settimeout(deadline.left())
            sock.connect((address, port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure


def _new_conn(self: Any) -> socket.socket:
    try:
        return _connect(self._dns_host, self.port)
    except TimeoutError as error:
        raise urllib3.exceptions.ConnectTimeoutError(self, str(error)) from error
    except OSError as error:
        raise urllib3.exceptions.NewConnectionError(self, str(error)) from error


class _Http(HTTPConnection):
    _new_conn = _new_conn


class _Https(HTTPSConnection):
    _new_conn = _new_conn


class _HttpPool(HTTPConnectionPool):
    ConnectionCls: Any = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls: Any = _Https


class GuardAdapter(HTTPAdapter):
    """A requests adapter that keeps to a policy. Bodies are read at once, within the bounds. CWE-918; ASVS 5.0: v5.0.0-1.3.6.

    An adapter is not asked what a redirect carries along: that takes :func:`session`.

    Raises :class:`~pyward_guard.InvalidInput` for ``verify=False``, other certificates and proxies, and what requests raises
    (``Timeout``, ``ReadTimeout``); ``timeout`` is in seconds and never more than the policy's.

    >>> import requests
    >>> web = requests.Session()
    >>> web.mount("https://", GuardAdapter(OutboundPolicy()))
    >>> web.close()
    """

    def __init__(self, policy: OutboundPolicy, *, context: ssl.SSLContext | None = None) -> None:
        self._policy = policy
        self._context = context or client_context()
        if self._context.verify_mode != ssl.CERT_REQUIRED or not self._context.check_hostname:
            raise InvalidInput("the TLS context does not verify certificates and host names")
        self._context.sslsocket_class = _TlsSocket
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        self.poolmanager = urllib3.PoolManager(num_pools=connections, maxsize=maxsize, block=block, ssl_context=self._context)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        raise InvalidInput("a guarded session uses no proxy")

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        if verify is not True or cert is not None:
            raise InvalidInput("certificates are checked by the context that the session was made with")
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        # The context has its authorities; requests would add its own bundle to it.
        return host, {"cert_reqs": "CERT_REQUIRED"}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        if verify is not True or cert:
            raise InvalidInput("certificates are checked by the context that the session was made with")

    def send(self, request: Any, stream: bool = False, timeout: Any = None, verify: Any = True, cert: Any = None, proxies: Any = None) -> Any:
        policy = self._policy
        policy.check_url(str(request.url))
        if getattr(request, "_refusal", None) is not None:
            raise request._refusal
        if proxies:
            raise InvalidInput("a guarded session uses no proxy")
        request.headers["Accept-Encoding"] = "identity"
        # There is no proxy to tell it to.
        request.headers.pop("Proxy-Authorization", None)
        before = _running.policy, _running.deadline
        _running.policy, _running.deadline = policy, Deadline(policy.timeout)
        try:
            response = super().send(request, stream=True, timeout=policy.timeout, verify=verify, cert=cert, proxies=None)
            try:
                policy.check_answer(response.headers.get("Content-Length"), response.headers.get("Content-Encoding"), request.method)
                body = bytearray()
                while chunk := response.raw.read(65536, decode_content=False):
                    body += chunk
                    policy.check_size(len(body))
            except BaseException:
                response.close()
                raise
            # As reading `response.content` would leave it.
            vars(response).update(_content=bytes(body), _content_consumed=True)
            return response
        except urllib3.exceptions.ReadTimeoutError as error:
            raise requests.exceptions.ReadTimeout(error, request=request) from None
        except TimeoutError as error:
            raise requests.exceptions.Timeout(error, request=request) from None
        finally:
            _running.policy, _running.deadline = before


class _Redirected(requests.PreparedRequest):
    """A request that another host had a say in. Copies keep the mark: requests makes the next request of this one."""

    _cookies: Any
    #: Why it must not be sent.
    _refusal: OutboundRefused | None = None

    def copy(self) -> Any:
        copied: Any = super().copy()
        copied.__class__ = _Redirected
        copied._refusal = self._refusal
        return copied


class _Session(requests.Session):
    _policy: OutboundPolicy

    def get_redirect_target(self, resp: Any) -> str | None:
        # A policy without redirects hands them to the caller, as the other clients do.
        return super().get_redirect_target(resp) if self.max_redirects > 0 else None

    def rebuild_auth(self, prepared_request: Any, response: Any) -> None:
        parent: Any = super()
        parent.rebuild_auth(prepared_request, response)
        origin = self._policy.check_url(str(prepared_request.url))
        # Every hop counts: another host that was passed said what to ask for. `response.history` does not tell: it is empty
        # for a redirect that is followed by hand, and requests 2.32.3 leaves out its first entry.
        if isinstance(prepared_request, _Redirected) or origin != self._policy.check_url(str(response.request.url)):
            prepared_request.__class__ = _Redirected
            try:
                self._policy.drop_secrets(prepared_request.headers, body=bool(prepared_request.body))
            except OutboundRefused as refusal:
                # requests also asks for redirects that it does not follow (`allow_redirects=False`).
                prepared_request._refusal = refusal
            # Cookies that no domain was named for are sent to all.
            cookies = RequestsCookieJar()
            for cookie in prepared_request._cookies:
                if cookie.domain:
                    cookies.set_cookie(cookie)
            prepared_request.headers.pop("Cookie", None)
            prepared_request.prepare_cookies(cookies)


def session(policy: OutboundPolicy, *, context: ssl.SSLContext | None = None) -> requests.Session:
    """A ``requests.Session`` that keeps to the policy. CWE-918; ASVS 5.0: v5.0.0-1.3.6, v5.0.0-12.3.2."""
    http = _Session()
    http._policy = policy
    http.trust_env = False
    http.max_redirects = policy.max_redirects
    adapter = GuardAdapter(policy, context=context)
    http.adapters.clear()
    http.mount("https://", adapter)
    http.mount("http://", adapter)
    return http

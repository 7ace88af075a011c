"""Outbound requests over real sockets on loopback: pinning, redirects, bounds, TLS."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pyward_guard import InvalidInput, Refused, http
from pyward_guard.http import OutboundPolicy, OutboundRefused, ResponseTooLarge

LOOPBACK = ["127.0.0.0/8"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server: Any = self.server
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.seen.append((self.path, self.headers.get("Host"), self.headers.get("Authorization"), self.headers.get("Accept-Encoding"), *self.headers.values()))
        if self.path.startswith(("/to/", "/as/")):
            self.send_response(302 if self.path.startswith("/to/") else 307)
            self.send_header("Location", self.path[4:])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/large":
            self.send_response(200)
            self.end_headers()  # no length: until the connection closes
            self.close_connection = True
            try:
                for _ in range(64):
                    self.wfile.write(b"x" * 65536)
            except OSError:
                pass
        elif self.path == "/declared":
            self.send_response(200)
            self.send_header("Content-Length", str(1 << 40))
            self.end_headers()
        elif self.path == "/gzip":
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"12345")
        elif self.path in ("/slow-body", "/slow-head"):
            self.close_connection = True
            try:
                if self.path == "/slow-body":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
                else:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                for _ in range(3000):
                    self.wfile.write(b"H")
                    self.wfile.flush()
                    time.sleep(0.1)
            except OSError:
                pass
        else:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    do_HEAD = do_POST = do_GET

    def log_message(self, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    one = Server(("127.0.0.1", 0), Handler)
    one.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=one.serve_forever, daemon=True)
    thread.start()
    yield one
    one.shutdown()
    one.server_close()
    thread.join()


Get = Callable[..., tuple[int, bytes]]


def get_httpx(
    policy: OutboundPolicy, url: str, context: Any = None, headers: Any = None, method: str = "GET", body: bytes | None = None
) -> tuple[int, bytes]:
    from pyward_guard.http.httpx import client

    with client(policy, context=context, headers=headers) as session:
        answer = session.request(method, url, content=body)
        return answer.status_code, answer.content


def get_httpx_async(
    policy: OutboundPolicy, url: str, context: Any = None, headers: Any = None, method: str = "GET", body: bytes | None = None
) -> tuple[int, bytes]:
    from pyward_guard.http.httpx import async_client

    async def run() -> tuple[int, bytes]:
        async with async_client(policy, context=context, headers=headers) as session:
            answer = await session.request(method, url, content=body)
            return answer.status_code, answer.content

    return asyncio.run(run())


def get_requests(
    policy: OutboundPolicy, url: str, context: Any = None, headers: Any = None, method: str = "GET", body: bytes | None = None
) -> tuple[int, bytes]:
    from pyward_guard.http.requests import session

    with session(policy, context=context) as http_session:
        answer = http_session.request(method, url, headers=headers, data=body)
        return answer.status_code, answer.content


def get_aiohttp(
    policy: OutboundPolicy, url: str, context: Any = None, headers: Any = None, method: str = "GET", body: bytes | None = None
) -> tuple[int, bytes]:
    from pyward_guard.http.aiohttp import session

    async def run() -> tuple[int, bytes]:
        async with session(policy, context=context, headers=headers) as http_session:
            redirects: Any = {"max_redirects": max(1, policy.max_redirects), "allow_redirects": policy.max_redirects > 0}
            async with http_session.request(method, url, data=body, **redirects) as answer:
                return answer.status, await answer.read()

    return asyncio.run(run())


@pytest.fixture(params=[get_httpx, get_httpx_async, get_requests, get_aiohttp], ids=["httpx", "httpx-async", "requests", "aiohttp"])
def get(request: pytest.FixtureRequest) -> Get:
    fetch: Get = request.param
    return fetch


def open_policy(server: Any, **options: Any) -> OutboundPolicy:
    return OutboundPolicy(**{"schemes": ["http"], "ports": [server.server_port], "private_networks": LOOPBACK, **options})


def names(monkeypatch: pytest.MonkeyPatch, table: dict[str, list[list[str]]]) -> list[str]:
    """Makes names resolve to the given answers, one after another; returns the list of names that were asked."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def fake(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in table:
            return real(host, port, *args, **options)
        asked.append(name)
        answers = table[name]
        current = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in current]

    monkeypatch.setattr(socket, "getaddrinfo", fake)
    return asked


def test_allowed_requests_work(get: Get, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = names(monkeypatch, {"service.example": [["127.0.0.1"]]})
    assert get(open_policy(server), f"http://service.example:{server.server_port}/x") == (200, b"ok")
    path, host, _, encoding = server.seen[0][:4]
    assert (path, host, encoding) == ("/x", f"service.example:{server.server_port}", "identity")
    assert asked == ["service.example"], "resolved once"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/", "http://0.0.0.0:{port}/", "http://0x7f.1:{port}/", "http://2130706433:{port}/", "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/", "http://[64:ff9b::7f00:1]:{port}/", "http://169.254.169.254:{port}/", "http://localhost:{port}/",
        "http://inside.example:{port}/", "http://mixed.example:{port}/",
    ],
)  # fmt: skip
def test_private_addresses_are_refused(get: Get, server: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, {"inside.example": [["127.0.0.1"]], "mixed.example": [["93.184.215.14", "127.0.0.1"]]})
    with pytest.raises(OutboundRefused):
        get(open_policy(server, private_networks=()), url.format(port=server.server_port))
    assert server.seen == []


def test_rebinding_gains_nothing(get: Get, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # The first answer is allowed, a second lookup would give another address.
    asked = names(monkeypatch, {"rebind.example": [["127.0.0.1"], ["127.0.0.2"]]})
    policy = open_policy(server, private_networks=["127.0.0.1/32"])
    assert get(policy, f"http://rebind.example:{server.server_port}/")[0] == 200
    assert asked == ["rebind.example"]


@pytest.mark.parametrize("target", ["http://169.254.169.254:{port}/latest", "http://evil.example:{port}/", "https://127.0.0.1:{port}/", "ftp://127.0.0.1/", "file:///etc/passwd"])
def test_redirects_are_checked(get: Get, server: Any, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, {"evil.example": [["10.1.2.3"]]})
    port = server.server_port
    with pytest.raises(Exception) as caught:
        get(open_policy(server), f"http://127.0.0.1:{port}/to/" + target.format(port=port))
    if not target.startswith(("ftp", "file")):  # those, the libraries refuse themselves
        assert isinstance(caught.value, OutboundRefused)
    assert len(server.seen) == 1


def test_redirects_are_followed_within_bounds(get: Get, server: Any) -> None:
    port = server.server_port
    assert get(open_policy(server), f"http://127.0.0.1:{port}/to//fine") == (200, b"ok")
    with pytest.raises(Exception):
        get(open_policy(server, max_redirects=1), f"http://127.0.0.1:{port}/to//to//to//fine")
    assert get(open_policy(server, max_redirects=0), f"http://127.0.0.1:{port}/to//fine")[0] == 302


def test_redirects_to_other_origins_are_told_no_secrets(get: Get, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    port = server.server_port
    names(monkeypatch, {"one.example": [["127.0.0.1"]], "two.example": [["127.0.0.1"]]})
    secrets = {"X-Api-Key": "k-1", "Authorization": "Bearer a-1", "PRIVATE-TOKEN": "p-1", "Cookie": "session=c-1", "Traceparent": "00-1"}
    headers = {**secrets, "Accept": "text/plain", "User-Agent": "test"}
    policy = open_policy(server, redirect_headers=["traceparent"], max_redirects=4)
    back = f"/to/http://two.example:{port}/to/http://one.example:{port}/end"
    assert get(policy, f"http://one.example:{port}/to//to/http://one.example:{port}{back}", headers=headers)[0] == 200
    said = [(host, values) for _, host, _, _, *values in server.seen]
    assert [host for host, _ in said] == [f"{name}.example:{port}" for name in ("one", "one", "one", "two", "one")]
    for host, values in said[:3]:
        # Some libraries leave cookies that were not set by the host to the first request.
        assert set(values) >= set(headers.values()) - {"session=c-1"}, "the same origin is told everything"
    for host, values in said[3:]:
        assert set(values) & set(headers.values()) == {"00-1", "text/plain", "test"}, host


def test_cookies_that_no_domain_is_named_for_stay_with_the_first_host(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx as plain
    from pyward_guard.http.httpx import client
    from pyward_guard.http.requests import session

    port = server.server_port
    names(monkeypatch, {"one.example": [["127.0.0.1"]], "two.example": [["127.0.0.1"]]})
    with session(open_policy(server)) as http_session:
        http_session.cookies.set("everywhere", "e-1")
        http_session.cookies.set("named", "n-1", domain="two.example")
        http_session.get(f"http://one.example:{port}/to/http://two.example:{port}/end", cookies={"once": "o-1"})
    assert [[value for value in values if "-1" in value] for _, _, _, _, *values in server.seen] == [["everywhere=e-1; once=o-1"], ["named=n-1"]]
    with pytest.raises(InvalidInput):
        client(open_policy(server), cookies={"everywhere": "e-1"})
    named = plain.Cookies()
    named.set("named", "n-1", domain="two.example")
    client(open_policy(server), cookies=named).close()


@pytest.mark.parametrize("library", ["httpx", "httpx-async", "requests", "aiohttp"])
def test_cookies_that_are_set_later_stay_with_the_first_host(library: str, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from yarl import URL

    from pyward_guard.http.aiohttp import session as aiohttp_session
    from pyward_guard.http.httpx import async_client, client
    from pyward_guard.http.requests import session

    port = server.server_port
    names(monkeypatch, {"one.example": [["127.0.0.1"]], "two.example": [["127.0.0.1"]]})
    policy = open_policy(server, max_redirects=4)
    # Within the other host, and back again.
    url = f"http://one.example:{port}/to//to/http://two.example:{port}/to//to/http://one.example:{port}/end"

    async def asynchronous() -> None:
        if library == "aiohttp":
            async with aiohttp_session(policy) as http_session:
                http_session.cookie_jar.update_cookies({"everywhere": "e-1"})
                http_session.cookie_jar.update_cookies({"named": "n-1"}, URL("http://two.example/"))
                async with http_session.get(url):
                    pass
        else:
            async with async_client(policy) as http_client:
                http_client.cookies.set("everywhere", "e-1")
                http_client.cookies.set("named", "n-1", domain="two.example")
                await http_client.get(url)

    if library in ("aiohttp", "httpx-async"):
        asyncio.run(asynchronous())
    else:
        make: Any = session if library == "requests" else client
        with make(policy) as http_client:
            http_client.cookies.set("everywhere", "e-1")
            http_client.cookies.set("named", "n-1", domain="two.example")
            http_client.get(url)
    said = [[value for value in values if "-1" in value] for _, _, _, _, *values in server.seen]
    assert said == [["everywhere=e-1"], ["everywhere=e-1"], ["named=n-1"], ["named=n-1"], []]


def test_bodies_stay_with_the_first_host(get: Get, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    port = server.server_port
    names(monkeypatch, {"one.example": [["127.0.0.1"]], "two.example": [["127.0.0.1"]]})
    url = f"http://one.example:{port}/as//as/http://two.example:{port}/end"
    with pytest.raises(OutboundRefused, match="body"):
        get(open_policy(server), url, method="POST", body=b"client_secret=x")
    assert [host for _, host, *_ in server.seen] == [f"one.example:{port}"] * 2
    assert get(open_policy(server, redirect_bodies=True), url, method="POST", body=b"client_secret=x") == (200, b"ok")
    # Without a body, or where it is left behind.
    assert get(open_policy(server), url, method="POST") == (200, b"ok")
    assert get(open_policy(server), url.replace("/as/", "/to/"), method="POST", body=b"client_secret=x") == (200, b"ok")
    assert get(open_policy(server, max_redirects=0), url, method="POST", body=b"client_secret=x")[0] == 307
    with pytest.raises(OutboundRefused):
        OutboundPolicy().drop_secrets({"Transfer-Encoding": "chunked"})


def test_requests_hands_out_redirects_that_are_not_followed(server: Any) -> None:
    from pyward_guard.http.requests import session

    with session(open_policy(server)) as http_session:
        url = f"http://127.0.0.1:{server.server_port}/as/http://127.0.0.2:{server.server_port}/end"
        answer = http_session.post(url, data=b"client_secret=x", allow_redirects=False)
        assert answer.status_code == 307 and answer.next is not None
        for request in (answer.next, answer.next.copy()):
            with pytest.raises(OutboundRefused, match="body"):
                http_session.send(request)


def test_requests_knows_where_redirects_that_are_followed_by_hand_began(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a history, as in every redirect of requests 2.32.3, which leaves out the first answer."""
    from pyward_guard.http.requests import session

    port = server.server_port
    names(monkeypatch, {"one.example": [["127.0.0.1"]], "two.example": [["127.0.0.1"]]})
    with session(open_policy(server, max_redirects=4)) as http_session:
        http_session.cookies.set("everywhere", "e-1")
        url = f"http://one.example:{port}/to//to/http://two.example:{port}/to//to//end"
        answer = http_session.get(url, allow_redirects=False)
        while answer.next is not None:
            # Handlers of authentication send copies.
            answer = http_session.send(answer.next.copy(), allow_redirects=False)
    said = [[value for value in values if "-1" in value] for _, _, _, _, *values in server.seen]
    assert said == [["everywhere=e-1"], ["everywhere=e-1"], [], [], []]


def test_names_of_redirect_headers_are_no_text() -> None:
    with pytest.raises(InvalidInput):
        OutboundPolicy(redirect_headers="X-Api-Key")


@pytest.mark.parametrize("path", ["/large", "/declared"])
def test_large_answers_are_refused(get: Get, server: Any, path: str) -> None:
    with pytest.raises(ResponseTooLarge):
        get(open_policy(server, max_bytes=200_000), f"http://127.0.0.1:{server.server_port}{path}")


def test_answers_to_head_have_no_size(get: Get, server: Any) -> None:
    assert get(open_policy(server), f"http://127.0.0.1:{server.server_port}/declared", method="HEAD") == (200, b"")


def test_compressed_answers_are_refused(get: Get, server: Any) -> None:
    with pytest.raises(OutboundRefused):
        get(open_policy(server), f"http://127.0.0.1:{server.server_port}/gzip")


@pytest.mark.parametrize("path", ["/slow-body", "/slow-head"])
def test_slow_answers_end_in_time(get: Get, server: Any, path: str) -> None:
    started = time.monotonic()
    with pytest.raises(Exception) as caught:
        get(open_policy(server, timeout=0.7), f"http://127.0.0.1:{server.server_port}{path}")
    assert time.monotonic() - started < 120, "the whole answer takes 300 seconds"
    assert "imeout" in type(caught.value).__name__ or "time" in str(caught.value).lower()


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, "http://example.com/"), ({}, "https://example.com:8443/"), ({}, "https://user:pw@example.com/"), ({}, "ftp://example.com/"), ({}, "https://"),
        ({}, "https://exa mple.com/"), ({}, "https://example.com\\@evil.example/"), ({}, "//example.com"), ({}, "https://example.com/\r\nX: y"),
        ({"hosts": ["api.example"]}, "https://evil.example/"), ({"hosts": [".api.example"]}, "https://evilapi.example/"), ({"hosts": ["api.example"]}, "https://1.1.1.1/"),
    ],
)  # fmt: skip
def test_urls_outside_the_policy(options: Any, url: str) -> None:
    with pytest.raises(OutboundRefused):
        OutboundPolicy(**options).check_url(url)


def test_misuse_is_refused(server: Any) -> None:
    from pyward_guard.http.httpx import client
    from pyward_guard.http.requests import session

    for options in ({"schemes": ["ftp"]}, {"schemes": "https"}, {"timeout": 0}, {"max_bytes": 0}, {"private_networks": ["10.0.0.1/8"]}, {"hosts": ["*"]}):
        with pytest.raises(InvalidInput):
            OutboundPolicy(**options)  # type: ignore[arg-type]
    lax = ssl.create_default_context()
    lax.check_hostname = False
    lax.verify_mode = ssl.CERT_NONE
    with pytest.raises(InvalidInput):
        client(OutboundPolicy(), context=lax)
    with pytest.raises(InvalidInput):
        session(OutboundPolicy(), context=lax)
    for name, value in (("verify", False), ("proxy", "http://x"), ("transport", None), ("trust_env", True)):
        with pytest.raises(InvalidInput):
            client(OutboundPolicy(), **{name: value})
    with session(open_policy(server)) as http_session:
        url = f"http://127.0.0.1:{server.server_port}/"
        for request_options in ({"verify": False}, {"proxies": {"http": "http://127.0.0.1:1"}}):
            with pytest.raises(InvalidInput):
                http_session.get(url, **request_options)  # type: ignore[arg-type]


def test_proxies_of_the_environment_are_ignored(get: Get, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert get(open_policy(server), f"http://127.0.0.1:{server.server_port}/")[0] == 200


# -- TLS ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "service.example")])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("service.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate, private = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return certificate, private


@pytest.fixture
def tls_server(certificate: tuple[Path, Path], server: Any) -> Any:
    server.socket = http.server_context(*certificate).wrap_socket(server.socket, server_side=True)
    return server


def test_tls_checks_the_name_that_was_asked_for(get: Get, tls_server: Any, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, {"service.example": [["127.0.0.1"]], "other.example": [["127.0.0.1"]]})
    policy = OutboundPolicy(ports=[tls_server.server_port], private_networks=LOOPBACK)
    context = http.client_context(ca_file=certificate[0])
    assert get(policy, f"https://service.example:{tls_server.server_port}/", context) == (200, b"ok")
    for url, used in [("https://other.example:{}/", context), ("https://service.example:{}/", None)]:
        with pytest.raises(Exception) as caught:
            get(policy, url.format(tls_server.server_port), used or http.client_context())
        assert "certificate" in str(caught.value).lower() or "CERTIFICATE" in repr(caught.value)


def test_old_tls_is_refused(certificate: tuple[Path, Path], server: Any) -> None:
    context = http.server_context(*certificate, minimum="1.3")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    old = ssl.create_default_context(cafile=str(certificate[0]))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError), socket.create_connection(server.server_address) as plain:
        old.wrap_socket(plain, server_hostname="service.example")
    with socket.create_connection(server.server_address) as plain:
        with http.client_context(ca_file=certificate[0]).wrap_socket(plain, server_hostname="service.example") as secure:
            assert secure.version() == "TLSv1.3"
    with pytest.raises(InvalidInput):
        http.client_context(minimum="1.1")  # type: ignore[arg-type]


def test_aiohttp_bounds_redirects_and_streams(server: Any) -> None:
    import aiohttp

    from pyward_guard.http.aiohttp import session

    base = f"http://127.0.0.1:{server.server_address[1]}"

    async def follow(redirects: int, hops: int) -> int:
        async with session(open_policy(server, max_redirects=redirects)) as http:
            async with http.get(base + "/to/" * hops + "/end") as answer:
                return answer.status

    assert asyncio.run(follow(2, 2)) == 200 and asyncio.run(follow(0, 1)) == 302
    with pytest.raises(aiohttp.TooManyRedirects):
        asyncio.run(follow(2, 3))

    async def stream(way: str) -> None:
        async with session(open_policy(server, max_bytes=100_000)) as http, http.get(base + "/large") as answer:
            if way == "chunks":
                async for _ in answer.content.iter_chunked(1000):
                    pass
            elif way == "any":
                async for _ in answer.content.iter_any():
                    pass
            elif way == "read":
                await answer.content.read()
            else:
                while await answer.content.read(1000):
                    pass

    for way in ("chunks", "any", "read", "piece"):
        with pytest.raises(ResponseTooLarge):
            asyncio.run(stream(way))


def test_credentials_stay_with_the_host_that_they_are_for(get: Get, server: Any) -> None:
    other = Server(("127.0.0.2", 0), Handler)
    other.seen = []  # type: ignore[attr-defined]
    threading.Thread(target=other.serve_forever, daemon=True).start()
    try:
        policy = open_policy(server, ports=[server.server_port, other.server_port])
        target = f"http://127.0.0.1:{server.server_port}/to/http://127.0.0.2:{other.server_port}/fine"
        headers = {"Authorization": "Bearer secret", "Cookie": "session=secret", "Proxy-Authorization": "secret"}
        assert get(policy, target, None, headers) == (200, b"ok")
        assert "secret" not in str(other.seen)  # type: ignore[attr-defined]
    finally:
        other.shutdown()
        other.server_close()


def test_the_host_that_is_connected_to_is_in_the_list() -> None:
    policy = OutboundPolicy(hosts=["api.example"])
    for host, port in (("evil.example", 443), ("api.example", 8443)):
        with pytest.raises(OutboundRefused):
            policy.resolve(host, port)


@pytest.mark.parametrize(
    "host",
    ["0x7f.0.0.1", "0177.0.0.1", "2130706433", "127.1", "127.0.0.1.", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:0:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
     "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fe80::1]", "[fc00::1]", "[fec0::1]", "[ff02::1]", "[fd00:ec2::254]", "169.254.169.254", "100.100.100.200",
     "168.63.129.16", "192.0.0.192", "0.0.0.0", "255.255.255.255", "\uff11\uff12\uff17.0.0.1", "\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021"],
)  # fmt: skip
def test_every_spelling_of_an_address_is_judged(host: str) -> None:
    with pytest.raises(OutboundRefused):
        OutboundPolicy().check_url(f"https://{host}/")


def test_redirect_targets() -> None:
    assert http.check_redirect("/a?b=c") == "/a?b=c"
    assert http.safe_redirect(None, default="/") == "/"
    assert http.safe_redirect("https://sso.example/", default="/", hosts=["sso.example"]) == "https://sso.example/"
    for target in ("//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "\t//evil.example", "https:evil.example", "/%5c/../..//evil.example\n"):
        with pytest.raises(Refused):
            http.check_redirect(target, ["sso.example"])
        assert http.safe_redirect(target, default="/") == "/"

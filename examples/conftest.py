"""What the tests of the example applications share: real servers, TLS, a headless browser."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).resolve().parent
_SPEC = importlib.util.spec_from_file_location("guard_test_servers", _HERE.parent / "python/pyward_guard/tests/conftest.py")
assert _SPEC and _SPEC.loader
servers = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(servers)

# Fixtures are found by name in this module.
redis_url = servers.redis_url
postgres_url = servers.postgres_url

HOST = "app.example"
EVIL = "evil.example"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for both hosts, good for a day, and its key."""
    made: tuple[Path, Path] = servers.make_certificate(tmp_path_factory.mktemp("tls"), [HOST, EVIL])
    return made


@contextmanager
def serve(module: list[str], *, port: int, folder: Path, environment: dict[str, str], log: Path) -> Iterator[str]:
    """Runs ``python -m module...`` in a folder until the block ends; gives the base URL."""
    clean = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "VIRTUAL_ENV")}
    with log.open("ab") as output:
        process = subprocess.Popen([sys.executable, "-m", *module], cwd=folder, env={**clean, **environment}, stdout=output, stderr=output)
        try:
            try:
                servers.wait_for_port(port, process, 60)
            except RuntimeError as error:
                raise RuntimeError(f"{error}\n{log.read_text()[-4000:]}") from None
            yield f"https://{HOST}:{port}"
        finally:
            servers.stop(process)


@pytest.fixture(scope="session")
def connect(certificate: tuple[Path, Path]) -> Callable[..., Any]:
    """Makes httpx clients that reach the hosts on loopback, with certificates checked."""
    import ssl

    import httpx

    context = ssl.create_default_context(cafile=str(certificate[0]))

    class Loopback(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            assert request.url.host in (HOST, EVIL, "127.0.0.1")
            # A copy: cookies belong to the host that the original names, and its Host header is already set.
            there = httpx.Request(
                request.method, request.url.copy_with(host="127.0.0.1"), headers=request.headers, stream=request.stream,
                extensions={**request.extensions, "sni_hostname": HOST},
            )  # fmt: skip
            return super().handle_request(there)

    def make(base: str, **options: Any) -> httpx.Client:
        return httpx.Client(transport=Loopback(verify=context), base_url=base, timeout=300, trust_env=False, **options)

    return make


@pytest.fixture
def new_client(connect: Callable[..., Any], base: str) -> Iterator[Callable[[], Any]]:
    """Makes clients of the application at ``base``, a fixture of the test module; each has cookies of its own."""
    made: list[Any] = []

    def make() -> Any:
        made.append(connect(base, headers={"Origin": base, "User-Agent": "test"}))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def browser() -> Iterator[Any]:
    """Headless Chromium that knows two hosts, both on loopback, and nothing else of the network."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver_program = shutil.which("chromedriver")
    if program is None or driver_program is None:
        pytest.skip("Chromium is not installed (scripts/test-guard installs it)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.accept_insecure_certs = True
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-extensions", "--no-proxy-server",
        f"--host-resolver-rules=MAP {HOST} 127.0.0.1,MAP {EVIL} 127.0.0.1,MAP * ~NOTFOUND,EXCLUDE 127.0.0.1,EXCLUDE localhost",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_program))
    driver.set_page_load_timeout(300)
    yield driver
    driver.quit()


@pytest.fixture
def evil_site(certificate: tuple[Path, Path]) -> Iterator[Callable[[str], str]]:
    """Another site, over TLS: put a page on it and get its URL."""
    import ssl

    pages: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def put(html: str) -> str:
        path = f"/{len(pages)}"
        pages[path] = html
        return f"https://{EVIL}:{server.server_port}{path}"

    yield put
    server.shutdown()
    server.server_close()

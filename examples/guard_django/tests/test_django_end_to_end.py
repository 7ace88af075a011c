"""The Django example under gunicorn against real PostgreSQL and Redis, over TLS, from clients and from headless Chromium."""

from __future__ import annotations

import io
import os
import re
import secrets
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent.parent
HOST = "app.example"
PASSWORD = "mild-otter-ledger-quince"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000154a24f5d0000000049454e44ae426082"
)
Client = Any


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vault") / "files"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("django") / "server.log"


@pytest.fixture(scope="module")
def environment(postgres_url: str, redis_url: str, files: Path) -> dict[str, str]:
    """A database of its own, migrated."""
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS vault")
        connection.execute("CREATE DATABASE vault")
    values = {
        "DATABASE_URL": postgres_url.rpartition("/")[0] + "/vault", "REDIS_URL": redis_url, "VAULT_KEY": secrets.token_hex(32), "VAULT_HOST": HOST,
        "VAULT_FILES": str(files), "DJANGO_SETTINGS_MODULE": "vault.settings",
    }  # fmt: skip
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=FOLDER, env={**os.environ, **values}, check=True)
    return values


@pytest.fixture(scope="module")
def base(environment: dict[str, str], certificate: tuple[Path, Path], log: Path, redis_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    import redis

    conftest: Any = request.config.pluginmanager.get_plugin(str(FOLDER.parent / "conftest.py"))
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    port = conftest.servers.free_port()
    command = [
        "gunicorn", "vault.wsgi", "--bind", f"127.0.0.1:{port}", "--workers", "2", "--threads", "4",
        "--certfile", str(certificate[0]), "--keyfile", str(certificate[1]),
    ]  # fmt: skip
    with conftest.serve(command, port=port, folder=FOLDER, environment=environment, log=log) as url:
        yield url


def token_of(client: Client, path: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get(path).text)
    assert found, path
    return found[1]


def post(client: Client, path: str, form: str, files: Any = None, **fields: str) -> Any:
    return client.post(path, data={"csrfmiddlewaretoken": token_of(client, form), **fields}, files=files)


def fresh_name() -> str:
    return "u" + secrets.token_hex(6)


def join(client: Client, name: str | None = None) -> str:
    name = name or fresh_name()
    answer = post(client, "/join", "/join", name=name, password=PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (302, "/"), answer.text
    return name


def upload(client: Client, name: str, content: bytes, kind: str) -> Any:
    return post(client, "/documents", "/", files={"file": (name, content, kind)})


def documents(client: Client) -> list[str]:
    return re.findall(r'href="(/documents/\d+)"', client.get("/").text)


def manage(environment: dict[str, str], code: str) -> str:
    done = subprocess.run([sys.executable, "manage.py", "shell", "-v", "0", "-c", code], cwd=FOLDER, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_settings_are_hardened(environment: dict[str, str]) -> None:
    assert manage(environment, "from django.conf import settings; from pyward_guard.headers.django import check_settings; print(check_settings(settings))") == "[]"


def test_headers_and_hosts(new_client: Callable[[], Client]) -> None:
    client = new_client()
    for path in ("/enter", "/missing", "/forgotten", "/health"):
        headers = client.get(path).headers
        assert "'strict-dynamic'" in headers["content-security-policy"]
        assert headers["strict-transport-security"].startswith("max-age=31536000")
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
    assert client.get("/enter", headers={"Host": "evil.example"}).status_code == 400


def test_signing_up_and_in(new_client: Callable[[], Client], environment: dict[str, str]) -> None:
    client = new_client()
    assert post(client, "/join", "/join", name=fresh_name(), password="password1234").status_code == 422
    name = join(client)
    stored = manage(environment, f"from django.contrib.auth.models import User; print(User.objects.get(username={name!r}).password)")
    assert stored.startswith("guard$$argon2id$")
    again = new_client()
    assert post(again, "/enter", "/enter", name=name, password="wrong").status_code == 403
    visitor_cookie = again.cookies.get("__Host-session")
    right = post(again, "/enter", "/enter", name=name, password=PASSWORD, next="https://evil.example/")
    assert (right.status_code, right.headers["location"]) == (302, "/")
    cookie = next(value for value in right.headers.get_list("set-cookie") if "session" in value)
    assert re.match(r"__Host-session=[\w-]{43};", cookie)
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}
    assert again.cookies["__Host-session"] != visitor_cookie


def test_old_django_hashes_are_upgraded(new_client: Callable[[], Client], environment: dict[str, str]) -> None:
    name = fresh_name()
    create = f"from django.contrib.auth.models import User; from django.contrib.auth.hashers import make_password; User.objects.create(username={name!r}, password=make_password({PASSWORD!r}, hasher='pbkdf2_sha256'))"
    manage(environment, create)
    assert post(new_client(), "/enter", "/enter", name=name, password=PASSWORD).status_code == 302
    stored = manage(environment, f"from django.contrib.auth.models import User; print(User.objects.get(username={name!r}).password)")
    assert stored.startswith("guard$$argon2id$")


def test_fixation_replay_and_devices(new_client: Callable[[], Client]) -> None:
    client, thief = new_client(), new_client()
    planted = "P" * 43
    client.cookies.set("__Host-session", planted, domain=HOST)
    token = token_of(client, "/join")
    name = fresh_name()
    answer = client.post("/join", data={"csrfmiddlewaretoken": token, "name": name, "password": PASSWORD})
    assert answer.status_code == 302
    (issued,) = re.findall(r"__Host-session=([\w-]{43})", ";".join(answer.headers.get_list("set-cookie")))
    assert issued != planted
    assert thief.get("/", headers={"Cookie": f"__Host-session={planted}"}).status_code == 302
    one, two = new_client(), new_client()
    for each in (one, two):
        assert post(each, "/enter", "/enter", name=name, password=PASSWORD).status_code == 302
    page = one.get("/devices").text
    handles = re.findall(r'data-handle="(\w+)"', page)
    here = re.search(r'data-handle="(\w+)">[^<]*\(here\)', page)
    assert len(handles) == 3 and here
    for handle in handles:
        if handle != here[1]:
            post(one, "/devices", "/devices", handle=handle)
    assert two.get("/").status_code == 302 and one.get("/").status_code == 200
    stolen = {"Cookie": f"__Host-session={one.cookies['__Host-session']}"}
    assert thief.get("/", headers=stolen).status_code == 200
    post(one, "/leave", "/")
    assert thief.get("/", headers=stolen).status_code == 302


def test_documents_of_others_are_out_of_reach(new_client: Callable[[], Client], environment: dict[str, str]) -> None:
    ada, bob, nobody = new_client(), new_client(), new_client()
    join(ada)
    bob_name = join(bob)
    assert upload(ada, "plan.txt", b"the plan", "text/plain").status_code == 302
    (path,) = documents(ada)
    shown = ada.get(path)
    assert (shown.text, shown.headers["content-disposition"]) == ("the plan", "attachment")
    assert [bob.get(path).status_code, nobody.get(path).status_code, bob.get("/audit").status_code] == [403, 401, 403]
    assert post(bob, f"{path}/remove", "/").status_code == 403
    manage(environment, f"from django.contrib.auth.models import Group, User; User.objects.get(username={bob_name!r}).groups.add(Group.objects.get_or_create(name='auditor')[0])")
    assert "plan.txt" in bob.get("/audit").text and bob.get(path).status_code == 403
    assert [ada.get("/forgotten").status_code, nobody.get("/forgotten").status_code] == [403, 403]
    assert post(ada, f"{path}/remove", "/").status_code == 302 and ada.get(path).status_code == 404


def test_remarks_are_encrypted_and_sanitised(new_client: Callable[[], Client], environment: dict[str, str]) -> None:
    import psycopg

    client = new_client()
    join(client)
    remark = "<b>for the lawyer</b><script>alert(1)</script><img src=x onerror=alert(2)>"
    answer = post(client, "/documents", "/", files={"file": ("plan.txt", b"the plan", "text/plain")}, remark=remark)
    assert answer.status_code == 302
    page = client.get("/").text
    assert "<b>for the lawyer</b>" in page and "alert(" not in page
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        stored = connection.execute("SELECT remark FROM vault_document").fetchall()
    assert stored and not any("lawyer" in text for (text,) in stored)


def bundle(entries: dict[str, bytes], *, link: bool = False) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        if link:
            entry = tarfile.TarInfo("link")
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(entry)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "accepted"),
    [
        (bundle({"a/plan.txt": b"the plan", "b/me.png": PNG}), True),
        (bundle({"../../evil.txt": b"text"}), False),
        (bundle({"plan.txt": b"the plan"}, link=True), False),
        (bundle({"bomb.txt": bytes(6 << 20)}), False),
        (bundle({f"{number}.txt": b"x" for number in range(30)}), False),
        (bundle({"plan.txt": b"the plan", "page.html": b"<html><script>alert(1)</script>"}), False),
        (b"no archive", False),
    ],
)
def test_bundles(new_client: Callable[[], Client], files: Path, content: bytes, accepted: bool) -> None:
    client = new_client()
    join(client)
    before = set(files.iterdir()) if files.exists() else set()
    answer = post(client, "/bundles", "/", files={"file": ("bundle.tar.gz", content, "application/gzip")})
    assert answer.status_code == (302 if accepted else 422), answer.text
    assert len(documents(client)) == len((set(files.iterdir()) if files.exists() else set()) - before) == (2 if accepted else 0)


def test_what_is_written_down(new_client: Callable[[], Client], environment: dict[str, str], files: Path, log: Path) -> None:
    from pyward_guard.crypto import derive_key
    from pyward_guard.logs import verify_audit_log

    join(new_client())
    post(new_client(), "/enter", "/enter", name="nobody", password="password-typed-wrong")
    key = derive_key(bytes.fromhex(environment["VAULT_KEY"]), purpose="vault audit log")
    logs = list((files.parent / "audit").glob("*.log"))
    assert logs and all(verify_audit_log(path, key=key).records >= 1 for path in logs)
    text = "".join(path.read_text() for path in logs)
    assert "user_created:" in text and "authn_login_fail:nobody" in text
    assert "password-typed-wrong" not in text + log.read_text()


def test_links(new_client: Callable[[], Client]) -> None:
    ada, nobody = new_client(), new_client()
    join(ada)
    upload(ada, "plan.txt", b"the plan", "text/plain")
    (path,) = documents(ada)
    found = re.search(r'href="(/linked/[^"]+)"', post(ada, f"{path}/link", "/").text)
    assert found
    assert nobody.get(found[1]).text == "the plan"
    for forged in (found[1][:-2] + "AA", found[1] + "A", "/linked/x", "/linked/1"):
        assert nobody.get(forged).status_code == 404


@pytest.mark.parametrize(
    ("name", "content", "kind", "accepted"),
    [
        ("me.png", PNG, "image/png", True),
        ("../../../../tmp/evil.txt", b"text", "text/plain", True),
        ("page.png", b"<html><script>alert(1)</script>", "image/png", False),
        ("page.html", b"<html><script>alert(1)</script>", "text/html", False),
        ("me.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "image/svg+xml", False),
        ("large.txt", b"x" * ((1 << 20) + 1), "text/plain", False),
        ("tool.txt", b"\x7fELF\x02\x01\x01" + bytes(100), "text/plain", False),
    ],
)
def test_uploads(new_client: Callable[[], Client], files: Path, name: str, content: bytes, kind: str, accepted: bool) -> None:
    client = new_client()
    join(client)
    before = set(files.iterdir()) if files.exists() else set()
    answer = upload(client, name, content, kind)
    assert answer.status_code == (302 if accepted else 422), answer.text
    added = (set(files.iterdir()) if files.exists() else set()) - before
    assert len(added) == int(accepted)
    for path in added:
        assert re.fullmatch(r"[0-9a-f]{32}\.\w+", path.name) and stat.S_IMODE(path.stat().st_mode) == 0o600
        assert ".." not in client.get("/").text


def test_guessing_is_locked_out(new_client: Callable[[], Client], redis_url: str) -> None:
    name = join(new_client())
    guesser = new_client()
    assert [post(guesser, "/enter", "/enter", name=name, password="guess").status_code for _ in range(7)] == [403] * 5 + [429] * 2
    assert "retry-after" in post(guesser, "/enter", "/enter", name=name, password=PASSWORD).headers
    import redis

    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter("vault:lockout:*"):
            client.delete(key)


def test_csrf(new_client: Callable[[], Client]) -> None:
    client = new_client()
    join(client)
    token = token_of(client, "/")
    assert client.post("/leave", data={}).status_code == 403
    assert client.post("/leave", data={"csrfmiddlewaretoken": token}, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.post("/leave", data={"csrfmiddlewaretoken": token}, headers={"Sec-Fetch-Site": "cross-site", "Origin": "null"}).status_code == 403
    assert client.get("/leave").status_code == 405
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("accept", ["text/html", "application/json", "*/*"])
def test_failures_show_an_incident_and_nothing_else(new_client: Callable[[], Client], log: Path, accept: str) -> None:
    client = new_client()
    join(client)
    answer = client.get("/report", headers={"Accept": accept})
    assert answer.status_code == 500
    for leak in ("secret_table", "psycopg", "Traceback", "guard-test"):
        assert leak not in answer.text
    incident = re.search(r"[0-9A-Z]{5}-[0-9A-Z]{5}", answer.text)
    assert incident
    deadline = time.monotonic() + 120
    while incident[0] not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert incident[0] in log.read_text() and "secret_table_of_the_vault" in log.read_text()


# -- in the browser ---------------------------------------------------------------------------------------


def wait_for(browser: Any, text: str, seconds: float = 120) -> None:
    limit = time.monotonic() + seconds
    while text not in browser.page_source:
        assert time.monotonic() < limit, f"no {text!r} in {browser.page_source[:3000]}"
        time.sleep(0.05)


def browser_join(browser: Any, base: str) -> str:
    name = fresh_name()
    browser.get(f"{base}/join")
    browser.find_element("name", "name").send_keys(name)
    browser.find_element("name", "password").send_keys(PASSWORD)
    browser.find_element("css selector", "button").click()
    wait_for(browser, "Your documents")
    return name


@pytest.mark.browser
def test_browser_cookies_and_sign_out(browser: Any, base: str) -> None:
    browser_join(browser, base)
    cookies = {cookie["name"]: cookie for cookie in browser.get_cookies()}
    for name in ("__Host-session", "__Host-csrf"):
        assert (cookies[name]["httpOnly"], cookies[name]["secure"], cookies[name]["sameSite"]) == (True, True, "Lax")
    assert browser.execute_script("return document.cookie") == ""
    assert browser.execute_script("return document.body.dataset.ready") == "yes"
    browser.find_element("css selector", "#leave button").click()
    wait_for(browser, "Sign in")
    browser.add_cookie({"name": "__Host-session", "value": cookies["__Host-session"]["value"], "path": "/", "secure": True, "httpOnly": True})
    browser.get(base)
    wait_for(browser, "Sign in")


@pytest.mark.browser
def test_browser_csp(browser: Any, base: str, tmp_path: Path) -> None:
    browser_join(browser, base)
    page = tmp_path / "<img src=x onerror=window.pwned=1>.txt"
    page.write_text("nothing but text")
    browser.find_element("name", "file").send_keys(str(page))
    browser.find_element("css selector", "#add button").click()
    wait_for(browser, "text/plain")
    assert browser.execute_script("return window.pwned") is None
    browser.set_script_timeout(180)
    blocked, pwned = browser.execute_async_script("""
        const done = arguments[arguments.length - 1];
        const blocked = [];
        document.addEventListener("securitypolicyviolation", event => blocked.push(event.effectiveDirective));
        document.body.insertAdjacentHTML("beforeend", "<img src='data:,' onerror='window.pwned=3'><style>body { color: red }</style>");
        const expected = ["script-src-attr", "style-src-elem"], end = Date.now() + 120000;
        const look = () => expected.every(name => blocked.includes(name)) || Date.now() > end
            ? setTimeout(() => done([blocked, window.pwned === undefined ? null : window.pwned]), 1000) : setTimeout(look, 100);
        look();
    """)
    assert pwned is None and {"script-src-attr", "style-src-elem"} <= set(blocked), blocked


@pytest.mark.browser
def test_browser_csrf_from_another_site(browser: Any, base: str, evil_site: Callable[[str], str]) -> None:
    browser_join(browser, base)
    browser.get(evil_site(f'<form method="post" action="{base}/leave"></form><script>document.forms[0].submit()</script>'))
    wait_for(browser, "not made from this site")
    browser.get(base)
    wait_for(browser, "Your documents")

"""The FastAPI example against real PostgreSQL and Redis, over TLS, from clients and from headless Chromium."""

from __future__ import annotations

import base64
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent.parent
HOST = "app.example"
PASSWORD = "mild-otter-ledger-quince"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fastapi") / "server.log"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notes")


KEYS = secrets.token_hex(32)


@pytest.fixture(scope="module")
def base(postgres_url: str, redis_url: str, certificate: tuple[Path, Path], log: Path, data: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The application under uvicorn with two workers."""
    import psycopg
    import redis

    conftest: Any = request.config.pluginmanager.get_plugin(str(FOLDER.parent / "conftest.py"))
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS notes, recovery_codes, users")
    port = conftest.servers.free_port()
    environment = {
        "DATABASE_URL": postgres_url, "REDIS_URL": redis_url, "NOTES_HOST": HOST, "NOTES_KEYS": KEYS, "NOTES_DATA": str(data),
    }  # fmt: skip
    command = [
        "uvicorn", "--factory", "notes.app:create", "--host", "127.0.0.1", "--port", str(port), "--workers", "2", "--no-server-header",
        "--ssl-certfile", str(certificate[0]), "--ssl-keyfile", str(certificate[1]),
    ]  # fmt: skip
    with conftest.serve(command, port=port, folder=FOLDER, environment=environment, log=log) as url:
        yield url


Client = Any


def token_of(client: Client, path: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found, path
    return found[1]


def post(client: Client, path: str, form: str, **fields: str) -> Any:
    """Posts a form with the token of the page it is on."""
    return client.post(path, data={"csrf_token": token_of(client, form), **fields})


def fresh_name() -> str:
    return "u" + secrets.token_hex(6)


def join(client: Client, name: str | None = None) -> str:
    name = name or fresh_name()
    answer = post(client, "/join", "/join", name=name, password=PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/"), answer.text
    return name


def write(client: Client, title: str = "t", body: str = "b", **fields: str) -> str:
    answer = post(client, "/notes", "/", title=title, body=body, **fields)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def test_headers_on_every_answer(new_client: Callable[[], Client]) -> None:
    client = new_client()
    for path in ("/enter", "/missing", "/devices", "/health"):
        headers = client.get(path).headers
        assert "'strict-dynamic'" in headers["content-security-policy"] and "unsafe" not in headers["content-security-policy"]
        assert headers["strict-transport-security"].startswith("max-age=31536000")
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
        assert "server" not in headers


def test_wrong_hosts_are_refused(new_client: Callable[[], Client]) -> None:
    assert new_client().get("/enter", headers={"Host": "evil.example"}).status_code == 400


def test_signing_up_and_in(new_client: Callable[[], Client]) -> None:
    client = new_client()
    for weak in ("short", "password1234", "aaaaaaaaaaaaaaa"):
        assert post(client, "/join", "/join", name=fresh_name(), password=weak).status_code == 422
    name = join(client)
    cookie = client.cookies["__Host-session"]
    assert post(new_client(), "/join", "/join", name=name, password=PASSWORD).status_code == 409
    again = new_client()
    wrong = post(again, "/enter", "/enter", name=name, password="wrong")
    unknown = post(again, "/enter", "/enter", name=fresh_name(), password="wrong")
    strip = lambda text: re.sub(r'value="[^"]*"|nonce="[^"]*"', "", text)  # noqa: E731
    assert wrong.status_code == unknown.status_code == 403 and strip(wrong.text) == strip(unknown.text)
    right = post(again, "/enter", "/enter", name=name, password=PASSWORD, next="//evil.example/")
    assert right.headers["location"] == "/"
    assert again.cookies["__Host-session"] != cookie
    assert "Your notes" in again.get("/").text


def test_cookie_flags(new_client: Callable[[], Client]) -> None:
    client = new_client()
    answer = post(client, "/join", "/join", name=fresh_name(), password=PASSWORD)
    (session,) = [value for value in answer.headers.get_list("set-cookie") if "session" in value]
    assert re.fullmatch(r"__Host-session=[\w-]{43}; Path=/; Secure; HttpOnly; SameSite=Lax", session)


def test_session_fixation_and_replay(new_client: Callable[[], Client]) -> None:
    victim, thief = new_client(), new_client()
    planted = "P" * 43
    victim.cookies.set("__Host-session", planted, domain=HOST)
    name = fresh_name()
    token = token_of(victim, "/join")
    answer = victim.post("/join", data={"csrf_token": token, "name": name, "password": PASSWORD})
    assert answer.status_code == 303
    assert thief.get("/", headers={"Cookie": f"__Host-session={planted}"}).headers["location"] == "/enter"
    (issued,) = re.findall(r"__Host-session=([\w-]{43})", answer.headers["set-cookie"])
    stolen = {"Cookie": f"__Host-session={issued}"}
    assert thief.get("/", headers=stolen).status_code == 200, "a stolen cookie works until the session ends"
    fresh = new_client()
    fresh.cookies.set("__Host-session", issued, domain=HOST)
    assert post(fresh, "/leave", "/", x="").status_code == 303
    assert thief.get("/", headers=stolen).headers["location"] == "/enter"


def test_devices(new_client: Callable[[], Client]) -> None:
    laptop, phone = new_client(), new_client()
    name = join(laptop)
    assert post(phone, "/enter", "/enter", name=name, password=PASSWORD).status_code == 303
    page = laptop.get("/devices").text
    handles = re.findall(r'data-handle="(\w+)"', page)
    here = re.search(r'data-handle="(\w+)">[^<]*\(here\)', page)
    assert len(handles) == 2 and here
    other = next(handle for handle in handles if handle != here[1])
    stranger = new_client()
    join(stranger)
    post(stranger, "/devices/revoke", "/devices", handle=other)
    assert phone.get("/").status_code == 200, "somebody else's handle does nothing"
    post(laptop, "/devices/revoke", "/devices", handle=other)
    assert phone.get("/").headers["location"] == "/enter" and laptop.get("/").status_code == 200


def test_objects_of_others_are_out_of_reach(new_client: Callable[[], Client]) -> None:
    ada, bob, nobody = new_client(), new_client(), new_client()
    join(ada)
    join(bob)
    private, shared = write(ada, "mine"), write(ada, "ours", shared="true")
    assert ada.get(private).status_code == 200
    assert [bob.get(private).status_code, bob.get(shared).status_code] == [403, 200]
    assert [nobody.get(private).status_code, nobody.get(shared).status_code] == [401, 401]
    assert post(bob, f"{shared}/remove", "/", x="").status_code == 403
    assert bob.get("/notes/1 OR 1=1").status_code == 404
    assert post(ada, f"{private}/remove", private, x="").status_code == 303
    assert ada.get(private).status_code == 404


def test_input_is_data(new_client: Callable[[], Client]) -> None:
    client = new_client()
    join(client)
    body = """<b>bold</b><script>alert(1)</script><img src=x onerror="alert(2)"><a href="javascript:alert(3)">x</a>'); DROP TABLE notes; --"""
    page = client.get(write(client, "<script>alert(0)</script>", body)).text
    article = page[page.index("<article") : page.index("</article>")]
    assert "<b>bold</b>" in article and "DROP TABLE" in article
    for attack in ("<script>alert", "onerror", "javascript:"):
        assert attack not in page
    assert "&lt;script&gt;alert(0)" in client.get("/").text
    assert client.post("/join", data={"csrf_token": token_of(client, "/join"), "name": "a\n", "password": PASSWORD}).status_code == 422


def test_csrf(new_client: Callable[[], Client]) -> None:
    client = new_client()
    join(client)
    token = token_of(client, "/")
    form = {"title": "forged", "body": "x"}
    assert client.post("/notes", data=form).status_code == 403
    assert client.post("/notes", data={**form, "csrf_token": token}, headers={"Origin": "https://evil.example"}).status_code == 403
    attacker = new_client()
    join(attacker)
    assert client.post("/notes", data={**form, "csrf_token": token_of(attacker, "/")}).status_code == 403
    assert "forged" not in client.get("/").text
    assert client.post("/notes", data={**form, "csrf_token": token}).status_code == 303


def test_guessing_is_locked_out(new_client: Callable[[], Client], redis_url: str, base: str, connect: Callable[..., Any]) -> None:
    owner = new_client()
    name = join(owner)
    guesser = new_client()
    statuses = [post(guesser, "/enter", "/enter", name=name, password="guess").status_code for _ in range(7)]
    assert statuses == [403] * 5 + [429] * 2
    locked = post(guesser, "/enter", "/enter", name=name.upper(), password=PASSWORD)
    assert locked.status_code == 429 and int(locked.headers["retry-after"]) <= 31
    import redis

    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter("notes:lockout:*"):
            client.delete(key)


def test_parallel_guesses_over_two_workers(new_client: Callable[[], Client], redis_url: str) -> None:
    name = join(new_client())
    clients = [new_client() for _ in range(10)]
    tokens = [token_of(client, "/enter") for client in clients]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda pair: pair[0].post("/enter", data={"csrf_token": pair[1], "name": name, "password": "guess"}).status_code, zip(clients, tokens)))
    assert sorted(answers) == [403] * 5 + [429] * 5
    import redis

    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter("notes:lockout:*"):
            client.delete(key)


def test_api(new_client: Callable[[], Client]) -> None:
    client, plain = new_client(), new_client()
    join(client)
    token = client.post("/api/token", headers={"X-CSRF-Token": token_of(client, "/")}).json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    made = plain.post("/api/notes", json={"title": "t", "body": "b"}, headers=bearer)
    assert made.status_code == 201
    assert plain.get(f"/api/notes/{made.json()['id']}", headers=bearer).json()["body"] == "b"
    assert plain.post("/api/notes", json={"title": "t", "body": "b", "owner": "x"}, headers=bearer).status_code == 422
    assert client.get("/api/notes").status_code == 401, "the session does not count here"
    head, body, signature = token.split(".")
    decode = lambda part: json.loads(base64.urlsafe_b64decode(part + "=="))  # noqa: E731
    encode = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()  # noqa: E731
    none = encode({**decode(head), "alg": "none"})
    later = encode({**decode(body), "exp": int(time.time()) + 10**6})
    other = encode({**decode(body), "sub": "00000000-0000-0000-0000-000000000000"})
    for forged in (f"{none}.{body}.", f"{none}.{body}.{signature}", f"{head}.{later}.{signature}", f"{head}.{other}.{signature}", "x", f"{head}.{body}"):
        answer = plain.get("/api/notes", headers={"Authorization": f"Bearer {forged}"})
        assert answer.status_code == 401, forged
    stranger = new_client()
    join(stranger)
    strange = stranger.post("/api/token", headers={"X-CSRF-Token": token_of(stranger, "/")}).json()["token"]
    assert plain.get(f"/api/notes/{made.json()['id']}", headers={"Authorization": f"Bearer {strange}"}).status_code == 403


@pytest.mark.parametrize("accept", ["text/html", "application/json", "*/*"])
@pytest.mark.parametrize("path", ["/report", "/report?detail=1"])
def test_failures_show_an_incident_and_nothing_else(new_client: Callable[[], Client], log: Path, path: str, accept: str) -> None:
    client = new_client()
    join(client)
    answer = client.get(path, headers={"Accept": accept})
    assert answer.status_code == 500
    assert "postgresql" not in answer.text and "Traceback" not in answer.text
    incident = re.search(r"[0-9A-Z]{5}-[0-9A-Z]{5}", answer.text)
    assert incident
    deadline = time.monotonic() + 120
    while incident[0] not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    text = log.read_text()
    assert incident[0] in text and "could not connect" in text


@pytest.mark.parametrize("url", ["http://127.0.0.1:6379/", "https://169.254.169.254/latest", "https://localhost/", "file:///etc/passwd", "https://[::1]/", "gopher://x", "not a url"])
def test_previews_cannot_reach_inside(new_client: Callable[[], Client], url: str) -> None:
    client = new_client()
    join(client)
    assert "This address cannot be fetched." in post(client, "/preview", "/", url=url).text


def test_every_route_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.syspath_prepend(str(FOLDER))
    for name, value in {"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://127.0.0.1", "NOTES_KEYS": "00" * 32, "NOTES_HOST": HOST, "NOTES_DATA": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    try:
        from notes import api, app, pages
        from pyward_guard.access.fastapi import unguarded

        fastapi_app = app.create()
        while not hasattr(fastapi_app, "router"):
            fastapi_app = fastapi_app.app
        assert unguarded(fastapi_app) == []
        assert pages.router.routes and api.router.routes
    finally:
        for name in [name for name in sys.modules if name == "notes" or name.startswith("notes.")]:
            del sys.modules[name]


def turn_on_factor(client: Client) -> tuple[Any, list[str]]:
    """A Totp of the user's authenticator, and the recovery codes."""
    from pyward_guard.mfa import Totp

    shown = client.get("/factor").text
    assert "<svg" in shown
    found = re.search(r"secret=([A-Z2-7]+)", shown)
    token = re.search(r'name="csrf_token" value="([^"]+)"', shown)
    assert found and token
    totp = Totp(found[1])
    answer = client.post("/factor", data={"csrf_token": token[1], "code": totp.code(time.time() - 30)})
    assert answer.status_code == 200, answer.text
    codes = re.findall(r"<li>([a-z0-9-]{19})</li>", answer.text)
    assert len(codes) == 10
    return totp, codes


def test_second_factor(new_client: Callable[[], Client], postgres_url: str) -> None:
    import psycopg

    client, other = new_client(), new_client()
    name = join(client)
    assert post(other, "/enter", "/enter", name=name, password=PASSWORD).status_code == 303
    cookie = client.cookies["__Host-session"]
    assert post(client, "/factor", "/factor", code="000000").status_code == 422
    totp, codes = turn_on_factor(client)
    assert client.cookies["__Host-session"] != cookie and client.get("/").status_code == 200
    assert other.get("/").headers["location"] == "/enter", "other sessions end when a factor changes"
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute("SELECT totp FROM users WHERE name = %s", (name,)).fetchone()
        stored = connection.execute("SELECT hash FROM recovery_codes").fetchall()
    assert row and totp.secret() not in row[0] and not any(code.replace("-", "") in hash for (hash,) in stored for code in codes)
    fresh = new_client()
    enter = lambda code, password=PASSWORD: post(fresh, "/enter", "/enter", name=name, password=password, code=code).status_code  # noqa: E731
    assert [enter(""), enter("000000"), enter(codes[0], "wrong")] == [403] * 3
    code = totp.code()
    assert [enter(code), enter(code)] == [303, 403], "a code is good once"
    assert [enter(codes[0].upper()), enter(codes[0])] == [303, 403], "and so is a recovery code"


def test_notes_are_encrypted(new_client: Callable[[], Client], postgres_url: str) -> None:
    import psycopg

    client = new_client()
    join(client)
    where = write(client, "mine", "the very secret text")
    assert "the very secret text" in client.get(where).text
    assert "Words: 4" in client.get(where).text or "Words: unknown" in client.get(where).text
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        assert not connection.execute("SELECT 1 FROM notes WHERE body LIKE '%secret%'").fetchone()
        # A ciphertext that is moved to another row is not taken for its text.
        second = write(client, "other", "harmless")
        moved = "UPDATE notes SET body = (SELECT body FROM notes WHERE id = %s) WHERE id = %s"
        connection.execute(moved, (where.rpartition("/")[2], second.rpartition("/")[2]))
        answer = client.get(second)
        assert answer.status_code == 500 and "secret" not in answer.text
        connection.execute("DELETE FROM notes WHERE id = %s", (second.rpartition("/")[2],))


def test_finding(new_client: Callable[[], Client]) -> None:
    client = new_client()
    join(client)
    for title, body in (("alpha 100%", "x" * 200), ("beta", "y"), ("gamma_1", "z")):
        write(client, title, body)

    def titles(**query: str) -> list[str]:
        return re.findall(r'<a href="/notes/[^"]+">([^<]+)</a>', client.get("/", params=query).text)

    assert titles(order="title") == ["gamma_1", "beta", "alpha 100%"]
    assert titles(order="title; DROP TABLE notes") == titles()
    assert titles(text="%") == ["alpha 100%"] and titles(text="_") == ["gamma_1"] and titles(text="' OR 1=1 --") == []
    assert titles(where="length > 100") == ["alpha 100%"] and titles(where="title == 'beta' and not shared") == ["beta"]
    for attack in ("__import__('os').system('id')", "title.__class__", "9**9**9**9", "(" * 500):
        answer = client.get("/", params={"where": attack})
        assert answer.status_code == 200 and 'class="problem"' in answer.text, attack


def test_export_and_import(new_client: Callable[[], Client]) -> None:
    client, other = new_client(), new_client()
    join(client)
    join(other)
    write(client, "taken along", "text")
    exported = post(client, "/export", "/", x="").text
    assert post(other, "/import", "/", data=exported).status_code == 303
    assert "taken along" in other.get("/").text
    for forged in (exported[:-2] + "AA", "x", "a.b.c"):
        assert post(other, "/import", "/", data=forged).status_code == 422


def test_what_is_written_down(new_client: Callable[[], Client], log: Path, data: Path) -> None:
    from pyward_guard.crypto import derive_key
    from pyward_guard.logs import verify_audit_log

    client = new_client()
    name = join(client)
    post(new_client(), "/enter", "/enter", name=name, password="password-typed-wrong")
    key = derive_key(bytes.fromhex(KEYS), purpose="notes audit log")
    files = list(data.glob("audit-*.log"))
    assert files and all(verify_audit_log(path, key=key).records >= 0 for path in files)
    text = "".join(path.read_text() for path in files)
    assert "authn_login_fail:" in text and "user_created:" in text
    assert "password-typed-wrong" not in text + log.read_text()
    assert "guard-test" not in log.read_text(), "the password of the database"


def test_many_clients_at_once(new_client: Callable[[], Client]) -> None:
    """Sessions do not mix under load."""
    wrong: list[str] = []

    def work() -> None:
        client = new_client()
        name = join(client)
        title = f"note of {name}"
        write(client, title)
        for _ in range(5):
            page = client.get("/").text
            if title not in page or page.count("<li>") != 1:
                wrong.append(page)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# -- in the browser ---------------------------------------------------------------------------------------


def wait_for(browser: Any, text: str, seconds: float = 120) -> None:
    """Returns once the page says ``text``."""
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
    wait_for(browser, "Your notes")
    return name


def browser_write(browser: Any, base: str, body: str) -> None:
    browser.get(base)
    browser.find_element("name", "title").send_keys("t")
    browser.find_element("name", "body").send_keys(body)
    browser.find_element("css selector", "#write button").click()
    wait_for(browser, 'id="body"')


@pytest.mark.browser
def test_browser_cookies(browser: Any, base: str) -> None:
    browser_join(browser, base)
    cookies = {cookie["name"]: cookie for cookie in browser.get_cookies()}
    for name in ("__Host-session", "__Host-csrf"):
        cookie = cookies[name]
        assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"], cookie["path"]) == (True, True, "Lax", "/")
    assert browser.execute_script("return document.cookie") == ""
    before = cookies["__Host-session"]["value"]
    browser.get(base)
    browser.find_element("css selector", "#leave button").click()
    wait_for(browser, "Sign in")
    assert "__Host-session" not in {cookie["name"] for cookie in browser.get_cookies()}
    browser.add_cookie({"name": "__Host-session", "value": before, "path": "/", "secure": True, "httpOnly": True})
    browser.get(base)
    wait_for(browser, "Sign in")


@pytest.mark.browser
def test_browser_csp(browser: Any, base: str) -> None:
    browser_join(browser, base)
    browser_write(browser, base, "<script>window.pwned=1</script><img src=x onerror='window.pwned=2'><svg onload='window.pwned=3'>")
    assert browser.execute_script("return document.body.dataset.ready") == "yes", "the page's own script runs"
    assert browser.execute_script("return window.pwned") is None
    # Even markup that gets into the page past the sanitiser runs nothing.
    injected = """
        const done = arguments[arguments.length - 1];
        const blocked = [];
        document.addEventListener("securitypolicyviolation", event => blocked.push(event.effectiveDirective));
        const script = document.createElement("div");
        script.innerHTML = "<img src='data:,' onerror='window.pwned=4'><a id='js' href='javascript:window.pwned=5'>x</a>";
        document.body.append(script);
        document.body.insertAdjacentHTML("beforeend", "<iframe srcdoc='<script>parent.pwned=6</script>'></iframe><object data='data:text/html,x'></object>");
        document.getElementById("js").click();
        const link = document.createElement("base"); link.href = "https://evil.example/"; document.head.append(link);
        const expected = ["script-src-attr", "base-uri", "object-src"], end = Date.now() + 120000;
        const look = () => expected.every(name => blocked.includes(name)) || Date.now() > end
            ? setTimeout(() => done([blocked, window.pwned === undefined ? null : window.pwned, document.baseURI]), 1000) : setTimeout(look, 100);
        look();
    """
    browser.set_script_timeout(180)
    blocked, pwned, base_uri = browser.execute_async_script(injected)
    assert pwned is None and base_uri.startswith(base)
    assert {"script-src-attr", "base-uri", "object-src"} <= set(blocked), blocked


@pytest.mark.browser
def test_browser_csrf_from_another_site(browser: Any, base: str, evil_site: Callable[[str], str]) -> None:
    browser_join(browser, base)
    form = f"""<form method="post" action="{base}/notes"><input name="title" value="forged"><input name="body" value="x"></form>
        <script>document.forms[0].submit()</script>"""
    browser.get(evil_site(form))
    wait_for(browser, "not made from this site")
    fetched = f"""<body><script>
        Promise.allSettled([
            fetch("{base}/notes", {{method: "POST", mode: "no-cors", credentials: "include", headers: {{"Content-Type": "application/x-www-form-urlencoded"}}, body: "title=forged&body=x"}}),
            fetch("{base}/", {{credentials: "include"}}).then(answer => answer.text()).then(text => {{ document.body.dataset.read = text; }}),
        ]).then(() => {{ document.body.dataset.done = "yes"; }});
    </script></body>"""
    browser.get(evil_site(fetched))
    deadline = time.monotonic() + 120
    while browser.execute_script("return document.body.dataset.done") != "yes" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert browser.execute_script("return document.body.dataset.done") == "yes"
    assert browser.execute_script("return document.body.dataset.read") is None, "another site cannot read pages"
    browser.get(base)
    wait_for(browser, "Your notes")
    assert "forged" not in browser.page_source


@pytest.mark.browser
def test_browser_framing(browser: Any, base: str, evil_site: Callable[[str], str]) -> None:
    browser_join(browser, base)
    browser.get(evil_site(f'<iframe id="frame" src="{base}/"></iframe>'))
    messages = ""
    deadline = time.monotonic() + 120
    while "frame-ancestors" not in messages and "X-Frame-Options" not in messages:
        assert time.monotonic() < deadline, messages
        time.sleep(0.1)
        messages += " ".join(entry["message"] for entry in browser.get_log("browser"))
    browser.switch_to.frame("frame")
    assert "Your notes" not in browser.page_source
    browser.switch_to.default_content()


@pytest.mark.browser
def test_browser_sessions_of_two_tabs(browser: Any, base: str, connect: Callable[..., Any]) -> None:
    name = browser_join(browser, base)
    other = connect(base, headers={"Origin": base, "User-Agent": "test"})
    assert post(other, "/enter", "/enter", name=name, password=PASSWORD).status_code == 303
    browser.get(f"{base}/devices")
    here = browser.find_element("xpath", "//li[contains(., '(here)')]").get_attribute("data-handle")
    assert post(other, "/devices/revoke", "/devices", handle=here).status_code == 303
    other.close()
    browser.get(base)
    wait_for(browser, "Sign in")

"""Error boundaries: nothing leaks in any content type, everything is in the log."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import subprocess
import sys
import threading
from typing import Any

import fastapi
import flask
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyward_guard import errors
from pyward_guard.errors import asgi, wsgi
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

SECRET = "postgres://app:hunter2@db/prod"
ACCEPTS = ["text/html,application/xhtml+xml,*/*;q=0.8", "application/json", "application/problem+json", "text/plain", "*/*", "image/png", "", "text/html;q=0, application/json;q=0.1", "garbage;;;q=x,,"]


class Failure(Exception):
    pass


def fastapi_client(**options: Any) -> TestClient:
    app = fastapi.FastAPI(debug=True)  # left on by mistake

    @app.get("/raise")
    def fail() -> None:
        raise Failure(SECRET)

    @app.get("/detail")
    def detail() -> None:
        raise fastapi.HTTPException(503, detail=SECRET, headers={"Retry-After": "7"})

    @app.get("/missing")
    def missing() -> None:
        raise fastapi.HTTPException(404, detail="no such page")

    @app.get("/stream")
    def stream() -> StreamingResponse:
        def chunks() -> Any:
            yield b"begin"
            raise Failure(SECRET)

        return StreamingResponse(chunks())

    @app.websocket("/ws")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        raise Failure(SECRET)

    return TestClient(asgi.ErrorBoundary(app, **options))


def flask_client() -> Any:
    app = flask.Flask(__name__)

    @app.get("/raise")
    def fail() -> None:
        raise Failure(SECRET)

    @app.get("/detail")
    def detail() -> Any:
        return flask.Response(SECRET, status=503, headers={"Retry-After": "7", "X-Debug": SECRET})

    @app.get("/missing")
    def missing() -> None:
        flask.abort(404)

    wsgi.install(app)
    return app.test_client()


@pytest.mark.parametrize("client", [fastapi_client(), flask_client()], ids=["asgi", "wsgi"])
@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize(("path", "status"), [("/raise", 500), ("/detail", 503)])
def test_nothing_leaks(client: Any, accept: str, path: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    answer = client.get(path, headers={"Accept": accept})
    assert answer.status_code == status
    sent = answer.text + str(dict(answer.headers))
    for leak in ("hunter2", "Failure", "Traceback", "test_errors", "Werkzeug Debugger"):
        assert leak not in sent
    assert answer.headers["Cache-Control"] == "no-store" and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"] and answer.headers["X-Frame-Options"] == "DENY"
    incident = re.search(r"[0-9A-Z]{5}-[0-9A-Z]{5}", answer.text)
    assert incident
    entry = next(record for record in caplog.records if getattr(record, "incident", None) == incident[0])
    assert SECRET in caplog.text and path in entry.getMessage()
    if path == "/detail":
        assert answer.headers["Retry-After"] == "7"
    else:
        assert entry.exc_info and entry.exc_info[0] is Failure
    kind = answer.headers["Content-Type"]
    if accept.startswith("text/html,"):
        assert kind.startswith("text/html")
    elif accept == "text/plain":
        assert kind.startswith("text/plain")
    else:
        assert kind == "application/problem+json" and json.loads(answer.text)["status"] == status


@pytest.mark.parametrize("client", [fastapi_client(), flask_client()], ids=["asgi", "wsgi"])
def test_other_answers_pass(client: Any) -> None:
    assert client.get("/missing").status_code == 404
    assert client.head("/raise").text == ""


def test_own_error_pages_can_be_kept() -> None:
    client = fastapi_client(insecure_keep_server_error_bodies=True)
    assert SECRET in client.get("/detail").text


def test_broken_streams_are_cut_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    try:
        answer = fastapi_client().get("/stream")
    except Exception:
        pass  # some clients report the cut as an error
    else:
        assert "hunter2" not in answer.text
    assert SECRET in caplog.text


def test_websockets_close_with_the_incident(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(WebSocketDisconnect) as caught, fastapi_client().websocket_connect("/ws") as websocket:
        websocket.receive_text()
    assert caught.value.code == 1011 and re.fullmatch(r"[0-9A-Z]{5}-[0-9A-Z]{5}", caught.value.reason)
    assert SECRET in caplog.text


def test_wsgi_failures_in_generators(caplog: pytest.LogCaptureFixture) -> None:
    def early(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        raise Failure(SECRET)
        yield b""

    def late(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"begin"
        raise Failure(SECRET)

    seen: list[str] = []
    body = b"".join(wsgi.ErrorBoundary(early)({"REQUEST_METHOD": "GET"}, lambda status, *_: seen.append(status)))
    assert seen[-1] == "500 Internal Server Error" and b"hunter2" not in body
    chunks = iter(wsgi.ErrorBoundary(late)({"REQUEST_METHOD": "GET"}, lambda status, *_: None))
    assert next(chunks) == b"begin"
    with pytest.raises(Failure):
        next(chunks)
    assert caplog.text.count(SECRET) >= 2


def test_log_lines_cannot_be_forged(caplog: pytest.LogCaptureFixture) -> None:
    errors.log_incident(errors.Incident.new(), None, where="GET /\r\nforged: entry\x1b[31m", detail="a\nb")
    (record,) = caplog.records
    assert "\n" not in record.getMessage() and "\x1b" not in record.getMessage()


@given(st.text(max_size=80), st.integers(500, 599))
def test_any_accept_header_is_answered(accept: str, status: int) -> None:
    incident = errors.Incident.new()
    _, kind, body = errors.render(incident, accept, status)
    assert incident.id.encode() in body and kind


PROGRAM = """
import asyncio, logging, sys, threading
if len(sys.argv) > 1:
    logging.basicConfig(filename=sys.argv[1])
from pyward_guard import errors
errors.install_hooks()
def fail(): raise RuntimeError("hunter2")
thread = threading.Thread(target=fail, name="worker"); thread.start(); thread.join()
async def main():
    asyncio.get_running_loop().set_exception_handler(errors.asyncio_handler)
    asyncio.get_running_loop().call_soon(fail)
    await asyncio.sleep(0.01)
asyncio.run(main())
class Broken:
    def __del__(self): fail()
Broken()
fail()
"""


def test_hooks(tmp_path: Any) -> None:
    log = tmp_path / "log"
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(log)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 1
    assert re.fullmatch(r"(Internal error, incident [0-9A-Z]{5}-[0-9A-Z]{5}\. Details are in the log\.\n){4}", done.stderr), done.stderr
    assert log.read_text().count("RuntimeError: hunter2") == 4
    for place in ("main program", "thread worker", "asyncio", "finaliser"):
        assert place in log.read_text()


def test_hooks_without_a_log_tell_all_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=600)
    line = r"Internal error, incident [0-9A-Z]{5}-[0-9A-Z]{5}\. Details are lost: no log is set up\.\n"
    assert done.returncode == 1 and re.fullmatch(f"({line}){{4}}", done.stderr), done.stderr


async def test_hooks_are_undone(caplog: pytest.LogCaptureFixture) -> None:
    before, told = (sys.excepthook, threading.excepthook, sys.unraisablehook), []
    undo = errors.install_hooks(tell=told.append)
    errors.asyncio_handler(asyncio.get_running_loop(), {"message": "x"})
    undo()
    errors.asyncio_handler(asyncio.get_running_loop(), {"message": "y"})
    assert (sys.excepthook, threading.excepthook, sys.unraisablehook) == before
    assert len(told) == 1 and [record.getMessage()[-3:] for record in caplog.records] == ["'x'", "'y'"]


async def test_asyncio_handler(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.get_running_loop()
    with caplog.at_level(logging.ERROR):
        errors.asyncio_handler(loop, {"message": "Task exception", "exception": Failure("x")})
    assert "Failure" in caplog.text


def test_wsgi_failures_before_the_first_byte() -> None:
    """The server has had start_response: it takes a second one with the exception only, and the body is closed."""
    closed: list[bool] = []

    class Body:
        def __iter__(self) -> Any:
            return self

        def __next__(self) -> bytes:
            raise Failure(SECRET)

        def close(self) -> None:
            closed.append(True)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/html")])
        return Body()

    calls: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
        if calls and exc_info is None:
            raise AssertionError("headers already set")
        calls.append((status, dict(headers)))

    body = b"".join(wsgi.ErrorBoundary(app)({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, start_response))
    assert calls[-1][0].startswith("500") and closed and b"hunter2" not in body
    assert calls[-1][1]["Content-Security-Policy"].startswith("default-src 'none'")


def test_a_broken_log_handler_changes_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(logging.Handler):
        def filter(self, record: logging.LogRecord) -> bool:
            raise RuntimeError(SECRET)

    handler = Broken()
    logging.getLogger("pyward_guard.errors").addHandler(handler)
    try:
        answer = fastapi_client().get("/raise")
    finally:
        logging.getLogger("pyward_guard.errors").removeHandler(handler)
    assert answer.status_code == 500 and "incident" in answer.text
    assert "could not be logged" in capsys.readouterr().err and "hunter2" not in answer.text


async def test_a_websocket_is_closed_once() -> None:
    sent: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 1000})
        raise Failure(SECRET)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    async def receive() -> Any:
        return {}

    await asgi.ErrorBoundary(app)({"type": "websocket", "path": "/", "headers": []}, receive, send)
    assert sent == ["websocket.close"]


def pep_3333_server(app: Any) -> tuple[str, dict[str, str], bytes]:
    """Sends status and headers with the first chunk that is not empty, as PEP 3333 asks for; they and the body."""
    calls: list[Any] = []
    sent: list[bytes] = []

    def write(data: bytes) -> None:
        if data:
            sent.append(data)

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        if calls and exc_info is None:
            raise AssertionError("headers already set")
        if sent:
            raise exc_info[1]
        calls.append((status, dict(headers)))
        return write

    try:
        for chunk in app({"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_ACCEPT": "text/plain"}, start_response):
            write(chunk)
    except Exception:
        sent.append(b"[cut]")
    return *calls[-1], b"".join(sent)


@pytest.mark.parametrize("before", ["nothing", "empty", "text", "written"])
@pytest.mark.parametrize("after", ["yield", "end", "write", "raise", "no exc_info"])
def test_wsgi_a_second_start_response(before: str, after: str, caplog: pytest.LogCaptureFixture) -> None:
    """The way of PEP 3333 to answer an error after the first call: the page, or a cut where something was sent."""

    def app(environ: Any, start_response: Any) -> Any:
        write = start_response("200 OK", [("X-Own", "1")])
        if before == "written":
            write(b"begin")
        elif before != "nothing":
            yield b"begin" if before == "text" else b""
        try:
            raise Failure(SECRET)
        except Failure as error:
            info = () if after == "no exc_info" else (sys.exc_info(),)
            start_response("503 Oops", [("Retry-After", "7"), ("X-Debug", SECRET)], *info)
            if after == "raise":
                raise
            if after == "write":
                write(SECRET.encode())
            if after in ("yield", "no exc_info"):
                yield str(error).encode()

    status, headers, body = pep_3333_server(wsgi.ErrorBoundary(app))
    assert SECRET in caplog.text and len(caplog.records) == 1
    if before in ("text", "written"):
        assert status == "200 OK" and body == b"begin[cut]"
    else:
        assert status == "503 Service Unavailable" and headers["Retry-After"] == "7" and "X-Debug" not in headers
        assert body.startswith(b"Service unavailable. Incident ") and b"hunter2" not in body


def test_wsgi_failures_after_empty_chunks() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b""
        raise Failure(SECRET)

    status, _, body = pep_3333_server(wsgi.ErrorBoundary(app))
    assert status == "500 Internal Server Error" and body.startswith(b"Internal error. Incident ")


def test_websocket_denials_leak_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        status = int(scope["path"][1:])
        await WebSocket(scope, receive, send).send_denial_response(PlainTextResponse(SECRET, status, {"Retry-After": "7"}))

    for boundary, status, shown in (
        (asgi.ErrorBoundary(app), 503, False),
        (asgi.ErrorBoundary(app), 403, True),
        (asgi.ErrorBoundary(app, insecure_keep_server_error_bodies=True), 503, True),
    ):
        with pytest.raises(WebSocketDenialResponse) as caught, TestClient(boundary).websocket_connect(f"/{status}"):
            pass
        answer = caught.value
        assert answer.status_code == status and (SECRET in answer.text) == shown and answer.headers["Retry-After"] == "7"
        assert shown or json.loads(answer.text)["incident"] in caplog.text
    assert SECRET in caplog.text

"""Redaction, private log files, the audit log, security events."""

from __future__ import annotations

import io
import json
import logging
import os
import stat
import sys
import threading
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyward_guard import InvalidInput, LimitExceeded, Refused, logs

KEY = bytes(range(32))


@pytest.fixture
def captured() -> Any:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    handler.addFilter(logs.RedactingFilter())
    # One that pytest does not know: its own handler has no filter, and raises for what cannot be formatted.
    log = logging.Logger("test.guard.logs", logging.DEBUG)
    log.addHandler(handler)
    yield log, stream
    log.removeHandler(handler)


def test_the_filter_redacts_every_part(captured: Any) -> None:
    log, stream = captured
    log.info("user %s password=%s", "ada", "hunter2")
    log.info("%(token)s", {"token": "token=abcdef"})
    log.warning({"api_key": "abcdef12"})
    log.info("too few %s %s", "password=hunter2")
    try:
        raise ValueError("cannot log in with password='hunter2'\nERROR forged")
    except ValueError:
        log.exception("failed")
    log.info("\x1b[31mred\x07\r\nERROR forged")
    text = stream.getvalue()
    assert "hunter2" not in text and "abcdef" not in text and "\x1b" not in text
    starts = {line.split(" ")[0] for line in text.splitlines() if not line.startswith("  | ")}
    assert starts <= {"INFO", "WARNING", "ERROR"}
    assert "ERROR forged" not in [line for line in text.splitlines()]


def test_extra_fields(captured: Any) -> None:
    log, _ = captured
    seen: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.addFilter(logs.RedactingFilter())
    handler.emit = seen.append  # type: ignore[method-assign]
    log.addHandler(handler)
    log.info("x", extra={"password": "hunter2", "context": {"Authorization": "Bearer abcdefgh", "n": 3}})
    log.removeHandler(handler)
    assert seen[0].__dict__["password"] == "[redacted]"
    assert seen[0].__dict__["context"] == {"Authorization": "[redacted]", "n": 3}


@given(st.text(max_size=200))
def test_a_line_stays_one_line(text: str) -> None:
    line = logs.Redactor(personal=True).line(text)
    assert len(line.splitlines()) <= 1
    assert line.isprintable() or all(not (ord(c) < 32 or 127 <= ord(c) < 160) for c in line)


@given(st.recursive(st.one_of(st.none(), st.integers(), st.text(max_size=10), st.binary(max_size=4)), lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "password", "token"]), inner, max_size=3)), max_leaves=10))
def test_any_data(value: Any) -> None:
    clean = logs.Redactor().data(value)
    if isinstance(value, dict):
        for key in ("password", "token"):
            assert clean.get(key) in (None, "[redacted]")


def test_own_keys_and_patterns() -> None:
    redactor = logs.Redactor(keys=["matricule"], patterns=[r"INT-\d+"])
    assert redactor.text("matricule=12 INT-99") == "matricule=[redacted] [redacted]"
    for bad in ({"patterns": ["("]}, {"patterns": ["a*"]}, {"keys": "password"}, {"keys": ["-"]}):
        with pytest.raises(InvalidInput):
            logs.Redactor(**bad)  # type: ignore[arg-type]
    assert "bytes cut" in logs.Redactor(max_bytes=10).line("x" * 100)


def test_structlog() -> None:
    structlog = pytest.importorskip("structlog")
    stream = io.StringIO()
    log = structlog.wrap_logger(
        structlog.PrintLogger(stream), processors=[logs.structlog_processor(), structlog.processors.JSONRenderer()]
    )
    log.info("login\nforged", password="hunter2", user="ada")
    assert json.loads(stream.getvalue()) == {"event": "login\\nforged", "password": "[redacted]", "user": "ada"}


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
def test_private_handler(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("")
    path.chmod(0o644)
    handler = logs.private_handler(path, max_bytes=1000, backups=2)
    for index in range(50):
        handler.handle(logging.LogRecord("x", logging.INFO, "", 0, "line %d password=hunter2", (index,), None))
    handler.close()
    files = sorted(tmp_path.iterdir())
    assert [f.name for f in files] == ["app.log", "app.log.1", "app.log.2"]
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "hunter2" not in file.read_text()
    (tmp_path / "target").write_text("")
    (tmp_path / "link.log").symlink_to(tmp_path / "target")
    os.link(tmp_path / "target", tmp_path / "hard.log")
    os.mkfifo(tmp_path / "pipe.log")
    for name in ("link.log", "hard.log", "pipe.log"):
        with pytest.raises((Refused, OSError)):
            logs.private_handler(tmp_path / name)
    assert (tmp_path / "target").read_text() == ""


def written(path: Path, count: int = 5, **options: Any) -> bytes:
    with logs.AuditLog(path, **options) as log:
        for index in range(count):
            log.append("order_changed", user="ada", order=index, password="hunter2")
    return log.head


def test_audit_log(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    head = written(path, key=KEY)
    assert logs.verify_audit_log(path, key=KEY, expected_head=head) == logs.Verified(5, head)
    assert "hunter2" not in path.read_text()
    record = json.loads(path.read_bytes().splitlines()[2][65:])
    assert record["sequence"] == 3 and record["order"] == 2
    # Written on, after a restart.
    head = written(path, key=KEY)
    assert logs.verify_audit_log(path, key=KEY, expected_head=head).records == 10
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("keyed", [True, False])
def test_every_change_of_the_audit_log_is_noticed(tmp_path: Path, keyed: bool) -> None:
    path = tmp_path / "audit.log"
    key = KEY if keyed else None
    head = written(path, key=key)
    original = path.read_bytes()
    lines = original.splitlines(keepends=True)
    altered = {
        "edited": original.replace(b'"order":2', b'"order":9'),
        "removed": b"".join(lines[:2] + lines[3:]),
        "first removed": b"".join(lines[1:]),
        "swapped": b"".join([lines[1], lines[0], *lines[2:]]),
        "doubled": b"".join([*lines, lines[-1]]),
        "half a line": original[:-10],
        "appended": original + b"x\n",
    }
    for name, content in altered.items():
        path.write_bytes(content)
        with pytest.raises(Refused):
            logs.verify_audit_log(path, key=key)
        with pytest.raises(Refused):
            logs.AuditLog(path, key=key)
        assert path.read_bytes() == content, name
    # Lines missing at the end show by the head alone.
    path.write_bytes(b"".join(lines[:-1]))
    assert logs.verify_audit_log(path, key=key).records == 4
    with pytest.raises(Refused):
        logs.verify_audit_log(path, key=key, expected_head=head)
    path.write_bytes(original)
    with pytest.raises(Refused):
        logs.verify_audit_log(path, key=bytes(32))


def test_the_signature_of_a_closed_log_is_no_surprise(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    with logs.AuditLog(path, signer=lambda head: b"signed" + head, sign_every=3) as log:
        heads = [log.append("order_changed", order=index) for index in range(5)]
    for head in (heads[-1], log.head):
        assert logs.verify_audit_log(path, expected_head=head, verifier=lambda head, signature: signature == b"signed" + head).records == 7
    for head in heads[:-1]:
        with pytest.raises(Refused):
            logs.verify_audit_log(path, expected_head=head)
    # Without a key anybody can make links, over a record that names the head as well.
    path.unlink()
    with logs.AuditLog(path, signer=lambda _: b"") as forged:
        forged.append("order_changed", order=9)
        forged._head, link = heads[-1], forged._head
        signed = forged._signature()
        forged._head = link
        forged._write_signature(signed)
    with pytest.raises(Refused):
        logs.verify_audit_log(path, expected_head=heads[-1])


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_any_flipped_byte_is_noticed(tmp_path_factory: pytest.TempPathFactory, at: int, by: int) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit.log"
    written(path, 2, key=KEY)
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= by
    path.write_bytes(content)
    with pytest.raises(Refused):
        logs.verify_audit_log(path, key=KEY)


def test_signatures(tmp_path: Path) -> None:
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    private = ed25519.Ed25519PrivateKey.generate()

    def verify(head: bytes, signature: bytes) -> bool:
        try:
            private.public_key().verify(signature, head)
        except Exception:
            return False
        return True

    path = tmp_path / "audit.log"
    written(path, 5, signer=private.sign, sign_every=2)
    assert logs.verify_audit_log(path, verifier=verify).records == 8
    with pytest.raises(Refused):
        logs.verify_audit_log(path, verifier=lambda head, signature: False)
    # Without a key anybody can write a chain that fits, but not a signature.
    forged = tmp_path / "forged.log"
    written(forged, 3)
    with pytest.raises(Refused):
        logs.verify_audit_log(forged, verifier=verify)


def test_one_writer_and_many_threads(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    with logs.AuditLog(path, key=KEY) as log:
        with pytest.raises(Refused):
            logs.AuditLog(path, key=KEY)
        threads = [threading.Thread(target=lambda: [log.append("x", n=i) for i in range(50)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with pytest.raises(LimitExceeded):
            log.append("x", **{f"f{i}": "y" * 16_000 for i in range(100)})
    assert logs.verify_audit_log(path, key=KEY).records == 400
    with pytest.raises(InvalidInput):
        log.append("late")


def test_security_events(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[logs.SecurityEvent] = []

    def failing(_: logs.SecurityEvent) -> None:
        raise RuntimeError("secret detail")

    logs.add_alert(failing)
    logs.add_alert(seen.append)
    try:
        with caplog.at_level(logging.DEBUG, "pyward_guard.security"), logs.AuditLog(tmp_path / "a", key=KEY) as audit:
            logs.security_event("authz_fail", "ada\nx", "/admin:1,2", audit=audit, password="hunter2")
            logs.security_event("authn_login_success", "ada", audit=audit)
        with pytest.raises(InvalidInput):
            logs.security_event("made_up")  # type: ignore[arg-type]
    finally:
        logs.remove_alert(failing)
        logs.remove_alert(seen.append)
    assert [event.event for event in seen] == ["authz_fail:ada\\nx,/admin_1_2"]
    assert "hunter2" not in caplog.text and "secret detail" not in caplog.text
    assert logs.verify_audit_log(tmp_path / "a", key=KEY).records == 2
    assert set(logs.LEVELS) <= set(get_args(logs.Event))


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("hunter2")


def test_what_cannot_be_said_does_not_stop_the_log(captured: Any) -> None:
    log, stream = captured
    log.error("%s", Unspeakable(), extra={"thing": Unspeakable()})
    log.error(Unspeakable())
    assert "hunter2" not in stream.getvalue() and stream.getvalue().count("\n") == 2


def test_pairs_bytes_and_endless_data() -> None:
    redact = logs.Redactor().data
    assert redact([("X-Api-Key", "abc"), (b"authorization", b"abc"), ("a", "b")]) == [("X-Api-Key", logs.REDACTED), ("authorization", logs.REDACTED), ("a", "b")]
    endless: list[Any] = []
    endless.extend([endless] * 20)
    assert "too many" in str(redact(endless))
    assert "hunter2" not in logs.Redactor().text("password=b'hunter2' {\"codes\": 1, \"recovery_codes\": [\"hunter2\"]}")


def test_structlog_tracebacks() -> None:
    process = logs.structlog_processor()
    try:
        raise ValueError("password=hunter2\nforged")
    except ValueError as error:
        for info in (True, error, (type(error), error, error.__traceback__)):
            event = process(None, "error", {"event": "failed", "exc_info": info})
            assert "hunter2" not in str(event) and "ValueError" in event["exception"] and "exc_info" not in event
            assert all(line.startswith("  | ") for line in event["exception"].split("\n"))
    record = object()
    assert process(None, "info", {"event": "x", "_record": record})["_record"] is record


def filtered(record: logging.LogRecord, **options: Any) -> logging.LogRecord:
    """From Python 3.12 on a filter returns a copy."""
    answer: Any = logs.RedactingFilter(logs.Redactor(**options)).filter(record)
    assert answer is True or answer is not record
    return record if answer is True else answer


def test_a_second_handler_indents_nothing_twice() -> None:
    record = logging.LogRecord("a", logging.ERROR, "f", 1, "x", (), None)
    record.exc_text = "Traceback\npassword=hunter2"
    for _ in range(2):
        record = filtered(record)
    assert record.exc_text == "  | Traceback\n  | password=[redacted]"


def test_fields_cannot_pose_as_the_log_s_own(tmp_path: Path) -> None:
    with logs.AuditLog(tmp_path / "audit") as log:
        for fields in ({"event": "x"}, {"sequence": 9}, {"time": "x"}):
            with pytest.raises(InvalidInput):
                log.append("login", **fields)
        for event in ("audit_signature", "audit_log_repaired"):
            with pytest.raises(InvalidInput):
                log.append(event)


def test_half_a_line_is_cut_on_request_only(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    with logs.AuditLog(path, key=b"k" * 32) as log:
        log.append("one")
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:80])
    with pytest.raises(Refused):
        logs.AuditLog(path, key=b"k" * 32)
    with logs.AuditLog(path, key=b"k" * 32, repair=True) as log:
        log.append("two")
    assert logs.verify_audit_log(path, key=b"k" * 32).records == 3
    assert b'"audit_log_repaired","bytes":80' in path.read_bytes()
    (kept,) = tmp_path.glob("audit.half-line-*")
    assert kept.read_bytes() == whole[:80] and kept.stat().st_mode & 0o777 == 0o600
    path.write_bytes(whole.replace(b"one", b"two"))
    with pytest.raises(Refused):
        logs.AuditLog(path, key=b"k" * 32, repair=True)


def test_a_forked_child_does_not_write(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    with logs.AuditLog(path) as log:
        log.append("parent")
        child = os.fork()
        if child == 0:
            try:
                log.append("child")
            except InvalidInput:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        log.append("parent")
    assert logs.verify_audit_log(path).records == 2


def test_links_over_no_records_are_refused(tmp_path: Path) -> None:
    from pyward_guard import _core

    for record in (b"[]", b"x", b'{"event":"audit_signature","head":"zz"}', b"[" * 100_000):
        path = tmp_path / "audit"
        path.write_bytes(_core.logs_chain_link(None, bytes(32), record).hex().encode() + b" " + record + b"\n")
        with pytest.raises(Refused):
            logs.verify_audit_log(path, verifier=lambda head, signature: True)


ACCESS = '%s - "%s %s HTTP/%s" %d'


@pytest.mark.parametrize(
    ("path", "shown"),
    [("/?access_token=abcdef12", "/?access_token=[redacted]"), ("/?token=", "/?token="), ("/" + "a%41" * 9000, "/a%41a")],
)
def test_uvicorn_s_access_log(path: str, shown: str) -> None:
    """Its formatter unpacks the arguments; what they are together may be redacted and cut otherwise than each alone."""
    uvicorn_logging = pytest.importorskip("uvicorn.logging")
    arguments = ("192.0.2.1:5", "GET", path, "1.1", 200)
    record = filtered(logging.LogRecord("uvicorn.access", logging.INFO, "", 0, ACCESS, arguments, None))
    line = uvicorn_logging.AccessFormatter("%(client_addr)s %(request_line)s %(status_code)s", use_colors=False).format(record)
    assert line.startswith(f"192.0.2.1:5 GET {shown}") and line.endswith(" HTTP/1.1 200 OK") and "abcdef12" not in line
    assert record.getMessage() == logs.Redactor().line(ACCESS % arguments)


def test_arguments_stay_where_they_tell_no_more_than_the_message() -> None:
    for template, arguments, kept in (
        ("%s took %d ms", ("ada\n", 5), ("ada\\n", 5)),
        ("%s", ("Bearer abcdef123456",), ("Bearer [redacted]",)),
        ("token=%s for %s", ("abc123", "ada"), ()),
        ("pin=%d", (1234,), ()),
        ("100%% of\n%s", ("ada",), ()),
        ("%s %s", ("password=hunter2",), ()),
        ("100%", (), ()),
        ("key %.2s...", ("abcdef",), ()),
        ("%s", (Unspeakable(),), ()),
    ):
        record = logging.LogRecord("x", logging.INFO, "", 0, template, arguments, None)
        try:
            message = logs.Redactor().line(record.getMessage())
        except Exception:
            message = ""
        shown = filtered(record)
        assert shown.args == kept and shown.getMessage().startswith(message) and "hunter2" not in shown.getMessage()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a filter cannot return another record")
def test_other_handlers_get_the_record_as_it_was() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "token=%s", ("abc123",), (ValueError, ValueError("x"), None))
    record.password = "hunter2"
    before = dict(record.__dict__)
    assert filtered(record).getMessage() == "token=[redacted]" and record.__dict__ == before


def test_a_failing_signer_doubles_no_record_and_keeps_no_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, away = tmp_path / "audit", [True]

    def signer(head: bytes) -> bytes:
        if away[0]:
            raise ConnectionError("secret detail")
        return head

    log = logs.AuditLog(path, signer=signer, sign_every=2)
    assert [log.append("paid") for _ in range(3)][-1] == log.head
    assert path.read_bytes().count(b"\n") == 3
    assert caplog.text.count("signer of an audit log failed: ConnectionError") == 2 and "secret detail" not in caplog.text
    away[0] = False
    log.append("paid")
    assert logs.verify_audit_log(path, verifier=lambda head, signature: head == signature).records == 5
    away[0] = True
    log.append("paid")
    with pytest.raises(ConnectionError):
        log.close()
    with logs.AuditLog(path):  # not locked any more
        pass


def test_a_failing_audit_log_stops_no_alert(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[logs.SecurityEvent] = []
    audit = logs.AuditLog(tmp_path / "audit")
    logs.add_alert(seen.append)
    try:
        for name in ("time", "sequence"):
            with pytest.raises(InvalidInput, match=name):
                logs.security_event("malicious_attack_tool", audit=audit, **{name: "12:00"})  # type: ignore[arg-type]
        assert not seen and not caplog.records, "a mistake in the call, of which nothing is reported by half"
        audit.close()
        with pytest.raises(InvalidInput, match="closed"):
            logs.security_event("malicious_attack_tool", "sqlmap", audit=audit)
    finally:
        logs.remove_alert(seen.append)
    assert [event.event for event in seen] == ["malicious_attack_tool:sqlmap"]


def test_structlog_s_bridge_to_logging() -> None:
    """Its formatter takes the event as the dict that it is, and its logger as an object."""
    structlog = pytest.importorskip("structlog")
    bridge = structlog.stdlib.ProcessorFormatter
    renderers = [bridge.remove_processors_meta, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(bridge(processors=renderers))
    for _ in range(2):
        handler.addFilter(logs.RedactingFilter())
    std = logging.Logger("test.guard.bridge", logging.DEBUG)
    std.addHandler(handler)
    log = structlog.wrap_logger(std, processors=[bridge.wrap_for_formatter], wrapper_class=structlog.stdlib.BoundLogger)
    log.info("login\nforged", password="hunter2", user={"name": "ada", "api_key": "hunter2"})
    try:
        raise ValueError("password=hunter2")
    except ValueError:
        log.exception("failed")
    std.info("token=%s", "hunter2")
    log.info("odd", exc_info=(1,))
    first, second, third, fourth = map(json.loads, stream.getvalue().splitlines())
    assert first == {"event": "login\\nforged", "password": "[redacted]", "user": {"name": "ada", "api_key": "[redacted]"}}
    assert second["event"] == "failed" and second["exception"].endswith("\n  | ValueError: password=[redacted]")
    assert second["exception"].count("  | Traceback") == 1 and "  |   | " not in second["exception"]
    assert third == {"event": "token=[redacted]"} and fourth == {"event": "odd"}


def test_messages_that_are_dicts_stay_dicts() -> None:
    """For formatters that write JSON; not where the text as a whole tells of a secret that no item does."""
    record = logging.LogRecord("x", logging.INFO, "", 0, {"event": "a\n", "password": "hunter2", "n": [1]}, (), None)
    for _ in range(2):
        record = filtered(record)
    assert record.msg == {"event": "a\\n", "password": "[redacted]", "n": [1]}
    within = {"event": "login password=hunter2", "user": "ada", "in": [{"a": "GET /?token=hunter2&b=1"}]}
    shown = filtered(logging.LogRecord("x", logging.INFO, "", 0, within, (), None))
    assert shown.msg == {"event": "login password=[redacted]", "user": "ada", "in": [{"a": "GET /?token=[redacted]&b=1"}]}
    long = {f"n{i}": "b" * 200 + " password=hunter2" for i in range(100)}
    for message in ({"number": 4111111111111111}, {"a": "b" * 9000, "c": "d" * 9000}, long):
        shown = filtered(logging.LogRecord("x", logging.INFO, "", 0, message, (), None))
        assert isinstance(shown.msg, str) and "411111111111" not in shown.msg and len(shown.msg) < 17_000


class SafeAtoms(dict[str, Any]):
    """As gunicorn's."""

    def __getitem__(self, name: str) -> Any:
        return self.get(name.lower() if name.startswith("{") else name, "-")


@pytest.mark.parametrize("logger", ["gunicorn.access", "hypercorn.access"])
def test_access_logs_with_named_arguments(logger: str) -> None:
    template = '%(h)s %(u)s "%(r)s" %(s)s 100%% "%({X-Forwarded-For}i)s"'
    atoms = SafeAtoms(
        {
            "h": "192.0.2.1", "r": "GET /?access_token=abcdef12 HTTP/1.1", "s": "200", "U": "/", "q": "access_token=abcdef12", "B": 5,
            "{cookie}i": "sid=abcdef12", "{x-api-key}i": "abcdef12", "{salt}e": "abcdef12", "{x-forwarded-for}i": "192.0.2.7",
        }
    )  # fmt: skip
    record = logging.LogRecord(logger, logging.INFO, "", 0, template, (atoms,), None)
    for _ in range(2):
        record = filtered(record)
        assert record.getMessage() == '192.0.2.1 - "GET /?access_token=[redacted] HTTP/1.1" 200 100% "192.0.2.7"'
    shown: Any = record.args
    assert [shown[name] for name in ("h", "U", "B", "u", "{X-Forwarded-For}i")] == ["192.0.2.1", "/", 5, "-", "192.0.2.7"]
    assert "abcdef12" not in str(shown) and shown["{salt}e"] == "-" and atoms["{cookie}i"] == "sid=abcdef12"


def test_no_message_shows_arguments_that_secrets_go_by() -> None:
    for template, arguments, message in (
        ("%(name)s: %(pin)06d, %(n)03d%%", {"name": "ada", "pin": 1234, "n": 5}, "ada: [redacted], 005%"),
        ("%%(password)s %(my(password))-9s|", {"password": "ada", "my(password)": "hunter2"}, "%(password)s [redacted]|"),
        ("%({Cookie}i)s %({x-api-key}i)s %({HTTP_COOKIE}e)s %({A_PASSWORD}e)s %({PORT}e)s",
         {"{Cookie}i": "hunter2", "{x-api-key}i": "hunter2", "{HTTP_COOKIE}e": "hunter2", "{A_PASSWORD}e": "hunter2", "{PORT}e": 80},
         "[redacted] [redacted] [redacted] [redacted] 80"),
    ):  # fmt: skip
        for logger in ("x", "gunicorn.access"):
            shown = filtered(logging.LogRecord(logger, logging.INFO, "", 0, template, (arguments,), None))
            assert shown.getMessage() == message and "hunter2" not in str(shown.args)


def test_named_arguments_stay_where_they_tell_no_more_than_the_message() -> None:
    for template, arguments, kept in (
        ("%(name)s\n%(n)d", {"name": "ada", "n": 5}, ()),
        ("%(name)s %(n)d", {"name": "ada\n", "n": 5}, {"name": "ada\\n", "n": 5}),
        ("%(name)s", {"name": "ada", "number": 4111111111111111}, ()),
        ("token=%(a)s", {"a": "abc123"}, ()),
        ("%(name)s %(password)s", {"name": "ada", "password": "hunter2"}, {"name": "ada", "password": "[redacted]"}),
        ("%(name)s %(password)s", {"name": "ada", "password": None}, {"name": "ada", "password": None}),
        ("%(password)s took %(n)d ms", {"password": "hunter2", "n": 5}, {"password": "[redacted]", "n": 5}),
        ("%(x)s %(password)s", {"password": "hunter2"}, ()),
        ("%s", {"password": "hunter2"}, ()),
    ):
        shown = filtered(logging.LogRecord("x", logging.INFO, "", 0, template, (arguments,), None))
        assert shown.args == kept and "hunter2" not in shown.getMessage(), template

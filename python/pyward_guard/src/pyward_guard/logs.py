"""Logs without secrets and forged lines, private log files, an audit log that shows changes, and security events.

Put a :class:`RedactingFilter` on handlers (or :func:`structlog_processor` in structlog), write to
:func:`private_handler`, keep what auditors need in an :class:`AuditLog`, and report security events by
:func:`security_event` in the OWASP logging vocabulary.

Practices: E2, E4. Protects against CWE-117, CWE-223, CWE-359, CWE-532, CWE-732, CWE-778.
"""

from __future__ import annotations

import copy
import json
import logging
import logging.handlers
import os
import re
import stat
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from . import _core
from ._core import InvalidInput, LimitExceeded, Refused
from ._event_names import EVENTS, LEVELS, Event
from ._optional import need_posix

__all__ = [
    "REDACTED",
    "AuditLog",
    "Event",
    "RedactingFilter",
    "Redactor",
    "SecurityEvent",
    "Verified",
    "add_alert",
    "neutralise",
    "private_handler",
    "remove_alert",
    "security_event",
    "structlog_processor",
    "verify_audit_log",
]

REDACTED: Final = "[redacted]"
_MAX_DEPTH = 8
_MAX_VALUES = 10_000
_log = logging.getLogger("pyward_guard.logs")


def neutralise(text: str, *, max_bytes: int = 16_384) -> str:
    """Text that cannot start a new line, drive a terminal or hide: control characters become visible escapes.

    At most ``max_bytes`` bytes (UTF-8) are kept.

    ASVS 5.0: v5.0.0-16.4.1. CWE-117, CWE-150.

    >>> neutralise("ok\\nERROR forged \\x1b[2J")
    'ok\\\\nERROR forged \\\\x1b[2J'
    """
    return _core.logs_neutralise(_utf8(text), max_bytes)


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


class Redactor:
    """Takes secrets out of text and data, by the names they go by and by their shape.

    Known are passwords, tokens, keys and cookies in ``key=value``, JSON and header form; JWT, PASETO, bearer tokens,
    credentials in URLs, cloud and code-host keys, private keys, password hashes, and card numbers (checked by Luhn).
    ``personal=True`` adds e-mail and IP addresses, phone and social security numbers, IBANs. ``keys`` are further names,
    ``patterns`` further shapes (Rust ``regex`` syntax).

    Lines are cut at ``max_bytes`` (UTF-8). Raises :class:`~pyward_guard.InvalidInput` for patterns that cannot be read.

    ASVS 5.0: v5.0.0-14.2.4, v5.0.0-16.2.5. CWE-532, CWE-359.

    >>> Redactor().text("login of ada with password=hunter2")
    'login of ada with password=[redacted]'
    >>> Redactor().data({"user": "ada", "api_key": "abc", "note": "Bearer abcdef123456"})
    {'user': 'ada', 'api_key': '[redacted]', 'note': 'Bearer [redacted]'}
    """

    __slots__ = ("_inner", "_max_bytes")

    def __init__(
        self,
        *,
        keys: Iterable[str] = (),
        patterns: Iterable[str] = (),
        personal: bool = False,
        max_bytes: int = 16_384,
    ) -> None:
        if isinstance(keys, str) or isinstance(patterns, str):
            raise InvalidInput("keys and patterns are lists")
        self._inner = _core.LogsRedactor(list(keys), list(patterns), personal)
        self._max_bytes = max_bytes

    def text(self, text: str) -> str:
        """The text redacted; line breaks stay."""
        return self._inner.redact(_utf8(text))

    def line(self, text: str) -> str:
        """The text redacted, neutralised and cut to ``max_bytes``, for one line of a log."""
        return self._inner.clean(_utf8(text), self._max_bytes)

    def sensitive(self, key: str) -> bool:
        """True when a value under this name is a secret.

        >>> [Redactor().sensitive(key) for key in ("X-Auth-Token", "author")]
        [True, False]
        """
        return self._inner.is_sensitive_key(_utf8(key))

    def data(self, value: Any) -> Any:
        """A copy of dicts, lists, tuples and sets with secrets redacted; other objects as their redacted ``str``.

        At most 8 levels and 10,000 values. A pair of a sensitive name and a value, as in lists of headers, counts as an entry.
        """
        return self._data(value, _MAX_DEPTH, [_MAX_VALUES])

    def _data(self, value: Any, depth: int, left: list[int]) -> Any:
        left[0] -= 1
        if left[0] < 0:
            return "[too many values]"
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str):
            return self.line(value)
        if depth == 0:
            return "[nested too deeply]"
        if isinstance(value, Mapping):
            out = {}
            for key, item in value.items():
                name = _text(key)
                hidden = item is not None and self.sensitive(name)
                out[self.line(name)] = REDACTED if hidden else self._data(item, depth - 1, left)
                if left[0] < 0:
                    break
            return out
        if isinstance(value, (list, tuple, set, frozenset)):
            if isinstance(value, (list, tuple)) and len(value) == 2 and isinstance(value[0], (str, bytes)) and self.sensitive(_text(value[0])):
                items = [self.line(_text(value[0])), REDACTED]
            else:
                items = []
                for item in value:
                    items.append(self._data(item, depth - 1, left))
                    if left[0] < 0:
                        break
            return items if not isinstance(value, tuple) else tuple(items)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return f"[{len(value)} bytes]"
        return self.line(_text(value))


def _text(value: object) -> str:
    """``str`` of anything; what cannot say what it is must not keep the rest from being logged."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    try:
        return str(value)
    except Exception as error:
        return f"[{type(value).__name__}, whose text raised {type(error).__name__}]"


def _after_redacted(value: Any) -> Any:
    """Redacted data, of each text only what is after the last secret in it."""
    if isinstance(value, str):
        return REDACTED + value.rpartition(REDACTED)[2] if REDACTED in value else value
    if isinstance(value, dict):
        return {name: _after_redacted(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_after_redacted, value))
    return value


class _Lines(str):
    """Lines of a traceback that were redacted already; a second handler's filter leaves them alone."""

    __slots__ = ()


_ATTRIBUTES = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}
# Their formatters unpack the arguments, of which none is a secret for what the message says around it.
_UNPACKED: Final = frozenset(("uvicorn.access", "gunicorn.access", "hypercorn.access"))
# A header or a variable among those arguments.
_HEADER: Final = re.compile(r"\{(?:HTTP_)?(.*)\}[ioe]", re.DOTALL | re.IGNORECASE)
# What shows a named argument in a message, or a percent sign.
_CONVERSION: Final = re.compile(r"%%|%\(((?:[^()]|\([^()]*\))*)\)[^a-zA-Z%]*[hlL]?[a-zA-Z]")


class _Atoms(dict[str, Any]):
    """Arguments of an access log as gunicorn and hypercorn have them: what is not there is ``-``."""

    def __missing__(self, name: str) -> Any:
        return self.get(name.lower(), "-") if name.startswith("{") else "-"


class RedactingFilter(logging.Filter):
    """Redacts and neutralises every record of a handler: message, arguments, ``extra`` fields and exception text.

    Put it on handlers, not on loggers, whose filters do not see records of child loggers. Arguments that are secrets only
    for what the message says around them (``"token=%s"``) are dropped once they are in the message; those with the name of a
    secret (``"%(password)s"``) are redacted in it. A message that is a dict stays one, as structlog's ``ProcessorFormatter``
    and JSON formatters want it, unless it is longer than a line may be, or only the whole shows a secret. So do the named
    arguments of the access logs of gunicorn and hypercorn, without variables of the environment (``{...}e``).

    From Python 3.12 on the handler gets a copy, so that each handler needs a filter; one with a ``handle`` of its own must
    emit what ``filter`` returned. Before, all handlers share the record: those after this one see it redacted, with
    ``exc_text`` in place of ``exc_info``, so that error trackers belong before it.

    ASVS 5.0: v5.0.0-16.2.5, v5.0.0-16.4.1. CWE-117, CWE-532.

    >>> handler = logging.StreamHandler(sys.stdout)
    >>> handler.addFilter(RedactingFilter())
    >>> log = logging.getLogger("doctest.logs")
    >>> log.addHandler(handler)
    >>> log.error("token=%s for %s", "abc123", "ada\\nERROR forged")
    token=[redacted] for ada\\nERROR forged
    """

    def __init__(self, redactor: Redactor | None = None) -> None:
        super().__init__()
        self.redactor = redactor or Redactor()

    if sys.version_info >= (3, 12):

        def filter(self, record: logging.LogRecord) -> bool | logging.LogRecord:
            shown = copy.copy(record)
            self._redact(shown)
            return shown

    else:

        def filter(self, record: logging.LogRecord) -> bool:
            self._redact(record)
            return True

    def _redact(self, record: logging.LogRecord) -> None:
        redactor = self.redactor
        # structlog's bridge wants the event, its logger and the name of the method as they are.
        bridged = isinstance(record.msg, dict) and not record.args and "_logger" in record.__dict__
        kept = frozenset(("_logger", "_name", "_record", "_from_structlog")) if bridged else frozenset[str]()
        try:
            message = self._message(record)
        except Exception as error:  # a wrong format must not lose the record, nor print its arguments to stderr
            message = f"{_text(record.msg)} [its arguments do not fit: {type(error).__name__}]"
        if bridged:
            record.msg = structlog_processor(redactor)(None, "", record.msg)
        else:
            self._set_message(record, redactor.line(message))
        if record.exc_info and record.exc_info[0] is not None:
            text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            record.exc_text = self._lines(text)
            # Formatters use exc_text when it is there; other consumers would format the exception anew.
            record.exc_info = None
        elif record.exc_text and not isinstance(record.exc_text, _Lines):
            record.exc_text = self._lines(record.exc_text)
        if record.stack_info and not isinstance(record.stack_info, _Lines):
            record.stack_info = self._lines(record.stack_info)
        for name in record.__dict__.keys() - _ATTRIBUTES - kept:
            value = record.__dict__[name]
            record.__dict__[name] = REDACTED if redactor.sensitive(name) else redactor.data(value)

    def _hides(self, name: Any) -> bool:
        text = _text(name)
        found = _HEADER.fullmatch(text)
        return self.redactor.sensitive(text) or bool(found and self.redactor.sensitive(found[1]))

    def _message(self, record: logging.LogRecord) -> str:
        """The message, without the arguments whose names tell that they are secrets."""
        given, template = record.args, record.msg
        if not isinstance(given, Mapping):
            return record.getMessage()

        def shown(found: re.Match[str]) -> str:
            name = found[1]
            return REDACTED if name and self._hides(name) and given[name] is not None else found[0]

        record.msg = _CONVERSION.sub(shown, str(template))
        try:
            return record.getMessage()
        finally:
            record.msg = template

    def _set_message(self, record: logging.LogRecord, message: str) -> None:
        """Keeps the arguments, or the dict that is the message, redacted, where they make up the same message and it shows
        them in full."""
        template: Any
        arguments = self._arguments(record)
        try:
            if isinstance(record.msg, dict) and not record.args:
                # For formatters that write JSON.
                template = self.redactor.data(record.msg)
                # What was redacted within a text is over where the text is; in one line it would take the rest along.
                rest = str(_after_redacted(template))
                same = len(str(template).encode()) <= self.redactor._max_bytes and self.redactor.line(rest) == rest
            else:
                template = str(record.msg)
                if isinstance(arguments, tuple):
                    shown = all(isinstance(value, (int, float)) or str(value) in message for value in arguments)
                else:
                    shown = all(str(value) in message for value in arguments.values())
                same = bool(arguments) and shown and template % arguments == message
        except Exception:
            template, same = "", False
        if same:
            record.msg, record.args = template, arguments
        elif arguments and record.name in _UNPACKED:
            # "%.0s" takes an argument and shows nothing of it; a dict need not be taken.
            taken = "%.0s" * len(arguments) if isinstance(arguments, tuple) else ""
            record.msg, record.args = message.replace("%", "%%") + taken, arguments
        else:
            record.msg, record.args = message, ()

    def _arguments(self, record: logging.LogRecord) -> Any:
        redactor = self.redactor
        if not isinstance(record.args, Mapping):
            return redactor.data(record.args) if isinstance(record.args, tuple) else ()
        try:
            given = dict(record.args)
        except Exception:  # a mapping of its own kind must not lose the record
            return ()
        if record.name not in _UNPACKED:
            return redactor.data(given)
        # Without variables ("{...}e"): gunicorn has the request's there, hypercorn those of the process.
        kept = redactor.data({name: value for name, value in given.items() if not str(name).endswith("}e")})
        return _Atoms({name: REDACTED if value is not None and self._hides(name) else value for name, value in kept.items()})

    def _lines(self, text: str) -> str:
        return _traceback_lines(self.redactor, text)


def _traceback_lines(redactor: Redactor, text: str) -> str:
    """Line by line, indented, so that no line of a traceback can be taken for a record."""
    return _Lines("\n".join("  | " + neutralise(line) for line in redactor.text(text).split("\n")))


def structlog_processor(redactor: Redactor | None = None) -> Callable[[Any, str, Any], Any]:
    """A structlog processor that redacts and neutralises the event dictionary; put it before the renderer.

    ``exc_info`` becomes the text ``exception``, redacted line by line: a renderer further on would format it with secrets.

    CWE-117, CWE-532; ASVS 5.0: v5.0.0-16.2.5, v5.0.0-16.4.1.

    >>> process = structlog_processor()
    >>> process(None, "info", {"event": "login\\nforged", "password": "hunter2"})
    {'event': 'login\\\\nforged', 'password': '[redacted]'}
    """
    chosen = redactor or Redactor()

    def process(_logger: Any, _method: str, event: Any) -> Any:
        values = dict(event)
        # What structlog's bridge to logging needs as it is.
        kept = {name: values.pop(name) for name in ("_record", "_from_structlog") if name in values}
        lines = {name: values.pop(name) for name in ("exception", "stack") if isinstance(values.get(name), str)}
        info = values.pop("exc_info", None)
        error = info if isinstance(info, BaseException) else None
        if info and error is None:
            error = (info if isinstance(info, tuple) and len(info) == 3 else sys.exc_info())[1]
        if isinstance(error, BaseException):
            lines["exception"] = "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip("\n")
        shown = {name: text if isinstance(text, _Lines) else _traceback_lines(chosen, text) for name, text in lines.items()}
        return {**chosen.data(values), **shown, **kept}

    return process


class _PrivateHandler(logging.handlers.RotatingFileHandler):
    def _open(self) -> Any:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(self.baseFilename, flags | getattr(os, "O_NONBLOCK", 0), 0o600)
        try:
            _check_private(descriptor, self.baseFilename)
            return open(descriptor, "a", encoding=self.encoding, errors=self.errors)
        except BaseException:
            os.close(descriptor)
            raise


def _check_private(descriptor: int, name: str) -> None:
    need_posix("a private log file")
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode):
        raise Refused(f"refused: the log {name} is not a regular file")
    if info.st_uid not in (os.geteuid(), 0) or info.st_nlink > 1:
        raise Refused(f"refused: the log {name} belongs to somebody else or has other names")
    if info.st_mode & 0o077:
        os.fchmod(descriptor, 0o600)


def private_handler(
    path: str | os.PathLike[str],
    *,
    max_bytes: int = 10_000_000,
    backups: int = 5,
    redactor: Redactor | None = None,
) -> logging.Handler:
    """A rotating log file that only its owner reads (mode 0600), with redaction.

    A symbolic link, a second name, another owner or anything but a regular file in its place is refused.

    A file is put away when it reaches ``max_bytes`` bytes; ``backups`` old ones are kept. Raises
    :class:`~pyward_guard.InvalidInput` for less than 1000 bytes or no backup.

    ASVS 5.0: v5.0.0-16.4.2. CWE-59, CWE-532, CWE-732.

    Raises:
        Refused: the file is not private to this user.
        OSError: it cannot be opened (a symbolic link included).

    >>> import tempfile
    >>> handler = private_handler(os.path.join(tempfile.mkdtemp(), "app.log"))
    >>> handler.close()
    """
    if max_bytes < 1000 or backups < 1:
        raise InvalidInput("max_bytes is at least 1000, backups at least 1")
    handler = _PrivateHandler(path, maxBytes=max_bytes, backupCount=backups, encoding="utf-8", errors="backslashreplace")
    handler.addFilter(RedactingFilter(redactor))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    return handler


@dataclass(frozen=True)
class Verified:
    """Result of the verification of an audit log.

    ``records`` is how many there are, ``head`` the last link: keep it elsewhere and compare it next time.
    """

    records: int
    head: bytes
    """The last link, 32 bytes: keep it elsewhere to notice when lines are missing at the end."""


_START: Final = bytes(32)
_MAX_LINE = 1 << 20
# What the log writes itself.
_RESERVED: Final = frozenset(("event", "sequence", "time"))
_SIGNATURE: Final = "audit_signature"
_REPAIRED: Final = "audit_log_repaired"


class AuditLog:
    """An append-only log in which each line carries a link over all before it: a change, a removal or a swap shows.

    With ``key`` (32 random bytes) the links are HMAC-SHA-256, so that who can write the file but lacks the key cannot forge
    them; without a key they are SHA-256, which shows accidents and careless changes. ``signer`` (for instance Ed25519 with a
    key that only signs) is called with the head every ``sign_every`` records and at :meth:`close`, and its answer is written
    into the log. Lines are JSON. One process writes; threads may share the object, a forked child may not.

    A crash or a full disk may leave half a line at the end. Such a log is refused, since cutting lines is what an attacker
    does, unless ``repair=True``: the half line then goes to a file beside it (``.half-line-`` and the time), and the log
    says so in a record ``audit_log_repaired``.

    Raises :class:`~pyward_guard.InvalidInput` for a key of less than 16 bytes. ``sync`` waits for the disk after each record.

    ASVS 5.0: v5.0.0-16.4.2, v5.0.0-16.2.2. CWE-778, CWE-345, CWE-353.

    Raises:
        Refused: the existing log has been altered, or is not private to this user.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "audit.log")
    >>> with AuditLog(path, key=bytes(range(32))) as log:
    ...     head = log.append("order_deleted", user="ada", order=7)
    >>> verify_audit_log(path, key=bytes(range(32)), expected_head=head).records
    1
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        key: bytes | None = None,
        start: bytes = _START,
        signer: Callable[[bytes], bytes] | None = None,
        sign_every: int = 100,
        redactor: Redactor | None = None,
        sync: bool = False,
        repair: bool = False,
    ) -> None:
        if key is not None and len(key) < 16:
            raise InvalidInput("the key has at least 16 bytes")
        if sign_every < 1:
            raise InvalidInput("sign_every is at least 1")
        self._path = os.fspath(path)
        self._key = key
        self._signer = signer
        self._sign_every = sign_every
        self._redactor = redactor or Redactor()
        self._sync = sync
        self._lock = threading.Lock()
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        self._descriptor = os.open(self._path, flags | getattr(os, "O_NONBLOCK", 0), 0o600)
        try:
            _check_private(self._descriptor, self._path)
            self._lock_file()
            half_line = self._cut_half_line() if repair else 0
            records, self._head = _core.logs_verify_chain(self._path, key, start, _MAX_LINE)
        except BaseException:
            os.close(self._descriptor)
            raise
        self._sequence = records
        self._unsigned = 0
        self._process = os.getpid()
        if half_line:
            self._write({"event": _REPAIRED, "bytes": half_line})
            self._unsigned = 1

    def _cut_half_line(self) -> int:
        """Moves what follows the last line break to a file beside; the number of its bytes."""
        size = os.fstat(self._descriptor).st_size
        tail = os.pread(self._descriptor, _MAX_LINE, max(size - _MAX_LINE, 0))
        half = tail[tail.rfind(b"\n") + 1 :]
        if not half or len(half) == _MAX_LINE:
            return 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        with open(os.open(f"{self._path}.half-line-{time.time_ns()}", flags, 0o600), "wb") as file:
            file.write(half)
        os.ftruncate(self._descriptor, size - len(half))
        return len(half)

    def _lock_file(self) -> None:
        need_posix("an audit log")
        import fcntl

        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused("refused: another process writes to the audit log") from None

    def __repr__(self) -> str:
        return f"AuditLog({self._path!r})"

    def __enter__(self) -> AuditLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def head(self) -> bytes:
        """The last link."""
        return self._head

    def append(self, event: str, /, **fields: Any) -> bytes:
        """Writes a record with a sequence number and the time (UTC); fields are redacted. Returns the new head.

        Raises:
            InvalidInput: a field or the event has a name that the log uses itself; the log is closed, or was opened by
                another process.
            LimitExceeded: the record is larger than 1 MiB.
            OSError: it could not be written; the log is closed then, rather than left with half a line unnoticed.

        A signer that fails is logged to ``pyward_guard.logs`` and called again for the next record.
        """
        taken = _RESERVED & fields.keys()
        if taken or event in (_SIGNATURE, _REPAIRED):
            raise InvalidInput(f"the audit log uses the name {min(taken, default=event)!r} itself")
        failure: Exception | None = None
        with self._lock:
            self._write({"event": event, **{name: value for name, value in self._redactor.data(fields).items()}})
            self._unsigned += 1
            if self._signer is not None and self._unsigned >= self._sign_every:
                try:
                    signed = self._signature()
                except Exception as error:
                    # The record is written: who is told of a failure would write it again.
                    failure = error
                else:
                    self._write_signature(signed)
            head = self._head
        if failure is not None:  # without the lock, which a handler that writes to this log takes
            _log.error("the signer of an audit log failed: %s", type(failure).__name__)
        return head

    def _write(self, body: dict[str, Any]) -> None:
        if self._descriptor < 0:
            raise InvalidInput("the audit log is closed")
        if os.getpid() != self._process:
            # Two writers with one descriptor would each go on from a head of their own.
            raise InvalidInput("the audit log was opened before a fork: each process opens a log of its own")
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03}Z"
        ordered = {"sequence": self._sequence + 1, "time": stamp, **body}
        record = json.dumps(ordered, ensure_ascii=True, allow_nan=True, separators=(",", ":"), default=str).encode()
        if len(record) + 66 > _MAX_LINE:
            raise LimitExceeded("limit exceeded: the audit record is larger than 1 MiB")
        link = _core.logs_chain_link(self._key, self._head, record)
        line = link.hex().encode() + b" " + record + b"\n"
        try:
            written = os.write(self._descriptor, line)
            if written != len(line):
                # Half a line would make the whole log unreadable.
                os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
                raise OSError(28, "the audit record was written in part")
            if self._sync:
                os.fsync(self._descriptor)
        except BaseException:
            os.close(self._descriptor)
            self._descriptor = -1
            raise
        self._head = link
        self._sequence += 1

    def _signature(self) -> dict[str, Any]:
        assert self._signer is not None
        return {"event": _SIGNATURE, "head": self._head.hex(), "signature": self._signer(self._head).hex()}

    def _write_signature(self, signed: dict[str, Any]) -> None:
        self._write(signed)
        self._unsigned = 0

    def close(self) -> None:
        """Signs the head, if there is a signer and something new, and closes the file, also where the signer raises."""
        with self._lock:
            if self._descriptor < 0:
                return
            try:
                if self._signer is not None and self._unsigned:
                    self._write_signature(self._signature())
            finally:
                if self._descriptor >= 0:
                    os.close(self._descriptor)
                    self._descriptor = -1


def verify_audit_log(
    path: str | os.PathLike[str],
    *,
    key: bytes | None = None,
    start: bytes = _START,
    expected_head: bytes | None = None,
    verifier: Callable[[bytes, bytes], bool] | None = None,
) -> Verified:
    """Checks every link of an audit log, with ``verifier(head, signature)`` every signature, and that the log reaches
    ``expected_head`` (kept elsewhere). What was the head before ``close`` signed it counts as well.

    ``start`` is the head of the log before, when logs are chained over files.

    ASVS 5.0: v5.0.0-16.4.2. CWE-345, CWE-353, CWE-354.

    Raises:
        Refused: the log is altered, with the first line that does not fit; a signature is wrong or missing at the end; or the
            expected head is not the last one.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "audit.log")
    >>> log = AuditLog(path, key=b"k" * 32)
    >>> head = log.append("role_granted", user="ada", role="admin")
    >>> log.close()
    >>> bool(verify_audit_log(path, key=b"k" * 32, expected_head=head))
    True
    >>> with open(path, "r+b") as file:
    ...     text = file.read().replace(b"ada", b"eve")
    ...     _ = file.seek(0), file.write(text)
    >>> verify_audit_log(path, key=b"k" * 32, expected_head=head)
    Traceback (most recent call last):
    pyward_guard.Refused: refused: the audit log is altered at line 1: its link does not fit
    """
    records, head = _core.logs_verify_chain(path, key, start, _MAX_LINE)
    if expected_head is not None and expected_head not in (head, _signed_last(path)):
        raise Refused("refused: the audit log does not end where it is expected to: lines are missing or were added")
    if verifier is not None:
        _verify_signatures(path, start, verifier)
    return Verified(records, head)


def _signed_last(path: str | os.PathLike[str]) -> bytes | None:
    """The head before the last record, if that is a signature. Not the one it names, which anybody could write."""
    with open(path, "rb") as log:
        lines = deque(log, maxlen=2)
    try:
        return bytes.fromhex(lines[-2][:64].decode("ascii")) if json.loads(lines[-1][65:])["event"] == _SIGNATURE else None
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _verify_signatures(
    path: str | os.PathLike[str], start: bytes, verifier: Callable[[bytes, bytes], bool]
) -> None:
    previous, signed = start, True
    with open(path, "rb") as log:
        for number, line in enumerate(log, 1):
            try:
                link, record = bytes.fromhex(line[:64].decode("ascii")), json.loads(line[65:])
                signed = record.get("event") == _SIGNATURE
                head, signature = (bytes.fromhex(str(record.get(name, "")) if signed else "") for name in ("head", "signature"))
            except (ValueError, AttributeError, RecursionError):
                # Without a key, anybody can make links over anything.
                raise Refused(f"refused: line {number} of the audit log is no record") from None
            if signed:
                if head != previous or not verifier(head, signature):
                    raise Refused(f"refused: the signature at line {number} of the audit log is wrong")
            previous = link
    if not signed:
        raise Refused("refused: the last records of the audit log are not signed")


@dataclass(frozen=True)
class SecurityEvent:
    """One security event.

    ``event`` is the name with its parameters, ``level`` that of :mod:`logging`, ``time`` seconds since 1970; ``description``
    and ``fields`` are redacted.
    """

    event: str
    """Name, with its parameters behind a colon: ``authn_login_fail:ada``."""
    level: int
    description: str
    fields: Mapping[str, Any]
    time: float
    """Seconds since 1970, UTC."""


_security_log = logging.getLogger("pyward_guard.security")
_alerts: list[tuple[int, Callable[[SecurityEvent], None]]] = []
_alerts_lock = threading.Lock()
_redactor = Redactor()


def security_event(
    event: Event, *parameters: str, description: str = "", audit: AuditLog | None = None, **fields: Any
) -> SecurityEvent:
    """Reports a security event to the logger ``pyward_guard.security``, to ``audit`` if given, and to the alert hooks.

    The name and level are those of the OWASP Logging Vocabulary; parameters, description and fields are redacted and
    neutralised. A failing hook is logged and does not reach the caller; what ``audit`` raises does, after the hooks have run.

    ASVS 5.0: v5.0.0-16.2.1, v5.0.0-16.3.1, v5.0.0-16.3.2, v5.0.0-16.3.3, v5.0.0-16.2.2, v5.0.0-16.2.4. CWE-778.

    Raises:
        InvalidInput: not a name of the vocabulary; a field with a name that ``audit`` uses itself (nothing is reported then);
            ``audit`` is closed.
        LimitExceeded, OSError: as from :meth:`AuditLog.append`.

    >>> security_event("authn_login_fail", "ada", source_ip="192.0.2.1").event
    'authn_login_fail:ada'
    """
    if event not in EVENTS:
        raise InvalidInput("not an event of the OWASP logging vocabulary")
    if audit is not None and (taken := _RESERVED & fields.keys()):
        raise InvalidInput(f"the audit log uses the name {min(taken)!r} itself")
    parts = [_redactor.line(str(parameter)).replace(":", "_").replace(",", "_") for parameter in parameters]
    made = SecurityEvent(
        event=f"{event}:{','.join(parts)}" if parts else event,
        level=LEVELS.get(event, logging.INFO),
        description=_redactor.line(description),
        fields=_redactor.data(fields),
        time=time.time(),
    )
    try:
        entry = {**made.fields, "event": made.event, "description": made.description}
        _security_log.log(made.level, "%s", json.dumps(entry, default=str))
        if audit is not None:
            audit.append(made.event, **{**made.fields, "description": made.description})
    finally:
        # Who fills the disk must not keep the alert from going out.
        _alert(made)
    return made


def _alert(made: SecurityEvent) -> None:
    with _alerts_lock:
        hooks = [hook for level, hook in _alerts if made.level >= level]
    for hook in hooks:
        try:
            hook(made)
        except Exception as error:  # an alert that fails must not fail the request it is about
            _security_log.error("an alert hook failed: %s", type(error).__name__)


def add_alert(hook: Callable[[SecurityEvent], None], *, level: int = logging.CRITICAL) -> None:
    """Calls ``hook`` for every security event of at least this level: to page somebody, count, or block.

    CWE-778; ASVS 5.0: v5.0.0-16.3.3.

    >>> seen = []
    >>> add_alert(seen.append)
    >>> _ = security_event("authz_fail", "ada", "/admin")
    >>> seen[0].event
    'authz_fail:ada,/admin'
    >>> remove_alert(seen.append)
    """
    with _alerts_lock:
        _alerts.append((level, hook))


def remove_alert(hook: Callable[[SecurityEvent], None]) -> None:
    """Takes a hook out again.

    CWE-778.

    >>> seen = []
    >>> add_alert(seen.append); remove_alert(seen.append)
    """
    with _alerts_lock:
        _alerts[:] = [(level, kept) for level, kept in _alerts if kept != hook]

"""Incidents: their ids, what users are shown, what the log gets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

_log = logging.getLogger("pyward_guard.errors")
# Key of a WSGI environment whose response is an incident page already; no request header can set it.
ANSWERED = "pyward.incident"

# An exception that passes a header middleware by leaves a page without its headers: these are enough for what it is.
PAGE_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
)

# Crockford's base 32: read over a telephone without mistakes.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

# Headers of the application's own error response that stay: they protect the page, or tell the client when to come again.
KEPT = frozenset((
    "retry-after", "set-cookie", "vary", "strict-transport-security", "content-security-policy", "content-security-policy-report-only",
    "x-content-type-options", "x-frame-options", "referrer-policy", "permissions-policy", "cross-origin-opener-policy",
    "cross-origin-resource-policy", "cross-origin-embedder-policy", "reporting-endpoints", "access-control-allow-origin",
    "access-control-allow-credentials", "access-control-expose-headers",
))  # fmt: skip
# What SecurityMiddleware adds itself when it is asked to (`headers._middleware.FINISH`).
FINISH = "pyward.headers"
_TITLES = {500: "Internal error", 501: "Not implemented", 502: "Bad gateway", 503: "Service unavailable", 504: "Gateway timeout"}


@dataclass(frozen=True)
class Incident:
    """One failure. The id is random (50 bits): it names the log entry and tells nothing else."""

    id: str

    @classmethod
    def new(cls) -> Incident:
        """A new incident.

        >>> len(Incident.new().id)
        11
        """
        text = "".join(secrets.choice(_ALPHABET) for _ in range(10))
        return cls(f"{text[:5]}-{text[5:]}")


def log_incident(incident: Incident, error: BaseException | None, *, where: str, detail: str = "") -> None:
    """Writes the full detail of a failure to the log ``pyward_guard.errors``, with ``incident`` as an extra field.

    Control characters in ``where`` are neutralised (CWE-117).

    ASVS 5.0: v5.0.0-16.3.4.

    >>> incident = Incident.new()
    >>> try:
    ...     1 / 0
    ... except ZeroDivisionError as error:
    ...     log_incident(incident, error, where="GET /report")
    """
    place = where.encode("unicode_escape", "backslashreplace").decode("ascii")[:500]
    info = (type(error), error, error.__traceback__) if error is not None else None
    message = "incident %s in %s" + (": %s" if detail else "")
    arguments = (incident.id, place, repr(detail[:4000])) if detail else (incident.id, place)
    try:
        _log.error(message, *arguments, exc_info=info, extra={"incident": incident.id})
    except Exception as failure:
        # A broken handler must not lead to another answer for the user; this at least is known then.
        if sys.stderr is not None:
            sys.stderr.write(f"incident {incident.id} could not be logged: {type(failure).__name__}\n")


def _wants(accept: str) -> str:
    """html, json or text, by the first type in ``Accept`` that is one of them."""
    best = ("", 0.0)
    for part in accept.lower().split(",")[:20]:
        name, _, rest = part.partition(";")
        name = name.strip()
        kind = ""
        if name in ("text/html", "application/xhtml+xml"):
            kind = "html"
        elif name.endswith("json"):
            kind = "json"
        elif name in ("text/plain", "text/*"):
            kind = "text"
        weight = 1.0
        if "q=" in rest:
            try:
                weight = float(rest.partition("q=")[2].partition(";")[0])
            except ValueError:
                weight = 0.0
        if kind and weight > best[1]:
            best = (kind, weight)
    return best[0] or "json"


def render(incident: Incident, accept: str, status: int = 500) -> tuple[int, str, bytes]:
    """Status, content type and body of the answer to a failed request.

    HTML, problem details (RFC 9457) or plain text, whichever ``accept`` asks for; JSON when it asks for none of them.
    The body is the same for every failure but for the incident's id.

    CWE-209; ASVS 5.0: v5.0.0-16.5.1.
    """
    title = _TITLES.get(status, "Internal error" if status >= 500 else "Bad request")
    kind = _wants(accept)
    if kind == "html":
        page = (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
            f"<body><h1>{title}</h1><p>Something went wrong on our side. If you report it, please mention incident "
            f"<strong>{incident.id}</strong>.</p></body></html>\n"
        )
        return status, "text/html; charset=utf-8", page.encode()
    if kind == "text":
        return status, "text/plain; charset=utf-8", f"{title}. Incident {incident.id}.\n".encode()
    problem = {"type": "about:blank", "title": title, "status": status, "incident": incident.id}
    return status, "application/problem+json", json.dumps(problem).encode()


def _kept() -> bool:
    """Whether some handler takes what is logged here."""
    logger: logging.Logger | None = _log
    while logger is not None and _log.isEnabledFor(logging.ERROR):
        if any(handler.level <= logging.ERROR and not isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


def _to_stderr(line: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(line + "\n")


# What the hooks that are installed tell users with; None without hooks.
_tell: Callable[[str], None] | None = None


def _report(tell: Callable[[str], None], error: BaseException | None, where: str, detail: str = "") -> None:
    incident = Incident.new()
    # Without a handler, Python's last resort would print the traceback to standard error.
    kept = _kept()
    if kept:
        log_incident(incident, error, where=where, detail=detail)
    # An exception here would make Python print the traceback that is not to be shown.
    with contextlib.suppress(Exception):
        end = "Details are in the log." if kept else "Details are lost: no log is set up."
        tell(f"Internal error, incident {incident.id}. {end}")


def asyncio_handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception handler for event loops: ``loop.set_exception_handler(asyncio_handler)``.

    With :func:`install_hooks` the user is told as well, else the failure is logged only.

    CWE-209; ASVS 5.0: v5.0.0-16.5.4.

    >>> import asyncio
    >>> loop = asyncio.new_event_loop()
    >>> loop.set_exception_handler(asyncio_handler)
    >>> loop.close()
    """
    error, detail = context.get("exception"), str(context.get("message", ""))
    tell = _tell
    if tell is None:
        log_incident(Incident.new(), error, where="asyncio", detail=detail)
    else:
        _report(tell, error, "asyncio", detail)


def install_hooks(*, tell: Callable[[str], None] | None = None) -> Callable[[], None]:
    """Takes over ``sys.excepthook``, ``threading.excepthook`` and ``sys.unraisablehook``; returns a function that undoes it.

    The user of a program sees one line with the incident id for each failure (through ``tell``, by default on standard
    error), the traceback goes to the log only; the line says so when no log is set up. ``tell`` is called in the thread
    that fails. ``KeyboardInterrupt`` and ``SystemExit`` stay as they are.

    CWE-209; ASVS 5.0: v5.0.0-16.5.4.

    >>> undo = install_hooks()
    >>> undo()
    """
    global _tell
    before, told = (sys.excepthook, threading.excepthook, sys.unraisablehook), _tell
    say = _to_stderr if tell is None else tell

    def on_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, (KeyboardInterrupt, SystemExit)):
            before[0](kind, error, trace)
            return
        _report(say, error, "main program")

    def on_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is SystemExit:
            return
        _report(say, args.exc_value, f"thread {args.thread.name if args.thread else '?'}")

    def on_unraisable(args: Any) -> None:
        _report(say, args.exc_value, "finaliser", str(args.err_msg or ""))

    def undo() -> None:
        global _tell
        sys.excepthook, threading.excepthook, sys.unraisablehook = before
        _tell = told

    sys.excepthook, threading.excepthook, sys.unraisablehook = on_exception, on_thread, on_unraisable
    _tell = say
    return undo

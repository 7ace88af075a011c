"""One session, as the application sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .._core import InvalidInput, SessionRecord, session_new

# How deep values nest: what was stored can be read again, however much stack a framework has taken.
_DEPTH = 100


def moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def handle_of(key: bytes) -> str:
    """A public name for a session: enough to point at it, useless for using it."""
    return key[:12].hex()


def decoded(raw: bytes) -> dict[str, Any]:
    """The values of a record."""
    try:
        values: dict[str, Any] = json.loads(raw) if raw else {}
    except RecursionError:
        raise InvalidInput("session values are nested too deeply") from None
    return values


def _deeper_than(values: Any, depth: int) -> bool:
    level = [values]
    for _ in range(depth):
        containers = [value.values() if isinstance(value, dict) else value for value in level if isinstance(value, (dict, list, tuple))]
        if not containers:
            return False
        level = [child for container in containers for child in container]
    return any(isinstance(value, (dict, list, tuple)) for value in level)


@dataclass(frozen=True)
class SessionInfo:
    """What a user may know of one of their sessions, for a list of devices.

    ``handle`` names it for :meth:`SessionManager.revoke`; ``created``, ``seen`` and ``expires`` are its times (UTC), ``data``
    what it holds, which ``repr`` leaves out.
    """

    handle: str
    """Names the session in :meth:`SessionManager.revoke`."""
    created: datetime
    """When it began."""
    seen: datetime
    """When it was last used, to within the manager's ``touch``."""
    expires: datetime
    """When it ends at the latest."""
    data: dict[str, Any] = field(repr=False)
    """Its data."""


class Session(MutableMapping[str, Any]):
    """A mapping of JSON values that lives on the server, with a user and a life of its own.

    Changes are kept by :meth:`SessionManager.save`, which the middlewares call at the end of the request; a value that
    was changed in place counts as a change. Values nest at most 100 deep. The id does not show in ``repr``.

    ASVS 5.0: v5.0.0-7.2.4.
    """

    __slots__ = ("_carried", "_cleared", "_data", "_destroyed", "_key", "_left", "_next", "_raw", "_record", "_rotate", "_shown", "_state", "_user", "warnings")

    def __init__(self, key: bytes | None = None, record: SessionRecord | None = None, state: int = 0) -> None:
        self._key = key
        self._record = record
        self._state = state
        self._user = record.user if record is not None else None
        self._raw = record.data if record is not None else b""
        self._data: dict[str, Any] | None = None
        self._rotate = False
        self._destroyed = False
        # Signed out, even if a sign-in followed: what the client came with ends, whatever happens to the response.
        self._left = False
        self._cleared = False
        self._carried = True
        self._shown: Mapping[str, str] | None = None
        self._next: tuple[str, bytes] | None = None
        self.warnings: tuple[str, ...] = ()
        """Names of client traits that changed since the session began (those bound with ``"warn"``)."""

    # -- data -------------------------------------------------------------------------------------------
    def _values(self) -> dict[str, Any]:
        data = self._data
        if data is None:
            data = self._data = decoded(self._raw)
        return data

    def __getitem__(self, name: str) -> Any:
        return self._values()[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if not isinstance(name, str):
            raise InvalidInput("names of session values are strings")
        self._values()[name] = value

    def __delitem__(self, name: str) -> None:
        del self._values()[name]

    def clear(self) -> None:
        """Drops all values and signs the user out, as in frameworks whose session holds the user among its values.

        What is set afterwards goes into a new session with a new id.
        """
        self.logout()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())

    def _encoded(self) -> bytes:
        if self._data is None:
            return self._raw
        if not self._data:
            return b""
        try:
            encoded = json.dumps(self._data, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        except RecursionError:
            encoded = None
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"session values must be JSON: {error}") from None
        # Few brackets cannot nest deeply; to count them costs next to nothing.
        if encoded is None or (encoded.count(b"[") + encoded.count(b"{") > _DEPTH and _deeper_than(self._data, _DEPTH)):
            raise InvalidInput(f"session values nest at most {_DEPTH} deep")
        return encoded

    # -- life -------------------------------------------------------------------------------------------
    @property
    def user(self) -> str | None:
        """Who is signed in."""
        return self._user

    @property
    def is_new(self) -> bool:
        """Whether the client has no session yet. Nothing is stored until there is something to store."""
        return self._key is None

    @property
    def handle(self) -> str | None:
        """Public name of the session, None while it is new."""
        return None if self._key is None else handle_of(self._key)

    @property
    def next_handle(self) -> str | None:
        """The handle that the session has from the next request on: another one after :meth:`login` and :meth:`rotate`.

        What is bound to the session and made in the same response, such as a CSRF token, is bound to this.
        """
        if self._destroyed:
            return None
        if not self._rotate:
            return self.handle
        if self._next is None:
            self._next = session_new()
        return handle_of(self._next[1])

    @property
    def created(self) -> datetime | None:
        """When the session began."""
        return None if self._record is None else moment(self._record.created)

    @property
    def expires(self) -> datetime | None:
        """When the session ends at the latest."""
        return None if self._record is None else moment(self._record.expires)

    def login(self, user: str, *, keep: bool = False) -> None:
        """Signs a user in: new id, new lifetimes, and an empty session unless ``keep`` carries the data over.

        Call it after the last factor was checked (CWE-384).

        Raises :class:`~pyward_guard.InvalidInput` for an empty user, one over 1024 bytes and one that stores cannot keep.

        ASVS 5.0: v5.0.0-7.2.4.
        """
        if not isinstance(user, str) or not 0 < len(user.encode("utf-8", "surrogatepass")) <= 1024:
            raise InvalidInput("login needs a user: text of 1 to 1024 bytes, such as str(account.id)")
        if "\0" in user or any("\ud800" <= char <= "\udfff" for char in user):
            raise InvalidInput("a user's name has neither NUL nor halves of surrogate pairs")
        self._user = user
        # After a sign-out in the same request, the old session is replaced all the same, and nothing of it is kept.
        keep = keep and not self._destroyed
        self._destroyed = False
        self._rotate = True
        self._cleared = True
        self._carried = keep
        if not keep:
            self._data = {}

    def rotate(self) -> None:
        """Asks for a new id, as on every change of privilege; data and end stay."""
        self._rotate = True

    def logout(self) -> None:
        """Ends the session here and in the store. What is set afterwards goes into a new session with a new id.

        ASVS 5.0: v5.0.0-7.4.1.
        """
        self._user = None
        self._data = {}
        self._destroyed = self._left = True
        self._rotate = self._cleared = False

    def _forget(self) -> None:
        """There is no such session any more: a new one, with what was set since."""
        self._key = self._record = None
        self._raw, self._state, self._next = b"", 0, None
        self._destroyed = self._left = self._rotate = self._cleared = False
        self._carried = True

    def __repr__(self) -> str:
        return f"<Session of {self._user!r}>" if self._user else "<Session>"

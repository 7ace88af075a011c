"""Loading and saving sessions: one logic, driven synchronously or asynchronously."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from os import PathLike
from typing import Any, Final, Literal, NamedTuple, TypeVar

from .._core import InvalidInput, Refused, SessionRecord, session_key, session_new, trait_digest
from ._session import Session, SessionInfo, decoded, handle_of, moment
from ._stores import AsyncStore, MemoryStore, SQLiteStore, Store

_log = logging.getLogger("pyward_guard.sessions")
_T = TypeVar("_T")
# How often a change is tried again that others got ahead of.
_TRIES = 64
# A step asks its driver to call one method of the store and is sent the result.
_Steps = Generator[tuple[Any, ...], Any, _T]
Event = Callable[[str, Mapping[str, Any]], None]
# When a session of these values ends that began then, in milliseconds.
_Ends = Callable[[Mapping[str, Any], int], int]


@dataclass(frozen=True)
class Cookie:
    """How the id travels. The defaults are the strict ones: ``__Host-`` prefix, Secure, HttpOnly, SameSite=Lax.

    ``name`` has the ``__Host-`` prefix, also where it is not written, unless ``insecure_over_plain_http`` (for development,
    with a line in the log); ``same_site`` may be ``Strict``; ``persistent`` keeps the cookie after the browser was closed.

    ASVS 5.0: v5.0.0-3.3.1, v5.0.0-3.3.2, v5.0.0-3.3.3, v5.0.0-3.3.4, v5.0.0-3.3.5

    >>> Cookie().header("ID")
    '__Host-session=ID; Path=/; Secure; HttpOnly; SameSite=Lax'
    >>> Cookie(name="sid").name
    '__Host-sid'
    """

    name: str = "__Host-session"
    same_site: Literal["Strict", "Lax"] = "Lax"
    persistent: bool = False
    """Whether the cookie outlives the browser session (until the absolute lifetime ends)."""
    insecure_over_plain_http: bool = field(default=False, kw_only=True)
    """Leaves out Secure and the prefix, for development without TLS. Logged."""

    def __post_init__(self) -> None:
        bare = self.name.removeprefix("__Host-").removeprefix("__Secure-")
        if not bare or not all(char.isalnum() or char in "-_." for char in bare) or not bare.isascii():
            raise InvalidInput("a cookie's name consists of letters, digits, '-', '_' and '.'")
        if self.same_site not in ("Strict", "Lax"):
            raise InvalidInput("SameSite is Strict or Lax")
        if self.insecure_over_plain_http:
            _log.warning("session cookie %r is sent without Secure: for development only", bare)
        object.__setattr__(self, "name", bare if self.insecure_over_plain_http else f"__Host-{bare}")

    def header(self, value: str, max_age: int | None = None) -> str:
        """The ``Set-Cookie`` value; ``max_age`` is in seconds, 0 deletes."""
        parts = [f"{self.name}={value}", "Path=/"]
        if max_age is not None:
            parts.append(f"Max-Age={max_age}")
        if not self.insecure_over_plain_http:
            parts.append("Secure")
        parts += ["HttpOnly", f"SameSite={self.same_site}"]
        return "; ".join(parts)


@dataclass(frozen=True)
class SetCookie:
    """What :meth:`SessionManager.save` wants the client told.

    ``value`` is the cookie's, ``max_age`` its ``Max-Age`` in seconds, None until the browser closes, 0 to delete it.
    """

    value: str = field(repr=False)
    """The id, or empty to delete the cookie."""
    max_age: int | None
    """Seconds, None for a cookie that ends with the browser session."""


@dataclass(frozen=True)
class Binding:
    """Which traits of the client a session sticks to, and what happens when one changes.

    ``"reject"`` ends the session, ``"warn"`` logs and lists it in :attr:`Session.warnings`, ``"off"`` does not look.
    Browsers update themselves and phones change networks, hence the mild defaults.

    ``user_agent`` and ``network`` (/24 or /48) are traits that the middlewares know; ``others`` are traits of your own, which
    you give to ``load`` and ``save``, or to a middleware with a function as its ``traits``. A trait that a client does not
    show is one without content, to which the session sticks as well. Sessions from before a binding are not held to it until
    they get a new id.
    """

    user_agent: Literal["reject", "warn", "off"] = "warn"
    network: Literal["reject", "warn", "off"] = "off"
    others: Mapping[str, Literal["reject", "warn"]] = field(default_factory=dict)
    """Further traits that the application tells, such as a TLS client certificate."""

    def rules(self) -> dict[str, str]:
        """What is looked at, by trait. Raises :class:`~pyward_guard.InvalidInput` for other words."""
        rules = {"user_agent": self.user_agent, "network": self.network, **self.others}
        for name, rule in rules.items():
            if rule not in ("reject", "warn", "off"):
                raise InvalidInput(f"binding of {name} is reject, warn or off")
        return {name: rule for name, rule in rules.items() if rule != "off"}


class _NoClient(dict[str, str]):
    """The type of :data:`NO_CLIENT`."""

    def __repr__(self) -> str:
        return "NO_CLIENT"


NO_CLIENT: Final[Mapping[str, str]] = _NoClient()
"""The traits for code that serves no client, such as a script: nothing is compared.

A session that begins or gets a new id with these is bound to no client, until a client's request gives it a new id.
"""


def check_told(bound: Iterable[str], tell: object) -> None:
    """Refuses a binding to traits that a middleware does not know and nobody tells it: it would never be looked at."""
    others = sorted(set(bound) - {"user_agent", "network"})
    if others and not callable(tell):
        raise InvalidInput(f"the binding to {', '.join(others)} needs a function for traits, which tells them for a request")


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)


def _now() -> int:
    return time.time_ns() // 1_000_000


class _Dropped(NamedTuple):
    """A record that :meth:`_Logic._open` wants deleted."""

    user: str | None
    event: str | None
    details: dict[str, Any]


class _Logic:
    """Everything but the calls to the store."""

    def __init__(
        self,
        *,
        idle: timedelta = timedelta(minutes=30),
        absolute: timedelta = timedelta(hours=12),
        touch: timedelta | None = None,
        cookie: Cookie | None = None,
        binding: Binding | None = None,
        max_per_user: int | None = None,
        on_event: Event | None = None,
    ) -> None:
        self._idle, self._absolute = _ms(idle), _ms(absolute)
        if not 0 < self._idle <= self._absolute:
            raise InvalidInput("session lifetimes: 0 < idle <= absolute")
        self._touch = _ms(touch) if touch is not None else min(self._idle // 20, 60_000)
        if not 0 <= self._touch < self._idle:
            raise InvalidInput("session lifetimes: 0 <= touch < idle")
        if max_per_user is not None and max_per_user < 1:
            raise InvalidInput("max_per_user is at least 1")
        self.cookie = cookie or Cookie()
        self._binding = (binding or Binding()).rules()
        self._rejects = "reject" in self._binding.values()
        self._max_per_user = max_per_user
        self._on_event = on_event

    @property
    def bound_traits(self) -> frozenset[str]:
        """Names of the traits that ``load`` and ``save`` want."""
        return frozenset(self._binding)

    def _event(self, name: str, key: bytes | None, user: str | None, **more: Any) -> None:
        handle = None if key is None else handle_of(key)
        level = logging.WARNING if name in ("session_trait_changed", "session_rejected") else logging.INFO
        _log.log(level, "%s session=%s user=%r %s", name, handle, user, more or "")
        if self._on_event is not None:
            self._on_event(name, {"session": handle, "user": user, **more})

    def _open(self, key: bytes, raw: bytes, traits: Mapping[str, str] | None) -> Session | _Dropped:
        """The session behind a record, or why it has to be deleted."""
        try:
            record, state = SessionRecord.open(raw, _now(), self._idle, self._touch)
        except InvalidInput:
            _log.error("session=%s cannot be read and is dropped", handle_of(key))
            return _Dropped(None, None, {})
        if state > 1:
            return _Dropped(record.user, "session_expired", {"why": "idle" if state == 2 else "absolute"})
        session = Session(key, record, state)
        self._check_shown(traits)
        session._shown = traits
        if self._binding and traits is not None and traits is not NO_CLIENT:
            changed = record.changed_traits(key, [(name, traits.get(name, "")) for name in self._binding])
            if changed:
                changed = [name for name in changed if name in self._binding]
                if any(self._binding[name] == "reject" for name in changed):
                    return _Dropped(record.user, "session_rejected", {"traits": changed})
                if changed:
                    session.warnings = tuple(changed)
                    self._event("session_trait_changed", key, record.user, traits=changed)
        return session

    def _check_shown(self, traits: Mapping[str, str] | None) -> None:
        if traits is None and self._rejects:
            raise InvalidInput("sessions are bound to traits of their client: say which it shows, or NO_CLIENT")

    def _new(self, traits: Mapping[str, str] | None) -> Session:
        session = Session()
        session._shown = traits
        return session

    def _dropped(self, key: bytes, dropped: _Dropped, traits: Mapping[str, str] | None) -> Session:
        if dropped.event is not None:
            self._event(dropped.event, key, dropped.user, **dropped.details)
        return self._new(traits)

    def _save(self, session: Session, traits: Mapping[str, str] | None) -> _Steps[SetCookie | None]:
        key, old = session._key, session._record
        ended: SetCookie | None = None
        if session._destroyed:
            if key is not None:
                yield from self._drop(key, old)
                self._event("session_ended", key, old.user if old else None)
                ended = SetCookie("", 0)
            session._forget()
            key = old = None
        data = session._encoded()
        now = _now()
        if key is None or old is None or session._rotate:
            if key is None and session._user is None and not data:
                return ended
            return (yield from self._begin(session, data, traits, now))
        if data != session._raw or session._state != 0 or session._user != old.user:
            yield from self._write(session, data, now)
        return None

    def _gone(self, session: Session) -> None:
        """Ended or moved to another id by somebody else while the request ran: it stays so, and its cookie stays theirs."""
        self._event("session_gone", session._key, session._user)
        session._user, session._data = None, {}
        session._forget()

    def _merged(self, session: Session) -> _Steps[bytes | None]:
        """This request's changes on top of what others stored since it was loaded; None when the session is gone."""
        key = session._key
        stored = (yield ("get", key)) if key is not None else None
        if stored is None:
            return None
        record = SessionRecord.decode(stored)
        before, after = decoded(session._raw), session._values()
        data = decoded(record.data)
        for name in {**before, **after}:
            if name not in after:
                data.pop(name, None)
            elif name not in before or json.dumps(before[name]) != json.dumps(after[name]):
                data[name] = after[name]
        if session._record is not None and session._user == session._record.user:
            session._user = record.user
        session._record, session._raw, session._data = record, record.data, data
        return session._encoded()

    def _write(self, session: Session, data: bytes, now: int, ends: _Ends | None = None) -> _Steps[None]:
        for _ in range(_TRIES):
            key, old = session._key, session._record
            if key is None or old is None:
                break
            fresh = session._user is not None and session._user != old.user
            created, expires = (now, now + self._absolute) if fresh else (old.created, old.expires)
            if ends is not None:
                expires = ends(session._values(), created)
            record = SessionRecord(session._user, created, max(now, old.seen), expires, old.traits, data)
            if (yield ("replace", key, session._user, record.until(self._idle), record.encode(), old.encode())):
                session._record, session._raw, session._state = record, data, 0
                if fresh:
                    self._event("session_created", key, session._user)
                return
            merged = yield from self._merged(session)
            if merged is None:
                return self._gone(session)
            data = merged
        raise Refused("the session is changed by too many requests at a time")

    def _begin(
        self,
        session: Session,
        data: bytes,
        traits: Mapping[str, str] | None,
        now: int,
        ids: tuple[str, bytes] | None = None,
        ends: _Ends | None = None,
    ) -> _Steps[SetCookie | None]:
        before = session._record
        # New lifetimes with every sign-in, else those of the session that moves.
        fresh = before is None or session._cleared or (session._user is not None and session._user != before.user)
        traits = traits if traits is not None else session._shown
        # Without digests of its client's traits, the session would be anybody's.
        self._check_shown(traits)
        bound = {} if traits is None or traits is NO_CLIENT else {name: traits.get(name, "") for name in self._binding}
        value, new_key = ids or session._next or session_new()
        session._next = None
        for _ in range(_TRIES):
            key, old = session._key, session._record
            created = now if fresh or old is None else old.created
            expires = now + self._absolute if fresh or old is None else old.expires
            if ends is not None:
                expires = ends(session._values(), created)
            digests = [(name, trait_digest(new_key, name, shown)) for name, shown in bound.items()]
            record = SessionRecord(session._user, created, now, expires, digests, data)
            until, encoded = record.until(self._idle), record.encode()
            if key is None or old is None:
                yield ("insert", new_key, session._user, until, encoded, now)
                break
            expected = old.encode() if session._carried else None
            if (yield ("rotate", key, old.user, new_key, session._user, until, encoded, now, expected)):
                break
            merged = (yield from self._merged(session)) if session._carried else None
            if merged is not None:
                data = merged
            elif not fresh:
                self._gone(session)
                return None
            else:
                # Signing in needs no session that was there before.
                session._key = session._record = None
        else:
            raise Refused("the session is changed by too many requests at a time")
        key = session._key
        if session._user is not None and fresh:
            self._event("session_created", new_key, session._user)
            if self._max_per_user is not None:
                yield from self._trim(session._user, new_key)
        elif key is not None:
            self._event("session_rotated", new_key, session._user)
        session._key, session._record, session._raw, session._state = new_key, record, data, 0
        session._rotate = session._cleared = session._left = False
        session._carried = True
        return SetCookie(value, max(0, (expires - now) // 1000) if self.cookie.persistent else None)

    def _drop(self, key: bytes, record: SessionRecord | None, keep: bytes | None = None) -> _Steps[bool]:
        """Deletes a session, also when another request gave it a new id meanwhile; the one under ``keep`` stays."""
        user = record.user if record is not None else None
        dropped = bool((yield ("delete", key, user)))
        if not dropped and record is not None and user is not None:
            dropped = (yield ("delete_of_user", user, keep, record.origin)) > 0
        return dropped

    def _finish(self, session: Session) -> _Steps[None]:
        key, old = session._key, session._record
        lost = session._rotate or (key is None and (session._user is not None or session._data))
        if lost:
            _log.error("session=%s: a sign-in, a rotation or a new session that no response can carry is lost", session.handle)
        if key is not None and session._left:
            yield from self._drop(key, old)
            self._event("session_ended", key, old.user if old else None)
            session._forget()
            return
        if lost:
            if session._cleared:
                return
            session._rotate = False
        data = session._encoded()
        if key is not None and data != session._raw:
            yield from self._write(session, data, _now())

    def _alive(self, session: Session) -> _Steps[bool]:
        if session._key is None or session._destroyed:
            return False
        raw = yield ("get", session._key)
        if raw is None:
            return False
        record, state = SessionRecord.open(raw, _now(), self._idle, self._touch)
        return state <= 1 and record.user == session._user

    def _trim(self, user: str, keep: bytes) -> _Steps[None]:
        found = yield ("of_user", user)
        records = {key: SessionRecord.decode(raw) for key, raw in found if key != keep}
        others = sorted(records, key=lambda key: records[key].created)
        for key in others[: max(0, len(others) + 1 - (self._max_per_user or 0))]:
            yield from self._drop(key, records[key], keep)
            self._event("session_ended", key, user, why="too many sessions")

    def _list(self, user: str) -> _Steps[list[SessionInfo]]:
        out = []
        now = _now()
        for key, raw in (yield ("of_user", user)):
            record = SessionRecord.decode(raw)
            if record.state(now, self._idle, self._touch) > 1 or record.user != user:
                continue
            times = moment(record.created), moment(record.seen), moment(record.expires)
            out.append(SessionInfo(handle_of(key), *times, decoded(record.data)))
        return sorted(out, key=lambda info: info.created)

    def _revoke(self, user: str, handle: str) -> _Steps[bool]:
        for key, raw in (yield ("of_user", user)):
            if handle_of(key) == handle:
                self._event("session_revoked", key, user)
                return (yield from self._drop(key, SessionRecord.decode(raw)))
        return False

    def _revoke_all(self, user: str, keep: Session | None) -> _Steps[int]:
        count: int = yield ("delete_of_user", user, None if keep is None else keep._key, b"")
        self._event("sessions_revoked", None, user, count=count)
        return count


def _as_store(store: Any) -> Any:
    if store is None:
        return SQLiteStore()
    if store == ":memory:":
        # The path of a file here, which other processes would share.
        raise InvalidInput("sessions in memory are kept by a MemoryStore()")
    if isinstance(store, (str, PathLike)):
        return SQLiteStore(store)
    if not all(callable(getattr(store, name, None)) for name in ("get", "insert", "replace", "rotate", "delete", "of_user", "delete_of_user", "purge")):
        raise InvalidInput(f"{type(store).__name__} is no session store: wrap a client, as in RedisStore(client)")
    return store


class SessionManager(_Logic):
    """Loads, saves, lists and revokes sessions.

    ``store`` is a :class:`Store`, or the path of an SQLite file (``sessions.sqlite3`` by default). ``idle`` and
    ``absolute`` are the two lifetimes; the time of last use is written back at most every ``touch``.
    ``max_per_user`` ends a user's oldest sessions beyond that number. ``on_event`` is called with the name of each
    event (``session_created``, ``session_rotated``, ``session_expired``, ``session_rejected``,
    ``session_trait_changed``, ``session_gone``, ``session_ended``, ``session_revoked``, ``sessions_revoked``) and its details.

    Raises :class:`~pyward_guard.InvalidInput` for lifetimes that make no sense and for what is no store, or an asynchronous one.

    ASVS 5.0: v5.0.0-7.3.1, v5.0.0-7.3.2, v5.0.0-7.4.1, v5.0.0-7.4.2, v5.0.0-7.1.1, v5.0.0-7.2.1, v5.0.0-7.2.3,
    v5.0.0-7.4.3, v5.0.0-7.4.5, v5.0.0-7.5.2

    >>> manager = SessionManager(MemoryStore(), max_per_user=1)
    >>> phone, laptop = manager.load(None), manager.load(None)
    >>> phone.login("ada"); first = manager.save(phone)
    >>> laptop.login("ada"); second = manager.save(laptop)
    >>> manager.load(first.value).user, manager.load(second.value).user
    (None, 'ada')
    """

    def __init__(
        self,
        store: Store | str | PathLike[str] | None = None,
        *,
        idle: timedelta = timedelta(minutes=30),
        absolute: timedelta = timedelta(hours=12),
        touch: timedelta | None = None,
        cookie: Cookie | None = None,
        binding: Binding | None = None,
        max_per_user: int | None = None,
        on_event: Event | None = None,
    ) -> None:
        super().__init__(idle=idle, absolute=absolute, touch=touch, cookie=cookie, binding=binding, max_per_user=max_per_user, on_event=on_event)
        self._store: Store = _as_store(store)
        if inspect.iscoroutinefunction(self._store.get):
            raise InvalidInput("an asynchronous store needs an AsyncSessionManager")

    def _run(self, steps: _Steps[_T]) -> _T:
        result: Any = None
        store = self._store
        while True:
            try:
                name, *args = steps.send(result)
            except StopIteration as stop:
                value: _T = stop.value
                return value
            result = getattr(store, name)(*args)

    def load(self, value: str | None, traits: Mapping[str, str] | None = None) -> Session:
        """The session behind a cookie's value, or a new, empty one. An id that the store does not know is never adopted.

        ``traits`` are what the client shows; ``{}`` for one that shows none, which is a change of those that are bound. Code
        that serves no client, such as a script, gives :data:`NO_CLIENT`. Raises :class:`~pyward_guard.InvalidInput` where a
        :class:`Binding` rejects and no traits are given.
        """
        key = session_key(value) if value else None
        raw = self._store.get(key) if key is not None else None
        if key is None or raw is None:
            return self._new(traits)
        opened = self._open(key, raw, traits)
        if isinstance(opened, Session):
            return opened
        self._store.delete(key, opened.user)
        return self._dropped(key, opened, traits)

    def save(self, session: Session, traits: Mapping[str, str] | None = None) -> SetCookie | None:
        """Writes what changed; returns the cookie to set, if any.

        Where others changed the session since it was loaded, this request's values go on top of theirs, name by name.
        What was ended meanwhile stays ended, and its cookie is left alone.

        ``traits`` are those of ``load`` unless others are given. Raises :class:`~pyward_guard.InvalidInput` where a session
        gets an id, a :class:`Binding` rejects and neither was given any.
        """
        if session._data is None and session._state == 0 and not (session._rotate or session._destroyed):
            return None
        return self._run(self._save(session, traits))

    def finish(self, session: Session) -> None:
        """Writes what changed after :meth:`save`, when the response is under way and no cookie can be set any more.

        A sign-out takes effect. A sign-in, a rotation or a new session cannot reach the client: it is dropped, with an error in the log.
        """
        if session._data is not None or session._rotate or session._destroyed:
            self._run(self._finish(session))

    def is_alive(self, session: Session) -> bool:
        """Whether a session that was loaded a while ago still is in the store, of the same user and within its lifetimes.

        For what outlives a request, such as a WebSocket: ask now and then, and close it when the session was ended.
        """
        return self._run(self._alive(session))

    def of_user(self, user: str) -> list[SessionInfo]:
        """The user's sessions, oldest first."""
        return self._run(self._list(user))

    def revoke(self, user: str, handle: str) -> bool:
        """Ends one session of the user; False when there is none of that handle."""
        return self._run(self._revoke(user, handle))

    def revoke_all(self, user: str, *, keep: Session | None = None) -> int:
        """Ends the user's sessions (password changed, account disabled), except ``keep``; returns how many."""
        return self._run(self._revoke_all(user, keep))

    def purge(self) -> int:
        """Drops sessions whose time is over from the store; returns how many. Call it now and then."""
        return self._store.purge(_now())


class AsyncSessionManager(_Logic):
    """As :class:`SessionManager`, for asyncio. A blocking store (SQLite) is called in a thread.

    ``idle``, ``absolute`` and ``touch`` are ``timedelta`` there, too.

    CWE-384, CWE-613; ASVS 5.0: v5.0.0-7.2.1, v5.0.0-7.3.1, v5.0.0-7.3.2, v5.0.0-7.4.1.

    >>> import asyncio
    >>> async def demo():
    ...     manager = AsyncSessionManager(MemoryStore())
    ...     session = await manager.load(None)
    ...     session.login("ada")
    ...     cookie = await manager.save(session)
    ...     return (await manager.load(cookie.value)).user
    >>> asyncio.run(demo())
    'ada'
    """

    def __init__(
        self,
        store: Store | AsyncStore | str | PathLike[str] | None = None,
        *,
        idle: timedelta = timedelta(minutes=30),
        absolute: timedelta = timedelta(hours=12),
        touch: timedelta | None = None,
        cookie: Cookie | None = None,
        binding: Binding | None = None,
        max_per_user: int | None = None,
        on_event: Event | None = None,
    ) -> None:
        super().__init__(idle=idle, absolute=absolute, touch=touch, cookie=cookie, binding=binding, max_per_user=max_per_user, on_event=on_event)
        self._store: Any = _as_store(store)
        self._direct = isinstance(self._store, MemoryStore)
        # Told once: a store is asynchronous or not, as a whole.
        self._awaited = inspect.iscoroutinefunction(self._store.get)

    async def _call(self, name: str, args: Any) -> Any:
        method = getattr(self._store, name)
        if self._direct:
            return method(*args)
        if self._awaited:
            return await method(*args)
        return await asyncio.to_thread(method, *args)

    async def _run(self, steps: _Steps[_T]) -> _T:
        result: Any = None
        while True:
            try:
                name, *args = steps.send(result)
            except StopIteration as stop:
                value: _T = stop.value
                return value
            result = await self._call(name, args)

    async def load(self, value: str | None, traits: Mapping[str, str] | None = None) -> Session:
        """See :meth:`SessionManager.load`."""
        key = session_key(value) if value else None
        if key is None:
            return self._new(traits)
        raw = self._store.get(key) if self._direct else await self._call("get", (key,))
        if raw is None:
            return self._new(traits)
        opened = self._open(key, raw, traits)
        if isinstance(opened, Session):
            return opened
        await self._call("delete", (key, opened.user))
        return self._dropped(key, opened, traits)

    async def save(self, session: Session, traits: Mapping[str, str] | None = None) -> SetCookie | None:
        """See :meth:`SessionManager.save`."""
        return await self._run(self._save(session, traits))

    async def finish(self, session: Session) -> None:
        """See :meth:`SessionManager.finish`."""
        if session._data is not None or session._rotate or session._destroyed:
            await self._run(self._finish(session))

    async def is_alive(self, session: Session) -> bool:
        """See :meth:`SessionManager.is_alive`."""
        return await self._run(self._alive(session))

    async def of_user(self, user: str) -> list[SessionInfo]:
        """See :meth:`SessionManager.of_user`."""
        return await self._run(self._list(user))

    async def revoke(self, user: str, handle: str) -> bool:
        """See :meth:`SessionManager.revoke`."""
        return await self._run(self._revoke(user, handle))

    async def revoke_all(self, user: str, *, keep: Session | None = None) -> int:
        """See :meth:`SessionManager.revoke_all`."""
        return await self._run(self._revoke_all(user, keep))

    async def purge(self) -> int:
        """See :meth:`SessionManager.purge`."""
        return int(await self._call("purge", (_now(),)))

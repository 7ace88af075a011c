"""Masking, pseudonyms and tokens of personal data, and an inventory of where it is.

Practice: D4. Helps with GDPR articles 4(5), 25 and 30, PCI DSS 3.4 and 3.5, HIPAA 164.514. Protects against CWE-200,
CWE-311, CWE-359.
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import threading
from array import array
from collections import UserString
from collections.abc import Callable, Iterable, Mapping, Sequence, Set, ValuesView
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import Annotated, Any, Literal, Protocol, get_args, get_origin, get_type_hints
from uuid import UUID

from . import _core
from ._core import InvalidInput, Refused
from ._sqlite import PrivateDatabase

__all__ = [
    "Field",
    "MemoryTokenStore",
    "Personal",
    "SQLiteTokenStore",
    "TokenStore",
    "Vault",
    "inventory",
    "mask",
    "mask_mapping",
    "pseudonym",
]

Kind = Literal["email", "card", "phone", "iban", "name", "ip", "text"]
Regulation = Literal["GDPR", "HIPAA", "PCI"]


def mask(value: str, kind: Kind = "text", *, keep: int = 4) -> str:
    """A value with what identifies a person hidden, for screens, logs and support.

    ``email`` keeps the first letter and the host, ``card`` the last four digits, ``phone`` the last two, ``iban`` the
    country and the last four, ``name`` the initials, ``ip`` the network (/24, /48); ``text`` keeps the last ``keep``
    characters, at most a quarter. What does not look like its kind is hidden as a whole.

    ASVS 5.0: v5.0.0-14.2.6. CWE-359.

    >>> mask("ada@example.org", "email"), mask("4111 1111 1111 1234", "card"), mask("192.0.2.77", "ip")
    ('a***@example.org', '**** **** **** 1234', '192.0.2.0')
    """
    if kind == "text":
        return _core.privacy_mask_text(value, keep)
    return _core.privacy_mask(kind, value)


def pseudonym(value: str, *, key: bytes, purpose: str) -> str:
    """A stable stand-in for a value: 26 characters, the same for the same key, purpose and value.

    Without the key nobody can tell whose it is, nor try values out; other purposes give other pseudonyms, so that data
    sets cannot be joined. ``key`` has at least 16 random bytes, kept apart from the data.

    CWE-359; ASVS 5.0: v5.0.0-14.2.4.

    Raises:
        InvalidInput: the key is too short, or the purpose empty.

    >>> key = bytes(range(32))
    >>> pseudonym("ada", key=key, purpose="statistics") == pseudonym("ada", key=key, purpose="statistics")
    True
    >>> pseudonym("ada", key=key, purpose="statistics") == pseudonym("ada", key=key, purpose="support")
    False
    """
    if not purpose:
        raise InvalidInput("a purpose is needed")
    return _core.privacy_pseudonym(key, purpose, value)


@dataclass(frozen=True)
class Personal:
    """Marks a field as personal data, in an annotation: ``email: Annotated[str, Personal("email")]``.

    ``kind`` is how it is masked, ``regulations`` what applies, ``purpose`` why it is kept, ``retention_days`` how long,
    ``special`` whether it is of a special category (GDPR article 9).

    Raises :class:`~pyward_guard.InvalidInput` for a kind or regulation that is not known.
    """

    kind: Kind
    regulations: tuple[Regulation, ...] = ("GDPR",)
    purpose: str = ""
    retention_days: int | None = None
    special: bool = False
    """Special category (GDPR article 9) or health data."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InvalidInput(f"kind is one of {', '.join(get_args(Kind))}")
        regulations: Any = self.regulations
        # One text would be taken for its letters.
        if not isinstance(regulations, (tuple, list, set, frozenset)) or not all(each in get_args(Regulation) for each in regulations):
            raise InvalidInput(f"regulations is a tuple of {', '.join(get_args(Regulation))}")


@dataclass(frozen=True)
class Field:
    """One entry of the inventory. ``model`` and ``name`` say where it is, ``personal`` what is known of it."""

    model: str
    name: str
    personal: Personal


def _columns(model: type) -> list[tuple[str, Any]]:
    """The columns of an SQLAlchemy model by the names of their attributes, which may differ from those in the table."""
    mapped = getattr(model, "__mapper__", None)
    if mapped is None:
        mapped = getattr(model, "__table__", None)
    return [] if mapped is None else list(mapped.columns.items())


def _marked(model: type) -> dict[str, Personal]:
    found: dict[str, Personal] = {}
    try:
        hints = get_type_hints(model, include_extras=True)
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise InvalidInput(f"the annotations of {model.__name__} cannot be resolved: {error}") from None
    for name, hint in hints.items():
        stack = [hint]
        while stack:
            item = stack.pop()
            if get_origin(item) is Annotated:
                for extra in item.__metadata__:
                    if isinstance(extra, Personal):
                        found[name] = extra
            stack.extend(part for part in get_args(item) if part is not Ellipsis)
    for name, column in _columns(model):
        marker = (getattr(column, "info", None) or {}).get("personal")
        if isinstance(marker, Personal):
            found[name] = marker
    for name, info in (getattr(model, "model_fields", None) or {}).items():
        for extra in getattr(info, "metadata", ()):
            if isinstance(extra, Personal):
                found[name] = extra
    return found


def inventory(models: Iterable[type]) -> list[Field]:
    """The fields of dataclasses, pydantic models, typed dictionaries, SQLAlchemy models (``info={"personal": ...}``) and
    any annotated class that are marked as :class:`Personal`, for a record of processing (GDPR article 30).

    ASVS 5.0: v5.0.0-14.1.1, v5.0.0-14.1.2, v5.0.0-14.2.7. CWE-359.

    >>> @dataclass
    ... class User:
    ...     id: int
    ...     email: Annotated[str, Personal("email", retention_days=30)]
    >>> [(field.name, field.personal.kind) for field in inventory([User])]
    [('email', 'email')]
    """
    out = []
    for model in models:
        for name, personal in _marked(model).items():
            out.append(Field(f"{model.__module__}.{model.__qualname__}", name, personal))
    return sorted(out, key=lambda field: (field.model, field.name))


def mask_mapping(instance: object) -> dict[str, Any]:
    """The attributes of a marked object with personal ones masked, for logs and support screens; marked objects within it,
    also in lists, dictionaries and other collections, become such mappings too.

    Collections become lists and dictionaries (rows of SQLAlchemy by the names of their columns), those that are not built
    in only if something in them is hidden; iterators and other objects stay what they are. What leads back to where it is
    within is ``...``, and ``***`` an object of another class whose annotations cannot be resolved. Relationships of
    SQLAlchemy models that are not loaded are left out: nothing is read from the database for them. In a marked dictionary
    the keys are masked too.

    CWE-359; ASVS 5.0: v5.0.0-14.2.6.

    Raises:
        InvalidInput: no attributes are known of such an object (a plain dictionary, a class without annotations), or the
            annotations of its class, or of a model within it, cannot be resolved.

    >>> @dataclass
    ... class User:
    ...     id: int
    ...     email: Annotated[str, Personal("email")]
    >>> mask_mapping(User(7, "ada@example.org"))
    {'id': 7, 'email': 'a***@example.org'}
    """
    masking = _Masking()
    out = masking.attributes(instance)
    if not out and not masking.is_model(instance):
        raise InvalidInput(f"no attributes are known of {type(instance).__name__}")
    return out


# What most attributes are. Nothing is marked in them.
_SCALARS = frozenset({NoneType, bool, int, float, complex, str, bytes, Decimal, UUID, date, datetime, time, timedelta})
_BUILT_IN = (list, tuple, set, frozenset, dict)


def _is_container(value: object) -> bool:
    if isinstance(value, (str, bytes, bytearray, memoryview, range, array, UserString)):
        return False
    if isinstance(value, Mapping):
        # Requests of Starlette are mappings of all they came with, but compare as the objects they are.
        return getattr(type(value), "__eq__") is not object.__eq__
    return isinstance(value, (Sequence, Set, ValuesView))


def _pairs(value: Any) -> Iterable[tuple[Any, Any]] | None:
    if isinstance(value, Mapping):
        return value.items()
    if isinstance(getattr(value, "_mapping", None), Mapping):
        # A row of SQLAlchemy. Its names may be alike, or missing.
        names = getattr(value, "_fields", ())
        return zip(names, value) if len(names) == len(value) else None
    return None


class _Masking:
    """One call of :func:`mask_mapping`."""

    def __init__(self) -> None:
        # What was masked already, by identity and kind, and whether anything was hidden in it: cycles end, and shared objects
        # cost once. The values are kept so that no other gets their identity meanwhile.
        self._seen: dict[tuple[int, Kind | None], tuple[Any, Any, bool]] = {}
        self._models: dict[type, bool | None] = {}
        self._names: dict[type, dict[str, Kind | None]] = {}
        self._hidden = 0

    def is_model(self, value: object) -> bool | None:
        """Whether a value has marks or known attributes; ``None`` if that cannot be told."""
        if isinstance(value, type):
            return False
        model = type(value)
        if model not in self._models:
            try:
                self._models[model] = (
                    dataclasses.is_dataclass(model)
                    or any(hasattr(model, name) for name in ("model_fields", "__mapper__", "__attrs_attrs__"))
                    or bool(_marked(model))
                )
            except InvalidInput:
                self._models[model] = None
        return self._models[model]

    def _attributes_of(self, model: type) -> dict[str, Kind | None]:
        if model not in self._names:
            marked = _marked(model)
            if dataclasses.is_dataclass(model):
                names = [field.name for field in dataclasses.fields(model)]
            elif hasattr(model, "__attrs_attrs__"):
                names = [attribute.name for attribute in getattr(model, "__attrs_attrs__")]
            else:
                names = list(getattr(model, "model_fields", None) or get_type_hints(model))
            names += [name for name, _ in _columns(model)]
            self._names[model] = {name: marked[name].kind if name in marked else None for name in names}
        return self._names[model]

    def attributes(self, instance: object) -> dict[str, Any]:
        model = type(instance)
        relationships = getattr(getattr(model, "__mapper__", None), "relationships", ())
        out: dict[str, Any] = {}
        self._seen[id(instance), None] = (instance, "...", True)
        for name, kind in self._attributes_of(model).items():
            if name in relationships and name not in vars(instance):
                continue
            out[name] = self._masked(getattr(instance, name, None), kind)
        self._seen[id(instance), None] = (instance, out, True)
        self._hidden += 1
        return out

    def _masked(self, value: Any, kind: Kind | None) -> Any:
        container = model = False
        if type(value) not in _SCALARS:
            container = _is_container(value)
            known = kind is not None or self.is_model(value)
            if known is None and not container:
                # Libraries have such classes: whether anything in them is marked cannot be told.
                self._hidden += 1
                return "***"
            model = kind is None and bool(known)
        if not model and not container:
            if kind is None or value is None:
                return value
            self._hidden += 1
            return mask(str(value), kind)
        if (id(value), kind) in self._seen:
            _, out, hidden = self._seen[id(value), kind]
            self._hidden += hidden
            return out
        if model:
            return self.attributes(value)
        before = self._hidden
        self._seen[id(value), kind] = (value, "...", True)
        out = self._collection(value, kind)
        if self._hidden == before and not isinstance(value, _BUILT_IN):
            # Others may show less of themselves than their entries, as the headers of httpx do.
            out = value
        self._seen[id(value), kind] = (value, out, self._hidden != before)
        return out

    def _collection(self, value: Any, kind: Kind | None) -> Any:
        pairs = _pairs(value)
        if pairs is None:
            return [self._masked(item, kind) for item in value]
        out: dict[Any, Any] = {}
        for key, item in pairs:
            name = self._masked_key(key, kind)
            # Masked keys may be alike, and none of the entries is to vanish.
            out[f"{name} ({len(out) + 1})" if name in out else name] = self._masked(item, kind)
        return out

    def _masked_key(self, key: Any, kind: Kind | None) -> Any:
        if kind is not None:
            self._hidden += 1
            return mask(str(key), kind)
        before = self._hidden
        masked = self._masked(key, None)
        # Keys are hashable: tuples stay what they are, unless something in them is hidden.
        return key if self._hidden == before else str(masked)


class TokenStore(Protocol):
    """Where a :class:`Vault` keeps its entries; every call is atomic."""

    def add(self, token: str, index: str, sealed: bytes) -> str:
        """Stores an entry unless the index is taken; returns the token that counts."""
        ...

    def get(self, token: str) -> bytes | None:
        """The sealed value of a token."""
        ...

    def remove(self, token: str) -> bool:
        """Forgets a token; False if there was none."""
        ...


class MemoryTokenStore:
    """For tests and single processes.

    CWE-359.

    >>> store = MemoryTokenStore()
    >>> store.add("tok_1", "index", b"sealed"), store.add("tok_2", "index", b"sealed")
    ('tok_1', 'tok_1')
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sealed: dict[str, bytes] = {}
        self._tokens: dict[str, str] = {}

    def add(self, token: str, index: str, sealed: bytes) -> str:
        with self._lock:
            known = self._tokens.setdefault(index, token)
            if known == token:
                self._sealed[token] = sealed
            return known

    def get(self, token: str) -> bytes | None:
        with self._lock:
            return self._sealed.get(token)

    def remove(self, token: str) -> bool:
        with self._lock:
            found = self._sealed.pop(token, None) is not None
            self._tokens = {index: kept for index, kept in self._tokens.items() if kept != token}
            return found


class SQLiteTokenStore:
    """Entries in an SQLite file that only its owner reads, shared by the threads and processes of one host.

    Forgotten entries are overwritten in the file. CWE-311, CWE-359, CWE-732; ASVS 5.0: v5.0.0-14.2.4.

    ``timeout`` is how many seconds to wait for a lock.

    Raises ``sqlite3.Error`` when the file cannot be used.

    >>> import tempfile, os
    >>> store = SQLiteTokenStore(os.path.join(tempfile.mkdtemp(), "vault.sqlite3"))
    >>> store.add("tok_1", "index", b"sealed"), store.get("tok_1"), store.remove("tok_1"), store.get("tok_1")
    ('tok_1', b'sealed', True, None)
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 5.0) -> None:
        self._files = PrivateDatabase(
            path,
            "CREATE TABLE IF NOT EXISTS pyward_vault (token TEXT PRIMARY KEY, entry TEXT NOT NULL UNIQUE, sealed BLOB NOT NULL) WITHOUT ROWID",
            timeout=timeout,
        )

    def add(self, token: str, index: str, sealed: bytes) -> str:
        """Stores an entry unless the index is taken; returns the token that counts."""
        connection = self._files.connection()
        while True:
            connection.execute("INSERT INTO pyward_vault VALUES (?, ?, ?) ON CONFLICT (entry) DO NOTHING", (token, index, sealed))
            row = connection.execute("SELECT token FROM pyward_vault WHERE entry = ?", (index,)).fetchone()
            # Gone already when somebody forgot the entry in between.
            if row is not None:
                return str(row[0])

    def get(self, token: str) -> bytes | None:
        """The sealed value of a token."""
        row = self._files.connection().execute("SELECT sealed FROM pyward_vault WHERE token = ?", (token,)).fetchone()
        return None if row is None else bytes(row[0])

    def remove(self, token: str) -> bool:
        """Forgets a token; False if there was none."""
        return self._files.connection().execute("DELETE FROM pyward_vault WHERE token = ?", (token,)).rowcount == 1

    def close(self) -> None:
        """Closes every connection; the store can be used again afterwards."""
        self._files.close()


class Vault:
    """Replaces values by random tokens and gives them back to whoever may ask.

    Unlike a pseudonym, a token says nothing about its value even to who has the keys; forgetting the entry makes the
    data anonymous. ``seal`` and ``unseal`` encrypt the stored values, with the token as associated data: give the
    methods of a ``pyward_guard.crypto`` key set. ``index_key`` (16 random bytes or more) finds a value's token again.

    Raises :class:`~pyward_guard.InvalidInput` for an ``index_key`` that is too short.

    CWE-311, CWE-359; ASVS 5.0: v5.0.0-14.2.4, v5.0.0-14.2.7.

    Raises:
        Refused: the token is not known.

    >>> vault = Vault(MemoryTokenStore(), index_key=bytes(16), seal=lambda v, ad: v, unseal=lambda v, ad: v)
    >>> token = vault.tokenise("4111111111111111", purpose="card")
    >>> vault.detokenise(token, purpose="card")
    '4111111111111111'
    """

    def __init__(
        self,
        store: TokenStore,
        *,
        index_key: bytes,
        seal: Callable[[bytes, bytes], bytes],
        unseal: Callable[[bytes, bytes], bytes],
    ) -> None:
        if len(index_key) < 16:
            raise InvalidInput("index_key has at least 16 bytes")
        self._store = store
        self._key = index_key
        self._seal = seal
        self._unseal = unseal

    def __repr__(self) -> str:
        return "Vault(...)"

    def tokenise(self, value: str, *, purpose: str) -> str:
        """The token of a value for a purpose, always the same while the entry exists."""
        token = "tok_" + secrets.token_urlsafe(18)
        index = pseudonym(value, key=self._key, purpose=f"vault:{purpose}")
        return self._store.add(token, index, self._seal(value.encode(), self._context(token, purpose)))

    def detokenise(self, token: str, *, purpose: str) -> str:
        """The value of a token; the purpose has to be the one it was made for (bound by the encryption)."""
        sealed = self._store.get(token) if self._may_exist(token) else None
        if sealed is None:
            raise Refused("refused: the token is not known")
        return self._unseal(sealed, self._context(token, purpose)).decode()

    def forget(self, token: str) -> bool:
        """Removes the entry: the token stands for nothing from then on. False if there was none."""
        return self._may_exist(token) and self._store.remove(token)

    @staticmethod
    def _may_exist(token: str) -> bool:
        # Half a surrogate pair, which JSON can hold, is no text to a database.
        try:
            token.encode()
        except UnicodeEncodeError:
            return False
        return True

    @staticmethod
    def _context(token: str, purpose: str) -> bytes:
        return f"pyward-vault:{len(purpose)}:{purpose}:{token}".encode()

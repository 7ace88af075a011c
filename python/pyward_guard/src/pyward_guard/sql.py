"""SQL without string building: text from literals only, values always bound, identifiers quoted, connections bounded.

:class:`SQL` takes a literal and nothing else: type checkers see ``LiteralString``, and at run time the text has to be a
constant of the calling code, so that f-strings, ``%``, ``+`` and anything that came from outside are refused. Fields
``{name}`` take values (bound as parameters), :class:`Identifier`, lists, or other :class:`SQL` with its own fields.

Practice: I2. Protects against CWE-89, CWE-564, CWE-943, CWE-400, CWE-404.

>>> quote_identifier('odd "name"', "mysql")
'`odd "name"`'
"""

from __future__ import annotations

import logging
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import _core
from ._core import InvalidInput, LimitExceeded, Refused
from ._optional import need
from ._core import sql_quote_identifier as quote_identifier

if TYPE_CHECKING:
    import sqlalchemy
    from typing_extensions import LiteralString

__all__ = [
    "SQL",
    "Compiled",
    "Database",
    "Identifier",
    "Query",
    "connect_mysql",
    "connect_postgresql",
    "connect_sqlite",
    "escape_like",
    "join",
    "query",
    "quote_identifier",
    "unchecked_sql",
]

_log = logging.getLogger("pyward_guard.sql")

Dialect = Literal["sqlite", "postgresql", "mysql"]
ParamStyle = Literal["qmark", "numeric", "named", "format", "pyformat"]


class Identifier:
    """A table, column or schema name, quoted for the database; ``Identifier("schema", "table")`` for a qualified one.

    With ``allowed``, only those names pass: for names that come from outside, such as a sort column.

    Raises :class:`~pyward_guard.InvalidInput` without a name.

    CWE-89; ASVS 5.0: v5.0.0-1.2.4.

    >>> SQL("select * from {t}").format(t=Identifier("order")).compile("qmark", "sqlite").text
    'select * from "order"'
    >>> Identifier("id; drop table users", allowed=["id", "name"])
    Traceback (most recent call last):
    pyward_guard.Refused: refused: the identifier is not one of those allowed
    """

    __slots__ = ("names",)

    def __init__(self, *names: str, allowed: Iterable[str] | None = None) -> None:
        if not names or not all(isinstance(name, str) for name in names):
            raise InvalidInput("an identifier has one or more names")
        if allowed is not None and not set(names) <= set(allowed):
            raise Refused("refused: the identifier is not one of those allowed")
        self.names = names

    def __repr__(self) -> str:
        return f"Identifier({', '.join(map(repr, self.names))})"


class Compiled(NamedTuple):
    """Text and parameters for a cursor: ``cursor.execute(*compiled)``."""

    text: str
    parameters: tuple[Any, ...] | dict[str, Any]


# Each item: literal text, an identifier, or a value to bind.
_Item = tuple[Literal["text", "value"], Any] | tuple[Literal["identifier"], Identifier]


class Query:
    """SQL with its values, ready to be compiled for a driver. Made by :meth:`SQL.format`, :func:`query` and :func:`join`.
    Raises :class:`~pyward_guard.Refused` when it is made by hand.
    CWE-89; ASVS 5.0: v5.0.0-1.2.4.
    """

    __slots__ = ("_items",)

    def __init__(self, items: tuple[_Item, ...], *, _made_here: object = None) -> None:
        if _made_here is not _TOKEN:
            raise Refused("refused: queries are made by SQL(...).format(...)")
        self._items = items

    def __repr__(self) -> str:
        shown = "".join(item[1] if item[0] == "text" else "?" if item[0] == "value" else repr(item[1]) for item in self._items)
        return f"<Query {shown}>"

    def compile(self, paramstyle: ParamStyle = "qmark", dialect: Dialect = "sqlite") -> Compiled:
        """The text with the driver's placeholders, and the parameters.

        Raises:
            Refused: the literal parts have a placeholder of the driver, which would shift the parameters.
        """
        out: list[str] = []
        values: list[Any] = []
        for item in self._items:
            if item[0] == "text":
                out.append(_core.sql_adapt(item[1], paramstyle))
            elif item[0] == "identifier":
                quoted = ".".join(quote_identifier(name, dialect) for name in item[1].names)
                out.append(quoted.replace("%", "%%") if paramstyle in ("format", "pyformat") else quoted)
            else:
                out.append(_core.sql_placeholder(paramstyle, len(values)))
                values.append(item[1])
        if paramstyle in ("named", "pyformat"):
            return Compiled("".join(out), {f"p{index}": value for index, value in enumerate(values)})
        return Compiled("".join(out), tuple(values))

    def to_sqlalchemy(self, dialect: Dialect = "postgresql") -> sqlalchemy.TextClause:
        """A SQLAlchemy ``text()`` with bound parameters.

        >>> str(SQL("select {x}").format(x=1).to_sqlalchemy())
        'select :p0'
        """
        try:
            import sqlalchemy
        except ImportError:
            raise need("sqlalchemy", "to_sqlalchemy") from None
        out: list[str] = []
        values: dict[str, Any] = {}
        for item in self._items:
            if item[0] == "text":
                # text() takes `:name` for a parameter anywhere, in strings too.
                out.append(item[1].replace(":", "\\:"))
            elif item[0] == "identifier":
                out.append(".".join(quote_identifier(name, dialect) for name in item[1].names).replace(":", "\\:"))
            else:
                out.append(f":p{len(values)}")
                values[f"p{len(values)}"] = item[1]
        return sqlalchemy.text("".join(out)).bindparams(**values)


_TOKEN = object()


def _made(items: Iterable[_Item]) -> Query:
    return Query(tuple(items), _made_here=_TOKEN)


def _is_constant(text: str, depth: int) -> bool:
    """True when this very object is a constant of the code that called."""
    code = sys._getframe(depth).f_code
    return any(constant is text for constant in code.co_consts)


class SQL:
    """A piece of SQL written in the code. Only a string literal is accepted, at the place where it is written.

    Raises :class:`~pyward_guard.InvalidInput` for anything but a str.

    ASVS 5.0: v5.0.0-1.2.4. CWE-89.

    Raises:
        Refused: the text is not a literal of the calling code; it has a second statement, an open string or comment, or a
            field within a string.

    >>> find = SQL("select id from users where name = {name} and role in {roles}")
    >>> find.format(name="x' or '1'='1", roles=["admin", "owner"]).compile("qmark", "sqlite")
    Compiled(text='select id from users where name = ? and role in (?, ?)', parameters=("x' or '1'='1", 'admin', 'owner'))
    >>> name = "ada"
    >>> SQL(f"select id from users where name = '{name}'")
    Traceback (most recent call last):
    pyward_guard.Refused: refused: SQL takes a string literal, written where SQL is called
    """

    __slots__ = ("_parts",)

    def __init__(self, text: LiteralString) -> None:
        if type(text) is not str:
            raise InvalidInput("SQL takes a string literal")
        if not _is_constant(text, 2):
            raise Refused("refused: SQL takes a string literal, written where SQL is called")
        self._parts = _core.sql_split(text)

    def __repr__(self) -> str:
        return "SQL(" + repr("".join(f"{{{text}}}" if field else text for field, text in self._parts)) + ")"

    def format(self, **fields: Any) -> Query:
        """Fills the fields: values are bound, lists and tuples become ``(?, ?)``, :class:`Identifier` is quoted, and
        :class:`Query` or :class:`SQL` goes in as SQL.

        Raises:
            InvalidInput: a field is missing or unknown, or a list is empty (``IN ()`` is not SQL, and what was meant by it
                differs).
        """
        wanted = {text for field, text in self._parts if field}
        if wanted != fields.keys():
            missing, unknown = sorted(wanted - fields.keys()), sorted(fields.keys() - wanted)
            raise InvalidInput(f"fields missing: {missing}, fields unknown: {unknown}")
        items: list[_Item] = []
        for field, text in self._parts:
            if field:
                items.extend(_field(fields[text]))
            else:
                items.append(("text", text))
        return _made(items)


def _field(value: Any) -> list[_Item]:
    if isinstance(value, Query):
        return list(value._items)
    if isinstance(value, SQL):
        return list(value.format()._items)
    if isinstance(value, Identifier):
        return [("identifier", value)]
    if isinstance(value, (list, tuple, set, frozenset)):
        values = list(value)
        if not values:
            raise InvalidInput("a list of values is empty")
        items: list[_Item] = [("text", "(")]
        for index, each in enumerate(values):
            if index:
                items.append(("text", ", "))
            items.extend(_field(each) if isinstance(each, Identifier) else [("value", _value(each))])
        return [*items, ("text", ")")]
    return [("value", _value(value))]


def _value(value: Any) -> Any:
    # Drivers that put values into the text take a mapping apart, and old ones do not quote its keys (CVE-2024-36039).
    if isinstance(value, Mapping):
        raise InvalidInput("a mapping is not a value of SQL; use the JSON type of the driver or json.dumps")
    if isinstance(value, (Query, SQL, Identifier)):
        raise InvalidInput("a list has values, or is put together by join()")
    if hasattr(value, "__clause_element__") or type(value).__module__.partition(".")[0] == "sqlalchemy":
        raise InvalidInput("expressions of SQLAlchemy are not values")
    return value


def unchecked_sql(text: str, *, reason: str) -> Query:
    """SQL from elsewhere than the code, such as a migration file: nothing is checked but the log line that is left.

    Raises :class:`~pyward_guard.InvalidInput` without a reason.

    CWE-89.

    >>> unchecked_sql("select 1", reason="reviewed migration").compile().text
    'select 1'
    """
    if not reason:
        raise InvalidInput("a reason is needed")
    _log.warning("SQL that is not a literal is used: %s", reason)
    return _made([("text", text)])


def join(separator: Literal[", ", " and ", " or ", " union all ", " "], parts: Iterable[Query | SQL | Identifier]) -> Query:
    """Clauses joined by a separator, for conditions and column lists put together by a program.

    Parts joined by ``and`` and ``or`` are put in parentheses.

    Raises :class:`~pyward_guard.InvalidInput` for another separator, for strings, and for nothing to join.

    CWE-89; ASVS 5.0: v5.0.0-1.2.4.

    >>> where = join(" and ", [SQL("a = {x}").format(x=1), SQL("b is null or c")])
    >>> SQL("select 1 where {w}").format(w=where).compile().text
    'select 1 where (a = ?) and (b is null or c)'
    """
    if separator not in (", ", " and ", " or ", " union all ", " "):
        raise InvalidInput("the separator is one of ', ', ' and ', ' or ', ' union all ', ' '")
    items: list[_Item] = []
    wrap = separator in (" and ", " or ")
    for index, part in enumerate(parts):
        if not isinstance(part, (Query, SQL, Identifier)):
            raise InvalidInput("parts are Query, SQL or Identifier, not strings")
        if index:
            items.append(("text", separator))
        inner = _field(part)
        items.extend([("text", "("), *inner, ("text", ")")] if wrap else inner)
    if not items:
        raise InvalidInput("there is nothing to join")
    return _made(items)


def query(template: Any) -> Query:
    """A query from a template string (``t"..."``, Python 3.14): what stands in braces is filled as by :meth:`SQL.format`.

    Raises :class:`~pyward_guard.InvalidInput` for a str, :class:`~pyward_guard.Refused` for a conversion or format in the
    braces.

    CWE-89; ASVS 5.0: v5.0.0-1.2.4.

    Example: ``query(t"select * from {Identifier(table)} where id = {user_id}")``
    """
    if isinstance(template, str) or not (hasattr(template, "strings") and hasattr(template, "interpolations")):
        raise InvalidInput('query takes a template string (t"..."), not a str')
    values = list(template.interpolations)
    text = "".join(
        literal.replace("{", "{{").replace("}", "}}") + (f"{{f{index}}}" if index < len(values) else "")
        for index, literal in enumerate(template.strings)
    )
    items: list[_Item] = []
    for field, part in _core.sql_split(text):
        if not field:
            items.append(("text", part))
            continue
        given = values[int(part[1:])]
        if given.conversion is not None or given.format_spec:
            raise Refused("refused: a conversion or format would turn a value into text")
        items.extend(_field(given.value))
    return _made(items)


def escape_like(text: str, *, escape: str = "!") -> str:
    """Text for the inside of a ``LIKE`` pattern, with ``%`` and ``_`` taken literally; write ``LIKE {p} ESCAPE '!'``.

    Raises :class:`~pyward_guard.InvalidInput` for an ``escape`` of other than one character.

    CWE-89, CWE-943; ASVS 5.0: v5.0.0-1.2.4.

    >>> "%" + escape_like("50%_off") + "%"
    '%50!%!_off%'
    """
    if len(escape) != 1:
        raise InvalidInput("the escape character is one character")
    try:
        return _core.sql_escape_like(text, escape)
    except UnicodeEncodeError:
        raise InvalidInput("the text is not valid Unicode") from None


class Database:
    """A connection that takes :class:`Query` only, with bounds on rows and statements. Made by the ``connect_...`` functions.

    One transaction: it is committed when the block ends, rolled back on an error, and the connection is closed in any
    case. Not for use by several threads at once.

    CWE-89; ASVS 5.0: v5.0.0-1.2.4, v5.0.0-2.3.3.

    Raises:
        InvalidInput: ``max_rows`` or ``max_statements`` is negative.
        Refused: a statement, or the end of the block, after the database has rolled the transaction back on an error.

    >>> with connect_sqlite(":memory:") as db:
    ...     db.fetch_one(SQL("select {a} + 1").format(a=1))
    (2,)
    """

    def __init__(
        self,
        connection: Any,
        *,
        paramstyle: ParamStyle,
        dialect: Dialect,
        max_rows: int = 10_000,
        max_statements: int = 1_000,
        before: Any = None,
        open_after: Callable[[BaseException | None], bool] = lambda error: False,
    ) -> None:
        self._connection = connection
        self._paramstyle: ParamStyle = paramstyle
        self._dialect: Dialect = dialect
        self._max_rows = max_rows
        self._left = max_statements
        if max_rows < 0 or max_statements < 0:
            raise InvalidInput("max_rows and max_statements are not negative")
        self._before = before
        self._open_after = open_after
        self._lost = False

    @contextmanager
    def _cursor(self, statement: Query | SQL) -> Iterator[Any]:
        if isinstance(statement, SQL):
            statement = statement.format()
        if not isinstance(statement, Query):
            raise Refused("refused: a statement is made by SQL(...).format(...), not a str")
        self._check()
        if self._left <= 0:
            raise LimitExceeded("limit exceeded: too many statements on one connection")
        self._left -= 1
        compiled = statement.compile(self._paramstyle, self._dialect)
        if self._before is not None:
            self._before(compiled.text)
        began = self._open_after(None)
        cursor = self._connection.cursor()
        try:
            cursor.execute(*compiled)
            yield cursor
        except BaseException as error:
            # Databases roll back by themselves on some errors: SQLite when interrupted, when the disk is full and for `or
            # rollback`, MySQL on a deadlock. What the caller does next would be committed without what came before. A
            # rollback of the caller's own is no error.
            self._lost = began and not self._open_after(error)
            raise
        finally:
            cursor.close()

    def _check(self) -> None:
        if self._lost:
            raise Refused("refused: an error has rolled the transaction back; begin again with another connection")

    def execute(self, statement: Query | SQL) -> int:
        """Runs a statement; returns the number of rows it changed (-1 if the driver does not say)."""
        with self._cursor(statement) as cursor:
            return int(cursor.rowcount)

    def fetch_all(self, statement: Query | SQL) -> list[tuple[Any, ...]]:
        """All rows; more than ``max_rows`` is a :class:`LimitExceeded`."""
        with self._cursor(statement) as cursor:
            rows = cursor.fetchmany(self._max_rows + 1)
        if len(rows) > self._max_rows:
            raise LimitExceeded(f"limit exceeded: more than {self._max_rows} rows")
        return [tuple(row) for row in rows]

    def fetch_one(self, statement: Query | SQL) -> tuple[Any, ...] | None:
        """The only row, or ``None``; several are an :class:`InvalidInput`."""
        with self._cursor(statement) as cursor:
            rows = cursor.fetchmany(2)
        if len(rows) > 1:
            raise InvalidInput("more than one row")
        return tuple(rows[0]) if rows else None


@contextmanager
def _session(connection: Any, database: Database) -> Iterator[Database]:
    try:
        try:
            yield database
            database._check()
        except BaseException:
            with suppress(Exception):
                connection.rollback()
            raise
        connection.commit()
    finally:
        connection.close()


@contextmanager
def connect_sqlite(
    path: str | os.PathLike[str],
    *,
    read_only: bool = False,
    create: bool = False,
    immediate: bool = False,
    lock_timeout: float = 5.0,
    statement_timeout: float = 10.0,
    max_rows: int = 10_000,
    max_statements: int = 1_000,
    max_length: int = 10_000_000,
) -> Iterator[Database]:
    """A SQLite connection with foreign keys on, schemas untrusted, extensions and ``ATTACH`` off, and time limits.

    ``path`` is trusted (``":memory:"`` for none); a missing file is an error unless ``create``. Times are seconds,
    ``max_length`` the bytes of a row, a text or a statement (Python 3.11 and later). The transaction takes its locks when it
    needs them, and one that writes after it has read is refused at once when others wrote in between; ``immediate`` takes
    the lock for writing at the start, waiting for others up to ``lock_timeout``. A ``begin`` of your own as the first
    statement counts in place of that.

    ASVS 5.0: v5.0.0-1.2.4, v5.0.0-13.2.6, v5.0.0-13.2.2. CWE-89, CWE-400, CWE-404.

    Raises:
        sqlite3.OperationalError: the file is missing or locked, or a statement took too long (``interrupted``).
        InvalidInput: a time or a bound is negative, not a number or over a day; ``immediate`` and ``read_only`` together.
        Refused: the block goes on, or ends, after an error on which SQLite rolled all of it back; a ``begin`` within it.

    >>> with connect_sqlite(":memory:") as db:
    ...     _ = db.execute(SQL("create table t (a integer)"))
    ...     _ = db.execute(SQL("insert into t values ({a})").format(a=1))
    ...     db.fetch_all(SQL("select a from t"))
    [(1,)]
    """
    import sqlite3

    _milliseconds(statement_timeout, "statement_timeout")
    if immediate and read_only:
        raise InvalidInput("immediate takes the lock for writing, which read_only does not need")
    if not 0 < max_length < 1 << 31:
        raise InvalidInput("max_length is 1 to 2147483647 bytes")
    if not 0 <= lock_timeout <= 86_400:
        raise InvalidInput("lock_timeout is 0 to 86400 seconds")
    if os.fspath(path) == ":memory:":
        uri = ":memory:"
    else:
        mode = "ro" if read_only else "rwc" if create else "rw"
        uri = Path(path).absolute().as_uri() + f"?mode={mode}"
    if create and not read_only and uri != ":memory:":
        # Made by us, so that it is private from the start.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    # Transactions are begun by us: the module would begin none for DDL, nor for what starts with a comment or `with`.
    connection = sqlite3.connect(uri, timeout=lock_timeout, uri=uri != ":memory:", isolation_level=None)
    try:
        for statement in (
            "pragma foreign_keys = on",
            "pragma trusted_schema = off",
            "pragma cell_size_check = on",
            "pragma mmap_size = 0",
        ):
            connection.execute(statement)
        if read_only:
            connection.execute("pragma query_only = on")
        if sys.version_info >= (3, 12):
            # A name in double quotes that there is no column for would be taken for a string.
            connection.setconfig(sqlite3.SQLITE_DBCONFIG_DQS_DML, False)
            connection.setconfig(sqlite3.SQLITE_DBCONFIG_DQS_DDL, False)
            connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
        if sys.version_info >= (3, 11):
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max_length)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, min(max_length, 1_000_000))
        deadline = [0.0]

        def before(text: str) -> None:
            begin = text.lstrip()[:5].lower() == "begin"
            if begin and connection.in_transaction:
                raise Refused("refused: the transaction has begun already (immediate=True takes its lock at once)")
            if not begin and not connection.in_transaction:
                # Waiting for the lock has its own limit.
                deadline[0] = math.inf
                connection.execute("begin immediate" if immediate else "begin")
            deadline[0] = time.monotonic() + statement_timeout

        connection.set_progress_handler(lambda: time.monotonic() > deadline[0], 10_000)
        connection.set_authorizer(_sqlite_authorizer)
        database = Database(
            connection,
            paramstyle="qmark",
            dialect="sqlite",
            max_rows=max_rows,
            max_statements=max_statements,
            before=before,
            open_after=lambda error: connection.in_transaction,
        )
    except BaseException:
        connection.close()
        raise
    with _session(connection, database):
        yield database


def _sqlite_authorizer(action: int, first: str | None, second: str | None, *_: Any) -> int:
    import sqlite3

    if action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in ("load_extension", "fts3_tokenizer", "writefile", "edit"):
        return sqlite3.SQLITE_DENY
    # Settings that weaken what was set up; reading them is fine.
    if action == sqlite3.SQLITE_PRAGMA and second is not None and (first or "").lower() in (
        "foreign_keys", "trusted_schema", "query_only", "writable_schema", "journal_mode", "synchronous", "temp_store_directory",
        "data_store_directory", "ignore_check_constraints", "mmap_size", "legacy_alter_table", "defer_foreign_keys",
        "cell_size_check", "busy_timeout", "locking_mode", "soft_heap_limit", "hard_heap_limit", "max_page_count",
    ):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _milliseconds(seconds: float, name: str) -> int:
    if not 0.001 <= seconds <= 86_400:
        raise InvalidInput(f"{name} is 0.001 to 86400 seconds")
    return int(seconds * 1000)


def _local(host: str | None) -> bool:
    return host is None or host.startswith("/") or host in ("localhost", "127.0.0.1", "::1")


# Settings that PostgreSQL takes only before a transaction has read anything, such as its isolation level.
_SETS_NO_WRITING = re.compile(
    r"(?is)(?:\s|--[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)*"
    r"(?:set\s+transaction|set\s+local\s+(?!transaction|default_transaction|session)\w+|begin|start\s+transaction)\b(?!.*write)[^;]*\Z"
)


@contextmanager
def connect_postgresql(
    conninfo: str = "",
    *,
    read_only: bool = False,
    connect_timeout: int = 5,
    statement_timeout: float = 10.0,
    lock_timeout: float = 5.0,
    idle_timeout: float = 60.0,
    max_rows: int = 10_000,
    max_statements: int = 1_000,
    search_path: Sequence[str] = ("public",),
    **parameters: Any,
) -> Iterator[Database]:
    """A PostgreSQL connection (psycopg 3) with time limits, a fixed search path, and TLS with a verified certificate
    unless the server is local.

    ``conninfo`` and ``parameters`` are libpq's, and its variables (``PGHOST``, ...) count; a weaker ``sslmode`` than
    ``verify-full`` for a remote server is refused. Times are seconds. ``read_only`` transactions stay so, but guard against
    mistakes: where SQL may come from others (:func:`unchecked_sql`), use a role that has no right to write.

    Raises :class:`~pyward_guard.InvalidInput` for times out of range, and for ``options``, ``autocommit`` and ``row_factory``.

    ASVS 5.0: v5.0.0-1.2.4, v5.0.0-12.3.1, v5.0.0-13.2.6, v5.0.0-13.2.2. CWE-89, CWE-295, CWE-319, CWE-400, CWE-404.

    Raises:
        MissingPackage: psycopg is not installed.
        Refused: a remote server without verified TLS; the block ends, or commits, after a caught error, on which PostgreSQL
            takes back the whole transaction unless it is rolled back to a savepoint.
        psycopg.errors.QueryCanceled: a statement took too long.

    Example: ``with connect_postgresql("host=db.example.org dbname=app user=app") as db: ...``
    """
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError:
        raise need("psycopg", "connect_postgresql") from None
    if connect_timeout < 1:
        raise InvalidInput("connect_timeout is at least 1 second")
    given: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(conninfo, **parameters)
    if given.get("service") or os.environ.get("PGSERVICE"):
        raise InvalidInput("a service file is not read: name the server by host")
    # Both: the address is what is connected to, the name what a certificate is checked against.
    hosts = [str(given.get(key) or os.environ.get(variable) or "") for key, variable in (("host", "PGHOST"), ("hostaddr", "PGHOSTADDR"))]
    remote = not all(_local(host or None) for listed in hosts for host in listed.split(","))
    if remote and given.setdefault("sslmode", "verify-full") != "verify-full":
        raise Refused("refused: a remote PostgreSQL server is used with sslmode=verify-full only")
    # libpq prefers encryption by Kerberos, whatever the sslmode.
    if remote and given.setdefault("gssencmode", "disable") != "disable":
        raise Refused("refused: a remote PostgreSQL server is used with gssencmode=disable only")
    if remote and not os.environ.get("PGSSLROOTCERT"):
        given.setdefault("sslrootcert", "system")
    settings = {
        "statement_timeout": _milliseconds(statement_timeout, "statement_timeout"),
        "lock_timeout": _milliseconds(lock_timeout, "lock_timeout"),
        "idle_in_transaction_session_timeout": _milliseconds(idle_timeout, "idle_timeout"),
        "default_transaction_read_only": "on" if read_only else "off",
        "standard_conforming_strings": "on",
    }
    fixed = {name for name in ("options", "autocommit", "row_factory") if given.get(name)}
    if fixed:
        raise InvalidInput(f"set by connect_postgresql: {sorted(fixed)}")
    given["options"] = " ".join(f"-c {name}={value}" for name, value in settings.items())
    given.setdefault("application_name", "pyward-guard")
    given["connect_timeout"] = connect_timeout
    connection = psycopg.connect(**given)
    try:
        if search_path:
            path = ", ".join(quote_identifier(name, "postgresql") for name in search_path)
            connection.execute(b"set search_path to " + path.encode())
            connection.commit()
        connection.read_only = read_only
        status = psycopg.pq.TransactionStatus
        unread = [True]

        def before(text: str) -> None:
            now = connection.info.transaction_status
            if now == status.INERROR:
                if re.match(r"\s*(commit|end)\b", text, re.IGNORECASE):
                    raise Refused("refused: after an error the transaction can only be rolled back")
            elif read_only and (unread[0] or now == status.IDLE):
                # It can be changed to one that writes until it has read something.
                unread[0] = bool(_SETS_NO_WRITING.match(text))
                if not unread[0]:
                    connection.execute("select 1")
            # `commit and chain` begins another.
            unread[0] = unread[0] or "chain" in text.lower()

        database = Database(
            connection, paramstyle="format", dialect="postgresql", max_rows=max_rows, max_statements=max_statements, before=before
        )
    except BaseException:
        connection.close()
        raise
    with _session(connection, database):
        yield database
        # The server would answer a commit by a rollback, without an error. What only reads loses nothing.
        database._lost = not read_only and connection.info.transaction_status == status.INERROR


# On these the server may have rolled back: a record changed (MariaDB's snapshot isolation), lock wait, lock table full, deadlock.
_MYSQL_ROLLBACKS = ((1020,), (1205,), (1206,), (1213,))


@contextmanager
def connect_mysql(
    *,
    host: str,
    user: str,
    password: str,
    database: str,
    read_only: bool = False,
    connect_timeout: int = 5,
    statement_timeout: float = 10.0,
    lock_timeout: float = 5.0,
    max_rows: int = 10_000,
    max_statements: int = 1_000,
    ca_file: str | os.PathLike[str] | None = None,
    client_cert: str | os.PathLike[str] | None = None,
    client_key: str | os.PathLike[str] | None = None,
    client_key_password: str = "",
    **parameters: Any,
) -> Iterator[Database]:
    """A MySQL or MariaDB connection (PyMySQL) with strict mode, time limits, ``LOAD DATA LOCAL`` and several statements at once
    off, and TLS with a verified certificate unless the server is local.

    Times are seconds. ``ca_file`` is the certificate authority of the server, the system's by default; ``client_cert`` and
    ``client_key`` are PEM files of a certificate of our own (the key may be in the first), and ask for TLS of a local server, too.

    ASVS 5.0: v5.0.0-1.2.4, v5.0.0-12.3.1, v5.0.0-13.2.6, v5.0.0-13.2.2. CWE-89, CWE-295, CWE-319, CWE-400, CWE-404.

    Raises:
        MissingPackage: PyMySQL is not installed.
        InvalidInput: a parameter that would weaken the connection, or a ``client_key`` without ``client_cert``.
        Refused: a remote server without TLS; the block goes on, or ends, after a deadlock that rolled all of it back.
        OSError: a certificate or key cannot be read.
        pymysql.err.MySQLError: a statement or lock took too long, or what the server has against it.

    Example: ``with connect_mysql(host="db.example.org", user="app", password=..., database="app") as db: ...``
    """
    try:
        import pymysql
    except ImportError:
        raise need("pymysql", "connect_mysql") from None
    # Any `ssl_...` makes the driver build a context in place of ours, as a rule one that verifies nothing; files may say so, too.
    fixed = [
        name for name in parameters
        if name.startswith(("ssl", "read_default_"))
        or name in ("local_infile", "client_flag", "init_command", "sql_mode", "autocommit", "charset", "read_timeout", "write_timeout")
    ]  # fmt: skip
    if fixed:
        raise InvalidInput(f"set by connect_mysql: {sorted(fixed)} (for TLS: ca_file, client_cert, client_key)")
    if client_key is not None and client_cert is None:
        raise InvalidInput("client_key needs client_cert")
    if client_cert is not None or not _local(host):
        import ssl

        context = ssl.create_default_context(cafile=None if ca_file is None else os.fspath(ca_file))
        if client_cert is not None:
            # A function, since OpenSSL would ask for a missing password at the terminal.
            context.load_cert_chain(client_cert, client_key, password=lambda: client_key_password)
        parameters["ssl"] = context
    connection = pymysql.connect(
        host=host,
        user=user,
        password=password,
        database=database,
        connect_timeout=connect_timeout,
        read_timeout=max(1, int(statement_timeout) + 1),
        write_timeout=max(1, int(statement_timeout) + 1),
        charset="utf8mb4",
        local_infile=False,
        autocommit=False,
        sql_mode="STRICT_ALL_TABLES,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
        **parameters,
    )
    try:
        # Old versions of the driver go on without TLS when the server does not offer it.
        if "ssl" in parameters and not getattr(connection, "_secure", False):
            raise Refused("refused: the connection to the MySQL server has no TLS")
        with connection.cursor() as cursor:
            cursor.execute("select version()")
            version = str(cursor.fetchone()[0])
            if "mariadb" in version.lower():
                cursor.execute("set session max_statement_time = %s", (_milliseconds(statement_timeout, "statement_timeout") / 1000,))
            else:
                cursor.execute("set session max_execution_time = %s", (_milliseconds(statement_timeout, "statement_timeout"),))
            cursor.execute("set session innodb_lock_wait_timeout = %s", (max(1, int(lock_timeout)),))
            cursor.execute("set session transaction read only" if read_only else "set session transaction read write")
        connection.commit()

        def open_after(error: BaseException | None) -> bool:
            if error is not None:
                # After others it may be closed by a commit, which statements such as `create table` bring about.
                if not isinstance(error, pymysql.err.MySQLError) or error.args[:1] not in _MYSQL_ROLLBACKS:
                    return True
                # Errors do not say whether the transaction is still open, but any other answer does.
                with suppress(pymysql.err.Error, OSError):
                    connection.ping(reconnect=False)
            return bool((getattr(connection, "server_status") or 0) & 1)

        made = Database(
            connection, paramstyle="format", dialect="mysql", max_rows=max_rows, max_statements=max_statements, open_after=open_after
        )
    except BaseException:
        connection.close()
        raise
    with _session(connection, made):
        yield made

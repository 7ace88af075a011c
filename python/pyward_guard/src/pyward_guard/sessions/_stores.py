"""Where sessions are kept. A store sees keys (hashes of ids), opaque records, users and end times; never an id."""

from __future__ import annotations

import asyncio
import os
import queue
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager, suppress
from inspect import iscoroutinefunction, signature
from types import FunctionType
from typing import TYPE_CHECKING, Any, Protocol, cast

from .._core import InvalidInput, SessionMemory
from .._optional import need
from .._sqlite import PrivateDatabase

if TYPE_CHECKING:
    import psycopg
    import redis
    import redis.asyncio

Found = list[tuple[bytes, bytes]]


class Store(Protocol):
    """What a store does. Times are milliseconds since the Unix epoch; ``until`` is when a record may be dropped."""

    def get(self, key: bytes, /) -> bytes | None:
        """The record under a key."""
        ...

    def insert(self, key: bytes, user: str | None, until: int, record: bytes, now: int, /) -> None:
        """Adds a record under a new key."""
        ...

    def replace(self, key: bytes, user: str | None, until: int, record: bytes, expected: bytes | None = None, /) -> bool:
        """Overwrites a record that is there; False, and nothing is written, when it is gone or not ``expected`` any more."""
        ...

    def rotate(
        self, key: bytes, user: str | None, new: bytes, new_user: str | None, until: int, record: bytes, now: int, expected: bytes | None = None, /
    ) -> bool:
        """Moves a record that is there to a new key, in one step; False when it is gone or not ``expected`` any more."""
        ...

    def delete(self, key: bytes, user: str | None, /) -> bool:
        """Drops a record; False when there is none. ``user`` may be None when it is not known."""
        ...

    def of_user(self, user: str, /) -> Found:
        """Keys and records of a user, at one moment: a session that is rotated meanwhile is not missed."""
        ...

    def delete_of_user(self, user: str, keep: bytes | None, origin: bytes, /) -> int:
        """Drops a user's records, at one moment, and returns how many: a session that is rotated meanwhile is not missed.

        The record under ``keep`` stays, and so do those that do not begin with ``origin``.
        """
        ...

    def purge(self, now: int, /) -> int:
        """Drops what is over; returns how many."""
        ...


class AsyncStore(Protocol):
    """As :class:`Store`, awaitable."""

    async def get(self, key: bytes, /) -> bytes | None: ...
    async def insert(self, key: bytes, user: str | None, until: int, record: bytes, now: int, /) -> None: ...
    async def replace(self, key: bytes, user: str | None, until: int, record: bytes, expected: bytes | None = None, /) -> bool: ...
    async def rotate(
        self, key: bytes, user: str | None, new: bytes, new_user: str | None, until: int, record: bytes, now: int, expected: bytes | None = None, /
    ) -> bool: ...
    async def delete(self, key: bytes, user: str | None, /) -> bool: ...
    async def of_user(self, user: str, /) -> Found: ...
    async def delete_of_user(self, user: str, keep: bytes | None, origin: bytes, /) -> int: ...
    async def purge(self, now: int, /) -> int: ...


class MemoryStore:
    """Sessions in this process: fast, and gone with it. For tests and single-process applications.

    CWE-384, CWE-613; ASVS 5.0: v5.0.0-7.2.1.

    >>> len(MemoryStore(limit=1000))
    0
    """

    def __init__(self, limit: int = 1_000_000) -> None:
        self._memory = SessionMemory(limit)
        self.get = self._memory.get
        self.insert = self._memory.insert
        self.replace = self._memory.replace
        self.of_user = self._memory.of_user
        self.delete_of_user = self._memory.remove_of_user
        self.purge = self._memory.purge

    def rotate(
        self, key: bytes, user: str | None, new: bytes, new_user: str | None, until: int, record: bytes, now: int, expected: bytes | None = None, /
    ) -> bool:
        return self._memory.rotate(key, new, new_user, until, record, expected)

    def delete(self, key: bytes, user: str | None, /) -> bool:
        return self._memory.remove(key)

    def __len__(self) -> int:
        return len(self._memory)


# -- SQL ------------------------------------------------------------------------------------------------


def _statements(table: str, mark: str, binary: str, big: str) -> dict[str, str]:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,40}", table):
        raise InvalidInput("a table name is a plain identifier of at most 41 characters")
    # The name was checked to be an identifier; everything else is a parameter.
    m = mark
    return {
        "create": (
            f"CREATE TABLE IF NOT EXISTS {table} (key {binary} PRIMARY KEY, user_name TEXT, until {big} NOT NULL, record {binary} NOT NULL);"
            f"CREATE INDEX IF NOT EXISTS {table}_user ON {table} (user_name) WHERE user_name IS NOT NULL;"
            f"CREATE INDEX IF NOT EXISTS {table}_until ON {table} (until)"
        ),
        "get": f"SELECT record FROM {table} WHERE key = {m}",
        "insert": f"INSERT INTO {table} (key, user_name, until, record) VALUES ({m}, {m}, {m}, {m})",
        "replace": f"UPDATE {table} SET user_name = {m}, until = {m}, record = {m} WHERE key = {m}",
        "replace_expected": f"UPDATE {table} SET user_name = {m}, until = {m}, record = {m} WHERE key = {m} AND record = {m}",
        "rotate": f"UPDATE {table} SET key = {m}, user_name = {m}, until = {m}, record = {m} WHERE key = {m}",
        "rotate_expected": f"UPDATE {table} SET key = {m}, user_name = {m}, until = {m}, record = {m} WHERE key = {m} AND record = {m}",
        "delete": f"DELETE FROM {table} WHERE key = {m}",
        "of_user": f"SELECT key, record FROM {table} WHERE user_name = {m}",
        # One statement: what is rotated meanwhile is the same row, and the database waits for it.
        "delete_of_user": f"DELETE FROM {table} WHERE user_name = {m} AND key <> {m} AND substr(record, 1, length({m})) = {m}",
        "purge": f"DELETE FROM {table} WHERE until <= {m}",
    }


def _expecting(name: str, parameters: tuple[Any, ...], expected: bytes | None) -> tuple[str, tuple[Any, ...]]:
    return (name, parameters) if expected is None else (f"{name}_expected", (*parameters, expected))


class _SqlStore(ABC):
    """What the statements do, whichever database runs them."""

    _sql: dict[str, str]

    @abstractmethod
    def _count(self, name: str, parameters: tuple[Any, ...]) -> int:
        """Runs a statement; the number of rows that it changed."""

    @abstractmethod
    def _rows(self, name: str, parameters: tuple[Any, ...]) -> list[Any]:
        """Runs a query."""

    def get(self, key: bytes, /) -> bytes | None:
        rows = self._rows("get", (key,))
        return bytes(rows[0][0]) if rows else None

    def insert(self, key: bytes, user: str | None, until: int, record: bytes, now: int, /) -> None:
        self._count("insert", (key, user, until, record))

    def replace(self, key: bytes, user: str | None, until: int, record: bytes, expected: bytes | None = None, /) -> bool:
        return self._count(*_expecting("replace", (user, until, record, key), expected)) == 1

    def rotate(
        self, key: bytes, user: str | None, new: bytes, new_user: str | None, until: int, record: bytes, now: int, expected: bytes | None = None, /
    ) -> bool:
        return self._count(*_expecting("rotate", (new, new_user, until, record, key), expected)) == 1

    def delete(self, key: bytes, user: str | None, /) -> bool:
        return self._count("delete", (key,)) == 1

    def of_user(self, user: str, /) -> Found:
        return [(bytes(key), bytes(record)) for key, record in self._rows("of_user", (user,))]

    def delete_of_user(self, user: str, keep: bytes | None, origin: bytes, /) -> int:
        return self._count("delete_of_user", (user, keep or b"", origin, origin))

    def purge(self, now: int, /) -> int:
        return self._count("purge", (now,))


class SQLiteStore(_SqlStore):
    """Sessions in an SQLite file (WAL), shared by the processes of one host. The file is readable by its owner only.

    ``timeout`` is how many seconds to wait for a lock.

    CWE-384, CWE-613; ASVS 5.0: v5.0.0-7.2.1, v5.0.0-7.4.1.

    >>> import tempfile, os
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = SQLiteStore(os.path.join(folder.name, "sessions.sqlite3"))
    >>> store.insert(b"k" * 32, "ada", 10, b"record", 0)
    >>> store.of_user("ada")[0][1]
    b'record'
    >>> store.purge(10)
    1
    >>> store.close(); folder.cleanup()
    """

    def __init__(self, path: str | os.PathLike[str] = "sessions.sqlite3", *, table: str = "pyward_sessions", timeout: float = 5.0) -> None:
        self._sql = _statements(table, "?", "BLOB", "INTEGER")
        self._files = PrivateDatabase(path, self._sql["create"], timeout=timeout)

    def close(self) -> None:
        """Closes every connection; the store can be used again afterwards."""
        self._files.close()

    def _count(self, name: str, parameters: tuple[Any, ...]) -> int:
        return self._files.connection().execute(self._sql[name], parameters).rowcount

    def _rows(self, name: str, parameters: tuple[Any, ...]) -> list[Any]:
        return self._files.connection().execute(self._sql[name], parameters).fetchall()


class _PostgresPool:
    """A few connections to one database, for callers who bring no pool of their own."""

    def __init__(self, conninfo: str, size: int) -> None:
        self._conninfo = conninfo
        self._size = size
        self._inherited: list[Any] = []
        self._fill()

    def _fill(self) -> None:
        self._process = os.getpid()
        self._free: queue.LifoQueue[psycopg.Connection[Any] | None] = queue.LifoQueue()
        for _ in range(self._size):
            self._free.put(None)

    @contextmanager
    def __call__(self) -> Iterator[psycopg.Connection[Any]]:
        import psycopg

        if self._process != os.getpid():
            # Connections from before a fork are the parent's: on a shared one, processes would read each other's
            # answers. Kept, since closing them would end them for the parent.
            self._inherited.append(self._free)
            self._fill()
        connection = self._free.get(timeout=30)
        try:
            if connection is None or connection.closed:
                connection = psycopg.connect(self._conninfo, autocommit=True)
            yield connection
        except psycopg.OperationalError:
            if connection is not None and connection.closed:
                # What ended this one, such as a restart of the server, ended those that lie idle too.
                self.close()
            raise
        finally:
            self._free.put(connection)

    def close(self) -> None:
        # All are taken out before any is put back: the queue would give that one again.
        free: list[psycopg.Connection[Any] | None] = []
        with suppress(queue.Empty):
            while True:
                free.append(self._free.get_nowait())
        for connection in free:
            if connection is not None:
                connection.close()
            self._free.put(None)


# Until the end of the transaction: "IF NOT EXISTS" alone fails when two processes create the same table. The number is ours.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(8097879445174052217)"

Connect = Callable[[], "AbstractContextManager[psycopg.Connection[Any]]"]
AsyncConnect = Callable[[], "AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]"]


class PostgresStore(_SqlStore):
    """Sessions in PostgreSQL through psycopg 3.

    ``database`` is a connection string, or a callable that lends a connection, such as the ``connection`` method of a
    ``psycopg_pool.ConnectionPool``. Call :meth:`create_tables` once; several processes may at the same time. Reading is
    tried once more when the server ended the connection; writing is not, since it may have been done.

    CWE-384, CWE-613; ASVS 5.0: v5.0.0-7.2.1, v5.0.0-7.4.1.

    Example: ``SessionManager(PostgresStore("postgresql://app@db/app"))``
    """

    def __init__(self, database: str | Connect, *, table: str = "pyward_sessions", connections: int = 8) -> None:
        try:
            import psycopg  # noqa: F401
        except ImportError:
            raise need("psycopg", "PostgresStore") from None
        self._connect: Connect = _PostgresPool(database, connections) if isinstance(database, str) else database
        self._sql = _statements(table, "%s", "BYTEA", "BIGINT")

    def create_tables(self) -> None:
        """Creates the table and its indexes where they are missing."""
        with self._connect() as connection, connection.transaction():
            connection.execute(_ONE_AT_A_TIME)
            for statement in self._sql["create"].split(";"):
                connection.execute(cast(Any, statement))

    def close(self) -> None:
        """Closes the store's own connections, if it has any."""
        if isinstance(self._connect, _PostgresPool):
            self._connect.close()

    def _count(self, name: str, parameters: tuple[Any, ...]) -> int:
        with self._connect() as connection:
            return connection.execute(cast(Any, self._sql[name]), parameters).rowcount

    def _rows(self, name: str, parameters: tuple[Any, ...]) -> list[Any]:
        import psycopg

        connection: psycopg.Connection[Any] | None = None
        try:
            with self._connect() as connection:
                return connection.execute(cast(Any, self._sql[name]), parameters, prepare=True).fetchall()
        except psycopg.OperationalError:
            if connection is None or not connection.closed:
                raise
        with self._connect() as connection:
            return connection.execute(cast(Any, self._sql[name]), parameters, prepare=True).fetchall()


class _AsyncPostgresPool:
    """As :class:`_PostgresPool`. Event loops share idle connections, which do not depend on a loop; each lends up to ``size``."""

    def __init__(self, conninfo: str, size: int) -> None:
        self._conninfo = conninfo
        self._free: list[psycopg.AsyncConnection[Any]] = []
        self._rooms: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}
        self._size = size
        self._process = os.getpid()
        self._inherited: list[Any] = []

    def _room(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        room = self._rooms.get(loop)
        if room is None:
            # A semaphore works in one loop only, and keeps it alive.
            for other in self._rooms.copy():
                if other.is_closed():
                    self._rooms.pop(other, None)
            room = self._rooms[loop] = asyncio.Semaphore(self._size)
        return room

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        import psycopg

        if self._process != os.getpid():
            # See _PostgresPool.
            self._inherited.append((self._free, self._rooms))
            self._free, self._rooms, self._process = [], {}, os.getpid()
        async with self._room():
            connection = self._take()
            if connection is None or connection.closed:
                connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
            try:
                yield connection
            except psycopg.OperationalError:
                if connection.closed:
                    # See _PostgresPool.
                    await self.close()
                raise
            finally:
                if len(self._free) < self._size:
                    self._free.append(connection)
                else:
                    await connection.close()

    def _take(self) -> psycopg.AsyncConnection[Any] | None:
        # Not "if": a loop in another thread may take the last one in between.
        with suppress(IndexError):
            return self._free.pop()
        return None

    async def close(self) -> None:
        while (connection := self._take()) is not None:
            await connection.close()


class AsyncPostgresStore:
    """As :class:`PostgresStore`, for asyncio: a connection string, or the ``connection`` method of an ``AsyncConnectionPool``. CWE-384, CWE-613.

    Example: ``AsyncSessionManager(AsyncPostgresStore(pool.connection))``
    """

    def __init__(self, database: str | AsyncConnect, *, table: str = "pyward_sessions", connections: int = 8) -> None:
        try:
            import psycopg  # noqa: F401
        except ImportError:
            raise need("psycopg", "AsyncPostgresStore") from None
        self._connect: AsyncConnect = _AsyncPostgresPool(database, connections) if isinstance(database, str) else database
        self._sql = _statements(table, "%s", "BYTEA", "BIGINT")

    async def create_tables(self) -> None:
        """Creates the table and its indexes where they are missing."""
        async with self._connect() as connection, connection.transaction():
            await connection.execute(_ONE_AT_A_TIME)
            for statement in self._sql["create"].split(";"):
                await connection.execute(cast(Any, statement))

    async def close(self) -> None:
        """Closes the store's own connections, if it has any."""
        if isinstance(self._connect, _AsyncPostgresPool):
            await self._connect.close()

    async def _count(self, name: str, parameters: tuple[Any, ...]) -> int:
        async with self._connect() as connection:
            return (await connection.execute(cast(Any, self._sql[name]), parameters)).rowcount

    async def _rows(self, name: str, parameters: tuple[Any, ...]) -> list[Any]:
        import psycopg

        connection: psycopg.AsyncConnection[Any] | None = None
        try:
            async with self._connect() as connection:
                return await (await connection.execute(cast(Any, self._sql[name]), parameters, prepare=True)).fetchall()
        except psycopg.OperationalError:
            if connection is None or not connection.closed:
                raise
        async with self._connect() as connection:
            return await (await connection.execute(cast(Any, self._sql[name]), parameters, prepare=True)).fetchall()

    async def get(self, key: bytes, /) -> bytes | None:
        rows = await self._rows("get", (key,))
        return bytes(rows[0][0]) if rows else None

    async def insert(self, key: bytes, user: str | None, until: int, record: bytes, now: int, /) -> None:
        await self._count("insert", (key, user, until, record))

    async def replace(self, key: bytes, user: str | None, until: int, record: bytes, expected: bytes | None = None, /) -> bool:
        return await self._count(*_expecting("replace", (user, until, record, key), expected)) == 1

    async def rotate(
        self, key: bytes, user: str | None, new: bytes, new_user: str | None, until: int, record: bytes, now: int, expected: bytes | None = None, /
    ) -> bool:
        return await self._count(*_expecting("rotate", (new, new_user, until, record, key), expected)) == 1

    async def delete(self, key: bytes, user: str | None, /) -> bool:
        return await self._count("delete", (key,)) == 1

    async def of_user(self, user: str, /) -> Found:
        return [(bytes(key), bytes(record)) for key, record in await self._rows("of_user", (user,))]

    async def delete_of_user(self, user: str, keep: bytes | None, origin: bytes, /) -> int:
        return await self._count("delete_of_user", (user, keep or b"", origin, origin))

    async def purge(self, now: int, /) -> int:
        return await self._count("purge", (now,))


# -- Redis ----------------------------------------------------------------------------------------------

# KEYS: session, index of its user. ARGV: key in hex, until, record, expected record or empty.
_REPLACE = """
if ARGV[4] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[4] then return 0 end
if not redis.call('SET', KEYS[1], ARGV[3], 'XX', 'PXAT', ARGV[2]) then return 0 end
if KEYS[2] then redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1]) end
return 1
"""
# KEYS: old session, new session, [old index, [new index]]. ARGV: old hex, new hex, until, record, now, had user, has user,
# expected record or empty.
_ROTATE = """
if ARGV[8] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[8] then return 0 end
if redis.call('DEL', KEYS[1]) == 0 then return 0 end
local at = 3
if ARGV[6] == '1' then redis.call('ZREM', KEYS[at], ARGV[1]); at = at + 1 end
redis.call('SET', KEYS[2], ARGV[4], 'PXAT', ARGV[3])
if ARGV[7] == '1' then
  redis.call('ZREMRANGEBYSCORE', KEYS[at], '-inf', ARGV[5])
  redis.call('ZADD', KEYS[at], ARGV[3], ARGV[2])
end
return 1
"""


# KEYS: index of a user. ARGV: what the names of sessions begin with. In one step, so that a session that moves is not missed.
_OF_USER = """
local found = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local record = redis.call('GET', ARGV[1] .. member)
  if record then
    found[#found + 1] = member
    found[#found + 1] = record
  end
end
return found
"""
# KEYS: index of a user. ARGV: what the names of sessions begin with, member to keep or empty, what records begin with.
_DELETE_OF_USER = """
local count = 0
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local record = member ~= ARGV[2] and redis.call('GET', ARGV[1] .. member)
  if record and string.sub(record, 1, #ARGV[3]) == ARGV[3] then
    redis.call('DEL', ARGV[1] .. member)
    redis.call('ZREM', KEYS[1], member)
    count = count + 1
  end
end
return count
"""


class _RedisKeys:
    def __init__(self, client: Any, prefix: str, *, awaited: bool) -> None:
        if not prefix or not prefix.isascii() or not prefix.isprintable():
            raise InvalidInput("a key prefix is printable ASCII")
        if getattr(getattr(client, "connection_pool", None), "connection_kwargs", {}).get("decode_responses"):
            raise InvalidInput("sessions need a Redis client with decode_responses=False")
        self._prefix = prefix
        self._replace: Any = client.register_script(_REPLACE)
        # By what runs scripts: the client's own methods may be wrapped, by tracing for example.
        if iscoroutinefunction(type(self._replace).__call__) is not awaited:
            raise InvalidInput("AsyncRedisStore takes a client of redis.asyncio, and RedisStore one of redis")

    def _session(self, key: bytes) -> str:
        return f"{self._prefix}s:{key.hex()}"

    def _index(self, user: str) -> str:
        return f"{self._prefix}u:{user}"

    def _rotate_arguments(
        self, key: bytes, user: str | None, new: bytes, new_user: str | None, until: int, record: bytes, now: int, expected: bytes | None
    ) -> tuple[list[str], list[Any]]:
        keys = [self._session(key), self._session(new)]
        keys += [self._index(name) for name in (user, new_user) if name is not None]
        return keys, [key.hex(), new.hex(), until, record, now, int(user is not None), int(new_user is not None), expected or b""]

    @staticmethod
    def _found(answer: list[bytes]) -> Found:
        return [(bytes.fromhex(member.decode()), record) for member, record in zip(answer[::2], answer[1::2])]


def _plain_pool(client: Any) -> Any:
    """The connection pool of a client whose own layers a read may leave out, else None.

    A subclass, a cluster, a client-side cache, a client bound to one connection and a client that tracing has wrapped
    do more in those layers than send and receive.
    """
    import redis

    execute = redis.Redis.execute_command
    pool: Any = getattr(client, "connection_pool", None)
    plain = (
        type(client) is redis.Redis
        and client.connection is None
        and type(pool) in (redis.ConnectionPool, redis.BlockingConnectionPool)
        and getattr(pool, "cache", None) is None
        and type(execute) is FunctionType
        and execute.__globals__["__name__"] == redis.Redis.__module__
    )
    try:
        # Before redis-py 5.3 the pool wanted to know the command.
        signature(pool.get_connection).bind()
    except (AttributeError, TypeError, ValueError):
        return None
    return pool if plain else None


class RedisStore(_RedisKeys):
    """Sessions in Redis 6.2 or newer through redis-py 5.3 or newer. Records expire by themselves; loading is one GET.

    Rotation is one script, so a session never exists twice. Not for Redis Cluster: a session and the index of its user
    live in different slots. A plain client's connections are read from directly, which costs less than its ``get``;
    when that fails, the client's own ``get`` is tried once with what it does for retries.

    Raises :class:`~pyward_guard.InvalidInput` for a client that decodes responses, or one of ``redis.asyncio``.

    CWE-384, CWE-613; ASVS 5.0: v5.0.0-7.2.1, v5.0.0-7.4.1.

    Example: ``SessionManager(RedisStore(redis.Redis()))``
    """

    def __init__(self, client: redis.Redis, *, prefix: str = "pyward:sessions:") -> None:
        super().__init__(client, prefix, awaited=False)
        import redis

        self._client: Any = client
        self._rotate = client.register_script(_ROTATE)
        self._of_user = client.register_script(_OF_USER)
        self._delete_of_user = client.register_script(_DELETE_OF_USER)
        self._pool = _plain_pool(client)
        self._broken = (redis.ConnectionError, redis.TimeoutError)
        # The command up to the key's 64 hexadecimal digits.
        name = f"{prefix}s:"
        self._head = f"*2\r\n$3\r\nGET\r\n${len(name) + 64}\r\n{name}"

    def get(self, key: bytes, /) -> bytes | None:
        name, pool = key.hex(), self._pool
        if pool is None or len(name) != 64:
            record = self._client.get(f"{self._prefix}s:{name}")
        else:
            try:
                connection = pool.get_connection()
                try:
                    connection.send_packed_command([f"{self._head}{name}\r\n".encode()])
                    record = connection.read_response()
                except BaseException:
                    # Whatever is still on its way must not answer the next command.
                    connection.disconnect()
                    raise
                finally:
                    pool.release(connection)
            except self._broken:
                record = self._client.get(f"{self._prefix}s:{name}")
        if record.__class__ is str:
            raise InvalidInput("RedisStore needs a client with decode_responses=False")
        return cast("bytes | None", record)

    def insert(self, key: bytes, user: str | None, until: int, record: bytes, now: int, /) -> None:
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.set(self._session(key), record, pxat=until, nx=True)
            if user is not None:
                pipeline.zremrangebyscore(self._index(user), "-inf", now)
                pipeline.zadd(self._index(user), {key.hex(): until})
            pipeline.execute()

    def replace(self, key: bytes, user: str | None, until: int, record: bytes, expected: bytes | None = None, /) -> bool:
        keys = [self._session(key)] if user is None else [self._session(key), self._index(user)]
        return bool(self._replace(keys=keys, args=[key.hex(), until, record, expected or b""]))

    def rotate(
        self, key: bytes, user: str | None, new: bytes, new_user: str | None, until: int, record: bytes, now: int, expected: bytes | None = None, /
    ) -> bool:
        keys, arguments = self._rotate_arguments(key, user, new, new_user, until, record, now, expected)
        return bool(self._rotate(keys=keys, args=arguments))

    def delete(self, key: bytes, user: str | None, /) -> bool:
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.delete(self._session(key))
            if user is not None:
                pipeline.zrem(self._index(user), key.hex())
            return bool(pipeline.execute()[0])

    def of_user(self, user: str, /) -> Found:
        return self._found(self._of_user(keys=[self._index(user)], args=[f"{self._prefix}s:"]))

    def delete_of_user(self, user: str, keep: bytes | None, origin: bytes, /) -> int:
        return int(self._delete_of_user(keys=[self._index(user)], args=[f"{self._prefix}s:", (keep or b"").hex(), origin]))

    def purge(self, now: int, /) -> int:
        """Drops stale entries of the user indexes; the records expire by themselves."""
        return sum(int(self._client.zremrangebyscore(index, "-inf", now)) for index in self._client.scan_iter(f"{self._prefix}u:*", count=1000))


class AsyncRedisStore(_RedisKeys):
    """As :class:`RedisStore`, for ``redis.asyncio``. CWE-384, CWE-613.

    Raises :class:`~pyward_guard.InvalidInput` for a client that decodes responses, or one that is not awaited.

    Example: ``AsyncSessionManager(AsyncRedisStore(redis.asyncio.Redis()))``
    """

    def __init__(self, client: redis.asyncio.Redis, *, prefix: str = "pyward:sessions:") -> None:
        super().__init__(client, prefix, awaited=True)
        self._client: Any = client
        self._rotate = client.register_script(_ROTATE)
        self._of_user = client.register_script(_OF_USER)
        self._delete_of_user = client.register_script(_DELETE_OF_USER)

    async def get(self, key: bytes, /) -> bytes | None:
        record = await self._client.get(self._session(key))
        if record.__class__ is str:
            raise InvalidInput("AsyncRedisStore needs a client with decode_responses=False")
        return cast("bytes | None", record)

    async def insert(self, key: bytes, user: str | None, until: int, record: bytes, now: int, /) -> None:
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.set(self._session(key), record, pxat=until, nx=True)
            if user is not None:
                pipeline.zremrangebyscore(self._index(user), "-inf", now)
                pipeline.zadd(self._index(user), {key.hex(): until})
            await pipeline.execute()

    async def replace(self, key: bytes, user: str | None, until: int, record: bytes, expected: bytes | None = None, /) -> bool:
        keys = [self._session(key)] if user is None else [self._session(key), self._index(user)]
        return bool(await self._replace(keys=keys, args=[key.hex(), until, record, expected or b""]))

    async def rotate(
        self, key: bytes, user: str | None, new: bytes, new_user: str | None, until: int, record: bytes, now: int, expected: bytes | None = None, /
    ) -> bool:
        keys, arguments = self._rotate_arguments(key, user, new, new_user, until, record, now, expected)
        return bool(await self._rotate(keys=keys, args=arguments))

    async def delete(self, key: bytes, user: str | None, /) -> bool:
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.delete(self._session(key))
            if user is not None:
                pipeline.zrem(self._index(user), key.hex())
            return bool((await pipeline.execute())[0])

    async def of_user(self, user: str, /) -> Found:
        return self._found(await self._of_user(keys=[self._index(user)], args=[f"{self._prefix}s:"]))

    async def delete_of_user(self, user: str, keep: bytes | None, origin: bytes, /) -> int:
        return int(await self._delete_of_user(keys=[self._index(user)], args=[f"{self._prefix}s:", (keep or b"").hex(), origin]))

    async def purge(self, now: int, /) -> int:
        """Drops stale entries of the user indexes; the records expire by themselves."""
        count = 0
        async for index in self._client.scan_iter(f"{self._prefix}u:*", count=1000):
            count += int(await self._client.zremrangebyscore(index, "-inf", now))
        return count

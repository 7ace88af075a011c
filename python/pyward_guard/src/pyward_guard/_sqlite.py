"""An SQLite file that only its owner reads, with a connection for each thread."""

from __future__ import annotations

import contextlib
import gc
import os
import sqlite3
import threading
import time
from pathlib import Path


class _Connection(sqlite3.Connection):
    """Closes itself when nobody refers to it any more: Python 3.13 warns of those that were not closed."""

    def __del__(self) -> None:
        # Raised for one that could not be opened.
        with contextlib.suppress(sqlite3.ProgrammingError):
            self.close()


class _Owned:
    """A thread's connection, closed when the thread ends and lets go of this."""

    def __init__(self, connection: sqlite3.Connection, opened: dict[sqlite3.Connection, int]) -> None:
        self.connection, self.process, self._opened = connection, os.getpid(), opened
        self._thread = threading.get_ident()
        opened[connection] = self.process

    def __del__(self) -> None:
        # Connections from before a fork are the parent's, and stay in `opened`: SQLite wants them left alone here.
        if self.process == os.getpid():
            self._opened.pop(self.connection, None)
            # Closing it from another thread, while its own is within a statement, can crash the process.
            if self._thread == threading.get_ident():
                self.connection.close()


class PrivateDatabase:
    """Connections to one file, in autocommit mode; made private before SQLite sees it."""

    def __init__(self, path: str | os.PathLike[str], schema: str, *, timeout: float) -> None:
        self._path = Path(path).absolute()
        self._timeout = timeout
        self._local = threading.local()
        # Each open connection and the process that opened it. No lock: single operations on a dict are atomic, and a
        # thread's last words could come while it holds one.
        self._opened: dict[sqlite3.Connection, int] = {}
        # Created before SQLite sees it, so that no moment passes with wider permissions.
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            if hasattr(os, "fchmod") and os.fstat(file).st_mode & 0o077:
                # It was there before, open to others; when it is not ours to close, that is an error.
                os.fchmod(file, 0o600)
        finally:
            os.close(file)
        self.connection().executescript(schema)

    def connection(self) -> sqlite3.Connection:
        """This thread's connection; one of its own after a fork."""
        owned: _Owned | None = getattr(self._local, "owned", None)
        if owned is None or owned.process != os.getpid():
            connection = sqlite3.connect(
                self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False, factory=_Connection
            )
            owned = _Owned(connection, self._opened)
            self._use_wal(connection)
            for setting in ("synchronous = NORMAL", "trusted_schema = OFF", "secure_delete = ON"):
                connection.execute(f"PRAGMA {setting}")
            self._local.owned = owned
        return owned.connection

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Switches the file to WAL; SQLite does not wait by itself for others who do the same at that moment."""
        limit = time.monotonic() + self._timeout
        while True:
            try:
                if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                    connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                # "database is locked", or "locking protocol" when many come at once.
                if "lock" not in str(error) or time.monotonic() >= limit:
                    raise
            time.sleep(0.005)

    def close(self) -> None:
        """Closes every connection, those in use when that ends; the next call of :meth:`connection` opens one again."""
        self._local = threading.local()
        # What other threads left idle is garbage now; connections refer to themselves, so that it takes a collection.
        gc.collect()

"""An SQLite file that only its owner reads, with a connection for each thread."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path


class PrivateDatabase:
    """Connections to one file, in autocommit mode; made private before SQLite sees it."""

    def __init__(self, path: str | os.PathLike[str], schema: str, *, timeout: float) -> None:
        self._path = Path(path).absolute()
        self._timeout = timeout
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
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
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None or getattr(self._local, "process", None) != os.getpid():
            connection = sqlite3.connect(self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False)
            for setting in ("journal_mode = WAL", "synchronous = NORMAL", "trusted_schema = OFF", "secure_delete = ON"):
                connection.execute(f"PRAGMA {setting}")
            self._local.connection, self._local.process = connection, os.getpid()
            with self._guard:
                self._all.append(connection)
        return connection

    def close(self) -> None:
        """Closes every connection; the next call of :meth:`connection` opens one again."""
        with self._guard:
            for connection in self._all:
                connection.close()
            self._all.clear()
        self._local = threading.local()

"""The database: every value is a bound parameter."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text UNIQUE NOT NULL, password text NOT NULL, joined timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS notes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), owner uuid NOT NULL REFERENCES users, title text NOT NULL, body text NOT NULL,
    shared boolean NOT NULL DEFAULT false, written timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS notes_owner ON notes (owner, written DESC);
"""

Row = dict[str, Any]


class NameTaken(Exception):
    pass


class Store:
    def __init__(self, url: str) -> None:
        # A statement that runs away is stopped by the server.
        options = "-c statement_timeout=5000 -c idle_in_transaction_session_timeout=10000"
        self.pool = AsyncConnectionPool(url, kwargs={"row_factory": dict_row, "options": options}, max_size=8, open=False)

    async def open(self) -> None:
        await self.pool.open()
        async with self.pool.connection() as connection:
            # Several workers may start at once.
            await connection.execute("SELECT pg_advisory_xact_lock(4711)")
            for statement in SCHEMA.split(";"):
                if statement.strip():
                    await connection.execute(statement.encode())

    async def close(self) -> None:
        await self.pool.close()

    async def _one(self, query: bytes, *values: object) -> Row | None:
        async with self.pool.connection() as connection:
            cursor = await connection.execute(query, values)
            return await cursor.fetchone()

    async def add_user(self, name: str, password: str) -> Row:
        try:
            row = await self._one(b"INSERT INTO users (name, password) VALUES (%s, %s) RETURNING id, name", name, password)
        except UniqueViolation:
            raise NameTaken from None
        assert row is not None
        return row

    async def user_named(self, name: str) -> Row | None:
        return await self._one(b"SELECT id, name, password FROM users WHERE name = %s", name)

    async def user(self, id: UUID) -> Row | None:
        return await self._one(b"SELECT id, name FROM users WHERE id = %s", id)

    async def set_password(self, id: UUID, password: str) -> None:
        async with self.pool.connection() as connection:
            await connection.execute(b"UPDATE users SET password = %s WHERE id = %s", (password, id))

    async def notes_of(self, owner: UUID) -> list[Row]:
        async with self.pool.connection() as connection:
            cursor = await connection.execute(b"SELECT id, title, shared, written FROM notes WHERE owner = %s ORDER BY written DESC LIMIT 200", (owner,))
            return await cursor.fetchall()

    async def note(self, id: UUID) -> Row | None:
        return await self._one(b"SELECT id, owner, title, body, shared, written FROM notes WHERE id = %s", id)

    async def add_note(self, owner: UUID, title: str, body: str, shared: bool) -> UUID:
        row = await self._one(b"INSERT INTO notes (owner, title, body, shared) VALUES (%s, %s, %s, %s) RETURNING id", owner, title, body, shared)
        assert row is not None
        id: UUID = row["id"]
        return id

    async def remove_note(self, id: UUID) -> None:
        async with self.pool.connection() as connection:
            await connection.execute(b"DELETE FROM notes WHERE id = %s", (id,))

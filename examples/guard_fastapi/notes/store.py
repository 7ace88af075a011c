"""The database: every value is a bound parameter, texts of notes and second factors are encrypted."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pyward_guard.crypto import Aead
from pyward_guard.sql import SQL, Identifier, Query, escape_like, join
from pyward_guard.tokens import uuid7

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text UNIQUE NOT NULL, password text NOT NULL, joined timestamptz NOT NULL DEFAULT now(),
    totp text, totp_step bigint
);
CREATE TABLE IF NOT EXISTS recovery_codes (owner uuid NOT NULL REFERENCES users, hash text NOT NULL, PRIMARY KEY (owner, hash));
CREATE TABLE IF NOT EXISTS notes (
    id uuid PRIMARY KEY, owner uuid NOT NULL REFERENCES users, title text NOT NULL, body text NOT NULL,
    shared boolean NOT NULL DEFAULT false, written timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS notes_owner ON notes (owner, written DESC);
"""
ORDERS = ("written", "title")

Row = dict[str, Any]


class NameTaken(Exception):
    pass


class Store:
    def __init__(self, url: str, field: Aead) -> None:
        # A statement that runs away is stopped by the server.
        options = "-c statement_timeout=5000 -c idle_in_transaction_session_timeout=10000"
        self.pool = AsyncConnectionPool(url, kwargs={"row_factory": dict_row, "options": options}, max_size=8, open=False)
        self._field = field

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

    async def _rows(self, *queries: Query, limit: int = 1) -> list[Row]:
        """Runs the queries in one transaction; gives the rows of the last."""
        found: list[Row] = []
        async with self.pool.connection() as connection:
            for query in queries:
                compiled = query.compile("pyformat", "postgresql")
                cursor = await connection.execute(compiled.text.encode(), compiled.parameters)
                found = cast(list[Row], await cursor.fetchmany(limit)) if cursor.description else []
        return found

    async def _one(self, query: Query) -> Row | None:
        return next(iter(await self._rows(query)), None)

    # -- users --------------------------------------------------------------------------------------------
    async def add_user(self, name: str, password: str) -> Row:
        try:
            row = await self._one(SQL("INSERT INTO users (name, password) VALUES ({name}, {password}) RETURNING id, name").format(name=name, password=password))
        except UniqueViolation:
            raise NameTaken from None
        assert row is not None
        return row

    async def user_named(self, name: str) -> Row | None:
        return await self._one(SQL("SELECT id, name, password, totp, totp_step FROM users WHERE name = {name}").format(name=name))

    async def user(self, id: UUID) -> Row | None:
        return await self._one(SQL("SELECT id, name, totp FROM users WHERE id = {id}").format(id=id))

    async def set_password(self, id: UUID, password: str) -> None:
        await self._rows(SQL("UPDATE users SET password = {password} WHERE id = {id}").format(id=id, password=password))

    # -- second factors -----------------------------------------------------------------------------------
    async def set_factor(self, id: UUID, totp: str, step: int, recovery: tuple[str, ...]) -> None:
        """Turns the second factor on: the secret is encrypted, the codes are hashes."""
        sealed = self._field.encrypt_str(totp, f"users.totp:{id}")
        await self._rows(
            SQL("UPDATE users SET totp = {totp}, totp_step = {step} WHERE id = {id}").format(id=id, totp=sealed, step=step),
            SQL("DELETE FROM recovery_codes WHERE owner = {id}").format(id=id),
            *(SQL("INSERT INTO recovery_codes (owner, hash) VALUES ({id}, {hash})").format(id=id, hash=hash) for hash in recovery),
        )

    def totp_secret(self, user: Row) -> str:
        return self._field.decrypt_str(user["totp"], f"users.totp:{user['id']}")

    async def advance(self, id: UUID, step: int) -> bool:
        """True for the first request that comes with this step: a code is good once, also for requests at the same time."""
        query = SQL("UPDATE users SET totp_step = {step} WHERE id = {id} AND totp_step < {step} RETURNING id")
        return await self._one(query.format(id=id, step=step)) is not None

    async def recovery_hashes(self, id: UUID) -> list[str]:
        return [row["hash"] for row in await self._rows(SQL("SELECT hash FROM recovery_codes WHERE owner = {id}").format(id=id), limit=50)]

    async def use_recovery_hash(self, id: UUID, hash: str) -> bool:
        query = SQL("DELETE FROM recovery_codes WHERE owner = {id} AND hash = {hash} RETURNING hash")
        return await self._one(query.format(id=id, hash=hash)) is not None

    # -- notes --------------------------------------------------------------------------------------------
    def _opened(self, note: Row) -> Row:
        return {**note, "body": self._field.decrypt_str(note["body"], f"notes.body:{note['id']}")}

    async def notes_of(self, owner: UUID, *, text: str = "", order: str = "written") -> list[Row]:
        """A user's notes, by words of the title; ``order`` comes from outside and is one of :data:`ORDERS`."""
        where = [SQL("owner = {owner}").format(owner=owner)]
        if text:
            where.append(SQL("title ILIKE {pattern} ESCAPE '!'").format(pattern=f"%{escape_like(text)}%"))
        query = SQL("SELECT id, title, body, shared, written FROM notes WHERE {where} ORDER BY {order} DESC LIMIT 200")
        found = await self._rows(query.format(where=join(" and ", where), order=Identifier(order, allowed=ORDERS)), limit=200)
        return [self._opened(note) for note in found]

    async def note(self, id: UUID) -> Row | None:
        found = await self._one(SQL("SELECT id, owner, title, body, shared, written FROM notes WHERE id = {id}").format(id=id))
        return self._opened(found) if found else None

    async def add_note(self, owner: UUID, title: str, body: str, shared: bool) -> UUID:
        id = uuid7()
        sealed = self._field.encrypt_str(body, f"notes.body:{id}")
        query = SQL("INSERT INTO notes (id, owner, title, body, shared) VALUES ({id}, {owner}, {title}, {body}, {shared})")
        await self._rows(query.format(id=id, owner=owner, title=title, body=sealed, shared=shared))
        return id

    async def remove_note(self, id: UUID) -> None:
        await self._rows(SQL("DELETE FROM notes WHERE id = {id}").format(id=id))

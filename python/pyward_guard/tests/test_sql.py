"""SQL composition and connections."""

from __future__ import annotations

import sqlite3
import ssl
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyward_guard import InvalidInput, LimitExceeded, Refused, sql
from pyward_guard.sql import (
    SQL,
    Database,
    Identifier,
    Query,
    connect_mysql,
    connect_postgresql,
    connect_sqlite,
    escape_like,
    join,
    query,
    unchecked_sql,
)

OUTER = "select 2"


def test_only_literals_are_taken() -> None:
    user = "x"
    assert SQL("select 1")
    assert SQL("select " "1")
    built: list[Any] = [
        f"select {user}",
        "select " + user,
        "select %s" % user,
        "select {}".format(user),
        OUTER,
        "".join(["select", " 1"]),
        3,
        b"select 1",
    ]
    for text in built:
        with pytest.raises((Refused, InvalidInput)):
            SQL(text)

    class Sub(str):
        pass

    with pytest.raises(InvalidInput):
        SQL(Sub("select 1"))  # type: ignore[arg-type]
    with pytest.raises(Refused):
        Query((("text", "select 1"),))


def test_format() -> None:
    find = SQL("select {cols} from {t} where a = {a} and b in {b} and {more}").format(
        cols=join(", ", [Identifier("x"), Identifier("t", "y")]),
        t=Identifier('we"ird'),
        a="' or 1=1 --",
        b=(1, 2),
        more=SQL("c like '50%' escape '!'"),
    )
    assert find.compile("qmark", "sqlite") == (
        'select "x", "t"."y" from "we""ird" where a = ? and b in (?, ?) and c like \'50%\' escape \'!\'',
        ("' or 1=1 --", 1, 2),
    )
    assert find.compile("format", "mysql").text == (
        "select `x`, `t`.`y` from `we\"ird` where a = %s and b in (%s, %s) and c like '50%%' escape '!'"
    )
    assert find.compile("pyformat", "postgresql").parameters == {"p0": "' or 1=1 --", "p1": 1, "p2": 2}
    assert find.compile("named", "sqlite").text.endswith("b in (:p1, :p2) and c like '50%' escape '!'")
    for fields in ({}, {"a": 1, "b": 2}, {"b": 1}):
        with pytest.raises(InvalidInput):
            SQL("select {a}").format(**fields)
    with pytest.raises(InvalidInput):
        SQL("select 1 where x in {a}").format(a=[])
    with pytest.raises(Refused):
        SQL("select ? where x = {a}").format(a=1).compile("qmark")
    with pytest.raises(InvalidInput):
        join(" or 1=1 or ", [SQL("a")])  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        join(" and ", ["a = 1"])  # type: ignore[list-item]
    assert "secret" not in repr(SQL("select {a}").format(a="secret"))


def test_a_fragment_does_not_change_what_is_around_it() -> None:
    condition = SQL("a = {a}; -- as asked").format(a=1)
    assert SQL("select {c} and tenant = {t}").format(c=condition, t=2).compile() == ("select a = ? -- as asked\n and tenant = ?", (1, 2))
    with pytest.raises(Refused):
        SQL("select 1; select 2")


def test_values_that_are_none() -> None:
    class Clause:
        def __clause_element__(self) -> None: ...

    for value in ({"a": 1}, [{"a": 1}], [SQL("x")], Clause()):
        with pytest.raises(InvalidInput):
            SQL("select {a}").format(a=value)
    sqlalchemy = pytest.importorskip("sqlalchemy")
    with pytest.raises(InvalidInput):
        SQL("select {a}").format(a=sqlalchemy.text("1 or 1 = 1"))


@pytest.mark.parametrize(
    "build",
    [
        lambda: SQL("select '{a}'"),
        lambda: SQL("select 1; drop table t"),
        lambda: SQL("select 'open"),
        lambda: SQL("select /* {a} */ 1"),
        lambda: SQL("select {a.b}"),
        lambda: SQL("select '\\''"),
    ],
)
def test_suspicious_literals(build: Any) -> None:
    with pytest.raises(Refused):
        build()


def test_template_strings() -> None:
    def part(value: Any, spec: str = "") -> Any:
        return SimpleNamespace(value=value, conversion=None, format_spec=spec)

    template = SimpleNamespace(
        strings=("select * from ", " where a = ", " and b = '{x}'"), interpolations=(part(Identifier("t")), part("v"))
    )
    assert query(template).compile() == ('select * from "t" where a = ? and b = \'{x}\'', ("v",))
    with pytest.raises(Refused):
        query(SimpleNamespace(strings=("select '", "'"), interpolations=(part("v"),)))
    with pytest.raises(Refused):
        query(SimpleNamespace(strings=("select ", ""), interpolations=(part("v", ">3"),)))
    with pytest.raises(InvalidInput):
        query("select 1")


@given(st.text(max_size=40), st.lists(st.one_of(st.text(max_size=10), st.integers(-(2**60), 2**60), st.none()), min_size=1, max_size=5))
def test_values_come_back_as_they_went_in(text: str, values: list[Any]) -> None:
    text = text.encode("utf-8", "ignore").decode().replace("\0", "")
    values = [v.encode("utf-8", "ignore").decode().replace("\0", "") if isinstance(v, str) else v for v in values]
    with connect_sqlite(":memory:") as db:
        assert db.fetch_one(SQL("select {a}").format(a=text)) == (text,)
        for value in values:
            row = db.fetch_one(SQL("select {v} is {w}").format(v=value, w=value))
            assert row == (1,)


@given(st.text(min_size=1, max_size=30))
def test_any_identifier(name: str) -> None:
    try:
        quoted = SQL("create table {n} (a)").format(n=Identifier(name.encode("utf-8", "ignore").decode()))
        text = quoted.compile("qmark", "sqlite").text
    except (InvalidInput, Refused):
        return
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(text)
        names = [row[0] for row in connection.execute("select name from sqlite_master")]
        assert names == [name.encode("utf-8", "ignore").decode()]
    except sqlite3.OperationalError as error:
        assert "reserved" in str(error)
    finally:
        connection.close()


def test_like() -> None:
    with connect_sqlite(":memory:") as db:
        pattern = "%" + escape_like("50%_!") + "%"
        found = db.fetch_one(
            SQL("select 'a 50%_! b' like {p} escape '!', 'a 50xy! b' like {p} escape '!'").format(p=pattern)
        )
    assert found == (1, 0)
    with pytest.raises(InvalidInput):
        escape_like("x", escape="%")


def test_sqlite_connection(tmp_path: Path) -> None:
    path = tmp_path / "db ?#.sqlite"
    with pytest.raises(sqlite3.OperationalError):
        with connect_sqlite(path):
            pass
    assert not path.exists()
    with connect_sqlite(path, create=True) as db:
        db.execute(SQL("create table t (a integer primary key, b text)"))
        for index in range(5):
            assert db.execute(SQL("insert into t (b) values ({b})").format(b=str(index))) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(RuntimeError):
        with connect_sqlite(path) as db:
            db.execute(SQL("delete from t"))
            raise RuntimeError
    with connect_sqlite(path, read_only=True, max_rows=3) as db:
        assert db.fetch_one(SQL("select count(*) from t")) == (5,)
        with pytest.raises(LimitExceeded):
            db.fetch_all(SQL("select * from t"))
        with pytest.raises(InvalidInput):
            db.fetch_one(SQL("select * from t"))
        assert db.fetch_one(SQL("select * from t where a = 99")) is None
        with pytest.raises(sqlite3.OperationalError):
            db.execute(SQL("delete from t"))
    with connect_sqlite(path, max_statements=2) as db:
        db.fetch_all(SQL("select 1"))
        db.fetch_all(SQL("select 1"))
        with pytest.raises(LimitExceeded):
            db.fetch_all(SQL("select 1"))


def test_sqlite_bounds(tmp_path: Path) -> None:
    endless = "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c"
    with connect_sqlite(":memory:", statement_timeout=0.2) as db:
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            db.fetch_all(unchecked_sql(endless, reason="test"))
        assert db.fetch_one(SQL("select 1")) == (1,), "usable after a time-out"
        for statement in (
            SQL("attach database {p} as other").format(p=str(tmp_path / "x")),
            SQL("pragma trusted_schema = on"),
            SQL("pragma writable_schema = on"),
            SQL("pragma busy_timeout = 0"),
            SQL("vacuum into {p}").format(p=str(tmp_path / "x")),
            SQL("select load_extension('x')"),
        ):
            with pytest.raises(sqlite3.DatabaseError):
                db.fetch_all(statement)
    assert not (tmp_path / "x").exists()
    for bounds in (
        {"statement_timeout": float("nan")}, {"statement_timeout": 0}, {"statement_timeout": float("inf")}, {"lock_timeout": -1},
        {"lock_timeout": float("nan")}, {"max_rows": -1}, {"max_statements": -1}, {"max_length": -5}, {"max_length": 0}, {"max_length": 1 << 31},
    ):  # fmt: skip
        with pytest.raises(InvalidInput), connect_sqlite(":memory:", **bounds):  # type: ignore[arg-type]
            pass


def test_sqlite_blocks_are_one_transaction(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with connect_sqlite(path, create=True) as db:
        db.execute(SQL("create table base (a integer)"))
    for statement in (
        SQL("create table t (a integer)"),
        SQL("drop table base"),
        SQL("with x as (select 1 as a) insert into base select a from x"),
        unchecked_sql("/* note */ insert into base values (1)", reason="test"),
        SQL("insert into base values (1)"),
    ):
        with pytest.raises(ZeroDivisionError), connect_sqlite(path) as db:
            db.execute(statement)
            raise ZeroDivisionError
        with connect_sqlite(path, read_only=True) as db:
            assert db.fetch_all(SQL("select name from sqlite_master")) == [("base",)]
            assert db.fetch_one(SQL("select count(*) from base")) == (0,)
    # What only reads keeps nobody from writing, and a block without statements locks nothing.
    with connect_sqlite(path, lock_timeout=0), connect_sqlite(path, lock_timeout=0) as reader, connect_sqlite(path, lock_timeout=0) as writer:
        writer.execute(SQL("insert into base values (1)"))
        assert reader.fetch_one(SQL("select count(*) from base")) == (0,)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            reader.execute(SQL("insert into base values (2)"))
        reader._connection.rollback()
    with connect_sqlite(path, read_only=True) as db:
        assert db.fetch_all(SQL("select a from base")) == [(1,)]
    # Who says so beforehand waits, and writes after having read.
    add = SQL("update base set a = {a}")
    together = threading.Barrier(4)

    def count(_: int) -> None:
        together.wait()
        for _ in range(5):
            with connect_sqlite(path, immediate=True, lock_timeout=300) as db:
                db.execute(add.format(a=db.fetch_one(SQL("select a from base"))[0] + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))
    with connect_sqlite(path, read_only=True) as db:
        assert db.fetch_all(SQL("select a from base")) == [(21,)]
    with pytest.raises(InvalidInput), connect_sqlite(path, immediate=True, read_only=True):
        pass


def test_sqlite_does_not_go_on_after_its_own_rollback(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with connect_sqlite(path, create=True) as db:
        db.execute(SQL("create table t (a integer unique)"))
    endless = SQL("insert into t with recursive c(x) as (select 1 union all select x + 1 from c) select x from c where x < 0")
    twice = SQL("insert or rollback into t values (1)")
    for failing in (endless, twice):
        with pytest.raises(Refused, match="rolled"), connect_sqlite(path, statement_timeout=0.2) as db:
            db.execute(SQL("insert into t values (1)"))
            with pytest.raises(sqlite3.Error):
                db.execute(failing)
            for _ in range(2):
                with pytest.raises(Refused, match="rolled"):
                    db.execute(SQL("insert into t values (2)"))
    # Errors that leave the transaction as it was, and rollbacks of the caller's own, are no reason.
    with connect_sqlite(path) as db:
        db.execute(SQL("insert into t values (1)"))
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(SQL("insert into t values (1)"))
        db.execute(SQL("rollback"))
        db.execute(SQL("insert into t values (3)"))
        db.execute(SQL("commit"))
        db.execute(SQL("insert into t values (4)"))
    with connect_sqlite(path, read_only=True) as db:
        assert db.fetch_all(SQL("select a from t")) == [(3,), (4,)]


def test_sqlite_begins_as_the_caller_says(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with connect_sqlite(path, create=True) as db:
        db.execute(SQL("create table t (a integer)"))
    with connect_sqlite(path, lock_timeout=0) as db, connect_sqlite(path, lock_timeout=0) as other:
        db.execute(SQL("\n BEGIN immediate"))
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute(SQL("begin immediate"))
        db.execute(SQL("insert into t values (1)"))
        db.execute(SQL("commit"))
        other.execute(SQL("insert into t values (2)"))
        with pytest.raises(Refused, match="immediate=True"):
            other.execute(SQL("begin immediate"))
    with connect_sqlite(path, read_only=True) as db:
        assert db.fetch_all(SQL("select a from t")) == [(1,), (2,)]


def test_sqlite_does_not_count_the_wait_for_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A clock that only the wait moves.
    now = [0.0]
    monkeypatch.setattr(sql, "time", SimpleNamespace(monotonic=lambda: now[0]))

    class Slow(sqlite3.Connection):
        def execute(self, text: str, *parameters: Any) -> sqlite3.Cursor:
            if text == "begin immediate":
                now[0] += 60
            return super().execute(text, *parameters)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, factory=Slow, **options))
    many = "with recursive c(x) as (select 1 union all select x + 1 from c where x < 20000) select count(*) from c"
    with connect_sqlite(tmp_path / "db", create=True, immediate=True, statement_timeout=1.0) as db:
        assert db.fetch_one(unchecked_sql(many, reason="test")) == (20000,)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="cannot be set before")
def test_sqlite_does_not_take_names_for_strings() -> None:
    with connect_sqlite(":memory:") as db, pytest.raises(sqlite3.OperationalError, match="no such column"):
        db.fetch_all(SQL("select {c}").format(c=Identifier("missing")))


def test_strings_are_refused_at_the_connection() -> None:
    with connect_sqlite(":memory:") as db:
        for statement in ("select 1", f"select {1}", None):
            with pytest.raises(Refused):
                db.fetch_all(statement)  # type: ignore[arg-type]


def test_sqlalchemy() -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine("sqlite://")
    text = (
        SQL("select {a}, ':x', 'a\\b', {b}")
        .format(a="' or 1=1", b=2)
        .to_sqlalchemy("sqlite")
    )
    with engine.connect() as connection:
        assert tuple(connection.execute(text).one()) == ("' or 1=1", ":x", "a\\b", 2)


@pytest.mark.postgres
def test_postgresql(postgres_url: str) -> None:
    psycopg = pytest.importorskip("psycopg")
    with connect_postgresql(postgres_url) as db:
        db.execute(SQL("create table if not exists guard_sql (a integer, b text)"))
        db.execute(SQL("insert into guard_sql values ({a}, {b})").format(a=1, b="50% of '%s'"))
        assert db.fetch_all(SQL("select a, b, '%' from guard_sql where b like '50%' and a in {ids}").format(ids=[1, 2])) == [
            (1, "50% of '%s'", "%")
        ]
        assert db.fetch_one(SQL("select {x}::int").format(x=3)) == (3,)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        with connect_postgresql(postgres_url, read_only=True) as db:
            db.execute(SQL("delete from guard_sql"))
    with pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"):
        with connect_postgresql(postgres_url, statement_timeout=0.2) as db:
            db.fetch_all(SQL("select pg_sleep(600)"))
    with connect_postgresql(postgres_url) as db:
        assert db.fetch_one(SQL("select count(*) from guard_sql")) == (1,)
        db.execute(SQL("drop table guard_sql"))


@pytest.mark.postgres
def test_postgresql_stays_read_only(postgres_url: str) -> None:
    psycopg = pytest.importorskip("psycopg")
    for ways in (
        [SQL("set transaction read write")],
        [SQL("set transaction isolation level serializable, read write")],
        [SQL("set transaction isolation level serializable"), SQL("set transaction read write")],
        [SQL("set transaction_read_only = off")],
        [SQL("set local transaction_read_only = off")],
        [SQL("/* set local x */ set transaction read write")],
        [SQL("begin read write")],
        [SQL("commit"), SQL("begin read write")],
        [SQL("commit and chain"), SQL("set transaction read write")],
        [SQL("select 1"), SQL("rollback and chain"), SQL("set transaction read write")],
    ):
        with pytest.raises(psycopg.errors.ActiveSqlTransaction), connect_postgresql(postgres_url, read_only=True) as db:
            for statement in ways:
                db.execute(statement)
    with connect_postgresql(postgres_url, read_only=True) as db:
        db.execute(SQL("set local timezone = 'UTC'"))
        db.execute(SQL("/* as of now */ set transaction isolation level repeatable read"))
        assert db.fetch_one(SQL("show transaction_isolation")) == ("repeatable read",)
        # Nothing is lost by an error of what only reads.
        with pytest.raises(psycopg.errors.DivisionByZero):
            db.execute(SQL("select 1 / 0"))


@pytest.mark.postgres
def test_postgresql_does_not_take_a_failed_transaction_for_a_commit(postgres_url: str) -> None:
    psycopg = pytest.importorskip("psycopg")
    with connect_postgresql(postgres_url) as db:
        db.execute(SQL("create table guard_failed (a integer unique)"))
    insert = SQL("insert into guard_failed values ({a})")
    with pytest.raises(Refused, match="rolled"), connect_postgresql(postgres_url) as db:
        db.execute(insert.format(a=1))
        with pytest.raises(psycopg.errors.UniqueViolation):
            db.execute(insert.format(a=1))
        for commit in (SQL("commit"), SQL("END transaction")):
            with pytest.raises(Refused, match="rolled"):
                db.execute(commit)
    with connect_postgresql(postgres_url) as db:
        db.execute(insert.format(a=2))
        db.execute(SQL("savepoint here"))
        with pytest.raises(psycopg.errors.UniqueViolation):
            db.execute(insert.format(a=2))
        db.execute(SQL("rollback to savepoint here"))
        db.execute(insert.format(a=3))
    with connect_postgresql(postgres_url) as db:
        assert db.fetch_all(SQL("select a from guard_failed order by a")) == [(2,), (3,)]
        db.execute(SQL("drop table guard_failed"))


def test_postgresql_needs_tls_for_remote_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    for conninfo in (
        "host=db.example.org sslmode=prefer",
        "host=localhost,db.example.org sslmode=require",
        "host=localhost hostaddr=203.0.113.5 sslmode=disable",
        "hostaddr=203.0.113.5 sslmode=disable",
        "host=,db.example.org sslmode=disable",
    ):
        with pytest.raises(Refused):
            with connect_postgresql(conninfo):
                pass
    for variable in ("PGHOST", "PGHOSTADDR"):
        with monkeypatch.context() as changed, pytest.raises(Refused):
            changed.setenv(variable, "203.0.113.5")
            with connect_postgresql("sslmode=disable"):
                pass
    with pytest.raises(InvalidInput):
        with connect_postgresql("service=shop"):
            pass
    with pytest.raises(InvalidInput):
        with connect_postgresql("host=localhost", connect_timeout=0):
            pass
    for conninfo in ("host=db.example.org sslmode=allow",):
        with pytest.raises(Refused):
            with connect_postgresql(conninfo):
                pass
    with pytest.raises(InvalidInput):
        with connect_postgresql("host=localhost options='-c statement_timeout=0'"):
            pass
    with pytest.raises(InvalidInput):
        with connect_postgresql("host=localhost", autocommit=True):
            pass
    # Kerberos' own encryption would come first, and no certificate would be looked at.
    with pytest.raises(Refused, match="gssencmode"):
        with connect_postgresql("host=db.example.org gssencmode=prefer"):
            pass


@pytest.mark.mysql
def test_mysql(mysql_server: dict[str, Any]) -> None:
    pymysql = pytest.importorskip("pymysql")
    with connect_mysql(**mysql_server) as db:
        db.execute(SQL("create table guard_sql (a integer primary key, b varchar(20)) engine=InnoDB"))
        assert db.execute(SQL("insert into guard_sql values ({a}, {b})").format(a=1, b="50% \\' \" %s")) == 1
        assert db.fetch_all(SQL("select a, b, '%' from guard_sql where b like '50%' and a in {ids}").format(ids=[1, 2])) == [
            (1, "50% \\' \" %s", "%")
        ]
        assert db.fetch_one(SQL("select {c} from guard_sql").format(c=Identifier("a"))) == (1,)
    # Strict mode: what does not fit is an error, not cut off.
    with pytest.raises(pymysql.err.DataError), connect_mysql(**mysql_server) as db:
        db.execute(SQL("insert into guard_sql values (2, {b})").format(b="x" * 21))
    # An error rolls back.
    with pytest.raises(ZeroDivisionError), connect_mysql(**mysql_server) as db:
        db.execute(SQL("delete from guard_sql"))
        raise ZeroDivisionError
    with pytest.raises(pymysql.err.MySQLError, match="READ ONLY"), connect_mysql(**mysql_server, read_only=True) as db:
        db.execute(SQL("delete from guard_sql"))
    with pytest.raises(pymysql.err.ProgrammingError), connect_mysql(**mysql_server) as db:
        db.execute(unchecked_sql("select 1; delete from guard_sql", reason="the server's answer is tested"))
    with pytest.raises(pymysql.err.MySQLError), connect_mysql(**mysql_server) as db:
        db.execute(SQL("load data local infile '/etc/passwd' into table guard_sql (b)"))
    with connect_mysql(**mysql_server) as db:
        assert db.fetch_one(SQL("select count(*) from guard_sql")) == (1,)
        db.execute(SQL("drop table guard_sql"))


@pytest.mark.mysql
def test_mysql_limits(mysql_server: dict[str, Any]) -> None:
    pymysql = pytest.importorskip("pymysql")
    # The driver's own limit on reading is a second longer, which a busy server may need to answer.
    with pytest.raises(pymysql.err.MySQLError, match="max_statement_time"), connect_mysql(**mysql_server, statement_timeout=5.3) as db:
        db.execute(SQL("set session max_statement_time = 0.3"))
        db.fetch_all(SQL("select sleep(600)"))
    with connect_mysql(**mysql_server, statement_timeout=7.5) as db:
        assert db.fetch_one(SQL("select @@max_statement_time")) == (7.5,)
    with connect_mysql(**mysql_server, max_rows=2, max_statements=3) as db:
        rows = SQL("select 1 union all select 2 union all select 3")
        with pytest.raises(LimitExceeded, match="rows"):
            db.fetch_all(rows)
        assert len(db.fetch_all(SQL("select 1 union all select 2"))) == 2
        db.fetch_all(SQL("select 1"))
        with pytest.raises(LimitExceeded, match="statements"):
            db.execute(SQL("select 1"))
    # A row that another transaction holds is waited for until the lock's time is over.
    with connect_mysql(**mysql_server) as db:
        db.execute(SQL("create table guard_lock (a integer primary key) engine=InnoDB"))
        db.execute(SQL("insert into guard_lock values (1)"))
    with connect_mysql(**mysql_server) as holder:
        holder.execute(SQL("update guard_lock set a = 2"))
        with pytest.raises(pymysql.err.OperationalError, match="Lock wait timeout"), connect_mysql(
            **mysql_server, lock_timeout=1, statement_timeout=60
        ) as db:
            assert db.fetch_one(SQL("select @@innodb_lock_wait_timeout")) == (1,)
            db.execute(SQL("update guard_lock set a = 3"))
    with connect_mysql(**mysql_server) as db:
        assert db.fetch_all(SQL("select a from guard_lock")) == [(2,)]
        db.execute(SQL("drop table guard_lock"))


@pytest.mark.mysql
def test_mysql_does_not_go_on_after_a_deadlock(mysql_server: dict[str, Any]) -> None:
    pymysql = pytest.importorskip("pymysql")
    update = SQL("update guard_dead set b = b + 1 where a = {a}")
    with connect_mysql(**mysql_server) as db:
        db.execute(SQL("create table guard_dead (a integer primary key, b integer) engine=InnoDB"))
        db.execute(SQL("insert into guard_dead values (1, 0), (2, 0)"))
    met = threading.Barrier(2)

    def one(first: int) -> str:
        try:
            with connect_mysql(**mysql_server, lock_timeout=60, statement_timeout=60) as db:
                db.execute(update.format(a=first))
                met.wait(60)
                try:
                    db.execute(update.format(a=3 - first))
                except pymysql.err.OperationalError as error:
                    assert error.args[0] == 1213
                    with pytest.raises(Refused, match="rolled"):
                        db.execute(update.format(a=first))
        except Refused:
            return "refused"
        return "done"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(one, (1, 2))) == ["done", "refused"]
    # Errors that leave the transaction as it was are no reason.
    with connect_mysql(**mysql_server) as holder, connect_mysql(**mysql_server, lock_timeout=1, statement_timeout=60) as db:
        holder.execute(update.format(a=1))
        db.execute(update.format(a=2))
        with pytest.raises(pymysql.err.OperationalError, match="Lock wait timeout"):
            db.execute(update.format(a=1))
        with pytest.raises(pymysql.err.IntegrityError):
            db.execute(SQL("insert into guard_dead values (2, 0)"))
        db.execute(update.format(a=2))
    with connect_mysql(**mysql_server) as db:
        assert db.fetch_all(SQL("select a, b from guard_dead order by a")) == [(1, 2), (2, 3)]
        # A statement that commits by itself, and fails then, has taken nothing back.
        db.execute(update.format(a=1))
        with pytest.raises(pymysql.err.OperationalError, match="exists"):
            db.execute(SQL("create table guard_dead (a integer)"))
        db.execute(SQL("drop table guard_dead"))


@pytest.mark.mysql
def test_mysql_verifies_remote_servers(
    mysql_server: dict[str, Any], server_certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The local server is taken for a remote one, and its certificate is demanded."""
    pymysql = pytest.importorskip("pymysql")
    from pyward_guard import sql

    monkeypatch.setattr(sql, "_local", lambda host: False)
    known = {**mysql_server, "host": "localhost"}
    with connect_mysql(**known, ca_file=server_certificate[0]) as db:
        cipher = db.fetch_one(SQL("show session status like 'Ssl_cipher'"))
        assert cipher is not None and cipher[1]
    with pytest.raises(pymysql.err.OperationalError, match="certificate"):
        with connect_mysql(**known):
            pass
    # The right authority, another name.
    with pytest.raises(pymysql.err.OperationalError, match="certificate"):
        with connect_mysql(**mysql_server, ca_file=server_certificate[0]):
            pass
    # A certificate of our own weakens nothing, and asks for TLS of a local server, too.
    own = {"client_cert": server_certificate[0], "client_key": server_certificate[1]}
    for local in (False, True):
        monkeypatch.setattr(sql, "_local", lambda host, local=local: local)
        with pytest.raises(pymysql.err.OperationalError, match="certificate verify failed"), connect_mysql(**known, **own):
            pass


def test_mysql_client_certificates(server_certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pymysql = pytest.importorskip("pymysql")
    made: list[ssl.SSLContext] = []

    def connect(*, ssl: Any, **_: Any) -> Any:
        made.append(ssl)
        raise ZeroDivisionError

    monkeypatch.setattr(pymysql, "connect", connect)
    certificate, key = server_certificate
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    for host in ("db.example.org", "localhost"):
        for own in ({"client_cert": certificate, "client_key": key}, {"client_cert": both}):
            with pytest.raises(ZeroDivisionError), connect_mysql(host=host, user="u", password="p", database="d", **own):
                pass
    assert len(made) == 4 and all(context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname for context in made)
    # A server that demands a certificate of this authority lets the first of them in.
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificate))
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(certificate, key)
    made[0].load_verify_locations(certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [made[0].wrap_bio(to_client, to_server, server_hostname="localhost"), server.wrap_bio(to_server, to_client, server_side=True)]
    for _ in range(4):
        for side in sides:
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    assert sides[1].getpeercert()
    with pytest.raises(InvalidInput), connect_mysql(host="db.example.org", user="u", password="p", database="d", client_key=key):
        pass
    with pytest.raises(OSError), connect_mysql(host="db.example.org", user="u", password="p", database="d", client_cert=tmp_path / "missing"):
        pass


def test_mysql_refuses_connections_that_ended_up_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old drivers fall back to plain connections when a server, or somebody before it, does not offer TLS."""
    pymysql = pytest.importorskip("pymysql")
    closed = []
    plain = SimpleNamespace(_secure=False, close=lambda: closed.append(True))
    monkeypatch.setattr(pymysql, "connect", lambda **_: plain)
    with pytest.raises(Refused, match="TLS"):
        with connect_mysql(host="db.example.org", user="u", password="p", database="d"):
            pass
    assert closed == [True]


def test_mysql_parameters_are_fixed() -> None:
    pytest.importorskip("pymysql")
    for name in (
        "local_infile", "ssl_disabled", "client_flag", "ssl", "ssl_ca", "ssl_cert", "ssl_key", "ssl_key_password", "ssl_verify_cert",
        "read_default_file", "read_default_group", "charset",
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            with connect_mysql(host="localhost", user="u", password="p", database="d", **{name: 1}):
                pass


def test_database_closes_cursors() -> None:
    closed = []

    class Cursor:
        rowcount = 1

        def execute(self, *_: Any) -> None:
            raise RuntimeError

        def close(self) -> None:
            closed.append(True)

    database = Database(SimpleNamespace(cursor=Cursor), paramstyle="qmark", dialect="sqlite")
    with pytest.raises(RuntimeError):
        database.execute(SQL("select 1"))
    assert closed == [True]

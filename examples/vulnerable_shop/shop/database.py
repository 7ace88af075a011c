"""SQLite, one connection for each request."""

import sqlite3

from flask import current_app, g

SCHEMA = """
CREATE TABLE IF NOT EXISTS product (id INTEGER PRIMARY KEY, name TEXT, price REAL, stock INTEGER);
CREATE TABLE IF NOT EXISTS customer (id INTEGER PRIMARY KEY, name TEXT UNIQUE, password TEXT, reset_token TEXT);
CREATE TABLE IF NOT EXISTS review (id INTEGER PRIMARY KEY, product INTEGER, author TEXT, body TEXT);
INSERT OR IGNORE INTO product VALUES (1, 'Kettle', 24.5, 7), (2, 'Teapot', 31.0, 3), (3, 'Cup', 6.0, 40);
INSERT OR IGNORE INTO customer VALUES (1, 'ada', 'f31285b27408ceebfd949e82c843a05a', NULL);
"""


def connection():
    if "connection" not in g:
        g.connection = sqlite3.connect(current_app.config["DATABASE"])
        g.connection.row_factory = sqlite3.Row
    return g.connection


def close(_error=None):
    open_connection = g.pop("connection", None)
    if open_connection is not None:
        open_connection.close()


def create_tables():
    connection().executescript(SCHEMA)
    connection().commit()


def query(statement, values=()):
    """Runs a statement and gives its rows. Callers are to hand over values apart from the text."""
    return connection().execute(statement, values).fetchall()


def change(statement, values=()):
    cursor = connection().execute(statement, values)
    connection().commit()
    return cursor.lastrowid

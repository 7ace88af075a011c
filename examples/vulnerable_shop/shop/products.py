"""Products and what customers say about them."""

from . import database

ORDERS = {"name": "name", "price": "price DESC", "stock": "stock"}


def search(text, order="name"):
    # The text goes into the statement itself ...
    where = "name LIKE '%" + text + "%'"
    return database.query(f"SELECT * FROM product WHERE {where} ORDER BY {ORDERS.get(order, 'name')}")  # flaw: sql-injection


def search_safely(text, order="name"):
    # ... and here beside it; what is put in is one of three constants.
    column = ORDERS.get(order, "name")
    return database.query(f"SELECT * FROM product WHERE name LIKE ? ORDER BY {column}", (f"%{text}%",))


def find(number):
    rows = database.query("SELECT * FROM product WHERE id = ?", (int(number),))
    return rows[0] if rows else None


def add_review(product, author, body):
    return database.change("INSERT INTO review (product, author, body) VALUES (?, ?, ?)", (product, author, body))


def reviews(product):
    return database.query("SELECT author, body FROM review WHERE product = ?", (product,))

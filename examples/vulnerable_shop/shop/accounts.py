"""Customers: login and forgotten passwords."""

import hashlib
import hmac
import random
import secrets

from flask import Blueprint, redirect, render_template, request, session, url_for

from . import database

pages = Blueprint("accounts", __name__, url_prefix="/account")


def fingerprint(password):
    return hashlib.md5(password.encode()).hexdigest()  # flaw: weak-password-hash


def fingerprint_safely(password, salt):
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1).hex()


def etag(content):
    # No secret depends on it.
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pages.route("/login", methods=["GET", "POST"])
def login():
    if request.method == "GET":
        return render_template("login.html")
    rows = database.query("SELECT * FROM customer WHERE name = ?", (request.form["name"],))
    if rows and hmac.compare_digest(rows[0]["password"], fingerprint(request.form["password"])):
        session.clear()
        session["customer"] = rows[0]["id"]
        return redirect(url_for("pages.index"))
    return render_template("login.html", message="Name or password is wrong."), 401


@pages.post("/forgotten")
def forgotten():
    database.change("UPDATE customer SET reset_token = ? WHERE name = ?", (new_token(), request.form["name"]))
    return render_template("login.html", message="We have sent you a letter.")


def new_token():
    reset_token = "".join(random.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(24))  # flaw: insecure-random
    return reset_token


def new_token_safely():
    return secrets.token_urlsafe(24)


def pick_a_colour():
    # Chance, but nothing that anyone must not guess.
    return random.choice(["red", "green", "blue"])

"""Pages for the people who run the shop."""

import ast
import functools

from flask import Blueprint, abort, request, session

from . import files, products, suppliers

pages = Blueprint("admin", __name__, url_prefix="/admin")


def admins_only(handler):
    @functools.wraps(handler)
    def guarded(*args, **kwargs):
        if session.get("role") != "admin":
            abort(403)
        return handler(*args, **kwargs)

    return guarded


@pages.post("/thumbnail")
@admins_only
def thumbnail():
    result = files.thumbnail(request.form["name"], request.form.get("size", "100"))
    return {"code": result.returncode}


@pages.post("/thumbnail/safe")
@admins_only
def thumbnail_safe():
    result = files.thumbnail_safely("kettle.png", request.form.get("size", "100"))
    return {"code": result.returncode}


@pages.post("/images")
@admins_only
def images():
    files.unpack_images(request.files["archive"].stream)
    return {"done": True}


@pages.post("/catalogue")
@admins_only
def catalogue():
    tree = suppliers.read_catalogue(request.files["catalogue"].stream)
    return {"articles": len(tree.getroot())}


@pages.post("/discount")
@admins_only
def discount():
    item = products.find(request.form["product"])
    return {"price": discounted(item["price"], request.form["formula"])}


def discounted(price, formula):
    return eval(formula, {"price": price})  # flaw: code-injection


def discounted_safely(price, percent):
    return price * (100 - float(ast.literal_eval(percent))) / 100


@pages.get("/reviews")
@admins_only
def reviews():
    number = int(request.args["product"])
    rows = [f"<li>{row['author']}: {row['body']}</li>" for row in products.reviews(number)]
    return "<ul>" + "".join(rows) + "</ul>"  # flaw: stored-xss

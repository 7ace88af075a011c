"""Pages for everybody."""

import json

from flask import Blueprint, abort, current_app, make_response, redirect, render_template, render_template_string
from flask import request, send_file, send_from_directory, url_for
from markupsafe import escape

from . import basket, files, products, settings, suppliers

pages = Blueprint("pages", __name__)


@pages.get("/")
def index():
    return render_template("index.html", products=products.search_safely(""))


@pages.get("/search")
def search():
    text = request.args.get("q", "")
    order = request.args.get("order", "name")
    found = products.search(text, order)
    if not found:
        return nothing_found(text)
    return render_template("index.html", products=found)


def nothing_found(text):
    page = "<h1>Nothing found</h1><p>Your search: " + text + "</p>"
    return make_response(page)  # flaw: reflected-xss


@pages.get("/search/safe")
def search_safe():
    text = request.args.get("q", "")
    found = products.search_safely(text, request.args.get("order", "name"))
    if not found:
        return make_response(f"<h1>Nothing found</h1><p>Your search: {escape(text)}</p>")
    return render_template("index.html", products=found)


@pages.get("/product/<int:number>")
def product(number):
    item = products.find(number)
    if item is None:
        abort(404)
    return render_template("product.html", product=item, reviews=products.reviews(number))


@pages.post("/product/<int:number>/review")
def review(number):  # flaw: missing-authentication
    products.add_review(number, request.form["author"], request.form["body"])
    return redirect(url_for("pages.product", number=number))


@pages.get("/greeting")
def greeting():
    name = request.args.get("name", "you")
    return render_template_string(greeting_template(name))  # flaw: template-injection


def greeting_template(name):
    return "<p>Welcome, " + name + "! Today is {{ today }}.</p>"


@pages.get("/greeting/safe")
def greeting_safe():
    return render_template_string("<p>Welcome, {{ name }}!</p>", name=request.args.get("name", "you"))


@pages.get("/invoice")
def invoice():
    return send_file(files.invoice_path(request.args["file"]))  # flaw: path-traversal


@pages.get("/invoice/safe")
def invoice_safe():
    return send_from_directory(settings.INVOICES.resolve(), request.args["file"])


@pages.get("/basket")
def show_basket():
    return render_template("basket.html", lines=basket.load(request.cookies.get("basket", "")))


@pages.get("/basket/safe")
def show_basket_safe():
    lines = json.loads(request.cookies.get("lines", "[]"))
    return render_template("basket.html", lines=lines)


@pages.get("/continue")
def proceed():
    return redirect(target_of(request))  # flaw: open-redirect


def target_of(incoming):
    return incoming.args.get("next") or url_for("pages.index")


@pages.get("/continue/safe")
def proceed_safe():
    targets = {"basket": "/basket", "index": "/"}
    return redirect(targets.get(request.args.get("next", ""), "/"))


@pages.get("/price")
def price():
    try:
        return {"price": suppliers.price(request.args["feed"], request.args["article"])}
    except (ValueError, KeyError) as error:
        current_app.logger.warning("no price: %s", type(error).__name__)
        return {"error": "no price at the moment"}, 502

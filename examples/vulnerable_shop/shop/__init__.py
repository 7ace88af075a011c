"""The shop: application factory."""

from flask import Flask

from . import accounts, admin, database, views


def create_app(database_path="shop.sqlite"):
    app = Flask(__name__)  # flaw: csrf-protection-missing
    app.config.from_object("shop.settings")
    app.config["DATABASE"] = database_path
    app.register_blueprint(views.pages)
    app.register_blueprint(accounts.pages)
    app.register_blueprint(admin.pages)
    app.teardown_appcontext(database.close)
    with app.app_context():
        database.create_tables()
    return app

"""The hardened Jinja2 environment in Flask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flask
import jinja2.ext
import pytest
from pyward_guard import InvalidInput, html
from pyward_guard.headers import CSRF
from pyward_guard.headers import wsgi as headers_wsgi


@pytest.fixture
def app(tmp_path: Path) -> flask.Flask:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/page.html").write_text(
        """<a href="{{ url_for('page', q='a b') }}">{{ text }}</a>{{ request.path }} {{ extra }} {{ text|shout }}
        <script nonce="{{ csp_nonce() }}">var x = {{ data|tojson }};</script>{{ csrf_field() }}"""
    )
    made = flask.Flask(__name__, root_path=str(tmp_path))
    made.secret_key = "the secret of the application"

    @made.context_processor
    def more() -> dict[str, Any]:
        return {"extra": "from a context processor"}

    @made.template_filter("shout")
    def shout(text: str) -> str:
        return text.upper()

    @made.get("/")
    def page() -> str:
        return flask.render_template("page.html", text="<b>", data={"end": "</script>"})

    return made


@pytest.mark.parametrize("headers_first", [True, False])
def test_templates_of_flask(app: flask.Flask, headers_first: bool) -> None:
    steps = [lambda: headers_wsgi.install(app, hosts=["localhost"], csrf=CSRF([b"k" * 32])), lambda: html.harden_flask(app)]
    for step in steps if headers_first else reversed(steps):
        step()
    answer = app.test_client().get("/", base_url="https://localhost")
    page = answer.text
    assert answer.status_code == 200 and '<a href="/?q=a+b">&lt;b&gt;</a>/ from a context processor &lt;B&gt;' in page, page
    assert "</script>\"" not in page and 'name="csrf_token"' in page
    assert page.split('nonce="')[1].split('"')[0] in answer.headers["Content-Security-Policy"]


def test_what_is_refused(app: flask.Flask) -> None:
    html.harden_flask(app)
    with app.test_request_context("/"):
        for source in ("<p class={{ x }}>", "{{ x|safe }}", "<script>{{ x }}</script>"):
            with pytest.raises(jinja2.TemplateSyntaxError):
                flask.render_template_string(source, x="1")
        # No way to the secret key, nor to code.
        with pytest.raises(jinja2.UndefinedError):
            flask.render_template_string("{{ config.SECRET_KEY }}")
        with pytest.raises((jinja2.UndefinedError, jinja2.sandbox.SecurityError)):
            flask.render_template_string("{{ request.__class__.__mro__ }}")
        assert flask.render_template_string("<p>{{ x }}</p>", x="<") == "<p>&lt;</p>"


def test_extensions_and_options_of_the_application_stay() -> None:
    app = flask.Flask(__name__)
    app.jinja_options = {"extensions": ["jinja2.ext.do", "jinja2.ext.loopcontrols"], "trim_blocks": True}
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
    html.harden_flask(app)
    with app.test_request_context("/"):
        page = "{% do 1 %}\n{% trans %}Hi {{ x }}{% endtrans %}{{ gettext(x) }}{% for i in x %}{% break %}{% endfor %}"
        assert flask.render_template_string(page, x="<") == "Hi &lt;&lt;"
    # What is added later is judged in the same way.
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
    with app.test_request_context("/"):
        assert flask.render_template_string("{{ _(x) }}", x="<") == "&lt;"
    with pytest.raises(InvalidInput):
        app.jinja_env.add_extension("jinja2.ext.debug")


class Fragments(jinja2.ext.Extension):
    """As Flask-Assets: the application sets on the environment what the extension works with."""

    tags = {"fragment"}

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        environment.extend(fragments=None, fragment_owner=self, fragment_call=self.parse)

    def parse(self, parser: Any) -> Any:
        line = next(parser.stream).lineno
        return jinja2.nodes.Output([self.call_method("taken", [parser.parse_expression()])]).set_lineno(line)

    def taken(self, name: str) -> str:
        return self.environment.fragments[name]  # type: ignore[attr-defined]


def test_what_the_application_set_for_extensions_stays(tmp_path: Path) -> None:
    app = flask.Flask(__name__)
    app.jinja_options = {"bytecode_cache": jinja2.FileSystemBytecodeCache(str(tmp_path))}
    before: Any = app.jinja_env
    before.add_extension(Fragments)
    before.fragments = {"a": "<"}
    before.own = 1
    for _ in range(2):
        html.harden_flask(app)
    made: Any = app.jinja_env
    with app.test_request_context("/"):
        assert flask.render_template_string("{% fragment 'a' %}") == "&lt;"
    assert made.own == 1 and made.fragments is before.fragments
    # Not the one of an environment that judges nothing.
    assert made.bytecode_cache is not None and before.bytecode_cache is not made.bytecode_cache
    # The extension's own belong to the extension of the new environment.
    extension = made.extensions[Fragments.identifier]
    assert extension.environment is made and made.fragment_owner is made.fragment_call.__self__ is extension
    assert isinstance(made, type(html.jinja_environment())) and not hasattr(made, "app")


def test_nothing_that_was_set_stands_in_for_the_guard() -> None:
    app = flask.Flask(__name__)
    before: Any = app.jinja_env
    before.is_safe_attribute = lambda *_: True
    before.template_class = jinja2.Template
    html.harden_flask(app)
    with app.test_request_context("/"), pytest.raises(jinja2.exceptions.SecurityError):
        flask.render_template_string("{{ ''.__class__.__mro__ }}")
    assert not {"is_safe_attribute", "template_class"} & vars(app.jinja_env).keys()


class LazyString:
    """As Flask-Babel's."""

    def __str__(self) -> str:
        return "<b>"

    def __html__(self) -> str:
        return str(self)


def test_flashed_lazy_strings_are_texts() -> None:
    """Flask's sessions would give them back as markup."""
    app = flask.Flask(__name__)
    app.secret_key = "the secret of the application"
    for _ in range(2):
        html.harden_flask(app)

    @app.get("/")
    def flash() -> str:
        flask.flash(LazyString())  # type: ignore[arg-type]
        flask.flash(html.Markup("<i>"))
        return flask.json.dumps(LazyString())

    @app.get("/shown")
    def shown() -> str:
        return flask.render_template_string("{% for m in get_flashed_messages() %}{{ m }}{% endfor %}{{ m }}", m=LazyString())

    client = app.test_client()
    assert "<b>" in client.get("/").text
    assert client.get("/shown").text == "&lt;b&gt;<i>&lt;b&gt;"

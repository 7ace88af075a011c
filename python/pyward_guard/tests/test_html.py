"""HTML: escaping by context, sanitising, Markup, template strings, the Jinja2 environment."""

from __future__ import annotations

import html as stdlib_html
import html.parser
import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyward_guard import InvalidInput, LimitExceeded, Refused, html as guard
from pyward_guard.html import Markup, Sanitizer, escape, jinja_environment, preset, render, sanitize

markupsafe = pytest.importorskip("markupsafe")
jinja2 = pytest.importorskip("jinja2")


@given(st.text())
def test_escape_agrees_with_markupsafe(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert escape(text) == str(markupsafe.escape(text))


def test_markup_protocol() -> None:
    assert escape(None) == "None" and escape(3) == "3"
    assert escape(Markup("<b>")) == "<b>"
    assert escape(markupsafe.Markup("<b>")) == "<b>"
    assert markupsafe.escape(Markup("<b>")) == "<b>"
    assert type(escape("x")) is Markup and repr(Markup("x")) == "Markup('x')"
    assert Markup("<i>{}</i> {name}").format("<b>", name=Markup("<u>")) == "<i>&lt;b&gt;</i> <u>"
    assert Markup("%s %(a)s" if False else "%s|%d|%.1f") % ("<", 3, 2.55) == "&lt;|3|2.5"
    assert Markup("%(a)s") % {"a": "<"} == "&lt;"
    assert Markup(", ").join(["<", Markup("<br>")]) == "&lt;, <br>"
    assert "<" + Markup("b") == "&lt;b" and Markup("b") * 2 == "bb"
    assert type("<" + Markup("b")) is Markup and type(Markup("b") + "<") is Markup
    with pytest.raises(Refused):
        Markup("{0.__class__}").format(1)
    with pytest.raises(TypeError):
        Markup("a") + 1  # type: ignore[operator]


def test_a_bad_html_method_is_an_error() -> None:
    class Bad:
        def __html__(self) -> int:
            return 3

    with pytest.raises(TypeError):
        escape(Bad())


class Finder(html.parser.HTMLParser):
    """Collects what a parser sees as code."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style", "iframe", "svg", "math", "object", "embed", "link", "meta", "base", "form"):
            self.found.append(tag)
        for name, value in attrs:
            squeezed = "".join(c for c in (value or "") if c > " ").lower()
            if name.startswith("on") or squeezed.startswith(("javascript:", "data:", "vbscript:")):
                self.found.append(f"{name}={value}")

    handle_startendtag = handle_starttag


PIECES = [
    "<", ">", "/", "a", "img", "script", "svg", "math", "style", "title", "textarea", "noscript", "template", "mglyph", "mtext",
    "table", "td", " ", "=", '"', "'", "href", "src", "onerror", "javascript:alert(1)", "jav\tascript:x", "&#106;avascript:x", "x",
    "<!--", "-->", "--!>", "]]>", "&lt;", "&", "\0", "\n", "<p", "</p>", "<a href=", "<img src=x onerror=alert(1)>",
]


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join), st.sampled_from(["inline", "comment", "article"]))
def test_nothing_runs_after_sanitising(text: str, name: Any) -> None:
    once = sanitize(text, name)
    finder = Finder()
    finder.feed(once)
    finder.close()
    assert finder.found == []
    assert sanitize(once, name) == once


@given(st.binary(max_size=300))
def test_any_bytes(raw: bytes) -> None:
    sanitize(raw.decode("latin-1"), "article")
    sanitize(raw.decode("utf-8", "replace"), "text")


def test_policies() -> None:
    policy = preset("comment").allow(
        tags=["img"], attributes={"img": ["src", "alt"]}, styles=["color"], classes={"p": ["note"]}, schemes=["tel"]
    )
    clean = Sanitizer(policy).clean
    assert clean('<p class="note x" style="color:red;top:0" onclick=x>') == '<p class="note" style="color:red;"></p>'
    assert clean('<img src="https://a/b" alt="c" onload=x>') == '<img src="https://a/b" alt="c">'
    assert 'href="tel:1"' in clean('<a href="tel:1">x</a>')
    for tags in (["script"], ["SVG"], ["iframe"]):
        with pytest.raises(InvalidInput):
            Sanitizer(preset("comment").allow(tags=tags))
    for attributes in ({"a": ["onclick"]}, {"a": ["style"]}, {"img": ["srcset"]}, {"p": ["id"]}):
        with pytest.raises(InvalidInput):
            Sanitizer(preset("comment").allow(attributes=attributes))
    with pytest.raises(InvalidInput):
        preset("comment").allow(tags="img")
    with pytest.raises(InvalidInput):
        preset("everything")  # type: ignore[arg-type]
    with pytest.raises(LimitExceeded):
        sanitize("x" * (1 << 20) + "<")


def test_links() -> None:
    from dataclasses import replace

    clean = Sanitizer(replace(preset("inline"), link_hosts=frozenset({"example.org"}), link_rel="noopener")).clean
    assert clean('<a href="https://a.example.org/">x</a>') == '<a href="https://a.example.org/" rel="noopener">x</a>'
    for url in ("https://example.org.evil/", "//evil/", "\\\\evil", "https:/\\evil/", "http:\t//evil/", "https://example.org@evil/"):
        assert "href" not in clean(f'<a href="{url}">x</a>'), url
    resolved = Sanitizer(replace(preset("inline"), relative_urls="https://example.org/docs/")).clean
    assert "https://example.org/docs/a" in resolved('<a href="a">x</a>')
    removed = Sanitizer(replace(preset("inline"), relative_urls="remove")).clean
    assert "href" not in removed('<a href="a">x</a>')


def test_threads_share_a_sanitizer() -> None:
    sanitizer = Sanitizer(preset("article"))
    source = "<p><b>x</b><script>y</script></p>" * 50
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda: results.extend(sanitizer.clean(source) for _ in range(50))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results) == {"<p><b>x</b></p>" * 50}


def template(*parts: Any) -> Any:
    """What ``t"..."`` gives: literal parts and values in turn."""
    strings = tuple(part for part in parts[::2])
    values = tuple(SimpleNamespace(value=v, expression="v", conversion=None, format_spec="") for v in parts[1::2])
    return SimpleNamespace(strings=strings, interpolations=values)


def test_template_strings() -> None:
    assert render(template("<p>", "<b>", "</p>")) == "<p>&lt;b&gt;</p>"
    assert render(template('<a title="', 'x" onclick="y', '">', Markup("<i>"), "</a>")) == (
        '<a title="x&#34; onclick=&#34;y"><i></a>'
    )
    assert render(template('<a href="', "/x?a=1&b=2", '">x</a>')) == '<a href="/x?a=1&amp;b=2">x</a>'
    assert render(template('<a href="/search?q=', "a b&c", '">')) == '<a href="/search?q=a%20b%26c">'
    script = render(template("<script>let x = ", {"a": "</script>"}, ";</script>"))
    assert json.loads(script[len("<script>let x = ") : -len(";</script>")]) == {"a": "</script>"}
    assert render(template('<a onclick="f(', "');alert(1)//", ')">')) == (
        '<a onclick="f(&#34;\\u0027);alert(1)//&#34;)">'
    )
    assert render(template('<p style="color: ', "red", '">')) == '<p style="color: red">'
    assert render(template("<ul>", [template("<li>", x, "</li>") for x in "<a"], "</ul>")) == (
        "<ul><li>&lt;</li><li>a</li></ul>"
    )
    assert render(template('<b title="', Markup('"><script>'), '">')) == '<b title="&#34;&gt;&lt;script&gt;">'


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ('<a href="', "javascript:alert(1)", '">'),
        ('<a href="', " javascript:alert(1)", '">'),
        ('<a href="', "//evil", '">'),
        ('<a href="java', "script:alert(1)", '">'),
        ('<a href="https://', "evil", '/">'),
        ('<a href="/', "/evil", '">'),
        ("<p class=", "x onclick=y", ">"),
        ("<", "script", ">"),
        ("<p ", "onclick=x", ">"),
        ("<!-- ", "--><script>", " -->"),
        ("<style>", "x", "</style>"),
        ('<p style="', "background:url(x)", '">'),
        ('<p style="color: ', "red;position:fixed", '">'),
        ('<iframe srcdoc="', "<script>", '">'),
        ('<img srcset="', "x", '">'),
        ("<noscript>", "x", "</noscript>"),
        ("<p title='", "x", ""),
        ("<script>", "x", ""),
    ],
)
def test_template_strings_refuse(before: str, value: str, after: str) -> None:
    with pytest.raises((Refused, InvalidInput)):
        render(template(before, value, after))


@given(st.text(max_size=40))
def test_values_stay_in_their_place(value: str) -> None:
    value = value.encode("utf-8", "ignore").decode()
    page = render(template('<p title="', value, '">', value, "</p><script>f(", value, ")</script>"))
    seen: list[Any] = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            seen.append((tag, [name for name, _ in attrs]))

    reader = Reader()
    reader.feed(page)
    assert seen == [("p", ["title"]), ("script", [])]
    assert stdlib_html.unescape(escape(value)) == stdlib_html.unescape(stdlib_html.escape(value))


def test_render_takes_no_str() -> None:
    with pytest.raises(InvalidInput):
        render("<p>")


def test_jinja_escapes_and_sandboxes() -> None:
    env = jinja_environment(loader=jinja2.DictLoader({"base": "<p>{% block b %}{{ x }}{% endblock %}</p>"}))
    assert env.get_template("base").render(x="<b>") == "<p>&lt;b&gt;</p>"
    assert env.from_string("{{ x|sanitize }}").render(x="<b>a</b><script>") == "<b>a</b>"
    with pytest.raises(jinja2.UndefinedError):
        env.from_string("{{ missing }}").render()
    with pytest.raises(jinja2.exceptions.SecurityError):
        env.from_string("{{ x.__class__.__mro__ }}").render(x=1)
    with pytest.raises(Refused):
        env.from_string('<a href="{{ x|url }}">').render(x="javascript:alert(1)")
    with pytest.raises(InvalidInput):
        jinja_environment(autoescape=False)


@pytest.mark.parametrize(
    "source",
    [
        "{% autoescape false %}{{ x }}{% endautoescape %}",
        "{% autoescape y %}{{ x }}{% endautoescape %}",
        "{{ x|safe }}",
        "{{ (x|safe) ~ y }}",
        "<p class={{ x }}>",
        "<script>{{ x }}</script>",
        "<script>{{ x|tojson + y }}</script>",
        "<script>{{ x|tojson if y else z }}</script>",
        '<a href="{{ x }}">',
        '<a href="java{{ x }}">',
        '<a onclick="f({{ x }})">',
        '<a onclick="f({{ x|tojson }})">',
        "<style>{{ x }}</style>",
        "<!-- {{ x }} -->",
        "<{{ x }}>",
    ],
)
def test_jinja_refuses(source: str) -> None:
    with pytest.raises(jinja2.TemplateSyntaxError):
        jinja_environment(extensions=[]) if False else jinja_environment().from_string(source)


@pytest.mark.parametrize(
    "source",
    [
        "<p class='{{ x }}'>{{ x }}</p>",
        "<script>let a = {{ x|tojson }};</script>",
        '<a href="{{ url_for(x) }}">',
        '<a href="{{ x|url }}">',
        '<a href="/items/{{ x }}">',
        "{% if x < 3 %}<b>{{ x }}</b>{% endif %}",
        "{% autoescape true %}{{ x }}{% endautoescape %}",
    ],
)
def test_jinja_accepts(source: str) -> None:
    jinja_environment().from_string(source)


def test_safe_filter_only_on_request(caplog: pytest.LogCaptureFixture) -> None:
    env = jinja_environment(insecure_allow_safe_filter=True)
    assert env.from_string("{{ x|safe }}").render(x="<b>") == "<b>"
    assert "safe filter" in caplog.text


def test_contexts() -> None:
    assert guard.escape_attribute("a b=c") == "a&#32;b&#61;c"
    assert guard.escape_url_component("a/b ü") == "a%2Fb%20%C3%BC"
    assert guard.script_json("</script>") == '"\\u003c/script\\u003e"'
    with pytest.raises(InvalidInput):
        guard.script_json(float("nan"))
    with pytest.raises(InvalidInput):
        guard.script_json(object())

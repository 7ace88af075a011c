"""HTML: escaping by context, sanitising, Markup, template strings, the Jinja2 environment."""

from __future__ import annotations

import html as stdlib_html
import html.parser
import json
import sys
import threading
from pathlib import Path
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
    assert repr(Markup(" <b>\n").strip()) == "Markup('<b>')" and type(Markup("<b>").strip("<")) is str
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
    with pytest.raises(InvalidInput):
        guard.safe_url("javascript:x", schemes=["javascript"])


def test_work_is_bounded() -> None:
    # Half of these would take minutes or gigabytes.
    opened = "".join(f"<p><b title={i}>" for i in range(500))
    for text in (opened + "<p>x" * 4000, "<div>" * 200_000, "&" * 1_000_000, "\u00a7" * 500_000, "<table><b>" * 100_000):
        with pytest.raises(LimitExceeded):
            sanitize(text, "article")
    for text in ("<div>" * 300 + "</div>" * 300, "<p>caf\u00e9 & \u00ab bar \u00bb</p>" * 20_000, "&lt;p&gt; " * 100_000):
        sanitize(text, "article")


def test_sanitize_takes_a_policy() -> None:
    assert sanitize("<b>x</b><p>", preset("inline")) == "<b>x</b>"


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


class _Tags(html.parser.HTMLParser):
    """The start tags of a page, as a browser would see them."""

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.found.append((tag, dict(attributes)))

    @classmethod
    def of(cls, page: str) -> list[tuple[str, dict[str, str]]]:
        reader = cls()
        reader.found: list[Any] = []
        reader.feed(page)
        return reader.found


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
    # Within a string of the script, the value stays within it.
    assert render(template('<script>let x = "', ';"alert(1)', '";</script>')) == (
        '<script>let x = "\\u003b\\u0022alert(1)";</script>'
    )
    assert render(template("<a onclick='f(\"", '");alert(1)//', "\")'>")) == (
        "<a onclick='f(\"\\u0022)\\u003balert(1)\\u002f\\u002f\")'>"
    )
    assert render(template('<script src="', "/app.js", '"></script>')) == '<script src="/app.js"></script>'
    assert render(template('<script src="/static/', "a/b", '"></script>')) == '<script src="/static/a%2Fb"></script>'
    assert render(template('<meta name="description" content="', '"x', '">')) == '<meta name="description" content="&#34;x">'
    assert render(template("<title>", Markup("</title><script>"), "</title>")) == "<title>&lt;/title&gt;&lt;script&gt;</title>"
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
        ('<a href="https://example.org', ".evil", '">'),
        ('<a href="https:/', "evil", '">'),
        ('<script src="', "https://evil/x.js", '"></script>'),
        ('<base href="', "//evil", '">'),
        ('<meta http-equiv="refresh" content="', "0;url=//evil", '">'),
        ("<script>let x = `", "${alert(1)}", "`;</script>"),
        ("<script>a = 1 / ", "x", "</script>"),
        ("<script>/* ", "*/ alert(1)", " */</script>"),
        ("<a onclick=\"f(&quot;", "x", '&quot;)">'),
        ("<script><!--<script></script>", "x", "</script>"),
        ("<p style=\"background: url('", "x", "')\">"),
        ("<p @click='", "x", "'>"),
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


@pytest.mark.skipif(sys.version_info < (3, 14), reason="template strings came with Python 3.14")
def test_real_template_strings() -> None:
    names = {"url": "/a?b&c", "text": "<b>", "items": ["<", "a"]}
    assert render(eval("t'<a href=\"{url}\" title=\"{text!r:>8}\">{text}</a>'", names)) == (
        '<a href="/a?b&amp;c" title="   &#39;&lt;b&gt;&#39;">&lt;b&gt;</a>'
    )
    assert render(eval("t'<ul>{[t\"<li>{i}</li>\" for i in items]}</ul>'", names)) == "<ul><li>&lt;</li><li>a</li></ul>"
    with pytest.raises(Refused):
        render(eval("t'<p class={text}>'", names))


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
        '<script>let x = "{{ x|tojson }}"</script>',
        "<script>let x = `{{ x|tojson }}`</script>",
        '<script src="{{ x|url }}"></script>',
        '<link rel="stylesheet" href="{{ x|url }}">',
        '<a href="https://example.org{{ x }}">',
        "<style>{{ x }}</style>",
        "<!-- {{ x }} -->",
        "<{{ x }}>",
    ],
)
def test_jinja_refuses(source: str) -> None:
    with pytest.raises(jinja2.TemplateSyntaxError):
        jinja_environment(extensions=[]) if False else jinja_environment().from_string(source)


def test_jinja_markup_in_attributes_is_escaped_again() -> None:
    env = jinja_environment()
    payload = '<b title="a onmouseover=alert(1) x">'
    for source in ('<p title="{{ x|sanitize }}">', '<a href="/x?{{ x|sanitize }}">', "<textarea>{{ x|sanitize }}</textarea>"):
        out = env.from_string(source).render(x=payload)
        assert out.count("<") == source.count("<") and out.count('"') == source.count('"'), out
    assert env.from_string('<p title="{{ x }}">').render(x=sanitize(payload)).count('"') == 2
    data = env.from_string('<p data-x="{{ x|tojson }}">').render(x={"a": " onmouseover=alert(1) "})
    assert json.loads(stdlib_html.unescape(data.split('"')[1])) == {"a": " onmouseover=alert(1) "}
    assert env.from_string('<p title="{{ x|e }}">').render(x="<") == '<p title="&lt;">'
    assert env.from_string("{{ m.format(a=x) }}{{ m.format_map({'a': x}) }}").render(m=Markup("<b>{a}</b>"), x="<i>") == (
        "<b>&lt;i&gt;</b><b>&lt;i&gt;</b>"
    )


def test_jinja_attributes_of_json_and_numbers() -> None:
    env = jinja_environment()
    told = {"id": "x\", \"admin\": \"1", "js": "'><script>"}
    for quote in "'\"":
        page = env.from_string(f"<p hx-vals={quote}{{{{ told|tojson }}}}{quote} hx-trigger='every {{{{ n|int }}}}s'>").render(told=told, n="2s")
        [(_, attributes)] = _Tags.of(page)
        assert json.loads(attributes["hx-vals"]) == told and attributes["hx-trigger"] == "every 0s"
    assert env.from_string("""<p hx-vals='{"id": "{{ n|int }}"}'>""").render(n=7) == """<p hx-vals='{"id": "7"}'>"""
    for source in (
        "<p hx-vals='{{ x }}'>", """<p hx-vals='{"id": "{{ x }}"}'>""", "<p hx-vals='js:{id: {{ x|tojson }}}'>",
        "<p hx-trigger='{{ x }}'>", "<p data-script='{{ x }}'>",
    ):
        with pytest.raises(jinja2.TemplateSyntaxError):
            env.from_string(source)
    [(_, attributes)] = _Tags.of(render(template("<p hx-vals='{\"id\": \"", told["id"], "\", \"all\": ", told, "}'>")))
    assert json.loads(attributes["hx-vals"]) == {"id": told["id"], "all": told}


def test_jinja_checks_what_calls_return() -> None:
    env = jinja_environment()
    source = '<a href="{{ f() }}">'
    assert env.from_string(source).render(f=lambda: "/a?b=1&c") == '<a href="/a?b=1&amp;c">'
    with pytest.raises(Refused):
        env.from_string(source).render(f=lambda: "javascript:alert(1)")


def test_jinja_safe_is_refused_by_name_too() -> None:
    with pytest.raises(jinja2.TemplateRuntimeError):
        jinja_environment().from_string("{{ x|map('safe')|join }}").render(x=["<script>"])
    with pytest.raises(InvalidInput):
        jinja_environment().overlay(autoescape=False)


@pytest.mark.parametrize("source", [
    "{% filter striptags %}{{ x }}{% endfilter %}", "{% filter sanitize|striptags %}{{ x }}{% endfilter %}",
    "{% set t | striptags %}{{ x }}{% endset %}{{ t }}", "{% call '{a}'.format(a=x) %}{% endcall %}",
])
def test_jinja_blocks_that_give_plain_text(source: str) -> None:
    markup = "{% macro m() %}<i>{{ caller() }}</i>{% endmacro %}{% call m() %}<b>{{ x }}</b>{% endcall %}"
    for options in ({}, {"enable_async": True}):
        env = jinja_environment(**options)
        assert env.from_string(source).render(x="<script>") == "&lt;script&gt;"
        assert env.from_string("{% filter sanitize %}<b>{{ x }}</b>{% endfilter %}").render(x="<") == "<b>&lt;</b>"
        assert env.from_string(markup).render(x="<") == "<i><b>&lt;</b></i>"


@pytest.mark.parametrize("newstyle", [True, False])
def test_jinja_translations_are_escaped(newstyle: bool) -> None:
    env: Any = jinja_environment(extensions=["jinja2.ext.i18n"])
    env.install_null_translations(newstyle=newstyle)
    payload = "<script>'"
    for source in ("{% trans %}Hi {{ x }}{% endtrans %}", "{% trans n=2 %}1{% pluralize %}Hi {{ x }}{% endtrans %}", "Hi {{ _(x) }}",
                   "{% set g = gettext %}Hi {{ g(x) }}", "{% filter striptags %}{% trans %}Hi {{ x }}{% endtrans %}{% endfilter %}"):
        assert env.from_string(source).render(x=payload) == "Hi &lt;script&gt;&#39;", source
    title = env.from_string("<p title='{% trans %}l'h {{ x }}{% endtrans %}'>").render(x=Markup("'"))
    assert title == "<p title='l&#39;h &#39;'>"
    for source in ("{% trans %}<a href='{{ x }}'>{% endtrans %}", "<script>{% trans %}a{% endtrans %}</script>"):
        with pytest.raises(jinja2.TemplateSyntaxError):
            env.from_string(source)


def test_jinja_extensions() -> None:
    env = jinja_environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"], autoescape=True, undefined=jinja2.Undefined)
    loop = "{% for i in x %}{% if i == '<' %}{% continue %}{% endif %}<b>{{ i }}</b>{% break %}{% endfor %}{% do x|length %}"
    assert env.from_string(loop).render(x="<>a") == "<b>&gt;</b>"
    with pytest.raises(jinja2.UndefinedError):
        env.from_string("{{ missing }}").render()
    for source in ("{% for i in x %}<script>{% break %}</script>{% endfor %}{{ x }}", "{% for i in x %}<p {% break %}>{% else %}{{ x }}{% endfor %}",
                   "{% for i in x %}{% filter upper %}{% break %}{% endfilter %}{% endfor %}"):
        with pytest.raises(jinja2.TemplateSyntaxError):
            env.from_string(source)

    class Raw(jinja2.ext.Extension):  # type: ignore[misc, name-defined, unused-ignore]
        tags = {"raw_value"}

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return jinja2.nodes.Output([jinja2.nodes.MarkSafe(parser.parse_expression())])

    with pytest.raises(jinja2.TemplateSyntaxError):
        jinja_environment(extensions=[Raw]).from_string("{% raw_value x %}")
    for wrong in ({"extensions": ["jinja2.ext.debug"]}, {"autoescape": False}):
        with pytest.raises(InvalidInput):
            jinja_environment(**wrong)


def test_jinja_branches_and_blocks() -> None:
    templates = {
        "base": "<title>{% block title %}{% endblock %}</title><script>{% block js %}{% endblock %}</script>"
        "<a href='{% block link %}/x{% endblock %}'>{% block body %}{% endblock %}</a>",
        "middle": "{% extends 'base' %}{% block body %}<p>{% block inner %}{% endblock %}</p>{% endblock %}",
        "good": "{% extends 'middle' %}{% block title %}{{ x }}{% endblock %}{% block js %}f({{ x|tojson }}){{ super() }}{% endblock %}"
        "{% block inner %}{{ x }}{% endblock %}",
        "bad": "{% extends 'middle' %}{% block js %}{{ x }}{% endblock %}",
        "leaves": "{% extends 'middle' %}{% block title %}</title>{% endblock %}",
        "dynamic": "{% extends layout %}{% block js %}{{ x }}{% endblock %}",
        "in_script": "<script>{% include 'part' %}</script>",
        "part": "{{ x }}",
    }
    env = jinja_environment(loader=jinja2.DictLoader(templates))
    assert env.get_template("good").render(x="<'") == (
        "<title>&lt;&#39;</title><script>f(\"\\u003c\\u0027\")</script><a href='/x'><p>&lt;&#39;</p></a>"
    )
    for name in ("bad", "leaves", "dynamic", "in_script"):
        with pytest.raises(jinja2.TemplateSyntaxError):
            env.get_template(name)
    for source in (
        "{% if a %}<a href='{% else %}<a title='x' data-y='{% endif %}{{ x }}'>",
        "{% if a %}<script>{% endif %}{{ x }}",
        "{% for a in b %}<a {% endfor %}{{ x }}",
        "{% macro m() %}<script>{% endmacro %}{{ m() }}{{ x }}",
        "{% set m %}<script>{% endset %}{{ m }}{{ x }}",
        "<script>{% call f() %}{{ x }}{% endcall %}</script>",
        "<p>{{ x }}<script>",
    ):
        with pytest.raises(jinja2.TemplateSyntaxError):
            env.from_string(source)
    for source in (
        "<p{% if a %} class='b'{% endif %} title='{{ x }}'>{{ x }}</p>",
        "<p class='{% if a %}b {% elif c %}{{ x }}{% endif %}{{ x }}'>",
        "<a href='/x{% for a in b %}/{{ a }}{% endfor %}?{{ x }}'>{% for a in b %}<b>{{ a }}</b>{% else %}{{ x }}{% endfor %}</a>",
        "<script>{% if a %}f({{ x|tojson }});{% endif %}g({{ x|tojson }})</script>{{ x }}",
        "{% macro field(n) %}<input name='{{ n }}'>{% endmacro %}{{ field(x) }}{% call field(x) %}{{ x }}{% endcall %}",
        "{% filter upper %}<b>{{ x }}</b>{% endfilter %}{% with y = x %}{{ y }}{% endwith %}",
    ):
        env.from_string(source)


@pytest.mark.parametrize(
    "source",
    [
        "<p class='{{ x }}'>{{ x }}</p>",
        "<script>let a = {{ x|tojson }};</script>",
        '<a href="{{ url_for(x) }}">',
        '<a href="{{ x|url }}">',
        '<a href="/items/{{ x }}">',
        '<link rel="canonical" href="{{ x|url }}">',
        '<link rel="stylesheet" href="{{ url_for(x) }}">',
        '<meta name="description" content="{{ x }}">',
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


UNJUDGED = '<a href="{{ u }}">x</a><script>var a = {{ u }};</script>'


def test_jinja_takes_no_code_that_it_did_not_judge(tmp_path: Path) -> None:
    """A cache that other environments filled, and templates compiled beforehand."""
    loader = jinja2.DictLoader({"a": UNJUDGED, "b": "<b>{{ u }}</b>"})
    cache = jinja2.FileSystemBytecodeCache(str(tmp_path))
    plain = jinja2.Environment(loader=loader, autoescape=True, bytecode_cache=cache)
    plain.get_template("a").render(u="x")
    plain.get_template("b")
    later = jinja_environment(loader=loader)
    later.bytecode_cache = cache
    for env in (
        jinja_environment(loader=loader, bytecode_cache=cache),
        jinja_environment(loader=loader).overlay(bytecode_cache=cache),
        later,
        later.overlay(trim_blocks=True),
    ):
        with pytest.raises(jinja2.TemplateSyntaxError) as info:
            env.get_template("a")
        assert info.value.source == UNJUDGED
        assert env.get_template("b").render(u="<") == "<b>&lt;</b>"
    plain.compile_templates(str(tmp_path / "compiled"), zip=None)
    compiled = jinja2.ModuleLoader(tmp_path / "compiled")
    for refused in (compiled, jinja2.ChoiceLoader([jinja2.DictLoader({}), compiled])):
        with pytest.raises(InvalidInput):
            jinja_environment(loader=refused).get_template("b")
    with pytest.raises(InvalidInput):
        jinja_environment(loader=jinja2.PrefixLoader({"p": compiled})).get_template("p/b")


def test_jinja_bytecode_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory(jinja2.BytecodeCache):
        def __init__(self) -> None:
            self.codes: dict[str, bytes] = {}

        def load_bytecode(self, bucket: Any) -> None:
            if bucket.key in self.codes:
                bucket.bytecode_from_string(self.codes[bucket.key])

        def dump_bytecode(self, bucket: Any) -> None:
            self.codes[bucket.key] = bucket.bytecode_to_string()

        def clear(self) -> None:
            self.codes.clear()

    cache = Memory()
    texts = {"parent": "<p>{% block x %}{% endblock %}</p>", "child": "{% extends 'parent' %}{% block x %}{{ v }}{% endblock %}"}

    def fresh(**options: Any) -> Any:
        return jinja_environment(loader=jinja2.DictLoader(texts), bytecode_cache=cache, **options)

    compiled = []
    original = jinja2.Environment.compile
    monkeypatch.setattr(jinja2.Environment, "compile", lambda *args: (compiled.append(args[2]), original(*args))[1])
    for _ in range(2):
        assert fresh().get_template("child").render(v="<") == "<p>&lt;</p>"
    assert sorted(compiled) == ["child", "parent"]
    # The places of a template's values are those of the blocks that it fills.
    texts["parent"] = "<script>{% block x %}{% endblock %}</script>"
    with pytest.raises(jinja2.TemplateSyntaxError):
        fresh().get_template("child")
    texts["child"] = "{{ v|safe }}"
    assert fresh(insecure_allow_safe_filter=True).get_template("child").render(v="<") == "<"
    with pytest.raises(jinja2.TemplateSyntaxError):
        fresh().get_template("child")
    # Code of other options is other code, and was judged otherwise.
    texts.update(child="<script>{{ v }}</script>[[ v ]]", other="{% for i in v %}{{ i }}{% endfor %}")
    brackets = {"variable_start_string": "[[", "variable_end_string": "]]"}
    assert fresh(**brackets).get_template("child").render(v="<") == "<script>{{ v }}</script>&lt;"
    with pytest.raises(jinja2.TemplateSyntaxError):
        fresh().get_template("child")
    fresh().get_template("other")
    more: list[dict[str, Any]] = [{"enable_async": True}, {"finalize": str}, {"extensions": ["jinja2.ext.do"]}]
    for options in more:
        compiled.clear()
        for _ in range(2):
            fresh(**options).get_template("other")
        assert compiled == ["other"], options
    fresh().bytecode_cache.clear()
    assert not cache.codes


class LazyString:
    """As Flask-Babel's: its HTML is the translation as it is, with what was filled into it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text

    def __html__(self) -> str:
        return str(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(str(self), name)


LAZY = LazyString("<b> & x")
SHOWN = "&lt;b&gt; &amp; x"


def test_lazily_translated_strings_are_texts() -> None:
    class Derived(LazyString):
        pass

    class Deliberate(LazyString):
        def __html__(self) -> str:
            return "<i>"

    assert escape(LAZY) == escape(Derived("<b> & x")) == SHOWN and type(escape(LAZY)) is Markup
    assert escape(Deliberate("<")) == "<i>"
    lazy: Any = LAZY
    assert Markup("%s") % lazy == Markup("{}").format(lazy) == Markup("").join([lazy]) == Markup("") + lazy == SHOWN
    assert render(template("<p title='", LAZY, "'>", [LAZY], "</p>")) == f"<p title='{SHOWN}'>{SHOWN}</p>"
    functional = pytest.importorskip("django.utils.functional")
    assert escape(functional.lazystr("<b> & x")) == SHOWN


@pytest.mark.parametrize("html_class", [Markup, markupsafe.Markup])
@pytest.mark.parametrize("enable_async", [False, True])
def test_jinja_lazily_translated_strings_are_texts(enable_async: bool, html_class: Any) -> None:
    async def later(*values: Any) -> Any:
        for value in values:
            yield value

    env = jinja_environment(enable_async=enable_async, extensions=["jinja2.ext.i18n"])
    env.install_null_translations(newstyle=True)
    values = {"x": LAZY, "m": html_class("<u>"), "f": html_class("{}{a}"), "p": html_class("%s"), "f_": lambda caller: LAZY}
    indexed = type("Indexed", (), {"__getitem__": lambda self, i: [LAZY][i]})()
    values |= {"d": {LAZY: LAZY}, "s": {LAZY}, "i": indexed}
    for source in (
        "{{ x }}", "{{ x|e }}", "{{ x|escape }}", "{{ [x]|map('e')|first }}", "{{ x|default('') }}", "{{ x|string }}", "{{ p % x }}",
        "{{ p % (x,) }}", "{{ p|format(x) }}", "{{ [x]|join(m)|replace(m, '') }}",
        "{{ [x, p]|join(', ') }}", "{{ [{'a': x}, {'a': m}]|join(attribute='a') }}", "{{ m ~ x }}", "{{ m + x }}", "{{ m.join(['', x]) }}",
        "{{ m.join(d.values()) }}", "{{ m.join(d.values()|reverse) }}", "{{ m.join(s) }}", "{{ m.join(d) }}", "{{ m.join(i) }}",
        "{{ f.format(x, a='') }}", "{{ x|urlize }}", "{{ {'title': x}|xmlattr }}", '<p title="{{ x }}">', "{{ x|trim }}",
        "{% call f_() %}{% endcall %}", "{% set y %}{{ x }}{% endset %}{{ y }}", "{% filter trim %}{{ x }}{% endfilter %}",
        "{% trans x=x %}{{ x }}{% endtrans %}", "{% macro s(a) %}{{ a }}{% endmacro %}{{ s(x) }}", "{% for c in [x] %}{{ c }}{% endfor %}",
    ):  # fmt: skip
        out = env.from_string(source).render(values)
        assert "<b>" not in out and SHOWN in out, (source, out)
    if enable_async:
        assert env.from_string("{{ x|join('<') }}").render(x=later(LAZY, 1)) == f"{SHOWN}&lt;1"
    # What has no lazy strings is handed on as it is.
    assert env.from_string("{{ (1, 2)|e }}{{ '%s'|format([x]) }}{{ 5 % 3 + 1 }}").render(x=1) == "(1, 2)[1]3"

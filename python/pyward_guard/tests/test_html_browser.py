"""Sanitised and rendered HTML in a browser: whatever the parser makes of it, nothing of ours runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pyward_guard import GuardError
from pyward_guard import html as guard
from pyward_guard.html import Sanitizer, jinja_environment, preset, render, sanitize

webdriver = pytest.importorskip("selenium.webdriver")

pytestmark = pytest.mark.browser

# What an attack does when it runs; the page counts. Written without spaces and quotes, so that it fits anywhere.
RUN = "top.hits.push(1)"
IMG = f"<img src=x onerror={RUN}>"

# One line for each trick with the parser: foreign content, raw text, tables, comments, encodings, clobbering.
CORPUS = [
    IMG,
    f"<script>{RUN}</script>",
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<svg><style><img src=x onerror={RUN}></style></svg>",
    f"<svg></p><style><a id=\"</style>{IMG}\">",
    f"<svg><p><style><!--</style>{IMG}--></style>",
    f"<svg><title><style></title>{IMG}</style></title></svg>",
    f"<svg><desc><table><p><style>{IMG}</style></table></desc>",
    f"<svg><foreignObject><math><mtext><style></math>{IMG}</style>",
    f"<svg><a xlink:href=javascript:{RUN}><text y=20>x</text></a></svg>",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s>",
    f"<svg><set attributeName=onmouseover to={RUN}><a id=x>",
    f"<svg><![CDATA[</svg>{IMG}]]>",
    f"<math><mtext><table><mglyph><style>{IMG}",
    f"<math><mtext><table><mglyph><style><!--</style>{IMG}-->",
    f"<math><annotation-xml encoding=text/html><style></annotation-xml>{IMG}</style>",
    f"<math><mi><table><mi><style></mi>{IMG}</style>",
    f"<math href=javascript:{RUN}>x</math>",
    f"<form><math><mtext></form><form><mglyph><svg><mtext><style><path id=\"</style>{IMG}\">",
    f"<form><div></form><form><table><mtext></table></form>{IMG}",
    f"<table><tr><td><svg><desc><td></desc></svg><style></td>{IMG}</style>",
    f"<table><caption><svg><style></caption>{IMG}</style>",
    f"<select><option><style></option></select>{IMG}</style></select>",
    f"<select><template><style></select>{IMG}</style></template>",
    f"<noscript><p title=\"</noscript>{IMG}\">",
    f"<noscript><style></noscript>{IMG}</style>",
    f"<template><p title=\"</template>{IMG}\">",
    f"<template shadowrootmode=open>{IMG}</template>",
    f"<title><a title=\"</title>{IMG}\">",
    f"<textarea><a title=\"</textarea>{IMG}\">",
    f"<xmp><a title=\"</xmp>{IMG}\"></xmp>",
    f"<noembed><a title=\"</noembed>{IMG}\">",
    f"<noframes><a title=\"</noframes>{IMG}\">",
    f"<iframe><a title=\"</iframe>{IMG}\">",
    f"<plaintext><a title=\"</plaintext>{IMG}\">",
    f"<style><a title=\"</style>{IMG}\">",
    f"<!--><p title='{IMG}'>-->",
    f"<!--a--!>{IMG}<!-->-->",
    f"<!-- --!><a title='-->{IMG}'>",
    f"<?x >{IMG}?>",
    f"<!doctype x [<!ENTITY a '>{IMG}'>]>",
    f"<p title='&quot;>{IMG}'>",
    f"<p title=\"`>{IMG}\">",
    f"<p title=`{IMG}`>",
    f"<img alt=\"`><script>{RUN}</script>\">",
    f"<img src=\"x` `onerror={RUN}\">",
    f"<img/src=x/onerror={RUN}>",
    f"<img\x0csrc=x\x0conerror={RUN}>",
    f"<img src=x onerror\n=\n{RUN}>",
    f"<img src=x a='' onerror={RUN} ='>",
    f"<img src=x \x00onerror={RUN}>",
    f"<image src=x onerror={RUN}>",
    f"<scr\x00ipt>{RUN}</scr\x00ipt>",
    f"<scr<script>ipt>{RUN}</script>",
    f"<<script>{RUN}//<</script>",
    f"<body onload={RUN}>",
    f"<details open ontoggle={RUN}>x</details>",
    f"<video><source onerror={RUN} src=x></video>",
    f"<audio src=x onerror={RUN}>",
    f"<input autofocus onfocus={RUN}>",
    f"<iframe srcdoc=\"<script>{RUN}</script>\">",
    f"<iframe src=javascript:{RUN}>",
    f"<object data=javascript:{RUN}>",
    f"<embed src=javascript:{RUN}>",
    f"<a href=javascript:{RUN}>x</a>",
    f"<a href=\"java\tscript:{RUN}\">x</a>",
    f"<a href=\"java&#10;script:{RUN}\">x</a>",
    f"<a href=\"&#1;javascript:{RUN}\">x</a>",
    f"<a href=\"&#x6a&#x61vascript&colon;{RUN}\">x</a>",
    f"<a href=\"&Tab;javas&NewLine;cript&colon;{RUN}\">x</a>",
    f"<a href=\"\u00a0javascript:{RUN}\">x</a>",
    f"<a href=\"JaVaScRiPt:{RUN}\">x</a>",
    f"<a href=\"data:text/html,<script>{RUN}</script>\">x</a>",
    f"<a href=\"javascript\u003a//[%0a{RUN}\">x</a>",
    f"<a href=\"//x\" ping=javascript:{RUN}>x</a>",
    f"<form action=javascript:{RUN}><button>x</button></form>",
    f"<button form=x formaction=javascript:{RUN}>x</button>",
    f"<base href=\"javascript:{RUN}//\"><a href=x>x</a>",
    f"<meta http-equiv=refresh content=\"0;url=javascript:{RUN}\">",
    f"<link rel=stylesheet href=\"data:text/css,*{{}}\" onload={RUN}>",
    f"<p style=\"background:url(javascript:{RUN})\">x</p>",
    f"<p style=\"animation-name:x\" onanimationstart={RUN}>x</p>",
    f"<p style='color:red\" onmouseover=\"{RUN}'>x</p>",
    f"<marquee onstart={RUN}>x</marquee>",
    f"<isindex type=image src=x onerror={RUN}>",
    f"<b><table><b><td><style></b>{IMG}</style>",
    f"<a><a><p><table><a><svg><style></a>{IMG}</style>",
    f"<p id=\"</p>{IMG}\"><pre>\n\n<p title=\"{IMG}\">",
    "<div>" * 400 + f"<form><math><mtext></form><form><mglyph><style></math>{IMG}" + "</div>" * 400,
    "<b>" * 300 + f"<svg><style>{IMG}",
]

# Fires the handlers that wait for a user; the page stays.
PROVOKE = """
for (const e of document.querySelectorAll('a,button,p,b')) {
  for (const kind of ['mouseover', 'focus', 'animationstart']) e.dispatchEvent(new Event(kind, {bubbles: true}));
  if (e.protocol === 'javascript:' || e.protocol === 'data:') top.hits.push(1);
}
for (const e of document.forms) if (/^javascript:/i.test(e.action)) top.hits.push(1);
"""

HARNESS = """
const [pieces, provoke, done] = arguments;
window.hits = [];
const results = [];
(async () => {
  for (const piece of pieces) {
    window.hits.length = 0;
    for (const way of ['write', 'inner', 'again', 'noscript']) {
      const frame = document.createElement('iframe');
      document.body.append(frame);
      const inner = frame.contentDocument;
      if (way === 'write') {
        inner.open(); inner.write('<!doctype html><body>' + piece); inner.close();
      } else {
        const box = inner.createElement('div');
        inner.body.append(box);
        if (way === 'noscript') {
          // As a page without scripting reads it, then as one with it.
          const other = document.implementation.createHTMLDocument('');
          other.body.innerHTML = piece;
          box.innerHTML = other.body.innerHTML;
        } else {
          box.innerHTML = piece;
          if (way === 'again') { box.innerHTML = box.innerHTML; box.innerHTML = box.innerHTML; }
        }
      }
      try { frame.contentWindow.eval(provoke); } catch (e) { results.push(String(e)); }
      await new Promise(next => setTimeout(next, 30));
      frame.remove();
    }
    results.push(window.hits.length);
  }
  done(results);
})();
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("Chromium is not installed (scripts/test-guard installs it)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
                     "--host-resolver-rules=MAP * ~NOTFOUND"):  # fmt: skip
        options.add_argument(argument)
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    made.set_script_timeout(240)
    made.get("data:text/html,<!doctype html><body>")
    yield made
    made.quit()


def runs(browser: Any, pieces: list[str]) -> list[int]:
    """How often each piece ran something."""
    found = browser.execute_async_script(HARNESS, pieces, PROVOKE)
    assert all(isinstance(count, int) for count in found), found
    return list(found)


def test_the_harness_notices(browser: Any) -> None:
    found = runs(browser, CORPUS[:30])
    assert sum(1 for count in found if count) > 15


def policies() -> dict[str, Sanitizer]:
    wide = preset("article").allow(
        tags=["video", "audio", "source", "label", "dialog"],
        attributes={"a": ["target"], "video": ["src", "poster"], "source": ["src"], "area": ["href"]},
        styles=["color", "background-color", "font-family", "width"], schemes=["tel"],
    )
    return {
        **{name: Sanitizer(preset(name)) for name in ("inline", "comment", "article")},  # type: ignore[arg-type]
        "wide": Sanitizer(replace(wide, id_prefix="user-").allow(generic_attributes=["id"])),
    }


@pytest.mark.parametrize("name", ["inline", "comment", "article", "wide"])
def test_nothing_runs_after_sanitising(browser: Any, name: str) -> None:
    sanitizer = policies()[name]
    cleaned = []
    for piece in CORPUS:
        for text in (piece, f"<p>{piece}", f"<table><tr><td>{piece}", f"<b title='{piece}'>", piece.replace("<", "&lt;<")):
            cleaned.append(str(sanitizer.clean(text)))
    unique = list(dict.fromkeys(cleaned))
    found = runs(browser, unique)
    assert [piece for piece, count in zip(unique, found) if count] == []


VALUES = [
    "\"'`><script>top.hits.push(1)</script>", "' onmouseover=top.hits.push(1) x='", "\" onmouseover=\"top.hits.push(1)", "javascript:top.hits.push(1)",
    "\\", "\\\");top.hits.push(1);(\"", "';top.hits.push(1);'", "\");top.hits.push(1);(\"", "</script><script>top.hits.push(1)</script>", "<!--<script>",
    "]]>", "-->", "*/top.hits.push(1)/*", "${top.hits.push(1)}", "`+top.hits.push(1)+`", "\u2028top.hits.push(1)", "\n top.hits.push(1)", "&quot;);top.hits.push(1);(&quot;",
    "&#39;);top.hits.push(1);//", "&lt;img src=x onerror=top.hits.push(1)&gt;", "</title><img src=x onerror=top.hits.push(1)>", "\u00e4\u4e16\U0001f600", "a b&c=d",
]  # fmt: skip


def t(*parts: Any) -> Any:
    """What ``t"..."`` gives: literal parts and values in turn."""
    values = [SimpleNamespace(value=value, expression="v", conversion=None, format_spec="") for value in parts[1::2]]
    return SimpleNamespace(strings=parts[::2], interpolations=tuple(values))


def test_every_context_keeps_its_value(browser: Any) -> None:
    """Each value in each context: it arrives as it was, and nothing of it runs."""
    env = jinja_environment()
    page = env.from_string(
        "<p id=a title='{{ v }}' data-j='{{ v|tojson }}'>{{ v }}</p><textarea id=b>{{ v }}</textarea><title>{{ v }}</title>"
        '<p id=c data-j="{{ v|tojson }}" title="{{ m }}"></p><script>window.value = {{ v|tojson }};</script><a id=d href="/x?q={{ v|url_part }}">x</a>'
    )
    for value in VALUES:
        rendered = [
            str(page.render(v=value, m=sanitize(value, "article"))),
            str(
                render(
                    t("<p id=a title='", value, "' data-j='", json.dumps(value), "'>", value, "</p><textarea id=b>", value, "</textarea><title>", value, "</title>"
                      '<p id=c data-j="', json.dumps(value), '"></p><script>window.value = ', value, ';</script><a id=d href="/x?q=', value, '">x</a>')  # fmt: skip
                )
            ),
            "<p id=a title='{0}' data-j='{1}'>{0}</p><textarea id=b>{0}</textarea><title>{0}</title><p id=c data-j={2}></p>"
            "<script>window.value = '{3}';</script><a id=d href='/x?q={4}'>x</a>".format(
                guard.escape(value), guard.escape(json.dumps(value)), guard.escape_attribute(json.dumps(value)),
                guard.escape_script_string(value), guard.escape_url_component(value),
            ),
            str(
                render(
                    t("<p id=a title='", value, "' data-j='", json.dumps(value), "'>", value, "</p><textarea id=b>", value, "</textarea><title>", value, "</title>"
                      '<p id=c data-j="', json.dumps(value), '" onclick="window.value = \'', value, "'\"></p><script>document.getElementById('c').click()</script>" '<a id=d href="/x?q=', value, '">x</a>')  # fmt: skip
                )
            ),
        ]
        for text in rendered:
            found = browser.execute_script(
                """
                const frame = document.createElement('iframe');
                window.hits = [];
                document.body.append(frame);
                const inner = frame.contentDocument;
                inner.open(); inner.write('<!doctype html>' + arguments[0]); inner.close();
                const at = id => inner.getElementById(id);
                at('a').dispatchEvent(new Event('mouseover'));
                const out = [window.hits.length, at('a').title, JSON.parse(at('a').dataset.j), at('a').textContent, at('b').value,
                             JSON.parse(at('c').dataset.j), frame.contentWindow.value, new URL(at('d').getAttribute('href'), 'https://h').searchParams.get('q')];
                frame.remove();
                return out;
                """,
                text,
            )
            assert found == [0, value, value, value, value.removeprefix("\n"), value, value, value], (value, text)


def test_urls_lead_where_they_say(browser: Any) -> None:
    """What safe_url lets through is no code for the browser, and stays on the site when it is relative."""
    spellings = [
        f"{before}{scheme}{between}:{RUN}"
        for scheme in ("javascript", "JAVASCRIPT", "java\tscript", "java\nscript", "java\0script", "vbscript", "data", "jav\u0430script", "java\u200bscript", "view-source", "\uff4aavascript")
        for before in ("", " ", "\t", "\x01", "\x1f", "\x85", "\xa0", "\u2028", "\ufeff", "/\\", "//", "\\", "&#32;", "%20", "?", "#", "./", "x/")
        for between in ("", " ", "\t", "&colon;")
    ] + ["//evil", "/\\evil", "\\/evil", "/\t/evil", "///evil", "http:evil", "https:/evil", "https:\\\\evil", "https://a@evil", "."]  # fmt: skip
    passed = []
    for spelling in spellings:
        try:
            guard.safe_url(spelling)
        except GuardError:
            continue
        passed.append(spelling)
    found = browser.execute_script(
        """
        return arguments[0].map(text => {
          const link = document.createElement('a'), base = document.createElement('base');
          const page = document.implementation.createHTMLDocument('');
          base.href = 'https://site.example/dir/page';
          page.head.append(base);
          page.body.innerHTML = '<a href="' + text + '">x</a>';
          const a = page.querySelector('a');
          return [a.protocol, a.host, a.getAttribute('href')];
        });
        """,
        [str(guard.escape(text)) for text in passed],
    )
    assert passed
    for text, (protocol, host, _) in zip(passed, found):
        assert protocol in ("http:", "https:", "mailto:", "tel:"), text
        if not text.startswith("http"):
            assert host == "site.example", text


def test_css_strings_and_declarations_stay_what_they_are(browser: Any) -> None:
    sanitizer = Sanitizer(preset("article").allow(styles=["color", "font-family", "width"]))
    for value in [*VALUES, "\"}*{color:red}", "\\22}*{color:red}", "a\\", "\\\n", "*/", "url(//evil)", "\x00", "expression(1)"]:
        rules, declarations, names = browser.execute_script(
            """
            const page = document.implementation.createHTMLDocument('');
            page.body.innerHTML = arguments[0] + arguments[1];
            const rules = page.styleSheets[0].cssRules;
            const p = page.querySelector('p');
            const style = p.getAttribute('style') || '';
            return [rules.length, rules[0].style.length, [p.attributes.length, ...p.style, /url|@|[{]/i.test(style) ? 'bad' : '']];
            """,
            f"<style>p::after {{ content: \"{guard.escape_css_string(value)}\" }}</style>",
            str(sanitizer.clean(f"<p style=\"color: {guard.escape(value)}; font-family: {guard.escape(value)}; width: {guard.escape(value)}\">x</p>")),
        )
        assert (rules, declarations) == (1, 1), value
        assert names[0] <= 1 and set(names[1:]) <= {"", "color", "font-family", "width"}, (value, names)

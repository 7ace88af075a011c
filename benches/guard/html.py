"""Sanitising against nh3, escaping against MarkupSafe."""

from __future__ import annotations

from typing import Any

from pyward_guard.html import Sanitizer, escape, preset, sanitize

COMMENT = (
    "<p>Thank you, <b>Ada</b>! See <a href='https://example.org/a?b=1&amp;c=2' onclick='x()'>the notes</a> "
    "<script>alert(1)</script>and <em>this</em> list:</p><ul><li>one</li><li>two</li></ul>"
)
ARTICLE = (
    "<h1>Title</h1>"
    + (
        "<p class='x'>A paragraph with <strong>strong</strong> and <a href='https://example.org/'>links</a>, "
        "an image <img src='https://example.org/i.png' alt='i' onerror='alert(1)'> and <code>x &lt; y</code>.</p>"
        "<table><tr><td>1</td><td>2</td></tr></table>"
    )
    * 40
)
EMPHASIS = "<p>A word in <b>bold</b>, one in <i>italics</i>, <em>both <strong>together</strong></em> and <code>code</code>.</p>" * 600
PLAIN = "A comment without any markup in it, as most of them are. " * 4
TEXT = "The quick brown fox jumps over the lazy dog. " * 4
MARKUP = '<a href="x">Tom & Jerry\'s</a> ' * 6


def run(bench: Any) -> None:
    article = Sanitizer(preset("article")).clean
    try:
        import nh3
    except ImportError:
        bench.lacks("nh3")
    else:
        # A cleaner made once, nh3's fastest way.
        peer = nh3.Cleaner().clean if hasattr(nh3, "Cleaner") else nh3.clean
        sources = {"comment, 250 bytes": COMMENT, "article, 10 KB": ARTICLE, "emphasis, 66 KB": EMPHASIS, "plain text, 230 bytes": PLAIN}
        for name, source in sources.items():
            bench.compare(
                f"sanitise {name}",
                lambda source=source: article(source),
                peer=lambda source=source: peer(source),
                peer_name="nh3",
                at_least=1,
            )
    bench.compare("sanitize(), preset comment", lambda: sanitize(COMMENT))
    try:
        import markupsafe
    except ImportError:
        bench.lacks("MarkupSafe")
        return
    for name, source in (("plain text, 180 bytes", TEXT), ("markup, 190 bytes", MARKUP), ("8 bytes", "Ada & Co"), ("64 KB", MARKUP * 340)):
        bench.compare(
            f"escape {name}",
            lambda source=source: escape(source),
            peer=lambda source=source: markupsafe.escape(source),
            peer_name="MarkupSafe",
            at_least=1,
        )

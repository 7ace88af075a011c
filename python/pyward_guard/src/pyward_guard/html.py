"""HTML output: escaping by context, sanitising by allow-list, a hardened Jinja2 environment, template strings.

:func:`escape` and :func:`sanitize` give :class:`Markup`, a ``str`` that Jinja2, Django, MarkupSafe and every other user
of the ``__html__`` protocol takes as safe; adding or formatting anything else into it escapes that first.

Practice: I3, I5. Protects against CWE-79, CWE-80, CWE-83, CWE-84, CWE-87, CWE-116, CWE-1336; ASVS 5.0: v5.0.0-1.1.2.

>>> escape("<b> & 'quotes'")
Markup('&lt;b&gt; &amp; &#39;quotes&#39;')
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MethodType
from typing import TYPE_CHECKING, Any, Literal, Protocol, SupportsIndex

from . import _core
from ._core import InvalidInput, Refused

if TYPE_CHECKING:
    import jinja2

__all__ = [
    "Markup",
    "Policy",
    "Sanitizer",
    "escape",
    "escape_attribute",
    "escape_css_string",
    "escape_script_string",
    "escape_url_component",
    "harden_flask",
    "jinja_environment",
    "preset",
    "render",
    "safe_url",
    "sanitize",
    "script_json",
]


class Markup(str):
    """HTML that is safe to put in a page. Whatever is added, joined or formatted into it is escaped first.

    Making one by hand is a statement that the text is safe: prefer :func:`escape`, :func:`sanitize`, :func:`render`.

    CWE-79; ASVS 5.0: v5.0.0-1.1.2.

    >>> Markup("<b>%s</b>") % "<script>"
    Markup('<b>&lt;script&gt;</b>')
    >>> Markup("<i>") + "a & b" + Markup("</i>")
    Markup('<i>a &amp; b</i>')
    """

    __slots__ = ()

    def __html__(self) -> Markup:
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"

    def __add__(self, other: object) -> Markup:
        if isinstance(other, str) or hasattr(other, "__html__"):
            return Markup(super().__add__(escape(other)))
        return NotImplemented

    def __radd__(self, other: object) -> Markup:
        if isinstance(other, str) or hasattr(other, "__html__"):
            return Markup(str.__add__(escape(other), self))
        return NotImplemented

    def __mul__(self, times: SupportsIndex) -> Markup:
        return Markup(super().__mul__(times))

    def __rmul__(self, times: SupportsIndex) -> Markup:
        return Markup(super().__mul__(times))

    def __mod__(self, values: Any) -> Markup:
        if isinstance(values, tuple):
            wrapped: Any = tuple(_Wrapped(value) for value in values)
        elif isinstance(values, Mapping):
            wrapped = {key: _Wrapped(value) for key, value in values.items()}
        else:
            wrapped = _Wrapped(values)
        return Markup(super().__mod__(wrapped))

    # Other methods of str give a plain one: what they cut out or change may be no whole markup.

    def strip(self, characters: str | None = None, /) -> str:
        return _stripped(super().strip(characters), characters)

    def lstrip(self, characters: str | None = None, /) -> str:
        return _stripped(super().lstrip(characters), characters)

    def rstrip(self, characters: str | None = None, /) -> str:
        return _stripped(super().rstrip(characters), characters)

    def join(self, parts: Iterable[str]) -> Markup:
        return Markup(super().join(map(escape, parts)))

    def format(self, *args: object, **values: object) -> Markup:
        return Markup(_Formatter().vformat(self, args, values))

    def format_map(self, values: Mapping[str, object]) -> Markup:  # type: ignore[override]
        return Markup(_Formatter().vformat(self, (), values))

    def __format__(self, specification: str) -> str:
        if specification:
            raise ValueError("Markup takes no format specification")
        return str(self)


def _stripped(text: str, characters: str | None) -> str:
    return Markup(text) if characters is None else text


class _Wrapped:
    """Escapes what ``%`` makes of a value."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def __getitem__(self, key: Any) -> _Wrapped:
        return _Wrapped(self._value[key])  # type: ignore[index]

    def __str__(self) -> str:
        return str(escape(self._value))

    def __repr__(self) -> str:
        return str(escape(repr(self._value)))

    def __int__(self) -> int:
        return int(self._value)  # type: ignore[call-overload, no-any-return]

    def __float__(self) -> float:
        return float(self._value)  # type: ignore[arg-type]

    def __index__(self) -> int:
        return int(self._value.__index__())  # type: ignore[attr-defined]


class _Formatter(string.Formatter):
    """``str.format`` that escapes, and that does not reach attributes or items of values."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if "." in field_name or "[" in field_name:
            raise Refused("refused: a format field reaches into a value")
        return super().get_field(field_name, args, kwargs)

    def format_field(self, value: Any, format_spec: str) -> Any:
        if hasattr(value, "__html__") and not format_spec:
            return escape(value)
        return escape(format(value, format_spec))


_core.html_set_markup(Markup)


def escape(value: object) -> Markup:
    """Text for HTML, escaped: a ``str`` as it is, an object with ``__html__`` by its word, anything else by ``str()``.

    For text between tags and for attribute values in quotes. Lazily translated strings (of Flask-Babel, of Django) are
    texts, whatever their ``__html__`` says: names of users may have been filled into them.

    Protects against CWE-79, CWE-83, CWE-116. ASVS 5.0: v5.0.0-1.2.1.

    >>> from pyward_guard.html import escape
    >>> escape("<b> & 'quotes'")
    Markup('&lt;b&gt; &amp; &#39;quotes&#39;')
    """
    if type(value) is not str and _is_lazy(value):
        value = str(value)
    return _core.html_escape(value)


def _is_lazy(value: object) -> bool:
    """True for the lazy strings of Flask-Babel and its kin, whose ``__html__`` is the translation as it is."""
    for base in type(value).__mro__:
        if "__html__" in base.__dict__:
            return base.__name__ == "LazyString"
    return False


def escape_attribute(value: object) -> Markup:
    """A value for an attribute, safe even when the quotes were forgotten.

    ASVS 5.0: v5.0.0-1.2.1. CWE-83.

    >>> escape_attribute("x onclick=alert(1)")
    Markup('x&#32;onclick&#61;alert&#40;1&#41;')
    """
    return Markup(_core.html_attribute(str(value)))


def escape_url_component(value: object) -> Markup:
    """A value percent-encoded as one component of a URL: a path segment, a query name or value.

    ASVS 5.0: v5.0.0-1.2.2. CWE-116.

    >>> "/search?q=" + escape_url_component("a&b=c/d")
    Markup('/search?q=a%26b%3Dc%2Fd')
    """
    return Markup(_core.html_url_component(str(value)))


def safe_url(
    url: object, *, schemes: Sequence[str] = ("http", "https", "mailto", "tel"), network_path: bool = False
) -> Markup:
    """A URL for an attribute such as ``href``: scheme in ``schemes`` or relative, escaped.

    Control characters, backslashes and surrounding spaces, which browsers drop or change, are refused. ``//host``
    needs ``network_path=True``. Where the address leads is not judged: see ``pyward_guard.http`` for redirects.

    ASVS 5.0: v5.0.0-1.2.2. CWE-79, CWE-84.

    Raises:
        Refused: another scheme, or something browsers read in another way than it looks.
        InvalidInput: ``schemes`` has one that runs code.

    >>> safe_url("https://example.org/?a=1&b=2")
    Markup('https://example.org/?a=1&amp;b=2')
    >>> safe_url("JavaScript:alert(1)")
    Traceback (most recent call last):
    pyward_guard.Refused: refused: the scheme of the URL is not allowed
    """
    if not {"javascript", "vbscript", "data"}.isdisjoint(scheme.lower() for scheme in schemes):
        raise InvalidInput("javascript, vbscript and data URLs run code")
    text = str(url)
    _core.html_check_url(text, list(schemes), network_path)
    return escape(text)


def script_json(value: object) -> Markup:
    """A value as JSON for the inside of a ``<script>`` element: nothing in it can end the element or a string.

    ASVS 5.0: v5.0.0-1.2.3. CWE-79.

    Raises:
        InvalidInput: the value has no JSON form (``NaN`` included).

    >>> script_json({"name": "</script><script>alert(1)"})
    Markup('{"name": "\\\\u003c/script\\\\u003e\\\\u003cscript\\\\u003ealert(1)"}')
    """
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"the value has no JSON form: {error}") from None
    return Markup(_core.html_script_json(text))


def escape_script_string(value: object) -> Markup:
    """A value for the inside of a JavaScript string literal, whatever its quotes.

    ASVS 5.0: v5.0.0-1.2.3. CWE-79.

    >>> escape_script_string("'; alert(1)//")
    Markup('\\\\u0027\\\\u003b alert(1)\\\\u002f\\\\u002f')
    """
    return Markup(_core.html_script_string(str(value)))


def escape_css_string(value: object) -> Markup:
    """A value for the inside of a CSS string literal.

    CWE-79; ASVS 5.0: v5.0.0-1.2.1.

    >>> escape_css_string("a'}")
    Markup('a\\\\000027 \\\\00007d ')
    """
    return Markup(_core.html_css_string(str(value)))


Preset = Literal["text", "inline", "comment", "article"]


@dataclass(frozen=True)
class Policy:
    """What a sanitiser lets through; start from a :func:`preset`.

    Elements and attributes that cannot be made safe (``script``, ``svg``, ``iframe``, ``on...``, ``srcdoc``, ...) are an
    error when the :class:`Sanitizer` is made. ``styles`` are CSS properties: the ``style`` attribute is then allowed and
    its values are checked token by token. Classes are allowed by name. ``relative_urls`` is ``"keep"``, ``"remove"`` or an
    absolute URL to resolve them against. ``link_hosts`` and ``resource_hosts`` bound where links and embedded images
    lead (subdomains included). ``id`` needs an ``id_prefix``.

    ``tags`` and ``attributes`` (by tag) are what stays, ``generic_attributes`` stay on every tag, ``classes`` are class names by tag,
    ``schemes`` those of URLs. ``link_rel`` is put on every link. Longer texts than ``max_bytes`` (UTF-8) are refused.

    CWE-79; ASVS 5.0: v5.0.0-1.3.1.

    >>> policy = preset("comment").allow(tags=["table", "tr", "td"], styles=["color"])
    >>> Sanitizer(policy).clean('<td style="color: red; position: fixed">x</td>')
    Markup('x')
    """

    tags: frozenset[str] = frozenset()
    attributes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    generic_attributes: frozenset[str] = frozenset()
    styles: frozenset[str] = frozenset()
    classes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    schemes: frozenset[str] = frozenset({"http", "https", "mailto"})
    relative_urls: str = "keep"
    link_rel: str | None = "noopener noreferrer nofollow ugc"
    link_hosts: frozenset[str] | None = None
    resource_hosts: frozenset[str] | None = None
    id_prefix: str | None = None
    max_bytes: int = 1 << 20

    def allow(
        self,
        *,
        tags: Iterable[str] = (),
        attributes: Mapping[str, Iterable[str]] | None = None,
        generic_attributes: Iterable[str] = (),
        styles: Iterable[str] = (),
        classes: Mapping[str, Iterable[str]] | None = None,
        schemes: Iterable[str] = (),
    ) -> Policy:
        """The policy with more let through.

        >>> "img" in preset("inline").allow(tags=["img"], attributes={"img": ["src", "alt"]}).tags
        True
        """
        return replace(
            self,
            tags=self.tags | _names(tags),
            attributes=_merged(self.attributes, attributes or {}),
            generic_attributes=self.generic_attributes | _names(generic_attributes),
            styles=self.styles | _names(styles),
            classes=_merged(self.classes, classes or {}),
            schemes=self.schemes | _names(schemes),
        )


def _names(names: Iterable[str]) -> frozenset[str]:
    if isinstance(names, str):
        raise InvalidInput("names are given as a list")
    return frozenset(names)


def _merged(first: Mapping[str, frozenset[str]], second: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    return {
        tag: first.get(tag, frozenset()) | _names(second.get(tag, ())) for tag in sorted({*first, *second})
    }


def preset(name: Preset) -> Policy:
    """A policy to use or to start from: ``text`` (no tags), ``inline`` (emphasis, code, links), ``comment`` (and
    paragraphs, lists, quotations), ``article`` (and headings, tables, images).

    CWE-79; ASVS 5.0: v5.0.0-1.3.1.

    >>> sorted(preset("comment").tags - preset("inline").tags)[:3]
    ['blockquote', 'dd', 'dl']
    """
    tags, attributes, generic = _core.html_preset(name)
    return Policy(
        tags=frozenset(tags),
        attributes={tag: frozenset(names) for tag, names in attributes.items()},
        generic_attributes=frozenset(generic),
    )


class Sanitizer:
    """A policy made ready: make it once, use it often; safe to share between threads.

    The text is parsed as a browser does (html5ever) and written anew from what the policy allows; the result is stable
    under a second cleaning. Text that would cost far more than its size (elements nested deeper than 512, emphasis opened
    anew in thousands of paragraphs) is refused.

    ASVS 5.0: v5.0.0-1.3.1, v5.0.0-1.3.4, v5.0.0-1.3.5. CWE-79, CWE-400.

    Raises:
        InvalidInput: the policy allows what cannot be made safe.

    >>> Sanitizer(preset("inline")).clean('<b onclick="x()">hi</b><script>alert(1)</script>')
    Markup('<b>hi</b>')
    """

    __slots__ = ("_clean", "policy")

    def __init__(self, policy: Policy) -> None:
        relative = policy.relative_urls
        known = relative in ("keep", "remove")
        self.policy = policy
        self._clean = _core.HtmlSanitizer(
            tags=sorted(policy.tags),
            attributes={tag: sorted(names) for tag, names in policy.attributes.items()},
            generic_attributes=sorted(policy.generic_attributes),
            styles=sorted(policy.styles),
            classes={tag: sorted(names) for tag, names in policy.classes.items()},
            schemes=sorted(policy.schemes),
            relative_urls=relative if known else "resolve",
            base_url=None if known else relative,
            link_rel=policy.link_rel,
            link_hosts=None if policy.link_hosts is None else sorted(policy.link_hosts),
            resource_hosts=None if policy.resource_hosts is None else sorted(policy.resource_hosts),
            id_prefix=policy.id_prefix,
            max_bytes=policy.max_bytes,
        ).clean

    def clean(self, html: str) -> Markup:
        """The HTML with everything outside of the policy gone.

        Raises:
            LimitExceeded: more bytes (UTF-8) than the policy's ``max_bytes``, or elements nested or left open too often.
        """
        return self._clean(html)


@lru_cache(maxsize=8)
def _preset_sanitizer(name: Preset) -> Sanitizer:
    return Sanitizer(preset(name))


def sanitize(html: str, policy: Preset | Policy | Sanitizer = "comment") -> Markup:
    """HTML from outside with everything gone that a preset, a :class:`Policy` or a :class:`Sanitizer` does not allow.

    A :class:`Sanitizer` made once is faster than a :class:`Policy`.

    ASVS 5.0: v5.0.0-1.3.1. CWE-79.

    >>> sanitize('<p>hi <img src=x onerror=alert(1)><a href="javascript:x">link</a>')
    Markup('<p>hi <a rel="noopener noreferrer nofollow ugc">link</a></p>')
    """
    if isinstance(policy, Sanitizer):
        return policy.clean(html)
    if isinstance(policy, Policy):
        return Sanitizer(policy).clean(html)
    return _preset_sanitizer(policy).clean(html)


_REFUSALS = {
    "code-url": "the start of a URL that code or a frame is loaded from: write the beginning of its path in the template",
    "url-unsettled": "a URL attribute whose scheme and host the template leaves open: give the whole URL as one value",
    "other-attribute": "an attribute that takes code, a list of URLs or an open CSS value",
    "number-attribute": "an attribute in which words may be code",
    "style-attribute": "a style attribute",
    "unquoted": "an attribute value without quotes",
    "script-unsure": "a script, within a comment or a template literal, or behind a slash: put it on a line of its own",
    "style": "a style element",
    "comment": "a comment, a declaration, or an element with raw text",
    "tag": "a tag or attribute name",
}


def _in_context(value: object, context: str) -> str:
    if context == "text":
        return escape(value)
    if context in ("attribute", "raw-text"):
        # Markup may have quotes and tags of its own: text for these places is escaped again.
        return escape(str(value))
    if context == "url":
        return safe_url(value)
    if context == "code-url":
        # A path of this site; another host would choose what runs in the page.
        return safe_url(value, schemes=())
    if context == "url-part":
        return escape_url_component(value)
    if context == "script":
        return script_json(value)
    if context in ("script-attribute", "json-attribute"):
        return escape(str(script_json(value)))
    if context == "script-string":
        return escape_script_string(value)
    if context in ("script-attribute-string", "json-attribute-string"):
        return escape(str(escape_script_string(value)))
    if context == "style-attribute":
        text = str(value)
        if not text or _core.html_filter_style("x:" + text, ["x"]) != f"x:{text.strip()};":
            raise Refused("refused: a CSS value with more than words, numbers and colours")
        return escape(text)
    if context == "number-attribute" and isinstance(value, (int, float)):
        return str(float(value) if isinstance(value, float) else int(value))
    raise Refused(f"refused: a value in {_REFUSALS[context]}")


class _TemplateString(Protocol):
    """What ``string.templatelib.Template`` has."""

    @property
    def strings(self) -> tuple[str, ...]: ...

    @property
    def interpolations(self) -> tuple[Any, ...]: ...


def render(template: _TemplateString) -> Markup:
    """Renders a template string (``t"..."``, Python 3.14) with each value escaped for the place it lands in.

    Text and attributes are escaped, URLs checked, values in scripts written as JSON, or escaped where a string literal of
    the script surrounds them; values in places that cannot be made safe (tag names, attributes without quotes, comments,
    style elements, hosts of URLs, other sites in ``<script src>``) are refused. Nested templates and
    :class:`Markup` are taken as they are in text; lists and tuples of them are joined.

    Raises:
        InvalidInput: not a template string.
        Refused: a value in a place that cannot be made safe, or a template that ends within a tag.

    ASVS 5.0: v5.0.0-1.2.1, v5.0.0-1.2.2, v5.0.0-1.2.3. CWE-79, CWE-83.

    Example: ``render(t'<a href="{url}" title="{title}">{text}</a>')``
    """
    if not (hasattr(template, "strings") and hasattr(template, "interpolations")) or isinstance(template, str):
        raise InvalidInput("render takes a template string (t\"...\"), not a str")
    tracker = _core.HtmlTracker()
    out: list[str] = []
    values = list(template.interpolations)
    for index, literal in enumerate(template.strings):
        tracker.feed(literal)
        out.append(literal)
        if index < len(values):
            out.append(_interpolated(values[index], tracker.value()))
    if not tracker.at_rest():
        raise Refused("refused: the template ends within a tag, a comment or an element")
    return Markup("".join(out))


def _interpolated(interpolation: Any, context: str) -> str:
    value: Any = interpolation.value
    if interpolation.conversion is not None:
        conversions: dict[str, Callable[[object], str]] = {"r": repr, "s": str, "a": ascii}
        value = conversions[interpolation.conversion](value)
    if interpolation.format_spec:
        value = format(value, interpolation.format_spec)
    if context == "text":
        items: list[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
        return "".join(
            render(item) if hasattr(item, "interpolations") and hasattr(item, "strings") else escape(item)
            for item in items
        )
    return _in_context(value, context)


def jinja_environment(
    *, loader: jinja2.BaseLoader | None = None, insecure_allow_safe_filter: bool = False, **options: Any
) -> jinja2.Environment:
    """A Jinja2 environment that escapes everywhere, runs templates in the sandbox, and refuses values in places where
    escaping does not help.

    Autoescaping is always on and cannot be turned off in a template; missing names are errors; the sandbox keeps
    templates away from attributes that lead to code. A template is refused when a value stands in an attribute without
    quotes, in a script without ``|tojson`` or within one of its strings, at the start of a URL attribute without ``|url``
    (a call such as ``url_for(...)`` is fine, its result is checked), in a style element, a comment or a tag name.
    Every branch is followed; where they meet, a value has to be fine for each. Blocks are judged in the place that the
    template they extend (by a constant name) has for them; a macro, an included template and the body of a call have to
    close what they open. In attributes, :class:`Markup` is escaped again, since it may hold quotes. Added filters:
    ``url`` (scheme check), ``url_part``, ``sanitize``. The ``safe`` filter is refused unless
    ``insecure_allow_safe_filter=True``, which is logged.

    Other options are those of ``jinja2.Environment``. With ``extensions``, what their tags print is escaped as all else is;
    a tag that marks a value as safe is refused, and so is the extension ``debug``. Translated messages are texts, in
    ``trans`` blocks too: they are escaped whole, so ``trans`` blocks have no tags in them, and ``Markup`` in them is
    escaped; so are lazily translated strings. Of a ``bytecode_cache`` only what this environment or one like it compiled is
    taken. ``autoescape=True`` and Jinja2's own ``undefined`` classes, which Django's backend gives, change nothing.

    ASVS 5.0: v5.0.0-1.2.1, v5.0.0-1.3.7, v5.0.0-1.3.10. CWE-79, CWE-1336.

    Raises:
        jinja2.TemplateSyntaxError: when such a template is compiled.
        InvalidInput: another ``autoescape`` or ``undefined``, or an extension that is refused; when a template comes from a
            ``ModuleLoader``.
        MissingPackage: Jinja2 is not installed.

    >>> env = jinja_environment()
    >>> env.from_string('<a href="{{ u|url }}">{{ t }}</a>').render(u="/x", t="<b>")
    '<a href="/x">&lt;b&gt;</a>'
    >>> try:
    ...     env.from_string("<p class={{ c }}>")
    ... except Exception as error:
    ...     print(type(error).__name__, error.message, sep=": ")
    TemplateSyntaxError: a value in an attribute value without quotes
    """
    from . import _jinja

    return _jinja.environment(loader, insecure_allow_safe_filter, options)


_FLASK_OPTIONS = (
    "block_start_string", "block_end_string", "variable_start_string", "variable_end_string", "comment_start_string",
    "comment_end_string", "line_statement_prefix", "line_comment_prefix", "trim_blocks", "lstrip_blocks", "newline_sequence",
    "keep_trailing_newline", "optimized", "finalize", "auto_reload", "bytecode_cache",
)


def harden_flask(app: Any, *, insecure_allow_safe_filter: bool = False) -> None:
    """Gives a Flask application the hardened environment of :func:`jinja_environment` for its templates.

    Loaders, context processors, filters, tests, globals, extensions, what was set on the environment for them, and options
    (``trim_blocks`` and the like) of the application stay; ``config``, which holds the secret key, is no longer a global. Call it
    before the first template is rendered. A lazily translated message that is flashed stays a text in Flask's own sessions,
    which would give it back as markup. Raises :class:`~pyward_guard.MissingPackage` without Jinja2, and
    :class:`~pyward_guard.InvalidInput` for an extension that :func:`jinja_environment` refuses.

    CWE-79, CWE-1336; ASVS 5.0: v5.0.0-1.2.1, v5.0.0-1.3.7.

    >>> import flask
    >>> app = flask.Flask(__name__)
    >>> harden_flask(app)
    >>> with app.test_request_context():
    ...     flask.render_template_string("<p>{{ name }}</p>", name="<b>")
    '<p>&lt;b&gt;</p>'
    """
    import flask

    before = app.jinja_env
    made: Any = jinja_environment(
        loader=app.create_global_jinja_loader(),
        insecure_allow_safe_filter=insecure_allow_safe_filter,
        extensions=[type(extension) for extension in before.extensions.values()],
        **{name: getattr(before, name) for name in _FLASK_OPTIONS},
    )
    from ._jinja import plain_gettext

    # What extensions, or the application for them, set on the environment; not what is bound to the old one.
    known = vars(flask.templating.Environment(app)).keys() | vars(jinja_environment()).keys()
    old = [before, *before.extensions.values()]
    for name, value in vars(before).items():
        owner = value.__self__ if isinstance(value, MethodType) else value
        # What the class has is how it guards.
        if name not in known and not hasattr(type(made), name) and not any(owner is one for one in old):
            setattr(made, name, value)
    for name in ("filters", "tests", "globals"):
        ours: dict[str, Any] = getattr(made, name)
        theirs = {key: value for key, value in getattr(before, name).items() if key not in ours and key != "config"}
        ours.update({key: plain_gettext(value) for key, value in theirs.items()})
    made.globals.update(request=flask.request, session=flask.session, g=flask.g)
    made.policies["json.dumps_function"] = app.json.dumps
    made.policies["ext.i18n.trimmed"] = before.policies["ext.i18n.trimmed"]
    app.jinja_env = made
    _keep_lazy_strings_texts(app.session_interface)


def _keep_lazy_strings_texts(interface: Any) -> None:
    """Flask's sessions store what has ``__html__`` as markup, so that a flashed message would come back as such."""
    from flask.json.tag import JSONTag, TaggedJSONSerializer

    class LazyText(JSONTag):
        def check(self, value: Any) -> bool:
            return _is_lazy(value)

        def tag(self, value: Any) -> Any:
            return str(value)

    serializer = getattr(interface, "serializer", None)
    # Flask's default is one object for all applications.
    if isinstance(serializer, TaggedJSONSerializer) and type(serializer.order[0]).__name__ != LazyText.__name__:
        serializer.register(LazyText, index=0)

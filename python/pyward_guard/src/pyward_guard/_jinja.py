"""The hardened Jinja2 environment of :mod:`pyward_guard.html`; imported only where Jinja2 is used."""

from __future__ import annotations

import hashlib
import inspect
import logging
import operator
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from functools import lru_cache, wraps
from importlib import metadata
from types import MethodType, SimpleNamespace
from typing import Any, NoReturn

from ._optional import need

try:
    import jinja2
    import jinja2.sandbox
    import markupsafe
    from jinja2 import bccache, ext, filters, nodes, runtime
    from jinja2.utils import import_string
except ImportError:
    raise need("jinja2", "pyward_guard.html.jinja_environment") from None

from . import _core, html
from ._core import InvalidInput

_log = logging.getLogger("pyward_guard.html")

_FIXED = ("autoescape", "loader", "extensions", "undefined")
_MAX_PLACES = 32
_MAX_PARENTS = 32

# The places that a template may be in at one point: more than one where branches meet.
_Places = list[_core.HtmlTracker]


def _text(value: Any) -> Any:
    return str(value) if html._is_lazy(value) else value


def _texts(value: Any, depth: int = 2) -> Any:
    """The same with lazy strings as texts, also within lists and dicts; what has none stays the object it is."""
    if depth and isinstance(value, (list, tuple)):
        items = [_texts(item, depth - 1) for item in value]
        same = all(map(operator.is_, items, value))
        return value if same else tuple(items) if isinstance(value, tuple) else items
    if depth and isinstance(value, Mapping):
        made = {key: _texts(item, depth - 1) for key, item in value.items()}
        return value if all(item is value[key] for key, item in made.items()) else made
    return _text(value)


def _escape(value: Any) -> markupsafe.Markup:
    return markupsafe.escape(_text(value))


def _markup_join(parts: Iterable[Any]) -> str:
    return runtime.markup_join(map(_text, parts))


@jinja2.pass_eval_context
def _join(context: Any, value: Any, d: Any = "", attribute: str | int | None = None) -> Any:
    """Jinja2's own, which takes items by their ``__html__``."""
    if context.environment.is_async and hasattr(value, "__aiter__"):
        return _joined_later(context, value, d, attribute)
    if attribute is not None:
        value = map(filters.make_attrgetter(context.environment, attribute), value)
    return filters.sync_do_join(context, map(_text, value), _text(d))


async def _joined_later(context: Any, value: Any, d: Any, attribute: str | int | None) -> Any:
    return _join(context, [item async for item in value], d, attribute)


def _of_texts(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)  # which keeps what Jinja2 hands to it
    def applied(*args: Any, **options: Any) -> Any:
        return function(*_texts(args), **_texts(options))

    return applied


class _Template(jinja2.Template):
    @classmethod
    def from_module_dict(cls, *_: Any, **__: Any) -> NoReturn:
        """What ``ModuleLoader`` calls, also within other loaders."""
        raise InvalidInput("templates compiled beforehand are refused: this environment has not judged them")

    @classmethod
    def _from_namespace(cls, environment: Any, namespace: MutableMapping[str, Any], globals: Any) -> jinja2.Template:
        # By these names the code of a template escapes what it prints.
        namespace.update(escape=_escape, markup_join=_markup_join)
        return super()._from_namespace(environment, namespace, globals)


# Options that the code of a template depends on.
_COMPILED = (
    "block_start_string", "block_end_string", "variable_start_string", "variable_end_string", "comment_start_string",
    "comment_end_string", "line_statement_prefix", "line_comment_prefix", "trim_blocks", "lstrip_blocks", "newline_sequence",
    "keep_trailing_newline", "optimized", "is_async", "newstyle_gettext", "guard_allow_safe",
)  # fmt: skip


def _options(environment: Environment) -> list[Any]:
    """The options of an environment, in a form that is the same in other processes."""
    finalize: Any = environment.finalize
    return [
        [getattr(environment, name, None) for name in _COMPILED],
        [extension.identifier for extension in environment.iter_extensions()],
        # Of one without a name, only what this process stored is taken.
        f"{getattr(finalize, '__module__', '')}.{finalize.__qualname__}" if hasattr(finalize, "__qualname__") else repr(finalize),
        environment.policies["ext.i18n.trimmed"],
    ]


@lru_cache(maxsize=1)
def _version() -> str:
    try:
        return metadata.version("pyward-guard")
    except metadata.PackageNotFoundError:
        # Of a copy without its metadata: nothing that another process stored is taken.
        return secrets.token_hex()


class _Cache(jinja2.BytecodeCache):
    """A cache that gives only code which this version of the kit judged, with the same options and templates above it."""

    def __init__(self, inner: jinja2.BytecodeCache) -> None:
        self._inner = inner

    def get_bucket(self, environment: Any, name: str, filename: str | None, source: str) -> bccache.Bucket:
        judge: Environment = environment
        kit = hashlib.sha256(repr((_version(), _options(judge))).encode()).hexdigest()[:16]
        try:
            sources = _Walk(judge, name, filename).sources(source)
        except jinja2.TemplateSyntaxError:
            judge.handle_exception(source)  # as when it is compiled
        # Jinja2 compares the checksum; the key keeps two environments with one cache from storing over each other.
        mark = hashlib.sha256(repr((kit, sources)).encode()).hexdigest()
        key = f"{self._inner.get_cache_key(name, filename)}-{kit}"
        bucket = bccache.Bucket(environment, key, f"{self._inner.get_source_checksum(source)}-{mark}")
        self._inner.load_bytecode(bucket)
        return bucket

    def set_bucket(self, bucket: bccache.Bucket) -> None:
        self._inner.set_bucket(bucket)

    def clear(self) -> None:
        self._inner.clear()


class Environment(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """See :func:`pyward_guard.html.jinja_environment`."""

    guard_allow_safe = False
    template_class = _Template
    intercepted_binops = frozenset(("%", "+"))
    _bytecode_cache: _Cache | None = None

    # Also those set later, as applications of Flask do, and of overlays.
    @property
    def bytecode_cache(self) -> jinja2.BytecodeCache | None:  # type: ignore[override, unused-ignore]
        """A cache of compiled templates; what it gives is kept apart from that of other environments."""
        return self._bytecode_cache

    @bytecode_cache.setter
    def bytecode_cache(self, cache: jinja2.BytecodeCache | None) -> None:
        self._bytecode_cache = cache if cache is None or isinstance(cache, _Cache) else _Cache(cache)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for node in tree.find_all((nodes.EvalContextModifier, nodes.ScopedEvalContextModifier)):
            for option in node.options:
                constant = isinstance(option.value, nodes.Const) and option.value.value is True
                if option.key == "autoescape" and not constant:
                    raise jinja2.TemplateSyntaxError("autoescaping cannot be turned off", node.lineno, name, filename)
        if not self.guard_allow_safe:
            for applied in tree.find_all(nodes.Filter):
                if applied.name == "safe":
                    raise jinja2.TemplateSyntaxError(
                        "the safe filter is refused: use sanitize, or a Markup value", applied.lineno, name, filename
                    )
        for marked in tree.find_all((nodes.MarkSafe, nodes.MarkSafeIfAutoescape)):
            # Nodes of extensions may be without a line.
            raise jinja2.TemplateSyntaxError("a tag of an extension marks a value as safe", marked.lineno or 1, name, filename)
        walk = _Walk(self, name, filename)
        walk.template(tree)
        walk.rewrite(tree)
        return tree

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """The sandbox knows the Markup of MarkupSafe only; ours has to escape what is formatted into it just as well."""
        text = getattr(value, "__self__", None)
        if isinstance(text, html.Markup) and getattr(value, "__name__", "") in ("format", "format_map"):
            value = getattr(markupsafe.Markup(str(text)), value.__name__)
        return super().wrap_str_format(value)

    def format_string(self, s: Any, *args: Any, **kwargs: Any) -> Any:
        """The same for Jinja2 before 3.1.6."""
        if isinstance(s, html.Markup):
            s = markupsafe.Markup(str(s))
        return super().format_string(s, *args, **kwargs)  # type: ignore[misc, unused-ignore]

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override, unused-ignore]
        """What a call block gives is printed as it is: it may come from something else than a macro."""
        if isinstance(__obj, MethodType) and isinstance(__obj.__self__, (html.Markup, markupsafe.Markup)):
            args, kwargs = _texts(args), _texts(kwargs)
            if __obj.__name__ == "join":
                # Of what is no list, too.
                args = tuple(map(_text, parts) for parts in args)
                kwargs = {name: map(_text, parts) for name, parts in kwargs.items()}
        result = super().call(__context, __obj, *args, **kwargs)
        if "caller" not in kwargs:
            return result
        return _escaped_later(result) if inspect.isawaitable(result) else _escape(result)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """What is added or formatted into markup goes by its ``__html__``."""
        if isinstance(left, (html.Markup, markupsafe.Markup)):
            right = _texts(right)
        return super().call_binop(context, operator, left, right)

    def add_extension(self, extension: str | type[ext.Extension]) -> None:
        """As :func:`pyward_guard.html.jinja_environment` takes them."""
        super().add_extension(_extension(extension))

    def overlay(self, *args: Any, **options: Any) -> Any:
        """As the environment, with other options; what is fixed stays so."""
        if args:
            raise InvalidInput("options of an overlay are given by name")
        _refuse_fixed(options)
        return super().overlay(**options)


class _Walk:
    """Follows a template through all its branches and notes in which contexts each value lands."""

    def __init__(self, environment: Environment, name: str | None, filename: str | None) -> None:
        self._environment, self._name, self._filename = environment, name, filename
        self._found: dict[int, tuple[nodes.Expr, set[str]]] = {}
        # Places in which `break` and `continue` leave the body of each loop around a node, the innermost last.
        self._jumps: list[_Places] = []
        # Places in which the blocks begin, by name.
        self.blocks: dict[str, _Places] = {}

    def _fail(self, text: str, node: nodes.Node) -> NoReturn:
        raise jinja2.TemplateSyntaxError(text, node.lineno or 1, self._name, self._filename)

    def template(self, tree: nodes.Template, depth: int = 0) -> None:
        extends = [node for node in tree.body if isinstance(node, nodes.Extends)]
        inherited: dict[str, _Places] = {}
        for node in tree.find_all(nodes.Extends):
            if node not in extends:
                self._fail("a template extends another at its top level, or not at all", node)
            for parent in self._constants(node.template, node):
                for name, places in self._parent(parent, node, depth).items():
                    inherited[name] = _union(inherited.get(name, []), places)
        if extends:
            self._body([node for node in tree.body if not isinstance(node, nodes.Block)], [_core.HtmlTracker()])
            # Blocks are rendered in the place of what they override; those within others, where they stand.
            for block in tree.find_all(nodes.Block):
                if block.name in inherited or block in tree.body:
                    self._block(block, inherited.get(block.name) or [_core.HtmlTracker()])
            # Blocks that this template hands on unchanged.
            self.blocks = {**inherited, **self.blocks}
        else:
            after = self._body(tree.body, [_core.HtmlTracker()])
            if not all(place.at_rest() for place in after):
                self._fail("the template ends within a tag, a comment or an element such as script", tree)

    def _parent(self, name: str, node: nodes.Node, depth: int) -> dict[str, _Places]:
        source, walk = self._read(name, node, depth)
        walk.template(walk._parsed(source), depth + 1)
        return walk.blocks

    def _read(self, name: str, node: nodes.Node, depth: int) -> tuple[str, _Walk]:
        loader = self._environment.loader
        if loader is None or depth > _MAX_PARENTS:
            self._fail("the template that is extended cannot be read", node)
        source, filename, _ = loader.get_source(self._environment, self._environment.join_path(name, self._name or ""))
        return source, _Walk(self._environment, name, filename)

    def _parsed(self, source: str) -> nodes.Template:
        # Not `_parse` of the environment: a parent is judged as a whole when it is loaded.
        return super(Environment, self._environment)._parse(source, self._name, self._filename)

    def sources(self, source: str, depth: int = 0) -> list[str]:
        """The text of a template and of those that it extends, which tell the places of its values."""
        found = [source]
        for node in self._parsed(source).find_all(nodes.Extends):
            for parent in self._constants(node.template, node):
                above, walk = self._read(parent, node, depth)
                found += walk.sources(above, depth + 1)
        return found

    def _constants(self, expression: nodes.Expr, node: nodes.Node) -> list[str]:
        if isinstance(expression, nodes.Const) and isinstance(expression.value, str):
            return [expression.value]
        if isinstance(expression, nodes.CondExpr) and expression.expr2 is not None:
            return self._constants(expression.expr1, node) + self._constants(expression.expr2, node)
        self._fail("the template that is extended has to be named by a constant, so that the places of its blocks are known", node)

    def _body(self, body: Iterable[nodes.Node], places: _Places) -> _Places:
        for node in body:
            places = self._node(node, places)
        return places

    def _node(self, node: nodes.Node, places: _Places) -> _Places:
        if isinstance(node, nodes.Output):
            for part in node.nodes:
                places = self._part(part, places)
            return places
        if isinstance(node, nodes.If):
            out = self._body(node.body, _copies(places))
            for branch in node.elif_:
                out = _union(out, self._body(branch.body, _copies(places)))
            return self._bounded(_union(out, self._body(node.else_, _copies(places))), node)
        if isinstance(node, nodes.For):
            return self._loop(node, places)
        if isinstance(node, (nodes.Break, nodes.Continue)):
            if not self._jumps:
                self._fail("break and continue cannot leave a macro, a block or a filter", node)
            self._jumps[-1] = self._bounded(_union(self._jumps[-1], _copies(places)), node)
            return places
        if isinstance(node, nodes.Block):
            return self._block(node, places)
        if isinstance(node, (nodes.Macro, nodes.AssignBlock)):
            self._alone([node])
            return places
        if isinstance(node, (nodes.CallBlock, nodes.FilterBlock)):
            self._alone([node])
            self._only_text(places, node, "the output of a call or filter block")
            return places
        if isinstance(node, nodes.Include):
            self._only_text(places, node, "an included template")
            return places
        inner = getattr(node, "body", None)
        return self._body(inner, places) if isinstance(inner, list) else places

    def _part(self, part: nodes.Expr, places: _Places) -> _Places:
        if isinstance(part, nodes.TemplateData):
            for place in places:
                place.feed(part.data)
        elif _calls(part, "super"):
            # Its values were judged in this very place.
            pass
        else:
            _, contexts = self._found.setdefault(id(part), (part, set()))
            contexts.update(place.value() for place in places)
            problem = _problem(contexts, part)
            if problem:
                self._fail(problem, part)
        return places

    def _loop(self, node: nodes.For, places: _Places) -> _Places:
        known = _union([], places)
        for _ in range(8):
            self._jumps.append([])
            after = _union(known, self._body(node.body, _copies(known)))
            jumps = self._jumps.pop()
            after = _union(after, jumps)
            if len(after) == len(known):
                # Jinja2 runs `else` also after a jump out of the first round.
                return self._bounded(_union(known, self._body(node.else_, _copies(_union(places, jumps)))), node)
            known = self._bounded(after, node)
        self._fail("a loop leaves the markup in another place each time", node)

    def _block(self, node: nodes.Block, places: _Places) -> _Places:
        self.blocks[node.name] = _union(self.blocks.get(node.name, []), _copies(places))
        jumps, self._jumps = self._jumps, []
        after = self._body(node.body, _copies(places))
        self._jumps = jumps
        if all(place.at_rest() for place in places):
            if not all(place.at_rest() for place in after):
                self._fail("a block has to close the tags, comments and elements such as script that it opens", node)
            return after
        # A template that extends this one may put something else here.
        other = _copies(places)
        allowed = {place.value() for place in other}
        if any("url" in context for context in allowed):
            allowed |= {"url", "url-part", "url-unsettled"}
        after = self._bounded(_union(after, other), node)
        if not {place.copy().value() for place in after} <= allowed:
            self._fail("a block has to end in the place where it begins", node)
        return after

    def _alone(self, found: Sequence[Any]) -> None:
        """What is rendered by itself and used elsewhere: begins and ends in text."""
        jumps, self._jumps = self._jumps, []
        for node in found:
            if not all(place.at_rest() for place in self._body(node.body, [_core.HtmlTracker()])):
                self._fail("a macro or block has to close the tags, comments and elements such as script that it opens", node)
        self._jumps = jumps

    def _only_text(self, places: _Places, node: nodes.Node, what: str) -> None:
        if any(place.copy().value() != "text" for place in places):
            self._fail(f"{what} can stand in text only", node)

    def _bounded(self, places: _Places, node: nodes.Node) -> _Places:
        if len(places) > _MAX_PLACES:
            self._fail("the branches leave the markup in too many places", node)
        return places

    def rewrite(self, tree: nodes.Template) -> None:
        """Applies what each place needs while the template runs."""
        for output in tree.find_all(nodes.Output):
            output.nodes = [self._guarded(part) for part in output.nodes]
        for block in tree.find_all((nodes.FilterBlock, nodes.AssignBlock)):
            # Jinja2 takes what the filter gives as safe; only what it was made from was.
            if isinstance(block, (nodes.FilterBlock, nodes.AssignBlock)) and block.filter is not None:
                block.filter = _filtered(block.filter, "e")

    def _guarded(self, part: nodes.Expr) -> nodes.Expr:
        found = self._found.get(id(part))
        if found is None:
            return part
        contexts = found[1]
        if contexts & {"url", "code-url"}:
            return part if _filter_name(part) == "url" else _filtered(part, "url")
        if contexts & {"attribute", "json-attribute", "raw-text", "url-part"}:
            # Markup has quotes of its own; what `e` made is escaped once all the same.
            while isinstance(part, nodes.Filter) and part.name in ("e", "escape") and part.node is not None:
                part = part.node
            return _filtered(part, "forceescape")
        return part


def _copies(places: _Places) -> _Places:
    return [place.copy() for place in places]


def _union(first: _Places, second: _Places) -> _Places:
    return list({place.place(): place for place in (*second, *first)}.values())


def _filtered(part: nodes.Expr, name: str) -> nodes.Filter:
    return nodes.Filter(part, name, [], [], None, None, lineno=part.lineno)


def _filter_name(part: nodes.Expr) -> str | None:
    return part.name if isinstance(part, nodes.Filter) else None


def _calls(part: nodes.Expr, name: str) -> bool:
    return isinstance(part, nodes.Call) and isinstance(part.node, nodes.Name) and part.node.name == name


def _problem(contexts: set[str], part: nodes.Expr) -> str | None:
    escaped = {"attribute", "raw-text", "url-part"}
    if len(contexts) > 1 and not contexts <= escaped:
        return f"a value whose place depends on branches ({', '.join(sorted(contexts))})"
    context = min(contexts)
    if context == "text" or context in escaped:
        # In a URL, escaping keeps it in the attribute; the path or query it lands in is the template's choice.
        return None
    name = _filter_name(part)
    if context == "url":
        good = name == "url" or isinstance(part, nodes.Call)
        return None if good else "a value at the start of a URL attribute needs |url"
    if context == "code-url" and isinstance(part, nodes.Call):
        return None
    if context in ("script-attribute", "script-attribute-string"):
        return "a value in an event attribute: put it in a data attribute"
    if context == "script":
        return None if name == "tojson" else "a value in a script needs |tojson"
    if context == "script-string":
        return "a value within a string of a script: leave the quotes out and use |tojson"
    number = name in ("int", "float", "round")
    if context == "json-attribute":
        return None if number or name == "tojson" else "a value in an attribute of JSON needs |tojson"
    if context == "json-attribute-string":
        return None if number else "a value within a string of an attribute of JSON: leave the quotes out and use |tojson"
    if context in ("number-attribute", "style-attribute"):
        return None if number else f"a value in {html._REFUSALS[context]} needs |int or |float"
    return f"a value in {html._REFUSALS[context]}"


async def _escaped_later(result: Awaitable[Any]) -> markupsafe.Markup:
    return _escape(await result)


class _Translations(ext.InternationalizationExtension):
    """Gives texts: Jinja2's own takes messages as safe, whatever the context, and whatever they were made from."""

    def parse(self, parser: Any) -> Any:
        """The nodes of a ``trans`` block."""
        line = parser.stream.current.lineno
        made = super().parse(parser)
        for output in made if isinstance(made, list) else [made]:
            if isinstance(output, nodes.Output):
                output.nodes = [self._text(part, parser, line) for part in output.nodes]
        return made

    def _text(self, part: Any, parser: Any, line: int) -> Any:
        # A call, marked as safe in the old style, and there with the variables by `%`.
        call = getattr(part, "left", part)
        if isinstance(call, nodes.MarkSafeIfAutoescape):
            if part is call:
                part = call.expr
            else:
                part.left = call.expr
            call = call.expr
        for argument in getattr(call, "args", ()):
            if isinstance(argument, nodes.Const) and re.search(r"<|&#?\w+;", str(argument.value)):
                parser.fail("translated text is escaped: keep tags and character references out of trans blocks", line)
        return part

    def _install_callables(self, *args: Any, **options: Any) -> None:
        super()._install_callables(*args, **options)
        made = self.environment.globals
        made.update({name: plain_gettext(made[name]) for name in ext.GETTEXT_FUNCTIONS if name in made})


# Known by the name of the one it stands for.
_Translations.identifier = ext.InternationalizationExtension.identifier


def plain_gettext(function: Any) -> Any:
    """A new-style translation function of Jinja2 that gives a plain ``str``; others as they are."""
    if getattr(function, "__module__", "") != "jinja2.ext" or function is ext._gettext_alias:
        return function

    @jinja2.pass_context
    def plain(__context: Any, *args: Any, **values: Any) -> Any:
        context = SimpleNamespace(call=__context.call, eval_ctx=SimpleNamespace(autoescape=False))
        return function(context, *args, **values)

    return plain


def _extension(extension: str | type[ext.Extension]) -> type[ext.Extension]:
    found: type[ext.Extension] = import_string(extension) if isinstance(extension, str) else extension
    if issubclass(found, ext.InternationalizationExtension):
        if found not in (ext.InternationalizationExtension, _Translations):
            raise InvalidInput("a subclass of the extension i18n is refused: it may mark messages as safe")
        return _Translations
    if issubclass(found, ext.DebugExtension):
        raise InvalidInput("the extension debug is refused: it prints all that a template has")
    return found


def _refuse_fixed(options: dict[str, Any]) -> None:
    for name in _FIXED:
        if name in options:
            raise InvalidInput(f"{name} is fixed in this environment")


def environment(loader: jinja2.BaseLoader | None, allow_safe: bool, options: dict[str, Any]) -> jinja2.Environment:
    extensions = [_extension(extension) for extension in options.pop("extensions", ())]
    # Django's backend gives these two always.
    if options.get("autoescape") is True:
        del options["autoescape"]
    if options.get("undefined") in (jinja2.Undefined, jinja2.DebugUndefined, jinja2.StrictUndefined):
        del options["undefined"]
    _refuse_fixed(options)
    made = Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, extensions=extensions, **options)
    made.guard_allow_safe = allow_safe
    if allow_safe:
        _log.warning("a template environment allows the safe filter")
    else:
        # Filters can be applied by name: `map("safe")`.
        del made.filters["safe"]
    # Those that take values by their `__html__`.
    made.filters.update(e=_escape, escape=_escape, join=_join)
    made.filters.update({name: _of_texts(made.filters[name]) for name in ("format", "urlize", "xmlattr")})
    made.filters["url"] = html.safe_url
    made.filters["url_part"] = html.escape_url_component
    made.filters["sanitize"] = html.sanitize
    return made

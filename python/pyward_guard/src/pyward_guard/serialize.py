"""Serialisation that is safe to read back: signed JSON and MessagePack, restricted pickles, bounded YAML and XML.

CWE-502, CWE-611, CWE-776, CWE-400; ASVS 5.0: v5.0.0-1.5.1, v5.0.0-1.5.2, v5.0.0-1.5.3.
"""

from __future__ import annotations

import enum
import io
import pickle
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

from . import _core
from ._core import InvalidInput, KeySet, LimitExceeded, Refused, VerificationFailed
from ._optional import need
from ._text import utf8
from .tokens._payload import Form, form
from .tokens.signed import mac_keys, seconds

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = [
    "SignedPickle",
    "SignedSerializer",
    "json_dumps",
    "json_loads",
    "msgpack_dumps",
    "msgpack_loads",
    "xml_loads",
    "yaml_loads",
]

T = TypeVar("T")


def json_dumps(value: Any) -> bytes:
    """Compact JSON of dicts with string keys, lists, strings, numbers, booleans and None.

    Raises :class:`~pyward_guard.InvalidInput` for what readers do not agree on: NaN, integers beyond 64 bits, lone
    surrogates, more than 100 levels.

    CWE-502; ASVS 5.0: v5.0.0-1.5.3.

    >>> json_dumps({"a": [1, None]})
    b'{"a":[1,null]}'
    """
    return _core.json_dumps(value)


def json_loads(data: bytes | str, *, max_size: int = 1 << 20) -> Any:
    """Strict JSON: at most ``max_size`` bytes and 128 levels, no key twice, no NaN, no integers beyond 64 bits.

    Raises :class:`~pyward_guard.InvalidInput` or :class:`~pyward_guard.LimitExceeded`. CWE-400; ASVS 5.0: v5.0.0-1.5.3.

    >>> json_loads('{"role": "user", "role": "admin"}')
    Traceback (most recent call last):
    pyward_guard.InvalidInput: malformed JSON at line 1, column 33
    """
    if len(data) > max_size:
        raise LimitExceeded(f"the document is over {max_size} bytes")
    raw = utf8(data) if isinstance(data, str) else data
    if len(raw) > max_size:
        raise LimitExceeded(f"the document is over {max_size} bytes")
    return _core.json_loads(raw)


def msgpack_dumps(value: Any) -> bytes:
    """MessagePack of dicts, lists, strings, bytes, numbers, booleans and None.

    CWE-502; ASVS 5.0: v5.0.0-1.5.2.

    >>> msgpack_dumps([1, b"x"])
    b'\\x92\\x01\\xc4\\x01x'
    """
    return _core.msgpack_dumps(value)


def msgpack_loads(data: bytes, *, max_size: int = 1 << 20, max_depth: int = 64) -> Any:
    """Bounded MessagePack: no extension types but times (as seconds since 1970), no key twice, nothing after the end.

    ``max_size`` is in bytes, ``max_depth`` in levels, at most 128.

    Raises :class:`~pyward_guard.InvalidInput` or :class:`~pyward_guard.LimitExceeded`.

    CWE-502; ASVS 5.0: v5.0.0-1.5.2.

    >>> msgpack_loads(b"\\x92\\x01\\xc4\\x01x")
    [1, b'x']
    """
    return _core.msgpack_loads(data, max_size, max_depth)


class SignedSerializer(Generic[T]):
    """Signed and typed serialisation: what was not written by a holder of the key is never parsed.

    ``keys`` and ``payload`` are as for :class:`~pyward_guard.tokens.SignedTokens`; ``purpose`` separates uses of one key
    set; ``format`` is ``"json"`` or ``"msgpack"``. Values of up to 32 KiB; they are signed, not encrypted.
    ``lifetime`` is in seconds or a ``timedelta``. Raises :class:`~pyward_guard.InvalidInput` for another format, and for
    payload types that cannot be checked. Dataclasses may have fields of ``bytes`` in MessagePack.
    CWE-502, CWE-345, CWE-353; ASVS 5.0: v5.0.0-1.5.2, v5.0.0-9.1.1, v5.0.0-15.3.5.

    >>> jobs = SignedSerializer(KeySet.generate("mac"), purpose="job-queue", lifetime=3600, payload=dict)
    >>> jobs.loads(jobs.dumps({"resize": 7}))
    {'resize': 7}
    """

    __slots__ = ("_core", "_form", "_lifetime", "_msgpack")

    _form: Form

    def __init__(
        self,
        keys: KeySet | bytes | str | Sequence[bytes | str],
        *,
        purpose: str,
        lifetime: int | timedelta,
        payload: type[T] | None = None,
        format: Literal["json", "msgpack"] = "json",
    ) -> None:
        if format not in ("json", "msgpack"):
            raise InvalidInput("the format is json or msgpack")
        self._core = _core.TokenSigner(mac_keys(keys), f"serialize/{format}/{purpose}")
        self._lifetime, self._msgpack = seconds(lifetime, "lifetime"), format == "msgpack"
        # MessagePack carries more than JSON.
        self._form = form(payload, binary=self._msgpack)

    def dumps(self, value: T) -> str:
        """Text for a value. Raises :class:`~pyward_guard.InvalidInput` as :meth:`~pyward_guard.tokens.SignedTokens.issue` does."""
        plain = self._form.dump(value)
        if self._msgpack:
            return self._core.issue_bytes(_core.msgpack_dumps(plain), self._lifetime)
        return self._core.issue_json(plain, self._lifetime)

    def loads(self, text: str) -> T:
        """The value. Raises :class:`~pyward_guard.Expired` or :class:`~pyward_guard.VerificationFailed`."""
        if self._msgpack:
            plain = _core.msgpack_loads(self._core.verify_details(text)[0], 1 << 20, 64)
        else:
            plain = self._core.verify_json(text)
        return cast(T, self._form.load(plain))


class _RestrictedUnpickler(pickle.Unpickler):
    def __init__(self, data: bytes, allowed: Mapping[tuple[str, str], Any]) -> None:
        super().__init__(io.BytesIO(data))
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._allowed[module, name]
        except KeyError:
            raise Refused(f"refused: the pickle names {module}.{name}, which is not allowed") from None

    def persistent_load(self, pid: Any) -> Any:
        raise Refused("refused: the pickle has a persistent id")


# What a pickle may name of the standard library: classes of plain data, and what puts some of them together again.
_DATA_MODULES = frozenset({
    "array", "ast", "calendar", "cmath", "collections", "configparser", "datetime", "decimal", "email", "fractions", "graphlib",
    "http.cookies", "ipaddress", "json", "math", "numbers", "pathlib", "plistlib", "random", "statistics", "time", "types", "uuid",
    "zoneinfo",
})  # fmt: skip
# Of modules that also have what opens files or runs things.
_DATA_NAMES = frozenset({
    ("_io", "BytesIO"), ("_io", "StringIO"), ("array", "_array_reconstructor"), ("copyreg", "_reconstructor"),
    ("copyreg", "__newobj__"), ("re", "Pattern"), ("re", "_compile"), ("xml.etree.ElementTree", "Element"),
})  # fmt: skip
_DATA_BUILTINS = (set, frozenset, bytearray, complex, range, slice)


def _runs(item: Any) -> bool:
    """True for what is of the standard library and does more than hold data, as far as its place there tells."""
    package = item.__module__.partition(".")[0]
    if package not in sys.stdlib_module_names or (item.__module__, item.__qualname__) in _DATA_NAMES:
        return False
    if not isinstance(item, type):
        return package not in ("math", "cmath")
    if package in _DATA_MODULES or item.__module__ in _DATA_MODULES or item in _DATA_BUILTINS:
        return False
    # Named tuples and enumerations are found in many modules.
    return package == "builtins" or not issubclass(item, (tuple, enum.Enum))


class SignedPickle:
    """Pickles that are verified before they are parsed, and then restricted to the globals you list.

    For data of your own programs that JSON and MessagePack cannot carry. ``allow`` lists classes and functions; everything
    a pickle names must be on it, also what its classes name. The signature is checked first, the instructions are scanned
    next, and only then is the pickle read. ``max_size`` is in bytes.
    Raises :class:`~pyward_guard.InvalidInput` for an entry of ``allow`` that is no class or function, or of the standard library
    and more than plain data. Of other packages, list what you would let a holder of the key call with any arguments.
    CWE-502; ASVS 5.0: v5.0.0-1.5.2.

    >>> import decimal
    >>> store = SignedPickle(KeySet.generate("mac"), purpose="cache", allow=[decimal.Decimal])
    >>> store.loads(store.dumps({"price": decimal.Decimal("9.90")}))
    {'price': Decimal('9.90')}
    """

    __slots__ = ("_allowed", "_keys", "_max", "_purpose")

    def __init__(
        self,
        keys: KeySet | bytes | str | Sequence[bytes | str],
        *,
        purpose: str,
        allow: Iterable[type[Any] | Callable[..., Any]] = (),
        max_size: int = 16 << 20,
    ) -> None:
        self._keys = mac_keys(keys)
        # Checks the purpose, too.
        self._purpose = _core.TokenSigner(self._keys, f"serialize/pickle/{purpose}").purpose
        self._max = max_size
        self._allowed: dict[tuple[str, str], Any] = {}
        for item in allow:
            if not all(isinstance(getattr(item, name, None), str) for name in ("__module__", "__qualname__")):
                raise InvalidInput("allow lists classes and functions")
            if _runs(item):
                raise InvalidInput(f"{item.__module__}.{item.__qualname__} must not be reachable from a pickle")
            self._allowed[item.__module__, item.__qualname__] = item

    def _tag(self, data: bytes) -> list[bytes]:
        return _core.blind_indexes(self._keys, self._purpose, 256, data)

    def dumps(self, value: Any) -> bytes:
        """Pickles and signs. Raises :class:`~pyward_guard.Refused` for what :meth:`loads` would not take, and
        :class:`~pyward_guard.InvalidInput` for what cannot be pickled."""
        try:
            data = pickle.dumps(value, protocol=4)
        except (pickle.PicklingError, AttributeError, TypeError, ValueError, RecursionError) as error:
            raise InvalidInput("the value cannot be pickled") from error
        self._check(data)
        return self._tag(data)[0] + data

    def _check(self, data: bytes) -> None:
        if len(data) > self._max:
            raise LimitExceeded(f"the pickle is over {self._max} bytes")
        for module, name in _core.pickle_scan(data)[0]:
            if (module, name) not in self._allowed:
                raise Refused(f"refused: the pickle names {module}.{name}, which is not allowed")

    def loads(self, data: bytes) -> Any:
        """Verifies, scans, reads.

        Raises :class:`~pyward_guard.VerificationFailed` for data of others, :class:`~pyward_guard.Refused` for globals that
        are not allowed, :class:`~pyward_guard.LimitExceeded`, :class:`~pyward_guard.InvalidInput`.
        """
        if len(data) > self._max + 32:
            raise LimitExceeded(f"the pickle is over {self._max} bytes")
        tag, body = data[:32], data[32:]
        if not any([_core.constant_time_equal(tag, own) for own in self._tag(body)]):
            raise VerificationFailed("verification failed: wrong signature")
        self._check(body)
        try:
            return _RestrictedUnpickler(body, self._allowed).load()
        except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise InvalidInput("malformed pickle") from error


def yaml_loads(
    text: str | bytes, *, max_size: int = 1 << 20, max_depth: int = 32, max_nodes: int = 100_000, max_aliases: int = 100
) -> Any:
    """Safe YAML through PyYAML's ``SafeLoader``: plain values only, bounded, no key twice.

    ``max_aliases`` bounds references and ``max_nodes`` the document *with* references followed, which stops expansion
    bombs ("billion laughs"). Needs the package PyYAML.
    ``max_size`` is in bytes, ``max_depth`` in levels.
    Raises :class:`~pyward_guard.InvalidInput` or :class:`~pyward_guard.LimitExceeded`.
    CWE-502, CWE-776, CWE-674; ASVS 5.0: v5.0.0-1.5.2.

    >>> yaml_loads("a: [1, two]")
    {'a': [1, 'two']}
    >>> yaml_loads("!!python/object/apply:os.system [id]")
    Traceback (most recent call last):
    pyward_guard.InvalidInput: malformed or unsafe YAML at line 1, column 1
    """
    try:
        import yaml
    except ImportError:
        raise need("PyYAML", "yaml_loads") from None
    if len(text) > max_size:
        raise LimitExceeded(f"the document is over {max_size} bytes")
    if not 1 <= max_depth <= 128:
        raise InvalidInput("max_depth is 1 to 128")
    if isinstance(text, str):
        text = utf8(text)
        if len(text) > max_size:
            raise LimitExceeded(f"the document is over {max_size} bytes")
    # The loader over libyaml is several times as fast, and makes the same of what it reads.
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        # First the events: they cost no memory, and show depth, size and aliases before anything is built.
        depth = aliases = nodes = 0
        for event in yaml.parse(text, Loader=base):
            if isinstance(event, yaml.NodeEvent):
                nodes += 1
                if nodes > max_nodes:
                    raise LimitExceeded(f"the document has more than {max_nodes} values")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > max_depth:
                    raise LimitExceeded(f"the document is nested deeper than {max_depth} levels")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.AliasEvent):
                aliases += 1
                if aliases > max_aliases:
                    raise LimitExceeded(f"the document has more than {max_aliases} references")
        loader = base(text)
        try:
            root = loader.get_single_node()
            if root is None:
                return None
            _check_yaml(yaml, root, max_nodes)
            # Keys that are spelled differently may be equal: yes and true, 1 and 0x1.
            construct = loader.construct_mapping

            def construct_mapping(node: Any, deep: bool = False) -> Any:
                mapping = construct(node, deep=deep)
                if len(mapping) != len(node.value):
                    raise InvalidInput(f"a key occurs twice at line {node.start_mark.line + 1}")
                return mapping

            loader.construct_mapping = construct_mapping  # type: ignore[method-assign]
            return loader.construct_document(root)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise InvalidInput(f"malformed or unsafe YAML{place}") from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError, LookupError, AttributeError):
        # PyYAML converts what a tag names without a look at the text: `!!bool x` is a KeyError.
        raise InvalidInput("malformed or unsafe YAML") from None


# YAML 1.1 reads "1:30" as ninety: long chains of it take quadratic time.
_YAML_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_MAX_YAML_NUMBER = 128


def _check_yaml(yaml: Any, root: Any, max_nodes: int) -> None:
    """Counts nodes as often as they are referred to, and refuses cycles, merge keys and keys that occur twice."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: Any) -> int:
        known = sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in open_nodes:
            raise InvalidInput("the document refers to itself")
        open_nodes.add(id(node))
        total = 1
        if node.tag in _YAML_NUMBERS and len(node.value) > _MAX_YAML_NUMBER:
            raise LimitExceeded(f"a number is longer than {_MAX_YAML_NUMBER} characters")
        if isinstance(node, yaml.MappingNode):
            seen: set[tuple[str, str]] = set()
            for key, value in node.value:
                if key.tag == "tag:yaml.org,2002:merge":
                    raise InvalidInput("merge keys are not allowed")
                if isinstance(key, yaml.ScalarNode):
                    if (key.tag, key.value) in seen:
                        raise InvalidInput(f"a key occurs twice at line {key.start_mark.line + 1}")
                    seen.add((key.tag, key.value))
                total += size(key) + size(value)
        elif isinstance(node, yaml.SequenceNode):
            total += sum(size(item) for item in node.value)
        open_nodes.discard(id(node))
        sizes[id(node)] = total
        if total > max_nodes:
            raise LimitExceeded(f"the document has more than {max_nodes} values")
        return total

    size(root)


_MAX_XML_NAME = 1024


def xml_loads(
    text: str | bytes,
    *,
    max_size: int = 1 << 20,
    max_depth: int = 64,
    max_nodes: int = 100_000,
    max_attributes: int = 64,
) -> Element:
    """Safe XML with the standard library's parser: no document type, no entities, no external anything, bounded.

    Gives an ``xml.etree.ElementTree.Element``. Comments and processing instructions are dropped. A name has at most 1024
    characters with its namespace. ``max_size`` is in bytes, ``max_depth`` in levels.
    Raises :class:`~pyward_guard.InvalidInput`, :class:`~pyward_guard.Refused` for a document type, or
    :class:`~pyward_guard.LimitExceeded`.
    CWE-611, CWE-776, CWE-827; ASVS 5.0: v5.0.0-1.5.1.

    >>> xml_loads("<a><b>1</b></a>")[0].text
    '1'
    >>> xml_loads("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>")
    Traceback (most recent call last):
    pyward_guard.Refused: refused: the document has a document type
    """
    from xml.etree.ElementTree import TreeBuilder
    from xml.parsers import expat

    if len(text) > max_size:
        raise LimitExceeded(f"the document is over {max_size} bytes")
    raw = utf8(text) if isinstance(text, str) else text
    if len(raw) > max_size:
        raise LimitExceeded(f"the document is over {max_size} bytes")
    # The parser takes any encoding the document names only for bytes; text was encoded here.
    parser = expat.ParserCreate("utf-8" if isinstance(text, str) else None, "}")
    parser.buffer_text = True
    parser.ordered_attributes = True
    builder = TreeBuilder()
    depth = nodes = 0

    names: dict[str, str] = {}

    def qualified(name: str) -> str:
        known = names.get(name)
        if known is None:
            # The parser writes the namespace out in every name: a long one, used often, is an expansion bomb.
            if len(name) > _MAX_XML_NAME:
                raise LimitExceeded(f"a name with its namespace is longer than {_MAX_XML_NAME} characters")
            known = names[name] = "{" + name if "}" in name else name
        return known

    def start(name: str, attributes: list[str]) -> None:
        nonlocal depth, nodes
        depth += 1
        nodes += 1 + len(attributes) // 2
        if depth > max_depth:
            raise LimitExceeded(f"the document is nested deeper than {max_depth} levels")
        if nodes > max_nodes or len(attributes) > 2 * max_attributes:
            raise LimitExceeded("the document has too many elements or attributes")
        pairs = iter(attributes)
        builder.start(qualified(name), {qualified(key): value for key, value in zip(pairs, pairs)})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(qualified(name))

    def refuse(*_: object) -> Any:
        raise Refused("refused: the document has a document type")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.UnparsedEntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise InvalidInput(f"malformed XML at line {error.lineno}, column {error.offset + 1}") from None
    except (LookupError, ValueError):
        raise InvalidInput("malformed XML") from None
    return builder.close()

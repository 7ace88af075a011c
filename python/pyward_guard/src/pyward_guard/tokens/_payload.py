"""Types of signed payloads: values are checked when they are written and when they are read, in all their parts.

What cannot be checked is refused when the type is named, so that nothing is half-read later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import InitVar, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from inspect import signature
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from .._core import InvalidInput, VerificationFailed

#: Types whose parts, if any, are whatever the format carries: what is accepted for writing, what reading gives.
_PLAIN: dict[Any, tuple[tuple[type, ...], tuple[type, ...]]] = {
    str: ((str,), (str,)),
    int: ((int,), (int,)),
    float: ((float, int), (float, int)),
    bool: ((bool,), (bool,)),
    list: ((list, tuple), (list,)),
    dict: ((dict,), (dict,)),
    bytes: ((bytes, bytearray), (bytes,)),
    NoneType: ((NoneType,), (NoneType,)),
}

#: What is told apart in a union only when no other member has it, too.
_LIST, _DICT, _ENUM = "list", "dict", "enum"
_SHAPES: dict[Any, tuple[str, ...]] = {list: (_LIST,), dict: (_DICT,)}
_SCALARS = (str, int, float, bool, NoneType)


class Form:
    """How values of one type are written and read."""

    __slots__ = ("dump", "load", "shapes")

    #: Gives what is written; raises InvalidInput for a value that would be read as another type, or not at all.
    dump: Callable[[Any], Any]
    #: Gives the value; raises VerificationFailed for what was not written for this type.
    load: Callable[[Any], Any]
    shapes: tuple[str, ...]

    def __init__(self, dump: Callable[[Any], Any], load: Callable[[Any], Any], shapes: tuple[str, ...] = ()) -> None:
        self.dump, self.load, self.shapes = dump, load, shapes


def _wrong_value(where: str, name: str) -> InvalidInput:
    return InvalidInput(f"{where} must be of type {name}")


def _wrong_content() -> VerificationFailed:
    return VerificationFailed("verification failed: the payload has another type")


def _as_is(value: Any) -> Any:
    return value


_ANY = Form(_as_is, _as_is, (_LIST, _DICT))


def _plain(kind: type[Any], where: str) -> Form:
    written, read = _PLAIN[kind]

    # bool is a subclass of int, and 1 == True invites mistakes.
    def dump(value: Any) -> Any:
        if isinstance(value, written) and (type(value) is not bool or kind is bool):
            return value
        raise _wrong_value(where, kind.__name__)

    def load(value: Any) -> Any:
        if type(value) in read:
            return value
        raise _wrong_content()

    return Form(dump, load, _SHAPES.get(kind, ()))


def _items(part: Form, where: str) -> Form:
    def dump(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise _wrong_value(where, "list")
        return [part.dump(item) for item in value]

    def load(value: Any) -> Any:
        if type(value) is not list:
            raise _wrong_content()
        return [part.load(item) for item in value]

    return Form(dump, load, (_LIST,))


def _tuple(parts: list[Form], where: str) -> Form:
    def dump(value: Any) -> Any:
        if not isinstance(value, (list, tuple)) or len(value) != len(parts):
            raise _wrong_value(where, "tuple")
        return [part.dump(item) for part, item in zip(parts, value)]

    def load(value: Any) -> Any:
        if type(value) is not list or len(value) != len(parts):
            raise _wrong_content()
        return tuple(part.load(item) for part, item in zip(parts, value))

    return Form(dump, load, (_LIST,))


def _map(key: Form, part: Form, where: str) -> Form:
    def dump(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _wrong_value(where, "dict")
        return {key.dump(name): part.dump(item) for name, item in value.items()}

    def load(value: Any) -> Any:
        if type(value) is not dict:
            raise _wrong_content()
        return {key.load(name): part.load(item) for name, item in value.items()}

    return Form(dump, load, (_DICT,))


def _value(member: Any) -> Any:
    return member.value if isinstance(member, Enum) else member


def _choice(members: Sequence[Any], where: str) -> Form:
    """The values of a Literal or an Enum."""
    # With their types, since 1 == True.
    known = {(type(_value(member)), _value(member)): member for member in members}

    def dump(value: Any) -> Any:
        plain = _value(value)
        if type(plain) in _SCALARS and (type(plain), plain) in known:
            return plain
        raise InvalidInput(f"{where} must be one of its values")

    def load(value: Any) -> Any:
        if type(value) in _SCALARS and (type(value), value) in known:
            return known[type(value), value]
        raise _wrong_content()

    return Form(dump, load, (_ENUM,) if any(isinstance(member, Enum) for member in members) else ())


def _union(parts: list[Form], where: str) -> Form:
    def dump(value: Any) -> Any:
        for part in parts:
            try:
                return part.dump(value)
            except InvalidInput:
                continue
        raise InvalidInput(f"{where} must be of one of its types")

    def load(value: Any) -> Any:
        for part in parts:
            try:
                return part.load(value)
            except VerificationFailed:
                continue
        raise _wrong_content()

    return Form(dump, load, tuple(shape for part in parts for shape in part.shapes))


def _parts(value: Any) -> dict[str, Any] | None:
    """The fields of a model or dataclass, by name."""
    kind = type(value)
    if hasattr(kind, "model_fields"):
        held = vars(value)
        return {"": value.model_extra} | {name: held.get(name) for name in kind.model_fields}
    if is_dataclass(kind):
        # What the constructor does not take, nor == compares, is made anew.
        return {f.name: getattr(value, f.name, None) for f in fields(kind) if f.init or f.compare}
    return None


def _same(value: Any, read: Any) -> bool:
    """Whether reading gave what was written. A model may have an == of its own, and attributes that are no fields."""
    if _parts(value) is not None:
        return type(read) is type(value) and next(_differing(value, read), None) is None
    if isinstance(value, dict):
        return isinstance(read, dict) and value.keys() == read.keys() and all(_same(item, read[key]) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return isinstance(read, (list, tuple)) and len(value) == len(read) and all(map(_same, value, read))
    if isinstance(value, Enum) is not isinstance(read, Enum):
        # Defaults, which pydantic does not validate, may be values of members, or members where their values are kept.
        value, read = _value(value), _value(read)
    # Times of the hour that comes twice are equal to none of another zone.
    return bool(value == read) or isinstance(value, datetime) and isinstance(read, datetime) and value.isoformat() == read.isoformat()


def _differing(value: Any, read: Any) -> Iterator[str]:
    """The fields of a model or dataclass that were read as something else."""
    there = _parts(read) or {}
    for name, held in (_parts(value) or {}).items():
        if not _same(held, there.get(name)) and not _same_default(value, name, held, there.get(name)):
            yield name


@lru_cache(maxsize=512)
def _alone(kind: Any, name: str) -> Any:
    """A model with the type of one field and nothing of what else the class makes of it."""
    from pydantic import create_model

    model = hasattr(kind, "model_fields")
    info = (kind.model_fields if model else kind.__pydantic_fields__)[name]
    config = (kind.model_config if model else kind.__pydantic_config__) or {}
    # JSON is strict about less than Python values are.
    config = {**config, "strict": False, "alias_generator": None}
    return cast(Any, create_model)("Kept", __config__=config, kept=(info.annotation, ...))


def _has_records(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_records, value.values()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(map(_has_records, value))
    return _parts(value) is not None


def _same_default(value: Any, name: str, held: Any, read: Any) -> bool:
    """Whether a default was kept, which pydantic does not validate, and reading gave it as the type that the field names."""
    kind: Any = type(value)
    try:
        if hasattr(kind, "model_fields"):
            kept = name not in value.model_fields_set
        else:
            kept = held is kind.__pydantic_fields__[name].default
        # What validators of the class change is not only of another type. Models that are validated anew may lose fields.
        return kept and not _has_records(held) and _same(_alone(kind, name)(kept=held).kept, read)
    except Exception:  # of the types of others; what cannot be compared is refused
        return False


def _check_same(value: Any, load: Callable[[Any], Any], written: Any, where: str) -> None:
    field = ""
    try:
        read = load(written)
        if _same(value, read):
            return
        # The name only, and none that came with the data.
        field = next((f": {name}" for name in _differing(value, read) if name), "")
    except (TypeError, ValueError, VerificationFailed):
        pass
    # Not from the error, which may show the value.
    raise InvalidInput(f"{where} would be read as another value, or not at all{field}") from None


def _model(kind: Any, where: str) -> Form:
    """Models and dataclasses of pydantic, which reads and writes them."""
    write: Callable[..., str | bytes]
    shapes: tuple[str, ...]
    if hasattr(kind, "model_validate"):
        write, read, shapes = kind.model_dump_json, kind.model_validate_json, (_LIST, _DICT)
    else:
        from pydantic import TypeAdapter

        adapter: Any = TypeAdapter(kind)
        write, read, shapes = adapter.dump_json, adapter.validate_json, (_DICT,)
    # Aliases for writing and for reading may differ, names do not. Before 2.11 pydantic cannot be told to read them.
    names = {"by_alias": False, "by_name": True} if "by_name" in signature(read).parameters else {}

    def dump(value: Any) -> Any:
        # The fields of a subclass would be lost.
        if type(value) is not kind:
            raise _wrong_value(where, kind.__name__)
        try:
            # Warnings show values.
            written = json.loads(write(value, by_alias=not names, round_trip=True, warnings=False))
        except (TypeError, ValueError):
            raise InvalidInput(f"{where} cannot be written as JSON") from None
        # Serializers, excluded fields, hidden secrets: much of a model may be written otherwise than it is read.
        _check_same(value, load, written, where)
        return written

    def load(value: Any) -> Any:
        try:
            return read(json.dumps(value), **names)
        except (TypeError, ValueError):
            raise _wrong_content() from None

    return Form(dump, load, shapes)


def _record(kind: Any, binary: bool, known: dict[Any, Form], where: str) -> Form:
    # Known before its fields are: it may be among their types.
    form = known[kind] = Form(_as_is, _as_is, (_DICT,))
    try:
        hints = get_type_hints(kind)
    except Exception as error:
        del known[kind]
        raise InvalidInput(f"the type hints of {kind.__name__} cannot be resolved") from error
    parts: dict[str, Form] = {}
    try:
        if any(isinstance(hint, InitVar) for hint in hints.values()):
            raise InvalidInput(f"{kind.__name__} takes values that it does not keep (InitVar)")
        # What the constructor does not take it makes.
        for name in (f.name for f in fields(kind) if f.init):
            parts[name] = _form(hints[name], binary, known, f"{kind.__name__}.{name}")
    except InvalidInput:
        del known[kind]
        raise
    names = {f.name for f in fields(kind)}
    made = [f.name for f in fields(kind) if not f.init and f.compare]

    def dump(value: Any) -> Any:
        # A subclass with more fields would lose them.
        if not isinstance(value, kind) or type(value) is not kind and not names >= {f.name for f in fields(value)}:
            raise _wrong_value(where, kind.__name__)
        written = {name: part.dump(getattr(value, name)) for name, part in parts.items()}
        if made:
            kept = {name: getattr(value, name, None) for name in made}
            _check_same(kept, lambda plain: {name: getattr(load(plain), name, None) for name in made}, written, where)
        return written

    def load(value: Any) -> Any:
        if type(value) is not dict or not value.keys() <= parts.keys():
            raise _wrong_content()
        given = {name: parts[name].load(item) for name, item in value.items()}
        try:
            return kind(**given)
        except (TypeError, ValueError, InvalidInput):
            raise _wrong_content() from None

    form.dump, form.load = dump, load
    return form


def _form(hint: Any, binary: bool, known: dict[Any, Form], where: str) -> Form:
    while hasattr(hint, "__supertype__"):  # NewType
        hint = hint.__supertype__
    origin: Any = get_origin(hint) or hint
    arguments = get_args(hint)
    unclear = InvalidInput(f"{where} is of a type that cannot be checked")
    if origin is Any or origin is object:
        return _ANY
    if origin is Literal or isinstance(origin, type) and issubclass(origin, Enum):
        members: tuple[Any, ...] = arguments if origin is Literal else tuple(cast(Any, origin))
        if not all(type(_value(member)) in _SCALARS for member in members):
            raise unclear
        return _choice(members, where)
    if origin is Union or origin is UnionType:
        parts = [_form(member, binary, known, where) for member in arguments]
        shapes = [shape for part in parts for shape in part.shapes]
        if len(shapes) > len(set(shapes)) or _ENUM in shapes and len(set(arguments) - {NoneType}) > 1:
            raise InvalidInput(f"{where} is of types that cannot be told apart once they are written")
        return _union(parts, where)
    if origin in (list, Sequence):
        part = _form(arguments[0], binary, known, where) if arguments else _ANY
        return _plain(list, where) if part is _ANY else _items(part, where)
    if origin in (dict, Mapping):
        key, part = (_form(argument, binary, known, where) for argument in arguments or (Any, Any))
        # The keys of JSON are texts.
        if key is not _ANY and (_LIST in key.shapes or _DICT in key.shapes or arguments[0] is int and not binary):
            raise unclear
        return _plain(dict, where) if key is part is _ANY else _map(key, part, where)
    if hint is tuple or origin is tuple and arguments:
        if hint is tuple or len(arguments) == 2 and arguments[1] is Ellipsis:
            items = _items(_ANY if hint is tuple else _form(arguments[0], binary, known, where), where)
            return Form(items.dump, lambda value: tuple(items.load(value)), items.shapes)
        return _tuple([_form(argument, binary, known, where) for argument in arguments], where)
    if origin in _PLAIN and (binary or origin is not bytes):
        return _plain(origin, where)
    if hint in known:
        return known[hint]
    if isinstance(hint, type) and is_dataclass(hint):
        # Of the class itself: a plain dataclass that is derived from one of pydantic only inherits its validator.
        checked = "__pydantic_validator__" in vars(hint)
        return _model(hint, where) if checked else _record(hint, binary, known, where)
    if hasattr(hint, "model_validate"):
        return _model(hint, where)
    raise unclear


def form(kind: Any, binary: bool = False) -> Form:
    """How payloads of the type ``kind`` are written and read; ``binary`` formats carry bytes, and integers as keys.

    Raises InvalidInput for types that cannot be checked.
    """
    if kind is None:
        return _ANY
    if kind in (str, int, float, bool, list, dict) or binary and kind is bytes:
        return _plain(kind, "the payload")
    if isinstance(kind, type) and (is_dataclass(kind) or hasattr(kind, "model_validate")):
        return _form(kind, binary, {}, "the payload")
    raise InvalidInput("the payload type is a JSON type, a dataclass or a pydantic model")

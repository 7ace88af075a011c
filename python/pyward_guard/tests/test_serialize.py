"""Serialisation: round trips, bombs, attacks."""

from __future__ import annotations

import array
import collections
import ctypes
import dataclasses
import datetime
import decimal
import fractions
import functools
import http.client
import io
import math
import operator
import os
import pathlib
import pickle
import pickletools
import re
import runpy
import shutil
import time
import timeit
import types
import urllib.parse
import uuid
import xml.dom.expatbuilder
import xml.sax.saxutils
import xml.sax.xmlreader
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyward_guard import Expired, InvalidInput, LimitExceeded, Refused, VerificationFailed, serialize
from pyward_guard.serialize import SignedPickle, SignedSerializer
from pyward_guard.tokens import KeySet

KEYS = KeySet.generate("mac")

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(-(2**63), 2**63), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_msgpack_round_trips_and_interoperates(value: Any) -> None:
    msgpack = pytest.importorskip("msgpack")
    data = serialize.msgpack_dumps(value)
    assert serialize.msgpack_loads(data) == value
    assert msgpack.unpackb(data, strict_map_key=False) == value
    assert serialize.msgpack_loads(msgpack.packb(value)) == value


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    for load in (serialize.msgpack_loads, serialize.json_loads, serialize.xml_loads, serialize.yaml_loads):
        try:
            load(data)  # type: ignore[operator]
        except (InvalidInput, LimitExceeded, Refused):
            pass
    with pytest.raises(VerificationFailed):
        SignedPickle(KEYS, purpose="p").loads(data)


def test_msgpack_bounds() -> None:
    for claim in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"):
        with pytest.raises(InvalidInput):
            serialize.msgpack_loads(claim)
    with pytest.raises(LimitExceeded):
        serialize.msgpack_loads(b"\x91" * 100 + b"\xc0")
    with pytest.raises(LimitExceeded):
        serialize.msgpack_loads(b"\x00" * 11, max_size=10)
    for refused in (b"\x82\x01\x02\x01\x03", b"\x81\x90\x01", b"\xd4\x05\x00", b"\xa1\xff", b"\xc0\xc0"):
        with pytest.raises(InvalidInput):
            serialize.msgpack_loads(refused)
    msgpack = pytest.importorskip("msgpack")
    for at in (0.0, 1_700_000_000.5, 17_179_869_184.25, -1.5):
        assert serialize.msgpack_loads(msgpack.packb(msgpack.Timestamp.from_unix(at))) == at


def test_json_is_strict() -> None:
    assert serialize.json_loads(b'{"a": 1e3}') == {"a": 1000.0}
    for text in ("18446744073709551616", "[-9223372036854775809]", '"\ud800"', '{"a":1,"a":2}', "NaN", "[1,]", "{} x", "'a'", "[" * 200 + "]" * 200, b"\xff"):
        with pytest.raises(InvalidInput):
            serialize.json_loads(text)
    with pytest.raises(LimitExceeded):
        serialize.json_loads("[]" * 10, max_size=10)
    for value in (math.nan, 2**65, {1: 1}, b""):
        with pytest.raises(InvalidInput):
            serialize.json_dumps(value)


@dataclasses.dataclass
class Job:
    name: str
    sizes: list[int]


@pytest.mark.parametrize("format", ["json", "msgpack"])
def test_signed_serializer(format: str) -> None:
    jobs = SignedSerializer(KEYS, purpose="jobs", lifetime=60, payload=Job, format=format)
    text = jobs.dumps(Job("resize", [1, 2]))
    assert jobs.loads(text) == Job("resize", [1, 2])
    other = SignedSerializer[Any](KEYS, purpose="other", lifetime=60, format=format)
    with pytest.raises(VerificationFailed):
        other.loads(text)
    cross = SignedSerializer[Any](KEYS, purpose="jobs", lifetime=60, format="msgpack" if format == "json" else "json")
    with pytest.raises(VerificationFailed):
        cross.loads(text)
    plain = SignedSerializer[Any](KEYS, purpose="jobs", lifetime=1, format=format)
    with pytest.raises(VerificationFailed):
        jobs.loads(plain.dumps({"name": 7, "sizes": []}))
    with_time = dataclasses.make_dataclass("WithTime", [("at", datetime.datetime)])
    for kind in (with_time, [1], list[int]):
        with pytest.raises(InvalidInput):
            SignedSerializer[Any](KEYS, purpose="jobs", lifetime=1, payload=kind, format=format)
    short = plain.dumps(1)
    time.sleep(1.01)
    with pytest.raises(Expired):
        plain.loads(short)


def test_bytes_are_for_messagepack() -> None:
    blob = dataclasses.make_dataclass("Blob", [("data", bytes), ("names", dict[int, str])])
    store = SignedSerializer[Any](KEYS, purpose="blobs", lifetime=60, payload=blob, format="msgpack")
    assert store.loads(store.dumps(blob(b"\xff", {1: "a"}))) == blob(b"\xff", {1: "a"})
    with pytest.raises(InvalidInput, match=r"Blob\.data"):
        SignedSerializer[Any](KEYS, purpose="blobs", lifetime=60, payload=blob)


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("echo attacked > /tmp/never",)


def test_pickles_are_verified_before_they_are_parsed() -> None:
    store = SignedPickle(KEYS, purpose="cache", allow=[decimal.Decimal, Job, set])
    value = {"d": decimal.Decimal("1.50"), "s": {1, 2}, "j": Job("x", [1]), "t": (1, b"x", None), "n": 10**40}
    assert store.loads(store.dumps(value)) == value
    with pytest.raises(Refused):
        store.dumps(Evil())
    with pytest.raises(VerificationFailed):
        store.loads(bytes(32) + pickle.dumps(Evil()))
    with pytest.raises(VerificationFailed):
        SignedPickle(KEYS, purpose="other", allow=[decimal.Decimal]).loads(store.dumps(1))
    # A holder of the key who lists less refuses what is not on the list.
    with pytest.raises(Refused):
        SignedPickle(KEYS, purpose="cache").loads(store.dumps(decimal.Decimal(1)))
    # Signed by a leaked key, in every protocol: still only listed globals.
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps(Evil(), protocol)
        with pytest.raises(Refused):
            store.loads(store._tag(data)[0] + data)
    hidden = b"\x80\x04\x8c\x05posix\x8c\x06system\x86\x8c\x02idNN\x93."
    with pytest.raises((Refused, InvalidInput)):
        store.loads(store._tag(hidden)[0] + hidden)
    with pytest.raises(InvalidInput):
        SignedPickle(KEYS, purpose="x", allow=[eval])
    with pytest.raises(LimitExceeded):
        SignedPickle(KEYS, purpose="x", max_size=10).dumps("x" * 100)
    old = store.dumps(1)
    KEYS.rotate()
    assert store.loads(old) == 1


def test_what_pickles_may_name() -> None:
    for item in (
        pickle.loads, functools.partial, operator.attrgetter, runpy.run_path, timeit.timeit, ctypes.CDLL, shutil.rmtree, os.popen, type, list,
        collections.namedtuple, http.client.HTTPConnection, "decimal.Decimal", 1, [].append, ElementTree.ElementTree, ElementTree.XMLParser,
        ElementTree.parse, xml.dom.expatbuilder.ExpatBuilder, xml.sax.saxutils.XMLGenerator, xml.sax.xmlreader.InputSource,
        re.Scanner, re.compile, io.FileIO, io.TextIOWrapper, io.open,
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            SignedPickle(KEYS, purpose="x", allow=[item])  # type: ignore[list-item]
    data: list[Any] = [
        datetime.date(2026, 1, 2), fractions.Fraction(1, 3), pathlib.PurePosixPath("/a"), collections.deque([1]), re.compile("a+"), uuid.UUID(int=7),
        http.HTTPStatus.OK, collections.OrderedDict(a=1), array.array("i", [1]), types.SimpleNamespace(a=1), urllib.parse.urlsplit("https://example.org/"),
    ]  # fmt: skip
    store = SignedPickle(KEYS, purpose="x", allow=[array._array_reconstructor, re._compile, *map(type, data)])  # type: ignore[attr-defined]
    assert store.loads(store.dumps(data)) == data
    streams = SignedPickle(KEYS, purpose="x", allow=[io.BytesIO, io.StringIO, ElementTree.Element])
    binary, text, tree = streams.loads(streams.dumps([io.BytesIO(b"x"), io.StringIO("y"), ElementTree.XML("<a><b>1</b></a>")]))
    assert (binary.read(), text.read(), ElementTree.tostring(tree)) == (b"x", "y", b"<a><b>1</b></a>")
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    for value in (lambda: 0, KEYS, deep):
        with pytest.raises(InvalidInput, match="pickled"):
            store.dumps(value)


@given(st.recursive(st.integers() | st.text() | st.binary() | st.floats(), lambda i: st.lists(i) | st.tuples(i, i), max_leaves=10))
def test_the_scan_agrees_with_pickletools(value: Any) -> None:
    from pyward_guard import _core

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps([value, decimal.Decimal(1), Job], protocol)
        names, count = _core.pickle_scan(data)
        assert count == len(list(pickletools.genops(data)))
        assert {name for _, name in names} >= {"Decimal", "Job"}


def test_yaml() -> None:
    pytest.importorskip("yaml")
    assert serialize.yaml_loads("a: &x [1, 2]\nb: *x\nc: 2026-01-01")["b"] == [1, 2]
    assert serialize.yaml_loads("") is None
    laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
    )
    start = time.thread_time()
    with pytest.raises(LimitExceeded):
        serialize.yaml_loads(laughs)
    assert time.thread_time() - start < 2
    for bad in (
        "!!python/object/apply:os.system ['id']", "!!python/name:os.system", "a: 1\na: 2", "&a [*a]", "a: *b", "[", "- a\n--- b",
        "a: &x {b: 1}\nc:\n  <<: *x", "\0",
    ):
        with pytest.raises(InvalidInput):
            serialize.yaml_loads(bad)
    for large in ("[" * 40 + "]" * 40, "x" * ((1 << 20) + 1)):
        with pytest.raises(LimitExceeded):
            serialize.yaml_loads(large)


def test_xml() -> None:
    root = serialize.xml_loads('<a xmlns:p="urn:x" k="&lt;v&gt;"><p:b>t</p:b>tail<!-- c --><?pi x?></a>')
    assert root.attrib == {"k": "<v>"} and root[0].tag == "{urn:x}b" and root[0].tail == "tail"
    attacks = [
        '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1/x.dtd"><a/>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><a/>',
        '<?xml version="1.0" encoding="utf-16"?>'.encode("utf-16") + "<!DOCTYPE a><a/>".encode("utf-16-le"),
    ]
    for text in attacks:
        with pytest.raises((Refused, InvalidInput)):
            serialize.xml_loads(text)
    for bad in ("", "<a>", "<a></b>", "<a/><b/>", "&x;", '<?xml version="1.0" encoding="utf-99"?><a/>'.encode(), b"\xff"):
        with pytest.raises(InvalidInput):
            serialize.xml_loads(bad)
    many = " ".join(f'a{i}="1"' for i in range(70))
    for large in ("<a>" * 65 + "</a>" * 65, f"<a {many}/>", "<a>" + "<b/>" * 100_001 + "</a>", "<a>" + "x" * (1 << 20) + "</a>"):
        with pytest.raises(LimitExceeded):
            serialize.xml_loads(large)


def test_bombs_take_no_time() -> None:
    """Documents within the size bound that would take minutes or gigabytes."""
    bombs = [
        lambda: serialize.yaml_loads("1" + ":1" * 500_000),
        lambda: serialize.yaml_loads("a: 1" + ":1" * 500_000 + ".0"),
        lambda: serialize.yaml_loads("- 0x" + "f" * 500_000),
        lambda: serialize.yaml_loads("- a\n" * 250_000),
        lambda: serialize.xml_loads('<a xmlns="' + "u" * 500_000 + '">' + "<b/>" * 100_000 + "</a>"),
        lambda: serialize.xml_loads('<a xmlns:p="' + "u" * 500_000 + '"><b ' + 'p:c="1"/>' + "<b p:c='1'/>" * 30_000 + "</a>"),
        lambda: serialize.msgpack_loads(b"\x91" * 1_000_000, max_depth=128),
    ]
    for bomb in bombs:
        started = time.perf_counter()
        with pytest.raises((InvalidInput, LimitExceeded)):
            bomb()
        assert time.perf_counter() - started < 60
    for depth in (129, 1 << 30):
        with pytest.raises(InvalidInput, match="128"):
            serialize.msgpack_loads(b"\x91" * 1_000_000, max_depth=depth)
    with pytest.raises(InvalidInput, match="max_depth"):
        serialize.yaml_loads("a", max_depth=10_000)
    assert serialize.msgpack_loads(b"\x91" * 128 + b"\xc0", max_depth=128)
    assert serialize.yaml_loads("a: 1:30\nb: 0x10\nc: 1e3") == {"a": 90, "b": 16, "c": "1e3"}


@pytest.mark.parametrize("text", ["!!bool secret", "!!timestamp secret", "!!int ''", "!!float ''", "!!int secret", "!!int '-'", "!!timestamp 2001-99-99"])
def test_yaml_tags_that_do_not_fit(text: str) -> None:
    with pytest.raises(InvalidInput, match="malformed") as caught:
        serialize.yaml_loads(text)
    assert "secret" not in str(caught.value)


def test_yaml_keys_that_are_equal_but_spelled_differently() -> None:
    for text in ("yes: 1\ntrue: 2", "1: a\n0x1: b", "a: {on: 1, true: 2}", "1: a\n1.0: b", "[{1: a, true: b}]", "? [1]\n: a"):
        with pytest.raises(InvalidInput):
            serialize.yaml_loads(text)
    assert serialize.yaml_loads("'1': a\n1: b") == {"1": "a", 1: "b"}
    assert serialize.yaml_loads("!!set {a, b}") == {"a", "b"} and serialize.yaml_loads(b"\xff\xfea\0") == "a"


def test_yaml_reads_the_same_with_and_without_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    texts = [
        "a: [1, 2.5, null, ~, true, 2020-01-02, 'x', \"\\u00e9\"]\nb: |\n  text\n  more\nc: >\n  folded\n  text",
        "&a [1]", "- &a x\n- *a", "%YAML 1.1\n---\na", "", "--- a\n--- b", "!!binary aGk=", "!!python/name:os.system", "{", "\t", "a: b: c",
    ]  # fmt: skip

    def read() -> list[Any]:
        results: list[Any] = []
        for text in texts:
            try:
                results.append(serialize.yaml_loads(text))
            except InvalidInput:
                results.append(InvalidInput)
        return results

    fast = read()
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert read() == fast


def test_what_is_written_can_be_read() -> None:
    """The deepest values that are written are not too deep to be read."""
    for dumps, loads in ((serialize.json_dumps, serialize.json_loads), (serialize.msgpack_dumps, serialize.msgpack_loads)):
        value: Any = "x"
        for depth in range(200):
            try:
                data = dumps(value)
            except InvalidInput:
                break
            assert loads(data) == value
            value = {"a": value} if depth % 2 else [value]
        assert depth > 60

"""MessagePack against msgpack, JSON against the standard library."""

from __future__ import annotations

import json
from typing import Any

from pyward_guard import serialize

VALUE = {"id": 7, "name": "Ada Lovelace", "tags": ["a", "b", "c"], "nested": {"x": 1.5, "y": None, "z": True}}


def run(bench: Any) -> None:
    text = json.dumps(VALUE)
    bench.compare("JSON loads, strict", lambda: serialize.json_loads(text), peer=lambda: json.loads(text), peer_name="json")
    try:
        import msgpack
    except ImportError:
        bench.lacks("msgpack")
        return
    data = msgpack.packb(VALUE)
    bench.compare(
        "MessagePack loads, bounded", lambda: serialize.msgpack_loads(data), peer=lambda: msgpack.unpackb(data), peer_name="msgpack"
    )
    bench.compare("MessagePack dumps", lambda: serialize.msgpack_dumps(VALUE), peer=lambda: msgpack.packb(VALUE), peer_name="msgpack")

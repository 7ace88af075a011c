"""AEAD against raw AES-GCM of cryptography."""

from __future__ import annotations

import io
import os
from typing import Any

from pyward_guard.crypto import Aead, DecryptingReader, EncryptingWriter, KeySet


def run(bench: Any) -> None:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        bench.lacks("cryptography")
        return
    keys = KeySet.generate("aead")
    keys.rotate()
    aead, raw = Aead(keys), AESGCM(os.urandom(32))
    for size in (64, 1024, 65536):
        data = os.urandom(size)
        target = 1.5 if size == 1024 else None

        def theirs(data: bytes = data) -> bytes:
            nonce = os.urandom(12)
            return nonce + raw.encrypt(nonce, data, b"context")

        sealed, other = aead.encrypt(data, b"context"), theirs()
        bench.compare(
            f"AEAD encrypt {size} bytes",
            lambda data=data: aead.encrypt(data, b"context"),
            peer=theirs,
            peer_name="AESGCM",
            at_most=target,
        )
        bench.compare(
            f"AEAD decrypt {size} bytes",
            lambda sealed=sealed: aead.decrypt(sealed, b"context"),
            peer=lambda other=other: raw.decrypt(other[:12], other[12:], b"context"),
            peer_name="AESGCM",
            at_most=target,
        )
    streaming, data = KeySet.generate("streaming"), os.urandom(8 << 20)

    def stream() -> bytes:
        target = io.BytesIO()
        with EncryptingWriter(target, streaming) as writer:
            writer.write(data)
        return target.getvalue()

    sealed = stream()
    bench.compare("stream encrypt 8 MiB", stream)
    bench.compare("stream decrypt 8 MiB", lambda: DecryptingReader(io.BytesIO(sealed), streaming).readall())

"""Password hashing against the C and Rust libraries behind argon2-cffi, bcrypt and hashlib."""

from __future__ import annotations

import asyncio
import hashlib
import statistics
import time
from typing import Any

from pyward_guard.passwords import PasswordHasher


def run(bench: Any) -> None:
    ours = PasswordHasher()
    try:
        import argon2
    except ImportError:
        bench.lacks("argon2-cffi")
    else:
        theirs = argon2.PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
        # "At the C library's speed": a tenth more is within what the machine varies.
        bench.compare(
            "Argon2id, 19 MiB, 2 passes",
            lambda: ours.hash("correct horse"),
            peer=lambda: theirs.hash("correct horse"),
            peer_name="argon2-cffi",
            at_most=1.1,
        )
    try:
        import bcrypt
    except ImportError:
        bench.lacks("bcrypt")
    else:
        mine = PasswordHasher("bcrypt", time_cost=10)
        bench.compare(
            "bcrypt, 2^10",
            lambda: mine.hash("correct horse"),
            peer=lambda: bcrypt.hashpw(b"correct horse", bcrypt.gensalt(10)),
            peer_name="bcrypt",
            at_most=1.1,
        )
    scrypt = PasswordHasher("scrypt", time_cost=14, parallelism=5)
    bench.compare(
        "scrypt, 2^14, r 8, p 5",
        lambda: scrypt.hash("correct horse"),
        peer=lambda: hashlib.scrypt(b"correct horse", salt=b"s" * 16, n=2**14, r=8, p=5, maxmem=1 << 30, dklen=32),
        peer_name="OpenSSL",
        at_most=1.1,
    )
    # What is not blocked: a loop that hashed by itself would pause for one hash at least. Half of one is the bound; the
    # rest is the system's scheduler, since the hashes keep every core busy.
    turns = [(asyncio.run(_longest_pause(ours)), _one(ours)) for _ in range(7)]
    one = statistics.median(alone for _, alone in turns)
    bench.add(
        "16 concurrent hashes, longest pause of the event loop",
        one * statistics.median(pause / alone for pause, alone in turns),
        peer=one,
        peer_name="one hash",
        at_most=0.5,
    )


def _one(hasher: PasswordHasher) -> float:
    started = time.perf_counter()
    hasher.hash("correct horse")
    return time.perf_counter() - started


async def _longest_pause(hasher: PasswordHasher) -> float:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            started = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - started - 0.001)

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(hasher.hash_async("correct horse") for _ in range(16)))
    watcher.cancel()
    return longest

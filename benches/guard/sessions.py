"""Sessions: loading from memory and from Redis."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from typing import Any

from pyward_guard.sessions import AsyncSessionManager, MemoryStore, RedisStore, SessionManager


def redis_server() -> tuple[subprocess.Popen[bytes], int] | None:
    program = shutil.which("redis-server")
    if program is None:
        return None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen([program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""], stdout=subprocess.DEVNULL)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process, port
        except OSError:
            time.sleep(0.05)
    process.kill()
    return None


def signed_in(manager: SessionManager) -> str:
    session = manager.load(None)
    session.login("ada")
    session["cart"] = [1, 2, 3]
    cookie = manager.save(session)
    assert cookie is not None
    return cookie.value


def run(bench: Any) -> None:
    from guard_bench import drive

    manager = SessionManager(MemoryStore())
    cookie = signed_in(manager)
    bench.compare("load from memory", lambda: manager.load(cookie), under=5e-6)
    bench.compare("load from memory, read a value, save", lambda: manager.save(_read(manager, cookie)))
    store = MemoryStore()
    asynchronous = AsyncSessionManager(store)
    other = signed_in(SessionManager(store))
    bench.compare("load from memory, asyncio", lambda: drive(asynchronous.load(other)), under=5e-6)

    started = redis_server()
    if started is None:
        bench.lacks("redis-server")
        return
    process, port = started
    try:
        import redis

        client = redis.Redis(port=port)
        remote = SessionManager(RedisStore(client))
        cookie_there = signed_in(remote)
        (key,) = client.keys("pyward:sessions:s:*")
        bench.compare("load from Redis", lambda: remote.load(cookie_there), peer=lambda: client.get(key), peer_name="bare GET", at_most=1.3, clock=time.perf_counter)
        client.close()
    finally:
        process.terminate()
        process.wait()


def _read(manager: SessionManager, cookie: str) -> Any:
    session = manager.load(cookie)
    session["cart"]
    return session

"""Servers and helpers shared by the tests: a PostgreSQL and a Redis server of our own, on loopback, on free ports."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = 30.0) -> None:
    """Returns once something accepts connections on the port; fails if the process ends or time runs out."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of a Redis server that lives as long as the test session."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed (scripts/test-guard installs it)")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pyward-redis-") as folder:
        argv = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for_port(port, process)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            stop(process)


def _postgres_programs() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda folder: int(folder.split("/")[4]))
    return Path(folders[-1]) if folders else None


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a PostgreSQL server (user and database ``guard``) that lives as long as the test session."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (scripts/test-guard installs it)")
    port = free_port()
    # PostgreSQL refuses to run as root: use the account that its package creates.
    account = "postgres" if os.getuid() == 0 else None
    password = "guard-test"
    with tempfile.TemporaryDirectory(prefix="pyward-pg-") as name:
        folder = Path(name)
        secret = folder / "password"
        secret.write_text(password)
        if account:
            entry = pwd.getpwnam(account)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            os.chown(secret, entry.pw_uid, entry.pw_gid)
        data = folder / "data"
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "guard", "-A", "scram-sha-256", f"--pwfile={secret}", "-N"],
            check=True, user=account, stdout=subprocess.DEVNULL, cwd=folder,
        )
        argv = [programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"]
        process = subprocess.Popen(argv, user=account, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for_port(port, process)
            import psycopg

            url = f"postgresql://guard:{password}@127.0.0.1:{port}"
            limit = time.monotonic() + 30
            while True:
                try:
                    with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
                        connection.execute("CREATE DATABASE guard")
                    break
                except psycopg.OperationalError:  # still starting up
                    if time.monotonic() > limit:
                        raise
                    time.sleep(0.1)
            yield f"{url}/guard"
        finally:
            stop(process)


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[object]:
    """A redis-py client on an empty database."""
    import redis

    client = redis.Redis.from_url(redis_url)
    client.flushall()
    yield client
    client.close()

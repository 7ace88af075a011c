"""Servers and helpers shared by the tests: a PostgreSQL and a Redis server of our own, on loopback, on free ports."""

from __future__ import annotations

import datetime
import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no fault of the code; work without bound still is.
# Wide: a bound on wall-clock time has to hold on a busy machine, and what runs away takes minutes.
settings.register_profile("guard", deadline=datetime.timedelta(minutes=1), suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("guard")


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = 300.0) -> None:
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
        process.wait(120)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def redis_server() -> Iterator[str]:
    """URL of a Redis server that lives as long as the block."""
    program = shutil.which("redis-server")
    if program is None:
        raise FileNotFoundError("redis-server is not installed (scripts/test-guard installs it)")
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
def redis_url() -> Iterator[str]:
    """URL of a Redis server that lives as long as the test session."""
    with installed(redis_server()) as url:
        yield url


@contextmanager
def installed(server: AbstractContextManager[str]) -> Iterator[str]:
    """The server's URL; the tests that want it are skipped where it is not installed."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(server)
        except FileNotFoundError as error:
            pytest.skip(str(error))
        yield url


@contextmanager
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server (user and database ``guard``) that lives as long as the block."""
    programs = _postgres_programs()
    if programs is None:
        raise FileNotFoundError("PostgreSQL is not installed (scripts/test-guard installs it)")
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
            limit = time.monotonic() + 300
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


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a PostgreSQL server (user and database ``guard``) that lives as long as the test session."""
    with installed(postgres_server()) as url:
        yield url


def make_certificate(folder: Path, hosts: list[str]) -> tuple[Path, Path]:
    """A self-signed certificate for some hosts, good for a day, and its key, as PEM files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hosts[0])])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate, private = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.touch(0o600)
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return certificate, private


@pytest.fixture(scope="session")
def server_certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for ``localhost`` and its key."""
    return make_certificate(tmp_path_factory.mktemp("tls"), ["localhost"])


@pytest.fixture(scope="session")
def mysql_server(server_certificate: tuple[Path, Path]) -> Iterator[dict[str, Any]]:
    """Arguments of ``connect_mysql`` for a MariaDB server with TLS that lives as long as the test session."""
    program, install = (shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin") for name in ("mariadbd", "mariadb-install-db"))
    if program is None or install is None:
        pytest.skip("MariaDB is not installed (scripts/test-guard installs it)")
    port = free_port()
    # As root, it changes to the account that its package creates.
    account = "mysql" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    with tempfile.TemporaryDirectory(prefix="pyward-my-") as name:
        folder = Path(name)
        for source in server_certificate:
            shutil.copy(source, folder)
        setup = folder / "setup.sql"
        setup.write_text(
            "CREATE DATABASE guard;\nCREATE USER guard@localhost IDENTIFIED BY 'guard-test';\nGRANT ALL ON guard.* TO guard@localhost;\n", encoding="ascii"
        )
        if os.getuid() == 0:
            entry = pwd.getpwnam(account)
            for path in (folder, *folder.iterdir()):
                os.chown(path, entry.pw_uid, entry.pw_gid)
        common = ["--no-defaults", f"--datadir={folder / 'data'}", f"--user={account}"]
        subprocess.run([install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"], check=True, stdout=subprocess.DEVNULL, cwd=folder)
        process = subprocess.Popen(
            [
                program, *common, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder / 'socket'}", f"--init-file={setup}",
                f"--pid-file={folder / 'pid'}", f"--ssl-cert={folder / 'cert.pem'}", f"--ssl-key={folder / 'key.pem'}", "--skip-log-bin",
                "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M",
            ],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for_port(port, process, 60)
            yield {"host": "127.0.0.1", "port": port, "user": "guard", "password": "guard-test", "database": "guard"}
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

#!/usr/bin/env python3
"""Runs an example of pyward-guard with servers of its own:  python examples/run.py fastapi|django [--port 8443]

Starts PostgreSQL and Redis on free ports of 127.0.0.1, makes a certificate and keys for the day, and serves the application at
https://localhost:8443 until Ctrl-C; then everything is gone again. `scripts/test-guard` installs what it needs.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
_SPEC = importlib.util.spec_from_file_location("guard_test_servers", HERE.parent / "python/pyward_guard/tests/conftest.py")
assert _SPEC and _SPEC.loader
servers = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(servers)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("example", choices=["fastapi", "django"])
    parser.add_argument("--port", type=int, default=8443)
    options = parser.parse_args()
    folder = HERE / f"guard_{options.example}"
    with tempfile.TemporaryDirectory(prefix="pyward-example-") as name, servers.redis_server() as redis, servers.postgres_server() as postgres:
        data = Path(name)
        certificate, key = servers.make_certificate(data, ["localhost"])
        environment = {**os.environ, "DATABASE_URL": postgres, "REDIS_URL": redis}
        if options.example == "fastapi":
            environment |= {"NOTES_HOST": "localhost", "NOTES_KEYS": secrets.token_hex(32), "NOTES_DATA": name}
            command = [
                "uvicorn", "--factory", "notes.app:create", "--port", str(options.port), "--no-server-header",
                "--ssl-certfile", str(certificate), "--ssl-keyfile", str(key),
            ]  # fmt: skip
        else:
            environment |= {"VAULT_HOST": "localhost", "VAULT_KEY": secrets.token_hex(32), "VAULT_FILES": str(data / "files")}
            subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=folder, env=environment, check=True)
            command = ["gunicorn", "vault.wsgi", "--bind", f"127.0.0.1:{options.port}", "--certfile", str(certificate), "--keyfile", str(key)]
        print(f"https://localhost:{options.port}  (the certificate is self-signed; Ctrl-C ends it)", flush=True)
        process = subprocess.Popen([sys.executable, "-m", *command], cwd=folder, env=environment)
        try:
            return process.wait()
        except KeyboardInterrupt:
            return process.wait()
        finally:
            if process.poll() is None:
                servers.stop(process)


if __name__ == "__main__":
    sys.exit(main())

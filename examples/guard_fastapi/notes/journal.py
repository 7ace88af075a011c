"""What is written down: logs without secrets, security events, an audit log for each process."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from pyward_guard import logs, privacy


class Journal:
    """Users are named by pseudonyms, which whoever has the key can tell apart but nobody else can read."""

    def __init__(self, folder: Path, keys: list[bytes], pseudonym_key: bytes) -> None:
        handler = logging.StreamHandler()
        handler.addFilter(logs.RedactingFilter(logs.Redactor(personal=True)))
        logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
        # One process writes to an audit log; `logs.verify_audit_log` checks each of them.
        self.audit = logs.AuditLog(folder / f"audit-{os.getpid()}.log", key=keys[0])
        self._key = pseudonym_key

    def event(self, event: logs.Event, name: str, *parameters: str, **fields: Any) -> None:
        who = privacy.pseudonym(name.casefold(), key=self._key, purpose="security events")
        logs.security_event(event, who, *parameters, audit=self.audit, **fields)

    def close(self) -> None:
        self.audit.close()

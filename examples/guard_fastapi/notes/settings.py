"""Settings from the environment; secrets do not show in ``repr``."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pyward_guard.crypto import KeySet, derive_key


@dataclass(frozen=True)
class Settings:
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    keys: list[bytes] = field(repr=False)
    host: str
    data: Path
    preview_private_networks: list[str]

    @classmethod
    def from_environment(cls) -> Settings:
        keys = [bytes.fromhex(key) for key in os.environ["NOTES_KEYS"].split(",")]
        networks = os.environ.get("NOTES_PREVIEW_PRIVATE_NETWORKS", "")
        return cls(
            database_url=os.environ["DATABASE_URL"],
            redis_url=os.environ["REDIS_URL"],
            keys=keys,
            host=os.environ["NOTES_HOST"],
            data=Path(os.environ["NOTES_DATA"]),
            preview_private_networks=[network for network in networks.split(",") if network],
        )

    def derived(self, purpose: str) -> list[bytes]:
        """A key for one purpose from each secret, so that no key is used for two things."""
        return [derive_key(key, purpose=f"notes {purpose}") for key in self.keys]

    def key_set(self, kind: Literal["aead", "mac"], purpose: str) -> KeySet:
        """The same as a key set: the first makes new data, all read."""
        return KeySet.from_secrets(kind, self.derived(purpose))

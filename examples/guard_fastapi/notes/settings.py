"""Settings from the environment; secrets do not show in ``repr``."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    keys: list[bytes] = field(repr=False)
    host: str
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
            preview_private_networks=[network for network in networks.split(",") if network],
        )

    def derived(self, purpose: str) -> list[bytes]:
        """A key for one purpose from each secret, so that no key is used for two things."""
        import hashlib
        import hmac

        return [hmac.digest(key, f"notes {purpose}".encode(), hashlib.sha256) for key in self.keys]

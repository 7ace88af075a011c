"""The title of a page that a user names, fetched without giving the user our network."""

from __future__ import annotations

import re

import httpx
from pyward_guard.http import OutboundPolicy, OutboundRefused
from pyward_guard.http.httpx import async_client


class Previews:
    def __init__(self, private_networks: list[str]) -> None:
        networks = {"private_networks": private_networks, "schemes": ("https", "http"), "ports": range(1, 65536)} if private_networks else {}
        self._policy = OutboundPolicy(max_bytes=256 << 10, timeout=5, max_redirects=2, **networks)  # type: ignore[arg-type]

    async def title(self, url: str) -> str:
        """The page's title; an error message fit for the user in any other case."""
        try:
            async with async_client(self._policy) as client:
                answer = await client.get(url)
        except OutboundRefused:
            return "This address cannot be fetched."
        except httpx.HTTPError:
            return "The page did not answer."
        # The first kilobytes, a bounded pattern; the template escapes what comes out.
        found = re.search(r"<title>([^<]{1,200})</title>", answer.text[:20_000])
        return found[1].strip() if found else "A page without a title."

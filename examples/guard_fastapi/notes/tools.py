"""Small things around notes: filters that users write, signed exports, counting by another program."""

from __future__ import annotations

from typing import Any

from pyward_guard import GuardError, run
from pyward_guard.crypto import KeySet
from pyward_guard.eval import Expression
from pyward_guard.serialize import SignedSerializer


def select(notes: list[dict[str, Any]], condition: str) -> list[dict[str, Any]]:
    """The notes for which a condition such as ``length > 100 and not shared`` holds; GuardError when it is none."""
    rule = Expression(condition, names=["length", "shared", "title"])
    return [note for note in notes if rule.evaluate({"length": len(note["body"]), "shared": note["shared"], "title": note["title"]})]


def exporter(keys: KeySet) -> SignedSerializer[list[Any]]:
    """Notes in a file that only this application makes: what comes back in is what went out."""
    return SignedSerializer(keys, purpose="export of notes", lifetime=30 * 86400, payload=list)


async def count_words(text: str) -> str:
    """The number of words, by ``wc``: no shell, no network, no files, a second at most. The host may lack what that takes."""
    try:
        done = await run.arun([run.find_program("wc"), "-w"], input=text, timeout=1, max_output=100, sandbox=run.Sandbox(files=True))
    except GuardError:
        return "unknown"
    return done.text.strip()

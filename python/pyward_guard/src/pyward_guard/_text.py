"""Text to bytes and back, with errors that do not carry the text."""

from __future__ import annotations

from ._core import InvalidInput


def utf8(text: str) -> bytes:
    """The UTF-8 bytes of a text.

    ``str.encode`` raises an exception that holds the whole text, which may be a secret, and that no handler of
    ``GuardError`` catches. Raises :class:`~pyward_guard.InvalidInput` for lone surrogates and for other types.
    CWE-209.

    >>> utf8("a")
    b'a'
    >>> utf8("\\ud800")
    Traceback (most recent call last):
    pyward_guard.InvalidInput: a text is not valid Unicode
    """
    if not isinstance(text, str):
        raise InvalidInput("a text is needed")
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    # Not within the handler: the error above would be the context of this one.
    raise InvalidInput("a text is not valid Unicode")


def from_utf8(data: bytes) -> str | None:
    """The text of UTF-8 bytes, or None. CWE-209.

    >>> from_utf8(b"a"), from_utf8(b"\\xff")
    ('a', None)
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None

"""Encrypted column types for SQLAlchemy.

CWE-311, CWE-312; ASVS 5.0: v5.0.0-14.2.4, v5.0.0-11.3.3. Needs the package SQLAlchemy.
"""

from __future__ import annotations

from typing import Any

from .._core import Unsupported
from .aead import Aead, BlindIndex

try:
    from sqlalchemy import LargeBinary, String
    from sqlalchemy.types import TypeDecorator
except ImportError:
    raise Unsupported("pyward_guard.crypto.sqlalchemy needs the package SQLAlchemy") from None

__all__ = ["BlindIndexed", "EncryptedBytes", "EncryptedJson", "EncryptedString"]


class _Encrypted(TypeDecorator):  # type: ignore[type-arg]
    """``context`` (``"table.column"``) is bound to every value, so that ciphertexts cannot be moved to other columns."""

    # The attributes named like the parameters are part of the key that SQLAlchemy caches statements by.
    cache_ok = True

    def __init__(self, aead: Aead, context: str) -> None:
        super().__init__()
        self.aead, self.context = aead, context

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Comparison with a plain value can never match a randomised ciphertext: use a blind index column."""
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.context!r})"


class EncryptedString(_Encrypted):
    """A string, stored encrypted as text.

    >>> from sqlalchemy import Column, Integer, MetaData, Table, create_engine, insert, select
    >>> from pyward_guard.crypto import KeySet
    >>> aead = Aead(KeySet.generate("aead"))
    >>> table = Table("card", MetaData(), Column("id", Integer), Column("pan", EncryptedString(aead, "card.pan")))
    >>> engine = create_engine("sqlite://")
    >>> with engine.begin() as connection:
    ...     table.create(connection)
    ...     _ = connection.execute(insert(table).values(id=1, pan="4111 1111 1111 1111"))
    ...     connection.execute(select(table.c.pan)).scalar()
    '4111 1111 1111 1111'
    >>> engine.dispose()
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """Encrypts."""
        return None if value is None else self.aead.encrypt_str(value, self.context)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """Decrypts."""
        return None if value is None else self.aead.decrypt_str(value, self.context)


class EncryptedBytes(_Encrypted):
    """Bytes, stored encrypted."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """Encrypts."""
        return None if value is None else self.aead.encrypt(value, self.context)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """Decrypts."""
        return None if value is None else self.aead.decrypt(bytes(value), self.context)


class EncryptedJson(_Encrypted):
    """A JSON value, stored encrypted as text."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """Encrypts."""
        return None if value is None else self.aead.encrypt_json(value, self.context)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """Decrypts."""
        return None if value is None else self.aead.decrypt_json(value, self.context)


class BlindIndexed(TypeDecorator):  # type: ignore[type-arg]
    """The blind index of a text, to search an encrypted column by equality: compare with the plain text.

    Write the same plain text to both columns. During a key rotation search with
    ``column.in_(...)`` over :meth:`BlindIndex.values` of a plain ``String`` column, or rewrite the index first.
    """

    impl = String
    cache_ok = True

    def __init__(self, index: BlindIndex) -> None:
        super().__init__()
        self.index = index

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """The index."""
        return None if value is None else self.index.value(value)

    def __repr__(self) -> str:
        return "BlindIndexed()"

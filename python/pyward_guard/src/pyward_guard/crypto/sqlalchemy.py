"""Encrypted column types for SQLAlchemy.

CWE-311, CWE-312; ASVS 5.0: v5.0.0-14.2.4, v5.0.0-11.3.3. Needs the package SQLAlchemy.
"""

from __future__ import annotations

from typing import Any

from .._core import InvalidInput
from .._optional import need
from .aead import Aead, BlindIndex

try:
    from sqlalchemy import Boolean, LargeBinary, String, Text
    from sqlalchemy.ext.compiler import compiles
    from sqlalchemy.sql import operators
    from sqlalchemy.sql.elements import BinaryExpression, ColumnElement, Null
    from sqlalchemy.types import TypeDecorator
except ImportError:
    raise need("sqlalchemy", "pyward_guard.crypto.sqlalchemy") from None

__all__ = ["BlindIndexed", "EncryptedBytes", "EncryptedJson", "EncryptedString"]


class _ColumnComparison(BinaryExpression):  # type: ignore[type-arg]
    """``==`` and ``!=`` of two columns, refused when it becomes SQL.

    Not sooner: SQLAlchemy keeps columns and their annotated copies in lists and dicts, where ``==`` asks if they are the same.
    """

    inherit_cache = True


@compiles(_ColumnComparison)
def _refuse(element: Any, compiler: Any, **options: Any) -> Any:
    raise InvalidInput("encrypted columns and blind indexes do not compare with columns: search a BlindIndexed one by plain text")


def _with_column(left: Any, op: Any, other: tuple[Any, ...]) -> Any:
    """The comparison of ``left`` with another column, None when it is something else."""
    if op not in (operators.eq, operators.ne):
        return None
    right = other[0].__clause_element__() if hasattr(other[0], "__clause_element__") else other[0]
    if not isinstance(right, ColumnElement) or isinstance(right, Null):
        return None
    return _ColumnComparison(left, right, op, type_=Boolean())


class _EncryptedComparator(TypeDecorator.Comparator):  # type: ignore[type-arg]
    """Refuses what compares ciphertexts, which would silently find the wrong rows."""

    def operate(self, op: Any, *other: Any, **options: Any) -> Any:
        null = other and (other[0] is None or isinstance(other[0], Null))
        if null and op in (operators.eq, operators.ne, operators.is_, operators.is_not):
            return super().operate(op, *other, **options)
        columns = _with_column(self.expr, op, other)
        if columns is not None:
            return columns
        raise InvalidInput("an encrypted column compares with None only: search a BlindIndexed column")

    def reverse_operate(self, op: Any, other: Any, **options: Any) -> Any:
        return self.operate(op, other, **options)


class _Encrypted(TypeDecorator):  # type: ignore[type-arg]
    """``context`` (``"table.column"``) is bound to every value, so that ciphertexts cannot be moved to other columns."""

    # The attributes named like the parameters are part of the key that SQLAlchemy caches statements by.
    cache_ok = True
    comparator_factory: Any = _EncryptedComparator

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

    Ciphertexts of equal values differ, so search by a :class:`BlindIndexed` column. Operators and methods of the column itself
    (``email == x``, ``<``, ``in_``, ``like``, ``desc()``, ``+``) raise :class:`~pyward_guard.InvalidInput`, ``== None`` and
    ``is_(None)`` aside; ``==`` and ``!=`` with another column raise it when the statement runs. What another expression does with
    the column is not seen and works on ciphertexts: ``order_by(email)``, ``group_by``, ``distinct``, ``min``,
    and without a hit ``name == email``, ``literal("a") == email``, ``func.lower(email) == "a"``, ``tuple_(email).in_(...)`` and
    ``name.in_(select(email))``.

    Values written are encrypted; expressions are not: ``update().values(email=other_column)`` and ``insert().from_select()`` copy
    what the database holds, plain texts of other columns included.

    CWE-311, CWE-312; ASVS 5.0: v5.0.0-11.3.3, v5.0.0-14.2.4.

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

    # MySQL knows no VARCHAR without a length.
    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """Encrypts."""
        return None if value is None else self.aead.encrypt_str(value, self.context)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """Decrypts."""
        return None if value is None else self.aead.decrypt_str(value, self.context)


class EncryptedBytes(_Encrypted):
    """Bytes, stored encrypted. Compares as :class:`EncryptedString`.

    CWE-311, CWE-312; ASVS 5.0: v5.0.0-11.3.3, v5.0.0-14.2.4.

    >>> from pyward_guard.crypto import KeySet
    >>> kind = EncryptedBytes(Aead(KeySet.generate("aead")), "person.data")
    >>> kind.process_result_value(kind.process_bind_param(b"\\0\\1", None), None)
    b'\\x00\\x01'
    """

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """Encrypts."""
        return None if value is None else self.aead.encrypt(value, self.context)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """Decrypts."""
        return None if value is None else self.aead.decrypt(bytes(value), self.context)


class EncryptedJson(_Encrypted):
    """A JSON value, stored encrypted as text. Compares as :class:`EncryptedString`.

    CWE-311, CWE-312; ASVS 5.0: v5.0.0-11.3.3, v5.0.0-14.2.4.

    >>> from pyward_guard.crypto import KeySet
    >>> kind = EncryptedJson(Aead(KeySet.generate("aead")), "person.data")
    >>> kind.process_result_value(kind.process_bind_param({"a": [1]}, None), None)
    {'a': [1]}
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """Encrypts."""
        return None if value is None else self.aead.encrypt_json(value, self.context)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """Decrypts."""
        return None if value is None else self.aead.decrypt_json(value, self.context)


class _Index(str):
    """An index that is already one, so that binding does not make an index of it again."""

    __slots__ = ("_maker",)
    _maker: BlindIndex | None

    def __new__(cls, value: str, maker: BlindIndex | None = None) -> _Index:
        self = super().__new__(cls, value)
        self._maker = maker
        return self

    def __eq__(self, other: object) -> bool:
        # ORM update() and delete() look for their rows among loaded objects, which hold the plain text until they are refreshed.
        if str.__eq__(self, other) is True:
            return True
        return self._maker is not None and isinstance(other, str) and str.__eq__(self, self._maker.value(other)) is True

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __copy__(self) -> _Index:
        return self

    def __deepcopy__(self, memo: Any) -> _Index:
        return self

    def __reduce__(self) -> Any:
        # Keys are not pickled: what is read again compares like any str.
        return _Index, (str(self),)


class _BlindComparator(TypeDecorator.Comparator):  # type: ignore[type-arg]
    """Turns comparisons with a plain text into a search by every enabled key."""

    def operate(self, op: Any, *other: Any, **options: Any) -> Any:
        if op in (operators.is_, operators.is_not, operators.isnot, operators.asc_op, operators.desc_op):
            return super().operate(op, *other, **options)
        searches = {
            operators.eq: operators.in_op,
            operators.ne: operators.not_in_op,
            operators.in_op: operators.in_op,
            operators.not_in_op: operators.not_in_op,
        }
        if op not in searches:
            raise InvalidInput("a blind index compares for equality only")
        if op in (operators.eq, operators.ne):
            if other[0] is None or isinstance(other[0], Null):
                return super().operate(op, *other, **options)
            columns = _with_column(self.expr, op, other)
            if columns is not None:
                return columns
            other = ([other[0]],)
        texts = other[0]
        if not isinstance(texts, (list, tuple, set, frozenset)) or not all(isinstance(text, str) for text in texts):
            raise InvalidInput("compare a blind index with plain texts, not with parameters or columns")
        index: BlindIndex = self.type.index  # type: ignore[attr-defined]
        return super().operate(searches[op], [_Index(value, index) for text in texts for value in index.values(text)], **options)


class BlindIndexed(TypeDecorator):  # type: ignore[type-arg]
    """The blind index of a text, to search an encrypted column by equality: compare with the plain text.

    Write the same plain text to both columns. ``==``, ``!=``, ``in_`` and ``not_in`` search with the indexes of every
    enabled key, so rows written before a key rotation are found; other operators are refused. A UNIQUE constraint
    sees values as equal under the same key only: rewrite the column after a rotation, before you destroy the old key.
    An attribute of a mapped class holds the plain text that was set until it is refreshed, then the index.

    Raises :class:`~pyward_guard.InvalidInput` for a comparison with anything but plain texts and None, for ``==`` and ``!=`` with
    another column when the statement runs. Expressions that begin with something else (``name == email_index``,
    ``func.lower(email_index) == "a"``) are not seen and find nothing.

    CWE-311; ASVS 5.0: v5.0.0-14.2.4.

    >>> from sqlalchemy import Column, MetaData, Table, create_engine, insert, select
    >>> from pyward_guard.crypto import KeySet
    >>> keys = KeySet.generate("mac")
    >>> table = Table("person", MetaData(), Column("email_index", BlindIndexed(BlindIndex(keys, "person.email"))))
    >>> engine = create_engine("sqlite://")
    >>> with engine.begin() as connection:
    ...     table.create(connection)
    ...     _ = connection.execute(insert(table).values(email_index="ada@example.org"))
    ...     _ = keys.rotate()
    ...     len(connection.execute(select(table).where(table.c.email_index == "ada@example.org")).all())
    1
    >>> engine.dispose()
    """

    # 256 bits in hexadecimal.
    impl = String(64)
    cache_ok = True
    comparator_factory: Any = _BlindComparator

    def __init__(self, index: BlindIndex) -> None:
        super().__init__()
        self.index = index

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """The index."""
        # A plain str for the drivers.
        return str(value) if isinstance(value, _Index) else None if value is None else self.index.value(value)

    def __repr__(self) -> str:
        return "BlindIndexed()"

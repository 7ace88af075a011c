"""Encryption with key sets: bytes, strings, JSON, files, streams, searchable fields.

========================================  ==============================================================
You need to                               Use
========================================  ==============================================================
encrypt a value                           :class:`Aead`
encrypt a file or a stream                :func:`encrypt_file`, :class:`EncryptingWriter`
compare or look up encrypted values       :class:`BlindIndex`, else :class:`DeterministicEncryption`
exchange files with people                :mod:`pyward_guard.crypto.age`
keep keys                                 :mod:`pyward_guard.crypto.providers`
encrypt columns                           :mod:`pyward_guard.crypto.sqlalchemy`, :mod:`pyward_guard.crypto.django`
========================================  ==============================================================

Ciphertexts and key sets are Google Tink's, so that other languages read them.

>>> keys = KeySet.generate("aead")
>>> provider_writes = keys.to_json()
>>> again = KeySet.from_json(provider_writes)
>>> first = again.primary_id
>>> _ = again.rotate()
>>> again.disable(first)
>>> [(status, primary) for _id, status, primary in again.info()]
[('disabled', False), ('enabled', True)]

CWE-311, CWE-320, CWE-327.
"""

from __future__ import annotations

from .._core import KeySet, UnknownKey
from .aead import Aead, BlindIndex, DeterministicEncryption, constant_time_equal, derive_key, fingerprint
from .envelope import EnvelopeEncryption, KeyWrapper, LocalKeyWrapper, unwrap_keyset, wrap_keyset
from .streams import DecryptingReader, EncryptingWriter, decrypt_file, encrypt_file

__all__ = [
    "Aead",
    "BlindIndex",
    "DecryptingReader",
    "DeterministicEncryption",
    "EncryptingWriter",
    "EnvelopeEncryption",
    "KeySet",
    "KeyWrapper",
    "LocalKeyWrapper",
    "UnknownKey",
    "constant_time_equal",
    "decrypt_file",
    "derive_key",
    "encrypt_file",
    "fingerprint",
    "unwrap_keyset",
    "wrap_keyset",
]

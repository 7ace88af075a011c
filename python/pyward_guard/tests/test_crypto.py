"""Encryption: Tink, cryptography and age both ways, key life cycle, streams, providers, database fields."""

from __future__ import annotations

import contextlib
import gc
import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyward_guard import InvalidInput, Refused, UnknownKey, VerificationFailed, crypto
from pyward_guard.crypto import Aead, BlindIndex, DeterministicEncryption, KeySet, age, providers


def tink_handle(keys: KeySet) -> Any:
    tink = pytest.importorskip("tink")
    from tink import aead, daead, secret_key_access, streaming_aead

    aead.register()
    daead.register()
    streaming_aead.register()
    return tink.json_proto_keyset_format.parse(keys.to_json(), secret_key_access.TOKEN)


def from_tink(template: Any) -> tuple[Any, KeySet]:
    import tink
    from tink import secret_key_access

    handle = tink.new_keyset_handle(template)
    return handle, KeySet.from_json(tink.json_proto_keyset_format.serialize(handle, secret_key_access.TOKEN))


# --- interoperability -------------------------------------------------------------------------------------


def test_aead_and_tink() -> None:
    keys = KeySet.generate("aead")
    primitive = pytest.importorskip("tink.aead")
    theirs = tink_handle(keys).primitive(primitive.Aead)
    assert theirs.decrypt(Aead(keys).encrypt(b"x", b"ad"), b"ad") == b"x"
    assert Aead(keys).decrypt(theirs.encrypt(b"y", b"ad"), b"ad") == b"y"
    for template in (primitive.aead_key_templates.AES256_GCM, primitive.aead_key_templates.AES256_GCM_RAW):
        handle, ours = from_tink(template)
        other = handle.primitive(primitive.Aead)
        assert Aead(ours).decrypt(other.encrypt(b"z", b""), b"") == b"z"
        assert other.decrypt(Aead(ours).encrypt(b"z", b""), b"") == b"z"
    with pytest.raises(InvalidInput):
        from_tink(primitive.aead_key_templates.AES128_GCM)


@pytest.mark.parametrize("ad", [b"", b"user.email"])
def test_deterministic_and_tink(ad: bytes) -> None:
    primitive = pytest.importorskip("tink.daead")
    keys = KeySet.generate("deterministic")
    theirs = tink_handle(keys).primitive(primitive.DeterministicAead)
    from pyward_guard import _core

    sealed = _core.deterministic_encrypt(keys, b"ada@example.org", ad)
    assert sealed == theirs.encrypt_deterministically(b"ada@example.org", ad)
    assert _core.deterministic_decrypt(keys, sealed, ad) == b"ada@example.org"


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 56, (1 << 20) - 55, 3_000_000])
def test_streams_and_tink(size: int) -> None:
    primitive = pytest.importorskip("tink.streaming_aead")
    keys = KeySet.generate("streaming")
    theirs = tink_handle(keys).primitive(primitive.StreamingAead)
    data = os.urandom(size)
    ours = io.BytesIO()
    with crypto.EncryptingWriter(ours, keys, b"ad") as writer:
        writer.write(data)
    assert theirs.new_decrypting_stream(io.BytesIO(ours.getvalue()), b"ad").read() == data

    class Kept(io.BytesIO):
        def close(self) -> None:
            pass

    sealed = Kept()
    with theirs.new_encrypting_stream(sealed, b"ad") as stream:
        stream.write(data)
    assert crypto.DecryptingReader(io.BytesIO(sealed.getvalue()), keys, b"ad").read() == data


def test_aead_and_cryptography() -> None:
    aead = pytest.importorskip("cryptography.hazmat.primitives.ciphers.aead")
    key = os.urandom(32)
    keys = KeySet.from_secrets("aead", [key])
    sealed = Aead(keys).encrypt(b"secret", b"ad")
    assert aead.AESGCM(key).decrypt(sealed[5:17], sealed[17:], b"ad") == b"secret"
    nonce = os.urandom(12)
    assert Aead(keys).decrypt(sealed[:5] + nonce + aead.AESGCM(key).encrypt(nonce, b"x", b"ad"), b"ad") == b"x"
    long = os.urandom(64)
    siv = DeterministicEncryption(KeySet.from_secrets("deterministic", [long]), "f")
    assert aead.AESSIV(long).decrypt(siv.encrypt(b"secret")[5:], [b"f"]) == b"secret"
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    assert crypto.derive_key(key, purpose="p", length=50, salt=b"s") == HKDF(SHA256(), 50, b"s", b"p").derive(key)


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 200_000])
def test_age_both_ways(size: int) -> None:
    pyrage = pytest.importorskip("pyrage")
    data = os.urandom(size)
    identity, recipient = age.generate_identity()
    theirs = pyrage.x25519.Identity.from_str(identity)
    assert str(theirs.to_public()) == recipient
    assert pyrage.decrypt(age.encrypt(data, [recipient]), [theirs]) == data
    assert age.decrypt(pyrage.encrypt(data, [theirs.to_public()]), [identity]) == data
    other, second = age.generate_identity()
    assert age.decrypt(age.encrypt(data, [second, recipient]), [identity]) == data
    with pytest.raises(UnknownKey):
        age.decrypt(age.encrypt(data, [recipient]), [other])


def test_age_passphrase_both_ways() -> None:
    pyrage = pytest.importorskip("pyrage")
    assert pyrage.passphrase.decrypt(age.encrypt(b"x", passphrase="mild otter"), "mild otter") == b"x"
    assert age.decrypt(pyrage.passphrase.encrypt(b"x", "mild otter"), passphrase="mild otter") == b"x"
    with pytest.raises(VerificationFailed):
        age.decrypt(age.encrypt(b"x", passphrase="mild otter"), passphrase="wild otter")
    for options in ({}, {"passphrase": ""}, {"recipients": ["age1x"]}, {"recipients": [age.generate_identity()[1]], "passphrase": "p"}):
        with pytest.raises(InvalidInput):
            age.encrypt(b"x", **options)  # type: ignore[arg-type]


# --- behaviour --------------------------------------------------------------------------------------------


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_round_trip_and_context(data: bytes, ad: bytes) -> None:
    aead = Aead(AEAD_KEYS)
    sealed = aead.encrypt(data, ad)
    assert len(sealed) == len(data) + 33 and aead.decrypt(sealed, ad) == data
    with pytest.raises(VerificationFailed):
        aead.decrypt(sealed, ad + b"x")


AEAD_KEYS = KeySet.generate("aead")


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(VerificationFailed):
        Aead(AEAD_KEYS).decrypt(data)
    with pytest.raises(VerificationFailed):
        crypto.DecryptingReader(io.BytesIO(data), STREAM_KEYS).read()
    with pytest.raises(VerificationFailed):
        crypto.EnvelopeEncryption(crypto.LocalKeyWrapper(AEAD_KEYS)).decrypt(data)


STREAM_KEYS = KeySet.generate("streaming")


def test_key_life_cycle() -> None:
    keys = KeySet.generate("aead")
    aead = Aead(keys)
    sealed = aead.encrypt_str("ünïcode", "t.c")
    first = keys.primary_id
    second = keys.rotate()
    assert aead.decrypt_str(sealed, "t.c") == "ünïcode" and aead.needs_reencryption(sealed)
    renewed = aead.reencrypt(aead.encrypt(b"x"))
    assert not aead.needs_reencryption(renewed)
    keys.disable(first)
    with pytest.raises(UnknownKey):
        aead.decrypt_str(sealed, "t.c")
    keys.enable(first)
    assert aead.decrypt_str(sealed, "t.c") == "ünïcode"
    keys.destroy(first)
    with pytest.raises(InvalidInput):
        keys.enable(first)
    with pytest.raises(InvalidInput):
        keys.destroy(second)
    assert [(i, s) for i, s, _ in keys.info()] == [(first, "destroyed"), (second, "enabled")]
    third = keys.add()
    assert keys.primary_id == second
    keys.promote(third)
    assert keys.primary_id == third
    copy = KeySet.from_json(keys.to_json())
    assert copy.info() == keys.info() and "value" not in repr(copy)
    for wrong in ("", "{}", '{"primaryKeyId":1,"key":[]}'):
        with pytest.raises(InvalidInput):
            KeySet.from_json(wrong)


def test_text_forms_have_one_spelling() -> None:
    aead = Aead(AEAD_KEYS)
    text = aead.encrypt_json({"a": [1, None]})
    assert aead.decrypt_json(text) == {"a": [1, None]}
    for changed in (text + "=", text + " ", "!" + text, text[:-1] + "\n"):
        with pytest.raises(VerificationFailed):
            aead.decrypt_json(changed)


def test_streams_notice_truncation(tmp_path: Path) -> None:
    keys = KeySet.generate("streaming")
    (tmp_path / "plain").write_bytes(b"x" * 2_500_000)
    crypto.encrypt_file(tmp_path / "plain", tmp_path / "sealed", keys)
    assert (tmp_path / "sealed").stat().st_mode & 0o777 == 0o600
    sealed = (tmp_path / "sealed").read_bytes()
    for cut in (1 << 20, 2 << 20, len(sealed) - 1, 20):
        (tmp_path / "cut").write_bytes(sealed[:cut])
        with pytest.raises(VerificationFailed):
            crypto.decrypt_file(tmp_path / "cut", tmp_path / "out", keys)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut", "plain", "sealed"], "nothing half-done stays"
    crypto.decrypt_file(tmp_path / "sealed", tmp_path / "out", keys)
    assert (tmp_path / "out").read_bytes() == b"x" * 2_500_000

    unfinished = io.BytesIO()
    with pytest.raises(RuntimeError), crypto.EncryptingWriter(unfinished, keys) as writer:
        writer.write(b"part")
        raise RuntimeError
    with pytest.raises(VerificationFailed):
        crypto.DecryptingReader(io.BytesIO(unfinished.getvalue()), keys).read()


def test_only_a_complete_stream_gets_its_end() -> None:
    keys = KeySet.generate("streaming")

    def written(write: Any) -> bytes | None:
        target = io.BytesIO()
        with contextlib.suppress(RuntimeError):
            write(target)
        gc.collect()
        try:
            return crypto.DecryptingReader(io.BytesIO(target.getvalue()), keys).read()
        except VerificationFailed:
            return None

    def inner(target: Any, fail: bool) -> None:
        with crypto.EncryptingWriter(target, keys) as writer, io.TextIOWrapper(writer) as text:
            text.write("row")
            if fail:
                raise RuntimeError

    def outer(target: Any, fail: bool) -> None:
        with io.TextIOWrapper(io.BufferedWriter(crypto.EncryptingWriter(target, keys))) as text:
            text.write("row")
            if fail:
                raise RuntimeError

    def bare(target: Any, fail: bool) -> None:
        writer = crypto.EncryptingWriter(target, keys)
        try:
            writer.write(b"row")
            if fail:
                raise RuntimeError
        finally:
            writer.close()

    def zipped(target: Any) -> None:
        with crypto.EncryptingWriter(target, keys) as writer, gzip.GzipFile(fileobj=writer, mode="wb") as packed:
            packed.write(b"row")

    def forgotten(target: Any, wrap: Any) -> None:
        wrap(crypto.EncryptingWriter(target, keys)).write("row" if wrap is io.TextIOWrapper else b"row")

    def handling(target: Any, end: str) -> None:
        writer = crypto.EncryptingWriter(target, keys)
        writer.write(b"row")
        try:
            raise RuntimeError
        except RuntimeError:
            getattr(writer, end)()
            # All of it within is fine.
            assert written(lambda target: bare(target, False)) == b"row"

    def dropped_wrapper(target: Any) -> None:
        with crypto.EncryptingWriter(target, keys) as writer:
            io.TextIOWrapper(writer).write("row")

    for write in (inner, outer, bare):
        assert written(lambda target: write(target, False)) == b"row", write  # noqa: B023
        assert written(lambda target: write(target, True)) is None, write  # noqa: B023
    for wrap in (io.TextIOWrapper, io.BufferedWriter):
        assert written(lambda target: forgotten(target, wrap)) is None  # noqa: B023
    assert gzip.decompress(written(zipped) or b"") == b"row"
    assert written(dropped_wrapper) == b"row"
    assert written(lambda target: handling(target, "close")) is None
    assert written(lambda target: handling(target, "finish")) == b"row"


def test_envelope_and_wrapped_keysets() -> None:
    with pytest.raises(InvalidInput):
        crypto.unwrap_keyset("[" * 100_000, crypto.LocalKeyWrapper(KeySet.generate("aead")))
    wrapper = crypto.LocalKeyWrapper(KeySet.generate("aead"))
    envelope = crypto.EnvelopeEncryption(wrapper)
    sealed = envelope.encrypt(b"record", "patient:7")
    assert envelope.decrypt(sealed, "patient:7") == b"record"
    with pytest.raises(VerificationFailed):
        envelope.decrypt(sealed, "patient:8")
    keys = KeySet.generate("deterministic")
    text = crypto.wrap_keyset(keys, wrapper, context=b"app")
    assert json.loads(keys.to_json())["key"][0]["keyData"]["value"] not in text
    assert crypto.unwrap_keyset(text, wrapper, context=b"app").info() == keys.info()
    with pytest.raises(VerificationFailed):
        crypto.unwrap_keyset(text, wrapper, context=b"other")
    with pytest.raises(InvalidInput):
        crypto.unwrap_keyset("{}", wrapper)


def test_envelope_of_tink() -> None:
    primitive = pytest.importorskip("tink.aead")
    keys = KeySet.generate("aead")
    remote = tink_handle(keys).primitive(primitive.Aead)
    ours = crypto.EnvelopeEncryption(crypto.LocalKeyWrapper(keys))
    for template in (primitive.aead_key_templates.AES256_GCM_RAW, primitive.aead_key_templates.AES256_GCM):
        theirs = primitive.KmsEnvelopeAead(template, remote)
        assert ours.decrypt(theirs.encrypt(b"from tink", b"patient:7"), "patient:7") == b"from tink"
        assert theirs.decrypt(ours.encrypt(b"from here", "patient:7"), b"patient:7") == b"from here"
        with pytest.raises(VerificationFailed):
            ours.decrypt(theirs.encrypt(b"from tink", b"patient:7"), "patient:8")
    # Data keys of another size are refused, not guessed at.
    small = primitive.KmsEnvelopeAead(primitive.aead_key_templates.AES128_GCM, remote)
    with pytest.raises(VerificationFailed, match="not an envelope"):
        ours.decrypt(small.encrypt(b"x", b""))


def test_envelopes_in_pieces() -> None:
    """Every cut and every flipped bit is refused."""
    envelope = crypto.EnvelopeEncryption(crypto.LocalKeyWrapper(KeySet.generate("aead")))
    sealed = envelope.encrypt(b"record", "patient:7")
    for length in range(len(sealed)):
        with pytest.raises(VerificationFailed):
            envelope.decrypt(sealed[:length], "patient:7")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(VerificationFailed):
            envelope.decrypt(bytes(changed), "patient:7")


def test_searchable_variants() -> None:
    keys = KeySet.generate("deterministic")
    email, phone = DeterministicEncryption(keys, "email"), DeterministicEncryption(keys, "phone")
    old = email.encrypt(b"a")
    assert old == email.encrypt(b"a") != phone.encrypt(b"a")
    keys.rotate()
    assert old in email.search_values(b"a") and email.decrypt(old) == b"a" and email.encrypt(b"a") != old
    mac = KeySet.generate("mac")
    index = BlindIndex(mac, "email", bits=64, normalize=str.casefold)
    stored = index.value("ADA@example.org")
    assert len(stored) == 16
    mac.rotate()
    assert stored in index.values("ada@example.org") and stored != index.value("ada@example.org")
    with pytest.raises(InvalidInput):
        BlindIndex(KeySet.generate("aead"), "email")
    with pytest.raises(InvalidInput):
        Aead(mac)


class Wrapper:
    """A key management service that answers with something else."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def wrap(self, key: bytes, context: bytes) -> bytes:
        return self.answer(key)  # type: ignore[no-any-return]

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        return wrapped


def test_a_wrapper_that_makes_data_unreadable_or_wraps_nothing() -> None:
    for answer in (lambda key: b"", lambda key: b"w" * 15, lambda key: b"w" * 4097):
        with pytest.raises(InvalidInput, match="16 to 4096"):
            crypto.EnvelopeEncryption(Wrapper(answer)).encrypt(b"record")
    for answer in (lambda key: key, lambda key: b"wrapped:" + key + b"."):
        with pytest.raises(Refused, match="in the clear"):
            crypto.EnvelopeEncryption(Wrapper(answer)).encrypt(b"record")


def _whole(error: BaseException) -> str:
    """Everything that a log with details of an exception and of what led to it may show, its attributes included."""
    texts, pending, seen = [], [error], set()
    while pending:
        one = pending.pop()
        if id(one) not in seen:
            seen.add(id(one))
            texts += [repr(one), str(one), repr(one.args), repr(getattr(one, "__dict__", "")), repr(getattr(one, "object", ""))]
            texts.append(repr(getattr(one, "doc", "")))
            pending += [cause for cause in (one.__cause__, one.__context__) if cause is not None]
    return " ".join(texts)


def test_no_plaintext_in_exceptions() -> None:
    aead = Aead(KeySet.generate("aead"))
    binary = aead.encrypt_str("x")[:0] + crypto.aead._to_text(aead.encrypt(b"a secret \xff"))
    index = BlindIndex(KeySet.generate("mac"), "f")
    for call in (
        lambda: aead.encrypt_str("a secret \ud800"),
        lambda: aead.encrypt_json({"a": "a secret \ud800"}),
        lambda: aead.encrypt_json({"a": {"a secret"}}),
        lambda: aead.encrypt(b"x", "a secret \ud800"),
        lambda: aead.decrypt_json(aead.encrypt_str("a secret that is no JSON")),
        lambda: aead.decrypt_str(binary),
        lambda: aead.decrypt_json(binary),
        lambda: index.value("a secret \ud800"),
        lambda: aead.encrypt_str(b"a secret"),  # type: ignore[arg-type]
        lambda: aead.decrypt_str(b"a secret"),  # type: ignore[arg-type]
    ):
        with pytest.raises((InvalidInput, VerificationFailed)) as caught:
            call()
        assert "a secret" not in _whole(caught.value)


class Partly(io.RawIOBase):
    """A raw target that takes a few bytes at a time, as pipes and sockets do."""

    def __init__(self, fails_after: int = 1 << 60) -> None:
        self.taken, self.fails_after = bytearray(), fails_after

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if len(self.taken) > self.fails_after:
            raise OSError("full")
        part = bytes(data)[:1000]
        self.taken += part
        return len(part)


def test_streams_to_targets_that_take_a_part() -> None:
    keys, target = KeySet.generate("streaming"), Partly()
    with crypto.EncryptingWriter(target, keys) as writer:  # type: ignore[arg-type]
        writer.write(b"x" * 3_000_000)
    assert crypto.DecryptingReader(io.BytesIO(target.taken), keys).read() == b"x" * 3_000_000
    class Response:
        """Gives no number, as Django's responses do."""

        content = b""

        def write(self, data: bytes) -> None:
            self.content += data

    response = Response()
    with crypto.EncryptingWriter(response, keys) as writer:  # type: ignore[arg-type]
        writer.write(b"x" * 3_000_000)
    assert crypto.DecryptingReader(io.BytesIO(response.content), keys).read() == b"x" * 3_000_000
    # What failed is not finished as if it were whole.
    full = Partly(fails_after=1 << 20)
    writer = crypto.EncryptingWriter(full, keys)  # type: ignore[arg-type]
    with pytest.raises(OSError):
        writer.write(b"x" * 3_000_000)
    full.fails_after = 1 << 60
    writer.close()
    with pytest.raises(VerificationFailed):
        crypto.DecryptingReader(io.BytesIO(full.taken), keys).read()
    for wrong in (5, "text", None):
        with pytest.raises(TypeError):
            crypto.EncryptingWriter(io.BytesIO(), keys).write(wrong)


def test_reading_on_after_an_error_never_looks_like_the_end() -> None:
    keys, sealed = KeySet.generate("streaming"), io.BytesIO()
    with crypto.EncryptingWriter(sealed, keys) as writer:
        writer.write(b"x" * 2_500_000)
    for cut in (10, 1 << 20, 2_000_000, -1):
        reader = crypto.DecryptingReader(io.BytesIO(sealed.getvalue()[:cut]), keys)
        with pytest.raises(VerificationFailed):
            reader.read()
        for _ in range(3):
            with pytest.raises(VerificationFailed):
                reader.read(1)


# --- providers --------------------------------------------------------------------------------------------


def test_file_provider_checks_permissions(tmp_path: Path) -> None:
    keys = KeySet.generate("aead")
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    path = folder / "k.json"
    provider = providers.FileKeys(path)
    provider.save(keys)
    assert path.stat().st_mode & 0o777 == 0o600 and provider.load().info() == keys.info()
    path.chmod(0o640)
    with pytest.raises(Refused, match="chmod 600"):
        provider.load()
    path.chmod(0o600)
    folder.chmod(0o777)
    with pytest.raises(Refused, match="folder"):
        provider.load()
    folder.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
        with pytest.raises(Refused, match="folder of the key file belongs"):
            provider.load()
        os.chown(folder, 0, 0)
    (folder / "link").symlink_to(path)
    with pytest.raises(Refused, match="link"):
        providers.FileKeys(folder / "link").load()
    with pytest.raises(Refused, match="regular"):
        os.mkfifo(folder / "pipe", 0o600)
        providers.FileKeys(folder / "pipe").load()
    with pytest.raises(OSError):
        providers.FileKeys(folder / "missing").load()
    master = crypto.LocalKeyWrapper(KeySet.generate("aead"))
    wrapped = providers.WrappedKeys(folder / "w.json", master, context=b"app")
    wrapped.save(keys)
    assert wrapped.load().info() == keys.info()


def test_environment_and_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyward_guard import Unsupported

    keys = KeySet.generate("mac")
    monkeypatch.setenv("KEYS", keys.to_json())
    assert providers.EnvironmentKeys("KEYS").load().info() == keys.info()
    with pytest.raises(InvalidInput):
        providers.EnvironmentKeys("NO_SUCH_KEYS").load()
    with pytest.raises(Unsupported):
        providers.EnvironmentKeys("KEYS").save(keys)
    keyring = pytest.importorskip("keyring")
    from keyring.backend import KeyringBackend

    class Memory(KeyringBackend):  # type: ignore[misc]
        priority = 1
        kept: dict[tuple[str, str], str] = {}

        def get_password(self, service: str, username: str) -> str | None:
            return self.kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

    monkeypatch.setattr(keyring, "get_keyring", Memory)
    monkeypatch.setattr(keyring, "get_password", Memory().get_password)
    monkeypatch.setattr(keyring, "set_password", Memory().set_password)
    provider = providers.KeyringKeys("app", "keys")
    provider.save(keys)
    assert provider.load().info() == keys.info()
    from keyring.backends import fail

    class PlaintextKeyring(Memory):
        pass

    class Chain(Memory):
        """Falls back from a good backend to one that stores in the clear, as keyring's own chain does."""

        backends = (Memory(), PlaintextKeyring())

    for backend in (PlaintextKeyring, Chain):
        monkeypatch.setattr(keyring, "get_keyring", backend)
        with pytest.raises(Unsupported):
            providers.KeyringKeys("app", "keys")
    monkeypatch.setattr(keyring, "get_keyring", fail.Keyring)
    with pytest.raises(Unsupported):
        providers.KeyringKeys("app", "keys")


# --- database fields --------------------------------------------------------------------------------------


def test_sqlalchemy_fields() -> None:
    sa = pytest.importorskip("sqlalchemy")
    from pyward_guard.crypto.sqlalchemy import BlindIndexed, EncryptedBytes, EncryptedJson, EncryptedString

    mac = KeySet.generate("mac")
    aead, index = Aead(KeySet.generate("aead")), BlindIndex(mac, "p.email")
    table = sa.Table(
        "p", sa.MetaData(),
        sa.Column("id", sa.Integer),
        sa.Column("email", EncryptedString(aead, "p.email")),
        sa.Column("email_index", BlindIndexed(index)),
        sa.Column("photo", EncryptedBytes(aead, "p.photo")),
        sa.Column("more", EncryptedJson(aead, "p.more")),
    )
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        table.create(connection)
        row = {"id": 1, "email": "ada@example.org", "email_index": "ada@example.org", "photo": b"\0\1", "more": {"a": [1]}}
        connection.execute(table.insert(), row)
        connection.execute(table.insert(), {"id": 2})
        found = connection.execute(table.select().where(table.c.email_index == "ada@example.org")).one()
        assert (found.email, found.photo, found.more) == ("ada@example.org", b"\0\1", {"a": [1]})
        # Rows from before a rotation are found, next to those from after it, also by a statement that was cached.
        mac.rotate()
        connection.execute(table.insert(), {"id": 3, "email_index": "ada@example.org"})
        ids = sa.select(table.c.id).order_by(table.c.id)
        column = table.c.email_index
        assert connection.execute(ids.where(column == "ada@example.org")).scalars().all() == [1, 3]
        assert connection.execute(ids.where(column.in_(["x", "ada@example.org"]))).scalars().all() == [1, 3]
        assert connection.execute(ids.where(column != "ada@example.org")).scalars().all() == []
        assert connection.execute(ids.where(column.not_in(["x"]))).scalars().all() == [1, 3]
        assert connection.execute(ids.where(column == None)).scalars().all() == [2]  # noqa: E711
        assert connection.execute(ids.where(column.is_not(None))).scalars().all() == [1, 3]
        mac.disable(mac.info()[0][0])
        assert connection.execute(ids.where(column == "ada@example.org")).scalars().all() == [3]
        for wrong in (lambda: column.like("a%"), lambda: column > "a", lambda: column == sa.bindparam("x")):
            with pytest.raises(InvalidInput):
                connection.execute(ids.where(wrong()))
        assert connection.execute(sa.select(table.c.email).where(table.c.id == 2)).scalar() is None
        email = table.c.email
        assert connection.execute(ids.where(email == None)).scalars().all() == [2, 3]  # noqa: E711
        assert connection.execute(ids.where(email.is_not(sa.null()))).scalars().all() == [1]
        for wrong in (lambda: email == "ada@example.org", lambda: email != "a", lambda: email.like("a%"), lambda: email.in_(["a"]),
                      lambda: "a" + email, lambda: table.c.photo == b"\0\1", lambda: table.c.more["a"], lambda: email == column):
            with pytest.raises(InvalidInput):
                connection.execute(ids.where(wrong()))
        from sqlalchemy.dialects import mysql

        made = str(sa.schema.CreateTable(table).compile(dialect=mysql.dialect()))
        assert "email TEXT" in made and "more TEXT" in made and "email_index VARCHAR(64)" in made
        raw = connection.exec_driver_sql("select email, email_index, photo, more from p where id = 1").one()
        assert all(b"ada" not in (v if isinstance(v, bytes) else v.encode()) for v in raw)
        # A ciphertext moved to another column does not decrypt.
        connection.exec_driver_sql("update p set more = email where id = 1")
        with pytest.raises(VerificationFailed):
            connection.execute(sa.select(table.c.more).where(table.c.id == 1)).one()
    engine.dispose()


def test_django_fields(tmp_path: Path) -> None:
    """In a process of its own: Django is configured once."""
    pytest.importorskip("django")
    import subprocess
    import sys

    code = """
import django
from django.conf import settings
from pyward_guard.crypto import Aead, BlindIndex, KeySet
mac = KeySet.generate("mac")
index = BlindIndex(mac, "person.email")
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
                   INSTALLED_APPS=[], PYWARD_GUARD_AEAD=Aead(KeySet.generate("aead")))
django.setup()
from django.core.exceptions import FieldError
from django.db import connection, models
from pyward_guard import VerificationFailed
from pyward_guard.crypto.django import BlindIndexField, EncryptedJSONField, EncryptedTextField
def get_index(): return index
class Person(models.Model):
    email = EncryptedTextField()
    email_index = BlindIndexField("email", get_index)
    more = EncryptedJSONField(null=True)
    class Meta:
        app_label = "test"
with connection.schema_editor() as editor:
    editor.create_model(Person)
Person.objects.create(email="ada@example.org", more={"a": [1]})
found = Person.objects.get(email_index="ada@example.org")
assert (found.email, found.more) == ("ada@example.org", {"a": [1]}), found
with connection.cursor() as cursor:
    cursor.execute("select * from test_person")
    assert "ada" not in str(cursor.fetchall())
try:
    Person.objects.get(email="ada@example.org")
except FieldError:
    pass
else:
    raise SystemExit("searched")
assert Person.objects.filter(more__isnull=False).count() == 1
found.email = "grace@example.org"; found.save()
assert Person.objects.get(email_index="grace@example.org").pk == found.pk
mac.rotate()
Person.objects.create(email="grace@example.org")
assert Person.objects.filter(email_index="grace@example.org").count() == 2
assert Person.objects.filter(email_index__in=["x", "grace@example.org"]).count() == 2
assert Person.objects.filter(email_index__in=[]).count() == 0
assert Person.objects.exclude(email_index="grace@example.org").count() == 0
assert Person.objects.filter(email_index=None).count() == 0
for lookup in ("contains", "gt", "iexact"):
    try:
        Person.objects.filter(**{"email_index__" + lookup: "g"}).count()
    except FieldError:
        pass
    else:
        raise SystemExit("searched by " + lookup)
try:
    Person.objects.filter(email_index=models.F("email")).count()
except FieldError:
    pass
else:
    raise SystemExit("compared with a column")
Person.objects.order_by("-pk").first().delete()
with connection.cursor() as cursor:
    cursor.execute("update test_person set more = email")
try:
    Person.objects.get()
except VerificationFailed:
    print("fine")
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert out.stdout == "fine\n", out.stderr


@given(st.binary(max_size=2000), st.binary(max_size=50))
def test_aead_interoperates_with_cryptography(plaintext: bytes, associated_data: bytes) -> None:
    """A ciphertext is a version byte, the key's id, the nonce, AES-GCM's ciphertext and tag."""
    ciphers = pytest.importorskip("cryptography.hazmat.primitives.ciphers.aead")
    secret = bytes(range(32))
    keys = KeySet.from_secrets("aead", [secret])
    theirs, head = ciphers.AESGCM(secret), b"\x01" + keys.primary_id.to_bytes(4, "big")
    sealed = Aead(keys).encrypt(plaintext, associated_data)
    assert sealed[:5] == head
    assert theirs.decrypt(sealed[5:17], sealed[17:], associated_data) == plaintext
    other = head + b"n" * 12 + theirs.encrypt(b"n" * 12, plaintext, associated_data)
    assert Aead(keys).decrypt(other, associated_data) == plaintext

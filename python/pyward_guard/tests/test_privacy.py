"""Masks, pseudonyms, tokens, the inventory."""

from __future__ import annotations

from collections import ChainMap, UserDict, UserList, UserString, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, Optional, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyward_guard import InvalidInput, Refused, VerificationFailed, privacy
from pyward_guard.crypto import Aead, KeySet
from pyward_guard.privacy import MemoryTokenStore, Personal, Vault, inventory, mask, pseudonym

KEY = bytes(range(32))


@pytest.mark.parametrize("kind", ["email", "card", "phone", "iban", "name", "ip", "text"])
@given(value=st.text(max_size=60))
def test_any_text(kind: Any, value: str) -> None:
    value = value.encode("utf-8", "ignore").decode()
    assert isinstance(mask(value, kind), str)


@given(st.from_regex(r"\A[0-9]{12,19}\Z"))
def test_masked_cards_keep_four_digits(number: str) -> None:
    masked = mask(number, "card")
    assert sum(c.isdigit() for c in masked) == 4 and masked.endswith(number[-4:])


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_pseudonyms(a: str, b: str) -> None:
    a, b = (v.encode("utf-8", "ignore").decode() for v in (a, b))
    first, second = (pseudonym(v, key=KEY, purpose="p") for v in (a, b))
    assert (first == second) == (a == b)
    assert first != pseudonym(a, key=KEY, purpose="q") != pseudonym(a, key=KEY[:16], purpose="q")
    assert len(first) == 26 and first.isalnum()


def test_pseudonyms_need_a_key() -> None:
    with pytest.raises(InvalidInput):
        pseudonym("a", key=b"short", purpose="p")
    with pytest.raises(InvalidInput):
        pseudonym("a", key=KEY, purpose="")


@dataclass
class Person:
    id: int
    mail: Annotated[str, Personal("email", retention_days=30)]
    card: Annotated[Optional[str], Personal("card", ("PCI",))] = None


class Row(TypedDict):
    phone: Annotated[str, Personal("phone")]
    other: str


def test_inventory() -> None:
    pydantic = pytest.importorskip("pydantic")
    sqlalchemy = pytest.importorskip("sqlalchemy")
    orm = pytest.importorskip("sqlalchemy.orm")

    class Model(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        name: Annotated[str, Personal("name")]
        names: list[Annotated[str, Personal("name", special=True)]] = []

    class Base(orm.DeclarativeBase):  # type: ignore[misc, name-defined]
        pass

    class Table(Base):
        __tablename__ = "t"
        id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
        iban = sqlalchemy.Column(sqlalchemy.String, info={"personal": Personal("iban")})

    found = {(field.model.rsplit(".", 1)[1], field.name, field.personal.kind) for field in inventory([Person, Row, Model, Table])}
    assert found == {
        ("Person", "mail", "email"),
        ("Person", "card", "card"),
        ("Row", "phone", "phone"),
        ("Model", "name", "name"),
        ("Model", "names", "name"),
        ("Table", "iban", "iban"),
    }


def test_unknown_kinds_and_regulations_are_refused() -> None:
    wrong: list[dict[str, Any]] = [
        {"kind": "e-mail"}, {"kind": "email", "regulations": "GDPR"}, {"kind": "email", "regulations": ("GDRP",)},
    ]  # fmt: skip
    for fields in wrong:
        with pytest.raises(InvalidInput, match="GDPR|email"):
            Personal(**fields)
    assert Personal("card", regulations=("GDPR", "PCI")) and Personal("text", regulations=())


def test_mask_mapping() -> None:
    assert privacy.mask_mapping(Person(1, "ada@example.org", "4111111111111111")) == {
        "id": 1,
        "mail": "a***@example.org",
        "card": "************1111",
    }
    assert privacy.mask_mapping(Person(1, "ada@example.org"))["card"] is None


def vault() -> Vault:
    def seal(value: bytes, context: bytes) -> bytes:
        return bytes(b ^ 0x55 for b in value) + b"|" + context

    def unseal(sealed: bytes, context: bytes) -> bytes:
        body, _, bound = sealed.partition(b"|")
        if bound != context:
            raise Refused("refused: another context")
        return bytes(b ^ 0x55 for b in body)

    return Vault(MemoryTokenStore(), index_key=KEY, seal=seal, unseal=unseal)


def test_vault() -> None:
    v = vault()
    token = v.tokenise("4111111111111111", purpose="card")
    assert token.startswith("tok_") and "4111" not in token
    assert v.tokenise("4111111111111111", purpose="card") == token
    assert v.tokenise("4111111111111111", purpose="other") != token
    assert v.detokenise(token, purpose="card") == "4111111111111111"
    with pytest.raises(Refused):
        v.detokenise(token, purpose="other")
    with pytest.raises(Refused):
        v.detokenise("tok_unknown", purpose="card")
    assert v.forget(token) and not v.forget(token)
    with pytest.raises(Refused):
        v.detokenise(token, purpose="card")
    assert v.tokenise("4111111111111111", purpose="card") != token


def test_a_vault_on_disk_outlives_the_process(tmp_path: Path) -> None:
    keys = KeySet.generate("aead")
    path = tmp_path / "vault.sqlite3"

    def vault() -> tuple[privacy.SQLiteTokenStore, privacy.Vault]:
        store = privacy.SQLiteTokenStore(path)
        return store, privacy.Vault(store, index_key=b"i" * 32, seal=Aead(keys).encrypt, unseal=Aead(keys).decrypt)

    store, first = vault()
    token = first.tokenise("4111111111111111", purpose="card")
    store.close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert all(b"4111111111111111" not in file.read_bytes() for file in tmp_path.iterdir())

    store, again = vault()
    assert again.tokenise("4111111111111111", purpose="card") == token
    assert again.tokenise("4111111111111111", purpose="other") != token
    assert again.detokenise(token, purpose="card") == "4111111111111111"
    with pytest.raises(VerificationFailed):
        again.detokenise(token, purpose="other")
    assert again.forget(token) and not again.forget(token)
    # As JSON may hold it.
    with pytest.raises(Refused, match="not known"):
        again.detokenise("\ud800", purpose="card")
    assert not again.forget("\ud800")
    with pytest.raises(Refused):
        again.detokenise(token, purpose="card")
    store.close()


def test_a_vault_gives_one_token_to_threads_that_race(tmp_path: Path) -> None:
    keys = KeySet.generate("aead")
    store = privacy.SQLiteTokenStore(tmp_path / "vault.sqlite3")
    vault = privacy.Vault(store, index_key=b"i" * 32, seal=Aead(keys).encrypt, unseal=Aead(keys).decrypt)
    with ThreadPoolExecutor(8) as pool:
        for number in range(20):
            tokens = set(pool.map(lambda _, number=number: vault.tokenise(f"value {number}", purpose="p"), range(16)))
            assert len(tokens) == 1
    store.close()


def test_marked_objects_within_others_are_masked() -> None:
    @dataclass
    class Person:
        email: Annotated[str, Personal("email")]

    @dataclass
    class Order:
        id: int
        buyer: Person
        others: list[Person]
        addresses: Annotated[list[str], Personal("ip")]

    # The classes are local: their annotations cannot be looked up by name.
    Person.__annotations__["email"] = Annotated[str, Personal("email")]
    Order.__annotations__.update(id=int, buyer=Person, others=list[Person], addresses=Annotated[list[str], Personal("ip")])
    order = Order(1, Person("ada@example.org"), [Person("eve@example.org")], ["192.0.2.7"])
    assert privacy.mask_mapping(order) == {
        "id": 1, "buyer": {"email": "a***@example.org"}, "others": [{"email": "e***@example.org"}], "addresses": ["192.0.2.0"],
    }  # fmt: skip
    assert privacy.mask("my password is x@hunter2", "email") == "***"


@dataclass
class Node:
    mail: Annotated[str, Personal("email")]
    next: Optional[Any] = None
    by_mail: Annotated[Optional[dict[str, int]], Personal("email")] = None


class Pair(NamedTuple):
    mail: Annotated[str, Personal("email")]
    id: int


class Kind(Enum):
    A = 1


class Plain:
    mail: Annotated[str, Personal("email")]

    def __init__(self, mail: str) -> None:
        self.mail = mail


def test_marked_objects_of_every_kind_are_masked_within_others() -> None:
    attrs = pytest.importorskip("attrs")

    class Slotted:
        mail: Annotated[str, Personal("email")]

    Slotted.__annotations__["mail"] = Annotated[str, Personal("email")]
    masked = {"mail": "a***@example.org"}
    assert privacy.mask_mapping(Node("eve@example.org", Plain("ada@example.org")))["next"] == masked
    assert privacy.mask_mapping(Node("eve@example.org", [attrs.define(Slotted)("ada@example.org")]))["next"] == [masked]
    assert privacy.mask_mapping(Node("eve@example.org", {"x": Pair("ada@example.org", 1)}))["next"] == {"x": {**masked, "id": 1}}
    assert "ada" not in str(privacy.mask_mapping(Node("eve@example.org", {Pair("ada@example.org", 1): 1})))
    assert privacy.mask_mapping(Node("eve@example.org", {(1, 2): 3, 4: 5}))["next"] == {(1, 2): 3, 4: 5}
    assert privacy.mask_mapping(Node("eve@example.org", Plain))["next"] is Plain


class Unresolved:
    session: NoSuchType  # type: ignore[name-defined]  # noqa: F821


def test_what_cannot_be_told_is_hidden() -> None:
    assert privacy.mask_mapping(Node("ada@example.org", [Unresolved()]))["next"] == ["***"]
    with pytest.raises(InvalidInput, match="cannot be resolved"):
        privacy.mask_mapping(Unresolved())


def test_collections_of_every_kind_are_looked_into() -> None:
    ada: Any = Plain("ada@example.org")
    masked = {"mail": "a***@example.org"}
    for items in (deque([ada]), UserList([ada]), {"k": ada}.values(), {ada: 1}.keys()):
        assert privacy.mask_mapping(Node("eve@example.org", items))["next"] == [masked]
    for mapping in (MappingProxyType({"k": ada}), ChainMap({"k": ada}), UserDict({"k": ada})):
        assert privacy.mask_mapping(Node("eve@example.org", mapping))["next"] == {"k": masked}
    assert privacy.mask_mapping(Node("eve@example.org", {"k": ada}.items()))["next"] == [["k", masked]]
    assert "ada" not in str(privacy.mask_mapping(Node("eve@example.org", {(ada, 1): 1, deque: 2})))
    by_mail: Any = MappingProxyType({"ada@example.org": 1})
    assert privacy.mask_mapping(Node("eve@example.org", by_mail=by_mail))["by_mail"] == {"a***@example.org": "***"}


def test_collections_with_nothing_to_hide_stay_what_they_are() -> None:
    class Request(UserDict):  # type: ignore[type-arg]
        # As Starlette's is: a mapping that compares as an object, and does not show what is in it.
        __eq__ = object.__eq__
        __hash__ = object.__hash__
        __repr__ = object.__repr__

    pair, shared = (1, 2), deque([1, [2]])
    values = (shared, shared, MappingProxyType({pair: pair}), {pair: 1}.keys(), range(10**15), bytearray(b"ab"), memoryview(b"ab"),
              UserString("ab"), Request({"cookie": "secret", "user": Plain("ada@example.org")}))  # fmt: skip
    for value, shown in zip(values, privacy.mask_mapping(Node("eve@example.org", values))["next"]):
        assert shown is value
    assert privacy.mask_mapping(Node("eve@example.org", [{pair: 1}, {pair: 2}]))["next"] == [{pair: 1}, {pair: 2}]


def test_annotations_are_resolved_once_for_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[type] = []
    resolve = privacy.get_type_hints
    monkeypatch.setattr(privacy, "get_type_hints", lambda model, **options: (asked.append(model), resolve(model, **options))[1])
    values = [1, "a", None, date(2026, 1, 1), *[Kind.A] * 50, *[Plain("ada@example.org") for _ in range(50)]]
    assert len(privacy.mask_mapping(Node("eve@example.org", values))["next"]) == 104
    assert int not in asked and date not in asked
    assert asked.count(Kind) == 1 and asked.count(Node) == 1 and asked.count(Plain) <= 3


def test_keys_of_marked_dictionaries_are_masked() -> None:
    node = Node("eve@example.org", by_mail={"ada@example.org": 1, "abe@example.org": 2})
    assert privacy.mask_mapping(node)["by_mail"] == {"a***@example.org": "***", "a***@example.org (2)": "***"}


def test_cycles_end() -> None:
    node = Node("ada@example.org")
    node.next = [node, Node("eve@example.org", node)]
    inner = {"mail": "e***@example.org", "next": "...", "by_mail": None}
    assert privacy.mask_mapping(node) == {"mail": "a***@example.org", "next": ["...", inner], "by_mail": None}
    loop: list[Any] = []
    loop.append(loop)
    assert privacy.mask_mapping(Node("ada@example.org", loop))["next"] == ["..."]
    # What is in two places is no cycle, and costs once.
    shared: Any = Node("eve@example.org")
    for _ in range(60):
        shared = Node("ada@example.org", [shared, shared])
    first, second = privacy.mask_mapping(shared)["next"]
    assert first is second and first["mail"] == "a***@example.org"


def test_objects_without_known_attributes_are_refused() -> None:
    for value in ({"mail": "ada@example.org"}, object(), "ada@example.org", Node):
        with pytest.raises(InvalidInput, match="no attributes"):
            privacy.mask_mapping(value)


def test_sqlalchemy_models_are_masked() -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    orm = pytest.importorskip("sqlalchemy.orm")

    class Base(orm.DeclarativeBase):  # type: ignore[misc, name-defined]
        pass

    class Customer(Base):
        __tablename__ = "customers"
        id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
        # The attribute has another name than the column.
        mail = sqlalchemy.Column("address", sqlalchemy.String, info={"personal": Personal("email")})
        by = sqlalchemy.Column(sqlalchemy.ForeignKey("customers.id"))
        referrer = orm.relationship("Customer", remote_side=[id])

    # The class is local: its annotations cannot be looked up by name.
    Customer.__annotations__ = {"referrer": orm.Mapped[Any]}
    assert {(field.name, field.personal.kind) for field in inventory([Customer])} == {("mail", "email")}
    engine = sqlalchemy.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    first = Customer(id=1, mail="ada@example.org")
    with orm.Session(engine) as session:
        session.add(Customer(id=2, mail="eve@example.org", referrer=first))
        session.commit()
        eve = session.get(Customer, 2)
        session.refresh(eve)
        shown = {"id": 2, "mail": "e***@example.org", "by": 1}
        assert privacy.mask_mapping(eve) == shown, "what is not loaded stays so"
        assert eve.referrer is first
        assert privacy.mask_mapping(eve) == {**shown, "referrer": {"id": 1, "mail": "a***@example.org", "by": None}}
        two = session.execute(sqlalchemy.select(Customer, Customer.id, Customer).where(Customer.id == 1)).all()
        ada = {"id": 1, "mail": "a***@example.org", "by": None}
        assert privacy.mask_mapping(Node("eve@example.org", two))["next"] == [{"Customer": ada, "id": 1, "Customer (3)": ada}]

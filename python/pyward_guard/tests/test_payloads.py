"""Payloads of signed tokens: checked in all their parts when they are issued and when they are verified."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal, NamedTuple, NewType, Optional, Union
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pyward_guard import InvalidInput, VerificationFailed
from pyward_guard.tokens import KeySet, SignedTokens

SECRET = b"a shared secret of at least 32 bytes"


@dataclasses.dataclass
class Reset:
    user: int
    email: str
    tags: list[str] = dataclasses.field(default_factory=list)


def test_signed_tokens_are_typed() -> None:
    keys = KeySet.generate("mac")
    signer = SignedTokens(keys, purpose="reset", lifetime=60, payload=Reset)
    token = signer.issue(Reset(7, "ada@example.org", ["a"]))
    assert signer.verify(token) == Reset(7, "ada@example.org", ["a"])
    loose: SignedTokens[Any] = SignedTokens(keys, purpose="reset", lifetime=60)
    for wrong in ({"user": "7", "email": "x"}, {"user": 7}, {"user": 7, "email": "x", "more": 1}, [], {"user": True, "email": ""}):
        with pytest.raises(VerificationFailed, match="another type"):
            signer.verify(loose.issue(wrong))
    with pytest.raises(InvalidInput):
        signer.issue({"user": 7})  # type: ignore[arg-type]


class Role(Enum):
    reader = "r"
    writer = "w"


UserId = NewType("UserId", int)


@dataclasses.dataclass
class Change:
    user: UserId
    to: Reset
    role: Role = Role.reader
    mode: Literal["a", 1, None] = "a"
    ids: list[int] = dataclasses.field(default_factory=list)
    pair: tuple[int, str] = (1, "a")
    marks: tuple[float, ...] = ()
    limits: dict[str, Optional[int]] = dataclasses.field(default_factory=dict)
    either: Union[str, int, list[Reset], Reset] = 0
    parent: Optional[Change] = None
    free: Any = None
    label: str = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.label = f"change by {self.user}"
        if self.user < 0:
            raise ValueError("a secret of the payload")


def test_signed_dataclasses_are_read_in_all_their_parts() -> None:
    signer = SignedTokens(SECRET, purpose="change", lifetime=60, payload=Change)
    loose: SignedTokens[Any] = SignedTokens(SECRET, purpose="change", lifetime=60)
    to = Reset(7, "ada@example.org", ["a"])
    first = Change(UserId(7), to, free=[{"a": [1]}])
    for good in (
        first,
        Change(UserId(7), to, Role.writer, 1, [1], (2, "b"), (1.5, 2), {"a": None, "b": 3}, [to], first),
        Change(UserId(7), to, mode=None, either=to),
        Change(UserId(7), to, either="text"),
    ):
        assert signer.verify(signer.issue(good)) == good == signer.verify_details(signer.issue(good)).payload
    plain = {"user": 7, "to": {"user": 7, "email": "x"}}
    assert signer.verify(loose.issue(plain)) == Change(UserId(7), Reset(7, "x"))
    wrong: list[dict[str, Any]] = [
        {"to": 5}, {"to": {"user": 7}}, {"to": {"user": 7, "email": "x", "tags": [1]}}, {"role": "x"}, {"role": []}, {"mode": True}, {"mode": "b"},
        {"ids": ["1"]}, {"ids": {"0": 1}}, {"pair": [1]}, {"pair": ["a", 1]}, {"pair": "1a"}, {"marks": [None]}, {"limits": {"a": "b"}}, {"limits": []},
        {"either": None}, {"either": True}, {"either": [{}]}, {"parent": {}}, {"label": "x"}, {"user": -1},
    ]  # fmt: skip
    for change in wrong:
        with pytest.raises(VerificationFailed, match="another type$"):
            signer.verify(loose.issue(plain | change))
        if change.keys() != {"label"} and change.keys() != {"user"}:
            with pytest.raises(InvalidInput, match="must be"):
                signer.issue(dataclasses.replace(first, **change))


def test_signed_tokens_refuse_what_could_never_be_read() -> None:
    for kind, value in ((str, 7), (int, True), (int, "7"), (float, True), (bool, 1), (dict, []), (list, {}), (list, "ab"), (str, None)):
        with pytest.raises(InvalidInput, match="of type"):
            SignedTokens[Any](SECRET, purpose="p", lifetime=60, payload=kind).issue(value)

    class More(Reset):
        pass

    more = dataclasses.make_dataclass("MoreFields", [("more", int, 0)], bases=(Reset,))
    signer = SignedTokens(SECRET, purpose="p", lifetime=60, payload=Reset)
    assert signer.verify(signer.issue(More(7, "x"))) == Reset(7, "x")
    with pytest.raises(InvalidInput):
        signer.issue(more(7, "x"))

    class Pair(NamedTuple):
        a: int

    unclear: list[Any] = [
        bytes, set, datetime, object(), complex, Reset(7, "x"), list[int],
        *(dataclasses.make_dataclass("D", [("x", hint)]) for hint in (
            bytes, set[int], datetime, complex, Pair, dict[int, str], dict[tuple[int, str], str], list[datetime], tuple[set[int], ...], Optional[datetime],
            Union[list[int], list[str]], Union[Reset, dict[str, int]], Union[Role, str], "Unknown", Literal[b"x"], dataclasses.InitVar[int],
        )),
    ]  # fmt: skip
    for kind in unclear:
        with pytest.raises(InvalidInput):
            SignedTokens(SECRET, purpose="p", lifetime=60, payload=kind)


def test_signed_tokens_with_pydantic() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Invite(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        address: str
        seats: int

    keys = KeySet.generate("mac")
    signer = SignedTokens(keys, purpose="invite", lifetime=60, payload=Invite)
    assert signer.verify(signer.issue(Invite(address="x", seats=2))).seats == 2
    with pytest.raises(VerificationFailed):
        signer.verify(SignedTokens[Any](keys, purpose="invite", lifetime=60).issue({"address": 1}))
    loose = SignedTokens[Any](keys, purpose="invite", lifetime=60)
    # As a field, and dataclasses whose fields pydantic checks.
    several = dataclasses.make_dataclass("Several", [("all", list[Invite])])
    of_many = SignedTokens[Any](keys, purpose="invite", lifetime=60, payload=several)
    assert of_many.verify(of_many.issue(several([Invite(address="x", seats=2)]))).all == [Invite(address="x", seats=2)]
    with pytest.raises(VerificationFailed):
        of_many.verify(loose.issue({"all": [{"address": 1}]}))
    left, right = (dataclasses.make_dataclass(name, [(name, int)]) for name in ("left", "right"))
    made = pydantic.dataclasses.dataclass(dataclasses.make_dataclass("Made", [("at", datetime), ("side", Union[left, right])]))  # type: ignore[valid-type]
    checked = SignedTokens[Any](keys, purpose="invite", lifetime=60, payload=made)
    assert checked.verify(loose.issue({"at": "2026-01-01", "side": {"right": 1}})) == made(datetime(2026, 1, 1), right(1))
    sides = pydantic.dataclasses.dataclass(dataclasses.make_dataclass("Sides", [("side", Union[left, right])]))  # type: ignore[valid-type]
    either = SignedTokens[Any](keys, purpose="invite", lifetime=60, payload=sides)
    assert either.verify(either.issue(sides(right(1)))) == sides(right(1))


@dataclasses.dataclass
class Account:
    name: str
    banned: bool = dataclasses.field(init=False, default=False)
    checked: list[str] = dataclasses.field(init=False, default_factory=list, compare=False)


def test_what_the_constructor_makes_is_made_again_or_refused() -> None:
    signer = SignedTokens(SECRET, purpose="p", lifetime=60, payload=Account)
    account = Account("eve")
    account.checked.append("today")
    assert signer.verify(signer.issue(account)) == account
    account.banned = True
    with pytest.raises(InvalidInput, match="another value"):
        signer.issue(account)


def test_models_are_read_as_they_were_signed_or_refused() -> None:
    pydantic = pytest.importorskip("pydantic")
    base: Any = pydantic.BaseModel

    class Named(base):
        banned: bool = pydantic.Field(False, alias="isBanned")

    class Strict(base):
        model_config = pydantic.ConfigDict(strict=True, extra="forbid", alias_generator=str.upper)
        day: date

        @pydantic.computed_field
        def year(self) -> int:
            return self.day.year

    class Loose(base):
        # Defaults are not validated; neither private attributes nor == are part of the value.
        tags: list[str] = ()
        at: Optional[datetime] = None
        share: float = 0
        role: Role = "r"
        inner: list[Named] = []
        _seen: list[int] = pydantic.PrivateAttr(default_factory=list)

        def __eq__(self, other: object) -> bool:
            return False

    class Hidden(base):
        limit: Optional[int] = pydantic.Field(None, exclude=True)
        secret: Optional[pydantic.SecretStr] = None
        named: Optional[Named] = None

        def __eq__(self, other: object) -> bool:
            return True

    class More(Named):
        scope: str = "read"

    @pydantic.dataclasses.dataclass
    class Timed:
        at: datetime
        marks: set[int] = pydantic.Field(default_factory=set, alias="theMarks")
        banned: bool = dataclasses.field(init=False, default=False)

    def signer(kind: Any) -> SignedTokens[Any]:
        return SignedTokens[Any](SECRET, purpose="p", lifetime=60, payload=kind)

    def back(value: Any) -> Any:
        return signer(type(value)).verify(signer(type(value)).issue(value))

    twice = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert back(Named(isBanned=True)).banned is True
    assert back(Strict(DAY=date(2026, 1, 2))).day == date(2026, 1, 2)
    loose = Loose(at=twice, inner=[Named(isBanned=True)])
    loose._seen.append(1)
    read = back(loose)
    assert (read.tags, read.at.isoformat(), read.inner[0].banned) == ([], twice.isoformat(), True)
    assert back(Hidden()).limit is None
    assert back(Timed(at=twice.replace(tzinfo=None), theMarks={1})).marks == {1}
    of_named = dataclasses.make_dataclass("OfNamed", [("named", Optional[Named])])
    assert back(of_named(Named(isBanned=True))).named.banned is True

    changed = Timed(at=datetime(2026, 1, 2))
    changed.banned = True
    hidden = [Hidden(limit=5), Hidden(secret="hunter2"), Hidden(named=More(isBanned=True))]
    for value in (*hidden, changed, Named.model_construct(banned="hunter2")):
        with pytest.raises(InvalidInput, match="another value") as caught:
            back(value)
        assert "hunter2" not in str(caught.value)
    for kind, value in ((Named, More(isBanned=True)), (Optional[Named], More(isBanned=True))):
        holder = dataclasses.make_dataclass("Holder", [("named", kind)])
        with pytest.raises(InvalidInput):
            back(holder(value))
    with pytest.raises(InvalidInput, match="of type Named"):
        signer(Named).issue(More(isBanned=True))


def test_models_are_written_and_read_by_name() -> None:
    pydantic = pytest.importorskip("pydantic", minversion="2.11")
    base: Any = pydantic.BaseModel

    class Seat(base):
        row: int = pydantic.Field(validation_alias=pydantic.AliasPath("at", 0))

    class Ticket(base):
        model_config = pydantic.ConfigDict(extra="forbid", serialize_by_alias=True)
        user_id: int = pydantic.Field(serialization_alias="uid")
        code: str = pydantic.Field("", validation_alias="read", serialization_alias="written")
        seats: list[Seat] = []

    signer = SignedTokens[Any](SECRET, purpose="p", lifetime=60, payload=Ticket)
    ticket = Ticket(user_id=7, read="x", seats=[Seat(at=[3])])
    token = signer.issue(ticket)
    assert signer.verify(token) == ticket
    assert SignedTokens(SECRET, purpose="p", lifetime=60).verify(token) == {"user_id": 7, "code": "x", "seats": [{"row": 3}]}


def test_defaults_of_models_are_read_as_the_type_of_their_field() -> None:
    pydantic = pytest.importorskip("pydantic")
    base: Any = pydantic.BaseModel

    class Plan(base):
        model_config = pydantic.ConfigDict(use_enum_values=True, frozen=True)
        site: pydantic.HttpUrl = "https://example.org"
        rate: Decimal = 0.1  # type: ignore[assignment]
        wait: timedelta = 60  # type: ignore[assignment]
        roles: set[str] = ["a"]  # type: ignore[assignment]
        path: Path = "/x"  # type: ignore[assignment]
        ident: UUID = "12345678-1234-5678-1234-567812345678"  # type: ignore[assignment]
        since: Optional[datetime] = "2020-01-01T00:00:00Z"  # type: ignore[assignment]
        counts: dict[Role, int] = {Role.reader: 1}

    class Team(base):
        model_config = pydantic.ConfigDict(strict=True)
        site: pydantic.HttpUrl = "https://example.org"
        plans: list[Plan] = []

    @pydantic.dataclasses.dataclass
    class Job:
        wait: timedelta = 60  # type: ignore[assignment]

    class Step(base):
        model_config = pydantic.ConfigDict(revalidate_instances="always")

    class Limited(Step):
        limit: int = 1

    class Steps(base):
        steps: list[Step] = []

    class Raw(base):
        # None of these is only of another type, or read as what was written.
        secret: pydantic.SecretStr = pydantic.SecretStr("hunter2")

    class Inside(base):
        raw: dict[str, Any] = {"hunter2": pydantic.SecretStr("hunter2")}

    class Excluded(base):
        roles: set[str] = pydantic.Field(["a"], exclude=True)

    class Adding(base):
        roles: set[str] = ["a"]  # type: ignore[assignment]

        @pydantic.field_validator("roles")
        @classmethod
        def add(cls, roles: set[str]) -> set[str]:
            return roles | {"admin"}

    def back(value: Any) -> Any:
        signer = SignedTokens[Any](SECRET, purpose="p", lifetime=60, payload=type(value))
        return signer.verify(signer.issue(value))

    plan = back(Team(plans=[Plan()])).plans[0]
    assert (str(plan.site), plan.rate, plan.wait, plan.roles) == ("https://example.org/", Decimal("0.1"), timedelta(minutes=1), {"a"})
    assert (plan.path, plan.ident.hex[:4], plan.since.year, plan.counts) == (Path("/x"), "1234", 2020, {"r": 1})
    longer = Plan()
    longer.roles.append("b")  # type: ignore[attr-defined]
    assert back(longer).roles == {"a", "b"}
    assert back(Job()).wait == timedelta(minutes=1)
    excluded = Excluded()
    assert back(excluded).roles == ["a"]
    excluded.roles.append("b")  # type: ignore[attr-defined]
    # What was set is no default.
    assigned = Team()
    assigned.plans = (Plan.model_construct(wait=60),)  # type: ignore[assignment]
    limited = Steps()
    limited.steps.append(Limited())
    refused = ((Raw(), "secret"), (Inside(), "raw"), (excluded, "roles"), (Adding(), "roles"), (assigned, "plans"), (limited, "steps"))
    for value, field in refused:
        with pytest.raises(InvalidInput, match=f"not at all: {field}$"):
            back(value)

"""Validators, and their pydantic types."""

from __future__ import annotations

import datetime
import json as stdlib_json
import time
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyward_guard import GuardError, InvalidInput, LimitExceeded, validate

SIMPLE = [
    validate.email, validate.url, validate.phone, validate.card_number, validate.iban, validate.user_name, validate.plain_text,
    validate.slug, validate.file_name, validate.country, validate.locale, validate.colour, validate.uuid, validate.ip_address,
    validate.cidr, validate.iso_date, validate.iso_datetime,
]


@pytest.mark.parametrize("check", SIMPLE, ids=lambda check: check.__name__)
@given(value=st.one_of(st.text(max_size=80), st.text(alphabet="0123456789abcdefABCDEF:./-@+#TZ ", max_size=50)))
def test_any_text(check: Any, value: str) -> None:
    try:
        result = check(value)
    except GuardError as error:
        # Messages never repeat the value.
        assert len(value) < 12 or value not in str(error)
        return
    if isinstance(result, str):
        assert check(result) == result


@pytest.mark.parametrize("check", SIMPLE, ids=lambda check: check.__name__)
def test_size_and_type(check: Any) -> None:
    started = time.thread_time()
    for value in ("a" * 5_000_000, "1" * 5_000_000, "a." * 2_000_000, "@" * 1_000_000):
        with pytest.raises(GuardError):
            check(value)
    assert time.thread_time() - started < 5
    for value in (None, 3, b"x", ["x"], "\ud800"):
        with pytest.raises(InvalidInput):
            check(value)
    for tail in ("\n", "\0", "\u2028"):
        for good in ("a@b.de", "https://b.de/", "+4930123456", "abc", "DE", "#ffffff", "192.0.2.1", "2024-01-01"):
            with pytest.raises(GuardError):
                check(good + tail)


def test_card_numbers_are_not_shown() -> None:
    card = validate.card_number("4111111111111111")
    assert card.network == "visa" and card.digits == "4111111111111111"
    assert "411111" not in repr(card) + str(card) + f"{card}"


def test_dates() -> None:
    assert validate.iso_date("2024-02-29") == datetime.date(2024, 2, 29)
    for bad in ("2023-02-29", "20240229", "2024-2-9", "2024-02-29T00:00", "２０２４-02-29", "0000-01-01"):
        with pytest.raises(InvalidInput):
            validate.iso_date(bad)
    assert validate.iso_datetime("2024-02-29T12:30:00.5+02:00").utcoffset() == datetime.timedelta(hours=2)
    for bad in ("2024-02-29", "2024-02-29T12:30", "2024-02-29T12:30:00", "2024-02-29T25:00:00Z", "2024-02-29 12:30:00Z"):
        with pytest.raises(InvalidInput):
            validate.iso_datetime(bad)


def test_confusables() -> None:
    assert validate.confusable("admin", "аdmin") and validate.confusable("paypal", "PAYPAL")
    for first in ("ADMIN", "\u0410DMIN", "ADMlN"):
        assert validate.confusable(first, "admin") and validate.confusable("admin", first)
    assert validate.confusable("Ivan", "ivan") and validate.confusable("INBOX", "inbox")
    assert not validate.confusable("admin", "adnim") and not validate.confusable("PAYPAL", "payment")
    with pytest.raises(InvalidInput):
        validate.user_name("аdmin", ascii_only=False)
    with pytest.raises(InvalidInput):
        validate.plain_text("pаypal", one_script_per_word=True)


def test_patterns_take_linear_time() -> None:
    pattern = validate.Pattern("(a+)+", max_bytes=1 << 20)
    started = time.thread_time()
    assert not pattern.matches("a" * 500_000 + "!")
    assert time.thread_time() - started < 5
    assert pattern.matches("aaa") and not pattern.matches("aaa\n") and not pattern.matches("xaaa")
    for source in ("(", "(?=a)", r"(a)\1", "a)|(b"):
        with pytest.raises(InvalidInput):
            validate.Pattern(source)
    with pytest.raises(LimitExceeded):
        validate.Pattern("((a{100}){100}){100}")
    with pytest.raises(InvalidInput, match="two letters"):
        validate.Pattern("[a-z]{2}", message="two letters")("abc")
    assert validate.Pattern("a|b").matches("b") and not validate.Pattern("a|b").matches("ab")


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(-1e15, 1e15), st.text(max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=20,
)


@given(json_values)
def test_json_agrees_with_the_standard_library(value: Any) -> None:
    text = stdlib_json.dumps(value)
    if "\\ud" in text:
        return
    assert validate.json(text) == stdlib_json.loads(text)


@given(st.binary(max_size=200))
def test_json_any_bytes(raw: bytes) -> None:
    try:
        validate.json(raw)
    except GuardError:
        pass


def test_json_bounds() -> None:
    for text in ("[" * 40 + "]" * 40, '"' + "a" * 70_000 + '"', "1" * 30, " " * (1 << 20) + "1", "[" + "1," * 100_000 + "1]"):
        with pytest.raises(LimitExceeded):
            validate.json(text)
    for text in ("{'a': 1}", '{"a": 1, "a": 2}', "NaN", "-Infinity", "[1,]", "", "1e400", "1" * 400, "\ufeff1"):
        with pytest.raises(InvalidInput):
            validate.json(text)


def test_pydantic() -> None:
    pydantic = pytest.importorskip("pydantic")

    class User(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        name: validate.UserName
        mail: validate.Email
        home: validate.HttpUrl = "https://example.org/"
        nick: Annotated[str, validate.Check(validate.plain_text, max_length=5)] = "x"
        code: Annotated[str, validate.Check(validate.Pattern("[A-Z]{3}"))] = "ABC"

    user = User(name="Ada", mail="ada@EXAMPLE.org", home="HTTPS://example.org", code="XYZ")
    assert (user.name, user.mail, user.home) == ("ada", "ada@example.org", "https://example.org/")
    assert User.model_json_schema()["properties"]["mail"] == {"title": "Mail", "type": "string", "format": "email"}
    assert stdlib_json.loads(user.model_dump_json())["mail"] == "ada@example.org"
    for change in ({"name": "a b c"}, {"mail": "x"}, {"nick": "toolong"}, {"code": "abc"}, {"mail": 3}):
        with pytest.raises(pydantic.ValidationError) as caught:
            User(**{"name": "ada", "mail": "a@b.de", **change})
        assert all("x@" not in error["msg"] for error in caught.value.errors())


def test_pydantic_writes_json_and_times_in_json() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        settings: Annotated[Any, validate.Check(validate.json)]
        at: Annotated[Any, validate.Check(validate.iso_datetime)]
        card: Annotated[Any, validate.Check(validate.card_number)]

    model = Model(settings='{"dark": true, "n": null}', at="2024-02-29T12:00:00Z", card="4111111111111111")
    written = stdlib_json.loads(model.model_dump_json())
    assert written == model.model_dump(mode="json")
    assert written == {"settings": {"dark": True, "n": None}, "at": "2024-02-29T12:00:00+00:00", "card": "CardNumber(...1111, visa)"}
    for mode, settings in (("validation", {"title": "Settings", "type": "string"}), ("serialization", {"title": "Settings"})):
        properties = Model.model_json_schema(mode=mode)["properties"]
        assert properties["settings"] == settings
        assert properties["at"] == {"title": "At", "type": "string", "format": "date-time"}


@pytest.mark.filterwarnings("error")
def test_pydantic_models_of_times_can_be_read_again() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        day: Annotated[datetime.date, validate.Check(validate.iso_date)]
        at: Annotated[datetime.datetime, validate.Check(validate.iso_datetime)]
        data: Annotated[Any, validate.Check(validate.json)] = None

    model = Model(day="2024-02-29", at="2024-02-29T12:00:00.5+02:00", data="[1]")
    dumped = model.model_dump()
    assert dumped == {"day": model.day, "at": model.at, "data": [1]} and type(dumped["day"]) is datetime.date
    assert Model(day=model.day, at=model.at, data="[1]") == model == Model(**model.model_dump(mode="json", exclude={"data"}), data="[1]")
    naive = model.at.replace(tzinfo=None)
    for change in ({"day": model.at}, {"at": model.day}, {"at": naive}, {"at": datetime.datetime.min.replace(tzinfo=model.at.tzinfo)}, {"day": 7}):
        with pytest.raises(pydantic.ValidationError):
            Model(**{"day": model.day, "at": model.at, **change})


def test_checks_are_checked_when_made() -> None:
    make: Any = validate.Check
    for wrong in (lambda: make(5), lambda: make(validate.slug, max_lenght=5), lambda: make(lambda: 1), lambda: make(lambda value, limit: value)):
        with pytest.raises(InvalidInput):
            wrong()
    assert make(int)("7") == 7 and make(validate.Pattern("a"))("a") == "a"


def test_rare_but_real_values_pass() -> None:
    for check, values in {
        validate.email: [
            "o'brien+tag@example.museum", "a@xn--bcher-kva.example", "x_y-z.1@sub.example.co.uk", "user@example.photography", "m\u00fcller@example.org"[0] + "@b.de",
            "a@b\u00fccher.example", "{x}!#$%&*@example.org", "1@2.example",
        ],
        validate.url: ["https://foo_bar.example.org/", "https://example.xn--p1ai/", "https://\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444/\u043f\u0443\u0442\u044c?\u043a=1", "http://example.org:8080/a;b=c,d/(e)?f[]=1#!/g"],
        validate.phone: ["+290 22222", "+6834000", "+1 (212) 555-0100", "0049.30.123456", "+883 5100 12345678"],
        validate.iban: [
            "AD1200012030200359100100", "AE070331234567890123456", "AL47212110090000000235698741", "AT611904300234573201", "AZ21NABZ00000000137010001944",
            "BE68539007547034", "BR1800360305000010009795493C1", "CH9300762011623852957", "DE89370400440532013000", "EG380019000500000000263180002",
            "FR1420041010050500013M02606", "GB29NWBK60161331926819", "GE29NB0000000101904917", "GI75NWBK000000007099453", "KW81CBKU0000000000001234560101",
            "LC55HEMM000100010012001200023015", "MT84MALT011000012345MTLCAST001S", "MU17BOMM0101101030300200000MUR", "NO9386011117947", "PL61109010140000071219812874",
            "SC18SSCB11010000000000001497USD", "SV62CENR00000000000000700025", "TR330006100519786457841326", "UA213223130000026007233566001", "XK051212012345678906",
        ],
        validate.card_number: ["2200000000000004"],
        validate.plain_text: [
            "\u845b\U000e0100", "\u1820\u180b", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0dc1\u0dca\u200d\u0dbb\u0dd3", "Nguy\u1ec5n Th\u1ecb", "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd",
            "\u0f56\u0f66\u0f92\u0fb2\u0f74\u0f56", "\U0001f469\u200d\U0001f467 \u2764\ufe0f", "O\u2019Neill", "\u12a0\u1260\u1260", "\U00020bb7\u91ce",
        ],
    }.items():  # fmt: skip
        for value in values:
            check(value)
    assert validate.iso_datetime("2024-01-01T00:00:00.123456789Z").microsecond == 123456
    assert validate.url("https://a.b\u00fccher.example/", hosts=["b\u00fccher.example"])


def test_hostile_values_are_invalid_input() -> None:
    """Also those that are too long: callers catch one exception."""
    for check, values in {
        validate.email: ["a@" + "b" * 300 + ".de", "a@ex%61mple.org", "a@b", "a@1.2.3.4", "a@[::1]", "a@b..de", "a\u2028@b.de", "a@b.de\n", "\ud800@b.de"],
        validate.url: ["https://_.example", "https://a_b/", "https://a.b_c/", "https://a" * 1000, "https://0x7f.1/", "https://[::1]/", "https://a@b.de"],
        validate.phone: ["+" + "1" * 50, "+999123456789", "+49\u0661\u0662\u0663\u0664\u0665\u0666", "+1;ext=2"],
        validate.iban: ["DE89370400440532013001", "XX" + "0" * 60, "\uff24\uff25" + "89370400440532013000"],
        validate.plain_text: ["a\U000e0100", "a\u180b", "\u202e", "a" + "\u0301" * 9, "\ue000", "a\u200d"],
        validate.iso_datetime: ["2024-01-01T24:00:00Z", "2024-01-01T00:00:00+25:00", "2024-01-01T00:00:00." + "1" * 50 + "Z", "2024-01-01T00:00:00",
            "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"],
        validate.json: [5, 10**10, True, None],
    }.items():  # fmt: skip
        for value in values:
            with pytest.raises(InvalidInput):
                check(value)  # type: ignore[operator]

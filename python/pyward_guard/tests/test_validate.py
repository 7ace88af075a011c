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
    assert not validate.confusable("admin", "adnim")
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
    assert User.model_json_schema()["properties"]["mail"]["type"] == "string"
    assert stdlib_json.loads(user.model_dump_json())["mail"] == "ada@example.org"
    for change in ({"name": "a b c"}, {"mail": "x"}, {"nick": "toolong"}, {"code": "abc"}, {"mail": 3}):
        with pytest.raises(pydantic.ValidationError) as caught:
            User(**{"name": "ada", "mail": "a@b.de", **change})
        assert all("x@" not in error["msg"] for error in caught.value.errors())

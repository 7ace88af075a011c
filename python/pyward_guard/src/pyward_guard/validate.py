"""Validators by allow-list, and the same as types for pydantic.

Each function checks the whole of a text, returns its canonical form, and otherwise raises :class:`InvalidInput` with a
message that is safe to show: it says what is wrong and never repeats the value. All work is linear in the input, which is
bounded. Each type (``Email``, ``Slug``, ...) is an ``Annotated[str, ...]`` that pydantic, FastAPI and SQLModel check.

Practice: I1. Protects against CWE-20, CWE-129, CWE-178, CWE-400, CWE-1007, CWE-1287, CWE-1333.
"""

from __future__ import annotations

import datetime
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from . import _core
from ._core import InvalidInput

__all__ = [
    "IBAN",
    "UUID",
    "CardNumber",
    "CardNumberText",
    "Check",
    "Cidr",
    "Colour",
    "Country",
    "Email",
    "FileName",
    "HttpUrl",
    "IpAddress",
    "IsoDate",
    "Locale",
    "Pattern",
    "Phone",
    "PlainText",
    "Slug",
    "UserName",
    "card_number",
    "cidr",
    "colour",
    "confusable",
    "country",
    "email",
    "file_name",
    "iban",
    "ip_address",
    "iso_date",
    "iso_datetime",
    "json",
    "locale",
    "phone",
    "plain_text",
    "slug",
    "url",
    "user_name",
    "uuid",
]


def _str(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInput("the value is a text")
    return _utf8(value)


def _utf8(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput("the value is not valid Unicode") from None
    return value


def email(value: str) -> str:
    """An e-mail address of the kind people have: dot-atom, full domain; the host lower-cased and in ASCII form.

    Quoted local parts, comments and address literals are refused. That the address exists is for a message to it to show.

    ASVS 5.0: v5.0.0-2.2.1, v5.0.0-1.3.11. CWE-20, CWE-93.

    >>> email("First.Last@EXAMPLE.org")
    'First.Last@example.org'
    >>> email("a@b.c\\nBcc: x@y.z")
    Traceback (most recent call last):
    pyward_guard.InvalidInput: the part before the @ has characters that are not accepted
    """
    return _core.validate_text("email", _str(value))


def url(
    value: str,
    *,
    schemes: Sequence[str] = ("https", "http"),
    hosts: Sequence[str] | None = None,
    allow_ip: bool = False,
    allow_credentials: bool = False,
    allow_port: bool = True,
    max_bytes: int = 2048,
) -> str:
    """An absolute URL in normal form. ``hosts`` bounds the host (subdomains included).

    What parsers read in different ways is refused, not repaired. To fetch a URL from outside, use ``pyward_guard.http``,
    which also checks where the name resolves to.

    At most ``max_bytes`` bytes.

    ASVS 5.0: v5.0.0-1.2.2, v5.0.0-2.2.1. CWE-20, CWE-601, CWE-918.

    >>> url("HTTPS://Example.org/a?b#c")
    'https://example.org/a?b#c'
    >>> url("https://example.org@evil.example/", hosts=["example.org"])
    Traceback (most recent call last):
    pyward_guard.InvalidInput: the host of the URL is not accepted
    """
    return _core.validate_url(
        _str(value),
        list(schemes),
        None if hosts is None else list(hosts),
        allow_ip,
        allow_credentials,
        allow_port,
        max_bytes,
    )


def phone(value: str) -> str:
    """An international phone number in E.164 form.

    CWE-20; ASVS 5.0: v5.0.0-2.2.1.

    >>> phone("+49 (30) 123-456")
    '+4930123456'
    """
    return _core.validate_text("phone", _str(value))


class CardNumber(NamedTuple):
    """A payment card number that passed its check digit."""

    digits: str
    network: Literal[
        "visa", "mastercard", "american-express", "discover", "diners-club", "jcb", "unionpay", "maestro", "mir", "rupay", "troy"
    ]

    def __repr__(self) -> str:
        return f"CardNumber(...{self.digits[-4:]}, {self.network})"

    def __str__(self) -> str:
        return repr(self)


def card_number(value: str) -> CardNumber:
    """A payment card number (12 to 19 digits, Luhn, known range); its ``repr`` shows the last four digits only.

    CWE-20, CWE-359; ASVS 5.0: v5.0.0-2.2.1.

    >>> card_number("4111 1111 1111 1111")
    CardNumber(...1111, visa)
    """
    return CardNumber(*_core.validate_card_number(_str(value)))


def iban(value: str) -> str:
    """An IBAN without spaces: known country, its length, fitting check digits.

    CWE-20; ASVS 5.0: v5.0.0-2.2.1.

    >>> iban("de89 3704 0044 0532 0130 00")
    'DE89370400440532013000'
    """
    return _core.validate_text("iban", _str(value))


def user_name(value: str, *, min_length: int = 3, max_length: int = 30, ascii_only: bool = True) -> str:
    """A user name in the form to store and compare: NFKC, lower case, letters and digits with single ``. - _`` between.

    Without ``ascii_only``, letters of any one script that Unicode recommends for identifiers; compare new names with
    :func:`confusable` then.

    ASVS 5.0: v5.0.0-2.2.1. CWE-20, CWE-178, CWE-1007.

    >>> user_name("Ada.Lovelace")
    'ada.lovelace'
    """
    return _core.validate_user_name(_str(value), min_length, max_length, ascii_only)


def confusable(first: str, second: str) -> bool:
    """True when two texts can be taken for each other (same skeleton by Unicode UTS #39), case apart.

    CWE-1007; ASVS 5.0: v5.0.0-2.2.1.

    >>> confusable("paypal", "p\u0430yp\u0430l"), confusable("paypal", "payment")
    (True, False)
    """

    def skeletons(text: str) -> set[str]:
        # Letters look alike in one case and not in the other: I and l, but not i and l.
        cases = (_utf8(text), text.casefold(), text.upper())
        return {_core.validate_skeleton(_core.validate_skeleton(case).casefold()) for case in cases}

    return not skeletons(first).isdisjoint(skeletons(second))


def plain_text(
    value: str,
    *,
    min_length: int = 1,
    max_length: int = 1000,
    multiline: bool = False,
    one_script_per_word: bool = False,
    normal_form: Literal["NFC", "NFKC"] = "NFC",
) -> str:
    """Text for people to read: NFC, no control, invisible or direction-changing characters, no heaps of marks.

    Lengths are characters, counted after normalisation. ``one_script_per_word`` refuses words that mix scripts. With
    ``normal_form="NFKC"`` compatibility characters (full-width letters, ligatures, circled digits) become plain ones: for
    text that is compared or searched; it changes what was typed. This makes the text honest, not safe for HTML: escape
    it on output.

    ASVS 5.0: v5.0.0-1.1.1, v5.0.0-2.2.1, v5.0.0-1.3.3. CWE-20, CWE-1007.

    >>> plain_text("naïve", max_length=10)
    'naïve'
    >>> plain_text("ﬁle ①", normal_form="NFKC")
    'file 1'
    >>> plain_text("user\\u202etxt.exe")
    Traceback (most recent call last):
    pyward_guard.InvalidInput: the text has control or invisible characters
    """
    if normal_form not in ("NFC", "NFKC"):
        raise InvalidInput("normal_form is NFC or NFKC")
    return _core.validate_plain_text(_str(value), min_length, max_length, multiline, one_script_per_word, normal_form == "NFKC")


def slug(value: str, *, max_length: int = 100) -> str:
    """Lower-case ASCII letters and digits in groups joined by single dashes.

    CWE-20; ASVS 5.0: v5.0.0-2.2.1.

    >>> slug("a-tale-of-2-cities")
    'a-tale-of-2-cities'
    """
    return _core.validate_slug(_str(value), max_length)


def file_name(value: str, *, max_length: int = 200) -> str:
    """A file name that is safe as it is on every platform; use ``paths.safe_name`` to make one safe.

    CWE-22, CWE-73; ASVS 5.0: v5.0.0-2.2.1, v5.0.0-5.3.2.

    >>> file_name("report.pdf")
    'report.pdf'
    >>> file_name("../report.pdf")
    Traceback (most recent call last):
    pyward_guard.InvalidInput: not a safe file name
    """
    text = _str(value)
    if len(text.encode()) > max_length or _core.paths_safe_name(text, 255) != text:
        raise InvalidInput("not a safe file name")
    return text


def country(value: str) -> str:
    """An ISO 3166-1 alpha-2 country code, in capitals.

    CWE-20; ASVS 5.0: v5.0.0-2.2.1.

    >>> country("de")
    'DE'
    """
    return _core.validate_text("country", _str(value))


def locale(value: str) -> str:
    """A locale of language, script and region (BCP 47), in canonical case.

    The region has to be a country of ISO 3166-1 or three digits. Language and script are checked for their form only: look
    the result up among the locales that you have.

    CWE-20; ASVS 5.0: v5.0.0-2.2.1.

    >>> locale("zh_hant_tw")
    'zh-Hant-TW'
    """
    return _core.validate_text("locale", _str(value))


def colour(value: str) -> str:
    """A colour as ``#rrggbb`` or ``#rrggbbaa``.

    CWE-20; ASVS 5.0: v5.0.0-2.2.1.

    >>> colour("#FA0")
    '#ffaa00'
    """
    return _core.validate_text("colour", _str(value))


def uuid(value: str) -> str:
    """A UUID in its one textual form (RFC 9562), lower case.

    CWE-20; ASVS 5.0: v5.0.0-2.2.1.

    >>> uuid("6BA7B810-9DAD-11D1-80B4-00C04FD430C8")
    '6ba7b810-9dad-11d1-80b4-00c04fd430c8'
    """
    return _core.validate_text("uuid", _str(value))


def ip_address(value: str) -> str:
    """An IPv4 or IPv6 address in canonical form; leading zeros, short and hexadecimal forms of IPv4 are refused.

    CWE-20, CWE-1389; ASVS 5.0: v5.0.0-2.2.1.

    >>> ip_address("2001:DB8:0::1")
    '2001:db8::1'
    """
    return _core.validate_text("ip", _str(value))


def cidr(value: str) -> str:
    """A network such as ``192.0.2.0/24``; bits behind the prefix have to be zero.

    CWE-20; ASVS 5.0: v5.0.0-2.2.1.

    >>> cidr("192.0.2.0/24")
    '192.0.2.0/24'
    """
    return _core.validate_text("cidr", _str(value))


def iso_date(value: str) -> datetime.date:
    """A date as ``YYYY-MM-DD`` (RFC 3339), no other form of ISO 8601.

    CWE-20; ASVS 5.0: v5.0.0-2.2.1.

    >>> iso_date("2024-02-29")
    datetime.date(2024, 2, 29)
    """
    text = _str(value)
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is None:
        raise InvalidInput("a date is YYYY-MM-DD")
    try:
        return datetime.date(int(text[:4]), int(text[5:7]), int(text[8:]))
    except ValueError:
        raise InvalidInput("there is no such date") from None


def iso_datetime(value: str) -> datetime.datetime:
    """A point in time as RFC 3339 has it: date, time to the second or finer (cut to microseconds), and offset (``Z`` or
    ``+hh:mm``). In UTC it lies in the years 1 to 9999, so that it can be compared and converted.

    CWE-20; ASVS 5.0: v5.0.0-2.2.1.

    >>> iso_datetime("2024-02-29T12:00:00Z").isoformat()
    '2024-02-29T12:00:00+00:00'
    """
    text = _str(value)
    shape = r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]((?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2})(\.[0-9]{1,12})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
    found = re.fullmatch(shape, text)
    if found is None:
        raise InvalidInput("a time is YYYY-MM-DDThh:mm:ss with an offset")
    date, time, fraction, offset = found.groups()
    fraction = "" if fraction is None else fraction[:7].ljust(7, "0")
    try:
        moment = datetime.datetime.fromisoformat(f"{date}T{time}{fraction}{'+00:00' if offset in 'Zz' else offset}")
        moment.astimezone(datetime.timezone.utc)
        return moment
    except (ValueError, OverflowError):
        raise InvalidInput("there is no such time") from None


def json(
    text: str | bytes,
    *,
    max_bytes: int = 1 << 20,
    max_depth: int = 32,
    max_items: int = 100_000,
    max_text: int = 65_536,
) -> Any:
    """Parses JSON (RFC 8259) within bounds; a name twice in an object, ``NaN``, and integers beyond 64 bits are errors.

    ``max_bytes`` and ``max_text`` are bytes (UTF-8), ``max_depth`` levels, ``max_items`` values in all.

    ASVS 5.0: v5.0.0-1.5.3, v5.0.0-2.2.1. CWE-20, CWE-400, CWE-674, CWE-1286.

    Raises:
        InvalidInput: not valid JSON, with the position.
        LimitExceeded: too large, too deep, too many values, a text or number beyond its bound.

    >>> json('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    >>> json('{"admin": false, "admin": true}')
    Traceback (most recent call last):
    pyward_guard.InvalidInput: not valid JSON (line 1, column 24)
    """
    if not isinstance(text, (str, bytes, bytearray, memoryview)):
        raise InvalidInput("JSON is a text or bytes")
    raw = _str(text).encode() if isinstance(text, str) else bytes(text)
    return _core.validate_json(raw, max_bytes, max_depth, max_items, max_text)


class Pattern:
    """A regular expression that always matches the whole text and runs in linear time, whatever the pattern.

    The syntax is that of Rust's ``regex``: no back references and no look-around. Longer texts than ``max_bytes`` do not
    match.

    ASVS 5.0: v5.0.0-1.3.12, v5.0.0-2.2.1. CWE-185, CWE-625, CWE-1333.

    Raises:
        InvalidInput: the pattern cannot be read.
        LimitExceeded: it compiles to more than 1 MiB.

    >>> part = Pattern("[A-Z]{2}[0-9]{4}")
    >>> part.matches("AB1234"), part.matches("AB1234\\n"), part.matches("xAB1234")
    (True, False, False)
    """

    __slots__ = ("_inner", "message", "source")

    def __init__(
        self, source: str, *, max_bytes: int = 10_000, message: str = "the value does not have the expected form"
    ) -> None:
        self.source = source
        self.message = message
        self._inner = _core.ValidatePattern(source, max_bytes)

    def __repr__(self) -> str:
        return f"Pattern({self.source!r})"

    def matches(self, text: str) -> bool:
        """True when the whole text matches."""
        return self._inner.matches(_utf8(text))

    def __call__(self, value: str) -> str:
        """The text, if it matches; otherwise :class:`InvalidInput` with ``message``."""
        if not self.matches(_str(value)):
            raise InvalidInput(self.message)
        return value


class Check:
    """Makes a pydantic type of a validator: ``Annotated[str, Check(slug)]``, with options as keywords.

    In JSON, dates and times are written in ISO format, JSON data as it is, everything else as text. :func:`iso_date` and
    :func:`iso_datetime` also take what they return, so that a dumped model can be read again.

    The messages never repeat the value, but pydantic's own ``ValidationError`` shows its input: give models with secrets
    ``model_config = ConfigDict(hide_input_in_errors=True)`` before an error of theirs is logged.

    Raises :class:`InvalidInput` at once for options that the validator does not have.

    CWE-20; ASVS 5.0: v5.0.0-2.2.1, v5.0.0-2.2.2.

    >>> Short = Annotated[str, Check(plain_text, max_length=5)]
    """

    __slots__ = ("options", "validator")

    def __init__(self, validator: Callable[..., Any], **options: Any) -> None:
        if not callable(validator):
            raise InvalidInput("a check is made of a validator: a function of the value")
        try:
            signature = inspect.signature(validator)
        except (TypeError, ValueError):
            pass  # some functions written in C do not tell
        else:
            try:
                signature.bind("", **options)
            except TypeError as error:
                raise InvalidInput(f"the validator cannot be called like this: {error}") from None
        self.validator = validator
        self.options = options

    def __repr__(self) -> str:
        return f"Check({getattr(self.validator, '__name__', self.validator)!s})"

    def __call__(self, value: Any) -> Any:
        return self.validator(value, **self.options)

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> Any:
        from pydantic_core import PydanticCustomError, core_schema

        def text(value: Any) -> Any:
            moment = isinstance(value, datetime.datetime)
            date = isinstance(value, datetime.date) and not moment
            return value.isoformat() if (moment if self.validator is iso_datetime else date) else value

        def validate(value: str) -> Any:
            try:
                return self(value)
            except _core.GuardError as error:
                # The message of our validators never repeats the value.
                raise PydanticCustomError("pyward_guard", "{reason}", {"reason": str(error)}) from None

        taken: Any = core_schema.str_schema(strict=True)
        if self.validator is iso_date or self.validator is iso_datetime:
            taken = core_schema.no_info_before_validator_function(text, taken)
        return core_schema.no_info_after_validator_function(
            validate,
            taken,
            serialization=core_schema.plain_serializer_function_ser_schema(_serialised, info_arg=True),
        )

    def __get_pydantic_json_schema__(self, _schema: Any, handler: Any) -> dict[str, Any]:
        if self.validator is json and handler.mode == "serialization":
            return {}
        found = next((name for validator, name in _FORMATS if validator is self.validator), None)
        return {"type": "string"} if found is None else {"type": "string", "format": found}


def _serialised(value: Any, info: Any) -> Any:
    if not info.mode_is_json():
        return value
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    # No tuples: a card number is one, and its text hides the digits.
    return value if value is None or isinstance(value, (dict, list, bool, int, float)) else str(value)


def _date(value: str) -> str:
    return iso_date(value).isoformat()


# Formats that JSON Schema and OpenAPI have names for.
_FORMATS: tuple[tuple[Any, str], ...] = (
    (email, "email"), (url, "uri"), (uuid, "uuid"), (_date, "date"), (iso_date, "date"), (iso_datetime, "date-time"),
)  # fmt: skip


def _digits(value: str) -> str:
    return card_number(value).digits


Email = Annotated[str, Check(email)]
HttpUrl = Annotated[str, Check(url)]
Phone = Annotated[str, Check(phone)]
CardNumberText = Annotated[str, Check(_digits)]
IBAN = Annotated[str, Check(iban)]
UserName = Annotated[str, Check(user_name)]
PlainText = Annotated[str, Check(plain_text)]
Slug = Annotated[str, Check(slug)]
FileName = Annotated[str, Check(file_name)]
Country = Annotated[str, Check(country)]
Locale = Annotated[str, Check(locale)]
Colour = Annotated[str, Check(colour)]
UUID = Annotated[str, Check(uuid)]
IpAddress = Annotated[str, Check(ip_address)]
Cidr = Annotated[str, Check(cidr)]
IsoDate = Annotated[str, Check(_date)]

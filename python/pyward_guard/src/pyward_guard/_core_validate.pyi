"""Part of the stub of the Rust core: validate."""

from collections.abc import Sequence
from typing import Any, Literal, final

__all__ = [
    "ValidatePattern",
    "validate_card_number",
    "validate_json",
    "validate_plain_text",
    "validate_skeleton",
    "validate_slug",
    "validate_text",
    "validate_url",
    "validate_user_name",
]

_Network = Literal[
    "visa", "mastercard", "american-express", "discover", "diners-club", "jcb", "unionpay", "maestro"
]

@final
class ValidatePattern:
    def __new__(cls, source: str, max_bytes: int) -> ValidatePattern: ...
    def matches(self, text: str) -> bool: ...

def validate_text(kind: str, value: str) -> str: ...
def validate_slug(value: str, max_bytes: int) -> str: ...
def validate_user_name(value: str, min: int, max: int, ascii: bool) -> str: ...
def validate_plain_text(value: str, min: int, max: int, multiline: bool, one_script_per_word: bool, compatibility: bool) -> str: ...
def validate_skeleton(value: str) -> str: ...
def validate_url(
    value: str,
    schemes: Sequence[str],
    hosts: Sequence[str] | None,
    allow_ip: bool,
    allow_credentials: bool,
    allow_port: bool,
    max_bytes: int,
) -> str: ...
def validate_card_number(value: str) -> tuple[str, _Network]: ...
def validate_json(text: bytes, max_bytes: int, max_depth: int, max_items: int, max_text: int) -> Any: ...

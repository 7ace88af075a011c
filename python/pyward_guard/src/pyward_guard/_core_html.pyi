"""Part of the stub of the Rust core: html."""

from collections.abc import Mapping, Sequence
from typing import final

from .html import Markup

__all__ = [
    "HtmlSanitizer",
    "HtmlTracker",
    "html_attribute",
    "html_check_url",
    "html_css_string",
    "html_escape",
    "html_filter_style",
    "html_preset",
    "html_script_json",
    "html_script_string",
    "html_set_markup",
    "html_url_component",
]

@final
class HtmlSanitizer:
    def __new__(
        cls,
        *,
        tags: Sequence[str],
        attributes: Mapping[str, Sequence[str]],
        generic_attributes: Sequence[str],
        styles: Sequence[str],
        classes: Mapping[str, Sequence[str]],
        schemes: Sequence[str],
        relative_urls: str,
        base_url: str | None,
        link_rel: str | None,
        link_hosts: Sequence[str] | None,
        resource_hosts: Sequence[str] | None,
        id_prefix: str | None,
        max_bytes: int,
    ) -> HtmlSanitizer: ...
    def clean(self, html: str) -> Markup: ...

@final
class HtmlTracker:
    def __new__(cls) -> HtmlTracker: ...
    def feed(self, text: str) -> None: ...
    def value(self) -> str: ...
    def copy(self) -> HtmlTracker: ...
    def place(self) -> str: ...
    def at_rest(self) -> bool: ...

def html_set_markup(class_: type[Markup]) -> None: ...
def html_escape(value: object) -> Markup: ...
def html_attribute(text: str) -> str: ...
def html_url_component(text: str) -> str: ...
def html_check_url(url: str, schemes: Sequence[str], allow_network_path: bool) -> None: ...
def html_script_json(json: str) -> str: ...
def html_script_string(text: str) -> str: ...
def html_css_string(text: str) -> str: ...
def html_filter_style(style: str, properties: Sequence[str]) -> str: ...
def html_preset(name: str) -> tuple[list[str], dict[str, list[str]], list[str]]: ...

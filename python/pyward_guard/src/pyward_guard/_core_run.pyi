"""Part of the stub of the Rust core: run."""

from collections.abc import Sequence
from os import PathLike
from typing import Literal, final

__all__ = ["RunCancel", "RunSandbox", "run_command", "run_host", "run_restrict_self"]

_Limits = tuple[int | None, int | None, int | None, int | None, int | None]

@final
class RunCancel:
    def __new__(cls) -> RunCancel: ...
    def cancel(self) -> None: ...

@final
class RunSandbox:
    def __new__(
        cls,
        *,
        restrict_files: bool,
        read: Sequence[str | PathLike[str]],
        write: Sequence[str | PathLike[str]],
        execute: Sequence[str | PathLike[str]],
        system: bool,
        network: bool,
        tcp_ports: Sequence[int] | None,
        strict: bool,
        identity: tuple[int, int, Sequence[int]] | None,
    ) -> RunSandbox: ...

def run_command(
    argv: Sequence[str],
    *,
    environment: Sequence[tuple[str, str]],
    directory: str | PathLike[str] | None,
    input: bytes,
    timeout: float,
    grace: float,
    max_output: int,
    umask: int,
    limits: _Limits,
    sandbox: RunSandbox | None,
    cancel: RunCancel | None,
) -> tuple[int | None, int | None, Literal["itself", "timeout", "output", "cancelled"], bytes, bytes, float, list[str]]: ...
def run_restrict_self(sandbox: RunSandbox, limits: _Limits, deny_processes: bool) -> list[str]: ...
def run_host() -> dict[str, int]: ...

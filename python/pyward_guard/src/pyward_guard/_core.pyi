"""The Rust core. Use the typed modules of the package, not this one."""

from ._core_access import *
from ._core_eval import *
from ._core_headers import *
from ._core_html import *
from ._core_http import *
from ._core_limits import *
from ._core_crypto import *
from ._core_logs import *
from ._core_passwords import *
from ._core_paths import *
from ._core_privacy import *
from ._core_run import *
from ._core_sessions import *
from ._core_sql import *
from ._core_tokens import *
from ._core_validate import *

class GuardError(Exception):
    """Base class of every error of pyward_guard."""

class InvalidInput(GuardError):
    """An argument is outside what the function accepts."""

class VerificationFailed(GuardError):
    """A signature, tag, hash or password does not verify."""

class UnknownKey(VerificationFailed):
    """The key named by a token or ciphertext is not at hand."""

class Expired(VerificationFailed):
    """Something is past its time limit."""

class Unsupported(GuardError):
    """The host cannot enforce what was asked for."""

class Refused(GuardError):
    """The operation is not allowed."""

class LimitExceeded(GuardError):
    """Input or work is larger than the bound set for it."""

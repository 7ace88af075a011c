"""The Rust core. Use the typed modules of the package, not this one."""

from ._core_access import AccessEngine as AccessEngine
from ._core_access import Entity as Entity
from ._core_headers import Csp as Csp
from ._core_headers import Csrf as Csrf
from ._core_headers import HostList as HostList
from ._core_headers import csp_nonce as csp_nonce
from ._core_headers import judge_origin as judge_origin
from ._core_headers import origin_of as origin_of
from ._core_http import check_redirect as check_redirect
from ._core_http import not_public as not_public
from ._core_http import parse_target as parse_target
from ._core_limits import LockoutAttempt as LockoutAttempt
from ._core_limits import LockoutMemory as LockoutMemory
from ._core_limits import RateLimiter as RateLimiter
from ._core_sessions import SessionMemory as SessionMemory
from ._core_sessions import SessionRecord as SessionRecord
from ._core_sessions import session_key as session_key
from ._core_sessions import session_new as session_new
from ._core_sessions import trait_digest as trait_digest

class GuardError(Exception):
    """Base class of every error of pyward_guard."""

class InvalidInput(GuardError):
    """An argument is outside what the function accepts."""

class VerificationFailed(GuardError):
    """A signature, tag, hash or password does not verify."""

class Expired(VerificationFailed):
    """Something is past its time limit."""

class Unsupported(GuardError):
    """The host cannot enforce what was asked for."""

class Refused(GuardError):
    """The operation is not allowed."""

"""What the ASGI and the WSGI middleware share: their options, and the judgement of hosts and schemes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Generic, Literal, TypeVar

from .. import _core
from .._core import InvalidInput
from .._web import Proxies
from ._policy import Prepared, SecurityHeaders, listed
from ._protect import CORS, CSRF, SAFE_METHODS

log = logging.getLogger("pyward_guard.headers")
App = TypeVar("App")

# Key of an ASGI scope or a WSGI environment: adds the headers of the middleware to a response that is made further out.
FINISH = "pyward.headers"
UNKNOWN_HOST = "Unknown host."
HTTPS_ONLY = "HTTPS only."
FOREIGN = "This request was not made from this site's own pages. Reload the page and try again."


def own_origin(secure: bool, host: str) -> str:
    """The origin of this site as browsers write it: lower case, without the scheme's own port."""
    origin = f"{'https' if secure else 'http'}://{host}"
    return _core.origin_of(origin) or origin


def without_http_port(host: str) -> str:
    """The host to redirect to: the port of plain HTTP does not speak TLS."""
    return host.removesuffix(":80")


def warn_of_untrusted(cors: CORS, trusts: Callable[[str], bool], option: str) -> None:
    """Methods that CORS allows and CSRF then refuses. Only a warning: some paths may be exempt."""
    methods = [method for method in cors.methods if method.upper() not in SAFE_METHODS]
    origins = [origin for origin in cors.origins if not trusts(origin)]
    if methods and origins:
        log.warning(
            "CORS allows %s from %s, which CSRF protection will refuse: name the origins in %s, or leave the methods out of CORS",
            ", ".join(methods), ", ".join(origins), option,
        )  # fmt: skip


class Middleware(Generic[App]):
    """The options of :class:`headers.asgi.SecurityMiddleware` and its WSGI twin."""

    def __init__(
        self,
        app: App,
        *,
        hosts: Sequence[str],
        headers: SecurityHeaders | None = None,
        csrf: CSRF | None = None,
        cors: CORS | None = None,
        https: Literal["redirect", "refuse", "insecure_off"] = "redirect",
        proxies: Sequence[str] = (),
    ) -> None:
        if https not in ("redirect", "refuse", "insecure_off"):
            raise InvalidInput('https is "redirect", "refuse" or, for development, "insecure_off"')
        self.app = app
        self._hosts = _core.HostList(listed(hosts, "hosts"))
        prepared = Prepared(headers or SecurityHeaders.app())
        self._headers, self._has_nonce = prepared.core, bool(prepared.nonced)
        self._csrf, self._cors = csrf, cors
        self._https = https != "insecure_off"
        self._refuse_plain = https == "refuse"
        self._proxies = Proxies(proxies)
        if cors is not None and csrf is not None:
            warn_of_untrusted(cors, csrf.trusts, "trusted_origins")
        if not self._https:
            log.warning("HTTPS is not enforced: for development only")

"""What the ASGI and the WSGI middleware share: their options, and the judgement of hosts and schemes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Generic, Literal, TypeVar

from .. import _core
from .._core import InvalidInput
from .._web import Proxies
from ._policy import Prepared, SecurityHeaders
from ._protect import CORS, CSRF

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
        if isinstance(hosts, str):
            raise InvalidInput("hosts is a list of hosts, not one string")
        self.app = app
        self._hosts = _core.HostList(list(hosts))
        prepared = Prepared(headers or SecurityHeaders.app())
        self._headers, self._has_nonce = prepared.core, bool(prepared.nonced)
        self._csrf, self._cors = csrf, cors
        self._https = https != "insecure_off"
        self._refuse_plain = https == "refuse"
        self._proxies = Proxies(proxies)
        if not self._https:
            log.warning("HTTPS is not enforced: for development only")

"""Templates: escaped everywhere, missing names are errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from fastapi.responses import HTMLResponse
from pyward_guard.headers import csp_nonce, csrf_field
from pyward_guard.html import jinja_environment

_templates = jinja_environment(loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"))


def page(name: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> HTMLResponse:
    template = _templates.get_template(name)
    return HTMLResponse(template.render(csp_nonce=csp_nonce(), csrf_field=csrf_field, **values), status, headers)

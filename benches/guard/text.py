"""Validators, redaction, masks, SQL composition, expressions."""

from __future__ import annotations

import json
from typing import Any

from pyward_guard import eval as guard_eval
from pyward_guard import logs, privacy, sql, validate

DOCUMENT = json.dumps([{"id": i, "name": f"name {i}", "tags": ["a", "b"], "score": i / 7} for i in range(200)])
QUIET = "GET /orders/17 200 in 12 ms for user ada from the web front end, cache hit"
SECRET = "POST /login password=hunter2 Authorization: Bearer abcdef0123456789 user=ada"


def run(bench: Any) -> None:
    bench.compare("e-mail address", lambda: validate.email("First.Last@example.org"))
    bench.compare("URL", lambda: validate.url("https://example.org/a?b=c"))
    bench.compare("card number", lambda: validate.card_number("4111 1111 1111 1111"))
    bench.compare("bounded JSON, 15 KB", lambda: validate.json(DOCUMENT), peer=lambda: json.loads(DOCUMENT), peer_name="json.loads")
    redactor = logs.Redactor()
    bench.compare("redact a line without secrets", lambda: redactor.line(QUIET))
    bench.compare("redact a line with secrets", lambda: redactor.line(SECRET))
    bench.compare("mask an e-mail address", lambda: privacy.mask("ada@example.org", "email"))
    bench.compare("pseudonym", lambda: privacy.pseudonym("ada", key=bytes(32), purpose="p"))
    find = sql.SQL("select id from users where name = {name} and role in {roles}")
    bench.compare("compose SQL", lambda: find.format(name="ada", roles=["a", "b"]).compile("qmark", "sqlite"))
    rule = guard_eval.Expression("amount > 100 and country in ['DE', 'FR']", names=["amount", "country"])
    bench.compare("evaluate a rule", lambda: rule.evaluate({"amount": 120, "country": "DE"}))

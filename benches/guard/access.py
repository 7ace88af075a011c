"""Access decisions with few and with many roles and rules."""

from __future__ import annotations

import itertools
from typing import Any

from pyward_guard.access import ANYONE, Entity, EntityData, Kind, Policy, Role, User


def ours(roles: int) -> Policy:
    policy = Policy()
    for number in range(roles):
        policy.permit(Role(f"role{number}"), "read", Entity("Data", f"data{number}"))
        for user in range(10):
            policy.assign(User(f"user{number * 10 + user}"), f"role{number}")
    return policy


CASBIN_MODEL = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act
"""


def casbins(casbin: Any, roles: int) -> Any:
    model = casbin.Enforcer.new_model(text=CASBIN_MODEL)
    enforcer = casbin.Enforcer(model)
    enforcer.enable_log(False) if hasattr(enforcer, "enable_log") else None
    enforcer.add_policies([[f"role{number}", f"data{number}", "read"] for number in range(roles)])
    enforcer.add_grouping_policies([[f"user{number * 10 + user}", f"role{number}"] for number in range(roles) for user in range(10)])
    return enforcer


def run(bench: Any) -> None:
    try:
        import casbin
    except ImportError:
        casbin = None
        bench.lacks("pycasbin")
    for roles in (10, 10_000):
        policy = ours(roles)
        middle = roles // 2
        user, data = User(f"user{middle * 10}"), Entity("Data", f"data{middle}")
        assert policy.decide(user, "read", data)
        peer = None
        if casbin is not None:
            enforcer = casbins(casbin, roles)
            assert enforcer.enforce(f"user{middle * 10}", f"data{middle}", "read")
            peer = lambda enforcer=enforcer, middle=middle: enforcer.enforce(f"user{middle * 10}", f"data{middle}", "read")  # noqa: E731
        bench.compare(f"decision, {roles:,} roles, {roles * 10:,} users", lambda: policy.decide(user, "read", data), peer=peer, peer_name="pycasbin", under=20e-6)

    large = ours(10_000)
    for number in range(90_000):
        large.permit(User(f"x{number}"), "read", Entity("Data", f"y{number}"))
    pairs = itertools.cycle([(User(f"x{number}"), Entity("Data", f"y{number}")) for number in range(0, 90_000, 7)])
    bench.compare("decision, 100,000 rules and 100,000 role links", lambda: large.decide(*_with_action(next(pairs))), under=20e-6)

    owners = Policy()
    owners.permit(ANYONE, "edit", Kind("Page"), when="resource.owner == principal && context.mfa")
    page = EntityData(Entity("Page", "7"), attributes={"owner": User("ada")})
    assert owners.decide(User("ada"), "edit", page, context={"mfa": True})
    bench.compare("decision with a condition over attributes", lambda: owners.decide(User("ada"), "edit", page, context={"mfa": True}), under=20e-6)


def _with_action(pair: tuple[Entity, Entity]) -> tuple[Entity, str, Entity]:
    return pair[0], "read", pair[1]

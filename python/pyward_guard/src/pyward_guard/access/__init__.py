"""Authorisation: roles, lists and attributes on one engine (Cedar). Denies by default.

Protects against missing and incorrect authorisation (CWE-862, CWE-863) and access to other users' objects (CWE-639).

ASVS 5.0: v5.0.0-8.1.1, v5.0.0-8.2.1, v5.0.0-8.2.2, v5.0.0-8.3.1, v5.0.0-8.3.2

>>> from pyward_guard.access import ANYONE, Entity, EntityData, Kind, Policy, Role, User
>>> policy = Policy()
>>> policy.role("editor", inherits=["reader"])
>>> policy.permit(Role("reader"), "read", Kind("Page"))
'permit-1'
>>> policy.permit(ANYONE, ["edit", "delete"], Kind("Page"), when="resource.owner == principal", id="owners")
'owners'
>>> policy.forbid(ANYONE, "delete", Kind("Page"), when="resource.legal_hold", id="legal-hold")
'legal-hold'
>>> policy.assign(User("ada"), "editor")

>>> page = EntityData(Entity("Page", "7"), attributes={"owner": User("bob"), "legal_hold": False})
>>> bool(policy.decide(User("ada"), "read", page)), bool(policy.decide(User("ada"), "edit", page))
(True, False)
>>> print(policy.explain(User("bob"), "delete", page))
allowed: User::"bob" may delete Page::"7", by owners

Decorators and dependencies are in ``access.flask``, ``access.django`` and ``access.fastapi``.
"""

from ._policy import ANYONE, ANYTHING, AccessDenied, Case, Decision, Entity, EntityData, Kind, Policy, Role, User

__all__ = ["ANYONE", "ANYTHING", "AccessDenied", "Case", "Decision", "Entity", "EntityData", "Kind", "Policy", "Role", "User"]

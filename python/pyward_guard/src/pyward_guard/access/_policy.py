"""Declaring rules and asking for decisions."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .._core import AccessEngine as AccessEngine
from .._core import Entity as Entity
from .._core import InvalidInput, Refused

_log = logging.getLogger("pyward_guard.access")


class AccessDenied(Refused):
    """The request is not allowed. The message says no more than that; ``decision`` is for the log."""

    __module__ = "pyward_guard.access"

    def __init__(self, decision: Decision | None = None) -> None:
        super().__init__("access denied")
        self.decision = decision

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.decision,), self.__dict__


def _entity(kind: str, id: str) -> Entity:
    try:
        return Entity(kind, id)
    except UnicodeEncodeError:
        raise InvalidInput("a name is not valid Unicode") from None


def User(name: str) -> Entity:
    """A user. Raises :class:`~pyward_guard.InvalidInput` for lone surrogates.

    CWE-862, CWE-863.

    >>> User("ada")
    User::"ada"
    """
    return _entity("User", name)


def Role(name: str) -> Entity:
    """A role. Raises :class:`~pyward_guard.InvalidInput` for lone surrogates. CWE-862, CWE-863.

    >>> Role("editor")
    Role::"editor"
    """
    return _entity("Role", name)


@dataclass(frozen=True)
class Kind:
    """All entities of a type, or those of them that are inside another entity.

    ``name`` is the type, ``within`` a folder, group or tenant that the entity has to be inside of.
    """

    name: str
    within: Entity | None = None


class _All:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


ANYONE: Final = _All("ANYONE")
"""Every principal, signed in or not."""
ANYTHING: Final = _All("ANYTHING")
"""Every action or resource."""

Scope = Entity | Kind | _All


@dataclass(frozen=True)
class EntityData:
    """What is known of an entity at the time of a request.

    ``within`` are roles, groups or folders besides those assigned in the policy; ``attributes`` are what conditions
    look at: bool, int, str, Decimal, aware datetime, date, IP addresses and networks, entities, lists and dicts of
    these. None counts as absent.
    """

    entity: Entity
    within: Sequence[Entity] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Decision:
    """An answer; true when the request is allowed.

    ``rules`` are the ids of the rules that decided; when it was denied and there are none, nothing permitted it.
    ``errors`` are rules whose condition could not be evaluated (a permit counts as not given, a forbid as given).

    CWE-862, CWE-863.

    >>> policy = Policy()
    >>> rule = policy.permit(User("ada"), "read", ANYTHING)
    >>> decision = policy.decide(User("ada"), "read", Entity("Page", "7"))
    >>> decision.allowed, decision.rules == (rule,)
    (True, True)
    """

    # Not a dataclass: it is made for every decision, and a frozen one takes longer than the decision.
    __slots__ = ("_asked", "allowed", "errors", "rules")

    def __init__(
        self, allowed: bool, rules: Sequence[str], errors: Sequence[tuple[str, str]], asked: tuple[Entity, Entity, Entity]
    ) -> None:
        self.allowed = allowed
        self.rules = tuple(rules)
        self.errors = tuple(errors)
        self._asked = asked

    def __reduce__(self) -> tuple[Any, ...]:
        # Within an :class:`AccessDenied` it comes back from pools of processes; entities cannot be pickled.
        return _decision, (self.allowed, self.rules, self.errors, [(entity.kind, entity.id) for entity in self._asked])

    @property
    def request(self) -> str:
        """Who, action and resource, for the log."""
        who, action, what = self._asked
        return f"{who!r} ? {action.id} {what!r}"

    def __repr__(self) -> str:
        return f"<Decision: {self}>"

    def __bool__(self) -> bool:
        return self.allowed

    def __str__(self) -> str:
        verb = "may" if self.allowed else "may not"
        by = f", by {', '.join(self.rules)}" if self.rules else ": no rule permits it"
        wrong = "".join(f"; {rule} failed: {what}" for rule, what in self.errors)
        return f"{'allowed' if self.allowed else 'denied'}: {self.request.replace(' ? ', f' {verb} ', 1)}{by}{wrong}"


def _decision(allowed: bool, rules: Sequence[str], errors: Sequence[tuple[str, str]], asked: Sequence[tuple[str, str]]) -> Decision:
    who, action, what = (Entity(kind, id) for kind, id in asked)
    return Decision(allowed, rules, errors, (who, action, what))


@dataclass(frozen=True)
class Case:
    """One line of a policy test: who, does what, to which, and whether that is allowed.

    ``principal``, ``action`` and ``resource`` are as for :meth:`Policy.decide`, ``allowed`` what is expected, ``context`` the
    circumstances.
    """

    principal: Entity | EntityData
    action: str
    resource: Entity | EntityData
    allowed: bool
    context: Mapping[str, Any] = field(default_factory=dict)


def _scope(scope: Scope, side: str) -> tuple[str, str | None, Entity | None]:
    if scope is ANYONE or scope is ANYTHING:
        return ("any", None, None)
    if isinstance(scope, Kind):
        return ("kind", scope.name, scope.within)
    if isinstance(scope, Entity):
        return ("in", None, scope)
    raise InvalidInput(f"the {side} of a rule is an Entity, a Kind, ANYONE or ANYTHING, not {type(scope).__name__}")


def _action(name: str | Entity) -> Entity:
    return name if isinstance(name, Entity) else _entity("Action", name)


_NOTHING: list[Entity] = []


class Policy:
    """Rules and role assignments. Safe to share between threads; changes apply from the next decision on.

    Decisions look only at rules that can apply, so they take microseconds whatever the number of rules and roles.
    Conditions (``when``, ``unless``) are expressions of the Cedar language over ``principal``, ``action``,
    ``resource`` and ``context``. They are code: write them, never build them from data.

    CWE-862, CWE-863; ASVS 5.0: v5.0.0-8.1.1, v5.0.0-8.2.1, v5.0.0-8.2.2, v5.0.0-8.2.4, v5.0.0-8.3.2, v5.0.0-8.4.1.
    """

    def __init__(self) -> None:
        self._engine = AccessEngine()
        self._counter = 0

    # -- rules ------------------------------------------------------------------------------------------
    def _rule(self, permit: bool, who: Scope, actions: Any, what: Scope, when: str | None, unless: str | None, id: str | None) -> str:
        if id is None:
            self._counter += 1
            id = f"{'permit' if permit else 'forbid'}-{self._counter}"
        wanted: list[Entity] | None
        if actions is ANYTHING:
            wanted = None
        elif isinstance(actions, (str, Entity)):
            wanted = [_action(actions)]
        else:
            wanted = [_action(action) for action in actions]
            if not wanted:
                raise InvalidInput("a rule needs an action, or ANYTHING")
        self._engine.add(id, permit, _scope(who, "principal"), wanted, _scope(what, "resource"), when, unless)
        return id

    def permit(
        self, who: Scope, action: str | Entity | Iterable[str | Entity] | _All, what: Scope, *, when: str | None = None, unless: str | None = None, id: str | None = None
    ) -> str:
        """Allows what no rule forbids; returns the rule's id. An entity stands for itself and all that is inside it."""
        return self._rule(True, who, action, what, when, unless, id)

    def forbid(
        self, who: Scope, action: str | Entity | Iterable[str | Entity] | _All, what: Scope, *, when: str | None = None, unless: str | None = None, id: str | None = None
    ) -> str:
        """Forbids whatever else permits; returns the rule's id. A condition that cannot be evaluated forbids."""
        return self._rule(False, who, action, what, when, unless, id)

    def add_cedar(self, text: str) -> list[str]:
        """Adds policies in Cedar's own language; returns their ids (``@id`` annotations, or ``policyN``).

        >>> Policy().add_cedar('@id("all-read") permit (principal, action == Action::"read", resource);')
        ['all-read']
        """
        return self._engine.add_cedar(text)

    def remove(self, id: str) -> bool:
        """Removes a rule; False when there is none of that id."""
        return self._engine.remove(id)

    def to_cedar(self) -> str:
        """All rules in Cedar's language, for review, diffs and other tools.

        ASVS 5.0: v5.0.0-8.1.1.
        """
        return self._engine.to_cedar()

    def validate(self, schema: str) -> list[str]:
        """What a Cedar schema finds wrong with the rules (misspelt attributes, impossible rules), one line each."""
        return self._engine.validate(schema)

    def __len__(self) -> int:
        return len(self._engine)

    # -- roles and other hierarchies ----------------------------------------------------------------------
    def role(self, name: str, *, inherits: Iterable[str] = ()) -> None:
        """Declares a role that may all that the roles it inherits from may.

        Raises :class:`~pyward_guard.InvalidInput` for a text instead of a list of roles.
        """
        if isinstance(inherits, str):
            raise InvalidInput("inherits is a list of roles: a text alone would be taken letter by letter")
        for other in inherits:
            self._engine.link(Role(name), Role(other))

    def assign(self, who: Entity, role: str) -> None:
        """Gives a role to a user or group."""
        self._engine.link(who, Role(role))

    def withdraw(self, who: Entity, role: str) -> bool:
        """Takes a role away; False when it was not given."""
        return self._engine.unlink(who, Role(role))

    def roles(self, who: Entity) -> list[str]:
        """The roles given directly to a user or group."""
        return sorted(parent.id for parent in self._engine.parents(who) if parent.kind == "Role")

    def put(self, what: Entity, into: Entity) -> None:
        """Puts an entity inside another: a page into a folder, a user into a group, an action into a group of actions."""
        self._engine.link(what, into)

    def take(self, what: Entity, out_of: Entity) -> bool:
        """Undoes :meth:`put`; False when it was not inside."""
        return self._engine.unlink(what, out_of)

    # -- decisions ----------------------------------------------------------------------------------------
    def _ask(
        self,
        principal: Entity | EntityData,
        action: str | Entity,
        resource: Entity | EntityData,
        context: Mapping[str, Any] | None,
        others: Iterable[EntityData],
        explain: bool,
    ) -> Decision:
        if isinstance(principal, Entity):
            who, roles, traits = principal, _NOTHING, None
        else:
            who, roles, traits = principal.entity, list(principal.within), dict(principal.attributes)
        if isinstance(resource, Entity):
            what, folders, fields = resource, _NOTHING, None
        else:
            what, folders, fields = resource.entity, list(resource.within), dict(resource.attributes)
        verb = action if isinstance(action, Entity) else _entity("Action", action)
        more = [(other.entity, list(other.within), dict(other.attributes)) for other in others]
        try:
            allowed, rules, errors = self._engine.decide(
                who, verb, what, roles, traits, folders, fields, dict(context) if context else None, more, explain
            )
        except UnicodeEncodeError:
            raise InvalidInput("an attribute is not valid Unicode") from None
        for rule, problem in errors:
            _log.error("rule %s cannot be evaluated: %s", rule, problem)
        return Decision(allowed, rules, errors, (who, verb, what))

    def decide(
        self,
        principal: Entity | EntityData,
        action: str | Entity,
        resource: Entity | EntityData,
        *,
        context: Mapping[str, Any] | None = None,
        others: Iterable[EntityData] = (),
    ) -> Decision:
        """Whether ``principal`` may do ``action`` to ``resource``, naming one deciding rule.

        ``others`` are further entities whose attributes conditions look at.

        ASVS 5.0: v5.0.0-8.2.2.
        """
        return self._ask(principal, action, resource, context, others, False)

    def explain(
        self,
        principal: Entity | EntityData,
        action: str | Entity,
        resource: Entity | EntityData,
        *,
        context: Mapping[str, Any] | None = None,
        others: Iterable[EntityData] = (),
    ) -> Decision:
        """As :meth:`decide`, naming every rule that took part; ``str`` of it is a sentence.

        ASVS 5.0: v5.0.0-8.1.1.
        """
        return self._ask(principal, action, resource, context, others, True)

    def require(
        self,
        principal: Entity | EntityData,
        action: str | Entity,
        resource: Entity | EntityData,
        *,
        context: Mapping[str, Any] | None = None,
        others: Iterable[EntityData] = (),
    ) -> None:
        """Returns when it is allowed; otherwise logs why and raises :class:`AccessDenied`.

        ASVS 5.0: v5.0.0-8.3.1, v5.0.0-16.3.2.
        """
        decision = self._ask(principal, action, resource, context, others, False)
        if not decision.allowed:
            _log.warning("authz_fail %s", decision)
            raise AccessDenied(decision)

    def check(self, cases: Iterable[Case]) -> list[str]:
        """Runs policy tests; returns a line for each case that came out otherwise than it says.

        ASVS 5.0: v5.0.0-8.1.1.

        >>> policy = Policy()
        >>> policy.check([Case(User("ada"), "read", Entity("Page", "7"), allowed=True)])
        ['expected allowed, but denied: User::"ada" may not read Page::"7": no rule permits it']
        """
        wrong = []
        for case in cases:
            decision = self.explain(case.principal, case.action, case.resource, context=case.context)
            if decision.allowed != case.allowed:
                wrong.append(f"expected {'allowed' if case.allowed else 'denied'}, but {decision}")
        return wrong

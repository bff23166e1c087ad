"""Route rules and outbound connectors, arranged once per snapshot for looking up by the recipient's domain."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from staffetta.settings.model import Settings
from staffetta.settings.objects import OutboundConnector
from staffetta.settings.outbound import all_routes
from staffetta.settings.remembered import Remembered
from staffetta.settings.roads import Route, RouteRule

NULL_PATH = "<>"
_KEPT = 4  # as policy/index.py


class Domains:
    """Patterns of domains: `contoso.com`, `*.contoso.com` for it and below, `*`; `<>` matches a domain of None."""

    __slots__ = ("_any", "_exact", "_trees")

    def __init__(self, patterns: Iterable[str]) -> None:
        kept = {pattern.lower() for pattern in patterns}
        self._any = "*" in kept
        self._exact = frozenset(kept)
        self._trees = any(pattern.startswith("*.") for pattern in kept)

    def hold(self, domain: str | None) -> bool:
        """Whether one of them covers the domain; `*` covers the null path too."""
        if self._any:
            return True
        if domain is None:
            return NULL_PATH in self._exact
        if domain in self._exact:
            return True
        return self._trees and any(pattern in self._exact for pattern in trees_above(domain))


def trees_above(domain: str) -> Iterator[str]:
    """Yield the patterns `*.…` that cover a domain, the most specific first."""
    yield f"*.{domain}"
    while "." in domain:
        domain = domain.partition(".")[2]
        yield f"*.{domain}"


@dataclass(slots=True)
class Rule:
    """A rule made ready. Conditions that it leaves out are None."""

    rule: RouteRule
    senders: Domains | None
    connectors: frozenset[str] | None

    @classmethod
    def of(cls, rule: RouteRule) -> "Rule":
        """Return the rule, made ready."""
        return cls(
            rule,
            Domains(rule.sender_domains) if rule.sender_domains else None,
            frozenset(name.casefold() for name in rule.connectors) if rule.connectors else None,
        )

    def holds(self, sender_domain: str | None, connector: str | None, octets: int) -> bool:
        """Whether the conditions beside the recipient's domain hold. None: the null path; no connector."""
        rule = self.rule
        if octets < rule.octets_min or (rule.octets_max is not None and octets > rule.octets_max):
            return False
        if self.senders is not None and not self.senders.hold(sender_domain):
            return False
        return self.connectors is None or (connector is not None and connector.casefold() in self.connectors)


@dataclass(slots=True)
class ConnectorTable:
    """An organisation's outbound connectors that carry mail, each found by what it serves; the older one where several.

    by_pattern: exact domains and `*.…`. accepted, everything: for all accepted domains, and for all outside.
    """

    by_pattern: dict[str, OutboundConnector] = field(default_factory=dict)
    accepted: OutboundConnector | None = None
    everything: OutboundConnector | None = None
    _via_on_premises: bool = False

    def add(self, connector: OutboundConnector) -> None:
        for pattern in connector.recipient_domains:
            if pattern != "*":
                self.by_pattern.setdefault(pattern.lower(), connector)
        if connector.all_accepted_domains:
            self.accepted = self.accepted or connector
        # Through the organisation's own servers goes before any other way to everybody.
        if connector.route_all_messages_via_on_premises and not self._via_on_premises:
            self.everything, self._via_on_premises = connector, True
        elif "*" in connector.recipient_domains:
            self.everything = self.everything or connector

    def naming(self, domain: str) -> OutboundConnector | None:
        """Return the connector that names the domain most closely; `*` names nothing."""
        if found := self.by_pattern.get(domain):
            return found
        return next((self.by_pattern[tree] for tree in trees_above(domain) if tree in self.by_pattern), None)


@dataclass(slots=True)
class Roads:
    """settings: the snapshot that this was made from. has_sizes: whether any rule looks at the size."""

    settings: Settings
    routes: dict[str, Route]
    rules: list[Rule] = field(default_factory=list)
    rules_by_pattern: dict[str, list[int]] = field(default_factory=dict)
    connectors: dict[str, ConnectorTable] = field(default_factory=dict)
    has_sizes: bool = False

    def rules_for(self, domain: str) -> Iterator[Rule]:
        """Yield the rules whose recipient domains cover this one, in their order."""
        if not self.rules:
            return
        by_pattern = self.rules_by_pattern
        numbers = {*by_pattern.get("*", ()), *by_pattern.get(domain, ())}
        for tree in trees_above(domain):
            numbers.update(by_pattern.get(tree, ()))
        for number in sorted(numbers):
            yield self.rules[number]


_roads: Remembered[int, Roads] = Remembered(_KEPT)


def roads_of(settings: Settings) -> Roads:
    """Return the roads of a snapshot, arranged at their first use."""
    roads = _roads.get(id(settings))
    if roads is None or roads.settings is not settings:
        roads = _build(settings)
        _roads.keep(id(settings), roads)
    return roads


def carries_mail(connector: OutboundConnector) -> bool:
    """Whether the connector may be used for mail at all."""
    return connector.enabled and not connector.test_mode


def _build(settings: Settings) -> Roads:
    roads = Roads(settings, dict(all_routes(settings)))
    idle = {each.name for each in settings.outbound_connectors if not carries_mail(each)}
    usable = roads.routes.keys() - (idle - {route.name for route in settings.routes})
    for rule in sorted(settings.route_rules, key=lambda rule: rule.priority):
        if not rule.enabled or rule.route not in usable:
            continue
        for pattern in rule.recipient_domains or ("*",):
            roads.rules_by_pattern.setdefault(pattern.lower(), []).append(len(roads.rules))
        roads.rules.append(Rule.of(rule))
        roads.has_sizes |= bool(rule.octets_min) or rule.octets_max is not None
    for connector in settings.outbound_connectors:
        if carries_mail(connector) and not connector.is_transport_rule_scoped and connector.name in roads.routes:
            roads.connectors.setdefault(connector.organization, ConnectorTable()).add(connector)
    return roads

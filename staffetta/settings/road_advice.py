"""Roads that no mail takes, although they are switched on: rules and connectors behind others.

What goes before what: policy/route.py. Yields as advice.py does.
"""

from collections.abc import Iterator, Mapping, Sequence

from staffetta.settings.found import Found
from staffetta.settings.model import Settings
from staffetta.settings.objects import OutboundConnector
from staffetta.settings.roads import RouteRule

_EVERYBODY = "*"
_LISTS = ("recipient_domains", "sender_domains", "connectors")


def road_warnings(settings: Settings) -> Found:
    """Yield what an administrator should hear of route rules and outbound connectors."""
    idle = {each.name: each for each in settings.outbound_connectors if not each.enabled or each.test_mode}
    yield from _rules(settings.route_rules, idle)
    named = {rule.route for rule in settings.route_rules if rule.enabled}
    carrying = [
        (index, each)
        for index, each in enumerate(settings.outbound_connectors)
        if each.name not in idle and not each.is_transport_rule_scoped
    ]
    yield from _connectors(carrying)
    for index, connector in enumerate(settings.outbound_connectors):
        if connector.is_transport_rule_scoped and connector.name not in idle and connector.name not in named:
            key = ("outbound_connectors", index, "is_transport_rule_scoped")
            yield key, "no route rule names it, so that no mail takes it"


def _connectors(carrying: Sequence[tuple[int, OutboundConnector]]) -> Found:
    served: dict[tuple[str, str], str] = {}
    for _, connector in carrying:  # through the organisation's own servers goes before any other way to everybody
        if connector.route_all_messages_via_on_premises:
            served.setdefault((connector.organization, _EVERYBODY), connector.name)
    for index, connector in carrying:
        for what in _serves(connector):
            first = served.setdefault((connector.organization, what), connector.name)
            if first != connector.name:
                yield (
                    ("outbound_connectors", index, "recipient_domains"),
                    f"mail for {what} takes {first!r}, which goes before it; leave {what} to one of them",
                )


def _serves(connector: OutboundConnector) -> Iterator[str]:
    yield from dict.fromkeys(pattern.lower() for pattern in connector.recipient_domains)
    if connector.all_accepted_domains:
        yield "all accepted domains"
    if connector.route_all_messages_via_on_premises and _EVERYBODY not in connector.recipient_domains:
        yield _EVERYBODY


def _rules(rules: Sequence[RouteRule], idle: Mapping[str, OutboundConnector]) -> Found:
    """In the order in which they are asked, each with those that hold before it."""
    before: list[tuple[RouteRule, list[frozenset[str]]]] = []
    for index, rule in sorted(enumerate(rules), key=lambda each: each[1].priority):
        if not rule.enabled:
            continue
        if rule.route in idle:
            state = "in test mode" if idle[rule.route].enabled else "off"
            yield ("route_rules", index, "route"), f"{rule.route!r} is {state}, so that the rule does not hold"
            continue
        lists = [frozenset(text.casefold() for text in getattr(rule, key)) for key in _LISTS]
        for other, others in before:
            if _has_sizes_of(other, rule) and all(map(_includes, others, lists)):
                yield (
                    ("route_rules", index, "priority"),
                    f"the rule {other.name!r} is asked before it and takes all of its mail; write a lower priority",
                )
                break
        before.append((rule, lists))


def _has_sizes_of(other: RouteRule, rule: RouteRule) -> bool:
    return other.octets_min <= rule.octets_min and (
        other.octets_max is None or (rule.octets_max is not None and rule.octets_max <= other.octets_max)
    )


def _includes(wide: frozenset[str], narrow: frozenset[str]) -> bool:
    """Whether one list holds for all that another holds for, as far as they tell by themselves; empty: everything."""
    return not wide or _EVERYBODY in wide or (bool(narrow) and narrow <= wide)

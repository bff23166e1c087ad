"""Which roads are told that no mail takes them."""

from pathlib import Path
from typing import Any

import pytest

from staffetta.settings.advice import warnings
from staffetta.settings.model import Settings
from staffetta.settings.objects import ConnectorType, Organization, OutboundConnector
from staffetta.settings.roads import NextHop, Route, RouteRule

ON_PREMISES = {"connector_type": ConnectorType.ON_PREMISES}


def told(*objects: OutboundConnector | RouteRule) -> list[tuple[str, int, str, str]]:
    settings = Settings(
        hostname="relay.contoso.test",
        data_dir=Path("/nowhere"),
        routes=(Route(name="out", next_hops=(NextHop(host="192.0.2.1"),)),),
        organizations=(Organization(name="fabrikam"),),
        outbound_connectors=tuple(each for each in objects if isinstance(each, OutboundConnector)),
        route_rules=tuple(each for each in objects if isinstance(each, RouteRule)),
    )
    return [(str(where[0]), int(where[1]), str(where[2]), text) for where, text in warnings(settings)]


def connector(name: str, *domains: str, **values: Any) -> OutboundConnector:
    return OutboundConnector(name=name, recipient_domains=domains, **values)


def rule(name: str, route: str = "out", **values: Any) -> RouteRule:
    return RouteRule(name=name, route=route, **values)


QUIET: dict[str, tuple[OutboundConnector | RouteRule, ...]] = {
    "different domains": (connector("a", "a.test"), connector("b", "*.a.test", "b.test")),
    "of different organisations": (connector("a", "a.test"), connector("b", "a.test", organization="fabrikam")),
    "one of them off": (connector("a", "a.test", enabled=False), connector("b", "a.test")),
    "one of them in test mode": (connector("a", "a.test"), connector("b", "a.test", test_mode=True)),
    "scoped, and a rule names it": (connector("a", is_transport_rule_scoped=True), rule("r", "a")),
    "the narrower rule first": (rule("a", recipient_domains="a.test"), rule("b")),
    "the wider rule behind by its priority": (rule("a"), rule("b", sender_domains="a.test", priority=1)),
    "lists that only overlap": (
        rule("a", recipient_domains=("a.test", "b.test")),
        rule("b", recipient_domains=("b.test", "c.test")),
    ),
    "other sizes": (rule("a", octets_min=10), rule("b", octets_max=20), rule("c", octets_min=5, octets_max=30)),
    "a wider rule that is off": (rule("a", enabled=False), rule("b", recipient_domains="a.test")),
}
HIDDEN: dict[str, tuple[tuple[OutboundConnector | RouteRule, ...], tuple[str, int, str], str]] = {
    "the same domain twice": (
        (connector("a", "A.test", "b.test"), connector("c", "a.test", "c.test")),
        ("outbound_connectors", 1, "recipient_domains"),
        "mail for a.test takes 'a', which goes before it; leave a.test to one of them",
    ),
    "everybody, behind the own servers": (
        (connector("a", "*"), connector("b", route_all_messages_via_on_premises=True, **ON_PREMISES)),
        ("outbound_connectors", 0, "recipient_domains"),
        "mail for * takes 'b', which goes before it; leave * to one of them",
    ),
    "all accepted domains twice": (
        (
            connector("a", all_accepted_domains=True, **ON_PREMISES),
            connector("b", all_accepted_domains=True, **ON_PREMISES),
        ),
        ("outbound_connectors", 1, "recipient_domains"),
        "mail for all accepted domains takes 'a', which goes before it; leave all accepted domains to one of them",
    ),
    "scoped, and no rule names it": (
        (connector("a", is_transport_rule_scoped=True), rule("off", "a", enabled=False)),
        ("outbound_connectors", 0, "is_transport_rule_scoped"),
        "no route rule names it, so that no mail takes it",
    ),
    "a rule for a connector that is off": (
        (connector("a", "a.test", enabled=False), rule("r", "a")),
        ("route_rules", 0, "route"),
        "'a' is off, so that the rule does not hold",
    ),
    "a rule for a connector in test mode": (
        (connector("a", "a.test", test_mode=True), rule("r", "a")),
        ("route_rules", 0, "route"),
        "'a' is in test mode, so that the rule does not hold",
    ),
    "a rule behind a wider one": (
        (
            rule("narrow", recipient_domains="b.test", connectors="ERP", octets_min=10, octets_max=20),
            rule("wide", recipient_domains=("A.test", "B.test"), octets_min=5, priority=1),
        ),
        ("route_rules", 0, "priority"),
        "the rule 'wide' is asked before it and takes all of its mail; write a lower priority",
    ),
}


@pytest.mark.parametrize("given", QUIET.values(), ids=QUIET.keys())
def test_roads_that_mail_takes_are_not_told_of(given: tuple[OutboundConnector | RouteRule, ...]) -> None:
    assert told(*given) == []


@pytest.mark.parametrize(("given", "where", "text"), HIDDEN.values(), ids=HIDDEN.keys())
def test_a_road_that_no_mail_takes_is_told(
    given: tuple[OutboundConnector | RouteRule, ...], where: tuple[str, int, str], text: str
) -> None:
    assert told(*given) == [(*where, text)]

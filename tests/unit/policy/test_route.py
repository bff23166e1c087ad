"""Which road a recipient takes: rules, connectors, accepted domains and the default, in this order."""

from typing import Any

import pytest

from staffetta.mail.address import parse_mailbox
from staffetta.policy.decision import Attribution
from staffetta.policy.route import RoutedTo, depends_on_size, has_road, route
from staffetta.settings.model import Settings
from staffetta.settings.objects import AcceptedDomain, ConnectorType, InboundConnector, OutboundConnector
from staffetta.settings.roads import NO_ROUTE, NextHop, Route, RouteRule, Transport

HOPS = (NextHop(host="192.0.2.1"),)
ON_PREMISES = {"connector_type": ConnectorType.ON_PREMISES}
ERP = InboundConnector(name="ERP", sender_accounts=("erp",))
WORLD = InboundConnector(name="World", sender_accounts=("world",), organization="fabrikam")

RULES = (
    RouteRule(name="late", route="direct", recipient_domains=("slow.test",), priority=200),
    RouteRule(name="archive", route="archive", recipient_domains=("slow.test",), octets_min=1000),
    RouteRule(name="tree", route="archive", recipient_domains=("*.tree.test",)),
    RouteRule(name="invoices", route="archive", recipient_domains=("customer.test",), connectors=("erp",)),
    RouteRule(name="bounces", route="archive", recipient_domains=("bounce.test",), sender_domains=("<>",)),
    RouteRule(name="branch", route="archive", sender_domains=("*.branch.test",)),
    RouteRule(name="off", route="archive", recipient_domains=("plain.test",), enabled=False),
    RouteRule(name="to a scoped one", route="scoped", recipient_domains=("scoped.test",)),
    RouteRule(name="to an idle one", route="disabled", recipient_domains=("idle.test",)),
)

CONNECTORS = (
    OutboundConnector(name="disabled", recipient_domains=("partner.test",), enabled=False),
    OutboundConnector(name="tested", recipient_domains=("partner.test",), test_mode=True),
    OutboundConnector(name="scoped", recipient_domains=("partner.test",), is_transport_rule_scoped=True),
    OutboundConnector(name="internet", recipient_domains=("*",), smart_hosts=("192.0.2.9",), use_mx_record=False),
    OutboundConnector(name="below", recipient_domains=("*.partner.test",), smart_hosts="h.test", use_mx_record=False),
    OutboundConnector(name="partner", recipient_domains=("partner.test", "x.deep.partner.test")),
    OutboundConnector(name="deep", recipient_domains=("*.deep.partner.test",)),
    OutboundConnector(name="by route", recipient_domains=("graph.test",), route="direct"),
    OutboundConnector(name="own", recipient_domains=("office.test",)),
    OutboundConnector(name="accepted", all_accepted_domains=True, **ON_PREMISES),
    OutboundConnector(name="theirs", recipient_domains=("*", "contoso.test"), organization="fabrikam"),
)


def settings(**changes: Any) -> Settings:
    kept: dict[str, Any] = {
        "hostname": "relay.test",
        "data_dir": "/nowhere",
        "routes": (
            Route(name="mailboxes", next_hops=HOPS),
            Route(name="archive", next_hops=HOPS),
            Route(name="out", next_hops=HOPS),
            Route(name="direct", transport=Transport.MX),
        ),
        "accepted_domains": (
            AcceptedDomain(name="contoso.test", route="mailboxes"),
            AcceptedDomain(name="office.test", route="mailboxes"),
            AcceptedDomain(name="fabrikam.test", route="mailboxes", organization="fabrikam"),
        ),
        "default_route": "out",
        "route_rules": RULES,
        "outbound_connectors": CONNECTORS,
    }
    return Settings.model_validate({**kept, **changes})


BY = Attribution(ERP, None, "default")
BY_FABRIKAM = Attribution(WORLD, None, "fabrikam")
CASES = {
    "a rule by exact domain, by size": ("slow.test", {"octets": 1000}, RoutedTo("archive", "archive", "archive")),
    "the next rule, to the exchangers": ("slow.test", {"octets": 999}, RoutedTo("direct", "slow.test", "late")),
    "no size known: a small message": ("slow.test", {}, RoutedTo("direct", "slow.test", "late")),
    "a rule for a tree, its top": ("tree.test", {}, RoutedTo("archive", "archive", "tree")),
    "a rule for a tree, below": ("a.b.tree.test", {}, RoutedTo("archive", "archive", "tree")),
    "no tree by its letters": ("wood-tree.test", {}, RoutedTo("internet", "internet", None, "internet")),
    "a rule by inbound connector": ("customer.test", {}, RoutedTo("archive", "archive", "invoices")),
    "the same from another": (
        "customer.test",
        {"attribution": None},
        RoutedTo("internet", "internet", None, "internet"),
    ),
    "a rule by the null path": ("bounce.test", {"sender": None}, RoutedTo("archive", "archive", "bounces")),
    "the same with a sender": ("bounce.test", {}, RoutedTo("internet", "internet", None, "internet")),
    "a rule by sender before an accepted domain": (
        "contoso.test",
        {"sender": parse_mailbox("a@x.branch.test")},
        RoutedTo("archive", "archive", "branch"),
    ),
    "a rule that is off": ("plain.test", {}, RoutedTo("internet", "internet", None, "internet")),
    "a rule to a connector that only rules use": (
        "scoped.test",
        {},
        RoutedTo("scoped", "scoped.test", "to a scoped one"),
    ),
    "a rule to a connector that is off": ("idle.test", {}, RoutedTo("internet", "internet", None, "internet")),
    "a connector by exact domain": ("partner.test", {}, RoutedTo("partner", "partner.test", None, "partner")),
    "a connector by tree": ("a.partner.test", {}, RoutedTo("below", "below", None, "below")),
    "the closer tree": ("a.deep.partner.test", {}, RoutedTo("deep", "a.deep.partner.test", None, "deep")),
    "the exact one before its tree": (
        "x.deep.partner.test",
        {},
        RoutedTo("partner", "x.deep.partner.test", None, "partner"),
    ),
    "a connector with a route is that route": ("graph.test", {}, RoutedTo("direct", "graph.test", None, "by route")),
    "a connector that names an accepted domain": ("office.test", {}, RoutedTo("own", "office.test", None, "own")),
    "a connector for accepted domains": ("contoso.test", {}, RoutedTo("accepted", "contoso.test", None, "accepted")),
    "everybody's connector": ("example.org", {}, RoutedTo("internet", "internet", None, "internet")),
    "everybody's connector takes no accepted domain": ("fabrikam.test", {}, RoutedTo("mailboxes", "mailboxes")),
    "whose sender is whose road": (
        "example.org",
        {"attribution": BY_FABRIKAM},
        RoutedTo("theirs", "example.org", None, "theirs"),
    ),
    "nobody routes another's accepted domain": (
        "contoso.test",
        {"attribution": BY_FABRIKAM},
        RoutedTo("accepted", "contoso.test", None, "accepted"),
    ),
}


@pytest.mark.parametrize(("domain", "given", "expected"), CASES.values(), ids=CASES.keys())
def test_a_recipient_takes_the_road_that(domain: str, given: dict[str, Any], expected: RoutedTo) -> None:
    facts: dict[str, Any] = {"attribution": BY, "sender": parse_mailbox("erp@contoso.test"), **given}
    assert route(parse_mailbox(f"ada@{domain}"), facts.pop("attribution"), settings(), **facts) == expected


def test_without_rules_and_connectors_it_is_the_domain_s_route_and_the_default() -> None:
    plain = settings(route_rules=(), outbound_connectors=())
    assert route(parse_mailbox("ada@contoso.test"), BY, plain) == RoutedTo("mailboxes", "mailboxes")
    assert route(parse_mailbox("ada@example.org"), BY, plain) == RoutedTo("out", "out")
    assert not depends_on_size(plain)
    assert depends_on_size(settings())


def test_through_the_organization_s_own_servers_goes_before_everybody_s_connector() -> None:
    own = OutboundConnector(name="through us", route_all_messages_via_on_premises=True, **ON_PREMISES)
    given = settings(outbound_connectors=(*CONNECTORS, own))
    assert route(parse_mailbox("ada@example.org"), BY, given).connector == "through us"
    assert route(parse_mailbox("ada@partner.test"), BY, given).connector == "partner"


def test_no_road_is_said_as_such() -> None:
    none = settings(route_rules=(), outbound_connectors=(), default_route=None)
    assert route(parse_mailbox("ada@example.org"), BY, none).route == NO_ROUTE
    assert not has_road(parse_mailbox("ada@example.org"), BY, none)
    assert has_road(parse_mailbox("ada@example.org"), BY, settings(default_route=None))

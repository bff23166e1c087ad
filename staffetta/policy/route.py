"""Where a recipient belongs: the name of a route, and the destination that the queue groups it by.

The order: 1. route rules, the first that holds. 2. The outbound connector that names the recipient's domain most
closely. Then, for an accepted domain: 3. a connector for all accepted domains; 4. the domain's own route. For all
others: 3. the connector for everybody, through the organisation's own servers before `*`; 4. default_route.
Connectors are those of the organisation that the recipient's domain belongs to; outside, of whoever sends
(docs/decisions/050-rules-connectors-routes.md).
"""

from dataclasses import dataclass

from staffetta.mail.address import Mailbox
from staffetta.policy.decision import Attribution
from staffetta.policy.domain import accepted_domain
from staffetta.policy.roads import roads_of
from staffetta.settings.model import Settings
from staffetta.settings.objects import DEFAULT_ORGANIZATION, AcceptedDomain, OutboundConnector
from staffetta.settings.roads import NO_ROUTE, Transport


@dataclass(frozen=True, slots=True)
class RoutedTo:
    """route: what find_route() takes. destination: the recipient's domain where its exchangers are the next hops, else
    the route's name: fixed next hops are one destination.

    rule: the route rule that chose it; connector: the outbound connector; both None: the domain's route or the default.
    """

    route: str
    destination: str
    rule: str | None = None
    connector: str | None = None


def route(
    mailbox: Mailbox,
    attribution: Attribution | None,
    settings: Settings,
    *,
    sender: Mailbox | None = None,
    octets: int | None = None,
) -> RoutedTo:
    """Return the road for a recipient.

    attribution: None for our own notifications. sender: the reverse-path as it leaves. octets: the message's size as
    received; None where nobody has said it yet: then it is taken for a small one.
    """
    roads = roads_of(settings)
    connector = attribution.connector.name if attribution is not None and attribution.connector is not None else None
    for rule in roads.rules_for(mailbox.domain):
        if rule.holds(sender.domain if sender is not None else None, connector, octets or 0):
            return _to(mailbox, rule.rule.route, settings, rule=rule.rule.name)
    domain = accepted_domain(mailbox.domain, settings)
    if roads.connectors:
        chosen = _connector(mailbox, domain, attribution, settings)
        if chosen is not None:
            return _to(mailbox, chosen.route or chosen.name, settings, connector=chosen.name)
    return _to(mailbox, domain.route if domain is not None else settings.default_route or NO_ROUTE, settings)


def by_route(mailbox: Mailbox, name: str, settings: Settings) -> RoutedTo:
    """Return the road where somebody says by which route."""
    return _to(mailbox, name, settings)


def has_road(
    mailbox: Mailbox, attribution: Attribution | None, settings: Settings, *, sender: Mailbox | None = None
) -> bool:
    """Whether the settings say at all where mail to this recipient goes."""
    return route(mailbox, attribution, settings, sender=sender).route != NO_ROUTE


def depends_on_size(settings: Settings) -> bool:
    """Whether the road may be another one once the size is known."""
    return roads_of(settings).has_sizes


def _connector(
    mailbox: Mailbox, domain: AcceptedDomain | None, attribution: Attribution | None, settings: Settings
) -> OutboundConnector | None:
    if domain is not None:
        organization = domain.organization
    else:
        organization = (attribution.organization if attribution is not None else None) or DEFAULT_ORGANIZATION
    table = roads_of(settings).connectors.get(organization)
    if table is None:
        return None
    return table.naming(mailbox.domain) or (table.accepted if domain is not None else table.everything)


def _to(
    mailbox: Mailbox, name: str, settings: Settings, *, rule: str | None = None, connector: str | None = None
) -> RoutedTo:
    found = roads_of(settings).routes.get(name)
    by_domain = found is not None and found.transport is Transport.MX
    return RoutedTo(name, mailbox.domain if by_domain else name, rule, connector)

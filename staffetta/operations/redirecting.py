"""Other roads for what waits already: the one that an administrator names, or the one that it would take today.

Rule 1: an administrator of one organisation sends its mail by that organisation's outbound connectors, and by the
routes that it was given.
Rule 2: mail is sent by no road that is switched off or for tests.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from staffetta.mail.address import AddressError, Mailbox, parse_mailbox
from staffetta.operations.errors import BadParameter
from staffetta.operations.registry import Context
from staffetta.policy.decision import Attribution
from staffetta.policy.domain import accepted_domain
from staffetta.policy.roads import carries_mail
from staffetta.policy.route import route
from staffetta.settings.model import Settings
from staffetta.settings.outbound import all_routes
from staffetta.settings.roads import NO_ROUTE, Transport
from staffetta.trace.waiting import Waiting

EVERY_ROUTE = "*"

_EVERY_ROUTE = "*"


@dataclass(frozen=True, slots=True)
class NewRoad:
    """route: what find_route() takes. destination: None: each recipient's domain."""

    route: str
    destination: str | None


def new_road(context: Context, name: str) -> NewRoad:
    """Return the road of this name, in any case of letters. Raises BadParameter."""
    settings = context.settings
    roads = all_routes(settings)
    usable = {each.casefold(): each for each in roads if may_use(context, each)}
    found = usable.get(name.strip().casefold())
    if found is None:
        there = ", ".join(sorted(usable.values())) or "none"
        raise BadParameter(f"There is no road '{name}' that mail can take. There is: {there}.", parameter="ToRoute")
    return NewRoad(found, None if roads[found].transport is Transport.MX else found)


def may_use(context: Context, name: str) -> bool:
    """Whether the caller may send mail by this road."""
    organization = context.caller.organization
    connectors = [each for each in context.settings.outbound_connectors if each.name == name]
    if connectors and not any(carries_mail(each) for each in connectors):
        return organization is None and any(each.name == name for each in context.settings.routes)
    return organization is None or is_own(context, name) or name in _given(context, organization)


def is_own(context: Context, name: str) -> bool:
    """Whether it is a road of the caller's organisation alone."""
    return any(
        each.name == name and each.route is None and each.organization == context.caller.organization
        for each in context.settings.outbound_connectors
    )


def _given(context: Context, organization: str) -> set[str]:
    """The routes that its administrators may name."""
    routes = {name for each in context.settings.organizations if each.name == organization for name in each.routes}
    return {each.name for each in context.settings.routes} if _EVERY_ROUTE in routes else routes


def roads_of_today(settings: Settings, chosen: Sequence[Waiting]) -> dict[tuple[str, str], list[Waiting]]:
    """Return where recipients belong by the settings of now, grouped by route and destination.

    What no road is there for, and what no longer has the form of an address, stays where it is.
    """
    found: defaultdict[tuple[str, str], list[Waiting]] = defaultdict(list)
    for each in chosen:
        found[_road_of_today(settings, each)].append(each)
    return found


def _road_of_today(settings: Settings, row: Waiting) -> tuple[str, str]:
    sender = _mailbox(row.sender)
    recipient = _mailbox(row.recipient)
    if recipient is None:
        return row.route, row.destination
    routed = route(recipient, _attribution(settings, row, sender), settings, sender=sender, octets=row.size)
    return (row.route, row.destination) if routed.route == NO_ROUTE else (routed.route, routed.destination)


def _attribution(settings: Settings, row: Waiting, sender: Mailbox | None) -> Attribution | None:
    """What is still known of whose mail it was: its connector, or the organisation of its sender's domain."""
    connector = next((each for each in settings.inbound_connectors if each.name == row.connector), None)
    if connector is not None:
        return Attribution(connector, None, connector.organization, (), row.received_at)
    domain = accepted_domain(sender.domain, settings) if sender is not None else None
    return Attribution(None, None, domain.organization if domain else None, (), row.received_at)


def _mailbox(text: str) -> Mailbox | None:
    try:
        return parse_mailbox(text) if text else None
    except AddressError:
        return None

"""Where a recipient belongs: the name of a route, and the destination that the queue groups it by."""

from dataclasses import dataclass

from staffetta.mail.address import Mailbox
from staffetta.policy.decision import Attribution
from staffetta.policy.domain import accepted_domain
from staffetta.settings.model import Settings
from staffetta.settings.roads import NO_ROUTE


@dataclass(frozen=True, slots=True)
class RoutedTo:
    """route: name in the settings. destination: a route with fixed next hops is one destination, named as the route."""

    route: str
    destination: str


def route(mailbox: Mailbox, attribution: Attribution | None, settings: Settings) -> RoutedTo:
    """Return the road for a recipient. attribution: None for our own notifications."""
    domain = accepted_domain(mailbox.domain, settings)
    name = domain.route if domain is not None else settings.default_route or NO_ROUTE
    return RoutedTo(name, name)

"""What several checks ask about the roads out."""

from collections.abc import Sequence

from staffetta.settings.model import Settings
from staffetta.settings.outbound import all_routes
from staffetta.settings.roads import Preset, Route, Transport

PROTECTION = ".mail.protection.outlook.com"
"""Endpoints of Exchange Online whose label is a domain's name with dashes; newer ones are below mx.microsoft."""

_ENDPOINTS = (PROTECTION, ".mx.microsoft")


def roads(settings: Settings) -> Sequence[Route]:
    """Return every road once, as it is travelled: of routes and of outbound connectors without one."""
    return list({route.name: route for route in all_routes(settings).values()}.values())


def faces_exchange(route: Route) -> bool:
    """Whether a route leads to a connector of Exchange Online."""
    is_there = any(hop.host.lower().endswith(_ENDPOINTS) for hop in route.next_hops)
    return is_there or route.preset is Preset.EXCHANGE_CONNECTOR


def shows_our_address(settings: Settings) -> bool:
    """Whether some road leads to port 25 of those who judge us by our address: exchangers, Exchange's connector."""
    return any(each.transport is Transport.MX or faces_exchange(each) for each in roads(settings))


def asks_dnssec(settings: Settings) -> bool:
    """Whether some road honours DANE, which needs a resolver that validates."""
    return any(each.transport is Transport.MX and each.dane for each in roads(settings))

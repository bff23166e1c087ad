"""The Courier that the queue is given: carries each consignment as its route says."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from staffetta.delivery.exchange import Exchange
from staffetta.delivery.graph import GraphCourier
from staffetta.delivery.hops import NextHops
from staffetta.delivery.maildir import MaildirCourier
from staffetta.delivery.oauth import AccessTokens
from staffetta.delivery.outcomes import unreadable_outcome
from staffetta.delivery.reheading import without_internal_fields
from staffetta.delivery.smtp_courier import SmtpCourier
from staffetta.mail.consignment import BeforeData, Consignment
from staffetta.mail.outcome import Deferred, Outcome, Stage
from staffetta.settings.model import Settings
from staffetta.settings.outbound import all_routes, find_route
from staffetta.settings.roads import Route, Transport


class Couriers:
    """mail.consignment.Courier for all transports.

    get_settings: returns the snapshot of now; an attempt keeps the one it began with.
    tokens: for whoever logs in with access tokens. hops: the health of next hops.
    exchange, tls_tally: of mail by MX.
    Belongs to the event loop that calls it.
    """

    def __init__(
        self,
        get_settings: Callable[[], Settings],
        *,
        hops: NextHops | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        self._get_settings = get_settings
        self._announced = get_settings()
        self.hops = hops or NextHops()
        self.hops.announce(all_routes(self._announced))
        self.tokens = AccessTokens(get_settings)
        self._graph = GraphCourier(self.tokens)
        self._smtp = SmtpCourier(self.tokens, self.hops, exchange)
        self.exchange, self.tls_tally = self._smtp.exchange, self._smtp.tally
        self._maildir = MaildirCourier()

    async def __call__(self, consignment: Consignment, before_data: BeforeData) -> Sequence[Outcome]:
        """Try once, and return one outcome per recipient, in the envelope's order. Raises nothing but our own bugs."""
        settings = self._get_settings()
        if settings is not self._announced:
            self._announced = settings
            self.hops.announce(all_routes(settings))
        route = find_route(settings, consignment.route)
        if route is None:
            # A reload took it away. The mail waits: the administrator may have meant to rename it.
            return _misconfigured(consignment, f"the settings have no route {consignment.route}")
        if not route.internal_fields:
            try:
                content = await without_internal_fields(consignment.content)
            except OSError as error:
                return [unreadable_outcome(error)] * len(consignment.envelope.recipients)
            consignment = replace(consignment, content=content)
        return await self._carry(settings, route, consignment, before_data)

    async def close(self) -> None:
        """Say QUIT on idle connections, and finish what is being written to mailboxes."""
        await self._smtp.close()
        await self._maildir.close()
        await self._graph.close()
        await self.tokens.close()

    async def _carry(
        self, settings: Settings, route: Route, consignment: Consignment, before_data: BeforeData
    ) -> Sequence[Outcome]:
        if route.transport is Transport.GRAPH:
            return await self._graph.carry(settings, route, consignment, before_data)
        if route.transport is not Transport.MAILDIR:
            return await self._smtp.carry(settings, route, consignment, before_data)
        if route.path is None:
            return _misconfigured(consignment, f"the route {route.name} has no path for its mailboxes")
        return await self._maildir.carry(route.path, settings.hostname, consignment, before_data)


def _misconfigured(consignment: Consignment, diagnostic: str) -> Sequence[Outcome]:
    """RFC 3463 §3.4: X.3.5, system incorrectly configured."""
    outcome = Deferred(status="4.3.5", diagnostic=diagnostic, stage=Stage.ROUTE, is_destination_trouble=True)
    return [outcome] * len(consignment.envelope.recipients)

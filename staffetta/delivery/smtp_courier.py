"""Carries a consignment to the next hops of a route, by SMTP or LMTP.

In which order hops.py says, and when one leads to the next failover.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from staffetta.delivery.channel import Channel
from staffetta.delivery.connections import Connections
from staffetta.delivery.demands import Unfit, fit_content, unfit_recipient
from staffetta.delivery.exchange import Exchange
from staffetta.delivery.failover import carry_in_turn
from staffetta.delivery.hops import NextHops
from staffetta.delivery.login import Tokens
from staffetta.delivery.mx import Exchanger, NoExchanger
from staffetta.delivery.opening import Hop, Means, Timeouts, hop_of, open_channel
from staffetta.delivery.outcomes import transaction_outcomes, unreadable_outcome, unroutable_outcome
from staffetta.delivery.requiretls import TlsWish, wish_of
from staffetta.delivery.session_watch import SessionWatch
from staffetta.delivery.tls_tally import TlsTally
from staffetta.delivery.transport import carry
from staffetta.delivery.trouble import HopTrouble
from staffetta.mail.consignment import BeforeData, Consignment
from staffetta.mail.envelope import Recipient
from staffetta.mail.outcome import Contact, Deferred, Failed, Outcome, Stage
from staffetta.settings.model import Delivery, Settings
from staffetta.settings.roads import NextHop, Route, Transport
from staffetta.smtp.capabilities import Capabilities
from staffetta.smtp.client import SERVICE_CLOSING
from staffetta.smtp.client_commands import mail_command, rcpt_command

RECIPIENTS_PER_TRANSACTION = 100  # what every server must take, RFC 5321 §4.5.3.1.8


@dataclass(slots=True)
class _Errand:
    """One consignment under way, and what stays the same for all its transactions."""

    consignment: Consignment
    before_data: BeforeData
    means: Means
    announced: Contact | None = None

    @property
    def delivery(self) -> Delivery:
        return self.means.settings.delivery

    @property
    def timeouts(self) -> Timeouts:
        return self.means.timeouts

    async def announce(self, contact: Contact) -> None:
        """Have the attempt on disk; once for each next hop, however many transactions it takes."""
        if self.announced != contact:
            await self.before_data(contact)
            self.announced = contact


class SmtpCourier:
    """See the head of this file. Keeps the connections, and knows the health of next hops.

    tokens: for routes that log in with access tokens.
    """

    def __init__(self, tokens: Tokens, hops: NextHops, exchange: Exchange | None = None) -> None:
        self._hops = hops
        self._tokens = tokens
        self.exchange = exchange or Exchange()
        self.tally = TlsTally()
        self._connections = Connections()

    async def carry(
        self, settings: Settings, route: Route, consignment: Consignment, before_data: BeforeData
    ) -> Sequence[Outcome]:
        """Try once, and return one outcome per recipient, in the envelope's order."""
        errand = _Errand(consignment, before_data, Means(settings, self._tokens))
        recipients = consignment.envelope.recipients
        outcomes: dict[int, Outcome] = {}
        for numbers in _transactions(recipients, is_by_domain=route.transport is Transport.MX):
            some = [recipients[number] for number in numbers]
            try:
                carried = await self._carry_to_route(errand, route, some)
            except OSError as error:  # of the content: what an earlier transaction delivered stays delivered
                carried = [unreadable_outcome(error)] * len(some)
            outcomes.update(zip(numbers, carried, strict=True))
        return [outcomes[number] for number in range(len(recipients))]

    async def close(self) -> None:
        """Let go of idle connections."""
        self._connections.close()
        await self.exchange.close()

    async def _carry_to_route(
        self, errand: _Errand, route: Route, recipients: Sequence[Recipient]
    ) -> Sequence[Outcome]:
        if route.transport is Transport.MX:
            return await self._carry_to_exchangers(errand, route, recipients)
        wish = TlsWish(is_required=errand.consignment.envelope.require_tls)

        async def carry_to(next_hop: NextHop, some: Sequence[Recipient]) -> Sequence[Outcome]:
            hop = hop_of(route, next_hop)
            if route.transport is Transport.SMTP:
                hop = replace(hop, tls=wish.raised(hop.tls))
            try:
                outcomes = await self._carry_to_hop(errand, hop, some)
            except HopTrouble as trouble:
                if not wish.is_required:  # what one message asks for says nothing about the others
                    self._hops.unwell(route, next_hop, trouble)
                raise
            self._hops.well(route, next_hop)
            return outcomes

        in_turn = ((hop.host, hop) for hop in self._hops.in_turn(route))
        return await carry_in_turn(in_turn, carry_to, recipients, _none(route))

    async def _carry_to_exchangers(
        self, errand: _Errand, route: Route, recipients: Sequence[Recipient]
    ) -> Sequence[Outcome]:
        """Carry to recipients of one domain, by the first of its exchangers that is of use."""
        settings = errand.means.settings
        try:
            destination = await self.exchange.find(recipients[0].mailbox.domain, route, settings)
        except NoExchanger as error:
            return [unroutable_outcome(error)] * len(recipients)
        wish = await wish_of(errand.consignment.envelope, errand.consignment.content)

        async def carry_to(exchanger: Exchanger, some: Sequence[Recipient]) -> Sequence[Outcome]:
            watch = SessionWatch(self.tally, destination, exchanger, settings)
            try:
                watch.hop = hop = await self.exchange.hop(destination, exchanger, route, settings, wish)
                return await self._carry_to_hop(errand, hop, some, exchanger.addresses, watch)
            except HopTrouble as trouble:
                watch.failed(trouble)
                raise

        in_turn = ((exchanger.host, exchanger) for exchanger in destination.exchangers.hosts)
        return await carry_in_turn(in_turn, carry_to, recipients, _none(route))

    async def _carry_to_hop(
        self,
        errand: _Errand,
        hop: Hop,
        recipients: Sequence[Recipient],
        addresses: Sequence[str] | None = None,
        watch: SessionWatch | None = None,
    ) -> Sequence[Outcome]:
        """Use a kept connection; where the hop has closed it meanwhile, open a new one. Raises HopTrouble.

        watch: hears of a new one.
        """
        channel = self._connections.take(hop)
        if channel is not None:
            try:
                return await self._carry_on(errand, hop, channel, recipients)
            except HopTrouble:
                if not _was_stale(channel):
                    raise
        channel = await open_channel(hop, errand.means, addresses)
        if watch is not None:
            await watch.opened(channel)
        return await self._carry_on(errand, hop, channel, recipients)

    async def _carry_on(
        self, errand: _Errand, hop: Hop, channel: Channel, recipients: Sequence[Recipient]
    ) -> Sequence[Outcome]:
        """Carry to these recipients on this channel, and keep it if it is still good. Raises HopTrouble."""
        with channel:
            outcomes = await _carry_fitting(errand, channel, recipients)
        self._connections.give_back(
            hop,
            channel,
            idle_seconds=errand.delivery.idle_connection_seconds,
            messages_max=errand.delivery.messages_per_connection_max,
        )
        return outcomes


def _transactions(recipients: Sequence[Recipient], *, is_by_domain: bool) -> list[list[int]]:
    """Part the recipients, by their numbers, into as many as one transaction may have, or those of one domain."""
    groups: dict[str, list[int]] = {}
    for number, recipient in enumerate(recipients):
        groups.setdefault(recipient.mailbox.domain if is_by_domain else "", []).append(number)
    size = RECIPIENTS_PER_TRANSACTION
    return [numbers[start : start + size] for numbers in groups.values() for start in range(0, len(numbers), size)]


def _was_stale(channel: Channel) -> bool:
    """Whether a kept connection failed before the hop had done anything for this message."""
    transaction = channel.session.transaction
    return transaction is None or transaction.mail is None or transaction.mail.code == SERVICE_CLOSING


async def _carry_fitting(errand: _Errand, channel: Channel, recipients: Sequence[Recipient]) -> Sequence[Outcome]:
    """Carry to those recipients that the hop can be told of; the others fail here."""
    capabilities = channel.session.capabilities
    unfit = [unfit_recipient(recipient, capabilities) for recipient in recipients]
    fit = [recipient for recipient, fault in zip(recipients, unfit, strict=True) if fault is None]
    try:
        carried = iter(await _transact(errand, channel, fit) if fit else ())
    except Unfit as fault:
        return [_failed(channel, fault)] * len(recipients)
    return [next(carried) if fault is None else _failed(channel, fault) for fault in unfit]


async def _transact(errand: _Errand, channel: Channel, recipients: Sequence[Recipient]) -> list[Outcome]:
    """Make one transaction. Raises Unfit, and HopTrouble where the hop was of no use before the content's end."""
    envelope, content = errand.consignment.envelope, errand.consignment.content
    capabilities: Capabilities = channel.session.capabilities
    if envelope.require_tls and not capabilities.requiretls and not channel.session.is_lmtp:
        raise HopTrouble("5.7.30", "REQUIRETLS is what the message asks for, and the next hop lacks", Stage.EHLO)
    fitted = await fit_content(envelope, content, capabilities)
    mail = mail_command(envelope, capabilities, size=fitted.content.size, has_eight_bit=fitted.has_eight_bit)
    commands = [rcpt_command(recipient, capabilities) for recipient in recipients]

    async def announce() -> None:
        await errand.announce(channel.contact)

    try:
        transaction = await carry(channel, mail, commands, fitted.content, announce, errand.timeouts)
    except HopTrouble as trouble:
        broken = channel.session.transaction
        if broken is None or not broken.is_content_complete or not broken.accepted_count:
            raise
        return transaction_outcomes(channel, broken, len(recipients), trouble)
    return transaction_outcomes(channel, transaction, len(recipients))


def _none(route: Route) -> Deferred:
    return Deferred(
        status="4.3.5",
        diagnostic=f"the route {route.name} has no next hop",
        stage=Stage.ROUTE,
        is_destination_trouble=True,
    )


def _failed(channel: Channel, fault: Unfit) -> Failed:
    return Failed(
        status=fault.status,
        diagnostic=fault.diagnostic,
        stage=Stage.MAIL,
        host=channel.host,
        address=channel.address,
        tls=channel.tls,
    )

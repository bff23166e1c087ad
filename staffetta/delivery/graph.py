"""Carries a consignment through Microsoft Graph: one request where it fits, else a draft and upload sessions.

Rule 1: the attempt is on disk before the request that sends; what comes before that request can be thrown away.
Rule 2: a message is sent by one request, and that is not repeated here whatever comes of it.
Rule 3: Exchange keeps a copy in Sent Items; with MIME nobody can tell it not to.
"""

import base64
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote, urlsplit

from staffetta.delivery.graph_drafts import send_in_pieces
from staffetta.delivery.graph_message import address
from staffetta.delivery.graph_outcomes import of_lost_answer, of_missing_token
from staffetta.delivery.graph_requests import GraphRequests, NoAnswer
from staffetta.delivery.graph_sending import MIME_OCTETS_MAX, Sending, Stopped, never
from staffetta.delivery.oauth import AccessTokens, TokenUnavailable
from staffetta.delivery.outcomes import unreadable_outcome
from staffetta.delivery.reheading import Reheaded, header_of
from staffetta.mail.address import AddressError, Mailbox, parse_mailbox
from staffetta.mail.consignment import BeforeData, Consignment
from staffetta.mail.content import Content
from staffetta.mail.envelope import Envelope
from staffetta.mail.outcome import Contact, Deferred, Delivered, Outcome, Stage
from staffetta.settings.model import Delivery, Settings
from staffetta.settings.roads import Route

RECIPIENTS_MAX = 500  # of one message: Exchange Online's default, which an administrator may set from 1 to 1000


class GraphCourier:
    """See the head of this file."""

    def __init__(self, tokens: AccessTokens) -> None:
        self._tokens = tokens
        self._requests: dict[tuple[float, float], GraphRequests] = {}

    async def carry(
        self, settings: Settings, route: Route, consignment: Consignment, before_data: BeforeData
    ) -> Sequence[Outcome]:
        """Try once, and return one outcome per recipient, in the envelope's order."""
        envelope = consignment.envelope
        try:
            mailbox = _mailbox(route, envelope)
            sending = self._sending(settings, route, consignment, before_data, mailbox)
        except Stopped as stopped:
            return [stopped.outcome] * len(envelope.recipients)
        outcomes: list[Outcome] = []
        for start in range(0, len(envelope.recipients), RECIPIENTS_MAX):
            some = replace(envelope, recipients=envelope.recipients[start : start + RECIPIENTS_MAX])
            outcomes += [await _send(sending, consignment.content, some, mailbox)] * len(some.recipients)
        return outcomes

    async def close(self) -> None:
        """Let go of connections."""
        for requests in self._requests.values():
            await requests.close()

    def _sending(
        self, settings: Settings, route: Route, consignment: Consignment, before_data: BeforeData, mailbox: Mailbox
    ) -> Sending:
        """Raises Stopped."""
        if route.token_source is None:
            raise Stopped(_misconfigured(f"the route {route.name} has no token_source"))
        host = urlsplit(route.graph_endpoint).hostname or route.graph_endpoint
        is_announced = False

        async def announce() -> None:
            nonlocal is_announced
            if not is_announced:
                await before_data(Contact(host=host))
                is_announced = True

        return Sending(
            requests=self._requests_for(settings.delivery),
            source=route.token_source,
            host=host,
            mailbox_url=f"{route.graph_endpoint.rstrip('/')}/users/{quote(mailbox.text, safe='@')}",
            is_own_mailbox=route.graph_mailbox is not None,
            queue_id=consignment.queue_id,
            announce=announce,
        )

    def _requests_for(self, delivery: Delivery) -> GraphRequests:
        times = (delivery.connect_timeout_seconds, delivery.reply_timeout_seconds)
        if times not in self._requests:
            self._requests[times] = GraphRequests(self._tokens, *times)
        return self._requests[times]


def _mailbox(route: Route, envelope: Envelope) -> Mailbox:
    """The mailbox that sends. Raises Stopped where there is none, or the message is nothing for Graph."""
    if envelope.require_tls:
        # RFC 8689 §4.2.1: it would travel on from Exchange without the demand.
        raise Stopped(never("5.7.30", "REQUIRETLS cannot be passed on through Graph"))
    if route.graph_mailbox is not None:
        try:
            return parse_mailbox(route.graph_mailbox)
        except AddressError as error:
            raise Stopped(_misconfigured(f"the graph_mailbox of the route {route.name}: {error}")) from None
    if envelope.reverse_path is None:
        raise Stopped(
            _misconfigured(
                "a notification has no sender of its own, and Graph sends for mailboxes alone; "
                f"write graph_mailbox for the route {route.name}"
            )
        )
    return envelope.reverse_path


async def _send(sending: Sending, content: Content, envelope: Envelope, mailbox: Mailbox) -> Outcome:
    """Send to these recipients, and return what came of it for all of them."""
    try:
        header = await header_of(content)
        addressed = address(header, envelope, mailbox)
        if addressed.header != header:
            content = Reheaded(content, len(header), addressed.header)
        fits = content.size <= MIME_OCTETS_MAX
        outcome = await (_send_whole(sending, content) if fits else send_in_pieces(sending, content))
    except Stopped as stopped:
        return stopped.outcome
    except TokenUnavailable as missing:
        return of_missing_token(missing, sending.host)
    except OSError as error:  # of the content
        return unreadable_outcome(error, sending.host)
    if isinstance(outcome, Delivered) and addressed.dropped:
        note = f"; left out of To and Cc, being none of this delivery's recipients: {len(addressed.dropped)}"
        return replace(outcome, diagnostic=outcome.diagnostic + note)
    return outcome


async def _send_whole(sending: Sending, content: Content) -> Outcome:
    body = base64.b64encode(await _in_memory(content))
    await sending.requests.have_token(sending.source)
    await sending.announce()
    try:
        answer = await sending.ask("POST", f"{sending.mailbox_url}/sendMail", body, "text/plain")
    except NoAnswer as lost:
        return of_lost_answer(lost, sending.host, is_sending=True)
    return sending.outcome(answer, is_sending=True)


async def _in_memory(content: Content) -> bytes:
    whole = content.whole
    return whole if whole is not None else b"".join([chunk async for chunk in content.chunks()])


def _misconfigured(diagnostic: str) -> Deferred:
    """RFC 3463 §3.4: X.3.5, system incorrectly configured."""
    return Deferred(status="4.3.5", diagnostic=diagnostic, stage=Stage.ROUTE)

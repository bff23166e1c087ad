"""Opening a channel: connect, TLS as the demand is, greeting, EHLO, log in (RFC 5321 §3.1, RFC 3207 §4, RFC 4954).

Rule 1: whatever a route proves of us or asks of the other side stands in its Hop, so that a connection is never used
    for what it was not opened for.
Rule 2: credentials travel in TLS; who logs in therefore has no clear text to fall back to.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from staffetta.delivery.chain_in_words import in_words
from staffetta.delivery.channel import Channel
from staffetta.delivery.connecting import Way, connect
from staffetta.delivery.identities import IdentityUnavailable, ShownCertificate, client_context, shown_by
from staffetta.delivery.login import Tokens, log_in, may_be_in_clear
from staffetta.delivery.tlspolicy import Mistrusted, TlsDemand, demand_of, in_clear, judge
from staffetta.delivery.trouble import HopTrouble, refused_session
from staffetta.mail.outcome import Stage
from staffetta.net.client_tls import ClientContext, Identity
from staffetta.settings.model import Settings
from staffetta.settings.outbound import hop_label
from staffetta.settings.roads import Authentication, NextHop, Route, TlsLevel, Transport
from staffetta.smtp.client import ClientSession


@dataclass(frozen=True, slots=True)
class Hop:
    """A host to hand over to, and how. Equal hops may share a connection.

    route: its name; connections of different routes are never shared, since what they prove of us may differ.
    host, port, source_addresses, proxy, is_public_only: as in connecting.Way.
    shows: our certificate, for a host that asks for one; where it is, or itself. login: how we log in; None: we do not.
    """

    route: str
    host: str
    port: int
    tls: TlsDemand
    is_tls_implicit: bool = False
    is_lmtp: bool = False
    shows: ShownCertificate | Identity | None = None
    login: Authentication | None = None
    source_addresses: tuple[str, ...] = ()
    proxy: str | None = None
    is_public_only: bool = False

    def __str__(self) -> str:
        return hop_label(NextHop(host=self.host, port=self.port))

    @property
    def is_clear_allowed(self) -> bool:
        """Whether what is to be said may be said in clear."""
        if self.tls.is_must or self.is_tls_implicit:
            return False
        return self.login is None or may_be_in_clear(self.tls.level, self.host)


def hop_of(route: Route, next_hop: NextHop) -> Hop:
    """Return a next hop as its route wants it."""
    return Hop(
        route=route.name,
        host=next_hop.host,
        port=next_hop.port,
        tls=demand_of(route),
        is_tls_implicit=route.implicit_tls,
        is_lmtp=route.transport is Transport.LMTP,
        shows=shown_by(route),
        login=route.authentication,
        source_addresses=route.source_addresses,
        proxy=route.proxy,
        is_public_only=route.public_addresses_only,
    )


@dataclass(frozen=True, slots=True)
class Timeouts:
    """connect: for each address of a host. reply: for each batch of commands; the final reply may take twice that
    (RFC 5321 §4.5.3.2.6 gives it ten minutes where others have five)."""

    connect_seconds: float
    reply_seconds: float

    @property
    def final_reply_seconds(self) -> float:
        return 2 * self.reply_seconds


@dataclass(frozen=True, slots=True)
class Means:
    """What channels are opened with. settings: the attempt's snapshot. tokens: for whoever logs in with one."""

    settings: Settings
    tokens: Tokens

    @property
    def timeouts(self) -> Timeouts:
        delivery = self.settings.delivery
        return Timeouts(delivery.connect_timeout_seconds, delivery.reply_timeout_seconds)


async def open_channel(hop: Hop, means: Means, addresses: Sequence[str] | None = None) -> Channel:
    """Return a channel that is ready for MAIL. Raises HopTrouble.

    addresses: the host's, to be tried in this order; None: as the system knows them.
    """
    context = await _client_context(hop)
    channel = await _greeted(hop, means, context, addresses)
    with channel:
        if hop.is_tls_implicit or not _wants_starttls(hop, channel) or await _start_tls(channel, hop, means, context):
            await _log_in(channel, hop, means)
            return channel
    # The handshake failed, and with it the connection; the policy allows clear text, and that needs a new one.
    channel.abort()
    return await _greeted(hop, means, context, addresses)


async def _client_context(hop: Hop) -> ClientContext:
    """Get it before the other side hears of us: a certificate that cannot be read is nothing to bother it with."""
    try:
        if hop.shows is None:
            return client_context(hop.tls.minimum, None)
        if isinstance(hop.shows, Identity):
            return ClientContext.make(hop.tls.minimum, hop.shows)
        return await asyncio.to_thread(client_context, hop.tls.minimum, hop.shows)
    except (IdentityUnavailable, ValueError) as error:
        raise HopTrouble("4.3.5", str(error), Stage.TLS) from None


async def _greeted(hop: Hop, means: Means, context: ClientContext, addresses: Sequence[str] | None) -> Channel:
    timeouts = means.timeouts
    way = Way(hop.host, hop.port, hop.source_addresses, hop.proxy, hop.is_public_only)
    channel = await connect(
        way,
        lambda: ClientSession(means.settings.hostname, is_lmtp=hop.is_lmtp),
        timeouts.connect_seconds,
        addresses,
    )
    channel.judgement = in_clear(hop.tls)
    session = channel.session
    with channel:
        if hop.is_tls_implicit:
            if session.reply is not None:
                raise HopTrouble("4.7.4", f"{hop} greets in clear; implicit_tls is wrong for that port", Stage.TLS)
            await _shake_hands(channel, hop, means, context)
        greeting = await channel.answered(timeouts.reply_seconds)
        if not greeting.is_positive:
            raise refused_session(greeting, Stage.GREETING)
        await _hello(channel, timeouts)
    return channel


async def _hello(channel: Channel, timeouts: Timeouts) -> None:
    """Say EHLO; HELO where that is refused for good (RFC 5321 §3.2)."""
    session = channel.session
    reply = await channel.exchange(session.hello(), timeouts.reply_seconds)
    if reply.is_permanent and not session.is_lmtp:
        reply = await channel.exchange(session.helo(), timeouts.reply_seconds)
    if not reply.is_positive:
        raise refused_session(reply, Stage.EHLO)


def _wants_starttls(hop: Hop, channel: Channel) -> bool:
    """Whether STARTTLS is to be tried; where there must be TLS it is wanted even if it is not offered."""
    if hop.tls.level is TlsLevel.OPPORTUNISTIC and channel.session.capabilities.starttls:
        return True
    return not hop.is_clear_allowed


async def _start_tls(channel: Channel, hop: Hop, means: Means, context: ClientContext) -> bool:
    """Return whether the channel may be used on: in TLS, or in clear where STARTTLS was refused and that is allowed.

    False: the handshake failed, and clear text is allowed.
    """
    session = channel.session
    if not session.capabilities.starttls:
        why = "which the route requires" if hop.tls.is_must else "and credentials do not travel in clear"
        raise HopTrouble("4.7.4", f"{hop} does not offer STARTTLS, {why}", Stage.TLS)
    reply = await channel.exchange(session.starttls(), means.timeouts.reply_seconds)
    if not reply.is_positive:
        if session.closing_reply or not hop.is_clear_allowed:
            raise HopTrouble("4.7.4", str(reply), Stage.TLS, is_remote_reply=True)
        return True
    try:
        await _shake_hands(channel, hop, means, context)
        await _hello(channel, means.timeouts)
    except HopTrouble as trouble:
        if hop.is_clear_allowed and trouble.stage is Stage.TLS:
            return False
        raise
    return True


async def _shake_hands(channel: Channel, hop: Hop, means: Means, context: ClientContext) -> None:
    """Raises HopTrouble where there is no TLS, or not with whom it should be."""
    await channel.start_tls(context, means.timeouts.reply_seconds)
    chain, now = channel.peer_certificates(), time.time()
    if channel.has_transcript:
        for line in await in_words(chain, hop.tls, hop.host, means.settings, now):
            channel.note(line)
    try:
        channel.judgement = await judge(hop.tls, hop.host, chain, means.settings, now)
    except Mistrusted as error:
        channel.judgement = error.judgement
        raise error.as_trouble() from None


async def _log_in(channel: Channel, hop: Hop, means: Means) -> None:
    if hop.login is None:
        return
    if channel.tls is None and not hop.is_clear_allowed:
        raise HopTrouble("4.7.11", "credentials do not travel in clear", Stage.AUTH)
    await log_in(channel, hop.login, hop.route, means.tokens, means.timeouts.reply_seconds)

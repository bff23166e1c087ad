"""Tries a road as mail would take it, and tells what was said: every next hop, then a test mail or a probe.

Rule 1: nothing is kept: no queue, no trace, no health of next hops.
Rule 2: the courier's own code connects, judges certificates and logs in; this only asks and writes down.
Rule 3: without a test mail nothing is said beyond RCPT, and that is taken back by RSET, so that nobody gets anything.
Rule 4: every road has a step that looks at it without a test mail: Graph's is the token, a folder's is the folder.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from urllib.parse import urlsplit

from staffetta.delivery.courier import Couriers
from staffetta.delivery.exchange import Exchange
from staffetta.delivery.hops import NextHops
from staffetta.delivery.mx import NoExchanger
from staffetta.delivery.oauth import TokenUnavailable
from staffetta.delivery.opening import Hop, Means, hop_of, open_channel
from staffetta.delivery.requiretls import TlsWish
from staffetta.delivery.transcript import Transcript, current_transcript
from staffetta.delivery.trouble import HopTrouble
from staffetta.mail.address import Mailbox
from staffetta.mail.consignment import Consignment
from staffetta.mail.content import MemoryContent
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.mail.outcome import Contact, Delivered, Outcome
from staffetta.settings.model import Settings
from staffetta.settings.roads import Route, Transport
from staffetta.smtp.client_commands import mail_command, rcpt_command

_TALKED_TO = (Transport.SMTP, Transport.LMTP)


@dataclass(frozen=True, slots=True)
class Step:
    """What was tried, whether it went well, what came of it in a line, and all that was said."""

    name: str
    is_successful: bool
    result: str
    transcript: str


@dataclass(frozen=True, slots=True)
class Trial:
    """road: one of the settings. sends: a test mail; else recipients are asked for, and no content is sent."""

    road: Route
    sender: Mailbox
    recipients: tuple[Mailbox, ...]
    sends: bool = True


async def validate(trial: Trial, settings: Settings, exchange: Exchange | None = None) -> list[Step]:
    """Return what every step came to. Raises nothing that a next hop could cause. exchange: for tests."""
    couriers = Couriers(lambda: settings, hops=NextHops(is_shown=False), exchange=exchange)
    try:
        means = Means(settings, couriers.tokens)
        steps = [step async for step in _connectivity(trial, means, couriers.exchange)]
        if trial.sends:
            steps.append(await _test_mail(trial, settings, couriers))
        return steps
    finally:
        await couriers.close()


async def _connectivity(trial: Trial, means: Means, exchange: Exchange) -> AsyncIterator[Step]:
    road = trial.road
    if road.transport in _TALKED_TO:
        for next_hop in sorted(road.next_hops, key=lambda hop: hop.priority):
            yield await _talk(trial, hop_of(road, next_hop), None, trial.recipients, means)
    elif road.transport is Transport.MX:
        by_domain: dict[str, list[Mailbox]] = {}
        for mailbox in trial.recipients:
            by_domain.setdefault(mailbox.domain, []).append(mailbox)
        for domain, recipients in by_domain.items():
            async for step in _exchangers(trial, domain, recipients, means, exchange):
                yield step
    elif road.transport is Transport.GRAPH:
        yield await _token(road, means)
    else:
        yield await asyncio.to_thread(_folder, road)


async def _exchangers(
    trial: Trial, domain: str, recipients: Sequence[Mailbox], means: Means, exchange: Exchange
) -> AsyncIterator[Step]:
    try:
        destination = await exchange.find(domain, trial.road, means.settings)
    except NoExchanger as error:
        yield Step(f"Find the mail exchangers of {domain}", False, f"{error.status} {error}", "")
        return
    for exchanger in destination.exchangers.hosts:
        try:
            hop = await exchange.hop(destination, exchanger, trial.road, means.settings, TlsWish())
        except HopTrouble as trouble:
            yield Step(_name(f"{exchanger.host} of {domain}"), False, str(trouble), "")
        else:
            yield await _talk(trial, hop, exchanger.addresses, recipients, means)


async def _token(road: Route, means: Means) -> Step:
    """Graph has no way to ask whether it would send, and so this ends where the right to ask begins."""
    name = f"Get an access token for {urlsplit(road.graph_endpoint).hostname}"
    if road.token_source is None:
        return Step(name, False, f"the route {road.name} has no token_source", "")
    try:
        await means.tokens.token(road.token_source)
    except TokenUnavailable as missing:
        return Step(name, False, str(missing), "")
    return Step(name, True, f"{road.token_source} gave one; whether its rights are enough, a test mail tells", "")


def _folder(road: Route) -> Step:
    name = f"Look at the folder {road.path}"
    there = next((folder for folder in (road.path, *road.path.parents) if folder.exists()), None) if road.path else None
    if there is None:
        return Step(name, False, f"the route {road.name} has no path for its mailboxes", "")
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        return Step(name, False, f"{there} cannot be written; give it to the user who runs the relay", "")
    return Step(name, True, "mailboxes can be made there", "")


def _name(where: str) -> str:
    return f"Check connectivity with {where}"


async def _talk(
    trial: Trial, hop: Hop, addresses: Sequence[str] | None, recipients: Sequence[Mailbox], means: Means
) -> Step:
    """Come as far as mail would, and, without a test mail, ask for the recipients."""
    transcript = Transcript()
    token = current_transcript.set(transcript)
    try:
        channel = await open_channel(hop, means, addresses)
        with channel:
            result, is_good = f"connected, {channel.tls or 'in clear'}", True
            if not trial.sends:
                session = channel.session
                envelope = Envelope(trial.sender, tuple(map(Recipient, recipients)))
                mail = mail_command(envelope, session.capabilities, size=0, has_eight_bit=False)
                commands = [rcpt_command(each, session.capabilities) for each in envelope.recipients]
                transaction = session.open_transaction(mail, commands, is_chunked=True)  # so that there is no DATA
                while octets := session.next_commands():
                    await channel.exchange(octets, means.timeouts.reply_seconds)
                replies = [reply for reply in (transaction.mail, *transaction.recipients) if reply is not None]
                refusals = [str(reply) for reply in replies if not reply.is_positive]
                is_good = not refusals and len(replies) == len(commands) + 1
                result = refusals[0] if refusals else f"{result}; all recipients would be taken"
                if channel.is_reusable:
                    await channel.exchange(session.rset(), means.timeouts.reply_seconds)
            channel.quit()
        return Step(_name(str(hop)), is_good, result, str(transcript))
    except HopTrouble as trouble:
        return Step(_name(str(hop)), False, f"{trouble.status} {trouble}", str(transcript))
    finally:
        current_transcript.reset(token)


async def _test_mail(trial: Trial, settings: Settings, couriers: Couriers) -> Step:
    transcript = Transcript()
    token = current_transcript.set(transcript)

    async def before_data(contact: Contact) -> None:
        transcript.note(f"the test mail goes out to {contact.host}")

    try:
        outcomes = await couriers(_consignment(trial, settings), before_data)
    finally:
        current_transcript.reset(token)
    lines = [f"{mailbox}: {_told(outcome)}" for mailbox, outcome in zip(trial.recipients, outcomes, strict=True)]
    is_good = all(isinstance(outcome, Delivered) for outcome in outcomes)
    return Step("Send test email", is_good, "; ".join(lines), str(transcript))


def _told(outcome: Outcome) -> str:
    host = f" by {outcome.host}" if outcome.host else ""
    return f"{type(outcome).__name__.lower()}{host}: {outcome.diagnostic}"


def _consignment(trial: Trial, settings: Settings, now: Callable[[], float] = time.time) -> Consignment:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = str(trial.sender)
    mail["To"] = ", ".join(map(str, trial.recipients))
    mail["Subject"] = f"Validation of {trial.road.name}"
    mail["Date"] = format_datetime(datetime.fromtimestamp(now(), UTC))
    mail["Message-ID"] = make_msgid(domain=settings.hostname)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"{settings.hostname} tries the road {trial.road.name}. That this arrived means that it works.\n")
    envelope = Envelope(trial.sender, tuple(map(Recipient, trial.recipients)))
    return Consignment(
        queue_id="validation",
        route=trial.road.name,
        destination=trial.road.name,
        envelope=envelope,
        content=MemoryContent(bytes(mail)),
        connector=None,
    )

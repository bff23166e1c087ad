"""One message to one server, tried by hand: everything that can be said about how, and all that came of it.

Rule 1: this is the courier's own code (opening, TLS, AUTH, transaction), without queue, spool, trace or second try.
Rule 2: one command at a time, whatever the server would take at once, so that each reply stands below its command.
Rule 3: credentials travel in TLS, or to this machine.
Rule 4: nothing raises for what a server does; that is told in Sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from staffetta.delivery.channel import Channel
from staffetta.delivery.demands import FittedContent, Unfit, fit_content, unfit_recipient
from staffetta.delivery.login import may_be_in_clear, say_credentials
from staffetta.delivery.opening import Hop, Means, open_channel
from staffetta.delivery.tlspolicy import TlsDemand
from staffetta.delivery.transcript import Transcript, current_transcript
from staffetta.delivery.transport import carry
from staffetta.delivery.trouble import HopTrouble
from staffetta.mail.address import Mailbox
from staffetta.mail.content import MemoryContent
from staffetta.mail.envelope import Envelope
from staffetta.mail.outcome import Stage
from staffetta.net.client_tls import Identity
from staffetta.settings.model import Delivery, Settings
from staffetta.settings.objects import PUBLIC_TRUST, TrustedAuthority
from staffetta.settings.roads import TlsLevel, TlsVersion
from staffetta.smtp.client import Transaction
from staffetta.smtp.client_commands import mail_command, rcpt_command
from staffetta.smtp.credentials import Credentials, Mechanism, TokenLogin
from staffetta.smtp.remote_reply import RemoteReply
from staffetta.smtp.sasl_client import ClientExchange

_ROUTE = "test"
_GIVEN = "given authorities"


@dataclass(frozen=True, slots=True)
class Login:
    """mechanism: None takes what is offered. is_optional: a server that offers no login gets the mail without."""

    credentials: Credentials
    mechanism: Mechanism | None = None
    is_optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where to, and how.

    hello: our name there. tls, tls_minimum: as routes have them. authorities: a PEM file, besides the public ones.
    tls_names: of which the certificate must have one; empty: the host's. identity: our certificate.
    source_address: ours to connect from. addresses: the host's; None: as the system knows them.
    """

    host: str
    port: int
    hello: str
    tls: TlsLevel = TlsLevel.OPPORTUNISTIC
    is_tls_implicit: bool = False
    tls_minimum: TlsVersion = TlsVersion.TLS_1_2
    tls_names: tuple[str, ...] = ()
    authorities: Path | None = None
    identity: Identity | None = None
    login: Login | None = None
    source_address: str | None = None
    addresses: Sequence[str] | None = None
    connect_seconds: float = 30.0
    reply_seconds: float = 100.0


@dataclass(frozen=True, slots=True)
class Letter:
    """content: canonical; None asks for the recipients alone, and then takes the transaction back (RSET)."""

    envelope: Envelope
    content: bytes | None


@dataclass(slots=True)
class Sent:
    """What came of it.

    taken: recipients that the server answers for; without content, would take. refused: the others, each with its
    reply or our words. reply: the last one that mattered. trouble: what ended it before. tls: "TLSv1.3 CIPHER".
    is_unknown: all of the content went out, and nothing was answered.
    """

    transcript: Transcript
    taken: tuple[Mailbox, ...] = ()
    refused: tuple[tuple[Mailbox, str], ...] = ()
    reply: RemoteReply | None = None
    trouble: HopTrouble | None = None
    tls: str | None = None
    is_certificate_wanted: bool = False
    is_unknown: bool = False

    @property
    def is_accepted(self) -> bool:
        """Whether somebody gets it."""
        return bool(self.taken) and self.trouble is None


@dataclass(slots=True)
class _NoTokens:
    """Nobody logs in by a route's token here: credentials are at hand."""

    async def token(self, name: str) -> str:
        raise AssertionError(name)

    def forget(self, name: str, token: str) -> None:
        raise AssertionError(name)


@dataclass(slots=True)
class _Attempt:
    letter: Letter
    server: Server
    means: Means
    sent: Sent
    refused: list[tuple[Mailbox, str]] = field(default_factory=list)


async def send(letter: Letter, server: Server) -> Sent:
    """Send one message in a session of its own; see the head of this file. Blocks for nothing but the server."""
    sent = Sent(Transcript())
    attempt = _Attempt(letter, server, Means(_settings(server), _NoTokens()), sent)
    token = current_transcript.set(sent.transcript)
    try:
        channel = await open_channel(_hop(server), attempt.means, server.addresses)
        try:
            with channel:
                await _transact(channel, attempt)
                channel.quit()
        finally:
            sent.tls, sent.is_certificate_wanted = channel.tls, channel.is_certificate_wanted
            transaction = channel.session.transaction
            sent.is_unknown = transaction is not None and transaction.is_content_complete and not transaction.final
    except HopTrouble as trouble:
        sent.trouble, sent.tls = trouble, trouble.tls or sent.tls
        if not sent.transcript.entries or sent.transcript.entries[-1].line != trouble.diagnostic:
            sent.transcript.note(trouble.diagnostic)
        sent.taken = ()
    finally:
        current_transcript.reset(token)
    sent.refused = tuple(attempt.refused)
    return sent


def _settings(server: Server) -> Settings:
    """What an attempt looks up in settings; nothing of it is ever read from a file, or kept in the folder."""
    given = (TrustedAuthority(name=_GIVEN, certificates=server.authorities),) if server.authorities else ()
    return Settings(
        hostname=server.hello,
        data_dir=Path("/nonexistent"),
        trusted_authorities=given,
        delivery=Delivery(
            connect_timeout_seconds=server.connect_seconds,
            reply_timeout_seconds=server.reply_seconds,
        ),
    )


def _hop(server: Server) -> Hop:
    return Hop(
        route=_ROUTE,
        host=server.host,
        port=server.port,
        tls=TlsDemand(
            level=server.tls,
            minimum=server.tls_minimum,
            names=tuple(name.lower() for name in server.tls_names),
            authorities=(_GIVEN, PUBLIC_TRUST) if server.authorities else (PUBLIC_TRUST,),
        ),
        is_tls_implicit=server.is_tls_implicit,
        shows=server.identity,
        source_addresses=(server.source_address,) if server.source_address else (),
    )


async def _transact(channel: Channel, attempt: _Attempt) -> None:
    """Raises HopTrouble."""
    if attempt.server.login is not None:
        await _log_in(channel, attempt.server, attempt.server.login)
    session, letter = channel.session, attempt.letter
    capabilities = session.capabilities = replace(session.capabilities, pipelining=False)
    try:
        fitted = await fit_content(letter.envelope, MemoryContent(letter.content or b""), capabilities)
    except Unfit as error:
        raise HopTrouble(error.status, error.diagnostic, Stage.MAIL) from None
    able = []
    for recipient in letter.envelope.recipients:
        if unfit := unfit_recipient(recipient, capabilities):
            attempt.refused.append((recipient.mailbox, unfit.diagnostic))
        else:
            able.append(recipient)
    if not able:
        return
    size, has_eight_bit = fitted.content.size, fitted.has_eight_bit
    mail = mail_command(letter.envelope, capabilities, size=size, has_eight_bit=has_eight_bit)
    commands = [rcpt_command(each, capabilities, is_first=True) for each in able]
    if letter.content is None:
        transaction = await _ask(channel, mail, commands, attempt)
    else:
        transaction = await _carry(channel, mail, commands, fitted, attempt)
    if transaction.mail is not None and not transaction.mail.is_positive:
        attempt.sent.reply = transaction.mail
        attempt.refused += [(each.mailbox, str(transaction.mail)) for each in able]
        return
    answered = zip(able, transaction.recipients, strict=False)  # a 421 may have come between
    taken = []
    for recipient, reply in answered:
        attempt.sent.reply = reply
        if reply.is_positive:
            taken.append(recipient.mailbox)
        else:
            attempt.refused.append((recipient.mailbox, str(reply)))
    last = transaction.final[-1] if transaction.final else transaction.data
    if taken and letter.content is not None and last is not None:
        attempt.sent.reply = last
        if not last.is_positive:
            attempt.refused += [(mailbox, str(last)) for mailbox in taken]
            taken = []
    attempt.sent.taken = tuple(taken)


async def _carry(
    channel: Channel, mail: bytes, commands: Sequence[bytes], fitted: FittedContent, attempt: _Attempt
) -> Transaction:
    async def announce() -> None:
        """Nothing is written down before DATA."""

    return await carry(channel, mail, commands, fitted.content, announce, attempt.means.timeouts)


async def _ask(channel: Channel, mail: bytes, commands: Sequence[bytes], attempt: _Attempt) -> Transaction:
    """Come as far as RCPT, and take it back."""
    session, reply_seconds = channel.session, attempt.means.timeouts.reply_seconds
    transaction = session.open_transaction(mail, commands, is_chunked=True)  # so that there is no DATA
    while octets := session.next_commands():
        await channel.exchange(octets, reply_seconds)
    if session.closing_reply is None:
        await channel.exchange(session.rset(), reply_seconds)
    return transaction


async def _log_in(channel: Channel, server: Server, login: Login) -> None:
    """Raises HopTrouble."""
    offered = channel.session.capabilities.auth
    if not offered and login.is_optional:
        channel.note("no login is offered here; it goes on without")
        return
    if channel.tls is None and not may_be_in_clear(TlsLevel.NONE, server.host):
        raise HopTrouble("4.7.11", "credentials do not travel in clear; ask for TLS", Stage.AUTH)
    usual = (Mechanism.XOAUTH2,) if isinstance(login.credentials, TokenLogin) else (Mechanism.LOGIN, Mechanism.PLAIN)
    wanted = (login.mechanism,) if login.mechanism is not None else usual
    mechanism = next((each for each in wanted if each in offered), None)
    if mechanism is None:
        known = f"offers {', '.join(offered)}" if offered else "offers no AUTH"
        hint = "" if channel.tls else "; in TLS it may offer more"
        raise HopTrouble("4.7.4", f"the server {known}, and not {' or '.join(wanted)}{hint}", Stage.AUTH)
    exchange = ClientExchange(mechanism, login.credentials)
    reply = await say_credentials(channel, exchange, server.reply_seconds)
    if not reply.is_positive:
        raise HopTrouble(reply.enhanced_code or "5.7.8", str(reply), Stage.AUTH, is_remote_reply=True)

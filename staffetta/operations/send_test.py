"""Send-TestMessage: the relay sends one message to a server by hand, for who has a browser and no shell.

Where the relay connects to is the caller's word, and the relay stands inside a network that the caller may not be in.
So (docs/decisions/088):

Rule 1: for who may change the whole relay; an organisation's administrator has its connectors to try.
Rule 2: to public addresses on mail's ports alone, and to what the settings name: next hops and our own listeners.
Rule 3: what was looked at is what is connected to: the name is looked up once.
Rule 4: it is audited, with whom and where to, before anything is sent; passwords and keys are not in it.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, make_msgid
from typing import Annotated

from pydantic import Field

from staffetta.delivery.sending import Letter, Login, Sent, Server, send
from staffetta.delivery.verdict import id_of, in_a_sentence
from staffetta.mail.address import AddressError, Mailbox, parse_mailbox
from staffetta.mail.composing import Draft, compose
from staffetta.mail.envelope import Envelope, Notify, Recipient
from staffetta.net.own_addresses import can_connect_from, is_own_address, problem_of_address
from staffetta.operations.access import changing
from staffetta.operations.duties import CHANGE
from staffetta.operations.errors import BadValue, RoleMissing
from staffetta.operations.given_certificates import HOW, given_identity
from staffetta.operations.inputs import Input, MultiValued, Output, Switch
from staffetta.operations.registry import Context, Operation
from staffetta.settings.model import Settings
from staffetta.settings.objects import DEFAULT_ORGANIZATION
from staffetta.settings.outbound import all_routes, find_route
from staffetta.settings.roads import TlsLevel
from staffetta.smtp.credentials import PasswordLogin

MAIL_PORTS = (25, 465, 587, 2525)
_NOTIFY = {"None": Notify(0), "Never": Notify.NEVER} | {
    "OnSuccess": Notify.SUCCESS,
    "OnFailure": Notify.FAILURE,
    "Delay": Notify.DELAY,
}
_BODY = "This is a test message of {hostname}. That it arrived means that the way works.\n"


class SendTestMessage(Input):
    smtp_server: Annotated[str, Field(alias="SmtpServer", description="Name or address of the server.")]
    port: Annotated[int | None, Field(ge=1, le=65535, description="Left out, 25, or 465 with ImplicitTls.")] = None
    from_: Annotated[str, Field(description="The sender.")]
    to: Annotated[MultiValued, Field(description="Who gets it.")]
    subject: Annotated[str, Field(description="Its subject.", max_length=900)] = "Test message"
    body: Annotated[str | None, Field(description="Its text; left out, that it is a test.", max_length=100_000)] = None
    body_as_html: Annotated[Switch, Field(description="The text is HTML.")] = False
    tls: Annotated[
        TlsLevel, Field(description="none, opportunistic, required (any certificate) or verified (the right one).")
    ] = TlsLevel.OPPORTUNISTIC
    implicit_tls: Annotated[Switch, Field(description="TLS from the first octet, without STARTTLS.")] = False
    certificate: Annotated[str | None, Field(description=HOW)] = None
    certificate_password: Annotated[str | None, Field(description="Of the PFX, or of an encrypted key.")] = None
    user_name: Annotated[str | None, Field(description="Whom to log in as; by TLS, or to this machine.")] = None
    password: Annotated[str | None, Field(description="Its password.")] = None
    source_address: Annotated[str | None, Field(description="Address of the relay to connect from.")] = None
    helo_name: Annotated[str | None, Field(description="Name in EHLO; left out, the relay's.", max_length=255)] = None
    timeout_seconds: Annotated[int, Field(ge=1, le=60, description="How long to wait for each answer.")] = 30
    delivery_notification_option: Annotated[
        MultiValued, Field(description="OnSuccess, OnFailure, Delay; or Never; or None.")
    ] = MultiValued(())


class TestMessageRow(Output):
    accepted: Annotated[bool, Field(description="Whether somebody gets it.")]
    verdict: Annotated[str, Field(description="Accepted as what, or refused why, and what mends it.")]
    accepted_recipients: Annotated[tuple[str, ...], Field(description="Who gets it.")]
    refused_recipients: Annotated[tuple[str, ...], Field(description="Who does not, with the reply.")]
    remote_id: Annotated[str | None, Field(description="Under which id the server keeps it, where it says so.")]
    tls: Annotated[str | None, Field(description="Version and cipher; empty: in clear.")]
    is_certificate_wanted: Annotated[bool, Field(description="Whether the server asked for a client certificate.")]
    transcript: Annotated[str, Field(description="All that was said; credentials and content are left out.")]


def run(context: Context, given: SendTestMessage) -> Iterable[Output]:
    if context.caller.organization is not None:
        raise RoleMissing(
            "Send-TestMessage is for who administers the whole relay; Validate-OutboundConnector tries your own roads."
        )
    sender = _mailbox(given.from_, "From")
    recipients = tuple(_mailbox(text, "To") for text in given.to.applied_to(()))
    if not recipients:
        raise BadValue("Name at least one recipient: -To somebody@fabrikam.com.", parameter="To")
    port = given.port or (465 if given.implicit_tls else 25)
    letter = _letter(context, given, sender, recipients)
    server = _server(context.settings, given, port)
    with changing(context, "Send-TestMessage") as change:
        to = ", ".join(map(str, recipients))
        after = {"SmtpServer": f"{given.smtp_server}:{port}", "From": str(sender), "To": to}
        change.audit("message", f"{given.smtp_server}:{port}", DEFAULT_ORGANIZATION, after=after)
    return [_row(asyncio.run(send(letter, server)))]


def _row(sent: Sent) -> TestMessageRow:
    return TestMessageRow(
        accepted=sent.is_accepted,
        verdict=in_a_sentence(sent),
        accepted_recipients=tuple(map(str, sent.taken)),
        refused_recipients=tuple(f"{mailbox}: {reply}" for mailbox, reply in sent.refused),
        remote_id=id_of(str(sent.reply)) if sent.is_accepted and sent.reply else None,
        tls=sent.tls,
        is_certificate_wanted=sent.is_certificate_wanted,
        transcript=str(sent.transcript),
    )


def _letter(context: Context, given: SendTestMessage, sender: Mailbox, recipients: Sequence[Mailbox]) -> Letter:
    notify = Notify(0)
    for word in given.delivery_notification_option.applied_to(()):
        known = next((value for name, value in _NOTIFY.items() if name.lower() == word.strip().lower()), None)
        if known is None:
            raise BadValue(f"{word!r} is none of {', '.join(_NOTIFY)}.", parameter="DeliveryNotificationOption")
        notify = Notify.NEVER if known is Notify.NEVER else notify | known
    is_international = not all(mailbox.is_ascii for mailbox in (sender, *recipients))
    draft = Draft(
        author=str(sender),
        to=", ".join(map(str, recipients)),
        date=format_datetime(datetime.fromtimestamp(context.now(), UTC)),
        message_id=make_msgid(domain=context.settings.hostname),
        subject=given.subject,
        body=given.body if given.body is not None else _BODY.format(hostname=context.settings.hostname),
        is_html=given.body_as_html,
    )
    try:
        content = compose(draft).as_bytes(policy=SMTPUTF8 if is_international else SMTP)
    except ValueError as error:
        raise BadValue(str(error)) from None
    to = tuple(Recipient(mailbox, notify) for mailbox in recipients)
    return Letter(Envelope(sender, to, smtputf8=is_international), content)


def _server(settings: Settings, given: SendTestMessage, port: int) -> Server:
    hello = given.helo_name or settings.hostname
    if not hello.isascii() or not hello.isprintable() or " " in hello:
        raise BadValue(f"{hello!r} is no name for EHLO; write relay.contoso.com.", parameter="HeloName")
    if (given.user_name is None) != (given.password is None):
        raise BadValue("Give -UserName and -Password together, or neither.", parameter="UserName")
    if given.source_address is not None and not can_connect_from(given.source_address):
        raise BadValue(f"{given.source_address!r} is no address of the relay.", parameter="SourceAddress")
    login = None
    if given.user_name is not None and given.password is not None:
        login = Login(PasswordLogin(given.user_name, given.password.encode()))
    host = given.smtp_server.strip().strip("[]")
    return Server(
        host=host,
        port=port,
        hello=hello,
        tls=given.tls,
        is_tls_implicit=given.implicit_tls,
        identity=given_identity(given.certificate, given.certificate_password),
        login=login,
        source_address=given.source_address,
        addresses=allowed_addresses(host, port, settings),
        connect_seconds=given.timeout_seconds,
        reply_seconds=given.timeout_seconds,
    )


def allowed_addresses(host: str, port: int, settings: Settings) -> Sequence[str]:
    """Return what the host's name leads to, if the relay may be made to connect there. Raises BadValue."""
    if "/" in host or not host:
        raise BadValue(f"{host!r} is no name of a server; write mail.contoso.com.", parameter="SmtpServer")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise BadValue(f"The name {host} cannot be looked up; is it right?", parameter="SmtpServer") from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    if (host.lower(), port) in _named(settings):
        return addresses
    if port in _own_ports(settings) and all(map(can_connect_from, addresses)):
        return addresses
    for address in addresses:
        if problem := problem_of_address(address.partition("%")[0], is_own_address):
            raise BadValue(
                f"{host} leads to {address}, which is {problem}: the relay connects there only if a route names "
                f"{host}:{port} as a next hop. `staffetta send`, typed on a machine of that network, goes anywhere.",
                parameter="SmtpServer",
            )
    if port not in MAIL_PORTS:
        ports = ", ".join(map(str, MAIL_PORTS))
        raise BadValue(
            f"Port {port} is none of mail's ({ports}), and no route names {host}:{port} as a next hop.",
            parameter="Port",
        )
    return addresses


def _named(settings: Settings) -> set[tuple[str, int]]:
    roads = (find_route(settings, name) for name in all_routes(settings))
    return {(hop.host.lower(), hop.port) for road in roads if road is not None for hop in road.next_hops}


def _own_ports(settings: Settings) -> set[int]:
    capture = [settings.capture.address] if settings.capture else []
    places = [*(listener.address for listener in settings.listeners), *capture]
    return {int(address.rpartition(":")[2]) for address in places}


def _mailbox(text: str, parameter: str) -> Mailbox:
    try:
        return parse_mailbox(text)
    except AddressError as error:
        raise BadValue(f"{text!r}: {error}; write somebody@fabrikam.com.", parameter=parameter) from None


OPERATIONS = (
    Operation(
        "Send",
        "TestMessage",
        "Send one message from the relay to any mail server, and tell all that was said.",
        SendTestMessage,
        TestMessageRow,
        CHANGE,
        run,
        is_change=True,
        positions=("smtp_server",),
        columns=("accepted", "verdict"),
        example="mail.fabrikam.com -From ada@contoso.com -To somebody@fabrikam.com",
    ),
)

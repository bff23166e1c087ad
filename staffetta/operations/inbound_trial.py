"""Test-InboundConnector: shake hands with ourselves as a client would, and tell which connector that is, and why.

What is real and what is reckoned (docs/decisions/089): the session with our listener is real, TLS, certificate and
answers included, up to RCPT and RSET. So is its source address where this machine has it. What the relay makes of the
client is reckoned by the functions of the live path (simulate.py), from what the session has shown.
"""

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any

from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import Field

from staffetta.delivery.sending import Letter, Sent, Server, send
from staffetta.directory.store import Kind
from staffetta.mail.address import AddressError, Mailbox, parse_mailbox
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.net.client_tls import Identity
from staffetta.net.own_addresses import can_connect_from
from staffetta.net.proxy import IPAddress, plain_address
from staffetta.operations.access import found
from staffetta.operations.duties import LOOK_INTO
from staffetta.operations.errors import BadValue
from staffetta.operations.given_certificates import HOW, given_identity
from staffetta.operations.inputs import Input, Output
from staffetta.operations.registry import Context, Operation
from staffetta.operations.simulate import RelayAnswer, RelayQuestion, simulate
from staffetta.settings.model import Listener, ListenerKind, Settings
from staffetta.settings.objects import InboundConnector

_ELSEWHERE = "somebody@example.com"
_SECONDS = 10.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class InboundTrialQuestion(Input):
    identity: Annotated[str, Field(description="Name or GUID of the connector.")]
    certificate: Annotated[str | None, Field(description=HOW)] = None
    certificate_password: Annotated[str | None, Field(description="Of the PFX, or of an encrypted key.")] = None
    sender_ip_address: Annotated[str | None, Field(description="The client's address; left out, 127.0.0.1.")] = None
    from_: Annotated[
        str | None, Field(description="The sender; left out, the postmaster of a domain that the connector names.")
    ] = None
    to: Annotated[str, Field(description="The recipient, who gets nothing.")] = _ELSEWHERE
    listener: Annotated[str | None, Field(description="Where it connects; left out, the first for relaying.")] = None


class InboundTrial(Output):
    connector: Annotated[str, Field(description="The connector that was tested.")]
    is_matched: Annotated[bool, Field(description="Whether the client is this connector's.")]
    matched_connector: Annotated[str | None, Field(description="The connector whose the client is.")]
    accepted: Annotated[bool, Field(description="Whether its mail would be accepted, by what the relay makes of it.")]
    reply: Annotated[str | None, Field(description="What our listener answered at last; empty: there was no session.")]
    reckoned_reply: Annotated[str, Field(description="The answer that was reckoned; a refusal's stamp is left out.")]
    source: Annotated[str, Field(description="The client's address, and whether the session came from there.")]
    tls: Annotated[str | None, Field(description="Version and cipher of the session; empty: in clear.")]
    is_certificate_wanted: Annotated[bool, Field(description="Whether our listener asked for a client certificate.")]
    summary: Annotated[str, Field(description="What the relay makes of it, in a sentence.")]
    seen: Annotated[tuple[str, ...], Field(description="What it saw of the client.")]
    connectors: Annotated[tuple[str, ...], Field(description="What each connector lacks.")]
    changes: Annotated[tuple[str, ...], Field(description="What would let the mail in.")]
    commands: Annotated[tuple[str, ...], Field(description="The cmdlets of that.")]
    transcript: Annotated[str, Field(description="All that was said.")]


def run(context: Context, given: InboundTrialQuestion) -> Iterable[Output]:
    connector = found(context, Kind.INBOUND_CONNECTOR, given.identity).value
    assert isinstance(connector, InboundConnector)
    identity = given_identity(given.certificate, given.certificate_password)
    source = _address(given.sender_ip_address or "127.0.0.1")
    sender = _sender(context, given.from_, connector)
    listener = _listener(context.settings, given.listener)
    is_real = can_connect_from(str(source))
    letter = Letter(Envelope(sender, (Recipient(_mailbox(given.to, "To")),)), None)
    sent = _session(context, listener, letter, identity, str(source) if is_real else None)
    answer = _reckoned(context, given, listener, sender, str(source), identity, sent)
    reply = _last_reply(sent)
    _warn(context, answer, reply, is_real=is_real, source=str(source))
    return [
        InboundTrial(
            connector=connector.name,
            is_matched=answer.connector == connector.name,
            matched_connector=answer.connector,
            accepted=answer.accepted,
            reply=reply,
            reckoned_reply=answer.reply,
            source=f"{source} ({'really from there' if is_real and sent else 'reckoned'})",
            tls=sent.tls if sent else None,
            is_certificate_wanted=sent is not None and sent.is_certificate_wanted,
            summary=answer.summary,
            seen=answer.seen,
            connectors=answer.connectors,
            changes=answer.changes,
            commands=answer.commands,
            transcript=str(sent.transcript) if sent else "",
        )
    ]


def _session(
    context: Context, listener: Listener | None, letter: Letter, identity: Identity | None, source: str | None
) -> Sent | None:
    """Talk to our own listener as far as RCPT. None where there is none to talk to; a warning says why."""
    if listener is None:
        context.warnings.append("There is no listener to talk to; everything is reckoned.")
        return None
    host, _, port = listener.address.rpartition(":")
    if port == "0" or listener.proxy_protocol_from:
        why = "the system chooses its port" if port == "0" else "it takes clients from proxies"
        context.warnings.append(f"Listener {listener.name} cannot be talked to from here: {why}. All is reckoned.")
        return None
    host = host.strip("[]")
    server = Server(
        host=_ANYWHERE.get(host, host),
        port=int(port),
        hello="test.invalid",
        is_tls_implicit=listener.implicit_tls,
        identity=identity,
        source_address=source,
        connect_seconds=_SECONDS,
        reply_seconds=_SECONDS,
    )
    sent = asyncio.run(send(letter, server))
    if sent.trouble is not None:
        context.warnings.append(f"The session did not come to RCPT: {sent.trouble.diagnostic}.")
    return sent


def _reckoned(
    context: Context,
    given: InboundTrialQuestion,
    listener: Listener | None,
    sender: Mailbox,
    source: str,
    identity: Identity | None,
    sent: Sent | None,
) -> RelayAnswer:
    """What the relay makes of such a client. A certificate that the listener did not ask for is not seen."""
    is_shown = identity is not None and (sent is None or sent.tls is None or sent.is_certificate_wanted)
    question: dict[str, Any] = {
        "ip": source,
        "from_": str(sender),
        "to": given.to,
        "certificate": _pem(identity) if is_shown and identity is not None else None,
        "tls": True if is_shown or (sent is not None and sent.tls is not None) else None,
        "listener": listener.name if listener is not None else None,
    }
    if identity is not None and not is_shown:
        context.warnings.append(
            "The listener asked for no client certificate, so that this one was not seen. It asks while an enabled "
            "connector names certificates, or with request_client_certificate = true."
        )
    (answer,) = simulate(context, RelayQuestion(**question))
    assert isinstance(answer, RelayAnswer)
    return answer


def _pem(identity: Identity) -> str:
    chain = (identity.certificate, *identity.chain)
    return b"".join(each.public_bytes(Encoding.PEM) for each in chain).decode()


def _last_reply(sent: Sent | None) -> str | None:
    if sent is None:
        return None
    if sent.refused:
        return sent.refused[-1][1]
    if sent.trouble is not None and sent.trouble.is_remote_reply:
        return sent.trouble.diagnostic
    return str(sent.reply) if sent.reply is not None else None


def _warn(context: Context, answer: RelayAnswer, reply: str | None, *, is_real: bool, source: str) -> None:
    if not is_real:
        context.warnings.append(
            f"This machine does not have the address {source}: the session came from another, and what the relay makes "
            "of that address is reckoned."
        )
    elif reply is not None and reply.startswith("2") != answer.accepted:
        context.warnings.append(
            f"The listener answered otherwise than was reckoned: {reply}. Does the relay run with these settings?"
        )


def _sender(context: Context, text: str | None, connector: InboundConnector) -> Mailbox:
    if text is not None:
        return _mailbox(text, "From")
    named = [each.removeprefix("*.") for each in connector.sender_domains if each != "*"]
    own = [each.name for each in context.settings.accepted_domains if each.organization == connector.organization]
    return parse_mailbox(f"postmaster@{(*named, *own, context.settings.hostname)[0]}")


def _listener(settings: Settings, name: str | None) -> Listener | None:
    if name is not None:
        chosen = next((each for each in settings.listeners if each.name == name), None)
        if chosen is None:
            known = ", ".join(each.name for each in settings.listeners) or "none"
            raise BadValue(f"There is no listener {name!r}; there are: {known}.", parameter="Listener")
        return chosen
    return next((each for each in settings.listeners if each.kind is ListenerKind.RELAY), None)


def _address(text: str) -> IPAddress:
    try:
        return plain_address(text.strip())
    except ValueError:
        raise BadValue(
            f"{text!r} is no IP address; write 192.0.2.7 or 2001:db8::7.", parameter="SenderIPAddress"
        ) from None


def _mailbox(text: str, parameter: str) -> Mailbox:
    try:
        return parse_mailbox(text)
    except AddressError as error:
        raise BadValue(f"{text!r}: {error}; write somebody@contoso.com.", parameter=parameter) from None


OPERATIONS = (
    Operation(
        "Test",
        "InboundConnector",
        "Connect to ourselves as a client would, up to RCPT, and tell which connector that is, and why.",
        InboundTrialQuestion,
        InboundTrial,
        LOOK_INTO,
        run,
        positions=("identity",),
        columns=("connector", "is_matched", "matched_connector", "reply", "summary"),
        example="'SMTP Relay' -SenderIPAddress 192.0.2.7",
    ),
)

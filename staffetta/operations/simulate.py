"""What would be answered: a transaction of typed-in facts, decided by the functions of the live path in their order.

No message is made and nothing is written; reception/transaction.py is what this imitates, and a test compares both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import Field

from staffetta.mail.address import AddressError, Mailbox, parse_mailbox
from staffetta.mail.envelope import BodyType, Recipient
from staffetta.mail.header import HeaderSection
from staffetta.mail.sentence import Sentence, sentence
from staffetta.net.proxy import IPAddress, plain_address
from staffetta.operations.duties import LOOK_INTO
from staffetta.operations.errors import BadValue
from staffetta.operations.explain import Explained, explained
from staffetta.operations.inputs import Input, Output, Said
from staffetta.operations.registry import Context, Operation
from staffetta.policy import relay, submission
from staffetta.policy.certificate import is_name
from staffetta.policy.connector import attribute
from staffetta.policy.decision import (
    AssumedCertificate,
    Attribution,
    Decision,
    PeerCertificate,
    Reason,
    SessionFacts,
    TlsFacts,
)
from staffetta.policy.domain import accepted_domain
from staffetta.policy.evidence import CONNECTOR_KEY
from staffetta.policy.explanation import explain
from staffetta.policy.rewriting import leaving_sender
from staffetta.policy.route import RoutedTo, route
from staffetta.settings.model import ListenerKind, Settings
from staffetta.settings.outbound import find_route, hop_label
from staffetta.settings.roads import Transport
from staffetta.smtp.events import Mail, Rcpt

_NULL = "<>"


class RelayQuestion(Input):
    ip: Annotated[str, Field(description="The client's address.")]
    from_: Annotated[str, Field(description="The sender (MAIL FROM); `<>` for the null sender.")]
    to: Annotated[str, Field(description="The recipient (RCPT TO).")]
    certificate: Annotated[
        str | None, Field(description="PEM of the client's certificate, and of what else it sends, the leaf first.")
    ] = None
    certificate_name: Annotated[
        str | None, Field(description="Instead of a certificate: assume a good one of this name.")
    ] = None
    account: Annotated[str | None, Field(description="The user name that the client has logged in with.")] = None
    tls: Annotated[
        bool | None, Field(description="Whether the client uses TLS; left out, only with certificate or account.")
    ] = None
    octets: Annotated[int | None, Field(ge=0, description="How large the message is; left out, small.")] = None
    listener: Annotated[
        str | None, Field(description="Where it connects; left out, the first of the kind that such clients use.")
    ] = None


class RelayAnswer(Explained):
    accepted: Annotated[bool, Field(description="Whether the mail would be accepted.")]
    stage: Annotated[str, Field(description="The last step that was decided: MAIL, RCPT or DATA.")]
    reply: Annotated[str, Field(description="The reply; a refusal's stamp is left out.")]
    reason: Annotated[str, Field(description="The reason's name.")]
    connector: Annotated[str | None, Field(description="The connector that the client matches.")]
    organization: Annotated[str | None, Field(description="The organisation whose connectors counted.")]
    listener: Annotated[str, Field(description="Where the client connects.")]
    sent_as: Annotated[
        str | None,
        Field(description="The sender under which it would leave: the one given, or what the connector puts in place."),
    ]
    route: Annotated[str | None, Field(description="The route that the message would take.")]
    route_rule: Annotated[str | None, Field(description="The route rule that chooses the route.")]
    outbound_connector: Annotated[str | None, Field(description="The outbound connector that chooses the route.")]
    next_hops: Annotated[tuple[Said, ...], Field(description="Where the route goes, in the order of their priority.")]
    destination: Annotated[str | None, Field(description="The destination that it would be queued for.")]


def simulate(context: Context, given: RelayQuestion) -> Iterable[Output]:
    settings = context.settings
    sender = None if given.from_ in ("", _NULL) else _mailbox(given.from_, "From")
    recipient = _mailbox(given.to, "To")
    facts = _facts(given, settings)
    mail = Mail(sender, None, BodyType.SEVEN_BIT, smtputf8=False, ret=None, envelope_id=None)
    attribution = attribute(facts, sender, settings, context.now())
    stage, decision = _decided(facts, attribution, mail, recipient, settings)
    connector = attribution.connector
    whose = decision.evidence.get("organization", attribution.organization)
    if context.caller.organization is not None and whose not in (None, context.caller.organization):
        return [_of_another(decision, stage, facts.listener)]
    decision = replace(decision, evidence=_visible(context, decision))
    leaving = leaving_sender(connector, sender)
    to = route(recipient, attribution, settings, sender=leaving, octets=given.octets)
    return [
        RelayAnswer(
            accepted=decision.is_accepted,
            stage=stage,
            reply=str(decision.reply),
            reason=decision.reason,
            connector=connector.name if connector is not None else None,
            organization=attribution.organization,
            listener=facts.listener,
            sent_as=str(leaving or _NULL) if decision.is_accepted else None,
            **_road(to if decision.is_accepted and _may_see_road(context, recipient) else None, settings),
            **_told(decision, attribution, given, settings),
        )
    ]


def _of_another(decision: Decision, stage: str, listener: str) -> RelayAnswer:
    """What a client would hear; why, is another organisation's to know."""
    return RelayAnswer(
        accepted=decision.is_accepted,
        stage=stage,
        reply=str(decision.reply),
        reason=decision.reason,
        connector=None,
        organization=None,
        listener=listener,
        sent_as=None,
        route=None,
        route_rule=None,
        outbound_connector=None,
        next_hops=(),
        destination=None,
        summary=sentence("It is decided by what another organisation says."),
        seen=(),
        connectors=(),
        changes=(),
        commands=(),
    )


def _visible(context: Context, decision: Decision) -> Mapping[str, Any]:
    """The evidence without the connectors of organisations that the caller does not see."""
    seen = context.caller.organization
    hidden = {
        each.name for each in context.settings.inbound_connectors if seen is not None and each.organization != seen
    }
    is_near_hidden = decision.evidence.get("nearest_connector") in hidden
    return {
        key: value
        for key, value in decision.evidence.items()
        if key.removeprefix(CONNECTOR_KEY) not in hidden and not (is_near_hidden and key.startswith("nearest_"))
    }


def _may_see_road(context: Context, recipient: Mailbox) -> bool:
    """Another organisation's mail takes roads that are its own to know."""
    domain, own = accepted_domain(recipient.domain, context.settings), context.caller.organization
    return own is None or domain is None or domain.organization == own


def _road(to: RoutedTo | None, settings: Settings) -> dict[str, Any]:
    return {
        "route": to.route if to is not None else None,
        "route_rule": to.rule if to is not None else None,
        "outbound_connector": to.connector if to is not None else None,
        "next_hops": _next_hops(to, settings) if to is not None else (),
        "destination": to.destination if to is not None else None,
    }


def _next_hops(to: RoutedTo, settings: Settings) -> tuple[str, ...]:
    road = find_route(settings, to.route)
    if road is None:
        return ()
    if road.transport is Transport.MX:
        return (sentence("the mail exchangers of {destination}", destination=to.destination),)
    return tuple(map(hop_label, sorted(road.next_hops, key=lambda hop: hop.priority)))


def _decided(
    facts: SessionFacts, attribution: Attribution, mail: Mail, recipient: Mailbox, settings: Settings
) -> tuple[str, Decision]:
    """The first refusal, or the acceptance of the recipient, and at which step."""
    welcome = relay.connect(facts, settings)
    if not welcome.is_accepted:
        return "connect", welcome
    at_mail = relay.sender(facts, attribution, mail, settings)
    if not at_mail.is_accepted:
        return "MAIL", at_mail
    at_rcpt = relay.recipient(facts, attribution, mail.reverse_path, Rcpt(Recipient(recipient)), settings)
    if not at_rcpt.is_accepted:
        return "RCPT", at_rcpt
    header = f"From: {mail.reverse_path}\r\n" if mail.reverse_path is not None else ""
    after_content = submission.authorship(attribution, mail.reverse_path, HeaderSection(header.encode()))
    return ("RCPT", at_rcpt) if after_content.is_accepted else ("DATA", after_content)


def _told(decision: Decision, attribution: Attribution, given: RelayQuestion, settings: Settings) -> dict[str, Any]:
    if not decision.is_accepted:
        explanation = explain(decision.reason, decision.evidence, sender=given.from_, recipient=given.to)
        return explained(explanation, settings)
    summary = _accepted_because(decision.reason, attribution)
    return {"summary": summary, "seen": (), "connectors": (), "changes": (), "commands": ()}


def _accepted_because(reason: str, attribution: Attribution) -> Sentence:
    if reason == Reason.CONNECTOR and attribution.connector is not None:
        return sentence("It is accepted: the client matches connector {name}.", name=attribution.connector.name)
    if reason == Reason.CONNECTOR:
        return sentence("It is accepted: the client matches a connector of the recipient's organisation.")
    if reason == Reason.SUBMISSION and attribution.account is not None:
        name = attribution.account.user_name
        return sentence("It is accepted: the client has logged in as {name}.", name=name)
    return sentence("It is accepted: the recipient's domain is ours, and everybody may send to it.")


def _facts(given: RelayQuestion, settings: Settings) -> SessionFacts:
    certificate = _certificate(given)
    is_tls = given.tls if given.tls is not None else certificate is not None or given.account is not None
    if certificate is not None and not is_tls:
        raise BadValue("A client certificate comes with TLS alone; leave -Tls:$false out.", parameter="Tls")
    tls = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", certificate) if is_tls else None
    listener = _listener(given, settings)
    return SessionFacts("0", listener, _address(given.ip), "simulated.invalid", tls, given.account)


def _certificate(given: RelayQuestion) -> PeerCertificate | AssumedCertificate | None:
    if given.certificate is not None and given.certificate_name is not None:
        raise BadValue("Give -Certificate or -CertificateName, not both.", parameter="CertificateName")
    if given.certificate is not None:
        try:
            leaf, *others = x509.load_pem_x509_certificates(given.certificate.encode())
        except ValueError as error:
            raise BadValue(f"This is no certificate in PEM: {error}", parameter="Certificate") from None
        return PeerCertificate(
            leaf.public_bytes(Encoding.DER), tuple(each.public_bytes(Encoding.DER) for each in others)
        )
    if given.certificate_name is None:
        return None
    name = given.certificate_name.lower()
    if not is_name(name):
        raise BadValue(
            f"{given.certificate_name!r} is no name of a certificate; write mail.contoso.com or *.contoso.com.",
            parameter="CertificateName",
        )
    return AssumedCertificate(name)


def _listener(given: RelayQuestion, settings: Settings) -> str:
    names = [each.name for each in settings.listeners]
    if given.listener is not None:
        if given.listener not in names:
            raise BadValue(
                f"There is no listener {given.listener!r}; there are: {', '.join(names) or 'none'}.",
                parameter="Listener",
            )
        return given.listener
    kind = ListenerKind.RELAY if given.account is None else ListenerKind.SUBMISSION
    of_kind = [each.name for each in settings.listeners if each.kind is kind]
    return next(iter((*of_kind, *names)), "relay")


def _address(text: str) -> IPAddress:
    try:
        return plain_address(text.strip())
    except ValueError:
        raise BadValue(f"{text!r} is no IP address; write 192.0.2.7 or 2001:db8::7.", parameter="IP") from None


def _mailbox(text: str, parameter: str) -> Mailbox:
    try:
        return parse_mailbox(text.removeprefix("<").removesuffix(">"))
    except AddressError as error:
        raise BadValue(f"{text!r}: {error}; write somebody@contoso.com.", parameter=parameter) from None


OPERATIONS = (
    Operation(
        "Test",
        "Relay",
        "Say what would be answered to a client, and why; nothing is sent.",
        RelayQuestion,
        RelayAnswer,
        LOOK_INTO,
        simulate,
        positions=("ip", "from_", "to"),
        columns=("accepted", "reply", "reason", "connector", "route"),
        example="192.0.2.7 printer@contoso.com somebody@example.org",
    ),
)

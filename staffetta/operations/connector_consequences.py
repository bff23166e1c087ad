"""What an inbound connector would do, in sentences, before it is made: for -WhatIf, and for the wizard's review.

Rule: what is told here follows from the object and from the functions of the live path (simulate.py), never from
a second reading of the rules.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from staffetta.mail.sentence import sentence
from staffetta.operations.errors import OperationError
from staffetta.operations.registry import Context
from staffetta.operations.simulate import RelayAnswer, RelayQuestion, simulate
from staffetta.policy.domain import domain_of_certificate
from staffetta.settings.addresses import networks
from staffetta.settings.objects import (
    ANY_ACCOUNT,
    OWN_TRUST,
    PUBLIC_TRUST,
    ConnectorType,
    InboundConnector,
    SenderRewriting,
)

_ELSEWHERE = "somebody@example.com"
_STRANGER = "192.0.2.254"
_SHOWN_MAX = 5


def consequences(context: Context, connector: InboundConnector, *, instead_of: str | None = None) -> Iterator[str]:
    """Yield what the connector would do. It is right by itself: the directory would take it.

    instead_of: the name of the one that it replaces, in whose place it stays.
    """
    if not connector.enabled:
        yield sentence("It is off: nobody matches it until it is turned on.")
    if connector.connector_type is ConnectorType.PARTNER:
        yield from _partner(connector)
    else:
        yield from _on_premises(context, connector)
    if connector.messages_per_minute is not None:
        rate = connector.messages_per_minute
        yield sentence("It hands over {rate} messages a minute; more wait, none is refused.", rate=rate)
    if connector.blocked:
        yield sentence("It is blocked: its mail is refused with 5.7.711 until it is unblocked.")
    yield from _headers(connector)
    if connector.enabled and not connector.blocked:
        yield from _example(_foreseen(context, connector, instead_of), connector)
        yield sentence("It holds for the next transaction, within a second of being saved.")


def _on_premises(context: Context, connector: InboundConnector) -> Iterator[str]:
    yield sentence("Clients are known {ways}; they may relay to every recipient.", ways=_and(_ways(connector)))
    own = [each.name for each in context.settings.accepted_domains if each.organization == connector.organization]
    allowed = connector.associated_accepted_domains or tuple(own)
    by_certificate = [
        name
        for name in connector.tls_sender_certificate_name
        if (found := domain_of_certificate(name, context.settings)) and found.organization == connector.organization
    ]
    if by_certificate and not connector.associated_accepted_domains:
        name = by_certificate[0]
        yield sentence("Any sender is taken, the null one too: {name} belongs to an accepted domain.", name=name)
    elif allowed:
        yield sentence("Only senders in accepted domains are taken: {domains}.", domains=_some(allowed))
    else:
        yield sentence("No domain is accepted yet, so no sender may relay: say first which domains are yours.")
    if connector.sender_domains != ("*",):
        domains = _some(connector.sender_domains)
        yield sentence("Of the senders, only those in {domains} match it.", domains=domains)
    if connector.require_tls:
        yield sentence("Mail that comes without TLS is refused.")
    if connector.allow_authentication_without_tls:
        yield sentence("Its clients may log in without TLS, and whoever listens on the way reads their passwords.")
    if connector.sender_rewriting is not SenderRewriting.KEEP:
        sender = connector.rewritten_sender
        if connector.sender_rewriting is SenderRewriting.FORCE:
            yield sentence("Every sender is replaced by {sender}, in the envelope and in From.", sender=sender)
        else:
            yield sentence(
                "A sender that is not listed is replaced by {sender}, in the envelope and in From.", sender=sender
            )


def _partner(connector: InboundConnector) -> Iterator[str]:
    whose = sentence("all mail")
    if connector.sender_domains != ("*",):
        whose = sentence("mail from {domains}", domains=_some(connector.sender_domains))
    yield sentence("It lets nobody relay to the outside; it only restricts.")
    if connector.require_tls:
        yield sentence("It refuses {mail} that comes without TLS.", mail=whose)
    if connector.restrict_domains_to_certificate:
        yield sentence(
            "It refuses {mail} from clients that do not show a certificate for {names}.",
            mail=whose,
            names=_names(connector),
        )
    if connector.restrict_domains_to_ip_addresses:
        addresses = _some(connector.sender_ip_addresses)
        yield sentence("It refuses {mail} that comes from elsewhere than {addresses}.", mail=whose, addresses=addresses)


def _ways(connector: InboundConnector) -> Sequence[str]:
    found: list[str] = []
    if connector.sender_accounts:
        everybody = connector.sender_accounts == (ANY_ACCOUNT,)
        accounts = sentence("any account") if everybody else _some(connector.sender_accounts)
        found.append(sentence("by logging in as {accounts}", accounts=accounts))
    if connector.tls_sender_certificate_name:
        trust = {PUBLIC_TRUST: sentence("a public authority"), OWN_TRUST: sentence("the built-in authority")}
        issuer = trust.get(connector.trusted_authority, connector.trusted_authority)
        names = _names(connector)
        found.append(sentence("by a certificate for {names}, issued by {issuer}", names=names, issuer=issuer))
    if connector.tls_sender_certificate_fingerprints:
        found.append(sentence("by the fingerprint of their certificate"))
    if connector.sender_ip_addresses:
        found.append(sentence("by their address: {addresses}", addresses=_some(connector.sender_ip_addresses)))
    return found or [sentence("by nothing")]


def _headers(connector: InboundConnector) -> Iterator[str]:
    if connector.cloud_services_mail_enabled:
        yield sentence("Exchange's internal header fields of its mail are kept: what they say is believed.")
    else:
        yield sentence("Exchange's internal header fields are taken out of its mail.")


def _foreseen(context: Context, connector: InboundConnector, instead_of: str | None) -> Context:
    """The context as it would be with the connector."""
    present = context.settings.inbound_connectors
    if instead_of is None:
        after = (*present, connector)
    else:
        after = tuple(connector if each.name == instead_of else each for each in present)
    return replace(context, settings=context.settings.model_copy(update={"inbound_connectors": after}), warnings=[])


def _example(context: Context, connector: InboundConnector) -> Iterator[str]:
    """What the simulator answers to such a client."""
    question = _question(context, connector)
    if question is None:
        return
    answer = _asked(context, question)
    if answer is None:
        return
    who = question.get("certificate_name") or question["ip"]
    yield sentence(
        "Example: {client} sends from {sender} to {recipient}: {reply}",
        client=who,
        sender=question["from_"],
        recipient=question["to"],
        reply=answer.reply,
    )
    yield sentence("Why: {summary}", summary=answer.summary)
    if answer.connector is not None and answer.connector != connector.name:
        yield sentence(
            "That client is connector '{name}''s, which is closer or older; this one would not be used.",
            name=answer.connector,
        )


def _question(context: Context, connector: InboundConnector) -> dict[str, Any] | None:
    addresses = connector.sender_ip_addresses
    network = networks(addresses[0])[0] if addresses else None
    address = network[1] if network is not None and network.num_addresses > 2 else network[0] if network else _STRANGER
    question: dict[str, Any] = {"ip": str(address), "from_": f"postmaster@{_domain(context, connector)}"}
    question["to"] = _ELSEWHERE
    if connector.connector_type is ConnectorType.PARTNER:
        own = [each.name for each in context.settings.accepted_domains if each.organization == connector.organization]
        question["to"] = f"postmaster@{own[0]}" if own else _ELSEWHERE
    if connector.tls_sender_certificate_name:
        name = connector.tls_sender_certificate_name[0]
        question["certificate_name"] = f"mail.{name.removeprefix('*.')}" if name.startswith("*.") else name
    elif connector.tls_sender_certificate_fingerprints:
        return None  # no certificate is at hand that has it
    elif connector.sender_accounts:
        account = next((each for each in connector.sender_accounts if each != ANY_ACCOUNT), None)
        if account is None:
            return None
        question["account"] = account
    question["tls"] = True if connector.require_tls or "account" in question else None
    return question


def _domain(context: Context, connector: InboundConnector) -> str:
    named = [each.removeprefix("*.") for each in connector.sender_domains if each != "*"]
    own = [each.name for each in context.settings.accepted_domains if each.organization == connector.organization]
    return (*connector.associated_accepted_domains, *named, *own, context.settings.hostname)[0]


def _asked(context: Context, question: dict[str, Any]) -> RelayAnswer | None:
    try:
        (answer,) = simulate(context, RelayQuestion(**question))
    except OperationError:  # the example is ours, and not every object has one
        return None
    assert isinstance(answer, RelayAnswer)
    return answer


def _names(connector: InboundConnector) -> str:
    names = connector.tls_sender_certificate_name
    if not names:
        return sentence("of its list, by fingerprint")
    return reduce(lambda one, other: sentence("{one} or {other}", one=one, other=other), names)


def _and(texts: Sequence[str]) -> str:
    return reduce(lambda one, other: sentence("{one} and {other}", one=one, other=other), texts)


def _some(texts: Sequence[str]) -> str:
    shown = ", ".join(texts[:_SHOWN_MAX])
    more = len(texts) - _SHOWN_MAX
    return sentence("{names} and {number} more", names=shown, number=more) if more > 0 else shown

"""The decisions at connect, MAIL and RCPT: who may send what to whom.

Relay to the outside needs both (Exchange's rule since November 2023): the sender's domain is accepted here, and the
session matches an OnPremises connector. Everybody may send to the inside, unless Direct Send is rejected.
"""

from itertools import islice

from staffetta.mail.address import Mailbox
from staffetta.policy.connector import failed_conditions, partner
from staffetta.policy.decision import Attribution, Decision, Reason, SessionFacts
from staffetta.policy.domain import accepted_domain, is_ambiguous, is_known
from staffetta.settings.model import Settings
from staffetta.settings.objects import AcceptedDomain, InboundConnector
from staffetta.smtp import reply
from staffetta.smtp.events import Mail, Rcpt
from staffetta.trace.events import Detail

CONNECTORS_EXPLAINED_MAX = 20  # a stranger must not make us write a line for each of ten thousand connectors

_WELCOME = Decision(reply.OK, Reason.ACCEPTED)
_SENDER_OK = Decision(reply.SENDER_OK, Reason.ACCEPTED)
_BY_CONNECTOR = Decision(reply.RECIPIENT_OK, Reason.CONNECTOR)
_DIRECT_SEND = Decision(reply.RECIPIENT_OK, Reason.DIRECT_SEND)


def connect(facts: SessionFacts, settings: Settings) -> Decision:
    """Decide about a new connection. Every address may speak; what it may send is decided per recipient."""
    return _WELCOME


def sender(facts: SessionFacts, attribution: Attribution, mail: Mail, settings: Settings) -> Decision:
    """Decide about MAIL."""
    connector = attribution.connector
    if connector is None and (match := partner(facts, mail.reverse_path, settings)):
        connector = match.connector
    if connector is not None and connector.require_tls and facts.tls is None:
        return Decision(reply.TLS_REQUIRED, Reason.TLS_REQUIRED, {"connector": connector.name})
    return _SENDER_OK


def recipient(
    facts: SessionFacts, attribution: Attribution, reverse_path: Mailbox | None, rcpt: Rcpt, settings: Settings
) -> Decision:
    """Decide about RCPT."""
    mailbox = rcpt.recipient.mailbox
    domain = accepted_domain(mailbox.domain, settings)
    if domain is None:
        return _outside(facts, attribution, reverse_path, mailbox, settings)
    return _inside(facts, attribution, reverse_path, mailbox, domain, settings)


def _outside(
    facts: SessionFacts, attribution: Attribution, reverse_path: Mailbox | None, mailbox: Mailbox, settings: Settings
) -> Decision:
    is_sender_ours = _is_ours(reverse_path, settings)
    connector = attribution.connector
    # A host beyond us trusts us more than it trusts our client, so that it must get no address to read as a route.
    is_routable, is_plain = not mailbox.domain.startswith("["), not is_ambiguous(mailbox)
    if connector is not None and is_sender_ours and settings.default_route is not None and is_routable and is_plain:
        return _BY_CONNECTOR
    reason = _reason_outside(connector, is_sender_ours=is_sender_ours, is_plain=is_plain)
    evidence = {
        **_evidence(facts, attribution, reverse_path, mailbox),
        "recipient_domain_accepted": False,
        "sender_domain_accepted": is_sender_ours,
        "recipient_address_literal": not is_routable,
        "connector_matched": connector is not None,
        "default_route": settings.default_route,
        **_explained(facts, reverse_path, settings),
    }
    return Decision(reply.RELAY_DENIED, reason, evidence)


def _reason_outside(connector: InboundConnector | None, *, is_sender_ours: bool, is_plain: bool) -> Reason:
    """Name what failed first: no connector, a sender not ours, an ambiguous address; else literal or no road out."""
    if connector is None:
        return Reason.RELAY_DENIED
    if not is_sender_ours:
        return Reason.SENDER_DOMAIN_NOT_ACCEPTED
    return Reason.RELAY_DENIED if is_plain else Reason.AMBIGUOUS_ADDRESS


def _inside(
    facts: SessionFacts,
    attribution: Attribution,
    reverse_path: Mailbox | None,
    mailbox: Mailbox,
    domain: AcceptedDomain,
    settings: Settings,
) -> Decision:
    evidence = _evidence(facts, attribution, reverse_path, mailbox)
    if is_ambiguous(mailbox):
        return Decision(reply.RECIPIENT_ACCESS_DENIED, Reason.AMBIGUOUS_ADDRESS, evidence)
    if attribution.connector is None and (refusal := _unattributed(facts, reverse_path, settings, evidence)):
        return refusal
    if not is_known(mailbox, domain, settings):
        return Decision(reply.RECIPIENT_ACCESS_DENIED, Reason.RECIPIENT_UNKNOWN, {**evidence, "domain": domain.name})
    return _DIRECT_SEND if attribution.connector is None else _BY_CONNECTOR


def _unattributed(
    facts: SessionFacts, reverse_path: Mailbox | None, settings: Settings, evidence: Detail
) -> Decision | None:
    """What may stop mail that no OnPremises connector let in: a partner's restriction, or RejectDirectSend."""
    match = partner(facts, reverse_path, settings)
    is_partner = match is not None and match.is_identified
    if match is not None and match.connector.restrict_domains_to_ip_addresses and not is_partner:
        refused = {**evidence, "partner": match.connector.name}
        return Decision(reply.PARTNER_RESTRICTED, Reason.PARTNER_RESTRICTED, refused)
    if settings.reject_direct_send and not is_partner and _is_ours(reverse_path, settings):
        return Decision(reply.DIRECT_SEND_NOT_ALLOWED, Reason.DIRECT_SEND_REJECTED, evidence)
    return None


def _is_ours(reverse_path: Mailbox | None, settings: Settings) -> bool:
    return reverse_path is not None and accepted_domain(reverse_path.domain, settings) is not None


def _evidence(
    facts: SessionFacts, attribution: Attribution, reverse_path: Mailbox | None, mailbox: Mailbox
) -> dict[str, str | int | float | bool | None]:
    return {
        "peer": str(facts.peer),
        "sender_domain": reverse_path.domain if reverse_path else None,
        "recipient_domain": mailbox.domain,
        "connector": attribution.connector.name if attribution.connector else None,
    }


def _explained(facts: SessionFacts, reverse_path: Mailbox | None, settings: Settings) -> Detail:
    """Why the first connectors did not match; the keys have a prefix, so that none is taken for another fact."""
    conditions = failed_conditions(facts, reverse_path, settings)
    return {f"connector {name}": condition for name, condition in islice(conditions, CONNECTORS_EXPLAINED_MAX)}

"""The decisions at connect, MAIL and RCPT: who may send what to whom.

Relay to the outside needs both (Exchange's rule since November 2023): A, the domain of the sender or of the
certificate is accepted here; and B, the session matches an OnPremises connector. Where that connector rewrites the
sender, A asks for the one under which the message leaves. Who logged in to an account that no connector names may relay
too, as itself (submission.py). Everybody may send to the inside, unless a partner's restriction or RejectDirectSend of
the recipient's organisation stops it.
"""

from staffetta.mail.address import Mailbox
from staffetta.policy.connector import attribute, covering_partner, partner, restriction
from staffetta.policy.decision import Attribution, Decision, Reason, SessionFacts
from staffetta.policy.domain import accepted_domain, domain_of_certificate, is_ambiguous, is_known
from staffetta.policy.evidence import of_connector, of_recipient, of_session, unmatched_connectors
from staffetta.policy.index import index_of
from staffetta.policy.rewriting import leaving_sender
from staffetta.policy.route import has_road
from staffetta.settings.model import Settings
from staffetta.settings.objects import AcceptedDomain, InboundConnector
from staffetta.smtp import reply
from staffetta.smtp.events import Mail, Rcpt

_WELCOME = Decision(reply.OK, Reason.ACCEPTED)
_SENDER_OK = Decision(reply.SENDER_OK, Reason.ACCEPTED)
_RECIPIENT_OK = {
    reason: Decision(reply.RECIPIENT_OK, reason) for reason in (Reason.CONNECTOR, Reason.SUBMISSION, Reason.DIRECT_SEND)
}


def connect(facts: SessionFacts, settings: Settings) -> Decision:
    """Decide about a new connection. Every address may speak; what it may send is decided per recipient."""
    return _WELCOME


def sender(facts: SessionFacts, attribution: Attribution, mail: Mail, settings: Settings) -> Decision:
    """Decide about MAIL."""
    if attribution.account is None and facts.listener in index_of(settings).submission_listeners:
        return Decision(reply.NOT_AUTHENTICATED, Reason.NOT_AUTHENTICATED, of_session(facts, attribution))
    connector = attribution.connector
    if connector is None and attribution.account is None:
        match = partner(facts, mail.reverse_path, settings, attribution.organization, attribution.at)
        connector = match.connector if match is not None else None
    return _tls_required(facts, attribution, connector) or _SENDER_OK


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
    connector = attribution.connector
    leaving = leaving_sender(connector, reverse_path)
    is_sender_ours = _is_of(attribution.organization, leaving, settings)
    is_certificate_ours = _is_certificate_of(attribution, settings)
    # A host beyond us trusts us more than it trusts our client, so that it must get no address to read as a route.
    is_routable, is_plain = not mailbox.domain.startswith("["), not is_ambiguous(mailbox)
    is_blocked = connector is not None and connector.blocked
    if connector is not None:
        may_relay = (is_sender_ours or is_certificate_ours) and not is_blocked
    else:
        may_relay = attribution.account is not None
    if may_relay and is_routable and is_plain and has_road(mailbox, attribution, settings, sender=leaving):
        return _RECIPIENT_OK[attribution.reason]
    if connector is None and attribution.account is None:
        restricted = _restricted(facts, attribution, reverse_path, mailbox, settings)
        if restricted is not None:
            return restricted
    evidence = {
        **of_recipient(facts, attribution, reverse_path, mailbox),
        "recipient_domain_accepted": False,
        "sender_domain_accepted": is_sender_ours,
        "certificate_domain_accepted": is_certificate_ours if attribution.certificate_names else None,
        "recipient_address_literal": not is_routable,
        "may_relay": may_relay,
        "default_route": settings.default_route,
    }
    if is_blocked:
        return Decision(reply.CONNECTOR_BLOCKED, Reason.CONNECTOR_BLOCKED, evidence)
    reason = _reason_outside(attribution, may_relay=may_relay, is_plain=is_plain)
    is_by_certificate = reason is Reason.CERTIFICATE_DOMAIN_NOT_ACCEPTED
    answer = reply.RELAY_DENIED_CERTIFICATE_DOMAIN if is_by_certificate else reply.RELAY_DENIED
    return Decision(answer, reason, {**evidence, **unmatched_connectors(facts, reverse_path, settings, attribution)})


def _reason_outside(attribution: Attribution, *, may_relay: bool, is_plain: bool) -> Reason:
    """Name what failed first: no connector, a sender not ours, an ambiguous address; else literal or no road out."""
    if may_relay:
        return Reason.RELAY_DENIED if is_plain else Reason.AMBIGUOUS_ADDRESS
    if attribution.connector is None:
        return Reason.RELAY_DENIED
    if attribution.certificate_names:
        return Reason.CERTIFICATE_DOMAIN_NOT_ACCEPTED
    return Reason.SENDER_DOMAIN_NOT_ACCEPTED


def _inside(
    facts: SessionFacts,
    attribution: Attribution,
    reverse_path: Mailbox | None,
    mailbox: Mailbox,
    domain: AcceptedDomain,
    settings: Settings,
) -> Decision:
    # To the recipient's organisation, whom another one lets in is a stranger like all others.
    here = attribution
    if attribution.organization != domain.organization:
        here = attribute(facts, reverse_path, settings, attribution.at, organization=domain.organization)
    if is_ambiguous(mailbox):
        evidence = of_recipient(facts, here, reverse_path, mailbox)
        return Decision(reply.RECIPIENT_ACCESS_DENIED, Reason.AMBIGUOUS_ADDRESS, evidence)
    refusal = _blocked(facts, attribution, here, reverse_path, mailbox)
    if refusal is None and here.connector is None and here.account is None:
        refusal = _unattributed(facts, here, reverse_path, mailbox, settings)
    if refusal is not None:
        return refusal
    if not is_known(mailbox, domain, settings):
        evidence = {**of_recipient(facts, here, reverse_path, mailbox), "domain": domain.name}
        return Decision(reply.RECIPIENT_ACCESS_DENIED, Reason.RECIPIENT_UNKNOWN, evidence)
    return _RECIPIENT_OK[attribution.reason if here.reason is Reason.DIRECT_SEND else here.reason]


def _blocked(
    facts: SessionFacts, attribution: Attribution, here: Attribution, reverse_path: Mailbox | None, mailbox: Mailbox
) -> Decision | None:
    for each in (attribution, here):
        if each.connector is not None and each.connector.blocked:
            evidence = of_recipient(facts, each, reverse_path, mailbox)
            return Decision(reply.CONNECTOR_BLOCKED, Reason.CONNECTOR_BLOCKED, evidence)
    return None


def _unattributed(
    facts: SessionFacts, here: Attribution, reverse_path: Mailbox | None, mailbox: Mailbox, settings: Settings
) -> Decision | None:
    """What may stop mail that no OnPremises connector let in: a partner's restriction, or RejectDirectSend."""
    if restricted := _restricted(facts, here, reverse_path, mailbox, settings):
        return restricted
    if here.organization not in index_of(settings).no_direct_send:
        return None
    if not _is_of(here.organization, reverse_path, settings):
        return None
    if covering_partner(facts, reverse_path, settings, here.organization, here.at) is not None:
        return None
    evidence = {
        **of_recipient(facts, here, reverse_path, mailbox),
        **unmatched_connectors(facts, reverse_path, settings, here),
    }
    return Decision(reply.DIRECT_SEND_NOT_ALLOWED, Reason.DIRECT_SEND_REJECTED, evidence)


def _restricted(
    facts: SessionFacts, here: Attribution, reverse_path: Mailbox | None, mailbox: Mailbox, settings: Settings
) -> Decision | None:
    """What the organisation's Partner connector for this sender refuses."""
    match = partner(facts, reverse_path, settings, here.organization, here.at)
    if match is None:
        return None
    if refusal := _tls_required(facts, here, match.connector):
        return refusal
    is_blocked = match.is_identified and match.connector.blocked
    failed = restriction(match, facts, settings, here.at)
    if failed is None and not is_blocked:
        return None
    evidence = {**of_recipient(facts, here, reverse_path, mailbox), "partner": match.connector.name}
    if is_blocked:
        return Decision(reply.CONNECTOR_BLOCKED, Reason.CONNECTOR_BLOCKED, evidence)
    told = of_connector(match.connector, failed) if failed is not None else {}
    return Decision(reply.PARTNER_RESTRICTED, Reason.PARTNER_RESTRICTED, {**evidence, **told})


def _tls_required(facts: SessionFacts, attribution: Attribution, connector: InboundConnector | None) -> Decision | None:
    """Of a Partner it is known at MAIL where there is one organisation, and else at RCPT."""
    if connector is None or not connector.require_tls or facts.tls is not None:
        return None
    evidence = {**of_session(facts, attribution), "connector": connector.name}
    return Decision(reply.TLS_REQUIRED, Reason.TLS_REQUIRED, evidence)


def _is_of(organization: str | None, reverse_path: Mailbox | None, settings: Settings) -> bool:
    """Whether the sender's domain is accepted for this organisation."""
    domain = accepted_domain(reverse_path.domain, settings) if reverse_path is not None else None
    return domain is not None and domain.organization == organization


def _is_certificate_of(attribution: Attribution, settings: Settings) -> bool:
    domains = (domain_of_certificate(name, settings) for name in attribution.certificate_names)
    return any(domain is not None and domain.organization == attribution.organization for domain in domains)

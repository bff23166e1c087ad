"""Attribution: which inbound connector a session matches, and why each other one does not.

The order of ranks is Exchange's, with credentials before: the account that the client logged in to, its TLS
certificate, its address. A connector takes the rank of the strongest kind that it names, and *every* kind that it
names must hold (docs/decisions/015). Within a rank the most specific name or prefix wins, then the order of the file.
Who has logged in is judged by the account alone (docs/decisions/016).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from staffetta.mail.address import Mailbox
from staffetta.policy.decision import Attribution, IPAddress, SessionFacts
from staffetta.policy.domain import accepted_domain, domain_of_certificate
from staffetta.policy.identity import (
    Condition,
    Failed,
    address_failed,
    certificate_failed,
    identified,
    identified_by_certificate,
    identity_failed,
    matched_names,
    presented,
)
from staffetta.policy.index import PolicyIndex, Roster, index_of
from staffetta.settings.model import Settings
from staffetta.settings.objects import Account, ConnectorType, InboundConnector


@dataclass(frozen=True, slots=True)
class PartnerMatch:
    """A Partner connector whose SenderDomains name the sender. is_identified: the session is whom it names."""

    connector: InboundConnector
    is_identified: bool


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A connector, and why it does not let this session relay. is_near: it names the session's address or the like."""

    connector: InboundConnector
    failed: Failed
    is_near: bool


def attribute(
    facts: SessionFacts, reverse_path: Mailbox | None, settings: Settings, at: float, *, organization: str | None = None
) -> Attribution:
    """Return whose mail this is.

    at: seconds since 1970. organization: whose connectors count; None: the one that account, certificate or sender
    tell, in this order; where they tell none of several, no connector does.
    """
    index = index_of(settings)
    account = index.accounts.get(facts.account.lower()) if facts.account is not None else None
    if organization is None:
        organization = index.only_organization or _organization(facts, account, reverse_path, index, at)
    if account is not None and account.organization != organization:
        account = None
    roster = index.on_premises.get(organization) if organization is not None else None
    if roster is not None:
        # The same host may send for several domains by a connector each, or by one of the network around it.
        for connector in identified(roster, facts, account, settings, at):
            if _sender_failed(connector, reverse_path, settings) is None:
                shown = presented(facts)
                names = matched_names(connector, shown) if shown is not None else ()
                return Attribution(connector, account, organization, names, at)
    return Attribution(None, account, organization, (), at)


def partner(
    facts: SessionFacts, reverse_path: Mailbox | None, settings: Settings, organization: str | None, at: float
) -> PartnerMatch | None:
    """Return the organisation's Partner connector whose SenderDomains name the sender most closely.

    Among those that name it equally closely, one that identifies the session goes before the first of the file.
    """
    roster = index_of(settings).partners.get(organization) if organization is not None else None
    if roster is None:
        return None
    for pattern in patterns_naming(reverse_path):
        first = roster.by_pattern.get(pattern)
        if first is not None:
            for connector in identified(roster, facts, None, settings, at):
                if pattern in connector.sender_domains:
                    return PartnerMatch(connector, is_identified=True)
            return PartnerMatch(first, is_identified=False)
    return None


def covering_partner(
    facts: SessionFacts, reverse_path: Mailbox | None, settings: Settings, organization: str | None, at: float
) -> InboundConnector | None:
    """Return a Partner connector of the organisation that identifies the session and covers the sender."""
    roster = index_of(settings).partners.get(organization) if organization is not None else None
    if roster is None:
        return None
    matching = identified(roster, facts, None, settings, at)
    return next((connector for connector in matching if covers_sender(connector, reverse_path)), None)


def restriction(match: PartnerMatch, facts: SessionFacts, settings: Settings, at: float) -> Failed | None:
    """Say which restriction of a Partner connector the session does not meet; None: it meets all."""
    connector = match.connector
    if match.is_identified:
        return None
    if connector.restrict_domains_to_ip_addresses and (failed := address_failed(connector, facts.peer, settings)):
        return failed
    if connector.restrict_domains_to_certificate:
        return certificate_failed(connector, facts, settings, at)
    return None


def covers_sender(connector: InboundConnector, reverse_path: Mailbox | None) -> bool:
    """Whether the connector's SenderDomains name the reverse-path's domain."""
    patterns = connector.sender_domains
    return "*" in patterns or any(pattern in patterns for pattern in patterns_naming(reverse_path))


def patterns_naming(reverse_path: Mailbox | None) -> Iterator[str]:
    """Yield the entries of SenderDomains that would name this sender, the closest first.

    `contoso.com` is that domain alone, `*.contoso.com` that domain and all below it, `*` every sender. The null
    reverse-path has no domain; only `*` names it.
    """
    if reverse_path is not None:
        domain = reverse_path.domain
        yield domain
        while domain:
            yield f"*.{domain}"
            domain = domain.partition(".")[2]
    yield "*"


def wants_certificate(settings: Settings) -> bool:
    """Whether any connector looks at certificates, so that clients must be asked for theirs."""
    return index_of(settings).wants_certificate


def may_authenticate_in_clear(peer: IPAddress, settings: Settings) -> bool:
    """Whether AUTH may be offered to this address without TLS, because a connector that names it says so."""
    return index_of(settings).clear_authentication.holds(peer)


def failed_conditions(
    facts: SessionFacts, reverse_path: Mailbox | None, settings: Settings, attribution: Attribution
) -> Iterator[Unmatched]:
    """Yield each connector with the first condition that failed; one that would let relay is left out.

    Those that name the peer's address, its certificate or its account come first, then the others in file order; only
    those of the organisation, where one is told. There may be thousands, so take no more than is needed.
    """
    index = index_of(settings)
    near = {connector.name: connector for connector in _near(facts, index)}
    others = (connector for connector in settings.inbound_connectors if connector.name not in near)
    for is_near, connectors in ((True, near.values()), (False, others)):
        for connector in connectors:
            if attribution.organization in (None, connector.organization):
                failed = _first_failed(connector, facts, reverse_path, settings, attribution)
                if failed is not None:
                    yield Unmatched(connector, failed, is_near)


def _near(facts: SessionFacts, index: PolicyIndex) -> Iterator[InboundConnector]:
    for roster in index.on_premises.values():
        if facts.account is not None:
            yield from roster.by_account.get(facts.account.lower(), ())
        if (shown := presented(facts)) is not None:
            yield from roster.by_certificate.naming(shown)
    yield from index.addresses.naming(facts.peer)


def _organization(
    facts: SessionFacts, account: Account | None, reverse_path: Mailbox | None, index: PolicyIndex, at: float
) -> str | None:
    """The organisation that the account, the certificate's domain or the sender's domain tell, in this order.

    A certificate tells only where a connector of that organisation takes it: anybody can make one of any name.
    """
    if account is not None:
        return account.organization
    shown = presented(facts)
    domains = (domain_of_certificate(name, index.settings) for name in (shown.names if shown is not None else ()))
    for organization in dict.fromkeys(domain.organization for domain in domains if domain is not None):
        roster = index.on_premises.get(organization)
        if roster is not None and _takes_certificate(roster, facts, index.settings, at):
            return organization
    domain = accepted_domain(reverse_path.domain, index.settings) if reverse_path is not None else None
    return domain.organization if domain is not None else None


def _takes_certificate(roster: Roster, facts: SessionFacts, settings: Settings, at: float) -> bool:
    return next(identified_by_certificate(roster, facts, settings, at), None) is not None


def _first_failed(
    connector: InboundConnector,
    facts: SessionFacts,
    reverse_path: Mailbox | None,
    settings: Settings,
    attribution: Attribution,
) -> Failed | None:
    if not connector.enabled:
        return Failed(Condition.SWITCHED_ON, "it is switched off")
    if connector.connector_type is ConnectorType.PARTNER:
        return Failed(Condition.ON_PREMISES, "it is of type Partner, which never grants relay")
    failed = identity_failed(connector, facts, attribution.account, settings, attribution.at)
    failed = failed or _sender_failed(connector, reverse_path, settings)
    if failed is None and attribution.organization is None:
        words = (
            f"it is organisation {connector.organization}'s, and neither certificate nor sender has a domain of that"
        )
        return Failed(Condition.ORGANIZATION, words)
    return failed


def _sender_failed(connector: InboundConnector, reverse_path: Mailbox | None, settings: Settings) -> Failed | None:
    shown = reverse_path.domain if reverse_path is not None else "the null sender <>"
    if not covers_sender(connector, reverse_path):
        return Failed(Condition.SENDER_DOMAIN, f"its sender domains do not hold {shown}")
    if connector.associated_accepted_domains:
        domain = accepted_domain(reverse_path.domain, settings) if reverse_path is not None else None
        names = {domain.name, reverse_path.domain} if domain is not None and reverse_path is not None else set()
        if names.isdisjoint(connector.associated_accepted_domains):
            return Failed(Condition.ASSOCIATED_DOMAIN, f"its associated accepted domains do not hold {shown}")
    return None

"""Attribution: which inbound connector a session matches, and why each other one does not.

The order of ranks is Exchange's: TLS certificate name, then sending IP. Certificates and credentials take their rank
when connectors can name them; today a connector is identified by the address that the session comes from.
Among those that match, address and sender domain both, the longest prefix wins, then the order of the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from staffetta.mail.address import Mailbox
from staffetta.policy.decision import Attribution, SessionFacts
from staffetta.policy.index import index_of
from staffetta.settings.model import Settings
from staffetta.settings.objects import ConnectorType, InboundConnector

_NONE = Attribution(None)


@dataclass(frozen=True, slots=True)
class PartnerMatch:
    """A Partner connector whose SenderDomains name the sender. is_identified: its address list names the peer."""

    connector: InboundConnector
    is_identified: bool


def attribute(facts: SessionFacts, reverse_path: Mailbox | None, settings: Settings) -> Attribution:
    """Return the OnPremises connector that names this peer most specifically, and covers the sender's domain."""
    # The same host may send for several domains by a connector each, or by one of the network around it.
    for connector in index_of(settings).on_premises.naming(facts.peer):
        if covers_sender(connector, reverse_path):
            return Attribution(connector)
    return _NONE


def partner(facts: SessionFacts, reverse_path: Mailbox | None, settings: Settings) -> PartnerMatch | None:
    """Return the Partner connector whose SenderDomains name the sender most closely.

    Among those that name it equally closely, one that names the peer too goes before the first of the file.
    """
    index = index_of(settings)
    if not index.partner_by_pattern:
        return None
    for pattern in patterns_naming(reverse_path):
        first = index.partner_by_pattern.get(pattern)
        if first is not None:
            for connector in index.partners.naming(facts.peer):
                if pattern in connector.sender_domains:
                    return PartnerMatch(connector, is_identified=True)
            return PartnerMatch(first, is_identified=False)
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


def failed_conditions(
    facts: SessionFacts, reverse_path: Mailbox | None, settings: Settings
) -> Iterator[tuple[str, str]]:
    """Yield each connector's name and the first condition that failed, in words; one that would let relay is left out.

    In file order. There may be thousands of connectors, so take no more than is needed.
    """
    naming_peer = {connector.name for connector in index_of(settings).on_premises.naming(facts.peer)}
    for connector in settings.inbound_connectors:
        failed = _failed_condition(connector, facts, reverse_path, is_peer_named=connector.name in naming_peer)
        if failed is not None:
            yield connector.name, failed


def _failed_condition(
    connector: InboundConnector, facts: SessionFacts, reverse_path: Mailbox | None, *, is_peer_named: bool
) -> str | None:
    if not connector.enabled:
        return "it is switched off"
    if connector.connector_type is ConnectorType.PARTNER:
        return "it is of type Partner, which never grants relay"
    if not connector.sender_ip_addresses:
        return "it names no address"
    if not is_peer_named:
        return f"its addresses do not hold {facts.peer}"
    if not covers_sender(connector, reverse_path):
        return f"its sender domains do not hold {reverse_path.domain if reverse_path else 'the null sender <>'}"
    return None

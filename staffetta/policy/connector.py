"""Attribution: which inbound connector a session matches, and why each other one does not.

The order of ranks is Exchange's: TLS certificate name, then sending IP. Certificates and credentials take their rank
when connectors can name them; today a connector is identified by the address that the session comes from.
Among those that match, address and sender domain both, the longest prefix wins, then the order of the file.
"""

from staffetta.mail.address import Mailbox
from staffetta.policy.decision import Attribution, SessionFacts
from staffetta.policy.index import index_of, names_peer
from staffetta.settings.model import ConnectorType, InboundConnector, Settings
from staffetta.trace.events import Detail


def attribute(facts: SessionFacts, reverse_path: Mailbox | None, settings: Settings) -> Attribution:
    """Return the connector that this session matches."""
    # The same host may send for several domains by a connector each, or by one of the network around it.
    candidates = index_of(settings).connectors_at(facts.peer)
    return Attribution(next((each for each in candidates if covers_sender(each, reverse_path)), None))


def covers_sender(connector: InboundConnector, reverse_path: Mailbox | None) -> bool:
    """Whether the connector's SenderDomains name the reverse-path's domain.

    `*` is every domain, `*.contoso.com` that domain and all below it, `contoso.com` that domain alone. The null
    reverse-path has no domain; only `*` covers it.
    """
    if "*" in connector.sender_domains:
        return True
    return reverse_path is not None and specificity(connector, reverse_path.domain) > 0


def specificity(connector: InboundConnector, domain: str) -> int:
    """Return how closely SenderDomains name the domain: 0 not at all, 1 by `*`, more the closer."""
    best = 0
    for pattern in connector.sender_domains:
        if pattern == "*":
            best = max(best, 1)
        elif pattern == domain:
            best = max(best, 1000)
        elif pattern.startswith("*.") and (domain == pattern[2:] or domain.endswith(pattern[1:])):
            best = max(best, 1 + len(pattern))
    return best


def failed_conditions(facts: SessionFacts, reverse_path: Mailbox | None, settings: Settings) -> Detail:
    """Return for each connector the first condition that failed, in words; a connector that matched is left out."""
    failed: dict[str, str] = {}
    for connector in settings.inbound_connectors:
        if not connector.enabled:
            failed[connector.name] = "it is switched off"
        elif connector.sender_ip_addresses and not names_peer(connector, facts.peer):
            failed[connector.name] = f"its addresses do not hold {facts.peer}"
        elif not covers_sender(connector, reverse_path):
            failed[connector.name] = f"its sender domains do not hold {reverse_path.domain if reverse_path else '<>'}"
        elif connector.connector_type is ConnectorType.PARTNER:
            failed[connector.name] = "it is of type Partner, which never grants relay"
        elif not connector.sender_ip_addresses:
            failed[connector.name] = "it names no address"
    return failed

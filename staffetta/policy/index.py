"""What the settings say about addresses and domains, arranged for looking up; made once per snapshot.

Looking up does not grow with the number of connectors or domains: by prefix length and by name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from staffetta.policy.decision import IPAddress
from staffetta.settings.addresses import networks
from staffetta.settings.model import AcceptedDomain, ConnectorType, InboundConnector, Settings

_KEPT = 4  # a reload leaves sessions with the snapshot before, seldom more


@dataclass(slots=True)
class PolicyIndex:
    """settings: the snapshot that this was made from.

    by_prefix: (IP version, prefix length) to network number to the OnPremises connectors that name it, in file order.
    prefixes: the same keys, longest first, so that the most specific wins.
    """

    settings: Settings
    by_prefix: dict[tuple[int, int], dict[int, list[InboundConnector]]] = field(default_factory=dict)
    prefixes: list[tuple[int, int]] = field(default_factory=list)
    domains: dict[str, AcceptedDomain] = field(default_factory=dict)
    recipients: dict[str, frozenset[str]] = field(default_factory=dict)
    partners: list[InboundConnector] = field(default_factory=list)

    def connectors_at(self, peer: IPAddress) -> Iterator[InboundConnector]:
        """Yield the enabled connectors whose address lists name the peer, the most specific first."""
        number, width = int(peer), peer.max_prefixlen
        for version, length in self.prefixes:
            if version == peer.version:
                yield from self.by_prefix[version, length].get(number >> (width - length), ())


_indexes: dict[int, PolicyIndex] = {}


def index_of(settings: Settings) -> PolicyIndex:
    """Return the index of a snapshot, made at its first use."""
    index = _indexes.get(id(settings))
    if index is None or index.settings is not settings:
        index = _build(settings)
        while len(_indexes) >= _KEPT:
            _indexes.pop(next(iter(_indexes)))
        _indexes[id(settings)] = index
    return index


def _build(settings: Settings) -> PolicyIndex:
    index = PolicyIndex(settings)
    for connector in settings.inbound_connectors:
        if not connector.enabled:
            continue
        if connector.connector_type is ConnectorType.PARTNER:
            index.partners.append(connector)
            continue
        for text in connector.sender_ip_addresses:
            for network in networks(text):
                key = (network.version, network.prefixlen)
                number = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
                index.by_prefix.setdefault(key, {}).setdefault(number, []).append(connector)
    index.prefixes = sorted(index.by_prefix, key=lambda key: key[1], reverse=True)
    for domain in settings.accepted_domains:
        index.domains[domain.name] = domain
        index.recipients[domain.name] = frozenset(local_part.lower() for local_part in domain.recipients)
    return index


def names_peer(connector: InboundConnector, peer: IPAddress) -> bool:
    """Whether the connector's address list names the peer (slow path: explanations and partners)."""
    return any(peer in network for text in connector.sender_ip_addresses for network in networks(text))

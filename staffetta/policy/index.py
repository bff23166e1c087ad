"""What the settings say about addresses and domains, arranged for looking up; made once per snapshot.

Looking up does not grow with the number of connectors or domains: by prefix length, by pattern and by name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from staffetta.policy.decision import IPAddress
from staffetta.settings.addresses import networks
from staffetta.settings.model import Settings
from staffetta.settings.objects import AcceptedDomain, ConnectorType, InboundConnector

_KEPT = 4  # a reload leaves sessions with the snapshot before, seldom more


@dataclass(slots=True)
class AddressTable:
    """Which connectors name an address.

    by_prefix: (IP version, prefix length) to network number to the connectors that name it, in file order.
    prefixes: the same keys, longest first, so that the most specific comes first.
    """

    by_prefix: dict[tuple[int, int], dict[int, list[InboundConnector]]] = field(default_factory=dict)
    prefixes: list[tuple[int, int]] = field(default_factory=list)

    def add(self, connector: InboundConnector) -> None:
        for text in connector.sender_ip_addresses:
            for network in networks(text):
                key = (network.version, network.prefixlen)
                number = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
                self.by_prefix.setdefault(key, {}).setdefault(number, []).append(connector)
        self.prefixes = sorted(self.by_prefix, key=lambda key: key[1], reverse=True)

    def naming(self, peer: IPAddress) -> Iterator[InboundConnector]:
        """Yield the connectors that name the peer: the longest prefix first, then in file order."""
        number, width = int(peer), peer.max_prefixlen
        for version, length in self.prefixes:
            if version == peer.version:
                yield from self.by_prefix[version, length].get(number >> (width - length), ())


@dataclass(slots=True)
class PolicyIndex:
    """settings: the snapshot that this was made from.

    on_premises, partners: enabled connectors of that type, by address.
    partner_by_pattern: an entry of SenderDomains to the first partner in the file that has it.
    recipients: an accepted domain's name to the local parts that exist in it, lower case.
    """

    settings: Settings
    on_premises: AddressTable = field(default_factory=AddressTable)
    partners: AddressTable = field(default_factory=AddressTable)
    partner_by_pattern: dict[str, InboundConnector] = field(default_factory=dict)
    domains: dict[str, AcceptedDomain] = field(default_factory=dict)
    recipients: dict[str, frozenset[str]] = field(default_factory=dict)


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
        if connector.connector_type is ConnectorType.ON_PREMISES:
            index.on_premises.add(connector)
            continue
        index.partners.add(connector)
        for pattern in connector.sender_domains:
            index.partner_by_pattern.setdefault(pattern, connector)
    for domain in settings.accepted_domains:
        index.domains[domain.name] = domain
        index.recipients[domain.name] = frozenset(local_part.lower() for local_part in domain.recipients)
    return index

"""What the settings say about addresses, names and domains, arranged for looking up; made once per snapshot.

Looking up does not grow with the number of connectors or domains: by prefix length, by pattern and by name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from staffetta.policy.certificate import Presented
from staffetta.policy.decision import IPAddress
from staffetta.settings.addresses import networks
from staffetta.settings.model import ListenerKind, Settings
from staffetta.settings.objects import (
    DEFAULT_ORGANIZATION,
    AcceptedDomain,
    Account,
    ConnectorType,
    InboundConnector,
)
from staffetta.settings.remembered import Remembered

_KEPT = 4  # a reload leaves sessions with the snapshot before, seldom more
_CANDIDATES_KEPT = 1024

_PINNED, _SAME_NAME, _UNDER_WILDCARD, _BELOW = range(4)  # how closely a connector names a certificate


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

    def holds(self, peer: IPAddress) -> bool:
        """Whether any connector names the peer."""
        return next(self.naming(peer), None) is not None

    def naming(self, peer: IPAddress) -> Iterator[InboundConnector]:
        """Yield the connectors that name the peer: the longest prefix first, then in file order."""
        number, width = int(peer), peer.max_prefixlen
        for version, length in self.prefixes:
            if version == peer.version:
                yield from self.by_prefix[version, length].get(number >> (width - length), ())


@dataclass(slots=True)
class CertificateTable:
    """Which connectors name a certificate, by fingerprint or by one of its names. What it is worth is not judged here.

    by_name: a connector's entry as it stands. by_parent: its entries without a wildcard, by the domain above.
    """

    by_fingerprint: dict[str, list[int]] = field(default_factory=dict)
    by_name: dict[str, list[int]] = field(default_factory=dict)
    by_parent: dict[str, list[int]] = field(default_factory=dict)
    _connectors: list[InboundConnector] = field(default_factory=list)
    _found: Remembered[str, tuple[InboundConnector, ...]] = field(default_factory=lambda: Remembered(_CANDIDATES_KEPT))

    def add(self, connector: InboundConnector) -> None:
        number = len(self._connectors)
        self._connectors.append(connector)
        for fingerprint in fingerprints(connector):
            self.by_fingerprint.setdefault(fingerprint, []).append(number)
        for name in certificate_names(connector):
            self.by_name.setdefault(name, []).append(number)
            if not name.startswith("*."):
                self.by_parent.setdefault(name.partition(".")[2], []).append(number)

    def naming(self, presented: Presented) -> tuple[InboundConnector, ...]:
        """Return the connectors that name this certificate, the closest first, then in file order."""
        if not self._connectors:
            return ()
        key = presented.fingerprint or presented.names[0]  # an assumed certificate has a name alone
        found = self._found.get(key)
        if found is None:
            closeness: dict[int, tuple[int, int]] = {}
            for close, number in self._closeness(presented):
                closeness[number] = min(close, closeness.get(number, close))
            ordered = sorted(closeness, key=lambda number: (closeness[number], number))
            found = tuple(self._connectors[number] for number in ordered)
            self._found.keep(key, found)
        return found

    def _closeness(self, presented: Presented) -> Iterator[tuple[tuple[int, int], int]]:
        for number in self.by_fingerprint.get(presented.fingerprint, ()):
            yield (_PINNED, 0), number
        visited: set[str] = set()
        for name in presented.names:
            base = name.removeprefix("*.")
            for number in self.by_name.get(name, ()):
                yield (_SAME_NAME, 0), number
            if name != base:
                for number in self.by_parent.get(base, ()):
                    yield (_UNDER_WILDCARD, 0), number
            while base and base not in visited:  # a thousand hosts of one domain have one way up
                visited.add(base)
                for number in self.by_name.get(f"*.{base}", ()):
                    yield (_BELOW, -len(base)), number
                base = base.partition(".")[2]


@dataclass(slots=True)
class Roster:
    """Enabled connectors of one type and organisation, each under the strongest kind of identity that it names.

    by_account: lower-case user names, or `*`.
    by_pattern: an entry of SenderDomains to the first connector in the file that has it.
    """

    by_account: dict[str, list[InboundConnector]] = field(default_factory=dict)
    by_certificate: CertificateTable = field(default_factory=CertificateTable)
    by_address: AddressTable = field(default_factory=AddressTable)
    by_pattern: dict[str, InboundConnector] = field(default_factory=dict)

    def add(self, connector: InboundConnector) -> None:
        for pattern in connector.sender_domains:
            self.by_pattern.setdefault(pattern, connector)
        if connector.sender_accounts:
            for account in connector.sender_accounts:
                self.by_account.setdefault(account.lower(), []).append(connector)
        elif names_certificates(connector):
            self.by_certificate.add(connector)
        else:
            self.by_address.add(connector)


@dataclass(slots=True)
class PolicyIndex:
    """settings: the snapshot that this was made from.

    only_organization: the one that everything belongs to; None where there are several.
    on_premises, partners: enabled connectors of that type, by organisation.
    addresses: of every connector, of whatever type, on or off. addresses_of: the same for each, by its name.
    known_addresses: of connectors that are on, but for those that cover every address.
    tolerant_addresses: of connectors that are on and name a tolerance.
    clear_authentication: who may log in without TLS.
    accounts: those that are on, by lower-case user name.
    recipients: an accepted domain's name to the local parts that exist in it, lower case.
    no_direct_send: organisations that reject it. submission_listeners: their names.
    wants_certificate: whether any connector that is on looks at certificates.
    """

    settings: Settings
    only_organization: str | None = None
    on_premises: dict[str, Roster] = field(default_factory=dict)
    partners: dict[str, Roster] = field(default_factory=dict)
    addresses: AddressTable = field(default_factory=AddressTable)
    known_addresses: AddressTable = field(default_factory=AddressTable)
    addresses_of: dict[str, AddressTable] = field(default_factory=dict)
    tolerant_addresses: AddressTable = field(default_factory=AddressTable)
    clear_authentication: AddressTable = field(default_factory=AddressTable)
    accounts: dict[str, Account] = field(default_factory=dict)
    domains: dict[str, AcceptedDomain] = field(default_factory=dict)
    recipients: dict[str, frozenset[str]] = field(default_factory=dict)
    no_direct_send: frozenset[str] = frozenset()
    submission_listeners: frozenset[str] = frozenset()
    wants_certificate: bool = False


_indexes: Remembered[int, PolicyIndex] = Remembered(_KEPT)


def index_of(settings: Settings) -> PolicyIndex:
    """Return the index of a snapshot, made at its first use."""
    index = _indexes.get(id(settings))
    if index is None or index.settings is not settings:
        index = _build(settings)
        _indexes.keep(id(settings), index)
    return index


def names_certificates(connector: InboundConnector) -> bool:
    """Whether the connector asks for a certificate, by name or by fingerprint."""
    return bool(connector.tls_sender_certificate_name or connector.tls_sender_certificate_fingerprints)


def certificate_names(connector: InboundConnector) -> tuple[str, ...]:
    """The names that the connector asks for, as they are compared."""
    return tuple(name.lower() for name in connector.tls_sender_certificate_name)


def fingerprints(connector: InboundConnector) -> tuple[str, ...]:
    """The SHA-256 fingerprints that the connector takes, as they are compared."""
    return tuple(text.replace(":", "").lower() for text in connector.tls_sender_certificate_fingerprints)


def _build(settings: Settings) -> PolicyIndex:
    index = PolicyIndex(settings)
    for connector in settings.inbound_connectors:
        index.addresses.add(connector)
        index.addresses_of[connector.name] = AddressTable()
        index.addresses_of[connector.name].add(connector)
        if connector.enabled:
            _add(index, connector)
    for domain in settings.accepted_domains:
        index.domains[domain.name] = domain
        index.recipients[domain.name] = frozenset(local_part.lower() for local_part in domain.recipients)
    index.accounts = {account.user_name.lower(): account for account in settings.accounts if account.enabled}
    index.only_organization = _only(settings)
    rejecting = {each.name for each in settings.organizations if each.reject_direct_send}
    index.no_direct_send = frozenset(rejecting | {DEFAULT_ORGANIZATION} if settings.reject_direct_send else rejecting)
    index.submission_listeners = frozenset(
        each.name for each in settings.listeners if each.kind is ListenerKind.SUBMISSION
    )
    return index


def _add(index: PolicyIndex, connector: InboundConnector) -> None:
    is_on_premises = connector.connector_type is ConnectorType.ON_PREMISES
    rosters = index.on_premises if is_on_premises else index.partners
    rosters.setdefault(connector.organization, Roster()).add(connector)
    index.wants_certificate |= names_certificates(connector)
    if not connector.allow_any_address:
        index.known_addresses.add(connector)
    if connector.tolerance is not None:
        index.tolerant_addresses.add(connector)
    if connector.allow_authentication_without_tls:
        index.clear_authentication.add(connector)


def _only(settings: Settings) -> str | None:
    """The one organisation that everything belongs to; the default one where there is nothing."""
    names = {each.organization for each in settings.inbound_connectors}
    names |= {each.organization for each in settings.accepted_domains}
    names |= {each.organization for each in settings.accounts}
    if len(names) > 1:
        return None
    return names.pop() if names else DEFAULT_ORGANIZATION

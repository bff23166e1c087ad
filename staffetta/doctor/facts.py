"""The facts that checks judge. Nothing here does anything; gathering/ fills it in.

Times are seconds since 1970 and durations seconds, unless a name says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from staffetta.delivery.mtasts import StsPolicy
from staffetta.doctor.spf import SpfRecord
from staffetta.policy.decision import PeerCertificate
from staffetta.settings.acme_state import AcmeState
from staffetta.settings.model import Settings
from staffetta.settings.trust import Authority


class Whose(StrEnum):
    """Which side of TLS a certificate is for."""

    LISTENER = "listener"
    ROUTE = "route"


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """A certificate that we serve with or show. names: of the route, or of the listeners of one kind that have it.

    shown: what the other side gets; None where it cannot be used, and trouble says why. usages: OIDs of its extended
    key usage, None where it has none. is_own_making: the one that a listener without a certificate makes itself.
    """

    whose: Whose
    names: tuple[str, ...]
    path: Path
    shown: PeerCertificate | None = None
    usages: frozenset[str] | None = None
    trouble: str | None = None
    is_own_making: bool = False


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """The disk of the data folder, or of what will hold it.

    sync_ms: the median time that writing 4 KiB and syncing took, in milliseconds; None where it could not be tried, and
    trouble says why. file_system: such as "ext4".
    """

    folder: Path
    file_system: str
    free_octets: int
    total_octets: int
    free_inodes: int
    total_inodes: int
    sync_ms: float | None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file or folder whose permissions matter. what: such as "the private key of listener relay".

    mode: permission bits. owner: user id. is_secret: nobody but the relay may read it. has_hashes: of
    passwords. is_for_relay: whether who owns the data folder can read it. trouble: why it cannot be looked at; then the
    rest says nothing.
    """

    path: Path
    what: str
    mode: int = 0
    owner: int = 0
    is_secret: bool = True
    has_hashes: bool = False
    is_for_relay: bool = True
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """Clients of the last messages and refusals. peers: how often each address, the most frequent first.

    helos: names that the most frequent one gave. gateway: this machine's for IPv4, None where there is none.
    """

    peers: tuple[tuple[str, int], ...] = ()
    helos: tuple[str, ...] = ()
    gateway: str | None = None


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """is_synchronized: what the kernel says of its clock; None where it does not.

    offsets: by how many seconds our clock is ahead of others', by whom. unanswered: who was asked, and did not answer.
    """

    is_synchronized: bool | None = None
    offsets: tuple[tuple[str, float], ...] = ()
    unanswered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResolverFacts:
    """What our resolver is worth. trouble: why it does not answer.

    is_validating: it vouches for a signed name and refuses a forged one. is_believed: its word on that counts here.
    """

    trouble: str | None = None
    is_validating: bool = False
    is_believed: bool = False


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A name and its addresses. trouble: the DNS does not say."""

    name: str
    addresses: tuple[str, ...] = ()
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainFacts:
    """What the DNS says of an accepted domain. trouble: it does not say; then the rest is empty.

    exchangers: of its MX records, "" for the null MX. spf: without text where there is no record. dmarc, mta_sts,
    tls_rpt: the texts at their names. dmarc_at: at which domain, itself or one above. has_keys: whether there is any
    name below _domainkey. keys: texts by the selectors of the settings. policy: the MTA-STS policy that is
    served; policy_trouble: why there is none, where a record promises one.
    """

    name: str
    trouble: str | None = None
    exchangers: tuple[HostFacts, ...] = ()
    spf: SpfRecord | None = None
    dmarc: tuple[str, ...] = ()
    dmarc_at: str = ""
    has_keys: bool = False
    keys: tuple[tuple[str, tuple[str, ...]], ...] = ()
    mta_sts: tuple[str, ...] = ()
    policy: StsPolicy | None = None
    policy_trouble: str | None = None
    tls_rpt: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """An address that our mail comes from. names: its PTR records'. confirmed: those of them that have the address."""

    address: str
    names: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A session opened to see who answers. where: `host:port`. trouble: why there is none, or why it ended.

    has_starttls: as the EHLO reply says. seen_as: our address, where the reply tells. ahead_seconds: of the time that
    the greeting tells. certificate_der: of TLS. relayed: what our own listeners answer to a stranger's RCPT.
    """

    where: str
    trouble: str | None = None
    is_refused: bool = False
    greeting: str = ""
    has_starttls: bool = False
    seen_as: str | None = None
    ahead_seconds: float | None = None
    certificate_der: bytes | None = None
    relayed: str | None = None


@dataclass(frozen=True, slots=True)
class ListenerFacts:
    """A listener of ours, and who answers there from this machine. peer: the address that we come from."""

    name: str
    session: SessionFacts
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFacts:
    """What was seen beyond files. hosts: next hops and our own name, by name. probe: None where none is configured.

    unasked_domains: how many accepted domains were too many to ask for.
    """

    resolver: ResolverFacts
    hosts: Mapping[str, HostFacts]
    domains: tuple[DomainFacts, ...]
    own: tuple[OwnAddress, ...]
    listeners: tuple[ListenerFacts, ...] = ()
    probe: SessionFacts | None = None
    unasked_domains: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything. directory_trouble: why the directory is not in use; None where it is, or where there is none.

    acme: how the last order of a certificate went; None where there was none. network: None offline.
    """

    settings: Settings
    now: float
    public: Authority
    certificates: tuple[CertificateFacts, ...]
    disk: DiskFacts
    files: tuple[FileFacts, ...]
    clients: ClientFacts
    clock: ClockFacts
    directory_trouble: str | None = None
    acme: AcmeState | None = None
    network: NetworkFacts | None = None

    @property
    def online(self) -> NetworkFacts:
        """What the network tells, for checks that are made where it does."""
        assert self.network is not None
        return self.network

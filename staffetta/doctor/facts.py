"""The facts that checks judge. Nothing here does anything; gathering/ fills it in.

Times are seconds since 1970 and durations seconds, unless a name says otherwise.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from staffetta.policy.decision import PeerCertificate
from staffetta.settings.model import Settings
from staffetta.settings.trust import Authority


class Whose(StrEnum):
    """Which side of TLS a certificate is for."""

    LISTENER = "listener"
    ROUTE = "route"


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """A certificate that we serve with or show. name: of the listener or route.

    shown: what the other side gets; None where it cannot be used, and trouble says why. usages: OIDs of its extended
    key usage, None where it has none. is_own_making: the one that a listener without a certificate makes itself.
    """

    whose: Whose
    name: str
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

    offsets: by how many seconds our clock is ahead of others', by whom.
    """

    is_synchronized: bool | None = None
    offsets: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything. directory_trouble: why the directory is not in use; None where it is, or where there is none."""

    settings: Settings
    now: float
    public: Authority
    certificates: tuple[CertificateFacts, ...]
    disk: DiskFacts
    files: tuple[FileFacts, ...]
    clients: ClientFacts
    clock: ClockFacts
    directory_trouble: str | None = None

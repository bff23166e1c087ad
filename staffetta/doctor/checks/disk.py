"""The disk under the data folder: room, kind, and how long a sync takes, since no 250 is said before one."""

from collections.abc import Iterator

from staffetta.doctor.facts import Facts
from staffetta.doctor.finding import Finding, Kind, Severity

_VOLATILE = ("tmpfs", "ramfs")
_CONTAINER = ("overlay", "aufs")
_OVER_THE_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "fuse.glusterfs")
_SLOW_MS = 50.0
_ROOM_SHARE = 0.05
_INODES_SHARE = 0.02

UNUSABLE = Kind(
    "disk-unusable",
    Severity.ERROR,
    "Without a disk that can be written to the relay takes no mail.",
    "Make {folder} a folder that the relay's user can write to, or set another data_dir.",
)
FULL = Kind(
    "disk-full",
    Severity.ERROR,
    "Below limits.spool_free_octets_min new mail is refused with 452 until there is room.",
    "Make room on the disk of {folder}, or put data_dir on a larger one.",
)
FILLING = Kind(
    "disk-filling",
    Severity.WARNING,
    "A day on which a next hop is down fills it, and then new mail is refused with 452.",
    "Make room on the disk of {folder}, or put data_dir on a larger one.",
)
SLOW = Kind(
    "disk-sync-slow",
    Severity.WARNING,
    "Each message waits for a sync before it is acknowledged; clients that send many notice.",
    "Put data_dir on a local SSD; look whether something else keeps this disk busy.",
)
VOLATILE = Kind(
    "disk-in-memory",
    Severity.ERROR,
    "What is acknowledged is lost with the next restart of the machine.",
    "Set data_dir to a folder on a disk.",
)
CONTAINER = Kind(
    "disk-of-the-container",
    Severity.ERROR,
    "What is acknowledged is lost with the container.",
    "Mount a volume for {folder}, such as `-v staffetta:{folder}`.",
)
NETWORK = Kind(
    "disk-over-the-network",
    Severity.ERROR,
    "SQLite's write-ahead log needs the memory and the locks of one machine; over the network it can break.",
    "Set data_dir to a folder on a local disk.",
)
KINDS = (UNUSABLE, FULL, FILLING, SLOW, VOLATILE, CONTAINER, NETWORK)


def judge(facts: Facts) -> Iterator[Finding]:
    disk = facts.disk
    if disk.trouble is not None:
        yield UNUSABLE.found(f"{disk.folder}: {disk.trouble}", folder=disk.folder)
        return
    for systems, kind in ((_VOLATILE, VOLATILE), (_CONTAINER, CONTAINER), (_OVER_THE_NETWORK, NETWORK)):
        if disk.file_system in systems:
            yield kind.found(f"{disk.folder} is on a file system of the kind {disk.file_system}", folder=disk.folder)
    least = facts.settings.limits.spool_free_octets_min
    shown = f"{_mebibytes(disk.free_octets)} of {_mebibytes(disk.total_octets)} are free on the disk of {disk.folder}"
    has_inodes = disk.total_inodes == 0 or disk.free_inodes >= disk.total_inodes * _INODES_SHARE
    if disk.free_octets < least:
        yield FULL.found(shown, folder=disk.folder)
    elif disk.free_octets < 10 * least or disk.free_octets < disk.total_octets * _ROOM_SHARE:
        yield FILLING.found(shown, folder=disk.folder)
    elif not has_inodes:
        yield FILLING.found(f"{disk.free_inodes} more files fit on the disk of {disk.folder}", folder=disk.folder)
    if disk.sync_ms is not None and disk.sync_ms > _SLOW_MS:
        yield SLOW.found(f"writing 4 KiB to {disk.folder} and syncing takes {disk.sync_ms:.0f} ms")


def _mebibytes(octets: int) -> str:
    return f"{octets / 2**30:.1f} GiB" if octets >= 2**30 else f"{octets / 2**20:.0f} MiB"

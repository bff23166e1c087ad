"""The machine: the disk of the data folder, the kernel's clock, the default gateway."""

import contextlib
import ctypes
import ipaddress
import os
import re
import statistics
import tempfile
import time
from pathlib import Path

from staffetta.doctor.facts import DiskFacts

_SYNCS = 9
_SYNCED_OCTETS = 4096
_MOUNTS = Path("/proc/self/mountinfo")
_ROUTES = Path("/proc/net/route")
_UNSYNCHRONIZED = 0x40  # STA_UNSYNC of <sys/timex.h>
_TIMEX_OCTETS = 512  # more than struct timex has on any system
_STATUS_WORD = 5  # struct timex begins: modes, offset, freq, maxerror, esterror, status; each in a word of the machine


def disk(data_dir: Path) -> DiskFacts:
    """Look at the disk that has the data folder, or will have it; a small file is written and taken away again."""
    folder = data_dir
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    found = os.statvfs(folder)
    sync_ms, trouble = None, None
    if not data_dir.exists():
        if not os.access(folder, os.W_OK | os.X_OK):
            trouble = f"it is not there, and cannot be made in {folder} by this user"
    else:
        try:
            sync_ms = _sync_ms(data_dir)
        except OSError as error:
            trouble = f"it cannot be written to: {error.strerror}"
    return DiskFacts(
        data_dir,
        file_system(folder),
        free_octets=found.f_bavail * found.f_frsize,
        total_octets=found.f_blocks * found.f_frsize,
        free_inodes=found.f_favail,
        total_inodes=found.f_files,
        sync_ms=sync_ms,
        trouble=trouble,
    )


def file_system(folder: Path, mounts: Path = _MOUNTS) -> str:
    """Return the kind of file system that a folder is on, such as "ext4"; empty where the kernel does not tell."""
    best, kind = -1, ""
    with contextlib.suppress(OSError):
        for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            point = Path(_unescaped(before.split(" ")[4]))
            if folder.resolve().is_relative_to(point) and len(point.parts) >= best:
                best, kind = len(point.parts), after.split(" ")[0]
    return kind


def is_clock_synchronized() -> bool | None:
    """Return what the kernel says of its clock (adjtimex); None where it says nothing."""
    words = (ctypes.c_long * (_TIMEX_OCTETS // ctypes.sizeof(ctypes.c_long)))()
    try:
        if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(words)) < 0:
            return None
    except (AttributeError, OSError):  # no Linux
        return None
    return not words[_STATUS_WORD] & _UNSYNCHRONIZED


def default_gateway(routes: Path = _ROUTES) -> str | None:
    """Return the address of the default gateway for IPv4."""
    with contextlib.suppress(OSError):
        for line in routes.read_text(encoding="ascii").splitlines()[1:]:
            _, destination, gateway, *_ = line.split()
            if destination == "00000000" and gateway != "00000000":
                return str(ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(gateway), "little")))
    return None


def _sync_ms(folder: Path) -> float:
    """The median of some syncs. Raises OSError."""
    took = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            file.write(bytes(_SYNCED_OCTETS))
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)

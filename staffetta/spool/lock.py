"""One process owns a spool folder: an exclusive lock that the system drops when the process ends, however it ends."""

import fcntl
import os
from pathlib import Path

from staffetta.spool.database import SpoolCannotOpen

LOCK_NAME = "spool.lock"


class SpoolLocked(SpoolCannotOpen):
    """Another process has this spool. Stop it, or give this one a folder of its own."""


def lock_folder(folder: Path) -> int:
    """Take the folder and return the descriptor that holds it; closing it lets go. Raises SpoolLocked."""
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
        os.close(descriptor)
        by_whom = f"process {holder}" if holder.isdigit() else "another process"
        raise SpoolLocked(
            f"The spool in {folder} is in use by {by_whom}. Stop it first, or set another data_dir."
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor

"""Small files of ours that are there whole or not at all, for their owner's eyes only."""

import contextlib
import os
import secrets
from pathlib import Path


def write_whole(path: Path, octets: bytes, owner: os.stat_result | None = None) -> None:
    """Put octets in the place of a file: after a crash the old or the new is there. 0600. Blocks; raises OSError.

    owner: whose file it becomes, where root writes it for the relay.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        if owner is not None and os.geteuid() == 0:
            os.chown(beside, owner.st_uid, owner.st_gid)
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

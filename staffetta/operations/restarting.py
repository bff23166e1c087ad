"""Restarting a relay while it goes on: what its process tells of itself, and how it is asked.

Rule 1: who holds the lock is the relay of a data folder; what the file says counts only while it is held.
Rule 2: a restart that cannot be is refused before anything is stopped, and the relay says why.
"""

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from staffetta.operations.spools import NotAvailable
from staffetta.spool.database import SpoolCannotOpen
from staffetta.spool.lock import SpoolLocked

LOCK_NAME = "relay.lock"
RESTART_SECONDS = 300.0  # each worker in turn may have a minute
_POLL_SECONDS = 0.1
_WHY_CHARACTERS_MAX = 500
_FILE_OCTETS = 4096


@dataclass(frozen=True, slots=True)
class Standing:
    """pid: of the process to be asked. starts: how often it has started. refusals: how often it has not, and why."""

    pid: int
    starts: int = 1
    refusals: int = 0
    refused: str = ""


class StandingFile:
    """The lock of a data folder, held by the relay's first process, over restarts too."""

    def __init__(self, descriptor: int, standing: Standing) -> None:
        self.descriptor = descriptor
        self.standing = standing

    @classmethod
    def take(cls, data_dir: Path) -> Self:
        """Take the lock. Raises SpoolLocked where another relay has it, SpoolCannotOpen where it cannot be written."""
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            why = error.strerror or str(error)
            raise SpoolCannotOpen(f"{data_dir} cannot be used: {why}. It must be writable for this user.") from error
        if not _lock(descriptor):
            holder = _read(descriptor)
            os.close(descriptor)
            by_whom = f"process {holder.pid}" if holder else "another process"
            raise SpoolLocked(f"{data_dir} is in use by {by_whom}. Stop it first, or set another data_dir.")
        taken = cls(descriptor, Standing(os.getpid()))
        os.ftruncate(descriptor, 0)  # ready() says that it runs
        return taken

    @classmethod
    def inherited(cls, descriptor: int, starts: int) -> Self:
        """Go on with the lock of the program that this process was before."""
        os.set_inheritable(descriptor, False)
        return cls(descriptor, Standing(os.getpid(), starts))

    def ready(self) -> None:
        """Everything runs."""
        self._write(self.standing)

    def refuse(self, why: str) -> None:
        """A restart was asked for that cannot be."""
        self.standing = replace(self.standing, refused=why[:_WHY_CHARACTERS_MAX], refusals=self.standing.refusals + 1)
        self._write(self.standing)

    def _write(self, standing: Standing) -> None:
        text = json.dumps(asdict(standing)).encode()
        os.pwrite(self.descriptor, text.ljust(_FILE_OCTETS), 0)  # whole, and longer than what was there


def restart(
    data_dir: Path,
    *,
    seconds: float = RESTART_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
    ask: Callable[[int, int], None] = os.kill,
) -> None:
    """Have the relay of a data folder start anew, and wait until all of it has. Raises NotAvailable."""
    before = _standing(data_dir)
    if before is None:
        raise NotAvailable(f"No relay runs on {data_dir}. Start it: staffetta serve")
    try:
        ask(before.pid, signal.SIGUSR2)
    except PermissionError:
        raise NotAvailable(f"Process {before.pid} is another user's. Ask as that user, or as root.") from None
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        sleep(_POLL_SECONDS)
        now = _standing(data_dir)
        if now is None:
            raise NotAvailable("The relay has stopped meanwhile; its log says why.")
        if now.refusals > before.refusals:
            raise NotAvailable(f"The relay goes on as it was: {now.refused}")
        if now.starts > before.starts:
            return
    raise NotAvailable(f"The relay has not restarted within {seconds:.0f} s; its log says more.")


def _standing(data_dir: Path) -> Standing | None:
    """None where no relay runs."""
    try:
        descriptor = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotAvailable(f"{data_dir / LOCK_NAME} cannot be read: {error.strerror}.") from error
    try:
        return None if _lock(descriptor) else _read(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read(descriptor: int) -> Standing | None:
    try:
        return Standing(**json.loads(os.pread(descriptor, _FILE_OCTETS, 0)))
    except (ValueError, TypeError):
        return None

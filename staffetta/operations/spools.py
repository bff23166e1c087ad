"""Where the spool is, and how it is opened: the same for the relay and for who works on it while no relay runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from staffetta.operations.errors import Unavailable
from staffetta.settings.model import Settings
from staffetta.spool.database import SpoolCannotOpen
from staffetta.spool.spool import SpoolUnavailable
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.partitions import partition
from staffetta.trace.search import TraceUnavailable


class NotAvailable(Exception):
    """The spool cannot be read or asked now; the same may work later. The text says why."""


@contextmanager
def not_available() -> Iterator[None]:
    """Turn every way in which a spool refuses into NotAvailable."""
    try:
        yield
    except (TraceUnavailable, SpoolUnavailable, SpoolCannotOpen) as error:
        raise NotAvailable(str(error)) from error


@contextmanager
def spool_told() -> Iterator[None]:
    """Turn NotAvailable into an error of an operation."""
    try:
        yield
    except NotAvailable as error:
        raise Unavailable(str(error)) from error


def spool_folder(settings: Settings) -> Path:
    """Return the folder of the spool; it may not be there yet."""
    return settings.data_dir / "spool"


async def open_spool(settings: Settings, place: int = 0) -> SqliteSpool:
    """Take a partition, made if need be. Raises SpoolCannotOpen; SpoolLocked where another process has it."""
    return await SqliteSpool.open(
        partition(spool_folder(settings), place),
        partition=place,
        content_in_memory_octets_max=settings.limits.content_in_memory_octets_max,
        free_octets_min=settings.limits.spool_free_octets_min,
        unknown_retry_seconds=settings.queue.unknown_retry_seconds,
    )

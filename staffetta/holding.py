"""The partitions that a worker holds: its own, and those that workers have left which are no more.

Rule 1: mail goes into the own one alone. The others are carried on until nothing of them waits; what they tell of the
past stays to be read, and is swept as ever.
Rule 2: a message is never moved, so that it is in one partition at any instant.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from staffetta.operations.spools import open_spool, spool_folder
from staffetta.place import Place
from staffetta.queue import book, slots
from staffetta.queue.book import Book
from staffetta.queue.manager import QueueManager
from staffetta.queue.slots import Slots
from staffetta.settings.model import Settings
from staffetta.spool.reading import QueueCount
from staffetta.spool.siblings import suspend_alike
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.partitions import DATABASE_NAME, partition, partitions, place_of

MakeQueue = Callable[[SqliteSpool, Book | None, Slots | None], QueueManager]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Part:
    place: int
    spool: SqliteSpool
    queue: QueueManager


class Holding:
    """See the head of this file. Made by open(); between start() and drain() its queues run."""

    def __init__(self, parts: list[_Part], shared: Book | None) -> None:
        """shared: where several queues count together; None where there is one alone."""
        self._parts = parts
        self._book = shared

    @classmethod
    async def open(cls, settings: Settings, place: Place, make_queue: MakeQueue) -> "Holding":
        """Take the partitions. Raises SpoolCannotOpen."""
        folder = spool_folder(settings)
        held = place.held(map(place_of, partitions(folder)))
        is_alone = place.of == 1 and len(held) == 1
        holding = cls([], None if is_alone else Book(_made(folder) / book.FILE_NAME))
        try:
            for each in held:
                is_new = not (partition(folder, each) / DATABASE_NAME).exists()
                spool = await open_spool(settings, each)
                turn = (place.number + len(holding._parts) / len(held)) / place.of  # so that they seldom meet
                lanes = None if is_alone else Slots(folder / slots.FILE_NAME, turn)
                holding._parts.append(_Part(each, spool, make_queue(spool, holding._book, lanes)))
                if is_new and each:
                    suspend_alike(partition(folder, 0), partition(folder, each))
                if each != place.number:
                    _log.info("partition adopted", partition=each)
        except BaseException:
            await holding.close()
            raise
        return holding

    @property
    def own(self) -> SqliteSpool:
        """Where mail goes that comes here."""
        return self._parts[0].spool

    async def start(self) -> None:
        """Begin to carry. Raises SpoolUnavailable."""
        for part in self._parts:
            await part.queue.start()

    async def drain(self, grace_seconds: float) -> None:
        """Do as QueueManager.drain() does."""
        await asyncio.gather(*(part.queue.drain(grace_seconds) for part in self._parts))

    async def close(self) -> None:
        """Give the partitions back, when nothing writes any more."""
        for part in self._parts:
            await part.spool.close()
        if self._book:
            self._book.close()

    async def counts(self) -> list[QueueCount]:
        """Return what waits, of each partition. Raises SpoolUnavailable."""
        return [count for part in self._parts for count in await part.spool.counts()]

    def troubles(self) -> Iterator[str]:
        """Yield what is not well, in words for the administrator."""
        for part in self._parts:
            name = f"partition {part.place}: " if len(self._parts) > 1 and part.place else ""
            if part.spool.trouble:
                yield f"{name}spool: {part.spool.trouble}"
            yield from (f"{name}{trouble}" for trouble in part.queue.troubles())


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder

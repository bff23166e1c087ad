"""The partitions of a spool: a folder for each worker, read as one (docs/decisions/112-workers.md).

Rule 1: partition 0 is the spool's folder itself, partition n the folder `NN` below it; so one worker needs no other.
Rule 2: a number ends with its partition, which is therefore known without a search.
Rule 3: who reads asks each partition with the limit of the whole, and merges; with one partition nothing is merged.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NewType, TypeVar

DATABASE_NAME = "spool.db"
_SIGNS = (DATABASE_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}.salvaged")  # the last two: of a damaged one
PARTITIONS_MAX = 64  # a number has room for 256

T = TypeVar("T")
Partition = NewType("Partition", Path)
"""The folder of one partition, as partitions() names it. Who has only the spool's folder does not have one yet."""


def partition(spool: Path, place: int) -> Partition:
    """Return the folder of a partition; it may not be there yet."""
    return Partition(spool if place == 0 else spool / f"{place:02}")


def place_of(found: Partition) -> int:
    """Return which one it is."""
    return int(found.name) if found.name.isdigit() else 0


def partitions(spool: Path) -> list[Partition]:
    """Return those that are there, the first always, in order."""
    later = sorted(path for path in spool.glob("[0-9][0-9]") if any((path / name).exists() for name in _SIGNS))
    return [Partition(spool), *map(Partition, later)]


def partition_of(spool: Path, number: int) -> Partition:
    """Return the folder of the partition that holds a message."""
    found = partition(spool, number & 255)
    return found if (found / DATABASE_NAME).exists() else Partition(spool)


def by_partition(spool: Path, numbers: Iterable[int]) -> dict[Partition, list[int]]:
    """Return numbers of messages by the partition that holds them, in their order."""
    found: dict[Partition, list[int]] = {}
    for number in numbers:
        found.setdefault(partition_of(spool, number), []).append(number)
    return found


def from_each(spool: Path, read: Callable[[Partition], Iterable[T]]) -> Iterator[T]:
    """Yield what is read of each partition."""
    for each in partitions(spool):
        yield from read(each)


def merged(
    spool: Path,
    read: Callable[[Partition], list[T]],
    *,
    key: Callable[[T], Any],
    reverse: bool = False,
    limit: int = -1,
) -> list[T]:
    """Return what is read of all in one order, the first of it where there is a limit; -1: all.

    key, reverse: the order in which the rows of each partition come already.
    """
    found = partitions(spool)
    if len(found) == 1:
        return read(found[0])
    rows = sorted((row for each in found for row in read(each)), key=key, reverse=reverse)
    return rows if limit < 0 else rows[:limit]

"""How old what waits is, by where it goes. Reads a spool's database from any process.

Rule: a message's number tells when it came, and stands in the index of what is due; so 100,000 recipients cost one walk
over that index, and no message is read.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from staffetta.mail.queue_id import EPOCH_UNIX_SECONDS, made_at, make_number
from staffetta.trace.own_mail import OwnMail, condition_of
from staffetta.trace.partitions import Partition, from_each
from staffetta.trace.search import reading

_INDEXES = (("recipient_due", "r.due_at IS NOT NULL"), ("recipient_held", "r.state = 'held'"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """Recipients of one destination that are not closed.

    counts: by age, the youngest first, one more than the limits that were asked for. oldest_at: seconds since 1970.
    """

    route: str
    destination: str
    counts: Sequence[int]
    oldest_at: float


def ages(folder: Path, limits: Sequence[float], *, own: OwnMail | None = None) -> Sequence[Ages]:
    """Return the destinations for which something waits, the fullest first.

    limits: when the younger ages end, seconds since 1970, the latest first. own: whose mail counts.
    Raises TraceUnavailable.
    """
    found: dict[tuple[str, str], Ages] = {}
    numbers = [_number_at(each) for each in limits]
    for route, destination, oldest, *counts in from_each(folder, lambda each: _ages(each, numbers, own)):
        other = found.get((route, destination))
        found[route, destination] = Ages(
            route=route,
            destination=destination,
            counts=counts if other is None else [a + b for a, b in zip(counts, other.counts, strict=True)],
            oldest_at=made_at(oldest) if other is None else min(made_at(oldest), other.oldest_at),
        )
    return sorted(found.values(), key=lambda each: (-sum(each.counts), each.route, each.destination))


def _ages(partition: Partition, limits: Sequence[int], own: OwnMail | None) -> Iterator[tuple[Any, ...]]:
    with reading(partition) as connection:
        yield from _rows(connection, limits, condition_of(connection, own))


def _rows(connection: sqlite3.Connection, limits: Sequence[int], wanted: str) -> Iterator[tuple[Any, ...]]:
    bounds = [None, *limits, None]
    sums = []
    for after, before in zip(bounds[1:], bounds[:-1], strict=True):
        conditions = [f"r.number >= {after}"] * (after is not None) + [f"r.number < {before}"] * (before is not None)
        sums.append(f"sum({' AND '.join(conditions) or '1'})")
    joined = "CROSS JOIN message m USING (number)" if wanted else ""
    for index, condition in _INDEXES:
        yield from connection.execute(
            f"SELECT r.route, r.destination, min(r.number), {', '.join(sums)} FROM recipient r INDEXED BY {index} "
            f"{joined} WHERE {condition}{wanted} GROUP BY r.route, r.destination"
        )


def _number_at(at: float) -> int:
    return make_number(int(max(at, EPOCH_UNIX_SECONDS) * 1_000_000), 0, 0)

"""What waits, recipient by recipient and without its history: to count, to choose from, to act upon.

Rule: one pass over what is open, however long the trace is. Reads a spool's database from any process.
"""

import heapq
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from staffetta.mail.queue_id import to_text
from staffetta.trace.own_mail import OwnMail, condition_of
from staffetta.trace.partitions import Partition, by_partition, partition_of, partitions
from staffetta.trace.query import DOUBTFUL
from staffetta.trace.search import reading
from staffetta.trace.waits import Waits, waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A recipient that is not closed.

    number, place: of the message, and of the recipient in its envelope. sender: "" for the null path.
    received_at, due_at: seconds since 1970; due_at None: held, in attempt, or until somebody acts.
    why: why it waits for its destination, or else what its last attempt brought.
    is_doubtful: the final reply of an attempt was lost, so that a next hop may have it.
    """

    number: int
    place: int
    queue_id: str
    message_id: str | None
    sender: str
    recipient: str
    subject: str | None
    state: str
    received_at: float
    size: int
    peer: str
    connector: str | None
    route: str
    destination: str
    attempts: int
    due_at: float | None
    why: str | None
    is_doubtful: bool

    @property
    def key(self) -> tuple[int, int]:
        """As the spool names it."""
        return self.number, self.place

    @property
    def queue(self) -> str:
        """As Get-Queue names it."""
        return f"{self.route}\\{self.destination}"


_COLUMNS = """SELECT r.number, r.recipient, m.message_id, coalesce(m.reverse_path, ''), r.address, m.subject, r.state,
    m.received_at, m.size, m.peer_address, m.connector, r.route, r.destination, r.attempts, r.due_at, r.diagnostic,
    r.is_doubtful"""
_Index = tuple[str, str, str]
"""Name, condition and order."""
_BY_INDEX: Sequence[_Index] = (
    ("recipient_due", "r.due_at IS NOT NULL", "r.due_at"),
    ("recipient_held", "r.state = 'held'", "r.number"),
)
_DOUBTFUL: Sequence[_Index] = (("recipient_doubtful", DOUBTFUL, "r.number"),)


def what_waits(
    folder: Path, *, numbers: Sequence[int] | None = None, is_doubtful: bool = False, own: OwnMail | None = None
) -> Iterator[Waiting]:
    """Yield it, the next to be tried first and the held last; of these messages alone, where numbers are given.

    is_doubtful: only what a next hop may have, the oldest first. Raises TraceUnavailable.
    """
    if numbers is not None:
        for each, some in by_partition(folder, numbers).items():
            yield from _what_waits(each, some, _BY_INDEX, own)
        return
    indexes = _DOUBTFUL if is_doubtful else _BY_INDEX
    rows = [_what_waits(each, None, indexes, own) for each in partitions(folder)]
    order = _by_age if is_doubtful else _by_turn
    yield from rows[0] if len(rows) == 1 else heapq.merge(*rows, key=order)


def what_failed(folder: Path, number: int, *, own: OwnMail | None = None) -> list[Waiting]:
    """Return recipients of a message that failed, in their order. Raises TraceUnavailable."""
    with reading(partition_of(folder, number)) as connection:
        wanted, known = condition_of(connection, own), waits(connection)
        return [
            _waiting(row, known)
            for row in connection.execute(
                f"{_COLUMNS} FROM recipient r CROSS JOIN message m USING (number) "
                f"WHERE r.number = ? AND r.state = 'failed'{wanted} ORDER BY r.recipient",
                (number,),
            )
        ]


def _by_turn(row: Waiting) -> tuple[bool, float]:
    return row.state == "held", row.due_at or 0.0


def _by_age(row: Waiting) -> int:
    return row.number


def _what_waits(
    partition: Partition, numbers: Sequence[int] | None, indexes: Sequence[_Index], own: OwnMail | None
) -> Iterator[Waiting]:
    with reading(partition) as connection:
        wanted, known = condition_of(connection, own), waits(connection)
        for row in _rows(connection, numbers, indexes, wanted):
            yield _waiting(row, known)


def _rows(
    connection: sqlite3.Connection, numbers: Sequence[int] | None, indexes: Sequence[_Index], wanted: str
) -> Iterator[tuple[Any, ...]]:
    if numbers is None:
        for index, condition, order in indexes:
            yield from connection.execute(
                f"{_COLUMNS} FROM recipient r INDEXED BY {index} CROSS JOIN message m USING (number) "
                f"WHERE {condition}{wanted} ORDER BY {order}, r.number, r.recipient"
            )
        return
    for number in numbers:
        yield from connection.execute(
            f"{_COLUMNS} FROM recipient r CROSS JOIN message m USING (number) WHERE r.number = ? "
            f"AND r.state IN ('ready', 'in attempt', 'deferred', 'held', 'unknown'){wanted} ORDER BY r.recipient",
            (number,),
        )


def _waiting(row: Sequence[Any], known: Waits) -> Waiting:
    number, place, message_id, sender, recipient, subject, state, received_at, size, peer, connector = row[:11]
    route, destination, attempts, due_at, why, is_doubtful = row[11:]
    if state == "in attempt":
        due_at = None
    elif due_at is not None and (wait := known.of(route, destination)) and wait.covers(due_at):
        why, due_at = wait.reason, wait.until
    return Waiting(
        number=number,
        place=place,
        queue_id=to_text(number),
        message_id=message_id,
        sender=sender,
        recipient=recipient,
        subject=subject,
        state=state,
        received_at=received_at,
        size=size,
        peer=peer,
        connector=connector,
        route=route,
        destination=destination,
        attempts=attempts,
        due_at=due_at,
        why=why,
        is_doubtful=bool(is_doubtful),
    )

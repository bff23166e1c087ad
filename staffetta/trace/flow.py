"""Mail flow over time: how much came, left, waited and was refused, in slots of five minutes.

Rule 1: these counts are for eyes. What becomes of a message is in the trace; what a crash takes from here is a few
seconds of a chart.
Rule 2: what is asked of them costs as much as the time that is asked about, and never as much as the trace is long.
"""

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from staffetta.mail.queue_id import make_number
from staffetta.trace.partitions import Partition, from_each
from staffetta.trace.search import reading

SLOT_SECONDS = 300


class Way(StrEnum):
    """What happened to mail. ACCEPTED counts messages, REFUSED refusals, all others recipients of attempts."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FlowCount:
    """How often in one slot, counted since 1970.

    name: of ACCEPTED the inbound connector, "" where none let it in; of REFUSED the reason; else the route.
    """

    slot: int
    way: Way
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class LastUse:
    """The last message that a connector let in. at: seconds since 1970. peer: the client's address."""

    at: float
    peer: str


def write_flow(connection: sqlite3.Connection, counts: Sequence[FlowCount]) -> None:
    """Add to what is counted already, in the open transaction. Raises sqlite3.Error."""
    connection.executemany(
        "INSERT INTO flow VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
        [(each.slot, each.way.value, each.name, each.count) for each in counts],
    )


def flow(folder: Path, *, after: float, before: float) -> Sequence[FlowCount]:
    """Return the counts of the slots between two times, seconds since 1970, the earliest first.

    Raises TraceUnavailable.
    """
    counts: dict[tuple[int, str, str], int] = {}
    for slot, way, name, count in from_each(folder, lambda each: _flow(each, after, before)):
        counts[slot, way, name] = counts.get((slot, way, name), 0) + count
    return [FlowCount(slot, Way(way), name, count) for (slot, way, name), count in sorted(counts.items())]


def _flow(partition: Partition, after: float, before: float) -> list[tuple[int, str, str, int]]:
    with reading(partition) as connection:
        return connection.execute(
            "SELECT slot, way, name, count FROM flow WHERE slot >= ? AND slot * ? < ?",
            (int(after // SLOT_SECONDS), SLOT_SECONDS, before),
        ).fetchall()


@dataclass(frozen=True, slots=True)
class Total:
    """How often in all, and the last slot in which."""

    count: int
    last_slot: int


def accepted(folder: Path, *, after: float, before: float) -> dict[str, Total]:
    """Return by inbound connector what it let in between two times, seconds since 1970. Raises TraceUnavailable."""
    totals: dict[str, Total] = {}
    for name, count, last_slot in from_each(folder, lambda each: _accepted(each, after, before)):
        known = totals.get(name, Total(0, last_slot))
        totals[name] = Total(known.count + count, max(known.last_slot, last_slot))
    return totals


def _accepted(partition: Partition, after: float, before: float) -> list[tuple[str, int, int]]:
    with reading(partition) as connection:
        return connection.execute(
            "SELECT name, SUM(count), MAX(slot) FROM flow WHERE slot >= ? AND slot < ? AND way = ? GROUP BY name",
            (int(after // SLOT_SECONDS), math.ceil(before / SLOT_SECONDS), Way.ACCEPTED.value),
        ).fetchall()


def last_uses(folder: Path, last_slots: dict[str, int]) -> dict[str, LastUse]:
    """Return the last message of each connector. last_slots: of each the last slot in which it was used.

    The trace of these slots alone is read. Raises TraceUnavailable.
    """
    found: dict[str, LastUse] = {}
    for connector, use in from_each(folder, lambda each: _last_uses(each, last_slots).items()):
        if connector not in found or use.at > found[connector].at:
            found[connector] = use
    return found


def _last_uses(partition: Partition, last_slots: dict[str, int]) -> dict[str, LastUse]:
    found: dict[str, LastUse] = {}
    with reading(partition) as connection:
        for connector, slot in last_slots.items():
            # Two slots more: what is counted when a transaction ends may have begun in the slot before.
            first, end = (make_number(at * SLOT_SECONDS * 1_000_000, 0, 0) for at in (slot - 1, slot + 2))
            row = connection.execute(
                "SELECT received_at, peer_address FROM message WHERE number >= ? AND number < ? AND connector = ? "
                "ORDER BY number DESC LIMIT 1",
                (first, end, connector),
            ).fetchone()
            if row is not None:
                found[connector] = LastUse(*row)
    return found

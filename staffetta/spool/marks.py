"""What the queue must remember beside the mail over a restart, and what it tells other processes of its destinations.

Rule 1: a mark is the whole truth about its key, never a difference, so that writing it twice does no harm.
Rule 2: marks are written with what they tell of: how much a route has carried with the outcomes of a settlement.
Rule 3: notices are for eyes alone. They live while their process does, and a crash may lose the last second of them.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from staffetta.spool.database import SQL, Row
from staffetta.trace.partitions import Partition, from_each
from staffetta.trace.search import reading


class Scope(StrEnum):
    """Which recipients of a route are counted."""

    ALL = "all"
    EXTERNAL = "external"  # of domains that are not ours


@dataclass(frozen=True, slots=True)
class PaceMark:
    """When the next message to a destination is expected, seconds since 1970 (queue/shaping.py)."""

    route: str
    destination: str
    expected_at: float


@dataclass(frozen=True, slots=True)
class HourMark:
    """How many recipients went by a route in one hour, counted since 1970."""

    route: str
    scope: Scope
    hour: int
    recipients: int


@dataclass(frozen=True, slots=True)
class CrowdingMark:
    """How many lanes a next hop puts up with (queue/crowding.py). quiet_until: seconds since 1970."""

    route: str
    destination: str
    lanes: int
    quiet_until: float
    reply: str


@dataclass(frozen=True, slots=True)
class ConnectorMark:
    """When the next message of an inbound connector is expected, seconds since 1970 (queue/gates.py)."""

    connector: str
    expected_at: float


Mark = PaceMark | HourMark | CrowdingMark | ConnectorMark

_NO_ROUTE = ""  # in the table of paces: the pace is a connector's, whose name stands as the destination


@dataclass(frozen=True, slots=True)
class Notice:
    """Why what is due at a destination is not tried now. until: seconds since 1970; None: until somebody acts."""

    route: str
    destination: str
    reason: str
    until: float | None


@dataclass(frozen=True, slots=True)
class QueueFlow:
    """How many messages came new for a destination and left it for good, in the seconds before `until` (since 1970)."""

    route: str
    destination: str
    until: float
    seconds: float
    came: int
    went: int


def write_flows(connection: sqlite3.Connection, flows: Sequence[QueueFlow]) -> None:
    """Write them in the place of those before. Raises sqlite3.Error."""
    rows: list[Row] = [(each.route, each.destination, each.until, each.seconds, each.came, each.went) for each in flows]
    connection.executemany(SQL["post_queue_flow"], rows)


def write_marks(connection: sqlite3.Connection, marks: Sequence[Mark]) -> None:
    """Write them in the open transaction. Raises sqlite3.Error."""
    paces: list[Row] = [
        (mark.route, mark.destination, mark.expected_at) for mark in marks if isinstance(mark, PaceMark)
    ]
    paces += [(_NO_ROUTE, mark.connector, mark.expected_at) for mark in marks if isinstance(mark, ConnectorMark)]
    hours: list[Row] = [
        (mark.route, mark.scope.value, mark.hour, mark.recipients) for mark in marks if isinstance(mark, HourMark)
    ]
    crowdings: list[Row] = [
        (mark.route, mark.destination, mark.lanes, mark.quiet_until, mark.reply)
        for mark in marks
        if isinstance(mark, CrowdingMark)
    ]
    connection.executemany(SQL["mark_crowding"], crowdings)
    connection.executemany(SQL["mark_pace"], paces)
    connection.executemany(SQL["mark_hour"], hours)


def read_marks(connection: sqlite3.Connection) -> list[Mark]:
    """Return all that was written and not yet swept. Raises sqlite3.Error."""
    paces = [
        PaceMark(route, destination, at) if route != _NO_ROUTE else ConnectorMark(destination, at)
        for route, destination, at in connection.execute("SELECT route, destination, expected_at FROM pace")
    ]
    hours = [
        HourMark(route, Scope(scope), hour, recipients)
        for route, scope, hour, recipients in connection.execute("SELECT * FROM route_hour")
    ]
    crowdings = [CrowdingMark(*row) for row in connection.execute("SELECT * FROM crowding")]
    return [*paces, *hours, *crowdings]


def marks_of_all(spool: Path) -> list[Mark]:
    """Return what was to be remembered in all partitions, of each key what was written last or counts most.

    spool: its folder. Raises TraceUnavailable.
    """
    found: dict[tuple[object, ...], Mark] = {}
    for mark in from_each(spool, _marks_of):
        key, weight = _weighed(mark)
        if key not in found or weight > _weighed(found[key])[1]:
            found[key] = mark
    return list(found.values())


def _marks_of(partition: Partition) -> list[Mark]:
    with reading(partition) as connection:
        return read_marks(connection)


def _weighed(mark: Mark) -> tuple[tuple[object, ...], float]:
    """Return the mark's key, and what grows with each later mark of it."""
    match mark:
        case PaceMark():
            return (PaceMark, mark.route, mark.destination), mark.expected_at
        case ConnectorMark():
            return (ConnectorMark, mark.connector), mark.expected_at
        case HourMark():
            return (HourMark, mark.route, mark.scope, mark.hour), mark.recipients
        case CrowdingMark():
            return (CrowdingMark, mark.route, mark.destination), mark.quiet_until


def write_notice(connection: sqlite3.Connection, notice: Notice) -> None:
    """Write it, or with an empty reason take back the one before. Raises sqlite3.Error."""
    if notice.reason:
        connection.execute(SQL["post_notice"], (notice.route, notice.destination, notice.reason, notice.until))
    else:
        connection.execute(SQL["drop_notice"], (notice.route, notice.destination))

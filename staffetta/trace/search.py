"""Message trace: who sent what to whom, and what became of it. Reads a spool's database from any process.

Rule 1: read-only; the owner of the spool is never kept waiting.
Rule 2: one row per recipient, newest first; the words of status are those of Exchange's message trace.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from staffetta.mail.queue_id import from_text, to_text
from staffetta.trace.events import Status
from staffetta.trace.own_mail import OwnMail, condition_of
from staffetta.trace.partitions import DATABASE_NAME as DATABASE_NAME
from staffetta.trace.partitions import Partition, merged, partition_of, partitions
from staffetta.trace.pieces import Piece, pieces
from staffetta.trace.query import TraceQuery, conditions, effort_of, range_of, source_of
from staffetta.trace.waits import Waits, waits


class TraceUnavailable(Exception):
    """The trace cannot be read: no spool in that folder, or not by this user. The text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRow:
    """One recipient of one message.

    place: of the recipient in the envelope. sender: "" for the null path. received_at, next_attempt_at: ISO 8601,
    UTC. events: oldest first; each with `at` (ISO 8601), `event`, and its details. diagnostic: why it waits for its
    destination, or else what the last attempt brought. is_doubtful: it is open, and a next hop may have it.
    """

    queue_id: str
    place: int
    message_id: str | None
    sender: str
    recipient: str
    subject: str | None
    status: Status
    state: str
    received_at: str
    size: int
    peer: str
    connector: str | None
    route: str
    destination: str
    attempts: int
    next_attempt_at: str | None
    diagnostic: str | None
    is_doubtful: bool
    events: Sequence[dict[str, object]]


_CLOSED = ("delivered", "failed", "deleted")
_FEW = 20_000
_OPEN = """SELECT number FROM recipient INDEXED BY recipient_due WHERE due_at IS NOT NULL
    UNION ALL SELECT number FROM recipient INDEXED BY recipient_held WHERE state = 'held'"""
_COLUMNS = """SELECT m.number, m.message_id, m.reverse_path, m.subject, m.received_at, m.size, m.peer_address,
    m.connector, r.recipient, r.address, r.state, r.attempts, r.due_at, r.diagnostic, r.route, r.destination,
    r.is_doubtful"""
_EVERY_PLACE = 99_999_999
Row = tuple[Any, ...]
Key = tuple[int, int]
"""Number and place of a row."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """rows: at most as many as were asked for. beyond: where to go on, where not all was looked at and rows may be
    missing: as TraceQuery has it.
    """

    rows: Sequence[TraceRow]
    beyond: Key | None = None


def search(folder: Path, query: TraceQuery, *, rows_read_max: int | None = None) -> Found:
    """Find recipients. An unreadable queue id finds nothing.

    rows_read_max: how many rows are read of messages and recipients, about, or fewer where one takes longer; None: as
    many as it takes.
    Raises TraceUnavailable.
    """
    if query.queue_id is not None:
        try:
            return _search(partition_of(folder, from_text(query.queue_id)), query, None)
        except ValueError:
            return Found(())
    all_of_it = partitions(folder)
    if len(all_of_it) == 1:
        return _search(all_of_it[0], query, rows_read_max)
    parts = [_search(each, query, rows_read_max and rows_read_max // len(all_of_it)) for each in all_of_it]
    keyed = [({(from_text(row.queue_id), row.place): row for row in part.rows}, part.beyond) for part in parts]
    return Found(*_joined(keyed, query.limit))


def _joined(parts: Sequence[tuple[dict[Key, T], Key | None]], limit: int) -> tuple[list[T], Key | None]:
    """Return the rows of several searches in order, as far back as all of them have been, and where to go on."""
    beyond = max((stop for _, stop in parts if stop is not None), default=None)
    each = {key: row for rows, _ in parts for key, row in rows.items() if beyond is None or key[0] >= beyond[0]}
    keys = sorted(each, key=lambda key: (-key[0], key[1]))
    if 0 <= limit <= len(keys):
        keys, beyond = keys[:limit], None
    return [each[key] for key in keys], beyond


def _search(partition: Partition, query: TraceQuery, rows_read_max: int | None) -> Found:
    with reading(partition) as connection:
        own = condition_of(connection, query.own)
        if query.party is None:
            rows, beyond = _found(connection, query, own, rows_read_max)
        else:
            rows, beyond = _found_of_party(connection, query, own, rows_read_max)
        return Found(_trace_rows(connection, rows), beyond)


def _found_of_party(
    connection: sqlite3.Connection, query: TraceQuery, own: str, rows_read_max: int | None
) -> tuple[list[Row], Key | None]:
    sides = []
    if query.sender in (None, query.party):
        sides.append(replace(query, party=None, sender=query.party))
    if query.recipient in (None, query.party):
        sides.append(replace(query, party=None, recipient=query.party))
    parts = []
    for side in sides:
        rows, beyond = _found(connection, side, own, rows_read_max and rows_read_max // len(sides))
        parts.append(({(row[0], row[8]): row for row in rows}, beyond))
    return _joined(parts, query.limit)


def _found(
    connection: sqlite3.Connection, query: TraceQuery, own: str, rows_read_max: int | None
) -> tuple[list[Row], Key | None]:
    source = source_of(query)
    where, arguments = conditions(query, source.number)
    where += own
    is_open = query.status in (Status.PENDING, Status.GETTING_STATUS)
    if not source.index and is_open and _are_few_open(connection):
        where += f" AND {source.number} IN ({_OPEN})"
        cut: Iterator[Piece] = iter([Piece(*range_of(query), _FEW, is_last=True)])
    elif query.queue_id is not None:
        cut = iter([Piece(*range_of(query), 0, is_last=True)])
    else:
        cut = pieces(connection, source, *range_of(query))
    # CROSS JOIN keeps the order.
    tables = f"{source.named} CROSS JOIN {'recipient r' if source.table == 'message' else 'message m'}"
    rows: list[Row] = []
    read, effort = 0, effort_of(query)
    for piece in cut:
        rows += connection.execute(
            f"{_COLUMNS} FROM {tables} ON m.number = r.number "
            f"WHERE {source.number} BETWEEN ? AND ? AND {where}{piece.where} "
            f"ORDER BY {source.number} DESC, r.recipient LIMIT ?",
            (piece.low, piece.high, *arguments, query.limit - len(rows)),
        ).fetchall()
        read += piece.rows * effort
        if len(rows) == query.limit:
            break
        if rows_read_max is not None and read >= rows_read_max and not piece.is_last:
            return rows, (piece.low, _EVERY_PLACE)
    return rows, None


def recipients_recorded(folder: Path, message_id: str, since: float) -> set[str]:
    """Return whom the spool took a message with this Message-ID for since then, in lower case. Raises OSError."""
    try:
        rows = search(folder, TraceQuery(message_id=message_id, after=since - 1.0, limit=-1)).rows
    except TraceUnavailable as error:
        raise OSError(str(error)) from error
    return {row.recipient.lower() for row in rows}


def _are_few_open(connection: sqlite3.Connection) -> bool:
    """Whether it pays to start from what is open; where much is, a walk by time finds some soon."""
    (count,) = connection.execute(f"SELECT count(*) FROM ({_OPEN} LIMIT {_FEW + 1})").fetchone()
    return bool(count <= _FEW)


def queue_rows(folder: Path, *, limit: int = 1000, own: OwnMail | None = None) -> list[TraceRow]:
    """List recipients that are not closed, the next to be tried first, the held last. Raises TraceUnavailable."""
    return merged(folder, lambda each: _queue_rows(each, limit, own), key=_next_first, limit=limit)


def _next_first(row: TraceRow) -> tuple[bool, str, str, int]:
    return row.state == "held", row.next_attempt_at or "", row.queue_id, row.place


def _queue_rows(partition: Partition, limit: int, own: OwnMail | None) -> list[TraceRow]:
    with reading(partition) as connection:
        wanted = condition_of(connection, own)
        rows: list[Row] = []
        # Chosen first, from an index alone where all is wanted, so that no more is read than what is shown.
        joined = "CROSS JOIN message m USING (number)" if wanted else ""
        for index, condition, order in (
            ("recipient_due", "r.due_at IS NOT NULL", "r.due_at"),
            ("recipient_held", "r.state = 'held'", "r.number"),
        ):
            rows += connection.execute(
                f"{_COLUMNS} FROM (SELECT r.number, r.recipient FROM recipient r INDEXED BY {index} {joined} "
                f"WHERE {condition}{wanted} ORDER BY {order} LIMIT ?) CROSS JOIN recipient r USING (number, recipient) "
                f"CROSS JOIN message m USING (number) ORDER BY {order}",
                (limit - len(rows),),
            ).fetchall()
        return _trace_rows(connection, rows)


@contextmanager
def reading(partition: Partition) -> Iterator[sqlite3.Connection]:
    """Read one state of a partition. Raises TraceUnavailable."""
    path = partition / DATABASE_NAME
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            connection.execute("PRAGMA busy_timeout = 10000")
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise TraceUnavailable(f"The trace in {partition} cannot be read: {error}.") from error


def _trace_rows(connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> list[TraceRow]:
    known = waits(connection)
    return [_trace_row(row, _events(connection, row[0], row[8]), known) for row in rows]


def _trace_row(row: Sequence[Any], events: list[dict[str, object]], known: Waits) -> TraceRow:
    (number, message_id, reverse_path, subject, received_at, size, peer, connector) = row[:8]
    (place, address, state, attempts, due_at, diagnostic, route, destination, is_doubtful) = row[8:]
    is_waiting = state in ("ready", "deferred", "unknown")
    if is_waiting and (wait := known.of(route, destination)) and wait.covers(due_at):
        diagnostic, due_at = wait.reason, wait.until
    return TraceRow(
        queue_id=to_text(number),
        place=place,
        message_id=message_id,
        sender=reverse_path or "",
        recipient=address,
        subject=subject,
        status=status_of(str(state), attempts),
        state=str(state),
        received_at=iso(received_at),
        size=size,
        peer=peer,
        connector=connector,
        route=route,
        destination=destination,
        attempts=attempts,
        next_attempt_at=None if due_at is None or state == "in attempt" else iso(due_at),
        diagnostic=diagnostic,
        is_doubtful=bool(is_doubtful) and state not in _CLOSED,
        events=events,
    )


def _events(connection: sqlite3.Connection, number: int, recipient: int) -> list[dict[str, object]]:
    """The message's own events and this recipient's."""
    return [
        {"at": iso(at), "event": kind, **_shown(json.loads(detail) if detail else {})}
        for at, kind, detail in connection.execute(
            "SELECT at, kind, detail FROM event WHERE number = ? AND (recipient IS NULL OR recipient = ?) "
            "ORDER BY sequence",
            (number, recipient),
        )
    ]


def _shown(detail: dict[str, object]) -> dict[str, object]:
    """The detail as people read it. In the database an instant is seconds since 1970."""
    due_at = detail.get("next_attempt_at")
    return {**detail, "next_attempt_at": iso(due_at)} if isinstance(due_at, int | float) else detail


def status_of(state: str, attempts: int) -> Status:
    """Return Exchange's word for a recipient's state."""
    match state:
        case "delivered":
            return Status.DELIVERED
        case "failed" | "deleted":
            return Status.FAILED
        case "ready" if not attempts:
            return Status.GETTING_STATUS
    return Status.PENDING


def iso(at: float) -> str:
    """Print seconds since 1970 as ISO 8601, UTC, milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

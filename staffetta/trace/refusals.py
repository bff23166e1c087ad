"""Who was refused, and why. Reads a spool's database from any process.

Rule: a bounded number of refusals is read for one answer, the newest, and the answer says whether those were all.
"""

import json
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from staffetta.trace.partitions import Partition, partitions
from staffetta.trace.query import number_at
from staffetta.trace.search import iso, reading

Look = Callable[[str, str | None, str | None], bool]
"""Whether a refusal is wanted: by the client's address, the sender and the recipient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalRow:
    """A command that was refused, and why."""

    at: str
    session_id: str
    listener: str
    peer: str
    helo: str | None
    tls: str | None
    sender: str | None
    recipient: str | None
    reply: str
    reason: str
    evidence: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalQuery:
    """What to look for; all that is given must hold.

    after, before: seconds since 1970; before is the last instant. reason: its name, in any case of ASCII letters.
    organization: that the refusals were told to be of. look: asked last. limit: rows. read_max: of each partition.
    """

    session_id: str | None = None
    after: float | None = None
    before: float | None = None
    reasons: Sequence[str] = ()
    organization: str | None = None
    look: Look | None = None
    limit: int = 1000
    read_max: int | None = None


@dataclass(frozen=True, slots=True)
class Refusals:
    """rows: the newest first. is_all: whether all were looked at; else older ones may be wanted too."""

    rows: Sequence[RefusalRow]
    is_all: bool


def refusals(folder: Path, query: RefusalQuery) -> Refusals:
    """Find refusals. Raises TraceUnavailable."""
    found = [_found(each, query) for each in partitions(folder)]
    rows = sorted((row for each in found for row in each.rows), key=lambda row: row.at, reverse=True)
    return Refusals(rows[: query.limit] if len(found) > 1 else found[0].rows, all(each.is_all for each in found))


@dataclass(frozen=True, slots=True)
class RefusedOnce:
    """What is known of a refusal at a glance. at: seconds since 1970. certificate_name: the first, "" for none."""

    at: float
    peer: str
    certificate_name: str
    sender: str | None
    recipient: str | None


def refused_of_late(folder: Path, query: RefusalQuery) -> tuple[Sequence[RefusedOnce], bool]:
    """Return refusals for counting, with no order; and whether all were looked at. Raises TraceUnavailable."""
    rows: list[RefusedOnce] = []
    is_all = True
    for partition in partitions(folder):
        with reading(partition) as connection:
            first, is_whole = _first_to_read(connection, query)
            is_all = is_all and is_whole
            columns = "at, peer_address, evidence, reverse_path, forward_path"
            with closing(_walk(connection, columns, query, first)) as walk:
                rows += [RefusedOnce(at, peer, _name_in(evidence), *path) for at, peer, evidence, *path in walk]
    return rows, is_all


def _found(partition: Partition, query: RefusalQuery) -> Refusals:
    columns = "at, peer_address, evidence, reverse_path, forward_path, session_id, listener, helo, tls, reply, reason"
    rows: list[RefusalRow] = []
    with reading(partition) as connection:
        first, is_all = _first_to_read(connection, query)
        with closing(_walk(connection, columns, query, first)) as walk:
            for row in walk:
                rows.append(_refusal_row(row))
                if len(rows) == query.limit:
                    break
    return Refusals(rows, is_all)


def _first_to_read(connection: sqlite3.Connection, query: RefusalQuery) -> tuple[int, bool]:
    """Return the number of the oldest that is looked at, and whether there is none before it that might be wanted."""
    after = number_at(query.after or 0.0)
    if query.read_max is None or query.session_id is not None:
        return after, True
    last = connection.execute(
        "SELECT number FROM refusal WHERE number BETWEEN ? AND ? ORDER BY number DESC LIMIT 1 OFFSET ?",
        (after, _last_number(query), query.read_max),
    ).fetchone()
    return (after, True) if last is None else (last[0] + 1, False)


def _walk(connection: sqlite3.Connection, columns: str, query: RefusalQuery, first: int) -> Generator[tuple[Any, ...]]:
    """Yield rows, the newest first. columns: the second is the client, the fourth and fifth the paths."""
    where, values = ["number BETWEEN ? AND ?"], list[object]((first, _last_number(query)))
    if query.before is not None:
        where, values = [*where, "at <= ?"], [*values, query.before]
    if query.session_id is not None:
        where, values = [*where, "session_id = ?"], [*values, query.session_id]
    if query.reasons:
        marks = ", ".join("?" * len(query.reasons))
        where, values = [*where, f"reason COLLATE NOCASE IN ({marks})"], [*values, *query.reasons]
    if query.organization is not None:
        where = [*where, "json_extract(evidence, '$.organization') = ?"]
        values = [*values, query.organization]
    for row in connection.execute(
        f"SELECT {columns} FROM refusal WHERE {' AND '.join(where)} ORDER BY number DESC", values
    ):
        if query.look is None or query.look(row[1], row[3], row[4]):
            yield row


def _last_number(query: RefusalQuery) -> int:
    # A number is made when the refusal is written down, a moment after it.
    return 2**63 - 1 if query.before is None else number_at(query.before + 60.0)


def _name_in(evidence: str | None) -> str:
    if not evidence or '"certificate_names"' not in evidence:
        return ""
    return str(json.loads(evidence).get("certificate_names") or "").partition(",")[0].strip()


def _refusal_row(row: tuple[Any, ...]) -> RefusalRow:
    at, peer, evidence, sender, recipient, session_id, listener, helo, tls, reply, reason = row
    return RefusalRow(
        at=iso(at),
        session_id=session_id,
        listener=listener,
        peer=peer,
        helo=helo,
        tls=tls,
        sender=sender,
        recipient=recipient,
        reply=reply,
        reason=reason,
        evidence=json.loads(evidence) if evidence else {},
    )

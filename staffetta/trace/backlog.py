"""What waits, counted by where it goes. Reads a spool's database from any process."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from staffetta.trace.own_mail import OwnMail, condition_of
from staffetta.trace.partitions import Partition, from_each, partitions
from staffetta.trace.search import iso, reading
from staffetta.trace.waits import Wait, Waits, waits

_SECONDS_KNOWN = 60.0  # what was counted before that, and not since, is still
_STILL = (0.0, 0.0)
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Recipients of one destination that are not closed.

    messages: how many messages they belong to. deferred: recipients that are due later.
    next_attempt_at: ISO 8601, UTC; None where all are held or being tried.
    diagnostic: why what is due waits, or else what the last attempt of one of them brought.
    came_per_second, went_per_second: messages, as last counted by the relay; None where not all of them count.
    is_suspended: by an administrator; is_route_suspended: all of the route is. A suspended route of which nothing waits
    has an empty destination.
    """

    route: str
    destination: str
    messages: int
    recipients: int
    in_attempt: int
    deferred: int
    held: int
    next_attempt_at: str | None
    diagnostic: str | None
    is_suspended: bool = False
    is_route_suspended: bool = False
    came_per_second: float | None = None
    went_per_second: float | None = None


def backlogs(folder: Path, *, own: OwnMail | None = None) -> Sequence[Backlog]:
    """Return the destinations for which something waits, the fullest first, then what else is suspended.

    own: whose mail counts; where that is not all, nothing is told of a suspension without mail.
    Raises TraceUnavailable.
    """
    if len(partitions(folder)) == 1:
        return _backlogs(Partition(folder), own)
    found: dict[tuple[str, str], Backlog] = {}
    for each in from_each(folder, lambda partition: _backlogs(partition, own)):
        place = (each.route, each.destination)
        found[place] = _sum(found[place], each) if place in found else each
    with_mail = {each.route for each in found.values() if each.messages}
    rows = [each for each in found.values() if each.messages or each.destination or each.route not in with_mail]
    return sorted(rows, key=lambda each: (-each.messages, each.route, each.destination))


def _sum(one: Backlog, other: Backlog) -> Backlog:
    """Of the same destination in two partitions."""
    attempts_at = [at for at in (one.next_attempt_at, other.next_attempt_at) if at is not None]
    return replace(
        one,
        messages=one.messages + other.messages,
        recipients=one.recipients + other.recipients,
        in_attempt=one.in_attempt + other.in_attempt,
        deferred=one.deferred + other.deferred,
        held=one.held + other.held,
        next_attempt_at=min(attempts_at, default=None),
        diagnostic=one.diagnostic or other.diagnostic,
        is_suspended=one.is_suspended or other.is_suspended,
        is_route_suspended=one.is_route_suspended or other.is_route_suspended,
        came_per_second=_added(one.came_per_second, other.came_per_second),
        went_per_second=_added(one.went_per_second, other.went_per_second),
    )


def _added(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else round(one + other, 2)


def _backlogs(partition: Partition, own: OwnMail | None) -> Sequence[Backlog]:
    with reading(partition) as connection:
        rows = _counted(connection) if own is None else _counted_of_some(connection, own)
        known = waits(connection)
        rates = _rates(connection) if own is None else {}
        unknown = _STILL if own is None else (None, None)
        found = [
            Backlog(
                route=route,
                destination=destination,
                messages=messages,
                recipients=recipients,
                in_attempt=in_attempt,
                deferred=deferred,
                held=held,
                next_attempt_at=_next_attempt_at(due_at, known.of(route, destination)),
                diagnostic=wait.reason if (wait := known.of(route, destination)) else diagnostic,
                is_suspended=wait is not None and wait.is_suspended,
                is_route_suspended=wait is not None and wait.is_of_route,
                came_per_second=rates.get((route, destination), unknown)[0],
                went_per_second=rates.get((route, destination), unknown)[1],
            )
            for route, destination, messages, recipients, in_attempt, deferred, held, due_at, diagnostic in rows
        ]
    return found if own else [*found, *_empty(known, found)]


def _counted(connection: sqlite3.Connection) -> list[Row]:
    """Count all. What is due is counted in one index that holds all that is asked, so a million takes half a second."""
    return connection.execute(
        """
        WITH trying AS (SELECT number, recipient, route, destination FROM recipient INDEXED BY recipient_in_attempt
                        WHERE state = 'in attempt'),
             tried AS (SELECT route, destination, count(*) AS recipients FROM trying GROUP BY 1, 2),
             due AS (SELECT route, destination, count(DISTINCT number) AS messages, count(*) AS recipients,
                            sum(due_at > ?1) AS later,
                            min(CASE WHEN (number, recipient) NOT IN (SELECT number, recipient FROM trying)
                                THEN due_at END) AS next
                     FROM recipient INDEXED BY recipient_due WHERE due_at IS NOT NULL GROUP BY 1, 2),
             held AS (SELECT route, destination, count(DISTINCT number) AS messages, count(*) AS recipients,
                             max(diagnostic) AS diagnostic
                      FROM recipient INDEXED BY recipient_held WHERE state = 'held' GROUP BY 1, 2)
        SELECT route, destination, coalesce(due.messages, 0) + coalesce(held.messages, 0),
               coalesce(due.recipients, 0) + coalesce(held.recipients, 0), coalesce(tried.recipients, 0),
               coalesce(due.later, 0), coalesce(held.recipients, 0), due.next,
               coalesce((SELECT diagnostic FROM recipient r INDEXED BY recipient_due
                         WHERE r.route = due.route AND r.destination = due.destination AND r.due_at IS NOT NULL
                         ORDER BY r.connector DESC, r.due_at DESC LIMIT 1), held.diagnostic)
        FROM due FULL JOIN held USING (route, destination) LEFT JOIN tried USING (route, destination)
        ORDER BY 3 DESC, 1, 2
        """,
        (time.time(),),
    ).fetchall()


def _counted_of_some(connection: sqlite3.Connection, own: OwnMail) -> list[Row]:
    """Count what is wanted, which only the messages themselves can tell."""
    # Two small indexes, named, since the planner would rather walk every recipient of the trace.
    return connection.execute(
        "SELECT r.route, r.destination, count(DISTINCT r.number), count(*), sum(r.state = 'in attempt'), "
        "sum(r.due_at > ?), sum(r.state = 'held'), "
        "min(CASE WHEN r.state != 'in attempt' THEN r.due_at END), max(r.diagnostic) "
        "FROM (SELECT * FROM recipient INDEXED BY recipient_due WHERE due_at IS NOT NULL "
        "UNION ALL SELECT * FROM recipient INDEXED BY recipient_held WHERE state = 'held') r "
        f"CROSS JOIN message m USING (number) WHERE TRUE{condition_of(connection, own)} "
        "GROUP BY r.route, r.destination ORDER BY 3 DESC, 1, 2",
        (time.time(),),
    ).fetchall()


def _rates(connection: sqlite3.Connection) -> dict[tuple[str, str], tuple[float, float]]:
    """Return messages a second, came and went, of what was counted of late."""
    rows = connection.execute(
        "SELECT route, destination, round(came / seconds, 2), round(went / seconds, 2) FROM queue_flow WHERE until > ?",
        (time.time() - _SECONDS_KNOWN,),
    )
    return {(route, destination): (came, went) for route, destination, came, went in rows}


def _empty(known: Waits, found: Sequence[Backlog]) -> Iterator[Backlog]:
    """Yield what is suspended and has no mail."""
    waiting = {(each.route, each.destination) for each in found}
    for (route, destination), wait in sorted(known.suspended.items()):
        if (route, destination) not in waiting and (destination or all(route != each.route for each in found)):
            yield Backlog(
                route=route,
                destination=destination,
                messages=0,
                recipients=0,
                in_attempt=0,
                deferred=0,
                held=0,
                next_attempt_at=None,
                diagnostic=wait.reason,
                is_suspended=True,
                is_route_suspended=wait.is_of_route,
            )


def _next_attempt_at(due_at: float | None, wait: Wait | None) -> str | None:
    until = wait.until if wait else 0.0
    return None if due_at is None or until is None else iso(max(due_at, until))

"""What waits, counted by where it goes. Reads a spool's database from any process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from staffetta.trace.search import Only, iso, only_wanted, reading
from staffetta.trace.waits import Wait, Waits, waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Recipients of one destination that are not closed.

    messages: how many messages they belong to. next_attempt_at: ISO 8601, UTC; None where all are held or being tried.
    diagnostic: why what is due waits, or else what the last attempt of one of them brought.
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


def backlogs(folder: Path, *, only: Only | None = None) -> Sequence[Backlog]:
    """Return the destinations for which something waits, the fullest first, then what else is suspended.

    only: whose mail counts; where that is not all, nothing is told of a suspension without mail.
    Raises TraceUnavailable.
    """
    with reading(folder) as connection:
        wanted = only_wanted(connection, only)
        # Two small indexes, named, since the planner would rather walk every recipient of the trace.
        rows = connection.execute(
            "SELECT r.route, r.destination, count(DISTINCT r.number), count(*), "
            "sum(r.state = 'in attempt'), sum(r.state IN ('deferred', 'unknown')), sum(r.state = 'held'), "
            "min(CASE WHEN r.state != 'in attempt' THEN r.due_at END), max(r.diagnostic) "
            "FROM (SELECT * FROM recipient INDEXED BY recipient_due WHERE due_at IS NOT NULL "
            "UNION ALL SELECT * FROM recipient INDEXED BY recipient_held WHERE state = 'held') r "
            f"{f'CROSS JOIN message m USING (number) WHERE TRUE{wanted}' if wanted else ''} "
            "GROUP BY r.route, r.destination ORDER BY 3 DESC, 1, 2"
        )
        known = waits(connection)
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
            )
            for route, destination, messages, recipients, in_attempt, deferred, held, due_at, diagnostic in rows
        ]
    return found if only else [*found, *_empty(known, found)]


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

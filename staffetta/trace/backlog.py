"""What waits, counted by where it goes. Reads a spool's database from any process."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from staffetta.trace.search import Only, iso, notices, only_wanted, reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Recipients of one destination that are not closed.

    messages: how many messages they belong to. next_attempt_at: ISO 8601, UTC; None where all are held or being tried.
    diagnostic: why what is due waits, or else what the last attempt of one of them brought.
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


def backlogs(folder: Path, *, only: Only | None = None) -> Sequence[Backlog]:
    """Return the destinations for which something waits, the fullest first. Raises TraceUnavailable."""
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
        posted = notices(connection)
        return [
            Backlog(
                route=route,
                destination=destination,
                messages=messages,
                recipients=recipients,
                in_attempt=in_attempt,
                deferred=deferred,
                held=held,
                next_attempt_at=_next_attempt_at(due_at, posted.get((route, destination))),
                diagnostic=_reason(posted.get((route, destination))) or diagnostic,
            )
            for route, destination, messages, recipients, in_attempt, deferred, held, due_at, diagnostic in rows
        ]


def _next_attempt_at(due_at: float | None, notice: tuple[str, float | None] | None) -> str | None:
    until = notice[1] if notice else 0.0
    return None if due_at is None or until is None else iso(max(due_at, until))


def _reason(notice: tuple[str, float | None] | None) -> str | None:
    return notice[0] if notice else None

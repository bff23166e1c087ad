"""Why what is due at a destination is not tried: suspended by an administrator, or what the queue has told of it."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Wait:
    """reason: in words. until: seconds since 1970; None: until somebody acts.

    is_suspended: by an administrator; is_of_route: with all of its route.
    """

    reason: str
    until: float | None
    is_suspended: bool = False
    is_of_route: bool = False

    def covers(self, due_at: float) -> bool:
        """Whether what is due then still waits for this."""
        return self.until is None or due_at <= self.until


@dataclass(frozen=True, slots=True)
class Waits:
    """By route and destination; a suspension with an empty destination is of the whole route."""

    suspended: Mapping[tuple[str, str], Wait]
    posted: Mapping[tuple[str, str], Wait]

    def of(self, route: str, destination: str) -> Wait | None:
        """Return what holds for the destination; a suspension goes before all else."""
        place = (route, destination)
        return self.suspended.get((route, "")) or self.suspended.get(place) or self.posted.get(place)


def waits(connection: sqlite3.Connection) -> Waits:
    """Read them. Raises sqlite3.Error."""
    rows = connection.execute("SELECT route, destination, at, by FROM suspension").fetchall()
    posted = connection.execute("SELECT route, destination, reason, until FROM notice").fetchall()
    return Waits(
        {
            (route, destination): Wait(
                f"{'the queue' if destination else 'the route'} is suspended since {_minute(at)} by {by}",
                None,
                is_suspended=True,
                is_of_route=not destination,
            )
            for route, destination, at, by in rows
        },
        {(route, destination): Wait(reason, until) for route, destination, reason, until in posted},
    )


def _minute(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")

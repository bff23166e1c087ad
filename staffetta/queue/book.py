"""What several queues have carried together, where a route or a connector has a limit: one small database for all.

Rule 1: it is memory that processes share, not the truth: that is in the marks of each spool, which fill it at a start.
So it is not synced, and the first worker begins a new one.
Rule 2: who decides holds it alone from the question to the count, so that in sum no more goes than the limit.
Rule 3: where it cannot be used, a queue goes on by what it has counted itself, and the log says so.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from staffetta.spool.marks import ConnectorMark, HourMark, Mark, PaceMark, Scope

FILE_NAME = "limits.db"
_BUSY_SECONDS = 1.0  # others hold it for a fraction of a millisecond
_KEPT_HOURS = 48
_NO_ROUTE = ""  # the pace is a connector's, whose name stands as the destination

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pace (route TEXT, destination TEXT, at REAL, PRIMARY KEY (route, destination)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hour (route TEXT, scope TEXT, hour INTEGER, recipients INTEGER,
                                 PRIMARY KEY (route, scope, hour)) WITHOUT ROWID;
"""
_EXPECT = "INSERT INTO pace VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at"
_NO_SOONER = "INSERT INTO pace VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)"
_NO_FEWER = (
    "INSERT INTO hour VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET recipients = max(recipients, excluded.recipients)"
)
_ADD = "INSERT INTO hour VALUES (?, ?, ?, max(?, 0)) ON CONFLICT DO UPDATE SET recipients = max(recipients + ?, 0)"

_log = structlog.get_logger()


class Book:
    """See the head of this file. For one thread."""

    def __init__(self, path: Path) -> None:
        self._connection: sqlite3.Connection | None = None
        with self._told():
            self._connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            path.chmod(0o600)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.executescript(_SCHEMA)

    def remember(self, marks: Iterable[Mark]) -> None:
        """Go on with what an earlier start has counted, or what others know better."""
        with self.alone():
            for mark in marks:
                match mark:
                    case PaceMark():
                        self._write(_NO_SOONER, mark.route, mark.destination, mark.expected_at)
                    case ConnectorMark():
                        self._write(_NO_SOONER, _NO_ROUTE, mark.connector, mark.expected_at)
                    case HourMark():
                        self._write(_NO_FEWER, mark.route, mark.scope.value, mark.hour, mark.recipients)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else reads or counts meanwhile. Not to be nested, and nothing is awaited within."""
        with self._told():
            if self._connection is not None:
                self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            with self._told():
                if self._connection is not None and self._connection.in_transaction:
                    self._connection.execute("COMMIT")

    def expected(self, route: str, destination: str) -> float | None:
        """Return when the next message is expected, seconds since 1970; None where that is not known here."""
        rows = self._read("SELECT at FROM pace WHERE route = ? AND destination = ?", route, destination)
        return rows[0][0] if rows else None

    def expect(self, route: str, destination: str, at: float) -> None:
        """Note when the next message is expected."""
        self._write(_EXPECT, route, destination, at)

    def expected_of(self, connector: str) -> float | None:
        """Do as expected() for a connector."""
        return self.expected(_NO_ROUTE, connector)

    def expect_of(self, connector: str, at: float) -> None:
        """Do as expect() for a connector."""
        self.expect(_NO_ROUTE, connector, at)

    def hours(self, route: str, scope: Scope) -> dict[int, int]:
        """Return how many recipients went in each hour, counted since 1970."""
        return dict(self._read("SELECT hour, recipients FROM hour WHERE route = ? AND scope = ?", route, scope.value))

    def add(self, route: str, scope: Scope, hour: int, recipients: int) -> None:
        """Count them, or for a negative number give them back."""
        self._write(_ADD, route, scope.value, hour, recipients, recipients)
        self._write("DELETE FROM hour WHERE hour < ?", hour - _KEPT_HOURS)

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read(self, statement: str, *arguments: str | int) -> list[tuple[int, int]]:
        with self._told():
            if self._connection is not None:
                return self._connection.execute(statement, arguments).fetchall()
        return []

    def _write(self, statement: str, *arguments: str | float) -> None:
        with self._told():
            if self._connection is not None:
                self._connection.execute(statement, arguments)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            _log.error("limits are counted by each worker for itself", error=str(error))
            connection, self._connection = self._connection, None
            if connection is not None:
                with suppress(sqlite3.Error):
                    connection.close()


def begin_anew(path: Path) -> None:
    """Take away the book of an earlier start, before anybody has this one. Raises OSError."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)

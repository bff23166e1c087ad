"""How TLS went with each domain, counted for its daily report (RFC 8460 §4).

Rule 1: sessions are counted, not messages; a connection that is kept counts once.
Rule 2: counts are in memory and on disk within a minute: a crash costs a minute of a statistic, and no message waits
    for a disk.
"""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

DATABASE_NAME = "tls-reports.sqlite"
_ROWS_MAX = 100_000  # in memory; strangers choose domains and hosts

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tally (
    day TEXT NOT NULL, domain TEXT NOT NULL, policy TEXT NOT NULL, result TEXT NOT NULL, host TEXT NOT NULL,
    address TEXT NOT NULL, reason TEXT NOT NULL, sessions INTEGER NOT NULL,
    PRIMARY KEY (day, domain, policy, result, host, address, reason)
) WITHOUT ROWID;
"""
_ADD = """
INSERT INTO tally VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET sessions = sessions + excluded.sessions;
"""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SessionResult:
    """How a session went.

    day: "2026-11-24", UTC. policy: the report's `policy` object as JSON, keys sorted. result: a result type of
    RFC 8460 §4.3, empty for success. address: of the exchanger, empty where none was reached. reason: in our words.
    """

    day: str
    domain: str
    policy: str
    result: str = ""
    host: str = ""
    address: str = ""
    reason: str = ""


class TlsTally:
    """See the head of this file. now: seconds since 1970."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._counts: Counter[SessionResult] = Counter()

    def count(
        self,
        domain: str,
        policy: dict[str, Any],
        *,
        result: str = "",
        host: str = "",
        address: str = "",
        reason: str = "",
    ) -> None:
        """Count a session. Of successes only their number is told."""
        day = day_of(self._now())
        told = json.dumps(policy, sort_keys=True)
        where = (host, address, reason[:200]) if result else ("", "", "")
        counted = SessionResult(day, domain, told, result, *where)
        if counted in self._counts or len(self._counts) < _ROWS_MAX:
            self._counts[counted] += 1

    def flush(self, data_dir: Path) -> None:
        """Write down what was counted since. Blocks; what cannot be written is kept for the next time."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            with _database(data_dir) as database:
                database.executemany(_ADD, [(*astuple(row), sessions) for row, sessions in counts.items()])
        except (sqlite3.Error, OSError) as error:
            self._counts.update(counts)
            _log.warning("TLS results not written", error=str(error))


def day_of(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def finished_days(data_dir: Path, today: str) -> list[tuple[str, str]]:
    """Return (day, domain) of what is to be reported, oldest first. Blocks; raises sqlite3.Error, OSError."""
    with _database(data_dir) as database:
        return list(database.execute("SELECT DISTINCT day, domain FROM tally WHERE day < ? ORDER BY 1, 2", (today,)))


def results(data_dir: Path, day: str, domain: str) -> list[tuple[SessionResult, int]]:
    """Return a domain's results of a day with their numbers. Blocks; raises as finished_days()."""
    with _database(data_dir) as database:
        rows = database.execute("SELECT * FROM tally WHERE day = ? AND domain = ? ORDER BY 3, 4, 5", (day, domain))
        return [(SessionResult(*row[:-1]), row[-1]) for row in rows]


def forget(data_dir: Path, day: str, domain: str) -> None:
    """Remove what was reported, or will not be. Blocks; raises as finished_days()."""
    with _database(data_dir) as database:
        database.execute("DELETE FROM tally WHERE day = ? AND domain = ?", (day, domain))


@contextmanager
def _database(data_dir: Path) -> Iterator[sqlite3.Connection]:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(sqlite3.connect(data_dir / DATABASE_NAME, timeout=5)) as database, database:
        database.execute(_SCHEMA)
        yield database

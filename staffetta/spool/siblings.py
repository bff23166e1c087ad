"""What a new partition has from the first: what administrators have suspended."""

import sqlite3
from contextlib import closing

from staffetta.spool.spool import SpoolUnavailable
from staffetta.trace.partitions import DATABASE_NAME, Partition


def suspend_alike(first: Partition, new: Partition) -> None:
    """Suspend in a partition what is suspended in the first, before its queue runs. Raises SpoolUnavailable."""
    path = first / DATABASE_NAME
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source:
            rows = source.execute("SELECT route, destination, at, by FROM suspension").fetchall()
        with closing(sqlite3.connect(new / DATABASE_NAME)) as target, target:
            target.execute("PRAGMA synchronous = FULL")
            target.executemany("INSERT INTO suspension VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)
    except sqlite3.Error as error:
        raise SpoolUnavailable(f"what is suspended cannot be read or written: {error}") from error

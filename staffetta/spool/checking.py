"""Is a spool sound, on every page? What the start does not read, since it would take too long."""

import sqlite3

from staffetta.mail.queue_id import to_text
from staffetta.spool.content import CONTENT_FOLDER
from staffetta.spool.database import SALVAGED_SUFFIX
from staffetta.spool.pages import read_log
from staffetta.trace.partitions import Partition
from staffetta.trace.search import DATABASE_NAME, TraceUnavailable, reading

_TROUBLES_MAX = 100
_OPEN = "('ready', 'in attempt', 'deferred', 'held', 'unknown')"


def troubles(folder: Partition) -> list[str]:
    """Return what is wrong with a partition of a spool, a sentence each, the first hundred; nothing where all is sound.

    Reads every page of the database and the size of every content file, beside a relay that runs or not.
    """
    path = folder / DATABASE_NAME
    log = path.with_name(f"{path.name}-wal")
    if path.with_name(path.name + SALVAGED_SUFFIX).exists():
        return ["A salvage was cut short."]
    if not path.exists():
        return ["The database is missing, but its -wal file is there."] if log.exists() else []
    try:
        with reading(folder) as connection:
            found = _of_database(connection)
            if not found:
                found = _of_content(connection, folder)
    except TraceUnavailable as error:
        found = [str(error)]
    if log.exists() and (damage := read_log(memoryview(log.read_bytes())).damage):
        found.insert(0, f"{damage[0].upper()}{damage[1:]}.")
    return found[:_TROUBLES_MAX]


def _of_database(connection: sqlite3.Connection) -> list[str]:
    rows = [str(row) for (row,) in connection.execute(f"PRAGMA integrity_check({_TROUBLES_MAX})")]
    return [] if rows == ["ok"] else [f"Database: {line}." for row in rows for line in row.splitlines()]


def _of_content(connection: sqlite3.Connection, folder: Partition) -> list[str]:
    without = connection.execute(
        f"SELECT DISTINCT number FROM recipient WHERE state IN {_OPEN} AND number NOT IN (SELECT number FROM content)"
    )
    found = [f"{to_text(number)} is queued, and its content is gone." for (number,) in without]
    files = connection.execute(
        "SELECT c.number, c.file, m.size - length(c.octets) FROM content c JOIN message m USING (number) "
        "WHERE c.file IS NOT NULL"
    ).fetchall()
    for number, file, size in files:
        path = folder / CONTENT_FOLDER / file
        is_still_named = "SELECT 1 FROM content WHERE number = ?"
        if path.is_file() and path.stat().st_size == size:
            continue
        if _now(folder, is_still_named, number):
            found.append(f"{to_text(number)}: its content file {file} is missing or has another size.")
    return found


def _now(folder: Partition, query: str, number: int) -> bool:
    """Ask in a transaction of its own: a message may have been closed since the check began."""
    with reading(folder) as connection:
        return connection.execute(query, (number,)).fetchone() is not None

"""Checkpoints: copying the WAL into the database, so that neither it nor a restart becomes long, and no client waits.

A passive checkpoint runs beside the commits, but what is committed meanwhile is left over; so the bulk is copied by a
thread of its own, in rounds that become shorter, and the commit thread copies the small rest between two batches.
Only then can SQLite write the WAL from its beginning again.
"""

import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from staffetta.spool.database import Connect

WAL_PAGES_MAX = 16_384  # 64 MiB, by estimate: above this a checkpoint does not wait for a quiet moment
_ROUNDS = 3


class Checkpointer:
    """Owned by the commit thread. Every method may raise sqlite3.Error or OSError: the disk refused."""

    def __init__(self, path: Path, open_connection: Connect) -> None:
        self._path = path
        self._open_connection = open_connection
        self._thread = ThreadPoolExecutor(1, "spool-checkpoint")
        self._bulk: Future[None] | None = None
        self._pages = 0

    def count(self, pages: int) -> None:
        """pages: about how many a transaction wrote; SQLite does not tell how long its WAL is."""
        self._pages += pages

    def tick(self, connection: sqlite3.Connection, *, was_idle: bool) -> None:
        """Do what is due, between two batches. connection: the writing one."""
        if self._bulk is not None:
            if self._bulk.done():
                bulk, self._bulk = self._bulk, None
                bulk.result()
                self._finish(connection)
        elif was_idle and self._pages:
            self._finish(connection)
        elif self._pages > WAL_PAGES_MAX:
            self._bulk = self._thread.submit(self._copy_bulk)

    def close(self) -> None:
        """Wait for a copy under way."""
        self._thread.shutdown()

    def _finish(self, connection: sqlite3.Connection) -> None:
        self._pages = 0
        _checkpoint(connection)

    def _copy_bulk(self) -> None:
        connection = self._open_connection(self._path)
        try:
            for _ in range(_ROUNDS):
                _checkpoint(connection)
        finally:
            connection.close()


def _checkpoint(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

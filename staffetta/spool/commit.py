"""Group commit: one thread writes; everything that waits at this moment is one transaction. The commit point is here.

Rule 1: results reach the loop by one call per batch.
Rule 2: when the disk refuses, the whole batch is refused, and the connection is never used again (docs/spool.md).
Rule 3: no client waits for a checkpoint (checkpoint.py).
"""

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import structlog

from staffetta.metrics import COMMIT_BATCH, COMMIT_SECONDS
from staffetta.spool.change import Change, write
from staffetta.spool.checkpoint import Checkpointer
from staffetta.spool.content import CONTENT_FOLDER, free_octets, remove_files
from staffetta.spool.database import Connect, probe, transaction
from staffetta.spool.spool import SpoolUnavailable
from staffetta.trace.search import DATABASE_NAME

BATCH_CHANGES_MAX = 512  # bounds how long the first of a batch waits for the last
TICK_SECONDS = 1.0  # how often trouble and free space are looked at again
_PAGE_OCTETS = 4096
_log = structlog.get_logger()
_ENDED = "the commit thread has ended"

# What a change brings upon itself. Anything else that SQLite raises is the disk's doing.
_OWN_FAULTS = (
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
    ValueError,
    OverflowError,
    TypeError,
)


@dataclass(slots=True)
class _Waiter:
    """then: called on the loop once durable. otherwise: called on the loop if not."""

    change: Change
    done: asyncio.Future[None]
    then: Callable[[], None] | None
    otherwise: Callable[[], None] | None


class CommitThread:
    """The thread, its connection, and the troubles of its disk."""

    def __init__(
        self,
        folder: Path,
        connection: sqlite3.Connection,
        *,
        open_connection: Connect,
        free_octets_min: int,
        housekeeping: Callable[[], Change | None],
        on_files_removed: Callable[[list[str]], None],
    ) -> None:
        """housekeeping: asked by the thread about once a second for what else should be written."""
        self._folder = folder
        self._connection: sqlite3.Connection | None = connection
        self._open_connection = open_connection
        self._free_octets_min = free_octets_min
        self._housekeeping = housekeeping
        self._on_files_removed = on_files_removed
        self._loop = asyncio.get_running_loop()
        self._waiting: SimpleQueue[_Waiter | None] = SimpleQueue()
        self._aside: deque[Change] = deque(maxlen=10_000)  # written with the next batch; the oldest are lost first
        self.free_octets_seen = 0
        self._disk_trouble: str | None = None
        self._space_trouble: str | None = None
        self._is_closing = False
        self._next_tick = 0.0
        self._checkpointer = Checkpointer(folder / DATABASE_NAME, open_connection)
        self._thread = threading.Thread(target=self._run, name="spool-commit", daemon=True)
        self._look_at_free_space()
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why new mail cannot be kept."""
        return self._disk_trouble or self._space_trouble

    def submit(
        self,
        change: Change,
        then: Callable[[], None] | None = None,
        otherwise: Callable[[], None] | None = None,
    ) -> asyncio.Future[None]:
        """Queue the change; the future ends when it is durable, or with SpoolUnavailable."""
        done = self._loop.create_future()
        if self._is_closing:
            done.set_exception(SpoolUnavailable("the spool is closed"))
        else:
            self._waiting.put(_Waiter(change, done, then, otherwise))
        return done

    def put_aside(self, change: Change) -> None:
        """Write it with the next batch, or within about a second; nobody waits for it."""
        self._aside.append(change)

    async def close(self) -> None:
        """Write what waits, and end the thread."""
        self._is_closing = True
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    # The thread.

    def _run(self) -> None:
        try:
            is_last = False
            while not is_last:
                batch, is_last = self._take()
                if batch:
                    self._commit(batch)
                self._tick(was_idle=not batch, is_last=is_last)
        finally:
            if not self._is_closing:  # a bug of ours is passing through; its traceback is on its way to the log
                self._disk_trouble = _ENDED
                self._is_closing = True
            self._refuse_the_rest()
            self._checkpointer.close()
            self._drop_connection()

    def _take(self) -> tuple[list[_Waiter], bool]:
        """Wait for the first change, at most a tick; then take all that is there."""
        batch: list[_Waiter] = []
        try:
            waiter = self._waiting.get(timeout=TICK_SECONDS)
            while waiter is not None:
                batch.append(waiter)
                if len(batch) == BATCH_CHANGES_MAX:
                    return batch, False
                waiter = self._waiting.get_nowait()
        except Empty:
            return batch, False
        return batch, True

    def _commit(self, batch: list[_Waiter]) -> None:
        try:
            self._write([waiter.change for waiter in batch])
        except _OWN_FAULTS as fault:
            if len(batch) == 1:
                self._tell(batch, fault)
                return
            for waiter in batch:
                self._commit([waiter])
        except SpoolUnavailable as refusal:
            self._tell(batch, refusal)
        except BaseException:  # a bug of ours, or no memory: the thread ends, and nobody shall wait for it
            self._disk_trouble = _ENDED
            self._tell(batch, SpoolUnavailable(self._disk_trouble))
            raise
        else:
            self._tell(batch, None)

    def _write(self, changes: list[Change]) -> None:
        """One transaction. Raises one of _OWN_FAULTS, or SpoolUnavailable."""
        connection = self._usable_connection()
        aside = [self._aside.popleft() for _ in range(len(self._aside))]
        began, rows_before = time.perf_counter(), connection.total_changes
        try:
            with transaction(connection):
                files = write(connection, changes + aside)
        except _OWN_FAULTS:
            if not aside:
                raise
            self._write(changes)  # the fault may be in what was put aside, which nobody must suffer for
            return
        except (sqlite3.Error, OSError) as error:
            self._disk_trouble = f"the disk refused a commit: {error}"
            self._drop_connection()
            raise SpoolUnavailable(self._disk_trouble) from error
        octets = sum(len(row[2]) for change in changes for row in change.contents if isinstance(row[2], bytes))
        # A row touched is about a page; content fills its own.
        self._checkpointer.count(connection.total_changes - rows_before + octets // _PAGE_OCTETS)
        COMMIT_SECONDS.observe(time.perf_counter() - began)
        COMMIT_BATCH.observe(len(changes))
        if files:
            remove_files(self._folder / CONTENT_FOLDER, files)
            self._loop.call_soon_threadsafe(self._on_files_removed, files)

    def _tell(self, batch: list[_Waiter], error: Exception | None) -> None:
        self._loop.call_soon_threadsafe(_wake, batch, error)

    def _tick(self, *, was_idle: bool, is_last: bool) -> None:
        now = time.monotonic()
        if now >= self._next_tick or is_last:
            self._next_tick = now + TICK_SECONDS
            self._look_at_free_space()
            self._try_disk_again()
            self._keep_house()
        self._checkpoint(was_idle=was_idle)

    def _keep_house(self) -> None:
        change = self._housekeeping()
        if self._disk_trouble is None and (change is not None or self._aside):
            try:
                self._write([] if change is None else [change])
            except (SpoolUnavailable, *_OWN_FAULTS):
                return  # nobody waits; trouble tells of the disk, and a bad refusal is not worth a relay

    def _checkpoint(self, *, was_idle: bool) -> None:
        if self._connection is None:
            return
        try:
            self._checkpointer.tick(self._connection, was_idle=was_idle)
        except (sqlite3.Error, OSError) as error:
            self._disk_trouble = f"the disk refused a checkpoint: {error}"
            self._drop_connection()

    def _usable_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise SpoolUnavailable(self._disk_trouble or "the spool is closed")
        return self._connection

    def _try_disk_again(self) -> None:
        if self._disk_trouble is None or self._is_closing:
            return
        try:
            connection = self._open_connection(self._folder / DATABASE_NAME)
            try:
                probe(connection)
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            self._disk_trouble = f"the disk still refuses: {error}"
        else:
            self._connection, self._disk_trouble = connection, None

    def _look_at_free_space(self) -> None:
        try:
            free = free_octets(self._folder)
        except OSError as error:
            self._space_trouble = f"free space cannot be read: {error.strerror}"
            return
        self.free_octets_seen = free
        is_low = free < self._free_octets_min
        self._space_trouble = f"only {free} octets of disk are free" if is_low else None

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error:
                return  # the file descriptors go with the object; what was committed is in the WAL

    def _refuse_the_rest(self) -> None:
        rest = [self._waiting.get_nowait() for _ in range(self._waiting.qsize())]
        batch = [waiter for waiter in rest if waiter is not None]
        if batch:
            self._tell(batch, SpoolUnavailable("the spool is closed"))


def _wake(batch: list[_Waiter], error: Exception | None) -> None:
    """On the loop. Futures first, so that a fault in a callback leaves nobody waiting; and it takes no other along."""
    for waiter in batch:
        if not waiter.done.done():  # the caller may have been cancelled meanwhile; the change stands all the same
            if error is None:
                waiter.done.set_result(None)
            else:
                waiter.done.set_exception(error)
    for waiter in batch:
        callback = waiter.then if error is None else waiter.otherwise
        if callback is not None:
            try:
                callback()
            except Exception:
                _log.exception("what follows a commit failed")

"""SqliteSpool: the spool of one worker on one machine (docs/spool.md).

Rule 1: what is promised durable is awaited from the commit thread; what is read is read in the reader thread.
Rule 2: which recipients are in hand is decided here, on the loop, and only here.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from staffetta.mail.queue_id import make_number
from staffetta.spool.change import Change, RowMaker, refusal_row
from staffetta.spool.claims import Hand, claims_of_new, keys_of
from staffetta.spool.commands import command_change
from staffetta.spool.commit import CommitThread
from staffetta.spool.content import CONTENT_FOLDER, FileContent, FileDraft, copy_to_file, free_octets, remove_orphans
from staffetta.spool.database import (
    KEYS_PER_TRANSACTION_MAX,
    SQL,
    Connect,
    SpoolCannotOpen,
    connect,
    count_start,
    prepare,
)
from staffetta.spool.lock import lock_folder
from staffetta.spool.marks import Mark, Notice, QueueFlow, write_flows, write_marks, write_notice
from staffetta.spool.mending import Sweeper, cut_short, mend_interrupted, never_sent
from staffetta.spool.reading import QueueCount, Reader
from staffetta.spool.returns import Returns
from staffetta.spool.spool import (
    CarriedOut,
    Claim,
    CommandVerb,
    DueLine,
    Key,
    NewMessage,
    Offer,
    QueueCommand,
    Settlement,
    SpoolUnavailable,
    Suspension,
)
from staffetta.trace.events import Detail, Event, EventKind, Refusal
from staffetta.trace.flow import FlowCount, write_flow

T = TypeVar("T")
_COUNTING_SECONDS_SMALL = 0.05  # some 100,000 recipients are counted as often as anybody asks
TRACE_SECONDS_KEPT = 90 * 86_400.0


@dataclass(frozen=True, slots=True)
class _Ground:
    """A folder taken: locked, its database up to date and mended."""

    folder: Path
    lock: int
    open_connection: Connect
    connection: sqlite3.Connection
    maker: RowMaker
    highest_number: int


def _take_ground(folder: Path, open_connection: Connect, now: float, unknown_retry_seconds: float) -> _Ground:
    try:
        (folder / CONTENT_FOLDER).mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        lock = lock_folder(folder)
    except OSError as error:  # the disk is mounted read-only, or the folder is somebody else's
        why = error.strerror or str(error)
        raise SpoolCannotOpen(
            f"The spool's folder {folder} cannot be used: {why}. It and its disk must be writable for this user."
        ) from error
    try:
        connection = prepare(folder, open_connection)
        generation, highest_number = count_start(connection)
        maker = RowMaker(generation)
        connection.execute("DELETE FROM notice")
        connection.execute("DELETE FROM queue_flow")
        mend_interrupted(connection, maker, now=now, unknown_retry_seconds=unknown_retry_seconds)
        named = {file for (file,) in connection.execute(SQL["named_files"])}
        remove_orphans(folder / CONTENT_FOLDER, named)
    except sqlite3.Error as error:
        os.close(lock)
        raise SpoolCannotOpen(f"The spool in {folder} cannot be made ready: {error}.") from error
    except BaseException:
        os.close(lock)
        raise
    return _Ground(folder, lock, open_connection, connection, maker, highest_number)


class SqliteSpool:
    """See the Spool protocol. Make one with `open`."""

    def __init__(
        self,
        ground: _Ground,
        *,
        partition: int,
        content_in_memory_octets_max: int,
        free_octets_min: int,
        unknown_retry_seconds: float,
        sweeper: Sweeper,
        clock: Callable[[], float],
    ) -> None:
        self._folder = ground.folder
        self._lock = ground.lock
        self._partition = partition
        self._content_in_memory_octets_max = content_in_memory_octets_max
        self._unknown_retry_seconds = unknown_retry_seconds
        self._clock = clock
        self._number = ground.highest_number
        self._maker = ground.maker
        self._reader = Reader(ground.folder, ground.open_connection)
        self._reader_thread = ThreadPoolExecutor(1, "spool-reader")
        self._hand = Hand()
        self._returns = Returns()
        self._kept_files: set[str] = set()
        self._offer: Offer | None = None
        self._counts: list[QueueCount] = []
        self._count_again_at = 0.0
        self._commits = CommitThread(
            ground.folder,
            ground.connection,
            open_connection=ground.open_connection,
            free_octets_min=free_octets_min,
            housekeeping=sweeper.next_change,
            on_files_removed=self._kept_files.difference_update,
        )

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        partition: int = 0,
        content_in_memory_octets_max: int = 524_288,
        free_octets_min: int = 67_108_864,
        unknown_retry_seconds: float = 300.0,
        trace_seconds_kept: float = TRACE_SECONDS_KEPT,
        clock: Callable[[], float] = time.time,
        open_connection: Connect = connect,
    ) -> "SqliteSpool":
        """Take the folder, made if need be, and mend what a crash left.

        partition: 0 to 255, the worker's. free_octets_min: below this much free disk `trouble` is set.
        clock: seconds since 1970. Raises SpoolCannotOpen (SpoolLocked, SpoolDamaged, SpoolTooNew).
        """
        ground = await asyncio.to_thread(_take_ground, folder, open_connection, clock(), unknown_retry_seconds)
        return cls(
            ground,
            partition=partition,
            content_in_memory_octets_max=content_in_memory_octets_max,
            free_octets_min=free_octets_min,
            unknown_retry_seconds=unknown_retry_seconds,
            sweeper=Sweeper(trace_seconds_kept, clock),
            clock=clock,
        )

    # What reception asks.

    def next_number(self) -> int:
        self._number = make_number(int(self._clock() * 1_000_000), self._partition, self._number)
        return self._number

    @property
    def trouble(self) -> str | None:
        return self._commits.trouble

    def open_draft(self) -> FileDraft:
        return FileDraft(self._folder / CONTENT_FOLDER, self._content_in_memory_octets_max, self._kept_files)

    async def commit(self, message: NewMessage) -> None:
        if message.content.whole is None:
            message = await self._with_file_of_ours(message)
        try:
            change = self._maker.keep(message)
        except BaseException:
            self._forget_files((message,))
            raise
        await self._commits.submit(change, lambda: self._offer_new((message,)), lambda: self._forget_files((message,)))

    @property
    def free_octets_seen(self) -> int:
        return self._commits.free_octets_seen

    def record_refusal(self, refusal: Refusal) -> None:
        self._commits.put_aside(Change(refusals=(refusal_row(self.next_number(), refusal),)))

    # What the queue asks.

    def subscribe(self, offer: Offer) -> None:
        self._offer = offer

    async def due(self) -> list[DueLine]:
        with self._hand.reading():
            return await self._read(self._reader.due, self._hand)

    async def claim(
        self,
        route: str,
        destination: str,
        connector: str | None,
        now: float,
        limit: int,
        octets_max: int | None = None,
    ) -> list[Claim]:
        line = (route, destination, connector)
        with self._hand.reading():
            found = await self._read(self._reader.claimable, line, now, limit, octets_max, self._hand)
            return self._taken(found)

    def is_claimed(self, key: Key) -> bool:
        return key in self._hand

    def release(self, claim: Claim) -> None:
        attempted = self._hand.attempted_of(keys_of(claim))
        if not attempted:
            self._hand.let_go(keys_of(claim))
            return
        now = self._clock()
        change = self._maker.settle(
            [
                never_sent(*key, now=now)
                if self._hand.is_unsent(key)
                else cut_short(*key, is_once=claim.is_once, now=now, unknown_retry_seconds=self._unknown_retry_seconds)
                for key in attempted
            ]
        )
        self._returns.write(lambda: self._commits.submit(change, lambda: self._let_go(keys_of(claim))))

    async def begin_attempt(self, claim: Claim, recipients: Sequence[int], told: Detail, at: float) -> None:
        keys = [(claim.number, recipient) for recipient in recipients]
        change = Change(
            attempts=keys,
            events=[
                self._maker.event(number, Event(at, EventKind.ATTEMPT, recipient, told)) for number, recipient in keys
            ],
        )
        self._hand.begin(keys)
        try:
            await self._commits.submit(change)
        except (SpoolUnavailable, asyncio.CancelledError):
            self._hand.begin_failed(keys)
            raise

    async def settle(
        self,
        settlements: Sequence[Settlement],
        notifications: Sequence[NewMessage] = (),
        marks: Sequence[Mark] = (),
    ) -> None:
        if notifications:
            notifications = [
                message if message.content.whole is not None else await self._with_file_of_ours(message)
                for message in notifications
            ]
        change = self._maker.settle(settlements)
        for message in notifications:
            change = _joined(change, self._maker.keep(message))
        if marks:
            change.act = lambda connection: write_marks(connection, marks)

        def then() -> None:
            self._let_go([(settlement.number, settlement.recipient) for settlement in settlements])
            self._offer_new(notifications)

        await self._commits.submit(change, then, lambda: self._forget_files(notifications))

    async def marks(self) -> list[Mark]:
        return await self._read(self._reader.marks)

    def post(self, notice: Notice) -> None:
        self._commits.put_aside(Change(act=lambda connection: write_notice(connection, notice)))

    def count_flow(self, counts: Sequence[FlowCount]) -> None:
        self._commits.put_aside(Change(act=lambda connection: write_flow(connection, counts)))

    def post_flows(self, flows: Sequence[QueueFlow]) -> None:
        self._commits.put_aside(Change(act=lambda connection: write_flows(connection, flows)))

    async def bring_forward(self, seconds: float, now: float) -> None:
        def act(connection: sqlite3.Connection) -> None:
            connection.execute(SQL["bring_forward"], (seconds, now))

        await self._commits.submit(Change(act=act))

    async def next_commands(self) -> list[QueueCommand]:
        return await self._read(self._reader.commands)

    async def carry_out(self, command: QueueCommand, now: float, changed: int = 0) -> CarriedOut:
        if command.verb in (CommandVerb.SUSPEND, CommandVerb.RESUME):
            result = CarriedOut(0)
            await self._commits.submit(command_change(command, (), now, self._maker, result=result))
            return result
        return await self._change_recipients(command, now, changed)

    async def take(self, command: QueueCommand, limit: int, octets_max: int) -> list[Claim]:
        with self._hand.reading():
            return self._taken(await self._read(self._reader.takeable, command, limit, octets_max, self._hand))

    async def suspensions(self) -> list[Suspension]:
        return await self._read(self._reader.suspensions)

    async def close(self) -> None:
        self._returns.stop()
        await self._commits.close()
        await self._read(self._reader.close)
        self._reader_thread.shutdown()
        os.close(self._lock)

    # What metrics and the console ask.

    async def counts(self) -> list[QueueCount]:
        """Count open recipients by route and state. Raises SpoolUnavailable.

        Counting reads an index whole, so it may take a hundredth of the reader's time: of a long queue the counts may
        be some time old.
        """
        began = time.monotonic()
        if began >= self._count_again_at:
            self._counts = await self._read(self._reader.counts, self._clock())
            seconds = time.monotonic() - began
            self._count_again_at = began + (100 * seconds if seconds > _COUNTING_SECONDS_SMALL else 0.0)
        return self._counts

    def free_octets(self) -> int:
        """Return free disk space for content and database. Raises OSError."""
        return free_octets(self._folder)

    # Inside.

    async def _read(self, read: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reader_thread, read, *arguments)

    def _taken(self, found: Sequence[Claim]) -> list[Claim]:
        """Take what a read has found. Meanwhile an offer may have taken some: then the whole claim waits for later."""
        claims = [claim for claim in found if not any(key in self._hand for key in keys_of(claim))]
        for claim in claims:
            self._hand.take(keys_of(claim))
        return claims

    async def _change_recipients(self, command: QueueCommand, now: float, changed: int) -> CarriedOut:
        result = None
        held, skipped = await self._read(self._reader.left_out, command, self._hand)
        while result is None:
            keys, claimed = await self._take_affected(command, now)
            changed += len(keys)
            if len(keys) < KEYS_PER_TRANSACTION_MAX:
                result = CarriedOut(changed, claimed, held, skipped)
            try:
                await self._commits.submit(command_change(command, keys, now, self._maker, result=result))
            finally:
                self._let_go(keys)
        return result

    async def _take_affected(self, command: QueueCommand, now: float) -> tuple[list[Key], frozenset[Key]]:
        """Take what the command changes; return also what it names and cannot have, since it is in hand already."""
        with self._hand.reading():
            found = await self._read(self._reader.affected, command, now, self._hand)
            claimed = self._hand.concerned_by(command)
            keys = [key for key in found if key not in self._hand]
            self._hand.take(keys)
        return keys, claimed

    async def _with_file_of_ours(self, message: NewMessage) -> NewMessage:
        """Large content must be a file that no other message has, since it goes when this message is closed."""
        content = message.content
        if not isinstance(content, FileContent) or content.path.name in self._kept_files:
            content = await copy_to_file(content, self._folder / CONTENT_FOLDER)
            message = replace(message, content=content)
        self._kept_files.add(content.path.name)
        return message

    def _offer_new(self, messages: Sequence[NewMessage]) -> None:
        if self._offer is None:
            return
        for message in messages:
            for claim in claims_of_new(message):
                keys = keys_of(claim)
                # A read may have found the message before this call came round.
                if any(key in self._hand for key in keys):
                    continue
                self._hand.take(keys)
                is_taken = False
                try:
                    is_taken = self._offer(claim)
                finally:
                    if not is_taken:
                        self._hand.let_go(keys)

    def _let_go(self, keys: Sequence[Key]) -> None:
        self._hand.let_go(keys)

    def _forget_files(self, messages: Sequence[NewMessage]) -> None:
        for message in messages:
            if isinstance(message.content, FileContent):
                self._kept_files.discard(message.content.path.name)


def _joined(change: Change, other: Change) -> Change:
    return Change(
        messages=(*change.messages, *other.messages),
        contents=(*change.contents, *other.contents),
        recipients=(*change.recipients, *other.recipients),
        events=(*change.events, *other.events),
        settlements=change.settlements,
        roads=change.roads,
        doubts=change.doubts,
        closing=change.closing,
    )

"""Group commit when the disk refuses. The disk with faults is a connection whose COMMIT can be made to fail."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from staffetta.mail.address import parse_mailbox
from staffetta.mail.content import MemoryContent
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.spool.database import connect
from staffetta.spool.spool import NewMessage, RoutedRecipient, SpoolUnavailable
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.events import Refusal
from staffetta.trace.refusals import RefusalQuery, refusals

START = 1_800_000_000.0


class FaultyDisk:
    """Opens connections; while `fault` is set, the COMMIT of a writing transaction fails with it."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self.commits_after_failure = 0

    def connect(self, path: Path) -> sqlite3.Connection:
        disk = self
        connect(path).close()  # in WAL mode from now on

        class Connection(sqlite3.Connection):
            has_failed = False
            writes = False

            def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:  # type: ignore[override]
                if sql.startswith("BEGIN"):
                    self.writes = sql == "BEGIN IMMEDIATE"
                if sql == "COMMIT" and self.writes:
                    disk.commits_after_failure += self.has_failed
                    if disk.fault is not None:
                        self.has_failed = True
                        raise sqlite3.OperationalError(disk.fault)
                return super().execute(sql, *arguments)  # type: ignore[arg-type]

        return sqlite3.connect(path, factory=Connection, isolation_level=None, check_same_thread=False)


def message(spool: SqliteSpool, number: int | None = None, session_id: str = "S") -> NewMessage:
    recipient = Recipient(parse_mailbox("bob@example.net"))
    return NewMessage(
        number=number or spool.next_number(),
        message_id=None,
        subject="\udc80",
        envelope=Envelope(None, (recipient,)),
        recipients=(RoutedRecipient(recipient, "out", "example.net"),),
        content=MemoryContent(b"x\r\n"),
        has_eight_bit=False,
        received_at=START,
        session_id=session_id,
        peer_address="192.0.2.1",
        helo=None,
        connector=None,
    )


def run(folder: Path, disk: FaultyDisk, test: Callable[[SqliteSpool], Awaitable[None]], free_min: int = 0) -> None:
    async def main() -> None:
        spool = await SqliteSpool.open(folder, open_connection=disk.connect, free_octets_min=free_min)
        try:
            await test(spool)
        finally:
            await spool.close()

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  (the commit thread has no event to wait for)
            await asyncio.sleep(0.01)


def test_a_failed_commit_refuses_the_batch_and_keeps_nothing(tmp_path: Path) -> None:
    async def test(spool: SqliteSpool) -> None:
        disk.fault = "disk I/O error"
        results = await asyncio.gather(*(spool.commit(message(spool)) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(result, SpoolUnavailable) for result in results)
        assert spool.trouble is not None
        assert "disk I/O error" in spool.trouble
        assert await spool.due() == []

    disk = FaultyDisk()
    run(tmp_path, disk, test)
    disk.fault = None

    async def nothing_is_left(spool: SqliteSpool) -> None:
        assert await spool.due() == []

    run(tmp_path, disk, nothing_is_left)


def test_a_connection_that_failed_is_never_used_again(tmp_path: Path) -> None:
    async def test(spool: SqliteSpool) -> None:
        disk.fault = "disk I/O error"
        for _ in range(3):
            with pytest.raises(SpoolUnavailable):
                await spool.commit(message(spool))
        disk.fault = None
        await until(lambda: spool.trouble is None)
        await spool.commit(message(spool))
        assert len(await spool.due()) == 1
        assert disk.commits_after_failure == 0

    disk = FaultyDisk()
    run(tmp_path, disk, test)


def test_an_attempt_that_could_not_be_written_down_is_due_again_when_the_disk_has_recovered(tmp_path: Path) -> None:
    async def test(spool: SqliteSpool) -> None:
        spool.subscribe(lambda claim: False)
        await spool.commit(message(spool))
        (claim,) = await spool.claim("out", "example.net", None, START, 10)
        disk.fault = "disk I/O error"
        with pytest.raises(SpoolUnavailable):
            await spool.begin_attempt(claim, [0], {"host": "mx.example.net"}, START)
        spool.release(claim)
        assert await spool.due() == []
        disk.fault = None
        await until(lambda: spool.trouble is None)
        async with asyncio.timeout(10):
            while not (due := await spool.due()):
                pass
        assert due[0].due_at < START
        (again,) = await spool.claim("out", "example.net", None, START, 10)
        assert again.recipients[0].attempts == 0

    disk = FaultyDisk()
    run(tmp_path, disk, test)


def test_a_change_with_a_fault_of_its_own_fails_alone(tmp_path: Path) -> None:
    async def test(spool: SqliteSpool) -> None:
        twice = spool.next_number()
        results = await asyncio.gather(
            spool.commit(message(spool)),
            spool.commit(message(spool, twice)),
            spool.commit(message(spool, twice)),
            spool.commit(message(spool, session_id="\ud800")),
            spool.commit(message(spool)),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [
            type(None),
            type(None),
            sqlite3.IntegrityError,
            UnicodeEncodeError,
            type(None),
        ]
        assert len(await spool.claim("out", "example.net", None, START, 10)) == 3
        assert spool.trouble is None

    run(tmp_path, FaultyDisk(), test)


def test_too_little_space_is_trouble(tmp_path: Path) -> None:
    async def test(spool: SqliteSpool) -> None:
        assert spool.trouble is not None
        assert "octets of disk are free" in spool.trouble

    run(tmp_path, FaultyDisk(), test, free_min=2**62)


def test_a_cancelled_caller_does_not_harm_the_batch(tmp_path: Path) -> None:
    async def test(spool: SqliteSpool) -> None:
        task = asyncio.create_task(spool.commit(message(spool)))
        await asyncio.sleep(0)
        task.cancel()
        await spool.commit(message(spool))
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(await spool.claim("out", "example.net", None, START, 10)) == 2

    run(tmp_path, FaultyDisk(), test)


def test_after_close_nothing_is_accepted(tmp_path: Path) -> None:
    async def main() -> None:
        spool = await SqliteSpool.open(tmp_path, free_octets_min=0)
        await spool.close()
        with pytest.raises(SpoolUnavailable):
            await spool.commit(message(spool))

    asyncio.run(main())


def test_a_refusal_that_cannot_be_written_harms_nobody(tmp_path: Path) -> None:
    async def test(spool: SqliteSpool) -> None:
        for session_id in ("\ud800", "S"):
            spool.record_refusal(
                Refusal(
                    at=START,
                    session_id=session_id,
                    listener="relay",
                    peer_address="192.0.2.1",
                    helo="\udc80",
                    tls=None,
                    reverse_path=None,
                    forward_path=None,
                    reply="550 5.7.1 no",
                    reason="no connector",
                    evidence={"helo": "\udc80", "count": 1, "is_known": False, "none": None},
                )
            )
            await spool.commit(message(spool))

    run(tmp_path, FaultyDisk(), test)
    (refusal,) = refusals(tmp_path, RefusalQuery()).rows
    assert (refusal.helo, refusal.evidence) == ("?", {"helo": "?", "count": 1, "is_known": False, "none": None})

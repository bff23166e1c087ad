"""What a review of the road found: outcomes, orders and waiters that a fault elsewhere must not take along."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from staffetta.delivery import maildir
from staffetta.delivery.channel import Channel
from staffetta.mail.outcome import Deferred, Delivered, Outcome
from staffetta.queue.destination import Destination
from staffetta.spool.change import Change
from staffetta.spool.commands import leave_command
from staffetta.spool.database import SpoolCannotOpen, connect
from staffetta.spool.spool import CommandVerb, RecipientState, SpoolUnavailable
from staffetta.spool.sqlite import SqliteSpool
from tests.delivery_sockets.carrying import Sender, consignment, settings_for
from tests.delivery_sockets.carrying import run as run_on_sockets
from tests.delivery_sockets.fake_hop import ALL_CAPABILITIES, FakeHop
from tests.unit.queue.relay import DEFERRED, DELIVERED, UNKNOWN, FakeCourier, Relay
from tests.unit.queue.virtual_time import run


def test_a_notification_that_cannot_be_written_stops_no_outcome() -> None:
    async def story() -> None:
        until_the_year_33658 = 1e12  # beyond what a date can say
        courier = FakeCourier(lambda each: DEFERRED if each.destination == "outside" else DELIVERED)
        async with Relay(courier, delay_notice_seconds=300) as relay:
            queue = relay.settings.queue.model_copy(update={"expire_seconds": until_the_year_33658})
            relay.settings = relay.settings.model_copy(update={"queue": queue})
            late = await relay.commit("a@x.test")
            await asyncio.sleep(2000)
            other = await relay.commit("b@x.test", destination="other")
            await relay.until(lambda: relay.state(other) is RecipientState.DELIVERED, seconds=5)
            await relay.until(lambda: relay.state(late) is RecipientState.DEFERRED)

    run(story)


def test_an_order_reaches_every_attempt_of_a_message() -> None:
    async def story() -> None:
        gate = asyncio.Event()
        answers: list[Sequence[Outcome]] = [[DEFERRED, UNKNOWN]]
        courier = FakeCourier(lambda each: answers.pop() if answers else DEFERRED, seconds=0)
        async with Relay(courier, retry_first_seconds=100) as relay:
            number = await relay.commit("a@x.test", "b@x.test")
            await relay.until(lambda: relay.state(number, 1) is RecipientState.UNKNOWN)
            courier.hold = lambda each: gate.wait()
            await relay.until(lambda: courier.under_way["outside"] == 2)
            relay.spool.leave_command(CommandVerb.DELETE, [number])
            await relay.until(lambda: not relay.spool.commands)
            gate.set()
            for recipient in (0, 1):
                await relay.until(lambda at=recipient: relay.state(number, at) is RecipientState.DELETED, seconds=5)

    run(story)


def test_a_destination_that_is_well_again_has_nobody_to_give_up() -> None:
    destination = Destination("out", "outside", troubles=3)
    line = destination.waiting.line("printers")
    assert destination.is_to_be_swept(line)
    destination.well(concurrency=5)
    assert not destination.is_to_be_swept(line)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_commit_thread_that_ends_leaves_nobody_waiting(tmp_path: Path) -> None:
    def run_out_of_memory(_: sqlite3.Connection) -> None:
        raise MemoryError

    async def main() -> None:
        spool = await SqliteSpool.open(tmp_path, free_octets_min=0)
        async with asyncio.timeout(5):
            with pytest.raises(SpoolUnavailable):
                await spool._commits.submit(Change(act=run_out_of_memory))
        assert spool.trouble is not None

    asyncio.run(main())


def test_a_start_on_a_full_disk_is_refused_with_a_sentence(tmp_path: Path) -> None:
    class Full(sqlite3.Connection):
        def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:  # type: ignore[override]
            if sql == "COMMIT":
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(sql, *arguments)  # type: ignore[arg-type]

    def open_connection(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(path, factory=Full, isolation_level=None, check_same_thread=False)

    async def main() -> None:
        await (await SqliteSpool.open(tmp_path)).close()
        with pytest.raises(SpoolCannotOpen, match="disk is full"):
            await SqliteSpool.open(tmp_path, open_connection=open_connection)
        await (await SqliteSpool.open(tmp_path)).close()  # the folder was let go

    asyncio.run(main())


def test_a_command_left_while_the_reader_reopens_is_found(tmp_path: Path) -> None:
    """The count of versions begins anew with each connection, so that equal numbers mean nothing."""
    is_broken = False

    class Breakable(sqlite3.Connection):
        def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:  # type: ignore[override]
            if is_broken and sql == "BEGIN DEFERRED":
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql, *arguments)  # type: ignore[arg-type]

    def open_connection(path: Path) -> sqlite3.Connection:
        connect(path).close()
        return sqlite3.connect(path, factory=Breakable, isolation_level=None, check_same_thread=False)

    async def main() -> None:
        nonlocal is_broken
        spool = await SqliteSpool.open(tmp_path, free_octets_min=0, open_connection=open_connection)
        assert await spool.next_commands() == []
        is_broken = True
        with pytest.raises(SpoolUnavailable):
            await spool.due()
        is_broken = False
        leave_command(tmp_path, CommandVerb.HOLD, asked_by="test")
        assert [command.verb for command in await spool.next_commands()] == [CommandVerb.HOLD]
        await spool.close()

    asyncio.run(main())


def test_a_mailbox_that_has_the_message_is_synced_before_the_spool_forgets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt moved the file to `new`, and was cut before the folder was synced."""
    real, synced, is_cut = maildir._sync_folder, [], True

    def sync(folder: Path) -> None:
        if is_cut and folder.name == "new":
            raise OSError(5, "Input/output error")
        real(folder)
        synced.append(folder.name)

    async def announced(host: str) -> None:
        return None

    async def main() -> None:
        nonlocal is_cut
        courier = maildir.MaildirCourier()
        monkeypatch.setattr(maildir, "_sync_folder", sync)
        (first,) = await courier.carry(tmp_path, "relay.test", consignment(), announced)
        assert isinstance(first, Deferred)
        is_cut = False
        synced.clear()
        (second,) = await courier.carry(tmp_path, "relay.test", consignment(), announced)
        assert isinstance(second, Delivered)
        assert synced == ["new"]
        await courier.close()

    asyncio.run(main())


class BrokenOff:
    """Content in two pieces; the hop goes away while the disk is read, so that the last octets never go out."""

    whole = None

    def __init__(self, hop: FakeHop, lost: asyncio.Event, *, cut_after: int) -> None:
        self.pieces = (b"Subject: x\r\n\r\n" + b"a\r\n" * 10_000, b"b\r\n")
        self.size = sum(map(len, self.pieces))
        self._hop, self._lost, self._cut_after = hop, lost, cut_after

    async def chunks(self) -> AsyncIterator[bytes]:
        for place, piece in enumerate(self.pieces):
            yield piece
            if place == self._cut_after:
                self._hop.writers[0].transport.abort()
                await self._lost.wait()


@pytest.mark.parametrize(
    ("capabilities", "cut_after"), [(ALL_CAPABILITIES, 0), (("PIPELINING", "8BITMIME"), 1)], ids=["BDAT", "DATA"]
)
def test_a_connection_lost_before_the_end_of_content_leaves_no_doubt(
    capabilities: tuple[str, ...], cut_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        real, lost = Channel.connection_lost, asyncio.Event()

        def connection_lost(channel: Channel, error: Exception | None) -> None:
            real(channel, error)
            lost.set()

        monkeypatch.setattr(Channel, "connection_lost", connection_lost)
        hop = FakeHop(capabilities=capabilities)
        async with hop.listening():
            content = BrokenOff(hop, lost, cut_after=cut_after)
            (outcome,) = await Sender(settings_for(hop)).send_and_close(consignment(content=content))
        assert isinstance(outcome, Deferred)

    run_on_sockets(main())


class UnreadableTheSecondTime:
    """Content on a disk that fails after the first transaction."""

    whole = None
    size = 30_000

    def __init__(self) -> None:
        self.reads = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        self.reads += 1
        if self.reads > 1:
            raise OSError(5, "Input/output error")
        yield b"S: x\r\n\r\n".ljust(self.size, b"a")


def test_content_that_becomes_unreadable_takes_back_no_delivery() -> None:
    async def main() -> None:
        hop = FakeHop()
        recipients = [f"u{place}@x.test" for place in range(150)]
        async with hop.listening():
            what = consignment(*recipients, content=UnreadableTheSecondTime())
            outcomes = await Sender(settings_for(hop)).send_and_close(what)
        assert [type(each) for each in outcomes] == [Delivered] * 100 + [Deferred] * 50
        assert len(hop.messages) == 1

    run_on_sockets(main())

"""What the spool promises of a restart, of its files, and of what it remembers beside messages."""

from pathlib import Path

import pytest

from staffetta.spool.commands import CommandResult, command_result
from staffetta.spool.marks import ConnectorMark, CrowdingMark, HourMark, Notice, PaceMark, Scope
from staffetta.spool.memory import MemorySpool
from staffetta.spool.spool import (
    CommandVerb,
    RecipientState,
    SpoolUnavailable,
)
from staffetta.trace.backlog import backlogs
from staffetta.trace.events import Refusal
from staffetta.trace.search import queue_rows
from tests.contract.bench import START, Bench, message, octets, places, run, settled


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        assert bench.restart is not None
        await bench.spool.commit(message(bench.spool, "a@example.net", "b@held.test"))
        first = bench.spool.next_number()
        spool = await bench.restart()
        assert await places(spool) == [("example.net", START)]
        bench.clock.now -= 1000
        assert spool.next_number() >= first

    run("sqlite", tmp_path, test)


@pytest.mark.parametrize(("is_once", "due_at"), [(False, [("example.net", START + 300)]), (True, [])])
def test_an_attempt_cut_by_a_crash_is_unknown_or_held(
    tmp_path: Path, is_once: bool, due_at: list[tuple[str, float]]
) -> None:
    async def test(bench: Bench) -> None:
        assert bench.restart is not None
        await bench.spool.commit(message(bench.spool, is_once=is_once))
        (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 10)
        await bench.spool.begin_attempt(claim, [0], {"host": "mx.example.net"}, START)
        spool = await bench.restart()
        assert await places(spool) == due_at
        (row,) = queue_rows(tmp_path / "spool")
        assert row.diagnostic is not None and "cut short" in row.diagnostic  # the queue's list says why
        for claim in await spool.claim("out", "example.net", "printers", START + 300, 1):
            assert (claim.recipients[0].state, claim.recipients[0].attempts) == (RecipientState.UNKNOWN, 1)

    run("sqlite", tmp_path, test)


def test_a_command_tells_its_result(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.spool.commit(message(bench.spool))
        command_id = bench.leave_command(CommandVerb.HOLD)
        assert command_result(tmp_path / "spool", command_id) is None
        (command,) = await bench.spool.next_commands()
        await bench.spool.carry_out(command, START)
        assert command_result(tmp_path / "spool", command_id) == CommandResult(changed=1, claimed=0, held=0)
        (row,) = queue_rows(tmp_path / "spool")
        assert {"by": "tests", "command": command_id}.items() <= row.events[-1].items()

    run("sqlite", tmp_path, test)


def test_a_file_goes_when_its_message_is_closed(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        files = tmp_path / "spool" / "content"
        draft = bench.spool.open_draft()
        draft.write(b"x" * 5000)
        await bench.spool.commit(message(bench.spool, content=await draft.finish(b"")))
        assert len(list(files.iterdir())) == 1
        (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 10)
        await bench.spool.settle([settled(claim, RecipientState.DELIVERED)])
        assert list(files.iterdir()) == []

    run("sqlite", tmp_path, test)


def test_orphan_files_go_at_the_start_and_named_ones_stay(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        assert bench.restart is not None
        draft = bench.spool.open_draft()
        draft.write(b"x" * 5000)
        await bench.spool.commit(message(bench.spool, content=await draft.finish(b"pre")))
        orphan = bench.spool.open_draft()
        orphan.write(b"y" * 5000)
        await orphan.finish(b"")
        files = tmp_path / "spool" / "content"
        assert len(list(files.iterdir())) == 2
        spool = await bench.restart()
        assert len(list(files.iterdir())) == 1
        (claim,) = await spool.claim("out", "example.net", "printers", START, 10)
        assert await octets(claim.content) == b"pre" + b"x" * 5000

    run("sqlite", tmp_path, test)


def test_two_messages_never_share_a_file(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        draft = bench.spool.open_draft()
        draft.write(b"x" * 5000)
        content = await draft.finish(b"")
        await bench.spool.commit(message(bench.spool, content=content))
        await bench.spool.commit(message(bench.spool, content=content))
        first, second = await bench.spool.claim("out", "example.net", "printers", START, 10)
        await bench.spool.settle([settled(first, RecipientState.DELIVERED)])
        assert await octets(second.content) == b"x" * 5000

    run("sqlite", tmp_path, test)


def test_a_discarded_draft_leaves_nothing(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        draft = bench.spool.open_draft()
        draft.write(b"x" * 5000)
        draft.discard()
        assert list((tmp_path / "spool" / "content").iterdir()) == []

    run("sqlite", tmp_path, test)


def test_refusals_are_written_by_the_close_at_the_latest(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.spool.record_refusal(
            Refusal(
                at=START,
                session_id="S1",
                listener="relay",
                peer_address="192.0.2.1",
                helo=None,
                tls=None,
                reverse_path="a@b.test",
                forward_path="c@d.test",
                reply="550 5.7.64 x",
                reason="no connector",
            )
        )
        if bench.restart is not None:
            await bench.restart()

    run(kind, tmp_path, test)


def test_in_trouble_nothing_is_kept(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        assert isinstance(bench.spool, MemorySpool)
        bench.spool.trouble = "disk full"
        with pytest.raises(SpoolUnavailable):
            await bench.spool.commit(message(bench.spool))
        bench.spool.trouble = None
        assert await bench.spool.due() == []

    run("memory", tmp_path, test)


def test_marks_are_written_with_a_settlement_and_the_last_about_a_key_counts(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.spool.commit(message(bench.spool))
        (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 10)
        first = HourMark("out", Scope.ALL, 500_000, 3)
        await bench.spool.settle([settled(claim, RecipientState.DEFERRED, START + 60)], marks=[first])
        last = HourMark("out", Scope.ALL, 500_000, 7)
        pace = PaceMark("out", "example.net", START + 9)
        crowding = CrowdingMark("out", "example.net", 2, START + 600, "432 4.3.2 Too many")
        connector = ConnectorMark("printers", START + 5)
        kept = sorted([last, pace, crowding, connector], key=repr)
        (claim,) = await bench.spool.claim("out", "example.net", "printers", START + 60, 10)
        await bench.spool.settle([settled(claim, RecipientState.DELIVERED)], marks=kept)
        assert sorted(await bench.spool.marks(), key=repr) == kept
        if bench.restart is not None:
            again = await bench.restart()
            assert sorted(await again.marks(), key=repr) == kept

    run(kind, tmp_path, test)


def test_a_notice_is_shown_as_the_reason_of_what_is_due_and_a_start_begins_without(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.spool.post(Notice("out", "example.net", "waits for the route's rate: 30 a minute", START + 100))
        await bench.spool.commit(message(bench.spool))
        (row,) = queue_rows(tmp_path / "spool")
        assert (row.diagnostic, row.next_attempt_at) == (
            "waits for the route's rate: 30 a minute",
            "2027-01-15T08:01:40.000Z",
        )
        (backlog,) = backlogs(tmp_path / "spool")
        assert (backlog.diagnostic, backlog.next_attempt_at) == (row.diagnostic, row.next_attempt_at)
        assert bench.restart is not None
        await bench.restart()
        assert queue_rows(tmp_path / "spool")[0].diagnostic is None

    run("sqlite", tmp_path, test)

"""What the spool promises of failed recipients that are tried again, on the fake and on SQLite."""

from pathlib import Path

import pytest

from staffetta.mail.outcome import Failed, Stage, Unknown
from staffetta.spool.spool import CarriedOut, CommandVerb, QueueCommand, RecipientState, Settlement
from tests.contract.bench import START, Bench, message, places, run

REFUSED = Failed(status="5.1.1", diagnostic="550 5.1.1 No such user", stage=Stage.RCPT)
LOST = Unknown(status="4.4.2", diagnostic="Connection lost", stage=Stage.FINAL_DOT)


def reopening(*keys: tuple[int, int]) -> QueueCommand:
    return QueueCommand(
        command_id=1,
        verb=CommandVerb.REOPEN,
        asked_by="tests",
        keys=frozenset(keys),
        route="mx",
        destination="elsewhere.test",
    )


async def failed(bench: Bench, *others: str, outcomes: tuple[Failed | Unknown, ...] = (REFUSED,)) -> int:
    """Commit a message whose first recipient fails, by these outcomes one after the other; return its number."""
    new = message(bench.spool, "a@example.net", *others)
    await bench.spool.commit(new)
    (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 1)
    for outcome in outcomes:
        await bench.spool.begin_attempt(claim, [0], {"host": "mx"}, START)
        state = RecipientState.FAILED if outcome is outcomes[-1] else RecipientState.UNKNOWN
        due_at = None if state is RecipientState.FAILED else START
        await bench.spool.settle([Settlement(new.number, 0, state, due_at, outcome)])
        if state is RecipientState.UNKNOWN:
            (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 1)
    return new.number


def test_what_failed_is_due_again_by_the_road_of_the_order(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        number = await failed(bench, "b@other.test")
        assert await bench.spool.carry_out(reopening((number, 0)), START + 5) == CarriedOut(1)
        assert ("elsewhere.test", START + 5) in await places(bench.spool)
        (claim,) = await bench.spool.claim("mx", "elsewhere.test", "printers", START + 5, 10)
        assert [each.number for each in claim.recipients] == [0]
        assert claim.content.whole is not None
        again = await bench.spool.carry_out(reopening((number, 0)), START + 6)
        assert again == CarriedOut(0, frozenset({(number, 0)}), skipped=1)

    run(kind, tmp_path, test)


@pytest.mark.parametrize("outcomes", [(REFUSED,), (LOST, REFUSED)])
def test_what_has_no_content_or_may_have_arrived_stays_closed(
    kind: str, tmp_path: Path, outcomes: tuple[Failed | Unknown, ...]
) -> None:
    async def test(bench: Bench) -> None:
        others = ("b@other.test",) if len(outcomes) > 1 else ()  # which keeps the content
        number = await failed(bench, *others, outcomes=outcomes)
        assert await bench.spool.carry_out(reopening((number, 0)), START) == CarriedOut(0, skipped=1)
        assert await places(bench.spool) == [("other.test", START) for _ in others]

    run(kind, tmp_path, test)


def test_what_is_open_or_delivered_is_no_failure(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        new = message(bench.spool, "a@example.net", "b@other.test")
        await bench.spool.commit(new)
        (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 1)
        await bench.spool.settle([Settlement(claim.number, 0, RecipientState.DELIVERED, None, None)])
        order = reopening((new.number, 0), (new.number, 1))
        assert await bench.spool.carry_out(order, START) == CarriedOut(0, skipped=2)
        assert await places(bench.spool) == [("other.test", START)]

    run(kind, tmp_path, test)


def test_the_content_stays_until_what_was_reopened_is_closed(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        number = await failed(bench, "b@other.test")
        await bench.spool.carry_out(reopening((number, 0)), START)
        (other,) = await bench.spool.claim("out", "other.test", "printers", START, 1)
        await bench.spool.settle([Settlement(number, 1, RecipientState.DELIVERED, None, None)])
        assert other.number == number
        (claim,) = await bench.spool.claim("mx", "elsewhere.test", "printers", START, 10)
        assert claim.content.whole is not None
        await bench.spool.settle([Settlement(number, 0, RecipientState.DELIVERED, None, None)])
        assert await bench.spool.carry_out(reopening((number, 0)), START) == CarriedOut(0, skipped=1)

    run(kind, tmp_path, test)

"""What the spool promises of an administrator's actions, on the fake and on SQLite."""

from pathlib import Path

import pytest

from staffetta.mail.address import parse_mailbox
from staffetta.mail.outcome import Stage, Unknown
from staffetta.spool.commands import Order, leave_commands
from staffetta.spool.spool import CarriedOut, CommandVerb, QueueCommand, RecipientState, Settlement, Suspension
from tests.contract.bench import START, Bench, message, places, run

LOST = Unknown(status="4.4.2", diagnostic="Connection lost", stage=Stage.FINAL_DOT)


def command(verb: CommandVerb, **parts: object) -> QueueCommand:
    return QueueCommand(command_id=1, verb=verb, asked_by="tests", **parts)  # type: ignore[arg-type]


async def doubtful(bench: Bench, *, is_once: bool = False) -> int:
    """Commit a message of which the next hop may have the first recipient, and return its number."""
    new = message(bench.spool, "a@example.net", "b@other.test")
    await bench.spool.commit(new)
    (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 10)
    await bench.spool.begin_attempt(claim, [0], {"host": "mx"}, START)
    state, due_at = (RecipientState.HELD, None) if is_once else (RecipientState.UNKNOWN, START + 300)
    await bench.spool.settle([Settlement(new.number, 0, state, due_at, LOST)])
    return new.number


def test_a_redirected_recipient_is_due_on_the_new_road_alone(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        new = message(bench.spool, "a@example.net", '"x@y"@other.test', "c@held.test", received_at=START + 9)
        await bench.spool.commit(new)
        everything = command(CommandVerb.REDIRECT, numbers=frozenset({new.number}), route="mx")
        assert await bench.spool.carry_out(everything, START) == CarriedOut(3)
        assert [(each.route, each.destination, each.due_at) for each in await bench.spool.due()] == [
            ("mx", "example.net", START),
            ("mx", "other.test", START),
        ]
        (claim,) = await bench.spool.claim("mx", "other.test", "printers", START, 10)
        assert claim.envelope.recipients[0].mailbox == parse_mailbox('"x@y"@other.test')
        some = command(CommandVerb.REDIRECT, keys=frozenset({(new.number, 0)}), route="out", destination="out")
        assert await bench.spool.carry_out(some, START + 5) == CarriedOut(1)
        assert await places(bench.spool) == [("out", START + 5)]
        released = command(CommandVerb.RELEASE, keys=frozenset({(new.number, 2)}))
        assert await bench.spool.carry_out(released, START) == CarriedOut(1)
        assert [each.route for each in await bench.spool.due() if each.destination == "held.test"] == ["mx"]

    run(kind, tmp_path, test)


@pytest.mark.parametrize("is_once", [False, True])
def test_what_a_next_hop_may_have_is_redirected_only_when_that_is_said(
    kind: str, tmp_path: Path, is_once: bool
) -> None:
    async def test(bench: Bench) -> None:
        number = await doubtful(bench, is_once=is_once)
        order = command(CommandVerb.REDIRECT, numbers=frozenset({number}), route="mx")
        assert await bench.spool.carry_out(order, START) == CarriedOut(1, skipped=1)
        wanted = command(CommandVerb.REDIRECT, numbers=frozenset({number}), route="mx", includes_unknown=True)
        assert await bench.spool.carry_out(wanted, START) == CarriedOut(2)

    run(kind, tmp_path, test)


def test_only_what_a_next_hop_may_have_is_taken_as_delivered(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        number = await doubtful(bench)
        order = command(CommandVerb.COMPLETE, numbers=frozenset({number}))
        assert await bench.spool.carry_out(order, START) == CarriedOut(1, skipped=1)
        assert await bench.spool.carry_out(order, START) == CarriedOut(0, skipped=1)
        assert await places(bench.spool) == [("other.test", START)]

    run(kind, tmp_path, test)


def test_what_was_doubtful_stays_so_over_a_retry_and_a_hold(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        number = await doubtful(bench)
        for verb in (CommandVerb.RETRY, CommandVerb.HOLD, CommandVerb.RELEASE):
            await bench.spool.carry_out(command(verb, keys=frozenset({(number, 0)})), START)
        (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 10)
        assert claim.recipients[0].is_doubtful

    run(kind, tmp_path, test)


def test_what_is_to_be_returned_is_taken_whatever_its_due_time(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        new = message(bench.spool, "a@example.net", "b@held.test", "c@other.test", received_at=START + 99)
        await bench.spool.commit(new)
        await bench.spool.claim("out", "other.test", "printers", START + 99, 10)
        order = command(CommandVerb.RETURN, keys=frozenset((new.number, place) for place in range(3)))
        claims = await bench.spool.take(order, 10, 10**6)
        assert sorted(claim.destination for claim in claims) == ["example.net", "held.test"]
        await bench.spool.settle(
            [
                Settlement(claim.number, each.number, RecipientState.DELETED, None, None)
                for claim in claims
                for each in claim.recipients
            ]
        )
        assert await bench.spool.take(order, 10, 10**6) == []
        assert await bench.spool.carry_out(order, START, 2) == CarriedOut(2, frozenset({(new.number, 2)}))

    run(kind, tmp_path, test)


def test_a_settlement_may_change_the_road(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.spool.commit(message(bench.spool))
        (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 10)
        later = Settlement(claim.number, 0, RecipientState.DEFERRED, START + 1, None, road=("mx", "example.net"))
        await bench.spool.settle([later])
        assert [(each.route, each.due_at) for each in await bench.spool.due()] == [("mx", START + 1)]

    run(kind, tmp_path, test)


def test_suspensions_outlive_a_restart_and_the_first_to_suspend_is_told_of(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        assert bench.restart is not None
        for verb, destination in ((CommandVerb.SUSPEND, None), (CommandVerb.SUSPEND, "example.net")):
            await bench.spool.carry_out(command(verb, route="out", destination=destination), START)
        await bench.spool.carry_out(command(CommandVerb.SUSPEND, route="out"), START + 9)
        spool = await bench.restart()
        assert await spool.suspensions() == [
            Suspension("out", "", START, "tests"),
            Suspension("out", "example.net", START, "tests"),
        ]
        await spool.carry_out(command(CommandVerb.RESUME, route="out"), START)
        assert [each.destination for each in await spool.suspensions()] == ["example.net"]

    run("sqlite", tmp_path, test)


def test_commands_are_left_together_and_read_as_they_were_left(tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.spool.commit(message(bench.spool))
        orders = [
            Order(verb=CommandVerb.REDIRECT, keys=[(1, 0), (1, 2)], route="mx", includes_unknown=True),
            Order(verb=CommandVerb.SUSPEND, route="mx", destination="example.net"),
        ]
        ids = leave_commands(tmp_path / "spool", orders, asked_by="ada")
        assert await bench.spool.next_commands() == [
            QueueCommand(
                command_id=ids[0],
                verb=CommandVerb.REDIRECT,
                asked_by="ada",
                keys=frozenset({(1, 0), (1, 2)}),
                route="mx",
                includes_unknown=True,
            ),
            QueueCommand(
                command_id=ids[1], verb=CommandVerb.SUSPEND, asked_by="ada", route="mx", destination="example.net"
            ),
        ]

    run("sqlite", tmp_path, test)

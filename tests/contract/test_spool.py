"""The Spool protocol's promises, checked on the fake and on SQLite."""

from dataclasses import replace
from pathlib import Path

import pytest

from staffetta.mail.address import parse_mailbox
from staffetta.mail.content import MemoryContent
from staffetta.mail.envelope import BodyType, Envelope, Notify, Recipient, Ret
from staffetta.spool.spool import (
    RECIPIENT_OCTETS,
    CarriedOut,
    Claim,
    CommandVerb,
    RecipientState,
    RoutedRecipient,
    Settlement,
)
from tests.contract.bench import SMALL_OCTETS_MAX, START, Bench, message, octets, places, run, settled


def test_what_was_committed_is_due(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.spool.commit(message(bench.spool))
        assert await places(bench.spool) == [("example.net", START)]

    run(kind, tmp_path, test)


def test_a_claim_has_all_that_was_committed(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        recipient = Recipient(
            parse_mailbox('"Bob B"@Example.net'), Notify.SUCCESS | Notify.FAILURE, "rfc822;bob+2Bx@example.net"
        )
        envelope = Envelope(
            parse_mailbox("Älice@contoso.test"),
            (recipient,),
            BodyType.EIGHT_BIT_MIME,
            smtputf8=True,
            require_tls=True,
            ret=Ret.HEADERS,
            envelope_id="id+2B",
        )
        new = message(
            bench.spool,
            envelope=envelope,
            recipients=(RoutedRecipient(recipient, "out", "hub"),),
            has_eight_bit=True,
            is_once=True,
        )
        await bench.spool.commit(new)
        (claim,) = await bench.spool.claim("out", "hub", "printers", START, 10)
        assert (claim.envelope, claim.number, claim.subject) == (envelope, new.number, "Prüfung")
        assert (claim.has_eight_bit, claim.is_once, claim.connector) == (True, True, "printers")
        assert claim.recipients[0].recipient == recipient
        assert await octets(claim.content) == b"Subject: x\r\n\r\nhello\r\n"

    run(kind, tmp_path, test)


def test_the_null_reverse_path_stays_null(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        new = message(bench.spool)
        envelope = Envelope(None, new.envelope.recipients)
        await bench.spool.commit(message(bench.spool, envelope=envelope))
        (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 10)
        assert claim.envelope.reverse_path is None

    run(kind, tmp_path, test)


def test_a_claimed_recipient_is_in_no_other_claim(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.spool.commit(message(bench.spool))
        assert len(await bench.spool.claim("out", "example.net", "printers", START, 10)) == 1
        assert await bench.spool.claim("out", "example.net", "printers", START, 10) == []
        assert await bench.spool.due() == []

    run(kind, tmp_path, test)


def test_a_released_claim_is_due_again(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.spool.commit(message(bench.spool))
        (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 10)
        bench.spool.release(claim)
        assert await places(bench.spool) == [("example.net", START)]

    run(kind, tmp_path, test)


def test_an_accepted_offer_is_a_claim(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        offered: list[Claim] = []
        bench.spool.subscribe(lambda claim: offered.append(claim) or True)
        new = message(bench.spool, "a@example.net", "b@later.test", "c@example.net", "d@held.test")
        await bench.spool.commit(new)
        assert [(claim.destination, [queued.number for queued in claim.recipients]) for claim in offered] == [
            ("example.net", [0, 2]),
            ("later.test", [1]),
        ]
        assert offered[0].envelope.recipients == (new.envelope.recipients[0], new.envelope.recipients[2])
        assert await bench.spool.due() == []

    run(kind, tmp_path, test)


def test_a_declined_offer_stays_due(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.spool.subscribe(lambda claim: False)
        await bench.spool.commit(message(bench.spool))
        assert await places(bench.spool) == [("example.net", START)]

    run(kind, tmp_path, test)


def test_destinations_come_earliest_first_and_may_lie_in_the_future(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        for received_at, address in ((START + 50, "a@z.test"), (START + 5, "b@m.test"), (START + 9, "c@a.test")):
            await bench.spool.commit(message(bench.spool, address, received_at=received_at))
        assert await places(bench.spool) == [("m.test", START + 5), ("a.test", START + 9), ("z.test", START + 50)]

    run(kind, tmp_path, test)


def test_what_is_due_later_is_brought_forward_and_not_before_now(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        for received_at, address in ((START + 500, "a@z.test"), (START - 5, "b@m.test"), (START + 9, "c@a.test")):
            await bench.spool.commit(message(bench.spool, address, received_at=received_at))
        await bench.spool.bring_forward(100, START)
        assert await places(bench.spool) == [("m.test", START - 5), ("a.test", START), ("z.test", START + 400)]
        spool = await bench.restart() if bench.restart is not None else bench.spool
        assert await places(spool) == [("m.test", START - 5), ("a.test", START), ("z.test", START + 400)]

    run(kind, tmp_path, test)


def test_claims_come_oldest_due_first_up_to_the_limit(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        numbers = {}
        for seconds in (30, 10, 20, 99):
            new = message(bench.spool, received_at=START + seconds)
            numbers[seconds] = new.number
            await bench.spool.commit(new)
        first = await bench.spool.claim("out", "example.net", "printers", START + 30, 2)
        assert [claim.number for claim in first] == [numbers[10], numbers[20]]
        rest = await bench.spool.claim("out", "example.net", "printers", START + 30, 10)
        assert [claim.number for claim in rest] == [numbers[30]]

    run(kind, tmp_path, test)


def test_each_connector_has_a_line_of_its_own_to_a_destination(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        numbers = {}
        for seconds, connector in ((1, "erp"), (2, "erp"), (3, "printers"), (4, None), (5, "erp")):
            new = message(bench.spool, received_at=START + seconds, connector=connector)
            numbers[seconds] = new.number
            await bench.spool.commit(new)
        found = [(line.connector, line.due_at) for line in await bench.spool.due()]
        assert found == [("erp", START + 1), ("printers", START + 3), (None, START + 4)]
        for connector, expected in (("printers", [3]), ("erp", [1, 2]), (None, [4])):
            claims = await bench.spool.claim("out", "example.net", connector, START + 9, 2)
            assert [claim.number for claim in claims] == [numbers[seconds] for seconds in expected]
        assert [(line.connector, line.due_at) for line in await bench.spool.due()] == [("erp", START + 5)]

    run(kind, tmp_path, test)


def test_a_settled_recipient_is_not_due_and_the_last_takes_the_content(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.spool.commit(message(bench.spool, "a@example.net", "b@example.net"))
        (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 10)
        await bench.spool.begin_attempt(claim, [0, 1], {"host": "mx.example.net"}, START)
        await bench.spool.settle(
            [
                settled(claim, RecipientState.DELIVERED),
                settled(claim, RecipientState.DEFERRED, START + 300, place=1),
            ]
        )
        assert await places(bench.spool) == [("example.net", START + 300)]
        (again,) = await bench.spool.claim("out", "example.net", "printers", START + 300, 10)
        assert [(queued.number, queued.attempts, queued.state) for queued in again.recipients] == [
            (1, 1, RecipientState.DEFERRED)
        ]
        assert await octets(again.content) == b"Subject: x\r\n\r\nhello\r\n"
        await bench.spool.settle([settled(again, RecipientState.FAILED)])
        assert await bench.spool.due() == []

    run(kind, tmp_path, test)


def test_a_notification_is_committed_with_the_outcome_that_owes_it(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.spool.commit(message(bench.spool))
        (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 10)
        offered: list[Claim] = []
        bench.spool.subscribe(lambda claim: offered.append(claim) or True)
        notification = message(bench.spool, "alice@contoso.test")
        await bench.spool.settle([settled(claim, RecipientState.FAILED)], [notification])
        assert [claim.number for claim in offered] == [notification.number]

    run(kind, tmp_path, test)


def test_a_delay_notice_is_remembered(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.spool.commit(message(bench.spool))
        for is_delay_notified in (True, False):
            (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 10)
            settlement = Settlement(
                claim.number, 0, RecipientState.DEFERRED, START, None, is_delay_notified, counts_as_attempt=False
            )
            await bench.spool.settle([settlement])
        (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 10)
        assert (claim.recipients[0].is_delay_notified, claim.recipients[0].attempts) == (True, 0)

    run(kind, tmp_path, test)


@pytest.mark.parametrize(("is_once", "due_at"), [(False, [("example.net", START + 300)]), (True, [])])
def test_a_claim_released_within_an_attempt_is_unknown_or_held(
    kind: str, tmp_path: Path, is_once: bool, due_at: list[tuple[str, float]]
) -> None:
    async def test(bench: Bench) -> None:
        await bench.spool.commit(message(bench.spool, is_once=is_once))
        (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 10)
        await bench.spool.begin_attempt(claim, [0], {"host": "mx"}, START)
        bench.spool.release(claim)
        await bench.spool.commit(message(bench.spool, "x@other.test", received_at=START + 999))  # comes after it
        assert await places(bench.spool) == [*due_at, ("other.test", START + 999)]

    run(kind, tmp_path, test)


def test_held_recipients_wait_for_release(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        new = message(bench.spool, "a@held.test")
        await bench.spool.commit(new)
        assert await bench.spool.due() == []
        bench.leave_command(CommandVerb.RELEASE, (new.number,))
        (command,) = await bench.spool.next_commands()
        assert await bench.spool.carry_out(command, START + 1) == CarriedOut(1)
        assert await places(bench.spool) == [("held.test", START + 1)]
        assert await bench.spool.next_commands() == []

    run(kind, tmp_path, test)


def test_commands_without_numbers_mean_all_and_come_in_order(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        assert await bench.spool.next_commands() == []
        await bench.spool.commit(message(bench.spool, "a@one.test", "b@held.test"))
        await bench.spool.commit(message(bench.spool, "c@two.test", received_at=START + 500))
        for verb in (CommandVerb.RETRY, CommandVerb.HOLD, CommandVerb.RELEASE, CommandVerb.DELETE):
            bench.leave_command(verb)
        commands = await bench.spool.next_commands()
        done = [await bench.spool.carry_out(command, START + 1) for command in commands]
        assert [each.changed for each in done] == [1, 2, 3, 3]
        assert await bench.spool.due() == []
        assert await bench.spool.next_commands() == []

    run(kind, tmp_path, test)


def test_a_command_leaves_claimed_recipients_alone_and_says_so(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        new = message(bench.spool, "a@example.net", "b@other.test", "c@example.net")
        await bench.spool.commit(new)
        await bench.spool.commit(message(bench.spool, "d@third.test"))
        await bench.spool.claim("out", "third.test", "printers", START, 10)  # in hand, but not named
        (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 10)
        await bench.spool.begin_attempt(claim, [2], {"host": "mx"}, START)
        bench.leave_command(CommandVerb.DELETE, (new.number,))
        (command,) = await bench.spool.next_commands()
        claimed = frozenset({(new.number, 0), (new.number, 2)})
        assert await bench.spool.carry_out(command, START) == CarriedOut(1, claimed)
        assert await bench.spool.next_commands() == []
        assert [bench.spool.is_claimed(key) for key in sorted(claimed)] == [True, True]
        await bench.spool.settle([settled(claim, RecipientState.DEFERRED, START + 9, place=at) for at in (0, 1)])
        assert await places(bench.spool) == [("example.net", START + 9)]
        rest = replace(command, keys=claimed)
        assert await bench.spool.carry_out(rest, START) == CarriedOut(2)
        assert await places(bench.spool) == []

    run(kind, tmp_path, test)


def test_a_retry_counts_those_that_wait_for_their_release(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        new = message(bench.spool, "a@held.test", "b@held.test", "c@example.net", received_at=START + 9)
        await bench.spool.commit(new)
        await bench.spool.commit(message(bench.spool, "d@held.test"))
        bench.leave_command(CommandVerb.RETRY, (new.number,))
        bench.leave_command(CommandVerb.RETRY)
        named, everything = await bench.spool.next_commands()
        assert await bench.spool.carry_out(named, START) == CarriedOut(1, held=2)
        assert await bench.spool.carry_out(everything, START) == CarriedOut(0, held=3)

    run(kind, tmp_path, test)


def test_claims_are_bounded_by_octets_and_the_first_comes_whatever_its_size(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        for size in (900, 500, 10):
            await bench.spool.commit(message(bench.spool, content=MemoryContent(b"x" * size)))
        (first,) = await bench.spool.claim("out", "example.net", "printers", START, 10, octets_max=1)
        assert first.content.size == 900
        rest = await bench.spool.claim(
            "out", "example.net", "printers", START, 10, octets_max=500 + RECIPIENT_OCTETS + 1
        )
        assert [claim.content.size for claim in rest] == [500, 10]

    run(kind, tmp_path, test)


@pytest.mark.parametrize("size", [10, SMALL_OCTETS_MAX + 1, 700_000])
def test_a_draft_comes_back_with_its_prefix_in_front(kind: str, tmp_path: Path, size: int) -> None:
    async def test(bench: Bench) -> None:
        body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        draft = bench.spool.open_draft()
        for start in range(0, size, 300):
            draft.write(body[start : start + 300])
        assert draft.size == size
        content = await draft.finish(b"Received: x\r\n")
        await bench.spool.commit(message(bench.spool, content=content))
        draft.discard()
        (claim,) = await bench.spool.claim("out", "example.net", "printers", START, 10)
        assert claim.content.size == size + 13
        assert await octets(claim.content) == b"Received: x\r\n" + body
        await bench.spool.settle([settled(claim, RecipientState.DELIVERED)])

    run(kind, tmp_path, test)


def test_numbers_grow(kind: str, tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        first = bench.spool.next_number()
        bench.clock.now -= 1000
        assert bench.spool.next_number() > first

    run(kind, tmp_path, test)


# Durability: SQLite alone.

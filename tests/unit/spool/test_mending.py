"""What ages goes, what is open stays, and counts tell both."""

import asyncio
import sqlite3
from pathlib import Path

from staffetta.mail.address import parse_mailbox
from staffetta.mail.content import MemoryContent
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.mail.queue_id import make_number
from staffetta.spool.change import Change, RowMaker, refusal_row, write
from staffetta.spool.database import connect, prepare, transaction
from staffetta.spool.mending import MESSAGES_PER_SWEEP, Sweeper
from staffetta.spool.spool import NewMessage, RecipientState, RoutedRecipient, Settlement
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.events import Event, EventKind, Refusal

START = 1_800_000_000.0
DAY = 86_400.0


def message(number: int, at: float, *, is_held: bool = False, route: str = "out") -> NewMessage:
    recipient = Recipient(parse_mailbox("bob@example.net"))
    return NewMessage(
        number=number,
        message_id=None,
        subject=None,
        envelope=Envelope(None, (recipient,)),
        recipients=(RoutedRecipient(recipient, route, "example.net", is_held),),
        content=MemoryContent(b"x\r\n"),
        has_eight_bit=False,
        received_at=at,
        session_id="S",
        peer_address="192.0.2.1",
        helo=None,
        connector=None,
        events=(Event(at, EventKind.RECEIVE),),
    )


def sweep(connection: sqlite3.Connection, sweeper: Sweeper) -> bool:
    change = sweeper.next_change()
    if change is not None:
        with transaction(connection):
            write(connection, [change])
    return change is not None


def numbers(connection: sqlite3.Connection, table: str) -> list[int]:
    return [number for (number,) in connection.execute(f"SELECT DISTINCT number FROM {table} ORDER BY number")]


def test_closed_messages_past_their_time_go_and_open_ones_stay(tmp_path: Path) -> None:
    connection = prepare(tmp_path, connect)
    maker = RowMaker(1)
    old, held, new = (make_number(int((START + days * DAY) * 1e6), 0, 0) for days in (0, 1, 89))
    with transaction(connection):
        write(connection, [maker.keep(message(old, START)), maker.keep(message(new, START + 89 * DAY))])
        write(connection, [maker.keep(message(held, START + DAY, is_held=True))])
        write(connection, [maker.settle([Settlement(n, 0, RecipientState.DELIVERED, None, None) for n in (old, new)])])
    sweeper = Sweeper(90 * DAY, lambda: START + 92 * DAY)
    assert sweep(connection, sweeper)
    for table in ("message", "recipient", "event"):
        assert numbers(connection, table) == [held, new]
    assert numbers(connection, "content") == [held]
    assert not sweep(connection, sweeper)  # not again so soon
    connection.close()


def test_a_full_sweep_is_followed_by_another_at_once(tmp_path: Path) -> None:
    connection = prepare(tmp_path, connect)
    maker = RowMaker(1)
    all_numbers = range(256, 256 * (MESSAGES_PER_SWEEP + 2), 256)
    with transaction(connection):
        write(connection, [maker.keep(message(number, START)) for number in all_numbers])
        done = [Settlement(number, 0, RecipientState.FAILED, None, None) for number in all_numbers]
        write(connection, [maker.settle(done)])
    sweeper = Sweeper(90 * DAY, lambda: START)
    assert sweep(connection, sweeper)
    assert sweep(connection, sweeper)
    assert numbers(connection, "message") == []
    connection.close()


def test_counts_tell_routes_and_states(tmp_path: Path) -> None:
    async def test() -> None:
        spool = await SqliteSpool.open(tmp_path, clock=lambda: START, free_octets_min=0)
        first = spool.next_number()
        await spool.commit(message(first, START))
        for at, is_held, route in ((START, False, "out"), (START + 9, False, "out"), (START, True, "lan")):
            await spool.commit(message(spool.next_number(), at, is_held=is_held, route=route))
        (claim,) = await spool.claim("out", "example.net", None, START, 1)
        await spool.begin_attempt(claim, [0], {"host": "mx"}, START)
        found = {(count.route, count.state): count.recipients for count in await spool.counts()}
        assert found == {
            ("out", RecipientState.IN_ATTEMPT): 1,
            ("out", RecipientState.READY): 1,
            ("out", RecipientState.DEFERRED): 1,
            ("lan", RecipientState.HELD): 1,
        }
        assert min(count.oldest for count in await spool.counts()) == first
        await spool.close()

    asyncio.run(test())


REFUSAL = Refusal(
    at=START,
    session_id="S",
    listener="relay",
    peer_address="192.0.2.1",
    helo=None,
    tls=None,
    reverse_path=None,
    forward_path=None,
    reply="550 5.7.64 TenantAttribution; Relay Access Denied",
    reason="relay denied",
)


def test_refusals_are_bounded_by_count_and_the_newest_stay(tmp_path: Path) -> None:
    connection = prepare(tmp_path, connect)
    new = [make_number(int(START * 1e6) + n, 0, 0) for n in range(20)]
    with transaction(connection):
        write(connection, [Change(refusals=[refusal_row(number, REFUSAL) for number in new])])
    assert sweep(connection, Sweeper(90 * DAY, lambda: START, refusals_max=7))
    assert numbers(connection, "refusal") == new[-7:]
    connection.close()


def test_a_flood_of_refusals_is_swept_as_fast_as_it_came(tmp_path: Path) -> None:
    connection = prepare(tmp_path, connect)
    old = int((START - 99 * DAY) * 1e6)
    rows = [refusal_row(make_number(old + n, 0, 0), REFUSAL) for n in range(MESSAGES_PER_SWEEP + 1)]
    with transaction(connection):
        write(connection, [Change(refusals=rows)])
    sweeper = Sweeper(90 * DAY, lambda: START)
    assert sweep(connection, sweeper)
    assert sweep(connection, sweeper)
    assert numbers(connection, "refusal") == []
    connection.close()

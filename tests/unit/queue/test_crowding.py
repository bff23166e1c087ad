"""A next hop that has too many connections of ours gets fewer, and is asked again later. In virtual time."""

import asyncio
import itertools

import pytest

from staffetta.mail.consignment import Consignment
from staffetta.mail.outcome import Deferred, Outcome, Stage
from staffetta.queue.crowding import Crowding, crowded
from staffetta.spool.marks import CrowdingMark
from staffetta.spool.spool import RecipientState
from tests.unit.queue.relay import DELIVERED, CountingSpool, FakeCourier, Relay
from tests.unit.queue.test_shaping import shape
from tests.unit.queue.virtual_time import now, run

REPLY = "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending."
CROWDED = Deferred(status="4.3.2", diagnostic=REPLY, stage=Stage.MAIL, is_remote_reply=True)
CONNECTIONS_MAX = 3


@pytest.mark.parametrize(
    ("known", "lanes", "left"),
    [
        (None, 20, 19),
        (None, 1, 1),
        (Crowding(19, 1600.0, REPLY), 20, 18),  # refused at the same time as the first
        (Crowding(3, 1600.0, REPLY), 2, 1),
        (Crowding(3, 400.0, REPLY), 20, 13),  # ten minutes of more and more ended here
    ],
)
def test_each_refusal_takes_a_lane_and_one_is_left(known: Crowding | None, lanes: int, left: int) -> None:
    assert crowded(known, lanes, REPLY, 1000.0) == Crowding(left, 1600.0, REPLY)


def test_after_ten_quiet_minutes_one_more_is_tried_each_minute() -> None:
    crowding = Crowding(3, 1600.0, REPLY)
    assert [crowding.lanes_max(at) for at in (1000.0, 1599.0, 1600.0, 1659.0, 1660.0, 1720.0)] == [3, 3, 4, 4, 5, 6]


@pytest.mark.parametrize(
    ("diagnostic", "is_remote", "is_crowded"),
    [
        (REPLY, True, True),
        ("432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded", True, True),
        ("432 4.7.12 A password transition is needed", True, False),  # RFC 4954 §6
        (REPLY, False, False),
    ],
)
def test_only_what_the_next_hop_says_of_connections_is_taken_for_it(
    diagnostic: str, is_remote: bool, is_crowded: bool
) -> None:
    outcome = Deferred(status="4.3.2", diagnostic=diagnostic, stage=Stage.MAIL, is_remote_reply=is_remote)
    assert outcome.is_crowded is is_crowded


def door(relay: Relay, crowded_by: list[float]) -> Outcome:
    if relay.courier.under_way["outside"] > CONNECTIONS_MAX:
        crowded_by.append(now())
        return CROWDED
    return DELIVERED


def test_a_crowded_next_hop_gets_fewer_connections_and_its_mail_goes_on() -> None:
    async def story() -> None:
        refused: list[float] = []

        def script(consignment: Consignment) -> Outcome:
            return door(relay, refused)

        relay = Relay(FakeCourier(script, seconds=0.5), retry_first_seconds=60)
        shape(relay)  # twenty connections
        began = now()
        async with relay:
            for _ in range(3000):
                await relay.commit("a@x.test")
            await relay.until(lambda: len(relay.courier.attempts) > 1500, seconds=600)
            first = len(refused)
            assert 1 <= first <= 20
            assert refused[-1] - began < 5
            # Ten minutes later one connection more is tried, and refused.
            for _ in range(3000):
                await relay.commit("a@x.test")
            await relay.until(lambda: len(refused) > first, seconds=1000)
            assert 600 <= refused[first] - refused[first - 1] < 700
            (mark,) = [each for each in await relay.spool.marks() if isinstance(each, CrowdingMark)]
            assert (mark.route, mark.destination, mark.reply) == ("out", "outside", REPLY)

    run(story)


def test_what_was_refused_for_too_many_connections_goes_within_seconds_and_not_after_the_usual_wait() -> None:
    async def story() -> None:
        refused: list[float] = []

        def script(consignment: Consignment) -> Outcome:
            return door(relay, refused)

        relay = Relay(FakeCourier(script, seconds=0.5), retry_first_seconds=300)
        shape(relay)
        async with relay:
            numbers = [await relay.commit("a@x.test") for _ in range(20)]
            await relay.until(
                lambda: all(relay.state(each) is RecipientState.DELIVERED for each in numbers), seconds=60
            )
            assert refused

    run(story)


def test_a_message_that_is_refused_again_and_again_waits_longer_each_time() -> None:
    async def story() -> None:
        relay = Relay(FakeCourier(lambda consignment: CROWDED, seconds=0.1), retry_first_seconds=300)
        async with relay:
            await relay.commit("a@x.test")
            await asyncio.sleep(400)
            times = relay.courier.times("outside")
            assert [round(later - at) for at, later in itertools.pairwise(times)] == pytest.approx(
                [10, 20, 40, 80, 160], abs=1
            )

    run(story)


def test_a_restart_remembers_how_many_connections_are_put_up_with() -> None:
    async def story() -> None:
        refused: list[float] = []
        spool = CountingSpool()
        relay = Relay(FakeCourier(lambda consignment: door(relay, refused), seconds=0.5), spool=spool)
        shape(relay)
        async with relay:
            for _ in range(100):
                await relay.commit("a@x.test")
            await asyncio.sleep(30)
        assert refused
        again = Relay(FakeCourier(lambda consignment: door(again, refused), seconds=0.5), spool=spool)
        shape(again)
        refused.clear()
        async with again:
            for _ in range(100):
                await again.commit("a@x.test")
            await asyncio.sleep(60)
            assert not refused
            assert again.courier.most_under_way["outside"] <= CONNECTIONS_MAX

    run(story)


def test_one_connection_that_is_still_too_many_leaves_the_destination_alone() -> None:
    async def story() -> None:
        relay = Relay(FakeCourier(lambda consignment: CROWDED, seconds=0.1), retry_first_seconds=60)
        async with relay:
            for _ in range(50):
                await relay.commit("a@x.test")
            await asyncio.sleep(50)
            assert len(relay.courier.attempts) < 10
            assert REPLY in relay.spool.notices["out", "outside"].reason

    run(story)

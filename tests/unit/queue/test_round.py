"""Lines on disk take turns at being read, each a little at a time. In virtual time."""

import asyncio
from collections import Counter
from typing import Any

from staffetta.mail.consignment import Consignment
from staffetta.queue.room import Space
from staffetta.queue.round import Round
from staffetta.spool.spool import RecipientState
from tests.unit.queue.relay import CountingSpool, FakeCourier, Relay
from tests.unit.queue.virtual_time import now, run

WHOLE = Space(400, 400 * 1_048_576)


class WalkedSpool(CountingSpool):
    def __init__(self) -> None:
        super().__init__()
        self.walks = 0

    async def due(self) -> Any:
        self.walks += 1
        return await super().due()


def test_a_line_that_comes_again_stands_behind_all_others_and_stands_there_once() -> None:
    turns, (a, b) = Round(), [("out", name, None) for name in ("a.test", "b.test")]
    turns.add([a, b])
    assert turns.take() == a
    turns.add([a, b])
    assert [turns.take() for _ in range(len(turns))] == [b, a]


def test_many_lines_have_small_parts_of_the_room_and_one_has_all_of_it() -> None:
    turns = Round()
    assert turns.part(WHOLE) == WHOLE
    turns.add([("out", "a.test", None)])
    assert turns.part(WHOLE).claims == 200
    turns.add(("out", f"d{place}.test", None) for place in range(1000))
    assert turns.part(WHOLE) == Space(20, 1_048_576)


def test_many_destinations_on_disk_go_on_at_the_same_pace_and_are_not_walked_over_again_and_again() -> None:
    async def story() -> None:
        relay = Relay(FakeCourier(seconds=0.1), spool=WalkedSpool(), active_messages_max=400)
        for place in range(50 * 100):
            await relay.commit("a@x.test", destination=f"d{place % 50}")
        assert isinstance(relay.spool, WalkedSpool)
        async with relay:
            while len(relay.courier.attempts) < 50 * 100:
                assert relay.manager.in_hand <= 400
                await asyncio.sleep(0.5)
            half = Counter(consignment.destination for _, consignment in relay.courier.attempts[: 50 * 50])
            assert len(half) == 50
            assert max(half.values()) - min(half.values()) <= 40  # two turns
            assert relay.spool.walks < 10

    run(story)


def test_slow_destinations_found_on_disk_keep_no_other_from_being_tried() -> None:
    async def story() -> None:
        never = asyncio.Event()

        async def hold(consignment: Consignment) -> None:
            if consignment.destination != "well":
                await never.wait()

        relay = Relay(FakeCourier(hold=hold), active_messages_max=40)
        for place in range(400):
            await relay.commit("a@x.test", destination=f"slow{place % 8}")
        well = [await relay.commit("b@y.test", destination="well") for _ in range(5)]
        async with relay:
            began = now()
            await relay.until(lambda: all(relay.state(each) is RecipientState.DELIVERED for each in well), seconds=60)
            assert now() - began < 5
            assert relay.manager.in_hand <= 40
            never.set()
            await relay.until(
                lambda: all(each.state is RecipientState.DELIVERED for each in relay.spool.recipients.values()),
                seconds=600,
            )

    run(story)

"""What the queue has in hand is bounded, by number and by octets. In virtual time."""

import asyncio

from staffetta.mail.consignment import Consignment
from staffetta.spool.spool import RecipientState
from tests.unit.queue.relay import CONCURRENCY, FakeCourier, Relay
from tests.unit.queue.virtual_time import run

MEBI = 1_048_576
SIZE = 300_000


def test_large_content_in_hand_keeps_within_the_octets_and_all_of_it_is_delivered() -> None:
    async def story() -> None:
        most = 0
        relay = Relay(FakeCourier(seconds=1), active_octets_max=MEBI)
        numbers = [
            await relay.commit("a@x.test", destination=f"d{place % 5}", body=b"x" * SIZE) for place in range(30)
        ]  # polled
        async with relay:
            numbers += [
                await relay.commit("a@x.test", destination=f"d{place % 5}", body=b"x" * SIZE) for place in range(30)
            ]  # offered
            while not all(relay.state(number) is RecipientState.DELIVERED for number in numbers):
                most = max(most, relay.manager.octets_in_hand)
                await asyncio.sleep(0.05)
            assert MEBI // 2 < most < MEBI + SIZE + 1000  # the one that reaches the bound is taken

    run(story)


def test_a_message_larger_than_the_bound_goes_all_the_same() -> None:
    async def story() -> None:
        async with Relay(FakeCourier(), active_octets_max=MEBI) as relay:
            numbers = [await relay.commit("a@x.test", body=b"x" * 2 * MEBI) for _ in range(3)]
            await relay.until(
                lambda: all(relay.state(number) is RecipientState.DELIVERED for number in numbers), seconds=5
            )

    run(story)


def test_a_line_of_large_content_gives_way_to_a_destination_that_has_nothing() -> None:
    async def story() -> None:
        never = asyncio.Event()

        async def hold(consignment: Consignment) -> None:
            if consignment.destination != "well":
                await never.wait()

        async with Relay(FakeCourier(hold=hold), active_octets_max=16 * SIZE) as relay:
            for place in range(100):
                await relay.commit("a@x.test", destination=f"slow{place % 4}", body=b"x" * SIZE)
            assert relay.manager.octets_in_hand >= 16 * SIZE - 4 * SIZE
            number = await relay.commit("b@y.test", destination="well", body=b"x" * SIZE)
            await relay.until(lambda: relay.state(number) is RecipientState.DELIVERED, seconds=2)
            assert len(relay.courier.attempts) <= 4 * CONCURRENCY + 1
            never.set()

    run(story)

"""One connector's burst does not delay another's page: in hand, on disk, and behind a trouble. In virtual time."""

import asyncio

import pytest

from staffetta.mail.content import MemoryContent
from staffetta.queue.lines import Lines
from staffetta.spool.spool import RecipientState
from tests.unit.queue.relay import CONCURRENCY, DEAD, DELIVERED, CountingSpool, FakeCourier, Relay
from tests.unit.queue.virtual_time import now, run

KIBI = 1024


def order(relay: Relay) -> list[str | None]:
    """Whose the attempts were."""
    return [consignment.connector for _, consignment in relay.courier.attempts]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"erp": [1] * 4, "printers": [1] * 2}, ["erp", "printers", "erp", "printers", "erp", "erp"]),
        ({"erp": [1] * 4, "printers": [1], None: [1]}, ["erp", "printers", None, "erp", "erp", "erp"]),
        # Three turns for 192 KiB: it goes in its turn, and pays afterwards.
        ({"scanner": [150] * 2, "erp": [1] * 4}, ["scanner", "erp", "erp", "erp", "scanner", "erp"]),
        # However large, it costs sixteen turns.
        ({"scanner": [30_000] * 2, "erp": [1] * 18}, ["scanner", *["erp"] * 16, "scanner", "erp", "erp"]),
        ({"erp": [30_000] * 3}, ["erp"] * 3),
    ],
)
def test_connectors_take_turns_by_octets(sizes: dict[str | None, list[int]], expected: list[str | None]) -> None:
    async def story() -> None:
        relay, lines = Relay(FakeCourier()), Lines()
        for connector, kibi in sizes.items():
            for each in kibi:
                await relay.commit("a@x.test", connector=connector, body=b"x" * (each * KIBI))
        for line in await relay.spool.due():
            for claim in await relay.spool.claim(line.route, line.destination, line.connector, now(), 100):
                assert isinstance(claim.content, MemoryContent)
                lines.append(claim)
        assert [lines.popleft().connector for _ in expected] == expected
        assert (len(lines), lines.octets, lines.lines) == (0, 0, 0)

    run(story)


@pytest.mark.parametrize("is_committed_before_the_start", [True, False])
def test_a_page_overtakes_a_burst_whose_rest_is_on_disk(is_committed_before_the_start: bool) -> None:
    async def story() -> None:
        relay = Relay(FakeCourier(seconds=1), active_messages_max=40)  # a line holds ten of them
        burst = [("erp", place) for place in range(500)]
        if is_committed_before_the_start:
            for connector, _ in burst:
                await relay.commit("a@x.test", connector=connector)
            page = await relay.commit("p@x.test", connector="printers")
        async with relay:
            if not is_committed_before_the_start:
                for connector, _ in burst:
                    await relay.commit("a@x.test", connector=connector)
                await asyncio.sleep(10)
                page = await relay.commit("p@x.test", connector="printers")
            began = now()
            await relay.until(lambda: relay.state(page) is RecipientState.DELIVERED, seconds=3)
            assert now() - began < 2.5
            assert len(relay.courier.attempts) <= CONCURRENCY * 14

    run(story)


def test_two_bursts_share_a_destination_half_and_half() -> None:
    async def story() -> None:
        relay = Relay(FakeCourier(seconds=1), active_messages_max=40)
        for _ in range(300):
            await relay.commit("a@x.test", connector="erp")
        for _ in range(300):
            await relay.commit("a@x.test", connector="crm")
        async with relay:
            await relay.until(lambda: len(relay.courier.attempts) >= 300, seconds=200)
            first = order(relay)[:300]
            assert 140 <= first.count("erp") <= 160
            await relay.until(lambda: len(relay.courier.attempts) == 600, seconds=200)

    run(story)


def test_a_large_burst_and_a_page_behind_a_trouble_go_in_turns_once_it_is_over() -> None:
    async def story() -> None:
        is_dead = True
        relay = Relay(
            FakeCourier(script=lambda consignment: DEAD if is_dead else DELIVERED, seconds=0.5), active_messages_max=40
        )
        async with relay:
            for _ in range(200):
                await relay.commit("a@x.test", connector="erp")
            await asyncio.sleep(10)
            page = await relay.commit("p@x.test", connector="printers")
            await asyncio.sleep(60)
            assert relay.manager.in_hand == 0
            is_dead, tried = False, len(relay.courier.attempts)
            await relay.until(lambda: relay.state(page) is RecipientState.DELIVERED, seconds=3 * 3600)
            assert order(relay)[tried:].index("printers") < 5

    run(story)


def test_what_is_overdue_on_disk_is_returned_whichever_connector_it_came_by() -> None:
    async def story() -> None:
        relay = Relay(
            FakeCourier(script=lambda consignment: DEAD if consignment.destination == "outside" else DELIVERED),
            active_messages_max=40,
            expire_seconds=3000,
        )
        async with relay:
            for place in range(240):
                await relay.commit("a@x.test", connector=("erp", "crm", "printers")[place % 3])
            kept = relay.spool.recipients.values()
            await relay.until(
                lambda: not any(each.state is RecipientState.READY for each in kept if each.message.connector),
                seconds=3 * 3600,
            )
            assert all(each.state is RecipientState.FAILED for each in kept if each.message.connector)

    run(story)


def test_a_lane_that_ends_while_more_is_read_leaves_one_destination() -> None:
    class SlowSpool(CountingSpool):
        async def claim(self, *arguments: object, **named: object) -> list[object]:  # type: ignore[override]
            found = await super().claim(*arguments, **named)  # type: ignore[arg-type]
            await asyncio.sleep(1)
            return found  # type: ignore[return-value]

    async def story() -> None:
        relay = Relay(FakeCourier(), spool=SlowSpool())
        for _ in range(3):
            await relay.commit("a@x.test", connector="erp")
        async with relay:
            await asyncio.sleep(0.1)  # the read has begun
            await relay.commit("b@x.test", connector="erp")
            await relay.until(lambda: len(relay.courier.attempts) == 1, seconds=0.5)
            relay.courier.seconds = 5
            await relay.until(lambda: len(relay.courier.attempts) > 1, seconds=2)
            for _ in range(3):
                await relay.commit("c@x.test", connector="erp")
            await relay.until(lambda: len(relay.courier.attempts) == 7, seconds=300)
            assert relay.courier.most_under_way["outside"] == CONCURRENCY

    run(story)

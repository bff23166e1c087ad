"""An error of ours in a part of the queue: told, counted, survived; no message is lost. In virtual time."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from staffetta.metrics import QUEUE_FAULTS
from staffetta.queue.supervision import Supervisor
from staffetta.spool.spool import CarriedOut, Claim, CommandVerb, DueLine, QueueCommand, RecipientState
from tests.unit.queue.relay import DEFERRED, DELIVERED, FAILED, CountingSpool, FakeCourier, Relay
from tests.unit.queue.virtual_time import now, run


class FaultySpool(CountingSpool):
    """Has bugs: due() fails so many times; claims of one destination, outcomes and commands of one message always."""

    def __init__(self) -> None:
        super().__init__()
        self.failing_reads = 0
        self.bad_destination = ""
        self.bad_number = 0
        self.is_bad_whatever_it_says = False

    async def due(self) -> list[DueLine]:
        if self.failing_reads:
            self.failing_reads -= 1
            raise RuntimeError("a bug in due()")
        return await super().due()

    async def claim(self, route: str, destination: str, *arguments: Any, **named: Any) -> list[Claim]:
        if destination == self.bad_destination:
            raise RuntimeError("a bug in claim()")
        return await super().claim(route, destination, *arguments, **named)

    async def settle(self, settlements: Sequence[Any], notifications: Sequence[Any] = (), marks: Any = ()) -> None:
        for each in settlements:
            if each.number == self.bad_number and (each.outcome is not None or self.is_bad_whatever_it_says):
                raise ValueError("a bug in settle()")
        await super().settle(settlements, notifications, marks)

    async def carry_out(self, command: QueueCommand, now: float, changed: int = 0) -> CarriedOut:
        if command.numbers == {self.bad_number}:
            raise RuntimeError("a bug in carry_out()")
        return await super().carry_out(command, now, changed)


def faults(part: str) -> float:
    return QUEUE_FAULTS.labels(part)._value.get()


def relay_with(courier: FakeCourier, **named: Any) -> tuple[Relay, FaultySpool]:
    spool = FaultySpool()
    return Relay(courier, spool=spool, **named), spool


def test_a_poll_that_fails_starts_again_and_says_so_until_it_is_well() -> None:
    async def story() -> None:
        relay, spool = relay_with(FakeCourier())
        number = await relay.commit("a@x.test")  # on disk before the start, so that only a poll finds it
        spool.failing_reads, before = 3, faults("poll")
        async with relay:
            await asyncio.sleep(0.01)
            (trouble,) = relay.manager.troubles()
            assert "poll" in trouble
            await relay.until(lambda: relay.state(number) is RecipientState.DELIVERED, seconds=10)
            assert faults("poll") - before == 3
            await asyncio.sleep(10)
            assert relay.manager.troubles() == []

    run(story)


def test_a_destination_that_cannot_be_read_delays_no_other() -> None:
    async def story() -> None:
        relay, spool = relay_with(FakeCourier())
        bad = await relay.commit("a@x.test", destination="bad")
        await asyncio.sleep(1)  # it is due before the other
        good = await relay.commit("b@y.test", destination="good")
        spool.bad_destination = "bad"
        async with relay:
            await relay.until(lambda: relay.state(good) is RecipientState.DELIVERED, seconds=1)
            assert relay.manager.troubles()
            spool.bad_destination = ""
            await relay.until(lambda: relay.state(bad) is RecipientState.DELIVERED, seconds=10)

    run(story)


@pytest.mark.parametrize("is_hopeless", [False, True])
def test_an_outcome_that_cannot_be_written_costs_no_other_and_is_written_as_far_as_it_can_be(is_hopeless: bool) -> None:
    async def story() -> None:
        courier = FakeCourier(lambda each: FAILED if each.destination == "outside" else DELIVERED)
        relay, spool = relay_with(courier)
        async with relay:
            numbers = [await relay.commit("a@x.test") for _ in range(3)]
            spool.bad_number, spool.is_bad_whatever_it_says = numbers[1], is_hopeless
            await relay.until(lambda: relay.state(numbers[2]) is RecipientState.FAILED, seconds=1)
            assert relay.state(numbers[0]) is RecipientState.FAILED
            # What can be said of it without words is said; else it is as after a crash.
            expected = RecipientState.UNKNOWN if is_hopeless else RecipientState.FAILED
            await relay.until(lambda: relay.state(numbers[1]) is expected, seconds=1)
            spool.is_bad_whatever_it_says = False
            await relay.until(lambda: relay.state(numbers[1]) is RecipientState.FAILED, seconds=1000)

    run(story)


def test_a_command_that_fails_delays_no_other_and_is_tried_again() -> None:
    async def story() -> None:
        relay, spool = relay_with(FakeCourier(lambda each: DEFERRED))
        async with relay:
            bad, good = [await relay.commit("a@x.test") for _ in range(2)]
            await relay.until(lambda: relay.state(good) is RecipientState.DEFERRED, seconds=1)
            spool.bad_number = bad
            spool.leave_command(CommandVerb.DELETE, [bad])
            spool.leave_command(CommandVerb.DELETE, [good])
            await relay.until(lambda: relay.state(good) is RecipientState.DELETED, seconds=1)
            before = faults("orders")
            await asyncio.sleep(50)
            assert faults("orders") == before
            spool.bad_number = 0
            await relay.until(lambda: relay.state(bad) is RecipientState.DELETED, seconds=60)

    run(story)


def test_an_error_of_ours_in_a_lane_gives_its_claim_back() -> None:
    async def story() -> None:
        is_broken = True

        def draw() -> float:
            if is_broken:
                raise ZeroDivisionError
            return 0.5

        relay, spool = relay_with(FakeCourier(), draw=draw)
        spool.unknown_retry_seconds = 60
        async with relay:
            number = await relay.commit("a@x.test")
            await relay.until(lambda: relay.state(number) is RecipientState.UNKNOWN, seconds=1)
            is_broken = False
            await relay.until(lambda: relay.state(number) is RecipientState.DELIVERED, seconds=70)
            assert len(relay.courier.attempts) == 2

    run(story)


def test_what_fails_again_and_again_waits_longer_each_time() -> None:
    async def story() -> None:
        supervisor, began = Supervisor(), []

        async def work() -> None:
            began.append(now())
            if len(began) < 6:
                raise RuntimeError("a bug")

        await supervisor.start("poll", work)
        waits = [round(later - earlier, 3) for earlier, later in pairwise(began)]
        assert waits == [0.1, 1.0, 5.0, 30.0, 30.0]
        assert await supervisor.stop("poll")

    run(story)

"""The system's clock is set, forward and back, while mail waits: it neither stalls nor is given up for its age."""

import asyncio

import pytest

from staffetta.queue.clock import DOUBT_SECONDS
from staffetta.settings.objects import InboundConnector
from staffetta.settings.roads import Route
from staffetta.spool.spool import RecipientState
from tests.unit.queue import virtual_time
from tests.unit.queue.relay import DEAD, DEFERRED, DELIVERED, FakeCourier, Relay
from tests.unit.queue.virtual_time import run

DAY = 86_400.0
QUEUE = {"retry_first_seconds": 600, "retry_max_seconds": 1200, "delay_notice_seconds": 7200, "expire_seconds": DAY}
STEPS = [3600.0, 2 * DAY, 400 * DAY, -3600.0, -2 * DAY, -400 * DAY]


class SetClock:
    """The loop's time, and what somebody has set the system's clock to besides."""

    def __init__(self) -> None:
        self.step = 0.0

    def __call__(self) -> float:
        return virtual_time.now() + self.step


def relay_with(clock: SetClock, courier: FakeCourier) -> Relay:
    return Relay(courier, clock=clock, **QUEUE)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("outcome", [DEFERRED, DEAD], ids=["the message is deferred", "the destination is dead"])
def test_a_retry_comes_within_its_delay_however_the_clock_is_set(step: float, outcome: object) -> None:
    async def story() -> None:
        clock, courier = SetClock(), FakeCourier(script=lambda consignment: outcome)  # type: ignore[arg-type, return-value]
        async with relay_with(clock, courier) as relay:
            number = await relay.commit("a@x.test")
            await relay.until(lambda: relay.state(number) is RecipientState.DEFERRED, seconds=10)
            clock.step = step
            courier.script = lambda consignment: DELIVERED
            await relay.until(lambda: relay.state(number) is RecipientState.DELIVERED, seconds=700)

    run(story)


@pytest.mark.parametrize("step", STEPS)
def test_nothing_is_given_up_and_nobody_told_while_the_clock_is_in_doubt(step: float) -> None:
    """Set wrong, and right again within the hour: as if nothing had been."""

    async def story() -> None:
        clock, courier = SetClock(), FakeCourier(script=lambda consignment: DEFERRED)
        async with relay_with(clock, courier) as relay:
            number = await relay.commit("a@x.test")
            await relay.until(lambda: relay.state(number) is RecipientState.DEFERRED, seconds=10)
            clock.step = step
            before = len(courier.attempts)
            await relay.until(lambda: len(courier.attempts) > before, seconds=DOUBT_SECONDS / 2)
            clock.step = 0.0
            await asyncio.sleep(DOUBT_SECONDS / 4)
            assert relay.state(number) in (RecipientState.DEFERRED, RecipientState.IN_ATTEMPT)
            assert relay.spool.notifications == []
            courier.script = lambda consignment: DELIVERED
            await relay.until(lambda: relay.state(number) is RecipientState.DELIVERED, seconds=1400)

    run(story)


def test_after_the_doubt_age_counts_by_the_clock_that_is() -> None:
    async def story() -> None:
        clock, courier = SetClock(), FakeCourier(script=lambda consignment: DEFERRED)
        async with relay_with(clock, courier) as relay:
            number = await relay.commit("a@x.test")
            await relay.until(lambda: relay.state(number) is RecipientState.DEFERRED, seconds=10)
            clock.step = 2 * DAY
            await relay.until(lambda: relay.state(number) is RecipientState.FAILED, seconds=DOUBT_SECONDS + 1400)

    run(story)


def test_new_mail_goes_at_once_although_the_clock_was_set_back() -> None:
    async def story() -> None:
        clock, courier = SetClock(), FakeCourier()
        async with relay_with(clock, courier) as relay:
            for step in STEPS:
                clock.step = step
                number = await relay.commit("a@x.test")
                await relay.until(lambda number=number: relay.state(number) is RecipientState.DELIVERED, seconds=31)

    run(story)


LIMITS = {
    "of the route": {"routes": (Route(name="out", messages_per_minute=60),)},
    "of the connector": {"inbound_connectors": (InboundConnector(name="Office", messages_per_minute=60),)},
}


@pytest.mark.parametrize("whose", LIMITS)
def test_a_rate_holds_nothing_until_the_old_clocks_time(whose: str) -> None:
    """The bucket is a time: set back two days between two messages, it would be full for as long."""

    async def story() -> None:
        clock, courier = SetClock(), FakeCourier()
        relay = relay_with(clock, courier)
        relay.settings = relay.settings.model_copy(update=LIMITS[whose])
        async with relay:
            numbers = [await relay.commit("a@x.test", connector="Office") for _ in range(20)]
            await relay.until(lambda: relay.state(numbers[5]) is RecipientState.DELIVERED, seconds=60)
            clock.step = -2 * DAY
            await relay.until(lambda: all(relay.state(n) is RecipientState.DELIVERED for n in numbers), seconds=120)

    run(story)

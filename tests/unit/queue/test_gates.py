"""An inbound connector hands over so many messages a minute, and nobody else waits for it. In virtual time."""

import asyncio

import pytest

from staffetta.settings.objects import InboundConnector
from staffetta.spool.spool import RecipientState
from tests.unit.queue.relay import DEAD, DELIVERED, CountingSpool, FakeCourier, Relay
from tests.unit.queue.virtual_time import now, run


def rate(relay: Relay, per_minute: int | None) -> None:
    erp = InboundConnector(name="erp", messages_per_minute=per_minute)
    relay.settings = relay.settings.model_copy(update={"inbound_connectors": (erp,)})


def times(relay: Relay, connector: str) -> list[float]:
    return [at for at, each in relay.courier.attempts if each.connector == connector]


def most_in_a_minute(went: list[float]) -> int:
    return max(sum(first <= each < first + 59.99 for each in went) for first in went)


@pytest.mark.parametrize("is_before_the_start", [True, False])
@pytest.mark.parametrize(
    ("per_minute", "messages", "destinations"), [(30, 90, 1), (30, 90, 7), (2, 6, 3), (600, 1500, 50)]
)
def test_the_rate_holds_over_all_destinations_and_is_used_up(
    is_before_the_start: bool, per_minute: int, messages: int, destinations: int
) -> None:
    async def story() -> None:
        relay = Relay(FakeCourier(seconds=0.01), active_messages_max=200)
        rate(relay, per_minute)

        async def burst() -> None:
            for place in range(messages):
                await relay.commit("a@x.test", destination=f"d{place % destinations}", connector="erp")

        if is_before_the_start:
            await burst()
        async with relay:
            if not is_before_the_start:
                await burst()
            minutes = messages / per_minute
            await relay.until(lambda: len(relay.courier.attempts) == messages, seconds=60 * (1.25 * minutes + 2))
        assert most_in_a_minute(times(relay, "erp")) <= per_minute

    run(story)


@pytest.mark.parametrize("per_minute", [1, 10])
def test_another_connectors_mail_to_the_same_destination_goes_on(per_minute: int) -> None:
    async def story() -> None:
        relay = Relay(FakeCourier(seconds=0.01))
        rate(relay, per_minute)
        async with relay:
            for _ in range(20):
                await relay.commit("a@x.test", connector="erp")
            await asyncio.sleep(5)
            began = now()
            pages = [await relay.commit("p@x.test", connector=name) for name in ("printers", None) for _ in range(50)]
            await relay.until(lambda: all(relay.state(each) is RecipientState.DELIVERED for each in pages), seconds=5)
            assert now() - began < 3
            assert len(times(relay, "erp")) < 20

    run(story)


def test_who_waits_is_told_why_and_until_when_and_the_notice_goes_with_the_last() -> None:
    async def story() -> None:
        relay = Relay(FakeCourier(seconds=0.01))
        rate(relay, 2)
        async with relay:
            numbers = [await relay.commit("a@x.test", connector="erp") for _ in range(3)]
            await asyncio.sleep(1)
            notice = relay.spool.notices["out", "outside"]
            assert notice.reason == "mail of the connector erp waits for its rate: 2 a minute"
            assert notice.until == pytest.approx(now() + 29, abs=1)
            await relay.until(lambda: relay.state(numbers[2]) is RecipientState.DELIVERED, seconds=70)
            await asyncio.sleep(1)
            assert not relay.spool.notices

    run(story)


def test_what_a_connector_handed_over_survives_a_restart() -> None:
    async def story() -> None:
        spool = CountingSpool()
        relay = Relay(FakeCourier(seconds=0.01), spool=spool)
        rate(relay, 1)
        async with relay:
            await relay.commit("a@x.test", connector="erp")
            await relay.commit("b@x.test", destination="elsewhere", connector="erp")
            await asyncio.sleep(5)
        again = Relay(FakeCourier(seconds=0.01), spool=spool)
        rate(again, 1)
        async with again:
            await again.until(lambda: len(again.courier.attempts) == 1, seconds=65)
            assert times(again, "erp")[0] - times(relay, "erp")[0] >= 60

    run(story)


def test_a_destination_in_trouble_takes_no_turn_of_the_others_and_loses_nothing() -> None:
    async def story() -> None:
        dead = {"dead"}
        relay = Relay(FakeCourier(lambda each: DEAD if each.destination in dead else DELIVERED, seconds=0.01))
        rate(relay, 20)
        async with relay:
            for place in range(60):
                await relay.commit("a@x.test", destination=("dead", "well")[place % 2], connector="erp")
            await relay.until(lambda: len(relay.courier.times("well")) == 30, seconds=180)
            dead.clear()
            kept = relay.spool.recipients.values()
            await relay.until(lambda: all(each.state is RecipientState.DELIVERED for each in kept), seconds=4 * 3600)
        assert most_in_a_minute(times(relay, "erp")) <= 20

    run(story)


def test_a_rate_that_is_taken_away_ends_the_wait() -> None:
    async def story() -> None:
        relay = Relay(FakeCourier(seconds=0.01))
        rate(relay, 1)
        async with relay:
            for place in range(40):
                await relay.commit("a@x.test", destination=f"d{place % 4}", connector="erp")
            await asyncio.sleep(5)
            rate(relay, None)
            await relay.until(lambda: len(relay.courier.attempts) == 40, seconds=62)

    run(story)


def test_nothing_is_polled_while_a_connector_waits() -> None:
    class PolledSpool(CountingSpool):
        polls = 0

        async def due(self) -> list[object]:  # type: ignore[override]
            PolledSpool.polls += 1
            return await super().due()  # type: ignore[return-value]

    async def story() -> None:
        relay = Relay(FakeCourier(seconds=0.01), spool=PolledSpool())
        rate(relay, 1)
        async with relay:
            for place in range(100):
                await relay.commit("a@x.test", destination=f"d{place}", connector="erp")
            await asyncio.sleep(5)
            before = PolledSpool.polls
            await asyncio.sleep(600)
            assert 9 <= len(relay.courier.attempts) <= 12
            assert PolledSpool.polls - before < 60

    run(story)

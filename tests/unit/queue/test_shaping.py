"""What a route may carry, as pure functions and as the queue keeps to it, in virtual time."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffetta.queue.shaping import DayCount, Rate, tenant_external_limit
from staffetta.settings.objects import AcceptedDomain
from staffetta.settings.roads import Route
from staffetta.spool.marks import HourMark, Scope
from staffetta.spool.spool import RecipientState
from tests.unit.queue.relay import DEFERRED, DELIVERED, FAILED, CountingSpool, FakeCourier, Relay
from tests.unit.queue.virtual_time import now, run

HOUR = 3600.0


def shape(relay: Relay, **limits: int) -> None:
    relay.settings = relay.settings.model_copy(update={"routes": (Route(name="out", concurrency=20, **limits),)})


@given(st.integers(1, 600), st.lists(st.floats(0, 30), max_size=200))
def test_no_minute_holds_more_than_the_rate_whenever_messages_come(per_minute: int, pauses: list[float]) -> None:
    rate, bucket, at = Rate(per_minute), 0.0, 1000.0
    went: list[float] = []
    for pause in pauses or [0.0]:
        at = max(at + pause, rate.ready_at(bucket))
        bucket = rate.after(bucket, at)
        went.append(at)
    for place, first in enumerate(went):
        within = sum(each < first + 60 - 1e-6 for each in went[place:])
        assert within <= per_minute


def test_a_tenth_of_the_rate_goes_at_once_and_the_rest_evenly() -> None:
    rate, bucket = Rate(30), 0.0
    went: list[float] = []
    for _ in range(10):
        went.append(max(1000.0, rate.ready_at(bucket)))
        bucket = rate.after(bucket, went[-1])
    assert went[:3] == [1000.0] * 3
    assert [later - earlier for earlier, later in pairwise(went[2:])] == [pytest.approx(60 / 28)] * 7


@pytest.mark.parametrize(("licenses", "limit"), [(1, 10_000), (10, 12_005), (25, 14_259), (100, 22_059)])
def test_a_tenant_may_reach_so_many_outside(licenses: int, limit: int) -> None:
    assert tenant_external_limit(licenses) == limit


def test_an_hour_counts_until_the_last_of_it_is_a_day_past() -> None:
    count = DayCount()
    count.add(60, 10 * HOUR + 1)
    count.add(30, 11 * HOUR)
    assert count.ready_at(91, 12 * HOUR) == 12 * HOUR
    assert count.ready_at(90, 12 * HOUR) == 35 * HOUR
    assert count.ready_at(30, 12 * HOUR) == 36 * HOUR
    assert (count.used(35 * HOUR - 1), count.used(35 * HOUR), count.used(36 * HOUR)) == (90, 30, 0)


def test_when_a_limit_will_be_full_is_told_by_the_pace_of_the_last_hours() -> None:
    count = DayCount({10: 100, 11: 100, 12: 100})
    assert count.full_at(600, 13 * HOUR - 1e-6) == pytest.approx(16 * HOUR, abs=1)
    assert count.full_at(300, 13 * HOUR - 1e-6) == 13 * HOUR - 1e-6
    assert count.full_at(100_000, 13 * HOUR - 1e-6) is None
    assert DayCount().full_at(1, 13 * HOUR) is None


def test_the_rate_to_each_destination_is_kept_and_no_message_is_lost() -> None:
    async def story() -> None:
        relay = Relay(FakeCourier(seconds=0.01))
        shape(relay, messages_per_minute=30)
        async with relay:
            for place in range(120):
                await relay.commit("a@x.test", destination=("one", "two")[place % 2])
            await relay.until(lambda: len(relay.courier.attempts) == 120, seconds=200)
        for name in ("one", "two"):
            times = relay.courier.times(name)
            assert all(sum(first <= each < first + 59.99 for each in times) <= 30 for first in times)
            assert times[-1] - times[0] < 125

    run(story)


def test_who_waits_for_the_rate_is_told_so_and_the_notice_goes_with_the_last() -> None:
    async def story() -> None:
        relay = Relay(FakeCourier(seconds=0.01))
        shape(relay, messages_per_minute=2)
        async with relay:
            numbers = [await relay.commit("a@x.test") for _ in range(3)]
            await asyncio.sleep(1)
            notice = relay.spool.notices["out", "outside"]
            assert notice.reason == "waits for the route's rate: 2 a minute"
            assert notice.until == pytest.approx(now() + 29, abs=1)
            assert relay.state(numbers[1]) is RecipientState.READY
            await relay.until(lambda: relay.state(numbers[2]) is RecipientState.DELIVERED, seconds=70)
            await asyncio.sleep(1)
            assert not relay.spool.notices

    run(story)


def test_recipients_of_a_day_wait_for_the_next_and_a_restart_forgets_nothing() -> None:
    async def story() -> None:
        spool = CountingSpool()
        relay = Relay(FakeCourier(seconds=0.01), spool=spool)
        shape(relay, recipients_per_day=5)
        async with relay:
            for _ in range(3):
                await relay.commit("a@x.test", "b@x.test")
            await asyncio.sleep(10)
            assert [len(each.envelope.recipients) for _, each in relay.courier.attempts] == [2, 2, 1]
            assert spool.notices["out", "outside"].reason == "waits for the route's recipients: 5 in 24 hours"
        again = Relay(FakeCourier(seconds=0.01), spool=spool)
        shape(again, recipients_per_day=5)
        async with again:
            began = now()
            await asyncio.sleep(20 * HOUR)
            assert not again.courier.attempts
            await again.until(lambda: len(again.courier.attempts) == 1, seconds=6 * HOUR)
            assert 23.9 * HOUR < now() - began < 25.1 * HOUR

    run(story)


def test_a_message_with_more_recipients_than_fit_goes_in_parts_and_nobody_gets_it_twice() -> None:
    async def story() -> None:
        relay = Relay(FakeCourier(seconds=0.01))
        shape(relay, recipients_per_day=3)
        async with relay:
            number = await relay.commit(*(f"r{place}@x.test" for place in range(4)))
            kept = [relay.spool.recipients[number, place] for place in range(4)]
            await asyncio.sleep(60)
            assert relay.spool.notices["out", "outside"].reason == "waits for the route's recipients: 3 in 24 hours"
            assert sum(each.state is RecipientState.READY for each in kept) == 1
            assert number in relay.spool.contents
            await relay.until(lambda: all(each.state is RecipientState.DELIVERED for each in kept), seconds=60 * HOUR)
            parts = [[each.mailbox.text for each in part.envelope.recipients] for _, part in relay.courier.attempts]
            assert [len(part) for part in parts] == [3, 1]
            assert sorted(address for part in parts for address in part) == sorted(
                f"r{place}@x.test" for place in range(4)
            )
            first, last = relay.courier.times("outside")
            assert 24 * HOUR <= last - first <= 25.1 * HOUR
            assert number not in relay.spool.contents

    run(story)


def test_of_a_message_to_many_those_that_are_ours_do_not_wait_for_the_external_limit() -> None:
    async def story() -> None:
        spool = CountingSpool()
        await spool.settle([], marks=[HourMark("out", Scope.EXTERNAL, int(now() // HOUR), 9_999)])
        relay = Relay(FakeCourier(seconds=0.01), spool=spool)
        shape(relay, licenses=1)  # 10,000
        ours = AcceptedDomain(name="contoso.test", route="out")
        relay.settings = relay.settings.model_copy(update={"accepted_domains": (ours,)})
        async with relay:
            await relay.commit("a@x.test", "b@contoso.test", "c@x.test", "d@contoso.test")
            await asyncio.sleep(1)
            went = [each.mailbox.text for each in relay.courier.attempts[-1][1].envelope.recipients]
            assert went == ["a@x.test", "b@contoso.test", "d@contoso.test"]

    run(story)


def test_a_higher_limit_ends_a_wait_that_had_begun() -> None:
    async def story() -> None:
        relay = Relay(FakeCourier(seconds=0.01))
        shape(relay, recipients_per_day=1)
        async with relay:
            for _ in range(2):
                await relay.commit("a@x.test")
            await asyncio.sleep(60)
            assert len(relay.courier.attempts) == 1
            shape(relay, recipients_per_day=10)
            await relay.until(lambda: len(relay.courier.attempts) == 2, seconds=31)

    run(story)


def test_what_the_next_hop_did_not_take_is_not_counted_and_our_domains_are_not_outside() -> None:
    async def story() -> None:
        outcomes = iter([FAILED, DEFERRED, DELIVERED, DELIVERED])
        relay = Relay(FakeCourier(script=lambda consignment: next(outcomes), seconds=0.01))
        shape(relay, licenses=1)
        ours = AcceptedDomain(name="contoso.test", include_subdomains=True, route="out")
        relay.settings = relay.settings.model_copy(update={"accepted_domains": (ours,)})
        async with relay:
            for address in ("a@x.test", "b@x.test", "c@sub.contoso.test", "d@x.test"):
                await relay.commit(address)
                await asyncio.sleep(1)
            assert [mark.recipients for mark in await relay.spool.marks()] == [1]  # type: ignore[union-attr]

    run(story)


def test_the_bucket_of_a_destination_survives_a_restart() -> None:
    async def story() -> None:
        spool = CountingSpool()
        relay = Relay(FakeCourier(seconds=0.01), spool=spool)
        shape(relay, messages_per_minute=1)
        async with relay:
            await relay.commit("a@x.test")
            await asyncio.sleep(5)
        again = Relay(FakeCourier(seconds=0.01), spool=spool)
        shape(again, messages_per_minute=1)
        async with again:
            await again.commit("b@x.test")
            await again.until(lambda: len(again.courier.attempts) == 1, seconds=61)
            assert again.courier.times("outside")[0] - relay.courier.times("outside")[0] >= 60

    run(story)

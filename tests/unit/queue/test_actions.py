"""Suspended queues, redirected and returned mail, in virtual time."""

import asyncio
from typing import Any

import pytest

from staffetta.mail.consignment import Consignment
from staffetta.mail.envelope import Notify
from staffetta.mail.outcome import Outcome
from staffetta.spool.spool import CommandVerb, RecipientState
from tests.unit.queue.relay import DEFERRED, DELIVERED, UNKNOWN, FakeCourier, Relay, asking
from tests.unit.queue.virtual_time import run


async def ordered(relay: Relay, verb: CommandVerb, *numbers: int, **parts: Any) -> None:
    relay.spool.leave_command(verb, list(numbers), **parts)
    await relay.until(lambda: not relay.spool.commands)


@pytest.mark.parametrize("destination", ["one", None])
def test_a_suspended_queue_takes_mail_tries_none_and_goes_on_when_resumed(destination: str | None) -> None:
    async def story() -> None:
        async with Relay(FakeCourier(seconds=5)) as relay:
            before = [await relay.commit("a@x.test", destination="one") for _ in range(9)]
            await relay.until(lambda: bool(relay.courier.attempts))
            await ordered(relay, CommandVerb.SUSPEND, route="out", destination=destination)
            under_way = len(relay.courier.attempts)
            after = await relay.commit("a@x.test", destination="one")
            other = await relay.commit("a@x.test", destination="two")
            await asyncio.sleep(86_400)
            assert len(relay.courier.times("one")) == under_way
            assert relay.manager.in_hand == 0
            is_other_tried = relay.state(other) is RecipientState.DELIVERED
            assert is_other_tried is (destination == "one")
            await ordered(relay, CommandVerb.RESUME, route="out", destination=destination)
            await relay.until(lambda: all(relay.state(each) is RecipientState.DELIVERED for each in [*before, after]))

    run(story)


def test_nothing_expires_and_no_delay_is_told_while_it_is_suspended() -> None:
    async def story() -> None:
        courier = FakeCourier(lambda each: DEFERRED if each.destination == "outside" else DELIVERED)
        async with Relay(courier, expire_seconds=1000, delay_notice_seconds=100) as relay:
            await ordered(relay, CommandVerb.SUSPEND, route="out", destination="outside")
            number = await relay.commit("a@x.test")
            await asyncio.sleep(5000)
            assert (relay.state(number), relay.reports()) == (RecipientState.READY, [])
            await ordered(relay, CommandVerb.RESUME, route="out", destination="outside")
            await relay.until(lambda: relay.state(number) is RecipientState.FAILED)
            assert len(courier.times("outside")) == 1

    run(story)


def test_a_restart_keeps_what_is_suspended() -> None:
    async def story() -> None:
        first = Relay(FakeCourier())
        async with first:
            await ordered(first, CommandVerb.SUSPEND, route="out")
        second = Relay(FakeCourier(), spool=first.spool)
        async with second:
            await second.commit("a@x.test")
            await asyncio.sleep(100)
            assert second.courier.attempts == []

    run(story)


def test_redirected_mail_leaves_a_dead_road_at_once() -> None:
    def script(consignment: Consignment) -> Outcome:
        return DEFERRED if consignment.destination == "dead" else DELIVERED

    async def story() -> None:
        async with Relay(FakeCourier(script)) as relay:
            numbers = [await relay.commit("a@x.test", destination="dead") for _ in range(5)]
            await relay.until(lambda: relay.state(numbers[-1]) is RecipientState.DEFERRED)
            await ordered(relay, CommandVerb.REDIRECT, *numbers, route="out", destination="alive")
            await relay.until(lambda: relay.state(numbers[-1]) is RecipientState.DELIVERED, seconds=5)
            assert len(relay.courier.times("alive")) == 5

    run(story)


@pytest.mark.parametrize(("outcome", "road"), [(DEFERRED, "alive"), (UNKNOWN, "dead"), (DELIVERED, "dead")])
def test_a_redirection_that_meets_an_attempt_takes_along_what_was_surely_not_handed_over(
    outcome: Outcome, road: str
) -> None:
    def script(consignment: Consignment) -> Outcome:
        return outcome if consignment.destination == "dead" else DELIVERED

    async def story() -> None:
        async with Relay(FakeCourier(script, seconds=10), unknown_retry_seconds=1000) as relay:
            number = await relay.commit("a@x.test", destination="dead")
            await asyncio.sleep(1)
            await ordered(relay, CommandVerb.REDIRECT, number, route="out", destination="alive")
            await asyncio.sleep(100)
            assert relay.spool.recipients[number, 0].routed.destination == road
            assert len(relay.courier.times("alive")) == (road == "alive")

    run(story)


def test_an_order_for_one_recipient_leaves_those_beside_it_in_the_attempt_alone() -> None:
    async def story() -> None:
        async with Relay(FakeCourier(lambda each: DEFERRED, seconds=10)) as relay:
            number = await relay.commit("a@x.test", "b@x.test")
            await asyncio.sleep(1)
            await ordered(relay, CommandVerb.DELETE, keys=[(number, 1)])
            await asyncio.sleep(20)
            assert relay.state(number, 0) is RecipientState.DEFERRED
            assert relay.state(number, 1) is RecipientState.DELETED

    run(story)


def test_a_hold_and_a_redirection_that_meet_an_attempt_both_count() -> None:
    async def story() -> None:
        async with Relay(FakeCourier(lambda each: DEFERRED, seconds=10)) as relay:
            number = await relay.commit("a@x.test", destination="dead")
            await asyncio.sleep(1)
            await ordered(relay, CommandVerb.HOLD, number)
            await ordered(relay, CommandVerb.REDIRECT, number, route="out", destination="alive")
            await asyncio.sleep(20)
            kept = relay.spool.recipients[number, 0]
            assert (kept.state, kept.due_at, kept.routed.destination) == (RecipientState.HELD, None, "alive")

    run(story)


@pytest.mark.parametrize("is_in_attempt", [True, False])
def test_returned_mail_is_deleted_and_its_sender_hears_of_it_once(is_in_attempt: bool) -> None:
    async def story() -> None:
        async with Relay(FakeCourier(lambda each: DEFERRED, seconds=10)) as relay:
            number = await relay.commit("a@x.test", asking("b@x.test", Notify.NEVER))
            await asyncio.sleep(1 if is_in_attempt else 20)
            await ordered(relay, CommandVerb.RETURN, number)
            await asyncio.sleep(20)
            assert [relay.state(number, place) for place in (0, 1)] == [RecipientState.DELETED] * 2
            (report,) = relay.reports()
            assert (report.final, report.status) == ("a@x.test", "5.0.0")
            assert "tests" not in str(report)  # who it was is not the sender's business

    run(story)


def test_what_counts_as_delivered_is_not_tried_again() -> None:
    async def story() -> None:
        async with Relay(FakeCourier(lambda each: UNKNOWN), unknown_retry_seconds=100) as relay:
            number = await relay.commit("a@x.test")
            await relay.until(lambda: relay.state(number) is RecipientState.UNKNOWN)
            await ordered(relay, CommandVerb.COMPLETE, number)
            await asyncio.sleep(1000)
            assert relay.state(number) is RecipientState.DELIVERED
            assert len(relay.courier.attempts) == 1

    run(story)


def test_how_fast_a_queue_fills_and_empties_is_told_and_that_it_is_still_again() -> None:
    async def story() -> None:
        async with Relay(FakeCourier(seconds=0.1)) as relay:
            for _ in range(6):
                await relay.commit("a@x.test")
            await relay.until(lambda: bool(relay.spool.flows), seconds=60)
            (flow,) = relay.spool.flows.values()
            assert (flow.destination, flow.came, flow.went) == ("outside", 6, 6)
            await relay.until(lambda: relay.spool.flows["out", "outside"].came == 0, seconds=60)

    run(story)

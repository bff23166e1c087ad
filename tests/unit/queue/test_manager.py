"""The queue's promises, in virtual time."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from staffetta.mail.consignment import Consignment
from staffetta.mail.envelope import Notify, Ret
from staffetta.mail.outcome import Deferred, Outcome
from staffetta.mail.report import Action
from staffetta.queue.settling import EXPIRED_STATUS
from staffetta.spool.spool import CommandVerb, RecipientState
from tests.unit.queue.relay import (
    CONCURRENCY,
    DEAD,
    DEFERRED,
    DELIVERED,
    FAILED,
    UNKNOWN,
    FakeCourier,
    Relay,
    asking,
)
from tests.unit.queue.virtual_time import now, run

HOUR = 3600.0
QUICK = {"retry_first_seconds": 60, "retry_max_seconds": 300, "delay_notice_seconds": 600, "expire_seconds": 7200}


def test_a_committed_message_is_delivered_at_once() -> None:
    async def story() -> None:
        async with Relay(FakeCourier()) as relay:
            number = await relay.commit("a@x.test", "b@x.test")
            await relay.until(lambda: relay.state(number, 1) is RecipientState.DELIVERED, seconds=1)
            assert [len(each.envelope.recipients) for _, each in relay.courier.attempts] == [2]
            assert relay.spool.contents == {}

    run(story)


def test_what_was_on_disk_at_the_start_is_delivered() -> None:
    async def story() -> None:
        relay = Relay(FakeCourier())
        numbers = [await relay.commit("a@x.test") for _ in range(50)]
        async with relay:
            await relay.until(lambda: all(relay.state(each) is RecipientState.DELIVERED for each in numbers), seconds=5)

    run(story)


def test_what_is_due_a_moment_after_another_of_its_line_is_not_forgotten() -> None:
    """The disk tells of the earliest of a line alone; the one after it waited for the next regular look, 30 seconds."""

    async def story() -> None:
        delays = {"a": 5.0, "b": 5.5}

        def script(consignment: Consignment) -> Outcome:
            seconds = delays.pop(consignment.envelope.recipients[0].mailbox.local_part, None)
            return DELIVERED if seconds is None else replace(DEFERRED, retry_after_seconds=seconds)

        async with Relay(FakeCourier(script), retry_first_seconds=1, retry_max_seconds=1) as relay:
            numbers = [await relay.commit(f"{name}@x.test") for name in ("a", "b")]
            await relay.until(lambda: all(relay.state(each) is RecipientState.DELIVERED for each in numbers), seconds=9)

    run(story)


def test_lanes_never_exceed_the_window() -> None:
    async def story() -> None:
        async with Relay(FakeCourier()) as relay:
            numbers = [await relay.commit("a@x.test") for _ in range(100)]
            await relay.until(
                lambda: all(relay.state(each) is RecipientState.DELIVERED for each in numbers), seconds=60
            )
            assert relay.courier.most_under_way["outside"] == CONCURRENCY

    run(story)


def test_a_deferred_recipient_is_tried_again_when_it_is_due_and_not_before() -> None:
    async def story() -> None:
        outcomes: list[Outcome] = [DEFERRED, DEFERRED, DELIVERED]
        courier = FakeCourier(lambda consignment: outcomes.pop(0), seconds=0)
        async with Relay(courier, retry_first_seconds=100) as relay:
            number = await relay.commit("a@x.test")
            await relay.until(lambda: relay.state(number) is RecipientState.DELIVERED)
            first, second, third = courier.times("outside")
            assert 100 <= second - first <= 101
            assert 200 <= third - second <= 201

    run(story)


@pytest.mark.parametrize("asked", [DEFERRED, DEAD], ids=["message", "destination"])
def test_a_next_hop_that_says_when_to_come_back_is_not_tried_before(asked: Deferred) -> None:
    async def story() -> None:
        outcomes: list[Outcome] = [replace(asked, retry_after_seconds=900.0), DELIVERED]
        courier = FakeCourier(lambda consignment: outcomes.pop(0), seconds=0)
        async with Relay(courier, retry_first_seconds=100) as relay:
            number = await relay.commit("a@x.test")
            await relay.until(lambda: relay.state(number) is RecipientState.DELIVERED)
            first, second = courier.times("outside")
            assert 900 <= second - first <= 901

    run(story)


def test_an_expired_recipient_fails_and_its_sender_hears_why() -> None:
    async def story() -> None:
        courier = FakeCourier(lambda each: DEFERRED if each.destination == "outside" else DELIVERED)
        async with Relay(courier, **QUICK) as relay:
            number = await relay.commit("a@x.test")
            await relay.until(lambda: relay.state(number) is RecipientState.FAILED)
            assert now() - relay.spool.recipients[number, 0].message.received_at == pytest.approx(7200, abs=60)
            assert [each.action for each in relay.reports()] == [Action.DELAYED, Action.FAILED]
            assert relay.reports()[1].status == EXPIRED_STATUS
            assert relay.reports()[1].diagnostic == DEFERRED.diagnostic
            await relay.until(lambda: not relay.spool.contents, seconds=60)

    run(story)


def test_a_dead_destination_delays_no_other() -> None:
    async def story() -> None:
        courier = FakeCourier(lambda each: DEAD if each.destination == "dead" else DELIVERED)
        async with Relay(courier, active_messages_max=20) as relay:
            for _ in range(300):
                await relay.commit("a@x.test", destination="dead")
            number = await relay.commit("b@y.test", destination="well")
            await relay.until(lambda: relay.state(number) is RecipientState.DELIVERED, seconds=1)
            await asyncio.sleep(200)
            assert len(courier.times("dead")) <= CONCURRENCY

    run(story)


def test_slow_destinations_that_fill_the_room_delay_no_other() -> None:
    async def story() -> None:
        never = asyncio.Event()

        async def hold(consignment: Consignment) -> None:
            if consignment.destination != "well":
                await never.wait()

        courier = FakeCourier(hold=hold)
        async with Relay(courier, active_messages_max=40) as relay:
            for place in range(400):
                await relay.commit("a@x.test", destination=f"slow{place % 8}")
            assert relay.manager.in_hand <= 40
            number = await relay.commit("b@y.test", destination="well")
            await relay.until(lambda: relay.state(number) is RecipientState.DELIVERED, seconds=2)
            assert relay.manager.in_hand <= 40
            never.set()
            await relay.until(
                lambda: all(each.state is RecipientState.DELIVERED for each in relay.spool.recipients.values()),
                seconds=600,
            )

    run(story)


def test_a_destination_comes_back_by_one_probe_and_then_lane_by_lane() -> None:
    async def story() -> None:
        is_dead = True
        courier = FakeCourier(lambda each: DEAD if is_dead else DELIVERED, seconds=1)
        async with Relay(courier, retry_first_seconds=100) as relay:
            numbers = [await relay.commit("a@x.test") for _ in range(30)]
            await asyncio.sleep(50)
            tried = len(courier.attempts)
            assert tried <= CONCURRENCY
            is_dead = False
            courier.most_under_way.clear()
            await asyncio.sleep(51.5)  # the probe begins after 101 s and takes 1 s
            assert courier.most_under_way["outside"] == 1
            await relay.until(
                lambda: all(relay.state(each) is RecipientState.DELIVERED for each in numbers), seconds=900
            )
            assert courier.most_under_way["outside"] == CONCURRENCY

    run(story)


def test_what_waits_behind_a_dead_destination_is_told_of_and_expires() -> None:
    async def story() -> None:
        courier = FakeCourier(lambda each: DEAD if each.destination == "outside" else DELIVERED)
        async with Relay(courier, active_messages_max=40, **QUICK) as relay:
            numbers = [await relay.commit("a@x.test") for _ in range(100)]
            await relay.until(lambda: len(relay.reports()) == 100, seconds=1000)
            assert {each.action for each in relay.reports()} == {Action.DELAYED}
            await relay.until(lambda: all(relay.state(each) is RecipientState.FAILED for each in numbers), seconds=7000)
            assert len(relay.reports()) == 200

    run(story)


def test_a_failure_is_reported_in_one_notification_for_its_recipients() -> None:
    async def story() -> None:
        courier = FakeCourier(lambda each: [FAILED, DELIVERED, FAILED] if each.destination == "outside" else DELIVERED)
        async with Relay(courier) as relay:
            number = await relay.commit("a@x.test", asking("b@x.test", Notify.SUCCESS), "c@x.test")
            await relay.until(lambda: relay.state(number, 2) is RecipientState.FAILED, seconds=5)
            (notification,) = relay.spool.notifications
            assert notification.envelope.reverse_path is None
            assert [str(each.mailbox) for each in notification.envelope.recipients] == ["sender@contoso.test"]
            assert [(each.final, each.action) for each in relay.reports()] == [
                ("a@x.test", Action.FAILED),
                ("b@x.test", Action.RELAYED),
                ("c@x.test", Action.FAILED),
            ]
            assert notification.content.whole is not None
            assert b"Content-Type: message/rfc822\r\n\r\nSubject: Hello\r\n\r\nbody\r\n" in notification.content.whole
            await relay.until(lambda: relay.state(notification.number) is RecipientState.DELIVERED, seconds=5)

    run(story)


@pytest.mark.parametrize(("ret", "octets"), [(Ret.HEADERS, 10), (None, 60_000), (Ret.FULL, 60_000)])
def test_only_headers_return_where_asked_or_large(ret: Ret | None, octets: int) -> None:
    async def story() -> None:
        courier = FakeCourier(lambda each: FAILED if each.destination == "outside" else DELIVERED)
        async with Relay(courier) as relay:
            await relay.commit("a@x.test", ret=ret, body=b"x" * octets + b"\r\n")
            await relay.until(lambda: bool(relay.spool.notifications), seconds=5)
            content = relay.spool.notifications[0].content.whole
            assert content is not None
            assert b"Content-Type: text/rfc822-headers\r\n\r\nSubject: Hello\r\n\r\n--" in content

    run(story)


@pytest.mark.parametrize(
    ("notify", "outcome"), [(Notify.NEVER, FAILED), (Notify.SUCCESS, FAILED), (Notify.FAILURE, DELIVERED)]
)
def test_what_was_not_asked_for_is_not_sent(notify: Notify, outcome: Outcome) -> None:
    async def story() -> None:
        async with Relay(FakeCourier(lambda each: outcome)) as relay:
            await relay.commit(asking("a@x.test", notify))
            await asyncio.sleep(10)
            assert relay.spool.notifications == []

    run(story)


def test_null_reverse_path_gets_no_notification() -> None:
    async def story() -> None:
        async with Relay(FakeCourier(lambda each: FAILED)) as relay:
            number = await relay.commit("a@x.test", reverse_path=None)
            await relay.until(lambda: relay.state(number) is RecipientState.FAILED, seconds=5)
            failed_notification = await relay.commit("b@x.test")
            await relay.until(lambda: relay.state(failed_notification) is RecipientState.FAILED, seconds=5)
            await asyncio.sleep(10)
            assert len(relay.spool.notifications) == 1

    run(story)


def test_an_unknown_outcome_is_tried_again_but_held_where_it_must_not() -> None:
    async def story() -> None:
        outcomes: list[Outcome] = [UNKNOWN, UNKNOWN, DELIVERED]
        async with Relay(FakeCourier(lambda each: outcomes.pop(0)), unknown_retry_seconds=60) as relay:
            once = await relay.commit("a@x.test", is_once=True)
            await relay.until(lambda: relay.state(once) is RecipientState.HELD, seconds=5)
            often = await relay.commit("b@x.test")
            await relay.until(lambda: relay.state(often) is RecipientState.UNKNOWN, seconds=5)
            await relay.until(lambda: relay.state(often) is RecipientState.DELIVERED, seconds=62)
            await asyncio.sleep(HOUR)
            assert len(relay.courier.attempts) == 3

    run(story)


def test_outcomes_outlive_disk_trouble() -> None:
    async def story() -> None:
        async with Relay(FakeCourier(seconds=1)) as relay:
            number = await relay.commit("a@x.test")
            await asyncio.sleep(0.5)
            relay.spool.trouble = "disk full"
            await asyncio.sleep(60)
            relay.spool.trouble = None
            await relay.until(lambda: relay.state(number) is RecipientState.DELIVERED, seconds=10)
            assert len(relay.courier.attempts) == 1

    run(story)


def test_nothing_is_sent_that_cannot_be_written_down_first() -> None:
    async def story() -> None:
        relay = Relay(FakeCourier())
        number = await relay.commit("a@x.test")
        async with relay:
            await asyncio.sleep(0)
            relay.spool.trouble = "disk full"
            await asyncio.sleep(30)
            assert relay.state(number) is RecipientState.READY
            relay.spool.trouble = None
            await relay.until(lambda: relay.state(number) is RecipientState.DELIVERED, seconds=20)

    run(story)


def test_a_courier_that_breaks_harms_one_attempt_only() -> None:
    async def story() -> None:
        broken = True

        def script(consignment: Consignment) -> Outcome:
            if broken:
                raise ZeroDivisionError
            return DELIVERED

        async with Relay(FakeCourier(script), retry_first_seconds=10) as relay:
            number = await relay.commit("a@x.test")
            await relay.until(lambda: relay.state(number) is RecipientState.DEFERRED, seconds=5)
            broken = False
            await relay.until(lambda: relay.state(number) is RecipientState.DELIVERED, seconds=15)

    run(story)


def test_a_held_message_waits_until_it_is_released() -> None:
    async def story() -> None:
        async with Relay(FakeCourier(seconds=10)) as relay:
            numbers = [await relay.commit("a@x.test") for _ in range(CONCURRENCY + 1)]
            relay.spool.leave_command(CommandVerb.HOLD, [numbers[-1]])
            await relay.until(lambda: relay.state(numbers[-1]) is RecipientState.HELD, seconds=2)
            await asyncio.sleep(100)
            assert len(relay.courier.attempts) == CONCURRENCY
            relay.spool.leave_command(CommandVerb.RELEASE, [numbers[-1]])
            await relay.until(lambda: relay.state(numbers[-1]) is RecipientState.DELIVERED, seconds=12)

    run(story)


@pytest.mark.parametrize(
    ("verb", "state"), [(CommandVerb.HOLD, RecipientState.HELD), (CommandVerb.DELETE, RecipientState.DELETED)]
)
def test_an_order_that_meets_an_attempt_is_carried_out_after_it(verb: CommandVerb, state: RecipientState) -> None:
    async def story() -> None:
        async with Relay(FakeCourier(lambda each: DEFERRED, seconds=10)) as relay:
            number = await relay.commit("a@x.test")
            await asyncio.sleep(1)
            relay.spool.leave_command(verb, [number])
            await relay.until(lambda: relay.state(number) is state, seconds=11)
            await asyncio.sleep(HOUR)
            assert len(relay.courier.attempts) == 1

    run(story)


def test_retry_goes_even_to_a_destination_in_trouble() -> None:
    async def story() -> None:
        outcomes: list[Outcome] = [DEAD, DELIVERED]
        async with Relay(FakeCourier(lambda each: outcomes.pop(0))) as relay:
            number = await relay.commit("a@x.test")
            await relay.until(lambda: relay.state(number) is RecipientState.DEFERRED, seconds=5)
            relay.spool.leave_command(CommandVerb.RETRY)
            await relay.until(lambda: relay.state(number) is RecipientState.DELIVERED, seconds=2)

    run(story)


def test_a_retry_that_was_asked_for_lengthens_no_wait() -> None:
    async def story() -> None:
        courier = FakeCourier(lambda each: DEFERRED, seconds=0)
        async with Relay(courier, retry_first_seconds=100) as relay:
            number = await relay.commit("a@x.test")
            for asked in range(1, 4):
                await relay.until(lambda: relay.state(number) is RecipientState.DEFERRED, seconds=5)
                relay.spool.leave_command(CommandVerb.RETRY, [number])
                await relay.until(lambda wanted=asked + 1: len(courier.attempts) == wanted, seconds=2)
            await relay.until(lambda: len(courier.attempts) == 6, seconds=400)
            waits = [later - earlier for earlier, later in pairwise(courier.times("outside"))]
            assert waits[3:] == [pytest.approx(100, abs=1), pytest.approx(200, abs=1)]

    run(story)


def test_a_probe_that_was_asked_for_lengthens_no_wait() -> None:
    async def story() -> None:
        courier = FakeCourier(lambda each: DEAD, seconds=0)
        async with Relay(courier, retry_first_seconds=100) as relay:
            await relay.commit("a@x.test")
            await asyncio.sleep(1)
            await relay.commit("b@x.test")  # ready, and kept back by the trouble
            for asked in range(1, 4):
                relay.spool.leave_command(CommandVerb.RETRY)
                await relay.until(lambda wanted=asked + 1: len(courier.attempts) == wanted, seconds=2)
            await relay.until(lambda: len(courier.attempts) == 5, seconds=110)
            assert courier.attempts[4][0] - courier.attempts[3][0] == pytest.approx(100, abs=1)

    run(story)


def test_draining_finishes_attempts_and_gives_the_rest_back() -> None:
    async def story() -> None:
        relay = Relay(FakeCourier(seconds=5))
        await relay.manager.start()
        numbers = [await relay.commit("a@x.test") for _ in range(10)]
        await asyncio.sleep(1)
        began = now()
        await relay.manager.drain(30)
        assert now() - began < 6
        states = [relay.state(each) for each in numbers]
        assert states == [RecipientState.DELIVERED] * CONCURRENCY + [RecipientState.READY] * (10 - CONCURRENCY)
        late = await relay.commit("a@x.test")
        await asyncio.sleep(60)
        assert relay.state(late) is RecipientState.READY
        assert relay.spool.in_hand == 0

    run(story)


def test_an_attempt_longer_than_the_grace_ends_unknown() -> None:
    async def story() -> None:
        relay = Relay(FakeCourier(seconds=500))
        await relay.manager.start()
        number = await relay.commit("a@x.test")
        await asyncio.sleep(1)
        await relay.manager.drain(10)
        assert relay.state(number) is RecipientState.UNKNOWN
        assert relay.spool.in_hand == 0

    run(story)


def test_another_expiry_and_delay_notice_hold_for_what_waits_already() -> None:
    async def story() -> None:
        courier = FakeCourier(lambda each: DEFERRED if each.destination == "outside" else DELIVERED)
        async with Relay(courier, retry_first_seconds=100, retry_max_seconds=100) as relay:
            number = await relay.commit("a@x.test")
            await asyncio.sleep(250)
            queue = relay.settings.queue.model_copy(update={"expire_seconds": 1000, "delay_notice_seconds": 400})
            relay.settings = relay.settings.model_copy(update={"queue": queue})
            await relay.until(lambda: relay.state(number) is RecipientState.FAILED, seconds=900)
            assert [each.action for each in relay.reports()] == [Action.DELAYED, Action.FAILED]

    run(story)

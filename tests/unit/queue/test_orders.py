"""No order of an administrator is missed, whenever it comes, in virtual time."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from staffetta.mail.consignment import Consignment
from staffetta.mail.outcome import Outcome
from staffetta.spool.spool import CarriedOut, CommandVerb, QueueCommand, RecipientState
from tests.unit.queue.relay import CONCURRENCY, DEFERRED, DELIVERED, UNKNOWN, CountingSpool, FakeCourier, Relay
from tests.unit.queue.virtual_time import run

ORDERS = [(CommandVerb.HOLD, RecipientState.HELD), (CommandVerb.DELETE, RecipientState.DELETED)]
each_order = pytest.mark.parametrize(("verb", "state"), ORDERS)


class SlowSpool(CountingSpool):
    """A spool in which a command, or a settlement, takes until the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.may_command = asyncio.Event()
        self.may_settle = asyncio.Event()
        self.is_commanding = self.is_settling = False

    async def carry_out(self, command: QueueCommand, now: float, changed: int = 0) -> CarriedOut:
        self.is_commanding = True
        await self.may_command.wait()
        return await super().carry_out(command, now, changed)

    async def settle(self, settlements: Sequence[Any], notifications: Sequence[Any] = (), marks: Any = ()) -> None:
        self.is_settling = True
        await self.may_settle.wait()
        await super().settle(settlements, notifications, marks)


def slow_relay(courier: FakeCourier) -> tuple[Relay, SlowSpool]:
    spool = SlowSpool()
    return Relay(courier, spool=spool), spool


@each_order
def test_an_order_reaches_a_claim_that_was_taken_while_it_was_carried_out(
    verb: CommandVerb, state: RecipientState
) -> None:
    async def story() -> None:
        relay, spool = slow_relay(FakeCourier(seconds=100))
        spool.may_settle.set()
        async with relay:
            numbers = [await relay.commit("a@x.test") for _ in range(CONCURRENCY + 1)]
            spool.leave_command(verb, [numbers[-1]])
            await relay.until(lambda: spool.is_commanding)
            assert not spool.is_claimed((numbers[-1], 0))  # given back, so that the spool can change its row
            await relay.until(lambda: spool.is_claimed((numbers[-1], 0)))  # and polled, since the line is short
            spool.may_command.set()
            await relay.until(lambda: relay.state(numbers[-1]) is state, seconds=2)
            await asyncio.sleep(200)
            assert len(relay.courier.attempts) == CONCURRENCY

    run(story)


@each_order
def test_an_order_reaches_what_an_attempt_left_open_before_that_was_written_down(
    verb: CommandVerb, state: RecipientState
) -> None:
    async def story() -> None:
        relay, spool = slow_relay(FakeCourier(lambda each: DEFERRED, seconds=0))
        spool.may_command.set()
        async with relay:
            number = await relay.commit("a@x.test")
            await relay.until(lambda: spool.is_settling)
            spool.leave_command(verb, [number])
            await relay.until(lambda: not spool.commands)
            assert relay.state(number) is RecipientState.IN_ATTEMPT
            spool.may_settle.set()
            await relay.until(lambda: relay.state(number) is state, seconds=2)

    run(story)


@each_order
def test_an_order_reaches_an_attempt_that_ends_while_it_is_carried_out(
    verb: CommandVerb, state: RecipientState
) -> None:
    async def story() -> None:
        gate = asyncio.Event()

        async def hold(_: Consignment) -> None:
            await gate.wait()

        relay, spool = slow_relay(FakeCourier(lambda each: DEFERRED, seconds=0, hold=hold))
        spool.may_settle.set()
        async with relay:
            number = await relay.commit("a@x.test")
            await relay.until(lambda: bool(relay.courier.attempts))
            spool.leave_command(verb, [number])
            await relay.until(lambda: spool.is_commanding)
            gate.set()
            await relay.until(lambda: relay.state(number) is RecipientState.DEFERRED, seconds=5)
            spool.may_command.set()
            await relay.until(lambda: relay.state(number) is state, seconds=2)

    run(story)


def test_the_last_order_counts_but_what_is_deleted_stays_deleted() -> None:
    async def story() -> None:
        courier = FakeCourier(lambda each: DEFERRED, seconds=10)
        async with Relay(courier) as relay:
            released, deleted = [await relay.commit("a@x.test") for _ in range(2)]
            await asyncio.sleep(1)
            for verb in (CommandVerb.HOLD, CommandVerb.RELEASE):
                relay.spool.leave_command(verb, [released])
            for verb in (CommandVerb.DELETE, CommandVerb.HOLD, CommandVerb.RELEASE):
                relay.spool.leave_command(verb, [deleted])
            await relay.until(lambda: relay.state(deleted) is RecipientState.DELETED, seconds=15)
            assert relay.state(released) is RecipientState.DEFERRED

    run(story)


@pytest.mark.parametrize("outcome", [DELIVERED, UNKNOWN])
def test_what_the_attempt_closed_stays_closed_and_what_it_held_can_be_deleted(outcome: Outcome) -> None:
    async def story() -> None:
        async with Relay(FakeCourier(lambda each: outcome, seconds=10)) as relay:
            number = await relay.commit("a@x.test", is_once=True)
            await asyncio.sleep(1)
            relay.spool.leave_command(CommandVerb.DELETE, [number])
            await relay.until(lambda: relay.spool.settled == [(number, 0)], seconds=15)
            expected = RecipientState.DELIVERED if outcome is DELIVERED else RecipientState.DELETED
            assert relay.state(number) is expected

    run(story)


def test_an_order_that_stands_when_the_relay_stops_is_carried_out_before_it_has_stopped() -> None:
    async def story() -> None:
        relay, spool = slow_relay(FakeCourier(lambda each: DEFERRED, seconds=0))
        spool.may_command.set()
        await relay.manager.start()
        number = await relay.commit("a@x.test")
        await relay.until(lambda: spool.is_settling)
        spool.leave_command(CommandVerb.HOLD, [number])
        await relay.until(lambda: not spool.commands)
        stopping = asyncio.create_task(relay.manager.drain(10))
        await asyncio.sleep(1)
        spool.may_settle.set()
        await stopping
        assert relay.state(number) is RecipientState.HELD

    run(story)

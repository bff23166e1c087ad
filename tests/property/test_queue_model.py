"""The queue against a courier that does anything: every recipient ends in exactly one closed state.

Each claim is settled or released exactly once (CountingSpool asserts it), lanes keep within the window, the claims
in hand within their bound, nothing that is suspended is tried, and nothing outlives its expiry but by a suspension.
"""

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from staffetta.mail.consignment import Consignment
from staffetta.mail.envelope import Notify
from staffetta.mail.outcome import Outcome
from staffetta.spool.change import CLOSED
from staffetta.spool.spool import CommandVerb, RecipientState
from tests.unit.queue.relay import (
    CONCURRENCY,
    DEAD,
    DEFERRED,
    DELIVERED,
    FAILED,
    SENDER,
    UNKNOWN,
    FakeCourier,
    Relay,
    asking,
)
from tests.unit.queue.virtual_time import now, run

OUTCOMES = (DELIVERED, DEFERRED, DEFERRED, DEAD, FAILED, UNKNOWN)
ACTIVE_MAX = 12
EXPIRE_SECONDS = 3000.0

message = st.tuples(
    st.lists(st.sampled_from([Notify.UNSPECIFIED, Notify.NEVER, Notify.SUCCESS, Notify.DELAY]), min_size=1, max_size=3),
    st.sampled_from(["one", "two", "three"]),
    st.sampled_from([None, "erp", "printers", "scanners"]),  # connector
    st.booleans(),  # null reverse-path
    st.floats(0, 60),  # seconds to the next
)
command = st.tuples(
    st.sampled_from(
        [CommandVerb.HOLD, CommandVerb.RETRY, CommandVerb.RELEASE, CommandVerb.SUSPEND, CommandVerb.RESUME]
    ),
    st.sampled_from(["one", "two", None]),  # of the route that is suspended or resumed; None: the route
    st.floats(0, 500),
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(command, max_size=2),
    st.lists(message, min_size=1, max_size=40),
    st.lists(command, max_size=4),
    st.integers(),
)
def test_every_recipient_ends_in_exactly_one_closed_state(
    early: list[tuple[CommandVerb, str | None, float]],
    messages: list[tuple[list[Notify], str, str | None, bool, float]],
    late: list[tuple[CommandVerb, str | None, float]],
    seed: int,
) -> None:
    dice = random.Random(seed)
    suspended: set[str | None] = set()
    tried: set[str] = set()  # although they were suspended

    async def command_all(relay: Relay, commands: list[tuple[CommandVerb, str | None, float]]) -> None:
        for verb, destination, pause in commands:
            is_of_queue = verb in (CommandVerb.SUSPEND, CommandVerb.RESUME)
            if verb is CommandVerb.RESUME:
                suspended.discard(destination)
            relay.spool.leave_command(verb, **({"route": "out", "destination": destination} if is_of_queue else {}))
            await relay.until(lambda: not relay.spool.commands, seconds=10)
            if verb is CommandVerb.SUSPEND:
                suspended.add(destination)
            await asyncio.sleep(pause)

    def script(consignment: Consignment) -> list[Outcome] | Outcome:
        if suspended & {None, consignment.destination}:
            tried.add(consignment.destination)
        if consignment.destination == "inside":
            return DELIVERED
        if dice.random() < 0.02:
            raise RuntimeError("a bug of the courier")
        if dice.random() < 0.2:
            return DEAD
        return [dice.choice(OUTCOMES) for _ in consignment.envelope.recipients]

    async def story() -> None:
        courier = FakeCourier(script, seconds=2)
        async with Relay(
            courier,
            active_messages_max=ACTIVE_MAX,
            retry_first_seconds=50,
            retry_max_seconds=400,
            unknown_retry_seconds=50,
            delay_notice_seconds=500,
            expire_seconds=EXPIRE_SECONDS,
        ) as relay:
            await command_all(relay, early)
            for notifies, destination, connector, is_null, pause in messages:
                await relay.commit(
                    *(asking(f"r{place}@x.test", notify) for place, notify in enumerate(notifies)),
                    destination=destination,
                    connector=connector,
                    reverse_path=None if is_null else SENDER,
                )
                await asyncio.sleep(pause)
                assert relay.manager.in_hand <= ACTIVE_MAX
            await command_all(relay, late)
            await command_all(relay, [(CommandVerb.RESUME, destination, 0) for destination in ("one", "two", None)])
            await command_all(relay, [(CommandVerb.RELEASE, None, 1)])
            kept = relay.spool.recipients.values()
            last = now()
            await relay.until(lambda: all(each.state in CLOSED for each in kept), seconds=3 * EXPIRE_SECONDS)
            assert not tried
            assert not relay.spool.contents
            assert max(courier.most_under_way.values()) <= CONCURRENCY
            for message in relay.spool.notifications:
                assert message.envelope.reverse_path is None
            for each in kept:
                assert each.state is not RecipientState.DELETED
            assert now() <= max(last, max(each.message.received_at for each in kept)) + EXPIRE_SECONDS + 500

    run(story)

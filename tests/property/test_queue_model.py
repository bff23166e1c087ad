"""The queue against a courier that does anything: every recipient ends in exactly one closed state.

Each claim is settled or released exactly once (CountingSpool asserts it), lanes keep within the window, the claims
in hand within their bound, and nothing outlives its expiry.
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
    st.booleans(),  # null reverse-path
    st.floats(0, 60),  # seconds to the next
)
command = st.tuples(st.sampled_from([CommandVerb.HOLD, CommandVerb.RETRY, CommandVerb.RELEASE]), st.floats(0, 500))


@settings(max_examples=25, deadline=None)
@given(st.lists(message, min_size=1, max_size=40), st.lists(command, max_size=4), st.integers())
def test_every_recipient_ends_in_exactly_one_closed_state(
    messages: list[tuple[list[Notify], str, bool, float]], commands: list[tuple[CommandVerb, float]], seed: int
) -> None:
    dice = random.Random(seed)

    def script(consignment: Consignment) -> list[Outcome] | Outcome:
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
            for notifies, destination, is_null, pause in messages:
                recipients = [asking(f"r{place}@x.test", notify) for place, notify in enumerate(notifies)]
                await relay.commit(*recipients, destination=destination, reverse_path=None if is_null else SENDER)
                await asyncio.sleep(pause)
                assert relay.manager.in_hand <= ACTIVE_MAX
            for verb, pause in commands:
                relay.spool.leave_command(verb)
                await asyncio.sleep(pause)
            relay.spool.leave_command(CommandVerb.RELEASE)
            await asyncio.sleep(1)
            kept = relay.spool.recipients.values()
            last = now()
            await relay.until(lambda: all(each.state in CLOSED for each in kept), seconds=3 * EXPIRE_SECONDS)
            assert not relay.spool.contents
            assert max(courier.most_under_way.values()) <= CONCURRENCY
            for message in relay.spool.notifications:
                assert message.envelope.reverse_path is None
            for each in kept:
                assert each.state is not RecipientState.DELETED
            assert now() <= max(last, max(each.message.received_at for each in kept)) + EXPIRE_SECONDS + 500

    run(story)

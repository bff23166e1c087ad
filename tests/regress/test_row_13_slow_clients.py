"""Row 13: a client that sends an octet now and then keeps no session open (Slowloris)."""

import asyncio

from tests.regress.relay import INSIDE, INSIDER, relay, until


def test_row_13_a_trickle_of_content_does_not_move_the_deadline_but_a_slow_line_does() -> None:
    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{INSIDE}>\nDATA\n", 3)
            (visitor,) = running.listener.desk.visitors
            intake = visitor._serving  # type: ignore[attr-defined]
            before, taken = visitor.deadline, intake._fresh_octets
            for octet in b"Subject: slow":
                client.send(bytes([octet]))
            await until(lambda: intake._fresh_octets == taken + 13)
            assert visitor.deadline == before
            client.send(b"x" * 20_000)
            await until(lambda: visitor.deadline > before)
            running.listener.desk.sweep(visitor.deadline + 1)
            assert (await client.rest()).startswith("421 4.4.2")
            assert not running.spool.recipients

    asyncio.run(main())


def test_row_13_half_a_command_does_not_move_the_deadline() -> None:
    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            (visitor,) = running.listener.desk.visitors
            serving = visitor._serving  # type: ignore[attr-defined]
            before = visitor.deadline
            for octet in b"MAIL FROM:<a":
                client.send(bytes([octet]))
            await until(lambda: serving._fresh_octets == 12)
            assert visitor.deadline == before

    asyncio.run(main())

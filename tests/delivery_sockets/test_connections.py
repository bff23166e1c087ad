"""The connection cache, over real sockets."""

import asyncio

from staffetta.mail.outcome import Deferred, Delivered, Unknown
from tests.delivery_sockets.carrying import SHORT_SECONDS, Sender, consignment, run, settings_for
from tests.delivery_sockets.fake_hop import FakeHop, Fault


def test_the_next_message_uses_the_same_connection_and_no_rset():
    async def main():
        async with FakeHop().listening() as hop:
            sender = Sender(settings_for(hop))
            for _ in range(3):
                (outcome,) = await sender.send()
                assert isinstance(outcome, Delivered)
            await sender.couriers.close()
            await hop.closed.wait()
            assert hop.connections == 1 and len(hop.messages) == 3
            assert "RSET" not in hop.lines and hop.lines[-1] == "QUIT"

    run(main())


def test_after_a_refused_recipient_the_old_transaction_is_reset_first():
    async def main():
        hop = FakeHop(script=lambda step, line: b"550 5.1.1 no\r\n" if "<nobody@" in line else None)
        async with hop.listening():
            sender = Sender(settings_for(hop))
            await sender.send(consignment("nobody@example.org"))
            (outcome,) = await sender.send_and_close()
            assert isinstance(outcome, Delivered)
            await hop.closed.wait()
            verbs = [line.split()[0] for line in hop.lines]
            assert verbs == ["EHLO", "MAIL", "RCPT", "DATA", "RSET", "MAIL", "RCPT", "DATA", "QUIT"]
            assert hop.connections == 1

    run(main())


def test_messages_at_the_same_time_have_a_connection_each():
    async def main():
        async with FakeHop().listening() as hop:
            sender = Sender(settings_for(hop))
            outcomes = await asyncio.gather(*(sender.send() for _ in range(8)))
            assert all(isinstance(outcome, Delivered) for (outcome,) in outcomes)
            assert hop.connections == 8
            await sender.couriers.close()

    run(main())


def test_a_connection_serves_no_more_messages_than_the_settings_say():
    async def main():
        async with FakeHop().listening() as hop:
            sender = Sender(settings_for(hop, messages_per_connection_max=2))
            for _ in range(4):
                await sender.send()
            assert hop.connections == 2
            await sender.couriers.close()

    run(main())


def test_an_idle_connection_is_closed_with_quit():
    async def main():
        async with FakeHop().listening() as hop:
            sender = Sender(settings_for(hop, idle_connection_seconds=0.05))
            await sender.send()
            await hop.closed.wait()
            assert hop.lines[-1] == "QUIT"
            await sender.couriers.close()

    run(main())


def test_a_kept_connection_that_the_hop_closes_on_mail_is_replaced_silently_and_announced_once():
    for fault in (Fault.CLOSE, Fault.RESET, b"421 4.4.2 idle too long\r\n"):

        async def main(fault=fault):
            mails = iter([None, fault, None])
            hop = FakeHop(script=lambda step, line: next(mails) if step == "MAIL" else None)
            async with hop.listening():
                sender = Sender(settings_for(hop))
                await sender.send()
                (outcome,) = await sender.send_and_close()
                assert isinstance(outcome, Delivered)
                assert hop.connections == 2 and len(hop.messages) == 2
                assert sender.announced == ["127.0.0.1", "127.0.0.1"]

        run(main())


def test_a_kept_connection_that_was_closed_while_idle_is_not_used():
    async def main():
        hop = FakeHop()
        async with hop.listening():
            sender = Sender(settings_for(hop))
            await sender.send()
            hop.writers[0].close()
            await hop.writers[0].wait_closed()
            (outcome,) = await sender.send_and_close()
            assert isinstance(outcome, Delivered)
            assert hop.connections == 2

    run(main())


def test_a_lost_final_reply_on_a_kept_connection_is_unknown_and_not_sent_again():
    async def main():
        ends = iter([None, Fault.CLOSE])
        hop = FakeHop(script=lambda step, line: next(ends) if step == "CONTENT" else None)
        async with hop.listening():
            sender = Sender(settings_for(hop))
            await sender.send()
            (outcome,) = await sender.send_and_close()
            assert isinstance(outcome, Unknown)
            assert hop.connections == 1

    run(main())


def test_a_cancelled_attempt_closes_its_connection():
    async def main():
        hop = FakeHop(script=lambda step, line: Fault.SILENCE if step == "MAIL" else None)
        async with hop.listening():
            sender = Sender(settings_for(hop))
            task = asyncio.ensure_future(sender.send())
            await hop.mail_seen.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await hop.closed.wait()
            await sender.couriers.close()

    run(main())


def test_a_new_connection_that_fails_at_mail_is_not_tried_twice():
    async def main():
        hop = FakeHop(script=lambda step, line: Fault.CLOSE if step == "MAIL" else None)
        async with hop.listening():
            (outcome,) = await Sender(settings_for(hop, reply_timeout_seconds=SHORT_SECONDS)).send_and_close()
            assert isinstance(outcome, Deferred)
            assert hop.connections == 1

    run(main())

"""What we make of next hops that refuse, fall silent, break off or talk nonsense, at every stage."""

from collections.abc import AsyncIterator

import pytest

from staffetta.mail.outcome import Deferred, Delivered, Failed, Stage, Unknown
from staffetta.settings.roads import Transport
from tests.delivery_sockets.carrying import CONTENT, SHORT_SECONDS, Sender, consignment, run, settings_for
from tests.delivery_sockets.fake_hop import ALL_CAPABILITIES, FakeHop, Fault
from tests.ports import free_port

WITHOUT_PIPELINING = ("8BITMIME", "CHUNKING")
STAGES = {
    "CONNECT": Stage.GREETING,
    "EHLO": Stage.EHLO,
    "MAIL": Stage.MAIL,
    "RCPT": Stage.RCPT,
    "DATA": Stage.DATA,
    "CONTENT": Stage.FINAL_DOT,
}


def answering(answers):
    """A script that gives these answers, by step."""
    return lambda step, line: answers.get(step)


def attempt(answers, capabilities=ALL_CAPABILITIES, what=None, **options):
    """One attempt against one hop; return the outcomes."""

    async def main():
        hop = FakeHop(script=answering(answers), capabilities=capabilities)
        async with hop.listening():
            return await Sender(settings_for(hop, **options)).send_and_close(what)

    return run(main())


@pytest.mark.parametrize("capabilities", [ALL_CAPABILITIES, WITHOUT_PIPELINING])
@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "CONTENT"])
def test_a_4yz_about_the_message_defers_it_alone(step, capabilities):
    (outcome,) = attempt({step: b"451 4.3.2 come back\r\n"}, capabilities)
    assert isinstance(outcome, Deferred)
    assert (outcome.status, outcome.diagnostic) == ("4.3.2", "451 4.3.2 come back")
    assert (outcome.stage, outcome.is_remote_reply) == (STAGES[step], True)
    assert not outcome.is_destination_trouble


@pytest.mark.parametrize("capabilities", [ALL_CAPABILITIES, WITHOUT_PIPELINING])
@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "CONTENT"])
def test_a_5yz_about_the_message_fails_it(step, capabilities):
    (outcome,) = attempt({step: b"554-5.7.1 no\r\n554 5.7.1 really not\r\n"}, capabilities)
    assert isinstance(outcome, Failed)
    assert (outcome.status, outcome.diagnostic) == ("5.7.1", "554 5.7.1 no 5.7.1 really not")
    assert (outcome.stage, outcome.host) == (STAGES[step], "127.0.0.1")


@pytest.mark.parametrize("reply", [b"554 5.7.1 not you\r\n", b"450 4.7.1 not now\r\n"])
@pytest.mark.parametrize("step", ["CONNECT", "EHLO"])
def test_a_refused_session_is_trouble_of_the_destination_and_never_the_messages_end(step, reply):
    (outcome,) = attempt({step: reply, "HELO": reply})
    assert isinstance(outcome, Deferred)
    assert outcome.is_destination_trouble and outcome.is_remote_reply
    assert outcome.stage is STAGES[step]
    assert outcome.diagnostic == reply.decode().rstrip()
    assert outcome.status.startswith("4.")


@pytest.mark.parametrize("capabilities", [ALL_CAPABILITIES, WITHOUT_PIPELINING])
@pytest.mark.parametrize("step", STAGES)
def test_421_at_any_stage_is_trouble_of_the_destination(step, capabilities):
    (outcome,) = attempt({step: b"421 4.3.2 shutting down\r\n"}, capabilities)
    assert isinstance(outcome, Deferred)
    assert outcome.is_destination_trouble and outcome.is_remote_reply
    assert (outcome.status, outcome.stage) == ("4.3.2", STAGES[step])


@pytest.mark.parametrize("fault", [Fault.CLOSE, Fault.RESET, Fault.SILENCE, b"HTTP/1.1 400 Bad Request\r\n"])
@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
def test_a_hop_that_breaks_off_before_the_content_defers(step, fault):
    (outcome,) = attempt({step: fault}, reply_timeout_seconds=SHORT_SECONDS)
    assert isinstance(outcome, Deferred)
    assert outcome.is_destination_trouble and not outcome.is_remote_reply
    assert outcome.stage is STAGES[step]
    assert outcome.status in ("4.4.2", "4.5.0")
    assert outcome.address == "127.0.0.1"


@pytest.mark.parametrize("fault", [Fault.CLOSE, Fault.RESET, Fault.SILENCE, b"garbage\r\n", b"354 again?\r\n"])
def test_when_the_final_reply_is_lost_the_outcome_is_unknown(fault):
    (outcome,) = attempt({"CONTENT": fault}, reply_timeout_seconds=SHORT_SECONDS)
    assert isinstance(outcome, Unknown)
    assert outcome.stage is Stage.FINAL_DOT


def test_when_the_final_reply_is_lost_a_refused_recipient_is_still_refused():
    async def main():
        def script(step, line):
            if step == "CONTENT":
                return Fault.CLOSE
            return b"550 5.1.1 no\r\n" if "<nobody@" in line else None

        hop = FakeHop(script=script)
        async with hop.listening():
            what = consignment("a@example.org", "nobody@example.org")
            first, second = await Sender(settings_for(hop)).send_and_close(what)
        assert isinstance(first, Unknown) and isinstance(second, Failed)

    run(main())


def test_lmtp_recipients_with_a_final_reply_keep_it_when_the_rest_is_lost():
    async def main():
        replies = iter([b"250 2.1.5 stored\r\n", Fault.CLOSE])
        hop = FakeHop(script=lambda step, line: next(replies) if step == "CONTENT" else None, is_lmtp=True)
        async with hop.listening():
            sender = Sender(settings_for(hop, transport=Transport.LMTP))
            first, second = await sender.send_and_close(consignment("a@example.org", "b@example.org"))
        assert isinstance(first, Delivered) and isinstance(second, Unknown)

    run(main())


def test_250_instead_of_354_is_not_taken_for_an_invitation():
    (outcome,) = attempt({"DATA": b"250 2.0.0 ok\r\n"})
    assert isinstance(outcome, Deferred)
    assert (outcome.status, outcome.stage) == ("4.5.0", Stage.DATA)


def test_a_reply_without_end_is_bounded():
    (outcome,) = attempt({"EHLO": b"250-x\r\n" * 5000})
    assert isinstance(outcome, Deferred) and outcome.status == "4.5.0"
    (outcome,) = attempt({"EHLO": b"250 " + b"x" * 100_000})
    assert isinstance(outcome, Deferred) and outcome.status == "4.5.0"


def test_552_to_rcpt_without_more_means_too_many_recipients_for_now():
    (outcome,) = attempt({"RCPT": b"552 too many\r\n"})
    assert isinstance(outcome, Deferred)
    (outcome,) = attempt({"RCPT": b"552 5.2.2 over quota\r\n"})
    assert isinstance(outcome, Failed)


def test_a_hop_that_cannot_be_connected_to_is_trouble_and_the_next_one_is_tried():
    async def main():
        closed_port = free_port()
        (outcome,) = await Sender(settings_for(closed_port)).send_and_close()
        assert isinstance(outcome, Deferred) and outcome.is_destination_trouble
        assert (outcome.status, outcome.stage) == ("4.4.1", Stage.CONNECT)
        async with FakeHop().listening() as second:
            (outcome,) = await Sender(settings_for(closed_port, second)).send_and_close()
            assert isinstance(outcome, Delivered)

    run(main())


@pytest.mark.parametrize(
    "answers", [{"CONNECT": b"554 5.7.1 no\r\n"}, {"MAIL": b"421 4.3.2 no\r\n"}, {"RCPT": Fault.CLOSE}]
)
def test_the_next_hop_is_tried_where_the_first_is_of_no_use(answers):
    async def main():
        async with FakeHop(script=answering(answers)).listening() as first, FakeHop().listening() as second:
            (outcome,) = await Sender(settings_for(first, second)).send_and_close()
            assert isinstance(outcome, Delivered)
            assert [message.content for message in second.messages] == [CONTENT]

    run(main())


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_who_is_deferred_before_the_content_is_tried_at_the_next_hop(step):
    async def main():
        busy = FakeHop(script=answering({step: b"451 4.7.1 later\r\n"}), capabilities=())
        async with busy.listening() as first, FakeHop().listening() as second:
            (outcome,) = await Sender(settings_for(first, second)).send_and_close()
            assert isinstance(outcome, Delivered)
            assert first.messages == []

    run(main())


def test_only_those_who_were_deferred_are_tried_at_the_next_hop():
    def script(step, line):
        return (
            {"one": b"451 4.7.1 later\r\n", "two": b"550 5.1.1 no\r\n"}.get(line.partition("<")[2][:3])
            if step == "RCPT"
            else None
        )

    async def main():
        async with FakeHop(script=script).listening() as first, FakeHop().listening() as second:
            sender = Sender(settings_for(first, second))
            to = [f"{name}@example.org" for name in ("one", "two", "six")]
            outcomes = await sender.send_and_close(consignment(*to))
            assert [type(outcome) for outcome in outcomes] == [Delivered, Failed, Delivered]
            assert [len(message.recipients) for message in first.messages] == [1]
            assert [len(message.recipients) for message in second.messages] == [1]

    run(main())


def test_what_was_said_about_the_recipient_tells_more_than_a_dead_host():
    async def main():
        busy = FakeHop(script=answering({"RCPT": b"451 4.7.1 greylisted\r\n"}))
        async with busy.listening() as first:
            (outcome,) = await Sender(settings_for(first, free_port())).send_and_close()
            assert outcome.diagnostic == "451 4.7.1 greylisted"
            assert not outcome.is_destination_trouble

    run(main())


def test_the_answer_to_the_content_is_not_asked_for_elsewhere():
    async def main():
        busy = FakeHop(script=answering({"CONTENT": b"451 4.3.0 later\r\n"}))
        async with busy.listening() as first, FakeHop().listening() as second:
            (outcome,) = await Sender(settings_for(first, second)).send_and_close()
            assert outcome.diagnostic == "451 4.3.0 later"
            assert second.connections == 0

    run(main())


def test_a_hop_in_trouble_is_not_waited_for_by_the_next_message():
    async def main():
        dead = FakeHop(script=answering({"CONNECT": b"421 4.3.2 no\r\n"}))
        async with dead.listening() as first, FakeHop().listening() as second:
            sender = Sender(settings_for(first, second))
            for _ in range(3):
                (outcome,) = await sender.send()
                assert isinstance(outcome, Delivered)
            await sender.couriers.close()
            assert first.connections == 1
            assert [state.is_up for state in sender.couriers.hops.states()].count(False) == 1

    run(main())


def test_what_a_hop_says_about_the_recipient_is_not_asked_again_elsewhere():
    async def main():
        refusing = FakeHop(script=answering({"RCPT": b"550 5.1.1 no\r\n"}))
        async with refusing.listening() as first, FakeHop().listening() as second:
            (outcome,) = await Sender(settings_for(first, second)).send_and_close()
            assert isinstance(outcome, Failed)
            assert second.connections == 0

    run(main())


class EndlessContent:
    """Content that a hop may refuse in the middle; it waits for that, a piece at a time."""

    size = 1 << 30
    whole = None

    async def chunks(self) -> AsyncIterator[bytes]:
        for _ in range(4096):
            yield b"0123456789abcde\r\n" * 15_000


@pytest.mark.parametrize("reply", [b"552 5.3.4 too large\r\n", b"451 4.3.1 disk full\r\n"])
def test_content_refused_in_its_middle_is_not_sent_to_its_end(reply):
    async def main():
        hop = RefusingInData(reply)
        async with hop.listening():
            sender = Sender(settings_for(hop))
            (outcome,) = await sender.send_and_close(consignment(content=EndlessContent()))
        assert isinstance(outcome, Failed if reply.startswith(b"5") else Deferred)
        assert (outcome.diagnostic, outcome.stage) == (reply.decode().strip(), Stage.DATA)

    run(main())


class RefusingInData(FakeHop):
    """Says 354, reads a little, refuses, and waits for the other side to give up."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(capabilities=("PIPELINING",))
        self.refusal = reply

    async def _serve(self, reader, writer):
        writer.write(b"220 hop\r\n")
        await reader.readuntil(b"EHLO relay.example\r\n")
        writer.write(b"250-hop\r\n250 PIPELINING\r\n")
        await reader.readuntil(b"DATA\r\n")
        writer.write(b"250 ok\r\n250 ok\r\n354 go\r\n")
        await reader.readexactly(1_000_000)
        writer.write(self.refusal)
        while await reader.read(1 << 20):
            pass
        writer.close()


def test_a_reset_in_the_middle_of_streamed_content_defers_since_the_dot_was_not_sent():
    class Resetting(RefusingInData):
        async def _serve(self, reader, writer):
            writer.write(b"220 hop\r\n")
            await reader.readuntil(b"EHLO relay.example\r\n")
            writer.write(b"250-hop\r\n250 PIPELINING\r\n")
            await reader.readuntil(b"DATA\r\n")
            writer.write(b"250 ok\r\n250 ok\r\n354 go\r\n")
            await reader.readexactly(1_000_000)
            writer.transport.abort()

    async def main():
        hop = Resetting(b"")
        async with hop.listening():
            (outcome,) = await Sender(settings_for(hop)).send_and_close(consignment(content=EndlessContent()))
        assert isinstance(outcome, Deferred)
        assert (outcome.status, outcome.stage) == ("4.4.2", Stage.DATA)

    run(main())


@pytest.mark.parametrize("good_bye", [b"421 4.3.2 shutting down\r\n", None])
def test_content_that_was_never_written_is_not_unknown(good_bye):
    """With BDAT there is a moment between the accepted RCPT and the content: the attempt is being written down."""

    async def main():
        hop = FakeHop()
        async with hop.listening():
            sender = Sender(settings_for(hop))

            async def before_data(contact):
                if good_bye:
                    hop.writers[0].write(good_bye)
                hop.writers[0].write_eof()
                await hop.closed.wait()  # it has seen our end close

            what = consignment(content=b"Subject: x\r\n\r\n" + b"x\r\n" * 20_000)
            (outcome,) = await sender.couriers(what, before_data)
            await sender.couriers.close()
        assert isinstance(outcome, Deferred) and outcome.is_destination_trouble
        assert not any(line.startswith("BDAT") for line in hop.lines)

    run(main())

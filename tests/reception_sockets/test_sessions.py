"""Sessions over real sockets: what is kept, what is answered, and when."""

import asyncio
import datetime
import ipaddress
import ssl

import pytest

from staffetta.mail.content import MemoryContent
from staffetta.net.tls import ServerContext, self_signed
from staffetta.spool.content import FileDraft
from staffetta.spool.memory import MemorySpool
from staffetta.spool.spool import NewMessage
from tests.reception_sockets.dialog import Bench, listening, run

ENVELOPE = "MAIL FROM:<a@contoso.test>\nRCPT TO:<b@contoso.test>\n"
MESSAGE = "Message-ID: <1@contoso.test>\nSubject: x\n\nhello\n"
CONTENT = MESSAGE.replace("\n", "\r\n").encode()


class SlowSpool(MemorySpool):
    """Commits when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting, self.let, self.kept = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def commit(self, message: NewMessage) -> None:
        self.waiting.set()
        await self.let.wait()
        await super().commit(message)
        self.kept.set()


class BrokenSpool(MemorySpool):
    """Has a bug."""

    async def commit(self, message: NewMessage) -> None:
        raise RuntimeError("a bug")


def octets_of(message: NewMessage) -> bytes:
    assert isinstance(message.content, MemoryContent)
    return message.content.octets


def test_a_message_is_kept_as_it_came_below_our_trace_field():
    async def main():
        async with listening() as bench:
            client = await bench.greeted()
            replies = await client.say(ENVELOPE + "DATA\n", 3)
            assert [text[:3] for text in replies] == ["250", "250", "354"]
            (queued,) = await client.say(MESSAGE + ".\n")
            (message,) = bench.messages
            assert queued.startswith("250 2.6.0 <1@contoso.test>")
            fields, _, content = octets_of(message).partition(b"Message-ID:")
            assert b"Message-ID:" + content == CONTENT
            assert fields.startswith(b"Received: from client.example (127.0.0.1)\r\n by relay.contoso.test (127.0.0.1)")
            assert b" with ESMTP id " in fields
            assert (message.message_id, message.subject, message.helo) == ("<1@contoso.test>", "x", "client.example")
            (event,) = bench.spool.events[message.number]
            assert (event.kind, event.detail["size"], event.detail["peer"]) == ("Receive", len(CONTENT), "127.0.0.1")

    run(main)


def test_nothing_is_said_before_the_commit_and_pipelined_input_waits():
    async def main():
        spool = SlowSpool()
        async with listening(spool) as bench:
            client = await bench.greeted()
            await client.say(ENVELOPE + "DATA\n", 3)
            client.send(CONTENT + b".\r\nNOOP\r\n")
            await spool.waiting.wait()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.reader.read(1)
            spool.let.set()
            assert (await client.reply()).startswith("250 2.6.0")
            assert (await client.reply()).startswith("250")
            assert len(bench.messages) == 1

    run(main)


def test_a_message_is_kept_even_when_the_client_goes_during_the_commit():
    async def main():
        spool = SlowSpool()
        async with listening(spool) as bench:
            client = await bench.greeted()
            await client.say(ENVELOPE + "DATA\n", 3)
            client.send(CONTENT + b".\r\n")
            await spool.waiting.wait()
            client.writer.transport.abort()
            await wait_for_nobody(bench)
            spool.let.set()
            await asyncio.wait_for(spool.kept.wait(), 5)
            assert len(bench.messages) == 1

    run(main)


async def wait_for_nobody(bench: Bench) -> None:
    await bench.listener.desk.wait_until_empty(5)
    assert not bench.listener.desk.visitors and not bench.listener.desk.crowd.per_network


def test_large_content_flows_to_a_draft():
    async def main():
        async with listening(content_in_memory_octets_max=1000) as bench:
            client = await bench.greeted()
            await client.say(ENVELOPE + "DATA\n", 3)
            body = CONTENT + b"0123456789abcdef\r\n" * 40_000
            client.send(body + b".\r\n")
            assert (await client.reply()).startswith("250")
            (message,) = bench.messages
            assert octets_of(message).endswith(b"\r\n" + body)
            assert message.subject == "x"

    run(main)


def test_a_recipient_named_twice_is_kept_once():
    async def main():
        async with listening() as bench:
            client = await bench.greeted()
            await client.say(ENVELOPE + "RCPT TO:<b@CONTOSO.test>\nRCPT TO:<c@contoso.test>\nDATA\n", 5)
            await client.say(MESSAGE + ".\n")
            (message,) = bench.messages
            assert [str(each.mailbox) for each in message.envelope.recipients] == ["b@contoso.test", "c@contoso.test"]
            assert tuple(each.recipient for each in message.recipients) == message.envelope.recipients

    run(main)


def test_spool_trouble_is_told_at_mail_and_at_the_commit():
    async def main():
        async with listening() as bench:
            client = await bench.greeted()
            await client.say(ENVELOPE + "DATA\n", 3)
            bench.spool.trouble = "disk full"
            (answer,) = await client.say(MESSAGE + ".\n")
            assert answer.startswith("452 4.3.1")
            (answer,) = await client.say("MAIL FROM:<a@contoso.test>\n")
            assert answer.startswith("452 4.3.1")
            bench.spool.trouble = None
            await client.say(ENVELOPE + "DATA\n", 3)
            assert (await client.say(MESSAGE + ".\n"))[0].startswith("250")
            assert [refusal.reason for refusal in bench.spool.refusals] == ["spool trouble"] * 2

    run(main)


@pytest.mark.parametrize(
    ("limits", "content", "code", "reason"),
    [
        ({"received_max": 2}, "Received: x\n" * 3 + MESSAGE, "554 5.4", "loop"),
        ({"header_octets_max": 100}, "Subject: " + "x" * 200 + "\n\nbody\n", "552 5.3.4", "header too large"),
        (
            {"header_octets_max": 100, "content_in_memory_octets_max": 50},
            "Subject: " + "x" * 200 + "\n\nbody\n",
            "552 5.3.4",
            "header too large",
        ),
    ],
)
def test_content_that_cannot_be_taken_is_refused_by_name(limits, content, code, reason):
    async def main():
        async with listening(**limits) as bench:
            client = await bench.greeted()
            await client.say(ENVELOPE + "DATA\n", 3)
            (answer,) = await client.say(content + ".\n")
            assert answer.startswith(code)
            assert [refusal.reason for refusal in bench.spool.refusals] == [reason]
            assert not bench.messages
            assert (await client.say("NOOP\n"))[0].startswith("250")

    run(main)


def test_starttls_then_a_message_says_so_in_received():
    async def main():
        tls = ServerContext.load(*self_signed("relay.contoso.test", datetime.datetime.now(datetime.UTC)))
        async with listening(tls=tls) as bench:
            client = await bench.greeted()
            assert (await client.say("STARTTLS\n"))[0].startswith("220")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            await client.writer.start_tls(context)
            await client.say("EHLO again.example\n")
            await client.say(ENVELOPE + "DATA\n", 3)
            await client.say(MESSAGE + ".\n")
            (message,) = bench.messages
            assert b"Received: from again.example " in octets_of(message)
            assert b" with ESMTPS\r\n (version=TLS1_3, cipher=TLS_" in octets_of(message)
            client.send(b"QUIT\r\n")
            assert (await client.rest()).startswith("221")

    run(main)


def test_a_broken_handshake_ends_the_connection_only():
    async def main():
        tls = ServerContext.load(*self_signed("relay.contoso.test", datetime.datetime.now(datetime.UTC)))
        async with listening(tls=tls) as bench:
            client = await bench.greeted()
            await client.say("STARTTLS\n")
            client.send(b"MAIL FROM:<a@contoso.test>\r\n")
            async with asyncio.timeout(5):
                await client.reader.read()
            await wait_for_nobody(bench)
            await bench.greeted()

    run(main)


def test_too_many_connections_of_an_address_get_421_at_once():
    async def main():
        async with listening(connections_per_known_address_max=1) as bench:
            first = await bench.greeted()
            second = await bench.connect()
            assert (await second.rest()).startswith("421 4.7.0")
            first.send(b"QUIT\r\n")
            await first.rest()
            await wait_for_nobody(bench)
            await bench.greeted()

    run(main)


def test_a_silent_client_gets_421_when_the_sweep_comes():
    async def main():
        async with listening() as bench:
            client = await bench.greeted()
            (visitor,) = bench.listener.desk.visitors
            bench.listener.desk.sweep(visitor.deadline - 1)
            assert (await client.say("NOOP\n"))[0].startswith("250")
            bench.listener.desk.sweep(visitor.deadline + 1)
            assert (await client.rest()).startswith("421 4.4.2")

    run(main)


def test_draining_sends_the_idle_away_and_lets_a_transaction_finish():
    async def main():
        async with listening() as bench:
            idle, busy = await bench.greeted(), await bench.greeted()
            await busy.say(ENVELOPE + "DATA\n", 3)
            draining = asyncio.create_task(bench.listener.drain(10))
            assert (await idle.rest()).startswith("421 4.3.2")
            assert (await busy.say(MESSAGE + ".\n"))[0].startswith("250 2.6.0")
            assert (await busy.rest()).startswith("421 4.3.2")
            await draining
            assert len(bench.messages) == 1

    run(main)


def test_an_error_of_ours_ends_one_session_with_421():
    async def main():
        async with listening(BrokenSpool()) as bench:
            client = await bench.greeted()
            other = await bench.greeted()
            await client.say(ENVELOPE + "DATA\n", 3)
            (answer,) = await client.say(MESSAGE + ".\n")
            assert answer.startswith("421 4.3.0")
            assert (await other.say("NOOP\n"))[0].startswith("250")

    run(main)


def test_a_commit_with_an_error_of_ours_leaves_no_file(tmp_path):
    class Broken(BrokenSpool):
        def open_draft(self):
            return FileDraft(tmp_path, octets_in_memory_max=10)

    async def main():
        async with listening(Broken(), content_in_memory_octets_max=10) as bench:
            client = await bench.greeted()
            await client.say(ENVELOPE + "DATA\n", 3)
            assert list(tmp_path.iterdir()) == []
            client.send(CONTENT + b".\r\n")
            assert (await client.reply()).startswith("421 4.3.0")
            assert list(tmp_path.iterdir()) == []

    run(main)


@pytest.mark.parametrize("proxies", ["127.0.0.0/8", "::ffff:127.0.0.0/104"])
def test_a_named_proxy_speaks_for_its_client(proxies):
    async def main():
        async with listening(declared={"proxy_protocol_from": (proxies,)}) as bench:
            client = await bench.connect()
            client.send(b"PROXY TCP4 203.0.113.7 192.0.2.9 4000 25\r\nEHLO c.example\r\n")
            assert (await client.reply()).startswith("220")
            await client.reply()
            await client.say(ENVELOPE + "DATA\n", 3)
            await client.say(MESSAGE + ".\n")
            (message,) = bench.messages
            assert message.peer_address == "203.0.113.7"
            assert b"(203.0.113.7)\r\n by relay.contoso.test (192.0.2.9)" in octets_of(message)
            assert list(bench.listener.desk.crowd.per_network) == [int(ipaddress.ip_address("203.0.113.7"))]

    run(main)


def test_a_named_proxy_without_its_header_is_closed_without_a_word():
    async def main():
        async with listening(declared={"proxy_protocol_from": ("127.0.0.1",)}) as bench:
            client = await bench.connect()
            client.send(b"EHLO c.example\r\n")
            assert await client.rest() == ""
            late, other = await bench.connect(), await bench.connect()
            other.send(b"PROXY UNKNOWN\r\n")
            assert (await other.reply()).startswith("220")  # so the one before it has been taken, too
            bench.listener.desk.sweep(float("inf"))
            assert await late.rest() == ""
            assert (await other.rest()).startswith("421 4.4.2")

    run(main)

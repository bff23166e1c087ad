"""Rows 14 and 15: whatever is too large is refused in step and held in bounded memory; long lines pass unchanged."""

import asyncio
import tracemalloc

import pytest

from staffetta.smtp.body import LINE_OCTETS_MAX
from tests.regress.relay import INSIDE, INSIDER, OUTSIDER, relay

MIB = 1024 * 1024
MEMORY_OCTETS_MAX = 4 * MIB  # far below what is sent


async def fed(client, piece: bytes, times: int) -> None:
    for _ in range(times):
        client.send(piece)
        await client.writer.drain()


def peak_of(main) -> int:
    tracemalloc.start()
    try:
        asyncio.run(main())
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_row_14_a_command_line_without_end_is_not_kept() -> None:
    """20 MiB of one command line: 500 5.5.2 once it ends, and the session is in step."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            await fed(client, b"x" * MIB, 20)
            client.send(b"\r\nNOOP\r\n")
            assert (await client.reply()).startswith("500 5.5.2") and (await client.reply()).startswith("250")

    assert peak_of(main) < MEMORY_OCTETS_MAX


@pytest.mark.parametrize("piece", [b"x" * 78 + b"\r\n", b"x" * 80], ids=["lines", "one line"])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["data", "bdat"])
def test_row_14_a_body_over_size_is_read_to_its_end_and_refused(piece: bytes, is_chunked: bool) -> None:
    """552 5.3.4 after the end of the content; nothing of it is kept."""
    octets = piece * (MIB // 80)

    async def main() -> None:
        async with relay(limits={"message_octets_max": 100_000}) as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{INSIDE}>\n", 2)
            if is_chunked:
                client.send(b"BDAT %d LAST\r\n" % (20 * len(octets)))
                await fed(client, octets, 20)
            else:
                await client.say("DATA\n")
                await fed(client, octets, 20)
                client.send(b"\r\n.\r\n")
            assert (await client.reply()).startswith("552 5.3.4")
            assert (await client.say("NOOP\n"))[0].startswith("250")
            assert not running.spool.recipients and running.reasons == ["message too large"]

    assert peak_of(main) < MEMORY_OCTETS_MAX


def test_row_14_a_declared_size_over_the_limit_is_refused_at_mail() -> None:
    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            for size in ("157286401", "99999999999999999999"):
                assert (await client.say(f"MAIL FROM:<{INSIDER}> SIZE={size}\n"))[0].startswith("552 5.3.4")

    asyncio.run(main())


@pytest.mark.parametrize("end", ["\n\nx\n", "\n"], ids=["with body", "without end"])
def test_row_14_a_header_section_over_the_limit_is_refused(end: str) -> None:
    """One field or many: 552 5.3.4, also where the section has no end."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            for header in ("Subject: " + "x" * 70_000 + "\n" + "X-A: b\n" * 40_000, "X: " + "\n y" * 90_000):
                await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{INSIDE}>\nDATA\n", 3)
                client.send((header + end + ".\n").replace("\n", "\r\n").encode())
                assert (await client.reply())[:9] in ("552 5.3.4", "554 5.6.0")
            assert not running.spool.recipients

    asyncio.run(main())


def test_row_14_one_recipient_too_many_gets_452_and_the_others_their_mail() -> None:
    """The limit is never below 100 (RFC 5321 §4.5.3.1.8), and 452 closes no session however often it is said."""

    async def main() -> None:
        async with relay(limits={"recipients_max": 100}) as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}>\n")
            replies = await client.say("".join(f"RCPT TO:<user{n}@contoso.test>\n" for n in range(150)), 150)
            assert [reply[:9] for reply in replies] == ["250 2.1.5"] * 100 + ["452 4.5.3"] * 50
            await client.say("DATA\n")
            assert (await client.say("Subject: x\n\nx\n.\n"))[0].startswith("250")
            await running.settled()
            assert sum(len(message.recipients) for message in running.left()) == 100

    asyncio.run(main())


def test_row_14_a_client_that_reads_nothing_is_read_no_further() -> None:
    """Replies that nobody reads do not pile up: the client is stopped long before its commands are all taken."""

    async def main() -> None:
        async with relay(limits={"idle_commands_max": 1_000_000}) as running:
            client = await running.connect()
            client.reader._transport.pause_reading()  # type: ignore[attr-defined]
            sent = 0
            for _ in range(400):
                client.send(b"NOOP\r\n" * 20_000)
                sent += 120_000
                try:
                    async with asyncio.timeout(0.2):
                        await client.writer.drain()
                except TimeoutError:
                    break
            else:
                raise AssertionError("48 MB of commands were taken without a reply being read")
            client.writer.transport.abort()

    assert peak_of(main) < 40 * MIB


@pytest.mark.parametrize("length", [998, 999, 1000, 2048, 4096, 10_000, LINE_OCTETS_MAX - 2])
@pytest.mark.parametrize("capabilities", [("PIPELINING",), ("PIPELINING", "CHUNKING")], ids=["data", "bdat"])
def test_row_15_long_lines_pass_unchanged(length: int, capabilities: tuple[str, ...]) -> None:
    """They are never folded: that would break a signature."""
    content = b"X-Long: " + b"h" * (length - 8) + b"\r\n\r\n" + b"b" * length + b"\r\n." + b"d" * (length - 1) + b"\r\n"

    async def main() -> None:
        async with relay(capabilities=capabilities) as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\nDATA\n", 3)
            client.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            assert (await client.reply()).startswith("250")
            await running.settled()
            (message,) = running.left()
            assert message.content.endswith(b" +0000\r\n" + content)

    asyncio.run(main())


def test_row_15_an_endless_line_is_refused_openly() -> None:
    """554 5.6.0 and no fold."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\nDATA\n", 3)
            client.send(b"Subject: x\r\n\r\n" + b"y" * (LINE_OCTETS_MAX + 1) + b"\r\n.\r\n")
            assert (await client.reply()).startswith("554 5.6.0")
            assert not running.spool.recipients

    asyncio.run(main())

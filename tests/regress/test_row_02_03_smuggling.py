"""Rows 2 and 3: SMTP smuggling, both ways (SEC Consult 2023; CVE-2023-51764, -51765, -51766, CVE-2024-27305)."""

import asyncio
import itertools
import re

import pytest

from staffetta.delivery.transport import CHUNKED_OCTETS_MIN
from tests.regress.relay import INSIDER, OUTSIDER, Running, relay

SECOND = (
    b"MAIL FROM:<ceo@contoso.test>\r\nRCPT TO:<victim@outside.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
)
LINE_ENDS = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\0\n")
PRETENDED_ENDS = [
    before + b"." + after
    for before, after in itertools.product(LINE_ENDS, LINE_ENDS)
    if (before, after) != (b"\r\n", b"\r\n") and not (before.endswith(b"\r\n") and after == b"\r\n")
] + [
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\x85.\x85",
    b"\x0b.\x0b",
    b"\x0c.\x0c",
    b"\x1c.\x1c",
    b"\xe2\x80\xa8.\xe2\x80\xa8",
]
CAPABILITIES = {"data": ("PIPELINING", "8BITMIME"), "bdat": ("PIPELINING", "8BITMIME", "CHUNKING")}
FILLING = (b"x" * 78 + b"\r\n") * (CHUNKED_OCTETS_MIN // 80 + 1)  # so much that BDAT is worth while
HARMLESS = [
    b"",
    b".",
    b"..",
    b".\r\n..\r\n...\r\n.x\r\n..x",
    b"x\r\n.",
    b"\r\n\r\n.\r\n\r\n",
    b".MAIL FROM:<a@b.example>\r\n.RCPT TO:<c@d.example>",
    b"x\x0b.\x0b\x0c.\x0cMAIL FROM:<a@b.example>\x1c.\x1c\xc2\x85.\xc2\x85y",
    b"\xe2\x80\xa8.\xe2\x80\xa8MAIL FROM:<a@b.example>",
    b". \r\n .\r\n.\t\r\n",
]


async def opened(running: Running):
    client = await running.connect()
    await client.say(f"MAIL FROM:<{INSIDER}> BODY=8BITMIME\nRCPT TO:<{OUTSIDER}>\n", 2)
    return client


def content_on_wire(wire: bytes) -> bytes:
    """Return the octets between DATA's or BDAT's line and the QUIT or end after it, as they travelled."""
    chunk = re.search(rb"BDAT (\d+) LAST\r\n", wire)
    if chunk:
        return wire[chunk.end() : chunk.end() + int(chunk[1])]
    return wire.partition(b"DATA\r\n")[2].removesuffix(b"QUIT\r\n")


def assert_canonical(wire: bytes) -> None:
    assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n")
    assert b"\0" not in wire


@pytest.mark.parametrize("pretended", PRETENDED_ENDS, ids=repr)
def test_row_02_no_pretended_end_of_data_lets_a_second_message_in(pretended: bytes) -> None:
    """Only CRLF . CRLF ends DATA; what looks like another end is refused, or passes as one message's content."""

    async def main() -> None:
        async with relay(capabilities=CAPABILITIES["data"]) as running:
            client = await opened(running)
            await client.say("DATA\n")
            client.send(b"Subject: first\r\n\r\nx" + pretended + SECOND)
            answer = await client.reply()
            await running.settled()
            is_bare = pretended.count(b"\r") != pretended.count(b"\r\n") or pretended.count(b"\n") != pretended.count(
                b"\r\n"
            )
            if is_bare or b"\0" in pretended:
                assert answer.startswith("55") and not running.spool.recipients, answer
            else:
                assert answer.startswith("250") and len(running.stored()) == 1
            assert [message.mail for message in running.left() if "ceo@" in message.mail] == []
            assert_canonical(running.outside.wire)

    asyncio.run(main())


@pytest.mark.parametrize("is_chunked_in", [False, True], ids=["data in", "bdat in"])
@pytest.mark.parametrize("out", ["data", "bdat"])
@pytest.mark.parametrize("body", HARMLESS, ids=repr)
def test_row_02_what_leaves_has_crlf_line_ends_and_exact_dots(is_chunked_in: bool, out: str, body: bytes) -> None:
    """Whatever was accepted, by DATA or BDAT, reaches the next hop as one message with the same octets."""
    filling = FILLING if out == "bdat" else b""
    content = b"Subject: dots\r\n\r\n" + filling + body + b"\r\n"

    async def main() -> None:
        async with relay(capabilities=CAPABILITIES[out]) as running:
            client = await opened(running)
            if is_chunked_in:
                client.send(b"BDAT %d LAST\r\n" % len(content) + content)
            else:
                await client.say("DATA\n")
                client.send((b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n")
            assert (await client.reply()).startswith("250")
            await running.settled()
            (message,) = running.left()
            assert message.content.endswith(b" +0000\r\n" + content)
            wire = running.outside.wire
            assert_canonical(wire)
            if out == "data":
                travelled = content_on_wire(wire)
                assert travelled.index(b"\r\n.\r\n") + 5 == len(travelled), "the end of data comes once, at the end"
                assert not re.search(rb"\r\n\.(?!\.|\r\n$)", travelled), "every leading dot is doubled"
            else:
                assert b"DATA\r\n" not in wire and content_on_wire(wire) == message.content

    asyncio.run(main())


@pytest.mark.parametrize(
    "bare", [b"\n", b"\r", b"\r\r\n", b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"x\0y"], ids=repr
)
@pytest.mark.parametrize("cut", [None, 1, 2, 3], ids=lambda cut: f"cut {cut}")
def test_row_03_bdat_takes_no_bare_line_end_and_no_nul(bare: bytes, cut: int | None) -> None:
    """However the content is cut into chunks, between CR and LF too (RFC 3030 §3: only BINARYMIME has other lines)."""
    content = b"Subject: x\r\n\r\nx" + bare + b"MAIL FROM:<ceo@contoso.test>\r\n"

    async def main() -> None:
        async with relay() as running:
            client = await opened(running)
            size = cut or len(content)
            chunks = [content[at : at + size] for at in range(0, len(content), size)]
            for chunk in chunks[:-1]:
                client.send(b"BDAT %d\r\n" % len(chunk) + chunk)
                assert (await client.reply()).startswith("250")
            client.send(b"BDAT %d LAST\r\n" % len(chunks[-1]) + chunks[-1])
            assert (await client.reply())[:3] in ("550", "554")
            assert (await client.say("NOOP\n"))[0].startswith("250")
            assert not running.spool.recipients

    asyncio.run(main())


def test_row_03_an_end_of_data_within_a_chunk_is_content_and_stays_it_when_sent_by_data() -> None:
    """CRLF . CRLF and a second transaction inside a chunk leave as stuffed content (BDAT smuggling)."""
    content = b"Subject: first\r\n\r\nx\r\n.\r\n" + SECOND

    async def main() -> None:
        async with relay(capabilities=CAPABILITIES["data"]) as running:
            client = await opened(running)
            client.send(b"BDAT %d LAST\r\n" % len(content) + content)
            assert (await client.reply()).startswith("250")
            await running.settled()
            (message,) = running.left()
            assert message.content.endswith(content) and OUTSIDER in message.recipients[0]
            assert b"\r\n..\r\nMAIL FROM:<ceo@contoso.test>" in running.outside.wire

    asyncio.run(main())


@pytest.mark.parametrize("size", ["-1", "+1", "1e3", "0x10", "1_0", "\u0661", "", "1 FIRST", "1 LAST LAST", "9" * 21])
def test_row_03_a_chunk_of_unreadable_size_ends_the_session(size: str) -> None:
    """Nobody knows where the chunk ends, so that nothing after it may be taken for a command."""

    async def main() -> None:
        async with relay() as running:
            client = await opened(running)
            client.send(f"BDAT {size}\r\n".encode() + SECOND)
            rest = await client.rest()
            assert rest.startswith("421 ") and rest.count("\r\n") == 1
            assert not running.spool.recipients

    asyncio.run(main())


def test_row_03_a_refused_chunk_is_thrown_away_not_obeyed() -> None:
    """A chunk without a recipient is read to its end, and the session is in step afterwards."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            client.send(b"BDAT %d LAST\r\n" % len(SECOND) + SECOND + b"NOOP\r\n")
            assert (await client.reply()).startswith("503") and (await client.reply()).startswith("250")
            assert not running.spool.recipients

    asyncio.run(main())

"""Smuggling outward: whatever octets a client sent, what leaves for the next hop has CRLF alone and dots as they were.

A strict reader of its own, with no line of ours in it, reads what would go over the wire.
"""

import asyncio
from collections.abc import Sequence

from hypothesis import event, example, given
from hypothesis import strategies as st

from staffetta.delivery.conversion import to_seven_bit
from staffetta.delivery.mime_walk import ConversionError
from staffetta.mail.content import MemoryContent
from staffetta.settings.model import Limits
from staffetta.smtp import reply
from staffetta.smtp.events import ContentEnd, ContentPart, ContentStart, Mail, Rcpt, Want
from staffetta.smtp.reply import Reply
from staffetta.smtp.server import ServerSession
from staffetta.smtp.stuffing import FINAL_DOT, DotStuffer, stuff

NOT_TAKEN = Reply(554, "6.0", "not so")
ENVELOPE = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n"
START = b"EHLO client.example\r\n" + ENVELOPE + b"DATA\r\n"


def accepted(octets: bytes) -> list[bytes]:
    """Return the contents that our server takes from a client that sends these octets after DATA."""
    server = ServerSession(
        hostname="server.example",
        client_address="192.0.2.1",
        limits=Limits(),
        is_tls_offered=False,
        session_id="test",
        postmaster_domain="server.example",
    )
    server.greet()
    server.receive(START + octets)
    taken, content = [], b""
    while not isinstance(found := server.next_event(), Want):
        match found:
            case Mail():
                server.answer(reply.SENDER_OK)
            case Rcpt():
                server.answer(reply.RECIPIENT_OK)
            case ContentStart(is_chunked):
                content = b""
                server.answer(reply.OK if is_chunked else reply.START_MAIL_INPUT)
            case ContentPart(part):
                content += part
            case ContentEnd(fault=fault):
                if fault is None:
                    taken.append(content)
                server.answer(reply.OK if fault is None else NOT_TAKEN)
    return taken


def read_strictly(wire: bytes) -> bytes:
    """Return the one content that a wire holds, its dots removed. No end of a line but CRLF, no end of data before."""
    *lines, rest = wire.split(b"\r\n")
    assert rest == b""
    for line in lines:
        assert b"\r" not in line and b"\n" not in line, line
    assert lines.count(b".") == 1 and lines[-1] == b".", lines
    for line in lines[:-1]:
        assert not line.startswith(b".") or line.startswith(b".."), line
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:-1])


def in_pieces(content: bytes, sizes: Sequence[int]) -> bytes:
    stuffer, wire, start, turn = DotStuffer(), b"", 0, 0
    while start < len(content):
        size = sizes[turn % len(sizes)]
        wire += stuffer.stuff(content[start : start + size])
        start, turn = start + size, turn + 1
    return wire + stuffer.end() + FINAL_DOT


def converted(content: bytes) -> bytes | None:
    """As for a next hop without 8BITMIME; None where it cannot be."""
    try:
        whole = asyncio.run(to_seven_bit(MemoryContent(content))).whole
    except ConversionError:
        return None
    assert whole is not None and whole.isascii()
    return whole


bits = st.sampled_from(
    [
        b"\r",
        b"\n",
        b"\r\n",
        b".",
        b"\r\n.\r\n",
        b"\n.\n",
        b"\r.\r",
        b"\r\n.\n",
        b"\0",
        b"a",
        b"\xc3\xa9",
        b"\x85",
        b"\x0b",
        b"Subject: x\r\n\r\n",
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n",
        ENVELOPE,
        b"DATA\r\n",
        b"BDAT 3\r\n",
        b"BDAT 5 LAST\r\n",
        b"=\r\n",
        b"     ",
    ]
)
wild = st.lists(st.one_of(bits, st.binary(max_size=6)), max_size=30).map(b"".join)
# Most of what is wild is refused: lines of good form, so that much is taken too.
orderly = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"x.", b"\xc3\xa9.", b". ", b"..."]), max_size=12).map(
    lambda lines: b"".join(line + b"\r\n" for line in lines)
)


@given(st.one_of(wild, orderly, st.tuples(orderly, wild).map(b"".join)), st.lists(st.integers(1, 7), min_size=1))
@example(b"x\r\n.\n\r\n", [1])
@example(b"..\r\n...\r\n.x", [1])
def test_what_leaves_is_one_message_with_the_octets_that_were_taken(octets, sizes):
    contents = accepted(octets + b"\r\n.\r\n")
    event(f"{len(contents)} taken")
    for content in contents:
        expected = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
        assert read_strictly(stuff(content) + FINAL_DOT) == expected
        assert read_strictly(in_pieces(content, sizes)) == expected
        if (seven_bit := converted(content)) is not None:
            read_strictly(stuff(seven_bit) + FINAL_DOT)


@given(st.lists(st.one_of(wild, orderly), min_size=1, max_size=4))
def test_what_came_in_chunks_leaves_so_too(chunks):
    """BDAT has no line ends of its own: a line end that is no CRLF is refused there as well."""
    commands = b".\r\nRSET\r\n" + ENVELOPE
    for octets in chunks[:-1]:
        commands += b"BDAT %d\r\n" % len(octets) + octets
    last = chunks[-1]
    for content in accepted(commands + b"BDAT %d LAST\r\n" % len(last) + last):
        expected = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
        assert read_strictly(stuff(content) + FINAL_DOT) == expected

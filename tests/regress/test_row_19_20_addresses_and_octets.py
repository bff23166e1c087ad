"""Rows 19, 20: octets in are octets out, in addresses (CVE-2019-16056, CVE-2023-27043, CVE-2025-13033) and content."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffetta.mail.address import AddressError, parse_mailbox
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.smtp.capabilities import Capabilities
from staffetta.smtp.client_commands import mail_command, rcpt_command
from staffetta.smtp.grammar import Rejection, parse_mail, parse_rcpt
from staffetta.smtp.reading import LINE_OCTETS_MAX
from tests.regress.relay import INSIDER, OUTSIDER, STRANGER, relay

ALPHABET = 'ab@.<>"\\:;,[]()%! =+-_|`\t\r\n\0\x7f\x85\u2028\u200b\u202eéЖ中＠．。ſK\U0001f4e7'
WIRE = Capabilities(smtputf8=True)


@given(st.text(ALPHABET, max_size=40))
def test_row_19_an_address_that_is_taken_leaves_with_the_same_octets(text: str) -> None:
    """parse(print(x)) = x, from RCPT's octets in to RCPT's octets out; there is no second reading of an address."""
    try:
        recipient = parse_rcpt(f"TO:<{text}>".encode(), smtputf8=True, postmaster_domain="contoso.test")
    except Rejection:
        return
    if text.lower() == "postmaster":
        return
    assert rcpt_command(recipient, WIRE) == f"RCPT TO:<{text}>\r\n".encode()
    assert parse_rcpt(f"TO:<{recipient.mailbox}>".encode(), smtputf8=True, postmaster_domain="x") == recipient
    envelope = Envelope(recipient.mailbox, (), smtputf8=True)
    printed = mail_command(envelope, WIRE, size=0, has_eight_bit=False)
    assert parse_mail(printed.removeprefix(b"MAIL ").removesuffix(b"\r\n")).reverse_path == recipient.mailbox


@given(st.binary(max_size=LINE_OCTETS_MAX))
def test_row_19_whatever_octets_come_are_read_or_refused(octets: bytes) -> None:
    """Nothing but Rejection is raised, whatever stands after MAIL or RCPT."""
    for line in (
        b"FROM:<" + octets + b">",
        b"TO:<" + octets + b">",
        b"FROM:<a@b.c> " + octets,
        b"TO:<a@b.c> " + octets,
    ):
        for parse in (parse_mail, lambda line: parse_rcpt(line, smtputf8=True, postmaster_domain="contoso.test")):
            with contextlib.suppress(Rejection):
                parse(line)


@given(st.text(max_size=300))
def test_row_19_the_parser_of_addresses_raises_nothing_else(text: str) -> None:
    for candidate in (
        text,
        f"a@{text}",
        f"{text}@b.example",
        f'"{text}"@b.example',
        f"a@xn--{text}",
        f"a@[IPv6:{text}]",
    ):
        try:
            mailbox = parse_mailbox(candidate)
        except AddressError:
            continue
        assert mailbox.text == candidate and mailbox.domain.isascii() and mailbox.domain == mailbox.domain.lower()


DIFFERENTIALS = [
    "a@b.example>,<c@contoso.test",
    'a"@contoso.test',
    '"a"b@contoso.test',
    '"a"."b"@contoso.test',
    '"a" <b@contoso.test>',
    "a(@evil.example)@contoso.test",
    "alice@example.org)bob@contoso.test",
    "a@[127.0.0.1]@contoso.test",
    "=?utf-8?q?a=40evil.example=3e=00?=foo@contoso.test>",
    "a@contoso.test\u200b",
    "a@xn--\u00fc.test",
    "a@contoso..test",
    "a..b@contoso.test",
    ".a@contoso.test",
    "a.@contoso.test",
    "a@-contoso.test",
    "a b@contoso.test",
    "<a@contoso.test>",
    "a@contoso.test\u3002",
]


@pytest.mark.parametrize("text", DIFFERENTIALS, ids=repr)
def test_row_19_what_parsers_read_differently_is_refused(text: str) -> None:
    """Collected from the advisories above, Heyes 2024 (Splitting the email atom) and Chen et al. 2020."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect(source=STRANGER)
            (_, answer) = await client.say(f"MAIL FROM:<x@foreign.example> SMTPUTF8\nRCPT TO:<{text}>\n", 2)
            assert answer.startswith("5"), answer

    asyncio.run(main())


def test_row_19_decision_storage_trace_and_wire_show_the_same_address() -> None:
    """One spelling everywhere: a quoted local part with all its oddities arrives as it was said."""
    text = '"O\'Brien \\"x\\" <y>, z;"@Outside.EXAMPLE'

    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{text}>\nDATA\n", 3)
            await client.say("Subject: x\n\nx\n.\n")
            (kept,) = running.spool.recipients.values()
            assert kept.routed.recipient == Recipient(parse_mailbox(text))
            await running.settled()
            assert running.left()[0].recipients[0].startswith(f"RCPT TO:<{text}>")

    asyncio.run(main())


@pytest.mark.parametrize("is_chunked", [False, True], ids=["data", "bdat"])
@pytest.mark.parametrize("place", [b"\0Subject: x\r\n\r\nx\r\n", b"Subject: x\0y\r\n\r\nx\r\n", b"A: b\r\n\r\nx\0"])
def test_row_20_a_nul_is_refused_and_cuts_nothing_short(place: bytes, is_chunked: bool) -> None:
    """554 5.6.0, by DATA and by BDAT."""

    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}>\nRCPT TO:<{OUTSIDER}>\n", 2)
            if is_chunked:
                client.send(b"BDAT %d LAST\r\n" % len(place) + place)
            else:
                await client.say("DATA\n")
                client.send(place + b"\r\n.\r\n")
            assert (await client.reply()).startswith("554 5.6.0")
            assert not running.spool.recipients and running.reasons == ["nul octet"]

    asyncio.run(main())


@pytest.mark.parametrize("parameter", ["", " BODY=8BITMIME", " BODY=7BIT"])
def test_row_20_every_octet_but_nul_and_line_ends_passes_unchanged(parameter: str) -> None:
    """8-bit content is carried to a next hop with 8BITMIME as it came, whatever BODY said."""
    octets = bytes(octet for octet in range(1, 256) if octet not in b"\r\n")
    content = b"Subject: all\r\n\r\n" + octets + b"\r\n" + octets[::-1] + b"\r\n"

    async def main() -> None:
        async with relay() as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}>{parameter}\nRCPT TO:<{OUTSIDER}>\nDATA\n", 3)
            client.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            assert (await client.reply()).startswith("250")
            await running.settled()
            (message,) = running.left()
            assert message.content.endswith(b" +0000\r\n" + content) and " BODY=8BITMIME" in message.mail

    asyncio.run(main())


def test_row_20_no_eight_bit_octet_reaches_a_next_hop_without_8bitmime() -> None:
    """The content is converted, and decodes to what it was."""
    body = "Grüße aus Köln\r\n".encode()
    content = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    content += b"Content-Transfer-Encoding: 8bit\r\n\r\n" + body

    async def main() -> None:
        async with relay(capabilities=("PIPELINING",)) as running:
            client = await running.connect()
            await client.say(f"MAIL FROM:<{INSIDER}> BODY=8BITMIME\nRCPT TO:<{OUTSIDER}>\nDATA\n", 3)
            client.send(content + b".\r\n")
            assert (await client.reply()).startswith("250")
            await running.settled()
            (message,) = running.left()
            assert running.outside.wire.isascii() and b"Gr=C3=BC=C3=9Fe aus K=C3=B6ln\r\n" in message.content

    asyncio.run(main())

"""What we ourselves do to a message on its way changes nothing of the other property: CRLF alone, dots as they were.

Every edit that the road knows, one after the other as the road has them: Exchange's internal fields taken out, the
sender rewritten, our Received in front, internal fields taken out again, Graph's recipients, seven bits, a mailbox.
"""

import asyncio
import shutil
import tempfile
from pathlib import Path

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from staffetta.delivery.graph_message import address
from staffetta.delivery.maildir import MaildirCourier
from staffetta.delivery.reheading import Reheaded, header_of, without_internal_fields
from staffetta.mail.address import parse_mailbox
from staffetta.mail.consignment import Consignment
from staffetta.mail.content import Content, MemoryContent
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.mail.header import INTERNAL_FIELDS, HeaderSection
from staffetta.mail.outcome import Contact, Delivered
from staffetta.mail.received import clauses, received_field
from staffetta.policy.rewriting import rewritten_header
from staffetta.reception.intake import Intake
from staffetta.settings.objects import InboundConnector, SenderRewriting
from staffetta.smtp.stuffing import FINAL_DOT, stuff
from tests.property.test_outward import ENVELOPE, accepted, converted, in_pieces, orderly, read_strictly, wild

FORCE = InboundConnector(name="printers", sender_rewriting=SenderRewriting.FORCE, rewritten_sender="relay@contoso.test")
SENDER = parse_mailbox("a@example.org")
MAILBOX = parse_mailbox("scanner@contoso.test")
EDITED = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
ENVELOPES = [
    Envelope(SENDER, (Recipient(parse_mailbox("b@example.org")),)),
    Envelope(None, (Recipient(parse_mailbox('"b\\"c"@example.org')), Recipient(parse_mailbox("d@example.org")))),
]

fields = st.lists(
    st.sampled_from(
        [
            b"From: Ada <ada@lan.test>\r\n",
            b"From:\r\n .\r\n\t<x@lan.test>\r\n",
            b"Sender: x@lan.test\r\n",
            b"To: b@example.org,\r\n e@example.org\r\n",
            b"To: undisclosed-recipients:;\r\n",
            b"Cc: \xc3\xa9 <b@example.org>\r\n",
            b"Bcc: d@example.org\r\n",
            b"X-MS-Exchange-Organization-SCL: -1\r\n",
            b"x-ms-exchange-crosspremises-x:\r\n .\r\n",
            b"Subject: a\r\n .b\r\n",
            b".From: x@lan.test\r\n",
            b".\r\n",
            b"no field at all\r\n",
            b" From: folded@lan.test\r\n",
            b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=.\r\n",
        ]
    ),
    max_size=8,
).map(b"".join)
messages = st.tuples(fields, st.sampled_from([b"", b"\r\n"]), st.one_of(orderly, wild)).map(b"".join)


def stuffed(content: bytes) -> bytes:
    """As a client sends content that ends where it ends."""
    return ENVELOPE + b"BDAT %d LAST\r\n" % len(content) + content


def body_of(content: bytes) -> bytes:
    """What stands behind the header section, the blank line included."""
    return content[len(asyncio.run(header_of(MemoryContent(content)))) :]


def kept(content: bytes) -> bytes:
    """As reception keeps it: two edits of the header section, and our field in front."""

    def edit(came: HeaderSection) -> bytes:
        octets, _ = came.without(INTERNAL_FIELDS)
        rewritten = rewritten_header(FORCE, SENDER, HeaderSection(octets))
        return octets if rewritten is None else rewritten.octets

    intake = Intake(lambda: None, in_memory_octets_max=1 << 20, header_octets_max=1 << 16, edit=edit)  # type: ignore[arg-type]
    intake.write(content)
    intake.header()
    assert not intake.is_refused
    written = clauses(
        helo="client.test",
        peer="192.0.2.1",
        hostname="relay.test",
        local="127.0.0.1",
        protocol="ESMTP",
        tls=("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
    )
    whole = asyncio.run(intake.finish(received_field(written, "0000000000001", 1_795_000_000.0))).whole
    assert whole is not None
    return whole


def for_graph(content: Content, envelope: Envelope) -> bytes:
    header = asyncio.run(header_of(content))
    whole = Reheaded(content, len(header), address(header, envelope, MAILBOX).header).whole
    assert whole is not None
    return whole


def others_of(content: bytes) -> bytes:
    """The header section without the fields that an edit may write anew, and without a last line end."""
    section = HeaderSection(asyncio.run(header_of(MemoryContent(content))))
    touched = {field: b"" for name in EDITED for field in section.fields(name)}
    return section.replaced(touched).removesuffix(b"\r\n")


def assert_canonical(octets: bytes) -> None:
    without = octets.replace(b"\r\n", b"")
    assert b"\r" not in without and b"\n" not in without


def contents_of(octets: bytes, *, is_chunked: bool) -> list[bytes]:
    return accepted(b".\r\nRSET\r\n" + stuffed(octets) if is_chunked else octets + b"\r\n.\r\n")


@given(messages, st.booleans(), st.lists(st.integers(1, 7), min_size=1), st.sampled_from(ENVELOPES))
@example(b"From: x@lan.test", True, [1], ENVELOPES[0])
@example(b"Subject: x\r\n.", True, [1], ENVELOPES[1])
def test_whatever_is_edited_leaves_with_the_body_that_came(octets, is_chunked, sizes, envelope):
    for content in contents_of(octets, is_chunked=is_chunked):
        whole = kept(content)
        public = asyncio.run(without_internal_fields(MemoryContent(whole)))
        assert public.whole is not None
        leaving = {"kept": whole, "public": public.whole, "graph": for_graph(public, envelope)}
        for name, each in leaving.items():
            event(f"{name}: {'edited' if each != content else 'as it came'}")
            assert_canonical(each)
            assert body_of(each) == body_of(whole) == body_of(content)
            ended = each if each.endswith(b"\r\n") else each + b"\r\n"
            assert read_strictly(stuff(each) + FINAL_DOT) == ended
            assert read_strictly(in_pieces(each, sizes)) == ended
        if (seven_bit := converted(public.whole)) is not None:
            assert_canonical(seven_bit)
            read_strictly(stuff(seven_bit) + FINAL_DOT)
        assert others_of(whole).endswith(others_of(HeaderSection(content).without(INTERNAL_FIELDS)[0]))
        assert others_of(leaving["graph"]) == others_of(public.whole)
        assert b"\r\nx-ms-exchange-" not in public.whole.lower().partition(b"\r\n\r\n")[0]


@settings(max_examples=25, deadline=None)
@given(messages, st.sampled_from(ENVELOPES))
def test_a_mailbox_gets_what_was_kept_under_two_fields_of_ours(octets, envelope):
    for content in contents_of(octets, is_chunked=False):
        whole = kept(content)
        (made, *_) = in_mailboxes(whole, envelope)
        assert_canonical(made)
        assert made.endswith(whole)
        ours = made.removesuffix(whole).split(b"\r\n")
        assert [line.partition(b":")[0] for line in ours] == [b"Return-Path", b"Delivered-To", b""]


def in_mailboxes(whole: bytes, envelope: Envelope) -> list[bytes]:
    consignment = Consignment("0000000000001", "in", "in", envelope, MemoryContent(whole), None)
    folder = Path(tempfile.mkdtemp())

    async def quietly(contact: Contact) -> None:
        pass

    async def main() -> None:
        courier = MaildirCourier()
        outcomes = await courier.carry(folder, "relay.test", consignment, quietly)
        assert all(isinstance(outcome, Delivered) for outcome in outcomes), outcomes
        await courier.close()

    try:
        asyncio.run(main())
        return [file.read_bytes() for file in sorted(folder.glob("*/*/new/*"))]
    finally:
        shutil.rmtree(folder)

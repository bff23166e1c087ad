"""Sender rewriting: what the next hop sees in the place of the client's sender."""

import time

import pytest

from staffetta.mail.address import parse_mailbox
from staffetta.mail.header import HeaderSection
from staffetta.policy.rewriting import leaving_sender, rewritten_header
from staffetta.settings.objects import InboundConnector, SenderRewriting

RELAY = "relay@contoso.test"
FORCE = InboundConnector(name="printers", sender_rewriting=SenderRewriting.FORCE, rewritten_sender=RELAY)
UNLESS = FORCE.model_copy(
    update={
        "sender_rewriting": SenderRewriting.FORCE_IF_NOT_ALLOWED,
        "allowed_senders": ("ada@contoso.test", "*@branch.test"),
    }
)
KEEP = FORCE.model_copy(update={"sender_rewriting": SenderRewriting.KEEP})
TO = b"To: bob@example.org\r\n"


def header_after(connector: InboundConnector | None, header: bytes, reverse_path: str | None = "x@lan.test") -> bytes:
    mailbox = parse_mailbox(reverse_path) if reverse_path else None
    found = rewritten_header(connector, mailbox, HeaderSection(header))
    return header if found is None else found.octets


@pytest.mark.parametrize(
    ("connector", "reverse_path", "leaving"),
    [
        (None, "x@lan.test", "x@lan.test"),
        (KEEP, "x@lan.test", "x@lan.test"),
        (FORCE, "x@lan.test", RELAY),
        (FORCE, "ada@contoso.test", RELAY),
        (FORCE, "Relay@CONTOSO.test", "Relay@CONTOSO.test"),
        (FORCE, None, None),
        (UNLESS, "x@lan.test", RELAY),
        (UNLESS, "ADA@contoso.test", "ADA@contoso.test"),
        (UNLESS, "anyone@branch.test", "anyone@branch.test"),
        (UNLESS, "anyone@sub.branch.test", RELAY),
        (UNLESS, RELAY, RELAY),
        (UNLESS, None, None),
    ],
)
def test_the_envelope_is_rewritten_apart(
    connector: InboundConnector | None, reverse_path: str | None, leaving: str | None
) -> None:
    found = leaving_sender(connector, parse_mailbox(reverse_path) if reverse_path else None)
    assert (found.text if found else None) == leaving


@pytest.mark.parametrize(
    ("value", "shown", "replies_to"),
    [
        # One address: the name stays, replies go to the original, octet for octet.
        (b" x@lan.test", b" relay@contoso.test", b" x@lan.test"),
        (b" <x@lan.test>", b" relay@contoso.test", b" <x@lan.test>"),
        (b" Printer 4 <x@lan.test>", b" Printer 4 <relay@contoso.test>", b" Printer 4 <x@lan.test>"),
        (b' "Doe, Jane"  <x@lan.test>', b' "Doe, Jane" <relay@contoso.test>', b' "Doe, Jane"  <x@lan.test>'),
        (b"x@lan.test", b" relay@contoso.test", b"x@lan.test"),
        (b" x@lan.test (Printer 4)", b" Printer 4 <relay@contoso.test>", b" x@lan.test (Printer 4)"),
        # Names that are not for reading, and fields that are folded.
        (
            b" =?utf-8?q?B=C3=BCro?=\r\n =?utf-8?q?_4?= <x@lan.test>",
            b" =?utf-8?q?B=C3=BCro?= =?utf-8?q?_4?= <relay@contoso.test>",
            b" =?utf-8?q?B=C3=BCro?=\r\n =?utf-8?q?_4?= <x@lan.test>",
        ),
        (b"\r\n x@lan.test", b" relay@contoso.test", b"\r\n x@lan.test"),
        (b" B\xfcro <x@lan.test>", b" B\xfcro <relay@contoso.test>", b" B\xfcro <x@lan.test>"),
        ("Büro <x@lan.test>".encode(), " Büro <relay@contoso.test>".encode(), "Büro <x@lan.test>".encode()),
        (
            b" " + b"very " * 20 + b"long <x@lan.test>",
            b" " + (b"very " * 14)[:-1] + b"\r\n" + b" very" * 6 + b" long <relay@contoso.test>",
            b" " + b"very " * 20 + b"long <x@lan.test>",
        ),
        # A name that is an address would be one to some readers.
        (b" x@lan.test <x@lan.test>", b' "x@lan.test" <relay@contoso.test>', b" x@lan.test <x@lan.test>"),
        # Several authors, groups: the first one's name, and all get the replies.
        (b" A <a@lan.test>, B <b@lan.test>", b" A <relay@contoso.test>", b" A <a@lan.test>, B <b@lan.test>"),
        (b" Team: a@lan.test, b@lan.test;", b" relay@contoso.test", b" Team: a@lan.test, b@lan.test;"),
        # Nobody whom one can write to: the reverse-path gets the replies.
        (b" Printer 4", b" Printer 4 <relay@contoso.test>", b" x@lan.test"),
        (b" root (Cron Daemon)", b" Cron Daemon <relay@contoso.test>", b" x@lan.test"),
        (b" Nobody:;", b" relay@contoso.test", b" x@lan.test"),
        (b"", b" relay@contoso.test", b" x@lan.test"),
        (b" <>", b" relay@contoso.test", b" x@lan.test"),
        # What cannot be read with certainty is written anew.
        (b' "Jane <x@lan.test>', b" Jane <relay@contoso.test>", b" Jane <x@lan.test>"),
        (b" a@lan.test; b@lan.test", b" relay@contoso.test", b" a@lan.test, b@lan.test"),
    ],
)  # fmt: skip
def test_from_is_rewritten_and_replies_go_to_the_original(value: bytes, shown: bytes, replies_to: bytes) -> None:
    came = b"Subject: x\r\nFrom:" + value + b"\r\n" + TO
    left = b"Subject: x\r\nFrom:" + shown + b"\r\nReply-To:" + replies_to + b"\r\n" + TO
    assert header_after(FORCE, came) == left


@pytest.mark.parametrize(
    ("came", "left"),
    [
        # A Reply-To stays.
        (
            b"From: x@lan.test\r\nreply-to: y@lan.test\r\n",
            b"From: relay@contoso.test\r\nreply-to: y@lan.test\r\n",
        ),
        # Whose From is ours already, stays.
        (b"From: Printer <Relay@contoso.test>\r\n" + TO, b"From: Printer <Relay@contoso.test>\r\n" + TO),
        # A From that is missing, also where a line in front would become part of it.
        (TO, b"From: relay@contoso.test\r\nReply-To: x@lan.test\r\n" + TO),
        (b"", b"From: relay@contoso.test\r\nReply-To: x@lan.test\r\n"),
        (b" boss@contoso.test\r\n", b" boss@contoso.test\r\nFrom: relay@contoso.test\r\nReply-To: x@lan.test\r\n"),
        # Of several, also of those that only some readers see, one is left.
        (
            b"From: x@lan.test\r\n" + TO + b"FROM : boss@contoso.test\r\n\tand more\r\nSubject: x\r\n",
            b"From: relay@contoso.test\r\nReply-To: x@lan.test\r\n" + TO + b"Subject: x\r\n",
        ),
        (
            b"Sender: z@lan.test\r\n" + TO,
            b"From: relay@contoso.test\r\nReply-To: x@lan.test\r\n" + TO,
        ),
        # Sender goes where one author is left; it is rewritten where From may stay.
        (
            b"Sender: z@lan.test\r\nFrom: x@lan.test\r\n",
            b"From: relay@contoso.test\r\nReply-To: x@lan.test\r\n",
        ),
        (
            b"From: relay@contoso.test\r\nSender: Zoe <z@lan.test>\r\nSender: y@lan.test\r\n" + TO,
            b"From: relay@contoso.test\r\nSender: Zoe <relay@contoso.test>\r\n" + TO,
        ),
        # Names that only begin so, and text of other fields, are not From.
        (
            b"From-Me: a\r\nX-From: b\r\nSubject: x\r\n From: c\r\nFrom: x@lan.test\r\nResent-From: d@l.test\r\n",
            (
                b"From-Me: a\r\nX-From: b\r\nSubject: x\r\n From: c\r\nFrom: relay@contoso.test\r\n"
                b"Reply-To: x@lan.test\r\nResent-From: d@l.test\r\n"
            ),
        ),
        # The end of the content may be the field's end.
        (b"From: x@lan.test", b"From: relay@contoso.test\r\nReply-To: x@lan.test\r\n"),
    ],
)
def test_other_octets_stay(came: bytes, left: bytes) -> None:
    assert header_after(FORCE, came) == left


@pytest.mark.parametrize(
    ("value", "stays"),
    [
        (b"ada@contoso.test", True),
        (b"Ada <ADA@contoso.test>", True),
        (b"Ada <ada@contoso.test>, any <one@branch.test>", True),
        (b"Ada <ada@contoso.test>, x@lan.test", False),
        (b"boss@contoso.test <ada@contoso.test>", False),
        (b'"boss@contoso.test" <ada@contoso.test>', True),
        (b"ada@contoso.test (boss@contoso.test)", True),
        (b"Ada", False),
        (b"one@sub.branch.test", False),
    ],
)
def test_an_allowed_from_stays_if_nobody_else_is_found_in_it(value: bytes, stays: bool) -> None:
    came = b"From: " + value + b"\r\n" + TO
    assert (header_after(UNLESS, came) == came) is stays


def test_a_message_without_from_is_from_its_reverse_path() -> None:
    assert header_after(UNLESS, TO, "ada@contoso.test") == TO
    assert header_after(UNLESS, TO, "x@lan.test") != TO
    assert header_after(FORCE, TO, None) == TO


def test_nobody_gets_replies_to_a_null_sender() -> None:
    assert header_after(FORCE, b"From: Printer\r\n", None) == b"From: Printer <relay@contoso.test>\r\n"


def test_nothing_is_rewritten_where_no_connector_asks_for_it() -> None:
    for connector in (None, KEEP):
        assert header_after(connector, b"From: x@lan.test\r\n") == b"From: x@lan.test\r\n"


SIGNED = b"DKIM-Signature: v=1; d=%s; h=%s;\r\n\tb=abc=\r\n"


@pytest.mark.parametrize(
    ("connector", "covered", "is_broken"),
    [
        (FORCE, b"To:From:Subject", True),
        (FORCE, b"to : \r\n\tfrom", True),
        (FORCE, b"to:reply-to", True),  # covered though it was not there: nobody may add it
        (FORCE, b"to:sender", False),
        (FORCE, b"to:subject", False),
        (UNLESS, b"from:to", False),
    ],
)
def test_a_signature_over_what_is_changed_is_told(connector: InboundConnector, covered: bytes, is_broken: bool) -> None:
    signature = SIGNED % (b"lan.test", covered)
    author = b"ada@contoso.test" if connector is UNLESS else b"x@lan.test"
    came = HeaderSection(signature + b"From: " + author + b"\r\n")
    found = rewritten_header(connector, None, came)
    assert (found.broken if found else ()) == (("lan.test",) if is_broken else ())
    assert signature in (found.octets if found else came.octets)


def test_sender_s_signature_is_told_too() -> None:
    came = SIGNED % (b"a.test", b"sender") + b"From: relay@contoso.test\r\nSender: x@lan.test\r\n"
    found = rewritten_header(FORCE, None, HeaderSection(came))
    assert found is not None
    assert (found.field, found.original, found.broken) == ("sender", "x@lan.test", ("a.test",))


@pytest.mark.parametrize(
    "value",
    [b"(" * 60_000, b'"' * 60_001, b"a " * 30_000, b"a@b.test," * 8_000, b'"a" ' * 15_000 + b"@", b";" * 60_000],
)
def test_nobody_makes_it_slow(value: bytes) -> None:
    begun = time.process_time()
    header_after(UNLESS, b"From: " + value + b"\r\nDKIM-Signature: " + value + b"\r\n")
    assert time.process_time() - begun < 5

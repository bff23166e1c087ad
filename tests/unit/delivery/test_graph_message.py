"""The envelope decides who gets a message, although Graph reads header fields only."""

import pytest

from staffetta.delivery.graph_message import address
from staffetta.mail.address import parse_mailbox
from staffetta.mail.address_list import read_address_list
from staffetta.mail.envelope import Envelope, Recipient
from staffetta.mail.header import HeaderSection

ADA = parse_mailbox("ada@contoso.com")
FROM = b"From: Ada <ada@contoso.com>\r\n"
REST = b"Subject: =?utf-8?q?a_b?=\r\n  folded\r\nX-Odd :   kept  \r\n"


def envelope(*recipients: str, reverse_path: str | None = "ada@contoso.com") -> Envelope:
    sender = parse_mailbox(reverse_path) if reverse_path else None
    return Envelope(sender, tuple(Recipient(parse_mailbox(text)) for text in recipients))


def told(header: bytes, field: str) -> list[str]:
    """The addresses that a reader of these fields finds."""
    values = HeaderSection(header).every(field.lower().encode())
    return [
        f"{entry.mailbox.local_part}@{entry.mailbox.domain}"
        for value in values
        for entry in read_address_list(value).entries
    ]


@pytest.mark.parametrize(
    ("fields", "recipients"),
    [
        (b"To: bob@example.org\r\n", ["bob@example.org"]),
        (b"To: Bob <BOB@Example.ORG>\r\nCc: c@example.org\r\n", ["bob@example.org", "c@example.org"]),
        (b"To: b@example.org,\r\n c@example.org\r\nBcc: d@example.org\r\n", [f"{c}@example.org" for c in "bcd"]),
        (b"Bcc: bob@example.org\r\n", ["bob@example.org"]),
        (b"To: Team: b@example.org, c@example.org;\r\n", ["b@example.org", "c@example.org"]),
        (b"To: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\n", ["j@example.org", "j@example.org"]),
    ],
)
def test_where_fields_and_envelope_agree_no_octet_is_changed(fields: bytes, recipients: list[str]) -> None:
    header = FROM + fields + REST
    assert address(header, envelope(*recipients), ADA).header == header


@pytest.mark.parametrize(
    ("fields", "recipients", "to", "cc", "bcc"),
    [
        # Blind copies: in the envelope, in no field.
        (b"", ["b@example.org"], [], [], ["b@example.org"]),
        (b"To: b@example.org\r\n", ["b@example.org", "c@example.org"], ["b@example.org"], [], ["c@example.org"]),
        # A To without an address.
        (b"To: undisclosed-recipients:;\r\n", ["b@example.org"], [], [], ["b@example.org"]),
        (b"To: undisclosed-recipients:;\r\nBcc: b@example.org\r\n", ["b@example.org"], [], [], ["b@example.org"]),
        # Others get it by another road, or had it already.
        (b"To: b@example.org, c@example.org\r\n", ["c@example.org"], ["c@example.org"], [], []),
        (b"To: b@example.org\r\nCc: c@example.org\r\n", ["c@example.org"], [], ["c@example.org"], []),
        (b"Bcc: b@example.org, c@example.org\r\n", ["c@example.org"], [], [], ["c@example.org"]),
        (b"To: list@example.org\r\n", ["member@example.org"], [], [], ["member@example.org"]),
        # What a strict reader would read differently.
        (
            b"To: b@example.org; c@example.org\r\n",
            ["b@example.org", "c@example.org"],
            ["b@example.org", "c@example.org"],
            [],
            [],
        ),
        (b"To: Bob\r\n", ["b@example.org"], [], [], ["b@example.org"]),
        (b"To : b@example.org\r\ntO: c@example.org\r\n", ["b@example.org"], ["b@example.org"], [], []),
        (b"To: b@example.org\r\n", ["b@bücher.example"], [], [], ["b@xn--bcher-kva.example"]),
    ],
)
def test_the_envelope_decides(
    fields: bytes, recipients: list[str], to: list[str], cc: list[str], bcc: list[str]
) -> None:
    header = address(FROM + fields + REST, envelope(*recipients), ADA).header
    assert (told(header, "To"), told(header, "Cc"), told(header, "Bcc")) == (to, cc, bcc)
    assert header.startswith(FROM)
    assert REST in header
    assert b"\n\r\n" not in header


def test_names_that_are_shown_are_kept_where_a_field_is_written_anew() -> None:
    fields = b'To: "Doe, John" <j@example.org>, =?utf-8?q?J=C3=BCrgen?= <u@example.org>, out@example.org\r\n'
    done = address(FROM + fields, envelope("j@example.org", "u@example.org"), ADA)
    assert b'"Doe, John" <j@example.org>,\r\n =?utf-8?' in done.header
    assert done.dropped == ("out@example.org",)
    assert done.hidden == 0


@pytest.mark.parametrize(
    ("author", "expected"),
    [
        (b"scanner@contoso.com <scanner@contoso.com>", b"scanner@contoso.com"),
        (b'"Scanner@Contoso.com" <scanner@contoso.com>', b"scanner@contoso.com"),
        (b'"Scanner @ floor 2" <scanner@contoso.com>', b"Scanner at floor 2 <scanner@contoso.com>"),
        (b"Ada <ada@contoso.com>", b"Ada <ada@contoso.com>"),
        (b"ada@contoso.com", b"ada@contoso.com"),
        (b"<ada@contoso.com>", b"<ada@contoso.com>"),
        (b"a@b <not an address>", b"a@b <not an address>"),
    ],
)
def test_a_shown_name_with_an_at_sign_does_not_reach_graph(author: bytes, expected: bytes) -> None:
    header = b"From: " + author + b"\r\nTo: b@example.org\r\n"
    done = address(header, envelope("b@example.org"), ADA)
    assert done.header == b"From: " + expected + b"\r\nTo: b@example.org\r\n"


def test_a_notification_goes_out_in_the_name_of_the_mailbox() -> None:
    header = b"From: Mail Delivery System <postmaster@relay.example>\r\nTo: <ada@contoso.com>\r\n"
    done = address(header, envelope("ada@contoso.com", reverse_path=None), parse_mailbox("relay@contoso.com"))
    assert done.header == b"From: Mail Delivery System <relay@contoso.com>\r\nTo: <ada@contoso.com>\r\n"


def test_a_name_injects_no_field_and_no_line_is_too_long() -> None:
    name = b"=?utf-8?q?x=0D=0ABcc=3A_evil=40example=2Eorg?="
    header = b"To: " + name + b" <b@example.org>, " + b"n" * 5000 + b" <c@example.org>, d@example.org\r\n"
    done = address(FROM + header, envelope("b@example.org", "c@example.org"), ADA).header
    assert told(done, "Bcc") == []
    assert max(len(line) for line in done.split(b"\r\n")) < 998


@pytest.mark.parametrize("fields", [b"To: b@example.org\r\nSubject: hello", b"Subject: hello"])
def test_a_header_section_that_ends_in_the_middle_of_a_field_loses_nothing(fields: bytes) -> None:
    """Content that came by BDAT need not end with a line end."""
    header = address(FROM + fields, envelope("b@example.org"), ADA).header
    assert HeaderSection(header).first(b"subject") == "hello"
    assert header.endswith(b"\r\n")

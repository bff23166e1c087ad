"""Notifications: what they say, what they hide, and that what was printed can be read."""

from dataclasses import replace
from email import message_from_bytes
from email.errors import HeaderParseError
from email.message import Message
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffetta.mail.address import parse_mailbox
from staffetta.mail.dsn import compose_dsn
from staffetta.mail.dsn_reader import read_dsn
from staffetta.mail.report import Action, RecipientReport, Report, Returned

BOUNDARY = "b3f1c2d4e5a697881f2e3d4c5b6a7988"
HEADERS = Returned(b"Subject: Hello\r\nFrom: a@contoso.test\r\n", is_whole=False)
FAILED = RecipientReport(
    final="bob@example.com",
    original="rfc822;Bob+2Bwork@example.com",
    action=Action.FAILED,
    status="5.1.1",
    remote_mta="mx.example.com",
    diagnostic="550 5.1.1 No such user here",
    is_remote_reply=True,
    last_attempt_at=1_700_000_100.0,
)
REPORT = Report(
    reporting_mta="relay.contoso.test",
    author_domain="contoso.test",
    message_id="<1@relay.contoso.test>",
    at=1_700_000_200.0,
    arrived_at=1_700_000_000.0,
    reverse_path=parse_mailbox("a@contoso.test"),
    recipients=(FAILED,),
    original_message_id="<o@contoso.test>",
    subject="Hello",
    envelope_id="QQ+20314159",
)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=300) | st.sampled_from(
    ["a\r\nBcc: x@example.com", "\r\n\r\n--b\r\n", "\x1b[31m", "x" * 3000, "é" * 400]
)


def parts(content: bytes) -> list[Message]:
    return cast(list[Message], message_from_bytes(content).get_payload())


def composed(report: Report = REPORT, returned: Returned = HEADERS) -> bytes:
    return compose_dsn(report, returned, BOUNDARY)


def test_a_failure_says_what_exchange_says() -> None:
    message = message_from_bytes(composed())
    assert message["Subject"] == "Undeliverable: Hello"
    assert message["From"] == "Mail Delivery System <postmaster@contoso.test>"
    assert message["To"] == "<a@contoso.test>"
    assert message["In-Reply-To"] == message["References"] == "<o@contoso.test>"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert [part.get_content_type() for part in parts(composed())] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]


def test_the_status_part_holds_every_field() -> None:
    status = parts(composed())[1].as_string().replace("\r\n", "\n")
    assert "Original-Envelope-Id: QQ 314159\nReporting-MTA: dns; relay.contoso.test\nArrival-Date: " in status
    assert "Original-Recipient: rfc822; Bob+work@example.com\nFinal-Recipient: rfc822; bob@example.com\n" in status
    assert "Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx.example.com\n" in status
    assert "Diagnostic-Code: smtp; 550 5.1.1 No such user here\nLast-Attempt-Date: Tue, 14 Nov 2023" in status
    assert "Will-Retry-Until" not in status


def test_people_read_the_cause_and_administrators_the_reply() -> None:
    text = cast(bytes, parts(composed())[0].get_payload(decode=True)).decode()
    assert "Your message could not be delivered to:" in text
    assert "mx.example.com answered: 550 5.1.1 No such user here\r\n    The recipient does not exist.\r\n" in text
    assert "Diagnostic information for administrators:" in text
    assert "Generating server: relay.contoso.test" in text


@pytest.mark.parametrize(
    ("action", "subject"),
    [
        (Action.DELAYED, "Delivery delayed: Hello"),
        (Action.DELIVERED, "Delivered: Hello"),
        (Action.RELAYED, "Relayed: Hello"),
    ],
)
def test_each_action_has_its_subject(action: Action, subject: str) -> None:
    content = composed(replace(REPORT, recipients=(replace(FAILED, action=action),)))
    assert message_from_bytes(content)["Subject"] == subject
    assert read_dsn(content)[0].action is action


def test_a_failure_among_other_actions_names_the_notification() -> None:
    report = replace(REPORT, recipients=(replace(FAILED, action=Action.RELAYED), FAILED))
    assert message_from_bytes(composed(report))["Subject"] == "Undeliverable: Hello"


def test_what_was_composed_can_be_read() -> None:
    delayed = replace(FAILED, original=None, action=Action.DELAYED, will_retry_until=1_700_100_000.0)
    read = read_dsn(composed(replace(REPORT, recipients=(FAILED, delayed))))
    assert read == [replace(FAILED, original="rfc822; Bob+work@example.com"), delayed]


def test_an_internationalised_message_gets_the_forms_of_rfc_6533() -> None:
    recipient = replace(FAILED, final="büro@exämple.com", original=r"utf-8;b\x{FC}ro@exämple.com")
    report = replace(REPORT, recipients=(recipient,), is_internationalised=True)
    content = composed(report, Returned("Subject: Grüße\r\n\r\nhallo\r\n".encode(), is_whole=True))
    types = [part.get_content_type() for part in parts(content)]
    assert types == ["text/plain", "message/global-delivery-status", "message/global"]
    assert "Final-Recipient: utf-8; büro@exämple.com\r\n".encode() in content
    assert read_dsn(content)[0].final == "büro@exämple.com"
    assert read_dsn(content)[0].original == "utf-8; büro@exämple.com"


def test_a_utf8_address_without_smtputf8_is_escaped() -> None:
    content = composed(replace(REPORT, recipients=(replace(FAILED, final="büro@example.com"),)))
    assert b"Final-Recipient: utf-8; b\\x{FC}ro@example.com\r\n" in content
    assert read_dsn(content)[0].final == "büro@example.com"


def test_a_whole_message_comes_back_octet_for_octet() -> None:
    original = b"Subject: x\r\n\r\n..\r\nbody \xff\r\n"
    assert b"Content-Type: message/rfc822\r\n" in composed(returned=Returned(original, is_whole=True))
    assert b"\r\n\r\n" + original + b"\r\n--" in composed(returned=Returned(original, is_whole=True))


def test_xtext_that_hides_controls_stays_encoded() -> None:
    content = composed(replace(REPORT, envelope_id="a+0D+0ABcc:+20x@example.com"))
    assert b"Original-Envelope-Id: a+0D+0ABcc:+20x@example.com\r\n" in content


def test_a_long_diagnostic_is_folded() -> None:
    content = composed(replace(REPORT, recipients=(replace(FAILED, diagnostic="550 " + "word " * 100),)))
    assert max(len(line) for line in content.split(b"\r\n")) <= 78
    assert read_dsn(content)[0].diagnostic == "550 " + ("word " * 100).strip()


@given(any_text, any_text, any_text, any_text, st.booleans())
def test_nothing_hostile_breaks_out(subject: str, reply: str, host: str, identifier: str, is_global: bool) -> None:
    recipient = replace(FAILED, diagnostic=reply, remote_mta=host, status=reply, original=f"rfc822;{identifier}")
    report = replace(
        REPORT,
        subject=subject,
        recipients=(recipient,),
        envelope_id=identifier,
        original_message_id=host,
        is_internationalised=is_global,
    )
    content = composed(report)
    assert b"\r" not in content.replace(b"\r\n", b"") and b"\n" not in content.replace(b"\r\n", b"")
    assert max(len(line) for line in content.split(b"\r\n")) <= 998 * (4 if is_global else 2)
    message = message_from_bytes(content)
    assert message["Bcc"] is None
    assert len(parts(content)) == 3
    assert [each.final for each in read_dsn(content)] == ["bob@example.com"]


@given(st.binary(max_size=400))
def test_reading_takes_anything(content: bytes) -> None:
    read_dsn(content)
    read_dsn(composed().replace(b"Status: 5.1.1", content))


def test_a_report_with_a_field_that_nobody_would_write_raises_nothing() -> None:
    """Found by fuzzing: the standard generator raised HeaderParseError."""
    content = Path("tests/fuzz/corpus/dsn/found-1").read_bytes()
    with pytest.raises(HeaderParseError):
        for part in message_from_bytes(content).walk():
            part.as_bytes()
    assert isinstance(read_dsn(content), list)

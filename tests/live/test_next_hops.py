"""Next hops: our sink with and without each extension, Postfix, Dovecot."""

import email
import email.policy
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import dovecot, postfix
from tests.live.arrived import assert_traced_delivered, assert_unchanged, copies
from tests.live.clients import send_with_smtplib
from tests.live.conftest import need
from tests.live.dovecot import Dovecot
from tests.live.mail import Mail, shapes
from tests.live.postfix import Postfix
from tests.live.relay import Relay, server_tls
from tests.live.sink import EVERYTHING, Sink

pytestmark = pytest.mark.live


@pytest.fixture
def own_folder(tmp_path: Path) -> Iterator[Path]:
    """The relay's folder of one test."""
    yield tmp_path


@pytest.mark.parametrize(
    "lacking", ["PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "SIZE 0", "ENHANCEDSTATUSCODES"]
)
def test_next_hop_without_an_extension_gets_what_it_can_take(lacking: str, own_folder: Path) -> None:
    capabilities = [name for name in EVERYTHING if name != lacking]
    mails = [mail for name, mail in shapes(lacking.split()[0]).items() if name not in ("ten-mib", "starttls")]
    carried = [
        mail
        for mail in mails
        if not (lacking == "SMTPUTF8" and mail.is_smtputf8) and not (lacking == "8BITMIME" and mail.is_eight_bit)
    ]
    with Sink(*capabilities) as sink, Relay(own_folder, sink.port) as relay:
        for mail in mails:
            send_with_smtplib(mail, relay.port)
        for mail in carried:
            for arrival in copies(sink, mail):
                assert_unchanged(arrival.content, mail)
            assert_traced_delivered(relay, mail)


def test_next_hop_of_1982_gets_mail_by_helo(own_folder: Path) -> None:
    mail = shapes("helo")["dots"]
    with Sink() as sink, Relay(own_folder, sink.port) as relay:
        send_with_smtplib(mail, relay.port)
        (arrival,) = copies(sink, mail)
        assert_unchanged(arrival.content, mail)


def test_eight_bit_text_is_converted_for_a_next_hop_without_it(own_folder: Path) -> None:
    mail = shapes("convert")["eight-bit"]
    with Sink("PIPELINING") as sink, Relay(own_folder, sink.port) as relay:
        send_with_smtplib(mail, relay.port)
        (arrival,) = copies(sink, mail)
    assert arrival.content.isascii()
    parsed = email.message_from_bytes(arrival.content, policy=email.policy.SMTP)
    text = parsed.get_payload(decode=True)
    assert text == mail.content.partition(b"\r\n\r\n")[2]


def test_internationalised_recipient_is_returned_where_the_next_hop_lacks_smtputf8(own_folder: Path) -> None:
    mail = shapes("returned")["smtputf8"]
    with Sink("PIPELINING", "8BITMIME") as sink, Relay(own_folder, sink.port) as relay:
        send_with_smtplib(mail, relay.port)
        (notification,) = sink.wait_for(1)
        (row,) = relay.trace("--message-id", mail.message_id)
    assert notification.reverse_path.address == ""
    assert [path.address for path in notification.recipients] == [mail.sender]
    assert b"Status: 5.6.7" in notification.content
    assert row["status"] == "Failed"


def test_next_hop_with_starttls_is_spoken_to_in_tls_and_gets_every_octet(own_folder: Path) -> None:
    (own_folder / "sink").mkdir()
    mails = [mail for name, mail in shapes("tls").items() if name in ("plain", "ten-mib", "dots")]
    with (
        Sink(*EVERYTHING, tls=server_tls(own_folder / "sink")) as sink,
        Relay(own_folder, sink.port, tls="required") as relay,
    ):
        for mail in mails:
            send_with_smtplib(mail, relay.port)
        for mail in mails:
            (arrival,) = copies(sink, mail)
            assert arrival.is_tls
            assert_unchanged(arrival.content, mail)


def test_mail_waits_where_tls_is_required_and_not_offered(own_folder: Path) -> None:
    mail = shapes("waits")["plain"]
    with Sink(*EVERYTHING) as sink, Relay(own_folder, sink.port, tls="required") as relay:
        send_with_smtplib(mail, relay.port)
        rows = relay.trace("--message-id", mail.message_id)
        while not any("Defer" in str(row["events"]) for row in rows):
            rows = relay.trace("--message-id", mail.message_id)
        assert sink.arrivals == []


def test_refused_recipient_is_returned_and_the_others_delivered(own_folder: Path) -> None:
    mail = shapes("partly")["several-recipients"]
    refused = mail.recipients[2]

    def reply(address: str) -> str:
        return "550 5.1.1 no such mailbox" if address == refused else "250 2.1.5 ok"

    with Sink(*EVERYTHING, recipient_reply=reply) as sink, Relay(own_folder, sink.port) as relay:
        send_with_smtplib(mail, relay.port)
        arrivals = sink.wait_for(2)
        statuses = {row["recipient"]: row["status"] for row in relay.trace("--message-id", mail.message_id)}
    (delivered,) = [arrival for arrival in arrivals if arrival.reverse_path.address]
    (notification,) = [arrival for arrival in arrivals if not arrival.reverse_path.address]
    assert {path.address for path in delivered.recipients} == set(mail.recipients) - {refused}
    assert f"Final-Recipient: rfc822;{refused}".encode() in notification.content.replace(b"; ", b";")
    assert b"550 5.1.1 no such mailbox" in notification.content
    assert statuses[refused] == "Failed"


def test_every_shape_arrives_unchanged_behind_postfix(own_folder: Path) -> None:
    need(postfix.missing())
    mails = [mail for name, mail in shapes("behind").items() if name != "starttls"]
    with Sink(*EVERYTHING) as sink, Postfix(sink.port) as after_us, Relay(own_folder, after_us.port) as relay:
        for mail in mails:
            send_with_smtplib(mail, relay.port)
        for mail in mails:
            for arrival in copies(sink, mail):
                assert_unchanged(arrival.content, mail)
            assert_traced_delivered(relay, mail)


def test_every_shape_reaches_a_dovecot_mailbox_by_lmtp(own_folder: Path) -> None:
    need(dovecot.missing())
    mails = [mail for name, mail in shapes("lmtp").items() if name not in ("starttls", "smtputf8")]
    with Dovecot() as dovecot_here, Relay(own_folder, dovecot_here.port, transport="lmtp", tls="none") as relay:
        for mail in mails:
            send_with_smtplib(mail, relay.port)
        for mail in mails:
            assert_traced_delivered(relay, mail)
            _assert_in_mailboxes(dovecot_here, mail)


def _assert_in_mailboxes(dovecot_here: Dovecot, mail: Mail) -> None:
    for recipient in mail.recipients:
        mine = [
            content
            for content in dovecot_here.mailbox(recipient.partition("@")[0])
            if f"<{mail.message_id}>".encode() in content[:8192]
        ]
        assert len(mine) == 1
        assert_unchanged(mine[0], mail)

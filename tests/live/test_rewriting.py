"""Real clients under a name that must not leave: the next hop, and who gets the notification, see the connector's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.arrived import copies
from tests.live.clients import CLIENTS, missing
from tests.live.conftest import need
from tests.live.mail import LINE, Mail
from tests.live.relay import Relay, server_tls
from tests.live.sink import EVERYTHING, Sink

pytestmark = pytest.mark.live

DEVICE, RELAY, REFUSED = "root@printer.lan", "printers@contoso.test", "nobody@outside.example"
PRINTERS = f"""
[[inbound_connectors]]
name = "Printers"
sender_ip_addresses = ["127.0.0.0/8"]
sender_rewriting = "force-if-not-allowed"
rewritten_sender = "{RELAY}"
allowed_senders = ["ada@contoso.test"]
"""


@pytest.fixture(scope="module")
def sink(folder: Path) -> Iterator[Sink]:
    (folder / "sink").mkdir()
    refusing = {REFUSED: "550 5.1.1 no such user"}
    with Sink(
        *EVERYTHING,
        tls=server_tls(folder / "sink"),
        recipient_reply=lambda address: refusing.get(address, "250 2.1.5 ok"),
    ) as sink:
        yield sink


@pytest.fixture(scope="module")
def running(folder: Path, sink: Sink) -> Iterator[Relay]:
    with Relay(folder, sink.port, connectors=PRINTERS) as running:
        yield running


def fields(author: str, message_id: str, replies: str = "") -> bytes:
    return (
        f"Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nFrom: =?utf-8?q?B=C3=BCro?= <{author}>\r\n{replies}"
        f"To: bob@outside.example\r\nMessage-ID: <{message_id}>\r\nSubject: scan\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("client", ["swaks", "smtplib", "msmtp"])
def test_a_device_s_mail_leaves_under_the_relay_s_name(client: str, running: Relay, sink: Sink) -> None:
    need(missing(client))
    message_id = f"rewritten-{client}@printer.lan"
    mail = Mail(message_id, fields(DEVICE, message_id) + LINE * 3, sender=DEVICE)
    CLIENTS[client](mail, running.port)
    (arrival,) = copies(sink, mail)
    assert arrival.reverse_path.address == RELAY
    replies = f"Reply-To: =?utf-8?q?B=C3=BCro?= <{DEVICE}>\r\n"
    assert arrival.content.endswith(fields(RELAY, message_id, replies) + LINE * 3)
    (row,) = running.trace("--message-id", message_id)
    events = row["events"]
    assert isinstance(events, list)
    told = {key: events[0].get(key) for key in ("original_sender", "original_from", "rewritten_sender")}
    assert told == {
        "original_sender": DEVICE,
        "original_from": f"=?utf-8?q?B=C3=BCro?= <{DEVICE}>",
        "rewritten_sender": RELAY,
    }


def test_an_allowed_sender_stays(running: Relay, sink: Sink) -> None:
    mail = Mail("allowed@contoso.test", fields("ada@contoso.test", "allowed@contoso.test") + LINE)
    CLIENTS["smtplib"](mail, running.port)
    (arrival,) = copies(sink, mail)
    assert arrival.reverse_path.address == "ada@contoso.test"
    assert arrival.content.endswith(mail.content)


def test_the_notification_goes_to_the_rewritten_sender(running: Relay, sink: Sink) -> None:
    message_id = "refused@printer.lan"
    mail = Mail(message_id, fields(DEVICE, message_id) + LINE, (REFUSED,), sender=DEVICE)
    CLIENTS["smtplib"](mail, running.port)
    arrivals = sink.wait_until(lambda all_of: any(arrival.reverse_path.address == "" for arrival in all_of))
    (notification,) = [arrival for arrival in arrivals if arrival.reverse_path.address == ""]
    assert [path.address for path in notification.recipients] == [RELAY]
    assert message_id.encode() in notification.content

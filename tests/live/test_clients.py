"""Every client, every shape of message: what arrives is what was sent, and the trace says Delivered."""

import pytest

from tests.live import clients, postfix
from tests.live.arrived import assert_traced_delivered, assert_unchanged, copies
from tests.live.conftest import need
from tests.live.mail import Mail, shapes
from tests.live.postfix import Postfix
from tests.live.relay import Relay
from tests.live.sink import Arrival, Sink

pytestmark = pytest.mark.live

CELLS = [
    (client, shape) for client in clients.CLIENTS for shape in shapes("names") if (client, shape) not in clients.CANNOT
]
# What Postfix is told about TLS comes from its settings, not from a message.
POSTFIX_TLS = "smtp_tls_security_level = {0}\nsmtp_tls_loglevel = 1\n"


@pytest.mark.parametrize(("client", "shape"), CELLS, ids=["-".join(cell) for cell in CELLS])
def test_message_arrives_unchanged(client: str, shape: str, running: Relay, sink: Sink) -> None:
    need(clients.missing(client))
    mail = shapes(client)[shape]
    clients.CLIENTS[client](mail, running.port)
    for arrival in copies(sink, mail):
        _assert_carried(arrival, mail)
    assert_traced_delivered(running, mail)


@pytest.mark.parametrize("tls_level", ["none", "encrypt"])
def test_every_shape_arrives_unchanged_from_postfix(tls_level: str, running: Relay, sink: Sink) -> None:
    need(postfix.missing())
    mails = [mail for name, mail in shapes(f"postfix-{tls_level}").items() if name != "starttls"]
    with Postfix(running.port, POSTFIX_TLS.format(tls_level)) as before_us:
        for mail in mails:
            clients.send_with_smtplib(mail, before_us.port)
        for mail in mails:
            for arrival in copies(sink, mail):
                _assert_carried(arrival, mail)
            assert_traced_delivered(running, mail)


def test_starttls_leaves_its_mark_in_the_received_field(running: Relay, sink: Sink) -> None:
    mail = shapes("mark")["starttls"]
    clients.send_with_smtplib(mail, running.port)
    (arrival,) = copies(sink, mail)
    assert b"with ESMTPS" in arrival.content
    assert arrival.is_tls


def _assert_carried(arrival: Arrival, mail: Mail) -> None:
    assert_unchanged(arrival.content, mail)
    assert arrival.reverse_path.address == mail.sender
    parameters = arrival.reverse_path.parameters
    assert ("SMTPUTF8" in parameters) == mail.is_smtputf8
    if mail.is_dsn:
        assert "RET=HDRS" in parameters
        (recipient,) = arrival.recipients
        assert any(word.startswith("NOTIFY=") and "SUCCESS" in word for word in recipient.parameters)

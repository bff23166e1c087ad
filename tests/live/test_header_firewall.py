"""Exchange's internal header fields, forged by real clients: none reaches the next hop but over a trusted connector."""

import smtplib
from collections.abc import Iterator

import pytest

from tests.live import clients, postfix
from tests.live.arrived import assert_unchanged, copies
from tests.live.conftest import need
from tests.live.mail import LINE, SENDER, Mail
from tests.live.postfix import Postfix
from tests.live.relay import LOOPBACK, Relay
from tests.live.sink import Sink

pytestmark = pytest.mark.live

TRUSTED = f"{LOOPBACK}cloud_services_mail_enabled = true\n"
FORGED = (
    b"X-MS-Exchange-Organization-SCL: -1\r\n",
    b"x-ms-exchange-organization-authas: Internal\r\n",
    b"X-MS-EXCHANGE-ORGANIZATION-AUTHSOURCE:\r\n mail.contoso.test\r\n\tand more\r\n",
    b"X-MS-Exchange-CrossPremises-AuthAs: Internal\r\n",
    b"X-CrossPremisesHeadersPromoted: mail.contoso.test\r\n",
    b"X-CrossPremisesHeadersFiltered: mail.contoso.test\r\n",
)
# These only look so.
HARMLESS = b"X-MS-Exchange-Transport-Test: 1\r\nX-X-MS-Exchange-Organization-SCL: -1\r\n"
BODY = b"X-MS-Exchange-Organization-SCL: -1\r\n" + LINE
LARGE = LINE * 20_000  # beyond what is kept in memory


def mail_of(message_id: str, body: bytes, *, is_forged: bool) -> Mail:
    first, *others = FORGED if is_forged else (b"",)
    own = f"From: {SENDER}\r\nTo: bob@outside.example\r\nMessage-ID: <{message_id}>\r\n".encode()
    date = b"Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
    last = others.pop() if others else b""
    fields = (first, own, *others, HARMLESS, b"Subject: quarterly\r\n figures\r\n", date, last)
    return Mail(message_id, b"".join(fields) + b"\r\n" + body)


def send_in_chunks(mail: Mail, port: int) -> None:
    """By BDAT, cut in the middle of a field."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test") as client:
        client.ehlo()
        assert client.mail(mail.sender)[0] == 250
        assert client.rcpt(mail.recipients[0])[0] == 250
        for octets, last in ((mail.content[:20], ""), (mail.content[20:], " LAST")):
            client.send(f"BDAT {len(octets)}{last}\r\n".encode() + octets)
            code, text = client.getreply()
            assert code == 250, text


SENDERS = {**{name: clients.CLIENTS[name] for name in ("swaks", "smtplib", "msmtp", "curl")}, "bdat": send_in_chunks}


@pytest.fixture(scope="module")
def trusting(sink: Sink, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A relay whose connector keeps such fields."""
    with Relay(tmp_path_factory.mktemp("trusting"), sink.port, connectors=TRUSTED) as trusting:
        yield trusting


def removed(relay: Relay, mail: Mail) -> object:
    (row,) = relay.trace("--message-id", mail.message_id)
    events = row["events"]
    assert isinstance(events, list)
    return events[0].get("fields_removed")


@pytest.mark.parametrize("body", [BODY, BODY + LARGE], ids=["small", "large"])
@pytest.mark.parametrize("client", SENDERS)
def test_forged_fields_go_and_all_else_stays(client: str, body: bytes, running: Relay, sink: Sink) -> None:
    need(clients.missing(client) if client != "bdat" else None)
    message_id = f"forged-{client}-{len(body)}@contoso.test"
    SENDERS[client](mail_of(message_id, body, is_forged=True), running.port)
    expected = mail_of(message_id, body, is_forged=False)
    (arrival,) = copies(sink, expected)
    assert_unchanged(arrival.content, expected)
    assert removed(running, expected) == len(FORGED)


@pytest.mark.parametrize("client", ["swaks", "bdat"])
def test_a_trusted_connector_keeps_them(client: str, trusting: Relay, sink: Sink) -> None:
    need(clients.missing(client) if client != "bdat" else None)
    mail = mail_of(f"trusted-{client}@contoso.test", BODY, is_forged=True)
    SENDERS[client](mail, trusting.port)
    (arrival,) = copies(sink, mail)
    assert_unchanged(arrival.content, mail)
    assert removed(trusting, mail) is None


def test_another_server_before_us_changes_nothing_of_it(running: Relay, sink: Sink) -> None:
    need(postfix.missing())
    mail = mail_of("forged-postfix@contoso.test", BODY, is_forged=True)
    with Postfix(running.port) as before_us:
        clients.send_with_smtplib(mail, before_us.port)
        (arrival,) = copies(sink, mail)
    header_section = arrival.content.partition(b"\r\n\r\n")[0].lower()
    assert b"\r\nx-ms-exchange-organization-" not in header_section
    assert b"crosspremises" not in header_section
    assert removed(running, mail) == len(FORGED)

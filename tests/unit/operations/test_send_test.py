"""Send-TestMessage: what arrives, and where a caller may make the relay connect."""

import base64
from collections.abc import Iterator
from dataclasses import replace

import pytest

from staffetta.operations.errors import BadValue, RoleMissing
from staffetta.operations.send_test import allowed_addresses
from staffetta.settings.model import Listener
from staffetta.settings.roads import NextHop, Route
from tests.certificates import PFX_PASSWORD, make, pem
from tests.live.sink import EVERYTHING, Sink
from tests.unit.operations.office import ADMINISTRATOR, Office


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink(*EVERYTHING) as sink:
        yield sink


def knowing(office: Office, *hops: tuple[str, int]) -> Office:
    route = Route(name="test", next_hops=tuple(NextHop(host=host, port=port) for host, port in hops))
    office.settings = office.settings.model_copy(update={"routes": (*office.settings.routes, route)})
    return office


def sent(office: Office, port: int, **more: object) -> dict[str, object]:
    given = {"SmtpServer": "127.0.0.1", "Port": port, "From": "ada@contoso.com", "To": "bob@example.org"} | more
    (row,) = office.ask("Send-TestMessage", given).rows
    return row.model_dump(by_alias=True)


def test_a_message_reaches_a_next_hop_and_everything_is_told(office: Office, sink: Sink) -> None:
    row = sent(
        knowing(office, ("127.0.0.1", sink.port)),
        sink.port,
        Subject="Hello",
        To=["bob@example.org", "eve@example.org"],
        DeliveryNotificationOption="OnSuccess",
        HeloName="probe.contoso.com",
    )
    assert row["Accepted"] and row["AcceptedRecipients"] == ("bob@example.org", "eve@example.org")
    assert "C EHLO probe.contoso.com" in str(row["Transcript"])
    (arrival,) = sink.wait_for(1)
    assert b"Subject: Hello\r\n" in arrival.content
    assert arrival.recipients[0].parameters == ("NOTIFY=SUCCESS",)


def test_it_is_in_the_audit_without_secrets(office: Office, sink: Sink) -> None:
    made = make("relay.contoso.com")
    shown = (pem(made.certificate) + made.key_pem).decode()
    sent(knowing(office, ("127.0.0.1", sink.port)), sink.port, Certificate=shown, Body="private words")
    (row,) = [each for each in office.ask("Search-AdminAuditLog", {}).rows if "TestMessage" in str(each)]
    told = str(row.model_dump())
    assert "bob@example.org" in told and "ada@contoso.com" in told
    assert "private words" not in told and "PRIVATE KEY" not in told


def test_only_asking_sends_nothing(office: Office, sink: Sink) -> None:
    given = {"SmtpServer": "127.0.0.1", "Port": sink.port, "From": "a@contoso.com", "To": "b@example.org"}
    office.ask("Send-TestMessage", given, only_ask=True)
    assert sink.arrivals == []


FORBIDDEN = [
    ("127.0.0.1", 25, "loopback"),
    ("10.1.2.3", 25, "private"),
    ("169.254.169.254", 25, "link-local"),
    ("::1", 25, "loopback"),
    ("::ffff:10.1.2.3", 25, "private"),
    ("64:ff9b::a9fe:a9fe", 25, "link-local"),
    ("192.0.2.1", 25, "private"),
    ("localhost", 25, "loopback"),
    ("8.8.8.8", 80, "Port 80 is none of mail's"),
    ("8.8.8.8", 22, "Port 22 is none of mail's"),
    ("/run/lmtp.sock", 25, "no name of a server"),
    ("no-such-host.invalid", 25, "cannot be looked up"),
]


@pytest.mark.parametrize(("host", "port", "told"), FORBIDDEN)
def test_the_relay_is_no_way_into_its_network(office: Office, host: str, port: int, told: str) -> None:
    office.settings = office.settings.model_copy(update={"routes": ()})
    with pytest.raises(BadValue, match=told):
        allowed_addresses(host, port, office.settings)


def test_what_the_settings_name_may_be_anywhere(office: Office) -> None:
    settings = knowing(office, ("10.1.2.3", 2525)).settings
    assert allowed_addresses("10.1.2.3", 2525, settings) == ["10.1.2.3"]
    with pytest.raises(BadValue):
        allowed_addresses("10.1.2.3", 2526, settings)


def test_public_addresses_are_open_on_mails_ports(office: Office) -> None:
    assert allowed_addresses("8.8.8.8", 587, office.settings) == ["8.8.8.8"]


def test_our_own_listeners_may_be_talked_to(office: Office) -> None:
    listener = Listener(name="relay", address="0.0.0.0:2525")
    settings = office.settings.model_copy(update={"listeners": (listener,)})
    assert allowed_addresses("127.0.0.1", 2525, settings) == ["127.0.0.1"]


def test_an_administrator_of_one_organization_may_not(office: Office) -> None:
    tenant = replace(ADMINISTRATOR, organization="fabrikam")
    given = {"SmtpServer": "8.8.8.8", "From": "a@fabrikam.com", "To": "b@example.org"}
    with pytest.raises(RoleMissing, match="Validate-OutboundConnector"):
        office.ask("Send-TestMessage", given, tenant)


MISTAKES = [
    ({"To": "nobody"}, "somebody@fabrikam.com"),
    ({"HeloName": "two words"}, "no name for EHLO"),
    ({"UserName": "ada"}, "-UserName and -Password together"),
    ({"SourceAddress": "192.0.2.9"}, "no address of the relay"),
    ({"DeliveryNotificationOption": "Sometimes"}, "none of None, Never"),
    ({"Certificate": "nonsense!"}, "neither PEM nor base64"),
    ({"CertificatePassword": "x"}, "Give -Certificate too"),
    ({"TimeoutSeconds": 3600}, "TimeoutSeconds"),
]


@pytest.mark.parametrize(("more", "told"), MISTAKES)
def test_a_mistake_is_told_with_what_to_write(office: Office, more: dict[str, object], told: str) -> None:
    given = {"SmtpServer": "8.8.8.8", "From": "ada@contoso.com", "To": "bob@example.org"} | more
    with pytest.raises(BadValue, match=told):
        office.ask("Send-TestMessage", given)


def test_a_wrong_password_of_a_pfx_is_told_without_it(office: Office) -> None:
    pfx = base64.b64encode(make("relay.contoso.com").pfx).decode()
    given = {"SmtpServer": "8.8.8.8", "From": "a@contoso.com", "To": "b@example.org", "Certificate": pfx}
    with pytest.raises(BadValue, match="is -CertificatePassword right") as caught:
        office.ask("Send-TestMessage", given | {"CertificatePassword": PFX_PASSWORD + "x"})
    assert PFX_PASSWORD not in str(caught.value)

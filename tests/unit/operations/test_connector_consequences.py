"""-WhatIf of a connector: every consequence in words, and nothing changed."""

from typing import Any

import pytest

from staffetta.operations.errors import AlreadyThere, OperationError
from staffetta.settings.model import Listener, ListenerKind
from tests.unit.operations.office import Office
from tests.unit.operations.test_connectors import ARTICLE

CERTIFICATE = {
    "Name": "Servers",
    "ConnectorType": "OnPremises",
    "SenderDomains": "*",
    "RequireTls": True,
    "TlsSenderCertificateName": "*.contoso.com",
    "CloudServicesMailEnabled": True,
}


def asked(office: Office, cmdlet: str = "New-InboundConnector", **parameters: Any) -> str:
    return "\n".join(office.ask(cmdlet, parameters, only_ask=True).warnings)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (ARTICLE, "known by their address: 192.0.2.7; they may relay to every recipient"),
        (ARTICLE, "Only senders in accepted domains are taken: contoso.com"),
        (ARTICLE, "header fields are taken out"),
        (ARTICLE, "Example: 192.0.2.7 sends from postmaster@contoso.com to somebody@example.com: 550 5.7.64"),
        (ARTICLE, "Why: The client may relay, but there is no road to the outside"),
        ({**ARTICLE, "ConnectorType": "Partner", "SenderDomains": "tailspin.com"}, "to postmaster@contoso.com: 250"),
        ({**ARTICLE, "Enabled": False}, "It is off"),
        ({**ARTICLE, "SenderIPAddresses": "192.0.2.200"}, "connector 'Declared''s"),
        (CERTIFICATE, "by a certificate for *.contoso.com, issued by a public authority"),
        (CERTIFICATE, "Any sender is taken, the null one too"),
        (CERTIFICATE, "Mail that comes without TLS is refused"),
        (CERTIFICATE, "header fields of its mail are kept"),
        (CERTIFICATE, "Example: mail.contoso.com sends"),
        (
            {**ARTICLE, "ConnectorType": "Partner", "SenderDomains": "tailspin.com"},
            "It refuses mail from tailspin.com that comes from elsewhere than 192.0.2.7",
        ),
        (
            {**ARTICLE, "SenderRewriting": "force", "RewrittenSender": "relay@contoso.com"},
            "Every sender is replaced by relay@contoso.com",
        ),
    ],
)
def test_what_it_would_do_is_told(office: Office, parameters: dict[str, Any], words: str) -> None:
    told = asked(office, **parameters)
    assert f"What if: {words}" in told or words in told, told
    assert [row["Name"] for row in office("Get-InboundConnector")] == ["Declared"]


def test_what_the_directory_would_refuse_is_refused_already_then(office: Office) -> None:
    with pytest.raises(AlreadyThere):
        asked(office, **ARTICLE | {"Name": "declared"})
    with pytest.raises(OperationError, match=r"192\.0\.2\.256"):
        asked(office, **ARTICLE | {"SenderIPAddresses": "192.0.2.256"})


def test_a_change_is_foreseen_as_the_connector_would_be(office: Office) -> None:
    office("New-InboundConnector", **ARTICLE)
    assert "It is off" in asked(office, "Set-InboundConnector", Identity="SMTP Relay", Enabled=False)
    assert office("Get-InboundConnector", Identity="SMTP Relay")[0]["Enabled"] is True


def test_a_connector_that_is_renamed_keeps_its_place_among_equals(office: Office) -> None:
    office("New-InboundConnector", **ARTICLE)
    office("New-InboundConnector", **ARTICLE | {"Name": "Twin"})
    told = asked(office, "Set-InboundConnector", Identity="SMTP Relay", Name="Renamed")
    assert "closer or older" not in told
    assert "'SMTP Relay''s, which is closer or older" in asked(office, "Set-InboundConnector", Identity="Twin")


def test_advice_comes_with_it(office: Office) -> None:
    assert "8.8.8.0/24" in asked(office, **ARTICLE | {"SenderIPAddresses": "8.8.8.9/24"})


def test_a_card_says_what_to_type_into_the_device(office: Office) -> None:
    office("New-InboundConnector", **ARTICLE)
    assert office("Get-DeviceCard", Identity="SMTP Relay") == []
    assert "no listener yet" in office.warnings[0]
    office.settings = office.settings.model_copy(
        update={"listeners": (Listener(name="mx", address="[::]:25"), Listener(name="plain", address="127.0.0.1:0"))}
    )
    card, other = office("Get-DeviceCard", Identity="SMTP Relay")
    assert (card["Server"], card["Port"], card["UserName"]) == ("contoso-com.mail.relay.example.org", "25", None)
    assert card["Text"].startswith("SMTP server: contoso-com.mail.relay.example.org\nPort: 25\n")
    assert other["Port"].startswith("25 (the system chooses")


def test_an_account_s_card_names_the_user_and_demands_tls(office: Office) -> None:
    office.settings = office.settings.model_copy(
        update={"listeners": (Listener(name="submit", address="0.0.0.0:587", kind=ListenerKind.SUBMISSION),)}
    )
    office("New-SmtpAccount", UserName="scanner@contoso.com")
    relay = Listener(name="mx", address="[::]:25")
    office.settings = office.settings.model_copy(update={"listeners": (relay, *office.settings.listeners)})
    (card,) = office("Get-DeviceCard", Account="scanner@contoso.com")
    assert (card["Port"], card["Security"], card["UserName"]) == ("587", "STARTTLS", "scanner@contoso.com")


def test_where_nobody_can_log_in_no_card_says_how(office: Office) -> None:
    office.settings = office.settings.model_copy(update={"listeners": (Listener(name="mx", address="[::]:25"),)})
    office("New-SmtpAccount", UserName="scanner@contoso.com")
    assert office("Get-DeviceCard", Account="scanner@contoso.com") == []
    assert 'kind = "submission"' in office.warnings[0]


def test_an_old_device_that_may_log_in_in_clear_does_so_on_port_25(office: Office) -> None:
    office.settings = office.settings.model_copy(update={"listeners": (Listener(name="mx", address="[::]:25"),)})
    office("New-SmtpAccount", UserName="scanner@contoso.com")
    login = {"SenderAccounts": "scanner@contoso.com", "AllowAuthenticationWithoutTls": True}
    office("New-InboundConnector", **ARTICLE | login)
    (card,) = office("Get-DeviceCard", Identity="SMTP Relay")
    assert (card["Port"], card["Authentication"]) == ("25", "user name and password")
    assert card["Security"] == "STARTTLS if the device can, or else none"

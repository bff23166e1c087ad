"""What an address or a certificate name would mean in a connector, told before it is in one."""

import pytest

from staffetta.operations.errors import BadParameter
from tests.unit.operations.office import Office
from tests.unit.operations.test_connectors import FABRIKAM


def told(office: Office, **parameters: object) -> list[tuple[str, str]]:
    return [(row["Level"], row["Finding"]) for row in office("Test-SenderIdentification", **parameters)]


@pytest.mark.parametrize(
    ("value", "level", "words"),
    [
        ("198.51.100.256", "Error", "write an address"),
        ("printer", "Error", "write an address"),
        ("0.0.0.0/0", "Error", "open door"),
        ("10.0.0.5", "Info", "private"),
        ("127.0.0.1", "Warning", "own machine"),
        ("10.0.0.0/8", "Warning", "16,777,216 addresses"),
        ("8.8.8.9/24", "Warning", "whole network 8.8.8.0/24"),
        ("100.64.1.1", "Warning", "shares"),
        ("8.8.8.8", "Good", "One address"),
        ("8.8.8.0-8.8.8.255", "Good", "256 addresses"),
        ("192.0.2.200", "Warning", "'Declared' has the same"),
        ("192.0.2.0/24", "Info", "overlaps with 192.0.2.200"),
    ],
)
def test_an_address_is_told_of(office: Office, value: str, level: str, words: str) -> None:
    found = told(office, SenderIPAddresses=value)
    assert any(each == level and words in text for each, text in found), found


@pytest.mark.parametrize(
    ("value", "level", "words"),
    [
        ("mail.*.contoso.com", "Error", "wildcard stands alone in front"),
        ("mail.contoso.com", "Good", "accepted domain contoso.com"),
        ("*.contoso.com", "Good", "accepted domain contoso.com"),
        ("mail.tailspin.com", "Warning", "no accepted domain"),
        ("MAIL.contoso.com", "Info", "overlaps with *.contoso.com of connector 'Servers'"),
    ],
)
def test_a_certificate_name_is_told_of(office: Office, value: str, level: str, words: str) -> None:
    office(
        "New-InboundConnector",
        Name="Servers",
        ConnectorType="OnPremises",
        SenderDomains="*",
        RequireTls=True,
        TlsSenderCertificateName="*.contoso.com",
    )
    found = told(office, TlsSenderCertificateName=value)
    assert any(each == level and words in text for each, text in found), found


def test_a_connector_is_not_compared_with_itself_nor_with_another_organisation_s(office: Office) -> None:
    assert "Declared" not in str(told(office, SenderIPAddresses="192.0.2.200", Identity="declared"))
    rows = office("Test-SenderIdentification", FABRIKAM, SenderIPAddresses="192.0.2.200")
    assert "Declared" not in str(rows)


def test_nothing_to_tell_of_is_an_error(office: Office) -> None:
    with pytest.raises(BadParameter, match="Give -SenderIPAddresses"):
        office("Test-SenderIdentification")

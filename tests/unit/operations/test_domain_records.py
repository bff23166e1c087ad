"""What a domain's zone should say, beside what it says; and what Exchange must be told."""

import pytest

from staffetta.settings.model import Dns
from tests.dns_server import DnsServer
from tests.unit.operations.dns import serving
from tests.unit.operations.office import Office

ENDPOINT = "contoso-com.mail.relay.example.org"
Zone = dict[tuple[str, str], list[str]]


def statuses(office: Office, zone: Zone, broken: dict[str, int | None] | None = None) -> dict[str, str]:
    """By the first words of what was asked."""
    with serving(DnsServer(zone, broken=broken or {})) as dns:
        doctor = office.settings.doctor.model_copy(update={"public_addresses": ("192.0.2.9",)})
        update = {"dns": Dns(servers=(dns.address,)), "doctor": doctor}
        office.settings = office.settings.model_copy(update=update)
        rows = office("Test-AcceptedDomain", Identity="contoso.com")
    return {f"{row['RecordType']} {row['Name']}": row["Status"] for row in rows}


GOOD: Zone = {
    ("contoso.com", "MX"): [f"0 {ENDPOINT}."],
    (ENDPOINT, "A"): ["192.0.2.9"],
    ("contoso.com", "TXT"): ['"v=spf1 ip4:192.0.2.9 -all"'],
    ("_dmarc.contoso.com", "TXT"): ['"v=DMARC1; p=reject"'],
}
MX, A, SPF, DMARC = "MX contoso.com", f"A/AAAA {ENDPOINT}", "TXT contoso.com", "TXT _dmarc.contoso.com"


@pytest.mark.parametrize(
    ("zone", "key", "status"),
    [
        (GOOD, MX, "AsExpected"),
        (GOOD, A, "AsExpected"),
        (GOOD, SPF, "AsExpected"),
        (GOOD, DMARC, "AsExpected"),
        ({}, MX, "Missing"),
        ({}, A, "Missing"),
        ({}, SPF, "Missing"),
        ({}, DMARC, "Missing"),
        ({("contoso.com", "MX"): ["5 mx.elsewhere.test.", f"10 {ENDPOINT}."]}, MX, "Other"),
        ({(ENDPOINT, "A"): ["192.0.2.77"]}, A, "Other"),
        ({("contoso.com", "TXT"): ['"v=spf1 -all"']}, SPF, "Other"),
        ({("contoso.com", "TXT"): ['"v=spf1 ip4:192.0.2.9 -all"', '"v=spf1 -all"']}, SPF, "Other"),
    ],
)
def test_a_record_is_judged(office: Office, zone: Zone, key: str, status: str) -> None:
    assert statuses(office, zone)[key] == status


def test_a_dns_that_fails_is_not_a_record_that_is_missing(office: Office) -> None:
    assert set(statuses(office, {}, dict.fromkeys(("contoso.com", ENDPOINT, "_dmarc.contoso.com"), 2)).values()) == {
        "Failed"
    }


def test_exchange_is_told_by_certificate_or_by_public_address(office: Office) -> None:
    doctor = office.settings.doctor.model_copy(update={"public_addresses": ("8.8.8.8", "2001:db8::1", "10.0.0.1")})
    office.settings = office.settings.model_copy(update={"doctor": doctor})
    certificate, address, domains = office("Get-ExchangeConnectorCommand", Name="O'Brien's")
    assert certificate["Command"] == (
        "New-InboundConnector -Name 'O''Brien''s' -ConnectorType OnPremises -SenderDomains * "
        "-RequireTls $true -TlsSenderCertificateName *.contoso.com"
    )
    assert address["Command"].endswith("-SenderIPAddresses 8.8.8.8")
    assert "'contoso.com'" in domains["Command"]

"""Inbound connectors by their cmdlets (m365 names, defaults, order and errors)."""

import pytest

from staffetta.directory.audit import AuditQuery
from staffetta.operations.errors import AlreadyThere, BadParameter, NotFound, OperationError
from staffetta.operations.roles import Caller, Role
from tests.unit.operations.office import Office

ARTICLE = {
    "Name": "SMTP Relay",
    "ConnectorType": "OnPremises",
    "SenderDomains": "*",
    "SenderIPAddresses": "192.0.2.7",
    "RestrictDomainsToIPAddresses": True,
}
FABRIKAM = Caller("fay", frozenset({Role.ORGANIZATION_MANAGEMENT}), "api", organization="fabrikam")


def test_the_article_s_connector_is_shown_as_exchange_records_it(office: Office) -> None:
    office("New-InboundConnector", **ARTICLE)
    (shown,) = office("Get-InboundConnector", Identity="smtp relay")
    guid, *_ = (shown.pop(key) for key in ("Guid", "WhenCreatedUTC", "WhenChangedUTC"))
    assert len(guid) == 36
    assert list(shown.items()) == [
        ("Enabled", True),
        ("ConnectorType", "OnPremises"),
        ("ConnectorSource", "Default"),
        ("Comment", ""),
        ("SenderIPAddresses", ["192.0.2.7"]),
        ("SenderDomains", ["smtp:*;1"]),
        ("TrustedOrganizations", []),
        ("ClientHostNames", []),
        ("AssociatedAcceptedDomains", []),
        ("RequireTls", False),
        ("RestrictDomainsToIPAddresses", True),
        ("RestrictDomainsToCertificate", False),
        ("CloudServicesMailEnabled", False),
        ("TreatMessagesAsInternal", False),
        ("TlsSenderCertificateName", None),
        ("EFTestMode", False),
        ("ScanAndDropRecipients", []),
        ("EFSkipLastIP", False),
        ("EFSkipIPs", []),
        ("EFSkipMailGateway", []),
        ("EFUsers", []),
        ("AdminDisplayName", ""),
        ("Name", "SMTP Relay"),
        ("Identity", "SMTP Relay"),
        ("IsValid", True),
        ("Organization", "default"),
        ("TrustedAuthority", "public"),
        ("TlsSenderCertificateFingerprints", []),
        ("SenderAccounts", []),
        ("AllowAuthenticationWithoutTls", False),
        ("Blocked", False),
        ("AllowAnyAddress", False),
        ("NeverTwice", False),
        ("MessagesPerMinute", None),
        ("Tolerance", None),
        ("SenderRewriting", "keep"),
        ("RewrittenSender", None),
        ("AllowedSenders", []),
        ("IsDeclared", False),
    ]
    assert office("Get-InboundConnector", Identity=guid)[0]["Name"] == "SMTP Relay"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("*", ["smtp:*;1"]),
        ("smtp:*", ["smtp:*;1"]),
        ("SMTP:*;1", ["smtp:*;1"]),
        ("contoso.com", ["smtp:contoso.com;1"]),
        (["Contoso.com", "*.contoso.com"], ["smtp:contoso.com;1", "smtp:*.contoso.com;1"]),
        ("smtp:bücher.example;1", ["smtp:xn--bcher-kva.example;1"]),
    ],
)
def test_sender_domains_are_address_spaces(office: Office, given: object, shown: list[str]) -> None:
    (made,) = office("New-InboundConnector", **ARTICLE | {"SenderDomains": given})
    assert made["SenderDomains"] == shown


@pytest.mark.parametrize("given", ["a.*.b", "*contoso.com", "x400:*", "smtp:*;0", "smtp:*;x", "", [], None, "@"])
def test_a_sender_domain_that_is_none_is_refused(office: Office, given: object) -> None:
    with pytest.raises(OperationError, match="SenderDomains"):
        office("New-InboundConnector", **ARTICLE | {"SenderDomains": given})


def test_a_cost_is_taken_with_a_warning(office: Office) -> None:
    office("New-InboundConnector", **ARTICLE | {"SenderDomains": "smtp:*;5"})
    assert "cost" in office.warnings[0]


def test_without_a_type_it_is_partner_and_says_so(office: Office) -> None:
    del (given := dict(ARTICLE))["ConnectorType"]
    (made,) = office("New-InboundConnector", **given)
    assert made["ConnectorType"] == "Partner"
    assert "-ConnectorType OnPremises" in office.warnings[0]


def test_a_change_touches_what_it_names(office: Office) -> None:
    office("New-InboundConnector", **ARTICLE)
    office(
        "Set-InboundConnector",
        Identity="SMTP Relay",
        SenderIPAddresses={"Add": ["192.0.2.8", "192.0.2.9"], "Remove": "192.0.2.7"},
        SenderDomains={"Add": "smtp:contoso.com"},
        Comment="two scanners",
    )
    (shown,) = office("Get-InboundConnector", Identity="SMTP Relay")
    assert shown["SenderIPAddresses"] == ["192.0.2.8", "192.0.2.9"]
    assert shown["SenderDomains"] == ["smtp:*;1", "smtp:contoso.com;1"]
    assert (shown["Comment"], shown["RestrictDomainsToIPAddresses"]) == ("two scanners", True)
    office("Set-InboundConnector", Identity="SMTP Relay", Comment=None, Name="Scanners")
    (shown,) = office("Get-InboundConnector", Identity="Scanners")
    assert shown["Comment"] == ""


def test_null_puts_a_number_and_a_choice_back_to_nothing(office: Office) -> None:
    office(
        "New-InboundConnector", Name="Printer", SenderDomains="*", SenderIPAddresses="192.0.2.7", MessagesPerMinute=5
    )
    office("Set-InboundConnector", Identity="Printer", MessagesPerMinute=None)
    office("New-OutboundConnector", Name="Out", RecipientDomains="*", TlsSettings="EncryptionOnly")
    office("Set-OutboundConnector", Identity="Out", TlsSettings=None)
    assert office("Get-InboundConnector", Identity="Printer")[0]["MessagesPerMinute"] is None
    assert office("Get-OutboundConnector", Identity="Out")[0]["TlsSettings"] is None
    with pytest.raises(BadParameter):
        office("Set-InboundConnector", Identity="Printer", Enabled=None)


def test_what_is_removed_is_gone(office: Office) -> None:
    office("New-InboundConnector", **ARTICLE)
    office("Remove-InboundConnector", Identity="SMTP Relay")
    assert [row["Name"] for row in office("Get-InboundConnector")] == ["Declared"]


@pytest.mark.parametrize("cmdlet", ["Get-InboundConnector", "Set-InboundConnector", "Remove-InboundConnector"])
def test_what_is_not_there_is_an_error(office: Office, cmdlet: str) -> None:
    with pytest.raises(NotFound) as refused:
        office(cmdlet, Identity="x")
    assert str(refused.value) == (
        "The operation couldn't be performed because object 'x' couldn't be found on 'relay.example.org'."
    )
    with pytest.raises(OperationError, match="'Identity' because it is null"):
        office(cmdlet, Identity=None)


def test_a_name_is_taken_once(office: Office) -> None:
    office("New-InboundConnector", **ARTICLE)
    with pytest.raises(AlreadyThere):
        office("New-InboundConnector", **ARTICLE | {"Name": "smtp RELAY"})


def test_what_the_file_declares_is_changed_there(office: Office) -> None:
    with pytest.raises(OperationError, match="settings file"):
        office("Remove-InboundConnector", Identity="Declared")


def test_what_is_wrong_is_refused_and_nothing_is_kept(office: Office) -> None:
    with pytest.raises(OperationError) as refused:
        office("New-InboundConnector", **ARTICLE | {"SenderIPAddresses": "192.0.2.300"})
    assert refused.value.parameter == "SenderIPAddresses"
    assert len(office("Get-InboundConnector")) == 1


def test_an_organization_sees_its_own_alone(office: Office) -> None:
    office("New-InboundConnector", **ARTICLE)
    office("New-InboundConnector", FABRIKAM, **ARTICLE | {"Name": "Fabrikam"})
    assert [row["Name"] for row in office("Get-InboundConnector", FABRIKAM)] == ["Fabrikam"]
    for cmdlet in ("Get-InboundConnector", "Set-InboundConnector", "Remove-InboundConnector"):
        with pytest.raises(NotFound):
            office(cmdlet, FABRIKAM, Identity="SMTP Relay")
    with pytest.raises(OperationError, match="no organization 'default'"):
        office("New-InboundConnector", FABRIKAM, **ARTICLE | {"Name": "Mine", "Organization": "default"})


def test_every_change_is_audited_under_the_cmdlet_s_name(office: Office) -> None:
    office("New-InboundConnector", **ARTICLE)
    office("Set-InboundConnector", Identity="SMTP Relay", Enabled=False)
    office("Remove-InboundConnector", Identity="SMTP Relay")
    rows = office.directory.audit(AuditQuery())
    assert [(row.operation, row.actor, row.target) for row in rows] == [
        ("Remove-InboundConnector", "ada", "SMTP Relay"),
        ("Set-InboundConnector", "ada", "SMTP Relay"),
        ("New-InboundConnector", "ada", "SMTP Relay"),
    ]


def test_senders_are_rewritten_by_these_parameters(office: Office) -> None:
    office("New-AcceptedDomain", Name="adatum.test", DomainType="InternalRelay")
    office("New-InboundConnector", **ARTICLE, SenderRewriting="force", RewrittenSender="relay@adatum.test")
    assert "SenderRewriting: it breaks the DKIM signatures" in "".join(office.warnings)
    allowed = {"SenderRewriting": "Force-If-Not-Allowed", "AllowedSenders": {"Add": ["*@adatum.test"]}}
    office("Set-InboundConnector", Identity="SMTP Relay", **allowed)
    (shown,) = office("Get-InboundConnector", Identity="SMTP Relay")
    assert [shown[key] for key in ("SenderRewriting", "RewrittenSender", "AllowedSenders")] == [
        "force-if-not-allowed",
        "relay@adatum.test",
        ["*@adatum.test"],
    ]
    with pytest.raises(OperationError, match=r"RewrittenSender: 'fabrikam\.test' is not an accepted domain"):
        office("Set-InboundConnector", Identity="SMTP Relay", RewrittenSender="boss@fabrikam.test")
    with pytest.raises(OperationError, match=r"adatum\.test"):
        office("Remove-AcceptedDomain", Identity="adatum.test")

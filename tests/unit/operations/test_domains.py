"""Accepted domains, organisations and the audit by their cmdlets."""

import pytest

from staffetta.operations.errors import BadParameter, NotFound, OperationError
from staffetta.operations.roles import Caller, Role
from tests.unit.operations.office import ADMINISTRATOR, Office

FABRIKAM = Caller("fay", frozenset(Role), "api", organization="fabrikam", address="198.51.100.7")


def test_a_domain_is_shown_with_what_to_publish(office: Office) -> None:
    (made,) = office("New-AcceptedDomain", Name="Sub.Contoso.com", DomainType="InternalRelay", MatchSubDomains=True)
    assert made["MXRecord"] == "sub.contoso.com. IN MX 0 contoso-com.mail.relay.example.org."
    assert (made["DomainName"], made["DomainType"], made["MatchSubDomains"]) == (
        "sub.contoso.com",
        "InternalRelay",
        True,
    )
    assert (made["Route"], made["Recipients"], made["Default"]) == ("inside", ["*"], False)
    assert [row["Default"] for row in office("Get-AcceptedDomain")] == [True, True, False]


def test_a_domain_is_called_by_its_own_name(office: Office) -> None:
    (made,) = office("New-AcceptedDomain", Name="Tailspin", DomainName="tailspin.example")
    assert made["Name"] == "tailspin.example"
    assert "called tailspin.example" in office.warnings[0]


def test_recipients_are_added_and_removed(office: Office) -> None:
    office("New-AcceptedDomain", Name="tailspin.example", Recipients=["ada", "bob"])
    office("Set-AcceptedDomain", Identity="tailspin.example", Recipients={"Add": "eve", "Remove": "bob"})
    office("Set-AcceptedDomain", Identity="tailspin.example", DomainType="InternalRelay", MatchSubDomains=True)
    (shown,) = office("Get-AcceptedDomain", Identity="TAILSPIN.example")
    assert shown["Recipients"] == ["ada", "eve"]
    assert (shown["DomainType"], shown["MatchSubDomains"]) == ("InternalRelay", True)
    assert any("Recipients" in text for text in office.result("Set-AcceptedDomain", Identity=shown["Guid"]).warnings)


def test_what_is_no_domain_or_has_no_route_is_refused_with_what_to_write(office: Office) -> None:
    with pytest.raises(OperationError, match=r"Write contoso\.com"):
        office("New-AcceptedDomain", Name="no domain")
    with pytest.raises(OperationError, match="no route 'elsewhere'"):
        office("New-AcceptedDomain", Name="tailspin.example", Route="elsewhere")
    routes = office.settings.routes
    office.settings = office.settings.model_copy(
        update={"accepted_domains": (), "routes": (*routes, routes[0].model_copy(update={"name": "branch"}))}
    )
    with pytest.raises(BadParameter, match="known: branch, inside"):
        office("New-AcceptedDomain", Name="tailspin.example")


def test_a_removed_domain_is_gone(office: Office) -> None:
    office("New-AcceptedDomain", Name="tailspin.example")
    office("Remove-AcceptedDomain", Identity="tailspin.example")
    with pytest.raises(NotFound):
        office("Get-AcceptedDomain", Identity="tailspin.example")


def test_the_default_organization_is_there_without_being_made(office: Office) -> None:
    assert [(row["Name"], row["MailEndpoint"]) for row in office("Get-Organization")] == [
        ("default", "contoso-com.mail.relay.example.org"),
        ("fabrikam", "fabrikam-com.mail.relay.example.org"),
    ]


def test_an_organization_is_made_and_removed(office: Office) -> None:
    (made,) = office("New-Organization", Name="Tailspin", Endpoint="toys")
    assert made["MailEndpoint"] == "toys.mail.relay.example.org"
    office("New-AcceptedDomain", Name="tailspin.example", Organization="tailspin")
    with pytest.raises(OperationError, match="no organisation 'Tailspin'"):
        office("Remove-Organization", Identity="Tailspin")
    office("Remove-AcceptedDomain", Identity="tailspin.example")
    office("Remove-Organization", Identity="Tailspin")
    assert len(office("Get-Organization")) == 2


@pytest.mark.parametrize(("caller", "name"), [(ADMINISTRATOR, "default"), (ADMINISTRATOR, "Tailspin")])
def test_direct_send_is_refused_per_organization(office: Office, caller: Caller, name: str) -> None:
    office("New-Organization", Name="Tailspin")
    office("Set-OrganizationConfig", caller, Organization=name, RejectDirectSend=True)
    assert office("Get-OrganizationConfig", caller, Organization=name)[0]["RejectDirectSend"] is True
    assert {row["Name"]: row["RejectDirectSend"] for row in office("Get-Organization")}[name] is True
    office("Set-OrganizationConfig", caller, Organization=name, RejectDirectSend=False)
    assert office("Get-OrganizationConfig", caller, Organization=name)[0]["RejectDirectSend"] is False


def test_an_organization_s_administrator_sees_and_makes_no_other(office: Office) -> None:
    assert [row["Name"] for row in office("Get-AcceptedDomain", FABRIKAM)] == ["fabrikam.com"]
    assert [row["Name"] for row in office("Get-Organization", FABRIKAM)] == ["fabrikam"]
    assert [row["Name"] for row in office("Get-OrganizationConfig", FABRIKAM)] == ["fabrikam"]
    with pytest.raises(NotFound):
        office("Get-Organization", FABRIKAM, Identity="default")
    with pytest.raises(OperationError, match="whole relay"):
        office("New-Organization", FABRIKAM, Name="Another")
    with pytest.raises(OperationError, match="whole relay"):
        office("Remove-Organization", FABRIKAM, Identity="fabrikam")
    with pytest.raises(OperationError, match="no organization 'default'"):
        office("Set-OrganizationConfig", FABRIKAM, Organization="default", RejectDirectSend=True)


def test_the_audit_tells_who_changed_what_from_where(office: Office) -> None:
    office("New-AcceptedDomain", FABRIKAM, Name="tailspin.example")
    office("Set-AcceptedDomain", Identity="tailspin.example", Recipients="ada")
    changed, made = office("Search-AdminAuditLog")
    assert (made["CmdletName"], made["ObjectModified"], made["Caller"], made["ClientIP"], made["Source"]) == (
        "New-AcceptedDomain",
        "tailspin.example",
        "fay",
        "198.51.100.7",
        "api",
    )
    assert (made["Before"], changed["Before"]["Recipients"], changed["After"]["Recipients"]) == (None, ["*"], ["ada"])
    assert [row["Caller"] for row in office("Search-AdminAuditLog", Cmdlets="set-accepteddomain")] == ["ada"]
    assert office("Search-AdminAuditLog", EndDate="2000-01-01") == []
    assert len(office("Search-AdminAuditLog", FABRIKAM)) == 2
    office("New-AcceptedDomain", Name="contoso.net")
    assert len(office("Search-AdminAuditLog", FABRIKAM)) == 2


def test_an_organization_adds_no_domain_below_another_one_s(office: Office) -> None:
    with pytest.raises(OperationError, match="above or below one of another organization"):
        office("New-AcceptedDomain", FABRIKAM, Name="Mail.contoso.com")
    office("New-AcceptedDomain", FABRIKAM, Name="mail.fabrikam.com")
    office("New-AcceptedDomain", FABRIKAM, Name="notcontoso.com")
    office("New-AcceptedDomain", Name="mail.contoso.com", Organization="fabrikam")  # by the operator
    office("Set-AcceptedDomain", FABRIKAM, Identity="mail.contoso.com", Recipients="ada")

"""What an organisation's own administrators may not do to another's mail, and what ends with an administrator."""

from typing import Any

import pytest

from staffetta.directory.sign_ins import new_first_code
from staffetta.directory.store import Author, Kind
from staffetta.directory.tokens import holder, tokens
from staffetta.operations.errors import AlreadyThere, NotFound, OperationError
from staffetta.operations.first_administrator import make_first_administrator
from staffetta.operations.roles import Caller, Role
from staffetta.settings.objects import InboundConnector, TrustedAuthority
from tests.unit.operations.office import Office

FABRIKAM = Caller("fay", frozenset(Role), "api", organization="fabrikam")
DEFAULT = Caller("dan", frozenset(Role), "api", organization="default")


@pytest.mark.parametrize("name", ["lab.contoso.com", "deep.lab.contoso.com", "com"])
def test_a_domain_above_or_below_another_organisation_s_is_not_theirs_to_add(office: Office, name: str) -> None:
    with pytest.raises(OperationError, match="above or below one of another organization"):
        office("New-AcceptedDomain", FABRIKAM, Name=name, Route="inside")
    office("New-AcceptedDomain", Name=name, Route="inside", Organization="fabrikam")


@pytest.mark.parametrize("name", ["lab.fabrikam.com", "notcontoso.com"])
def test_a_domain_beside_them_or_below_one_s_own_is(office: Office, name: str) -> None:
    office("New-AcceptedDomain", FABRIKAM, Name=name, Route="inside")


def author(organization: str | None) -> Author:
    return Author("dan", "api", "Set-TrustedAuthority", organization=organization)


def test_an_authority_that_others_rely_on_is_changed_by_who_has_the_whole_relay(office: Office) -> None:
    def change(organization: str | None, work: Any) -> Any:
        with office.directory.change(office.settings, author(organization)) as changing:
            return work(changing)

    stored = change(
        None,
        lambda each: each.put(
            Kind.TRUSTED_AUTHORITY, TrustedAuthority(name="corp", certificates=office.settings.data_dir / "a.pem")
        ),
    )
    connector = InboundConnector(
        name="Plant",
        organization="fabrikam",
        tls_sender_certificate_name="plant.fabrikam.com",
        require_tls=True,
        trusted_authority="corp",
    )
    change(None, lambda each: each.put(Kind.INBOUND_CONNECTOR, connector))
    other = TrustedAuthority(name="corp", certificates=office.settings.data_dir / "b.pem")
    with pytest.raises(Exception, match="Connectors of other organizations rely on"):
        change("default", lambda each: each.put(Kind.TRUSTED_AUTHORITY, other, guid=stored.guid))
    with pytest.raises(Exception, match="Connectors of other organizations rely on"):
        change("default", lambda each: each.remove(stored))
    change(
        "default",
        lambda each: each.put(
            Kind.TRUSTED_AUTHORITY, TrustedAuthority(name="mine", certificates=office.settings.data_dir / "c.pem")
        ),
    )
    change(None, lambda each: each.put(Kind.TRUSTED_AUTHORITY, other, guid=stored.guid))


@pytest.mark.parametrize("how", ["Remove-Administrator", "Set-Administrator"])
def test_the_token_of_the_first_administrator_ends_with_him(office: Office, how: str) -> None:
    code = new_first_code(office.directory)
    assert code is not None
    first = make_first_administrator(
        office.directory, office.settings, code=code, name="Eva", password=None, address=None
    )
    office("New-Administrator", Name="max")
    office("Add-RoleGroupMember", Identity="Organization Management", Member="max")
    assert holder(office.directory, first.token) is not None
    office(how, Identity="eva", **({"Enabled": False} if how.startswith("Set") else {}))
    assert holder(office.directory, first.token) is None
    assert list(tokens(office.directory)) == []
    removed = next(row for row in office("Search-AdminAuditLog") if row["ObjectClass"] == "API token")
    assert removed["After"] is None


def test_who_only_asks_hears_what_is_not_there_and_what_is_there_already(office: Office) -> None:
    with pytest.raises(NotFound):
        office.ask("Set-AcceptedDomain", {"Identity": "nowhere.example"}, only_ask=True)
    with pytest.raises(NotFound):
        office.ask("Remove-AcceptedDomain", {"Identity": "contoso.com"}, FABRIKAM, only_ask=True)
    with pytest.raises(AlreadyThere):
        office.ask("New-AcceptedDomain", {"Name": "contoso.com"}, only_ask=True)
    office.ask("New-AcceptedDomain", {"Name": "new.example"}, only_ask=True)
    assert office.warnings[0].startswith("What if: ")

"""Role groups, administrators and API tokens, by their cmdlets."""

import pytest

from staffetta.operations import office as operations_office
from staffetta.operations.errors import AlreadyThere, NotFound, OperationError
from staffetta.operations.roles import Caller, Role
from tests.unit.operations.office import NOW, Office

FABRIKAM = Caller("fay", frozenset(Role), "api", organization="fabrikam")
MANAGEMENT = "Organization Management"


@pytest.fixture
def managed(office: Office) -> Office:
    """With one administrator who may do everything."""
    office("New-Administrator", Name="ada")
    office("Add-RoleGroupMember", Identity=MANAGEMENT, Member="ada")
    return office


def holder(office: Office, token: str) -> Caller | None:
    found = operations_office.Office(office.directory, lambda: office.settings, lambda: NOW)
    return found.caller(token, "198.51.100.7")


def test_the_built_in_groups_are_the_roles(office: Office) -> None:
    assert {(row["Name"], *row["Roles"]) for row in office("Get-RoleGroup")} == {(role, role) for role in Role}


def test_a_member_gets_the_group_s_roles_and_loses_them(managed: Office) -> None:
    managed("New-Administrator", Name="bob")
    assert "Add-RoleGroupMember" in managed.warnings[0]
    managed("New-RoleGroup", Name="Support", Roles=["help desk", "View-Only Organization Management"])
    managed("Add-RoleGroupMember", Identity="support", Member="Bob")
    assert managed("Get-Administrator", Identity="bob")[0]["Roles"] == [
        "Help Desk",
        "View-Only Organization Management",
    ]
    assert [row["Name"] for row in managed("Get-RoleGroupMember", Identity="Support")] == ["bob"]
    assigned = managed("Get-ManagementRoleAssignment", RoleAssignee="bob")
    assert [row["Name"] for row in assigned] == ["Help Desk-Support", "View-Only Organization Management-Support"]
    managed("Remove-RoleGroupMember", Identity="Support", Member="bob")
    assert managed("Get-Administrator", Identity="bob")[0]["Roles"] == []
    managed("Remove-RoleGroup", Identity="Support")
    with pytest.raises(NotFound):
        managed("Get-RoleGroup", Identity="Support")


def test_somebody_keeps_the_right_to_do_everything(managed: Office) -> None:
    for cmdlet, parameters in (
        ("Remove-RoleGroupMember", {"Identity": MANAGEMENT, "Member": "ada"}),
        ("Set-Administrator", {"Identity": "ada", "Enabled": False}),
        ("Remove-Administrator", {"Identity": "ada"}),
    ):
        with pytest.raises(OperationError, match="add somebody else first"):
            managed(cmdlet, **parameters)


def test_a_new_password_is_shown_once_and_is_no_part_of_the_audit(managed: Office) -> None:
    (made,) = managed("Set-Administrator", Identity="ada", ResetPassword=True)
    assert len(made["Password"]) >= 20
    assert made["Password"] not in str(managed("Search-AdminAuditLog"))


def test_a_token_is_its_holder_until_it_ends(office: Office) -> None:
    (made,) = office("New-ApiToken", Name="monitoring", Roles=Role.VIEW_ONLY, Days=30)
    assert holder(office, made["Token"]) == Caller(
        "monitoring", frozenset({Role.VIEW_ONLY}), "api", None, "198.51.100.7"
    )
    assert holder(office, "staffetta_unknown") is None
    (shown,) = office("Get-ApiToken", Identity="Monitoring")
    assert (shown["Roles"], shown["CreatedBy"]) == (["View-Only Organization Management"], "ada")
    assert made["Token"] not in str(shown) + str(office("Search-AdminAuditLog"))
    with pytest.raises(AlreadyThere):
        office("New-ApiToken", Name="monitoring", Roles=Role.VIEW_ONLY)
    office("Remove-ApiToken", Identity="monitoring")
    assert holder(office, made["Token"]) is None


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"Roles": "Everything"}, "the roles are: Organization Management"),
        ({"Roles": []}, "'Roles' because it is an empty array"),
        ({"Roles": "Help Desk", "Days": 367}, "'Days'"),
        ({"Roles": "Help Desk", "Organization": "nobody"}, "'nobody'"),
    ],
)
def test_a_token_of_nothing_is_refused(office: Office, parameters: dict[str, object], text: str) -> None:
    with pytest.raises(OperationError, match=text):
        office("New-ApiToken", Name="x", **parameters)


@pytest.mark.parametrize("name", [" ", "Sup\u202eport", "Sup\nport"])
@pytest.mark.parametrize("cmdlet", ["New-RoleGroup", "New-ApiToken"])
def test_a_name_that_cannot_be_read_is_refused(managed: Office, cmdlet: str, name: str) -> None:
    with pytest.raises(OperationError, match="is no name for a"):
        managed(cmdlet, Name=name, Roles="Help Desk")


def test_an_organization_gives_sight_of_itself_alone(managed: Office) -> None:
    managed("New-ApiToken", Name="ours", Roles=MANAGEMENT)
    (made,) = managed("New-ApiToken", FABRIKAM, Name="theirs", Roles=MANAGEMENT)
    assert (found := holder(managed, made["Token"])) is not None
    assert found.organization == "fabrikam"
    assert [row["Name"] for row in managed("Get-ApiToken", FABRIKAM)] == ["theirs"]
    assert managed("Get-Administrator", FABRIKAM) == []
    assert all(row["Members"] == [] for row in managed("Get-RoleGroup", FABRIKAM))
    for cmdlet, parameters in (
        ("New-ApiToken", {"Name": "x", "Roles": MANAGEMENT, "Organization": "default"}),
        ("Remove-ApiToken", {"Identity": "ours"}),
        ("New-RoleGroup", {"Name": "x", "Roles": MANAGEMENT}),
        ("Set-Administrator", {"Identity": "ada", "Enabled": False}),
        ("Add-RoleGroupMember", {"Identity": "Help Desk", "Member": "ada"}),
    ):
        with pytest.raises(NotFound):
            managed(cmdlet, FABRIKAM, **parameters)

"""Which cmdlets a role may do."""

import pytest

from staffetta.operations.errors import BadValue
from tests.unit.operations.office import Office


def test_a_role_s_cmdlets_are_those_that_it_may_call(office: Office) -> None:
    entries = {row["Name"]: row for row in office("Get-ManagementRoleEntry", Identity="Help Desk\\*")}
    assert entries["Retry-Queue"]["IsChange"] and "Identity" in entries["Retry-Queue"]["Parameters"]
    assert "New-InboundConnector" not in entries


def test_a_cmdlet_s_roles_are_those_that_may_call_it(office: Office) -> None:
    roles = [row["Role"] for row in office("Get-ManagementRoleEntry", Identity="*\\search-adminauditlog")]
    assert roles == ["Organization Management", "Compliance Management"]


def test_a_name_without_a_role_says_what_to_write(office: Office) -> None:
    with pytest.raises(BadValue, match="ROLE"):
        office("Get-ManagementRoleEntry", Identity="Get-Queue")

"""Get-HealthReport: the doctor's findings as an operation."""

import pytest

from staffetta.operations.errors import OperationError, RoleMissing
from staffetta.operations.roles import Caller, Role
from tests.unit.operations.office import Office

VIEWER = Caller("eve", frozenset({Role.VIEW_ONLY}), "api")
HELP_DESK = Caller("bob", frozenset({Role.HELP_DESK}), "api")
OF_ONE = Caller("ada", frozenset(Role), "api", organization="fabrikam")


def test_findings_are_rows_the_worst_first(office: Office) -> None:
    (office.settings.data_dir / "directory.sqlite").chmod(0o644)
    rows = office("Get-HealthReport", VIEWER, Offline=True)
    assert (rows[0]["Severity"], rows[0]["Code"]) == ("error", "secret-readable-by-others")
    assert all(row["Why"] and row["Action"] for row in rows)


def test_what_was_not_checked_is_a_warning(office: Office) -> None:
    office("Get-HealthReport", Offline=True)
    assert any(text.startswith("Addresses of clients: fewer than") for text in office.warnings)


def test_who_may_not_see_the_settings_gets_nothing(office: Office) -> None:
    with pytest.raises(RoleMissing):
        office("Get-HealthReport", HELP_DESK)


def test_the_machine_is_nothing_of_one_organisation(office: Office) -> None:
    with pytest.raises(OperationError, match="whole relay"):
        office("Get-HealthReport", OF_ONE)

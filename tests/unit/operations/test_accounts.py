"""Accounts that log in to send, by their cmdlets."""

import pytest

from staffetta.operations.errors import AlreadyThere, NotFound, OperationError
from staffetta.operations.roles import Caller, Role
from staffetta.settings.passwords import verify
from tests.unit.operations.office import Office

HELP_DESK = Caller("hal", frozenset({Role.HELP_DESK}), "console")
FABRIKAM = Caller("fay", frozenset(Role), "api", organization="fabrikam")
SCANNER = "scanner@contoso.com"


def hashes(office: Office) -> tuple[str, ...]:
    (account,) = office.directory.merged(office.settings).accounts
    return account.password_hashes


def test_a_password_is_shown_once_and_kept_as_a_hash(office: Office) -> None:
    office("New-SmtpAccount", UserName=SCANNER, Comment="second floor")
    assert "cannot log in" in office.warnings[0]
    (made,) = office("New-SmtpAccountPassword", HELP_DESK, Identity=SCANNER)
    (kept,) = hashes(office)
    assert verify(kept, made["Password"].encode())
    (shown,) = office("Get-SmtpAccount", HELP_DESK, Identity=SCANNER)
    assert (shown["Passwords"], shown["Comment"]) == ([made["PasswordId"]], "second floor")
    assert made["Password"] not in str(shown)
    assert all(made["Password"] not in str(row) and kept not in str(row) for row in office("Search-AdminAuditLog"))


def test_each_device_has_a_password_of_its_own(office: Office) -> None:
    office("New-SmtpAccount", UserName=SCANNER)
    first, second = (office("New-SmtpAccountPassword", Identity=SCANNER)[0] for _ in range(2))
    office("Remove-SmtpAccountPassword", Identity=SCANNER, PasswordId=first["PasswordId"])
    (kept,) = hashes(office)
    assert verify(kept, second["Password"].encode())
    with pytest.raises(NotFound, match=first["PasswordId"]):
        office("Remove-SmtpAccountPassword", Identity=SCANNER, PasswordId=first["PasswordId"])


def test_a_password_fits_the_device(office: Office) -> None:
    office("New-SmtpAccount", UserName=SCANNER)
    (made,) = office("New-SmtpAccountPassword", Identity=SCANNER, Length=8, Alphabet="digits")
    assert len(made["Password"]) == 8
    assert made["Password"].isdigit()
    assert "bits" in office.warnings[0]
    with pytest.raises(OperationError, match="out of bounds"):
        office("New-SmtpAccountPassword", Identity=SCANNER, Length=3)


def test_an_account_is_changed_and_removed(office: Office) -> None:
    office("New-SmtpAccount", UserName=SCANNER, SendAs="a@contoso.com")
    office("Set-SmtpAccount", Identity=SCANNER, SendAs={"Add": "*@contoso.com"}, Enabled=False)
    (shown,) = office("Get-SmtpAccount", Identity=SCANNER.upper())
    assert (shown["SendAs"], shown["Enabled"]) == (["a@contoso.com", "*@contoso.com"], False)
    with pytest.raises(AlreadyThere):
        office("New-SmtpAccount", UserName=SCANNER)
    office("Remove-SmtpAccount", Identity=SCANNER)
    assert office("Get-SmtpAccount") == []


def test_an_organization_sees_its_own_accounts_alone(office: Office) -> None:
    office("New-SmtpAccount", UserName=SCANNER)
    office("New-SmtpAccount", FABRIKAM, UserName="scanner@fabrikam.com")
    assert [row["UserName"] for row in office("Get-SmtpAccount", FABRIKAM)] == ["scanner@fabrikam.com"]
    for cmdlet in ("Set-SmtpAccount", "Remove-SmtpAccount", "New-SmtpAccountPassword"):
        with pytest.raises(NotFound):
            office(cmdlet, FABRIKAM, Identity=SCANNER)

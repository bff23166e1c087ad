"""The queue by the cmdlets of Exchange's transport servers."""

import pytest

from staffetta.operations.errors import NotFound, OperationError
from staffetta.operations.roles import Caller, Role
from tests.unit.operations.mail import kept
from tests.unit.operations.office import Office

FABRIKAM = Caller("fay", frozenset(Role), "api", organization="fabrikam")
QUEUE = "outside\\example.net"


@pytest.fixture
def ours(office: Office) -> str:
    """The queue id of a message to two recipients."""
    return kept(office.settings, "bob@contoso.com", "eve@outside.example")


def test_a_queue_is_a_destination_and_what_waits_for_it(office: Office, ours: str) -> None:
    kept(office.settings, "eve@outside.example", sender="fay@fabrikam.com", connector=None)
    (row,) = office("Get-Queue", Identity=QUEUE.upper())
    assert (row["Identity"], row["Status"], row["MessageCount"], row["RecipientCount"]) == (QUEUE, "Ready", 2, 3)
    assert (row["NextHopConnector"], row["NextHopDomain"]) == ("outside", "example.net")
    assert [each["MessageCount"] for each in office("Get-Queue", FABRIKAM)] == [1]


def test_a_message_is_one_row_for_each_queue(office: Office, ours: str) -> None:
    (row,) = office("Get-Message", Queue=QUEUE)
    assert (row["Identity"], row["Queue"], row["Status"], row["FromAddress"]) == (
        ours,
        QUEUE,
        "Ready",
        "ada@contoso.com",
    )
    assert row["Recipients"] == ["bob@contoso.com", "eve@outside.example"]
    assert office("Get-Message", Queue="outside\\elsewhere") == []


def test_a_message_is_suspended_resumed_retried_and_removed(office: Office, ours: str) -> None:
    office("Suspend-Message", Identity=ours.lower())
    assert [row["Status"] for row in office("Get-Message")] == ["Suspended"]
    assert office("Get-Queue")[0]["SuspendedCount"] == 2
    office("Resume-Message", Identity=ours)
    assert [row["Status"] for row in office("Get-Message")] == ["Ready"]
    office("Retry-Message", Identity=ours)
    office("Retry-Queue", Identity=QUEUE)
    office("Remove-Message", Identity=ours)
    assert office("Get-Message") == []
    orders = [(row["CmdletName"], row["ObjectModified"]) for row in office("Search-AdminAuditLog")]
    assert orders == [
        ("Remove-Message", ours),
        ("Retry-Queue", QUEUE),
        ("Retry-Message", ours),
        ("Resume-Message", ours),
        ("Suspend-Message", ours),
    ]


def test_a_removed_message_notifies_nobody_and_says_so(office: Office, ours: str) -> None:
    with pytest.raises(OperationError, match="WithNDR"):
        office("Remove-Message", Identity=ours, WithNDR=True)
    office("Remove-Message", Identity=ours, WithNDR=False)


@pytest.mark.parametrize(
    "cmdlet", ["Get-Message", "Suspend-Message", "Resume-Message", "Retry-Message", "Remove-Message"]
)
def test_what_is_not_there_or_another_s_is_an_error(office: Office, ours: str, cmdlet: str) -> None:
    with pytest.raises(NotFound):
        office(cmdlet, Identity="0000000000000")
    with pytest.raises(NotFound):
        office(cmdlet, FABRIKAM, Identity=ours)


def test_a_queue_that_is_not_there_is_an_error(office: Office, ours: str) -> None:
    for cmdlet in ("Get-Queue", "Retry-Queue"):
        with pytest.raises(NotFound):
            office(cmdlet, Identity="outside\\elsewhere")
        with pytest.raises(NotFound):
            office(cmdlet, FABRIKAM, Identity=QUEUE)

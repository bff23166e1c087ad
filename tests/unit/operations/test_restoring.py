"""Failed recipients are queued again, as long as the content is there, and nobody's else."""

import time

import pytest

from staffetta.mail.outcome import Failed, Stage, Unknown
from staffetta.operations.errors import NotFound, OperationError, RoleMissing
from staffetta.operations.roles import Caller, Role
from staffetta.queue.telling import told
from staffetta.spool.spool import RecipientState, Settlement
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.events import Event, EventKind
from tests.unit.operations.mail import in_spool, kept
from tests.unit.operations.office import Office

HELP_DESK = Caller("hal", frozenset({Role.HELP_DESK}), "console")
VIEW = Caller("vic", frozenset({Role.VIEW_ONLY}), "console")
FABRIKAM = Caller("fay", frozenset(Role), "api", organization="fabrikam")
REFUSED = Failed(status="5.1.1", diagnostic="550 5.1.1 No such user", stage=Stage.RCPT, host="mx.example.net")
LOST = Unknown(status="4.4.2", diagnostic="Connection lost", stage=Stage.FINAL_DOT)


@pytest.fixture
def office(office: Office) -> Office:
    office.now = time.time
    return office


def fail(office: Office, *places: int, was_lost: bool = False) -> None:
    """Let recipients of the one message that waits fail, as an attempt does."""

    async def work(spool: SqliteSpool) -> str:
        at = time.time()
        (claim,) = await spool.claim("outside", "example.net", "SMTP Relay", at, 1)
        await spool.begin_attempt(claim, places, {"host": "mx.example.net"}, at)
        if was_lost:
            await spool.settle([Settlement(claim.number, each, RecipientState.UNKNOWN, at, LOST) for each in places])
            (claim,) = await spool.claim("outside", "example.net", "SMTP Relay", at, 1)
        await spool.settle(
            [
                Settlement(
                    claim.number,
                    each,
                    RecipientState.FAILED,
                    None,
                    REFUSED,
                    events=(Event(at, EventKind.FAIL, each, told(REFUSED)),),
                )
                for each in places
            ]
        )
        return ""

    in_spool(office.settings, work)


def test_what_failed_is_tried_again_by_the_road_of_today(office: Office) -> None:
    queue_id = kept(office.settings, "bob@contoso.com", "eve@outside.example")
    fail(office, 0)
    (row,) = office("Restore-Message", HELP_DESK, Identity=queue_id)
    assert (row["Recipients"], row["Changed"], row["Result"]) == (1, 1, "1 recipient queued again")
    bob, _ = sorted(office("Get-MessageTraceV2", MessageTraceId=queue_id), key=lambda row: row["RecipientAddress"])
    assert (bob["Status"], bob["NextHopConnector"]) == ("Pending", "inside")
    events = office("Get-MessageTraceDetailV2", MessageTraceId=queue_id, RecipientAddress="bob@contoso.com")
    assert [each["Event"] for each in events] == ["Receive", "Attempt", "Fail", "Resubmit"]
    assert events[-1]["Facts"]["by"] == "hal"
    (audited,) = office("Search-AdminAuditLog", Cmdlets="Restore-Message")
    assert (audited["Caller"], audited["ObjectModified"]) == ("hal", queue_id)


def test_the_preview_says_who_it_is_about_and_changes_nothing(office: Office) -> None:
    queue_id = kept(office.settings, "bob@contoso.com", "eve@outside.example", "ann@contoso.com")
    fail(office, 0, 1)
    result = office.ask("Restore-Message", {"Identity": queue_id, "RecipientAddress": "*@contoso.com"}, only_ask=True)
    assert "1 of its recipients have failed" in " ".join(result.warnings)
    assert "bob@contoso.com" in " ".join(result.warnings) and "eve@outside" not in " ".join(result.warnings)
    assert office("Search-AdminAuditLog") == []
    office("Restore-Message", Identity=queue_id, RecipientAddress="BOB@*")
    found = {row["RecipientAddress"]: row["Status"] for row in office("Get-MessageTraceV2", MessageTraceId=queue_id)}
    assert found == {"bob@contoso.com": "Pending", "eve@outside.example": "Failed", "ann@contoso.com": "GettingStatus"}


def test_where_the_content_is_gone_it_is_said_and_what_to_do(office: Office) -> None:
    queue_id = kept(office.settings, "bob@contoso.com")
    fail(office, 0)
    with pytest.raises(OperationError, match=r"is gone.*The sender has to send it again"):
        office("Restore-Message", Identity=queue_id)


def test_what_may_have_arrived_is_not_sent_twice(office: Office) -> None:
    queue_id = kept(office.settings, "bob@contoso.com", "eve@outside.example")
    fail(office, 0, was_lost=True)
    with pytest.raises(OperationError, match="ask the recipient whether it has come"):
        office("Restore-Message", Identity=queue_id)


def test_nothing_is_restored_that_did_not_fail(office: Office) -> None:
    queue_id = kept(office.settings, "bob@contoso.com")
    with pytest.raises(OperationError, match="has failed, so that there is nothing"):
        office("Restore-Message", Identity=queue_id)
    office("Remove-Message", Identity=queue_id, WithNDR=False)
    with pytest.raises(OperationError, match="what an administrator has deleted stays so"):
        office("Restore-Message", Identity=queue_id)
    with pytest.raises(NotFound):
        office("Restore-Message", Identity="0GZ6Q1Y2W4X8A")


def test_another_organisation_and_who_may_only_look_restore_nothing(office: Office) -> None:
    queue_id = kept(office.settings, "bob@contoso.com", "eve@outside.example")
    fail(office, 0)
    with pytest.raises(NotFound):
        office("Restore-Message", FABRIKAM, Identity=queue_id)
    with pytest.raises(RoleMissing):
        office("Restore-Message", VIEW, Identity=queue_id)

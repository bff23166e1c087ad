"""The queue by the cmdlets of Exchange's transport servers."""

import sqlite3
import time
from contextlib import closing

import pytest

from staffetta.mail.outcome import Stage, Unknown
from staffetta.mail.queue_id import from_text, to_text
from staffetta.operations.errors import BadParameter, BadValue, NotFound, OperationError
from staffetta.operations.queues import waiting
from staffetta.operations.roles import Caller, Role
from staffetta.operations.spools import spool_folder
from staffetta.operations.trace import Status, TraceQuery, find_messages
from staffetta.spool.marks import QueueFlow
from staffetta.spool.spool import RecipientState, Settlement
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.search import DATABASE_NAME
from tests.unit.operations.mail import in_spool, kept
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


def test_of_the_first_messages_all_recipients_are_shown_however_late_they_are_tried(office: Office, ours: str) -> None:
    kept(office.settings, "eve@outside.example", subject="Second")
    kept(office.settings, "eve@outside.example", subject="Third")
    with closing(sqlite3.connect(spool_folder(office.settings) / DATABASE_NAME)) as connection, connection:
        connection.execute(
            "UPDATE recipient SET due_at = due_at + 3600 WHERE number = ? AND recipient = 1", (from_text(ours),)
        )
    rows = office("Get-Message", ResultSize=2)
    assert [(row["Subject"], len(row["Recipients"])) for row in rows] == [("Hello", 2), ("Second", 1)]
    assert office.warnings == ("There are more results; 2 are shown. -ResultSize Unlimited shows all.",)
    (row,) = office("Get-Message", ResultSize=1, RecipientAddress="bob@*")
    assert (row["Recipients"], office.warnings) == (["bob@contoso.com"], ())
    assert len(office("Get-Message", ResultSize=3)) == 3
    assert office.warnings == ()


def test_a_message_is_suspended_resumed_retried_and_removed(office: Office, ours: str) -> None:
    office("Suspend-Message", Identity=ours.lower())
    assert [row["Status"] for row in office("Get-Message")] == ["Suspended"]
    assert office("Get-Queue")[0]["SuspendedCount"] == 2
    office("Resume-Message", Identity=ours)
    assert [row["Status"] for row in office("Get-Message")] == ["Ready"]
    office("Retry-Message", Identity=ours)
    office("Retry-Queue", Identity=QUEUE)
    office("Remove-Message", Identity=ours, WithNDR=False)
    assert office("Get-Message") == []
    orders = [(row["CmdletName"], row["ObjectModified"]) for row in office("Search-AdminAuditLog")]
    assert orders == [
        ("Remove-Message", ours),
        ("Retry-Queue", QUEUE),
        ("Retry-Message", ours),
        ("Resume-Message", ours),
        ("Suspend-Message", ours),
    ]


@pytest.mark.parametrize(
    "cmdlet", ["Get-Message", "Suspend-Message", "Resume-Message", "Retry-Message", "Remove-Message"]
)
def test_what_is_not_there_or_another_s_is_an_error(office: Office, ours: str, cmdlet: str) -> None:
    with pytest.raises(BadValue, match="no queue id"):
        office(cmdlet, Identity="nonsense")
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


def states(office: Office) -> dict[str, str]:
    """The state of each recipient that waits."""
    return {row.recipient: row.state for row in waiting(office.settings)}


def test_recipients_are_chosen_and_others_of_their_message_stay(office: Office, ours: str) -> None:
    (row,) = office("Suspend-Message", RecipientAddress="*@OUTSIDE.example")
    assert (row["Messages"], row["Recipients"], row["Changed"]) == (1, 1, 1)
    assert row["Result"] == "1 recipient suspended"
    assert states(office) == {"bob@contoso.com": "ready", "eve@outside.example": "held"}


CHOICES: list[tuple[dict[str, object], set[str]]] = [
    ({"Filter": "FromAddress -like '*@contoso.com' -and Status -eq 'Ready'"}, {"bob", "eve", "zoe"}),
    ({"SenderAddress": "ada@contoso.com"}, {"bob", "eve"}),
    ({"SenderAddress": "<>"}, {"tim"}),
    ({"Domain": "fabrikam.com"}, {"zoe"}),
    ({"Connector": "erp"}, {"zoe"}),
    ({"Route": "outside"}, {"bob", "eve", "zoe", "tim"}),
    ({"Route": "elsewhere"}, set()),
    ({"Queue": QUEUE.upper(), "Domain": "contoso.com"}, {"bob", "tim"}),
    ({"Queue": "outside"}, {"bob", "eve", "zoe", "tim"}),
    ({"Status": "Retry"}, set()),
    ({"Status": "Unknown"}, set()),
    ({"OlderThan": "1.00:00:00"}, {"bob", "eve", "zoe", "tim"}),
    ({"OlderThan": "40000.00:00:00"}, set()),
    ({"Why": "refused"}, set()),
    ({"All": True}, {"bob", "eve", "zoe", "tim"}),
]


@pytest.mark.parametrize(("given", "names"), CHOICES)
def test_mail_is_chosen_by_what_it_is_like(
    office: Office, ours: str, given: dict[str, object], names: set[str]
) -> None:
    office.now = lambda: time.time() + 2 * 86_400
    kept(office.settings, "zoe@fabrikam.com", sender="cara@contoso.com", connector="ERP")
    kept(office.settings, "tim@contoso.com", sender=None, connector=None)
    shown = {each.partition("@")[0] for row in office("Get-Message", **given) for each in row["Recipients"]}
    assert shown == names
    (row,) = office("Suspend-Message", **given)
    assert row["Changed"] == len(names)


def test_who_chooses_nothing_changes_nothing(office: Office, ours: str) -> None:
    for given in ({}, {"Identity": []}):
        with pytest.raises(BadParameter):
            office("Remove-Message", **given)
    assert set(states(office).values()) == {"ready"}


def test_who_only_asks_hears_how_many_and_which(office: Office, ours: str) -> None:
    for _ in range(6):
        kept(office.settings, "eve@outside.example")
    result = office.ask("Remove-Message", {"Domain": "outside.example"}, only_ask=True)
    assert result.warnings[1] == "What if: It is about 7 recipients of 7 messages."
    assert ours in result.warnings[2] and "<ada@contoso.com> to <eve@outside.example>, ready" in result.warnings[2]
    assert result.warnings[-1] == "What if: and 2 more"
    assert "deleted" not in states(office).values()
    with pytest.raises(NotFound):
        office.ask("Remove-Message", {"Identity": "0000000000000"}, only_ask=True)


def test_an_order_is_audited_with_how_many_and_by_what_they_were_chosen(office: Office, ours: str) -> None:
    office("Remove-Message", Domain="outside.example", WithNDR=False)
    row = office("Search-AdminAuditLog")[0]
    assert (row["Caller"], row["ObjectModified"]) == ("ada", ours)
    assert row["After"] == {
        "Order": "delete",
        "Where": {"Domain": "outside.example"},
        "Messages": 1,
        "Recipients": 1,
    }
    (found,) = find_messages(office.settings, TraceQuery(recipient="eve@outside.example")).rows
    assert found.diagnostic == "deleted by ada"


def test_removed_mail_is_returned_to_its_sender_while_no_relay_runs(office: Office, ours: str) -> None:
    (row,) = office("Remove-Message", Identity=ours)
    assert row["Result"] == "2 recipients deleted, and the senders are notified"
    (notification,) = office("Get-Message")
    assert (notification["FromAddress"], notification["Recipients"]) == ("", ["ada@contoso.com"])
    assert office("Get-Queue")[0]["Identity"] == "inside\\inside"


def test_mail_is_sent_another_way(office: Office, ours: str) -> None:
    (row,) = office("Redirect-Message", Identity=ours, ToRoute="INSIDE")
    assert row["Result"] == "2 recipients sent another way"
    assert {(each.route, each.destination) for each in waiting(office.settings)} == {("inside", "inside")}
    with pytest.raises(BadParameter, match="There is: inside"):
        office("Redirect-Message", Identity=ours, ToRoute="nowhere")
    with pytest.raises(BadParameter, match="There is: none"):  # the file's roads are not an organisation's to choose
        office("Redirect-Message", FABRIKAM, All=True, ToRoute="inside")


def lost(office: Office, *recipients: str) -> str:
    """Keep a message of which the next hop may have the first recipient, and return its queue id."""
    queue_id = kept(office.settings, *recipients)

    async def work(spool: SqliteSpool) -> str:
        (claim,) = await spool.claim("outside", "example.net", "SMTP Relay", 2**40, 1)
        outcome = Unknown(status="4.4.2", diagnostic="Connection lost", stage=Stage.FINAL_DOT)
        later = Settlement(claim.number, 0, RecipientState.UNKNOWN, 2.0**33, outcome)
        rest = [Settlement(claim.number, place, RecipientState.DEFERRED, 2.0**33, None) for place in range(1, 2)]
        await spool.settle([later, *rest[: len(recipients) - 1]])
        return queue_id

    return in_spool(office.settings, work)


def test_unknown_outcomes_are_listed_and_retried_or_taken_as_delivered(office: Office) -> None:
    queue_id = lost(office, "bob@contoso.com", "eve@outside.example")
    (row,) = office("Get-Message", Status="Unknown")
    assert (row["Identity"], row["IsOutcomeUnknown"], row["Recipients"]) == (queue_id, True, ["bob@contoso.com"])
    (row,) = office("Redirect-Message", Identity=queue_id, ToRoute="inside")
    assert (row["Changed"], row["Skipped"]) == (1, 1)
    assert "the next hop may have it; -IncludeUnknown takes it along" in row["Result"]
    (row,) = office("Retry-Message", Status="Unknown")
    assert row["Result"] == "1 recipient to be tried now"
    (row,) = office("Complete-Message", All=True)
    assert row["Result"] == "1 recipient taken as delivered; 1 is not of unknown outcome: no next hop has it"
    (found,) = find_messages(office.settings, TraceQuery(recipient="bob@contoso.com")).rows
    assert (found.status, found.diagnostic) == (
        Status.DELIVERED,
        "taken as delivered by ada; whether the next hop has it is not known",
    )


def test_a_queue_is_tried_by_the_roads_of_today(office: Office, ours: str) -> None:
    kept(office.settings, "carl@contoso.com")
    office("Suspend-Message", RecipientAddress="carl@contoso.com")
    what_if = office.ask("Retry-Queue", {"Identity": QUEUE, "Resubmit": True}, only_ask=True).warnings
    assert "What if: 1 of them would wait in inside\\inside." in what_if
    (row,) = office("Retry-Queue", Identity=QUEUE, Resubmit=True)
    assert row["Changed"] == 1  # there is no road for the outside, and what is due is not retried
    places = {each.recipient: each.route for each in waiting(office.settings)}
    assert places == {"bob@contoso.com": "inside", "eve@outside.example": "outside", "carl@contoso.com": "outside"}


def test_a_queue_is_suspended_and_resumed_and_says_by_whom(office: Office, ours: str) -> None:
    office("Suspend-Queue", Identity=QUEUE)
    (row,) = office("Get-Queue")
    assert (row["Status"], row["NextRetryTime"]) == ("Suspended", None)
    assert "the queue is suspended since" in row["LastError"] and row["LastError"].endswith("by ada")
    assert "by ada" in office("Get-Message")[0]["LastError"]
    assert "by ada" in (waiting(office.settings)[0].diagnostic or "")
    office("Resume-Queue", Identity=QUEUE)
    assert office("Get-Queue")[0]["Status"] == "Ready"
    assert [row["ObjectModified"] for row in office("Search-AdminAuditLog")] == [QUEUE, QUEUE]


def test_a_route_is_suspended_as_a_whole_and_resumed_as_a_whole(office: Office, ours: str) -> None:
    office("Suspend-Queue", Identity="inside")
    empty = office("Get-Queue", Identity="inside\\*")[0]
    assert (empty["MessageCount"], empty["Status"]) == (0, "Suspended")
    office("Suspend-Queue", Identity="outside\\*")
    with pytest.raises(OperationError, match="Resume-Queue outside resumes it"):
        office("Resume-Queue", Identity=QUEUE)
    office("Resume-Queue", Identity="outside")
    assert [row["Status"] for row in office("Get-Queue", Filter="NextHopConnector -eq 'outside'")] == ["Ready"]
    with pytest.raises(NotFound):
        office("Suspend-Queue", Identity="nowhere")


def test_an_administrator_of_one_organisation_stops_no_road_that_others_use(office: Office) -> None:
    kept(office.settings, "eve@outside.example", sender="fay@fabrikam.com", connector=None)
    for cmdlet in ("Suspend-Queue", "Resume-Queue"):
        with pytest.raises(OperationError, match="other organizations"):
            office(cmdlet, FABRIKAM, Identity=QUEUE)
        with pytest.raises(NotFound):
            office(cmdlet, FABRIKAM, Identity="inside")
    (row,) = office("Suspend-Message", FABRIKAM, All=True)
    assert row["Changed"] == 1


def test_how_fast_a_queue_fills_and_empties_is_shown_to_who_sees_all_of_it(office: Office, ours: str) -> None:
    kept(office.settings, "eve@outside.example", sender="fay@fabrikam.com", connector=None)

    async def work(spool: SqliteSpool) -> str:
        spool.post_flows([QueueFlow("outside", "example.net", time.time(), 10.0, 30, 5)])
        return to_text(spool.next_number())

    in_spool(office.settings, work)
    (row,) = office("Get-Queue")
    assert (row["IncomingRate"], row["OutgoingRate"], row["Velocity"]) == (3.0, 0.5, -2.5)
    assert office("Get-Queue", FABRIKAM)[0]["Velocity"] is None

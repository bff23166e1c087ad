"""Mail flow over time, and the use of connectors."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from staffetta.operations.errors import NotFound
from staffetta.operations.roles import Caller, Role
from staffetta.settings.objects import InboundConnector
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.flow import SLOT_SECONDS, FlowCount, Way
from tests.unit.operations.mail import in_spool, kept
from tests.unit.operations.office import DECLARED, Office

SLOTS_AN_HOUR = 3600 // SLOT_SECONDS
FABRIKAM = Caller("fay", frozenset(Role), "api", organization="fabrikam")


def note(office: Office, *counts: FlowCount) -> None:
    async def work(spool: SqliteSpool) -> str:
        spool.count_flow(counts)
        return ""

    in_spool(office.settings, work)


@pytest.fixture
def at_noon(office: Office) -> int:
    """The slot of the hour in which the clock stands; the spool sweeps by the clock of the day what is too old."""
    hour = int(time.time() // 3600) * 3600
    office.now = lambda: float(hour + 1800)
    return hour // SLOT_SECONDS


def test_counts_of_slots_are_summed_by_hour_and_way(office: Office, at_noon: int) -> None:
    note(
        office,
        FlowCount(at_noon, Way.ACCEPTED, "Declared", 3),
        FlowCount(at_noon + 1, Way.ACCEPTED, "", 2),
        FlowCount(at_noon + 1, Way.REFUSED, "relay denied", 1),
        FlowCount(at_noon - SLOTS_AN_HOUR, Way.DELIVERED, "inside", 7),
        FlowCount(at_noon - 30 * SLOTS_AN_HOUR, Way.DELIVERED, "inside", 9),
    )
    note(office, FlowCount(at_noon, Way.ACCEPTED, "Declared", 4))
    hour = datetime.fromtimestamp(at_noon * SLOT_SECONDS, UTC)
    rows = [(row["Date"], row["EventType"], row["MessageCount"]) for row in office("Get-MailFlowStatusReport")]
    assert rows == [
        (told(hour - timedelta(hours=1)), "delivered", 7),
        (told(hour), "accepted", 9),
        (told(hour), "refused", 1),
    ]
    finer = office("Get-MailFlowStatusReport", Interval="FiveMinutes")
    assert [row["MessageCount"] for row in finer] == [7, 7, 2, 1]
    whole = office("Get-MailFlowStatusReport", StartDate=(hour - timedelta(days=2)).isoformat(), Interval="Day")
    assert sum(row["MessageCount"] for row in whole) == 26


def test_usage_tells_count_time_and_address_of_the_last(office: Office) -> None:
    now = time.time()
    office.now = lambda: now + 1
    office.settings = office.settings.model_copy(
        update={"inbound_connectors": (DECLARED, InboundConnector(name="Idle", sender_ip_addresses=("192.0.2.9",)))}
    )
    kept(office.settings, "bob@contoso.com", connector="Declared", peer="192.0.2.200")
    kept(office.settings, "bob@contoso.com", connector="Declared", peer="192.0.2.201")
    kept(office.settings, "bob@contoso.com", connector="Other", peer="192.0.2.202")
    slot = int(time.time() // SLOT_SECONDS)
    note(office, FlowCount(slot - 100, Way.ACCEPTED, "Declared", 5), FlowCount(slot, Way.ACCEPTED, "Declared", 2))
    used, idle = office("Get-InboundConnectorUsage")
    assert (used["Identity"], used["MessageCount"], used["LastClientAddress"]) == ("Declared", 7, "192.0.2.201")
    assert abs(datetime.fromisoformat(used["LastUsedTime"]).timestamp() - now) < SLOT_SECONDS
    assert (idle["Identity"], idle["MessageCount"], idle["LastUsedTime"]) == ("Idle", 0, None)
    assert office("Get-InboundConnectorUsage", Identity="DECLARED") == [used]
    with pytest.raises(NotFound):
        office("Get-InboundConnectorUsage", Identity="Nobody")


def test_an_organisation_sees_what_its_own_connectors_let_in_and_nothing_else(office: Office, at_noon: int) -> None:
    theirs = InboundConnector(name="Theirs", sender_ip_addresses=("198.51.100.1",), organization="fabrikam")
    office.settings = office.settings.model_copy(update={"inbound_connectors": (DECLARED, theirs)})
    note(
        office,
        FlowCount(at_noon, Way.ACCEPTED, "Declared", 3),
        FlowCount(at_noon, Way.ACCEPTED, "Theirs", 2),
        FlowCount(at_noon, Way.DELIVERED, "inside", 5),
    )
    assert [row["MessageCount"] for row in office("Get-MailFlowStatusReport", FABRIKAM)] == [2]
    assert [row["Identity"] for row in office("Get-InboundConnectorUsage", FABRIKAM)] == ["Theirs"]


def test_before_the_first_start_there_is_nothing(office: Office) -> None:
    assert office("Get-MailFlowStatusReport") == []
    assert office("Get-InboundConnectorUsage")[0]["MessageCount"] == 0


def told(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")

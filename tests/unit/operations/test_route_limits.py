"""What routes have carried of what they may."""

import time

import pytest

from staffetta.operations.errors import NotFound
from staffetta.operations.roles import Caller, Role
from staffetta.settings.objects import InboundConnector
from staffetta.settings.roads import Route
from staffetta.spool.marks import ConnectorMark, CrowdingMark, HourMark, Mark, Scope
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.search import iso
from tests.unit.operations.mail import in_spool
from tests.unit.operations.office import Office


def count(office: Office, *marks: Mark) -> None:
    async def work(spool: SqliteSpool) -> str:
        await spool.settle([], marks=marks)
        return ""

    in_spool(office.settings, work)


def test_used_limit_and_the_time_at_which_it_is_full_are_shown_for_each_route(office: Office) -> None:
    routes = (Route(name="cloud", recipients_per_day=1000, licenses=10), Route(name="free"))
    office.settings = office.settings.model_copy(update={"routes": routes})
    now = time.time()  # the spool sweeps by the clock of the day what is too old to count
    office.now = lambda: now
    count(office, *(HourMark("cloud", Scope.ALL, int(now // 3600) - back, 300) for back in range(3)))
    whole, outside = office("Get-RouteLimit")
    assert (whole["Identity"], whole["LimitName"], whole["Used"], whole["Limit"]) == ("cloud", "recipients", 900, 1000)
    assert whole["FullTime"] is not None
    assert (outside["LimitName"], outside["Used"], outside["Limit"]) == ("external recipients", 0, 12_005)
    assert outside["FullTime"] is None
    assert len(office("Get-RouteLimit", Identity="CLOUD")) == 2


@pytest.mark.parametrize(
    ("seconds", "rows"),
    [
        (
            60,
            [(2, "2 of 4 at a time, one more from 2027-01-15T08:10:00.000Z, since the next hop said: 432 4.3.2 Many")],
        ),
        (600, [(3, "3 of 4 at a time, one more each minute, since the next hop said: 432 4.3.2 Many")]),
        (660, []),
    ],
)
def test_connections_that_a_next_hop_puts_up_with_are_told_in_words(
    office: Office, seconds: int, rows: list[tuple[int, str]]
) -> None:
    start = 1_800_000_000.0
    routes = (Route(name="cloud", concurrency=4), Route(name="free"))
    office.settings = office.settings.model_copy(update={"routes": routes})
    office.now = lambda: start + seconds
    count(office, CrowdingMark("cloud", "contoso.test", 2, start + 600, "432 4.3.2 Many"))
    found = office("Get-RouteLimit")
    assert [(row["Limit"], row["Reason"]) for row in found] == rows
    assert all((row["Destination"], row["LimitName"]) == ("contoso.test", "connections") for row in found)


def test_a_connector_that_waits_for_its_rate_is_told_with_the_time_of_the_next(office: Office) -> None:
    now = time.time()
    office.now = lambda: now
    connectors = (InboundConnector(name="erp", messages_per_minute=2), InboundConnector(name="free"))
    office.settings = office.settings.model_copy(update={"inbound_connectors": connectors})
    count(office, ConnectorMark("erp", now + 20))
    (row,) = office("Get-RouteLimit", Identity="ERP")
    assert (row["Identity"], row["LimitName"], row["Limit"]) == ("erp", "messages a minute", 2)
    assert row["Reason"] == f"the next goes at {iso(now + 20)}"


def test_a_route_that_is_not_there_is_not_found_and_a_guest_sees_none(office: Office) -> None:
    with pytest.raises(NotFound):
        office("Get-RouteLimit", Identity="nowhere")
    assert office("Get-RouteLimit", Caller("fay", frozenset(Role), "api", organization="fabrikam")) == []

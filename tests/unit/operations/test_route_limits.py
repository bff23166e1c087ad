"""What routes have carried of what they may."""

import time

import pytest

from staffetta.operations.errors import NotFound
from staffetta.operations.roles import Caller, Role
from staffetta.settings.roads import Route
from staffetta.spool.marks import HourMark, Scope
from staffetta.spool.sqlite import SqliteSpool
from tests.unit.operations.mail import in_spool
from tests.unit.operations.office import Office


def count(office: Office, *marks: HourMark) -> None:
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


def test_a_route_that_is_not_there_is_not_found_and_a_guest_sees_none(office: Office) -> None:
    with pytest.raises(NotFound):
        office("Get-RouteLimit", Identity="nowhere")
    assert office("Get-RouteLimit", Caller("fay", frozenset(Role), "api", organization="fabrikam")) == []

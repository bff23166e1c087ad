"""How long what waits has waited, by where it goes."""

import time

import pytest

from staffetta.operations.errors import NotFound
from staffetta.operations.roles import Caller, Role
from tests.unit.operations.mail import kept
from tests.unit.operations.office import Office

FABRIKAM = Caller("fay", frozenset(Role), "api", organization="fabrikam")
BANDS = ("UpTo5Minutes", "UpTo1Hour", "UpTo4Hours", "UpTo1Day", "Over1Day")


@pytest.mark.parametrize(
    ("seconds", "band"),
    [(0, 0), (299, 0), (320, 1), (3599, 1), (3700, 2), (14_399, 2), (15_000, 3), (86_399, 3), (86_500, 4), (9e6, 4)],
)
def test_a_recipient_counts_in_the_band_of_its_age(office: Office, seconds: float, band: int) -> None:
    kept(office.settings, "bob@contoso.com", "eve@outside.example")
    came = time.time()
    office.now = lambda: came + seconds
    (row,) = office("Get-QueueAge")
    assert [row[each] for each in BANDS] == [2 if place == band else 0 for place in range(5)]
    assert row["Identity"] == "outside\\example.net"


def test_what_is_held_counts_with_what_is_due(office: Office) -> None:
    held = kept(office.settings, "bob@contoso.com")
    kept(office.settings, "eve@outside.example")
    office("Suspend-Message", Identity=held)
    office.now = time.time
    assert [row["UpTo5Minutes"] for row in office("Get-QueueAge")] == [2]


def test_an_organization_counts_its_own_mail(office: Office) -> None:
    office.now = time.time
    kept(office.settings, "bob@contoso.com")
    kept(office.settings, "eve@outside.example", sender="fay@fabrikam.com", connector=None)
    assert [row["UpTo5Minutes"] for row in office("Get-QueueAge", FABRIKAM)] == [1]


def test_one_queue_is_found_by_its_name_and_another_is_an_error(office: Office) -> None:
    assert office("Get-QueueAge") == []
    kept(office.settings, "bob@contoso.com")
    assert len(office("Get-QueueAge", Identity="OUTSIDE\\example.net")) == 1
    with pytest.raises(NotFound):
        office("Get-QueueAge", Identity="outside\\example.org")

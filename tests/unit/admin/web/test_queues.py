"""Queues: a map of destination and age, a list that says why, and orders that are shown before they are given."""

import time

import pytest

from tests.unit.admin.web.browser import Browser, Console
from tests.unit.operations.mail import kept

QUEUE = "outside\\example.net"
QUOTED = "outside%5Cexample.net"


@pytest.fixture
def site(site: Console) -> Console:
    """By the clock of the day: the spool's is no other. Two recipients wait."""
    site.office.now = time.time
    kept(site.office.settings, "bob@example.net", "eve@example.net")
    return site


def test_a_queue_is_a_row_of_the_map_and_of_the_list(ada: Browser) -> None:
    page = ada.get("/queues")
    assert ada.status == 200
    assert 'aria-label="example.net, up to 5 min: 2"' in page
    assert f'href="/queues?show={QUOTED}"' in page
    assert "</span> Ready</span>" in page


def test_a_queue_shows_why_it_waits_and_what_waits_in_it(ada: Browser) -> None:
    page = ada.get(f"/queues?show={QUOTED}")
    panel = page.split('class="fly-out"')[1]
    assert f"/messages?Queue={QUOTED}" in panel
    assert f"/queues/do/Suspend-Queue?id={QUOTED}" in panel
    assert '/queues/do/Suspend-Queue?id=outside"' in panel


def test_an_order_says_what_it_would_be_about_and_is_then_given(ada: Browser) -> None:
    path = f"/queues/do/Suspend-Queue?id={QUOTED}"
    page = ada.get(path)
    assert "1 messages wait there now." in page
    ada.send(path)
    assert ada.status == 303, ada.text
    assert "</span> Suspended</span>" in ada.get("/queues?Filter=Status -eq 'Suspended'")
    assert "Nothing matches" in ada.get("/queues?Filter=Status -eq 'Retry'")


def test_a_filter_that_cannot_be_read_is_said_beside_the_list(ada: Browser) -> None:
    page = ada.get("/queues?Filter=nonsense")
    assert ada.status == 422
    assert 'class="flash bad"' in page


def test_an_empty_queue_says_so(site: Console) -> None:
    ada = site.signed_in("ada", "Organization Management")
    ada.send(f"/queues/do/Retry-Queue?id={QUOTED}")
    assert ada.status == 303
    fay = site.signed_in("fay", "View-Only Organization Management", organization="fabrikam")
    assert "Nothing waits" in fay.get("/queues")


def test_who_may_not_give_orders_is_offered_none(site: Console) -> None:
    viewer = site.signed_in("vic", "View-Only Organization Management")
    page = viewer.get("/queues")
    assert "/queues/do/" not in page and 'id="chosen"' not in page

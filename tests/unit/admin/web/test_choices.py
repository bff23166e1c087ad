"""Orders about all that filters choose: it is shown what they are about before anything is done."""

import time

import pytest

from tests.unit.admin.web.browser import Browser, Console
from tests.unit.operations.mail import kept

PATH = "/messages/do/Remove-Message"


@pytest.fixture
def site(site: Console) -> Console:
    """Three messages wait, by the clock of the day."""
    site.office.now = time.time
    for recipient in ("bob@example.net", "eve@example.net", "kim@example.org"):
        kept(site.office.settings, recipient)
    return site


def left(site: Console) -> int:
    return len(site.office("Get-Message"))


def test_the_list_leads_to_orders_with_its_filters(ada: Browser) -> None:
    page = ada.get("/messages?Domain=example.net")
    assert f'href="{PATH}?Domain=example.net"' in page
    assert "It is about 2 recipients of 2 messages." in ada.get(f"{PATH}?Domain=example.net")


def test_what_was_shown_is_done_when_it_is_sent_once_more(ada: Browser, site: Console) -> None:
    ada.get(f"{PATH}?Domain=example.net")
    ada.post(PATH, {**ada.form(PATH), "WithNdr": "false"})
    assert ada.status == 200 and left(site) == 3, "the form was changed, so that it is shown again"
    ada.post(PATH, ada.form(PATH))
    assert ada.status == 303, ada.text
    assert left(site) == 1


def test_who_chooses_nothing_is_asked_to(ada: Browser, site: Console) -> None:
    page = ada.get(PATH)
    assert "Show what it is about" in page
    ada.post(PATH, ada.form(PATH))
    assert (ada.status, left(site)) == (200, 3)


def test_conditions_that_cannot_be_read_are_said_and_nothing_is_done(ada: Browser, site: Console) -> None:
    page = ada.send(PATH, Filter="nonsense")
    assert ada.status == 422
    assert "field-Filter-error" in page or 'class="flash bad"' in page
    assert left(site) == 3


def test_another_road_is_shown_before_it_is_taken(ada: Browser, site: Console) -> None:
    path = "/messages/do/Redirect-Message"
    assert "Show what it is about" in ada.get(f"{path}?Domain=example.org")
    page = ada.post(path, {**ada.form(path), "ToRoute": "inside"})
    assert "They would wait for the route inside" in page
    ada.post(path, ada.form(path))
    assert ada.status == 303, ada.text
    assert sorted(row["Queue"] for row in site.office("Get-Message"))[0] == "inside\\inside"

"""Home: four answers, and the way to the first delivered message."""

import re
import time

import pytest

from staffetta.settings.model import Settings
from staffetta.spool.sqlite import SqliteSpool
from staffetta.trace.flow import SLOT_SECONDS, FlowCount, Way
from tests.unit.admin.web.browser import Browser, Console
from tests.unit.operations.mail import crashed_in_attempt, in_spool, kept


@pytest.fixture
def site(site: Console) -> Console:
    """By the clock of the day: the spool's is no other."""
    site.office.now = time.time
    return site


def note(settings: Settings, *counts: tuple[Way, str, int]) -> None:
    slot = int(time.time() // SLOT_SECONDS)

    async def work(spool: SqliteSpool) -> str:
        spool.count_flow([FlowCount(slot, *each) for each in counts])
        return ""

    in_spool(settings, work)


def test_a_fresh_relay_shows_what_leads_to_the_first_delivered_message(ada: Browser, site: Console) -> None:
    page = ada.get("/")
    assert "On the way to the first delivered message" in page
    done = re.findall(r'badge (good|off)">.*?<a href="(/[a-z-]+)"', page.split('class="steps"')[1].split("</ol>")[0])
    assert ("good", "/accepted-domains") in done and ("off", "/trace") in done
    assert "Nothing came and nothing left" in page
    assert "Nothing waits." in page


def test_flow_is_a_chart_with_its_numbers_beside_it(ada: Browser, site: Console) -> None:
    note(
        site.office.settings,
        (Way.ACCEPTED, "Declared", 1234),
        (Way.DELIVERED, "inside", 1230),
        (Way.REFUSED, "relay denied", 3),
    )
    page = ada.get("/")
    assert "1234 messages were accepted in the last 24 hours." in page
    assert "Delivered: 1,230" in page
    assert page.count('class="series-1" x=') == 1
    assert "<strong>3</strong> times a sender was refused today" in page
    assert page.count('<th scope="row"><time ') == 24


def test_what_waits_is_named_with_its_queue(ada: Browser, site: Console) -> None:
    kept(site.office.settings, "bob@example.net")
    page = ada.get("/")
    assert "example.net" in page.split('id="stuck"')[1].split("</section>")[0]


def test_who_may_not_ask_for_a_part_sees_home_without_it(site: Console) -> None:
    helper = site.signed_in("hal", "Help Desk")
    page = helper.get("/")
    assert helper.status == 200
    assert "Is mail flowing?" in page


def test_what_a_crash_cut_short_asks_for_a_decision_with_its_answers(ada: Browser, site: Console) -> None:
    kept(site.office.settings, "bob@contoso.com")
    crashed_in_attempt(site.office.settings)
    part = ada.get("/").split('id="decide"')[1].split("</section>")[0]
    assert "<strong>1</strong> recipient may have been reached, and the reply was lost" in part
    answers = re.findall(r'class="button" href="([^"]*)"', part)
    assert answers == ["/messages/do/Retry-Message?Status=Unknown", "/messages/do/Complete-Message?Status=Unknown"]
    ada.get(answers[1])
    assert ada.form("/messages/do/Complete-Message")["Status"] == "Unknown"


def test_what_is_held_since_it_must_never_go_twice_is_released_or_taken_as_delivered(
    ada: Browser, site: Console
) -> None:
    kept(site.office.settings, "bob@contoso.com", is_once=True)
    crashed_in_attempt(site.office.settings)
    part = ada.get("/").split('id="decide"')[1].split("</section>")[0]
    assert re.findall(r"/messages/do/(\w+)-Message", part) == ["Resume", "Complete"]
    release = re.findall(r'class="button" href="([^"]*)"', part)[0].replace("&amp;", "&")
    assert "It is about 1 recipient of 1 messages." in ada.get(release)
    ada.post("/messages/do/Resume-Message", ada.form("/messages/do/Resume-Message"))
    assert ada.status == 303
    assert [row["Status"] for row in site.office("Get-Message", Status="Unknown")] == ["Ready"]


def test_who_may_decide_nothing_is_shown_the_number_alone(site: Console) -> None:
    kept(site.office.settings, "bob@contoso.com")
    crashed_in_attempt(site.office.settings)
    page = site.signed_in("vic", "View-Only Organization Management").get("/")
    assert "may have been reached" in page
    assert "/messages/do/" not in page

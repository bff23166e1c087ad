"""Message trace: found by words or by a form, page by page, and told from the start to the end."""

import html
import re
import time

import pytest
from markupsafe import escape

from staffetta.admin.web.pages import trace as trace_page
from staffetta.operations import tracing
from tests.unit.admin.web.browser import Browser, Console
from tests.unit.operations.mail import crashed_in_attempt, kept
from tests.unit.trace.written import written


@pytest.fixture
def site(site: Console) -> Console:
    """By the clock of the day: the spool's is no other."""
    site.office.now = time.time
    return site


@pytest.fixture
def mail(site: Console) -> Console:
    kept(site.office.settings, "bob@contoso.com", "eve@outside.example", subject="Monthly report")
    kept(site.office.settings, "eve@outside.example", subject="Offer", connector="Declared", peer="192.0.2.8")
    return site


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 3),
        ("Search=to:bob@contoso.com", 1),
        ("Search=connector:declared", 1),
        ("Search=eve@outside.example", 2),
        ("SenderAddress=*@contoso.com&Subject=offer", 1),
        ("Search=from:nobody@contoso.com", 0),
        ("Search=status:gettingstatus&span=1h", 3),
        ("StartDate=2020-01-01&EndDate=2020-02-01&span=1h", 0),
    ],
)
def test_messages_are_found_by_what_the_address_says(ada: Browser, mail: Console, query: str, found: int) -> None:
    page = ada.get(f"/trace?{query}")
    assert (ada.status, page.count('class="row-link"')) == (200, found)


def test_what_cannot_be_read_is_said_beside_its_field(ada: Browser, mail: Console) -> None:
    page = ada.get("/trace?Search=status:lost")
    assert ada.status == 422
    assert "there are gettingstatus, pending, delivered, failed" in page.split('id="search-error"')[1]
    ada.get("/trace?StartDate=soon")
    assert ada.status == 422
    assert 'id="field-StartDate-error"' in ada.text


def test_a_row_opens_its_timeline_and_the_command_for_it(ada: Browser, mail: Console) -> None:
    page = ada.get("/trace?Search=subject:offer")
    link = re.findall(r'class="row-link" href="([^"]*)"', page)[0].replace("&amp;", "&")
    opened = ada.get(f"/trace{link}")
    assert "Declared" in opened.split("<h3>Decisions</h3>")[1]
    assert "Get-MessageTraceDetailV2 -MessageTraceId" in opened
    assert 'action="/analyzer"' in opened


def test_pages_follow_each_other_and_no_row_comes_twice(ada: Browser, site: Console) -> None:
    addresses = [f"user{number}@example.net" for number in range(120)]
    kept(site.office.settings, *addresses)
    address, seen = "/trace", []
    while address:
        page = ada.get(address)
        seen += re.findall(r"<bdi>(user\d+@example.net)</bdi>", page)
        later = re.findall(r'<a href="([^"]*)" rel="next"', page)
        address = f"/trace{later[0].replace('&amp;', '&')}" if later else ""
    assert seen == addresses


def test_another_order_is_of_the_rows_that_match(ada: Browser, mail: Console) -> None:
    page = ada.get("/trace?sort=Subject")
    assert 'aria-sort="ascending"><a href="?sort=-Subject"' in page
    assert page.index("<bdi>Monthly report</bdi>") < page.index("<bdi>Offer</bdi>")
    page = ada.get("/trace?sort=-Subject")
    assert page.index("<bdi>Offer</bdi>") < page.index("<bdi>Monthly report</bdi>")
    assert "that match are in this order" not in page
    assert ada.get("/trace?sort=nothing").count('class="row-link"') == 3


def test_an_order_of_more_than_it_is_made_of_says_so_and_has_pages(
    ada: Browser, site: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_page, "SORTED_MAX", 60)
    kept(site.office.settings, *(f"user{number:03}@example.net" for number in range(61)))
    page = ada.get("/trace?sort=-RecipientAddress")
    assert "The newest 60 that match are in this order." in page
    assert "Page 1 of 2" in page
    second = ada.get("/trace?sort=-RecipientAddress&page=2")
    assert re.findall(r"<bdi>(user\d+)@", second)[0] == "user009"


def test_the_address_of_a_search_can_be_one_that_finds_the_same_tomorrow(ada: Browser, mail: Console) -> None:
    page = ada.get("/trace?Search=subject:offer&span=1h")
    fixed = re.findall(r'class="button" href="(\?[^"]*StartDate[^"]*)"', page)[0].replace("&amp;", "&")
    assert "span=" not in fixed and "EndDate=" in fixed
    assert 'class="row-link"' in ada.get(f"/trace{fixed}")


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "\u202egpj.exe"])
def test_subjects_with_markup_are_shown_safely(ada: Browser, site: Console, text: str) -> None:
    kept(site.office.settings, "bob@contoso.com", subject=text)
    assert f"<bdi>{escape(text)}</bdi>" in ada.get("/trace")
    assert (text in ada.text) == (escape(text) == text)


def test_what_a_next_hop_may_have_is_found_and_marked(ada: Browser, mail: Console) -> None:
    crashed_in_attempt(mail.office.settings)
    kept(mail.office.settings, "bob@contoso.com", subject="Later")
    page = ada.get("/trace?Search=status:unknown from:ada@contoso.com")
    assert page.count('class="row-link"') == 3
    assert page.count("Outcome unknown") == 3
    assert "Outcome unknown" not in ada.get("/trace?Search=subject:later")
    mail.office("Complete-Message", All=True)
    assert 'class="row-link"' not in ada.get("/trace?Search=status:unknown")


def test_an_administrator_of_one_organisation_sees_its_own_mail(mail: Console) -> None:
    kept(mail.office.settings, "eve@outside.example", sender="fay@fabrikam.com", subject="Theirs")
    fay = mail.signed_in("fay", "Organization Management", organization="fabrikam")
    page = fay.get("/trace")
    assert "Theirs" in page and "Offer" not in page


def test_a_search_that_would_take_too_long_says_so_and_leads_on(
    ada: Browser, site: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "ROWS_READ_MAX", 1)
    written(site.office.settings.data_dir / "spool", 700, end=time.time())
    page = ada.get("/trace?span=all&Search=connector%3Anothing")
    assert "No message matches, as far as was looked." in page
    assert "were not looked at yet" in page
    (address,) = re.findall(r'href="(\?[^"]*)" rel="next">Look further', page)
    rest = ada.get(f"/trace{html.unescape(address)}")
    assert "Look further" not in rest
    assert "No message matches, within this time." in rest

"""What every page does, with scripts and without: lists, forms, keys, theme and language; and what a session is."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.stage import Stage
from tests.browser.visitor import Visitor, follow, leaving, visitor

pytestmark = pytest.mark.browser


def test_lists_and_forms_work_without_scripts(chromium: Browser, served: Stage) -> None:
    plain = visitor(chromium, served.address, java_script_enabled=False)
    page = plain.sign_in("ada")
    page.goto(f"{served.address}/accepted-domains")
    follow(page.get_by_role("link", name="Add"))
    page.locator("#field-Name").fill("plain.test")
    follow(page.locator("main").get_by_role("button", name="Add"))
    expect(page.get_by_role("table")).to_contain_text("plain.test")
    page.get_by_label("Choose plain.test").check()
    follow(page.locator("form#chosen button", has_text="Remove"))
    follow(page.locator("main button.danger"))
    expect(page.get_by_role("table")).not_to_contain_text("plain.test")
    page.context.close()


def test_after_signing_out_the_back_button_shows_nothing(ada: Visitor) -> None:
    page = ada.go("/accepted-domains")
    page.locator("summary", has_text="ada").click()
    follow(page.get_by_role("button", name="Sign out"))
    expect(page.get_by_role("status")).to_contain_text("You have signed out")
    ada.step(by=-1)
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def test_times_are_shown_in_the_browser_s_zone_and_utc_beside_them(ada: Visitor) -> None:
    page = ada.go("/audit")
    time = page.locator("time").first
    expect(time).to_have_attribute("title", re.compile("UTC$"))
    expect(time).not_to_have_text(re.compile("UTC"))


def test_theme_and_language_are_chosen_and_kept(ada: Visitor) -> None:
    page = ada.go("/queues")
    page.locator("summary", has_text="EN").click()
    follow(page.get_by_role("button", name="Dark"))
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.locator("summary", has_text="EN").click()
    follow(page.get_by_role("button", name="Italiano"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Code")
    assert page.url == f"{ada.address}/queues"


def test_a_tick_at_the_head_chooses_all(ada: Visitor) -> None:
    page = ada.go("/connectors")
    page.get_by_label("Choose all on this page").check()
    boxes = page.locator("tbody input[type=checkbox]")
    assert boxes.count() >= 2
    assert all(box.is_checked() for box in boxes.all())


def test_keys_lead_to_pages_to_search_and_out_of_a_panel(ada: Visitor) -> None:
    ada.page.clock.set_fixed_time(
        datetime.now(UTC)
    )  # two keys belong together within a while that no machine stretches
    page = ada.go("/")
    page.keyboard.press("g")
    with leaving(page):
        page.keyboard.press("d")
    expect(page.get_by_role("heading", level=1)).to_have_text("Accepted domains")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("tailspin")
    with leaving(page):
        page.keyboard.press("Enter")
    with leaving(page):
        page.get_by_role("link", name="tailspin.test").first.press("Enter")
    expect(page.get_by_role("complementary")).to_be_visible()
    with leaving(page):
        page.keyboard.press("Escape")
    expect(page.get_by_role("complementary")).to_have_count(0)


def test_the_second_of_two_tabs_is_told(ada: Visitor) -> None:
    path = "/accepted-domains/do/Set-AcceptedDomain?id=tailspin.test"
    first, second = ada.go(path), ada.page.context.new_page()
    second.goto(f"{ada.address}{path}")
    for page in (first, second):
        page.locator("#field-MatchSubDomains").select_option("true" if page is first else "false")
    follow(first.locator("main button.primary"))
    expect(first.get_by_role("status")).to_contain_text("Done")
    second.locator("#field-DomainType").select_option("Authoritative")
    follow(second.locator("main button.primary"))
    expect(second.get_by_role("heading", level=1)).to_have_text("Somebody else changed this meanwhile")
    follow(second.get_by_role("link", name="Start again"))
    expect(second.locator("#field-MatchSubDomains")).to_have_value("true")


def test_a_click_twice_makes_one(ada: Visitor) -> None:
    page = ada.go("/tokens/do/New-ApiToken")
    page.locator("#field-Name").fill("twice")
    page.get_by_label("Help Desk").check()
    page.locator("main button.primary").dblclick()
    page.wait_for_url(re.compile(r"/tokens($|\?)"), wait_until="load")
    expect(page.locator("table.list tbody tr", has_text="twice")).to_have_count(1)
    ada.step(by=-1)
    ada.step(by=1)
    expect(page.locator("table.list tbody tr", has_text="twice")).to_have_count(1)


def test_a_role_that_may_not_is_refused_in_words(chromium: Browser, served: Stage) -> None:
    vic = visitor(chromium, served.address)
    vic.sign_in("vic")
    page = vic.go("/accepted-domains/do/New-AcceptedDomain")
    expect(page.get_by_role("alert")).to_contain_text("needs the role Organization Management")
    vic.page.context.close()


def test_a_domain_is_made_and_removed_with_the_keyboard_alone(ada: Visitor) -> None:
    page = ada.go("/accepted-domains")
    page.keyboard.press("Tab")
    assert _focused(ada) == "Skip to the content"
    page.keyboard.press("Enter")
    _tab_to(ada, "Add")
    _enter(ada)
    expect(page.get_by_role("heading", level=1)).to_have_text("Add: Accepted domains")
    _tab_to(ada, "field-Name")
    page.keyboard.type("keys.test")
    _enter(ada)
    expect(page.get_by_role("status")).to_contain_text("Done")
    _tab_to(ada, "keys.test")
    _enter(ada)
    expect(page.locator("#fly-out-title")).to_be_focused()
    _tab_to(ada, "Remove")
    _enter(ada)
    expect(page.get_by_role("heading", level=1)).to_have_text("Remove: keys.test")
    _tab_to(ada, "Remove")
    _enter(ada)
    expect(page.get_by_role("status")).to_contain_text("Done")
    expect(page.get_by_role("table")).not_to_contain_text("keys.test")


def _focused(somebody: Visitor) -> str:
    words = "document.activeElement.innerText?.trim() || document.activeElement.id"
    return str(somebody.page.evaluate(words))


def _enter(somebody: Visitor) -> None:
    with leaving(somebody.page):
        somebody.page.keyboard.press("Enter")


def _tab_to(somebody: Visitor, words: str) -> None:
    for _ in range(80):
        somebody.page.keyboard.press("Tab")
        if _focused(somebody) == words:
            return
    raise AssertionError(f"Tab does not reach {words!r}")

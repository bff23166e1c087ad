"""The wizard by keyboard alone, without scripts, with the browser's own buttons; test_walk has the article's way."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.stage import Stage, stage
from tests.browser.visitor import Visitor, leaving, press, visitor
from tests.live.relay import open_folder

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site() -> Iterator[Stage]:
    with stage(open_folder(), is_empty=True) as made:
        yield made


@pytest.fixture
def ada(chromium: Browser, site: Stage) -> Iterator[Visitor]:
    found = visitor(chromium, site.address)
    found.sign_in("ada")
    yield found
    found.page.context.close()
    assert found.troubles == []


def test_a_keyboard_is_enough(ada: Visitor, site: Stage) -> None:
    page = ada.go("/connectors/add?Need=printer")
    focus(page, "#field-Name")
    page.keyboard.type("By keyboard")
    enter(page)
    focus(page, "#field-SenderIPAddresses")
    for value in ("192.0.2.7", "192.0.2.8"):
        page.keyboard.type(value)
        enter(page)
        expect(page.locator(".added")).to_contain_text(value)
        focus(page, "#field-SenderIPAddresses")
    for name in ("Next", "Next", "Create connector"):
        focus(page, f"main button.primary:text-is('{name}')")
        enter(page)
    expect(page.get_by_role("status").first).to_contain_text("The connector was created.")


def enter(page: Page) -> None:
    with leaving(page):
        page.keyboard.press("Enter")


def focus(page: Page, selector: str) -> None:
    """Go there with Tab."""
    wanted = page.locator(selector)
    expect(wanted).to_be_visible()
    for _ in range(120):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {selector}")


def test_without_scripts_it_is_the_same_wizard(chromium: Browser, site: Stage) -> None:
    plain = visitor(chromium, site.address, java_script_enabled=False)
    page = plain.sign_in("ada")
    page.goto(f"{site.address}/connectors/add?Need=printer")
    page.locator("#field-Name").fill("Without scripts")
    press(page, "Next")
    page.locator("#field-SenderIPAddresses").fill("192.0.2.300")
    press(page, "Add to the list")
    expect(page.locator("#field-SenderIPAddresses-error")).to_contain_text("write an address")
    page.locator("#field-SenderIPAddresses").fill("192.0.2.30")
    press(page, "Add to the list")
    expect(page.locator(".added")).to_contain_text("192.0.2.30")
    press(page, "Back")
    expect(page.locator("#field-Name")).to_have_value("Without scripts")
    for _ in range(3):
        press(page, "Next")
    press(page, "Create connector")
    expect(page.get_by_role("status").first).to_contain_text("The connector was created.")
    page.context.close()


def test_the_browser_s_back_button_shows_what_was_typed_and_creates_nothing_twice(ada: Visitor, site: Stage) -> None:
    page = ada.go("/connectors/add?Need=printer&SenderIPAddresses=192.0.2.40")
    page.locator("#field-Name").fill("Back and forth")
    press(page, "Next")
    expect(page.locator("#field-Name")).to_have_count(0)
    ada.step(by=-1)
    expect(page.locator("#field-Name")).to_have_value("Back and forth")
    for _ in range(3):
        press(page, "Next")
    press(page, "Create connector")
    expect(page.get_by_role("status").first).to_contain_text("The connector was created.")
    made = page.url
    ada.step(by=-1)
    expect(page.get_by_role("status")).to_have_count(0)
    expect(page).to_have_url(made)

"""The order of rules by keyboard and by mouse; a connector that is validated with all that was said."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.stage import Stage, stage
from tests.browser.visitor import Visitor, follow, leaving, visitor
from tests.live.relay import open_folder

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site() -> Iterator[Stage]:
    with stage(open_folder()) as made:
        yield made


@pytest.fixture
def ada(chromium: Browser, site: Stage) -> Iterator[Visitor]:
    found = visitor(chromium, site.address)
    found.sign_in("ada")
    yield found
    found.page.context.close()
    assert found.troubles == []


def names(page: Page) -> list[str]:
    return [each.get_attribute("value") or "" for each in page.locator(".order input[name=id]").all()]


def test_rules_are_ordered_by_keyboard_and_by_mouse(ada: Visitor) -> None:
    page = ada.go("/route-rules/order")
    first, second = names(page)
    page.get_by_role("button", name=f"Move {second} up").focus()
    with leaving(page):
        page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The order was written.")
    assert names(page) == [second, first]
    with leaving(page):
        page.locator(".order li").first.drag_to(page.locator(".order li").last, target_position={"x": 10, "y": 25})
    expect(page.get_by_role("status")).to_contain_text("The order was written.")
    assert names(page) == [first, second]


def test_an_outbound_connector_is_made_and_validated_with_transcript(ada: Visitor, site: Stage) -> None:
    page = ada.go("/connectors/add?Need=smarthost&Name=To the sink&RecipientDomains=sink.test")
    for _ in range(2):
        follow(page.locator("main button.primary"))
    page.locator("#field-SmartHosts").fill(f"127.0.0.1:{site.sink.port}")
    follow(page.locator("main button.primary"))
    follow(page.get_by_role("button", name="Create connector"))
    follow(page.get_by_role("link", name="Validate"))
    page.get_by_label("Recipients").fill("eva@sink.test")
    follow(page.locator("main").get_by_role("button", name="Validate"))
    expect(page.locator("section.card").first).to_contain_text("Succeeded")
    expect(page.locator("pre", has_text="RCPT TO:<eva@sink.test>").first).to_be_visible()

"""Every page: no violation that axe finds, no error of a script, nothing from elsewhere, and no weight."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.pages import shown_pages
from tests.browser.stage import Stage
from tests.browser.visitor import Visitor, follow, visitor

pytestmark = pytest.mark.browser

OCTETS_MAX = 150 * 1024


@pytest.fixture(scope="module", params=["light", "dark"])
def looking(request: pytest.FixtureRequest, chromium: Browser, served: Stage) -> Iterator[Visitor]:
    found = visitor(chromium, served.address, theme=request.param)
    found.sign_in("ada")
    yield found
    found.page.context.close()


@pytest.mark.parametrize(("name", "path"), shown_pages(), ids=[name for name, _ in shown_pages()])
def test_a_page_is_accessible_light_and_alone(looking: Visitor, axe: Path, name: str, path: str) -> None:
    looking.troubles.clear()
    looking.go(path)
    assert looking.violations(axe) == []
    assert looking.troubles == []
    assert looking.octets() <= OCTETS_MAX


@pytest.mark.parametrize("path", ["/sign-in", "/sign-in?ended=1"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_sign_in_is_accessible(chromium: Browser, served: Stage, axe: Path, path: str, theme: str) -> None:
    stranger = visitor(chromium, served.address, theme=theme)
    stranger.go(path)
    assert stranger.violations(axe) == []
    assert stranger.troubles == []
    stranger.page.context.close()


@pytest.mark.parametrize("path", [path for _, path in shown_pages()])
def test_no_page_is_wider_than_a_phone(phone: Visitor, path: str) -> None:
    page = phone.go(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.fixture(scope="module")
def phone(chromium: Browser, served: Stage) -> Iterator[Visitor]:
    found = visitor(chromium, served.address, width=360)
    found.sign_in("ada")
    yield found
    found.page.context.close()


def test_on_a_phone_menu_and_details_cover_the_page_and_are_closed(phone: Visitor) -> None:
    page = phone.go("/accepted-domains")
    page.get_by_role("link", name="Menu").click()
    follow(page.get_by_role("navigation", name="Menu").get_by_role("link", name="Connectors", exact=True))
    follow(page.get_by_role("link", name="Loopback"))
    title = page.get_by_role("complementary").get_by_role("heading", name="Loopback")
    expect(title).to_be_in_viewport()
    box = title.bounding_box()
    assert box is not None
    hit = "([x, y]) => document.elementFromPoint(x, y).closest('aside') !== null"
    assert page.evaluate(hit, [box["x"] + 5, box["y"] + 5])
    follow(page.get_by_role("complementary").get_by_role("link", name="Close"))
    expect(page.get_by_role("complementary")).to_have_count(0)

"""A message followed in a real browser: its story and its source, accessible, and safe by the policy of content."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import Visitor, follow

pytestmark = pytest.mark.browser


def test_a_row_leads_to_the_story_and_to_the_source(ada: Visitor, axe: Path) -> None:
    ada.troubles.clear()
    page = ada.go("/trace?Search=to:eva@partner.test")
    follow(page.locator(".row-link").first)
    expect(page.get_by_role("heading", name="Decisions")).to_be_visible()
    assert ada.violations(axe) == []
    follow(page.get_by_role("link", name="Source", exact=True))
    follow(page.get_by_role("button", name="Show the source"))
    expect(page.locator("pre.source")).to_contain_text("To: eva@partner.test")
    assert ada.violations(axe) == []
    assert ada.troubles == []

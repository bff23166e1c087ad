"""Live pages in a real browser: what comes is shown, what is used is left alone, and the policy of content holds."""

import smtplib

import pytest
from playwright.sync_api import expect

from tests.browser.stage import Stage
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

PATIENCE_MILLISECONDS = 60_000


def send(served: Stage, subject: str) -> None:
    with smtplib.SMTP("127.0.0.1", served.relay.port, timeout=20) as client:
        text = f"From: app@contoso.test\r\nTo: eva@partner.test\r\nSubject: {subject}\r\n\r\nHello.\r\n"
        client.sendmail("app@contoso.test", ["eva@partner.test"], text)


def test_what_comes_is_shown_without_loading_the_page_again(ada: Visitor, served: Stage) -> None:
    ada.troubles.clear()
    page = ada.go("/trace?live=1")
    expect(page.locator("[data-live-on]")).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    page.evaluate("window.isSame = true")
    send(served, "Comes while somebody looks")
    row = page.get_by_role("row").filter(has_text="Comes while somebody looks")
    expect(row).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    assert page.evaluate("window.isSame")
    assert ada.troubles == []


def test_what_somebody_is_using_waits_until_he_has_left_it(ada: Visitor, served: Stage) -> None:
    page = ada.go("/trace?live=1")
    expect(page.locator("[data-live-on]")).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    page.locator("[data-live] .row-link").first.focus()
    send(served, "Comes while somebody reads")
    page.wait_for_selector("[data-live][data-waits]", timeout=PATIENCE_MILLISECONDS)
    expect(page.get_by_text("Comes while somebody reads")).to_have_count(0)
    page.locator("#search").focus()
    expect(page.get_by_text("Comes while somebody reads")).to_be_visible(timeout=PATIENCE_MILLISECONDS)

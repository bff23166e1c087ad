"""Tools in a real relay: what takes long says how far it is, and then what came of it."""

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import Visitor, follow

pytestmark = pytest.mark.browser


def test_a_test_message_through_ourselves_shows_all_that_was_said(ada: Visitor) -> None:
    page = ada.go("/send-test")
    follow(page.get_by_role("link", name="relay, 127.0.0.1"))
    page.locator("#field-From").fill("ada@contoso.test")
    page.locator("#field-To").fill("eva@contoso.test")
    follow(page.get_by_role("button", name="Send", exact=True))
    answer = page.get_by_role("region", name="Answer")
    expect(answer).to_contain_text("Accepted")
    expect(answer).to_contain_text("C RCPT TO:<eva@contoso.test>")


def test_a_probe_is_followed_to_where_it_arrives(ada: Visitor) -> None:
    page = ada.go("/probe?Route=next&TargetEmailAddress=eva@contoso.test")
    follow(page.get_by_role("button", name="Send the probe"))
    expect(page.get_by_role("region", name="Answer")).to_contain_text("It arrived")


def test_the_doctor_reports_and_the_report_stays(ada: Visitor) -> None:
    page = ada.go("/doctor")
    page.get_by_label("Offline").check()
    follow(page.get_by_role("button", name="Examine"))
    report = page.get_by_role("region", name="Report")
    expect(report).to_contain_text("What to do")
    ada.go("/")
    ada.go("/doctor")
    expect(report).to_contain_text("certificate-name-missing")


def test_a_queue_is_suspended_after_its_preview_and_resumed(ada: Visitor) -> None:
    page = ada.go("/queues")
    page.get_by_label("Choose To the partner", exact=False).check()
    follow(page.locator("form#chosen").get_by_role("button", name="Suspend"))
    expect(page.locator(".preview")).to_contain_text("messages wait there now")
    follow(page.locator("main").get_by_role("button", name="Suspend"))
    expect(page.get_by_role("status").first).to_contain_text("Done")
    ada.go("/queues?Filter=Status -eq 'Suspended'")
    expect(page.get_by_role("table").last).to_contain_text("To the partner")
    page.get_by_label("Choose To the partner", exact=False).check()
    follow(page.locator("form#chosen").get_by_role("button", name="Resume"))
    follow(page.locator("main").get_by_role("button", name="Resume"))
    ada.go("/queues?Filter=Status -eq 'Suspended'")
    expect(page.locator("main")).to_contain_text("Nothing matches")

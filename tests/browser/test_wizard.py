"""The wizard as the article clicks it, with real clients at the end of it; by keyboard alone; and without scripts."""

import smtplib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.stage import Stage, stage
from tests.browser.visitor import Visitor, visitor
from tests.certificates import make, pem
from tests.live.relay import open_folder

pytestmark = pytest.mark.browser

AUTHORITY = """
[[trusted_authorities]]
name = "lab"
certificates = "{path}"
"""
PRINTER, STRANGER = "127.0.0.2", "127.0.0.3"


@dataclass(frozen=True)
class Site:
    """A relay that lets nobody in, and what a server of ours has to show."""

    stage: Stage
    client: ssl.SSLContext

    def send(self, subject: str, source: str, *, is_certified: bool = False) -> None:
        """Raises SMTPException where it is refused."""
        text = f"From: app@contoso.test\r\nTo: eva@partner.test\r\nSubject: {subject}\r\n\r\nHello.\r\n"
        port = self.stage.relay.port
        with smtplib.SMTP("127.0.0.1", port, timeout=20, source_address=(source, 0)) as client:
            if is_certified:
                client.starttls(context=self.client)
            client.sendmail("app@contoso.test", ["eva@partner.test"], text)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    folder = open_folder()
    authority = make("Lab", is_authority=True)
    (folder / "lab.pem").write_bytes(pem(authority.certificate))
    files = make("mail.contoso.test", issuer=authority).write(folder / "client")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(files / "certificate.pem", files / "key.pem")
    with stage(folder, is_empty=True, more=AUTHORITY.format(path=folder / "lab.pem")) as made:
        yield Site(made, context)


@pytest.fixture
def ada(chromium: Browser, site: Site) -> Iterator[Visitor]:
    found = visitor(chromium, site.stage.address)
    found.sign_in("ada")
    yield found
    found.page.context.close()
    assert found.troubles == []


def press(page: Page, name: str) -> None:
    page.locator("main").get_by_role("button", name=name, exact=True).last.click()


def test_from_the_wizard_to_mail_that_goes_through(ada: Visitor, axe: Path, site: Site) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        site.send("too early", PRINTER)

    def accessible() -> None:
        assert ada.violations(axe) == []

    # By address: the pair, name, address list, review, create.
    page = ada.go("/connectors")
    page.get_by_role("link", name="Add a connector").first.click()
    accessible()
    page.get_by_label("Connection from").select_option("own")
    page.get_by_label("Connection to").select_option("relay")
    press(page, "Next")
    accessible()
    page.get_by_label("Name", exact=False).first.fill("SMTP Relay")
    page.get_by_label("Description").fill("Made as the article makes it")
    expect(page.get_by_label("Turn it on")).to_be_checked()
    press(page, "Next")
    page.get_by_label("IP address", exact=True).fill(PRINTER)
    expect(page.locator("[data-findings=SenderIPAddresses]")).to_contain_text("relay's own machine")
    accessible()
    press(page, "Next")
    accessible()
    press(page, "Next")
    expect(page.locator("main")).to_contain_text(f"Clients are known by their address: {PRINTER}")
    expect(page.locator("main")).to_contain_text("250 2.1.5")
    accessible()
    press(page, "Create connector")
    expect(page.get_by_role("status").first).to_contain_text("The connector was created.")
    accessible()
    press(page, "Test")
    expect(page.locator("main")).to_contain_text("This connector's client, accepted")
    expect(page.locator("pre", has_text="RCPT TO")).to_be_visible()
    accessible()

    # By certificate, of an authority that the settings name.
    page.get_by_role("link", name="Add a connector").click()
    page.get_by_label("Our mail server to Microsoft 365").check()
    press(page, "Next")
    page.get_by_label("Name", exact=False).first.fill("Mail server")
    expect(page.get_by_label("Retain internal Exchange email headers")).to_be_checked()
    press(page, "Next")
    page.get_by_label("Name in the certificate").fill("*.contoso.test")
    expect(page.locator("[data-findings=TlsSenderCertificateName]")).to_contain_text("accepted domain contoso.test")
    page.get_by_label("Issued by").select_option("lab")
    press(page, "Next")
    press(page, "Next")
    press(page, "Create connector")
    page.get_by_role("link", name="Done").click()
    table = page.get_by_role("table")
    expect(table).to_contain_text("SMTP Relay")
    expect(table).to_contain_text("Mail server")

    # Real clients, within the second in which it takes effect at the latest.
    taken(page, lambda: site.send("by address", PRINTER))
    taken(page, lambda: site.send("by certificate", "127.0.0.1", is_certified=True))
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        site.send("from a stranger", STRANGER)
    page = ada.go("/trace")
    expect(page.locator("main")).to_contain_text("by address")
    expect(page.locator("main")).to_contain_text("by certificate")
    for _ in range(60):  # what was counted is written down every ten seconds
        page = ada.go("/connectors?show=SMTP Relay")
        if "Last used" in page.locator(".fly-out").inner_text():
            break
        page.wait_for_timeout(250)
    expect(page.locator(".fly-out")).to_contain_text(f"Last used by {PRINTER}, 1 message this week.")
    accessible()

    # One click for the stranger: the wizard with what is known of him.
    page = ada.go(f"/connectors/add?Need=application&SenderIPAddresses={STRANGER}")
    page.get_by_label("Name", exact=False).first.fill("No stranger any more")
    for _ in range(3):
        press(page, "Next")
    press(page, "Create connector")
    taken(page, lambda: site.send("no stranger", STRANGER))


def taken(page: Page, send: Callable[[], None]) -> None:
    """Send when the change has reached the relay, which takes a second at most."""
    for _ in range(20):
        try:
            return send()
        except smtplib.SMTPRecipientsRefused:
            page.wait_for_timeout(100)
    send()


def test_a_keyboard_is_enough(ada: Visitor, site: Site) -> None:
    page = ada.go("/connectors/add?Need=printer")
    focus(page, "#field-Name")
    page.keyboard.type("By keyboard")
    page.keyboard.press("Enter")
    focus(page, "#field-SenderIPAddresses")
    for value in ("192.0.2.7", "192.0.2.8"):
        page.keyboard.type(value)
        page.keyboard.press("Enter")
        expect(page.locator(".added")).to_contain_text(value)
        focus(page, "#field-SenderIPAddresses")
    for name in ("Next", "Next", "Create connector"):
        focus(page, f"main button.primary:text-is('{name}')")
        page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("The connector was created.")


def focus(page: Page, selector: str) -> None:
    """Go there with Tab."""
    wanted = page.locator(selector)
    expect(wanted).to_be_visible()
    for _ in range(120):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {selector}")


def test_without_scripts_it_is_the_same_wizard(chromium: Browser, site: Site) -> None:
    plain = visitor(chromium, site.stage.address, java_script_enabled=False)
    page = plain.sign_in("ada")
    page.goto(f"{site.stage.address}/connectors/add?Need=printer")
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


def test_the_browser_s_back_button_shows_what_was_typed_and_creates_nothing_twice(ada: Visitor, site: Site) -> None:
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

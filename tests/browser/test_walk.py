"""The whole way of somebody who has just installed the relay: to mail that goes through, and to a stranger let in."""

import smtplib
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.stage import PASSWORD, Stage, stage
from tests.browser.visitor import Visitor, follow, press, visitor
from tests.certificates import make, pem
from tests.live.certified import offer_by_openssl
from tests.live.mail import Mail
from tests.live.relay import open_folder

pytestmark = pytest.mark.browser

AUTHORITY = """
[[trusted_authorities]]
name = "lab"
certificates = "{path}"
"""
PRINTER, STRANGER = "127.0.0.2", "127.0.0.3"
SENDER, RECIPIENT = "app@contoso.test", "eva@partner.test"
SWAKS_REFUSED = 24
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Site:
    """A relay with nobody and nothing in it. client: the folder of the certificate that our mail server has."""

    stage: Stage
    client: Path

    def by_address(self, subject: str, source: str) -> str | None:
        """Send with swaks; return the refusal, or None."""
        words = ["swaks", "--server", f"127.0.0.1:{self.stage.relay.port}", "--local-interface", source]
        words += ["--helo", "client.test", "--from", SENDER, "--to", RECIPIENT, "--h-Subject", subject]
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        if done.returncode == 0:
            return None
        assert done.returncode == SWAKS_REFUSED, done.stdout[-2000:]
        return next(line for line in done.stdout.splitlines() if line.startswith("<** 550"))

    def by_certificate(self, subject: str) -> str | None:
        """Send with `openssl s_client`, as every howto does; return the refusal, or None."""
        return offer_by_openssl(Mail("", _content(subject), (RECIPIENT,), SENDER), self.client, self.port, "1.3")

    def by_smtplib(self, subject: str, source: str) -> str | None:
        """Send as a program in Python does; return the refusal, or None."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE_SECONDS, source_address=(source, 0)) as client:
            try:
                client.sendmail(SENDER, [RECIPIENT], _content(subject))
            except smtplib.SMTPRecipientsRefused as refused:
                return str(refused.recipients[RECIPIENT])
        return None

    @property
    def port(self) -> int:
        return self.stage.relay.port


def _content(subject: str) -> bytes:
    return f"From: {SENDER}\r\nTo: {RECIPIENT}\r\nSubject: {subject}\r\n\r\nHello.\r\n".encode()


@pytest.fixture
def site() -> Iterator[Site]:
    folder = open_folder()
    authority = make("Lab", is_authority=True)
    (folder / "lab.pem").write_bytes(pem(authority.certificate))
    files = make("mail.contoso.test", issuer=authority).write(folder / "client")
    with stage(folder, is_fresh=True, is_empty=True, more=AUTHORITY.format(path=folder / "lab.pem")) as made:
        yield Site(made, files)


@pytest.fixture
def somebody(chromium: Browser, site: Site) -> Iterator[Visitor]:
    found = visitor(chromium, site.stage.address)
    yield found
    found.page.context.close()
    assert found.troubles == []


def test_from_the_first_code_to_a_stranger_who_is_let_in(somebody: Visitor, axe: Path, site: Site) -> None:
    def accessible() -> None:
        assert somebody.violations(axe) == []

    _first_administrator(somebody, site)
    accessible()
    _domain(somebody)
    assert site.by_address("too early", PRINTER) is not None
    _connector_by_address(somebody, accessible)
    _connector_by_certificate(somebody, accessible)
    page = somebody.page
    table = page.get_by_role("table")
    expect(table).to_contain_text("SMTP Relay (Non-TLS)")
    expect(table).to_contain_text("SMTP Relay (TLS)")

    _taken(page, lambda: site.by_address("from the printer", PRINTER))
    _taken(page, lambda: site.by_certificate("from the mail server"))
    assert site.by_smtplib("from a stranger", STRANGER) is not None
    page = somebody.go_until("/trace", "Delivered")
    expect(page.locator("main")).to_contain_text("from the printer")
    expect(page.locator("main")).to_contain_text("from the mail server")
    page = somebody.go_until("/connectors?show=SMTP Relay (Non-TLS)", f"Last used by {PRINTER}, 1 message this week.")
    accessible()

    _let_in(somebody, accessible)
    _taken(page, lambda: site.by_smtplib("no stranger any more", STRANGER))
    somebody.go_until("/trace", "no stranger any more")


def _first_administrator(somebody: Visitor, site: Site) -> None:
    page = somebody.go("/")
    page.get_by_label("One-time code").fill(site.stage.first_code())
    page.get_by_label("Your name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    follow(page.get_by_role("button", name="Make the first administrator"))
    expect(page.get_by_role("heading", name="On the way to the first delivered message")).to_be_visible()
    page.locator("summary", has_text="ada").click()
    follow(page.get_by_role("button", name="Sign out"))
    somebody.sign_in("ada")
    expect(page.get_by_role("navigation", name="Menu")).to_be_visible()


def _domain(somebody: Visitor) -> None:
    page = somebody.page
    follow(page.get_by_role("link", name="Say which domains are yours"))
    follow(page.get_by_role("link", name="Add").first)
    page.get_by_label("Name", exact=False).first.fill("first.test")
    follow(page.locator("main").get_by_role("button", name="Add"))
    expect(page.get_by_role("status")).to_contain_text("Done")
    expect(page.get_by_role("table")).to_contain_text("first.test")


def _connector_by_address(somebody: Visitor, accessible: Callable[[], None]) -> None:
    """As the article clicks it: mail flow, connectors, new; from our server to the relay; name; address; save."""
    page = somebody.page
    follow(page.get_by_role("navigation", name="Menu").get_by_role("link", name="Connectors", exact=True))
    follow(page.get_by_role("link", name="Add a connector").first)
    accessible()
    page.get_by_label("Connection from").select_option("own")
    page.get_by_label("Connection to").select_option("relay")
    press(page, "Next")
    accessible()
    page.get_by_label("Name", exact=False).first.fill("SMTP Relay (Non-TLS)")
    page.get_by_label("Description").fill("Accept relay from the SMTP server on our premises")
    expect(page.get_by_label("Turn it on")).to_be_checked()
    page.get_by_label("Retain internal Exchange email headers").uncheck()
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


def _connector_by_certificate(somebody: Visitor, accessible: Callable[[], None]) -> None:
    """The same scenario, known by the subject of its certificate, of an authority that the settings name."""
    page = somebody.page
    follow(page.get_by_role("link", name="Add a connector"))
    page.get_by_label("Our mail server to Microsoft 365").check()
    press(page, "Next")
    page.get_by_label("Name", exact=False).first.fill("SMTP Relay (TLS)")
    expect(page.get_by_label("Retain internal Exchange email headers")).to_be_checked()
    press(page, "Next")
    page.get_by_label("Name in the certificate").fill("*.contoso.test")
    expect(page.locator("[data-findings=TlsSenderCertificateName]")).to_contain_text("accepted domain contoso.test")
    page.get_by_label("Issued by").select_option("lab")
    accessible()
    press(page, "Next")
    press(page, "Next")
    press(page, "Create connector")
    follow(page.get_by_role("link", name="Done"))


def _let_in(somebody: Visitor, accessible: Callable[[], None]) -> None:
    """From the refusal to its explanation, and by one click to the wizard with what was seen of him."""
    page = somebody.go_until("/refused", STRANGER)
    follow(page.locator("tbody tr", has_text=STRANGER).first.locator("a.row-link"))
    details = page.get_by_role("complementary")
    expect(details).to_contain_text("Why")
    expect(details).to_contain_text(STRANGER)
    accessible()
    follow(details.get_by_role("link", name="Create a connector for this"))
    expect(page.locator("#field-Name")).to_have_value(f"Relay from {STRANGER}")
    for _ in range(3):
        press(page, "Next")
    press(page, "Create connector")
    expect(page.get_by_role("status").first).to_contain_text("The connector was created.")


def _taken(page: Page, send: Callable[[], str | None]) -> None:
    """Send until it is taken: a change reaches the relay within a second, on a machine that has one to spare."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (refusal := send()) is not None:
        assert time.monotonic() < deadline, refusal
        page.wait_for_timeout(200)

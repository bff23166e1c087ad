"""Write var/screenshots/PAGE-LANGUAGE-THEME-WIDTH.png of every page (`make screenshots`), to be looked at."""

import smtplib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import CHROMIUM
from tests.browser.pages import shown_pages
from tests.browser.stage import Stage, stage
from tests.browser.visitor import PATIENCE_MILLISECONDS, Visitor, follow, visitor
from tests.live.relay import open_folder

FOLDER = Path("var/screenshots")
VIEWS = (("en", "light", 1280), ("en", "dark", 1280), ("it", "light", 1280), ("it", "dark", 360), ("en", "light", 360))

_COUNTED = {"en": "were accepted in the last 24 hours", "it": "accettati nelle ultime 24 ore"}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with stage(open_folder()) as made, sync_playwright() as playwright:
        _mail(made)
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for language, theme, width in VIEWS:
            somebody = visitor(chromium, made.address, language=language, theme=theme, width=width)

            def shoot(name: str, page: Any = somebody.page, end: str = f"{language}-{theme}-{width}") -> None:
                page.screenshot(path=FOLDER / f"{name}-{end}.png", full_page=True)

            somebody.go("/sign-in")
            shoot("sign-in")
            somebody.sign_in("ada")
            somebody.go_until("/", _COUNTED[language])
            for name, path in shown_pages():
                somebody.go(path)
                shoot(name)
            _opened(somebody, shoot)
            somebody.page.context.close()
        chromium.close()


def _mail(made: Stage) -> None:
    """A message that is delivered, and a stranger's that is refused."""
    with smtplib.SMTP("127.0.0.1", made.relay.port, timeout=60) as client:
        text = "From: app@contoso.test\r\nTo: eva@contoso.test\r\nSubject: Monthly report\r\n\r\nHello.\r\n"
        client.sendmail("app@contoso.test", ["eva@contoso.test"], text)
        client.docmd("MAIL FROM:<stranger@elsewhere.test>")
        client.docmd("RCPT TO:<eve@outside.test>")


def _opened(somebody: Visitor, shoot: Callable[[str], None]) -> None:
    """What stands behind a link, whose address is not known before; and a report that takes its time."""
    for name, path, words in (
        ("trace-details", "/trace", "Monthly report"),
        ("trace-deferred", "/trace", "Invoice"),
        ("refused-details", "/refused", "elsewhere.test"),
        ("audit-details", "/audit", "New-OutboundConnector"),
    ):
        page = somebody.go(path)
        follow(page.locator("tbody tr", has_text=words).first.locator("a.row-link"))
        shoot(name)
    page = somebody.go("/doctor")
    page.locator("#field-Offline").check()
    follow(page.locator("main button.primary"))
    expect(page.locator("#answer")).to_be_visible()
    shoot("doctor-report")
    page = somebody.go("/analyzer")
    page.locator("textarea").first.fill(_HEADERS)
    follow(page.locator("main button.primary"))
    shoot("analyzer-answer")


_HEADERS = """Received: from mail.contoso.test by mx.partner.test with ESMTPS; Tue, 24 Nov 2026 10:00:09 +0000
Received: from printer (10.0.0.7) by mail.contoso.test with ESMTP; Tue, 24 Nov 2026 10:00:02 +0000
From: Printer <printer@contoso.test>
To: eva@partner.test
Subject: Scan
Date: Tue, 24 Nov 2026 10:00:00 +0000
Message-ID: <scan-1@contoso.test>
"""


if __name__ == "__main__":
    main()

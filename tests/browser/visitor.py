"""Who sits at the browser: signs in, goes to pages, and hears of everything that went wrong there.

Rule: whatever leads to another page goes through `follow` or `leaving`. Until the next page is there whole, the one
before still answers, and its buttons have the same names; a machine with more to do shows that.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, Page

from tests.browser.stage import PASSWORD

AXE = Path("axe-core", "axe.min.js")
PATIENCE_MILLISECONDS = 60_000
"""How long a state is waited for; reached in a moment, but for a machine that has more to do."""


@contextmanager
def leaving(page: Page) -> Iterator[None]:
    """Do what leads to another page in the block; after it, that page is loaded, with its scripts."""
    with page.expect_navigation(wait_until="load"):
        yield


def follow(link: Locator) -> None:
    """Click a link or a button that leads to another page, and return when that is loaded."""
    with leaving(link.page):
        link.click()


def press(page: Page, name: str) -> None:
    """Press a button of the page's own that leads to another page, such as the wizard's."""
    follow(page.locator("main").get_by_role("button", name=name, exact=True).last)


@dataclass
class Visitor:
    """page: of Playwright. troubles: errors of scripts and of the console, and requests that went elsewhere."""

    page: Page
    address: str
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self._hear(message.type, message.text))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("request", lambda request: self._look(request.url))

    def go(self, path: str) -> Page:
        """Load a page of the console."""
        self.page.goto(f"{self.address}{path}", wait_until="load")
        return self.page

    def sign_in(self, name: str, password: str = PASSWORD) -> Page:
        self.go("/sign-in")
        self.page.locator("#name").fill(name)
        self.page.locator("#password").fill(password)
        follow(self.page.locator("main button.primary"))
        return self.page

    def go_until(self, path: str, words: str) -> Page:
        """Load a page again and again until it says this: for what the relay writes down, or counts, a while later."""
        deadline = time.monotonic() + PATIENCE_MILLISECONDS / 1000
        while words not in self.go(path).locator("body").inner_text():
            assert time.monotonic() < deadline, f"{path} never says {words!r}"
            self.page.wait_for_timeout(250)
        return self.page

    def step(self, *, by: int) -> None:
        """Back (by=-1) or forward (by=1) in the history, from a page that has loaded to another that has.

        The browser's own command for it fails while a page is still taking the place of the one before.
        """
        self.page.wait_for_load_state("load")
        with leaving(self.page):
            self.page.evaluate("by => void setTimeout(() => history.go(by), 0)", by)

    def violations(self, axe: Path) -> list[str]:
        """What axe finds wrong on the page as it is now."""
        self.page.evaluate(axe.read_text(encoding="utf-8"))
        found: list[dict[str, Any]] = self.page.evaluate("async () => (await axe.run()).violations")
        return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]

    def octets(self) -> int:
        """What the page weighs, with all that it asked for, as the browser kept count."""
        sizes = "performance.getEntries().reduce((sum, each) => sum + (each.decodedBodySize ?? 0), 0)"
        return int(self.page.evaluate(sizes))

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and "status of 4" not in text:
            self.troubles.append(text)

    def _look(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and f"{parts.scheme}://{parts.netloc}" != self.address:
            self.troubles.append(f"asked {url}")


def visitor(
    chromium: Browser, address: str, *, language: str = "en", theme: Any = "light", width: int = 1280, **options: Any
) -> Visitor:
    """Return somebody with a browser of his own. language: of the browser; theme: of his system."""
    context = chromium.new_context(
        locale=language,
        color_scheme=theme,
        viewport={"width": width, "height": 900},
        reduced_motion="reduce",
        timezone_id="Europe/Rome",
        **options,
    )
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    return Visitor(context.new_page(), address)

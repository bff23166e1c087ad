"""Write var/screenshots/PAGE-LANGUAGE-THEME-WIDTH.png of every page (`make screenshots`), to be looked at."""

from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM
from tests.browser.pages import shown_pages
from tests.browser.stage import stage
from tests.browser.visitor import visitor
from tests.live.relay import open_folder

FOLDER = Path("var/screenshots")
VIEWS = (("en", "light", 1280), ("en", "dark", 1280), ("it", "light", 1280), ("it", "dark", 360), ("en", "light", 360))


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with stage(open_folder()) as made, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for language, theme, width in VIEWS:
            somebody = visitor(chromium, made.address, language=language, theme=theme, width=width)

            def shoot(name: str, page: Any = somebody.page, end: str = f"{language}-{theme}-{width}") -> None:
                page.screenshot(path=FOLDER / f"{name}-{end}.png", full_page=True)

            somebody.go("/sign-in")
            shoot("sign-in")
            somebody.sign_in("ada")
            for name, path in shown_pages():
                somebody.go(path)
                shoot(name)
            somebody.page.context.close()
        chromium.close()


if __name__ == "__main__":
    main()

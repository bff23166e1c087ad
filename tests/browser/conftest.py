"""Debian's Chromium, axe, and a relay to visit. What is missing is told as for the live tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.stage import Stage, stage
from tests.browser.visitor import AXE, PATIENCE_MILLISECONDS, Visitor, visitor
from tests.live.conftest import need
from tests.live.relay import open_folder

CHROMIUM = Path("/usr/bin/chromium")
_MODULES = Path(os.environ.get("STAFFETTA_NODE_MODULES", "var/peers/node_modules"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    need(None if CHROMIUM.exists() else "chromium is not installed (Debian: chromium)")
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> Path:
    path = _MODULES / AXE
    need(None if path.exists() else "axe-core is not installed (npm install --prefix var/peers axe-core)")
    return path


@pytest.fixture(scope="session")
def served() -> Iterator[Stage]:
    """One relay for all tests that only look, or that change what nobody else looks at."""
    with stage(open_folder()) as made:
        yield made


@pytest.fixture
def ada(chromium: Browser, served: Stage) -> Iterator[Visitor]:
    """Who may do everything, signed in."""
    found = visitor(chromium, served.address)
    found.sign_in("ada")
    yield found
    found.page.context.close()
    assert found.troubles == []

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.admin.web.browser import Browser, Console, console


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Console]:
    with console(tmp_path) as made:
        yield made


@pytest.fixture
def ada(site: Console) -> Browser:
    """Who may do everything, signed in."""
    return site.signed_in("ada", "Organization Management")

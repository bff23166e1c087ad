from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.shell.screen import Screen, screen


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Screen]:
    with screen(tmp_path) as opened:
        yield opened

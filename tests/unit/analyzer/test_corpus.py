"""Real messages that packages ship, read in place; nothing of them is kept here.

- Python's own tests, `test.test_email.data`: PSF licence. Debian keeps them apart, in libpython3.x-testsuite.
- flufl.bounce, GNU Mailman's reader of bounces, `tests/data`: Apache licence. Debian: python3-flufl.bounce.
"""

import importlib.util
import itertools
import os
from pathlib import Path

import pytest

from staffetta.analyzer.blocks import blocks_of
from staffetta.analyzer.fields import NotHeaders, text_of
from staffetta.analyzer.page import page
from staffetta.analyzer.report import analyze

MESSAGES_MIN = 60
FOUND = importlib.util.find_spec("test.test_email") if importlib.util.find_spec("test") else None
FOLDERS = [
    *([Path(FOUND.origin).parent / "data"] if FOUND and FOUND.origin else []),
    Path("/usr/lib/python3/dist-packages/flufl/bounce/tests/data"),
]
MESSAGES = sorted(path for folder in FOLDERS for path in folder.glob("*_*.txt") if "__" not in path.name)


def test_the_corpus_is_there() -> None:
    if len(MESSAGES) < MESSAGES_MIN:
        reason = "install Debian's python3-flufl.bounce, and libpython3.11-testsuite for Debian's Python"
        if os.environ.get("STAFFETTA_REQUIRE_PEERS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_a_real_message_is_analyzed_with_its_hops_in_order(path: Path) -> None:
    text = text_of(path.read_bytes())
    try:
        report = analyze(text)
    except NotHeaders:
        assert "Received:" not in text
        return
    assert [hop.number for hop in report.hops] == list(range(1, len(report.hops) + 1))
    believed = [hop.received.at for hop in report.hops if hop.received.at and hop.clock_offset_seconds is None]
    assert believed == sorted(believed)
    assert report.lines_before or len(report.hops) == fields_of_section(text, "received:")
    assert all(block.rows for block in blocks_of(report))
    assert page(report).endswith("</html>\n")


def fields_of_section(text: str, name: str) -> int:
    """How many lines of the section begin with a name."""
    section = itertools.takewhile(bool, itertools.dropwhile(lambda line: not line, text.splitlines()))
    return sum(line.lower().startswith(name) for line in section)

"""Real messages that Python's own tests ship (`test.test_email.data`, PSF licence), read in place."""

import importlib.util
from pathlib import Path

import pytest

from staffetta.analyzer.fields import NotHeaders, text_of
from staffetta.analyzer.report import analyze

FOUND = importlib.util.find_spec("test.test_email") if importlib.util.find_spec("test") else None
FOLDER = Path(FOUND.origin).parent / "data" if FOUND and FOUND.origin else None
MESSAGES = sorted(FOLDER.glob("msg_*.txt")) if FOLDER else []


@pytest.mark.skipif(not MESSAGES, reason="this Python has no test package; Debian: libpython3-testsuite")
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

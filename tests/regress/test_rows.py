"""Every threat of docs/reliability.md has tests that are there; those of this folder are named by its number."""

import re
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ROWS = range(1, 35)


def rows_of_the_page() -> dict[int, list[str]]:
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    section = text.partition("## Threats and their tests")[2].partition("\n## ")[0]
    found: dict[int, list[str]] = {}
    for numbers, tests in re.findall(r"^\| ([0-9, ]+) \| [^|]+ \| ([^|]+) \|$", section, re.MULTILINE):
        for number in numbers.split(","):
            found[int(number)] = re.findall(r"`([^`]+)`", tests)
    return found


def test_every_threat_has_its_tests_and_they_are_there() -> None:
    rows = rows_of_the_page()
    assert list(rows) == list(ROWS)
    for number, tests in rows.items():
        assert tests, number
        for name in tests:
            assert ((ROOT if "/" in name else HERE) / name).is_file(), name


def test_the_tests_of_a_row_say_so_in_their_names() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_row_*.py"))
    text += (HERE / "test_certificate_handshakes.py").read_text(encoding="utf-8")
    named = {int(number) for number in re.findall(r"def test_row_(\d\d)_", text)}
    here = {
        number for number, tests in rows_of_the_page().items() if any(name.startswith("test_row_") for name in tests)
    }
    assert named == here

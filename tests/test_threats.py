"""Every threat of docs/security.md is shown by a test that is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/security.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its head."""
    lines = TEXT.partition(heading)[2].partition("\n| ")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]


THREATS = [(who, clause.strip()) for who, _, must_not, _ in rows("# Threats") for clause in must_not.split(";")]
SECRETS = [(secret, "") for secret, _, _ in rows("## Where secrets are")]
SHOWN = {(who, must_not): re.findall(r"`([^`]+)`", tests) for who, must_not, tests in rows("## Which test shows it")}


def test_every_threat_and_every_secret_has_its_row_and_nothing_else_has() -> None:
    assert len(THREATS) > 20
    assert len(SECRETS) > 5
    assert list(SHOWN) == [*THREATS, *SECRETS]


@pytest.mark.parametrize("row", SHOWN, ids=" ".join)
def test_the_tests_that_show_it_are_there(row: tuple[str, str]) -> None:
    assert SHOWN[row]
    for named in SHOWN[row]:
        path, _, name = named.partition("::")
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^\s*(?:async )?def {name}\(" if name else r"^def test_", text, re.MULTILINE), named

"""The compatible mode, against what Microsoft's analyzer itself shows.

`mha_shown.json` was written by microsoft/MHA (MIT) at commit 85312514, run under Node 20 with TZ=UTC on these texts.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from staffetta.analyzer.mha import analyze_as_mha, compute_time, header_list, parse_date, parse_header, shown

SHOWN = json.loads((Path(__file__).parent / "mha_shown.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", SHOWN, ids=lambda case: str(case["text"])[10:60])
def test_hops_are_shown_as_the_original_shows_them(case: dict[str, Any]) -> None:
    ours = shown(analyze_as_mha(case["text"]))
    theirs = case["shown"]
    assert ours["totalTime"] == theirs["totalTime"]
    rows = ours["receivedHeaders"]
    assert isinstance(rows, list)
    for row, wanted in zip(rows, theirs["receivedHeaders"], strict=True):
        for name, value in wanted.items():
            if isinstance(value, float):
                assert row[name] == pytest.approx(value), name
            else:
                assert (row[name] or None) == (value or None), name


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 seconds"),
        (999, "0 seconds"),
        (-999, "0 seconds"),
        (1000, "1 second"),
        (-1000, "-1 second"),
        (59_999, "59 seconds"),
        (60_000, "1 minute"),
        (60_001, "1 minute 0 seconds"),
        (61_000, "1 minute 1 second"),
        (18_614_000, "310 minutes 14 seconds"),
        (90_000_000, "1500 minutes"),
    ],
)
def test_delays_are_told_in_its_words(milliseconds: int, words: str) -> None:
    assert compute_time(milliseconds, 0) == words


def test_header_list_takes_lines_that_lost_their_indent() -> None:
    text = "\n\ntext before\nReceived: from a\nby b;\n16:20:05 -0400\nX-A:\n  folded\n  \nmore\n\nbody: no"
    assert header_list(text) == [
        ("", "text before"),
        ("Received", "from a by b; 16:20:05 -0400"),
        ("X-A", "folded more"),
    ]


def test_a_keyword_within_a_comment_begins_a_clause() -> None:
    row = parse_header("from x (using TLSv1.2 with cipher AES) by y with ESMTPS id Z")
    assert row.values["with"] == "cipher AES); ESMTPS"


def test_what_looks_like_a_fraction_loses_the_year() -> None:
    assert parse_date(" Thu Aug 21 12:12:48 2014")[0] == "8/21/2001 12:12:48 PM"


def test_the_local_forms_are_found_in_linear_time() -> None:
    row = parse_header("by " * 1000 + "(qmail " * 200 + " (Postfix, from userid " * 100 + ")")
    assert row.values["by"].endswith(" (Postfix, from userid )")

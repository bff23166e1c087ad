"""Rests of long answers are kept for a while, and within bounds."""

import random

import pytest

from staffetta.admin import paging
from staffetta.admin.paging import PAGE_ROWS_MAX, Pages, page_rows
from staffetta.operations.errors import BadValue

ROWS = [{"Name": f"n{place}"} for place in range(5)]


@pytest.mark.parametrize(
    ("prefer", "rows"),
    [
        ("", PAGE_ROWS_MAX),
        ("odata.maxpagesize=10", 10),
        ('respond-async, OData.MaxPageSize="20";x=1', 20),
        ("maxpagesize=99999999999999999999", PAGE_ROWS_MAX),
        ("odata.maxpagesize=0", 1),
        ("odata.maxpagesize=many", PAGE_ROWS_MAX),
    ],
)
def test_a_page_has_as_many_rows_as_the_client_prefers_within_the_bound(prefer: str, rows: int) -> None:
    assert page_rows(prefer) == rows


def test_the_rest_is_kept_for_half_an_hour() -> None:
    now = 0.0
    pages = Pages(lambda: now)
    rows, token = pages.first("ada", ROWS, 2)
    assert rows == ROWS[:2]
    assert token is not None
    now = 1799.0
    rows, following = pages.next("ada", token)
    assert rows == ROWS[2:4]
    assert following is not None
    assert pages.next("ada", following) == (ROWS[4:], None)
    now = 1800.0
    with pytest.raises(BadValue, match="Give the command again"):
        pages.next("ada", token)


def test_what_is_one_page_is_not_kept() -> None:
    assert Pages().first("ada", ROWS, 5) == (ROWS, None)


def test_the_oldest_rest_goes_when_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "_KEPT_OCTETS_MAX", 3000)
    dice = random.Random(1)
    pages = Pages()
    tokens = [pages.first("ada", [{"Name": dice.randbytes(1000).hex()}] * 2, 1)[1] for _ in range(4)]
    assert all(tokens)
    with pytest.raises(BadValue):
        pages.next("ada", tokens[0] or "")
    assert pages.next("ada", tokens[3] or "")[1] is None

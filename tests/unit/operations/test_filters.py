"""Exchange's filters: what they choose, and how they are refused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from staffetta.operations.errors import BadValue
from staffetta.operations.filters import Property, read_filter

PROPERTIES: dict[str, Property[dict[str, Any]]] = {
    "FromAddress": Property(str, lambda row: row.get("from")),
    "Size": Property(int, lambda row: row.get("size")),
    "Received": Property(datetime, lambda row: row.get("at")),
    "IsLost": Property(bool, lambda row: row.get("lost")),
    "Recipients": Property(str, lambda row: row.get("to", ())),
}
ROW = {
    "from": "Ada@Contoso.com",
    "size": 2048,
    "at": datetime(2026, 11, 24, 10, tzinfo=UTC),
    "lost": True,
    "to": ("a@x.test", "b@[y].test"),
}


@pytest.mark.parametrize(
    ("text", "is_wanted"),
    [
        ("FromAddress -eq 'ada@contoso.com'", True),
        ("FromAddress -ne 'ada@contoso.com'", False),
        ("fromaddress -LIKE '*@contoso.com'", True),
        ("FromAddress -notlike '*@contoso.com'", False),
        ("FromAddress -like 'Ada?Contoso.com'", False),
        ("FromAddress -eq $null", False),
        ("FromAddress -ne $null", True),
        ("Size -gt 2047 -and Size -lt 2049", True),
        ("Size -ge 2KB -and Size -le 2kb", True),
        ("Size -eq 2049", False),
        ("Received -lt '2026-11-24T10:00:01'", True),
        ("Received -gt '2026-11-24T11:00:00+02:00'", True),
        ("IsLost -eq $true", True),
        ("-not IsLost -eq $true", False),
        ("-not (Size -eq 1 -or Size -eq 2)", True),
        ("Size -eq 1 -and Size -eq 2 -or IsLost -eq $true", True),
        ("Size -eq 1 -and (Size -eq 2 -or IsLost -eq $true)", False),
        ("Recipients -eq 'B@[Y].test'", True),
        ("Recipients -like '*@[y].test'", True),
        ("Recipients -ne 'a@x.test'", False),
        ('{FromAddress -eq "ada@contoso.com"}', True),
        ("FromAddress -eq 'o''neill@contoso.com'", False),
    ],
)
def test_a_filter_chooses(text: str, is_wanted: bool) -> None:
    assert read_filter(text, PROPERTIES)(ROW) is is_wanted


def test_what_has_no_value_is_neither_before_nor_after_anything() -> None:
    assert not read_filter("Received -lt '2030-01-01' -or Received -gt '2000-01-01'", PROPERTIES)({})
    assert read_filter("Received -eq $null", PROPERTIES)({})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("Colour -eq 'red'", "no property 'Colour'; there are FromAddress, Size"),
        ("Size -is 1", "'-is' is no operator"),
        ("Size -gt", "a value is missing"),
        ("Size -gt big", "a whole number, not with 'big'"),
        ("Received -gt yesterday", "a time as"),
        ("IsLost -eq maybe", r"\$true or \$false"),
        ("FromAddress -eq 'ada", "not closed"),
        ("(Size -eq 1", r"a \) is missing"),
        ("Size -eq 1 Size -eq 2", "-and or -or was expected"),
        ("Size -gt $null", "no operator here"),
        ("(" * 100 + "Size -eq 1" + ")" * 100, "nested too deeply"),
        ("Size -eq 1 -or " * 1000 + "Size -eq 1", "longer than"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_can_be_written(text: str, why: str) -> None:
    with pytest.raises(BadValue, match=why):
        read_filter(text, PROPERTIES)

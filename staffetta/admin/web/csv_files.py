"""Rows as lines of a CSV file (RFC 4180) that spreadsheets read, and that does nothing in them.

Rule: what came by mail begins no formula. A cell that a spreadsheet would take for one gets an apostrophe in front,
which spreadsheets take for "this is text", and show or hide.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

MEDIA_TYPE = "text/csv; charset=utf-8"
BYTE_ORDER_MARK = "\ufeff"
"""By which spreadsheets know that a file is UTF-8."""
_FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "|", "%")  # the full-width ones too


def lines(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as text, each line with CRLF at its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def row_of(row: Mapping[str, Any], columns: Sequence[str]) -> Sequence[object]:
    """Return the values of these columns."""
    return [row.get(column) for column in columns]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return _harmless(str(value.value if isinstance(value, Enum) else value))


def _harmless(text: str) -> str:
    """Spreadsheets pass over white space and signs that are not shown before they look for a formula."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULAS) else shown

"""How values are shown: as JSON for programs, as tables for people."""

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_COLOURS = {"Delivered": "green", "Failed": "red", "Pending": "yellow", "held": "yellow", "deferred": "yellow"}


def print_json(rows: "Sequence[DataclassInstance]") -> None:
    """Print an array of objects, one per row."""
    json.dump([dataclasses.asdict(row) for row in rows], sys.stdout, indent=2)
    sys.stdout.write("\n")


def print_table(columns: Mapping[str, str], rows: "Sequence[DataclassInstance]", *, if_empty: str) -> None:
    """Print a table, or a sentence where there is no row.

    columns: heading by the name of the row's field.
    """
    print_records(columns, [{field: getattr(row, field) for field in columns} for row in rows], if_empty=if_empty)


def print_records(columns: Mapping[str, str], records: Sequence[Mapping[str, Any]], *, if_empty: str) -> None:
    """Print a table, or a sentence where there is no record. columns: heading by the record's key."""
    if not records:
        print(if_empty)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for field, heading in columns.items():
        table.add_column(heading, overflow="fold", no_wrap=field in ("queue_id", "status", "state"))
    for record in records:
        table.add_row(*(_cell(record[field]) for field in columns))
    _console().print(table)


def print_lines(lines: Sequence[str]) -> None:
    """Print lines as they are, folded at the width of the terminal."""
    for line in lines:
        _console().print(Text(printable(line)))


def _console() -> Console:
    # A pipe or a file gets whole values, however long: they are looked for with grep.
    return Console() if sys.stdout.isatty() else Console(width=1000)


def _cell(value: Any) -> Text:
    text = "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return Text(printable(text), style=_COLOURS.get(text, ""))


def printable(text: str) -> str:
    """What a peer sent must not move the cursor, colour the terminal, or turn the direction of writing."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)

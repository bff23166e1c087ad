"""How output looks: tables, lists, JSON, and which of them a value gets when the script names none."""

import json
from collections.abc import Sequence
from datetime import datetime

from staffetta.shell.dates import format_date
from staffetta.shell.syntax import ScriptBlock
from staffetta.shell.values import Bag, Hashtable, NetObject, Row, printable, text

TABLE_COLUMNS_MAX = 4
"""A row with more properties, and no columns of its own, is shown as a list."""
Cells = list[tuple[str, object]]
"""Names and values of one item's properties, in order."""


class Formatted:
    """Lines that are shown as they are: what Format-Table and Format-List give."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = list(lines)

    def __str__(self) -> str:
        return "\n".join(self.lines)


def shown(value: object) -> str:
    """Return a value as it stands in a table or list."""
    match value:
        case list():
            return "{" + ", ".join(shown(item) for item in value) + "}"
        case datetime():
            return format_date(value, "G")
        case Hashtable():
            return "{" + ", ".join(text(key) for key in value) + "}"
    return printable(text(value)).replace("\n", " ").replace("\t", " ")


def as_list(items: Sequence[Cells]) -> Formatted:
    """Return `Name : value`, a block for each item."""
    lines: list[str] = []
    for cells in items:
        width = max((len(name) for name, _ in cells), default=0)
        lines += ["", *(f"{name:<{width}} : {shown(value)}".rstrip() for name, value in cells)]
    return Formatted([*lines, ""]) if lines else Formatted(())


def as_table(items: Sequence[Cells], width: int | None, *, has_headers: bool = True) -> Formatted:
    """Return a table of the columns that the first item has. width: of the terminal; None for any."""
    if not items or not items[0]:
        return Formatted(())
    names = [name for name, _ in items[0]]
    rows = [[dict(cells).get(name) for name in names] for cells in items]
    texts = [[shown(value) for value in row] for row in rows]
    widths = _widths(names, texts, width)
    is_right = [all(isinstance(row[column], int | float) for row in rows) for column in range(len(names))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            _cut(cell, size).rjust(size) if right else _cut(cell, size).ljust(size)
            for cell, size, right in zip(cells, widths, is_right, strict=True)
        ]
        return " ".join(padded).rstrip()

    head = [line(names), line(["-" * min(len(name), size) for name, size in zip(names, widths, strict=True)])]
    return Formatted(["", *(head if has_headers else ()), *(line(cells) for cells in texts), ""])


def _cut(cell: str, size: int) -> str:
    return cell if len(cell) <= size else cell[: size - 1] + "…" if size > 1 else cell[:size]


def _widths(names: Sequence[str], texts: Sequence[Sequence[str]], width: int | None) -> list[int]:
    """As wide as the cells need; where the terminal is too narrow, the widest column gives way."""
    widths = [max(len(name), *(len(cells[column]) for cells in texts)) for column, name in enumerate(names)]
    while width is not None and sum(widths) + len(widths) - 1 > width and max(widths) > 8:
        widths[widths.index(max(widths))] -= 1
    return widths


def by_default(items: Sequence[object], width: int | None) -> list[str]:
    """Return the lines of what a pipeline gave, where the script does not say how to show it."""
    lines: list[str] = []
    waiting: list[Bag] = []
    for item in items:
        if isinstance(item, Row) and (not waiting or list(item) == list(waiting[0])):
            waiting.append(item)
            continue
        lines += _rows(waiting, width)
        waiting = [item] if isinstance(item, Row) else []
        if not waiting:
            lines += _single(item, width)
    return lines + _rows(waiting, width)


def _rows(rows: Sequence[Bag], width: int | None) -> list[str]:
    if not rows:
        return []
    first = rows[0]
    columns = first.columns if isinstance(first, Row) and first.columns else tuple(first)
    if len(columns) > TABLE_COLUMNS_MAX and not (isinstance(first, Row) and first.columns):
        return as_list([_cells(row, tuple(row)) for row in rows]).lines
    return as_table([_cells(row, columns) for row in rows], width).lines


def _cells(row: Bag, columns: Sequence[object]) -> Cells:
    return [(text(name), row.get(name)) for name in columns]


def _single(item: object, width: int | None) -> list[str]:
    match item:
        case None:
            return []
        case Formatted():
            return item.lines
        case str():
            return item.splitlines() or [""]
        case datetime():
            return ["", format_date(item, "F"), ""]
        case Hashtable():
            return as_table([[("Name", text(key)), ("Value", value)] for key, value in item.items()], width).lines
        case NetObject() if str(item) == item.type_name:
            return as_list([[(name, item.get(name)) for name in (*item.readable, *item.writable)]]).lines
        case list() | bytes():
            return [line for each in item for line in _single(each, width)]
        case ScriptBlock():
            return text(item).splitlines()
    return [text(item)]


def as_json(value: object, depth: int, *, is_compact: bool) -> str:
    """Return JSON. depth: what lies deeper is a text."""
    plain = _plain(value, depth)
    return json.dumps(plain, separators=(",", ":")) if is_compact else json.dumps(plain, indent=2)


def _plain(value: object, depth: int) -> object:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return format_date(value, "o")
        case list() | bytes():
            return [_plain(item, depth - 1) for item in value] if depth >= 0 else text(value)
        case Bag():
            return {text(name): _plain(item, depth - 1) for name, item in value.items()} if depth >= 0 else text(value)
        case NetObject():
            names = (*value.readable, *value.writable)
            return {name: _plain(value.get(name), depth - 1) for name in names} if depth >= 0 else text(value)
    return text(value)

"""How rows of operations are shown: a table of the columns that matter, all properties of one, or JSON."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from staffetta.cli.tables import print_lines, print_records
from staffetta.operations.registry import Operation, Output, Result
from staffetta.settings.objects import outside_name


def print_result(operation: Operation, result: Result, *, is_list: bool, as_json: bool) -> None:
    """Print rows to standard output and warnings to standard error.

    is_list: as a table; else every property, one a line, so that it can be read and copied whole.
    """
    for warning in result.warnings:
        print(f"Warning: {warning}" if not warning.startswith("What if: ") else warning, file=sys.stderr)
    if as_json:
        print_values([_values(row) for row in result.rows])
    elif is_list:
        columns = {outside_name(column): outside_name(column) for column in operation.columns}
        print_records(columns, [_values(row) for row in result.rows], if_empty="There is nothing.")
    else:
        print_lines(_lines(result.rows))


def print_values(records: Sequence[Mapping[str, Any]]) -> None:
    """Print an array of objects as JSON."""
    json.dump(records, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def shown(value: Any) -> str:
    """Print a value as one text: lists with commas."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


def _values(row: Output) -> dict[str, Any]:
    return row.model_dump(mode="json", by_alias=True)


def _lines(rows: Sequence[Output]) -> list[str]:
    lines: list[str] = []
    for row in rows:
        values = _values(row)
        width = max(map(len, values), default=0)
        lines += [*([""] if lines else []), *(f"{name:<{width}} : {shown(each)}" for name, each in values.items())]
    return lines

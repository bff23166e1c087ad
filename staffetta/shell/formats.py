"""Composite formatting: `'{0:N2} of {1}' -f …`, as .NET's, in the invariant culture."""

import re
from collections.abc import Sequence
from datetime import datetime

from staffetta.shell.dates import format_date
from staffetta.shell.trouble import ShellError
from staffetta.shell.values import number, text

_PIECES = re.compile(r"\{\{|\}\}|\{(\d{1,3})(?:,(-?\d{1,3}))?(?::([^{}]*))?\}|[{}]")
_PRECISION_MAX = 40


def composite(pattern: str, values: Sequence[object]) -> str:
    """Return a pattern with its items filled in. Raises ShellError."""

    def piece(found: re.Match[str]) -> str:
        if found.group() in ("{{", "}}"):
            return found.group()[0]
        position, width, form = found.groups()
        if position is None or int(position) >= len(values):
            raise ShellError(
                f"Error formatting a string: {found.group()} in '{pattern}' has no value; {len(values)} are given, "
                "and {0} is the first"
            )
        shown = formatted(values[int(position)], form or "")
        if width is None:
            return shown
        return shown.ljust(-int(width)) if width.startswith("-") else shown.rjust(int(width))

    return _PIECES.sub(piece, pattern)


def formatted(value: object, form: str) -> str:
    """Return a value by a .NET format: of a date, or of a number (N, F, D, X, P, 0.00). Raises ShellError."""
    if not form or value is None:
        return text(value)
    if isinstance(value, datetime):
        return format_date(value, form)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return text(value)
    found = re.fullmatch(r"([NnFfDdXxPpGg])(\d{0,2})", form)
    if found is None:
        return _custom(value, form)
    letter, digits = found.groups()
    return _standard(value, letter, min(int(digits), _PRECISION_MAX) if digits else None)


def _standard(value: int | float, letter: str, digits: int | None) -> str:
    places = 2 if digits is None else digits
    match letter.upper():
        case "N":
            return f"{value:,.{places}f}"
        case "F":
            return f"{value:.{places}f}"
        case "P":
            return f"{value * 100:,.{places}f} %"
        case "D" | "X" if isinstance(value, int):
            shown = str(abs(value)) if letter.upper() == "D" else f"{value & 0xFFFFFFFF:{letter}}"
            return ("-" if value < 0 and letter.upper() == "D" else "") + shown.rjust(digits or 0, "0")
        case "G":
            return text(number(value))
    raise ShellError(f"Error formatting a string: {letter} is for whole numbers, {text(value)} is none")


def _custom(value: int | float, form: str) -> str:
    found = re.fullmatch(r"(#,##)?([0#]+)(?:\.([0#]+))?", form)
    if found is None:
        raise ShellError(f"not supported: the number format {form}; there are N2, F2, D3, X, P and forms such as 0.00")
    thousands, whole, part = found.groups(default="")
    shown = f"{abs(value):{',' if thousands else ''}.{len(part)}f}"
    if part.endswith("#"):
        least = part.count("0")
        head, _, tail = shown.partition(".")
        tail = tail[:least] + tail[least:].rstrip("0")
        shown = f"{head}.{tail}" if tail else head
    head, dot, tail = shown.partition(".")
    return ("-" if value < 0 else "") + head.rjust(whole.count("0"), "0") + dot + tail

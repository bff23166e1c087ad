"""Numbers and texts as they are written in a script, and what they mean."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from staffetta.shell.syntax import Expression

_MULTIPLIERS = {"": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30, "tb": 2**40, "pb": 2**50}
_NUMBER = re.compile(r"(0x[0-9a-f]+|\d+|\d*\.\d+(?:e[+-]?\d+)?|\d+e[+-]?\d+)[ld]?([kmgtp]b)?", re.IGNORECASE)
_ESCAPES = {
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\n": "",
}
_ESCAPED = re.compile(r"`(u\{[0-9a-fA-F]{1,6}\}|\r\n|.)", re.DOTALL)


def number(text: str) -> int | float | None:
    """Return the number that a text is in a script, such as `0x1F`, `1.5e3` or `25MB`; None where it is none."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    digits, unit = found.groups(default="")
    if digits.lower().startswith("0x"):
        value: int | float = int(digits, 16)
    else:
        value = int(digits) if digits.isdecimal() and len(digits) <= 19 else float(digits)
    return value * _MULTIPLIERS[unit.lower()]


def unescape(text: str) -> str:
    """Undo backtick escapes."""

    def meaning(found: re.Match[str]) -> str:
        escape = found.group(1)
        if len(escape) > 1 and escape[0] == "u":
            code = int(escape[2:-1], 16)
            return chr(code) if code <= 0x10FFFF else "\ufffd"
        return "" if escape == "\r\n" else _ESCAPES.get(escape, escape)

    return _ESCAPED.sub(meaning, text)


def verbatim(text: str) -> str:
    """Return what a text in single quotation marks says, here-strings too. text: with its marks."""
    if text.startswith("@'"):
        return _here(text)
    return text[1:-1].replace("''", "'")


def _here(text: str) -> str:
    """What stands between the first line end and the last one."""
    inside = text[2:-2].lstrip(" \t")
    inside = inside.removeprefix("\r").removeprefix("\n")
    return inside.removesuffix("\n").removesuffix("\r")


def inside(pieces: list["str | Expression"], *, is_here: bool) -> list["str | Expression"]:
    """Return the pieces of a text in double quotation marks, with escapes undone. pieces: without the marks."""
    if is_here:
        first, last = pieces[0], pieces[-1]
        if isinstance(first, str):
            pieces[0] = first.lstrip(" \t").removeprefix("\r").removeprefix("\n")
        if len(pieces) == 1:
            last = pieces[0]
        if isinstance(last, str):
            pieces[-1] = last.removesuffix("\n").removesuffix("\r")
        return [unescape(piece) if isinstance(piece, str) else piece for piece in pieces]
    return [unescape(piece.replace('""', '`"')) if isinstance(piece, str) else piece for piece in pieces]

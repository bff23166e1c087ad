"""Where a key stands in a TOML file, by line: for messages that an administrator can follow.

tomllib gives no places. This looks at lines only, so a key inside an inline table or a multi-line array is found by
the line on which its outermost key begins.
"""

import re
from collections.abc import Mapping, Sequence

_TABLE = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.-]+)\s*\]\]?")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")


Lines = Mapping[tuple[str | None, int, str | None], int]
"""By table, how many of its name stand before it, and key; a table's own line has no key."""


def lines_of(source: str) -> Lines:
    """Return where every table and every key begins, from line 1; one walk, however many are asked for."""
    found: dict[tuple[str | None, int, str | None], int] = {}
    current: str | None = None
    seen: dict[str | None, int] = {None: 0}
    for number, line in enumerate(source.split("\n"), 1):
        if match := _TABLE.match(line):
            current = match[2]
            seen[current] = seen.get(current, -1) + 1
            found[current, seen[current], None] = number
        elif match := _KEY.match(line):
            found.setdefault((current, seen[current], match[1]), number)
    return found


def place_in(lines: Lines, location: Sequence[str | int]) -> int | None:
    """Return the line of a location such as ("listeners", 0, "address"); None where there is none.

    Where the last key is missing in the file, the line of its table is returned.
    """
    if len(location) == 1:
        own = str(location[0])
        return lines.get((None, 0, own)) or lines.get((own, 0, None))
    table, second = str(location[0]), location[1]
    index = second if isinstance(second, int) else 0
    key = next((str(part) for part in location[2 if isinstance(second, int) else 1 :]), None)
    return lines.get((table, index, key)) or lines.get((table, index, None)) or lines.get((None, 0, table))


def line_of(source: str, location: Sequence[str | int]) -> int | None:
    """Return the same of the text of a file."""
    return place_in(lines_of(source), location)

"""Where a key stands in a TOML file, by line: for messages that an administrator can follow.

tomllib gives no places. This looks at lines only, so a key inside an inline table or a multi-line array is found by
the line on which its outermost key begins.
"""

import re
from collections.abc import Sequence

_TABLE = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.-]+)\s*\]\]?")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")


def line_of(source: str, location: Sequence[str | int]) -> int | None:
    """Return the line (from 1) of a location such as ("listeners", 0, "address"); None where there is none.

    Where the last key is missing in the file, the line of its table is returned.
    """
    table = location[0] if len(location) > 1 else None
    index = location[1] if len(location) > 1 and isinstance(location[1], int) else 0
    key = next((part for part in location[2 if table and isinstance(location[1], int) else 1 :]), None)
    if table is None:
        own = str(location[0])
        return _find(source, None, 0, own) or _find(source, own, 0, None)
    found = _find(source, str(table), index, str(key) if key is not None else None)
    return found or _find(source, None, 0, str(table))


def _find(source: str, table: str | None, index: int, key: str | None) -> int | None:
    current: str | None = None
    seen = -1
    place = None
    for number, line in enumerate(source.split("\n"), 1):
        if match := _TABLE.match(line):
            current = match[2]
            if current == table:
                seen += 1
                if seen == index:
                    place = number
        elif current == table and (table is None or seen == index) and (match := _KEY.match(line)) and match[1] == key:
            return number
    return place

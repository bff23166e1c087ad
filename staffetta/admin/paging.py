"""Pages of an answer that has more rows than one page: the rest is kept here until it is fetched, or half an hour.

Rule 1: the rows are those of the moment in which they were asked for, so that none is missing between two pages.
Rule 2: a page is given to the caller alone who asked, with the roles that he had, for the same command.
Rule 3: what is kept is bounded; the oldest answer goes first, and who wants its rest asks anew.
"""

import json
import secrets
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from staffetta.operations.errors import BadValue

PAGE_ROWS_MAX = 1000
"""Exchange's, and what its module asks for."""

_KEPT_SECONDS = 1800.0
_KEPT_OCTETS_MAX = 33_554_432

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Rest:
    """owner: who may have it. pages: those after the first, as compressed JSON. until: in the clock's seconds."""

    owner: object
    pages: tuple[bytes, ...]
    until: float

    @property
    def octets(self) -> int:
        return sum(map(len, self.pages))


class Pages:
    """See the head of this file. clock: seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rests: OrderedDict[str, _Rest] = OrderedDict()
        self._lock = Lock()

    def first(self, owner: object, rows: Sequence[Row], size: int) -> tuple[Sequence[Row], str | None]:
        """Return the first page, and the token of the next; None where that is all."""
        if len(rows) <= size:
            return rows, None
        pages = tuple(_packed(rows[begin : begin + size]) for begin in range(size, len(rows), size))
        rest = _Rest(owner, pages, self._clock() + _KEPT_SECONDS)
        key = secrets.token_urlsafe(18)
        with self._lock:
            self._rests[key] = rest
            self._make_room()
        return rows[:size], f"{key}.0"

    def next(self, owner: object, token: str) -> tuple[Sequence[Row], str | None]:
        """Return the page of a token, which may be fetched again, and the token of the next. Raises BadValue."""
        key, _, number = token.rpartition(".")
        with self._lock:
            self._make_room()
            rest = self._rests.get(key)
        if rest is None or rest.owner != owner or not number.isdecimal() or int(number) >= len(rest.pages):
            raise BadValue(
                "This page is not kept (any more): it was for another command or caller, or half an hour has passed. "
                "Give the command again without $skiptoken.",
                parameter="$skiptoken",
            )
        place = int(number)
        following = f"{key}.{place + 1}" if place + 1 < len(rest.pages) else None
        return json.loads(zlib.decompress(rest.pages[place])), following

    def _make_room(self) -> None:
        now, octets = self._clock(), sum(rest.octets for rest in self._rests.values())
        while self._rests:
            oldest = next(iter(self._rests.values()))
            if oldest.until > now and octets <= _KEPT_OCTETS_MAX:
                return
            self._rests.popitem(last=False)
            octets -= oldest.octets


def page_rows(prefer: str) -> int:
    """Return how many rows a page has, by the `Prefer` field: `odata.maxpagesize=100`."""
    for preference in prefer.split(","):
        name, _, value = preference.split(";")[0].partition("=")
        value = value.strip().strip('"')
        if name.strip().lower() in ("odata.maxpagesize", "maxpagesize") and value.isascii() and value.isdecimal():
            return max(1, min(int(value[:9]), PAGE_ROWS_MAX))
    return PAGE_ROWS_MAX


def _packed(rows: Sequence[Row]) -> bytes:
    return zlib.compress(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode(), 1)

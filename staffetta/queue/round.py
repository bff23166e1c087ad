"""Round: lines of which the disk is known to have more, each of which is read in its turn.

Rule 1: a line of which there is more still after its turn comes again after all others; so all go on at the same pace.
Rule 2: a turn takes its part of the room alone, but never less than lanes can carry at a time: many lines are read a
little at a time, so that what is in memory grows little with them, and one line in large pieces.
Rule 3: a line stands here once. What the disk has that nobody here knows of is found by a walk.
"""

from collections import OrderedDict
from collections.abc import Iterable

from staffetta.queue.room import Space

LinePlace = tuple[str, str, str | None]  # route, destination and connector

_CLAIMS_MIN = 20  # a read costs what five claims do; and so many lanes has a route whose settings do not say
_OCTETS_MIN = 1_048_576


class Round:
    """See the head of this file."""

    def __init__(self) -> None:
        self._places: OrderedDict[LinePlace, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    def add(self, places: Iterable[LinePlace]) -> None:
        """Give them a turn after all others; those that stand here keep theirs."""
        for place in places:
            self._places.setdefault(place)

    def take(self) -> LinePlace:
        """Return whose turn it is, and leave it out. Somebody must stand here."""
        return self._places.popitem(last=False)[0]

    def part(self, whole: Space) -> Space:
        """Return how much of the whole room the line that was taken may have in this turn."""
        parts = len(self._places) + 1
        return Space(max(_CLAIMS_MIN, whole.claims // parts), max(_OCTETS_MIN, whole.octets // parts))

"""Which worker a process is, and what its supervisor has handed it (docs/decisions/112-workers.md).

Rule: a relay that stands alone is the first of one, so that nobody asks whether there are others.
"""

from collections.abc import Iterable
from dataclasses import dataclass

GRACE_SECONDS = 30.0  # for sessions and attempts under way; supervisors commonly kill after 90 s


@dataclass(frozen=True, slots=True)
class Place:
    """number: from 0. of: how many workers there are. run: names this start of the whole relay."""

    number: int = 0
    of: int = 1
    run: str = ""

    @property
    def is_first(self) -> bool:
        """Whether it does what one alone is to do: console, probes, drop folder, reports."""
        return self.number == 0

    def holds(self, partition: int) -> bool:
        """Whether a partition is this worker's: its own, or one whose worker is no more."""
        return partition == self.number if partition < self.of else partition % self.of == self.number

    def held(self, there: Iterable[int]) -> list[int]:
        """Return the partitions to be held, its own first. there: those that have a folder."""
        return [self.number, *sorted(each for each in there if each != self.number and self.holds(each))]


ALONE = Place()

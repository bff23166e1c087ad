"""How fast each destination fills and empties, told to other processes now and then.

Rule: what is counted is messages for a destination as they come new and as they leave it for good. It is for eyes
alone: nothing is decided by it, and a crash may lose it.
"""

from collections import Counter
from collections.abc import Sequence

from staffetta.spool.marks import QueueFlow
from staffetta.spool.spool import Claim

_SECONDS = 10.0  # at least so long is counted, so that a rate is no accident


class Pace:
    """See the head of this file. Times are seconds since 1970."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._came: Counter[tuple[str, str]] = Counter()
        self._went: Counter[tuple[str, str]] = Counter()
        self._told: set[tuple[str, str]] = set()

    def came(self, claim: Claim) -> None:
        """A message is new."""
        self._came[claim.route, claim.destination] += 1

    def went(self, claim: Claim) -> None:
        """A message waits no more."""
        self._went[claim.route, claim.destination] += 1

    def take(self, now: float) -> Sequence[QueueFlow]:
        """Return what was counted since the last time, and of what has become still that it is; nothing too early."""
        seconds = now - self._since
        if 0 <= seconds < _SECONDS:
            return ()
        busy = self._came.keys() | self._went.keys()
        flows = [
            QueueFlow(*place, until=now, seconds=max(seconds, _SECONDS), came=self._came[place], went=self._went[place])
            for place in busy | self._told
        ]
        self._since, self._told = now, set(busy)
        self._came.clear()
        self._went.clear()
        return flows

"""How many connections a next hop puts up with, learnt from its `432 4.3.2`. Pure: the clock is given.

Rule 1: each refusal takes one lane from those that were in use; one is always left.
Rule 2: after ten minutes without a refusal one more is tried, and from then on one more each minute.
"""

from dataclasses import dataclass

_QUIET_SECONDS = 600.0
_STEP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Crowding:
    """lanes: how many are left. quiet_until: seconds since 1970. reply: what the next hop said, verbatim."""

    lanes: int
    quiet_until: float
    reply: str

    def lanes_max(self, now: float) -> int:
        """How many may carry now."""
        return self.lanes + (0 if now < self.quiet_until else 1 + int((now - self.quiet_until) // _STEP_SECONDS))


def crowded(known: Crowding | None, lanes: int, reply: str, now: float) -> Crowding:
    """Return what a refusal teaches. lanes: in use when it came, the refused one included."""
    if known is not None:
        lanes = min(lanes, known.lanes_max(now))
    return Crowding(max(1, lanes - 1), now + _QUIET_SECONDS, reply)

"""The hops of a message in order, with what each cost in time.

Rule 1: the order is that of the fields, the lowest first; a clock is never a reason to doubt it (RFC 5321 §4.4).
Rule 2: as few clocks as possible are wrong. Times that would run backwards are laid to those hops without which most of
the others run forwards; of two that contradict each other, the earlier hop is doubted.
Rule 3: a delay is measured from the last hop before whose clock is believed. A doubted hop has none, but its offset.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from staffetta.analyzer.received import Received

HOPS_MAX = 500  # mail servers stop a loop long before (RFC 5321 §6.3)
SKEW_SECONDS_MIN = 5  # below it, times are rounded, and clocks a little apart


@dataclass(frozen=True, slots=True)
class Hop:
    """number: from 1, where the message began. delay_seconds: since the last hop whose clock is believed.

    share: of the total, 0 to 1. clock_offset_seconds: how far the clock is ahead of its neighbours at least; negative:
    behind; None where it is believed, or tells nothing.
    """

    number: int
    received: Received
    delay_seconds: float | None = None
    share: float | None = None
    clock_offset_seconds: float | None = None

    @property
    def has_wrong_clock(self) -> bool:
        return self.clock_offset_seconds is not None and abs(self.clock_offset_seconds) >= SKEW_SECONDS_MIN


def hops_of(received: Sequence[Received]) -> tuple[Hop, ...]:
    """Return the hops, the earliest first. received: as the fields stand, the newest first."""
    road = list(reversed(received))
    times = [(index, each.at) for index, each in enumerate(road) if each.at is not None]
    believed = [times[place] for place in _longest_forwards([at for _, at in times])]
    total = (believed[-1][1] - believed[0][1]).total_seconds() if believed else 0.0
    delays = {index: (at - before).total_seconds() for (_, before), (index, at) in pairwise(believed)}
    offsets = _offsets(times, believed)
    return tuple(
        Hop(
            index + 1,
            each,
            delays.get(index),
            delays[index] / total if index in delays and total > 0 else None,
            offsets.get(index),
        )
        for index, each in enumerate(road)
    )


def total_seconds(hops: Sequence[Hop]) -> float | None:
    """Return the time from the first believed clock to the last; None where fewer than two are."""
    delays = [hop.delay_seconds for hop in hops if hop.delay_seconds is not None]
    return sum(delays) if delays else None


def _longest_forwards(times: Sequence[datetime]) -> list[int]:
    """Places of a longest subsequence that never runs backwards, by patience sorting, O(n log n).

    Where there are several, a later hop takes the place of an earlier one.
    """
    tails: list[datetime] = []
    places: list[int] = []
    before: list[int] = []
    for place, at in enumerate(times):
        length = bisect_right(tails, at)
        before.append(places[length - 1] if length else -1)
        tails[length : length + 1] = [at]
        places[length : length + 1] = [place]
    chain: list[int] = []
    at_place = places[-1] if places else -1
    while at_place >= 0:
        chain.append(at_place)
        at_place = before[at_place]
    return chain[::-1]


def _offsets(times: Sequence[tuple[int, datetime]], believed: Sequence[tuple[int, datetime]]) -> dict[int, float]:
    """How far each doubted clock lies outside of the time between its believed neighbours, in seconds."""
    offsets: dict[int, float] = {}
    passed = 0
    for index, at in times:
        if passed < len(believed) and believed[passed][0] == index:
            passed += 1
            continue
        earlier = believed[passed - 1][1] if passed else None
        later = believed[passed][1] if passed < len(believed) else None
        if later is not None and at > later:
            offsets[index] = (at - later).total_seconds()
        elif earlier is not None:
            offsets[index] = (at - earlier).total_seconds()
    return offsets

"""Room: which destinations the queue knows, and how much it may have in hand, in claims and in octets.

Rule 1: what was taken ends by over() or give_back(), once per claim.
Rule 2: a destination has a share of the room for what waits, and each of its lines the same part of that; when all is
taken, the longest line gives half back to one that has nothing, so that no number of slow destinations keeps another
from being tried, and no burst of one connector another connector's mail.
Rule 3: the claim that reaches the bound on octets is taken, so that one larger than the bound goes all the same.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from staffetta.queue.destination import Destination
from staffetta.queue.lines import Line, Lines
from staffetta.settings.model import Settings
from staffetta.spool.spool import Claim, Spool

_SHARES = 3  # what waits for a destination takes at most a third of the room


@dataclass(frozen=True, slots=True)
class Space:
    """How many claims, and octets of them, may be taken still; false where there is none."""

    claims: int
    octets: int

    def __bool__(self) -> bool:
        return self.claims > 0 and self.octets > 0

    def within(self, other: "Space") -> "Space":
        """Return the smaller of both in each measure."""
        return Space(min(self.claims, other.claims), min(self.octets, other.octets))


class Room:
    """See the head of this file. on_free: called when there is room again after is_full was set."""

    def __init__(self, spool: Spool, get_settings: Callable[[], Settings], *, on_free: Callable[[], None]) -> None:
        self._spool = spool
        self._get_settings = get_settings
        self._on_free = on_free
        self.destinations: dict[tuple[str, str], Destination] = {}
        self.claims = 0
        self.octets = 0
        self.is_full = False
        self.is_closed = False
        self._promised = Space(0, 0)

    def destination(self, route: str, name: str) -> Destination:
        """Return what is known of a destination."""
        key = (route, name)
        destination = self.destinations.get(key)
        if destination is None:
            destination = self.destinations[key] = Destination(route, name)
        return destination

    def forget_if_idle(self, destination: Destination) -> None:
        """There may be very many destinations in the course of time."""
        if destination.is_idle():
            self.destinations.pop((destination.route, destination.name), None)

    def space(self, destination: Destination, line: Line, *, is_patient: bool = False) -> Space:
        """Return what more the line may have. One that has none finds room as long as any claim waits.

        is_patient: no other destination makes room for it.
        """
        if self.is_closed:
            return Space(0, 0)
        most, waiting = self.most(), destination.waiting
        share = _share(most, 1)
        is_taken = self.claims >= most.claims or self.octets >= most.octets
        if len(waiting) > 1 and not line.claims:
            are_octets_short = self.octets >= most.octets or waiting.octets >= share.octets
            if is_taken or are_octets_short or len(waiting) >= share.claims:
                self._give_back_half(waiting, are_octets_short=are_octets_short)
        elif is_taken and not is_patient and not waiting and not destination.lanes:
            self._make_room(most)
        own = _share(most, waiting.lines)
        return Space(
            min(
                most.claims - self.claims - self._promised.claims,
                share.claims - len(waiting),
                own.claims - len(line),
            ),
            min(
                most.octets - self.octets - self._promised.octets,
                share.octets - waiting.octets,
                own.octets - line.octets,
            ),
        )

    @contextmanager
    def promising(self, space: Space) -> Iterator[None]:
        """Around a read that may fill the space: nobody else gets it meanwhile."""
        self._promised = space
        try:
            yield
        finally:
            self._promised = Space(0, 0)

    def wants_more(self, destination: Destination, line: Line) -> bool:
        """Whether half of the line's share is free: then it is worth reading from the disk."""
        share = _share(self.most(), destination.waiting.lines)
        return len(line) <= share.claims // 2 and line.octets <= share.octets // 2

    def take(self, destination: Destination, claims: Iterable[Claim]) -> None:
        """Have them wait."""
        for claim in claims:
            self.claims += 1
            self.octets += claim.octets_in_memory
            destination.waiting.append(claim)

    def split(self, claim: Claim, parts: tuple[Claim, Claim]) -> None:
        """A claim has become two, which end by themselves."""
        self.claims += 1
        self.octets += sum(part.octets_in_memory for part in parts) - claim.octets_in_memory

    def over(self, claim: Claim) -> None:
        """Its settlement is durable."""
        self.claims -= 1
        self.octets -= claim.octets_in_memory
        if self.is_full:
            most = self.most()
            if self.claims <= most.claims - most.claims // 8 and self.octets <= most.octets - most.octets // 8:
                self.is_full = False
                self._on_free()

    def give_back(self, claims: Iterable[Claim]) -> None:
        """The spool has them again."""
        for claim in claims:
            self._spool.release(claim)
            self.over(claim)

    def give_back_waiting(self, is_wanted: Callable[[Claim], bool]) -> None:
        """Give back those that wait."""
        for destination in list(self.destinations.values()):
            self.give_back(destination.waiting.withdraw(is_wanted))

    def most(self) -> Space:
        """Return how much there is room for by the settings of now."""
        queue = self._get_settings().queue
        return Space(queue.active_messages_max, queue.active_octets_max)

    def _make_room(self, most: Space) -> None:
        """Give back the younger half of the longest line, by what there is too much of."""
        are_octets_short = self.octets >= most.octets
        longest = max(
            self.destinations.values(),
            key=lambda each: each.waiting.octets if are_octets_short else len(each.waiting),
        )
        if longest.waiting:
            self._give_back_half(longest.waiting, are_octets_short=are_octets_short)

    def _give_back_half(self, waiting: Lines, *, are_octets_short: bool) -> None:
        self.give_back(waiting.pop_younger_half(waiting.longest(by_octets=are_octets_short)))


def _share(most: Space, lines: int) -> Space:
    """What one of so many lines of a destination may have wait."""
    shares = _SHARES * max(1, lines)
    return Space(max(1, most.claims // shares), max(1, most.octets // shares))

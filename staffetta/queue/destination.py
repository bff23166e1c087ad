"""One destination: what waits for it, how many lanes carry at a time, and whether it is well.

A destination in trouble is left alone until `not_before`; then one lane probes it (half open), and every success
lets one lane more go, until the route's concurrency is reached. Times are seconds since 1970.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from staffetta.mail.outcome import Deferred, Stage
from staffetta.queue.schedule import destination_back_off_seconds
from staffetta.queue.shaper import Wait
from staffetta.settings.model import QueueSettings
from staffetta.spool.marks import Notice
from staffetta.spool.spool import Claim

_NO_TROUBLE = Deferred(status="4.4.0", diagnostic="", stage=Stage.ROUTE)


class Line:
    """Claims that wait, oldest first. octets: what they cost in memory."""

    __slots__ = ("_claims", "octets")

    def __init__(self) -> None:
        self._claims: deque[Claim] = deque()
        self.octets = 0

    def __len__(self) -> int:
        return len(self._claims)

    @property
    def first(self) -> Claim:
        """The oldest."""
        return self._claims[0]

    def append(self, claim: Claim) -> None:
        """Put the claim at the end."""
        self._claims.append(claim)
        self.octets += claim.octets_in_memory

    def extend(self, claims: Iterable[Claim]) -> None:
        """Put the claims at the end, in their order."""
        for claim in claims:
            self.append(claim)

    def popleft(self) -> Claim:
        """Take the oldest."""
        claim = self._claims.popleft()
        self.octets -= claim.octets_in_memory
        return claim

    def pop_younger_half(self) -> list[Claim]:
        """Take the younger half, at least one if there is any."""
        half = [self._claims.pop() for _ in range((len(self._claims) + 1) // 2)]
        self.octets -= sum(claim.octets_in_memory for claim in half)
        return half

    def withdraw(self, is_wanted: Callable[[Claim], bool]) -> list[Claim]:
        """Take out those claims, and return them in order."""
        withdrawn = [claim for claim in self._claims if is_wanted(claim)]
        if withdrawn:
            self._claims = deque(claim for claim in self._claims if not is_wanted(claim))
            self.octets -= sum(claim.octets_in_memory for claim in withdrawn)
        return withdrawn


@dataclass(slots=True)
class Destination:
    """waiting: claims in hand. lanes: carrying now. troubles: in a row. trouble: what the last one said.

    lanes_max: how many lanes a destination that was in trouble may have; None: as many as the route allows.
    is_probe_asked: an administrator wants the next lane, whose failure lengthens no wait.
    wait: for what its route may carry; a long one empties the line.
    told: what other processes know of it.
    has_backlog: the spool has more for it than was taken. has_overdue: some of that may have waited too long.
    """

    route: str
    name: str
    waiting: Line = field(default_factory=Line)
    lanes: int = 0
    lanes_max: int | None = None
    troubles: int = 0
    trouble: Deferred = _NO_TROUBLE
    not_before: float = 0.0
    is_probe_asked: bool = False
    wait: Wait | None = None
    is_wait_long: bool = False
    told: Notice | None = None
    has_backlog: bool = False
    has_overdue: bool = False

    def window(self, concurrency: int) -> int:
        """How many lanes may carry now. concurrency: what the route allows."""
        return concurrency if self.lanes_max is None else min(self.lanes_max, concurrency)

    def is_open(self, now: float) -> bool:
        """Whether it may be tried now."""
        return now >= self.open_at

    @property
    def open_at(self) -> float:
        """From when on it may be tried."""
        return max(self.not_before, self.wait.until) if self.wait and self.is_wait_long else self.not_before

    def is_idle(self) -> bool:
        """Whether there is nothing to remember about it."""
        return not (self.waiting or self.lanes or self.troubles or self.has_backlog)

    def well(self, concurrency: int) -> None:
        """An attempt got through."""
        self.troubles, self.trouble, self.not_before = 0, _NO_TROUBLE, 0.0
        self.has_overdue = self.is_probe_asked = False  # nobody is given up by a trouble that is over
        if self.lanes_max is not None:
            self.lanes_max = self.lanes_max + 1 if self.lanes_max < concurrency else None

    def unwell(self, trouble: Deferred, now: float, settings: QueueSettings, draw: float) -> None:
        """An attempt met what others would meet too. Lanes that fail together count once."""
        if self.is_open(now):
            self.troubles = max(1, self.troubles + (not self.is_probe_asked))
            self.is_probe_asked = False
            self.trouble = trouble
            self.lanes_max = 1
            back_off = destination_back_off_seconds(self.troubles, settings, draw)
            self.not_before = now + max(back_off, trouble.retry_after_seconds or 0.0)

    def retry_now(self) -> None:
        """An administrator says that it is worth a probe."""
        self.is_probe_asked = bool(self.troubles)
        self.not_before = 0.0
        self.has_overdue = False

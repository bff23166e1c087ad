"""One destination: what waits for it, how many lanes carry at a time, and whether it is well.

A destination in trouble is left alone until `not_before`; then one lane probes it (half open), and every success
lets one lane more go, until the route's concurrency is reached. Times are seconds since 1970.
"""

from dataclasses import dataclass, field

from staffetta.mail.outcome import Deferred, Stage
from staffetta.queue.lines import Line, Lines
from staffetta.queue.schedule import destination_back_off_seconds
from staffetta.queue.shaper import Wait
from staffetta.settings.model import QueueSettings
from staffetta.spool.marks import Notice

_NO_TROUBLE = Deferred(status="4.4.0", diagnostic="", stage=Stage.ROUTE)


@dataclass(slots=True)
class Destination:
    """waiting: claims in hand. lanes: carrying now. troubles: in a row. trouble: what the last one said.

    lanes_max: how many lanes a destination that was in trouble may have; None: as many as the route allows.
    is_probe_asked: an administrator wants the next lane, whose failure lengthens no wait.
    wait: for what its route may carry; a long one empties the line.
    told: what other processes know of it. is_told_of_rate: that is a connector's rate.
    """

    route: str
    name: str
    waiting: Lines = field(default_factory=Lines)
    lanes: int = 0
    lanes_max: int | None = None
    troubles: int = 0
    trouble: Deferred = _NO_TROUBLE
    not_before: float = 0.0
    is_probe_asked: bool = False
    wait: Wait | None = None
    is_wait_long: bool = False
    told: Notice | None = None
    is_told_of_rate: bool = False

    @property
    def place(self) -> tuple[str, str]:
        """Where it is found."""
        return self.route, self.name

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

    def is_to_be_swept(self, line: Line) -> bool:
        """Whether some of a line's backlog may be overdue, by the trouble of now."""
        return self.troubles > 0 and line.is_unswept

    def is_idle(self) -> bool:
        """Whether there is nothing to remember about it."""
        return not (self.waiting or self.lanes or self.troubles or self.waiting.has_backlog)

    def well(self, concurrency: int) -> None:
        """An attempt got through."""
        self.troubles, self.trouble, self.not_before = 0, _NO_TROUBLE, 0.0
        self.is_probe_asked = False
        if self.lanes_max is not None:
            self.lanes_max = self.lanes_max + 1 if self.lanes_max < concurrency else None

    def unwell(self, trouble: Deferred, now: float, settings: QueueSettings, draw: float) -> None:
        """An attempt met what others would meet too. Lanes that fail together count once."""
        if self.is_open(now):
            self.troubles = max(1, self.troubles + (not self.is_probe_asked))
            self.is_probe_asked = False
            self.trouble = trouble
            self.lanes_max = 1
            back_off = destination_back_off_seconds(self.troubles, settings, draw, is_crowded=trouble.is_crowded)
            self.not_before = now + max(back_off, trouble.retry_after_seconds or 0.0)

    def retry_now(self) -> None:
        """An administrator says that it is worth a probe."""
        self.is_probe_asked = bool(self.troubles)
        self.not_before = 0.0
        for line in self.waiting:  # nobody is given up by a trouble before the probe
            line.is_unswept = False

"""One destination: what waits for it, how many lanes carry at a time, and whether it is well.

A destination in trouble is left alone until `not_before`; then one lane probes it (half open), and success opens it.
Times are seconds since 1970.
"""

from collections import deque
from dataclasses import dataclass, field

from staffetta.queue.schedule import destination_back_off_seconds
from staffetta.settings.model import QueueSettings
from staffetta.spool.spool import Claim


@dataclass(slots=True)
class Destination:
    """waiting: claims in hand, oldest first. lanes: carrying now. troubles: in a row. trouble: what the last one said.

    has_backlog: the spool has more for it than was taken.
    """

    route: str
    name: str
    waiting: deque[Claim] = field(default_factory=deque)
    lanes: int = 0
    troubles: int = 0
    trouble: str = ""
    not_before: float = 0.0
    has_backlog: bool = False

    def window(self, concurrency: int) -> int:
        """How many lanes may carry now."""
        return 1 if self.troubles else concurrency

    def is_open(self, now: float) -> bool:
        """Whether it may be tried now."""
        return now >= self.not_before

    def is_idle(self) -> bool:
        """Whether there is nothing to remember about it."""
        return not (self.waiting or self.lanes or self.troubles)

    def well(self) -> None:
        """An attempt got through."""
        self.troubles = 0
        self.not_before = 0.0

    def unwell(self, trouble: str, now: float, settings: QueueSettings, draw: float) -> None:
        """An attempt met what others would meet too. Lanes that fail together count once."""
        if self.is_open(now):
            self.troubles += 1
            self.trouble = trouble
            self.not_before = now + destination_back_off_seconds(self.troubles, settings, draw)

    def retry_now(self) -> None:
        """An administrator says that it is worth a probe."""
        self.not_before = 0.0

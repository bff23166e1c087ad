"""The system's clock, and what is left of the queue's plans when somebody sets it.

Due times are on disk and must outlast the process, so they are of the system's clock. How long we wait in memory is the
event loop's, which nobody sets. A step is what the one has gone ahead of the other, or fallen behind it.

Rule 1: set back, what waits would wait longer by the step: its due times are moved along, in one transaction.
Rule 2: set forward, everything is due, which costs an attempt, and seems older than it is. So for an hour nothing is
    given up for its age, and nobody is told of a delay: whoever set the clock wrongly has time to set it right.
Why: docs/decisions/120-clock.md.
"""

import asyncio
from collections.abc import Callable

import structlog

from staffetta.settings.model import QueueSettings

STEP_SECONDS = 60.0  # less is no harm, and a busy machine alone may look like some of it
DOUBT_SECONDS = 3600.0
_FOR_EVER = 100 * 365 * 86_400.0

_log = structlog.get_logger()


class Clock:
    """now: seconds since 1970. Belongs to one event loop, from start() on."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._ahead: float | None = None  # of the loop's time
        self._doubted_until = 0.0  # loop time

    def look(self) -> float:
        """Return by how much the clock was set since the last time; 0.0: it was not. Forward is positive."""
        steady = asyncio.get_running_loop().time()
        before, self._ahead = self._ahead, self._now() - steady
        if before is None or abs(step := self._ahead - before) < STEP_SECONDS:
            return 0.0
        _log.warning("the system's clock was set", seconds=round(step))
        self._doubted_until = steady + DOUBT_SECONDS
        return step

    def by_age(self, settings: QueueSettings) -> QueueSettings:
        """Return what is to be done by a message's age: nothing while that is in doubt."""
        if asyncio.get_running_loop().time() >= self._doubted_until:
            return settings
        return settings.model_copy(update={"expire_seconds": _FOR_EVER, "delay_notice_seconds": _FOR_EVER})

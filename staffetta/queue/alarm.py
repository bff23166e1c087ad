"""When the queue looks at the disk next: at the earliest time that anybody has asked for.

A walk over the disk is asked for by a time; a read of what is known to be there, by ask(). The one is much dearer.
However the system's clock is set meanwhile, a walk comes within _SECONDS_MAX of the loop's time.
"""

import asyncio
import contextlib
from collections.abc import Callable

_SECONDS_MAX = 30.0  # how long a missed wake-up may cost
_RESOLUTION_SECONDS = 1e-6  # a timer may be early by less, and is then not waited for again


class Alarm:
    """now: seconds since 1970. It rings at once, and at the latest _SECONDS_MAX after set()."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._at = 0.0
        self._at_the_latest = 0.0  # loop time
        self._is_asked = False
        self._wake = asyncio.Event()

    def set(self) -> None:
        """Forget what was asked for so far."""
        self._at = self._now() + _SECONDS_MAX
        self._at_the_latest = asyncio.get_running_loop().time() + _SECONDS_MAX - _RESOLUTION_SECONDS

    def by(self, at: float) -> None:
        """Ring at this time, if not before."""
        if at < self._at:
            self._at = at
            self._wake.set()

    def ask(self) -> None:
        """Let the next wait end at once."""
        self._is_asked = True
        self._wake.set()

    def rings(self, not_before: float) -> bool:
        """Whether the time has come. not_before: in the loop's time."""
        return self._seconds(not_before) <= 0

    async def wait(self, not_before: float) -> None:
        """Return when it rings, or somebody has asked."""
        while not self._is_asked and (seconds := self._seconds(not_before)) > 0:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), min(seconds, _SECONDS_MAX))
        self._is_asked = False

    def _seconds(self, not_before: float) -> float:
        now = asyncio.get_running_loop().time()
        return max(min(self._at - self._now(), self._at_the_latest - now), not_before - now)

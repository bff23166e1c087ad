"""When the queue looks at the disk next: at the earliest time that anybody has asked for.

A walk over the disk is asked for by a time; a read of what is known to be there, by ask(). The one is much dearer.
"""

import asyncio
import contextlib
from collections.abc import Callable

_SECONDS_MAX = 30.0  # how long a missed wake-up may cost


class Alarm:
    """now: seconds since 1970. It rings at once, and at the latest _SECONDS_MAX after set()."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._at = 0.0
        self._is_asked = False
        self._wake = asyncio.Event()

    def set(self) -> None:
        """Forget what was asked for so far."""
        self._at = self._now() + _SECONDS_MAX

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
        return max(self._at - self._now(), not_before - asyncio.get_running_loop().time())

"""When the queue looks at the disk next: at the earliest time that anybody has asked for."""

import asyncio
import contextlib
from collections.abc import Callable

_SECONDS_MAX = 30.0  # how long a missed wake-up may cost


class Alarm:
    """now: seconds since 1970. It rings at once, and at the latest _SECONDS_MAX after set()."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._at = 0.0
        self._wake = asyncio.Event()

    def set(self) -> None:
        """Forget what was asked for so far."""
        self._at = self._now() + _SECONDS_MAX

    def by(self, at: float) -> None:
        """Ring at this time, if not before."""
        if at < self._at:
            self._at = at
            self._wake.set()

    async def wait(self) -> None:
        """Return when it rings."""
        while (seconds := min(self._at - self._now(), _SECONDS_MAX)) > 0:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), seconds)

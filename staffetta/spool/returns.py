"""Claims given back after their attempt had begun: what becomes of them is written down, however long the disk refuses.

Until it is, their keys stay in hand: nobody tries them, and a crash leaves them in attempt for the next start to mend.
"""

import asyncio
from collections.abc import Callable

from staffetta.spool.spool import SpoolUnavailable

_RETRY_SECONDS = 1.0  # as often as the commit thread looks whether its disk takes writes again


class Returns:
    """The tasks that write."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def write(self, submit: Callable[[], asyncio.Future[None]]) -> None:
        """Call `submit`, at once and then until what it returns ends without SpoolUnavailable."""
        task = asyncio.ensure_future(_write(submit(), submit))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """Leave the rest to the next start."""
        for task in self._tasks:
            task.cancel()


async def _write(done: asyncio.Future[None], submit: Callable[[], asyncio.Future[None]]) -> None:
    while True:
        try:
            return await done
        except SpoolUnavailable:
            await asyncio.sleep(_RETRY_SECONDS)
            done = submit()

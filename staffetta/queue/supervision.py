"""The edge around the queue's own parts: an error of ours is told and counted, and the part goes on.

Rule 1: every part keeps its state in an object, never in the coroutine, so that starting again loses nothing.
Rule 2: a part that failed counts as in trouble until it has been well for a while, and /readyz says so.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from staffetta.metrics import QUEUE_FAULTS
from staffetta.spool.spool import SpoolUnavailable

_AGAIN_SECONDS = (0.1, 1.0, 5.0, 30.0)
_WELL_SECONDS = 5.0

_log = structlog.get_logger()


class Supervisor:
    """See the head of this file. part: one of metrics.QUEUE_PARTS."""

    def __init__(self) -> None:
        self._bad_until: dict[str, float] = {}  # in the loop's time
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def troubles(self) -> list[str]:
        """What is not well now, in words for the administrator."""
        now = asyncio.get_running_loop().time()
        return [
            f"the {part} failed, and goes on as it can; the log has the error"
            for part, until in self._bad_until.items()
            if now < until
        ]

    def start(self, part: str, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Run `work` until it returns or is cancelled, and again after an error. Return the task that does so."""
        task = self._tasks[part] = asyncio.create_task(self._keep_going(part, work), name=f"queue {part}")
        return task

    async def survives(self, part: str, work: Awaitable[None]) -> bool:
        """Await a piece of work; return False, with the error told, where it failed. Raises SpoolUnavailable."""
        try:
            await work
        except SpoolUnavailable:  # the disk's trouble is no error of ours
            raise
        except Exception as error:
            self._tell(part, error, again_seconds=0.0)
            return False
        return True

    async def stop(self, part: str, patience_seconds: float = 0.0) -> bool:
        """Wait for its end, and after this long cancel it; return whether it ended by itself."""
        task = self._tasks.get(part)
        if task is None:
            return True
        done, _ = await asyncio.wait([task], timeout=patience_seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return bool(done)

    async def _keep_going(self, part: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            began = clock()
            try:
                return await work()
            except Exception as error:
                failures = 1 if clock() - began > _WELL_SECONDS else min(failures + 1, len(_AGAIN_SECONDS))
                seconds = _AGAIN_SECONDS[failures - 1]
                self._tell(part, error, again_seconds=seconds)
            await asyncio.sleep(seconds)

    def _tell(self, part: str, error: Exception, *, again_seconds: float) -> None:
        _log.critical("a part of the queue failed", part=part, again_seconds=again_seconds, exc_info=error)
        QUEUE_FAULTS.labels(part).inc()
        self._bad_until[part] = asyncio.get_running_loop().time() + again_seconds + _WELL_SECONDS

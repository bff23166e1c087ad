"""Operations that take long: carried out beside the page that asked, which says how far they are until they end.

Rule 1: of one key there is one at a time; who asks meanwhile is shown the one under way.
Rule 2: there are few at a time, so that whoever asks for many takes no thread from those who look at pages.
Rule 3: they live in memory; the last of each key is kept, with no secret of what was asked.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from staffetta.operations.errors import OperationError, Unavailable
from staffetta.operations.registry import Result

AT_ONCE_MAX = 4
_KEPT_MAX = 200
_SHORT_SECONDS = 1.0

Tell = Callable[[str], None]
Work = Callable[[Tell], Awaitable[Result]]


@dataclass
class Job:
    """values: of the form that asked for it, by outside name. step: what is being done."""

    values: Mapping[str, str]
    began_at: datetime
    step: str = ""
    ended_at: datetime | None = None
    task: "asyncio.Task[Result]" = field(init=False)

    @property
    def is_over(self) -> bool:
        return self.task.done()

    def result(self) -> Result:
        """Return what came of it. Raises OperationError; only once it is over."""
        if self.task.cancelled():
            raise Unavailable("It was broken off, since the relay was stopped. Ask again.")
        return self.task.result()


@dataclass
class Jobs:
    """Those of one console."""

    _found: "OrderedDict[str, Job]" = field(default_factory=OrderedDict)

    def of(self, key: str) -> Job | None:
        """Return the last one of this key."""
        return self._found.get(key)

    async def begin(self, key: str, values: Mapping[str, str], work: Work) -> Job:
        """Begin, unless one is under way; return it, over already where it takes no time.

        Raises Unavailable where there are too many.
        """
        present = self._found.get(key)
        if present is None or present.is_over:
            if sum(not each.is_over for each in self._found.values()) >= AT_ONCE_MAX:
                raise Unavailable("Too many tests run at once. Wait until one has ended, and ask again.")
            present = self._started(key, values, work)
        await asyncio.wait([present.task], timeout=_SHORT_SECONDS)
        return present

    def _started(self, key: str, values: Mapping[str, str], work: Work) -> Job:
        job = Job(values, datetime.now(UTC))

        def tell(step: str) -> None:
            job.step = step

        async def run() -> Result:
            try:
                return await work(tell)
            finally:
                job.ended_at = datetime.now(UTC)

        job.task = asyncio.create_task(run())
        job.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # told by the page, not the log
        self._found[key] = job
        self._found.move_to_end(key)
        self._forget()
        return job

    def _forget(self) -> None:
        """Forget the oldest that are over."""
        over = [key for key, job in self._found.items() if job.is_over]
        for key in over[: max(0, len(self._found) - _KEPT_MAX)]:
            del self._found[key]


def error_of(job: Job | None) -> OperationError | None:
    """Return why it came to nothing; None where it did not, or is not over."""
    if job is None or not job.is_over:
        return None
    try:
        job.result()
    except OperationError as error:
        return error
    return None

"""Answers that go on: files that are written while they are read, and pages that hear of changes.

Rule 1: places are few, in all and for one visitor, so that nobody takes the threads of those who look at pages.
Rule 2: a stream ends with the sign-in that began it, with its roles, and with the relay.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from staffetta.operations.errors import Unavailable

AT_ONCE_MAX = 40
OF_ONE_MAX = 4  # a browser has six connections to a host, and needs some for its pages


@dataclass
class Streams:
    """Those of one console."""

    are_ending: bool = False
    _taken: Counter[str] = field(default_factory=Counter)
    _resting: set["asyncio.Future[None]"] = field(default_factory=set)

    def end(self) -> None:
        """Let every stream end at its next step, and those that rest now. On the loop of the server."""
        self.are_ending = True
        for each in self._resting:
            if not each.done():
                each.set_result(None)

    def take(self, key: str) -> None:
        """Take a place for this visitor. Raises Unavailable where there is none."""
        if self._taken[key] >= OF_ONE_MAX or self._taken.total() >= AT_ONCE_MAX:
            raise Unavailable("Too many pages are live, or files are being written. Close one of them, and ask again.")
        self._taken[key] += 1

    def give_back(self, key: str) -> None:
        """Let somebody else have it."""
        self._taken[key] -= 1
        if not self._taken[key]:
            del self._taken[key]

    async def rest(self, pause: Callable[[float], Awaitable[None]], seconds: float) -> bool:
        """Wait so long, and return whether the stream goes on."""
        if self.are_ending:
            return False
        woken = asyncio.get_running_loop().create_future()
        resting = asyncio.ensure_future(pause(seconds))
        self._resting.add(woken)
        try:
            await asyncio.wait((resting, woken), return_when=asyncio.FIRST_COMPLETED)
            if resting.done():
                resting.result()
        finally:
            self._resting.discard(woken)
            resting.cancel()
        return not self.are_ending


class Stream(StreamingResponse):
    """An answer that gives its place back when it has ended, however it ends."""

    def __init__(
        self, parts: AsyncIterable[str], media_type: str, give_back: Callable[[], None], headers: Mapping[str, str]
    ) -> None:
        super().__init__(parts, media_type=media_type, headers=dict(headers))
        self._give_back = give_back

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._give_back()

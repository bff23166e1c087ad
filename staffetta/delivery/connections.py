"""The connection cache: idle channels to next hops, kept for the next message.

A channel is either in here, idle, or in the hands of one transaction. Taking one gives no promise that the other
side still keeps it: a transaction on a channel that has been idle may fail before MAIL is answered, and is then
tried once more on a new one.
"""

import asyncio
from collections import defaultdict, deque

from staffetta.delivery.channel import Channel
from staffetta.delivery.opening import Hop


class Connections:
    """See the head of this file. All channels belong to the event loop that uses them."""

    def __init__(self) -> None:
        self._idle: defaultdict[Hop, deque[tuple[float, Channel]]] = defaultdict(
            deque
        )  # (until, channel), oldest first
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False

    def take(self, hop: Hop) -> Channel | None:
        """Return the channel that was used last: the others grow old and are closed, so the cache shrinks by itself."""
        idle = self._idle.get(hop)
        while idle:
            _, channel = idle.pop()
            if channel.is_reusable:
                return channel
            channel.abort()
        return None

    def give_back(self, hop: Hop, channel: Channel, *, idle_seconds: float, messages_max: int) -> None:
        """Keep the channel for idle_seconds, or close it where it can serve no further message."""
        if not channel.is_reusable:
            channel.abort()
        elif self._is_closed or channel.messages >= messages_max or idle_seconds <= 0:
            channel.quit()
        else:
            loop = asyncio.get_running_loop()
            self._idle[hop].append((loop.time() + idle_seconds, channel))
            if self._sweep is None:
                self._sweep = loop.call_later(idle_seconds, self._close_old)

    def close(self) -> None:
        """Say QUIT on all idle channels; those in use are closed when they are given back."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for idle in self._idle.values():
            for _, channel in idle:
                channel.quit()
        self._idle.clear()

    def _close_old(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for hop, idle in list(self._idle.items()):
            while idle and (idle[0][0] <= now or not idle[0][1].is_open):
                idle.popleft()[1].quit()
            if not idle:
                del self._idle[hop]
        first = min((idle[0][0] for idle in self._idle.values()), default=None)
        self._sweep = None if first is None else loop.call_at(first, self._close_old)

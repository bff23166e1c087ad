"""Connections of the web side within bounds: whoever can connect to it takes no descriptors from the mail.

Rule 1: so many at a time, and so many of one address, are served; more are closed before a word is read.
Rule 2: the head of a request comes within some seconds, each time; uvicorn's own timer runs between requests alone.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True, slots=True)
class Bounds:
    """per_address_max: a proxy in front is one address, and commonly this machine's."""

    connections_max: int = 400
    per_address_max: int = 200
    head_seconds: float = 20.0


class BoundedConnection(H11Protocol):
    """One connection; see the head of this file."""

    def __init__(self, bounds: Bounds, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._bounds = bounds
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Close it where there are enough."""
        super().connection_made(transport)
        of_host = sum(_host(each) == _host(self) for each in self.connections)
        if len(self.connections) > self._bounds.connections_max or of_host > self._bounds.per_address_max:
            transport.abort()
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Go on, and look whether the head has come."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        self._stop_timer()

    def _watch_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self._bounds.head_seconds, self._close)

    def _close(self) -> None:
        self._head_timer = None
        if self.conn.their_state is h11.IDLE:
            self.transport.abort()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _host(connection: object) -> str | None:
    client = getattr(connection, "client", None)
    return str(client[0]) if client else None


def bounded(bounds: Bounds) -> Any:
    """Return what uvicorn makes a connection with."""
    return partial(BoundedConnection, bounds)

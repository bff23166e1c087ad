"""Holds mail to what its inbound connector may hand to delivery: messages a minute, over all destinations together.

Rule 1: a message counts once for each destination that it goes to, when it goes; so does each further attempt.
Rule 2: lines that wait are called first come, first served, by one timer of their connector. One that is called and
cannot go now is passed over; one that is late keeps its place for a while.
Rule 3: what went is handed over with the next outcomes, as marks; a start goes on with it.
Rule 4: a change of the settings, or of the clock, is noticed within _SHORT_SECONDS.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from staffetta.queue.book import Book
from staffetta.queue.shaping import Rate
from staffetta.settings.model import Settings
from staffetta.spool.marks import ConnectorMark, Mark

_SHORT_SECONDS = 30.0
_TIMER_SECONDS_MIN = 0.01  # many turns lie close together; they share a timer

Place = tuple[str, str]  # route and destination: where a connector's line waits


@dataclass(frozen=True, slots=True)
class Turn:
    """until: about when the line is called, seconds since 1970. reason: in words."""

    until: float
    reason: str


@dataclass(slots=True)
class _Gate:
    """Who waits for one connector's rate. waiting: in order. called: since when, in the order of that."""

    waiting: OrderedDict[Place, None] = field(default_factory=OrderedDict)
    called: dict[Place, float] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None


class Gates:
    """See the head of this file. now: seconds since 1970.

    on_turn: given a place and a connector, has its line go; returns whether it can. book: where several queues count
    together; a message that another queue has counted meanwhile is one to wait for.
    """

    def __init__(
        self,
        get_settings: Callable[[], Settings],
        *,
        now: Callable[[], float],
        on_turn: Callable[[Place, str], bool],
        book: Book | None = None,
    ) -> None:
        self._book = book
        self._get_settings = get_settings
        self._now = now
        self._on_turn = on_turn
        self._settings: Settings | None = None
        self._rates: dict[str, Rate] = {}
        self._expected: dict[str, float] = {}
        self._changed: set[str] = set()
        self._gates: dict[str, _Gate] = {}

    def remember(self, marks: Iterable[Mark]) -> None:
        """Go on with what an earlier start has counted."""
        self._expected |= {mark.connector: mark.expected_at for mark in marks if isinstance(mark, ConnectorMark)}

    def take_changed(self) -> list[Mark]:
        """Return what has changed since the last time."""
        marks: list[Mark] = [ConnectorMark(connector, self._expected[connector]) for connector in self._changed]
        self._changed.clear()
        return marks

    def close(self) -> None:
        """Call nobody any more."""
        for gate in self._gates.values():
            if gate.timer is not None:
                gate.timer.cancel()
        self._gates.clear()

    def is_counted(self, connector: str | None) -> bool:
        """Whether mail of the connector has a rate."""
        return connector is not None and self._rate(connector) is not None

    def wait_for(self, connector: str | None, place: Place, now: float) -> Turn | None:
        """Return None if the oldest of the line may go now; else it stands in the row from now on, to be called."""
        rate = None if connector is None else self._rate(connector)
        if connector is None or rate is None:
            return None
        gate, ready_at = self._gates.get(connector), rate.ready_at(self._bucket(connector, rate, now))
        if ready_at <= now and (gate is None or not gate.waiting or place in gate.called):
            return None
        if gate is None:
            gate = self._gates[connector] = _Gate()
        gate.waiting.setdefault(place)
        if gate.called.pop(place, None) is not None:
            gate.waiting.move_to_end(place, last=False)
            before = 0
        else:
            before = len(gate.waiting) - 1
        if gate.timer is None:
            self._arm(connector, gate, ready_at - now)
        until = max(ready_at, now) + before * rate.interval_seconds
        return Turn(until, f"mail of the connector {connector} waits for its rate: {rate.per_minute} a minute")

    def count(self, connector: str | None, place: Place, now: float) -> None:
        """One of the line goes now."""
        rate = None if connector is None else self._rate(connector)
        if connector is None or rate is None:
            return
        self._expected[connector] = rate.after(self._bucket(connector, rate, now), now)
        if self._book:
            self._book.expect_of(connector, self._expected[connector])
        self._changed.add(connector)
        gate = self._gates.get(connector)
        if gate is not None:
            gate.called.pop(place, None)
            if not gate.waiting and not gate.called:
                self._forget(connector, gate)

    def _rate(self, connector: str) -> Rate | None:
        settings = self._get_settings()
        if settings is not self._settings:
            self._settings = settings
            self._rates = {
                each.name: Rate(each.messages_per_minute)
                for each in settings.inbound_connectors
                if each.messages_per_minute is not None
            }
        return self._rates.get(connector)

    def _bucket(self, connector: str, rate: Rate, now: float) -> float:
        """When the next is expected; no later than by the rate and the clock of now it can be."""
        if self._book and (at := self._book.expected_of(connector)) is not None:
            self._expected[connector] = at
        expected = self._expected.get(connector, 0.0)
        if expected > rate.latest(now):  # kept, or it would go along with the clock and never be reached
            expected = self._expected[connector] = rate.latest(now)
            if self._book:
                self._book.expect_of(connector, expected)
        return expected

    def _arm(self, connector: str, gate: _Gate, seconds: float) -> None:
        delay = min(max(seconds, _TIMER_SECONDS_MIN), _SHORT_SECONDS)
        gate.timer = asyncio.get_running_loop().call_later(delay, self._ring, connector, gate)

    def _ring(self, connector: str, gate: _Gate) -> None:
        """Call as many as may go now."""
        gate.timer, now, rate = None, self._now(), self._rate(connector)
        for place in [place for place, since in gate.called.items() if since <= now - _SHORT_SECONDS]:
            del gate.called[place]
        ready_at = now if rate is None else rate.ready_at(self._bucket(connector, rate, now))
        while gate.waiting and ready_at <= now:
            place, _ = gate.waiting.popitem(last=False)
            gate.called[place] = now
            if not self._on_turn(place, connector):
                gate.called.pop(place, None)
            elif rate is not None:
                ready_at += rate.interval_seconds
        if gate.waiting or gate.called:
            self._arm(connector, gate, ready_at - now if gate.waiting else _SHORT_SECONDS)
        else:
            self._forget(connector, gate)

    def _forget(self, connector: str, gate: _Gate) -> None:
        if gate.timer is not None:
            gate.timer.cancel()
            gate.timer = None
        if self._gates.get(connector) is gate:
            del self._gates[connector]

"""Writes mail flow down: what the metrics have counted since the last look, now and then.

The counters are there already, so that a chart costs a message nothing.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import Counter

from staffetta import metrics
from staffetta.trace.flow import SLOT_SECONDS, FlowCount, Way

_LOOK_SECONDS = 10.0
_Key = tuple[Way, str]


class FlowRecorder:
    """write: takes counts soon, and never raises. now: seconds since 1970."""

    def __init__(self, write: Callable[[Sequence[FlowCount]], None], now: Callable[[], float]) -> None:
        self._write = write
        self._now = now
        self._before = dict(_counted())

    async def run(self) -> None:
        """Look every ten seconds."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Write what has been counted since the last look into the slot of now."""
        slot = int(self._now() // SLOT_SECONDS)
        counted = dict(_counted())
        grown = {key: count - self._before.get(key, 0) for key, count in counted.items()}
        self._before = counted
        counts = [FlowCount(slot, way, name, count) for (way, name), count in grown.items() if count > 0]
        if counts:
            self._write(counts)


def _counted() -> Iterator[tuple[_Key, int]]:
    """Yield what each counter stands at."""
    for connector, _, count in _samples(metrics.CONNECTOR_MESSAGES, "connector"):
        yield (Way.ACCEPTED, connector), count
    for reason, _, count in _samples(metrics.REFUSALS, "reason"):
        yield (Way.REFUSED, reason), count
    for route, result, count in _samples(metrics.ATTEMPTS, "route", "result"):
        yield (Way(result), route), count


def _samples(counter: Counter, name: str, second: str | None = None) -> Iterator[tuple[str, str, int]]:
    for family in counter.collect():
        for sample in family.samples:
            yield sample.labels[name], sample.labels[second] if second else "", int(sample.value)

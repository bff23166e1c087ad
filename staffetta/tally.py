"""What several workers count, shown as one: each tells its own in a small file, and the first adds them up.

Rule 1: counters and histograms are added; of a gauge metrics.py says what is shown.
Rule 2: a worker that has died takes no count with it: the one in its place goes on from what it told last.
Rule 3: what is told is seconds old at most; who tells nothing for longer is an obstacle.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from staffetta import metrics
from staffetta.place import Place

TELL_SECONDS = 2.0
SILENT_SECONDS = 20.0  # a busy disk or a long turn of the loop is no trouble yet

_Key = tuple[str, tuple[tuple[str, str], ...]]  # of a sample: name and labels
_Values = dict[_Key, float]


@dataclass(frozen=True, slots=True)
class _Told:
    """at: seconds since 1970. values: with what workers before in this place have counted."""

    at: float
    obstacles: Sequence[str]
    values: _Values


class Tally(Collector):
    """See the head of this file. folder: that all workers share. now: seconds since 1970."""

    def __init__(self, folder: Path, place: Place, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._place = place
        self._now = now
        told = self._read(place.number)
        counted = {family.name for family in REGISTRY.collect() if family.type != "gauge"}
        self._before = {key: value for key, value in told.values.items() if _family(key[0]) in counted} if told else {}

    def tell(self, obstacles: Sequence[str]) -> None:
        """Write down what this worker has counted. Raises OSError."""
        samples = [[name, labels, value] for (name, labels), value in self._own().items()]
        text = json.dumps({"run": self._place.run, "at": self._now(), "obstacles": list(obstacles), "samples": samples})
        path = self._path(self._place.number)
        new = path.with_suffix(f".{os.getpid()}.new")
        new.write_text(text, encoding="utf-8")
        new.replace(path)

    def obstacles(self) -> Iterator[str]:
        """Yield what keeps the other workers from taking mail, as they told it last."""
        for number in self._others():
            told = self._read(number)
            if told is None or self._now() - told.at > SILENT_SECONDS:
                yield f"worker {number}: it tells nothing"
            else:
                yield from (f"worker {number}: {obstacle}" for obstacle in told.obstacles)

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, of all workers."""
        others = [told.values for number in self._others() if (told := self._read(number)) is not None]
        for family in REGISTRY.collect():
            yield _merged(family, [self._before, *others])

    def _own(self) -> _Values:
        own = {_key(sample): sample.value for family in REGISTRY.collect() for sample in family.samples}
        for key, value in self._before.items():
            own[key] = own.get(key, 0.0) + value
        return own

    def _others(self) -> Iterable[int]:
        return (number for number in range(self._place.of) if number != self._place.number)

    def _path(self, number: int) -> Path:
        return self._folder / f"tally-{number:02}.json"

    def _read(self, number: int) -> _Told | None:
        """None where the worker has told nothing in this run."""
        try:
            told: dict[str, Any] = json.loads(self._path(number).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(told, dict) or told.get("run") != self._place.run:
            return None
        values = {
            (name, tuple((key, label) for key, label in labels)): value for name, labels, value in told["samples"]
        }
        return _Told(told["at"], told["obstacles"], values)


def _merged(family: Metric, others: Sequence[_Values]) -> Metric:
    """Return the family with the samples of all. Examples of measured messages are our own alone."""
    samples = {_key(sample): sample for sample in family.samples}
    keys = dict.fromkeys(samples)
    for values in others:
        keys |= dict.fromkeys(key for key in values if _family(key[0]) == family.name)
    merge = metrics.OF_ALL.get(family.name, sum)
    whole = Metric(family.name, family.documentation, family.type, family.unit)
    for key in keys:
        found = [values[key] for values in others if key in values]
        own = samples.get(key)
        whole.samples.append(
            Sample(key[0], dict(key[1]), merge([own.value, *found] if own else found), None, own and own.exemplar)
        )
    return whole


def _key(sample: Sample) -> _Key:
    return sample.name, tuple(sorted(sample.labels.items()))


def _family(name: str) -> str:
    """Return the family of a sample."""
    for suffix in ("_total", "_bucket", "_sum", "_count"):
        name = name.removesuffix(suffix)
    return name

"""What several workers count is shown as one, whoever of them dies."""

from pathlib import Path

import pytest
from prometheus_client import Gauge
from prometheus_client.exposition import generate_latest

from staffetta import metrics
from staffetta.place import Place
from staffetta.tally import SILENT_SECONDS, Tally

REASON = "a test of the tally"


def value(tally: Tally, name: str, **labels: str) -> float:
    found = [
        sample.value
        for family in tally.collect()
        for sample in family.samples
        if sample.name == name and sample.labels.items() >= labels.items()
    ]
    assert len(found) == 1, found
    return found[0]


def refusals(tally: Tally) -> float:
    return value(tally, "staffetta_refusals_total", reason=REASON)


def test_every_gauge_says_how_it_is_of_all() -> None:
    names = {each._name for each in metrics.all_metrics() if isinstance(each, Gauge)}
    untold = names - metrics.OF_ALL.keys() - metrics.ADDED_GAUGES
    assert untold == set(), "say in metrics.py whether it is added over all workers, or the least or most is shown"
    assert not metrics.OF_ALL.keys() & metrics.ADDED_GAUGES


def test_counters_are_added_and_the_worst_is_shown_of_a_trouble(tmp_path: Path) -> None:
    first, second = (Tally(tmp_path, Place(number, 2, "run")) for number in (0, 1))
    metrics.REFUSALS.labels(REASON).inc(3)
    metrics.SPOOL_TROUBLE.set(1)
    alone = refusals(second)
    buckets = value(second, "staffetta_delivery_seconds_bucket", le="+Inf")
    second.tell([])
    metrics.SPOOL_TROUBLE.set(0)
    assert refusals(first) == 2 * alone
    assert value(first, "staffetta_spool_trouble") == 1
    assert value(first, "staffetta_delivery_seconds_bucket", le="+Inf") == 2 * buckets
    assert f'staffetta_refusals_total{{reason="{REASON}"}}'.encode() in generate_latest(first)


def test_a_worker_goes_on_from_what_the_one_before_in_its_place_has_counted(tmp_path: Path) -> None:
    metrics.REFUSALS.labels(REASON).inc()
    before = Tally(tmp_path, Place(1, 2, "run"))
    alone, free = refusals(before), value(before, "staffetta_spool_free_bytes")
    before.tell([])
    again = Tally(tmp_path, Place(1, 2, "run"))  # in this same process, so what it has counted counts twice
    assert refusals(again) == 2 * alone
    assert value(again, "staffetta_spool_free_bytes") == free
    assert refusals(Tally(tmp_path, Place(1, 2, "another run"))) == alone


def test_who_is_in_trouble_or_silent_is_an_obstacle(tmp_path: Path) -> None:
    clock = [1000.0]
    first, second = (Tally(tmp_path, Place(number, 2, "run"), lambda: clock[0]) for number in (0, 1))
    assert list(first.obstacles()) == ["worker 1: it tells nothing"]
    second.tell(["spool: full"])
    assert list(first.obstacles()) == ["worker 1: spool: full"]
    second.tell([])
    assert list(first.obstacles()) == []
    clock[0] += SILENT_SECONDS + 1
    assert list(first.obstacles()) == ["worker 1: it tells nothing"]


@pytest.mark.parametrize("text", ["", "no JSON"])
def test_a_tally_that_cannot_be_read_counts_for_none(tmp_path: Path, text: str) -> None:
    metrics.REFUSALS.labels(REASON).inc()
    (tmp_path / "tally-01.json").write_text(text)
    first = Tally(tmp_path, Place(0, 2, "run"))
    assert refusals(first) == refusals(Tally(tmp_path / "elsewhere", Place(0, 1)))

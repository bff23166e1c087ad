"""What the metrics count becomes mail flow."""

from staffetta import metrics
from staffetta.trace.flow import SLOT_SECONDS, FlowCount, Way
from staffetta.trace.flow_recorder import FlowRecorder


def test_only_what_grew_since_the_last_look_is_written_into_the_slot_of_now() -> None:
    written: list[FlowCount] = []
    now = 1_000_000.0
    metrics.CONNECTOR_MESSAGES.labels("Press").inc(5)
    recorder = FlowRecorder(written.extend, lambda: now)
    recorder.look()
    assert written == []
    metrics.CONNECTOR_MESSAGES.labels("Press").inc(2)
    metrics.REFUSALS.labels("relay denied").inc()
    metrics.ATTEMPTS.labels("next", "delivered").inc(3)
    recorder.look()
    slot = int(now // SLOT_SECONDS)
    assert written == [
        FlowCount(slot, Way.ACCEPTED, "Press", 2),
        FlowCount(slot, Way.REFUSED, "relay denied", 1),
        FlowCount(slot, Way.DELIVERED, "next", 3),
    ]
    now += SLOT_SECONDS
    metrics.ATTEMPTS.labels("next", "delivered").inc()
    recorder.look()
    assert written[3:] == [FlowCount(slot + 1, Way.DELIVERED, "next", 1)]


def test_every_result_of_an_attempt_has_its_way() -> None:
    assert set(metrics.ATTEMPT_RESULTS) <= set(Way)

"""The schedule: never early, never lost, never past expiry."""

import math

from hypothesis import given
from hypothesis import strategies as st

from staffetta.queue.schedule import (
    DESTINATION_BACK_OFF_SECONDS_MAX,
    JITTER,
    destination_back_off_seconds,
    expires_at,
    is_expired,
    next_attempt_at,
    retry_delay_seconds,
)
from staffetta.settings.model import QueueSettings

seconds = st.floats(0.01, 604_800)
draws = st.floats(0, 1)
queue_settings = st.builds(
    QueueSettings, retry_first_seconds=seconds, retry_max_seconds=seconds, expire_seconds=st.floats(0.01, 2_592_000)
)


@given(st.integers(1, 10_000), queue_settings, st.floats(0, 4e9), st.floats(0, 1, exclude_max=True), draws)
def test_a_retry_is_never_early_never_lost_and_never_past_expiry(
    attempts: int, settings: QueueSettings, received_at: float, age: float, draw: float
) -> None:
    now = received_at + age * settings.expire_seconds
    expiry = expires_at(received_at, settings)
    due_at = next_attempt_at(attempts, received_at, now, settings, draw)
    assert math.isfinite(due_at)
    assert due_at <= expiry
    earliest = now + min(settings.retry_first_seconds, settings.retry_max_seconds) * (1 - JITTER)
    assert due_at == expiry or due_at >= earliest - 1e-6


@given(st.integers(1, 10_000), queue_settings, draws)
def test_delays_grow_until_the_longest(attempts: int, settings: QueueSettings, draw: float) -> None:
    delay = retry_delay_seconds(attempts, settings, draw)
    assert delay <= retry_delay_seconds(attempts + 1, settings, draw)
    assert delay <= max(settings.retry_first_seconds, settings.retry_max_seconds) * (1 + JITTER) * 1.000001


@given(queue_settings, st.floats(0, 1e6), draws)
def test_following_the_schedule_always_ends_in_expiry(settings: QueueSettings, received_at: float, draw: float) -> None:
    now, attempts = received_at, 1
    while not is_expired(received_at, now, settings) and attempts < 200:
        due_at = next_attempt_at(attempts, received_at, now, settings, draw)
        assert due_at > now or due_at == expires_at(received_at, settings)
        now, attempts = due_at, attempts + 1
    longest = max(settings.retry_first_seconds, settings.retry_max_seconds)
    assert is_expired(received_at, now, settings) or settings.expire_seconds > 100 * min(
        longest, settings.retry_first_seconds
    )


@given(st.integers(1, 10_000), queue_settings, draws)
def test_a_destination_is_probed_at_least_every_half_hour(troubles: int, settings: QueueSettings, draw: float) -> None:
    back_off = destination_back_off_seconds(troubles, settings, draw)
    assert 0 < back_off <= DESTINATION_BACK_OFF_SECONDS_MAX * (1 + JITTER)

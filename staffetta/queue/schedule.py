"""When to try again (RFC 5321 §4.5.4.1). Pure: the clock and the dice are the caller's.

Rule 1: a retry is never earlier than its delay allows and never later than the expiry, so that the last attempt
is made at the expiry and nothing waits beyond it.
Rule 2: only an attempt, or a destination known to be in trouble, makes a message expire: nothing is returned untried.
"""

from staffetta.settings.model import QueueSettings

JITTER = 0.1
"""A delay is drawn from 90 % to 110 % of its nominal length, so that what failed together does not return together."""

DESTINATION_BACK_OFF_SECONDS_MAX = 1800.0
"""A probe costs one connection, so a destination is looked at more often than a message that it refuses."""

CROWDED_SECONDS = 10.0
"""After a first `432 4.3.2`: a connection is free again as soon as somebody's message has gone."""

_DOUBLINGS_MAX = 40  # 2**40 seconds is longer than any setting; above it a float would only grow for nothing


def retry_delay_seconds(attempts: int, settings: QueueSettings, draw: float, *, is_crowded: bool = False) -> float:
    """Return how long to wait after the attempt: doubled each time, from retry_first_seconds to retry_max_seconds.

    attempts: made so far, at least 1. draw: 0 to 1. is_crowded: it begins with CROWDED_SECONDS.
    """
    return _spread(_doubled(attempts, _first(settings, is_crowded=is_crowded), settings.retry_max_seconds), draw)


def next_attempt_at(
    attempts: int,
    received_at: float,
    now: float,
    settings: QueueSettings,
    draw: float,
    *,
    is_crowded: bool = False,
) -> float:
    """Return when a deferred recipient is due, seconds since 1970; at the latest when it expires.

    attempts: made so far that count for the wait, at least 1. now: before the expiry. draw: 0 to 1.
    is_crowded: the next hop had too many connections.
    """
    delay = retry_delay_seconds(attempts, settings, draw, is_crowded=is_crowded)
    return min(now + delay, expires_at(received_at, settings))


def destination_back_off_seconds(
    troubles: int, settings: QueueSettings, draw: float, *, is_crowded: bool = False
) -> float:
    """Return how long to leave a destination alone after its `troubles`-th trouble in a row, at least 1.

    draw: 0 to 1. is_crowded: the last one was that it had too many connections.
    """
    longest = min(settings.retry_max_seconds, DESTINATION_BACK_OFF_SECONDS_MAX)
    return _spread(_doubled(troubles, min(_first(settings, is_crowded=is_crowded), longest), longest), draw)


def expires_at(received_at: float, settings: QueueSettings) -> float:
    """Return when a message is given up, seconds since 1970."""
    return received_at + settings.expire_seconds


def is_expired(received_at: float, now: float, settings: QueueSettings) -> bool:
    """Whether a message that could not be delivered now is given up."""
    return now >= expires_at(received_at, settings)


def is_late(received_at: float, now: float, settings: QueueSettings) -> bool:
    """Whether the sender may be told of the delay."""
    return now >= received_at + settings.delay_notice_seconds


def _first(settings: QueueSettings, *, is_crowded: bool) -> float:
    return min(CROWDED_SECONDS, settings.retry_first_seconds) if is_crowded else settings.retry_first_seconds


def _doubled(times: int, first: float, longest: float) -> float:
    doublings = min(max(times - 1, 0), _DOUBLINGS_MAX)
    return min(first * float(2**doublings), max(first, longest))


def _spread(seconds: float, draw: float) -> float:
    return seconds * (1 - JITTER + 2 * JITTER * draw)

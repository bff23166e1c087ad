"""How much a route may carry: messages a minute to a destination, recipients in any 24 hours. Pure: the clock is given.

Rule 1: the rate is a generic cell rate algorithm (ITU-T I.371): a bucket is one number, when the next message is
expected. In no minute go more than the limit; up to a tenth of it, ten at most, goes at once.
Rule 2: recipients are counted by the hour in which they went, and an hour counts until the last of it is 24 hours
past. So what is counted is never less than what went in the last 24 hours.
"""

from dataclasses import dataclass

MINUTE_SECONDS = 60.0
HOUR_SECONDS = 3600.0
DAY_HOURS = 24
_BURST_SHARE, _BURST_MAX = 10, 10
_FORECAST_HOURS = 3  # how far back the pace of now is measured


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit of messages a minute."""

    per_minute: int

    @property
    def burst(self) -> int:
        """How many may go at once after a pause."""
        return max(1, min(self.per_minute // _BURST_SHARE, _BURST_MAX))

    @property
    def interval_seconds(self) -> float:
        """From one to the next once the burst has gone: with it, a minute holds no more than the limit."""
        return MINUTE_SECONDS / (self.per_minute - self.burst + 1)

    def ready_at(self, expected_at: float) -> float:
        """Return from when on a message may go. expected_at: the bucket; 0 for one that nothing has gone through."""
        return expected_at - (self.burst - 1) * self.interval_seconds

    def latest(self, now: float) -> float:
        """Return the bucket at its fullest: by the rate and the clock of now, the next is expected no later."""
        return now + self.burst * self.interval_seconds

    def after(self, expected_at: float, now: float) -> float:
        """Return the bucket after a message that went now, not before ready_at()."""
        return max(expected_at, now) + self.interval_seconds


def tenant_external_limit(licenses: int) -> int:
    """Return the external recipients that an Exchange Online tenant may reach in 24 hours, by its licences."""
    return int(500 * licenses**0.7 + 9500)


class DayCount:
    """Recipients by the hour in which they went, for the last 24 hours. hours: since 1970, and how many in each."""

    __slots__ = ("hours",)

    def __init__(self, hours: dict[int, int] | None = None) -> None:
        self.hours = hours or {}

    def used(self, now: float) -> int:
        """Return how many count now."""
        return sum(count for hour, count in self.hours.items() if _counts_until(hour) > now)

    def add(self, recipients: int, now: float) -> int:
        """Count them, or for a negative number give them back; return the hour whose count has changed."""
        hour = int(now // HOUR_SECONDS)
        if hour not in self.hours:
            self.hours = {each: count for each, count in self.hours.items() if _counts_until(each) > now}
        self.hours[hour] = max(self.hours.get(hour, 0) + recipients, 0)
        return hour

    def ready_at(self, limit: int, now: float) -> float:
        """Return from when on one more fits. limit: at least 1."""
        used = self.used(now)
        if used < limit:
            return now
        for hour in sorted(hour for hour in self.hours if _counts_until(hour) > now):
            used -= self.hours[hour]
            if used < limit:
                return _counts_until(hour)
        return now

    def full_at(self, limit: int, now: float) -> float | None:
        """Forecast when the limit is reached at the pace of the last hours; None where it is not within 24 hours."""
        first = int(now // HOUR_SECONDS) - _FORECAST_HOURS + 1
        seconds = now - first * HOUR_SECONDS
        pace = sum(count for hour, count in self.hours.items() if hour >= first) / seconds
        if self.used(now) >= limit:
            return now
        leaving = sorted(_counts_until(hour) for hour in self.hours if _counts_until(hour) > now)
        at, horizon = now, now + DAY_HOURS * HOUR_SECONDS
        for until in [*leaving, horizon]:
            full = at + (limit - self.used(at) - pace * (at - now)) / pace if pace else horizon
            if full < min(until, horizon):
                return full
            at = until
        return None


def _counts_until(hour: int) -> float:
    return (hour + 1 + DAY_HOURS) * HOUR_SECONDS

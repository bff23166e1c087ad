"""Order, delays, and which clock is doubted."""

from datetime import UTC, datetime, timedelta

import pytest

from staffetta.analyzer.hops import hops_of, total_seconds
from staffetta.analyzer.received import Received

START = datetime(2021, 9, 3, tzinfo=UTC)


def road(*seconds: float | None) -> tuple[Received, ...]:
    """Fields, the newest first, of hops at these seconds, the earliest first."""
    times = [None if each is None else START + timedelta(seconds=each) for each in seconds]
    return tuple(Received(source=str(number), at=at) for number, at in reversed(list(enumerate(times, 1))))


@pytest.mark.parametrize(
    ("seconds", "delays", "offsets"),
    [
        ((), [], []),
        ((0,), [None], [None]),
        ((None,), [None], [None]),
        ((0, 1, 10), [None, 1, 9], [None] * 3),
        ((0, 0), [None, 0], [None, None]),
        ((0, None, 10), [None, None, 10], [None] * 3),
        # One clock of three is ahead: the others tell the true delay.
        ((0, 603, 5), [None, None, 5], [None, 598, None]),
        # One is behind.
        ((0, 10, -600, 12), [None, 10, None, 2], [None, None, -610, None]),
        # The last is behind all others, which agree.
        ((0, 1, 2, -600), [None, 1, 2 - 1, None], [None, None, None, -602]),
        # Two contradict each other: the earlier is doubted, for the later is nearer to who reads.
        ((100, 0), [None, None], [100, None]),
        # The first is ahead of all.
        ((500, 1, 2, 3), [None, None, 1, 1], [499, None, None, None]),
    ],
)
def test_delays_are_measured_between_clocks_that_agree(
    seconds: tuple[float | None, ...], delays: list[float | None], offsets: list[float | None]
) -> None:
    hops = hops_of(road(*seconds))
    assert [hop.delay_seconds for hop in hops] == delays
    assert [hop.clock_offset_seconds for hop in hops] == offsets


def test_the_lowest_field_is_the_first_hop() -> None:
    assert [hop.received.source for hop in hops_of(road(0, 1, 2))] == ["1", "2", "3"]
    assert [hop.number for hop in hops_of(road(0, 1, 2))] == [1, 2, 3]


def test_shares_add_up_to_the_whole_with_wrong_clocks_too() -> None:
    hops = hops_of(road(0, 603, 5, 8, None, 10))
    assert sum(hop.share or 0 for hop in hops) == pytest.approx(1)
    assert total_seconds(hops) == 10


def test_a_clock_a_little_off_is_no_wrong_clock() -> None:
    hops = hops_of(road(0, 12, 10, 20))
    assert hops[1].clock_offset_seconds == 2
    assert not hops[1].has_wrong_clock
